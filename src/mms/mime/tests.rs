use super::*;
use crate::mms::header::{EncodedString, Field, HeaderValue, Time};
use crate::mms::message::{Body, Part};

fn read_text(text: &str) -> Message {
    decode(&Bytes::copy_from_slice(text.as_bytes()), &Limits::default())
        .unwrap()
        .value
}

#[test]
fn multipart_names_go_both_ways() {
    let wap = "application/vnd.wap.multipart.related";
    assert_eq!(mime_name(wap), "multipart/related");
    assert_eq!(wap_name("multipart/related"), wap);
    assert_eq!(
        mime_name("Application/Vnd.WAP.multipart.mixed"),
        "multipart/mixed"
    );
    assert_eq!(wap_name("image/jpeg"), "image/jpeg");
}

#[test]
fn a_message_is_read() {
    let message = read_text("To: a\nSubject: =?utf-8?q?=C3=A9?=\nX-Mms-Expiry: 60\n\nhello");
    assert_eq!(message.headers.text(Field::Subject), Some("é"));
    assert_eq!(
        message.headers.get(Field::Expiry),
        Some(&HeaderValue::Time(Time::Relative(60)))
    );
    assert_eq!(message.body.parts.len(), 1);
    assert_eq!(message.body.parts[0].data, "hello");
    assert_eq!(message.body.content_type.charset(), Some("us-ascii"));
}

#[test]
fn an_identity_part_is_a_view_of_the_input() {
    let input = Bytes::from_static(b"A: b\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\xFFx");
    let message = decode(&input, &Limits::default()).unwrap().value;
    let data = &message.body.parts[0].data;
    assert_eq!(data.as_ptr(), input[input.len() - 3..].as_ptr());
}

#[test]
fn a_message_comes_back() {
    let mut headers = Headers::new();
    headers.add(Field::To, HeaderValue::Encoded("+1/TYPE=PLMN".into()));
    headers.add(
        Field::Subject,
        HeaderValue::Encoded(EncodedString::new("Grüße ".repeat(20))),
    );
    let mut picture = Part::new(
        ContentType::new("image/gif").with("name", "ä.gif"),
        &b"GIF\0"[..],
    );
    picture.content_id = Some("p".to_owned());
    let mut content_type = ContentType::new("multipart/related");
    content_type.push_param("start", "<smil>");
    let message = Message {
        headers,
        body: Body {
            content_type,
            parts: vec![
                picture,
                Part::new(
                    ContentType::new("text/plain").with("charset", "utf-8"),
                    "é.\r\n",
                ),
            ],
        },
    };
    let coded = encode(&message).unwrap();
    assert!(coded.is_ascii());
    let back = decode(&coded.clone().into(), &Limits::default()).unwrap();
    assert_eq!(back.warnings, []);
    assert_eq!(back.value, message);
    assert_eq!(encode(&message).unwrap(), coded);
}

#[test]
fn a_multipart_of_no_sound_name_keeps_its_parts() {
    let message =
        read_text("Content-Type: multipart/\u{DD}; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n");
    assert_eq!(message.body.parts.len(), 2);
    let back = decode(&encode(&message).unwrap().into(), &Limits::default())
        .unwrap()
        .value;
    assert_eq!(back.body.content_type.media(), "multipart/mixed");
    assert_eq!(back.body.parts, message.body.parts);
}

#[test]
fn a_header_that_ends_like_a_request_is_a_header() {
    let message = read_text("Host: example /mm7 HTTP/1.1\nSubject: x\n\nbody\n");
    let names: Vec<_> = message.headers.iter().map(|header| &header.name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let message = read_text("POST /mm7 HTTP/1.1\nSubject: x\n\nbody\n");
    assert_eq!(message.headers.iter().count(), 1, "a request line is none");
}

#[test]
fn a_tab_in_a_name_comes_back_as_one() {
    let mut part = Part::new(ContentType::new("text/plain"), &b"x"[..]);
    part.content_location = Some("A\t#".to_owned());
    let message = Message {
        headers: Headers::new(),
        body: Body::single(part),
    };
    let back = decode(&encode(&message).unwrap().into(), &Limits::default());
    let location = back.unwrap().value.body.parts[0].content_location.clone();
    assert_eq!(location.as_deref(), Some("A\t#"));
}

#[test]
fn a_part_does_not_say_who_a_message_is_for() {
    let text = "To: a\nContent-Type: multipart/mixed; boundary=b\n\n\
                --b\nContent-Type: text/plain\nTo: c\nX-Own: d\n\ne\n--b--\n";
    let mut message = read_text(text);
    let part = message.body.parts.remove(0);
    assert_eq!(part.other.len(), 2);
    message.body = Body::single(part);
    let written = encode(&message).unwrap();
    let back = decode(&written.into(), &Limits::default()).unwrap().value;
    assert_eq!(back.headers.all(Field::To).count(), 1);
    assert_eq!(back.headers.textual("X-Own"), Some("d"));
}

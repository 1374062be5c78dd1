//! MIME: the corpus, the pitfalls real senders dig, the bounds, and header injection.

use bytes::Bytes;
use remold::Limits;
use remold::mms::header::{Field, HeaderName, HeaderValue, Headers, Time};
use remold::mms::message::{
    Body, Disposition, DispositionKind, Message, Part, PartHeader, trim_brackets,
};
use remold::mms::{ContentType, DecodeErrorKind, Decoded, EncodeError, mime};

use crate::support;

pub(crate) fn decode(octets: impl Into<Bytes>) -> Decoded<Message> {
    mime::decode(&octets.into(), &Limits::default()).expect("the message is readable")
}

fn text(message: &Message, field: Field) -> Option<&str> {
    message.headers.text(field)
}

pub(crate) fn types(message: &Message) -> Vec<&str> {
    let parts = message.body.parts.iter();
    parts.map(|part| part.content_type.media()).collect()
}

/// The files of a corpus folder that are MIME; the rest of `mm7` is SOAP alone.
pub(crate) fn corpus(folder: &str) -> Vec<(String, Bytes)> {
    let Some(folder) = support::corpus(folder) else {
        return Vec::new();
    };
    support::files(&folder)
        .into_iter()
        .filter(|path| {
            let extension = path.extension().and_then(|e| e.to_str());
            !matches!(extension, Some("xml" | "soap"))
        })
        .map(|path| {
            let name = path
                .file_name()
                .expect("a file")
                .to_string_lossy()
                .into_owned();
            (name, std::fs::read(&path).expect("file is readable").into())
        })
        .collect()
}

#[test]
fn every_mime_file_of_the_corpus_decodes_and_comes_back() {
    let mut count = 0;
    for folder in ["mm3", "mm4", "mm7"] {
        for (name, octets) in corpus(folder) {
            let first = decode(octets);
            assert!(!first.value.body.parts.is_empty(), "{name} has parts");
            let coded = mime::encode(&first.value).expect("what was read can be written");
            let second = decode(coded);
            assert_eq!(second.value, first.value, "{name} comes back");
            assert_eq!(second.warnings, [], "{name}: our own output is clean");
            count += 1;
        }
    }
    println!("{count} files");
}

#[test]
fn the_corpus_decodes_to_what_it_says() {
    let want = [
        (
            "mm3",
            "mbuni-gmail.email.eml",
            &["text/plain", "image/jpeg"][..],
        ),
        ("mm3", "mbuni-test.email.eml", &["text/plain", "image/gif"]),
        ("mm3", "vectorcore-outbound_singlepart.eml", &["text/plain"]),
        (
            "mm3",
            "mbuni-mime.file",
            &[
                "text/plain",
                "image/jpeg",
                "text/plain",
                "application/vnd.wap.mms-message",
            ],
        ),
        (
            "mm4",
            "real-From-hot.eml",
            &["application/smil", "image/jpeg"],
        ),
        (
            "mm4",
            "real-mmsfromcelcom.eml",
            &["application/smil", "image/jpeg"],
        ),
        ("mm4", "vectorcore-forward_req.eml", &["text/plain"]),
        (
            "mm7",
            "instantcom-deliver-req-post.txt",
            &["text/xml", "text/plain"],
        ),
        (
            "mm7",
            "instantcom-deliver-req1.txt",
            &["text/xml", "text/plain"],
        ),
        (
            "mm7",
            "instantcom-deliver-req2.txt",
            &["text/xml", "text/plain", "image/gif"],
        ),
        (
            "mm7",
            "skycore-mm7Deliver-2.http",
            &["text/xml", "image/jpeg", "text/plain"],
        ),
        ("mm7", "skycore-mm7Deliver-3.http", &["application/xml"]),
        (
            "mm7",
            "vectorcore-submit_req.multipart",
            &["text/xml", "text/plain"],
        ),
    ];
    for (folder, name, parts) in want {
        let files = corpus(folder);
        let Some((_, octets)) = files.iter().find(|(file, _)| file == name) else {
            continue;
        };
        assert_eq!(types(&decode(octets.clone()).value), parts, "{name}");
    }
}

/// mail-parser reads the same files: the same parts, the same content where it keeps the octets.
#[test]
fn a_mail_library_finds_the_same_media() {
    for folder in ["mm3", "mm4"] {
        for (name, octets) in corpus(folder) {
            let ours = decode(octets.clone()).value;
            let Some(theirs) = mail_parser::MessageParser::default().parse(&octets) else {
                continue;
            };
            let media: Vec<&[u8]> = theirs
                .parts
                .iter()
                .filter_map(|part| match &part.body {
                    mail_parser::PartType::Binary(data)
                    | mail_parser::PartType::InlineBinary(data) => Some(data.as_ref()),
                    _ => None,
                })
                .filter(|data| !data.is_empty())
                .collect();
            for data in media {
                let found = ours.body.parts.iter().any(|part| part.data == data);
                assert!(found, "{name}: a medium of {} octets", data.len());
            }
        }
    }
}

// Pitfalls of real senders, by their number in the list of the protocol study.

#[test]
fn pitfall_7_transfer_encodings_are_undone() {
    let part = |encoding: &str, data: &str| {
        let head = format!("A: b\nContent-Transfer-Encoding: {encoding}\n\n{data}");
        decode(head).value.body.parts[0].data.clone()
    };
    assert_eq!(part("BASE64", "aGVs\r\r\nbG8="), "hello");
    assert_eq!(part("Quoted-Printable", "h=65l=\nlo"), "hello");
    assert_eq!(
        part("x-uuencode", "begin 644 a\n%:&5L;&\\\n`\nend\n"),
        "hello"
    );
    assert_eq!(part("binary", "a=3D\r"), "a=3D\r");
    assert_eq!(
        decode("A: b\nContent-Transfer-Encoding: rot13\n\nx")
            .warnings
            .len(),
        1
    );
}

#[test]
fn pitfall_8_path_names_stay_names() {
    let message = decode(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\
         Content-Location: /tmp/phpA1b2\nContent-Disposition: attachment; \
         filename=\"../../etc/passwd\"\n\nx\n--b--\n",
    )
    .value;
    let part = &message.body.parts[0];
    assert_eq!(part.content_location.as_deref(), Some("/tmp/phpA1b2"));
    let disposition = part.disposition.as_ref().expect("a disposition");
    assert_eq!(disposition.filename.as_deref(), Some("../../etc/passwd"));
}

#[test]
fn pitfall_9_the_presentation_is_found_anywhere() {
    let message = |start: &str| {
        decode(format!(
            "Content-Type: multipart/related; boundary=b{start}\n\n--b\nContent-Type: image/gif\n\n\
             GIF\n--b\nContent-Type: application/smil\nContent-ID: <first>\n\n<smil/>\n--b\n\
             Content-Type: application/smil\nContent-ID: second\n\n<smil/>\n--b--"
        ))
        .value
    };
    assert_eq!(message("").body.presentation(), Some(1));
    assert_eq!(message("; start=\"<second>\"").body.presentation(), Some(2));
    assert_eq!(message("; start=second").body.presentation(), Some(2));
}

#[test]
fn pitfall_10_parameters_come_in_any_order_case_and_bracketing() {
    for head in [
        "multipart/related;Start=\"<s.smil>\";Type=\"application/smil\"; \n\tboundary=\"b\"",
        "Multipart/Related; boundary=b; TYPE=application/smil; start=<s.smil>",
        "multipart/related;\tboundary = \"b\" ;start=s.smil ; type=\"application/smil\"",
    ] {
        let message = decode(format!(
            "Content-Type: {head}\n\n--b\nContent-Type:application/smil;Name=s.smil\n\
             Content-ID:<s.smil>\n\n<smil/>\n--b--"
        ))
        .value;
        let outer = &message.body.content_type;
        assert!(outer.is("multipart/related"));
        assert_eq!(
            outer.param("start").map(trim_brackets),
            Some("s.smil"),
            "{head}"
        );
        assert_eq!(outer.param("type"), Some("application/smil"), "{head}");
        assert_eq!(outer.param("boundary"), None);
        assert_eq!(
            message.body.parts[0].content_type.param("name"),
            Some("s.smil")
        );
    }
}

#[test]
fn pitfall_13_recipients_are_one_header_each() {
    let many: Vec<String> = (0..20)
        .map(|n| format!("+1202555{n:04}/TYPE=PLMN"))
        .collect();
    let folded = many.join(",\r\n        ");
    let message = decode(format!(
        "To:{folded}\r\n        \r\nX-Mms-Message-Type:MM4_forward.REQ\r\n\r\nx"
    ))
    .value;
    let recipients: Vec<&str> = message
        .headers
        .all(Field::To)
        .map(|value| match value {
            HeaderValue::Encoded(address) => address.text.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(recipients, many);
    let kind = message.headers.textual("X-Mms-Message-Type");
    assert_eq!(kind, Some("MM4_forward.REQ"));
}

#[test]
fn pitfall_14_a_response_has_headers_and_an_empty_text() {
    for end in ["", "\r\n", "\r\n\r\n"] {
        let message = decode(format!(
            "From: PostMaster\r\nTo: admin@mms.example\r\nX-Mms-Message-Type: MM4_forward.RES\r\n\
             X-Mms-Transaction-Id: T1\r\nX-Mms-Message-Id: \"m1\"\r\n\
             X-Mms-Request-Status-Code: Ok\r\nX-Mms-Status-Text: All is good.\r\n{end}"
        ))
        .value;
        assert_eq!(text(&message, Field::From), Some("PostMaster"));
        assert_eq!(text(&message, Field::TransactionId), Some("T1"));
        assert_eq!(text(&message, Field::MessageId), Some("\"m1\""));
        assert_eq!(
            message.headers.textual("X-Mms-Request-Status-Code"),
            Some("Ok")
        );
        assert_eq!(text(&message, Field::StatusText), Some("All is good."));
        assert_eq!(types(&message), ["text/plain"]);
        assert!(message.body.parts[0].data.len() <= 2);
    }
}

#[test]
fn pitfall_15_mm7_bodies_are_read_as_they_come() {
    let inner = "--story 1 2 \nContent-Type: text/plain\nContent-ID: text_0.txt\nno empty line\n\
                 --story 1 2--\n";
    let body = format!(
        "--outer \nContent-Type:text/xml; charset=\"utf-8\"\n\n<env/>\n--outer\t\n\
         Content-Type: multipart/mixed; boundary=\"story 1 2\"\n\n{inner}--outer--\n"
    );
    for front in [
        "",
        "POST /mm7 HTTP/1.1\nSOAPAction: \"\"\nContent-Length: 9\n\
         Content-Type: multipart/related; boundary=\"outer  \"; type=\"text/xml\"\n\n",
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/related; type=text/xml; boundary=wrong\r\n\r\n",
    ] {
        let message = decode(format!("{front}{body}")).value;
        assert_eq!(types(&message), ["text/xml", "text/plain"], "{front}");
        assert_eq!(message.body.content_type.param("type"), Some("text/xml"));
        assert_eq!(message.body.parts[0].content_id, None);
        assert_eq!(message.body.parts[0].data, "<env/>");
        assert_eq!(
            message.body.parts[1].content_id.as_deref(),
            Some("text_0.txt")
        );
        assert_eq!(message.body.parts[1].data, "no empty line");
        assert_eq!(message.headers.textual("Content-Length"), None);
    }
}

#[test]
fn an_alternative_keeps_the_plain_text_else_the_words_of_the_html() {
    let message = |plain: &str| {
        decode(format!(
            "Content-Type: multipart/mixed; boundary=a\n\n--a\n\
             Content-Type: multipart/alternative; boundary=b\n\n{plain}--b\n\
             Content-Type: multipart/related; boundary=c\n\n--c\nContent-Type: text/html\n\n\
             <p>Hi <b>there</b></p>\n--c\nContent-Type: image/gif\n\nGIF\n--c--\n--b--\n--a\n\
             Content-Type: text/html\n\n<i>kept</i>\n--a--\n"
        ))
        .value
    };
    let both = message("--b\nContent-Type: text/plain\n\nHi there\n");
    assert_eq!(types(&both), ["text/plain", "image/gif", "text/html"]);
    let html = message("");
    assert_eq!(types(&html), ["text/plain", "image/gif", "text/html"]);
    assert_eq!(html.body.parts[0].data, both.body.parts[0].data);
    assert_eq!(html.body.parts[2].data, "<i>kept</i>");
}

#[test]
fn a_drm_container_is_not_opened() {
    let message = decode(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\n\
         Content-Type: application/vnd.oma.drm.message; boundary=d\nContent-ID: <x>\n\n--d\n\
         Content-Type: image/gif\n\nGIF\n--d--\n\n--a--\n",
    )
    .value;
    assert_eq!(types(&message), ["application/vnd.oma.drm.message"]);
    let part = &message.body.parts[0];
    assert_eq!(part.content_type.param("boundary"), Some("d"));
    assert_eq!(part.data, "--d\nContent-Type: image/gif\n\nGIF\n--d--\n");
}

#[test]
fn mm4_headers_become_fields() {
    let message = decode(
        "From: +12025550100/TYPE=PLMN\nDate: Thu, 13 Jan 2022 02:28:01 +0200\n\
         X-Mms-Expiry: Thu, 20 Jan 2022 00:28:02 GMT\nX-Mms-Delivery-Time: 3600\n\
         X-Mms-Read-Reply: Yes\nX-Mms-Delivery-Report: no\nX-Mms-Priority: HIGH\n\
         X-Mms-Message-Class: Advertisement\nX-Mms-Sender-Visibility: Hide\n\
         X-Mms-Content-Class: image-rich\nX-Mms-DRM-Content: No\nX-Mms-Adaptation-Allowed: No\n\
         X-Mms-3GPP-MMS-Version: 6.3.0\nX-Mms-Ack-Request: Yes\nMessage-ID: <a@b>\n\nx",
    )
    .value;
    let headers = &message.headers;
    assert_eq!(
        headers.get(Field::Date),
        Some(&HeaderValue::Date(1_642_033_681))
    );
    let expiry = HeaderValue::Time(Time::Absolute(1_642_638_482));
    assert_eq!(headers.get(Field::Expiry), Some(&expiry));
    let delivery = HeaderValue::Time(Time::Relative(3600));
    assert_eq!(headers.get(Field::DeliveryTime), Some(&delivery));
    assert_eq!(headers.flag(Field::ReadReport), Some(true));
    assert_eq!(headers.flag(Field::DeliveryReport), Some(false));
    assert_eq!(headers.token(Field::Priority), Some(0x82));
    assert_eq!(headers.token(Field::MessageClass), Some(0x81));
    assert_eq!(headers.token(Field::SenderVisibility), Some(0x80));
    assert_eq!(headers.token(Field::ContentClass), Some(0x82));
    assert_eq!(headers.flag(Field::DrmContent), Some(false));
    assert_eq!(headers.flag(Field::AdaptationAllowed), Some(false));
    assert_eq!(headers.textual("X-Mms-Ack-Request"), Some("Yes"));
    assert_eq!(headers.textual("X-Mms-3GPP-MMS-Version"), Some("6.3.0"));
    assert_eq!(headers.textual("Message-ID"), Some("<a@b>"));
    assert_eq!(headers.get(Field::MessageId), None);
}

#[test]
fn input_that_is_no_message_is_an_error_with_an_offset() {
    let kind = |octets: &'static [u8]| {
        let error = mime::decode(&Bytes::from_static(octets), &Limits::default()).unwrap_err();
        (error.offset, error.kind)
    };
    assert_eq!(kind(b""), (0, DecodeErrorKind::Empty));
    assert_eq!(kind(b"\r\n \r\n"), (0, DecodeErrorKind::Empty));
    let missing = DecodeErrorKind::Missing("the MIME header");
    assert_eq!(kind(b"\n<?xml version=\"1.0\"?>"), (1, missing.clone()));
    assert_eq!(kind(b"\x8C\x82\x98abc\0"), (0, missing));
}

// Bounds: each is refused where it is passed, before what is behind it is looked at.

#[test]
fn too_much_of_anything_is_refused() {
    let limits = Limits::default();
    let refused = |text: String| {
        let error = mime::decode(&text.into(), &limits).unwrap_err();
        match error.kind {
            DecodeErrorKind::Limit { limit, .. } => (error.offset, limit),
            other => panic!("{other}"),
        }
    };
    let (offset, limit) = refused("A: b\n".repeat(100_000));
    assert_eq!((offset, limit), (512 * 5, 512));
    let (offset, limit) = refused(format!("To: {}\n\n", "a,".repeat(100_000)));
    assert_eq!((offset, limit), (0, 512));
    let head = "Content-Type: multipart/mixed; boundary=b\n\n";
    let (offset, limit) = refused(format!("{head}{}", "--b\n\nx\n".repeat(100_000)));
    assert_eq!(limit, 256);
    assert!(offset < 2_000, "the 257th part stops it");
    let (_, limit) = refused(format!("{head}--b\n{}\nx", "A: b\n".repeat(65)));
    assert_eq!(limit, 64);
    let deep: String = (0..1_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"))
        .collect();
    assert_eq!(refused(deep).1, 8);
    let small = Limits {
        message_bytes: 10,
        ..Limits::default()
    };
    let error = mime::decode(&Bytes::from_static(b"A: bbbbbbbb"), &small).unwrap_err();
    assert_eq!(error.offset, 10);
}

#[test]
fn parts_are_counted_over_all_levels() {
    let inner = "--i\n\nx\n".repeat(100);
    let one = format!("--b\nContent-Type: multipart/mixed; boundary=i\n\n{inner}--i--\n");
    let text = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}--b--",
        one.repeat(3)
    );
    let error = mime::decode(&text.into(), &Limits::default()).unwrap_err();
    assert!(matches!(
        error.kind,
        DecodeErrorKind::Limit { limit: 256, .. }
    ));
}

// Header injection.

#[test]
fn a_line_break_never_starts_a_header() {
    for evil in [
        "a\r\nBcc: x@y",
        "a\nBcc: x@y",
        "a\rBcc: x@y",
        "a\0Bcc: x@y",
        "\r\n\r\nbody",
    ] {
        let mut part = Part::new(ContentType::new("text/plain").with("name", evil), "x");
        part.content_id = Some(evil.to_owned());
        part.content_location = Some(evil.to_owned());
        part.disposition = Some(Disposition {
            kind: DispositionKind::Other(evil.to_owned()),
            filename: Some(evil.to_owned()),
            params: Vec::new(),
        });
        part.other.push(PartHeader::Text {
            name: "X-Note".to_owned(),
            value: evil.to_owned(),
        });
        let mut headers = Headers::new();
        headers.add(Field::Subject, HeaderValue::Encoded(evil.into()));
        let mut message = Message {
            headers,
            body: Body {
                content_type: ContentType::new("multipart/mixed").with("x", evil),
                parts: vec![part],
            },
        };
        let coded = mime::encode(&message).expect("free text is made one line");
        let coded = String::from_utf8(coded).expect("ASCII");
        let mut lines = coded.split("\r\n");
        assert!(lines.all(|line| !line.starts_with("Bcc") && !line.contains(['\r', '\n', '\0'])));
        for (field, value) in [
            (Field::From, HeaderValue::From(Some(evil.into()))),
            (Field::To, HeaderValue::Encoded(evil.into())),
            (Field::TransactionId, HeaderValue::Text(evil.to_owned())),
        ] {
            message.headers = Headers::new();
            message.headers.add(field, value);
            let refused = mime::encode(&message);
            assert!(
                matches!(refused, Err(EncodeError::BadText { .. })),
                "{field:?}"
            );
        }
        message.headers = Headers::new();
        let name = HeaderName::Text(format!("X{evil}"));
        message
            .headers
            .push(name, HeaderValue::Text("v".to_owned()));
        assert!(matches!(
            mime::encode(&message),
            Err(EncodeError::BadText { .. })
        ));
    }
}

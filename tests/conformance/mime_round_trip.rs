//! MIME round trips: generated messages, the PDUs of the corpus, and Python as the judge.

use std::io::Write;
use std::process::Stdio;

use bytes::Bytes;
use proptest::prelude::*;
use remold::Limits;
use remold::mms::header::{EncodedString, Field, Header, HeaderName, HeaderValue, Headers, Time};
use remold::mms::message::{Body, Disposition, DispositionKind, Message, Part, trim_brackets};
use remold::mms::{ContentType, mime, pdu};
use sha2::{Digest, Sha256};

use crate::mime::{corpus, decode};
use crate::support;

fn data() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from),
        "([a-z ]{0,90}\r\n){0,4}".prop_map(Bytes::from),
        "(--|=_|b|\r\n|\n|\\.|From |é|[a-z ]{1,30}){0,12}".prop_map(Bytes::from),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let media = prop_oneof![
        Just("text/plain"),
        Just("text/x-vCard"),
        Just("application/smil"),
        Just("image/jpeg"),
        Just("application/vnd.oma.drm.message"),
        Just("application/vnd.wap.multipart.mixed"),
    ];
    let name = || proptest::option::of("[^\r\n\0]{0,80}");
    let id = || proptest::option::of("[^\r\n\0<>\" \t][^\r\n\0<>\"]{0,20}[^\r\n\0<>\" \t]");
    (media, data(), name(), id(), id(), name()).prop_map(
        |(media, data, name, content_id, content_location, filename)| {
            let mut content_type = ContentType::new(media);
            if let Some(name) = name {
                content_type.push_param("name", name);
            }
            let mut part = Part::new(content_type, data);
            part.content_id = content_id.filter(|id| id.trim() == id);
            part.content_location = content_location;
            part.disposition = filename.map(|filename| Disposition {
                kind: DispositionKind::Attachment,
                filename: Some(filename),
                params: Vec::new(),
            });
            part
        },
    )
}

fn header() -> impl Strategy<Value = Header> {
    let field = |field| HeaderName::Field(field);
    let time = prop_oneof![
        any::<u32>().prop_map(|s| Time::Absolute(s.into())),
        any::<u32>().prop_map(|s| Time::Relative(s.into())),
    ];
    let pair = prop_oneof![
        r"[^\x00-\x1F\x7F]{0,100}".prop_map(move |s| {
            (
                field(Field::Subject),
                HeaderValue::Encoded(EncodedString::new(s)),
            )
        }),
        "\\+[0-9]{5,15}/TYPE=PLMN".prop_map(move |s| {
            (
                field(Field::To),
                HeaderValue::Encoded(EncodedString::new(s)),
            )
        }),
        "[A-ZÄ][a-zé]{0,12} <[a-z]{1,9}@[a-z]{1,9}>".prop_map(move |s| {
            (
                field(Field::From),
                HeaderValue::From(Some(EncodedString::new(s))),
            )
        }),
        any::<u32>().prop_map(move |s| (field(Field::Date), HeaderValue::Date(s.into()))),
        time.prop_map(move |t| (field(Field::Expiry), HeaderValue::Time(t))),
        (0x80..=0x82_u8).prop_map(move |t| (field(Field::Priority), HeaderValue::Token(t))),
        (0x80..=0x81_u8).prop_map(move |t| (field(Field::ReadReport), HeaderValue::Token(t))),
        "[!-~]{1,40}".prop_map(move |s| (field(Field::MessageId), HeaderValue::Text(s))),
        ("X-[A-Za-z0-9-]{1,20}", "[!-~]([ -~]{0,90}[!-~])?").prop_filter_map(
            "an encoded word is not plain",
            |(name, value)| {
                (!value.contains("=?")).then(|| (HeaderName::Text(name), HeaderValue::Text(value)))
            }
        ),
    ];
    pair.prop_map(|(name, value)| Header { name, value })
}

fn message() -> impl Strategy<Value = Message> {
    let headers = proptest::collection::vec(header(), 0..8);
    let parts = proptest::collection::vec(part(), 1..5);
    let media = prop_oneof![
        Just("multipart/related"),
        Just("multipart/mixed"),
        Just("single"),
    ];
    (headers, parts, media, "[^\r\n\0]{0,20}").prop_map(|(headers, mut parts, media, start)| {
        let body = if media == "single" {
            let mut part = parts.swap_remove(0);
            if part.content_type.is_multipart() {
                part.content_type.set_media("application/x");
            }
            Body::single(part)
        } else {
            let mut content_type = ContentType::new(media);
            content_type.push_param("start", start);
            Body {
                content_type,
                parts,
            }
        };
        Message {
            headers: headers.into_iter().collect(),
            body,
        }
    })
}

proptest! {
    #[test]
    fn a_message_comes_back(message in message()) {
        let coded = mime::encode(&message).expect("a clean message can be written");
        prop_assert!(coded.is_ascii());
        prop_assert!(coded.split(|o| *o == b'\n').all(|line| line.len() <= 999));
        let back = decode(coded.clone());
        prop_assert_eq!(&back.value, &message);
        prop_assert_eq!(back.warnings, []);
        prop_assert_eq!(mime::encode(&back.value).expect("again"), coded);
    }

    #[test]
    fn one_round_trip_settles_any_input(octets in soup()) {
        let Ok(first) = mime::decode(&octets.into(), &Limits::default()) else {
            return Ok(());
        };
        let Ok(coded) = mime::encode(&first.value) else {
            return Ok(());
        };
        let second = decode(coded).value;
        let coded = mime::encode(&second).expect("what came back can be written");
        prop_assert_eq!(decode(coded).value, second);
    }

    #[test]
    fn any_octets_are_taken(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = mime::decode(&octets.into(), &Limits::default());
    }

    #[test]
    fn any_subject_is_one_header(subject in any::<String>(), tail in "(\r\n|\n|\r|\0| |:|a){0,20}") {
        let mut headers = Headers::new();
        headers.add(Field::Subject, HeaderValue::Encoded(EncodedString::new(subject + &tail)));
        let part = Part::new(ContentType::new("text/plain"), "");
        let coded = mime::encode(&Message { headers, body: Body::single(part) }).expect("written");
        let back = decode(coded).value;
        prop_assert_eq!(back.headers.len(), 1);
        prop_assert_eq!(back.body.parts[0].data.len(), 0);
    }
}

/// The messages inside the PDUs of the corpus.
fn pdu_messages() -> Vec<(String, Message)> {
    let Some(folder) = support::corpus("mm1") else {
        return Vec::new();
    };
    let files = support::files(&folder).into_iter();
    files
        .filter_map(|path| {
            let octets = std::fs::read(&path).expect("file is readable");
            let pdu = pdu::decode(&octets.into(), &Limits::default()).ok()?;
            Some((path.display().to_string(), pdu.value.into_message().ok()?))
        })
        .collect()
}

#[test]
fn messages_of_phones_pass_through_mime() {
    let messages = pdu_messages();
    for (name, message) in &messages {
        let coded = mime::encode(message).expect("a phone's message can be written");
        let back = decode(coded);
        assert_eq!(back.warnings, [], "{name}");
        let back = back.value;
        assert_eq!(
            back.body.parts.len(),
            message.body.parts.len().max(1),
            "{name}"
        );
        for (was, is) in message.body.parts.iter().zip(&back.body.parts) {
            assert_eq!(
                is.content_type.essence(),
                was.content_type.essence(),
                "{name}"
            );
            assert_eq!(
                (&is.data, &is.content_id),
                (&was.data, &was.content_id),
                "{name}"
            );
            assert_eq!(is.content_location, was.content_location, "{name}");
        }
        for field in [
            Field::To,
            Field::Subject,
            Field::MessageId,
            Field::TransactionId,
        ] {
            assert_eq!(
                back.headers.text(field),
                message.headers.text(field),
                "{name}"
            );
        }
        for field in [
            Field::Date,
            Field::Priority,
            Field::Expiry,
            Field::ReadReport,
        ] {
            assert_eq!(
                back.headers.get(field),
                message.headers.get(field),
                "{name}"
            );
        }
        assert_eq!(
            back.body.presentation(),
            message.body.presentation(),
            "{name}"
        );
        let again = decode(mime::encode(&back).expect("again"));
        assert_eq!(again.value, back, "{name}");
    }
    println!("{} messages", messages.len());
}

/// Messages that are nearly right.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("Content-Type: multipart/mixed; boundary=b\n".to_owned()),
        Just("Content-Type: multipart/alternative; boundary=\"c d\"\n".to_owned()),
        Just("Content-Type: text/html; charset=iso-8859-1; name*=utf-8''%e4\n".to_owned()),
        Just("Content-Transfer-Encoding: base64\n".to_owned()),
        Just("Content-ID:<x>\nContent-Location:y\nContent-Disposition: inline\n".to_owned()),
        Just("Subject: =?utf-8?q?=41?= =?x\nTo: \"a, b\" <c@d>, e (f\n".to_owned()),
        Just("X-Mms-Previously-Sent-By: 1, a\nX-Mms-Attributes: To\nFrom:\n".to_owned()),
        Just("--b\n".to_owned()),
        Just("--b--\r\n".to_owned()),
        Just("--c d \n".to_owned()),
        Just("\n".to_owned()),
        Just(" folded\n".to_owned()),
        "[ -~é]{0,20}\n",
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| format!("A: b\n{}", pieces.concat()))
}

/// What the `email` package of Python finds in messages, each after a line with its length: a line
/// per leaf with type, Content-ID, name and the hash of the content, then one with the subject and
/// the number of defects.
const JUDGE: &str = r#"
import sys, hashlib, email, email.policy
read = sys.stdin.buffer
while line := read.readline():
    m = email.message_from_bytes(read.read(int(line)), policy=email.policy.default)
    defects = 0
    for p in m.walk():
        defects += len(p.defects)
        if not p.is_multipart():
            data = p.get_payload(decode=True) or b""
            print(p.get_content_type(), (p["content-id"] or "").strip(), p.get_filename() or "", hashlib.sha256(data).hexdigest(), sep="|")
    print("end", m["subject"], defects, sep="|")
"#;

#[test]
fn python_reads_what_we_write() {
    let Some(mut python) = support::tool("python3") else {
        return;
    };
    let mut messages: Vec<Message> = ["mm3", "mm4", "mm7"]
        .into_iter()
        .flat_map(corpus)
        .map(|(_, octets)| decode(octets).value)
        .collect();
    messages.extend(pdu_messages().into_iter().map(|(_, message)| message));
    messages.push(own_message());
    let mut input = Vec::new();
    for message in &messages {
        let coded = mime::encode(message).expect("written");
        input.extend_from_slice(format!("{}\n", coded.len()).as_bytes());
        input.extend_from_slice(&coded);
    }
    let mut python = python
        .env("PYTHONIOENCODING", "utf-8")
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut stdin = python.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = python.wait_with_output().expect("python3 ends");
    writer.join().expect("no panic").expect("python3 reads");
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    let mut lines = output.lines();
    for message in &messages {
        let parts = message.body.parts.iter();
        for part in parts {
            let line = lines.next().expect("a line per part");
            let fields: Vec<&str> = line.split('|').collect();
            assert_eq!(fields[0], part.content_type.essence());
            let id = part.content_id.as_deref().unwrap_or_default();
            assert_eq!(trim_brackets(fields[1]), id);
            let named = part.disposition.as_ref();
            let named = named.and_then(|d| d.filename.as_deref());
            let named = named.or(part.content_type.param("name"));
            assert_eq!(fields[2], named.unwrap_or_default());
            let hash = Sha256::digest(&part.data);
            let hash: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
            assert_eq!(fields[3], hash, "{}", part.content_type);
        }
        let subject = message.headers.text(Field::Subject).unwrap_or("None");
        assert_eq!(lines.next(), Some(format!("end|{subject}|0").as_str()));
    }
    assert_eq!(lines.next(), None);
}

fn own_message() -> Message {
    let mut headers = Headers::new();
    let subject = "Grüße aus Łódź, 日本語 und noch viel mehr Text, damit die Zeile gefaltet wird";
    headers.add(Field::Subject, HeaderValue::Encoded(subject.into()));
    let mut picture = Part::new(
        ContentType::new("image/jpeg"),
        vec![0xFF, 0xD8, 0, 10, 13, 0xFF],
    );
    picture.content_id = Some("picture".to_owned());
    picture.disposition = Some(Disposition {
        kind: DispositionKind::Inline,
        filename: Some(
            "żółw \"1\"; ein sehr langer Name für eine einzige Datei im Anhang.jpg".to_owned(),
        ),
        params: Vec::new(),
    });
    let mut parts = vec![picture];
    for data in [
        &b"plain\r\n"[..],
        b"no end",
        b".dot\nFrom me = \t\n",
        "ünï\r\ncode ".as_bytes(),
        b"",
    ] {
        let plain = ContentType::new("text/plain").with("charset", "utf-8");
        parts.push(Part::new(plain, data));
    }
    Message {
        headers,
        body: Body {
            content_type: ContentType::new("multipart/mixed"),
            parts,
        },
    }
}

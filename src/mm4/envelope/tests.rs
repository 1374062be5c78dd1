//! What is promised, tried.

use super::*;
use crate::mms::Time;

fn addressing() -> Addressing {
    let mailbox = |text| Mailbox::parse(text).unwrap();
    Addressing {
        from: mailbox("+12025550100/TYPE=PLMN@mms.example"),
        to: mailbox("system-user@far.example"),
        sender: mailbox("system-user@mms.example"),
        mail_id: Id::parse("m1@mms.example").unwrap(),
    }
}

fn envelope(content: Content) -> Envelope {
    Envelope {
        transaction_id: Id::parse("\"t1@mms.example\"").unwrap(),
        message_id: Id::parse("<m1>"),
        system: Some("system-user@mms.example".to_owned()),
        ack: content.name().ends_with("REQ"),
        date: Some(1_642_033_681),
        received: 0,
        content,
    }
}

fn message() -> Message {
    let mut headers = Headers::new();
    let encoded = |text: &str| HeaderValue::Encoded(EncodedString::new(text));
    headers.add(Field::Date, HeaderValue::Date(1_642_033_681));
    headers.add(Field::To, encoded("+12025550101/TYPE=PLMN@far.example"));
    headers.add(Field::To, encoded("+12025550102/TYPE=PLMN"));
    headers.add(Field::Subject, encoded("Grüße"));
    headers.add(Field::MessageClass, HeaderValue::Token(0x80));
    headers.add(Field::Expiry, HeaderValue::Time(Time::Relative(3_600)));
    headers.add(Field::DeliveryReport, HeaderValue::Token(0x80));
    headers.add(Field::Priority, HeaderValue::Token(0x82));
    headers.add(Field::SenderVisibility, HeaderValue::Token(0x80));
    headers.add(Field::ReadReport, HeaderValue::Token(0x81));
    let part = Part::new(
        ContentType::new("text/plain").with("charset", "utf-8"),
        "hello\r\n.\r\nthere",
    );
    Message {
        headers,
        body: Body {
            content_type: ContentType::new("multipart/mixed"),
            parts: vec![part],
        },
    }
}

fn back(envelope: &Envelope) -> Envelope {
    let octets = envelope.write(&addressing()).unwrap();
    Envelope::read(&octets.into(), &Limits::default()).unwrap()
}

#[test]
fn every_kind_comes_back_as_it_was_written() {
    let number = |text| Msisdn::parse(text);
    let res = Res {
        status: RequestStatus::ContentNotAccepted,
        text: Some("Zu groß".to_owned()),
        recipients: vec!["+12025550101".to_owned()],
    };
    let contents = [
        Content::ForwardRes(res.clone()),
        Content::DeliveryReportRes(res.clone()),
        Content::ReadReplyReportRes(res),
        Content::DeliveryReportReq(DeliveryReportReq {
            recipient: number("+12025550100"),
            status: MmStatus::Retrieved,
            text: None,
            for_user: Some(false),
        }),
        Content::ReadReplyReportReq(ReadReplyReportReq {
            recipient: number("+12025550100"),
            status: ReadStatus::Deleted,
            text: Some("gone".to_owned()),
        }),
    ];
    for content in contents {
        let one = envelope(content);
        assert_eq!(back(&one), one);
    }
    let one = envelope(Content::ForwardReq(Box::new(ForwardReq {
        from: "+12025550100/TYPE=PLMN".to_owned(),
        system_report: true,
        forward_counter: 2,
        message: message(),
    })));
    let mut read = back(&one);
    let Content::ForwardReq(forward) = &mut read.content else {
        panic!("another kind");
    };
    // The boundary is the writer's business.
    forward.message.body.content_type.remove_param("boundary");
    assert_eq!(read, one);
}

#[test]
fn the_header_set_is_that_of_the_standard() {
    let one = envelope(Content::ForwardReq(Box::new(ForwardReq {
        from: "+12025550100/TYPE=PLMN".to_owned(),
        system_report: false,
        forward_counter: 0,
        message: message(),
    })));
    let text = String::from_utf8(one.write(&addressing()).unwrap()).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    for line in [
        "Date: Thu, 13 Jan 2022 00:28:01 +0000",
        "From: +12025550100/TYPE=PLMN@mms.example",
        "To: +12025550101/TYPE=PLMN@far.example, +12025550102/TYPE=PLMN",
        "Sender: system-user@mms.example",
        "Message-ID: <m1@mms.example>",
        "X-Mms-3GPP-MMS-Version: 6.10.0",
        "X-Mms-Message-Type: MM4_forward.REQ",
        "X-Mms-Transaction-ID: \"t1@mms.example\"",
        "X-Mms-Message-ID: <m1>",
        "X-Mms-Originator-System: system-user@mms.example",
        "X-Mms-Ack-Request: Yes",
        "Subject: =?utf-8?b?R3LDvMOfZQ==?=",
        "X-Mms-Message-Class: Personal",
        "X-Mms-Expiry: 3600",
        "X-Mms-Delivery-Report: Yes",
        "X-Mms-Priority: High",
        "X-Mms-Sender-Visibility: Hide",
        "X-Mms-Read-Reply: No",
    ] {
        let unfolded = head.replace("\r\n ", " ");
        assert!(unfolded.lines().any(|one| one == line), "{line}\n{head}");
    }
}

#[test]
fn nothing_a_sender_writes_becomes_a_header() {
    let mut message = message();
    let evil = "a\r\nX-Mms-Ack-Request: No\r\nBcc: x@y";
    let subject = HeaderValue::Encoded(EncodedString::new(evil));
    message.headers.set(Field::Subject, subject);
    let part = &mut message.body.parts[0];
    part.content_location = Some(evil.to_owned());
    part.content_type.set_param("name", evil);
    let one = envelope(Content::ForwardReq(Box::new(ForwardReq {
        from: "+12025550100/TYPE=PLMN".to_owned(),
        system_report: false,
        forward_counter: 0,
        message,
    })));
    let text = String::from_utf8(one.write(&addressing()).unwrap()).unwrap();
    for line in text.lines() {
        assert!(!line.starts_with("Bcc"), "{text}");
        assert!(!line.starts_with("X-Mms-Ack-Request: No"), "{text}");
    }
    let mut res = envelope(Content::ForwardRes(Res {
        status: RequestStatus::Ok,
        text: Some(evil.to_owned()),
        recipients: vec![evil.to_owned()],
    }));
    res.system = Some(evil.to_owned());
    let text = String::from_utf8(res.write(&addressing()).unwrap()).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
}

#[test]
fn dialects_are_understood() {
    let read = |text: &str| {
        let octets = Bytes::from(text.replace('\n', "\r\n"));
        Envelope::read(&octets, &Limits::default())
    };
    let report = read(
        "From: mmsc.example.net\nX-Mms-Message-Type: mm4_DELIVERY_report.req\n\
         X-MMS-TRANSACTION-id: t\nX-Mms-Message-Id: <m>\nX-Mms-Status: Retrieved\n\
         X-Mms-Originator-System: system=mmsc.example.net;party=+12025550101\n\nOK\n",
    )
    .unwrap();
    let Content::DeliveryReportReq(content) = &report.content else {
        panic!("another kind");
    };
    assert_eq!(content.status, MmStatus::Retrieved);
    assert_eq!(content.recipient, Msisdn::parse("+12025550101"));
    assert_eq!(report.message_id.unwrap().bare(), "m");
    let res = read(
        "From: PostMaster\nX-Mms-Message-Type: MM4_forward.RES\nX-Mms-Transaction-Id: \"t\"\n\
         X-Mms-Request-Status-Code: OK\nX-Mms-Ack-Request: Yes\n\n",
    )
    .unwrap();
    assert!(!res.ack, "a response is never answered");
    assert_eq!(res.transaction_id.bare(), "t");
    for (text, why) in [
        ("Subject: x\n\nhello", EnvelopeError::NotMm4),
        (
            "X-Mms-Message-Type: MM4_forward.REQ\nX-Mms-Message-ID: m\n\nx",
            EnvelopeError::Missing("X-Mms-Transaction-ID"),
        ),
        (
            "X-Mms-Message-Type: MM4_forward.RES\nX-Mms-Transaction-ID: t\n\n",
            EnvelopeError::Missing("X-Mms-Request-Status-Code"),
        ),
        (
            "X-Mms-Message-Type: MM7_x\nX-Mms-Transaction-ID: t\n\n",
            EnvelopeError::UnknownType("MM7_x".to_owned()),
        ),
    ] {
        assert_eq!(read(text), Err(why), "{text}");
    }
}

#[test]
fn who_sent_it_is_found_where_peers_write_it() {
    let read = |head: &str| {
        let text = format!(
            "{head}X-Mms-Message-Type: MM4_forward.REQ\r\nX-Mms-Transaction-ID: t\r\n\
             X-Mms-Message-ID: m\r\n\r\nhi\r\n"
        );
        Envelope::read(&text.into(), &Limits::default())
    };
    for head in [
        "From: +12025550100/TYPE=PLMN@far.example\r\n",
        "From: <+12025550100>\r\n",
        "X-Mms-Sender-Address: +12025550100/TYPE=PLMN\r\n",
        "Sender: +12025550100/TYPE=PLMN@far.example\r\n",
    ] {
        let Content::ForwardReq(forward) = read(head).unwrap().content else {
            panic!("another kind");
        };
        assert_eq!(forward.from, "+12025550100/TYPE=PLMN", "{head}");
    }
    assert_eq!(read(""), Err(EnvelopeError::Missing("From")));
}

#[test]
fn reports_that_cannot_be_understood_are_told_why() {
    let read = |kind: &str, line: &str| {
        let text = format!(
            "X-Mms-Message-Type: {kind}\r\nX-Mms-Transaction-ID: t\r\n\
             X-Mms-Message-ID: m\r\n{line}\r\n\r\n"
        );
        Envelope::read(&text.into(), &Limits::default()).map(|envelope| envelope.content)
    };
    let (delivery, reading) = ("MM4_delivery_report.REQ", "MM4_read_reply_report.REQ");
    assert_eq!(
        read(delivery, "X-Mms-MM-Status-Code: Eaten"),
        Err(EnvelopeError::Bad("X-Mms-MM-Status-Code"))
    );
    assert_eq!(
        read(delivery, "X: y"),
        Err(EnvelopeError::Missing("X-Mms-MM-Status-Code"))
    );
    assert_eq!(
        read(reading, "X-Mms-Read-Status: Burnt"),
        Err(EnvelopeError::Bad("X-Mms-Read-Status"))
    );
    for line in [
        "Deleted without being read",
        "Deleted-without-being-read",
        "deleted",
    ] {
        let content = read(reading, &format!("X-Mms-Read-Status: {line}")).unwrap();
        let Content::ReadReplyReportReq(report) = content else {
            panic!("another kind");
        };
        assert_eq!(report.status, ReadStatus::Deleted, "{line}");
    }
}

#[test]
fn what_was_forwarded_before_keeps_its_history() {
    let mut message = message();
    let by = EncodedString::new("+12025550999/TYPE=PLMN");
    let counted = |value| HeaderValue::Counted(1, Box::new(value));
    message
        .headers
        .add(Field::PreviouslySentBy, counted(HeaderValue::Encoded(by)));
    message.headers.add(
        Field::PreviouslySentDate,
        counted(HeaderValue::Date(1_642_033_000)),
    );
    let one = envelope(Content::ForwardReq(Box::new(ForwardReq {
        from: "+12025550100/TYPE=PLMN".to_owned(),
        system_report: false,
        forward_counter: 1,
        message,
    })));
    let text = String::from_utf8(one.write(&addressing()).unwrap()).unwrap();
    assert!(
        text.contains("\r\nX-Mms-Previously-Sent-Date-and-Time: 1, "),
        "{text}"
    );
    let Content::ForwardReq(read) = back(&one).content else {
        panic!("another kind");
    };
    assert_eq!(read.forward_counter, 1);
    let headers = read.message.headers;
    assert!(headers.get(Field::PreviouslySentBy).is_some());
    assert!(headers.get(Field::PreviouslySentDate).is_some());
}

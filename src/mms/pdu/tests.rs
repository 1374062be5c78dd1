use super::*;
use crate::mms::error::DecodeErrorKind;
use crate::mms::header::{EncodedString, HeaderName, Time};

/// A notification as an MMSC writes it: `m-notification-ind` 1.0 with seven headers.
const NOTIFICATION: &[u8] = b"\x8C\x82\x98T1\0\x8D\x90\x89\x1A\x80+4912345678901/TYPE=PLMN\0\
    \x96Hi\0\x8A\x80\x8E\x02\x04\x00\x88\x04\x81\x02\x0E\x10\x83http://a/1\0";

fn read(octets: &[u8]) -> Result<Decoded<Pdu>, DecodeError> {
    decode(&Bytes::copy_from_slice(octets), &Limits::default())
}

/// The only header of a PDU that holds `field` beside its type.
fn value_of(field: &[u8]) -> (HeaderValue, usize) {
    let octets = [b"\x8C\x82", field].concat();
    let read = read(&octets).unwrap_or_else(|error| panic!("{error}: {field:X?}"));
    assert_eq!(read.value.headers.len(), 1, "{field:X?}");
    let value = read.value.headers.iter().next().unwrap().value.clone();
    let again = decode(
        &encode_partial(&read.value).unwrap().into(),
        &Limits::default(),
    );
    assert_eq!(again.unwrap().value, read.value, "{field:X?}");
    (value, read.warnings.len())
}

fn encoded(text: &str, charset: u32) -> HeaderValue {
    HeaderValue::Encoded(EncodedString {
        text: text.to_owned(),
        charset: Some(charset),
    })
}

#[test]
fn a_notification_is_read_and_written_octet_for_octet() {
    let read = read(NOTIFICATION).unwrap();
    assert_eq!(read.warnings, []);
    let pdu = read.value;
    assert_eq!(pdu.pdu_type, PduType::NotificationInd);
    assert_eq!(pdu.version().as_deref(), Some("1.0"));
    assert_eq!(pdu.transaction_id(), Some("T1"));
    let headers = &pdu.headers;
    assert_eq!(headers.text(Field::From), Some("+4912345678901/TYPE=PLMN"));
    assert_eq!(
        headers.get(Field::MessageSize),
        Some(&HeaderValue::Integer(1024))
    );
    let expiry = HeaderValue::Time(Time::Relative(3600));
    assert_eq!(headers.get(Field::Expiry), Some(&expiry));
    assert_eq!(encode(&pdu).unwrap(), NOTIFICATION);
    assert_eq!(encoded_len(&pdu), Ok(NOTIFICATION.len()));
}

#[test]
fn pitfall_1_addresses_come_as_encoded_strings_even_for_plain_digits() {
    let (to, warnings) = value_of(b"\x97\x05\xEA+12\0");
    assert_eq!((to, warnings), (encoded("+12", 106), 0));
    let (to, _) = value_of(b"\x97\x05\x83+12\0");
    assert_eq!(to, encoded("+12", 3));
    let inner = EncodedString {
        text: "+12".to_owned(),
        charset: Some(106),
    };
    let (from, _) = value_of(b"\x89\x07\x80\x05\xEA+12\0");
    assert_eq!(from, HeaderValue::From(Some(inner)));
    assert_eq!(value_of(b"\x89\x01\x81").0, HeaderValue::From(None));
    let (from, _) = value_of(b"\x89+12\0");
    assert_eq!(from, HeaderValue::From(Some("+12".into())));
}

#[test]
fn pitfall_2_zeros_behind_the_headers_and_a_last_text_without_an_end() {
    let zeros = read(&[NOTIFICATION, &[0]].concat()).unwrap();
    assert_eq!(zeros.value, read(NOTIFICATION).unwrap().value);
    assert_eq!(zeros.warnings.len(), 1);
    let cut = read(&NOTIFICATION[..NOTIFICATION.len() - 3]).unwrap();
    assert_eq!(
        cut.value.headers.text(Field::ContentLocation),
        Some("http://a")
    );
    assert_eq!(cut.warnings.len(), 1);
}

#[test]
fn pitfall_3_textual_headers_are_kept() {
    let read = read(b"\x8C\x86\x8D\x90Return-Path\0a@b\0X-Scanned-By\0me\0\x95\x81").unwrap();
    assert_eq!(read.warnings, []);
    assert_eq!(read.value.headers.textual("x-scanned-by"), Some("me"));
    let again = encode_partial(&read.value).unwrap();
    assert!(again.ends_with(b"Return-Path\0a@b\0X-Scanned-By\0me\0\x95\x81"));
}

#[test]
fn pitfall_4_a_delivery_report_may_have_a_transaction_id_and_a_retrieval_none() {
    let delivery = b"\x8C\x86\x98T\0\x8D\x90\x8Bm\0\x97a\0\x85\x01\x01\x95\x81";
    let pdu = read(delivery).unwrap().value;
    assert_eq!(pdu.transaction_id(), Some("T"));
    assert_eq!(encode(&pdu).unwrap(), delivery);
    let retrieval = b"\x8C\x84\x8D\x90\x85\x01\x01\x84\x83hi";
    let pdu = read(retrieval).unwrap().value;
    assert_eq!(pdu.transaction_id(), None);
    assert_eq!(encode(&pdu).unwrap(), retrieval);
}

#[test]
fn pitfall_5_an_error_text_is_a_body_and_a_web_page_is_not() {
    let pdu = read(b"\x8C\x84\x8D\x90\x85\x01\x01\x99\xE2\x84\x83Not found")
        .unwrap()
        .value;
    let body = pdu.body.unwrap();
    assert!(!body.is_multipart());
    assert_eq!(body.parts[0].data, "Not found");
    let error = read(b"\r\n <!DOCTYPE html>").unwrap_err();
    assert!(matches!(error.kind, DecodeErrorKind::WrongKind(_)));
    assert_eq!(error.offset, 0);
}

#[test]
fn pitfall_6_a_bad_or_empty_subject_does_not_cost_the_message() {
    let (subject, warnings) = value_of(b"\x96\x06\xEAa\xFF\xFEb\0");
    assert_eq!((subject, warnings), (encoded("a\u{FFFD}\u{FFFD}b", 106), 1));
    assert_eq!(value_of(b"\x96\0").0, HeaderValue::Encoded("".into()));
    assert_eq!(value_of(b"\x96\x02\xEA\0").0, encoded("", 106));
    assert_eq!(
        value_of(b"\x96caf\xE9\0"),
        (HeaderValue::Encoded("café".into()), 1)
    );
    let (subject, warnings) = value_of(b"\x96\xC3\xA9t\xC3\xA9\0");
    assert_eq!((subject, warnings), (HeaderValue::Encoded("été".into()), 1));
    let (subject, _) = value_of(b"\x96a\r\nBcc: evil\0");
    assert_eq!(subject, HeaderValue::Encoded("a  Bcc: evil".into()));
}

#[test]
fn pitfall_10_the_body_type_may_be_textual() {
    let octets = b"\x8C\x84\x8D\x90\x85\x01\x01\x84\x12multipart/related\0\x01\x01\x02\x83hi";
    let body = read(octets).unwrap().value.body.unwrap();
    assert!(body.is_multipart());
    assert_eq!(body.parts[0].data, "hi");
}

#[test]
fn pitfall_12_expiry_has_any_length_and_may_be_absolute() {
    for (wire, seconds) in [
        (&b"\x88\x02\x81\xBC"[..], 60),
        (b"\x88\x03\x81\x01\x3C", 60),
        (b"\x88\x04\x81\x02\x0E\x10", 3600),
        (b"\x88\x05\x81\x03\x03\xF4\x80", 259_200),
        (b"\x88\x06\x81\x04\x00\x03\xF4\x80", 259_200),
    ] {
        let want = HeaderValue::Time(Time::Relative(seconds));
        assert_eq!(value_of(wire), (want, 0));
    }
    let (absolute, _) = value_of(b"\x88\x06\x80\x04\x5F\x00\x00\x00");
    assert_eq!(absolute, HeaderValue::Time(Time::Absolute(0x5F00_0000)));
}

#[test]
fn pitfall_18_a_length_beyond_the_end_is_an_error() {
    for (octets, offset) in [
        (&b"\x8C\x82\x88\x1F\x8F\xFF\xFF\xFF\x7F\x81"[..], 9),
        (b"\x8C\x82\x88\x1E\x81", 4),
        (b"\x8C\x82\x84\x1F\x8F\xFF\xFF\xFF\x7F\xA3", 9),
        (b"\x8C\x84\x84\xA3\x01\x8F\xFF\xFF\xFF\x7F\x01\x83", 11),
        (b"\x8C\x82\x88\x1F\xFF\xFF\xFF\xFF\x7F\x81", 4),
    ] {
        assert_eq!(read(octets).unwrap_err().offset, offset, "{octets:X?}");
    }
}

#[test]
fn charsets_of_two_octets_end_in_one_nul_or_two() {
    for wire in [
        &b"\x96\x07\x02\x03\xF7\0A\0B"[..],
        b"\x96\x08\x02\x03\xF7\0A\0B\0",
        b"\x96\x09\x02\x03\xF7\0A\0B\0\0",
        b"\x96\x0B\x02\x03\xF7\xFF\xFEA\0B\0\0\0",
        b"\x96\x0B\x02\x03\xF7\x7F\xFE\xFF\0A\0B\0",
    ] {
        assert_eq!(value_of(wire), (encoded("AB", 1015), 0), "{wire:X?}");
    }
}

#[test]
fn a_quote_in_front_of_a_text_is_dropped_and_written() {
    for wire in [
        &b"\x96\x04\xEA\xC3\xA9\0"[..],
        b"\x96\x05\xEA\x7F\xC3\xA9\0",
    ] {
        assert_eq!(value_of(wire), (encoded("é", 106), 0));
    }
    let mut pdu = Pdu::new(PduType::SendConf);
    pdu.headers.add(Field::ResponseText, encoded("é", 106));
    assert!(
        encode_partial(&pdu)
            .unwrap()
            .ends_with(b"\x93\x05\xEA\x7F\xC3\xA9\0")
    );
}

#[test]
fn text_beyond_its_charset_becomes_utf_8() {
    assert_eq!(
        value_of(b"\x96\x05\x83\xC3\xA9x\0"),
        (encoded("éx", 106), 1)
    );
    // A surrogate pair in what says it is UCS-2.
    let (subject, _) = value_of(b"\x96\x08\x02\x03\xE8\xD8\x3D\xDE\x00\0");
    assert_eq!(subject, encoded("😀", 106));
    let (unknown, warnings) = value_of(b"\x96\x06\x02\x27\x0F\xF0\x01\0");
    assert_eq!((unknown, warnings), (encoded("\u{F0}\u{1}", 9999), 1));
}

#[test]
fn odd_values_are_kept_as_octets() {
    for field in [
        &b"\x86\x01\x80"[..],
        b"\x88\x80",
        b"\x88\x02\x85\x01",
        b"\x8E\x00",
        b"\x8E\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00",
        b"\xA0\x01\x81",
        b"\xAA\x01\x80",
    ] {
        let (value, warnings) = value_of(field);
        assert_eq!(value, HeaderValue::Raw(Bytes::copy_from_slice(&field[1..])));
        assert_eq!(warnings, 1);
    }
    let (unknown, _) = value_of(b"\xFF\x03abc");
    assert_eq!(unknown, HeaderValue::Raw(Bytes::from_static(b"\x03abc")));
}

#[test]
fn every_compound_value_is_read() {
    let attribute = |name| HeaderValue::Attribute(name);
    for (wire, want) in [
        (
            &b"\xA0\x06\x82+12/\0"[..],
            HeaderValue::Counted(2, Box::new(HeaderValue::Encoded("+12/".into()))),
        ),
        (
            b"\xA1\x06\x82\x04\x5F\0\0\0",
            HeaderValue::Counted(2, Box::new(HeaderValue::Date(0x5F00_0000))),
        ),
        (
            b"\x83\x06\x81http\0",
            HeaderValue::Counted(1, Box::new(HeaderValue::Text("http".into()))),
        ),
        (
            b"\x92\x02\x81\xE4",
            HeaderValue::Counted(1, Box::new(HeaderValue::Token(0xE4))),
        ),
        (b"\xA4\x05\x80key\0", HeaderValue::Flag(0x80, "key".into())),
        (b"\xAA\x02\x80\x85", HeaderValue::Total(0x80, 5)),
        (b"\xA8\x96", attribute(HeaderName::Field(Field::Subject))),
        (
            b"\xA8X-Mine\0",
            attribute(HeaderName::Text("X-Mine".into())),
        ),
        (b"\xA8\xF0", attribute(HeaderName::Unknown(0x70))),
        (
            b"\xB2\x08cid:1\0\x82\x9E",
            HeaderValue::Element("cid:1".into(), vec![]),
        ),
    ] {
        let (value, _) = value_of(wire);
        match (&value, &want) {
            (HeaderValue::Element(reference, params), HeaderValue::Element(wanted, _)) => {
                assert_eq!(reference, wanted);
                assert_eq!(params[0].value, "image/jpeg");
            }
            _ => assert_eq!(value, want, "{wire:X?}"),
        }
    }
}

#[test]
fn headers_with_a_fixed_place_are_put_there() {
    let pdu = read(b"\x95\x81\x8D\x92\x98T\0\x8C\x83").unwrap().value;
    assert_eq!(encode(&pdu).unwrap(), b"\x8C\x83\x98T\0\x8D\x92\x95\x81");
    let again = read(b"\x8C\x83\x98T\0\x8D\x92\x95\x81").unwrap().value;
    assert_eq!(again, pdu);
}

#[test]
fn types_and_versions_nobody_knows_are_refused() {
    let error = read(b"\x8C\xFF\x8D\x93").unwrap_err();
    assert_eq!(
        error,
        DecodeError::new(1, DecodeErrorKind::UnknownMessageType(0xFF))
    );
    let error = read(b"\x8C\x80\x98T\0\x8D\xA0").unwrap_err();
    let kind = DecodeErrorKind::UnsupportedVersion("2.0".to_owned());
    assert_eq!(error, DecodeError::new(6, kind));
    assert!(read(b"\x8C\x80\x8D\x9F").is_ok() && read(b"\x8C\x80\x8D\x9E").is_ok());
    assert!(read(b"\x8C\x80\x8D1.2\0").is_ok() && read(b"\x8C\x80\x8D2.0\0").is_err());
    let missing = DecodeErrorKind::Missing("X-Mms-Message-Type");
    assert_eq!(
        read(&[0, 0, 0, 0]).unwrap_err(),
        DecodeError::new(0, missing)
    );
    assert_eq!(read(b"\x8C").unwrap_err().offset, 1);
    assert_eq!(read(b"").unwrap_err().kind, DecodeErrorKind::Empty);
    assert_eq!(read(b"This is no PDU\n").unwrap_err().offset, 0);
}

#[test]
fn what_is_mandatory_must_be_there() {
    let mut pdu = Pdu::new(PduType::SendReq);
    let missing = |pdu: &Pdu| match encode(pdu) {
        Err(EncodeError::MissingHeader { header, .. }) => header,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(&pdu), "X-Mms-Transaction-Id");
    pdu.headers
        .add(Field::TransactionId, HeaderValue::Text("1".into()));
    assert_eq!(missing(&pdu), "From");
    pdu.headers.add(Field::From, HeaderValue::From(None));
    assert_eq!(missing(&pdu), "To, Cc or Bcc");
    pdu.headers
        .add(Field::Bcc, HeaderValue::Encoded("a@b".into()));
    assert!(matches!(encode(&pdu), Err(EncodeError::Body { .. })));
    pdu.body = Some(Body::single(Part::new(ContentType::new("text/plain"), "x")));
    assert!(encode(&pdu).is_ok());
    pdu.headers.remove(Field::MmsVersion);
    assert_eq!(missing(&pdu), "X-Mms-MMS-Version");
    assert!(encode_partial(&pdu).is_ok());
    pdu.pdu_type = PduType::SendConf;
    pdu.headers.add(Field::MmsVersion, HeaderValue::Token(0x92));
    pdu.headers
        .add(Field::ResponseStatus, HeaderValue::Token(0x80));
    assert!(matches!(encode(&pdu), Err(EncodeError::Body { .. })));
}

#[test]
fn values_of_another_form_and_broken_texts_are_refused() {
    let with = |field, value| {
        let mut pdu = Pdu::new(PduType::SendConf);
        pdu.headers.add(field, value);
        encode_partial(&pdu)
    };
    for (field, value) in [
        (Field::Subject, HeaderValue::Text("a".into())),
        (Field::Priority, HeaderValue::Token(0x02)),
        (Field::Priority, HeaderValue::Integer(2)),
        (Field::Date, HeaderValue::Integer(2)),
        (Field::MessageType, HeaderValue::Token(0x80)),
        (Field::ContentType, HeaderValue::Text("a/b".into())),
        (
            Field::Expiry,
            HeaderValue::Raw(Bytes::from_static(b"\x05a")),
        ),
        (
            Field::PreviouslySentBy,
            HeaderValue::Counted(1, Box::new(HeaderValue::Token(0x80))),
        ),
    ] {
        let refused = with(field, value.clone());
        assert!(
            matches!(refused, Err(EncodeError::WrongForm { .. })),
            "{field:?} {value:?}"
        );
    }
    for text in ["a\r\nb", "a\0b"] {
        assert!(with(Field::Subject, HeaderValue::Encoded(text.into())).is_err());
        assert!(with(Field::MessageId, HeaderValue::Text(text.into())).is_err());
        assert!(with(Field::ResponseText, encoded(text, 106)).is_err());
    }
    assert!(with(Field::Subject, encoded("€", 4)).is_err());
}

#[test]
fn headers_and_octets_are_limited_and_lengths_are_known_beforehand() {
    let limits = Limits {
        headers: 3,
        message_bytes: 40,
        ..Limits::default()
    };
    let pdu = |n: usize| Bytes::from([&b"\x8C\x80"[..], &b"\x97a\0".repeat(n)].concat());
    assert_eq!(decode(&pdu(3), &limits).unwrap().value.headers.len(), 3);
    let error = decode(&pdu(4), &limits).unwrap_err();
    assert_eq!(
        (error.offset, error.kind),
        (
            11,
            DecodeErrorKind::Limit {
                what: "headers",
                limit: 3
            }
        )
    );
    let long = |n: usize| Bytes::from([&b"\x8C\x84\x84\x83"[..], &vec![b'x'; n]].concat());
    assert!(decode(&long(36), &limits).is_ok());
    assert!(decode(&long(37), &limits).is_err());
    let pdu = decode(&long(36), &limits).unwrap().value;
    assert_eq!(encoded_len(&pdu), Ok(40));
}

#[test]
fn a_message_box_holds_descriptions() {
    let mut description = Pdu::new(PduType::MboxDescr);
    description
        .headers
        .add(Field::MessageId, HeaderValue::Text("m1".into()));
    let mut view = Pdu::new(PduType::MboxViewConf);
    view.headers
        .add(Field::TransactionId, HeaderValue::Text("1".into()));
    view.headers
        .add(Field::ResponseStatus, HeaderValue::Token(0x80));
    view.body = Some(Body {
        content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
        parts: vec![description.to_part().unwrap(); 2],
    });
    let read = read(&encode(&view).unwrap()).unwrap();
    let body = read.value.into_message().unwrap().body;
    for part in &body.parts {
        let inside = Pdu::from_part(part, &Limits::default()).unwrap();
        assert_eq!(inside.value, description);
    }
    let mut upload = Pdu::new(PduType::MboxUploadReq);
    upload
        .headers
        .set(Field::TransactionId, HeaderValue::Text("2".into()));
    upload.body = Some(Body::single(description.to_part().unwrap()));
    assert!(encode(&upload).is_ok());
}

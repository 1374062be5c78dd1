//! WSP values, content types, binary multipart bodies and PDUs.

use bytes::Bytes;
use remold::Limits;
use remold::mms::multipart as body;
use remold::mms::pdu as mm1;
use remold::mms::push as sms;
use remold::mms::wsp::{self as values, Notes, Reader, Writer};

/// Reading in any order never leaves the input, never goes back, and says truly where it is; what
/// is written reads as it was.
pub fn wsp(data: &[u8]) {
    let Some((steps, octets)) = split(data) else {
        return;
    };
    let mut reader = Reader::new(octets);
    for step in steps {
        let before = reader.offset();
        let moved = match step % 10 {
            0 => reader.octet("x").is_ok(),
            1 => reader.take(usize::from(*step), "x").is_ok(),
            2 => reader.uintvar("x").map(round_trip_uintvar).is_ok(),
            3 => reader.integer("x").map(round_trip_integer).is_ok(),
            4 => reader.text("x").map(round_trip_text).is_ok(),
            5 => reader.value("x").is_ok(),
            6 => values::read_content_type(&mut reader, &mut Notes::new()).is_ok(),
            7 => values::read_disposition(&mut reader, &mut Notes::new()).is_ok(),
            8 => reader.split(usize::from(*step), "x").is_ok(),
            _ => {
                reader.open_text();
                true
            }
        };
        assert!(reader.offset() >= before, "a reader goes back");
        assert_eq!(reader.offset() + reader.left(), octets.len());
        assert_eq!(reader.rest(), &octets[reader.offset()..]);
        if !moved {
            break;
        }
    }
}

/// A content type or a disposition that was read without a warning is written and reads the same.
pub fn content_type(data: &[u8]) {
    let mut notes = Notes::new();
    let mut reader = Reader::new(data);
    if let Ok(read) = values::read_content_type(&mut reader, &mut notes) {
        let sound = bounded_warnings(notes, data);
        let mut writer = Writer::with_capacity(64);
        if let Err(error) = values::write_content_type(&mut writer, &read) {
            assert!(!sound, "{read:?}: {error}");
            return;
        }
        let octets = writer.into_octets();
        let mut notes = Notes::new();
        let again = values::read_content_type(&mut Reader::new(&octets), &mut notes);
        assert!(
            !sound || again.as_ref() == Ok(&read),
            "{octets:02X?}\n{read:?}\n{again:?}"
        );
        assert_eq!(notes.into_warnings(), [], "{octets:02X?}");
    }
    let mut reader = Reader::new(data);
    if let Ok(read) = values::read_disposition(&mut reader, &mut Notes::new()) {
        let mut writer = Writer::with_capacity(64);
        if values::write_disposition(&mut writer, &read).is_err() {
            return;
        }
        let octets = writer.into_octets();
        let again = values::read_disposition(&mut Reader::new(&octets), &mut Notes::new());
        assert_eq!(again.as_ref(), Ok(&read), "{octets:02X?}");
    }
}

/// A body that was read is written and reads the same; where there was something to warn of, it may
/// be mended once, or refused. Its parts are no larger than the input, and as many as allowed.
pub fn multipart(data: &[u8]) {
    let limits = Limits::default();
    let input = Bytes::copy_from_slice(data);
    let likely = body::looks_like(data);
    let read = match body::decode(&input, &limits) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            assert!(!likely, "looks like a multipart body, but: {error}");
            return;
        }
    };
    assert!(read.value.len() <= limits.parts);
    let octets: usize = read.value.iter().map(|part| part.data.len()).sum();
    assert!(octets <= data.len(), "parts outgrow the input");
    for warning in &read.warnings {
        assert!(warning.offset <= data.len(), "{warning:?}");
    }
    let written = match body::encode(&read.value) {
        Ok(written) => written,
        Err(error) => {
            assert!(!read.warnings.is_empty(), "{:?}: {error}", read.value);
            return;
        }
    };
    let again = body::decode(&Bytes::from(written.clone()), &limits)
        .unwrap_or_else(|error| panic!("{written:02X?}: {error}"));
    if read.warnings.is_empty() {
        assert_eq!(again, read, "{written:02X?}");
        assert_eq!(body::encode(&again.value), Ok(written));
    }
}

/// A PDU that was read is written and reads the same, in as many octets as were foretold; where
/// there was something to warn of, it may be mended once, or refused. What reads without a
/// warning is written as the same octets again: the coding is canonical.
pub fn pdu(data: &[u8]) {
    let limits = Limits::default();
    let input = Bytes::copy_from_slice(data);
    let read = match mm1::decode(&input, &limits) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.offset <= data.len(), "{error}");
            return;
        }
    };
    for warning in &read.warnings {
        assert!(warning.offset <= data.len(), "{warning:?}");
    }
    assert!(read.value.headers.len() <= limits.headers);
    let length = mm1::encoded_len(&read.value);
    let written = match mm1::encode_partial(&read.value) {
        Ok(written) => written,
        Err(error) => {
            assert!(length.is_err(), "a length for what cannot be written");
            assert!(!read.warnings.is_empty(), "{:?}: {error}", read.value);
            return;
        }
    };
    assert_eq!(length, Ok(written.len()));
    let again = match mm1::decode(&Bytes::from(written.clone()), &limits) {
        Ok(again) => again,
        // An odd value is kept as octets, which may mean something else in front of others.
        Err(_) if !read.warnings.is_empty() => return,
        Err(error) => panic!("{written:02X?}: {error}"),
    };
    if read.warnings.is_empty() {
        assert_eq!(again, read, "{written:02X?}");
    }
    if again.warnings.is_empty() {
        assert_eq!(mm1::encode_partial(&again.value), Ok(written));
    }
}

/// A push that was read is written and reads the same. Octets that are wrapped, cut into short
/// messages, shuffled and put together again come out as they were.
pub fn push(data: &[u8]) {
    let limits = Limits::default();
    let input = Bytes::copy_from_slice(data);
    let _ = sms::read_tpdu(&input);
    let _ = sms::read_hex(data);
    let _ = sms::decode(&input, &limits);
    if let Ok((udh, _)) = sms::Udh::read(data) {
        let octets = udh.to_octets();
        let (again, rest) = sms::Udh::read(&octets).expect("written by us");
        assert_eq!((again, rest), (udh, &[][..]));
    }
    match sms::unwrap(&input, &limits) {
        Ok(read) if read.warnings.is_empty() => {
            assert!(sms::looks_like(data) || !read.value.content_type.media().contains('/'));
            if let Ok(written) = sms::encode(&read.value) {
                let again = sms::unwrap(&Bytes::from(written.clone()), &limits)
                    .unwrap_or_else(|error| panic!("{written:02X?}: {error}"));
                assert_eq!(again.value.headers, read.value.headers);
                assert_eq!(again.value.content_type, read.value.content_type);
                assert_eq!(again.value.body, read.value.body);
            }
        }
        Ok(_) => {}
        Err(error) => assert!(error.offset <= data.len(), "{error}"),
    }
    let wrapped = Bytes::from(sms::wrap(7, data));
    let unwrapped = sms::unwrap(&wrapped, &limits).expect("wrapped by us");
    assert_eq!(unwrapped.value.body, data);
    let wide = data.len() % 2 == 0;
    let Ok(segments) = sms::segment(&wrapped, 0x1234, wide) else {
        return;
    };
    let mut received: Vec<_> = segments
        .iter()
        .map(|segment| {
            assert!(segment.udh.len() + segment.payload.len() <= 140);
            let (udh, rest) = sms::Udh::read(&segment.udh).expect("written by us");
            assert!(rest.is_empty());
            (udh, segment.payload.clone())
        })
        .collect();
    received.reverse();
    assert_eq!(sms::reassemble(&received, &limits), Ok(wrapped));
}

fn round_trip_uintvar(value: u32) {
    let mut writer = Writer::with_capacity(8);
    writer.uintvar(value);
    let octets = writer.into_octets();
    assert_eq!(Reader::new(&octets).uintvar("x"), Ok(value));
}

fn round_trip_integer(value: u64) {
    let mut writer = Writer::with_capacity(16);
    writer.integer(value);
    let octets = writer.into_octets();
    assert_eq!(Reader::new(&octets).integer("x"), Ok(value));
}

fn round_trip_text(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let mut writer = Writer::with_capacity(16);
    if writer.text(text, "x").is_ok() {
        let octets = writer.into_octets();
        let read = Reader::new(&octets).text("x").expect("a text");
        let read = read.strip_prefix(b"\x7F").unwrap_or(read);
        assert_eq!(read, text.strip_prefix('\u{7F}').unwrap_or(text).as_bytes());
    }
}

/// Whether there was nothing to warn of. Every warning is about an octet of the input.
fn bounded_warnings(notes: Notes, data: &[u8]) -> bool {
    let warnings = notes.into_warnings();
    for warning in &warnings {
        assert!(warning.offset <= data.len(), "{warning:?}");
    }
    warnings.is_empty()
}

/// Up to 32 steps to take, and the octets to take them on.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*count % 32))
}

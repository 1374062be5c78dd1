//! The headers in front of one part, by the WSP header table.

use bytes::Bytes;

use super::over;
use crate::Limits;
use crate::mms::content_type::ContentType;
use crate::mms::error::{DecodeError, EncodeError};
use crate::mms::message::{Part, PartHeader, trim_brackets};
use crate::mms::transfer::Transfer;
use crate::mms::wsp::{
    Notes, Reader, Value, Writer, is_token_text, param_text, plain_text, read_content_type,
    read_disposition, write_content_type, write_disposition, write_text_value,
};

const CONTENT_LOCATION: u8 = 0x0E;
const CONTENT_TYPE: u8 = 0x11;
const CONTENT_DISPOSITION: u8 = 0x2E;
const CONTENT_ID: u8 = 0x40;
const CONTENT_DISPOSITION_NEW: u8 = 0x45;
/// No header of the table, but some senders write Content-Transfer-Encoding so.
const TRANSFER_ENCODING: u8 = 0x48;

/// A part from its header octets and its data. Headers that make no sense end the list with a
/// note: where the data are is known without them.
pub(super) fn read(
    input: &Bytes,
    mut head: Reader<'_>,
    data: Bytes,
    limits: &Limits,
    notes: &mut Notes,
) -> Result<Part, DecodeError> {
    let start = head.offset();
    let content_type = if head.is_empty() {
        notes.add(start, "a part without a type");
        None
    } else {
        let read = read_content_type(&mut head, notes);
        if read.is_err() {
            notes.add(start, "a malformed part type");
            head = Reader::starting(&[], start);
        }
        read.ok()
    };
    let content_type = content_type.unwrap_or_else(|| ContentType::new("application/octet-stream"));
    let mut part = Part::new(content_type, data);
    let mut encoding = None;
    let mut count = 0_usize;
    while !head.is_empty() {
        count = count.saturating_add(1);
        if count > limits.part_headers {
            return Err(over("part headers", limits.part_headers, head.offset()));
        }
        let at = head.offset();
        if read_header(input, &mut head, &mut part, &mut encoding, notes).is_err() {
            notes.add(at, "malformed part headers, left out");
            break;
        }
    }
    if let Some(name) = encoding {
        undo(&mut part, name, start, notes);
    }
    Ok(part)
}

/// Writes Content-Type and the other headers of a part.
pub(super) fn write(writer: &mut Writer, part: &Part) -> Result<(), EncodeError> {
    write_content_type(writer, &part.content_type)?;
    if let Some(id) = &part.content_id {
        writer.code(CONTENT_ID);
        writer.quoted(&format!("<{id}>"), "Content-ID")?;
    }
    if let Some(location) = &part.content_location {
        writer.code(CONTENT_LOCATION);
        write_text_value(writer, location, "Content-Location")?;
    }
    if let Some(disposition) = &part.disposition {
        writer.code(CONTENT_DISPOSITION);
        write_disposition(writer, disposition)?;
    }
    for header in &part.other {
        match header {
            PartHeader::Text { name, value } if is_token_text(name.as_bytes()) => {
                writer.text(name, name)?;
                writer.text(value, name)?;
            }
            PartHeader::WellKnown { code, value } if *code < 0x80 && is_one_value(value) => {
                writer.code(*code);
                writer.octets(value);
            }
            PartHeader::Text { name, .. } => {
                return Err(EncodeError::BadText { what: name.clone() });
            }
            PartHeader::WellKnown { code, .. } => {
                return Err(EncodeError::WrongForm {
                    header: format!("part header 0x{code:02X}"),
                    found: "octets that are not one value",
                });
            }
        }
    }
    Ok(())
}

/// Whether octets are exactly one value by the first-octet rule.
pub(crate) fn is_one_value(octets: &[u8]) -> bool {
    let mut reader = Reader::new(octets);
    reader.value("a value").is_ok() && reader.is_empty()
}

/// Reads one header into the part, or the name of a transfer encoding.
fn read_header(
    input: &Bytes,
    head: &mut Reader<'_>,
    part: &mut Part,
    encoding: &mut Option<String>,
    notes: &mut Notes,
) -> Result<(), DecodeError> {
    let start = head.offset();
    let code = match head.value("a part header")? {
        Value::Short(octet) => octet & 0x7F,
        Value::Text(name) if is_token_text(name) => {
            let name = plain_text(name, start, notes);
            return read_textual(head, name, part, encoding, notes);
        }
        Value::Text(_) | Value::Data(_) => return Err(head.malformed("a part header")),
    };
    let at = head.offset();
    let mut value = head.clone();
    let whole = head.value("a part header")?;
    match (code, whole.as_text()) {
        (CONTENT_LOCATION, Some(text)) if part.content_location.is_none() => {
            part.content_location = Some(param_text(text, at, notes));
        }
        (CONTENT_ID, Some(text)) if part.content_id.is_none() => {
            part.content_id = Some(bare_id(&param_text(text, at, notes)));
        }
        (CONTENT_DISPOSITION | CONTENT_DISPOSITION_NEW, _) if part.disposition.is_none() => {
            part.disposition = Some(read_disposition(&mut value, notes)?);
        }
        (CONTENT_TYPE, _) => notes.add(start, "a second type of a part, left out"),
        (TRANSFER_ENCODING, Some(text)) => {
            take_encoding(encoding, plain_text(text, at, notes), start, notes);
        }
        _ => part.other.push(PartHeader::WellKnown {
            code,
            value: input.slice(at..head.offset()),
        }),
    }
    Ok(())
}

/// Reads the value of a header with a textual name.
fn read_textual(
    head: &mut Reader<'_>,
    name: String,
    part: &mut Part,
    encoding: &mut Option<String>,
    notes: &mut Notes,
) -> Result<(), DecodeError> {
    let at = head.offset();
    let (text, ended) = head.open_text();
    if !ended {
        notes.add(at, "a text without an end");
    }
    let value = plain_text(text, at, notes);
    match name.to_ascii_lowercase().as_str() {
        "content-transfer-encoding" => take_encoding(encoding, value, at, notes),
        "content-id" if part.content_id.is_none() => {
            part.content_id = Some(bare_id(value.trim_matches('"')));
        }
        "content-location" if part.content_location.is_none() => {
            part.content_location = Some(value);
        }
        _ => part.other.push(PartHeader::Text { name, value }),
    }
    Ok(())
}

fn bare_id(id: &str) -> String {
    trim_brackets(id).to_owned()
}

fn take_encoding(encoding: &mut Option<String>, name: String, offset: usize, notes: &mut Notes) {
    match encoding {
        Some(_) => notes.add(offset, "a second transfer encoding, left out"),
        None => *encoding = Some(name),
    }
}

/// Undoes the transfer encoding; a WSP body has none, but some senders carry one over from MIME.
fn undo(part: &mut Part, name: String, offset: usize, notes: &mut Notes) {
    let (transfer, known) = Transfer::from_name(&name);
    if known && could_be(transfer, &part.data) {
        if let Some(data) = transfer.decode(&part.data) {
            part.data = data.into();
        }
        return;
    }
    notes.add(offset, "a transfer encoding that cannot be undone");
    part.other.push(PartHeader::Text {
        name: "Content-Transfer-Encoding".to_owned(),
        value: name,
    });
}

/// Whether `data` look like what `transfer` writes. The header often names an encoding that was
/// undone long before, and decoding a second time would spoil the part.
fn could_be(transfer: Transfer, data: &[u8]) -> bool {
    match transfer {
        Transfer::Identity => true,
        Transfer::QuotedPrintable => data.is_ascii(),
        Transfer::Uuencode => data.starts_with(b"begin ") && data.is_ascii(),
        Transfer::Base64 => data.iter().all(|octet| {
            octet.is_ascii_alphanumeric()
                || octet.is_ascii_whitespace()
                || matches!(octet, b'+' | b'/' | b'=' | 0)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{decode, encode};
    use super::*;
    use crate::mms::message::{Disposition, DispositionKind};

    fn read_head(head: &[u8], data: &[u8]) -> (Part, usize) {
        let sizes = [head.len(), data.len()].map(|len| u8::try_from(len).unwrap());
        let octets = [&[1, sizes[0], sizes[1]], head, data].concat();
        let read = decode(&octets.into(), &Limits::default()).unwrap();
        (read.value[0].clone(), read.warnings.len())
    }

    #[test]
    fn names_are_read_from_well_known_and_textual_headers() {
        let (known, warnings) = read_head(b"\x83\xC0\"<a>\0\x8Ea.txt\0", b"x");
        let (textual, _) = read_head(b"\x83content-id\0<a>\0Content-Location\0a.txt\0", b"x");
        assert_eq!(known.content_id.as_deref(), Some("a"));
        assert_eq!(known.content_location.as_deref(), Some("a.txt"));
        assert_eq!((warnings, textual), (0, known));
    }

    #[test]
    fn both_dispositions_are_read_and_the_old_one_is_written() {
        for code in [b'\xAE', b'\xC5'] {
            let head = [&[0x9E, code][..], b"\x08\x81\x86a.jpg\0"].concat();
            let (part, warnings) = read_head(&head, b"x");
            let disposition = Disposition {
                kind: DispositionKind::Attachment,
                filename: Some("a.jpg".to_owned()),
                params: Vec::new(),
            };
            assert_eq!(
                (part.disposition.as_ref(), warnings),
                (Some(&disposition), 0)
            );
            assert_eq!(encode(&[part]).unwrap()[4], 0xAE);
        }
    }

    #[test]
    fn transfer_encodings_are_undone_and_dropped() {
        for head in [
            &b"\x83Content-Transfer-Encoding\0base64\0"[..],
            b"\x83\xC8BASE64\0",
        ] {
            let (part, warnings) = read_head(head, b"aGVs\r\nbG8=\r\n");
            assert_eq!((&part.data[..], warnings), (&b"hello"[..], 0));
            assert_eq!(part.other, []);
        }
        let quoted = b"\x83Content-Transfer-Encoding\0quoted-printable\0";
        let (part, _) = read_head(quoted, b"caf=C3=A9 =\r\n1=2");
        assert_eq!(part.data, "café 1=2");
        let (part, _) = read_head(b"\x83\xC8base64\0", b"aGVsbG8gdGhlcmV");
        assert_eq!(part.data, "hello there");
        let (part, _) = read_head(b"\x83\xC8base64\0", b"aGVsbG8gd");
        assert_eq!(part.data, "hello ");
        let (part, warnings) = read_head(b"\x83\xC8base64\0", b"!!!");
        assert_eq!(
            (&part.data[..], warnings, part.other.len()),
            (&b"!!!"[..], 1, 1)
        );
    }

    #[test]
    fn of_two_transfer_encodings_the_first_counts() {
        for head in [
            &b"\x83\xC8\0\xC8base64\0"[..],
            b"\x83\xC8binary\0content-transfer-encoding\0base64\0",
        ] {
            let (part, warnings) = read_head(head, b"aGVsbG8=");
            assert_eq!((&part.data[..], warnings), (&b"aGVsbG8="[..], 1));
            assert_eq!(part.other, []);
        }
    }

    #[test]
    fn headers_that_are_not_understood_come_back() {
        let head = b"\x83\xB0http://a\0X-Mine\0yes\0\x8D\x02\xC1\xC1";
        let (part, warnings) = read_head(head, b"x");
        assert_eq!((part.other.len(), warnings), (3, 0));
        let again = decode(
            &encode(std::slice::from_ref(&part)).unwrap().into(),
            &Limits::default(),
        );
        assert_eq!(again.unwrap().value, [part]);
    }

    #[test]
    fn broken_headers_lose_the_rest_and_keep_the_data() {
        for head in [
            &b""[..],
            b"\x05\x83",
            b"\x83\x8E",
            b"\x83\x01\x02",
            b"\x83\x8Ename",
        ] {
            let (part, warnings) = read_head(head, b"data");
            assert_eq!(&part.data[..], b"data", "{head:X?}");
            assert_eq!(warnings, 1, "{head:X?}");
        }
    }

    #[test]
    fn part_headers_are_limited() {
        let limits = Limits {
            part_headers: 2,
            ..Limits::default()
        };
        let body = |n: usize| {
            let head = [&[0x83][..], &b"a\0b\0".repeat(n)].concat();
            let len = u8::try_from(head.len()).unwrap();
            Bytes::from([&[1, len, 0][..], &head].concat())
        };
        assert_eq!(decode(&body(2), &limits).unwrap().value[0].other.len(), 2);
        assert_eq!(
            decode(&body(3), &limits).unwrap_err(),
            over("part headers", 2, 12)
        );
    }

    #[test]
    fn headers_that_cannot_be_written_are_refused() {
        let plain = Part::new(ContentType::new("text/plain"), "x");
        for other in [
            PartHeader::Text {
                name: "A B".to_owned(),
                value: "c".to_owned(),
            },
            PartHeader::WellKnown {
                code: 0x30,
                value: Bytes::from_static(b"\x05a"),
            },
            PartHeader::WellKnown {
                code: 0x80,
                value: Bytes::from_static(b"\x80"),
            },
        ] {
            let mut part = plain.clone();
            part.other.push(other);
            assert!(encode(&[part]).is_err());
        }
        let mut part = plain;
        part.content_id = Some("a\nb".to_owned());
        assert!(encode(&[part]).is_err());
    }
}

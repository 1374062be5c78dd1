//! Binary multipart bodies: `application/vnd.wap.multipart.*`, and textual `multipart/*` names in
//! the same coding (WAP-230-WSP section 8.5).
//!
//! Reading trusts the octets that are left, not the count in front: real senders write 0 or a
//! wrong number there. Part data are views into the input unless a transfer encoding is undone.

mod headers;

pub(crate) use headers::is_one_value;

use bytes::Bytes;

use super::error::{DecodeError, DecodeErrorKind, Decoded, EncodeError};
use super::message::Part;
use super::wsp::{Notes, Reader, Writer, read_content_type};
use crate::Limits;

/// Reads a whole input as a multipart body.
///
/// # Errors
/// Where a part reaches past the end, or a bound of `limits` is passed.
pub fn decode(input: &Bytes, limits: &Limits) -> Result<Decoded<Vec<Part>>, DecodeError> {
    if input.is_empty() {
        return Err(DecodeError::new(0, DecodeErrorKind::Empty));
    }
    if input.len() > limits.message_bytes {
        return Err(over("octets", limits.message_bytes, limits.message_bytes));
    }
    let mut notes = Notes::new();
    let value = read_parts(input, 0, limits, &mut notes)?;
    let warnings = notes.into_warnings();
    Ok(Decoded { value, warnings })
}

/// The octets of a multipart body.
///
/// # Errors
/// Where a name or a value of a part header has no coding.
pub fn encode(parts: &[Part]) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer::with_capacity(room(parts));
    write_parts(&mut writer, parts)?;
    Ok(writer.into_octets())
}

/// Whether octets are a multipart body through and through: the right count, every part with a
/// type that reads well, and nothing behind them.
#[must_use]
pub fn looks_like(octets: &[u8]) -> bool {
    let mut reader = Reader::new(octets);
    let Ok(count @ 1..=255) = reader.uintvar("a count") else {
        return false;
    };
    let walked = (0..count).try_for_each(|_| {
        let (mut head, _) = read_entry(&mut reader)?;
        let mut notes = Notes::new();
        let content_type = read_content_type(&mut head, &mut notes)?;
        if content_type.media().contains('/') && notes.into_warnings().is_empty() {
            Ok(())
        } else {
            Err(head.malformed("a part"))
        }
    });
    walked.is_ok() && reader.is_empty()
}

/// Reads the parts from `start` to the end of `input`.
pub(crate) fn read_parts(
    input: &Bytes,
    start: usize,
    limits: &Limits,
    notes: &mut Notes,
) -> Result<Vec<Part>, DecodeError> {
    let mut reader = Reader::starting(input.get(start..).unwrap_or_default(), start);
    let count = reader.length("the number of parts")?;
    // Where the zeros at the end begin, counted once and only where there may be some.
    let mut end = None;
    // The count allocates nothing: it may be anything.
    let mut parts = Vec::new();
    while !reader.is_empty() {
        if input.get(reader.offset()) == Some(&0)
            && reader.offset() >= *end.get_or_insert_with(|| zeros_from(input))
        {
            notes.add(reader.offset(), "zero octets behind the last part");
            break;
        }
        if parts.len() >= limits.parts {
            return Err(over("parts", limits.parts, reader.offset()));
        }
        let begin = reader.offset();
        let (head, data) = match read_entry(&mut reader) {
            Ok(entry) => entry,
            Err(_) if parts.len() >= count => {
                notes.add(begin, "octets behind the last part");
                break;
            }
            Err(error) => return Err(error),
        };
        let at = data.offset();
        let data = input.slice(at..at.saturating_add(data.left()));
        parts.push(headers::read(input, head, data, limits, notes)?);
    }
    if parts.len() != count {
        let message = format!("{count} parts are announced and {} are here", parts.len());
        notes.add(start, message);
    }
    Ok(parts)
}

/// The offset behind the last octet that is not zero.
fn zeros_from(octets: &[u8]) -> usize {
    octets
        .iter()
        .rposition(|octet| *octet != 0)
        .map_or(0, |last| last.saturating_add(1))
}

/// Writes the parts with their count in front.
pub(crate) fn write_parts(writer: &mut Writer, parts: &[Part]) -> Result<(), EncodeError> {
    writer.length(parts.len(), "the number of parts")?;
    for part in parts {
        let mut head = Writer::with_capacity(64);
        headers::write(&mut head, part)?;
        let head = head.into_octets();
        writer.length(head.len(), "a part header")?;
        writer.length(part.data.len(), "a part")?;
        writer.octets(&head);
        writer.data(&part.data);
    }
    Ok(())
}

/// Octets that a multipart body is likely to take.
pub(crate) fn room(parts: &[Part]) -> usize {
    parts.iter().fold(8, |sum: usize, part| {
        sum.saturating_add(part.data.len()).saturating_add(160)
    })
}

/// Headers and data of the next part.
fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<(Reader<'a>, Reader<'a>), DecodeError> {
    let mut entry = reader.clone();
    let head_len = entry.length("a part header")?;
    let data_len = entry.length("a part")?;
    let head = entry.split(head_len, "a part header")?;
    let data = entry.split(data_len, "a part")?;
    *reader = entry;
    Ok((head, data))
}

/// The error for a bound that is passed at `offset`.
pub(crate) fn over(what: &'static str, limit: usize, offset: usize) -> DecodeError {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    DecodeError::new(offset, DecodeErrorKind::Limit { what, limit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::content_type::ContentType;

    fn read(octets: &[u8]) -> Result<Decoded<Vec<Part>>, DecodeError> {
        decode(&Bytes::copy_from_slice(octets), &Limits::default())
    }

    fn entry(data: &[u8]) -> Vec<u8> {
        let mut octets = vec![1, u8::try_from(data.len()).unwrap(), 0x83];
        octets.extend_from_slice(data);
        octets
    }

    #[test]
    fn part_data_are_views_into_the_input() {
        let parts = [
            Part::new(ContentType::new("text/plain"), "hello"),
            Part::new(ContentType::new("image/jpeg"), vec![0xFF; 300]),
        ];
        let input = Bytes::from(encode(&parts).unwrap());
        let read = decode(&input, &Limits::default()).unwrap();
        assert_eq!(read.value, parts);
        assert!(read.warnings.is_empty());
        let range = input.as_ptr_range();
        for part in &read.value {
            assert!(range.contains(&part.data.as_ptr()), "the data were copied");
        }
    }

    #[test]
    fn the_count_in_front_may_be_anything() {
        for count in [&[0][..], &[1], &[7], &[0x8F, 0xFF, 0xFF, 0xFF, 0x7F]] {
            let octets = [count, &entry(b"one"), &entry(b"two")].concat();
            let read = read(&octets).unwrap();
            assert_eq!(read.value.len(), 2);
            assert_eq!(read.value[1].data, "two");
            assert_eq!(read.warnings.len(), 1, "{count:?}");
        }
        assert_eq!(read(&[0]).unwrap().value, []);
    }

    #[test]
    fn octets_behind_the_last_part_are_noted() {
        let octets = [&[1][..], &entry(b"one"), &[0, 0, 0]].concat();
        assert_eq!(read(&octets).unwrap().value.len(), 1);
        let octets = [&[1][..], &entry(b"one"), b"\x7Ftrailer"].concat();
        let read = read(&octets).unwrap();
        assert_eq!((read.value.len(), read.warnings.len()), (1, 1));
    }

    #[test]
    fn lengths_beyond_the_end_are_errors_with_an_offset() {
        let huge = [0x8F, 0xFF, 0xFF, 0xFF, 0x7F];
        for (octets, offset) in [
            ([&[1, 1][..], &huge, &[0x83]].concat(), 8),
            ([&[1][..], &huge, &[1, 0x83]].concat(), 7),
            (vec![1, 1], 2),
            (vec![0x90, 0x80, 0x80, 0x80, 0x80, 0], 0),
        ] {
            assert_eq!(read(&octets).unwrap_err().offset, offset, "{octets:X?}");
        }
        assert_eq!(read(&[]).unwrap_err().kind, DecodeErrorKind::Empty);
    }

    #[test]
    fn parts_and_octets_are_limited() {
        let limits = Limits {
            parts: 3,
            message_bytes: 100,
            ..Limits::default()
        };
        let body = |n: usize| Bytes::from([vec![3], entry(b"x").repeat(n)].concat());
        assert_eq!(decode(&body(3), &limits).unwrap().value.len(), 3);
        let error = decode(&body(4), &limits).unwrap_err();
        assert_eq!(error, over("parts", 3, 13));
        let many = body(100_000);
        let roomy = Limits::default();
        assert_eq!(
            decode(&many, &roomy).unwrap_err().kind,
            over("parts", 256, 0).kind
        );
        assert!(decode(&Bytes::from(vec![0; 100]), &limits).is_ok());
        assert!(decode(&Bytes::from(vec![0; 101]), &limits).is_err());
    }

    #[test]
    fn a_multipart_is_told_by_all_of_it() {
        let good = encode(&[Part::new(ContentType::new("text/plain"), "hi")]).unwrap();
        assert!(looks_like(&good));
        assert!(!looks_like(&good[..good.len() - 1]));
        assert!(!looks_like(&[&good[..], b"x"].concat()));
        assert!(!looks_like(b"") && !looks_like(&[0]));
    }
}

//! Reading an input of any kind.

use bytes::Bytes;

use crate::Limits;
use crate::mms::pdu::{self, Pdu};
use crate::mms::push::{self, Push, Udh};
use crate::mms::{
    DecodeError, DecodeErrorKind, Decoded, Kind, Message, Part, Warning, mime, multipart, sniff,
};

/// What an input turned out to be.
#[derive(Debug)]
pub(in crate::cli) enum Input {
    /// An MM1 PDU.
    Pdu(Pdu),
    /// A push and the PDU inside.
    Push(Push, Pdu),
    /// A multipart body on its own.
    Multipart(Vec<Part>),
    /// A MIME message.
    Mime(Message),
}

/// Reads an input by its kind.
pub(in crate::cli) fn read(octets: &Bytes, limits: &Limits) -> Result<Decoded<Input>, DecodeError> {
    if octets.is_empty() {
        return Err(DecodeError::new(0, DecodeErrorKind::Empty));
    }
    match sniff(octets) {
        Kind::Mm1 => pdu::decode(octets, limits).map(|read| map(read, Input::Pdu)),
        Kind::Push => read_push(octets, limits),
        Kind::Multipart => multipart::decode(octets, limits).map(|r| map(r, Input::Multipart)),
        Kind::SmsDeliver => read_deliver(octets, limits),
        Kind::Mime => mime::decode(octets, limits).map(|read| map(read, Input::Mime)),
        // Neither reader knows it; the PDU reader says best what is wrong.
        Kind::Unknown => match octets.get(1) {
            Some(0x05 | 0x06) => read_push(octets, limits),
            _ => pdu::decode(octets, limits).map(|read| map(read, Input::Pdu)),
        },
    }
}

/// A push, perhaps with the user data header of its short message in front.
fn read_push(octets: &Bytes, limits: &Limits) -> Result<Decoded<Input>, DecodeError> {
    let payload = match Udh::read(octets) {
        Ok((udh, payload)) if udh.is_mms() => payload.len(),
        _ => octets.len(),
    };
    let at = octets.len().saturating_sub(payload);
    let read = push::decode(&octets.slice(at..), limits).map_err(|error| error.shifted(at))?;
    let shifted = read.warnings.into_iter().map(|warning| Warning {
        offset: warning.offset.saturating_add(at),
        ..warning
    });
    let (push, pdu) = read.value;
    Ok(Decoded {
        value: Input::Push(push, pdu),
        warnings: shifted.collect(),
    })
}

/// One or more SMS-DELIVER in hexadecimal, one a line. Where the last segments of a push are not
/// there the first are shown. Offsets are those of the push.
fn read_deliver(text: &Bytes, limits: &Limits) -> Result<Decoded<Input>, DecodeError> {
    let mut segments = Vec::new();
    let mut at = 0_usize;
    for line in text.split(|octet| *octet == b'\n') {
        if !line.iter().all(u8::is_ascii_whitespace) {
            let deliver = push::read_hex(line)
                .and_then(|octets| push::read_tpdu(&octets).map_err(in_digits))
                .map_err(|error| error.shifted(at))?;
            segments.push((deliver.udh, deliver.payload));
        }
        at = at.saturating_add(line.len()).saturating_add(1);
    }
    let (whole, missing) = match push::reassemble(&segments, limits) {
        Err(DecodeError {
            kind: DecodeErrorKind::MissingSegment { number, total },
            ..
        }) if number > 1 => {
            let message = format!("segment {number} of {total} is missing");
            (first_segments(&segments, number), Some(message))
        }
        whole => (whole?, None),
    };
    let mut read = read_push(&whole, limits)?;
    if let Some(message) = missing {
        let offset = whole.len();
        read.warnings.push(Warning { offset, message });
    }
    Ok(read)
}

/// Two digits make an octet.
fn in_digits(error: DecodeError) -> DecodeError {
    let by = error.offset;
    error.shifted(by)
}

/// The payloads of the segments in front of number `end`.
fn first_segments(segments: &[(Udh, Bytes)], end: u8) -> Bytes {
    let mut all = Vec::new();
    for number in 1..end {
        let payload = segments.iter().find_map(|(udh, payload)| {
            let place = udh.concatenation?;
            (place.number == number).then_some(payload)
        });
        all.extend_from_slice(payload.map(Bytes::as_ref).unwrap_or_default());
    }
    all.into()
}

fn map<T, U>(read: Decoded<T>, to: impl FnOnce(T) -> U) -> Decoded<U> {
    Decoded {
        value: to(read.value),
        warnings: read.warnings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PDU: &[u8] =
        b"\x8C\x82\x98T1\0\x8D\x90\x8A\x80\x8E\x01\x05\x88\x02\x81\x85\x83http://a\0";

    fn deliver(user_data: &[u8]) -> String {
        let len = u8::try_from(user_data.len()).unwrap();
        let head = b"\x01\x91\x44\x05\x91\x94\x21\xF3\x00\x04\x11\x11\x11\x11\x11\x11\x11";
        let octets = [&head[..], &[len], user_data].concat();
        octets.iter().map(|octet| format!("{octet:02X}")).collect()
    }

    fn segments() -> Vec<String> {
        let pdu = [&PDU[..PDU.len() - 1], &b"b".repeat(150), b"\0"].concat();
        let push = Bytes::from(push::wrap(0, &pdu));
        let segments = push::segment(&push, 1, false).unwrap();
        segments
            .iter()
            .map(|segment| deliver(&[&segment.udh[..], &segment.payload].concat()))
            .collect()
    }

    #[test]
    fn segments_are_read_in_any_order_and_a_last_one_may_be_missing() {
        let limits = Limits::default();
        let all = segments();
        assert_eq!(all.len(), 2);
        let whole = read(&format!("{}\n{}\n", all[1], all[0]).into(), &limits).unwrap();
        assert_eq!(whole.warnings, []);
        let first = read(&all[0].clone().into(), &limits).unwrap();
        assert!(matches!(first.value, Input::Push(..)));
        let messages: Vec<_> = first.warnings.iter().map(|w| w.message.as_str()).collect();
        assert_eq!(
            messages,
            ["the last text has no end", "segment 2 of 2 is missing"]
        );
        let error = read(&all[1].clone().into(), &limits).unwrap_err();
        assert_eq!(
            error.kind,
            DecodeErrorKind::MissingSegment {
                number: 1,
                total: 2
            }
        );
    }

    #[test]
    fn offsets_count_from_the_start_of_the_file() {
        let limits = Limits::default();
        let udh = b"\x06\x05\x04\x0B\x84\x23\xF0";
        let conf = push::wrap(0, b"\x8C\x81\x98T\0\x8D\x92\x92\x80");
        let octets = Bytes::from([&udh[..], &conf].concat());
        assert_eq!(read(&octets, &limits).unwrap_err().offset, 13);
        let seven_bit = deliver(b"x").replacen("0004", "0000", 1);
        assert_eq!(read(&seven_bit.into(), &limits).unwrap_err().offset, 18);
        assert_eq!(
            read(&Bytes::new(), &limits).unwrap_err().kind,
            DecodeErrorKind::Empty
        );
    }
}

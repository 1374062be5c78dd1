//! SMS-DELIVER, as modems show it in hexadecimal (3GPP TS 23.040 section 9.2.2.1).

use bytes::Bytes;

use super::Udh;
use crate::mms::error::{DecodeError, DecodeErrorKind};
use crate::mms::wsp::Reader;

/// The user data of an SMS-DELIVER with 8-bit coding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmsDeliver {
    /// The user data header; empty where there is none.
    pub udh: Udh,
    /// What follows it.
    pub payload: Bytes,
    /// Octet of the TPDU (with the service centre in front) at which the payload begins.
    pub payload_offset: usize,
}

/// The octets of hexadecimal text, in which white space is passed over.
///
/// # Errors
/// At the character that is no digit, or at the end where a digit is missing.
pub fn read_hex(text: &[u8]) -> Result<Bytes, DecodeError> {
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for (at, character) in text.iter().enumerate() {
        if character.is_ascii_whitespace() {
            continue;
        }
        let digit = char::from(*character).to_digit(16);
        let Some(digit) = digit.and_then(|digit| u8::try_from(digit).ok()) else {
            let kind = DecodeErrorKind::Malformed("a hexadecimal digit");
            return Err(DecodeError::new(at, kind));
        };
        match high.take() {
            Some(high) => octets.push(high << 4 | digit),
            None => high = Some(digit),
        }
    }
    if high.is_some() {
        let kind = DecodeErrorKind::Malformed("hexadecimal text");
        return Err(DecodeError::new(text.len(), kind));
    }
    Ok(octets.into())
}

/// Reads an SMS-DELIVER with the address of its service centre in front.
///
/// # Errors
/// Where it is no SMS-DELIVER, is cut short, or has no 8-bit coding.
pub fn read_tpdu(input: &Bytes) -> Result<SmsDeliver, DecodeError> {
    let mut reader = Reader::new(input);
    let centre = reader.octet("a service centre")?;
    reader.take(usize::from(centre), "a service centre")?;
    let start = reader.offset();
    let first = reader.octet("a TPDU")?;
    if first & 0x03 != 0 {
        let kind = DecodeErrorKind::WrongKind("a TPDU that is no SMS-DELIVER".to_owned());
        return Err(DecodeError::new(start, kind));
    }
    let digits = reader.octet("an originating address")?;
    reader.octet("an originating address")?;
    reader.take(usize::from(digits.div_ceil(2)), "an originating address")?;
    reader.octet("a protocol identifier")?;
    let at = reader.offset();
    let coding = reader.octet("a data coding scheme")?;
    // General coding 8-bit, or data coding of message class with 8-bit data.
    if !matches!(coding & 0xCC, 0x04) && !matches!(coding & 0xF4, 0xF4) {
        let kind = DecodeErrorKind::Malformed("a data coding scheme of 8-bit data");
        return Err(DecodeError::new(at, kind));
    }
    reader.take(7, "a time stamp")?;
    let len = reader.octet("user data")?;
    let at = reader.offset();
    let user_data = reader.take(usize::from(len), "user data")?;
    let (udh, payload) = if first & 0x40 == 0 {
        (Udh::default(), user_data)
    } else {
        Udh::read(user_data).map_err(|error| error.shifted(at))?
    };
    let end = at.saturating_add(user_data.len());
    let payload_offset = end.saturating_sub(payload.len());
    Ok(SmsDeliver {
        udh,
        payload: input.slice(payload_offset..end),
        payload_offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TPDU from +49123 with a payload behind a header for port 2948.
    fn tpdu(first: u8, coding: u8) -> Bytes {
        let head = [
            0x01, 0x91, first, 0x05, 0x91, 0x94, 0x21, 0xF3, 0x00, coding,
        ];
        let stamp = [0x11; 7];
        let user_data = b"\x06\x05\x04\x0B\x84\x23\xF0hello";
        let len = u8::try_from(user_data.len()).unwrap();
        Bytes::from([&head[..], &stamp, &[len], user_data].concat())
    }

    #[test]
    fn the_payload_is_behind_the_user_data_header() {
        for coding in [0x04, 0xF5, 0x15] {
            let read = read_tpdu(&tpdu(0x44, coding)).unwrap();
            assert!(read.udh.is_mms());
            assert_eq!(
                (&read.payload[..], read.payload_offset),
                (&b"hello"[..], 25)
            );
        }
        let bare = read_tpdu(&tpdu(0x04, 0x04)).unwrap();
        assert_eq!((bare.udh, bare.payload.len()), (Udh::default(), 12));
    }

    #[test]
    fn other_messages_and_short_ones_are_refused() {
        assert_eq!(read_tpdu(&tpdu(0x41, 0x04)).unwrap_err().offset, 2);
        for coding in [0x00, 0x08, 0xF0] {
            assert_eq!(read_tpdu(&tpdu(0x44, coding)).unwrap_err().offset, 9);
        }
        let whole = tpdu(0x44, 0x04);
        for len in 0..whole.len() {
            assert!(read_tpdu(&whole.slice(..len)).is_err(), "{len}");
        }
    }

    #[test]
    fn hexadecimal_text_is_checked() {
        assert_eq!(read_hex(b"00 fF\n").unwrap(), &[0, 255][..]);
        assert_eq!(read_hex(b"00x").unwrap_err().offset, 2);
        assert_eq!(read_hex(b"000").unwrap_err().offset, 3);
    }
}

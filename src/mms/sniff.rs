//! What kind of message octets are, from how they begin.

use super::content_type::is_token;
use super::header::Field;
use super::pdu::PduType;
use super::wsp::{Reader, Value};
use super::{multipart, push};

/// The kinds of input that hold a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An MM1 PDU: [`super::pdu::decode`].
    Mm1,
    /// A WSP push, perhaps behind a user data header: [`super::push::decode`].
    Push,
    /// A MIME message.
    Mime,
    /// A binary multipart body on its own: [`super::multipart::decode`].
    Multipart,
    /// An SMS-DELIVER in hexadecimal: [`super::push::read_tpdu`].
    SmsDeliver,
    /// None of these.
    Unknown,
}

/// How far the first line of a MIME message and the digits of a short message are looked at.
const AHEAD: usize = 4096;
/// The shortest SMS-DELIVER there can be, in hexadecimal digits.
const SHORTEST_DELIVER: usize = 26;

/// Tells the kind of `octets`, or [`Kind::Unknown`]. It looks at no more than the headers.
#[must_use]
pub fn sniff(octets: &[u8]) -> Kind {
    if is_pdu(octets) {
        Kind::Mm1
    } else if is_hex(octets) {
        Kind::SmsDeliver
    } else if multipart::looks_like(octets) {
        Kind::Multipart
    } else if push::looks_like(octets) {
        Kind::Push
    } else if is_mime(octets) {
        Kind::Mime
    } else {
        Kind::Unknown
    }
}

/// Whether a header block with a known X-Mms-Message-Type is in front.
fn is_pdu(octets: &[u8]) -> bool {
    let mut reader = Reader::new(octets);
    let message_type = Field::MessageType.code() | 0x80;
    let content_type = Field::ContentType.code() | 0x80;
    // An X-Mms-Message-Type in first place is enough, even of a type that nobody knows.
    if matches!(octets, [first, value, ..] if *first == message_type && *value >= 0x80) {
        return true;
    }
    let mut headers = 0;
    while let Some(first) = reader.peek().filter(|_| headers < 64) {
        headers += 1;
        let known = first < 0x80 || Field::from_code(first & 0x7F).is_some();
        if !known || first == content_type || first <= b' ' {
            return false;
        }
        let name = reader.value("a header name");
        let (Ok(_), Ok(value)) = (name, reader.value("a header")) else {
            return false;
        };
        if first == message_type {
            return matches!(value, Value::Short(octet) if PduType::from_octet(octet).is_some());
        }
    }
    false
}

fn is_hex(octets: &[u8]) -> bool {
    let ahead = octets.get(..AHEAD).unwrap_or(octets);
    let digits = ahead
        .iter()
        .filter(|octet| octet.is_ascii_hexdigit())
        .count();
    let others = ahead
        .iter()
        .filter(|octet| octet.is_ascii_whitespace())
        .count();
    digits >= SHORTEST_DELIVER && digits.saturating_add(others) == ahead.len()
}

/// Whether the first line is a header, perhaps behind the line that mailboxes put in front.
fn is_mime(octets: &[u8]) -> bool {
    let ahead = octets.get(..AHEAD).unwrap_or(octets);
    let ahead = ahead.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(ahead);
    let mut lines = ahead.split(|octet| *octet == b'\n');
    let is_empty = |line: &&[u8]| line.iter().all(u8::is_ascii_whitespace);
    let mut line = lines
        .by_ref()
        .find(|line| !is_empty(line))
        .unwrap_or_default();
    if line.starts_with(b"From ") {
        line = lines.next().unwrap_or_default();
    }
    let mut pieces = line.splitn(2, |octet| *octet == b':');
    let name = pieces.next().unwrap_or_default();
    let name = name.strip_suffix(b" ").unwrap_or(name);
    pieces.next().is_some() && !name.is_empty() && name.iter().copied().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told() {
        for (octets, kind) in [
            (&b"\x8C\x82\x98T\0\x8D\x90"[..], Kind::Mm1),
            (b"\x83http://a\0\x98T\0\x8C\x82\x8D\x90", Kind::Mm1),
            (b"X-Mine\0yes\0\x8C\x82\x8D\x90", Kind::Mm1),
            (b"\x8C\xFF\x8D\x93", Kind::Mm1),
            (b"\0\x06\x03\xBE\xAF\x84\x8C\x82", Kind::Push),
            (b"\0\x06\x01\xAE\0", Kind::Push),
            (
                b"\x06\x05\x04\x0B\x84\0\0\0\x06\x01\xBE\x8C\x82",
                Kind::Push,
            ),
            (b"\x01\x01\x02\x83hi", Kind::Multipart),
            (b"0791947122725014440185F039F50180", Kind::SmsDeliver),
            (b"Return-Path: <a@b>\r\nTo: c\r\n\r\n", Kind::Mime),
            (b"From a@b Mon\nX-Mms-Message-Type: x\n", Kind::Mime),
            (b"This is no message\n", Kind::Unknown),
            (b"<html>", Kind::Unknown),
            (b"\0\0\0\0", Kind::Unknown),
            (b"\x8C", Kind::Unknown),
            (b"", Kind::Unknown),
        ] {
            assert_eq!(sniff(octets), kind, "{octets:X?}");
        }
    }

    #[test]
    fn a_long_input_is_told_from_its_beginning() {
        let long = [&b"A: b\r\n"[..], &vec![b'x'; 100_000]].concat();
        assert_eq!(sniff(&long), Kind::Mime);
        assert_eq!(sniff(&b"Zz".repeat(100_000)), Kind::Unknown);
        assert_eq!(sniff(&b"ff".repeat(100_000)), Kind::SmsDeliver);
    }
}

//! Content transfer encodings (RFC 2045 section 6, and uuencode of older gateways).

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// How the octets of a part are written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// base64.
    Base64,
    /// 7bit, 8bit, binary, and whatever is not known: the octets themselves.
    Identity,
    /// quoted-printable.
    QuotedPrintable,
    /// x-uuencode under any of its names.
    Uuencode,
}

impl Transfer {
    /// The encoding with a name, and whether the name is a known one.
    #[must_use]
    pub fn from_name(name: &str) -> (Self, bool) {
        let name = name.trim().trim_matches('"').to_ascii_lowercase();
        match name.split(';').next().unwrap_or_default().trim() {
            "base64" => (Self::Base64, true),
            "quoted-printable" => (Self::QuotedPrintable, true),
            "uuencode" | "x-uuencode" | "x-uue" | "uue" => (Self::Uuencode, true),
            "7bit" | "8bit" | "binary" | "" => (Self::Identity, true),
            _ => (Self::Identity, false),
        }
    }

    /// The octets with the encoding undone; `None` where they are already the content.
    ///
    /// Never fails: octets that are no part of the encoding are passed over, as every mail program
    /// does.
    #[must_use]
    pub fn decode(self, coded: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => Some(base64(coded)),
            Self::Identity => None,
            Self::QuotedPrintable => Some(quoted_printable(coded)),
            Self::Uuencode => Some(uuencode(coded)),
        }
    }
}

/// Base64 decoded: octets outside the alphabet are ignored, padding may be missing or in the
/// middle (two encodings one after the other), and the bits of an incomplete end are dropped.
#[must_use]
pub fn base64(coded: &[u8]) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &ALPHABET,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let mut octets = Vec::with_capacity(coded.len() / 4 * 3);
    for piece in coded.split(|octet| *octet == b'=') {
        let mut digits: Vec<u8> = piece
            .iter()
            .copied()
            .filter(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/'))
            .collect();
        if digits.len() % 4 == 1 {
            digits.pop();
        }
        // Cannot fail: only digits are left, in a possible number.
        if LENIENT.decode_vec(&digits, &mut octets).is_err() {
            break;
        }
    }
    octets
}

/// The octet of two hexadecimal digits.
#[must_use]
pub fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
}

/// Quoted-printable decoded: an `=` that starts no valid escape stands for itself, white space at
/// the end of a line is dropped (RFC 2045 section 6.7, rule 3), line ends stay as they are.
#[must_use]
pub fn quoted_printable(coded: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(coded.len());
    for line in coded.split_inclusive(|octet| *octet == b'\n') {
        let content = trim_end(line, b"\r\n");
        let end = line.get(content.len()..).unwrap_or_default();
        let content = if end.is_empty() {
            content
        } else {
            trim_end(content, b" \t")
        };
        let mut rest = content;
        let mut soft = false;
        while let [first, after @ ..] = rest {
            rest = after;
            match (first, after) {
                (b'=', [high, low, after @ ..]) if hex(*high, *low).is_some() => {
                    octets.extend(hex(*high, *low));
                    rest = after;
                }
                (b'=', []) => soft = true,
                (octet, _) => octets.push(*octet),
            }
        }
        if !soft {
            octets.extend_from_slice(end);
        }
    }
    octets
}

/// Uuencoded lines decoded, from after `begin` to `end`.
fn uuencode(coded: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(coded.len() / 4 * 3);
    let value = |octet: Option<&u8>| octet.map_or(0, |o| o.wrapping_sub(b' ') & 0x3F);
    for line in coded.split(|octet| *octet == b'\n') {
        let line = trim_end(line, b"\r\n");
        if line.starts_with(b"begin ") || line.is_empty() {
            continue;
        }
        if line == b"end" {
            break;
        }
        let [length, digits @ ..] = line else {
            continue;
        };
        let mut left = usize::from(value(Some(length)));
        for group in digits.chunks(4) {
            let [a, b, c, d] = [0, 1, 2, 3].map(|at| value(group.get(at)));
            let decoded = [(a << 2) | (b >> 4), (b << 4) | (c >> 2), (c << 6) | d];
            octets.extend(decoded.iter().take(left.min(group.len())));
            left = left.saturating_sub(3);
        }
    }
    octets
}

/// Base64 in lines of 76 characters, each with CRLF.
#[must_use]
pub fn to_base64(octets: &[u8]) -> Vec<u8> {
    let lines = octets.len().div_ceil(57);
    let mut coded = String::with_capacity(lines.saturating_mul(78));
    for line in octets.chunks(57) {
        base64::engine::general_purpose::STANDARD.encode_string(line, &mut coded);
        coded.push_str("\r\n");
    }
    coded.into_bytes()
}

/// Quoted-printable in lines of at most 76 characters. CRLF stays a line break, any other control
/// character is escaped, and the end is a soft line break so that nothing is added to the content.
#[must_use]
pub fn to_quoted_printable(octets: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut coded = Vec::with_capacity(octets.len().saturating_add(octets.len() / 2));
    let mut column = 0_usize;
    let mut rest = octets;
    while let [first, after @ ..] = rest {
        if let [b'\r', b'\n', after @ ..] = rest {
            coded.extend_from_slice(b"\r\n");
            column = 0;
            rest = after;
            continue;
        }
        let line_ends = matches!(after, [] | [b'\r', b'\n', ..]);
        let literal = match first {
            b'=' => false,
            b' ' | b'\t' => !line_ends,
            // A dot or "From " at the start of a line is at risk on the way.
            b'.' | b'F' if column == 0 => false,
            octet => octet.is_ascii_graphic(),
        };
        let width = if literal { 1 } else { 3 };
        if column.saturating_add(width) > 75 {
            coded.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if literal {
            coded.push(*first);
        } else {
            let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
            coded.extend_from_slice(&[b'=', digit(first >> 4), digit(first & 15)]);
        }
        column = column.saturating_add(width);
        rest = after;
    }
    if column > 0 {
        coded.extend_from_slice(b"=\r\n");
    }
    coded
}

/// `octets` without the `drop` octets at its end.
fn trim_end<'a>(octets: &'a [u8], drop: &[u8]) -> &'a [u8] {
    let mut rest = octets;
    while let [before @ .., last] = rest {
        if !drop.contains(last) {
            break;
        }
        rest = before;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_reads_over_dirt() {
        assert_eq!(base64(b"aGVs\r\r\nbG8="), b"hello");
        assert_eq!(base64(b"aGVsbG8"), b"hello");
        assert_eq!(base64(b"aGVsbG8=aGk="), b"hellohi");
        assert_eq!(base64(b"aGVsbG8\n...\nA"), b"hello\0");
        assert_eq!(base64(b"A"), b"");
        assert_eq!(base64(b"===="), b"");
    }

    #[test]
    fn quoted_printable_reads_the_usual_mistakes() {
        assert_eq!(quoted_printable(b"a=3D=\r\nb  \r\nc"), b"a=b\r\nc");
        assert_eq!(quoted_printable(b"1=2 =zz ="), b"1=2 =zz ");
        assert_eq!(quoted_printable(b"caf=c3=a9\n"), "café\n".as_bytes());
    }

    #[test]
    fn uuencode_is_read() {
        let (uu, known) = Transfer::from_name("X-uuencode");
        assert!(known);
        let coded = b"begin 644 x\n#0V%T\n`\nend\nmore";
        assert_eq!(uu.decode(coded).unwrap(), b"Cat");
    }

    #[test]
    fn lines_are_short_and_safe() {
        let coded = to_quoted_printable(b".a\r\nFrom x \r\n=");
        assert_eq!(coded, b"=2Ea\r\n=46rom x=20\r\n=3D=\r\n");
    }

    proptest! {
        #[test]
        fn octets_come_back(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(&base64(&to_base64(&octets)), &octets);
            let quoted = to_quoted_printable(&octets);
            prop_assert!(quoted.split(|o| *o == b'\n').all(|line| line.len() <= 77));
            prop_assert_eq!(&quoted_printable(&quoted), &octets);
        }

        #[test]
        fn decoders_take_anything(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            for transfer in [Transfer::Base64, Transfer::QuotedPrintable, Transfer::Uuencode] {
                let decoded = transfer.decode(&octets).unwrap();
                prop_assert!(decoded.len() <= octets.len());
            }
        }
    }
}

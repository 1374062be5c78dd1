//! Charsets by IANA MIBenum and by name, to and from UTF-8.

use encoding_rs::Encoding;

/// US-ASCII.
pub const US_ASCII: u32 = 3;
/// ISO-8859-1.
pub const ISO_8859_1: u32 = 4;
/// UTF-8.
pub const UTF_8: u32 = 106;
/// ISO-10646-UCS-2, big endian.
pub const UCS_2: u32 = 1000;
/// UTF-16, big endian unless a byte order mark says otherwise.
pub const UTF_16: u32 = 1015;

const UTF_16BE: u32 = 1013;
const UTF_16LE: u32 = 1014;

/// MIBenum, preferred IANA name, and the label encoding_rs knows a decoder by where ours is none.
const TABLE: &[(u32, &str, &str)] = &[
    (US_ASCII, "us-ascii", ""),
    (ISO_8859_1, "iso-8859-1", ""),
    (5, "iso-8859-2", "iso-8859-2"),
    (6, "iso-8859-3", "iso-8859-3"),
    (7, "iso-8859-4", "iso-8859-4"),
    (8, "iso-8859-5", "iso-8859-5"),
    (9, "iso-8859-6", "iso-8859-6"),
    (10, "iso-8859-7", "iso-8859-7"),
    (11, "iso-8859-8", "iso-8859-8"),
    (12, "iso-8859-9", "iso-8859-9"),
    (13, "iso-8859-10", "iso-8859-10"),
    (17, "shift_jis", "shift_jis"),
    (18, "euc-jp", "euc-jp"),
    (36, "ks_c_5601-1987", "euc-kr"),
    (38, "euc-kr", "euc-kr"),
    (39, "iso-2022-jp", "iso-2022-jp"),
    (57, "gb_2312-80", "gbk"),
    (UTF_8, "utf-8", ""),
    (109, "iso-8859-13", "iso-8859-13"),
    (110, "iso-8859-14", "iso-8859-14"),
    (111, "iso-8859-15", "iso-8859-15"),
    (112, "iso-8859-16", "iso-8859-16"),
    (113, "gbk", "gbk"),
    (114, "gb18030", "gb18030"),
    (UCS_2, "iso-10646-ucs-2", ""),
    (UTF_16BE, "utf-16be", ""),
    (UTF_16LE, "utf-16le", ""),
    (UTF_16, "utf-16", ""),
    (2025, "gb2312", "gbk"),
    (2026, "big5", "big5"),
    (2084, "koi8-r", "koi8-r"),
    (2250, "windows-1250", "windows-1250"),
    (2251, "windows-1251", "windows-1251"),
    (2252, "windows-1252", "windows-1252"),
    (2253, "windows-1253", "windows-1253"),
    (2254, "windows-1254", "windows-1254"),
    (2255, "windows-1255", "windows-1255"),
    (2256, "windows-1256", "windows-1256"),
    (2257, "windows-1257", "windows-1257"),
    (2258, "windows-1258", "windows-1258"),
    (2259, "tis-620", "windows-874"),
];

/// Names that devices and messages use for a charset of the table.
const ALIASES: &[(&str, u32)] = &[
    ("ascii", US_ASCII),
    ("ansi_x3.4-1968", US_ASCII),
    ("iso646-us", US_ASCII),
    ("latin1", ISO_8859_1),
    ("iso_8859-1", ISO_8859_1),
    ("iso8859-1", ISO_8859_1),
    ("utf8", UTF_8),
    ("ucs-2", UCS_2),
    ("ucs2", UCS_2),
    ("iso-10646-ucs2", UCS_2),
    ("csunicode", UCS_2),
    ("utf16", UTF_16),
    ("shift-jis", 17),
    ("sjis", 17),
    ("ksc5601", 36),
    ("big-5", 2026),
    ("gb_2312", 2025),
];

/// The IANA name of a MIBenum.
#[must_use]
pub fn name(mib: u32) -> Option<&'static str> {
    TABLE.iter().find(|row| row.0 == mib).map(|row| row.1)
}

/// The MIBenum of a charset name, without regard to case, quotes or surrounding white space.
#[must_use]
pub fn mib(name: &str) -> Option<u32> {
    let name = name.trim().trim_matches('"').to_ascii_lowercase();
    let listed = TABLE.iter().find(|row| row.1 == name).map(|row| row.0);
    listed.or_else(|| {
        ALIASES
            .iter()
            .find(|(alias, _)| *alias == name)
            .map(|(_, mib)| *mib)
    })
}

/// Whether text in this charset can be read and written.
#[must_use]
pub fn is_known(mib: u32) -> bool {
    name(mib).is_some()
}

/// Text of a known charset as UTF-8, and whether every octet made sense. Octets that do not are
/// replaced by U+FFFD. `None` for a charset that is not known.
#[must_use]
pub fn decode(mib: u32, octets: &[u8]) -> Option<(String, bool)> {
    Some(match mib {
        UTF_8 | US_ASCII => {
            let octets = octets.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(octets);
            let text = String::from_utf8_lossy(octets);
            let clean = matches!(text, std::borrow::Cow::Borrowed(_));
            (
                text.into_owned(),
                clean && (mib == UTF_8 || octets.is_ascii()),
            )
        }
        ISO_8859_1 => (decode_octets(octets), true),
        UCS_2 | UTF_16 | UTF_16BE | UTF_16LE => decode_utf16(mib, octets),
        _ => {
            let label = TABLE.iter().find(|row| row.0 == mib)?.2;
            let (text, malformed) =
                Encoding::for_label(label.as_bytes())?.decode_without_bom_handling(octets);
            (text.into_owned(), !malformed)
        }
    })
}

/// Text in a known charset. `None` where the charset is not known or cannot hold the text.
#[must_use]
pub fn encode(mib: u32, text: &str) -> Option<Vec<u8>> {
    match mib {
        UTF_8 => Some(text.as_bytes().to_vec()),
        US_ASCII => text.is_ascii().then(|| text.as_bytes().to_vec()),
        ISO_8859_1 => encode_octets(text),
        UCS_2 if text.chars().any(|c| c.len_utf16() > 1) => None,
        UCS_2 | UTF_16BE => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        UTF_16LE => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        UTF_16 => {
            let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
            Some(units.flat_map(u16::to_be_bytes).collect())
        }
        _ => {
            let label = TABLE.iter().find(|row| row.0 == mib)?.2;
            let (octets, _, unmappable) = Encoding::for_label(label.as_bytes())?.encode(text);
            (!unmappable).then(|| octets.into_owned())
        }
    }
}

/// One character per octet: ISO-8859-1, and the lossless way to hold an unknown charset.
#[must_use]
pub fn decode_octets(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

/// The inverse of [`decode_octets`]: `None` where a character is beyond U+00FF.
#[must_use]
pub fn encode_octets(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).ok())
        .collect()
}

/// UTF-16 of any kind: a byte order mark decides, else the charset does, and big endian is usual.
fn decode_utf16(mib: u32, octets: &[u8]) -> (String, bool) {
    let (little, octets) = match octets {
        [0xFF, 0xFE, rest @ ..] if mib != UTF_16BE => (true, rest),
        [0xFE, 0xFF, rest @ ..] if mib != UTF_16LE => (false, rest),
        _ => (mib == UTF_16LE, octets),
    };
    let (pairs, odd) = octets.as_chunks::<2>();
    let units = pairs.iter().map(|pair| {
        if little {
            u16::from_le_bytes(*pair)
        } else {
            u16::from_be_bytes(*pair)
        }
    });
    let mut clean = odd.is_empty();
    let text = char::decode_utf16(units)
        .map(|unit| {
            unit.unwrap_or_else(|_| {
                clean = false;
                char::REPLACEMENT_CHARACTER
            })
        })
        .collect();
    (text, clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        for (number, listed, _) in TABLE {
            assert_eq!(mib(listed), Some(*number));
            assert_eq!(name(*number), Some(*listed));
            assert!(decode(*number, b"").is_some(), "{listed} has a decoder");
        }
        assert_eq!(mib(" \"UTF8\" "), Some(UTF_8));
        assert_eq!(mib("klingon"), None);
    }

    #[test]
    fn every_charset_gives_back_what_it_can_hold() {
        for (number, listed, _) in TABLE {
            let octets = encode(*number, "Hello 123").unwrap();
            assert_eq!(
                decode(*number, &octets),
                Some(("Hello 123".into(), true)),
                "{listed}"
            );
        }
        for number in [UTF_8, UTF_16, UTF_16BE, UTF_16LE] {
            let octets = encode(number, "Grüße 😀").unwrap();
            assert_eq!(decode(number, &octets), Some(("Grüße 😀".into(), true)));
        }
    }

    #[test]
    fn text_beyond_a_charset_is_refused_not_mangled() {
        assert_eq!(encode(US_ASCII, "ü"), None);
        assert_eq!(encode(ISO_8859_1, "€"), None);
        assert_eq!(encode(UCS_2, "😀"), None);
        assert_eq!(encode(2251, "日本"), None);
        assert_eq!(encode(99_999, "a"), None);
    }

    #[test]
    fn utf16_without_a_mark_is_big_endian() {
        assert_eq!(decode(UTF_16, b"\0A\0B"), Some(("AB".into(), true)));
        assert_eq!(decode(UTF_16, b"\xFF\xFEA\0"), Some(("A".into(), true)));
        assert_eq!(decode(UTF_16LE, b"A\0"), Some(("A".into(), true)));
        let (_, clean) = decode(UTF_16, b"\xD8\0\0A\0").unwrap();
        assert!(!clean, "a lone surrogate and an odd octet are malformed");
    }

    #[test]
    fn octets_survive_an_unknown_charset() {
        let octets: Vec<u8> = (0..=255).collect();
        assert_eq!(encode_octets(&decode_octets(&octets)), Some(octets));
    }
}

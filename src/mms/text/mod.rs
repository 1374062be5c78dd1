//! Text: charsets of parts, encoded words of headers, and transliteration.
//!
//! Everything inside is UTF-8. [`decode_part`] brings a text part there, [`encode_for`] brings
//! text to what a device reads, and [`words`] does both for header text (RFC 2047).

mod transliterate;
pub mod words;

pub use transliterate::{to_ascii, transliterate};

use super::charset::{self, UCS_2, US_ASCII, UTF_8, UTF_16};
use super::message::Part;

/// The text of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedText {
    /// The text, without a byte order mark. Octets that made no sense are U+FFFD.
    pub text: String,
    /// IANA name of the charset that was applied.
    pub charset_used: &'static str,
    /// Whether every octet made sense in the charset the part declares, or in the one that was
    /// found where it declares none.
    pub clean: bool,
}

/// Text in a charset of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedText {
    /// IANA name of the charset.
    pub charset: &'static str,
    /// The text in that charset.
    pub bytes: Vec<u8>,
    /// Whether the text can be read back unchanged.
    pub lossless: bool,
}

/// The text of a part: in the charset it declares, else as UTF-8 if it is valid, else as
/// windows-1252.
///
/// A charset nobody knows counts as none, and so does US-ASCII where an octet is above 0x7F, since
/// many senders put it on everything. Without a charset, a byte order mark decides first.
#[must_use]
pub fn decode_part(part: &Part) -> DecodedText {
    let octets = part.data.as_ref();
    let declared = part.content_type.param("charset");
    match declared.and_then(charset::mib) {
        Some(US_ASCII) if !octets.is_ascii() => DecodedText {
            clean: false,
            ..decode_unlabelled(octets)
        },
        Some(mib) => decode_as(mib, octets),
        None => {
            let found = decode_unlabelled(octets);
            DecodedText {
                clean: found.clean && declared.is_none(),
                ..found
            }
        }
    }
}

/// `text` in the best of the charsets a device lists.
///
/// The first that holds the whole text wins, in this order: UTF-8, UTF-16 with a byte order mark,
/// ISO-10646-UCS-2 big endian, the other listed charsets in their order, US-ASCII. If none does,
/// the listed one that keeps the most characters is taken and the others are transliterated into
/// it; US-ASCII is always a candidate. `*` and an empty list accept everything. Names that are not
/// charsets are passed over.
#[must_use]
pub fn encode_for(text: &str, accepted: &[String]) -> EncodedText {
    let candidates = candidates(accepted);
    let whole = candidates
        .iter()
        .find_map(|mib| Some((*mib, charset::encode(*mib, text)?)));
    if let Some((mib, bytes)) = whole {
        return EncodedText {
            charset: name(mib),
            bytes,
            lossless: true,
        };
    }
    let mut best: Option<(usize, u32, Vec<u8>)> = None;
    for mib in candidates {
        let (fitted, changed) = fit(mib, text);
        let Some(bytes) = charset::encode(mib, &fitted) else {
            continue;
        };
        if best.as_ref().is_none_or(|(least, ..)| changed < *least) {
            best = Some((changed, mib, bytes));
        }
    }
    let (_, mib, bytes) = best.unwrap_or_else(|| (0, US_ASCII, to_ascii(text).into_bytes()));
    EncodedText {
        charset: name(mib),
        bytes,
        lossless: false,
    }
}

/// Header octets as text: UTF-8 if they are, else windows-1252.
#[must_use]
pub fn decode_octets(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => charset::decode(WINDOWS_1252, octets).map_or_else(String::new, |(text, _)| text),
    }
}

fn decode_unlabelled(octets: &[u8]) -> DecodedText {
    if matches!(octets, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..]) {
        return decode_as(UTF_16, octets);
    }
    let utf8 = std::str::from_utf8(octets).is_ok();
    decode_as(if utf8 { UTF_8 } else { WINDOWS_1252 }, octets)
}

fn decode_as(mib: u32, octets: &[u8]) -> DecodedText {
    let (text, clean) = charset::decode(mib, octets).unwrap_or_default();
    DecodedText {
        text,
        charset_used: name(mib),
        clean,
    }
}

/// The charsets to try, in the order of preference.
fn candidates(accepted: &[String]) -> Vec<u32> {
    let any = accepted
        .iter()
        .all(|listed| matches!(listed.trim(), "*" | ""))
        || accepted.iter().any(|listed| listed.trim() == "*");
    let listed: Vec<u32> = accepted
        .iter()
        .filter_map(|name| charset::mib(name.split(';').next().unwrap_or_default()))
        .collect();
    let mut order = Vec::with_capacity(listed.len().saturating_add(2));
    if any {
        order.push(UTF_8);
    }
    for preferred in [UTF_8, UTF_16, UCS_2] {
        if listed.contains(&preferred) {
            order.push(preferred);
        }
    }
    order.extend(listed.iter().filter(|mib| **mib != US_ASCII));
    order.push(US_ASCII);
    let mut seen = Vec::new();
    order.retain(|mib| {
        let new = !seen.contains(mib);
        seen.push(*mib);
        new
    });
    order
}

/// `text` with each character that `mib` cannot hold transliterated, and how many those are.
fn fit(mib: u32, text: &str) -> (String, usize) {
    let mut fitted = String::with_capacity(text.len());
    let mut changed = 0_usize;
    let mut buffer = [0; 4];
    for character in text.chars() {
        if character.is_ascii()
            || charset::encode(mib, character.encode_utf8(&mut buffer)).is_some()
        {
            fitted.push(character);
        } else {
            changed = changed.saturating_add(1);
            transliterate(character, &mut fitted);
        }
    }
    (fitted, changed)
}

fn name(mib: u32) -> &'static str {
    charset::name(mib).unwrap_or("us-ascii")
}

const WINDOWS_1252: u32 = 2252;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::ContentType;

    fn part(charset: Option<&str>, data: &'static [u8]) -> Part {
        let plain = ContentType::new("text/plain");
        Part::new(
            match charset {
                Some(charset) => plain.with("charset", charset),
                None => plain,
            },
            data,
        )
    }

    fn accept(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_declared_charset_decides() {
        let text = decode_part(&part(Some("ISO-8859-1"), b"Gr\xFC\xDFe"));
        assert_eq!((text.text.as_str(), text.clean), ("Grüße", true));
        assert_eq!(text.charset_used, "iso-8859-1");
        let text = decode_part(&part(Some("UCS-2"), b"\0H\0i"));
        assert_eq!(text.text, "Hi");
    }

    #[test]
    fn a_missing_charset_is_utf_8_then_windows_1252() {
        assert_eq!(
            decode_part(&part(None, "zażółć".as_bytes())).charset_used,
            "utf-8"
        );
        let text = decode_part(&part(None, b"10 \x80"));
        assert_eq!(
            (text.text.as_str(), text.charset_used),
            ("10 €", "windows-1252")
        );
        assert!(text.clean);
        let text = decode_part(&part(None, b"\xFF\xFEh\0i\0"));
        assert_eq!((text.text.as_str(), text.charset_used), ("hi", "utf-16"));
    }

    #[test]
    fn a_wrong_charset_is_looked_through() {
        let text = decode_part(&part(Some("us-ascii"), "é".as_bytes()));
        assert_eq!((text.text.as_str(), text.clean), ("é", false));
        let text = decode_part(&part(Some("klingon"), b"nuqneH"));
        assert_eq!((text.text.as_str(), text.clean), ("nuqneH", false));
    }

    #[test]
    fn the_first_charset_that_holds_the_text_is_taken() {
        let pick = |text: &str, names: &[&str]| {
            let coded = encode_for(text, &accept(names));
            (coded.charset, coded.lossless)
        };
        assert_eq!(pick("żółw", &["us-ascii", "UTF-8"]), ("utf-8", true));
        assert_eq!(pick("żółw", &["utf-16", "iso-8859-2"]), ("utf-16", true));
        assert_eq!(pick("żółw", &["UCS-2"]), ("iso-10646-ucs-2", true));
        assert_eq!(
            pick("żółw", &["iso-8859-1", "iso-8859-2"]),
            ("iso-8859-2", true)
        );
        assert_eq!(pick("Привет", &["Windows-1251"]), ("windows-1251", true));
        assert_eq!(pick("日本", &["shift_JIS"]), ("shift_jis", true));
        assert_eq!(pick("日本", &["*"]), ("utf-8", true));
        assert_eq!(pick("日本", &[]), ("utf-8", true));
        assert_eq!(pick("plain", &["no such set"]), ("us-ascii", true));
    }

    #[test]
    fn what_no_charset_holds_is_transliterated_as_little_as_possible() {
        let coded = encode_for("żółw 🐢 за 5 €", &accept(&["us-ascii"]));
        assert_eq!(coded.bytes, b"zolw ? za 5 EUR");
        assert!(!coded.lossless);
        let coded = encode_for("Füße 日", &accept(&["us-ascii", "iso-8859-1"]));
        assert_eq!(
            (coded.charset, coded.bytes.as_slice()),
            ("iso-8859-1", &b"F\xFC\xDFe ?"[..])
        );
        let coded = encode_for("日本 🐢", &accept(&["ucs-2"]));
        assert_eq!(
            charset::decode(UCS_2, &coded.bytes).unwrap().0,
            "日本 ?",
            "only the turtle is beyond UCS-2"
        );
    }

    #[test]
    fn utf_16_carries_its_byte_order_mark() {
        let coded = encode_for("é", &accept(&["utf-16"]));
        assert_eq!(coded.bytes, [0xFE, 0xFF, 0, 0xE9]);
    }
}

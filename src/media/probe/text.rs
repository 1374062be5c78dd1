//! Text of all sorts: what charset-valid octets say of themselves in their first lines.

use std::borrow::Cow;

use super::bytes::{head, tail};
use super::svg;
use crate::media::{Codec, Format, MediaInfo, MediaKind};

/// Octets of the start that decide whether a medium is text. Looking at more would make the cost
/// of probing grow with the text.
const WINDOW: usize = 8 << 10;

/// Reads `data` as text; `None` where it is none.
pub(super) fn read(data: &[u8]) -> Option<MediaInfo> {
    let window = head(data, WINDOW);
    let text = decode(window)?;
    let start = text.trim_start_matches(['\u{FEFF}', ' ', '\t', '\r', '\n']);
    let format = classify(start);
    let mut info = match format {
        Format::Svg => return Some(svg::read(start)),
        Format::IMelody | Format::Rtttl => MediaInfo::new(format, MediaKind::Synthetic),
        _ => MediaInfo::new(format, MediaKind::Text),
    };
    info.codec = match format {
        Format::IMelody => Some(Codec::IMelody),
        Format::Rtttl => Some(Codec::Rtttl),
        _ => None,
    };
    Some(info)
}

fn classify(start: &str) -> Format {
    if begins(start, "BEGIN:VCARD") {
        Format::Vcard
    } else if begins(start, "BEGIN:VCALENDAR") {
        Format::Vcalendar
    } else if begins(start, "BEGIN:IMELODY") {
        Format::IMelody
    } else if start.starts_with('<') {
        match svg::root_name(start) {
            Some("smil") => Format::Smil,
            Some("svg") => Format::Svg,
            Some(name) if name.eq_ignore_ascii_case("html") => Format::Html,
            _ if begins(start, "<!DOCTYPE HTML") => Format::Html,
            _ => Format::Text,
        }
    } else if is_rtttl(start) {
        Format::Rtttl
    } else {
        Format::Text
    }
}

fn begins(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// `name:defaults:notes`, the defaults being `d=`, `o=` and `b=`, all optional, and at least one
/// note. Anything else with two colons is text.
fn is_rtttl(text: &str) -> bool {
    let mut sections = text.trim_end().splitn(3, ':');
    let (Some(name), Some(defaults), Some(notes)) =
        (sections.next(), sections.next(), sections.next())
    else {
        return false;
    };
    let defaults_fit = defaults.split(',').all(|value| {
        value.trim().split_once('=').is_some_and(|(key, value)| {
            matches!(key.trim(), "d" | "o" | "b" | "l" | "s" | "D" | "O" | "B")
                && value
                    .trim()
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric())
        })
    });
    name.len() <= 40
        && !name.contains('\n')
        && defaults_fit
        && notes
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"#_.,;: \r\n\t".contains(&octet))
        && !notes.trim().is_empty()
}

/// The text of a window, if it is some: UTF-16 with a byte order mark or of plain Latin, UTF-8, or
/// an eight-bit charset. A character that the window cuts is left out.
fn decode(window: &[u8]) -> Option<Cow<'_, str>> {
    if window.is_empty() {
        return None;
    }
    if let Some(little) = utf16_order(window) {
        return utf16(window, little).map(Cow::Owned);
    }
    let text = match std::str::from_utf8(window) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => window
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok()),
        Err(_) => None,
    };
    if let Some(text) = text {
        return (!text.bytes().any(is_control)).then_some(Cow::Borrowed(text));
    }
    eight_bit(window).map(Cow::Owned)
}

/// Octets below 32 that text does not hold. Escape is kept: ISO-2022-JP uses it.
const fn is_control(octet: u8) -> bool {
    !matches!(octet, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B | 32..=0x7E | 0x80..)
}

/// Byte order of UTF-16: by its mark, or where every other octet of the start is zero.
fn utf16_order(window: &[u8]) -> Option<bool> {
    match window {
        [0xFF, 0xFE, ..] => return Some(true),
        [0xFE, 0xFF, ..] => return Some(false),
        _ => {}
    }
    let start = head(window, 64);
    if start.len() < 4 || !start.len().is_multiple_of(2) {
        return None;
    }
    let all = |zero: usize, letter: usize| {
        start.chunks_exact(2).all(|unit| {
            unit.get(zero) == Some(&0) && unit.get(letter).is_some_and(|octet| !is_control(*octet))
        })
    };
    if all(1, 0) {
        Some(true)
    } else if all(0, 1) {
        Some(false)
    } else {
        None
    }
}

fn utf16(window: &[u8], little: bool) -> Option<String> {
    let units = window.chunks_exact(2).filter_map(|unit| {
        let unit = *unit.first_chunk()?;
        Some(if little {
            u16::from_le_bytes(unit)
        } else {
            u16::from_be_bytes(unit)
        })
    });
    let mut text = String::new();
    let mut last_is_bad = false;
    for unit in char::decode_utf16(units) {
        // Only a pair that the window cuts may be unpaired, and that is the last one.
        if last_is_bad {
            return None;
        }
        match unit {
            Ok(letter) if letter.is_ascii() && is_control(u8::try_from(letter).unwrap_or(0)) => {
                return None;
            }
            Ok(letter) => text.push(letter),
            Err(_) => last_is_bad = true,
        }
    }
    (!text.is_empty()).then_some(text)
}

/// Text of an unknown eight-bit charset: no control octets, and more letters of ASCII than of the
/// upper half, or enough runs of the upper half for an alphabet that is not Latin.
fn eight_bit(window: &[u8]) -> Option<String> {
    if window.iter().any(|octet| is_control(*octet)) {
        return None;
    }
    let upper = window.iter().filter(|octet| **octet >= 0xA0).count();
    let middle = window
        .iter()
        .filter(|octet| (0x80..0xA0).contains(*octet))
        .count();
    let lower = window.len().saturating_sub(upper).saturating_sub(middle);
    let spaces = window
        .iter()
        .filter(|octet| octet.is_ascii_whitespace())
        .count();
    let latin = lower >= upper.saturating_add(middle).saturating_mul(2);
    let other = middle.saturating_mul(4) <= upper && spaces.saturating_mul(24) >= window.len();
    // Compressed data has no control octet in a few octets by chance only.
    (latin || (other && tail(window, 1).first() != Some(&0xFF)))
        .then(|| window.iter().map(|octet| char::from(*octet)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::known;
    use super::*;

    #[test]
    fn first_lines_name_the_sort() {
        for (text, format) in [
            ("BEGIN:VCARD\r\nVERSION:2.1\r\n", Format::Vcard),
            ("begin:vcalendar\r\n", Format::Vcalendar),
            ("BEGIN:IMELODY\nVERSION:1.2\n", Format::IMelody),
            ("<smil><head/></smil>", Format::Smil),
            (
                "<?xml version='1.0'?><!-- a --><!DOCTYPE smil PUBLIC '-'><s:smil/>",
                Format::Smil,
            ),
            ("<!DOCTYPE html><p>hi", Format::Html),
            ("<HTML><body>", Format::Html),
            ("<note>hi</note>", Format::Text),
            ("hello, world", Format::Text),
            ("Note: time: money", Format::Text),
            ("Tune:d=4,o=5,b=160:16e6,8p,c#.", Format::Rtttl),
        ] {
            assert_eq!(known(text.as_bytes()).format, format, "{text}");
        }
    }

    #[test]
    fn charsets_are_told_from_binary() {
        for text in [
            "gr\u{FC}\u{DF} dich".as_bytes(),
            b"gr\xFC\xDF dich",
            b"\xFF\xFEh\0i\0",
            b"\xFE\xFF\0h\0i",
            b"h\0i\0 \0y\0",
            b"\xEF\xF0\xE8\xE2\xE5\xF2 \xEC\xE8\xF0",
            b"caf\xC3",
        ] {
            let info = known(text);
            assert_eq!(
                (info.format, info.kind),
                (Format::Text, MediaKind::Text),
                "{text:?}"
            );
        }
        for binary in [
            b"\x00\x01\x02\x03".as_slice(),
            b"ab\x07cd",
            b"\xFF\xFF\xFF\xFF\xFF",
        ] {
            assert_eq!(known(binary).format, Format::Unknown, "{binary:?}");
        }
    }

    #[test]
    fn a_letter_that_the_window_cuts_does_not_make_binary() {
        let long = "\u{20AC}".repeat(WINDOW);
        assert_eq!(known(long.as_bytes()).format, Format::Text);
        let shifted = format!("a{long}");
        assert_eq!(known(shifted.as_bytes()).format, Format::Text);
    }
}

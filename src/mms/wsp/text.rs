//! Texts that carry no charset.

use crate::mms::charset;
use crate::mms::content_type::is_token;

use super::Notes;

/// The octet in front of a text that begins beyond ASCII.
const QUOTE: u8 = 0x7F;

/// Text of a Text-string without its NUL: UTF-8 where it is valid, else ISO-8859-1. Control
/// characters, which could break a line in another protocol, become spaces.
pub(crate) fn plain_text(octets: &[u8], offset: usize, notes: &mut Notes) -> String {
    let octets = octets.strip_prefix(&[QUOTE]).unwrap_or(octets);
    let text = match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            notes.add(offset, "text that is not UTF-8, taken as ISO-8859-1");
            charset::decode_octets(octets)
        }
    };
    without_controls(text, offset, notes)
}

/// The same text with a space for every control character.
pub(crate) fn without_controls(text: String, offset: usize, notes: &mut Notes) -> String {
    if is_plain(&text) {
        return text;
    }
    notes.add(offset, "control characters in a text, replaced by spaces");
    text.replace(|c: char| !is_plain_char(c), " ")
}

/// Whether a text can be coded: it holds no control characters.
pub(crate) fn is_plain(text: &str) -> bool {
    text.bytes().all(|octet| octet >= 0x20 && octet != 0x7F)
}

/// Whether octets may be a Token-text.
pub(crate) fn is_token_text(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().copied().all(is_token)
}

fn is_plain_char(c: char) -> bool {
    c >= ' ' && c != '\u{7F}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_always_text() {
        let mut notes = Notes::new();
        assert_eq!(plain_text(b"abc", 0, &mut notes), "abc");
        assert_eq!(plain_text(b"\x7F\xC3\xA9", 0, &mut notes), "é");
        assert!(notes.into_warnings().is_empty());
        let mut notes = Notes::new();
        assert_eq!(plain_text(b"\xE9t\xE9", 3, &mut notes), "été");
        assert_eq!(plain_text(b"a\r\nb", 9, &mut notes), "a  b");
        let offsets: Vec<_> = notes.into_warnings().iter().map(|w| w.offset).collect();
        assert_eq!(offsets, [3, 9]);
    }
}

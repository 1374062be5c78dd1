//! Encoded words in header text (RFC 2047).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::mms::charset::{self, UTF_8};
use crate::mms::transfer;

/// Longest encoded word (RFC 2047 section 2).
const WORD: usize = 75;
const HEAD: usize = "=?utf-8?q?".len() + "?=".len();

/// Header text with its encoded words decoded.
///
/// White space between two encoded words disappears, and a character that a sender cut in two
/// becomes whole again. What is no valid word, or is in an unknown charset, stays literally. CR,
/// LF and NUL from inside a word become spaces, so that the result is always one line.
#[must_use]
pub fn decode_words(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut run = Run::default();
    let mut rest = text;
    // Without an end ahead there is no word ahead; looking for it once keeps this linear.
    let last_end = text.rfind("?=").unwrap_or_default();
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        if text.len().saturating_sub(from.len()) >= last_end {
            break;
        }
        match Word::read(from) {
            Some((word, after)) => {
                if !before.bytes().all(is_blank) || run.octets.is_none() {
                    run.finish(&mut decoded);
                    decoded.push_str(before);
                }
                run.push(word, &mut decoded);
                rest = after;
            }
            None => {
                run.finish(&mut decoded);
                decoded.push_str(before);
                decoded.push_str("=?");
                rest = from.get(2..).unwrap_or_default();
            }
        }
    }
    run.finish(&mut decoded);
    decoded.push_str(rest);
    decoded
}

/// Header text in a form that [`decode_words`] reads back: as it is where plain ASCII carries it,
/// else as UTF-8 encoded words with a space between them. CR, LF and NUL become spaces.
#[must_use]
pub fn encode_words(text: &str) -> String {
    let text = one_line(text);
    if is_plain(&text) {
        text
    } else {
        encode_whole(&text)
    }
}

/// Header text as encoded words even where it could stand plainly.
#[must_use]
pub fn encode_whole(text: &str) -> String {
    let text = one_line(text);
    let octets = text.as_bytes();
    let plain = octets.iter().filter(|octet| is_q(**octet)).count();
    let as_q = (octets.len().saturating_sub(plain))
        .saturating_mul(3)
        .saturating_add(plain);
    let use_q = as_q <= octets.len().saturating_mul(4).div_ceil(3);
    let mut words = String::with_capacity(text.len().saturating_mul(2));
    let mut chunk = String::new();
    let mut size = 0_usize;
    for character in text.chars() {
        let cost = if use_q {
            let mut buffer = [0; 4];
            let coded = character.encode_utf8(&mut buffer).bytes();
            coded.map(|octet| if is_q(octet) { 1 } else { 3 }).sum()
        } else {
            character.len_utf8()
        };
        let room = if use_q {
            WORD - HEAD
        } else {
            (WORD - HEAD) / 4 * 3
        };
        if size.saturating_add(cost) > room {
            push_word(&chunk, use_q, &mut words);
            chunk.clear();
            size = 0;
        }
        chunk.push(character);
        size = size.saturating_add(cost);
    }
    push_word(&chunk, use_q, &mut words);
    words
}

/// `text` with each CR, LF and NUL replaced by a space: nothing in it can end a header line.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.replace(['\r', '\n', '\0'], " ")
}

/// `text` with each control character replaced by a space, tabs of folded lines included: what a
/// binary header can carry.
#[must_use]
pub fn without_controls(text: &str) -> String {
    text.replace(|c: char| c < ' ' || c == '\u{7F}', " ")
}

/// Whether `text` can stand in a header as it is and be read back unchanged by [`decode_words`].
#[must_use]
pub fn is_plain(text: &str) -> bool {
    is_line(text) && !text.contains("=?")
}

/// Whether `text` can stand in a header as it is and be read back unchanged by a reader that does
/// not look for encoded words. A tab cannot: it may be where a line was folded, and is read as a
/// space.
#[must_use]
pub fn is_line(text: &str) -> bool {
    text.bytes().all(|octet| (b' '..=b'~').contains(&octet))
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && text.split(' ').all(|run| run.len() <= LONGEST_RUN)
}

/// Characters without white space that a header line may hold; a line cannot be folded inside.
const LONGEST_RUN: usize = 400;

struct Word<'a> {
    mib: u32,
    octets: Vec<u8>,
    charset: &'a str,
}

impl<'a> Word<'a> {
    /// The encoded word at the start of `from`, and what follows it.
    fn read(from: &'a str) -> Option<(Self, &'a str)> {
        let inner = from.strip_prefix("=?")?;
        let (charset, inner) = inner.split_once('?')?;
        let (coding, inner) = inner.split_once('?')?;
        // RFC 2231 section 5 lets a language follow the charset.
        let charset = charset.split('*').next()?;
        if charset.is_empty() || !charset.bytes().all(|octet| octet.is_ascii_graphic()) {
            return None;
        }
        let mib = charset::mib(charset)?;
        let decode: fn(&str) -> Vec<u8> = match coding {
            "Q" | "q" => unquote,
            "B" | "b" => |data| transfer::base64(data.as_bytes()),
            _ => return None,
        };
        let (data, after) = inner.split_once("?=")?;
        let octets = decode(data);
        let word = Self {
            mib,
            octets,
            charset,
        };
        Some((word, after))
    }
}

/// Adjacent words of one charset, whose octets are decoded together.
#[derive(Default)]
struct Run {
    octets: Option<(u32, Vec<u8>)>,
}

impl Run {
    fn push(&mut self, word: Word<'_>, decoded: &mut String) {
        // A stateful charset starts afresh in every word.
        let stateful = word.charset.to_ascii_lowercase().starts_with("iso-2022");
        match &mut self.octets {
            Some((mib, octets)) if *mib == word.mib && !stateful => {
                octets.extend_from_slice(&word.octets);
            }
            _ => {
                self.finish(decoded);
                self.octets = Some((word.mib, word.octets));
            }
        }
    }

    fn finish(&mut self, decoded: &mut String) {
        if let Some((mib, octets)) = self.octets.take() {
            // US-ASCII is what careless senders call UTF-8.
            let text = if matches!(mib, UTF_8 | charset::US_ASCII) {
                String::from_utf8_lossy(&octets).into_owned()
            } else {
                charset::decode(mib, &octets).unwrap_or_default().0
            };
            decoded.push_str(&one_line(&text));
        }
    }
}

/// The Q coding undone: quoted-printable, where `_` is a space.
fn unquote(data: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(data.len());
    let mut rest = data.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'_' => octets.push(b' '),
            b'=' => match after {
                [high, low, after @ ..] if transfer::hex(*high, *low).is_some() => {
                    octets.extend(transfer::hex(*high, *low));
                    rest = after;
                }
                _ => octets.push(b'='),
            },
            other => octets.push(*other),
        }
    }
    octets
}

fn push_word(chunk: &str, use_q: bool, words: &mut String) {
    if !words.is_empty() {
        words.push(' ');
    }
    if use_q {
        words.push_str("=?utf-8?q?");
        for octet in chunk.bytes() {
            match octet {
                b' ' => words.push('_'),
                _ if is_q(octet) => words.push(char::from(octet)),
                _ => words.push_str(&format!("={octet:02X}")),
            }
        }
    } else {
        words.push_str("=?utf-8?b?");
        words.push_str(&STANDARD.encode(chunk));
    }
    words.push_str("?=");
}

/// Octets that stand for themselves in a Q word anywhere in a header (RFC 2047 section 5, 3),
/// and the space, which is written as one octet too.
fn is_q(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b" !*+-/".contains(&octet)
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_both_codings_are_read() {
        for (coded, text) in [
            ("=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"),
            ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
            ("=?utf-8*de?b?R3LDvMOfZQ?=", "Grüße"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?utf-8?q?a?=\r\n\t =?iso-8859-1?q?b?=", "ab"),
            ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
            ("=?utf-8?q?a_b?=c", "a bc"),
            ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
            ("a =?utf-8?q?b?=", "a b"),
        ] {
            assert_eq!(decode_words(coded), text, "{coded}");
        }
    }

    #[test]
    fn what_is_no_word_stays() {
        for text in [
            "=?utf-8?x?a?=",
            "=?klingon?q?a?=",
            "=?utf-8?q?a",
            "=?",
            "1 =? 2 ?= 3",
            "=??q?a?=",
        ] {
            assert_eq!(decode_words(text), text);
        }
    }

    #[test]
    fn a_line_break_inside_a_word_cannot_leave_it() {
        assert_eq!(decode_words("=?utf-8?q?a=0D=0ABcc:_b=00?="), "a  Bcc: b ");
        assert_eq!(encode_words("a\r\nBcc: b"), "a  Bcc: b");
    }

    #[test]
    fn words_are_short_and_do_not_cut_characters() {
        for text in ["é".repeat(200), "日本語".repeat(100), "x".repeat(2000)] {
            let coded = encode_words(&text);
            assert!(coded.split(' ').all(|word| word.len() <= 75));
            assert!(coded.is_ascii());
            assert_eq!(decode_words(&coded), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let coded = encode_words(&text);
            prop_assert!(coded.bytes().all(|o| o == b'\t' || (b' '..=b'~').contains(&o)));
            prop_assert_eq!(decode_words(&coded), one_line(&text));
        }

        #[test]
        fn decoding_takes_anything(text in "(=\\?|\\?=|utf-8|\\?[qb]\\?|=[0-9A-F]{2}| |.){0,40}") {
            let breaks = text.matches(['\r', '\n', '\0']).count();
            prop_assert!(decode_words(&text).matches(['\r', '\n', '\0']).count() <= breaks);
        }
    }
}

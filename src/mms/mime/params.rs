//! Values with parameters: Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2231).

use crate::mms::charset;
use crate::mms::content_type::{ContentType, Param, is_token};
use crate::mms::text::words;

use crate::mms::transfer;

/// A value up to its first parameter, and the parameters. At most `limit` of them are read, in at
/// most [`SECTIONS`] sections each on the mean.
///
/// Continuations and charsets of RFC 2231 are put together; encoded words inside a quoted value,
/// which no standard allows and many senders write, are decoded.
pub(super) fn parse(text: &str, limit: usize) -> (String, Vec<Param>) {
    let mut pieces = Pieces { rest: text };
    let value = pieces.next_piece().trim().to_owned();
    let mut raw: Vec<RawParam> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    while !pieces.rest.is_empty() && raw.len() < limit.saturating_mul(SECTIONS) {
        let piece = pieces.next_piece();
        let Some((name, value)) = piece.split_once('=') else {
            continue;
        };
        let Some(param) = RawParam::new(name.trim(), value.trim()) else {
            continue;
        };
        if !names.contains(&param.name) {
            if names.len() == limit {
                break;
            }
            names.push(param.name.clone());
        }
        raw.push(param);
    }
    (value, join(raw))
}

/// A content type. One without a media type is `text/plain` (RFC 2045 section 5.2).
pub(super) fn content_type(text: &str, limit: usize) -> ContentType {
    let (media, params) = parse(text, limit);
    let media = media
        .split(|c: char| c.is_whitespace() || c == ',')
        .next()
        .unwrap_or_default();
    let mut content_type = ContentType::new(if media.is_empty() {
        "text/plain"
    } else {
        media
    });
    for Param { name, value } in params {
        let known = match name.as_str() {
            "charset" => charset::mib(&value).and_then(charset::name),
            _ => None,
        };
        content_type.push_param(&name, known.map_or(value, str::to_owned));
    }
    content_type
}

/// Appends `; name=value` in the plainest form that brings the value back unchanged. A name that
/// is no attribute of RFC 2231 is left out with its value, and so is a value of more than
/// [`SECTIONS`] sections: half of it would say something else.
pub(super) fn push(name: &str, value: &str, line: &mut String) {
    let value = words::one_line(value);
    if name.is_empty() || !name.bytes().all(is_attribute) {
        return;
    }
    if !words::is_plain(&value) && !value.is_empty() || value.len() > LONGEST {
        push_extended(name, &value, line);
    } else if !value.is_empty() && value.bytes().all(is_token) {
        line.push_str(&format!("; {name}={value}"));
    } else {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        line.push_str(&format!("; {name}=\"{escaped}\""));
    }
}

/// Longest value that is written on one line.
const LONGEST: usize = 200;
/// Octets of an extended value per section, in their coding.
const SEGMENT: usize = 50;
/// Sections of one value that are written, or put together.
const SECTIONS: usize = 256;

/// RFC 2231: `name*=utf-8''…`, in numbered segments where it is long.
fn push_extended(name: &str, value: &str, line: &mut String) {
    let mut segments = vec![String::new()];
    for octet in value.bytes() {
        if segments.last().is_some_and(|s| s.len() >= SEGMENT) {
            segments.push(String::new());
        }
        if let Some(segment) = segments.last_mut() {
            if is_attribute(octet) {
                segment.push(char::from(octet));
            } else {
                segment.push_str(&format!("%{octet:02X}"));
            }
        }
    }
    if let [only] = segments.as_slice() {
        line.push_str(&format!("; {name}*=utf-8''{only}"));
        return;
    }
    if segments.len() > SECTIONS {
        return;
    }
    for (index, segment) in segments.iter().enumerate() {
        let charset = if index == 0 { "utf-8''" } else { "" };
        line.push_str(&format!("; {name}*{index}*={charset}{segment}"));
    }
}

/// Octets of an RFC 2231 attribute-char.
fn is_attribute(octet: u8) -> bool {
    is_token(octet) && !b"*'%".contains(&octet)
}

/// The text split at semicolons outside quotes and comments.
struct Pieces<'a> {
    rest: &'a str,
}

impl Pieces<'_> {
    /// The next piece, with quotes and escapes still in it and comments taken out.
    fn next_piece(&mut self) -> String {
        let mut piece = String::new();
        let mut quoted = false;
        let mut comment = 0_usize;
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' if quoted || comment > 0 => {
                    let next = characters.next().map(|(_, next)| next);
                    if comment == 0 {
                        piece.push('\\');
                        piece.extend(next);
                    }
                }
                '"' if comment == 0 => {
                    quoted = !quoted;
                    piece.push('"');
                }
                // A comment may only stand where white space may, or `a(1).jpg` would lose a part.
                '(' if !quoted && (comment > 0 || piece.ends_with([' ', '\t'])) => {
                    comment = comment.saturating_add(1);
                }
                ')' if comment > 0 => comment = comment.saturating_sub(1),
                ';' if !quoted && comment == 0 => {
                    self.rest = self.rest.get(at.saturating_add(1)..).unwrap_or_default();
                    return piece;
                }
                _ if comment > 0 => {}
                other => piece.push(other),
            }
        }
        self.rest = "";
        piece
    }
}

struct RawParam {
    /// In lower case.
    name: String,
    /// Number of an RFC 2231 continuation.
    section: Option<usize>,
    /// Whether the value is percent-coded.
    extended: bool,
    value: String,
}

impl RawParam {
    fn new(name: &str, value: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (name, extended) = match name.strip_suffix('*') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let (name, section) = match name.rsplit_once('*') {
            Some((name, number)) => (name, Some(number.parse().ok()?)),
            None => (name, None),
        };
        let valid = !name.is_empty() && name.bytes().all(is_token);
        valid.then(|| Self {
            name: name.to_owned(),
            section,
            extended,
            value: unquote(value),
        })
    }
}

/// A quoted value without its quotes and escapes; another as it is.
pub(super) fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            '"' => break,
            other => text.push(other),
        }
    }
    text
}

/// One parameter for each name, at the place of its first. Senders write a name again for readers
/// that do not know RFC 2231: what that standard codes is then the fuller one.
fn join(raw: Vec<RawParam>) -> Vec<Param> {
    let mut params: Vec<Param> = Vec::new();
    for RawParam { name, .. } in &raw {
        if params.iter().any(|param| param.name == *name) {
            continue;
        }
        let same = || raw.iter().filter(|other| other.name == *name);
        let whole = |extended| same().find(|p| p.section.is_none() && p.extended == extended);
        let mut segments: Vec<&RawParam> = same().filter(|p| p.section.is_some()).collect();
        segments.sort_by_key(|segment| segment.section);
        segments.dedup_by_key(|segment| segment.section);
        let value = match (whole(true), segments.first(), whole(false)) {
            (Some(extended), _, _) => decode_extended(&extended.value),
            (None, Some(first), _) => join_segments(first, &segments),
            (None, None, plain) => words::decode_words(plain.map_or("", |plain| &plain.value)),
        };
        params.push(Param {
            name: name.clone(),
            value,
        });
    }
    params
}

fn join_segments(first: &RawParam, segments: &[&RawParam]) -> String {
    let mut coded = String::new();
    for segment in segments {
        if segment.extended {
            coded.push_str(&segment.value);
        } else {
            coded.push_str(&segment.value.replace('%', "%25"));
        }
    }
    if first.extended {
        decode_extended(&coded)
    } else {
        decode_extended(&format!("''{coded}"))
    }
}

/// `charset'language'percent-coded` as text.
fn decode_extended(value: &str) -> String {
    let mut fields = value.splitn(3, '\'');
    let (charset, coded) = match (fields.next(), fields.next(), fields.next()) {
        (Some(charset), Some(_), Some(coded)) => (charset, coded),
        _ => ("", value),
    };
    let mut octets = Vec::with_capacity(coded.len());
    let mut rest = coded.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) if transfer::hex(*high, *low).is_some() => {
                octets.extend(transfer::hex(*high, *low));
                rest = after;
            }
            (octet, _) => octets.push(*octet),
        }
    }
    let text = charset::mib(charset)
        .filter(|mib| !matches!(*mib, charset::US_ASCII | charset::UTF_8))
        .and_then(|mib| charset::decode(mib, &octets))
        .map_or_else(
            || crate::mms::text::decode_octets(&octets),
            |(text, _)| text,
        );
    words::one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let (_, params) = parse(text, 64);
        params.into_iter().map(|p| (p.name, p.value)).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn parameters_come_in_every_spelling() {
        assert_eq!(
            read(
                "multipart/related;Start=\"<s.smil>\";Type=\"application/smil\"; \tboundary=\"a b\""
            ),
            pairs(&[
                ("start", "<s.smil>"),
                ("type", "application/smil"),
                ("boundary", "a b")
            ])
        );
        assert_eq!(
            read("image/gif; ; name = a\\b.gif ; x=\"a;\\\"b\" (comment; y=1)"),
            pairs(&[("name", "a\\b.gif"), ("x", "a;\"b")])
        );
        assert_eq!(
            read("a/b; name=IMG(1).jpg"),
            pairs(&[("name", "IMG(1).jpg")])
        );
        assert_eq!(read("a/b; name=\"open"), pairs(&[("name", "open")]));
    }

    #[test]
    fn rfc_2231_values_are_put_together() {
        assert_eq!(
            read("a/b; name*1*=%A9.jpg; name*0*=utf-8'fr'caf%C3; size=3"),
            pairs(&[("name", "café.jpg"), ("size", "3")])
        );
        assert_eq!(
            read("a/b; title*0=\"one% \"; title*1=two; title*2*=%20three"),
            pairs(&[("title", "one% two three")])
        );
        assert_eq!(
            read("a/b; filename*=iso-8859-1''%e9%0d%0a.txt"),
            pairs(&[("filename", "é  .txt")])
        );
        assert_eq!(
            read("a/b; name=\"=?utf-8?q?caf=C3=A9?=\""),
            pairs(&[("name", "café")])
        );
    }

    #[test]
    fn a_name_given_again_is_one_parameter() {
        let cafe = pairs(&[("name", "café"), ("x", "1")]);
        for text in [
            "a/b; name=cafe; x=1; name*=utf-8''caf%C3%A9",
            "a/b; name*0*=utf-8''caf; x=1; name=cafe; name*1*=%C3%A9; name*1=e",
            "a/b; name*=utf-8''caf%C3%A9; x=1; x=2; name*0=cafe",
        ] {
            assert_eq!(read(text), cafe, "{text}");
        }
    }

    #[test]
    fn parameters_are_bounded() {
        let many: String = (0..1000).map(|n| format!("; x{n}=1")).collect();
        assert_eq!(read(&format!("a/b{many}")).len(), 64);
    }

    #[test]
    fn a_long_value_comes_back_whole_or_not_at_all() {
        for (octets, kept) in [(4_000, true), (13_000, false)] {
            let value = "Þ".repeat(octets / 6) + &"x".repeat(octets / 2);
            let mut line = "a/b".to_owned();
            push("name", &value, &mut line);
            push("size", "3", &mut line);
            let mut expected = pairs(&[("name", &value), ("size", "3")]);
            expected.drain(..usize::from(!kept));
            assert_eq!(read(&line), expected, "{octets}");
        }
    }

    #[test]
    fn charsets_get_their_iana_name() {
        let plain = content_type("text/plain;Charset=UTF8", 4);
        assert_eq!(plain.to_string(), "text/plain; charset=utf-8");
        assert_eq!(content_type("; a=b", 4).media(), "text/plain");
    }

    proptest! {
        #[test]
        fn values_come_back(value in any::<String>()) {
            let mut line = "a/b".to_owned();
            push("name", &value, &mut line);
            prop_assert!(!line.contains(['\r', '\n', '\0']));
            prop_assert!(line.is_ascii());
            prop_assert_eq!(read(&line), pairs(&[("name", &words::one_line(&value))]));
        }

        #[test]
        fn any_value_is_read(text in "([;=\"\\\\()*%']|name|\\*[0-9]|utf-8''|%[0-9a-f]{2}|.){0,60}") {
            let (_, params) = parse(&text, 8);
            prop_assert!(params.len() <= 8);
        }
    }
}

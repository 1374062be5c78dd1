//! A tokenizer for XML as phone vendors serve it.
//!
//! It never refuses a document for its form: what is no tag is text, a tag that is cut off ends
//! where the next one begins. It refuses only what a hostile document would do: too many entities,
//! too much expansion, references to other documents.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::limits::Limits;
use crate::mms::{DecodeError, DecodeErrorKind};

/// Entities that refer to entities that refer to entities, at most this deep.
const MAX_ENTITY_DEPTH: usize = 8;

/// Longest name of an entity that is looked for.
const MAX_NAME: usize = 64;

/// One piece of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A start tag.
    Start {
        name: &'a str,
        attributes: &'a str,
        empty: bool,
    },
    /// An end tag.
    End { name: &'a str },
    /// Text with its references unexpanded.
    Text(&'a str),
    /// Text in which nothing is a reference.
    Raw(&'a str),
}

/// The octets of a document as text: by its byte order mark, by what it declares, else UTF-8, else
/// windows-1252.
pub(super) fn decode(octets: &[u8]) -> Cow<'_, str> {
    let encoding = match Encoding::for_bom(octets) {
        Some((encoding, _)) => Some(encoding),
        None => match octets {
            [0, b'<', ..] => Some(UTF_16BE),
            [b'<', 0, ..] => Some(UTF_16LE),
            _ => declared(octets),
        },
    };
    if let Some(encoding) = encoding {
        let (text, _, malformed) = encoding.decode(octets);
        if !malformed {
            return text;
        }
    }
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode(octets).0,
    }
}

/// The encoding an XML declaration names. A document whose declaration can be read octet by octet
/// is not in UTF-16, whatever it says.
fn declared(octets: &[u8]) -> Option<&'static Encoding> {
    let head = octets.get(..octets.len().min(256))?;
    let head: String = head.iter().map(|octet| char::from(*octet)).collect();
    let declaration = head.get(head.find("<?xml")?..)?;
    let declaration = declaration.get(..declaration.find("?>")?)?;
    let value = declaration.split_once("encoding")?.1.trim_start();
    let value = value.strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let label = value.get(1..)?.split(quote).next()?;
    Encoding::for_label(label.as_bytes()).filter(|e| *e != UTF_16BE && *e != UTF_16LE)
}

/// The tokens of a document. Comments, processing instructions and the document type are read
/// over; entities the latter declares are kept.
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// The internal general entities declared so far.
    pub(super) entities: Entities<'a>,
    error: Option<DecodeError>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str, limits: &Limits) -> Self {
        Self {
            text,
            at: 0,
            entities: Entities {
                declared: Vec::new(),
                max: limits.xml_entities,
                budget: limits.xml_expansion,
                limit: limits.xml_expansion,
            },
            error: None,
        }
    }

    /// Octets of the text that are read.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The next token, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, DecodeError> {
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Ok(None);
            }
            let length = match rest.find('<') {
                Some(0) => match self.markup(rest) {
                    Some((length, token)) => {
                        if let Some(error) = self.error.take() {
                            return Err(error);
                        }
                        self.at = self.at.saturating_add(length);
                        match token {
                            Some(token) => return Ok(Some(token)),
                            None => continue,
                        }
                    }
                    // A lone `<` is text.
                    None => 1,
                },
                Some(length) => length,
                None => rest.len(),
            };
            self.at = self.at.saturating_add(length);
            return Ok(rest.get(..length).map(Token::Text));
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Length and meaning of the markup at the start of `rest`.
    fn markup(&mut self, rest: &'a str) -> Option<(usize, Option<Token<'a>>)> {
        if let Some(comment) = rest.strip_prefix("<!--") {
            let length = comment.find("-->").map_or(rest.len(), |at| at + 7);
            return Some((length, None));
        }
        if let Some(raw) = rest.strip_prefix("<![CDATA[") {
            let end = raw.find("]]>").unwrap_or(raw.len());
            let token = Token::Raw(raw.get(..end).unwrap_or_default());
            return Some(((end + 12).min(rest.len()), Some(token)));
        }
        if rest.starts_with("<?") {
            let length = rest.find("?>").map_or(rest.len(), |at| at + 2);
            return Some((length, None));
        }
        if rest.starts_with("<!") {
            return Some((self.doctype(rest), None));
        }
        let inner = rest.get(1..)?;
        let (end_tag, inner) = match inner.strip_prefix('/') {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        if !inner.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == ':') {
            return None;
        }
        let body = inner.get(..tag_end(inner))?;
        let head = rest.len() - inner.len();
        let after = rest.get(head + body.len()..)?;
        let length = head + body.len() + usize::from(after.starts_with('>'));
        let (body, empty) = match body.trim_end().strip_suffix('/') {
            Some(body) => (body, true),
            None => (body, false),
        };
        let split = body
            .find(|c: char| c.is_whitespace() || c == '/')
            .unwrap_or(body.len());
        let (name, attributes) = body.split_at_checked(split)?;
        let token = if end_tag {
            Token::End { name }
        } else {
            Token::Start {
                name,
                attributes,
                empty,
            }
        };
        Some((length, Some(token)))
    }

    /// Length of the declaration at the start of `rest`, with its entities taken in.
    fn doctype(&mut self, rest: &'a str) -> usize {
        let close = rest.find('>').unwrap_or(rest.len());
        let Some(open) = rest.get(..close).and_then(|head| head.find('[')) else {
            return close.saturating_add(1).min(rest.len());
        };
        let mut at = open + 1;
        while let Some(subset) = rest.get(at..) {
            let Some(next) = subset.find(['<', ']']) else {
                return rest.len();
            };
            at += next;
            let here = rest.get(at..).unwrap_or_default();
            if here.starts_with(']') {
                let close = here.find('>').unwrap_or(here.len().saturating_sub(1));
                return at + close + 1;
            }
            if let Some(comment) = here.strip_prefix("<!--") {
                at += comment.find("-->").map_or(here.len(), |end| end + 7);
                continue;
            }
            let end = declaration_end(here);
            if let Some(body) = here.get(..end).and_then(|d| d.strip_prefix("<!ENTITY"))
                && let Err(kind) = self.entities.declare(body)
            {
                self.error = Some(DecodeError::new(self.at + at, kind));
                return rest.len();
            }
            at += end.max(1);
        }
        rest.len()
    }
}

/// Where a tag ends: before its `>`, or before the `<` of the next where it has none. A `>` in
/// quotes counts only where the quotes are never closed.
fn tag_end(inner: &str) -> usize {
    let mut quote = None;
    let mut quoted_close = None;
    for (at, octet) in inner.bytes().enumerate() {
        match (octet, quote) {
            (b'<', None) => return at,
            (b'<', Some(_)) => return quoted_close.unwrap_or(at),
            (b'>', None) => return at,
            (b'>', Some(_)) => quoted_close = quoted_close.or(Some(at)),
            (b'"' | b'\'', None) => quote = Some(octet),
            (octet, Some(open)) if octet == open => quote = None,
            _ => {}
        }
    }
    quoted_close.unwrap_or(inner.len())
}

/// Length of a declaration of the internal subset; a `>` in quotes does not end it.
fn declaration_end(text: &str) -> usize {
    let mut quote = None;
    for (at, octet) in text.bytes().enumerate() {
        match (octet, quote) {
            (b'>', None) => return at + 1,
            (b'"' | b'\'', None) => quote = Some(octet),
            (octet, Some(open)) if octet == open => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// The entities of a document and what is left of the expansion it may ask for.
pub(super) struct Entities<'a> {
    declared: Vec<(&'a str, Option<&'a str>)>,
    max: usize,
    budget: usize,
    limit: usize,
}

impl<'a> Entities<'a> {
    /// Takes in the inside of `<!ENTITY …>`. The first declaration of a name counts (XML 1.0
    /// section 4.2). An external entity is remembered as one that stands for nothing.
    fn declare(&mut self, body: &'a str) -> Result<(), DecodeErrorKind> {
        let body = body.trim_start();
        // Parameter entities shape the document type alone.
        if body.starts_with('%') {
            return Ok(());
        }
        if self.declared.len() >= self.max {
            return Err(DecodeErrorKind::Limit {
                what: "entities in an XML document",
                limit: u64::try_from(self.max).unwrap_or(u64::MAX),
            });
        }
        let Some((name, value)) = body.split_once(char::is_whitespace) else {
            return Ok(());
        };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let value = quote.and_then(|quote| value.get(1..)?.split(quote).next());
        if !self.declared.iter().any(|(known, _)| *known == name) {
            self.declared.push((name, value));
        }
        Ok(())
    }

    /// `text` with its references replaced. A reference to an entity that is unknown, or that
    /// would have to be fetched, stays as it is written.
    ///
    /// # Errors
    ///
    /// Expansions beyond the document's bound, or nested too deeply.
    pub(super) fn expand<'t>(&mut self, text: &'t str) -> Result<Cow<'t, str>, DecodeErrorKind> {
        if !text.contains('&') {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(text.len());
        let mut open: Vec<&str> = vec![text];
        while let Some(rest) = open.pop() {
            let Some((before, after)) = rest.split_once('&') else {
                self.push(&mut out, rest, open.len())?;
                continue;
            };
            self.push(&mut out, before, open.len())?;
            let end = after.bytes().take(MAX_NAME).position(|octet| octet == b';');
            let reference = end.and_then(|end| Some((after.get(..end)?, after.get(end + 1..)?)));
            let Some((name, behind)) = reference else {
                self.push(&mut out, "&", open.len())?;
                open.push(after);
                continue;
            };
            let declared = self.declared.iter().find(|(known, _)| *known == name);
            if let Some(character) = predefined(name) {
                open.push(behind);
                self.push(&mut out, character.encode_utf8(&mut [0; 4]), open.len())?;
            } else if let Some((_, Some(value))) = declared {
                if open.len() >= MAX_ENTITY_DEPTH {
                    return Err(DecodeErrorKind::Limit {
                        what: "levels of entities",
                        limit: 8,
                    });
                }
                open.push(behind);
                open.push(value);
            } else {
                self.push(&mut out, "&", open.len())?;
                open.push(after);
            }
        }
        Ok(Cow::Owned(out))
    }

    /// Appends a piece; only what lies inside an entity is counted.
    fn push(&mut self, out: &mut String, piece: &str, depth: usize) -> Result<(), DecodeErrorKind> {
        if depth > 0 {
            self.budget =
                self.budget
                    .checked_sub(piece.len().max(1))
                    .ok_or(DecodeErrorKind::Limit {
                        what: "octets of expanded entities",
                        limit: u64::try_from(self.limit).unwrap_or(u64::MAX),
                    })?;
        }
        out.push_str(piece);
        Ok(())
    }
}

fn predefined(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| *c != '\0')
        }
    }
}

/// The attributes inside a start tag: name and value, references unexpanded. What is malformed is
/// passed over.
pub(super) fn attributes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let name = name.split_whitespace().next_back().unwrap_or_default();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (value, behind) = match quote {
                Some(quote) => {
                    let inner = after.get(1..)?;
                    inner.split_once(quote).unwrap_or((inner, ""))
                }
                None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
            };
            rest = behind;
            if !name.is_empty() {
                return Some((name, value));
            }
        }
    })
}

/// A name without its prefix.
pub(super) fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token<'_>> {
        let mut tokens = Tokens::new(text, &Limits::default());
        let mut found = Vec::new();
        while let Some(token) = tokens.next().unwrap() {
            found.push(token);
        }
        found
    }

    fn expand(document: &str, text: &str) -> Result<String, DecodeErrorKind> {
        let mut tokens = Tokens::new(document, &Limits::default());
        while tokens.next().map_err(|error| error.kind)?.is_some() {}
        tokens.entities.expand(text).map(Cow::into_owned)
    }

    #[test]
    fn a_document_comes_apart() {
        let text = "<?xml version='1.0'?><!-- <x> --><a b='>' c=\"d\">t<e/><![CDATA[<&]]></a>";
        assert_eq!(
            tokens(text),
            [
                Token::Start {
                    name: "a",
                    attributes: " b='>' c=\"d\"",
                    empty: false
                },
                Token::Text("t"),
                Token::Start {
                    name: "e",
                    attributes: "",
                    empty: true
                },
                Token::Raw("<&"),
                Token::End { name: "a" },
            ]
        );
        let found: Vec<_> = attributes(" b='>' junk c = \"d\" e=f").collect();
        assert_eq!(found, [("b", ">"), ("c", "d"), ("e", "f")]);
    }

    #[test]
    fn broken_tags_do_not_swallow_what_follows() {
        assert_eq!(
            tokens("<a b=\"c><d>1 < 2</d><e"),
            [
                Token::Start {
                    name: "a",
                    attributes: " b=\"c",
                    empty: false
                },
                Token::Start {
                    name: "d",
                    attributes: "",
                    empty: false
                },
                Token::Text("1 "),
                Token::Text("<"),
                Token::Text(" 2"),
                Token::End { name: "d" },
                Token::Start {
                    name: "e",
                    attributes: "",
                    empty: false
                },
            ]
        );
    }

    #[test]
    fn internal_entities_expand_and_others_do_not() {
        let document = "<!DOCTYPE r [<!ENTITY n 'http://x/#'> <!-- ] --> <!ENTITY m \"&n;y\">\
                        <!ENTITY f SYSTEM 'file:///etc/passwd'>]><r/>";
        let text = "&m;z &amp;&#65;&#x42; &f; &unknown; & a&b";
        assert_eq!(
            expand(document, text).unwrap(),
            "http://x/#yz &AB &f; &unknown; & a&b"
        );
    }

    #[test]
    fn entity_bombs_are_refused() {
        let mut bomb = String::from("<!DOCTYPE r [<!ENTITY a0 'aaaaaaaaaaaaaaaa'>");
        for level in 1..7 {
            let inner = format!("&a{};", level - 1).repeat(16);
            bomb.push_str(&format!("<!ENTITY a{level} '{inner}'>"));
        }
        bomb.push_str("]>");
        assert!(matches!(
            expand(&bomb, "&a6;"),
            Err(DecodeErrorKind::Limit { .. })
        ));
        assert!(matches!(
            expand("<!DOCTYPE r [<!ENTITY a '&a;x'>]>", "&a;"),
            Err(DecodeErrorKind::Limit { .. })
        ));
        let many: String = (0..65).map(|n| format!("<!ENTITY e{n} 'x'>")).collect();
        let refused = expand(&format!("<!DOCTYPE r [{many}]>"), "");
        assert!(matches!(
            refused,
            Err(DecodeErrorKind::Limit { limit: 64, .. })
        ));
    }

    #[test]
    fn encodings_are_told_by_mark_declaration_or_content() {
        assert_eq!(decode(b"\xef\xbb\xbf<a>\xc3\xa9"), "<a>\u{e9}");
        assert_eq!(
            decode(b"<?xml encoding='ISO-8859-1'?>\xe9"),
            "<?xml encoding='ISO-8859-1'?>\u{e9}"
        );
        assert_eq!(decode(b"<a>\xe9"), "<a>\u{e9}");
        assert_eq!(decode(b"<\0a\0>\0"), "<a>");
        assert_eq!(decode(b"\0<\0a\0>"), "<a>");
        let ascii = b"<?xml encoding=\"UTF-16\"?>\xc3\xa9";
        assert_eq!(decode(ascii), "<?xml encoding=\"UTF-16\"?>\u{e9}");
    }
}

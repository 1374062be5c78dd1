//! The lenient reader.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::Limits;
use crate::mms::charset::{self, UTF_8, UTF_16};
use crate::mms::error::{DecodeError, DecodeErrorKind, Decoded, Warning};
use crate::mms::text::decode_octets;

use super::Smil;
use super::tree::{Content, is_media_name};

pub(super) fn parse(octets: &[u8], limits: &Limits) -> Result<Decoded<Smil>, DecodeError> {
    if octets.len() > limits.xml_bytes {
        let offset = limits.xml_bytes;
        return Err(limit(offset, "octets of a presentation", limits.xml_bytes));
    }
    let text = to_text(octets);
    if text.trim().is_empty() {
        return Err(DecodeError::new(0, DecodeErrorKind::Empty));
    }
    let mut reader = Reader::from_str(&text);
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    config.check_comments = false;
    config.check_end_names = false;
    let mut builder = Builder::new(limits);
    loop {
        let offset = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        match reader.read_event() {
            Ok(Event::Start(start)) => builder.open(&start, offset, false)?,
            Ok(Event::Empty(start)) => builder.open(&start, offset, true)?,
            Ok(Event::End(end)) => builder.close(end.name().as_ref(), offset),
            Ok(Event::Text(text)) => builder.text(&String::from_utf8_lossy(&text)),
            Ok(Event::CData(text)) => builder.text(&String::from_utf8_lossy(&text)),
            Ok(Event::GeneralRef(name)) => {
                let reference = format!("&{};", String::from_utf8_lossy(&name));
                let text = builder.unescape(&reference, offset);
                builder.text(&text);
            }
            Ok(Event::Eof) => break,
            Ok(Event::Comment(_) | Event::Decl(_) | Event::DocType(_) | Event::PI(_)) => {}
            Err(_) => {
                builder.warn(offset, "the document is unreadable from here on");
                break;
            }
        }
    }
    builder.finish(text.len())
}

/// The document as text: by its byte order mark, the zeros of UTF-16, or what it declares.
fn to_text(octets: &[u8]) -> String {
    let decode = |mib| charset::decode(mib, octets).unwrap_or_default().0;
    match octets {
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, b'<', ..] => return decode(UTF_16),
        [b'<', 0, ..] => return decode(UTF_16LE),
        [0xEF, 0xBB, 0xBF, ..] => return decode(UTF_8),
        _ => {}
    }
    // UTF-16 cannot be what it declares: the declaration has been read octet by octet.
    match declared(octets).and_then(|name| charset::mib(&name)) {
        Some(mib) if !matches!(mib, UTF_8 | UTF_16 | UTF_16LE) && !is_utf8_anyway(mib, octets) => {
            decode(mib)
        }
        _ => decode_octets(octets),
    }
}

const UTF_16LE: u32 = 1014;

/// Whether a document that declares a wide or 7-bit charset is plainly not in it.
fn is_utf8_anyway(mib: u32, octets: &[u8]) -> bool {
    matches!(mib, charset::UCS_2 | 1013 | charset::US_ASCII) && !octets.starts_with(&[0])
}

/// The encoding of the XML declaration.
fn declared(octets: &[u8]) -> Option<String> {
    let start = octets.iter().position(|octet| *octet == b'<')?;
    let head = octets.get(start..)?.strip_prefix(b"<?xml")?;
    let head = decode_octets(head.get(..200.min(head.len()))?);
    let (declaration, _) = head.split_once('>')?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value.split(quote).nth(1).map(str::to_owned)
}

struct Builder<'a> {
    limits: &'a Limits,
    smil: Smil,
    /// Elements that are open, the root first.
    open: Vec<usize>,
    elements: usize,
    has_root: bool,
    warnings: Vec<Warning>,
}

impl<'a> Builder<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            smil: Smil::empty(),
            open: Vec::new(),
            elements: 0,
            has_root: false,
            warnings: Vec::new(),
        }
    }

    fn open(
        &mut self,
        start: &BytesStart<'_>,
        offset: usize,
        is_empty: bool,
    ) -> Result<(), DecodeError> {
        self.elements = self.elements.saturating_add(1);
        if self.elements > self.limits.xml_elements {
            return Err(limit(
                offset,
                "elements of a presentation",
                self.limits.xml_elements,
            ));
        }
        let Some(name) = name(start.name().as_ref(), ELEMENTS) else {
            self.warn(offset, "an element has no name XML allows");
            return Ok(());
        };
        if !self.has_root {
            if name != "smil" {
                let found = format!("an XML document of type {name}");
                return Err(DecodeError::new(offset, DecodeErrorKind::WrongKind(found)));
            }
            self.has_root = true;
            let root = self.smil.root();
            self.attributes(start, root, offset);
            if !is_empty {
                self.open.push(root);
            }
            return Ok(());
        }
        self.close_leaf(&name, start, offset);
        let Some(parent) = self.open.last().copied() else {
            self.warn(offset, "something follows the presentation");
            return Ok(());
        };
        if self.open.len() >= self.limits.xml_depth {
            return Err(limit(offset, "levels of elements", self.limits.xml_depth));
        }
        let node = self.smil.append_element(parent, &name);
        self.attributes(start, node, offset);
        if !is_empty {
            self.open.push(node);
        }
        Ok(())
    }

    /// Closes what cannot hold the new element and was left open: `<img src="a"> <text …>`. No
    /// medium holds a medium or a container of media, at any depth.
    fn close_leaf(&mut self, name: &str, start: &BytesStart<'_>, offset: usize) {
        let shows = is_media_name(name)
            || CONTAINERS.contains(&name)
            || start
                .html_attributes()
                .with_checks(false)
                .flatten()
                .any(|attribute| {
                    self::name(attribute.key.as_ref(), ATTRIBUTES).is_some_and(|key| key == "src")
                });
        let holder = |node: &usize| {
            matches!(self.smil.name(*node), Some("meta" | "root-layout"))
                || shows && self.smil.is_media(*node)
        };
        // The root holds everything, whatever attributes it has.
        if let Some(found) = self.open.iter().skip(1).position(holder) {
            self.warn(offset, "an element is not closed");
            self.open.truncate(found.saturating_add(1));
        }
    }

    fn attributes(&mut self, start: &BytesStart<'_>, node: usize, offset: usize) {
        for attribute in start.html_attributes().with_checks(false) {
            if self.smil.attributes(node).len() >= self.limits.params {
                self.warn(offset, "an element has more attributes than are read");
                break;
            }
            let Ok(attribute) = attribute else {
                self.warn(offset, "an attribute is malformed");
                continue;
            };
            let key = attribute.key.as_ref();
            if key == b"xmlns" || key.starts_with(b"xmlns:") {
                continue;
            }
            let Some(key) = name(key, ATTRIBUTES) else {
                self.warn(offset, "an attribute has no name XML allows");
                continue;
            };
            // `s:xmlns`, which means nothing, would become a declaration without its prefix.
            if key == "xmlns" {
                self.warn(offset, "an attribute has no name XML allows");
                continue;
            }
            if self.smil.attribute(node, &key).is_some() {
                self.warn(offset, "an attribute is there twice");
                continue;
            }
            let value = String::from_utf8_lossy(&attribute.value);
            let value = value.replace("\r\n", " ").replace(['\r', '\n', '\t'], " ");
            let value = self.unescape(&value, offset);
            self.smil.set_attribute(node, &key, &value);
        }
    }

    fn close(&mut self, tag: &[u8], offset: usize) {
        let Some(name) = name(tag, ELEMENTS) else {
            return;
        };
        let found = self
            .open
            .iter()
            .rposition(|node| self.smil.is(*node, &name));
        let Some(found) = found else {
            self.warn(offset, "an element is closed that is not open");
            return;
        };
        if found.saturating_add(1) != self.open.len() {
            self.warn(offset, "an element is not closed");
        }
        self.open.truncate(found);
    }

    fn text(&mut self, text: &str) {
        let Some(parent) = self.open.last().copied() else {
            return;
        };
        let text: String = text
            .replace("\r\n", "\n")
            .chars()
            .filter(|c| is_char(*c))
            .collect();
        let last = self.smil.children(parent).last().copied();
        if let Some(Content::Text(before)) = last
            .and_then(|last| self.smil.nodes.get_mut(last))
            .map(|node| &mut node.content)
        {
            before.push_str(&text);
        } else if !text.is_empty() {
            self.smil.append(parent, Content::Text(text));
        }
    }

    /// The five entities of XML and character references replaced; another reference stays.
    fn unescape(&mut self, raw: &str, offset: usize) -> String {
        let mut text = String::with_capacity(raw.len());
        let mut rest = raw;
        let mut odd = false;
        while let Some((before, after)) = rest.split_once('&') {
            text.push_str(before);
            let end = after.bytes().take(12).position(|octet| octet == b';');
            let character = end.and_then(|end| character(after.get(..end)?));
            match (character, end) {
                (Some(character), Some(end)) => {
                    text.push(character);
                    rest = after.get(end.saturating_add(1)..).unwrap_or_default();
                }
                _ => {
                    odd = true;
                    text.push('&');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        if odd {
            self.warn(offset, "a reference to an unknown entity is kept as text");
        }
        text.retain(is_char);
        text
    }

    fn finish(mut self, end: usize) -> Result<Decoded<Smil>, DecodeError> {
        if !self.has_root {
            return Err(DecodeError::new(
                0,
                DecodeErrorKind::Missing("the smil element"),
            ));
        }
        if !self.open.is_empty() {
            self.warn(end, "an element is not closed");
        }
        self.smil.drop_blank_texts();
        Ok(Decoded {
            value: self.smil,
            warnings: self.warnings,
        })
    }

    /// Notes a deviation, as long as the notes are not more than a reader would read.
    fn warn(&mut self, offset: usize, message: &str) {
        if self.warnings.len() < MOST_WARNINGS {
            self.warnings.push(Warning {
                offset,
                message: message.to_owned(),
            });
        }
    }
}

const MOST_WARNINGS: usize = 100;

impl Smil {
    /// Takes out the white space between elements.
    fn drop_blank_texts(&mut self) {
        let blank: Vec<bool> = self
            .nodes
            .iter()
            .map(|node| match &node.content {
                Content::Text(text) => text.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r')),
                Content::Element { .. } => false,
            })
            .collect();
        for node in &mut self.nodes {
            node.children
                .retain(|child| !blank.get(*child).copied().unwrap_or_default());
        }
    }
}

/// The local part of a qualified name, in its usual case where it is one of `known`. `None` for
/// what could not be written as a name again.
fn name(qualified: &[u8], known: &[&str]) -> Option<String> {
    let qualified = std::str::from_utf8(qualified).ok()?;
    let local = qualified.rsplit(':').next()?;
    let lower = local.to_ascii_lowercase();
    if known.contains(&lower.as_str()) {
        return Some(lower);
    }
    let mut characters = local.chars();
    let first = characters.next()?;
    let valid = (first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    valid.then(|| local.to_owned())
}

fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "apos" => '\'',
        "gt" => '>',
        "lt" => '<',
        "quot" => '"',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            return char::from_u32(code).filter(|c| is_char(*c));
        }
    })
}

/// XML 1.0, production 2.
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn limit(offset: usize, what: &'static str, limit: usize) -> DecodeError {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    DecodeError::new(offset, DecodeErrorKind::Limit { what, limit })
}

/// Elements of MMS SMIL and those beside them that are looked at.
const ELEMENTS: &[&str] = &[
    "a",
    "animate",
    "animation",
    "area",
    "audio",
    "body",
    "brush",
    "excl",
    "head",
    "img",
    "layout",
    "meta",
    "metadata",
    "par",
    "param",
    "ref",
    "region",
    "root-layout",
    "seq",
    "set",
    "smil",
    "switch",
    "text",
    "textstream",
    "transition",
    "video",
];

/// Elements that hold media, and so cannot be inside one.
const CONTAINERS: &[&str] = &["a", "excl", "par", "seq", "switch"];

/// Attributes of MMS SMIL.
const ATTRIBUTES: &[&str] = &[
    "alt",
    "background-color",
    "begin",
    "bottom",
    "content",
    "dur",
    "end",
    "fit",
    "height",
    "id",
    "left",
    "name",
    "region",
    "right",
    "src",
    "title",
    "top",
    "type",
    "value",
    "width",
    "z-index",
];

//! Bodies: multiparts opened, transfer encodings undone, everything flat in one list of parts.

use std::ops::Range;

use bytes::Bytes;

use crate::Limits;
use crate::mms::content_type::{ContentType, Param, is_token};
use crate::mms::error::{DecodeError, DecodeErrorKind, Warning};
use crate::mms::message::{Body, Disposition, DispositionKind, Part, PartHeader, trim_brackets};
use crate::mms::text::{decode_part, words};

use super::block::{self, RawField};
use super::html::html_to_text;
use super::params;
use crate::mms::transfer::Transfer;

/// A header block and the octets it describes: the message itself, or a part at any depth.
pub(super) struct Entity {
    pub(super) fields: Vec<RawField>,
    pub(super) body: Range<usize>,
    /// Where the header block starts, for errors.
    pub(super) offset: usize,
}

impl Entity {
    /// The declared type, or what RFC 2045 section 5.2 says it is where none is declared.
    pub(super) fn content_type(&self, limits: &Limits) -> ContentType {
        let declared = self.fields.iter().find(|field| field.is("Content-Type"));
        match declared {
            Some(field) => params::content_type(&field.value, limits.params),
            None => ContentType::new("text/plain").with("charset", "us-ascii"),
        }
    }
}

/// Reads multiparts and parts of one message.
pub(super) struct Reader<'a> {
    pub(super) input: &'a Bytes,
    pub(super) limits: &'a Limits,
    pub(super) warnings: &'a mut Vec<Warning>,
}

/// A part, and the innermost multipart/alternative it is a choice of.
struct Leaf {
    part: Part,
    alternative: Option<usize>,
}

impl Reader<'_> {
    /// The body of the whole message. `content_type` is the type of `root`, and `boundary` the
    /// delimiter where it is a multipart that can be opened.
    pub(super) fn body(
        &mut self,
        root: Entity,
        content_type: ContentType,
        boundary: Option<&str>,
    ) -> Result<Body, DecodeError> {
        let Some(boundary) = boundary else {
            return Ok(Body::single(self.part(&root, content_type)));
        };
        let leaves = self.flatten(&root, &content_type, boundary)?;
        let parts = choose(leaves);
        let mut outer = without_boundary(content_type);
        if outer.is("multipart/alternative") {
            // The choice is made: what is left belongs together.
            outer.set_media("multipart/mixed");
        }
        Ok(Body {
            content_type: outer,
            parts,
        })
    }

    /// The delimiter of a multipart: the declared one if it delimits anything, else the one the
    /// first line that can be one shows. `None` where there are no parts to be found.
    pub(super) fn boundary(
        &mut self,
        content_type: &ContentType,
        body: &Range<usize>,
        offset: usize,
    ) -> Option<String> {
        let declared = content_type
            .param("boundary")
            .map(|b| b.trim_end().to_owned())
            .filter(|boundary| !boundary.is_empty());
        if let Some(boundary) = declared
            && self.first_delimiter(body, |line| {
                is_delimiter(line, boundary.as_bytes()).is_some()
            })
        {
            return Some(boundary);
        }
        let mut guess = None;
        self.first_delimiter(body, |line| {
            guess = line
                .strip_prefix(b"--")
                .map(trim_blanks)
                .filter(|boundary| !boundary.is_empty() && !boundary.ends_with(b"--"))
                .and_then(|boundary| std::str::from_utf8(boundary).ok())
                .map(str::to_owned);
            guess.is_some()
        });
        self.warn(
            offset,
            match guess {
                Some(_) => "the boundary of the multipart is not the declared one",
                None => "a multipart without a boundary is read as text",
            },
        );
        guess
    }

    fn flatten(
        &mut self,
        root: &Entity,
        content_type: &ContentType,
        boundary: &str,
    ) -> Result<Vec<Leaf>, DecodeError> {
        let mut leaves = Vec::new();
        let mut seen = 0_usize;
        let mut alternatives = 0_usize;
        // Entities still to be read, the next one last, with their depth and alternative.
        let mut open: Vec<(Entity, usize, Option<usize>)> = Vec::new();
        let mut children = |reader: &mut Self,
                            open: &mut Vec<(Entity, usize, Option<usize>)>,
                            (body, content_type, boundary): (&Range<usize>, &ContentType, &str),
                            depth: usize,
                            alternative: Option<usize>| {
            let alternative = if content_type.is("multipart/alternative") {
                alternatives = alternatives.saturating_add(1);
                Some(alternatives)
            } else {
                alternative
            };
            let left = reader.limits.parts.saturating_sub(seen);
            let regions = reader.split(body, boundary.as_bytes(), left)?;
            seen = seen.saturating_add(regions.len());
            let first = open.len();
            for region in regions {
                let limit = reader.limits.part_headers;
                let block = block::read(reader.input, region.clone(), limit, reader.warnings)?;
                let entity = Entity {
                    fields: block.fields,
                    body: block.body..region.end,
                    offset: region.start,
                };
                open.push((entity, depth, alternative));
            }
            if let Some(new) = open.get_mut(first..) {
                new.reverse();
            }
            Ok::<(), DecodeError>(())
        };
        children(
            self,
            &mut open,
            (&root.body, content_type, boundary),
            1,
            None,
        )?;
        while let Some((entity, depth, alternative)) = open.pop() {
            let content_type = entity.content_type(self.limits);
            if content_type.is_kind("multipart")
                && let Some(boundary) = self.boundary(&content_type, &entity.body, entity.offset)
            {
                if depth >= self.limits.nesting {
                    return Err(limit(
                        entity.offset,
                        "levels of multipart",
                        self.limits.nesting,
                    ));
                }
                let inner = (&entity.body, &content_type, boundary.as_str());
                children(self, &mut open, inner, depth.saturating_add(1), alternative)?;
                continue;
            }
            leaves.push(Leaf {
                part: self.part(&entity, content_type),
                alternative,
            });
        }
        Ok(leaves)
    }

    /// The parts between the delimiters of a multipart: each without the line break that belongs
    /// to the delimiter after it.
    fn split(
        &mut self,
        body: &Range<usize>,
        boundary: &[u8],
        most: usize,
    ) -> Result<Vec<Range<usize>>, DecodeError> {
        let mut regions: Vec<Range<usize>> = Vec::new();
        let mut start = None;
        let mut at = body.start;
        while let Some(line) = block::line_at(self.input, at, body.end) {
            if let Some(last) = is_delimiter(line.content, boundary) {
                if let Some(start) = start {
                    if regions.len() >= most {
                        return Err(limit(start, "parts", self.limits.parts));
                    }
                    regions.push(start..self.before_break(start, at));
                }
                if last {
                    return Ok(regions);
                }
                start = Some(line.next);
            }
            at = line.next;
        }
        self.warn(body.end, "a multipart has no closing delimiter");
        // A last delimiter with nothing behind it is a closing one that lost its hyphens.
        if let Some(start) = start.filter(|start| *start < body.end) {
            if regions.len() >= most {
                return Err(limit(start, "parts", self.limits.parts));
            }
            regions.push(start..body.end);
        }
        Ok(regions)
    }

    fn part(&mut self, entity: &Entity, content_type: ContentType) -> Part {
        let mut content_type = content_type;
        if content_type.is_kind("multipart") {
            // A multipart that cannot be opened is text, as RFC 2046 section 5.1.1 has it.
            content_type = ContentType::new("text/plain");
        }
        let mut part = Part::new(content_type, Bytes::new());
        let mut transfer = Transfer::Identity;
        for field in &entity.fields {
            match field.name.to_ascii_lowercase().as_str() {
                "content-type" | "content-length" | "mime-version" => {}
                "content-transfer-encoding" => {
                    let (named, known) = Transfer::from_name(&field.value);
                    transfer = named;
                    if !known {
                        self.warn(field.offset, "the transfer encoding is unknown");
                    }
                }
                "content-id" if part.content_id.is_none() => {
                    let id = words::decode_words(&field.value);
                    let id = trim_brackets(&id);
                    part.content_id = (!id.is_empty()).then(|| id.to_owned());
                }
                "content-location" if part.content_location.is_none() => {
                    let location = words::decode_words(&params::unquote(&field.value));
                    part.content_location = (!location.is_empty()).then_some(location);
                }
                "content-disposition" if part.disposition.is_none() => {
                    part.disposition = Some(disposition(&field.value, self.limits.params));
                }
                _ => part.other.push(PartHeader::Text {
                    name: field.name.clone(),
                    value: field.value.clone(),
                }),
            }
        }
        let raw = slice(self.input, &entity.body);
        part.data = match transfer.decode(&raw) {
            Some(decoded) => decoded.into(),
            None => raw,
        };
        part
    }

    /// Whether any line of `body` is one that `wanted` wants.
    fn first_delimiter(&self, body: &Range<usize>, mut wanted: impl FnMut(&[u8]) -> bool) -> bool {
        let mut at = body.start;
        while let Some(line) = block::line_at(self.input, at, body.end) {
            if wanted(line.content) {
                return true;
            }
            at = line.next;
        }
        false
    }

    /// `end` without the line break in front of it, but not before `start`.
    fn before_break(&self, start: usize, end: usize) -> usize {
        let before = match self.input.get(start..end) {
            Some([.., b'\r', b'\n']) => end.saturating_sub(2),
            Some([.., b'\n']) => end.saturating_sub(1),
            _ => end,
        };
        before.max(start)
    }

    fn warn(&mut self, offset: usize, message: &str) {
        self.warnings.push(Warning {
            offset,
            message: message.to_owned(),
        });
    }
}

/// A view into the message, empty where the range is outside.
fn slice(input: &Bytes, range: &Range<usize>) -> Bytes {
    match input.get(range.clone()) {
        Some(octets) if !octets.is_empty() => input.slice_ref(octets),
        _ => Bytes::new(),
    }
}

fn limit(offset: usize, what: &'static str, limit: usize) -> DecodeError {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    DecodeError::new(offset, DecodeErrorKind::Limit { what, limit })
}

/// Whether a line delimits parts, and if so, whether it is the closing one. White space behind the
/// delimiter is allowed (RFC 2046 section 5.1.1) and common.
fn is_delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    match trim_blanks(rest) {
        b"" => Some(false),
        b"--" => Some(true),
        _ => None,
    }
}

fn trim_blanks(octets: &[u8]) -> &[u8] {
    let mut rest = octets;
    while let [before @ .., b' ' | b'\t'] = rest {
        rest = before;
    }
    rest
}

fn without_boundary(mut content_type: ContentType) -> ContentType {
    content_type.remove_param("boundary");
    content_type
}

fn disposition(text: &str, limit: usize) -> Disposition {
    let (kind, params) = params::parse(text, limit);
    let (names, params): (Vec<Param>, Vec<Param>) = params
        .into_iter()
        .partition(|param| param.name == "filename");
    let kind = match kind.to_ascii_lowercase().as_str() {
        "attachment" | "" => DispositionKind::Attachment,
        "form-data" => DispositionKind::FormData,
        "inline" => DispositionKind::Inline,
        other if other.bytes().all(is_token) => DispositionKind::Other(kind),
        // What is no type at all is saved and not shown, as one that nobody knows (RFC 2183
        // section 2.8).
        _ => DispositionKind::Attachment,
    };
    Disposition {
        kind,
        filename: names.into_iter().next().map(|param| param.value),
        params,
    }
}

/// The parts, with the choice of every multipart/alternative made: text/plain where there is one,
/// else the first text/html as text. Parts of other types stay: they are pictures of the HTML, or
/// a presentation beside it.
fn choose(leaves: Vec<Leaf>) -> Vec<Part> {
    let has_plain: Vec<usize> = leaves
        .iter()
        .filter(|leaf| leaf.part.content_type.is("text/plain"))
        .filter_map(|leaf| leaf.alternative)
        .collect();
    let mut converted = Vec::new();
    let mut parts = Vec::with_capacity(leaves.len());
    for Leaf {
        mut part,
        alternative,
    } in leaves
    {
        if let Some(choice) = alternative
            && part.content_type.is("text/html")
        {
            if has_plain.contains(&choice) || converted.contains(&choice) {
                continue;
            }
            converted.push(choice);
            part.data = html_to_text(&decode_part(&part).text).into_bytes().into();
            part.content_type = ContentType::new("text/plain").with("charset", "utf-8");
        }
        parts.push(part);
    }
    parts
}

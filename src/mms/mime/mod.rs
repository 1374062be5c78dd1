//! MIME messages: MM4 (TS 23.140 section 8.4), e-mail (MM3), and the multiparts of MM7.
//!
//! [`decode`] reads what MMSCs and mail programs really send; [`encode`] writes what RFC 5322,
//! 2045, 2046, 2047 and 2231 ask for.
//!
//! # Why the reader is ours
//!
//! A mail library gives text parts as re-decoded strings, loses the octets behind them and the
//! order and spelling of headers, and does not know the input that MM4 and MM7 peers produce: HTTP
//! start lines, bodies without any header, boundaries with trailing blanks, header blocks without
//! an empty line behind them. A part here is a view into the input wherever its transfer encoding
//! allows, and every bound of [`Limits`] is checked before anything is kept. The tests compare the
//! result with an independent mail library.
//!
//! # What a round trip changes
//!
//! `decode(encode(m))` is `m`, except that
//!
//! * multipart types have their MIME names ([`mime_name`]), and a multipart/alternative has been
//!   reduced to the best choice and is multipart/mixed;
//! * a multipart without parts has one empty text part;
//! * the charset of header texts is UTF-8 where they are not ASCII, charset parameters have their
//!   IANA names, and a media type that is none is `application/octet-stream`, or
//!   `multipart/mixed` where it holds parts;
//! * control characters in header texts are spaces, and so are CR, LF and NUL in texts of parts'
//!   headers and file names; in identifiers, addresses and header names
//!   they are an [`EncodeError::BadText`](crate::mms::EncodeError::BadText);
//! * addresses have no white space around them, and their display names are in quotes where they
//!   need them;
//! * textual headers that are not ASCII are encoded words, and those that name a known field and
//!   hold a value of its form are that field;
//! * what MIME cannot say is gone: undecoded octets of unknown headers, the insert-address token,
//!   enumeration octets without a name, empty Content-IDs and Content-Locations, parameters whose
//!   name is no token, textual headers that describe the MIME structure itself;
//! * a body that is no multipart shares its header block with the message: part headers that do
//!   not begin with `Content-` come back as headers of the message, and the other way round; those
//!   that name a field of messages, such as To, are left out.
//!
//! A second round trip changes nothing.

mod address;
mod block;
mod body;
pub mod date;
mod fields;
mod html;
mod params;
mod write;

pub use html::html_to_text;
pub use write::encode;

use std::ops::Range;

use bytes::Bytes;

use crate::Limits;

use super::content_type::ContentType;
use super::error::{DecodeError, DecodeErrorKind, Decoded, Warning};
use super::header::Headers;
use super::message::{Disposition, DispositionKind, Message, PartHeader};

use block::{Block, RawField};
use body::{Entity, Reader};

/// Reads a MIME message.
///
/// In front of it, an mbox `From ` line, an HTTP request or status line and empty lines are passed
/// over. A multipart without any header in front is known by its first delimiter. Nested multiparts
/// come out flat, in document order; `application/vnd.oma.drm.message` is not opened. A message
/// without a body, as MM4 responses are, has one empty text part.
///
/// # Errors
///
/// An empty input, one that starts with no header field, and one beyond a bound of `limits`.
/// Anything else is read as well as it can be, with warnings.
pub fn decode(input: &Bytes, limits: &Limits) -> Result<Decoded<Message>, DecodeError> {
    if input.len() > limits.message_bytes {
        return Err(DecodeError::new(
            limits.message_bytes,
            DecodeErrorKind::Limit {
                what: "octets of a message",
                limit: u64::try_from(limits.message_bytes).unwrap_or(u64::MAX),
            },
        ));
    }
    let mut warnings = Vec::new();
    let start = skip_front(input);
    if start >= input.len() {
        return Err(DecodeError::new(0, DecodeErrorKind::Empty));
    }
    let bare = input
        .get(start..)
        .is_some_and(|rest| rest.starts_with(b"--"));
    let block = if bare {
        Block {
            fields: Vec::new(),
            body: start,
        }
    } else {
        block::read(input, start..input.len(), limits.headers, &mut warnings)?
    };
    if block.fields.is_empty() && !bare {
        return Err(DecodeError::new(
            start,
            DecodeErrorKind::Missing("the MIME header"),
        ));
    }
    let message = read(input, block, start, limits, &mut warnings)?;
    Ok(Decoded {
        value: message,
        warnings,
    })
}

/// The MIME name of a container type: `multipart/related` for
/// `application/vnd.wap.multipart.related`. Any other type as it is.
#[must_use]
pub fn mime_name(media: &str) -> String {
    match strip_prefix(media, WAP) {
        Some(kind) => format!("multipart/{kind}"),
        None => media.to_owned(),
    }
}

/// The WAP name of a container type: `application/vnd.wap.multipart.related` for
/// `multipart/related`. Any other type as it is.
#[must_use]
pub fn wap_name(media: &str) -> String {
    match strip_prefix(media, "multipart/") {
        Some(kind) => format!("{WAP}{kind}"),
        None => media.to_owned(),
    }
}

const WAP: &str = "application/vnd.wap.multipart.";

fn strip_prefix<'a>(media: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, kind) = media.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(kind)
}

fn read(
    input: &Bytes,
    block: Block,
    start: usize,
    limits: &Limits,
    warnings: &mut Vec<Warning>,
) -> Result<Message, DecodeError> {
    let body: Range<usize> = block.body..input.len();
    let bare = block.fields.is_empty();
    let mut headers = Headers::new();
    let (content, fields): (Vec<RawField>, Vec<RawField>) =
        block.fields.into_iter().partition(|field| {
            let name = field.name.to_ascii_lowercase();
            name.starts_with("content-") || is_structure(&name)
        });
    let mut root = Entity {
        fields: content,
        body: body.clone(),
        offset: start,
    };
    let content_type = if bare {
        ContentType::new("multipart/mixed")
    } else {
        root.content_type(limits)
    };
    let mut reader = Reader {
        input,
        limits,
        warnings,
    };
    let boundary = if content_type.is_kind("multipart") {
        reader.boundary(&content_type, &body, start)
    } else {
        None
    };
    let mut textual = Vec::new();
    root.fields.retain(|field| !field.is("MIME-Version"));
    if boundary.is_some() {
        // What describes the outer multipart belongs to the message.
        let (structure, other) = root
            .fields
            .into_iter()
            .partition(|field| is_structure(&field.name.to_ascii_lowercase()));
        root.fields = structure;
        textual = other;
    }
    let mut body = reader.body(root, content_type, boundary.as_deref())?;
    if bare {
        name_bare(&mut body);
    }
    let mut all: Vec<RawField> = fields.into_iter().chain(textual).collect();
    all.sort_by_key(|field| field.offset);
    for field in &all {
        fields::read(field, &mut headers, reader.warnings);
        if headers.len() > limits.headers {
            return Err(DecodeError::new(
                field.offset,
                DecodeErrorKind::Limit {
                    what: "header fields",
                    limit: u64::try_from(limits.headers).unwrap_or(u64::MAX),
                },
            ));
        }
    }
    Ok(Message { headers, body })
}

/// Gives a multipart that came without a header the type its first part tells: the envelope of
/// MM7, a form, or parts of equal rank.
fn name_bare(body: &mut super::message::Body) {
    let Some(first) = body.parts.first().filter(|_| body.is_multipart()) else {
        return;
    };
    let form = Some(DispositionKind::FormData);
    body.content_type = if first.content_type.is("text/xml") {
        ContentType::new("multipart/related").with("type", "text/xml")
    } else if first
        .disposition
        .as_ref()
        .map(|d: &Disposition| d.kind.clone())
        == form
    {
        ContentType::new("multipart/form-data")
    } else {
        ContentType::new("multipart/mixed")
    };
}

/// Whether a header, by its name in lower case, describes the MIME structure and nothing else.
fn is_structure(name: &str) -> bool {
    matches!(
        name,
        "content-type"
            | "content-transfer-encoding"
            | "content-length"
            | "mime-version"
            | "transfer-encoding"
    )
}

/// Where the message starts: behind empty lines, an mbox line or an HTTP start line.
fn skip_front(input: &[u8]) -> usize {
    let mut at = if input.starts_with(b"\xEF\xBB\xBF") {
        3
    } else {
        0
    };
    let mut start_line = false;
    while let Some(line) = block::line_at(input, at, input.len()) {
        let content = line.content;
        let is_blank = content.iter().all(|octet| matches!(octet, b' ' | b'\t'));
        if !start_line && is_start_line(content) {
            start_line = true;
        } else if !is_blank {
            break;
        }
        at = line.next;
    }
    at
}

/// Whether a line is the first one of an mbox entry, an HTTP request or an HTTP response. A header
/// is none, whatever its value looks like: its first word ends with a colon.
fn is_start_line(line: &[u8]) -> bool {
    let word = line
        .split(|octet| *octet == b' ')
        .next()
        .unwrap_or_default();
    !word.contains(&b':')
        && (line.starts_with(b"From ")
            || line.starts_with(b"HTTP/")
            || line.ends_with(b" HTTP/1.1")
            || line.ends_with(b" HTTP/1.0"))
}

/// Whether a part header is one that a message with a single body keeps for the part.
fn is_part_header(header: &PartHeader) -> bool {
    match header {
        PartHeader::Text { name, .. } => !is_structure(&name.to_ascii_lowercase()),
        PartHeader::WellKnown { .. } => false,
    }
}

#[cfg(test)]
mod tests;

//! The writer.

use sha2::{Digest, Sha256};

use crate::mms::content_type::ContentType;
use crate::mms::error::EncodeError;
use crate::mms::header::{Field, HeaderName, HeaderValue};
use crate::mms::message::{Disposition, DispositionKind, Message, Part, PartHeader};
use crate::mms::text::words;

use super::block::split_field;
use super::{fields, is_part_header, is_structure, mime_name, params, wap_name};
use crate::mms::transfer;

/// Writes a message as MIME: CRLF, lines of at most 998 octets, 7-bit, headers in their order.
///
/// The output depends on the message alone. Text goes as 7bit or quoted-printable, everything else
/// as base64. Bcc is written like every other field: take it away before the message leaves for
/// its recipients. What a reader gets back is said in the [module documentation](super).
///
/// # Errors
///
/// [`EncodeError::BadText`] for a line break or NUL in an identifier, an address or the name of a
/// header; [`EncodeError::TooLong`] for a header name nobody could mean;
/// [`EncodeError::Body`] for a body that is no multipart and has not exactly one part.
pub fn encode(message: &Message) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    let mut list: Option<(String, String)> = None;
    for header in &message.headers {
        if let HeaderName::Text(name) = &header.name
            && is_structure(&name.to_ascii_lowercase())
        {
            continue;
        }
        check(&header.name, &header.value)?;
        let Some((name, value)) = fields::write(&header.name, &header.value) else {
            continue;
        };
        // RFC 5322 section 3.6 allows one list of addresses of each kind.
        match &mut list {
            Some((open, addresses)) if *open == name => {
                addresses.push_str(", ");
                addresses.push_str(&value);
                continue;
            }
            _ => {}
        }
        if let Some((name, addresses)) = list.take() {
            push_field(&name, &addresses, &mut out)?;
        }
        let is_list = matches!(
            header.name,
            HeaderName::Field(Field::To | Field::Cc | Field::Bcc)
        );
        if is_list {
            list = Some((name, value));
        } else {
            push_field(&name, &value, &mut out)?;
        }
    }
    if let Some((name, addresses)) = list {
        push_field(&name, &addresses, &mut out)?;
    }
    push_field("MIME-Version", "1.0", &mut out)?;
    let body = &message.body;
    if !body.is_multipart() {
        let [part] = body.parts.as_slice() else {
            return Err(EncodeError::Body {
                pdu: "a MIME message",
                problem: "without a multipart type has exactly one part",
            });
        };
        push_part(part, true, &mut out)?;
        return Ok(out);
    }
    let mut parts = Vec::with_capacity(body.parts.len().max(1));
    for part in &body.parts {
        let mut written = Vec::new();
        push_part(part, false, &mut written)?;
        parts.push(written);
    }
    if parts.is_empty() {
        parts.push(b"Content-Type: text/plain; charset=us-ascii\r\n\r\n".to_vec());
    }
    let boundary = boundary(&parts);
    let mut outer = ContentType::new(mime_name(body.content_type.media()));
    for param in body.content_type.params() {
        if param.name != "boundary" {
            outer.push_param(&param.name, param.value.as_str());
        }
    }
    let mut line = content_type_line(&outer, "multipart/mixed");
    params::push("boundary", &boundary, &mut line);
    push_field("Content-Type", &line, &mut out)?;
    for part in &parts {
        out.extend_from_slice(b"\r\n--");
        out.extend_from_slice(boundary.as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(b"--\r\n");
    Ok(out)
}

/// Longest line that is written without folding it.
const FOLD: usize = 76;
/// Longest header name.
const NAME: usize = 200;

/// Refuses a value that names or addresses something and holds a line break or NUL: to change it
/// would make it name something else.
fn check(name: &HeaderName, value: &HeaderValue) -> Result<(), EncodeError> {
    let identifies = matches!(
        name,
        HeaderName::Field(
            Field::From | Field::To | Field::Cc | Field::Bcc | Field::PreviouslySentBy
        )
    );
    let text = match value {
        HeaderValue::Text(text) => Some(text),
        HeaderValue::Encoded(encoded) if identifies => Some(&encoded.text),
        HeaderValue::From(Some(encoded)) => Some(&encoded.text),
        HeaderValue::Counted(_, inner) => return check_counted(name, inner),
        _ => None,
    };
    match text {
        Some(text) if text.contains(['\r', '\n', '\0']) => Err(EncodeError::BadText {
            what: name.as_text().into_owned(),
        }),
        _ => Ok(()),
    }
}

fn check_counted(name: &HeaderName, value: &HeaderValue) -> Result<(), EncodeError> {
    match value {
        // Counts do not nest in any field; the writer leaves such a header out.
        HeaderValue::Counted(..) => Ok(()),
        inner => check(name, inner),
    }
}

/// Writes a part: its headers, an empty line, and its data so coded that a reader gets exactly it.
fn push_part(part: &Part, is_whole_body: bool, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let mut content_type = part.content_type.clone();
    if content_type.is_kind("multipart") {
        // Its octets are not MIME, or it would have been opened.
        content_type.set_media(wap_name(content_type.media()));
    }
    push_field(
        "Content-Type",
        &content_type_line(&content_type, OPAQUE),
        out,
    )?;
    let (encoding, data) = code(part, is_whole_body);
    if encoding != "7bit" {
        push_field("Content-Transfer-Encoding", encoding, out)?;
    }
    if let Some(id) = part.content_id.as_deref().filter(|id| !id.is_empty()) {
        push_field("Content-ID", &words::encode_words(&format!("<{id}>")), out)?;
    }
    if let Some(location) = part.content_location.as_deref().filter(|l| !l.is_empty()) {
        let value = if location.starts_with('"') {
            words::encode_whole(location)
        } else {
            words::encode_words(location)
        };
        push_field("Content-Location", &value, out)?;
    }
    if let Some(disposition) = &part.disposition {
        push_field("Content-Disposition", &disposition_line(disposition), out)?;
    }
    for header in part.other.iter().filter(|header| is_part_header(header)) {
        match header {
            // A part has no say in who a message is for, where the two share a block of headers.
            PartHeader::Text { name, .. } if is_whole_body && fields::is_known(name) => {}
            PartHeader::Text { name, value } => push_field(name, &fields::textual(value), out)?,
            _ => {}
        }
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&data);
    Ok(())
}

/// What a part of no sound type is.
const OPAQUE: &str = "application/octet-stream";

/// The type with its parameters; `fallback` in place of a type that no header can carry.
fn content_type_line(content_type: &ContentType, fallback: &str) -> String {
    let media = content_type.media();
    let valid = !media.is_empty()
        && media
            .bytes()
            .all(|octet| octet == b'/' || crate::mms::content_type::is_token(octet));
    let mut line = if valid { media } else { fallback }.to_owned();
    for param in content_type.params() {
        params::push(&param.name, &param.value, &mut line);
    }
    line
}

fn disposition_line(disposition: &Disposition) -> String {
    let mut line = match &disposition.kind {
        DispositionKind::Attachment => "attachment",
        DispositionKind::FormData => "form-data",
        DispositionKind::Inline => "inline",
        DispositionKind::Other(kind)
            if !kind.is_empty() && kind.bytes().all(crate::mms::content_type::is_token) =>
        {
            kind
        }
        DispositionKind::Other(_) => "attachment",
    }
    .to_owned();
    if let Some(name) = &disposition.filename {
        params::push("filename", name, &mut line);
    }
    for param in disposition.params.iter().filter(|p| p.name != "filename") {
        params::push(&param.name, &param.value, &mut line);
    }
    line
}

/// The transfer encoding of a part and its data in it.
fn code(part: &Part, is_whole_body: bool) -> (&'static str, Vec<u8>) {
    let data = part.data.as_ref();
    let content_type = &part.content_type;
    let is_text = content_type.is_kind("text") || part.is_presentation();
    if is_text
        && is_seven_bit(data)
        && (!is_whole_body || data.is_empty() || data.ends_with(b"\r\n"))
    {
        return ("7bit", data.to_vec());
    }
    let breaks = data.windows(2).filter(|pair| pair == b"\r\n").count();
    let plain = data
        .iter()
        .filter(|octet| matches!(octet, b' '..=b'~'))
        .count();
    let kept = plain.saturating_add(breaks.saturating_mul(2));
    let escaped = data.len().saturating_sub(kept);
    // Beyond a sixth of escapes base64 is shorter; NUL means UTF-16, where lines are no lines.
    if is_text && escaped <= data.len() / 6 && !data.contains(&0) {
        ("quoted-printable", transfer::to_quoted_printable(data))
    } else {
        ("base64", transfer::to_base64(data))
    }
}

/// Whether data can go as it is: ASCII in short lines with CRLF, nothing on the way would touch.
fn is_seven_bit(data: &[u8]) -> bool {
    let mut start_of_line = true;
    let mut length = 0_usize;
    let mut rest = data;
    while let [first, after @ ..] = rest {
        rest = match rest {
            [b'\r', b'\n', after @ ..] => {
                start_of_line = true;
                length = 0;
                after
            }
            [b' ' | b'\t', b'\r', b'\n', ..] | [b' ' | b'\t'] => return false,
            _ if start_of_line && (*first == b'.' || rest.starts_with(b"From ")) => return false,
            [b'\t' | b' '..=b'~', ..] if length < 900 => {
                start_of_line = false;
                length = length.saturating_add(1);
                after
            }
            _ => return false,
        };
    }
    true
}

/// A boundary that is in no part. `=_` at its start can be in no base64 or quoted-printable line.
fn boundary(parts: &[Vec<u8>]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    loop {
        let digest = hash.clone().finalize();
        let name: String = digest.iter().take(16).map(|o| format!("{o:02x}")).collect();
        let boundary = format!("=_{name}");
        let inside = |part: &Vec<u8>| {
            part.windows(boundary.len())
                .any(|window| window == boundary.as_bytes())
        };
        if !parts.iter().any(inside) {
            return boundary;
        }
        hash.update(b"again");
    }
}

/// Appends a header field, folded.
fn push_field(name: &str, value: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    if name.len() > NAME {
        return Err(EncodeError::TooLong("a header name"));
    }
    let line = format!("{name}: {value}");
    let is_field = split_field(line.as_bytes()).is_some_and(|(read, _)| read == name);
    if !is_field || value.contains(['\r', '\n', '\0']) {
        return Err(EncodeError::BadText {
            what: words::encode_words(name),
        });
    }
    let mut length = 0_usize;
    for (index, piece) in pieces(&line).enumerate() {
        // The first piece is the name, which keeps the start of its value beside it.
        if index > 1 && length.saturating_add(piece.len()) > FOLD {
            out.extend_from_slice(b"\r\n");
            length = 0;
        }
        out.extend_from_slice(piece.as_bytes());
        length = length.saturating_add(piece.len());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// The line cut in front of each run of white space: each piece after the first is white space and
/// the text that follows it.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let text = rest
            .find(|c| !matches!(c, ' ' | '\t'))
            .unwrap_or(rest.len());
        let end = rest
            .get(text..)
            .and_then(|after| after.find([' ', '\t']))
            .map_or(rest.len(), |at| at.saturating_add(text));
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(piece)
    })
}

//! Reading a PDU.

use bytes::Bytes;

use super::{Pdu, PduType, foreign, values};
use crate::Limits;
use crate::mms::content_type::ContentType;
use crate::mms::error::{DecodeError, DecodeErrorKind, Decoded};
use crate::mms::header::{Field, Header, HeaderName, HeaderValue, Headers, ValueForm};
use crate::mms::message::{Body, Part};
use crate::mms::multipart::{over, read_parts};
use crate::mms::wsp::{Notes, Reader, Value, is_token_text, plain_text, read_content_type};

/// Headers that nearly every PDU has room for.
const USUAL_HEADERS: usize = 16;

/// How far the end of a text without its Quote is looked for: every header may look like one.
const LONGEST_BARE_TEXT: usize = 1024;

/// Reads one PDU. The data of its parts are views into `input`.
///
/// # Errors
/// Where the octets are something else, the message type or the major version is unknown, the
/// structure is lost, or a bound of `limits` is passed. A value that is merely odd is kept as
/// octets, with a warning.
pub fn decode(input: &Bytes, limits: &Limits) -> Result<Decoded<Pdu>, DecodeError> {
    if input.is_empty() {
        return Err(DecodeError::new(0, DecodeErrorKind::Empty));
    }
    if input.len() > limits.message_bytes {
        return Err(over("octets", limits.message_bytes, limits.message_bytes));
    }
    if let Some(kind) = foreign(input) {
        let kind = DecodeErrorKind::WrongKind(kind.to_owned());
        return Err(DecodeError::new(0, kind));
    }
    let mut head = Head {
        input,
        reader: Reader::new(input),
        pdu_type: None,
        headers: Vec::with_capacity(USUAL_HEADERS),
        placed: Placed::default(),
        notes: Notes::new(),
    };
    let content_type = head.read(limits)?;
    let Some(pdu_type) = head.pdu_type else {
        let missing = DecodeErrorKind::Missing("X-Mms-Message-Type");
        return Err(DecodeError::new(head.reader.offset(), missing));
    };
    let mut notes = head.notes;
    let start = head.reader.offset();
    let body = match content_type {
        Some(content_type) => Some(read_body(input, start, content_type, limits, &mut notes)?),
        None => None,
    };
    Ok(Decoded {
        value: Pdu {
            pdu_type,
            headers: Headers::from(head.headers),
            body,
        },
        warnings: notes.into_warnings(),
    })
}

fn read_body(
    input: &Bytes,
    start: usize,
    content_type: ContentType,
    limits: &Limits,
    notes: &mut Notes,
) -> Result<Body, DecodeError> {
    if !content_type.is_multipart() {
        let data = input.slice(start..);
        return Ok(Body::single(Part::new(content_type, data)));
    }
    let parts = if start == input.len() {
        notes.add(start, "a multipart without a count of its parts");
        Vec::new()
    } else {
        read_parts(input, start, limits, notes)?
    };
    Ok(Body {
        content_type,
        parts,
    })
}

/// The headers while they are read.
struct Head<'a> {
    input: &'a Bytes,
    reader: Reader<'a>,
    pdu_type: Option<PduType>,
    headers: Vec<Header>,
    placed: Placed,
    notes: Notes,
}

/// Which of the headers with a fixed place are in it.
#[derive(Debug, Default)]
struct Placed {
    transaction_id: bool,
    version: bool,
}

impl<'a> Head<'a> {
    /// Reads up to and with Content-Type, which ends the headers, or to the end.
    fn read(&mut self, limits: &Limits) -> Result<Option<ContentType>, DecodeError> {
        while let Some(first) = self.reader.peek() {
            if first == 0 && self.reader.rest().iter().all(|octet| *octet == 0) {
                let message = "zero octets behind the last header";
                self.notes.add(self.reader.offset(), message);
                break;
            }
            if self.headers.len() >= limits.headers {
                return Err(over("headers", limits.headers, self.reader.offset()));
            }
            if first < 0x80 {
                self.read_textual()?;
                continue;
            }
            let start = self.reader.offset();
            self.reader.octet("a header")?;
            match Field::from_code(first & 0x7F) {
                Some(Field::ContentType) => {
                    return read_content_type(&mut self.reader, &mut self.notes).map(Some);
                }
                Some(Field::MessageType) => self.read_type(start)?,
                Some(field) => self.read_field(field)?,
                None => {
                    self.notes.add(start, "an unknown header");
                    let value = self.raw()?;
                    self.push(HeaderName::Unknown(first & 0x7F), value);
                }
            }
        }
        Ok(None)
    }

    fn read_type(&mut self, start: usize) -> Result<(), DecodeError> {
        let at = self.reader.offset();
        let Value::Short(octet) = self.reader.value("X-Mms-Message-Type")? else {
            let kind = DecodeErrorKind::Malformed("X-Mms-Message-Type");
            return Err(DecodeError::new(at, kind));
        };
        match PduType::from_octet(octet) {
            Some(_) if self.pdu_type.is_some() => {
                self.notes
                    .add(start, "a second X-Mms-Message-Type, left out");
            }
            Some(pdu_type) => self.pdu_type = Some(pdu_type),
            None => {
                let kind = DecodeErrorKind::UnknownMessageType(octet);
                return Err(DecodeError::new(at, kind));
            }
        }
        Ok(())
    }

    fn read_field(&mut self, field: Field) -> Result<(), DecodeError> {
        let at = self.reader.offset();
        let form = field.form();
        let mut cut = None;
        let value = match self.bare_text(form) {
            Some(text) => Value::Text(text),
            None => match self.reader.value(field.name()) {
                Ok(value) => value,
                Err(error) => Value::Text(cut.insert(self.cut_short(error)?)),
            },
        };
        let value = match values::read(form, &value, at, &mut self.notes) {
            Some(value) => value,
            None => {
                self.notes.add(at, odd_value(field));
                HeaderValue::Raw(match cut {
                    Some(text) => ended(text),
                    None => self.input.slice(at..self.reader.offset()),
                })
            }
        };
        if field == Field::MmsVersion {
            check_version(&value, at)?;
        }
        self.push(HeaderName::Field(field), value);
        Ok(())
    }

    fn read_textual(&mut self) -> Result<(), DecodeError> {
        let start = self.reader.offset();
        let name = match self.reader.peek() {
            Some(0x21..) => self.reader.text("a header name")?,
            _ => return Err(self.reader.malformed("a header name")),
        };
        if !is_token_text(name) {
            let kind = DecodeErrorKind::Malformed("a header name");
            return Err(DecodeError::new(start, kind));
        }
        let name = plain_text(name, start, &mut self.notes);
        let at = self.reader.offset();
        let value = match self.reader.value("a textual header") {
            Ok(value) => value,
            Err(error) => Value::Text(self.cut_short(error)?),
        };
        let value = match value.as_text() {
            Some(text) => HeaderValue::Text(plain_text(text, at, &mut self.notes)),
            None => HeaderValue::Raw(self.input.slice(at..self.reader.offset())),
        };
        self.push(HeaderName::Text(name), value);
        Ok(())
    }

    /// The octets of the next value, whatever its form.
    fn raw(&mut self) -> Result<HeaderValue, DecodeError> {
        let at = self.reader.offset();
        Ok(HeaderValue::Raw(
            match self.reader.value("an unknown header") {
                Ok(_) => self.input.slice(at..self.reader.offset()),
                Err(error) => ended(self.cut_short(error)?),
            },
        ))
    }

    /// The rest of the input where it is a text that lacks its NUL: the end of a push cut short.
    fn cut_short(&mut self, error: DecodeError) -> Result<&'a [u8], DecodeError> {
        match error.kind {
            DecodeErrorKind::Unterminated(_) => {
                self.notes
                    .add(self.reader.offset(), "the last text has no end");
                Ok(self.reader.open_text().0)
            }
            _ => Err(error),
        }
    }

    /// A text in UTF-8 whose first octet lacks the Quote in front of it.
    fn bare_text(&mut self, form: ValueForm) -> Option<&'a [u8]> {
        let first = self.reader.peek()?;
        if first < 0xC2 || !matches!(form, ValueForm::Text | ValueForm::Encoded) {
            return None;
        }
        let rest = self.reader.rest();
        let near = rest.get(..LONGEST_BARE_TEXT).unwrap_or(rest);
        let text = Reader::new(near).text("a text").ok()?;
        std::str::from_utf8(text).ok()?;
        self.notes
            .add(self.reader.offset(), "a text without a quote octet");
        // Found above: this passes over it and its NUL.
        self.reader.text("a text").ok()
    }

    /// Appends a header; X-Mms-Transaction-Id and X-Mms-MMS-Version go to their fixed places.
    fn push(&mut self, name: HeaderName, value: HeaderValue) {
        let place = match name {
            HeaderName::Field(Field::TransactionId) if !self.placed.transaction_id => {
                self.placed.transaction_id = true;
                Some(0)
            }
            HeaderName::Field(Field::MmsVersion) if !self.placed.version => {
                self.placed.version = true;
                Some(usize::from(self.placed.transaction_id))
            }
            _ => None,
        };
        let header = Header { name, value };
        match place {
            Some(place) => self.headers.insert(place, header),
            None => self.headers.push(header),
        }
    }
}

/// A text cut short with the NUL that makes it a value.
fn ended(text: &[u8]) -> Bytes {
    let mut octets = Vec::with_capacity(text.len().saturating_add(1));
    octets.extend_from_slice(text);
    octets.push(0);
    octets.into()
}

fn odd_value(field: Field) -> String {
    let mut message = String::from("an odd value of ");
    message.push_str(field.name());
    message.push_str(", kept as octets");
    message
}

/// A PDU of another major version has a meaning we cannot know.
fn check_version(value: &HeaderValue, at: usize) -> Result<(), DecodeError> {
    let version = match value {
        HeaderValue::Token(octet) if (octet >> 4) & 0x07 == 1 => return Ok(()),
        HeaderValue::Text(text) if text == "1" || text.starts_with("1.") => return Ok(()),
        HeaderValue::Token(octet) => values::version_text(*octet),
        HeaderValue::Text(text) => text.clone(),
        _ => return Ok(()),
    };
    let kind = DecodeErrorKind::UnsupportedVersion(version);
    Err(DecodeError::new(at, kind))
}

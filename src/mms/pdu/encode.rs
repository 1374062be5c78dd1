//! Writing a PDU.

use super::types::BodyRule;
use super::{Pdu, values};
use crate::mms::error::EncodeError;
use crate::mms::header::{Field, Header, HeaderName, HeaderValue};
use crate::mms::message::Body;
use crate::mms::multipart::{is_one_value, room, write_parts};
use crate::mms::wsp::{Writer, is_token_text, write_content_type};

/// Octets that the headers are likely to take.
const USUAL_HEAD: usize = 256;

/// Writes one PDU.
///
/// # Errors
/// Where a mandatory header is missing, a body is missing or not allowed, a value is not of the
/// form of its field, or a text has no coding.
pub fn encode(pdu: &Pdu) -> Result<Vec<u8>, EncodeError> {
    check(pdu)?;
    encode_partial(pdu)
}

/// Writes one PDU without asking for what is mandatory: for a message of somebody else's that
/// came in without it and goes on.
///
/// # Errors
/// Where a value is not of the form of its field, or a text has no coding.
pub fn encode_partial(pdu: &Pdu) -> Result<Vec<u8>, EncodeError> {
    let body = pdu.body.as_ref().map_or(0, |body| room(&body.parts));
    let mut writer = Writer::with_capacity(USUAL_HEAD.saturating_add(body));
    write(&mut writer, pdu)?;
    Ok(writer.into_octets())
}

/// How many octets [`encode_partial`] would write, without copying the data of the parts.
///
/// # Errors
/// Those of [`encode_partial`].
pub fn encoded_len(pdu: &Pdu) -> Result<usize, EncodeError> {
    let mut writer = Writer::counting();
    write(&mut writer, pdu)?;
    Ok(writer.len())
}

fn check(pdu: &Pdu) -> Result<(), EncodeError> {
    let pdu_name = pdu.pdu_type.name();
    let has = |field: &Field| {
        pdu.headers
            .all(*field)
            .any(|value| !matches!(value, HeaderValue::Raw(_)))
    };
    let missing = |header: &'static str| EncodeError::MissingHeader {
        pdu: pdu_name,
        header,
    };
    if !has(&Field::MmsVersion) {
        return Err(missing(Field::MmsVersion.name()));
    }
    if let Some(field) = pdu.pdu_type.mandatory().iter().find(|field| !has(field)) {
        return Err(missing(field.name()));
    }
    let recipients = [Field::To, Field::Cc, Field::Bcc];
    if pdu.pdu_type.needs_recipient() && !recipients.iter().any(has) {
        return Err(missing("To, Cc or Bcc"));
    }
    let problem = match (pdu.pdu_type.body(), &pdu.body) {
        (BodyRule::Needed, None) => "needs a body",
        (BodyRule::None, Some(_)) => "has no body",
        _ => return Ok(()),
    };
    Err(EncodeError::Body {
        pdu: pdu_name,
        problem,
    })
}

fn write(writer: &mut Writer, pdu: &Pdu) -> Result<(), EncodeError> {
    writer.code(Field::MessageType.code());
    writer.octet(pdu.pdu_type.octet());
    let mut first = [Field::TransactionId, Field::MmsVersion].map(|field| {
        pdu.headers
            .iter()
            .find(|h| h.name == HeaderName::Field(field))
    });
    for header in first.into_iter().flatten() {
        write_header(writer, header)?;
    }
    for header in &pdu.headers {
        let place = first
            .iter_mut()
            .find(|placed| placed.is_some_and(|placed| std::ptr::eq(placed, header)));
        match place {
            Some(placed) => *placed = None,
            None => write_header(writer, header)?,
        }
    }
    match &pdu.body {
        Some(body) => write_body(writer, body, pdu.pdu_type.name()),
        None => Ok(()),
    }
}

fn write_header(writer: &mut Writer, header: &Header) -> Result<(), EncodeError> {
    let wrong = || EncodeError::WrongForm {
        header: header.name.as_text().into_owned(),
        found: values::form_name(&header.value),
    };
    match (&header.name, &header.value) {
        (HeaderName::Field(Field::MessageType | Field::ContentType), _) => Err(wrong()),
        (HeaderName::Field(field), HeaderValue::Raw(octets)) if is_one_value(octets) => {
            writer.code(field.code());
            writer.octets(octets);
            Ok(())
        }
        (HeaderName::Field(field), value) => {
            writer.code(field.code());
            if values::write(writer, *field, value)? {
                Ok(())
            } else {
                Err(wrong())
            }
        }
        (HeaderName::Unknown(code), HeaderValue::Raw(octets))
            if *code < 0x80 && Field::from_code(*code).is_none() && is_one_value(octets) =>
        {
            writer.code(*code);
            writer.octets(octets);
            Ok(())
        }
        (HeaderName::Text(name), value) if is_token_text(name.as_bytes()) => match value {
            HeaderValue::Text(text) => {
                writer.text(name, name)?;
                writer.text(text, name)
            }
            HeaderValue::Raw(octets) if is_one_value(octets) => {
                writer.text(name, name)?;
                writer.octets(octets);
                Ok(())
            }
            _ => Err(wrong()),
        },
        (HeaderName::Text(name), _) => Err(EncodeError::BadText { what: name.clone() }),
        (HeaderName::Unknown(_), _) => Err(wrong()),
    }
}

fn write_body(writer: &mut Writer, body: &Body, pdu: &'static str) -> Result<(), EncodeError> {
    writer.code(Field::ContentType.code());
    write_content_type(writer, &body.content_type)?;
    if body.is_multipart() {
        return write_parts(writer, &body.parts);
    }
    match body.parts.as_slice() {
        [part] if part.content_type == body.content_type => {
            writer.data(&part.data);
            Ok(())
        }
        _ => Err(EncodeError::Body {
            pdu,
            problem: "needs exactly one part, of the type of its body, where that is no multipart",
        }),
    }
}

//! A message from a file, in whatever kind it comes, and back into that kind.

use std::path::Path;

use bytes::Bytes;

use super::pdu::{self, Input};
use super::{CliError, Exit, io};
use crate::adapt;
use crate::limits::Limits;
use crate::media::{self, Format, mime as mime_types};
use crate::mms::pdu::{Pdu, PduType, encode_partial};
use crate::mms::{
    Body, ContentType, DecodeError, DecodeErrorKind, Decoded, Field, HeaderValue, Headers, Kind,
    Message, Part, Warning, mime, multipart, sniff,
};

/// The kind of file a message came in.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// An MM1 PDU: everything but the message's own headers and body.
    Pdu(PduType),
    /// A bare multipart body in its WSP form.
    Multipart,
    /// A MIME message.
    Mime,
    /// One medium.
    Media,
}

/// A message with what its file tells.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The octets of the file.
    pub(super) octets: Bytes,
    /// The kind of file.
    pub(super) form: Form,
    /// The message in it.
    pub(super) message: Message,
    /// Octets of the message encoded for MM1.
    pub(super) size: u64,
    /// What was odd about the file.
    pub(super) warnings: Vec<Warning>,
}

/// Reads a message: an MM1 PDU with a body, a MIME message, or one plain media file.
///
/// # Errors
/// [`Exit::Undecodable`] where the file is none of these or broken, with the octet.
pub(super) fn load(path: &Path, limits: &Limits) -> Result<Loaded, CliError> {
    let octets = io::read_input(path, limits.message_bytes)?;
    decode(octets, path, limits).map_err(|error| pdu::undecodable(&error).in_file(io::shown(path)))
}

fn decode(octets: Bytes, path: &Path, limits: &Limits) -> Result<Loaded, DecodeError> {
    if sniff(&octets) == Kind::Unknown
        && let Some(media) = known_media(&octets, path, limits)
    {
        return Ok(media_file(octets, path, media));
    }
    let Decoded { value, warnings } = pdu::read(&octets, limits)?;
    let encoded = len(&octets);
    let (form, message, size) = match value {
        Input::Pdu(pdu) => {
            let pdu_type = pdu.pdu_type;
            let message = pdu
                .into_message()
                .map_err(|_| no_message(pdu_type.name()))?;
            (Form::Pdu(pdu_type), message, encoded)
        }
        Input::Multipart(parts) => {
            let content_type = ContentType::new("application/vnd.wap.multipart.mixed");
            let body = Body {
                content_type,
                parts,
            };
            (
                Form::Multipart,
                Message {
                    headers: Headers::new(),
                    body,
                },
                encoded,
            )
        }
        Input::Mime(message) => {
            let size = adapt::weight(&message);
            (Form::Mime, message, size)
        }
        Input::Push(_, pdu) => return Err(no_message(pdu.pdu_type.name())),
    };
    Ok(Loaded {
        octets,
        form,
        message,
        size,
        warnings,
    })
}

fn no_message(pdu: &str) -> DecodeError {
    let found = format!("{pdu}, which carries no message");
    DecodeError::new(0, DecodeErrorKind::WrongKind(found))
}

/// The media type of octets that are a medium by their content or, failing that, by their name.
fn known_media(octets: &Bytes, path: &Path, limits: &Limits) -> Option<&'static str> {
    let probed = media::probe(octets, limits)
        .ok()
        .filter(|info| info.format != Format::Unknown);
    probed
        .map(|info| mime_types::media_type(&info))
        .or_else(|| {
            let extension = path.extension()?.to_str()?;
            Some(mime_types::format_of_extension(extension)?.media_type())
                .filter(|_| !octets.is_empty())
        })
}

fn media_file(octets: Bytes, path: &Path, media: &'static str) -> Loaded {
    let mut part = Part::new(ContentType::new(media), octets.clone());
    if let Some(name) = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|n| *n != "-")
    {
        part.content_location = Some(name.to_owned());
    }
    let message = Message {
        headers: Headers::new(),
        body: Body::single(part),
    };
    let size = adapt::weight(&message);
    Loaded {
        octets,
        form: Form::Media,
        message,
        size,
        warnings: Vec::new(),
    }
}

/// The octets of a message in the kind of file it came in.
///
/// # Errors
/// [`Exit::Internal`] where the message has no such form.
pub(super) fn encode(form: &Form, message: &Message) -> Result<Vec<u8>, CliError> {
    let encoded = match form {
        Form::Pdu(pdu_type) => encode_partial(&Pdu::from_message(*pdu_type, message.clone())),
        Form::Mime => mime::encode(message),
        Form::Multipart => multipart::encode(&message.body.parts),
        Form::Media => {
            return Ok(message
                .body
                .parts
                .first()
                .map(|p| p.data.to_vec())
                .unwrap_or_default());
        }
    };
    encoded.map_err(|error| CliError::new(Exit::Internal, error.to_string()))
}

/// A message as an m-retrieve-conf: what a phone would be given. Date is the only mandatory
/// header that a message may lack.
pub(super) fn as_retrieve_conf(message: &Message) -> Pdu {
    let mut pdu = Pdu::from_message(PduType::RetrieveConf, message.clone());
    if pdu.headers.get(Field::MmsVersion).is_none() {
        pdu.headers.add(Field::MmsVersion, HeaderValue::Token(0x92));
    }
    if pdu.headers.get(Field::Date).is_none() {
        pdu.headers.add(Field::Date, HeaderValue::Date(0));
    }
    pdu
}

fn len(octets: &Bytes) -> u64 {
    u64::try_from(octets.len()).unwrap_or(u64::MAX)
}

//! A message out of octets of whatever kind, and back into that kind.

use bytes::Bytes;

use super::weight;
use crate::limits::Limits;
use crate::media::{self, Format, mime as mime_types};
use crate::mms::pdu::{self, MEDIA_TYPE, Pdu, PduType, encode_partial};
use crate::mms::{
    Body, ContentType, DecodeError, DecodeErrorKind, Decoded, EncodeError, Headers, Kind, Message,
    Part, Warning, mime, multipart, push, sniff,
};

/// The kind of octets a message came as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// An MM1 PDU: everything but the message's own headers and body.
    Pdu(PduType),
    /// A bare multipart body in its WSP form.
    Multipart,
    /// A MIME message.
    Mime,
    /// One medium.
    Media,
}

/// A message with what its octets tell.
#[derive(Debug, Clone)]
pub struct Formed {
    /// The octets.
    pub octets: Bytes,
    /// The kind of them.
    pub form: Form,
    /// The message in them.
    pub message: Message,
    /// Octets of the message encoded for MM1.
    pub size: u64,
    /// What was odd about the octets.
    pub warnings: Vec<Warning>,
}

impl Form {
    /// Reads a message: an MM1 PDU with a body, a MIME message, or one plain medium, which `name`
    /// may tell the type of where its octets do not.
    ///
    /// # Errors
    /// Where the octets are none of these or broken, with the octet.
    pub fn read(octets: Bytes, name: Option<&str>, limits: &Limits) -> Result<Formed, DecodeError> {
        if octets.is_empty() {
            return Err(DecodeError::new(0, DecodeErrorKind::Empty));
        }
        let size = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        let (form, message, size, warnings) = match sniff(&octets) {
            Kind::Mime => {
                let Decoded { value, warnings } = mime::decode(&octets, limits)?;
                let size = weight(&value);
                (Form::Mime, value, size, warnings)
            }
            Kind::Multipart => {
                let Decoded { value, warnings } = multipart::decode(&octets, limits)?;
                let body = Body {
                    content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
                    parts: value,
                };
                let headers = Headers::new();
                (Form::Multipart, Message { headers, body }, size, warnings)
            }
            Kind::Push => return Err(pushed(&octets, limits)),
            Kind::SmsDeliver => return Err(no_message("a short message")),
            Kind::Unknown if let Some(media) = known_media(&octets, name, limits) => {
                let message = media_message(&octets, name, media);
                let size = weight(&message);
                (Form::Media, message, size, Vec::new())
            }
            Kind::Unknown if matches!(octets.get(1), Some(0x05 | 0x06)) => {
                return Err(pushed(&octets, limits));
            }
            Kind::Mm1 | Kind::Unknown => {
                let Decoded { value, warnings } = pdu::decode(&octets, limits)?;
                let pdu_type = value.pdu_type;
                let message = value
                    .into_message()
                    .map_err(|_| no_message(pdu_type.name()))?;
                (Form::Pdu(pdu_type), message, size, warnings)
            }
        };
        Ok(Formed {
            octets,
            form,
            message,
            size,
            warnings,
        })
    }

    /// The octets of a message in this form.
    ///
    /// # Errors
    /// Where the message has none.
    pub fn write(&self, message: &Message) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Pdu(pdu_type) => encode_partial(&Pdu::from_message(*pdu_type, message.clone())),
            Self::Mime => mime::encode(message),
            Self::Multipart => multipart::encode(&message.body.parts),
            Self::Media => Ok(only(message)
                .map(|part| part.data.to_vec())
                .unwrap_or_default()),
        }
    }

    /// The media type of [`Form::write`].
    #[must_use]
    pub fn media_type<'a>(&self, message: &'a Message) -> &'a str {
        match self {
            Self::Pdu(_) => MEDIA_TYPE,
            Self::Mime => "message/rfc822",
            Self::Multipart => "application/vnd.wap.multipart.mixed",
            Self::Media => {
                only(message).map_or("application/octet-stream", |p| p.content_type.media())
            }
        }
    }
}

fn only(message: &Message) -> Option<&Part> {
    message.body.parts.first()
}

fn no_message(what: &str) -> DecodeError {
    let found = format!("{what}, which carries no message");
    DecodeError::new(0, DecodeErrorKind::WrongKind(found))
}

/// Why a push is no message.
fn pushed(octets: &Bytes, limits: &Limits) -> DecodeError {
    match push::decode(octets, limits) {
        Ok(read) => no_message(read.value.1.pdu_type.name()),
        Err(error) => error,
    }
}

/// The media type of octets that are a medium by their content or, failing that, by their name.
fn known_media(octets: &Bytes, name: Option<&str>, limits: &Limits) -> Option<&'static str> {
    let probed = media::probe(octets, limits)
        .ok()
        .filter(|info| info.format != Format::Unknown);
    probed
        .map(|info| mime_types::media_type(&info))
        .or_else(|| {
            let (_, extension) = name?.rsplit_once('.')?;
            Some(mime_types::format_of_extension(extension)?.media_type())
        })
}

fn media_message(octets: &Bytes, name: Option<&str>, media: &'static str) -> Message {
    let mut part = Part::new(ContentType::new(media), octets.clone());
    part.content_location = name.map(str::to_owned);
    Message {
        headers: Headers::new(),
        body: Body::single(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8], name: Option<&str>) -> Result<Formed, DecodeError> {
        Form::read(Bytes::copy_from_slice(octets), name, &Limits::default())
    }

    #[test]
    fn a_medium_is_known_by_its_octets_then_by_its_name() {
        let gif =
            b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
        let formed = read(gif, Some("x.jpg")).unwrap();
        assert_eq!(formed.form, Form::Media);
        assert_eq!(formed.form.media_type(&formed.message), "image/gif");
        assert_eq!(formed.form.write(&formed.message).unwrap(), gif);
        let vcard = read(b"\x01nothing known", Some("a.jpg")).unwrap();
        assert_eq!(vcard.form.media_type(&vcard.message), "image/jpeg");
        assert!(read(b"\x01nothing known", None).is_err());
        assert!(read(b"", Some("a.jpg")).is_err());
    }

    #[test]
    fn a_mail_stays_a_mail() {
        let mail = b"From: a@example.com\r\nSubject: s\r\nMIME-Version: 1.0\r\n\
                     Content-Type: text/plain\r\n\r\nhello\r\n";
        let formed = read(mail, None).unwrap();
        assert_eq!(formed.form, Form::Mime);
        let again = read(&formed.form.write(&formed.message).unwrap(), None).unwrap();
        assert_eq!(again.message.body.parts, formed.message.body.parts);
    }
}

//! MM1 PDUs (OMA-MMS-ENC): the binary form of everything a phone and its relay say to each other.
//!
//! All 24 PDUs share one type, [`Pdu`], and one ordered list of headers. A struct for each PDU
//! would have to carry that list beside its own fields anyway, so that headers nobody understands
//! go through unchanged and in place; with the list alone there is one reader and one writer, and
//! what differs between the PDUs is a row of the table behind [`PduType`].
//!
//! Reading is tolerant: headers in any order, unknown ones kept, odd values kept as octets with a
//! warning. Writing is strict: mandatory headers, values in the form of their field, fixed places
//! for X-Mms-Message-Type, X-Mms-Transaction-Id, X-Mms-MMS-Version and Content-Type.

mod decode;
mod encode;
mod types;
mod values;

pub use decode::decode;
pub use encode::{encode, encode_partial, encoded_len};
pub use types::PduType;

use bytes::Bytes;

use super::content_type::ContentType;
use super::error::{DecodeError, Decoded, EncodeError};
use super::header::{Field, HeaderValue, Headers};
use super::message::{Body, Message, Part};
use crate::Limits;

/// The media type of an MM1 PDU.
pub const MEDIA_TYPE: &str = "application/vnd.wap.mms-message";

/// One MM1 PDU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// X-Mms-Message-Type.
    pub pdu_type: PduType,
    /// The other headers, without Content-Type. X-Mms-Transaction-Id and X-Mms-MMS-Version come
    /// first, as on the wire; the rest are in the order of the input.
    pub headers: Headers,
    /// What follows Content-Type.
    pub body: Option<Body>,
}

impl Pdu {
    /// A PDU of MMS version 1.2 with no other headers.
    #[must_use]
    pub fn new(pdu_type: PduType) -> Self {
        let mut headers = Headers::new();
        headers.add(Field::MmsVersion, HeaderValue::Token(0x92));
        Self {
            pdu_type,
            headers,
            body: None,
        }
    }

    /// A PDU that carries `message`.
    #[must_use]
    pub fn from_message(pdu_type: PduType, message: Message) -> Self {
        Self {
            pdu_type,
            headers: message.headers,
            body: Some(message.body),
        }
    }

    /// The message inside, or the PDU itself where it has no body.
    ///
    /// # Errors
    /// The PDU unchanged.
    pub fn into_message(self) -> Result<Message, Box<Self>> {
        match self.body {
            Some(body) => Ok(Message {
                headers: self.headers,
                body,
            }),
            None => Err(Box::new(self)),
        }
    }

    /// X-Mms-MMS-Version as text, such as `1.2`.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        match self.headers.get(Field::MmsVersion)? {
            HeaderValue::Token(octet) => Some(values::version_text(*octet)),
            HeaderValue::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    /// X-Mms-Transaction-Id.
    #[must_use]
    pub fn transaction_id(&self) -> Option<&str> {
        self.headers.text(Field::TransactionId)
    }

    /// The PDU as a part of another, the way message boxes hold m-mbox-descr. The headers that an
    /// original left out are left out.
    ///
    /// # Errors
    /// Those of [`encode_partial`].
    pub fn to_part(&self) -> Result<Part, EncodeError> {
        let octets = encode_partial(self)?;
        Ok(Part::new(ContentType::new(MEDIA_TYPE), octets))
    }

    /// The PDU inside a part of type `application/vnd.wap.mms-message`.
    ///
    /// # Errors
    /// Those of [`decode`], with offsets from the start of the part.
    pub fn from_part(part: &Part, limits: &Limits) -> Result<Decoded<Self>, DecodeError> {
        decode(&part.data, limits)
    }
}

/// Why octets are no PDU at all, where that is plain from how they begin.
fn foreign(input: &Bytes) -> Option<&'static str> {
    let first = input.iter().find(|octet| !octet.is_ascii_whitespace())?;
    match first {
        b'<' => Some("HTML or XML, not an MMS PDU"),
        b'{' => Some("JSON, not an MMS PDU"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

//! The nouns and the wire of the Multimedia Messaging Service.
//!
//! A [`Message`] is what a subscriber wrote, whatever interface it came over. [`pdu`] reads and
//! writes it as an MM1 PDU (OMA-MMS-ENC), [`mime`] as a MIME message (MM4, e-mail).

#![deny(clippy::as_conversions)]

pub mod address;
pub mod charset;
pub mod content_type;
pub mod error;
pub mod header;
pub mod message;
pub mod mime;
pub mod multipart;
pub mod pdu;
pub mod push;
pub mod smil;
pub mod sniff;
pub mod text;
pub mod transfer;
pub mod vcard;
pub mod wsp;

pub use address::Address;
pub use content_type::{ContentType, Param};
pub use error::{DecodeError, DecodeErrorKind, Decoded, EncodeError, Warning};
pub use header::{EncodedString, Field, Header, HeaderName, HeaderValue, Headers, Time};
pub use message::{Body, Disposition, DispositionKind, Message, Part};
pub use sniff::{Kind, sniff};

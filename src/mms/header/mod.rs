//! Header fields of a message, as one ordered list (OMA-MMS-ENC section 7).
//!
//! The list keeps the order of the input and everything in it: a field nobody understands and a
//! field with a textual name go through unchanged.

mod table;

pub use table::{Field, ValueForm};

use bytes::Bytes;

use super::content_type::Param;

/// The headers of a PDU or a MIME message, without Content-Type, which belongs to the body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Which field.
    pub name: HeaderName,
    /// Its value, in the form [`Field::form`] names.
    pub value: HeaderValue,
}

/// The name of a header field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HeaderName {
    /// A field of the encapsulation specification.
    Field(Field),
    /// A well-known code (without the top bit) that no version defines.
    Unknown(u8),
    /// An application header with a textual name.
    Text(String),
}

/// A header value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// Text-string, Uri-value or Token-text.
    Text(String),
    /// Encoded-string-value.
    Encoded(EncodedString),
    /// From: an address, or `None` for the token that asks the server to insert it.
    From(Option<EncodedString>),
    /// One octet of an enumeration, with its top bit set as on the wire.
    Token(u8),
    /// Integer-value or Long-integer.
    Integer(u64),
    /// Date-value: seconds since 1970-01-01 UTC.
    Date(u64),
    /// Absolute or relative time.
    Time(Time),
    /// A value with a count in front: Previously-Sent-By, Previously-Sent-Date, and the pairs of
    /// Content-Location and Response-Status in the answers to a delete request.
    Counted(u64, Box<HeaderValue>),
    /// X-Mms-MM-Flags: 0x80 add, 0x81 remove, 0x82 filter, and the keyword.
    Flag(u8, EncodedString),
    /// Mbox totals and quotas: 0x80 messages or 0x81 octets, and how many.
    Total(u8, u64),
    /// X-Mms-Attributes: the name of a field.
    Attribute(HeaderName),
    /// X-Mms-Element-Descriptor: a content reference and parameters.
    Element(String, Vec<Param>),
    /// Octets of a field that is not understood.
    Raw(Bytes),
}

/// A point in time or a span from now, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Seconds since 1970-01-01 UTC.
    Absolute(u64),
    /// Seconds from the moment of sending.
    Relative(u64),
}

/// A text with the charset it is coded in (OMA-MMS-ENC, Encoded-string-value).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EncodedString {
    /// The text. For a charset this implementation does not know, one character per octet.
    pub text: String,
    /// IANA MIBenum, or `None` for a plain Text-string.
    pub charset: Option<u32>,
}

impl EncodedString {
    /// A text, coded plainly where it is ASCII and as UTF-8 (MIBenum 106) where it is not.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let charset = if text.is_ascii() { None } else { Some(106) };
        Self { text, charset }
    }
}

impl From<&str> for EncodedString {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl HeaderName {
    /// The name as OMA-MMS-ENC spells it; `X-Unknown-0xNN` for a code nobody defines.
    #[must_use]
    pub fn as_text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Field(field) => field.name().into(),
            Self::Unknown(code) => format!("X-Unknown-0x{code:02X}").into(),
            Self::Text(name) => name.as_str().into(),
        }
    }
}

impl Headers {
    /// No headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The headers in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Header> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a header, also where one of that name is there (To and Cc repeat).
    pub fn push(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push(Header { name, value });
    }

    /// Appends a well-known field.
    pub fn add(&mut self, field: Field, value: HeaderValue) {
        self.push(HeaderName::Field(field), value);
    }

    /// Sets a field to one value: in place of its first occurrence, which others follow out.
    pub fn set(&mut self, field: Field, value: HeaderValue) {
        let name = HeaderName::Field(field);
        match self.0.iter().position(|h| h.name == name) {
            Some(at) => {
                if let Some(header) = self.0.get_mut(at) {
                    header.value = value;
                }
                let mut seen = false;
                self.0
                    .retain(|h| h.name != name || !std::mem::replace(&mut seen, true));
            }
            None => self.add(field, value),
        }
    }

    /// Takes every occurrence of a field away.
    pub fn remove(&mut self, field: Field) {
        self.0.retain(|h| h.name != HeaderName::Field(field));
    }

    /// The first value of a field.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&HeaderValue> {
        self.all(field).next()
    }

    /// All values of a field in their order.
    pub fn all(&self, field: Field) -> impl Iterator<Item = &HeaderValue> {
        self.0
            .iter()
            .filter(move |h| h.name == HeaderName::Field(field))
            .map(|h| &h.value)
    }

    /// The text of a field that holds text of any form.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<&str> {
        match self.get(field)? {
            HeaderValue::Text(text) => Some(text),
            HeaderValue::Encoded(encoded) | HeaderValue::From(Some(encoded)) => Some(&encoded.text),
            _ => None,
        }
    }

    /// The octet of an enumerated field, with its top bit set.
    #[must_use]
    pub fn token(&self, field: Field) -> Option<u8> {
        match self.get(field)? {
            HeaderValue::Token(octet) => Some(*octet),
            _ => None,
        }
    }

    /// A Yes/No field: `None` where it is missing or neither.
    #[must_use]
    pub fn flag(&self, field: Field) -> Option<bool> {
        match self.token(field)? {
            0x80 => Some(true),
            0x81 => Some(false),
            _ => None,
        }
    }

    /// The first value of a textual header, found without regard to case.
    #[must_use]
    pub fn textual(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|h| match (&h.name, &h.value) {
            (HeaderName::Text(n), HeaderValue::Text(v)) if n.eq_ignore_ascii_case(name) => {
                Some(v.as_str())
            }
            _ => None,
        })
    }
}

impl From<Vec<Header>> for Headers {
    fn from(headers: Vec<Header>) -> Self {
        Self(headers)
    }
}

impl FromIterator<Header> for Headers {
    fn from_iter<I: IntoIterator<Item = Header>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_replaces_the_first_and_drops_the_rest() {
        let mut headers = Headers::new();
        headers.add(Field::To, HeaderValue::Encoded("a".into()));
        headers.add(Field::Subject, HeaderValue::Encoded("s".into()));
        headers.add(Field::To, HeaderValue::Encoded("b".into()));
        assert_eq!(headers.all(Field::To).count(), 2);
        headers.set(Field::To, HeaderValue::Encoded("c".into()));
        assert_eq!(headers.text(Field::To), Some("c"));
        assert_eq!(headers.len(), 2);
        assert!(matches!(
            headers.iter().next().unwrap().name,
            HeaderName::Field(Field::To)
        ));
    }

    #[test]
    fn flags_are_yes_no_or_nothing() {
        let mut headers = Headers::new();
        headers.add(Field::AdaptationAllowed, HeaderValue::Token(0x81));
        headers.add(Field::DrmContent, HeaderValue::Token(0x90));
        assert_eq!(headers.flag(Field::AdaptationAllowed), Some(false));
        assert_eq!(headers.flag(Field::DrmContent), None);
        assert_eq!(headers.flag(Field::DeliveryReport), None);
    }
}

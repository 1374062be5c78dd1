//! Reading WSP values from untrusted octets.

use crate::mms::error::{DecodeError, DecodeErrorKind};

/// A position in a slice of octets that is never left.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    left: &'a [u8],
    offset: usize,
}

/// A header value, delimited by its first octet (WAP-230-WSP section 8.4.1.2).
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// One octet, 128..=255, with its top bit set as on the wire.
    Short(u8),
    /// A counted value: what its length covers. No octets where the value is the single octet 0.
    Data(Reader<'a>),
    /// A text without its NUL; a Quote octet in front is still there.
    Text(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The octets of a text, which may be empty. `None` for other values.
    #[must_use]
    pub fn as_text(&self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Data(data) if data.is_empty() => Some(data.rest()),
            _ => None,
        }
    }
}

/// The octet that says that a uintvar length follows.
const LENGTH_QUOTE: u8 = 31;

impl<'a> Reader<'a> {
    /// Reads a whole input.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self::starting(octets, 0)
    }

    /// Reads octets that begin `offset` octets into a larger input.
    #[must_use]
    pub fn starting(octets: &'a [u8], offset: usize) -> Self {
        Self {
            left: octets,
            offset,
        }
    }

    /// Offset of the next octet in the whole input.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many octets are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Whether no octets are left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The octets that are left.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.left
    }

    /// The next octet, which stays.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.left.first().copied()
    }

    /// The next octet.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Truncated`] at the end.
    pub fn octet(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        match self.left.split_first() {
            Some((first, left)) => {
                self.left = left;
                self.offset = self.offset.saturating_add(1);
                Ok(*first)
            }
            None => Err(self.truncated(what, 1)),
        }
    }

    /// The next `len` octets.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Truncated`] where fewer are left.
    pub fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.left.split_at_checked(len) {
            Some((taken, left)) => {
                self.left = left;
                self.offset = self.offset.saturating_add(len);
                Ok(taken)
            }
            None => Err(self.truncated(what, len)),
        }
    }

    /// A reader of the next `len` octets, which this one passes over.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Truncated`] where fewer are left.
    pub fn split(&mut self, len: usize, what: &'static str) -> Result<Self, DecodeError> {
        let offset = self.offset;
        self.take(len, what)
            .map(|taken| Self::starting(taken, offset))
    }

    /// A uintvar: 7 bits an octet, most significant first.
    ///
    /// # Errors
    /// [`DecodeErrorKind::UintvarOverflow`] beyond five octets or 32 bits.
    pub fn uintvar(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        let start = self.offset;
        let mut value = 0_u32;
        for _ in 0..5 {
            let octet = self.octet(what)?;
            value = value
                .checked_mul(128)
                .map(|shifted| shifted | u32::from(octet & 0x7F))
                .ok_or_else(|| DecodeError::new(start, DecodeErrorKind::UintvarOverflow))?;
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::new(start, DecodeErrorKind::UintvarOverflow))
    }

    /// A uintvar that counts octets.
    ///
    /// # Errors
    /// Those of [`Reader::uintvar`].
    pub fn length(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        let length = self.uintvar(what)?;
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// An Integer-value: a short or a long integer.
    ///
    /// # Errors
    /// Where the value is text, or has more than 64 significant bits.
    pub fn integer(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let start = self.offset;
        match self.value(what)? {
            Value::Short(octet) => Ok(u64::from(octet & 0x7F)),
            Value::Data(data) => long_integer(data.rest())
                .ok_or_else(|| DecodeError::new(start, DecodeErrorKind::IntegerRange(data.left()))),
            Value::Text(_) => Err(DecodeError::new(start, DecodeErrorKind::Malformed(what))),
        }
    }

    /// The octets up to a NUL, which is passed over.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Unterminated`] where no NUL follows.
    pub fn text(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some(len) = self.left.iter().position(|octet| *octet == 0) else {
            return Err(DecodeError::new(
                self.offset,
                DecodeErrorKind::Unterminated(what),
            ));
        };
        let text = self.take(len, what)?;
        self.octet(what)?;
        Ok(text)
    }

    /// The octets up to a NUL or, in a text cut short, up to the end; and whether a NUL was there.
    pub fn open_text(&mut self) -> (&'a [u8], bool) {
        match self.text("text") {
            Ok(text) => (text, true),
            Err(_) => {
                let text = std::mem::take(&mut self.left);
                self.offset = self.offset.saturating_add(text.len());
                (text, false)
            }
        }
    }

    /// The next value, whatever its form.
    ///
    /// # Errors
    /// Where its length reaches past the end or its text has no NUL.
    pub fn value(&mut self, what: &'static str) -> Result<Value<'a>, DecodeError> {
        match self.peek() {
            Some(octet) if octet >= 0x80 => self.octet(what).map(Value::Short),
            Some(octet) if octet > LENGTH_QUOTE => self.text(what).map(Value::Text),
            Some(_) => {
                let len = match self.octet(what)? {
                    LENGTH_QUOTE => self.length(what)?,
                    len => usize::from(len),
                };
                self.split(len, what).map(Value::Data)
            }
            None => Err(self.truncated(what, 1)),
        }
    }

    /// An error at the next octet.
    #[must_use]
    pub fn malformed(&self, what: &'static str) -> DecodeError {
        DecodeError::new(self.offset, DecodeErrorKind::Malformed(what))
    }

    fn truncated(&self, what: &'static str, needed: usize) -> DecodeError {
        let left = self.left();
        let kind = DecodeErrorKind::Truncated { what, needed, left };
        DecodeError::new(self.offset, kind)
    }
}

/// A big-endian integer, which may have leading zeros. `None` without octets or beyond 64 bits.
#[must_use]
pub fn long_integer(octets: &[u8]) -> Option<u64> {
    if octets.is_empty() {
        return None;
    }
    octets.iter().try_fold(0_u64, |value, octet| {
        Some(value.checked_mul(256)? | u64::from(*octet))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uintvars_have_at_most_32_bits() {
        for (octets, want) in [
            (&[0x00][..], 0_u32),
            (&[0x7F], 127),
            (&[0x81, 0x00], 128),
            (&[0x80, 0x80, 0x01], 1),
            (&[0x8F, 0xFF, 0xFF, 0xFF, 0x7F], u32::MAX),
        ] {
            assert_eq!(Reader::new(octets).uintvar("x"), Ok(want), "{octets:X?}");
        }
        for octets in [
            &[0x90, 0x80, 0x80, 0x80, 0x00][..],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        ] {
            let error = Reader::starting(octets, 7).uintvar("x").unwrap_err();
            assert_eq!(
                error,
                DecodeError::new(7, DecodeErrorKind::UintvarOverflow),
                "{octets:X?}"
            );
        }
        let error = Reader::new(&[0x81]).uintvar("x").unwrap_err();
        assert_eq!(error.offset, 1);
    }

    #[test]
    fn values_are_delimited_by_their_first_octet() {
        let mut reader = Reader::new(b"\x81\x02ab\x1F\x01c\x00text\x00\x1F\x1F");
        assert!(matches!(reader.value("v"), Ok(Value::Short(0x81))));
        for want in [&b"ab"[..], b"c", b""] {
            match reader.value("v").unwrap() {
                Value::Data(data) => assert_eq!(data.rest(), want),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(reader.value("v"), Ok(Value::Text(b"text"))));
        let error = reader.value("v").unwrap_err();
        assert_eq!(
            error.kind,
            DecodeErrorKind::Truncated {
                what: "v",
                needed: 31,
                left: 0
            }
        );
    }

    #[test]
    fn integers_take_leading_zeros_and_stop_at_64_bits() {
        assert_eq!(Reader::new(&[0x85]).integer("i"), Ok(5));
        assert_eq!(Reader::new(&[3, 0, 1, 0]).integer("i"), Ok(256));
        let long = [10, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
        assert_eq!(Reader::new(&long).integer("i"), Ok(u64::MAX));
        let over = [9, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(Reader::new(&over).integer("i").is_err());
        assert!(Reader::new(&[0]).integer("i").is_err());
        assert!(Reader::new(b"12\0").integer("i").is_err());
    }

    #[test]
    fn text_without_an_end_is_an_error_or_the_rest() {
        let error = Reader::starting(b"abc", 5).text("name").unwrap_err();
        assert_eq!(
            error,
            DecodeError::new(5, DecodeErrorKind::Unterminated("name"))
        );
        let mut reader = Reader::starting(b"abc", 5);
        assert_eq!(reader.open_text(), (&b"abc"[..], false));
        assert_eq!((reader.offset(), reader.is_empty()), (8, true));
    }
}

//! Writing WSP values.

use crate::mms::error::EncodeError;

use super::text::is_plain;

/// Octets that stand for a header value or a message.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    /// Octets of data that were counted and not written.
    counted: usize,
    counting: bool,
}

impl Writer {
    /// A writer with room for `capacity` octets.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            out: Vec::with_capacity(capacity),
            ..Self::default()
        }
    }

    /// A writer that only counts the octets of [`Writer::data`].
    #[must_use]
    pub fn counting() -> Self {
        Self {
            counting: true,
            ..Self::default()
        }
    }

    /// What was written.
    #[must_use]
    pub fn into_octets(self) -> Vec<u8> {
        self.out
    }

    /// How many octets were written or counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len().saturating_add(self.counted)
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One octet as it is.
    pub fn octet(&mut self, octet: u8) {
        self.out.push(octet);
    }

    /// Octets as they are.
    pub fn octets(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }

    /// The content of a part; a counting writer does not copy it.
    pub fn data(&mut self, data: &[u8]) {
        if self.counting {
            self.counted = self.counted.saturating_add(data.len());
        } else {
            self.octets(data);
        }
    }

    /// A well-known code, with its top bit set.
    pub fn code(&mut self, code: u8) {
        self.octet(code | 0x80);
    }

    /// A uintvar in its shortest form.
    pub fn uintvar(&mut self, value: u32) {
        let (octets, start) = uintvar(value);
        self.octets(octets.get(start..).unwrap_or_default());
    }

    /// A length as a uintvar.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] beyond 32 bits.
    pub fn length(&mut self, length: usize, what: &'static str) -> Result<(), EncodeError> {
        let length = u32::try_from(length).map_err(|_| EncodeError::TooLong(what))?;
        self.uintvar(length);
        Ok(())
    }

    /// An Integer-value in its shortest form.
    pub fn integer(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(short @ 0..=0x7F) => self.code(short),
            _ => self.long_integer(value),
        }
    }

    /// A Long-integer with the least number of octets.
    pub fn long_integer(&mut self, value: u64) {
        let octets = value.to_be_bytes();
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let significant = octets.get(zeros.min(7)..).unwrap_or_default();
        self.octet(u8::try_from(significant.len()).unwrap_or(8));
        self.octets(significant);
    }

    /// A Text-string, with a Quote in front where it begins beyond ASCII.
    ///
    /// # Errors
    /// [`EncodeError::BadText`] where it holds a control character.
    pub fn text(&mut self, text: &str, what: &str) -> Result<(), EncodeError> {
        if !is_plain(text) {
            return Err(bad_text(what));
        }
        if text.bytes().next().is_some_and(|first| first >= 0x80) {
            self.octet(0x7F);
        }
        self.octets(text.as_bytes());
        self.octet(0);
        Ok(())
    }

    /// A Quoted-string: a quotation mark in front, none behind.
    ///
    /// # Errors
    /// [`EncodeError::BadText`] where it holds a control character.
    pub fn quoted(&mut self, text: &str, what: &str) -> Result<(), EncodeError> {
        if !is_plain(text) {
            return Err(bad_text(what));
        }
        self.octet(b'"');
        self.octets(text.as_bytes());
        self.octet(0);
        Ok(())
    }

    /// What `write` writes, with a Value-length in front.
    ///
    /// # Errors
    /// Those of `write`, and [`EncodeError::TooLong`].
    pub fn counted(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        // Nearly all values have fewer than 31 octets, so one octet is set aside for the length
        // and only a longer value is moved.
        let start = self.out.len();
        self.octet(0);
        write(self)?;
        let len = self.out.len().saturating_sub(start).saturating_sub(1);
        match u8::try_from(len) {
            Ok(short @ 0..=30) => {
                if let Some(place) = self.out.get_mut(start) {
                    *place = short;
                }
            }
            _ => {
                let long = u32::try_from(len).map_err(|_| EncodeError::TooLong("a header"))?;
                let (octets, from) = uintvar(long);
                if let Some(place) = self.out.get_mut(start) {
                    *place = 31;
                }
                let at = start.saturating_add(1);
                let length = octets.get(from..).unwrap_or_default();
                self.out.splice(at..at, length.iter().copied());
            }
        }
        Ok(())
    }
}

/// The error for a text that has no legal coding.
pub(super) fn bad_text(what: &str) -> EncodeError {
    EncodeError::BadText {
        what: what.to_owned(),
    }
}

/// The octets of a uintvar and the index of the first that counts.
fn uintvar(value: u32) -> ([u8; 5], usize) {
    let group = |shift: u32| u8::try_from((value >> shift) & 0x7F).unwrap_or(0);
    let octets = [
        group(28) | 0x80,
        group(21) | 0x80,
        group(14) | 0x80,
        group(7) | 0x80,
        group(0),
    ];
    let bits = 32 - value.max(1).leading_zeros();
    let len = usize::try_from(bits.div_ceil(7)).unwrap_or(5);
    (octets, 5 - len)
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::default();
        write(&mut writer);
        writer.into_octets()
    }

    #[test]
    fn integers_take_the_fewest_octets() {
        assert_eq!(written(|w| w.integer(0)), [0x80]);
        assert_eq!(written(|w| w.integer(127)), [0xFF]);
        assert_eq!(written(|w| w.integer(128)), [1, 128]);
        assert_eq!(written(|w| w.long_integer(0)), [1, 0]);
        assert_eq!(written(|w| w.long_integer(0x0102_03)), [3, 1, 2, 3]);
        for value in [0, 1, 127, 128, 16_383, 16_384, u32::MAX] {
            let octets = written(|w| w.uintvar(value));
            assert_eq!(Reader::new(&octets).uintvar("u"), Ok(value));
        }
        assert_eq!(written(|w| w.uintvar(127)).len(), 1);
        assert_eq!(written(|w| w.uintvar(128)), [0x81, 0x00]);
    }

    #[test]
    fn lengths_change_form_at_31() {
        for (len, head) in [
            (0, &[0][..]),
            (30, &[30]),
            (31, &[31, 31]),
            (200, &[31, 0x81, 72]),
        ] {
            let octets = written(|w| {
                w.counted(|w| {
                    w.octets(&vec![7; len]);
                    Ok(())
                })
                .unwrap();
            });
            assert!(octets.starts_with(head), "{len}");
            assert_eq!(octets.len(), head.len() + len);
        }
    }

    #[test]
    fn texts_are_quoted_ended_and_free_of_controls() {
        assert_eq!(written(|w| w.text("ab", "t").unwrap()), b"ab\0");
        assert_eq!(written(|w| w.text("é", "t").unwrap()), b"\x7F\xC3\xA9\0");
        assert_eq!(written(|w| w.quoted("<a>", "t").unwrap()), b"\"<a>\0");
        for bad in ["a\r\nBcc: b", "a\0", "\tb", "\x7F"] {
            let mut writer = Writer::default();
            assert!(writer.text(bad, "t").is_err(), "{bad:?}");
            assert!(writer.quoted(bad, "t").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn data_can_be_counted_without_a_copy() {
        let mut writer = Writer::counting();
        writer.octets(b"ab");
        writer.data(&[0; 100]);
        assert_eq!(writer.len(), 102);
        assert_eq!(writer.into_octets().len(), 2);
    }
}

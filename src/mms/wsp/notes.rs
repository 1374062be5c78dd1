//! The deviations met while reading.

use crate::mms::error::Warning;

/// How many warnings one input may cause; a hostile input has as many deviations as octets.
const MOST: usize = 64;

/// Collects [`Warning`]s, of which only the first 64 are kept.
#[derive(Debug, Default)]
pub struct Notes(Vec<Warning>);

impl Notes {
    /// No notes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that at `offset` of the input there was something odd.
    pub fn add(&mut self, offset: usize, message: impl Into<String>) {
        let message = match self.0.len().cmp(&MOST) {
            std::cmp::Ordering::Less => message.into(),
            std::cmp::Ordering::Equal => "more deviations, which are not listed".to_owned(),
            std::cmp::Ordering::Greater => return,
        };
        self.0.push(Warning { offset, message });
    }

    /// What was noted, in order.
    #[must_use]
    pub fn into_warnings(self) -> Vec<Warning> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded() {
        let mut notes = Notes::new();
        for at in 0..MOST {
            notes.add(at, "odd");
        }
        let mut over = Notes(notes.0.clone());
        assert_eq!(notes.into_warnings().len(), MOST);
        over.add(64, "odd");
        over.add(65, "odd");
        let warnings = over.into_warnings();
        assert_eq!(warnings.len(), MOST + 1);
        assert!(warnings.last().unwrap().message.starts_with("more"));
    }
}

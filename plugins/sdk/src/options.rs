//! What a job asks of a codec beyond its arguments.

use crate::bindings::words::remold::codec::types::{OptionPair, OptionValue};

/// The options of a job. Only keys that the plugin described are among them.
#[derive(Debug, Clone)]
pub struct Options(Vec<OptionPair>);

impl Options {
    pub(crate) fn new(pairs: Vec<OptionPair>) -> Self {
        Self(pairs)
    }

    /// The number of this key, where one is set.
    #[must_use]
    pub fn int(&self, key: &str) -> Option<i64> {
        match self.value(key)? {
            OptionValue::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether this key is on, where it is set.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            OptionValue::Flag(on) => Some(*on),
            _ => None,
        }
    }

    /// The word of this key, where one is set.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            OptionValue::Text(word) => Some(word),
            _ => None,
        }
    }

    fn value(&self, key: &str) -> Option<&OptionValue> {
        self.0
            .iter()
            .find(|pair| pair.key == key)
            .map(|pair| &pair.value)
    }
}

//! From what is known of a recipient to what its device can take.

use super::capabilities::{Capabilities, Source};
use super::classes::{Class, SAFE, class_ids};
use super::complete::complete;
use super::database::Database;
use super::error::ProfileError;
use super::facts::Facts;
use crate::dimensions::Dimensions;

/// The device that was found, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What the device can take; every capability has a value.
    pub capabilities: Capabilities,
    /// The rule that found it, as one line.
    pub rule: String,
    /// Every rule that was tried, in order, the one that matched last.
    pub trail: Vec<Step>,
    /// What was odd about the request, one sentence each.
    pub warnings: Vec<String>,
}

/// One rule that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The rule.
    pub rule: &'static str,
    /// What it was tried on.
    pub tried: String,
    /// Whether it found a device.
    pub matched: bool,
}

/// What the caller lays over a device, whatever the device says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Octets of the whole encoded message.
    pub max_message_size: Option<u64>,
    /// Box for pictures.
    pub max_image: Option<Dimensions>,
    /// Media types.
    pub accept: Option<Vec<String>>,
}

impl Resolution {
    /// The device with this id: a class or a device of the shipped database.
    ///
    /// # Errors
    ///
    /// An id that nothing has.
    pub fn by_id(id: &str) -> Result<Self, ProfileError> {
        if let Some(class) = Class::by_id(id)? {
            return Self::found(class.capabilities(), "class id", id);
        }
        if let Some(device) = Database::embedded()?.by_id(id) {
            return Self::found(device.capabilities(), "device id", id);
        }
        Err(ProfileError::UnknownId {
            id: id.to_owned(),
            hint: hint(id)?,
        })
    }

    /// The class `safe`: what is assumed where nothing is known.
    ///
    /// # Errors
    ///
    /// A damaged class file.
    pub fn safe() -> Result<Self, ProfileError> {
        let mut device = Capabilities::default();
        if let Some(class) = Class::by_id(SAFE)? {
            device.replace(&Facts::of(&class.capabilities()), &Source::Default);
        }
        SAFE.clone_into(&mut device.id);
        Self::found(device, "default", SAFE)
    }

    /// A device as `remold profile show --json` prints it; see [`Capabilities::from_json`].
    ///
    /// # Errors
    ///
    /// Text that does not describe a device.
    pub fn from_caps_json(json: &str) -> Result<Self, ProfileError> {
        let mut device = Capabilities::from_json(json, &Source::Override)?;
        if device.id.is_empty() {
            "custom".clone_into(&mut device.id);
        }
        let id = device.id.clone();
        Self::found(device, "given capabilities", &id)
    }

    /// The same device with `overrides` laid over it.
    pub fn apply_overrides(&mut self, overrides: &Overrides) {
        let facts = Facts {
            max_message_size: overrides.max_message_size,
            max_image: overrides.max_image,
            accept: overrides.accept.clone(),
            ..Facts::default()
        };
        self.capabilities.replace(&facts, &Source::Override);
    }

    /// `device`, completed, as the result of one rule.
    pub(super) fn found(
        device: Capabilities,
        rule: &'static str,
        tried: &str,
    ) -> Result<Self, ProfileError> {
        Ok(Self {
            capabilities: complete(device)?,
            rule: format!("{rule} {tried}"),
            trail: vec![Step {
                rule,
                tried: tried.to_owned(),
                matched: true,
            }],
            warnings: Vec::new(),
        })
    }
}

/// Ids that share a beginning with `id`, as the end of a sentence.
fn hint(id: &str) -> Result<String, ProfileError> {
    let database = Database::embedded()?;
    let lower = id.to_ascii_lowercase();
    let mut head = lower.as_str();
    while head.len() >= 3 {
        let near: Vec<&str> = class_ids()
            .filter(|class| class.starts_with(head))
            .chain(database.ids_like(head))
            .take(5)
            .collect();
        if !near.is_empty() {
            return Ok(format!("; similar: {}", near.join(", ")));
        }
        let mut shorter = head.chars();
        shorter.next_back();
        head = shorter.as_str();
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_found_by_its_id() {
        let found = Resolution::by_id("mono-wbmp").unwrap();
        assert_eq!(found.rule, "class id mono-wbmp");
        assert_eq!(found.capabilities.bits_per_pixel.unwrap().value, 1);
        let error = Resolution::by_id("mono-wap").unwrap_err();
        assert!(error.to_string().ends_with("similar: mono-wbmp"), "{error}");
    }

    #[test]
    fn nothing_known_is_safe_by_default() {
        let safe = Resolution::safe().unwrap().capabilities;
        assert_eq!((safe.id.as_str(), safe.source), ("safe", Source::Default));
        assert_eq!(safe.max_message_size.unwrap().source, Source::Default);
    }

    #[test]
    fn given_capabilities_are_completed_and_overridden() {
        let mut found = Resolution::from_caps_json(r#"{"max_message_size": 9}"#).unwrap();
        assert_eq!(
            found.capabilities.max_message_size.as_ref().unwrap().value,
            9
        );
        assert!(found.capabilities.is_complete());
        found.apply_overrides(&Overrides {
            max_message_size: Some(7),
            accept: Some(vec!["image/gif".into()]),
            ..Overrides::default()
        });
        let size = found.capabilities.max_message_size.as_ref().unwrap();
        assert_eq!((size.value, &size.source), (7, &Source::Override));
        assert_eq!(found.capabilities.accepts("image/jpeg"), None);
    }
}

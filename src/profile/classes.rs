//! Device classes: what phones of one kind and time can take, from `profiles/classes`.

use super::capabilities::{Capabilities, Source};
use super::error::ProfileError;
use super::facts::{Facts, parse_toml, text};

macro_rules! embed {
    ($($id:literal)*) => {
        &[$(($id, include_str!(concat!("../../profiles/classes/", $id, ".toml")))),*]
    };
}

/// Every class file with its id, sorted by id.
const FILES: &[(&str, &str)] = embed!(
    "_base" "android-generic" "android-wvga" "budget" "cdma-first" "cdma-vzw" "colour-128x160"
    "eu-flagship-2015" "feature-phone" "first-colour" "flip-176x220" "ios-generic" "iot-module"
    "japan-3g" "japan-gsm" "java-176x220" "kaios" "max-observed" "mono-wbmp" "qvga-600k"
    "qwerty-no-video" "s40-gen1" "s60-2nd" "s60-3rd" "safe" "smartphone-1080p" "smartphone-qhd"
    "ultra-low-cost" "us-1mb" "us-flagship-2014" "wap-no-mms" "wp10"
);

/// The class assumed where nothing is known.
pub const SAFE: &str = "safe";

/// Classes that a chain of `inherits` may pass through.
const MAX_ANCESTORS: usize = 8;

/// A device class: its own facts, then those of each class it inherits from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// The id, such as `s40-gen1`.
    pub id: String,
    /// One line that says what it is.
    pub name: String,
    layers: Vec<(String, Facts)>,
}

impl Class {
    /// The shipped class with this id, or `None`. Only the files of that class and its ancestors
    /// are parsed.
    ///
    /// # Errors
    ///
    /// A damaged class file; a test keeps that from shipping.
    pub fn by_id(id: &str) -> Result<Option<Self>, ProfileError> {
        match file(id) {
            Some(toml) if !id.starts_with('_') => Self::from_toml(id, toml).map(Some),
            _ => Ok(None),
        }
    }

    /// Reads a class file. `id` is the name it goes by; `inherits` may name a shipped class.
    ///
    /// # Errors
    ///
    /// Text that is no TOML, an unknown key, a value of the wrong form, an unknown ancestor.
    pub fn from_toml(id: &str, toml: &str) -> Result<Self, ProfileError> {
        let mut table = parse_toml(toml)?;
        let name = match table.get("name") {
            Some(name) => text("name", name)?,
            None => String::new(),
        };
        let mut layers = Vec::new();
        let mut layer_id = id.to_owned();
        loop {
            layers.push((layer_id, Facts::from_table(&table, &["name", "inherits"])?));
            let Some(parent) = table.get("inherits") else {
                break;
            };
            layer_id = text("inherits", parent)?;
            if layers.len() > MAX_ANCESTORS {
                return Err(ProfileError::Inheritance(id.to_owned()));
            }
            let toml = file(&layer_id).ok_or_else(|| ProfileError::UnknownId {
                id: layer_id.clone(),
                hint: String::new(),
            })?;
            table = parse_toml(toml)?;
        }
        Ok(Self {
            id: id.to_owned(),
            name,
            layers,
        })
    }

    /// The class as a device; each value names the class file that says it.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let mut device = Capabilities {
            id: self.id.clone(),
            source: Source::Class(self.id.clone()),
            ..Capabilities::default()
        };
        self.fill(&mut device);
        device
    }

    /// Takes from the class what `device` does not tell.
    pub fn fill(&self, device: &mut Capabilities) {
        for (id, facts) in &self.layers {
            device.fill(facts, &Source::Class(id.clone()));
        }
    }
}

/// Ids of all shipped classes, sorted.
pub fn class_ids() -> impl Iterator<Item = &'static str> {
    FILES
        .iter()
        .map(|(id, _)| *id)
        .filter(|id| !id.starts_with('_'))
}

fn file(id: &str) -> Option<&'static str> {
    let index = FILES.binary_search_by_key(&id, |(id, _)| id).ok()?;
    FILES.get(index).map(|(_, toml)| *toml)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;

    #[test]
    fn every_shipped_class_parses() {
        assert!(FILES.is_sorted_by_key(|(id, _)| *id));
        assert_eq!(class_ids().count(), 31);
        for id in class_ids() {
            let class = Class::by_id(id).unwrap().unwrap();
            assert!(!class.name.is_empty(), "{id}");
            let device = class.capabilities();
            assert!(device.is_complete(), "{id}: {:?}", device.rows());
            assert!(device.max_message_size.unwrap().value >= 30_000, "{id}");
        }
    }

    #[test]
    fn a_value_names_the_file_that_says_it() {
        let device = Class::by_id("s40-gen1").unwrap().unwrap().capabilities();
        assert_eq!(device.id, "s40-gen1");
        let size = device.max_message_size.unwrap();
        assert_eq!(
            (size.value, size.source),
            (45_000, Source::Class("s40-gen1".into()))
        );
        assert_eq!(
            device.languages.unwrap().source,
            Source::Class("_base".into())
        );
    }

    #[test]
    fn the_safe_class_is_what_the_contract_says() {
        let safe = Class::by_id(SAFE).unwrap().unwrap().capabilities();
        assert_eq!(
            safe.max_image.as_ref().unwrap().value,
            Dimensions::new(640, 480)
        );
        assert_eq!(safe.max_message_size.as_ref().unwrap().value, 102_400);
        assert!(safe.accepts("image/gif").is_some() && safe.accepts("image/png").is_none());
        assert!(safe.accepts("video/3gpp").is_some() && safe.accepts("audio/amr").is_some());
    }

    #[test]
    fn a_class_of_the_user_inherits_from_a_shipped_one() {
        let class =
            Class::from_toml("mine", "inherits = \"s40-gen1\"\nmax_message_size = 1").unwrap();
        let device = class.capabilities();
        assert_eq!(device.max_message_size.unwrap().value, 1);
        assert_eq!(
            device.screen.unwrap().source,
            Source::Class("s40-gen1".into())
        );
    }

    #[test]
    fn damaged_class_files_are_errors() {
        assert!(matches!(
            Class::from_toml("x", "max_message_size ="),
            Err(ProfileError::Toml {
                offset: Some(_),
                ..
            })
        ));
        assert!(matches!(
            Class::from_toml("x", "inherits = \"nothing\""),
            Err(ProfileError::UnknownId { .. })
        ));
        assert!(Class::from_toml("x", "size = 1").is_err());
        assert_eq!(Class::by_id("_base"), Ok(None));
    }
}

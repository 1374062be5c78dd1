//! One profile from several: defaults, further documents, differences.

use super::UaProf;
use super::vocabulary::same_name;

impl UaProf {
    /// Takes from `defaults` the attributes this document does not have.
    pub fn apply_defaults(&mut self, defaults: &UaProf) {
        let missing: Vec<_> = defaults
            .attributes
            .iter()
            .filter(|theirs| {
                !self
                    .attributes
                    .iter()
                    .any(|ours| same_name(&ours.name, &theirs.name))
            })
            .cloned()
            .collect();
        self.attributes.extend(missing);
    }

    /// Makes the defaults inside the document ordinary attributes where nothing else gives them.
    fn settle(mut self) -> Self {
        let (defaults, given): (Vec<_>, Vec<_>) =
            self.attributes.into_iter().partition(|a| a.default);
        self.attributes = given;
        let defaults = UaProf {
            attributes: defaults
                .into_iter()
                .map(|a| super::Attribute {
                    default: false,
                    ..a
                })
                .collect(),
            ..UaProf::default()
        };
        self.apply_defaults(&defaults);
        self
    }
}

/// Puts profiles and differences together in the order given: the documents of a request first,
/// then its differences by ascending number. Which value of an attribute counts is then decided
/// by [`UaProf::values`], by the rule of its schema.
#[must_use]
pub fn merge(documents: impl IntoIterator<Item = UaProf>) -> UaProf {
    let mut merged = UaProf::default();
    for document in documents {
        let document = document.settle();
        merged.attributes.extend(document.attributes);
        merged.defaults.extend(document.defaults);
        merged.url = merged.url.or(document.url);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::uaprof::Attribute;

    fn document(attributes: &[(&str, &[&str])]) -> UaProf {
        UaProf {
            attributes: attributes
                .iter()
                .map(|(name, values)| Attribute {
                    name: (*name).to_owned(),
                    component: None,
                    values: values.iter().map(|v| (*v).to_owned()).collect(),
                    default: false,
                })
                .collect(),
            ..UaProf::default()
        }
    }

    #[test]
    fn each_attribute_merges_by_its_rule() {
        let profile = document(&[
            ("MmsMaxMessageSize", &["1000"]),
            ("BitsPerPixel", &["8"]),
            ("CcppAccept", &["image/gif"]),
            ("XUnknown", &["a"]),
        ]);
        let difference = document(&[
            ("MmsMaxMessageSize", &["9999"]),
            ("BitsPerPixel", &["16"]),
            ("CcppAccept", &["image/png"]),
            ("XUnknown", &["b"]),
        ]);
        let merged = merge([profile, difference]);
        assert_eq!(merged.value("MmsMaxMessageSize"), Some("1000"));
        assert_eq!(merged.value("BitsPerPixel"), Some("16"));
        assert_eq!(
            merged.values("CcppAccept"),
            Some(vec!["image/gif", "image/png"])
        );
        assert_eq!(merged.value("xunknown"), Some("b"));
    }

    #[test]
    fn defaults_stand_in_only_for_what_is_missing() {
        let mut profile = document(&[("BitsPerPixel", &["8"])]);
        profile.apply_defaults(&document(&[
            ("BitsPerPixel", &["1"]),
            ("ScreenSize", &["1x2"]),
        ]));
        assert_eq!(profile.value("BitsPerPixel"), Some("8"));
        assert_eq!(profile.value("ScreenSize"), Some("1x2"));
        let mut inside = document(&[("ScreenSize", &["3x4"]), ("ScreenSize", &["5x6"])]);
        inside.attributes[0].default = true;
        assert_eq!(merge([inside]).value("ScreenSize"), Some("5x6"));
    }
}

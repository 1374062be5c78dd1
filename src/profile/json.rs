//! Capabilities as JSON and as rows of a table.

use std::str::FromStr;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::capabilities::{Capabilities, Source, Sourced};
use super::error::ProfileError;
use super::facts::{FieldValue, capability_fields, field, text};

/// One line of a table that shows a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The attribute, by its UAProf name.
    pub attribute: &'static str,
    /// The value, for people; `None` where nobody says anything.
    pub value: Option<String>,
    /// Who says so.
    pub source: Option<Source>,
}

macro_rules! define_json {
    ($($field:ident: $kind:ty = $attribute:literal,)*) => {
        impl Serialize for Capabilities {
            /// An object with `id`, `source`, `vendor`, `model`, and for each capability that is
            /// known `{"value": …, "source": …}`.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("id", &self.id)?;
                map.serialize_entry("source", &self.source.to_string())?;
                map.serialize_entry("vendor", &self.vendor)?;
                map.serialize_entry("model", &self.model)?;
                $(
                    if let Some(sourced) = &self.$field {
                        map.serialize_entry(stringify!($field), &entry(sourced))?;
                    }
                )*
                map.end()
            }
        }

        impl Capabilities {
            /// Reads the JSON that serialising writes. Every field may be missing; a capability
            /// may also be given as its bare value. `source` is assumed where none is told.
            ///
            /// # Errors
            ///
            /// Text that is no JSON object, an unknown key, a value of the wrong form.
            pub fn from_json(json: &str, source: &Source) -> Result<Self, ProfileError> {
                let value: Value =
                    serde_json::from_str(json).map_err(|e| ProfileError::Json(e.to_string()))?;
                let Value::Object(table) = value else {
                    return Err(ProfileError::Json("the outermost value is another".to_owned()));
                };
                let mut device = Self { source: source.clone(), ..Self::default() };
                for (key, value) in &table {
                    if value.is_null() {
                        continue;
                    }
                    match key.as_str() {
                        "id" => device.id = text(key, value)?,
                        "source" => device.source = parse_source(key, value)?,
                        "vendor" => device.vendor = Some(text(key, value)?),
                        "model" => device.model = Some(text(key, value)?),
                        $(stringify!($field) => {
                            device.$field = Some(sourced::<$kind>(key, value, source)?);
                        })*
                        _ => return Err(ProfileError::UnknownField(key.clone())),
                    }
                }
                Ok(device)
            }

            /// SHA-256 over every capability's value, in hexadecimal: equal for two devices that
            /// can take the same, whatever they are called and whoever says so.
            #[must_use]
            pub fn digest(&self) -> String {
                let mut hash = Sha256::new();
                $(
                    hash.update(concat!(stringify!($field), "="));
                    if let Some(sourced) = &self.$field {
                        hash.update(sourced.value.to_json().to_string());
                    }
                    hash.update("\n");
                )*
                hash.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
            }

            /// Every capability with its source, in a fixed order.
            #[must_use]
            pub fn rows(&self) -> Vec<Row> {
                vec![$(Row {
                    attribute: $attribute,
                    value: self.$field.as_ref().map(|s| s.value.to_text()),
                    source: self.$field.as_ref().map(|s| s.source.clone()),
                },)*]
            }
        }
    };
}
capability_fields!(define_json);

fn entry<T: FieldValue>(sourced: &Sourced<T>) -> Value {
    let mut map = Map::new();
    map.insert("value".to_owned(), sourced.value.to_json());
    map.insert("source".to_owned(), Value::from(sourced.source.to_string()));
    Value::Object(map)
}

fn sourced<T: FieldValue>(
    key: &str,
    value: &Value,
    source: &Source,
) -> Result<Sourced<T>, ProfileError> {
    let Value::Object(table) = value else {
        return Ok(Sourced::new(field(key, value)?, source.clone()));
    };
    let inner = table.get("value").unwrap_or(&Value::Null);
    let source = match table.get("source") {
        Some(told) => parse_source(key, told)?,
        None => source.clone(),
    };
    Ok(Sourced::new(field(key, inner)?, source))
}

fn parse_source(key: &str, value: &Value) -> Result<Source, ProfileError> {
    text(key, value)?
        .parse()
        .map_err(|UnknownSource| ProfileError::FieldForm {
            field: key.to_owned(),
            form: "a source such as \"uaprof\" or \"class safe\"",
        })
}

/// A text that names no source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownSource;

impl FromStr for Source {
    type Err = UnknownSource;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        let plain = match text {
            "default" => Self::Default,
            "uaprof" => Self::Uaprof,
            "profile-diff" => Self::Diff,
            "headers" => Self::Headers,
            "override" => Self::Override,
            _ => {
                let named = |prefix| text.strip_prefix(prefix).map(str::to_owned);
                return named("class ")
                    .map(Self::Class)
                    .or_else(|| named("database ").map(Self::Database))
                    .or_else(|| named("user-agent rule ").map(Self::UserAgent))
                    .or_else(|| named("operator ").map(Self::Operator))
                    .ok_or(UnknownSource);
            }
        };
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;

    fn device() -> Capabilities {
        Capabilities {
            id: "d".into(),
            source: Source::Uaprof,
            max_image: Some(Sourced::new(
                Dimensions::new(640, 480),
                Source::Class("safe".into()),
            )),
            accept: Some(Sourced::new(
                vec!["image/jpeg".into(), "text/plain".into()],
                Source::UserAgent("Nokia 61*".into()),
            )),
            color: Some(Sourced::new(true, Source::Operator("o".into()))),
            ..Capabilities::default()
        }
    }

    #[test]
    fn json_comes_back_as_it_was() {
        let json = serde_json::to_string(&device()).unwrap();
        assert!(json.starts_with(r#"{"id":"d","source":"uaprof""#), "{json}");
        assert!(json.contains(r#""source":"class safe","value":[640,480]"#));
        assert_eq!(
            Capabilities::from_json(&json, &Source::Override),
            Ok(device())
        );
    }

    #[test]
    fn bare_values_take_the_source_of_the_file() {
        let read = Capabilities::from_json(
            r#"{"max_message_size": 5, "max_image": "2x1", "vendor": null}"#,
            &Source::Override,
        )
        .unwrap();
        assert_eq!(
            read.max_message_size,
            Some(Sourced::new(5, Source::Override))
        );
        assert_eq!(read.max_image.unwrap().value, Dimensions::new(2, 1));
    }

    #[test]
    fn bad_json_says_which_field() {
        for (json, part) in [
            ("[]", "outermost"),
            ("{", "EOF"),
            (r#"{"size": 1}"#, "\"size\""),
            (r#"{"accept": "image/jpeg"}"#, "list of texts"),
            (
                r#"{"color": {"value": true, "source": "hearsay"}}"#,
                "source",
            ),
            (r#"{"color": {}}"#, "true or false"),
        ] {
            let error = Capabilities::from_json(json, &Source::Override).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn the_digest_is_of_values_alone() {
        let mut other = device();
        other.id = "e".into();
        other.color = Some(Sourced::new(true, Source::Default));
        assert_eq!(device().digest(), other.digest());
        other.color = Some(Sourced::new(false, Source::Default));
        assert_ne!(device().digest(), other.digest());
        assert_eq!(device().digest().len(), 64);
    }

    #[test]
    fn rows_are_in_order_and_for_people() {
        let rows = device().rows();
        assert_eq!(rows[0].attribute, "MmsMaxMessageSize");
        assert_eq!(rows[1].value.as_deref(), Some("640x480"));
        assert_eq!(rows[5].value.as_deref(), Some("image/jpeg, text/plain"));
        assert_eq!(rows[0].value, None);
    }
}

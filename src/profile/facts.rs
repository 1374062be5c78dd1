//! What one source says of a device: plain values, without their origin.

use serde_json::{Map, Value};

use super::capabilities::{Capabilities, Source, Sourced};
use super::error::ProfileError;
use crate::dimensions::Dimensions;

/// Calls a macro with every capability: field, type, and the UAProf attribute it comes from. One
/// list, so that no field is forgotten in reading, merging, printing or hashing.
macro_rules! capability_fields {
    ($each:ident) => {
        $each! {
            max_message_size: u64 = "MmsMaxMessageSize",
            max_image: $crate::dimensions::Dimensions = "MmsMaxImageResolution",
            screen: $crate::dimensions::Dimensions = "ScreenSize",
            bits_per_pixel: u8 = "BitsPerPixel",
            color: bool = "ColorCapable",
            accept: Vec<String> = "MmsCcppAccept",
            charsets: Vec<String> = "MmsCcppAcceptCharSet",
            languages: Vec<String> = "MmsCcppAcceptLanguage",
            mms_versions: Vec<String> = "MmsVersion",
            content_classes: Vec<String> = "MmsContentClass",
            suppress_adaptation: bool = "MmsSuppressContentAdaptation",
            streaming: bool = "MmsCcppStreamingCapable",
            drm: Vec<String> = "MmsDrmClass",
            max_polyphony: u32 = "MaxPolyphony",
            three_gp_accept: Vec<String> = "ThreeGPAccept",
            three_gp_brands: Vec<String> = "Brands",
            smil_base_set: Vec<String> = "MmsSmilBaseSet",
        }
    };
}
pub(super) use capability_fields;

macro_rules! define_facts {
    ($($field:ident: $kind:ty = $attribute:literal,)*) => {
        /// What one source says of a device. Each field means what the field of that name in
        /// [`Capabilities`] means; `None` where the source is silent.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
        pub struct Facts {
            /// Manufacturer.
            pub vendor: Option<String>,
            /// Model.
            pub model: Option<String>,
            $(
                #[doc = concat!("The value of ", $attribute, ".")]
                pub $field: Option<$kind>,
            )*
        }

        impl Facts {
            /// Names of the fields, as class files and JSON spell them.
            pub const FIELDS: &'static [&'static str] = &["vendor", "model", $(stringify!($field)),*];

            /// Reads facts from a table of plain values, as a class file or JSON holds it. Keys
            /// in `ignored` belong to the caller.
            ///
            /// # Errors
            ///
            /// A key that is no field, or a value that is not of the field's form.
            pub fn from_table(
                table: &Map<String, Value>,
                ignored: &[&str],
            ) -> Result<Self, ProfileError> {
                let mut facts = Self::default();
                for (key, value) in table {
                    match key.as_str() {
                        "vendor" => facts.vendor = Some(text(key, value)?),
                        "model" => facts.model = Some(text(key, value)?),
                        $(stringify!($field) => facts.$field = Some(field(key, value)?),)*
                        other if ignored.contains(&other) => {}
                        _ => return Err(ProfileError::UnknownField(key.clone())),
                    }
                }
                Ok(facts)
            }

            /// Whether nothing is said at all.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.vendor.is_none() && self.model.is_none() $(&& self.$field.is_none())*
            }

            /// The values of a device without their origin.
            #[must_use]
            pub fn of(capabilities: &Capabilities) -> Self {
                Self {
                    vendor: capabilities.vendor.clone(),
                    model: capabilities.model.clone(),
                    $($field: capabilities.$field.as_ref().map(|s| s.value.clone()),)*
                }
            }
        }

        impl Capabilities {
            /// Takes from `facts` what is not known yet.
            pub fn fill(&mut self, facts: &Facts, source: &Source) {
                if self.vendor.is_none() && self.model.is_none() {
                    self.vendor.clone_from(&facts.vendor);
                    self.model.clone_from(&facts.model);
                }
                $(
                    if let (None, Some(value)) = (&self.$field, &facts.$field) {
                        self.$field = Some(Sourced::new(value.clone(), source.clone()));
                    }
                )*
            }

            /// Takes from `facts` everything it says, over what is known already.
            pub fn replace(&mut self, facts: &Facts, source: &Source) {
                if facts.vendor.is_some() {
                    self.vendor.clone_from(&facts.vendor);
                }
                if facts.model.is_some() {
                    self.model.clone_from(&facts.model);
                }
                $(
                    if let Some(value) = &facts.$field {
                        self.$field = Some(Sourced::new(value.clone(), source.clone()));
                    }
                )*
            }

            /// Whether every capability has a value.
            #[must_use]
            pub fn is_complete(&self) -> bool {
                true $(&& self.$field.is_some())*
            }
        }
    };
}
capability_fields!(define_facts);

/// A capability's type: how it is written in JSON, in class files and for people.
pub(super) trait FieldValue: Sized {
    /// What a value looks like, for error messages.
    const FORM: &'static str;
    fn to_json(&self) -> Value;
    fn from_json(value: &Value) -> Option<Self>;
    fn to_text(&self) -> String {
        self.to_json().to_string()
    }
}

impl FieldValue for u64 {
    const FORM: &'static str = "a whole number";
    fn to_json(&self) -> Value {
        Value::from(*self)
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_u64()
    }
}

impl FieldValue for u32 {
    const FORM: &'static str = "a whole number";
    fn to_json(&self) -> Value {
        Value::from(*self)
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_u64().and_then(|n| n.try_into().ok())
    }
}

impl FieldValue for u8 {
    const FORM: &'static str = "a whole number up to 255";
    fn to_json(&self) -> Value {
        Value::from(*self)
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_u64().and_then(|n| n.try_into().ok())
    }
}

impl FieldValue for bool {
    const FORM: &'static str = "true or false";
    fn to_json(&self) -> Value {
        Value::from(*self)
    }
    fn from_json(value: &Value) -> Option<Self> {
        value.as_bool()
    }
    fn to_text(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }
}

impl FieldValue for Dimensions {
    const FORM: &'static str = "\"WIDTHxHEIGHT\" or [width, height]";
    fn to_json(&self) -> Value {
        Value::from(vec![self.width, self.height])
    }
    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => parse_dimensions(text),
            Value::Array(pair) => match pair.as_slice() {
                [width, height] => Some(Self::new(u32::from_json(width)?, u32::from_json(height)?)),
                _ => None,
            },
            _ => None,
        }
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

impl FieldValue for Vec<String> {
    const FORM: &'static str = "a list of texts";
    fn to_json(&self) -> Value {
        Value::from(self.as_slice())
    }
    fn from_json(value: &Value) -> Option<Self> {
        value
            .as_array()?
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect()
    }
    fn to_text(&self) -> String {
        self.join(", ")
    }
}

/// Reads `WxH` the way profiles write it: `x`, `X`, `*` or `×` between two numbers, with white
/// space anywhere.
#[must_use]
pub fn parse_dimensions(text: &str) -> Option<Dimensions> {
    let (width, height) = text.split_once(['x', 'X', '*', '\u{d7}'])?;
    let number = |text: &str| {
        let digits = text.trim();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse::<u32>().ok()
    };
    Some(Dimensions::new(number(width)?, number(height)?))
}

pub(super) fn field<T: FieldValue>(key: &str, value: &Value) -> Result<T, ProfileError> {
    T::from_json(value).ok_or_else(|| ProfileError::FieldForm {
        field: key.to_owned(),
        form: T::FORM,
    })
}

pub(super) fn text(key: &str, value: &Value) -> Result<String, ProfileError> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| ProfileError::FieldForm {
            field: key.to_owned(),
            form: "a text",
        })
}

/// A TOML file as a table of plain values.
pub(super) fn parse_toml(toml: &str) -> Result<Map<String, Value>, ProfileError> {
    toml::from_str(toml).map_err(|error| ProfileError::Toml {
        message: error.message().replace('\n', " "),
        offset: error.span().map(|span| span.start),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(json: &str) -> Result<Facts, ProfileError> {
        let value: Value = serde_json::from_str(json).unwrap();
        Facts::from_table(value.as_object().unwrap(), &["name"])
    }

    #[test]
    fn dimensions_are_read_as_profiles_write_them() {
        for text in ["640x480", "640X480", " 640 * 480 ", "640 \u{d7}480\n"] {
            assert_eq!(parse_dimensions(text), Some(Dimensions::new(640, 480)));
        }
        for text in ["", "640", "x480", "-1x2", "640x480x3", "99999999999x1"] {
            assert_eq!(parse_dimensions(text), None, "{text}");
        }
    }

    #[test]
    fn a_table_holds_fields_of_their_form_and_nothing_else() {
        let read = facts(r#"{"name": "n", "screen": [1, 2], "max_image": "3x4"}"#).unwrap();
        assert_eq!(read.screen, Some(Dimensions::new(1, 2)));
        assert_eq!(read.max_image, Some(Dimensions::new(3, 4)));
        assert_eq!(
            facts(r#"{"max_size": 1}"#),
            Err(ProfileError::UnknownField("max_size".into()))
        );
        let error = facts(r#"{"bits_per_pixel": 256}"#).unwrap_err();
        assert!(error.to_string().contains("up to 255"), "{error}");
    }

    #[test]
    fn filling_keeps_and_replacing_overwrites() {
        let one = facts(r#"{"max_message_size": 1, "vendor": "A"}"#).unwrap();
        let two = facts(r#"{"max_message_size": 2, "color": true}"#).unwrap();
        let mut device = Capabilities::default();
        device.fill(&one, &Source::Uaprof);
        device.fill(&two, &Source::Diff);
        assert_eq!(
            device.max_message_size,
            Some(Sourced::new(1, Source::Uaprof))
        );
        assert_eq!(device.color, Some(Sourced::new(true, Source::Diff)));
        device.replace(&two, &Source::Override);
        assert_eq!(
            device.max_message_size,
            Some(Sourced::new(2, Source::Override))
        );
        assert!(!device.is_complete() && Facts::default().is_empty());
        assert_eq!(Facts::of(&device).vendor.as_deref(), Some("A"));
    }
}

//! Formats that no built-in codec knows, named by whoever brings a codec for them.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::info::{Format, MediaKind};
use super::mime;

/// A format by its names. Two of them are equal where their names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named(&'static Names);

/// Formats that one process may name. They are never forgotten, since values of [`Format`] go
/// everywhere.
const MOST: usize = 256;

/// Octets of one name.
const LONGEST: usize = 64;

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Names {
    name: String,
    kind: MediaKind,
    media_types: Vec<String>,
    extensions: Vec<String>,
}

static TABLE: RwLock<BTreeMap<String, &'static Names>> = RwLock::new(BTreeMap::new());

/// Why a format cannot be named so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is no name.
    #[error("{0:?} is no name of a format, of a media type or of an extension")]
    Malformed(String),
    /// Another format has it.
    #[error("{0} belongs to the format {1}")]
    Taken(String, &'static str),
    /// There are too many.
    #[error("more than {MOST} formats")]
    TooMany,
}

impl Named {
    /// Names a format, for good and for the whole process: from now on [`mime`] knows it. The same
    /// names give the same format.
    ///
    /// `media_types` and `extensions` begin with the preferred one; of each there is at least one.
    ///
    /// # Errors
    ///
    /// Where a name is none, or is another format's.
    pub fn new(
        name: &str,
        kind: MediaKind,
        media_types: &[String],
        extensions: &[String],
    ) -> Result<Self, NameError> {
        let malformed = |what: &str| NameError::Malformed(what.chars().take(LONGEST).collect());
        let word = |text: &str, extra: &str| {
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || extra.contains(c);
            !text.is_empty() && text.len() <= LONGEST && text.chars().all(fine)
        };
        let is_type = |text: &str| {
            text.split_once('/')
                .is_some_and(|(top, sub)| word(top, "") && word(sub, "-.+_"))
        };
        if !word(name, "-") {
            return Err(malformed(name));
        }
        if let Some(bad) = media_types.iter().find(|text| !is_type(text)) {
            return Err(malformed(bad));
        }
        if let Some(bad) = extensions.iter().find(|text| !word(text, "")) {
            return Err(malformed(bad));
        }
        if media_types.is_empty() || extensions.is_empty() {
            return Err(malformed(""));
        }
        let names = Names {
            name: name.to_owned(),
            kind,
            media_types: media_types.to_vec(),
            extensions: extensions.to_vec(),
        };
        let mut table = TABLE.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = table.get(name) {
            return if **known == names {
                Ok(Self(known))
            } else {
                Err(NameError::Taken(name.to_owned(), &known.name))
            };
        }
        if let Some(format) = mime::builtin_of_name(name) {
            return Err(NameError::Taken(name.to_owned(), format.name()));
        }
        for text in media_types {
            let owner = mime::builtin_of_media_type(text).map(Format::name);
            let owner = owner.or_else(|| owner_of(&table, |known| &known.media_types, text));
            if let Some(owner) = owner {
                return Err(NameError::Taken(text.clone(), owner));
            }
        }
        for text in extensions {
            let owner = mime::builtin_of_extension(text).map(Format::name);
            let owner = owner.or_else(|| owner_of(&table, |known| &known.extensions, text));
            if let Some(owner) = owner {
                return Err(NameError::Taken(text.clone(), owner));
            }
        }
        if table.len() >= MOST {
            return Err(NameError::TooMany);
        }
        let names: &'static Names = Box::leak(Box::new(names));
        table.insert(name.to_owned(), names);
        Ok(Self(names))
    }

    /// The format that somebody named so.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        find(|known| known.name == name)
    }

    /// The format of a media type, which is in lower case and without parameters.
    #[must_use]
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let is = |known: &String| known.eq_ignore_ascii_case(media_type);
        find(|known| known.media_types.iter().any(is))
    }

    /// The format of an extension without its dot.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        let is = |known: &String| known.eq_ignore_ascii_case(extension);
        find(|known| known.extensions.iter().any(is))
    }

    /// Its short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        &self.0.name
    }

    /// The broad kind.
    #[must_use]
    pub const fn kind(self) -> MediaKind {
        self.0.kind
    }

    /// The preferred media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        self.media_types()
            .first()
            .map_or("application/octet-stream", String::as_str)
    }

    /// Its media types, the preferred one first.
    #[must_use]
    pub fn media_types(self) -> &'static [String] {
        &self.0.media_types
    }

    /// The usual extension, without its dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.0.extensions.first().map_or("bin", String::as_str)
    }
}

fn find(is: impl Fn(&Names) -> bool) -> Option<Named> {
    let table = TABLE.read().unwrap_or_else(PoisonError::into_inner);
    table.values().find(|known| is(known)).map(|n| Named(n))
}

fn owner_of(
    table: &BTreeMap<String, &'static Names>,
    list: impl Fn(&Names) -> &[String],
    text: &str,
) -> Option<&'static str> {
    let owner = table
        .values()
        .find(|known| list(known).iter().any(|t| t == text));
    owner.map(|known| known.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, media: &[&str], ext: &[&str]) -> Result<Named, NameError> {
        let own = |list: &[&str]| list.iter().map(|&t| t.to_owned()).collect::<Vec<_>>();
        Named::new(name, MediaKind::Image, &own(media), &own(ext))
    }

    #[test]
    fn a_named_format_is_known_by_all_of_its_names() {
        let format = named("named-a", &["image/x-named-a"], &["nma"]).unwrap();
        assert_eq!(named("named-a", &["image/x-named-a"], &["nma"]), Ok(format));
        let format = Format::Named(format);
        assert_eq!(
            mime::format_of_media_type("Image/X-Named-A; q=1"),
            Some(format)
        );
        assert_eq!(mime::format_of_extension(".NMA"), Some(format));
        assert_eq!(mime::format_of_name("named-a"), Some(format));
        assert_eq!(
            (format.name(), format.media_type()),
            ("named-a", "image/x-named-a")
        );
        assert_eq!(format.kind(), MediaKind::Image);
    }

    #[test]
    fn names_of_other_formats_and_no_names_are_refused() {
        assert!(named("named-b", &["image/x-named-b"], &["nmb"]).is_ok());
        for (name, media, ext) in [
            ("jpeg", "image/x-named-c", "nmc"),
            ("named-c", "image/jpeg", "nmc"),
            ("named-c", "image/jpg", "nmc"),
            ("named-c", "image/x-named-c", "jpeg"),
            ("named-c", "image/x-named-b", "nmc"),
            ("named-b", "image/x-named-c", "nmc"),
        ] {
            let error = named(name, &[media], &[ext]).unwrap_err();
            assert!(matches!(error, NameError::Taken(..)), "{name}: {error}");
        }
        for (name, media, ext) in [
            ("", "image/x", "x"),
            ("a b", "image/x", "x"),
            ("named-d", "image", "x"),
            ("named-d", "image/x\r\ny", "x"),
            ("named-d", "image/x-named-d", "../x"),
        ] {
            let error = named(name, &[media], &[ext]).unwrap_err();
            assert!(matches!(error, NameError::Malformed(_)), "{name}: {error}");
        }
        assert!(named("named-e", &[], &["nme"]).is_err());
        assert_eq!(Named::of_name("named-c"), None);
    }
}

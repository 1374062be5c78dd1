//! Content types with their parameters (RFC 2045 section 5.1, WAP-230-WSP section 8.4.2.24).

use std::fmt;
use std::hash::{Hash, Hasher};

/// A parameter of a content type or a content disposition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Param {
    /// The name in lower case, such as `charset`.
    pub name: String,
    /// The value without quotes; a charset as its IANA name.
    pub value: String,
}

/// A media type and its parameters, such as `text/plain; charset=utf-8`.
///
/// The media type keeps the spelling it came with (`text/x-vCard`); comparisons ignore case.
#[derive(Debug, Clone, Eq)]
pub struct ContentType {
    media: String,
    params: Vec<Param>,
}

impl ContentType {
    /// A content type without parameters.
    #[must_use]
    pub fn new(media: impl Into<String>) -> Self {
        Self {
            media: media.into(),
            params: Vec::new(),
        }
    }

    /// The same content type with parameter `name` set to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.set_param(name, value);
        self
    }

    /// The media type as it was spelt, without parameters.
    #[must_use]
    pub fn media(&self) -> &str {
        &self.media
    }

    /// Gives the type another name and keeps its parameters.
    pub fn set_media(&mut self, media: impl Into<String>) {
        self.media = media.into();
    }

    /// The media type in lower case.
    #[must_use]
    pub fn essence(&self) -> String {
        self.media.to_ascii_lowercase()
    }

    /// Whether this is `media`, without regard to case or parameters.
    #[must_use]
    pub fn is(&self, media: &str) -> bool {
        self.media.eq_ignore_ascii_case(media)
    }

    /// Whether the top-level type is `kind`, as in `image`.
    #[must_use]
    pub fn is_kind(&self, kind: &str) -> bool {
        self.media
            .split('/')
            .next()
            .is_some_and(|k| k.eq_ignore_ascii_case(kind))
    }

    /// Whether this is a container of parts, in its textual or its WAP name.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        let media = self.essence();
        media.starts_with("multipart/") || media.starts_with("application/vnd.wap.multipart.")
    }

    /// The parameters in their order.
    #[must_use]
    pub fn params(&self) -> &[Param] {
        &self.params
    }

    /// The value of parameter `name`, the first if it is repeated.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|p| p.name.eq_ignore_ascii_case(name))
            .map(|p| p.value.as_str())
    }

    /// Sets parameter `name`, in place if it is there already.
    pub fn set_param(&mut self, name: &str, value: impl Into<String>) {
        let value = value.into();
        match self
            .params
            .iter_mut()
            .find(|p| p.name.eq_ignore_ascii_case(name))
        {
            Some(param) => param.value = value,
            None => self.params.push(Param {
                name: name.to_ascii_lowercase(),
                value,
            }),
        }
    }

    /// Appends a parameter even where one of that name is there.
    pub fn push_param(&mut self, name: &str, value: impl Into<String>) {
        self.params.push(Param {
            name: name.to_ascii_lowercase(),
            value: value.into(),
        });
    }

    /// Takes parameter `name` away.
    pub fn remove_param(&mut self, name: &str) {
        self.params.retain(|p| !p.name.eq_ignore_ascii_case(name));
    }

    /// The charset parameter.
    #[must_use]
    pub fn charset(&self) -> Option<&str> {
        self.param("charset")
    }
}

impl PartialEq for ContentType {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.media) && self.params == other.params
    }
}

impl Hash for ContentType {
    /// Like comparison, without regard to the case of the media type.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.essence().hash(state);
        self.params.hash(state);
    }
}

impl fmt::Display for ContentType {
    /// Writes the MIME form; values that are not tokens are quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.media)?;
        for Param { name, value } in &self.params {
            if !value.is_empty() && value.bytes().all(is_token) {
                write!(f, "; {name}={value}")?;
            } else {
                let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "; {name}=\"{escaped}\"")?;
            }
        }
        Ok(())
    }
}

/// Whether an octet may stand in an RFC 2045 token.
#[must_use]
pub fn is_token(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_survives_and_comparison_ignores_it() {
        let vcard = ContentType::new("text/x-vCard");
        assert_eq!(vcard.media(), "text/x-vCard");
        assert!(vcard.is("text/x-vcard") && vcard.is_kind("TEXT"));
        assert_eq!(vcard, ContentType::new("TEXT/X-VCARD"));
    }

    #[test]
    fn values_that_are_not_tokens_are_quoted() {
        let related = ContentType::new("multipart/related").with("start", "<a\"b>");
        assert_eq!(related.to_string(), "multipart/related; start=\"<a\\\"b>\"");
        assert_eq!(
            ContentType::new("a/b").with("charset", "utf-8").to_string(),
            "a/b; charset=utf-8"
        );
    }

    #[test]
    fn multipart_has_two_names() {
        assert!(ContentType::new("application/vnd.wap.multipart.related").is_multipart());
        assert!(ContentType::new("Multipart/Mixed").is_multipart());
        assert!(!ContentType::new("text/plain").is_multipart());
    }
}

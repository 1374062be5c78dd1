//! The message itself: headers, and a body of parts.

use bytes::Bytes;

use super::content_type::{ContentType, Param};
use super::header::Headers;

/// A multimedia message (MM of 3GPP TS 23.140), whatever interface it came over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Everything in front of the body, in order.
    pub headers: Headers,
    /// The content.
    pub body: Body,
}

/// The content of a message: one medium, or parts held together by a multipart type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Type of the whole body. Where it is no multipart there is exactly one part, of this type.
    pub content_type: ContentType,
    /// The parts in their order on the wire.
    pub parts: Vec<Part>,
}

impl Body {
    /// A body that is one part and no multipart.
    #[must_use]
    pub fn single(part: Part) -> Self {
        Self {
            content_type: part.content_type.clone(),
            parts: vec![part],
        }
    }

    /// Whether the body is a multipart, even one with a single part.
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.content_type.is_multipart()
    }

    /// Index of the presentation: the part that `start` names, else the first SMIL part.
    ///
    /// `None` where the message has no presentation.
    #[must_use]
    pub fn presentation(&self) -> Option<usize> {
        let start = self.content_type.param("start").map(trim_brackets);
        let named = start.filter(|s| !s.is_empty()).and_then(|start| {
            self.parts.iter().position(|p| {
                p.is_presentation()
                    && (p
                        .content_id
                        .as_deref()
                        .is_some_and(|id| trim_brackets(id) == start)
                        || p.content_location.as_deref() == Some(start))
            })
        });
        named.or_else(|| self.parts.iter().position(Part::is_presentation))
    }

    /// Octets of all parts' data together.
    #[must_use]
    pub fn data_len(&self) -> usize {
        self.parts
            .iter()
            .fold(0, |sum, part| sum.saturating_add(part.data.len()))
    }
}

/// One element of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the sender says the data is; the data may differ.
    pub content_type: ContentType,
    /// Content-ID without angle brackets.
    pub content_id: Option<String>,
    /// Content-Location as it came.
    pub content_location: Option<String>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// Other part headers in their order.
    pub other: Vec<PartHeader>,
    /// The content with any transfer encoding undone. A view into the message, not a copy.
    pub data: Bytes,
}

impl Part {
    /// A part with no name.
    #[must_use]
    pub fn new(content_type: ContentType, data: impl Into<Bytes>) -> Self {
        Self {
            content_type,
            content_id: None,
            content_location: None,
            disposition: None,
            other: Vec::new(),
            data: data.into(),
        }
    }

    /// The name a person would know the part by: Content-Location, the `name` parameter, the file
    /// name of the disposition, or the Content-ID, whichever is there first.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.content_location
            .as_deref()
            .or_else(|| self.content_type.param("name"))
            .or_else(|| {
                self.disposition
                    .as_ref()
                    .and_then(|d| d.filename.as_deref())
            })
            .or(self.content_id.as_deref())
    }

    /// Whether the part is a SMIL presentation.
    #[must_use]
    pub fn is_presentation(&self) -> bool {
        self.content_type.is("application/smil") || self.content_type.is("application/smil+xml")
    }
}

/// A part header that has no field of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartHeader {
    /// A header by name. The value is text without line breaks.
    Text {
        /// The name as it came.
        name: String,
        /// The value.
        value: String,
    },
    /// A well-known header (WSP code without the top bit) that is carried but not understood.
    WellKnown {
        /// The code, 0..=0x7F.
        code: u8,
        /// The undecoded value octets.
        value: Bytes,
    },
}

/// How a part asks to be presented (RFC 2183, WAP-230-WSP section 8.4.2.21).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// The disposition type.
    pub kind: DispositionKind,
    /// The file name, as it came: never a path to write to.
    pub filename: Option<String>,
    /// Other parameters in their order.
    pub params: Vec<Param>,
}

/// The disposition types with a code of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DispositionKind {
    /// `attachment`, code 1.
    Attachment,
    /// `form-data`, code 0.
    FormData,
    /// `inline`, code 2.
    Inline,
    /// Any other token.
    Other(String),
}

/// `<a@b>` without its brackets; other text as it is.
#[must_use]
pub fn trim_brackets(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<')
        .unwrap_or(id)
        .strip_suffix('>')
        .unwrap_or(id.strip_prefix('<').unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smil(id: &str) -> Part {
        let mut part = Part::new(ContentType::new("application/smil"), "<smil/>");
        part.content_id = Some(id.to_owned());
        part
    }

    #[test]
    fn presentation_is_the_start_part_else_the_first_smil() {
        let text = Part::new(ContentType::new("text/plain"), "hi");
        let mut body = Body {
            content_type: ContentType::new("application/vnd.wap.multipart.related")
                .with("start", "<b>"),
            parts: vec![text.clone(), smil("a"), smil("b")],
        };
        assert_eq!(body.presentation(), Some(2));
        body.content_type.remove_param("start");
        assert_eq!(body.presentation(), Some(1));
        body.parts = vec![text];
        assert_eq!(body.presentation(), None);
    }

    #[test]
    fn brackets_are_trimmed_only_where_they_are() {
        for (given, want) in [("<a>", "a"), ("a", "a"), ("<a", "a"), ("a>", "a"), ("", "")] {
            assert_eq!(trim_brackets(given), want, "{given}");
        }
    }
}

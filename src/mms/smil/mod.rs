//! MMS SMIL (OMA MMS Conformance Document): the presentation of a message.
//!
//! [`Smil::parse`] reads what handsets and gateways write, well-formed or not, into a small tree.
//! The tree keeps harmless elements and attributes it does not know. [`Smil::references`] tells
//! which media are shown when, [`resolve`] which part each means, and the editing functions change
//! them. [`Smil::to_bytes`] writes well-formed XML.

mod conform;
mod edit;
mod generate;
mod layout;
mod length;
mod read;
mod resolve;
mod time;
mod tree;
mod write;

pub use generate::{SlideSpec, generate};
pub use resolve::resolve;
pub use time::parse_time;

use crate::Limits;

use super::error::{DecodeError, Decoded};

use tree::Node;

/// A presentation.
///
/// Two are equal where they are written the same.
#[derive(Debug, Clone)]
pub struct Smil {
    /// The root element `smil` first. An element taken out of the tree stays here, without a way to
    /// it from the root, so that every [`RefId`] keeps its meaning.
    nodes: Vec<Node>,
}

/// A media element of one presentation. It stays valid through every change of that presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefId(usize);

/// A media element that shows a part of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The element.
    pub id: RefId,
    /// Its kind.
    pub element: MediaElement,
    /// The part it shows, as it is written there.
    pub src: String,
    /// Number of the slide, from 0.
    pub slide: Option<usize>,
    /// Identifier of the region it is shown in.
    pub region: Option<String>,
}

/// The kinds of media elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaElement {
    /// `audio`.
    Audio,
    /// `img`.
    Img,
    /// Any other element of the body that has a `src`.
    Other,
    /// `ref`: the type of the part says what it is.
    Ref,
    /// `text`.
    Text,
    /// `video`.
    Video,
}

impl MediaElement {
    /// The name of the element; `ref` for [`MediaElement::Other`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Img => "img",
            Self::Other | Self::Ref => "ref",
            Self::Text => "text",
            Self::Video => "video",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "audio" => Self::Audio,
            "img" => Self::Img,
            "ref" => Self::Ref,
            "text" => Self::Text,
            "video" => Self::Video,
            _ => Self::Other,
        }
    }
}

impl Smil {
    /// Reads a presentation.
    ///
    /// UTF-8, UTF-16 and any declared charset of the table are read; DOCTYPE is passed over and no
    /// entity is expanded but the five of XML and character references: another stays literally, as
    /// text. Namespace prefixes go, known names get their usual case, tags that do not match are
    /// mended, and what follows an unreadable place is left out, each with a warning.
    ///
    /// Offsets count the octets of the document as UTF-8.
    ///
    /// # Errors
    ///
    /// A document without a `smil` element, and one beyond the XML bounds of `limits`.
    pub fn parse(octets: &[u8], limits: &Limits) -> Result<Decoded<Self>, DecodeError> {
        read::parse(octets, limits)
    }

    /// The media elements that have a `src`, in document order.
    #[must_use]
    pub fn references(&self) -> Vec<Reference> {
        let mut references = Vec::new();
        for (slide, node) in self.slide_nodes().into_iter().enumerate() {
            for media in self.media_below(node) {
                references.extend(self.reference(media, slide));
            }
        }
        references
    }

    /// How many slides there are: `par` elements of the body, and media that stand alone in it.
    #[must_use]
    pub fn slides(&self) -> usize {
        self.slide_nodes().len()
    }

    /// The first text of a slide.
    #[must_use]
    pub fn text_of_slide(&self, slide: usize) -> Option<RefId> {
        let node = *self.slide_nodes().get(slide)?;
        self.first_text(node)
    }

    /// The presentation as UTF-8 without a DOCTYPE or an XML declaration, in one line.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        write::to_bytes(self)
    }

    fn reference(&self, node: usize, slide: usize) -> Option<Reference> {
        Some(Reference {
            id: RefId(node),
            element: MediaElement::from_name(self.name(node)?),
            src: self.attribute(node, "src")?.to_owned(),
            slide: Some(slide),
            region: self.attribute(node, "region").map(str::to_owned),
        })
    }
}

impl PartialEq for Smil {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Smil {}

#[cfg(test)]
mod tests;

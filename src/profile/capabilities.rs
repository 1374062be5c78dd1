//! The normalised capabilities of one device.

use std::fmt;

use crate::dimensions::Dimensions;

/// Everything adaptation needs to know of a receiving device. A field is `None` where no source
/// says anything; [`crate::profile`] fills such gaps from the class `safe` before adaptation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Id of the device or class, such as `nokia-6100` or `s40-gen1`.
    pub id: String,
    /// Which source identified the device.
    pub source: Source,
    /// Manufacturer.
    pub vendor: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// MmsMaxMessageSize: octets of the whole encoded message.
    pub max_message_size: Option<Sourced<u64>>,
    /// MmsMaxImageResolution: an unoriented box in pixels.
    pub max_image: Option<Sourced<Dimensions>>,
    /// ScreenSize in pixels; for layout only.
    pub screen: Option<Sourced<Dimensions>>,
    /// BitsPerPixel of the screen; 1 means black and white.
    pub bits_per_pixel: Option<Sourced<u8>>,
    /// ColorCapable.
    pub color: Option<Sourced<bool>>,
    /// MmsCcppAccept: media types, wildcards such as `audio/*`, parameters kept, spelling kept.
    pub accept: Option<Sourced<Vec<String>>>,
    /// MmsCcppAcceptCharSet: IANA names in order of preference.
    pub charsets: Option<Sourced<Vec<String>>>,
    /// MmsCcppAcceptLanguage in order of preference.
    pub languages: Option<Sourced<Vec<String>>>,
    /// MmsVersion: every version listed, as `major.minor`.
    pub mms_versions: Option<Sourced<Vec<String>>>,
    /// MmsContentClass codes: TX IB IR VB VR MP CB CR. A hint; sizes win.
    pub content_classes: Option<Sourced<Vec<String>>>,
    /// MmsSuppressContentAdaptation: the device asks for messages as they were sent.
    pub suppress_adaptation: Option<Sourced<bool>>,
    /// MmsCcppStreamingCapable.
    pub streaming: Option<Sourced<bool>>,
    /// MmsDrmClass or DrmClass: ForwardLock, CombinedDelivery, SeparateDelivery.
    pub drm: Option<Sourced<Vec<String>>>,
    /// MaxPolyphony: voices of synthetic audio.
    pub max_polyphony: Option<Sourced<u32>>,
    /// ThreeGPAccept: codecs inside 3GP, with parameters.
    pub three_gp_accept: Option<Sourced<Vec<String>>>,
    /// Brands of 3GP files.
    pub three_gp_brands: Option<Sourced<Vec<String>>>,
    /// MmsSmilBaseSet.
    pub smil_base_set: Option<Sourced<Vec<String>>>,
}

/// A value with the place it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Who said so.
    pub source: Source,
}

impl<T> Sourced<T> {
    /// `value`, as said by `source`.
    pub const fn new(value: T, source: Source) -> Self {
        Self { value, source }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything: the class `safe`.
    #[default]
    Default,
    /// A class of `profiles/classes`, by id.
    Class(String),
    /// The shipped device database, by id.
    Database(String),
    /// A UAProf document that was given.
    Uaprof,
    /// A profile difference of a request.
    Diff,
    /// Accept headers of a request.
    Headers,
    /// A rule on the user agent, by its pattern.
    UserAgent(String),
    /// An operator overlay, by id.
    Operator(String),
    /// An option of the command line.
    Override,
}

impl Source {
    /// The kind of source in one word: `class`, `database`, `uaprof`, `headers` or `default`.
    /// Rules on user agents count as headers; a description that was handed over, with or without
    /// an operator's limits, as `uaprof`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Class(_) => "class",
            Self::Database(_) => "database",
            Self::Headers | Self::UserAgent(_) => "headers",
            Self::Uaprof | Self::Diff | Self::Operator(_) | Self::Override => "uaprof",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Class(id) => write!(f, "class {id}"),
            Self::Database(id) => write!(f, "database {id}"),
            Self::Uaprof => f.write_str("uaprof"),
            Self::Diff => f.write_str("profile-diff"),
            Self::Headers => f.write_str("headers"),
            Self::UserAgent(rule) => write!(f, "user-agent rule {rule}"),
            Self::Operator(id) => write!(f, "operator {id}"),
            Self::Override => f.write_str("override"),
        }
    }
}

//! What a picture is to become, and what it became.

use crate::dimensions::Dimensions;
use crate::media::info::Format;

/// What a picture is to become. [`Source::encode`](super::Source::encode) meets every bound or
/// fails; it never enlarges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTarget {
    /// The format to write.
    pub format: Format,
    /// The box to fit, either way round, in pixels.
    pub max_box: Option<Dimensions>,
    /// The most octets the result may have; never exceeded.
    pub max_bytes: Option<u64>,
    /// The highest quality of interest, 1..=100 on JPEG's usual scale.
    pub quality: Option<u8>,
    /// Whether an animation stays one where the format has animations; else the first frame.
    pub animation: bool,
    /// Bits per pixel of the screen. Up to 8 limit the palette of formats that have one; 1 is
    /// black and white.
    pub bits_per_pixel: Option<u8>,
}

impl ImageTarget {
    /// A target without any bound.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self {
            format,
            max_box: None,
            max_bytes: None,
            quality: None,
            animation: true,
            bits_per_pixel: None,
        }
    }
}

/// An encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its format.
    pub format: Format,
    /// Its pixels.
    pub size: Dimensions,
    /// Its frames: 1 for a still picture.
    pub frames: u32,
    /// The quality it was encoded at, for formats that have one.
    pub quality: Option<u8>,
    /// How many times the encoder ran to find it.
    pub encodes: u32,
    /// Codecs that failed before one did it, with what they did.
    pub warnings: Vec<String>,
}

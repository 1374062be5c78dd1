//! Pictures: decoding, fitting, encoding.
//!
//! [`Source::open`] decodes once, into pixels that are upright, sRGB, 8 bits deep and no larger
//! than needed (of a JPEG, planes that were scaled while they were decoded); [`Source::encode`] makes as many results from them as are asked for.

mod avif;
mod colour;
mod convert;
mod decode;
mod estimate;
mod gif;
mod heif;
mod jpeg;
mod kind;
mod palette;
mod png;
mod shared;
mod source;
mod svg;
mod target;
mod telling;
mod transform;
mod wbmp;
mod webp;

use std::sync::Arc;

pub use convert::{Converted, acceptable, convert};
pub use estimate::{Point, estimate};
#[doc(hidden)]
pub use jpeg::narrowly;
pub use kind::Kind;
pub use shared::Shared;
pub use source::{CEILING_QUALITY, DEFAULT_QUALITY, Source};
pub use target::{Encoded, ImageTarget};
pub use transform::fit_box;

#[cfg(feature = "plugins")]
use super::codec::VideoDecoder;
use super::codec::{ImageDecoder, ImageEncoder};
#[cfg(feature = "plugins")]
use super::info::{Codec, Format};

/// The built-in codecs that read pictures.
pub(super) fn decoders() -> Vec<Arc<dyn ImageDecoder>> {
    vec![
        Arc::new(jpeg::JpegDecoder),
        Arc::new(decode::ImageCrate),
        Arc::new(gif::GifDecoder),
        Arc::new(heif::Heif::heic()),
        Arc::new(heif::Heif::avif()),
        Arc::new(svg::Svg),
        Arc::new(wbmp::WbmpDecoder),
    ]
}

#[cfg(feature = "plugins")]
/// What reads HEIF by a decoder of moving pictures, where its codec is one that HEIF holds.
pub(crate) fn heif_by(
    codec: Codec,
    decoder: Arc<dyn VideoDecoder>,
) -> Option<Arc<dyn ImageDecoder>> {
    let format = match codec {
        Codec::Hevc => Format::Heic,
        Codec::Av1 => Format::Avif,
        _ => return None,
    };
    Some(Arc::new(heif::Heif::by(format, codec, decoder)))
}

/// The built-in codecs that write pictures.
pub(super) fn encoders() -> Vec<Arc<dyn ImageEncoder>> {
    vec![
        Arc::new(jpeg::JpegEncoder),
        Arc::new(png::PngEncoder),
        Arc::new(gif::GifEncoder),
        Arc::new(wbmp::WbmpEncoder),
        Arc::new(webp::WebpEncoder),
        Arc::new(avif::AvifEncoder),
    ]
}

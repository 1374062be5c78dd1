//! One picture into another, keeping the file where it will do.

use bytes::Bytes;

use super::source::Source;
use super::target::{Encoded, ImageTarget};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::error::MediaError;
use crate::media::info::{Codec, Format, MediaInfo};
use crate::media::registry::Registry;

/// What became of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converted {
    /// The file as it was meets the target, and nothing better was made of it.
    Kept,
    /// A new file.
    Made {
        /// The file.
        encoded: Encoded,
        /// What was wrong with the old one and did not stop it from being read.
        warnings: Vec<String>,
    },
}

/// Whether the file of `bytes` octets that `info` describes meets `target` as it is: the format
/// (a JPEG being baseline and not CMYK), the box, the octets, no more frames and colours than
/// wanted; upright as stored, and without metadata that would have to go.
#[must_use]
pub fn acceptable(info: &MediaInfo, bytes: u64, target: &ImageTarget) -> bool {
    let held = match (target.max_box, info.shown_size()) {
        (Some(limit), Some(size)) => limit.holds(size),
        (Some(_), None) => false,
        (None, _) => true,
    };
    let colours = match (target.format, target.bits_per_pixel, info.bit_depth) {
        (Format::Gif | Format::Png, Some(most), Some(depth)) if most <= 8 => depth <= most,
        _ => true,
    };
    info.format == target.format
        && !matches!(info.codec, Some(Codec::JpegProgressive))
        && !info.cmyk
        && held
        && colours
        && target.max_bytes.is_none_or(|most| bytes <= most)
        && (target.animation || info.frames.unwrap_or(1) <= 1)
        && info.orientation == 1
        && !info.metadata
}

/// Converts the picture `data`, which `info` describes.
///
/// A file that is [`acceptable`] is kept, unless a quality is asked for and encoding at it makes
/// the file smaller. A JPEG that becomes a JPEG of the same size, because of its metadata say,
/// does not grow.
///
/// # Errors
///
/// As [`Source::open`] and [`Source::encode`].
pub fn convert(
    data: &Bytes,
    info: &MediaInfo,
    target: &ImageTarget,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Converted, MediaError> {
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let keep = acceptable(info, bytes, target);
    if keep && target.quality.is_none() {
        return Ok(Converted::Kept);
    }
    let source = Source::open_for(data, info.format, registry, limits, cancel, target)?;
    let encoded = if keep {
        let encoded = source.encode(target, cancel)?;
        if encoded.bytes.len() >= data.len() {
            return Ok(Converted::Kept);
        }
        encoded
    } else {
        encode_no_larger(&source, info, bytes, target, cancel)?
    };
    Ok(Converted::Made {
        encoded,
        warnings: source.warnings().to_vec(),
    })
}

fn encode_no_larger(
    source: &Source,
    info: &MediaInfo,
    bytes: u64,
    target: &ImageTarget,
    cancel: &Cancel,
) -> Result<Encoded, MediaError> {
    let same = info.format == target.format && source.size() == source.original_size();
    let grows = target.max_bytes.is_none_or(|most| most > bytes);
    if same && grows && target.format == Format::Jpeg {
        let capped = ImageTarget {
            max_bytes: Some(bytes),
            quality: Some(target.quality.unwrap_or(super::DEFAULT_QUALITY)),
            ..target.clone()
        };
        match source.encode(&capped, cancel) {
            // Its file was smaller than any of ours; the target itself may still allow one.
            Err(MediaError::TargetTooSmall { .. }) => {}
            outcome => return outcome,
        }
    }
    source.encode(target, cancel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::probe;

    /// A JPEG of noise, so that its octets follow its quality.
    fn jpeg(side: u32, quality: u8) -> Bytes {
        let mut state = 1_u32;
        let data: Vec<u8> = (0..side * side * 3)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                u8::try_from(state >> 24).unwrap()
            })
            .collect();
        let mut bytes = Vec::new();
        let side = u16::try_from(side).unwrap();
        jpeg_encoder::Encoder::new(&mut bytes, quality)
            .encode(&data, side, side, jpeg_encoder::ColorType::Rgb)
            .unwrap();
        bytes.into()
    }

    fn run(data: &Bytes, target: &ImageTarget) -> Result<Converted, MediaError> {
        let limits = Limits::default();
        let info = probe(data, &limits).unwrap();
        let registry = Registry::builtin();
        convert(data, &info, target, &registry, &limits, &Cancel::new())
    }

    #[test]
    fn what_fits_is_kept() {
        let data = jpeg(40, 60);
        let mut target = ImageTarget::new(Format::Jpeg);
        assert_eq!(run(&data, &target), Ok(Converted::Kept));
        target.quality = Some(95);
        assert_eq!(run(&data, &target), Ok(Converted::Kept));
        target.quality = Some(20);
        let Ok(Converted::Made { encoded, .. }) = run(&data, &target) else {
            panic!()
        };
        assert!(encoded.bytes.len() < data.len() && encoded.quality == Some(20));
    }

    #[test]
    fn each_bound_alone_forces_a_new_file() {
        let data = jpeg(40, 60);
        let mut boxed = ImageTarget::new(Format::Jpeg);
        boxed.max_box = Some(Dimensions::new(20, 30));
        let mut short = ImageTarget::new(Format::Jpeg);
        short.max_bytes = Some(1_000);
        for target in [boxed, short, ImageTarget::new(Format::Png)] {
            let made = run(&data, &target).unwrap();
            let Converted::Made { encoded, .. } = made else {
                panic!("{target:?}")
            };
            assert!(acceptable(
                &probe(&encoded.bytes, &Limits::default()).unwrap(),
                u64::try_from(encoded.bytes.len()).unwrap(),
                &target
            ));
        }
    }

    #[test]
    fn stripping_a_comment_does_not_grow_the_file() {
        let mut data = jpeg(64, 30).to_vec();
        data.splice(2..2, [0xFF, 0xFE, 0, 6, b'h', b'o', b'm', b'e']);
        let data = Bytes::from(data);
        let made = run(&data, &ImageTarget::new(Format::Jpeg)).unwrap();
        let Converted::Made { encoded, .. } = made else {
            panic!()
        };
        assert!(encoded.bytes.len() <= data.len());
        assert!(!encoded.bytes.windows(4).any(|octets| octets == b"home"));
    }
}

//! JPEG: what its frame header says, and the baseline encoder.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use super::transform::flatten;
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::codec::{ImageEncoder, ImageSettings};
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::picture::{Frame, Layout};

/// Baseline JPEG: sequential, Huffman tables made for the picture, colour at half resolution
/// below quality [`FULL_CHROMA`], one component where the picture is grey. No metadata.
pub(super) struct JpegEncoder;

/// The quality from which colour keeps its full resolution: above it halving the colour costs
/// more than coarser steps would.
const FULL_CHROMA: u8 = 95;

impl ImageEncoder for JpegEncoder {
    fn name(&self) -> &str {
        "jpeg-encoder"
    }

    fn format(&self) -> Format {
        Format::Jpeg
    }

    fn alpha(&self) -> bool {
        false
    }

    fn animation(&self) -> bool {
        false
    }

    fn encode(
        &self,
        frames: &[Frame],
        settings: &ImageSettings,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, MediaError> {
        cancel.check()?;
        let frame = frames
            .first()
            .ok_or_else(|| MediaError::unsupported("a JPEG of no frame"))?;
        let flat = match frame.picture.layout() {
            Layout::Rgba8 => Some(flatten(&frame.picture)?),
            _ => None,
        };
        let picture = flat.as_ref().unwrap_or(&frame.picture);
        let size = picture.size();
        let too_large = |_| MediaError::unsupported(format!("a JPEG of {size}"));
        let width = u16::try_from(size.width).map_err(too_large)?;
        let height = u16::try_from(size.height).map_err(too_large)?;
        let colour = match picture.layout() {
            Layout::Grey8 => ColorType::Luma,
            _ => ColorType::Rgb,
        };
        let quality = settings.quality.clamp(1, 100);
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, quality);
        encoder.set_optimized_huffman_tables(true);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder.set_sampling_factor(if quality >= FULL_CHROMA || colour == ColorType::Luma {
            SamplingFactor::F_1_1
        } else {
            SamplingFactor::F_2_2
        });
        encoder
            .encode(picture.data(), width, height, colour)
            .map_err(|error| MediaError::unsupported(format!("JPEG: {error}")))?;
        Ok(bytes)
    }
}

/// What the frame header (SOFn, ITU-T T.81 B.2.2) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) size: Dimensions,
    /// Octets of the coefficients that a decoder of a progressive picture must hold; 0 for a
    /// sequential one.
    pub(super) coefficient_bytes: u64,
}

/// Finds the frame header by walking the marker segments.
pub(super) fn frame_header(data: &[u8]) -> Result<FrameHeader, MediaError> {
    let broken = |what: &str, at: usize| MediaError::malformed_at(Format::Jpeg, what, at);
    let mut at = 2_usize;
    loop {
        // Fill octets FF may precede a marker (B.1.1.2); anything else between segments is junk
        // that decoders skip.
        while data.get(at).is_some_and(|&octet| octet != 0xFF) {
            at = at.saturating_add(1);
        }
        while data.get(at) == Some(&0xFF) {
            at = at.saturating_add(1);
        }
        let marker = *data.get(at).ok_or_else(|| broken("no frame header", at))?;
        at = at.saturating_add(1);
        match marker {
            0x00 | 0x01 | 0xD0..=0xD8 => continue,
            0xD9 | 0xDA => return Err(broken("no frame header before the scan", at)),
            _ => {}
        }
        let body = data.get(at..).unwrap_or_default();
        let [high, low, ..] = body else {
            return Err(broken("a segment without a length", at));
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let segment = body
            .get(2..length)
            .ok_or_else(|| broken("a segment beyond the end", at))?;
        if matches!(marker, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF) {
            let progressive = matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE);
            return parse(segment, progressive).ok_or_else(|| broken("frame header", at));
        }
        at = at.saturating_add(length);
    }
}

fn parse(segment: &[u8], progressive: bool) -> Option<FrameHeader> {
    let &[_precision, h1, h0, w1, w0, count, ref components @ ..] = segment else {
        return None;
    };
    let size = Dimensions::new(
        u32::from(u16::from_be_bytes([w1, w0])),
        u32::from(u16::from_be_bytes([h1, h0])),
    );
    let (components, _) = components.as_chunks::<3>();
    let components = components.get(..usize::from(count))?;
    let factors = || {
        components
            .iter()
            .map(|&[_, sampling, _]| (u64::from(sampling >> 4), u64::from(sampling & 15)))
    };
    let widest = factors().map(|(across, _)| across).max()?.max(1);
    let tallest = factors().map(|(_, down)| down).max()?.max(1);
    let mcus = u64::from(size.width)
        .div_ceil(8 * widest)
        .saturating_mul(u64::from(size.height).div_ceil(8 * tallest));
    let blocks: u64 = factors().map(|(across, down)| across * down).sum();
    // 64 coefficients of two octets in a block.
    let bytes = mcus.saturating_mul(blocks).saturating_mul(128);
    Some(FrameHeader {
        size,
        coefficient_bytes: if progressive { bytes } else { 0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::picture::{Picture, Plays};

    fn settings(quality: u8) -> ImageSettings {
        ImageSettings {
            quality,
            colours: None,
            dither: false,
            plays: Plays::Times(1),
            max_bytes: None,
        }
    }

    #[test]
    fn the_encoder_writes_what_the_header_reader_reads() {
        let size = Dimensions::new(19, 7);
        let data = (0..19 * 7 * 3)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        let frame = Frame {
            picture: Picture::new(size, Layout::Rgb8, data).unwrap(),
            delay_ms: 0,
        };
        let bytes = JpegEncoder
            .encode(&[frame], &settings(80), &Cancel::new())
            .unwrap();
        let header = frame_header(&bytes).unwrap();
        assert_eq!(header.size, size);
        assert_eq!(header.coefficient_bytes, 0);
    }

    #[test]
    fn progressive_coefficients_count() {
        let mut data = vec![0xFF, 0xD8, 0xFF, 0xC2, 0, 17, 8, 0, 16, 0, 16, 3];
        data.extend([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
        let header = frame_header(&data).unwrap();
        assert_eq!(header.size, Dimensions::new(16, 16));
        assert_eq!(header.coefficient_bytes, 6 * 128);
    }

    #[test]
    fn a_broken_header_says_where() {
        let cut = [0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8];
        let error = frame_header(&cut).unwrap_err();
        assert!(
            matches!(
                error,
                MediaError::Malformed {
                    offset: Some(4),
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(frame_header(&[0xFF, 0xD8]).is_err());
    }
}

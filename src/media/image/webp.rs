//! WebP without loss: the encoder.

use ::image::ExtendedColorType;
use ::image::codecs::webp::WebPEncoder;

use super::palette::{IndexOptions, index_frames};
use crate::media::cancel::Cancel;
use crate::media::codec::{ImageEncoder, ImageSettings};
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::picture::{Frame, Layout, Picture};

/// Writes VP8L in RIFF, one frame, no metadata.
pub(super) struct WebpEncoder;

impl ImageEncoder for WebpEncoder {
    fn name(&self) -> &str {
        "webp"
    }

    fn format(&self) -> Format {
        Format::Webp
    }

    fn alpha(&self) -> bool {
        true
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
            .ok_or_else(|| MediaError::unsupported("a WebP of no frame"))?;
        match settings.colours {
            Some(entries) => write(&reduced(frame, entries, settings.dither)?),
            None => write(&frame.picture),
        }
    }
}

/// At most `entries` colours; alpha becomes on or off.
fn reduced(frame: &Frame, entries: u16, dither: bool) -> Result<Picture, MediaError> {
    let options = IndexOptions {
        entries,
        dither,
        transparent: false,
    };
    let indexed = index_frames(std::slice::from_ref(frame), options)?;
    let indices = indexed.frames.first().map_or(&[][..], Vec::as_slice);
    let colour = |&at: &u8| {
        let [red, green, blue] = indexed
            .colours
            .get(usize::from(at))
            .copied()
            .unwrap_or_default();
        let shown = if indexed.transparent == Some(at) {
            0
        } else {
            255
        };
        [red, green, blue, shown]
    };
    let data = indices.iter().flat_map(colour).collect();
    Picture::new(frame.picture.size(), Layout::Rgba8, data)
}

fn write(picture: &Picture) -> Result<Vec<u8>, MediaError> {
    let colour = match picture.layout() {
        Layout::Grey8 => ExtendedColorType::L8,
        Layout::Rgb8 => ExtendedColorType::Rgb8,
        Layout::Rgba8 => ExtendedColorType::Rgba8,
    };
    let size = picture.size();
    // 14 bits a side (RFC 9649, section 3.4).
    if size.width > 1 << 14 || size.height > 1 << 14 {
        return Err(MediaError::unsupported(format!("a WebP of {size}")));
    }
    let mut bytes = Vec::new();
    WebPEncoder::new_lossless(&mut bytes)
        .encode(picture.data(), size.width, size.height, colour)
        .map_err(|error| MediaError::unsupported(format!("WebP: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::picture::Plays;

    fn encode(picture: &Picture, colours: Option<u16>) -> Vec<u8> {
        let settings = ImageSettings {
            quality: 80,
            colours,
            dither: false,
            plays: Plays::Times(1),
            max_bytes: None,
        };
        let frame = Frame {
            picture: picture.clone(),
            delay_ms: 0,
        };
        let encoded = WebpEncoder.encode(&[frame], &settings, &Cancel::new());
        encoded.unwrap()
    }

    fn decode(bytes: &[u8]) -> Vec<u8> {
        let decoded = ::image::load_from_memory_with_format(bytes, ::image::ImageFormat::WebP);
        decoded.unwrap().to_rgba8().into_raw()
    }

    fn picture() -> Picture {
        let data = (0..40 * 30_u32).flat_map(|at| {
            let (x, y) = (at % 40, at / 40);
            let grain = at.wrapping_mul(2_654_435_761) >> 24;
            [x * 6, grain, y * 8, 255 - (x / 20) * 255].map(|level| u8::try_from(level).unwrap())
        });
        Picture::new(Dimensions::new(40, 30), Layout::Rgba8, data.collect()).unwrap()
    }

    #[test]
    fn pixels_come_back_exactly() {
        let picture = picture();
        assert_eq!(decode(&encode(&picture, None)), picture.data());
        let grey = Picture::new(Dimensions::new(5, 2), Layout::Grey8, (0..10).collect()).unwrap();
        let levels: Vec<u8> = (0..10_u8)
            .flat_map(|level| [level, level, level, 255])
            .collect();
        assert_eq!(decode(&encode(&grey, None)), levels);
    }

    #[test]
    fn colours_are_reduced_and_holes_stay() {
        let picture = picture();
        let few = encode(&picture, Some(16));
        let decoded = decode(&few);
        let colours: std::collections::BTreeSet<&[u8]> = decoded.chunks(4).collect();
        assert!(colours.len() <= 16);
        let holes = |data: &[u8]| data.chunks(4).filter(|pixel| pixel[3] == 0).count();
        assert_eq!(holes(&decoded), holes(picture.data()));
    }
}

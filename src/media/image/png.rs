//! PNG: the encoder.

use ::png::{BitDepth, ColorType, Compression, Encoder, Filter};

use super::palette::{IndexOptions, few_rgba, index_frames, rgba};
use crate::media::cancel::Cancel;
use crate::media::codec::{ImageEncoder, ImageSettings};
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::picture::{Frame, Layout, Picture};

/// PNG, not interlaced, no metadata: with a palette where the colours are few or a palette is
/// asked for, else grey or true colour. Animations are not written.
pub(super) struct PngEncoder;

impl ImageEncoder for PngEncoder {
    fn name(&self) -> &str {
        "png"
    }

    fn format(&self) -> Format {
        Format::Png
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
            .ok_or_else(|| MediaError::unsupported("a PNG of no frame"))?;
        let most = usize::from(settings.colours.unwrap_or(256).clamp(2, 256));
        if let Some(colours) = few_rgba(&frame.picture, most) {
            return few(&frame.picture, colours);
        }
        match settings.colours {
            Some(entries) => reduced(frame, entries, settings.dither),
            None => whole(&frame.picture),
        }
    }
}

/// All channels at 8 bits.
fn whole(picture: &Picture) -> Result<Vec<u8>, MediaError> {
    let colour = match picture.layout() {
        Layout::Grey8 => ColorType::Grayscale,
        Layout::Rgb8 => ColorType::Rgb,
        Layout::Rgba8 => ColorType::Rgba,
    };
    write(
        picture,
        colour,
        BitDepth::Eight,
        Filter::Adaptive,
        picture.data(),
        |_| {},
    )
}

/// Exactly the colours of the picture. Grey ones with no alpha and 8 bits need no palette.
fn few(picture: &Picture, mut colours: Vec<[u8; 4]>) -> Result<Vec<u8>, MediaError> {
    if picture.layout() == Layout::Grey8 && colours.len() > 16 {
        return whole(picture);
    }
    // Entries with alpha first: the list of alphas ends with the last of them.
    colours.sort_by_key(|&[_, _, _, alpha]| alpha == 255);
    let at: std::collections::HashMap<[u8; 4], u8> = colours.iter().copied().zip(0..=255).collect();
    let indices: Vec<u8> = picture
        .pixels()
        .map(|pixel| at.get(&rgba(pixel)).copied().unwrap_or(0))
        .collect();
    let alphas: Vec<u8> = colours
        .iter()
        .map(|&[_, _, _, alpha]| alpha)
        .take_while(|&alpha| alpha != 255)
        .collect();
    let rgb: Vec<u8> = colours.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
    with_palette(picture, &indices, rgb, alphas)
}

/// At most `entries` colours; alpha becomes on or off.
fn reduced(frame: &Frame, entries: u16, dither: bool) -> Result<Vec<u8>, MediaError> {
    let options = IndexOptions {
        entries,
        dither,
        transparent: false,
    };
    let indexed = index_frames(std::slice::from_ref(frame), options)?;
    let alphas = indexed.transparent.map_or(Vec::new(), |transparent| {
        let mut alphas = vec![255; usize::from(transparent)];
        alphas.push(0);
        alphas
    });
    let rgb = indexed.colours.concat();
    let indices = indexed.frames.first().map_or(&[][..], Vec::as_slice);
    with_palette(&frame.picture, indices, rgb, alphas)
}

fn with_palette(
    picture: &Picture,
    indices: &[u8],
    rgb: Vec<u8>,
    alphas: Vec<u8>,
) -> Result<Vec<u8>, MediaError> {
    let (depth, bits) = match rgb.len() / 3 {
        0..=2 => (BitDepth::One, 1),
        3..=4 => (BitDepth::Two, 2),
        5..=16 => (BitDepth::Four, 4),
        _ => (BitDepth::Eight, 8_usize),
    };
    let width = usize::try_from(picture.size().width).unwrap_or(usize::MAX);
    let per_octet = 8 / bits;
    let packed: Vec<u8> = indices
        .chunks_exact(width.max(1))
        .flat_map(|row| row.chunks(per_octet))
        .map(|group| {
            let full = group
                .iter()
                .fold(0_u8, |octet, &at| (octet << (bits % 8)) | at);
            let missing = (per_octet - group.len()) * bits;
            full << missing
        })
        .collect();
    write(
        picture,
        ColorType::Indexed,
        depth,
        Filter::NoFilter,
        &packed,
        |encoder| {
            encoder.set_palette(rgb);
            if !alphas.is_empty() {
                encoder.set_trns(alphas);
            }
        },
    )
}

fn write(
    picture: &Picture,
    colour: ColorType,
    depth: BitDepth,
    filter: Filter,
    data: &[u8],
    prepare: impl FnOnce(&mut Encoder<'_, &mut Vec<u8>>),
) -> Result<Vec<u8>, MediaError> {
    let failed = |error: ::png::EncodingError| MediaError::unsupported(format!("PNG: {error}"));
    let size = picture.size();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, size.width, size.height);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    encoder.set_compression(Compression::High);
    encoder.set_filter(filter);
    prepare(&mut encoder);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(data).map_err(failed)?;
    writer.finish().map_err(failed)?;
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
        PngEncoder
            .encode(&[frame], &settings, &Cancel::new())
            .unwrap()
    }

    fn decode(bytes: &[u8]) -> Vec<u8> {
        let decoded = ::image::load_from_memory_with_format(bytes, ::image::ImageFormat::Png);
        decoded.unwrap().to_rgba8().into_raw()
    }

    #[test]
    fn every_palette_depth_is_exact() {
        for count in [2_u8, 3, 4, 5, 16, 17, 200] {
            let data: Vec<u8> = (0..13 * 20)
                .flat_map(|i| {
                    let c = u8::try_from(i % usize::from(count)).unwrap();
                    [c, c.wrapping_mul(3), 7, if c == 1 { 90 } else { 255 }]
                })
                .collect();
            let picture =
                Picture::new(Dimensions::new(13, 20), Layout::Rgba8, data.clone()).unwrap();
            let bytes = encode(&picture, None);
            assert_eq!(bytes[25], 3, "colour type");
            assert_eq!(decode(&bytes), data, "{count} colours");
        }
    }

    #[test]
    fn many_colours_are_kept_or_reduced_as_asked() {
        let data: Vec<u8> = (0..64 * 64_u32)
            .flat_map(|i| [i % 64 * 4, i / 64 * 4, 0].map(|v| u8::try_from(v).unwrap()))
            .collect();
        let picture = Picture::new(Dimensions::new(64, 64), Layout::Rgb8, data.clone()).unwrap();
        let exact: Vec<u8> = data
            .chunks(3)
            .flat_map(|p| [p[0], p[1], p[2], 255])
            .collect();
        assert_eq!(decode(&encode(&picture, None)), exact);
        let small = encode(&picture, Some(16));
        assert_eq!((small[24], small[25]), (4, 3));
        assert!(decode(&small) != exact);
    }
}

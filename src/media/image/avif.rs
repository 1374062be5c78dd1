//! AVIF: the encoder of still pictures (AV1 Image File Format 1.1).

use rav1e::prelude::{
    ChromaSampling, ColorDescription, ColorPrimaries, Config, Context, EncoderConfig,
    EncoderStatus, MatrixCoefficients, PixelRange, SpeedSettings, TransferCharacteristics,
};

use super::jpeg::of_picture;
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::codec::{ImageEncoder, ImageSettings};
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::picture::{Chroma, Frame, Planes};

/// Writes one key frame of AV1 by `rav1e` into a HEIF file: 8 bits, full range, BT.601, colour at
/// half resolution or none, no metadata.
pub(super) struct AvifEncoder;

impl ImageEncoder for AvifEncoder {
    fn name(&self) -> &str {
        "rav1e"
    }

    fn format(&self) -> Format {
        Format::Avif
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
            .ok_or_else(|| MediaError::unsupported("an AVIF of no frame"))?;
        let planes = of_picture(&frame.picture, Chroma::Half);
        let (frame, config) = key_frame(&planes, settings.quality)?;
        Ok(file(&planes, &frame, &config))
    }
}

/// The quantiser of AV1, 0..=255, for a quality on JPEG's usual scale: 20 at 100 and 245 at none.
fn quantiser(quality: u8) -> usize {
    let below = usize::from(100_u8.saturating_sub(quality));
    20 + below * 9 / 4
}

/// The frame, as a sequence header and a frame, and what a file says of it (`av1C`).
fn key_frame(planes: &Planes, quality: u8) -> Result<(Vec<u8>, Vec<u8>), MediaError> {
    let failed = |error: &dyn std::fmt::Display| MediaError::unsupported(format!("AVIF: {error}"));
    let side = |length: u32| usize::try_from(length).unwrap_or(usize::MAX);
    let (width, height) = (side(planes.size.width), side(planes.size.height));
    let grey = planes.chroma == Chroma::None;
    let config = EncoderConfig {
        width,
        height,
        chroma_sampling: if grey {
            ChromaSampling::Cs400
        } else {
            ChromaSampling::Cs420
        },
        pixel_range: PixelRange::Full,
        color_description: Some(ColorDescription {
            color_primaries: ColorPrimaries::BT709,
            transfer_characteristics: TransferCharacteristics::SRGB,
            matrix_coefficients: MatrixCoefficients::BT601,
        }),
        still_picture: true,
        quantizer: quantiser(quality),
        // One tile, whatever threads there are: the same octets always.
        tiles: 1,
        speed_settings: SpeedSettings::from_preset(SPEED),
        ..EncoderConfig::default()
    };
    let mut context: Context<u8> = Config::new()
        .with_encoder_config(config)
        .new_context()
        .map_err(|error| failed(&error))?;
    let mut picture = context.new_frame();
    let half = width.div_ceil(2);
    let sources = [(&planes.y, width), (&planes.cb, half), (&planes.cr, half)];
    let count = if grey { 1 } else { 3 };
    for (plane, (samples, stride)) in picture.planes.iter_mut().zip(sources).take(count) {
        plane.copy_from_raw_u8(samples, stride, 1);
    }
    context
        .send_frame(picture)
        .map_err(|error| failed(&error))?;
    context.flush();
    loop {
        match context.receive_packet() {
            Ok(packet) => {
                // A temporal delimiter is of no use in a file of one frame (AVIF section 2.1).
                let data = packet.data.strip_prefix(&[0x12, 0x00]);
                let data = data.unwrap_or(&packet.data).to_vec();
                return Ok((data, context.container_sequence_header()));
            }
            Err(EncoderStatus::Encoded | EncoderStatus::NeedMoreData) => {}
            Err(other) => return Err(failed(&other)),
        }
    }
}

/// How much is tried for a smaller file, 0 most and 10 least: at 8 a picture takes twice as long and
/// has 7 per cent fewer octets.
const SPEED: u8 = 10;

/// The file of one item (ISO/IEC 23008-12 annex B and AVIF section 2).
fn file(planes: &Planes, frame: &[u8], config: &[u8]) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", &[b"avif", &[0; 4], b"avifmif1miaf"]);
    // The place of the frame depends on the length of what says it, which does not depend on it.
    let before = ftyp.len() + meta(planes, config, 0, frame.len()).len() + 8;
    let meta = meta(planes, config, before, frame.len());
    let mut out = ftyp;
    out.extend(meta);
    out.extend(boxed(b"mdat", &[frame]));
    out
}

fn meta(planes: &Planes, config: &[u8], offset: usize, length: usize) -> Vec<u8> {
    let Dimensions { width, height } = planes.size;
    let hdlr = boxed(b"hdlr", &[&[0; 8], b"pict", &[0; 13]]);
    let pitm = boxed(b"pitm", &[&[0; 4], &ITEM]);
    // Offsets and lengths of four octets; one item of one extent in this file.
    let [offset, length] = [offset, length].map(word);
    let iloc = boxed(
        b"iloc",
        &[
            &[0; 4],
            &[0x44, 0, 0, 1],
            &ITEM,
            &[0, 0, 0, 1],
            &offset,
            &length,
        ],
    );
    let infe = boxed(b"infe", &[&[2, 0, 0, 0], &ITEM, &[0, 0], b"av01\0"]);
    let iinf = boxed(b"iinf", &[&[0; 4], &[0, 1], &infe]);
    let ispe = boxed(
        b"ispe",
        &[&[0; 4], &width.to_be_bytes(), &height.to_be_bytes()],
    );
    let channels: &[u8] = if planes.chroma == Chroma::None {
        &[1, 8]
    } else {
        &[3, 8, 8, 8]
    };
    let pixi = boxed(b"pixi", &[&[0; 4], channels]);
    let av1c = boxed(b"av1C", &[config]);
    // BT.709 primaries, sRGB transfer, BT.601 matrix, full range (ITU-T H.273).
    let colr = boxed(b"colr", &[b"nclx", &[0, 1, 0, 13, 0, 6, 0x80]]);
    let ipco = boxed(b"ipco", &[&ispe, &pixi, &av1c, &colr]);
    // The properties in their order; a reader must understand the third.
    let ipma = boxed(
        b"ipma",
        &[&[0; 4], &[0, 0, 0, 1], &ITEM, &[4, 1, 2, 0x80 | 3, 4]],
    );
    let iprp = boxed(b"iprp", &[&ipco, &ipma]);
    boxed(b"meta", &[&[0; 4], &hdlr, &pitm, &iloc, &iinf, &iprp])
}

/// The number of the one item.
const ITEM: [u8; 2] = [0, 1];

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = word(length.saturating_add(8)).to_vec();
    out.extend(kind);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A file of one picture is far below what four octets hold.
fn word(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::media::image::{ImageTarget, Source};
    use crate::media::info::Codec;
    use crate::media::picture::{Layout, Picture};
    use crate::media::probe;
    use crate::media::registry::Registry;

    fn picture(width: u32, height: u32, layout: Layout) -> Picture {
        let channels = u32::try_from(layout.channels()).unwrap();
        let data = (0..width * height * channels).map(|n| {
            let (x, y) = (n / channels % width, n / channels / width);
            u8::try_from((x * 3 + y * 2 + n % channels * 40) % 256).unwrap()
        });
        Picture::new(Dimensions::new(width, height), layout, data.collect()).unwrap()
    }

    fn encoded(picture: Picture, max_bytes: Option<u64>) -> Result<Vec<u8>, MediaError> {
        let source = Source::of_picture(picture, &Registry::builtin());
        let target = ImageTarget {
            max_bytes,
            ..ImageTarget::new(Format::Avif)
        };
        Ok(source.encode(&target, &Cancel::new())?.bytes)
    }

    #[test]
    fn what_is_written_is_read_with_the_same_size_and_about_the_same_pixels() {
        let mut registry = Registry::builtin();
        assert!(registry.set_enabled("rav1d", true));
        let limits = Limits::default();
        for layout in [Layout::Rgb8, Layout::Grey8] {
            let picture = picture(45, 31, layout);
            let bytes = bytes::Bytes::from(encoded(picture.clone(), None).unwrap());
            let info = probe(&bytes, &limits).unwrap();
            assert_eq!((info.format, info.codec), (Format::Avif, Some(Codec::Av1)));
            let read = Source::open(
                &bytes,
                Format::Avif,
                &registry,
                &limits,
                &Cancel::new(),
                None,
            );
            let read = read.unwrap();
            assert_eq!(read.size(), picture.size());
            let back = &read.frames()[0].picture;
            let channels = back.layout().channels();
            let apart: u32 = (0..45 * 31)
                .map(|at| {
                    let ours = picture.data()[at * layout.channels()];
                    u32::from(ours.abs_diff(back.data()[at * channels]))
                })
                .sum();
            assert!(apart / (45 * 31) < 12, "{layout:?}: {apart}");
        }
    }

    #[test]
    fn octets_are_met_and_coarser_is_smaller() {
        let fine = encoded(picture(96, 64, Layout::Rgb8), None).unwrap();
        let most = u64::try_from(fine.len() * 2 / 3).unwrap();
        let fitted = encoded(picture(96, 64, Layout::Rgb8), Some(most)).unwrap();
        assert!(u64::try_from(fitted.len()).unwrap() <= most);
        assert_eq!((quantiser(100), quantiser(75), quantiser(1)), (20, 76, 242));
    }

    #[test]
    fn the_place_of_the_frame_is_where_it_is() {
        let planes = of_picture(&picture(16, 16, Layout::Rgb8), Chroma::Half);
        let out = file(&planes, b"frame", &[0x81, 0, 0, 0]);
        let at = out.windows(4).position(|name| name == b"iloc").unwrap();
        let number = |at: usize| u32::from_be_bytes(*out[at..].first_chunk().unwrap());
        let place = usize::try_from(number(at + 18)).unwrap();
        assert_eq!((&out[place..], number(at + 22)), (&b"frame"[..], 5));
        // Smaller than any block of AV1.
        assert!(encoded(picture(3, 2, Layout::Rgb8), None).is_ok());
    }
}

//! Writes OTA bitmaps, the black and white pictures of Nokia's phones of the nineties: operator
//! logos and picture messages (Smart Messaging Specification 3.0.0, section 3.9.2.1).
//!
//! A file is an InfoField, the width, the height, the number of grey levels' bits, always 1, and the
//! rows, eight pixels an octet from the most significant bit, black being 1. Bit 4 of the InfoField
//! says that sides have two octets.

use remold_plugin::{About, Codec, Error, ImageEncoder, ImageInput, Limits, OptionSpec, Options};

struct OtaBitmap;

impl ImageEncoder for OtaBitmap {
    fn about() -> About {
        About {
            name: "ota-bitmap",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "https://en.wikipedia.org/wiki/OTA_bitmap",
            codec: Codec {
                id: "ota-bitmap",
                media_types: &["image/vnd.nokia.ota-bitmap", "image/x-ota-bitmap"],
                extensions: &["otb"],
                options: vec![OptionSpec::flag(
                    "dither",
                    "spread the error of each pixel over its neighbours",
                    true,
                )],
                max_size: Some((255, 255)),
                ..Codec::default()
            },
        }
    }

    fn encode(picture: &ImageInput, _limits: &Limits, options: &Options) -> Result<Vec<u8>, Error> {
        let size = picture.size;
        let (Ok(width), Ok(height)) = (u8::try_from(size.width), u8::try_from(size.height)) else {
            return Err(Error::Unsupported(format!(
                "{}x{}: sides are 255 pixels at most",
                size.width, size.height
            )));
        };
        let dither = options.flag("dither").unwrap_or(true);
        let frame = &picture.frames[0];
        let black = black_and_white(&frame.rgba, usize::from(width), dither);
        let mut file = vec![0, width, height, 1];
        for row in black.chunks(usize::from(width).max(1)) {
            for eight in row.chunks(8) {
                let octet = eight
                    .iter()
                    .enumerate()
                    .filter(|(_, black)| **black)
                    .fold(0, |octet, (bit, _)| octet | 0x80_u8 >> bit);
                file.push(octet);
            }
        }
        Ok(file)
    }
}

remold_plugin::image_encoder!(OtaBitmap);

/// Black where the picture is dark, row by row: Floyd and Steinberg's way, or by half.
fn black_and_white(rgba: &[u8], width: usize, dither: bool) -> Vec<bool> {
    let mut black = Vec::with_capacity(rgba.len() / 4);
    // Sixteenths of a level; the first and the last entry are beyond the edges.
    let mut below = vec![0_i32; width + 2];
    for row in rgba.chunks_exact(width.max(1) * 4) {
        let mut next = vec![0_i32; width + 2];
        let mut ahead = 0;
        for (x, pixel) in row.chunks_exact(4).enumerate() {
            // ITU-R BT.601's luma in 1/256.
            let luma =
                (i32::from(pixel[0]) * 77 + i32::from(pixel[1]) * 150 + i32::from(pixel[2]) * 29)
                    / 256;
            let value = luma + (ahead + below[x + 1]).div_euclid(16);
            let white = value >= 128;
            black.push(!white);
            if dither {
                let error = value - if white { 255 } else { 0 };
                ahead = error * 7;
                next[x] += error * 3;
                next[x + 1] += error * 5;
                next[x + 2] += error;
            }
        }
        below = next;
    }
    black
}

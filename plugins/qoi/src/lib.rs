//! Reads QOI, the Quite OK Image Format (specification 1.0 of 2022-01-05, qoiformat.org).

use remold_plugin::{
    About, Codec, Error, Frame, ImageDecoder, ImageInfo, Limits, Magic, Options, check_size,
};

/// Octets of the header: `qoif`, width, height, channels, colour space.
const HEADER: usize = 14;

/// Octets after the last chunk.
const END: usize = 8;

/// A file whose header is read.
struct Qoi {
    data: Vec<u8>,
    info: ImageInfo,
    done: bool,
}

impl ImageDecoder for Qoi {
    fn about() -> About {
        About {
            name: "qoi",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "https://qoiformat.org",
            codec: Codec {
                id: "qoi",
                media_types: &["image/qoi", "image/x-qoi"],
                extensions: &["qoi"],
                magics: &[Magic {
                    offset: 0,
                    octets: b"qoif",
                }],
                ..Codec::default()
            },
        }
    }

    fn open(data: Vec<u8>, limits: &Limits, _options: &Options) -> Result<Self, Error> {
        let Some(header) = data.first_chunk::<HEADER>() else {
            return Err(malformed("the header is cut"));
        };
        let [b'q', b'o', b'i', b'f', w0, w1, w2, w3, h0, h1, h2, h3, channels, space] = *header
        else {
            return Err(malformed("does not begin with qoif"));
        };
        if !matches!(channels, 3 | 4) || space > 1 {
            return Err(malformed("neither RGB nor RGBA"));
        }
        let width = u32::from_be_bytes([w0, w1, w2, w3]);
        let height = u32::from_be_bytes([h0, h1, h2, h3]);
        let size = check_size(width, height, limits)?;
        // The longest run has 62 pixels an octet, so a short file cannot ask for much.
        let pixels = u64::from(width) * u64::from(height);
        if pixels.div_ceil(62) > data.len() as u64 {
            return Err(malformed("too few octets for its size"));
        }
        Ok(Self {
            info: ImageInfo::still(size, channels == 4),
            data,
            done: false,
        })
    }

    fn info(&self) -> ImageInfo {
        self.info.clone()
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let size = self.info.size;
        let rgba = pixels(
            &self.data[HEADER..],
            size.width as usize * size.height as usize,
        )?;
        Ok(Some(Frame::still(rgba)))
    }
}

remold_plugin::image_decoder!(Qoi);

/// Decodes the chunks behind the header.
fn pixels(chunks: &[u8], count: usize) -> Result<Vec<u8>, Error> {
    let mut rgba = vec![0; count * 4];
    let mut seen = [[0_u8; 4]; 64];
    let mut pixel = [0, 0, 0, 255_u8];
    let mut out = rgba.chunks_exact_mut(4);
    let mut at = 0;
    // Past the last chunk there are eight octets, so that a chunk never has to be looked for behind
    // the end but in a file that is cut.
    while let Some(target) = out.next() {
        let Some(&[tag, b1, b2, b3, b4]) = chunks.get(at..).and_then(<[u8]>::first_chunk) else {
            return Err(malformed("ends early"));
        };
        match tag {
            0xFE => {
                pixel = [b1, b2, b3, pixel[3]];
                at += 4;
            }
            0xFF => {
                pixel = [b1, b2, b3, b4];
                at += 5;
            }
            _ => {
                at += 1;
                match tag >> 6 {
                    0 => pixel = seen[usize::from(tag & 63)],
                    1 => {
                        let step = |shift: u8| (tag >> shift & 3).wrapping_sub(2);
                        pixel[0] = pixel[0].wrapping_add(step(4));
                        pixel[1] = pixel[1].wrapping_add(step(2));
                        pixel[2] = pixel[2].wrapping_add(step(0));
                    }
                    2 => {
                        at += 1;
                        let green = (tag & 63).wrapping_sub(32);
                        let base = green.wrapping_sub(8);
                        pixel[0] = pixel[0].wrapping_add(base.wrapping_add(b1 >> 4));
                        pixel[1] = pixel[1].wrapping_add(green);
                        pixel[2] = pixel[2].wrapping_add(base.wrapping_add(b1 & 15));
                    }
                    _ => {
                        target.copy_from_slice(&pixel);
                        for _ in 0..tag & 63 {
                            match out.next() {
                                Some(target) => target.copy_from_slice(&pixel),
                                None => break,
                            }
                        }
                        seen[place(pixel)] = pixel;
                        continue;
                    }
                }
            }
        }
        seen[place(pixel)] = pixel;
        target.copy_from_slice(&pixel);
    }
    if chunks.len() < at + END {
        return Err(malformed("ends early"));
    }
    Ok(rgba)
}

/// Where a colour is remembered.
fn place([red, green, blue, alpha]: [u8; 4]) -> usize {
    let sum = usize::from(red) * 3
        + usize::from(green) * 5
        + usize::from(blue) * 7
        + usize::from(alpha) * 11;
    sum % 64
}

fn malformed(what: &str) -> Error {
    Error::Malformed(what.to_owned())
}

//! Reads QOI, the Quite OK Image Format (specification 1.0 of 2022-01-05, qoiformat.org).

mod chunks;

use remold_plugin::{
    About, Codec, Error, Frame, ImageDecoder, ImageInfo, Limits, Magic, Options, check_size,
};

/// Octets of the header: `qoif`, width, height, channels, colour space.
const HEADER: usize = 14;

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
        let [
            b'q',
            b'o',
            b'i',
            b'f',
            w0,
            w1,
            w2,
            w3,
            h0,
            h1,
            h2,
            h3,
            channels,
            space,
        ] = *header
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
        let pixels = size.width as usize * size.height as usize;
        let rgba = chunks::pixels(&self.data[HEADER..], pixels);
        rgba.map(|rgba| Some(Frame::still(rgba)))
            .ok_or_else(|| malformed("ends early"))
    }
}

remold_plugin::image_decoder!(Qoi);

fn malformed(what: &str) -> Error {
    Error::Malformed(what.to_owned())
}

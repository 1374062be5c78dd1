//! Reads PPM, the simplest of the picture formats (`P6` of netpbm). Make it yours.

use remold_plugin::{
    About, Codec, Error, Frame, ImageDecoder, ImageInfo, Limits, Magic, Options, check_size,
};

/// A file whose header is read.
struct Picture {
    data: Vec<u8>,
    /// Where the pixels begin.
    start: usize,
    info: ImageInfo,
    done: bool,
}

impl ImageDecoder for Picture {
    fn about() -> About {
        About {
            name: "NAME",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "",
            codec: Codec {
                id: "ppm",
                media_types: &["image/x-portable-pixmap"],
                extensions: &["ppm"],
                magics: &[Magic {
                    offset: 0,
                    octets: b"P6",
                }],
                ..Codec::default()
            },
        }
    }

    // Called first. Read the header and nothing else, and check what it asks for before anything is
    // allocated.
    fn open(data: Vec<u8>, limits: &Limits, _options: &Options) -> Result<Self, Error> {
        if !data.starts_with(b"P6") {
            return Err(malformed("does not begin with P6"));
        }
        let mut at = 2;
        let width = number(&data, &mut at)?;
        let height = number(&data, &mut at)?;
        let most = number(&data, &mut at)?;
        if most != 255 {
            return Err(Error::Unsupported(format!("{most} levels")));
        }
        let size = check_size(width, height, limits)?;
        let start = at + 1;
        let octets = u64::from(width) * u64::from(height) * 3;
        if (data.len() as u64) < start as u64 + octets {
            return Err(malformed("ends early"));
        }
        Ok(Self {
            info: ImageInfo::still(size, false),
            data,
            start,
            done: false,
        })
    }

    fn info(&self) -> ImageInfo {
        self.info.clone()
    }

    // Called until it gives `None`. A frame is the whole picture: red, green, blue, alpha.
    fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let pixels = self.info.size.width as usize * self.info.size.height as usize;
        let rgba = self.data[self.start..]
            .chunks_exact(3)
            .take(pixels)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255])
            .collect();
        Ok(Some(Frame::still(rgba)))
    }
}

remold_plugin::image_decoder!(Picture);

/// The next number of the header: white space and comments before it, `at` behind it afterwards.
fn number(data: &[u8], at: &mut usize) -> Result<u32, Error> {
    let cut = || malformed("the header is cut");
    loop {
        match data.get(*at).ok_or_else(cut)? {
            b'#' => {
                while *data.get(*at).ok_or_else(cut)? != b'\n' {
                    *at += 1;
                }
            }
            space if space.is_ascii_whitespace() => *at += 1,
            _ => break,
        }
    }
    let digits = data[*at..]
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let text = std::str::from_utf8(&data[*at..*at + digits]).unwrap_or_default();
    *at += digits;
    text.parse().map_err(|_| malformed("not a number"))
}

fn malformed(what: &str) -> Error {
    Error::Malformed(what.to_owned())
}

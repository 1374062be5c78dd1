//! A plugin that does what no plugin should, one misdeed at a time: what it is given says which.
//!
//! A picture of its format is `EVIL`, the name of a misdeed, a full stop, and whatever. Its tests are in
//! `tests/conformance/plugin`.

use std::hint::black_box;

use remold_plugin::{
    About, Codec, Dimensions, Error, Frame, ImageDecoder, ImageInfo, Limits, Magic, Options, log,
};

struct Hostile {
    deed: String,
    frames: u32,
}

impl ImageDecoder for Hostile {
    fn about() -> About {
        About {
            name: "hostile",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "",
            codec: Codec {
                id: "evil",
                media_types: &["image/x-evil"],
                extensions: &["evil"],
                magics: &[Magic {
                    offset: 0,
                    octets: b"EVIL",
                }],
                ..Codec::default()
            },
        }
    }

    fn open(data: Vec<u8>, _limits: &Limits, _options: &Options) -> Result<Self, Error> {
        let name = data[4..].split(|&octet| octet == b'.').next();
        let deed = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
        match deed.as_str() {
            "loop-in-open" => forever(),
            "trap-in-open" => panic!("as was asked"),
            _ => {}
        }
        Ok(Self { deed, frames: 0 })
    }

    fn info(&self) -> ImageInfo {
        let size = match self.deed.as_str() {
            "huge-header" => Dimensions {
                width: u32::MAX,
                height: u32::MAX,
            },
            "no-side" => Dimensions {
                width: 0,
                height: 8,
            },
            "trap-in-info" => panic!("as was asked"),
            _ => Dimensions {
                width: 8,
                height: 8,
            },
        };
        let mut info = ImageInfo::still(size, false);
        match self.deed.as_str() {
            "orientation" => info.orientation = 77,
            "huge-profile" => info.icc = Some(vec![1; 3 << 20]),
            "endless-frames" => info.frames = None,
            _ => {}
        }
        info
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, Error> {
        self.frames += 1;
        match self.deed.as_str() {
            "loop" => forever(),
            "memory" => {
                let mut held = Vec::new();
                loop {
                    held.push(black_box(vec![1_u8; 1 << 20]));
                }
            }
            "stack" => {
                log::info(&deep(0).to_string());
            }
            "trap" => panic!("as was asked"),
            "abort" => std::process::abort(),
            "divide" => {
                log::info(&(1 / black_box(self.frames - 1)).to_string());
            }
            "wild" => {
                // A pointer beyond all memory that there is.
                let wild = black_box(usize::MAX - 64) as *const u8;
                log::info(&unsafe { wild.read_volatile() }.to_string());
            }
            "log" => {
                let line = "x".repeat(10_000);
                for _ in 0..1_000_000 {
                    log::warn(&line);
                }
            }
            "log-forgery" => log::info("one\nremold: two\x1B[31m"),
            "too-much" => return Ok(Some(Frame::still(vec![7; 64 << 20]))),
            "too-little" => return Ok(Some(Frame::still(vec![7; 8 * 8 * 4 - 1]))),
            "endless-frames" => return Ok(Some(Frame::still(vec![7; 8 * 8 * 4]))),
            "blames-input" => return Err(Error::Malformed("a\nb".repeat(100_000))),
            "blames-itself" => return Err(Error::Internal("as was asked".to_owned())),
            _ => {}
        }
        if self.frames > 1 {
            return Ok(None);
        }
        Ok(Some(Frame::still(vec![200; 8 * 8 * 4])))
    }
}

remold_plugin::image_decoder!(Hostile);

fn forever() -> ! {
    let mut number = 1_u64;
    loop {
        number = black_box(number.wrapping_mul(3));
    }
}

/// Recursion that no compiler makes a loop of.
fn deep(level: u64) -> u64 {
    let here = black_box([level; 16]);
    if here[3] == u64::MAX {
        return 0;
    }
    deep(level + 1) + here[7]
}

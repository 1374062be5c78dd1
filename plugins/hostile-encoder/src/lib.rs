//! A plugin that says it writes JPEG and does what no plugin should: its option `deed` says what. Its
//! tests are in `tests/conformance/plugin`.

use std::hint::black_box;

use remold_plugin::{About, Codec, Error, ImageEncoder, ImageInput, Limits, OptionSpec, Options};

struct Hostile;

impl ImageEncoder for Hostile {
    fn about() -> About {
        About {
            name: "hostile-encoder",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "",
            codec: Codec {
                id: "jpeg",
                options: vec![OptionSpec::choice(
                    "deed",
                    "what to do",
                    "trap",
                    &["trap", "loop", "lie", "nothing", "blame", "huge"],
                )],
                ..Codec::default()
            },
        }
    }

    fn encode(_: &ImageInput, _: &Limits, options: &Options) -> Result<Vec<u8>, Error> {
        match options.text("deed").unwrap_or("trap") {
            "loop" => {
                let mut number = 1_u64;
                loop {
                    number = black_box(number.wrapping_mul(3));
                }
            }
            "lie" => Ok(b"GIF89a this is no JPEG".to_vec()),
            "nothing" => Ok(Vec::new()),
            "blame" => Err(Error::Internal("as was asked".to_owned())),
            "huge" => Ok(vec![7; 200 << 20]),
            _ => panic!("as was asked"),
        }
    }
}

remold_plugin::image_encoder!(Hostile);

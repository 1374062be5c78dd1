//! Writes PPM, the simplest of the picture formats (`P6` of netpbm). Make it yours.

use remold_plugin::{About, Codec, Error, ImageEncoder, ImageInput, Limits, Options};

struct Writer;

impl ImageEncoder for Writer {
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
                // Without transparency: pixels come on white, alpha is 255.
                alpha: false,
                // Not more than one frame: the first alone comes.
                animation: false,
                ..Codec::default()
            },
        }
    }

    fn encode(
        picture: &ImageInput,
        _limits: &Limits,
        _options: &Options,
    ) -> Result<Vec<u8>, Error> {
        let mut file =
            format!("P6\n{} {}\n255\n", picture.size.width, picture.size.height).into_bytes();
        for pixel in picture.frames[0].rgba.chunks_exact(4) {
            file.extend_from_slice(&pixel[..3]);
        }
        Ok(file)
    }
}

remold_plugin::image_encoder!(Writer);

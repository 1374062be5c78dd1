//! The decoders of the `image` crate behind our traits: JPEG, PNG, WebP, BMP and TIFF.

use ::image::codecs::{
    bmp::BmpDecoder, jpeg::JpegDecoder, png::PngDecoder, tiff::TiffDecoder, webp::WebPDecoder,
};
use ::image::{AnimationDecoder, ColorType, Frames, ImageDecoder as Decoder, ImageError};
use bytes::Bytes;

use super::jpeg;
use crate::dimensions::Dimensions;
use crate::media::codec::{DecodeOptions, ImageDecoder, ImageHeader, ImageStream};
use crate::media::error::MediaError;
use crate::media::guard::{Watched, check_size};
use crate::media::info::Format;
use crate::media::picture::{Frame, Layout, Picture, Plays};

/// The `image` crate.
pub(super) struct ImageCrate;

impl ImageDecoder for ImageCrate {
    fn name(&self) -> &str {
        "image"
    }

    fn formats(&self) -> &[Format] {
        &[
            Format::Jpeg,
            Format::Png,
            Format::Webp,
            Format::Bmp,
            Format::Tiff,
        ]
    }

    fn open(
        &self,
        data: &Bytes,
        options: &DecodeOptions,
    ) -> Result<Box<dyn ImageStream>, MediaError> {
        let opening = Opening { data, options };
        match options.format {
            Format::Jpeg => opening.jpeg(),
            Format::Png => opening.png(),
            Format::Webp => opening.webp(),
            Format::Bmp => opening.bmp(),
            Format::Tiff => opening.tiff(),
            other => Err(MediaError::unsupported(format!("{other:?}"))),
        }
    }
}

struct Opening<'a> {
    data: &'a Bytes,
    options: &'a DecodeOptions,
}

impl Opening<'_> {
    fn jpeg(&self) -> Result<Box<dyn ImageStream>, MediaError> {
        // The crate copies the input and may not see a size before it has allocated for it, so
        // our own look at the frame header comes first.
        let sof = jpeg::frame_header(self.data)?;
        check_size(sof.size, &self.options.limits)?;
        jpeg::check_scans(self.data)?;
        let mut decoder = JpegDecoder::new(self.reader()).map_err(|error| self.error(&error))?;
        let mut header = self.header(&mut decoder)?;
        header.decode_bytes = header
            .decode_bytes
            .saturating_add(sof.coefficient_bytes)
            .saturating_add(u64::try_from(self.data.len()).unwrap_or(u64::MAX));
        Ok(self.still(header, Box::new(decoder)))
    }

    fn png(&self) -> Result<Box<dyn ImageStream>, MediaError> {
        let open = || {
            PngDecoder::with_limits(self.reader(), self.limits())
                .map_err(|error| self.error(&error))
        };
        let mut decoder = open()?;
        let mut header = self.header(&mut decoder)?;
        // Interlaced rows are spread over the picture from a buffer of their own.
        const INTERLACE: usize = 28;
        if self.data.get(INTERLACE) == Some(&1) {
            header.decode_bytes = header.decode_bytes.saturating_mul(2);
        }
        let animated = decoder.is_apng().map_err(|error| self.error(&error))?;
        let deep = matches!(
            decoder.color_type(),
            ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16
        );
        if !animated || !self.options.animation {
            return Ok(self.still(header, Box::new(decoder)));
        }
        if deep {
            let mut stream = Still::new(header, Box::new(decoder), self.options);
            stream
                .warnings
                .push("animation of 16-bit pixels: first frame taken".to_owned());
            return Ok(Box::new(stream));
        }
        let apng = decoder.apng().map_err(|error| self.error(&error))?;
        header.plays = plays(apng.loop_count());
        // The animation works on three canvases of RGBA.
        self.moving(header, apng.into_frames(), 3)
    }

    fn webp(&self) -> Result<Box<dyn ImageStream>, MediaError> {
        let mut decoder = WebPDecoder::new(self.reader()).map_err(|error| self.error(&error))?;
        let mut header = self.header(&mut decoder)?;
        if !decoder.has_animation() || !self.options.animation {
            header.decode_bytes = header.decode_bytes.saturating_mul(2);
            return Ok(self.still(header, Box::new(decoder)));
        }
        header.plays = plays(decoder.loop_count());
        self.moving(header, decoder.into_frames(), 3)
    }

    fn bmp(&self) -> Result<Box<dyn ImageStream>, MediaError> {
        let mut decoder = BmpDecoder::new(self.reader()).map_err(|error| self.error(&error))?;
        let header = self.header(&mut decoder)?;
        Ok(self.still(header, Box::new(decoder)))
    }

    fn tiff(&self) -> Result<Box<dyn ImageStream>, MediaError> {
        let mut decoder = TiffDecoder::new(self.reader()).map_err(|error| self.error(&error))?;
        let mut header = self.header(&mut decoder)?;
        header.decode_bytes = header.decode_bytes.saturating_mul(2);
        Ok(self.still(header, Box::new(decoder)))
    }

    fn reader(&self) -> Watched {
        Watched::new(self.data.clone(), self.options.cancel.clone())
    }

    fn limits(&self) -> ::image::Limits {
        let limits = &self.options.limits;
        let mut own = ::image::Limits::no_limits();
        own.max_image_width = Some(limits.side);
        own.max_image_height = Some(limits.side);
        own.max_alloc = Some(limits.decode_bytes);
        own
    }

    /// What every decoder of the crate tells; also sets its limits.
    fn header(&self, decoder: &mut dyn Decoder) -> Result<ImageHeader, MediaError> {
        let (width, height) = decoder.dimensions();
        let size = Dimensions::new(width, height);
        check_size(size, &self.options.limits)?;
        // Deeper pixels are held beside the 8-bit ones while they are converted.
        let mut bytes = decoder.total_bytes();
        if !is_plain(decoder.color_type()) {
            bytes = bytes.saturating_mul(2);
        }
        let mut header = ImageHeader::new(size, bytes);
        decoder
            .set_limits(self.limits())
            .map_err(|error| self.error(&error))?;
        header.orientation = decoder
            .orientation()
            .map_or(1, |orientation| orientation.to_exif());
        header.icc = decoder.icc_profile().ok().flatten();
        Ok(header)
    }

    fn still(&self, header: ImageHeader, decoder: Box<dyn Decoder>) -> Box<dyn ImageStream> {
        Box::new(Still::new(header, decoder, self.options))
    }

    fn moving(
        &self,
        mut header: ImageHeader,
        frames: Frames<'static>,
        canvases: u64,
    ) -> Result<Box<dyn ImageStream>, MediaError> {
        let canvas = u64::from(header.size.width)
            .saturating_mul(u64::from(header.size.height))
            .saturating_mul(4);
        header.frames = None;
        header.decode_bytes = canvas.saturating_mul(canvases);
        Ok(Box::new(Moving {
            header,
            format: self.options.format,
            options: self.options.clone(),
            frames,
        }))
    }

    fn error(&self, error: &ImageError) -> MediaError {
        blame(self.options, error)
    }
}

/// Puts an error of the crate into our words.
fn blame(options: &DecodeOptions, error: &ImageError) -> MediaError {
    if options.cancel.is_cancelled() {
        return MediaError::Cancelled;
    }
    match error {
        ImageError::Limits(_) => MediaError::Limit {
            what: "decode_bytes",
            limit: options.limits.decode_bytes,
        },
        ImageError::Unsupported(what) => MediaError::unsupported(what.to_string()),
        other => MediaError::malformed(options.format, other.to_string()),
    }
}

/// A still picture.
struct Still {
    header: ImageHeader,
    decoder: Option<Box<dyn Decoder>>,
    options: DecodeOptions,
    warnings: Vec<String>,
}

impl Still {
    fn new(header: ImageHeader, decoder: Box<dyn Decoder>, options: &DecodeOptions) -> Self {
        Self {
            header,
            decoder: Some(decoder),
            options: options.clone(),
            warnings: Vec::new(),
        }
    }
}

impl ImageStream for Still {
    fn header(&self) -> &ImageHeader {
        &self.header
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        let Some(decoder) = self.decoder.take() else {
            return Ok(None);
        };
        let colour = decoder.color_type();
        let limit = self.options.limits.decode_bytes;
        let over = MediaError::Limit {
            what: "decode_bytes",
            limit,
        };
        let bytes = decoder.total_bytes();
        if bytes > limit {
            return Err(over);
        }
        let mut data = vec![0; usize::try_from(bytes).map_err(|_| over)?];
        decoder
            .read_image_boxed(&mut data)
            .map_err(|error| blame(&self.options, &error))?;
        Ok(Some(Frame {
            picture: picture(self.header.size, colour, data)?,
            delay_ms: 0,
        }))
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// An animation.
struct Moving {
    header: ImageHeader,
    format: Format,
    options: DecodeOptions,
    frames: Frames<'static>,
}

impl ImageStream for Moving {
    fn header(&self) -> &ImageHeader {
        &self.header
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        let Some(frame) = self.frames.next() else {
            return Ok(None);
        };
        let frame = frame.map_err(|error| match blame(&self.options, &error) {
            // What one frame lacks, the animation lacks from there on.
            MediaError::Unsupported { what } => MediaError::malformed(self.format, what),
            error => error,
        })?;
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        let buffer = frame.into_buffer();
        let size = Dimensions::new(buffer.width(), buffer.height());
        Ok(Some(Frame {
            picture: Picture::new(size, Layout::Rgba8, buffer.into_raw())?,
            delay_ms: numerator.checked_div(denominator).unwrap_or(0),
        }))
    }
}

fn plays(count: ::image::metadata::LoopCount) -> Plays {
    match count {
        ::image::metadata::LoopCount::Infinite => Plays::Forever,
        ::image::metadata::LoopCount::Finite(times) => {
            Plays::Times(u16::try_from(times.get()).unwrap_or(u16::MAX))
        }
    }
}

fn is_plain(colour: ColorType) -> bool {
    matches!(colour, ColorType::L8 | ColorType::Rgb8 | ColorType::Rgba8)
}

/// Brings the crate's pixels, in native byte order, to 8 bits and one of our layouts.
fn picture(size: Dimensions, colour: ColorType, data: Vec<u8>) -> Result<Picture, MediaError> {
    let (layout, data) = match colour {
        ColorType::L8 => (Layout::Grey8, data),
        ColorType::Rgb8 => (Layout::Rgb8, data),
        ColorType::Rgba8 => (Layout::Rgba8, data),
        ColorType::La8 => (Layout::Rgba8, grey_alpha(&data)),
        ColorType::L16 => (Layout::Grey8, from_16(&data)),
        ColorType::La16 => (Layout::Rgba8, grey_alpha(&from_16(&data))),
        ColorType::Rgb16 => (Layout::Rgb8, from_16(&data)),
        ColorType::Rgba16 => (Layout::Rgba8, from_16(&data)),
        ColorType::Rgb32F => (Layout::Rgb8, from_float(&data)),
        ColorType::Rgba32F => (Layout::Rgba8, from_float(&data)),
        other => return Err(MediaError::unsupported(format!("pixels of {other:?}"))),
    };
    Picture::new(size, layout, data)
}

fn grey_alpha(data: &[u8]) -> Vec<u8> {
    let (pairs, _) = data.as_chunks::<2>();
    pairs
        .iter()
        .flat_map(|&[grey, alpha]| [grey, grey, grey, alpha])
        .collect()
}

fn from_16(data: &[u8]) -> Vec<u8> {
    let (samples, _) = data.as_chunks::<2>();
    samples
        .iter()
        .map(|&sample| {
            let value = u32::from(u16::from_ne_bytes(sample));
            u8::try_from((value * 255 + 32_767) / 65_535).unwrap_or(255)
        })
        .collect()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to 0..=255 first, and NaN casts to 0"
)]
fn from_float(data: &[u8]) -> Vec<u8> {
    let (samples, _) = data.as_chunks::<4>();
    samples
        .iter()
        .map(|&sample| (f32::from_ne_bytes(sample).clamp(0.0, 1.0) * 255.0 + 0.5) as u8)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_round_to_eight() {
        let data: Vec<u8> = [0_u16, 128, 129, 257, 65_535]
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect();
        assert_eq!(from_16(&data), [0, 0, 1, 1, 255]);
    }

    #[test]
    fn floats_are_clamped() {
        let data: Vec<u8> = [-1.0_f32, 0.5, 9.0, f32::NAN]
            .iter()
            .flat_map(|value| value.to_ne_bytes())
            .collect();
        assert_eq!(from_float(&data), [0, 128, 255, 0]);
    }
}

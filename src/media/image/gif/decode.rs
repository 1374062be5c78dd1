//! The decoder, with frames put together.

use ::gif::{ColorOutput, DecodeOptions as GifOptions, DecodingError, DisposalMethod, MemoryLimit};
use bytes::Bytes;

use super::super::transform::index;
use crate::dimensions::Dimensions;
use crate::media::codec::{DecodeOptions, ImageDecoder, ImageHeader, ImageStream};
use crate::media::error::MediaError;
use crate::media::guard::{Watched, check_size};
use crate::media::info::Format;
use crate::media::picture::{Frame, Layout, Picture, Plays};

/// Reads GIF87a and GIF89a, each frame composed on the canvas.
pub(in super::super) struct GifDecoder;

impl ImageDecoder for GifDecoder {
    fn name(&self) -> &str {
        "gif"
    }

    fn formats(&self) -> &[Format] {
        &[Format::Gif]
    }

    fn open(
        &self,
        data: &Bytes,
        options: &DecodeOptions,
    ) -> Result<Box<dyn ImageStream>, MediaError> {
        let mut gif = GifOptions::new();
        gif.set_color_output(ColorOutput::RGBA);
        gif.set_memory_limit(
            match std::num::NonZeroU64::new(options.limits.decode_bytes) {
                Some(bytes) => MemoryLimit::Bytes(bytes),
                None => MemoryLimit::Bytes(std::num::NonZeroU64::MIN),
            },
        );
        let reader = Watched::new(data.clone(), options.cancel.clone());
        let decoder = gif
            .read_info(reader)
            .map_err(|error| blame(options, &error))?;
        let size = Dimensions::new(decoder.width().into(), decoder.height().into());
        if size.width == 0 || size.height == 0 {
            return Err(MediaError::malformed_at(
                Format::Gif,
                "a canvas of no pixels",
                6,
            ));
        }
        check_size(size, &options.limits)?;
        let canvas = u64::from(size.width) * u64::from(size.height) * 4;
        let mut header = ImageHeader::new(size, canvas.saturating_mul(4));
        header.frames = None;
        header.plays = match decoder.repeat() {
            ::gif::Repeat::Infinite => Plays::Forever,
            ::gif::Repeat::Finite(again) => Plays::Times(again.saturating_add(1)),
        };
        Ok(Box::new(GifStream {
            canvas: Canvas::new(size),
            header,
            options: options.clone(),
            decoder,
            done: false,
            warnings: Vec::new(),
        }))
    }
}

fn blame(options: &DecodeOptions, error: &DecodingError) -> MediaError {
    if options.cancel.is_cancelled() {
        return MediaError::Cancelled;
    }
    match error {
        DecodingError::MemoryLimit => MediaError::Limit {
            what: "decode_bytes",
            limit: options.limits.decode_bytes,
        },
        other => MediaError::malformed(Format::Gif, other.to_string()),
    }
}

struct GifStream {
    header: ImageHeader,
    options: DecodeOptions,
    decoder: ::gif::Decoder<Watched>,
    canvas: Canvas,
    done: bool,
    warnings: Vec<String>,
}

impl ImageStream for GifStream {
    fn header(&self) -> &ImageHeader {
        &self.header
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        if self.done {
            return Ok(None);
        }
        self.done = !self.options.animation;
        let Some(info) = self
            .decoder
            .next_frame_info()
            .map_err(|error| blame(&self.options, &error))?
        else {
            if self.canvas.drawn {
                return Ok(None);
            }
            return Err(MediaError::malformed(Format::Gif, "no frame"));
        };
        let patch = Patch {
            left: info.left.into(),
            top: info.top.into(),
            size: Dimensions::new(info.width.into(), info.height.into()),
            dispose: info.dispose,
        };
        let delay_ms = u32::from(info.delay).saturating_mul(10);
        check_size(patch.size, &self.options.limits)?;
        let mut pixels = vec![0; self.decoder.buffer_size()];
        if let Err(error) = self.decoder.read_into_buffer(&mut pixels) {
            let error = blame(&self.options, &error);
            // Rows that arrived are in the buffer; the rest is transparent.
            let some = pixels.iter().any(|&octet| octet != 0);
            if self.canvas.drawn || !some || !matches!(error, MediaError::Malformed { .. }) {
                return Err(error);
            }
            self.warnings.push(error.to_string());
            self.done = true;
        }
        Ok(Some(Frame {
            picture: self.canvas.draw(&patch, &pixels)?,
            delay_ms,
        }))
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// One image of the file: a part of the canvas.
struct Patch {
    left: u32,
    top: u32,
    size: Dimensions,
    dispose: DisposalMethod,
}

/// The picture as it stands between frames (GIF89a, section 23, disposal).
struct Canvas {
    size: Dimensions,
    pixels: Vec<u8>,
    drawn: bool,
}

impl Canvas {
    fn new(size: Dimensions) -> Self {
        Self {
            size,
            pixels: Vec::new(),
            drawn: false,
        }
    }

    /// Draws a patch, gives the picture, and leaves the canvas as the patch's disposal wants it.
    fn draw(&mut self, patch: &Patch, pixels: &[u8]) -> Result<Picture, MediaError> {
        if !self.drawn {
            let octets = index(self.size.width)
                .saturating_mul(index(self.size.height))
                .saturating_mul(4);
            self.pixels = vec![0; octets];
            self.drawn = true;
        }
        let before = (patch.dispose == DisposalMethod::Previous).then(|| self.pixels.clone());
        self.each_row(patch, pixels, |target, source| {
            if let Some([_, _, _, alpha]) = source.first_chunk::<4>()
                && *alpha != 0
            {
                target.copy_from_slice(source);
            }
        });
        let shown = self.pixels.clone();
        match before {
            Some(before) => self.pixels = before,
            None if patch.dispose == DisposalMethod::Background => {
                self.each_row(patch, pixels, |target, _| target.fill(0));
            }
            None => {}
        }
        Picture::new(self.size, Layout::Rgba8, shown)
    }

    /// Calls `put` for each pixel of the canvas under the patch, with the patch's pixel.
    fn each_row(&mut self, patch: &Patch, pixels: &[u8], put: impl Fn(&mut [u8], &[u8])) {
        let stride = index(self.size.width).saturating_mul(4);
        let patch_stride = index(patch.size.width).saturating_mul(4);
        if stride == 0 || patch_stride == 0 {
            return;
        }
        let rows = self
            .pixels
            .chunks_exact_mut(stride)
            .skip(index(patch.top))
            .zip(pixels.chunks_exact(patch_stride));
        for (target, source) in rows {
            let target = target.chunks_exact_mut(4).skip(index(patch.left));
            for (target, source) in target.zip(source.chunks_exact(4)) {
                put(target, source);
            }
        }
    }
}

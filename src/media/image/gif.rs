//! GIF: the decoder, with frames put together, and the encoder, with frames taken apart.

use std::borrow::Cow;

use ::gif::{ColorOutput, DecodeOptions as GifOptions, DecodingError, DisposalMethod, MemoryLimit};
use bytes::Bytes;

use super::palette::{IndexOptions, Indexed, index_frames};
use super::transform::{index, luma};
use super::wbmp::black_and_white;
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::codec::{
    DecodeOptions, ImageDecoder, ImageEncoder, ImageHeader, ImageSettings, ImageStream,
};
use crate::media::error::MediaError;
use crate::media::guard::{Watched, check_size};
use crate::media::info::Format;
use crate::media::picture::{Frame, Layout, Picture, Plays};

/// Reads GIF87a and GIF89a, each frame composed on the canvas.
pub(super) struct GifDecoder;

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

/// Writes GIF89a: one palette for all frames, and of each frame after the first only the part
/// that changed.
pub(super) struct GifEncoder;

impl ImageEncoder for GifEncoder {
    fn name(&self) -> &str {
        "gif"
    }

    fn format(&self) -> Format {
        Format::Gif
    }

    fn alpha(&self) -> bool {
        true
    }

    fn animation(&self) -> bool {
        true
    }

    fn encode(
        &self,
        frames: &[Frame],
        settings: &ImageSettings,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, MediaError> {
        let first = frames
            .first()
            .ok_or_else(|| MediaError::unsupported("a GIF of no frame"))?;
        let size = first.picture.size();
        let too_large = |_| MediaError::unsupported(format!("a GIF of {size}"));
        let width = u16::try_from(size.width).map_err(too_large)?;
        let height = u16::try_from(size.height).map_err(too_large)?;
        let indexed = indexed(frames, settings)?;
        let failed = |error: ::gif::EncodingError| MediaError::unsupported(format!("GIF: {error}"));
        let mut bytes = Vec::new();
        let palette = indexed.colours.concat();
        let mut encoder =
            ::gif::Encoder::new(&mut bytes, width, height, &palette).map_err(failed)?;
        if frames.len() > 1 {
            match settings.plays {
                Plays::Forever => encoder
                    .set_repeat(::gif::Repeat::Infinite)
                    .map_err(failed)?,
                Plays::Times(0 | 1) => {}
                Plays::Times(times) => encoder
                    .set_repeat(::gif::Repeat::Finite(times.saturating_sub(1)))
                    .map_err(failed)?,
            }
        }
        let clears = clears(&indexed);
        let mut clock = Clock::default();
        let mut previous: Option<&[u8]> = None;
        for (frame, indices) in frames.iter().zip(&indexed.frames) {
            cancel.check()?;
            let change = match previous {
                Some(previous) if !clears => Change::between(previous, indices, size.width),
                _ => Change::all(size),
            };
            let mut out = change.frame(previous.filter(|_| !clears), indices, size.width, &indexed);
            out.delay = clock.tick(frame.delay_ms);
            if clears {
                out.dispose = DisposalMethod::Background;
            }
            encoder.write_frame(&out).map_err(failed)?;
            previous = Some(indices);
        }
        drop(encoder);
        Ok(bytes)
    }
}

fn indexed(frames: &[Frame], settings: &ImageSettings) -> Result<Indexed, MediaError> {
    let entries = settings.colours.unwrap_or(256);
    if entries == 2 && settings.dither {
        return two_colours(frames);
    }
    index_frames(
        frames,
        IndexOptions {
            entries,
            dither: settings.dither,
            // Pixels that do not change are written as transparent ones.
            transparent: frames.len() > 1 && entries > 2,
        },
    )
}

/// Black and white for a screen that has no more.
fn two_colours(frames: &[Frame]) -> Result<Indexed, MediaError> {
    let mut indices = Vec::with_capacity(frames.len());
    for frame in frames {
        let white = black_and_white(&luma(&frame.picture)?);
        indices.push(white.into_iter().map(u8::from).collect());
    }
    Ok(Indexed {
        colours: vec![[0; 3], [255; 3]],
        transparent: None,
        frames: indices,
        exact: false,
    })
}

/// Whether a pixel that was drawn becomes a hole in a later frame: only clearing the canvas does
/// that, so then every frame is written whole.
fn clears(indexed: &Indexed) -> bool {
    let Some(hole) = indexed.transparent else {
        return false;
    };
    indexed.frames.windows(2).any(|pair| match pair {
        [before, after] => before
            .iter()
            .zip(after)
            .any(|(&before, &after)| after == hole && before != hole),
        _ => false,
    })
}

/// Milliseconds to hundredths of a second, with what rounding leaves carried to the next frame so
/// that the whole keeps its length.
#[derive(Default)]
struct Clock {
    ms: u64,
    ticks: u64,
}

impl Clock {
    fn tick(&mut self, delay_ms: u32) -> u16 {
        self.ms = self.ms.saturating_add(delay_ms.into());
        let due = (self.ms.saturating_add(5) / 10).saturating_sub(self.ticks);
        let delay = u16::try_from(due).unwrap_or(u16::MAX);
        self.ticks = self.ticks.saturating_add(delay.into());
        delay
    }
}

/// The rectangle that differs from the frame before; at least one pixel.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Change {
    fn all(size: Dimensions) -> Self {
        Self {
            left: 0,
            top: 0,
            width: index(size.width),
            height: index(size.height),
        }
    }

    fn between(before: &[u8], after: &[u8], width: u32) -> Self {
        let width = index(width).max(1);
        let rows = || before.chunks_exact(width).zip(after.chunks_exact(width));
        let differs = |(before, after): &(&[u8], &[u8])| before != after;
        let Some(top) = rows().position(|row| differs(&row)) else {
            return Self {
                left: 0,
                top: 0,
                width: 1,
                height: 1,
            };
        };
        let mut bottom = top;
        let (mut left, mut right) = (width, 0);
        for (y, (before, after)) in rows().enumerate().skip(top) {
            let apart = |(before, after): (&u8, &u8)| before != after;
            if let Some(first) = before.iter().zip(after).position(apart) {
                let last = before.iter().zip(after).rposition(apart).unwrap_or(first);
                left = left.min(first);
                right = right.max(last);
                bottom = y;
            }
        }
        Self {
            left,
            top,
            width: right.saturating_sub(left).saturating_add(1),
            height: bottom.saturating_sub(top).saturating_add(1),
        }
    }

    /// The rectangle as a frame. What did not change inside it is transparent, which makes long
    /// runs, unless the whole is written.
    fn frame(
        &self,
        before: Option<&[u8]>,
        after: &[u8],
        width: u32,
        indexed: &Indexed,
    ) -> ::gif::Frame<'static> {
        let stride = index(width).max(1);
        let mut buffer = Vec::with_capacity(self.width.saturating_mul(self.height));
        let rows = after.chunks_exact(stride).enumerate();
        for (y, row) in rows.skip(self.top).take(self.height) {
            let old = before.and_then(|before| before.chunks_exact(stride).nth(y));
            for (x, &value) in row.iter().enumerate().skip(self.left).take(self.width) {
                let same = old.and_then(|old| old.get(x)) == Some(&value);
                buffer.push(match indexed.transparent {
                    Some(hole) if same => hole,
                    _ => value,
                });
            }
        }
        let short = |value: usize| u16::try_from(value).unwrap_or(u16::MAX);
        ::gif::Frame {
            delay: 0,
            dispose: DisposalMethod::Keep,
            transparent: indexed.transparent,
            left: short(self.left),
            top: short(self.top),
            width: short(self.width),
            height: short(self.height),
            buffer: Cow::Owned(buffer),
            ..::gif::Frame::default()
        }
    }
}

//! The one door in front of every codec.
//!
//! A codec sees octets only through here: the signature is checked, the header is read and held
//! against [`Limits`], and only then are pixels decoded, with panics caught and cancellation
//! checked between frames. Decoders that read through [`Watched`] are stopped between rows too.

use std::cell::Cell;
use std::io::{BufRead, Cursor, Error as IoError, Read, Result as IoResult, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use bytes::Bytes;

use super::cancel::Cancel;
use super::codec::{DecodeOptions, ImageDecoder, ImageHeader, ImageStream, Reduced};
use super::error::MediaError;
use super::info::Format;
use super::picture::{Chroma, Frame, Planes};
use crate::dimensions::Dimensions;
use crate::limits::Limits;

/// Opens a picture: signature, header, limits, and not one pixel.
///
/// # Errors
///
/// [`MediaError::Malformed`] where `data` does not begin as its format must or the header is
/// broken, [`MediaError::Limit`] where the header asks for too much, and whatever the codec says.
pub fn open_image(
    decoder: &dyn ImageDecoder,
    data: &Bytes,
    options: &DecodeOptions,
) -> Result<GuardedImage, MediaError> {
    let limits = &options.limits;
    options.cancel.check()?;
    at_most("media_bytes", wide(data.len()), wide(limits.media_bytes))?;
    if !begins_as(options.format, data) {
        return Err(MediaError::malformed_at(
            options.format,
            "does not begin as this format does",
            0,
        ));
    }
    let codec = decoder.name().to_owned();
    let stream = caught(&codec, || decoder.open(data, options))?;
    check_header(stream.header(), limits)?;
    Ok(GuardedImage {
        codec,
        header: stream.header().clone(),
        stream: Some(stream),
        limits: limits.clone(),
        cancel: options.cancel.clone(),
        frames: 0,
        pixels: 0,
        warnings: Vec::new(),
    })
}

/// A picture that passed the door, still being decoded.
pub struct GuardedImage {
    codec: String,
    header: ImageHeader,
    stream: Option<Box<dyn ImageStream>>,
    limits: Limits,
    cancel: Cancel,
    frames: usize,
    pixels: u64,
    warnings: Vec<String>,
}

impl GuardedImage {
    /// The header, within limits.
    #[must_use]
    pub fn header(&self) -> &ImageHeader {
        &self.header
    }

    /// Pixels of the frames that follow, as stored.
    #[must_use]
    pub fn delivers(&self) -> Dimensions {
        self.stream
            .as_ref()
            .map_or(self.header.size, |stream| stream.delivers())
    }

    /// The next frame, or `None` after the last one or after as many as the limits allow.
    ///
    /// An animation that breaks after its first frame ends there, with a warning.
    ///
    /// # Errors
    ///
    /// [`MediaError::Cancelled`], [`MediaError::CodecPanicked`], or the codec's error where there
    /// is no frame at all.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        self.cancel.check()?;
        let Some(mut stream) = self.stream.take() else {
            return Ok(None);
        };
        let canvas = pixels(self.header.size);
        if self.frames > 0
            && (self.frames >= self.limits.frames
                || self.pixels.saturating_add(canvas) > self.limits.animation_pixels)
        {
            self.warnings
                .push(format!("animation cut after {} frames", self.frames));
            return Ok(None);
        }
        // A stream that panicked may be in any state; it is dropped, not put back.
        let frame = match caught(&self.codec, || stream.next_frame()) {
            Ok(frame) => frame,
            Err(MediaError::Malformed { what, .. }) if self.frames > 0 => {
                self.warnings.push(format!(
                    "animation damaged after {} frames: {what}",
                    self.frames
                ));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.warnings.extend(
            stream
                .warnings()
                .iter()
                .filter(|warning| !self.warnings.contains(warning))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let Some(frame) = frame else {
            return Ok(None);
        };
        let size = frame.picture.size();
        if size.width > self.header.size.width || size.height > self.header.size.height {
            return Err(MediaError::unsupported(format!(
                "a {size} frame of a {} picture from {}",
                self.header.size, self.codec
            )));
        }
        self.frames = self.frames.saturating_add(1);
        self.pixels = self.pixels.saturating_add(canvas);
        self.stream = Some(stream);
        Ok(Some(frame))
    }

    /// The first frame as planes of `size`, which is no larger than the header's, where the
    /// decoder can scale while it decodes; see
    /// [`next_planes`](super::codec::ImageStream::next_planes).
    ///
    /// # Errors
    ///
    /// As [`next_frame`](Self::next_frame).
    pub fn next_planes(
        &mut self,
        size: Dimensions,
        chroma: Chroma,
    ) -> Result<Option<Planes>, MediaError> {
        self.cancel.check()?;
        let Some(mut stream) = self.stream.take() else {
            return Ok(None);
        };
        let planes = caught(&self.codec, || stream.next_planes(size, chroma))?;
        let Some(planes) = planes else {
            self.stream = Some(stream);
            return Ok(None);
        };
        self.warnings.extend_from_slice(stream.warnings());
        check_planes(&planes, size, &self.codec)?;
        self.frames = self.frames.saturating_add(1);
        self.pixels = self.pixels.saturating_add(pixels(self.header.size));
        self.stream = Some(stream);
        Ok(Some(planes))
    }

    /// The first frame read once for planes of several sizes; see
    /// [`reduce`](super::codec::ImageStream::reduce).
    ///
    /// # Errors
    ///
    /// As [`next_frame`](Self::next_frame).
    pub fn reduce(
        &mut self,
        size: Dimensions,
        chroma: Chroma,
        most: usize,
    ) -> Result<Option<Arc<dyn Reduced>>, MediaError> {
        self.cancel.check()?;
        let Some(mut stream) = self.stream.take() else {
            return Ok(None);
        };
        let reduced = caught(&self.codec, || stream.reduce(size, chroma, most))?;
        self.stream = Some(stream);
        Ok(reduced)
    }

    /// Planes of a picture that was read before by the decoder that opened this one.
    ///
    /// # Errors
    ///
    /// As [`next_frame`](Self::next_frame).
    pub fn planes_of(
        &self,
        reduced: &dyn Reduced,
        size: Dimensions,
        chroma: Chroma,
    ) -> Result<Option<Planes>, MediaError> {
        self.cancel.check()?;
        let planes = caught(&self.codec, || reduced.planes(size, chroma, &self.cancel))?;
        if let Some(planes) = &planes {
            check_planes(planes, size, &self.codec)?;
        }
        Ok(planes)
    }

    /// The name of the decoder.
    #[must_use]
    pub fn codec(&self) -> &str {
        &self.codec
    }

    /// What was wrong and did not stop decoding.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn check_planes(planes: &Planes, size: Dimensions, codec: &str) -> Result<(), MediaError> {
    let colour = planes.chroma.plane(size).map_or(0, pixels);
    let sound = planes.size == size
        && wide(planes.y.len()) == pixels(size)
        && wide(planes.cb.len()) == colour
        && wide(planes.cr.len()) == colour;
    if sound {
        Ok(())
    } else {
        let what = format!("planes that are not of {size} from {codec}");
        Err(MediaError::unsupported(what))
    }
}

/// Calls into a codec and turns a panic into [`MediaError::CodecPanicked`].
///
/// The panic still runs the process's panic hook, which prints by default; see [`quiet_panics`].
///
/// # Errors
///
/// Whatever `call` says, or [`MediaError::CodecPanicked`].
pub fn caught<T>(
    codec: &str,
    call: impl FnOnce() -> Result<T, MediaError>,
) -> Result<T, MediaError> {
    let depth = INSIDE.get();
    INSIDE.set(depth.saturating_add(1));
    let outcome = catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(depth);
    outcome.unwrap_or_else(|_| {
        Err(MediaError::CodecPanicked {
            codec: codec.to_owned(),
        })
    })
}

/// Keeps panics that the guard catches from being printed. Panics elsewhere print as before.
///
/// This replaces the process's panic hook by one that hands on to it, so it is for a binary to
/// call once at its start; a library must not. Further calls do nothing.
pub fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if INSIDE.get() == 0 {
                hook(info);
            }
        }));
    });
}

thread_local! {
    /// How many guards this thread is inside of.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// Octets for a decoder to read, in steps between which cancellation is checked.
#[derive(Debug, Clone)]
pub struct Watched {
    inner: Cursor<Bytes>,
    cancel: Cancel,
}

impl Watched {
    /// Reads `data` until `cancel` is set.
    #[must_use]
    pub fn new(data: Bytes, cancel: Cancel) -> Self {
        Self {
            inner: Cursor::new(data),
            cancel,
        }
    }

    /// Octets handed out at one time: small enough that a row of pixels seldom takes more.
    const STEP: usize = 16 << 10;
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        let step = buffer.len().min(Self::STEP);
        let available = self.fill_buf()?;
        let (now, _) = available.split_at(available.len().min(step));
        if let Some(target) = buffer.get_mut(..now.len()) {
            target.copy_from_slice(now);
        }
        let read = now.len();
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Watched {
    fn fill_buf(&mut self) -> IoResult<&[u8]> {
        if self.cancel.is_cancelled() {
            return Err(IoError::other("cancelled"));
        }
        let available = self.inner.fill_buf()?;
        Ok(available.get(..Self::STEP).unwrap_or(available))
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> IoResult<u64> {
        self.inner.seek(to)
    }
}

/// Holds a size against the limits on pictures.
///
/// # Errors
///
/// [`MediaError::Limit`].
pub fn check_size(size: Dimensions, limits: &Limits) -> Result<(), MediaError> {
    let side = u64::from(size.width.max(size.height));
    at_most("side", side, u64::from(limits.side))?;
    at_most("pixels", pixels(size), limits.pixels)
}

fn check_header(header: &ImageHeader, limits: &Limits) -> Result<(), MediaError> {
    check_size(header.size, limits)?;
    at_most("decode_bytes", header.decode_bytes, limits.decode_bytes)
}

fn at_most(what: &'static str, value: u64, limit: u64) -> Result<(), MediaError> {
    if value > limit {
        Err(MediaError::Limit { what, limit })
    } else {
        Ok(())
    }
}

/// Pixels of a picture.
fn pixels(size: Dimensions) -> u64 {
    u64::from(size.width).saturating_mul(u64::from(size.height))
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Whether `data` carries the signature of `format`. Formats without one pass: their decoders
/// check structure instead.
fn begins_as(format: Format, data: &[u8]) -> bool {
    match format {
        Format::Jpeg => data.starts_with(&[0xFF, 0xD8]),
        Format::Png => data.starts_with(b"\x89PNG\r\n\x1A\n"),
        Format::Gif => data.starts_with(b"GIF8"),
        Format::Webp => data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP"),
        Format::Heic | Format::Avif => data.get(4..8) == Some(b"ftyp"),
        Format::Bmp => data.starts_with(b"BM"),
        Format::Tiff => {
            data.starts_with(b"II\x2A\0")
                || data.starts_with(b"MM\0\x2A")
                || data.starts_with(b"II\x2B\0")
                || data.starts_with(b"MM\0\x2B")
        }
        _ => true,
    }
}

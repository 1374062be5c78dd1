//! A decoded picture, ready to be encoded as often as needed.

use std::borrow::Cow;
use std::sync::OnceLock;

use bytes::Bytes;

use super::colour::ToSrgb;
use super::estimate::expected_octets;
use super::jpeg;
use super::palette::has_few_colours;
use super::shared::{Frames, Shared};
use super::target::{Encoded, ImageTarget};
use super::telling;
use super::transform::{fit_box, flatten, resized, simplify, turned, upright};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{
    DecodeOptions, Fitted, Fitting, ImageDecoder, ImageEncoder, ImageSettings,
};
use crate::media::error::MediaError;
use crate::media::fit::{self, Attempt};
use crate::media::guard;
use crate::media::info::Format;
use crate::media::picture::{Chroma, Frame, Picture, Planes, Plays};
use crate::media::registry::Registry;

/// Quality where none is asked for and no number of octets either.
pub const DEFAULT_QUALITY: u8 = 85;

/// The best quality a search for a number of octets goes to where none is asked for: beyond it a
/// phone's screen shows no difference.
pub const CEILING_QUALITY: u8 = 90;

/// A picture, decoded once: upright, sRGB, 8 bits a channel, no larger than its box. It holds
/// pixels alone; nothing of the file's metadata is left.
#[derive(Clone)]
pub struct Source {
    held: Held,
    plays: Plays,
    size: Dimensions,
    original: Dimensions,
    registry: Registry,
    warnings: Vec<String>,
    /// Codecs that failed before one read it.
    failures: Vec<String>,
}

/// How the pixels are held.
#[derive(Clone)]
enum Held {
    Frames(Vec<Frame>),
    /// A photograph as it is stored in a JPEG, and its pixels once they are asked for.
    Planes(Box<Planes>, OnceLock<Vec<Frame>>),
}

impl Source {
    /// Decodes `data`, every frame of it, and shrinks each into `shrink_to` (a box that holds
    /// either way round) at once, so that large frames never pile up.
    ///
    /// # Errors
    ///
    /// [`MediaError::Unsupported`] where the registry reads no `format`; else what the guard says.
    pub fn open(
        data: &Bytes,
        format: Format,
        registry: &Registry,
        limits: &Limits,
        cancel: &Cancel,
        shrink_to: Option<Dimensions>,
    ) -> Result<Self, MediaError> {
        let options = options(format, limits, cancel, true);
        Self::read(data, registry, options, Want::pixels(shrink_to))
    }

    /// As [`open`](Self::open), of what `target` needs: as many frames as it may have, no larger
    /// than its box, and no more colour than it will hold.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_for(
        data: &Bytes,
        format: Format,
        registry: &Registry,
        limits: &Limits,
        cancel: &Cancel,
        target: &ImageTarget,
    ) -> Result<Self, MediaError> {
        let options = options(format, limits, cancel, moves(registry, target));
        Self::read(data, registry, options, Want::of(target))
    }

    /// As [`open`](Self::open), of one frame alone: the first, unless an animation begins with
    /// next to nothing and soon shows more.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_still(
        data: &Bytes,
        format: Format,
        registry: &Registry,
        limits: &Limits,
        cancel: &Cancel,
        shrink_to: Option<Dimensions>,
    ) -> Result<Self, MediaError> {
        let options = options(format, limits, cancel, false);
        Self::read(data, registry, options, Want::pixels(shrink_to))
    }

    /// As [`open_for`](Self::open_for), of the part with index `part` of a message whose pictures
    /// several devices share.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_shared(
        data: &Bytes,
        format: Format,
        (registry, limits, cancel): (&Registry, &Limits, &Cancel),
        target: &ImageTarget,
        shared: (&Shared, usize),
    ) -> Result<Self, MediaError> {
        let options = options(format, limits, cancel, moves(registry, target));
        let want = Want {
            shared: Some(shared),
            ..Want::of(target)
        };
        Self::read(data, registry, options, want)
    }

    /// A picture that is in memory already, upright and sRGB.
    #[must_use]
    pub fn of_picture(picture: Picture, registry: &Registry) -> Self {
        let size = picture.size();
        Self {
            held: Held::Frames(still(picture)),
            plays: Plays::Times(1),
            size,
            original: size,
            registry: registry.clone(),
            warnings: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn read(
        data: &Bytes,
        registry: &Registry,
        mut options: DecodeOptions,
        want: Want<'_>,
    ) -> Result<Self, MediaError> {
        options.at_least = want.shrink_to;
        let mut failures = Vec::new();
        let mut last = MediaError::unsupported(format!("reading {}", options.format.name()));
        for decoder in registry.image_decoders(options.format) {
            match Self::read_by(decoder.as_ref(), data, registry, &options, want) {
                Ok(mut source) => {
                    source.failures = failures;
                    return Ok(source);
                }
                // The next one may be sound.
                Err(error) if error.blames_codec() => {
                    failures.push(error.to_string());
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn read_by(
        decoder: &dyn ImageDecoder,
        data: &Bytes,
        registry: &Registry,
        options: &DecodeOptions,
        want: Want<'_>,
    ) -> Result<Self, MediaError> {
        let format = options.format;
        let still = !options.animation;
        // Which frame stands for an animation is seen by looking at more than the first.
        let looks = still && matches!(format, Format::Gif | Format::Webp);
        let options = &DecodeOptions {
            animation: options.animation || looks,
            ..options.clone()
        };
        let mut image = guard::open_image(decoder, data, options)?;
        let header = image.header().clone();
        let original = turned(header.size, header.orientation);
        let size = want
            .shrink_to
            .map_or(original, |limit| fit_box(original, limit));
        let stored = turned(size, header.orientation);
        let (to_srgb, warning) = ToSrgb::read(header.icc.as_deref());
        let mut warnings: Vec<String> = warning.into_iter().collect();
        let read = match want.shared {
            Some((shared, part)) => shared.planes(part, &mut image, stored, want.chroma)?,
            None => {
                let planes = image.next_planes(stored, want.chroma)?;
                planes.map(|planes| (planes, image.warnings().to_vec()))
            }
        };
        if let Some((planes, odd)) = read {
            let planes = in_srgb(planes, &to_srgb)?;
            warnings.extend(odd);
            return Ok(Self {
                held: Held::Planes(
                    Box::new(jpeg::upright(planes, header.orientation)),
                    OnceLock::new(),
                ),
                plays: header.plays,
                size,
                original,
                registry: registry.clone(),
                warnings,
                failures: Vec::new(),
            });
        }
        let mut frames = Vec::new();
        let mut held = 0_u64;
        let mut image = match want.shared {
            // How far is looked depends on the device.
            Some((shared, part)) if !looks => shared.frames(part, options.animation, image),
            _ => Frames::alone(image),
        };
        let shape = |frame: Cow<'_, Frame>| {
            let delay_ms = frame.delay_ms;
            let small = if frame.picture.size() == stored {
                frame.into_owned().picture
            } else {
                resized(&frame.picture, stored)?
            };
            let picture = simplify(upright(to_srgb.apply(small)?, header.orientation)?)?;
            Ok(Frame { picture, delay_ms })
        };
        let mut looked = 0;
        loop {
            let Some(frame) = image.next(shape)? else {
                image.complete();
                break;
            };
            let picture = &frame.picture;
            held = held.saturating_add(u64::try_from(picture.data().len()).unwrap_or(u64::MAX));
            if held > options.limits.decode_bytes && !frames.is_empty() {
                warnings.push(format!("animation cut after {} frames", frames.len()));
                break;
            }
            frames.push(frame);
            if still && !looks_on(&mut frames, &mut looked) {
                image.complete();
                break;
            }
        }
        warnings.extend_from_slice(image.warnings());
        if frames.is_empty() {
            return Err(MediaError::malformed(format, "no picture"));
        }
        Ok(Self {
            held: Held::Frames(frames),
            plays: header.plays,
            size,
            original,
            registry: registry.clone(),
            warnings,
            failures: Vec::new(),
        })
    }

    /// Pixels held, upright.
    #[must_use]
    pub fn size(&self) -> Dimensions {
        self.size
    }

    /// Pixels of the file, upright.
    #[must_use]
    pub fn original_size(&self) -> Dimensions {
        self.original
    }

    /// The frames held, at least one.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        match &self.held {
            Held::Frames(frames) => frames,
            // The planes were checked when they were read, so they always make a picture.
            Held::Planes(planes, frames) => {
                frames.get_or_init(|| jpeg::to_picture(planes).map(still).unwrap_or_default())
            }
        }
    }

    /// Whether the picture was read as a JPEG's planes.
    pub(super) const fn was_planes(&self) -> bool {
        matches!(self.held, Held::Planes(..))
    }

    /// Octets of memory that the pixels take.
    #[must_use]
    pub fn held_octets(&self) -> usize {
        let of_frames = |frames: &[Frame]| -> usize {
            frames.iter().map(|frame| frame.picture.data().len()).sum()
        };
        match &self.held {
            Held::Frames(frames) => of_frames(frames),
            Held::Planes(planes, frames) => {
                let planes = planes.y.len() + planes.cb.len() + planes.cr.len();
                planes + frames.get().map_or(0, |frames| of_frames(frames))
            }
        }
    }

    /// What was wrong with the file and did not stop it from being read.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The same picture on white wherever it was transparent.
    ///
    /// # Errors
    ///
    /// None in practice: the pixels were checked when they were read.
    pub fn flattened(mut self) -> Result<Self, MediaError> {
        if let Held::Frames(frames) = &mut self.held {
            for frame in frames {
                frame.picture = flatten(&frame.picture)?;
            }
        }
        Ok(self)
    }

    /// Encodes the picture to meet `target`. With [`max_bytes`](ImageTarget::max_bytes) it looks
    /// for the best size and quality that fit, by the rules of [`fit`].
    ///
    /// # Errors
    ///
    /// [`MediaError::TargetTooSmall`] where not even a thumbnail fits, [`MediaError::Unsupported`]
    /// where the registry writes no such format, [`MediaError::Cancelled`], or what the encoder
    /// says.
    pub fn encode(&self, target: &ImageTarget, cancel: &Cancel) -> Result<Encoded, MediaError> {
        let mut failures = self.failures.clone();
        let mut last = MediaError::unsupported(format!("writing {}", target.format.name()));
        for encoder in self.registry.image_encoders(target.format) {
            match self.encode_by(encoder.as_ref(), target, cancel) {
                Ok(encoded) => {
                    return Ok(Encoded {
                        warnings: failures,
                        ..encoded
                    });
                }
                // The next one may be sound.
                Err(error) if error.blames_codec() => {
                    failures.push(error.to_string());
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn encode_by(
        &self,
        encoder: &dyn ImageEncoder,
        target: &ImageTarget,
        cancel: &Cancel,
    ) -> Result<Encoded, MediaError> {
        let size = target
            .max_box
            .map_or(self.size, |limit| fit_box(self.size, limit));
        let size = encoder
            .max_size()
            .map_or(size, |limit| fit_box(size, limit));
        if target.format == Format::Jpeg
            && let Some(encoded) = self.fit_planes(target, size, encoder, cancel)?
        {
            return Ok(encoded);
        }
        let moving = target.animation && encoder.animation();
        let frames = self.frames();
        let mut press = Press {
            frames: if moving {
                frames
            } else {
                let at = telling::place(frames);
                frames.get(at..=at).unwrap_or(frames)
            },
            plays: self.plays,
            encoder,
            cancel,
            max_bytes: target.max_bytes,
            ready: None,
        };
        let colours = target
            .bits_per_pixel
            .filter(|&bits| bits <= 8)
            .map(|bits| 1_u16 << bits.max(1));
        if let (true, Some(max_bytes)) = (press.frames.len() > 1, target.max_bytes) {
            let fitting = Fitting {
                size,
                max_bytes,
                colours,
                plays: self.plays,
            };
            let searched = || encoder.fit(press.frames, &fitting, cancel).transpose();
            if let Some(fitted) = guard::caught(encoder.name(), searched)? {
                return Ok(by_itself(fitted, target));
            }
        }
        let has_quality = !matches!(
            target.format,
            Format::Gif | Format::Png | Format::Wbmp | Format::Webp
        );
        let start = Attempt {
            size,
            quality: ceiling(target),
            colours,
            // Dithered frames differ everywhere; only a screen of few colours is worth it.
            dither: press.frames.len() == 1 || colours.is_some(),
            keep_every: 1,
        };
        let found = match target.max_bytes {
            None => fit::once(start, &mut |attempt| press.encode(attempt))?,
            Some(budget) => {
                let strategy = match target.format {
                    Format::Wbmp => fit::Strategy::Size(super::wbmp::file_size),
                    Format::Gif | Format::Png | Format::Webp => fit::Strategy::Palette {
                        frames: press.frames.len(),
                        first_step: if target.format == Format::Png {
                            0.33
                        } else {
                            0.95
                        },
                        drawn: size == self.size && has_few_colours(press.frames),
                    },
                    _ => fit::Strategy::Quality {
                        expected: expected_octets(size, start.quality),
                    },
                };
                fit::search(strategy, start, budget, &mut |attempt| {
                    press.encode(attempt)
                })?
            }
        };
        let frames = kept(press.frames.len(), found.attempt.keep_every);
        Ok(Encoded {
            bytes: found.bytes,
            format: target.format,
            size: found.attempt.size,
            frames: u32::try_from(frames).unwrap_or(u32::MAX),
            quality: has_quality.then_some(found.attempt.quality),
            encodes: found.encodes,
            warnings: Vec::new(),
        })
    }

    /// Encodes by an encoder that fits planes by itself; `None` where this one does not.
    fn fit_planes(
        &self,
        target: &ImageTarget,
        size: Dimensions,
        encoder: &dyn ImageEncoder,
        cancel: &Cancel,
    ) -> Result<Option<Encoded>, MediaError> {
        cancel.check()?;
        let made;
        let planes = match &self.held {
            Held::Planes(planes, _) => planes.as_ref(),
            Held::Frames(frames) => {
                let Some(frame) = frames.get(telling::place(frames)) else {
                    return Ok(None);
                };
                made = jpeg::of_picture(&flatten(&frame.picture)?, colour_for(target));
                &made
            }
        };
        let settings = ImageSettings {
            quality: ceiling(target),
            colours: None,
            dither: false,
            plays: Plays::Times(1),
            max_bytes: target.max_bytes,
        };
        let fitted = guard::caught(encoder.name(), || {
            encoder.fit_planes(planes, size, &settings, cancel)
        })?;
        Ok(fitted.map(|fitted| by_itself(fitted, target)))
    }
}

/// What an encoder fitted by itself.
fn by_itself(fitted: Fitted, target: &ImageTarget) -> Encoded {
    Encoded {
        bytes: fitted.bytes,
        format: target.format,
        size: fitted.size,
        frames: u32::try_from(fitted.frames).unwrap_or(u32::MAX),
        quality: fitted.quality,
        encodes: fitted.encodes,
        warnings: Vec::new(),
    }
}

/// What is needed of a picture.
#[derive(Clone, Copy)]
struct Want<'a> {
    shrink_to: Option<Dimensions>,
    chroma: Chroma,
    /// Where what is decoded is kept for other devices, and the part that it is of.
    shared: Option<(&'a Shared, usize)>,
}

impl Want<'_> {
    fn pixels(shrink_to: Option<Dimensions>) -> Self {
        Self {
            shrink_to,
            chroma: Chroma::Full,
            shared: None,
        }
    }

    fn of(target: &ImageTarget) -> Self {
        Self {
            shrink_to: target.max_box,
            chroma: colour_for(target),
            shared: None,
        }
    }
}

/// Whether `target` may have more than one frame.
fn moves(registry: &Registry, target: &ImageTarget) -> bool {
    target.animation
        && registry
            .image_encoder(target.format)
            .is_some_and(|encoder| encoder.animation())
}

/// The best quality that is looked for.
fn ceiling(target: &ImageTarget) -> u8 {
    target.quality.unwrap_or(match target.max_bytes {
        Some(_) => CEILING_QUALITY,
        None => DEFAULT_QUALITY,
    })
}

/// How much colour a source must hold for `target`.
fn colour_for(target: &ImageTarget) -> Chroma {
    match target.format {
        Format::Jpeg => jpeg::chroma_for(ceiling(target), target.max_bytes.is_some()),
        _ => Chroma::Full,
    }
}

/// A picture that does not move.
fn still(picture: Picture) -> Vec<Frame> {
    vec![Frame {
        picture,
        delay_ms: 0,
    }]
}

/// Planes in sRGB, without colour where there is none.
fn in_srgb(mut planes: Planes, to_srgb: &ToSrgb) -> Result<Planes, MediaError> {
    if to_srgb.changes(planes.chroma == Chroma::None) {
        let converted = to_srgb.apply(jpeg::to_picture(&planes)?)?;
        planes = jpeg::of_picture(&converted, planes.chroma);
    }
    if planes.chroma != Chroma::None && jpeg::is_grey(&planes) {
        planes.chroma = Chroma::None;
        planes.cb.clear();
        planes.cr.clear();
    }
    Ok(planes)
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("size", &self.size)
            .field("original", &self.original)
            .field("frames", &self.frames().len())
            .field("plays", &self.plays)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

fn options(format: Format, limits: &Limits, cancel: &Cancel, animation: bool) -> DecodeOptions {
    DecodeOptions {
        format,
        animation,
        at_least: None,
        limits: limits.clone(),
        cancel: cancel.clone(),
    }
}

/// Keeps of a still picture's frames the one that tells most; whether to look at one more.
fn looks_on(frames: &mut Vec<Frame>, looked: &mut usize) -> bool {
    *looked = looked.saturating_add(1);
    if let [before, after] = frames.as_slice() {
        let out = usize::from(!telling::tells_more(before, after));
        frames.remove(out);
    }
    *looked < telling::LOOK && !frames.first().is_some_and(telling::is_rich)
}

/// Frames left of `count` where one in `every` is kept.
fn kept(count: usize, every: u32) -> usize {
    count.div_ceil(usize::try_from(every.max(1)).unwrap_or(1))
}

/// Makes files of one picture for the search, keeping the pixels it scaled last.
struct Press<'a> {
    frames: &'a [Frame],
    plays: Plays,
    encoder: &'a dyn ImageEncoder,
    cancel: &'a Cancel,
    max_bytes: Option<u64>,
    ready: Option<(Dimensions, u32, Vec<Frame>)>,
}

impl Press<'_> {
    fn encode(&mut self, attempt: &Attempt) -> Result<Vec<u8>, MediaError> {
        self.cancel.check()?;
        let frames = match self.ready.take() {
            Some((size, every, frames)) if (size, every) == (attempt.size, attempt.keep_every) => {
                frames
            }
            _ => self.prepare(attempt)?,
        };
        let settings = ImageSettings {
            quality: attempt.quality,
            colours: attempt.colours,
            dither: attempt.dither,
            plays: self.plays,
            max_bytes: self.max_bytes,
        };
        let bytes = guard::caught(self.encoder.name(), || {
            self.encoder.encode(&frames, &settings, self.cancel)
        });
        self.ready = Some((attempt.size, attempt.keep_every, frames));
        bytes
    }

    fn prepare(&self, attempt: &Attempt) -> Result<Vec<Frame>, MediaError> {
        let every = usize::try_from(attempt.keep_every.max(1)).unwrap_or(1);
        let mut frames = Vec::with_capacity(kept(self.frames.len(), attempt.keep_every));
        for group in self.frames.chunks(every) {
            self.cancel.check()?;
            let Some(first) = group.first() else {
                continue;
            };
            frames.push(Frame {
                picture: self.fitted(&first.picture, attempt.size)?,
                delay_ms: group
                    .iter()
                    .fold(0, |sum, frame| sum.saturating_add(frame.delay_ms)),
            });
        }
        Ok(frames)
    }

    fn fitted(&self, picture: &Picture, size: Dimensions) -> Result<Picture, MediaError> {
        let scaled = if picture.size() == size {
            picture.clone()
        } else {
            resized(picture, size)?
        };
        if self.encoder.alpha() {
            Ok(scaled)
        } else {
            flatten(&scaled)
        }
    }
}

//! A decoded picture, ready to be encoded as often as needed.

use bytes::Bytes;

use super::colour::ToSrgb;
use super::estimate::expected_octets;
use super::palette::has_few_colours;
use super::target::{Encoded, ImageTarget};
use super::telling;
use super::transform::{fit_box, flatten, resize, resized, simplify, turned, upright};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{DecodeOptions, Fitting, ImageEncoder, ImageSettings};
use crate::media::error::MediaError;
use crate::media::fit::{self, Attempt};
use crate::media::guard;
use crate::media::info::Format;
use crate::media::picture::{Frame, Picture, Plays};
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
    frames: Vec<Frame>,
    plays: Plays,
    size: Dimensions,
    original: Dimensions,
    registry: Registry,
    warnings: Vec<String>,
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
        Self::read(data, registry, options, shrink_to)
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
        Self::read(data, registry, options, shrink_to)
    }

    /// A picture that is in memory already, upright and sRGB.
    #[must_use]
    pub fn of_picture(picture: Picture, registry: &Registry) -> Self {
        let size = picture.size();
        Self {
            frames: vec![Frame {
                picture,
                delay_ms: 0,
            }],
            plays: Plays::Times(1),
            size,
            original: size,
            registry: registry.clone(),
            warnings: Vec::new(),
        }
    }

    fn read(
        data: &Bytes,
        registry: &Registry,
        mut options: DecodeOptions,
        shrink_to: Option<Dimensions>,
    ) -> Result<Self, MediaError> {
        let format = options.format;
        let decoder = registry
            .image_decoder(format)
            .ok_or_else(|| MediaError::unsupported(format!("reading {format:?}")))?;
        options.at_least = shrink_to;
        let still = !options.animation;
        options.animation |= matches!(format, Format::Gif | Format::Webp);
        let mut image = guard::open_image(decoder.as_ref(), data, &options)?;
        let header = image.header().clone();
        let original = turned(header.size, header.orientation);
        let size = shrink_to.map_or(original, |limit| fit_box(original, limit));
        let stored = turned(size, header.orientation);
        let (to_srgb, warning) = ToSrgb::read(header.icc.as_deref());
        let mut warnings: Vec<String> = warning.into_iter().collect();
        let mut frames = Vec::new();
        let mut held = 0_u64;
        let mut looked = 0;
        while let Some(frame) = image.next_frame()? {
            let small = resize(frame.picture, stored)?;
            let picture = simplify(upright(to_srgb.apply(small)?, header.orientation)?)?;
            held = held.saturating_add(u64::try_from(picture.data().len()).unwrap_or(u64::MAX));
            if held > options.limits.decode_bytes && !frames.is_empty() {
                warnings.push(format!("animation cut after {} frames", frames.len()));
                break;
            }
            frames.push(Frame {
                picture,
                delay_ms: frame.delay_ms,
            });
            if still && !looks_on(&mut frames, &mut looked) {
                break;
            }
        }
        warnings.extend_from_slice(image.warnings());
        if frames.is_empty() {
            return Err(MediaError::malformed(format, "no picture"));
        }
        Ok(Self {
            frames,
            plays: header.plays,
            size,
            original,
            registry: registry.clone(),
            warnings,
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
        &self.frames
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
        for frame in &mut self.frames {
            frame.picture = flatten(&frame.picture)?;
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
        let encoder = self
            .registry
            .image_encoder(target.format)
            .ok_or_else(|| MediaError::unsupported(format!("writing {:?}", target.format)))?;
        let size = target
            .max_box
            .map_or(self.size, |limit| fit_box(self.size, limit));
        let moving = target.animation && encoder.animation();
        let mut press = Press {
            frames: if moving {
                &self.frames
            } else {
                let at = telling::place(&self.frames);
                self.frames.get(at..=at).unwrap_or(&self.frames)
            },
            plays: self.plays,
            encoder: encoder.as_ref(),
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
                return Ok(Encoded {
                    bytes: fitted.bytes,
                    format: target.format,
                    size: fitted.size,
                    frames: u32::try_from(fitted.frames).unwrap_or(u32::MAX),
                    quality: None,
                    encodes: fitted.encodes,
                });
            }
        }
        let has_quality = !matches!(
            target.format,
            Format::Gif | Format::Png | Format::Wbmp | Format::Webp
        );
        let start = Attempt {
            size,
            quality: target.quality.unwrap_or(match target.max_bytes {
                Some(_) => CEILING_QUALITY,
                None => DEFAULT_QUALITY,
            }),
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
        })
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("size", &self.size)
            .field("original", &self.original)
            .field("frames", &self.frames.len())
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

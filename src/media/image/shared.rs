//! Pictures that are decoded once for several devices.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dimensions::Dimensions;
use crate::media::codec::Reduced;
use crate::media::error::MediaError;
use crate::media::guard::GuardedImage;
use crate::media::picture::{Chroma, Frame, Planes};

/// What decoders made of one message's pictures, for the devices that come after the first: frames
/// as they were delivered, and of a photograph what planes of several sizes are made of.
///
/// What is made from it is, octet for octet, what is made from a picture that is decoded again.
/// What would exceed the bound is not kept, and decoded again.
#[derive(Debug)]
pub struct Shared {
    most: usize,
    kept: Mutex<Everything>,
}

#[derive(Default)]
struct Everything {
    frames: BTreeMap<FramesOf, Kept>,
    photographs: BTreeMap<PictureOf, Photograph>,
}

/// The part with this index, as the decoder with this name reads it.
type PictureOf = (usize, String);

/// All frames of a picture or the first, and how large the decoder delivers them, since some scale
/// while they decode.
type FramesOf = (PictureOf, bool, u32, u32);

/// Every frame of a picture, and what was odd about it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    frames: Arc<Vec<Frame>>,
    warnings: Vec<String>,
}

/// What was read of a photograph, and the planes that were made of it.
struct Photograph {
    reduced: Arc<dyn Reduced>,
    planes: Vec<(Chroma, Arc<Planes>)>,
}

/// Planes, and what was wrong with their picture.
pub(super) type Told = (Planes, Vec<String>);

/// A photograph that is kept takes no more octets than this for each of its pixels.
const PHOTOGRAPH_PIXEL: usize = 4;

impl Shared {
    /// A place for `most` octets.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::default(),
        }
    }

    /// A picture of the part with this index, read here or by its decoder.
    pub(super) fn frames(&self, part: usize, animation: bool, image: GuardedImage) -> Frames<'_> {
        let Dimensions { width, height } = image.delivers();
        let key = ((part, image.codec().to_owned()), animation, width, height);
        let kept = self.lock().frames.get(&key).cloned();
        match kept {
            Some(kept) => Frames::Kept(kept, 0),
            None => Frames::Fresh(Box::new(Fresh {
                image,
                keep: Some((self, key, Vec::new())),
                octets: 0,
            })),
        }
    }

    /// The planes of the part with this index, of what was read of it before or is read now. `None`
    /// where its decoder does not scale while it decodes.
    ///
    /// # Errors
    ///
    /// What the decoder says.
    pub(super) fn planes(
        &self,
        part: usize,
        image: &mut GuardedImage,
        size: Dimensions,
        chroma: Chroma,
    ) -> Result<Option<Told>, MediaError> {
        let key = (part, image.codec().to_owned());
        let reduced = match self.lock().photographs.get(&key) {
            Some(kept) => {
                let same =
                    |(of, planes): &&(Chroma, Arc<Planes>)| *of == chroma && planes.size == size;
                if let Some((_, planes)) = kept.planes.iter().find(same) {
                    let warnings = kept.reduced.warnings().to_vec();
                    return Ok(Some((planes.as_ref().clone(), warnings)));
                }
                Some(Arc::clone(&kept.reduced))
            }
            None => None,
        };
        if let Some(reduced) = reduced {
            let made = image.planes_of(reduced.as_ref(), size, chroma)?;
            if let Some(planes) = made {
                self.add(&key, &planes, chroma, image.header().size);
                return Ok(Some((planes, reduced.warnings().to_vec())));
            }
            // Too large a size for what is kept: it is read anew, for this size.
            self.lock().photographs.remove(&key);
        }
        let most = self.room().min(most_of(image.header().size));
        if let Some(reduced) = image.reduce(size, chroma, most)?
            && let Some(planes) = image.planes_of(reduced.as_ref(), size, chroma)?
        {
            let warnings = reduced.warnings().to_vec();
            let photograph = Photograph {
                reduced,
                planes: Vec::new(),
            };
            self.lock().photographs.insert(key.clone(), photograph);
            self.add(&key, &planes, chroma, image.header().size);
            return Ok(Some((planes, warnings)));
        }
        let planes = image.next_planes(size, chroma)?;
        Ok(planes.map(|planes| (planes, image.warnings().to_vec())))
    }

    /// Keeps planes if there is room.
    fn add(&self, key: &PictureOf, planes: &Planes, chroma: Chroma, full: Dimensions) {
        let room = self.room();
        if let Some(photograph) = self.lock().photographs.get_mut(key) {
            let more = octets_of(planes);
            let all = photograph.octets().saturating_add(more);
            if more <= room && all <= most_of(full) {
                photograph.planes.push((chroma, Arc::new(planes.clone())));
            }
        }
    }

    /// Octets that may still be kept.
    fn room(&self) -> usize {
        let kept = self.lock();
        let frames = kept.frames.values().flat_map(|kept| kept.frames.iter());
        let photographs = kept.photographs.values().map(Photograph::octets);
        let used = frames
            .map(octets)
            .chain(photographs)
            .fold(0, usize::saturating_add);
        self.most.saturating_sub(used)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Everything> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Photograph {
    fn octets(&self) -> usize {
        let planes = self.planes.iter().map(|(_, planes)| octets_of(planes));
        planes.fold(self.reduced.octets(), usize::saturating_add)
    }
}

impl std::fmt::Debug for Everything {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Everything")
            .field("frames", &self.frames.len())
            .field("photographs", &self.photographs.len())
            .finish()
    }
}

fn octets_of(planes: &Planes) -> usize {
    planes.y.len() + planes.cb.len() + planes.cr.len()
}

/// Octets that a photograph of so many pixels may take.
fn most_of(full: Dimensions) -> usize {
    let side = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    side(full.width)
        .saturating_mul(side(full.height))
        .saturating_mul(PHOTOGRAPH_PIXEL)
}

/// The frames of one picture, one after the other.
pub(super) enum Frames<'a> {
    /// From its decoder, and kept if there is room.
    Fresh(Box<Fresh<'a>>),
    /// From memory.
    Kept(Kept, usize),
}

/// Frames that are being decoded.
pub(super) struct Fresh<'a> {
    image: GuardedImage,
    keep: Option<(&'a Shared, FramesOf, Vec<Frame>)>,
    octets: usize,
}

impl Frames<'_> {
    /// The frames of a decoder that nobody else asks for.
    pub(super) fn alone(image: GuardedImage) -> Self {
        Frames::Fresh(Box::new(Fresh {
            image,
            keep: None,
            octets: 0,
        }))
    }

    /// Hands the next frame to `shape` and gives what that makes of it; `None` after the last.
    ///
    /// # Errors
    ///
    /// What the decoder or `shape` says.
    pub(super) fn next(
        &mut self,
        shape: impl FnOnce(Cow<'_, Frame>) -> Result<Frame, MediaError>,
    ) -> Result<Option<Frame>, MediaError> {
        match self {
            Frames::Fresh(fresh) => fresh.next(shape),
            Frames::Kept(kept, at) => {
                let Some(frame) = kept.frames.get(*at) else {
                    return Ok(None);
                };
                *at = at.saturating_add(1);
                shape(Cow::Borrowed(frame)).map(Some)
            }
        }
    }

    /// Says that no more frames are wanted because there is only one, or there are no more.
    pub(super) fn complete(&mut self) {
        if let Frames::Fresh(fresh) = self {
            fresh.complete();
        }
    }

    /// What was wrong and did not stop decoding.
    pub(super) fn warnings(&self) -> &[String] {
        match self {
            Frames::Fresh(fresh) => fresh.image.warnings(),
            Frames::Kept(kept, _) => &kept.warnings,
        }
    }
}

impl Fresh<'_> {
    fn next(
        &mut self,
        shape: impl FnOnce(Cow<'_, Frame>) -> Result<Frame, MediaError>,
    ) -> Result<Option<Frame>, MediaError> {
        let Some(frame) = self.image.next_frame()? else {
            return Ok(None);
        };
        self.octets = self.octets.saturating_add(octets(&frame));
        match &mut self.keep {
            Some((shared, _, frames)) if self.octets <= shared.room() => {
                let shaped = shape(Cow::Borrowed(&frame))?;
                frames.push(frame);
                Ok(Some(shaped))
            }
            _ => {
                self.keep = None;
                shape(Cow::Owned(frame)).map(Some)
            }
        }
    }

    fn complete(&mut self) {
        if let Some((shared, key, frames)) = self.keep.take() {
            let kept = Kept {
                frames: Arc::new(frames),
                warnings: self.image.warnings().to_vec(),
            };
            shared.lock().frames.insert(key, kept);
        }
    }
}

fn octets(frame: &Frame) -> usize {
    frame.picture.data().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::media::cancel::Cancel;
    use crate::media::image::{ImageTarget, Source};
    use crate::media::info::Format;
    use crate::media::picture::{Layout, Picture};
    use crate::media::registry::Registry;

    fn target(format: Format) -> ImageTarget {
        ImageTarget {
            format,
            max_box: None,
            max_bytes: None,
            quality: None,
            animation: true,
            bits_per_pixel: None,
        }
    }

    fn png(registry: &Registry) -> bytes::Bytes {
        let size = Dimensions::new(90, 60);
        let data = (0..90 * 60 * 3_u32).map(|n| u8::try_from(n * n % 251).unwrap());
        let picture = Picture::new(size, Layout::Rgb8, data.collect()).unwrap();
        let source = Source::of_picture(picture, registry);
        let encoded = source.encode(&target(Format::Png), &Cancel::new()).unwrap();
        encoded.bytes.into()
    }

    #[test]
    fn what_is_made_from_a_kept_frame_is_what_is_made_from_a_fresh_one() {
        let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
        let data = png(&registry);
        // Room for the frame, for none, and for less than one.
        for most in [1 << 20, 0, 90 * 60 * 3 - 1] {
            let shared = Shared::new(most);
            for side in [40, 20, 90, 20] {
                let wanted = ImageTarget {
                    max_box: Some(Dimensions::new(side, side)),
                    ..target(Format::Png)
                };
                let codecs = (&registry, &limits, &cancel);
                let alone =
                    Source::open_for(&data, Format::Png, codecs.0, codecs.1, codecs.2, &wanted)
                        .unwrap();
                let place = (&shared, 3);
                let together =
                    Source::open_shared(&data, Format::Png, codecs, &wanted, place).unwrap();
                assert_eq!(alone.frames(), together.frames(), "{most} {side}");
            }
            let kept = most > 90 * 60 * 3;
            assert_eq!(shared.room(), most - if kept { 90 * 60 * 3 } else { 0 });
        }
    }

    fn photograph(registry: &Registry) -> bytes::Bytes {
        let size = Dimensions::new(403, 301);
        let data = (0..403 * 301 * 3_u32).map(|n| {
            let (x, y) = (n / 3 % 403, n / 1209);
            u8::try_from((x * x / 70 + y * y / 90 + n % 3 * 40 + n % 7) % 256).unwrap()
        });
        let picture = Picture::new(size, Layout::Rgb8, data.collect()).unwrap();
        let source = Source::of_picture(picture, registry);
        let encoded = source
            .encode(&target(Format::Jpeg), &Cancel::new())
            .unwrap();
        encoded.bytes.into()
    }

    #[test]
    fn planes_of_what_was_kept_are_those_of_a_picture_read_again() {
        let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
        let data = photograph(&registry);
        let codecs = (&registry, &limits, &cancel);
        for most in [1 << 22, 60_000, 0] {
            let shared = Shared::new(most);
            // Smaller ones after larger ones, the same again, larger ones, and all of it.
            for (side, octets) in [
                (150, Some(9_000)),
                (100, None),
                (40, Some(2_000)),
                (40, Some(3_000)),
                (20, None),
                (300, None),
                (4_000, Some(30_000)),
                (60, None),
            ] {
                let wanted = ImageTarget {
                    max_box: Some(Dimensions::new(side, side)),
                    max_bytes: octets,
                    ..target(Format::Jpeg)
                };
                let alone =
                    Source::open_for(&data, Format::Jpeg, codecs.0, codecs.1, codecs.2, &wanted);
                let together =
                    Source::open_shared(&data, Format::Jpeg, codecs, &wanted, (&shared, 1));
                let [alone, together] =
                    [alone, together].map(|source| source.unwrap().encode(&wanted, &cancel));
                assert_eq!(
                    alone.unwrap().bytes,
                    together.unwrap().bytes,
                    "{most} {side}"
                );
                assert!(shared.room() <= most);
            }
            assert_eq!(shared.lock().photographs.is_empty(), most == 0, "{most}");
        }
    }
}

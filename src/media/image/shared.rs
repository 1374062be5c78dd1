//! Pictures that are decoded once for several devices.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::dimensions::Dimensions;
use crate::media::error::MediaError;
use crate::media::guard::GuardedImage;
use crate::media::picture::Frame;

/// The frames of one message's pictures, as decoders delivered them, for the devices that come
/// after the first.
///
/// What is made from a frame that was kept is, octet for octet, what is made from one that is
/// decoded again. What would exceed the bound is not kept, and decoded again.
#[derive(Debug)]
pub struct Shared {
    most: usize,
    kept: Mutex<BTreeMap<Key, Kept>>,
}

/// Which frames: of the part with this index, all of them or the first, and how large the decoder
/// delivers them, since some scale while they decode.
type Key = (usize, bool, u32, u32);

/// Every frame of a picture, and what was odd about it.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    frames: Arc<Vec<Frame>>,
    warnings: Vec<String>,
}

impl Shared {
    /// A place for frames of up to `most` octets.
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
        let key = (part, animation, width, height);
        let kept = self.lock().get(&key).cloned();
        match kept {
            Some(kept) => Frames::Kept(kept, 0),
            None => Frames::Fresh(Box::new(Fresh {
                image,
                keep: Some((self, key, Vec::new())),
                octets: 0,
            })),
        }
    }

    /// Octets that may still be kept.
    fn room(&self) -> usize {
        let used = self
            .lock()
            .values()
            .flat_map(|kept| kept.frames.iter())
            .map(octets)
            .fold(0, usize::saturating_add);
        self.most.saturating_sub(used)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    keep: Option<(&'a Shared, Key, Vec<Frame>)>,
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
            shared.lock().insert(key, kept);
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
}

//! Which codec reads or writes what.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::audio;
use super::cancel::Cancel;
use super::codec::{
    AudioDecoder, AudioEncoder, DecodeOptions, ImageDecoder, ImageEncoder, VideoDecoder,
    VideoEncoder,
};
use super::guard;
use super::image;
use super::info::{Codec, Format, MediaInfo};
use super::probe::{ProbeError, probe};
use super::video;
use crate::limits::Limits;

/// The codecs at hand. Cheap to clone; codecs are shared.
///
/// Of several codecs for the same format the one with the highest priority is used, of equals the
/// one added first. The built-in ones have [`BUILTIN`].
#[derive(Clone, Default)]
pub struct Registry {
    image_decoders: Vec<Entry<dyn ImageDecoder>>,
    image_encoders: Vec<Entry<dyn ImageEncoder>>,
    audio_decoders: Vec<Entry<dyn AudioDecoder>>,
    audio_encoders: Vec<Entry<dyn AudioEncoder>>,
    video_decoders: Vec<Entry<dyn VideoDecoder>>,
    video_encoders: Vec<Entry<dyn VideoEncoder>>,
}

/// Priority of the built-in codecs.
pub const BUILTIN: i32 = 100;

/// Octets of a file that a decoder is shown to recognise it by.
const HEAD: usize = 4096;

struct Entry<T: ?Sized> {
    codec: Arc<T>,
    priority: i32,
    enabled: bool,
}

impl<T: ?Sized> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self {
            codec: Arc::clone(&self.codec),
            priority: self.priority,
            enabled: self.enabled,
        }
    }
}

impl Registry {
    /// A registry with no codec at all.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every codec that is compiled in. `rav1d`, which decodes AV1, has to be switched on by
    /// [`set_enabled`](Self::set_enabled): it is full of unsafe code.
    #[must_use]
    pub fn builtin() -> Self {
        let mut registry = Self::empty();
        for decoder in image::decoders() {
            registry.add_image_decoder(BUILTIN, decoder);
        }
        for encoder in image::encoders() {
            registry.add_image_encoder(BUILTIN, encoder);
        }
        for decoder in video::decoders() {
            registry.add_video_decoder(BUILTIN, decoder);
        }
        for encoder in video::encoders() {
            registry.add_video_encoder(BUILTIN, encoder);
        }
        for name in video::OFF {
            registry.set_enabled(name, false);
        }
        for decoder in audio::decoders() {
            registry.add_audio_decoder(BUILTIN, decoder);
        }
        for encoder in audio::encoders() {
            registry.add_audio_encoder(BUILTIN, encoder);
        }
        registry
    }

    /// Adds a codec that reads pictures.
    pub fn add_image_decoder(&mut self, priority: i32, codec: Arc<dyn ImageDecoder>) {
        insert(&mut self.image_decoders, priority, codec);
    }

    /// Adds a codec that writes pictures.
    pub fn add_image_encoder(&mut self, priority: i32, codec: Arc<dyn ImageEncoder>) {
        insert(&mut self.image_encoders, priority, codec);
    }

    /// Adds a codec that reads sound.
    pub fn add_audio_decoder(&mut self, priority: i32, codec: Arc<dyn AudioDecoder>) {
        insert(&mut self.audio_decoders, priority, codec);
    }

    /// Adds a codec that writes sound.
    pub fn add_audio_encoder(&mut self, priority: i32, codec: Arc<dyn AudioEncoder>) {
        insert(&mut self.audio_encoders, priority, codec);
    }

    /// Adds a codec that reads moving pictures.
    pub fn add_video_decoder(&mut self, priority: i32, codec: Arc<dyn VideoDecoder>) {
        insert(&mut self.video_decoders, priority, codec);
    }

    /// Adds a codec that writes moving pictures.
    pub fn add_video_encoder(&mut self, priority: i32, codec: Arc<dyn VideoEncoder>) {
        insert(&mut self.video_encoders, priority, codec);
    }

    /// Switches every codec of this name on or off; says whether there is one.
    pub fn set_enabled(&mut self, name: &str, enabled: bool) -> bool {
        let mut found = false;
        found |= switch(&mut self.image_decoders, enabled, |codec| {
            codec.name() == name
        });
        found |= switch(&mut self.image_encoders, enabled, |codec| {
            codec.name() == name
        });
        found |= switch(&mut self.audio_decoders, enabled, |codec| {
            codec.name() == name
        });
        found |= switch(&mut self.audio_encoders, enabled, |codec| {
            codec.name() == name
        });
        found |= switch(&mut self.video_decoders, enabled, |codec| {
            codec.name() == name
        });
        found |= switch(&mut self.video_encoders, enabled, |codec| {
            codec.name() == name
        });
        found
    }

    /// The names of all codecs with whether they are switched on, in alphabetical order. A name
    /// that several go by counts as on where one of them is.
    #[must_use]
    pub fn names(&self) -> BTreeMap<String, bool> {
        fn of<'a, T: ?Sized>(
            entries: &'a [Entry<T>],
            name: impl Fn(&'a T) -> &'a str,
        ) -> Vec<(&'a str, bool)> {
            let named = entries
                .iter()
                .map(|entry| (name(&entry.codec), entry.enabled));
            named.collect()
        }
        let mut names = BTreeMap::new();
        for (name, enabled) in [
            of(&self.image_decoders, |codec| codec.name()),
            of(&self.image_encoders, |codec| codec.name()),
            of(&self.audio_decoders, |codec| codec.name()),
            of(&self.audio_encoders, |codec| codec.name()),
            of(&self.video_decoders, |codec| codec.name()),
            of(&self.video_encoders, |codec| codec.name()),
        ]
        .into_iter()
        .flatten()
        {
            *names.entry(name.to_owned()).or_insert(false) |= enabled;
        }
        names
    }

    /// The codec that reads pictures of `format`.
    #[must_use]
    pub fn image_decoder(&self, format: Format) -> Option<Arc<dyn ImageDecoder>> {
        self.image_decoders(format).next()
    }

    /// The codec that writes pictures of `format`.
    #[must_use]
    pub fn image_encoder(&self, format: Format) -> Option<Arc<dyn ImageEncoder>> {
        self.image_encoders(format).next()
    }

    /// The codecs that read pictures of `format`, the one to use first.
    pub fn image_decoders(&self, format: Format) -> impl Iterator<Item = Arc<dyn ImageDecoder>> {
        all(&self.image_decoders, move |codec| {
            codec.available() && codec.formats().contains(&format)
        })
    }

    /// The codecs that write pictures of `format`, the one to use first.
    pub fn image_encoders(&self, format: Format) -> impl Iterator<Item = Arc<dyn ImageEncoder>> {
        all(&self.image_encoders, move |codec| {
            codec.available() && codec.format() == format
        })
    }

    /// The formats of pictures that plugins brought and can write.
    pub fn named_images(&self) -> impl Iterator<Item = Format> {
        all(&self.image_encoders, |codec| codec.available())
            .map(|codec| codec.format())
            .filter(|format| matches!(format, Format::Named(_)))
    }

    /// The same codecs without those that write pictures of one of `formats`.
    #[must_use]
    pub fn not_writing(&self, formats: &[Format]) -> Self {
        let mut fewer = self.clone();
        fewer
            .image_encoders
            .retain(|entry| !formats.contains(&entry.codec.format()));
        fewer
    }

    /// The same codecs without those that read pictures of one of `formats`.
    #[must_use]
    pub fn not_reading(&self, formats: &[Format]) -> Self {
        let mut fewer = self.clone();
        fewer.image_decoders.retain(|entry| {
            let reads = entry.codec.formats();
            !reads.iter().any(|format| formats.contains(format))
        });
        fewer
    }

    /// Tells what `data` is, as [`probe`](super::probe()) does, and asks the decoders of pictures
    /// where that knows nothing of it. A decoder reads the header then, so that size and frames are
    /// known.
    ///
    /// # Errors
    ///
    /// As [`probe`](super::probe()), or where a decoder knows the format and not the header.
    pub fn probe(&self, data: &Bytes, limits: &Limits) -> Result<MediaInfo, ProbeError> {
        let info = probe(data, limits)?;
        if !matches!(info.format, Format::Unknown | Format::Text) {
            return Ok(info);
        }
        let head = data.get(..HEAD).unwrap_or(data);
        let known = all(&self.image_decoders, |codec| codec.available())
            .find_map(|codec| Some((codec.recognise(head)?, codec)));
        let Some((format, codec)) = known else {
            return Ok(info);
        };
        let options = DecodeOptions {
            format,
            animation: true,
            at_least: None,
            limits: limits.clone(),
            cancel: Cancel::new(),
        };
        let mut info = MediaInfo::new(format, format.kind());
        match guard::open_image(codec.as_ref(), data, &options) {
            Ok(image) => {
                let header = image.header();
                info.size = Some(header.size);
                info.orientation = header.orientation;
                info.frames = header.frames;
                info.icc = header.icc.is_some();
                Ok(info)
            }
            // Another decoder may read it, and whoever decodes hears of what is wrong.
            Err(error) if error.blames_codec() => Ok(info),
            Err(_) => Err(ProbeError {
                format,
                offset: 0,
                what: "its header cannot be read",
            }),
        }
    }

    /// The codec that reads sound in `codec`.
    #[must_use]
    pub fn audio_decoder(&self, codec: Codec) -> Option<Arc<dyn AudioDecoder>> {
        first(&self.audio_decoders, |entry| {
            entry.available() && entry.codecs().contains(&codec)
        })
    }

    /// The codec that writes sound in `codec`.
    #[must_use]
    pub fn audio_encoder(&self, codec: Codec) -> Option<Arc<dyn AudioEncoder>> {
        first(&self.audio_encoders, |entry| {
            entry.available() && entry.codec() == codec
        })
    }

    /// The codec that reads moving pictures in `codec`.
    #[must_use]
    pub fn video_decoder(&self, codec: Codec) -> Option<Arc<dyn VideoDecoder>> {
        first(&self.video_decoders, |entry| {
            entry.available() && entry.codecs().contains(&codec)
        })
    }

    /// The codec that writes moving pictures in `codec`.
    #[must_use]
    pub fn video_encoder(&self, codec: Codec) -> Option<Arc<dyn VideoEncoder>> {
        first(&self.video_encoders, |entry| {
            entry.available() && entry.codec() == codec
        })
    }

    /// Whether media of `format` can be read.
    #[must_use]
    pub fn decodes(&self, format: Format) -> bool {
        self.image_decoder(format).is_some()
    }

    /// Whether media of `format` can be written.
    #[must_use]
    pub fn encodes(&self, format: Format) -> bool {
        self.image_encoder(format).is_some()
    }

    /// Whether a medium of format `from` can be made one of format `to`.
    #[must_use]
    pub fn converts(&self, from: Format, to: Format) -> bool {
        self.decodes(from) && self.encodes(to)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        fn names<'a, T: ?Sized>(
            entries: &'a [Entry<T>],
            name: impl Fn(&'a T) -> &'a str,
        ) -> Vec<&'a str> {
            entries
                .iter()
                .filter(|entry| entry.enabled)
                .map(|entry| name(&entry.codec))
                .collect()
        }
        f.debug_struct("Registry")
            .field(
                "image_decoders",
                &names(&self.image_decoders, |codec| codec.name()),
            )
            .field(
                "image_encoders",
                &names(&self.image_encoders, |codec| codec.name()),
            )
            .field(
                "audio_decoders",
                &names(&self.audio_decoders, |codec| codec.name()),
            )
            .field(
                "audio_encoders",
                &names(&self.audio_encoders, |codec| codec.name()),
            )
            .field(
                "video_decoders",
                &names(&self.video_decoders, |codec| codec.name()),
            )
            .field(
                "video_encoders",
                &names(&self.video_encoders, |codec| codec.name()),
            )
            .finish()
    }
}

/// Keeps the list sorted by falling priority; equals stay in the order they came.
fn insert<T: ?Sized>(entries: &mut Vec<Entry<T>>, priority: i32, codec: Arc<T>) {
    let at = entries.partition_point(|entry| entry.priority >= priority);
    entries.insert(
        at,
        Entry {
            codec,
            priority,
            enabled: true,
        },
    );
}

fn switch<T: ?Sized>(entries: &mut [Entry<T>], enabled: bool, is: impl Fn(&T) -> bool) -> bool {
    let mut found = false;
    for entry in entries.iter_mut().filter(|entry| is(&entry.codec)) {
        entry.enabled = enabled;
        found = true;
    }
    found
}

fn first<T: ?Sized>(entries: &[Entry<T>], is: impl Fn(&T) -> bool) -> Option<Arc<T>> {
    all(entries, is).next()
}

fn all<T: ?Sized>(entries: &[Entry<T>], is: impl Fn(&T) -> bool) -> impl Iterator<Item = Arc<T>> {
    entries
        .iter()
        .filter(move |entry| entry.enabled && is(&entry.codec))
        .map(|entry| Arc::clone(&entry.codec))
}

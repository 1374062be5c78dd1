//! Which codec reads or writes what.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::audio;
use super::codec::{
    AudioDecoder, AudioEncoder, ImageDecoder, ImageEncoder, VideoDecoder, VideoEncoder,
};
use super::image;
use super::info::{Codec, Format};
use super::video;

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
        first(&self.image_decoders, |codec| {
            codec.formats().contains(&format)
        })
    }

    /// The codec that writes pictures of `format`.
    #[must_use]
    pub fn image_encoder(&self, format: Format) -> Option<Arc<dyn ImageEncoder>> {
        first(&self.image_encoders, |codec| codec.format() == format)
    }

    /// The codec that reads sound in `codec`.
    #[must_use]
    pub fn audio_decoder(&self, codec: Codec) -> Option<Arc<dyn AudioDecoder>> {
        first(&self.audio_decoders, |entry| {
            entry.codecs().contains(&codec)
        })
    }

    /// The codec that writes sound in `codec`.
    #[must_use]
    pub fn audio_encoder(&self, codec: Codec) -> Option<Arc<dyn AudioEncoder>> {
        first(&self.audio_encoders, |entry| entry.codec() == codec)
    }

    /// The codec that reads moving pictures in `codec`.
    #[must_use]
    pub fn video_decoder(&self, codec: Codec) -> Option<Arc<dyn VideoDecoder>> {
        first(&self.video_decoders, |entry| {
            entry.codecs().contains(&codec)
        })
    }

    /// The codec that writes moving pictures in `codec`.
    #[must_use]
    pub fn video_encoder(&self, codec: Codec) -> Option<Arc<dyn VideoEncoder>> {
        first(&self.video_encoders, |entry| entry.codec() == codec)
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
    entries
        .iter()
        .find(|entry| entry.enabled && is(&entry.codec))
        .map(|entry| Arc::clone(&entry.codec))
}

//! Plugins that read and write pictures, as any codec.

use std::slice;

use bytes::Bytes;
use remold_plugin_abi::v0_1_0::exports::remold::codec::image_decode;
use remold_plugin_abi::v0_1_0::remold::codec::types;
use wasmtime::component::ResourceAny;

use super::about::{Capability, Magic, Value};
use super::job::{Job, Usage};
use super::load::Plugin;
use super::registry_name;
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::codec::{
    DecodeOptions, ImageDecoder, ImageEncoder, ImageHeader, ImageSettings, ImageStream,
};
use crate::media::picture::Plays;
use crate::media::{Cancel, Format, Frame, Layout, MediaError, Picture, probe};

/// The least certainty, of 100, at which a file is taken for a plugin's.
const CERTAIN: u8 = 50;

/// The most octets of a colour profile.
const PROFILE: usize = 1 << 20;

/// A plugin that reads pictures.
pub(super) struct Reader {
    plugin: Plugin,
    name: String,
    format: Format,
    capability: Capability,
}

impl Reader {
    pub(super) fn new(plugin: Plugin, capability: Capability, format: Format) -> Self {
        Self {
            name: registry_name(plugin.name()),
            plugin,
            format,
            capability,
        }
    }

    /// As the trait's `open`, and the stream tells what it took.
    pub(super) fn read(
        &self,
        data: &[u8],
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Reading, MediaError> {
        let code = self.plugin.code();
        let mut job = self.plugin.start(cancel)?;
        let indices = code
            .image_decode
            .as_ref()
            .ok_or_else(|| job.blame("reads no pictures"))?;
        let guest = job.call(|store, instance| indices.load(store, instance))?;
        let options = self.plugin.options(&self.capability, &[]);
        let bounds = job.guest_limits(limits);
        let decoder = job
            .call(|store, _| guest.decoder().call_open(store, data, bounds, &options))?
            .map_err(|error| job.said(error, self.format, limits))?;
        let info = job.call(|store, _| guest.decoder().call_info(store, decoder))?;
        let header = self.header(&mut job, info)?;
        Ok(Reading {
            plugin: self.plugin.clone(),
            format: self.format,
            limits: limits.clone(),
            guest,
            decoder,
            job,
            header,
        })
    }

    /// What the plugin says of the header, as far as it can be.
    fn header(
        &self,
        job: &mut Job,
        info: image_decode::ImageInfo,
    ) -> Result<ImageHeader, MediaError> {
        let size = Dimensions::new(info.size.width, info.size.height);
        if size.width == 0 || size.height == 0 {
            return Err(job.blame(&format!("says that a picture has {size} pixels")));
        }
        if info.frames == Some(0) {
            return Err(MediaError::malformed(self.format, "no frame"));
        }
        job.took(info.icc.as_ref().map_or(0, Vec::len))?;
        let pixels = u64::from(size.width).saturating_mul(u64::from(size.height));
        // One copy in the sandbox and one out of it.
        let decode_bytes = pixels.saturating_mul(8);
        Ok(ImageHeader {
            orientation: match info.orientation {
                turned @ 1..=8 => turned,
                _ => 1,
            },
            frames: info.frames,
            plays: match u16::try_from(info.loop_count) {
                Ok(0) => Plays::Forever,
                Ok(times) => Plays::Times(times),
                Err(_) => Plays::Times(u16::MAX),
            },
            icc: info.icc.filter(|icc| icc.len() <= PROFILE),
            ..ImageHeader::new(size, decode_bytes)
        })
    }

    /// Asks the plugin whether a file is its own.
    fn ask(&self, head: &[u8]) -> Result<bool, MediaError> {
        let code = self.plugin.code();
        let mut job = self.plugin.start(&Cancel::new())?;
        let certain = job.call(|store, instance| {
            let meta = code.meta.load(&mut *store, instance)?;
            meta.call_probe(store, head)
        })?;
        Ok(certain >= CERTAIN)
    }
}

impl ImageDecoder for Reader {
    fn name(&self) -> &str {
        &self.name
    }

    fn formats(&self) -> &[Format] {
        slice::from_ref(&self.format)
    }

    fn available(&self) -> bool {
        self.plugin.available()
    }

    fn recognise(&self, head: &[u8]) -> Option<Format> {
        if !matches!(self.format, Format::Named(_)) {
            return None;
        }
        let found = if self.capability.magics.is_empty() {
            self.plugin.judged(self.ask(head)).unwrap_or(false)
        } else {
            known(&self.capability.magics, head)
        };
        found.then_some(self.format)
    }

    fn open(
        &self,
        data: &Bytes,
        options: &DecodeOptions,
    ) -> Result<Box<dyn ImageStream>, MediaError> {
        let read = self.read(data, &options.limits, &options.cancel);
        Ok(Box::new(self.plugin.judged(read)?))
    }
}

fn known(magics: &[Magic], head: &[u8]) -> bool {
    magics.iter().any(|magic| magic.is_in(head))
}

/// A picture that a plugin is reading.
pub(super) struct Reading {
    plugin: Plugin,
    format: Format,
    limits: Limits,
    guest: image_decode::Guest,
    decoder: ResourceAny,
    job: Job,
    header: ImageHeader,
}

impl Reading {
    /// What it took so far.
    pub(super) fn usage(&self) -> Usage {
        self.job.usage()
    }

    fn next(&mut self) -> Result<Option<Frame>, MediaError> {
        let (guest, decoder) = (&self.guest, self.decoder);
        let frame = self
            .job
            .call(|store, _| guest.decoder().call_next_frame(store, decoder))?
            .map_err(|error| self.job.said(error, self.format, &self.limits))?;
        let Some(image_decode::Frame { rgba, delay_ms }) = frame else {
            return Ok(None);
        };
        self.job.took(rgba.len())?;
        let octets = rgba.len();
        let size = self.header.size;
        let picture = Picture::new(size, Layout::Rgba8, rgba).map_err(|_| {
            self.job
                .blame(&format!("gave {octets} octets for {size} pixels"))
        })?;
        Ok(Some(Frame { picture, delay_ms }))
    }
}

impl ImageStream for Reading {
    fn header(&self) -> &ImageHeader {
        &self.header
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        let frame = self.next();
        let frame = self.plugin.judged(frame)?;
        self.plugin.succeeded();
        Ok(frame)
    }

    fn warnings(&self) -> &[String] {
        self.job.warnings()
    }
}

/// A plugin that writes pictures.
pub(super) struct Writer {
    plugin: Plugin,
    name: String,
    format: Format,
    capability: Capability,
}

impl Writer {
    pub(super) fn new(plugin: Plugin, capability: Capability, format: Format) -> Self {
        Self {
            name: registry_name(plugin.name()),
            plugin,
            format,
            capability,
        }
    }

    fn write(
        &self,
        frames: &[Frame],
        settings: &ImageSettings,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, MediaError> {
        let limits = Limits::default();
        let code = self.plugin.code();
        let mut job = self.plugin.start(cancel)?;
        let indices = code
            .image_encode
            .as_ref()
            .ok_or_else(|| job.blame("writes no pictures"))?;
        let guest = job.call(|store, instance| indices.load(store, instance))?;
        let Some(first) = frames.first() else {
            return Err(MediaError::unsupported("a picture of no frame"));
        };
        let size = first.picture.size();
        let dimensions = types::Dimensions {
            width: size.width,
            height: size.height,
        };
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let options = self.plugin.options(&self.capability, &asked(settings));
        let bounds = job.guest_limits(&limits);
        let encoder = job
            .call(|store, _| {
                guest
                    .encoder()
                    .call_open(store, dimensions, count, bounds, &options)
            })?
            .map_err(|error| job.said(error, self.format, &limits))?;
        for frame in frames {
            let rgba = rgba(&frame.picture);
            job.call(|store, _| {
                guest
                    .encoder()
                    .call_add_frame(store, encoder, &rgba, frame.delay_ms)
            })?
            .map_err(|error| job.said(error, self.format, &limits))?;
        }
        let file = job
            .call(|store, _| guest.encoder().call_finish(store, encoder))?
            .map_err(|error| job.said(error, self.format, &limits))?;
        job.took(file.len())?;
        self.check(&job, &file, size, &limits)?;
        Ok(file)
    }

    /// Looks at what the plugin made as if it came from a stranger.
    fn check(
        &self,
        job: &Job,
        file: &[u8],
        size: Dimensions,
        limits: &Limits,
    ) -> Result<(), MediaError> {
        if file.is_empty() {
            return Err(job.blame("gave an empty file"));
        }
        let fits = match self.format {
            Format::Named(_) => {
                self.capability.magics.is_empty() || known(&self.capability.magics, file)
            }
            _ => probe(file, limits)
                .is_ok_and(|info| info.format == self.format && info.size == Some(size)),
        };
        if fits {
            Ok(())
        } else {
            Err(job.blame(&format!(
                "gave a file that is no {size} {}",
                self.format.name()
            )))
        }
    }
}

impl ImageEncoder for Writer {
    fn name(&self) -> &str {
        &self.name
    }

    fn format(&self) -> Format {
        self.format
    }

    fn alpha(&self) -> bool {
        self.capability.alpha
    }

    fn animation(&self) -> bool {
        self.capability.animation
    }

    fn available(&self) -> bool {
        self.plugin.available()
    }

    fn max_size(&self) -> Option<Dimensions> {
        self.capability.max_size
    }

    fn encode(
        &self,
        frames: &[Frame],
        settings: &ImageSettings,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, MediaError> {
        let file = self.write(frames, settings, cancel);
        let file = self.plugin.judged(file)?;
        self.plugin.succeeded();
        Ok(file)
    }
}

/// What an encoder is asked for, by the keys that mean the same to all.
fn asked(settings: &ImageSettings) -> Vec<(&'static str, Value)> {
    let mut asked = vec![
        ("quality", Value::Int(i64::from(settings.quality))),
        ("dither", Value::Flag(settings.dither)),
        (
            "loop-count",
            Value::Int(match settings.plays {
                Plays::Forever => 0,
                Plays::Times(times) => i64::from(times),
            }),
        ),
    ];
    if let Some(colours) = settings.colours {
        asked.push(("colours", Value::Int(i64::from(colours))));
    }
    if let Some(most) = settings.max_bytes {
        asked.push((
            "max-bytes",
            Value::Int(i64::try_from(most).unwrap_or(i64::MAX)),
        ));
    }
    asked
}

/// The pixels of a picture as the contract wants them.
fn rgba(picture: &Picture) -> Vec<u8> {
    match picture.layout() {
        Layout::Rgba8 => picture.data().to_vec(),
        Layout::Rgb8 => {
            let (pixels, _) = picture.data().as_chunks::<3>();
            pixels
                .iter()
                .flat_map(|&[r, g, b]| [r, g, b, 255])
                .collect()
        }
        Layout::Grey8 => picture
            .data()
            .iter()
            .flat_map(|&grey| [grey, grey, grey, 255])
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_every_layout_become_rgba() {
        let size = Dimensions::new(2, 1);
        let of = |layout, data: &[u8]| rgba(&Picture::new(size, layout, data.to_vec()).unwrap());
        assert_eq!(of(Layout::Grey8, &[1, 2]), [1, 1, 1, 255, 2, 2, 2, 255]);
        assert_eq!(
            of(Layout::Rgb8, &[1, 2, 3, 4, 5, 6]),
            [1, 2, 3, 255, 4, 5, 6, 255]
        );
        let data = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(of(Layout::Rgba8, &data), data);
    }

    #[test]
    fn an_encoder_is_asked_in_the_words_of_the_contract() {
        let settings = ImageSettings {
            quality: 40,
            colours: Some(16),
            dither: true,
            plays: Plays::Forever,
            max_bytes: None,
        };
        let asked = asked(&settings);
        let of = |key| {
            asked
                .iter()
                .find(|(k, _)| *k == key)
                .map(|(_, v)| v.clone())
        };
        assert_eq!(of("quality"), Some(Value::Int(40)));
        assert_eq!(of("colours"), Some(Value::Int(16)));
        assert_eq!(of("loop-count"), Some(Value::Int(0)));
        assert_eq!(of("dither"), Some(Value::Flag(true)));
        assert_eq!(of("max-bytes"), None);
    }
}

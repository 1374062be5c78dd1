//! Codecs that run as WebAssembly components in a sandbox.
//!
//! A plugin is one file. It gets octets and gives octets, and can reach nothing else: no file, no
//! network, no clock, no other plugin, and no more memory or time than its terms say. What it gives is
//! held against what it should be. When it fails, the job goes on with the next codec.
//!
//! [`Host::load`] makes a [`Plugin`] of octets, [`Plugin::register`] puts its codecs into a
//! [`Registry`], where nobody can tell them from others. Each picture and each
//! track gets a fresh instance; compiling, which takes long, is done once.
//!
//! A plugin that reads AV1 or HEVC reads AVIF or HEIC too: our own reader takes the file apart.
//!
//! Where to find what: the contract with plugins is `plugins/wit`; what is wrong with a file is found
//! in `load`, what a job may have is kept in `store`, and what a plugin says of itself is checked in
//! `about`.

mod about;
mod audio;
mod check;
mod error;
mod host;
mod image;
mod job;
mod load;
mod manifest;
mod quarantine;
mod signature;
mod store;
mod video;
mod watch;
mod world;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use about::{About, Capability, Kind, Magic, OptionSpec, Subject, Value};
pub(crate) use check::tracks;
pub use check::{Check, Finding, Sample, check};
pub use error::{HostError, LoadError};
pub use host::{Clock, CompiledCache, Host, LogSink, NoCache};
pub use job::Usage;
pub use load::Plugin;
pub use manifest::{Manifest, Setting, Terms, Wasi};
pub use signature::SigningKey;
pub use watch::{Event, Failure, Watch};
pub use world::VERSION;

use crate::media::Registry;
use crate::media::image::heif_by;

impl Plugin {
    /// Adds the codecs of this plugin. Each is called `plugin:` and the plugin's name.
    pub fn register(&self, registry: &mut Registry) {
        self.register_at(self.priority(), registry);
    }

    /// As [`register`](Self::register), with a priority other than its manifest's.
    pub fn register_at(&self, priority: i32, registry: &mut Registry) {
        for capability in &self.about().capabilities {
            let (plugin, capability) = (self.clone(), capability.clone());
            match (capability.kind, capability.subject) {
                (Kind::ImageDecoder, Subject::Format(format)) => {
                    let codec = image::Reader::new(plugin, capability, format);
                    registry.add_image_decoder(priority, Arc::new(codec));
                }
                (Kind::ImageEncoder, Subject::Format(format)) => {
                    let codec = image::Writer::new(plugin, capability, format);
                    registry.add_image_encoder(priority, Arc::new(codec));
                }
                (Kind::AudioDecoder, Subject::Codec(codec)) => {
                    let codec = audio::Reader::new(plugin, capability, codec);
                    registry.add_audio_decoder(priority, Arc::new(codec));
                }
                (Kind::AudioEncoder, Subject::Codec(codec)) => {
                    let codec = audio::Writer::new(plugin, capability, codec);
                    registry.add_audio_encoder(priority, Arc::new(codec));
                }
                (Kind::VideoDecoder, Subject::Codec(codec)) => {
                    let reader = Arc::new(video::Reader::new(plugin, capability, codec));
                    if let Some(heif) = heif_by(codec, Arc::clone(&reader) as _) {
                        registry.add_image_decoder(priority, heif);
                    }
                    registry.add_video_decoder(priority, reader);
                }
                (Kind::VideoEncoder, Subject::Codec(codec)) => {
                    let codec = video::Writer::new(plugin, capability, codec);
                    registry.add_video_encoder(priority, Arc::new(codec));
                }
                // What it says of itself was checked: pictures have formats, tracks have codecs.
                _ => {}
            }
        }
    }
}

/// What the codecs of a plugin are called in a registry and in errors.
fn registry_name(plugin: &str) -> String {
    format!("plugin:{plugin}")
}

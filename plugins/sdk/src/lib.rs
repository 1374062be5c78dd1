//! Write a codec for Remold: implement one trait, name it in one macro, build one file.
//!
//! ```ignore
//! use remold_plugin::{About, Error, Frame, ImageDecoder, ImageInfo, Limits, Options};
//!
//! struct Picture { /* what the header said, and the octets */ }
//!
//! impl ImageDecoder for Picture {
//!     fn about() -> About { /* what the plugin is */ }
//!     fn open(data: Vec<u8>, limits: &Limits, options: &Options) -> Result<Self, Error> { /* the header */ }
//!     fn info(&self) -> ImageInfo { /* what it said */ }
//!     fn next_frame(&mut self) -> Result<Option<Frame>, Error> { /* the pixels */ }
//! }
//!
//! remold_plugin::image_decoder!(Picture);
//! ```
//!
//! `cargo build --release` for the target `wasm32-unknown-unknown` with the linker `wasm-component-ld`
//! gives a component that imports nothing but the log: no file, no network, no clock.
//! `remold plugin new` writes a folder in which all of that is set.
//!
//! With the feature `c` the crate has what a C library asks of its surroundings (memory, a clock that
//! stands in for one, output that goes nowhere), so that a codec in C links to a plugin that imports
//! nothing either.
//!
//! A plugin may panic and may run for ever: the host ends it, and the job goes on without. It is
//! better to return an [`Error`], because then the host knows whose fault it was.

mod about;
mod audio;
#[doc(hidden)]
pub mod bindings;
#[cfg(feature = "c")]
mod c;
mod image;
mod options;
mod video;

pub use about::{About, Codec, Magic, OptionSpec};
pub use audio::{AudioDecoder, AudioEncoder, Coded, Track};
pub use image::{Frame, ImageDecoder, ImageEncoder, ImageInfo, ImageInput};
pub use options::Options;
pub use video::{VideoDecoder, VideoEncoder, VideoPicture, VideoTrack};

pub use bindings::words::remold::codec::types::{AudioFormat, Dimensions, Error, Limits, Packet};

/// Not for authors: what the macros name.
#[doc(hidden)]
pub mod glue {
    pub use crate::audio::{CodeSound, DecodeSound, EncodeSound};
    pub use crate::image::{DecodePicture, EncodePicture};
    pub use crate::video::{CodeVideo, DecodeVideo, EncodeVideo};
}

/// Lines for whoever runs the host. It keeps the first few of a job.
pub mod log {
    use crate::bindings::words::remold::codec::host_log::{Level, log};

    /// Says a line for whoever writes the plugin.
    pub fn debug(line: &str) {
        log(Level::Debug, line);
    }

    /// Says a line that is worth knowing.
    pub fn info(line: &str) {
        log(Level::Info, line);
    }

    /// Says that something is odd.
    pub fn warn(line: &str) {
        log(Level::Warn, line);
    }

    /// Says why the job fails.
    pub fn error(line: &str) {
        log(Level::Error, line);
    }
}

/// Compares a size with what the host allows: to be called with what a header says, before
/// anything is allocated for it.
///
/// # Errors
///
/// [`Error::Malformed`] where a side is zero, [`Error::Limit`] where there are too many pixels.
pub fn check_size(width: u32, height: u32, limits: &Limits) -> Result<Dimensions, Error> {
    if width == 0 || height == 0 {
        return Err(Error::Malformed("a side of zero".to_owned()));
    }
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(Error::Limit("max-pixels".to_owned()));
    }
    Ok(Dimensions { width, height })
}

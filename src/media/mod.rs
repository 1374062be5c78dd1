//! Pixels and samples: what a medium really is, and how to turn it into another.
//!
//! Knows limits, but neither messages nor devices.

pub mod audio;
pub mod cancel;
pub mod clip;
pub mod codec;
pub mod container;
pub mod error;
pub mod fit;
pub mod guard;
pub mod image;
pub mod info;
pub mod mime;
pub mod named;
mod others;
pub mod picture;
pub mod probe;
pub mod registry;
pub mod video;

pub use cancel::Cancel;
pub use error::MediaError;
pub use info::{AudioTrack, Codec, Format, MediaInfo, MediaKind, VideoTrack};
pub use named::Named;
pub use picture::{Frame, Layout, PcmBlock, Picture, Planes};
pub use probe::{ProbeError, probe};
pub use registry::Registry;

#[cfg(test)]
mod tests;

//! Pixels and samples: what a medium really is, and how to turn it into another.
//!
//! Knows limits, but neither messages nor devices.

pub mod info;
pub mod video;

pub use info::{AudioTrack, Codec, Format, MediaInfo, MediaKind, VideoTrack};

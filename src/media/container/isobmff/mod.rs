//! ISO base media: MP4, 3GP, 3G2, M4A and QuickTime (ISO/IEC 14496-12 and -14, 3GPP TS 26.244,
//! 3GPP2 C.S0050).

mod boxes;
mod entry;
mod esds;
mod fragment;
mod items;
mod matrix;
mod read;
pub(super) mod source;
mod stbl;
mod write;

pub(crate) use items::{Item, Items, Property};
pub use read::read;
pub(super) use read::{read_with, recognises};
pub use write::{Brand, NewTrack, SampleShape, TrackShape, overhead, write};

#[cfg(test)]
mod tests;

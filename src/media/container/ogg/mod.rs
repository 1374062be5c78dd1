//! Ogg (RFC 3533): pages into packets, for Opus (RFC 7845), Vorbis, FLAC and Speex; a writer for
//! Opus.

mod codec;
mod page;
mod read;
mod write;

pub use codec::{OpusHead, opus_packet_ticks};
pub use read::read;
pub(super) use read::recognises;
pub use write::write_opus;

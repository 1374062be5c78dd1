//! Sampled sound: decoders and encoders, resampling, mixing, loudness, and a whole track at once.

mod aac;
mod adpcm;
mod amr;
mod blend;
mod choose;
mod format;
mod level;
mod mix;
mod mp3;
mod opus;
mod pcm;
mod resample;
mod soundfont;
mod source;
mod stage;
mod symphonia;
mod transcode;

#[cfg(feature = "plugins")]
pub(crate) use format::of as format_of;

use std::sync::Arc;

use super::codec::{AudioDecoder, AudioEncoder};
use super::container::amr::Band;
use super::info::Codec;

pub use choose::{bit_rates, choose, choose_mixed, packet_bytes};
pub use soundfont::Soundfont;
pub use source::Source;
pub use transcode::transcode;

#[cfg(test)]
mod tests;

/// What a track of sound may become at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioTarget {
    /// The codec to write.
    pub codec: Codec,
    /// Samples per second at most; a codec with fewer keeps its own (AMR-NB 8000, AMR-WB 16000).
    pub max_sample_rate: u32,
    /// Channels at most.
    pub max_channels: u16,
    /// Bits per second at most; `None` leaves it to the codec's usual best for phones.
    pub max_bit_rate: Option<u64>,
}

/// How a track of sound is coded, every choice made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioSettings {
    /// The codec to write.
    pub codec: Codec,
    /// Samples per second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u16,
    /// Bits per second of the packets: the mode of AMR, the rate of the others. Between two modes of
    /// AMR, or two rates of layer III, frames of both take turns.
    pub bit_rate: u64,
    /// Octets of all packets together; never exceeded.
    pub max_bytes: Option<u64>,
    /// Where the track is cut, in microseconds of the presentation; `None` leaves it whole.
    pub end_us: Option<u64>,
}

/// The decoders that are compiled in.
pub(crate) fn decoders() -> Vec<Arc<dyn AudioDecoder>> {
    vec![
        Arc::new(aac::Decoder),
        Arc::new(adpcm::Decoder),
        Arc::new(amr::Decoder),
        Arc::new(opus::Decoder),
        Arc::new(pcm::Decoder),
        Arc::new(symphonia::Decoder),
    ]
}

/// The encoders that are compiled in.
pub(crate) fn encoders() -> Vec<Arc<dyn AudioEncoder>> {
    vec![
        Arc::new(aac::Encoder),
        Arc::new(amr::Encoder(Band::Narrow)),
        Arc::new(amr::Encoder(Band::Wide)),
        Arc::new(mp3::Encoder),
        Arc::new(opus::Encoder),
        Arc::new(pcm::Encoder),
    ]
}

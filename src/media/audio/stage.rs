//! Stages of which one thing in gives some things out at once, and cutting sound into frames.

use std::collections::VecDeque;

use crate::media::codec::Stage;
use crate::media::error::MediaError;
use crate::media::info::{Codec, Format};
use crate::media::picture::{Packet, PcmBlock};

/// What decodes a packet without looking at the next.
pub(super) trait DecodePacket: Send {
    /// The sound of one packet. A block without samples is dropped.
    fn decode(&mut self, packet: &Packet) -> Result<PcmBlock, MediaError>;
}

/// What encodes frames of one fixed size.
pub(super) trait EncodeFrame: Send {
    /// The packets that are ready once `frame`, interleaved and whole, has come.
    fn encode(&mut self, frame: &[i16]) -> Result<Vec<Vec<u8>>, MediaError>;

    /// The packets that come after the last frame.
    fn finish(&mut self) -> Result<Vec<Vec<u8>>, MediaError> {
        Ok(Vec::new())
    }
}

/// A decoder as a stage.
pub(super) struct Decoding<D> {
    decoder: D,
    ready: VecDeque<PcmBlock>,
}

impl<D: DecodePacket> Decoding<D> {
    pub(super) const fn new(decoder: D) -> Self {
        Self {
            decoder,
            ready: VecDeque::new(),
        }
    }
}

impl<D: DecodePacket> Stage<Packet, PcmBlock> for Decoding<D> {
    fn push(&mut self, packet: Packet) -> Result<(), MediaError> {
        let block = self.decoder.decode(&packet)?;
        if !block.samples.is_empty() {
            self.ready.push_back(block);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<PcmBlock>, MediaError> {
        Ok(self.ready.pop_front())
    }
}

/// An encoder as a stage: blocks of any size in, the last frame filled up with silence.
pub(super) struct Encoding<E> {
    encoder: E,
    sample_rate: u32,
    channels: u16,
    /// Samples of one frame, of all channels.
    frame: usize,
    pending: Vec<i16>,
    ready: VecDeque<Vec<u8>>,
    /// Packets that were given out.
    given: u64,
    frame_us: u64,
}

impl<E: EncodeFrame> Encoding<E> {
    /// `frame` samples of each channel make a packet.
    pub(super) fn new(encoder: E, sample_rate: u32, channels: u16, frame: u32) -> Self {
        let samples = usize::try_from(frame).unwrap_or(usize::MAX);
        Self {
            encoder,
            sample_rate,
            channels,
            frame: samples.saturating_mul(usize::from(channels)).max(1),
            pending: Vec::new(),
            ready: VecDeque::new(),
            given: 0,
            frame_us: u64::from(frame).saturating_mul(1_000_000) / u64::from(sample_rate.max(1)),
        }
    }
}

impl<E: EncodeFrame> Stage<PcmBlock, Packet> for Encoding<E> {
    fn push(&mut self, block: PcmBlock) -> Result<(), MediaError> {
        if (block.sample_rate, block.channels) != (self.sample_rate, self.channels) {
            return Err(MediaError::unsupported(
                "a block of another rate or other channels",
            ));
        }
        self.pending.extend_from_slice(&block.samples);
        let whole = self.pending.len() - self.pending.len() % self.frame;
        let rest = self.pending.split_off(whole);
        for frame in self.pending.chunks_exact(self.frame) {
            self.ready.extend(self.encoder.encode(frame)?);
        }
        self.pending = rest;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        if !self.pending.is_empty() {
            self.pending.resize(self.frame, 0);
            self.ready.extend(self.encoder.encode(&self.pending)?);
            self.pending.clear();
        }
        self.ready.extend(self.encoder.finish()?);
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Packet>, MediaError> {
        let Some(data) = self.ready.pop_front() else {
            return Ok(None);
        };
        let timestamp_us = self.given.saturating_mul(self.frame_us);
        self.given = self.given.saturating_add(1);
        Ok(Some(Packet {
            data: data.into(),
            timestamp_us,
            key: true,
            shown: true,
        }))
    }
}

/// A packet that breaks the rules of its codec.
pub(super) fn malformed(codec: Codec, what: impl Into<String>) -> MediaError {
    MediaError::malformed(format_of(codec), what)
}

/// The file format that is named where a codec's packet is broken, whatever file it came from.
fn format_of(codec: Codec) -> Format {
    match codec {
        Codec::AmrNb => Format::Amr,
        Codec::AmrWb => Format::AmrWb,
        Codec::AacLc | Codec::HeAac | Codec::HeAacV2 | Codec::Aac => Format::Adts,
        Codec::Mp2 | Codec::Mp3 => Format::Mp3,
        Codec::Vorbis | Codec::Opus => Format::Ogg,
        Codec::Flac => Format::Flac,
        Codec::Alac => Format::M4a,
        Codec::Pcm | Codec::Alaw | Codec::Ulaw | Codec::Adpcm => Format::Wav,
        _ => Format::Unknown,
    }
}

/// A sample between -1 and 1 as 16 bits: rounded, and held at the ends where it goes beyond.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the cast of a float saturates and the value was clamped"
)]
pub(super) fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16
}

/// A sample of 16 bits between -1 and 1.
pub(super) fn to_f32(sample: i16) -> f32 {
    f32::from(sample) / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count;

    impl EncodeFrame for Count {
        fn encode(&mut self, frame: &[i16]) -> Result<Vec<Vec<u8>>, MediaError> {
            Ok(vec![vec![u8::try_from(frame.len()).unwrap_or(0)]])
        }
    }

    #[test]
    fn blocks_of_any_size_become_whole_frames() {
        let mut stage = Encoding::new(Count, 8_000, 2, 4);
        let block = |n: usize| PcmBlock {
            sample_rate: 8_000,
            channels: 2,
            samples: vec![1; n],
            timestamp_us: 0,
        };
        for n in [6, 6, 10] {
            stage.push(block(n)).unwrap();
        }
        stage.finish().unwrap();
        let mut times = Vec::new();
        while let Some(packet) = stage.pull().unwrap() {
            assert_eq!(packet.data[..], [8]);
            times.push(packet.timestamp_us);
        }
        assert_eq!(times, [0, 500, 1_000]);
        let other = PcmBlock {
            sample_rate: 16_000,
            ..block(2)
        };
        assert!(stage.push(other).is_err());
    }

    #[test]
    fn samples_survive_the_way_through_floats() {
        for sample in [i16::MIN, -1, 0, 1, 12_345, i16::MAX] {
            assert_eq!(to_i16(to_f32(sample)), sample);
        }
        assert_eq!((to_i16(1.5), to_i16(-1.5)), (i16::MAX, i16::MIN));
    }
}

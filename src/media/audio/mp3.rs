//! MPEG audio layer III (ISO/IEC 11172-3, 13818-3): the encoder. `symphonia` decodes it.

use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};

use super::choose::{mp3_rates, usual};
use super::stage::{EncodeFrame, Encoding};
use crate::media::cancel::Cancel;
use crate::media::codec::{AudioEncoder, AudioFormat, CodedFormat, RateTarget, Stage};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};

/// Samples that come out before the first that went in: 528 of the encoder, 529 of any decoder.
const PRIMING: u32 = 528 + 529;

/// Writes frames of one bit rate, mono or stereo, of 16 kHz or more.
pub(super) struct Encoder;

impl AudioEncoder for Encoder {
    fn name(&self) -> &str {
        "mp3-encoder"
    }

    fn codec(&self) -> Codec {
        Codec::Mp3
    }

    fn describe(&self, track: &AudioFormat, _: &RateTarget) -> Result<CodedFormat, MediaError> {
        let packet_samples = match (track.sample_rate, track.channels) {
            (48_000 | 44_100 | 32_000, 1 | 2) => 1_152,
            (24_000 | 22_050 | 16_000, 1 | 2) => 576,
            (rate, channels) => {
                return Err(MediaError::unsupported(format!(
                    "MP3 of {rate} Hz in {channels} channels"
                )));
            }
        };
        Ok(CodedFormat {
            config: bytes::Bytes::new(),
            priming: PRIMING,
            packet_samples,
        })
    }

    fn open(
        &self,
        track: &AudioFormat,
        target: &RateTarget,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<PcmBlock, Packet>>, MediaError> {
        let format = self.describe(track, target)?;
        let wanted = target
            .bit_rate
            .unwrap_or_else(|| usual(Codec::Mp3, track.sample_rate, track.channels));
        let known = mp3_rates(track.sample_rate);
        let fitting = known.iter().rev().find(|rate| **rate <= wanted);
        let rate = fitting.or(known.first()).copied().unwrap_or(32_000);
        let encoder = Mp3Encoder::new(Mp3EncoderConfig {
            bitrate_kbps: u32::try_from(rate / 1_000).unwrap_or(32),
            vbr_quality: None,
        });
        Ok(Box::new(Encoding::new(
            Frames {
                encoder,
                sample_rate: track.sample_rate,
                channels: track.channels,
                tagged: true,
            },
            track.sample_rate,
            track.channels,
            format.packet_samples,
        )))
    }
}

struct Frames {
    encoder: Mp3Encoder,
    sample_rate: u32,
    channels: u16,
    /// Whether the first packet, which is no sound but a tag, is still to come.
    tagged: bool,
}

impl Frames {
    fn ready(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while let Ok(packet) = self.encoder.next_packet() {
            if self.tagged {
                self.tagged = false;
            } else {
                packets.push(packet);
            }
        }
        packets
    }
}

impl EncodeFrame for Frames {
    fn encode(&mut self, frame: &[i16]) -> Result<Vec<Vec<u8>>, MediaError> {
        self.encoder
            .push_pcm_s16(frame, self.channels, self.sample_rate)
            .map_err(|error| MediaError::unsupported(format!("MP3: {error}")))?;
        Ok(self.ready())
    }

    fn finish(&mut self) -> Result<Vec<Vec<u8>>, MediaError> {
        self.encoder.finish();
        Ok(self.ready())
    }
}

//! Samples that are not compressed, or only companded (ITU-T G.711).

use super::format;
use super::stage::{DecodePacket, Decoding, EncodeFrame, Encoding, malformed, to_i16};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{
    AudioDecoder, AudioEncoder, AudioFormat, CodedFormat, RateTarget, Stage,
};
use crate::media::container::{PcmEncoding, PcmFormat};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};

/// Samples per channel of a packet of ours.
pub(super) const PACKET: u32 = 1_024;

/// Reads samples of 8 to 64 bits, A-law and µ-law.
pub(super) struct Decoder;

impl AudioDecoder for Decoder {
    fn name(&self) -> &str {
        "pcm-decoder"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Pcm, Codec::Alaw, Codec::Ulaw]
    }

    fn open(
        &self,
        track: &AudioFormat,
        _: &Limits,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError> {
        let format = format::pcm(&track.config)
            .filter(|format| matches!(format.bits, 8 | 16 | 24 | 32 | 64))
            .ok_or_else(|| MediaError::unsupported("samples of this width"))?;
        Ok(Box::new(Decoding::new(Samples {
            format,
            codec: track.codec,
            sample_rate: track.sample_rate,
            channels: track.channels.max(1),
        })))
    }
}

struct Samples {
    format: PcmFormat,
    codec: Codec,
    sample_rate: u32,
    channels: u16,
}

impl DecodePacket for Samples {
    fn decode(&mut self, packet: &Packet) -> Result<PcmBlock, MediaError> {
        let frame = self.format.frame_bytes(self.channels);
        let whole = packet.data.len() - packet.data.len() % frame.max(1);
        let octets = packet.data.get(..whole).unwrap_or_default();
        if octets.is_empty() {
            return Err(malformed(self.codec, "less than one sample"));
        }
        let width = usize::from(self.format.bits / 8).max(1);
        Ok(PcmBlock {
            sample_rate: self.sample_rate,
            channels: self.channels,
            samples: octets
                .chunks_exact(width)
                .map(|octets| sample(self.format, octets))
                .collect(),
            timestamp_us: packet.timestamp_us,
        })
    }
}

/// One sample by its octets.
fn sample(format: PcmFormat, octets: &[u8]) -> i16 {
    match format.encoding {
        PcmEncoding::Alaw => return octets.first().map_or(0, |octet| alaw(*octet)),
        PcmEncoding::Ulaw => return octets.first().map_or(0, |octet| ulaw(*octet)),
        _ => {}
    }
    // The octets as the upper ones of 64 bits.
    let mut bits = 0_u64;
    let mut place = 56_u32;
    let mut take = |octet: u8| {
        bits |= u64::from(octet) << place;
        place = place.saturating_sub(8);
    };
    if format.big_endian {
        octets.iter().copied().for_each(&mut take);
    } else {
        octets.iter().rev().copied().for_each(&mut take);
    }
    match (format.encoding, format.bits) {
        (PcmEncoding::Float, 64) => to_i16(narrow(f64::from_bits(bits))),
        (PcmEncoding::Float, _) => to_i16(f32::from_bits(u32::try_from(bits >> 32).unwrap_or(0))),
        (encoding, _) => {
            let [high, low, ..] = bits.to_be_bytes();
            let sample = i16::from_be_bytes([high, low]);
            match encoding {
                PcmEncoding::Unsigned => sample ^ i16::MIN,
                _ => sample,
            }
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a sample has 16 bits in the end"
)]
fn narrow(sample: f64) -> f32 {
    sample as f32
}

/// G.711 A-law as linear samples of 16 bits.
fn alaw(octet: u8) -> i16 {
    let code = octet ^ 0x55;
    let mantissa = i16::from(code & 15) << 4;
    let magnitude = match (code >> 4) & 7 {
        0 => mantissa + 8,
        exponent => (mantissa + 0x108) << (exponent - 1),
    };
    if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// G.711 µ-law as linear samples of 16 bits.
fn ulaw(octet: u8) -> i16 {
    let code = !octet;
    let mantissa = (i16::from(code & 15) << 3) + 0x84;
    let magnitude = (mantissa << ((code >> 4) & 7)) - 0x84;
    if code & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

/// Writes samples of 16 bits, the low octet first.
pub(super) struct Encoder;

impl AudioEncoder for Encoder {
    fn name(&self) -> &str {
        "pcm-encoder"
    }

    fn codec(&self) -> Codec {
        Codec::Pcm
    }

    fn describe(&self, _: &AudioFormat, _: &RateTarget) -> Result<CodedFormat, MediaError> {
        Ok(CodedFormat {
            config: format::write_pcm(format::PCM16),
            priming: 0,
            packet_samples: PACKET,
        })
    }

    fn open(
        &self,
        track: &AudioFormat,
        _: &RateTarget,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<PcmBlock, Packet>>, MediaError> {
        Ok(Box::new(Encoding::new(
            Octets,
            track.sample_rate,
            track.channels,
            PACKET,
        )))
    }
}

struct Octets;

impl EncodeFrame for Octets {
    fn encode(&mut self, frame: &[i16]) -> Result<Vec<Vec<u8>>, MediaError> {
        let octets = frame.iter().flat_map(|sample| sample.to_le_bytes());
        Ok(vec![octets.collect()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: PcmEncoding, bits: u8, big_endian: bool, octets: &[u8]) -> Vec<i16> {
        let format = PcmFormat {
            encoding,
            bits,
            big_endian,
        };
        let track = AudioFormat {
            codec: Codec::Pcm,
            sample_rate: 8_000,
            channels: 1,
            config: format::write_pcm(format),
        };
        let limits = Limits::default();
        let mut stage = Decoder.open(&track, &limits, &Cancel::new()).unwrap();
        stage
            .push(Packet {
                data: octets.to_vec().into(),
                timestamp_us: 0,
                key: true,
                shown: true,
            })
            .unwrap();
        stage.pull().unwrap().unwrap().samples
    }

    #[test]
    fn every_width_is_read() {
        use PcmEncoding::{Float, Signed, Unsigned};
        assert_eq!(
            decoded(Signed, 16, false, &[0x34, 0x12, 0xFF, 0xFF]),
            [0x1234, -1]
        );
        assert_eq!(decoded(Signed, 16, true, &[0x12, 0x34]), [0x1234]);
        assert_eq!(
            decoded(Signed, 24, false, &[9, 0x34, 0x12, 1, 2]),
            [0x1234],
            "what is left over of a sample is dropped"
        );
        assert_eq!(decoded(Signed, 32, true, &[0x80, 0, 7, 7]), [i16::MIN]);
        assert_eq!(
            decoded(Unsigned, 8, false, &[0, 0x80, 0xFF]),
            [i16::MIN, 0, 0x7F00]
        );
        assert_eq!(decoded(Float, 32, false, &0.5_f32.to_le_bytes()), [16_384]);
        assert_eq!(
            decoded(Float, 64, true, &(-2.0_f64).to_be_bytes()),
            [i16::MIN]
        );
        assert_eq!(decoded(Float, 32, true, &f32::NAN.to_be_bytes()), [0]);
    }

    #[test]
    fn companding_has_the_ends_and_the_middle_of_the_standard() {
        assert_eq!([alaw(0xD5), alaw(0x55)], [8, -8]);
        assert_eq!([alaw(0xAA), alaw(0x2A)], [32_256, -32_256]);
        assert_eq!([ulaw(0xFF), ulaw(0x7F)], [0, 0]);
        assert_eq!([ulaw(0x80), ulaw(0x00)], [32_124, -32_124]);
    }
}

//! AMR and AMR-WB (3GPP TS 26.071 and TS 26.171), both ways.
//!
//! Packets are samples of an AMR track: whole frames, each behind its table-of-contents octet.
//! Silence, gaps and lost frames take the decoder's own ways for them.

use codec_core::codecs::amr::AmrCodec;
use codec_core::codecs::amr::nb::enc::encoder as narrow;
use codec_core::codecs::amr::wb::enc::encoder as wide;
use codec_core::types::{CodecConfig, CodedFrame, FrameKind as Kind, VariableRateCodec};

use super::blend::Blend;
use super::stage::{DecodePacket, Decoding, EncodeFrame, Encoding, malformed};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{
    AudioDecoder, AudioEncoder, AudioFormat, CodedFormat, RateTarget, Stage,
};
use crate::media::container::amr::{Band, Frame, FrameKind, frames};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};

/// Bits per second of the modes of AMR, by mode.
pub(super) const NARROW_RATES: [u64; 8] =
    [4_750, 5_150, 5_900, 6_700, 7_400, 7_950, 10_200, 12_200];

/// Bits per second of the modes of AMR-WB, by mode.
pub(super) const WIDE_RATES: [u64; 9] = [
    6_600, 8_850, 12_650, 14_250, 15_850, 18_250, 19_850, 23_050, 23_850,
];

/// The bands of the codecs.
pub(super) const fn band(codec: Codec) -> Option<Band> {
    match codec {
        Codec::AmrNb => Some(Band::Narrow),
        Codec::AmrWb => Some(Band::Wide),
        _ => None,
    }
}

/// Bits per second of all modes of a band.
pub(super) const fn rates(band: Band) -> &'static [u64] {
    match band {
        Band::Narrow => &NARROW_RATES,
        Band::Wide => &WIDE_RATES,
    }
}

/// The modes that occur at a bit rate, one bit for each, as `damr` counts them.
pub(super) fn mode_set(band: Band, bit_rate: u64) -> u16 {
    Blend::new(rates(band), bit_rate)
        .places()
        .filter_map(|mode| u32::try_from(mode).ok())
        .fold(0, |set, mode| set | 1_u16.checked_shl(mode).unwrap_or(0))
}

/// Reads AMR and AMR-WB.
pub(super) struct Decoder;

impl AudioDecoder for Decoder {
    fn name(&self) -> &str {
        "amr-decoder"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::AmrNb, Codec::AmrWb]
    }

    fn open(
        &self,
        track: &AudioFormat,
        _: &Limits,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError> {
        let band = band(track.codec).ok_or_else(|| MediaError::unsupported("no AMR"))?;
        let config = match band {
            Band::Narrow => CodecConfig::amr_nb(),
            Band::Wide => CodecConfig::amr_wb(),
        };
        let decoder =
            AmrCodec::new(&config).map_err(|error| MediaError::unsupported(error.to_string()))?;
        Ok(Box::new(Decoding::new(Speech {
            codec: track.codec,
            band,
            decoder,
            mode: 0,
        })))
    }
}

struct Speech {
    codec: Codec,
    band: Band,
    decoder: AmrCodec,
    /// The mode of the last frame of speech: a frame that is lost has none of its own.
    mode: u8,
}

impl Speech {
    fn frame(&mut self, frame: &Frame) -> CodedFrame {
        let kind = match frame.kind {
            FrameKind::Speech(mode) => {
                self.mode = mode;
                Kind::Speech
            }
            // Silence as other systems describe it (types 9 to 11) has no meaning to this decoder.
            FrameKind::Silence if frame.data.len() == 6 && self.is_own_silence(frame) => {
                Kind::ComfortNoise
            }
            FrameKind::Silence | FrameKind::NoData => Kind::NoData,
            FrameKind::Lost => Kind::Lost,
        };
        let data = match kind {
            Kind::Speech | Kind::ComfortNoise => frame.data.get(1..).unwrap_or_default().to_vec(),
            _ => Vec::new(),
        };
        CodedFrame {
            kind,
            mode: self.mode,
            quality_ok: frame.good,
            data,
        }
    }

    fn is_own_silence(&self, frame: &Frame) -> bool {
        let own = match self.band {
            Band::Narrow => 8,
            Band::Wide => 9,
        };
        frame.data.first().is_some_and(|toc| (toc >> 3) & 15 == own)
    }
}

impl DecodePacket for Speech {
    fn decode(&mut self, packet: &Packet) -> Result<PcmBlock, MediaError> {
        let mut samples = Vec::new();
        for frame in frames(self.band, &packet.data) {
            let coded = self.frame(&frame);
            let decoded = self.decoder.decode_frame(&coded).or_else(|_| {
                self.decoder.decode_frame(&CodedFrame {
                    mode: self.mode,
                    ..CodedFrame::lost()
                })
            });
            let silence = || vec![0; usize::try_from(self.band.frame_samples()).unwrap_or(0)];
            samples.extend(decoded.unwrap_or_else(|_| silence()));
        }
        if samples.is_empty() {
            return Err(malformed(self.codec, "a sample without a whole frame"));
        }
        Ok(PcmBlock {
            sample_rate: self.band.sample_rate(),
            channels: 1,
            samples,
            timestamp_us: packet.timestamp_us,
        })
    }
}

/// Writes one of the two bands without pauses in transmission: in one mode throughout, or, at a rate
/// between two modes, in both by turns. Each frame of a file names its own mode (RFC 4867 section
/// 5.3); that it may change in every other frame alone is a rule of GSM's calls.
pub(super) struct Encoder(pub(super) Band);

impl AudioEncoder for Encoder {
    fn name(&self) -> &str {
        match self.0 {
            Band::Narrow => "amr-nb-encoder",
            Band::Wide => "amr-wb-encoder",
        }
    }

    fn codec(&self) -> Codec {
        match self.0 {
            Band::Narrow => Codec::AmrNb,
            Band::Wide => Codec::AmrWb,
        }
    }

    fn describe(&self, track: &AudioFormat, _: &RateTarget) -> Result<CodedFormat, MediaError> {
        if (track.sample_rate, track.channels) != (self.0.sample_rate(), 1) {
            return Err(MediaError::unsupported(format!(
                "AMR of {} Hz in {} channels",
                track.sample_rate, track.channels
            )));
        }
        Ok(CodedFormat {
            config: bytes::Bytes::new(),
            priming: 0,
            packet_samples: self.0.frame_samples(),
        })
    }

    fn open(
        &self,
        track: &AudioFormat,
        target: &RateTarget,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<PcmBlock, Packet>>, MediaError> {
        let format = self.describe(track, target)?;
        let highest = rates(self.0).last().copied().unwrap_or(0);
        let blend = Blend::new(rates(self.0), target.bit_rate.unwrap_or(highest));
        let (rate, channels, frame) = (track.sample_rate, 1, format.packet_samples);
        Ok(match self.0 {
            Band::Narrow => Box::new(Encoding::new(
                Narrow {
                    encoder: Box::default(),
                    blend,
                },
                rate,
                channels,
                frame,
            )),
            Band::Wide => Box::new(Encoding::new(
                Wide {
                    encoder: Box::default(),
                    blend,
                },
                rate,
                channels,
                frame,
            )),
        })
    }
}

struct Narrow {
    encoder: Box<narrow::NbEncoder>,
    blend: Blend,
}

impl EncodeFrame for Narrow {
    fn encode(&mut self, frame: &[i16]) -> Result<Vec<Vec<u8>>, MediaError> {
        let frame = frame.first_chunk().ok_or_else(cut)?;
        let mode = mode(&mut self.blend);
        let rate = mode.and_then(narrow::Rate::from_index).ok_or_else(none)?;
        let mut packet = vec![rate.toc_byte()];
        packet.extend(self.encoder.encode_frame(frame, rate));
        Ok(vec![packet])
    }
}

struct Wide {
    encoder: Box<wide::WbEncoder>,
    blend: Blend,
}

impl EncodeFrame for Wide {
    fn encode(&mut self, frame: &[i16]) -> Result<Vec<Vec<u8>>, MediaError> {
        let frame = frame.first_chunk().ok_or_else(cut)?;
        let mode = mode(&mut self.blend);
        let rate = mode.and_then(wide::Rate::from_index).ok_or_else(none)?;
        let mut packet = vec![rate.toc_byte()];
        packet.extend(self.encoder.encode_frame(frame, rate));
        Ok(vec![packet])
    }
}

/// The mode of the next frame.
fn mode(blend: &mut Blend) -> Option<u8> {
    u8::try_from(blend.next()).ok()
}

fn none() -> MediaError {
    MediaError::unsupported("no such mode of AMR")
}

fn cut() -> MediaError {
    MediaError::unsupported("a frame that is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(codec: Codec) -> AudioFormat {
        AudioFormat {
            codec,
            sample_rate: band(codec).unwrap().sample_rate(),
            channels: 1,
            config: bytes::Bytes::new(),
        }
    }

    fn tone(rate: u32) -> PcmBlock {
        PcmBlock {
            sample_rate: rate,
            channels: 1,
            samples: (0..rate)
                .map(|n| if n % 24 < 12 { 6_000 } else { -6_000 })
                .collect(),
            timestamp_us: 0,
        }
    }

    #[test]
    fn every_mode_has_its_size_and_decodes() {
        for (codec, encoder) in [
            (Codec::AmrNb, Encoder(Band::Narrow)),
            (Codec::AmrWb, Encoder(Band::Wide)),
        ] {
            let band = band(codec).unwrap();
            for (mode, rate) in (0..).zip(rates(band)) {
                let target = RateTarget {
                    bit_rate: Some(*rate),
                    ..RateTarget::default()
                };
                let mut stage = encoder
                    .open(&track(codec), &target, &Cancel::new())
                    .unwrap();
                stage.push(tone(band.sample_rate())).unwrap();
                stage.finish().unwrap();
                let limits = Limits::default();
                let mut back = Decoder
                    .open(&track(codec), &limits, &Cancel::new())
                    .unwrap();
                let mut heard = 0;
                while let Some(packet) = stage.pull().unwrap() {
                    assert_eq!(Some(packet.data.len()), band.frame_bytes(mode));
                    back.push(packet).unwrap();
                    while let Some(block) = back.pull().unwrap() {
                        heard += block.samples.len();
                    }
                }
                assert_eq!(heard, usize::try_from(band.sample_rate()).unwrap());
            }
        }
    }

    #[test]
    fn frames_of_two_modes_take_turns_and_are_told() {
        let encoder = Encoder(Band::Narrow);
        let target = RateTarget {
            bit_rate: Some(11_200),
            ..RateTarget::default()
        };
        let track = track(Codec::AmrNb);
        let mut stage = encoder.open(&track, &target, &Cancel::new()).unwrap();
        stage.push(tone(8_000)).unwrap();
        stage.finish().unwrap();
        let mut sizes = Vec::new();
        while let Some(packet) = stage.pull().unwrap() {
            sizes.push(packet.data.len());
        }
        assert_eq!(sizes.len(), 50);
        assert!(sizes.chunks(2).all(|pair| pair == [27, 32]), "{sizes:?}");
        assert_eq!(mode_set(Band::Narrow, 11_200), 0b1100_0000);
        assert_eq!(mode_set(Band::Narrow, 12_200), 0b1000_0000);
        assert_eq!(mode_set(Band::Wide, 0), 1);
    }

    #[test]
    fn silence_gaps_and_losses_last_as_long_as_speech() {
        for (codec, types) in [
            (Codec::AmrNb, [15_u8, 8, 9, 10, 11, 7, 15]),
            (Codec::AmrWb, [14, 15, 9, 14, 8, 14, 9]),
        ] {
            let band = band(codec).unwrap();
            let limits = Limits::default();
            let mut stage = Decoder
                .open(&track(codec), &limits, &Cancel::new())
                .unwrap();
            for quality in [0, 4] {
                for kind in types {
                    let mut data = vec![0x5A; band.frame_bytes(kind).unwrap()];
                    data[0] = kind << 3 | quality;
                    let packet = Packet {
                        data: data.into(),
                        timestamp_us: 0,
                        key: true,
                        shown: true,
                    };
                    stage.push(packet).unwrap();
                    let block = stage.pull().unwrap().unwrap();
                    assert_eq!(block.samples.len(), band.frame_samples() as usize);
                }
            }
        }
    }
}

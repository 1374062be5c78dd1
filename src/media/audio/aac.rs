//! AAC (ISO/IEC 14496-3 subpart 4): all that phones wrote in, AAC-LC out.
//!
//! Spectral band replication and parametric stereo are followed whether the container tells of
//! them or not, so that the sound comes out at its full rate and in both channels.

use bytes::Bytes;
use syom::{Channel, DecodeOptions, EncodeContainer, EncodeOptions};

use super::stage::{DecodePacket, Decoding, EncodeFrame, Encoding, malformed, to_f32, to_i16};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{
    AudioDecoder, AudioEncoder, AudioFormat, CodedFormat, RateTarget, Stage,
};
use crate::media::container::aac::AacConfig;
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};

/// Samples of a frame; also the priming of our encoder, which looks one frame back.
pub(super) const FRAME: u32 = 1_024;

/// Reads AAC-LC, Main and LTP, HE-AAC of both versions, and AAC-LD.
pub(super) struct Decoder;

impl AudioDecoder for Decoder {
    fn name(&self) -> &str {
        "aac-decoder"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::AacLc, Codec::HeAac, Codec::HeAacV2, Codec::Aac]
    }

    fn open(
        &self,
        track: &AudioFormat,
        _: &Limits,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError> {
        let decoder = syom::Decoder::from_asc(&track.config, DecodeOptions::unbounded()).map_err(
            |error| MediaError::unsupported(format!("AAC of this configuration: {error}")),
        )?;
        Ok(Box::new(Decoding::new(Access { decoder })))
    }
}

struct Access {
    decoder: syom::Decoder,
}

impl DecodePacket for Access {
    fn decode(&mut self, packet: &Packet) -> Result<PcmBlock, MediaError> {
        let mut block = PcmBlock {
            sample_rate: 0,
            channels: 0,
            samples: Vec::new(),
            timestamp_us: packet.timestamp_us,
        };
        self.decoder
            .decode_au(&packet.data, |frame| {
                block.sample_rate = frame.sample_rate;
                block.channels = u16::try_from(frame.planar.len()).unwrap_or(0);
                let planes = in_wave_order(frame.planar, frame.meta.labels());
                for at in 0..frame.samples {
                    let channels = planes.iter();
                    let samples = channels.map(|plane| plane.get(at).copied().unwrap_or(0.0));
                    block.samples.extend(samples.map(to_i16));
                }
                Ok(())
            })
            .map_err(|error| malformed(Codec::AacLc, error.to_string()))?;
        Ok(block)
    }
}

/// The planes in the order of RIFF WAVE, which [`PcmBlock`] has; AAC starts with the centre.
fn in_wave_order<'a>(
    planes: &[&'a [f32]],
    labels: impl Iterator<Item = Channel>,
) -> Vec<&'a [f32]> {
    let mut labelled: Vec<_> = planes
        .iter()
        .zip(labels.map(Some).chain(std::iter::repeat(None)))
        .map(|(plane, label)| (place(label), *plane))
        .collect();
    labelled.sort_by_key(|(place, _)| *place);
    labelled.into_iter().map(|(_, plane)| plane).collect()
}

const fn place(label: Option<Channel>) -> u8 {
    match label {
        Some(Channel::FrontLeft) => 0,
        Some(Channel::FrontRight) => 1,
        Some(Channel::FrontCenter) => 2,
        Some(Channel::Lfe) => 3,
        Some(Channel::BackLeft) => 4,
        Some(Channel::BackRight) => 5,
        Some(Channel::BackCenter) => 6,
        Some(Channel::SideLeft) => 7,
        Some(Channel::SideRight) => 8,
        _ => 9,
    }
}

/// Writes AAC-LC, mono or stereo.
pub(super) struct Encoder;

impl AudioEncoder for Encoder {
    fn name(&self) -> &str {
        "aac-encoder"
    }

    fn codec(&self) -> Codec {
        Codec::AacLc
    }

    fn describe(&self, track: &AudioFormat, _: &RateTarget) -> Result<CodedFormat, MediaError> {
        let channels = u8::try_from(track.channels)
            .ok()
            .filter(|channels| matches!(channels, 1 | 2))
            .ok_or_else(|| MediaError::unsupported("AAC of more than two channels"))?;
        Ok(CodedFormat {
            config: AacConfig::low_complexity(track.sample_rate, channels).specific,
            priming: FRAME,
            packet_samples: FRAME,
        })
    }

    fn open(
        &self,
        track: &AudioFormat,
        target: &RateTarget,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<PcmBlock, Packet>>, MediaError> {
        self.describe(track, target)?;
        let channels = usize::from(track.channels);
        let usual = super::choose::usual(Codec::AacLc, track.sample_rate, track.channels);
        let rate = target.bit_rate.unwrap_or(usual).min(most(track));
        let options = EncodeOptions::raw()
            .with_container(EncodeContainer::Raw)
            .with_bitrate_bps(u32::try_from(rate).unwrap_or(u32::MAX).max(1));
        let encoder = syom::Encoder::new(track.sample_rate, channels, &options)
            .map_err(|error| MediaError::unsupported(format!("AAC: {error}")))?;
        Ok(Box::new(Encoding::new(
            Frames {
                encoder,
                planes: vec![Vec::new(); channels],
                started: false,
            },
            track.sample_rate,
            track.channels,
            FRAME,
        )))
    }
}

/// Bits per second that 6144 bits a frame and channel allow (section 4.5.3.3).
fn most(track: &AudioFormat) -> u64 {
    u64::from(track.sample_rate)
        .saturating_mul(6_144)
        .saturating_mul(u64::from(track.channels))
        / u64::from(FRAME)
}

struct Frames {
    encoder: syom::Encoder,
    planes: Vec<Vec<f32>>,
    started: bool,
}

impl EncodeFrame for Frames {
    fn encode(&mut self, frame: &[i16]) -> Result<Vec<Vec<u8>>, MediaError> {
        self.started = true;
        let channels = self.planes.len();
        for (at, plane) in self.planes.iter_mut().enumerate() {
            plane.clear();
            plane.extend(frame.iter().skip(at).step_by(channels).copied().map(to_f32));
        }
        let planes: Vec<&[f32]> = self.planes.iter().map(Vec::as_slice).collect();
        let mut packets = Vec::new();
        self.encoder
            .feed(&planes, |frame| {
                packets.push(frame.au.to_vec());
                Ok(())
            })
            .map_err(|error| MediaError::unsupported(format!("AAC: {error}")))?;
        Ok(packets)
    }

    fn finish(&mut self) -> Result<Vec<Vec<u8>>, MediaError> {
        let mut packets = Vec::new();
        if self.started {
            self.encoder
                .finish(|frame| {
                    packets.push(frame.au.to_vec());
                    Ok(())
                })
                .map_err(|error| MediaError::unsupported(format!("AAC: {error}")))?;
        }
        Ok(packets)
    }
}

/// The configuration of a track that our encoder makes.
pub(super) fn config(specific: &Bytes) -> Option<AacConfig> {
    AacConfig::parse(specific)
}

//! Opus (RFC 6716), both ways. The decoder runs at 48 kHz whatever was coded.

use rusty_opus::{Application, OpusDecoder, OpusEncoder};

use super::stage::{DecodePacket, Decoding, EncodeFrame, Encoding, malformed, to_f32, to_i16};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{
    AudioDecoder, AudioEncoder, AudioFormat, CodedFormat, RateTarget, Stage,
};
use crate::media::container::ogg::{OpusHead, opus_packet_ticks};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};

/// Samples per second of all decoders.
const RATE: u32 = 48_000;

/// Samples per channel of the longest packet: 120 ms.
const LONGEST: usize = 5_760;

/// Octets that a packet of one frame cannot exceed (RFC 6716 section 3.2).
const MOST: u64 = 1_275;

/// Reads one or two channels.
pub(super) struct Decoder;

impl AudioDecoder for Decoder {
    fn name(&self) -> &str {
        "opus-decoder"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Opus]
    }

    fn open(
        &self,
        track: &AudioFormat,
        _: &Limits,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError> {
        let head = OpusHead::parse(&track.config)
            .ok_or_else(|| malformed(Codec::Opus, "no identification header"))?;
        let channels = usize::from(head.channels);
        let refused = || MediaError::unsupported(format!("Opus of {channels} channels"));
        if !matches!(channels, 1 | 2) {
            return Err(refused());
        }
        let decoder = OpusDecoder::new(48_000, channels).map_err(|_| refused())?;
        Ok(Box::new(Decoding::new(Packets {
            decoder,
            channels,
            gain: 10_f32.powf(f32::from(head.gain) / (256.0 * 20.0)),
            buffer: vec![0.0; LONGEST.saturating_mul(channels)],
        })))
    }
}

struct Packets {
    decoder: OpusDecoder,
    channels: usize,
    gain: f32,
    buffer: Vec<f32>,
}

impl DecodePacket for Packets {
    fn decode(&mut self, packet: &Packet) -> Result<PcmBlock, MediaError> {
        let failed = |error: rusty_opus::Error| malformed(Codec::Opus, format!("{error:?}"));
        let data = packet.data.as_ref();
        let ticks = usize::try_from(opus_packet_ticks(data)).unwrap_or(0);
        if ticks == 0 {
            return Err(malformed(Codec::Opus, "a packet of no length"));
        }
        let frames = self
            .decoder
            .decode(data, ticks, &mut self.buffer)
            .map_err(failed)?;
        let heard = self
            .buffer
            .get(..frames.saturating_mul(self.channels))
            .unwrap_or_default();
        Ok(PcmBlock {
            sample_rate: RATE,
            channels: u16::try_from(self.channels).unwrap_or(0),
            samples: heard.iter().map(|x| to_i16(x * self.gain)).collect(),
            timestamp_us: packet.timestamp_us,
        })
    }
}

/// Writes packets of 20 ms and of one size.
pub(super) struct Encoder;

impl AudioEncoder for Encoder {
    fn name(&self) -> &str {
        "opus-encoder"
    }

    fn codec(&self) -> Codec {
        Codec::Opus
    }

    fn describe(&self, track: &AudioFormat, _: &RateTarget) -> Result<CodedFormat, MediaError> {
        let channels = u8::try_from(track.channels).unwrap_or(0);
        if !matches!(channels, 1 | 2) || !RATES.contains(&track.sample_rate) {
            return Err(MediaError::unsupported(format!(
                "Opus of {} Hz in {channels} channels",
                track.sample_rate
            )));
        }
        let priming = priming(track.sample_rate);
        let head = OpusHead {
            channels,
            pre_skip: u16::try_from(priming.saturating_mul(RATE / track.sample_rate)).unwrap_or(0),
            input_rate: track.sample_rate,
            gain: 0,
            family: 0,
        };
        Ok(CodedFormat {
            config: head.to_packet().into(),
            priming,
            packet_samples: track.sample_rate / 50,
        })
    }

    fn open(
        &self,
        track: &AudioFormat,
        target: &RateTarget,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<PcmBlock, Packet>>, MediaError> {
        let format = self.describe(track, target)?;
        let refused =
            |error: rusty_opus::Error| MediaError::unsupported(format!("Opus: {error:?}"));
        let usual = super::choose::usual(Codec::Opus, track.sample_rate, track.channels);
        let octets = (target.bit_rate.unwrap_or(usual) / 400).clamp(8, MOST);
        let rate = i32::try_from(track.sample_rate).unwrap_or(0);
        // Speech at a rate that only speech needs; all else is taken for sound of any kind.
        let application = if track.sample_rate <= 16_000 {
            Application::Voip
        } else {
            Application::Audio
        };
        let mut encoder =
            OpusEncoder::new(rate, usize::from(track.channels), application).map_err(refused)?;
        encoder.use_cbr = true;
        encoder.bitrate_bps = i32::try_from(octets.saturating_mul(400)).unwrap_or(i32::MAX);
        Ok(Box::new(Encoding::new(
            Frames {
                encoder,
                samples: usize::try_from(format.packet_samples).unwrap_or(0),
                packet: vec![0; usize::try_from(octets).unwrap_or(0)],
                frame: Vec::new(),
                channels: usize::from(track.channels),
                flush: usize::try_from(format.priming).unwrap_or(0),
                room: 0,
            },
            track.sample_rate,
            track.channels,
            format.packet_samples,
        )))
    }
}

/// Samples per second that can go in.
const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// Samples by which the encoder is late: 2.5 ms, and where it codes speech alone its resampler's
/// 3.9 ms.
const fn priming(sample_rate: u32) -> u32 {
    if sample_rate <= 16_000 {
        sample_rate / 1_000 * 51 / 8
    } else {
        sample_rate / 400
    }
}

struct Frames {
    encoder: OpusEncoder,
    samples: usize,
    packet: Vec<u8>,
    frame: Vec<f32>,
    channels: usize,
    /// Samples per channel by which the encoder is late.
    flush: usize,
    /// Samples of silence at the end of the last frame.
    room: usize,
}

impl Frames {
    fn code(&mut self) -> Result<Vec<u8>, MediaError> {
        let length = self
            .encoder
            .encode(&self.frame, self.samples, &mut self.packet)
            .map_err(|error| MediaError::unsupported(format!("Opus: {error:?}")))?;
        Ok(self.packet.get(..length).unwrap_or_default().to_vec())
    }
}

impl EncodeFrame for Frames {
    fn encode(&mut self, frame: &[i16]) -> Result<Vec<Vec<u8>>, MediaError> {
        self.frame.clear();
        self.frame.extend(frame.iter().copied().map(to_f32));
        let silent = frame.iter().rev().take_while(|sample| **sample == 0);
        self.room = silent.count() / self.channels.max(1);
        Ok(vec![self.code()?])
    }

    fn finish(&mut self) -> Result<Vec<Vec<u8>>, MediaError> {
        // The last samples come out late: where the last frame was full of sound, one more.
        if self.frame.is_empty() || self.room >= self.flush {
            return Ok(Vec::new());
        }
        self.frame.fill(0.0);
        Ok(vec![self.code()?])
    }
}

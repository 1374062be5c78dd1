//! MPEG audio layer III (ISO/IEC 11172-3, 13818-3): the encoder. `symphonia` decodes it.

use rusty_mp3::encode::Mp3Encode;
use rusty_mp3::encoder_header;
use rusty_mp3::header::FrameHeader;

use super::blend::Blend;
use super::choose::{mp3_rates, usual};
use super::stage::{EncodeFrame, Encoding, to_f32};
use crate::media::cancel::Cancel;
use crate::media::codec::{AudioEncoder, AudioFormat, CodedFormat, RateTarget, Stage};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};

/// Samples that come out before the first that went in: 528 of the encoder, 529 of any decoder.
pub(super) const PRIMING: u32 = 528 + 529;

/// How much of a frame's octets goes from easy frames to hard ones; the encoder's own default.
const RESERVOIR: f32 = 0.2;

/// Kilobits per second up to which the encoder's reservoir is sound.
const RESERVOIR_KBPS: u32 = 256;

/// Writes frames, mono or stereo, of 16 kHz or more: of one bit rate, or, where the one that is asked
/// for lies between two, of both by turns.
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
        let rates = mp3_rates(track.sample_rate);
        let header = encoder_header(track.sample_rate, track.channels, 0)
            .map_err(|error| MediaError::unsupported(format!("MP3: {error}")))?;
        let blend = Blend::new(rates, wanted);
        let highest = blend.places().filter_map(|place| kbps(rates, place)).max();
        // Frames of MPEG-2 have no reservoir in this encoder.
        let banked = track.sample_rate >= 32_000 && highest <= Some(RESERVOIR_KBPS);
        let frame = format.packet_samples;
        Ok(Box::new(Encoding::new(
            Frames {
                encoder: Mp3Encode::new(),
                header,
                rates,
                blend,
                banked: banked.then(Vec::new),
                planes: vec![Vec::new(); usize::from(track.channels)],
                flush: PRIMING.div_ceil(frame),
                frame: usize::try_from(frame).unwrap_or(0),
            },
            track.sample_rate,
            track.channels,
            frame,
        )))
    }
}

fn kbps(rates: &[u64], place: usize) -> Option<u32> {
    u32::try_from(rates.get(place)? / 1_000).ok()
}

struct Frames {
    encoder: Mp3Encode,
    /// What all frames have in common; the bit rate is each one's own.
    header: FrameHeader,
    rates: &'static [u64],
    blend: Blend,
    /// Octets of the frames that the encoder keeps to share out its reservoir at the end; `None`
    /// where each is finished at once.
    banked: Option<Vec<usize>>,
    planes: Vec<Vec<f32>>,
    /// Frames of silence that push the last samples through.
    flush: u32,
    /// Samples of a frame in one channel.
    frame: usize,
}

impl Frames {
    /// Codes what is in the planes.
    fn code(&mut self) -> Result<Vec<Vec<u8>>, MediaError> {
        let place = self.blend.next();
        let rate =
            kbps(self.rates, place).ok_or_else(|| MediaError::unsupported("MP3: no rate"))?;
        self.header.bitrate_kbps = rate;
        if let Some(sizes) = &mut self.banked {
            sizes.push(self.header.frame_size());
            self.encoder
                .encode_frame_reservoir(&self.header, &self.planes, RESERVOIR);
            return Ok(Vec::new());
        }
        let packet = self
            .encoder
            .encode_frame(&self.header, &self.planes, None)
            .map_err(|error| MediaError::unsupported(format!("MP3: {error}")))?;
        Ok(vec![packet])
    }
}

impl EncodeFrame for Frames {
    fn encode(&mut self, frame: &[i16]) -> Result<Vec<Vec<u8>>, MediaError> {
        let channels = self.planes.len();
        for (at, plane) in self.planes.iter_mut().enumerate() {
            plane.clear();
            plane.extend(frame.iter().skip(at).step_by(channels).copied().map(to_f32));
        }
        self.code()
    }

    fn finish(&mut self) -> Result<Vec<Vec<u8>>, MediaError> {
        let mut packets = Vec::new();
        for _ in 0..self.flush {
            for plane in &mut self.planes {
                plane.clear();
                plane.resize(self.frame, 0.0);
            }
            packets.extend(self.code()?);
        }
        if let Some(sizes) = self.banked.take() {
            let stream = self.encoder.finish_reservoir();
            let mut rest = stream.as_slice();
            for size in sizes {
                let cut = || MediaError::unsupported("MP3: a frame that is cut short");
                let (packet, after) = rest.split_at_checked(size).ok_or_else(cut)?;
                packets.push(packet.to_vec());
                rest = after;
            }
        }
        Ok(packets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(sample_rate: u32, channels: u16, bit_rate: u64) -> Vec<usize> {
        let track = AudioFormat {
            codec: Codec::Mp3,
            sample_rate,
            channels,
            config: bytes::Bytes::new(),
        };
        let target = RateTarget {
            bit_rate: Some(bit_rate),
            ..RateTarget::default()
        };
        let mut stage = Encoder.open(&track, &target, &Cancel::new()).unwrap();
        let tone = |n: u32| if n % 40 < 20 { 5_000 } else { -5_000 };
        let samples = (0..sample_rate * u32::from(channels)).map(tone).collect();
        let block = PcmBlock {
            sample_rate,
            channels,
            samples,
            timestamp_us: 0,
        };
        stage.push(block).unwrap();
        stage.finish().unwrap();
        let mut sizes = Vec::new();
        while let Some(packet) = stage.pull().unwrap() {
            assert_eq!(packet.data[0], 0xFF);
            sizes.push(packet.data.len());
        }
        sizes
    }

    #[test]
    fn a_rate_of_the_standard_gives_frames_of_one_size() {
        assert_eq!(sizes(44_100, 2, 128_000), [417; 40]);
        assert_eq!(sizes(16_000, 1, 24_000), [108; 30]);
        // The highest rate has no reservoir.
        assert_eq!(sizes(48_000, 2, 320_000), [960; 43]);
    }

    #[test]
    fn a_rate_between_gives_frames_of_two_sizes_by_turns() {
        let frames = sizes(16_000, 1, 28_000);
        assert!(
            frames.chunks(2).all(|pair| pair == [108, 144]),
            "{frames:?}"
        );
        let frames = sizes(44_100, 1, 60_000);
        assert!(
            frames.chunks(2).all(|pair| pair == [182, 208]),
            "{frames:?}"
        );
    }
}

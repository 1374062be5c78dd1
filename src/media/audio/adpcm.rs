//! ADPCM in blocks as RIFF WAVE has it: IMA's (DVI) and Microsoft's.
//!
//! IMA's recommendation adds up the shares of a step, each rounded down; some encoders multiply
//! first and round once. Over a block the two drift apart audibly, and nothing in a file says which
//! it is. But a block starts where the last one ended: the way that ends nearer to the next block's
//! first sample is the encoder's. The first block, of which nothing is known, is decoded by the
//! recommendation.

use super::format;
use super::stage::{DecodePacket, Decoding, malformed};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{AudioDecoder, AudioFormat, Stage};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};

/// Format tags of the Microsoft registry.
const MICROSOFT: u16 = 0x0002;
const IMA: u16 = 0x0011;

/// Reads both variants, of one channel or two.
pub(super) struct Decoder;

impl AudioDecoder for Decoder {
    fn name(&self) -> &str {
        "adpcm-decoder"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Adpcm]
    }

    fn open(
        &self,
        track: &AudioFormat,
        _: &Limits,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError> {
        let config = format::adpcm(&track.config)
            .filter(|config| matches!(config.tag, MICROSOFT | IMA))
            .filter(|_| matches!(track.channels, 1 | 2))
            .ok_or_else(|| MediaError::unsupported("ADPCM of this variant"))?;
        Ok(Box::new(Decoding::new(Blocks {
            coefficients: coefficients(&config.extra),
            microsoft: config.tag == MICROSOFT,
            ends: None,
            drift: [0; 2],
            most: usize::from(config.samples_per_block),
            sample_rate: track.sample_rate,
            channels: track.channels,
        })))
    }
}

struct Blocks {
    coefficients: Vec<(i32, i32)>,
    microsoft: bool,
    /// Where the last block ended, by each of the two ways of IMA's variant.
    ends: Option<[Vec<i32>; 2]>,
    /// How far that was from where the next began, all blocks together.
    drift: [u64; 2],
    /// Samples of a block per channel; 0 where the file does not say.
    most: usize,
    sample_rate: u32,
    channels: u16,
}

impl DecodePacket for Blocks {
    fn decode(&mut self, packet: &Packet) -> Result<PcmBlock, MediaError> {
        let channels = usize::from(self.channels);
        let decoded = if self.microsoft {
            microsoft(&packet.data, channels, &self.coefficients)
        } else {
            self.ima(&packet.data, channels)
        };
        let mut samples = decoded
            .ok_or_else(|| malformed(Codec::Adpcm, "a block that is shorter than its header"))?;
        if self.most > 0 {
            samples.truncate(self.most.saturating_mul(channels));
        }
        Ok(PcmBlock {
            sample_rate: self.sample_rate,
            channels: self.channels,
            samples,
            timestamp_us: packet.timestamp_us,
        })
    }
}

impl Blocks {
    /// A block of IMA's variant, by the way that the blocks before it speak for.
    fn ima(&mut self, block: &[u8], channels: usize) -> Option<Vec<i16>> {
        let (added, added_end) = ima(block, channels, Rounding::Each)?;
        let (multiplied, multiplied_end) = ima(block, channels, Rounding::Once)?;
        for (drift, end) in self.drift.iter_mut().zip(self.ends.iter().flatten()) {
            for (end, start) in end.iter().zip(&added) {
                let apart = end.abs_diff((*start).into());
                *drift = drift.saturating_add(apart.into());
            }
        }
        self.ends = Some([added_end, multiplied_end]);
        let [added_drift, multiplied_drift] = self.drift;
        Some(if multiplied_drift < added_drift {
            multiplied
        } else {
            added
        })
    }
}

/// How the shares of a step are rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    /// Every share by itself, as IMA recommends.
    Each,
    /// Their sum.
    Once,
}

/// The state of one channel of IMA's variant.
struct Ima {
    predictor: i32,
    index: usize,
    rounding: Rounding,
}

impl Ima {
    fn next(&mut self, nibble: u8) -> i16 {
        let step = STEPS.get(self.index).copied().unwrap_or(0);
        let mut difference = step >> 3;
        match self.rounding {
            Rounding::Each => {
                for (bit, share) in [(4, step), (2, step >> 1), (1, step >> 2)] {
                    if nibble & bit != 0 {
                        difference += share;
                    }
                }
            }
            Rounding::Once => difference = ((i32::from(nibble & 7) * 2 + 1) * step) >> 3,
        }
        let signed = if nibble & 8 == 0 {
            difference
        } else {
            -difference
        };
        self.predictor = clamp(self.predictor + signed).into();
        self.index = match nibble & 7 {
            n @ 4.. => (self.index + usize::from(n - 3) * 2).min(STEPS.len() - 1),
            _ => self.index.saturating_sub(1),
        };
        clamp(self.predictor)
    }
}

/// A block of IMA's variant: a header of each channel, then eight samples of each in turn, the
/// low half of an octet first. With it the samples that the channels end at.
fn ima(block: &[u8], channels: usize, rounding: Rounding) -> Option<(Vec<i16>, Vec<i32>)> {
    let (header, body) = block.split_at_checked(channels.checked_mul(4)?)?;
    let mut states = Vec::new();
    let mut out = Vec::new();
    for fields in header.chunks_exact(4) {
        let &[low, high, index, _] = fields.first_chunk::<4>()?;
        let first = i16::from_le_bytes([low, high]);
        out.push(first);
        states.push(Ima {
            predictor: first.into(),
            index: usize::from(index).min(STEPS.len() - 1),
            rounding,
        });
    }
    for group in body.chunks_exact(channels.checked_mul(4)?) {
        let mut planes = Vec::new();
        for (state, octets) in states.iter_mut().zip(group.chunks_exact(4)) {
            let halves = octets.iter().flat_map(|octet| [octet & 15, octet >> 4]);
            planes.push(halves.map(|nibble| state.next(nibble)).collect::<Vec<_>>());
        }
        for at in 0..8 {
            out.extend(planes.iter().filter_map(|plane| plane.get(at)));
        }
    }
    let ends = states.iter().map(|state| state.predictor).collect();
    Some((out, ends))
}

/// The state of one channel of Microsoft's variant.
struct Microsoft {
    coefficients: (i32, i32),
    delta: i32,
    last: i32,
    before: i32,
}

impl Microsoft {
    fn next(&mut self, nibble: u8) -> i16 {
        let signed = i32::from(nibble) - if nibble & 8 == 0 { 0 } else { 16 };
        let (first, second) = self.coefficients;
        let predicted = (self.last * first + self.before * second) / 256;
        let sample = clamp(predicted.saturating_add(signed.saturating_mul(self.delta)));
        self.before = self.last;
        self.last = sample.into();
        let adaption = ADAPTION.get(usize::from(nibble)).copied().unwrap_or(230);
        self.delta = (self.delta.saturating_mul(adaption) >> 8).clamp(16, 1 << 20);
        sample
    }
}

/// A block of Microsoft's variant: the fields of all channels, each kind together, then a sample
/// of each channel in turn, the high half of an octet first.
fn microsoft(block: &[u8], channels: usize, table: &[(i32, i32)]) -> Option<Vec<i16>> {
    let (header, body) = block.split_at_checked(channels.checked_mul(7)?)?;
    let word = |at: usize| {
        let octets = header.get(at..)?.first_chunk::<2>()?;
        Some(i16::from_le_bytes(*octets))
    };
    let mut states = Vec::new();
    for channel in 0..channels {
        let field = |kind: usize| word(channels + (kind * channels + channel) * 2);
        let choice = usize::from(*header.get(channel)?);
        states.push(Microsoft {
            coefficients: *table.get(choice).or(table.first())?,
            delta: i32::from(field(0)?).max(16),
            last: field(1)?.into(),
            before: field(2)?.into(),
        });
    }
    let mut out = Vec::new();
    out.extend(states.iter().map(|state| clamp(state.before)));
    out.extend(states.iter().map(|state| clamp(state.last)));
    let halves = body.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    for (place, nibble) in halves.enumerate() {
        out.push(states.get_mut(place % channels)?.next(nibble));
    }
    out.truncate(out.len() - out.len() % channels);
    Some(out)
}

/// The pairs of coefficients: those of the format chunk, behind the samples of a block and their
/// number; the seven that all files have where it is cut short.
fn coefficients(extra: &[u8]) -> Vec<(i32, i32)> {
    let stated: Vec<(i32, i32)> = extra
        .get(4..)
        .unwrap_or_default()
        .chunks_exact(4)
        .take(256)
        .filter_map(|pair| {
            let &[a, b, c, d] = pair.first_chunk::<4>()?;
            let first = i16::from_le_bytes([a, b]);
            Some((first.into(), i16::from_le_bytes([c, d]).into()))
        })
        .collect();
    if stated.len() < COEFFICIENTS.len() {
        COEFFICIENTS.to_vec()
    } else {
        stated
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the value was clamped to 16 bits"
)]
fn clamp(sample: i32) -> i16 {
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

const COEFFICIENTS: [(i32, i32); 7] = [
    (256, 0),
    (512, -256),
    (0, 0),
    (192, 64),
    (240, 0),
    (460, -208),
    (392, -232),
];

const ADAPTION: [i32; 16] = [
    230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230,
];

/// IMA's steps (Recommended Practices for Enhancing Digital Audio Compatibility, section 6).
const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66,
    73, 80, 88, 97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449,
    494, 544, 598, 658, 724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272,
    2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493,
    10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_the_samples_of_their_headers_first() {
        let block = [0x10, 0x00, 0, 0, 0xF0, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let (samples, _) = ima(&block, 2, Rounding::Each).unwrap();
        assert_eq!(samples[..2], [16, -16]);
        assert_eq!(samples.len(), 18);
        let mut block = vec![0, 16, 0, 2, 0, 1, 0];
        block.extend([0; 4]);
        let samples = microsoft(&block, 1, &COEFFICIENTS).unwrap();
        assert_eq!(samples[..2], [1, 2], "the older sample is heard first");
        assert_eq!(samples.len(), 10);
    }

    #[test]
    fn no_block_is_too_short_or_too_wild() {
        for length in 0..40 {
            for octet in [0_u8, 0x7F, 0x88, 0xFF] {
                for channels in [1, 2] {
                    let block = vec![octet; length];
                    let _ = ima(&block, channels, Rounding::Once);
                    let wild = [(i16::MAX.into(), i16::MIN.into())];
                    let _ = microsoft(&block, channels, &wild);
                }
            }
        }
    }
}

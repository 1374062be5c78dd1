//! Reads IMA ADPCM as RIFF WAVE has it, format tag 0x11 (IMA Recommended Practices for Enhancing Digital
//! Audio Compatibility, revision 3.00, section 6; Microsoft's Multimedia Standards Update, 3.2.2).
//!
//! A block begins with four octets for each channel: the first sample, and the place in the table of
//! steps. Then come four octets of eight samples for the first channel, four for the second, and so on.

use remold_plugin::{
    About, AudioDecoder, AudioFormat, Codec, Error, Limits, Options, Packet, Track,
};

/// The format tag of the Microsoft registry.
const IMA: u16 = 0x0011;

/// IMA table 2.
const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66,
    73, 80, 88, 97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449,
    494, 544, 598, 658, 724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272,
    2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493,
    10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
];

/// IMA table 1.
const MOVES: [i32; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];

/// A track.
struct Ima {
    format: AudioFormat,
    /// Samples of a block for each channel; 0 where the file does not say.
    block_samples: usize,
    left: u64,
}

impl AudioDecoder for Ima {
    fn about() -> About {
        About {
            name: "ima-adpcm",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "",
            codec: Codec {
                id: "adpcm",
                ..Codec::default()
            },
        }
    }

    fn open(track: &Track, limits: &Limits, _options: &Options) -> Result<Self, Error> {
        let Some(&[tag, tag_high, _, _, samples, samples_high]) = track.config.first_chunk() else {
            return Err(Error::Malformed("no configuration".to_owned()));
        };
        if u16::from_le_bytes([tag, tag_high]) != IMA {
            return Err(Error::Unsupported("ADPCM that is not IMA's".to_owned()));
        }
        if !matches!(track.format.channels, 1 | 2) {
            return Err(Error::Unsupported("more than two channels".to_owned()));
        }
        Ok(Self {
            format: track.format,
            block_samples: usize::from(u16::from_le_bytes([samples, samples_high])),
            left: limits.max_samples,
        })
    }

    fn format(&self) -> Option<AudioFormat> {
        Some(self.format)
    }

    fn push(&mut self, packet: &Packet) -> Result<Vec<i16>, Error> {
        let samples = block(&packet.data, usize::from(self.format.channels)).ok_or_else(|| {
            Error::Malformed("a block that is shorter than its header".to_owned())
        })?;
        self.left = self
            .left
            .checked_sub(samples.len() as u64)
            .ok_or_else(|| Error::Limit("max-samples".to_owned()))?;
        let mut samples = samples;
        if self.block_samples > 0 {
            samples.truncate(self.block_samples * usize::from(self.format.channels));
        }
        Ok(samples)
    }
}

remold_plugin::audio_decoder!(Ima);

/// What a channel is at.
#[derive(Clone, Copy)]
struct State {
    sample: i32,
    place: i32,
}

impl State {
    /// The next sample, of four bits.
    fn next(&mut self, bits: u8) -> i16 {
        let step = STEPS[self.place as usize];
        let mut change = step >> 3;
        for (bit, share) in [(4, step), (2, step >> 1), (1, step >> 2)] {
            if bits & bit != 0 {
                change += share;
            }
        }
        let sample = if bits & 8 != 0 {
            self.sample - change
        } else {
            self.sample + change
        };
        self.sample = sample.clamp(-0x8000, 0x7FFF);
        self.place = (self.place + MOVES[usize::from(bits & 7)]).clamp(0, 88);
        self.sample as i16
    }
}

/// The samples of a block, channels interleaved.
fn block(data: &[u8], channels: usize) -> Option<Vec<i16>> {
    let (head, body) = data.split_at_checked(channels * 4)?;
    let mut states: Vec<State> = head
        .chunks_exact(4)
        .map(|head| State {
            sample: i32::from(i16::from_le_bytes([head[0], head[1]])),
            place: i32::from(head[2].min(88)),
        })
        .collect();
    let mut samples: Vec<i16> = states.iter().map(|state| state.sample as i16).collect();
    for group in body.chunks_exact(channels * 4) {
        let mut eight = vec![0_i16; channels * 8];
        for (channel, (state, octets)) in states.iter_mut().zip(group.chunks_exact(4)).enumerate() {
            for (at, octet) in octets.iter().enumerate() {
                eight[at * 2 * channels + channel] = state.next(octet & 15);
                eight[(at * 2 + 1) * channels + channel] = state.next(octet >> 4);
            }
        }
        samples.extend(eight);
    }
    Some(samples)
}

//! Reads and writes AMR (3GPP TS 26.071) with the C library opencore-amr, in the sandbox.
//!
//! Packets are what a track of AMR holds: whole frames, each behind its table-of-contents octet
//! (RFC 4867 section 5.3).

mod ffi;

use remold_plugin::{
    About, AudioDecoder, AudioEncoder, AudioFormat, Codec, Coded, Error, Limits, OptionSpec,
    Options, Packet, Track,
};

/// Samples of a frame.
const FRAME: usize = 160;

/// Bits per second of the modes, by mode.
const RATES: [i64; 8] = [4_750, 5_150, 5_900, 6_700, 7_400, 7_950, 10_200, 12_200];

/// Octets of a frame behind its first, by frame type: the modes, silence, and what has none (TS
/// 26.101 table 1a).
const OCTETS: [usize; 16] = [12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, 0, 0, 0, 0];

const FORMAT: AudioFormat = AudioFormat {
    rate: 8_000,
    channels: 1,
};

fn about(options: Vec<OptionSpec>) -> About {
    About {
        name: "amr-nb",
        version: env!("CARGO_PKG_VERSION"),
        license: "MIT OR Apache-2.0",
        homepage: "https://sourceforge.net/projects/opencore-amr/",
        codec: Codec {
            id: "amr-nb",
            options,
            ..Codec::default()
        },
    }
}

/// A track being read.
struct Reader {
    decoder: ffi::Decoder,
    left: u64,
}

impl AudioDecoder for Reader {
    fn about() -> About {
        about(Vec::new())
    }

    fn open(_track: &Track, limits: &Limits, _options: &Options) -> Result<Self, Error> {
        Ok(Self {
            decoder: ffi::Decoder::new().ok_or_else(no_memory)?,
            left: limits.max_samples,
        })
    }

    fn format(&self) -> Option<AudioFormat> {
        Some(FORMAT)
    }

    fn push(&mut self, packet: &Packet) -> Result<Vec<i16>, Error> {
        let mut rest = packet.data.as_slice();
        let mut samples = Vec::new();
        while let Some(&toc) = rest.first() {
            let length = 1 + OCTETS[usize::from(toc >> 3 & 15)];
            let Some((octets, behind)) = rest.split_at_checked(length) else {
                break;
            };
            rest = behind;
            self.left = self
                .left
                .checked_sub(FRAME as u64)
                .ok_or_else(|| Error::Limit("max-samples".to_owned()))?;
            // The library reads as many octets as the longest frame has.
            let mut frame = [0; 32];
            frame[..length].copy_from_slice(octets);
            samples.extend(self.decoder.decode(&frame, toc & 4 == 0));
        }
        if samples.is_empty() {
            return Err(Error::Malformed(
                "a sample without a whole frame".to_owned(),
            ));
        }
        Ok(samples)
    }
}

/// A track being written.
struct Writer {
    encoder: ffi::Encoder,
    mode: i32,
    pending: Vec<i16>,
    frames: i64,
}

impl AudioEncoder for Writer {
    fn about() -> About {
        about(vec![OptionSpec::int(
            "bit-rate",
            "bits per second; the highest mode that needs no more",
            12_200,
            1,
            i64::MAX,
        )])
    }

    fn open(format: &AudioFormat, _limits: &Limits, options: &Options) -> Result<Self, Error> {
        if (format.rate, format.channels) != (FORMAT.rate, FORMAT.channels) {
            return Err(Error::Unsupported(format!(
                "AMR of {} Hz in {} channels",
                format.rate, format.channels
            )));
        }
        let rate = options.int("bit-rate").unwrap_or(12_200);
        let fitting = RATES.iter().filter(|mode| **mode <= rate).count();
        Ok(Self {
            encoder: ffi::Encoder::new().ok_or_else(no_memory)?,
            mode: fitting.saturating_sub(1) as i32,
            pending: Vec::new(),
            frames: 0,
        })
    }

    fn coded(&self) -> Coded {
        Coded {
            config: Vec::new(),
            priming: 0,
            packet_samples: FRAME as u32,
        }
    }

    fn push(&mut self, pcm: &[i16]) -> Result<Vec<Packet>, Error> {
        self.pending.extend_from_slice(pcm);
        let pending = std::mem::take(&mut self.pending);
        let (frames, rest) = pending.as_chunks::<FRAME>();
        self.pending = rest.to_vec();
        Ok(frames.iter().map(|frame| self.code(frame)).collect())
    }

    // The last frame is filled up with silence.
    fn finish(&mut self) -> Result<Vec<Packet>, Error> {
        if self.pending.is_empty() {
            return Ok(Vec::new());
        }
        let mut frame = [0; FRAME];
        frame[..self.pending.len()].copy_from_slice(&self.pending);
        self.pending.clear();
        Ok(vec![self.code(&frame)])
    }
}

impl Writer {
    fn code(&mut self, frame: &[i16; FRAME]) -> Packet {
        let pts_us = self.frames * 20_000;
        self.frames += 1;
        Packet {
            data: self.encoder.encode(self.mode, frame),
            pts_us,
            keyframe: true,
        }
    }
}

fn no_memory() -> Error {
    Error::Internal("no memory for a state".to_owned())
}

remold_plugin::audio_codec!(Reader, Writer);

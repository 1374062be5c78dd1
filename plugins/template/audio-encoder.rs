//! Writes µ-law, the simplest of the codecs of sound (ITU-T G.711). Make it yours.

use remold_plugin::{
    About, AudioEncoder, AudioFormat, Codec, Coded, Error, Limits, OptionSpec, Options, Packet,
};

/// Samples per channel of a packet.
const PACKET: usize = 160;

/// A track being written.
struct Sound {
    format: AudioFormat,
    /// Samples that wait for a packet to be full.
    pending: Vec<i16>,
    packets: i64,
}

impl AudioEncoder for Sound {
    fn about() -> About {
        About {
            name: "NAME",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "",
            codec: Codec {
                // One of the names of `remold plugin list --names`.
                id: "ulaw",
                // The host sets this where it has a rate in mind; this codec has but one.
                options: vec![OptionSpec::int(
                    "bit-rate",
                    "bits per second",
                    64_000,
                    1,
                    10_000_000,
                )],
                ..Codec::default()
            },
        }
    }

    fn open(format: &AudioFormat, _limits: &Limits, _options: &Options) -> Result<Self, Error> {
        Ok(Self {
            format: *format,
            pending: Vec::new(),
            packets: 0,
        })
    }

    fn coded(&self) -> Coded {
        Coded {
            config: Vec::new(),
            priming: 0,
            packet_samples: PACKET as u32,
        }
    }

    fn push(&mut self, pcm: &[i16]) -> Result<Vec<Packet>, Error> {
        self.pending.extend_from_slice(pcm);
        let whole = PACKET * usize::from(self.format.channels);
        let mut packets = Vec::new();
        while self.pending.len() >= whole {
            let samples: Vec<i16> = self.pending.drain(..whole).collect();
            packets.push(self.packet(&samples));
        }
        Ok(packets)
    }

    // The last packet is filled up with silence.
    fn finish(&mut self) -> Result<Vec<Packet>, Error> {
        if self.pending.is_empty() {
            return Ok(Vec::new());
        }
        let mut samples = std::mem::take(&mut self.pending);
        samples.resize(PACKET * usize::from(self.format.channels), 0);
        Ok(vec![self.packet(&samples)])
    }
}

impl Sound {
    fn packet(&mut self, samples: &[i16]) -> Packet {
        let pts_us = self.packets * PACKET as i64 * 1_000_000 / i64::from(self.format.rate);
        self.packets += 1;
        Packet {
            data: samples.iter().map(|&sample| octet(sample)).collect(),
            pts_us,
            keyframe: true,
        }
    }
}

remold_plugin::audio_encoder!(Sound);

/// G.711 table 2a.
fn octet(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs() + 0x84).min(0x7FFF);
    let exponent = (0..8)
        .rev()
        .find(|&at| magnitude >= 0x80 << at)
        .unwrap_or(0);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}

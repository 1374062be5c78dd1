//! Reads µ-law, the simplest of the codecs of sound (ITU-T G.711). Make it yours.

use remold_plugin::{
    About, AudioDecoder, AudioFormat, Codec, Error, Limits, Options, Packet, Track,
};

/// A track being read.
struct Sound {
    format: AudioFormat,
    left: u64,
}

impl AudioDecoder for Sound {
    fn about() -> About {
        About {
            name: "NAME",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "",
            codec: Codec {
                // One of the names of `remold plugin list --names`.
                id: "ulaw",
                ..Codec::default()
            },
        }
    }

    fn open(track: &Track, limits: &Limits, _options: &Options) -> Result<Self, Error> {
        Ok(Self {
            format: track.format,
            left: limits.max_samples,
        })
    }

    fn format(&self) -> Option<AudioFormat> {
        Some(self.format)
    }

    fn push(&mut self, packet: &Packet) -> Result<Vec<i16>, Error> {
        self.left = self
            .left
            .checked_sub(packet.data.len() as u64)
            .ok_or_else(|| Error::Limit("max-samples".to_owned()))?;
        Ok(packet.data.iter().map(|&octet| sample(octet)).collect())
    }
}

remold_plugin::audio_decoder!(Sound);

/// G.711 table 2a.
fn sample(octet: u8) -> i16 {
    let bits = !octet;
    let magnitude = ((i16::from(bits & 0x0F) << 3) + 0x84 << (bits >> 4 & 7)) - 0x84;
    if bits & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

//! Reads and writes H.264 with Cisco's OpenH264, which is C++, in the sandbox.
//!
//! It writes Constrained Baseline and reads 4:2:0 at eight bits in pictures of frames.

mod ffi;

use remold_plugin::{
    About, Codec, Dimensions, Error, Limits, OptionSpec, Options, Packet, VideoDecoder,
    VideoEncoder, VideoPicture, VideoTrack, check_size,
};

fn about(options: Vec<OptionSpec>) -> About {
    About {
        name: "openh264",
        version: env!("CARGO_PKG_VERSION"),
        license: "BSD-2-Clause AND (MIT OR Apache-2.0)",
        homepage: "https://www.openh264.org/",
        codec: Codec {
            id: "h264",
            options,
            ..Codec::default()
        },
    }
}

/// A track being read.
struct Reader {
    decoder: ffi::Decoder,
    /// Octets of the length in front of each NAL unit; `None` for start codes.
    length: Option<usize>,
    /// Parameter sets that go in front of the first unit.
    pending: Vec<u8>,
    limits: Limits,
}

impl VideoDecoder for Reader {
    fn about() -> About {
        about(Vec::new())
    }

    fn open(track: &VideoTrack, limits: &Limits, _options: &Options) -> Result<Self, Error> {
        check_size(track.size.width, track.size.height, limits)?;
        let mut reader = Self {
            decoder: ffi::Decoder::new().ok_or_else(|| internal("no decoder"))?,
            length: None,
            pending: Vec::new(),
            limits: *limits,
        };
        if !track.config.is_empty() {
            let cut = || Error::Malformed("an avcC that is cut".to_owned());
            reader.configure(&track.config).ok_or_else(cut)?;
        }
        Ok(reader)
    }

    fn push(&mut self, unit: &Packet) -> Result<Vec<VideoPicture>, Error> {
        let mut units = std::mem::take(&mut self.pending);
        match self.length {
            None => units.extend_from_slice(&unit.data),
            Some(length) => {
                let mut rest = unit.data.as_slice();
                while let Some((octets, behind)) = rest.split_at_checked(length) {
                    let size = octets
                        .iter()
                        .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
                    let size = size.min(behind.len());
                    put(&mut units, &behind[..size]);
                    rest = &behind[size..];
                }
            }
        }
        let time = u64::try_from(unit.pts_us).unwrap_or(0);
        let first = self.decoder.push(&units, time);
        // A unit is decoded when it is known to be whole: nothing behind it says so.
        let second = self.decoder.push(&[], time);
        let pictures: Vec<_> = [&first, &second]
            .into_iter()
            .filter_map(|made| made.as_ref().ok()?.as_ref())
            .collect();
        if pictures.is_empty() && (first.is_err() || second.is_err()) {
            return Err(Error::Malformed("a unit that does not decode".to_owned()));
        }
        [first, second]
            .into_iter()
            .filter_map(|made| made.ok()?)
            .map(|picture| self.shown(picture))
            .collect()
    }

    fn finish(&mut self) -> Result<Vec<VideoPicture>, Error> {
        let mut pictures = Vec::new();
        while let Some(picture) = self.decoder.flush() {
            pictures.push(self.shown(picture)?);
        }
        Ok(pictures)
    }
}

impl Reader {
    /// Takes an avcC (ISO/IEC 14496-15 section 5.3.3.1).
    fn configure(&mut self, config: &[u8]) -> Option<()> {
        let (&[_, _, _, _, length, sets], mut rest) = config.split_first_chunk()?;
        self.length = Some(usize::from(length & 3) + 1);
        let mut count = sets & 0x1F;
        for last in [false, true] {
            for _ in 0..count {
                let (size, behind) = rest.split_first_chunk()?;
                let size = usize::from(u16::from_be_bytes(*size));
                put(&mut self.pending, behind.get(..size)?);
                rest = &behind[size..];
            }
            if !last {
                let (next, behind) = rest.split_first()?;
                (count, rest) = (*next, behind);
            }
        }
        Some(())
    }

    fn shown(&self, picture: ffi::Decoded) -> Result<VideoPicture, Error> {
        Ok(VideoPicture {
            size: check_size(picture.width, picture.height, &self.limits)?,
            i420: picture.i420,
            pts_us: i64::try_from(picture.time).unwrap_or(0),
        })
    }
}

fn put(units: &mut Vec<u8>, unit: &[u8]) {
    units.extend([0, 0, 0, 1]);
    units.extend_from_slice(unit);
}

/// A track being written.
struct Writer {
    encoder: ffi::Encoder,
}

impl VideoEncoder for Writer {
    fn about() -> About {
        about(vec![
            OptionSpec::int("bit-rate", "bits per second", 400_000, 1, 1_000_000_000),
            OptionSpec::int("level", "the highest level, times ten", 30, 9, 52),
        ])
    }

    fn open(
        size: Dimensions,
        fps: (u32, u32),
        _limits: &Limits,
        options: &Options,
    ) -> Result<Self, Error> {
        if size.width % 2 != 0 || size.height % 2 != 0 {
            return Err(Error::Unsupported("an odd side".to_owned()));
        }
        let fps = fps.0 as f32 / fps.1.max(1) as f32;
        let encoder = ffi::Encoder::new(&ffi::Wanted {
            width: size.width,
            height: size.height,
            fps,
            bit_rate: options.int("bit-rate").unwrap_or(400_000),
            level: options.int("level").unwrap_or(30),
            // Ten seconds.
            key_every: (fps * 10.0).round().max(1.0) as u32,
        });
        let refused =
            || Error::Unsupported("a size, rate or level that OpenH264 refuses".to_owned());
        Ok(Self {
            encoder: encoder.ok_or_else(refused)?,
        })
    }

    fn push(&mut self, i420: &[u8], pts_us: i64, force_key: bool) -> Result<Vec<Packet>, Error> {
        let made = self
            .encoder
            .push(i420, pts_us / 1_000, force_key)
            .map_err(|()| internal("a frame that OpenH264 cannot code"))?;
        let packet = made.map(|(data, keyframe)| Packet {
            data,
            pts_us,
            keyframe,
        });
        Ok(packet.into_iter().collect())
    }
}

fn internal(what: &str) -> Error {
    Error::Internal(what.to_owned())
}

remold_plugin::video_codec!(Reader, Writer);

//! Reads H.264 that is not compressed at all: intra pictures of macroblocks as they are, in mode I_PCM
//! (ITU-T H.264 clause 7.3.5), as the template of an encoder writes them. Make it yours.

use remold_plugin::{
    About, Codec, Dimensions, Error, Limits, Options, Packet, VideoDecoder, VideoPicture,
    VideoTrack, check_size,
};

/// A track being read.
struct Film {
    size: Dimensions,
    /// Octets of the length in front of each NAL unit.
    length: usize,
}

impl VideoDecoder for Film {
    fn about() -> About {
        About {
            name: "NAME",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "",
            codec: Codec {
                // One of the names of `remold plugin list --names`.
                id: "h264",
                ..Codec::default()
            },
        }
    }

    // `track.config` is what the container says of the codec, here an avcC. Check what it asks for
    // before anything is allocated.
    fn open(track: &VideoTrack, limits: &Limits, _options: &Options) -> Result<Self, Error> {
        let length = track
            .config
            .get(4)
            .map_or(4, |octet| usize::from(octet & 3) + 1);
        let size = check_size(track.size.width, track.size.height, limits)?;
        if size.width % 16 != 0 || size.height % 16 != 0 {
            return Err(Error::Unsupported("cropped pictures".to_owned()));
        }
        Ok(Self { size, length })
    }

    // An access unit in, the pictures that are ready out, in the order they are shown.
    fn push(&mut self, unit: &Packet) -> Result<Vec<VideoPicture>, Error> {
        let mut rest = unit.data.as_slice();
        let mut pictures = Vec::new();
        while let Some((length, behind)) = rest.split_at_checked(self.length) {
            let length = length
                .iter()
                .fold(0_usize, |sum, octet| sum << 8 | usize::from(*octet));
            let Some((nal, behind)) = behind.split_at_checked(length) else {
                return Err(malformed("a unit that is cut"));
            };
            rest = behind;
            match nal.first().map(|header| header & 0x1F) {
                Some(5) => pictures.push(VideoPicture {
                    size: self.size,
                    i420: self.picture(&nal[1..])?,
                    pts_us: unit.pts_us,
                }),
                Some(1) => {
                    return Err(Error::Unsupported(
                        "pictures that lean on others".to_owned(),
                    ));
                }
                _ => {}
            }
        }
        Ok(pictures)
    }
}

remold_plugin::video_decoder!(Film);

impl Film {
    /// Y, then Cb, then Cr, 4:2:0, no padding.
    fn picture(&self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let data = unescaped(payload);
        let mut bits = Bits { data: &data, at: 0 };
        let cut = || malformed("a slice that is cut");
        // first_mb, slice_type, pps; frame_num in four bits; idr_pic_id; two flags; slice_qp_delta.
        let whole = bits.ue() == Some(0);
        let intra = matches!(bits.ue(), Some(2 | 7)) && bits.ue().is_some();
        bits.at += 4;
        if !(whole && intra && bits.ue().is_some()) {
            return Err(Error::Unsupported(
                "a slice that is no whole intra picture".to_owned(),
            ));
        }
        bits.at += 2;
        bits.ue().ok_or_else(cut)?;
        let mut i420 = vec![0; width * height * 3 / 2];
        let (y, chroma) = i420.split_at_mut(width * height);
        let (cb, cr) = chroma.split_at_mut(width * height / 4);
        for row in 0..height / 16 {
            for column in 0..width / 16 {
                if bits.ue().ok_or_else(cut)? != 25 {
                    return Err(Error::Unsupported(
                        "macroblocks that are compressed".to_owned(),
                    ));
                }
                for (plane, side) in [(&mut *y, 16), (&mut *cb, 8), (&mut *cr, 8)] {
                    let stride = width / (16 / side);
                    for line in 0..side {
                        let from = bits.octets(side).ok_or_else(cut)?;
                        let start = (row * side + line) * stride + column * side;
                        plane[start..start + side].copy_from_slice(from);
                    }
                }
            }
        }
        Ok(i420)
    }
}

fn malformed(what: &str) -> Error {
    Error::Malformed(what.to_owned())
}

/// The payload of a NAL unit without the octets that keep start codes out of it.
fn unescaped(payload: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &octet in payload {
        if zeros >= 2 && octet == 3 {
            zeros = 0;
            continue;
        }
        zeros = if octet == 0 { zeros + 1 } else { 0 };
        data.push(octet);
    }
    data
}

/// Bits, the most significant first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn bit(&mut self) -> Option<u32> {
        let octet = self.data.get(self.at / 8)?;
        let bit = octet >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit.into())
    }

    /// An unsigned Exp-Golomb code (ITU-T H.264 clause 9.1).
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
        }
        let mut value = 1_u32;
        for _ in 0..zeros {
            value = value.checked_mul(2)? | self.bit()?;
        }
        Some(value - 1)
    }

    /// The next whole octets.
    fn octets(&mut self, count: usize) -> Option<&'a [u8]> {
        let start = self.at.div_ceil(8);
        self.at = (start + count) * 8;
        self.data.get(start..start + count)
    }
}

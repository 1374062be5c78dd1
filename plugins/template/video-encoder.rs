//! Writes H.264 that is not compressed at all: every macroblock as it is, in mode I_PCM (ITU-T H.264
//! clause 7.3.5). Make it yours.

use remold_plugin::{
    About, Codec, Dimensions, Error, Limits, OptionSpec, Options, Packet, VideoEncoder,
};

/// A track being written.
struct Film {
    size: Dimensions,
    level: u8,
}

impl VideoEncoder for Film {
    fn about() -> About {
        About {
            name: "NAME",
            version: env!("CARGO_PKG_VERSION"),
            license: "MIT OR Apache-2.0",
            homepage: "",
            codec: Codec {
                // One of the names of `remold plugin list --names`.
                id: "h264",
                // The host sets these two where a codec describes them.
                options: vec![
                    OptionSpec::int("bit-rate", "bits per second", 400_000, 1, 1_000_000_000),
                    OptionSpec::int("level", "the highest level, times ten", 30, 9, 62),
                ],
                ..Codec::default()
            },
        }
    }

    fn open(
        size: Dimensions,
        _fps: (u32, u32),
        _limits: &Limits,
        options: &Options,
    ) -> Result<Self, Error> {
        if size.width % 16 != 0 || size.height % 16 != 0 {
            return Err(Error::Unsupported(
                "sides that are not of whole macroblocks".to_owned(),
            ));
        }
        // Level 1b is written as 1 here.
        let level = match options.int("level").unwrap_or(30) {
            9 => 10,
            other => other as u8,
        };
        Ok(Self { size, level })
    }

    // The parameter sets: they go in front of every key packet.
    fn config(&self) -> Vec<u8> {
        let mut sps = Bits::default();
        // seq_parameter_set_id, log2_max_frame_num_minus4, pic_order_cnt_type 2, no references.
        for value in [0, 0, 2, 0] {
            sps.ue(value);
        }
        sps.put(0, 1);
        sps.ue(self.size.width / 16 - 1);
        sps.ue(self.size.height / 16 - 1);
        // Frames only, direct_8x8_inference_flag; no cropping, no VUI.
        sps.put(0b1100, 4);
        let mut pps = Bits::default();
        // Identifiers 0; CAVLC; one slice group; one reference of each list.
        pps.ue(0);
        pps.ue(0);
        pps.put(0, 2);
        for value in [0, 0, 0] {
            pps.ue(value);
        }
        // No weights; quantisers as they are; no deblocking control, no constraint, no redundancy.
        pps.put(0, 3);
        for value in [0, 0, 0] {
            pps.ue(value);
        }
        pps.put(0, 3);
        let mut config = unit(&[0x67, 66, 0xC0, self.level], sps);
        config.extend(unit(&[0x68], pps));
        config
    }

    fn push(&mut self, i420: &[u8], pts_us: i64, _force_key: bool) -> Result<Vec<Packet>, Error> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let (y, chroma) = i420.split_at(width * height);
        let (cb, cr) = chroma.split_at(width * height / 4);
        let mut slice = Bits::default();
        // first_mb, slice_type I, pps, frame_num in four bits, idr_pic_id; then two flags of marking,
        // and slice_qp_delta.
        slice.ue(0);
        slice.ue(7);
        slice.ue(0);
        slice.put(0, 4);
        slice.ue((pts_us % 2) as u32);
        slice.put(0, 2);
        slice.ue(0);
        for row in 0..height / 16 {
            for column in 0..width / 16 {
                // mb_type I_PCM, and zeros up to the next octet.
                slice.ue(25);
                slice.align();
                slice.block(y, width, (column, row), 16);
                slice.block(cb, width / 2, (column, row), 8);
                slice.block(cr, width / 2, (column, row), 8);
            }
        }
        Ok(vec![Packet {
            data: unit(&[0x65], slice),
            pts_us,
            keyframe: true,
        }])
    }
}

remold_plugin::video_encoder!(Film);

/// Bits, the most significant first.
#[derive(Default)]
struct Bits {
    octets: Vec<u8>,
    /// Bits of the last octet that are free.
    free: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for at in (0..count).rev() {
            if self.free == 0 {
                self.octets.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.octets.last_mut() {
                *last |= ((value >> at & 1) as u8) << self.free;
            }
        }
    }

    /// An unsigned Exp-Golomb code (ITU-T H.264 clause 9.1).
    fn ue(&mut self, value: u32) {
        let bits = 32 - (value + 1).leading_zeros();
        self.put(0, bits - 1);
        self.put(value + 1, bits);
    }

    fn align(&mut self) {
        self.free = 0;
    }

    fn block(&mut self, plane: &[u8], stride: usize, at: (usize, usize), side: usize) {
        for row in plane.chunks_exact(stride).skip(at.1 * side).take(side) {
            self.octets.extend_from_slice(&row[at.0 * side..][..side]);
        }
    }
}

/// A NAL unit: start code, header, payload with its stop bit, and a 3 wherever a start code could be
/// seen.
fn unit(header: &[u8], mut payload: Bits) -> Vec<u8> {
    payload.put(1, 1);
    let mut unit = vec![0, 0, 0, 1, header[0]];
    let mut zeros = 0;
    for &octet in header[1..].iter().chain(&payload.octets) {
        if zeros >= 2 && octet <= 3 {
            unit.push(3);
            zeros = 0;
        }
        zeros = if octet == 0 { zeros + 1 } else { 0 };
        unit.push(octet);
    }
    unit
}

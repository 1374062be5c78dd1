//! Levels of the codecs that are written: what they bound.

use crate::dimensions::Dimensions;
use crate::media::info::Codec;

/// The bounds of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media::video) struct Level {
    /// Its number, as [`VideoTrack::level`](crate::media::VideoTrack::level) counts.
    pub(in crate::media::video) number: u16,
    /// Macroblocks of 16 by 16 in one picture.
    pub(in crate::media::video) frame: u64,
    /// Macroblocks per second.
    pub(in crate::media::video) rate: u64,
    /// Bits per second.
    pub(in crate::media::video) bits: u64,
}

impl Level {
    const fn new(number: u16, frame: u64, rate: u64, bits: u64) -> Self {
        Self {
            number,
            frame,
            rate,
            bits,
        }
    }

    /// The levels of a codec that is written, the lowest first; empty for any other codec.
    pub(in crate::media::video) const fn all(codec: Codec) -> &'static [Self] {
        match codec {
            Codec::H263 => &H263,
            Codec::Mpeg4Visual => &MPEG4,
            Codec::H264 => &H264,
            Codec::Av1 => &AV1,
            _ => &[],
        }
    }

    /// The highest level that `number` allows.
    pub(in crate::media::video) fn highest(codec: Codec, number: u16) -> Option<Self> {
        let rank = |number: u16| rank(codec, number);
        Self::all(codec)
            .iter()
            .rfind(|level| match (codec, number) {
                (Codec::H263, 45) => matches!(level.number, 10 | 45),
                (Codec::H263, _) => level.number != 45 && level.number <= number,
                _ => rank(level.number) <= rank(number),
            })
            .copied()
    }

    /// The lowest level that has the size, the frame rate and the bit rate.
    pub(in crate::media::video) fn lowest(
        codec: Codec,
        size: Dimensions,
        millihertz: u32,
        bits: u64,
    ) -> Option<Self> {
        Self::all(codec)
            .iter()
            .find(|level| level.holds(size, millihertz) && bits <= level.bits)
            .copied()
    }

    /// Whether pictures of this size and rate are within the level.
    pub(in crate::media::video) fn holds(self, size: Dimensions, millihertz: u32) -> bool {
        self.frame >= macroblocks(size) && self.max_millihertz(size) >= u64::from(millihertz)
    }

    /// Frames per 1000 seconds at most at this size, 1001/1000 of it forgiven.
    pub(in crate::media::video) fn max_millihertz(self, size: Dimensions) -> u64 {
        self.rate.saturating_mul(1_001) / macroblocks(size).max(1)
    }
}

/// The place of a level's number in the order of what the level allows.
fn rank(codec: Codec, number: u16) -> u16 {
    match (codec, number) {
        // Level 1b lies between 1 and 1.1.
        (Codec::H264, 9) => 101,
        (Codec::H264, number) => number.saturating_mul(10),
        // Levels 0 and 0b lie below 1.
        (Codec::Mpeg4Visual, 8) => 0,
        (Codec::Mpeg4Visual, 9) => 1,
        (Codec::Mpeg4Visual, number) => number.saturating_add(1),
        (_, number) => number,
    }
}

/// Macroblocks of a picture.
fn macroblocks(size: Dimensions) -> u64 {
    u64::from(size.width.div_ceil(16)).saturating_mul(u64::from(size.height.div_ceil(16)))
}

/// ITU-T H.263 table X.2, profile 0, as far as we write it.
const H263: [Level; 4] = [
    Level::new(10, 99, 1_485, 64_000),
    Level::new(20, 396, 5_940, 128_000),
    Level::new(30, 396, 11_880, 384_000),
    Level::new(45, 99, 1_485, 128_000),
];

/// ISO/IEC 14496-2 table N.1, Simple profile; 0 and 0b as 8 and 9.
const MPEG4: [Level; 6] = [
    Level::new(8, 99, 1_485, 64_000),
    Level::new(9, 99, 1_485, 128_000),
    Level::new(1, 99, 1_485, 64_000),
    Level::new(2, 396, 5_940, 128_000),
    Level::new(3, 396, 11_880, 384_000),
    Level::new(5, 1_620, 40_500, 8_000_000),
];

/// ITU-T H.264 table A-1: MaxFS, MaxMBPS, MaxBR of the Baseline profile.
const H264: [Level; 14] = [
    Level::new(10, 99, 1_485, 64_000),
    Level::new(9, 99, 1_485, 128_000),
    Level::new(11, 396, 3_000, 192_000),
    Level::new(12, 396, 6_000, 384_000),
    Level::new(13, 396, 11_880, 768_000),
    Level::new(20, 396, 11_880, 2_000_000),
    Level::new(21, 792, 19_800, 4_000_000),
    Level::new(22, 1_620, 20_250, 4_000_000),
    Level::new(30, 1_620, 40_500, 10_000_000),
    Level::new(31, 3_600, 108_000, 14_000_000),
    Level::new(32, 5_120, 216_000, 20_000_000),
    Level::new(40, 8_192, 245_760, 20_000_000),
    Level::new(41, 8_192, 245_760, 50_000_000),
    Level::new(42, 8_704, 522_240, 50_000_000),
];

/// AV1 specification section A.3: `seq_level_idx`, with pictures and rates in units of 256 pixels.
const AV1: [Level; 6] = [
    Level::new(0, 576, 21_600, 1_500_000),
    Level::new(1, 1_096, 43_200, 3_000_000),
    Level::new(4, 2_600, 78_000, 6_000_000),
    Level::new(5, 4_160, 156_000, 10_000_000),
    Level::new(8, 8_704, 276_480, 12_000_000),
    Level::new(9, 8_704, 552_960, 20_000_000),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_level_that_will_do_is_found() {
        let qcif = Dimensions::new(176, 144);
        let cif = Dimensions::new(352, 288);
        let number = |codec, size, rate, bits| {
            Level::lowest(codec, size, rate, bits).map(|level| level.number)
        };
        assert_eq!(number(Codec::H264, qcif, 15_000, 64_000), Some(10));
        assert_eq!(number(Codec::H264, qcif, 15_000, 100_000), Some(9));
        assert_eq!(number(Codec::H264, qcif, 30_000, 64_000), Some(11));
        assert_eq!(number(Codec::H264, cif, 15_000, 300_000), Some(12));
        assert_eq!(number(Codec::H264, cif, 30_000, 300_000), Some(13));
        assert_eq!(number(Codec::Mpeg4Visual, qcif, 15_000, 60_000), Some(8));
        assert_eq!(number(Codec::H263, cif, 15_000, 120_000), Some(20));
        assert_eq!(number(Codec::H263, cif, 30_000, 500_000), None);
    }

    #[test]
    fn a_level_allows_those_below_it_in_its_own_order() {
        let highest = |codec, number| Level::highest(codec, number).map(|level| level.number);
        assert_eq!(highest(Codec::H264, 9), Some(9));
        assert_eq!(highest(Codec::H264, 10), Some(10));
        assert_eq!(highest(Codec::H264, 51), Some(42));
        assert_eq!(highest(Codec::Mpeg4Visual, 8), Some(8));
        assert_eq!(highest(Codec::Mpeg4Visual, 4), Some(3));
        assert_eq!(highest(Codec::H263, 45), Some(45));
        assert_eq!(highest(Codec::H263, 40), Some(30));
        assert_eq!(highest(Codec::Vp8, 1), None);
    }
}

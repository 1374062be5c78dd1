//! What an encoder is asked for, and what the Recommendation allows.

use crate::dimensions::Dimensions;
use thiserror::Error;

/// The source formats we write (H.263 clause 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// 352 x 288.
    Cif,
    /// 176 x 144.
    Qcif,
    /// 128 x 96.
    SubQcif,
}

impl Size {
    /// All of them, smallest first.
    pub const ALL: [Self; 3] = [Self::SubQcif, Self::Qcif, Self::Cif];

    /// The format that has exactly these pixels.
    #[must_use]
    pub fn of(dimensions: Dimensions) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|size| size.dimensions() == dimensions)
    }

    /// Luma pixels.
    #[must_use]
    pub const fn dimensions(self) -> Dimensions {
        let (width, height) = self.luma();
        Dimensions::new(width, height)
    }

    const fn luma(self) -> (u32, u32) {
        match self {
            Self::Cif => (352, 288),
            Self::Qcif => (176, 144),
            Self::SubQcif => (128, 96),
        }
    }

    /// Width and height of the luma as lengths.
    pub(super) fn lengths(self) -> (usize, usize) {
        match self {
            Self::Cif => (352, 288),
            Self::Qcif => (176, 144),
            Self::SubQcif => (128, 96),
        }
    }

    /// Bits 6 to 8 of PTYPE (clause 5.1.3).
    pub(super) const fn source_format(self) -> u8 {
        match self {
            Self::SubQcif => 1,
            Self::Qcif => 2,
            Self::Cif => 3,
        }
    }

    /// BPPmaxKb in bits: what one coded picture may take (table 1).
    #[must_use]
    pub const fn max_picture_bits(self) -> u64 {
        match self {
            Self::Cif => 256 * 1024,
            Self::Qcif | Self::SubQcif => 64 * 1024,
        }
    }
}

/// Levels of profile 0 (Annex X).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// 64 kbit/s, QCIF at 15 pictures a second.
    L10,
    /// 128 kbit/s, QCIF at 30 pictures a second or CIF at 15.
    L20,
    /// 384 kbit/s, CIF at 30 pictures a second.
    L30,
    /// 128 kbit/s, QCIF at 15 pictures a second.
    L45,
}

impl Level {
    /// The number signalled in `d263` and in SDP.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::L10 => 10,
            Self::L20 => 20,
            Self::L30 => 30,
            Self::L45 => 45,
        }
    }

    /// Bits per second.
    #[must_use]
    pub const fn max_bit_rate(self) -> u64 {
        match self {
            Self::L10 => 64_000,
            Self::L20 | Self::L45 => 128_000,
            Self::L30 => 384_000,
        }
    }

    /// The shortest time from one picture to the next in units of 1001/30000 s, or `None` where
    /// the level does not have the size.
    #[must_use]
    pub const fn picture_interval(self, size: Size) -> Option<u64> {
        match (self, size) {
            (Self::L10 | Self::L45, Size::Cif) => None,
            (Self::L30, _) | (Self::L20, Size::Qcif | Size::SubQcif) => Some(1),
            (Self::L10 | Self::L45, _) | (Self::L20, Size::Cif) => Some(2),
        }
    }
}

/// How many bits the pictures may take. Whatever is asked, the bit rate, the octets of one
/// picture and the buffer of the level (clause 3.6 and Annex B) are kept, except with
/// [`Quantiser`](Self::Quantiser), which keeps the octets of one picture alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A mean bit rate.
    BitRate {
        /// Bits per second.
        bits_per_second: u64,
        /// Length of the track in microseconds, at most a day. Known, the rate is met at its end; otherwise it
        /// is met over five seconds or so.
        duration_us: Option<u64>,
    },
    /// Octets of all pictures together, which are never exceeded: pictures are left out if it
    /// must be.
    Bytes {
        /// The most octets.
        max: u64,
        /// Length of the track in microseconds, at most a day.
        duration_us: u64,
    },
    /// QUANT for every macroblock, 1..=31.
    Quantiser(u8),
}

/// What to encode and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Pixels.
    pub size: Size,
    /// The level to keep.
    pub level: Level,
    /// Microseconds from one frame to the next, as they will be pushed, 1 000..=60 000 000. It only guides the rate
    /// control; the frames' own times are what is coded.
    pub frame_interval_us: u64,
    /// How many bits to spend.
    pub target: Target,
    /// The most pictures from one INTRA picture to the next.
    pub keyframe_interval: u32,
    /// Whether every group of blocks starts with a header, from which a decoder can resume after
    /// lost data. Costs 29 bits each, and worse prediction of vectors.
    pub gob_headers: bool,
}

impl Config {
    /// Ten seconds between INTRA pictures at 15 frames a second, no group headers.
    #[must_use]
    pub const fn new(size: Size, level: Level, target: Target) -> Self {
        Self {
            size,
            level,
            frame_interval_us: 66_733,
            target,
            keyframe_interval: 150,
            gob_headers: false,
        }
    }

    /// # Errors
    ///
    /// [`H263Error::Level`] or [`H263Error::Setting`].
    pub(super) fn check(&self) -> Result<(), H263Error> {
        if self.level.picture_interval(self.size).is_none() {
            return Err(H263Error::Level {
                level: self.level.number(),
                size: self.size.dimensions(),
            });
        }
        if !(1_000..=60_000_000).contains(&self.frame_interval_us) {
            return Err(H263Error::Setting("frame interval"));
        }
        let duration = match self.target {
            Target::BitRate { duration_us, .. } => duration_us,
            Target::Bytes { duration_us, .. } => Some(duration_us),
            Target::Quantiser(_) => None,
        };
        if duration.is_some_and(|duration| !(1..=MAX_DURATION_US).contains(&duration)) {
            return Err(H263Error::Setting("duration"));
        }
        if self.keyframe_interval == 0 {
            return Err(H263Error::Setting("key frame interval"));
        }
        match self.target {
            Target::BitRate {
                bits_per_second: 0, ..
            } => Err(H263Error::Setting("bit rate")),
            Target::Quantiser(step) if !(1..=31).contains(&step) => {
                Err(H263Error::Setting("quantiser"))
            }
            _ => Ok(()),
        }
    }
}

/// The longest track: one day.
pub(super) const MAX_DURATION_US: u64 = 86_400_000_000;

/// Why nothing was encoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum H263Error {
    /// Not even the first picture fits into the octets.
    #[error("the first picture does not fit into {max} octets")]
    Budget {
        /// The octets.
        max: u64,
    },
    /// A plane has fewer samples than the picture.
    #[error("a plane of the frame is too short for {size}")]
    Frame {
        /// The size encoded.
        size: Dimensions,
    },
    /// The level does not have the size.
    #[error("level {level} of H.263 profile 0 does not have {size}")]
    Level {
        /// [`Level::number`].
        level: u8,
        /// The size asked for.
        size: Dimensions,
    },
    /// A setting that is zero or out of its range.
    #[error("the {0} is out of range")]
    Setting(&'static str),
    /// A frame that is not later than the one before it, or later than a day.
    #[error("frame at {timestamp_us} µs is not later than the one before it, or beyond a day")]
    Timestamp {
        /// Its time.
        timestamp_us: u64,
    },
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::needless_range_loop,
    reason = "the small numbers of a test"
)]
mod tests {
    use super::*;

    #[test]
    fn levels_refuse_what_annex_x_does() {
        let target = Target::Quantiser(8);
        for (level, size, allowed) in [
            (Level::L10, Size::Qcif, true),
            (Level::L45, Size::SubQcif, true),
            (Level::L10, Size::Cif, false),
            (Level::L45, Size::Cif, false),
            (Level::L20, Size::Cif, true),
            (Level::L30, Size::Cif, true),
        ] {
            assert_eq!(Config::new(size, level, target).check().is_ok(), allowed);
        }
        let zero = Config::new(Size::Qcif, Level::L10, Target::Quantiser(0));
        assert_eq!(zero.check(), Err(H263Error::Setting("quantiser")));
        for (duration_us, interval_us) in [(0, 66_733), (u64::MAX, 66_733), (1, 0), (1, u64::MAX)] {
            let max = 1000;
            let target = Target::Bytes { max, duration_us };
            let mut config = Config::new(Size::Qcif, Level::L10, target);
            config.frame_interval_us = interval_us;
            assert!(matches!(config.check(), Err(H263Error::Setting(_))));
        }
    }

    #[test]
    fn sizes_are_found_by_their_pixels() {
        for size in Size::ALL {
            assert_eq!(Size::of(size.dimensions()), Some(size));
            let (width, height) = size.lengths();
            assert_eq!(
                Size::of(Dimensions::new(width as u32, height as u32)),
                Some(size)
            );
        }
        assert_eq!(Size::of(Dimensions::new(320, 240)), None);
    }
}

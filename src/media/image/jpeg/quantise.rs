//! Quantisers, and how they make coefficients smaller.

/// How coarse the quantisers are: 1/64 of a percent of the tables of ITU-T T.81 annex K.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Coarseness(u32);

impl Coarseness {
    /// Of a quality, 1..=100, on the scale of the Independent JPEG Group.
    pub(super) const fn of_quality(quality: u8) -> Self {
        let quality = match quality {
            0 => 1,
            1..=100 => quality as u32,
            _ => 100,
        };
        let percent = if quality < 50 {
            5000 / quality
        } else {
            200 - 2 * quality
        };
        Self(percent * UNIT)
    }

    /// The highest quality that is no better than this.
    pub(super) fn quality(self) -> u8 {
        (1..=100)
            .rev()
            .find(|&quality| Self::of_quality(quality) >= self)
            .unwrap_or(1)
    }

    /// As a number that rises with coarseness.
    pub(super) fn real(self) -> f64 {
        f64::from(self.0.max(1))
    }

    /// The nearest to a number.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "out of range saturates"
    )]
    pub(super) fn nearest(real: f64) -> Self {
        Self(real.round() as u32)
    }

    /// A little coarser.
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add((self.0 / 128).max(1)))
    }
}

/// Parts of a percent.
const UNIT: u32 = 64;

/// The quantiser of luma and that of colour, in zigzag order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tables {
    pub(super) steps: [[u8; 64]; 2],
}

impl Tables {
    /// Of a coarseness.
    pub(super) fn new(coarseness: Coarseness) -> Self {
        let scaled = |table: &[u8; 64]| {
            table.map(|step| {
                let step = (u32::from(step) * coarseness.0 + 50 * UNIT) / (100 * UNIT);
                u8::try_from(step.max(1)).unwrap_or(255)
            })
        };
        Self {
            steps: [scaled(&LUMA), scaled(&COLOUR)],
        }
    }

    /// Ready to divide by.
    pub(super) fn divisors(&self) -> [Divisor; 2] {
        self.steps.each_ref().map(Divisor::new)
    }
}

/// A quantiser as two multiplications for each coefficient, which lanes do faster than a division.
pub(super) struct Divisor {
    half: [u16; 64],
    reciprocal: [u16; 64],
    shift: [u16; 64],
}

impl Divisor {
    /// For coefficients in eighths.
    fn new(steps: &[u8; 64]) -> Self {
        let mut divisor = Self {
            half: [0; 64],
            reciprocal: [0; 64],
            shift: [0; 64],
        };
        let slots = divisor
            .half
            .iter_mut()
            .zip(&mut divisor.reciprocal)
            .zip(&mut divisor.shift);
        for (((half, reciprocal), shift), &step) in slots.zip(steps) {
            let by = u32::from(step) * 8;
            // A reciprocal of 16 binary places from its first one on, rounded up.
            let places = 16 + by.ilog2();
            let exact = (1_u64 << places).div_ceil(u64::from(by));
            let (exact, places) = if exact > 0xFFFF {
                (exact / 2, places - 1)
            } else {
                (exact, places)
            };
            *half = u16::try_from(by / 2).unwrap_or(0);
            *reciprocal = u16::try_from(exact).unwrap_or(0xFFFF);
            *shift = u16::try_from(1_u32 << (32 - places)).unwrap_or(0);
        }
        divisor
    }

    /// The levels of a block, and a bit for each that is not zero, the first lowest.
    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "the upper half of a product of 16 bits has 16, and levels have less than 12"
    )]
    pub(super) fn levels(&self, block: &[i16; 64]) -> ([i16; 64], u64) {
        let mut levels = [0_i16; 64];
        let mut marks = [0_u8; 64];
        let divisor = self.half.iter().zip(&self.reciprocal).zip(&self.shift);
        for ((level, mark), (&value, ((&half, &reciprocal), &shift))) in levels
            .iter_mut()
            .zip(&mut marks)
            .zip(block.iter().zip(divisor))
        {
            let size = value.unsigned_abs().wrapping_add(half);
            let high = ((u32::from(size) * u32::from(reciprocal)) >> 16) as u16;
            let size = ((u32::from(high) * u32::from(shift)) >> 16) as i16;
            let sign = value >> 15;
            *level = (size ^ sign).wrapping_sub(sign);
            *mark = u8::from(size != 0);
        }
        let mut mask = 0_u64;
        for (octet, marks) in (0_u32..).zip(marks.as_chunks::<8>().0) {
            // Gathers the lowest bits of eight octets.
            let bits = u64::from_le_bytes(*marks).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            mask |= bits << (octet * 8);
        }
        (levels, mask)
    }
}

/// ITU-T T.81 table K.1, in zigzag order.
const LUMA: [u8; 64] = [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37,
    29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81,
    87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
];

/// ITU-T T.81 table K.2, in zigzag order.
const COLOUR: [u8; 64] = [
    17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_are_the_usual_ones() {
        let at = |quality| Tables::new(Coarseness::of_quality(quality)).steps;
        assert_eq!(at(50), [LUMA, COLOUR]);
        assert_eq!(at(100), [[1; 64]; 2]);
        // libjpeg at quality 75.
        assert_eq!(at(75)[0][..8], [8, 6, 6, 7, 6, 5, 8, 7]);
        assert_eq!(at(10)[0][0], 80);
        for quality in 1..=100 {
            assert_eq!(Coarseness::of_quality(quality).quality(), quality);
        }
        assert_eq!(Coarseness::of_quality(80).next().quality(), 79);
    }

    #[test]
    fn dividing_is_rounding_half_away_from_zero() {
        for step in [1_u8, 2, 3, 7, 16, 99, 254, 255] {
            let divisor = Divisor::new(&[step; 64]);
            for first in (-9_000_i16..9_000).step_by(61) {
                let mut block = [0; 64];
                for (value, offset) in block.iter_mut().zip(0..) {
                    *value = first + offset;
                }
                let (levels, mask) = divisor.levels(&block);
                for (k, (value, level)) in block.iter().zip(levels).enumerate() {
                    let by = i32::from(step) * 8;
                    let size = (i32::from(*value).abs() + by / 2) / by;
                    let expected = size * i32::from(*value).signum();
                    assert_eq!(i32::from(level), expected, "{value} by {step}");
                    assert_eq!(mask >> k & 1 == 1, level != 0);
                }
            }
        }
    }
}

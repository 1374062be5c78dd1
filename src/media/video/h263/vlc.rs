//! The variable length codes of H.263: tables 7, 8, 11, 12, 14 and 16.

use super::bits::BitWriter;

/// A code word: its bits, right-aligned, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) bits: u16,
    pub(super) length: u8,
}

impl Code {
    /// Appends the word.
    pub(super) fn write(self, to: &mut BitWriter) {
        to.put(u32::from(self.bits), u32::from(self.length));
    }

    /// The word followed by a sign bit.
    fn signed(self, negative: bool) -> Self {
        Self {
            bits: (self.bits << 1) | u16::from(negative),
            length: self.length + 1,
        }
    }
}

/// A code word as the tables below write it.
const fn c(bits: u16, length: u8) -> Code {
    Code { bits, length }
}

/// What stands in for an entry that cannot be asked for.
const NONE: Code = c(0, 0);

/// Macroblock types of table 9 that the baseline has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MbType {
    /// Type 0.
    Inter,
    /// Type 1: with DQUANT.
    InterQ,
    /// Type 3.
    Intra,
    /// Type 4: with DQUANT.
    IntraQ,
}

impl MbType {
    /// The type for these properties.
    pub(super) fn of(intra: bool, dquant: bool) -> Self {
        match (intra, dquant) {
            (false, false) => Self::Inter,
            (false, true) => Self::InterQ,
            (true, false) => Self::Intra,
            (true, true) => Self::IntraQ,
        }
    }
}

/// MCBPC in INTRA pictures, table 7; `cbpc` has Cb in bit 1 and Cr in bit 0.
pub(super) fn mcbpc_intra(kind: MbType, cbpc: u8) -> Code {
    let row = match kind {
        MbType::IntraQ => &MCBPC_I_TYPE_4,
        _ => &MCBPC_I_TYPE_3,
    };
    row.get(usize::from(cbpc)).copied().unwrap_or(NONE)
}

/// MCBPC in INTER pictures, table 8; `cbpc` as for [`mcbpc_intra`].
pub(super) fn mcbpc_inter(kind: MbType, cbpc: u8) -> Code {
    let row = match kind {
        MbType::Inter => &MCBPC_P_TYPE_0,
        MbType::InterQ => &MCBPC_P_TYPE_1,
        MbType::Intra => &MCBPC_P_TYPE_3,
        MbType::IntraQ => &MCBPC_P_TYPE_4,
    };
    row.get(usize::from(cbpc)).copied().unwrap_or(NONE)
}

/// CBPY, table 11; `cbpy` has block 1 in bit 3 and block 4 in bit 0. INTER macroblocks use the
/// table with the pattern inverted.
pub(super) fn cbpy(intra: bool, cbpy: u8) -> Code {
    let pattern = if intra { cbpy } else { cbpy ^ 0b1111 };
    CBPY.get(usize::from(pattern)).copied().unwrap_or(NONE)
}

/// DQUANT, table 12, for −2, −1, 1 and 2.
pub(super) fn dquant(difference: i8) -> Code {
    match difference {
        -1 => c(0b00, 2),
        -2 => c(0b01, 2),
        1 => c(0b10, 2),
        _ => c(0b11, 2),
    }
}

/// MVD, table 14, for a difference in half pixels. Differences outside −32..=31 are brought into
/// that range modulo 64: the decoder takes of the two vectors the one that is in range.
pub(super) fn mvd(difference: i16) -> Code {
    let difference = wrap_mvd(difference);
    let code = MVD
        .get(usize::from(difference.unsigned_abs()))
        .copied()
        .unwrap_or(NONE);
    if difference == 0 {
        code
    } else {
        code.signed(difference < 0)
    }
}

/// A difference of vectors modulo 64, in −32..=31.
pub(super) fn wrap_mvd(difference: i16) -> i16 {
    (difference + 32).rem_euclid(64) - 32
}

/// Bits of [`mvd`] for a difference in −64..=63.
pub(super) fn mvd_bits(difference: i16) -> u32 {
    let [_, index] = difference.to_be_bytes();
    u32::from(MVD_BITS.get(usize::from(index & 63)).copied().unwrap_or(0))
}

/// [`mvd_bits`] by the difference modulo 64.
#[allow(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, where a wrong index is an error"
)]
static MVD_BITS: [u8; 64] = {
    let mut bits = [1; 64];
    let mut magnitude = 1;
    while magnitude <= 32 {
        bits[magnitude] = MVD[magnitude].length + 1;
        bits[64 - magnitude] = MVD[magnitude].length + 1;
        magnitude += 1;
    }
    bits
};

/// The code of table 16 for an event without its sign bit, or `None` where only the escape has
/// it.
fn tcoef(last: bool, run: u8, magnitude: u16) -> Option<Code> {
    let runs: &[&[Code]] = if last { &TCOEF_LAST } else { &TCOEF_MORE };
    let levels = runs.get(usize::from(run))?;
    levels.get(usize::from(magnitude).checked_sub(1)?).copied()
}

/// Writes the event (LAST, RUN, LEVEL) of table 16, or by the escape of table 17; `level` is
/// −127..=127 without 0.
pub(super) fn write_tcoef(to: &mut BitWriter, last: bool, run: u8, level: i16) {
    if let Some(code) = tcoef(last, run, level.unsigned_abs()) {
        code.signed(level < 0).write(to);
    } else {
        let [_, level] = level.to_be_bytes();
        ESCAPE.write(to);
        to.put(
            (u32::from(last) << 14) | (u32::from(run) << 8) | u32::from(level),
            15,
        );
    }
}

/// Bits of [`write_tcoef`] for a magnitude, by RUN: first with LAST = 0, then with LAST = 1.
pub(super) fn tcoef_bits(magnitude: u16) -> &'static [[u8; 64]; 2] {
    TCOEF_BITS
        .get(usize::from(magnitude))
        .unwrap_or(&[[ESCAPE_BITS; 64]; 2])
}

/// [`tcoef_bits`] up to the greatest magnitude that table 16 has.
#[allow(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, where a wrong index is an error"
)]
static TCOEF_BITS: [[[u8; 64]; 2]; 13] = {
    let mut bits = [[[ESCAPE_BITS; 64]; 2]; 13];
    let tables: [&[&[Code]]; 2] = [&TCOEF_MORE, &TCOEF_LAST];
    let mut last = 0;
    while last < 2 {
        let mut run = 0;
        while run < tables[last].len() {
            let mut level = 0;
            while level < tables[last][run].len() {
                bits[level + 1][last][run] = tables[last][run][level].length + 1;
                level += 1;
            }
            run += 1;
        }
        last += 1;
    }
    bits
};

/// COD of a macroblock that is not coded.
pub(super) const COD_SKIPPED: Code = c(1, 1);
/// COD of a coded macroblock.
pub(super) const COD_CODED: Code = c(0, 1);

const MCBPC_I_TYPE_3: [Code; 4] = [c(1, 1), c(1, 3), c(2, 3), c(3, 3)];
const MCBPC_I_TYPE_4: [Code; 4] = [c(1, 4), c(1, 6), c(2, 6), c(3, 6)];

const MCBPC_P_TYPE_0: [Code; 4] = [c(1, 1), c(3, 4), c(2, 4), c(5, 6)];
const MCBPC_P_TYPE_1: [Code; 4] = [c(3, 3), c(7, 7), c(6, 7), c(5, 9)];
const MCBPC_P_TYPE_3: [Code; 4] = [c(3, 5), c(4, 8), c(3, 8), c(3, 7)];
const MCBPC_P_TYPE_4: [Code; 4] = [c(4, 6), c(4, 9), c(3, 9), c(2, 9)];

/// By the pattern of an INTRA macroblock.
const CBPY: [Code; 16] = [
    c(0b0011, 4),
    c(0b00101, 5),
    c(0b00100, 5),
    c(0b1001, 4),
    c(0b00011, 5),
    c(0b0111, 4),
    c(0b00_0010, 6),
    c(0b1011, 4),
    c(0b00010, 5),
    c(0b00_0011, 6),
    c(0b0101, 4),
    c(0b1010, 4),
    c(0b0100, 4),
    c(0b1000, 4),
    c(0b0110, 4),
    c(0b11, 2),
];

/// By the magnitude of the difference in half pixels, without the sign bit.
const MVD: [Code; 33] = [
    c(1, 1),
    c(1, 2),
    c(1, 3),
    c(1, 4),
    c(3, 6),
    c(5, 7),
    c(4, 7),
    c(3, 7),
    c(11, 9),
    c(10, 9),
    c(9, 9),
    c(17, 10),
    c(16, 10),
    c(15, 10),
    c(14, 10),
    c(13, 10),
    c(12, 10),
    c(11, 10),
    c(10, 10),
    c(9, 10),
    c(8, 10),
    c(7, 10),
    c(6, 10),
    c(5, 10),
    c(4, 10),
    c(7, 11),
    c(6, 11),
    c(5, 11),
    c(4, 11),
    c(3, 11),
    c(2, 11),
    c(3, 12),
    c(2, 12),
];

/// ESCAPE of table 16.
const ESCAPE: Code = c(3, 7);
/// ESCAPE, LAST, RUN and LEVEL of table 17.
const ESCAPE_BITS: u8 = 7 + 1 + 6 + 8;

/// Table 16, LAST = 0: by RUN, then by |LEVEL| − 1, without the sign bit.
const TCOEF_MORE: [&[Code]; 27] = [
    &[
        c(0b10, 2),
        c(0b1111, 4),
        c(0b01_0101, 6),
        c(0b001_0111, 7),
        c(0b0001_1111, 8),
        c(0x25, 9),
        c(0x24, 9),
        c(0x21, 10),
        c(0x20, 10),
        c(0x07, 11),
        c(0x06, 11),
        c(0x20, 11),
    ],
    &[
        c(0b110, 3),
        c(0b01_0100, 6),
        c(0b0001_1110, 8),
        c(0x0f, 10),
        c(0x21, 11),
        c(0x50, 12),
    ],
    &[c(0b1110, 4), c(0x1d, 8), c(0x0e, 10), c(0x51, 12)],
    &[c(0b01101, 5), c(0x23, 9), c(0x0d, 10)],
    &[c(0b01100, 5), c(0x22, 9), c(0x52, 12)],
    &[c(0b01011, 5), c(0x0c, 10), c(0x53, 12)],
    &[c(0b01_0011, 6), c(0x0b, 10), c(0x54, 12)],
    &[c(0b01_0010, 6), c(0x0a, 10)],
    &[c(0b01_0001, 6), c(0x09, 10)],
    &[c(0b01_0000, 6), c(0x08, 10)],
    &[c(0b001_0110, 7), c(0x55, 12)],
    &[c(0b001_0101, 7)],
    &[c(0b001_0100, 7)],
    &[c(0x1c, 8)],
    &[c(0x1b, 8)],
    &[c(0x21, 9)],
    &[c(0x20, 9)],
    &[c(0x1f, 9)],
    &[c(0x1e, 9)],
    &[c(0x1d, 9)],
    &[c(0x1c, 9)],
    &[c(0x1b, 9)],
    &[c(0x1a, 9)],
    &[c(0x22, 11)],
    &[c(0x23, 11)],
    &[c(0x56, 12)],
    &[c(0x57, 12)],
];

/// Table 16, LAST = 1: by RUN, then by |LEVEL| − 1, without the sign bit.
const TCOEF_LAST: [&[Code]; 41] = [
    &[c(0b0111, 4), c(0x19, 9), c(0x05, 11)],
    &[c(0b00_1111, 6), c(0x04, 11)],
    &[c(0x0e, 6)],
    &[c(0x0d, 6)],
    &[c(0x0c, 6)],
    &[c(0x13, 7)],
    &[c(0x12, 7)],
    &[c(0x11, 7)],
    &[c(0x10, 7)],
    &[c(0x1a, 8)],
    &[c(0x19, 8)],
    &[c(0x18, 8)],
    &[c(0x17, 8)],
    &[c(0x16, 8)],
    &[c(0x15, 8)],
    &[c(0x14, 8)],
    &[c(0x13, 8)],
    &[c(0x18, 9)],
    &[c(0x17, 9)],
    &[c(0x16, 9)],
    &[c(0x15, 9)],
    &[c(0x14, 9)],
    &[c(0x13, 9)],
    &[c(0x12, 9)],
    &[c(0x11, 9)],
    &[c(0x07, 10)],
    &[c(0x06, 10)],
    &[c(0x05, 10)],
    &[c(0x04, 10)],
    &[c(0x24, 11)],
    &[c(0x25, 11)],
    &[c(0x26, 11)],
    &[c(0x27, 11)],
    &[c(0x58, 12)],
    &[c(0x59, 12)],
    &[c(0x5a, 12)],
    &[c(0x5b, 12)],
    &[c(0x5c, 12)],
    &[c(0x5d, 12)],
    &[c(0x5e, 12)],
    &[c(0x5f, 12)],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether no word begins another and, counted with all continuations, how much of the code
    /// space is used (1.0 = complete).
    fn prefix_free(codes: &[Code]) -> f64 {
        for (index, a) in codes.iter().enumerate() {
            assert!(a.length > 0 && u32::from(a.bits) < 1 << a.length);
            for b in codes.iter().skip(index + 1) {
                let common = a.length.min(b.length);
                assert_ne!(
                    a.bits >> (a.length - common),
                    b.bits >> (b.length - common),
                    "{a:?} {b:?}"
                );
            }
        }
        codes
            .iter()
            .map(|code| 0.5f64.powi(code.length.into()))
            .sum()
    }

    const TYPES: [MbType; 4] = [MbType::Inter, MbType::InterQ, MbType::Intra, MbType::IntraQ];

    #[test]
    fn mcbpc_is_prefix_free_with_its_stuffing() {
        let mut codes = vec![c(1, 9)];
        for kind in [MbType::Intra, MbType::IntraQ] {
            codes.extend((0..4).map(|cbpc| mcbpc_intra(kind, cbpc)));
        }
        prefix_free(&codes);
        let mut codes = vec![c(1, 9)];
        for kind in TYPES {
            codes.extend((0..4).map(|cbpc| mcbpc_inter(kind, cbpc)));
        }
        // Type 2 (INTER4V), which the baseline lacks, has the words that are left.
        codes.extend([c(2, 3), c(5, 7), c(4, 7), c(5, 8)]);
        prefix_free(&codes);
    }

    #[test]
    fn cbpy_is_prefix_free_and_inverted_for_inter() {
        let intra: Vec<Code> = (0..16).map(|pattern| cbpy(true, pattern)).collect();
        prefix_free(&intra);
        for pattern in 0..16 {
            assert_eq!(cbpy(true, pattern), cbpy(false, 15 - pattern));
        }
        assert_eq!(cbpy(false, 0).length, 2);
    }

    #[test]
    fn mvd_is_prefix_free_and_wraps() {
        let codes: Vec<Code> = (-32..=31).map(mvd).collect();
        prefix_free(&codes);
        assert_eq!(mvd(0), c(1, 1));
        assert_eq!(mvd(1), c(0b010, 3));
        assert_eq!(mvd(-1), c(0b011, 3));
        assert_eq!(mvd(-32), c(0b101, 13));
        assert_eq!(mvd(40), mvd(-24));
        for difference in -64..64 {
            assert_eq!(mvd_bits(difference), u32::from(mvd(difference).length));
        }
        assert_eq!(mvd(-63), mvd(1));
    }

    #[test]
    fn tcoef_is_prefix_free_with_its_escape() {
        let mut codes = vec![ESCAPE];
        for last in [false, true] {
            for run in 0..64 {
                for level in 1..128 {
                    codes.extend(tcoef(last, run, level));
                }
            }
        }
        assert_eq!(codes.len(), 103);
        let used = prefix_free(&codes);
        // All-zero beginnings are kept free for start codes.
        assert!(used < 1.0 && used > 0.98, "{used}");
    }

    #[test]
    fn escapes_carry_what_the_table_lacks() {
        let mut writer = BitWriter::default();
        write_tcoef(&mut writer, true, 63, -127);
        assert_eq!(writer.bits(), 22);
        // 0000011 1 111111 10000001
        assert_eq!(writer.octets(), [0b0000_0111, 0b1111_1110, 0b0000_0100]);
    }

    #[test]
    fn bits_are_those_written() {
        for last in [false, true] {
            for run in 0..64u8 {
                for level in 1..=127i16 {
                    let mut writer = BitWriter::default();
                    write_tcoef(&mut writer, last, run, -level);
                    let bits = tcoef_bits(level.unsigned_abs())[usize::from(last)];
                    assert_eq!(u64::from(bits[usize::from(run)]), writer.bits());
                }
            }
        }
    }
}

//! Writing a file: JFIF 1.02, baseline, one scan, with the Huffman codes that are best for it.

use super::coefficients::{Coefficients, components};
use super::counts::{Counts, END, ZEROS, bits_of, each};
use super::lanes;
use super::lengths::Lengths;
use super::quantise::Tables;
use crate::media::picture::Chroma;

/// Octets of everything but the scan and the values of Huffman codes.
pub(super) const fn head_octets(chroma: Chroma) -> usize {
    const SOI_APP0_EOI: usize = 2 + 18 + 2;
    const DQT: usize = 4 + 65;
    const DHT: usize = 4 + 17;
    let (components, kinds) = match chroma {
        Chroma::None => (1, 1),
        _ => (3, 2),
    };
    SOI_APP0_EOI + kinds * (DQT + 2 * DHT) + (10 + 3 * components) + (8 + 2 * components)
}

/// The file of `coefficients`, quantised by `tables`, whose symbols `counts` has counted.
pub(super) fn file(coefficients: &Coefficients, tables: &Tables, counts: &Counts) -> Vec<u8> {
    let codes = counts.lengths(coefficients.chroma);
    let expected = counts.octets(coefficients.chroma).most();
    let mut out = Vec::with_capacity(capacity(expected));
    head(&mut out, coefficients, tables, &codes);
    lanes::widest(
        #[inline(always)]
        || scan(&mut out, coefficients, tables, &codes),
    );
    out.extend([0xFF, 0xD9]);
    out
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a hint for an allocation; out of range saturates"
)]
fn capacity(octets: f64) -> usize {
    octets as usize + 64
}

fn segment(out: &mut Vec<u8>, marker: u8, body: &[u8]) {
    let length = u16::try_from(body.len() + 2).unwrap_or(u16::MAX);
    out.extend([0xFF, marker]);
    out.extend(length.to_be_bytes());
    out.extend(body);
}

fn head(
    out: &mut Vec<u8>,
    coefficients: &Coefficients,
    tables: &Tables,
    codes: &[(Lengths, Lengths)],
) {
    out.extend([0xFF, 0xD8]);
    // JFIF 1.01, square pixels, no thumbnail.
    segment(out, 0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    for (index, steps) in (0_u8..).zip(tables.steps.iter().take(codes.len())) {
        segment(out, 0xDB, &[&[index], steps.as_slice()].concat());
    }
    let side = |length: u32| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let [h1, h0] = side(coefficients.size.height);
    let [w1, w0] = side(coefficients.size.width);
    let colour = coefficients.chroma != Chroma::None;
    let sampling = match coefficients.chroma {
        Chroma::Half => 0x22,
        Chroma::HalfWidth => 0x21,
        Chroma::None | Chroma::Full => 0x11,
    };
    let mut frame = vec![
        8,
        h1,
        h0,
        w1,
        w0,
        if colour { 3 } else { 1 },
        1,
        sampling,
        0,
    ];
    let mut start = vec![if colour { 3 } else { 1 }, 1, 0];
    if colour {
        frame.extend([2, 0x11, 1, 3, 0x11, 1]);
        start.extend([2, 0x11, 3, 0x11]);
    }
    start.extend([0, 63, 0]);
    segment(out, 0xC0, &frame);
    for (index, (dc, ac)) in (0_u8..).zip(codes) {
        for (class, code) in [(0, dc), (0x10, ac)] {
            segment(
                out,
                0xC4,
                &[&[class | index], code.counts.as_slice(), &code.values].concat(),
            );
        }
    }
    segment(out, 0xDA, &start);
}

/// Codes of a kind: for each symbol its bits, and the code with room for the value's bits.
struct Coder {
    dc: [(u32, u32); 256],
    ac: [(u32, u32); 256],
}

#[inline(always)]
#[allow(clippy::indexing_slicing, reason = "an octet indexes a table of 256")]
fn scan(
    out: &mut Vec<u8>,
    coefficients: &Coefficients,
    tables: &Tables,
    codes: &[(Lengths, Lengths)],
) {
    let coders: Vec<Coder> = codes
        .iter()
        .map(|(dc, ac)| Coder {
            dc: dc.codes(),
            ac: ac.codes(),
        })
        .collect();
    let (Some(luma), Some(colour)) = (coders.first(), coders.last()) else {
        return;
    };
    let [luma_divisor, colour_divisor] = tables.divisors();
    let unit = components(coefficients.chroma);
    let mut before = [0; 3];
    let mut bits = Writer { word: 0, count: 0 };
    for blocks in coefficients.blocks.chunks_exact(unit.len()) {
        for (block, &component) in blocks.iter().zip(unit) {
            let (coder, divisor) = if component > 0 {
                (colour, &colour_divisor)
            } else {
                (luma, &luma_divisor)
            };
            let (levels, mask) = divisor.levels(block);
            let Some(before) = before.get_mut(component) else {
                continue;
            };
            let mean = i32::from(levels[0]);
            bits.put_value(out, &coder.dc, 0, mean - *before);
            *before = mean;
            each(&levels, mask, |zeros, level| {
                for _ in 0..zeros / 16 {
                    bits.put(out, coder.ac[usize::from(ZEROS)]);
                }
                bits.put_value(out, &coder.ac, zeros % 16, level);
            });
            if mask >> 63 == 0 {
                bits.put(out, coder.ac[usize::from(END)]);
            }
        }
    }
    bits.finish(out);
}

/// Bits on their way out, the last ones lowest.
struct Writer {
    word: u64,
    count: u32,
}

impl Writer {
    /// Writes the symbol of a run and a value, and the value (F.1.2.1 and F.1.2.2).
    #[inline(always)]
    #[allow(
        clippy::cast_sign_loss,
        clippy::indexing_slicing,
        reason = "the lowest bits are wanted, of a negative value those of one less; an octet \
                  indexes a table of 256"
    )]
    fn put_value(&mut self, out: &mut Vec<u8>, codes: &[(u32, u32); 256], zeros: u32, value: i32) {
        let size = bits_of(value);
        let (length, code) = codes[(zeros << 4 | size) as usize & 0xFF];
        let value = (value + (value >> 31)) as u32 & ((1_u32 << (size & 31)) - 1);
        self.put(out, (length + size, code << (size & 31) | value));
    }

    /// Writes the lowest bits of a code, at most 32.
    #[inline(always)]
    fn put(&mut self, out: &mut Vec<u8>, (length, code): (u32, u32)) {
        self.word = self.word << (length & 63) | u64::from(code);
        self.count += length;
        if self.count >= 32 {
            self.count -= 32;
            let four = u32::try_from(self.word >> self.count & 0xFFFF_FFFF).unwrap_or(0);
            // Whether none of the four is FF: none of the complement is zero.
            if (!four).wrapping_sub(0x0101_0101) & four & 0x8080_8080 == 0 {
                out.extend(four.to_be_bytes());
            } else {
                for octet in four.to_be_bytes() {
                    push(out, octet);
                }
            }
        }
    }

    /// Fills the last octet with ones.
    fn finish(mut self, out: &mut Vec<u8>) {
        let filling = (8 - self.count % 8) % 8;
        self.word = self.word << filling | ((1 << filling) - 1);
        self.count += filling;
        while self.count >= 8 {
            self.count -= 8;
            push(
                out,
                u8::try_from(self.word >> self.count & 0xFF).unwrap_or(0),
            );
        }
    }
}

/// Writes an octet of a scan, a zero behind FF (F.1.2.3).
fn push(out: &mut Vec<u8>, octet: u8) {
    out.push(octet);
    if octet == 0xFF {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(codes: &[(u32, u32)]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut bits = Writer { word: 0, count: 0 };
        for &code in codes {
            bits.put(&mut out, code);
        }
        bits.finish(&mut out);
        out
    }

    #[test]
    fn bits_are_filled_with_ones() {
        assert_eq!(written(&[(3, 0b101)]), [0b1011_1111]);
        assert!(written(&[]).is_empty());
    }

    #[test]
    fn a_zero_follows_each_octet_of_ones() {
        assert_eq!(written(&[(8, 0xFF), (8, 1)]), [0xFF, 0, 1]);
        let word = written(&[(32, 0x01FF_02FF), (4, 0)]);
        assert_eq!(word, [1, 0xFF, 0, 2, 0xFF, 0, 0x0F]);
    }

    #[test]
    fn long_codes_keep_their_order() {
        let codes: Vec<(u32, u32)> = (0..100).map(|i| (27, i)).collect();
        let out = written(&codes);
        let mut bits = super::super::bits::Bits::new(&out, 0);
        for i in 0..100 {
            bits.refill();
            assert_eq!(bits.peek() >> 37, i);
            bits.skip(27);
        }
    }
}

//! Huffman codes of a scan, and tables that read several of them at a time.

#![allow(
    clippy::indexing_slicing,
    reason = "every index is as many bits as the table it goes into has"
)]

use crate::media::error::MediaError;
use crate::media::info::Format;

use super::bits::Bits;

/// A table as a file declares it (ITU-T T.81 B.2.4.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Declared {
    /// Codes of each length from 1 on.
    pub(super) counts: [u8; 16],
    /// What the codes stand for, in their order.
    pub(super) values: Vec<u8>,
}

/// Bits looked at for one code with its value.
const NEAR: u32 = 11;

/// Bits looked at for codes that are passed over.
const FAR: u32 = 13;

/// Bits looked at for a code alone.
const CODE: u32 = 10;

/// The codes of one table.
pub(super) struct Codes {
    /// For the next [`CODE`] bits: length << 8 | value, or 0 where the code is longer.
    short: Box<[u16; 1 << CODE]>,
    /// For each length from 1 on: the first code that is longer, aligned to 16 bits, and what to
    /// add to a code to come to its value.
    long: [(u32, i32); 16],
    values: [u8; 256],
}

impl Codes {
    fn new(declared: &Declared, at: usize) -> Result<(Self, Box<[u16; 1 << FAR]>), MediaError> {
        let broken = |what| MediaError::malformed_at(Format::Jpeg, what, at);
        let mut values = [0; 256];
        for (to, from) in values.iter_mut().zip(&declared.values) {
            *to = *from;
        }
        let mut window = vec![0_u16; 1 << FAR];
        let mut long = [(0, 0); 16];
        let (mut code, mut index) = (0_u32, 0_usize);
        for ((length, &count), entry) in (1_u32..).zip(&declared.counts).zip(&mut long) {
            let first = i32::try_from(index).unwrap_or(0) - i32::try_from(code).unwrap_or(0);
            for _ in 0..count {
                let value = *declared
                    .values
                    .get(index)
                    .ok_or_else(|| broken("a Huffman table without its values"))?;
                if code >> length != 0 {
                    return Err(broken("a Huffman table of too many codes"));
                }
                if length <= FAR {
                    let from = usize::try_from(code << (FAR - length)).unwrap_or(usize::MAX);
                    let entries = 1_usize << (FAR - length);
                    let word = u16::try_from(length).unwrap_or(0) << 8 | u16::from(value);
                    for slot in window.iter_mut().skip(from).take(entries) {
                        *slot = word;
                    }
                }
                code += 1;
                index += 1;
            }
            *entry = (code << (16 - length), first);
            code <<= 1;
        }
        let window: Box<[u16; 1 << FAR]> = window
            .into_boxed_slice()
            .try_into()
            .map_err(|_| broken("a Huffman table"))?;
        let mut short = vec![0; 1 << CODE];
        for (slot, word) in short
            .iter_mut()
            .zip(window.iter().step_by(1 << (FAR - CODE)))
        {
            if u32::from(*word >> 8) <= CODE {
                *slot = *word;
            }
        }
        let short = short
            .into_boxed_slice()
            .try_into()
            .map_err(|_| broken("a Huffman table"))?;
        let codes = Self {
            short,
            long,
            values,
        };
        Ok((codes, window))
    }

    /// Reads one code and gives what it stands for. Needs and leaves nothing of what is at hand:
    /// it loads before.
    #[inline(always)]
    fn value(&self, bits: &mut Bits<'_>) -> u32 {
        bits.refill();
        let word = u32::from(self.short[(bits.peek() >> (64 - CODE)) as usize]);
        if word != 0 {
            bits.skip(word >> 8);
            return word & 0xFF;
        }
        self.long_value(bits)
    }

    #[cold]
    #[inline(never)]
    fn long_value(&self, bits: &mut Bits<'_>) -> u32 {
        let next = u32::try_from(bits.peek() >> 48).unwrap_or(0);
        for (length, &(end, offset)) in (1_u32..).zip(&self.long) {
            if next < end {
                let code = i32::try_from(next >> (16 - length)).unwrap_or(0);
                let index = usize::try_from(code + offset).unwrap_or(usize::MAX);
                bits.skip(length);
                return self.values.get(index).copied().map_or(0, u32::from);
            }
        }
        bits.fail();
        bits.skip(1);
        0
    }
}

/// A value of `size` bits as F.2.2.1 extends it.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "a value has at most 15 bits"
)]
fn extended(bits: u64, size: u32) -> i32 {
    let top = bits >> 63;
    let value = ((bits >> 1) >> (63 - (size & 63))) as i32;
    // A leading zero means a negative value, counted from the lowest.
    if top == 0 {
        value + 1 - (1 << (size & 15))
    } else {
        value
    }
}

/// Reads differences of DC coefficients.
pub(super) struct DcTable {
    /// For the next [`NEAR`] bits: difference << 16 | bits taken, or 0 where they do not hold it.
    near: Box<[i32; 1 << NEAR]>,
    codes: Codes,
}

impl DcTable {
    /// Makes the table declared at octet `at`.
    pub(super) fn new(declared: &Declared, at: usize) -> Result<Self, MediaError> {
        let (codes, window) = Codes::new(declared, at)?;
        let mut near = vec![0; 1 << NEAR];
        for (slot, (next, word)) in near.iter_mut().zip(windows(&window)) {
            let (length, size) = (word >> 8, word & 0xFF);
            if length != 0 && length + size <= NEAR {
                let taken = i32::try_from(length + size).unwrap_or(0);
                let value = if size == 0 {
                    0
                } else {
                    extended(next << length, size)
                };
                *slot = value << 16 | taken;
            }
        }
        Ok(Self {
            near: boxed(near, at)?,
            codes,
        })
    }

    /// The next difference. Takes at most 11 bits of what is at hand, or loads.
    #[inline(always)]
    pub(super) fn difference(&self, bits: &mut Bits<'_>) -> i32 {
        let entry = self.near[(bits.peek() >> (64 - NEAR)) as usize];
        if entry != 0 {
            bits.skip(u32::from(taken(entry)));
            return entry >> 16;
        }
        self.far_difference(bits)
    }

    #[inline(never)]
    fn far_difference(&self, bits: &mut Bits<'_>) -> i32 {
        let size = self.codes.value(bits);
        // 11 in pictures of 8 bits; what is longer is nothing.
        if size == 0 || size > 15 {
            if size != 0 {
                bits.fail();
            }
            bits.refill();
            return 0;
        }
        let value = extended(bits.peek(), size);
        bits.skip(size);
        bits.refill();
        value
    }
}

/// Reads AC coefficients.
pub(super) struct Steps {
    /// For the next [`NEAR`] bits: coefficient << 16 | advance << 8 | bits taken, or 0 where they
    /// do not hold it. The advance is the zeros before and itself, and [`END`] or more at the end
    /// of the block.
    near: Box<[i32; 1 << NEAR]>,
    codes: Codes,
}

/// Reads and passes over AC coefficients.
pub(super) struct AcTable {
    steps: Steps,
    /// For the next [`FAR`] bits: end << 15 | advance << 5 | bits taken, of as many codes as begin
    /// and end in them; 0 where they hold none. The value of the last may reach beyond them.
    far: Box<[u16; 1 << FAR]>,
}

/// An advance that is beyond the end of any block. What an end has more than this is, in a
/// progressive scan, how many bits follow that tell of blocks that end with it.
pub(super) const END: usize = 64;

/// A coefficient and how far it is from the one before.
pub(super) struct Step {
    pub(super) advance: usize,
    pub(super) value: i32,
}

impl Steps {
    /// Makes the table declared at octet `at`.
    pub(super) fn new(declared: &Declared, at: usize) -> Result<Self, MediaError> {
        Ok(Self::with_window(declared, at)?.0)
    }

    fn with_window(
        declared: &Declared,
        at: usize,
    ) -> Result<(Self, Box<[u16; 1 << FAR]>), MediaError> {
        let (codes, window) = Codes::new(declared, at)?;
        let mut near = vec![0; 1 << NEAR];
        for (slot, (next, word)) in near.iter_mut().zip(windows(&window)) {
            let (length, run, size) = (word >> 8, word >> 4 & 15, word & 15);
            if length == 0 || length + size > NEAR {
                continue;
            }
            let value = if size == 0 {
                0
            } else {
                extended(next << length, size)
            };
            let advance = i32::try_from(advance(run, size)).unwrap_or(0);
            let taken = i32::try_from(length + size).unwrap_or(0);
            *slot = value << 16 | advance << 8 | taken;
        }
        let near = boxed(near, at)?;
        Ok((Self { near, codes }, window))
    }

    /// The next coefficient. Takes at most 11 bits of what is at hand, or loads.
    #[inline(always)]
    pub(super) fn step(&self, bits: &mut Bits<'_>) -> Step {
        let entry = self.near[(bits.peek() >> (64 - NEAR)) as usize];
        if entry != 0 {
            bits.skip(u32::from(taken(entry)));
            return Step {
                advance: usize::from(taken(entry >> 8)),
                value: entry >> 16,
            };
        }
        let word = self.codes.value(bits);
        let (run, size) = (word >> 4, word & 15);
        let mut value = 0;
        if size != 0 {
            value = extended(bits.peek(), size);
            bits.skip(size);
        }
        bits.refill();
        Step {
            advance: advance(run, size),
            value,
        }
    }
}

/// How far a code of `run` zeros and a coefficient of `size` bits goes.
#[inline(always)]
const fn advance(run: u32, size: u32) -> usize {
    match (run, size) {
        (15, 0) => 16,
        (_, 0) => END + run as usize,
        _ => run as usize + 1,
    }
}

impl AcTable {
    /// Makes the table declared at octet `at`.
    pub(super) fn new(declared: &Declared, at: usize) -> Result<Self, MediaError> {
        let (steps, window) = Steps::with_window(declared, at)?;
        let mut far = vec![0_u16; 1 << FAR];
        for (slot, first) in far.iter_mut().zip(0_usize..) {
            *slot = passed_over(first, &window);
        }
        Ok(Self {
            steps,
            far: boxed(far, at)?,
        })
    }

    /// The next coefficient. Takes at most 11 bits of what is at hand, or loads.
    #[inline(always)]
    pub(super) fn step(&self, bits: &mut Bits<'_>) -> Step {
        self.steps.step(bits)
    }

    /// Passes over what is left of a block from coefficient `k` on.
    #[inline(always)]
    pub(super) fn pass(&self, bits: &mut Bits<'_>, mut k: usize) {
        loop {
            bits.refill();
            // Two entries take 28 bits each at most, and 56 are at hand.
            for _ in 0..2 {
                let entry = u32::from(self.far[(bits.peek() >> (64 - FAR)) as usize]);
                let end = (entry >> 15) as usize;
                let next = k.wrapping_add((entry >> 5 & 63) as usize).wrapping_add(end);
                if entry != 0 && next <= 64 {
                    bits.skip(entry & 31);
                    k = next;
                    if end != 0 || k == 64 {
                        return;
                    }
                } else {
                    let step = self.step(bits);
                    k = k.wrapping_add(step.advance);
                    if k >= 64 {
                        return;
                    }
                    bits.refill();
                }
            }
        }
    }
}

/// The lowest octet of an entry.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the lowest octet is wanted"
)]
const fn taken(entry: i32) -> u8 {
    entry as u8
}

/// Each beginning of [`NEAR`] bits, at the top of a word, with the first code in it.
fn windows(window: &[u16; 1 << FAR]) -> impl Iterator<Item = (u64, u32)> {
    (0_u64..)
        .zip(window.iter().step_by(1 << (FAR - NEAR)))
        .map(|(index, &word)| (index << (64 - NEAR), u32::from(word)))
}

/// What [`AcTable::far`] says of the bits `first`.
fn passed_over(first: usize, window: &[u16; 1 << FAR]) -> u16 {
    let (mut taken, mut advance, mut end) = (0_u32, 0_u32, 0_u32);
    while taken < FAR {
        let word = u32::from(window[first << taken & ((1 << FAR) - 1)]);
        let (length, run, size) = (word >> 8, word >> 4 & 15, word & 15);
        if length == 0 || taken + length > FAR {
            break;
        }
        if size == 0 && run < 15 {
            taken += length;
            end = 1;
            break;
        }
        if advance + run + 1 > 63 || taken + length + size > 28 {
            break;
        }
        taken += length + size;
        advance += run + 1;
    }
    if taken == 0 {
        0
    } else {
        u16::try_from(end << 15 | advance << 5 | taken).unwrap_or(0)
    }
}

fn boxed<T, const N: usize>(table: Vec<T>, at: usize) -> Result<Box<[T; N]>, MediaError> {
    let broken = |_| MediaError::malformed_at(Format::Jpeg, "a Huffman table", at);
    table.into_boxed_slice().try_into().map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10, 110 and one of 16 bits.
    fn declared(values: [u8; 4]) -> Declared {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[2], counts[15]) = (1, 1, 1, 1);
        Declared {
            counts,
            values: values.to_vec(),
        }
    }

    fn bits(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
        digits
            .chunks(8)
            .map(|chunk| {
                (0..8).fold(0, |octet, i| {
                    octet << 1 | u8::from(chunk.get(i) == Some(&b'1'))
                })
            })
            .collect()
    }

    #[test]
    fn differences_are_extended() {
        let table = DcTable::new(&declared([0, 2, 3, 11]), 0).unwrap();
        // 0; 2 bits 11 = 3; 2 bits 00 = -3; 3 bits 011 = -4; 16 bits, then 11 bits.
        let data = bits("0 10 11 10 00 110 011 1110000000000000 10000000001 0000");
        let mut bits = Bits::new(&data, 0);
        let mut read = || {
            bits.refill();
            table.difference(&mut bits)
        };
        assert_eq!([(); 5].map(|()| read()), [0, 3, -3, -4, 1025]);
        assert!(!bits.is_bad());
    }

    #[test]
    fn steps_and_passing_over_take_the_same_bits() {
        // Run 0 size 1, end, run 15 (sixteen zeros), run 2 size 10.
        let table = AcTable::new(&declared([0x01, 0x00, 0xF0, 0x2A]), 0).unwrap();
        let text = "01 00 110 01 1110000000000000 1000000001 01 10 0 1 1 1 1 1 1 1";
        let data = bits(&text.repeat(2));
        let mut stepped = Bits::new(&data, 0);
        stepped.refill();
        let mut k = 1;
        let mut seen = Vec::new();
        while k < 64 {
            let step = table.step(&mut stepped);
            k += step.advance;
            seen.push((step.advance, step.value));
            stepped.refill();
        }
        assert_eq!(
            seen,
            [(1, 1), (1, -1), (16, 0), (1, 1), (3, 513), (1, 1), (64, 0)]
        );
        let mut passed = Bits::new(&data, 0);
        table.pass(&mut passed, 1);
        passed.refill();
        assert_eq!(passed.peek() >> 8, stepped.peek() >> 8);
    }

    #[test]
    fn a_code_that_no_table_has_is_told() {
        let table = AcTable::new(&declared([1, 0, 0xF0, 2]), 0).unwrap();
        let data = bits(&"11111110".repeat(12));
        let mut bits = Bits::new(&data, 0);
        table.pass(&mut bits, 1);
        assert!(bits.is_bad());
    }

    #[test]
    fn too_many_codes_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        let declared = Declared {
            counts,
            values: vec![1, 2, 3],
        };
        assert!(DcTable::new(&declared, 9).is_err());
        assert!(AcTable::new(&declared, 9).is_err());
    }
}

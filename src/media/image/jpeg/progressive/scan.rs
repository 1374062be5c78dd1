//! One scan of a progressive picture.

#![allow(
    clippy::indexing_slicing,
    reason = "every index is masked to the length of a fixed array"
)]

use std::ops::Range;

use super::Plane;
use crate::media::cancel::Cancel;
use crate::media::error::MediaError;
use crate::media::image::jpeg::bits::Bits;
use crate::media::image::jpeg::header::{Band, Part};
use crate::media::image::jpeg::huffman::{DcTable, END, Steps};
use crate::media::image::jpeg::idct::{Points, ZIGZAG};

/// How a scan tells of a component.
pub(super) enum Kind {
    /// DC coefficients but for their lowest bits.
    Mean(DcTable),
    /// A bit of each DC coefficient.
    MeanBit,
    /// AC coefficients but for their lowest bits.
    Rest(Steps),
    /// A bit of AC coefficients.
    RestBit(Steps),
}

/// A scan while it is read.
pub(super) struct Reading<'a> {
    part: &'a Part,
    /// Of each component of the scan.
    kinds: &'a [Kind],
    planes: &'a mut [Plane],
    /// The DC coefficients before.
    before: [i32; 4],
    /// Blocks from here on that the scan has no more new coefficients of.
    run: usize,
}

/// How much of a scan was read.
pub(super) struct Done {
    /// Units that were, and that there are.
    pub(super) units: (usize, usize),
    pub(super) damage: Option<usize>,
    /// Whether that is where the file ends.
    pub(super) cut: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(part: &'a Part, kinds: &'a [Kind], planes: &'a mut [Plane]) -> Self {
        Self {
            part,
            kinds,
            planes,
            before: [0; 4],
            run: 0,
        }
    }

    /// Reads it from one restart marker to the next.
    pub(super) fn all(&mut self, data: &[u8], cancel: &Cancel) -> Result<Done, MediaError> {
        let (across, down) = self.part.header.units();
        let units = across.saturating_mul(down);
        let restart = self.part.header.tables.restart;
        let interval = if restart == 0 { units } else { restart };
        let mut bits = Bits::new(data, self.part.header.scan);
        let mut done = Done {
            units: (0, units),
            damage: None,
            cut: false,
        };
        let mut from = 0;
        while from < units {
            let to = from.saturating_add(interval).min(units);
            let read = self.interval(from..to, across, &mut bits, cancel)?;
            done.units.0 += read - from;
            let at = bits.offset();
            if read < to {
                done.damage.get_or_insert(at);
                done.cut = bits.is_at_end();
            }
            if to == units {
                break;
            }
            let Some(number) = bits.next_restart() else {
                done.damage.get_or_insert(at);
                break;
            };
            // Markers count to eight. A few may have been lost; more than that is a marker that is
            // wrong itself.
            let next = to / interval;
            let expected = next.saturating_sub(1) % 8;
            let lost = (usize::from(number) + 8 - expected) % 8;
            let lost = if lost <= 4 { lost } else { 0 };
            if lost > 0 {
                done.damage.get_or_insert(at);
            }
            from = next.saturating_add(lost).saturating_mul(interval);
        }
        Ok(done)
    }

    /// Reads these units, which are so many side by side; gives the first that could not be read.
    fn interval(
        &mut self,
        units: Range<usize>,
        across: usize,
        bits: &mut Bits<'_>,
        cancel: &Cancel,
    ) -> Result<usize, MediaError> {
        self.before = [0; 4];
        self.run = 0;
        let mut from = units.start;
        while from < units.end {
            cancel.check()?;
            let row = from / across.max(1);
            let to = (row + 1).saturating_mul(across).min(units.end);
            let done = self.row(row, from % across.max(1)..to - row * across, bits);
            from = row * across + done;
            if from < to {
                break;
            }
        }
        Ok(from)
    }

    /// Reads these units of a row.
    fn row(&mut self, row: usize, units: Range<usize>, bits: &mut Bits<'_>) -> usize {
        let band = self.part.band;
        if let ([index], [kind]) = (self.part.components.as_slice(), self.kinds)
            && let Some(plane) = self.planes.get_mut(*index)
        {
            let first = row * plane.across;
            let blocks = first + units.start..first + units.end;
            let run = &mut self.run;
            let done = match kind {
                Kind::Rest(table) => plane.rest(blocks, table, band, bits, run),
                Kind::RestBit(table) => plane.rest_bit(blocks, table, band, bits, run),
                _ => return self.means(row, units, bits),
            };
            return done - first;
        }
        self.means(row, units, bits)
    }

    /// Reads DC coefficients of units of a row.
    fn means(&mut self, row: usize, units: Range<usize>, bits: &mut Bits<'_>) -> usize {
        let low = u32::from(self.part.band.low);
        for unit in units.clone() {
            let components = self
                .part
                .components
                .iter()
                .zip(&self.part.header.components);
            let state = self.kinds.iter().zip(&mut self.before);
            for ((&index, component), (kind, before)) in components.zip(state) {
                let Some(plane) = self.planes.get_mut(index) else {
                    continue;
                };
                let kept = plane.kept();
                for y in 0..component.down {
                    let line = (row * component.down + y).wrapping_mul(plane.across);
                    for x in 0..component.across {
                        let block = line.wrapping_add(unit * component.across + x);
                        bits.refill();
                        let Some(level) = plane.levels.get_mut(block.wrapping_mul(kept)) else {
                            continue;
                        };
                        if let Kind::Mean(table) = kind {
                            *before = before.wrapping_add(table.difference(bits));
                            *level = low_bits(before.wrapping_shl(low));
                        } else {
                            let bit = i32::from(bits.peek() >> 63 == 1);
                            bits.skip(1);
                            *level |= low_bits(bit << low);
                        }
                    }
                }
            }
            if bits.is_bad() {
                return unit;
            }
        }
        units.end
    }
}

impl Plane {
    /// Reads AC coefficients of these blocks but for their lowest bits (G.1.2.2); gives the first
    /// block that could not be read.
    fn rest(
        &mut self,
        blocks: Range<usize>,
        table: &Steps,
        band: Band,
        bits: &mut Bits<'_>,
        run: &mut usize,
    ) -> usize {
        let (kept, places) = (self.kept(), places_of(self.points));
        let (first, last) = (usize::from(band.first), usize::from(band.last));
        let low = u32::from(band.low);
        let mut next = blocks.start;
        while next < blocks.end {
            if *run > 0 {
                let passed = (*run).min(blocks.end - next);
                *run -= passed;
                next += passed;
                continue;
            }
            let at = next.wrapping_mul(kept);
            let levels = self.levels.get_mut(at..at.wrapping_add(kept));
            let (Some(levels), Some(marks)) = (levels, self.marks.get_mut(next)) else {
                return next;
            };
            let mut seen = 0_u64;
            let mut k = first;
            'block: loop {
                bits.refill();
                // Four steps take 44 bits of the 56 at hand.
                for _ in 0..4 {
                    let step = table.step(bits);
                    if step.advance >= END {
                        *run = ended(step.advance, bits) - 1;
                        break 'block;
                    }
                    k = k.wrapping_add(step.advance);
                    if k > last + 1 {
                        bits.fail();
                        break 'block;
                    }
                    if step.value != 0 {
                        let at = k.wrapping_sub(1) & 63;
                        seen |= 1 << at;
                        if let Some(level) = levels.get_mut(usize::from(places[at])) {
                            *level = low_bits(step.value.wrapping_shl(low));
                        }
                    }
                    if k > last {
                        break 'block;
                    }
                }
            }
            *marks |= seen;
            if bits.is_bad() {
                return next;
            }
            next += 1;
        }
        next
    }

    /// Reads one more bit of AC coefficients of these blocks (G.1.2.3).
    fn rest_bit(
        &mut self,
        blocks: Range<usize>,
        table: &Steps,
        band: Band,
        bits: &mut Bits<'_>,
        run: &mut usize,
    ) -> usize {
        let (kept, places) = (self.kept(), places_of(self.points));
        let stored = kept_of(self.points);
        let bit = low_bits(1 << band.low);
        let mut next = blocks.start;
        while next < blocks.end {
            let Some(marks) = self.marks.get_mut(next) else {
                return next;
            };
            // The coefficients that are still to come.
            let mut left = band.mask();
            let known = *marks;
            if *run > 0 && known & left == 0 {
                *run -= 1;
                next += 1;
                continue;
            }
            let at = next.wrapping_mul(kept);
            let Some(levels) = self.levels.get_mut(at..at.wrapping_add(kept)) else {
                return next;
            };
            let mut block = Block {
                levels,
                places,
                stored,
                bit,
            };
            if *run == 0 {
                while left != 0 {
                    bits.refill();
                    let step = table.step(bits);
                    if step.advance >= END {
                        *run = ended(step.advance, bits);
                        break;
                    }
                    // So many coefficients are zero and stay so, and the one behind them is new.
                    let mut zeros = left & !known;
                    for _ in 1..step.advance {
                        zeros &= zeros.wrapping_sub(1);
                    }
                    let here = zeros & zeros.wrapping_neg();
                    // Everything up to that one; all that is left where there is none.
                    let passed = left & (here.wrapping_sub(1) | here);
                    block.more(known & passed, bits);
                    left &= !passed;
                    if step.value != 0 {
                        if here == 0 {
                            bits.fail();
                            break;
                        }
                        *marks |= here;
                        block.becomes(here, step.value > 0);
                    }
                }
            }
            if *run > 0 {
                *run -= 1;
                block.more(known & left, bits);
            }
            if bits.is_bad() {
                return next;
            }
            next += 1;
        }
        next
    }
}

/// A block that gets one more bit of its coefficients.
struct Block<'a> {
    levels: &'a mut [i16],
    /// Where the coefficients are among those, and which of them are.
    places: &'a [u8; 64],
    stored: u64,
    /// What the bit stands for.
    bit: i16,
}

impl Block<'_> {
    /// The level of the coefficient that this bit of a word stands for.
    #[inline(always)]
    fn level(&mut self, here: u64) -> Option<&mut i16> {
        let place = self.places[here.trailing_zeros() as usize & 63];
        self.levels.get_mut(usize::from(place))
    }

    /// A coefficient is no longer zero.
    #[inline(always)]
    fn becomes(&mut self, here: u64, positive: bool) {
        let bit = self.bit;
        if let Some(level) = self.level(here) {
            *level = if positive { bit } else { bit.wrapping_neg() };
        }
    }

    /// Reads a bit for each of the coefficients `of`.
    #[inline(always)]
    fn more(&mut self, of: u64, bits: &mut Bits<'_>) {
        let mut left = of;
        while left & self.stored != 0 {
            bits.refill();
            let mut at_hand = 56;
            while left & self.stored != 0 && at_hand > 0 {
                let here = left & left.wrapping_neg();
                left ^= here;
                at_hand -= 1;
                let set = bits.peek() >> 63 == 1;
                bits.skip(1);
                let bit = self.bit;
                if let Some(level) = self.level(here).filter(|_| set) {
                    let negative = *level < 0;
                    *level = level.wrapping_add(if negative { bit.wrapping_neg() } else { bit });
                }
            }
        }
        let mut count = left.count_ones();
        while count > 0 {
            bits.refill();
            let passed = count.min(56);
            bits.skip(passed);
            count -= passed;
        }
    }
}

/// How many blocks end here, this one included, by the advance that says so.
#[inline(always)]
fn ended(advance: usize, bits: &mut Bits<'_>) -> usize {
    let size = u32::try_from(advance - END).unwrap_or(0) & 15;
    bits.refill();
    let more = bits.peek() >> 1 >> (63 - size);
    bits.skip(size);
    (1 << size) + usize::try_from(more).unwrap_or(0)
}

/// The lowest 16 bits, which are all there are of a coefficient.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "coefficients have 16 bits")]
const fn low_bits(value: i32) -> i16 {
    value as i16
}

/// Where a coefficient is among the levels kept of its block, by its number; 255 where it is not.
const fn places_of(points: Points) -> &'static [u8; 64] {
    match points {
        Points::One => &PLACES[0],
        Points::Two => &PLACES[1],
        Points::Four => &PLACES[2],
        Points::Eight => &PLACES[3],
    }
}

/// The bits of a word that stand for coefficients that are kept.
pub(super) const fn kept_of(points: Points) -> u64 {
    let places = places_of(points);
    let (mut mask, mut k) = (0, 0);
    while k < 64 {
        if places[k] != 255 {
            mask |= 1 << k;
        }
        k += 1;
    }
    mask
}

const PLACES: [[u8; 64]; 4] = [placed(1), placed(2), placed(4), placed(8)];

const fn placed(side: u8) -> [u8; 64] {
    let mut places = [255; 64];
    let mut k = 0;
    while k < 64 {
        let (row, column) = (ZIGZAG[k] / 8, ZIGZAG[k] % 8);
        if row < side && column < side {
            places[k] = row * side + column;
        }
        k += 1;
    }
    places
}

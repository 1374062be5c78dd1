//! The one scan of a baseline picture, row of units by row of units.

#![allow(
    clippy::indexing_slicing,
    reason = "every index is a constant or masked to the length of a fixed array"
)]

use super::bits::Bits;
use super::header::Header;
use super::huffman::{AcTable, DcTable};
use super::idct::{self, Dequantiser, Points, ZIGZAG};
use super::lanes;
use crate::media::error::MediaError;

/// What a scan is decoded to: samples, or the levels of low coefficients that samples are made of
/// later.
pub(super) trait Value: Copy {
    /// Of what the data do not tell.
    const GREY: Self;

    /// Whether there is something to compute for which wide instructions are worth the compiler's
    /// time.
    const WIDE: bool;

    /// The values of the block whose DC coefficient is `mean`.
    fn block<const N: usize, B: Block<N>>(
        q: &Dequantiser,
        mean: i32,
        ac: &AcTable,
        bits: &mut Bits<'_>,
    ) -> [[Self; N]; N];
}

impl Value for u8 {
    const GREY: Self = 128;
    const WIDE: bool = true;

    #[inline(always)]
    fn block<const N: usize, B: Block<N>>(
        q: &Dequantiser,
        mean: i32,
        ac: &AcTable,
        bits: &mut Bits<'_>,
    ) -> [[Self; N]; N] {
        B::samples(q, mean, ac, bits)
    }
}

impl Value for i16 {
    const GREY: Self = 0;
    const WIDE: bool = false;

    #[inline(always)]
    fn block<const N: usize, B: Block<N>>(
        _: &Dequantiser,
        mean: i32,
        ac: &AcTable,
        bits: &mut Bits<'_>,
    ) -> [[Self; N]; N] {
        B::levels(mean, ac, bits)
    }
}

/// A scan being decoded.
pub(super) struct Scan<'a, V> {
    bits: Bits<'a>,
    channels: Vec<Channel<V>>,
    dc: [Option<DcTable>; 4],
    ac: [Option<AcTable>; 4],
    /// Units side by side and one below the other.
    across: usize,
    down: usize,
    /// Units between two restart markers; 0 where there are none.
    restart: usize,
    /// The unit that comes next, counted over the whole picture.
    next: usize,
    /// The unit at which data are at hand again after damage.
    resume: usize,
    /// Units decoded.
    decoded: usize,
    damage: Option<usize>,
}

/// A component while it is decoded.
pub(super) struct Channel<V> {
    across: usize,
    down: usize,
    dc: usize,
    ac: usize,
    dequantiser: Dequantiser,
    points: Points,
    /// The DC coefficient before. Sound pictures have 12 bits of it.
    before: i16,
    stride: usize,
    /// The values of a row of units.
    values: Vec<V>,
}

impl<V> Channel<V> {
    /// The values of the row of units decoded last, row by row.
    pub(super) fn values(&self) -> &[V] {
        &self.values
    }

    /// Values of a row.
    pub(super) const fn stride(&self) -> usize {
        self.stride
    }
}

impl<'a, V: Value> Scan<'a, V> {
    /// Starts on the scan of `data` that `header` describes, each component with as many points a
    /// side as `points` says. `None` where the file leaves out a table.
    pub(super) fn new(
        data: &'a [u8],
        header: &Header,
        points: &[Points],
    ) -> Result<Option<Self>, MediaError> {
        let (across, down) = header.units();
        let (mut dc, mut ac) = ([const { None }; 4], [const { None }; 4]);
        let mut channels = Vec::new();
        for (component, &points) in header.components.iter().zip(points) {
            let table = header.tables.quantisers.get(component.quantiser);
            let (Some(Some(table)), Some(Some((slow, slow_at))), Some(Some((fast, fast_at)))) = (
                table,
                header.tables.dc.get(component.dc),
                header.tables.ac.get(component.ac),
            ) else {
                return Ok(None);
            };
            if let Some(slot @ None) = dc.get_mut(component.dc) {
                *slot = Some(DcTable::new(slow, *slow_at)?);
            }
            if let Some(slot @ None) = ac.get_mut(component.ac) {
                *slot = Some(AcTable::new(fast, *fast_at)?);
            }
            let stride = across * component.across * points.count();
            channels.push(Channel {
                across: component.across,
                down: component.down,
                dc: component.dc,
                ac: component.ac,
                dequantiser: Dequantiser::new(table, points),
                points,
                before: 0,
                stride,
                values: vec![V::GREY; stride * component.down * points.count()],
            });
        }
        Ok(Some(Self {
            bits: Bits::new(data, header.scan),
            channels,
            dc,
            ac,
            across,
            down,
            restart: header.tables.restart,
            next: 0,
            resume: 0,
            decoded: 0,
            damage: None,
        }))
    }

    /// The components.
    pub(super) fn channels(&self) -> &[Channel<V>] {
        &self.channels
    }

    /// Where the first damage is, if there was any so far.
    pub(super) const fn damage(&self) -> Option<usize> {
        self.damage
    }

    /// Units decoded, and units there are.
    pub(super) const fn progress(&self) -> (usize, usize) {
        (self.decoded, self.across.saturating_mul(self.down))
    }

    /// Whether nothing more can be read, and less than half of the picture was.
    pub(super) const fn is_hopeless(&self) -> bool {
        let (decoded, units) = self.progress();
        self.resume == usize::MAX && decoded.saturating_mul(2) < units
    }

    /// Decodes the next row of units; `false` after the last. What the data do not tell is grey.
    pub(super) fn next_row(&mut self) -> bool {
        let end = self.next.saturating_add(self.across);
        if end > self.across.saturating_mul(self.down) {
            return false;
        }
        let begin = self.next;
        while self.next < end {
            if self.next < self.resume {
                let to = self.resume.min(end);
                self.grey(self.next - begin, to - begin);
                self.next = to;
                continue;
            }
            let mut to = end;
            if self.restart > 0 {
                if self.next > 0
                    && self.next.is_multiple_of(self.restart)
                    && self.resume != self.next
                {
                    self.restart(self.next / self.restart);
                    self.resume = self.resume.max(self.next);
                    if self.resume > self.next {
                        continue;
                    }
                }
                to = to.min((self.next / self.restart + 1).saturating_mul(self.restart));
            }
            let from = self.next;
            self.next = begin + self.units(from - begin, to - begin);
            self.decoded = self.decoded.saturating_add(self.next - from);
            if self.next < to {
                self.damaged();
            }
        }
        true
    }

    /// Goes on behind the restart marker in front of interval `interval`, or behind a later one.
    fn restart(&mut self, interval: usize) {
        for channel in &mut self.channels {
            channel.before = 0;
        }
        let offset = self.bits.offset();
        let resume = self.bits.next_restart().map(|number| {
            // Markers count to eight. A few may have been lost; more than that is a marker that
            // is wrong itself.
            let expected = interval.saturating_sub(1) % 8;
            let lost = (usize::from(number) + 8 - expected) % 8;
            let lost = if lost <= 4 { lost } else { 0 };
            interval.saturating_add(lost).saturating_mul(self.restart)
        });
        let resume = resume.unwrap_or(usize::MAX);
        if resume > interval.saturating_mul(self.restart) {
            self.damage.get_or_insert(offset);
        }
        self.resume = resume;
    }

    /// Looks for data that can be used after unit [`next`](Self::next) could not be read.
    fn damaged(&mut self) {
        self.damage.get_or_insert(self.bits.offset());
        match self.next.checked_div(self.restart) {
            None => self.resume = usize::MAX,
            Some(interval) => self.restart(interval + 1),
        }
    }

    /// Decodes the units of the row from `from` to `to`; gives the first that could not be read.
    fn units(&mut self, from: usize, to: usize) -> usize {
        if V::WIDE {
            lanes::widest(
                #[inline(always)]
                || self.read_units(from, to),
            )
        } else {
            self.read_units(from, to)
        }
    }

    #[inline(always)]
    fn read_units(&mut self, from: usize, to: usize) -> usize {
        // A copy, so that the compiler can keep it in registers.
        let mut bits = self.bits;
        let mut done = to;
        for x in from..to {
            for channel in &mut self.channels {
                let (Some(Some(dc)), Some(Some(ac))) =
                    (self.dc.get(channel.dc), self.ac.get(channel.ac))
                else {
                    continue;
                };
                match channel.points {
                    Points::One => channel.unit::<1, One>(x, dc, ac, &mut bits),
                    Points::Two => channel.unit::<2, Two>(x, dc, ac, &mut bits),
                    Points::Four => channel.unit::<4, Four>(x, dc, ac, &mut bits),
                    Points::Eight => channel.unit::<8, Eight>(x, dc, ac, &mut bits),
                }
            }
            if bits.is_bad() {
                done = x;
                break;
            }
        }
        self.bits = bits;
        done
    }

    /// Paints the units of the row from `from` to `to` grey.
    fn grey(&mut self, from: usize, to: usize) {
        for channel in &mut self.channels {
            let unit = channel.across * channel.points.count();
            for row in channel.values.chunks_exact_mut(channel.stride.max(1)) {
                if let Some(values) = row.get_mut(from * unit..to * unit) {
                    values.fill(V::GREY);
                }
            }
        }
    }
}

impl<V: Value> Channel<V> {
    /// Decodes the blocks of unit `x` of a row.
    #[inline(always)]
    fn unit<const N: usize, B: Block<N>>(
        &mut self,
        x: usize,
        dc: &DcTable,
        ac: &AcTable,
        bits: &mut Bits<'_>,
    ) {
        // A row of units is far shorter than what an index holds, so nothing wraps.
        let right = x.wrapping_mul(self.across).wrapping_mul(N);
        for down in 0..self.down {
            let mut left = down
                .wrapping_mul(self.stride)
                .wrapping_mul(N)
                .wrapping_add(right);
            for _ in 0..self.across {
                bits.refill();
                self.before = self.before.wrapping_add(low_bits(dc.difference(bits)));
                let mean = i32::from(self.before);
                let values = V::block::<N, B>(&self.dequantiser, mean, ac, bits);
                let mut at = left;
                for row in values {
                    let to = self
                        .values
                        .get_mut(at..)
                        .and_then(|to| to.first_chunk_mut());
                    if let Some(to) = to {
                        *to = row;
                    }
                    at = at.wrapping_add(self.stride);
                }
                left = left.wrapping_add(N);
            }
        }
    }
}

/// Reads coefficients up to number `LAST` and gives each to `store` with its number; what is left
/// of the block is passed over. Says whether there were any.
#[inline(always)]
fn low<const LAST: usize>(
    ac: &AcTable,
    bits: &mut Bits<'_>,
    mut store: impl FnMut(usize, i32),
) -> bool {
    let mut k = 1_usize;
    let mut any = false;
    'block: loop {
        // The DC coefficient, or the four before, took what refilling leaves over.
        for _ in 0..4 {
            let step = ac.step(bits);
            k = k.wrapping_add(step.advance);
            if k > 64 {
                return any;
            }
            any = true;
            store(k.wrapping_sub(1), step.value);
            if k > LAST {
                break 'block;
            }
        }
        bits.refill();
    }
    if k < 64 {
        ac.pass(bits, k);
    }
    any
}

/// The lowest 16 bits, which are all there are of a coefficient.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "coefficients and their differences have 16 bits"
)]
const fn low_bits(value: i32) -> i16 {
    value as i16
}

/// Decodes a block to so many points a side. A type and not a function that is passed, because
/// only what is inlined has the widest instructions.
pub(super) trait Block<const N: usize> {
    /// The samples of the block whose DC coefficient is `mean`.
    #[inline(always)]
    fn samples(q: &Dequantiser, mean: i32, ac: &AcTable, bits: &mut Bits<'_>) -> [[u8; N]; N] {
        Self::transformed(q, &Self::levels(mean, ac, bits))
    }

    /// Its coefficients as they are in the file, in rows and columns.
    fn levels(mean: i32, ac: &AcTable, bits: &mut Bits<'_>) -> [[i16; N]; N];

    /// The samples of such coefficients.
    fn transformed(q: &Dequantiser, levels: &[[i16; N]; N]) -> [[u8; N]; N];
}

pub(super) struct One;
pub(super) struct Two;
pub(super) struct Four;
pub(super) struct Eight;

impl Block<1> for One {
    #[inline(always)]
    fn levels(mean: i32, ac: &AcTable, bits: &mut Bits<'_>) -> [[i16; 1]; 1] {
        ac.pass(bits, 1);
        [[low_bits(mean)]]
    }

    #[inline(always)]
    fn transformed(q: &Dequantiser, levels: &[[i16; 1]; 1]) -> [[u8; 1]; 1] {
        let [[mean]] = *levels;
        [[idct::one(q.whole(0, mean.into()))]]
    }
}

impl Block<2> for Two {
    #[inline(always)]
    fn levels(mean: i32, ac: &AcTable, bits: &mut Bits<'_>) -> [[i16; 2]; 2] {
        let mut block = [0_i16; 8];
        low::<4>(
            ac,
            bits,
            #[inline(always)]
            // Numbers from 7 on are of no use, and share a slot.
            |k, value| block[k.min(7)] = low_bits(value),
        );
        let [_, across, down, _, both, ..] = block;
        [[low_bits(mean), across], [down, both]]
    }

    #[inline(always)]
    fn transformed(q: &Dequantiser, levels: &[[i16; 2]; 2]) -> [[u8; 2]; 2] {
        let [[mean, across], [down, both]] = *levels;
        idct::two(
            q.whole(0, mean.into()),
            q.whole(1, across.into()),
            q.whole(2, down.into()),
            q.whole(4, both.into()),
        )
    }
}

impl Block<4> for Four {
    #[inline(always)]
    fn samples(q: &Dequantiser, mean: i32, ac: &AcTable, bits: &mut Bits<'_>) -> [[u8; 4]; 4] {
        let mut block = [0.0_f32; 32];
        low::<24>(
            ac,
            bits,
            #[inline(always)]
            |k, value| block[usize::from(QUARTER[k & 63] & 31)] = q.real(k, value),
        );
        let mut rows = [[0.0; 4]; 4];
        for (row, from) in rows.iter_mut().zip(block.as_chunks::<4>().0) {
            *row = *from;
        }
        rows[0][0] = q.real(0, mean);
        idct::four(&rows)
    }

    #[inline(always)]
    fn levels(mean: i32, ac: &AcTable, bits: &mut Bits<'_>) -> [[i16; 4]; 4] {
        let mut block = [0_i16; 32];
        low::<24>(
            ac,
            bits,
            #[inline(always)]
            |k, value| block[usize::from(QUARTER[k & 63] & 31)] = low_bits(value),
        );
        let mut rows = [[0; 4]; 4];
        for (row, from) in rows.iter_mut().zip(block.as_chunks::<4>().0) {
            *row = *from;
        }
        rows[0][0] = low_bits(mean);
        rows
    }

    #[inline(always)]
    fn transformed(q: &Dequantiser, levels: &[[i16; 4]; 4]) -> [[u8; 4]; 4] {
        idct::four(&q.rows(levels))
    }
}

impl Block<8> for Eight {
    #[inline(always)]
    fn samples(q: &Dequantiser, mean: i32, ac: &AcTable, bits: &mut Bits<'_>) -> [[u8; 8]; 8] {
        let mut block = [0.0_f32; 64];
        let any = low::<63>(
            ac,
            bits,
            #[inline(always)]
            |k, value| block[usize::from(ZIGZAG[k & 63] & 63)] = q.real(k, value),
        );
        block[0] = q.real(0, mean);
        if !any {
            return idct::flat(block[0]);
        }
        let mut rows = [[0.0; 8]; 8];
        for (row, from) in rows.iter_mut().zip(block.as_chunks::<8>().0) {
            *row = *from;
        }
        idct::eight(&mut rows)
    }

    #[inline(always)]
    fn levels(mean: i32, ac: &AcTable, bits: &mut Bits<'_>) -> [[i16; 8]; 8] {
        let mut block = [0_i16; 64];
        low::<63>(
            ac,
            bits,
            #[inline(always)]
            |k, value| block[usize::from(ZIGZAG[k & 63] & 63)] = low_bits(value),
        );
        block[0] = low_bits(mean);
        let mut rows = [[0; 8]; 8];
        for (row, from) in rows.iter_mut().zip(block.as_chunks::<8>().0) {
            *row = *from;
        }
        rows
    }

    #[inline(always)]
    fn transformed(q: &Dequantiser, levels: &[[i16; 8]; 8]) -> [[u8; 8]; 8] {
        let ([first, ..], rest) = (levels[0], levels.as_flattened());
        if rest.iter().skip(1).all(|&level| level == 0) {
            return idct::flat(q.real(0, first.into()));
        }
        idct::eight(&mut q.rows(levels))
    }
}

/// Where in the low quarter of a block a coefficient is, by its number; 16 outside.
const QUARTER: [u8; 64] = {
    let mut table = [16; 64];
    let mut k = 0;
    while k < 64 {
        let (row, column) = (ZIGZAG[k] / 8, ZIGZAG[k] % 8);
        if row < 4 && column < 4 {
            table[k] = row * 4 + column;
        }
        k += 1;
    }
    table
};

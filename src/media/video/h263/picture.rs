//! Coding a picture: the walk over the groups of blocks and the macroblocks.

use super::bits::BitWriter;
use super::header::Header;
use super::macroblock::{Coded, Samples};
use super::motion::{self, Estimate, Grid, Vector, moved};
use super::plane::{CHROMA, LUMA, Pixels, Plane, Reference};
use super::quant::Quantiser;
use super::steps::{Steps, dquant, towards};
use super::still;
use super::vlc;

/// How often coefficients may be sent for a macroblock between two INTRA codings (clause 4.4).
const REFRESH: u8 = 132;

/// Bits that an INTRA macroblock takes at least: COD, MCBPC, CBPY and six INTRADC.
const LEAST_INTRA: u32 = 1 + 5 + 2 + 48;

/// What became of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Bits, rounded up to whole octets.
    pub(super) bits: u64,
    /// Squared error of the luma.
    pub(super) luma_error: u64,
    /// Sum of QUANT over all macroblocks.
    pub(super) quantisers: u32,
    /// The same of those that would have been without regard to what stays on the screen.
    pub(super) planned: u32,
}

/// The coder of pictures: the last one as a decoder has it, and the one being coded.
#[derive(Debug)]
pub(super) struct Coder {
    grid: Grid,
    /// The picture to code, by macroblocks.
    source: Vec<Samples>,
    /// The source of the last picture.
    last_source: Vec<Samples>,
    /// For how many pictures each macroblock has been still.
    still: Vec<u8>,
    next_still: Vec<u8>,
    y: Reference<LUMA>,
    cb: Reference<CHROMA>,
    cr: Reference<CHROMA>,
    next_y: Plane<LUMA>,
    next_cb: Plane<CHROMA>,
    next_cr: Plane<CHROMA>,
    field: Vec<Estimate>,
    vectors: Vec<Vector>,
    /// How often each macroblock got coefficients since it was last INTRA.
    ages: Vec<u8>,
    next_ages: Vec<u8>,
    writer: BitWriter,
    inter: Coded,
    intra: Coded,
}

impl Coder {
    /// For pictures of `width` x `height`: multiples of 16, at most CIF.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let grid = Grid {
            columns: width / 16,
            rows: height / 16,
        };
        Self {
            grid,
            source: vec![Samples::BLACK; grid.count()],
            last_source: vec![Samples::BLACK; grid.count()],
            still: vec![0; grid.count()],
            next_still: Vec::new(),
            y: Reference::new(width, height),
            cb: Reference::new(width / 2, height / 2),
            cr: Reference::new(width / 2, height / 2),
            next_y: Plane::new(width, height),
            next_cb: Plane::new(width / 2, height / 2),
            next_cr: Plane::new(width / 2, height / 2),
            field: Vec::new(),
            vectors: Vec::new(),
            ages: vec![0; grid.count()],
            next_ages: Vec::new(),
            writer: BitWriter::default(),
            inter: Coded::EMPTY,
            intra: Coded::EMPTY,
        }
    }

    /// Macroblocks of the picture.
    pub(super) fn grid(&self) -> Grid {
        self.grid
    }

    /// The planes of the last picture as a decoder shows it: Y, Cb, Cr.
    pub(super) fn shown(&self) -> (&Plane<LUMA>, &Plane<CHROMA>, &Plane<CHROMA>) {
        (self.y.whole(), self.cb.whole(), self.cr.whole())
    }

    /// Which macroblocks were still between the last two pictures.
    pub(super) fn still(&self) -> impl Iterator<Item = bool> {
        self.still.iter().map(|since| *since > 0)
    }

    /// Takes the picture to code. Every plane is given as its rows.
    pub(super) fn load<'a>(
        &mut self,
        y: impl Iterator<Item = &'a [u8]>,
        cb: impl Iterator<Item = &'a [u8]>,
        cr: impl Iterator<Item = &'a [u8]>,
    ) {
        let columns = self.grid.columns;
        scatter(&mut self.source, columns, y, |samples| &mut samples.y);
        scatter(&mut self.source, columns, cb, |samples| &mut samples.cb);
        scatter(&mut self.source, columns, cr, |samples| &mut samples.cr);
    }

    /// Estimates the motion between the last picture and the loaded one. `quantiser` is the one
    /// that will probably be used.
    pub(super) fn estimate(&mut self, quantiser: u8) -> &[Estimate] {
        motion::estimate(
            self.source.iter().map(|samples| &samples.y),
            &self.y,
            self.grid,
            u32::from(quantiser) * 15,
            &mut self.field,
            &mut self.vectors,
        );
        &self.field
    }

    /// Sum of all macroblocks' activities, for pictures whose motion is not estimated.
    pub(super) fn activity(&self) -> u64 {
        self.source
            .iter()
            .map(|samples| u64::from(motion::activity(&samples.y)))
            .sum()
    }

    /// Codes the loaded picture. QUANT rises on the way when the bits would otherwise pass
    /// `limit`, and is finer for what stays on the screen: `lasting` says for each macroblock how
    /// many later pictures show it, where that is known. Unless [`keep`](Self::keep) follows, the picture can be coded again.
    pub(super) fn code(&mut self, header: &Header, limit: u64, lasting: Option<&[u8]>) -> Outcome {
        self.writer.clear();
        header.write(&mut self.writer);
        if header.intra {
            // Nothing before an INTRA picture may matter after it.
            self.field.clear();
        }
        self.vectors.clear();
        self.vectors.resize(self.grid.count(), Vector::default());
        self.next_ages.clone_from(&self.ages);
        self.next_still.clone_from(&self.still);
        if header.intra {
            self.next_ages.fill(0);
            self.next_still.fill(0);
        }
        let mut steps = Steps::new(header.quantiser, limit, self.grid.count());
        let mut outcome = Outcome {
            bits: 0,
            luma_error: 0,
            quantisers: 0,
            planned: 0,
        };
        let source = std::mem::take(&mut self.source);
        let mut samples = Samples::BLACK;
        for (index, current) in source.iter().enumerate() {
            let (column, row) = (index % self.grid.columns, index / self.grid.columns);
            if column == 0 && row > 0 && header.gob_headers {
                header.write_gob(row, steps.current, &mut self.writer);
            }
            let base = steps.wanted(index, self.writer.bits());
            let lasts = lasting.and_then(|lasting| lasting.get(index)).copied();
            let place = Place {
                index,
                column,
                row,
                lasts,
            };
            steps.current = if header.intra {
                self.intra_macroblock(current, steps.current, base, &mut samples)
            } else {
                self.inter_macroblock(current, place, header, (steps.current, base), &mut samples)
            };
            outcome.quantisers += u32::from(steps.current);
            outcome.planned += u32::from(base);
            outcome.luma_error += u64::from(super::plane::ssd(&current.y, &samples.y));
            self.next_y.put(column * 16, row * 16, &samples.y);
            self.next_cb.put(column * 8, row * 8, &samples.cb);
            self.next_cr.put(column * 8, row * 8, &samples.cr);
        }
        self.source = source;
        self.writer.align();
        outcome.bits = self.writer.bits();
        outcome
    }

    /// Makes the picture just coded the one that the next refers to, and hands out its octets.
    pub(super) fn keep(&mut self) -> &[u8] {
        self.y.replace(&mut self.next_y);
        self.cb.replace(&mut self.next_cb);
        self.cr.replace(&mut self.next_cr);
        std::mem::swap(&mut self.ages, &mut self.next_ages);
        std::mem::swap(&mut self.still, &mut self.next_still);
        std::mem::swap(&mut self.source, &mut self.last_source);
        self.writer.octets()
    }

    /// Codes one macroblock of an INTRA picture. Leaves in `samples` what a decoder has, and
    /// returns QUANT after it.
    fn intra_macroblock(
        &mut self,
        current: &Samples,
        old: u8,
        base: u8,
        samples: &mut Samples,
    ) -> u8 {
        let new = towards(old, base);
        let quantiser = Quantiser::new(new);
        self.intra.intra(&quantiser, current);
        self.intra
            .write(false, dquant(old, new), None, &mut self.writer);
        self.intra.reconstruct(&quantiser, samples);
        new
    }

    /// Codes one macroblock of an INTER picture in the cheapest way: not at all, with its vector,
    /// or INTRA. Leaves in `samples` what a decoder has, and returns QUANT after it. QUANT was
    /// `old` and is `base` for what is seen once.
    fn inter_macroblock(
        &mut self,
        current: &Samples,
        place: Place,
        header: &Header,
        (old, base): (u8, u8),
        samples: &mut Samples,
    ) -> u8 {
        let estimate = self.field.get(place.index).copied().unwrap_or_default();
        let vector = estimate.vector;
        self.predict(vector, place, samples);
        let error = current.error(samples);
        let weight = self.weight(current, place, base, error);
        let new = towards(old, still::finer(base, weight, error));
        let quantiser = Quantiser::weighed(new, base, weight);
        let difference = dquant(old, new);
        let age = self.ages.get(place.index).copied().unwrap_or_default();
        // Spread over the pictures, so that not all macroblocks fall due in one.
        let due = age >= REFRESH - u8::try_from(place.index * 7 % 33).unwrap_or(0);
        if !due && vector == Vector::default() && error <= quantiser.zero_error() {
            vlc::COD_SKIPPED.write(&mut self.writer);
            return old;
        }

        let predictor = motion::predictor(
            &self.vectors,
            self.grid,
            place.column,
            place.row,
            header.gob_headers,
        );
        let mut skip_cost = i32::MAX;
        let mut inter_cost = i32::MAX;
        let mut still = None;
        if !due {
            self.inter.inter(&quantiser, current, samples, error);
            let changes = difference.is_some() && self.inter.has_coefficients();
            let bits = self.inter.header_bits(true, changes) + vector.bits(predictor);
            inter_cost = self.inter.cost + quantiser.cost(bits);
            skip_cost = quantiser.cost(1);
            if vector == Vector::default() {
                skip_cost += error;
            } else if skip_cost + estimate.least_still_error() <= inter_cost {
                let other = still.insert(Samples::BLACK);
                self.predict(Vector::default(), place, other);
                skip_cost += current.error(other);
            } else {
                skip_cost = i32::MAX;
            }
        }
        let mut intra_cost = i32::MAX;
        let plausible = estimate.activity < estimate.sad + estimate.sad / 2
            && skip_cost.min(inter_cost) > quantiser.cost(LEAST_INTRA);
        if due || plausible {
            self.intra.intra(&quantiser, current);
            let bits = self.intra.header_bits(true, difference.is_some());
            intra_cost = self.intra.cost + quantiser.cost(bits);
        }

        if !due && skip_cost <= inter_cost && skip_cost <= intra_cost {
            vlc::COD_SKIPPED.write(&mut self.writer);
            if let Some(still) = still {
                *samples = still;
            }
            return old;
        }
        let age = self.next_ages.get_mut(place.index);
        if intra_cost < inter_cost {
            if let Some(age) = age {
                *age = 0;
            }
            self.intra.write(true, difference, None, &mut self.writer);
            self.intra.reconstruct(&quantiser, samples);
            return new;
        }
        let sends = self.inter.has_coefficients();
        if let (Some(age), true) = (age, sends) {
            *age = age.saturating_add(1);
        }
        if let Some(slot) = self.vectors.get_mut(place.index) {
            *slot = vector;
        }
        let mvd = (vector.x - predictor.x, vector.y - predictor.y);
        let difference = difference.filter(|_| sends);
        self.inter
            .write(true, difference, Some(mvd), &mut self.writer);
        self.inter.reconstruct(&quantiser, samples);
        if sends { new } else { old }
    }

    /// How often the error of a macroblock will be seen, in sixteenths: as far as it is known, and
    /// otherwise the longer the longer it has been still. `error` is that of the prediction; what
    /// only this picture shows of it (noise) counts once.
    fn weight(&mut self, current: &Samples, place: Place, base: u8, error: i32) -> u32 {
        let vector = self.field.get(place.index).map(|estimate| estimate.vector);
        let mut change = i32::MAX;
        if error <= NOTHING && vector == Some(Vector::default()) {
            change = 0;
        } else if let (Some(last), Some(Vector { x: 0, y: 0 })) =
            (self.last_source.get(place.index), vector)
        {
            change = current.error(last);
        }
        let same = still::is_still(change, base);
        let Some(since) = self.next_still.get_mut(place.index) else {
            return still::ONCE;
        };
        let before = *since;
        *since = if same { before.saturating_add(1) } else { 0 };
        let expected = place
            .lasts
            .map_or(if same { before.min(still::TRUST) } else { 0 }, |lasts| {
                lasts.min(still::FORESIGHT)
            });
        let lasting = if same {
            error.saturating_sub(change).max(0)
        } else {
            error
        };
        still::weight(expected, lasting, error)
    }

    /// What `vector` points at in the last picture.
    fn predict(&self, vector: Vector, place: Place, samples: &mut Samples) {
        let Place { column, row, .. } = place;
        let (x2, y2) = (moved(column * 32, vector.x), moved(row * 32, vector.y));
        self.y.predict(x2, y2, &mut samples.y);
        let vector = vector.chroma();
        let (x2, y2) = (moved(column * 16, vector.x), moved(row * 16, vector.y));
        self.cb.predict(x2, y2, &mut samples.cb);
        self.cr.predict(x2, y2, &mut samples.cr);
    }
}

/// A squared error of which nothing is coded whatever QUANT is.
const NOTHING: i32 = 4;

/// Where a macroblock is.
#[derive(Debug, Clone, Copy)]
struct Place {
    index: usize,
    column: usize,
    row: usize,
    /// How many later pictures show it, where that is known.
    lasts: Option<u8>,
}

/// Distributes the rows of a plane over the macroblocks.
fn scatter<'a, const N: usize>(
    source: &mut [Samples],
    columns: usize,
    rows: impl Iterator<Item = &'a [u8]>,
    part: impl Fn(&mut Samples) -> &mut Pixels<N>,
) {
    for (y, row) in rows.enumerate() {
        let macroblocks = source.chunks_mut(columns).nth(y / N).unwrap_or_default();
        for (samples, from) in macroblocks.iter_mut().zip(row.as_chunks::<N>().0) {
            if let Some(to) = part(samples).get_mut(y % N) {
                *to = *from;
            }
        }
    }
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
    fn a_still_picture_is_skipped_whole() {
        let mut coder = Coder::new(128, 96);
        let (luma, chroma) = (vec![90; 128 * 96], vec![128; 64 * 48]);
        let mut header = Header {
            temporal_reference: 0,
            source_format: 1,
            intra: true,
            quantiser: 8,
            gob_headers: false,
        };
        for intra in [true, false] {
            coder.load(luma.chunks(128), chroma.chunks(64), chroma.chunks(64));
            header.intra = intra;
            if !intra {
                coder.estimate(8);
            }
            let outcome = coder.code(&header, u64::MAX, None);
            assert!(outcome.luma_error <= 128 * 96 * 4);
            assert_eq!(outcome.quantisers, 48 * 8);
            if !intra {
                // The header and one bit per macroblock.
                assert_eq!(outcome.bits, (50u64 + 48).next_multiple_of(8));
            }
            assert_eq!(coder.keep().len() as u64 * 8, outcome.bits);
        }
    }
}

//! One macroblock: its blocks, its modes, and its bits (H.263 clause 5.3).

use super::bits::BitWriter;
use super::dct;
use super::levels::Levels;
use super::plane::{Pixels, difference, put_quarter, quarter, reconstruct, row_sad, ssd, widen};
use super::quant::{Quantiser, intra_dc};
use super::vlc::{self, MbType};

/// The samples of a macroblock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Samples {
    pub(super) y: Pixels<16>,
    pub(super) cb: Pixels<8>,
    pub(super) cr: Pixels<8>,
}

impl Samples {
    pub(super) const BLACK: Self = Self {
        y: [[0; 16]; 16],
        cb: [[0; 8]; 8],
        cr: [[0; 8]; 8],
    };

    /// Block `index` in the order of figure 5: four of luma, Cb, Cr.
    fn block(&self, index: usize) -> Pixels<8> {
        match index {
            0..=3 => quarter(&self.y, index),
            4 => self.cb,
            _ => self.cr,
        }
    }

    fn put_block(&mut self, index: usize, from: &Pixels<8>) {
        match index {
            0..=3 => put_quarter(&mut self.y, index, from),
            4 => self.cb = *from,
            _ => self.cr = *from,
        }
    }

    /// Squared error of all six blocks.
    pub(super) fn error(&self, other: &Self) -> i32 {
        ssd(&self.y, &other.y)
            .wrapping_add(ssd(&self.cb, &other.cb))
            .wrapping_add(ssd(&self.cr, &other.cr))
            .cast_signed()
    }
}

/// The coded form of a macroblock.
#[derive(Debug, Clone)]
pub(super) struct Coded {
    pub(super) intra: bool,
    /// INTRADC of the six blocks: the code, and what a decoder makes of it.
    dc: [(u8, i16); 6],
    levels: [Levels; 6],
    /// CBPY in bits 5..=2, CBPC in bits 1 and 0.
    pattern: u8,
    /// Squared error and bits, weighed; bits of the macroblock's header are not in it.
    pub(super) cost: i32,
}

impl Coded {
    pub(super) const EMPTY: Self = Self {
        intra: false,
        dc: [(0, 0); 6],
        levels: [Levels::EMPTY; 6],
        pattern: 0,
        cost: 0,
    };

    /// Whether any coefficient is sent, INTRADC apart.
    pub(super) fn has_coefficients(&self) -> bool {
        self.pattern != 0
    }

    /// Codes `current` against `prediction`, with `error` between them.
    pub(super) fn inter(
        &mut self,
        quantiser: &Quantiser,
        current: &Samples,
        prediction: &Samples,
        error: i32,
    ) {
        self.intra = false;
        self.pattern = 0;
        self.cost = error;
        for (index, levels) in self.levels.iter_mut().enumerate() {
            levels.clear();
            let (a, b) = (current.block(index), prediction.block(index));
            let sad = a
                .iter()
                .zip(&b)
                .fold(0u32, |sum, (a, b)| sum.wrapping_add(row_sad(a, b)));
            if sad > quantiser.zero_block_sad() {
                let coefficients = dct::forward(&difference(&a, &b));
                self.cost -= quantiser.inter(&coefficients, levels);
            }
            self.pattern |= u8::from(!levels.is_empty()) << (5 - index);
        }
    }

    /// Codes `current` by itself.
    pub(super) fn intra(&mut self, quantiser: &Quantiser, current: &Samples) {
        self.intra = true;
        self.pattern = 0;
        self.cost = 0;
        for (index, (levels, dc)) in self.levels.iter_mut().zip(&mut self.dc).enumerate() {
            let mut coefficients = dct::forward(&widen(&current.block(index)));
            let [[first, ..], ..] = &mut coefficients;
            *dc = intra_dc(*first);
            *first -= dc.1;
            let energy = coefficients.as_flattened().iter().fold(0i32, |sum, c| {
                sum.wrapping_add(i32::from(*c).wrapping_mul(i32::from(*c)))
            });
            let gain = quantiser.intra(&coefficients, levels);
            self.cost += energy - gain + quantiser.cost(8);
            self.pattern |= u8::from(!levels.is_empty()) << (5 - index);
        }
    }

    /// Turns the prediction into what a decoder will have. An INTRA macroblock ignores it.
    pub(super) fn reconstruct(&self, quantiser: &Quantiser, samples: &mut Samples) {
        for (index, levels) in self.levels.iter().enumerate() {
            if self.intra {
                let dc = self.dc.get(index).map_or(0, |dc| dc.1);
                let residual = if levels.is_empty() {
                    [[dct::inverse_dc(dc); 8]; 8]
                } else {
                    let mut coefficients = quantiser.dequantise(levels);
                    let [[first, ..], ..] = &mut coefficients;
                    *first = dc;
                    dct::inverse(&coefficients)
                };
                samples.put_block(index, &reconstruct(&[[0; 8]; 8], &residual));
            } else if !levels.is_empty() {
                let residual = dct::inverse(&quantiser.dequantise(levels));
                let block = reconstruct(&samples.block(index), &residual);
                samples.put_block(index, &block);
            }
        }
    }

    /// The code words of the header in a picture of that type: MCBPC and CBPY.
    fn header(&self, inter_picture: bool, dquant: bool) -> [vlc::Code; 2] {
        let kind = MbType::of(self.intra, dquant);
        let cbpc = self.pattern & 0b11;
        let mcbpc = if inter_picture {
            vlc::mcbpc_inter(kind, cbpc)
        } else {
            vlc::mcbpc_intra(kind, cbpc)
        };
        [mcbpc, vlc::cbpy(self.intra, self.pattern >> 2)]
    }

    /// Bits of the header, MVD apart.
    pub(super) fn header_bits(&self, inter_picture: bool, dquant: bool) -> u32 {
        let words = self.header(inter_picture, dquant);
        let bits: u32 = words.iter().map(|code| u32::from(code.length)).sum();
        bits + u32::from(inter_picture) + 2 * u32::from(dquant)
    }

    /// Appends the macroblock. `difference` is DQUANT where it is sent, `vector` the bits that
    /// MVD takes where the macroblock has one.
    pub(super) fn write(
        &self,
        inter_picture: bool,
        difference: Option<i8>,
        mvd: Option<(i16, i16)>,
        to: &mut BitWriter,
    ) {
        if inter_picture {
            vlc::COD_CODED.write(to);
        }
        for code in self.header(inter_picture, difference.is_some()) {
            code.write(to);
        }
        if let Some(difference) = difference {
            vlc::dquant(difference).write(to);
        }
        if let Some((x, y)) = mvd {
            vlc::mvd(x).write(to);
            vlc::mvd(y).write(to);
        }
        for (levels, dc) in self.levels.iter().zip(&self.dc) {
            if self.intra {
                to.put(u32::from(dc.0), 8);
            }
            levels.write(to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texture(seed: u8) -> Samples {
        let mut samples = Samples::BLACK;
        let mut state = u32::from(seed) + 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::try_from(state >> 25).unwrap() + 60
        };
        samples.y.as_flattened_mut().fill_with(&mut next);
        samples.cb.as_flattened_mut().fill_with(&mut next);
        samples.cr.as_flattened_mut().fill_with(&mut next);
        samples
    }

    #[test]
    fn the_cost_is_the_error_of_the_reconstruction_plus_the_bits() {
        let (current, prediction) = (texture(1), texture(2));
        for quant in [3, 9, 27] {
            let quantiser = Quantiser::new(quant);
            let mut coded = Coded::EMPTY;
            for intra in [true, false] {
                let mut samples = prediction;
                if intra {
                    coded.intra(&quantiser, &current);
                } else {
                    coded.inter(
                        &quantiser,
                        &current,
                        &prediction,
                        current.error(&prediction),
                    );
                }
                coded.reconstruct(&quantiser, &mut samples);
                let mut writer = BitWriter::default();
                coded.write(false, None, None, &mut writer);
                let bits = u32::try_from(writer.bits()).unwrap() - coded.header_bits(false, false);
                let exact = current.error(&samples) + quantiser.cost(bits);
                let off = (f64::from(coded.cost) / f64::from(exact) - 1.0).abs();
                // The transform is rounded, and the clipping of samples only helps.
                assert!(off < 0.05, "{intra} {quant} {} {exact}", coded.cost);
            }
        }
    }

    #[test]
    fn an_equal_prediction_costs_nothing() {
        let current = texture(3);
        let mut coded = Coded::EMPTY;
        coded.inter(&Quantiser::new(1), &current, &current, 0);
        assert!(!coded.has_coefficients());
        assert_eq!(coded.cost, 0);
        assert_eq!(coded.header_bits(true, false), 1 + 1 + 2);
        let mut samples = current;
        coded.reconstruct(&Quantiser::new(1), &mut samples);
        assert_eq!(samples, current);
    }
}

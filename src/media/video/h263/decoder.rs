//! A decoder for tests: it reads the codes bit by bit from the tables of [`vlc`](super::vlc) by
//! looking for the one word that fits, and knows nothing of the encoder's decisions.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::needless_range_loop,
    reason = "the small numbers of a test"
)]

use super::dct;
use super::motion::{self, Grid, Vector};
use super::plane::{CHROMA, LUMA, Plane, Reference, reconstruct};
use super::quant::SCAN;
use super::vlc::{self, Code, MbType};

/// The planes of a picture: Y, Cb, Cr.
pub(super) type Picture = (Plane<LUMA>, Plane<CHROMA>, Plane<CHROMA>);

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn bits(&mut self, count: usize) -> u32 {
        (0..count).fold(0, |value, _| {
            let octet = self.data.get(self.at / 8).copied().unwrap_or(0);
            let bit = octet >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u32::from(bit)
        })
    }

    /// The one of `codes` that comes next.
    fn word<T: Copy>(&mut self, codes: impl Iterator<Item = (T, Code)>) -> T {
        for (meaning, code) in codes {
            let start = self.at;
            if self.data.len() * 8 >= start + usize::from(code.length)
                && self.bits(code.length.into()) == u32::from(code.bits)
            {
                return meaning;
            }
            self.at = start;
        }
        panic!("no code word at bit {}", self.at);
    }

    /// LAST, RUN and LEVEL.
    fn event(&mut self, words: &[Word]) -> (bool, usize, i16) {
        let start = self.at;
        if self.bits(7) == 3 {
            let last = self.bits(1) == 1;
            let run = self.bits(6) as usize;
            return (last, run, self.bits(8) as u8 as i8 as i16);
        }
        self.at = start;
        let next = self.bits(13);
        for word in words {
            if next >> (13 - word.length) == word.bits {
                self.at = start + word.length;
                let level = word.level;
                let negative = next >> (12 - word.length) & 1 == 1;
                self.at += 1;
                return (word.last, word.run, if negative { -level } else { level });
            }
        }
        panic!("no event at bit {}", self.at);
    }
}

/// A word of table 16 without its sign.
struct Word {
    bits: u32,
    length: usize,
    last: bool,
    run: usize,
    level: i16,
}

fn words() -> Vec<Word> {
    let mut words = Vec::new();
    for last in [false, true] {
        for run in 0..41u8 {
            for level in 1..13i16 {
                let bits =
                    vlc::tcoef_bits(level.unsigned_abs())[usize::from(last)][usize::from(run)];
                if bits == 22 {
                    continue;
                }
                let mut writer = super::bits::BitWriter::default();
                vlc::write_tcoef(&mut writer, last, run, level);
                let data = writer.octets().to_vec();
                let length = bits as usize - 1;
                let bits = Reader { data: &data, at: 0 }.bits(length);
                words.push(Word {
                    bits,
                    length,
                    last,
                    run: run.into(),
                    level,
                });
            }
        }
    }
    words.sort_by_key(|word| word.length);
    words
}

/// Decodes pictures one after the other.
pub(super) struct Decoder {
    y: Reference<LUMA>,
    cb: Reference<CHROMA>,
    cr: Reference<CHROMA>,
    grid: Grid,
    pub(super) intra: bool,
    words: Vec<Word>,
}

impl Decoder {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            y: Reference::new(width, height),
            cb: Reference::new(width / 2, height / 2),
            cr: Reference::new(width / 2, height / 2),
            grid: Grid {
                columns: width / 16,
                rows: height / 16,
            },
            intra: true,
            words: words(),
        }
    }

    /// Decodes one picture and returns its planes.
    pub(super) fn decode(&mut self, data: &[u8]) -> Picture {
        let mut reader = Reader { data, at: 0 };
        assert_eq!(reader.bits(22), 32, "PSC");
        reader.bits(8);
        assert_eq!(reader.bits(5), 0b10000);
        let format = reader.bits(3);
        assert_eq!(self.grid.columns, [0, 8, 11, 22][format as usize]);
        self.intra = reader.bits(1) == 0;
        assert_eq!(reader.bits(4), 0);
        let mut quant = reader.bits(5) as i16;
        assert_eq!(reader.bits(2), 0);
        let (width, height) = (self.grid.columns * 16, self.grid.rows * 16);
        let mut next = (
            Plane::new(width, height),
            Plane::new(width / 2, height / 2),
            Plane::new(width / 2, height / 2),
        );
        let mut vectors = vec![Vector::default(); self.grid.count()];
        for row in 0..self.grid.rows {
            let alone = row > 0 && {
                let start = reader.at;
                let found = data.len() * 8 > start + 17 && reader.bits(17) == 1;
                if found {
                    assert_eq!(reader.bits(5) as usize, row, "GN");
                    assert_eq!(reader.bits(2), u32::from(!self.intra), "GFID");
                    quant = reader.bits(5) as i16;
                } else {
                    reader.at = start;
                }
                found
            };
            for column in 0..self.grid.columns {
                self.macroblock(
                    &mut reader,
                    (column, row),
                    alone,
                    &mut quant,
                    &mut vectors,
                    &mut next,
                );
            }
        }
        assert_eq!(reader.at.div_ceil(8), data.len(), "trailing data");
        let copy = next.clone();
        self.y.replace(&mut next.0);
        self.cb.replace(&mut next.1);
        self.cr.replace(&mut next.2);
        copy
    }

    fn macroblock(
        &self,
        reader: &mut Reader<'_>,
        (column, row): (usize, usize),
        alone: bool,
        quant: &mut i16,
        vectors: &mut [Vector],
        next: &mut Picture,
    ) {
        let coded = self.intra || reader.bits(1) == 0;
        let mut vector = Vector::default();
        let mut intra = false;
        let mut pattern = 0;
        if coded {
            let kinds = [MbType::Inter, MbType::InterQ, MbType::Intra, MbType::IntraQ];
            let kinds = &kinds[if self.intra { 2 } else { 0 }..];
            let all = kinds
                .iter()
                .flat_map(|kind| (0..4).map(move |cbpc| (*kind, cbpc)));
            let (kind, cbpc) = if self.intra {
                reader.word(all.map(|all| (all, vlc::mcbpc_intra(all.0, all.1))))
            } else {
                reader.word(all.map(|all| (all, vlc::mcbpc_inter(all.0, all.1))))
            };
            intra = matches!(kind, MbType::Intra | MbType::IntraQ);
            let cbpy = reader.word((0..16).map(|cbpy| (cbpy, vlc::cbpy(intra, cbpy))));
            pattern = cbpy << 2 | cbpc;
            if matches!(kind, MbType::InterQ | MbType::IntraQ) {
                *quant += [-1, -2, 1, 2][reader.bits(2) as usize];
                assert!((1..=31).contains(quant));
            }
            if !intra {
                let predictor = motion::predictor(vectors, self.grid, column, row, alone);
                let all = || (-32i16..32).map(|d| (d, vlc::mvd(d)));
                let x = vlc::wrap_mvd(predictor.x + reader.word(all()));
                let y = vlc::wrap_mvd(predictor.y + reader.word(all()));
                vector = Vector::new(x, y);
            }
        }
        vectors[row * self.grid.columns + column] = vector;
        let mut luma = [[0; 16]; 16];
        let mut chroma = [[[0; 8]; 8]; 2];
        if !intra {
            let at =
                |base: usize, by: i16| usize::try_from(base as isize + isize::from(by)).unwrap();
            let (x, y) = (at(column * 32, vector.x), at(row * 32, vector.y));
            assert!(x <= (self.grid.columns - 1) * 32 && y <= (self.grid.rows - 1) * 32);
            self.y.predict(x, y, &mut luma);
            let vector = vector.chroma();
            let (x, y) = (at(column * 16, vector.x), at(row * 16, vector.y));
            self.cb.predict(x, y, &mut chroma[0]);
            self.cr.predict(x, y, &mut chroma[1]);
        }
        for block in 0..6 {
            let mut coefficients = [[0; 8]; 8];
            if intra {
                let code = reader.bits(8) as i16;
                assert!(code != 0 && code != 128);
                coefficients[0][0] = if code == 255 { 1024 } else { code * 8 };
            }
            if pattern >> (5 - block) & 1 == 1 {
                let mut place = usize::from(intra);
                loop {
                    let (last, run, level) = reader.event(&self.words);
                    assert!(level != 0 && level != -128);
                    place += run;
                    let magnitude = *quant * (2 * level.abs() + 1) - i16::from(*quant % 2 == 0);
                    let value = (magnitude * level.signum()).clamp(-2048, 2047);
                    coefficients.as_flattened_mut()[usize::from(SCAN[place])] = value;
                    place += 1;
                    if last {
                        break;
                    }
                }
            }
            let residual = dct::inverse(&coefficients);
            let samples = match block {
                0..=3 => super::plane::quarter(&luma, block),
                _ => chroma[block - 4],
            };
            let samples = reconstruct(&samples, &residual);
            match block {
                0..=3 => super::plane::put_quarter(&mut luma, block, &samples),
                _ => chroma[block - 4] = samples,
            }
        }
        next.0.put(column * 16, row * 16, &luma);
        next.1.put(column * 8, row * 8, &chroma[0]);
        next.2.put(column * 8, row * 8, &chroma[1]);
    }
}

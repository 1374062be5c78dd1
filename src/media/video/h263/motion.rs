//! Motion estimation: one vector per macroblock, in half pixels, inside the picture
//! (H.263 clauses 5.3.7 and 6.1.1).

use super::plane::{LUMA, Pixels, Reference, sad_to};
use super::vlc::mvd_bits;

/// A motion vector in half pixels, each component −32..=31.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Vector {
    pub(super) x: i16,
    pub(super) y: i16,
}

impl Vector {
    /// A vector.
    pub(super) const fn new(x: i16, y: i16) -> Self {
        Self { x, y }
    }

    fn plus(self, x: i16, y: i16) -> Self {
        Self::new(self.x + x, self.y + y)
    }

    /// The vector of the colour blocks in half pixels: half of this, quarters made halves
    /// (clause 6.1.2).
    pub(super) fn chroma(self) -> Self {
        let halve = |v: i16| (v >> 1) | (v & 1);
        Self::new(halve(self.x), halve(self.y))
    }

    /// Bits of both MVDs against a predictor.
    pub(super) fn bits(self, predictor: Self) -> u32 {
        mvd_bits(self.x - predictor.x) + mvd_bits(self.y - predictor.y)
    }
}

/// A position in half pixels, moved by a vector that stays inside the picture.
pub(super) fn moved(position: usize, by: i16) -> usize {
    position.wrapping_add_signed(isize::from(by))
}

/// The macroblocks of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    /// Macroblocks in a row.
    pub(super) columns: usize,
    /// Rows of macroblocks, which are also the groups of blocks in the sizes we write.
    pub(super) rows: usize,
}

impl Grid {
    /// Macroblocks of the picture.
    pub(super) fn count(self) -> usize {
        self.columns * self.rows
    }
}

/// What is known of one macroblock before it is coded.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Estimate {
    pub(super) vector: Vector,
    /// Sum of absolute differences with that vector.
    pub(super) sad: u32,
    /// Sum of absolute differences of the luma to its mean: how much INTRA would have to code.
    /// [`u32::MAX`] where that is surely more than is left over by the vector.
    pub(super) activity: u32,
    /// Sum of absolute differences with the vector 0.
    pub(super) still: u32,
}

impl Estimate {
    /// The least squared error that the vector 0 can leave.
    pub(super) fn least_still_error(&self) -> i32 {
        let mean = self.still / 16;
        (mean * mean).cast_signed()
    }
}

/// The vector a decoder predicts: the median of three neighbours (figure 12). `vectors` holds the
/// macroblocks so far, zero for those that are INTRA or not coded; with `alone`, the row above
/// belongs to another group of blocks with a header.
pub(super) fn predictor(
    vectors: &[Vector],
    grid: Grid,
    column: usize,
    row: usize,
    alone: bool,
) -> Vector {
    let at = |column: usize, row: usize| {
        vectors
            .get(row * grid.columns + column)
            .copied()
            .unwrap_or_default()
    };
    let left = if column > 0 {
        at(column - 1, row)
    } else {
        Vector::default()
    };
    if row == 0 || alone {
        return left;
    }
    let above = at(column, row - 1);
    let corner = if column + 1 < grid.columns {
        at(column + 1, row - 1)
    } else {
        Vector::default()
    };
    Vector::new(
        median(left.x, above.x, corner.x),
        median(left.y, above.y, corner.y),
    )
}

fn median(a: i16, b: i16, c: i16) -> i16 {
    a.min(b).max(a.max(b).min(c))
}

/// Sum of absolute differences of the samples to their mean.
pub(super) fn activity(luma: &Pixels<16>) -> u32 {
    let sum = sad_to(luma, 0);
    let mean = u8::try_from((sum + 128) >> 8).unwrap_or(u8::MAX);
    sad_to(luma, mean)
}

/// Estimates the motion of every macroblock. `field` holds the last picture's estimates and is
/// overwritten; `lambda` is what a bit may cost in absolute difference, in sixteenths.
pub(super) fn estimate<'a>(
    luma: impl Iterator<Item = &'a Pixels<16>>,
    reference: &Reference<LUMA>,
    grid: Grid,
    lambda: u32,
    field: &mut Vec<Estimate>,
    vectors: &mut Vec<Vector>,
) {
    vectors.clear();
    vectors.resize(grid.count(), Vector::default());
    field.resize(grid.count(), Estimate::default());
    for (index, current) in luma.take(grid.count()).enumerate() {
        let (column, row) = (index % grid.columns, index / grid.columns);
        let predictor = predictor(vectors, grid, column, row, false);
        let mut search = Search {
            current,
            reference,
            window: Window::of(grid, column, row),
            x2: column * 32,
            y2: row * 32,
            predictor,
            lambda,
            best: Vector::default(),
            cost: u32::MAX,
            still: 0,
        };
        let neighbour = |index: Option<usize>| index.and_then(|index| vectors.get(index)).copied();
        let last = |index: usize| field.get(index).map(|estimate| estimate.vector);
        let candidates = [
            Some(Vector::default()),
            Some(predictor),
            neighbour(if column > 0 {
                index.checked_sub(1)
            } else {
                None
            }),
            neighbour(index.checked_sub(grid.columns)),
            last(index),
            last(index + 1),
            last(index + grid.columns),
        ];
        let (vector, sad) = search.run(candidates);
        if let Some(slot) = vectors.get_mut(index) {
            *slot = vector;
        }
        if let Some(slot) = field.get_mut(index) {
            *slot = Estimate {
                vector,
                sad,
                still: search.still,
                // With so small a difference, nobody will ask.
                activity: if sad < WELL_PREDICTED {
                    u32::MAX
                } else {
                    activity(current)
                },
            };
        }
    }
}

/// The vectors that stay inside the picture and the range of table 14.
#[derive(Debug, Clone, Copy)]
struct Window {
    left: i16,
    right: i16,
    top: i16,
    bottom: i16,
}

impl Window {
    fn of(grid: Grid, column: usize, row: usize) -> Self {
        let room = |macroblocks: usize| i16::try_from(macroblocks * 32).unwrap_or(i16::MAX);
        Self {
            left: -room(column).min(32),
            right: room(grid.columns - 1 - column).min(31),
            top: -room(row).min(32),
            bottom: room(grid.rows - 1 - row).min(31),
        }
    }

    fn holds(self, vector: Vector) -> bool {
        (self.left..=self.right).contains(&vector.x) && (self.top..=self.bottom).contains(&vector.y)
    }

    fn clamp(self, vector: Vector) -> Vector {
        Vector::new(
            vector.x.clamp(self.left, self.right),
            vector.y.clamp(self.top, self.bottom),
        )
    }
}

/// The search for one macroblock.
struct Search<'a> {
    current: &'a Pixels<16>,
    reference: &'a Reference<LUMA>,
    window: Window,
    /// Position of the macroblock in half pixels.
    x2: usize,
    y2: usize,
    predictor: Vector,
    lambda: u32,
    best: Vector,
    cost: u32,
    /// The difference with the vector 0.
    still: u32,
}

/// A mean difference of two per sample: below it, INTRA is not worth a thought.
const WELL_PREDICTED: u32 = 512;

/// A mean difference of one per sample: below it, the wide search is not worth its time.
const GOOD: u32 = 256;

/// Steps a pattern may wander.
const STEPS: usize = 12;

const HEXAGON: [(i16, i16); 6] = [(-4, 0), (-2, -4), (2, -4), (4, 0), (2, 4), (-2, 4)];
const DIAMOND: [(i16, i16); 4] = [(-2, 0), (0, -2), (2, 0), (0, 2)];
impl Search<'_> {
    /// Tries the candidates, walks from the best, and refines: the vector and its difference. With
    /// a difference of which nothing would be coded, the candidates are enough.
    fn run<const N: usize>(&mut self, candidates: [Option<Vector>; N]) -> (Vector, u32) {
        let mut tried = [None; N];
        for (candidate, slot) in candidates.into_iter().flatten().zip(0..) {
            let vector = self.window.clamp(candidate);
            if tried.contains(&Some(vector)) {
                continue;
            }
            if let Some(slot) = tried.get_mut(slot) {
                *slot = Some(vector);
            }
            let cost = self.attempt(vector);
            if vector == Vector::default() {
                self.still = cost - self.rate(vector);
            }
        }
        if self.cost >= 2 * self.lambda {
            if self.cost >= GOOD {
                self.walk(&HEXAGON);
            }
            self.walk(&DIAMOND);
            self.refine();
        }
        let rate = self.rate(self.best);
        (self.best, self.cost - rate)
    }

    /// Moves the pattern to the best of its points until its centre is the best.
    fn walk(&mut self, pattern: &[(i16, i16)]) {
        let mut left = self.best;
        for _ in 0..STEPS {
            let centre = self.best;
            for (x, y) in pattern {
                let vector = centre.plus(*x, *y);
                if vector != left {
                    self.attempt_within(vector, self.cost);
                }
            }
            if self.best == centre {
                break;
            }
            left = centre;
        }
    }

    /// The half pixels around: beside, above and below, and the corner between the better two.
    fn refine(&mut self) {
        let centre = self.best;
        let mut better = Vector::default();
        for [one, other] in [[(-1, 0), (1, 0)], [(0, -1), (0, 1)]] {
            let (a, b) = (
                self.attempt(centre.plus(one.0, one.1)),
                self.attempt(centre.plus(other.0, other.1)),
            );
            let (x, y) = if a <= b { one } else { other };
            better = better.plus(x, y);
        }
        self.attempt(centre.plus(better.x, better.y));
    }

    fn rate(&self, vector: Vector) -> u32 {
        (vector.bits(self.predictor) * self.lambda) >> 4
    }

    /// Tries a vector, and returns its cost where it may be used.
    fn attempt(&mut self, vector: Vector) -> u32 {
        self.attempt_within(vector, u32::MAX)
    }

    /// As [`attempt`](Self::attempt), where a cost from `limit` on need not be exact.
    fn attempt_within(&mut self, vector: Vector, limit: u32) -> u32 {
        if !self.window.holds(vector) {
            return u32::MAX;
        }
        let rate = self.rate(vector);
        let sad = self.reference.sad(
            self.current,
            moved(self.x2, vector.x),
            moved(self.y2, vector.y),
            limit,
        );
        let cost = sad.saturating_add(rate);
        if cost < self.cost {
            self.cost = cost;
            self.best = vector;
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::video::h263::plane::Plane;

    #[test]
    fn chroma_vectors_round_quarters_to_halves() {
        let expected = [
            (0, 0),
            (1, 1),
            (2, 1),
            (3, 1),
            (4, 2),
            (5, 3),
            (31, 15),
            (-1, -1),
        ];
        for (luma, chroma) in expected {
            assert_eq!(Vector::new(luma, 0).chroma(), Vector::new(chroma, 0));
        }
        assert_eq!(Vector::new(-2, -3).chroma(), Vector::new(-1, -1));
        assert_eq!(Vector::new(-5, -32).chroma(), Vector::new(-3, -16));
    }

    #[test]
    fn prediction_is_the_median_with_its_border_rules() {
        let grid = Grid {
            columns: 3,
            rows: 2,
        };
        let mut vectors = vec![Vector::default(); 6];
        for (vector, x) in vectors.iter_mut().zip([4, 6, 20, 10, 0, 0]) {
            vector.x = x;
        }
        let at = |column, row, alone| predictor(&vectors, grid, column, row, alone).x;
        assert_eq!(at(0, 0, false), 0);
        assert_eq!(at(1, 0, false), 4);
        assert_eq!(at(0, 1, false), 4); // 0, 4, 6
        assert_eq!(at(1, 1, false), 10); // 10, 6, 20
        assert_eq!(at(1, 1, true), 10);
        assert_eq!(at(2, 1, false), 0); // 0, 20, 0
    }

    #[test]
    fn a_shifted_texture_is_found_to_the_half_pixel() {
        let texture = |x: i32, y: i32| {
            let wave = ((x * 13 + y * 7) % 61 - 30).abs() * 3 + ((x * y) / 40) % 50;
            u8::try_from(wave.clamp(0, 255)).unwrap()
        };
        let mut plane: Plane<LUMA> = Plane::new(176, 144);
        for row in 0..9i32 {
            for column in 0..11i32 {
                let mut block = [[0; 16]; 16];
                for (y, line) in (0..).zip(block.iter_mut()) {
                    for (x, sample) in (0..).zip(line.iter_mut()) {
                        *sample = texture(column * 16 + x, row * 16 + y);
                    }
                }
                plane.put(
                    usize::try_from(column * 16).unwrap(),
                    usize::try_from(row * 16).unwrap(),
                    &block,
                );
            }
        }
        let mut reference = Reference::new(176, 144);
        reference.replace(&mut plane);
        let grid = Grid {
            columns: 11,
            rows: 9,
        };
        let mut blocks = vec![[[0; 16]; 16]; 99];
        for (index, block) in blocks.iter_mut().enumerate() {
            let (column, row) = (index % 11, index / 11);
            let window = Window::of(grid, column, row);
            let vector = window.clamp(Vector::new(5, -3));
            reference.predict(
                moved(column * 32, vector.x),
                moved(row * 32, vector.y),
                block,
            );
        }
        let mut field = Vec::new();
        estimate(
            blocks.iter(),
            &reference,
            grid,
            16,
            &mut field,
            &mut Vec::new(),
        );
        let found = field.iter().filter(|estimate| estimate.sad == 0).count();
        assert!(found > 70, "{found}");
    }
}

//! What changes from one frame to the next: the part of the canvas that is drawn again.

use super::lzw::{Wish, distance};

/// A canvas as packed colours.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    width: usize,
    shown: Vec<u32>,
}

/// A pixel of the canvas that shows what is behind it.
pub(super) const CLEAR: u32 = 0xFF00_0000;

/// A part of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Area {
    /// The whole of a canvas.
    pub(super) const fn whole(width: usize, height: usize) -> Self {
        Self {
            left: 0,
            top: 0,
            width,
            height,
        }
    }

    /// The smallest area that holds both.
    pub(super) fn with(self, other: Self) -> Self {
        let left = self.left.min(other.left);
        let top = self.top.min(other.top);
        let right = (self.left + self.width).max(other.left + other.width);
        let bottom = (self.top + self.height).max(other.top + other.height);
        Self {
            left,
            top,
            width: right - left,
            height: bottom - top,
        }
    }

    /// The smallest area of rows `width` long that holds every pixel for which `is` holds.
    fn around(width: usize, pixels: usize, mut is: impl FnMut(usize) -> bool) -> Option<Self> {
        let mut found: Option<Self> = None;
        for (y, start) in (0..pixels).step_by(width.max(1)).enumerate() {
            let Some(first) = (0..width).find(|x| is(start + x)) else {
                continue;
            };
            let last = (first..width).rev().find(|x| is(start + x));
            let row = Self {
                left: first,
                top: y,
                width: last.unwrap_or(first) - first + 1,
                height: 1,
            };
            found = Some(found.map_or(row, |area| area.with(row)));
        }
        found
    }

    /// The rows of this area in pixels of a canvas `stride` wide.
    fn rows(self, stride: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        (self.top..self.top + self.height).map(move |y| {
            let start = y * stride + self.left;
            start..start + self.width
        })
    }
}

/// The colours of a palette, packed: the hole is [`CLEAR`].
pub(super) fn packed(colours: &[[u8; 3]], hole: Option<u8>) -> Vec<u32> {
    let mut packed: Vec<u32> = colours
        .iter()
        .map(|&[red, green, blue]| u32::from_be_bytes([0, red, green, blue]))
        .collect();
    packed.resize(256, 0);
    if let Some(entry) = hole.and_then(|hole| packed.get_mut(usize::from(hole))) {
        *entry = CLEAR;
    }
    packed
}

/// Whether two packed colours are as good as each other.
fn alike(one: u32, other: u32, limit: u32) -> bool {
    if one == other {
        return true;
    }
    if limit == 0 || one == CLEAR || other == CLEAR {
        return false;
    }
    let [_, a, b, c] = one.to_be_bytes();
    let [_, x, y, z] = other.to_be_bytes();
    distance([a, b, c], [x, y, z]) <= limit
}

/// The pixels that a frame clears of the one before it.
pub(super) fn cleared(width: usize, before: &[u8], after: &[u8], hole: Option<u8>) -> Option<Area> {
    let hole = hole?;
    Area::around(width, before.len(), |at| {
        after.get(at) == Some(&hole) && before.get(at) != Some(&hole)
    })
}

impl Canvas {
    /// A canvas on which nothing is drawn yet.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            shown: vec![CLEAR; width.saturating_mul(height)],
        }
    }

    /// Shows a frame as it is.
    pub(super) fn show(&mut self, indices: &[u8], colours: &[u32]) {
        for (pixel, &index) in self.shown.iter_mut().zip(indices) {
            *pixel = colour(colours, index);
        }
    }

    /// The area in which a frame differs by more than `limit` from what is shown.
    pub(super) fn changed(&self, indices: &[u8], colours: &[u32], limit: u32) -> Option<Area> {
        Area::around(self.width, self.shown.len(), |at| {
            let (Some(&shown), Some(&index)) = (self.shown.get(at), indices.get(at)) else {
                return false;
            };
            !alike(shown, colour(colours, index), limit)
        })
    }

    /// What may be written for each pixel of `area`, into `wishes`.
    pub(super) fn wishes(
        &self,
        area: Area,
        indices: &[u8],
        colours: &[u32],
        limit: u32,
        wishes: &mut Vec<Wish>,
    ) {
        wishes.clear();
        for row in area.rows(self.width) {
            let (Some(shown), Some(wanted)) = (self.shown.get(row.clone()), indices.get(row))
            else {
                continue;
            };
            wishes.extend(shown.iter().zip(wanted).map(|(&shown, &index)| {
                if alike(shown, colour(colours, index), limit) {
                    Wish::free(index)
                } else {
                    Wish::colour(index)
                }
            }));
        }
    }

    /// Draws the symbols that were written for `area`.
    pub(super) fn draw(&mut self, area: Area, written: &[u8], colours: &[u32]) {
        let rows = written.chunks(area.width.max(1));
        for (row, symbols) in area.rows(self.width).zip(rows) {
            let shown = self.shown.get_mut(row).unwrap_or_default();
            for (pixel, &symbol) in shown.iter_mut().zip(symbols) {
                let colour = colour(colours, symbol);
                if colour != CLEAR {
                    *pixel = colour;
                }
            }
        }
    }

    /// Clears `area`, as the disposal to the background does.
    pub(super) fn clear(&mut self, area: Area) {
        for row in area.rows(self.width) {
            self.shown.get_mut(row).unwrap_or_default().fill(CLEAR);
        }
    }
}

fn colour(colours: &[u32], index: u8) -> u32 {
    colours.get(usize::from(index)).copied().unwrap_or(0)
}

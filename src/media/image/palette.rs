//! Palettes: exact where the colours are few, else the best few by median cut.

use std::borrow::Borrow;
use std::collections::HashMap;

use crate::media::error::MediaError;
use crate::media::picture::{Frame, Layout, Picture};

/// Pixels as indices into a palette shared by all frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Indexed {
    /// The colours, at most 256, with the transparent entry last where there is one.
    pub(super) colours: Vec<[u8; 3]>,
    /// Index of the transparent entry.
    pub(super) transparent: Option<u8>,
    /// One vector of indices per frame.
    pub(super) frames: Vec<Vec<u8>>,
    /// Whether no colour was changed.
    pub(super) exact: bool,
}

/// How pictures become indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexOptions {
    /// The most entries, the transparent one included; 2..=256.
    pub(super) entries: u16,
    /// Whether to dither colours the palette lacks.
    pub(super) dither: bool,
    /// Whether to keep an entry for transparency even where no pixel is transparent.
    pub(super) transparent: bool,
}

/// Indexes frames. Alpha below one half is transparent, above it opaque.
pub(super) fn index_frames<F: Borrow<Frame>>(
    frames: &[F],
    options: IndexOptions,
) -> Result<Indexed, MediaError> {
    let frames: Vec<&Frame> = frames.iter().map(Borrow::borrow).collect();
    let frames = frames.as_slice();
    let entries = usize::from(options.entries.clamp(2, 256));
    let see_through = options.transparent || frames.iter().any(|frame| has_holes(&frame.picture));
    let room = entries.saturating_sub(usize::from(see_through)).max(1);
    let (mut colours, exact) = match few_colours(frames, room) {
        Some(colours) => (colours, true),
        None => (median_cut(frames, room), false),
    };
    let transparent = if see_through {
        let at = u8::try_from(colours.len())
            .map_err(|_| MediaError::unsupported("a palette of more than 256 colours"))?;
        Some(at)
    } else {
        None
    };
    let mut nearest = Nearest::new(&colours, exact);
    let strength = if options.dither && !exact {
        dither_strength(colours.len())
    } else {
        0
    };
    let frames = frames
        .iter()
        .map(|frame| nearest.map(&frame.picture, transparent, strength))
        .collect();
    if see_through {
        colours.push([255, 255, 255]);
    }
    Ok(Indexed {
        colours,
        transparent,
        frames,
        exact,
    })
}

/// The colours and alpha values of a picture where they are at most `most`, in order of
/// appearance.
pub(super) fn few_rgba(picture: &Picture, most: usize) -> Option<Vec<[u8; 4]>> {
    let mut seen: HashMap<[u8; 4], ()> = HashMap::new();
    let mut colours = Vec::new();
    for pixel in picture.pixels() {
        let colour = rgba(pixel);
        if seen.insert(colour, ()).is_none() {
            if colours.len() == most {
                return None;
            }
            colours.push(colour);
        }
    }
    Some(colours)
}

/// Red, green, blue and alpha of a pixel of any layout.
pub(super) fn rgba(pixel: &[u8]) -> [u8; 4] {
    match *pixel {
        [grey] => [grey, grey, grey, 255],
        [red, green, blue] => [red, green, blue, 255],
        [red, green, blue, alpha] => [red, green, blue, alpha],
        _ => [0, 0, 0, 255],
    }
}

fn has_holes(picture: &Picture) -> bool {
    picture.layout() == Layout::Rgba8 && picture.pixels().any(|pixel| rgba(pixel)[3] < 128)
}

/// Calls `see` with the colour of every opaque pixel, one loop for each layout, until it says no.
fn opaque(picture: &Picture, mut see: impl FnMut([u8; 3]) -> bool) -> bool {
    match picture.layout() {
        Layout::Grey8 => picture.data().iter().all(|&grey| see([grey; 3])),
        Layout::Rgb8 => picture
            .data()
            .as_chunks::<3>()
            .0
            .iter()
            .all(|&rgb| see(rgb)),
        Layout::Rgba8 => {
            let (pixels, _) = picture.data().as_chunks::<4>();
            pixels
                .iter()
                .all(|&[red, green, blue, alpha]| alpha < 128 || see([red, green, blue]))
        }
    }
}

/// Whether all frames together have no more colours than a palette holds.
pub(super) fn has_few_colours(frames: &[Frame]) -> bool {
    few_colours(&frames.iter().collect::<Vec<_>>(), 255).is_some()
}

fn few_colours(frames: &[&Frame], most: usize) -> Option<Vec<[u8; 3]>> {
    let mut seen: HashMap<[u8; 3], ()> = HashMap::new();
    let mut colours = Vec::new();
    let mut last = None;
    let mut few = |colour| {
        if last == Some(colour) {
            return true;
        }
        last = Some(colour);
        if seen.insert(colour, ()).is_none() {
            if colours.len() == most {
                return false;
            }
            colours.push(colour);
        }
        true
    };
    if !frames.iter().all(|frame| opaque(&frame.picture, &mut few)) {
        return None;
    }
    if colours.is_empty() {
        colours.push([255, 255, 255]);
    }
    Some(colours)
}

/// Pixels of about one colour: their count and the sum of each channel.
#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    count: u64,
    sums: [u64; 3],
}

impl Bin {
    fn mean(&self) -> [u8; 3] {
        self.sums.map(|sum| {
            let mean = sum.saturating_add(self.count / 2).checked_div(self.count);
            u8::try_from(mean.unwrap_or(0)).unwrap_or(255)
        })
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum += more;
        }
    }
}

/// How often the colours are moved to where the pixels are.
const ROUNDS: u32 = 3;

/// Splits the colours into boxes, always the one of the largest spread, and takes their means.
fn median_cut(frames: &[&Frame], most: usize) -> Vec<[u8; 3]> {
    let mut grid = vec![Bin::default(); 1 << 15];
    for frame in frames {
        opaque(&frame.picture, |colour| {
            let [red, green, blue] = colour.map(|channel| usize::from(channel >> 3));
            if let Some(bin) = grid.get_mut(red << 10 | green << 5 | blue) {
                bin.count += 1;
                for (sum, channel) in bin.sums.iter_mut().zip(colour) {
                    *sum += u64::from(channel);
                }
            }
            true
        });
    }
    let bins: Vec<Bin> = grid.into_iter().filter(|bin| bin.count > 0).collect();
    let mut boxes = vec![ColourBox::new(bins.clone())];
    while boxes.len() < most {
        // The first of the largest, so that the order of boxes never depends on chance.
        let Some((at, _)) = boxes
            .iter()
            .enumerate()
            .filter(|(_, candidate)| candidate.bins.len() > 1)
            .max_by(|(a, x), (b, y)| x.spread.cmp(&y.spread).then(b.cmp(a)))
        else {
            break;
        };
        let (left, right) = boxes.swap_remove(at).split();
        boxes.push(left);
        boxes.push(right);
    }
    let means = boxes.iter().map(|one| one.total.mean()).collect();
    (0..ROUNDS).fold(means, |colours, _| refine(&bins, colours))
}

struct ColourBox {
    bins: Vec<Bin>,
    total: Bin,
    /// Sum of squared distances along the axis of the largest one.
    spread: u64,
    axis: usize,
}

impl ColourBox {
    fn new(bins: Vec<Bin>) -> Self {
        let mut total = Bin::default();
        for bin in &bins {
            total.add(bin);
        }
        let centre = total.mean();
        let mut spreads = [0_u64; 3];
        for bin in &bins {
            for ((spread, mean), centre) in spreads.iter_mut().zip(bin.mean()).zip(centre) {
                let distance = u64::from(mean.abs_diff(centre));
                *spread = spread.saturating_add(distance * distance * bin.count);
            }
        }
        let (axis, spread) = spreads
            .into_iter()
            .enumerate()
            .max_by_key(|&(axis, spread)| (spread, 3 - axis))
            .unwrap_or((0, 0));
        Self {
            bins,
            total,
            spread,
            axis,
        }
    }

    /// Splits at the mean along the axis; both halves have at least one bin.
    fn split(mut self) -> (Self, Self) {
        let axis = self.axis;
        let along = |bin: &Bin| bin.mean().get(axis).copied().unwrap_or(0);
        self.bins.sort_by_key(|bin| (along(bin), bin.mean()));
        let centre = self.total.mean().get(axis).copied().unwrap_or(0);
        let at = self
            .bins
            .partition_point(|bin| along(bin) <= centre)
            .clamp(1, self.bins.len().saturating_sub(1).max(1));
        let right = self.bins.split_off(at.min(self.bins.len()));
        (Self::new(self.bins), Self::new(right))
    }
}

/// Moves each colour to the mean of the bins it is nearest to.
fn refine(bins: &[Bin], mut colours: Vec<[u8; 3]>) -> Vec<[u8; 3]> {
    let mut totals = vec![Bin::default(); colours.len()];
    let search = Colours::new(&colours);
    for bin in bins {
        if let Some(total) = totals.get_mut(search.closest(bin.mean())) {
            total.add(bin);
        }
    }
    for (colour, total) in colours.iter_mut().zip(&totals) {
        if total.count > 0 {
            *colour = total.mean();
        }
    }
    colours
}

/// Colours to look for the nearest in, each channel by itself, so that many are compared at once.
struct Colours {
    channels: [Vec<i32>; 3],
}

impl Colours {
    fn new(colours: &[[u8; 3]]) -> Self {
        let channel = |at: usize| {
            let of = |colour: &[u8; 3]| i32::from(colour.get(at).copied().unwrap_or(0));
            colours.iter().map(of).collect()
        };
        Self {
            channels: [0, 1, 2].map(channel),
        }
    }

    /// Index of the colour nearest to `wanted`, green weighing most; the first of equals.
    fn closest(&self, wanted: [u8; 3]) -> usize {
        let [red, green, blue] = wanted.map(i32::from);
        let [reds, greens, blues] = &self.channels;
        let mut best = i32::MAX;
        // The distance with the index below it: at most 7 · 255² · 256 and so within 31 bits.
        for (((&r, &g), &b), at) in reds.iter().zip(greens).zip(blues).zip(0..=255) {
            let (r, g, b) = (r - red, g - green, b - blue);
            best = best.min((2 * r * r + 4 * g * g + b * b) << 8 | at);
        }
        usize::try_from(best & 0xFF).unwrap_or(0)
    }
}

/// Maps colours to the nearest entry by a table of 6 bits a channel that is filled as it is asked.
/// Where the palette has the very colour, as it has all of a picture of few, it is found.
struct Nearest<'a> {
    colours: &'a [[u8; 3]],
    search: Colours,
    exact: Option<HashMap<[u8; 3], u8>>,
    table: Vec<u16>,
}

/// A cell of the table that was not asked for yet.
const UNKNOWN: u16 = u16::MAX;

impl<'a> Nearest<'a> {
    fn new(colours: &'a [[u8; 3]], exact: bool) -> Self {
        let all = || {
            let entries = colours.iter().zip(0..=255).rev();
            entries.map(|(&colour, at)| (colour, at)).collect()
        };
        Self {
            colours,
            search: Colours::new(colours),
            exact: exact.then(all),
            table: vec![UNKNOWN; 1 << 18],
        }
    }

    fn map(&mut self, picture: &Picture, transparent: Option<u8>, strength: i32) -> Vec<u8> {
        if strength > 0 {
            return self.dithered(picture, transparent, strength);
        }
        let data = picture.data();
        match picture.layout() {
            Layout::Grey8 => data.iter().map(|&grey| self.index([grey; 3])).collect(),
            Layout::Rgb8 => {
                let (pixels, _) = data.as_chunks::<3>();
                pixels.iter().map(|&colour| self.index(colour)).collect()
            }
            Layout::Rgba8 => {
                let (pixels, _) = data.as_chunks::<4>();
                let index = |&[red, green, blue, alpha]: &[u8; 4]| match transparent {
                    Some(transparent) if alpha < 128 => transparent,
                    _ => self.index([red, green, blue]),
                };
                pixels.iter().map(index).collect()
            }
        }
    }

    fn dithered(&mut self, picture: &Picture, transparent: Option<u8>, strength: i32) -> Vec<u8> {
        let channels = picture.layout().channels();
        let mut indices = Vec::with_capacity(picture.data().len() / channels);
        for (row, y) in picture.rows().zip(0..) {
            for (pixel, x) in row.chunks_exact(channels).zip(0..) {
                let [red, green, blue, alpha] = rgba(pixel);
                if let (true, Some(transparent)) = (alpha < 128, transparent) {
                    indices.push(transparent);
                    continue;
                }
                let offset = bayer(x, y) * strength / 64;
                indices.push(self.index([red, green, blue].map(|channel| {
                    u8::try_from((i32::from(channel) + offset).clamp(0, 255)).unwrap_or(255)
                })));
            }
        }
        indices
    }

    fn index(&mut self, colour: [u8; 3]) -> u8 {
        let [red, green, blue] = colour.map(|channel| usize::from(channel >> 2));
        let cell = red << 12 | green << 6 | blue;
        let known = self.table.get(cell).copied().unwrap_or(UNKNOWN);
        if let Ok(at) = u8::try_from(known)
            && (self.exact.is_none() || self.colours.get(usize::from(at)) == Some(&colour))
        {
            return at;
        }
        if let Some(exact) = &self.exact
            && let Some(&at) = exact.get(&colour)
        {
            self.learn(cell, at);
            return at;
        }
        let centre = colour.map(|channel| channel & 0xFC | 2);
        let at = u8::try_from(self.search.closest(centre)).unwrap_or(0);
        self.learn(cell, at);
        at
    }

    fn learn(&mut self, cell: usize, at: u8) {
        if let Some(entry) = self.table.get_mut(cell) {
            *entry = at.into();
        }
    }
}

/// Levels that dithering may move a colour: about half the distance between entries.
fn dither_strength(colours: usize) -> i32 {
    match colours {
        0..=2 => 128,
        3..=4 => 72,
        5..=8 => 56,
        9..=16 => 40,
        17..=32 => 32,
        33..=64 => 24,
        65..=128 => 18,
        _ => 14,
    }
}

/// The 8×8 ordered threshold at a pixel, -32..=31. It depends on the place alone, so what does
/// not move between frames dithers alike in both.
fn bayer(x: u32, y: u32) -> i32 {
    let mixed = x ^ y;
    let mut value = 0_i32;
    for bit in 0..3 {
        value = value << 2 | i32::from(mixed >> bit & 1 == 1) << 1 | i32::from(y >> bit & 1 == 1);
    }
    value - 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;

    fn frame(width: u32, layout: Layout, data: Vec<u8>) -> Frame {
        let height = u32::try_from(data.len() / layout.channels()).unwrap() / width;
        Frame {
            picture: Picture::new(Dimensions::new(width, height), layout, data).unwrap(),
            delay_ms: 0,
        }
    }

    fn options(entries: u16) -> IndexOptions {
        IndexOptions {
            entries,
            dither: false,
            transparent: false,
        }
    }

    fn gradient() -> Frame {
        let data = (0..64_u32 * 64)
            .flat_map(|i| {
                let (x, y) = (i % 64, i / 64);
                [x * 4, y * 4, (x + y) * 2].map(|value| u8::try_from(value).unwrap())
            })
            .collect();
        frame(64, Layout::Rgb8, data)
    }

    #[test]
    fn few_colours_stay_exact() {
        let data = vec![1, 2, 3, 9, 9, 9, 1, 2, 3, 200, 0, 0];
        let indexed = index_frames(&[frame(2, Layout::Rgb8, data)], options(4)).unwrap();
        assert!(indexed.exact);
        assert_eq!(indexed.colours, [[1, 2, 3], [9, 9, 9], [200, 0, 0]]);
        assert_eq!(indexed.frames, [[0, 1, 0, 2]]);
    }

    #[test]
    fn holes_get_the_last_entry() {
        let data = vec![1, 2, 3, 255, 1, 2, 3, 0];
        let indexed = index_frames(&[frame(2, Layout::Rgba8, data)], options(4)).unwrap();
        assert_eq!(indexed.transparent, Some(1));
        assert_eq!(indexed.frames, [[0, 1]]);
        assert_eq!(indexed.colours.len(), 2);
    }

    #[test]
    fn many_colours_come_close() {
        let source = gradient();
        for (entries, worst) in [(256, 26), (64, 42), (16, 80)] {
            let indexed = index_frames(std::slice::from_ref(&source), options(entries)).unwrap();
            assert!(!indexed.exact);
            assert!(indexed.colours.len() <= usize::from(entries));
            for (pixel, &at) in source.picture.pixels().zip(&indexed.frames[0]) {
                let colour = indexed.colours[usize::from(at)];
                let apart = pixel.iter().zip(colour).map(|(a, b)| a.abs_diff(b)).max();
                assert!(apart < Some(worst), "{pixel:?} became {colour:?}");
            }
        }
    }

    #[test]
    fn the_threshold_has_every_level_once() {
        let mut levels: Vec<i32> = (0..64).map(|i| bayer(i % 8, i / 8)).collect();
        levels.sort_unstable();
        assert_eq!(levels, (-32..32).collect::<Vec<_>>());
    }
}

//! The lowest coefficients of a picture, kept so that planes of several sizes come of one reading.
//!
//! What costs most of reading a photograph is its Huffman codes. A smaller picture is made of fewer
//! coefficients, all of which a larger one has, too. So what is kept for one serves for any that is
//! smaller, and the planes are the same, octet for octet, as if the file were read again.

use super::header::{Header, Scans};
use super::idct::{Dequantiser, Points};
use super::lanes;
use super::progressive;
use super::read::{self, Plan, UnitRows};
use super::scan::{Block, Eight, Four, One, Scan, Two};
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::codec::Reduced;
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::picture::{Chroma, Planes};

/// The coefficients kept of a picture.
pub(super) struct Low {
    header: Header,
    components: Vec<Component>,
    warnings: Vec<String>,
}

/// Of one component.
pub(super) struct Component {
    /// How many are kept of a block, a side.
    pub(super) points: Points,
    /// Blocks side by side.
    pub(super) across: usize,
    /// Blocks of a unit one below the other.
    pub(super) down: usize,
    pub(super) quantiser: [u16; 64],
    pub(super) order: Order,
    /// The levels as they are in the file.
    pub(super) levels: Vec<i16>,
}

/// In which order levels are kept; those of a row of a block are always side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All first rows of a row of blocks, then all second ones.
    Lines,
    /// One block after the other.
    Blocks,
}

impl Component {
    /// How far it is from a block to the one beside it, from a row of a block to the next, and
    /// from a row of blocks to the next.
    const fn strides(&self) -> (usize, usize, usize) {
        let kept = self.points.count();
        let row = self.across * kept * kept;
        match self.order {
            Order::Lines => (kept, self.across * kept, row),
            Order::Blocks => (kept * kept, kept, row),
        }
    }
}

/// The points that planes of a size need of each component.
pub(super) fn points(header: &Header, size: Dimensions, chroma: Chroma) -> Vec<Points> {
    (0..header.components.len())
        .filter_map(|index| Plan::new(header, index, size, chroma))
        .map(|plan| plan.points)
        .collect()
}

impl Low {
    /// Of what was read of a progressive picture.
    pub(super) fn of(header: &Header, components: Vec<Component>, warning: Option<String>) -> Self {
        Self {
            header: header.clone(),
            components,
            warnings: warning.into_iter().collect(),
        }
    }

    /// Octets that so many points of a picture take.
    pub(super) fn octets_of(header: &Header, points: &[Points]) -> usize {
        header.octets_for(points, |points| points.count() * points.count() * 2)
    }

    /// Reads the picture of `data` and keeps so many points of each component. `None` where the
    /// file leaves out a table.
    ///
    /// # Errors
    ///
    /// As of [`read::planes`].
    pub(super) fn read(
        data: &[u8],
        header: &Header,
        points: &[Points],
        cancel: &Cancel,
    ) -> Result<Option<Self>, MediaError> {
        if header.progressive {
            return progressive::read(data, header, points, cancel).map(Some);
        }
        let units = header.units();
        let mut low = Self {
            header: header.clone(),
            components: Vec::new(),
            warnings: Vec::new(),
        };
        for (component, &points) in header.components.iter().zip(points) {
            let across = units.0 * component.across;
            let blocks = across.saturating_mul(units.1 * component.down);
            low.components.push(Component {
                points,
                across,
                down: component.down,
                quantiser: [1; 64],
                order: Order::Lines,
                levels: vec![0; blocks.saturating_mul(points.count() * points.count())],
            });
        }
        if !header.apart {
            let all: Vec<usize> = (0..low.components.len()).collect();
            let Some(done) = low.scan(data, header, &all, cancel)? else {
                return Ok(None);
            };
            low.warnings = read::verdict(done.damage, done.blocks)?
                .into_iter()
                .collect();
            return Ok(Some(low));
        }
        let mut sum = Done::default();
        let mut seen = vec![false; low.components.len()];
        let mut scans = Scans::new(data, header);
        while let Some(part) = scans.next()? {
            for &index in &part.components {
                let Some(seen) = seen.get_mut(index).filter(|seen| !**seen) else {
                    let what = "a component in two scans";
                    return Err(MediaError::malformed_at(
                        Format::Jpeg,
                        what,
                        part.header.scan,
                    ));
                };
                *seen = true;
            }
            let Some(done) = low.scan(data, &part.header, &part.components, cancel)? else {
                return Ok(None);
            };
            sum.damage = sum.damage.or(done.damage);
            sum.blocks.0 += done.blocks.0;
            sum.blocks.1 += done.blocks.1;
            if !seen.contains(&false) {
                break;
            }
        }
        for (component, _) in header
            .components
            .iter()
            .zip(&seen)
            .filter(|(_, seen)| !**seen)
        {
            sum.damage = sum.damage.or(Some(data.len()));
            sum.blocks.1 += units.0 * units.1 * component.across * component.down;
        }
        low.warnings = read::verdict(sum.damage, sum.blocks)?.into_iter().collect();
        Ok(Some(low))
    }

    /// Reads the scan that `header` describes, of the components with these indices.
    fn scan(
        &mut self,
        data: &[u8],
        header: &Header,
        components: &[usize],
        cancel: &Cancel,
    ) -> Result<Option<Done>, MediaError> {
        let of = |&index: &usize| self.components.get(index).map(|c| c.points);
        let points: Vec<Points> = components.iter().filter_map(of).collect();
        let Some(mut scan) = Scan::<i16>::new(data, header, &points)? else {
            return Ok(None);
        };
        for (&index, named) in components.iter().zip(&header.components) {
            let table = header.tables.quantisers.get(named.quantiser).copied();
            if let (Some(component), Some(Some(table))) = (self.components.get_mut(index), table) {
                component.quantiser = table;
            }
        }
        let mut row = 0;
        while scan.next_row() {
            cancel.check()?;
            let named = components.iter().zip(&header.components);
            for ((&index, named), channel) in named.zip(scan.channels()) {
                let Some(component) = self.components.get_mut(index) else {
                    continue;
                };
                let first = row * named.down * component.points.count();
                let line = component.across * component.points.count();
                let to = component.levels.chunks_exact_mut(line.max(1));
                let from = channel.values().chunks_exact(channel.stride().max(1));
                for (to, from) in to.skip(first).zip(from) {
                    if let Some(to) = to.get_mut(..from.len()) {
                        to.copy_from_slice(from);
                    }
                }
            }
            row += 1;
            if scan.is_hopeless() {
                break;
            }
        }
        let each: usize = header.components.iter().map(|c| c.across * c.down).sum();
        let (decoded, units) = scan.progress();
        Ok(Some(Done {
            damage: scan.damage(),
            blocks: (decoded * each, units * each),
        }))
    }
}

/// How much of a picture was read.
#[derive(Default)]
struct Done {
    damage: Option<usize>,
    /// Blocks that were, and that there are.
    blocks: (usize, usize),
}

/// Octets of what is held to deliver a picture of up to `size` with all of its colour.
pub(super) fn octets_for(header: &Header, size: Dimensions) -> u64 {
    let points = points(header, size, Chroma::Full);
    let more = if header.progressive {
        progressive::octets_of(header, &points)
    } else {
        0
    };
    let all = Low::octets_of(header, &points).saturating_add(more);
    u64::try_from(all).unwrap_or(u64::MAX)
}

impl Reduced for Low {
    fn octets(&self) -> usize {
        let levels = self.components.iter().map(|c| c.levels.len());
        levels.sum::<usize>().saturating_mul(2)
    }

    fn planes(
        &self,
        size: Dimensions,
        chroma: Chroma,
        cancel: &Cancel,
    ) -> Result<Option<Planes>, MediaError> {
        let points = points(&self.header, size, chroma);
        let kept = self.components.iter().map(|component| component.points);
        if kept.zip(&points).any(|(kept, points)| kept < *points) {
            return Ok(None);
        }
        let mut rows = Rows::new(self, &points);
        read::scaled_planes(&mut rows, &self.header, size, chroma, cancel).map(Some)
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The rows of units of what was kept, as samples.
struct Rows<'a> {
    low: &'a Low,
    next: usize,
    channels: Vec<Channel>,
}

/// The samples of a component.
struct Channel {
    points: Points,
    dequantiser: Dequantiser,
    stride: usize,
    samples: Vec<u8>,
}

impl<'a> Rows<'a> {
    fn new(low: &'a Low, points: &[Points]) -> Self {
        let channels = low
            .components
            .iter()
            .zip(points)
            .map(|(component, &points)| {
                let stride = component.across * points.count();
                Channel {
                    points,
                    dequantiser: Dequantiser::new(&component.quantiser, points),
                    stride,
                    samples: vec![128; stride * component.down * points.count()],
                }
            });
        Self {
            low,
            next: 0,
            channels: channels.collect(),
        }
    }
}

impl UnitRows for Rows<'_> {
    fn next_row(&mut self) -> bool {
        if self.next >= self.low.header.units().1 {
            return false;
        }
        for (component, channel) in self.low.components.iter().zip(&mut self.channels) {
            let first = self.next * component.down;
            lanes::widest(
                #[inline(always)]
                || match channel.points {
                    Points::One => channel.render::<1, One>(component, first),
                    Points::Two => channel.render::<2, Two>(component, first),
                    Points::Four => channel.render::<4, Four>(component, first),
                    Points::Eight => channel.render::<8, Eight>(component, first),
                },
            );
        }
        self.next += 1;
        true
    }

    fn component(&self, index: usize) -> &[u8] {
        self.channels
            .get(index)
            .map_or(&[], |channel| &channel.samples)
    }

    fn stride(&self, index: usize) -> usize {
        self.channels.get(index).map_or(0, |channel| channel.stride)
    }
}

impl Channel {
    /// Makes the samples of a row of units, whose first row of blocks is `first`.
    #[inline(always)]
    fn render<const N: usize, B: Block<N>>(&mut self, component: &Component, first: usize) {
        let (across, down, row) = component.strides();
        let rows = self.samples.chunks_exact_mut((self.stride * N).max(1));
        for (y, samples) in (first..).zip(rows) {
            for x in 0..self.stride / N {
                let mut at = y.wrapping_mul(row).wrapping_add(x.wrapping_mul(across));
                let mut block = [[0; N]; N];
                for to in &mut block {
                    let from = component.levels.get(at..);
                    if let Some(from) = from.and_then(|from| from.first_chunk()) {
                        *to = *from;
                    }
                    at = at.wrapping_add(down);
                }
                let made = B::transformed(&self.dequantiser, &block);
                for (row, line) in made.iter().zip(samples.chunks_exact_mut(self.stride)) {
                    if let Some(to) = line.get_mut(x * N..).and_then(|to| to.first_chunk_mut()) {
                        *to = *row;
                    }
                }
            }
        }
    }
}

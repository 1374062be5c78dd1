//! The lowest coefficients of a picture, kept so that planes of several sizes come of one reading.
//!
//! What costs most of reading a photograph is its Huffman codes. A smaller picture is made of fewer
//! coefficients, all of which a larger one has, too. So what is kept for one serves for any that is
//! smaller, and the planes are the same, octet for octet, as if the file were read again.

use super::header::{Header, Scans};
use super::idct::{Dequantiser, Points};
use super::lanes;
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
    points: Points,
    /// Blocks of a unit one below the other.
    down: usize,
    quantiser: [u16; 64],
    /// Levels side by side.
    stride: usize,
    /// The levels as they are in the file, each block's in rows and columns.
    levels: Vec<i16>,
}

/// The points that planes of a size need of each component.
pub(super) fn points(header: &Header, size: Dimensions, chroma: Chroma) -> Vec<Points> {
    (0..header.components.len())
        .filter_map(|index| Plan::new(header, index, size, chroma))
        .map(|plan| plan.points)
        .collect()
}

impl Low {
    /// Octets that so many points of a picture take.
    pub(super) fn octets_of(header: &Header, points: &[Points]) -> usize {
        let units = header.units();
        let of = |(component, points): (&super::header::Component, &Points)| {
            let blocks = component.across * component.down;
            let levels = blocks * points.count() * points.count();
            units.0.saturating_mul(units.1).saturating_mul(levels * 2)
        };
        let each = header.components.iter().zip(points).map(of);
        each.fold(0, usize::saturating_add)
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
        let units = header.units();
        let mut low = Self {
            header: header.clone(),
            components: Vec::new(),
            warnings: Vec::new(),
        };
        for (component, &points) in header.components.iter().zip(points) {
            let stride = units.0 * component.across * points.count();
            let rows = units.1 * component.down * points.count();
            low.components.push(Component {
                points,
                down: component.down,
                quantiser: [1; 64],
                stride,
                levels: vec![0; stride.saturating_mul(rows)],
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
                let to = component.levels.chunks_exact_mut(component.stride.max(1));
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

/// Octets of what is kept to deliver a picture of up to `size` with all of its colour.
pub(super) fn octets_for(header: &Header, size: Dimensions) -> u64 {
    let points = points(header, size, Chroma::Full);
    u64::try_from(Low::octets_of(header, &points)).unwrap_or(u64::MAX)
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
                let stride = component.stride / component.points.count() * points.count();
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
            let octets = component.stride * component.down * component.points.count();
            let levels = component.levels.get(self.next * octets..);
            let levels = levels.unwrap_or_default();
            lanes::widest(
                #[inline(always)]
                || match channel.points {
                    Points::One => channel.render::<1, One>(component, levels),
                    Points::Two => channel.render::<2, Two>(component, levels),
                    Points::Four => channel.render::<4, Four>(component, levels),
                    Points::Eight => channel.render::<8, Eight>(component, levels),
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
    /// Makes the samples of the row of units whose levels come first.
    #[inline(always)]
    fn render<const N: usize, B: Block<N>>(&mut self, component: &Component, levels: &[i16]) {
        let kept = component.points.count();
        let lines = levels.chunks_exact((component.stride * kept).max(1));
        let rows = self.samples.chunks_exact_mut((self.stride * N).max(1));
        for (samples, levels) in rows.zip(lines) {
            for x in 0..self.stride / N {
                let mut block = [[0; N]; N];
                for (row, line) in block.iter_mut().zip(levels.chunks_exact(component.stride)) {
                    if let Some(from) = line.get(x * kept..).and_then(|from| from.first_chunk()) {
                        *row = *from;
                    }
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

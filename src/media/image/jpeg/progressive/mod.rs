//! Progressive pictures (ITU-T T.81 annex G): each scan has some of the coefficients of every
//! block, or one more bit of some.
//!
//! Of each block are held the coefficients that the planes are made of, and one bit for each that
//! is other than zero, since where those are decides what the bits of a later scan mean. A scan
//! that neither has what is wanted nor is needed to read another is passed over: at 1/8 that is
//! every scan but those of DC coefficients.

mod scan;

#[cfg(test)]
mod tests;

use scan::{Kind, Reading, kept_of};

use super::header::{Band, Header, Part, Scans};
use super::huffman::{DcTable, Declared, Steps};
use super::idct::Points;
use super::low::{Component, Low, Order};
use super::read;
use crate::media::cancel::Cancel;
use crate::media::error::MediaError;
use crate::media::info::Format;

/// Octets that are held to read a picture beside what is kept of it.
pub(super) fn octets_of(header: &Header, points: &[Points]) -> usize {
    let marks = |points| if points == Points::One { 0 } else { 8 };
    header.octets_for(points, marks)
}

/// Reads the picture of `data` and keeps so many points of each component.
///
/// A damaged picture is shown as far as it is known. Detail may be missing; of the DC coefficients
/// half have to be there, and no end of the data within those of luma.
///
/// # Errors
///
/// [`MediaError::Malformed`] of what is not enough, of tables that are missing or wrong, and
/// [`MediaError::Limit`] of more scans than [`Header::scans`].
pub(super) fn read(
    data: &[u8],
    header: &Header,
    points: &[Points],
    cancel: &Cancel,
) -> Result<Low, MediaError> {
    let mut picture = Progressive::new(header, points);
    let mut health = Health::default();
    let parts = parts(data, header, &mut health)?;
    for (part, wanted) in parts.iter().zip(picture.wanted(&parts)) {
        if wanted {
            cancel.check()?;
            picture.scan(data, part, cancel, &mut health)?;
        }
    }
    let warning = picture.verdict(data, &health)?;
    let components = picture.planes.into_iter().map(Plane::into_component);
    Ok(Low::of(header, components.collect(), warning))
}

/// The scans, as far as their headers can be read.
fn parts(data: &[u8], header: &Header, health: &mut Health) -> Result<Vec<Part>, MediaError> {
    let mut scans = Scans::new(data, header);
    let mut parts = Vec::new();
    loop {
        match scans.next() {
            Ok(Some(_)) if parts.len() >= header.scans => {
                return Err(MediaError::Limit {
                    what: "jpeg_scans",
                    limit: u64::try_from(header.scans).unwrap_or(u64::MAX),
                });
            }
            Ok(Some(part)) => parts.push(part),
            Ok(None) => return Ok(parts),
            // What comes before may be enough.
            Err(MediaError::Malformed { offset, .. }) if !parts.is_empty() => {
                health.damaged(offset.unwrap_or(data.len()));
                return Ok(parts);
            }
            Err(error) => return Err(error),
        }
    }
}

/// What is wrong with a picture.
#[derive(Default)]
struct Health {
    /// Where the first damage is.
    damage: Option<usize>,
    /// Where the data of luma's DC coefficients end too early.
    cut: Option<usize>,
    /// Blocks whose DC coefficient was read, and that there are in the scans that were.
    blocks: (usize, usize),
}

impl Health {
    fn damaged(&mut self, at: usize) {
        self.damage = Some(self.damage.map_or(at, |before| before.min(at)));
    }
}

/// A picture while it is read.
struct Progressive {
    planes: Vec<Plane>,
}

/// What is known of a component.
struct Plane {
    points: Points,
    /// Blocks of a unit side by side, and one below the other.
    unit: (usize, usize),
    /// Blocks side by side.
    across: usize,
    quantiser: Option<[u16; 64]>,
    /// The levels that are kept, one block after the other.
    levels: Vec<i16>,
    /// For each block a bit for each coefficient that is other than zero. Empty where the DC
    /// coefficient alone is kept.
    marks: Vec<u64>,
    /// The lowest bit that is known of each coefficient.
    known: [Option<u8>; 64],
    /// The coefficients that some block lost, so that later bits of them cannot be read.
    lost: u64,
}

impl Plane {
    /// Levels kept of a block.
    const fn kept(&self) -> usize {
        self.points.count() * self.points.count()
    }

    /// Whether a scan of these coefficients goes on from what is known of them.
    fn follows(&self, band: Band) -> bool {
        let before = (band.high != 0).then_some(band.high);
        let known = self.known.iter().enumerate();
        let range = usize::from(band.first)..=usize::from(band.last);
        known
            .filter(|(k, _)| range.contains(k))
            .all(|(_, known)| *known == before)
    }

    fn into_component(self) -> Component {
        Component {
            points: self.points,
            across: self.across,
            down: self.unit.1,
            quantiser: self.quantiser.unwrap_or([1; 64]),
            order: Order::Blocks,
            levels: self.levels,
        }
    }
}

impl Progressive {
    fn new(header: &Header, points: &[Points]) -> Self {
        let units = header.units();
        let planes = header.components.iter().zip(points);
        let planes = planes.map(|(component, &points)| {
            let across = units.0 * component.across;
            let blocks = across.saturating_mul(units.1 * component.down);
            let marks = if points == Points::One { 0 } else { blocks };
            Plane {
                points,
                unit: (component.across, component.down),
                across,
                quantiser: None,
                levels: vec![0; blocks.saturating_mul(points.count() * points.count())],
                marks: vec![0; marks],
                known: [None; 64],
                lost: 0,
            }
        });
        Self {
            planes: planes.collect(),
        }
    }

    /// Which scans are to be read: those in their order that have what is kept, and those that
    /// they cannot be read without.
    fn wanted(&mut self, parts: &[Part]) -> Vec<bool> {
        let in_order: Vec<bool> = parts.iter().map(|part| self.take_note(part)).collect();
        let mut needed: Vec<u64> = self
            .planes
            .iter()
            .map(|plane| kept_of(plane.points))
            .collect();
        let mut wanted = Vec::new();
        for (part, in_order) in parts.iter().zip(in_order).rev() {
            let mut want = false;
            for &index in &part.components {
                let Some(needed) = needed.get_mut(index).filter(|_| in_order) else {
                    continue;
                };
                let mask = part.band.mask();
                if mask & *needed != 0 {
                    want = true;
                    if part.band.high != 0 {
                        *needed |= mask;
                    }
                }
            }
            wanted.push(want);
        }
        wanted.reverse();
        wanted
    }

    /// Whether a scan may stand here (G.1.1.1.1), and if so, what is known after it.
    fn take_note(&mut self, part: &Part) -> bool {
        let band = part.band;
        let shaped = if band.first == 0 {
            band.last == 0
        } else {
            band.first <= band.last && band.last < 64 && part.components.len() == 1
        };
        let bits = band.low <= 13 && (band.high == 0 || band.high == band.low + 1);
        let planes = || {
            part.components
                .iter()
                .filter_map(|&index| self.planes.get(index))
        };
        if !shaped || !bits || !planes().all(|plane| plane.follows(band)) {
            return false;
        }
        for &index in &part.components {
            if let Some(plane) = self.planes.get_mut(index) {
                let range = usize::from(band.first)..=usize::from(band.last);
                for known in plane.known.get_mut(range).unwrap_or_default() {
                    *known = Some(band.low);
                }
            }
        }
        true
    }

    /// Reads a scan.
    fn scan(
        &mut self,
        data: &[u8],
        part: &Part,
        cancel: &Cancel,
        health: &mut Health,
    ) -> Result<(), MediaError> {
        let band = part.band;
        let missing = |what: &str| MediaError::malformed_at(Format::Jpeg, what, part.header.scan);
        let tables = &part.header.tables;
        let table = |of: &'_ [Option<(Declared, usize)>; 4], index: usize| {
            let declared = of.get(index).cloned().flatten();
            declared.ok_or_else(|| missing("a scan without its Huffman table"))
        };
        let mut kinds = Vec::new();
        for (&index, component) in part.components.iter().zip(&part.header.components) {
            let Some(plane) = self.planes.get_mut(index) else {
                continue;
            };
            if plane.quantiser.is_none() {
                let table = tables
                    .quantisers
                    .get(component.quantiser)
                    .copied()
                    .flatten();
                plane.quantiser =
                    Some(table.ok_or_else(|| missing("a scan without its quantiser"))?);
            }
            let kind = if band.first > 0 {
                let (declared, at) = table(&tables.ac, component.ac)?;
                let steps = Steps::new(&declared, at)?;
                match band.high {
                    0 => Kind::Rest(steps),
                    _ => Kind::RestBit(steps),
                }
            } else if band.high == 0 {
                let (declared, at) = table(&tables.dc, component.dc)?;
                Kind::Mean(DcTable::new(&declared, at)?)
            } else {
                Kind::MeanBit
            };
            kinds.push(kind);
        }
        let mut planes = part
            .components
            .iter()
            .filter_map(|&index| self.planes.get(index));
        let lost = |plane: &Plane| plane.lost & band.mask() != 0;
        if band.first != 0 && band.high != 0 && planes.any(lost) {
            return Ok(());
        }
        let done = Reading::new(part, &kinds, &mut self.planes).all(data, cancel)?;
        if let Some(at) = done.damage {
            health.damaged(at);
            for &index in &part.components {
                if let Some(plane) = self.planes.get_mut(index) {
                    plane.lost |= band.mask();
                }
            }
        }
        if (band.first, band.high) == (0, 0) {
            let each: usize = part
                .header
                .components
                .iter()
                .map(|c| c.across * c.down)
                .sum();
            health.blocks.0 += done.units.0 * each;
            health.blocks.1 += done.units.1 * each;
            if done.cut && part.components.contains(&0) {
                health.cut = done.damage;
            }
        }
        Ok(())
    }

    /// Whether enough of the picture is there, and what to say of the rest.
    fn verdict(&self, data: &[u8], health: &Health) -> Result<Option<String>, MediaError> {
        if let Some(at) = health.cut {
            let what = "the data end within the first scan";
            return Err(MediaError::malformed_at(Format::Jpeg, what, at));
        }
        let (decoded, mut blocks) = health.blocks;
        let mut damage = health.damage;
        for plane in self
            .planes
            .iter()
            .filter(|plane| plane.known.first() == Some(&None))
        {
            damage = damage.or(Some(data.len()));
            blocks += plane.levels.len() / plane.kept();
        }
        if decoded < blocks {
            return read::verdict(damage, (decoded, blocks));
        }
        Ok(damage.map(|at| format!("damaged at octet {at}: some detail is lost")))
    }
}

//! The marker segments in front of a scan (ITU-T T.81 annex B, JFIF 1.02, EXIF 2.3).

use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::probe::exif;

use super::huffman::Declared;
use super::idct::Points;

/// What the segments up to the first scan say.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// Pixels as stored.
    pub(super) size: Dimensions,
    /// Y, or Y, Cb and Cr. Empty where this decoder does not read the picture.
    pub(super) components: Vec<Component>,
    /// Whether the components come in several scans.
    pub(super) apart: bool,
    /// Whether a block's coefficients come in several scans (ITU-T T.81 annex G).
    pub(super) progressive: bool,
    /// The most scans of a progressive picture that are read.
    pub(super) scans: usize,
    /// What the first scan is decoded by.
    pub(super) tables: Tables,
    /// EXIF orientation, 1..=8.
    pub(super) orientation: u8,
    /// The embedded ICC profile.
    pub(super) icc: Option<Vec<u8>>,
    /// Where the entropy-coded data begin.
    pub(super) scan: usize,
    /// Where the segment begins that starts the first scan, behind its length.
    start: usize,
}

/// What a scan is decoded by: what was declared last, in front of it.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    /// Quantisers in zigzag order.
    pub(super) quantisers: [Option<[u16; 64]>; 4],
    /// Huffman tables of DC coefficients, with where they are.
    pub(super) dc: [Option<(Declared, usize)>; 4],
    /// Huffman tables of AC coefficients, with where they are.
    pub(super) ac: [Option<(Declared, usize)>; 4],
    /// Units between two restart markers; 0 where there are none.
    pub(super) restart: usize,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            quantisers: [None; 4],
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            restart: 0,
        }
    }
}

/// A component of the frame and of its scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    id: u8,
    /// Blocks of a unit side by side.
    pub(super) across: usize,
    /// Blocks of a unit one below the other.
    pub(super) down: usize,
    /// Its quantiser.
    pub(super) quantiser: usize,
    /// Its Huffman table of DC coefficients.
    pub(super) dc: usize,
    /// Its Huffman table of AC coefficients.
    pub(super) ac: usize,
}

impl Header {
    /// Reads the segments of `data` up to the data of the first scan.
    ///
    /// A picture that is sound but not ours to decode, being of four components, of 12 bits or
    /// the like, has no [`components`](Self::components).
    pub(super) fn read(data: &[u8]) -> Result<Self, MediaError> {
        let mut reading = Reading::default();
        let mut at = 2_usize;
        loop {
            let (marker, body) = next_segment(data, at)?;
            at = body.at.saturating_add(body.octets.len());
            match marker {
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    reading.frame(marker, body)?;
                }
                0xDA => return reading.scan(body, at),
                0xE0 if body.octets.starts_with(b"JFIF\0") => reading.jfif = true,
                0xE1 if body.octets.starts_with(b"Exif\0\0") => {
                    if let Some(orientation) = exif::orientation(body.octets) {
                        reading.orientation = orientation;
                    }
                }
                0xE2 => reading.profile(body.octets),
                0xEE if body.octets.starts_with(b"Adobe") => {
                    reading.adobe = body.octets.get(11).copied();
                }
                _ => reading.tables.read(marker, body)?,
            }
        }
    }

    /// Whether the decoder of the `image` crate loses the colour of this picture, and says nothing.
    pub(super) fn is_lost_on_others(&self) -> bool {
        self.apart && rows_differ(&self.components)
    }

    /// Whether no row of the picture is known before the last scan is read.
    pub(super) const fn is_in_parts(&self) -> bool {
        self.apart || self.progressive
    }

    /// Units side by side and one below the other.
    pub(super) fn units(&self) -> (usize, usize) {
        let most = |of: fn(&Component) -> usize| self.components.iter().map(of).max();
        let wide = most(|component| component.across).unwrap_or(1);
        let high = most(|component| component.down).unwrap_or(1);
        let side = |length: u32, blocks: usize| {
            usize::try_from(length)
                .unwrap_or(usize::MAX)
                .div_ceil(8 * blocks)
        };
        (side(self.size.width, wide), side(self.size.height, high))
    }

    /// Octets that all blocks of the components take, of so many for one at the points of each.
    pub(super) fn octets_for(
        &self,
        points: &[Points],
        of_block: impl Fn(Points) -> usize,
    ) -> usize {
        let units = self.units();
        let units = units.0.saturating_mul(units.1);
        let of = |(component, &points): (&Component, &Points)| {
            let blocks = component.across * component.down;
            units.saturating_mul(blocks * of_block(points))
        };
        let each = self.components.iter().zip(points).map(of);
        each.fold(0, usize::saturating_add)
    }
}

/// The scans of a picture that is [in parts](Header::is_in_parts).
pub(super) struct Scans<'a> {
    data: &'a [u8],
    frame: &'a Header,
    tables: Tables,
    /// Where the next segment is looked for; the first scan's is known.
    at: Option<usize>,
}

/// One of them.
pub(super) struct Part {
    /// A header of its components alone, as of a picture that has no others.
    pub(super) header: Header,
    /// Which components of the frame they are.
    pub(super) components: Vec<usize>,
    /// What it has of each block.
    pub(super) band: Band,
}

/// The part of a block's coefficients that a scan has (B.2.3). A baseline scan has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Band {
    /// The first coefficient, in zigzag order.
    pub(super) first: u8,
    /// The last.
    pub(super) last: u8,
    /// The lowest bit that an earlier scan had; 0 where this is the first of these coefficients.
    pub(super) high: u8,
    /// The lowest bit that is known after this scan.
    pub(super) low: u8,
}

impl Band {
    /// What stands behind the components of a scan header.
    fn of(body: Body<'_>, components: usize) -> Option<Self> {
        let behind = body
            .octets
            .get(components.saturating_mul(2).saturating_add(1)..)?;
        let &[first, last, bits, ..] = behind else {
            return None;
        };
        Some(Self {
            first,
            last,
            high: bits >> 4,
            low: bits & 15,
        })
    }

    /// The bits of a word that stand for its coefficients.
    pub(super) const fn mask(self) -> u64 {
        let (first, last) = (self.first as u32 & 63, self.last as u32 & 63);
        u64::MAX << first & u64::MAX >> (63 - last)
    }
}

impl<'a> Scans<'a> {
    pub(super) fn new(data: &'a [u8], frame: &'a Header) -> Self {
        Self {
            data,
            frame,
            tables: frame.tables.clone(),
            at: None,
        }
    }

    /// The next scan; `None` behind the last, or where the data end.
    ///
    /// # Errors
    ///
    /// What is wrong with a segment.
    pub(super) fn next(&mut self) -> Result<Option<Part>, MediaError> {
        let Some(mut at) = self.at else {
            let body = self.frame.start..self.frame.scan;
            let octets = self.data.get(body).unwrap_or_default();
            let at = self.frame.start;
            return self.part(Body { octets, at }).map(Some);
        };
        loop {
            // What follows the last scan is of no use, and neither is that of a file cut short.
            let Some((marker, body)) = following_segment(self.data, at)? else {
                return Ok(None);
            };
            at = body.at.saturating_add(body.octets.len());
            if marker == 0xDA {
                return self.part(body).map(Some);
            }
            self.tables.read(marker, body)?;
        }
    }

    /// The scan of a header.
    fn part(&mut self, body: Body<'_>) -> Result<Part, MediaError> {
        let scan = body.at.saturating_add(body.octets.len());
        self.at = Some(end_of_data(self.data, scan));
        let frame = &self.frame.components;
        let mut components = Vec::new();
        let mut indices = Vec::new();
        let named = named(body)?;
        let band = Band::of(body, named.len()).ok_or_else(|| body.broken("scan header"))?;
        for [id, tables] in named {
            let index = frame.iter().position(|component| component.id == *id);
            let Some((index, component)) = index.and_then(|i| Some((i, frame.get(i)?))) else {
                return Err(body.broken("a scan of a component that there is not"));
            };
            if indices.contains(&index) {
                return Err(body.broken("a scan of a component twice"));
            }
            indices.push(index);
            components.push(Component {
                dc: usize::from(tables >> 4),
                ac: usize::from(tables & 15),
                ..*component
            });
        }
        let most = |of: fn(&Component) -> usize| {
            let part = components.iter().map(of).max().unwrap_or(1);
            let whole = frame.iter().map(of).max().unwrap_or(1);
            (part, whole)
        };
        let share = |length: u32, (part, whole): (usize, usize)| {
            let [part, whole] = [part, whole].map(|n| u32::try_from(n).unwrap_or(1));
            length.saturating_mul(part).div_ceil(whole.max(1))
        };
        let size = Dimensions::new(
            share(self.frame.size.width, most(|c| c.across)),
            share(self.frame.size.height, most(|c| c.down)),
        );
        if let [only] = components.as_mut_slice() {
            // A scan of one component has a block in each unit, whatever its sampling (A.2.2).
            only.across = 1;
            only.down = 1;
        }
        Ok(Part {
            header: Header {
                size,
                apart: false,
                progressive: self.frame.progressive,
                scans: self.frame.scans,
                components,
                tables: self.tables.clone(),
                orientation: 1,
                icc: None,
                scan,
                start: body.at,
            },
            components: indices,
            band,
        })
    }
}

/// The octets of a segment behind its length.
#[derive(Clone, Copy)]
struct Body<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Body<'_> {
    fn broken(self, what: &str) -> MediaError {
        MediaError::malformed_at(Format::Jpeg, what, self.at)
    }
}

/// The next segment that has a body; `None` where there is none before the end.
fn following_segment(data: &[u8], at: usize) -> Result<Option<(u8, Body<'_>)>, MediaError> {
    let rest = data.get(at..).unwrap_or_default();
    if rest.len() < 4 || rest.starts_with(&[0xFF, 0xD9]) {
        return Ok(None);
    }
    next_segment(data, at).map(Some)
}

/// Where the marker is that ends the entropy-coded data from `at` on.
fn end_of_data(data: &[u8], mut at: usize) -> usize {
    loop {
        let rest = data.get(at..).unwrap_or_default();
        let Some(found) = first_ones(rest) else {
            return data.len();
        };
        at = at.saturating_add(found);
        match data.get(at.saturating_add(1)) {
            Some(0x00 | 0xD0..=0xD7) => at = at.saturating_add(2),
            Some(0xFF) => at = at.saturating_add(1),
            _ => return at,
        }
    }
}

/// Where the first octet FF is.
fn first_ones(data: &[u8]) -> Option<usize> {
    let is_ones = |octet: &u8| *octet == 0xFF;
    let (chunks, _) = data.as_chunks::<32>();
    // No early end within a chunk, so that the compiler makes lanes of it.
    let any = |chunk: &[u8; 32]| chunk.iter().fold(false, |any, octet| any | is_ones(octet));
    let from = chunks.iter().take_while(|chunk| !any(chunk)).count() * 32;
    let rest = data.get(from..)?;
    rest.iter()
        .position(is_ones)
        .map(|found| from.saturating_add(found))
}

/// The components that a scan header names, each with its Huffman tables.
fn named<'a>(body: Body<'a>) -> Result<&'a [[u8; 2]], MediaError> {
    let (&count, rest) = body
        .octets
        .split_first()
        .ok_or_else(|| body.broken("scan header"))?;
    rest.as_chunks::<2>()
        .0
        .get(..usize::from(count))
        .ok_or_else(|| body.broken("scan header"))
}

/// The next segment that has a body.
fn next_segment(data: &[u8], mut at: usize) -> Result<(u8, Body<'_>), MediaError> {
    let broken = |what: &str, at: usize| MediaError::malformed_at(Format::Jpeg, what, at);
    loop {
        // Fill octets FF may precede a marker (B.1.1.2); anything else between segments is junk
        // that decoders skip.
        while data.get(at).is_some_and(|&octet| octet != 0xFF) {
            at = at.saturating_add(1);
        }
        while data.get(at) == Some(&0xFF) {
            at = at.saturating_add(1);
        }
        let marker = *data.get(at).ok_or_else(|| broken("no scan", at))?;
        at = at.saturating_add(1);
        match marker {
            0x00 | 0x01 | 0xD0..=0xD8 => continue,
            0xD9 => return Err(broken("no scan before the end", at)),
            _ => {}
        }
        let body = data.get(at..).unwrap_or_default();
        let [high, low, ..] = *body else {
            return Err(broken("a segment without a length", at));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let octets = body
            .get(2..length)
            .ok_or_else(|| broken("a segment beyond the end", at))?;
        let at = at.saturating_add(2);
        return Ok((marker, Body { octets, at }));
    }
}

/// A header while it is read.
struct Reading {
    frame: Option<(u8, Dimensions, Vec<Component>)>,
    tables: Tables,
    orientation: u8,
    jfif: bool,
    adobe: Option<u8>,
    profile: Vec<(u8, Vec<u8>)>,
    /// Whether there is what this decoder does not do.
    foreign: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            frame: None,
            tables: Tables::default(),
            orientation: 1,
            jfif: false,
            adobe: None,
            profile: Vec::new(),
            foreign: false,
        }
    }
}

impl Tables {
    /// Takes in a segment if it is about tables.
    fn read(&mut self, marker: u8, body: Body<'_>) -> Result<(), MediaError> {
        match marker {
            0xC4 => self.huffman(body),
            0xDB => self.quantisers(body),
            0xDD => {
                let [high, low, ..] = *body.octets else {
                    return Err(body.broken("restart interval"));
                };
                self.restart = usize::from(u16::from_be_bytes([high, low]));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Quantisers (B.2.4.1).
    fn quantisers(&mut self, body: Body<'_>) -> Result<(), MediaError> {
        let mut rest = body.octets;
        while let Some((&kind, behind)) = rest.split_first() {
            let mut table = [0_u16; 64];
            rest = if kind >> 4 == 0 {
                let (values, rest) = behind
                    .split_first_chunk::<64>()
                    .ok_or_else(|| body.broken("a quantiser without its values"))?;
                for (to, from) in table.iter_mut().zip(values) {
                    *to = u16::from(*from);
                }
                rest
            } else {
                let (values, rest) = behind
                    .split_first_chunk::<128>()
                    .ok_or_else(|| body.broken("a quantiser without its values"))?;
                for (to, from) in table.iter_mut().zip(values.as_chunks::<2>().0) {
                    *to = u16::from_be_bytes(*from);
                }
                rest
            };
            *self
                .quantisers
                .get_mut(usize::from(kind & 15))
                .ok_or_else(|| body.broken("a quantiser beyond the fourth"))? = Some(table);
        }
        Ok(())
    }

    /// Huffman tables (B.2.4.2).
    fn huffman(&mut self, body: Body<'_>) -> Result<(), MediaError> {
        let mut rest = body.octets;
        while let Some((&kind, behind)) = rest.split_first() {
            let (counts, behind) = behind
                .split_first_chunk::<16>()
                .ok_or_else(|| body.broken("a Huffman table without its counts"))?;
            let codes: usize = counts.iter().map(|&count| usize::from(count)).sum();
            let (values, behind) = behind
                .split_at_checked(codes)
                .filter(|_| codes <= 256)
                .ok_or_else(|| body.broken("a Huffman table without its values"))?;
            let tables = if kind >> 4 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            let declared = Declared {
                counts: *counts,
                values: values.to_vec(),
            };
            *tables
                .get_mut(usize::from(kind & 15))
                .ok_or_else(|| body.broken("a Huffman table beyond the fourth"))? =
                Some((declared, body.at));
            rest = behind;
        }
        Ok(())
    }
}

impl Reading {
    /// Start of frame (B.2.2).
    fn frame(&mut self, marker: u8, body: Body<'_>) -> Result<(), MediaError> {
        let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = body.octets else {
            return Err(body.broken("frame header"));
        };
        if self.frame.is_some() {
            return Err(body.broken("a second frame header"));
        }
        let (components, _) = rest.as_chunks::<3>();
        let components = components
            .get(..usize::from(count))
            .filter(|components| !components.is_empty())
            .ok_or_else(|| body.broken("frame header"))?
            .iter()
            .map(|&[id, sampling, quantiser]| Component {
                id,
                across: usize::from(sampling >> 4),
                down: usize::from(sampling & 15),
                quantiser: usize::from(quantiser),
                dc: 0,
                ac: 0,
            })
            .collect();
        let size = Dimensions::new(
            u32::from(u16::from_be_bytes([w1, w0])),
            u32::from(u16::from_be_bytes([h1, h0])),
        );
        if size.width == 0 {
            return Err(body.broken("a width of nothing"));
        }
        self.foreign |= precision != 8;
        self.frame = Some((marker, size, components));
        Ok(())
    }

    /// A piece of an ICC profile (ICC.1 B.4).
    fn profile(&mut self, octets: &[u8]) {
        let Some(&[number, _count, ref piece @ ..]) = octets.strip_prefix(b"ICC_PROFILE\0") else {
            return;
        };
        if !self.profile.iter().any(|(known, _)| *known == number) {
            self.profile.push((number, piece.to_vec()));
        }
    }

    /// Start of scan (B.2.3), at whose end the data begin.
    fn scan(mut self, body: Body<'_>, at: usize) -> Result<Header, MediaError> {
        let (marker, size, mut components) = self
            .frame
            .take()
            .ok_or_else(|| body.broken("no frame header before the scan"))?;
        let whole = Self::join(&mut components, body)?;
        let baseline = matches!(marker, 0xC0 | 0xC1);
        let progressive = marker == 0xC2;
        let foreign = self.foreign
            || !(baseline || progressive)
            || size.height == 0
            || !is_regular(&components)
            || !self.is_ycc(&components);
        if baseline && foreign && !whole && rows_differ(&components) {
            return Err(lost_on_others());
        }
        if let ([only], false) = (components.as_mut_slice(), foreign) {
            // A scan of one component has a block in each unit, whatever its sampling (A.2.2).
            only.across = 1;
            only.down = 1;
        }
        self.profile.sort_by_key(|&(number, _)| number);
        let icc: Vec<u8> = self
            .profile
            .into_iter()
            .flat_map(|(_, piece)| piece)
            .collect();
        Ok(Header {
            size,
            apart: baseline && !whole,
            progressive,
            scans: Limits::default().jpeg_scans,
            components: if foreign { Vec::new() } else { components },
            tables: self.tables,
            orientation: self.orientation,
            icc: Some(icc).filter(|icc| !icc.is_empty()),
            scan: at,
            start: body.at,
        })
    }

    /// Gives the components the tables that the scan names; says whether it is a scan of all, in
    /// their order.
    fn join(components: &mut [Component], body: Body<'_>) -> Result<bool, MediaError> {
        let named = named(body)?;
        if named.len() != components.len() {
            return Ok(false);
        }
        for (component, &[id, tables]) in components.iter_mut().zip(named) {
            if component.id != id {
                return Ok(false);
            }
            component.dc = usize::from(tables >> 4);
            component.ac = usize::from(tables & 15);
        }
        Ok(true)
    }

    /// Whether three components are luma and two differences of colour.
    fn is_ycc(&self, components: &[Component]) -> bool {
        let ids = |component: &Component| component.id;
        match (self.adobe, self.jfif) {
            _ if components.len() == 1 => true,
            (Some(transform), _) => transform == 1,
            (None, true) => true,
            (None, false) => !components.iter().map(ids).eq(*b"RGB"),
        }
    }
}

/// What to say of a picture whose colour the decoder of the `image` crate would lose.
pub(super) fn lost_on_others() -> MediaError {
    MediaError::unsupported("a JPEG with a scan for each component and fewer rows of colour")
}

/// Whether some components have fewer rows than others.
fn rows_differ(components: &[Component]) -> bool {
    let first = components.first().map(|component| component.down);
    let differs = |component: &Component| Some(component.down) != first;
    components.iter().any(differs)
}

/// Whether the components are one or three, and the first has the most samples, a whole multiple
/// of those of the others.
fn is_regular(components: &[Component]) -> bool {
    let Some(first) = components.first() else {
        return false;
    };
    let blocks: usize = components.iter().map(|c| c.across * c.down).sum();
    matches!(components.len(), 1 | 3)
        && blocks <= 10 + usize::from(components.len() == 1) * 6
        && components.iter().all(|component| {
            let divides = |part: usize, whole: usize| {
                (1..=4).contains(&part) && part <= whole && whole.is_multiple_of(part)
            };
            divides(component.across, first.across) && divides(component.down, first.down)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, marker], length.as_slice(), body].concat()
    }

    fn file(segments: &[Vec<u8>]) -> Vec<u8> {
        [&[0xFF, 0xD8], segments.concat().as_slice()].concat()
    }

    const FRAME: [u8; 15] = [8, 0, 48, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
    const SCAN: [u8; 10] = [3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0];

    #[test]
    fn a_usual_file_is_ours() {
        let data = file(&[
            segment(0xC0, &FRAME),
            segment(0xDD, &[0, 9]),
            segment(0xDA, &SCAN),
        ]);
        let header = Header::read(&data).unwrap();
        assert_eq!(header.size, Dimensions::new(64, 48));
        assert_eq!((header.components.len(), header.tables.restart), (3, 9));
        assert_eq!(
            (header.components[0].across, header.components[1].dc),
            (2, 1)
        );
        assert_eq!(header.scan, data.len());
    }

    /// A scan of the first component.
    const ALONE: [u8; 6] = [1, 1, 0, 0, 63, 0];

    #[test]
    fn what_is_foreign_has_no_components() {
        let mut rgb = FRAME;
        (rgb[6], rgb[9], rgb[12]) = (b'R', b'G', b'B');
        let mut named = SCAN;
        (named[1], named[3], named[5]) = (b'R', b'G', b'B');
        let mut deep = FRAME;
        deep[0] = 12;
        let mut odd = FRAME;
        odd[10] = 0x33;
        let adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0\0");
        for segments in [
            vec![segment(0xC9, &FRAME), segment(0xDA, &SCAN)],
            vec![segment(0xC2, &rgb), segment(0xDA, &named)],
            vec![segment(0xC0, &rgb), segment(0xDA, &named)],
            vec![segment(0xC0, &deep), segment(0xDA, &SCAN)],
            vec![segment(0xC0, &odd), segment(0xDA, &SCAN)],
            vec![adobe, segment(0xC0, &FRAME), segment(0xDA, &SCAN)],
        ] {
            assert!(
                Header::read(&file(&segments))
                    .unwrap()
                    .components
                    .is_empty()
            );
        }
    }

    #[test]
    fn scans_apart_are_found_each_with_its_tables() {
        let data = file(&[
            segment(0xC0, &FRAME),
            segment(0xDA, &ALONE),
            vec![1, 2, 0xFF, 0, 3, 0xFF, 0xD0, 4],
            segment(0xDD, &[0, 5]),
            segment(0xDA, &[2, 2, 0x11, 3, 0x10, 0, 63, 0]),
            vec![5, 6, 0xFF, 0xD9],
        ]);
        let header = Header::read(&data).unwrap();
        assert!(header.apart);
        let mut scans = Scans::new(&data, &header);
        let luma = scans.next().unwrap().unwrap();
        assert_eq!(luma.components, [0]);
        assert_eq!(luma.header.size, header.size);
        assert_eq!(luma.header.units(), (8, 6));
        assert_eq!(
            (luma.header.components[0].across, luma.header.tables.restart),
            (1, 0)
        );
        let colour = scans.next().unwrap().unwrap();
        assert_eq!(colour.components, [1, 2]);
        assert_eq!(colour.header.size, Dimensions::new(32, 24));
        assert_eq!((colour.header.units(), header.units()), ((4, 3), (4, 3)));
        assert_eq!(
            (colour.header.components[1].dc, colour.header.tables.restart),
            (1, 5)
        );
        assert_eq!(&data[colour.header.scan..], [5, 6, 0xFF, 0xD9]);
        assert!(scans.next().unwrap().is_none());
    }

    #[test]
    fn scans_of_what_there_is_not_are_refused() {
        for scan in [&[1, 9, 0, 0, 63, 0][..], &[2, 2, 0, 2, 0, 0, 63, 0]] {
            let data = file(&[segment(0xC0, &FRAME), segment(0xDA, scan)]);
            let header = Header::read(&data).unwrap();
            assert!(Scans::new(&data, &header).next().is_err());
        }
    }

    #[test]
    fn scans_apart_that_nobody_reads_well_are_refused() {
        let mut deep = FRAME;
        deep[0] = 12;
        let apart = file(&[segment(0xC0, &deep), segment(0xDA, &ALONE)]);
        let error = Header::read(&apart).unwrap_err();
        assert!(matches!(error, MediaError::Unsupported { .. }), "{error:?}");
        // A progressive picture has them always, and the library reads those well.
        let progressive = file(&[segment(0xC2, &deep), segment(0xDA, &ALONE)]);
        assert!(Header::read(&progressive).unwrap().components.is_empty());
    }

    #[test]
    fn a_profile_in_pieces_is_put_together() {
        let piece = |number: u8, octets: &[u8]| {
            segment(
                0xE2,
                &[b"ICC_PROFILE\0".as_slice(), &[number, 2], octets].concat(),
            )
        };
        let data = file(&[
            piece(2, b"cd"),
            piece(1, b"ab"),
            segment(0xC0, &FRAME),
            segment(0xDA, &SCAN),
        ]);
        assert_eq!(Header::read(&data).unwrap().icc.unwrap(), b"abcd");
    }

    #[test]
    fn a_broken_segment_says_where() {
        for (data, offset) in [
            (file(&[segment(0xDB, &[0, 1])]), 6),
            (file(&[segment(0xC4, &[0; 5])]), 6),
            (file(&[segment(0xDA, &SCAN)]), 6),
            (vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 40, 8], 4),
            (vec![0xFF, 0xD8, 0xFF, 0xD9], 4),
        ] {
            match Header::read(&data) {
                Err(MediaError::Malformed { offset: at, .. }) => assert_eq!(at, Some(offset)),
                other => panic!("{other:?}"),
            }
        }
    }
}

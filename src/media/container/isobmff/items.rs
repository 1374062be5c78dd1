//! Items of a picture file (ISO/IEC 14496-12 section 8.11, ISO/IEC 23008-12): what is stored, where
//! it lies, and what is said of it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::error::ContainerError;
use super::super::reader::{Reader, index, share};
use super::boxes::{Boxes, Context, IsoBox};
use crate::dimensions::Dimensions;
use crate::limits::Limits;

/// The items of a file's `meta` box.
#[derive(Debug)]
pub(crate) struct Items {
    whole: Bytes,
    /// The item that is the picture.
    pub(crate) primary: u32,
    items: BTreeMap<u32, Item>,
    /// Octets kept in the `meta` box itself.
    data: Bytes,
}

/// One item.
#[derive(Debug, Default)]
pub(crate) struct Item {
    /// Four characters that tell the coding: `hvc1`, `av01`, `grid` and so on.
    pub(crate) kind: [u8; 4],
    /// What is said of it, in order.
    pub(crate) properties: Vec<Property>,
    /// The items it is derived from, in order.
    pub(crate) parts: Vec<u32>,
    /// Whether the extents are counted from the start of the file, or within `meta`.
    inside: bool,
    extents: Vec<(u64, u64)>,
}

/// What is said of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Property {
    /// `ispe`: its pixels.
    Size(Dimensions),
    /// `hvcC` or `av1C`: what its decoder must know before.
    Config(Bytes),
    /// `colr` of an ICC profile.
    Icc(Bytes),
    /// `colr` by numbers of ITU-T H.273.
    Colours {
        /// `matrix_coefficients`.
        matrix: u16,
        /// Whether samples use 0..=255.
        full_range: bool,
    },
    /// `clap`: the part that is shown, in fractions: width, height, and how far its middle lies
    /// right and below of the picture's.
    Crop([(i64, i64); 4]),
    /// Anything else.
    Other,
}

/// Extents of one item; encoders write one.
const EXTENTS: u16 = 256;

impl Items {
    /// Reads the `meta` box of a file.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Malformed`] where there is none or its lists are cut short, and
    /// [`ContainerError::Limit`] for more boxes than the limits have.
    pub(crate) fn read(data: &Bytes, limits: &Limits) -> Result<Self, ContainerError> {
        let mut context = Context::new(limits);
        let mut boxes = Boxes::new(Reader::new(data));
        while let Some(part) = boxes.next(&mut context)? {
            if &part.kind == b"meta" {
                return Self::of_meta(data, &part, &mut context);
            }
        }
        Err(ContainerError::malformed(0, "there is no meta box"))
    }

    fn of_meta(
        data: &Bytes,
        meta: &IsoBox<'_>,
        context: &mut Context<'_>,
    ) -> Result<Self, ContainerError> {
        let mut this = Self {
            whole: data.clone(),
            primary: 0,
            items: BTreeMap::new(),
            data: Bytes::new(),
        };
        let mut properties = Vec::new();
        let mut associations = Vec::new();
        let (_, _, body) = meta.full()?;
        let mut boxes = Boxes::new(body);
        while let Some(part) = boxes.next(context)? {
            match &part.kind {
                b"pitm" => {
                    let (version, _, mut body) = part.full()?;
                    this.primary = id(&mut body, version >= 1)?;
                }
                b"iinf" => this.kinds(&part, context)?,
                b"iloc" => this.places(&part)?,
                b"iref" => this.references(&part, context)?,
                b"idat" => this.data = part.body.clone().rest_bytes(),
                b"iprp" => {
                    let mut inner = Boxes::new(part.body.clone());
                    while let Some(part) = inner.next(context)? {
                        match &part.kind {
                            b"ipco" => properties = read_properties(&part, context)?,
                            b"ipma" => associations.push(part),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        for part in &associations {
            this.associate(part, &properties)?;
        }
        Ok(this)
    }

    /// An item.
    pub(crate) fn get(&self, id: u32) -> Option<&Item> {
        self.items.get(&id)
    }

    /// The octets of an item.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Malformed`] where they are not all in the file.
    pub(crate) fn data(&self, item: &Item) -> Result<Bytes, ContainerError> {
        let source = if item.inside { &self.data } else { &self.whole };
        let cut = |&(offset, length): &(u64, u64)| {
            let start = index(offset);
            // A length of zero is the rest.
            let length = match index(length) {
                0 => source.len().saturating_sub(start),
                length => length,
            };
            share(source, start, length)
                .ok_or(ContainerError::malformed(start, "an item beyond the file"))
        };
        if let [one] = item.extents.as_slice() {
            return cut(one);
        }
        let mut octets = Vec::new();
        for extent in &item.extents {
            octets.extend_from_slice(&cut(extent)?);
            if octets.len() > source.len() {
                return Err(ContainerError::malformed(0, "extents that overlap"));
            }
        }
        Ok(octets.into())
    }

    fn kinds(
        &mut self,
        iinf: &IsoBox<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), ContainerError> {
        let (version, _, mut body) = iinf.full()?;
        body.skip(if version == 0 { 2 } else { 4 })?;
        let mut boxes = Boxes::new(body);
        while let Some(entry) = boxes.next(context)? {
            let (version, _, mut body) = entry.full()?;
            if version < 2 {
                continue;
            }
            let id = id(&mut body, version >= 3)?;
            body.skip(2)?;
            self.items.entry(id).or_default().kind = body.array()?;
        }
        Ok(())
    }

    fn places(&mut self, iloc: &IsoBox<'_>) -> Result<(), ContainerError> {
        let (version, _, mut body) = iloc.full()?;
        let sizes = body.be16()?;
        let nibble = |shift: u32| usize::from(sizes >> shift & 0xF);
        let (offset, length, base) = (nibble(12), nibble(8), nibble(4));
        let skipped = if version == 0 { 0 } else { nibble(0) };
        let count = if version < 2 {
            u32::from(body.be16()?)
        } else {
            body.be32()?
        };
        for _ in 0..count {
            let id = id(&mut body, version >= 2)?;
            let method = if version == 0 { 0 } else { body.be16()? & 0xF };
            let reference = body.be16()?;
            let base = number(&mut body, base)?;
            let extents = body.be16()?;
            if method > 1 || reference != 0 || extents > EXTENTS {
                return Err(ContainerError::unsupported(
                    body.offset(),
                    "an item that is kept elsewhere or in pieces",
                ));
            }
            let item = self.items.entry(id).or_default();
            item.inside = method == 1;
            item.extents.clear();
            for _ in 0..extents {
                body.skip(skipped)?;
                let offset = number(&mut body, offset)?.saturating_add(base);
                item.extents.push((offset, number(&mut body, length)?));
            }
        }
        Ok(())
    }

    fn references(
        &mut self,
        iref: &IsoBox<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), ContainerError> {
        let (version, _, body) = iref.full()?;
        let mut boxes = Boxes::new(body);
        while let Some(part) = boxes.next(context)? {
            if &part.kind != b"dimg" {
                continue;
            }
            let mut body = part.body.clone();
            let from = id(&mut body, version >= 1)?;
            let count = body.be16()?;
            let mut parts = Vec::new();
            for _ in 0..count {
                parts.push(id(&mut body, version >= 1)?);
            }
            self.items.entry(from).or_default().parts = parts;
        }
        Ok(())
    }

    fn associate(
        &mut self,
        ipma: &IsoBox<'_>,
        properties: &[Property],
    ) -> Result<(), ContainerError> {
        let (version, flags, mut body) = ipma.full()?;
        let entries = body.be32()?;
        for _ in 0..entries {
            let id = id(&mut body, version >= 1)?;
            let count = body.u8()?;
            let mut own = Vec::new();
            for _ in 0..count {
                let at = if flags & 1 == 1 {
                    body.be16()? & 0x7FFF
                } else {
                    u16::from(body.u8()? & 0x7F)
                };
                let found = usize::from(at).checked_sub(1);
                own.extend(found.and_then(|at| properties.get(at)).cloned());
            }
            self.items.entry(id).or_default().properties = own;
        }
        Ok(())
    }
}

impl Item {
    /// Its pixels as stored.
    pub(crate) fn size(&self) -> Option<Dimensions> {
        self.properties.iter().find_map(|property| match property {
            Property::Size(size) => Some(*size),
            _ => None,
        })
    }
}

fn id(body: &mut Reader<'_>, long: bool) -> Result<u32, ContainerError> {
    if long {
        body.be32()
    } else {
        body.be16().map(u32::from)
    }
}

fn number(body: &mut Reader<'_>, octets: usize) -> Result<u64, ContainerError> {
    match octets {
        0 => Ok(0),
        4 => body.be32().map(u64::from),
        8 => body.be64(),
        _ => Err(body.malformed("a number of odd length")),
    }
}

fn read_properties(
    ipco: &IsoBox<'_>,
    context: &mut Context<'_>,
) -> Result<Vec<Property>, ContainerError> {
    let mut properties = Vec::new();
    let mut boxes = Boxes::new(ipco.body.clone());
    while let Some(part) = boxes.next(context)? {
        let mut body = part.body.clone();
        properties.push(match &part.kind {
            b"ispe" => {
                body.skip(4)?;
                Property::Size(Dimensions::new(body.be32()?, body.be32()?))
            }
            b"hvcC" | b"av1C" => Property::Config(body.rest_bytes()),
            b"colr" => match &body.array::<4>()? {
                b"prof" | b"rICC" => Property::Icc(body.rest_bytes()),
                b"nclx" => {
                    body.skip(4)?;
                    Property::Colours {
                        matrix: body.be16()?,
                        full_range: body.u8()? & 0x80 != 0,
                    }
                }
                _ => Property::Other,
            },
            b"clap" => {
                let mut fraction = || {
                    let [above, below] = [body.array()?, body.array()?];
                    let signed = |octets| i64::from(i32::from_be_bytes(octets));
                    Ok::<_, ContainerError>((signed(above), signed(below)))
                };
                Property::Crop([fraction()?, fraction()?, fraction()?, fraction()?])
            }
            _ => Property::Other,
        });
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::super::boxes::tests::boxed;
    use super::*;

    fn file(iloc: &[u8], entries: &[[u8; 4]]) -> Bytes {
        let pitm = boxed(b"pitm", &[&[0; 5], &[1]]);
        let infes: Vec<Vec<u8>> = (1..=2_u8)
            .zip(entries)
            .map(|(id, kind)| boxed(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], kind, &[0]]))
            .collect();
        let iinf = boxed(b"iinf", &[&[0; 5], &[2], &infes.concat()]);
        let iloc = boxed(b"iloc", &[iloc]);
        let dimg = boxed(b"dimg", &[&[0, 1, 0, 2, 0, 2, 0, 2]]);
        let iref = boxed(b"iref", &[&[0; 4], &dimg]);
        let ispe = boxed(b"ispe", &[&[0; 4], &[0, 0, 0, 9, 0, 0, 0, 7]]);
        let nclx = boxed(b"colr", &[b"nclx", &[0, 1, 0, 13, 0, 6, 0x80]]);
        let ipco = boxed(b"ipco", &[&ispe, &nclx]);
        let ipma = boxed(b"ipma", &[&[0; 7], &[1], &[0, 1, 3, 2, 0x81, 9]]);
        let iprp = boxed(b"iprp", &[&ipco, &ipma]);
        let idat = boxed(b"idat", &[b"inside"]);
        let meta = boxed(
            b"meta",
            &[&[0; 4], &pitm, &iinf, &iloc, &iref, &iprp, &idat],
        );
        [boxed(b"ftyp", &[b"heic"]), meta].concat().into()
    }

    /// Item 1 in `meta`, item 2 at the start of the file in two extents.
    const PLACES: [u8; 50] = [
        1, 0, 0, 0, 0x44, 0, 0, 2, // version, sizes, count
        0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4, // "side"
        0, 2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 4, // twice four
        0, 0,
    ];

    #[test]
    fn items_are_found_with_what_is_said_of_them() {
        let data = file(&PLACES, &[*b"grid", *b"hvc1"]);
        let items = Items::read(&data, &Limits::default()).unwrap();
        assert_eq!(items.primary, 1);
        let grid = items.get(1).unwrap();
        assert_eq!((&grid.kind, grid.parts.as_slice()), (b"grid", &[2, 2][..]));
        assert_eq!(grid.size(), Some(Dimensions::new(9, 7)));
        let colours = Property::Colours {
            matrix: 6,
            full_range: true,
        };
        assert_eq!(grid.properties[0], colours);
        assert_eq!(items.data(grid).unwrap(), "side");
        assert_eq!(items.data(items.get(2).unwrap()).unwrap(), "ftypheic");
    }

    #[test]
    fn places_beyond_the_file_and_elsewhere_are_refused() {
        let mut beyond = PLACES;
        beyond[18] = 0xFF;
        let items = Items::read(&file(&beyond, &[*b"grid"]), &Limits::default()).unwrap();
        assert!(items.data(items.get(1).unwrap()).is_err());
        let mut many = PLACES;
        many[14] = 0xFF;
        assert!(Items::read(&file(&many, &[*b"grid"]), &Limits::default()).is_err());
        let none = Bytes::from(boxed(b"ftyp", &[b"heic"]));
        assert!(Items::read(&none, &Limits::default()).is_err());
    }
}

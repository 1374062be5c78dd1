//! HEIC and AVIF: the primary item of a HEIF file (ISO/IEC 23008-12 section 6).

use super::bmff::{Boxes, IsoBox};
use super::bytes::{Broken, Reader, Steps, dimensions};
use super::orientation::Matrix;
use crate::media::{Codec, MediaInfo};

/// Fills in what the `meta` box of a picture says of its primary item.
pub(super) fn read_meta(
    info: &mut MediaInfo,
    meta: IsoBox<'_>,
    steps: &Steps,
) -> Result<(), Broken> {
    let mut primary = None;
    let mut primary_type = None;
    let mut properties = None;
    let mut associations = None;
    let mut items = None;
    let (_, _, reader) = meta
        .full()
        .ok_or(Broken::new(meta.offset, "the meta box is cut short"))?;
    for part in Boxes::new(reader, steps) {
        match &part.kind {
            b"pitm" => primary = item_id(part),
            b"iinf" => items = Some(part),
            b"iprp" => {
                for inner in Boxes::new(part.reader(), steps) {
                    match &inner.kind {
                        b"ipco" => properties = Some(inner),
                        b"ipma" => associations = associations.or(Some(inner)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let primary = primary.ok_or(Broken::new(meta.offset, "there is no primary item"))?;
    if let Some(items) = items {
        for (id, kind) in item_types(items, steps) {
            match &kind {
                b"Exif" | b"mime" => info.metadata = true,
                _ if id == primary => primary_type = Some(kind),
                _ => {}
            }
        }
    }
    let owned = associations
        .and_then(|part| property_indices(part, primary))
        .unwrap_or_default();
    let mut matrix = Matrix::IDENTITY;
    if let Some(properties) = properties {
        // Transforms apply in the order of the associations, so each is looked up by its index.
        for index in owned {
            let at = usize::from(index).checked_sub(1);
            let found = at.and_then(|at| Boxes::new(properties.reader(), steps).nth(at));
            if let Some(found) = found {
                matrix = property(info, found, matrix)?;
            }
        }
        info.alpha = Boxes::new(properties.reader(), steps).any(is_alpha);
    }
    info.orientation = matrix.orientation();
    if info.size.is_none() {
        return Err(Broken::new(meta.offset, "the primary item has no size"));
    }
    match &primary_type.unwrap_or_default() {
        b"av01" => info.codec = Some(Codec::Av1),
        b"hvc1" | b"hev1" => info.codec = Some(Codec::Hevc),
        b"jpeg" => info.codec = Some(Codec::Jpeg),
        b"avc1" => info.codec = Some(Codec::H264),
        _ => {}
    }
    info.frames.get_or_insert(1);
    Ok(())
}

fn item_id(pitm: IsoBox<'_>) -> Option<u32> {
    let (version, _, mut reader) = pitm.full()?;
    if version == 0 {
        reader.be16().ok().map(u32::from)
    } else {
        reader.be32().ok()
    }
}

/// Id and type of each item of an `iinf` box.
fn item_types<'a>(iinf: IsoBox<'a>, steps: &'a Steps) -> impl Iterator<Item = (u32, [u8; 4])> + 'a {
    let entries = iinf.full().and_then(|(version, _, mut reader)| {
        reader.skip(if version == 0 { 2 } else { 4 }).ok()?;
        Some(reader)
    });
    Boxes::new(entries.unwrap_or(Reader::new(&[])), steps).filter_map(|entry| {
        let (version, _, mut reader) = entry.full()?;
        let id = match version {
            2 => u32::from(reader.be16().ok()?),
            3 => reader.be32().ok()?,
            _ => return None,
        };
        reader.skip(2).ok()?;
        Some((id, reader.array().ok()?))
    })
}

/// Indices, from 1, of the properties that `ipma` gives to an item.
fn property_indices(ipma: IsoBox<'_>, item: u32) -> Option<Vec<u16>> {
    let (version, flags, mut reader) = ipma.full()?;
    let entries = reader.be32().ok()?;
    for _ in 0..entries {
        let id = if version == 0 {
            u32::from(reader.be16().ok()?)
        } else {
            reader.be32().ok()?
        };
        let count = usize::from(reader.u8().ok()?);
        let long = flags & 1 != 0;
        let list = reader
            .take(count.checked_mul(if long { 2 } else { 1 })?)
            .ok()?;
        if id == item {
            let mut list = Reader::new(list);
            return Some(
                std::iter::from_fn(|| {
                    if long {
                        list.be16().ok().map(|index| index & 0x7FFF)
                    } else {
                        list.u8().ok().map(|index| u16::from(index & 0x7F))
                    }
                })
                .collect(),
            );
        }
    }
    None
}

/// Takes in one property of the primary item; gives the transform so far.
fn property(info: &mut MediaInfo, property: IsoBox<'_>, matrix: Matrix) -> Result<Matrix, Broken> {
    let mut reader = property.reader();
    match &property.kind {
        b"ispe" => {
            reader.skip(4)?;
            let (width, height) = (reader.be32()?, reader.be32()?);
            info.size = Some(dimensions(width, height, property.offset)?);
        }
        b"irot" => {
            let turns = reader.u8()? & 3;
            return Ok((0..turns).fold(matrix, |matrix, _| matrix.turned_left()));
        }
        b"imir" if reader.u8()? & 1 == 0 => return Ok(matrix.flipped()),
        b"imir" => return Ok(matrix.mirrored()),
        b"pixi" => {
            reader.skip(4)?;
            info.grey = reader.u8()? == 1;
            info.bit_depth = Some(reader.u8()?);
        }
        b"colr" => info.icc |= matches!(property.body.get(..4), Some(b"prof" | b"rICC")),
        _ => {}
    }
    Ok(matrix)
}

/// Whether a property says that some item is the transparency of another.
fn is_alpha(property: IsoBox<'_>) -> bool {
    &property.kind == b"auxC"
        && property.body.get(4..).is_some_and(|urn| {
            urn.starts_with(b"urn:mpeg:hevc:2015:auxid:1")
                || urn.starts_with(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")
        })
}

#[cfg(test)]
mod tests {
    use super::super::bmff::tests::boxed;
    use super::super::tests::{broken, known};
    use crate::dimensions::Dimensions;
    use crate::media::{Codec, Format, MediaKind};

    fn picture(brand: &[u8; 4], item: &[u8; 4], owned: &[u8]) -> Vec<u8> {
        let ispe = boxed(b"ispe", &[&[0; 4], &[0, 0, 0x0F, 0xC0, 0, 0, 0x0B, 0xD0]]);
        let irot = boxed(b"irot", &[&[3]]);
        let imir = boxed(b"imir", &[&[1]]);
        let pixi = boxed(b"pixi", &[&[0, 0, 0, 0, 3, 10, 10, 10]]);
        let ipco = boxed(b"ipco", &[&ispe, &irot, &imir, &pixi]);
        let count = u8::try_from(owned.len()).unwrap();
        let ipma = boxed(b"ipma", &[&[0, 0, 0, 0, 0, 0, 0, 1, 0, 7, count], owned]);
        let infe = boxed(b"infe", &[&[2, 0, 0, 0, 0, 7, 0, 0], item, &[0]]);
        let exif = boxed(b"infe", &[&[2, 0, 0, 0, 0, 9, 0, 0], b"Exif", &[0]]);
        let iinf = boxed(b"iinf", &[&[0, 0, 0, 0, 0, 2], &infe, &exif]);
        let pitm = boxed(b"pitm", &[&[0, 0, 0, 0, 0, 7]]);
        let iprp = boxed(b"iprp", &[&ipco, &ipma]);
        let meta = boxed(b"meta", &[&[0; 4], &pitm, &iinf, &iprp]);
        let ftyp = boxed(b"ftyp", &[brand, &[0; 4], b"mif1heic"]);
        [ftyp, meta].concat()
    }

    #[test]
    fn the_primary_item_is_turned() {
        let info = known(&picture(b"heic", b"hvc1", &[1, 0x82, 4]));
        assert_eq!((info.format, info.kind), (Format::Heic, MediaKind::Image));
        assert_eq!(info.size, Some(Dimensions::new(4032, 3024)));
        assert_eq!((info.orientation, info.codec), (6, Some(Codec::Hevc)));
        assert_eq!(
            (info.bit_depth, info.metadata, info.frames),
            (Some(10), true, Some(1))
        );
    }

    #[test]
    fn transforms_compose_in_order() {
        let first_turned = known(&picture(b"avif", b"av01", &[1, 2, 3]));
        assert_eq!(first_turned.format, Format::Avif);
        assert_eq!(first_turned.orientation, 5);
        let first_mirrored = known(&picture(b"mif1", b"av01", &[1, 3, 2]));
        assert_eq!(first_mirrored.orientation, 7);
    }

    #[test]
    fn without_a_size_it_is_broken() {
        let error = broken(&picture(b"heic", b"hvc1", &[2]));
        assert_eq!(error.what, "the primary item has no size");
    }
}

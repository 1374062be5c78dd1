//! Windows bitmaps and icons.

use super::bytes::{Broken, Reader, Steps, dimensions, index};
use super::png;
use crate::media::{Codec, Format, MediaInfo, MediaKind};

/// Whether this is a bitmap: the two letters alone may begin a text.
pub(super) fn sniff(data: &[u8]) -> bool {
    data.starts_with(b"BM") && {
        let mut reader = Reader::new(data);
        reader.skip(14).is_ok()
            && matches!(reader.le32(), Ok(12 | 16 | 40 | 52 | 56 | 64 | 108 | 124))
    }
}

pub(super) fn read(data: &[u8], _: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Bmp, MediaKind::Image);
    let mut reader = Reader::new(data);
    reader.skip(14)?;
    header(&mut info, &mut reader, false)?;
    Ok(info)
}

/// Reads a bitmap header, from its size on. In an icon the height counts the mask too.
fn header(info: &mut MediaInfo, reader: &mut Reader<'_>, icon: bool) -> Result<(), Broken> {
    let length = reader.le32()?;
    let at = reader.offset();
    let (width, mut height, used) = if length == 12 {
        let size = (reader.le16()?.into(), reader.le16()?.into());
        (size.0, size.1, None)
    } else {
        let width = reader.array().map(i32::from_le_bytes)?;
        // A negative height is a picture stored top row first.
        let height = reader.array().map(i32::from_le_bytes)?.unsigned_abs();
        (u32::try_from(width).unwrap_or(0), height, Some(()))
    };
    if icon {
        height /= 2;
    }
    info.size = Some(dimensions(width, height, at)?);
    reader.skip(2)?;
    let depth_at = reader.offset();
    let depth = reader.le16()?;
    let depth = match depth {
        0 | 1 | 2 | 4 | 8 | 16 | 24 | 32 => u8::try_from(depth).unwrap_or(0),
        _ => return Err(Broken::new(depth_at, "no bitmap has this bit depth")),
    };
    let mut compression = 0;
    let mut colours = 0;
    if used.is_some() && length >= 40 {
        compression = reader.le32()?;
        reader.skip(12)?;
        colours = reader.le32()?;
    }
    info.codec = Some(match compression {
        4 => Codec::Jpeg,
        5 => Codec::Png,
        _ => Codec::Bmp,
    });
    info.bit_depth = Some(depth);
    if (1..=8).contains(&depth) {
        let most = 1_u16 << depth;
        info.palette = Some(match u16::try_from(colours) {
            Ok(1..) if colours <= u32::from(most) => u16::try_from(colours).unwrap_or(most),
            _ => most,
        });
    }
    info.frames = Some(1);
    Ok(())
}

/// Whether this is an icon or a cursor: the first entry must lie inside the data.
pub(super) fn sniff_icon(data: &[u8]) -> bool {
    matches!(data.get(..4), Some([0, 0, 1 | 2, 0])) && largest_entry(data).is_some()
}

/// Offset of the largest picture of an icon, by area.
fn largest_entry(data: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(data);
    reader.skip(4).ok()?;
    let mut best = None;
    for _ in 0..reader.le16().ok()? {
        let [width, height, _, reserved] = reader.array().ok()?;
        reader.skip(4).ok()?;
        let length = index(reader.le32().ok()?);
        let at = index(reader.le32().ok()?);
        if reserved != 0 || length < 12 || data.get(at..at.checked_add(length)?).is_none() {
            return None;
        }
        let side = |side: u8| if side == 0 { 256 } else { u32::from(side) };
        let area = side(width).saturating_mul(side(height));
        if best.is_none_or(|(most, _)| area > most) {
            best = Some((area, at));
        }
    }
    best.map(|(_, at)| at)
}

/// Reads the largest picture of an icon.
pub(super) fn read_icon(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let at = largest_entry(data).ok_or(Broken::new(4, "the icon has no picture"))?;
    let picture = data.get(at..).unwrap_or_default();
    let mut info = if picture.starts_with(png::SIGNATURE) {
        png::read(picture, steps)
            .map_err(|broken| Broken::new(broken.offset.saturating_add(at), broken.what))?
    } else {
        let mut info = MediaInfo::new(Format::Ico, MediaKind::Image);
        header(&mut info, &mut Reader::based(picture, at), true)?;
        info
    };
    info.format = Format::Ico;
    info.codec = Some(Codec::Ico);
    info.alpha = true;
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;
    use crate::dimensions::Dimensions;

    fn info_header(width: i32, height: i32, depth: u16, colours: u32) -> Vec<u8> {
        let mut header = 40_u32.to_le_bytes().to_vec();
        header.extend(width.to_le_bytes());
        header.extend(height.to_le_bytes());
        header.extend([1, 0]);
        header.extend(depth.to_le_bytes());
        header.extend([0; 16]);
        header.extend(colours.to_le_bytes());
        header.extend([0; 4]);
        header
    }

    fn bmp(header: &[u8]) -> Vec<u8> {
        [b"BM".as_slice(), &[0; 12], header].concat()
    }

    #[test]
    fn top_down_and_bottom_up() {
        for height in [48, -48] {
            let info = known(&bmp(&info_header(64, height, 24, 0)));
            assert_eq!(info.size, Some(Dimensions::new(64, 48)));
            assert_eq!((info.bit_depth, info.palette), (Some(24), None));
        }
        let info = known(&bmp(&info_header(64, i32::MIN, 4, 9)));
        assert_eq!(info.size, Some(Dimensions::new(64, 1 << 31)));
        assert_eq!(info.palette, Some(9));
    }

    #[test]
    fn the_core_header_is_short() {
        let header = [12, 0, 0, 0, 64, 0, 48, 0, 1, 0, 8, 0];
        let info = known(&bmp(&header));
        assert_eq!(info.size, Some(Dimensions::new(64, 48)));
        assert_eq!(info.palette, Some(256));
    }

    #[test]
    fn text_that_begins_like_a_bitmap_is_text() {
        assert_eq!(
            known(b"BMW is a make of cars, is it not?").format,
            Format::Text
        );
        assert_eq!(broken(&bmp(&info_header(0, 1, 24, 0))).offset, 18);
        assert_eq!(broken(&bmp(&info_header(1, 1, 7, 0))).offset, 28);
    }

    #[test]
    fn an_icon_shows_its_largest_picture() {
        let picture = info_header(32, 64, 8, 0);
        let length = u8::try_from(picture.len()).unwrap();
        let mut icon = vec![0, 0, 1, 0, 2, 0];
        icon.extend([16, 16, 0, 0, 1, 0, 8, 0, length, 0, 0, 0, 38, 0, 0, 0]);
        icon.extend([32, 32, 0, 0, 1, 0, 8, 0, length, 0, 0, 0, 38, 0, 0, 0]);
        icon.extend(picture);
        let info = known(&icon);
        assert_eq!(
            (info.format, info.size),
            (Format::Ico, Some(Dimensions::new(32, 32)))
        );
        icon[10 + 8] = 0xFF;
        icon[10 + 9] = 0xFF;
        assert_eq!(known(&icon).format, Format::Unknown);
    }
}

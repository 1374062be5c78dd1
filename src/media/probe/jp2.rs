//! JPEG 2000: the boxed file and the bare codestream (ISO/IEC 15444-1 annexes A and I).

use super::bmff::Boxes;
use super::bytes::{Broken, Reader, Steps, dimensions};
use crate::media::{Codec, Format, MediaInfo, MediaKind};

/// The box that every boxed file begins with.
pub(super) const SIGNATURE: &[u8] = b"\0\0\0\x0CjP  \r\n\x87\n";
/// Start of codestream, then the size marker.
pub(super) const CODESTREAM: &[u8] = &[0xFF, 0x4F, 0xFF, 0x51];

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Jp2, MediaKind::Image);
    info.codec = Some(Codec::Jp2);
    info.frames = Some(1);
    if data.starts_with(CODESTREAM) {
        codestream(&mut info, Reader::new(data))?;
        return Ok(info);
    }
    for outer in Boxes::new(Reader::new(data), steps) {
        match &outer.kind {
            b"jp2h" => {
                for inner in Boxes::new(outer.reader(), steps) {
                    match &inner.kind {
                        b"ihdr" => header(&mut info, inner.reader())?,
                        b"cdef" => info.alpha = true,
                        b"colr" => info.icc |= inner.body.first() == Some(&2),
                        _ => {}
                    }
                }
            }
            b"xml " | b"uuid" => info.metadata = true,
            b"jp2c" if info.size.is_none() => codestream(&mut info, outer.reader())?,
            _ => {}
        }
    }
    if info.size.is_none() {
        return Err(Broken::new(12, "there is no image header"));
    }
    Ok(info)
}

fn header(info: &mut MediaInfo, mut reader: Reader<'_>) -> Result<(), Broken> {
    let at = reader.offset();
    let (height, width) = (reader.be32()?, reader.be32()?);
    info.size = Some(dimensions(width, height, at)?);
    let components = reader.be16()?;
    info.grey = components < 3;
    info.alpha |= matches!(components, 2 | 4);
    info.bit_depth = Some((reader.u8()? & 0x7F).saturating_add(1));
    Ok(())
}

fn codestream(info: &mut MediaInfo, mut reader: Reader<'_>) -> Result<(), Broken> {
    if reader.take(4)? != CODESTREAM {
        return Err(reader.broken("the codestream does not begin with its size"));
    }
    reader.skip(4)?;
    let at = reader.offset();
    let (right, bottom) = (reader.be32()?, reader.be32()?);
    let (left, top) = (reader.be32()?, reader.be32()?);
    let size = dimensions(right.saturating_sub(left), bottom.saturating_sub(top), at)?;
    info.size = Some(size);
    reader.skip(16)?;
    let components = reader.be16()?;
    info.grey = components < 3;
    info.alpha |= matches!(components, 2 | 4);
    info.bit_depth = Some((reader.u8()? & 0x7F).saturating_add(1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;
    use crate::dimensions::Dimensions;

    #[test]
    fn boxed_header() {
        let data = [
            SIGNATURE,
            b"\0\0\0\x1Ejp2h\0\0\0\x16ihdr\0\0\0\x30\0\0\0\x40\0\x04\x07\x07\0\0",
        ]
        .concat();
        let info = known(&data);
        assert_eq!(info.size, Some(Dimensions::new(64, 48)));
        assert_eq!(
            (info.alpha, info.grey, info.bit_depth),
            (true, false, Some(8))
        );
    }

    #[test]
    fn bare_codestream_subtracts_its_origin() {
        let mut data = [CODESTREAM, &[0, 47, 0, 0]].concat();
        for number in [74_u32, 58, 10, 10, 64, 48, 0, 0] {
            data.extend(number.to_be_bytes());
        }
        data.extend([0, 1, 15]);
        let info = known(&data);
        assert_eq!(info.size, Some(Dimensions::new(64, 48)));
        assert_eq!((info.grey, info.bit_depth), (true, Some(16)));
    }

    #[test]
    fn without_a_size_it_is_broken() {
        assert_eq!(broken(SIGNATURE).what, "there is no image header");
        assert_eq!(broken(CODESTREAM).offset, 4);
    }
}

//! PNG and APNG (W3C PNG third edition, sections 5, 11 and 14).

use super::bytes::{Broken, Reader, Steps, dimensions, index};
use super::exif;
use crate::media::{Codec, Format, MediaInfo, MediaKind};

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1A\n";

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Png, MediaKind::Image);
    let mut reader = Reader::new(data);
    reader.skip(SIGNATURE.len())?;
    header(&mut info, &mut reader)?;
    let mut delays = 0_u64;
    let mut frames = None;
    while steps.take() {
        let (Ok(length), Ok(kind)) = (reader.be32(), reader.array::<4>()) else {
            break;
        };
        let at = reader.offset();
        let body = reader.take_up_to(index(length));
        let mut chunk = Reader::based(body, at);
        match &kind {
            b"PLTE" => info.palette = u16::try_from(body.len() / 3).ok(),
            b"tRNS" => info.alpha = true,
            b"iCCP" => info.icc = true,
            b"acTL" => frames = chunk.be32().ok().filter(|frames| *frames > 0),
            b"fcTL" => delays = delays.saturating_add(delay(chunk).unwrap_or(0)),
            b"eXIf" => {
                let exif = exif::read(body);
                info.orientation = exif.orientation.unwrap_or(1);
                info.gps |= exif.gps;
                info.metadata = true;
            }
            b"tEXt" | b"zTXt" | b"iTXt" => info.metadata = true,
            b"IEND" => break,
            _ => {}
        }
        if reader.skip(4).is_err() {
            break;
        }
    }
    info.frames = Some(frames.unwrap_or(1));
    if info.frames > Some(1) {
        info.duration_ms = Some(delays);
    }
    Ok(info)
}

fn header(info: &mut MediaInfo, reader: &mut Reader<'_>) -> Result<(), Broken> {
    let at = reader.offset();
    if reader.be32()? != 13 || reader.take(4)? != b"IHDR" {
        return Err(Broken::new(at, "the first chunk is no IHDR of 13 octets"));
    }
    let at = reader.offset();
    let (width, height) = (reader.be32()?, reader.be32()?);
    info.size = Some(dimensions(width, height, at)?);
    let depth = reader.u8()?;
    let colour = reader.u8()?;
    reader.skip(7)?;
    let valid = match colour {
        0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
        3 => matches!(depth, 1 | 2 | 4 | 8),
        2 | 4 | 6 => matches!(depth, 8 | 16),
        _ => false,
    };
    if !valid {
        return Err(Broken::new(
            at.saturating_add(8),
            "no PNG has this colour type and bit depth",
        ));
    }
    info.codec = Some(Codec::Png);
    info.bit_depth = Some(depth);
    info.grey = matches!(colour, 0 | 4);
    info.alpha = matches!(colour, 4 | 6);
    Ok(())
}

/// Milliseconds of the frame that an `fcTL` chunk describes.
fn delay(mut chunk: Reader<'_>) -> Option<u64> {
    chunk.skip(20).ok()?;
    let numerator = u64::from(chunk.be16().ok()?);
    let denominator = match chunk.be16().ok()? {
        0 => 100,
        other => u64::from(other),
    };
    super::bytes::milliseconds(numerator, denominator)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;
    use crate::dimensions::Dimensions;

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [length.as_slice(), kind, body, &[0; 4]].concat()
    }

    fn png(depth: u8, colour: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
        let header = [0, 0, 1, 0, 0, 0, 0, 32, depth, colour, 0, 0, 0];
        [
            SIGNATURE,
            &chunk(b"IHDR", &header),
            &chunks.concat(),
            &chunk(b"IEND", &[]),
        ]
        .concat()
    }

    #[test]
    fn a_palette_with_transparency() {
        let info = known(&png(
            4,
            3,
            &[chunk(b"PLTE", &[0; 48]), chunk(b"tRNS", &[0])],
        ));
        assert_eq!(info.size, Some(Dimensions::new(256, 32)));
        assert_eq!(
            (info.palette, info.alpha, info.bit_depth),
            (Some(16), true, Some(4))
        );
        assert_eq!(
            (info.frames, info.duration_ms, info.grey),
            (Some(1), None, false)
        );
    }

    #[test]
    fn an_animation_sums_its_delays() {
        let mut control = [0; 26];
        control[20..24].copy_from_slice(&[0, 3, 0, 10]);
        let frame = chunk(b"fcTL", &control);
        let info = known(&png(
            8,
            6,
            &[
                chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]),
                frame.clone(),
                chunk(b"IDAT", &[0; 9]),
                frame,
                chunk(b"eXIf", &exif::tests::block(&[(exif::ORIENTATION, 3)])),
            ],
        ));
        assert_eq!((info.frames, info.duration_ms), (Some(2), Some(600)));
        assert!(info.alpha && info.metadata);
        assert_eq!(info.orientation, 3);
    }

    #[test]
    fn bad_headers_are_refused_with_the_octet() {
        assert_eq!(broken(&png(16, 3, &[])).offset, 24);
        assert_eq!(broken(SIGNATURE).offset, 8);
        let hostile = [png(8, 0, &[]).as_slice(), &u32::MAX.to_be_bytes(), b"tEXt"].concat();
        assert!(known(&hostile).grey);
    }
}

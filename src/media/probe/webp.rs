//! WebP (RFC 9649): still and animated, lossy and lossless.

use super::bytes::{Bits, Broken, Reader, Steps, dimensions};
use super::exif;
use super::riff::{Chunk, Chunks};
use crate::dimensions::Dimensions;
use crate::media::{Codec, Format, MediaInfo, MediaKind};

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Webp, MediaKind::Image);
    let mut reader = Reader::new(data);
    reader.skip(12)?;
    let mut frames = 0_u32;
    let mut duration = 0_u64;
    for chunk in Chunks::riff(reader.clone(), steps) {
        match &chunk.kind {
            b"VP8X" => canvas(&mut info, chunk.reader())?,
            b"VP8 " | b"VP8L" => picture(&mut info, chunk)?,
            b"ALPH" => info.alpha = true,
            b"ICCP" => info.icc = true,
            b"XMP " => info.metadata = true,
            b"EXIF" => {
                let exif = exif::read(chunk.body);
                info.orientation = exif.orientation.unwrap_or(1);
                info.gps |= exif.gps;
                info.metadata = true;
            }
            b"ANMF" => {
                let mut frame = chunk.reader();
                frame.skip(12)?;
                duration = duration.saturating_add(frame.le24()?.into());
                frame.skip(1)?;
                frames = frames.saturating_add(1);
                if info.codec.is_none() {
                    let size = info.size;
                    for part in Chunks::riff(frame, steps) {
                        if matches!(&part.kind, b"VP8 " | b"VP8L") {
                            picture(&mut info, part)?;
                        }
                    }
                    info.size = size.or(info.size);
                }
            }
            _ => {}
        }
    }
    if info.size.is_none() {
        return Err(reader.broken("there is no picture chunk"));
    }
    info.frames = Some(frames.max(1));
    info.duration_ms = (frames > 1).then_some(duration);
    info.bit_depth = Some(8);
    Ok(info)
}

fn canvas(info: &mut MediaInfo, mut reader: Reader<'_>) -> Result<(), Broken> {
    let flags = reader.u8()?;
    reader.skip(3)?;
    let width = reader.le24()?.saturating_add(1);
    let height = reader.le24()?.saturating_add(1);
    info.size = Some(Dimensions::new(width, height));
    info.alpha = flags & 0x10 != 0;
    Ok(())
}

/// Reads the header of a VP8 key frame (RFC 6386 section 9.1) or of a lossless picture.
fn picture(info: &mut MediaInfo, chunk: Chunk<'_>) -> Result<(), Broken> {
    let mut reader = chunk.reader();
    let (codec, size, alpha) = if &chunk.kind == b"VP8L" {
        if reader.u8()? != 0x2F {
            return Err(Broken::new(chunk.offset, "no lossless signature"));
        }
        let header = reader.array::<4>()?;
        let mut bits = Bits::new(&header);
        let mut side = || bits.lsb(14).unwrap_or(0).saturating_add(1);
        let size = Dimensions::new(side(), side());
        (Codec::Vp8Lossless, size, bits.lsb(1) == Some(1))
    } else {
        let tag = reader.u8()?;
        reader.skip(2)?;
        if tag & 1 != 0 || reader.array()? != [0x9D, 0x01, 0x2A] {
            return Err(Broken::new(chunk.offset, "no VP8 key frame"));
        }
        let width = u32::from(reader.le16()? & 0x3FFF);
        let height = u32::from(reader.le16()? & 0x3FFF);
        (Codec::Vp8, dimensions(width, height, chunk.offset)?, false)
    };
    info.codec.get_or_insert(codec);
    info.size.get_or_insert(size);
    info.alpha |= alpha;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::riff::tests::{chunk, riff};
    use super::super::tests::{broken, known};
    use super::*;

    const KEY: &[u8] = &[0x10, 0, 0, 0x9D, 0x01, 0x2A, 64, 0x40, 48, 0];

    fn extended(flags: u8) -> Vec<u8> {
        chunk(b"VP8X", &[flags, 0, 0, 0, 99, 0, 0, 49, 0, 0])
    }

    #[test]
    fn lossy_and_lossless() {
        let info = known(&riff(b"WEBP", &[chunk(b"VP8 ", KEY)]));
        assert_eq!(info.size, Some(Dimensions::new(64, 48)));
        assert_eq!((info.codec, info.alpha), (Some(Codec::Vp8), false));
        let packed = (63_u32 | 47 << 14 | 1 << 28).to_le_bytes();
        let body = [[0x2F].as_slice(), &packed].concat();
        let info = known(&riff(b"WEBP", &[chunk(b"VP8L", &body)]));
        assert_eq!(info.size, Some(Dimensions::new(64, 48)));
        assert_eq!((info.codec, info.alpha), (Some(Codec::Vp8Lossless), true));
    }

    #[test]
    fn animation_and_exif() {
        let mut frame = vec![0; 12];
        frame.extend([200, 0, 0, 0]);
        frame.extend(chunk(b"VP8 ", KEY));
        let exif = exif::tests::block(&[(exif::ORIENTATION, 5)]);
        let info = known(&riff(
            b"WEBP",
            &[
                extended(0x12),
                chunk(b"ANMF", &frame),
                chunk(b"ANMF", &frame),
                chunk(b"EXIF", &exif),
            ],
        ));
        assert_eq!(info.size, Some(Dimensions::new(100, 50)));
        assert_eq!((info.frames, info.duration_ms), (Some(2), Some(400)));
        assert_eq!(
            (info.codec, info.orientation, info.alpha),
            (Some(Codec::Vp8), 5, true)
        );
    }

    #[test]
    fn a_file_without_a_picture_is_broken() {
        assert_eq!(
            broken(&riff(b"WEBP", &[])).what,
            "there is no picture chunk"
        );
        assert_eq!(
            broken(&riff(b"WEBP", &[chunk(b"VP8 ", &[1; 9])])).offset,
            20
        );
    }
}

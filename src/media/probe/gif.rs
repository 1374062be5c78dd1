//! GIF87a and GIF89a: blocks up to the trailer (GIF89a specification, sections 18 to 27).

use super::bytes::{Broken, Reader, Steps, dimensions};
use crate::media::{Codec, Format, MediaInfo, MediaKind};

/// Reads the screen and counts the frames. A data sub-block is no step: walking sub-blocks is
/// bounded by the length of the data. A file cut inside its frames reads as the frames it has.
pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Gif, MediaKind::Image);
    info.codec = Some(Codec::Gif);
    let mut reader = Reader::new(data);
    reader.skip(6)?;
    let screen_at = reader.offset();
    let (width, height) = (reader.le16()?, reader.le16()?);
    let flags = reader.u8()?;
    reader.skip(2)?;
    if let Some(colours) = colours(flags) {
        info.palette = Some(colours);
        reader.skip(usize::from(colours).saturating_mul(3))?;
    }
    let mut frames = 0_u32;
    let mut duration = 0_u64;
    let mut delay = UNSET_DELAY;
    let mut first = None;
    while steps.take() {
        match reader.u8() {
            Ok(EXTENSION) => match extension(&mut reader, &mut info) {
                Ok(Some(found)) => delay = found,
                Ok(None) => {}
                Err(_) => break,
            },
            Ok(IMAGE) => {
                let Ok(size) = image(&mut reader, &mut info) else {
                    break;
                };
                first.get_or_insert(size);
                frames = frames.saturating_add(1);
                duration = duration.saturating_add(delay);
                delay = UNSET_DELAY;
                if skip_blocks(&mut reader).is_err() {
                    break;
                }
            }
            // Padding between blocks is common, anything else ends the walk.
            Ok(0) => {}
            _ => break,
        }
    }
    let Some((first_width, first_height)) = first else {
        return Err(reader.broken("there is no image"));
    };
    info.size = Some(if width == 0 || height == 0 {
        dimensions(first_width, first_height, screen_at)?
    } else {
        dimensions(width.into(), height.into(), screen_at)?
    });
    info.bit_depth = info
        .palette
        .and_then(|colours| u8::try_from(colours.trailing_zeros()).ok());
    info.frames = Some(frames);
    info.duration_ms = (frames > 1).then_some(duration);
    Ok(info)
}

/// Milliseconds of a frame without a delay, or with one below 20 ms: what browsers show.
const UNSET_DELAY: u64 = 100;
const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2C;

/// Colours of the table that a flags octet announces.
fn colours(flags: u8) -> Option<u16> {
    (flags & 0x80 != 0).then(|| 2_u16 << (flags & 7))
}

/// Reads one extension; gives the delay if it is a graphic control.
fn extension(reader: &mut Reader<'_>, info: &mut MediaInfo) -> Result<Option<u64>, Broken> {
    let label = reader.u8()?;
    let length = reader.u8()?;
    let block = reader.take(usize::from(length))?;
    let mut delay = None;
    match (label, block) {
        (0xF9, [flags, low, high, ..]) => {
            info.alpha |= flags & 1 != 0;
            delay = Some(match u16::from_le_bytes([*low, *high]) {
                0 | 1 => UNSET_DELAY,
                hundredths => u64::from(hundredths).saturating_mul(10),
            });
        }
        (0xFE, _) => info.metadata = true,
        (0xFF, _) if block.starts_with(b"XMP Data") => info.metadata = true,
        (0xFF, _) if block.starts_with(b"ICCRGBG1") => info.icc = true,
        _ => {}
    }
    if length != 0 {
        skip_blocks(reader)?;
    }
    Ok(delay)
}

/// Reads an image descriptor up to its data; gives width and height.
fn image(reader: &mut Reader<'_>, info: &mut MediaInfo) -> Result<(u32, u32), Broken> {
    reader.skip(4)?;
    let size = (reader.le16()?.into(), reader.le16()?.into());
    if let Some(colours) = colours(reader.u8()?) {
        info.palette = info.palette.max(Some(colours));
        reader.skip(usize::from(colours).saturating_mul(3))?;
    }
    reader.skip(1)?;
    Ok(size)
}

fn skip_blocks(reader: &mut Reader<'_>) -> Result<(), Broken> {
    loop {
        match reader.u8()? {
            0 => return Ok(()),
            length => reader.skip(usize::from(length))?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use crate::dimensions::Dimensions;

    const SCREEN: &[u8] = b"GIF89a\x40\0\x30\0\x81\0\0";
    const TABLE: [u8; 12] = [0; 12];
    const FRAME: &[u8] = b"\x2C\0\0\0\0\x40\0\x30\0\0\x02\x02\x4C\x01\0";

    fn control(flags: u8, delay: u16) -> Vec<u8> {
        let [low, high] = delay.to_le_bytes();
        vec![0x21, 0xF9, 4, flags, low, high, 0, 0]
    }

    #[test]
    fn frames_and_delays_are_counted() {
        let data = [
            SCREEN,
            &TABLE,
            &control(1, 25),
            FRAME,
            &control(0, 0),
            FRAME,
            b";",
        ]
        .concat();
        let info = known(&data);
        assert_eq!(info.size, Some(Dimensions::new(64, 48)));
        assert_eq!((info.frames, info.duration_ms), (Some(2), Some(350)));
        assert_eq!((info.palette, info.alpha), (Some(4), true));
    }

    #[test]
    fn a_still_picture_has_no_duration_and_comments_are_metadata() {
        let data = [SCREEN, &TABLE, b"\x21\xFE\x02hi\0", FRAME, b";"].concat();
        let info = known(&data);
        assert_eq!(
            (info.frames, info.duration_ms, info.metadata),
            (Some(1), None, true)
        );
    }

    #[test]
    fn a_cut_file_has_the_frames_it_has() {
        let whole = [SCREEN, &TABLE, FRAME, FRAME, b";"].concat();
        let cut = whole.get(..whole.len() - 4).unwrap();
        assert_eq!(known(cut).frames, Some(2));
        assert_eq!(broken(SCREEN).offset, 13);
        assert_eq!(
            broken(&[SCREEN, &TABLE, b";"].concat()).what,
            "there is no image"
        );
    }

    #[test]
    fn an_empty_screen_takes_the_first_image() {
        let mut data = [SCREEN, &TABLE, FRAME, b";"].concat();
        data[6..10].fill(0);
        assert_eq!(known(&data).size, Some(Dimensions::new(64, 48)));
    }
}

//! TIFF 6.0 and BigTIFF.

use super::bytes::{Broken, Steps, dimensions};
use super::exif::{self, Directory};
use crate::media::{Codec, Format, MediaInfo, MediaKind};

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Tiff, MediaKind::Image);
    let first = Directory::first(data).ok_or(Broken::new(4, "there is no directory"))?;
    let (mut width, mut height) = (0, 0);
    let mut photometric = None;
    for entry in first.entries() {
        let value = entry.number().and_then(|value| u32::try_from(value).ok());
        match (entry.tag, value) {
            (256, Some(value)) => width = value,
            (257, Some(value)) => height = value,
            (258, Some(value)) => info.bit_depth = u8::try_from(value).ok(),
            (262, Some(value)) => photometric = Some(value),
            (320, _) => info.palette = u16::try_from(entry.count / 3).ok(),
            (338, Some(kind)) => info.alpha = matches!(kind, 1 | 2),
            (34675, _) => info.icc = true,
            (700 | 33723 | 34665 | 34377, _) => info.metadata = true,
            _ => {}
        }
    }
    let exif = exif::read(data);
    info.orientation = exif.orientation.unwrap_or(1);
    info.gps = exif.gps;
    info.metadata |= exif.gps;
    info.size = Some(dimensions(width, height, 4)?);
    info.codec = Some(Codec::Tiff);
    info.bit_depth.get_or_insert(1);
    info.grey = matches!(photometric, Some(0 | 1));
    info.cmyk = photometric == Some(5);
    let mut frames = 1_u32;
    let mut page = first;
    while let Some(next) = page.next().filter(|_| steps.take()) {
        frames = frames.saturating_add(1);
        page = next;
    }
    info.frames = Some(frames);
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;
    use crate::dimensions::Dimensions;

    #[test]
    fn the_first_directory_is_read() {
        let info = known(&exif::tests::block(&[
            (256, 640),
            (257, 480),
            (258, 16),
            (262, 1),
            (exif::ORIENTATION, 6),
        ]));
        assert_eq!(info.shown_size(), Some(Dimensions::new(480, 640)));
        assert_eq!(
            (info.bit_depth, info.grey, info.frames),
            (Some(16), true, Some(1))
        );
    }

    #[test]
    fn a_chain_that_bites_its_tail_ends() {
        let mut data = exif::tests::block(&[(256, 4), (257, 4)]);
        let link = data.len() - 4;
        data[link..].copy_from_slice(&[0, 0, 0, 8]);
        let limits = crate::Limits {
            probe_steps: 50,
            ..crate::Limits::default()
        };
        let info = super::super::probe(&data, &limits).unwrap();
        assert_eq!(info.frames, Some(51));
    }

    #[test]
    fn a_directory_out_of_reach_is_broken() {
        assert_eq!(
            broken(b"II\x2A\0\xFF\xFF\xFF\xFF").what,
            "there is no directory"
        );
        assert_eq!(
            broken(&exif::tests::block(&[(256, 4)])).what,
            "width or height is zero"
        );
    }
}

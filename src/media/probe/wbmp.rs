//! Wireless bitmap type 0 (WAP-190-WAESpec annex A).

use super::bytes::{Broken, Reader, Steps, dimensions, index};
use crate::media::{Codec, Format, MediaInfo, MediaKind};

/// Whether this is a wireless bitmap. Two zero octets are no signature, so the data must be
/// exactly as long as width and height make it.
pub(super) fn sniff(data: &[u8]) -> bool {
    header(data).is_ok_and(|(width, height, body)| {
        body.checked_sub(1).is_some()
            && index(width.div_ceil(8)).checked_mul(index(height)) == Some(body)
    })
}

pub(super) fn read(data: &[u8], _: &Steps) -> Result<MediaInfo, Broken> {
    let (width, height, _) = header(data)?;
    let mut info = MediaInfo::new(Format::Wbmp, MediaKind::Image);
    info.size = Some(dimensions(width, height, 2)?);
    info.codec = Some(Codec::Wbmp);
    info.bit_depth = Some(1);
    info.grey = true;
    info.frames = Some(1);
    Ok(info)
}

/// Width, height and the octets that follow.
fn header(data: &[u8]) -> Result<(u32, u32, usize), Broken> {
    let mut reader = Reader::new(data);
    if reader.array()? != [0, 0] {
        return Err(Broken::new(0, "no wireless bitmap of type 0"));
    }
    Ok((reader.uintvar()?, reader.uintvar()?, reader.rest().len()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::known;
    use super::*;
    use crate::dimensions::Dimensions;

    #[test]
    fn sizes_of_one_and_more_octets() {
        let info = known(&[[0, 0, 10, 2].as_slice(), &[0xFF; 4]].concat());
        assert_eq!(info.size, Some(Dimensions::new(10, 2)));
        assert_eq!((info.bit_depth, info.grey), (Some(1), true));
        let wide = [[0, 0, 0x81, 0x48, 0x01].as_slice(), &[0; 25]].concat();
        assert_eq!(known(&wide).size, Some(Dimensions::new(200, 1)));
    }

    #[test]
    fn a_wrong_length_is_no_wireless_bitmap() {
        let short = [[0, 0, 10, 2].as_slice(), &[0xFF; 3]].concat();
        assert_eq!(known(&short).format, Format::Unknown);
        assert_eq!(known(&[0; 64]).format, Format::Unknown);
        let huge = [
            0, 0, 0x8F, 0xFF, 0xFF, 0xFF, 0x7F, 0x8F, 0xFF, 0xFF, 0xFF, 0x7F, 1,
        ];
        assert_eq!(known(&huge).format, Format::Unknown);
    }
}

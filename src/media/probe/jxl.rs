//! JPEG XL, bare and boxed (ISO/IEC 18181-1 section 9.2 and annex D, 18181-2 section 9).

use super::bmff::Boxes;
use super::bytes::{Bits, Broken, Reader, Steps};
use crate::dimensions::Dimensions;
use crate::media::{Codec, Format, MediaInfo, MediaKind};

/// The box that every boxed file begins with.
pub(super) const SIGNATURE: &[u8] = b"\0\0\0\x0CJXL \r\n\x87\n";

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Jxl, MediaKind::Image);
    info.codec = Some(Codec::Jxl);
    let mut codestream = None;
    if data.starts_with(&[0xFF, 0x0A]) {
        codestream = Some(data);
    } else {
        for part in Boxes::new(Reader::new(data), steps) {
            match &part.kind {
                b"jxlc" => codestream = codestream.or(Some(part.body)),
                b"jxlp" => codestream = codestream.or(part.body.get(4..)),
                b"Exif" | b"xml " => info.metadata = true,
                _ => {}
            }
        }
    }
    let codestream = codestream.ok_or(Broken::new(12, "there is no codestream"))?;
    header(&mut info, codestream.get(2..).unwrap_or_default())
        .ok_or(Broken::new(0, "the size header is cut short"))?;
    Ok(info)
}

/// Reads the size header and the orientation behind it.
fn header(info: &mut MediaInfo, codestream: &[u8]) -> Option<()> {
    let mut bits = Bits::new(codestream);
    let small = bits.lsb(1)? == 1;
    let height = side(&mut bits, small)?;
    let width = match bits.lsb(3)? {
        0 => side(&mut bits, small)?,
        ratio => {
            let (across, down) = match ratio {
                1 => (1, 1),
                2 => (12, 10),
                3 => (4, 3),
                4 => (3, 2),
                5 => (16, 9),
                6 => (5, 4),
                _ => (2, 1),
            };
            u32::try_from(u64::from(height).saturating_mul(across) / down).ok()?
        }
    };
    info.size = Some(Dimensions::new(width, height));
    info.frames = Some(1);
    let all_default = bits.lsb(1) == Some(1);
    if !all_default && bits.lsb(1) == Some(1) {
        let orientation = bits.lsb(3).and_then(|value| u8::try_from(value).ok());
        info.orientation = orientation.unwrap_or(0).saturating_add(1);
        let intrinsic = bits.lsb(1) == Some(1);
        let preview = bits.lsb(1) == Some(1);
        if !intrinsic && !preview && bits.lsb(1) == Some(1) {
            // An animation: how many frames it has is told by the frames alone.
            info.frames = None;
        }
    }
    Some(())
}

fn side(bits: &mut Bits<'_>, small: bool) -> Option<u32> {
    if small {
        return Some(bits.lsb(5)?.saturating_add(1).saturating_mul(8));
    }
    let width = match bits.lsb(2)? {
        0 => 9,
        1 => 13,
        2 => 18,
        _ => 30,
    };
    Some(bits.lsb(width)?.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;

    /// LSB-first bits as octets.
    fn pack(fields: &[(u32, u32)]) -> Vec<u8> {
        let bits: Vec<u8> = fields
            .iter()
            .flat_map(|(value, width)| (0..*width).map(move |bit| u8::from(value >> bit & 1 == 1)))
            .collect();
        bits.chunks(8)
            .map(|octet| octet.iter().rev().fold(0, |sum, bit| sum << 1 | bit))
            .collect()
    }

    #[test]
    fn bare_small_and_by_ratio() {
        let header = pack(&[(1, 1), (5, 5), (5, 3), (1, 1)]);
        let info = known(&[&[0xFF, 0x0A], header.as_slice(), &[0; 4]].concat());
        assert_eq!(info.size, Some(Dimensions::new(85, 48)));
    }

    #[test]
    fn boxed_with_orientation() {
        let header = pack(
            &[(0, 1), (1, 2), (2999, 13), (0, 3), (1, 2), (3999, 13)]
                .into_iter()
                .chain([(0, 1), (1, 1), (5, 3), (0, 3)])
                .collect::<Vec<_>>(),
        );
        let body = [&[0xFF, 0x0A], header.as_slice()].concat();
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        let info = known(&[SIGNATURE, &length, b"jxlc", &body].concat());
        assert_eq!(info.size, Some(Dimensions::new(4000, 3000)));
        assert_eq!((info.orientation, info.frames), (6, Some(1)));
    }

    #[test]
    fn a_box_without_codestream_is_broken() {
        assert_eq!(broken(SIGNATURE).what, "there is no codestream");
    }
}

//! JPEG: markers up to the first scan (ITU-T T.81 annex B, JFIF 1.02, EXIF 2.3 section 4.7).

use super::bytes::{Broken, Reader, Steps, dimensions};
use super::exif;
use crate::media::{Codec, Format, MediaInfo, MediaKind};

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Jpeg, MediaKind::Image);
    let mut reader = Reader::new(data);
    reader.skip(2)?;
    loop {
        if !steps.take() {
            return Err(reader.broken("too many segments before the first scan"));
        }
        let (marker, at) = next_marker(&mut reader)?;
        match marker {
            TEM | RST0..=RST7 | SOI => continue,
            SOS | EOI => break,
            _ => {}
        }
        let length = reader.be16()?;
        let Some(length) = length.checked_sub(2) else {
            return Err(Broken::new(at, "a segment is shorter than its own length"));
        };
        let start = reader.offset();
        let segment = reader.take(usize::from(length))?;
        match marker {
            DHT | JPG | DAC => {}
            SOF0..=SOF15 => frame(&mut info, marker, Reader::based(segment, start))?,
            APP0..=APP15 | COM => application(&mut info, marker, segment),
            _ => {}
        }
    }
    if info.size.is_none() {
        return Err(reader.broken("there is no frame header before the first scan"));
    }
    info.frames = Some(1);
    Ok(info)
}

/// The next marker and its offset. Fill octets, and garbage that some cameras leave between
/// segments, are passed over.
fn next_marker(reader: &mut Reader<'_>) -> Result<(u8, usize), Broken> {
    loop {
        while reader.u8()? != 0xFF {}
        let mut code = 0xFF;
        while code == 0xFF {
            code = reader.u8()?;
        }
        if code != 0 {
            return Ok((code, reader.offset().saturating_sub(2)));
        }
    }
}

fn frame(info: &mut MediaInfo, marker: u8, mut reader: Reader<'_>) -> Result<(), Broken> {
    let at = reader.offset();
    let precision = reader.u8()?;
    let height = reader.be16()?;
    let width = reader.be16()?;
    let components = reader.u8()?;
    if info.size.is_some() {
        return Ok(());
    }
    info.size = Some(dimensions(width.into(), height.into(), at)?);
    info.bit_depth = Some(precision);
    info.grey = components == 1;
    info.cmyk = components == 4;
    info.codec = Some(match marker {
        SOF0 => Codec::Jpeg,
        SOF1 => Codec::JpegExtended,
        SOF2 => Codec::JpegProgressive,
        SOF3 => Codec::JpegLossless,
        _ => Codec::JpegOther,
    });
    Ok(())
}

fn application(info: &mut MediaInfo, marker: u8, segment: &[u8]) {
    match marker {
        APP1 if segment.starts_with(b"Exif\0\0") => {
            let exif = exif::read(segment);
            info.orientation = exif.orientation.unwrap_or(info.orientation);
            info.gps |= exif.gps;
            info.metadata = true;
        }
        APP2 if segment.starts_with(b"ICC_PROFILE\0") => info.icc = true,
        APP1 | APP13 | COM => info.metadata = true,
        _ => {}
    }
}

const TEM: u8 = 0x01;
const SOF0: u8 = 0xC0;
const SOF1: u8 = 0xC1;
const SOF2: u8 = 0xC2;
const SOF3: u8 = 0xC3;
const DHT: u8 = 0xC4;
const JPG: u8 = 0xC8;
const DAC: u8 = 0xCC;
const SOF15: u8 = 0xCF;
const RST0: u8 = 0xD0;
const RST7: u8 = 0xD7;
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP2: u8 = 0xE2;
const APP13: u8 = 0xED;
const APP15: u8 = 0xEF;
const COM: u8 = 0xFE;

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;
    use crate::dimensions::Dimensions;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xFF, marker], length.as_slice(), body].concat()
    }

    fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
        [&[0xFF, SOI], segments.concat().as_slice(), &[0xFF, SOS]].concat()
    }

    fn frame_of(marker: u8, components: u8) -> Vec<u8> {
        segment(marker, &[8, 0, 48, 0, 64, components])
    }

    #[test]
    fn the_frame_marker_tells_the_codec() {
        for (marker, codec) in [
            (SOF0, Codec::Jpeg),
            (SOF1, Codec::JpegExtended),
            (SOF2, Codec::JpegProgressive),
            (SOF3, Codec::JpegLossless),
            (0xC9, Codec::JpegOther),
        ] {
            let info = known(&jpeg(&[segment(DHT, &[0; 4]), frame_of(marker, 3)]));
            assert_eq!(info.codec, Some(codec));
            assert_eq!(info.size, Some(Dimensions::new(64, 48)));
            assert_eq!((info.frames, info.bit_depth), (Some(1), Some(8)));
        }
    }

    #[test]
    fn exif_turns_the_picture_and_colours_are_told() {
        let exif = [
            b"Exif\0\0".as_slice(),
            &exif::tests::block(&[(exif::ORIENTATION, 6), (0x8825, 9)]),
        ]
        .concat();
        let info = known(&jpeg(&[
            segment(APP1, &exif),
            segment(APP2, b"ICC_PROFILE\0\x01\x01"),
            frame_of(SOF0, 4),
        ]));
        assert_eq!(info.orientation, 6);
        assert_eq!(info.shown_size(), Some(Dimensions::new(48, 64)));
        assert!(info.gps && info.metadata && info.icc && info.cmyk && !info.grey);
        assert!(known(&jpeg(&[frame_of(SOF0, 1)])).grey);
    }

    #[test]
    fn fill_octets_and_garbage_between_segments_are_passed_over() {
        let mut data = vec![0xFF, SOI, 0xFF, 0xFF, 0xFF];
        data.extend(segment(COM, b"hello").split_off(1));
        data.extend([0, 1, 2]);
        data.extend(frame_of(SOF0, 3));
        data.extend([0xFF, EOI]);
        assert_eq!(known(&data).size, Some(Dimensions::new(64, 48)));
    }

    #[test]
    fn broken_headers_name_the_octet() {
        let short = jpeg(&[vec![0xFF, APP0, 0, 1]]);
        assert_eq!(broken(&short).offset, 2);
        let zero = jpeg(&[segment(SOF0, &[8, 0, 0, 0, 64, 3])]);
        assert_eq!(broken(&zero).what, "width or height is zero");
        assert_eq!(broken(&jpeg(&[])).offset, 4);
    }
}

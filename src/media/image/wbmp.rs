//! WBMP type 0 (WAP-237 WAEMT, section 6): black and white, no compression.

use bytes::Bytes;

use super::transform::{index, luma};
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::codec::{
    DecodeOptions, ImageDecoder, ImageEncoder, ImageHeader, ImageSettings, ImageStream,
};
use crate::media::error::MediaError;
use crate::media::guard::check_size;
use crate::media::info::Format;
use crate::media::picture::{Frame, Layout, Picture};

/// Reads WBMP.
pub(super) struct WbmpDecoder;

impl ImageDecoder for WbmpDecoder {
    fn name(&self) -> &str {
        "wbmp"
    }

    fn formats(&self) -> &[Format] {
        &[Format::Wbmp]
    }

    fn open(
        &self,
        data: &Bytes,
        options: &DecodeOptions,
    ) -> Result<Box<dyn ImageStream>, MediaError> {
        let (size, start) = header(data)?;
        check_size(size, &options.limits)?;
        let stride = index(size.width.div_ceil(8));
        let needed = stride
            .checked_mul(index(size.height))
            .and_then(|octets| octets.checked_add(start));
        if needed.is_none_or(|needed| needed > data.len()) {
            return Err(MediaError::malformed_at(
                Format::Wbmp,
                "the rows end early",
                data.len(),
            ));
        }
        let pixels = u64::from(size.width).saturating_mul(u64::from(size.height));
        Ok(Box::new(WbmpStream {
            header: ImageHeader::new(size, pixels),
            rows: Some(data.slice(start..)),
        }))
    }
}

struct WbmpStream {
    header: ImageHeader,
    rows: Option<Bytes>,
}

impl ImageStream for WbmpStream {
    fn header(&self) -> &ImageHeader {
        &self.header
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        let Some(rows) = self.rows.take() else {
            return Ok(None);
        };
        let size = self.header.size;
        let width = index(size.width);
        let mut data = Vec::with_capacity(width.saturating_mul(index(size.height)));
        for row in rows
            .chunks_exact(index(size.width.div_ceil(8)).max(1))
            .take(index(size.height))
        {
            let bits = row
                .iter()
                .flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1));
            data.extend(bits.take(width).map(|bit| if bit == 1 { 255 } else { 0 }));
        }
        Ok(Some(Frame {
            picture: Picture::new(size, Layout::Grey8, data)?,
            delay_ms: 0,
        }))
    }
}

/// Size of the picture, and where its rows begin.
fn header(data: &[u8]) -> Result<(Dimensions, usize), MediaError> {
    let broken = |what: &str, at: usize| MediaError::malformed_at(Format::Wbmp, what, at);
    if data.first() != Some(&0) {
        return Err(broken("type is not 0", 0));
    }
    // FixHeaderField: bit 7 says that extension headers follow; type 0 has none.
    if data.get(1).is_none_or(|&fixed| fixed & 0x80 != 0) {
        return Err(broken("extension headers", 1));
    }
    let (width, after_width) = number(data, 2).ok_or_else(|| broken("width", 2))?;
    let (height, start) = number(data, after_width).ok_or_else(|| broken("height", after_width))?;
    if width == 0 || height == 0 {
        return Err(broken("a side of zero", 2));
    }
    Ok((Dimensions::new(width, height), start))
}

/// A multi-byte integer (WAP-237 section 6.4.1): 7 bits an octet, the most significant first.
fn number(data: &[u8], mut at: usize) -> Option<(u32, usize)> {
    let mut value = 0_u32;
    for _ in 0..5 {
        let octet = *data.get(at)?;
        at = at.checked_add(1)?;
        value = value
            .checked_mul(128)?
            .checked_add(u32::from(octet & 0x7F))?;
        if octet & 0x80 == 0 {
            return Some((value, at));
        }
    }
    None
}

/// Writes WBMP, with the error of each pixel spread over its neighbours (Floyd and Steinberg).
pub(super) struct WbmpEncoder;

impl ImageEncoder for WbmpEncoder {
    fn name(&self) -> &str {
        "wbmp"
    }

    fn format(&self) -> Format {
        Format::Wbmp
    }

    fn alpha(&self) -> bool {
        false
    }

    fn animation(&self) -> bool {
        false
    }

    fn encode(
        &self,
        frames: &[Frame],
        _settings: &ImageSettings,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, MediaError> {
        cancel.check()?;
        let frame = frames
            .first()
            .ok_or_else(|| MediaError::unsupported("a WBMP of no frame"))?;
        let grey = luma(&frame.picture)?;
        let size = grey.size();
        let mut bytes = vec![0, 0];
        push_number(&mut bytes, size.width);
        push_number(&mut bytes, size.height);
        for row in black_and_white(&grey).chunks_exact(index(size.width)) {
            for octet in row.chunks(8) {
                let mut packed = 0_u8;
                for (bit, &white) in octet.iter().enumerate() {
                    if white {
                        packed |= 0x80 >> bit;
                    }
                }
                bytes.push(packed);
            }
        }
        Ok(bytes)
    }
}

/// Octets of a WBMP of `size`: the format has no other lever.
pub(super) fn file_size(size: Dimensions) -> u64 {
    let mut head = Vec::new();
    push_number(&mut head, size.width);
    push_number(&mut head, size.height);
    let rows = u64::from(size.width.div_ceil(8)).saturating_mul(u64::from(size.height));
    rows.saturating_add(2)
        .saturating_add(u64::try_from(head.len()).unwrap_or(10))
}

fn push_number(bytes: &mut Vec<u8>, value: u32) {
    let mut shift = 28_u32;
    while shift > 0 {
        if value >> shift != 0 {
            bytes.push(0x80 | low_seven(value >> shift));
        }
        shift = shift.saturating_sub(7);
    }
    bytes.push(low_seven(value));
}

fn low_seven(value: u32) -> u8 {
    u8::try_from(value & 0x7F).unwrap_or(0)
}

/// White where the picture is light, row by row, Floyd and Steinberg.
pub(super) fn black_and_white(grey: &Picture) -> Vec<bool> {
    let width = index(grey.size().width);
    let mut white = Vec::with_capacity(grey.data().len());
    // Errors in 1/16 of a level; the first and the last entry are beyond the edges.
    let mut below = vec![0_i32; width.saturating_add(2)];
    for row in grey.rows() {
        let mut next = vec![0_i32; width.saturating_add(2)];
        let mut ahead = 0_i32;
        for (x, &level) in row.iter().enumerate() {
            let carried = ahead + below.get(x + 1).copied().unwrap_or(0);
            let value = i32::from(level) + carried.div_euclid(16);
            let is_white = value >= 128;
            white.push(is_white);
            let error = value - if is_white { 255 } else { 0 };
            ahead = error * 7;
            for (at, weight) in [(x, 3), (x + 1, 5), (x + 2, 1)] {
                if let Some(sum) = next.get_mut(at) {
                    *sum += error * weight;
                }
            }
        }
        below = next;
    }
    white
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::media::picture::Plays;

    fn open(data: &[u8]) -> Result<Box<dyn ImageStream>, MediaError> {
        let options = DecodeOptions {
            format: Format::Wbmp,
            animation: false,
            at_least: None,
            limits: Limits::default(),
            cancel: Cancel::new(),
        };
        WbmpDecoder.open(&Bytes::copy_from_slice(data), &options)
    }

    fn encode(picture: Picture) -> Vec<u8> {
        let settings = ImageSettings {
            quality: 80,
            colours: None,
            dither: true,
            plays: Plays::Times(1),
            max_bytes: None,
        };
        let frame = Frame {
            picture,
            delay_ms: 0,
        };
        WbmpEncoder
            .encode(&[frame], &settings, &Cancel::new())
            .unwrap()
    }

    #[test]
    fn there_and_back() {
        let data: Vec<u8> = (0..200 * 3)
            .map(|i| if i % 3 == 0 { 255 } else { 0 })
            .collect();
        let picture = Picture::new(Dimensions::new(200, 3), Layout::Grey8, data).unwrap();
        let bytes = encode(picture.clone());
        assert_eq!(bytes[..5], [0, 0, 0x81, 0x48, 3]);
        assert_eq!(
            u64::try_from(bytes.len()).unwrap(),
            file_size(picture.size())
        );
        let decoded = open(&bytes).unwrap().next_frame().unwrap().unwrap();
        assert_eq!(decoded.picture, picture);
    }

    #[test]
    fn grey_keeps_its_mean() {
        for level in [0_u8, 40, 128, 200, 255] {
            let picture =
                Picture::new(Dimensions::new(64, 64), Layout::Grey8, vec![level; 4096]).unwrap();
            let white = black_and_white(&picture)
                .iter()
                .filter(|&&white| white)
                .count();
            let expected = usize::from(level) * 4096 / 255;
            assert!(
                white.abs_diff(expected) < 60,
                "{level}: {white} of {expected}"
            );
        }
    }

    #[test]
    fn hostile_headers_are_refused() {
        assert!(open(&[]).is_err());
        assert!(open(&[0, 0x80, 1, 1, 0]).is_err());
        assert!(open(&[0, 0, 0, 1, 0]).is_err());
        assert!(open(&[0, 0, 9, 1, 0]).is_err());
        let endless = [0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
        assert!(open(&endless).is_err());
        let huge = [0, 0, 0x8F, 0xFF, 0xFF, 0x7F, 0x8F, 0xFF, 0xFF, 0x7F];
        assert!(matches!(open(&huge), Err(MediaError::Limit { .. })));
    }
}

//! What the frame header says of the memory that another decoder will take.

use crate::dimensions::Dimensions;
use crate::media::error::MediaError;
use crate::media::info::Format;

/// What the frame header (SOFn, ITU-T T.81 B.2.2) says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media::image) struct FrameHeader {
    pub(in crate::media::image) size: Dimensions,
    /// Octets of the coefficients that a decoder of a progressive picture must hold; 0 for a
    /// sequential one.
    pub(in crate::media::image) coefficient_bytes: u64,
}

/// Finds the frame header by walking the marker segments.
pub(in crate::media::image) fn frame_header(data: &[u8]) -> Result<FrameHeader, MediaError> {
    let broken = |what: &str, at: usize| MediaError::malformed_at(Format::Jpeg, what, at);
    let mut at = 2_usize;
    loop {
        // Fill octets FF may precede a marker (B.1.1.2); anything else between segments is junk
        // that decoders skip.
        while data.get(at).is_some_and(|&octet| octet != 0xFF) {
            at = at.saturating_add(1);
        }
        while data.get(at) == Some(&0xFF) {
            at = at.saturating_add(1);
        }
        let marker = *data.get(at).ok_or_else(|| broken("no frame header", at))?;
        at = at.saturating_add(1);
        match marker {
            0x00 | 0x01 | 0xD0..=0xD8 => continue,
            0xD9 | 0xDA => return Err(broken("no frame header before the scan", at)),
            _ => {}
        }
        let body = data.get(at..).unwrap_or_default();
        let [high, low, ..] = body else {
            return Err(broken("a segment without a length", at));
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let segment = body
            .get(2..length)
            .ok_or_else(|| broken("a segment beyond the end", at))?;
        if matches!(marker, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF) {
            let progressive = matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE);
            return parse(segment, progressive).ok_or_else(|| broken("frame header", at));
        }
        at = at.saturating_add(length);
    }
}

fn parse(segment: &[u8], progressive: bool) -> Option<FrameHeader> {
    let &[_precision, h1, h0, w1, w0, count, ref components @ ..] = segment else {
        return None;
    };
    let size = Dimensions::new(
        u32::from(u16::from_be_bytes([w1, w0])),
        u32::from(u16::from_be_bytes([h1, h0])),
    );
    let (components, _) = components.as_chunks::<3>();
    let components = components.get(..usize::from(count))?;
    let factors = || {
        components
            .iter()
            .map(|&[_, sampling, _]| (u64::from(sampling >> 4), u64::from(sampling & 15)))
    };
    let widest = factors().map(|(across, _)| across).max()?.max(1);
    let tallest = factors().map(|(_, down)| down).max()?.max(1);
    let mcus = u64::from(size.width)
        .div_ceil(8 * widest)
        .saturating_mul(u64::from(size.height).div_ceil(8 * tallest));
    let blocks: u64 = factors().map(|(across, down)| across * down).sum();
    // 64 coefficients of two octets in a block.
    let bytes = mcus.saturating_mul(blocks).saturating_mul(128);
    Some(FrameHeader {
        size,
        coefficient_bytes: if progressive { bytes } else { 0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progressive_coefficients_count() {
        let mut data = vec![0xFF, 0xD8, 0xFF, 0xC2, 0, 17, 8, 0, 16, 0, 16, 3];
        data.extend([1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
        let header = frame_header(&data).unwrap();
        assert_eq!(header.size, Dimensions::new(16, 16));
        assert_eq!(header.coefficient_bytes, 6 * 128);
    }

    #[test]
    fn a_broken_header_says_where() {
        let cut = [0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8];
        let error = frame_header(&cut).unwrap_err();
        assert!(
            matches!(
                error,
                MediaError::Malformed {
                    offset: Some(4),
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(frame_header(&[0xFF, 0xD8]).is_err());
    }
}

//! Planes out of what the codecs give.

use crate::dimensions::Dimensions;
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::picture::{Chroma, Matrix, Planes};

/// What a stream says of its colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colours {
    pub(super) full_range: bool,
    pub(super) matrix: Matrix,
}

impl Colours {
    /// Those of a stream that says nothing.
    pub(super) const fn usual(size: Dimensions) -> Self {
        Self {
            full_range: false,
            matrix: Matrix::usual(size),
        }
    }
}

/// A stream that breaks its codec's rules.
pub(super) fn malformed(what: impl std::fmt::Display) -> MediaError {
    MediaError::malformed(Format::Mp4, what.to_string())
}

/// A size that a codec gives in lengths.
pub(super) fn dimensions(width: usize, height: usize) -> Result<Dimensions, MediaError> {
    let side = |length| u32::try_from(length).map_err(|_| malformed("a picture too large"));
    Ok(Dimensions::new(side(width)?, side(height)?))
}

/// Planes of eight bits, checked for their lengths.
pub(super) fn planes(
    size: Dimensions,
    chroma: Chroma,
    colours: Colours,
    [y, cb, cr]: [Vec<u8>; 3],
) -> Result<Planes, MediaError> {
    let (coloured, luma) = (chroma.plane(size).map_or(0, area), area(size));
    if luma == 0 || y.len() != luma || cb.len() != coloured || cr.len() != coloured {
        return Err(MediaError::unsupported(format!(
            "a {size} picture of {} octets of luma",
            y.len()
        )));
    }
    Ok(Planes {
        size,
        chroma,
        full_range: colours.full_range,
        matrix: colours.matrix,
        y,
        cb,
        cr,
    })
}

/// Samples of a plane.
pub(super) fn area(size: Dimensions) -> usize {
    let length = |side| usize::try_from(side).unwrap_or(usize::MAX);
    length(size.width).saturating_mul(length(size.height))
}

/// The part of a plane that begins at `(left, top)`, `width` by `height`, of rows `stride` long;
/// `map` makes octets of its samples. Rows that are not there are left out.
pub(super) fn cut<T: Copy>(
    samples: &[T],
    stride: usize,
    (left, top): (usize, usize),
    (width, height): (usize, usize),
    map: impl Fn(T) -> u8,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(width.saturating_mul(height));
    for row in samples.chunks(stride.max(1)).skip(top).take(height) {
        let end = left.saturating_add(width);
        let row = row.get(left..end).unwrap_or_default();
        out.extend(row.iter().map(|sample| map(*sample)));
    }
    out
}

/// A sample of `depth` bits, at least eight, as one of eight, rounded.
pub(super) fn narrow(sample: u16, depth: u32) -> u8 {
    let shift = depth.saturating_sub(8).min(8);
    let half = (1_u16 << shift) >> 1;
    u8::try_from(sample.saturating_add(half) >> shift).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_cut_out_of_rows() {
        let samples: Vec<u8> = (0..12).collect();
        assert_eq!(cut(&samples, 4, (1, 1), (2, 2), |s| s), [5, 6, 9, 10]);
        assert_eq!(cut(&samples, 4, (3, 0), (2, 1), |s| s), [0_u8; 0]);
    }

    #[test]
    fn ten_bits_are_rounded_to_eight() {
        assert_eq!(narrow(1023, 10), 255);
        assert_eq!(narrow(513, 10), 128);
        assert_eq!(narrow(514, 10), 129);
        assert_eq!(narrow(77, 8), 77);
    }

    #[test]
    fn planes_are_whole_or_refused() {
        let size = Dimensions::new(3, 3);
        let colours = Colours::usual(size);
        let made = |chroma: usize| {
            let chroma = vec![0; chroma];
            planes(
                size,
                Chroma::Half,
                colours,
                [vec![0; 9], chroma.clone(), chroma],
            )
        };
        assert!(made(4).is_ok());
        assert!(made(3).is_err());
    }
}

//! Which frame of an animation stands for all of it where there can be only one.

use crate::media::picture::{Frame, Layout, Picture};

/// Frames looked at for one that tells more than the first.
pub(super) const LOOK: usize = 40;

/// Detail, in hundredths of a level for each pair of neighbours, that is enough: what fades in or
/// is blank has less, a drawing and a photograph have more.
const ENOUGH: u64 = 100;

/// Whether a frame shows enough for others not to be looked at.
pub(super) fn is_rich(frame: &Frame) -> bool {
    detail(&frame.picture) >= ENOUGH
}

/// Whether `other`, a later frame, tells clearly more than `frame`.
pub(super) fn tells_more(frame: &Frame, other: &Frame) -> bool {
    detail(&other.picture) * 2 > detail(&frame.picture) * 3
}

/// The place of the frame that stands for all: the first one, unless it shows little and another
/// of the first [`LOOK`] clearly more.
pub(super) fn place(frames: &[Frame]) -> usize {
    let mut best: Option<(usize, &Frame)> = None;
    for (at, frame) in frames.iter().enumerate().take(LOOK) {
        match best {
            Some((_, before)) if !tells_more(before, frame) => {}
            _ => best = Some((at, frame)),
        }
        if best.is_some_and(|(_, frame)| is_rich(frame)) {
            break;
        }
    }
    best.map_or(0, |(at, _)| at)
}

/// The mean difference of neighbours in a row, in hundredths of a level.
fn detail(picture: &Picture) -> u64 {
    let channels = picture.layout().channels();
    let mut sum = 0_u64;
    let mut pairs = 0_u64;
    for row in picture.rows() {
        let before = row.chunks_exact(channels);
        let after = row.chunks_exact(channels).skip(1);
        for (before, after) in before.zip(after) {
            let channel = match picture.layout() {
                Layout::Grey8 => 0,
                Layout::Rgb8 | Layout::Rgba8 => 1,
            };
            let level = |pixel: &[u8]| match pixel {
                [.., 0] if channels == 4 => 255,
                _ => pixel.get(channel).copied().unwrap_or(0),
            };
            sum += u64::from(level(before).abs_diff(level(after)));
            pairs += 1;
        }
    }
    (sum * 100).checked_div(pairs).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;

    /// Stripes of so much contrast.
    fn stripes(contrast: u8) -> Frame {
        let data = (0..64_u8).map(|at| (at % 2) * contrast).collect();
        Frame {
            picture: Picture::new(Dimensions::new(8, 8), Layout::Grey8, data).unwrap(),
            delay_ms: 50,
        }
    }

    #[test]
    fn the_first_stands_for_all_unless_it_shows_nothing() {
        assert_eq!(place(&[stripes(40), stripes(200)]), 0);
        assert_eq!(
            place(&[stripes(0), stripes(0), stripes(60), stripes(90)]),
            2
        );
        assert_eq!(place(&[stripes(0), stripes(0)]), 0);
        assert_eq!(place(&[]), 0);
    }

    #[test]
    fn what_is_transparent_is_no_detail() {
        let data = (0..64_u8).flat_map(|at| [0, at * 3, 0, 0]).collect();
        let picture = Picture::new(Dimensions::new(8, 8), Layout::Rgba8, data).unwrap();
        assert_eq!(detail(&picture), 0);
    }
}

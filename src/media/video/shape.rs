//! Frames turned upright, scaled, and centred, in the colours that every encoder here writes.

use fast_image_resize as fir;

use super::colour;
use crate::dimensions::Dimensions;
use crate::media::error::MediaError;
use crate::media::picture::{Chroma, Planes, VideoFrame};

/// Makes frames of one size of frames of another.
pub(super) struct Shaper {
    orientation: u8,
    pixel_aspect: (u32, u32),
    size: Dimensions,
    resizer: fir::Resizer,
}

/// Limited range: black.
const BLACK: u8 = 16;
/// No colour.
const NEUTRAL: u8 = 128;

impl Shaper {
    /// Turns by an EXIF `orientation`, stretches pixels of width to height `pixel_aspect` to
    /// squares, and fits into `size`, both sides even.
    pub(super) fn new(orientation: u8, pixel_aspect: Option<(u32, u32)>, size: Dimensions) -> Self {
        Self {
            orientation,
            pixel_aspect: pixel_aspect.unwrap_or((1, 1)),
            size,
            resizer: fir::Resizer::new(),
        }
    }

    /// A frame in 4:2:0, BT.601, limited range.
    ///
    /// # Errors
    ///
    /// [`MediaError::Unsupported`] for planes that are not of their size.
    pub(super) fn shape(&mut self, planes: &Planes) -> Result<Planes, MediaError> {
        let shown = shown_size(planes.size, self.orientation, Some(self.pixel_aspect));
        let inner = inside(shown, self.size);
        let scaled = self.scale(planes, turned(inner, self.orientation))?;
        let mut upright = turn(scaled, self.orientation);
        colour::to_video(&mut upright);
        Ok(centred(upright, self.size))
    }

    /// Frames as [`shape`](Self::shape) makes them, with the times they have.
    ///
    /// # Errors
    ///
    /// Those of [`shape`](Self::shape).
    pub(super) fn shape_all(
        &mut self,
        frames: Vec<VideoFrame>,
    ) -> Result<Vec<VideoFrame>, MediaError> {
        let shaped = frames.into_iter().map(|frame| {
            Ok(VideoFrame {
                planes: self.shape(&frame.planes)?,
                timestamp_us: frame.timestamp_us,
            })
        });
        shaped.collect()
    }

    fn scale(&mut self, planes: &Planes, to: Dimensions) -> Result<Planes, MediaError> {
        let chroma = Chroma::Half.plane(to).unwrap_or(to);
        let colour = planes.chroma.plane(planes.size);
        let mut plane = |samples: &[u8], from| match colour {
            Some(_) => self.plane(samples, from, chroma),
            None => Ok(vec![NEUTRAL; area(chroma)]),
        };
        let from = colour.unwrap_or(planes.size);
        let (cb, cr) = (plane(&planes.cb, from)?, plane(&planes.cr, from)?);
        Ok(Planes {
            size: to,
            chroma: Chroma::Half,
            full_range: planes.full_range,
            matrix: planes.matrix,
            y: self.plane(&planes.y, planes.size, to)?,
            cb,
            cr,
        })
    }

    fn plane(
        &mut self,
        samples: &[u8],
        from: Dimensions,
        to: Dimensions,
    ) -> Result<Vec<u8>, MediaError> {
        if from == to {
            return Ok(samples.to_vec());
        }
        let failed =
            |error: &dyn std::fmt::Display| MediaError::unsupported(format!("scaling: {error}"));
        let kind = fir::PixelType::U8;
        let source = fir::images::ImageRef::new(from.width, from.height, samples, kind)
            .map_err(|error| failed(&error))?;
        let mut target = fir::images::Image::new(to.width, to.height, kind);
        // The filters widen with the ratio, so that nothing aliases. Far down, the shorter one is
        // as sharp as the few pixels can show and rings less, which costs fewer bits.
        let far = from.width > to.width.saturating_mul(2);
        let filter = if far {
            fir::FilterType::Hamming
        } else {
            fir::FilterType::CatmullRom
        };
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(filter))
            .use_alpha(false);
        self.resizer
            .resize(&source, &mut target, &options)
            .map_err(|error| failed(&error))?;
        Ok(target.into_vec())
    }
}

/// Pixels as they are shown, square: turned and stretched. What pixels are too narrow is made less
/// high and not wider, so that nothing is made up.
pub(super) fn shown_size(
    coded: Dimensions,
    orientation: u8,
    pixel_aspect: Option<(u32, u32)>,
) -> Dimensions {
    let (across, down) = pixel_aspect
        .filter(|(a, b)| *a > 0 && *b > 0)
        .unwrap_or((1, 1));
    let scaled = |side: u32, by: u32, of: u32| {
        let value = u64::from(side).saturating_mul(u64::from(by)) / u64::from(of.max(1));
        u32::try_from(value).unwrap_or(u32::MAX).max(2)
    };
    let square = if across > down {
        Dimensions::new(coded.width, scaled(coded.height, down, across))
    } else if across < down {
        Dimensions::new(scaled(coded.width, across, down), coded.height)
    } else {
        coded
    };
    turned(square, orientation)
}

/// `size` with its sides swapped where `orientation` turns by a quarter.
pub(super) const fn turned(size: Dimensions, orientation: u8) -> Dimensions {
    if orientation >= 5 {
        Dimensions::new(size.height, size.width)
    } else {
        size
    }
}

/// The largest even size of the shape of `shown` inside `outer`, and not above `shown`. Shapes
/// that differ by three hundredths at most are taken for the same.
pub(super) fn inside(shown: Dimensions, outer: Dimensions) -> Dimensions {
    let even = |side: u64, most: u32| {
        let most = u64::from(most.max(2));
        u32::try_from((side.min(most) / 2).max(1).saturating_mul(2)).unwrap_or(2)
    };
    let (width, height) = (
        u64::from(shown.width.max(1)),
        u64::from(shown.height.max(1)),
    );
    let (most_width, most_height) = (u64::from(outer.width), u64::from(outer.height));
    if width <= most_width && height <= most_height {
        return Dimensions::new(even(width, outer.width), even(height, outer.height));
    }
    // Rounded to the nearest even number.
    let part = |a: u64, b: u64, c: u64| a.saturating_mul(b).saturating_add(c) / c;
    let (fit_width, fit_height) =
        if width.saturating_mul(most_height) >= height.saturating_mul(most_width) {
            (most_width, part(height, most_width, width))
        } else {
            (part(width, most_height, height), most_height)
        };
    let near = |side: u64, most: u64| {
        if side.saturating_mul(100) >= most.saturating_mul(97) {
            most
        } else {
            side
        }
    };
    let (fit_width, fit_height) = (near(fit_width, most_width), near(fit_height, most_height));
    Dimensions::new(
        even(fit_width.min(width), outer.width),
        even(fit_height.min(height), outer.height),
    )
}

/// Turns and mirrors planes stored with an EXIF `orientation` so that they are upright.
fn turn(planes: Planes, orientation: u8) -> Planes {
    if !(2..=8).contains(&orientation) {
        return planes;
    }
    let chroma = planes.chroma.plane(planes.size).unwrap_or(planes.size);
    Planes {
        size: turned(planes.size, orientation),
        y: turn_plane(&planes.y, planes.size, orientation),
        cb: turn_plane(&planes.cb, chroma, orientation),
        cr: turn_plane(&planes.cr, chroma, orientation),
        ..planes
    }
}

fn turn_plane(samples: &[u8], size: Dimensions, orientation: u8) -> Vec<u8> {
    let (width, height) = (length(size.width), length(size.height));
    let rows = samples.chunks_exact(width.max(1));
    let mut out = Vec::with_capacity(samples.len());
    match orientation {
        2 => rows.for_each(|row| out.extend(row.iter().rev())),
        3 => rows.rev().for_each(|row| out.extend(row.iter().rev())),
        4 => rows.rev().for_each(|row| out.extend(row)),
        _ => {
            // Columns become rows: 5 and 8 read them down, 6 and 7 up; 5 and 6 from the left.
            let column = |x: usize| samples.iter().skip(x).step_by(width.max(1)).take(height);
            for x in 0..width {
                let from_right = width.saturating_sub(1).saturating_sub(x);
                match orientation {
                    5 => out.extend(column(x)),
                    6 => out.extend(column(x).rev()),
                    7 => out.extend(column(from_right).rev()),
                    _ => out.extend(column(from_right)),
                }
            }
        }
    }
    out
}

/// Puts planes into the middle of black ones.
fn centred(planes: Planes, size: Dimensions) -> Planes {
    if planes.size == size {
        return planes;
    }
    let margin = |outer: u32, inner: u32| outer.saturating_sub(inner) / 4 * 2;
    let left = margin(size.width, planes.size.width);
    let top = margin(size.height, planes.size.height);
    let (outer, inner) = (
        Chroma::Half.plane(size).unwrap_or(size),
        Chroma::Half.plane(planes.size).unwrap_or(planes.size),
    );
    let place = |samples: &[u8], inner: Dimensions, outer: Dimensions, at: (u32, u32), fill| {
        let mut out = vec![fill; area(outer)];
        let rows = samples.chunks_exact(length(inner.width).max(1));
        let targets = out
            .chunks_exact_mut(length(outer.width).max(1))
            .skip(length(at.1));
        for (target, row) in targets.zip(rows) {
            let window = target.iter_mut().skip(length(at.0));
            window.zip(row).for_each(|(to, from)| *to = *from);
        }
        out
    };
    let half = (left / 2, top / 2);
    Planes {
        size,
        y: place(&planes.y, planes.size, size, (left, top), BLACK),
        cb: place(&planes.cb, inner, outer, half, NEUTRAL),
        cr: place(&planes.cr, inner, outer, half, NEUTRAL),
        ..planes
    }
}

fn length(side: u32) -> usize {
    usize::try_from(side).unwrap_or(usize::MAX)
}

fn area(size: Dimensions) -> usize {
    length(size.width).saturating_mul(length(size.height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::picture::Matrix;

    fn size(width: u32, height: u32) -> Dimensions {
        Dimensions::new(width, height)
    }

    #[test]
    fn shapes_are_kept_and_nothing_is_enlarged() {
        assert_eq!(inside(size(1920, 1080), size(176, 144)), size(176, 100));
        assert_eq!(inside(size(640, 480), size(176, 144)), size(176, 132));
        assert_eq!(inside(size(480, 640), size(176, 144)), size(108, 144));
        assert_eq!(inside(size(160, 120), size(176, 144)), size(160, 120));
        // 5:4 is near enough to 11:9.
        assert_eq!(inside(size(720, 576), size(176, 144)), size(176, 144));
        assert_eq!(inside(size(1, 9000), size(176, 144)), size(2, 144));
    }

    #[test]
    fn pixels_that_are_not_square_are_made_so() {
        assert_eq!(
            shown_size(size(720, 576), 1, Some((16, 11))),
            size(720, 396)
        );
        assert_eq!(shown_size(size(720, 480), 6, Some((8, 9))), size(480, 640));
        assert_eq!(shown_size(size(176, 144), 1, Some((0, 7))), size(176, 144));
    }

    #[test]
    fn planes_turn_as_pictures_do() {
        // 1 2 3
        // 4 5 6
        let plane = [1, 2, 3, 4, 5, 6];
        let turned = |orientation| turn_plane(&plane, size(3, 2), orientation);
        assert_eq!(turned(2), [3, 2, 1, 6, 5, 4]);
        assert_eq!(turned(3), [6, 5, 4, 3, 2, 1]);
        assert_eq!(turned(4), [4, 5, 6, 1, 2, 3]);
        assert_eq!(turned(5), [1, 4, 2, 5, 3, 6]);
        assert_eq!(turned(6), [4, 1, 5, 2, 6, 3]);
        assert_eq!(turned(7), [6, 3, 5, 2, 4, 1]);
        assert_eq!(turned(8), [3, 6, 2, 5, 1, 4]);
    }

    #[test]
    fn a_small_picture_lies_in_the_middle_of_black() {
        let planes = Planes {
            size: size(4, 4),
            chroma: Chroma::Half,
            full_range: false,
            matrix: Matrix::Bt601,
            y: vec![200; 16],
            cb: vec![90; 4],
            cr: vec![160; 4],
        };
        let shaped = Shaper::new(1, None, size(8, 8)).shape(&planes).unwrap();
        assert_eq!(shaped.size, size(8, 8));
        let row: Vec<u8> = shaped.y.iter().skip(8 * 2).take(8).copied().collect();
        assert_eq!(row, [16, 16, 200, 200, 200, 200, 16, 16]);
        assert_eq!(shaped.cb.iter().filter(|sample| **sample == 90).count(), 4);
    }

    #[test]
    fn grey_and_full_chroma_become_half() {
        for chroma in [Chroma::None, Chroma::Full, Chroma::HalfWidth] {
            let of = chroma.plane(size(64, 64)).map_or(0, area);
            let planes = Planes {
                size: size(64, 64),
                chroma,
                full_range: false,
                matrix: Matrix::Bt601,
                y: vec![100; 64 * 64],
                cb: vec![128; of],
                cr: vec![128; of],
            };
            let shaped = Shaper::new(1, None, size(16, 16)).shape(&planes).unwrap();
            assert_eq!(shaped.y, vec![100; 256]);
            assert_eq!(shaped.cb, vec![128; 64]);
        }
    }
}

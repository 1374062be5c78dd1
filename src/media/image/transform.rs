//! Changing pixels: scaling, turning, flattening.

use fast_image_resize as fir;

use crate::dimensions::Dimensions;
use crate::media::error::MediaError;
use crate::media::picture::{Layout, Picture, octets};

/// The largest size of the shape of `shown` that `max_box` holds either way round. Never larger
/// than `shown`; no side is less than 1.
#[must_use]
pub fn fit_box(shown: Dimensions, max_box: Dimensions) -> Dimensions {
    if max_box.holds(shown) {
        return shown;
    }
    let limit = max_box.oriented_like(shown);
    let (width, height) = (u64::from(shown.width), u64::from(shown.height));
    let (limit_width, limit_height) = (u64::from(limit.width), u64::from(limit.height));
    let side = |value: u64, limit: u32| u32::try_from(value).unwrap_or(u32::MAX).min(limit).max(1);
    let scaled = |other: u64, limit: u64, by: u64| {
        let by = by.max(1);
        other.saturating_mul(limit).saturating_add(by / 2) / by
    };
    if width.saturating_mul(limit_height) >= height.saturating_mul(limit_width) {
        Dimensions::new(
            side(limit_width, limit.width.min(shown.width)),
            side(
                scaled(height, limit_width, width),
                limit.height.min(shown.height),
            ),
        )
    } else {
        Dimensions::new(
            side(
                scaled(width, limit_height, height),
                limit.width.min(shown.width),
            ),
            side(limit_height, limit.height.min(shown.height)),
        )
    }
}

/// `size` with its sides swapped where `orientation` (EXIF, 1..=8) turns by a quarter.
pub(super) const fn turned(size: Dimensions, orientation: u8) -> Dimensions {
    if orientation >= 5 {
        Dimensions::new(size.height, size.width)
    } else {
        size
    }
}

/// Scales with Lanczos3 in gamma space, alpha multiplied in meanwhile.
pub(super) fn resized(picture: &Picture, to: Dimensions) -> Result<Picture, MediaError> {
    let kind = match picture.layout() {
        Layout::Grey8 => fir::PixelType::U8,
        Layout::Rgb8 => fir::PixelType::U8x3,
        Layout::Rgba8 => fir::PixelType::U8x4,
    };
    let failed =
        |error: &dyn std::fmt::Display| MediaError::unsupported(format!("scaling: {error}"));
    let size = picture.size();
    let source = fir::images::ImageRef::new(size.width, size.height, picture.data(), kind)
        .map_err(|error| failed(&error))?;
    let mut target = fir::images::Image::new(to.width, to.height, kind);
    let options = fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3))
        .use_alpha(true);
    fir::Resizer::new()
        .resize(&source, &mut target, &options)
        .map_err(|error| failed(&error))?;
    Picture::new(to, picture.layout(), target.into_vec())
}

/// Turns and mirrors a picture stored with an EXIF `orientation` so that it is upright.
pub(super) fn upright(picture: Picture, orientation: u8) -> Result<Picture, MediaError> {
    if !(2..=8).contains(&orientation) {
        return Ok(picture);
    }
    let stored = picture.size();
    let shown = turned(stored, orientation);
    let channels = picture.layout().channels();
    let (right, bottom) = (
        stored.width.saturating_sub(1),
        stored.height.saturating_sub(1),
    );
    let mut data = Vec::with_capacity(octets(shown, picture.layout()).unwrap_or(0));
    for y in 0..shown.height {
        for x in 0..shown.width {
            let (from_x, from_y) = match orientation {
                2 => (right.saturating_sub(x), y),
                3 => (right.saturating_sub(x), bottom.saturating_sub(y)),
                4 => (x, bottom.saturating_sub(y)),
                5 => (y, x),
                6 => (y, bottom.saturating_sub(x)),
                7 => (right.saturating_sub(y), bottom.saturating_sub(x)),
                _ => (right.saturating_sub(y), x),
            };
            let at = (index(from_y) * index(stored.width) + index(from_x)) * channels;
            if let Some(pixel) = picture.data().get(at..at + channels) {
                data.extend_from_slice(pixel);
            }
        }
    }
    Picture::new(shown, picture.layout(), data)
}

/// Puts a picture on white where it has alpha.
pub(super) fn flatten(picture: &Picture) -> Result<Picture, MediaError> {
    if picture.layout() != Layout::Rgba8 {
        return Ok(picture.clone());
    }
    let mut data = Vec::with_capacity(octets(picture.size(), Layout::Rgb8).unwrap_or(0));
    for pixel in picture.pixels() {
        let (colour, alpha) = pixel.split_at(3);
        let alpha = u32::from(alpha.first().copied().unwrap_or(255));
        for &channel in colour {
            let mixed = u32::from(channel) * alpha + 255 * (255 - alpha);
            data.push(u8::try_from((mixed + 127) / 255).unwrap_or(255));
        }
    }
    Picture::new(picture.size(), Layout::Rgb8, data)
}

/// Drops alpha that hides nothing, and colour that is grey all over.
pub(super) fn simplify(picture: Picture) -> Result<Picture, MediaError> {
    let size = picture.size();
    let picture = if picture.layout() == Layout::Rgba8
        && picture
            .data()
            .as_chunks()
            .0
            .iter()
            .all(|&[.., alpha]: &[u8; 4]| alpha == 255)
    {
        let mut data = vec![0; octets(size, Layout::Rgb8).unwrap_or(0)];
        let (pixels, _) = picture.data().as_chunks();
        let (opaque, _) = data.as_chunks_mut();
        for (opaque, &[red, green, blue, _]) in opaque.iter_mut().zip(pixels) {
            *opaque = [red, green, blue];
        }
        Picture::new(size, Layout::Rgb8, data)?
    } else {
        picture
    };
    let (pixels, _) = picture.data().as_chunks();
    let grey = |&[red, green, blue]: &[u8; 3]| red == green && green == blue;
    if picture.layout() == Layout::Rgb8 && pixels.iter().all(grey) {
        let data = pixels.iter().map(|&[level, ..]| level).collect();
        return Picture::new(size, Layout::Grey8, data);
    }
    Ok(picture)
}

/// The picture with red, green and blue, and alpha where it has any.
pub(super) fn luma(picture: &Picture) -> Result<Picture, MediaError> {
    let flat = flatten(picture)?;
    if flat.layout() == Layout::Grey8 {
        return Ok(flat);
    }
    let data = flat
        .pixels()
        .map(|pixel| match pixel {
            // BT.601 weights in 1/65536.
            [r, g, b] => {
                let sum = 19_595 * u32::from(*r) + 38_470 * u32::from(*g) + 7_471 * u32::from(*b);
                u8::try_from((sum + 32_768) >> 16).unwrap_or(255)
            }
            _ => 255,
        })
        .collect();
    Picture::new(flat.size(), Layout::Grey8, data)
}

/// A count of pixels as an index.
pub(super) fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width: u32, height: u32) -> Dimensions {
        Dimensions::new(width, height)
    }

    #[test]
    fn the_box_is_unoriented_and_never_enlarges() {
        let vga = size(640, 480);
        assert_eq!(fit_box(size(4000, 3000), vga), size(640, 480));
        assert_eq!(fit_box(size(3000, 4000), vga), size(480, 640));
        assert_eq!(fit_box(size(320, 200), vga), size(320, 200));
        assert_eq!(fit_box(size(500, 500), vga), size(480, 480));
        assert_eq!(fit_box(size(450, 600), vga), size(450, 600));
        assert_eq!(fit_box(size(20_000, 2), vga), size(640, 1));
        assert_eq!(fit_box(size(1, 20_000), vga), size(1, 640));
    }

    #[test]
    fn a_box_of_any_shape_holds_what_is_fitted() {
        for width in [1, 2, 37, 101, 640, 999] {
            for height in [1, 3, 41, 100, 481, 998] {
                for side in [1, 7, 64, 128] {
                    let shown = size(width, height);
                    let limit = size(side, side * 2);
                    assert!(limit.holds(fit_box(shown, limit)), "{shown} in {limit}");
                }
            }
        }
    }

    #[test]
    fn the_eight_orientations() {
        // Upright:  1 2 3
        //           4 5 6
        let upright_data = vec![1, 2, 3, 4, 5, 6];
        let stored: [(u8, Dimensions, [u8; 6]); 8] = [
            (1, size(3, 2), [1, 2, 3, 4, 5, 6]),
            (2, size(3, 2), [3, 2, 1, 6, 5, 4]),
            (3, size(3, 2), [6, 5, 4, 3, 2, 1]),
            (4, size(3, 2), [4, 5, 6, 1, 2, 3]),
            (5, size(2, 3), [1, 4, 2, 5, 3, 6]),
            (6, size(2, 3), [3, 6, 2, 5, 1, 4]),
            (7, size(2, 3), [6, 3, 5, 2, 4, 1]),
            (8, size(2, 3), [4, 1, 5, 2, 6, 3]),
        ];
        for (orientation, stored_size, data) in stored {
            let picture = Picture::new(stored_size, Layout::Grey8, data.to_vec()).unwrap();
            let shown = upright(picture, orientation).unwrap();
            assert_eq!(shown.size(), size(3, 2), "orientation {orientation}");
            assert_eq!(shown.data(), upright_data, "orientation {orientation}");
        }
    }

    #[test]
    fn transparency_becomes_white() {
        let picture =
            Picture::new(size(2, 1), Layout::Rgba8, vec![10, 20, 30, 0, 0, 0, 0, 128]).unwrap();
        let flat = flatten(&picture).unwrap();
        assert_eq!(flat.data(), [255, 255, 255, 127, 127, 127]);
    }

    #[test]
    fn needless_channels_go() {
        let opaque = Picture::new(size(1, 1), Layout::Rgba8, vec![1, 2, 3, 255]).unwrap();
        assert_eq!(simplify(opaque).unwrap().layout(), Layout::Rgb8);
        let grey = Picture::new(size(1, 1), Layout::Rgba8, vec![7, 7, 7, 255]).unwrap();
        assert_eq!(simplify(grey).unwrap().data(), [7]);
    }
}

//! Photograph or graphic, and the format that does better by it.
//!
//! JPEG blurs the edges of what is drawn, and a palette or a lossless file holds a photograph in
//! many times the octets. What a picture is shows in its pixels: a photograph has hardly two
//! neighbours that are the same, and of a drawing or a screenshot most are.

use super::estimate::estimate;
use super::palette::few_rgba;
use super::source::Source;
use super::target::{Encoded, ImageTarget};
use super::transform::fit_box;
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::error::MediaError;
use crate::media::fit::{side_ratio, utility};
use crate::media::info::{Format, MediaInfo, MediaKind};
use crate::media::picture::{Layout, Picture};

/// What a picture looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something that a camera saw, or that is painted as finely.
    Photograph,
    /// A drawing, text, or a screenshot.
    Graphic,
}

impl Kind {
    /// Of these pixels.
    #[must_use]
    pub fn of(picture: &Picture) -> Self {
        if few_rgba(picture, DRAWN).is_some() || flat_share(picture) >= FLAT {
            Self::Graphic
        } else {
            Self::Photograph
        }
    }

    /// What it is called in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Photograph => "a photograph",
            Self::Graphic => "a graphic",
        }
    }
}

/// The share of flat pixels from which on a picture is a graphic. At 320x240, photographs of the
/// corpus have up to 0.12 and drawings and screenshots from 0.2 to 0.98.
const FLAT: f64 = 0.15;

/// Colours that only a graphic is so few of.
const DRAWN: usize = 64;

/// The share of pixels that are the same as the one to the left and the one above.
fn flat_share(picture: &Picture) -> f64 {
    let channels = picture.layout().channels();
    let width = usize::try_from(picture.size().width).unwrap_or(usize::MAX);
    let mut rows = picture
        .data()
        .chunks_exact(width.saturating_mul(channels).max(1));
    let (mut flat, mut all) = (0_u32, 0_u32);
    let Some(mut above) = rows.next() else {
        return 1.0;
    };
    for row in rows {
        let pixels = row.chunks_exact(channels).zip(above.chunks_exact(channels));
        let lefts = row.chunks_exact(channels);
        for ((pixel, up), left) in pixels.skip(1).zip(lefts) {
            flat = flat.saturating_add(u32::from(pixel == up && pixel == left));
            all = all.saturating_add(1);
        }
        above = row;
    }
    f64::from(flat) / f64::from(all.max(1))
}

/// The quality at which a JPEG looks as good as a file without loss.
const SHARP: u8 = 95;

impl Source {
    /// As [`encode`](Self::encode), or in one of the formats `others`, with all else as `target`
    /// says, where that does better by what the picture is:
    ///
    /// * a photograph, held without loss, becomes a JPEG where it is not expected to fit
    ///   otherwise;
    /// * a graphic becomes a PNG or GIF where it fits without being scaled down. Where it does not,
    ///   it becomes what looks best of that and a JPEG, by size and quality.
    ///
    /// A picture that was a JPEG, moves, or is seen through is encoded as `target` says.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    pub fn encode_either(
        &self,
        target: &ImageTarget,
        others: &[Format],
        cancel: &Cancel,
    ) -> Result<Encoded, MediaError> {
        match self.kind_for(target, others) {
            None => self.encode(target, cancel),
            Some(Kind::Photograph) => self.encode_photograph(target, others, cancel),
            Some(Kind::Graphic) => self.encode_graphic(target, others, cancel),
        }
    }

    /// What the picture is, where there is something to choose by it.
    fn kind_for(&self, target: &ImageTarget, others: &[Format]) -> Option<Kind> {
        let known = matches!(target.format, Format::Jpeg | Format::Png | Format::Gif);
        if others.is_empty() || !known || self.was_planes() {
            return None;
        }
        let [frame] = self.frames() else {
            return None;
        };
        (frame.picture.layout() != Layout::Rgba8).then(|| Kind::of(&frame.picture))
    }

    fn encode_photograph(
        &self,
        target: &ImageTarget,
        others: &[Format],
        cancel: &Cancel,
    ) -> Result<Encoded, MediaError> {
        let fits = || {
            let info = MediaInfo {
                size: Some(self.size()),
                ..MediaInfo::new(Format::Png, MediaKind::Image)
            };
            let whole = estimate(&info, target)
                .last()
                .map_or(0, |point| point.bytes);
            target.max_bytes.is_none_or(|most| whole <= most)
        };
        if target.format == Format::Jpeg || !others.contains(&Format::Jpeg) || fits() {
            return self.encode(target, cancel);
        }
        match self.encode(&with(target, Format::Jpeg), cancel) {
            Err(MediaError::Cancelled) => Err(MediaError::Cancelled),
            Err(_) => self.encode(target, cancel),
            made => made,
        }
    }

    fn encode_graphic(
        &self,
        target: &ImageTarget,
        others: &[Format],
        cancel: &Cancel,
    ) -> Result<Encoded, MediaError> {
        let offered = |format: &Format| *format == target.format || others.contains(format);
        let Some(lossless) = [target.format, Format::Png, Format::Gif]
            .into_iter()
            .filter(|format| *format != Format::Jpeg)
            .find(offered)
        else {
            return self.encode(target, cancel);
        };
        let whole = self.whole(target);
        let sharp = self.encode(&with(target, lossless), cancel);
        let keeps = |sharp: &Encoded| {
            let bounded = target.max_bytes.is_some() || target.format == lossless;
            sharp.size == whole && bounded
        };
        if !offered(&Format::Jpeg)
            || matches!(sharp, Err(MediaError::Cancelled))
            || sharp.as_ref().is_ok_and(keeps)
        {
            return sharp;
        }
        let soft = self.encode(&with(target, Format::Jpeg), cancel);
        let (sharp, soft) = match (sharp, soft) {
            (Ok(sharp), Ok(soft)) => (sharp, soft),
            (_, Err(MediaError::Cancelled)) => return Err(MediaError::Cancelled),
            (Ok(made), Err(_)) | (Err(_), Ok(made)) => return Ok(made),
            (Err(sharp), Err(soft)) => {
                let own = target.format == lossless;
                return Err(if own { sharp } else { soft });
            }
        };
        let encodes = sharp.encodes.saturating_add(soft.encodes);
        let worth = |encoded: &Encoded| {
            let side = side_ratio(encoded.size, whole);
            utility(side, encoded.quality.unwrap_or(SHARP))
        };
        let small = sharp.bytes.len() / 2 <= soft.bytes.len();
        let better = worth(&sharp) >= worth(&soft) && (target.max_bytes.is_some() || small);
        let made = if better { sharp } else { soft };
        Ok(Encoded { encodes, ..made })
    }

    /// The pixels that the picture has where octets do not matter.
    fn whole(&self, target: &ImageTarget) -> Dimensions {
        let limit = target.max_box;
        limit.map_or(self.size(), |limit| fit_box(self.size(), limit))
    }
}

fn with(target: &ImageTarget, format: Format) -> ImageTarget {
    ImageTarget {
        format,
        ..target.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::media::registry::Registry;
    use bytes::Bytes;
    use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};

    const SIZE: Dimensions = Dimensions::new(320, 240);

    fn picture(colour: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
        let pixels = (0..SIZE.height).flat_map(|y| (0..SIZE.width).map(move |x| (x, y)));
        let data = pixels.flat_map(|(x, y)| colour(x, y)).collect();
        Picture::new(SIZE, Layout::Rgb8, data).unwrap()
    }

    fn noise(x: u32, y: u32) -> u32 {
        let mixed =
            (x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77)).wrapping_mul(0xC2B2_AE3D);
        mixed ^ mixed >> 15
    }

    /// A window with a bar, lines of text and a shaded heading.
    fn screenshot() -> Picture {
        picture(|x, y| {
            let level = u8::try_from(x * 255 / SIZE.width).unwrap();
            match (x, y) {
                (_, 0..18) => [level, 90, 255 - level],
                (0..60, _) => [225, 228, 235],
                _ if y % 12 < 7 && x % 6 < 5 && noise(x / 2, y).is_multiple_of(3) => [20, 20, 24],
                _ => [255, 255, 255],
            }
        })
    }

    fn photograph() -> Picture {
        picture(|x, y| {
            let shape = (x * x / 90 + y * y / 70) % 150 + noise(x, y) % 24;
            [shape, shape * 4 / 5, shape / 2 + 40].map(|level| u8::try_from(level).unwrap())
        })
    }

    fn source(picture: &Picture) -> Source {
        Source::of_picture(picture.clone(), &Registry::builtin())
    }

    fn target(format: Format, max_bytes: Option<u64>) -> ImageTarget {
        ImageTarget {
            max_bytes,
            ..ImageTarget::new(format)
        }
    }

    fn shown(encoded: &Encoded) -> Picture {
        let data = Bytes::from(encoded.bytes.clone());
        let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
        let format = encoded.format;
        let source = Source::open(&data, format, &registry, &limits, &cancel, None).unwrap();
        source.frames()[0].picture.clone()
    }

    /// SSIMULACRA2, 100 being the same.
    fn score(original: &Picture, encoded: &Encoded) -> f64 {
        let shown = shown(encoded);
        assert_eq!(shown.size(), SIZE);
        let (original, shown) = [original, &shown]
            .map(|picture| picture.pixels().flat_map(rgb).collect::<Vec<u8>>())
            .into();
        let slice =
            |data| PixelSlice::new(data, 320, 240, 320 * 3, PixelDescriptor::RGB8_SRGB).unwrap();
        compute_ssimulacra2(&slice(&original), &slice(&shown)).unwrap()
    }

    fn rgb(pixel: &[u8]) -> [u8; 3] {
        match *pixel {
            [grey] => [grey; 3],
            [red, green, blue, ..] => [red, green, blue],
            _ => [0; 3],
        }
    }

    #[test]
    fn kinds_are_told_by_their_pixels() {
        assert_eq!(Kind::of(&screenshot()), Kind::Graphic);
        assert_eq!(Kind::of(&photograph()), Kind::Photograph);
        let few = picture(|x, y| [u8::try_from(noise(x, y) % 50).unwrap(); 3]);
        assert_eq!(Kind::of(&few), Kind::Graphic);
        let one = Picture::new(Dimensions::new(1, 1), Layout::Grey8, vec![9]).unwrap();
        assert_eq!(Kind::of(&one), Kind::Graphic);
    }

    #[test]
    fn a_screenshot_stays_sharp() {
        let original = screenshot();
        let target = target(Format::Jpeg, Some(14_000));
        let soft = source(&original).encode(&target, &Cancel::new()).unwrap();
        let made = source(&original)
            .encode_either(&target, &[Format::Gif, Format::Png], &Cancel::new())
            .unwrap();
        assert_eq!((made.format, made.size), (Format::Png, SIZE));
        assert!(made.bytes.len() <= 14_000);
        let score = |encoded| score(&original, encoded);
        let (sharp, soft) = (
            score(&made),
            if soft.size == SIZE { score(&soft) } else { 0.0 },
        );
        println!("{sharp:.1} and {soft:.1}");
        assert!(sharp > 85.0 && sharp > soft + 5.0, "{sharp} {soft}");
    }

    #[test]
    fn a_photograph_becomes_a_jpeg_where_it_would_have_to_shrink() {
        let source = source(&photograph());
        let cancel = Cancel::new();
        let own = target(Format::Png, Some(40_000));
        let either = |target: &ImageTarget, others: &[Format]| {
            source.encode_either(target, others, &cancel).unwrap()
        };
        let made = either(&own, &[Format::Jpeg]);
        assert_eq!((made.format, made.size), (Format::Jpeg, SIZE));
        let alone = either(&own, &[]);
        assert!(alone.format == Format::Png && alone.size.width < 320);
        let plenty = either(&target(Format::Png, None), &[Format::Jpeg]);
        assert_eq!(plenty.format, Format::Png);
        let jpeg = either(&target(Format::Jpeg, Some(40_000)), &[Format::Png]);
        assert_eq!(
            jpeg,
            source
                .encode(&target(Format::Jpeg, Some(40_000)), &cancel)
                .unwrap()
        );
    }

    #[test]
    fn a_graphic_that_hardly_fits_is_a_jpeg_if_that_looks_better() {
        // Flat enough, and of far more colours and edges than so few octets hold.
        let busy = picture(|x, y| {
            let cell = noise(x / 3, y / 3).to_be_bytes();
            [cell[0], cell[1], cell[2]]
        });
        assert_eq!(Kind::of(&busy), Kind::Graphic);
        let target = target(Format::Png, Some(9_000));
        let png = source(&busy).encode(&target, &Cancel::new()).unwrap();
        let made = source(&busy)
            .encode_either(&target, &[Format::Jpeg], &Cancel::new())
            .unwrap();
        assert!(made.size.width >= png.size.width && made.bytes.len() <= 9_000);
    }

    #[test]
    fn what_is_seen_through_or_was_a_jpeg_is_not_asked() {
        let clear = Picture::new(SIZE, Layout::Rgba8, vec![7; 320 * 240 * 4]).unwrap();
        let own = target(Format::Png, Some(9_000));
        assert_eq!(source(&clear).kind_for(&own, &[Format::Jpeg]), None);
        let jpeg = source(&screenshot())
            .encode(&target(Format::Jpeg, None), &Cancel::new())
            .unwrap();
        let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
        let again = target(Format::Jpeg, Some(9_000));
        let data = Bytes::from(jpeg.bytes);
        let read =
            Source::open_for(&data, Format::Jpeg, &registry, &limits, &cancel, &again).unwrap();
        assert_eq!(read.kind_for(&again, &[Format::Png]), None);
    }
}

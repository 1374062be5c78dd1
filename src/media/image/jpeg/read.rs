//! From a file to small planes, without the picture in between.

use super::header::Header;
use super::idct::Points;
use super::low::{self, Low};
use super::resize::{Scaler, Span};
use super::scan::{Channel, Scan};
use super::upsample;
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::codec::Reduced;
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::picture::{Chroma, Matrix, Planes};

/// Planes read from a file, as stored: not turned yet.
pub(super) struct Reading {
    pub(super) planes: Planes,
    /// What is wrong with the file.
    pub(super) warning: Option<String>,
}

/// Decodes the picture that `header` describes to `size` pixels, its colour sampled as `chroma`
/// says: [`Chroma::Half`] or [`Chroma::Full`]. A grey picture has none.
///
/// A damaged picture is grey where it is lost, with a warning, as long as half of it is there.
/// `None` where the decoder cannot read the file after all.
pub(super) fn planes(
    data: &[u8],
    header: &Header,
    size: Dimensions,
    chroma: Chroma,
    cancel: &Cancel,
) -> Result<Option<Reading>, MediaError> {
    let points = low::points(header, size, chroma);
    if header.is_in_parts() {
        let Some(low) = Low::read(data, header, &points, cancel)? else {
            return Ok(None);
        };
        let planes = low.planes(size, chroma, cancel)?;
        let warning = low.warnings().first().cloned();
        return Ok(planes.map(|planes| Reading { planes, warning }));
    }
    let Some(mut scan) = Scan::<u8>::new(data, header, &points)? else {
        return Ok(None);
    };
    let planes = scaled_planes(&mut scan, header, size, chroma, cancel)?;
    let warning = verdict(scan.damage(), scan.progress())?;
    Ok(Some(Reading { planes, warning }))
}

/// A picture's samples, row of units by row of units.
pub(super) trait UnitRows {
    /// Makes the next row of units; `false` after the last.
    fn next_row(&mut self) -> bool;

    /// The samples that the row made last has of a component, row by row.
    fn component(&self, index: usize) -> &[u8];

    /// Samples of a row of a component.
    fn stride(&self, index: usize) -> usize;

    /// Whether it is not worth going on.
    fn is_hopeless(&self) -> bool {
        false
    }
}

impl UnitRows for Scan<'_, u8> {
    fn next_row(&mut self) -> bool {
        Scan::next_row(self)
    }

    fn component(&self, index: usize) -> &[u8] {
        self.channels().get(index).map_or(&[], Channel::values)
    }

    fn stride(&self, index: usize) -> usize {
        self.channels().get(index).map_or(0, Channel::stride)
    }

    fn is_hopeless(&self) -> bool {
        Scan::is_hopeless(self)
    }
}

/// Scales the samples of the picture that `header` describes, which have the points that
/// [`Plan`] asks for, to planes of `size`.
pub(super) fn scaled_planes(
    rows: &mut impl UnitRows,
    header: &Header,
    size: Dimensions,
    chroma: Chroma,
    cancel: &Cancel,
) -> Result<Planes, MediaError> {
    let plans: Vec<Plan> = (0..header.components.len())
        .filter_map(|index| Plan::new(header, index, size, chroma))
        .collect();
    let mut scalers: Vec<(Scaler, usize)> = plans
        .iter()
        .map(|plan| (Scaler::new(plan.across, plan.down), plan.down.from))
        .collect();
    while rows.next_row() {
        cancel.check()?;
        for (index, (scaler, left)) in scalers.iter_mut().enumerate() {
            let samples = rows.component(index);
            for row in samples.chunks_exact(rows.stride(index).max(1)) {
                if *left == 0 {
                    break;
                }
                scaler.push(row);
                *left -= 1;
            }
        }
        if rows.is_hopeless() {
            break;
        }
    }
    let mut planes = scalers.into_iter().zip(&plans).map(|((scaler, _), plan)| {
        let plane = scaler.finish();
        match plan.double {
            Some((across, down)) => {
                let from = (plan.across.to, plan.down.to);
                upsample::doubled(
                    &plane,
                    from,
                    (side(size.width), side(size.height)),
                    across,
                    down,
                )
            }
            None => plane,
        }
    });
    let (y, cb, cr) = (planes.next(), planes.next(), planes.next());
    Ok(Planes {
        size,
        chroma: if cb.is_some() { chroma } else { Chroma::None },
        full_range: true,
        matrix: Matrix::Bt601,
        y: y.unwrap_or_default(),
        cb: cb.unwrap_or_default(),
        cr: cr.unwrap_or_default(),
    })
}

/// The size of a picture of `full` pixels at so many points for eight.
pub(super) fn scaled(full: Dimensions, points: Points) -> Dimensions {
    let points = u32::try_from(points.count()).unwrap_or(8);
    Dimensions::new(
        (full.width * points).div_ceil(8),
        (full.height * points).div_ceil(8),
    )
}

/// The fewest points that leave a picture of `full` pixels no smaller than `least` on either side.
pub(super) fn fewest(full: Dimensions, least: Dimensions) -> Points {
    [Points::One, Points::Two, Points::Four]
        .into_iter()
        .find(|&points| {
            let size = scaled(full, points);
            size.width >= least.width && size.height >= least.height
        })
        .unwrap_or(Points::Eight)
}

/// Whether enough of the picture is there, and what to say of the rest: of damage first at this
/// octet, and of so many of so many units decoded.
pub(super) fn verdict(
    damage: Option<usize>,
    (decoded, units): (usize, usize),
) -> Result<Option<String>, MediaError> {
    let Some(at) = damage else {
        return Ok(None);
    };
    if decoded.saturating_mul(2) < units {
        let what = format!("only {decoded} of {units} units can be read");
        return Err(MediaError::malformed_at(Format::Jpeg, what, at));
    }
    let lost = units.saturating_sub(decoded);
    Ok(Some(format!(
        "damaged at octet {at}: {lost} of {units} units are lost and grey"
    )))
}

/// What becomes of one component.
pub(super) struct Plan {
    pub(super) points: Points,
    across: Span,
    down: Span,
    /// Whether the plane is then doubled, across and down.
    double: Option<(bool, bool)>,
}

impl Plan {
    pub(super) fn new(
        header: &Header,
        index: usize,
        size: Dimensions,
        chroma: Chroma,
    ) -> Option<Self> {
        let first = header.components.first()?;
        let component = header.components.get(index)?;
        let share = |part: usize, whole: usize| real(part) / real(whole.max(1));
        let across = share(component.across, first.across);
        let down = share(component.down, first.down);
        // What the component has, and what the plane is to have, of the picture's sides.
        let full = (
            f64::from(header.size.width) * across,
            f64::from(header.size.height) * down,
        );
        let half = index > 0 && chroma == Chroma::Half;
        let (shown, plane) = if half {
            let shown = (f64::from(size.width) / 2.0, f64::from(size.height) / 2.0);
            (shown, chroma.plane(size)?)
        } else {
            ((f64::from(size.width), f64::from(size.height)), size)
        };
        let doubles = |share: f64| (share - 0.5).abs() < 1e-6;
        if index > 0
            && chroma == Chroma::Full
            && size == header.size
            && (doubles(across) || doubles(down))
            && (doubles(across) || is_one(across))
            && (doubles(down) || is_one(down))
        {
            let span = |extent: f64| Span {
                from: ceil(extent),
                from_extent: extent,
                to: ceil(extent),
                to_extent: extent,
            };
            return Some(Self {
                points: Points::Eight,
                across: span(full.0),
                down: span(full.1),
                double: Some((doubles(across), doubles(down))),
            });
        }
        // As many points as give the very size need no filter.
        let exact = [Points::One, Points::Two, Points::Four, Points::Eight]
            .into_iter()
            .find(|points| {
                let scale = real(points.count()) / 8.0;
                ceil(full.0 * scale) == side(plane.width)
                    && ceil(full.1 * scale) == side(plane.height)
            });
        let shrink = (full.0 / shown.0).min(full.1 / shown.1);
        let points = exact.unwrap_or_else(|| points_for(shrink));
        let scale = real(points.count()) / 8.0;
        let span = |full: f64, to: u32, shown: f64| Span {
            from: ceil(full * scale),
            from_extent: full * scale,
            to: side(to),
            to_extent: shown,
        };
        Some(Self {
            points,
            across: span(full.0, plane.width, shown.0),
            down: span(full.1, plane.height, shown.1),
            double: None,
        })
    }
}

/// The points for a plane that is shrunk by `shrink`. The transform does not filter as well as what
/// comes after it, so something is left to do: the fewer points, the more.
fn points_for(shrink: f64) -> Points {
    match shrink {
        16.0.. => Points::One,
        6.0.. => Points::Two,
        2.5.. => Points::Four,
        _ => Points::Eight,
    }
}

fn is_one(share: f64) -> bool {
    (share - 1.0).abs() < 1e-6
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths of a picture; out of range saturates"
)]
fn ceil(value: f64) -> usize {
    (value - 1e-9).ceil() as usize
}

#[allow(
    clippy::cast_precision_loss,
    reason = "numbers of blocks and points are small"
)]
fn real(value: usize) -> f64 {
    value as f64
}

fn side(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_leave_something_to_filter() {
        for (shrink, points) in [
            (1.0, Points::Eight),
            (2.4, Points::Eight),
            (3.0, Points::Four),
            (6.25, Points::Two),
            (15.9, Points::Two),
            (40.0, Points::One),
        ] {
            assert_eq!(points_for(shrink), points, "{shrink}");
        }
    }

    #[test]
    fn the_fewest_points_are_not_too_few() {
        let full = Dimensions::new(4000, 3001);
        let fewest = |width, height| fewest(full, Dimensions::new(width, height));
        assert_eq!(fewest(500, 376), Points::One);
        assert_eq!(fewest(501, 100), Points::Two);
        assert_eq!(fewest(100, 752), Points::Four);
        assert_eq!(fewest(4000, 1), Points::Eight);
        assert_eq!(scaled(full, Points::Two), Dimensions::new(1000, 751));
    }

    #[test]
    fn lengths_round_up_but_not_for_noise() {
        assert_eq!([53.375, 54.0, 54.000_000_000_1].map(ceil), [54, 54, 54]);
    }
}

//! Sharing octets between the parts of a message.
//!
//! Every part that can shrink has operating points: predicted sizes with the quality each gives.
//! Starting from every part's smallest point, the part that gains most quality an octet is raised
//! one step, until the octets are spent (water-filling). The search is greedy over each part's
//! upper concave hull, which is where the optimum lies for independent parts.

/// A predicted size and how good the part is at that size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Octets.
    pub bytes: u64,
    /// Seen quality, 0.0..=1.0.
    pub quality: f64,
}

/// Shares `available` octets between parts, each given by its points.
///
/// Returns one budget a part, or `None` where even the smallest points do not fit together. The
/// budgets add up to at most `available`; octets left over when every affordable step is taken go
/// to the parts that are below their largest point, in order.
#[must_use]
pub fn share(parts: &[Vec<Point>], available: u64) -> Option<Vec<u64>> {
    let hulls: Vec<Vec<Point>> = parts.iter().map(|points| hull(points)).collect();
    let mut level = vec![0_usize; hulls.len()];
    let mut budgets: Vec<u64> = hulls
        .iter()
        .map(|hull| hull.first().map_or(0, |point| point.bytes))
        .collect();
    let floors = budgets
        .iter()
        .try_fold(0_u64, |sum, bytes| sum.checked_add(*bytes))?;
    let mut left = available.checked_sub(floors)?;
    while let Some((part, step)) = best_step(&hulls, &level, left) {
        left = left.saturating_sub(step);
        if let (Some(level), Some(budget)) = (level.get_mut(part), budgets.get_mut(part)) {
            *level = level.saturating_add(1);
            *budget = budget.saturating_add(step);
        }
    }
    for (hull, budget) in hulls.iter().zip(&mut budgets) {
        let ceiling = hull.last().map_or(0, |point| point.bytes);
        let gift = ceiling.saturating_sub(*budget).min(left);
        *budget = budget.saturating_add(gift);
        left = left.saturating_sub(gift);
    }
    Some(budgets)
}

/// The affordable step with the best quality an octet; the earlier part where two are equal.
fn best_step(hulls: &[Vec<Point>], level: &[usize], left: u64) -> Option<(usize, u64)> {
    let mut best: Option<(usize, u64, f64)> = None;
    for (part, (hull, level)) in hulls.iter().zip(level).enumerate() {
        let (Some(here), Some(next)) = (hull.get(*level), hull.get(level.saturating_add(1))) else {
            continue;
        };
        let step = next.bytes.saturating_sub(here.bytes);
        let gain = slope(*here, *next);
        if step <= left && best.is_none_or(|(_, _, other)| gain > other) {
            best = Some((part, step, gain));
        }
    }
    best.map(|(part, step, _)| (part, step))
}

/// The points from the smallest size up that lie on the upper concave hull.
fn hull(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.bytes.cmp(&b.bytes).then(b.quality.total_cmp(&a.quality)));
    let mut hull: Vec<Point> = Vec::with_capacity(sorted.len());
    for point in sorted {
        if hull
            .last()
            .is_some_and(|last| point.quality <= last.quality)
        {
            continue;
        }
        while let [.., a, b] = hull.as_slice() {
            if slope(*a, *b) > slope(*b, point) {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

#[allow(
    clippy::cast_precision_loss,
    reason = "sizes of media are far below 2^53"
)]
fn slope(from: Point, to: Point) -> f64 {
    let bytes = to.bytes.saturating_sub(from.bytes).max(1);
    (to.quality - from.quality) / (bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points(pairs: &[(u64, f64)]) -> Vec<Point> {
        pairs
            .iter()
            .map(|&(bytes, quality)| Point { bytes, quality })
            .collect()
    }

    #[test]
    fn one_part_gets_everything_up_to_its_ceiling() {
        let part = points(&[(100, 0.2), (1_000, 0.8), (5_000, 1.0)]);
        assert_eq!(share(std::slice::from_ref(&part), 99), None);
        assert_eq!(share(std::slice::from_ref(&part), 100), Some(vec![100]));
        assert_eq!(share(std::slice::from_ref(&part), 3_000), Some(vec![3_000]));
        assert_eq!(share(&[part], 1 << 40), Some(vec![5_000]));
    }

    #[test]
    fn the_part_that_gains_more_per_octet_is_raised_first() {
        let steep = points(&[(100, 0.1), (200, 0.9), (400, 1.0)]);
        let flat = points(&[(100, 0.1), (1_000, 0.5), (2_000, 1.0)]);
        let budgets = share(&[flat, steep], 700).unwrap();
        assert_eq!(budgets[1], 400, "the cheap steps are taken");
        assert_eq!(
            budgets.iter().sum::<u64>(),
            700,
            "nothing is left lying about"
        );
    }

    #[test]
    fn a_dent_in_the_curve_does_not_stop_the_climb() {
        let dented = points(&[(100, 0.1), (200, 0.11), (300, 0.9)]);
        assert_eq!(share(&[dented], 300), Some(vec![300]));
    }

    proptest! {
        #[test]
        fn budgets_never_exceed_what_there_is(
            parts in prop::collection::vec(
                prop::collection::vec((1_u64..100_000, 0.0_f64..1.0), 1..8), 0..6),
            available in 0_u64..400_000,
        ) {
            let parts: Vec<Vec<Point>> = parts.iter().map(|p| points(p)).collect();
            let floors: u64 =
                parts.iter().map(|p| p.iter().map(|q| q.bytes).min().unwrap()).sum();
            match share(&parts, available) {
                None => prop_assert!(floors > available),
                Some(budgets) => {
                    prop_assert!(budgets.iter().sum::<u64>() <= available);
                    for (budget, points) in budgets.iter().zip(&parts) {
                        let floor = points.iter().map(|q| q.bytes).min().unwrap();
                        prop_assert!(*budget >= floor);
                    }
                }
            }
        }
    }
}

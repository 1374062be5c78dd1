//! Which frames are kept where the target has fewer of them.

/// The times, of `times` in rising order, of the frames to keep so that no more than `millihertz`
/// frames come in 1000 seconds, nor two of them much closer than that.
///
/// Where the source has twice the frames this keeps every other one. Frames keep their times.
pub(super) fn pace(times: &[u64], millihertz: u32) -> Vec<u64> {
    let interval = interval_us(millihertz);
    // Clocks of phones tremble; a frame may be early by an eighth of the interval.
    let early = interval / 8;
    let mut kept: Vec<u64> = Vec::new();
    let mut due = 0;
    for &time in times {
        if let Some(&last) = kept.last()
            && time.saturating_add(early) < due.max(last.saturating_add(interval))
        {
            continue;
        }
        // The grid goes on where the frame is on it, and starts anew after a pause.
        due = if time > due.saturating_add(interval / 2) {
            time.saturating_add(interval)
        } else {
            due.saturating_add(interval)
        };
        kept.push(time);
    }
    kept
}

/// Microseconds from one frame to the next.
pub(super) fn interval_us(millihertz: u32) -> u64 {
    1_000_000_000 / u64::from(millihertz.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(step: u64, count: u64) -> Vec<u64> {
        (0..count).map(|i| i * step).collect()
    }

    #[test]
    fn a_rate_that_is_low_enough_stays() {
        let times = steady(66_733, 100);
        assert_eq!(pace(&times, 15_000), times);
        assert_eq!(pace(&times, 30_000), times);
        assert_eq!(pace(&[], 15_000), [0_u64; 0]);
    }

    #[test]
    fn twice_the_rate_is_halved() {
        let times: Vec<u64> = (0..60).map(|i| i * 33_333 + (i % 3) * 1_500).collect();
        let kept = pace(&times, 15_000);
        assert_eq!(kept.len(), 30);
        assert!(
            kept.iter()
                .zip(times.iter().step_by(2))
                .all(|(a, b)| a == b)
        );
    }

    #[test]
    fn the_mean_rate_is_kept_where_the_rates_do_not_divide() {
        for (step, most) in [(20_000, 15_000_u32), (16_667, 15_000), (40_000, 15_000)] {
            let times = steady(step, 1_000);
            let kept = pace(&times, most);
            let span = step * 1_000;
            let allowed = u64::from(most) * span / 1_000_000_000 + 1;
            assert!(kept.len() as u64 <= allowed, "{step}: {}", kept.len());
            assert!(
                kept.len() as u64 * 10 >= allowed * 8,
                "{step}: {}",
                kept.len()
            );
            assert!(kept.windows(2).all(|pair| pair[1] - pair[0] >= 58_000));
        }
    }

    #[test]
    fn a_pause_does_not_make_up_for_itself() {
        let mut times = steady(33_333, 10);
        times.extend(steady(33_333, 10).iter().map(|time| time + 5_000_000));
        let kept = pace(&times, 15_000);
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] >= 58_000));
        assert!(kept.contains(&5_000_000));
    }
}

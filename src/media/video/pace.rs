//! Which frames are kept where the target has fewer of them.

/// A frame of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// When it is shown, in microseconds.
    pub(super) time: u64,
    /// Whether no other frame refers to it, so that it costs nothing where it is not kept.
    pub(super) disposable: bool,
}

/// Frames kept between two that come late for the sake of not being disposable.
const STEADY: usize = 8;

/// The times, of `frames` in rising order, of those to keep so that no more than `millihertz`
/// frames come in 1000 seconds, nor two of them much closer than that.
///
/// Where the source has twice the frames this keeps every other one. Frames keep their times. Of
/// two frames of which the first is disposable and the second, which must be decoded anyhow, is
/// hardly later, the second is kept, once in a while: coders make every other frame disposable,
/// and now and then change which.
pub(super) fn pace(frames: &[Candidate], millihertz: u32) -> Vec<u64> {
    let interval = interval_us(millihertz);
    // Clocks of phones tremble; a frame may be early by an eighth of the interval.
    let early = interval / 8;
    let late = interval / 3 * 2;
    let mut kept: Vec<u64> = Vec::new();
    let mut due = 0;
    let mut steady = 0;
    let mut left = frames.iter().peekable();
    while let Some(&frame) = left.next() {
        let mut time = frame.time;
        if let Some(&last) = kept.last()
            && time.saturating_add(early) < due.max(last.saturating_add(interval))
        {
            continue;
        }
        steady += 1;
        if frame.disposable
            && steady > STEADY
            && let Some(next) =
                left.next_if(|next| !next.disposable && next.time.saturating_sub(time) <= late)
        {
            time = next.time;
            steady = 0;
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

    /// Of frames all of which others refer to.
    fn pace(times: &[u64], millihertz: u32) -> Vec<u64> {
        let frames: Vec<Candidate> = times
            .iter()
            .map(|&time| Candidate {
                time,
                disposable: false,
            })
            .collect();
        super::pace(&frames, millihertz)
    }

    #[test]
    fn frames_that_must_be_decoded_anyhow_are_preferred_once_in_a_while() {
        // 25 frames a second, every other one disposable, until one is not.
        let frames: Vec<Candidate> = (0..60)
            .map(|i| Candidate {
                time: i * 40_000,
                disposable: if i < 31 { i % 2 == 1 } else { i % 2 == 0 },
            })
            .collect();
        let kept = super::pace(&frames, 15_000);
        let disposable = |time: &u64| frames[(time / 40_000) as usize].disposable;
        assert!(!kept.iter().any(disposable), "{kept:?}");
        let gaps: Vec<u64> = kept.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(gaps.iter().filter(|gap| **gap == 120_000).count(), 1);
        assert!(gaps.iter().all(|gap| [80_000, 120_000].contains(gap)));
        // Two in three disposable: the rate does not fall to that of the third.
        let frames: Vec<Candidate> = (0..300)
            .map(|i| Candidate {
                time: i * 40_000,
                disposable: i % 3 != 0,
            })
            .collect();
        assert!(super::pace(&frames, 15_000).len() >= 140);
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

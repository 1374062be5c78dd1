//! Rates between those that a codec has: frames of two neighbouring ones in turn.

/// A rate and what a frame of it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Bits per second.
    pub(super) rate: u64,
    /// Octets of a frame.
    pub(super) octets: u64,
}

/// The highest rate, no higher than `most`, at which `frames` take no more than `max_bytes`. With
/// `mixed` it may lie between two of the steps, which rise; else it is one of them.
pub(super) fn highest(
    steps: &[Step],
    frames: u64,
    max_bytes: Option<u64>,
    most: u64,
    mixed: bool,
) -> Option<u64> {
    let fits =
        |step: &Step| max_bytes.is_none_or(|bytes| step.octets.saturating_mul(frames) <= bytes);
    let place = steps
        .iter()
        .rposition(|step| step.rate <= most && fits(step))?;
    let low = steps.get(place)?;
    let high = steps.get(place.saturating_add(1));
    let (true, Some(high), Some(bytes)) = (mixed, high.filter(|high| high.rate <= most), max_bytes)
    else {
        return Some(low.rate);
    };
    let spare = bytes.saturating_sub(low.octets.saturating_mul(frames));
    let larger = spare / high.octets.saturating_sub(low.octets).max(1);
    let above = u128::from(high.rate.saturating_sub(low.rate)) * u128::from(larger);
    let above = above / u128::from(frames.max(1));
    Some(low.rate.saturating_add(u64::try_from(above).unwrap_or(0)))
}

/// Octets of `frames` at a rate that [`highest`] gave.
pub(super) fn octets(steps: &[Step], frames: u64, rate: u64) -> u64 {
    let rates: Vec<u64> = steps.iter().map(|step| step.rate).collect();
    let blend = Blend::new(&rates, rate);
    let of = |place: usize| steps.get(place).map_or(0, |step| step.octets);
    let low = of(blend.low);
    let larger = u128::from(frames) * u128::from(blend.above) / u128::from(blend.span);
    let larger = u64::try_from(larger).unwrap_or(u64::MAX);
    let more = of(blend.low.saturating_add(1)).saturating_sub(low);
    frames
        .saturating_mul(low)
        .saturating_add(larger.saturating_mul(more))
}

/// Which rate each frame has, so that after any number of frames the mean is the one asked for, or
/// just below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blend {
    /// Place of the lower rate.
    low: usize,
    /// What is asked for above it, of `span`, its distance from the next.
    above: u64,
    span: u64,
    owed: u64,
}

impl Blend {
    /// The blend of two of `rates`, which rise, for `rate`. One alone where it is one of them, or
    /// beyond their ends.
    pub(super) fn new(rates: &[u64], rate: u64) -> Self {
        let low = rates
            .iter()
            .filter(|known| **known <= rate)
            .count()
            .saturating_sub(1);
        let at = rates.get(low).copied().unwrap_or(rate);
        let next = rates.get(low.saturating_add(1)).copied();
        let (above, span) = next.map_or((0, 1), |next| {
            (rate.saturating_sub(at), next.saturating_sub(at).max(1))
        });
        Self {
            low,
            above,
            span,
            owed: 0,
        }
    }

    /// Place of the next frame's rate.
    pub(super) const fn next(&mut self) -> usize {
        self.owed = self.owed.saturating_add(self.above);
        if self.owed < self.span {
            return self.low;
        }
        self.owed = self.owed.saturating_sub(self.span);
        self.low.saturating_add(1)
    }

    /// The places of the rates that occur.
    pub(super) const fn places(&self) -> std::ops::RangeInclusive<usize> {
        if self.above == 0 {
            self.low..=self.low
        } else {
            self.low..=self.low.saturating_add(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 3] = [
        Step {
            rate: 4_750,
            octets: 13,
        },
        Step {
            rate: 5_150,
            octets: 14,
        },
        Step {
            rate: 5_900,
            octets: 16,
        },
    ];
    const RATES: [u64; 3] = [4_750, 5_150, 5_900];

    #[test]
    fn what_is_left_makes_some_frames_larger() {
        for (bytes, alone, mixed) in [
            (1_299, None, None),
            (1_300, Some(4_750), Some(4_750)),
            (1_399, Some(4_750), Some(5_146)),
            (1_400, Some(5_150), Some(5_150)),
            (1_500, Some(5_150), Some(5_525)),
            (9_999, Some(5_900), Some(5_900)),
        ] {
            let found = |mixed| highest(&STEPS, 100, Some(bytes), 9_000, mixed);
            assert_eq!((found(false), found(true)), (alone, mixed), "{bytes}");
            if let Some(rate) = mixed {
                let taken = octets(&STEPS, 100, rate);
                assert!(taken <= bytes && (taken + 2 > bytes || rate == 5_900));
            }
        }
        assert_eq!(highest(&STEPS, 100, Some(1_399), 5_000, true), Some(4_750));
        assert_eq!(highest(&STEPS, 100, None, 9_000, true), Some(5_900));
    }

    #[test]
    fn the_mean_is_never_passed() {
        for rate in 4_700..6_000 {
            let mut blend = Blend::new(&RATES, rate);
            let mut taken = 0;
            for frame in 1..=300 {
                let place = blend.next();
                assert!(blend.places().contains(&place));
                taken += STEPS[place].octets;
                assert_eq!(taken, octets(&STEPS, frame, rate), "{rate} {frame}");
            }
        }
    }

    #[test]
    fn frames_of_two_rates_take_turns() {
        let mut blend = Blend::new(&RATES, 4_950);
        let places: Vec<usize> = (0..6).map(|_| blend.next()).collect();
        assert_eq!(places, [0, 1, 0, 1, 0, 1]);
        let mut alone = Blend::new(&RATES, 5_150);
        assert!((0..9).all(|_| alone.next() == 1));
        assert_eq!(alone.places(), 1..=1);
    }
}

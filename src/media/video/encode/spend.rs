//! Octets spent by an encoder whose own rate control only aims.

use crate::media::codec::RateTarget;

/// Keeps a sum of packets within what it may be: frames that would pass it are left out, and the
/// one before them is shown to the end.
#[derive(Debug, Clone)]
pub(crate) struct Spend {
    max: u64,
    spent: u64,
    /// A running mean of packets that are no key frames.
    usual: u64,
    /// Whether a packet had to be dropped, after which none can be decoded.
    closed: bool,
}

impl Spend {
    pub(crate) fn new(target: &RateTarget) -> Self {
        Self {
            max: target.max_bytes.unwrap_or(u64::MAX),
            spent: 0,
            usual: 0,
            closed: false,
        }
    }

    /// Whether a frame more is likely to fit.
    pub(crate) fn admits(&self) -> bool {
        !self.closed && self.spent.saturating_add(self.usual) <= self.max
    }

    /// Octets spent so far.
    pub(crate) const fn spent(&self) -> u64 {
        self.spent
    }

    /// Enters a packet; `false` where it must be dropped.
    pub(crate) fn enter(&mut self, length: usize, key: bool) -> bool {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if self.closed || self.spent.saturating_add(length) > self.max {
            self.closed = true;
            return false;
        }
        self.spent = self.spent.saturating_add(length);
        if !key {
            self.usual = if self.usual == 0 {
                length
            } else {
                self.usual.saturating_mul(7).saturating_add(length) / 8
            };
        }
        true
    }
}

/// Octets of `rate` bits per second.
pub(in crate::media::video) fn octets(rate: u64, duration_us: u64) -> u64 {
    let octets = u128::from(rate).saturating_mul(u128::from(duration_us)) / 8_000_000;
    u64::try_from(octets).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_never_passed() {
        let mut spend = Spend::new(&RateTarget {
            max_bytes: Some(100),
            ..RateTarget::default()
        });
        assert!(spend.enter(60, true) && spend.admits());
        assert!(spend.enter(30, false));
        assert!(!spend.admits(), "30 more would be too many");
        assert!(!spend.enter(11, false), "and is dropped where it was made");
        assert!(!spend.enter(1, false), "what follows it cannot be decoded");
        assert_eq!(spend.spent(), 90);
        assert_eq!(octets(64_000, 2_000_000), 16_000);
    }
}

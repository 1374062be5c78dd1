//! The quantised coefficients of a block, chosen by rate and distortion.

use super::bits::BitWriter;
use super::quant::{MAX_LEVEL, Quantised};
use super::vlc::write_tcoef;

/// One coefficient of a block as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Event {
    /// Place in the zigzag.
    pub(super) position: u8,
    /// −127..=127, not 0.
    pub(super) level: i16,
}

impl Event {
    fn new(position: u8, coefficient: i16, magnitude: u16) -> Self {
        let level = magnitude.cast_signed();
        Self {
            position,
            level: if coefficient < 0 {
                level.wrapping_neg()
            } else {
                level
            },
        }
    }
}

/// The quantised coefficients of a block, INTRADC apart.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    events: [Event; 64],
    count: usize,
    /// The zigzag's first place that is coded so: 1 for INTRA blocks, else 0.
    first: u8,
}

impl Levels {
    /// No coefficient.
    pub(super) const EMPTY: Self = Self {
        events: [Event {
            position: 0,
            level: 0,
        }; 64],
        count: 0,
        first: 0,
    };

    /// Forgets all coefficients.
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Whether no coefficient is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All that is sent, in the order of the zigzag.
    pub(super) fn events(&self) -> &[Event] {
        self.events.get(..self.count).unwrap_or_default()
    }

    /// Appends all events.
    pub(super) fn write(&self, to: &mut BitWriter) {
        let mut next = self.first;
        for (index, event) in self.events().iter().enumerate() {
            let run = event.position - next;
            write_tcoef(to, index + 1 == self.count, run, event.level);
            next = event.position + 1;
        }
    }

    /// Chooses among the coefficients of `from`, along the zigzag from place `first` on: each gets
    /// its level or the next lower one, whichever is cheaper, and the one after which the block is
    /// cheapest is the last. Returns what that saves in squared error and bits, weighed, against
    /// sending nothing; never negative.
    ///
    /// To leave out some before the last, too, takes twice the time for 0.02 dB.
    #[inline(never)]
    pub(super) fn choose(&mut self, from: &Quantised<'_>, first: u8) -> i32 {
        self.first = first;
        let (mut next, mut kept, mut cost) = (first, 0, 0i32);
        let (mut lowest, mut count, mut last) = (0, 0, Event::default());
        let mut places = from.places;
        while places != 0 {
            let position = u8::try_from(places.trailing_zeros()).unwrap_or(0) & 63;
            places &= places - 1;
            let run = position.wrapping_sub(next) & 63;
            let (value, nearest) = from.at(position);
            let mut go_on = from.weigh(value, nearest.min(MAX_LEVEL), run);
            let mut end = go_on;
            if from.lower_is_worth_a_try(value, nearest) {
                let lower = from.weigh(value, nearest.min(MAX_LEVEL + 1).wrapping_sub(1), run);
                if lower.more < go_on.more {
                    go_on = lower;
                }
                if lower.last < end.last {
                    end = lower;
                }
            }
            if cost.wrapping_add(end.last) < lowest {
                lowest = cost.wrapping_add(end.last);
                count = kept + 1;
                last = Event::new(position, value, end.level);
            }
            if let Some(event) = self.events.get_mut(kept) {
                *event = Event::new(position, value, go_on.level);
            }
            cost = cost.wrapping_add(go_on.more);
            kept += 1;
            next = position + 1;
        }
        self.count = count;
        if let Some(event) = self.events.get_mut(count.wrapping_sub(1)) {
            *event = last;
        }
        -lowest
    }
}

//! What is decoded and what is shown of a track, known from its table before anything is decoded.

use super::VideoSettings;
use super::pace::pace;
use crate::media::container::{Track, TrackInfo};

/// The frames of a track that are wanted, by the times under which they are decoded.
///
/// Packets have times from 0 on, while samples before the point from which a track is shown have
/// negative ones: all are shifted by the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Microseconds added to the presentation's time.
    shift_us: u64,
    /// Times of the frames that are wanted, shifted, in rising order.
    wanted: Vec<u64>,
    /// Where the track ends, on the presentation's clock.
    end_us: u64,
    /// Samples of the track.
    samples: usize,
}

impl Plan {
    /// For a track that is coded anew with `settings`.
    pub(super) fn new(track: &Track, settings: &VideoSettings) -> Self {
        Self::within(track, settings.millihertz, settings.end_us)
    }

    /// For a track of which `millihertz` frames are wanted in 1000 seconds, up to `end_us`.
    pub(super) fn within(track: &Track, millihertz: u32, end_us: Option<u64>) -> Self {
        let info = &track.info;
        let length_us = micros(info.duration, info.timescale);
        let end_us = length_us.min(end_us.unwrap_or(u64::MAX));
        let mut times: Vec<i64> = track.samples().map(|sample| time_us(info, sample.pts)).collect();
        let samples = times.len();
        times.sort_unstable();
        let shift = times.first().map_or(0, |first| first.min(&0).unsigned_abs());
        // The last frame that begins before the start is the one that is seen at the start.
        let first = times.iter().rev().find(|time| **time <= 0).copied();
        let shown: Vec<u64> = times
            .iter()
            .filter(|time| first.is_none_or(|first| **time >= first))
            .filter_map(|time| u64::try_from(time.saturating_add_unsigned(shift)).ok())
            .take_while(|time| *time < end_us.saturating_add(shift))
            .collect();
        Self {
            shift_us: shift,
            wanted: pace(&shown, millihertz),
            end_us,
            samples,
        }
    }

    /// The time of a packet that is shown at `pts` ticks.
    pub(super) fn packet_us(&self, info: &TrackInfo, pts: i64) -> u64 {
        let time = time_us(info, pts).saturating_add_unsigned(self.shift_us);
        u64::try_from(time).unwrap_or(0)
    }

    /// Whether the frame of that packet is shown.
    pub(super) fn wants(&self, packet_us: u64) -> bool {
        self.wanted.binary_search(&packet_us).is_ok()
    }

    /// Whether no frame is wanted after that packet's.
    pub(super) fn is_over(&self, packet_us: u64) -> bool {
        self.wanted.last().is_none_or(|last| packet_us >= *last)
    }

    /// When the frame of that packet is shown. The first is there from the start on.
    pub(super) fn shown_us(&self, packet_us: u64) -> u64 {
        if self.wanted.first() == Some(&packet_us) {
            return 0;
        }
        packet_us.saturating_sub(self.shift_us)
    }

    /// How many frames are wanted.
    pub(super) fn frames(&self) -> usize {
        self.wanted.len()
    }

    /// Samples of the track, wanted or not.
    pub(super) const fn samples(&self) -> usize {
        self.samples
    }

    /// Where the track ends.
    pub(super) const fn end_us(&self) -> u64 {
        self.end_us
    }
}

/// Ticks in microseconds.
fn micros(ticks: u64, timescale: u32) -> u64 {
    let value = u128::from(ticks).saturating_mul(1_000_000) / u128::from(timescale.max(1));
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn time_us(info: &TrackInfo, ticks: i64) -> i64 {
    let value = i64::try_from(micros(ticks.unsigned_abs(), info.timescale)).unwrap_or(i64::MAX);
    if ticks < 0 {
        value.saturating_neg()
    } else {
        value
    }
}

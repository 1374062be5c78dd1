//! What is decoded and what is shown of a track, known from its table before anything is decoded.

use super::VideoSettings;
use super::decode::Disposable;
use super::pace::{Candidate, pace};
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
        let disposable = Disposable::of(&info.codec);
        let mut times: Vec<(i64, bool)> = track
            .samples()
            .map(|sample| (time_us(info, sample.pts), disposable.is(&sample.data)))
            .collect();
        times.sort_unstable();
        let shift = times
            .first()
            .map_or(0, |(first, _)| first.min(&0).unsigned_abs());
        // The last frame that begins before the start is the one that is seen at the start.
        let first = times.iter().map(|frame| frame.0).rfind(|time| *time <= 0);
        let shown: Vec<Candidate> = times
            .iter()
            .filter(|(time, _)| first.is_none_or(|first| *time >= first))
            .filter_map(|&(time, disposable)| {
                let time = u64::try_from(time.saturating_add_unsigned(shift)).ok()?;
                Some(Candidate { time, disposable })
            })
            .take_while(|frame| frame.time < end_us.saturating_add(shift))
            .collect();
        Self {
            shift_us: shift,
            wanted: pace(&shown, millihertz),
            end_us,
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

    /// Frames in 1000 seconds on the mean.
    pub(super) fn millihertz(&self) -> u32 {
        let frames = u64::try_from(self.wanted.len()).unwrap_or(u64::MAX);
        let (Some(first), Some(last)) = (self.wanted.first(), self.wanted.last()) else {
            return 1;
        };
        // From the first to the last there is one interval less than there are frames.
        let span = last.saturating_sub(*first);
        let (intervals, span) = if frames > 1 {
            (frames.saturating_sub(1), span)
        } else {
            (1, self.end_us)
        };
        let rate = u128::from(intervals).saturating_mul(1_000_000_000) / u128::from(span.max(1));
        u32::try_from(rate).unwrap_or(u32::MAX).max(1)
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dimensions::Dimensions;
    use crate::limits::Limits;
    use crate::media::container::isobmff::{Brand, NewTrack, read, write};
    use crate::media::container::{H263Config, Sample, TrackCodec};

    /// A track of frames at these ticks of a millisecond, each a millisecond's fortieth part.
    fn track(times: &[i64], duration: u64) -> Track {
        let config = H263Config {
            level: 10,
            profile: 0,
            bit_rate: None,
        };
        let size = Dimensions::new(176, 144);
        let mut info = TrackInfo::video(1, TrackCodec::H263(config), 1_000, size);
        info.duration = duration;
        let samples: Vec<Sample> = times
            .iter()
            .map(|time| Sample {
                dts: *time,
                pts: *time,
                duration: 40,
                keyframe: *time <= 0,
                data: Bytes::from_static(&[1]),
            })
            .collect();
        let tracks = [NewTrack {
            info: &info,
            samples: &samples,
        }];
        let file = write(Brand::ThreeGp5, &tracks).unwrap();
        let movie = read(&Bytes::from(file), &Limits::default()).unwrap();
        movie.tracks.into_iter().next().unwrap()
    }

    #[test]
    fn frames_that_are_thinned_out_keep_their_times() {
        let track = track(&[0, 40, 80, 120, 160], 200);
        let plan = Plan::within(&track, 15_000, None);
        assert_eq!((plan.frames(), plan.end_us()), (3, 200_000));
        assert_eq!(plan.millihertz(), 12_500);
        assert!(plan.wants(80_000) && !plan.wants(40_000));
        assert_eq!(plan.shown_us(80_000), 80_000);
        assert!(plan.is_over(160_000) && !plan.is_over(80_000));
    }

    #[test]
    fn the_end_is_where_it_is_cut() {
        let track = track(&[0, 40, 80, 120, 160], 200);
        let plan = Plan::within(&track, 30_000, Some(100_000));
        assert_eq!((plan.frames(), plan.end_us()), (3, 100_000));
        assert_eq!(Plan::within(&track, 30_000, Some(0)).frames(), 0);
    }

    #[test]
    fn what_is_seen_at_the_start_may_begin_before_it() {
        let track = track(&[-60, -20, 20, 60], 100);
        let plan = Plan::within(&track, 60_000, None);
        let shifted = |pts| plan.packet_us(&track.info, pts);
        assert_eq!(shifted(-60), 0);
        assert!(!plan.wants(shifted(-60)) && plan.wants(shifted(-20)));
        assert_eq!(plan.shown_us(shifted(-20)), 0);
        assert_eq!(plan.shown_us(shifted(60)), 60_000);
    }
}

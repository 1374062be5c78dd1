//! Where everything goes: chunks in turns, times as tables.

use std::ops::Range;

use super::super::super::error::WriteError;
use super::super::super::reader::{index, saturated};
use super::super::super::track::TrackInfo;
use super::SampleShape;

/// Ticks per second of the movie: what 3GP files of handsets use.
pub(super) const MOVIE_TIMESCALE: u32 = 1000;

/// A sample by what the tables need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) shape: SampleShape,
    pub(super) size: u32,
}

/// A track with everything its boxes say.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) info: &'a TrackInfo,
    pub(super) items: Vec<Item>,
    /// Whether all samples have one size.
    pub(super) uniform: bool,
    /// Time from each sample to the next, the last one's being its duration.
    pub(super) deltas: Vec<u32>,
    /// From decoding to showing.
    pub(super) delays: Vec<i32>,
    /// Ticks before the first sample, for a track that starts late.
    pub(super) pause: u64,
    /// Ticks of media in front of what is shown.
    pub(super) media_start: u64,
    /// Ticks from the start of the presentation to the end of the track.
    pub(super) end: u64,
    /// Whether times need an edit list.
    pub(super) edited: bool,
}

impl<'a> Plan<'a> {
    /// `uniform` is known beforehand, or seen from the sizes.
    pub(super) fn new(
        info: &'a TrackInfo,
        items: Vec<Item>,
        uniform: Option<bool>,
    ) -> Result<Self, WriteError> {
        let first = items.first().map_or(0, |item| item.shape.dts);
        let followers = items.iter().skip(1).map(|item| Some(item.shape.dts));
        let deltas = items
            .iter()
            .zip(followers.chain([None]))
            .map(|(item, next)| match next {
                Some(next) => saturated(next.saturating_sub(item.shape.dts).max(0)),
                None => item.shape.duration,
            })
            .collect();
        let delays = items
            .iter()
            .map(|Item { shape, .. }| i32::try_from(shape.pts.saturating_sub(shape.dts)))
            .collect::<Result<_, _>>()
            .map_err(|_| WriteError::Field("the delay of a picture"))?;
        let ends = items
            .iter()
            .map(|Item { shape, .. }| shape.pts.saturating_add(i64::from(shape.duration)));
        let last = u64::try_from(ends.max().unwrap_or(0)).unwrap_or(0);
        let cut = info.duration > 0 && info.duration < last;
        let same = items
            .first()
            .is_none_or(|head| items.iter().all(|item| item.size == head.size));
        Ok(Self {
            info,
            uniform: uniform.map_or(same, |uniform| uniform || items.len() < 2),
            items,
            deltas,
            delays,
            pause: u64::try_from(first).unwrap_or(0),
            media_start: u64::try_from(first.saturating_neg()).unwrap_or(0),
            end: if cut { info.duration } else { last },
            edited: cut || first != 0,
        })
    }

    /// Ticks of the track in the movie's ticks; rounded up, so that no frame is cut off.
    pub(super) fn movie_ticks(&self, ticks: u64) -> u32 {
        let scaled = u128::from(ticks) * u128::from(MOVIE_TIMESCALE);
        saturated(scaled.div_ceil(u128::from(self.info.timescale.max(1))))
    }

    /// Ticks of all media, shown or not.
    pub(super) fn media_ticks(&self) -> u64 {
        self.deltas
            .iter()
            .fold(0, |sum, delta| sum.saturating_add(u64::from(*delta)))
    }

    /// Octets of samples.
    pub(super) fn octets(&self) -> u64 {
        self.items
            .iter()
            .fold(0, |sum, item| sum.saturating_add(u64::from(item.size)))
    }
}

/// Samples of one track that lie together in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) track: usize,
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Chunk {
    pub(super) const fn samples(&self) -> Range<usize> {
        self.first..self.first.saturating_add(self.count)
    }
}

/// The chunks in the order of the file: one of each track for each second. A player that reads
/// from the start never has to look further ahead than that, and the tables stay short.
pub(super) fn chunks(plans: &[Plan<'_>]) -> Vec<Chunk> {
    let mut keyed = Vec::new();
    for (track, plan) in plans.iter().enumerate() {
        let timescale = i64::from(plan.info.timescale.max(1));
        let mut open: Option<(i64, Chunk)> = None;
        for (place, item) in plan.items.iter().enumerate() {
            let second = item.shape.dts.div_euclid(timescale);
            match &mut open {
                Some((of, chunk)) if *of >= second => chunk.count = chunk.count.saturating_add(1),
                _ => {
                    let chunk = Chunk {
                        track,
                        first: place,
                        count: 1,
                    };
                    keyed.extend(open.replace((second, chunk)));
                }
            }
        }
        keyed.extend(open);
    }
    // Stable: within a second the tracks keep their order.
    keyed.sort_by_key(|(second, _)| *second);
    keyed.into_iter().map(|(_, chunk)| chunk).collect()
}

/// Equal neighbours as (how many, which).
pub(super) fn run_lengths<T: PartialEq + Copy>(values: &[T]) -> Vec<(u32, T)> {
    values
        .chunk_by(|a, b| a == b)
        .filter_map(|run| run.first().map(|value| (saturated(run.len()), *value)))
        .collect()
}

/// The octet at which each chunk starts, from `base` on.
pub(super) fn offsets(plans: &[Plan<'_>], chunks: &[Chunk], base: usize) -> Vec<u64> {
    let mut at = u64::try_from(base).unwrap_or(u64::MAX);
    chunks
        .iter()
        .map(|chunk| {
            let here = at;
            let items = plans
                .get(chunk.track)
                .and_then(|plan| plan.items.get(chunk.samples()))
                .unwrap_or_default();
            for item in items {
                at = at.saturating_add(u64::from(item.size));
            }
            here
        })
        .collect()
}

/// The mean rate and the most octets in any one second, for descriptors that state them.
pub(super) fn rates(plan: &Plan<'_>) -> (u32, u32) {
    let ticks = plan.media_ticks().max(1);
    let timescale = u64::from(plan.info.timescale.max(1));
    let bits = u128::from(plan.octets()) * 8 * u128::from(timescale);
    let average = saturated(bits / u128::from(ticks));
    let mut most = 0_u64;
    let mut window = 0_u64;
    let mut oldest = 0_usize;
    for (place, item) in plan.items.iter().enumerate() {
        window = window.saturating_add(u64::from(item.size));
        let horizon = item
            .shape
            .dts
            .saturating_sub(i64::from(plan.info.timescale));
        while let Some(old) = plan.items.get(oldest)
            && oldest < place
            && old.shape.dts <= horizon
        {
            window = window.saturating_sub(u64::from(old.size));
            oldest = oldest.saturating_add(1);
        }
        most = most.max(window);
    }
    (average, saturated(most.saturating_mul(8)).max(average))
}

/// The largest sample, as `bufferSizeDB`.
pub(super) fn largest(plan: &Plan<'_>) -> u32 {
    let sizes = plan.items.iter().map(|item| item.size);
    sizes.max().unwrap_or(0).min(0x00FF_FFFF)
}

/// The place of a chunk's track as tracks are numbered in the file.
pub(super) fn number(place: usize) -> u32 {
    saturated(place.saturating_add(1))
}

/// How many of the first `count` items there can be in 32 bits.
pub(super) fn count_of(items: usize) -> Result<u32, WriteError> {
    if items > index(u32::MAX) {
        return Err(WriteError::Field("the number of samples"));
    }
    Ok(saturated(items))
}

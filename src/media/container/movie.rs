//! A container that was read: its tracks, and their samples in order.

use std::sync::Arc;

use bytes::Bytes;

use super::error::Warning;
use super::isobmff::source::{IsoCursor, IsoSource};
use super::matroska::blocks::{Block, BlockCursor};
use super::reader::{index, share};
use super::remote::Remote;
use super::track::{FourCc, Sample, TrackInfo, TrackKind};

/// A container file, read as far as its tables go. Samples are cut out of the input when asked
/// for, and never copied.
#[derive(Debug, Clone)]
pub struct Movie {
    /// Major brand of ISO base media, `qt  ` where there is no `ftyp`; the document type's first
    /// four letters of Matroska; the magic of other files.
    pub brand: FourCc,
    /// Compatible brands of ISO base media.
    pub compatible: Vec<FourCc>,
    /// The tracks in the order of the file.
    pub tracks: Vec<Track>,
    /// What was wrong and did not stop the reading.
    pub warnings: Vec<Warning>,
}

impl Movie {
    /// The first track of a kind.
    #[must_use]
    pub fn first(&self, kind: TrackKind) -> Option<&Track> {
        self.tracks.iter().find(|track| track.info.kind == kind)
    }

    /// The samples of all tracks by decoding time; the number is the track's place in
    /// [`tracks`](Self::tracks).
    #[must_use]
    pub fn interleaved(&self) -> Interleaved<'_> {
        Interleaved {
            heads: self
                .tracks
                .iter()
                .map(|track| {
                    let mut samples = track.samples();
                    Head {
                        timescale: track.info.timescale,
                        next: samples.next(),
                        samples,
                    }
                })
                .collect(),
        }
    }
}

/// A track and its samples.
#[derive(Debug, Clone)]
pub struct Track {
    /// What the container says of it.
    pub info: TrackInfo,
    pub(super) data: Octets,
    /// What had to be put together, as if it followed `data`.
    pub(super) joined: Bytes,
    pub(super) source: Source,
    pub(super) count: usize,
}

impl Track {
    pub(super) const fn new(info: TrackInfo, data: Bytes, source: Source) -> Self {
        Self::of_octets(info, Octets::Here(data), source)
    }

    pub(super) const fn of_octets(info: TrackInfo, data: Octets, source: Source) -> Self {
        Self {
            info,
            data,
            joined: Bytes::new(),
            source,
            count: 0,
        }
    }

    /// How many samples [`samples`](Self::samples) gives.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no sample at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The samples in decoding order: those that are whole in the input.
    #[must_use]
    pub fn samples(&self) -> Samples<'_> {
        let cursor = match &self.source {
            Source::Iso(source) => Cursor::Iso(Box::new(IsoCursor::new(source, self.data.size()))),
            Source::Blocks(blocks) => Cursor::Blocks(BlockCursor::new(blocks, self.data.here())),
            Source::Spans(spans) => Cursor::Spans(spans.iter()),
        };
        Samples {
            track: self,
            shift: signed(self.info.edit.delay).saturating_sub(signed(self.info.edit.media_start)),
            left: self.count,
            cursor,
        }
    }

    /// The samples from the last key frame that is shown no later than `time`, in ticks; from the
    /// first sample where there is none.
    #[must_use]
    pub fn samples_from(&self, time: i64) -> Samples<'_> {
        let mut start = 0;
        for (place, sample) in self.samples().enumerate() {
            if sample.dts > time {
                break;
            }
            if sample.keyframe && sample.pts <= time {
                start = place;
            }
        }
        let mut samples = self.samples();
        for _ in 0..start {
            samples.next();
        }
        samples
    }

    fn octets(&self, span: &Span) -> Option<Bytes> {
        let length = index(span.length);
        match span.start.checked_sub(self.data.size()) {
            Some(start) => share(&self.joined, start, length),
            None => self.data.cut(span.start, length),
        }
    }

    /// Runs through the samples once, at most `allowed` of them, to learn their number and the end
    /// of the presentation. `false` where there are more.
    pub(super) fn measure(&mut self, allowed: usize) -> bool {
        self.count = usize::MAX;
        let mut count = 0_usize;
        let mut end = 0_i64;
        for sample in self.samples() {
            if count == allowed {
                return false;
            }
            count = count.saturating_add(1);
            end = end.max(sample.pts.saturating_add(i64::from(sample.duration)));
        }
        self.count = count;
        let end = u64::try_from(end).unwrap_or(0);
        self.info.duration = match self.info.edit.duration {
            Some(shown) => end.min(self.info.edit.delay.saturating_add(shown)),
            None => end,
        };
        true
    }
}

/// The octets of which samples are cut.
#[derive(Debug, Clone)]
pub(super) enum Octets {
    /// The input, in memory.
    Here(Bytes),
    /// A file from which each sample is read when it is asked for.
    There(Arc<dyn Remote>),
}

impl Octets {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Here(data) => data.len(),
            Self::There(remote) => index(remote.size()),
        }
    }

    /// What is in memory.
    fn here(&self) -> &Bytes {
        static NOTHING: Bytes = Bytes::new();
        match self {
            Self::Here(data) => data,
            Self::There(_) => &NOTHING,
        }
    }

    fn cut(&self, start: usize, length: usize) -> Option<Bytes> {
        match self {
            Self::Here(data) => share(data, start, length),
            Self::There(remote) => remote.read(u64::try_from(start).ok()?, length),
        }
    }
}

/// Where the samples of a track are found.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Iso(Box<IsoSource>),
    Blocks(Vec<Block>),
    Spans(Vec<Span>),
}

/// A sample by its place in the input, times still on the media's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) length: u32,
    pub(super) duration: u32,
    pub(super) dts: i64,
    /// From decoding to showing.
    pub(super) delay: i32,
    pub(super) keyframe: bool,
}

/// The samples of one track; see [`Track::samples`].
#[derive(Debug, Clone)]
pub struct Samples<'a> {
    track: &'a Track,
    shift: i64,
    left: usize,
    cursor: Cursor<'a>,
}

#[derive(Debug, Clone)]
enum Cursor<'a> {
    Iso(Box<IsoCursor<'a>>),
    Blocks(BlockCursor<'a>),
    Spans(std::slice::Iter<'a, Span>),
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        self.left = self.left.checked_sub(1)?;
        let span = match &mut self.cursor {
            Cursor::Iso(cursor) => cursor.next()?,
            Cursor::Blocks(cursor) => cursor.next()?,
            Cursor::Spans(spans) => *spans.next()?,
        };
        let dts = span.dts.saturating_add(self.shift);
        Some(Sample {
            dts,
            pts: dts.saturating_add(i64::from(span.delay)),
            duration: span.duration,
            keyframe: span.keyframe,
            data: self.track.octets(&span)?,
        })
    }
}

/// The samples of all tracks; see [`Movie::interleaved`].
#[derive(Debug, Clone)]
pub struct Interleaved<'a> {
    heads: Vec<Head<'a>>,
}

#[derive(Debug, Clone)]
struct Head<'a> {
    timescale: u32,
    next: Option<Sample>,
    samples: Samples<'a>,
}

impl Iterator for Interleaved<'_> {
    type Item = (usize, Sample);

    fn next(&mut self) -> Option<(usize, Sample)> {
        let mut best: Option<(usize, i128, i128)> = None;
        for (place, head) in self.heads.iter().enumerate() {
            let Some(sample) = &head.next else { continue };
            let (dts, scale) = (i128::from(sample.dts), i128::from(head.timescale));
            // dts / scale < best, without dividing: the products fit in 96 bits.
            if best.is_none_or(|(_, other, over)| dts * over < other * scale) {
                best = Some((place, dts, scale));
            }
        }
        let (place, ..) = best?;
        let head = self.heads.get_mut(place)?;
        let sample = std::mem::replace(&mut head.next, head.samples.next())?;
        Some((place, sample))
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

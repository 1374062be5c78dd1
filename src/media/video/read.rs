//! The wanted frames of a track, decoded and shaped, one after the other.

use super::decode::Disposable;
use super::plan::Plan;
use super::shape::Shaper;
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{Stage, VideoDecoder, VideoFormat};
use crate::media::container::{Samples, Track};
use crate::media::error::MediaError;
use crate::media::picture::{Packet, VideoFrame};

/// Some samples of a track that can be decoded without those before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Samples before it.
    pub(super) start: usize,
    /// Samples in it.
    pub(super) count: usize,
}

/// Decodes a stretch of a track and gives what the plan wants.
pub(super) struct Reader<'a> {
    track: &'a Track,
    samples: Samples<'a>,
    /// Samples of the stretch still to be read.
    left: usize,
    plan: &'a Plan,
    stage: Box<dyn Stage<Packet, VideoFrame>>,
    disposable: Disposable,
    /// `None` gives frames as they are decoded.
    shaper: Option<Shaper>,
    finished: bool,
    /// Whether a frame came out, wanted or not.
    decoded: bool,
}

impl<'a> Reader<'a> {
    /// Reads a stretch.
    ///
    /// # Errors
    ///
    /// Those of [`VideoDecoder::open`].
    pub(super) fn open(
        decoder: &dyn VideoDecoder,
        track: &'a Track,
        stretch: Stretch,
        plan: &'a Plan,
        shaper: Option<Shaper>,
        (limits, cancel): (&Limits, &Cancel),
    ) -> Result<Self, MediaError> {
        let format = VideoFormat {
            codec: track.info.codec.codec(),
            size: track.info.size.unwrap_or(Dimensions::new(0, 0)),
            millihertz: None,
            config: track.info.codec.config(),
        };
        let mut samples = track.samples();
        for _ in 0..stretch.start {
            samples.next();
        }
        Ok(Self {
            track,
            samples,
            left: stretch.count,
            plan,
            stage: decoder.open(&format, limits, cancel)?,
            disposable: Disposable::of(&track.info.codec),
            shaper,
            finished: false,
            decoded: false,
        })
    }

    /// The next frame that is wanted, with the time at which it is shown; `None` after the last.
    ///
    /// # Errors
    ///
    /// Those of the decoder.
    pub(super) fn next(&mut self) -> Result<Option<VideoFrame>, MediaError> {
        loop {
            while let Some(mut frame) = self.stage.pull()? {
                self.decoded = true;
                let time = frame.timestamp_us;
                if !self.plan.wants(time) {
                    continue;
                }
                frame.timestamp_us = self.plan.shown_us(time);
                if self.plan.is_over(time) {
                    self.left = 0;
                    self.finished = true;
                }
                if let Some(shaper) = &mut self.shaper {
                    frame.planes = shaper.shape(&frame.planes)?;
                }
                return Ok(Some(frame));
            }
            if self.finished {
                return Ok(None);
            }
            self.feed()?;
        }
    }

    /// As many as `count` of the next frames.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub(super) fn batch(&mut self, count: usize) -> Result<Vec<VideoFrame>, MediaError> {
        let mut frames = Vec::new();
        while frames.len() < count {
            match self.next()? {
                Some(frame) => frames.push(frame),
                None => break,
            }
        }
        Ok(frames)
    }

    fn feed(&mut self) -> Result<(), MediaError> {
        let sample = if self.left == 0 {
            None
        } else {
            self.samples.next()
        };
        let Some(sample) = sample else {
            self.finished = true;
            return match self.stage.finish() {
                // Where all that could not be decoded was not wanted, nothing is lost.
                Err(MediaError::Malformed { .. }) if self.decoded => Ok(()),
                other => other,
            };
        };
        self.left = self.left.saturating_sub(1);
        let timestamp_us = self.plan.packet_us(&self.track.info, sample.pts);
        let shown = self.plan.wants(timestamp_us);
        if !shown && self.disposable.is(&sample.data) {
            return Ok(());
        }
        self.stage.push(Packet {
            data: sample.data,
            timestamp_us,
            key: sample.keyframe,
            shown,
        })
    }
}

/// The track in stretches that begin with a key frame no later frame is shown before: closed
/// groups of pictures.
pub(super) fn stretches(track: &Track) -> Vec<Stretch> {
    let mut starts = Vec::new();
    let mut latest = i64::MIN;
    let mut key: Option<(usize, i64)> = None;
    let mut count = 0_usize;
    for (place, sample) in track.samples().enumerate() {
        count = place.saturating_add(1);
        if sample.keyframe {
            if sample.pts > latest {
                starts.push(place);
                key = Some((place, sample.pts));
            } else {
                key = None;
            }
        } else if let Some((start, pts)) = key
            && sample.pts < pts
        {
            // A leading picture: the group is open, and belongs to the one before.
            if starts.last() == Some(&start) {
                starts.pop();
            }
            key = None;
        }
        latest = latest.max(sample.pts);
    }
    if starts.first() != Some(&0) {
        starts.insert(0, 0);
    }
    let ends = starts.iter().skip(1).copied().chain([count]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| Stretch {
            start: *start,
            count: end.saturating_sub(*start),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::media::container::isobmff::{Brand, NewTrack, read, write};
    use crate::media::container::{H263Config, Sample, TrackCodec, TrackInfo};

    fn divided(samples: &[(i64, bool)]) -> Vec<(usize, usize)> {
        let config = H263Config {
            level: 10,
            profile: 0,
            bit_rate: None,
        };
        let size = Dimensions::new(176, 144);
        let info = TrackInfo::video(1, TrackCodec::H263(config), 1_000, size);
        let samples: Vec<Sample> = samples
            .iter()
            .zip(0..)
            .map(|((pts, keyframe), dts)| Sample {
                dts: dts * 10,
                pts: pts * 10,
                duration: 10,
                keyframe: *keyframe,
                data: Bytes::from_static(&[1]),
            })
            .collect();
        let tracks = [NewTrack {
            info: &info,
            samples: &samples,
        }];
        let file = write(Brand::Mp42, &tracks).unwrap();
        let movie = read(&Bytes::from(file), &Limits::default()).unwrap();
        stretches(&movie.tracks[0])
            .iter()
            .map(|stretch| (stretch.start, stretch.count))
            .collect()
    }

    #[test]
    fn a_track_is_divided_at_closed_groups_alone() {
        let closed = [(0, true), (2, false), (1, false), (3, true), (4, false)];
        assert_eq!(divided(&closed), [(0, 3), (3, 2)]);
        // A picture after the key frame that is shown before it refers to what came earlier.
        let open = [(0, true), (1, false), (3, true), (2, false), (4, true)];
        assert_eq!(divided(&open), [(0, 4), (4, 1)]);
        let none = [(0, true), (1, false)];
        assert_eq!(divided(&none), [(0, 2)]);
    }
}

//! The wanted frames of a track, one after the other.

use super::decode::Disposable;
use super::plan::Plan;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{Stage, VideoDecoder, VideoFormat};
use crate::media::container::{Samples, Track};
use crate::media::error::MediaError;
use crate::media::picture::{Packet, VideoFrame};
use crate::dimensions::Dimensions;

/// Decodes a track, or a stretch of it, and gives what the plan wants.
pub(super) struct Reader<'a> {
    track: &'a Track,
    samples: Samples<'a>,
    /// Samples still to be read of the stretch.
    left: usize,
    plan: &'a Plan,
    stage: Box<dyn Stage<Packet, VideoFrame>>,
    disposable: Disposable,
    finished: bool,
    /// Frames that came out, wanted or not.
    decoded: usize,
}

impl<'a> Reader<'a> {
    /// Reads `left` samples from `samples` on.
    ///
    /// # Errors
    ///
    /// Those of [`VideoDecoder::open`].
    pub(super) fn open(
        decoder: &dyn VideoDecoder,
        track: &'a Track,
        (samples, left): (Samples<'a>, usize),
        plan: &'a Plan,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Self, MediaError> {
        let format = VideoFormat {
            codec: track.info.codec.codec(),
            size: track.info.size.unwrap_or(Dimensions::new(0, 0)),
            millihertz: None,
            config: track.info.codec.config(),
        };
        Ok(Self {
            track,
            samples,
            left,
            plan,
            stage: decoder.open(&format, limits, cancel)?,
            disposable: Disposable::of(&track.info.codec),
            finished: false,
            decoded: 0,
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
                self.decoded = self.decoded.saturating_add(1);
                let time = frame.timestamp_us;
                if self.plan.wants(time) {
                    frame.timestamp_us = self.plan.shown_us(time);
                    if self.plan.is_over(time) {
                        self.left = 0;
                        self.finished = true;
                    }
                    return Ok(Some(frame));
                }
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
        let mut frames = Vec::with_capacity(count);
        while frames.len() < count {
            match self.next()? {
                Some(frame) => frames.push(frame),
                None => break,
            }
        }
        Ok(frames)
    }

    /// Frames that came out of the decoder so far.
    pub(super) const fn decoded(&self) -> usize {
        self.decoded
    }

    fn feed(&mut self) -> Result<(), MediaError> {
        let sample = if self.left == 0 {
            None
        } else {
            self.samples.next()
        };
        let Some(sample) = sample else {
            self.finished = true;
            return self.stage.finish();
        };
        self.left = self.left.saturating_sub(1);
        let timestamp_us = self.plan.packet_us(&self.track.info, sample.pts);
        if !self.plan.wants(timestamp_us) && self.disposable.is(&sample.data) {
            return Ok(());
        }
        self.stage.push(Packet {
            data: sample.data,
            timestamp_us,
            key: sample.keyframe,
        })
    }
}

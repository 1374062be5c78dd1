//! What all decoders of moving pictures have in common.

use std::collections::VecDeque;

use super::{Pictures, Start};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{Stage, VideoFormat};
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::picture::{Packet, VideoFrame};

/// Packets without a single picture after which it is not worth going on.
const PATIENCE: usize = 60;

/// A codec with limits, cancellation, panics and order taken care of.
pub(crate) struct Door {
    name: String,
    track: VideoFormat,
    limits: Limits,
    cancel: Cancel,
    start: Box<Start>,
    /// `None` after a panic, until the next key frame.
    codec: Option<Box<dyn Pictures>>,
    /// Pictures that may still be preceded by others, by time.
    waiting: Vec<VideoFrame>,
    ready: VecDeque<VideoFrame>,
    /// Time of the last picture given to `ready`.
    last_us: Option<u64>,
    /// The first error, for a stream that has no picture at all.
    error: Option<MediaError>,
    failed: usize,
}

impl Door {
    /// A stream of `track`, whose size is held against the limits first.
    pub(crate) fn open(
        name: &str,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
        start: Box<Start>,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        cancel.check()?;
        guard::check_size(track.size, limits)?;
        let codec = guard::caught(name, || start(track, limits))?;
        Ok(Box::new(Self {
            name: name.to_owned(),
            track: track.clone(),
            limits: limits.clone(),
            cancel: cancel.clone(),
            start,
            codec: Some(codec),
            waiting: Vec::new(),
            ready: VecDeque::new(),
            last_us: None,
            error: None,
            failed: 0,
        }))
    }

    /// Takes what the codec gave: its outcome decides whether the stream goes on, and whether
    /// there was `some` picture, shown or not.
    fn take(
        &mut self,
        outcome: Result<(), MediaError>,
        frames: Vec<VideoFrame>,
        some: bool,
    ) -> Result<(), MediaError> {
        for frame in frames {
            guard::check_size(frame.planes.size, &self.limits)?;
            let at = self
                .waiting
                .partition_point(|other| other.timestamp_us <= frame.timestamp_us);
            self.waiting.insert(at, frame);
        }
        match outcome {
            Ok(()) => {}
            Err(
                error @ (MediaError::Limit { .. }
                | MediaError::Cancelled
                | MediaError::CodecFailed { .. }),
            ) => return Err(error),
            Err(error) => {
                if matches!(error, MediaError::CodecPanicked { .. }) {
                    self.codec = None;
                }
                self.failed = self.failed.saturating_add(1);
                let nothing = self.last_us.is_none() && self.waiting.is_empty();
                let error = self.error.get_or_insert(error).clone();
                if nothing && !some && self.failed >= PATIENCE {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Hands out all but the last `keep` pictures. Whatever a stream says of its order, time does
    /// not run backwards.
    fn release(&mut self, keep: usize) {
        let count = self.waiting.len().saturating_sub(keep);
        for frame in self.waiting.drain(..count) {
            if self.last_us.is_none_or(|last| frame.timestamp_us > last) {
                self.last_us = Some(frame.timestamp_us);
                self.ready.push_back(frame);
            }
        }
    }

    fn depth(&self) -> usize {
        self.codec.as_ref().map_or(0, |codec| codec.reorder())
    }
}

impl Stage<Packet, VideoFrame> for Door {
    fn push(&mut self, packet: Packet) -> Result<(), MediaError> {
        self.cancel.check()?;
        if packet.data.is_empty() {
            return Ok(());
        }
        if packet.key {
            self.release(0);
        }
        if self.codec.is_none() && packet.key {
            let (start, track, limits) = (&self.start, &self.track, &self.limits);
            self.codec = Some(guard::caught(&self.name, || start(track, limits))?);
        }
        let Some(codec) = &mut self.codec else {
            return Ok(());
        };
        let mut frames = Vec::new();
        let outcome = guard::caught(&self.name, || codec.decode(&packet, &mut frames));
        let some = !frames.is_empty();
        // What nobody will see must not wait for its turn: pictures are large.
        frames.retain(|frame| packet.shown || frame.timestamp_us != packet.timestamp_us);
        self.take(outcome, frames, some)?;
        self.release(self.depth());
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.cancel.check()?;
        if let Some(codec) = &mut self.codec {
            let mut frames = Vec::new();
            let outcome = guard::caught(&self.name, || codec.flush(&mut frames));
            let some = !frames.is_empty();
            self.take(outcome, frames, some)?;
        }
        self.release(0);
        self.codec = None;
        match self.error.take() {
            Some(error) if self.last_us.is_none() => Err(error),
            _ => Ok(()),
        }
    }

    fn pull(&mut self) -> Result<Option<VideoFrame>, MediaError> {
        Ok(self.ready.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::info::{Codec, Format};
    use crate::media::picture::{Chroma, Matrix, Planes};

    /// Gives one grey picture for each packet; 1 is malformed, 2 panics.
    struct Moody;

    impl Pictures for Moody {
        fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
            match packet.data.first() {
                Some(1) => return Err(MediaError::malformed(Format::Mp4, "moody")),
                Some(2) => panic!("moody"),
                _ => {}
            }
            out.push(VideoFrame {
                planes: Planes {
                    size: Dimensions::new(2, 2),
                    chroma: Chroma::None,
                    full_range: false,
                    matrix: Matrix::Bt601,
                    y: vec![0; 4],
                    cb: Vec::new(),
                    cr: Vec::new(),
                },
                timestamp_us: packet.timestamp_us,
            });
            Ok(())
        }

        fn reorder(&self) -> usize {
            1
        }
    }

    fn open() -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        let track = VideoFormat {
            codec: Codec::Unknown,
            size: Dimensions::new(2, 2),
            millihertz: None,
            config: Bytes::new(),
        };
        let start = Box::new(|_: &VideoFormat, _: &Limits| Ok(Box::new(Moody) as _));
        Door::open("moody", &track, &Limits::default(), &Cancel::new(), start)
    }

    fn times(packets: &[(u8, u64, bool)]) -> Result<Vec<u64>, MediaError> {
        let mut door = open()?;
        let mut out = Vec::new();
        for &(data, timestamp_us, key) in packets {
            door.push(Packet {
                data: Bytes::from(vec![data]),
                timestamp_us,
                key,
                shown: true,
            })?;
            while let Some(frame) = door.pull()? {
                out.push(frame.timestamp_us);
            }
        }
        door.finish()?;
        while let Some(frame) = door.pull()? {
            out.push(frame.timestamp_us);
        }
        Ok(out)
    }

    #[test]
    fn pictures_come_in_the_order_of_time() {
        let order = times(&[(0, 0, true), (0, 2, false), (0, 1, false), (0, 3, false)]);
        assert_eq!(order, Ok(vec![0, 1, 2, 3]));
        // Deeper than the codec said: what is late is dropped, not shown in reverse.
        let late = times(&[(0, 0, true), (0, 3, false), (0, 4, false), (0, 1, false)]);
        assert_eq!(late, Ok(vec![0, 3, 4]));
    }

    #[test]
    fn pictures_that_are_not_shown_stay_inside() {
        let mut door = open().unwrap();
        let mut out = Vec::new();
        for (timestamp_us, shown) in [(0, true), (2, false), (1, true), (3, false)] {
            door.push(Packet {
                data: Bytes::from_static(&[0]),
                timestamp_us,
                key: timestamp_us == 0,
                shown,
            })
            .unwrap();
        }
        door.finish().unwrap();
        while let Some(frame) = door.pull().unwrap() {
            out.push(frame.timestamp_us);
        }
        assert_eq!(out, [0, 1]);
    }

    #[test]
    fn a_damaged_packet_costs_itself_and_a_panic_the_way_to_the_next_key_frame() {
        let packets = [(0, 0, true), (1, 1, false), (0, 2, false)];
        assert_eq!(times(&packets), Ok(vec![0, 2]));
        let packets = [(0, 0, true), (2, 1, false), (0, 2, false), (0, 3, true)];
        assert_eq!(times(&packets), Ok(vec![0, 3]));
    }

    #[test]
    fn a_stream_without_a_picture_says_why() {
        assert!(matches!(
            times(&[(1, 0, true), (1, 1, false)]),
            Err(MediaError::Malformed { .. })
        ));
        assert!(matches!(
            times(&[(1, 0, true); 100]),
            Err(MediaError::Malformed { .. })
        ));
    }
}

//! A track as sound: decoded packet by packet, cut to what is presented, holes filled with silence.

use std::collections::VecDeque;
use std::sync::Arc;

use super::format;
use super::resample::rescale;
use super::stage::malformed;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{AudioDecoder, AudioFormat, Stage};
use crate::media::container::ogg::OpusHead;
use crate::media::container::{Sample, Samples, Track};
use crate::media::error::MediaError;
use crate::media::guard::caught;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};
use crate::media::registry::Registry;

/// Decoders that are opened anew before a track is given up: each failure costs one.
const FAILURES: usize = 64;

/// A hole in a track is filled up to this length; what claims more is believed to be damaged.
const LONGEST_HOLE_S: u64 = 600;

/// Samples per channel that silence comes in at a time.
const SILENCE: u64 = 4_096;

/// The sound of a track, decoded as it is asked for: from time 0 of the presentation on, without
/// what the container says is not heard, and with silence where a packet is lost or missing.
///
/// What lies behind the end of the track is not cut off here.
pub struct Source<'a> {
    samples: Samples<'a>,
    timescale: u32,
    decoder: Arc<dyn AudioDecoder>,
    format: AudioFormat,
    limits: &'a Limits,
    cancel: &'a Cancel,
    /// `None` once the track is given up.
    stage: Option<Box<dyn Stage<Packet, PcmBlock>>>,
    ready: VecDeque<Piece>,
    /// Rate and channels of the last block, those of the container before.
    rate: u32,
    channels: u16,
    /// Where the next sample of the decoder belongs, in samples from time 0.
    position: i64,
    /// Samples from time 0 on that were given to [`ready`](Self::ready).
    given: i64,
    /// The time, in ticks, of the next block, where it does not just follow the last.
    anchor: Option<i64>,
    /// Whether a packet was lost, so that the next one is put by its time.
    broken: bool,
    /// The end of the last packet, in ticks; `None` before the first.
    end: Option<i64>,
    heard: bool,
    lost: usize,
    finished: bool,
    warnings: Vec<String>,
}

enum Piece {
    Sound(PcmBlock),
    /// Samples per channel, at the rate and in the channels of the last block.
    Silence(u64),
}

impl<'a> Source<'a> {
    /// Opens the track's decoder.
    ///
    /// # Errors
    ///
    /// [`MediaError::Unsupported`] where the registry has none, else what it says.
    pub fn open(
        track: &'a Track,
        registry: &Registry,
        limits: &'a Limits,
        cancel: &'a Cancel,
    ) -> Result<Self, MediaError> {
        let format = format::of(&track.info)?;
        let decoder = registry
            .audio_decoder(format.codec)
            .ok_or_else(|| MediaError::unsupported(format::name(&track.info.codec)))?;
        let stage = caught(decoder.name(), || decoder.open(&format, limits, cancel))?;
        Ok(Self {
            samples: track.samples(),
            timescale: track.info.timescale.max(1),
            rate: format.sample_rate.max(1),
            channels: format.channels,
            decoder,
            format,
            limits,
            cancel,
            stage: Some(stage),
            ready: VecDeque::new(),
            position: 0,
            given: 0,
            anchor: None,
            broken: true,
            end: None,
            heard: false,
            lost: 0,
            finished: false,
            warnings: Vec::new(),
        })
    }

    /// The next block, or `None` at the end. Rate and channels may change on the way.
    ///
    /// # Errors
    ///
    /// [`MediaError::Malformed`] where nothing decodes, [`MediaError::Cancelled`].
    pub fn next_block(&mut self) -> Result<Option<PcmBlock>, MediaError> {
        loop {
            match self.ready.pop_front() {
                Some(Piece::Sound(block)) => return Ok(Some(block)),
                Some(Piece::Silence(samples)) => return Ok(Some(self.silence(samples))),
                None if self.finished => return Ok(None),
                None => {}
            }
            self.cancel.check()?;
            match self.samples.next() {
                Some(sample) => self.feed(sample)?,
                None => self.close()?,
            }
        }
    }

    /// What was met on the way and did not stop it.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn silence(&mut self, samples: u64) -> PcmBlock {
        let now = samples.min(SILENCE);
        if samples > now {
            self.ready.push_front(Piece::Silence(samples - now));
        }
        let length = usize::try_from(now).unwrap_or(0);
        PcmBlock {
            sample_rate: self.rate,
            channels: self.channels,
            samples: vec![0; length.saturating_mul(usize::from(self.channels))],
            timestamp_us: 0,
        }
    }

    fn feed(&mut self, sample: Sample) -> Result<(), MediaError> {
        if self.broken || self.is_far(sample.pts) {
            self.anchor.get_or_insert(sample.pts);
        }
        self.broken = false;
        let end = sample.pts.saturating_add(i64::from(sample.duration));
        self.end = self.end.max(Some(end));
        let packet = Packet {
            timestamp_us: micros(sample.pts, self.timescale),
            key: sample.keyframe,
            shown: true,
            data: sample.data,
        };
        let Err(error) = self.decode(Some(packet)) else {
            return Ok(());
        };
        // A codec that failed through its own fault is not tried again: another may be there.
        if matches!(
            error,
            MediaError::Cancelled | MediaError::Limit { .. } | MediaError::CodecFailed { .. }
        ) {
            return Err(error);
        }
        self.lost = self.lost.saturating_add(1);
        let tenth = i64::from(self.timescale / 10);
        if !self.heard && (end > tenth || self.lost > FAILURES) {
            return Err(error);
        }
        if self.lost == 1 {
            self.warnings.push(format!(
                "silence where the sound is damaged, first at {} ms: {error}",
                micros(sample.pts, self.timescale) / 1_000
            ));
        }
        // What follows is put in its place, and so the hole is as long as what was lost.
        self.broken = true;
        self.anchor = None;
        self.stage = if self.lost > FAILURES {
            self.warnings
                .push("the rest of the sound is too damaged to be heard".to_owned());
            None
        } else {
            Some(caught(self.decoder.name(), || {
                self.decoder.open(&self.format, self.limits, self.cancel)
            })?)
        };
        Ok(())
    }

    fn close(&mut self) -> Result<(), MediaError> {
        self.finished = true;
        let outcome = self.decode(None);
        if matches!(outcome, Err(MediaError::Cancelled)) {
            return outcome;
        }
        if !self.heard {
            outcome?;
            return Err(malformed(self.format.codec, "no sound at all"));
        }
        if self.broken
            && let Some(end) = self.end
        {
            self.fill(self.at(end));
        }
        Ok(())
    }

    /// Gives the decoder a packet, or the end, and takes what is ready.
    fn decode(&mut self, packet: Option<Packet>) -> Result<(), MediaError> {
        let Some(mut stage) = self.stage.take() else {
            return Ok(());
        };
        let name = self.decoder.name().to_owned();
        // A stage that failed or panicked may be in any state; it is dropped, not put back.
        caught(&name, || match packet {
            Some(packet) => stage.push(packet),
            None => stage.finish(),
        })?;
        while let Some(block) = caught(&name, || stage.pull())? {
            self.place(block)?;
        }
        self.stage = Some(stage);
        Ok(())
    }

    /// Puts a block where it belongs: behind the last one, or where its packet's time says.
    fn place(&mut self, mut block: PcmBlock) -> Result<(), MediaError> {
        if block.sample_rate == 0 || block.channels == 0 {
            return Err(malformed(self.format.codec, "sound without a rate"));
        }
        if block.sample_rate != self.rate {
            let old = self.rate;
            self.rate = block.sample_rate;
            self.position = scale(self.position, old, self.rate);
            self.given = scale(self.given, old, self.rate);
        }
        self.channels = block.channels;
        self.heard = true;
        if let Some(anchor) = self.anchor.take() {
            self.position = self.exactly(self.at(anchor));
        }
        self.fill(self.position);
        let channels = usize::from(block.channels);
        let frames = block.samples.len() / channels;
        let end = self
            .position
            .saturating_add(i64::try_from(frames).unwrap_or(i64::MAX));
        // What lies before time 0, or was there already, is decoded and not heard.
        let early = usize::try_from(self.given.saturating_sub(self.position)).unwrap_or(0);
        self.position = end;
        if early < frames {
            block.samples.drain(..early.saturating_mul(channels));
            self.given = end;
            self.ready.push_back(Piece::Sound(block));
        }
        Ok(())
    }

    /// Fills with silence up to a place.
    fn fill(&mut self, place: i64) {
        let hole = u64::try_from(place.saturating_sub(self.given)).unwrap_or(0);
        if hole == 0 {
            return;
        }
        if hole > LONGEST_HOLE_S.saturating_mul(u64::from(self.rate)) {
            self.warnings
                .push("a pause of more than ten minutes is left out".to_owned());
            self.position = self.given;
            return;
        }
        self.given = place;
        self.ready.push_back(Piece::Silence(hole));
    }

    /// Whether a packet belongs elsewhere than where the last one ended.
    fn is_far(&self, pts: i64) -> bool {
        // Times in Ogg are shared out over a page for these two, and so are coarse.
        let slack_ms = match self.format.codec {
            Codec::Vorbis | Codec::Flac => 1_000,
            _ => 60,
        };
        let slack = u64::from(self.rate).saturating_mul(slack_ms) / 1_000;
        self.heard && self.position.abs_diff(self.at(pts)) > slack
    }

    /// The start of a track of Opus by its header, where the container's clock is too coarse for
    /// it and says about the same.
    fn exactly(&self, position: i64) -> i64 {
        let start = match self.format.codec {
            Codec::Opus => OpusHead::parse(&self.format.config)
                .map(|head| -i64::from(head.pre_skip))
                .filter(|_| self.rate == 48_000 && self.timescale < 48_000),
            _ => None,
        };
        start
            .filter(|start| start.abs_diff(position) < 96)
            .unwrap_or(position)
    }

    /// A time in samples.
    fn at(&self, ticks: i64) -> i64 {
        scale(ticks, self.timescale, self.rate)
    }
}

fn scale(value: i64, from: u32, to: u32) -> i64 {
    let scaled = rescale(value.unsigned_abs(), from, to);
    let scaled = i64::try_from(scaled).unwrap_or(i64::MAX);
    if value < 0 { -scaled } else { scaled }
}

/// A time in microseconds; what lies before time 0 is at 0.
fn micros(ticks: i64, timescale: u32) -> u64 {
    rescale(u64::try_from(ticks).unwrap_or(0), timescale, 1_000_000)
}

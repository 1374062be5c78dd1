//! A whole track of moving pictures: decoded, shaped, coded.
//!
//! Decoding, shaping and coding run beside each other, and stretches of a track do where several
//! decoders fit into memory. Whether a track is divided does not depend on the number of threads,
//! so that the result does not either.

use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;

use super::VideoSettings;
use super::encode::{self, wrap};
use super::plan::Plan;
use super::read::{Reader, Stretch, stretches};
use super::shape::Shaper;
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{RateTarget, Stage, VideoDecoder, VideoEncoder, VideoFormat};
use crate::media::container::{CodedTrack, Track};
use crate::media::error::MediaError;
use crate::media::info::{Codec, Format};
use crate::media::others::with_others;
use crate::media::picture::{Packet, VideoFrame};
use crate::media::registry::Registry;

/// Octets of frames that are decoded while as many before them are shaped; a frame at least.
const BATCH: u64 = 3 << 20;
/// Frames of a batch at most.
const BATCH_FRAMES: u64 = 8;
/// Decoders that run beside each other at most.
const LANES: usize = 4;
/// Octets that all decoders together may take, by estimate.
const DECODERS: u64 = 48 << 20;
/// Octets of shaped frames that wait for the encoder, or are kept for a second pass.
const FRAMES: u64 = 12 << 20;

/// Codes a track anew; see [`transcode`](super::transcode).
pub(super) fn transcode(
    track: &Track,
    settings: &VideoSettings,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<CodedTrack, MediaError> {
    let (mut coded, failures) = with_others(registry, |registry| {
        code(track, settings, registry, limits, cancel)
    })?;
    coded.warnings.extend(failures);
    Ok(coded)
}

fn code(
    track: &Track,
    settings: &VideoSettings,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<CodedTrack, MediaError> {
    let codec = track.info.codec.codec();
    let decoder = registry.video_decoder(codec).ok_or_else(|| {
        MediaError::unsupported(format!("moving pictures in {}", track.info.codec.name()))
    })?;
    let encoder = registry
        .video_encoder(settings.codec)
        .ok_or_else(|| MediaError::unsupported(format!("encoding {:?}", settings.codec)))?;
    let job = Job {
        track,
        settings,
        plan: Plan::new(track, settings),
        decoder,
        encoder,
        limits,
        cancel,
    };
    let made = job.run()?;
    let mut coded = wrap::track(settings, made.packets, job.plan.end_us())?;
    coded.encodes = made.passes;
    let lost = job.plan.frames().saturating_sub(made.frames);
    if lost > 0 {
        coded.warnings.push(format!(
            "{lost} of {} pictures could not be decoded",
            job.plan.frames()
        ));
    }
    Ok(coded)
}

struct Job<'a> {
    track: &'a Track,
    settings: &'a VideoSettings,
    plan: Plan,
    decoder: Arc<dyn VideoDecoder>,
    encoder: Arc<dyn VideoEncoder>,
    limits: &'a Limits,
    cancel: &'a Cancel,
}

/// What a pass made.
struct Made {
    packets: Vec<Packet>,
    /// Frames that were given to the encoder.
    frames: usize,
    /// How often they were coded.
    passes: u32,
}

impl Made {
    fn octets(&self) -> u64 {
        self.packets
            .iter()
            .map(|packet| wide(packet.data.len()))
            .fold(0, u64::saturating_add)
    }

    /// Frames for which there is no picture.
    fn left_out(&self) -> usize {
        self.frames.saturating_sub(self.packets.len())
    }
}

impl Job<'_> {
    /// One pass, and a second one where the first missed.
    fn run(&self) -> Result<Made, MediaError> {
        let aim = self.aim();
        let mut store = Store::default();
        let first = self.pass(aim, Some(&mut store))?;
        let Some(goal) = self.goal() else {
            return Ok(first);
        };
        let octets = first.octets();
        // Our own encoder corrects itself.
        let own = self.settings.codec == Codec::H263;
        if own || (octets.saturating_mul(100) >= goal.saturating_mul(94) && first.left_out() == 0) {
            return Ok(first);
        }
        // What all frames would have taken.
        let whole = octets.saturating_mul(wide(first.frames)) / wide(first.packets.len()).max(1);
        let scaled = u128::from(aim).saturating_mul(u128::from(goal)) * 98
            / u128::from(whole.saturating_mul(100).max(1));
        let scaled = u64::try_from(scaled).unwrap_or(u64::MAX);
        let scaled = scaled.clamp(aim / 3, aim.saturating_mul(2)).max(1);
        let second = match store.frames {
            Some(frames) if !frames.is_empty() => {
                let mut sink = Sink::open(self, scaled, None)?;
                sink.take(frames)?;
                sink.finish()?
            }
            _ => self.pass(scaled, None)?,
        };
        let better = (second.left_out(), first.octets()) <= (first.left_out(), second.octets());
        let passes = first.passes.saturating_add(second.passes);
        let made = if better { second } else { first };
        Ok(Made { passes, ..made })
    }

    /// Bits per second to aim at in the first pass: encoders that only aim are given a little less
    /// than there is.
    fn aim(&self) -> u64 {
        let rate = self.settings.bit_rate;
        if self.settings.codec == Codec::H263 || self.settings.max_bytes.is_none() {
            rate
        } else {
            (rate.saturating_mul(98) / 100).max(1)
        }
    }

    /// Octets that the track should have, where it is to be filled.
    fn goal(&self) -> Option<u64> {
        let max = self.settings.max_bytes?;
        Some(max.min(encode::octets(self.settings.bit_rate, self.plan.end_us())))
    }

    /// Decodes and codes the track once.
    fn pass(&self, aim: u64, store: Option<&mut Store>) -> Result<Made, MediaError> {
        let mut sink = Sink::open(self, aim, store)?;
        let stretches = self.wanted();
        let lanes = self.lanes(&stretches);
        let error = if lanes > 1 {
            self.beside_each_other(&stretches, lanes, &mut sink)?
        } else {
            self.through(&mut sink)?;
            None
        };
        let made = sink.finish()?;
        if made.packets.is_empty() && made.frames > 0 {
            return Err(MediaError::TargetTooSmall {
                smallest: self.settings.max_bytes.unwrap_or(0).saturating_add(1),
            });
        }
        if made.packets.is_empty() {
            return Err(error.unwrap_or_else(|| {
                MediaError::malformed(Format::Mp4, "not one picture of the track could be decoded")
            }));
        }
        Ok(made)
    }

    /// One decoder for the whole track, which nothing holds up: the frames before those it is at
    /// are shaped beside it, and those before them coded.
    fn through(&self, sink: &mut Sink<'_>) -> Result<(), MediaError> {
        let all = Stretch {
            start: 0,
            count: self.track.len(),
        };
        let mut reader = self.reader(all, None)?;
        let mut shaper = self.shaper();
        let batch = batch(self.source_size());
        let (mut decoded, mut shaped) = (reader.batch(batch)?, Vec::new());
        while !(decoded.is_empty() && shaped.is_empty()) {
            let (next, (ready, taken)) = rayon::join(
                || reader.batch(batch),
                || rayon::join(|| shaper.shape_all(decoded), || sink.take(shaped)),
            );
            taken?;
            shaped = ready?;
            decoded = next?;
        }
        Ok(())
    }

    /// A decoder for each of as many stretches as there are lanes, beside the encoder. A stretch
    /// that cannot be decoded is left out, and its error given back.
    fn beside_each_other(
        &self,
        stretches: &[Stretch],
        lanes: usize,
        sink: &mut Sink<'_>,
    ) -> Result<Option<MediaError>, MediaError> {
        let mut error = None;
        let mut frames = Vec::new();
        for group in stretches.chunks(lanes) {
            let decode = || {
                group
                    .par_iter()
                    .map(|stretch| {
                        let shaper = Some(self.shaper());
                        self.reader(*stretch, shaper)?.batch(usize::MAX)
                    })
                    .collect::<Vec<_>>()
            };
            let (decoded, taken) = rayon::join(decode, || sink.take(frames));
            taken?;
            frames = Vec::new();
            for outcome in decoded {
                match outcome {
                    Ok(some) => frames.extend(some),
                    Err(
                        stop @ (MediaError::Cancelled
                        | MediaError::Limit { .. }
                        | MediaError::CodecFailed { .. }),
                    ) => return Err(stop),
                    Err(other) => error = error.or(Some(other)),
                }
            }
        }
        sink.take(frames)?;
        Ok(error)
    }

    fn reader(&self, stretch: Stretch, shaper: Option<Shaper>) -> Result<Reader<'_>, MediaError> {
        let bounds = (self.limits, self.cancel);
        let (decoder, plan) = (&*self.decoder, &self.plan);
        Reader::open(decoder, self.track, stretch, plan, shaper, bounds)
    }

    fn shaper(&self) -> Shaper {
        let info = &self.track.info;
        Shaper::new(info.orientation, info.pixel_aspect, self.settings.size)
    }

    /// What the container says of the source's size, or a large one.
    fn source_size(&self) -> Dimensions {
        let told = self.track.info.size;
        told.unwrap_or(Dimensions::new(1_920, 1_080))
    }

    /// The stretches in which there is a frame that is wanted: not those after the end.
    fn wanted(&self) -> Vec<Stretch> {
        let info = &self.track.info;
        let mut samples = self.track.samples();
        let mut stretches = stretches(self.track);
        stretches.retain(|stretch| {
            samples
                .by_ref()
                .take(stretch.count)
                .fold(false, |some, sample| {
                    some | self.plan.wants(self.plan.packet_us(info, sample.pts))
                })
        });
        stretches
    }

    /// How many stretches are decoded at one time.
    fn lanes(&self, stretches: &[Stretch]) -> usize {
        // A decoder of modern codecs has references, their motion and spare planes: sixteen
        // pictures or so.
        let one = picture_octets(self.source_size()).saturating_mul(16).max(1);
        let longest = stretches.iter().map(|stretch| stretch.count).max();
        let waiting = wide(longest.unwrap_or(0))
            .saturating_mul(picture_octets(self.settings.size))
            .saturating_mul(2)
            .max(1);
        let lanes = (DECODERS / one).min(FRAMES.saturating_mul(2) / waiting);
        usize::try_from(lanes)
            .unwrap_or(1)
            .min(LANES)
            .min(stretches.len())
    }
}

/// Shaped frames that are kept for a second pass, unless they become too many.
struct Store {
    frames: Option<Vec<VideoFrame>>,
    octets: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            frames: Some(Vec::new()),
            octets: 0,
        }
    }
}

impl Store {
    fn keep(&mut self, frame: &VideoFrame) {
        self.octets = self
            .octets
            .saturating_add(picture_octets(frame.planes.size));
        if self.octets > FRAMES {
            self.frames = None;
        }
        if let Some(frames) = &mut self.frames {
            frames.push(frame.clone());
        }
    }
}

/// Codes frames.
struct Sink<'a> {
    stage: Box<dyn Stage<VideoFrame, Packet>>,
    store: Option<&'a mut Store>,
    made: Made,
}

impl<'a> Sink<'a> {
    fn open(job: &Job<'_>, aim: u64, store: Option<&'a mut Store>) -> Result<Self, MediaError> {
        let settings = job.settings;
        let format = VideoFormat {
            codec: settings.codec,
            size: settings.size,
            millihertz: Some(job.plan.millihertz().clamp(1_000, settings.millihertz)),
            config: u8::try_from(settings.level)
                .map(|level| Bytes::from(vec![level]))
                .unwrap_or_default(),
        };
        let target = RateTarget {
            bit_rate: Some(aim),
            max_bytes: settings.max_bytes,
            duration_us: Some(job.plan.end_us().max(1)),
        };
        // A second pass needs the frames only where the encoder may miss.
        let store = store.filter(|_| settings.codec != Codec::H263 && settings.max_bytes.is_some());
        Ok(Self {
            stage: job.encoder.open(&format, &target, job.cancel)?,
            store,
            made: Made {
                packets: Vec::new(),
                frames: 0,
                passes: 1,
            },
        })
    }

    fn take(&mut self, frames: Vec<VideoFrame>) -> Result<(), MediaError> {
        for frame in frames {
            if let Some(store) = &mut self.store {
                store.keep(&frame);
            }
            self.made.frames = self.made.frames.saturating_add(1);
            self.stage.push(frame)?;
            self.collect()?;
        }
        Ok(())
    }

    fn collect(&mut self) -> Result<(), MediaError> {
        while let Some(packet) = self.stage.pull()? {
            self.made.packets.push(packet);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Made, MediaError> {
        self.stage.finish()?;
        self.collect()?;
        self.made.passes = self.stage.passes();
        Ok(self.made)
    }
}

/// Frames of `size` in a batch.
fn batch(size: Dimensions) -> usize {
    let frames = BATCH / picture_octets(size).max(1);
    usize::try_from(frames.clamp(1, BATCH_FRAMES)).unwrap_or(1)
}

/// Octets of a picture in 4:2:0.
fn picture_octets(size: Dimensions) -> u64 {
    u64::from(size.width)
        .saturating_mul(u64::from(size.height))
        .saturating_mul(3)
        / 2
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

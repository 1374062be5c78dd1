//! A whole track from one codec to another, in blocks.

use bytes::Bytes;

use super::amr;
use super::format;
use super::level::Leveller;
use super::mix::Mixer;
use super::resample::{Resampler, rescale};
use super::source::Source;
use super::stage::{to_f32, to_i16};
use super::{AudioSettings, choose};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{AudioEncoder, AudioFormat, CodedFormat, RateTarget, Stage};
use crate::media::container::{CodedTrack, Sample, Track, TrackInfo};
use crate::media::error::MediaError;
use crate::media::guard::caught;
use crate::media::info::Codec;
use crate::media::others::with_others;
use crate::media::picture::{Packet, PcmBlock};
use crate::media::registry::Registry;

/// Codings of one track at most: the first, and two with the rate corrected.
const ATTEMPTS: u32 = 3;

/// Codes a track anew: decode, mix, resample, level, encode, in blocks, so that memory does not
/// grow with the length of the sound but by the packets that come out.
///
/// The sound is cut to what the track presents, and is exactly as long. The level follows the rule
/// of the module `level`. A packet that does not decode becomes silence of its length, with a
/// warning. Where an encoder overshoots [`AudioSettings::max_bytes`], the track is coded again at
/// the rate that its own mean calls for; the last packets are cut off only where that fails twice.
///
/// Priming is told by samples with negative times, as containers with edit lists want it; a
/// duration that ends inside the last packet likewise.
///
/// # Errors
///
/// [`MediaError::Unsupported`] where the registry lacks a codec, [`MediaError::Malformed`] where
/// not even the first tenth of a second decodes, [`MediaError::Limit`] for more packets than
/// [`container_samples`](Limits::container_samples) or more octets than
/// [`media_bytes`](Limits::media_bytes), [`MediaError::Cancelled`],
/// [`MediaError::CodecPanicked`] where an encoder did.
pub fn transcode(
    track: &Track,
    settings: &AudioSettings,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<CodedTrack, MediaError> {
    let mut settings = settings.clone();
    let mut attempt = 1;
    loop {
        let (mut coded, failures) = with_others(registry, |registry| {
            code(track, &settings, registry, limits, cancel)
        })?;
        coded.warnings.extend(failures);
        coded.encodes = attempt;
        let Some(most) = settings.max_bytes.filter(|most| coded.bytes() > *most) else {
            return Ok(coded);
        };
        let lower = corrected(&settings, coded.bytes(), most);
        if attempt == ATTEMPTS || lower >= settings.bit_rate {
            return Ok(cut(coded, most));
        }
        settings.bit_rate = lower;
        attempt = attempt.saturating_add(1);
    }
}

/// The rate at which a track that took `bytes` takes `most`.
fn corrected(settings: &AudioSettings, bytes: u64, most: u64) -> u64 {
    let scaled = u128::from(settings.bit_rate) * u128::from(most) / u128::from(bytes.max(1));
    let scaled = u64::try_from(scaled).unwrap_or(0) / 100 * 99;
    let known = match settings.codec {
        Codec::AmrNb | Codec::AmrWb => choose::bit_rates(settings.codec),
        Codec::Mp3 => choose::mp3_rates(settings.sample_rate),
        _ => return scaled.max(1),
    };
    if !known.contains(&settings.bit_rate) {
        return scaled.max(1);
    }
    let fitting = known.iter().rev().find(|rate| **rate <= scaled);
    fitting.or(known.first()).copied().unwrap_or(scaled)
}

/// Drops the last packets that are too much.
fn cut(mut coded: CodedTrack, most: u64) -> CodedTrack {
    while coded.bytes() > most && coded.samples.pop().is_some() {}
    let end = coded.samples.last().map_or(0, |sample| {
        sample.pts.saturating_add(i64::from(sample.duration))
    });
    coded.info.duration = coded.info.duration.min(u64::try_from(end).unwrap_or(0));
    coded
        .warnings
        .push("the end of the sound is cut off: it has no room".to_owned());
    coded
}

fn code(
    track: &Track,
    settings: &AudioSettings,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<CodedTrack, MediaError> {
    let encoder = registry
        .audio_encoder(settings.codec)
        .ok_or_else(|| MediaError::unsupported(format!("writing {:?}", settings.codec)))?;
    let mut source = Source::open(track, registry, limits, cancel)?;
    let mut sink = Sink::open(&*encoder, settings, limits, cancel)?;
    let (rate, channels) = (settings.sample_rate, settings.channels);
    let wanted = wanted(&track.info, settings);
    let mut leveller = Leveller::new(rate, channels);
    let mut chain: Option<Chain> = None;
    let mut taken = 0_u64;
    let mut rest = |samples: Vec<f32>| {
        // All that comes out of the resampler goes through here: no more than is wanted.
        let frames = wide(samples.len()) / u64::from(channels.max(1));
        let now = wanted.map_or(frames, |wanted| frames.min(wanted.saturating_sub(taken)));
        taken = taken.saturating_add(now);
        let mut samples = samples;
        let length = usize::try_from(now).unwrap_or(usize::MAX);
        samples.truncate(length.saturating_mul(usize::from(channels)));
        (samples, wanted.is_some_and(|wanted| taken >= wanted))
    };
    let mut full = wanted == Some(0);
    while !full && let Some(block) = source.next_block()? {
        let fits = chain.as_ref().is_some_and(|chain| chain.fits(&block));
        if !fits {
            if let Some(mut old) = chain.take() {
                let (samples, _) = rest(old.resampler.finish()?);
                sink.push(leveller.push(samples))?;
            }
            chain = Some(Chain::new(&block, rate, channels)?);
        }
        if let Some(chain) = &mut chain {
            let (samples, end) = rest(chain.push(&block)?);
            full = end;
            sink.push(leveller.push(samples))?;
        }
    }
    if let Some(mut chain) = chain {
        let (samples, _) = rest(chain.resampler.finish()?);
        sink.push(leveller.push(samples))?;
    }
    // A track whose last packets are missing is as long as its container says all the same.
    let mut missing = wanted.map_or(0, |wanted| wanted.saturating_sub(taken));
    while missing > 0 {
        let now = missing.min(4_096);
        missing -= now;
        let samples = usize::try_from(now).unwrap_or(0) * usize::from(channels);
        sink.push(leveller.push(vec![0.0; samples]))?;
    }
    sink.push(leveller.finish())?;
    let mut coded = sink.finish()?;
    coded.info.language = track.info.language;
    coded.info.id = track.info.id;
    coded.warnings = source.warnings().to_vec();
    Ok(coded)
}

/// Samples per channel that are wanted; `None` where only decoding will tell.
fn wanted(info: &TrackInfo, settings: &AudioSettings) -> Option<u64> {
    let rate = settings.sample_rate;
    let whole = (info.duration > 0).then(|| rescale(info.duration, info.timescale, rate));
    let cut = settings.end_us.map(|end| rescale(end, 1_000_000, rate));
    match (whole, cut) {
        (Some(whole), Some(cut)) => Some(whole.min(cut)),
        (whole, cut) => whole.or(cut),
    }
}

/// What depends on the rate and channels that come.
struct Chain {
    from: (u32, u16),
    mixer: Mixer,
    resampler: Resampler,
}

impl Chain {
    fn new(block: &PcmBlock, rate: u32, channels: u16) -> Result<Self, MediaError> {
        Ok(Self {
            from: (block.sample_rate, block.channels),
            mixer: Mixer::new(block.channels, channels),
            resampler: Resampler::new(block.sample_rate, rate, channels)?,
        })
    }

    fn fits(&self, block: &PcmBlock) -> bool {
        self.from == (block.sample_rate, block.channels)
    }

    fn push(&mut self, block: &PcmBlock) -> Result<Vec<f32>, MediaError> {
        let samples: Vec<f32> = block.samples.iter().copied().map(to_f32).collect();
        let samples = if self.mixer.is_idle() {
            samples
        } else {
            self.mixer.mix(&samples)
        };
        self.resampler.push(&samples)
    }
}

/// An encoder and the packets it made.
struct Sink<'a> {
    encoder: &'a dyn AudioEncoder,
    settings: &'a AudioSettings,
    limits: &'a Limits,
    cancel: &'a Cancel,
    format: CodedFormat,
    stage: Box<dyn Stage<PcmBlock, Packet>>,
    packets: Vec<Bytes>,
    octets: usize,
    /// Samples per channel that went in.
    taken: u64,
}

impl<'a> Sink<'a> {
    fn open(
        encoder: &'a dyn AudioEncoder,
        settings: &'a AudioSettings,
        limits: &'a Limits,
        cancel: &'a Cancel,
    ) -> Result<Self, MediaError> {
        let track = AudioFormat {
            codec: settings.codec,
            sample_rate: settings.sample_rate,
            channels: settings.channels,
            config: Bytes::new(),
        };
        let target = RateTarget {
            bit_rate: Some(settings.bit_rate),
            ..RateTarget::default()
        };
        let name = encoder.name();
        let format = caught(name, || encoder.describe(&track, &target))?;
        let stage = caught(name, || encoder.open(&track, &target, cancel))?;
        Ok(Self {
            encoder,
            settings,
            limits,
            cancel,
            format,
            stage,
            packets: Vec::new(),
            octets: 0,
            taken: 0,
        })
    }

    fn push(&mut self, samples: Vec<f32>) -> Result<(), MediaError> {
        if samples.is_empty() {
            return Ok(());
        }
        self.cancel.check()?;
        let channels = u64::from(self.settings.channels.max(1));
        self.taken = self.taken.saturating_add(wide(samples.len()) / channels);
        let block = PcmBlock {
            sample_rate: self.settings.sample_rate,
            channels: self.settings.channels,
            samples: samples.into_iter().map(to_i16).collect(),
            timestamp_us: 0,
        };
        let stage = &mut self.stage;
        caught(self.encoder.name(), || stage.push(block))?;
        self.take()
    }

    fn take(&mut self) -> Result<(), MediaError> {
        let stage = &mut self.stage;
        while let Some(packet) = caught(self.encoder.name(), || stage.pull())? {
            self.octets = self.octets.saturating_add(packet.data.len());
            if self.packets.len() >= self.limits.container_samples {
                return Err(MediaError::Limit {
                    what: "container_samples",
                    limit: wide(self.limits.container_samples),
                });
            }
            if self.octets > self.limits.media_bytes {
                return Err(MediaError::Limit {
                    what: "media_bytes",
                    limit: wide(self.limits.media_bytes),
                });
            }
            self.packets.push(packet.data);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<CodedTrack, MediaError> {
        let stage = &mut self.stage;
        caught(self.encoder.name(), || stage.finish())?;
        self.take()?;
        let settings = self.settings;
        let band = amr::band(settings.codec);
        let modes = band.map_or(0, |band| amr::mode_set(band, settings.bit_rate));
        let codec = format::coded(settings.codec, &self.format.config, modes)
            .ok_or_else(|| MediaError::unsupported(format!("writing {:?}", settings.codec)))?;
        // Opus is timed at 48 kHz whatever it codes.
        let timescale = match settings.codec {
            Codec::Opus => 48_000,
            _ => settings.sample_rate,
        };
        let ticks = |samples: u64| rescale(samples, settings.sample_rate, timescale);
        let mut info =
            TrackInfo::audio(1, codec, timescale, settings.sample_rate, settings.channels);
        info.duration = ticks(self.taken);
        let frame = u64::from(self.format.packet_samples);
        let frame_ticks = ticks(frame);
        let priming = i64::try_from(ticks(u64::from(self.format.priming))).unwrap_or(0);
        let octets_of_a_frame = usize::from(settings.channels).saturating_mul(2);
        let mut at = -priming;
        let mut samples = Vec::with_capacity(self.packets.len());
        for mut data in self.packets {
            let mut duration = frame_ticks;
            // What is not compressed ends where the sound ends.
            if settings.codec == Codec::Pcm {
                let left = info.duration.saturating_sub(u64::try_from(at).unwrap_or(0));
                duration = duration.min(left);
                let frames = usize::try_from(duration).unwrap_or(usize::MAX);
                data.truncate(frames.saturating_mul(octets_of_a_frame));
            }
            samples.push(Sample {
                dts: at,
                pts: at,
                duration: u32::try_from(duration).unwrap_or(u32::MAX),
                keyframe: true,
                data,
            });
            at = at.saturating_add(i64::try_from(duration).unwrap_or(0));
        }
        Ok(CodedTrack {
            info,
            samples,
            encodes: 1,
            warnings: Vec::new(),
        })
    }
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

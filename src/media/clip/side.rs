//! A track as the plan sees it, and whether it will do as it is.

use super::ClipTarget;
use super::file;
use super::level;
use crate::dimensions::Dimensions;
use crate::media::audio::AudioTarget;
use crate::media::container::aac::AacConfig;
use crate::media::container::{
    AmrConfig, H263Config, Movie, Track, TrackCodec, TrackInfo, TrackKind,
};
use crate::media::info::{AudioTrack, Codec, MediaInfo, VideoTrack};
use crate::media::video::VideoTarget;

/// What a track has too much of for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The property: `codec`, `profile`, `level`, `size`, `frame rate`, `sample rate`, `channels`,
    /// `bit rate` or `rotation`.
    pub what: &'static str,
    /// What the target allows.
    pub limit: String,
    /// What the track has.
    pub was: String,
}

impl Excess {
    fn new(what: &'static str, limit: impl ToString, was: impl ToString) -> Self {
        Self {
            what,
            limit: limit.to_string(),
            was: was.to_string(),
        }
    }
}

/// What keeps moving pictures from being shown as they are by what plays `target`, the first
/// thing first; `None` where they will do. What the header does not tell is taken to be fine,
/// except the size.
#[must_use]
pub fn pictures_excess(track: &VideoTrack, turned: bool, target: &VideoTarget) -> Option<Excess> {
    let codec = track.codec;
    if codec != target.codec {
        return Some(Excess::new("codec", target.codec.name(), codec.name()));
    }
    // H.264 Baseline; profile 0 of H.263 and Simple of MPEG-4 Visual; Main of AV1.
    let plainest = if codec == Codec::H264 { 66 } else { 0 };
    if let Some(profile) = track.profile.filter(|profile| *profile != plainest) {
        return Some(Excess::new("profile", plainest, profile));
    }
    let above = |level: &u16| level::rank(codec, *level) > level::rank(codec, target.max_level);
    if let Some(level) = track.level.filter(above) {
        return Some(Excess::new("level", target.max_level, level));
    }
    let size = track.size.unwrap_or(Dimensions::new(u32::MAX, u32::MAX));
    if !target.max_box.holds(size) {
        return Some(Excess::new("size", target.max_box, size));
    }
    // A rate is a mean, and counts frames as long as the last one is not.
    let most = target
        .max_millihertz
        .saturating_add(target.max_millihertz / 50);
    if let Some(rate) = track.millihertz.filter(|rate| *rate > most) {
        return Some(Excess::new("frame rate", target.max_millihertz, rate));
    }
    if let (Some(most), Some(rate)) = (target.max_bit_rate, track.bit_rate)
        && rate > most.saturating_add(most / 20)
    {
        return Some(Excess::new("bit rate", most, rate));
    }
    turned.then(|| Excess::new("rotation", "upright", "turned"))
}

/// What keeps sound from being played as it is by what plays `target`; `None` where it will do.
#[must_use]
pub fn sound_excess(track: &AudioTrack, target: &AudioTarget) -> Option<Excess> {
    if track.codec != target.codec {
        return Some(Excess::new(
            "codec",
            target.codec.name(),
            track.codec.name(),
        ));
    }
    let over = |most: u64, is: Option<u64>| is.filter(|is| *is > most);
    if let Some(rate) = over(
        target.max_sample_rate.into(),
        track.sample_rate.map(Into::into),
    ) {
        return Some(Excess::new("sample rate", target.max_sample_rate, rate));
    }
    if let Some(channels) = over(target.max_channels.into(), track.channels.map(Into::into)) {
        return Some(Excess::new("channels", target.max_channels, channels));
    }
    let most = target.max_bit_rate?;
    over(most.saturating_add(most / 20), track.bit_rate)
        .map(|rate| Excess::new("bit rate", most, rate))
}

/// A track as the plan sees it.
#[derive(Debug, Clone)]
pub(super) struct Side {
    /// What its container says.
    pub(super) info: TrackInfo,
    /// Frames per 1000 seconds of moving pictures.
    pub(super) millihertz: Option<u32>,
    /// Playing time.
    pub(super) duration_us: u64,
    /// The track as it is, where that is what the target asks.
    pub(super) copy: Option<Copied>,
}

/// What a track takes that is copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    /// Octets of all samples.
    pub(super) bytes: u64,
    /// Samples.
    pub(super) samples: u64,
}

/// The tracks that are to be in the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Sides {
    /// The moving pictures.
    pub(super) video: Option<Side>,
    /// The sound.
    pub(super) audio: Option<Side>,
}

impl Sides {
    /// The tracks as a header describes them.
    pub(super) fn of_info(info: &MediaInfo, target: &ClipTarget) -> Self {
        let duration_us = info.duration_ms.unwrap_or(0).saturating_mul(1000);
        let copied = |bit_rate: Option<u64>, samples: u64| {
            let bits = u128::from(bit_rate?) * u128::from(duration_us) / 1_000_000;
            Some(Copied {
                bytes: u64::try_from(bits / 8).unwrap_or(u64::MAX),
                samples,
            })
        };
        let video = info.video.as_ref().zip(target.video.as_ref());
        let video = video.map(|(track, wanted)| {
            let size = track.size.or(info.size);
            let size = size.unwrap_or(Dimensions::new(176, 144));
            let mut described = TrackInfo::video(1, stand_in(track.codec), 1_000, size);
            described.kind = TrackKind::Video;
            described.orientation = info.orientation;
            described.duration = info.duration_ms.unwrap_or(0);
            let fine = pictures_excess(track, info.orientation != 1, wanted).is_none();
            let frames = info.frames.map_or(0, u64::from);
            Side {
                info: described,
                millihertz: track.millihertz,
                duration_us,
                copy: copied(track.bit_rate, frames).filter(|_| fine),
            }
        });
        let audio = info.audio.as_ref().zip(target.audio.as_ref());
        let audio = audio.map(|(track, wanted)| {
            let rate = track.sample_rate.unwrap_or(8_000);
            let channels = track.channels.unwrap_or(1);
            let mut described = TrackInfo::audio(2, stand_in(track.codec), 1_000, rate, channels);
            described.kind = TrackKind::Audio;
            described.duration = info.duration_ms.unwrap_or(0);
            let fine = sound_excess(track, wanted).is_none();
            Side {
                info: described,
                millihertz: None,
                duration_us,
                copy: copied(track.bit_rate, duration_us / 20_000).filter(|_| fine),
            }
        });
        Self { video, audio }
    }

    /// The tracks at these places of a movie.
    pub(super) fn of_movie(
        movie: &Movie,
        video: Option<usize>,
        audio: Option<usize>,
        target: &ClipTarget,
    ) -> Self {
        let track = |place: Option<usize>| movie.tracks.get(place?);
        Self {
            video: track(video)
                .zip(target.video.as_ref())
                .map(|(track, wanted)| pictures(track, wanted)),
            audio: track(audio)
                .zip(target.audio.as_ref())
                .map(|(track, wanted)| sound(track, wanted)),
        }
    }

    /// The longer of the playing times.
    pub(super) fn duration_us(&self) -> u64 {
        let sides = [&self.video, &self.audio];
        let times = sides.into_iter().flatten().map(|side| side.duration_us);
        times.max().unwrap_or(0)
    }
}

/// Playing time of a track.
pub(super) fn duration_us(info: &TrackInfo) -> u64 {
    let us = u128::from(info.duration) * 1_000_000 / u128::from(info.timescale.max(1));
    u64::try_from(us).unwrap_or(u64::MAX)
}

fn pictures(track: &Track, wanted: &VideoTarget) -> Side {
    let measured = Measured::of(track);
    let (profile, level) = level::of_track(&track.info.codec);
    let described = VideoTrack {
        codec: track.info.codec.codec(),
        size: track.info.size,
        millihertz: measured.millihertz(),
        profile,
        level,
        bit_rate: Some(measured.bit_rate()),
    };
    let turned = track.info.orientation != 1;
    let fine = pictures_excess(&described, turned, wanted).is_none() && measured.starts_with_key;
    Side {
        info: track.info.clone(),
        millihertz: described.millihertz,
        duration_us: measured.duration_us,
        copy: fine.then_some(measured.copied),
    }
}

fn sound(track: &Track, wanted: &AudioTarget) -> Side {
    let measured = Measured::of(track);
    let described = AudioTrack {
        codec: track.info.codec.codec(),
        sample_rate: track.info.sample_rate,
        channels: track.info.channels,
        bit_rate: Some(measured.bit_rate()),
    };
    // AAC of another object type than LC is called so by the container, too.
    let plain = match &track.info.codec {
        TrackCodec::Aac(config) => config.object_type == 2,
        TrackCodec::Pcm(format) => *format == file::PCM,
        _ => true,
    };
    let fine = plain && sound_excess(&described, wanted).is_none();
    Side {
        info: track.info.clone(),
        millihertz: None,
        duration_us: measured.duration_us,
        copy: fine.then_some(measured.copied),
    }
}

/// What running through the samples of a track tells.
struct Measured {
    copied: Copied,
    duration_us: u64,
    starts_with_key: bool,
}

impl Measured {
    fn of(track: &Track) -> Self {
        let mut copied = Copied {
            bytes: 0,
            samples: 0,
        };
        let mut starts_with_key = false;
        // Several frames of AMR in a sample become so many samples.
        let frame = match track.info.codec {
            TrackCodec::AmrNb(_) | TrackCodec::AmrWb(_) => track.info.timescale / 50,
            _ => u32::MAX,
        };
        for sample in track.samples() {
            if copied.samples == 0 {
                starts_with_key = sample.keyframe;
            }
            let octets = u64::try_from(sample.data.len()).unwrap_or(u64::MAX);
            copied.bytes = copied.bytes.saturating_add(octets);
            let frames = (sample.duration / frame.max(1)).max(1);
            copied.samples = copied.samples.saturating_add(frames.into());
        }
        Self {
            copied,
            duration_us: duration_us(&track.info),
            starts_with_key,
        }
    }

    fn millihertz(&self) -> Option<u32> {
        let rate = u128::from(self.copied.samples) * 1_000_000_000;
        let rate = rate.checked_div(u128::from(self.duration_us))?;
        u32::try_from(rate).ok().filter(|rate| *rate > 0)
    }

    fn bit_rate(&self) -> u64 {
        let bits = u128::from(self.copied.bytes) * 8_000_000;
        let rate = bits.checked_div(u128::from(self.duration_us));
        u64::try_from(rate.unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

/// A codec's track where only the name of the codec is known: for planning, never for decoding.
fn stand_in(codec: Codec) -> TrackCodec {
    match codec {
        Codec::AmrNb => TrackCodec::AmrNb(AmrConfig::any(1)),
        Codec::AmrWb => TrackCodec::AmrWb(AmrConfig::any(1)),
        Codec::AacLc | Codec::HeAac | Codec::HeAacV2 | Codec::Aac => {
            TrackCodec::Aac(AacConfig::low_complexity(44_100, 2))
        }
        Codec::Mp3 => TrackCodec::Mp3,
        Codec::H263 => TrackCodec::H263(H263Config {
            level: 10,
            profile: 0,
            bit_rate: None,
        }),
        codec => TrackCodec::Other(codec.name().to_owned()),
    }
}

//! Making the file: tracks chosen, copied or coded, written, and weighed once more.

use bytes::Bytes;

use super::file;
use super::share::{Division, Way, divide_or_cut, sound};
use super::side::{Sides, duration_us};
use super::{Clip, ClipTarget};
use crate::limits::Limits;
use crate::media::audio::{self, AudioSettings};
use crate::media::cancel::Cancel;
use crate::media::container::{
    self, AmrConfig, CodedTrack, Edit, Movie, Track, TrackCodec, TrackKind,
};
use crate::media::error::MediaError;
use crate::media::info::{Codec, Format, MediaInfo};
use crate::media::picture::Picture;
use crate::media::probe::probe;
use crate::media::registry::Registry;
use crate::media::video::{self, VideoSettings};

/// A target that is missed by less than this is not worth coding again for.
const SPARE_PERCENT: u64 = 5;

/// Octets by which the tables may be off.
const CORRECTION_SLACK: u64 = 64;

/// Makes a clip or a sound. A track that already is what the target asks, and small enough, is
/// copied and not coded anew; sound and pictures are made beside each other.
///
/// A track that the target wants and the source lacks is left out; so is a sound that nobody can
/// decode where there are pictures, and [`Clip::sound_lost`] says why.
///
/// # Errors
///
/// [`MediaError::Unsupported`] names the codec or feature nobody has; [`MediaError::TargetTooSmall`]
/// says what the least would be; else what reading and coding say.
pub fn convert(
    data: &Bytes,
    target: &ClipTarget,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Clip, MediaError> {
    cancel.check()?;
    let movie = open(data, limits)?;
    convert_movie(&movie, target, registry, limits, cancel)
}

/// As [`convert`], of a file that was read already, in memory or not.
///
/// # Errors
///
/// As [`convert`].
pub fn convert_movie(
    movie: &Movie,
    target: &ClipTarget,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Clip, MediaError> {
    cancel.check()?;
    let mut warnings: Vec<String> = movie.warnings.iter().map(ToString::to_string).collect();
    let tracks = Tracks::choose(movie, target, registry)?;
    let sides = Sides::of_movie(movie, tracks.video, tracks.audio, target);
    let foreign = tracks.foreign.clone();
    let work = Work {
        movie,
        tracks,
        sides: &sides,
        target,
        registry,
        limits,
        cancel,
    };
    let division = divide_or_cut(&sides, target, target.max_bytes)?;
    let mut made = work.tracks(&division)?;
    let mut octets = made.write(target.format)?;
    if let Some(max_bytes) = target.max_bytes {
        let size = wide(octets.len());
        if let Some(again) = work.correct(&made, &division, size, max_bytes)? {
            made.encodes = again.encodes;
            let better = again.write(target.format)?;
            let fits = wide(better.len()) <= max_bytes;
            if fits && (size > max_bytes || better.len() > octets.len()) {
                (made, octets) = (again, better);
            }
        }
        if wide(octets.len()) > max_bytes {
            return Err(MediaError::TargetTooSmall {
                smallest: wide(octets.len()),
            });
        }
    }
    warnings.extend(made.warnings());
    let sound_lost = foreign.or_else(|| made.sound_lost.clone());
    warnings.extend(
        sound_lost
            .iter()
            .map(|why| format!("the sound is left out: {why}")),
    );
    warnings.dedup();
    let bytes = Bytes::from(octets);
    let duration_us = made.duration_us();
    let info = probe(&bytes, limits)
        .unwrap_or_else(|_| MediaInfo::new(target.format, target.format.kind()));
    Ok(Clip {
        bytes,
        info,
        duration_us,
        cut_from_us: division
            .end_us
            .map(|_| sides.duration_us())
            .filter(|from| *from > duration_us),
        sound_lost,
        encodes: made.encodes,
        warnings,
    })
}

/// The first picture of a clip that is worth showing, upright.
///
/// # Errors
///
/// [`MediaError::Unsupported`] where there are no moving pictures or nobody decodes them, else as
/// [`video::poster`].
pub fn poster(
    data: &Bytes,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Picture, MediaError> {
    cancel.check()?;
    let movie = open(data, limits)?;
    let track = movie
        .first(TrackKind::Video)
        .ok_or_else(|| MediaError::unsupported("a clip without moving pictures"))?;
    video::poster(track, registry, limits, cancel)
}

fn open(data: &Bytes, limits: &Limits) -> Result<Movie, MediaError> {
    container::read(data, limits).map_err(|error| {
        let format = probe(data, limits).map_or_else(|error| error.format, |info| info.format);
        error.into_media_error(format)
    })
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The places of the tracks that are used.
#[derive(Debug, Clone)]
struct Tracks {
    video: Option<usize>,
    audio: Option<usize>,
    /// Why a sound beside the pictures is not used.
    foreign: Option<String>,
}

impl Tracks {
    /// The first track of each kind that can be read or taken over.
    fn choose(movie: &Movie, target: &ClipTarget, registry: &Registry) -> Result<Self, MediaError> {
        let video = match &target.video {
            Some(wanted) => first(movie, TrackKind::Video, |codec| {
                codec == wanted.codec || registry.video_decoder(codec).is_some()
            }),
            None => Found::None,
        };
        let audio = match &target.audio {
            Some(wanted) => first(movie, TrackKind::Audio, |codec| {
                codec == wanted.codec || registry.audio_decoder(codec).is_some()
            }),
            None => Found::None,
        };
        match (video, audio) {
            (Found::Foreign(name), _) => Err(MediaError::unsupported(format!(
                "moving pictures in {name}"
            ))),
            (Found::None, Found::Foreign(name)) => {
                Err(MediaError::unsupported(format!("sound in {name}")))
            }
            (Found::None, Found::None) => Err(MediaError::unsupported(
                match movie.tracks.first().map(|track| &track.info.codec) {
                    Some(TrackCodec::Other(name)) => format!("a track in {name}"),
                    Some(_) => "a file without the tracks that were asked for".to_owned(),
                    None => "a file without tracks".to_owned(),
                },
            )),
            (Found::At(video), Found::Foreign(name)) => Ok(Self {
                video: Some(video),
                audio: None,
                foreign: Some(format!("nobody decodes {name}")),
            }),
            (video, audio) => Ok(Self {
                video: video.place(),
                audio: audio.place(),
                foreign: None,
            }),
        }
    }
}

enum Found {
    At(usize),
    Foreign(String),
    None,
}

impl Found {
    fn place(&self) -> Option<usize> {
        match self {
            Self::At(place) => Some(*place),
            Self::Foreign(_) | Self::None => None,
        }
    }
}

fn first(movie: &Movie, kind: TrackKind, readable: impl Fn(Codec) -> bool) -> Found {
    let mut foreign = None;
    for (place, track) in movie.tracks.iter().enumerate() {
        if track.info.kind != kind || track.is_empty() {
            continue;
        }
        let codec = track.info.codec.codec();
        if readable(codec) {
            return Found::At(place);
        }
        foreign.get_or_insert_with(|| track.info.codec.name().to_owned());
    }
    foreign.map_or(Found::None, Found::Foreign)
}

/// Whether an error says something of one track alone.
const fn is_of_track(error: &MediaError) -> bool {
    matches!(
        error,
        MediaError::Malformed { .. }
            | MediaError::Unsupported { .. }
            | MediaError::CodecPanicked { .. }
            | MediaError::CodecFailed { .. }
    )
}

struct Work<'a> {
    movie: &'a Movie,
    tracks: Tracks,
    sides: &'a Sides,
    target: &'a ClipTarget,
    registry: &'a Registry,
    limits: &'a Limits,
    cancel: &'a Cancel,
}

/// The tracks of a file that is made.
struct Made {
    video: Option<CodedTrack>,
    audio: Option<CodedTrack>,
    encodes: u32,
    sound_lost: Option<String>,
}

impl Made {
    fn write(&self, format: Format) -> Result<Vec<u8>, MediaError> {
        file::write(format, self.video.as_ref(), self.audio.as_ref())
    }

    fn samples(&self) -> u64 {
        let tracks = [&self.video, &self.audio];
        let bytes = tracks.into_iter().flatten().map(CodedTrack::bytes);
        bytes.fold(0, u64::saturating_add)
    }

    fn duration_us(&self) -> u64 {
        let tracks = [&self.video, &self.audio];
        let times = tracks.into_iter().flatten().map(ends_us);
        times.max().unwrap_or(0)
    }

    fn warnings(&self) -> impl Iterator<Item = String> {
        let tracks = [&self.video, &self.audio];
        tracks
            .into_iter()
            .flatten()
            .flat_map(|track| track.warnings.iter().cloned())
    }
}

/// When a track ends on the presentation's clock.
fn ends_us(track: &CodedTrack) -> u64 {
    let ends = track
        .samples
        .iter()
        .map(|sample| sample.pts.saturating_add(i64::from(sample.duration)));
    let last = u64::try_from(ends.max().unwrap_or(0)).unwrap_or(0);
    let ticks = match track.info.duration {
        0 => last,
        told => told.min(last),
    };
    let us = u128::from(ticks) * 1_000_000 / u128::from(track.info.timescale.max(1));
    u64::try_from(us).unwrap_or(u64::MAX)
}

impl Work<'_> {
    /// Sound and pictures beside each other.
    fn tracks(&self, division: &Division) -> Result<Made, MediaError> {
        let (video, audio) = rayon::join(
            || self.video(division.video.as_ref(), division.end_us),
            || self.audio(division.audio.as_ref(), division.end_us),
        );
        let video = video?;
        let (audio, sound_lost) = match audio {
            // Pictures without their sound are better than neither.
            Err(error) if video.is_some() && is_of_track(&error) => (None, Some(error.to_string())),
            audio => (audio?, None),
        };
        let told = video.as_ref().or(audio.as_ref());
        Ok(Made {
            encodes: told.map_or(0, |track| track.encodes),
            video,
            audio,
            sound_lost,
        })
    }

    fn video(
        &self,
        way: Option<&Way<VideoSettings>>,
        end_us: Option<u64>,
    ) -> Result<Option<CodedTrack>, MediaError> {
        let track = self.tracks.video.and_then(|at| self.movie.tracks.get(at));
        let (Some(way), Some(track)) = (way, track) else {
            return Ok(None);
        };
        match way {
            Way::Copy => copy(track, end_us, self.limits).map(Some),
            Way::Code(settings) => {
                let settings = VideoSettings {
                    end_us,
                    ..settings.clone()
                };
                video::transcode(track, &settings, self.registry, self.limits, self.cancel)
                    .map(Some)
            }
        }
    }

    fn audio(
        &self,
        way: Option<&Way<AudioSettings>>,
        end_us: Option<u64>,
    ) -> Result<Option<CodedTrack>, MediaError> {
        let track = self.tracks.audio.and_then(|at| self.movie.tracks.get(at));
        let (Some(way), Some(track)) = (way, track) else {
            return Ok(None);
        };
        match way {
            Way::Copy => copy(track, end_us, self.limits).map(Some),
            Way::Code(settings) => {
                let settings = AudioSettings {
                    end_us,
                    ..settings.clone()
                };
                audio::transcode(track, &settings, self.registry, self.limits, self.cancel)
                    .map(Some)
            }
        }
    }

    /// The same with the pictures, or the sound where there are none, in as many octets as are
    /// really left: fewer where the file came out too large, more where much was left over. Once.
    fn correct(
        &self,
        made: &Made,
        division: &Division,
        size: u64,
        max_bytes: u64,
    ) -> Result<Option<Made>, MediaError> {
        let over = size > max_bytes;
        // What the tables really take is known now.
        let tables = size.saturating_sub(made.samples());
        let room = |others: u64| {
            max_bytes
                .saturating_sub(tables)
                .saturating_sub(others)
                .saturating_sub(CORRECTION_SLACK)
        };
        if let (Some(Way::Code(settings)), Some(track)) = (&division.video, &made.video) {
            let others = made.audio.as_ref().map_or(0, CodedTrack::bytes);
            let room = room(others);
            let given = settings.max_bytes.unwrap_or(u64::MAX);
            // Only pictures that used what they had can use more.
            let hungry = track.bytes() >= given / 100 * 97
                && room.saturating_sub(given) > max_bytes / 100 * SPARE_PERCENT;
            if !over && !hungry {
                return Ok(None);
            }
            let (Some(side), Some(target)) = (&self.sides.video, &self.target.video) else {
                return Ok(None);
            };
            let us = side.duration_us.min(division.end_us.unwrap_or(u64::MAX));
            let Some(settings) = video::choose(&side.info, side.millihertz, target, us, Some(room))
            else {
                return Ok(None);
            };
            let way = Way::Code(settings);
            let video = self.video(Some(&way), division.end_us)?;
            let again = video.as_ref().map_or(0, |track| track.encodes);
            return Ok(Some(Made {
                video,
                audio: made.audio.clone(),
                encodes: made.encodes.saturating_add(again),
                sound_lost: made.sound_lost.clone(),
            }));
        }
        if over && made.audio.is_some() && matches!(division.audio, Some(Way::Code(_))) {
            let others = made.video.as_ref().map_or(0, CodedTrack::bytes);
            let (Some(side), Some(target)) = (&self.sides.audio, &self.target.audio) else {
                return Ok(None);
            };
            let us = side.duration_us.min(division.end_us.unwrap_or(u64::MAX));
            let room = room(others);
            let format = self.target.format;
            let Some(smaller) = sound(format, &side.info, target, us, Some(room)) else {
                return Ok(None);
            };
            let way = Way::Code(smaller);
            let audio = self.audio(Some(&way), division.end_us)?;
            // Beside pictures the sound is not counted.
            let again = audio.as_ref().filter(|_| made.video.is_none());
            return Ok(Some(Made {
                video: made.video.clone(),
                encodes: (made.encodes).saturating_add(again.map_or(0, |track| track.encodes)),
                audio,
                sound_lost: None,
            }));
        }
        Ok(None)
    }
}

/// The samples of a track as they are, up to `end_us`.
fn copy(track: &Track, end_us: Option<u64>, limits: &Limits) -> Result<CodedTrack, MediaError> {
    let timescale = u128::from(track.info.timescale.max(1));
    let end = end_us.map(|end| {
        let ticks = u128::from(end) * timescale / 1_000_000;
        i64::try_from(ticks).unwrap_or(i64::MAX)
    });
    let mut samples = Vec::new();
    for sample in track.samples() {
        if end.is_some_and(|end| sample.pts >= end) {
            break;
        }
        if samples.len() == limits.container_samples {
            return Err(MediaError::Limit {
                what: "container_samples",
                limit: wide(limits.container_samples),
            });
        }
        samples.push(sample);
    }
    if samples.is_empty() {
        return Err(MediaError::unsupported("a track without samples"));
    }
    let mut info = track.info.clone();
    info.edit = Edit::default();
    if let Some(end) = end {
        info.duration = info.duration.min(u64::try_from(end).unwrap_or(0));
    }
    debug_assert!(duration_us(&info) <= duration_us(&track.info));
    let samples = file::single_frames(&info.codec, samples);
    info.codec = match info.codec {
        TrackCodec::AmrNb(config) => TrackCodec::AmrNb(one_frame(config)),
        TrackCodec::AmrWb(config) => TrackCodec::AmrWb(one_frame(config)),
        codec => codec,
    };
    Ok(CodedTrack {
        info,
        samples,
        encodes: 0,
        warnings: Vec::new(),
    })
}

const fn one_frame(config: AmrConfig) -> AmrConfig {
    AmrConfig {
        frames_per_sample: 1,
        ..config
    }
}

//! How a clip's octets are shared between its sound and its pictures.
//!
//! The rule, in the order in which octets are given out:
//!
//! 1. The container's own octets, computed from the number of samples.
//! 2. Sound at a rate at which speech is understood without effort, or a sixth of all where that
//!    is more. A listener forgives a coarse picture and not a sentence he cannot follow; a sixth
//!    is what sound had in the clips that phones recorded (12 of 64 and of 76 kbit/s).
//! 3. All the rest for the pictures, until they are as good as the target allows.
//! 4. What the pictures cannot use raises the sound.
//!
//! Where the pictures are not worth looking at on what is left, sound falls back to the plain
//! speech rate and then to the lowest of its codec before the clip is cut. A track that already is
//! what the target asks is copied when it fits into its share: it costs what it costs, and nothing
//! is lost by another generation of coding.

use super::ClipTarget;
use super::file::{self, Shape};
use super::side::{Side, Sides};
use crate::media::audio::{self, AudioSettings, AudioTarget};
use crate::media::container::TrackInfo;
use crate::media::error::MediaError;
use crate::media::info::{Codec, Format};
use crate::media::video::{self, VideoSettings, VideoTarget};

/// A clip that is shorter than this after a cut tells less than a still picture.
pub(super) const SHORTEST_CUT_US: u64 = 3_000_000;

/// How a track gets into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way<S> {
    /// Its samples as they are.
    Copy,
    /// Coded anew.
    Code(S),
}

/// What becomes of the tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Division {
    /// The moving pictures.
    pub(super) video: Option<Way<VideoSettings>>,
    /// The sound.
    pub(super) audio: Option<Way<AudioSettings>>,
    /// Where both are cut.
    pub(super) end_us: Option<u64>,
    /// Octets of the whole file, as far as can be told.
    pub(super) bytes: u64,
}

/// The division for the whole, or for as much of it as fits where the target may be cut.
///
/// # Errors
///
/// [`MediaError::TargetTooSmall`] with what the whole would take at least.
pub(super) fn divide_or_cut(
    sides: &Sides,
    target: &ClipTarget,
    max_bytes: Option<u64>,
) -> Result<Division, MediaError> {
    let whole = sides.duration_us();
    let longest = target.max_us.unwrap_or(u64::MAX);
    if whole <= longest
        && let Some(division) = divide(sides, target, None, max_bytes)
    {
        return Ok(division);
    }
    if target.may_cut
        && let Some(division) = cut(sides, target, whole.min(longest), max_bytes)
    {
        return Ok(division);
    }
    let end = (longest < whole).then_some(longest);
    Err(MediaError::TargetTooSmall {
        smallest: least(sides, target, end).unwrap_or(u64::MAX),
    })
}

/// The longest beginning that fits, to a tenth of a second.
fn cut(
    sides: &Sides,
    target: &ClipTarget,
    longest_us: u64,
    max_bytes: Option<u64>,
) -> Option<Division> {
    const TENTH_US: u64 = 100_000;
    let at = |tenths: u64| {
        divide(
            sides,
            target,
            Some(tenths.saturating_mul(TENTH_US)),
            max_bytes,
        )
    };
    let (mut low, mut high) = (SHORTEST_CUT_US / TENTH_US, longest_us / TENTH_US);
    if low > high {
        return None;
    }
    let mut best = at(low)?;
    if let Some(division) = at(high) {
        return Some(division);
    }
    while high.saturating_sub(low) > 1 {
        let middle = low.midpoint(high);
        match at(middle) {
            Some(division) => (best, low) = (division, middle),
            None => high = middle,
        }
    }
    Some(best)
}

/// The fewest octets that [`divide`] finds enough, to a hundredth.
pub(super) fn least(sides: &Sides, target: &ClipTarget, end_us: Option<u64>) -> Option<u64> {
    let mut high = divide(sides, target, end_us, None)?.bytes.max(1_000);
    let fits = |bytes: u64| divide(sides, target, end_us, Some(bytes)).is_some();
    while !fits(high) {
        // Where a copy is larger than what coding anew would take at best.
        high = high.checked_mul(2)?;
        if high > 1 << 40 {
            return None;
        }
    }
    let mut low = 0_u64;
    while high.saturating_sub(low) > high / 100 {
        let middle = low.midpoint(high);
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// Shares `max_bytes` by the rule of this module; `None` where that gives no clip worth having.
pub(super) fn divide(
    sides: &Sides,
    target: &ClipTarget,
    end_us: Option<u64>,
    max_bytes: Option<u64>,
) -> Option<Division> {
    let pictures = sides.video.as_ref().zip(target.video.as_ref());
    let sound = sides.audio.as_ref().zip(target.audio.as_ref());
    let span = |side: &Side| end_us.map_or(side.duration_us, |end| side.duration_us.min(end));
    let split = Split {
        target,
        pictures: pictures.map(|(side, wanted)| (side, wanted, span(side))),
        sound: sound.map(|(side, wanted)| (side, wanted, span(side))),
    };
    let found = match max_bytes {
        None => split.unbounded()?,
        Some(max_bytes) => split.within(max_bytes)?,
    };
    if found.0.is_none() && found.1.is_none() {
        return None;
    }
    let bytes = split.bytes(&found);
    Some(Division {
        video: found.0.map(|(way, _)| way),
        audio: found.1.map(|(way, _)| way),
        end_us: end_us.map(|end| end_on(end, sides)),
        bytes,
    })
}

/// The cut, where it cuts anything.
fn end_on(end_us: u64, sides: &Sides) -> u64 {
    end_us.min(sides.duration_us())
}

type Pictures = Option<(Way<VideoSettings>, Shape)>;
type Sound = Option<(Way<AudioSettings>, Shape)>;

struct Split<'a> {
    target: &'a ClipTarget,
    pictures: Option<(&'a Side, &'a VideoTarget, u64)>,
    sound: Option<(&'a Side, &'a AudioTarget, u64)>,
}

impl Split<'_> {
    fn duration_us(&self) -> u64 {
        let pictures = self.pictures.map_or(0, |(.., us)| us);
        pictures.max(self.sound.map_or(0, |(.., us)| us))
    }

    /// Octets of a file of these tracks.
    fn bytes(&self, (video, audio): &(Pictures, Sound)) -> u64 {
        let (video, audio) = (shape(video), shape(audio));
        let samples = [video, audio].into_iter().flatten();
        let samples = samples.fold(0_u64, |sum, shape| sum.saturating_add(shape.bytes));
        samples.saturating_add(self.overhead(video, audio))
    }

    fn overhead(&self, video: Option<&Shape>, audio: Option<&Shape>) -> u64 {
        file::overhead(self.target.format, video, audio, self.duration_us())
    }

    fn unbounded(&self) -> Option<(Pictures, Sound)> {
        Some((self.video(None)?, self.audio(None)?))
    }

    /// The pictures within so many octets; the outer `None` where there should be some and they
    /// do not fit.
    fn video(&self, room: Option<u64>) -> Option<Pictures> {
        let Some((side, wanted, us)) = self.pictures else {
            return Some(None);
        };
        if let Some(copied) = copied(side, us)
            && room.is_none_or(|room| copied.bytes <= room)
        {
            return Some(Some((Way::Copy, copied)));
        }
        let settings = video::choose(&side.info, side.millihertz, wanted, us, room)?;
        let frames = u128::from(us) * u128::from(settings.millihertz) / 1_000_000_000;
        let shape = Shape {
            codec: settings.codec,
            samples: u64::try_from(frames).unwrap_or(u64::MAX).saturating_add(1),
            sample_rate: 0,
            channels: 0,
            size: Some(settings.size),
            bytes: at_rate(settings.bit_rate, us).min(settings.max_bytes.unwrap_or(u64::MAX)),
            uniform: false,
        };
        Some(Some((Way::Code(settings), shape)))
    }

    /// The sound within so many octets.
    fn audio(&self, room: Option<u64>) -> Option<Sound> {
        let Some((side, wanted, us)) = self.sound else {
            return Some(None);
        };
        if let Some(copied) = copied(side, us)
            && room.is_none_or(|room| copied.bytes <= room)
        {
            return Some(Some((Way::Copy, copied)));
        }
        let settings = sound(self.target.format, &side.info, wanted, us, room)?;
        let shape = Shape {
            codec: settings.codec,
            samples: packets(&settings, us),
            sample_rate: settings.sample_rate,
            channels: settings.channels,
            size: None,
            bytes: audio::packet_bytes(&settings, us),
            uniform: matches!(settings.codec, Codec::AmrNb | Codec::AmrWb),
        };
        Some(Some((Way::Code(settings), shape)))
    }

    fn within(&self, max_bytes: u64) -> Option<(Pictures, Sound)> {
        let Some((_, wanted, us)) = self.sound else {
            return Some((self.rest_for_pictures(max_bytes, None)?, None));
        };
        if self.pictures.is_none() {
            return Some((None, self.sound_alone(max_bytes)?));
        }
        let sixth = max_bytes / 6;
        // A frame more than the time has, since the last is whole.
        let least = |rate: u64| at_rate(rate, us).saturating_add(rate / 400);
        let speech = least(speech_rate(wanted.codec));
        let lowest = least(lowest_rate(wanted.codec));
        for room in [sixth.max(speech), speech, lowest] {
            let Some(sound) = self.audio(Some(room)) else {
                continue;
            };
            let Some(pictures) = self.rest_for_pictures(max_bytes, shape(&sound)) else {
                continue;
            };
            let sound = self.raised(max_bytes, &pictures, sound);
            return Some((pictures, sound));
        }
        None
    }

    /// What sound leaves, for the pictures.
    fn rest_for_pictures(&self, max_bytes: u64, sound: Option<&Shape>) -> Option<Pictures> {
        let (side, _, us) = self.pictures?;
        let taken = sound.map_or(0, |shape| shape.bytes);
        // The tables grow with the frames, which are chosen by the octets: the first guess is as
        // many as the source has.
        let guess = self.video(None)?;
        let most = shape(&guess)
            .cloned()
            .unwrap_or_else(|| Shape::of_copy(side));
        let room = |frames: &Shape| {
            let overhead = self.overhead(Some(frames), sound);
            max_bytes.checked_sub(taken)?.checked_sub(overhead)
        };
        let first = self.video(Some(room(&most)?))?;
        let frames = |pictures: &Pictures| shape(pictures).map_or(0, |shape| shape.samples);
        if frames(&first) >= most.samples || us == 0 {
            return Some(first);
        }
        // Fewer frames leave room; it must not bring the frames back.
        let again = shape(&first)
            .and_then(room)
            .and_then(|room| self.video(Some(room)));
        match again {
            Some(again) if frames(&again) <= frames(&first) => Some(again),
            _ => Some(first),
        }
    }

    /// The sound with what the pictures could not use.
    fn raised(&self, max_bytes: u64, pictures: &Pictures, sound: Sound) -> Sound {
        let (Some(pictures), Some(now)) = (shape(pictures), shape(&sound)) else {
            return sound;
        };
        let taken = pictures
            .bytes
            .saturating_add(self.overhead(Some(pictures), Some(now)));
        let room = max_bytes.saturating_sub(taken);
        if room <= now.bytes {
            return sound;
        }
        let Some(better) = self.audio(Some(room)) else {
            return sound;
        };
        let fits = shape(&better).is_some_and(|better| {
            let overhead = self.overhead(Some(pictures), Some(better));
            let whole = pictures.bytes.saturating_add(better.bytes);
            whole.saturating_add(overhead) <= max_bytes && better.bytes > now.bytes
        });
        if fits { better } else { sound }
    }

    /// A sound without pictures takes all there is.
    fn sound_alone(&self, max_bytes: u64) -> Option<Sound> {
        let first = self.audio(Some(max_bytes))?;
        let overhead = self.overhead(None, shape(&first));
        let room = max_bytes.checked_sub(overhead)?;
        let second = self.audio(Some(room))?;
        let taken = self.bytes(&(None, second.clone()));
        if taken <= max_bytes {
            return Some(second);
        }
        self.audio(Some(room.checked_sub(taken.saturating_sub(max_bytes))?))
    }
}

fn shape<S>(track: &Option<(Way<S>, Shape)>) -> Option<&Shape> {
    track.as_ref().map(|(_, shape)| shape)
}

/// A track as it is up to `us`, where it can be taken over.
fn copied(side: &Side, us: u64) -> Option<Shape> {
    side.copy?;
    let whole = Shape::of_copy(side);
    if us >= side.duration_us {
        return Some(whole);
    }
    let part = |amount: u64| {
        let part = u128::from(amount) * u128::from(us) / u128::from(side.duration_us.max(1));
        // A beginning may be richer than the rest.
        u64::try_from(part + part / 8 + 1)
            .unwrap_or(u64::MAX)
            .min(amount)
    };
    Some(Shape {
        samples: part(whole.samples),
        bytes: part(whole.bytes),
        ..whole
    })
}

/// Octets of `us` at so many bits per second.
fn at_rate(bits_per_second: u64, us: u64) -> u64 {
    let octets = u128::from(bits_per_second) * u128::from(us) / 8_000_000;
    u64::try_from(octets).unwrap_or(u64::MAX)
}

/// Packets of a sound of `us`, with one for what an encoder puts in front.
fn packets(settings: &AudioSettings, us: u64) -> u64 {
    let per_second = |samples: u64| {
        let count =
            u128::from(us) * u128::from(settings.sample_rate) / (u128::from(samples) * 1_000_000);
        u64::try_from(count).unwrap_or(u64::MAX).saturating_add(2)
    };
    match settings.codec {
        Codec::AmrNb | Codec::AmrWb | Codec::Opus => us.div_ceil(20_000),
        Codec::Mp3 if settings.sample_rate >= 32_000 => per_second(1152),
        Codec::Mp3 => per_second(576),
        _ => per_second(1024),
    }
}

/// The settings of a sound that goes into a file of this format: mixed where a file lists no sizes.
pub(super) fn sound(
    format: Format,
    source: &TrackInfo,
    wanted: &AudioTarget,
    us: u64,
    room: Option<u64>,
) -> Option<AudioSettings> {
    if file::is_iso(format) {
        audio::choose(source, wanted, us, room)
    } else {
        audio::choose_mixed(source, wanted, us, room)
    }
}

/// Bits per second, packets' own octets included, at which speech is followed without effort.
const fn speech_rate(codec: Codec) -> u64 {
    match codec {
        // Mode 5.90, with the type octet and padding.
        Codec::AmrNb => 6_400,
        // Mode 12.65.
        Codec::AmrWb => 13_200,
        Codec::Opus => 16_000,
        Codec::Mp3 => 32_000,
        Codec::Pcm => 128_000,
        _ => 24_000,
    }
}

/// The least of a codec that is worth sending.
const fn lowest_rate(codec: Codec) -> u64 {
    match codec {
        Codec::AmrNb => 5_200,
        Codec::AmrWb => 7_200,
        Codec::Opus => 8_000,
        Codec::Mp3 => 16_000,
        Codec::Pcm => 128_000,
        _ => 12_500,
    }
}

//! What a clip or a sound becomes on a device.

use super::ability::{Ability, speech};
use super::report::Reason;
use crate::media::audio::AudioTarget;
use crate::media::clip::{ClipTarget, pictures_excess, sound_excess};
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind, Registry};
use crate::profile::Capabilities;

/// A file a clip or a sound can become, with the type name the device lists for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// What is to be made.
    pub(super) target: ClipTarget,
    /// The spelling of its media type in the device's list.
    pub(super) media: String,
}

/// Of a limit, what sound in a message may count on: the rest is for headers and text.
const SOUND_SHARE: (u64, u64) = (9, 10);

/// The longest clip that gateways of CDMA networks let through, in microseconds.
const CDMA_LONGEST_US: u64 = 30_000_000;

/// From here on a clip for a CDMA phone has half the frames.
const CDMA_SLOW_MS: u64 = 15_000;

/// The reason why what is inside the container is beyond a device that takes the container.
#[must_use]
pub(super) fn coding_reason(info: &MediaInfo, caps: &Capabilities) -> Option<Reason> {
    let ability = Ability::of(caps);
    let pictures = info.video.as_ref().and_then(|track| {
        let mut track = track.clone();
        track.size = track.size.or(info.size);
        let (limit, was) = ability.pictures_beyond(&track, info.orientation != 1)?;
        let unnamed = track.codec == Codec::Unknown;
        Some((limit, video_name(info).filter(|_| unnamed).unwrap_or(was)))
    });
    let sound = || {
        let track = info.audio.as_ref()?;
        // What nobody here takes out is no sound that a phone is known to play.
        match (&info.unread_audio, audio_name(info)) {
            (Some(_), Some(name)) => Some((ability.sounds().to_owned(), name)),
            _ => ability.sound_beyond(track),
        }
    };
    let (limit, was) = pictures.or_else(sound)?;
    Some(Reason::new("ThreeGPAccept", limit, was))
}

/// The best file for a clip among those that the device takes and the registry can write. `None`
/// where it takes no moving pictures or nobody decodes these.
#[must_use]
pub(super) fn clip(info: &MediaInfo, caps: &Capabilities, registry: &Registry) -> Option<Choice> {
    let mut described = info.video.clone()?;
    described.size = described.size.or(info.size);
    let source = described.codec;
    if !is_readable(info.format) || info.unread_video.is_some() {
        return None;
    }
    let ability = Ability::of(caps);
    let slow = ability.is_cdma() && info.duration_ms.is_some_and(|ms| ms > CDMA_SLOW_MS);
    ability.pictures().into_iter().find_map(|mut video| {
        let coded = registry.video_decoder(source).is_some()
            && registry.video_encoder(video.codec).is_some();
        // What nobody codes may still be taken over into another container.
        if !coded && pictures_excess(&described, info.orientation != 1, &video).is_some() {
            return None;
        }
        let (format, media) = container(video.codec, caps)?;
        if slow {
            video.max_millihertz = video.max_millihertz.min(7_500);
        }
        let audio = ability.sound_beside(video.codec);
        let target = ClipTarget {
            audio: info.audio.as_ref().and(sound_target(info, audio, registry)),
            video: Some(video),
            max_us: ability.is_cdma().then_some(CDMA_LONGEST_US),
            ..ClipTarget::new(format)
        };
        Some(Choice { target, media })
    })
}

/// The sound of a clip in the codec that is wanted, or in AMR where that cannot be written.
fn sound_target(info: &MediaInfo, wanted: AudioTarget, registry: &Registry) -> Option<AudioTarget> {
    let track = readable_sound(info)?;
    let possible = |target: &AudioTarget| {
        let coded = registry.audio_decoder(track.codec).is_some()
            && registry.audio_encoder(target.codec).is_some();
        coded || sound_excess(track, target).is_none()
    };
    [wanted, speech(Codec::AmrNb)].into_iter().find(possible)
}

/// The file that pictures in a codec go into: MP4 for H.264, as its recorders write, and 3GP for
/// the older ones, each with the other in its place where it alone is listed.
fn container(codec: Codec, caps: &Capabilities) -> Option<(Format, String)> {
    let mp4 = (Format::Mp4, "video/mp4");
    let gp = (Format::ThreeGp, "video/3gpp");
    let g2 = (Format::ThreeG2, "video/3gpp2");
    let order = match codec {
        Codec::H264 => &[mp4, gp, g2],
        _ => &[gp, g2, mp4],
    };
    order
        .iter()
        .filter(|(format, _)| codec != Codec::H263 || *format != Format::Mp4)
        .find_map(|(format, media)| Some((*format, caps.accepts(media)?.to_owned())))
}

/// The best file for a sound, or for the sound of a clip, among those that the device takes and
/// the registry can write: AMR for speech where it is listed, AAC or MP3 for music; a format whose
/// lowest rate is too much for `limit` octets only where there is no other.
#[must_use]
pub(super) fn sound(
    info: &MediaInfo,
    caps: &Capabilities,
    registry: &Registry,
    limit: Option<u64>,
) -> Option<Choice> {
    let track = readable_sound(info)?;
    if !is_readable(info.format) {
        return None;
    }
    let ability = Ability::of(caps);
    let music =
        track.channels.unwrap_or(1) > 1 && track.sample_rate.is_some_and(|rate| rate >= 22_050);
    let order = if music { &MUSIC } else { &VOICE };
    let own = order.iter().filter(|form| form.format() == info.format);
    let ways: Vec<(Form, String)> = own
        .chain(order.iter())
        .filter(|form| {
            let codec = form.codec();
            let coded = registry.audio_decoder(track.codec).is_some()
                && registry.audio_encoder(codec).is_some();
            coded || sound_excess(track, &form.target(&ability)).is_none()
        })
        .filter_map(|form| Some((*form, caps.accepts(form.media())?.to_owned())))
        .collect();
    let room = limit.map(|limit| limit / SOUND_SHARE.1 * SOUND_SHARE.0);
    let affordable = |form: &Form| {
        let octets = form.least_rate() / 8 * info.duration_ms.unwrap_or(0) / 1000;
        room.is_none_or(|room| octets <= room)
    };
    let best = ways.iter().find(|(form, _)| affordable(form));
    let smallest = || ways.iter().min_by_key(|(form, _)| form.least_rate());
    let (form, media) = best.or_else(smallest)?;
    let target = ClipTarget {
        audio: Some(form.target(&ability)),
        ..ClipTarget::new(form.format())
    };
    Some(Choice {
        target,
        media: media.clone(),
    })
}

/// The track of sound, where its samples are taken out of the file.
fn readable_sound(info: &MediaInfo) -> Option<&AudioTrack> {
    let track = info.audio.as_ref();
    track.filter(|_| info.unread_audio.is_none())
}

/// What a reason calls the codec of the moving pictures.
#[must_use]
pub(super) fn video_name(info: &MediaInfo) -> Option<String> {
    let codec = info.video.as_ref()?.codec;
    Some(named(codec, info.unread_video.as_deref()))
}

/// What a reason calls the codec of the sound.
#[must_use]
pub(super) fn audio_name(info: &MediaInfo) -> Option<String> {
    let codec = info.audio.as_ref()?.codec;
    Some(named(codec, info.unread_audio.as_deref()))
}

fn named(codec: Codec, container: Option<&str>) -> String {
    match (codec, container) {
        (codec, None) => codec.name().to_owned(),
        (codec, Some(name)) if codec == Codec::Unknown || name == codec.name() => name.to_owned(),
        (codec, Some(name)) => format!("{} in {name}", codec.name()),
    }
}

/// Whether the device takes any sound that could be made.
#[must_use]
pub(super) fn takes_sound(caps: &Capabilities) -> bool {
    VOICE
        .iter()
        .any(|form| caps.accepts(form.media()).is_some())
}

/// Whether the pictures of a clip can be shown as a still one.
#[must_use]
pub(super) fn has_poster(info: &MediaInfo, registry: &Registry) -> bool {
    info.kind == MediaKind::Video
        && is_readable(info.format)
        && info.unread_video.is_none()
        && info
            .video
            .as_ref()
            .is_some_and(|track| registry.video_decoder(track.codec).is_some())
}

/// Formats whose tracks are found.
pub(super) const fn is_readable(format: Format) -> bool {
    matches!(
        format,
        Format::Mp4
            | Format::ThreeGp
            | Format::ThreeG2
            | Format::Mov
            | Format::M4a
            | Format::Webm
            | Format::Mkv
            | Format::Amr
            | Format::AmrWb
            | Format::Adts
            | Format::Mp3
            | Format::Ogg
            | Format::Flac
            | Format::Wav
            | Format::Qcp
            | Format::Midi
            | Format::IMelody
            | Format::Rtttl
    )
}

/// A file of sound that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Amr,
    AmrIn3gp,
    AmrWb,
    M4a,
    Adts,
    Mp3,
    Wav,
}

/// For music: the better it sounds, the sooner.
const MUSIC: [Form; 7] = [
    Form::M4a,
    Form::Adts,
    Form::Mp3,
    Form::AmrWb,
    Form::Amr,
    Form::AmrIn3gp,
    Form::Wav,
];

/// For speech: what phones play as a voice message first.
const VOICE: [Form; 7] = [
    Form::Amr,
    Form::AmrIn3gp,
    Form::M4a,
    Form::Adts,
    Form::Mp3,
    Form::AmrWb,
    Form::Wav,
];

impl Form {
    const fn format(self) -> Format {
        match self {
            Self::Amr => Format::Amr,
            Self::AmrIn3gp => Format::ThreeGp,
            Self::AmrWb => Format::AmrWb,
            Self::M4a => Format::M4a,
            Self::Adts => Format::Adts,
            Self::Mp3 => Format::Mp3,
            Self::Wav => Format::Wav,
        }
    }

    const fn media(self) -> &'static str {
        match self {
            Self::Amr => "audio/amr",
            Self::AmrIn3gp => "audio/3gpp",
            Self::AmrWb => "audio/amr-wb",
            Self::M4a => "audio/mp4",
            Self::Adts => "audio/aac",
            Self::Mp3 => "audio/mpeg",
            Self::Wav => "audio/wav",
        }
    }

    const fn codec(self) -> Codec {
        match self {
            Self::Amr | Self::AmrIn3gp => Codec::AmrNb,
            Self::AmrWb => Codec::AmrWb,
            Self::M4a | Self::Adts => Codec::AacLc,
            Self::Mp3 => Codec::Mp3,
            Self::Wav => Codec::Pcm,
        }
    }

    /// Bits per second below which the form is not worth choosing over another.
    const fn least_rate(self) -> u64 {
        match self {
            Self::Amr => 5_200,
            Self::AmrIn3gp => 5_400,
            Self::AmrWb => 7_200,
            Self::M4a | Self::Adts => 20_000,
            Self::Mp3 => 32_000,
            Self::Wav => 128_000,
        }
    }

    fn target(self, ability: &Ability<'_>) -> AudioTarget {
        match self {
            Self::Amr | Self::AmrIn3gp | Self::AmrWb => speech(self.codec()),
            Self::M4a | Self::Adts => ability.aac(),
            Self::Mp3 => AudioTarget {
                codec: Codec::Mp3,
                max_sample_rate: 48_000,
                max_channels: 2,
                max_bit_rate: Some(128_000),
            },
            // What is sent as WAV is meant for a phone that plays nothing else.
            Self::Wav => AudioTarget {
                codec: Codec::Pcm,
                max_sample_rate: 8_000,
                max_channels: 1,
                max_bit_rate: None,
            },
        }
    }
}

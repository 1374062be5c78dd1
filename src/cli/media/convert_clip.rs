//! The part of `remold media convert` that makes sounds and clips.

use serde_json::{Value, json};

use super::convert::{Args, Job, Outcome, blame};
use super::input::Input;
use crate::cli::{CliError, Exit, io};
use crate::dimensions::Dimensions;
use crate::media::audio::AudioTarget;
use crate::media::clip::{self, Clip, ClipTarget, pictures_excess, sound_excess};
use crate::media::video::VideoTarget;
use crate::media::{Cancel, Codec, Format, MediaInfo, MediaKind, mime};

const QCIF: Dimensions = Dimensions::new(176, 144);
const CIF: Dimensions = Dimensions::new(352, 288);

pub(super) fn run(
    job: &Job<'_>,
    input: &Input,
    info: &MediaInfo,
    format: Format,
) -> Result<Outcome, CliError> {
    let &Job {
        args,
        registry,
        limits,
        keeps,
    } = job;
    let target = target(args, info, format)?;
    let size = input.size();
    if keeps && will_do(size, info, &target) {
        return Ok(Outcome {
            bytes: input.whole(&args.input, limits)?,
            report: report(args, size, info, None),
            warnings: Vec::new(),
        });
    }
    let cancel = Cancel::new();
    let made = match input.movie() {
        Some(movie) => clip::convert_movie(movie, &target, registry, limits, &cancel),
        None => clip::convert(input.data(), &target, registry, limits, &cancel),
    };
    input.check(&args.input)?;
    let made = made.map_err(|error| blame(&error))?;
    let mut warnings = made.warnings.clone();
    if let Some(from) = made.cut_from_us {
        warnings.push(format!(
            "cut from {} to {} ms",
            from / 1000,
            made.duration_us / 1000
        ));
    }
    Ok(Outcome {
        report: report(args, size, info, Some(&made)),
        bytes: made.bytes,
        warnings,
    })
}

/// What the options ask for, with what suits phones where they are silent.
fn target(args: &Args, info: &MediaInfo, format: Format) -> Result<ClipTarget, CliError> {
    let usage = |message: String| CliError::new(Exit::Usage, message);
    let (usual_video, usual_audio) = match format {
        Format::ThreeGp | Format::ThreeG2 => (Some(Codec::H263), Codec::AmrNb),
        Format::Mp4 => (Some(Codec::H264), Codec::AacLc),
        Format::M4a | Format::Adts => (None, Codec::AacLc),
        Format::Amr => (None, Codec::AmrNb),
        Format::AmrWb => (None, Codec::AmrWb),
        Format::Mp3 => (None, Codec::Mp3),
        Format::Ogg => (None, Codec::Opus),
        Format::Wav => (None, Codec::Pcm),
        other => {
            let message = format!("this build cannot write {}", other.name());
            return Err(CliError::new(Exit::Refused, message));
        }
    };
    let video = match args.video_codec.as_deref() {
        Some("none") => None,
        Some(name) => Some(video_codec(name).ok_or_else(|| {
            usage(format!(
                "--video-codec {name} is not one of h263, mpeg4-visual, h264, av1, none"
            ))
        })?),
        None => usual_video,
    };
    if usual_video.is_none() && video.is_some() {
        let message = format!("--video-codec does not apply to {}", format.name());
        return Err(usage(message));
    }
    let audio = match args.audio_codec.as_deref() {
        Some("none") => None,
        Some(name) => Some(audio_codec(name).ok_or_else(|| {
            usage(format!(
                "--audio-codec {name} is not one of amr-nb, amr-wb, aac-lc, mp3, opus, pcm, none"
            ))
        })?),
        // H.264 in 3GP is of an age that has AAC.
        None if video == Some(Codec::H264) => Some(Codec::AacLc),
        None => Some(usual_audio),
    };
    let pictures = video.filter(|_| info.kind == MediaKind::Video);
    Ok(ClipTarget {
        video: pictures.map(|codec| video_target(args, info, codec)),
        audio: audio.map(|codec| audio_target(args, codec, pictures.is_none())),
        max_bytes: args.max_size,
        may_cut: args.cut,
        ..ClipTarget::new(format)
    })
}

fn video_target(args: &Args, info: &MediaInfo, codec: Codec) -> VideoTarget {
    let track = info.video.as_ref();
    let own = info.shown_size().or_else(|| track?.size).unwrap_or(CIF);
    let (max_box, max_level, fps) = match codec {
        Codec::H263 => {
            let max_box = args.max_image.unwrap_or(QCIF);
            let level = if max_box.holds(CIF) { 30 } else { 45 };
            (max_box, level, if level == 30 { 30 } else { 15 })
        }
        Codec::Mpeg4Visual => (args.max_image.unwrap_or(CIF), 3, 30),
        Codec::H264 => {
            let max_box = args.max_image.unwrap_or(own);
            let small = u64::from(max_box.width) * u64::from(max_box.height) <= 720 * 576;
            (max_box, if small { 30 } else { 40 }, 30)
        }
        _ => (args.max_image.unwrap_or(own), u16::MAX, 30),
    };
    VideoTarget {
        codec,
        max_level,
        max_box,
        max_millihertz: args.fps.unwrap_or(fps).saturating_mul(1000),
        max_bit_rate: args.bitrate,
    }
}

fn audio_target(args: &Args, codec: Codec, alone: bool) -> AudioTarget {
    let (rate, channels) = match codec {
        Codec::AmrNb => (8_000, 1),
        Codec::AmrWb => (16_000, 1),
        _ => (48_000, 2),
    };
    AudioTarget {
        codec,
        max_sample_rate: args.sample_rate.unwrap_or(rate).min(rate),
        max_channels: args.channels.unwrap_or(channels).min(channels),
        max_bit_rate: args.bitrate.filter(|_| alone),
    }
}

fn video_codec(name: &str) -> Option<Codec> {
    Some(match name.to_ascii_lowercase().as_str() {
        "h263" | "s263" | "h.263" => Codec::H263,
        "mpeg4-visual" | "mpeg4" | "mp4v" => Codec::Mpeg4Visual,
        "h264" | "avc" | "avc1" | "h.264" => Codec::H264,
        "av1" | "av01" => Codec::Av1,
        _ => return None,
    })
}

fn audio_codec(name: &str) -> Option<Codec> {
    Some(match name.to_ascii_lowercase().as_str() {
        "amr-nb" | "amr" | "samr" => Codec::AmrNb,
        "amr-wb" | "awb" | "sawb" => Codec::AmrWb,
        "aac-lc" | "aac" | "mp4a" => Codec::AacLc,
        "mp3" => Codec::Mp3,
        "opus" => Codec::Opus,
        "pcm" | "wav" => Codec::Pcm,
        _ => return None,
    })
}

/// Whether the file meets the target as it is.
fn will_do(size: u64, info: &MediaInfo, target: &ClipTarget) -> bool {
    let pictures = match (&info.video, &target.video) {
        (Some(track), Some(wanted)) => {
            let mut track = track.clone();
            track.size = track.size.or(info.size);
            pictures_excess(&track, info.orientation != 1, wanted).is_none()
        }
        (track, _) => track.is_none(),
    };
    let sound = match (&info.audio, &target.audio) {
        (Some(track), Some(wanted)) => sound_excess(track, wanted).is_none(),
        (track, _) => track.is_none(),
    };
    info.format == target.format
        && pictures
        && sound
        && target.max_bytes.is_none_or(|most| size <= most)
}

fn report(args: &Args, size_in: u64, info: &MediaInfo, made: Option<&Clip>) -> Value {
    let out = made.map_or(info, |made| &made.info);
    let shown = |info: &MediaInfo| {
        let track = info.video.as_ref();
        info.shown_size().or_else(|| track?.size)
    };
    let size = shown(out);
    let sound = out.audio.as_ref().filter(|_| out.video.is_some());
    json!({
        "input": io::shown(&args.input),
        "output": args.output.display().to_string(),
        "action": if made.is_some() { "transcode" } else { "keep" },
        "type_in": mime::media_type(info),
        "type_out": mime::media_type(out),
        "bytes_in": size_in,
        "bytes_out": made.map_or(size_in, |made| u64::try_from(made.bytes.len()).unwrap_or(u64::MAX)),
        "codec": out.codec.map(Codec::name),
        "audio_codec": sound.map(|track| track.codec.name()),
        "width": size.map(|size| size.width),
        "height": size.map(|size| size.height),
        "frames": out.frames,
        "fps": out.video.as_ref().and_then(|track| track.millihertz).map(|rate| f64::from(rate) / 1000.0),
        "sample_rate": out.audio.as_ref().and_then(|track| track.sample_rate),
        "channels": out.audio.as_ref().and_then(|track| track.channels),
        "duration_ms": made.map_or(info.duration_ms, |made| Some(made.duration_us.div_ceil(1000))),
        "cut_from_ms": made.and_then(|made| made.cut_from_us).map(|us| us.div_ceil(1000)),
        "quality": null,
        "encodes": made.map_or(0, |made| made.encodes),
        "warnings": made.map(|made| made.warnings.clone()).unwrap_or_default(),
    })
}

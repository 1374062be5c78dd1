//! `remold media convert`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::cli::{CliError, Exit, io};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::image::{Converted, ImageTarget, convert};
use crate::media::{Cancel, Format, MediaError, MediaInfo, MediaKind, Registry, mime, probe};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remold media convert holiday.heic -o holiday.jpg --max-image 640x480 --max-size 30000
  remold media convert wave.gif -o small.gif --max-size 45000
  remold media convert logo.png -o logo.wbmp --max-image 96x64
  remold media convert photo.jpg -o - --type image/jpeg --quality 80 > small.jpg")]
pub(super) struct Args {
    /// The medium to convert; - is stdin
    input: PathBuf,
    /// Where to write the result; - is stdout
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Media type or extension to make; without it the extension of OUT decides
    #[arg(long = "type", value_name = "TYPE")]
    media_type: Option<String>,
    /// The most bytes the result may have
    #[arg(long, value_name = "BYTES")]
    max_size: Option<u64>,
    /// The box to fit, either way round
    #[arg(long, value_name = "WxH", value_parser = parse_box)]
    max_image: Option<Dimensions>,
    /// The highest quality, on JPEG's usual scale
    #[arg(long, value_name = "1..100", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// Codec of the sound
    #[arg(long, value_name = "C")]
    audio_codec: Option<String>,
    /// Codec of the moving pictures
    #[arg(long, value_name = "C")]
    video_codec: Option<String>,
    /// Bits per second
    #[arg(long, value_name = "BPS")]
    bitrate: Option<u64>,
    /// Frames per second
    #[arg(long, value_name = "N")]
    fps: Option<u32>,
    /// Print a report as one JSON object, on stderr where the result goes to stdout
    #[arg(long)]
    json: bool,
    /// Replace OUT where it exists
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: Args) -> Result<Exit, CliError> {
    let limits = Limits::default();
    run_with(&args, &limits).map_err(|error| error.as_json(args.json))
}

fn run_with(args: &Args, limits: &Limits) -> Result<Exit, CliError> {
    let format = wanted(args)?;
    let data = io::read_input(&args.input, limits.media_bytes)?;
    let name = io::shown(&args.input);
    let info = probe(&data, limits).map_err(|error| {
        let message = format!("{}: {}", error.format.name(), error.what);
        CliError::new(Exit::Undecodable, message)
            .in_file(name.clone())
            .at(error.offset)
    })?;
    let registry = Registry::builtin();
    convertible(&info, format, &registry).map_err(|error| error.in_file(name.clone()))?;
    options_apply(args)?;
    let target = ImageTarget {
        format,
        max_box: args.max_image,
        max_bytes: args.max_size,
        quality: args.quality,
        animation: true,
        bits_per_pixel: None,
    };
    let converted = convert(&data, &info, &target, &registry, limits, &Cancel::new())
        .map_err(|error| blame(&error).in_file(name.clone()))?;
    let bytes = match &converted {
        Converted::Kept => data.clone(),
        Converted::Made { encoded, .. } => Bytes::copy_from_slice(&encoded.bytes),
    };
    io::write_output_atomic(&args.output, &bytes, args.force)?;
    if args.json {
        let report = format!("{:#}\n", report(args, &data, &info, &converted));
        if io::is_dash(&args.output) {
            eprint!("{report}");
        } else {
            io::print(report)?;
        }
    } else if let Converted::Made { warnings, .. } = &converted {
        for warning in warnings {
            eprintln!("remold: {name}: warning: {warning}");
        }
    }
    Ok(Exit::Done)
}

/// The format asked for.
fn wanted(args: &Args) -> Result<Format, CliError> {
    if let Some(name) = &args.media_type {
        return mime::format_of_media_type(name)
            .or_else(|| mime::format_of_extension(name))
            .ok_or_else(|| CliError::new(Exit::Usage, format!("--type {name} is not known")));
    }
    extension(&args.output)
        .and_then(mime::format_of_extension)
        .ok_or_else(|| {
            let message = "its extension tells no type; say --type";
            CliError::new(Exit::Usage, message).in_file(io::shown(&args.output))
        })
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// Refuses what no codec of this build does, saying which half is missing.
fn convertible(info: &MediaInfo, to: Format, registry: &Registry) -> Result<(), CliError> {
    let refuse = |message: String| Err(CliError::new(Exit::Refused, message));
    if info.kind != MediaKind::Image {
        let kind = info.kind.name();
        return refuse(format!("this build converts pictures, and this is {kind}"));
    }
    if !registry.decodes(info.format) {
        return refuse(format!("this build cannot read {}", info.format.name()));
    }
    if !registry.encodes(to) {
        return refuse(format!("this build cannot write {}", to.name()));
    }
    Ok(())
}

/// Refuses options that say nothing about a picture.
fn options_apply(args: &Args) -> Result<(), CliError> {
    let given = [
        ("--audio-codec", args.audio_codec.is_some()),
        ("--video-codec", args.video_codec.is_some()),
        ("--bitrate", args.bitrate.is_some()),
        ("--fps", args.fps.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(CliError::new(
            Exit::Usage,
            format!("{option} does not apply to a picture"),
        )),
        None => Ok(()),
    }
}

fn blame(error: &MediaError) -> CliError {
    let exit = match error {
        MediaError::Unsupported { .. } | MediaError::TargetTooSmall { .. } => Exit::Refused,
        MediaError::Cancelled => Exit::Interrupted,
        _ => Exit::Undecodable,
    };
    let error_at = CliError::new(exit, error.to_string());
    match error {
        MediaError::Malformed {
            offset: Some(offset),
            ..
        } => error_at.at(*offset),
        _ => error_at,
    }
}

fn report(args: &Args, data: &Bytes, info: &MediaInfo, converted: &Converted) -> Value {
    let size = info.shown_size();
    let mut report = json!({
        "input": io::shown(&args.input),
        "output": args.output.display().to_string(),
        "action": "keep",
        "type_in": mime::media_type(info),
        "type_out": mime::media_type(info),
        "bytes_in": data.len(),
        "bytes_out": data.len(),
        "width": size.map(|size| size.width),
        "height": size.map(|size| size.height),
        "frames": info.frames,
        "quality": null,
        "encodes": 0,
        "warnings": [],
    });
    if let (Converted::Made { encoded, warnings }, Value::Object(fields)) = (converted, &mut report)
    {
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        set("action", "transcode".into());
        set("type_out", encoded.format.media_type().into());
        set("bytes_out", encoded.bytes.len().into());
        set("width", encoded.size.width.into());
        set("height", encoded.size.height.into());
        set("frames", encoded.frames.into());
        set("quality", encoded.quality.into());
        set("encodes", encoded.encodes.into());
        set("warnings", warnings.clone().into());
    }
    report
}

fn parse_box(text: &str) -> Result<Dimensions, String> {
    let parts = text.split_once(['x', 'X']);
    let side = |text: &str| text.parse().ok().filter(|&side: &u32| side > 0);
    match parts.map(|(width, height)| (side(width), side(height))) {
        Some((Some(width), Some(height))) => Ok(Dimensions::new(width, height)),
        _ => Err("not WIDTHxHEIGHT in pixels".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_two_sides() {
        assert_eq!(parse_box("640x480"), Ok(Dimensions::new(640, 480)));
        for wrong in ["", "640", "0x1", "1x", "-1x2", "1x2x3"] {
            assert!(parse_box(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_converted_is_refused_by_name() {
        let registry = Registry::builtin();
        let sound = MediaInfo::new(Format::Amr, MediaKind::Audio);
        let error = convertible(&sound, Format::Jpeg, &registry).unwrap_err();
        assert_eq!(error.exit, Exit::Refused);
        let heic = MediaInfo::new(Format::Heic, MediaKind::Image);
        let error = convertible(&heic, Format::Jpeg, &registry).unwrap_err();
        assert!(error.message.contains("cannot read"), "{}", error.message);
        let png = MediaInfo::new(Format::Png, MediaKind::Image);
        assert!(convertible(&png, Format::Jpeg, &registry).is_ok());
    }
}

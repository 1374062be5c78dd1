//! `remold media convert`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};

use super::convert_clip;
use super::input::Input;
use crate::cli::codecs::CodecArgs;
use crate::cli::{CliError, Exit, io, progress};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::image::{Converted, ImageTarget, Source, convert};
use crate::media::{Cancel, Codec, Format, MediaError, MediaInfo, MediaKind, Registry, clip, mime};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remold media convert holiday.jpg -o small.jpg --max-image 640x480 --max-size 30000
  remold media convert wave.gif -o small.gif --max-size 45000
  remold media convert logo.png -o logo.wbmp --max-image 96x64
  remold media convert photo.jpg -o - --type image/jpeg --quality 80 > small.jpg
  remold media convert holiday.mp4 -o holiday.3gp --max-size 300000
  remold media convert holiday.mov -o small.mp4 --max-image 320x240 --fps 15 --bitrate 200000
  remold media convert holiday.mp4 -o holiday.3gp --max-size 95000 --cut
  remold media convert holiday.mp4 -o still.jpg --max-image 320x240
  remold media convert memo.m4a -o memo.amr
  remold media convert song.flac -o song.mp3 --bitrate 96000
  remold media convert memo.ogg -o memo.wav --sample-rate 8000 --channels 1
  remold media convert ring.mid -o ring.amr --soundfont instruments.sf2

Codecs of sound: amr-nb, amr-wb, aac-lc, mp3, opus, pcm. Of moving pictures: h263, mpeg4-visual,
h264, av1. Without a codec the format decides: 3gp and 3g2 get h263 with amr-nb, mp4 gets h264
with aac-lc.")]
pub(in crate::cli) struct Args {
    /// The medium to convert; - is stdin
    pub(super) input: PathBuf,
    /// Where to write the result; - is stdout
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: PathBuf,
    /// Media type or extension to make; without it the extension of OUT decides
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) media_type: Option<String>,
    /// The most bytes the result may have
    #[arg(long, value_name = "BYTES")]
    pub(super) max_size: Option<u64>,
    /// The box to fit, either way round
    #[arg(long, value_name = "WxH", value_parser = parse_box)]
    pub(super) max_image: Option<Dimensions>,
    /// The highest quality, on JPEG's usual scale
    #[arg(long, value_name = "1..100", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(super) quality: Option<u8>,
    /// Codec of the sound; `none` leaves it out
    #[arg(long, value_name = "C")]
    pub(super) audio_codec: Option<String>,
    /// Codec of the moving pictures; `none` leaves them out
    #[arg(long, value_name = "C")]
    pub(super) video_codec: Option<String>,
    /// The most bits per second: of the pictures of a clip, of a sound alone
    #[arg(long, value_name = "BPS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) bitrate: Option<u64>,
    /// The most frames per second
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=240))]
    pub(super) fps: Option<u32>,
    /// The most samples of sound per second
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(8_000..=192_000))]
    pub(super) sample_rate: Option<u32>,
    /// The most channels of sound
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=2))]
    pub(super) channels: Option<u16>,
    /// Cut off the end of a sound or clip that does not fit whole
    #[arg(long)]
    pub(super) cut: bool,
    /// Print a report as one JSON object, on stderr where the result goes to stdout
    #[arg(long)]
    json: bool,
    /// Replace OUT where it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    codecs: CodecArgs,
}

/// What a conversion gave.
pub(super) struct Outcome {
    /// The file.
    pub(super) bytes: Bytes,
    /// What is said of it.
    pub(super) report: Value,
    /// What was wrong and did not stop it.
    pub(super) warnings: Vec<String>,
}

impl Args {
    /// The codecs that the options ask for.
    ///
    /// # Errors
    ///
    /// As [`CodecArgs::registry`].
    pub(in crate::cli) fn registry(&self) -> Result<Registry, CliError> {
        let registry = self.codecs.registry();
        registry.map_err(|error| error.as_json(self.json))
    }
}

pub(super) fn run(args: &Args) -> Result<Exit, CliError> {
    through(args, &args.registry()?, true)
}

/// Converts by the codecs of `registry`, also what would do as it is.
///
/// # Errors
///
/// As [`run`].
#[cfg(feature = "plugins")]
pub(in crate::cli) fn anew(args: &Args, registry: &Registry) -> Result<Exit, CliError> {
    through(args, registry, false)
}

fn through(args: &Args, registry: &Registry, keeps: bool) -> Result<Exit, CliError> {
    let job = Job {
        args,
        registry,
        limits: &Limits::default(),
        keeps,
    };
    job.run().map_err(|error| error.as_json(args.json))
}

/// One conversion.
pub(super) struct Job<'a> {
    pub(super) args: &'a Args,
    pub(super) registry: &'a Registry,
    pub(super) limits: &'a Limits,
    /// Whether what will do as it is stays so.
    pub(super) keeps: bool,
}

impl Job<'_> {
    fn run(&self) -> Result<Exit, CliError> {
        let &Self {
            args,
            registry,
            limits,
            ..
        } = self;
        let pictures = wanted(args).is_ok_and(|format| format.kind() == MediaKind::Image);
        let input = Input::open(&args.input, !pictures, limits)?;
        let name = io::shown(&args.input);
        let format = wanted(args)?;
        let info = registry.probe(input.data(), limits).map_err(|error| {
            let message = format!("{}: {}", error.format.name(), error.what);
            CliError::new(Exit::Undecodable, message)
                .in_file(name.clone())
                .at(error.offset)
        })?;
        convertible(&info, format, registry).map_err(|error| error.in_file(name.clone()))?;
        options_apply(args, format)?;
        let bar = progress::for_octets(usize::try_from(input.size()).unwrap_or(usize::MAX));
        let outcome = if format.kind() == MediaKind::Image {
            self.picture(input.data(), &info, format)
        } else {
            convert_clip::run(self, &input, &info, format)
        };
        bar.finish_and_clear();
        let outcome = outcome.map_err(|error| error.in_file(name.clone()))?;
        io::write_output_atomic(&args.output, &outcome.bytes, args.force)?;
        if args.json {
            let report = format!("{:#}\n", outcome.report);
            if io::is_dash(&args.output) {
                eprint!("{report}");
            } else {
                io::print(report)?;
            }
        } else {
            for warning in &outcome.warnings {
                eprintln!("remold: {name}: warning: {warning}");
            }
        }
        Ok(Exit::Done)
    }

    /// A picture of a picture, or of a clip.
    fn picture(&self, data: &Bytes, info: &MediaInfo, format: Format) -> Result<Outcome, CliError> {
        let &Self {
            args,
            registry,
            limits,
            keeps,
        } = self;
        let target = ImageTarget {
            format,
            max_box: args.max_image,
            max_bytes: args.max_size,
            quality: args.quality,
            animation: true,
            bits_per_pixel: None,
        };
        let cancel = Cancel::new();
        let converted = if info.kind == MediaKind::Image && keeps {
            convert(data, info, &target, registry, limits, &cancel)
        } else if info.kind == MediaKind::Image {
            Source::open_for(data, info.format, registry, limits, &cancel, &target).and_then(
                |source| {
                    let encoded = source.encode(&target, &cancel)?;
                    let warnings = source.warnings().to_vec();
                    Ok(Converted::Made { encoded, warnings })
                },
            )
        } else {
            clip::poster(data, registry, limits, &cancel)
                .and_then(|still| Source::of_picture(still, registry).encode(&target, &cancel))
                .map(|encoded| Converted::Made {
                    encoded,
                    warnings: Vec::new(),
                })
        };
        let converted = converted.map_err(|error| blame(&error))?;
        let bytes = match &converted {
            Converted::Kept => data.clone(),
            Converted::Made { encoded, .. } => Bytes::copy_from_slice(&encoded.bytes),
        };
        let report = report(args, data, info, &converted);
        let warnings = match converted {
            Converted::Kept => Vec::new(),
            Converted::Made {
                encoded,
                mut warnings,
            } => {
                warnings.extend(encoded.warnings);
                warnings
            }
        };
        Ok(Outcome {
            bytes,
            report,
            warnings,
        })
    }
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

/// Refuses what no codec of this build does, saying which half is missing. Of sounds and clips the
/// codecs are known only when the file is opened.
fn convertible(info: &MediaInfo, to: Format, registry: &Registry) -> Result<(), CliError> {
    let refuse = |message: String| Err(CliError::new(Exit::Refused, message));
    let kind = info.kind.name();
    match (info.kind, to.kind()) {
        (MediaKind::Image, MediaKind::Image) if !registry.decodes(info.format) => {
            refuse(format!("this build cannot read {}", info.format.name()))
        }
        (MediaKind::Image | MediaKind::Video, MediaKind::Image) if !registry.encodes(to) => {
            refuse(format!("this build cannot write {}", to.name()))
        }
        (MediaKind::Image | MediaKind::Video, MediaKind::Image)
        | (MediaKind::Audio | MediaKind::Video, MediaKind::Audio | MediaKind::Video) => Ok(()),
        (MediaKind::Synthetic, MediaKind::Audio | MediaKind::Video) if plays(info, registry) => {
            Ok(())
        }
        (MediaKind::Synthetic, MediaKind::Audio | MediaKind::Video) if is_melody(info) => {
            refuse("a melody becomes sound with instruments only: say --soundfont".to_owned())
        }
        (MediaKind::Image | MediaKind::Audio, _) => {
            refuse(format!("{kind} does not become {}", to.name()))
        }
        _ => refuse(format!(
            "this build converts pictures, sound and video, and this is {kind}"
        )),
    }
}

/// Whether there are instruments that play what this is.
fn plays(info: &MediaInfo, registry: &Registry) -> bool {
    info.codec
        .is_some_and(|codec| registry.audio_decoder(codec).is_some())
}

/// Whether this is of the melodies that a soundfont plays.
fn is_melody(info: &MediaInfo) -> bool {
    matches!(
        info.codec,
        Some(Codec::Midi | Codec::IMelody | Codec::Rtttl)
    )
}

/// Refuses options that say nothing about what is made.
fn options_apply(args: &Args, to: Format) -> Result<(), CliError> {
    let picture = to.kind() == MediaKind::Image;
    let sound = to.kind() == MediaKind::Audio;
    let given = [
        ("--audio-codec", args.audio_codec.is_some() && picture),
        ("--video-codec", args.video_codec.is_some() && picture),
        ("--bitrate", args.bitrate.is_some() && picture),
        ("--fps", args.fps.is_some() && (picture || sound)),
        ("--sample-rate", args.sample_rate.is_some() && picture),
        ("--channels", args.channels.is_some() && picture),
        ("--cut", args.cut && picture),
        ("--quality", args.quality.is_some() && !picture),
        ("--max-image", args.max_image.is_some() && sound),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(CliError::new(
            Exit::Usage,
            format!("{option} does not apply to {}", to.name()),
        )),
        None => Ok(()),
    }
}

pub(super) fn blame(error: &MediaError) -> CliError {
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
        for (kind, format, to) in [
            (MediaKind::Audio, Format::Amr, Format::Jpeg),
            (MediaKind::Image, Format::Png, Format::Mp4),
            (MediaKind::Synthetic, Format::Midi, Format::Amr),
            (MediaKind::Synthetic, Format::Smaf, Format::Amr),
            (MediaKind::Text, Format::Text, Format::Jpeg),
        ] {
            let info = MediaInfo::new(format, kind);
            let error = convertible(&info, to, &registry).unwrap_err();
            assert_eq!(error.exit, Exit::Refused, "{format:?}");
        }
        let clip = MediaInfo::new(Format::Mp4, MediaKind::Video);
        for to in [Format::Jpeg, Format::ThreeGp, Format::Amr] {
            assert!(convertible(&clip, to, &registry).is_ok(), "{to:?}");
        }
        let off = MediaInfo::new(Format::Avif, MediaKind::Image);
        let error = convertible(&off, Format::Jpeg, &registry).unwrap_err();
        assert!(error.message.contains("cannot read"), "{}", error.message);
        let png = MediaInfo::new(Format::Png, MediaKind::Image);
        assert!(convertible(&png, Format::Jpeg, &registry).is_ok());
    }
}

//! `remold media probe`.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::codecs::CodecArgs;
use crate::cli::{CliError, Exit, io};
use crate::limits::Limits;
use crate::media::{Codec, MediaInfo, mime};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  remold media probe holiday.jpg
  remold media probe clip.3gp --json
  curl -s https://example.com/a.amr | remold media probe -
  remold media probe photo.qoi --plugins plugins")]
pub(super) struct Args {
    /// The file to look at; - is stdin
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    codecs: CodecArgs,
}

pub(super) fn run(args: Args) -> Result<Exit, CliError> {
    let limits = Limits::default();
    let data =
        io::read_input(&args.file, limits.media_bytes).map_err(|error| error.as_json(args.json))?;
    let registry = args.codecs.registry();
    let registry = registry.map_err(|error| error.as_json(args.json))?;
    let info = registry.probe(&data, &limits).map_err(|error| {
        CliError::new(
            Exit::Undecodable,
            format!("{}: {}", error.format.name(), error.what),
        )
        .in_file(io::shown(&args.file))
        .at(error.offset)
        .as_json(args.json)
    })?;
    if args.json {
        let mut object = describe(&info);
        if let Value::Object(fields) = &mut object {
            fields.insert("file".into(), io::shown(&args.file).into());
            fields.insert("bytes".into(), data.len().into());
        }
        io::print(format!("{object:#}\n"))?;
    } else {
        io::print(table(&info, data.len()))?;
    }
    Ok(Exit::Done)
}

/// What probing found, as the `media_in` and `media_out` of a report and more.
fn describe(info: &MediaInfo) -> Value {
    let turn = Turn::of(info.orientation);
    let mut tracks = Vec::new();
    if let Some(video) = &info.video {
        tracks.push(json!({
            "kind": "video",
            "codec": video.codec.name(),
            "width": video.size.map(|size| size.width),
            "height": video.size.map(|size| size.height),
            "fps": video.millihertz.map(|rate| f64::from(rate) / 1000.0),
            "profile": video.profile,
            "level": video.level,
            "bit_rate": video.bit_rate,
        }));
    }
    if let Some(audio) = &info.audio {
        tracks.push(json!({
            "kind": "audio",
            "codec": audio.codec.name(),
            "sample_rate": audio.sample_rate,
            "channels": audio.channels,
            "bit_rate": audio.bit_rate,
        }));
    }
    json!({
        "kind": info.kind.name(),
        "format": info.format.name(),
        "type": mime::media_type(info),
        "codec": info.codec.map(|codec| codec.name()),
        "width": info.size.map(|size| size.width),
        "height": info.size.map(|size| size.height),
        "frames": info.frames,
        "duration_ms": info.duration_ms,
        "rotation": turn.degrees,
        "mirrored": turn.mirrored,
        "bit_depth": info.bit_depth,
        "palette": info.palette,
        "alpha": info.alpha,
        "grey": info.grey,
        "cmyk": info.cmyk,
        "icc": info.icc,
        "metadata": info.metadata,
        "gps": info.gps,
        "brand": info.brand.map(|brand| brand.escape_ascii().to_string()),
        "track_count": info.tracks,
        "tracks": tracks,
    })
}

/// How to show a medium upright: mirror it left to right, then turn it clockwise.
struct Turn {
    mirrored: bool,
    degrees: u16,
}

impl Turn {
    const fn of(orientation: u8) -> Self {
        let (mirrored, degrees) = match orientation {
            2 => (true, 0),
            3 => (false, 180),
            4 => (true, 180),
            5 => (true, 270),
            6 => (false, 90),
            7 => (true, 90),
            8 => (false, 270),
            _ => (false, 0),
        };
        Self { mirrored, degrees }
    }
}

/// One property a line, the values aligned; only what is known.
fn table(info: &MediaInfo, bytes: usize) -> String {
    let mut rows = vec![
        ("type", mime::media_type(info).to_owned()),
        ("format", info.format.name().to_owned()),
        ("kind", info.kind.name().to_owned()),
        ("bytes", bytes.to_string()),
    ];
    if let Some(codec) = info.codec {
        rows.push(("codec", codec.name().to_owned()));
    }
    if let (Some(size), Some(shown)) = (info.size, info.shown_size()) {
        let Turn { mirrored, degrees } = Turn::of(info.orientation);
        let mut text = size.to_string();
        if info.orientation > 1 {
            let mirror = if mirrored { "mirrored, " } else { "" };
            let _ = write!(text, ", shown {shown} ({mirror}turned {degrees}\u{B0})");
        }
        rows.push(("size", text));
    }
    if let Some(frames) = info.frames {
        rows.push(("frames", frames.to_string()));
    }
    if let Some(duration) = info.duration_ms {
        rows.push((
            "duration",
            format!("{}.{:03} s", duration / 1000, duration % 1000),
        ));
    }
    if let Some(depth) = info.bit_depth {
        rows.push(("depth", format!("{depth} bits")));
    }
    if let Some(palette) = info.palette {
        rows.push(("palette", format!("{palette} colours")));
    }
    if let Some(brand) = info.brand {
        rows.push(("brand", brand.escape_ascii().to_string()));
    }
    rows.extend(tracks(info));
    let notes: Vec<&str> = [
        (info.alpha, "transparency"),
        (info.grey, "grey"),
        (info.cmyk, "CMYK"),
        (info.icc, "ICC profile"),
        (info.metadata, "metadata"),
        (info.gps, "position"),
    ]
    .into_iter()
    .filter_map(|(holds, note)| holds.then_some(note))
    .collect();
    if !notes.is_empty() {
        rows.push(("has", notes.join(", ")));
    }
    rows.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name:<9} {value}");
        text
    })
}

fn tracks(info: &MediaInfo) -> Vec<(&'static str, String)> {
    let rate = |bits: Option<u64>| bits.map(|bits| format!("{} kbit/s", bits.div_ceil(1000)));
    let mut rows = Vec::new();
    if let Some(video) = &info.video {
        let parts = [
            Some(codec_name(video.codec, info.unread_video.as_deref())),
            video.size.map(|size| size.to_string()),
            video
                .millihertz
                .map(|rate| format!("{:.2} fps", f64::from(rate) / 1000.0)),
            video.profile.map(|profile| format!("profile {profile}")),
            video.level.map(|level| format!("level {level}")),
            rate(video.bit_rate),
        ];
        rows.push((
            "video",
            parts.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ));
    }
    if let Some(audio) = &info.audio {
        let parts = [
            Some(codec_name(audio.codec, info.unread_audio.as_deref())),
            audio.sample_rate.map(|rate| format!("{rate} Hz")),
            audio.channels.map(|count| match count {
                1 => "mono".to_owned(),
                2 => "stereo".to_owned(),
                count => format!("{count} channels"),
            }),
            rate(audio.bit_rate),
        ];
        rows.push((
            "audio",
            parts.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ));
    }
    rows
}

/// A codec, and what the container calls it where nobody here takes it out of there.
fn codec_name(codec: Codec, container: Option<&str>) -> String {
    match container {
        Some(name) => format!("{} ({name})", codec.name()),
        None => codec.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::{AudioTrack, Format, MediaKind};

    fn picture() -> MediaInfo {
        MediaInfo {
            codec: Some(Codec::Jpeg),
            size: Some(Dimensions::new(4000, 3000)),
            orientation: 6,
            frames: Some(1),
            metadata: true,
            ..MediaInfo::new(Format::Jpeg, MediaKind::Image)
        }
    }

    #[test]
    fn the_object_has_the_fields_of_a_report() {
        let object = describe(&picture());
        assert_eq!(object["kind"], "image");
        assert_eq!(object["codec"], "jpeg");
        assert_eq!(
            (object["width"].as_u64(), object["height"].as_u64()),
            (Some(4000), Some(3000))
        );
        assert_eq!(
            (object["frames"].as_u64(), &object["duration_ms"]),
            (Some(1), &Value::Null)
        );
        assert_eq!(
            (object["rotation"].as_u64(), &object["type"]),
            (Some(90), &json!("image/jpeg"))
        );
    }

    #[test]
    fn the_table_is_aligned_and_says_only_what_is_known() {
        assert_eq!(
            table(&picture(), 7),
            "type      image/jpeg\nformat    jpeg\nkind      image\nbytes     7\ncodec     jpeg\n\
             size      4000x3000, shown 3000x4000 (turned 90\u{B0})\nframes    1\nhas       metadata\n"
        );
        let sound = MediaInfo {
            duration_ms: Some(1_020),
            audio: Some(AudioTrack {
                sample_rate: Some(8_000),
                channels: Some(1),
                ..AudioTrack::new(Codec::AmrNb)
            }),
            ..MediaInfo::new(Format::Amr, MediaKind::Audio)
        };
        let text = table(&sound, 7);
        assert!(
            text.contains("duration  1.020 s\naudio     amr-nb, 8000 Hz, mono\n"),
            "{text}"
        );
    }
}

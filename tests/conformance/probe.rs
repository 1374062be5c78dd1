//! `media::probe` against ffprobe and ImageMagick, over the corpus and over files made here.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails loudly is the report"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use remold::Limits;
use remold::media::{Codec, Format, MediaInfo, MediaKind, probe};
use serde_json::Value;

use crate::support::{corpus, files, remold, tool};

/// What ffprobe says of a file, or `None` if it does not know it.
fn ffprobe(path: &Path) -> Option<Value> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_format",
            "-show_streams",
            "-count_packets",
        ])
        .arg(path)
        .output()
        .ok()?;
    let value: Value = serde_json::from_slice(&output.stdout).ok()?;
    value["streams"]
        .as_array()
        .is_some_and(|streams| !streams.is_empty())
        .then_some(value)
}

fn stream<'a>(value: &'a Value, kind: &str) -> Option<&'a Value> {
    value["streams"]
        .as_array()?
        .iter()
        .find(|stream| stream["codec_type"] == kind && stream["disposition"]["attached_pic"] != 1)
}

/// Our name of a codec that ffprobe names.
fn codec(name: &str, profile: &str, moving: bool) -> Option<Codec> {
    Some(match (name, profile) {
        ("mjpeg", _) if moving => Codec::Mjpeg,
        ("mjpeg", "Progressive") => Codec::JpegProgressive,
        ("mjpeg", _) => Codec::Jpeg,
        ("png" | "apng", _) => Codec::Png,
        ("gif", _) => Codec::Gif,
        ("bmp", _) => Codec::Bmp,
        ("tiff", _) => Codec::Tiff,
        ("jpeg2000", _) => Codec::Jp2,
        ("amr_nb", _) => Codec::AmrNb,
        ("amr_wb", _) => Codec::AmrWb,
        ("aac", "LC") => Codec::AacLc,
        ("mp3", _) => Codec::Mp3,
        ("mp2", _) => Codec::Mp2,
        ("vorbis", _) => Codec::Vorbis,
        ("opus", _) => Codec::Opus,
        ("flac", _) => Codec::Flac,
        ("alac", _) => Codec::Alac,
        ("speex", _) => Codec::Speex,
        ("ac3", _) => Codec::Ac3,
        ("pcm_alaw", _) => Codec::Alaw,
        ("pcm_mulaw", _) => Codec::Ulaw,
        ("gsm" | "gsm_ms", _) => Codec::Gsm,
        ("adpcm_ima_wav" | "adpcm_ms" | "adpcm_ima_qt", _) => Codec::Adpcm,
        (name, _) if name.starts_with("pcm_") => Codec::Pcm,
        ("wmav1" | "wmav2", _) => Codec::Wma,
        ("h263", _) => Codec::H263,
        ("mpeg4", _) => Codec::Mpeg4Visual,
        ("h264", _) => Codec::H264,
        ("hevc", _) => Codec::Hevc,
        ("av1", _) => Codec::Av1,
        ("vp8", _) => Codec::Vp8,
        ("vp9", _) => Codec::Vp9,
        ("theora", _) => Codec::Theora,
        ("mpeg1video" | "mpeg2video", _) => Codec::MpegVideo,
        ("wmv1" | "wmv2", _) => Codec::Wmv,
        ("rv10", _) => Codec::RealVideo,
        _ => return None,
    })
}

/// In what our reading of a file differs from ffprobe's.
fn differences(info: &MediaInfo, told: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, ours: Option<u64>, theirs: Option<u64>, slack: u64| {
        if let Some(theirs) = theirs
            && ours.is_none_or(|ours| ours.abs_diff(theirs) > slack)
        {
            found.push(format!("{what} {ours:?}, ffprobe {theirs}"));
        }
    };
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let name = |stream: &Value| {
        codec(
            stream["codec_name"].as_str().unwrap_or(""),
            stream["profile"].as_str().unwrap_or(""),
            info.kind == MediaKind::Video,
        )
    };
    let mut codecs = Vec::new();
    if let Some(stream) = stream(told, "video") {
        // The pictures of a transport stream tell their size themselves.
        if info.size.is_some() || info.format != Format::MpegStream {
            let (width, height) = info
                .size
                .map_or((0, 0), |size| (size.width.into(), size.height.into()));
            compare("width", Some(width), number(&stream["width"]), 0);
            compare("height", Some(height), number(&stream["height"]), 0);
        }
        if let Some(frames) = info.frames {
            let packets = number(&stream["nb_read_packets"]);
            // The header of AVI counts the frame that a muxer still waits for.
            let slack = u64::from(info.format == Format::Avi);
            compare("frames", Some(frames.into()), packets, slack);
        }
        codecs.push((
            name(stream),
            info.video
                .as_ref()
                .map_or(info.codec, |video| Some(video.codec)),
        ));
        let turned = stream["side_data_list"]
            .as_array()
            .and_then(|list| list.iter().find_map(|data| data["rotation"].as_i64()));
        let orientation = match turned.unwrap_or(0).rem_euclid(360) {
            270 => 6,
            180 => 3,
            90 => 8,
            _ => 1,
        };
        if info.kind == MediaKind::Video {
            compare(
                "orientation",
                Some(info.orientation.into()),
                Some(orientation),
                0,
            );
        }
    }
    if let Some(stream) = stream(told, "audio") {
        let audio = info.audio.as_ref();
        let rate = audio.and_then(|audio| audio.sample_rate).map(u64::from);
        let channels = audio.and_then(|audio| audio.channels).map(u64::from);
        // Frames alone tell: the header of a transport stream, and of MP3 inside MP4, does not.
        if info.format != Format::MpegStream {
            compare("rate", rate, number(&stream["sample_rate"]), 0);
            if channels.is_some() || name(stream) != Some(Codec::Mp3) {
                compare("channels", channels, number(&stream["channels"]), 0);
            }
        }
        codecs.push((name(stream), audio.map(|audio| audio.codec)));
    }
    let seconds = told["format"]["duration"]
        .as_str()
        .and_then(|text| text.parse::<f64>().ok());
    let theirs = match (info.format, stream(told, "audio"), seconds) {
        // ffprobe guesses the duration of AMR from its bit rate, but counts its packets.
        (Format::Amr | Format::AmrWb, Some(stream), _) => {
            number(&stream["nb_read_packets"]).map(|frames| frames * 20)
        }
        (_, _, Some(seconds)) if info.kind != MediaKind::Image || info.frames > Some(1) => {
            let theirs = std::time::Duration::from_secs_f64(seconds).as_millis();
            u64::try_from(theirs).ok()
        }
        _ => None,
    };
    let slack = (theirs.unwrap_or(0) / 100).max(50);
    compare("duration", info.duration_ms, theirs, slack);
    for (theirs, ours) in codecs {
        if theirs.is_some() && ours != theirs {
            found.push(format!("codec {ours:?}, ffprobe {theirs:?}"));
        }
    }
    found
}

/// Every file of two folders of the corpus but its index.
fn corpus_media() -> Option<Vec<PathBuf>> {
    let mut found = files(&corpus("images")?);
    found.extend(files(&corpus("media")?));
    found.retain(|path| path.extension().is_some_and(|ending| ending != "md"));
    Some(found)
}

fn read(path: &Path) -> MediaInfo {
    let data = std::fs::read(path).unwrap();
    probe(&data, &Limits::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_corpus_reads_as_ffprobe_reads_it() {
    let (Some(paths), Some(_)) = (corpus_media(), tool("ffprobe")) else {
        return;
    };
    let mut wrong = Vec::new();
    for path in &paths {
        let Some(told) = ffprobe(path) else { continue };
        let mut info = read(path);
        // ffprobe 5 reads no animated WebP, and of WebP no codec that we could compare.
        if info.format == Format::Webp {
            info.codec = None;
            if info.frames > Some(1) {
                continue;
            }
        }
        for difference in differences(&info, &told) {
            wrong.push(format!("{}: {difference}", path.display()));
        }
    }
    assert!(paths.len() > 40, "only {} files", paths.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pictures_are_as_large_as_imagemagick_says() {
    let (Some(folder), Some(_)) = (corpus("images"), tool("identify")) else {
        return;
    };
    for path in files(&folder) {
        if path.extension().is_some_and(|ending| ending == "md") {
            continue;
        }
        let output = Command::new("identify")
            .args(["-ping", "-format", "%W %H %n %[orientation]\n"])
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words: Vec<&str> = text.lines().next().unwrap_or("").split(' ').collect();
        let [width, height, frames, orientation] = words[..] else {
            panic!("{}: identify says {text}", path.display());
        };
        let info = read(&path);
        let size = info.size.unwrap();
        let orientation = match orientation {
            "RightTop" => 6,
            "LeftBottom" => 8,
            "BottomRight" => 3,
            _ => 1,
        };
        assert_eq!(
            (
                size.to_string(),
                info.frames.unwrap().to_string(),
                info.orientation
            ),
            (format!("{width}x{height}"), frames.to_owned(), orientation),
            "{}",
            path.display()
        );
    }
}

/// Options of ffmpeg that make a file, and the ending that chooses the container. The inputs are
/// a test picture of 176x144 at 15 frames a second and a tone of 440 Hz, two seconds of each.
const MADE: &[(&str, &str)] = &[
    ("-c:v h263 -c:a aac -ar 16000", "3gp"),
    ("-c:v mpeg4 -c:a aac -ar 8000", "3g2"),
    (
        "-c:v libx264 -pix_fmt yuv420p -profile:v baseline -c:a aac",
        "mp4",
    ),
    (
        "-c:v libx264 -bf 2 -c:a aac -movflags frag_keyframe+empty_moov",
        "mp4",
    ),
    ("-c:v libx264 -c:a aac -movflags +faststart", "mp4"),
    ("-c:v mjpeg -c:a pcm_s16be", "mov"),
    (
        "-c:v libx265 -x265-params log-level=error -tag:v hvc1 -c:a libmp3lame",
        "mp4",
    ),
    ("-vn -c:a alac", "m4a"),
    ("-vn -c:a libmp3lame -b:a 64k", "mp3"),
    ("-vn -c:a libmp3lame -q:a 4", "mp3"),
    (
        "-vn -c:a libmp3lame -b:a 32k -write_xing 0 -ar 22050",
        "mp3",
    ),
    ("-vn -c:a libmp3lame -b:a 8k -ar 8000 -ac 1", "mp3"),
    ("-vn -c:a mp2", "mp2"),
    ("-vn -c:a aac -ar 22050", "aac"),
    ("-vn -c:a libvorbis", "ogg"),
    ("-vn -c:a libopus", "opus"),
    ("-vn -c:a libspeex -ar 16000", "ogg"),
    ("-vn -c:a flac", "ogg"),
    ("-c:v libtheora -c:a libvorbis", "ogv"),
    ("-vn -c:a flac", "flac"),
    ("-vn -c:a pcm_s16le", "wav"),
    ("-vn -c:a pcm_u8", "wav"),
    ("-vn -c:a pcm_alaw -ar 8000", "wav"),
    ("-vn -c:a pcm_mulaw -ar 8000", "wav"),
    ("-vn -c:a adpcm_ima_wav", "wav"),
    ("-vn -c:a adpcm_ms", "wav"),
    ("-vn -c:a libgsm_ms -ar 8000 -ac 1", "wav"),
    ("-vn -c:a pcm_s16be", "aiff"),
    ("-vn -c:a pcm_mulaw -ar 8000", "au"),
    ("-c:v libvpx -c:a libopus", "webm"),
    ("-c:v libvpx-vp9 -c:a libvorbis", "webm"),
    ("-c:v libx264 -c:a aac", "mkv"),
    ("-c:v libvpx -c:a libopus -live 1", "webm"),
    ("-c:v mpeg4 -vtag XVID -c:a libmp3lame", "avi"),
    ("-c:v mjpeg -c:a pcm_s16le", "avi"),
    ("-c:v wmv2 -c:a wmav2", "wmv"),
    ("-vn -c:a wmav1", "wma"),
    ("-c:v rv10 -an", "rm"),
    ("-c:v mpeg1video -r 25 -c:a mp2", "mpg"),
    ("-c:v libx264 -c:a aac", "ts"),
    ("-an -c:v gif", "gif"),
    ("-an -c:v apng -plays 0", "apng"),
    ("-an -frames:v 1", "png"),
    ("-an -frames:v 1 -pix_fmt pal8", "png"),
    ("-an -frames:v 1 -pix_fmt gray16be", "png"),
    ("-an -frames:v 1", "bmp"),
    ("-an -frames:v 1", "tiff"),
    ("-an -frames:v 1", "jpg"),
    ("-an -frames:v 1", "jp2"),
    ("-an -frames:v 1 -c:v jpeg2000", "j2k"),
];

/// A folder of this test's own, gone when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("remold-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_ffmpeg_writes_reads_as_ffprobe_reads_it() {
    if tool("ffmpeg").is_none() || tool("ffprobe").is_none() {
        return;
    }
    let folder = Scratch::new("probe");
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (index, (options, ending)) in MADE.iter().enumerate() {
        let path = folder.0.join(format!("{index}.{ending}"));
        let made = Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-f",
                "lavfi",
                "-i",
                "testsrc=s=176x144:r=15:d=2",
            ])
            .args(["-f", "lavfi", "-i", "sine=440:r=44100:d=2"])
            .args(options.split(' '))
            .arg(&path)
            .output()
            .unwrap();
        // A build of ffmpeg may lack an encoder.
        if !made.status.success() {
            println!("skipped: ffmpeg makes no {ending} with {options}");
            continue;
        }
        let Some(told) = ffprobe(&path) else { continue };
        compared += 1;
        survive_damage(&mut std::fs::read(&path).unwrap());
        for difference in differences(&read(&path), &told) {
            wrong.push(format!("{options} {ending}: {difference}"));
        }
    }
    println!("{compared} files compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Probes prefixes of a file, and the file with hostile numbers in it, at about 100 places.
fn survive_damage(whole: &mut [u8]) {
    let step = (whole.len() / 100).max(1);
    for at in (0..whole.len()).step_by(step) {
        let _ = probe(&whole[..at], &Limits::default());
        let end = (at + 4).min(whole.len());
        let kept = whole[at..end].to_vec();
        for hostile in [0xFF, 0, 0x7F] {
            whole[at..end].fill(hostile);
            let _ = probe(whole, &Limits::default());
        }
        whole[at..end].copy_from_slice(&kept);
    }
}

#[test]
fn no_prefix_of_a_real_file_is_too_much() {
    let Some(paths) = corpus_media() else { return };
    for path in paths {
        let data = std::fs::read(&path).unwrap();
        let whole = data.len();
        for end in (0..whole.min(600)).chain([whole / 2, whole - 1]) {
            let _ = probe(&data[..end], &Limits::default());
        }
    }
}

#[test]
fn the_command_prints_one_object() {
    let Some(folder) = corpus("media") else {
        return;
    };
    let path = folder.join("clip_qcif_h263_amr.3gp");
    let output = remold()
        .args(["media", "probe", "--json"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success());
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["codec"], "h263");
    assert_eq!(object["type"], "video/3gpp");
    assert_eq!(object["tracks"][1]["codec"], "amr-nb");
}

#[test]
fn a_broken_file_exits_with_6_and_says_where() {
    let folder = Scratch::new("broken");
    let path = folder.0.join("cut.png");
    std::fs::write(&path, b"\x89PNG\r\n\x1A\n\0\0").unwrap();
    let output = remold()
        .args(["media", "probe"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(6));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        text.trim_end(),
        format!(
            "remold: {}: png: the header is cut short (at byte 8)",
            path.display()
        )
    );
    let output = remold()
        .args(["media", "probe", "--json"])
        .arg(&path)
        .output()
        .unwrap();
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(
        (&error["error"]["offset"], output.stdout.len()),
        (&Value::from(8), 0)
    );
}

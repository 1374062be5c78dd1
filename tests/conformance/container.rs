//! Containers of pictures and sound against ffprobe and ffmpeg.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use remold::Limits;
use remold::media::container::isobmff::{
    Brand, NewTrack, SampleShape, TrackShape, overhead, write,
};
use remold::media::container::{self, Movie, Sample, Track, TrackCodec, isobmff};

use crate::support::{corpus, tool};

/// A packet as ffprobe shows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pts: Option<i64>,
    dts: Option<i64>,
    pub(crate) size: usize,
    keyframe: bool,
}

/// What ffprobe says of a file, or `None` where it is not installed.
pub(crate) fn probe(path: &Path) -> Option<serde_json::Value> {
    let output = tool("ffprobe")?
        .args([
            "-v",
            "error",
            "-show_packets",
            "-show_streams",
            "-show_format",
        ])
        .args(["-of", "json"])
        .arg(path)
        .output()
        .expect("ffprobe runs");
    Some(serde_json::from_slice(&output.stdout).expect("ffprobe writes JSON"))
}

pub(crate) fn packets(probed: &serde_json::Value, stream: usize) -> Vec<Packet> {
    let packets = probed["packets"].as_array().expect("packets are shown");
    packets
        .iter()
        .filter(|packet| packet["stream_index"] == stream)
        .map(|packet| Packet {
            pts: packet["pts"].as_i64(),
            dts: packet["dts"].as_i64(),
            size: packet["size"]
                .as_str()
                .expect("size")
                .parse()
                .expect("size"),
            keyframe: packet["flags"].as_str().expect("flags").starts_with('K'),
        })
        .collect()
}

pub(crate) fn ours(track: &Track) -> Vec<Packet> {
    track
        .samples()
        .map(|sample| Packet {
            pts: Some(sample.pts),
            dts: Some(sample.dts),
            size: sample.data.len(),
            keyframe: sample.keyframe,
        })
        .collect()
}

pub(crate) fn load(path: &Path) -> Bytes {
    Bytes::from(std::fs::read(path).expect("file is readable"))
}

fn read_iso(path: &Path) -> Movie {
    isobmff::read(&load(path), &Limits::default()).expect("file is sound")
}

/// The files of the media corpus with one of these extensions.
pub(crate) fn media(extensions: &[&str]) -> Vec<PathBuf> {
    let Some(folder) = corpus("media") else {
        return Vec::new();
    };
    let mut files = crate::support::files(&folder);
    files.retain(|path| {
        path.extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| extensions.contains(&extension))
    });
    files
}

#[test]
fn samples_of_iso_files_are_those_that_ffprobe_shows() {
    for path in media(&["mp4", "3gp", "m4a"]) {
        let Some(probed) = probe(&path) else { return };
        let movie = read_iso(&path);
        assert_eq!(movie.warnings, [], "{}", path.display());
        for (place, track) in movie.tracks.iter().enumerate() {
            let expected = packets(&probed, place);
            assert_eq!(ours(track), expected, "{} #{place}", path.display());
            assert_eq!(track.len(), expected.len());
        }
        assert_eq!(
            movie.interleaved().count(),
            probed["packets"].as_array().expect("packets").len()
        );
    }
}

/// The brands under which every track of a movie may be written.
fn brands(movie: &Movie) -> Vec<Brand> {
    let all = [
        Brand::ThreeGp4,
        Brand::ThreeGp5,
        Brand::ThreeGp6,
        Brand::ThreeG2a,
        Brand::Mp42,
    ];
    let holds = |brand: &Brand| {
        let mut tracks = movie.tracks.iter();
        tracks.all(|track| brand.holds(&track.info.codec))
    };
    all.into_iter().filter(holds).collect()
}

pub(crate) fn remux(movie: &Movie, brand: Brand) -> Vec<u8> {
    let samples: Vec<Vec<Sample>> = movie
        .tracks
        .iter()
        .map(|track| track.samples().collect())
        .collect();
    let tracks: Vec<NewTrack<'_>> = movie
        .tracks
        .iter()
        .zip(&samples)
        .map(|(track, samples)| NewTrack {
            info: &track.info,
            samples,
        })
        .collect();
    write(brand, &tracks).expect("file is written")
}

fn predicted(movie: &Movie, brand: Brand) -> usize {
    let shapes: Vec<(Vec<SampleShape>, bool)> = movie
        .tracks
        .iter()
        .map(|track| {
            let mut sizes: Vec<usize> = track.samples().map(|sample| sample.data.len()).collect();
            sizes.dedup();
            let shapes = track.samples().map(|sample| SampleShape {
                dts: sample.dts,
                pts: sample.pts,
                duration: sample.duration,
                keyframe: sample.keyframe,
            });
            (shapes.collect(), sizes.len() == 1)
        })
        .collect();
    let tracks: Vec<TrackShape<'_>> = movie
        .tracks
        .iter()
        .zip(&shapes)
        .map(|(track, (samples, uniform))| TrackShape {
            info: &track.info,
            samples,
            uniform: *uniform,
        })
        .collect();
    overhead(brand, &tracks).expect("overhead is known")
}

/// A file of ours in the folder for such.
pub(crate) fn scratch(name: &str, data: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("container");
    std::fs::create_dir_all(&folder).expect("folder is made");
    let path = folder.join(name);
    std::fs::write(&path, data).expect("file is written");
    path
}

/// Decodes a file whole; what ffmpeg complains of is the result.
pub(crate) fn complaints(path: &Path) -> Option<String> {
    let output = tool("ffmpeg")?
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg runs");
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Whether ffmpeg decodes a source without a complaint: its AMR decoder does not know the frames
/// for silence that one clip of the corpus has.
fn sound(path: &Path) -> bool {
    complaints(path).as_deref() == Some("")
}

#[test]
fn remuxed_files_decode_and_keep_times_and_rotation() {
    for path in media(&["mp4", "3gp", "m4a"]) {
        let Some(probed) = probe(&path) else { return };
        let movie = read_iso(&path);
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("");
        let brands = brands(&movie);
        assert!(!brands.is_empty(), "{}", path.display());
        for (turn, brand) in brands.into_iter().enumerate() {
            let written = remux(&movie, brand);
            let octets: usize = movie
                .interleaved()
                .map(|(_, sample)| sample.data.len())
                .sum();
            assert_eq!(written.len() - octets, predicted(&movie, brand), "{stem}");
            assert_eq!(written, remux(&movie, brand), "the same octets every time");
            assert_eq!(written.get(8..12), Some(brand.code().0.as_slice()));
            let moov = find(&written, b"moov");
            assert!(moov < find(&written, b"mdat"), "moov comes first");

            let out = scratch(&format!("{stem}-{}.mp4", brand.code()), &written);
            // The coded octets are the same under every brand: decoding once is enough.
            if turn == 0 {
                let complaints = complaints(&out);
                assert!(
                    complaints.as_deref() == Some("") || !sound(&path),
                    "{}: {complaints:?}",
                    out.display()
                );
            }
            let again = probe(&out).expect("ffprobe is here");
            for (place, track) in movie.tracks.iter().enumerate() {
                let (before, after) = (&probed["streams"][place], &again["streams"][place]);
                for field in ["codec_name", "width", "height", "sample_rate", "channels"] {
                    assert_eq!(before[field], after[field], "{stem} {field}");
                }
                assert_eq!(
                    before["side_data_list"][0]["rotation"],
                    after["side_data_list"][0]["rotation"]
                );
                assert_eq!(packets(&again, place), packets(&probed, place), "{stem}");
                let seconds = |stream: &serde_json::Value| {
                    let duration = stream["duration"].as_str().expect("duration");
                    duration.parse::<f64>().expect("duration")
                };
                let frame = track.samples().map(|sample| sample.duration).max();
                let frame = f64::from(frame.expect("a sample")) / f64::from(track.info.timescale);
                assert!((seconds(before) - seconds(after)).abs() <= frame, "{stem}");
            }
            let back = isobmff::read(&Bytes::from(written), &Limits::default()).expect("sound");
            assert_eq!(back.warnings, []);
            for (old, new) in movie.tracks.iter().zip(&back.tracks) {
                assert!(old.samples().eq(new.samples()), "{stem}");
                assert_eq!(old.info.codec, new.info.codec);
                assert_eq!(old.info.orientation, new.info.orientation);
                assert_eq!(old.info.language, new.info.language);
            }
        }
    }
}

fn find(data: &[u8], kind: &[u8]) -> usize {
    let mut windows = data.windows(kind.len());
    windows
        .position(|window| window == kind)
        .expect("box is there")
}

#[test]
fn rotation_is_dropped_when_asked() {
    for path in media(&["mp4"]) {
        let mut movie = read_iso(&path);
        let turned = path.to_string_lossy().contains("rotated");
        let video = &mut movie.tracks[0].info;
        assert_eq!(video.orientation != 1, turned, "{}", path.display());
        if !turned {
            continue;
        }
        video.orientation = 1;
        let out = scratch("upright.mp4", &remux(&movie, Brand::Mp42));
        let Some(probed) = probe(&out) else { return };
        assert!(probed["streams"][0]["side_data_list"][0]["rotation"].is_null());
    }
}

/// A file that ffmpeg makes of a corpus file; `None` with a printed line where it cannot.
pub(crate) fn make(name: &str, source: &str, arguments: &[&str]) -> Option<PathBuf> {
    let source = corpus(source)?;
    let path = scratch(name, &[]);
    let status = tool("ffmpeg")?
        .args(["-v", "error", "-y", "-i"])
        .arg(source)
        .args(arguments)
        .arg(&path)
        .status()
        .expect("ffmpeg runs");
    if !status.success() {
        println!("skipped: this ffmpeg does not make {name}");
        return None;
    }
    Some(path)
}

pub(crate) fn open(path: &Path) -> Movie {
    container::read(&load(path), &Limits::default()).expect("file is sound")
}

/// Compares times, sizes and key frames of all tracks with what ffprobe shows.
pub(crate) fn compare(path: &Path, movie: &Movie) {
    let Some(probed) = probe(path) else { return };
    for (place, track) in movie.tracks.iter().enumerate() {
        assert_eq!(
            ours(track),
            packets(&probed, place),
            "{} #{place}",
            path.display()
        );
    }
}

#[test]
fn variants_of_iso_files_that_ffmpeg_writes() {
    let clip = "media/clip_vga_baseline_aac.mp4";
    let fragments = [
        "-c",
        "copy",
        "-movflags",
        "frag_keyframe+empty_moov+default_base_moof",
    ];
    let old_fragments = ["-c", "copy", "-movflags", "frag_keyframe"];
    let bframes = [
        "-t",
        "3",
        "-c:v",
        "libx264",
        "-bf",
        "3",
        "-preset",
        "ultrafast",
        "-c:a",
        "copy",
    ];
    let cases: [(&str, &str, &[&str]); 9] = [
        ("fragments.mp4", clip, &fragments),
        ("old-fragments.mp4", clip, &old_fragments),
        ("quicktime.mov", clip, &["-c", "copy"]),
        ("phone.3g2", "media/clip_qcif_h263_amr.3gp", &["-c", "copy"]),
        ("lossless.m4a", "media/music.flac", &["-c:a", "alac"]),
        ("layer3.mp4", "media/music.mp3", &["-c:a", "copy", "-vn"]),
        ("bframes.mp4", clip, &bframes),
        ("late.mp4", clip, &["-c", "copy", "-ss", "1.3"]),
        ("opus.mp4", "media/voice_opus.ogg", &["-c", "copy"]),
    ];
    for (name, source, arguments) in cases {
        let Some(path) = make(name, source, arguments) else {
            continue;
        };
        let movie = open(&path);
        assert_eq!(movie.warnings, [], "{name}");
        compare(&path, &movie);
    }
}

#[test]
fn pcm_in_quicktime_comes_whole() {
    for (name, codec) in [
        ("sowt.mov", "pcm_s16le"),
        ("in24.mov", "pcm_s24be"),
        ("ulaw.mov", "pcm_mulaw"),
    ] {
        let Some(path) = make(name, "media/music.flac", &["-t", "2", "-c:a", codec]) else {
            continue;
        };
        let Some(probed) = probe(&path) else { return };
        let movie = open(&path);
        let track = &movie.tracks[0];
        assert!(matches!(track.info.codec, TrackCodec::Pcm(_)), "{name}");
        let octets: usize = track.samples().map(|sample| sample.data.len()).sum();
        let expected: usize = packets(&probed, 0).iter().map(|packet| packet.size).sum();
        assert_eq!(octets, expected, "{name}");
        let end = probed["streams"][0]["duration_ts"]
            .as_u64()
            .expect("duration");
        assert_eq!(track.info.duration, end, "{name}");
    }
}

#[test]
fn webm_and_matroska_give_what_ffprobe_shows() {
    let clip = "media/clip_vga_baseline_aac.mp4";
    let mut paths = media(&["webm"]);
    paths.extend(make("plain.mkv", clip, &["-c", "copy"]));
    paths.extend(make("live.mkv", clip, &["-c", "copy", "-live", "1"]));
    paths.extend(make("sound.mka", "media/music.flac", &["-c", "copy"]));
    for path in paths {
        let Some(probed) = probe(&path) else { return };
        let movie = open(&path);
        assert_eq!(movie.warnings, [], "{}", path.display());
        for (place, track) in movie.tracks.iter().enumerate() {
            // Decoding times are not in the file.
            let shown = |packets: Vec<Packet>| -> Vec<_> {
                let packets = packets.into_iter();
                packets
                    .map(|packet| (packet.pts, packet.size, packet.keyframe))
                    .collect()
            };
            assert_eq!(
                shown(ours(track)),
                shown(packets(&probed, place)),
                "{} #{place}",
                path.display()
            );
        }
    }
}

//! Containers against ffprobe, ffmpeg and sox.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use remold::Limits;
use remold::media::container::isobmff::{
    Brand, NewTrack, SampleShape, TrackShape, overhead, write,
};
use remold::media::container::{Movie, Sample, Track, TrackCodec, TrackInfo, isobmff, matroska};

use crate::support::{corpus, tool};

/// A packet as ffprobe shows it.
#[derive(Debug, PartialEq, Eq)]
struct Packet {
    pts: Option<i64>,
    dts: Option<i64>,
    size: usize,
    keyframe: bool,
}

/// What ffprobe says of a file, or `None` where it is not installed.
fn probe(path: &Path) -> Option<serde_json::Value> {
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

fn packets(probed: &serde_json::Value, stream: usize) -> Vec<Packet> {
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

fn ours(track: &Track) -> Vec<Packet> {
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

fn load(path: &Path) -> Bytes {
    Bytes::from(std::fs::read(path).expect("file is readable"))
}

fn read_iso(path: &Path) -> Movie {
    isobmff::read(&load(path), &Limits::default()).expect("file is sound")
}

/// The files of the media corpus with one of these extensions.
fn media(extensions: &[&str]) -> Vec<PathBuf> {
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

fn remux(movie: &Movie, brand: Brand) -> Vec<u8> {
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
fn scratch(name: &str, data: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("container");
    std::fs::create_dir_all(&folder).expect("folder is made");
    let path = folder.join(name);
    std::fs::write(&path, data).expect("file is written");
    path
}

/// Decodes a file whole; what ffmpeg complains of is the result.
fn complaints(path: &Path) -> Option<String> {
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
        for brand in brands {
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
            let complaints = complaints(&out);
            assert!(
                complaints.as_deref() == Some("") || !sound(&path),
                "{}: {complaints:?}",
                out.display()
            );
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

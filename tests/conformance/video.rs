//! Moving pictures against ffmpeg: its decoders say whether ours show the same, and whether what
//! our encoders write is sound.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use remold::media::codec::VideoFormat;
use remold::media::container::isobmff::{Brand, NewTrack, write};
use remold::media::container::{self, CodedTrack, Track, TrackKind};
use remold::media::picture::{Packet, VideoFrame};
use remold::media::video::{VideoSettings, VideoTarget, choose, poster, transcode};
use remold::media::{Cancel, Codec, MediaError, Registry};
use remold::{Dimensions, Limits};

use crate::container::probe;
use crate::support::{corpus, tool};

/// The clips of the corpus, with the least PSNR of luma against ffmpeg's decoder: codecs whose
/// inverse transform is exact are to show the same, those with one of floating point nearly so.
const CLIPS: [(&str, f64); 7] = [
    ("clip_1080p_h264_aac.mp4", 99.0),
    ("clip_vga_baseline_aac.mp4", 99.0),
    ("clip_720p_hevc_aac.mp4", 99.0),
    ("clip_vp9_opus.webm", 99.0),
    ("clip_av1_aac.mp4", 99.0),
    ("clip_cif_mpeg4_aac.3gp", 50.0),
    ("clip_qcif_h263_amr.3gp", 50.0),
];

fn registry() -> Registry {
    let mut registry = Registry::builtin();
    assert!(registry.set_enabled("rav1d", true), "it is there, but off");
    registry
}

fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs ffmpeg, which must not complain, and gives what it wrote.
fn ffmpeg(args: &[&str]) -> Option<Vec<u8>> {
    let output = tool("ffmpeg")?
        .args(["-v", "warning", "-threads", "1"])
        .args(args)
        .arg("-")
        .output()
        .expect("ffmpeg runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{complaint}"
    );
    Some(output.stdout)
}

/// Luma of the first frames of a file as ffmpeg shows them; `filter` turns and scales.
fn shown(path: &Path, filter: Option<&str>, frames: usize) -> Option<Vec<u8>> {
    let frames = frames.to_string();
    let mut args = vec!["-noautorotate"];
    if filter.is_some() {
        args.clear();
    }
    args.extend([
        "-i",
        path.to_str()?,
        "-an",
        "-fps_mode",
        "passthrough",
        "-frames:v",
        &frames,
    ]);
    if let Some(filter) = filter {
        args.extend(["-vf", filter]);
    }
    args.extend(["-pix_fmt", "yuv420p", "-f", "rawvideo"]);
    ffmpeg(&args)
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: f64 = a
        .iter()
        .zip(b)
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
        .sum();
    if sum == 0.0 {
        return 100.0;
    }
    10.0 * (255.0 * 255.0 * a.len() as f64 / sum).log10()
}

fn track(path: &Path) -> Track {
    let data = Bytes::from(fs::read(path).expect("the corpus is readable"));
    let movie = container::read(&data, &Limits::default()).expect("the clip is sound");
    movie
        .first(TrackKind::Video)
        .expect("it has pictures")
        .clone()
}

/// The packets of a track, with times as they are pushed.
fn packets(track: &Track, count: usize) -> Vec<Packet> {
    let scale = i64::from(track.info.timescale);
    track
        .samples()
        .take(count)
        .map(|sample| Packet {
            data: sample.data,
            timestamp_us: u64::try_from(sample.pts * 1_000_000 / scale + 1_000_000).unwrap_or(0),
            key: sample.keyframe,
            shown: true,
        })
        .collect()
}

/// Pushes packets and gives the frames that come.
fn decode(track: &Track, packets: Vec<Packet>) -> Result<Vec<VideoFrame>, MediaError> {
    let format = VideoFormat {
        codec: track.info.codec.codec(),
        size: track.info.size.expect("the container says"),
        millihertz: None,
        config: track.info.codec.config(),
    };
    let decoder = registry()
        .video_decoder(format.codec)
        .expect("there is one");
    let mut stage = decoder.open(&format, &Limits::default(), &Cancel::new())?;
    let mut frames = Vec::new();
    for packet in packets {
        stage.push(packet)?;
        while let Some(frame) = stage.pull()? {
            frames.push(frame);
        }
    }
    stage.finish()?;
    while let Some(frame) = stage.pull()? {
        frames.push(frame);
    }
    Ok(frames)
}

#[test]
fn decoders_show_what_ffmpeg_shows() {
    for (name, least) in CLIPS {
        let Some(path) = corpus(&format!("media/{name}")) else {
            return;
        };
        let track = track(&path);
        let sent = packets(&track, 16);
        let mut times: Vec<u64> = sent.iter().map(|packet| packet.timestamp_us).collect();
        times.sort_unstable();
        let frames = decode(&track, sent).expect(name);
        let got: Vec<u64> = frames.iter().map(|frame| frame.timestamp_us).collect();
        assert_eq!(got, times, "{name}: each frame at its time, in order");
        // The last ones may refer to frames beyond; the first are complete.
        let count = 10;
        let Some(theirs) = shown(&path, None, count) else {
            return;
        };
        for (frame, theirs) in frames.iter().zip(theirs.chunks_exact(theirs.len() / count)) {
            let planes = &frame.planes;
            let ours = [&planes.y[..], &planes.cb, &planes.cr].concat();
            let psnr = psnr(&ours, theirs);
            assert!(
                psnr >= least,
                "{name} at {}: {psnr:.1} dB",
                frame.timestamp_us
            );
        }
    }
}

/// Codes the first seconds of a clip for a target.
fn coded(track: &Track, target: &VideoTarget, max_bytes: u64) -> (VideoSettings, CodedTrack) {
    let end_us = 2_000_000;
    let settings = choose(&track.info, Some(25_000), target, end_us, Some(max_bytes));
    let mut settings = settings.expect("it is watchable");
    settings.end_us = Some(end_us);
    let (limits, cancel) = (Limits::default(), Cancel::new());
    let coded = transcode(track, &settings, &registry(), &limits, &cancel).expect("it is coded");
    (settings, coded)
}

/// The coded track as a file.
fn file(name: &str, coded: &CodedTrack) -> PathBuf {
    let path = scratch(name);
    let tracks = [NewTrack {
        info: &coded.info,
        samples: &coded.samples,
    }];
    fs::write(&path, write(Brand::Mp42, &tracks).expect("it is written")).expect("scratch");
    path
}

/// What ffprobe calls the codec and its profile, level and frames.
fn named(path: &Path) -> Option<(String, String, i64, usize)> {
    let probed = probe(path)?;
    let stream = &probed["streams"][0];
    let text = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
    let frames = text("nb_frames").parse().unwrap_or(0);
    let level = stream["level"].as_i64().unwrap_or(0);
    Some((text("codec_name"), text("profile"), level, frames))
}

#[test]
fn every_encoder_keeps_profile_level_octets_and_time() {
    let Some(path) = corpus("media/clip_vga_baseline_aac.mp4") else {
        return;
    };
    let track = track(&path);
    let cases = [
        (Codec::H263, 10, 15_000, (176, 144), "h263", "", -99),
        (
            Codec::H264,
            9,
            15_000,
            (176, 144),
            "h264",
            "Constrained Baseline",
            11,
        ),
        (
            Codec::H264,
            12,
            15_000,
            (320, 240),
            "h264",
            "Constrained Baseline",
            12,
        ),
        (
            Codec::Mpeg4Visual,
            8,
            12_000,
            (176, 144),
            "mpeg4",
            "Simple Profile",
            0,
        ),
        (Codec::Av1, 0, 15_000, (176, 144), "av1", "Main", 0),
    ];
    for (codec, level, max_bytes, (width, height), name, profile, signalled) in cases {
        let target = VideoTarget {
            codec,
            max_level: level,
            max_box: Dimensions::new(width, height),
            max_millihertz: 15_000,
            max_bit_rate: None,
        };
        let (settings, coded) = coded(&track, &target, max_bytes);
        let label = format!("{codec:?} level {level}");
        assert!(coded.bytes() <= max_bytes, "{label}: {}", coded.bytes());
        let fill = coded.bytes() as f64 / max_bytes as f64;
        let least = if codec == Codec::Av1 { 0.8 } else { 0.9 };
        assert!(fill >= least, "{label}: filled {fill:.3}");
        let times: Vec<i64> = coded.samples.iter().map(|sample| sample.pts).collect();
        assert!(times.is_sorted_by(|a, b| a < b) && times[0] == 0, "{label}");
        assert!(coded.samples[0].keyframe, "{label}");
        let end = times[times.len() - 1] + i64::from(coded.samples[times.len() - 1].duration);
        let millis = end * 1_000 / i64::from(coded.info.timescale);
        assert!((1_960..=2_040).contains(&millis), "{label}: {millis} ms");
        assert!(coded.warnings.is_empty(), "{label}: {:?}", coded.warnings);

        let made = file(&format!("video-{codec:?}-{level}.mp4"), &coded);
        let count = coded.samples.len();
        let Some(theirs) = shown(&made, None, count) else {
            return;
        };
        let size = settings.size;
        let area = (size.width * size.height) as usize;
        assert_eq!(
            theirs.len(),
            area * 3 / 2 * count,
            "{label}: every picture decodes"
        );
        let named = named(&made).expect("ffprobe is beside ffmpeg");
        let asked = (name.to_owned(), profile.to_owned(), signalled, count);
        assert!(
            named == asked || (codec == Codec::H263 && named.0 == name && named.3 == count),
            "{label}: {named:?}"
        );
        // The first frame against the same scaled by ffmpeg, in the middle of black for H.263.
        let inner = if codec == Codec::H263 {
            "scale=176:100:flags=bicubic,pad=176:144:0:22"
        } else {
            &format!("scale={}:{}:flags=bicubic", size.width, size.height)
        };
        let source = shown(&path, Some(inner), 1).expect("ffmpeg is there");
        let psnr = psnr(&theirs[..area], &source[..area]);
        assert!(psnr > 25.0, "{label}: {psnr:.1} dB");
    }
}

#[test]
fn a_turned_clip_comes_out_upright() {
    let Some(path) = corpus("media/clip_rotated90_h264_aac.mp4") else {
        return;
    };
    let track = track(&path);
    let target = VideoTarget {
        codec: Codec::H264,
        max_level: 12,
        max_box: Dimensions::new(240, 320),
        max_millihertz: 7_500,
        max_bit_rate: None,
    };
    let (settings, coded) = coded(&track, &target, 60_000);
    assert!(
        settings.size.height > settings.size.width,
        "{:?}",
        settings.size
    );
    assert_eq!(coded.info.orientation, 1);
    let made = file("video-upright.mp4", &coded);
    let Some(ours) = shown(&made, None, 1) else {
        return;
    };
    // ffmpeg turns by the matrix before its filters.
    let size = settings.size;
    let filter = format!("scale={}:{}:flags=bicubic", size.width, size.height);
    let theirs = shown(&path, Some(&filter), 1).expect("ffmpeg is there");
    let psnr = psnr(&ours, &theirs);
    assert!(psnr > 28.0, "{psnr:.1} dB");

    let still = poster(&track, &registry(), &Limits::default(), &Cancel::new()).expect("a poster");
    // 640x480 stored, in pixels that are wider than high.
    assert_eq!(still.size(), Dimensions::new(362, 640));
    let mean = still
        .data()
        .iter()
        .map(|sample| u64::from(*sample))
        .sum::<u64>()
        / still.data().len() as u64;
    assert!((20..236).contains(&mean), "neither black nor blank: {mean}");
}

/// A clip of ffmpeg's in groups of ten pictures, with B pictures.
fn in_groups() -> Option<Track> {
    let path = scratch("video-groups.mp4");
    let source = "testsrc2=size=320x240:rate=25:duration=3";
    let coder = "libx264";
    tool("ffmpeg")?
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", source])
        .args(["-c:v", coder, "-g", "10", "-bf", "2", "-pix_fmt", "yuv420p"])
        .arg(&path)
        .status()
        .ok()
        .filter(std::process::ExitStatus::success)?;
    Some(track(&path))
}

#[test]
fn threads_change_nothing_and_groups_are_decoded_apart() {
    let Some(track) = in_groups() else {
        println!("skipped: ffmpeg has no libx264");
        return;
    };
    let target = VideoTarget {
        codec: Codec::H263,
        max_level: 10,
        max_box: Dimensions::new(176, 144),
        max_millihertz: 15_000,
        max_bit_rate: None,
    };
    let settings = choose(&track.info, Some(25_000), &target, 3_000_000, Some(20_000));
    let settings = settings.expect("it is watchable");
    let registry = registry();
    let run = |threads: usize, cancel: &Cancel| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("threads")
            .install(|| transcode(&track, &settings, &registry, &Limits::default(), cancel))
    };
    let one = run(1, &Cancel::new()).expect("it is coded");
    assert_eq!(run(4, &Cancel::new()).as_ref(), Ok(&one));
    assert!(one.bytes() <= 20_000 && one.warnings.is_empty());
    // Every other of 75, but for those that wait for a frame that must be decoded anyhow.
    assert_eq!(one.samples.len(), 36);
    let cancel = Cancel::new();
    cancel.cancel();
    assert_eq!(run(2, &cancel), Err(MediaError::Cancelled));
}

/// Flips bits and cuts packets, the same way every time.
struct Damage(u64);

impl Damage {
    fn next(&mut self) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize
    }

    fn of(&mut self, packet: &Packet) -> Packet {
        let mut data = packet.data.to_vec();
        if self.next().is_multiple_of(3) {
            data.truncate(self.next() % data.len().max(1));
        }
        for _ in 0..self.next() % 8 {
            if !data.is_empty() {
                let place = self.next() % data.len();
                data[place] ^= 1 << (self.next() % 8);
            }
        }
        Packet {
            data: Bytes::from(data),
            ..packet.clone()
        }
    }
}

#[test]
fn damaged_packets_cost_frames_and_nothing_else() {
    for (name, _) in CLIPS {
        let Some(path) = corpus(&format!("media/{name}")) else {
            return;
        };
        // Large pictures take long where nothing is optimised.
        if name.contains("1080p") || name.contains("720p") {
            continue;
        }
        let track = track(&path);
        let whole = packets(&track, 5);
        for seed in 0..12 {
            let mut damage = Damage(seed);
            let broken: Vec<Packet> = whole.iter().map(|packet| damage.of(packet)).collect();
            match decode(&track, broken) {
                Ok(frames) => assert!(
                    frames.is_sorted_by(|a, b| a.timestamp_us < b.timestamp_us),
                    "{name} {seed}"
                ),
                Err(MediaError::CodecPanicked { codec }) => panic!("{name} {seed}: {codec}"),
                Err(_) => {}
            }
        }
    }
}

#[test]
fn a_picture_over_the_limits_is_refused_before_it_is_decoded() {
    for (name, _) in CLIPS {
        let Some(path) = corpus(&format!("media/{name}")) else {
            return;
        };
        let mut track = track(&path);
        // The container says little, and the stream the truth.
        track.info.size = Some(Dimensions::new(16, 16));
        let format = VideoFormat {
            codec: track.info.codec.codec(),
            size: Dimensions::new(16, 16),
            millihertz: None,
            config: track.info.codec.config(),
        };
        let limits = Limits {
            pixels: 1_000,
            ..Limits::default()
        };
        let decoder = registry()
            .video_decoder(format.codec)
            .expect("there is one");
        let outcome = decoder
            .open(&format, &limits, &Cancel::new())
            .and_then(|mut stage| {
                for packet in packets(&track, 2) {
                    stage.push(packet)?;
                }
                stage.finish()
            });
        let refused = matches!(outcome, Err(MediaError::Limit { what: "pixels", .. }))
            // The codec has a limit of its own, and says no more than that.
            || (name.contains("av1") && outcome.is_err());
        assert!(refused, "{name}: {outcome:?}");
    }
}

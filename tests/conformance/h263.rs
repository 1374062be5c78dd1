//! The H.263 encoder against ffmpeg: its decoder must show what we say it shows, and its encoder
//! is the measure of quality.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "small numbers, and a failure here is the report"
)]

use std::fs;
use std::path::PathBuf;

use remold::media::video::h263::{
    Config, EncodedFrame, Encoder, Level, Size, Target, YuvFrame, YuvPlane, encode_to_size,
};

use crate::support::{corpus, tool};

/// Microseconds from one frame to the next at 15000/1001 a second.
const INTERVAL_US: u64 = 66_733;

/// Frames in 4:2:0, each in one piece.
type Frames = Vec<Vec<u8>>;

fn pixels(size: Size) -> usize {
    let dimensions = size.dimensions();
    (dimensions.width * dimensions.height) as usize
}

fn view(size: Size, frame: &[u8]) -> YuvFrame<'_> {
    let (y, colour) = frame.split_at(pixels(size));
    let (cb, cr) = colour.split_at(pixels(size) / 4);
    YuvFrame::packed(size, y, cb, cr)
}

fn time(index: usize) -> u64 {
    index as u64 * INTERVAL_US
}

/// A file of this test run.
fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs ffmpeg, which must not complain.
fn ffmpeg(args: &[&str]) -> Option<()> {
    let output = tool("ffmpeg")?
        .args(["-v", "error", "-y", "-threads", "1"])
        .args(args)
        .output()
        .expect("ffmpeg runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{complaint}"
    );
    Some(())
}

/// The frames that ffmpeg finds in an elementary stream.
fn decode(name: &str, size: Size, stream: &[u8]) -> Option<Frames> {
    let (from, to) = (
        scratch(&format!("{name}.263")),
        scratch(&format!("{name}.yuv")),
    );
    fs::write(&from, stream).expect("scratch is writable");
    ffmpeg(&[
        "-f",
        "h263",
        "-i",
        from.to_str()?,
        "-vsync",
        "0",
        "-f",
        "rawvideo",
        to.to_str()?,
    ])?;
    let data = fs::read(&to).expect("ffmpeg wrote frames");
    fs::remove_file(from)
        .and_then(|()| fs::remove_file(to))
        .ok()?;
    Some(
        data.chunks_exact(pixels(size) * 3 / 2)
            .map(<[u8]>::to_vec)
            .collect(),
    )
}

/// The first frames of a clip of the corpus at 15 frames a second.
fn clip(name: &str, size: Size, frames: usize) -> Option<Frames> {
    let path = corpus(&format!("media/{name}"))?;
    let to = scratch(&format!("{name}-{size:?}-{frames}.yuv"));
    let dimensions = size.dimensions();
    let filter = format!(
        "fps=15000/1001,scale={}:{}",
        dimensions.width, dimensions.height
    );
    ffmpeg(&[
        "-i",
        path.to_str()?,
        "-an",
        "-vf",
        &filter,
        "-frames:v",
        &frames.to_string(),
        "-pix_fmt",
        "yuv420p",
        "-f",
        "rawvideo",
        to.to_str()?,
    ])?;
    let data = fs::read(&to).expect("ffmpeg wrote frames");
    fs::remove_file(to).ok()?;
    Some(
        data.chunks_exact(pixels(size) * 3 / 2)
            .map(<[u8]>::to_vec)
            .collect(),
    )
}

/// A texture that drifts and a square that crosses it.
fn synthetic(size: Size, frames: usize) -> Frames {
    let dimensions = size.dimensions();
    let (width, height) = (dimensions.width as i32, dimensions.height as i32);
    let plane = |time: i32, scale: i32, offset: i32| {
        (0..width / scale * (height / scale)).map(move |i| {
            let (x, y) = (i % (width / scale) * scale, i / (width / scale) * scale);
            let (u, v) = (x + time * 3 / 2, y + time / 2);
            let wave = ((u * 3 / 5) % 97 - 48).abs() + ((v * 2 / 3) % 71 - 35).abs();
            let grain = ((u * 7919 + v * 104_729) >> 4) % 7;
            let square = (x - time * 4).rem_euclid(160) < 40 && (24..70).contains(&y);
            let value = if square {
                210 - offset
            } else {
                40 + wave * 2 + grain + offset
            };
            value.clamp(16, 235) as u8
        })
    };
    (0..frames as i32)
        .map(|time| {
            plane(time, 1, 0)
                .chain(plane(time, 2, 20))
                .chain(plane(time, 2, 50))
                .collect()
        })
        .collect()
}

/// Encodes frames; the pictures, and the frames as the encoder says they are shown.
fn encode(config: &Config, frames: &Frames) -> (Vec<EncodedFrame>, Frames) {
    let dimensions = config.size.dimensions();
    let (width, height) = (dimensions.width as usize, dimensions.height as usize);
    let mut encoder = Encoder::new(config.clone()).expect("the configuration is sound");
    let (mut pictures, mut shown) = (Vec::new(), Frames::new());
    for (index, frame) in frames.iter().enumerate() {
        let picture = encoder.encode(&view(config.size, frame), time(index));
        if let Some(picture) = picture.expect("the frame is sound") {
            pictures.push(picture);
            let YuvFrame { y, cb, cr } = encoder.reconstruction();
            let rows = |plane: YuvPlane<'_>, width: usize, height: usize| -> Vec<u8> {
                let rows = plane.data.chunks(plane.stride).take(height);
                rows.flat_map(|row| row[..width].to_vec()).collect()
            };
            let mut frame = rows(y, width, height);
            frame.extend(rows(cb, width / 2, height / 2));
            frame.extend(rows(cr, width / 2, height / 2));
            shown.push(frame);
        }
    }
    (pictures, shown)
}

fn stream(pictures: &[EncodedFrame]) -> Vec<u8> {
    pictures
        .iter()
        .flat_map(|picture| picture.data.clone())
        .collect()
}

/// PSNR of the first `count` samples of every frame.
fn psnr(a: &[Vec<u8>], b: &[Vec<u8>], count: usize) -> f64 {
    let pairs = a.iter().zip(b);
    let error: u64 = pairs
        .flat_map(|(a, b)| a.iter().zip(b).take(count))
        .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
        .sum();
    let samples = (a.len().min(b.len()) * count) as f64;
    10.0 * (255.0 * 255.0 * samples / error.max(1) as f64).log10()
}

/// Checks that ffmpeg shows what the encoder says.
fn agrees(name: &str, config: &Config, frames: &Frames) -> Option<Vec<EncodedFrame>> {
    let (pictures, ours) = encode(config, frames);
    let theirs = decode(name, config.size, &stream(&pictures))?;
    assert_eq!(theirs.len(), ours.len(), "{name}: frames");
    let psnr = psnr(&ours, &theirs, ours[0].len());
    let pairs = ours.iter().flatten().zip(theirs.iter().flatten());
    let worst = pairs.map(|(a, b)| a.abs_diff(*b)).max();
    println!(
        "{name}: {} pictures, {psnr:.1} dB to ffmpeg's, worst {worst:?}",
        ours.len()
    );
    assert!(psnr > 45.0, "{name}: {psnr}");
    Some(pictures)
}

#[test]
fn ffmpeg_shows_what_we_say_at_every_size() {
    for size in Size::ALL {
        let frames = synthetic(size, 12);
        for (step, gob_headers) in [(2, false), (9, true), (31, false)] {
            let mut config = Config::new(size, Level::L30, Target::Quantiser(step));
            config.gob_headers = gob_headers;
            config.keyframe_interval = 8;
            let name = format!("synthetic-{size:?}-{step}");
            if agrees(&name, &config, &frames).is_none() {
                return;
            }
        }
    }
}

#[test]
fn clips_of_the_corpus_land_on_their_rate_and_decode() {
    for (name, size, level, bits_per_second) in [
        ("clip_1080p_h264_aac.mp4", Size::Qcif, Level::L10, 48_000),
        ("clip_vga_baseline_aac.mp4", Size::Qcif, Level::L45, 96_000),
        ("clip_720p_hevc_aac.mp4", Size::SubQcif, Level::L10, 24_000),
        ("clip_vga_baseline_aac.mp4", Size::Cif, Level::L30, 200_000),
    ] {
        let Some(frames) = clip(name, size, 75) else {
            return;
        };
        let duration_us = time(frames.len());
        let target = Target::BitRate {
            bits_per_second,
            duration_us: Some(duration_us),
        };
        let mut config = Config::new(size, level, target);
        config.frame_interval_us = INTERVAL_US;
        let label = format!("{name}-{size:?}");
        let Some(pictures) = agrees(&label, &config, &frames) else {
            return;
        };
        let rate = stream(&pictures).len() as f64 * 8e6 / duration_us as f64;
        println!("{label}: {rate:.0} of {bits_per_second} bit/s");
        assert!(
            (rate / bits_per_second as f64 - 1.0).abs() < 0.02,
            "{label}: {rate}"
        );
    }
}

/// Clips, and the bit rate for which ffmpeg encodes them: a cut film, a street from a moving
/// camera, a street from a still one.
const STREETS: [(&str, u32); 4] = [
    ("clip_1080p_h264_aac.mp4", 64),
    ("clip_vga_baseline_aac.mp4", 64),
    ("clip_720p_hevc_aac.mp4", 32),
    ("clip_720p_hevc_aac.mp4", 64),
];

#[test]
fn quality_is_not_below_ffmpegs_at_equal_bytes() {
    for (name, kilobits) in STREETS {
        // By default, ffmpeg has a key frame in twelve; then with as few as ours.
        compare(name, kilobits, &[]);
        compare(name, kilobits, &["-g", "150"]);
    }
}

/// Encodes a clip by ffmpeg and, into as many octets, by us. Neither of our ways may be worse: the
/// one in two passes, and the one that must do with one.
fn compare(name: &str, kilobits: u32, options: &[&str]) {
    let size = Size::Qcif;
    let Some(frames) = clip(name, size, 120) else {
        return;
    };
    let label = format!("{name}-{kilobits}-{}", options.concat());
    let (from, to) = (
        scratch(&format!("{label}-in.yuv")),
        scratch(&format!("{label}-out.263")),
    );
    fs::write(&from, frames.concat()).expect("scratch is writable");
    let rate = format!("{kilobits}k");
    let input = ["-f", "rawvideo", "-s", "176x144", "-r", "15000/1001", "-i"];
    let mut args = input.to_vec();
    args.extend([from.to_str().unwrap(), "-c:v", "h263", "-b:v", &rate]);
    args.extend(options);
    args.extend(["-f", "h263", to.to_str().unwrap()]);
    if ffmpeg(&args).is_none() {
        return;
    }
    let theirs = fs::read(&to).expect("ffmpeg wrote a stream");
    let shown = decode(&format!("{label}-ffmpeg"), size, &theirs).expect("ffmpeg is here");
    let ffmpeg_psnr = psnr(&frames, &shown, pixels(size));

    let max = theirs.len() as u64;
    let duration_us = time(frames.len());
    let mut config = Config::new(size, Level::L30, Target::Bytes { max, duration_us });
    config.frame_interval_us = INTERVAL_US;
    let source = || {
        frames
            .iter()
            .enumerate()
            .map(|(i, frame)| (view(size, frame), time(i)))
    };
    let fitted = encode_to_size(&config, max, duration_us, source).expect("it fits");
    assert_eq!(fitted.summary.left_out, 0);
    let (one_pass, _) = encode(&config, &frames);
    for (way, pictures) in [("fitted", fitted.pictures), ("one pass", one_pass)] {
        let stream = stream(&pictures);
        let shown = decode(&format!("{label}-{way}"), size, &stream).expect("ffmpeg is here");
        assert_eq!(shown.len(), frames.len());
        let ours = psnr(&frames, &shown, pixels(size));
        println!(
            "{label} {way}: ffmpeg {ffmpeg_psnr:.2} dB in {max} octets, ours {ours:.2} dB in {}",
            stream.len()
        );
        assert!(stream.len() as u64 <= max, "{label}: {way}");
        assert!(ours >= ffmpeg_psnr, "{label}: {way} {ours} {ffmpeg_psnr}");
    }
}

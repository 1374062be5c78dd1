//! How fast the H.263 encoder is, in frames per second on one thread.
//!
//! `cargo bench --bench h263`. The clips of the corpus are decoded by ffmpeg first and are left
//! out where either is missing.

use std::path::Path;
use std::process::Command;

use divan::counter::ItemsCount;
use remold::media::video::h263::{Config, Encoder, Level, Size, Target, YuvFrame};

fn main() {
    divan::main();
}

/// Frames of one clip, 4:2:0, one after the other.
struct Clip {
    size: Size,
    frames: Vec<Vec<u8>>,
}

impl Clip {
    /// A texture that moves by two pixels a frame behind a square that moves the other way.
    fn synthetic(size: Size) -> Self {
        let dimensions = size.dimensions();
        let (width, height) = (dimensions.width, dimensions.height);
        let plane = |time: u32, scale: u32| {
            let place = move |i: u32, width: u32| (i % width * scale, i / width * scale);
            let count = width / scale * (height / scale);
            (0..count).map(move |i| {
                let (x, y) = place(i, width / scale);
                let (u, v) = (x + time * 2, y + time);
                let wave = (u * 3 / 5 % 97).abs_diff(48) + (v * 2 / 3 % 71).abs_diff(35);
                let grain = (u * 7919 + v * 104_729) / 16 % 9;
                let square = (x + time * 3) % 200 < 40 && (30..80).contains(&y);
                u8::try_from(if square { 190 } else { 40 + wave * 2 + grain }).unwrap_or(235)
            })
        };
        let frame = |time| {
            let mut frame: Vec<u8> = plane(time, 1).collect();
            frame.extend(plane(time, 2));
            frame.extend(plane(time + 5, 2));
            frame
        };
        Self {
            size,
            frames: (0..75).map(frame).collect(),
        }
    }

    /// A clip of the corpus at 15 frames a second.
    fn corpus(name: &str, size: Size) -> Option<Self> {
        let dimensions = size.dimensions();
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../shared/corpus/media")
            .join(name);
        let filter = format!(
            "fps=15000/1001,scale={}:{}",
            dimensions.width, dimensions.height
        );
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(path)
            .args([
                "-an", "-vf", &filter, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-",
            ])
            .output()
            .ok()?;
        let octets = usize::try_from(dimensions.width * dimensions.height * 3 / 2).ok()?;
        let frames: Vec<Vec<u8>> = output
            .stdout
            .chunks_exact(octets)
            .map(<[u8]>::to_vec)
            .collect();
        (!frames.is_empty()).then_some(Self { size, frames })
    }

    fn encode(&self, level: Level, bits_per_second: u64) -> usize {
        let target = Target::BitRate {
            bits_per_second,
            duration_us: None,
        };
        let luma = self.frames.first().map_or(0, |frame| frame.len() * 2 / 3);
        let Ok(mut encoder) = Encoder::new(Config::new(self.size, level, target)) else {
            return 0;
        };
        let times = (0u64..).map(|index| index * 66_733);
        let mut octets = 0;
        for (frame, time) in self.frames.iter().zip(times) {
            let (y, colour) = frame.split_at(luma);
            let (cb, cr) = colour.split_at(luma / 4);
            let picture = encoder.encode(&YuvFrame::packed(self.size, y, cb, cr), time);
            octets += picture
                .ok()
                .flatten()
                .map_or(0, |picture| picture.data.len());
        }
        octets
    }
}

fn run(bencher: divan::Bencher<'_, '_>, clip: Option<Clip>, level: Level, bits_per_second: u64) {
    let Some(clip) = clip else {
        println!("skipped: no corpus or no ffmpeg");
        return;
    };
    bencher
        .counter(ItemsCount::new(clip.frames.len()))
        .bench_local(|| clip.encode(level, bits_per_second));
}

#[divan::bench]
fn synthetic_qcif(bencher: divan::Bencher<'_, '_>) {
    run(
        bencher,
        Some(Clip::synthetic(Size::Qcif)),
        Level::L10,
        64_000,
    );
}

#[divan::bench]
fn synthetic_cif(bencher: divan::Bencher<'_, '_>) {
    run(
        bencher,
        Some(Clip::synthetic(Size::Cif)),
        Level::L30,
        256_000,
    );
}

#[divan::bench]
fn street_qcif(bencher: divan::Bencher<'_, '_>) {
    let clip = Clip::corpus("clip_vga_baseline_aac.mp4", Size::Qcif);
    run(bencher, clip, Level::L10, 64_000);
}

#[divan::bench]
fn street_cif(bencher: divan::Bencher<'_, '_>) {
    let clip = Clip::corpus("clip_vga_baseline_aac.mp4", Size::Cif);
    run(bencher, clip, Level::L30, 256_000);
}

#[divan::bench]
fn still_camera_qcif(bencher: divan::Bencher<'_, '_>) {
    let clip = Clip::corpus("clip_720p_hevc_aac.mp4", Size::Qcif);
    run(bencher, clip, Level::L10, 64_000);
}

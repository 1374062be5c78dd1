//! Plugins of sound and moving pictures, C and rav1d among them: by the word of ffmpeg, and octet for
//! octet against the same source built for this machine.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bytes::Bytes;
use remold::Limits;
use remold::dimensions::Dimensions;
use remold::limits::PluginLimits;
use remold::media::codec::{AudioFormat, RateTarget, Stage, VideoFormat};
use remold::media::container::{self, TrackKind};
use remold::media::picture::{Chroma, Matrix, Packet, VideoFrame};
use remold::media::{Cancel, Codec, PcmBlock, Planes, Registry};
use remold::plugin::{Plugin, Sample, check};

use super::{Folder, build, built, host, load};
use crate::support::{remold, tool};

/// What the `build` of a plugin in C made, or `None` with a printed line where a tool is missing.
fn compiled(name: &str, native: bool) -> Option<PathBuf> {
    // One at a time: they share folders.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut command = Command::new(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("plugins")
            .join(name)
            .join("build"),
    );
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    command.env("CARGO_TARGET_DIR", target);
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(variable);
    }
    if native {
        command.arg("--native");
    }
    let output = command.output().expect("bash");
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        println!("skipped: {}", said.trim());
        return None;
    }
    assert!(output.status.success(), "{name}: {said}");
    let printed = String::from_utf8_lossy(&output.stdout);
    Some(PathBuf::from(printed.lines().last().expect("a path")))
}

/// Runs ffmpeg; `None` with a printed line where it is missing or lacks an encoder.
fn ffmpeg(args: &[&dyn AsRef<OsStr>]) -> Option<Vec<u8>> {
    let mut command = tool("ffmpeg")?;
    command.args(["-v", "error", "-y"]);
    let output = command
        .args(args.iter().map(|arg| arg.as_ref()))
        .output()
        .unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        println!("skipped: this ffmpeg cannot: {}", said.trim());
        return None;
    }
    Some(output.stdout)
}

fn convert(args: &[&dyn AsRef<OsStr>]) {
    let output = remold()
        .args(["media", "convert"])
        .args(args.iter().map(|arg| arg.as_ref()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

fn alone(plugin: &Plugin) -> Registry {
    let mut registry = Registry::empty();
    plugin.register(&mut registry);
    registry
}

fn run<In, Out>(
    mut stage: Box<dyn Stage<In, Out>>,
    given: impl IntoIterator<Item = In>,
) -> Vec<Out> {
    let mut out = Vec::new();
    for one in given {
        stage.push(one).expect("goes in");
        while let Some(some) = stage.pull().expect("comes out") {
            out.push(some);
        }
    }
    stage.finish().expect("ends");
    while let Some(some) = stage.pull().expect("comes out") {
        out.push(some);
    }
    out
}

/// The planes of a clip's pictures by a plugin alone.
fn planes(plugin: &Plugin, file: &Path) -> Vec<u8> {
    let data = Bytes::from(std::fs::read(file).unwrap());
    let movie = container::read(&data, &Limits::default()).unwrap();
    let track = movie.first(TrackKind::Video).unwrap();
    let info = &track.info;
    let format = VideoFormat {
        codec: info.codec.codec(),
        size: info.size.unwrap(),
        millihertz: None,
        config: info.codec.config(),
    };
    let packets = track.samples().map(|sample| Packet {
        timestamp_us: u64::try_from(sample.pts).unwrap() * 1_000_000 / u64::from(info.timescale),
        key: sample.keyframe,
        shown: true,
        data: sample.data,
    });
    let decoder = alone(plugin).video_decoder(format.codec).unwrap();
    let stage = decoder
        .open(&format, &Limits::default(), &Cancel::new())
        .unwrap();
    let frames = run(stage, packets);
    frames
        .into_iter()
        .flat_map(|frame| [frame.planes.y, frame.planes.cb, frame.planes.cr].concat())
        .collect()
}

/// Runs a command of `build --native` on some octets.
fn native(command: &Path, args: &[&str], given: &[u8]) -> Vec<u8> {
    let mut child = Command::new(command)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let given = given.to_vec();
    let feeding = std::thread::spawn(move || stdin.write_all(&given));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

/// Speech of a kind: two tones whose strength changes, and noise between.
fn speech(count: usize) -> Vec<i16> {
    let mut noise = 1_u32;
    (0..count)
        .map(|at| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let time = at as f64 / 8_000.0;
            let tone = (time * 1_400.0).sin() + (time * 3_900.0).sin() * 0.4;
            let swell = 0.55 + 0.45 * (time * 9.0).sin();
            (tone * swell * 9_000.0) as i16 + ((noise >> 22) as i16 - 512)
        })
        .collect()
}

#[test]
fn amr_in_the_sandbox_is_what_the_library_makes_outside_of_it() {
    let Some(component) = compiled("amr-nb", false) else {
        return;
    };
    let plugin = load(&host(PluginLimits::default()), &component, "");
    let codec = Codec::AmrNb;
    let format = AudioFormat {
        codec,
        sample_rate: 8_000,
        channels: 1,
        config: Bytes::new(),
    };
    let samples = speech(8_000 * 3);
    let library = compiled("amr-nb", true).expect("what built the plugin is here");
    let given: Vec<u8> = samples.iter().flat_map(|s| s.to_ne_bytes()).collect();
    for (mode, rate) in [(0, 4_750), (4, 7_400), (7, 12_200)] {
        let target = RateTarget {
            bit_rate: Some(rate),
            ..RateTarget::default()
        };
        let encoder = alone(&plugin).audio_encoder(codec).unwrap();
        let block = PcmBlock {
            sample_rate: 8_000,
            channels: 1,
            samples: samples.clone(),
            timestamp_us: 0,
        };
        let stage = encoder.open(&format, &target, &Cancel::new()).unwrap();
        let packets = run(stage, [block]);
        let frames: Vec<u8> = packets.iter().flat_map(|p| p.data.to_vec()).collect();
        let outside = native(&library, &["encode", &mode.to_string(), "1"], &given);
        assert!(frames == outside, "frames of mode {mode} differ");
        let decoder = alone(&plugin).audio_decoder(codec).unwrap();
        let stage = decoder
            .open(&format, &Limits::default(), &Cancel::new())
            .unwrap();
        let blocks = run(stage, packets);
        let heard = blocks.iter().flat_map(|block| &block.samples);
        let heard: Vec<u8> = heard.flat_map(|s| s.to_ne_bytes()).collect();
        let outside = native(&library, &["decode", "1"], &frames);
        assert!(heard == outside, "samples of mode {mode} differ");
    }
}

#[test]
fn a_memo_is_made_and_read_by_the_amr_plugin() {
    let Some(component) = compiled("amr-nb", false) else {
        return;
    };
    let folder = Folder::new("amr").with(&component, "priority = 200");
    let (source, made) = (folder.path("in.wav"), folder.path("out.amr"));
    let sine = "sine=frequency=300:duration=2,tremolo=f=5";
    if ffmpeg(&[
        &"-f", &"lavfi", &"-i", &sine, &"-ar", &"8000", &"-ac", &"1", &source,
    ])
    .is_none()
    {
        return;
    }
    let built_in = ["--disable", "amr-nb-encoder", "--disable", "amr-decoder"];
    let mut args: Vec<&dyn AsRef<OsStr>> = vec![&source, &"-o", &made, &"--plugins", &folder.0];
    args.extend(built_in.iter().map(|word| word as &dyn AsRef<OsStr>));
    convert(&args);
    let file = std::fs::read(&made).unwrap();
    assert!(file.starts_with(b"#!AMR\n") && file.len() > 3_000);
    let back = folder.path("back.wav");
    let mut args: Vec<&dyn AsRef<OsStr>> = vec![&made, &"-o", &back, &"--plugins", &folder.0];
    args.extend(built_in.iter().map(|word| word as &dyn AsRef<OsStr>));
    convert(&args);
    let heard = |path: &PathBuf| ffmpeg(&[&"-i", path, &"-f", &"s16le", &"-"]).unwrap();
    let (want, have) = (heard(&made), heard(&back));
    let (want, have) = (as_samples(&want), as_samples(&have));
    let power = |s: &[f64]| s.iter().map(|v| v * v).sum::<f64>().sqrt();
    let product: f64 = want.iter().zip(&have).map(|(a, b)| a * b).sum();
    let likeness = product / (power(&want) * power(&have));
    assert!(likeness > 0.99, "{likeness}");
    let plugin = load(&host(PluginLimits::default()), &component, "");
    let sample = Sample {
        name: "out.amr".to_owned(),
        data: file.into(),
    };
    let found = check(&plugin, &[sample]);
    assert!(found.passed(), "{:#?}", found.findings);
}

fn as_samples(octets: &[u8]) -> Vec<f64> {
    let (pairs, _) = octets.as_chunks::<2>();
    pairs
        .iter()
        .map(|pair| f64::from(i16::from_le_bytes(*pair)))
        .collect()
}

/// A clip of ffmpeg's, with pictures that lean on later ones where the codec has them.
fn clip(folder: &Folder, name: &str, codec: &[&str]) -> Option<PathBuf> {
    let path = folder.path(name);
    let source = "testsrc2=s=176x144:r=15:d=2";
    let mut args: Vec<&dyn AsRef<OsStr>> = vec![&"-f", &"lavfi", &"-i", &source];
    args.extend([&"-pix_fmt" as &dyn AsRef<OsStr>, &"yuv420p"]);
    args.extend(codec.iter().map(|word| word as &dyn AsRef<OsStr>));
    args.push(&path);
    ffmpeg(&args).map(|_| path)
}

#[test]
fn h264_in_the_sandbox_is_read_as_ffmpeg_reads_it() {
    let Some(component) = compiled("openh264", false) else {
        return;
    };
    let folder = Folder::new("h264-read");
    let plugin = load(&host(PluginLimits::default()), &component, "");
    for (name, profile, b) in [("a.mp4", "baseline", "0"), ("b.mp4", "high", "2")] {
        let how = [
            "-c:v",
            "libx264",
            "-profile:v",
            profile,
            "-bf",
            b,
            "-g",
            "12",
        ];
        let Some(file) = clip(&folder, name, &how) else {
            return;
        };
        let want = ffmpeg(&[&"-i", &file, &"-f", &"rawvideo", &"-"]).unwrap();
        let have = planes(&plugin, &file);
        assert_eq!(want.len(), have.len(), "{profile}");
        // Outside of the sandbox, too, the library is a level off in some pictures that lean on two.
        let most = if b == "0" { 0 } else { 4 };
        let off = want.iter().zip(&have).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(
            off <= Some(most),
            "{profile}: the pictures differ by {off:?}"
        );
    }
    let sample = Sample {
        name: "b.mp4".to_owned(),
        data: std::fs::read(folder.path("b.mp4")).unwrap().into(),
    };
    let found = check(&plugin, &[sample]);
    assert!(found.passed(), "{:#?}", found.findings);
}

#[test]
fn h264_in_the_sandbox_is_what_the_library_makes_outside_of_it() {
    let Some(component) = compiled("openh264", false) else {
        return;
    };
    let source = "testsrc2=s=176x144:r=15:d=2";
    let raw = ["-pix_fmt", "yuv420p", "-f", "rawvideo", "-"];
    let mut args: Vec<&dyn AsRef<OsStr>> = vec![&"-f", &"lavfi", &"-i", &source];
    args.extend(raw.iter().map(|word| word as &dyn AsRef<OsStr>));
    let Some(film) = ffmpeg(&args) else { return };
    let plugin = load(&host(PluginLimits::default()), &component, "");
    let size = Dimensions::new(176, 144);
    let format = VideoFormat {
        codec: Codec::H264,
        size,
        millihertz: Some(15_000),
        config: Bytes::from_static(&[12]),
    };
    let target = RateTarget {
        bit_rate: Some(96_000),
        ..RateTarget::default()
    };
    let frames = film
        .chunks_exact(176 * 144 * 3 / 2)
        .zip(0_u64..)
        .map(|(frame, at)| {
            let (y, rest) = frame.split_at(176 * 144);
            let (cb, cr) = rest.split_at(88 * 72);
            VideoFrame {
                planes: Planes {
                    size,
                    chroma: Chroma::Half,
                    full_range: false,
                    matrix: Matrix::Bt601,
                    y: y.to_vec(),
                    cb: cb.to_vec(),
                    cr: cr.to_vec(),
                },
                timestamp_us: at * 1_000_000 / 15,
            }
        });
    let encoder = alone(&plugin).video_encoder(Codec::H264).unwrap();
    let stage = encoder.open(&format, &target, &Cancel::new()).unwrap();
    let made: Vec<u8> = run(stage, frames)
        .iter()
        .flat_map(|packet| {
            let length = u32::try_from(packet.data.len()).unwrap().to_ne_bytes();
            [&length[..], &packet.data[..]].concat()
        })
        .collect();
    let library = compiled("openh264", true).expect("what built the plugin is here");
    let how = ["encode", "176", "144", "15000", "96000", "12", "1"];
    assert!(made == native(&library, &how, &film), "the streams differ");
}

#[test]
fn a_clip_goes_through_the_h264_plugin_both_ways() {
    let Some(component) = compiled("openh264", false) else {
        return;
    };
    let folder = Folder::new("h264").with(&component, "priority = 200");
    let Some(source) = clip(&folder, "in.mp4", &["-c:v", "libx264", "-bf", "2"]) else {
        return;
    };
    let made = folder.path("out.mp4");
    convert(&[
        &source,
        &"-o",
        &made,
        &"--video-codec",
        &"h264",
        &"--bitrate",
        &"90000",
        &"--disable",
        &"rusty_h264",
        &"--plugins",
        &folder.0,
    ]);
    let (want, have) = (
        ffmpeg(&[&"-i", &source, &"-f", &"rawvideo", &"-"]).unwrap(),
        ffmpeg(&[&"-i", &made, &"-f", &"rawvideo", &"-"]).unwrap(),
    );
    assert_eq!(want.len(), have.len(), "no picture is lost");
    let error: f64 = want
        .iter()
        .zip(&have)
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum();
    let noise = 10.0 * (255.0 * 255.0 * want.len() as f64 / error).log10();
    assert!(noise > 28.0, "{noise} dB");
}

#[test]
fn av1_and_avif_are_read_in_the_sandbox() {
    let folder = Folder::new("av1");
    let Some(file) = clip(&folder, "in.mp4", &["-c:v", "libaom-av1", "-cpu-used", "8"]) else {
        return;
    };
    let Some(component) = built("av1") else {
        return;
    };
    let plugin = load(&host(PluginLimits::default()), &component, "");
    let want = ffmpeg(&[&"-i", &file, &"-f", &"rawvideo", &"-"]).unwrap();
    assert!(want == planes(&plugin, &file), "the pictures differ");
    let still = folder.path("still.avif");
    let how = [
        "-frames:v",
        "1",
        "-c:v",
        "libaom-av1",
        "-still-picture",
        "1",
    ];
    if clip(&folder, "still.avif", &how).is_none() {
        return;
    }
    let folder = folder.with(&component, "");
    let made = folder.path("out.png");
    convert(&[&still, &"-o", &made, &"--plugins", &folder.0]);
    let rgb = |path: &PathBuf| {
        ffmpeg(&[&"-i", path, &"-pix_fmt", &"rgb24", &"-f", &"rawvideo", &"-"]).unwrap()
    };
    let (want, have) = (rgb(&still), rgb(&made));
    assert_eq!(want.len(), have.len());
    let off: u64 = want
        .iter()
        .zip(&have)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    // Colour is scaled up in another way.
    assert!(
        off < 6 * want.len() as u64,
        "{} a sample",
        off as f64 / want.len() as f64
    );
}

/// The templates of moving pictures understand each other, and ffmpeg understands the one that writes.
#[test]
fn a_clip_written_by_one_template_is_read_by_the_other() {
    let folder = Folder::new("templates");
    let mut components = Vec::new();
    for (kind, name) in [
        ("video-encoder", "kit-writer"),
        ("video-decoder", "kit-reader"),
    ] {
        let begun = remold()
            .args(["plugin", "new", "--kind", kind, name, "--folder"])
            .arg(&folder.0)
            .output()
            .unwrap();
        assert!(begun.status.success());
        let Some(component) = build(&folder.path(name), &name.replace('-', "_")) else {
            return;
        };
        components.push(component);
    }
    let Some(source) = clip(&folder, "in.mp4", &["-c:v", "libx264"]) else {
        return;
    };
    let plugins = Folder::new("templates-use").with(&components[0], "priority = 200");
    let made = folder.path("out.mp4");
    convert(&[
        &source,
        &"-o",
        &made,
        &"--video-codec",
        &"h264",
        &"--plugins",
        &plugins.0,
    ]);
    let want = ffmpeg(&[&"-i", &made, &"-f", &"rawvideo", &"-"]).unwrap();
    let whole = ffmpeg(&[&"-i", &source, &"-f", &"rawvideo", &"-"]).unwrap();
    assert!(want == whole, "what is not compressed is the same");
    let plugin = load(&host(PluginLimits::default()), &components[1], "");
    assert!(want == planes(&plugin, &made), "the pictures differ");
}

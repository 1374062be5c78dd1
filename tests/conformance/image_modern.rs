//! HEIC, AVIF and WebP, and animations under a number of octets, by the word of their own tools.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use remold::media::image::{Encoded, ImageTarget, Source};
use remold::media::{Cancel, Format, Layout, MediaError, Registry};
use remold::{Dimensions, Limits};

use crate::support;

fn registry() -> Registry {
    let mut registry = Registry::builtin();
    assert!(registry.set_enabled("rav1d", true));
    registry
}

fn open(data: &Bytes, format: Format) -> Result<Source, MediaError> {
    let limits = Limits::default();
    Source::open(data, format, &registry(), &limits, &Cancel::new(), None)
}

fn pixels(source: &Source) -> Vec<u8> {
    let flat = source.clone().flattened().expect("flattens");
    let picture = &flat.frames()[0].picture;
    match picture.layout() {
        Layout::Grey8 => picture.data().iter().flat_map(|&g| [g; 3]).collect(),
        _ => picture.data().to_vec(),
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("remold-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// RGB of a file that ImageMagick reads, frame 0.
fn rgb_of(path: &std::path::Path) -> Vec<u8> {
    let output = Command::new("convert")
        .arg(path)
        .args(["-alpha", "off", "-depth", "8", "rgb:-"])
        .output()
        .expect("convert starts");
    assert!(output.status.success());
    output.stdout
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let apart = |(&a, &b): (&u8, &u8)| u64::from(a.abs_diff(b)).pow(2);
    let sum: u64 = a.iter().zip(b).map(apart).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / (sum as f64).max(1.0)).log10()
}

fn fixture(name: &str) -> Bytes {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/media/image/heif/fixtures/"
    );
    std::fs::read(format!("{folder}{name}"))
        .expect("there")
        .into()
}

#[test]
fn heic_and_avif_look_as_their_own_tools_show_them() {
    if support::tool("convert").is_none() {
        return;
    }
    let folder = Folder::new("heif");
    for (name, format, tool) in [
        ("gradient.heic", Format::Heic, "heif-convert"),
        ("gradient.avif", Format::Avif, "avifdec"),
        ("deep.avif", Format::Avif, "avifdec"),
        ("grid.avif", Format::Avif, "avifdec"),
    ] {
        if support::tool(tool).is_none() {
            continue;
        }
        let data = fixture(name);
        let input = folder.put(name, &data);
        let shown = folder.0.join(format!("{name}.png"));
        let output = Command::new(tool).arg(&input).arg(&shown).output();
        assert!(output.expect("starts").status.success(), "{tool} {name}");
        let source = open(&data, format).expect("opens");
        let apart = psnr(&pixels(&source), &rgb_of(&shown));
        println!("{name}: {apart:.1} dB");
        assert!(apart > 34.0, "{name}: {apart:.1} dB");
    }
}

#[test]
fn a_turned_avif_comes_out_upright() {
    let source = open(&fixture("turned.avif"), Format::Avif).expect("opens");
    assert_eq!(source.size(), Dimensions::new(64, 96));
    // Red rose to the right; a quarter turn to the left has it rise upwards.
    let pixels = pixels(&source);
    assert!(pixels[0] > 200 && pixels[pixels.len() - 64 * 3] < 50);
}

#[test]
fn webp_of_ours_is_exact() {
    if support::tool("dwebp").is_none() {
        return;
    }
    let folder = Folder::new("webp");
    let source = open(&fixture("gradient.heic"), Format::Heic).expect("opens");
    let target = ImageTarget::new(Format::Webp);
    let encoded = source.encode(&target, &Cancel::new()).expect("encodes");
    let input = folder.put("ours.webp", &encoded.bytes);
    let shown = folder.0.join("shown.ppm");
    let output = Command::new("dwebp")
        .arg(&input)
        .arg("-ppm")
        .arg("-o")
        .arg(&shown)
        .output();
    assert!(output.expect("starts").status.success());
    let ppm = std::fs::read(&shown).expect("written");
    let expected = pixels(&source);
    assert_eq!(ppm[ppm.len() - expected.len()..], expected);
}

fn fitted(name: &str, limit: (u32, u32), most: u64) -> Option<(Source, Encoded)> {
    let path = support::corpus(&format!("images/{name}"))?;
    let data = Bytes::from(std::fs::read(path).expect("readable"));
    let info = remold::media::probe(&data, &Limits::default()).expect("sound");
    let limit = Dimensions::new(limit.0, limit.1);
    let source = Source::open(
        &data,
        info.format,
        &registry(),
        &Limits::default(),
        &Cancel::new(),
        Some(limit),
    )
    .expect("opens");
    let target = ImageTarget {
        max_box: Some(limit),
        max_bytes: Some(most),
        ..ImageTarget::new(Format::Gif)
    };
    let encoded = source.encode(&target, &Cancel::new()).expect("encodes");
    Some((source, encoded))
}

#[test]
fn a_fitted_animation_is_what_gifsicle_and_imagemagick_see() {
    if support::tool("gifsicle").is_none() || support::tool("convert").is_none() {
        return;
    }
    let folder = Folder::new("gif");
    for (name, limit, most, floor) in [
        ("iss634.gif", (160, 120), 40_000, 24.0),
        ("iss634.webp", (160, 120), 40_000, 24.0),
        ("chi.gif", (320, 240), 6_000, 24.0),
        ("convolution-example-matrix.gif", (160, 120), 9_000, 20.0),
    ] {
        let Some((source, encoded)) = fitted(name, limit, most) else {
            return;
        };
        assert!(encoded.bytes.len() as u64 <= most);
        assert!(
            encoded.bytes.len() as u64 * 10 > most * 7,
            "{name}: {}",
            encoded.bytes.len()
        );
        let path = folder.put("fitted.gif", &encoded.bytes);
        let output = Command::new("gifsicle")
            .args(["--info", "--no-warnings"])
            .arg(&path)
            .output();
        let output = output.expect("starts");
        assert!(output.status.success() && output.stderr.is_empty());
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            told.matches("+ image #").count(),
            encoded.frames as usize,
            "{name}"
        );
        let ticks: f64 = told
            .split("delay ")
            .skip(1)
            .filter_map(|rest| rest.split('s').next()?.parse::<f64>().ok())
            .sum();
        let wanted: u32 = source.frames().iter().map(|frame| frame.delay_ms).sum();
        assert!(
            (ticks * 1000.0 - f64::from(wanted)).abs() < 6.0,
            "{name}: {ticks}"
        );
        // All frames put together elsewhere are those we read ourselves, to the pixel.
        let again = open(&Bytes::from(encoded.bytes.clone()), Format::Gif).expect("opens");
        let output = Command::new("convert")
            .arg(&path)
            .args([
                "-coalesce",
                "-background",
                "white",
                "-alpha",
                "remove",
                "-depth",
                "8",
                "rgb:-",
            ])
            .output()
            .expect("starts");
        let flat = again.clone().flattened().expect("flattens");
        let ours: Vec<u8> = flat
            .frames()
            .iter()
            .flat_map(|frame| match frame.picture.layout() {
                Layout::Grey8 => frame.picture.data().iter().flat_map(|&g| [g; 3]).collect(),
                _ => frame.picture.data().to_vec(),
            })
            .collect();
        assert!(ours == output.stdout, "{name}");
        // And the last is the last of the source, where errors would have piled up.
        let last = source.frames().last().expect("some").picture.clone();
        let last = Source::of_picture(last, &registry());
        let small = ImageTarget {
            max_box: Some(encoded.size),
            ..ImageTarget::new(Format::Png)
        };
        let small = last.encode(&small, &Cancel::new()).expect("encodes");
        let wanted = pixels(&open(&small.bytes.into(), Format::Png).expect("opens"));
        let apart = psnr(&wanted, &ours[ours.len() - wanted.len()..]);
        println!(
            "{name}: {} octets, {} frames, {apart:.1} dB",
            encoded.bytes.len(),
            encoded.frames
        );
        assert!(apart > floor, "{name}: {apart:.1} dB");
    }
}

#[test]
fn the_tools_of_avif_read_what_we_write() {
    let Some(source) = support::corpus("images/astronaut.png") else {
        return;
    };
    let folder = Folder::new("avif-out");
    let limits = Limits::default();
    let data = Bytes::from(std::fs::read(source).expect("reads"));
    let small = Some(Dimensions::new(99, 99));
    let source = Source::open(
        &data,
        Format::Png,
        &registry(),
        &limits,
        &Cancel::new(),
        small,
    );
    let source = source.expect("opens");
    let target = ImageTarget {
        max_bytes: Some(5_000),
        ..ImageTarget::new(Format::Avif)
    };
    let begun = Instant::now();
    let encoded = source.encode(&target, &Cancel::new()).expect("fits");
    println!(
        "{} octets, {}, quality {:?}, {} files made in {:?}",
        encoded.bytes.len(),
        encoded.size,
        encoded.quality,
        encoded.encodes,
        begun.elapsed()
    );
    assert!(encoded.bytes.len() <= 5_000);
    assert_eq!(encoded.size, source.size());
    let file = folder.0.join("out.avif");
    std::fs::write(&file, &encoded.bytes).expect("writes");
    for (tool, arguments) in [("avifdec", ["", ""]), ("heif-convert", ["-q", "100"])] {
        if support::tool(tool).is_none() {
            continue;
        }
        let made = folder.0.join(format!("{tool}.png"));
        let arguments = arguments.iter().filter(|argument| !argument.is_empty());
        let ran = Command::new(tool)
            .args(arguments)
            .arg(&file)
            .arg(&made)
            .output();
        let ran = ran.expect("the tool starts");
        assert!(ran.status.success(), "{tool}: {ran:?}");
        let theirs = Bytes::from(std::fs::read(&made).expect("it wrote a file"));
        let theirs = open(&theirs, Format::Png).expect("opens");
        let apart = psnr(&pixels(&source), &pixels(&theirs));
        println!("{tool}: {apart:.1} dB");
        assert!(apart > 26.0, "{tool}: {apart:.1} dB");
    }
}

#[test]
fn bombs_are_refused_from_the_header() {
    let mut heic = fixture("gradient.heic").to_vec();
    let mut grid = fixture("grid.avif").to_vec();
    for data in [&mut heic, &mut grid] {
        let places: Vec<usize> = (0..data.len() - 4)
            .filter(|&at| &data[at..at + 4] == b"ispe")
            .collect();
        for at in places {
            data[at + 8..at + 16].copy_from_slice(&[0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF]);
        }
    }
    let nested = "<g>".repeat(5_000);
    let svg = format!("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>{nested}");
    let svg = svg + &"</g>".repeat(5_000) + "</svg>";
    for (data, format) in [
        (heic, Format::Heic),
        (grid, Format::Avif),
        (svg.into_bytes(), Format::Svg),
    ] {
        let begun = Instant::now();
        let refused = open(&data.into(), format);
        assert!(
            matches!(refused, Err(MediaError::Limit { .. })),
            "{format:?}: {refused:?}"
        );
        // Ten milliseconds in a release build on a quiet machine.
        assert!(begun.elapsed() < Duration::from_millis(500), "{format:?}");
    }
}

//! Our JPEG codec by the word of others: djpeg at every scale, and the decoder of the `image`
//! crate on thousands of generated files.

use std::io::Write;
use std::process::{Command, Stdio};

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use remold::media::codec::DecodeOptions;
use remold::media::guard::open_image;
use remold::media::image::{ImageTarget, Source};
use remold::media::{Cancel, Codec, Format, Layout, MediaError, Picture, Registry, probe};
use remold::{Dimensions, Limits};

use crate::support;

/// The first frame by the registry's decoder for JPEG, or by that of the `image` crate.
fn decode(
    data: &Bytes,
    at_least: Option<Dimensions>,
    ours: bool,
) -> Result<(Picture, Vec<String>), MediaError> {
    let mut registry = Registry::builtin();
    assert!(registry.set_enabled("jpeg", ours));
    let decoder = registry.image_decoder(Format::Jpeg).expect("it is there");
    let options = DecodeOptions {
        format: Format::Jpeg,
        animation: false,
        at_least,
        limits: Limits::default(),
        cancel: Cancel::new(),
    };
    let mut image = open_image(decoder.as_ref(), data, &options)?;
    let frame = image.next_frame()?.expect("a picture has a frame");
    Ok((frame.picture, image.warnings().to_vec()))
}

fn djpeg(data: &[u8], scale: &str) -> Vec<u8> {
    through("djpeg", &["-rgb", "-scale", scale], data)
}

fn rgb(picture: &Picture) -> Vec<u8> {
    match picture.layout() {
        Layout::Grey8 => picture.data().iter().flat_map(|&grey| [grey; 3]).collect(),
        _ => picture.data().to_vec(),
    }
}

/// Luma of RGB.
fn luma_of(rgb: &[u8]) -> Vec<u8> {
    rgb.chunks_exact(3)
        .map(|pixel| {
            let [r, g, b] = [0, 1, 2].map(|channel| u32::from(pixel[channel]));
            ((r * 299 + g * 587 + b * 114 + 500) / 1_000) as u8
        })
        .collect()
}

/// The mean and the largest difference.
fn apart(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let differences = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences().map(u64::from).sum();
    (
        sum as f64 / a.len().max(1) as f64,
        differences().max().unwrap_or(0),
    )
}

#[test]
fn every_scale_agrees_with_djpeg() {
    if support::tool("djpeg").is_none() {
        return;
    }
    let Some(folder) = support::corpus("images") else {
        return;
    };
    let mut files = 0;
    for path in support::files(&folder) {
        let data = Bytes::from(std::fs::read(&path).expect("corpus is readable"));
        let Ok(info) = probe(&data, &Limits::default()) else {
            continue;
        };
        let ours = matches!(info.codec, Some(Codec::Jpeg | Codec::JpegProgressive));
        if info.format != Format::Jpeg || !ours || info.cmyk {
            continue;
        }
        files += 1;
        let size = info.size.expect("a JPEG has a size");
        for eighths in [1, 2, 4, 8] {
            let least = Dimensions::new(
                (size.width * eighths).div_ceil(8),
                (size.height * eighths).div_ceil(8),
            );
            let (picture, _) = decode(&data, Some(least), true).expect("decodes");
            assert_eq!(picture.size(), least);
            let ours = rgb(&picture);
            let theirs = djpeg(&data, &format!("{eighths}/8"));
            let channels = if theirs.starts_with(b"P5") { 1 } else { 3 };
            let pixels = &theirs[theirs.len() - ours.len() / 3 * channels..];
            let theirs: Vec<u8> = if channels == 1 {
                pixels.iter().flat_map(|&grey| [grey; 3]).collect()
            } else {
                pixels.to_vec()
            };
            let (mean, _) = apart(&ours, &theirs);
            println!("{} at {eighths}/8: {mean:.2}", path.display());
            let most = if eighths == 8 { 0.1 } else { 2.0 };
            assert!(mean <= most, "{} at {eighths}/8: {mean:.2}", path.display());
        }
    }
    assert!(files > 5, "only {files} files");
}

/// A file of another encoder.
fn generated(width: u16, height: u16, variant: u32) -> (Vec<u8>, SamplingFactor) {
    let samplings = [
        SamplingFactor::F_1_1,
        SamplingFactor::F_2_1,
        SamplingFactor::F_1_2,
        SamplingFactor::F_2_2,
        SamplingFactor::F_4_1,
        SamplingFactor::F_4_2,
        SamplingFactor::F_1_4,
        SamplingFactor::F_2_4,
    ];
    let sampling = samplings[(variant % 8) as usize];
    let mut state = variant.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut pixels = Vec::new();
    for y in 0..u32::from(height) {
        for x in 0..u32::from(width) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = state >> 27;
            for share in [7, 5, 3] {
                let level = (x * share + y * (9 - share)) % 200 + noise;
                pixels.push(u8::try_from(level.min(255)).expect("it is clamped"));
            }
        }
    }
    let grey = variant % 11 == 10;
    let mut bytes = Vec::new();
    let quality = [30, 60, 75, 90, 97, 100][(variant / 8 % 6) as usize];
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(sampling);
    // That encoder counts wrongly for tables of its own where there are restarts.
    encoder.set_optimized_huffman_tables(variant.is_multiple_of(6));
    if variant % 2 == 1 {
        encoder.set_restart_interval([1, 2, 5][(variant / 2 % 3) as usize]);
    }
    if grey {
        let grey: Vec<u8> = pixels.iter().copied().step_by(3).collect();
        encoder.encode(&grey, width, height, ColorType::Luma)
    } else {
        encoder.encode(&pixels, width, height, ColorType::Rgb)
    }
    .expect("encodes");
    (bytes, sampling)
}

#[test]
fn thousands_of_generated_files_decode_as_by_another_decoder() {
    let mut variants = 0;
    let mut worst = (0, String::new());
    for variant in 0..4_800 {
        let (width, height) = (
            u16::try_from(variant % 33 + 1).expect("small"),
            u16::try_from(variant / 33 % 33 + 1).expect("small"),
        );
        let (data, sampling) = generated(width, height, variant);
        let data = Bytes::from(data);
        let name = format!("{width}x{height} {sampling:?} variant {variant}");
        let (ours, warnings) = decode(&data, None, true).expect("decodes");
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
        // Of a scan for each component the library makes another picture than djpeg, where it is
        // narrow, and one without colour where that has fewer rows: djpeg judges those.
        if data.windows(2).filter(|two| *two == [0xFF, 0xDA]).count() > 1 {
            continue;
        }
        let (theirs, _) = decode(&data, None, false).expect("decodes");
        let (mean, most) = apart(&rgb(&ours), &rgb(&theirs));
        // Where colour is at full size there is nothing to interpolate, and only rounding
        // differs. The rest is interpolated by other rules.
        let whole = sampling == SamplingFactor::F_1_1 || ours.layout() == Layout::Grey8;
        if whole {
            assert!(most <= 3, "{name}: {most}");
        }
        if mean > worst.0 as f64 {
            worst = (mean as u32 + 1, name);
        }
        variants += 1;
    }
    println!(
        "{variants} variants; the furthest by {} in the mean: {}",
        worst.0, worst.1
    );
    assert!(worst.0 < 12, "{worst:?}");
}

#[test]
fn generated_files_decode_as_by_djpeg() {
    if support::tool("djpeg").is_none() {
        return;
    }
    for variant in 0..96 {
        let (width, height) = (17 + u16::try_from(variant % 17).expect("small"), 33);
        let (data, sampling) = generated(width, height, variant);
        let data = Bytes::from(data);
        let (ours, _) = decode(&data, None, true).expect("decodes");
        let ours = rgb(&ours);
        let theirs = djpeg(&data, "8/8");
        let channels = if theirs.starts_with(b"P5") { 1 } else { 3 };
        let pixels = &theirs[theirs.len() - ours.len() / 3 * channels..];
        let theirs: Vec<u8> = if channels == 1 {
            pixels.iter().flat_map(|&grey| [grey; 3]).collect()
        } else {
            pixels.to_vec()
        };
        let (mean, most) = apart(&ours, &theirs);
        let usual = matches!(
            sampling,
            SamplingFactor::F_1_1
                | SamplingFactor::F_2_1
                | SamplingFactor::F_1_2
                | SamplingFactor::F_2_2
        );
        if usual {
            assert!(
                most <= 4 && mean < 0.6,
                "{sampling:?} {variant}: {mean:.2} {most}"
            );
        } else {
            // It repeats samples of colour where we interpolate, so that only luma is the same.
            let (luma, _) = apart(&luma_of(&ours), &luma_of(&theirs));
            assert!(
                mean < 16.0 && luma < 0.8,
                "{sampling:?} {variant}: {mean:.2} {luma:.2}"
            );
        }
    }
}

/// Gives a file to a program and takes one from it.
fn through(program: &str, args: &[&str], data: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tool starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let owned = data.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&owned));
    let output = child.wait_with_output().expect("the tool ends");
    let _ = writer.join();
    output.stdout
}

/// Scans for jpegtran, of one component and of three: bands that nobody uses, with up to three
/// bits that come later.
const SCRIPTS: [&str; 2] = [
    "0: 0-0, 0, 2; 0: 1-2, 0, 3; 0: 3-63, 0, 3; 0: 0-0, 2, 1; 0: 1-63, 3, 2; 0: 1-63, 2, 1;
     0: 0-0, 1, 0; 0: 1-9, 1, 0; 0: 10-63, 1, 0;",
    "0,1,2: 0-0, 0, 2; 0: 1-2, 0, 3; 0: 3-63, 0, 3; 1: 1-63, 0, 2; 2: 1-20, 0, 2; 2: 21-63, 0, 0;
     0: 0-0, 2, 1; 1,2: 0-0, 2, 1; 0: 1-63, 3, 2; 0: 1-63, 2, 1; 1: 1-63, 2, 1; 2: 1-20, 2, 1;
     0: 1-63, 1, 0; 1: 1-63, 1, 0; 2: 1-20, 1, 0; 0,1,2: 0-0, 1, 0;",
];

#[test]
fn progressive_files_are_what_they_are_in_one_scan() {
    if support::tool("jpegtran").is_none() {
        return;
    }
    let script = std::env::temp_dir().join(format!("remold-scans-{}", std::process::id()));
    let mut variants = 0;
    for variant in 0..528 {
        let (width, height) = (
            u16::try_from(variant % 33 + 1).expect("small"),
            u16::try_from(variant * 7 % 33 + 1).expect("small"),
        );
        let (data, sampling) = generated(width, height, variant);
        let grey = variant % 11 == 10;
        let mut args = vec!["-progressive"];
        if variant % 3 == 1 {
            args.extend(["-restart", "2B"]);
        }
        if variant % 4 == 3 {
            std::fs::write(&script, SCRIPTS[usize::from(!grey)]).expect("written");
            args.extend(["-scans", script.to_str().expect("a plain path")]);
        }
        let progressive = through("jpegtran", &args, &data);
        let whole = through("jpegtran", &[], &data);
        let name = format!("{width}x{height} {sampling:?} variant {variant}");
        let [whole, progressive] = [whole, progressive].map(Bytes::from);
        let info = probe(&progressive, &Limits::default()).expect("it is a picture");
        assert_eq!(info.codec, Some(Codec::JpegProgressive), "{name}");
        for eighths in [1, 2, 4, 8] {
            let least = Dimensions::new(
                (u32::from(width) * eighths).div_ceil(8),
                (u32::from(height) * eighths).div_ceil(8),
            );
            let [(one, _), (many, warnings)] = [&whole, &progressive]
                .map(|data| decode(data, Some(least), true).expect("decodes"));
            assert!(warnings.is_empty(), "{name}: {warnings:?}");
            assert!(one == many, "{name} at {eighths}/8");
        }
        if sampling == SamplingFactor::F_1_1 || grey {
            let (ours, _) = decode(&progressive, None, true).expect("decodes");
            let (theirs, _) = decode(&progressive, None, false).expect("decodes");
            let (_, most) = apart(&rgb(&ours), &rgb(&theirs));
            assert!(most <= 3, "{name}: {most}");
        }
        variants += 1;
    }
    let _ = std::fs::remove_file(script);
    println!("{variants} variants");
}

#[test]
fn what_imagemagick_interlaces_is_read_as_by_djpeg() {
    if support::tool("djpeg").is_none() || support::tool("convert").is_none() {
        return;
    }
    let sunset = include_bytes!("../data/sunset.jpg");
    for sampling in ["4:2:0", "4:2:2", "4:4:4"] {
        let args = [
            "-",
            "-resize",
            "300x",
            "-sampling-factor",
            sampling,
            "-interlace",
            "JPEG",
            "jpg:-",
        ];
        let data = Bytes::from(through("convert", &args, sunset));
        let info = probe(&data, &Limits::default()).expect("it is a picture");
        assert_eq!(info.codec, Some(Codec::JpegProgressive));
        for eighths in [1_u32, 2, 4, 8] {
            let least = Dimensions::new((300 * eighths).div_ceil(8), (225 * eighths).div_ceil(8));
            let (picture, _) = decode(&data, Some(least), true).expect("decodes");
            let ours = rgb(&picture);
            let theirs = djpeg(&data, &format!("{eighths}/8"));
            let pixels = &theirs[theirs.len() - ours.len()..];
            let (mean, _) = apart(&ours, pixels);
            let most = if eighths == 8 { 0.3 } else { 2.0 };
            assert!(mean <= most, "{sampling} at {eighths}/8: {mean:.2}");
        }
    }
}

#[test]
fn photographs_fill_their_octets_with_one_encode() {
    let Some(path) = support::corpus("images/p12_friends_o6.jpg") else {
        return;
    };
    let data = Bytes::from(std::fs::read(path).expect("corpus is readable"));
    let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
    let mut target = ImageTarget::new(Format::Jpeg);
    target.max_box = Some(Dimensions::new(640, 480));
    target.quality = Some(100);
    for budget in [15_000, 30_000, 60_000, 100_000] {
        target.max_bytes = Some(budget);
        let source = Source::open_for(&data, Format::Jpeg, &registry, &limits, &cancel, &target)
            .expect("opens");
        let encoded = source.encode(&target, &cancel).expect("fits");
        let octets = u64::try_from(encoded.bytes.len()).expect("fits");
        assert!(
            octets <= budget && octets * 100 >= budget * 98,
            "{octets} of {budget}"
        );
        assert_eq!(encoded.encodes, 1);
        assert!(encoded.size.height > encoded.size.width);
    }
}

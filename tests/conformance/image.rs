//! Pictures: what we make of the corpus, by the word of independent decoders.

use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use remold::media::image::{Encoded, ImageTarget, Source};
use remold::media::{Cancel, Format, MediaError, Registry, probe};
use remold::{Dimensions, Limits};

use crate::support;

/// Pictures small enough for a debug build; the 12-megapixel ones are looked at one by one.
const SMALL: [(&str, (u32, u32)); 8] = [
    ("cmyk_free.jpg", (160, 120)),
    ("page.png", (160, 120)),
    ("rocket.jpg", (160, 120)),
    ("shot_gimp_slider.png", (160, 120)),
    ("transparent.png", (160, 120)),
    ("transparent.webp", (160, 120)),
    ("chi.gif", (80, 60)),
    ("convolution-example-matrix.gif", (80, 60)),
];

const FORMATS: [Format; 4] = [Format::Jpeg, Format::Png, Format::Gif, Format::Wbmp];

fn read(path: &Path) -> (Bytes, Format) {
    let data = Bytes::from(std::fs::read(path).expect("corpus is readable"));
    let info = probe(&data, &Limits::default()).expect("corpus is sound");
    (data, info.format)
}

fn open(data: &Bytes, format: Format, shrink_to: Option<Dimensions>) -> Source {
    let registry = Registry::builtin();
    let limits = Limits::default();
    Source::open(data, format, &registry, &limits, &Cancel::new(), shrink_to).expect("opens")
}

fn target(format: Format, max_box: (u32, u32), max_bytes: Option<u64>) -> ImageTarget {
    ImageTarget {
        max_box: Some(Dimensions::new(max_box.0, max_box.1)),
        max_bytes,
        ..ImageTarget::new(format)
    }
}

fn encode(source: &Source, target: &ImageTarget) -> Encoded {
    source.encode(target, &Cancel::new()).expect("encodes")
}

/// What every result must be, whatever made it.
fn check(name: &str, encoded: &Encoded, target: &ImageTarget) {
    let context = format!("{name} to {target:?}");
    let bytes = u64::try_from(encoded.bytes.len()).expect("fits");
    assert!(
        target.max_bytes.is_none_or(|most| bytes <= most),
        "{context}: {bytes}"
    );
    let info = probe(&encoded.bytes, &Limits::default()).expect("probes");
    assert_eq!(info.format, target.format, "{context}");
    assert_eq!(info.size, Some(encoded.size), "{context}");
    assert_eq!(info.orientation, 1, "{context}");
    assert!(
        target.max_box.is_none_or(|limit| limit.holds(encoded.size)),
        "{context}"
    );
    for marker in [
        "Exif",
        "ICC_PROFILE",
        "http://ns.adobe.com",
        "iCCP",
        "eXIf",
        "tEXt",
    ] {
        let found = encoded
            .bytes
            .windows(marker.len())
            .any(|octets| octets == marker.as_bytes());
        assert!(!found, "{context}: {marker} is left");
    }
}

/// Decodes a file of ours with an independent tool, which may not complain, to RGB; `None` where
/// it is not installed.
fn decode_elsewhere(bytes: &[u8], format: Format, size: Dimensions) -> Option<Vec<u8>> {
    let (pixels, complaint) = decode_anything(bytes, format, size)?;
    assert!(complaint.is_empty(), "{complaint}");
    Some(pixels)
}

/// As [`decode_elsewhere`], with what the tool complained of.
fn decode_anything(bytes: &[u8], format: Format, size: Dimensions) -> Option<(Vec<u8>, String)> {
    let output = match format {
        Format::Jpeg => {
            support::tool("djpeg")?;
            let mut command = Command::new("djpeg");
            command.args(["-rgb", "-ppm"]);
            pipe(command, bytes)
        }
        _ => {
            support::tool("convert")?;
            let mut command = Command::new("convert");
            let kind = match format {
                Format::Wbmp => "wbmp:-",
                Format::Gif => "gif:-[0]",
                Format::Webp => "webp:-[0]",
                _ => "png:-",
            };
            command.args([
                kind,
                "-background",
                "white",
                "-alpha",
                "remove",
                "-depth",
                "8",
                "ppm:-",
            ]);
            pipe(command, bytes)
        }
    };
    let (output, complaint) = output;
    Some((pixels_of_ppm(&output, size), complaint))
}

fn pipe(mut command: Command, bytes: &[u8]) -> (Vec<u8>, String) {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let owned = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&owned));
    let output = child.wait_with_output().expect("the tool ends");
    let _ = writer.join();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
    (output.stdout, complaint)
}

/// The pixels of a binary PPM or PGM, as RGB.
fn pixels_of_ppm(ppm: &[u8], size: Dimensions) -> Vec<u8> {
    let count = usize::try_from(size.width * size.height).expect("fits");
    let channels = if ppm.starts_with(b"P5") { 1 } else { 3 };
    let head = String::from_utf8_lossy(&ppm[..ppm.len().min(120)]).into_owned();
    assert!(
        head.contains(&format!("{} {}", size.width, size.height)),
        "{head}"
    );
    let data = &ppm[ppm.len() - count * channels..];
    match channels {
        1 => data.iter().flat_map(|&grey| [grey; 3]).collect(),
        _ => data.to_vec(),
    }
}

fn rgb(source: &Source) -> Vec<u8> {
    let flat = source.clone().flattened().expect("flattens");
    let picture = &flat.frames()[0].picture;
    match picture.layout() {
        remold::media::Layout::Grey8 => picture.data().iter().flat_map(|&g| [g; 3]).collect(),
        _ => picture.data().to_vec(),
    }
}

fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2))
        .sum();
    let mean = sum as f64 / a.len() as f64;
    if mean == 0.0 {
        99.0
    } else {
        10.0 * (255.0 * 255.0 / mean).log10()
    }
}

#[test]
fn every_target_is_met_and_decodes_elsewhere() {
    for (name, limit) in SMALL {
        let Some(path) = support::corpus(&format!("images/{name}")) else {
            return;
        };
        meet_targets(&path, &[limit], &[None, Some(6_000), Some(2_000)]);
    }
}

#[test]
#[ignore = "takes minutes, in a debug build an hour"]
fn every_picture_meets_every_target() {
    let Some(folder) = support::corpus("images") else {
        return;
    };
    let is_text = |path: &Path| path.extension().is_some_and(|extension| extension == "md");
    for path in support::files(&folder) {
        if !is_text(&path) {
            let budgets = [None, Some(30_000), Some(8_000), Some(2_000)];
            meet_targets(&path, &[(640, 480), (128, 128)], &budgets);
        }
    }
}

fn meet_targets(path: &Path, boxes: &[(u32, u32)], budgets: &[Option<u64>]) {
    let name = path.display().to_string();
    let (data, format) = read(path);
    let source = open(
        &data,
        format,
        boxes.first().map(|&(w, h)| Dimensions::new(w, h)),
    );
    for &limit in boxes {
        for to in FORMATS {
            for &budget in budgets {
                let target = target(to, limit, budget);
                let encoded = encode(&source, &target);
                check(&name, &encoded, &target);
                decode_elsewhere(&encoded.bytes, to, encoded.size);
            }
        }
    }
}

#[test]
fn large_photographs_meet_the_usual_targets() {
    for (name, portrait) in [
        ("p12_friends_o6.jpg", true),
        ("p12_wine_o8.jpg", true),
        ("p12_picos.jpg", false),
        ("prog_analogpattern.jpg", false),
        ("gray_sunset.jpg", false),
    ] {
        let Some(path) = support::corpus(&format!("images/{name}")) else {
            return;
        };
        let (data, format) = read(&path);
        let source = open(&data, format, Some(Dimensions::new(640, 480)));
        for budget in [None, Some(30_000), Some(8_000)] {
            let target = target(Format::Jpeg, (640, 480), budget);
            let encoded = encode(&source, &target);
            check(name, &encoded, &target);
            assert_eq!(encoded.size.height > encoded.size.width, portrait, "{name}");
            assert!(encoded.encodes <= 8, "{name}: {} encodes", encoded.encodes);
            if let Some(pixels) = decode_elsewhere(&encoded.bytes, Format::Jpeg, encoded.size) {
                assert!(!pixels.is_empty());
            }
        }
    }
}

#[test]
fn pixels_are_those_of_independent_decoders() {
    // Chroma is interpolated differently from decoder to decoder, hence not more than 35 dB.
    for (name, floor) in [
        ("astronaut.png", 60.0),
        ("page.png", 60.0),
        ("shot_gimp_single.png", 60.0),
        ("transparent.png", 50.0),
        ("transparent.webp", 30.0),
        ("chi.gif", 60.0),
        ("iss634.gif", 60.0),
        ("convolution-example-matrix.gif", 60.0),
        ("photo16.png", 50.0),
        ("orig_picture1a.jpg", 50.0),
        ("orig_aitzgorri.jpg", 35.0),
    ] {
        let Some(path) = support::corpus(&format!("images/{name}")) else {
            return;
        };
        let (data, format) = read(&path);
        let source = open(&data, format, None);
        let Some((theirs, _)) = decode_anything(&data, format, source.size()) else {
            return;
        };
        let apart = psnr(&rgb(&source), &theirs);
        assert!(apart > floor, "{name}: {apart:.1} dB");
    }
}

#[test]
fn cmyk_looks_like_elsewhere() {
    let Some(path) = support::corpus("images/cmyk_free.jpg") else {
        return;
    };
    if support::tool("convert").is_none() {
        return;
    }
    let (data, format) = read(&path);
    let source = open(&data, format, None);
    let mut command = Command::new("convert");
    command.args([
        "jpeg:-",
        "-strip",
        "-colorspace",
        "sRGB",
        "-depth",
        "8",
        "ppm:-",
    ]);
    let theirs = pixels_of_ppm(&pipe(command, &data).0, source.size());
    let apart = psnr(&rgb(&source), &theirs);
    assert!(apart > 30.0, "{apart:.1} dB");
}

#[test]
fn a_wide_gamut_becomes_srgb() {
    // The file's profile is Adobe RGB (1998): gamma 563/256 and D65, so the way to sRGB is a
    // matrix between two curves.
    let Some(path) = support::corpus("images/rocket.jpg") else {
        return;
    };
    let (data, format) = read(&path);
    let source = open(&data, format, None);
    let Some(stored) = decode_elsewhere(&data, format, source.size()) else {
        return;
    };
    let light: Vec<f64> = (0..256)
        .map(|v| (f64::from(v) / 255.0).powf(563.0 / 256.0))
        .collect();
    let code = |light: f64| {
        let light = light.clamp(0.0, 1.0);
        let value = if light <= 0.003_130_8 {
            light * 12.92
        } else {
            1.055 * light.powf(1.0 / 2.4) - 0.055
        };
        (value * 255.0).round() as u8
    };
    let expected: Vec<u8> = stored
        .chunks_exact(3)
        .flat_map(|pixel| {
            let [r, g, b] = [0, 1, 2].map(|i| light[usize::from(pixel[i])]);
            [1.39836 * r - 0.39836 * g, g, 1.04293 * b - 0.04293 * g].map(code)
        })
        .collect();
    let apart = psnr(&rgb(&source), &expected);
    assert!(apart > 40.0, "{apart:.1} dB");
}

#[test]
fn an_animation_keeps_its_frames_and_its_time() {
    if support::tool("identify").is_none() {
        return;
    }
    for (name, frames) in [
        ("chi.gif", 31),
        ("convolution-example-matrix.gif", 9),
        ("iss634.webp", 42),
    ] {
        let Some(path) = support::corpus(&format!("images/{name}")) else {
            return;
        };
        let (data, format) = read(&path);
        let source = open(&data, format, Some(Dimensions::new(96, 96)));
        assert_eq!(source.frames().len(), frames, "{name}");
        let encoded = encode(&source, &target(Format::Gif, (96, 96), None));
        assert_eq!(usize::try_from(encoded.frames), Ok(frames), "{name}");
        let mut command = Command::new("identify");
        command.args(["-format", "%T\n", "gif:-"]);
        let listed = String::from_utf8(pipe(command, &encoded.bytes).0).expect("digits");
        let ticks: Vec<u32> = listed
            .lines()
            .map(|line| line.parse().expect("ticks"))
            .collect();
        assert_eq!(ticks.len(), frames, "{name}");
        let ms: u32 = source.frames().iter().map(|frame| frame.delay_ms).sum();
        assert!((ticks.iter().sum::<u32>() * 10).abs_diff(ms) <= 5, "{name}");
        // The last frame is where differences between frames would have piled up.
        let mut command = Command::new("convert");
        command.args([
            "gif:-",
            "-coalesce",
            "-delete",
            "0--2",
            "-depth",
            "8",
            "ppm:-",
        ]);
        let last = pixels_of_ppm(&pipe(command, &encoded.bytes).0, encoded.size);
        let picture = &source.frames()[frames - 1].picture;
        let ours: Vec<u8> = match picture.layout() {
            remold::media::Layout::Grey8 => picture.data().iter().flat_map(|&g| [g; 3]).collect(),
            _ => picture.data().to_vec(),
        };
        let apart = psnr(&ours, &last);
        assert!(apart > 27.0, "{name}: {apart:.1} dB");
    }
}

#[test]
fn the_same_octets_each_time_and_on_any_number_of_threads() {
    let Some(path) = support::corpus("images/rocket.jpg") else {
        return;
    };
    let (data, format) = read(&path);
    let run = || {
        let source = open(&data, format, Some(Dimensions::new(160, 120)));
        FORMATS.map(|to| encode(&source, &target(to, (160, 120), Some(2_500))).bytes)
    };
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool")
            .install(run)
    };
    let first = run();
    assert!(first == run() && first == pool(1) && first == pool(4));
}

#[test]
fn a_cut_photograph_is_an_error_or_a_picture_never_a_panic() {
    for name in [
        "rocket.jpg",
        "prog_analogpattern.jpg",
        "page.png",
        "chi.gif",
        "transparent.webp",
    ] {
        let Some(path) = support::corpus(&format!("images/{name}")) else {
            return;
        };
        let (data, format) = read(&path);
        for share in [1, 5, 9] {
            let cut = data.slice(..data.len() * share / 10);
            let registry = Registry::builtin();
            let outcome = Source::open(
                &cut,
                format,
                &registry,
                &Limits::default(),
                &Cancel::new(),
                Some(Dimensions::new(64, 64)),
            );
            match outcome {
                Ok(source) => assert!(!source.frames().is_empty()),
                Err(error) => assert!(
                    matches!(error, MediaError::Malformed { .. }),
                    "{name} at {share}/10: {error:?}"
                ),
            }
            println!("{name} at {share}/10 handled");
        }
    }
}

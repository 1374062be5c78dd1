//! Pictures made to hurt, and pictures stored any way round.

use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use remold::media::image::Source;
use remold::media::{Cancel, Format, MediaError, Registry};
use remold::{Dimensions, Limits};

use crate::support;

fn open(data: Vec<u8>, format: Format) -> Result<Source, MediaError> {
    let registry = Registry::builtin();
    let small = Some(Dimensions::new(64, 64));
    let data = Bytes::from(data);
    Source::open(
        &data,
        format,
        &registry,
        &Limits::default(),
        &Cancel::new(),
        small,
    )
}

/// CRC-32 as PNG has it (annex D), a bit at a time.
fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, &octet| {
        (0..8).fold(crc ^ u32::from(octet), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [name.as_slice(), body].concat();
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [length.as_slice(), &named, &crc(&named).to_be_bytes()].concat()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let head = [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[8, 6, 0, 0, 0],
    ]
    .concat();
    // A zlib stream of one stored block of one octet.
    let data = [0x78, 0x01, 1, 1, 0, 0xFE, 0xFF, 0, 0, 1, 0, 1];
    let chunks = [
        chunk(b"IHDR", &head),
        chunk(b"IDAT", &data),
        chunk(b"IEND", &[]),
    ];
    [b"\x89PNG\r\n\x1A\n".as_slice(), &chunks.concat()].concat()
}

fn gif(width: u16, height: u16, frames: usize) -> Vec<u8> {
    let mut data = b"GIF89a".to_vec();
    data.extend(width.to_le_bytes());
    data.extend(height.to_le_bytes());
    data.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    for _ in 0..frames {
        data.extend([0x21, 0xF9, 4, 0, 10, 0, 0, 0]);
        data.extend([0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0]);
    }
    data.push(0x3B);
    data
}

fn bmp(width: i32, height: i32) -> Vec<u8> {
    let mut data = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    data.extend(width.to_le_bytes());
    data.extend(height.to_le_bytes());
    data.extend([1, 0, 24, 0]);
    data.resize(200, 0);
    data
}

fn tiff(width: u32, height: u32) -> Vec<u8> {
    let mut data = b"II\x2A\0\x08\0\0\0".to_vec();
    let entries: [(u16, u32); 8] = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 200),
        (278, height),
        (279, u32::MAX),
    ];
    data.extend(u16::try_from(entries.len()).expect("few").to_le_bytes());
    for (tag, value) in entries {
        data.extend(tag.to_le_bytes());
        data.extend(4_u16.to_le_bytes());
        data.extend(1_u32.to_le_bytes());
        data.extend(value.to_le_bytes());
    }
    data.resize(400, 0);
    data
}

fn jpeg_header(marker: u8, width: u16, height: u16) -> Vec<u8> {
    let mut data = vec![0xFF, 0xD8, 0xFF, marker, 0, 17, 8];
    data.extend(height.to_be_bytes());
    data.extend(width.to_be_bytes());
    data.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    data.extend([0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0, 0xFF, 0xD9]);
    data
}

/// A scan for each component, each of nothing.
fn apart(width: u16, height: u16) -> Vec<u8> {
    let mut data = jpeg_header(0xC0, width, height);
    data.truncate(data.len() - 16);
    for component in 1..=3 {
        data.extend([0xFF, 0xDA, 0, 8, 1, component, 0, 0, 63, 0, 0]);
    }
    data.extend([0xFF, 0xD9]);
    data
}

/// A progressive picture of so many scans, each of nothing.
fn many_scans(width: u16, height: u16, scans: usize) -> Vec<u8> {
    let mut data = jpeg_header(0xC2, width, height);
    data.truncate(data.len() - 16);
    for _ in 0..scans {
        data.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 1, 63, 0x10, 0]);
    }
    data.extend([0xFF, 0xD9]);
    data
}

fn webp_canvas() -> Vec<u8> {
    let mut data = b"RIFF\x16\0\0\0WEBPVP8X\x0A\0\0\0\x02\0\0\0".to_vec();
    data.extend([0xFF; 6]);
    data.resize(64, 0);
    data
}

fn bombs() -> Vec<(&'static str, Format, Vec<u8>)> {
    vec![
        ("50000x50000.png", Format::Png, png(50_000, 50_000)),
        ("16384x16384.png", Format::Png, png(16_384, 16_384)),
        ("side.png", Format::Png, png(1_000_000, 1)),
        ("largest.gif", Format::Gif, gif(65_535, 65_535, 1)),
        ("largest.bmp", Format::Bmp, bmp(i32::MAX, i32::MAX)),
        ("negative.bmp", Format::Bmp, bmp(30_000, i32::MIN)),
        ("wide.bmp", Format::Bmp, bmp(60_000, 60_000)),
        ("largest.tiff", Format::Tiff, tiff(u32::MAX, u32::MAX)),
        ("wide.tiff", Format::Tiff, tiff(60_000, 60_000)),
        ("strip.tiff", Format::Tiff, tiff(100, 100)),
        (
            "largest.jpg",
            Format::Jpeg,
            jpeg_header(0xC0, 65_535, 65_535),
        ),
        (
            "progressive.jpg",
            Format::Jpeg,
            jpeg_header(0xC2, 7_900, 7_900),
        ),
        ("wide.jpg", Format::Jpeg, jpeg_header(0xC2, 20_000, 20_000)),
        ("scans.jpg", Format::Jpeg, many_scans(7_900, 7_900, 20_000)),
        ("apart.jpg", Format::Jpeg, apart(7_900, 7_900)),
        ("canvas.webp", Format::Webp, webp_canvas()),
        (
            "rows.wbmp",
            Format::Wbmp,
            vec![0, 0, 0x8F, 0xFF, 0x7F, 0x8F, 0xFF, 0x7F, 0],
        ),
    ]
}

#[test]
fn bombs_are_refused_at_once() {
    for (name, format, data) in bombs() {
        let start = Instant::now();
        let error = open(data, format).expect_err(name);
        let took = start.elapsed();
        assert!(
            matches!(
                error,
                MediaError::Limit { .. }
                    | MediaError::Malformed { .. }
                    | MediaError::Unsupported { .. }
            ),
            "{name}: {error:?}"
        );
        assert!(took < Duration::from_millis(200), "{name} took {took:?}");
    }
}

#[test]
fn ten_thousand_frames_are_not_all_decoded() {
    let start = Instant::now();
    let source = open(gif(1, 1, 10_000), Format::Gif).expect("opens");
    assert_eq!(source.frames().len(), Limits::default().frames);
    assert_eq!(source.warnings(), ["animation cut after 1000 frames"]);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_command_refuses_bombs_in_little_memory() {
    let folder = std::env::temp_dir().join(format!("remold-bombs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("folder");
    let program = support::remold().get_program().to_owned();
    for (name, _, data) in bombs() {
        let input = folder.join(name);
        std::fs::write(&input, data).expect("written");
        let output = folder.join(format!("{name}.out.jpg"));
        let ran = Command::new("sh")
            .arg("-c")
            .arg("ulimit -v 300000; exec \"$0\" media convert --max-image 64x64 \"$1\" -o \"$2\"")
            .arg(&program)
            .arg(&input)
            .arg(&output)
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(
            matches!(ran.status.code(), Some(3 | 6)),
            "{name}: {:?} {said}",
            ran.status
        );
        assert!(
            said.starts_with("remold: ") && said.lines().count() == 1,
            "{name}: {said}"
        );
        assert!(!output.exists(), "{name}");
    }
    std::fs::remove_dir_all(folder).expect("removed");
}

/// A picture that is different whichever way it is turned or mirrored, with an EXIF orientation.
fn stored(orientation: u8) -> Vec<u8> {
    let (width, height) = (48_u32, 32_u32);
    let pixels: Vec<u8> = (0..width * height)
        .flat_map(|i| {
            let (x, y) = (i % width, i / width);
            match (x < width / 2, y < height / 2) {
                (true, true) => [200, 30, 30],
                (false, true) => [30, 200, 30],
                (true, false) => [30, 30, 200],
                (false, false) => [230, 230, 230],
            }
        })
        .collect();
    let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut jpeg = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, 95);
    encoder.add_app_segment(1, exif).expect("short");
    encoder
        .encode(&pixels, 48, 32, jpeg_encoder::ColorType::Rgb)
        .expect("encodes");
    jpeg
}

#[test]
fn every_orientation_is_shown_as_elsewhere() {
    if support::tool("convert").is_none() {
        return;
    }
    let folder = std::env::temp_dir();
    for orientation in 1..=8 {
        let data = stored(orientation);
        let source = open(data.clone(), Format::Jpeg).expect("opens");
        let path = folder.join(format!(
            "remold-turn-{}-{orientation}.jpg",
            std::process::id()
        ));
        std::fs::write(&path, data).expect("written");
        let shown = Command::new("convert")
            .arg(&path)
            .args(["-auto-orient", "-depth", "8", "rgb:-"])
            .output()
            .expect("runs");
        std::fs::remove_file(path).expect("removed");
        let upright = &source.frames()[0].picture;
        let turned = orientation >= 5;
        assert_eq!(
            upright.size().height > upright.size().width,
            turned,
            "{orientation}"
        );
        assert_eq!(upright.data().len(), shown.stdout.len(), "{orientation}");
        let worst = upright
            .data()
            .iter()
            .zip(&shown.stdout)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst < Some(12), "{orientation}: {worst:?}");
    }
}

#[test]
fn cancelling_ends_the_work() {
    let cancel = Cancel::new();
    cancel.cancel();
    let data = Bytes::from(stored(1));
    let registry = Registry::builtin();
    let limits = Limits::default();
    let outcome = Source::open(&data, Format::Jpeg, &registry, &limits, &cancel, None);
    assert_eq!(outcome.err(), Some(MediaError::Cancelled));
}

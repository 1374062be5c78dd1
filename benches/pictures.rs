//! What our JPEG path costs and gives on real photographs, in one process.
//!
//!     cargo bench --bench pictures -- FOLDER [FOLDER OF ANOTHER TOOL'S RESULTS]
//!
//! The JPEG files of FOLDER of 10 megapixels and more become 640x480 at quality 80, as often as a
//! figure needs to settle; then 640x480 at 15, 30, 60 and 100 kB. Where the second folder has
//! files of the same names, made at 640x480 by another tool, ours of the same octets are held
//! against them by SSIMULACRA2, the picture decoded whole and scaled by Lanczos in gamma space
//! being the original.

#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot run has nothing to say"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use fast_ssim2::{PixelDescriptor, PixelSlice, compute_ssimulacra2};
use remold::media::image::{ImageTarget, Source};
use remold::media::{Cancel, Format, Layout, Picture, Registry, probe};
use remold::{Dimensions, Limits};

const SCREEN: Dimensions = Dimensions::new(640, 480);

fn main() {
    let args: Vec<PathBuf> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .map(PathBuf::from)
        .collect();
    let Some(folder) = args.first() else {
        println!("skipped: pictures FOLDER [OTHERS]");
        return;
    };
    let files = photographs(folder);
    println!("{} pictures", files.len());
    steady(&files);
    processor(&files);
    budgets(&files);
    search_cost(&files);
    if let Some(others) = args.get(1) {
        seen(&files, others);
    }
}

/// The large JPEG files of a folder.
fn photographs(folder: &Path) -> Vec<(String, Bytes)> {
    let mut files: Vec<(String, Bytes)> = fs::read_dir(folder)
        .expect("the folder is there")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let data = Bytes::from(fs::read(&path).ok()?);
            let info = probe(&data, &Limits::default()).ok()?;
            let size = info.size?;
            let large = u64::from(size.width) * u64::from(size.height) >= 10_000_000;
            let name = path.file_name()?.to_str()?.to_owned();
            (info.format == Format::Jpeg && large).then_some((name, data))
        })
        .collect();
    files.sort();
    files
}

fn target(quality: u8, max_bytes: Option<u64>) -> ImageTarget {
    ImageTarget {
        max_box: Some(SCREEN),
        quality: Some(quality),
        max_bytes,
        ..ImageTarget::new(Format::Jpeg)
    }
}

fn open(data: &Bytes, target: &ImageTarget) -> Source {
    let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
    Source::open_for(data, Format::Jpeg, &registry, &limits, &cancel, target).expect("opens")
}

/// The least milliseconds of some runs.
fn least<T>(runs: u32, mut work: impl FnMut() -> T) -> f64 {
    (0..runs)
        .map(|_| {
            let begun = Instant::now();
            std::hint::black_box(work());
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .fold(f64::INFINITY, f64::min)
}

/// Steady state: file to file, and the decode at 1/8 that is little but Huffman codes.
fn steady(files: &[(String, Bytes)]) {
    let target = target(80, None);
    let mut sums = [0.0; 3];
    println!("ms: file to file, of that planes, decode at 1/8");
    for (name, data) in files {
        let size = probe(data, &Limits::default())
            .expect("sound")
            .size
            .expect("has one");
        let eighth = ImageTarget {
            max_box: Some(Dimensions::new(
                size.width.div_ceil(8),
                size.height.div_ceil(8),
            )),
            ..target.clone()
        };
        let row = [
            least(9, || open(data, &target).encode(&target, &Cancel::new())),
            least(9, || open(data, &target)),
            least(9, || open(data, &eighth)),
        ];
        println!(
            "{name:24} {:6.1} {:6.1} {:6.1}  {:.2}",
            row[0],
            row[1],
            row[2],
            row[0] / row[2]
        );
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value / files.len() as f64;
        }
    }
    println!(
        "{:24} {:6.1} {:6.1} {:6.1}  {:.2}",
        "mean",
        sums[0],
        sums[1],
        sums[2],
        sums[0] / sums[2]
    );
}

/// The same of all pictures again and again, in user CPU as the system counts it: what a process
/// that goes on and on takes for each.
fn processor(files: &[(String, Bytes)]) {
    let target = target(80, None);
    let rounds = 6;
    let Some(before) = user_seconds() else {
        println!("user CPU: not told by this system");
        return;
    };
    for _ in 0..rounds {
        for (_, data) in files {
            let encoded = open(data, &target).encode(&target, &Cancel::new());
            std::hint::black_box(encoded.expect("fits"));
        }
    }
    let took = user_seconds().unwrap_or(before) - before;
    let each = took * 1000.0 / (rounds * files.len().max(1)) as f64;
    println!("user CPU: {each:.1} ms a picture, {rounds} rounds in one process");
}

/// User CPU of this process so far, in Linux's hundredths of a second.
fn user_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the process, in brackets, may hold spaces; twelve fields behind it.
    let behind = stat.rsplit_once(')')?.1;
    let ticks: f64 = behind.split_whitespace().nth(11)?.parse().ok()?;
    Some(ticks / 100.0)
}

/// Fitting planes to octets: time, fill, encodes, octets over.
fn budgets(files: &[(String, Bytes)]) {
    let (mut times, mut fills, mut over, mut encodes) = (Vec::new(), Vec::new(), 0, 0);
    for (_, data) in files {
        for budget in [15_000, 30_000, 60_000, 100_000] {
            let target = target(100, Some(budget));
            let source = open(data, &target);
            let encoded = source.encode(&target, &Cancel::new()).expect("fits");
            times.push(least(5, || source.encode(&target, &Cancel::new())));
            fills.push(encoded.bytes.len() as f64 / budget as f64 * 100.0);
            over += u32::from(encoded.bytes.len() as u64 > budget);
            encodes = encodes.max(encoded.encodes);
        }
    }
    println!(
        "planes to octets, {} cases: {:.2} ms median, {:.2} at most; fill {:.2} % median, {:.2} least; \
         over {over}; encodes at most {encodes}",
        times.len(),
        median(&mut times),
        times.last().copied().unwrap_or(0.0),
        median(&mut fills),
        fills.first().copied().unwrap_or(0.0),
    );
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The same search by halving the range of qualities with other encoders, from pixels.
fn search_cost(files: &[(String, Bytes)]) {
    let mut ours = 0.0;
    // The encoder of the `image` crate, and one that writes tables of its own at half the colour.
    let mut theirs = [(0.0, 0_u32); 2];
    for (_, data) in files {
        let source = open(data, &target(80, None));
        let picture = rgb(&source.frames()[0].picture);
        let size = source.size();
        for budget in [30_000, 60_000] {
            let target = target(100, Some(budget));
            ours += least(5, || source.encode(&target, &Cancel::new()));
            let encoders: [Encode; 2] = [by_image, by_jpeg_encoder];
            for ((took, runs), encode) in theirs.iter_mut().zip(encoders) {
                *took += least(2, || *runs += halving(&picture, size, budget, encode));
            }
        }
    }
    for ((took, runs), name) in theirs.iter().zip(["the image crate", "jpeg-encoder"]) {
        println!(
            "search: ours {ours:.1} ms, halving with {name} {took:.1} ms in {runs} encodes: {:.1} times",
            took / ours
        );
    }
}

/// Octets of RGB pixels of a size at a quality.
type Encode = fn(&[u8], Dimensions, u8) -> usize;

/// Halves the range of qualities until one is left; how many encodes that took.
fn halving(picture: &[u8], size: Dimensions, budget: u64, encode: Encode) -> u32 {
    let (mut low, mut high, mut runs) = (1, 100, 0);
    while low <= high {
        let quality = u8::midpoint(low, high);
        runs += 1;
        if encode(picture, size, quality) as u64 <= budget {
            low = quality + 1;
        } else {
            high = quality - 1;
        }
    }
    runs
}

fn by_image(picture: &[u8], size: Dimensions, quality: u8) -> usize {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(
            picture,
            size.width,
            size.height,
            image::ExtendedColorType::Rgb8,
        )
        .expect("encodes");
    bytes.len()
}

fn by_jpeg_encoder(picture: &[u8], size: Dimensions, quality: u8) -> usize {
    let side = |length: u32| u16::try_from(length).expect("small");
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.set_optimized_huffman_tables(true);
    encoder
        .encode(
            picture,
            side(size.width),
            side(size.height),
            jpeg_encoder::ColorType::Rgb,
        )
        .expect("encodes");
    bytes.len()
}

/// SSIMULACRA2 of ours and of another tool's files of the same octets.
fn seen(files: &[(String, Bytes)], others: &Path) {
    let mut sum = 0.0;
    let mut count = 0;
    println!("SSIMULACRA2: ours, theirs, octets");
    for (name, data) in files {
        let Ok(theirs) = fs::read(others.join(name)) else {
            continue;
        };
        let octets = theirs.len() as u64;
        let (theirs, size) = pixels(&Bytes::from(theirs), None);
        let target = ImageTarget {
            max_box: Some(size),
            ..target(100, Some(octets))
        };
        let encoded = open(data, &target)
            .encode(&target, &Cancel::new())
            .expect("fits");
        if encoded.size != size {
            println!("{name}: {} and {size}", encoded.size);
            continue;
        }
        let (original, _) = pixels(data, Some(size));
        let (ours, _) = pixels(&Bytes::from(encoded.bytes), None);
        let scores = [&ours, &theirs].map(|picture| {
            let slice = |picture| {
                let (width, height) = (size.width, size.height);
                let stride = width as usize * 3;
                PixelSlice::new(picture, width, height, stride, PixelDescriptor::RGB8_SRGB)
                    .expect("its size")
            };
            compute_ssimulacra2(&slice(&original), &slice(picture)).expect("sound pictures")
        });
        println!("{name:24} {:6.2} {:6.2} {octets}", scores[0], scores[1]);
        sum += scores[0] - scores[1];
        count += 1;
    }
    println!(
        "ours less theirs: {:+.2} in the mean of {count}",
        sum / f64::from(count.max(1))
    );
}

/// Upright RGB by the decoder of the `image` crate, scaled whole.
fn pixels(data: &Bytes, size: Option<Dimensions>) -> (Vec<u8>, Dimensions) {
    let mut registry = Registry::builtin();
    registry.set_enabled("jpeg", false);
    let limits = Limits::default();
    let source =
        Source::open(data, Format::Jpeg, &registry, &limits, &Cancel::new(), size).expect("opens");
    (rgb(&source.frames()[0].picture), source.size())
}

fn rgb(picture: &Picture) -> Vec<u8> {
    match picture.layout() {
        Layout::Grey8 => picture.data().iter().flat_map(|&grey| [grey; 3]).collect(),
        _ => picture.data().to_vec(),
    }
}

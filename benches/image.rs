//! What a photograph costs: decoding and shrinking 12 megapixels, and fitting them to octets.

#![allow(
    missing_docs,
    clippy::panic,
    reason = "a bench has no users, and fails loudly"
)]

use bytes::Bytes;
use divan::{Bencher, black_box};
use remold::media::image::{ImageTarget, Source};
use remold::media::{Cancel, Format, Registry};
use remold::{Dimensions, Limits};

fn main() {
    divan::main();
}

const SCREEN: Dimensions = Dimensions::new(640, 480);

/// A 12-megapixel JPEG of about 4 MB: soft shapes under noise of a camera's kind.
fn photograph() -> Bytes {
    let (width, height) = (4000_u16, 3000_u16);
    let mut state = 1_u32;
    let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
    for y in 0..u32::from(height) {
        for x in 0..u32::from(width) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = state >> 28;
            let shape = ((x * x / 3000 + y * y / 2000) % 160) + ((x / 97) ^ (y / 61)) % 40;
            for share in [100, 80, 60] {
                let value = (shape * share / 100 + noise + share / 4).min(255);
                pixels.push(u8::try_from(value).unwrap_or(255));
            }
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 92);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder
        .encode(&pixels, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap_or_else(|error| panic!("{error}"));
    bytes.into()
}

fn open(data: &Bytes) -> Source {
    let registry = Registry::builtin();
    let limits = Limits::default();
    Source::open(
        data,
        Format::Jpeg,
        &registry,
        &limits,
        &Cancel::new(),
        Some(SCREEN),
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

fn encode(source: &Source, target: &ImageTarget) -> usize {
    source
        .encode(target, &Cancel::new())
        .map_or(0, |encoded| encoded.bytes.len())
}

/// 12 megapixels to 640x480 at quality 80.
#[divan::bench(sample_count = 10)]
fn shrink_12_mp_to_vga_q80(bencher: Bencher<'_, '_>) {
    let data = photograph();
    let mut target = ImageTarget::new(Format::Jpeg);
    target.quality = Some(80);
    bencher.bench(|| encode(&open(black_box(&data)), &target));
}

/// The decoding and shrinking of the above.
#[divan::bench(sample_count = 10)]
fn open_12_mp_for_vga(bencher: Bencher<'_, '_>) {
    let data = photograph();
    bencher.bench(|| open(black_box(&data)));
}

/// One encode of 640x480 at quality 80.
#[divan::bench(sample_count = 30)]
fn encode_vga_q80(bencher: Bencher<'_, '_>) {
    let source = open(&photograph());
    let mut target = ImageTarget::new(Format::Jpeg);
    target.quality = Some(80);
    bencher.bench(|| encode(black_box(&source), &target));
}

/// The search for 30 kB from pixels of 640x480.
#[divan::bench(sample_count = 30)]
fn fit_vga_to_30_kb(bencher: Bencher<'_, '_>) {
    let source = open(&photograph());
    let mut target = ImageTarget::new(Format::Jpeg);
    target.max_bytes = Some(30_000);
    bencher.bench(|| encode(black_box(&source), &target));
}

/// The same for GIF.
#[divan::bench(sample_count = 10)]
fn fit_vga_gif_to_30_kb(bencher: Bencher<'_, '_>) {
    let source = open(&photograph());
    let mut target = ImageTarget::new(Format::Gif);
    target.max_bytes = Some(30_000);
    bencher.bench(|| encode(black_box(&source), &target));
}

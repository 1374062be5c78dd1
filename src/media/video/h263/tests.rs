//! The encoder as a whole, against our own decoder.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::needless_range_loop,
    reason = "the small numbers of a test"
)]

use super::decoder::Decoder;
use super::encoder::{EncodedFrame, Encoder, YuvFrame};
use super::{Config, H263Error, Level, Size, Target, encode_to_size};
use proptest::prelude::*;

/// The planes of a frame.
type Planes = (Vec<u8>, Vec<u8>, Vec<u8>);

/// A moving texture with a square that crosses it; another `scene` is another texture.
fn pattern(size: Size, scene: i32, time: i32) -> Planes {
    let (width, height) = size.lengths();
    let plane = |width: usize, height: usize, scale: i32, offset: i32| {
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height as i32 {
            for x in 0..width as i32 {
                let (x, y) = (x * scale, y * scale);
                let (u, v) = (x + time * 2 + scene * 31, y + time + scene * 17);
                let wave = ((u * (3 + scene) / 5) % 97 - 48).abs() + ((v * 2 / 3) % 71 - 35).abs();
                let grain = ((u * 7919 + v * 104_729) >> 4) % 9;
                let square = (x - time * 3).rem_euclid(200) < 40 && (30..80).contains(&y);
                let value = if square {
                    200 - offset
                } else {
                    40 + wave * 2 + grain + offset
                };
                samples.push(value.clamp(16, 235) as u8);
            }
        }
        samples
    };
    (
        plane(width, height, 1, 0),
        plane(width / 2, height / 2, 2, 20),
        plane(width / 2, height / 2, 2, 50),
    )
}

fn view(size: Size, planes: &Planes) -> YuvFrame<'_> {
    YuvFrame::packed(size, &planes.0, &planes.1, &planes.2)
}

fn clip(size: Size, frames: i32) -> Vec<Planes> {
    (0..frames).map(|time| pattern(size, 0, time)).collect()
}

fn time(index: usize) -> u64 {
    index as u64 * 1_001_000 / 15
}

/// Encodes all frames and checks, picture by picture, that the decoder has what the encoder has.
fn run(config: Config, clip: &[Planes]) -> Vec<EncodedFrame> {
    let size = config.size;
    let (width, height) = size.lengths();
    let mut encoder = Encoder::new(config).unwrap();
    let mut decoder = Decoder::new(width, height);
    let mut pictures = Vec::new();
    for (index, planes) in clip.iter().enumerate() {
        let Some(picture) = encoder.encode(&view(size, planes), time(index)).unwrap() else {
            continue;
        };
        let shown = decoder.decode(&picture.data);
        let ours = encoder.reconstruction();
        assert_eq!(decoder.intra, picture.keyframe);
        for (ours, theirs) in [
            (ours.y, shown.0.samples()),
            (ours.cb, shown.1.samples()),
            (ours.cr, shown.2.samples()),
        ] {
            assert!(ours.data == theirs.0, "drift in picture {index}");
        }
        pictures.push(picture);
    }
    pictures
}

fn psnr(size: Size, pictures: &[EncodedFrame]) -> f64 {
    let (width, height) = size.lengths();
    let error: u64 = pictures.iter().map(|picture| picture.luma_error).sum();
    let samples = width * height * pictures.len();
    10.0 * (255.0 * 255.0 * samples as f64 / error.max(1) as f64).log10()
}

fn bytes(pictures: &[EncodedFrame]) -> usize {
    pictures.iter().map(|picture| picture.data.len()).sum()
}

#[test]
fn decoders_follow_at_every_size_and_quantiser() {
    for size in Size::ALL {
        let clip = clip(size, 6);
        for step in [1, 2, 7, 16, 31] {
            let pictures = run(
                Config::new(size, Level::L30, Target::Quantiser(step)),
                &clip,
            );
            assert_eq!(pictures.len(), 6);
            assert!(pictures[0].keyframe && !pictures[1].keyframe);
            let psnr = psnr(size, &pictures);
            assert!(
                psnr > 24.0 && (step > 2 || psnr > 42.0),
                "{size:?} {step} {psnr}"
            );
        }
    }
}

#[test]
fn group_headers_are_understood() {
    let clip = clip(Size::Qcif, 5);
    let mut config = Config::new(Size::Qcif, Level::L10, Target::Quantiser(9));
    let plain = bytes(&run(config.clone(), &clip));
    config.gob_headers = true;
    let with = bytes(&run(config, &clip));
    assert!(with > plain + 5 * 8 * 29 / 8 - 40, "{plain} {with}");
}

#[test]
fn rates_are_met() {
    let clip = clip(Size::Qcif, 90);
    for bits_per_second in [24_000, 48_000, 64_000] {
        let target = Target::BitRate {
            bits_per_second,
            duration_us: Some(time(90)),
        };
        let pictures = run(Config::new(Size::Qcif, Level::L10, target), &clip);
        let rate = bytes(&pictures) as f64 * 8e6 / time(90) as f64;
        println!(
            "{bits_per_second}: {rate:.0} {:.2} dB",
            psnr(Size::Qcif, &pictures)
        );
        assert!((rate / bits_per_second as f64 - 1.0).abs() < 0.02, "{rate}");
    }
}

#[test]
fn the_level_bounds_the_rate() {
    let target = Target::BitRate {
        bits_per_second: 10_000_000,
        duration_us: None,
    };
    let clip: Vec<Planes> = (0..60).map(|i| pattern(Size::Qcif, i, i)).collect();
    for (level, most) in [(Level::L10, 64_000), (Level::L45, 128_000)] {
        let pictures = run(Config::new(Size::Qcif, level, target), &clip);
        assert!(pictures.iter().all(|picture| picture.data.len() <= 8192));
        let buffer = 65_536 + 4 * most * 1001 / 30_000;
        let mut held = 0u64;
        let mut last = 0;
        for picture in &pictures {
            held = held.saturating_sub((picture.timestamp_us - last) * most / 1_000_000);
            last = picture.timestamp_us;
            held += picture.data.len() as u64 * 8;
            assert!(held <= buffer, "{held}");
        }
    }
}

#[test]
fn budgets_are_filled_and_never_exceeded() {
    let clip = clip(Size::Qcif, 75);
    let frames = || {
        clip.iter()
            .enumerate()
            .map(|(i, planes)| (view(Size::Qcif, planes), time(i)))
    };
    let config = Config::new(Size::Qcif, Level::L10, Target::Quantiser(1));
    for max in [3_000u64, 8_000, 20_000, 35_000] {
        let fitted = encode_to_size(&config, max, time(75), frames).unwrap();
        let size = bytes(&fitted.pictures) as u64;
        println!(
            "{max}: {size} in {} passes, {} left out, {:.2} dB",
            fitted.passes,
            fitted.summary.left_out,
            psnr(Size::Qcif, &fitted.pictures)
        );
        // With pictures left out, the last that is coded may leave a gap of its size.
        let least = if fitted.summary.left_out == 0 { 97 } else { 80 };
        assert!(size <= max && size * 100 >= max * least, "{size} of {max}");
        assert_eq!(fitted.summary.bytes, size);
    }
    let none = encode_to_size(&config, 100, time(75), frames);
    assert_eq!(none, Err(H263Error::Budget { max: 100 }));
}

#[test]
fn a_new_scene_starts_with_an_intra_picture() {
    let mut clip = clip(Size::Qcif, 12);
    clip.extend((0..12).map(|time| {
        let mut planes = pattern(Size::Qcif, 9, time);
        planes
            .0
            .iter_mut()
            .for_each(|sample| *sample = 255 - *sample);
        planes
    }));
    let pictures = run(
        Config::new(Size::Qcif, Level::L10, Target::Quantiser(8)),
        &clip,
    );
    let keys: Vec<usize> = (0..pictures.len())
        .filter(|i| pictures[*i].keyframe)
        .collect();
    assert_eq!(keys, [0, 12]);
}

#[test]
fn every_macroblock_is_refreshed_in_time() {
    // Noise on every frame, so that coefficients are sent for all macroblocks each time.
    let clip: Vec<Planes> = (0..140u32)
        .map(|time| {
            let mut planes = pattern(Size::SubQcif, 0, 0);
            let mut state = time;
            for sample in &mut planes.0 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *sample = sample.saturating_add((state >> 28) as u8);
            }
            planes
        })
        .collect();
    let mut config = Config::new(Size::SubQcif, Level::L30, Target::Quantiser(2));
    config.keyframe_interval = 1000;
    let pictures = run(config, &clip);
    assert_eq!(
        pictures.iter().filter(|picture| picture.keyframe).count(),
        1
    );
    // INTRA macroblocks make pictures from the hundredth on larger than the ones before.
    let mean = |range: std::ops::Range<usize>| bytes(&pictures[range.clone()]) / range.len();
    assert!(mean(100..132) > mean(60..92));
}

#[test]
fn stretches_encoded_apart_join() {
    let clip = clip(Size::Qcif, 20);
    let config = Config {
        keyframe_interval: 10,
        ..Config::new(Size::Qcif, Level::L10, Target::Quantiser(10))
    };
    let whole = run(config.clone(), &clip);
    let mut joined = Vec::new();
    for start in [0, 10] {
        let mut encoder = Encoder::new(config.clone()).unwrap();
        for (index, planes) in clip.iter().enumerate().skip(start).take(10) {
            joined.extend(
                encoder
                    .encode(&view(Size::Qcif, planes), time(index))
                    .unwrap(),
            );
        }
    }
    let data = |pictures: &[EncodedFrame]| -> Vec<Vec<u8>> {
        pictures
            .iter()
            .map(|picture| picture.data.clone())
            .collect()
    };
    assert!(data(&whole) == data(&joined));
}

#[test]
fn frames_closer_than_the_level_allows_are_left_out() {
    let clip = clip(Size::SubQcif, 30);
    for (level, interval, pictures) in [
        (Level::L10, 33_333, 15),
        (Level::L20, 33_333, 30),
        (Level::L10, 66_667, 30),
    ] {
        let config = Config::new(Size::SubQcif, level, Target::Quantiser(20));
        let mut encoder = Encoder::new(config).unwrap();
        let mut references = Vec::new();
        for (index, planes) in clip.iter().enumerate() {
            let picture = encoder.encode(&view(Size::SubQcif, planes), index as u64 * interval);
            references.extend(picture.unwrap().map(|picture| picture.temporal_reference));
        }
        assert_eq!(references.len(), pictures);
        assert_eq!(encoder.summary().left_out, 30 - pictures as u64);
        let least = if level == Level::L10 { 2 } else { 1 };
        assert!(references.windows(2).all(|pair| pair[1] - pair[0] == least));
    }
}

#[test]
fn bad_frames_are_refused_and_change_nothing() {
    let planes = pattern(Size::Qcif, 0, 0);
    let mut encoder =
        Encoder::new(Config::new(Size::Qcif, Level::L10, Target::Quantiser(9))).unwrap();
    let small = YuvFrame::packed(Size::Qcif, &planes.0[1..], &planes.1, &planes.2);
    assert!(matches!(
        encoder.encode(&small, 0),
        Err(H263Error::Frame { .. })
    ));
    assert!(
        encoder
            .encode(&view(Size::Qcif, &planes), 0)
            .unwrap()
            .is_some()
    );
    let again = encoder.encode(&view(Size::Qcif, &planes), 0);
    assert_eq!(again, Err(H263Error::Timestamp { timestamp_us: 0 }));
    let late = encoder.encode(&view(Size::Qcif, &planes), u64::MAX);
    assert!(matches!(late, Err(H263Error::Timestamp { .. })));
    assert_eq!(encoder.summary().pictures, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_frame_panics_or_drifts(
        seed in any::<u32>(),
        contrast in 0u32..=8,
        quant in 1u8..=31,
        rate in 0u64..200_000,
        gaps in prop::collection::vec(1u64..20_000_000, 4),
    ) {
        let mut state = seed;
        let mut noise = |count: usize| -> Vec<u8> {
            (0..count).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 24) << (8 - contrast) & 0xff) as u8
            }).collect()
        };
        let target = if rate < 20_000 {
            Target::Quantiser(quant)
        } else {
            Target::BitRate { bits_per_second: rate, duration_us: None }
        };
        let mut encoder = Encoder::new(Config::new(Size::SubQcif, Level::L10, target)).unwrap();
        let mut decoder = Decoder::new(128, 96);
        let mut now = 0;
        for gap in gaps {
            now += gap;
            let planes = (noise(128 * 96), noise(64 * 48), noise(64 * 48));
            match encoder.encode(&view(Size::SubQcif, &planes), now) {
                Ok(Some(picture)) => {
                    prop_assert!(picture.data.len() <= 8192);
                    let shown = decoder.decode(&picture.data);
                    prop_assert!(shown.0.samples().0 == encoder.reconstruction().y.data);
                }
                Ok(None) => {}
                Err(error) => prop_assert_eq!(error, H263Error::Budget { max: 8192 }),
            }
        }
    }
}

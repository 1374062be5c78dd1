//! The parts together: what is written is read, whatever its shape; and what is damaged.

use super::coefficients::Coefficients;
use super::counts::Counts;
use super::emit;
use super::fit::fit;
use super::header::Header;
use super::idct::Points;
use super::quantise::{Coarseness, Tables};
use super::read;
use super::search::{Choice, finest_within};
use super::*;
use crate::limits::Limits;
use crate::media::picture::{Picture, Plays};
use jpeg_encoder::SamplingFactor;

/// Soft shapes under some noise.
fn photograph(width: u32, height: u32) -> Picture {
    let mut state = 7_u32;
    let mut data = Vec::new();
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let shape = (x * x / 90 + y * y / 70) % 150 + ((x / 17) ^ (y / 11)) % 40;
            for share in [100, 80, 60] {
                let level = shape * share / 100 + (state >> 28) + share / 4;
                data.push(u8::try_from(level.min(255)).unwrap());
            }
        }
    }
    Picture::new(Dimensions::new(width, height), Layout::Rgb8, data).unwrap()
}

fn planes(width: u32, height: u32, chroma: Chroma) -> Planes {
    let picture = photograph(width, height);
    if chroma == Chroma::None {
        let grey = crate::media::image::transform::luma(&picture).unwrap();
        return of_picture(&grey, Chroma::Half);
    }
    of_picture(&picture, chroma)
}

fn file(planes: &Planes, quality: u8) -> Vec<u8> {
    let coefficients = Coefficients::of(planes);
    Choice::at(&coefficients, Coarseness::of_quality(quality)).file(&coefficients)
}

fn read_back(data: &[u8], size: Dimensions, chroma: Chroma) -> Result<read::Reading, MediaError> {
    let header = Header::read(data)?;
    read::planes(data, &header, size, chroma, &Cancel::new()).map(Option::unwrap)
}

fn furthest(a: &[u8], b: &[u8]) -> u8 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap_or(0)
}

#[test]
fn every_small_size_comes_back() {
    for chroma in [Chroma::None, Chroma::Half, Chroma::Full] {
        for width in 1..=33 {
            let height = 34 - width;
            let planes = planes(width, height, chroma);
            let data = file(&planes, 100);
            let back = read_back(&data, planes.size, chroma).unwrap();
            assert_eq!(back.warning, None);
            assert_eq!(back.planes.chroma, chroma);
            for (a, b) in [
                (&planes.y, &back.planes.y),
                (&planes.cb, &back.planes.cb),
                (&planes.cr, &back.planes.cr),
            ] {
                assert!(furthest(a, b) <= 2, "{width}x{height} {chroma:?}");
            }
        }
    }
}

#[test]
fn a_scaled_picture_looks_like_the_whole_one() {
    let planes = planes(640, 480, Chroma::Half);
    let data = file(&planes, 95);
    let whole = read_back(&data, planes.size, Chroma::Half).unwrap().planes;
    for (width, height) in [
        (240, 180),
        (160, 120),
        (100, 75),
        (80, 60),
        (41, 30),
        (17, 13),
        (1, 1),
    ] {
        let size = Dimensions::new(width, height);
        let small = read_back(&data, size, Chroma::Half).unwrap().planes;
        let expected = super::fit::resized(&whole, size);
        let apart: u64 = small
            .y
            .iter()
            .zip(&expected.y)
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        let mean = apart / u64::try_from(small.y.len()).unwrap();
        assert!(mean <= 4, "{size}: {mean}");
        assert_eq!(small.cb.len(), expected.cb.len());
    }
}

#[test]
fn sizes_are_told_to_a_fraction() {
    for chroma in [Chroma::None, Chroma::Half, Chroma::Full] {
        let coefficients = Coefficients::of(&planes(320, 240, chroma));
        for quality in [10, 40, 75, 92, 100] {
            let choice = Choice::at(&coefficients, Coarseness::of_quality(quality));
            let octets = f64::from(u32::try_from(choice.file(&coefficients).len()).unwrap());
            let told = choice.predicted.octets;
            assert!(
                (told - octets).abs() / octets < 0.003,
                "{chroma:?} {quality}: {told} {octets}"
            );
            assert!(choice.predicted.most() * 1.001 >= octets);
        }
    }
}

#[test]
fn a_part_of_the_picture_tells_about_the_whole() {
    let coefficients = Coefficients::of(&planes(320, 240, Chroma::Half));
    let tables = Tables::new(Coarseness::of_quality(75));
    let whole = Counts::of(&coefficients, &tables)
        .octets(Chroma::Half)
        .octets;
    let part = Counts::sampled(&coefficients, &tables, 4).estimate(Chroma::Half, 4.0);
    assert!((part / whole - 1.0).abs() < 0.25, "{part} {whole}");
}

#[test]
fn a_budget_is_filled_and_never_exceeded() {
    for chroma in [Chroma::None, Chroma::Half, Chroma::Full] {
        let planes = planes(320, 240, chroma);
        for budget in [1_200, 3_000, 7_000, 12_000, 20_000, 35_000] {
            let fitted = fit(&planes, 100, Some(budget), &Cancel::new()).unwrap();
            let octets = u64::try_from(fitted.bytes.len()).unwrap();
            assert!(octets <= budget, "{octets} of {budget}");
            assert!(
                octets * 100 >= budget * 97,
                "{chroma:?}: {octets} of {budget}"
            );
            assert_eq!(fitted.encodes, 1);
            assert_eq!(Header::read(&fitted.bytes).unwrap().size, fitted.size);
        }
    }
}

#[test]
fn the_size_stays_while_quality_is_good() {
    let planes = planes(320, 240, Chroma::Half);
    let at_75 = u64::try_from(file(&planes, 75).len()).unwrap();
    let whole = fit(&planes, 90, Some(at_75 + 50), &Cancel::new()).unwrap();
    assert_eq!(whole.size, planes.size);
    assert!((73..=76).contains(&whole.quality.unwrap()), "{whole:?}");
    let small = fit(&planes, 90, Some(at_75 / 3), &Cancel::new()).unwrap();
    assert!(
        small.size.width < 320 && small.quality >= Some(55),
        "{small:?}"
    );
}

#[test]
fn plenty_of_octets_give_full_colour() {
    let planes = planes(160, 120, Chroma::Full);
    let fitted = fit(&planes, 95, Some(1_000_000), &Cancel::new()).unwrap();
    let header = Header::read(&fitted.bytes).unwrap();
    assert_eq!((header.components[0].across, fitted.quality), (1, Some(95)));
    let half = fit(&planes, 80, None, &Cancel::new()).unwrap();
    assert_eq!(Header::read(&half.bytes).unwrap().components[0].across, 2);
}

#[test]
fn a_hopeless_budget_is_refused() {
    let error = fit(&planes(64, 64, Chroma::Half), 90, Some(200), &Cancel::new()).unwrap_err();
    let MediaError::TargetTooSmall { smallest } = error else {
        panic!("{error:?}")
    };
    assert!((201..2_000).contains(&smallest), "{smallest}");
    let coefficients = Coefficients::of(&planes(64, 64, Chroma::Half));
    let (fine, coarse) = (Coarseness::of_quality(90), Coarseness::of_quality(10));
    assert!(finest_within(&coefficients, 200.0, fine, coarse).is_none());
}

#[test]
fn wide_and_narrow_instructions_agree() {
    let planes = planes(200, 150, Chroma::Half);
    let run = || {
        let data = file(&planes, 85);
        let small = read_back(&data, Dimensions::new(90, 70), Chroma::Half).unwrap();
        let fitted = fit(&small.planes, 90, Some(2_000), &Cancel::new()).unwrap();
        (data, fitted.bytes)
    };
    assert!(run() == narrowly(run));
}

#[test]
fn the_head_has_the_octets_it_is_said_to_have() {
    for chroma in [Chroma::None, Chroma::Half, Chroma::Full] {
        let coefficients = Coefficients::of(&planes(8, 8, chroma));
        let counts = Counts::of(&coefficients, &Tables::new(Coarseness::of_quality(50)));
        let values: usize = counts
            .lengths(chroma)
            .iter()
            .map(|(dc, ac)| dc.values.len() + ac.values.len())
            .sum();
        let data = file(&planes(8, 8, chroma), 50);
        let header = Header::read(&data).unwrap();
        assert_eq!(header.scan + 2, emit::head_octets(chroma) + values);
    }
}

/// The same picture in one scan, and in a scan for each component.
fn together_and_apart(width: u16, height: u16, sampling: SamplingFactor) -> [Vec<u8>; 2] {
    let picture = photograph(width.into(), height.into());
    [false, true].map(|apart| {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
        encoder.set_sampling_factor(sampling);
        // Tables of its own are what it makes a scan for each component for.
        encoder.set_optimized_huffman_tables(apart);
        encoder
            .encode(picture.data(), width, height, jpeg_encoder::ColorType::Rgb)
            .unwrap();
        bytes
    })
}

#[test]
fn scans_apart_make_the_same_picture_as_one_scan() {
    use SamplingFactor::{F_1_1, F_1_2, F_2_1, F_2_2};
    for sampling in [F_1_1, F_2_1, F_1_2, F_2_2] {
        for (width, height) in [(1, 1), (17, 33), (150, 99)] {
            let [together, apart] = together_and_apart(width, height, sampling);
            assert!(Header::read(&apart).unwrap().apart);
            let size = Dimensions::new(width.into(), height.into());
            for points in [Points::One, Points::Two, Points::Four, Points::Eight] {
                for chroma in [Chroma::Half, Chroma::Full] {
                    let size = read::scaled(size, points);
                    let [one, each] =
                        [&together, &apart].map(|data| read_back(data, size, chroma).unwrap());
                    assert_eq!(each.warning, None);
                    assert!(one.planes == each.planes, "{sampling:?} {size} {chroma:?}");
                }
            }
        }
    }
}

#[test]
fn of_scans_apart_what_is_missing_is_grey() {
    let [_, data] = together_and_apart(160, 120, SamplingFactor::F_2_2);
    let size = Dimensions::new(160, 120);
    let whole = read_back(&data, size, Chroma::Half).unwrap().planes;
    let starts: Vec<usize> = data
        .windows(2)
        .enumerate()
        .filter_map(|(at, marker)| (marker == [0xFF, 0xDA]).then_some(at))
        .collect();
    // Luma is two thirds of the blocks.
    let [_, cb, cr] = *starts.as_slice() else {
        panic!("{starts:?}")
    };
    let luma = read_back(&data[..cb], size, Chroma::Half).unwrap();
    assert_eq!(luma.planes.y, whole.y);
    assert!(luma.planes.cb.iter().all(|&level| level == 128));
    assert!(luma.warning.unwrap().contains("160 of 460 units are lost"));
    let red = read_back(&data[..cr], size, Chroma::Half).unwrap();
    assert_eq!(red.planes.cb, whole.cb);
    assert!(red.planes.cr.iter().all(|&level| level == 128));
    assert!(read_back(&data[..cb / 4], size, Chroma::Half).is_err());
}

#[test]
fn what_is_kept_for_a_size_serves_all_smaller_ones() {
    let data = Bytes::from(file(&planes(320, 200, Chroma::Half), 90));
    let mut stream = JpegDecoder.open(&data, &options(None)).unwrap();
    let kept = Dimensions::new(120, 75);
    assert!(stream.reduce(kept, Chroma::Half, 1_000).unwrap().is_none());
    let low = stream.reduce(kept, Chroma::Half, 1 << 20).unwrap().unwrap();
    // Luma and colour at 4 points, two octets each.
    let units = 20 * 13;
    assert_eq!(low.octets(), units * (4 * 16 + 2 * 16) * 2);
    for width in [120, 60, 20, 3] {
        let size = Dimensions::new(width, width * 5 / 8);
        let alone = read_back(&data, size, Chroma::Half).unwrap().planes;
        let again = low.planes(size, Chroma::Half, &Cancel::new()).unwrap();
        assert!(Some(alone) == again, "{width}");
    }
    let larger = low.planes(Dimensions::new(300, 187), Chroma::Half, &Cancel::new());
    assert!(larger.unwrap().is_none());
}

#[test]
fn what_is_kept_of_a_damaged_picture_is_what_is_read_of_it() {
    let mut data = with_restarts(320, 240);
    let middle = data.len() / 2;
    data[middle..middle + 40].fill(0xAA);
    let data = Bytes::from(data);
    let mut stream = JpegDecoder.open(&data, &options(None)).unwrap();
    let size = Dimensions::new(50, 37);
    let low = stream.reduce(size, Chroma::Full, 1 << 20).unwrap().unwrap();
    let alone = read_back(&data, size, Chroma::Full).unwrap();
    assert_eq!(low.warnings().first(), alone.warning.as_ref());
    let again = low.planes(size, Chroma::Full, &Cancel::new()).unwrap();
    assert!(again == Some(alone.planes));
}

/// A picture of another encoder, with a restart marker after each row of units.
fn with_restarts(width: u16, height: u16) -> Vec<u8> {
    let picture = photograph(width.into(), height.into());
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.set_restart_interval(width.div_ceil(16));
    encoder
        .encode(picture.data(), width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    bytes
}

#[test]
fn damage_between_restarts_stays_there() {
    let mut data = with_restarts(320, 240);
    let size = Dimensions::new(320, 240);
    let whole = read_back(&data, size, Chroma::Half).unwrap();
    assert_eq!(whole.warning, None);
    let markers: Vec<usize> = (0..data.len() - 1)
        .filter(|&at| data[at] == 0xFF && (0xD0..=0xD7).contains(&data[at + 1]))
        .collect();
    // Ones are no code of any table.
    let (from, to) = (markers[3] + 2, markers[4]);
    for octet in data[from..to].chunks_exact_mut(2) {
        octet.copy_from_slice(&[0xFF, 0]);
    }
    let hurt = read_back(&data, size, Chroma::Half).unwrap();
    assert!(hurt.warning.unwrap().contains("are lost and grey"));
    let row =
        |planes: &Planes, unit: usize| planes.y[unit * 16 * 320..(unit + 1) * 16 * 320].to_vec();
    for unit in (0..15).filter(|&unit| unit != 4) {
        assert_eq!(
            row(&hurt.planes, unit),
            row(&whole.planes, unit),
            "row {unit}"
        );
    }
}

#[test]
fn a_cut_picture_is_shown_when_half_is_there() {
    let data = file(&planes(320, 240, Chroma::Half), 90);
    let size = Dimensions::new(160, 120);
    let most = read_back(&data[..data.len() * 3 / 4], size, Chroma::Half).unwrap();
    assert!(most.warning.unwrap().starts_with("damaged at octet"));
    assert_eq!(most.planes.y.last(), Some(&128));
    match read_back(&data[..data.len() / 4], size, Chroma::Half) {
        Err(MediaError::Malformed { offset, .. }) => {
            assert!(offset.unwrap().abs_diff(data.len() / 4) < 16, "{offset:?}");
        }
        other => panic!("{:?}", other.map(|reading| reading.warning)),
    }
}

fn options(at_least: Option<Dimensions>) -> DecodeOptions {
    DecodeOptions {
        format: Format::Jpeg,
        animation: false,
        at_least,
        limits: Limits::default(),
        cancel: Cancel::new(),
    }
}

#[test]
fn the_decoder_delivers_the_smallest_size_that_will_do() {
    let data = Bytes::from(file(&planes(321, 240, Chroma::Half), 90));
    for (least, expected) in [
        (None, (321, 240)),
        (Some((200, 100)), (321, 240)),
        (Some((161, 100)), (161, 120)),
        (Some((41, 30)), (41, 30)),
        (Some((1, 1)), (41, 30)),
    ] {
        let least = least.map(|(width, height)| Dimensions::new(width, height));
        let mut stream = JpegDecoder.open(&data, &options(least)).unwrap();
        let frame = stream.next_frame().unwrap().unwrap();
        assert_eq!(
            frame.picture.size(),
            Dimensions::new(expected.0, expected.1)
        );
        assert!(stream.next_frame().unwrap().is_none());
    }
}

#[test]
fn a_cancelled_decode_stops() {
    let data = file(&planes(64, 64, Chroma::Half), 90);
    let header = Header::read(&data).unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    let stopped = read::planes(&data, &header, header.size, Chroma::Half, &cancel);
    assert_eq!(stopped.err(), Some(MediaError::Cancelled));
}

#[test]
fn the_encoder_writes_frames_of_any_layout() {
    let settings = ImageSettings {
        quality: 80,
        colours: None,
        dither: false,
        plays: Plays::Times(1),
        max_bytes: None,
    };
    for layout in [Layout::Grey8, Layout::Rgb8, Layout::Rgba8] {
        let size = Dimensions::new(19, 7);
        let data = vec![90; 19 * 7 * layout.channels()];
        let frame = Frame {
            picture: Picture::new(size, layout, data).unwrap(),
            delay_ms: 0,
        };
        let bytes = JpegEncoder
            .encode(&[frame], &settings, &Cancel::new())
            .unwrap();
        let header = frame_header(&bytes).unwrap();
        assert_eq!((header.size, header.coefficient_bytes), (size, 0));
    }
    assert!(JpegEncoder.encode(&[], &settings, &Cancel::new()).is_err());
}

#[test]
fn hostile_files_end_in_time() {
    let mut data = file(&planes(48, 40, Chroma::Half), 80);
    let mut state = 1_u32;
    let whole = data.clone();
    for _ in 0..2_000 {
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = usize::try_from(state >> 8).unwrap() % data.len();
            data[at] = u8::try_from(state & 0xFF).unwrap();
        }
        let Ok(header) = Header::read(&data) else {
            data.clone_from(&whole);
            continue;
        };
        if header.size.width <= 4_000 && header.size.height <= 4_000 {
            let size = Dimensions::new(10, 10);
            let _ = read::planes(&data, &header, size, Chroma::Full, &Cancel::new());
        }
        if state.is_multiple_of(5) {
            data.clone_from(&whole);
        }
    }
}

/// Colour at its full resolution costs a quarter of the work: it is not to be asked for in vain.
#[test]
fn colour_is_asked_for_at_the_resolution_that_may_be_written() {
    let full = planes(160, 120, Chroma::Full);
    for quality in [70, 85, 87, 88, 90, 94, 95, 100] {
        for budget in [None, Some(1_000_000)] {
            let file = fit(&full, quality, budget, &Cancel::new()).unwrap().bytes;
            let luma = Header::read(&file).unwrap().components[0].across;
            let written = if luma == 2 {
                Chroma::Half
            } else {
                Chroma::Full
            };
            assert_eq!(chroma_for(quality, budget.is_some()), written, "{quality}");
        }
    }
}

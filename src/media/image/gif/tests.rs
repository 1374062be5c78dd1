//! The coder, the frames and the search, judged by the `gif` crate's decoder.

use bytes::Bytes;

use super::delta::{Area, Canvas, cleared, packed};
use super::fit::fit;
use super::lzw::{Choice, Coder, Near, Wish};
use super::write::{Disposal, Image, Writer};
use super::{GifDecoder, GifEncoder};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::MediaError;
use crate::media::cancel::Cancel;
use crate::media::codec::{DecodeOptions, Fitted, Fitting, ImageEncoder, ImageSettings};
use crate::media::guard::open_image;
use crate::media::info::Format;
use crate::media::picture::{Frame, Layout, Picture, Plays};

const EXACT: Choice<'_> = Choice {
    hole: None,
    near: None,
};

fn noise(seed: u32) -> impl FnMut() -> u8 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    }
}

fn read(file: &[u8]) -> Vec<Frame> {
    let options = DecodeOptions {
        format: Format::Gif,
        animation: true,
        at_least: None,
        limits: Limits::default(),
        cancel: Cancel::new(),
    };
    let mut image = open_image(&GifDecoder, &Bytes::copy_from_slice(file), &options).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = image.next_frame().unwrap() {
        frames.push(frame);
    }
    assert!(image.warnings().is_empty(), "{:?}", image.warnings());
    frames
}

/// The symbols that a decoder reads from codes, told from grey levels of a palette.
fn symbols(codes: &[u8], bits: u32, pixels: usize) -> Vec<u8> {
    let colours: Vec<[u8; 3]> = (0..1_u16 << bits)
        .map(|grey| [u8::try_from(grey).unwrap(); 3])
        .collect();
    let (width, height) = if pixels.is_multiple_of(1_000) {
        (1_000, pixels / 1_000)
    } else {
        (pixels, 1)
    };
    let sides = (
        u16::try_from(width).unwrap(),
        u16::try_from(height).unwrap(),
    );
    let mut writer = Writer::new(sides, &colours, false, Plays::Times(1));
    writer.push(&Image {
        area: Area::whole(width, height),
        delay: 0,
        disposal: Disposal::Keep,
        hole: None,
        bits,
        codes,
    });
    let frames = read(&writer.finish());
    frames[0].picture.pixels().map(|pixel| pixel[0]).collect()
}

#[test]
fn strings_come_back_at_every_width_and_across_clears() {
    let mut coder = Coder::new();
    for bits in 2..=8 {
        for pixels in [1, 2, 3, 7, 300, 9_000, 60_000] {
            let mut random = noise(bits);
            // Runs, and stretches without any pattern, which fill the dictionary.
            let mask = u8::try_from((1_u32 << bits) - 1).unwrap();
            let indices: Vec<u8> = (0..pixels)
                .map(|at| {
                    if at / 5_000 % 2 == 0 {
                        random() & mask
                    } else {
                        1
                    }
                })
                .collect();
            let wishes: Vec<Wish> = indices.iter().map(|&index| Wish::colour(index)).collect();
            let codes = coder.encode(&wishes, bits, EXACT);
            assert_eq!(symbols(&codes, bits, pixels), indices, "{bits} {pixels}");
            let octets = u64::try_from(codes.len()).unwrap();
            assert_eq!(coder.measure(&wishes, bits, EXACT), octets);
            assert_eq!(coder.written(), indices);
        }
    }
}

#[test]
fn one_colour_takes_ever_longer_strings() {
    let wishes = vec![Wish::colour(3); 65_000];
    let codes = Coder::new().encode(&wishes, 2, EXACT);
    assert!(codes.len() < 600, "{}", codes.len());
    assert_eq!(symbols(&codes, 2, 65_000), vec![3; 65_000]);
}

#[test]
fn free_pixels_take_what_is_shorter() {
    let mut random = noise(9);
    let wishes: Vec<Wish> = (0..4_000)
        .map(|at| match at % 4 {
            0 => Wish::colour(random() & 3),
            _ => Wish::free(random() & 7),
        })
        .collect();
    let choice = Choice {
        hole: Some(7),
        near: None,
    };
    let mut coder = Coder::new();
    let free = coder.encode(&wishes, 3, choice);
    assert_eq!(symbols(&free, 3, 4_000), coder.written());
    let exact = coder.measure(&wishes, 3, EXACT);
    assert!(u64::try_from(free.len()).unwrap() * 2 < exact);
}

#[test]
fn substitutes_stay_within_the_tolerance() {
    let colours: Vec<[u8; 3]> = (0..64_u8).map(|level| [level * 4; 3]).collect();
    let near = Near::new(&colours, None, 100);
    let choice = Choice {
        hole: None,
        near: Some(&near),
    };
    let mut random = noise(5);
    let indices: Vec<u8> = (0..20_000).map(|_| 20 + random() % 8).collect();
    let wishes: Vec<Wish> = indices.iter().map(|&index| Wish::colour(index)).collect();
    let mut coder = Coder::new();
    let codes = coder.encode(&wishes, 6, choice);
    let written = symbols(&codes, 6, 20_000);
    assert_eq!(written, coder.written());
    // Two levels of four are eight, and squared 64; three would be 144.
    assert!(
        indices
            .iter()
            .zip(&written)
            .all(|(a, b)| a.abs_diff(*b) <= 2)
    );
    let exact = coder.measure(&wishes, 6, EXACT);
    assert!(u64::try_from(codes.len()).unwrap() * 4 < exact * 3);
}

#[test]
fn only_what_changed_is_drawn() {
    let colours = packed(&[[0; 3], [100; 3], [104; 3], [9, 9, 9]], Some(3));
    let mut canvas = Canvas::new(4, 3);
    canvas.show(&[0; 12], &colours);
    let next = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0];
    let area = canvas.changed(&next, &colours, 0).unwrap();
    let expected = Area {
        left: 1,
        top: 1,
        width: 2,
        height: 2,
    };
    assert_eq!(area, expected);
    let mut wishes = Vec::new();
    canvas.wishes(area, &next, &colours, 0, &mut wishes);
    let (one, two) = (Wish::colour(1), Wish::colour(2));
    assert_eq!(wishes, [one, Wish::free(0), Wish::free(0), two]);
    canvas.draw(area, &[1, 3, 3, 2], &colours);
    assert_eq!(canvas.changed(&next, &colours, 0), None);
    let nearly = [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0];
    assert_eq!(canvas.changed(&nearly, &colours, 16), None);
    assert!(canvas.changed(&nearly, &colours, 15).is_some());
    assert_eq!(
        cleared(4, &next, &[3; 12], Some(3)),
        Some(Area::whole(4, 3))
    );
    assert_eq!(cleared(4, &next, &next, Some(3)), None);
}

fn frame(side: u32, delay_ms: u32, mut colour: impl FnMut(u32, u32) -> [u8; 4]) -> Frame {
    let data = (0..side * side).flat_map(|at| colour(at % side, at / side));
    let data: Vec<u8> = data.collect();
    Frame {
        picture: Picture::new(Dimensions::new(side, side), Layout::Rgba8, data).unwrap(),
        delay_ms,
    }
}

/// A square that wanders over a gradient, in frames of 45 milliseconds.
fn clip(side: u32, frames: u32) -> Vec<Frame> {
    let level = |value: u32| u8::try_from(value % 256).unwrap();
    (0..frames)
        .map(|at| {
            let mut grain = noise(at);
            frame(side, 45, |x, y| {
                if x.abs_diff(at * 3 % side) < 8 && y.abs_diff(side / 2) < 8 {
                    return [250, 20, level(x * 9), 255];
                }
                let grain = u32::from(grain() % 3);
                [
                    level(x * 2 + grain),
                    level(y * 2 + grain),
                    level(x + y),
                    255,
                ]
            })
        })
        .collect()
}

fn fitted(frames: &[Frame], max_bytes: u64) -> Result<Fitted, MediaError> {
    let fitting = Fitting {
        size: frames[0].picture.size(),
        max_bytes,
        colours: None,
        plays: Plays::Forever,
    };
    fit(frames, &fitting, &Cancel::new())
}

#[test]
fn what_is_written_without_a_bound_is_exact() {
    let settings = ImageSettings {
        quality: 80,
        colours: None,
        dither: false,
        plays: Plays::Times(3),
        max_bytes: None,
    };
    // A spot that moves and leaves a hole behind, so that the canvas has to be cleared.
    let spot = |at: u32| {
        frame(20, 70, move |x, y| {
            if x.abs_diff(at) < 4 && y.abs_diff(10) < 4 {
                [200, 10, 10, 255]
            } else {
                [0, 0, 0, 0]
            }
        })
    };
    let frames = [
        spot(3),
        spot(9),
        spot(9),
        spot(15),
        frame(20, 30, |_, _| [1, 2, 3, 255]),
    ];
    let file = GifEncoder
        .encode(&frames, &settings, &Cancel::new())
        .unwrap();
    let again = read(&file);
    assert_eq!(again.len(), 5);
    for (one, other) in frames.iter().zip(&again) {
        let shown = |frame: &Frame| -> Vec<Vec<u8>> {
            let seen = |pixel: &[u8]| {
                if pixel[3] == 0 {
                    vec![0; 4]
                } else {
                    pixel.to_vec()
                }
            };
            frame.picture.pixels().map(seen).collect()
        };
        assert_eq!((shown(one), one.delay_ms), (shown(other), other.delay_ms));
    }
    assert!(
        file.windows(5).any(|block| block == [3, 1, 2, 0, 0]),
        "plays"
    );
}

#[test]
fn every_budget_is_kept_and_the_length_with_it() {
    let frames = clip(96, 24);
    let mut sides = Vec::new();
    for budget in [400_000, 120_000, 60_000, 25_000, 8_000, 2_500, 900] {
        let fitted = fitted(&frames, budget).unwrap();
        let octets = u64::try_from(fitted.bytes.len()).unwrap();
        assert!(octets <= budget, "{octets} of {budget}");
        let again = read(&fitted.bytes);
        assert_eq!(again.len(), fitted.frames);
        assert_eq!(again[0].picture.size(), fitted.size);
        let length: u32 = again.iter().map(|frame| frame.delay_ms).sum();
        assert_eq!(length, 24 * 45, "{budget}");
        assert!(fitted.encodes <= 16, "{budget}: {} encodes", fitted.encodes);
        sides.push(fitted.size.width);
    }
    assert_eq!(sides[0], 96);
    assert!(sides.is_sorted_by(|a, b| a >= b), "{sides:?}");
    assert!(sides[6] >= 16);
}

#[test]
fn an_impossible_budget_names_the_smallest() {
    let error = fitted(&clip(64, 6), 40).unwrap_err();
    let MediaError::TargetTooSmall { smallest } = error else {
        panic!("{error:?}")
    };
    assert!((41..2_000).contains(&smallest), "{smallest}");
}

#[test]
fn a_drawing_a_little_too_large_keeps_its_size() {
    let frames: Vec<Frame> = (0..30)
        .map(|at| {
            frame(80, 40, move |x, y| {
                let on = (x * 7 + y * 13 + at * 31) % 29 < 5;
                if on {
                    [0, 0, 0, 255]
                } else {
                    [255, 255, 255, 255]
                }
            })
        })
        .collect();
    let whole = fitted(&frames, 1_000_000).unwrap();
    assert_eq!(whole.frames, 30);
    let budget = u64::try_from(whole.bytes.len()).unwrap() * 9 / 10;
    let smaller = fitted(&frames, budget).unwrap();
    assert_eq!(smaller.size, Dimensions::new(80, 80));
    assert!((20..30).contains(&smaller.frames), "{}", smaller.frames);
}

#[test]
fn fitting_stops_when_it_is_cancelled() {
    let cancel = Cancel::new();
    cancel.cancel();
    let fitting = Fitting {
        size: Dimensions::new(32, 32),
        max_bytes: 1_000,
        colours: None,
        plays: Plays::Forever,
    };
    let frames = clip(32, 3);
    assert_eq!(fit(&frames, &fitting, &cancel), Err(MediaError::Cancelled));
}

//! Progressive pictures are, at every size, what the same coefficients in one scan are.

use super::*;
use crate::dimensions::Dimensions;
use crate::media::codec::{DecodeOptions, ImageDecoder};
use crate::media::image::jpeg::{JpegDecoder, read};
use crate::media::picture::{Chroma, Planes};
use crate::{Limits, media};

// Of 75x53 pixels, made by cjpeg of a picture of ours and from there by `jpegtran -progressive`:
// ten scans with the lowest bits apart. The first pair has 4:2:0 and restart markers.
const HALVED: &[u8] = include_bytes!("../fixtures/halved.jpg");
const HALVED_PROGRESSIVE: &[u8] = include_bytes!("../fixtures/halved-progressive.jpg");
const WHOLE: &[u8] = include_bytes!("../fixtures/whole.jpg");
const WHOLE_PROGRESSIVE: &[u8] = include_bytes!("../fixtures/whole-progressive.jpg");

const SIZE: Dimensions = Dimensions::new(75, 53);

fn read_back(data: &[u8], size: Dimensions, chroma: Chroma) -> Result<read::Reading, MediaError> {
    let header = Header::read(data)?;
    read::planes(data, &header, size, chroma, &Cancel::new()).map(Option::unwrap)
}

fn planes(data: &[u8]) -> Planes {
    read_back(data, SIZE, Chroma::Full).unwrap().planes
}

/// Where each scan header begins.
fn scans(data: &[u8]) -> Vec<usize> {
    let markers = data.windows(2).enumerate();
    markers
        .filter_map(|(at, marker)| (marker == [0xFF, 0xDA]).then_some(at))
        .collect()
}

#[test]
fn every_size_is_that_of_the_same_picture_in_one_scan() {
    for (one, many) in [(HALVED, HALVED_PROGRESSIVE), (WHOLE, WHOLE_PROGRESSIVE)] {
        assert_eq!((scans(one).len(), scans(many).len()), (1, 10));
        let sizes = [
            (75, 53),
            (74, 52),
            (38, 27),
            (30, 21),
            (19, 14),
            (10, 7),
            (3, 2),
        ];
        for (width, height) in sizes {
            for chroma in [Chroma::Half, Chroma::Full] {
                let size = Dimensions::new(width, height);
                let [one, many] = [one, many].map(|data| read_back(data, size, chroma).unwrap());
                assert_eq!(many.warning, None);
                assert!(one.planes == many.planes, "{size} {chroma:?}");
            }
        }
    }
}

#[test]
fn the_decoder_keeps_coefficients_for_smaller_sizes() {
    let data = bytes::Bytes::from_static(HALVED_PROGRESSIVE);
    let options = DecodeOptions {
        format: media::Format::Jpeg,
        animation: false,
        at_least: None,
        limits: Limits::default(),
        cancel: Cancel::new(),
    };
    let mut stream = JpegDecoder.open(&data, &options).unwrap();
    let half = Dimensions::new(38, 27);
    let low = stream.reduce(half, Chroma::Half, 1 << 20).unwrap().unwrap();
    for size in [half, Dimensions::new(19, 14), Dimensions::new(10, 7)] {
        let alone = read_back(HALVED, size, Chroma::Half).unwrap().planes;
        let again = low.planes(size, Chroma::Half, &Cancel::new()).unwrap();
        assert!(Some(alone) == again, "{size}");
    }
    let frame = stream.next_frame().unwrap().unwrap();
    assert_eq!(frame.picture.size(), SIZE);
}

#[test]
fn only_scans_that_are_needed_are_read() {
    let header = Header::read(WHOLE_PROGRESSIVE).unwrap();
    let parts = parts(WHOLE_PROGRESSIVE, &header, &mut Health::default()).unwrap();
    let wanted = |points| {
        let mut picture = Progressive::new(&header, &[points, Points::One, Points::One]);
        picture.wanted(&parts)
    };
    // DC first and last; of luma 1 to 5, 6 to 63 and two more bits of all.
    let of_luma = |index: usize| [1, 4, 5, 9].contains(&index);
    let of_means = |index: usize| [0, 6].contains(&index);
    for (index, (few, many)) in wanted(Points::One)
        .into_iter()
        .zip(wanted(Points::Two))
        .enumerate()
    {
        assert_eq!(few, of_means(index), "scan {index}");
        assert_eq!(many, of_means(index) || of_luma(index), "scan {index}");
    }
}

#[test]
fn scans_of_detail_that_are_wrong_do_no_harm_to_a_thumbnail() {
    let mut data = WHOLE_PROGRESSIVE.to_vec();
    let second = scans(&data)[1];
    data[second + 10..second + 60].fill(0xAA);
    let thumbnail = Dimensions::new(10, 7);
    let hurt = read_back(&data, thumbnail, Chroma::Full).unwrap();
    let sound = read_back(WHOLE, thumbnail, Chroma::Full).unwrap();
    assert_eq!(hurt.warning, None);
    assert!(hurt.planes == sound.planes);
}

#[test]
fn a_picture_cut_after_its_first_scan_is_shown() {
    let whole = planes(WHOLE);
    let scans = scans(WHOLE_PROGRESSIVE);
    let mut before = u64::MAX;
    for cut in [scans[1], scans[1] + 40, scans[5], scans[8], scans[9] + 90] {
        let shown = read_back(&WHOLE_PROGRESSIVE[..cut], SIZE, Chroma::Full).unwrap();
        let apart = whole.y.iter().zip(&shown.planes.y);
        let apart: u64 = apart.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(apart < before, "the more data the nearer: {apart} {before}");
        before = apart;
    }
    let cut = &WHOLE_PROGRESSIVE[..scans[9] + 90];
    let warning = read_back(cut, SIZE, Chroma::Full).unwrap().warning.unwrap();
    assert!(warning.ends_with("some detail is lost"), "{warning}");
    let first = &WHOLE_PROGRESSIVE[..scans[0] + 60];
    let error = read_back(first, SIZE, Chroma::Full).err().unwrap();
    assert!(
        error.to_string().contains("within the first scan"),
        "{error}"
    );
}

#[test]
fn damage_between_restarts_of_the_first_scan_stays_there() {
    let mut data = HALVED_PROGRESSIVE.to_vec();
    let first = scans(&data)[0];
    let restarts: Vec<usize> = (first..scans(&data)[1])
        .filter(|&at| data[at] == 0xFF && (0xD0..=0xD7).contains(&data[at + 1]))
        .collect();
    // Ones are no code of any table.
    data[restarts[1] + 2..restarts[2]].fill(0xFF);
    let hurt = read_back(&data, SIZE, Chroma::Half).unwrap();
    assert!(hurt.warning.unwrap().contains("lost and grey"));
    let sound = read_back(HALVED, SIZE, Chroma::Half).unwrap().planes;
    // The first four units of the first row come before.
    let row = |planes: &Planes, y: usize| planes.y[y * 75..y * 75 + 48].to_vec();
    assert_eq!(row(&hurt.planes, 0), row(&sound, 0));
}

#[test]
fn more_scans_than_the_limit_are_refused() {
    let mut header = Header::read(WHOLE_PROGRESSIVE).unwrap();
    header.scans = 9;
    let points = [Points::One; 3];
    let outcome = super::read(WHOLE_PROGRESSIVE, &header, &points, &Cancel::new());
    assert!(matches!(
        outcome.err(),
        Some(MediaError::Limit {
            what: "jpeg_scans",
            limit: 9
        })
    ));
}

#[test]
fn scans_out_of_order_are_passed_over() {
    let header = Header::read(WHOLE_PROGRESSIVE).unwrap();
    let mut picture = Progressive::new(&header, &[Points::Eight; 3]);
    let mut parts = parts(WHOLE_PROGRESSIVE, &header, &mut Health::default()).unwrap();
    // The second bits of luma before the first, and once more at the end.
    parts.swap(1, 5);
    let band = parts[1].band;
    assert_eq!((band.first, band.last, band.high, band.low), (1, 63, 2, 1));
    let wanted = picture.wanted(&parts);
    assert_eq!(wanted[..2], [true, false]);
    parts[2].band = Band {
        first: 1,
        last: 64,
        high: 0,
        low: 0,
    };
    assert!(!Progressive::new(&header, &[Points::Eight; 3]).wanted(&parts)[2]);
}

#[test]
fn a_table_that_is_missing_is_told() {
    let mut data = WHOLE_PROGRESSIVE.to_vec();
    let first = scans(&data)[0];
    // The third table of DC coefficients is nowhere declared.
    data[first + 6] = 0x20;
    let error = read_back(&data, SIZE, Chroma::Full).err().unwrap();
    assert!(
        error.to_string().contains("without its Huffman table"),
        "{error}"
    );
}

#[test]
fn hostile_scans_end_in_time() {
    let mut state = 1_u32;
    for whole in [HALVED_PROGRESSIVE, WHOLE_PROGRESSIVE] {
        let mut data = whole.to_vec();
        for round in 0..600 {
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = usize::try_from(state >> 8).unwrap() % data.len();
                data[at] = u8::try_from(state & 0xFF).unwrap();
            }
            if let Ok(header) = Header::read(&data)
                && header.size.width <= 4_000
                && header.size.height <= 4_000
            {
                let size = Dimensions::new(1 + round % 75, 1 + round % 53);
                let _ = read::planes(&data, &header, size, Chroma::Full, &Cancel::new());
            }
            if round % 4 == 0 {
                data.clear();
                data.extend_from_slice(whole);
            }
        }
    }
}

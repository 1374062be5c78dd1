//! Pictures made by `heif-enc` and `avifenc` out of a gradient of ours, and files that lie.

use super::*;
use crate::media::cancel::Cancel;
use crate::media::container::isobmff::Items;
use crate::media::guard::open_image;

/// 96x64: red rises to the right, green downwards. `heif-enc -q 60` of libheif 1.15.1.
const HEIC: &[u8] = include_bytes!("fixtures/gradient.heic");
/// The same by `avifenc --min 20 --max 30 -s 8` of libavif 0.11.1.
const AVIF: &[u8] = include_bytes!("fixtures/gradient.avif");
/// Twice beside each other: `avifenc --grid 2x1`.
const GRID: &[u8] = include_bytes!("fixtures/grid.avif");
/// Ten bits: `avifenc -d 10`.
const DEEP: &[u8] = include_bytes!("fixtures/deep.avif");
/// Turned: `avifenc --irot 1`.
const TURNED: &[u8] = include_bytes!("fixtures/turned.avif");

fn read(door: &Heif, data: &[u8], limits: Limits) -> Result<(ImageHeader, Picture), MediaError> {
    let options = DecodeOptions {
        format: door.format,
        animation: false,
        at_least: None,
        limits,
        cancel: Cancel::new(),
    };
    let mut image = open_image(door, &Bytes::copy_from_slice(data), &options)?;
    let header = image.header().clone();
    let frame = image.next_frame()?.unwrap();
    assert_eq!(image.next_frame(), Ok(None));
    Ok((header, frame.picture))
}

/// The mean difference of red and green from the gradient that was coded, repeated every 96 pixels.
fn apart(picture: &Picture) -> u32 {
    let mut sum = 0;
    let width = picture.size().width;
    for (pixel, at) in picture.pixels().zip(0_u32..) {
        let (x, y) = (at % width % 96, at / width);
        let wanted = [x * 255 / 95, y * 255 / 63].map(|level| u8::try_from(level).unwrap());
        sum += u32::from(pixel[0].abs_diff(wanted[0])) + u32::from(pixel[1].abs_diff(wanted[1]));
    }
    sum / (2 * width * picture.size().height)
}

#[test]
fn stills_come_out_as_they_went_in() {
    for (door, data) in [
        (Heif::heic(), HEIC),
        (Heif::avif(), AVIF),
        (Heif::avif(), DEEP),
    ] {
        let (header, picture) = read(&door, data, Limits::default()).unwrap();
        assert_eq!(header.size, Dimensions::new(96, 64));
        assert_eq!(
            (picture.size(), picture.layout()),
            (header.size, Layout::Rgb8)
        );
        assert!(
            apart(&picture) < 8,
            "{:?}: {}",
            door.format,
            apart(&picture)
        );
    }
}

#[test]
fn tiles_lie_beside_each_other() {
    let (header, picture) = read(&Heif::avif(), GRID, Limits::default()).unwrap();
    assert_eq!(header.size, Dimensions::new(192, 64));
    assert!(apart(&picture) < 8, "{}", apart(&picture));
}

#[test]
fn a_turn_is_told() {
    let (header, picture) = read(&Heif::avif(), TURNED, Limits::default()).unwrap();
    assert_eq!(header.orientation, 8);
    assert_eq!(picture.size(), Dimensions::new(96, 64));
}

#[test]
fn what_is_too_large_is_refused_from_the_header() {
    let small = Limits {
        pixels: 96 * 64 - 1,
        ..Limits::default()
    };
    let what = "pixels";
    let limit = small.pixels;
    for (door, data) in [(Heif::heic(), HEIC), (Heif::avif(), GRID)] {
        let refused = read(&door, data, small.clone());
        assert_eq!(refused.unwrap_err(), MediaError::Limit { what, limit });
    }
}

#[test]
fn a_stream_larger_than_its_item_is_refused() {
    // The item claims sixteen by sixteen; the stream in it is larger by more than its blocks.
    let mut data = HEIC.to_vec();
    let at = data.windows(4).position(|kind| kind == b"ispe").unwrap();
    data[at + 8..at + 16].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    let picture = read(&Heif::heic(), &data, Limits::default());
    // Within the blocks it is cut to what the item claims.
    assert_eq!(picture.unwrap().1.size(), Dimensions::new(1, 1));
}

#[test]
fn cut_and_changed_files_never_panic() {
    for (door, data) in [(Heif::heic(), HEIC), (Heif::heic(), GRID)] {
        for end in (0..data.len()).step_by(7) {
            assert!(read(&door, &data[..end], Limits::default()).is_err());
        }
    }
    for at in 0..HEIC.len() {
        let mut data = HEIC.to_vec();
        data[at] ^= 0xFF;
        if let Err(MediaError::CodecPanicked { codec }) =
            read(&Heif::heic(), &data, Limits::default())
        {
            panic!("{codec} at octet {at}");
        }
    }
}

#[test]
fn grids_that_lie_are_refused() {
    let data = Bytes::from_static(GRID);
    let items = Items::read(&data, &Limits::default()).unwrap();
    let shape = items.data(items.get(items.primary).unwrap()).unwrap();
    assert_eq!(grid(&shape), Some((1, 2, Dimensions::new(192, 64))));
    let at = data
        .windows(shape.len())
        .position(|window| window == shape)
        .unwrap();
    for (octet, value) in [(2, 255), (3, 0), (3, 255), (4, 9), (7, 1)] {
        let mut data = GRID.to_vec();
        data[at + octet] = value;
        let error = read(&Heif::avif(), &data, Limits::default()).unwrap_err();
        assert!(
            matches!(error, MediaError::Malformed { .. }),
            "{octet}: {error}"
        );
    }
    assert_eq!(grid(&[0, 0, 1]), None);
    assert_eq!(
        grid(&[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 9]),
        Some((1, 1, Dimensions::new(65_536, 9)))
    );
}

#[test]
fn crops_are_held_against_the_picture() {
    let whole = Dimensions::new(96, 64);
    let cropped = |fractions| {
        let mut item = Item::default();
        item.properties = vec![Property::Crop(fractions)];
        crop(&item, whole)
    };
    let part = cropped([(40, 1), (128, 4), (-8, 2), (0, 1)]);
    assert_eq!((part.left, part.top), (24, 16));
    assert_eq!(part.size, Dimensions::new(40, 32));
    for nonsense in [(97, 1), (0, 1), (5, 0), (-4, 1)] {
        assert_eq!(cropped([nonsense, (9, 1), (0, 1), (0, 1)]).size, whole);
    }
    assert_eq!(cropped([(40, 1), (9, 1), (29, 1), (0, 1)]).size, whole);
}

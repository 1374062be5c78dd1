//! Pictures, each format through the guard.

use bytes::Bytes;
use remold::media::image::{ImageTarget, Shared, Source};
use remold::media::{Cancel, Format, MediaError, Registry, guard};
use remold::{Dimensions, Limits};

pub fn image_jpeg(data: &[u8]) {
    picture(data, Format::Jpeg);
    shared(data, Format::Jpeg);
}

pub fn image_png(data: &[u8]) {
    picture(data, Format::Png);
}

pub fn image_gif(data: &[u8]) {
    picture(data, Format::Gif);
}

pub fn image_webp(data: &[u8]) {
    picture(data, Format::Webp);
}

pub fn image_bmp(data: &[u8]) {
    picture(data, Format::Bmp);
}

pub fn image_tiff(data: &[u8]) {
    picture(data, Format::Tiff);
}

pub fn image_wbmp(data: &[u8]) {
    picture(data, Format::Wbmp);
}

pub fn image_heic(data: &[u8]) {
    picture(data, Format::Heic);
}

/// The decoder of AV1 is off until it is turned on, as it is here.
pub fn image_avif(data: &[u8]) {
    picture(data, Format::Avif);
}

pub fn image_svg(data: &[u8]) {
    picture(data, Format::Svg);
}

/// What is decoded keeps the limits; what is encoded from it keeps box and octets, has no metadata,
/// is read back with the size and frames it is said to have, and is the same when made again.
fn picture(data: &[u8], format: Format) {
    // A codec that panics is caught by the guard and gives an error: only our own code may not.
    guard::quiet_panics();
    let limits = limits();
    let mut registry = Registry::builtin();
    registry.set_enabled("rav1d", true);
    let cancel = Cancel::new();
    let choice = usize::from(*data.last().unwrap_or(&0));
    let shrink = (choice & 0x80 != 0).then(|| Dimensions::new(40, 30));
    let data = Bytes::copy_from_slice(data);
    let source = match Source::open(&data, format, &registry, &limits, &cancel, shrink) {
        Ok(source) => source,
        Err(MediaError::CodecPanicked { codec }) if reports_codecs() => {
            panic!("the codec {codec} panics")
        }
        Err(_) => return,
    };
    assert_within(&source, &limits, shrink);
    let target = target(choice);
    let encoded = match source.encode(&target, &cancel) {
        Ok(encoded) => encoded,
        Err(MediaError::TargetTooSmall { smallest }) => {
            let most = target
                .max_bytes
                .expect("too small for a bound that was set");
            assert!(
                smallest > most,
                "{smallest} octets would have fitted {most}"
            );
            return;
        }
        Err(error) => panic!("{target:?} of {source:?}: {error}"),
    };
    if let Some(most) = target.max_bytes {
        assert!(encoded.bytes.len() as u64 <= most, "larger than asked for");
    }
    if let Some(limit) = target.max_box {
        assert!(
            limit.holds(encoded.size),
            "{} outside {limit}",
            encoded.size
        );
    }
    assert!(encoded.size.width <= source.size().width, "enlarged");
    assert!(encoded.size.height <= source.size().height, "enlarged");
    let bytes = Bytes::from(encoded.bytes.clone());
    let back = Source::open(&bytes, encoded.format, &registry, &limits, &cancel, None)
        .unwrap_or_else(|error| panic!("{target:?} of {source:?} cannot be read: {error}"));
    assert_eq!(back.size(), encoded.size);
    assert_eq!(
        back.frames().len(),
        encoded.frames as usize,
        "{target:?} of {source:?}"
    );
    assert!(back.warnings().is_empty(), "{:?}", back.warnings());
    let twice = source
        .encode(&target, &cancel)
        .expect("encoded once already");
    assert_eq!(twice.bytes, encoded.bytes, "not the same twice");
}

/// What is read of a picture that devices share is what is read of it alone, at any size after any
/// other.
fn shared(data: &[u8], format: Format) {
    let (registry, limits, cancel) = (Registry::builtin(), limits(), Cancel::new());
    let data = Bytes::copy_from_slice(data);
    let shared = Shared::new(1 << 18);
    for side in [30, 12, 200, 5] {
        let target = ImageTarget {
            max_box: Some(Dimensions::new(side, side)),
            ..ImageTarget::new(Format::Jpeg)
        };
        let alone = Source::open_for(&data, format, &registry, &limits, &cancel, &target);
        let codecs = (&registry, &limits, &cancel);
        let together = Source::open_shared(&data, format, codecs, &target, (&shared, 0));
        match (alone, together) {
            (Ok(alone), Ok(together)) => {
                assert_eq!(alone.frames(), together.frames(), "{side}");
                assert_eq!(alone.warnings(), together.warnings(), "{side}");
            }
            (Err(_), Err(_)) => {}
            (alone, together) => panic!("{side}: {alone:?} and {together:?}"),
        }
    }
}

fn assert_within(source: &Source, limits: &Limits, shrink: Option<Dimensions>) {
    assert!(!source.frames().is_empty());
    assert!(source.frames().len() <= limits.frames);
    let original = source.original_size();
    assert!(original.width <= limits.side && original.height <= limits.side);
    assert!(u64::from(original.width) * u64::from(original.height) <= limits.pixels);
    for frame in source.frames() {
        assert_eq!(frame.picture.size(), source.size());
    }
    if let Some(limit) = shrink {
        assert!(
            limit.holds(source.size()),
            "{} outside {limit}",
            source.size()
        );
    }
}

/// Small, so that a fuzzer tries thousands of pictures a second.
fn limits() -> Limits {
    Limits {
        pixels: 1 << 18,
        side: 2048,
        frames: 8,
        animation_pixels: 1 << 20,
        decode_bytes: 16 << 20,
        ..Limits::default()
    }
}

/// One of many targets, by an octet of the input.
fn target(choice: usize) -> ImageTarget {
    let formats = [Format::Jpeg, Format::Png, Format::Gif, Format::Wbmp];
    let mut target = ImageTarget::new(formats[choice & 3]);
    target.max_box = [None, Some(Dimensions::new(32, 24))][(choice >> 2) & 1];
    target.max_bytes = [None, Some(700), Some(3_000), Some(20_000)][(choice >> 3) & 3];
    target.bits_per_pixel = [None, Some(1)][(choice >> 5) & 1];
    target.animation = (choice >> 6) & 1 == 0;
    target
}

fn reports_codecs() -> bool {
    std::env::var_os("REMOLD_FUZZ_CODEC_PANICS").is_some()
}

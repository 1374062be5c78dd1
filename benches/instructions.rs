//! Work to be counted in instructions, not in seconds: `benches/gate` runs it under callgrind.
//!
//!     instructions SCENARIO TIMES
//!
//! Preparing costs the same whatever TIMES is, so the difference between two runs is the cost of
//! the work alone.

#![allow(
    clippy::expect_used,
    reason = "a bench that cannot run has nothing to say"
)]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use remold::adapt::{Context, Engine, Policy, adapt};
use remold::media::image::{ImageTarget, Source};
use remold::media::{Cancel, Format, Layout, Picture, Registry, probe};
use remold::mms::pdu;
use remold::profile::Resolution;
use remold::{Dimensions, Limits};

const GREETING: &[u8] = include_bytes!("../tests/data/greeting.mms");
const SUNSET: &[u8] = include_bytes!("../tests/data/sunset.jpg");

/// An M-Notification.ind with ten headers.
const NOTIFICATION: &[u8] = b"\x8C\x82\x98transaction-1\0\x8D\x92\
    \x89\x19\x80+441632960001/TYPE=PLMN\0\x96Holiday\0\x8A\x80\x8E\x03\x01\xE2\x40\
    \x88\x05\x81\x03\x03\xF4\x80\x83http://mmsc.example/m/1\0\x86\x81\x8F\x81";

type Scenario = (&'static str, fn(u32));

const SCENARIOS: &[Scenario] = &[
    ("pdu-decode-notification", decode_notification),
    ("pdu-encode-notification", encode_notification),
    ("pdu-decode-message", decode_message),
    ("pass-through", pass_through),
    ("plan", plan),
    ("profile-by-id", profile_by_id),
    ("probe-jpeg", probe_jpeg),
    ("image-fit", image_fit),
    ("image-jpeg-open", image_jpeg_open),
    ("image-jpeg-encode", image_jpeg_encode),
    ("image-jpeg-search", image_jpeg_search),
    ("image-jpeg-whole", image_jpeg_whole),
    ("image-progressive-open", image_progressive_open),
    ("image-progressive-eighth", image_progressive_eighth),
    ("image-graphic", image_graphic),
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let times = args.get(2).and_then(|times| times.parse().ok());
    let wanted = args
        .get(1)
        .and_then(|name| SCENARIOS.iter().find(|(n, _)| n == name));
    match (wanted, times) {
        (Some((_, run)), Some(times)) => run(times),
        _ => {
            for (name, _) in SCENARIOS {
                println!("{name}");
            }
        }
    }
}

fn decode_notification(times: u32) {
    decode(NOTIFICATION, times);
}

fn decode_message(times: u32) {
    decode(GREETING, times);
}

fn decode(octets: &'static [u8], times: u32) {
    let (octets, limits) = (Bytes::from_static(octets), Limits::default());
    for _ in 0..times {
        black_box(pdu::decode(black_box(&octets), &limits)).expect("the PDU decodes");
    }
}

fn encode_notification(times: u32) {
    let octets = Bytes::from_static(NOTIFICATION);
    let pdu = pdu::decode(&octets, &Limits::default())
        .expect("the PDU decodes")
        .value;
    for _ in 0..times {
        black_box(pdu::encode(black_box(&pdu))).expect("the PDU encodes");
    }
}

/// From the octets of a message to the decision that it fits.
fn pass_through(times: u32) {
    fit("max-observed", times, false);
}

/// From the octets of a message to the plan for a phone it does not fit.
fn plan(times: u32) {
    fit("s40-gen1", times, true);
}

fn fit(device: &str, times: u32, plan_only: bool) {
    let device = Resolution::by_id(device).expect("the device is known");
    let (policy, registry, limits) = (Policy::default(), Registry::builtin(), Limits::default());
    let (caps, cancel) = (&device.capabilities, Cancel::new());
    let context = Context {
        caps,
        policy: &policy,
        registry: &registry,
        limits: &limits,
    };
    let engine = Engine {
        context,
        cancel: &cancel,
        now: &|| Duration::ZERO,
    };
    let octets = Bytes::from_static(GREETING);
    let size = u64::try_from(octets.len()).expect("a size");
    for _ in 0..times {
        let pdu = pdu::decode(&octets, &limits)
            .expect("the message decodes")
            .value;
        let message = pdu.into_message().expect("the PDU has a body");
        if plan_only {
            black_box(remold::adapt::plan(&message, size, context));
        } else {
            black_box(adapt(&message, size, engine)).expect("nobody cancels");
        }
    }
}

fn profile_by_id(times: u32) {
    for _ in 0..times {
        black_box(Resolution::by_id(black_box("nokia-6100"))).expect("the device is known");
    }
}

fn probe_jpeg(times: u32) {
    let limits = Limits::default();
    for _ in 0..times {
        black_box(probe(black_box(SUNSET), &limits)).expect("the picture is sound");
    }
}

/// A picture of 1.2 megapixels as planes of 320x240.
fn image_jpeg_open(times: u32) {
    for _ in 0..times {
        black_box(sunset());
    }
}

/// Planes of 320x240 at quality 80.
fn image_jpeg_encode(times: u32) {
    let mut target = ImageTarget::new(Format::Jpeg);
    target.quality = Some(80);
    encode_sunset(&target, times);
}

/// Planes of 320x240 to 8,000 octets.
fn image_jpeg_search(times: u32) {
    let mut target = ImageTarget::new(Format::Jpeg);
    target.max_bytes = Some(8_000);
    encode_sunset(&target, times);
}

/// A picture of 1.2 megapixels to 320x240 at quality 80, from file to file.
fn image_jpeg_whole(times: u32) {
    let mut target = ImageTarget::new(Format::Jpeg);
    target.quality = Some(80);
    for _ in 0..times {
        black_box(sunset().encode(black_box(&target), &Cancel::new())).expect("it encodes");
    }
}

/// The same picture in progressive scans as planes of 320x240.
fn image_progressive_open(times: u32) {
    let data = progressive();
    for _ in 0..times {
        black_box(opened(&data, Dimensions::new(320, 240)));
    }
}

/// The same as planes of 40x30, for which the DC coefficients are enough.
fn image_progressive_eighth(times: u32) {
    let data = progressive();
    for _ in 0..times {
        black_box(opened(&data, Dimensions::new(40, 30)));
    }
}

/// A drawing of 320x240, for a device that takes JPEG and PNG, to 20,000 octets.
fn image_graphic(times: u32) {
    let size = Dimensions::new(320, 240);
    let pixels = (0..size.width * size.height).flat_map(|at| {
        let (x, y) = (at % size.width, at / size.width);
        let field = [x / 80 * 60, 200, y / 60 * 70].map(|level| level.to_le_bytes()[0]);
        if x % 9 == 0 && y % 18 < 6 {
            [0; 3]
        } else {
            field
        }
    });
    let picture = Picture::new(size, Layout::Rgb8, pixels.collect()).expect("it is whole");
    let source = Source::of_picture(picture, &Registry::builtin());
    let mut target = ImageTarget::new(Format::Jpeg);
    target.max_bytes = Some(20_000);
    for _ in 0..times {
        let made = source.encode_either(black_box(&target), &[Format::Png], &Cancel::new());
        black_box(made).expect("it fits");
    }
}

/// The picture of 1.2 megapixels in progressive scans.
fn progressive() -> Bytes {
    let data = Bytes::from_static(SUNSET);
    let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
    let source = Source::open(&data, Format::Jpeg, &registry, &limits, &cancel, None)
        .expect("the picture decodes");
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 90);
    encoder.set_progressive(true);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    let pixels = source
        .frames()
        .first()
        .expect("it has a frame")
        .picture
        .data();
    encoder
        .encode(pixels, 1280, 960, jpeg_encoder::ColorType::Rgb)
        .expect("it encodes");
    file.into()
}

fn sunset() -> Source {
    opened(&Bytes::from_static(SUNSET), Dimensions::new(320, 240))
}

fn opened(data: &Bytes, max_box: Dimensions) -> Source {
    let target = ImageTarget {
        max_box: Some(max_box),
        quality: Some(80),
        ..ImageTarget::new(Format::Jpeg)
    };
    let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
    Source::open_for(data, Format::Jpeg, &registry, &limits, &cancel, &target)
        .expect("the picture decodes")
}

fn encode_sunset(target: &ImageTarget, times: u32) {
    let (source, cancel) = (sunset(), Cancel::new());
    for _ in 0..times {
        black_box(source.encode(black_box(target), &cancel)).expect("the picture fits");
    }
}

/// A picture of 1.2 megapixels to 320x240 and 20,000 octets.
fn image_fit(times: u32) {
    let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
    let data = Bytes::from_static(SUNSET);
    let target = ImageTarget {
        max_box: Some(Dimensions::new(320, 240)),
        max_bytes: Some(20_000),
        ..ImageTarget::new(Format::Jpeg)
    };
    for _ in 0..times {
        let source = Source::open(
            &data,
            Format::Jpeg,
            &registry,
            &limits,
            &cancel,
            target.max_box,
        )
        .expect("the picture decodes");
        black_box(source.encode(&target, &cancel)).expect("the picture fits");
    }
}

//! What the decision costs: a message that fits, a plan, and a message fitted.

#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a bench has no users and may fail loudly"
)]

use std::time::Duration;

use bytes::Bytes;
use divan::{Bencher, black_box};
use remold::adapt::report::Verdict;
use remold::adapt::{Context, Engine, Policy, adapt, plan};
use remold::media::{Cancel, Registry};
use remold::mms::pdu::{self, Pdu, PduType};
use remold::mms::{Body, ContentType, Field, HeaderValue, Headers, Message, Part};
use remold::profile::Resolution;
use remold::{Limits, media};

const GREETING: &[u8] = include_bytes!("../tests/data/greeting.mms");
const SUNSET: &[u8] = include_bytes!("../tests/data/sunset.jpg");

fn main() {
    divan::main();
}

/// A message of about 100,000 octets: text, and the head of a picture that nobody decodes.
fn message_of_100_kb() -> Bytes {
    let mut headers = Headers::new();
    headers.add(Field::MmsVersion, HeaderValue::Token(0x92));
    headers.add(Field::Date, HeaderValue::Date(1_700_000_000));
    let picture = SUNSET.get(..100_000).expect("the picture is larger");
    let body = Body {
        content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
        parts: vec![
            Part::new(
                ContentType::new("text/plain").with("charset", "utf-8"),
                "Hello",
            ),
            Part::new(ContentType::new("image/jpeg"), picture),
        ],
    };
    let pdu = Pdu::from_message(PduType::RetrieveConf, Message { headers, body });
    pdu::encode(&pdu).expect("the message encodes").into()
}

/// From the octets of a 100 kB message to the verdict that it fits.
#[divan::bench]
fn pass_through(bencher: Bencher) {
    run(
        bencher,
        &message_of_100_kb(),
        "max-observed",
        Verdict::Unchanged,
    );
}

/// From the octets of a message with a 1.2-megapixel picture to one that fits 45,000 octets.
#[divan::bench]
fn fit(bencher: Bencher) {
    run(
        bencher,
        &Bytes::from_static(GREETING),
        "s40-gen1",
        Verdict::Adapted,
    );
}

fn run(bencher: Bencher, octets: &Bytes, device: &str, verdict: Verdict) {
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
    let size = u64::try_from(octets.len()).expect("a size");
    bencher.bench_local(|| {
        let pdu = pdu::decode(black_box(octets), &limits)
            .expect("the message decodes")
            .value;
        let message = pdu.into_message().expect("the PDU has a body");
        let adapted = adapt(&message, size, engine).expect("nobody cancels");
        assert_eq!(adapted.report.verdict, verdict);
        adapted
    });
}

/// The plan for a message that does not fit: what `explain` prints.
#[divan::bench]
fn plan_alone(bencher: Bencher) {
    let device = Resolution::by_id("s40-gen1").expect("the device is known");
    let (policy, registry, limits) = (Policy::default(), Registry::builtin(), Limits::default());
    let caps = &device.capabilities;
    let context = Context {
        caps,
        policy: &policy,
        registry: &registry,
        limits: &limits,
    };
    let octets = Bytes::from_static(GREETING);
    let size = u64::try_from(octets.len()).expect("a size");
    let pdu = pdu::decode(&octets, &limits)
        .expect("the message decodes")
        .value;
    let message = pdu.into_message().expect("the PDU has a body");
    bencher.bench_local(|| plan(black_box(&message), size, context));
}

/// Telling what a picture is.
#[divan::bench]
fn probe(bencher: Bencher) {
    let limits = Limits::default();
    bencher.bench_local(|| media::probe(black_box(SUNSET), &limits));
}

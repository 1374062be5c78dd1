//! The decision and its execution, over generated messages and devices.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use remold::adapt::report::Verdict;
use remold::adapt::{Context, Engine, Policy, adapt, plan as decide, weight};
use remold::media::{Cancel, Registry, guard};
use remold::mms::smil::{Smil, resolve};
use remold::mms::{Message, mime, pdu};
use remold::profile::classes::class_ids;
use remold::profile::{Capabilities, Resolution, Source, Sourced};
use remold::{Dimensions, Limits};

static CLASSES: LazyLock<Vec<Capabilities>> = LazyLock::new(|| {
    let class = |id| Resolution::by_id(id).expect("a shipped class").capabilities;
    class_ids().map(class).collect()
});

/// Any message that reads, for any class of device with any limit: the plan and the result are the
/// same each time, the result is within the limit and no larger than it was, and its presentation
/// shows parts that are there.
pub fn plan(data: &[u8]) {
    guard::quiet_panics();
    let Some((&[class, size, side, choice], octets)) = data.split_first_chunk::<4>() else {
        return;
    };
    let limits = limits();
    let Some(message) = read(octets, &limits) else {
        return;
    };
    let caps = device(class, size, side);
    let policy = Policy {
        notices: choice & 1 == 0,
        generate_smil: choice & 2 == 0,
        ignore_device_suppression: choice & 4 == 0,
        ..Policy::default()
    };
    let registry = Registry::builtin();
    let context = Context {
        caps: &caps,
        policy: &policy,
        registry: &registry,
        limits: &limits,
    };
    let size_in = weight(&message);
    let first = decide(&message, size_in, context);
    assert_eq!(
        format!("{first:?}"),
        format!("{:?}", decide(&message, size_in, context))
    );
    let engine = Engine {
        context,
        cancel: &Cancel::new(),
        now: &|| Duration::ZERO,
    };
    let done = adapt(&message, size_in, engine).expect("nobody cancels");
    let again = adapt(&message, size_in, engine).expect("nobody cancels");
    assert_eq!(again.message, done.message, "not the same twice");
    let Some(result) = done.message else {
        assert_eq!(done.report.verdict, Verdict::Refused);
        return;
    };
    match done.report.verdict {
        Verdict::Unchanged => assert_eq!(result, message),
        Verdict::Adapted => assert_fits(&message, &result, &caps, size_in),
        Verdict::Refused => panic!("refused, with a result"),
    }
}

fn assert_fits(message: &Message, result: &Message, caps: &Capabilities, size_in: u64) {
    let size = weight(result);
    if let Some(limit) = &caps.max_message_size {
        assert!(size <= limit.value, "{size} octets over {}", limit.value);
    }
    // A notice or a presentation may be new; nothing else may add octets.
    let media = |message: &Message| message.body.data_len() as u64;
    assert!(
        media(result) <= media(message) + 4096,
        "{} octets from {size_in}",
        media(result)
    );
    let Some(root) = result.body.presentation() else {
        return;
    };
    let Some(part) = result.body.parts.get(root) else {
        panic!("the presentation is not there")
    };
    if let Ok(read) = Smil::parse(&part.data, &Limits::default()) {
        for reference in read.value.references() {
            let src = reference.src;
            let found = resolve(&src, &result.body.parts);
            let before = resolve(&src, &message.body.parts);
            assert!(
                found.is_some() || before.is_none(),
                "{src:?} shows nothing any more"
            );
        }
    }
}

fn read(octets: &[u8], limits: &Limits) -> Option<Message> {
    let input = Bytes::copy_from_slice(octets);
    if let Ok(read) = pdu::decode(&input, limits) {
        return read.value.into_message().ok();
    }
    Some(mime::decode(&input, limits).ok()?.value)
}

fn device(class: u8, size: u8, side: u8) -> Capabilities {
    let index = usize::from(class) % CLASSES.len();
    let mut caps = CLASSES[index].clone();
    if size != 0 {
        let octets = u64::from(size) * u64::from(size) * 8;
        caps.max_message_size = Some(Sourced::new(octets, Source::Override));
    }
    if side != 0 {
        let side = u32::from(side);
        caps.max_image = Some(Sourced::new(Dimensions::new(side, side), Source::Override));
    }
    caps
}

/// Small pictures, so that a fuzzer tries many.
fn limits() -> Limits {
    Limits {
        pixels: 1 << 16,
        side: 1024,
        frames: 4,
        animation_pixels: 1 << 18,
        decode_bytes: 8 << 20,
        ..Limits::default()
    }
}

//! The host on the component that was recorded for version 0.1.0, which reads QOI.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::dimensions::Dimensions;
use crate::limits::{Limits, PluginLimits};
use crate::media::image::Source;
use crate::media::{Cancel, Format, MediaError, Registry, mime};

const QOI: &[u8] = include_bytes!("../../tests/data/plugin-0.1.0.wasm");

/// Two pixels, red and a translucent blue.
const PICTURE: &[u8] = b"qoif\0\0\0\x02\0\0\0\x01\x04\0\
    \xFE\xFF\0\0\xFF\0\0\xFF\x80\0\0\0\0\0\0\0\x01";

fn host(limits: PluginLimits) -> Host {
    Host::new(limits, Arc::new(|| Duration::ZERO)).unwrap()
}

fn load(manifest: &str, limits: PluginLimits) -> Result<Plugin, LoadError> {
    let manifest = Manifest::read(manifest)?;
    host(limits).load(QOI, &manifest, &NoCache)
}

fn decode(plugin: &Plugin, data: &'static [u8], cancel: &Cancel) -> Result<Source, MediaError> {
    let mut registry = Registry::empty();
    plugin.register(&mut registry);
    let format = mime::format_of_name("qoi").unwrap();
    let (data, limits) = (Bytes::from_static(data), Limits::default());
    Source::open(&data, format, &registry, &limits, cancel, None)
}

#[test]
fn a_plugin_says_what_it_is() {
    let plugin = load("priority = 7\ntimeout-ms = 5", PluginLimits::default()).unwrap();
    let about = plugin.about();
    assert_eq!((plugin.name(), about.version.as_str()), ("qoi", "0.1.0"));
    let codec = &about.capabilities[0];
    assert_eq!(
        (codec.kind, codec.subject.name()),
        (Kind::ImageDecoder, "qoi")
    );
    assert_eq!((plugin.priority(), plugin.terms().job_ms), (7, 5));
    assert_eq!(plugin.sha256().len(), 64);
    assert!(plugin.available());
}

#[test]
fn a_picture_is_decoded_in_the_sandbox() {
    let plugin = load("", PluginLimits::default()).unwrap();
    let source = decode(&plugin, PICTURE, &Cancel::new()).unwrap();
    assert_eq!(source.size(), Dimensions::new(2, 1));
    let pixels = source.frames()[0].picture.data();
    assert_eq!(pixels, [255, 0, 0, 255, 0, 0, 255, 128]);
}

#[test]
fn a_broken_picture_is_the_pictures_fault() {
    let plugin = load("", PluginLimits::default()).unwrap();
    let cut = PICTURE.split_at(20).0;
    let error = decode(&plugin, cut, &Cancel::new()).unwrap_err();
    assert!(matches!(error, MediaError::Malformed { .. }), "{error}");
    assert!(!error.blames_codec());
}

#[test]
fn a_job_that_asks_for_too_much_memory_fails_with_the_reason() {
    let plugin = load("memory-max = 65536", PluginLimits::default()).unwrap();
    let error = decode(&plugin, PICTURE, &Cancel::new()).unwrap_err();
    assert!(error.blames_codec());
    assert!(
        error
            .to_string()
            .contains("asked for more than 65536 octets"),
        "{error}"
    );
}

#[test]
fn a_job_without_time_does_not_start() {
    // The clock stands still, so any time at all is enough and none is not.
    let plugin = load("timeout-ms = 0", PluginLimits::default()).unwrap();
    let cancelled = Cancel::new();
    cancelled.cancel();
    let error = decode(&plugin, PICTURE, &cancelled).unwrap_err();
    assert_eq!(error, MediaError::Cancelled);
}

#[test]
fn fuel_is_counted_and_runs_out() {
    let limits = PluginLimits {
        fuel: Some(u64::MAX / 2),
        ..PluginLimits::default()
    };
    let plugin = load("fuel = 100", limits.clone()).unwrap();
    let error = decode(&plugin, PICTURE, &Cancel::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("used more than 100 units of fuel"),
        "{error}"
    );
    let plenty = load("", limits).unwrap();
    assert!(decode(&plenty, PICTURE, &Cancel::new()).is_ok());
}

#[test]
fn what_comes_out_is_bounded() {
    let plugin = load(
        "",
        PluginLimits {
            output_bytes: 7,
            ..PluginLimits::default()
        },
    )
    .unwrap();
    let error = decode(&plugin, PICTURE, &Cancel::new()).unwrap_err();
    assert!(
        error.to_string().contains("gave more than 7 octets"),
        "{error}"
    );
}

#[test]
fn a_manifest_that_does_not_fit_the_plugin_refuses_it() {
    for (manifest, part) in [
        (
            "allow = ['audio-decoder']",
            "image-decoder of qoi is not allowed",
        ),
        ("[options]\nlevel = 3", "takes level"),
        ("signed-by = '00'", "no signature"),
    ] {
        let error = load(manifest, PluginLimits::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{manifest}: {error}");
    }
}

#[test]
fn describing_itself_has_bounds_of_its_own() {
    let error = load(
        "",
        PluginLimits {
            describe_bytes: 1,
            ..PluginLimits::default()
        },
    )
    .unwrap_err();
    assert!(matches!(error, LoadError::Description(_)), "{error}");
}

#[test]
fn a_file_is_recognised_and_measured_by_the_registry() {
    let plugin = load("", PluginLimits::default()).unwrap();
    let mut registry = Registry::builtin();
    plugin.register(&mut registry);
    let limits = Limits::default();
    let info = registry
        .probe(&Bytes::from_static(PICTURE), &limits)
        .unwrap();
    assert_eq!(
        (info.format.name(), info.size),
        ("qoi", Some(Dimensions::new(2, 1)))
    );
    let broken = registry.probe(&Bytes::from_static(b"qoif\0\0"), &limits);
    assert_eq!(broken.unwrap_err().format.name(), "qoi");
    let other = registry.probe(&Bytes::from_static(b"neither\x01\x02"), &limits);
    assert_eq!(other.unwrap().format, Format::Unknown);
    assert!(registry.names().contains_key("plugin:qoi"));
}

/// Keeps what it is given.
#[derive(Default)]
struct Kept(Mutex<(BTreeMap<String, Vec<u8>>, u32)>);

impl CompiledCache for Kept {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let mut kept = self.0.lock().unwrap();
        let found = kept.0.get(key).cloned();
        kept.1 += u32::from(found.is_some());
        found
    }

    fn put(&self, key: &str, compiled: &[u8]) {
        let mut kept = self.0.lock().unwrap();
        kept.0.insert(key.to_owned(), compiled.to_vec());
    }
}

#[test]
fn what_was_compiled_is_not_compiled_again_and_works_the_same() {
    let cache = Kept::default();
    let manifest = Manifest::default();
    let first = host(PluginLimits::default())
        .load(QOI, &manifest, &cache)
        .unwrap();
    let second = host(PluginLimits::default())
        .load(QOI, &manifest, &cache)
        .unwrap();
    let (entries, hits) = {
        let kept = cache.0.lock().unwrap();
        (kept.0.len(), kept.1)
    };
    assert_eq!((entries, hits), (1, 1));
    let pixels = |plugin| {
        let source = decode(plugin, PICTURE, &Cancel::new()).unwrap();
        source.frames().to_vec()
    };
    assert_eq!(pixels(&first), pixels(&second));
}

#[test]
fn a_check_without_a_sample_fails_and_says_so() {
    let plugin = load("", PluginLimits::default()).unwrap();
    let found = check(&plugin, &[]);
    assert!(!found.passed());
    assert!(
        found
            .findings
            .iter()
            .any(|finding| finding.detail.contains("--sample"))
    );
    let sample = Sample {
        name: "two pixels".to_owned(),
        data: Bytes::from_static(PICTURE),
    };
    let found = check(&plugin, &[sample]);
    assert!(found.passed(), "{:#?}", found.findings);
}

#[test]
fn jobs_failures_and_quarantines_are_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let ears = Arc::clone(&told);
    let watch: Watch = Arc::new(move |plugin: &str, event| {
        assert_eq!(plugin, "qoi");
        ears.lock().unwrap().push(event);
    });
    let limits = PluginLimits {
        failures: 1,
        ..PluginLimits::default()
    };
    let host = Host::with_watch(limits, Arc::new(|| Duration::ZERO), None, Some(watch)).unwrap();
    let sound = host.load(QOI, &Manifest::default(), &NoCache).unwrap();
    assert!(told.lock().unwrap().is_empty(), "loading is no job");
    decode(&sound, PICTURE, &Cancel::new()).unwrap();
    let ended = Event::Ended(Duration::ZERO);
    assert_eq!(*told.lock().unwrap(), [ended]);
    let manifest = Manifest::read("memory-max = 65536").unwrap();
    let hungry = host.load(QOI, &manifest, &NoCache).unwrap();
    assert!(decode(&hungry, PICTURE, &Cancel::new()).is_err());
    let told = told.lock().unwrap();
    assert!(
        told.iter().any(|event| matches!(event, Event::Failed(_))),
        "{told:?}"
    );
    assert_eq!(told.last(), Some(&Event::Quarantined));
}

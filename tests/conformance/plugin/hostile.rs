//! What no plugin should do, and what becomes of it.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use remold::limits::PluginLimits;
use remold::media::image::Source;
use remold::media::{Cancel, MediaError, Registry, mime};
use remold::plugin::{Host, LoadError, Manifest, NoCache, Plugin};
use remold::{Dimensions, Limits};

use super::{Folder, built, host, load, qoi};
use crate::support::{fixture, remold};

/// Milliseconds of a job here.
const DEADLINE: u64 = 300;
/// Octets of memory of a job here.
const MEMORY: u64 = 32 << 20;

fn limits() -> PluginLimits {
    PluginLimits {
        job_ms: DEADLINE,
        memory_bytes: MEMORY,
        output_bytes: MEMORY,
        failures: u32::MAX,
        ..PluginLimits::default()
    }
}

fn registry(plugin: &Plugin) -> Registry {
    let mut registry = Registry::empty();
    plugin.register(&mut registry);
    registry
}

/// Lets the hostile plugin do something.
fn ask(registry: &Registry, deed: &str, cancel: &Cancel) -> Result<Source, MediaError> {
    let format = mime::format_of_name("evil").expect("the plugin named it");
    let data = Bytes::from(format!("EVIL{deed}."));
    let limits = Limits::default();
    Source::open(&data, format, registry, &limits, cancel, None)
}

#[test]
fn every_misdeed_ends_in_time_with_its_reason_and_the_next_job_is_clean() {
    let Some(component) = built("hostile") else {
        return;
    };
    let host = host(limits());
    let plugin = load(&host, &component, "");
    let registry = registry(&plugin);
    let time = format!("ran for longer than {DEADLINE} ms");
    let memory = format!("asked for more than {MEMORY} octets of memory");
    for (deed, reason) in [
        ("loop-in-open", time.as_str()),
        ("loop", &time),
        ("memory", &memory),
        ("stack", "trapped"),
        ("trap-in-open", "trapped"),
        ("trap-in-info", "trapped"),
        ("trap", "trapped"),
        ("abort", "trapped"),
        ("divide", "trapped"),
        ("wild", "trapped: out of bounds memory access"),
        ("huge-header", "over the limit"),
        ("no-side", "says that a picture has 0x8 pixels"),
        ("too-much", "octets of memory"),
        ("too-little", "gave 255 octets for 8x8 pixels"),
        ("blames-input", "Named"),
        ("blames-itself", "says: as was asked"),
    ] {
        let begun = Instant::now();
        let error = ask(&registry, deed, &Cancel::new())
            .expect_err(deed)
            .to_string();
        let took = begun.elapsed();
        assert!(error.contains(reason), "{deed}: {error}");
        assert!(
            error.len() < 400 && !error.contains('\n'),
            "{deed}: {error}"
        );
        // Other tests run beside this one; the bench measures it alone.
        let most = Duration::from_millis(DEADLINE + 150);
        assert!(took < most, "{deed}: {took:?}");
        let good = ask(&registry, "good", &Cancel::new()).expect("the next job is clean");
        assert_eq!(good.size(), Dimensions::new(8, 8), "after {deed}");
    }
}

#[test]
fn odd_answers_are_put_right() {
    let Some(component) = built("hostile") else {
        return;
    };
    let host = host(PluginLimits {
        job_ms: 10_000,
        ..limits()
    });
    let plugin = load(&host, &component, "");
    let registry = registry(&plugin);
    for deed in ["orientation", "huge-profile", "log", "log-forgery", "good"] {
        let outcome = ask(&registry, deed, &Cancel::new());
        if deed == "log" {
            // A million lines of 10,000 octets are over in time or they are stopped.
            let told = outcome.map(|source| source.warnings().len());
            assert!(told.as_ref().map_or(true, |lines| *lines <= 16), "{told:?}");
            continue;
        }
        let source = outcome.expect(deed);
        assert_eq!(
            (source.frames().len(), source.size()),
            (1, Dimensions::new(8, 8))
        );
        for line in source.warnings() {
            assert!(!line.contains(['\n', '\x1B']), "{line:?}");
        }
    }
    // It has frames for ever; the limit on them counts.
    let few = Limits {
        frames: 50,
        ..Limits::default()
    };
    let format = mime::format_of_name("evil").unwrap();
    let data = Bytes::from_static(b"EVILendless-frames.");
    let source = Source::open(&data, format, &registry, &few, &Cancel::new(), None).unwrap();
    assert_eq!(source.frames().len(), 50);
}

#[test]
fn a_job_that_nobody_waits_for_is_stopped() {
    let Some(component) = built("hostile") else {
        return;
    };
    let host = host(PluginLimits {
        job_ms: 60_000,
        ..limits()
    });
    let plugin = load(&host, &component, "");
    let cancel = Cancel::new();
    let stop = cancel.clone();
    let waiting = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        stop.cancel();
        Instant::now()
    });
    let error = ask(&registry(&plugin), "loop", &cancel).unwrap_err();
    let late = waiting.join().unwrap().elapsed();
    assert_eq!(error, MediaError::Cancelled);
    assert!(late < Duration::from_millis(200), "{late:?}");
}

#[test]
fn many_jobs_at_once_do_not_disturb_each_other() {
    let (Some(bad), Some(good)) = (built("hostile"), built("qoi")) else {
        return;
    };
    let host = host(limits());
    let mut codecs = Registry::empty();
    load(&host, &bad, "").register(&mut codecs);
    load(&host, &good, "").register(&mut codecs);
    let file = Bytes::from(qoi(40, 30, |x, y| [x as u8, y as u8, 7, 255]));
    let format = mime::format_of_name("qoi").unwrap();
    thread::scope(|scope| {
        for worker in 0..8 {
            let (codecs, file) = (&codecs, &file);
            scope.spawn(move || {
                for round in 0..40 {
                    if (worker + round) % 4 == 0 {
                        let deed = ["trap", "stack", "wild", "too-little"][round % 4];
                        assert!(ask(codecs, deed, &Cancel::new()).is_err());
                    } else {
                        let limits = Limits::default();
                        let source =
                            Source::open(file, format, codecs, &limits, &Cancel::new(), None);
                        let picture = source.unwrap().frames()[0].picture.clone();
                        assert_eq!(picture.pixels().nth(41).unwrap()[..3], [1, 1, 7]);
                    }
                }
            });
        }
    });
}

#[test]
fn failures_in_a_row_put_a_plugin_aside() {
    let Some(component) = built("hostile") else {
        return;
    };
    let host = host(PluginLimits {
        failures: 3,
        ..limits()
    });
    let plugin = load(&host, &component, "");
    let registry = registry(&plugin);
    for _ in 0..2 {
        assert!(ask(&registry, "trap", &Cancel::new()).is_err());
    }
    assert!(ask(&registry, "good", &Cancel::new()).is_ok());
    for _ in 0..3 {
        assert!(plugin.available());
        assert!(ask(&registry, "trap", &Cancel::new()).is_err());
    }
    assert!(!plugin.available());
    let error = ask(&registry, "good", &Cancel::new()).unwrap_err();
    assert_eq!(
        error,
        MediaError::Unsupported {
            what: "reading evil".to_owned()
        }
    );
}

fn refusal(host: &Host, octets: &[u8], manifest: &str) -> LoadError {
    let manifest = Manifest::read(manifest).unwrap();
    host.load(octets, &manifest, &NoCache).unwrap_err()
}

/// `octets` with every `from` made a `to` of the same length.
fn forged(octets: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut forged = octets.to_vec();
    let mut at = 0;
    while let Some(next) = forged[at..]
        .windows(from.len())
        .position(|w| w == from.as_bytes())
    {
        at += next;
        forged[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    forged
}

#[test]
fn a_component_that_may_not_be_loaded_is_not() {
    let (Some(component), Some(talkative)) = (built("qoi"), built("hostile")) else {
        return;
    };
    let octets = std::fs::read(&component).unwrap();
    let talks = std::fs::read(talkative).unwrap();
    let host = host(limits());
    let files = forged(
        &talks,
        "remold:codec/host-log@0.1.0",
        "wasi:filesystem/types@0.2.3",
    );
    let error = refusal(&host, &files, "");
    assert_eq!(
        error,
        LoadError::Import("wasi:filesystem/types@0.2.3".to_owned())
    );
    let clock = forged(
        &octets,
        "remold:codec/types@0.1.0",
        "wasi:clocks/clocks@0.2.3",
    );
    let error = refusal(&host, &clock, "");
    assert_eq!(
        error,
        LoadError::Import("wasi:clocks/clocks@0.2.3".to_owned())
    );
    let later = forged(&octets, "@0.1.0", "@0.1.9");
    assert!(matches!(refusal(&host, &later, ""), LoadError::Version(_)));
    let other = forged(&octets, "@0.1.0", "@0.2.0");
    assert!(matches!(refusal(&host, &other, ""), LoadError::Version(_)));
    let known = forged(&octets, "image/qoi", "image/png");
    assert!(matches!(
        refusal(&host, &known, ""),
        LoadError::Description(_)
    ));
    let pin = format!("sha256 = '{}'", "0".repeat(64));
    assert!(matches!(
        refusal(&host, &octets, &pin),
        LoadError::Pin { .. }
    ));
    let not = refusal(&host, &octets, "allow = ['image-encoder']");
    assert_eq!(
        not,
        LoadError::NotAllowed("image-decoder of qoi".to_owned())
    );
    let option = refusal(&host, &octets, "[options]\nlevel = 1");
    assert!(matches!(option, LoadError::Manifest(_)), "{option}");
    let small = super::host(PluginLimits {
        component_bytes: 100,
        ..limits()
    });
    assert!(matches!(
        refusal(&small, &octets, ""),
        LoadError::TooLarge { .. }
    ));
    let pinned = {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(&octets);
        let hex: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        format!("sha256 = '{hex}'")
    };
    load(&host, &component, &pinned);
}

#[test]
fn a_damaged_component_is_refused_or_works() {
    let Some(component) = built("qoi") else {
        return;
    };
    let octets = std::fs::read(&component).unwrap();
    let host = host(limits());
    for part in 0..16 {
        let cut = &octets[..octets.len() * part / 16];
        let error = refusal(&host, cut, "");
        // Some cuts leave a component in which nothing is.
        let refused = matches!(error, LoadError::Component(_) | LoadError::World(_));
        assert!(refused, "{error}");
    }
    let mut state = 1_usize;
    for _ in 0..12 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut turned = octets.clone();
        turned[(state >> 33) % octets.len()] ^= 1 << (state >> 60 & 7);
        // Whichever it is, it is said and nothing else happens.
        let _ = host.load(&turned, &Manifest::default(), &NoCache);
    }
}

/// The report of `remold adapt` on a picture for a phone that takes JPEG, with the hostile encoder
/// before the built-in one.
fn adapted(encoder: &Path, deed: &str) -> (serde_json::Value, Vec<u8>) {
    let manifest = format!("priority = 200\ntimeout-ms = 300\n[options]\ndeed = '{deed}'");
    let folder = Folder::new(deed).with(encoder, &manifest);
    let (out, report) = (folder.path("out.mms"), folder.path("report.json"));
    let output = remold()
        .arg("adapt")
        .arg(fixture("greeting.mms"))
        .arg("-o")
        .arg(&out)
        .args(["--device", "nokia-6100", "--plugins"])
        .arg(&folder.0)
        .arg("--report")
        .arg(&report)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report = std::fs::read(&report).unwrap();
    (
        serde_json::from_slice(&report).unwrap(),
        std::fs::read(out).unwrap(),
    )
}

#[test]
fn adapt_takes_the_next_codec_and_says_why() {
    let Some(encoder) = built("hostile-encoder") else {
        return;
    };
    let mut results = Vec::new();
    for (deed, reason) in [
        ("trap", "trapped"),
        ("loop", "ran for longer than 300 ms"),
        ("lie", "gave a file that is no"),
        ("nothing", "gave an empty file"),
        ("blame", "says: as was asked"),
    ] {
        let (report, message) = adapted(&encoder, deed);
        let warnings = report["warnings"].to_string();
        let told = warnings.contains("plugin:hostile-encoder failed") && warnings.contains(reason);
        assert!(told, "{deed}: {warnings}");
        assert_eq!(report["parts"][1]["type_out"], "image/jpeg", "{deed}");
        results.push(message);
    }
    assert!(
        results.windows(2).all(|pair| pair[0] == pair[1]),
        "the built-in codec made all"
    );
}

#[test]
fn adapt_takes_another_format_where_no_codec_of_the_first_is_left() {
    let Some(encoder) = built("hostile-encoder") else {
        return;
    };
    let folder = Folder::new("format").with(&encoder, "priority = 200");
    let report = folder.path("report.json");
    let output = remold()
        .arg("adapt")
        .arg(fixture("greeting.mms"))
        .arg("-o")
        .arg(folder.path("out.mms"))
        .args(["--device", "nokia-6100", "--disable", "jpeg", "--plugins"])
        .arg(&folder.0)
        .arg("--report")
        .arg(&report)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    let part = &report["parts"][1];
    let reasons = part["reasons"].to_string();
    assert!(reasons.contains("plugin:hostile-encoder failed"), "{part}");
    assert_ne!(part["type_out"], "image/jpeg", "{part}");
}

//! `remold plugin check` and `remold plugin run`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::{CheckArgs, RunArgs, files};
use crate::cli::table::Table;
use crate::cli::{CliError, Exit, io, media};
use crate::limits::Limits;
use crate::media::Registry;
use crate::plugin::{self, Event, Kind, Plugin, Sample};

/// Runs `remold plugin check`.
pub(super) fn check(args: &CheckArgs) -> Result<Exit, CliError> {
    let host = files::host(true)?;
    let plugin = files::load(&args.plugin, &host).map_err(|error| error.as_json(args.json))?;
    let limit = Limits::default().media_bytes;
    let mut samples = Vec::new();
    for path in &args.sample {
        let data = io::read_input(path, limit).map_err(|error| error.as_json(args.json))?;
        let name = path.file_name().unwrap_or_default();
        samples.push(Sample {
            name: name.to_string_lossy().into_owned(),
            data,
        });
    }
    let check = plugin::check(&plugin, &samples);
    if args.json {
        let findings: Vec<_> = check
            .findings
            .iter()
            .map(|f| json!({ "what": f.what, "detail": f.detail, "passed": f.passed }))
            .collect();
        let report = json!({
            "plugin": plugin.name(),
            "sha256": plugin.sha256(),
            "passed": check.passed(),
            "findings": findings,
        });
        io::print(format!("{report:#}\n"))?;
    } else {
        let mut table = Table::plain();
        for finding in &check.findings {
            let mark = if finding.passed { "ok" } else { "FAILED" };
            table.row([mark, &finding.what, &finding.detail]);
        }
        io::print(table.render())?;
    }
    Ok(if check.passed() {
        Exit::Done
    } else {
        Exit::Refused
    })
}

/// Runs `remold plugin run`.
pub(super) fn run(args: &RunArgs) -> Result<Exit, CliError> {
    let jobs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&jobs);
    let watch = Arc::new(move |_: &str, event| {
        if matches!(event, Event::Ended(_)) {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let host = files::watched_host(false, Some(watch))?;
    let plugin = files::load(&args.plugin, &host)?;
    let registry = alone(&plugin, args.convert.registry()?);
    let done = media::convert_anew(&args.convert, &registry)?;
    if jobs.load(Ordering::Relaxed) == 0 {
        let name = plugin.name();
        eprintln!("remold: warning: {name} had no part in this: it took built-in codecs alone");
    }
    Ok(done)
}

/// The codecs of `registry` with those of the plugin in front. The pictures that it reads or writes
/// nobody else may, so that where it fails no other codec does its work.
fn alone(plugin: &Plugin, mut registry: Registry) -> Registry {
    for codec in &plugin.about().capabilities {
        if let plugin::Subject::Format(format) = codec.subject {
            match codec.kind {
                Kind::ImageDecoder => registry = registry.not_reading(&[format]),
                Kind::ImageEncoder => registry = registry.not_writing(&[format]),
                _ => {}
            }
        }
    }
    plugin.register_at(i32::MAX, &mut registry);
    registry
}

//! `remold plugin check` and `remold plugin run`.

use bytes::Bytes;
use serde_json::json;

use super::{CheckArgs, RunArgs, files};
use crate::cli::table::Table;
use crate::cli::{CliError, Exit, io};
use crate::limits::Limits;
use crate::media::image::{ImageTarget, Source};
use crate::media::{Cancel, MediaError, MediaKind, Registry, mime};
use crate::plugin::{self, Kind, Plugin, Sample};

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
    let host = files::host(false)?;
    let plugin = files::load(&args.plugin, &host)?;
    let limits = Limits::default();
    let data = io::read_input(&args.input, limits.media_bytes)?;
    let bytes = convert(&plugin, &data, args, &limits)?;
    io::write_output_atomic(&args.output, &bytes, args.force)?;
    Ok(Exit::Done)
}

/// The picture as the extension of the output wants it. What the plugin reads or writes nobody else
/// may.
fn convert(
    plugin: &Plugin,
    data: &Bytes,
    args: &RunArgs,
    limits: &Limits,
) -> Result<Vec<u8>, CliError> {
    let extension = args.output.extension().and_then(|text| text.to_str());
    let to = extension
        .and_then(mime::format_of_extension)
        .filter(|format| format.kind() == MediaKind::Image)
        .ok_or_else(|| {
            let message = "its extension is that of no picture";
            CliError::new(Exit::Usage, message).in_file(io::shown(&args.output))
        })?;
    let registry = alone(plugin);
    let name = io::shown(&args.input);
    let undecodable = |what: String| CliError::new(Exit::Undecodable, what).in_file(name.clone());
    let info = registry
        .probe(data, limits)
        .map_err(|error| undecodable(error.to_string()))?;
    let cancel = Cancel::new();
    let of = |error: MediaError| undecodable(error.to_string());
    let source = Source::open(data, info.format, &registry, limits, &cancel, None).map_err(of)?;
    let encoded = source.encode(&ImageTarget::new(to), &cancel).map_err(of)?;
    Ok(encoded.bytes)
}

/// The built-in codecs without those that the plugin stands in for, and the plugin.
fn alone(plugin: &Plugin) -> Registry {
    let mut registry = Registry::builtin();
    for codec in &plugin.about().capabilities {
        if let plugin::Subject::Format(format) = codec.subject {
            match codec.kind {
                Kind::ImageDecoder => registry = registry.not_reading(&[format]),
                Kind::ImageEncoder => registry = registry.not_writing(&[format]),
                _ => {}
            }
        }
    }
    plugin.register(&mut registry);
    registry
}

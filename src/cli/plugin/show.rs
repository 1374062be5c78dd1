//! `remold plugin list`.

use serde_json::{Value, json};

use super::ListArgs;
use super::files;
use crate::cli::table::Table;
use crate::cli::{CliError, Exit, io};
use crate::media::mime;
use crate::plugin::Plugin;
use crate::server::plugins::{Found, State};

/// Runs `remold plugin list`.
pub(super) fn list(args: &ListArgs) -> Result<Exit, CliError> {
    if args.names {
        return names(args.json);
    }
    let Some(folder) = &args.folder else {
        return Err(CliError::new(Exit::Usage, "which folder?"));
    };
    let host = files::host(false)?;
    let found = files::folder(folder, &host)?;
    if args.json {
        let rows: Vec<Value> = found.iter().map(as_json).collect();
        io::print(format!("{:#}\n", Value::Array(rows)))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["file", "plugin", "codecs", "priority", "sha256", "state"]);
    for Found { path, state } in &found {
        let name = path.file_name().unwrap_or_default();
        let file = name.to_string_lossy().into_owned();
        let dash = || "-".to_owned();
        match state {
            State::Ready(plugin) => table.row([
                file,
                format!("{} {}", plugin.name(), plugin.about().version),
                codecs(plugin).join(", "),
                plugin.priority().to_string(),
                plugin.sha256().get(..12).unwrap_or_default().to_owned(),
                "in use".to_owned(),
            ]),
            State::Disabled => {
                table.row([
                    file,
                    dash(),
                    dash(),
                    dash(),
                    dash(),
                    "switched off".to_owned(),
                ]);
            }
            State::Refused(why) => {
                table.row([
                    file,
                    dash(),
                    dash(),
                    dash(),
                    dash(),
                    format!("refused: {why}"),
                ]);
            }
        }
    }
    io::print(table.render())?;
    Ok(Exit::Done)
}

fn codecs(plugin: &Plugin) -> Vec<String> {
    let of = plugin.about().capabilities.iter();
    of.map(|codec| format!("{} {}", codec.kind.name(), codec.subject.name()))
        .collect()
}

fn as_json(found: &Found) -> Value {
    let file = found.path.display().to_string();
    match &found.state {
        State::Ready(plugin) => {
            let (about, terms) = (plugin.about(), plugin.terms());
            json!({
                "file": file,
                "state": "in use",
                "name": about.name,
                "version": about.version,
                "license": about.license,
                "homepage": about.homepage,
                "codecs": codecs(plugin),
                "priority": plugin.priority(),
                "sha256": plugin.sha256(),
                "memory_max": terms.memory_bytes,
                "timeout_ms": terms.job_ms,
            })
        }
        State::Disabled => json!({ "file": file, "state": "switched off" }),
        State::Refused(why) => json!({ "file": file, "state": "refused", "reason": why }),
    }
}

fn names(json: bool) -> Result<Exit, CliError> {
    let formats: Vec<&str> = mime::builtin_pictures()
        .map(|format| format.name())
        .collect();
    let codecs: Vec<&str> = mime::CODECS.iter().map(|codec| codec.name()).collect();
    let text = if json {
        format!("{:#}\n", json!({ "pictures": formats, "codecs": codecs }))
    } else {
        format!(
            "pictures: {}\nsound and moving pictures: {}\n",
            formats.join(" "),
            codecs.join(" ")
        )
    };
    io::print(text)?;
    Ok(Exit::Done)
}

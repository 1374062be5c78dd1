//! `remold profile show`, `match` and `list`.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::io::print;
use crate::cli::target::{caps_file, class_file, parse_header, profile_error, uaprof_file};
use crate::cli::{CliError, Exit};
use crate::limits::Limits;
use crate::profile::classes::class_ids;
use crate::profile::resolve::{Resolution, resolve};
use crate::profile::{Capabilities, Class, Database, ProfileError};

/// Columns of a table's values before they are wrapped.
const VALUE_WIDTH: usize = 64;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold profile show s40-gen1
  remold profile show nokia-6100 --json > caps.json
  remold profile show http://nds1.nds.nokia.com/uaprof/N6100r100.xml
  remold profile show my-class.toml

A FILE is a UAProf document, a class in TOML (.toml) or capabilities in JSON (.json).")]
pub(super) struct Show {
    /// A class or device id, a file, or the URL of a profile in the database
    #[arg(value_name = "ID|FILE|URL")]
    what: String,
    /// Print JSON, which `--caps` reads
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold profile match --header 'User-Agent: SonyEricssonK750i/R1AA'
  remold profile match --header 'x-wap-profile: \"http://a.example/p.xml\"' \\
      --header 'User-Agent: Android-Mms/2.0' --json")]
pub(super) struct Match {
    /// A header of the request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = parse_header, required = true)]
    headers: Vec<(String, String)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold profile list
  remold profile list --json | jq -r '.[] | select(.max_message_size < 50000) | .id'")]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn show(args: &Show) -> Result<Exit, CliError> {
    let found = find_one(&args.what).map_err(|error| error.as_json(args.json))?;
    for warning in &found.warnings {
        eprintln!("remold: {}: {warning}", args.what);
    }
    let device = &found.capabilities;
    print(if args.json {
        pretty(device)?
    } else {
        table(device)?
    })?;
    Ok(Exit::Done)
}

pub(super) fn find(args: &Match) -> Result<Exit, CliError> {
    let found = resolve(&args.headers, &Limits::default())
        .map_err(|error| profile_error(error).as_json(args.json))?;
    let text = if args.json {
        let trail: Vec<Value> = found
            .trail
            .iter()
            .map(|s| json!({ "rule": s.rule, "tried": s.tried, "matched": s.matched }))
            .collect();
        pretty(&json!({
            "rule": found.rule,
            "trail": trail,
            "warnings": found.warnings,
            "device": found.capabilities,
        }))?
    } else {
        let mut text = String::new();
        for step in &found.trail {
            let sign = if step.matched { "matched" } else { "no" };
            line(
                &mut text,
                &format!("{:<30} {sign:<8} {}", step.rule, step.tried),
            );
        }
        for warning in &found.warnings {
            line(&mut text, &format!("warning: {warning}"));
        }
        text.push('\n');
        text + &table(&found.capabilities)?
    };
    print(text)?;
    Ok(Exit::Done)
}

pub(super) fn list(args: &List) -> Result<Exit, CliError> {
    let failed = |error: ProfileError| profile_error(error).as_json(args.json);
    let mut rows = Vec::new();
    for id in class_ids() {
        if let Some(class) = Class::by_id(id).map_err(failed)? {
            rows.push(("class", class.name.clone(), class.capabilities()));
        }
    }
    for device in Database::embedded().map_err(failed)?.devices() {
        let device = device.capabilities();
        let names = [device.vendor.as_deref(), device.model.as_deref()];
        let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
        rows.push(("device", name, device));
    }
    let text = if args.json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(kind, name, d)| row_json(kind, name, d))
            .collect();
        pretty(&rows)?
    } else {
        let width = rows.iter().map(|(_, _, d)| d.id.len()).max().unwrap_or(0);
        let mut text = String::new();
        line(
            &mut text,
            &format!(
                "{:<width$}  {:>8}  {:>9}  {:>9}  name",
                "id", "octets", "box", "screen"
            ),
        );
        for (_, name, device) in &rows {
            let size = device
                .max_message_size
                .as_ref()
                .map(|s| s.value.to_string());
            let image = device.max_image.as_ref().map(|s| s.value.to_string());
            let screen = device.screen.as_ref().map(|s| s.value.to_string());
            let cell = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
            let (size, image, screen) = (cell(size), cell(image), cell(screen));
            line(
                &mut text,
                &format!(
                    "{:<width$}  {size:>8}  {image:>9}  {screen:>9}  {name}",
                    device.id
                ),
            );
        }
        text
    };
    print(text)?;
    Ok(Exit::Done)
}

/// The device that an id, a URL or a file names, in this order.
fn find_one(what: &str) -> Result<Resolution, CliError> {
    if what.contains("://") {
        return Resolution::by_url(what).map_err(|error| match error {
            ProfileError::UnknownId { .. } => {
                CliError::new(Exit::Usage, "the database knows no profile at this URL")
                    .in_file(what)
            }
            error => profile_error(error),
        });
    }
    let unknown = match Resolution::by_id(what) {
        Ok(found) => return Ok(found),
        Err(error) => error,
    };
    let path = Path::new(what);
    if what != "-" && !path.exists() {
        return Err(profile_error(unknown));
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => caps_file(path),
        Some("toml") => class_file(path),
        _ => uaprof_file(path, &Limits::default()),
    }
}

fn row_json(kind: &str, name: &str, device: &Capabilities) -> Value {
    let pair = |d: crate::Dimensions| json!([d.width, d.height]);
    json!({
        "id": device.id,
        "kind": kind,
        "name": name,
        "max_message_size": device.max_message_size.as_ref().map(|s| s.value),
        "max_image": device.max_image.as_ref().map(|s| pair(s.value)),
        "screen": device.screen.as_ref().map(|s| pair(s.value)),
    })
}

/// A device as a table: attribute, value, source.
fn table(device: &Capabilities) -> Result<String, CliError> {
    let mut text = String::new();
    let names = [device.vendor.as_deref(), device.model.as_deref()];
    let name = names.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let head = if name.is_empty() {
        device.id.clone()
    } else {
        format!("{} ({name})", device.id)
    };
    line(&mut text, &head);
    line(&mut text, &format!("from {}", device.source));
    for url in Database::embedded()
        .map_err(profile_error)?
        .urls_of(&device.id)
    {
        line(&mut text, &format!("profile http://{url}"));
    }
    text.push('\n');
    let rows = device.rows();
    let attributes = rows
        .iter()
        .map(|row| row.attribute.len())
        .max()
        .unwrap_or(0);
    let wrapped: Vec<_> = rows.iter().map(|row| wrap(row.value.as_deref())).collect();
    let values = wrapped.iter().flatten().map(String::len).max().unwrap_or(0);
    for (row, lines) in rows.iter().zip(&wrapped) {
        let source = row
            .source
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        for (index, value) in lines.iter().enumerate() {
            let (attribute, source) = match index {
                0 => (row.attribute, source.as_str()),
                _ => ("", ""),
            };
            let row = format!("{attribute:<attributes$}  {value:<values$}  {source}");
            line(&mut text, row.trim_end());
        }
    }
    Ok(text)
}

/// A value in lines of at most [`VALUE_WIDTH`] columns, broken between the items of a list.
fn wrap(value: Option<&str>) -> Vec<String> {
    let value = match value {
        None => "-",
        Some("") => "(none)",
        Some(value) => value,
    };
    let mut lines = vec![String::new()];
    for item in value.split_inclusive(", ") {
        match lines.last_mut() {
            Some(last) if last.is_empty() || last.len() + item.len() <= VALUE_WIDTH => {
                last.push_str(item);
            }
            _ => lines.push(item.to_owned()),
        }
    }
    for text in &mut lines {
        text.truncate(text.trim_end().len());
    }
    lines
}

fn line(text: &mut String, content: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{content}");
}

fn pretty(value: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string_pretty(value)
        .map(|text| text + "\n")
        .map_err(|error| CliError::new(Exit::Internal, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_show_each_value_with_its_source() {
        let found = find_one("s40-gen1").unwrap();
        let text = table(&found.capabilities).unwrap();
        let size = text
            .lines()
            .find(|l| l.starts_with("MmsMaxMessageSize"))
            .unwrap();
        assert!(
            size.contains(" 45000 ") && size.ends_with("class s40-gen1"),
            "{size}"
        );
        let languages = text
            .lines()
            .find(|l| l.starts_with("MmsCcppAcceptLanguage"))
            .unwrap();
        assert!(languages.contains("(none)") && languages.ends_with("class _base"));
        assert!(text.lines().all(|l| l.len() < 130));
    }

    #[test]
    fn long_lists_are_wrapped_between_items() {
        let long = vec!["application/something"; 7].join(", ");
        let lines = wrap(Some(&long));
        assert!(lines.len() > 1 && lines.iter().all(|l| l.len() <= VALUE_WIDTH));
        assert_eq!(lines.join(" "), long);
        assert_eq!(wrap(None), ["-"]);
    }

    #[test]
    fn urls_and_ids_and_nothing_else() {
        let url = "http://nds1.nds.nokia.com/uaprof/N6100r100.xml";
        assert!(
            find_one(url)
                .unwrap()
                .capabilities
                .id
                .starts_with("nokia-6100")
        );
        assert_eq!(
            find_one("http://a.test/none.xml").unwrap_err().exit,
            Exit::Usage
        );
        assert_eq!(find_one("no-such-device").unwrap_err().exit, Exit::Usage);
    }
}

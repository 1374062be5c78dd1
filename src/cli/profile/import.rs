//! `remold profile import`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::cli::io::{read_input, shown, write_output_atomic};
use crate::cli::{CliError, Exit};
use crate::limits::Limits;
use crate::profile::import::{Importer, Origin};

/// Octets of an index that is read; the largest known has one.
const MAX_INDEX: usize = 16 << 20;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold profile import documents/ -o devices.tsv
  remold profile import *.xml --index index.tsv -o devices.tsv --force

The documents' facts go into the database, none of their text. The result does not depend on the
order of the documents.")]
pub(super) struct Args {
    /// UAProf documents, or folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    inputs: Vec<PathBuf>,
    /// Where the database goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// A table with the columns `file`, `url` and perhaps `kind`: where each document is served,
    /// and whether it is `real`, `customized` or `regenerated`; other kinds are left out
    #[arg(long, value_name = "FILE.tsv")]
    index: Option<PathBuf>,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
}

/// What an index says of one document.
struct Entry {
    url: Option<String>,
    origin: Option<Origin>,
}

pub(super) fn run(args: &Args) -> Result<Exit, CliError> {
    let limits = Limits::default();
    let index = match &args.index {
        Some(path) => read_index(path)?,
        None => HashMap::new(),
    };
    let mut importer = Importer::default();
    let (mut taken, mut left_out, mut bad) = (0_usize, 0_usize, 0_usize);
    for path in documents(&args.inputs)? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let entry = index.get(&name);
        let Some(origin) = entry.map_or(Some(Origin::Served), |entry| entry.origin) else {
            left_out += 1;
            continue;
        };
        let url = entry.and_then(|entry| entry.url.as_deref());
        let added = read_input(&path, limits.xml_bytes).and_then(|octets| {
            importer
                .add(&name, &octets, url, origin, &limits)
                .map_err(|error| {
                    CliError::new(Exit::Undecodable, error.kind.to_string())
                        .in_file(shown(&path))
                        .at(error.offset)
                })
        });
        match added {
            Ok(()) => taken += 1,
            Err(error) => {
                bad += 1;
                error.report();
            }
        }
    }
    if taken == 0 {
        return Err(CliError::new(
            Exit::Undecodable,
            "no document could be read",
        ));
    }
    let imported = importer.finish();
    write_output_atomic(&args.output, imported.text.as_bytes(), args.force)?;
    eprintln!(
        "{} devices, {} URLs and {} octets from {taken} documents; {} served again by a better \
         one, {left_out} left out by the index, {bad} unreadable",
        imported.devices,
        imported.urls,
        imported.text.len(),
        imported.superseded,
    );
    Ok(Exit::Done)
}

/// The files named, and those in the folders named, in a stable order.
fn documents(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut found = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            found.push(input.clone());
            continue;
        }
        let failed = |error: std::io::Error| {
            CliError::new(Exit::Internal, format!("cannot be read: {error}")).in_file(shown(input))
        };
        for entry in std::fs::read_dir(input).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read_index(path: &Path) -> Result<HashMap<String, Entry>, CliError> {
    let octets = read_input(path, MAX_INDEX)?;
    let wrong = |message: &str| CliError::new(Exit::Undecodable, message).in_file(shown(path));
    let text =
        std::str::from_utf8(&octets).map_err(|error| wrong("not UTF-8").at(error.valid_up_to()))?;
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| head.iter().position(|column| *column == name);
    let (Some(file), Some(url)) = (column("file"), column("url")) else {
        return Err(wrong("the first line names no columns `file` and `url`"));
    };
    let kind = column("kind");
    let entries = lines.filter_map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let cell = |at: usize| columns.get(at).copied().unwrap_or_default().trim();
        let entry = Entry {
            url: Some(cell(url))
                .filter(|url| !url.is_empty())
                .map(str::to_owned),
            origin: kind.map_or(Some(Origin::Served), |kind| origin(cell(kind))),
        };
        (!cell(file).is_empty()).then(|| (cell(file).to_owned(), entry))
    });
    Ok(entries.collect())
}

fn origin(kind: &str) -> Option<Origin> {
    match kind {
        "real" | "" => Some(Origin::Served),
        "customized" => Some(Origin::Corrected),
        "regenerated" => Some(Origin::Rewritten),
        _ => None,
    }
}

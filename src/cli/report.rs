//! `remold report`.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use super::{CliError, Exit, io};
use crate::batch::page;
use crate::media::Registry;

/// Make a page of reports: tables, plots and pictures in one file that needs no network
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold report out/remold-report.jsonl -o report.html
  remold report monday.jsonl tuesday.jsonl -o week.html --title 'This week' --pictures 24")]
pub(super) struct ReportArgs {
    /// Reports as `remold batch` and `remold adapt --report` write them; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    reports: Vec<PathBuf>,
    /// The page; `-` is stdout
    #[arg(short, long, value_name = "FILE.html")]
    output: PathBuf,
    /// What the page is called [default: the names of the reports]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Pictures to show before and after, from the files that the reports name
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(..=200))]
    pictures: u16,
    /// Replace a page that exists
    #[arg(long)]
    force: bool,
}

/// Runs `remold report`.
pub(super) fn report(args: &ReportArgs) -> Result<Exit, CliError> {
    let mut rows = Vec::new();
    for path in &args.reports {
        let read = if io::is_dash(path) {
            page::read(std::io::stdin().lock())
        } else {
            File::open(path).and_then(|file| page::read(BufReader::new(file)))
        };
        let read = read.map_err(|error| {
            let exit = match error.kind() {
                std::io::ErrorKind::InvalidData => Exit::Undecodable,
                _ => Exit::Internal,
            };
            CliError::new(exit, format!("cannot be read: {error}")).in_file(io::shown(path))
        })?;
        rows.extend(read);
    }
    let names: Vec<String> = args.reports.iter().map(|path| io::shown(path)).collect();
    let title = args.title.clone().unwrap_or_else(|| names.join(", "));
    let pairs = page::pairs(&rows, usize::from(args.pictures), &Registry::builtin());
    let page = page::render(&title, &rows, &pairs);
    io::write_output_atomic(&args.output, page.as_bytes(), args.force)?;
    Ok(if rows.is_empty() {
        Exit::Nothing
    } else {
        Exit::Done
    })
}

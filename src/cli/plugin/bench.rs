//! `remold plugin bench`.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{BenchArgs, files};
use crate::cli::table::Table;
use crate::cli::{CliError, Exit, io};
use crate::limits::Limits;
use crate::media::image::Source;
use crate::media::{Cancel, MediaError, Registry};
use crate::plugin::Plugin;

/// Runs `remold plugin bench`.
pub(super) fn bench(args: &BenchArgs) -> Result<Exit, CliError> {
    let host = files::host(false)?;
    let begun = Instant::now();
    let plugin = files::load(&args.plugin, &host)?;
    let load = begun.elapsed();
    let mut table = Table::new(["what", "least", "median"]);
    table.row(["load, from the cache where it is there", &shown(load), "-"]);
    let failed = |error: MediaError| CliError::new(Exit::Refused, error.to_string());
    let start = measure(args.rounds, || plugin.start_and_end()).map_err(failed)?;
    table.row([
        "start: an instance and its first call",
        &shown(start.0),
        &shown(start.1),
    ]);
    if let Some(path) = &args.sample {
        decoding(&mut table, &plugin, path, args.rounds)?;
    }
    io::print(table.render())?;
    Ok(Exit::Done)
}

fn decoding(table: &mut Table, plugin: &Plugin, path: &Path, rounds: u32) -> Result<(), CliError> {
    let limits = Limits::default();
    let data = io::read_input(path, limits.media_bytes)?;
    let name = io::shown(path);
    let wrong = |what: String| CliError::new(Exit::Undecodable, what).in_file(name.clone());
    let mut registry = Registry::empty();
    plugin.register(&mut registry);
    let info = registry
        .probe(&data, &limits)
        .map_err(|error| wrong(error.to_string()))?;
    let sandboxed = decode_with(&registry, &data, info.format, rounds)
        .map_err(|error| wrong(error.to_string()))?;
    table.row([
        "decode in the sandbox",
        &shown(sandboxed.0),
        &shown(sandboxed.1),
    ]);
    if Registry::builtin().decodes(info.format)
        && let Ok(builtin) = decode_with(&Registry::builtin(), &data, info.format, rounds)
    {
        table.row(["decode built in", &shown(builtin.0), &shown(builtin.1)]);
    }
    Ok(())
}

fn decode_with(
    registry: &Registry,
    data: &Bytes,
    format: crate::media::Format,
    rounds: u32,
) -> Result<(Duration, Duration), MediaError> {
    let (limits, cancel) = (Limits::default(), Cancel::new());
    measure(rounds, || {
        Source::open_still(data, format, registry, &limits, &cancel, None).map(|_| ())
    })
}

/// The least and the median time of so many rounds.
fn measure(
    rounds: u32,
    mut run: impl FnMut() -> Result<(), MediaError>,
) -> Result<(Duration, Duration), MediaError> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        run()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    Ok((at(0), at(times.len() / 2)))
}

fn shown(time: Duration) -> String {
    let nanos = time.as_nanos();
    if nanos < 10_000_000 {
        format!("{}.{} µs", nanos / 1000, nanos % 1000 / 100)
    } else {
        format!("{}.{} ms", nanos / 1_000_000, nanos % 1_000_000 / 100_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sorted_and_shown_in_a_fitting_unit() {
        assert_eq!(shown(Duration::from_nanos(38_250)), "38.2 µs");
        assert_eq!(shown(Duration::from_micros(14_100)), "14.1 ms");
        let mut rounds = 0;
        let (least, median) = measure(5, || {
            rounds += 1;
            Ok(())
        })
        .unwrap();
        assert!(rounds == 5 && least <= median);
    }
}

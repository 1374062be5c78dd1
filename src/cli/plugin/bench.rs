//! `remold plugin bench`.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{BenchArgs, files};
use crate::cli::table::Table;
use crate::cli::{CliError, Exit, io};
use crate::limits::Limits;
use crate::media::image::Source;
use crate::media::{Cancel, Codec, Format, MediaError, Registry};
use crate::plugin::tracks::{self, Track};
use crate::plugin::{Kind, Subject};

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
    let limits = Limits::default();
    let sample = match &args.sample {
        Some(path) => Some((io::shown(path), io::read_input(path, limits.media_bytes)?)),
        None => None,
    };
    let mut alone = Registry::empty();
    plugin.register(&mut alone);
    let mut read = sample.is_none();
    for capability in &plugin.about().capabilities {
        let run = Run {
            table: &mut table,
            alone: &alone,
            rounds: args.rounds,
        };
        let sample = sample.as_ref().map(|(_, data)| data);
        read |= match (capability.kind, capability.subject) {
            (Kind::ImageDecoder, Subject::Format(format)) => run.picture(format, sample),
            (Kind::AudioDecoder | Kind::VideoDecoder, Subject::Codec(codec)) => {
                run.track(codec, sample)
            }
            (Kind::AudioEncoder, Subject::Codec(codec)) => {
                let what = format!("a second of sound to {}", codec.name());
                run.both(&what, &|registry| tracks::sound(registry, codec).map(drop))
            }
            (Kind::VideoEncoder, Subject::Codec(codec)) => {
                let what = format!("20 frames of 176x144 to {}", codec.name());
                run.both(&what, &|registry| tracks::film(registry, codec).map(drop))
            }
            _ => Ok(false),
        }
        .map_err(|error| match &sample_name(args) {
            Some(name) => CliError::new(Exit::Undecodable, error.to_string()).in_file(name.clone()),
            None => failed(error),
        })?;
    }
    if !read && let Some(name) = sample_name(args) {
        let message = format!("there is nothing in it that {} reads", plugin.name());
        return Err(CliError::new(Exit::Undecodable, message).in_file(name));
    }
    io::print(table.render())?;
    Ok(Exit::Done)
}

fn sample_name(args: &BenchArgs) -> Option<String> {
    args.sample.as_deref().map(io::shown)
}

/// One codec of the plugin, and the built-in one beside it.
struct Run<'a> {
    table: &'a mut Table,
    /// The plugin's codecs and no others.
    alone: &'a Registry,
    rounds: u32,
}

impl Run<'_> {
    /// Whether the sample is a picture of this format.
    fn picture(self, format: Format, sample: Option<&Bytes>) -> Result<bool, MediaError> {
        let Some(data) = sample else { return Ok(false) };
        let limits = Limits::default();
        if self.alone.probe(data, &limits).map(|info| info.format) != Ok(format) {
            return Ok(false);
        }
        let what = format!("decode {}", format.name());
        self.both(&what, &|registry| {
            Source::open_still(data, format, registry, &limits, &Cancel::new(), None).map(drop)
        })?;
        Ok(true)
    }

    /// Whether the sample has a track in this codec.
    fn track(self, codec: Codec, sample: Option<&Bytes>) -> Result<bool, MediaError> {
        let Some(track) = sample.and_then(|data| Track::of(data, codec).ok()) else {
            return Ok(false);
        };
        let what = format!("decode {} packets of {}", track.packets.len(), codec.name());
        self.both(&what, &|registry| {
            track.decode(registry, &track.packets).map(drop)
        })?;
        Ok(true)
    }

    /// Measures the plugin, and the built-in codec where there is one that does the same. Nothing of a
    /// sample was read.
    fn both(
        self,
        what: &str,
        run: &dyn Fn(&Registry) -> Result<(), MediaError>,
    ) -> Result<bool, MediaError> {
        let inside = measure(self.rounds, || run(self.alone))?;
        let what_inside = format!("{what}, in the sandbox");
        self.table
            .row([&what_inside, &shown(inside.0), &shown(inside.1)]);
        let builtin = Registry::builtin();
        if let Ok(own) = measure(self.rounds, || run(&builtin)) {
            let what_own = format!("{what}, built in");
            self.table.row([&what_own, &shown(own.0), &shown(own.1)]);
        }
        Ok(false)
    }
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

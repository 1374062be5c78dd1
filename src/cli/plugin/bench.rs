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
use crate::plugin::{Capability, Kind, Subject};

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
    let mut alone = Registry::empty();
    plugin.register(&mut alone);
    let limit = Limits::default().media_bytes;
    let sample = args.sample.as_deref();
    let mut run = Run {
        table,
        alone,
        rounds: args.rounds,
        sample: sample.map(|path| io::read_input(path, limit)).transpose()?,
    };
    let mut read = false;
    for capability in &plugin.about().capabilities {
        read |= run.codec(capability).map_err(|error| match sample {
            Some(path) if !error.blames_codec() => {
                CliError::new(Exit::Undecodable, error.to_string()).in_file(io::shown(path))
            }
            _ => failed(error),
        })?;
    }
    if let Some(path) = sample
        && !read
    {
        let message = format!("{} reads nothing of it", plugin.name());
        return Err(CliError::new(Exit::Undecodable, message).in_file(io::shown(path)));
    }
    io::print(run.table.render())?;
    Ok(Exit::Done)
}

/// What is measured of each codec, with the built-in one beside it.
struct Run {
    table: Table,
    /// The plugin's codecs and no others.
    alone: Registry,
    rounds: u32,
    sample: Option<Bytes>,
}

impl Run {
    /// Measures one codec; says whether it read the sample.
    fn codec(&mut self, codec: &Capability) -> Result<bool, MediaError> {
        match (codec.kind, codec.subject) {
            (Kind::ImageDecoder, Subject::Format(format)) => self.picture(format),
            (Kind::AudioDecoder | Kind::VideoDecoder, Subject::Codec(codec)) => self.track(codec),
            (Kind::AudioEncoder, Subject::Codec(codec)) => {
                let what = format!("a second of sound to {}", codec.name());
                self.both(&what, &|registry| tracks::sound(registry, codec).map(drop))?;
                Ok(false)
            }
            (Kind::VideoEncoder, Subject::Codec(codec)) => {
                let what = format!("20 frames of 176x144 to {}", codec.name());
                self.both(&what, &|registry| tracks::film(registry, codec).map(drop))?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Whether the sample is a picture of this format.
    fn picture(&mut self, format: Format) -> Result<bool, MediaError> {
        let Some(data) = self.sample.clone() else {
            return Ok(false);
        };
        let limits = Limits::default();
        if self.alone.probe(&data, &limits).map(|info| info.format) != Ok(format) {
            return Ok(false);
        }
        let what = format!("decode {}", format.name());
        self.both(&what, &|registry| {
            Source::open_still(&data, format, registry, &limits, &Cancel::new(), None).map(drop)
        })?;
        Ok(true)
    }

    /// Whether the sample has a track in this codec.
    fn track(&mut self, codec: Codec) -> Result<bool, MediaError> {
        let track = self.sample.as_ref().map(|data| Track::of(data, codec));
        let Some(Ok(track)) = track else {
            return Ok(false);
        };
        let what = format!("decode {} packets of {}", track.packets.len(), codec.name());
        self.both(&what, &|registry| {
            track.decode(registry, &track.packets).map(drop)
        })?;
        Ok(true)
    }

    /// Measures the plugin, and the built-in codec where there is one that does the same.
    fn both(
        &mut self,
        what: &str,
        run: &dyn Fn(&Registry) -> Result<(), MediaError>,
    ) -> Result<(), MediaError> {
        let inside = measure(self.rounds, || run(&self.alone))?;
        let mut row = |place: &str, (least, median): (Duration, Duration)| {
            let what = format!("{what}, {place}");
            self.table.row([&what, &shown(least), &shown(median)]);
        };
        row("in the sandbox", inside);
        let builtin = Registry::builtin();
        if let Ok(own) = measure(self.rounds, || run(&builtin)) {
            row("built in", own);
        }
        Ok(())
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

//! Logs: what happened to which message, a line each. Numbers of people are masked unless the
//! operator wants them; what they wrote is never there.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use super::config::{Log, LogFormat, LogLevel, LogNumbers};

/// Digits in a row that may be somebody's number.
const LONG: usize = 7;
/// Characters that are left of a number at its beginning and at its end.
const LEFT: (usize, usize) = (5, 2);

/// Whether logs hold whole numbers. One for all of the process, as the logs are.
static FULL: AtomicBool = AtomicBool::new(false);

/// The way to change what is logged while the server runs.
#[derive(Debug, Clone)]
pub struct Logs {
    level: Option<reload::Handle<LevelFilter, Registry>>,
}

impl Logs {
    /// Begins to write logs to stderr for the whole process.
    ///
    /// # Errors
    /// Where somebody else writes them already.
    pub fn start(log: Log) -> Result<Self, String> {
        let (level, handle) = reload::Layer::new(filter(log.level));
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let registry = tracing_subscriber::registry().with(level);
        let started = match log.format {
            LogFormat::Text => registry
                .with(lines.with_target(false).with_ansi(false))
                .try_init(),
            LogFormat::Json => registry
                .with(lines.json().flatten_event(true).with_current_span(false))
                .try_init(),
        };
        started.map_err(|error| error.to_string())?;
        let logs = Self {
            level: Some(handle),
        };
        logs.set(log);
        Ok(logs)
    }

    /// Logs that nobody started: what is set changes nothing but the masks.
    #[must_use]
    pub const fn none() -> Self {
        Self { level: None }
    }

    /// Changes the level, and whether numbers are masked. The format stays.
    pub fn set(&self, log: Log) {
        FULL.store(log.numbers == LogNumbers::Full, Ordering::Relaxed);
        if let Some(level) = &self.level {
            // It fails only when the logs are gone.
            let _ = level.reload(filter(log.level));
        }
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

/// An address of somebody, as logs may hold it: `+15550001111` is `+1555…11`.
#[derive(Clone, Copy)]
pub struct Masked<'a>(pub &'a str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.0.strip_suffix("/TYPE=PLMN").unwrap_or(self.0);
        if FULL.load(Ordering::Relaxed) {
            return write_clean(f, plain);
        }
        match plain.rsplit_once('@') {
            Some((local, domain)) => {
                write_clean(f, &local.chars().take(1).collect::<String>())?;
                f.write_str("…@")?;
                write_clean(f, domain)
            }
            None => mask(f, plain),
        }
    }
}

impl fmt::Debug for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that may hold numbers somewhere, with each of them masked.
#[derive(Clone, Copy)]
pub struct Scrubbed<'a>(pub &'a str);

impl fmt::Display for Scrubbed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if FULL.load(Ordering::Relaxed) {
            return write_clean(f, self.0);
        }
        let mut rest = self.0;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let (before, from) = rest.split_at(start);
            let length = from
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(from.len());
            let (digits, after) = from.split_at(length);
            write_clean(f, before)?;
            if length >= LONG {
                mask(f, digits)?;
            } else {
                f.write_str(digits)?;
            }
            rest = after;
        }
        write_clean(f, rest)
    }
}

impl fmt::Debug for Scrubbed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn mask(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let length = text.chars().count();
    if length < LONG {
        return f.write_str("…");
    }
    let (first, last) = LEFT;
    let head: String = text.chars().take(first).collect();
    let tail: String = text.chars().skip(length.saturating_sub(last)).collect();
    write_clean(f, &head)?;
    f.write_str("…")?;
    write_clean(f, &tail)
}

/// Control characters would end a line or colour a terminal.
fn write_clean(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .try_for_each(|c| fmt::Write::write_char(f, c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_known_by_what_is_left_of_his_address() {
        for (address, left) in [
            ("+15550001111/TYPE=PLMN", "+1555…11"),
            ("+15550001111", "+1555…11"),
            ("alice@example.com", "a…@example.com"),
            ("@", "…@"),
            ("12345", "…"),
            ("", "…"),
            ("+1555\n001111", "+1555…11"),
        ] {
            assert_eq!(Masked(address).to_string(), left);
            assert_eq!(format!("{:?}", Masked(address)), left);
        }
    }

    #[test]
    fn numbers_inside_a_text_are_masked_and_others_stay() {
        let text = "gateway 10.0.0.1:8080 said 404: no route to +4917012345678\r\nx";
        assert_eq!(
            Scrubbed(text).to_string(),
            "gateway 10.0.0.1:8080 said 404: no route to +49170…78  x"
        );
    }
}

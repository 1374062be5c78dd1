//! What the system says of this process, under the names that Prometheus's own clients use. All
//! of it is zero where there is no `/proc`.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Clock ticks of a second in `/proc`: fixed on Linux for programs.
const TICKS: f64 = 100.0;

/// Figures of this process.
#[derive(Debug)]
pub(super) struct Process {
    registry: Registry,
    cpu: Counter<f64, AtomicU64>,
    resident: Gauge,
    virtual_memory: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
    threads: Gauge,
    started: Gauge<f64, AtomicU64>,
}

/// What is read from `/proc`.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    cpu_seconds: f64,
    started_ticks: f64,
    threads: i64,
    virtual_bytes: i64,
}

impl Process {
    /// The figures, not read yet.
    pub(super) fn new() -> Self {
        let mut process = Self {
            registry: Registry::with_prefix("process"),
            cpu: Counter::default(),
            resident: Gauge::default(),
            virtual_memory: Gauge::default(),
            open_fds: Gauge::default(),
            max_fds: Gauge::default(),
            threads: Gauge::default(),
            started: Gauge::default(),
        };
        let add = &mut process.registry;
        add.register_with_unit(
            "cpu",
            "Processor time of user and system",
            Unit::Seconds,
            process.cpu.clone(),
        );
        add.register_with_unit(
            "resident_memory",
            "Memory that is in use",
            Unit::Bytes,
            process.resident.clone(),
        );
        add.register_with_unit(
            "virtual_memory",
            "Memory that is mapped",
            Unit::Bytes,
            process.virtual_memory.clone(),
        );
        add.register("open_fds", "Open descriptors", process.open_fds.clone());
        add.register(
            "max_fds",
            "Descriptors that may be open",
            process.max_fds.clone(),
        );
        add.register("threads", "Threads", process.threads.clone());
        add.register_with_unit(
            "start_time",
            "When the process began, since 1970",
            Unit::Seconds,
            process.started.clone(),
        );
        process
    }

    /// Reads the figures anew, and gives them.
    pub(super) fn read(&self) -> &Registry {
        let text =
            |name: &str| std::fs::read_to_string(format!("/proc/{name}")).unwrap_or_default();
        let reading = stat(&text("self/stat")).unwrap_or_default();
        let more = (reading.cpu_seconds - self.cpu.get()).max(0.0);
        self.cpu.inc_by(more);
        self.threads.set(reading.threads);
        self.virtual_memory.set(reading.virtual_bytes);
        self.resident.set(
            line(&text("self/status"), "VmRSS:").map_or(0, |kib: i64| kib.saturating_mul(1024)),
        );
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        self.open_fds.set(i64::try_from(open).unwrap_or(i64::MAX));
        self.max_fds
            .set(line(&text("self/limits"), "Max open files").unwrap_or(0));
        let booted: f64 = line(&text("stat"), "btime").unwrap_or(0.0);
        self.started.set(booted + reading.started_ticks / TICKS);
        &self.registry
    }
}

/// The first number after a word.
fn line<T: std::str::FromStr>(text: &str, word: &str) -> Option<T> {
    let rest = text.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// `/proc/self/stat` (proc(5)); its second field may hold anything, in brackets.
fn stat(text: &str) -> Option<Reading> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |field: usize| -> Option<f64> {
        // The third field of the page is the first one after the bracket.
        fields.get(field.checked_sub(3)?)?.parse().ok()
    };
    let whole = |field: usize| -> Option<i64> { fields.get(field.checked_sub(3)?)?.parse().ok() };
    Some(Reading {
        cpu_seconds: (number(14)? + number(15)?) / TICKS,
        threads: whole(20)?,
        started_ticks: number(22)?,
        virtual_bytes: whole(23)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_hides_nothing() {
        let text = "7 (a) b) S 1 7 7 0 -1 4 5 6 7 8 150 50 9 10 20 0 3 0 1234 4096 99";
        let reading = stat(text).unwrap();
        assert_eq!(
            reading,
            Reading {
                cpu_seconds: 2.0,
                threads: 3,
                started_ticks: 1234.0,
                virtual_bytes: 4096,
            }
        );
        assert_eq!(stat("7 (a"), None);
        assert_eq!(line::<i64>("A: 1\nVmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
    }
}

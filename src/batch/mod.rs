//! Many inputs against many devices: what is to be done, in parallel and within bounds, and a report
//! that is also the journal from which a job that was ended goes on.
//!
//! 1. [`input`] finds the inputs: files, folders, patterns, lists, manifests, and the objects of a
//!    bucket ([`object`]).
//! 2. [`journal`] says which results are there already.
//! 3. [`Run`] does the rest: a thread for each job, each input within its deadline and its share of
//!    the memory; results are written whole or not at all, then told to the journal.
//! 4. [`tally`] sums up; [`page`] makes a page of a report; [`watch`] does all of it whenever a file
//!    appears in a folder.
//!
//! [`share`] writes inputs down for workers on other machines.
//!
//! A result is, octet for octet, what `remold adapt` makes of the same input for the same device.

mod deadline;
mod files;
pub mod glob;
pub mod input;
mod item;
pub mod journal;
pub mod line;
pub mod manifest;
mod memory;
mod names;
pub mod object;
pub mod page;
mod run;
mod sequence;
pub mod share;
pub mod tally;
pub mod template;
pub mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

pub use input::Input;
pub use journal::{Journal, JournalError};
pub use line::Line;
pub use run::{Ending, Event, Run};
pub use tally::Tally;
pub use template::Template;

use crate::adapt::Policy;
use crate::limits::Limits;
use crate::media::Registry;
use crate::profile::Capabilities;

/// What is done to every input, and within which bounds.
#[derive(Debug, Clone)]
pub struct Job {
    /// The folder that results are written below.
    pub out: PathBuf,
    /// The devices; an input without devices of its own is for the first
    /// [`everyone`](Self::everyone) of them.
    pub devices: Vec<Device>,
    /// How many of the devices are for every input.
    pub everyone: usize,
    /// How results are called.
    pub names: Template,
    /// What an operator decides.
    pub policy: Policy,
    /// The codecs.
    pub registry: Registry,
    /// Where inputs are that are no files.
    pub objects: Arc<dyn object::Objects>,
    /// Bounds on each input.
    pub limits: Limits,
    /// Inputs that are worked on at the same time.
    pub jobs: usize,
    /// Octets of memory that all of them may take together, by an estimate from their headers.
    pub memory: Option<u64>,
    /// Time that one input may take, for all of its devices.
    pub deadline: Duration,
    /// When failures end the job.
    pub halt: Halt,
    /// Whether results replace files that the job did not write.
    pub force: bool,
    /// Whether results and the journal are synced to the disk as they are written.
    pub durable: bool,
    /// Whether results are told in the order of the inputs.
    pub ordered: bool,
    /// Whether everything is only planned, and nothing written.
    pub dry_run: bool,
    /// Whether plans are told with the results.
    pub explain: bool,
}

/// A device that results are made for.
#[derive(Debug, Clone)]
pub struct Device {
    /// What it is called in names of files and in the report: unique in a job.
    pub name: String,
    /// What it takes.
    pub caps: Capabilities,
}

/// When failures end a job, in the words of GNU parallel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// However many inputs fail, the others are done.
    Never,
    /// After this many failures nothing is begun; what is under way ends.
    Soon(u64),
    /// After this many failures what is under way is stopped, too.
    Now(u64),
}

impl std::str::FromStr for Halt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "one of never, soon,fail=N and now,fail=N".to_owned();
        if text == "never" {
            return Ok(Self::Never);
        }
        let (when, count) = text.split_once(",fail=").ok_or_else(wrong)?;
        let count = count.parse().ok().filter(|count| *count > 0);
        match (when, count) {
            ("soon", Some(count)) => Ok(Self::Soon(count)),
            ("now", Some(count)) => Ok(Self::Now(count)),
            _ => Err(wrong()),
        }
    }
}

/// How a job is told to stop, from any thread.
#[derive(Debug, Default)]
pub struct Control(AtomicU8);

/// What a job was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// To go on.
    GoOn,
    /// To begin nothing more.
    Finish,
    /// To stop what is under way as well.
    Stop,
}

impl Control {
    /// Begins nothing more; what is under way ends.
    pub fn finish(&self) {
        self.0.fetch_max(1, Ordering::SeqCst);
    }

    /// Stops what is under way, too. What it would have written is not.
    pub fn stop(&self) {
        self.0.fetch_max(2, Ordering::SeqCst);
    }

    /// What was told so far.
    #[must_use]
    pub fn told(&self) -> Told {
        match self.0.load(Ordering::SeqCst) {
            0 => Told::GoOn,
            1 => Told::Finish,
            _ => Told::Stop,
        }
    }
}

/// Hexadecimal digits.
#[must_use]
pub(crate) fn hex(octets: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    octets
        .iter()
        .flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0F)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halting_is_read_as_gnu_parallel_writes_it() {
        assert_eq!("never".parse(), Ok(Halt::Never));
        assert_eq!("soon,fail=1".parse(), Ok(Halt::Soon(1)));
        assert_eq!("now,fail=20".parse(), Ok(Halt::Now(20)));
        for wrong in ["", "now", "soon,fail=0", "later,fail=1", "now,fail=x"] {
            assert!(wrong.parse::<Halt>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_told_is_never_taken_back() {
        let control = Control::default();
        assert_eq!(control.told(), Told::GoOn);
        control.stop();
        control.finish();
        assert_eq!(control.told(), Told::Stop);
    }

    #[test]
    fn digits_are_in_order() {
        assert_eq!(hex(&[0x00, 0xA5, 0xFF]), "00a5ff");
    }
}

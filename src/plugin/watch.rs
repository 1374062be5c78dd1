//! What is told of jobs to whoever counts them.

use std::sync::Arc;
use std::time::Duration;

/// What gets told: the plugin's name, and what happened.
pub type Watch = Arc<dyn Fn(&str, Event) + Send + Sync>;

/// Something that happened to a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A job ended, well or not, after its code ran for so long.
    Ended(Duration),
    /// A job failed through a fault of the plugin.
    Failed(Failure),
    /// It failed too often in a row and is left alone for a while.
    Quarantined,
}

/// How a plugin failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// It ran for too long.
    Deadline,
    /// It used more fuel than it had.
    Fuel,
    /// It asked for more memory than there is.
    Memory,
    /// It gave what it must not, or said that it failed.
    Result,
    /// It trapped.
    Trap,
}

impl Failure {
    /// Its name in figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Fuel => "fuel",
            Self::Memory => "memory",
            Self::Result => "result",
            Self::Trap => "trap",
        }
    }
}

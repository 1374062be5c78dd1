//! Ending the process, or failing the disk, at a named moment: how it is tested that nothing is
//! lost then, with the very program that is shipped.
//!
//! `REMOLD_FAULT=commit:17:kill` ends the process the seventeenth time that a commit is about to
//! begin; `:error` makes that commit fail. It is read once, when a server starts. A build for tests
//! alone would be another program than the one operators run; where the variable is not set, each
//! moment costs the comparison of a pointer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::relay::Moment;
use crate::store::{Faults, Point};

/// The variable of the environment.
const VARIABLE: &str = "REMOLD_FAULT";

/// What happens when.
#[derive(Debug)]
pub(super) struct Fault {
    moment: String,
    left: AtomicU64,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The process ends as by `kill -9`: nothing is tidied up.
    Kill,
    /// The disk says no, this once.
    Error,
}

impl Fault {
    /// What the environment asks for.
    ///
    /// # Errors
    /// Where it asks for something there is not.
    pub(super) fn from_environment() -> io::Result<Option<Arc<Self>>> {
        match std::env::var(VARIABLE) {
            Ok(text) => Self::parse(&text)
                .map(|fault| Some(Arc::new(fault)))
                .ok_or_else(|| {
                    let error = format!("{VARIABLE}={text}: write MOMENT:COUNT:kill or :error");
                    io::Error::new(io::ErrorKind::InvalidInput, error)
                }),
            Err(_) => Ok(None),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (moment, rest) = text.split_once(':')?;
        let (count, action) = rest.split_once(':')?;
        let action = match action {
            "kill" => Action::Kill,
            "error" => Action::Error,
            _ => return None,
        };
        let of_store = Point::ALL.iter().any(|point| point.name() == moment);
        let of_relay = Moment::ALL.iter().any(|known| known.name() == moment);
        let count = count.parse().ok().filter(|count| *count > 0)?;
        (of_store || of_relay && action == Action::Kill).then(|| Self {
            moment: moment.to_owned(),
            left: AtomicU64::new(count),
            action,
        })
    }

    /// A moment of this name is there.
    pub(super) fn pass(&self, name: &str) -> io::Result<()> {
        if name != self.moment || self.left.fetch_sub(1, Ordering::Relaxed) != 1 {
            return Ok(());
        }
        match self.action {
            Action::Kill => std::process::abort(),
            Action::Error => Err(io::Error::other("the environment asked for an error")),
        }
    }
}

impl Faults for Fault {
    fn at(&self, point: Point) -> io::Result<()> {
        self.pass(point.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_moments_that_there_are_can_be_asked_for() {
        for wrong in [
            "",
            "commit",
            "commit:1",
            "commit:0:kill",
            "commit:x:kill",
            "commit:1:stop",
            "nowhere:1:kill",
            "pushed:1:error",
        ] {
            assert!(Fault::parse(wrong).is_none(), "{wrong}");
        }
        assert!(Fault::parse("pushed:1:kill").is_some());
        let fault = Fault::parse("commit:2:error").unwrap();
        let fails = |point| fault.at(point).is_err();
        assert!(!fails(Point::BodySync) && !fails(Point::Commit));
        assert!(fails(Point::Commit), "the second time");
        assert!(!fails(Point::Commit), "and only then");
    }
}

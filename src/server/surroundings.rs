//! The clock and the random numbers of the machine.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::fault::Fault;
use crate::mm4::Bell;
use crate::relay::{Moment, Surroundings};
use crate::store::Millis;

/// Random octets that are drawn from the system at once: it takes as long for 32.
const DRAWN: usize = 4096;

/// The machine.
pub(super) struct System {
    /// Random octets that nobody has had yet.
    drawn: Mutex<Vec<[u8; 32]>>,
    wake: Option<SyncSender<()>>,
    bell: Option<Arc<Bell>>,
    fault: Option<Arc<Fault>>,
}

impl System {
    /// The machine; new work is announced on `wake`, that for peers by `bell`. A test may ask for
    /// a fault.
    pub(super) fn new(wake: SyncSender<()>, bell: Arc<Bell>, fault: Option<Arc<Fault>>) -> Self {
        Self {
            drawn: Mutex::default(),
            wake: Some(wake),
            bell: Some(bell),
            fault,
        }
    }

    /// The machine, for its clock alone.
    pub(super) fn clock() -> Self {
        Self {
            drawn: Mutex::default(),
            wake: None,
            bell: None,
            fault: None,
        }
    }
}

impl Surroundings for System {
    fn now(&self) -> Millis {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_millis()).ok())
            .unwrap_or(0)
    }

    fn random(&self) -> Result<[u8; 32], String> {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(octets) = drawn.pop() {
            return Ok(octets);
        }
        let mut octets = [0; DRAWN];
        getrandom::fill(&mut octets).map_err(|error| format!("no random numbers: {error}"))?;
        let (numbers, _) = octets.as_chunks();
        drawn.extend_from_slice(numbers);
        drawn.pop().ok_or_else(|| "no random numbers".to_owned())
    }

    fn wake(&self) {
        if let Some(wake) = &self.wake {
            // Where the channel is full, the dispatcher is about to look anyway.
            let _ = wake.try_send(());
        }
    }

    fn wake_peers(&self) {
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }

    fn pass(&self, moment: Moment) {
        if let Some(fault) = &self.fault {
            // Nothing but a kill can be asked for here.
            let _ = fault.pass(moment.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_number_is_given_out_twice() {
        let system = System::clock();
        let numbers: HashSet<_> = (0..1_000).map(|_| system.random().unwrap()).collect();
        assert_eq!(numbers.len(), 1_000);
        assert!(!numbers.contains(&[0; 32]));
    }
}

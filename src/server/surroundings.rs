//! The clock and the random numbers of the machine.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{SystemTime, UNIX_EPOCH};

use super::fault::Fault;
use crate::mm4::Bell;
use crate::relay::{Moment, Surroundings};
use crate::store::Millis;

/// The machine.
pub(super) struct System {
    wake: Option<SyncSender<()>>,
    bell: Option<Arc<Bell>>,
    fault: Option<Arc<Fault>>,
}

impl System {
    /// The machine; new work is announced on `wake`, that for peers by `bell`. A test may ask for
    /// a fault.
    pub(super) fn new(wake: SyncSender<()>, bell: Arc<Bell>, fault: Option<Arc<Fault>>) -> Self {
        Self {
            wake: Some(wake),
            bell: Some(bell),
            fault,
        }
    }

    /// The machine, for its clock alone.
    pub(super) fn clock() -> Self {
        Self {
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
        let mut octets = [0; 32];
        getrandom::fill(&mut octets).map_err(|error| format!("no random numbers: {error}"))?;
        Ok(octets)
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

//! A relay for a fuzzer: a store in a folder of its own, a clock that is set by hand, numbers that
//! are drawn in order, and phones that keep what they are told.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use remold::Limits;
use remold::relay::{
    Content, Device, FitError, Fitted, Fitter, Notice, Notifier, NotifyError, Numbering, Relay,
    Retry, Surroundings, Terms,
};
use remold::store::{Millis, SqliteStore};

/// What a phone or a sender was told: about which message, whose phone, and the push.
pub(crate) type Told = (String, String, Vec<u8>);

pub(crate) struct Bench {
    pub(crate) relay: Arc<Relay>,
    pub(crate) world: Arc<World>,
    pub(crate) phones: Phones,
    folder: PathBuf,
}

impl Bench {
    pub(crate) fn new(name: &str) -> Self {
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        };
        let folder = root.join(format!("remold-fuzz-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let world = Arc::new(World {
            now: AtomicI64::new(1_700_000_000_000),
            drawn: AtomicU64::new(0),
        });
        Self {
            relay: Arc::new(relay(&folder, world.clone())),
            world,
            phones: Phones::default(),
            folder,
        }
    }

    /// Ends the relay and begins a new one on the same store.
    pub(crate) fn restart(&mut self) {
        // The store is locked until the last relay is gone.
        let nothing = PathBuf::from(format!("{}-none", self.folder.display()));
        self.relay = Arc::new(relay(&nothing, self.world.clone()));
        self.relay = Arc::new(relay(&self.folder, self.world.clone()));
        let _ = std::fs::remove_dir_all(nothing);
    }

    pub(crate) fn advance(&self, by: Millis) {
        self.world.now.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Millis {
        self.world.now()
    }

    /// Does what is due, at most so often.
    pub(crate) fn run_due(&self, most: usize) {
        for _ in 0..most {
            if self.relay.run_due(&self.phones).expect("the store works") == 0 {
                return;
            }
        }
    }

    /// Lets time pass until nothing waits for anything, and everything is forgotten. Nothing may
    /// be left then.
    pub(crate) fn drain(&self) {
        self.phones.fail(None);
        for _ in 0..10_000 {
            self.run_due(100);
            let Some(due) = self.relay.next_due().expect("the store works") else {
                break;
            };
            self.advance(due.saturating_sub(self.now()).max(1));
        }
        let next = self.relay.next_due().expect("the store works");
        assert_eq!(next, None, "something waits for ever");
        let terms = self.relay.terms();
        self.advance(terms.keep_body + terms.keep_trace + 2);
        // It deletes as many at once as it likes.
        let mut page = self.relay.page().expect("the store works");
        for _ in 0..100 {
            if page.messages == 0 {
                break;
            }
            self.relay.purge().expect("the store works");
            page = self.relay.page().expect("the store works");
        }
        assert_eq!((page.messages, page.waiting, page.reports), (0, 0, 0));
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn relay(folder: &std::path::Path, world: Arc<World>) -> Relay {
    let (store, _) = SqliteStore::open(folder).expect("a folder of our own");
    let terms = Terms {
        base_url: "http://mms.example".to_owned(),
        numbering: Numbering {
            country: None,
            local: vec!["+1555".to_owned()],
        },
        message_bytes: 300_000,
        recipients: 10,
        box_messages: 5,
        // Each costs the time of three commits.
        retry: Retry {
            attempts: 4,
            ..Retry::default()
        },
        ..Terms::default()
    };
    Relay::new(
        Arc::new(store),
        Arc::new(AsItIs),
        world,
        terms,
        Limits::default(),
    )
}

pub(crate) struct World {
    now: AtomicI64,
    drawn: AtomicU64,
}

impl Surroundings for World {
    fn now(&self) -> Millis {
        self.now.load(Ordering::Relaxed)
    }

    fn random(&self) -> Result<[u8; 32], String> {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut octets = [0; 32];
        for (at, chunk) in octets.chunks_exact_mut(8).enumerate() {
            // SplitMix64: any few octets of it differ from draw to draw.
            let mut mixed = (number * 4 + at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(mixed ^ mixed >> 31).to_be_bytes());
        }
        Ok(octets)
    }
}

struct AsItIs;

impl Fitter for AsItIs {
    fn fit(&self, content: Content<'_>, _: &Device<'_>) -> Result<Fitted, FitError> {
        Ok(Fitted {
            message: Some(content.message.clone()),
            summary: "as it is".to_owned(),
        })
    }
}

#[derive(Default)]
pub(crate) struct Phones {
    told: Mutex<Vec<Told>>,
    error: Mutex<Option<NotifyError>>,
    refused: AtomicU64,
}

impl Phones {
    /// Refuses every push from now on, or none.
    pub(crate) fn fail(&self, error: Option<NotifyError>) {
        *self.error.lock().expect("nobody panics with it") = error;
    }

    /// What was pushed since this was asked last.
    pub(crate) fn told(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock().expect("nobody panics with it"))
    }

    /// How many pushes were not taken since this was asked last.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.swap(0, Ordering::Relaxed)
    }
}

impl Notifier for Phones {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        if let Some(error) = self.error.lock().expect("nobody panics with it").clone() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
        self.told.lock().expect("nobody panics with it").push((
            notice.message_id.to_owned(),
            notice.number.to_string(),
            notice.push.to_vec(),
        ));
        Ok(())
    }
}

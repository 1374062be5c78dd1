//! Fitting messages to phones: once for each kind of phone, in a pool for phones that wait and one
//! for those that will, within a time, and not too many at once.

mod cache;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use sha2::{Digest, Sha256};

use super::Config;
use super::metrics::Metrics;
use super::plugins::Codecs;
use crate::Limits;
use crate::adapt::report::Verdict;
use crate::adapt::{self, Adapted, Context, Policy, weight};
use crate::media::Cancel;
use crate::mms::{Field, Message};
use crate::profile::{Capabilities, ProfileError, Resolution, resolve};
use crate::relay::{Content, Device, FitError, Fitted, Fitter, Forecast};
use cache::{Cache, Key, Outcome};

/// Time one message may take while its phone waits.
const DEADLINE: Duration = Duration::from_secs(30);
/// Time one message may take before its phone is told of it.
const AHEAD: Duration = Duration::from_secs(120);
/// Messages that are adapted or wait for it at one time, for each thread.
const QUEUE: usize = 8;
/// Octets of messages that may wait to be adapted before their phones are told of them.
const AHEAD_OCTETS: usize = 64 << 20;
/// Octets of results that are kept.
const CACHE: usize = 32 << 20;
/// Descriptions of devices whose capabilities are kept.
const DEVICES: usize = 1_024;

/// The engine behind the relay.
pub(super) struct Engine {
    shared: Arc<Shared>,
    /// For phones that wait.
    pool: ThreadPool,
    under_way: Arc<AtomicUsize>,
    most: usize,
    /// For phones that will be told. One thread: it never takes all processors from the others.
    ahead: ThreadPool,
    ahead_octets: Arc<AtomicUsize>,
    /// Who counts what was found in the cache.
    metrics: Option<Arc<Metrics>>,
}

struct Shared {
    codecs: Arc<Codecs>,
    policy: Policy,
    limits: Limits,
    default_device: String,
    cache: Cache,
    flights: Mutex<HashMap<Key, Flight>>,
    devices: Mutex<HashMap<[u8; 32], Known>>,
}

/// A device, and the hash that stands for what it can do.
#[derive(Clone)]
struct Known {
    caps: Arc<Capabilities>,
    hash: [u8; 32],
}

/// A message that is being adapted: who else wants the same waits for it.
struct Flight {
    begun: Arc<AtomicBool>,
    waiting: Vec<SyncSender<Landing>>,
}

/// How adapting ended: with a result, or `None` where it was given up.
type Landing = Option<cache::Result>;

impl Engine {
    /// An engine with a thread for each processor.
    pub(super) fn new(
        config: &Config,
        limits: Limits,
        codecs: Arc<Codecs>,
    ) -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pool = |threads, name: &'static str| {
            ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(move |number| format!("{name}-{number}"))
                .build()
                .map_err(std::io::Error::other)
        };
        Ok(Self {
            shared: Arc::new(Shared {
                codecs,
                policy: Policy::default(),
                limits,
                default_device: config.device.default.as_str().to_owned(),
                cache: Cache::new(CACHE),
                flights: Mutex::default(),
                devices: Mutex::default(),
            }),
            pool: pool(threads, "adapt")?,
            under_way: Arc::default(),
            most: threads.saturating_mul(QUEUE),
            ahead: pool(1, "ahead")?,
            ahead_octets: Arc::default(),
            metrics: None,
        })
    }

    /// The same engine, whose looks into its cache are counted.
    pub(super) fn counted(self, metrics: Arc<Metrics>) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }
}

impl Fitter for Engine {
    fn fit(&self, content: Content<'_>, device: &Device<'_>) -> Result<Fitted, FitError> {
        let known = self.shared.device(device).map_err(|_| FitError::Broken)?;
        let key = key(content, &known, self.shared.codecs.generation());
        let cached = self.shared.cache.get(&key);
        if let Some(metrics) = &self.metrics {
            metrics.cache(cached.is_some());
        }
        if let Some(result) = cached {
            return Ok(fitted(result, content.message));
        }
        let place = Place::take(&self.under_way, 1, self.most).ok_or(FitError::Busy)?;
        let (answer, landed) = sync_channel(1);
        let cancel = Cancel::new();
        let deadline = Instant::now().checked_add(DEADLINE);
        if !self.shared.join(&key, &answer) {
            let shared = self.shared.clone();
            let (message, cancel) = (content.message.clone(), cancel.clone());
            self.pool
                .spawn(move || shared.fly(&key, &message, &known, &cancel));
        }
        drop(answer);
        let left = deadline.map_or(DEADLINE, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        let landing = landed.recv_timeout(left);
        if landing.is_err() {
            cancel.cancel();
        }
        drop(place);
        match landing {
            Ok(Some(result)) => Ok(fitted(result, content.message)),
            Ok(None) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(FitError::Deadline)
            }
        }
    }

    fn known(&self, content: Content<'_>, device: &Device<'_>) -> Option<Fitted> {
        let known = self.shared.seen(&Shared::hash(device))?;
        let key = key(content, &known, self.shared.codecs.generation());
        let result = self.shared.cache.get(&key)?;
        if let Some(metrics) = &self.metrics {
            metrics.cache(true);
        }
        Some(fitted(result, content.message))
    }

    fn foresee(&self, content: Content<'_>, device: &Device<'_>) -> Option<Forecast> {
        let known = self.shared.device(device).ok()?;
        let key = key(content, &known, self.shared.codecs.generation());
        if let Some(result) = self.shared.cache.get(&key) {
            return Some(Forecast::Size(result.size));
        }
        let octets = content.message.body.data_len();
        let place = Place::take(&self.ahead_octets, octets, AHEAD_OCTETS)?;
        let (answer, landed) = sync_channel(1);
        if !self.shared.join(&key, &answer) {
            let (shared, message) = (self.shared.clone(), content.message.clone());
            self.ahead.spawn(move || {
                // A phone that was told by somebody else may have come already.
                if shared.cache.get(&key).is_none() {
                    shared.fly(&key, &message, &known, &Cancel::new());
                }
                drop(place);
            });
        }
        Some(Forecast::Later(Box::new(Ahead(landed))))
    }
}

/// A size that is not known yet.
struct Ahead(Receiver<Landing>);

impl crate::relay::Later for Ahead {
    fn size(&self, wait: Duration) -> Option<u64> {
        let landing = self.0.recv_timeout(wait).ok()?;
        landing.map(|result| result.size)
    }
}

fn key(content: Content<'_>, known: &Known, codecs: u64) -> Key {
    Key {
        codecs,
        content: content.digest,
        capabilities: known.hash,
        size: weight(content.message),
        allowed: content.message.headers.flag(Field::AdaptationAllowed) != Some(false),
    }
}

fn fitted(result: cache::Result, original: &Message) -> Fitted {
    let body = match result.outcome {
        Outcome::Unchanged => Some(original.body.clone()),
        Outcome::Adapted(body) => Some(body),
        Outcome::Refused => None,
    };
    Fitted {
        message: body.map(|body| Message {
            headers: original.headers.clone(),
            body,
        }),
        summary: result.summary,
    }
}

impl Shared {
    /// What a device takes: by its own headers, else by those it sent earlier, else the default.
    fn device(&self, device: &Device<'_>) -> Result<Known, ProfileError> {
        let hash = Self::hash(device);
        if let Some(known) = self.seen(&hash) {
            return Ok(known);
        }
        let caps = self.capabilities(device)?;
        let known = Known {
            // All that a device can do is in what it shows of itself.
            hash: Sha256::digest(format!("{caps:?}").as_bytes()).into(),
            caps: Arc::new(caps),
        };
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        if devices.len() >= DEVICES {
            devices.clear();
        }
        devices.insert(hash, known.clone());
        Ok(known)
    }

    /// A device that was met before, by the hash of what is known of it.
    fn seen(&self, hash: &[u8; 32]) -> Option<Known> {
        let devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        devices.get(hash).cloned()
    }

    /// What stands for all that is known of a device.
    fn hash(device: &Device<'_>) -> [u8; 32] {
        let mut hash = Sha256::new();
        for headers in [device.headers, device.remembered] {
            for text in headers.iter().flat_map(|(name, value)| [name, value]) {
                hash.update(text.as_bytes());
                hash.update([0]);
            }
            hash.update([0]);
        }
        hash.finalize().into()
    }

    fn capabilities(&self, device: &Device<'_>) -> Result<Capabilities, ProfileError> {
        let default = Resolution::safe()?.capabilities;
        for headers in [device.headers, device.remembered] {
            let found = resolve(headers, &self.limits)?.capabilities;
            if found.id != default.id {
                return Ok(found);
            }
        }
        Ok(Resolution::by_id(&self.default_device)?.capabilities)
    }

    /// Waits with others for a message that is being adapted already; else the caller has to adapt
    /// it, and others wait for him. A phone that waits does not queue behind those that do not, so
    /// work that has not begun is no reason to wait.
    fn join(&self, key: &Key, answer: &SyncSender<Landing>) -> bool {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        match flights.get_mut(key) {
            Some(flight) => {
                flight.waiting.push(answer.clone());
                flight.begun.load(Ordering::Relaxed)
            }
            None => {
                let flight = Flight {
                    begun: Arc::default(),
                    waiting: vec![answer.clone()],
                };
                flights.insert(*key, flight);
                false
            }
        }
    }

    /// Adapts a message, keeps the result, and tells all who wait.
    fn fly(&self, key: &Key, message: &Message, known: &Known, cancel: &Cancel) {
        if let Some(flight) = self
            .flights
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
        {
            flight.begun.store(true, Ordering::Relaxed);
        }
        let started = Instant::now();
        let work = || self.adapt(message, &known.caps, cancel, started);
        let landing = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(landing) => landing,
            // What panics once does so again: there is nothing of this message that fits.
            Err(_) => Some(cache::Result {
                outcome: Outcome::Refused,
                size: 0,
                summary: "the engine failed".to_owned(),
            }),
        };
        if let Some(result) = &landing {
            self.cache.put(*key, result.clone());
        }
        self.land(key, landing);
    }

    fn land(&self, key: &Key, landing: Landing) {
        let flight = self
            .flights
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        for waiting in flight.into_iter().flat_map(|flight| flight.waiting) {
            // Whoever's time was over has gone.
            let _ = waiting.try_send(landing.clone());
        }
    }

    /// `None` where it was cancelled or took too long.
    fn adapt(
        &self,
        message: &Message,
        caps: &Capabilities,
        cancel: &Cancel,
        started: Instant,
    ) -> Landing {
        let registry = self.codecs.now();
        let engine = adapt::Engine {
            context: Context {
                caps,
                policy: &self.policy,
                registry: &registry,
                limits: &self.limits,
            },
            cancel,
            now: &|| {
                let elapsed = started.elapsed();
                if elapsed > AHEAD {
                    cancel.cancel();
                }
                elapsed
            },
        };
        let size = weight(message);
        let Adapted { message, report } = adapt::adapt(message, size, engine).ok()?;
        let (verdict, outcome) = match (report.verdict, message) {
            (Verdict::Unchanged, _) => ("unchanged", Outcome::Unchanged),
            (Verdict::Adapted, Some(message)) => ("adapted", Outcome::Adapted(message.body)),
            (Verdict::Adapted | Verdict::Refused, _) => ("refused", Outcome::Refused),
        };
        Some(cache::Result {
            outcome,
            size: report.size_out,
            summary: format!(
                "{verdict} for {}, {} to {} octets",
                caps.id, report.size_in, report.size_out
            ),
        })
    }
}

/// A share of what may be adapted or wait for it at one time.
struct Place {
    taken: Arc<AtomicUsize>,
    share: usize,
}

impl Place {
    /// `None` where there would be more than `most`.
    fn take(taken: &Arc<AtomicUsize>, share: usize, most: usize) -> Option<Self> {
        let place = Self {
            taken: taken.clone(),
            share,
        };
        let before = taken.fetch_add(share, Ordering::Relaxed);
        (before.saturating_add(share) <= most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.share, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::pdu;

    fn engine(toml: &str) -> Engine {
        let config = Config::from_toml(toml).unwrap();
        Engine::new(&config, Limits::default(), Arc::default()).unwrap()
    }

    fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(n, v): &(&str, &str)| ((*n).to_owned(), (*v).to_owned());
        headers.iter().map(owned).collect()
    }

    fn device(engine: &Engine, headers: &[(&str, &str)], remembered: &[(&str, &str)]) -> String {
        let (headers, remembered) = (owned(headers), owned(remembered));
        let device = Device {
            headers: &headers,
            remembered: &remembered,
        };
        engine.shared.device(&device).unwrap().caps.id.clone()
    }

    fn greeting() -> Message {
        let octets = include_bytes!("../../../tests/data/greeting.mms");
        let pdu = pdu::decode(&octets[..].into(), &Limits::default()).unwrap();
        pdu.value.into_message().unwrap()
    }

    #[test]
    fn a_device_is_known_by_its_request_then_by_memory_then_by_default() {
        let apple = [("x-wap-profile", "http://www.apple.com/mms/uaprof.rdf")];
        let nokia = [("user-agent", "Nokia6100/1.0 (04.70)")];
        let engine = engine("[device]\ndefault = \"s40-gen1\"");
        assert_eq!(device(&engine, &apple, &nokia), "ios-generic");
        assert_eq!(device(&engine, &[], &apple), "ios-generic");
        assert_eq!(
            device(&engine, &[("user-agent", "?")], &apple),
            "ios-generic"
        );
        assert_eq!(device(&engine, &[], &[]), "s40-gen1");
    }

    #[test]
    fn what_was_foreseen_is_what_is_handed_out_and_is_made_once() {
        let engine = engine("");
        let headers = owned(&[("user-agent", "Nokia6100/1.0 (04.70)")]);
        let device = Device {
            headers: &[],
            remembered: &headers,
        };
        let message = greeting();
        let content = Content {
            message: &message,
            digest: [1; 32],
        };
        let foreseen = match engine.foresee(content, &device) {
            Some(Forecast::Later(later)) => later.size(DEADLINE).unwrap(),
            _ => panic!("it was there already"),
        };
        let device = Device {
            headers: &headers,
            remembered: &[],
        };
        let fitted = engine.fit(content, &device).unwrap();
        assert_eq!(weight(fitted.message.as_ref().unwrap()), foreseen);
        assert!(foreseen < weight(&message));
        assert!(matches!(
            engine.foresee(content, &device),
            Some(Forecast::Size(size)) if size == foreseen
        ));
        let body = |fitted: Fitted| fitted.message.unwrap().body;
        let other = engine.fit(
            Content {
                digest: [2; 32],
                ..content
            },
            &device,
        );
        assert_eq!(
            body(other.unwrap()),
            body(fitted),
            "with or without the cache"
        );
    }

    #[test]
    fn many_who_want_the_same_at_once_all_get_it() {
        let engine = engine("");
        let headers = owned(&[("user-agent", "Nokia6100/1.0 (04.70)")]);
        let message = greeting();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        let content = Content {
                            message: &message,
                            digest: [1; 32],
                        };
                        let device = Device {
                            headers: &headers,
                            remembered: &[],
                        };
                        engine.fit(content, &device).unwrap().message.unwrap()
                    })
                })
                .collect();
            let all: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
            assert!(all.iter().all(|message| Some(message) == all.first()));
        });
        assert!(engine.shared.flights.lock().unwrap().is_empty());
        assert_eq!(engine.under_way.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn more_than_can_wait_are_sent_away() {
        let under_way = Arc::default();
        let first = Place::take(&under_way, 2, 3);
        assert!(first.is_some());
        assert!(Place::take(&under_way, 2, 3).is_none());
        assert!(Place::take(&under_way, 1, 3).is_some());
        drop(first);
        assert!(Place::take(&under_way, 3, 3).is_some());
    }
}

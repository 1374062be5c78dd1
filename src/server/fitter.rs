//! Adapting for a phone that waits: in a pool of its own, within a time, and not too many at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::Config;
use crate::Limits;
use crate::adapt::report::Verdict;
use crate::adapt::{self, Adapted, Context, Policy, weight};
use crate::media::{Cancel, Registry};
use crate::mms::Message;
use crate::profile::{Capabilities, ProfileError, Resolution, resolve};
use crate::relay::{Device, FitError, Fitted, Fitter};

/// Time one message may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Messages that are adapted or wait for it at one time, for each thread.
const QUEUE: usize = 8;

/// The engine behind the relay.
pub(super) struct Engine {
    shared: Arc<Shared>,
    pool: ThreadPool,
    under_way: AtomicUsize,
    most: usize,
}

struct Shared {
    registry: Registry,
    policy: Policy,
    limits: Limits,
    default_device: String,
}

impl Engine {
    /// An engine with a thread for each processor.
    pub(super) fn new(config: &Config, limits: Limits) -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("adapt-{number}"))
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            shared: Arc::new(Shared {
                registry: Registry::builtin(),
                policy: Policy::default(),
                limits,
                default_device: config.device.default.as_str().to_owned(),
            }),
            pool,
            under_way: AtomicUsize::new(0),
            most: threads.saturating_mul(QUEUE),
        })
    }
}

impl Fitter for Engine {
    fn fit(&self, message: &Message, device: &Device<'_>) -> Result<Fitted, FitError> {
        let place = Place::take(&self.under_way, self.most).ok_or(FitError::Busy)?;
        let caps = self
            .shared
            .capabilities(device)
            .map_err(|_| FitError::Broken)?;
        let (shared, message) = (self.shared.clone(), message.clone());
        let (answer, result) = sync_channel(1);
        let cancel = Cancel::new();
        let stop = cancel.clone();
        self.pool.spawn(move || {
            let fitted = catch_unwind(AssertUnwindSafe(|| shared.fit(&message, &caps, &stop)));
            // A caller whose time was over has gone.
            let _ = answer.send(fitted);
        });
        let fitted = match result.recv_timeout(DEADLINE) {
            Ok(Ok(fitted)) => fitted.ok_or(FitError::Deadline),
            // What panics once does so again: there is nothing of this message that fits.
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Ok(Fitted {
                message: None,
                summary: "the engine failed".to_owned(),
            }),
            Err(RecvTimeoutError::Timeout) => {
                cancel.cancel();
                Err(FitError::Deadline)
            }
        };
        drop(place);
        fitted
    }
}

impl Shared {
    /// What a device takes: by its own headers, else by those it sent earlier, else the default.
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

    /// `None` where it was cancelled.
    fn fit(&self, message: &Message, caps: &Capabilities, cancel: &Cancel) -> Option<Fitted> {
        let started = Instant::now();
        let engine = adapt::Engine {
            context: Context {
                caps,
                policy: &self.policy,
                registry: &self.registry,
                limits: &self.limits,
            },
            cancel,
            now: &|| started.elapsed(),
        };
        let size = weight(message);
        let Adapted { message, report } = adapt::adapt(message, size, engine).ok()?;
        let verdict = match report.verdict {
            Verdict::Unchanged => "unchanged",
            Verdict::Adapted => "adapted",
            Verdict::Refused => "refused",
        };
        Some(Fitted {
            message,
            summary: format!(
                "{verdict} for {}, {} to {} octets",
                caps.id, report.size_in, report.size_out
            ),
        })
    }
}

/// One of the places for messages that are adapted at a time.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(under_way: &'a AtomicUsize, most: usize) -> Option<Self> {
        let place = Self(under_way);
        (under_way.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(toml: &str) -> Engine {
        Engine::new(&Config::from_toml(toml).unwrap(), Limits::default()).unwrap()
    }

    fn device(engine: &Engine, headers: &[(&str, &str)], remembered: &[(&str, &str)]) -> String {
        let owned = |headers: &[(&str, &str)]| {
            let owned = headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            owned.collect::<Vec<_>>()
        };
        let (headers, remembered) = (owned(headers), owned(remembered));
        let device = Device {
            headers: &headers,
            remembered: &remembered,
        };
        engine.shared.capabilities(&device).unwrap().id
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
    fn more_than_can_wait_are_sent_away() {
        let under_way = AtomicUsize::new(0);
        let first = Place::take(&under_way, 1);
        assert!(first.is_some());
        assert!(Place::take(&under_way, 1).is_none());
        drop(first);
        assert!(Place::take(&under_way, 1).is_some());
    }
}

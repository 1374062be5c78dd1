//! The engine for others: a message or medium in, what a device can show out. A pool of its own,
//! and no more at a time than the queue holds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rayon::{ThreadPool, ThreadPoolBuilder};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, TryAcquireError};

use super::metrics::Metrics;
use super::plugins::Codecs;
use crate::Limits;
use crate::adapt::report::{ActionName, Verdict};
use crate::adapt::{self, Adapted, Context, Form, Policy, Report};
use crate::media::Cancel;
use crate::mms::DecodeError;
use crate::profile::Capabilities;

/// Time one message may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// The engine.
pub(super) struct Adapter {
    shared: Arc<Shared>,
    pool: ThreadPool,
    places: Semaphore,
    metrics: Arc<Metrics>,
}

struct Shared {
    codecs: Arc<Codecs>,
    limits: Limits,
}

/// What is to be adapted, and to what.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) octets: Bytes,
    pub(super) name: Option<String>,
    pub(super) caps: Capabilities,
    pub(super) language: String,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    /// The result and its media type; `None` where nothing of it fits.
    pub(super) result: Option<(Bytes, String)>,
    pub(super) report: Report,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdapterError {
    /// The octets are no message.
    #[error("{0}")]
    Undecodable(DecodeError),
    /// The queue is full.
    #[error("too many messages are being adapted")]
    Busy,
    /// It took too long.
    #[error("adapting took too long")]
    Deadline,
    /// A bug.
    #[error("the engine failed")]
    Failed,
}

impl Adapter {
    /// An engine that holds `queue` messages at a time.
    pub(super) fn new(
        queue: usize,
        limits: Limits,
        codecs: Arc<Codecs>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("adapt-api-{number}"))
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            shared: Arc::new(Shared { codecs, limits }),
            pool,
            places: Semaphore::new(queue.min(Semaphore::MAX_PERMITS)),
            metrics,
        })
    }

    /// The bounds on what is read.
    pub(super) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Adapts, and waits for it.
    ///
    /// # Errors
    /// Where there is no place, no message, or no end.
    pub(super) fn adapt(&self, job: Job) -> Result<Done, AdapterError> {
        let place = match self.places.try_acquire() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => {
                return Err(AdapterError::Busy);
            }
        };
        let started = Instant::now();
        let shared = self.shared.clone();
        let (answer, result) = sync_channel(1);
        let cancel = Cancel::new();
        let stop = cancel.clone();
        self.pool.spawn(move || {
            let done = catch_unwind(AssertUnwindSafe(|| shared.adapt(&job, &stop)));
            // A caller whose time was over has gone.
            let _ = answer.send(done);
        });
        let done = match result.recv_timeout(DEADLINE) {
            Ok(Ok(done)) => done,
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(AdapterError::Failed),
            Err(RecvTimeoutError::Timeout) => {
                cancel.cancel();
                Err(AdapterError::Deadline)
            }
        };
        drop(place);
        let verdict = match &done {
            Ok(done) => verdict(done.report.verdict),
            Err(AdapterError::Undecodable(_)) => "undecodable",
            Err(AdapterError::Busy) => "busy",
            Err(AdapterError::Deadline) => "deadline",
            Err(AdapterError::Failed) => "broken",
        };
        self.metrics.adapted(verdict, started.elapsed());
        done
    }
}

/// The word for a verdict.
pub(super) const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unchanged => "unchanged",
        Verdict::Adapted => "adapted",
        Verdict::Refused => "refused",
    }
}

impl Job {
    /// What tells this job from every other: the same octets for the same device give the same
    /// result with the same version of this program.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |octets: &[u8]| {
            let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
            hash.update(length.to_be_bytes());
            hash.update(octets);
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        add(self.caps.digest().as_bytes());
        add(self.language.as_bytes());
        add(self.name.as_deref().unwrap_or("").as_bytes());
        add(&self.octets);
        let hash: [u8; 32] = hash.finalize().into();
        hex(&hash)
    }
}

impl Shared {
    fn adapt(&self, job: &Job, cancel: &Cancel) -> Result<Done, AdapterError> {
        let formed = Form::read(job.octets.clone(), job.name.as_deref(), &self.limits)
            .map_err(AdapterError::Undecodable)?;
        let policy = Policy {
            language: job.language.clone(),
            ..Policy::default()
        };
        let started = Instant::now();
        let registry = self.codecs.now();
        let engine = adapt::Engine {
            context: Context {
                caps: &job.caps,
                policy: &policy,
                registry: &registry,
                limits: &self.limits,
            },
            cancel,
            now: &|| started.elapsed(),
        };
        let Adapted {
            message,
            mut report,
        } = adapt::adapt(&formed.message, formed.size, engine)
            .map_err(|_| AdapterError::Deadline)?;
        let hash: [u8; 32] = Sha256::digest(&formed.octets).into();
        report.input.clone_from(&job.name);
        report.input_sha256 = Some(hex(&hash));
        let odd = formed
            .warnings
            .iter()
            .map(|warning| format!("{} (at byte {})", warning.message, warning.offset));
        report.warnings.splice(0..0, odd);
        if formed.form == Form::Media && lost(&report) {
            report.verdict = Verdict::Refused;
            report.size_out = 0;
        }
        let result = match (message, report.verdict) {
            (_, Verdict::Refused) | (None, _) => None,
            (Some(message), Verdict::Unchanged) => {
                let media_type = formed.form.media_type(&message).to_owned();
                Some((formed.octets.clone(), media_type))
            }
            (Some(message), Verdict::Adapted) => {
                let media_type = formed.form.media_type(&message).to_owned();
                let octets = formed.form.write(&message);
                Some((octets.map_err(|_| AdapterError::Failed)?.into(), media_type))
            }
        };
        Ok(Done { result, report })
    }
}

/// Whether of a single medium nothing is left that is one.
fn lost(report: &Report) -> bool {
    report.parts.iter().any(|part| match part.action {
        ActionName::Drop => true,
        // A still picture of a clip is a medium; text is none.
        ActionName::Replace => part.type_out.as_deref() == Some("text/plain"),
        _ => false,
    })
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Resolution;

    const GIF: &[u8] =
        b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

    fn job(device: &str) -> Job {
        Job {
            octets: Bytes::from_static(GIF),
            name: None,
            caps: Resolution::by_id(device).unwrap().capabilities,
            language: "en".to_owned(),
        }
    }

    fn adapter(queue: usize) -> Adapter {
        let metrics = Arc::new(Metrics::new());
        Adapter::new(queue, Limits::default(), Arc::default(), metrics).unwrap()
    }

    #[test]
    fn what_a_device_shows_stays_and_what_it_does_not_becomes_what_it_does() {
        let adapter = adapter(1);
        let kept = adapter.adapt(job("safe")).unwrap();
        assert_eq!(kept.report.verdict, Verdict::Unchanged);
        assert_eq!(
            kept.result.unwrap(),
            (Bytes::from_static(GIF), "image/gif".to_owned())
        );
        let mut wbmp = Resolution::by_id("mono-wbmp").unwrap();
        wbmp.apply_overrides(&crate::profile::Overrides {
            accept: Some(vec!["image/vnd.wap.wbmp".to_owned()]),
            ..crate::profile::Overrides::default()
        });
        let wanted = Job {
            caps: wbmp.capabilities,
            ..job("safe")
        };
        let made = adapter.adapt(wanted).unwrap();
        assert_eq!(made.report.verdict, Verdict::Adapted);
        assert_eq!(made.result.unwrap().1, "image/vnd.wap.wbmp");
    }

    #[test]
    fn more_than_the_queue_holds_are_sent_away() {
        let adapter = adapter(0);
        assert!(matches!(
            adapter.adapt(job("safe")),
            Err(AdapterError::Busy)
        ));
        assert!(!adapter.metrics.text().contains("verdict=\"busy\""));
    }

    #[test]
    fn a_job_is_known_by_all_that_its_result_depends_on() {
        let first = job("safe").digest();
        assert_eq!(first, job("safe").digest());
        assert_ne!(first, job("mono-wbmp").digest());
        let mut other = job("safe");
        other.language = "de".to_owned();
        assert_ne!(first, other.digest());
        let mut other = job("safe");
        other.octets = Bytes::from_static(b"GIF");
        assert_ne!(first, other.digest());
        let failed = adapter(1).adapt(Job {
            octets: Bytes::new(),
            ..job("safe")
        });
        assert!(matches!(failed, Err(AdapterError::Undecodable(_))));
    }
}

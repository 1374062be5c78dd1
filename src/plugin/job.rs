//! One job: an instance of its own, from the first call to the last or to the first that fails.

use std::time::Duration;

use remold_plugin_abi::v0_1_0::exports::remold::codec as guest;
use remold_plugin_abi::v0_1_0::remold::codec::types::{Error, Limits as GuestLimits};
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, Trap, UpdateDeadline};

use super::error::clean;
use super::host::{Host, Running};
use super::manifest::Terms;
use super::store::{Log, Meter, State, Stop};
use super::watch::{Event, Failure};
use crate::limits::Limits;
use crate::media::{Cancel, Format, MediaError};

/// A component that is compiled and linked, with where its functions are.
pub(super) struct Code {
    pub(super) host: Host,
    pub(super) pre: InstancePre<State>,
    pub(super) meta: guest::meta::GuestIndices,
    pub(super) image_decode: Option<guest::image_decode::GuestIndices>,
    pub(super) image_encode: Option<guest::image_encode::GuestIndices>,
    pub(super) audio_decode: Option<guest::audio_decode::GuestIndices>,
    pub(super) audio_encode: Option<guest::audio_encode::GuestIndices>,
    pub(super) video_decode: Option<guest::video_decode::GuestIndices>,
    pub(super) video_encode: Option<guest::video_encode::GuestIndices>,
}

/// An instance of a plugin, with what it may still have.
pub(super) struct Job {
    host: Host,
    store: Store<State>,
    instance: Instance,
    /// The plugin's name in the registry.
    codec: String,
    terms: Terms,
    left: Duration,
    /// All the milliseconds that it was given so far.
    granted_ms: u64,
    output_left: u64,
    /// After a trap nothing in an instance can be relied upon.
    dead: bool,
    /// Whether it is told of.
    watched: bool,
    /// Held from call to call: to wake the clock anew costs as much as a short call.
    _running: Running,
}

/// What a job took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// The most octets of memory at a time.
    pub peak_bytes: u64,
    /// Units of fuel, where the host counts them.
    pub fuel: Option<u64>,
}

/// Ten seconds in microseconds.
const TEN_SECONDS: u64 = 10_000_000;

/// The most octets of a text of a plugin that is shown.
const TEXT: usize = 200;

impl Job {
    /// A fresh instance of `code`, which belongs to the plugin `name`.
    pub(super) fn start(
        code: &Code,
        name: &str,
        terms: Terms,
        cancel: &Cancel,
    ) -> Result<Self, MediaError> {
        cancel.check()?;
        let host = code.host.clone();
        let limits = host.limits();
        let memory = usize::try_from(terms.memory_bytes).unwrap_or(usize::MAX);
        let state = State {
            meter: Meter::new(memory, limits.table_entries),
            log: Log::new(
                name.to_owned(),
                limits.log_lines,
                limits.log_line_bytes,
                host.sink(),
            ),
            clock: host.clock(),
            deadline: Duration::MAX,
            cancel: cancel.clone(),
            stopped: None,
        };
        let mut store = Store::new(host.engine(), state);
        store.limiter(|state| &mut state.meter);
        // Lists that overlap in the plugin's memory are copied once each: together they may not
        // come to more than that memory.
        store.set_hostcall_fuel(memory);
        store.epoch_deadline_callback(|mut context| {
            Ok(match context.data_mut().look() {
                Some(_) => UpdateDeadline::Interrupt,
                None => UpdateDeadline::Continue(1),
            })
        });
        let codec = super::registry_name(name);
        if limits.fuel.is_some() {
            let fuel = terms.fuel.unwrap_or(u64::MAX);
            store
                .set_fuel(fuel)
                .map_err(|error| MediaError::CodecFailed {
                    codec: codec.clone(),
                    what: clean(&error.to_string(), TEXT),
                })?;
        }
        let mut left = Duration::from_millis(terms.job_ms);
        let running = host.running();
        let started = timed(&host, &mut store, &mut left, |store| {
            code.pre.instantiate(store)
        });
        let granted_ms = terms.job_ms;
        let instance =
            started.map_err(|error| fault(&error, &store, &codec, &terms, granted_ms))?;
        Ok(Self {
            host,
            store,
            instance,
            codec,
            terms,
            left,
            granted_ms,
            output_left: terms.output_bytes,
            dead: false,
            watched: false,
            _running: running,
        })
    }

    /// Calls into the instance, within what is left of the job's time.
    pub(super) fn call<R>(
        &mut self,
        call: impl FnOnce(&mut Store<State>, &Instance) -> wasmtime::Result<R>,
    ) -> Result<R, MediaError> {
        if self.dead {
            return Err(self.blame("is asked to go on after it failed"));
        }
        let instance = self.instance;
        let outcome = timed(&self.host, &mut self.store, &mut self.left, |store| {
            call(store, &instance)
        });
        outcome.map_err(|error| {
            self.dead = true;
            if self.store.data().stopped != Some(Stop::Cancelled) {
                self.failed(kind(&error, &self.store));
            }
            fault(
                &error,
                &self.store,
                &self.codec,
                &self.terms,
                self.granted_ms,
            )
        })
    }

    /// Has whoever watches told of this job.
    pub(super) fn watched(mut self) -> Self {
        self.watched = true;
        self
    }

    fn failed(&self, how: Failure) {
        if self.watched {
            let name = &self.store.data().log.plugin;
            self.host.tell(name, Event::Failed(how));
        }
    }

    /// Gives more time for a track that has come to `at_us` microseconds: that of a job for every
    /// ten seconds.
    pub(super) fn reached(&mut self, at_us: u64) {
        let tens = (at_us / TEN_SECONDS).saturating_add(1);
        let all = self.terms.job_ms.saturating_mul(tens);
        let all = all.min(self.terms.track_ms.max(self.terms.job_ms));
        let more = all.saturating_sub(self.granted_ms);
        self.granted_ms = self.granted_ms.saturating_add(more);
        self.left = self.left.saturating_add(Duration::from_millis(more));
    }

    /// Forgets the octets that it gave so far: they went on and are not kept.
    pub(super) fn passed_on(&mut self) {
        self.output_left = self.terms.output_bytes;
    }

    /// Accounts for octets that the plugin gave.
    pub(super) fn took(&mut self, octets: usize) -> Result<(), MediaError> {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        match self.output_left.checked_sub(octets) {
            Some(left) => {
                self.output_left = left;
                Ok(())
            }
            None => Err(self.blame(&format!(
                "gave more than {} octets",
                self.terms.output_bytes
            ))),
        }
    }

    /// The error of a plugin that did what it must not.
    pub(super) fn blame(&self, what: &str) -> MediaError {
        self.failed(Failure::Result);
        MediaError::CodecFailed {
            codec: self.codec.clone(),
            what: clean(what, TEXT),
        }
    }

    /// What a plugin's own error means to the host.
    pub(super) fn said(&self, error: Error, format: Format, limits: &Limits) -> MediaError {
        match error {
            Error::Malformed(what) => MediaError::malformed(format, clean(&what, TEXT)),
            Error::Unsupported(what) => MediaError::unsupported(clean(&what, TEXT)),
            Error::Limit(what) => {
                let (what, limit) = match what.as_str() {
                    "max-pixels" => ("pixels", limits.pixels),
                    "max-frames" => ("frames", u64::try_from(limits.frames).unwrap_or(u64::MAX)),
                    _ => ("decode_bytes", limits.decode_bytes),
                };
                MediaError::Limit { what, limit }
            }
            Error::BadOption(what) => self.blame(&format!("refuses an option: {what}")),
            Error::Internal(what) => self.blame(&format!("says: {what}")),
        }
    }

    /// The odd things it said.
    pub(super) fn warnings(&self) -> &[String] {
        &self.store.data().log.warnings
    }

    /// What it took so far.
    pub(super) fn usage(&self) -> Usage {
        let fuel = self.store.get_fuel().ok();
        let given = self.terms.fuel.unwrap_or(u64::MAX);
        Usage {
            peak_bytes: u64::try_from(self.store.data().meter.peak).unwrap_or(u64::MAX),
            fuel: fuel.map(|left| given.saturating_sub(left)),
        }
    }

    /// What the plugin is told of the limits.
    pub(super) fn guest_limits(&self, limits: &Limits) -> GuestLimits {
        GuestLimits {
            max_pixels: limits.pixels,
            max_frames: u32::try_from(limits.frames).unwrap_or(u32::MAX),
            max_samples: self.output_left / 2,
            max_output_bytes: self.output_left,
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.watched {
            let granted = Duration::from_millis(self.granted_ms);
            let took = granted.saturating_sub(self.left);
            let name = &self.store.data().log.plugin;
            self.host.tell(name, Event::Ended(took));
        }
    }
}

/// How a call failed.
fn kind(error: &wasmtime::Error, store: &Store<State>) -> Failure {
    let state = store.data();
    match (state.stopped, error.downcast_ref::<Trap>()) {
        (Some(_), _) => Failure::Deadline,
        (None, _) if state.meter.refused => Failure::Memory,
        (None, Some(Trap::OutOfFuel)) => Failure::Fuel,
        (None, _) => Failure::Trap,
    }
}

/// Runs the plugin's code for no longer than `left`, which shrinks by what it took.
fn timed<R>(
    host: &Host,
    store: &mut Store<State>,
    left: &mut Duration,
    run: impl FnOnce(&mut Store<State>) -> wasmtime::Result<R>,
) -> wasmtime::Result<R> {
    let deadline = host.now().saturating_add(*left);
    store.data_mut().deadline = deadline;
    store.set_epoch_deadline(1);
    let outcome = run(store);
    *left = deadline.saturating_sub(host.now());
    outcome
}

/// Why a call failed, as the host sees it.
fn fault(
    error: &wasmtime::Error,
    store: &Store<State>,
    codec: &str,
    terms: &Terms,
    granted_ms: u64,
) -> MediaError {
    let state = store.data();
    let what = match (state.stopped, error.downcast_ref::<Trap>()) {
        (Some(Stop::Cancelled), _) => return MediaError::Cancelled,
        (Some(Stop::Deadline), _) => format!("ran for longer than {granted_ms} ms"),
        (None, _) if state.meter.refused => {
            format!(
                "asked for more than {} octets of memory",
                terms.memory_bytes
            )
        }
        (None, Some(Trap::OutOfFuel)) => {
            format!(
                "used more than {} units of fuel",
                terms.fuel.unwrap_or(u64::MAX)
            )
        }
        (None, Some(trap)) => {
            let name = trap.to_string();
            format!("trapped: {}", name.trim_start_matches("wasm trap: "))
        }
        (None, None) => clean(&error.root_cause().to_string(), TEXT),
    };
    MediaError::CodecFailed {
        codec: codec.to_owned(),
        what,
    }
}

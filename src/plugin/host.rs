//! The engine that all plugins of a process share, and its clock.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use remold_plugin_abi::v0_1_0::remold::codec::{host_log, types};
use sha2::{Digest, Sha256};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine};

use super::error::HostError;
use super::store::State;
use super::watch::{Event, Watch};
use crate::limits::PluginLimits;

/// Time since some fixed moment. The core has no clock of its own.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What gets the lines that plugins say: the plugin's name, and the line.
pub type LogSink = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Where compiled plugins are kept between runs of the process.
///
/// What is given back by `get` is run as machine code. It has to come from where only the user of
/// this process can write.
pub trait CompiledCache {
    /// What was put under `key`, 64 hexadecimal digits.
    fn get(&self, key: &str) -> Option<Vec<u8>>;

    /// Keeps `compiled` under `key`, or does not: nothing depends on it but time.
    fn put(&self, key: &str, compiled: &[u8]);
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoCache;

impl CompiledCache for NoCache {
    fn get(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn put(&self, _: &str, _: &[u8]) {}
}

/// The sandbox: one for a process, shared by all of its plugins. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<State>,
    limits: PluginLimits,
    clock: Clock,
    sink: Option<LogSink>,
    watch: Option<Watch>,
    jobs: Arc<Jobs>,
}

/// How often running plugins are looked after.
const TICK: Duration = Duration::from_millis(1);

impl Host {
    /// A sandbox. `clock` need not be precise; deadlines are as precise as it is.
    ///
    /// # Errors
    ///
    /// Where the processor is none that wasmtime compiles for.
    pub fn new(limits: PluginLimits, clock: Clock) -> Result<Self, HostError> {
        Self::with_log(limits, clock, None)
    }

    /// As [`new`](Self::new), and what plugins say goes to `sink`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_log(
        limits: PluginLimits,
        clock: Clock,
        sink: Option<LogSink>,
    ) -> Result<Self, HostError> {
        Self::with_watch(limits, clock, sink, None)
    }

    /// As [`with_log`](Self::with_log), and `watch` is told of every job.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_watch(
        limits: PluginLimits,
        clock: Clock,
        sink: Option<LogSink>,
        watch: Option<Watch>,
    ) -> Result<Self, HostError> {
        let failed = |error: wasmtime::Error| HostError(format!("{error:#}"));
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .max_wasm_stack(limits.stack_bytes)
            .epoch_interruption(true)
            .consume_fuel(limits.fuel.is_some())
            // The same octets give the same result on every machine.
            .wasm_relaxed_simd(false)
            .cranelift_nan_canonicalization(false);
        let engine = Engine::new(&config).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        host_log::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(failed)?;
        types::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(failed)?;
        let jobs = Arc::new(Jobs::default());
        tick(&engine, Arc::clone(&jobs)).map_err(|error| HostError(error.to_string()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                linker,
                limits,
                clock,
                sink,
                watch,
                jobs,
            }),
        })
    }

    /// The bounds of all plugins.
    #[must_use]
    pub fn limits(&self) -> &PluginLimits {
        &self.inner.limits
    }

    /// Time by the clock of this host.
    #[must_use]
    pub fn now(&self) -> Duration {
        (self.inner.clock)()
    }

    pub(super) fn clock(&self) -> Clock {
        Arc::clone(&self.inner.clock)
    }

    pub(super) fn sink(&self) -> Option<LogSink> {
        self.inner.sink.clone()
    }

    /// Tells whoever watches.
    pub(super) fn tell(&self, plugin: &str, event: Event) {
        if let Some(watch) = &self.inner.watch {
            watch(plugin, event);
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    /// Keeps the ticks coming while it is held.
    pub(super) fn running(&self) -> Running {
        Running::new(Arc::clone(&self.inner.jobs))
    }

    /// Compiles a component, or takes it from the cache.
    pub(super) fn compile(
        &self,
        octets: &[u8],
        cache: &dyn CompiledCache,
    ) -> wasmtime::Result<Component> {
        let key = self.key(octets);
        if let Some(kept) = cache.get(&key)
            && let Ok(component) = remold_plugin_abi::load(&self.inner.engine, &kept)
        {
            return Ok(component);
        }
        let component = Component::from_binary(&self.inner.engine, octets)?;
        cache.put(&key, &component.serialize()?);
        Ok(component)
    }

    /// What a compiled component is kept under: its octets, and all that the code depends on.
    fn key(&self, octets: &[u8]) -> String {
        struct Feed(Sha256);
        impl std::hash::Hasher for Feed {
            fn finish(&self) -> u64 {
                0
            }
            fn write(&mut self, bytes: &[u8]) {
                self.0.update(bytes);
            }
        }
        let mut feed = Feed(Sha256::new_with_prefix(Sha256::digest(octets)));
        let engine = self.inner.engine.precompile_compatibility_hash();
        std::hash::Hash::hash(&engine, &mut feed);
        hex(&feed.0.finalize())
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("limits", &self.inner.limits)
            .finish_non_exhaustive()
    }
}

/// Octets in hexadecimal.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// How many jobs of plugins are under way.
#[derive(Default)]
struct Jobs {
    state: Mutex<Count>,
    wake: Condvar,
}

#[derive(Default)]
struct Count {
    running: usize,
    closed: bool,
}

/// One job that is under way.
pub(super) struct Running(Arc<Jobs>);

impl Running {
    fn new(jobs: Arc<Jobs>) -> Self {
        let mut count = jobs.state.lock().unwrap_or_else(PoisonError::into_inner);
        count.running = count.running.saturating_add(1);
        if count.running == 1 {
            jobs.wake.notify_one();
        }
        drop(count);
        Self(jobs)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut count = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        count.running = count.running.saturating_sub(1);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut count = self
            .jobs
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        count.closed = true;
        self.jobs.wake.notify_one();
    }
}

/// Starts the thread that lets running plugins stop to be looked after. It sleeps while none runs
/// and ends with the host.
fn tick(engine: &Engine, jobs: Arc<Jobs>) -> std::io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("plugin-tick".to_owned())
        .spawn(move || {
            loop {
                let mut count = jobs.state.lock().unwrap_or_else(PoisonError::into_inner);
                while count.running == 0 && !count.closed {
                    count = jobs
                        .wake
                        .wait(count)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                if count.closed {
                    return;
                }
                drop(count);
                thread::sleep(TICK);
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(limits: PluginLimits) -> Host {
        Host::new(limits, Arc::new(|| Duration::ZERO)).unwrap()
    }

    #[test]
    fn the_key_depends_on_the_octets_and_on_the_engine() {
        let plain = host(PluginLimits::default());
        let fuelled = host(PluginLimits {
            fuel: Some(1),
            ..PluginLimits::default()
        });
        let key = plain.key(b"a");
        assert_eq!(
            (key.len(), &key),
            (64, &host(PluginLimits::default()).key(b"a"))
        );
        assert_ne!(key, plain.key(b"b"));
        assert_ne!(key, fuelled.key(b"a"));
    }

    #[test]
    fn octets_that_are_no_component_are_not_cached() {
        struct Never;
        impl CompiledCache for Never {
            fn get(&self, _: &str) -> Option<Vec<u8>> {
                Some(b"not compiled code".to_vec())
            }
            fn put(&self, _: &str, _: &[u8]) {
                panic!("cached");
            }
        }
        assert!(
            host(PluginLimits::default())
                .compile(b"\0asm", &Never)
                .is_err()
        );
    }
}

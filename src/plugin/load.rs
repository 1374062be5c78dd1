//! From octets to a plugin that may be used, in an order in which nothing runs before it is checked.

use std::sync::Arc;

use remold_plugin_abi::v0_1_0::exports::remold::codec as guest;
use remold_plugin_abi::v0_1_0::remold::codec::types::{OptionPair, OptionValue};
use sha2::{Digest, Sha256};
use wasmtime::component::InstancePre;

use super::about::{About, Capability, Kind, Value};
use super::error::{LoadError, clean};
use super::host::{CompiledCache, Host, hex};
use super::job::{Code, Job};
use super::manifest::{Manifest, Terms, Wasi};
use super::quarantine::Quarantine;
use super::signature;
use super::store::State;
use super::watch::{Event, Failure};
use super::world;
use crate::media::{Cancel, MediaError};

/// A plugin that passed every check. Clones share it.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

struct Inner {
    code: Code,
    about: About,
    sha256: String,
    terms: Terms,
    priority: i32,
    settings: Vec<(String, Value)>,
    quarantine: Quarantine,
}

impl Host {
    /// Loads a plugin: size, pins, code, imports, exports, what it says of itself, what it may do.
    /// Its code runs for the first time when all but the last two are found to be fine, and then
    /// within [`describe_ms`](crate::limits::PluginLimits::describe_ms).
    ///
    /// # Errors
    ///
    /// [`LoadError`] for the first thing that is wrong.
    pub fn load(
        &self,
        octets: &[u8],
        manifest: &Manifest,
        cache: &dyn CompiledCache,
    ) -> Result<Plugin, LoadError> {
        self.load_signed(octets, None, manifest, cache)
    }

    /// As [`load`](Self::load), with the signature that lies beside the component.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_signed(
        &self,
        octets: &[u8],
        signature: Option<&str>,
        manifest: &Manifest,
        cache: &dyn CompiledCache,
    ) -> Result<Plugin, LoadError> {
        let size = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        let limit = self.limits().component_bytes;
        if size > limit {
            return Err(LoadError::TooLarge { size, limit });
        }
        let sha256 = hex(&Sha256::digest(octets));
        if let Some(pinned) = &manifest.sha256
            && !pinned.eq_ignore_ascii_case(&sha256)
        {
            return Err(LoadError::Pin {
                pinned: pinned.clone(),
                found: sha256,
            });
        }
        if let Some(key) = &manifest.signed_by {
            signature::verify(octets, signature, key)?;
        }
        let code = link(self, octets, manifest.wasi, cache)?;
        let about = describe(&code)?;
        let settings = allowed(&about, manifest)?;
        Ok(Plugin {
            inner: Arc::new(Inner {
                code,
                about,
                sha256,
                terms: manifest.terms(self.limits()),
                priority: manifest.priority,
                settings,
                quarantine: Quarantine::default(),
            }),
        })
    }
}

impl Plugin {
    /// What it says of itself.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.inner.about
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.about.name
    }

    /// SHA-256 of its component, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.inner.sha256
    }

    /// What one job may have.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.inner.terms
    }

    /// Where it stands among the codecs of its formats.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.inner.priority
    }

    /// Whether it is used now: not for a while after it failed too often in a row.
    #[must_use]
    pub fn available(&self) -> bool {
        let now = self.inner.code.host.now();
        self.inner.quarantine.is_over(now)
    }

    /// Starts an instance, asks it what it is and drops it: what every job costs before it does
    /// anything.
    ///
    /// # Errors
    ///
    /// [`MediaError::CodecFailed`].
    pub fn start_and_end(&self) -> Result<(), MediaError> {
        let mut job = self.start(&Cancel::new())?;
        let code = &self.inner.code;
        job.call(|store, instance| {
            let meta = code.meta.load(&mut *store, instance)?;
            meta.call_probe(store, &[])
        })?;
        Ok(())
    }

    pub(super) fn code(&self) -> &Code {
        &self.inner.code
    }

    /// A fresh instance.
    pub(super) fn start(&self, cancel: &Cancel) -> Result<Job, MediaError> {
        let started = Job::start(&self.inner.code, self.name(), self.inner.terms, cancel);
        if let Err(MediaError::CodecFailed { .. }) = &started {
            let host = &self.inner.code.host;
            host.tell(self.name(), Event::Failed(Failure::Trap));
        }
        started.map(Job::watched)
    }

    /// Remembers that a job gave what it should.
    pub(super) fn succeeded(&self) {
        self.inner.quarantine.succeeded();
    }

    /// Remembers how a call went. One that went well is not the whole of a job, so it does not
    /// count.
    pub(super) fn judged<T>(&self, outcome: Result<T, MediaError>) -> Result<T, MediaError> {
        let host = &self.inner.code.host;
        match &outcome {
            Err(MediaError::CodecFailed { what, .. }) => {
                if let Some(sink) = host.sink() {
                    sink(self.name(), &format!("failed: {what}"));
                }
                if self.inner.quarantine.failed(host.now(), host.limits()) {
                    host.tell(self.name(), Event::Quarantined);
                }
            }
            Ok(_) | Err(MediaError::Cancelled) => {}
            // It said whose fault it was.
            Err(_) => self.inner.quarantine.succeeded(),
        }
        outcome
    }

    /// What a codec of it is asked for: what the operator set, and of `asked` what it knows.
    pub(super) fn options(
        &self,
        capability: &Capability,
        asked: &[(&str, Value)],
    ) -> Vec<OptionPair> {
        let set = self.inner.settings.iter();
        let set = set.map(|(key, value)| (key.as_str(), value));
        let asked = asked
            .iter()
            .filter(|(key, _)| !self.inner.settings.iter().any(|(known, _)| known == key))
            .map(|(key, value)| (*key, value));
        set.chain(asked)
            .filter(|(key, value)| capability.option(key).is_some_and(|spec| spec.takes(value)))
            .map(|(key, value)| OptionPair {
                key: key.to_owned(),
                value: match value {
                    Value::Flag(on) => OptionValue::Flag(*on),
                    Value::Int(number) => OptionValue::Int(*number),
                    Value::Text(word) => OptionValue::Text(word.clone()),
                },
            })
            .collect()
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("about", &self.inner.about)
            .field("sha256", &self.inner.sha256)
            .field("terms", &self.inner.terms)
            .field("priority", &self.inner.priority)
            .finish_non_exhaustive()
    }
}

/// Compiles, and links where the names of imports and exports are the contract's.
fn link(
    host: &Host,
    octets: &[u8],
    wasi: Wasi,
    cache: &dyn CompiledCache,
) -> Result<Code, LoadError> {
    let broken = |error: wasmtime::Error| LoadError::Component(clean(&format!("{error:#}"), 300));
    let component = host.compile(octets, cache).map_err(broken)?;
    let engine = host.engine();
    let ty = component.component_type();
    let trap = wasi == Wasi::Trap;
    world::check_imports(ty.imports(engine).map(|(name, _)| name), trap)?;
    let exports = world::exports(ty.exports(engine).map(|(name, _)| name))?;
    let mut linker = host.linker().clone();
    if trap {
        linker
            .define_unknown_imports_as_traps(&component)
            .map_err(broken)?;
    }
    let misfit = |error: wasmtime::Error| LoadError::World(clean(&format!("{error:#}"), 300));
    let pre = linker.instantiate_pre(&component).map_err(misfit)?;
    fn of<T>(
        exports: &[&str],
        kind: Kind,
        pre: &InstancePre<State>,
        new: impl FnOnce(&InstancePre<State>) -> wasmtime::Result<T>,
    ) -> wasmtime::Result<Option<T>> {
        let there = exports.contains(&kind.interface());
        there.then(|| new(pre)).transpose()
    }
    Ok(Code {
        meta: guest::meta::GuestIndices::new(&pre).map_err(misfit)?,
        image_decode: of(&exports, Kind::ImageDecoder, &pre, |pre| {
            guest::image_decode::GuestIndices::new(pre)
        })
        .map_err(misfit)?,
        image_encode: of(&exports, Kind::ImageEncoder, &pre, |pre| {
            guest::image_encode::GuestIndices::new(pre)
        })
        .map_err(misfit)?,
        audio_decode: of(&exports, Kind::AudioDecoder, &pre, |pre| {
            guest::audio_decode::GuestIndices::new(pre)
        })
        .map_err(misfit)?,
        audio_encode: of(&exports, Kind::AudioEncoder, &pre, |pre| {
            guest::audio_encode::GuestIndices::new(pre)
        })
        .map_err(misfit)?,
        video_decode: of(&exports, Kind::VideoDecoder, &pre, |pre| {
            guest::video_decode::GuestIndices::new(pre)
        })
        .map_err(misfit)?,
        video_encode: of(&exports, Kind::VideoEncoder, &pre, |pre| {
            guest::video_encode::GuestIndices::new(pre)
        })
        .map_err(misfit)?,
        host: host.clone(),
        pre,
    })
}

/// Asks the plugin what it is, and checks that the types of its functions are the contract's.
fn describe(code: &Code) -> Result<About, LoadError> {
    let limits = code.host.limits();
    let terms = Terms {
        memory_bytes: limits.describe_bytes,
        job_ms: limits.describe_ms,
        track_ms: limits.describe_ms,
        fuel: None,
        output_bytes: limits.describe_bytes,
    };
    let failed = |error: MediaError| match error {
        MediaError::CodecFailed { what, .. } => LoadError::Description(what),
        other => LoadError::Description(other.to_string()),
    };
    let mut job = Job::start(code, "plugin", terms, &Cancel::new()).map_err(failed)?;
    let misfit = job.call(|store, instance| {
        Ok(typed(code, store, instance)
            .err()
            .map(|error| clean(&format!("{error:#}"), 300)))
    });
    if let Some(what) = misfit.map_err(failed)? {
        return Err(LoadError::World(what));
    }
    let said = job
        .call(|store, instance| {
            let meta = code.meta.load(&mut *store, instance)?;
            meta.call_describe(store)
        })
        .map_err(failed)?;
    let about = About::check(said)?;
    for capability in &about.capabilities {
        let there = match capability.kind {
            Kind::ImageDecoder => code.image_decode.is_some(),
            Kind::ImageEncoder => code.image_encode.is_some(),
            Kind::AudioDecoder => code.audio_decode.is_some(),
            Kind::AudioEncoder => code.audio_encode.is_some(),
            Kind::VideoDecoder => code.video_decode.is_some(),
            Kind::VideoEncoder => code.video_encode.is_some(),
        };
        if !there {
            let interface = capability.kind.interface();
            let what = format!("says it has {interface}, and does not export it");
            return Err(LoadError::World(what));
        }
    }
    Ok(about)
}

fn typed(
    code: &Code,
    store: &mut wasmtime::Store<State>,
    instance: &wasmtime::component::Instance,
) -> wasmtime::Result<()> {
    code.meta.load(&mut *store, instance)?;
    if let Some(indices) = &code.image_decode {
        indices.load(&mut *store, instance)?;
    }
    if let Some(indices) = &code.image_encode {
        indices.load(&mut *store, instance)?;
    }
    if let Some(indices) = &code.audio_decode {
        indices.load(&mut *store, instance)?;
    }
    if let Some(indices) = &code.audio_encode {
        indices.load(&mut *store, instance)?;
    }
    if let Some(indices) = &code.video_decode {
        indices.load(&mut *store, instance)?;
    }
    if let Some(indices) = &code.video_encode {
        indices.load(&mut *store, instance)?;
    }
    Ok(())
}

/// Holds the plugin against its manifest, and gives the options that the operator set.
fn allowed(about: &About, manifest: &Manifest) -> Result<Vec<(String, Value)>, LoadError> {
    for capability in &about.capabilities {
        let (kind, subject) = (capability.kind, capability.subject.name());
        if !manifest.allows(kind, subject) {
            let what = format!("{} of {subject}", kind.name());
            return Err(LoadError::NotAllowed(what));
        }
    }
    let mut settings = Vec::new();
    for (key, setting) in &manifest.options {
        let value = Value::from(setting);
        let mut known = about.capabilities.iter().filter_map(|c| c.option(key));
        if !known.any(|spec| spec.takes(&value)) {
            let what = format!("no codec of {} takes {key} = {setting:?}", about.name);
            return Err(LoadError::Manifest(what));
        }
        settings.push((key.clone(), value));
    }
    Ok(settings)
}

//! The folder of plugins: read at the start and on every reload.

#[cfg(feature = "plugins")]
mod cache;
#[cfg(feature = "plugins")]
mod folder;

#[cfg(feature = "plugins")]
pub(crate) use cache::{DiskCache, default_cache};
#[cfg(feature = "plugins")]
pub(crate) use folder::{Found, State, clock, manifest_of, read_component, scan, signature_of};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tracing::{info, warn};

use crate::media::Registry;

#[cfg(not(feature = "plugins"))]
/// What is said where plugins are asked for and not compiled in.
pub(crate) const NOT_COMPILED_IN: &str =
    "plugins are not compiled into this remold: build it with --features plugins";

/// The codecs in use: the built-in ones and those of the plugins. Jobs that run while plugins are
/// read again keep the codecs they began with.
pub(super) struct Codecs {
    current: ArcSwap<Registry>,
    /// How often they were read.
    generation: AtomicU64,
    folder: Option<PathBuf>,
    #[cfg(feature = "plugins")]
    host: Option<crate::plugin::Host>,
    #[cfg(feature = "plugins")]
    cache: Option<DiskCache>,
}

impl Default for Codecs {
    /// The built-in codecs alone.
    fn default() -> Self {
        Self {
            current: ArcSwap::from_pointee(Registry::builtin()),
            generation: AtomicU64::new(0),
            folder: None,
            #[cfg(feature = "plugins")]
            host: None,
            #[cfg(feature = "plugins")]
            cache: None,
        }
    }
}

impl Codecs {
    /// The built-in codecs, and the plugins of a folder where one is given. A plugin that cannot be
    /// used is logged and left out.
    ///
    /// # Errors
    ///
    /// Where plugins are not compiled in, or the folder cannot be read.
    pub(super) fn new(folder: Option<&Path>, cache: &Path) -> std::io::Result<Self> {
        let codecs = Self::configured(folder, cache)?;
        codecs.reload()?;
        Ok(codecs)
    }

    #[cfg(feature = "plugins")]
    fn configured(folder: Option<&Path>, cache: &Path) -> std::io::Result<Self> {
        let host = folder.map(|_| {
            let sink: crate::plugin::LogSink =
                Arc::new(|plugin: &str, line: &str| info!(plugin, line, "a plugin says"));
            crate::plugin::Host::with_log(
                crate::limits::PluginLimits::default(),
                clock(),
                Some(sink),
            )
        });
        let cache = match folder.map(|_| DiskCache::open(cache)) {
            Some(Err(error)) => {
                warn!(%error, "plugins are compiled anew at every start");
                None
            }
            Some(Ok(cache)) => Some(cache),
            None => None,
        };
        Ok(Self {
            folder: folder.map(Path::to_owned),
            host: host.transpose().map_err(std::io::Error::other)?,
            cache,
            ..Self::default()
        })
    }

    #[cfg(not(feature = "plugins"))]
    fn configured(folder: Option<&Path>, _: &Path) -> std::io::Result<Self> {
        if folder.is_some() {
            return Err(std::io::Error::other(NOT_COMPILED_IN));
        }
        Ok(Self::default())
    }

    /// The codecs to begin a job with.
    pub(super) fn now(&self) -> Arc<Registry> {
        self.current.load_full()
    }

    /// A number that is another one after every reload: results of other codecs are other results.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Reads the folder again, and says whether the codecs changed. Where a plugin that was in use
    /// cannot be read any more, it is left out.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read; the codecs stay as they were.
    pub(super) fn reload(&self) -> std::io::Result<bool> {
        let Some(folder) = &self.folder else {
            return Ok(false);
        };
        let registry = self.read(folder)?;
        self.current.store(Arc::new(registry));
        self.generation.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    #[cfg(feature = "plugins")]
    fn read(&self, folder: &Path) -> std::io::Result<Registry> {
        let mut registry = Registry::builtin();
        let Some(host) = &self.host else {
            return Ok(registry);
        };
        for Found { path, state } in scan(folder, host, self.cache.as_ref())? {
            let file = path.display();
            match state {
                State::Ready(plugin) => {
                    plugin.register(&mut registry);
                    let (name, version) = (plugin.name(), plugin.about().version.as_str());
                    info!(%file, name, version, "plugin in use");
                }
                State::Disabled => info!(%file, "plugin is switched off"),
                State::Refused(why) => warn!(%file, why, "plugin refused"),
            }
        }
        Ok(registry)
    }

    #[cfg(not(feature = "plugins"))]
    fn read(&self, _: &Path) -> std::io::Result<Registry> {
        Ok(Registry::builtin())
    }
}

impl std::fmt::Debug for Codecs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codecs")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_folder_there_are_the_built_in_codecs_and_no_reload() {
        let codecs = Codecs::new(None, Path::new("/nowhere")).unwrap();
        assert_eq!(codecs.now().names(), Registry::builtin().names());
        assert!(!codecs.reload().unwrap());
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        assert!(Codecs::new(Some(Path::new("/no/such/folder")), Path::new("/nowhere")).is_err());
    }
}

//! The folder of plugins: read at the start and on every reload.

#[cfg(feature = "plugins")]
mod cache;
#[cfg(feature = "plugins")]
mod folder;

#[cfg(feature = "plugins")]
pub(crate) use cache::{DiskCache, default_cache};
#[cfg(feature = "plugins")]
pub(crate) use folder::{Found, State, clock, manifest_of, read_component, scan, signature_of};

#[cfg(feature = "plugins")]
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "plugins")]
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
#[cfg(feature = "plugins")]
use tracing::{info, warn};

use crate::limits::Limits;
use crate::media::Registry;
use crate::media::audio::Soundfont;
use crate::media::registry::BUILTIN;
#[cfg(feature = "plugins")]
use crate::plugin::{Event, Plugin, Watch};
use crate::server::metrics::Metrics;

#[cfg(not(feature = "plugins"))]
/// What is said where plugins are asked for and not compiled in.
pub(crate) const NOT_COMPILED_IN: &str =
    "plugins are not compiled into this remold: build it with --features plugins";

/// The built-in codecs, and the player of melodies where there is a soundfont.
///
/// # Errors
///
/// Where the file cannot be read or is no soundfont.
pub(super) fn built_in(soundfont: Option<&Path>) -> std::io::Result<Registry> {
    let mut registry = Registry::builtin();
    let Some(file) = soundfont else {
        return Ok(registry);
    };
    let limits = Limits::default();
    let most = u64::try_from(limits.soundfont_bytes).unwrap_or(u64::MAX);
    let named = |error: &dyn std::fmt::Display| {
        std::io::Error::other(format!("{}: {error}", file.display()))
    };
    let mut octets = Vec::new();
    File::open(file)
        .and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut octets))
        .map_err(|error| named(&error))?;
    let font = Soundfont::read(&octets, &limits).map_err(|error| named(&error))?;
    registry.add_audio_decoder(BUILTIN, Arc::new(font));
    Ok(registry)
}

/// The codecs in use: the built-in ones and those of the plugins. Jobs that run while plugins are
/// read again keep the codecs they began with.
pub(super) struct Codecs {
    current: ArcSwap<Registry>,
    /// Those that no reload changes.
    base: Registry,
    /// How often they were read.
    generation: AtomicU64,
    folder: Option<PathBuf>,
    #[cfg(feature = "plugins")]
    host: Option<crate::plugin::Host>,
    #[cfg(feature = "plugins")]
    cache: Option<DiskCache>,
    /// The plugins in use by their files.
    #[cfg(feature = "plugins")]
    in_use: Mutex<BTreeMap<PathBuf, Plugin>>,
}

impl Default for Codecs {
    /// The built-in codecs alone.
    fn default() -> Self {
        Self {
            current: ArcSwap::from_pointee(Registry::builtin()),
            base: Registry::builtin(),
            generation: AtomicU64::new(0),
            folder: None,
            #[cfg(feature = "plugins")]
            host: None,
            #[cfg(feature = "plugins")]
            cache: None,
            #[cfg(feature = "plugins")]
            in_use: Mutex::default(),
        }
    }
}

impl Codecs {
    /// The codecs of `base`, and the plugins of a folder where one is given, whose jobs are counted. A
    /// plugin that cannot be used is logged and left out.
    ///
    /// # Errors
    ///
    /// Where plugins are not compiled in, or the folder cannot be read.
    pub(super) fn new(
        base: Registry,
        folder: Option<&Path>,
        cache: &Path,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let codecs = Self {
            current: ArcSwap::from_pointee(base.clone()),
            base,
            ..Self::configured(folder, cache, metrics)?
        };
        codecs.reload()?;
        Ok(codecs)
    }

    #[cfg(feature = "plugins")]
    fn configured(
        folder: Option<&Path>,
        cache: &Path,
        metrics: &Arc<Metrics>,
    ) -> std::io::Result<Self> {
        let host = folder.map(|_| {
            let sink: crate::plugin::LogSink =
                Arc::new(|plugin: &str, line: &str| info!(plugin, line, "a plugin says"));
            let metrics = metrics.clone();
            let watch: Watch = Arc::new(move |plugin: &str, event| match event {
                Event::Ended(took) => metrics.plugin_job(plugin, took),
                Event::Failed(how) => metrics.plugin_failed(plugin, how.name()),
                Event::Quarantined => {
                    warn!(plugin, "plugin is left alone: it failed too often in a row");
                    metrics.plugin_quarantined(plugin);
                }
            });
            crate::plugin::Host::with_watch(
                crate::limits::PluginLimits::default(),
                clock(),
                Some(sink),
                Some(watch),
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
    fn configured(folder: Option<&Path>, _: &Path, _: &Arc<Metrics>) -> std::io::Result<Self> {
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

    /// Reads the folder again, and says whether there is one. Where the new file of a plugin that is
    /// in use is refused, the old one stays in use; a file that is gone or switched off is out.
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
        let mut registry = self.base.clone();
        let Some(host) = &self.host else {
            return Ok(registry);
        };
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = BTreeMap::new();
        for Found { path, state } in scan(folder, host, self.cache.as_ref())? {
            let file = path.display();
            let plugin = match state {
                State::Ready(plugin) => {
                    let (name, version) = (plugin.name(), plugin.about().version.as_str());
                    info!(%file, name, version, "plugin in use");
                    Some(plugin)
                }
                State::Disabled => {
                    info!(%file, "plugin is switched off");
                    None
                }
                State::Refused(why) => {
                    let stays = in_use.get(&path).cloned();
                    warn!(%file, why, stays = stays.is_some(), "plugin refused");
                    stays
                }
            };
            if let Some(plugin) = plugin {
                plugin.register(&mut registry);
                now.insert(path, plugin);
            }
        }
        *in_use = now;
        Ok(registry)
    }

    #[cfg(not(feature = "plugins"))]
    fn read(&self, _: &Path) -> std::io::Result<Registry> {
        Ok(self.base.clone())
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
        let codecs = Codecs::new(
            Registry::builtin(),
            None,
            Path::new("/nowhere"),
            &Arc::default(),
        )
        .unwrap();
        assert_eq!(codecs.now().names(), Registry::builtin().names());
        assert!(!codecs.reload().unwrap());
    }

    #[test]
    #[cfg(feature = "plugins")]
    fn plugins_come_and_go_and_a_broken_one_leaves_the_old_one_in_use() {
        let root = std::env::temp_dir().join(format!("remold-codecs-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let (folder, file) = (root.join("plugins"), root.join("plugins/a.wasm"));
        std::fs::create_dir_all(&folder).unwrap();
        let codecs = Codecs::new(
            Registry::builtin(),
            Some(&folder),
            &root.join("cache"),
            &Arc::default(),
        )
        .unwrap();
        let has = || codecs.now().names().contains_key("plugin:qoi");
        assert!(!has());
        let before = (codecs.now(), codecs.generation());
        let component: &[u8] = include_bytes!("../../../tests/data/plugin-0.1.0.wasm");
        std::fs::write(&file, component).unwrap();
        assert!(codecs.reload().unwrap() && has());
        assert_ne!(codecs.generation(), before.1);
        assert!(
            !before.0.names().contains_key("plugin:qoi"),
            "a job keeps its codecs"
        );
        std::fs::write(&file, b"half of a copy").unwrap();
        assert!(codecs.reload().unwrap() && has());
        std::fs::write(folder.join("a.toml"), "enabled = false").unwrap();
        assert!(codecs.reload().unwrap() && !has());
        std::fs::remove_file(folder.join("a.toml")).unwrap();
        assert!(
            codecs.reload().unwrap() && !has(),
            "what is out stays out while it is broken"
        );
        std::fs::write(&file, component).unwrap();
        assert!(codecs.reload().unwrap() && has());
        std::fs::remove_file(&file).unwrap();
        assert!(codecs.reload().unwrap() && !has());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_soundfont_is_read_at_the_start_or_the_start_fails() {
        let plain = built_in(None).unwrap();
        assert_eq!(plain.names(), Registry::builtin().names());
        let error = built_in(Some(Path::new("/no/such/file"))).unwrap_err();
        assert!(error.to_string().starts_with("/no/such/file: "), "{error}");
        let no_font = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/chord.amr");
        let error = built_in(Some(&no_font)).unwrap_err();
        assert!(error.to_string().contains("this soundfont"), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        assert!(
            Codecs::new(
                Registry::builtin(),
                Some(Path::new("/no/such/folder")),
                Path::new("/nowhere"),
                &Arc::default()
            )
            .is_err()
        );
    }
}

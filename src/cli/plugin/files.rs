//! Plugins from files, for every command.

use std::path::Path;

use super::CompileArgs;
use crate::cli::{CliError, Exit, io};
use crate::limits::PluginLimits;
use crate::media::Registry;
use crate::plugin::{CompiledCache, Host, Manifest, NoCache, Plugin, Watch};
use crate::server::plugins::{
    DiskCache, Found, State, clock, default_cache, manifest_of, read_component, scan, signature_of,
};

/// Fuel that no job uses up: it is there to be counted.
const COUNTED: u64 = u64::MAX / 2;

/// A sandbox whose plugins speak on stderr.
pub(super) fn host(fuel: bool) -> Result<Host, CliError> {
    watched_host(fuel, None)
}

/// As [`host`], where `watch` is told of every job.
pub(super) fn watched_host(fuel: bool, watch: Option<Watch>) -> Result<Host, CliError> {
    let limits = PluginLimits {
        fuel: fuel.then_some(COUNTED),
        ..PluginLimits::default()
    };
    let sink = std::sync::Arc::new(|plugin: &str, line: &str| {
        eprintln!("remold: plugin {plugin}: {line}");
    });
    Host::with_watch(limits, clock(), Some(sink), watch)
        .map_err(|error| CliError::new(Exit::Internal, error.to_string()))
}

/// The cache of this user; without one, or with one that others may enter, plugins are compiled
/// each time.
fn cache() -> Option<DiskCache> {
    default_cache().and_then(|folder| DiskCache::open(&folder).ok())
}

/// Loads one plugin with the manifest beside it.
pub(super) fn load(path: &Path, host: &Host) -> Result<Plugin, CliError> {
    let refused = |why: String| CliError::new(Exit::Refused, why).in_file(io::shown(path));
    let manifest = manifest_of(path, host.limits().manifest_bytes).map_err(refused)?;
    let octets = octets(path, host)?;
    let cache = cache();
    let cache: &dyn CompiledCache = match &cache {
        Some(cache) => cache,
        None => &NoCache,
    };
    let signature = signature_of(path);
    let loaded = host.load_signed(&octets, signature.as_deref(), &manifest, cache);
    loaded.map_err(|error| refused(error.to_string()))
}

/// The octets of a component.
pub(super) fn octets(path: &Path, host: &Host) -> Result<Vec<u8>, CliError> {
    read_component(path, host.limits().component_bytes)
        .map_err(|why| CliError::new(Exit::Refused, why).in_file(io::shown(path)))
}

/// What a folder holds.
pub(super) fn folder(folder: &Path, host: &Host) -> Result<Vec<Found>, CliError> {
    scan(folder, host, cache().as_ref()).map_err(|error| {
        let message = format!("cannot be read: {error}");
        CliError::new(Exit::Usage, message).in_file(io::shown(folder))
    })
}

/// Adds the codecs of a folder.
pub(super) fn register(path: &Path, registry: &mut Registry) -> Result<(), CliError> {
    let host = host(false)?;
    for Found { path, state } in folder(path, &host)? {
        match state {
            State::Ready(plugin) => plugin.register(registry),
            State::Disabled => {}
            State::Refused(why) => {
                eprintln!("remold: {}: warning: not used: {why}", path.display());
            }
        }
    }
    Ok(())
}

/// Runs `remold plugin compile`.
pub(super) fn compile(args: &CompileArgs) -> Result<Exit, CliError> {
    let failed = |error: &std::io::Error| CliError::new(Exit::Internal, error.to_string());
    let cache = match (&args.cache, default_cache()) {
        (Some(folder), _) => DiskCache::open(folder),
        (None, Some(folder)) => DiskCache::open(&folder),
        (None, None) => {
            let message = "there is no home to keep compiled plugins in: say --cache";
            return Err(CliError::new(Exit::Usage, message));
        }
    };
    let cache = cache.map_err(|error| failed(&error))?;
    let host = host(false)?;
    for path in &args.plugins {
        let octets = octets(path, &host)?;
        let begun = host.now();
        let plugin = host
            .load(&octets, &Manifest::default(), &cache)
            .map_err(|error| {
                CliError::new(Exit::Refused, error.to_string()).in_file(io::shown(path))
            })?;
        let took = host.now().saturating_sub(begun);
        let name = plugin.name();
        io::print(format!("{name}: ready in {} ms\n", took.as_millis()))?;
    }
    Ok(Exit::Done)
}

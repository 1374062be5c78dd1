//! Reading plugins from a folder.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::cache::DiskCache;
use crate::plugin::{Clock, CompiledCache, Host, LoadError, Manifest, NoCache, Plugin};

/// A file of the folder.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What became of it.
    pub(crate) state: State,
}

/// What became of a plugin's file.
#[derive(Debug)]
pub(crate) enum State {
    /// It may be used.
    Ready(Plugin),
    /// Its manifest switches it off.
    Disabled,
    /// It may not be used: why.
    Refused(String),
}

/// The clock of a host, as precise as the system's.
pub(crate) fn clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || start.elapsed())
}

/// Loads every `*.wasm` of a folder, in the order of their names. Of two plugins with one name the
/// second is refused.
///
/// # Errors
///
/// Where the folder cannot be read. What is wrong with a file is its [`State`].
pub(crate) fn scan(
    folder: &Path,
    host: &Host,
    cache: Option<&DiskCache>,
) -> io::Result<Vec<Found>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut found: Vec<Found> = Vec::new();
    for path in paths {
        let mut state = load(&path, host, cache);
        if let State::Ready(plugin) = &state {
            let twin = found
                .iter()
                .find(|other| matches!(&other.state, State::Ready(p) if p.name() == plugin.name()));
            if let Some(twin) = twin {
                let other = twin.path.display();
                state = State::Refused(format!("{} is already in {other}", plugin.name()));
            }
        }
        found.push(Found { path, state });
    }
    Ok(found)
}

fn load(path: &Path, host: &Host, cache: Option<&DiskCache>) -> State {
    let load = || -> Result<Option<Plugin>, String> {
        let manifest = manifest_of(path, host.limits().manifest_bytes)?;
        if !manifest.enabled {
            return Ok(None);
        }
        let octets = read_component(path, host.limits().component_bytes)?;
        let cache: &dyn CompiledCache = match cache {
            Some(cache) => cache,
            None => &NoCache,
        };
        let signature = signature_of(path);
        host.load_signed(&octets, signature.as_deref(), &manifest, cache)
            .map(Some)
            .map_err(|error| error.to_string())
    };
    match load() {
        Ok(Some(plugin)) => State::Ready(plugin),
        Ok(None) => State::Disabled,
        Err(why) => State::Refused(why),
    }
}

/// The octets of a component. A file that is larger than `limit` is refused unread.
///
/// # Errors
///
/// Why not, in words.
pub(crate) fn read_component(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let (octets, size) = read(path, limit).map_err(|error| error.to_string())?;
    octets.ok_or_else(|| LoadError::TooLarge { size, limit }.to_string())
}

/// The manifest beside a component, or the default one where there is none.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(crate) fn manifest_of(component: &Path, limit: u64) -> Result<Manifest, String> {
    let path = component.with_extension("toml");
    let octets = match read(&path, limit) {
        Ok((Some(octets), _)) => octets,
        Ok((None, size)) => return Err(format!("its manifest: {size} octets")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Manifest::default()),
        Err(error) => return Err(format!("its manifest: {error}")),
    };
    let text = String::from_utf8(octets).map_err(|_| "its manifest: not UTF-8".to_owned())?;
    Manifest::read(&text).map_err(|error| error.to_string())
}

/// The signature beside a component, where there is one: its name with `.sig` behind it.
pub(crate) fn signature_of(component: &Path) -> Option<String> {
    let mut name = component.as_os_str().to_owned();
    name.push(".sig");
    let (octets, _) = read(Path::new(&name), SIGNATURE).ok()?;
    String::from_utf8(octets?).ok()
}

/// The most octets of the file of a signature.
const SIGNATURE: u64 = 1024;

/// The octets of a file, or `None` where it has more than `limit`; and how many it has.
fn read(path: &Path, limit: u64) -> io::Result<(Option<Vec<u8>>, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("is no file"));
    }
    if metadata.len() > limit {
        return Ok((None, metadata.len()));
    }
    let mut octets = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut octets)?;
    let size = u64::try_from(octets.len()).unwrap_or(u64::MAX);
    Ok((Some(octets).filter(|_| size <= limit), size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::PluginLimits;

    fn folder(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("remold-plugins-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn every_file_gets_a_state_and_a_reason() {
        let dir = folder("states");
        let write = |name: &str, octets: &[u8]| fs::write(dir.join(name), octets).unwrap();
        write("a.wasm", b"not wasm");
        write("b.wasm", b"\0asm\x01\0\0\0");
        write("c.wasm", b"x");
        write("c.toml", b"enabled = false");
        write("d.wasm", b"x");
        write("d.toml", b"memory = 1");
        write("e.wasm", b"x");
        write(
            "e.toml",
            format!("sha256 = '{}'", "0".repeat(64)).as_bytes(),
        );
        write("notes.txt", b"x");
        fs::create_dir(dir.join("f.wasm")).unwrap();
        // A file of 2 GB that takes no room.
        File::create(dir.join("g.wasm"))
            .unwrap()
            .set_len(2 << 30)
            .unwrap();
        let host = Host::new(PluginLimits::default(), clock()).unwrap();
        let found = scan(&dir, &host, None).unwrap();
        let told: Vec<String> = found
            .iter()
            .map(|f| match &f.state {
                State::Ready(_) => "ready".to_owned(),
                State::Disabled => "disabled".to_owned(),
                State::Refused(why) => why.clone(),
            })
            .collect();
        assert_eq!(told.len(), 7, "{told:?}");
        for (told, want) in told.iter().zip([
            "no component",
            "no component",
            "disabled",
            "unknown field `memory`",
            "SHA-256",
            "is no file",
            "2147483648 octets, and no plugin has more than",
        ]) {
            assert!(told.contains(want), "{told}: {want}");
        }
        fs::remove_dir_all(dir).unwrap();
    }
}

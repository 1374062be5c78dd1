//! Compiled plugins, kept between runs of the process.
//!
//! What is kept is machine code, and what is read is run. So the folder belongs to the user of this
//! process, nobody else may enter it, and each file begins with the SHA-256 of the rest, so that one
//! that was cut short or has rotted is compiled anew.

use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::plugin::CompiledCache;

/// Permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

/// Octets of a SHA-256.
const HASH: usize = 32;

/// The most octets of a compiled plugin.
const LARGEST: u64 = 512 << 20;

/// A folder of compiled plugins.
#[derive(Debug, Clone)]
pub(crate) struct DiskCache {
    folder: PathBuf,
}

impl DiskCache {
    /// Opens the folder, and makes it where it is not there.
    ///
    /// # Errors
    ///
    /// Where others may enter it, it belongs to another user, or cannot be made.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let metadata = fs::symlink_metadata(folder)?;
        let refuse = |why: &str| {
            let message = format!("{}: {why}", folder.display());
            Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
        };
        if !metadata.is_dir() {
            return refuse("is no folder");
        }
        if metadata.mode() & OTHERS != 0 {
            return refuse("others may enter it, and it holds code that is run: chmod 700");
        }
        let cache = Self {
            folder: folder.to_owned(),
        };
        // A file that this process makes belongs to its user.
        let probe = cache.temporary();
        let made = create(&probe)?.metadata()?;
        fs::remove_file(&probe)?;
        if made.uid() != metadata.uid() {
            return refuse("belongs to another user");
        }
        Ok(cache)
    }

    fn temporary(&self) -> PathBuf {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        self.folder
            .join(format!(".{}-{number}.tmp", std::process::id()))
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.cwasm"))
    }

    fn write(&self, key: &str, compiled: &[u8]) -> io::Result<()> {
        let temporary = self.temporary();
        let written = create(&temporary).and_then(|mut file| {
            file.write_all(&Sha256::digest(compiled))?;
            file.write_all(compiled)?;
            file.sync_all()?;
            fs::rename(&temporary, self.path(key))
        });
        if written.is_err() {
            // What is left of it is in nobody's way.
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

impl CompiledCache for DiskCache {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.path(key);
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || metadata.len() > LARGEST {
            return None;
        }
        let octets = fs::read(path).ok()?;
        let (hash, compiled) = octets.split_at_checked(HASH)?;
        (Sha256::digest(compiled).as_slice() == hash).then(|| compiled.to_vec())
    }

    fn put(&self, key: &str, compiled: &[u8]) {
        // Where there is no room it is compiled again at the next start.
        let _ = self.write(key, compiled);
    }
}

/// Where commands keep compiled plugins: `$XDG_CACHE_HOME/remold/plugins` or the like; `None` for a
/// user without a home.
pub(crate) fn default_cache() -> Option<PathBuf> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("remold/plugins"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("remold-cwasm-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn what_is_kept_comes_back_and_what_is_damaged_does_not() {
        let dir = folder("kept");
        let cache = DiskCache::open(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
        let key = "0".repeat(64);
        assert_eq!(cache.get(&key), None);
        cache.put(&key, b"code");
        assert_eq!(cache.get(&key).as_deref(), Some(b"code".as_slice()));
        let file = dir.join(format!("{key}.cwasm"));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let whole = fs::read(&file).unwrap();
        for damaged in [&whole[..10], &whole[..whole.len() - 1], b"".as_slice()] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(cache.get(&key), None);
        }
        assert_eq!(
            fs::read_dir(&dir).unwrap().count(),
            1,
            "nothing else is left"
        );
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let dir = folder("open");
        fs::create_dir_all(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let error = DiskCache::open(&dir).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(DiskCache::open(&dir).is_ok());
        let link = folder("link");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        assert!(DiskCache::open(&link).is_err());
        fs::remove_file(link).unwrap();
        fs::remove_dir_all(dir).unwrap();
    }
}

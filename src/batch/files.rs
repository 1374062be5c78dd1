//! Results are written whole or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where results are written before they get their names.
pub(super) struct Folder {
    temporary: PathBuf,
    count: AtomicU64,
    durable: bool,
}

/// What happens where there is a file of this name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replace {
    /// It stays, and that is an error.
    Never,
    /// It stays, and that is an error unless it holds these octets: then it is the result.
    Same,
    /// It is replaced.
    Always,
}

impl Folder {
    /// A folder for temporary files in `out`, emptied of what an earlier process of the same job
    /// left. It is made when it is needed.
    pub(super) fn new(out: &Path, mark: &str, durable: bool) -> io::Result<Self> {
        let temporary = out.join(format!(".remold-{mark}.tmp"));
        match fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self {
            temporary,
            count: AtomicU64::new(0),
            durable,
        })
    }

    /// Writes a file.
    pub(super) fn put(&self, target: &Path, octets: &[u8], replace: Replace) -> io::Result<()> {
        let parent = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        if replace != Replace::Always && target.symlink_metadata().is_ok() {
            return Self::is_same(target, octets, replace);
        }
        let temporary = Temporary(self.next_name());
        let mut file = match File::create_new(&temporary.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&self.temporary)?;
                File::create_new(&temporary.0)?
            }
            file => file?,
        };
        file.write_all(octets)?;
        if self.durable {
            file.sync_all()?;
        }
        drop(file);
        if replace == Replace::Always {
            fs::rename(&temporary.0, target)?;
        } else {
            // Unlike a rename, a link never replaces a file that appeared in the meantime.
            match fs::hard_link(&temporary.0, target) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return Self::is_same(target, octets, replace);
                }
                Err(_) => fs::rename(&temporary.0, target)?,
                Ok(()) => {}
            }
        }
        if self.durable {
            File::open(parent)?.sync_all()?;
        }
        Ok(())
    }

    fn is_same(target: &Path, octets: &[u8], replace: Replace) -> io::Result<()> {
        let same = replace == Replace::Same
            && fs::metadata(target).is_ok_and(|found| {
                found.is_file() && usize::try_from(found.len()) == Ok(octets.len())
            })
            && fs::read(target).is_ok_and(|found| found == octets);
        if same {
            Ok(())
        } else {
            Err(ErrorKind::AlreadyExists.into())
        }
    }

    fn next_name(&self) -> PathBuf {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.temporary.join(number.to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It is empty, or was never made.
        let _ = fs::remove_dir(&self.temporary);
    }
}

/// A file that is gone when this is dropped, unless it was renamed.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_where_that_is_meant() {
        let name = format!("remold-files-{}", std::process::id());
        let out = std::env::temp_dir().join(name);
        fs::create_dir_all(&out).unwrap();
        let folder = Folder::new(&out, "test", true).unwrap();
        let target = out.join("deep/er/file");
        folder.put(&target, b"one", Replace::Never).unwrap();
        for (octets, replace) in [
            (&b"one"[..], Replace::Never),
            (b"two", Replace::Same),
            (b"tw", Replace::Same),
        ] {
            let error = folder.put(&target, octets, replace).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        }
        folder.put(&target, b"one", Replace::Same).unwrap();
        folder.put(&target, b"two", Replace::Always).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"two");
        fs::write(out.join(".remold-test.tmp/left"), "x").unwrap();
        drop(folder);
        drop(Folder::new(&out, "test", false).unwrap());
        assert_eq!(
            fs::read_dir(&out).unwrap().count(),
            1,
            "nothing is left over"
        );
        fs::remove_dir_all(out).unwrap();
    }
}

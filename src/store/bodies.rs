//! Octets of messages as files: written under a temporary name, synced, renamed, and the folder
//! synced, so that a file with its final name is always whole and always there.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::StoreError;
use super::fault::{Asked, Point};

/// Files are spread over this many folders, so that none grows too long to list.
const FOLDERS: usize = 256;

/// A folder of bodies.
#[derive(Debug)]
pub(super) struct Bodies {
    root: PathBuf,
    faults: Asked,
}

impl Bodies {
    /// Opens the folder, which is made where it is not there.
    pub(super) fn open(root: PathBuf, faults: Asked) -> Result<Self, StoreError> {
        let made = (|| {
            fs::create_dir_all(&root)?;
            for number in 0..FOLDERS {
                match fs::create_dir(root.join(format!("{number:02x}"))) {
                    Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                    _ => {}
                }
            }
            sync_folder(&root)
        })();
        made.map_err(|error| StoreError::io("folder of bodies", &error))?;
        Ok(Self { root, faults })
    }

    /// Writes a body. When this returns, it is on the disk under its name.
    pub(super) fn put(&self, name: &str, octets: &Bytes) -> Result<(), StoreError> {
        let written = (|| {
            let path = self.path(name)?;
            let temporary = path.with_extension("tmp");
            let result = self.write(&temporary, octets).and_then(|()| {
                self.faults.at(Point::BodyRename)?;
                fs::rename(&temporary, &path)
            });
            if result.is_err() {
                // What cannot be written can often be removed; if not, opening does it later.
                let _ = fs::remove_file(&temporary);
                return result;
            }
            self.faults.at(Point::FolderSync)?;
            sync_folder(path.parent().unwrap_or(&self.root))
        })();
        if written.is_err() {
            // A file that has its name and no row is collected when the store is opened; better now.
            let _ = self.delete(name);
        }
        written.map_err(|error| StoreError::io("body of a message", &error))
    }

    /// The octets of a body; `None` where there is no such file.
    pub(super) fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        match self.path(name).and_then(fs::read) {
            Ok(octets) => Ok(Some(octets.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("body of a message", &error)),
        }
    }

    /// Deletes a body. One that is not there is deleted already.
    pub(super) fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.path(name).and_then(fs::remove_file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(StoreError::io("body of a message", &error))
            }
            _ => Ok(()),
        }
    }

    /// Deletes every file that `known` does not name: what was written when the process ended
    /// before its transaction, and temporary files. Gives their number.
    pub(super) fn collect(&self, known: &HashSet<String>) -> Result<usize, StoreError> {
        let mut deleted: usize = 0;
        let mut collected = || {
            for folder in fs::read_dir(&self.root)? {
                let folder = folder?;
                if !folder.file_type()?.is_dir() {
                    continue;
                }
                for file in fs::read_dir(folder.path())? {
                    let file = file?;
                    let name = file.file_name();
                    if !name.to_str().is_some_and(|name| known.contains(name)) {
                        fs::remove_file(file.path())?;
                        deleted = deleted.saturating_add(1);
                    }
                }
            }
            Ok(())
        };
        collected().map_err(|error: io::Error| StoreError::io("folder of bodies", &error))?;
        Ok(deleted)
    }

    fn write(&self, path: &Path, octets: &Bytes) -> io::Result<()> {
        self.faults.at(Point::BodyWrite)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        file.write_all(octets)?;
        self.faults.at(Point::BodySync)?;
        file.sync_all()
    }

    /// Where a body lies. Names are made by us; this makes sure of it.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let plain = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_hexdigit());
        match (plain, name.get(..2)) {
            (true, Some(folder)) => Ok(self.root.join(folder.to_ascii_lowercase()).join(name)),
            _ => Err(ErrorKind::InvalidInput.into()),
        }
    }
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("remold-bodies-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_name_that_we_did_not_make_is_no_path() {
        let root = folder("names");
        let bodies = Bodies::open(root.clone(), Asked::default()).unwrap();
        for name in [
            "",
            "a",
            "../../etc/passwd",
            "ab/cd",
            "ab\0cd",
            "/etc/passwd",
            "ab.tmp",
        ] {
            assert!(
                bodies.put(name, &Bytes::from_static(b"x")).is_err(),
                "{name}"
            );
            assert!(!matches!(bodies.get(name), Ok(Some(_))), "{name}");
        }
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_no_row_names_is_collected_and_the_rest_stays() {
        let root = folder("collect");
        let bodies = Bodies::open(root.clone(), Asked::default()).unwrap();
        bodies.put("ab01", &Bytes::from_static(b"kept")).unwrap();
        bodies.put("ab02", &Bytes::from_static(b"orphan")).unwrap();
        fs::write(root.join("ab/ab03.tmp"), "half").unwrap();
        let known = HashSet::from(["ab01".to_owned()]);
        assert_eq!(bodies.collect(&known), Ok(2));
        assert_eq!(bodies.get("ab01").unwrap().unwrap(), "kept");
        assert_eq!(bodies.get("ab02"), Ok(None));
        bodies.delete("ab01").unwrap();
        bodies.delete("ab01").unwrap();
        fs::remove_dir_all(root).unwrap();
    }
}

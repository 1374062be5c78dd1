//! A copy of a store that is whole, taken while it is in use, and a store from such a copy.
//!
//! The rows are one snapshot of the database. Bodies are written before their rows and never
//! changed, so each one that the snapshot names is there, unless it was deleted since; then the
//! row of the copy says so too.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rayon::prelude::*;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{database, names, schema};
use crate::store::bodies::sync_folder;
use crate::store::{Millis, StoreError};

/// The file that says what a copy holds.
const MANIFEST: &str = "manifest.json";
/// The file of rows.
const ROWS: &str = "store.db";
/// The folder of bodies.
const BODIES: &str = "bodies";

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the program that made it.
    pub version: String,
    /// Schema version of its rows.
    pub schema: i64,
    /// When it was made.
    pub taken_at: Millis,
    /// Messages in it.
    pub messages: u64,
    /// Bodies in it that lie in files of their own; the others are rows.
    pub bodies: u64,
    /// Octets of the bodies.
    pub body_bytes: u64,
    /// SHA-256 of the file of rows, in hexadecimal digits.
    pub rows_sha256: String,
}

/// Why there is no copy, or no store from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Something is in the way.
    #[error("{0} exists and is not empty")]
    InTheWay(PathBuf),
    /// The place holds no store, or no copy of one.
    #[error("{0} holds no {1}")]
    Nothing(PathBuf, &'static str),
    /// The copy was changed or cut off since it was made.
    #[error("{0} is not what was backed up")]
    Damaged(PathBuf),
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the store in `folder` to `target`, a folder that is made. Another process may be using
/// the store meanwhile. `now` is for the manifest.
///
/// # Errors
/// Where there is no store, `target` holds something already, or a file cannot be read or written.
/// `target` is not there then.
pub fn back_up(folder: &Path, target: &Path, now: Millis) -> Result<Manifest, BackupError> {
    let rows = folder.join(ROWS);
    if !rows.is_file() {
        return Err(BackupError::Nothing(folder.to_owned(), "store"));
    }
    let part = begin(target)?;
    let source = read_only(&rows)?;
    let copy = part.join(ROWS);
    let into = copy.to_string_lossy().into_owned();
    source.execute("VACUUM INTO ?1", [into]).map_err(database)?;
    let mut copied = Connection::open(&copy).map_err(database)?;
    let (bodies, gone) = copy_bodies(&names(&copied)?, folder, &part)?;
    for id in &gone {
        let still: Option<bool> = source
            .query_row("SELECT has_body FROM messages WHERE id = ?1", [id], |row| {
                row.get(0)
            })
            .optional()
            .map_err(database)?;
        if still == Some(true) {
            let path = body_path(folder, id);
            let error = io::ErrorKind::NotFound.into();
            return Err(BackupError::Io { path, error });
        }
    }
    let transaction = copied.transaction().map_err(database)?;
    for id in &gone {
        transaction
            .execute("UPDATE messages SET has_body = 0 WHERE id = ?1", [id])
            .map_err(database)?;
    }
    transaction.commit().map_err(database)?;
    let manifest = Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: schema::version(&copied)?,
        taken_at: now,
        messages: count(&copied)?,
        bodies: u64::try_from(bodies.len()).unwrap_or(u64::MAX),
        body_bytes: bodies.iter().sum(),
        rows_sha256: {
            drop(copied);
            sync(&copy)?;
            digest(&copy)?
        },
    };
    let path = part.join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest).map_err(io::Error::other);
    text.and_then(|text| fs::write(&path, text + "\n"))
        .map_err(at(&path))?;
    sync(&path)?;
    finish(&part, target)?;
    Ok(manifest)
}

/// Makes the store that was copied to `copy` anew, in `folder`.
///
/// # Errors
/// Where `copy` is no copy or was changed since, `folder` holds something, or a file cannot be read
/// or written. `folder` is as it was then.
pub fn restore(copy: &Path, folder: &Path) -> Result<Manifest, BackupError> {
    let path = copy.join(MANIFEST);
    if !path.is_file() {
        return Err(BackupError::Nothing(copy.to_owned(), "backup"));
    }
    let text = fs::read(&path).map_err(at(&path))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|_| BackupError::Damaged(path))?;
    let part = begin(folder)?;
    let rows = part.join(ROWS);
    fs::copy(copy.join(ROWS), &rows).map_err(at(&copy.join(ROWS)))?;
    sync(&rows)?;
    if digest(&rows)? != manifest.rows_sha256 {
        return Err(BackupError::Damaged(copy.join(ROWS)));
    }
    let connection = read_only(&rows)?;
    schema::check(&connection)?;
    let (bodies, gone) = copy_bodies(&names(&connection)?, copy, &part)?;
    drop(connection);
    if let Some(missing) = gone.first() {
        return Err(BackupError::Damaged(body_path(copy, missing)));
    }
    if bodies.iter().sum::<u64>() != manifest.body_bytes {
        return Err(BackupError::Damaged(copy.join(BODIES)));
    }
    finish(&part, folder)?;
    Ok(manifest)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::Io { path, error }
}

/// Makes the folder under its temporary name.
fn begin(target: &Path) -> Result<PathBuf, BackupError> {
    let empty = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !empty {
        return Err(BackupError::InTheWay(target.to_owned()));
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let part = target.with_file_name(name);
    if part.exists() {
        return Err(BackupError::InTheWay(part));
    }
    fs::create_dir_all(&part).map_err(at(&part))?;
    fs::create_dir(part.join(BODIES)).map_err(at(&part))?;
    Ok(part)
}

fn finish(part: &Path, target: &Path) -> Result<(), BackupError> {
    sync_folder(part).map_err(at(part))?;
    match fs::remove_dir(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(target)(error)),
        _ => {}
    }
    fs::rename(part, target).map_err(at(target))?;
    let parent = target.parent().filter(|parent| *parent != Path::new(""));
    sync_folder(parent.unwrap_or(Path::new("."))).map_err(at(target))
}

fn read_only(path: &Path) -> Result<Connection, BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(database)?;
    connection
        .busy_timeout(Duration::from_secs(30))
        .map_err(database)?;
    Ok(connection)
}

fn body_path(root: &Path, id: &str) -> PathBuf {
    let folder = id.get(..2).unwrap_or("00").to_ascii_lowercase();
    root.join(BODIES).join(folder).join(id)
}

/// Copies bodies from one folder to another. Gives their sizes, and the ids of those not there.
fn copy_bodies(
    ids: &std::collections::HashSet<String>,
    from: &Path,
    to: &Path,
) -> Result<(Vec<u64>, Vec<String>), BackupError> {
    for number in 0..=u8::MAX {
        let folder = to.join(BODIES).join(format!("{number:02x}"));
        fs::create_dir(&folder).map_err(at(&folder))?;
    }
    let copied = ids
        .par_iter()
        .map(|id| {
            let (source, target) = (body_path(from, id), body_path(to, id));
            match fs::copy(&source, &target) {
                Ok(size) => sync(&target).map(|()| Ok(size)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(id.clone())),
                Err(error) => Err(at(&source)(error)),
            }
        })
        .collect::<Result<Vec<Result<u64, String>>, BackupError>>()?;
    for number in 0..=u8::MAX {
        let folder = to.join(BODIES).join(format!("{number:02x}"));
        sync_folder(&folder).map_err(at(&folder))?;
    }
    let (mut sizes, mut gone) = (Vec::new(), Vec::new());
    for one in copied {
        match one {
            Ok(size) => sizes.push(size),
            Err(id) => gone.push(id),
        }
    }
    Ok((sizes, gone))
}

fn count(connection: &Connection) -> Result<u64, BackupError> {
    let count: i64 = connection
        .query_row("SELECT count(*) FROM messages", [], |row| row.get(0))
        .map_err(database)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn sync(path: &Path) -> Result<(), BackupError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(at(path))
}

fn digest(path: &Path) -> Result<String, BackupError> {
    let mut hash = Sha256::new();
    let mut file = File::open(path).map_err(at(path))?;
    let mut piece = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut piece).map_err(at(path))?;
        match piece.get(..read) {
            Some(read) if !read.is_empty() => hash.update(read),
            _ => break,
        }
    }
    let hash: [u8; 32] = hash.finalize().into();
    Ok(hash.iter().map(|octet| format!("{octet:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::submission;
    use crate::store::{SqliteStore, Store};

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("remold-backup-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A body that lies in a file of its own.
    fn large() -> bytes::Bytes {
        vec![7; 300 << 10].into()
    }

    #[test]
    fn a_copy_taken_under_load_is_whole() {
        let scratch = Scratch::new("load");
        let (store, _) = SqliteStore::open(&scratch.at("store")).unwrap();
        let kept = submission(1);
        store.accept(&kept, &large(), 0).unwrap();
        let manifest = std::thread::scope(|scope| {
            let busy = scope.spawn(|| {
                for number in 2..60 {
                    let message = submission(number);
                    store.accept(&message, &"more".into(), 0).unwrap();
                }
            });
            let manifest = back_up(&scratch.at("store"), &scratch.at("copy"), 5).unwrap();
            busy.join().unwrap();
            manifest
        });
        assert!(manifest.messages >= 1);
        assert_eq!((manifest.bodies, manifest.body_bytes), (1, 300 << 10));
        drop(store);
        let restored = restore(&scratch.at("copy"), &scratch.at("again")).unwrap();
        assert_eq!(restored, manifest);
        let (store, recovery) = SqliteStore::open(&scratch.at("again")).unwrap();
        assert_eq!(recovery.orphans, 0);
        assert_eq!(store.page().unwrap().messages, manifest.messages);
        let (message, _) = store.message(&kept.id).unwrap().unwrap();
        assert_eq!(store.body(&message).unwrap().unwrap(), large());
    }

    #[test]
    fn nothing_that_is_there_is_written_over() {
        let scratch = Scratch::new("over");
        let (store, _) = SqliteStore::open(&scratch.at("store")).unwrap();
        store.accept(&submission(1), &large(), 0).unwrap();
        drop(store);
        back_up(&scratch.at("store"), &scratch.at("copy"), 5).unwrap();
        assert!(matches!(
            back_up(&scratch.at("store"), &scratch.at("copy"), 5),
            Err(BackupError::InTheWay(_))
        ));
        assert!(matches!(
            restore(&scratch.at("copy"), &scratch.at("store")),
            Err(BackupError::InTheWay(_))
        ));
        assert!(matches!(
            restore(&scratch.at("store"), &scratch.at("new")),
            Err(BackupError::Nothing(..))
        ));
        assert!(matches!(
            back_up(&scratch.at("copy/bodies"), &scratch.at("new"), 5),
            Err(BackupError::Nothing(..))
        ));
    }

    #[test]
    fn a_copy_that_was_changed_is_not_restored() {
        let scratch = Scratch::new("changed");
        let (store, _) = SqliteStore::open(&scratch.at("store")).unwrap();
        store.accept(&submission(1), &large(), 0).unwrap();
        drop(store);
        back_up(&scratch.at("store"), &scratch.at("copy"), 5).unwrap();
        let body = body_path(&scratch.at("copy"), &submission(1).id);
        fs::remove_file(body).unwrap();
        assert!(matches!(
            restore(&scratch.at("copy"), &scratch.at("one")),
            Err(BackupError::Damaged(_))
        ));
        let rows = scratch.at("copy").join(ROWS);
        fs::write(&rows, [fs::read(&rows).unwrap(), vec![0]].concat()).unwrap();
        assert!(matches!(
            restore(&scratch.at("copy"), &scratch.at("two")),
            Err(BackupError::Damaged(_))
        ));
        assert!(!scratch.at("two").exists());
    }
}

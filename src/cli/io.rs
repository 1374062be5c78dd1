//! Reading inputs and writing outputs, the same way for every subcommand.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{CliError, Exit};

/// Reads a whole file, or stdin where the path is `-`.
///
/// # Errors
/// [`Exit::Internal`] where it cannot be read, [`Exit::Undecodable`] where it has more than
/// `limit` octets. No more than `limit` + 1 octets are read.
pub(crate) fn read_input(path: &Path, limit: usize) -> Result<Bytes, CliError> {
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut octets = Vec::new();
    let read = if is_dash(path) {
        io::stdin().lock().take(cap).read_to_end(&mut octets)
    } else {
        File::open(path).and_then(|file| {
            let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            octets.reserve_exact(size.saturating_add(1).min(limit.saturating_add(1)));
            file.take(cap).read_to_end(&mut octets)
        })
    };
    read.map_err(|error| failure(path, "cannot be read", &error))?;
    if octets.len() > limit {
        let message = format!("more than {limit} octets");
        return Err(CliError::new(Exit::Undecodable, message)
            .in_file(shown(path))
            .at(limit));
    }
    Ok(octets.into())
}

/// Writes a file as a whole or not at all: to a temporary name beside it, then renamed. `-` is
/// stdout. A device or a pipe is written to directly, and a symbolic link is followed.
///
/// # Errors
/// [`Exit::Usage`] where the file exists and `force` is not set, [`Exit::Internal`] where the
/// file system refuses. The previous file is untouched then.
pub(crate) fn write_output_atomic(path: &Path, octets: &[u8], force: bool) -> Result<(), CliError> {
    if is_dash(path) {
        return print(octets);
    }
    let found = fs::metadata(path);
    if found.as_ref().is_ok_and(fs::Metadata::is_dir) {
        return Err(CliError::new(Exit::Usage, "is a folder").in_file(shown(path)));
    }
    if found.as_ref().is_ok_and(|m| !m.is_file()) {
        return OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(octets))
            .map_err(|error| failure(path, "cannot be written", &error));
    }
    if found.is_ok() && !force {
        return Err(exists(path));
    }
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace(&target, octets, force).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => failure(path, "cannot be written", &error),
    })
}

/// Writes to stdout. A reader that has gone away is not an error.
///
/// # Errors
/// [`Exit::Internal`] where stdout cannot be written for another reason.
pub(crate) fn print(octets: impl AsRef<[u8]>) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(octets.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(failure(Path::new("stdout"), "cannot be written", &error))
        }
        _ => Ok(()),
    }
}

/// Tells a person of something, on stderr and on one line.
#[cfg(feature = "postgres")]
pub(crate) fn complain(what: &str) {
    use std::io::Write;
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(
        std::io::stderr(),
        "remold: {}",
        what.replace(['\n', '\r'], " ")
    );
}

/// How a path is named in messages: `stdin` for `-`.
pub(crate) fn shown(path: &Path) -> String {
    if is_dash(path) {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Whether a path stands for stdin or stdout.
pub(crate) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn replace(target: &Path, octets: &[u8], force: bool) -> io::Result<()> {
    let temporary = Temporary::beside(target)?;
    let mut file = &temporary.file;
    file.write_all(octets)?;
    file.sync_all()?;
    if !force {
        // Unlike a rename, a link never replaces a file that appeared in the meantime.
        match fs::hard_link(&temporary.path, target) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
            Err(_) => {}
        }
    }
    fs::rename(&temporary.path, target)
}

/// A file that is gone when this is dropped, unless it was renamed.
struct Temporary {
    path: PathBuf,
    file: File,
}

impl Temporary {
    fn beside(target: &Path) -> io::Result<Self> {
        let name = target.file_name().ok_or(ErrorKind::InvalidInput)?;
        for attempt in 0..100_u32 {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{attempt}.tmp", std::process::id()));
            let path = target.with_file_name(hidden);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { path, file }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.path);
    }
}

fn exists(path: &Path) -> CliError {
    CliError::new(Exit::Usage, "exists already; --force replaces it").in_file(shown(path))
}

fn failure(path: &Path, what: &str, error: &io::Error) -> CliError {
    CliError::new(Exit::Internal, format!("{what}: {error}")).in_file(shown(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("remold-io-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn an_output_is_replaced_only_by_force_and_leaves_no_other_file() {
        let dir = folder("force");
        let path = dir.join("out.mms");
        write_output_atomic(&path, b"one", false).unwrap();
        let error = write_output_atomic(&path, b"two", false).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write_output_atomic(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_output_that_cannot_be_made_leaves_nothing() {
        let dir = folder("missing");
        let error = write_output_atomic(&dir.join("no/such/out"), b"x", false).unwrap_err();
        assert_eq!(error.exit, Exit::Internal);
        assert_eq!(
            write_output_atomic(&dir, b"x", true).unwrap_err().exit,
            Exit::Usage
        );
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_input_is_read_up_to_its_limit() {
        let dir = folder("limit");
        let path = dir.join("in");
        fs::write(&path, b"12345").unwrap();
        assert_eq!(read_input(&path, 5).unwrap(), "12345");
        let error = read_input(&path, 4).unwrap_err();
        assert_eq!((error.exit, error.offset), (Exit::Undecodable, Some(4)));
        assert_eq!(
            read_input(&dir.join("none"), 5).unwrap_err().exit,
            Exit::Internal
        );
        fs::remove_dir_all(dir).unwrap();
    }
}

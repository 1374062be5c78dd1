//! `remold plugin sign`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{SignArgs, files};
use crate::cli::{CliError, Exit, io};
use crate::plugin::SigningKey;

/// Runs `remold plugin sign`.
pub(super) fn sign(args: &SignArgs) -> Result<Exit, CliError> {
    let host = files::host(false)?;
    let octets = files::octets(&args.plugin, &host)?;
    let key = if args.new_key {
        make(&args.key)?
    } else {
        read(&args.key)?
    };
    let mut name = args.plugin.as_os_str().to_owned();
    name.push(".sig");
    let path = PathBuf::from(name);
    io::write_output_atomic(&path, (key.sign(&octets) + "\n").as_bytes(), true)?;
    io::print(format!(
        "{} is signed. A manifest that takes no other:\n\n  signed-by = \"{}\"\n",
        args.plugin.display(),
        key.public()
    ))?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<SigningKey, CliError> {
    let wrong = |why: String| CliError::new(Exit::Config, why).in_file(io::shown(path));
    let kept = fs::read(path).map_err(|error| wrong(format!("{error}; --new-key makes one")))?;
    SigningKey::read(&kept).map_err(|_| wrong("is no key of Ed25519".to_owned()))
}

/// A new key, in a file that its owner alone can read.
fn make(path: &Path) -> Result<SigningKey, CliError> {
    let failed = |why: String| CliError::new(Exit::Internal, why).in_file(io::shown(path));
    let (key, kept) = SigningKey::generate().map_err(failed)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(&kept)?;
            file.sync_all()
        })
        .map_err(|error| failed(format!("cannot be written: {error}")))?;
    Ok(key)
}

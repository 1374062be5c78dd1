//! `remold backup` and `remold restore`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{CliError, Exit, config, io};
use crate::server::Config;
use crate::store::{BackupError, Manifest, back_up, restore as make_store};

/// Copy the store of a service centre, while it runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold backup --config /etc/remold.toml /var/backups/remold/2026-01-31
  remold backup remold-copy                 # of the store in remold-data")]
pub(super) struct BackupArgs {
    /// The folder of the copy, which is made
    target: PathBuf,
    /// The configuration, which says where the store is
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Make a store from a copy
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold restore --config /etc/remold.toml /var/backups/remold/2026-01-31

The folder of the store must be missing or empty. What was accepted, delivered or recorded after the
copy was taken is not in it: messages that were delivered since are delivered once more.")]
pub(super) struct RestoreArgs {
    /// The folder of the copy
    source: PathBuf,
    /// The configuration, which says where the store shall be
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runs `remold backup`.
pub(super) fn backup(args: &BackupArgs) -> Result<Exit, CliError> {
    let config = in_files(args.config.as_deref())?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0);
    let manifest = back_up(&config.store.folder, &args.target, now).map_err(failed)?;
    told(&args.target, &manifest)
}

/// Runs `remold restore`.
pub(super) fn restore(args: &RestoreArgs) -> Result<Exit, CliError> {
    let config = in_files(args.config.as_deref())?;
    let folder = &config.store.folder;
    let manifest = make_store(&args.source, folder).map_err(failed)?;
    told(folder, &manifest)
}

/// The configuration of a store in files.
fn in_files(path: Option<&Path>) -> Result<Config, CliError> {
    let config = config::read(path)?;
    match config.store.database {
        None => Ok(config),
        Some(_) => {
            let wrong = "the store is a database: copy it by its own means, such as pg_dump";
            Err(CliError::new(Exit::Usage, wrong.to_owned()))
        }
    }
}

fn told(folder: &std::path::Path, manifest: &Manifest) -> Result<Exit, CliError> {
    let Manifest {
        messages,
        bodies,
        body_bytes,
        ..
    } = manifest;
    io::print(format!(
        "{}: {messages} messages, {bodies} bodies of {body_bytes} octets\n",
        folder.display()
    ))?;
    Ok(Exit::Done)
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: BackupError) -> CliError {
    let exit = match &error {
        BackupError::InTheWay(_) | BackupError::Nothing(..) => Exit::Usage,
        BackupError::Damaged(_) => Exit::Undecodable,
        _ => Exit::Internal,
    };
    CliError::new(exit, error.to_string())
}

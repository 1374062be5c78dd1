//! `remold store`.

use std::path::PathBuf;

use super::{CliError, Exit, config, io};
use crate::server::store_settings;
use crate::store::{StoreError, import};

/// Look after the store of a service centre
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Move a store in files to the database that the configuration names
    Migrate(MigrateArgs),
}

/// Move a store in files to the database that the configuration names
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold store migrate --config /etc/remold.toml          # from store.folder to store.database
  remold store migrate --config /etc/remold.toml --from /var/lib/old-remold

The server of the store must be stopped, and the database empty. What was moved is compared on both
sides in the end; the store in files stays as it was. Stopped half-way, it goes on when it is run
again, and no node uses the database before it is done.")]
struct MigrateArgs {
    /// The configuration, which names the database and the bucket
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The folder of the store; where it is missing, store.folder
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

/// Runs `remold store`.
pub(super) fn run(args: &Args) -> Result<Exit, CliError> {
    let Command::Migrate(args) = &args.command;
    let config = config::read(Some(&args.config))?;
    let Some(database) = &config.store.database else {
        let missing = "the configuration names no store.database to move to";
        return Err(CliError::new(Exit::Config, missing.to_owned()));
    };
    let folder = &config.store.folder;
    let from = args.from.as_ref().unwrap_or(folder);
    let settings = store_settings(&config).map_err(|error| failed(&error))?;
    let mut told = Ok(());
    let moved = import(from, folder, &settings, &mut |table, rows| {
        if told.is_ok() {
            told = io::print(format!("{table}: {rows}\n"));
        }
    });
    let moved = moved.map_err(|error| failed(&error))?;
    told?;
    io::print(format!(
        "{} has what {} has: {} rows and {} bodies of {} octets, compared on both sides\n",
        database.get_ref().masked(),
        from.display(),
        moved.rows.iter().map(|(_, rows)| rows).sum::<u64>(),
        moved.bodies,
        moved.octets,
    ))?;
    Ok(Exit::Done)
}

fn failed(error: &StoreError) -> CliError {
    let exit = match error {
        StoreError::Locked | StoreError::Occupied => Exit::Usage,
        _ => Exit::Internal,
    };
    CliError::new(exit, error.to_string())
}

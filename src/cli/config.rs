//! `remold config`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use sha2::{Digest, Sha256};

use super::{CliError, Exit, io, pdu};
use crate::server::tls::Served;
use crate::server::{Config, ConfigError};

/// Check and show the configuration of a service centre
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read a configuration and say what is wrong with it, if anything is
    #[command(after_help = "Examples:
  remold config check --config /etc/remold.toml")]
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print every key with the value that counts: from the file, the environment, or assumed;
    /// secrets are left out
    #[command(after_help = "Examples:
  remold config show
  REMOLD_LOG__FORMAT=json remold config show --config /etc/remold.toml")]
    Show {
        /// The configuration; without one, what is assumed
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Make a token for the interface to operators, and print it with the lines for the
    /// configuration, which hold its SHA-256 alone
    #[command(after_help = "Examples:
  remold config token --name alice --role operator")]
    Token {
        /// Who gets it, for the audit log
        #[arg(long, value_name = "NAME")]
        name: String,
        /// What he may do
        #[arg(long, value_enum)]
        role: Role,
    },
}

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Role {
    /// Look, but not at what people wrote
    Viewer,
    /// Change what waits, and see whole messages
    Operator,
}

/// Runs `remold config`.
pub(super) fn run(args: &Args) -> Result<Exit, CliError> {
    match &args.command {
        ConfigCommand::Check { config: path } => {
            let config = read(Some(path))?;
            for files in [&config.mm1.tls, &config.admin.tls].into_iter().flatten() {
                Served::new(files).map_err(|error| {
                    CliError::new(Exit::Config, error.to_string()).in_file(io::shown(path))
                })?;
            }
            io::print(format!("{}: sound\n", path.display()))?;
        }
        ConfigCommand::Show { config } => io::print(read(config.as_deref())?.shown())?,
        ConfigCommand::Token { name, role } => io::print(token(name, *role)?)?,
    }
    Ok(Exit::Done)
}

/// The configuration of a command: a file, or what the environment makes of the defaults.
pub(super) fn read(path: Option<&Path>) -> Result<Config, CliError> {
    let config = match path {
        Some(path) => Config::from_file(path),
        None => Config::from_environment(),
    };
    config.map_err(|ConfigError { place, message }| {
        let error = CliError::new(Exit::Config, message);
        match (path, place) {
            (Some(path), Some((line, column))) => {
                error.in_file(format!("{}:{line}:{column}", path.display()))
            }
            (Some(path), None) => error.in_file(path.display().to_string()),
            (None, _) => error,
        }
    })
}

fn token(name: &str, role: Role) -> Result<String, CliError> {
    let mut octets = [0; 32];
    getrandom::fill(&mut octets)
        .map_err(|error| CliError::new(Exit::Internal, format!("no random numbers: {error}")))?;
    let token = pdu::hex(&octets);
    let role = match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
    };
    let lines = format!(
        "[[admin.tokens]]\nname = {}\nrole = \"{role}\"\nsha256 = \"{}\"\n",
        toml::Value::String(name.to_owned()),
        pdu::hex(&Sha256::digest(token.as_bytes())),
    );
    Config::from_toml(&lines)
        .map_err(|error| CliError::new(Exit::Usage, format!("--name: {}", error.message)))?;
    Ok(format!(
        "# Keep this; it is not written down anywhere: {token}\n{lines}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_with_lines_that_know_it() {
        let text = token("alice", Role::Operator).unwrap();
        let config = Config::from_toml(&text).unwrap();
        let (first, _) = text.split_once('\n').unwrap();
        let token = first.rsplit(' ').next().unwrap();
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        assert_eq!(config.admin.tokens[0].sha256.as_bytes(), &hash);
        assert!(super::token("a\nb", Role::Viewer).is_err());
        assert_ne!(super::token("alice", Role::Operator).unwrap(), text);
    }
}

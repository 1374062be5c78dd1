//! `remold completions` and `remold man`: what packages install beside the program, made from the
//! same description as the help.

use std::path::{Path, PathBuf};

use clap_complete::Shell;
use clap_mangen::Man;

use super::io::{print, shown};
use super::{CliError, Exit};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold completions bash > /etc/bash_completion.d/remold
  remold completions zsh > ~/.zfunc/_remold")]
pub(super) struct CompletionsArgs {
    /// The shell to write for
    shell: Shell,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold man | man -l -
  remold man /usr/local/share/man/man1")]
pub(super) struct ManArgs {
    /// Folder for the pages of every subcommand; the main page goes to stdout where none is given
    dir: Option<PathBuf>,
}

/// Writes the completions of `command` to stdout.
pub(super) fn completions(
    args: &CompletionsArgs,
    mut command: clap::Command,
) -> Result<Exit, CliError> {
    print(completion_script(args.shell, &mut command))?;
    Ok(Exit::Done)
}

/// Writes the manual of `command` to stdout, or one page for each subcommand into a folder.
pub(super) fn man(args: &ManArgs, command: clap::Command) -> Result<Exit, CliError> {
    match &args.dir {
        Some(dir) => std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(command, dir))
            .map_err(|error| failure(dir, &error))?,
        None => {
            let mut page = Vec::new();
            Man::new(command)
                .render(&mut page)
                .map_err(|error| failure(Path::new("-"), &error))?;
            print(page)?;
        }
    }
    Ok(Exit::Done)
}

fn completion_script(shell: Shell, command: &mut clap::Command) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "remold", &mut script);
    script
}

fn failure(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(Exit::Internal, format!("cannot be written: {error}")).in_file(shown(path))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    use super::*;

    fn command() -> clap::Command {
        super::super::Cli::command()
    }

    #[test]
    fn every_shell_completes_every_subcommand() {
        for shell in Shell::value_variants() {
            let script = completion_script(*shell, &mut command());
            let script = String::from_utf8(script).unwrap();
            for subcommand in command().get_subcommands() {
                assert!(
                    script.contains(subcommand.get_name()),
                    "{shell}: {}",
                    subcommand.get_name()
                );
            }
        }
    }

    #[test]
    fn there_is_a_page_for_every_subcommand() {
        let name = format!("remold-man-{}", std::process::id());
        let dir = std::env::temp_dir().join(name).join("man1");
        let args = ManArgs {
            dir: Some(dir.clone()),
        };
        assert_eq!(man(&args, command()), Ok(Exit::Done));
        for subcommand in command().get_subcommands() {
            let page = dir.join(format!("remold-{}.1", subcommand.get_name()));
            let text = std::fs::read_to_string(&page).unwrap();
            assert!(text.contains(".SH SYNOPSIS"), "{}", page.display());
        }
        assert!(dir.join("remold.1").is_file());
        std::fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = std::env::temp_dir().join(format!("remold-man-file-{}", std::process::id()));
        std::fs::write(&file, "").unwrap();
        let args = ManArgs {
            dir: Some(file.join("man1")),
        };
        let error = man(&args, command()).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(error.exit, Exit::Internal);
        assert!(error.file.unwrap().ends_with("man1"));
    }

    #[test]
    fn the_description_of_the_command_line_is_sound() {
        command().debug_assert();
    }
}

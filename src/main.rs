//! The `remold` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    remold::cli::run(std::env::args_os()).into()
}

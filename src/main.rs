//! The `remold` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    remold::media::guard::quiet_panics();
    remold::cli::run(std::env::args_os()).into()
}

//! `remold sim`: simulated phones and peers, for whoever tries the service out. They contact nobody
//! but the server they are told, which is one on loopback unless they are told otherwise.

mod client;
mod demo;
mod load;
mod peer;
mod phone;
mod pushes;
mod words;

use clap::Subcommand;

use super::{CliError, Exit};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send a message from one simulated phone to another, and say what happens step by step
    Demo(demo::Args),
    /// A phone without radio: sends a message, fetches what it is notified of, shows what came
    Phone(phone::Args),
    /// Send many messages, and measure how long they take
    Load(load::Args),
    /// Be the MMSC of another network: take, print and answer what a service centre sends over MM4
    Peer(peer::Args),
}

pub(super) fn run(args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Demo(args) => demo::run(&args),
        Command::Phone(args) => phone::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Peer(args) => peer::run(&args),
    }
}

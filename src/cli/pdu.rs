//! `remold pdu`: show a message of any kind, or build a PDU.

mod from_json;
mod json;
mod parts;
mod read;
mod table;
mod values;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::io::{print, read_input, shown, write_output_atomic};
use super::{CliError, Exit};
use crate::Limits;
use crate::mms::{DecodeError, Decoded};
pub(super) use parts::write as write_parts;
use read::Input;
pub(super) use values::hex;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show an MM1 PDU, a WAP push, a multipart body or a MIME message, and write its parts
    Decode(Decode),
    /// Build a PDU from JSON
    Encode(Encode),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold pdu decode message.mms
  remold pdu decode message.mms --json --parts out > out/message.json
  remold pdu decode push.hex        (an SMS-DELIVER as a modem shows it, one segment a line)
  curl -s http://mmsc/abc | remold pdu decode -")]
struct Decode {
    /// The message; - is stdin. Its kind is told from its content
    file: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Write each part as a file into this folder, which is made
    #[arg(long, value_name = "DIR")]
    parts: Option<PathBuf>,
    /// Replace part files that exist
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "The JSON has the shape that `pdu decode --json` prints:

  { \"pdu\": \"m-send-req\", \"version\": \"1.2\",
    \"headers\": [ { \"name\": \"X-Mms-Transaction-Id\", \"value\": \"1\" },
                 { \"name\": \"From\", \"value\": null },
                 { \"name\": \"To\", \"value\": \"+4912345678/TYPE=PLMN\" },
                 { \"name\": \"X-Mms-Expiry\", \"value\": { \"relative\": 86400 } } ],
    \"content_type\": \"application/vnd.wap.multipart.mixed\",
    \"parts\": [ { \"type\": \"text/plain\", \"text\": \"Hello\" },
               { \"type\": \"image/jpeg\", \"name\": \"a.jpg\", \"file\": \"a.jpg\" } ] }

Part files are looked for beside MESSAGE.json, or in the folder of --parts.

Examples:
  remold pdu encode message.json -o message.mms
  remold pdu encode message.json -o - | remold pdu decode -
  remold pdu encode - --parts out -o again.mms --force < out/message.json")]
struct Encode {
    /// The description of the PDU; - is stdin
    message: PathBuf,
    /// Where to write the PDU; - is stdout
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Folder of the part files
    #[arg(long, value_name = "DIR")]
    parts: Option<PathBuf>,
    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
    /// Write a PDU even where mandatory headers are missing
    #[arg(long)]
    partial: bool,
}

pub(super) fn run(args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Decode(args) => decode(&args).map_err(|error| error.as_json(args.json)),
        Command::Encode(args) => encode(&args),
    }
}

fn decode(args: &Decode) -> Result<Exit, CliError> {
    let limits = Limits::default();
    let octets = read_input(&args.file, limits.message_bytes)?;
    let Decoded { value, warnings } = read::read(&octets, &limits)
        .map_err(|error| undecodable(&error).in_file(shown(&args.file)))?;
    let files = match &args.parts {
        Some(folder) => parts::write(parts_of(&value), folder, args.force)?,
        None => Vec::new(),
    };
    if args.json {
        let document = json::document(&value, &warnings, &files);
        let mut text = serde_json::to_string_pretty(&document)
            .map_err(|error| CliError::new(Exit::Internal, error.to_string()))?;
        text.push('\n');
        print(text)?;
    } else {
        print(table::table(&value, &warnings, &files))?;
    }
    Ok(Exit::Done)
}

fn encode(args: &Encode) -> Result<Exit, CliError> {
    let limits = Limits::default();
    let octets = read_input(&args.message, limits.message_bytes)?;
    let beside = args.message.parent().unwrap_or(Path::new(""));
    let folder = args.parts.as_deref().unwrap_or(beside);
    let pdu =
        from_json::encode(&octets, folder, args.partial, &limits).map_err(|error| {
            match error.file {
                None => error.in_file(shown(&args.message)),
                Some(_) => error,
            }
        })?;
    write_output_atomic(&args.output, &pdu, args.force)?;
    Ok(Exit::Done)
}

fn parts_of(input: &Input) -> &[crate::mms::Part] {
    match input {
        Input::Pdu(pdu) | Input::Push(_, pdu) => pdu.body.as_ref().map_or(&[], |b| &b.parts),
        Input::Multipart(parts) => parts,
        Input::Mime(message) => &message.body.parts,
    }
}

pub(super) fn undecodable(error: &DecodeError) -> CliError {
    CliError::new(Exit::Undecodable, error.kind.to_string()).at(error.offset)
}

//! `remold sim demo`: a service centre and two phones in one process.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::client::{Centre, Phone, failed, with_transaction};
use super::words::{accepted, content, profile, refused, status, write};
use crate::Limits;
use crate::cli::serve::start_error;
use crate::cli::{CliError, Exit, io, target};
use crate::mms::pdu::{self, Pdu, PduType};
use crate::mms::push::{self, segment};
use crate::mms::{Field, HeaderValue};
use crate::profile::Resolution;
use crate::relay::{Notice, Notifier, NotifyError};
use crate::server::{Config, Server};

/// A greeting with a picture of 1280x960, its text and a chord.
const GREETING: &[u8] = include_bytes!("../../../tests/data/greeting.mms");
/// Time to wait for a push.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold sim demo
  remold sim demo --device nokia-6100 --out before-and-after
  remold sim demo message.mms --device mono-wbmp")]
pub(super) struct Args {
    /// An M-Send.req to send; without one, a greeting with a picture
    message: Option<PathBuf>,
    /// The class or device of the phone that gets it: by default a phone of 2003
    #[arg(long, value_name = "ID", default_value = "sonyericsson-t610r101")]
    device: String,
    /// Folder for the store and for what was sent and received
    #[arg(long, value_name = "DIR", default_value = "remold-demo")]
    out: PathBuf,
}

const SENDER: &str = "+15550001111";
const RECIPIENT: &str = "+15550002222";

pub(super) fn run(args: &Args) -> Result<Exit, CliError> {
    let device = Resolution::by_id(&args.device)
        .map_err(target::profile_error)?
        .capabilities;
    let octets = match &args.message {
        Some(path) => io::read_input(path, Limits::default().message_bytes)?,
        None => Bytes::from_static(GREETING),
    };
    let message = message(octets, args.message.as_deref())?;
    let (pushes, radio) = sync_channel(16);
    let server = start(args, pushes)?;
    let centre = Centre::new(&server.mm1().to_string());
    let mut sender = Phone::new(SENDER, Vec::new(), &centre);
    let mut recipient = Phone::new(RECIPIENT, profile(&device.id)?, &centre);
    let mut story = Story::default();

    let limit = match &device.max_message_size {
        Some(size) => format!("{} octets", size.value),
        None => "any size".to_owned(),
    };
    let pictures = match &device.max_image {
        Some(size) => format!("pictures of {}x{}", size.value.width, size.value.height),
        None => "pictures of any size".to_owned(),
    };
    story.tell(&format!(
        "A service centre runs on http://{}, its store in {}.",
        server.mm1(),
        args.out.join("store").display()
    ))?;
    story.tell(&format!(
        "{SENDER} sends {} to {RECIPIENT}, who has a {}: it takes {limit} and {pictures}.",
        content(&message),
        device.id
    ))?;
    let conf = sender
        .post(&message)?
        .ok_or_else(|| failed("there is no M-Send.conf"))?;
    let id = accepted(&conf)?;
    story.tell(&format!(
        "M-Send.conf says Ok. The message is on the disk and has the id {id}."
    ))?;

    let (to, octets) = next(&radio)?;
    let (_, notification) = push::decode(&octets, &Limits::default())
        .map_err(|error| failed(&error.to_string()))?
        .value;
    let short_messages = segment(&octets, 0, false).map_or(0, |segments| segments.len());
    let url = notification
        .headers
        .text(Field::ContentLocation)
        .unwrap_or("")
        .to_owned();
    story.tell(&format!(
        "M-Notification.ind for {to}: {} octets in {short_messages} short message(s). It points \
         to {url}.",
        octets.len()
    ))?;

    let (conf, octets) = recipient.fetch(&url)?;
    if let Some(error) = refused(&conf) {
        return Err(error);
    }
    story.tell(&format!(
        "The phone fetches it and gets {} in {} octets.",
        content(&conf),
        octets.len()
    ))?;
    write(&message, &args.out.join("sent"))?;
    write(&conf, &args.out.join("received"))?;

    let told = conf.transaction_id().unwrap_or("").to_owned();
    recipient.post(&with_transaction(Pdu::new(PduType::AcknowledgeInd), &told))?;
    story.tell("The phone acknowledges it.")?;
    let (to, octets) = next(&radio)?;
    let (_, report) = push::decode(&octets, &Limits::default())
        .map_err(|error| failed(&error.to_string()))?
        .value;
    let status = status(&report);
    story.tell(&format!(
        "M-Delivery.ind tells {to} that {RECIPIENT} has it: {status}."
    ))?;
    story.tell(&format!(
        "Compare: sent {}/, received {}/",
        args.out.join("sent").display(),
        args.out.join("received").display()
    ))?;
    server.stop();
    Ok(Exit::Done)
}

/// A server on loopback, on ports the system chooses, that pushes into a channel.
fn start(args: &Args, pushes: SyncSender<(String, Bytes)>) -> Result<Server, CliError> {
    let device = toml::Value::String(args.device.clone());
    let folder = toml::Value::String(args.out.join("store").display().to_string());
    let config = format!(
        "[store]\nfolder = {folder}\n[mm1]\nlisten = \"127.0.0.1:0\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n[device]\ndefault = {device}\n"
    );
    let config = Config::from_toml(&config).map_err(|error| failed(&error.to_string()))?;
    Server::start(&config, Some(Arc::new(Radio(Mutex::new(pushes)))))
        .map_err(|error| start_error(&error))
}

/// Hands pushes to the simulated phones.
struct Radio(Mutex<SyncSender<(String, Bytes)>>);

impl Notifier for Radio {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        let gone = || NotifyError::Temporary("the phones are gone".to_owned());
        let push = Bytes::copy_from_slice(notice.push);
        self.0
            .lock()
            .map_err(|_| gone())?
            .send((notice.number.to_string(), push))
            .map_err(|_| gone())
    }
}

fn next(radio: &Receiver<(String, Bytes)>) -> Result<(String, Bytes), CliError> {
    radio
        .recv_timeout(PATIENCE)
        .map_err(|_| failed("no push came"))
}

/// Prints steps with their numbers.
#[derive(Default)]
struct Story(u32);

impl Story {
    fn tell(&mut self, what: &str) -> Result<(), CliError> {
        self.0 = self.0.saturating_add(1);
        io::print(format!("{}. {what}\n", self.0))
    }
}

/// The message to send: from the one phone to the other, with a delivery report.
fn message(octets: Bytes, path: Option<&Path>) -> Result<Pdu, CliError> {
    let in_file = |error: CliError| match path {
        Some(path) => error.in_file(io::shown(path)),
        None => error,
    };
    let mut pdu = pdu::decode(&octets, &Limits::default())
        .map_err(|error| {
            in_file(CliError::new(Exit::Undecodable, error.kind.to_string()).at(error.offset))
        })?
        .value;
    if pdu.pdu_type != PduType::SendReq {
        let what = format!("{}, where an m-send-req is needed", pdu.pdu_type.name());
        return Err(in_file(CliError::new(Exit::Undecodable, what)));
    }
    for field in [
        Field::To,
        Field::Cc,
        Field::Bcc,
        Field::Expiry,
        Field::DeliveryTime,
    ] {
        pdu.headers.remove(field);
    }
    pdu.headers.set(Field::From, HeaderValue::From(None));
    let to = format!("{RECIPIENT}/TYPE=PLMN");
    let to = HeaderValue::Encoded(to.as_str().into());
    pdu.headers.add(Field::To, to);
    pdu.headers
        .set(Field::DeliveryReport, HeaderValue::Token(0x80));
    // Each demonstration is a message of its own, also in a store that is there already.
    let id = format!("demo-{}", std::process::id());
    Ok(with_transaction(pdu, &id))
}

//! `remold sim phone`: one phone that sends, hears of what comes, fetches it and shows it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::client::{Centre, Phone, failed, with_transaction};
use super::pushes::{self, Push, What};
use super::words;
use crate::Limits;
use crate::cli::message::{self, Form};
use crate::cli::{CliError, Exit, io, target};
use crate::mms::address::Msisdn;
use crate::mms::pdu::{Pdu, PduType};
use crate::mms::push;
use crate::mms::smil::{MediaElement, SlideSpec, generate};
use crate::mms::{Body, ContentType, Field, HeaderValue, Part};
use crate::profile::Resolution;

/// A wait that nobody sits out.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// X-Mms-Status (OMA-MMS-ENC section 7.3.54).
const RETRIEVED: u8 = 0x81;
const REJECTED: u8 = 0x82;
const DEFERRED: u8 = 0x83;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It contacts the service centre of --server alone, also where a notification names another host.

Examples:
  remold sim phone --number +15550002222 --hook 127.0.0.1:8090 --device nokia-6100
      a phone that gets messages: the service centre has
      [notify.http] url = \"http://127.0.0.1:8090/\"
  remold sim phone --number +15550001111 --to +15550002222 --text Hello photo.jpg
  remold sim phone --number +15550001111 --to +15550002222 photo.jpg --report \\
      --hook 127.0.0.1:8091 --count 1
      … and waits for its delivery report
  remold serve | remold sim phone --number +15550002222 --log -
  remold sim phone --number +15550002222 --spool /var/spool/pushes
      the service centre has [notify] command = [\"sh\", \"-c\",
      \"cd /var/spool/pushes && echo $REMOLD_PUSH > .$$ && mv .$$ $REMOLD_NUMBER.$$\"]")]
#[command(group = clap::ArgGroup::new("hearing").args(["hook", "log", "spool"]))]
pub(super) struct Args {
    /// The phone's number
    #[arg(long, value_name = "+NUMBER", value_parser = number)]
    number: Msisdn,
    /// The service centre
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8002")]
    server: Centre,
    /// The class or device that this is: its requests name its UAProf document, where it has one
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// A header of its requests, such as 'User-Agent: Nokia6100/1.0'; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = target::parse_header)]
    headers: Vec<(String, String)>,

    /// Send a message to this number; may be repeated
    #[arg(long, value_name = "+NUMBER", value_parser = number, help_heading = "Sending")]
    to: Vec<Msisdn>,
    /// Subject of the message
    #[arg(long, requires = "to", help_heading = "Sending")]
    subject: Option<String>,
    /// Text of the message
    #[arg(long, requires = "to", help_heading = "Sending")]
    text: Option<String>,
    /// Ask for a delivery report
    #[arg(long, requires = "to", help_heading = "Sending")]
    report: bool,
    /// Pictures, sounds and clips of the message, or one whole message
    #[arg(value_name = "FILE", requires = "to")]
    files: Vec<PathBuf>,

    /// Be the hook of [notify.http]: listen on this address
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = "Hearing of pushes")]
    hook: Option<SocketAddr>,
    /// Follow the output of remold serve: a file, or - for stdin
    #[arg(long, value_name = "FILE", help_heading = "Hearing of pushes")]
    log: Option<PathBuf>,
    /// Watch a folder of files that each hold a push and are named by the number
    #[arg(long, value_name = "DIR", help_heading = "Hearing of pushes")]
    spool: Option<PathBuf>,
    /// End after so many pushes
    #[arg(
        long,
        value_name = "N",
        requires = "hearing",
        help_heading = "Hearing of pushes"
    )]
    count: Option<u32>,
    /// End with exit code 4 once so many seconds are over
    #[arg(
        long,
        value_name = "N",
        requires = "hearing",
        help_heading = "Hearing of pushes"
    )]
    seconds: Option<u32>,
    /// What to do about a message
    #[arg(long, value_enum, default_value_t = Then::Fetch, help_heading = "Hearing of pushes")]
    then: Then,
    /// Folder for what comes, in one folder for each message
    #[arg(
        long,
        value_name = "DIR",
        default_value = "remold-phone",
        help_heading = "Hearing of pushes"
    )]
    out: PathBuf,
}

/// What a phone does about a message it is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Then {
    /// Fetch and acknowledge it
    Fetch,
    /// Fetch it and never say so, as a phone that lost its network
    Forget,
    /// Say that it will be fetched later
    Defer,
    /// Refuse it
    Reject,
}

pub(super) fn run(args: &Args) -> Result<Exit, CliError> {
    let hears = args.hook.is_some() || args.log.is_some() || args.spool.is_some();
    if args.to.is_empty() && !hears {
        let message = "nothing to do: --to sends, and --hook, --log or --spool hears of pushes";
        return Err(CliError::new(Exit::Usage, message));
    }
    let mut headers = args.headers.clone();
    if let Some(device) = &args.device {
        let found = Resolution::by_id(device).map_err(target::profile_error)?;
        headers.extend(words::profile(&found.capabilities.id)?);
    }
    // Before anything is sent, so that no push is missed.
    let pushes = listen(args)?;
    let mut phone = Phone::new(args.number.as_str(), headers, &args.server);
    say(&format!("{} contacts {} alone", args.number, args.server))?;
    if !args.to.is_empty() {
        send(args, &mut phone)?;
    }
    match pushes {
        Some(pushes) => hear(args, &mut phone, &pushes),
        None => Ok(Exit::Done),
    }
}

fn listen(args: &Args) -> Result<Option<Receiver<Push>>, CliError> {
    let mine = pushes::only(&args.number);
    if let Some(address) = args.hook {
        let (address, pushes) = pushes::hook(address, mine)?;
        say(&format!("listens on http://{address}/"))?;
        return Ok(Some(pushes));
    }
    if let Some(path) = &args.log {
        return pushes::log(path, mine).map(Some);
    }
    let spool = args.spool.as_ref();
    spool.map(|folder| pushes::spool(folder, mine)).transpose()
}

fn send(args: &Args, phone: &mut Phone) -> Result<(), CliError> {
    let mut pdu = Pdu::new(PduType::SendReq);
    // Each run is a message of its own.
    let mut octets = [0; 8];
    getrandom::fill(&mut octets).map_err(|error| failed(&error.to_string()))?;
    let id = u64::from_be_bytes(octets);
    let headers = &mut pdu.headers;
    headers.add(
        Field::TransactionId,
        HeaderValue::Text(format!("sim-{id:x}")),
    );
    headers.add(Field::From, HeaderValue::From(None));
    for to in &args.to {
        let to = format!("{to}/TYPE=PLMN");
        headers.add(Field::To, HeaderValue::Encoded(to.as_str().into()));
    }
    if let Some(subject) = &args.subject {
        let subject = HeaderValue::Encoded(subject.as_str().into());
        headers.add(Field::Subject, subject);
    }
    if args.report {
        headers.add(Field::DeliveryReport, HeaderValue::Token(0x80));
    }
    pdu.body = Some(body(args.text.as_deref(), &args.files)?);
    let conf = phone
        .post(&pdu)?
        .ok_or_else(|| failed("there is no M-Send.conf"))?;
    let id = words::accepted(&conf)?;
    say(&format!("sent {}", words::content(&pdu)))?;
    say(&format!("M-Send.conf says Ok: message {id}"))
}

/// The body of a message: a slide for each picture and clip, with the text on the first.
fn body(text: Option<&str>, files: &[PathBuf]) -> Result<Body, CliError> {
    let limits = Limits::default();
    let mut parts = Vec::new();
    let mut slides: Vec<SlideSpec> = Vec::new();
    for (index, path) in files.iter().enumerate() {
        let loaded = message::load(path, &limits)?;
        if !matches!(loaded.form, Form::Media) {
            if files.len() > 1 || text.is_some() {
                let what = "is a whole message, and goes alone";
                return Err(CliError::new(Exit::Usage, what).in_file(io::shown(path)));
            }
            return Ok(loaded.message.body);
        }
        for mut part in loaded.message.body.parts {
            let name = name(index, path);
            part.content_location = Some(name.clone());
            part.content_id = Some(name.clone());
            let media = &part.content_type;
            if media.is_kind("audio") {
                match slides.last_mut().filter(|slide| slide.audio.is_none()) {
                    Some(slide) => slide.audio = Some(name),
                    None => slides.push(SlideSpec {
                        audio: Some(name),
                        ..SlideSpec::default()
                    }),
                }
            } else if media.is_kind("image") || media.is_kind("video") {
                let element = match media.is_kind("video") {
                    true => MediaElement::Video,
                    false => MediaElement::Img,
                };
                slides.push(SlideSpec {
                    visual: Some((element, name)),
                    ..SlideSpec::default()
                });
            }
            parts.push(part);
        }
    }
    if let Some(text) = text {
        let name = "text.txt".to_owned();
        let media = ContentType::new("text/plain").with("charset", "utf-8");
        let mut part = Part::new(media, text.to_owned());
        part.content_location = Some(name.clone());
        part.content_id = Some(name.clone());
        parts.push(part);
        match slides.first_mut() {
            Some(slide) => slide.text = Some(name),
            None => slides.push(SlideSpec {
                text: Some(name),
                ..SlideSpec::default()
            }),
        }
    }
    if parts.is_empty() {
        return Err(CliError::new(
            Exit::Usage,
            "a message needs --text or a FILE",
        ));
    }
    let mut smil = Part::new(
        ContentType::new("application/smil"),
        generate(&slides, None).to_bytes(),
    );
    smil.content_location = Some("slides.smil".to_owned());
    smil.content_id = Some("slides.smil".to_owned());
    parts.insert(0, smil);
    let content_type = ContentType::new("application/vnd.wap.multipart.related")
        .with("type", "application/smil")
        .with("start", "<slides.smil>");
    Ok(Body {
        content_type,
        parts,
    })
}

/// A name that is one of its kind and that every phone can write: letters, digits, `.`, `-`, `_`.
fn name(index: usize, path: &Path) -> String {
    let given = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => c,
        _ => '_',
    };
    let name: String = given.chars().map(plain).collect();
    match index {
        0 => name,
        _ => format!("{index}-{name}"),
    }
}

fn hear(args: &Args, phone: &mut Phone, pushes: &Receiver<Push>) -> Result<Exit, CliError> {
    let patience = args
        .seconds
        .map_or(FOR_EVER, |s| Duration::from_secs(s.into()));
    let until = Instant::now() + patience;
    let mut heard = 0;
    while args.count.is_none_or(|count| heard < count) {
        let left = until.saturating_duration_since(Instant::now());
        match pushes.recv_timeout(left) {
            Ok(push) => heard = handle(args, phone, &push, heard)?,
            Err(RecvTimeoutError::Timeout) => {
                return Err(CliError::new(Exit::Nothing, "no push came in time"));
            }
            // Stdin has ended.
            Err(RecvTimeoutError::Disconnected) => return Ok(Exit::Done),
        }
    }
    Ok(Exit::Done)
}

/// Does what a phone does about a push, and gives how many there were with it. What the service
/// centre refuses is said and is not the end, as for a phone.
fn handle(args: &Args, phone: &mut Phone, push: &Push, heard: u32) -> Result<u32, CliError> {
    let number = heard.saturating_add(1);
    let notification = match &push.what {
        What::Octets(octets) => match push::decode(octets, &Limits::default()) {
            Ok(decoded) => Some(decoded.value.1),
            Err(error) => {
                say(&format!("a push that cannot be read: {error}"))?;
                return Ok(number);
            }
        },
        What::Url(_) => None,
        What::Hidden => {
            say("a report came; the log shows it with [notify.log] full = true")?;
            return Ok(number);
        }
    };
    let url = match (&push.what, &notification) {
        (What::Url(url), _) => url.clone(),
        (_, Some(pdu)) if pdu.pdu_type == PduType::NotificationInd => {
            let url = pdu
                .headers
                .text(Field::ContentLocation)
                .unwrap_or("")
                .to_owned();
            say(&announced(pdu, &url))?;
            url
        }
        (_, Some(pdu)) => {
            say(&reported(pdu))?;
            return Ok(number);
        }
        (_, None) => return Ok(number),
    };
    let done = match args.then {
        Then::Fetch | Then::Forget => fetch(args, phone, &url, notification.as_ref(), number),
        Then::Defer => respond(
            phone,
            notification.as_ref(),
            DEFERRED,
            "will fetch it later",
        ),
        Then::Reject => respond(phone, notification.as_ref(), REJECTED, "refused it"),
    };
    if let Err(error) = done {
        say(&format!("that failed: {}", error.message))?;
    }
    Ok(number)
}

fn announced(pdu: &Pdu, url: &str) -> String {
    let headers = &pdu.headers;
    let from = headers.text(Field::From).unwrap_or("somebody who hides");
    let subject = headers.text(Field::Subject);
    let subject = subject.map_or_else(String::new, |subject| format!(", {subject:?}"));
    let size = match headers.get(Field::MessageSize) {
        Some(HeaderValue::Integer(size)) => format!("{size} octets"),
        _ => "some octets".to_owned(),
    };
    format!("a message waits from {from}{subject}: {size} at {url}")
}

fn reported(pdu: &Pdu) -> String {
    let who = pdu.headers.text(Field::To).unwrap_or("a recipient");
    let id = pdu.headers.text(Field::MessageId).unwrap_or("unknown");
    match pdu.pdu_type {
        PduType::DeliveryInd => format!("report on {id} to {who}: {}", words::status(pdu)),
        PduType::ReadOrigInd => {
            let who = pdu.headers.text(Field::From).unwrap_or("a recipient");
            match pdu.headers.token(Field::ReadStatus) {
                Some(0x80) => format!("report on {id}: {who} has read it"),
                _ => format!("report on {id}: {who} has deleted it unread"),
            }
        }
        other => format!("a push of {}", other.name()),
    }
}

fn fetch(
    args: &Args,
    phone: &mut Phone,
    url: &str,
    notification: Option<&Pdu>,
    number: u32,
) -> Result<(), CliError> {
    let (conf, octets) = phone.fetch(url)?;
    if let Some(error) = words::refused(&conf) {
        return Err(error);
    }
    let folder = free_folder(&args.out, number);
    let files = words::write(&conf, &folder)?;
    let count = files.len();
    say(&format!(
        "fetched {count} part(s) in {} octets",
        octets.len()
    ))?;
    let parts = conf.body.iter().flat_map(|body| &body.parts);
    for (part, file) in parts.zip(&files) {
        say(&format!(
            "  {}: {}",
            folder.join(file).display(),
            words::part(part)
        ))?;
    }
    if args.then == Then::Forget {
        return say("did not acknowledge it");
    }
    // A phone that knows the notification answers it; otherwise what it fetched.
    if notification.is_some() {
        return respond(phone, notification, RETRIEVED, "acknowledged it");
    }
    let id = conf.transaction_id().unwrap_or("").to_owned();
    phone.post(&with_transaction(Pdu::new(PduType::AcknowledgeInd), &id))?;
    say("acknowledged it")
}

fn respond(
    phone: &mut Phone,
    notification: Option<&Pdu>,
    status: u8,
    what: &str,
) -> Result<(), CliError> {
    let id = notification
        .and_then(Pdu::transaction_id)
        .ok_or_else(|| failed("it takes the octets of the push, which were not told"))?;
    let mut answer = with_transaction(Pdu::new(PduType::NotifyRespInd), id);
    answer
        .headers
        .add(Field::Status, HeaderValue::Token(status));
    phone.post(&answer)?;
    say(what)
}

/// A folder that no earlier run has filled.
fn free_folder(out: &Path, number: u32) -> PathBuf {
    (number..=u32::MAX)
        .map(|number| out.join(number.to_string()))
        .find(|folder| !folder.exists())
        .unwrap_or_else(|| out.to_owned())
}

fn say(what: &str) -> Result<(), CliError> {
    io::print(format!("{what}\n"))
}

fn number(text: &str) -> Result<Msisdn, String> {
    Msisdn::parse(text)
        .filter(Msisdn::is_global)
        .ok_or_else(|| "a number is written +15550001111".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::smil::Smil;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(name)
    }

    #[test]
    fn a_message_has_slides_that_name_its_parts() {
        let files = [data("sunset.jpg"), data("chord.amr")];
        let body = body(Some("Hello"), &files).unwrap();
        let names: Vec<_> = body.parts.iter().filter_map(Part::name).collect();
        assert_eq!(
            names,
            ["slides.smil", "sunset.jpg", "1-chord.amr", "text.txt"]
        );
        assert_eq!(body.presentation(), Some(0));
        let smil = Smil::parse(&body.parts[0].data, &Limits::default()).unwrap();
        assert_eq!(smil.value.slides(), 1);
        assert_eq!(smil.value.references().len(), 3);
    }

    #[test]
    fn a_whole_message_goes_as_it_is_and_alone() {
        let whole = [data("greeting.mms")];
        assert_eq!(body(None, &whole).unwrap().parts.len(), 4);
        assert_eq!(body(Some("Hi"), &whole).unwrap_err().exit, Exit::Usage);
        assert_eq!(body(None, &[]).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn names_are_such_that_every_phone_can_write_them() {
        assert_eq!(
            name(0, Path::new("/tmp/My photo (1).jpg")),
            "My_photo__1_.jpg"
        );
        assert_eq!(name(2, Path::new("größe.jpg")), "2-gr__e.jpg");
    }

    #[test]
    fn reports_are_put_into_words() {
        let mut pdu = Pdu::new(PduType::DeliveryInd);
        pdu.headers
            .add(Field::MessageId, HeaderValue::Text("m1".to_owned()));
        pdu.headers
            .add(Field::To, HeaderValue::Encoded("+15550002222".into()));
        pdu.headers.add(Field::Status, HeaderValue::Token(0x80));
        assert_eq!(reported(&pdu), "report on m1 to +15550002222: Expired");
    }
}

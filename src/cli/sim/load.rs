//! `remold sim load`: many messages at once, and how long they took.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::client::{Centre, Phone, failed, read, with_transaction};
use super::pushes::{self, Push, What};
use super::words;
use crate::Limits;
use crate::cli::message;
use crate::cli::{CliError, Exit, io, target};
use crate::mms::address::Msisdn;
use crate::mms::pdu::{Pdu, PduType, encode};
use crate::mms::push;
use crate::mms::{Body, ContentType, Field, HeaderValue, Part};
use crate::profile::Resolution;

/// How long nothing may come in before what is missing counts as lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// Fetches of one message before it counts as failed.
const FETCHES: u32 = 50;
/// Pause before a message is fetched again.
const AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It contacts the service centre of --server alone, and everything in its messages is made up: use
numbers that are nobody's. With --hook it is the recipients too: the service centre must have
[notify.http] with the URL that is printed, and each message is fetched and acknowledged.

Without --rate each connection sends as fast as it is answered. With --rate a message has a time at
which it is due, and its wait counts from then, also where all connections were busy.

Examples:
  remold sim load
  remold sim load --messages 10000 --connections 64 --hook 127.0.0.1:8090
  remold sim load --rate 200 --messages 6000 photo.jpg --json")]
pub(super) struct Args {
    /// The service centre
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8002")]
    server: Centre,
    /// Messages to send
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    messages: u32,
    /// Connections to send on, and as many to fetch on
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    connections: u16,
    /// Messages a second; as many as possible where it is not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Octets of the picture in each message, which is none that a server has to change
    #[arg(long, value_name = "BYTES", default_value_t = 30_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000), conflicts_with = "file")]
    size: u32,
    /// A picture, another medium or a whole message to send in its place
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Make each message unlike all others, so that nothing of it is known from one before
    #[arg(long)]
    distinct: bool,
    /// Who sends
    #[arg(long, value_name = "+NUMBER", default_value = "+15550001111", value_parser = Numbers::read)]
    from: Numbers,
    /// The first recipient
    #[arg(long, value_name = "+NUMBER", default_value = "+15550100000", value_parser = Numbers::read)]
    to: Numbers,
    /// Recipients, numbered upwards; they take turns
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    recipients: u32,
    /// Be the hook of [notify.http] on this address, fetch and acknowledge
    #[arg(long, value_name = "ADDRESS:PORT")]
    hook: Option<SocketAddr>,
    /// The class or device of the recipients
    #[arg(long, value_name = "ID", requires = "hook")]
    device: Option<String>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Numbers that follow on each other.
#[derive(Debug, Clone, Copy)]
struct Numbers(u64);

impl Numbers {
    fn read(text: &str) -> Result<Self, String> {
        Msisdn::parse(text)
            .filter(Msisdn::is_global)
            .and_then(|number| number.as_str().trim_start_matches('+').parse().ok())
            .map(Self)
            .ok_or_else(|| "a number is written +15550001111".to_owned())
    }

    fn nth(self, index: u32) -> String {
        format!("+{}", self.0.saturating_add(u64::from(index)))
    }
}

/// What was measured. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Figures {
    /// Messages that were sent.
    messages: usize,
    /// Those that were answered with M-Send.conf Ok.
    accepted: usize,
    /// Those that were refused or not answered.
    failed: usize,
    /// Why the first of these was.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failure: Option<String>,
    /// Octets of one message.
    octets: usize,
    /// From the first request to the last M-Send.conf.
    seconds: f64,
    accepted_per_second: f64,
    /// From the request, or from when it was due, to M-Send.conf.
    send: Spread,
    /// With a hook: what came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<Fetched>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Fetched {
    /// Messages that were fetched and acknowledged.
    messages: usize,
    /// From the first request to the last acknowledgement.
    seconds: f64,
    per_second: f64,
    /// From the request to the message.
    fetch: Spread,
    /// From M-Send.req to the answer to the acknowledgement.
    whole_way: Spread,
}

/// How times are spread, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
struct Spread {
    median: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    most: f64,
}

/// What all threads write down.
#[derive(Debug, Default)]
struct Notes {
    waits: Vec<Duration>,
    /// When each accepted message was sent.
    sent: HashMap<String, Instant>,
    fetches: Vec<Duration>,
    /// When each message was acknowledged.
    done: HashMap<String, Instant>,
    failed: usize,
    first_failure: Option<String>,
}

struct Run {
    rate: Option<u32>,
    messages: u32,
    recipients: u32,
    to: Numbers,
    pdu: Pdu,
    distinct: bool,
    started: Instant,
    /// Distinguishes the transactions of this run from those of another.
    run: u64,
    next: AtomicU32,
    notes: Mutex<Notes>,
    over: AtomicBool,
    bar: ProgressBar,
}

pub(super) fn run(args: &Args) -> Result<Exit, CliError> {
    let mut headers = Vec::new();
    if let Some(device) = &args.device {
        let found = Resolution::by_id(device).map_err(target::profile_error)?;
        headers = words::profile(&found.capabilities.id)?;
    }
    let pdu = template(args)?;
    let octets = encode(&pdu)
        .map_err(|error| failed(&error.to_string()))?
        .len();
    let hook = args
        .hook
        .map(|address| pushes::hook(address, Arc::new(|_| true)));
    let hook = hook.transpose()?;
    if !args.json {
        io::print(format!("contacts {} alone\n", args.server))?;
        if let Some((address, _)) = &hook {
            io::print(format!("listens on http://{address}/\n"))?;
        }
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| failed(&error.to_string()))?;
    let run = Run {
        rate: args.rate,
        messages: args.messages,
        recipients: args.recipients,
        to: args.to,
        pdu,
        distinct: args.distinct,
        started: Instant::now(),
        run: u64::from_be_bytes(random),
        next: AtomicU32::new(0),
        notes: Mutex::default(),
        over: AtomicBool::new(false),
        bar: bar(args),
    };
    let pushes = hook.map(|(_, pushes)| Mutex::new(pushes));
    let sent_after = std::thread::scope(|scope| {
        if let Some(pushes) = &pushes {
            for _ in 0..args.connections {
                let phone = Phone::new(&args.to.nth(0), headers.clone(), &args.server);
                scope.spawn(|| run.fetch_all(phone, pushes));
            }
        }
        let senders: Vec<_> = (0..args.connections)
            .map(|_| {
                let phone = Phone::new(&args.from.nth(0), Vec::new(), &args.server);
                scope.spawn(|| run.send_all(phone))
            })
            .collect();
        for sender in senders {
            // A thread that panicked has told so itself; its messages are missing in the figures.
            let _ = sender.join();
        }
        let sent_after = run.started.elapsed();
        if pushes.is_some() {
            run.wait_for_the_rest();
        }
        run.over.store(true, Ordering::Relaxed);
        sent_after
    });
    run.bar.finish_and_clear();
    let notes = run
        .notes
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let figures = figures(&notes, octets, run.started, sent_after, args.hook.is_some());
    let text = if args.json {
        let json = serde_json::to_string_pretty(&figures);
        json.map_err(|error| failed(&error.to_string()))? + "\n"
    } else {
        shown(&figures)
    };
    io::print(text)?;
    let all = figures.failed == 0
        && figures
            .fetched
            .is_none_or(|fetched| fetched.messages == figures.accepted);
    Ok(if all { Exit::Done } else { Exit::Refused })
}

impl Run {
    fn send_all(&self, mut phone: Phone) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.messages {
                return;
            }
            let mut due = Instant::now();
            if let Some(rate) = self.rate {
                due = self.started + Duration::from_secs_f64(f64::from(index) / f64::from(rate));
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let result = self.send(&mut phone, index);
            let waited = due.elapsed();
            self.bar.inc(1);
            let mut notes = self.notes();
            match result {
                Ok(id) => {
                    notes.waits.push(waited);
                    notes.sent.insert(id, due);
                }
                Err(error) => notes.fail(error.message),
            }
        }
    }

    fn send(&self, phone: &mut Phone, index: u32) -> Result<String, CliError> {
        let id = format!("{:x}-{index}", self.run);
        let mut pdu = with_transaction(self.pdu.clone(), &id);
        let to = self.to.nth(index.checked_rem(self.recipients).unwrap_or(0));
        let to = format!("{to}/TYPE=PLMN");
        pdu.headers
            .set(Field::To, HeaderValue::Encoded(to.as_str().into()));
        if self.distinct
            && let Some(body) = &mut pdu.body
        {
            say(body, format!("Message {index} of {:x}", self.run));
        }
        let octets = encode(&pdu).map_err(|error| failed(&error.to_string()))?;
        let answer = phone.post_octets(&octets)?;
        words::accepted(&read(&answer)?)
    }

    fn fetch_all(&self, mut phone: Phone, pushes: &Mutex<Receiver<Push>>) {
        while !self.over.load(Ordering::Relaxed) {
            let push = {
                let pushes = pushes.lock().unwrap_or_else(PoisonError::into_inner);
                pushes.recv_timeout(AGAIN)
            };
            match push {
                Ok(push) => self.fetch(&mut phone, push),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn fetch(&self, phone: &mut Phone, push: Push) {
        let What::Octets(octets) = &push.what else {
            return;
        };
        let result = push::decode(octets, &Limits::default())
            .map_err(|error| failed(&error.to_string()))
            .and_then(|decoded| {
                // A message is for nobody else's phone.
                phone.number.clone_from(&push.to);
                self.fetch_one(phone, &decoded.value.1)
            });
        let mut notes = self.notes();
        match result {
            Ok(Some(took)) => {
                notes.fetches.push(took);
                let id = push.message_id.unwrap_or_default();
                notes.done.insert(id, Instant::now());
                drop(notes);
                self.bar.inc(1);
            }
            Ok(None) => {}
            Err(error) => notes.fail(error.message),
        }
    }

    /// Fetches and acknowledges a message, and gives how long the fetch took; `None` where the
    /// push was something else.
    fn fetch_one(&self, phone: &mut Phone, pdu: &Pdu) -> Result<Option<Duration>, CliError> {
        if pdu.pdu_type != PduType::NotificationInd {
            return Ok(None);
        }
        let url = pdu.headers.text(Field::ContentLocation).unwrap_or("");
        let mut tries = 0;
        let took = loop {
            let began = Instant::now();
            let (conf, _) = phone.fetch(url)?;
            match words::refused(&conf) {
                None => break began.elapsed(),
                // Too many at once: a phone comes back later.
                Some(_) if tries < FETCHES && !self.over.load(Ordering::Relaxed) => {
                    tries = tries.saturating_add(1);
                    std::thread::sleep(AGAIN);
                }
                Some(error) => return Err(error),
            }
        };
        let id = pdu.transaction_id().unwrap_or("");
        let mut answer = with_transaction(Pdu::new(PduType::NotifyRespInd), id);
        answer.headers.add(Field::Status, HeaderValue::Token(0x81));
        phone.post(&answer)?;
        Ok(Some(took))
    }

    /// Waits until all that was accepted is fetched, or nothing comes any more.
    fn wait_for_the_rest(&self) {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let (done, accepted) = {
                let notes = self.notes();
                (notes.done.len(), notes.sent.len())
            };
            if done >= accepted || since.elapsed() >= PATIENCE {
                return;
            }
            if done != last {
                (last, since) = (done, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    fn fail(&mut self, why: String) {
        self.failed = self.failed.saturating_add(1);
        self.first_failure.get_or_insert(why);
    }
}

/// The message that all others are made from.
fn template(args: &Args) -> Result<Pdu, CliError> {
    let mut pdu = Pdu::new(PduType::SendReq);
    let headers = &mut pdu.headers;
    headers.add(Field::TransactionId, HeaderValue::Text("0".to_owned()));
    headers.add(Field::From, HeaderValue::From(None));
    headers.add(Field::To, HeaderValue::Encoded("+0".into()));
    let body = match &args.file {
        Some(path) => message::load(path, &Limits::default())?.message.body,
        None => filler(args.size),
    };
    pdu.body = Some(body);
    Ok(pdu)
}

/// Gives a message another text, or a text where it has none.
fn say(body: &mut Body, text: String) {
    let texts = body
        .parts
        .iter_mut()
        .find(|part| part.content_type.is("text/plain"));
    match texts {
        Some(part) => part.data = text.into(),
        None => body
            .parts
            .push(Part::new(ContentType::new("text/plain"), text)),
    }
    if !body.is_multipart() {
        body.content_type = ContentType::new("application/vnd.wap.multipart.mixed");
    }
}

/// A text and a picture.
fn filler(octets: u32) -> Body {
    let jpeg = padded(usize::try_from(octets).unwrap_or(0));
    let mut picture = Part::new(ContentType::new("image/jpeg"), jpeg);
    picture.content_location = Some("load.jpg".to_owned());
    let text = Part::new(ContentType::new("text/plain"), "A message under load");
    Body {
        content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
        parts: vec![text, picture],
    }
}

/// A JPEG of so many octets, if its own are no more: a grey picture of 160x120 and comments
/// (ITU-T T.81).
fn padded(octets: usize) -> Vec<u8> {
    const HEAD: &[u8] = b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
    // One component, and one code of one bit in each table: every block is as the one before.
    const FRAME: &[u8] = b"\xFF\xC0\0\x0B\x08\0\x78\0\xA0\x01\x01\x11\0\
        \xFF\xC4\0\x14\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \xFF\xC4\0\x14\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
        \xFF\xDA\0\x08\x01\x01\0\0\x3F\0";
    /// Two bits for each of 20 x 15 blocks.
    const SCAN: usize = 75;
    let mut tail = b"\xFF\xDB\0\x43\0".to_vec();
    tail.extend([1; 64]);
    tail.extend_from_slice(FRAME);
    tail.extend([0; SCAN]);
    tail.extend_from_slice(b"\xFF\xD9");
    let mut jpeg = HEAD.to_vec();
    let mut left = octets.saturating_sub(jpeg.len().saturating_add(tail.len()));
    while left >= 4 {
        let length = u16::try_from(left.saturating_sub(2)).unwrap_or(u16::MAX);
        jpeg.extend_from_slice(b"\xFF\xFE");
        jpeg.extend(length.to_be_bytes());
        jpeg.extend(vec![b' '; usize::from(length).saturating_sub(2)]);
        left = left.saturating_sub(usize::from(length).saturating_add(2));
    }
    // Any number of these may stand before a marker.
    jpeg.extend(vec![0xFF; left]);
    jpeg.extend(tail);
    jpeg
}

fn figures(
    notes: &Notes,
    octets: usize,
    started: Instant,
    sent_after: Duration,
    hooked: bool,
) -> Figures {
    let accepted = notes.sent.len();
    let ways = notes.done.iter().filter_map(|(id, done)| {
        let sent = notes.sent.get(id)?;
        Some(done.saturating_duration_since(*sent))
    });
    let fetched = hooked.then(|| {
        let last = notes.done.values().max();
        let took = last.map_or(Duration::ZERO, |last| {
            last.saturating_duration_since(started)
        });
        Fetched {
            messages: notes.done.len(),
            seconds: rounded(took.as_secs_f64()),
            per_second: rate(notes.done.len(), took),
            fetch: spread(notes.fetches.clone()),
            whole_way: spread(ways.collect()),
        }
    });
    Figures {
        messages: accepted.saturating_add(notes.failed),
        accepted,
        failed: notes.failed,
        first_failure: notes.first_failure.clone(),
        octets,
        seconds: rounded(sent_after.as_secs_f64()),
        accepted_per_second: rate(accepted, sent_after),
        send: spread(notes.waits.clone()),
        fetched,
    }
}

fn rate(count: usize, time: Duration) -> f64 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    rounded(f64::from(count) / time.as_secs_f64().max(1e-9))
}

/// No more digits than were measured.
fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

/// The percentiles of times: the least that so many of all are not above.
fn spread(mut times: Vec<Duration>) -> Spread {
    times.sort_unstable();
    let at = |thousandth: usize| {
        let rank = times.len().saturating_mul(thousandth).div_ceil(1_000);
        let time = times.get(rank.saturating_sub(1));
        time.map_or(0.0, |time| rounded(time.as_secs_f64() * 1_000.0))
    };
    Spread {
        median: at(500),
        p90: at(900),
        p99: at(990),
        p999: at(999),
        most: at(1_000),
    }
}

fn shown(figures: &Figures) -> String {
    let line = |name: &str, spread: &Spread| {
        let Spread {
            median,
            p90,
            p99,
            p999,
            most,
        } = spread;
        format!(
            "{name:<22}{median:.1} ms median, {p90:.1} 90 %, {p99:.1} 99 %, {p999:.1} 99.9 %, \
             {most:.1} at most\n"
        )
    };
    let mut text = format!(
        "{:<22}{} of {} octets, {} failed\n{:<22}{:.0} a second, for {:.1} s\n",
        "accepted",
        figures.accepted,
        figures.octets,
        figures.failed,
        "",
        figures.accepted_per_second,
        figures.seconds
    );
    text.push_str(&line("M-Send.conf after", &figures.send));
    if let Some(fetched) = &figures.fetched {
        text.push_str(&format!(
            "{:<22}{}\n{:<22}{:.0} a second, for {:.1} s\n",
            "acknowledged", fetched.messages, "", fetched.per_second, fetched.seconds
        ));
        text.push_str(&line("M-Retrieve.conf after", &fetched.fetch));
        text.push_str(&line("acknowledged after", &fetched.whole_way));
    }
    if let Some(why) = &figures.first_failure {
        text.push_str(&format!("{:<22}{why}\n", "first failure"));
    }
    text
}

/// Progress with the time that is left, where a person is looking.
fn bar(args: &Args) -> ProgressBar {
    if args.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let steps = u64::from(args.messages) * if args.hook.is_some() { 2 } else { 1 };
    let bar = ProgressBar::new(steps);
    let template = "{bar:30} {pos} of {len}, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times = (1..=200).map(Duration::from_millis).collect();
        let spread = spread(times);
        assert_eq!(
            (
                spread.median,
                spread.p90,
                spread.p99,
                spread.p999,
                spread.most
            ),
            (100.0, 180.0, 198.0, 200.0, 200.0)
        );
        assert_eq!(super::spread(Vec::new()), Spread::default());
        let one = super::spread(vec![Duration::from_millis(7)]);
        assert_eq!((one.median, one.most), (7.0, 7.0));
    }

    #[test]
    fn every_message_can_say_something_else() {
        let mut body = filler(1_000);
        say(&mut body, "one".to_owned());
        assert_eq!(body.parts[0].data, "one");
        let mut body = Body::single(Part::new(ContentType::new("image/jpeg"), "x"));
        say(&mut body, "two".to_owned());
        assert!(body.is_multipart());
        assert_eq!(body.parts.len(), 2);
        assert_eq!(body.parts[1].data, "two");
    }

    #[test]
    fn the_picture_is_one_and_has_the_octets_that_were_asked_for() {
        for octets in [0, 300, 301, 302, 303, 304, 30_000, 200_001] {
            let jpeg = padded(octets);
            assert!(jpeg.len() == octets.max(padded(0).len()), "{octets}");
            let decoded = image::load_from_memory(&jpeg).unwrap();
            assert_eq!((decoded.width(), decoded.height()), (160, 120));
        }
    }

    #[test]
    fn recipients_are_numbered_upwards() {
        let numbers = Numbers::read("+15550100999").unwrap();
        assert_eq!(numbers.nth(0), "+15550100999");
        assert_eq!(numbers.nth(2), "+15550101001");
        assert!(Numbers::read("15550100999").is_err());
        assert!(Numbers::read("+1555*").is_err());
    }

    #[test]
    fn figures_count_what_came_through() {
        let now = Instant::now();
        let mut notes = Notes::default();
        for (index, id) in ["a", "b", "c"].into_iter().enumerate() {
            let wait = Duration::from_millis(10 * (u64::try_from(index).unwrap() + 1));
            notes.waits.push(wait);
            notes.sent.insert(id.to_owned(), now);
        }
        notes
            .done
            .insert("a".to_owned(), now + Duration::from_millis(500));
        notes
            .done
            .insert("b".to_owned(), now + Duration::from_secs(1));
        notes.fail("refused".to_owned());
        let figures = figures(&notes, 1234, now, Duration::from_secs(2), true);
        assert_eq!(
            (figures.messages, figures.accepted, figures.failed),
            (4, 3, 1)
        );
        assert!((figures.accepted_per_second - 1.5).abs() < 1e-6);
        let fetched = figures.fetched.clone().unwrap();
        assert_eq!(fetched.messages, 2);
        assert!((fetched.per_second - 2.0).abs() < 1e-6);
        assert!((fetched.whole_way.median - 500.0).abs() < 1e-6);
        let text = shown(&figures);
        assert!(text.contains("3 of 1234 octets, 1 failed"), "{text}");
        assert!(text.contains("first failure         refused"), "{text}");
    }
}

//! A real client: Debian's mmsd-tng, driven without a modem, sends and receives through us.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value, json};

use remold::mms::pdu::PduType;
use remold::mms::{Field, HeaderValue, Time};

use crate::mmsc::{ALICE, BOB, Scratch, Server, accepted, post, read, small};
use crate::support::fixture;

const PATIENCE: Duration = Duration::from_secs(60);
/// How long a client that works takes at most until its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(20);
/// Clients that are started until one makes a request.
const ATTEMPTS: usize = 3;

/// The script that drives the client, or `None` with a printed line.
fn driver() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tools/mmsd_client.py");
    if !path.exists() {
        println!("skipped: the driver of mmsd-tng is not here");
        return None;
    }
    let modules = Command::new("/usr/bin/python3")
        .args(["-c", "import dbus, gi.repository.GLib"])
        .stderr(Stdio::null())
        .status();
    let client = Path::new("/usr/bin/mmsdtng").exists();
    if !client || !modules.is_ok_and(|status| status.success()) {
        println!("skipped: mmsd-tng, python3-dbus or python3-gi is not installed");
        return None;
    }
    Some(path)
}

/// A client that runs.
struct Client {
    child: Child,
    stdin: ChildStdin,
    events: Receiver<Value>,
    folder: PathBuf,
}

impl Client {
    fn start(driver: &Path, server: &Server, number: &str) -> Self {
        let url = format!("http://{}/", server.mm1);
        let mut child = Command::new("/usr/bin/python3")
            .arg(driver)
            .args([
                "serve", "--mmsc", &url, "--own", number, "--dlr", "--msisdn",
            ])
            .arg(number.trim_start_matches('+'))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (event, events) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line)
                    && event.send(value).is_err()
                {
                    return;
                }
            }
        });
        let stdin = child.stdin.take().unwrap();
        let mut client = Self {
            child,
            stdin,
            events,
            folder: PathBuf::new(),
        };
        let ready = client.wait(|event| event["ev"] == "ready");
        client.folder = ready["dir"].as_str().unwrap().into();
        client
    }

    fn tell(&mut self, what: &Value) {
        writeln!(self.stdin, "{what}").unwrap();
    }

    fn wait(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(PATIENCE, wanted).unwrap_or_else(|seen| {
            panic!("the client did not do it: {seen:?}\n{}", self.log());
        })
    }

    /// The wanted event, or all others that came within `patience`.
    fn wait_for(
        &self,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Vec<Value>> {
        let until = Instant::now() + patience;
        let mut seen = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) if wanted(&event) => return Ok(event),
                Ok(event) => seen.push(event),
                Err(_) => return Err(seen),
            }
        }
    }

    /// The end of what the client itself has to say.
    fn log(&self) -> String {
        let log = std::fs::read(self.folder.join("mmsd.log")).unwrap_or_default();
        let from = log.len().saturating_sub(4000);
        String::from_utf8_lossy(&log[from..]).into_owned()
    }

    /// Hands a push to the client's modem.
    fn receive(&mut self, wsp: &str) {
        self.tell(&json!({"op": "push", "wsp": wsp}));
    }

    fn messages(&mut self) -> Value {
        self.tell(&json!({"op": "messages"}));
        self.wait(|event| event["op"] == "messages")["r"].clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.tell(&json!({"op": "quit"}));
        let until = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() >= until {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A client that has sent a message to Bob and got its answer. The stand-in for a modem loses the
/// first request of a client on some machines, so that others are started; where none makes a
/// request although the server answers, nothing can be learnt here.
fn alice_who_sent(driver: &Path, server: &Server) -> Option<Client> {
    let smil = "<smil><head><layout/></head><body><par><img src=\"cid:pic\"/>\
                <text src=\"cid:txt\"/></par></body></smil>";
    for _ in 0..ATTEMPTS {
        let mut alice = Client::start(driver, server, ALICE);
        alice.tell(&json!({
            "op": "send", "to": [BOB], "dlr": true, "smil": smil, "subject": "Sunset",
            "attachments": [
                ["pic", "image/jpeg", fixture("sunset.jpg")],
                ["txt", "text/plain", fixture("greeting.txt")],
            ],
        }));
        let posted = |event: &Value| event["ev"] == "http" && event["method"] == "POST";
        match alice.wait_for(FIRST_REQUEST, posted) {
            Ok(sent) => {
                assert_eq!(sent["status"], 200, "{sent}");
                return Some(alice);
            }
            Err(seen) => println!("no request from the client: {seen:?}\n{}", alice.log()),
        }
    }
    assert!(server.answers(), "the server answers nobody");
    println!("skipped: mmsd-tng makes no request on this machine");
    None
}

#[test]
fn a_real_client_sends_to_a_real_client() {
    let Some(driver) = driver() else { return };
    let scratch = Scratch::new("mmsd");
    let server = Server::start(&scratch.0, "");
    let Some(mut alice) = alice_who_sent(&driver, &server) else {
        return;
    };
    let mut bob = Client::start(&driver, &server, BOB);

    let (to, _, wsp) = server.raw_push();
    assert_eq!(to, BOB);
    bob.receive(&wsp);
    let fetched = bob.wait(|event| event["ev"] == "http" && event["method"] == "GET");
    assert_eq!(fetched["status"], 200);
    let answered = bob.wait(|event| event["ev"] == "http" && event["method"] == "POST");
    assert_eq!(answered["status"], 200);
    assert_eq!(
        answered["res"], "",
        "an acknowledgement has an empty answer"
    );
    let added = bob.wait(|event| event["ev"] == "dbus" && event["sig"] == "MessageAdded");
    let messages = bob.messages();
    let message = &messages[0];
    assert_eq!(message["Sender"], ALICE, "{added} {messages}");
    let attachments = message["Attachments"].as_array().unwrap();
    let types: Vec<_> = attachments.iter().filter_map(|a| a[1].as_str()).collect();
    assert!(types.iter().any(|t| t.contains("image/jpeg")), "{types:?}");
    assert!(types.iter().any(|t| t.contains("text/plain")), "{types:?}");

    let (to, _, wsp) = server.raw_push();
    assert_eq!(to, ALICE);
    alice.receive(&wsp);
    let report = alice.wait(|event| {
        event["ev"] == "dbus"
            && event["sig"] == "PropertyChanged"
            && event["args"].to_string().contains("retrieved")
    });
    println!("{report}");
}

/// How the client says that a push was answered with this status by the message behind it.
fn fetched(client: &Client) -> Value {
    client.wait(|event| event["ev"] == "http" && event["method"] == "GET")
}

#[test]
fn a_group_sees_each_other_and_a_late_client_is_told_that_it_is_late() {
    const CAROL: &str = "+15550003333";
    let Some(driver) = driver() else { return };
    let scratch = Scratch::new("mmsd-group");
    let server = Server::start(&scratch.0, "");
    let mut sent = small("g1", &[BOB, CAROL]);
    sent.headers
        .add(Field::Expiry, HeaderValue::Time(Time::Relative(8)));
    assert!(accepted(post(server.mm1, ALICE, &sent)).is_some());
    let (to, _, wsp) = server.raw_push();
    let (other, _, late) = server.raw_push();
    let mut people = [to.as_str(), other.as_str()];
    people.sort_unstable();
    assert_eq!(people, [BOB, CAROL]);
    let begun = Instant::now();
    let mut first = Client::start(&driver, &server, &to);
    first.receive(&wsp);
    let posted = |event: &Value| event["ev"] == "http" && event["method"] == "GET";
    if first.wait_for(FIRST_REQUEST, posted).is_err() || begun.elapsed().as_secs() > 6 {
        println!("skipped: mmsd-tng is too slow on this machine");
        return;
    }
    first.wait(|event| event["ev"] == "dbus" && event["sig"] == "MessageAdded");
    let messages = first.messages();
    let recipients = messages[0]["Recipients"].to_string();
    assert!(
        recipients.contains(BOB) && recipients.contains(CAROL),
        "{messages}"
    );
    // The other one was out of reach until it was too late.
    std::thread::sleep(Duration::from_secs(9).saturating_sub(begun.elapsed()));
    let mut second = Client::start(&driver, &server, &other);
    second.receive(&late);
    let answer = fetched(&second);
    assert_eq!(answer["status"], 200, "phones show their own text for 404");
    let log = || second.log();
    let shown = answer.to_string() + &log();
    assert!(
        !second
            .wait_for(Duration::from_secs(1), |event| event["sig"]
                == "MessageAdded")
            .is_ok_and(|event| event.to_string().contains("hello")),
        "{shown}"
    );
}

#[test]
fn a_client_whose_message_is_over_the_limit_is_told_so() {
    let Some(driver) = driver() else { return };
    let scratch = Scratch::new("mmsd-limit");
    let server = Server::start(&scratch.0, "[limits]\nmessage_bytes = 2000");
    let mut alice = Client::start(&driver, &server, ALICE);
    alice.tell(&json!({
        "op": "send", "to": [BOB], "subject": "Sunset",
        "attachments": [["pic", "image/jpeg", fixture("sunset.jpg")]],
    }));
    let posted = |event: &Value| event["ev"] == "http" && event["method"] == "POST";
    let Ok(answer) = alice.wait_for(FIRST_REQUEST, posted) else {
        println!("skipped: mmsd-tng makes no request on this machine");
        return;
    };
    assert_eq!(answer["status"], 200, "the refusal is a PDU: {answer}");
    let refusal = answer["res"].as_str().unwrap();
    let conf = read(BASE64.decode(refusal).unwrap().into());
    assert_eq!(conf.pdu_type, PduType::SendConf);
    assert_eq!(conf.headers.token(Field::ResponseStatus), Some(0xE5));
    let small = accepted(post(server.mm1, ALICE, &small("s1", &[BOB])));
    assert!(small.is_some(), "what fits goes through");
}

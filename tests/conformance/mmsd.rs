//! A real client: Debian's mmsd-tng, driven without a modem, sends and receives through us.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::mmsc::{Scratch, Server};
use crate::support::fixture;

const ALICE: &str = "+15550001111";
const BOB: &str = "+15550002222";
const PATIENCE: Duration = Duration::from_secs(60);

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
        let client = Self {
            child,
            stdin,
            events,
        };
        client.wait(|event| event["ev"] == "ready");
        client
    }

    fn tell(&mut self, what: &Value) {
        writeln!(self.stdin, "{what}").unwrap();
    }

    fn wait(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left) {
                Ok(event) if wanted(&event) => return event,
                Ok(event) => seen.push(event["ev"].to_string()),
                Err(_) => panic!("the client did not do it: {seen:?}"),
            }
        }
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

#[test]
fn a_real_client_sends_to_a_real_client() {
    let Some(driver) = driver() else { return };
    let scratch = Scratch::new("mmsd");
    let server = Server::start(&scratch.0, "");
    let mut alice = Client::start(&driver, &server, ALICE);
    let mut bob = Client::start(&driver, &server, BOB);
    let smil = "<smil><head><layout/></head><body><par><img src=\"cid:pic\"/>\
                <text src=\"cid:txt\"/></par></body></smil>";
    alice.tell(&json!({
        "op": "send", "to": [BOB], "dlr": true, "smil": smil, "subject": "Sunset",
        "attachments": [
            ["pic", "image/jpeg", fixture("sunset.jpg")],
            ["txt", "text/plain", fixture("greeting.txt")],
        ],
    }));
    let sent = alice.wait(|event| event["ev"] == "http" && event["method"] == "POST");
    assert_eq!(sent["status"], 200, "{sent}");

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

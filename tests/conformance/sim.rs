//! The simulators against a service centre that runs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::mmsc::{Scratch, Server};
use crate::support::{fixture, remold};

const ALICE: &str = "+15550001111";
const BOB: &str = "+15550002222";

/// A port that is free now.
fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn phone(server: &Server, number: &str, args: &[&str]) -> Command {
    let mut command = remold();
    command
        .args(["sim", "phone", "--number", number, "--server"])
        .arg(format!("http://{}", server.mm1))
        .args(args);
    command
}

fn text(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Starts a phone and waits until it says that it listens, where it does.
fn started(mut command: Command, lines: usize) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..lines {
        stdout.read_line(&mut String::new()).unwrap();
    }
    (child, stdout)
}

fn rest(mut child: Child, stdout: BufReader<std::process::ChildStdout>) -> Vec<String> {
    let lines = stdout.lines().map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{lines:?}");
    lines
}

#[test]
fn a_phone_sends_a_picture_to_one_that_listens_as_the_hook() {
    let scratch = Scratch::new("sim-phone");
    let port = port();
    let more = format!("[notify.http]\nurl = \"http://127.0.0.1:{port}/\"\n");
    let server = Server::start(&scratch.0, &more);
    let (hook, out) = (format!("127.0.0.1:{port}"), scratch.0.join("out"));
    let bob = phone(
        &server,
        BOB,
        &["--hook", &hook, "--device", "nokia-6100", "--count", "1"],
    );
    let mut bob = bob;
    bob.arg("--out").arg(&out);
    let (bob, lines) = started(bob, 2);
    let sent = phone(
        &server,
        ALICE,
        &["--to", BOB, "--text", "Hello", "--subject", "Hi"],
    )
    .arg(fixture("sunset.jpg"))
    .output()
    .unwrap();
    assert!(sent.status.success(), "{}", text(&sent));
    assert!(
        text(&sent).contains("M-Send.conf says Ok"),
        "{}",
        text(&sent)
    );
    let lines = rest(bob, lines);
    let all = lines.join("\n");
    assert!(all.contains("a message waits from +15550001111"), "{all}");
    assert!(
        all.contains("image/jpeg 640x480"),
        "a Nokia 6100 takes so much: {all}"
    );
    assert_eq!(lines.last().map(String::as_str), Some("acknowledged it"));
    let picture = out.join("1").join("1-sunset.jpg");
    assert!(
        std::fs::read(picture).unwrap().starts_with(b"\xFF\xD8"),
        "{all}"
    );
}

#[test]
fn a_phone_follows_the_log_even_where_numbers_are_masked_and_hears_of_reports() {
    let scratch = Scratch::new("sim-log");
    let log = scratch.0.join("log");
    let file = std::fs::File::create(&log).unwrap();
    let config = scratch.0.join("masked.toml");
    let store = scratch.0.join("store");
    let mm1 = port();
    let toml = format!(
        "[store]\nfolder = {store:?}\n[mm1]\nlisten = \"127.0.0.1:{mm1}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n"
    );
    std::fs::write(&config, toml).unwrap();
    let mut server = remold()
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(file)
        .spawn()
        .unwrap();
    while std::net::TcpStream::connect(("127.0.0.1", mm1)).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let phone = |number: &str, more: &[&str]| {
        let mut command = remold();
        command
            .args(["sim", "phone", "--number", number, "--server"])
            .arg(format!("http://127.0.0.1:{mm1}"))
            .args(["--count", "1", "--seconds", "60", "--out"])
            .arg(scratch.0.join(number))
            .arg("--log")
            .arg(&log)
            .args(more);
        command
    };
    let alice = phone(ALICE, &["--to", BOB, "--text", "Hello", "--report"]);
    let (alice, alice_says) = started(alice, 3);
    let bob = phone(BOB, &[]).output().unwrap();
    assert!(bob.status.success(), "{}", text(&bob));
    assert!(text(&bob).ends_with("acknowledged it\n"), "{}", text(&bob));
    let report = rest(alice, alice_says).join("\n");
    assert!(report.contains("a report came"), "{report}");
    server.kill().unwrap();
    server.wait().unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(
        log.contains("to=+*********22 ") && !log.contains(BOB),
        "{log}"
    );
}

#[test]
fn a_phone_may_refuse_or_hear_nothing() {
    let scratch = Scratch::new("sim-reject");
    let spool = scratch.0.join("spool");
    std::fs::create_dir(&spool).unwrap();
    let script = format!(
        "cd {} && echo $REMOLD_PUSH > .$$ && mv .$$ $REMOLD_NUMBER.$$",
        spool.display()
    );
    let more = format!("[notify]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n");
    let server = Server::start(&scratch.0, &more);
    let listens = |number: &str, more: &[&str]| {
        let mut command = phone(&server, number, more);
        command.arg("--spool").arg(&spool);
        command
    };
    let nothing = listens(BOB, &["--seconds", "1"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(4), "{}", text(&nothing));
    let sent = phone(
        &server,
        ALICE,
        &["--to", BOB, "--text", "Hello", "--report"],
    );
    assert!({ sent }.status().unwrap().success());
    let bob = listens(
        BOB,
        &["--count", "1", "--seconds", "60", "--then", "reject"],
    );
    let bob = { bob }.output().unwrap();
    assert!(text(&bob).ends_with("refused it\n"), "{}", text(&bob));
    let alice = listens(ALICE, &["--count", "1", "--seconds", "60"]);
    let alice = { alice }.output().unwrap();
    assert!(
        text(&alice).ends_with("to +15550002222/TYPE=PLMN: Rejected\n"),
        "{}",
        text(&alice)
    );
}

#[test]
fn load_is_sent_fetched_and_measured() {
    let scratch = Scratch::new("sim-load");
    let port = port();
    let more = format!("[notify.http]\nurl = \"http://127.0.0.1:{port}/\"\n");
    let server = Server::start(&scratch.0, &more);
    let output = load(&server)
        .args([
            "--messages",
            "60",
            "--connections",
            "4",
            "--rate",
            "200",
            "--hook",
        ])
        .arg(format!("127.0.0.1:{port}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(figures["accepted"], 60);
    assert_eq!(figures["failed"], 0);
    assert_eq!(figures["fetched"]["messages"], 60);
    let number = |pointer: &str| figures.pointer(pointer).unwrap().as_f64().unwrap();
    assert!(
        number("/seconds") >= 59.0 / 200.0,
        "no faster than was asked"
    );
    assert!(number("/send/median") <= number("/send/most"));
    assert!(number("/fetched/whole_way/median") > 0.0);
    // Each by the phone it was for, and as it was sent.
    let answer = crate::admin::ask(server.admin, "GET", "/metrics");
    let metrics = answer.text();
    let counts = |line: &str| metrics.contains(&format!("\n{line}\n"));
    assert!(
        counts("remold_recipient_states_total{state=\"retrieved\"} 60"),
        "{metrics}"
    );
    assert!(!metrics.contains("verdict=\"adapted\""), "{metrics}");
}

#[test]
fn load_that_is_refused_says_why() {
    let scratch = Scratch::new("sim-refused");
    let server = Server::start(&scratch.0, "[numbering]\nlocal = [\"+44\"]\n");
    let output = load(&server).args(["--messages", "3"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&figures["accepted"], &figures["failed"]),
        (&0.into(), &3.into())
    );
    assert!(!figures["first_failure"].as_str().unwrap().is_empty());
}

fn load(server: &Server) -> Command {
    let mut command = remold();
    command
        .args(["sim", "load", "--json", "--server"])
        .arg(format!("http://{}", server.mm1));
    command
}

#[test]
fn the_demonstration_leaves_the_pictures_before_and_after() {
    let scratch = Scratch::new("sim-demo");
    let output = remold()
        .args(["sim", "demo", "--out"])
        .arg(&scratch.0)
        .output()
        .unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.starts_with("1. A service centre runs on http://127.0.0.1:"),
        "{said}"
    );
    assert!(said.contains("Retrieved"), "{said}");
    let pictures = |folder: &str| -> Vec<u64> {
        let files = std::fs::read_dir(Path::new(&scratch.0).join(folder)).unwrap();
        files
            .map(|file| file.unwrap())
            .filter(|file| file.file_name().to_string_lossy().ends_with(".jpg"))
            .map(|file| file.metadata().unwrap().len())
            .collect()
    };
    let (sent, received) = (pictures("sent"), pictures("received"));
    assert_eq!((sent.len(), received.len()), (1, 1), "{said}");
    assert!(received[0] < sent[0] / 10, "{sent:?} {received:?}");
}

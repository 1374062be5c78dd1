//! What is promised, tried.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;

/// A server that says `script` line for line: a line that begins with a digit is said, any
/// other is waited for.
fn server(script: &'static str) -> (Host, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut write = stream.try_clone().unwrap();
        let mut read = BufReader::new(stream);
        let mut heard = Vec::new();
        for line in script.lines().map(str::trim) {
            if line.starts_with(|c: char| c.is_ascii_digit()) {
                write.write_all(format!("{line}\r\n").as_bytes()).unwrap();
                continue;
            }
            loop {
                let mut said = String::new();
                if read.read_line(&mut said).unwrap() == 0 {
                    return heard;
                }
                heard.push(said.trim_end().to_owned());
                if said.starts_with(line) {
                    break;
                }
            }
        }
        heard
    });
    let name = "127.0.0.1".to_owned();
    (Host { name, port }, thread)
}

fn mailboxes(count: usize) -> Vec<Mailbox> {
    (0..count)
        .map(|n| Mailbox::parse(&format!("+15550000{n}@far.example")).unwrap())
        .collect()
}

fn open(host: &Host, policy: TlsPolicy) -> Result<Link, LinkError> {
    let trust = Trust::new(RootCertStore::empty()).unwrap();
    let wait = Duration::from_secs(30);
    let timeouts = Timeouts {
        connect: wait,
        command: wait,
        data: wait,
        block: wait,
        end: wait,
    };
    Link::open(host, "us.example", policy, &trust, timeouts)
}

fn sent(script: &'static str, recipients: usize) -> (Vec<Answer>, Vec<String>) {
    let (host, thread) = server(script);
    let mut link = open(&host, TlsPolicy::Opportunistic).unwrap();
    let from = Mailbox::parse("a@us.example").unwrap();
    let answers = link
        .send(&from, &mailboxes(recipients), b"one\r\n.two\r\n")
        .unwrap();
    drop(link);
    (answers, thread.join().unwrap())
}

#[test]
fn each_recipient_has_an_answer_of_his_own() {
    for script in [
        "220 hi\nEHLO\n250 hi\nMAIL\n250 ok\nRCPT\n250 ok\nRCPT\n550 5.1.1 nobody\nRCPT\n451 busy\n\
         DATA\n354 go\n.\n250 2.0.0 queued\nQUIT",
        "220-a\n220 b\nEHLO\n250-hi\n250-SIZE 99\n250 PIPELINING\nDATA\n250 ok\n250 ok\n\
         550 5.1.1 nobody\n451 busy\n354 go\n.\n250 2.0.0 queued\nQUIT",
    ] {
        let (answers, heard) = sent(script, 3);
        assert_eq!(answers[0], Answer::Taken("250 queued".to_owned()));
        assert_eq!(answers[1], Answer::Never("550 nobody".to_owned()));
        assert_eq!(answers[2], Answer::Later("451 busy".to_owned()));
        let end = &heard[heard.len() - 3..];
        assert_eq!(end, ["one", "..two", "."], "{heard:?}");
    }
}

#[test]
fn nobody_is_left_waiting_where_nobody_is_taken() {
    let lines = "220 hi\nEHLO\n250 hi\nMAIL\n250 ok\nRCPT\n550 no\nRSET\n250 ok\nQUIT";
    let (answers, _) = sent(lines, 1);
    assert_eq!(answers, [Answer::Never("550 no".to_owned())]);
    let lines = "220 hi\nEHLO\n250-hi\n250 PIPELINING\nDATA\n250 ok\n550 no\n354 go\n.\n554 none\n\
                 QUIT";
    let (answers, heard) = sent(lines, 1);
    assert_eq!(answers, [Answer::Never("550 no".to_owned())]);
    assert_eq!(heard.last().map(String::as_str), Some("."));
    let lines = "220 hi\nEHLO\n250-hi\n250 PIPELINING\nDATA\n452 full\n503 no\n503 no\nRSET\n250 ok\n\
                 QUIT";
    let (answers, _) = sent(lines, 1);
    assert_eq!(answers, [Answer::Later("452 full".to_owned())]);
    let lines =
        "220 hi\nEHLO\n250 hi\nMAIL\n250 ok\nRCPT\n250 ok\nDATA\n354 go\n.\n552 large\nQUIT";
    let (answers, _) = sent(lines, 1);
    assert_eq!(answers, [Answer::Never("552 large".to_owned())]);
}

#[test]
fn a_mail_without_an_answer_is_told_apart_from_one_that_never_left() {
    for (script, unanswered) in [
        (
            "220 hi\nEHLO\n250 hi\nMAIL\n250 ok\nRCPT\n250 ok\nDATA\n354 go\n.\n",
            true,
        ),
        (
            "220 hi\nEHLO\n250 hi\nMAIL\n250 ok\nRCPT\n250 ok\nDATA\n",
            false,
        ),
    ] {
        let (host, _thread) = server(script);
        let mut link = open(&host, TlsPolicy::Off).unwrap();
        let from = Mailbox::parse("a@us.example").unwrap();
        let error = link.send(&from, &mailboxes(1), b"hi\r\n").unwrap_err();
        assert_eq!(matches!(error, LinkError::Unanswered(_)), unanswered);
    }
}

#[test]
fn a_peer_that_does_not_want_us_or_makes_no_sense_is_told_apart() {
    let failed = |script, policy| {
        let (host, thread) = server(script);
        let error = open(&host, policy).unwrap_err();
        drop(thread);
        error
    };
    let off = TlsPolicy::Off;
    assert!(matches!(
        failed("554 peers only\nQUIT", off),
        LinkError::Refused(text) if text == "554 peers only"
    ));
    assert!(matches!(
        failed("220 hi\nEHLO\n421 later\nQUIT", off),
        LinkError::Refused(_)
    ));
    assert!(matches!(
        failed("2xx hello there\nQUIT", off),
        LinkError::Nonsense(_)
    ));
    let required = TlsPolicy::Required;
    assert!(matches!(
        failed("220 hi\nEHLO\n250 hi\nQUIT", required),
        LinkError::Tls(_)
    ));
    assert!(matches!(
        failed(
            "220 hi\nEHLO\n250-hi\n250 STARTTLS\nSTARTTLS\n454 no\nQUIT",
            required
        ),
        LinkError::Tls(_)
    ));
    let (host, _thread) = server("220 hi\nEHLO\n502 no\nHELO\n250 hi\nQUIT");
    assert!(!open(&host, off).unwrap().pipelining);
}

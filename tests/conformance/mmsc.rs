//! The service centre from outside: what a phone, a stranger and a `kill -9` see of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use remold::Limits;
use remold::mms::pdu::{Pdu, PduType, decode, encode};
use remold::mms::{Body, ContentType, Field, HeaderValue, Part, Time, push};

use crate::support::{fixture, remold};

pub(crate) const ALICE: &str = "+15550001111";
pub(crate) const BOB: &str = "+15550002222";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server of its own, in a folder of its own.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) mm1: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) lines: Receiver<String>,
}

impl Server {
    pub(crate) fn start(folder: &Path, more: &str) -> Self {
        Self::start_with(folder, more, None)
    }

    /// Starts one that fails as `REMOLD_FAULT` says. With `REMOLD_STORE=postgres` in the environment
    /// of the tests, its store is a database of its own; with `REMOLD_BODIES=s3` beside it and the
    /// feature `s3`, its large bodies are in a bucket.
    pub(crate) fn start_with(folder: &Path, more: &str, fault: Option<&str>) -> Self {
        let shared = crate::postgres::database_of(folder).map(|url| crate::postgres::shared(&url));
        Self::start_on(folder, &shared.unwrap_or_default(), more, fault)
    }

    /// Starts one whose store is what the lines of `store` say, beside its folder.
    pub(crate) fn start_on(folder: &Path, store: &str, more: &str, fault: Option<&str>) -> Self {
        let config = folder.join("remold.toml");
        let notify = match more.contains("[notify") {
            true => "",
            false => "[notify.log]\nfull = true\n",
        };
        let text = format!(
            "[store]\nfolder = \"{}\"\n{store}[mm1]\nlisten = \"127.0.0.1:0\"\n{more}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n{notify}",
            folder.join("store").display(),
        );
        std::fs::write(&config, text).unwrap();
        let mut command = remold();
        command.arg("serve").arg("--config").arg(&config);
        match fault {
            Some(fault) => command.env("REMOLD_FAULT", fault),
            None => command.env_remove("REMOLD_FAULT"),
        };
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = lines(child.stdout.take().unwrap());
        let address = |name: &str| {
            let line = lines.recv_timeout(PATIENCE).unwrap();
            let rest = line.strip_prefix(name).unwrap();
            rest.strip_prefix(" http://").unwrap().parse().unwrap()
        };
        let (mm1, admin) = (address("mm1"), address("admin"));
        Self {
            child,
            mm1,
            admin,
            lines,
        }
    }

    /// Number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Ends the process as the kernel does for want of memory.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The next URL that a phone is told, if one is within `patience`.
    pub(crate) fn next_url(&self, patience: Duration) -> Option<String> {
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).ok()?;
            let mut words = line.split(' ');
            let url = words.find_map(|word| word.strip_prefix("url="));
            if let Some(url) = url.filter(|url| *url != "-") {
                return Some(url.to_owned());
            }
        }
    }

    /// The next push that is printed: to whom, the PDU in it, and what to fetch.
    pub(crate) fn push(&self) -> (String, Pdu, String) {
        let (to, url, wsp) = self.raw_push();
        let octets = Bytes::from(unhex(&wsp));
        let (_, pdu) = push::decode(&octets, &Limits::default()).unwrap().value;
        (to, pdu, url)
    }

    /// The next push that is printed: to whom, what to fetch, and its octets in hexadecimal.
    pub(crate) fn raw_push(&self) -> (String, String, String) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            let Some(line) = line.strip_prefix("push ") else {
                continue;
            };
            let field = |name: &str| {
                let word = line.split(' ').find_map(|word| word.strip_prefix(name));
                word.unwrap().to_owned()
            };
            return (field("to="), field("url="), field("wsp="));
        }
    }

    /// Where it listens to peers.
    pub(crate) fn mm4(&self) -> SocketAddr {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap();
            if let Some(address) = line.strip_prefix("mm4 smtp://") {
                return address.parse().unwrap();
            }
        }
    }

    /// Whether it takes a message.
    pub(crate) fn answers(&self) -> bool {
        accepted(post(self.mm1, ALICE, &small("alive", &[BOB]))).is_some()
    }

    pub(crate) fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.child.wait().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stdout: ChildStdout) -> Receiver<String> {
    let (line, lines) = channel();
    std::thread::spawn(move || {
        for text in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.send(text).is_err() {
                return;
            }
        }
    });
    lines
}

pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("remold-mmsc-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Status and body of the answer to one request, or `None` where the connection broke.
pub(crate) fn exchange(server: SocketAddr, head: &str, body: &[u8]) -> Option<(u16, Bytes)> {
    let mut stream = TcpStream::connect(server).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(format!("{head}Host: mmsc\r\nConnection: close\r\n\r\n").as_bytes())
        .ok()?;
    stream.write_all(body).ok()?;
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> Option<(u16, Bytes)> {
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).ok()?;
    let end = octets.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&octets[..end]).ok()?.to_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body: Bytes = octets.split_off(end + 4).into();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.trim().parse::<usize>().ok())?
    });
    // Half an answer is none.
    length
        .is_none_or(|length| length == body.len())
        .then_some((status, body))
}

pub(crate) fn post(server: SocketAddr, from: &str, pdu: &Pdu) -> Option<(u16, Bytes)> {
    let octets = encode(pdu).unwrap();
    let head = format!(
        "POST http://mmsc.example/ HTTP/1.1\r\nX-WAP-Network-Client-MSISDN: {}\r\n\
         Content-Type: application/vnd.wap.mms-message\r\nContent-Length: {}\r\n",
        from.trim_start_matches('+'),
        octets.len()
    );
    exchange(server, &head, &octets)
}

pub(crate) fn fetch(server: SocketAddr, url: &str, headers: &str) -> Pdu {
    let path = url.split_once("://").unwrap().1;
    let path = &path[path.find('/').unwrap()..];
    let (status, body) =
        exchange(server, &format!("GET {path} HTTP/1.1\r\n{headers}"), &[]).unwrap();
    assert_eq!(status, 200);
    read(body)
}

pub(crate) fn read(octets: Bytes) -> Pdu {
    decode(&octets, &Limits::default()).unwrap().value
}

/// The greeting of the fixtures, from `ALICE` to `to`.
pub(crate) fn greeting(transaction_id: &str, to: &[&str]) -> Pdu {
    let octets = std::fs::read(fixture("greeting.mms")).unwrap();
    let mut pdu = read(octets.into());
    addressed(&mut pdu, transaction_id, to);
    pdu
}

pub(crate) fn small(transaction_id: &str, to: &[&str]) -> Pdu {
    let mut pdu = Pdu::new(PduType::SendReq);
    pdu.body = Some(Body {
        content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
        parts: vec![Part::new(ContentType::new("text/plain"), "hello")],
    });
    addressed(&mut pdu, transaction_id, to);
    pdu
}

fn addressed(pdu: &mut Pdu, transaction_id: &str, to: &[&str]) {
    let id = HeaderValue::Text(transaction_id.to_owned());
    pdu.headers.set(Field::TransactionId, id);
    pdu.headers.set(Field::From, HeaderValue::From(None));
    pdu.headers.remove(Field::To);
    for to in to {
        let to = HeaderValue::Encoded(format!("{to}/TYPE=PLMN").as_str().into());
        pdu.headers.add(Field::To, to);
    }
    pdu.headers
        .set(Field::DeliveryReport, HeaderValue::Token(0x80));
}

/// The id of an accepted message.
pub(crate) fn accepted(answer: Option<(u16, Bytes)>) -> Option<String> {
    let (status, body) = answer?;
    let conf = read((status == 200).then_some(body)?);
    assert_eq!(conf.pdu_type, PduType::SendConf);
    let ok = conf.headers.token(Field::ResponseStatus) == Some(0x80);
    ok.then(|| conf.headers.text(Field::MessageId).unwrap().to_owned())
}

pub(crate) fn response(pdu_type: PduType, id: &str) -> Pdu {
    let mut pdu = Pdu::new(pdu_type);
    let id = HeaderValue::Text(id.to_owned());
    pdu.headers.add(Field::TransactionId, id);
    if pdu_type == PduType::NotifyRespInd {
        pdu.headers.add(Field::Status, HeaderValue::Token(0x83));
    }
    pdu
}

/// M-Acknowledge.ind for the fetch with this transaction id.
pub(crate) fn acknowledge(id: &str) -> Pdu {
    response(PduType::AcknowledgeInd, id)
}

#[test]
fn a_photo_goes_from_phone_to_phone_and_the_sender_hears_of_it() {
    let scratch = Scratch::new("whole");
    let server = Server::start(&scratch.0, "");
    let sent = greeting("t1", &[BOB]);
    let id = accepted(post(server.mm1, ALICE, &sent)).unwrap();
    assert_eq!(accepted(post(server.mm1, ALICE, &sent)), Some(id.clone()));

    let (to, notification, url) = server.push();
    assert_eq!(
        (to.as_str(), notification.pdu_type),
        (BOB, PduType::NotificationInd)
    );
    assert_eq!(
        notification.headers.text(Field::From),
        Some(format!("{ALICE}/TYPE=PLMN").as_str())
    );
    let expiry = notification.headers.get(Field::Expiry).unwrap();
    assert!(matches!(
        expiry,
        HeaderValue::Time(Time::Relative(1..=0xFF_FFFF))
    ));
    let told = notification.transaction_id().unwrap();
    let (status, body) = post(server.mm1, BOB, &response(PduType::NotifyRespInd, told)).unwrap();
    assert_eq!((status, body.len()), (200, 0), "phones hang on a body here");

    let device = "User-Agent: Nokia6100/1.0 (04.70)\r\n";
    let conf = fetch(server.mm1, &url, device);
    assert_eq!(conf.headers.get(Field::RetrieveStatus), None);
    let size = encode(&conf).unwrap().len();
    assert!(
        size <= 45_000,
        "{size} octets are more than a Nokia 6100 takes"
    );
    assert_eq!(
        fetch(server.mm1, &url, device),
        conf,
        "until it is acknowledged"
    );
    let ack = response(PduType::AcknowledgeInd, conf.transaction_id().unwrap());
    assert_eq!(post(server.mm1, BOB, &ack).unwrap(), (200, Bytes::new()));

    let (to, report, _) = server.push();
    assert_eq!(
        (to.as_str(), report.pdu_type),
        (ALICE, PduType::DeliveryInd)
    );
    assert_eq!(report.headers.text(Field::MessageId), Some(id.as_str()));
    assert_eq!(report.headers.token(Field::Status), Some(0x81));
    let (status, text) = exchange(server.admin, "GET /readyz HTTP/1.1\r\n", &[]).unwrap();
    assert_eq!(status, 200, "{text:?}");
    assert!(server.terminate(), "SIGTERM ends it with exit code 0");
}

#[test]
fn what_is_wrong_is_said_in_the_words_of_the_standard() {
    let scratch = Scratch::new("wrong");
    let more =
        "header_seconds = 2\n[limits]\nmessage_bytes = 300000\n[numbering]\nlocal = [\"+1555\"]";
    let server = Server::start(&scratch.0, more);
    let status = |answer: Option<(u16, Bytes)>| {
        let conf = read(answer.unwrap().1);
        assert!(conf.headers.text(Field::ResponseText).is_some());
        conf.headers.token(Field::ResponseStatus).unwrap()
    };
    let foreign = small("t1", &["+441632960001"]);
    assert_eq!(status(post(server.mm1, ALICE, &foreign)), 0xE3);
    let octets = encode(&small("t2", &[BOB])).unwrap();
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n", octets.len());
    assert_eq!(
        status(exchange(server.mm1, &head, &octets)),
        0xE3,
        "nobody says who it is"
    );
    let broken = b"\x8C\x80\x98t3\0\x8D\x92\x89";
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n", broken.len());
    assert_eq!(status(exchange(server.mm1, &head, broken)), 0xE2);
    let mut forward = response(PduType::ForwardReq, "t4");
    forward.headers.add(Field::From, HeaderValue::From(None));
    let to = HeaderValue::Encoded(BOB.into());
    forward.headers.add(Field::To, to);
    let location = HeaderValue::Text("http://a/m/1".to_owned());
    forward.headers.add(Field::ContentLocation, location);
    assert_eq!(status(post(server.mm1, ALICE, &forward)), 0xE4);
    let descr = response(PduType::MboxDescr, "t5");
    assert_eq!(status(post(server.mm1, ALICE, &descr)), 0x88);
    let gone = fetch(server.mm1, &format!("http://mmsc/m/{}", "0".repeat(32)), "");
    assert_eq!(gone.headers.token(Field::RetrieveStatus), Some(0xE2));
    let code = |head: &str| exchange(server.mm1, head, &[]).map(|(status, _)| status);
    assert_eq!(code("GET /m/../../etc/passwd HTTP/1.1\r\n"), Some(404));
    assert_eq!(code("GET / HTTP/1.0\r\n"), Some(404));
    assert_eq!(code("DELETE / HTTP/1.1\r\n"), Some(405));
}

#[test]
fn strangers_cannot_keep_honest_phones_waiting() {
    let scratch = Scratch::new("strangers");
    let more =
        "header_seconds = 1\nbody_seconds = 2\nidle_seconds = 30\n[limits]\nmessage_bytes = 100000";
    let server = Server::start(&scratch.0, more);
    // Heads that never end, and bodies that never come.
    let begin = |text: &str| {
        let mut stream = TcpStream::connect(server.mm1).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let started = Instant::now();
    let mut slow: Vec<TcpStream> = (0..20)
        .map(|number| match number % 2 {
            0 => begin("POST / HTTP/1.1\r\nHost: a\r\nX-Slow: "),
            _ => begin("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc"),
        })
        .collect();
    assert!(accepted(post(server.mm1, ALICE, &small("t1", &[BOB]))).is_some());
    for stream in &mut slow {
        // Told so, or simply closed: in any case rid of.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert!(started.elapsed() < Duration::from_secs(20));
    // Lengths that lie, in both directions, and a body without an end.
    let huge = "POST / HTTP/1.1\r\nContent-Length: 10000000000\r\n";
    assert_eq!(exchange(server.mm1, huge, b"").unwrap().0, 413);
    let mut short = begin("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nabc");
    short.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(answer(&mut short).is_none_or(|(status, _)| status == 400));
    let mut endless = begin("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let written = (0..1_000).find(|_| endless.write_all(chunk.as_bytes()).is_err());
    let refused = answer(&mut endless).map(|(status, _)| status);
    assert!(
        written.is_some() || refused == Some(413),
        "{written:?} {refused:?}"
    );
    let long = format!("GET / HTTP/1.1\r\nX-Long: {}\r\n", "x".repeat(1 << 20));
    assert_ne!(
        exchange(server.mm1, &long, &[]).map(|(status, _)| status),
        Some(200)
    );
    assert!(accepted(post(server.mm1, ALICE, &small("t2", &[BOB]))).is_some());
}

#[test]
fn a_mistake_in_the_configuration_is_found_before_anything_starts() {
    let scratch = Scratch::new("config");
    let path = scratch.0.join("remold.toml");
    std::fs::write(&path, "[mm1]\nlisten = \"127.0.0.1:0\"\nlisen = 1\n").unwrap();
    for command in [&["config", "check", "--config"][..], &["serve", "--config"]] {
        let output = remold().args(command).arg(&path).output().unwrap();
        assert_eq!(output.status.code(), Some(5));
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            error.contains("remold.toml:3:1: unknown field `lisen`"),
            "{error}"
        );
    }
    std::fs::write(&path, "").unwrap();
    let output = remold()
        .args(["config", "check", "--config"])
        .arg(&path)
        .output();
    assert_eq!(output.unwrap().status.code(), Some(0));
}

#[test]
fn the_demonstration_leaves_pictures_before_and_after() {
    let scratch = Scratch::new("demo");
    let out = scratch.0.join("out");
    let output = remold()
        .args(["sim", "demo", "--out"])
        .arg(&out)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{:?}", output.stderr);
    for step in [
        "M-Send.conf says Ok",
        "M-Notification.ind",
        "fetches",
        "has it: Retrieved",
    ] {
        assert!(told.contains(step), "{told}");
    }
    let picture = |folder: &str| {
        let files: Vec<_> = std::fs::read_dir(out.join(folder)).unwrap().collect();
        let mut paths = files.into_iter().map(|file| file.unwrap().path());
        let path = paths.find(|path| path.extension().is_some_and(|e| e == "jpg"));
        let octets = Bytes::from(std::fs::read(path.unwrap()).unwrap());
        let size = remold::media::probe(&octets, &Limits::default())
            .unwrap()
            .size
            .unwrap();
        size.width.max(size.height)
    };
    assert!(picture("received") <= 160 && picture("sent") > 160);
}

#[test]
fn a_message_over_the_limit_is_refused_in_the_words_of_the_standard() {
    let scratch = Scratch::new("over-limit");
    let server = Server::start(&scratch.0, "[limits]\nmessage_bytes = 2000");
    for (version, status) in [(0x90, 0x87), (0x92, 0xE5)] {
        let mut pdu = greeting("too-large", &[BOB]);
        pdu.headers
            .set(Field::MmsVersion, HeaderValue::Token(version));
        let (code, body) = post(server.mm1, ALICE, &pdu).unwrap();
        assert_eq!(code, 200);
        let conf = read(body);
        assert_eq!(conf.pdu_type, PduType::SendConf);
        assert_eq!(conf.transaction_id(), Some("too-large"));
        assert_eq!(conf.headers.token(Field::ResponseStatus), Some(status));
        assert_eq!(conf.headers.token(Field::MmsVersion), Some(version));
        let text = conf.headers.text(Field::ResponseText).unwrap();
        assert!(text.contains("2000 octets"), "{text}");
    }
    // What is no PDU gets the words of HTTP.
    let page = "<html>".repeat(1_000);
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n", page.len());
    let answer = exchange(server.mm1, &head, page.as_bytes());
    assert_eq!(answer.unwrap().0, 413);
    assert!(accepted(post(server.mm1, ALICE, &small("t1", &[BOB]))).is_some());
}

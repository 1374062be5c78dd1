//! Notification through programs of others: Kannel's smsbox and push proxy gateway with the radio
//! side listened to, and a service centre of Net::SMPP.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use remold::Limits;
use remold::mms::pdu::{Pdu, PduType};
use remold::mms::push::{Udh, decode, reassemble};
use remold::mms::{Field, HeaderValue};

use crate::mmsc::{Scratch, Server, accepted, post, small, unhex};
use crate::support::fixture;

const ALICE: &str = "+15550001111";
const BOB: &str = "+15550002222";
const PATIENCE: Duration = Duration::from_secs(60);
/// Set for a test that runs again inside a network of its own.
const INSIDE: &str = "REMOLD_TEST_NETWORK";

/// A process that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lines that a process or a connection gives.
fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (line, lines) = channel();
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut octets = Vec::new();
        while from
            .read_until(b'\n', &mut octets)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&octets).trim_end().to_owned();
            if line.send(text).is_err() {
                return;
            }
            octets.clear();
        }
    });
    lines
}

/// Runs a test once more in a network namespace with nothing but loopback, since Kannel listens
/// on all interfaces and on ports that others may have. `false` where it ran here and now, or
/// cannot.
fn inside_a_network_of_its_own(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let root = Command::new("id").arg("-u").output();
    let root = root.is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let there = |name: &str| Path::new("/usr/sbin").join(name).exists();
    if !root || !["bearerbox", "smsbox", "wapbox"].into_iter().all(there) {
        println!("skipped: Kannel is not installed, or this is not root");
        return false;
    }
    let network = Network(format!("remold-{}-{test}", std::process::id()));
    if !network.ip(&["netns", "add", &network.0])
        || !network.ip(&["netns", "exec", &network.0, "ip", "link", "set", "lo", "up"])
    {
        println!("skipped: there are no network namespaces here");
        return false;
    }
    let output = Command::new("ip")
        .args(["netns", "exec", &network.0])
        .arg(std::env::current_exe().unwrap())
        .args([&format!("notify::{test}"), "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && shown.contains("1 passed"),
        "{shown}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

struct Network(String);

impl Network {
    fn ip(&self, args: &[&str]) -> bool {
        let status = Command::new("ip").args(args).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.ip(&["netns", "del", &self.0]);
    }
}

/// Kannel, and what it sends by radio.
struct Kannel {
    radio: Receiver<String>,
    _boxes: Vec<Running>,
}

impl Kannel {
    fn start(folder: &Path) -> Self {
        let config = folder.join("kannel.conf");
        let text = include_str!("../data/kannel.conf").replace("LOGS", folder.to_str().unwrap());
        std::fs::write(&config, text).unwrap();
        let start = |name: &str, port: u16| {
            let child = Command::new(Path::new("/usr/sbin").join(name))
                .arg(&config)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let running = Running(child);
            drop(connected(port));
            running
        };
        // Each begins when the one before it listens.
        let boxes = vec![
            start("bearerbox", 13001),
            start("smsbox", 13013),
            start("wapbox", 8080),
        ];
        Self {
            radio: lines(connected(10000)),
            _boxes: boxes,
        }
    }

    /// The next short message: user data header, user data, and the number it goes to.
    fn short_message(&self) -> (Udh, Bytes, String) {
        let line = self.radio.recv_timeout(PATIENCE).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let &[_, to, "udh", udh, "data", data] = &words[..] else {
            panic!("{line}");
        };
        let udh = unescaped(udh);
        let (read, rest) = Udh::read(&udh).unwrap();
        assert!(rest.is_empty());
        let data = unescaped(data);
        assert!(udh.len() + data.len() <= 140, "{line}");
        (read, data.into(), to.to_owned())
    }
}

impl Kannel {
    /// The next push in its segments, and the number it goes to.
    fn push(&self) -> (Vec<(Udh, Bytes)>, String) {
        let (udh, data, to) = self.short_message();
        let more = udh.concatenation.map_or(0, |place| place.total - 1);
        let mut segments = vec![(udh, data)];
        for _ in 0..more {
            let (udh, data, same) = self.short_message();
            assert_eq!(same, to);
            segments.push((udh, data));
        }
        (segments, to)
    }
}

fn connected(port: u16) -> TcpStream {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < until, "{port}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// As `application/x-www-form-urlencoded` escapes octets.
fn unescaped(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        octets.push(match first {
            b'+' => b' ',
            b'%' => {
                let digits = std::str::from_utf8(&tail[..2]).unwrap();
                rest = &tail[2..];
                u8::from_str_radix(digits, 16).unwrap()
            }
            other => *other,
        });
    }
    octets
}

/// A notification that was read from the other side: it is Bob's, of Alice's message, and what an
/// independent decoder makes of it is the same, where there is one.
fn check(push: &Bytes) -> Pdu {
    let (_, pdu) = decode(push, &Limits::default()).unwrap().value;
    assert_eq!(pdu.pdu_type, PduType::NotificationInd);
    let from = pdu.headers.text(Field::From).unwrap();
    assert!(from.starts_with(ALICE), "{from}");
    let url = pdu.headers.text(Field::ContentLocation).unwrap();
    if let Some(shown) = decoded_by_others(push) {
        assert!(shown.contains(url) && shown.contains(from), "{shown}");
    }
    pdu
}

/// What tshark reads in a push.
fn decoded_by_others(push: &Bytes) -> Option<String> {
    let mut tshark = crate::support::tool("tshark")?;
    let folder = Scratch::new(&format!("notify-tshark-{:p}", push.as_ptr()));
    let (text, capture) = (folder.0.join("push.txt"), folder.0.join("push.pcap"));
    let mut dump = String::from("0000");
    for octet in push {
        dump.push_str(&format!(" {octet:02x}"));
    }
    std::fs::write(&text, dump + "\n").unwrap();
    let made = Command::new("text2pcap")
        .args(["-q", "-u", "9200,2948"])
        .args([&text, &capture])
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: text2pcap is not installed");
        return None;
    }
    let output = tshark.arg("-Vnr").arg(&capture).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!shown.contains("Malformed"), "{shown}");
    Some(shown)
}

fn send(server: &Server, transaction: &str) -> String {
    accepted(post(server.mm1, ALICE, &small(transaction, &[BOB]))).expect("it is accepted")
}

#[test]
fn kannel_brings_notifications_by_sendsms() {
    if !inside_a_network_of_its_own("kannel_brings_notifications_by_sendsms") {
        return;
    }
    let scratch = Scratch::new("notify-kannel");
    let kannel = Kannel::start(&scratch.0);
    for (method, path) in [("GET", "/m"), ("POST", "/m"), ("GET", &"/long".repeat(20))] {
        let folder = scratch.0.join(format!("{method}{}", path.len()));
        std::fs::create_dir(&folder).unwrap();
        let more = format!(
            "url = \"http://mms.example.net{path}\"\n[notify.kannel]\n\
             url = \"http://127.0.0.1:13013/cgi-bin/sendsms\"\nusername = \"tester\"\n\
             password = \"foobar\"\nsender = \"2948\"\nmethod = \"{method}\"\n"
        );
        let server = Server::start(&folder, &more);
        send(&server, "t1");
        let (segments, to) = kannel.push();
        assert_eq!(to, BOB);
        let ports = segments[0].0.ports.unwrap();
        assert_eq!((ports.destination, ports.source), (2948, 9200));
        let octets: usize = segments.iter().map(|segment| segment.1.len()).sum();
        assert_eq!(segments.len(), if octets <= 133 { 1 } else { 2 });
        assert_eq!(
            path.len() > 2,
            segments.len() > 1,
            "a short one is one short message"
        );
        check(&reassemble(&segments, &Limits::default()).unwrap());
    }
}

#[test]
fn a_push_proxy_gateway_brings_notifications() {
    if !inside_a_network_of_its_own("a_push_proxy_gateway_brings_notifications") {
        return;
    }
    let scratch = Scratch::new("notify-pap");
    let kannel = Kannel::start(&scratch.0);
    let more = "[notify.pap]\nurl = \"http://127.0.0.1:8080/wappush\"\n";
    let server = Server::start(&scratch.0, more);
    send(&server, "t1");
    let (mut segments, to) = kannel.push();
    assert_eq!(to, BOB);
    // The gateway's head of the push is longer than ours: it writes the type of the content out.
    assert!(segments.len() <= 2, "{segments:?}");
    assert!(segments[0].0.is_mms());
    segments.reverse();
    let push = reassemble(&segments, &Limits::default()).unwrap();
    check(&push);
    let head = usize::from(push[2]);
    assert!(
        head <= 40,
        "nothing of ours goes to the phone but what it needs: {head}"
    );
}

/// The service centre of Net::SMPP: its port and its lines, or `None` with a printed line.
fn service_centre() -> Option<(Running, String, Receiver<String>)> {
    let module = Command::new("perl")
        .args(["-MNet::SMPP", "-e", "1"])
        .stderr(Stdio::null())
        .status();
    if !module.is_ok_and(|status| status.success()) {
        println!("skipped: libnet-smpp-perl is not installed");
        return None;
    }
    let script: PathBuf = fixture("smsc.pl");
    let mut child = Command::new("perl")
        .arg(script)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines(child.stdout.take().unwrap());
    let running = Running(child);
    let port = lines.recv_timeout(PATIENCE).unwrap();
    Some((running, port.strip_prefix("port ")?.to_owned(), lines))
}

fn wait(lines: &Receiver<String>, beginning: &str) -> String {
    let mut seen = Vec::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if line.starts_with(beginning) {
            return line;
        }
        seen.push(line);
    }
    panic!("no {beginning} in {seen:#?}");
}

fn value<'a>(line: &'a str, name: &str) -> &'a str {
    let word = line.split(' ').find_map(|word| word.strip_prefix(name));
    word.and_then(|word| word.strip_prefix('='))
        .unwrap_or_else(|| panic!("{name}: {line}"))
}

fn smpp(port: &str, more: &str) -> String {
    format!(
        "[notify.smpp]\naddress = \"127.0.0.1:{port}\"\nsystem_id = \"remold\"\n\
         password = \"secret\"\nsource = \"2948\"\n{more}"
    )
}

#[test]
fn a_service_centre_of_others_takes_notifications_by_smpp() {
    let Some((_centre, port, lines)) = service_centre() else {
        return;
    };
    let scratch = Scratch::new("notify-smpp");
    let server = Server::start(&scratch.0, &smpp(&port, "receipts = true\n"));
    let bind = wait(&lines, "bind_transceiver");
    assert_eq!(value(&bind, "system_id"), "remold");
    assert_eq!(value(&bind, "password"), "secret");
    assert_eq!(value(&bind, "interface_version"), "52", "3.4");
    assert_eq!(
        wait(&lines, "enquire_link_resp"),
        "enquire_link_resp seq=77"
    );
    send(&server, "t1");
    let line = wait(&lines, "submit_sm");
    for (name, want) in [
        ("to", "15550002222"),
        ("ton", "1"),
        ("npi", "1"),
        ("from", "2948"),
        ("esm_class", "64"),
        ("data_coding", "4"),
    ] {
        assert_eq!(value(&line, name), want, "{name}: {line}");
    }
    let user_data = unhex(value(&line, "short_message"));
    let (udh, push) = Udh::read(&user_data).unwrap();
    assert!(udh.is_mms() && udh.concatenation.is_none());
    check(&Bytes::copy_from_slice(push));
    let receipt = wait(&lines, "deliver_sm_resp");
    assert_eq!(value(&receipt, "status"), "0");
    assert!(server.terminate(), "it ends well");
    wait(&lines, "unbind");
    wait(&lines, "closed");
}

#[test]
fn a_payload_goes_by_smpp_in_one_piece() {
    let Some((_centre, port, lines)) = service_centre() else {
        return;
    };
    let scratch = Scratch::new("notify-smpp-payload");
    let more = smpp(
        &port,
        "carry = \"message_payload\"\nbind = \"transmitter\"\n",
    );
    let long = format!(
        "url = \"http://mms.example.net{}\"\n{more}",
        "/long".repeat(30)
    );
    let server = Server::start(&scratch.0, &long);
    wait(&lines, "bind_transmitter");
    send(&server, "t1");
    let line = wait(&lines, "submit_sm");
    assert_eq!(value(&line, "ports"), "9200,2948");
    assert_eq!(value(&line, "short_message"), "");
    let push = unhex(value(&line, "message_payload"));
    assert!(push.len() > 133);
    let pdu = check(&push.into());
    let size = pdu.headers.get(Field::MessageSize);
    assert!(matches!(size, Some(HeaderValue::Integer(1..))));
}

#[test]
fn a_gateway_that_comes_late_gets_what_waited() {
    let scratch = Scratch::new("notify-late");
    let hook = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hook.local_addr().unwrap();
    drop(hook);
    let more = format!(
        "[delivery]\nretry_first_seconds = 1\n[notify.http]\nurl = \"http://{address}/\"\n"
    );
    let server = Server::start(&scratch.0, &more);
    send(&server, "t1");
    // Every try so far found nobody, which is no attempt; now somebody is there.
    std::thread::sleep(Duration::from_millis(1500));
    let hook = std::net::TcpListener::bind(address).unwrap();
    let (mut stream, _) = hook.accept().unwrap();
    let mut request = vec![0; 65536];
    let read = std::io::Read::read(&mut stream, &mut request).unwrap();
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let posted: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(posted["number"], BOB);
    check(&unhex(posted["push"].as_str().unwrap()).into());
}

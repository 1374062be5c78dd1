//! MM4 from outside: two service centres with each other, a mail server of somebody else, the
//! traces of real ones, and strangers.

mod networks;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use remold::Limits;
use remold::mm4::{Content, Envelope};
use remold::mms::pdu::{Pdu, PduType};
use remold::mms::{Field, HeaderValue};
use remold::relay::foreign::RequestStatus;

use crate::mmsc::{
    ALICE, PATIENCE, Scratch, Server, accepted, fetch, greeting, post, response, small,
};
use crate::support::{corpus, tool};

/// A subscriber of the other network.
const ZOE: &str = "+16660002222";

/// The configuration of a service centre with one peer.
struct Network {
    domain: &'static str,
    local: &'static str,
    peer: &'static str,
    peer_domain: &'static str,
    prefix: &'static str,
}

const US: Network = Network {
    domain: "us.example",
    local: "+1555",
    peer: "far",
    peer_domain: "far.example",
    prefix: "+1666",
};
const FAR: Network = Network {
    domain: "far.example",
    local: "+1666",
    peer: "us",
    peer_domain: "us.example",
    prefix: "+1555",
};

fn config(network: &Network, host: &str, mm4: &str, peer: &str) -> String {
    let Network {
        domain,
        local,
        peer: name,
        peer_domain,
        prefix,
    } = network;
    format!(
        "[numbering]\nlocal = [\"{local}\"]\n[mm4]\nlisten = \"127.0.0.1:0\"\n\
         domain = \"{domain}\"\n{mm4}\n[mm4.peers.{name}]\nfrom = [\"127.0.0.1\", \"::1\"]\n\
         host = \"{host}\"\ndomain = \"{peer_domain}\"\nprefixes = [\"{prefix}\"]\n{peer}\n"
    )
}

/// A wire to a server that is not there yet: it carries octets both ways, and keeps a copy.
struct Wire {
    address: SocketAddr,
    target: Sender<SocketAddr>,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (target, at) = channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let copy = seen.clone();
        std::thread::spawn(move || {
            let Ok(target): Result<SocketAddr, _> = at.recv() else {
                return;
            };
            for stream in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(target) else {
                    continue;
                };
                let back = (server.try_clone().unwrap(), stream.try_clone().unwrap());
                let copy = copy.clone();
                std::thread::spawn(move || carry(stream, server, Some(&copy)));
                std::thread::spawn(move || carry(back.0, back.1, None));
            }
        });
        Self {
            address,
            target,
            seen,
        }
    }

    /// What went towards the server, as text.
    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, copy: Option<&Mutex<Vec<u8>>>) {
    let mut chunk = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        if let Some(copy) = copy {
            copy.lock().unwrap().extend_from_slice(&chunk[..count]);
        }
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// Waits until something is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn photos(pdu: &Pdu) -> usize {
    let body = pdu.body.as_ref().unwrap();
    let is_photo = |part: &&remold::mms::Part| part.content_type.is_kind("image");
    body.parts.iter().filter(is_photo).count()
}

/// Sends a photo from one server's subscriber to the other's, who fetches, acknowledges and reads
/// it; the sender hears of both.
fn exchange(from: (&Server, &str), to: (&Server, &str), transaction: &str) {
    let mut sent = greeting(transaction, &[to.1]);
    let yes = HeaderValue::Token(0x80);
    sent.headers.set(Field::ReadReport, yes);
    let id = accepted(post(from.0.mm1, from.1, &sent)).unwrap();
    let (number, notification, url) = to.0.push();
    assert_eq!(number, to.1);
    assert_eq!(notification.pdu_type, PduType::NotificationInd);
    let sender = format!("{}/TYPE=PLMN", from.1);
    assert_eq!(
        notification.headers.text(Field::From),
        Some(sender.as_str())
    );
    let conf = fetch(to.0.mm1, &url, "User-Agent: Nokia6100/1.0 (04.70)\r\n");
    assert_eq!(conf.headers.get(Field::RetrieveStatus), None);
    assert_eq!(photos(&conf), photos(&sent));
    assert_eq!(
        conf.headers.text(Field::To),
        Some(format!("{}/TYPE=PLMN", to.1).as_str())
    );
    let ack = response(PduType::AcknowledgeInd, conf.transaction_id().unwrap());
    post(to.0.mm1, to.1, &ack).unwrap();
    let (number, report, _) = from.0.push();
    assert_eq!(
        (number.as_str(), report.pdu_type),
        (from.1, PduType::DeliveryInd)
    );
    assert_eq!(report.headers.token(Field::Status), Some(0x81));
    assert_eq!(report.headers.text(Field::MessageId), Some(id.as_str()));
    let mut read = Pdu::new(PduType::ReadRecInd);
    let theirs = conf.headers.text(Field::MessageId).unwrap().to_owned();
    read.headers
        .add(Field::MessageId, HeaderValue::Text(theirs));
    let to_sender = HeaderValue::Encoded(sender.as_str().into());
    read.headers.add(Field::To, to_sender);
    read.headers.add(Field::From, HeaderValue::From(None));
    read.headers
        .add(Field::ReadStatus, HeaderValue::Token(0x80));
    post(to.0.mm1, to.1, &read).unwrap();
    let (number, report, _) = from.0.push();
    assert_eq!(
        (number.as_str(), report.pdu_type),
        (from.1, PduType::ReadOrigInd)
    );
    assert_eq!(report.headers.text(Field::MessageId), Some(id.as_str()));
    assert_eq!(report.headers.token(Field::ReadStatus), Some(0x80));
}

#[test]
fn two_service_centres_exchange_a_photo_and_every_report() {
    let scratch = [Scratch::new("mm4-us"), Scratch::new("mm4-far")];
    let wires = [Wire::new(), Wire::new()];
    let (to_us, to_far) = (&wires[0], &wires[1]);
    let start = |at: usize, network, wire: &Wire| {
        let host = wire.address.to_string();
        Server::start(&scratch[at].0, &config(network, &host, "", ""))
    };
    let us = start(0, &US, to_far);
    let far = start(1, &FAR, to_us);
    to_us.target.send(us.mm4()).unwrap();
    to_far.target.send(far.mm4()).unwrap();
    exchange((&us, ALICE), (&far, ZOE), "t1");
    exchange((&far, ZOE), (&us, ALICE), "t2");
    let standing = &crate::admin::get(us.admin, "/v1/peers")["peers"][0];
    assert_eq!(standing["name"], "far");
    assert_eq!(standing["state"], "ready");
    assert_eq!(standing["failed"], 0);
    assert!(standing["taken"].as_u64() >= Some(4), "{standing}");
    let types = [
        "MM4_forward.REQ",
        "MM4_forward.RES",
        "MM4_delivery_report.REQ",
        "MM4_delivery_report.RES",
        "MM4_read_reply_report.REQ",
        "MM4_read_reply_report.RES",
    ];
    for wire in [to_us, to_far] {
        for name in types {
            until(name, || {
                wire.seen()
                    .contains(&format!("X-Mms-Message-Type: {name}\r\n"))
            });
        }
        let seen = wire.seen();
        assert_eq!(seen.matches("MM4_forward.REQ\r\n").count(), 1, "sent once");
        assert!(!seen.contains("MAIL FROM:<>"));
    }
    let seen = to_far.seen();
    for line in [
        "MAIL FROM:<+15550001111/TYPE=PLMN@us.example> SIZE=",
        "RCPT TO:<+16660002222/TYPE=PLMN@far.example>\r\n",
        "From: +15550001111/TYPE=PLMN@us.example\r\n",
        "To: +16660002222/TYPE=PLMN@far.example\r\n",
        "X-Mms-3GPP-MMS-Version: 6.10.0\r\n",
        "X-Mms-Originator-System: system-user@us.example\r\n",
        "X-Mms-Ack-Request: Yes\r\n",
        "X-Mms-Delivery-Report: Yes\r\n",
        "X-Mms-Read-Reply: Yes\r\n",
        "X-Mms-Forward-To-Originator-UA: Yes\r\n",
        "X-Mms-MM-Status-Code: Retrieved\r\n",
        "X-Mms-Read-Status: Read\r\n",
        "X-Mms-Request-Status-Code: Ok\r\n",
        "RCPT TO:<system-user@far.example>\r\n",
    ] {
        assert!(seen.contains(line), "{line}");
    }
}

/// A certificate for `localhost`, its key and itself as an authority, as PEM files.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[test]
fn where_tls_is_required_nothing_is_said_in_the_clear() {
    let scratch = [Scratch::new("mm4-tls-us"), Scratch::new("mm4-tls-far")];
    let (certificate, key) = certificate(&scratch[0].0);
    let tls = format!(
        "certificate = \"{0}\"\nkey = \"{1}\"\nauthorities = \"{0}\"",
        certificate.display(),
        key.display()
    );
    let wires = [Wire::new(), Wire::new()];
    let start = |at: usize, network, wire: &Wire| {
        let host = format!("localhost:{}", wire.address.port());
        let text = config(network, &host, &tls, "tls = \"required\"");
        Server::start(&scratch[at].0, &text)
    };
    let us = start(0, &US, &wires[1]);
    let far = start(1, &FAR, &wires[0]);
    let (us_mm4, far_mm4) = (us.mm4(), far.mm4());
    wires[0].target.send(us_mm4).unwrap();
    wires[1].target.send(far_mm4).unwrap();
    exchange((&us, ALICE), (&far, ZOE), "t1");
    for wire in &wires {
        let seen = wire.seen();
        assert!(seen.contains("STARTTLS\r\n"));
        for secret in ["MAIL FROM", "X-Mms-", "TYPE=PLMN"] {
            assert!(!seen.contains(secret), "{secret}");
        }
    }
    // A client that speaks in the clear is told, and what it puts behind STARTTLS is not read.
    let mut peer = Client::connect(far_mm4);
    assert_eq!(peer.ask("EHLO x"), 250);
    assert_eq!(peer.ask("MAIL FROM:<a@us.example>"), 530);
    peer.say("STARTTLS\r\nMAIL FROM:<evil@us.example>\r\nNOOP\r\n");
    assert_eq!(peer.reply(), 220);
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(&certificate).unwrap();
    let certificate =
        <rustls::pki_types::CertificateDer as rustls::pki_types::pem::PemObject>::from_pem_slice(
            &pem,
        );
    roots.add(certificate.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let settings = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(settings), name).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, peer.stream);
    stream.write_all(b"RCPT TO:<postmaster>\r\n").unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"503 ", "nobody said MAIL inside TLS");
}

/// A client that types SMTP.
struct Client {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Client {
    fn connect(server: SocketAddr) -> Self {
        let mut client = Self::dial(server);
        assert_eq!(client.reply(), 220);
        client
    }

    fn dial(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Self { stream, lines }
    }

    fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// The code of the next reply; 0 where the connection is closed.
    fn reply(&mut self) -> u16 {
        loop {
            let mut line = String::new();
            match self.lines.read_line(&mut line) {
                Ok(4..) => {}
                _ => return 0,
            }
            if line.as_bytes()[3] == b' ' {
                return line[..3].parse().unwrap();
            }
        }
    }

    fn ask(&mut self, command: &str) -> u16 {
        self.say(&format!("{command}\r\n"));
        self.reply()
    }

    /// Sends one mail, and gives the code of its end, or of the first refusal.
    fn mail(&mut self, from: &str, to: &str, content: &[u8]) -> u16 {
        for command in [
            format!("MAIL FROM:<{from}>"),
            format!("RCPT TO:<{to}>"),
            "DATA".to_owned(),
        ] {
            let code = self.ask(&command);
            if code >= 400 {
                return code;
            }
        }
        let mut data = Vec::new();
        for line in content.split(|octet| *octet == b'\n') {
            // The traces were kept with other line ends than they had on the wire.
            let end = line.iter().rposition(|octet| *octet != b'\r');
            let line = end.map_or(&b""[..], |end| &line[..=end]);
            if line.starts_with(b".") {
                data.push(b'.');
            }
            data.extend_from_slice(line);
            data.extend_from_slice(b"\r\n");
        }
        data.extend_from_slice(b".\r\n");
        self.stream.write_all(&data).unwrap();
        self.reply()
    }
}

/// A mail server that takes everything and keeps it: the recipient, and the mail.
fn sink() -> (SocketAddr, Receiver<(String, Bytes)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (mail, mails) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mail = mail.clone();
            std::thread::spawn(move || swallow(stream, &mail));
        }
    });
    (address, mails)
}

fn swallow(mut stream: TcpStream, mail: &Sender<(String, Bytes)>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let (mut to, mut content, mut in_data) = (String::new(), Vec::new(), false);
    let _ = stream.write_all(b"220 sink\r\n");
    loop {
        let mut line = Vec::new();
        if !matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
            return;
        }
        if in_data {
            if line == b".\r\n" {
                in_data = false;
                let _ = stream.write_all(b"250 ok\r\n");
                let _ = mail.send((std::mem::take(&mut to), std::mem::take(&mut content).into()));
            } else {
                let line = line.strip_prefix(b".").unwrap_or(&line);
                content.extend_from_slice(line);
            }
            continue;
        }
        let text = String::from_utf8_lossy(&line).to_ascii_uppercase();
        if text.starts_with("RCPT TO:") {
            let inner = String::from_utf8_lossy(&line).into_owned();
            to = inner[9..].trim_end().trim_end_matches('>').to_owned();
        }
        in_data = text.starts_with("DATA");
        let _ = stream.write_all(if in_data {
            b"354 go\r\n"
        } else {
            b"250 ok\r\n"
        });
    }
}

fn next(mails: &Receiver<(String, Bytes)>) -> (String, Envelope) {
    let (to, mail) = mails.recv_timeout(PATIENCE).unwrap();
    (to, Envelope::read(&mail, &Limits::default()).unwrap())
}

const OKLIK: Network = Network {
    domain: "oklik.net",
    local: "+972555",
    peer: "carrier",
    peer_domain: "mms.hotmobile.co.il",
    prefix: "+9725553",
};

#[test]
fn traces_of_real_service_centres_are_taken_and_answered() {
    let Some(traces) = corpus("mm4") else { return };
    let (address, mails) = sink();
    let scratch = Scratch::new("mm4-traces");
    let more = "aliases = [\"mmsc.example.net\"]";
    let server = Server::start(&scratch.0, &config(&OKLIK, &address.to_string(), more, ""));
    let mm4 = server.mm4();
    let trace = |name: &str| std::fs::read(traces.join(name)).unwrap();
    let number = "+972555000001/TYPE=PLMN@oklik.net";
    let sender = "+972555000002/TYPE=PLMN@mms.hotmobile.co.il";
    let mut peer = Client::connect(mm4);
    assert_eq!(peer.ask("EHLO mms-relay1.mms.hotmobile.co.il"), 250);
    for (name, transaction) in [
        (
            "real-From-hot.eml",
            "\"36056820220113022803258@mms.hotmobile.co.il\"",
        ),
        (
            "real-mmsfromcelcom.eml",
            "\"1155620210815114627195@mms.hotmobile.co.il\"",
        ),
    ] {
        let mut mail = String::from_utf8(trace(name)).unwrap();
        // Its own expiry has passed.
        mail = mail.replace("Thu, 20 Jan 2022 00:28:02 GMT", "604800");
        assert_eq!(peer.mail(sender, number, mail.as_bytes()), 250, "{name}");
        let (to, notification, _) = server.push();
        assert_eq!(to, "+972555000001", "the envelope counts, not the header");
        assert_eq!(
            notification.headers.text(Field::From),
            Some("+972555000002/TYPE=PLMN")
        );
        let (to, res) = next(&mails);
        assert_eq!(to, "PostMaster@mms.hotmobile.co.il");
        assert_eq!(res.transaction_id.as_str(), transaction, "as it came");
        let Content::ForwardRes(res) = res.content else {
            panic!("{name}: {res:?}");
        };
        assert_eq!(res.status, RequestStatus::Ok);
        assert_eq!(res.recipients, ["+972555000001"]);
    }
    for name in [
        "real-CellcomRES.eml",
        "real-PelephoneRES.eml",
        "real-We4gRES.eml",
    ] {
        let code = peer.mail("PostMaster", "admin@oklik.net", &trace(name));
        assert_eq!(code, 250, "{name}");
    }
    let code = peer.mail(sender, number, &trace("vectorcore-forward_req.eml"));
    assert_eq!(code, 250);
    assert_eq!(server.push().0, "+972555000001");
    for name in [
        "vectorcore-delivery_report_req.eml",
        "vectorcore-read_reply_report_req.eml",
    ] {
        assert_eq!(peer.mail(sender, number, &trace(name)), 250, "{name}");
    }
    assert_eq!(peer.ask("QUIT"), 221);
    assert!(
        mails.recv_timeout(Duration::from_millis(200)).is_err(),
        "who did not ask for an answer gets none"
    );
}

#[test]
fn a_message_waits_for_its_response_in_any_dialect() {
    let (address, mails) = sink();
    let scratch = Scratch::new("mm4-response");
    let server = Server::start(&scratch.0, &config(&US, &address.to_string(), "", ""));
    let mm4 = server.mm4();
    let id = accepted(post(server.mm1, ALICE, &small("t1", &[ZOE]))).unwrap();
    let (to, request) = next(&mails);
    assert_eq!(to, "+16660002222/TYPE=PLMN@far.example");
    assert!(request.ack);
    let message_id = request.message_id.unwrap();
    assert_eq!(message_id.as_str(), format!("{id}@us.example"));
    let Content::ForwardReq(forward) = &request.content else {
        panic!("another kind");
    };
    assert_eq!(forward.from, "+15550001111/TYPE=PLMN");
    assert_eq!(
        forward.message.headers.flag(Field::DeliveryReport),
        Some(true)
    );
    let mut peer = Client::connect(mm4);
    peer.ask("HELO far.example");
    let res = format!(
        "From: system-user\nX-Mms-Message-Type: MM4_forward.RES\n\
         X-MMS-Transaction-Id: \"{}\"\nX-Mms-Request-Status-Code: Ok\n\n",
        request.transaction_id
    );
    assert_eq!(
        peer.mail("PostMaster", "system-user@us.example", res.as_bytes()),
        250
    );
    let report = format!(
        "From: {ZOE}/TYPE=PLMN\nTo: {ALICE}/TYPE=PLMN\nX-Mms-3GPP-MMS-Version: 5.5.0\n\
         X-Mms-Message-Type: MM4_delivery_report.REQ\nX-Mms-Transaction-ID: <r 1>\n\
         X-Mms-Message-ID: \"<{message_id}>\"\nX-Mms-MM-Status-Code: Rejected\n\
         X-Mms-Status-Text: no room\nX-Mms-Ack-Request: Yes\n\
         X-Mms-Originator-System: PostMaster@far.example\n\n"
    );
    let alice = format!("{ALICE}/TYPE=PLMN@us.example");
    let refused = peer.mail("system-user@far.example", &alice, report.as_bytes());
    assert_eq!(refused, 554, "an id has no space in it");
    let report = report.replace("<r 1>", "<r1>");
    let code = peer.mail("system-user@far.example", &alice, report.as_bytes());
    assert_eq!(code, 250);
    let (number, report, _) = server.push();
    assert_eq!(number, ALICE);
    assert_eq!(report.headers.token(Field::Status), Some(0x82));
    assert_eq!(report.headers.text(Field::MessageId), Some(id.as_str()));
    let (to, res) = next(&mails);
    assert_eq!(to, "PostMaster@far.example");
    assert_eq!(res.transaction_id.as_str(), "<r1>");
    assert!(matches!(res.content, Content::DeliveryReportRes(_)));
}

#[test]
fn strangers_and_strange_peers_are_turned_away() {
    let scratch = Scratch::new("mm4-strangers");
    let text = config(&US, "127.0.0.1:9", "connections_per_address = 2", "");
    let stranger = text.replace("\"127.0.0.1\", \"::1\"", "\"192.0.2.1\"");
    let server = Server::start(&scratch.0, &stranger);
    let mut client = Client::dial(server.mm4());
    assert_eq!(client.reply(), 554);
    assert_eq!(client.reply(), 0);
    drop(server);
    let server = Server::start(&scratch.0, &text);
    let mm4 = server.mm4();
    let mut first = Client::connect(mm4);
    let second = Client::connect(mm4);
    assert_eq!(Client::dial(mm4).reply(), 421, "two are enough");
    drop(second);
    first.ask("EHLO x");
    for (from, to) in [
        ("<a@far.example>", "<a@evil.example>"),
        ("<a@far.example>", "<+16660002222/TYPE=PLMN@far.example>"),
        ("<a@far.example>", "<+16660002222/TYPE=PLMN@us.example>"),
        ("<>", "<+441632960001@us.example>"),
        ("<+15550001111@us.example>", "<+16660002222@us.example>"),
        ("<a@far.example>", "<@us.example:a@evil.example>"),
        ("<a@far.example>", "<a%evil.example@us.example>"),
        ("<a@far.example>", "<\"a@evil.example\"@us.example>"),
        ("<a@far.example>", "<7700@us.example>"),
    ] {
        assert_eq!(first.ask(&format!("MAIL FROM:{from}")), 250);
        let code = first.ask(&format!("RCPT TO:{to}"));
        assert!((500..600).contains(&code), "{to}: {code}");
        assert_eq!(first.ask("DATA"), 554, "{to}");
        assert_eq!(first.ask("RSET"), 250);
    }
    let mine = format!("{ALICE}/TYPE=PLMN@us.example");
    let bounce = first.mail("", &mine, b"Subject: Undelivered\n\nsorry\n");
    assert_eq!(bounce, 554, "a bounce is no message to a subscriber");
    let loops = "Received: by x\n".repeat(40);
    let head = "From: +16660002222\nX-Mms-Message-Type: MM4_forward.REQ\nX-Mms-Transaction-ID: t\n\
                X-Mms-Message-ID: m\n";
    let looped = format!("{loops}{head}\nhi\n");
    assert_eq!(first.mail("a@far.example", &mine, looped.as_bytes()), 554);
    let circled = format!("{head}X-Mms-Forward-Counter: 11\n\nhi\n");
    assert_eq!(first.mail("a@far.example", &mine, circled.as_bytes()), 554);
    let fine = format!("{head}X-Mms-Forward-Counter: 1\n\nhi\n");
    assert_eq!(first.mail("a@far.example", &mine, fine.as_bytes()), 250);
    assert_eq!(server.push().0, ALICE);
}

#[test]
fn floods_are_cut_and_honest_peers_served_meanwhile() {
    let scratch = Scratch::new("mm4-floods");
    let text = format!(
        "[limits]\nmessage_bytes = 100000\n{}",
        config(&US, "127.0.0.1:9", "", "")
    );
    let server = Server::start(&scratch.0, &text);
    let mm4 = server.mm4();
    let begin = || {
        let mut client = Client::connect(mm4);
        assert_eq!(client.ask("EHLO x"), 250);
        assert_eq!(client.ask("MAIL FROM:<a@far.example>"), 250);
        client
    };
    let rcpt = format!("RCPT TO:<{ALICE}@us.example>\r\n");
    let flood = |mut client: Client, piece: Vec<u8>| {
        let replies = client.stream.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            let _ = (&replies).read_to_end(&mut all);
            String::from_utf8_lossy(&all).into_owned()
        });
        let sent = (0..2_000)
            .take_while(|_| client.stream.write_all(&piece).is_ok())
            .count();
        drop(client);
        (sent, reader.join().unwrap())
    };
    let many = rcpt.repeat(1_000).into_bytes();
    let (_, replies) = flood(begin(), many);
    assert!(replies.matches('\n').count() <= 1_001, "{}", replies.len());
    let data = || {
        let mut client = begin();
        client.say(&rcpt);
        assert_eq!(client.reply(), 250);
        assert_eq!(client.ask("DATA"), 354);
        client
    };
    let (sent, _) = flood(data(), b"x\r\n".repeat(10_000));
    assert!(sent < 2_000, "an endless mail is cut");
    let (sent, _) = flood(data(), vec![b'x'; 30_000]);
    assert!(sent < 2_000, "an endless line is cut");
    let mut long = begin();
    long.say(&format!("NOOP {}", "x".repeat(1 << 10)));
    assert_eq!((long.reply(), long.reply()), (500, 0));
    let mut client = data();
    client.say("X-Long: ");
    client.stream.write_all(&vec![b'x'; 100_000]).unwrap();
    client.say("\r\n\r\n.\r\n");
    assert_eq!(client.reply(), 554);
    // A slow one, which keeps nobody else waiting.
    let mut slow = data();
    slow.say("From: ");
    let mut honest = Client::connect(mm4);
    honest.ask("EHLO x");
    let mail = "From: +16660002222\nX-Mms-Message-Type: MM4_forward.REQ\nX-Mms-Transaction-ID: t\n\
                X-Mms-Message-ID: m\n\nhi\n";
    let mine = format!("{ALICE}@us.example");
    assert_eq!(honest.mail("a@far.example", &mine, mail.as_bytes()), 250);
    assert_eq!(server.push().0, ALICE);
}

#[test]
fn a_dead_peer_keeps_nobody_waiting_and_gets_its_mail_once_it_lives() {
    let scratch = Scratch::new("mm4-dead");
    let wire = Wire::new();
    let more = "[delivery]\nretry_first_seconds = 1\nretry_longest_seconds = 1\n";
    let text = format!("{more}{}", config(&US, &wire.address.to_string(), "", ""));
    let server = Server::start(&scratch.0, &text);
    server.mm4();
    // The wire takes the connection and nobody answers on it.
    assert!(accepted(post(server.mm1, ALICE, &small("t1", &[ZOE]))).is_some());
    let both = small("t2", &[ZOE, "+15550003333"]);
    assert!(accepted(post(server.mm1, ALICE, &both)).is_some());
    assert_eq!(server.push().0, "+15550003333");
    let (address, mails) = sink();
    wire.target.send(address).unwrap();
    for _ in 0..2 {
        let (to, _) = next(&mails);
        assert_eq!(to, "+16660002222/TYPE=PLMN@far.example");
    }
}

/// Exim with a configuration of its own, as another MMSC's mail server.
struct Exim {
    child: Child,
    folder: Scratch,
}

impl Exim {
    /// Starts one that keeps mail for far.example and sends that for us.example to `us`. `None`
    /// with a printed line where it is not installed.
    fn start(port: u16, us: u16) -> Option<Self> {
        let exim = Path::new("/usr/sbin/exim4");
        if !exim.exists() {
            println!("skipped: exim4 is not installed");
            return None;
        }
        let output = Command::new("id").arg("-u").output().unwrap();
        let root = String::from_utf8(output.stdout).unwrap().trim() == "0";
        let name = |flag: &str| {
            let output = Command::new("id").arg(flag).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let (user, group) = if root {
            ("nobody".to_owned(), "nogroup".to_owned())
        } else {
            (name("-un"), name("-gn"))
        };
        let folder = Scratch::new("mm4-exim");
        for name in ["spool", "mail"] {
            std::fs::create_dir_all(folder.0.join(name)).unwrap();
        }
        let at = folder.0.display();
        let text = format!(
            "primary_hostname = far.example\nspool_directory = {at}/spool\nlog_file_path = syslog\n\
             syslog_facility = user\npid_file_path =\nexim_user = {user}\nexim_group = {group}\n\
             never_users =\nkeep_environment =\ntls_advertise_hosts =\n\
             local_interfaces = 127.0.0.1\ndaemon_smtp_ports = {port}\nacl_smtp_rcpt = all\n\
             acl_smtp_data = all\nbegin acl\nall:\n  accept hosts = 127.0.0.1\nbegin routers\n\
             us:\n  driver = manualroute\n  domains = us.example\n  transport = out\n  \
             route_list = * 127.0.0.1::{us}\n  self = send\nhere:\n  driver = accept\n  \
             domains = far.example\n  transport = keep\nbegin transports\nout:\n  driver = smtp\n\
             keep:\n  driver = appendfile\n  directory = {at}/mail\n  maildir_format\n  \
             user = {user}\n  group = {group}\n  envelope_to_add\nbegin retry\n* * F,1h,1s\n"
        );
        let config = folder.0.join("exim.conf");
        std::fs::write(&config, text).unwrap();
        let mut command = if root {
            let owned = format!("{user}:{group}");
            let chown = Command::new("chown")
                .args(["-R", &owned])
                .arg(&folder.0)
                .status();
            assert!(chown.unwrap().success());
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid", &user, "--regid", &group, "--clear-groups"])
                .arg(exim);
            command
        } else {
            Command::new(exim)
        };
        let child = command
            .arg("-C")
            .arg(&config)
            .args(["-bdf", "-q1s"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { child, folder };
        until("exim", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(started)
    }

    /// Mails that it keeps.
    fn mails(&self) -> Vec<Bytes> {
        let Ok(entries) = std::fs::read_dir(self.folder.0.join("mail/new")) else {
            return Vec::new();
        };
        let read = |entry: std::fs::DirEntry| std::fs::read(entry.path()).unwrap();
        entries.map(|entry| read(entry.unwrap()).into()).collect()
    }
}

impl Drop for Exim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago, for programs that cannot be given one by the system.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_real_mail_server_carries_messages_both_ways() {
    let wire = Wire::new();
    let port = free_port();
    let Some(exim) = Exim::start(port, wire.address.port()) else {
        return;
    };
    let scratch = Scratch::new("mm4-mta");
    let text = config(&US, &format!("127.0.0.1:{port}"), "", "");
    let server = Server::start(&scratch.0, &text);
    wire.target.send(server.mm4()).unwrap();
    let sent = greeting("t1", &[ZOE]);
    let id = accepted(post(server.mm1, ALICE, &sent)).unwrap();
    until("the mail", || !exim.mails().is_empty());
    let mail = exim.mails().remove(0);
    let request = Envelope::read(&mail, &Limits::default()).unwrap();
    assert_eq!(request.received, 1);
    let Content::ForwardReq(forward) = &request.content else {
        panic!("another kind");
    };
    let given: Vec<_> = sent.body.iter().flat_map(|body| &body.parts).collect();
    let carried: Vec<_> = forward.message.body.parts.iter().collect();
    assert_eq!(given.len(), carried.len());
    for (given, carried) in given.iter().zip(&carried) {
        assert_eq!(given.data, carried.data, "{:?}", given.name());
    }
    // The other side answers, reports, and sends a message of its own, over Exim.
    let mut peer = Client::connect(([127, 0, 0, 1], port).into());
    peer.ask("EHLO far.example");
    let res = format!(
        "From: PostMaster\nX-Mms-Message-Type: MM4_forward.RES\nX-Mms-Transaction-Id: {}\n\
         X-Mms-Request-Status-Code: Ok\n\n",
        request.transaction_id
    );
    let system = "system-user@us.example";
    assert_eq!(
        peer.mail("system-user@far.example", system, res.as_bytes()),
        250
    );
    let report = format!(
        "From: {ZOE}/TYPE=PLMN@far.example\nX-Mms-Message-Type: MM4_delivery_report.REQ\n\
         X-Mms-Transaction-ID: r1\nX-Mms-Message-ID: {}\nX-Mms-MM-Status-Code: Retrieved\n\
         X-Mms-Ack-Request: Yes\nX-Mms-Originator-System: system-user@far.example\n\n",
        request.message_id.as_ref().unwrap()
    );
    let alice = format!("{ALICE}/TYPE=PLMN@us.example");
    let from = format!("{ZOE}/TYPE=PLMN@far.example");
    assert_eq!(peer.mail(&from, &alice, report.as_bytes()), 250);
    let (number, told, _) = server.push();
    assert_eq!(
        (number.as_str(), told.pdu_type),
        (ALICE, PduType::DeliveryInd)
    );
    assert_eq!(told.headers.text(Field::MessageId), Some(id.as_str()));
    let text = String::from_utf8_lossy(&mail)
        .replace(
            &format!("X-Mms-Transaction-ID: {}", request.transaction_id),
            "X-Mms-Transaction-ID: back",
        )
        .replace(
            "X-Mms-Originator-System: system-user@us.example",
            "X-Mms-Originator-System: system-user@far.example",
        );
    assert_eq!(peer.mail(&from, &alice, text.as_bytes()), 250);
    let (number, notification, url) = server.push();
    assert_eq!(
        (number.as_str(), notification.pdu_type),
        (ALICE, PduType::NotificationInd)
    );
    let conf = fetch(server.mm1, &url, "");
    assert_eq!(photos(&conf), photos(&sent));
    until("the responses", || exim.mails().len() == 3);
    let kinds = exim.mails();
    let kinds: Vec<_> = kinds
        .iter()
        .map(|mail| Envelope::read(mail, &Limits::default()).unwrap())
        .collect();
    let is = |name: &str| kinds.iter().any(|one| one.content.name() == name);
    assert!(is("MM4_delivery_report.RES") && is("MM4_forward.RES"));
}

#[test]
fn the_simulated_peer_sends_answers_and_reports() {
    let scratch = Scratch::new("mm4-sim");
    let port = free_port();
    let server = Server::start(
        &scratch.0,
        &config(&US, &format!("127.0.0.1:{port}"), "", ""),
    );
    let mm4 = server.mm4();
    let mut peer = crate::support::remold()
        .args(["sim", "peer", "--listen", &format!("127.0.0.1:{port}")])
        .args(["--server", &mm4.to_string(), "--domain", "far.example"])
        .args([
            "--server-domain",
            "us.example",
            "--to",
            ALICE,
            "--mails",
            "2",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (number, notification, _) = server.push();
    assert_eq!(
        (number.as_str(), notification.pdu_type),
        (ALICE, PduType::NotificationInd)
    );
    assert!(accepted(post(server.mm1, ALICE, &small("t1", &[ZOE]))).is_some());
    let (number, report, _) = server.push();
    assert_eq!(
        (number.as_str(), report.pdu_type),
        (ALICE, PduType::DeliveryInd)
    );
    let mut said = String::new();
    let mut stdout = peer.stdout.take().unwrap();
    stdout.read_to_string(&mut said).unwrap();
    assert!(peer.wait().unwrap().success(), "{said}");
    for line in [
        "sent MM4_forward.REQ: 250 ",
        "MM4_forward.RES transaction t.",
        "MM4_forward.REQ transaction ",
        "sent MM4_forward.RES: 250 Ok",
        "sent MM4_delivery_report.REQ: 250 Ok",
    ] {
        assert!(
            said.lines().any(|one| one.starts_with(line)),
            "{line}\n{said}"
        );
    }
}

#[test]
fn swaks_is_served_and_refused_as_any_client() {
    let Some(mut swaks) = tool("swaks") else {
        return;
    };
    let scratch = Scratch::new("mm4-swaks");
    let server = Server::start(&scratch.0, &config(&US, "127.0.0.1:9", "", ""));
    let mm4 = server.mm4().to_string();
    let mail = scratch.0.join("mail");
    let text = "From: +16660002222/TYPE=PLMN\nTo: +15550001111/TYPE=PLMN\n\
                X-Mms-Message-Type: MM4_forward.REQ\nX-Mms-Transaction-ID: t\nX-Mms-Message-ID: m\n\
                Subject: by hand\nContent-Type: text/plain\n\nhi\n.\n..\n";
    std::fs::write(&mail, text).unwrap();
    let data = format!("@{}", mail.display());
    // It takes an address that begins with a plus for an option.
    let mut run = |to: &str| {
        swaks = Command::new("swaks");
        swaks
            .args(["--server", &mm4, "--from", "16660002222@far.example"])
            .args(["--to", to, "--data", &data, "--pipeline"])
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .code()
    };
    assert_eq!(run("15550001111/TYPE=PLMN@us.example"), Some(0));
    let (number, notification, url) = server.push();
    assert_eq!(number, ALICE);
    let subject = notification.headers.text(Field::Subject);
    assert_eq!(subject, Some("by hand"));
    let conf = fetch(server.mm1, &url, "");
    let body = conf.body.unwrap();
    assert!(String::from_utf8_lossy(&body.parts[0].data).starts_with("hi"));
    assert_eq!(
        run("16660002222/TYPE=PLMN@us.example"),
        Some(24),
        "no recipient"
    );
    assert_eq!(run("a@evil.example"), Some(24));
}

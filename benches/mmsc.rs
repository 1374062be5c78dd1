//! What the service centre costs: messages a second and processor time a message, from M-Send.req
//! to M-Acknowledge.ind, on loopback with the disk synced for each acknowledgement.
//!
//!     cargo bench --bench mmsc -- [MESSAGES] [CONNECTIONS] [plain|photo|photos] [A SECOND]
//!
//! The generator is this process; the server is the program itself, so its processor time is
//! counted apart. `plain` is a text and a JPEG of 30 kB that nobody has to change, `photos` a
//! picture of 1280x960 for a phone that takes 45,000 octets, each time with another text; with `photo`
//! the text is the same, so that all but the first come from what was kept. Submissions are made as
//! fast as they are answered, or so many a second.

#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a bench that cannot run has nothing to say"
)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use remold::Limits;
use remold::mms::pdu::{Pdu, PduType, decode, encode};
use remold::mms::{Body, ContentType, Field, HeaderValue, Part};

const GREETING: &[u8] = include_bytes!("../tests/data/greeting.mms");

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let number = |at: usize, default| args.get(at).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (messages, connections): (usize, usize) = (number(0, 2_000), number(1, 64));
    let load = Load {
        photo: args.get(2).is_some_and(|what| what.starts_with("photo")),
        fresh: args.get(2).is_some_and(|what| what == "photos"),
        pace: args.get(3).and_then(|pace| pace.parse().ok()),
    };
    let folder = std::env::temp_dir().join(format!("remold-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let config = folder.join("remold.toml");
    let text = format!(
        "[store]\nfolder = \"{}\"\n[mm1]\nlisten = \"127.0.0.1:0\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n",
        folder.join("store").display()
    );
    std::fs::write(&config, text).expect("a configuration");
    let mut server = Command::new(env!("CARGO_BIN_EXE_remold"))
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a server");
    let (address, pushes) = listen(&mut server);
    let before = processor(&server);
    let started = Instant::now();
    let mut sent = send(address, messages, connections, load);
    let sending = started.elapsed();
    let after_sending = processor(&server);
    let fetched = fetch(address, &pushes, messages, connections, load);
    let whole = started.elapsed();
    let cost = processor(&server).saturating_sub(before);
    sent.sort_unstable();
    let at = |part: usize| sent[(sent.len().saturating_sub(1)).saturating_mul(part) / 100];
    let per = |time: Duration| time.as_secs_f64() * 1_000.0 / messages as f64;
    println!("messages              {messages}, {fetched} fetched and acknowledged");
    println!("connections           {connections}");
    println!(
        "accepted a second     {:.0}",
        messages as f64 / sending.as_secs_f64()
    );
    println!(
        "whole way a second    {:.0}",
        messages as f64 / whole.as_secs_f64()
    );
    println!("processor a message   {:.2} ms", per(cost));
    println!(
        "  of it until M-Send.conf and notification  {:.2} ms",
        per(after_sending.saturating_sub(before))
    );
    println!(
        "M-Send.conf after     {:?} median, {:?} 99 %",
        at(50),
        at(99)
    );
    println!("memory of the server  {}", memory(&server));
    server.kill().expect("it ends");
    server.wait().expect("it has ended");
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

/// Where the server listens, and the URLs that it pushes.
fn listen(server: &mut Child) -> (SocketAddr, Receiver<String>) {
    let mut lines = BufReader::new(server.stdout.take().expect("stdout")).lines();
    let first = lines.next().expect("a line").expect("a line");
    let address = first
        .trim_start_matches("mm1 http://")
        .parse()
        .expect("an address");
    let (push, pushes): (Sender<String>, _) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let url = line
                .split(' ')
                .find_map(|word| word.strip_prefix("url=http"));
            if let Some(url) = url.and_then(|url| url.find("/m/").map(|at| url[at..].to_owned()))
                && push.send(url).is_err()
            {
                return;
            }
        }
    });
    (address, pushes)
}

fn message(photo: bool) -> Pdu {
    let mut pdu = decode(&GREETING.into(), &Limits::default())
        .expect("the greeting")
        .value;
    if !photo {
        // Not to be decoded: only its octets count.
        let mut jpeg = b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0".to_vec();
        jpeg.extend_from_slice(
            b"\xFF\xC0\0\x11\x08\0\x78\0\xA0\x03\x01\x22\0\x02\x11\x01\x03\x11\x01",
        );
        jpeg.resize(30_000, 0);
        let mut picture = Part::new(ContentType::new("image/jpeg"), jpeg);
        picture.content_location = Some("a.jpg".to_owned());
        pdu.body = Some(Body {
            content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
            parts: vec![Part::new(ContentType::new("text/plain"), "hello"), picture],
        });
    }
    pdu
}

/// What is sent, and how.
#[derive(Clone, Copy)]
struct Load {
    photo: bool,
    fresh: bool,
    pace: Option<f64>,
}

/// Sends all messages, and gives how long each waited for its M-Send.conf.
fn send(address: SocketAddr, messages: usize, connections: usize, load: Load) -> Vec<Duration> {
    let next = Arc::new(AtomicUsize::new(0));
    let pdu = message(load.photo);
    let begun = Instant::now();
    let threads: Vec<_> = (0..connections)
        .map(|_| {
            let (next, mut pdu) = (next.clone(), pdu.clone());
            std::thread::spawn(move || {
                let mut phone = Phone::connect(address, "15550001111");
                let mut waited = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= messages {
                        return waited;
                    }
                    let id = HeaderValue::Text(format!("bench-{number}"));
                    pdu.headers.set(Field::TransactionId, id);
                    if load.fresh {
                        let parts = &mut pdu.body.as_mut().expect("a body").parts;
                        let text = parts
                            .iter_mut()
                            .find(|part| part.content_type.is("text/plain"));
                        text.expect("a text").data = format!("{number:08}").into();
                    }
                    if let Some(pace) = load.pace {
                        let due = begun + Duration::from_secs_f64(number as f64 / pace);
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    }
                    let octets = encode(&pdu).expect("a PDU");
                    let started = Instant::now();
                    let conf = phone.post(&octets);
                    waited.push(started.elapsed());
                    let conf = decode(&conf.into(), &Limits::default())
                        .expect("a PDU")
                        .value;
                    assert_eq!(conf.headers.token(Field::ResponseStatus), Some(0x80));
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("a sender"))
        .collect()
}

/// Fetches and acknowledges everything that is pushed, and gives how much it was.
fn fetch(
    address: SocketAddr,
    pushes: &Receiver<String>,
    messages: usize,
    connections: usize,
    load: Load,
) -> usize {
    let urls: HashMap<usize, String> = (0..messages)
        .map(|number| {
            (
                number,
                pushes
                    .recv_timeout(Duration::from_secs(60))
                    .expect("a push"),
            )
        })
        .collect();
    let urls = Arc::new(Mutex::new(urls.into_values().collect::<Vec<_>>()));
    let threads: Vec<_> = (0..connections.min(32))
        .map(|_| {
            let urls = urls.clone();
            std::thread::spawn(move || {
                let mut phone = Phone::connect(address, "15550002222");
                let mut fetched: usize = 0;
                loop {
                    let Some(url) = urls.lock().expect("the list").pop() else {
                        return fetched;
                    };
                    let conf = phone.get(&url, load);
                    let conf = decode(&conf.into(), &Limits::default())
                        .expect("a PDU")
                        .value;
                    if conf.headers.get(Field::RetrieveStatus).is_some() {
                        // Too many at once: a phone comes back later.
                        urls.lock().expect("the list").insert(0, url);
                        std::thread::sleep(Duration::from_millis(20));
                        continue;
                    }
                    let mut ack = Pdu::new(PduType::AcknowledgeInd);
                    let id = conf.transaction_id().expect("a transaction").to_owned();
                    ack.headers.add(Field::TransactionId, HeaderValue::Text(id));
                    assert!(phone.post(&encode(&ack).expect("a PDU")).is_empty());
                    fetched += 1;
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().expect("a phone"))
        .sum()
}

/// One connection that is kept.
struct Phone {
    stream: BufReader<TcpStream>,
    number: &'static str,
}

impl Phone {
    fn connect(address: SocketAddr, number: &'static str) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self {
            stream: BufReader::new(stream),
            number,
        }
    }

    fn post(&mut self, body: &[u8]) -> Vec<u8> {
        let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
        self.exchange(&head, body)
    }

    fn get(&mut self, path: &str, load: Load) -> Vec<u8> {
        let device = if load.photo {
            "User-Agent: Nokia6100/1.0 (04.70)\r\n"
        } else {
            "X-Wap-Profile: \"http://www.apple.com/mms/uaprof.rdf\"\r\n"
        };
        self.exchange(&format!("GET {path} HTTP/1.1\r\n{device}"), &[])
    }

    fn exchange(&mut self, head: &str, body: &[u8]) -> Vec<u8> {
        let mut request = format!(
            "{head}Host: mmsc\r\nX-WAP-Network-Client-MSISDN: {}\r\n\r\n",
            self.number
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream
            .get_mut()
            .write_all(&request)
            .expect("a request");
        let (mut length, mut line) = (0, String::new());
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("an answer");
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).expect("an answer");
        answer
    }
}

/// Processor time of the server so far: fields 14 and 15 of its stat, in hundredths of a second.
fn processor(server: &Child) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).expect("proc");
    let (_, rest) = stat.rsplit_once(") ").expect("a name");
    let fields: Vec<&str> = rest.split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<u64>().expect("ticks");
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn memory(server: &Child) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("proc");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(String::new, |peak| peak.trim().to_owned())
}

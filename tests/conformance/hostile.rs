//! Strangers who want the service centre to keep things for them: what honest phones notice of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use remold::mms::pdu::{Pdu, encode};

use crate::mmsc::{ALICE, BOB, PATIENCE, Scratch, Server, accepted, exchange, post, small};

/// Connections of strangers at one time.
const STRANGERS: usize = 2_000;
/// Requests of an honest phone that are timed.
const REQUESTS: usize = 60;

/// How long the slowest but one in a hundred of an honest phone's submissions took.
fn p99(server: &Server, name: &str) -> Duration {
    let mut took: Vec<Duration> = (0..REQUESTS)
        .map(|number| {
            let begun = Instant::now();
            let pdu = small(&format!("{name}-{number}"), &[BOB]);
            assert!(accepted(post(server.mm1, ALICE, &pdu)).is_some());
            begun.elapsed()
        })
        .collect();
    took.sort();
    took[(REQUESTS - 1) * 99 / 100]
}

/// Memory that the server holds, in KiB.
fn memory(server: &Server) -> u64 {
    status(server, "VmRSS:")
}

/// A figure of the server's process.
fn status(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.unwrap().trim().split(' ').next().unwrap();
    number.parse().unwrap()
}

/// Descriptors this process may have, and the server with it.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(256)
}

#[test]
fn two_thousand_slow_strangers_are_not_noticed() {
    let scratch = Scratch::new("loris");
    let more = "header_seconds = 30\nbody_seconds = 30\nidle_seconds = 60";
    let server = Server::start(&scratch.0, more);
    let strangers = STRANGERS.min(descriptors().saturating_sub(200));
    if strangers < STRANGERS {
        println!("{strangers} strangers only: no more files may be open here");
    }
    let alone = p99(&server, "alone");
    let before = memory(&server);
    let heads = [
        "POST / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab",
        "",
    ];
    let mut slow: Vec<TcpStream> = (0..strangers)
        .map(|number| {
            let mut stream = TcpStream::connect(server.mm1).unwrap();
            stream
                .write_all(heads[number % heads.len()].as_bytes())
                .unwrap();
            stream
        })
        .collect();
    let beside = p99(&server, "beside");
    // An octet now and then keeps nothing alive for longer than the bound on the whole.
    for stream in &mut slow {
        let _ = stream.write_all(b"x");
    }
    let again = p99(&server, "again");
    let grown = memory(&server).saturating_sub(before);
    println!(
        "99 % of an honest phone's submissions: {alone:?} alone, {beside:?} and {again:?} beside \
         {strangers} strangers, who cost {grown} KiB"
    );
    // Twice, and what a loaded machine adds to either.
    let bound = alone * 2 + Duration::from_millis(250);
    assert!(beside <= bound && again <= bound);
    assert!(grown < 64 << 10, "{grown} KiB");
}

#[test]
fn an_address_that_is_no_gateway_has_its_share_of_connections() {
    let scratch = Scratch::new("share");
    let more = "connections_each = 3\n[identity]\ngateways = [\"192.0.2.0/24\"]\n\
                tokens = { \"0123456789abcdef\" = \"+15550001111\" }";
    let server = Server::start(&scratch.0, more);
    let open = || {
        let stream = TcpStream::connect(server.mm1).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let answered = |mut stream: TcpStream| {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut octet = [0];
        let answered = stream.write_all(request).is_ok()
            && stream.read(&mut octet).is_ok_and(|read| read == 1);
        answered.then_some(stream)
    };
    let kept: Vec<_> = (0..3)
        .map(|_| answered(open()).expect("its share"))
        .collect();
    assert!(answered(open()).is_none(), "one too many");
    drop(kept);
    let until = Instant::now() + PATIENCE;
    while answered(open()).is_none() {
        assert!(Instant::now() < until, "its share never came back");
    }
}

#[test]
fn what_is_too_large_is_cut_off_and_memory_stays_flat() {
    let scratch = Scratch::new("large");
    let server = Server::start(&scratch.0, "[limits]\nmessage_bytes = 300000");
    assert!(accepted(post(server.mm1, ALICE, &small("t1", &[BOB]))).is_some());
    let before = memory(&server);
    for _ in 0..50 {
        let huge = "POST / HTTP/1.1\r\nContent-Length: 10000000000\r\n";
        assert_eq!(
            exchange(server.mm1, huge, b"").map(|(status, _)| status),
            Some(413)
        );
        let mut endless = TcpStream::connect(server.mm1).unwrap();
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        endless.write_all(head.as_bytes()).unwrap();
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        // At some time nobody takes it any more.
        let taken = (0..1_000).take_while(|_| endless.write_all(chunk.as_bytes()).is_ok());
        assert!(taken.count() < 1_000);
        let long = format!("GET / HTTP/1.1\r\nX-Long: {}\r\n", "x".repeat(1 << 20));
        let answer = exchange(server.mm1, &long, &[]);
        assert!(answer.is_none_or(|(status, _)| status == 431 || status == 400));
    }
    let grown = memory(&server).saturating_sub(before);
    println!("150 that were too large cost {grown} KiB");
    assert!(grown < 16 << 10, "{grown} KiB");
    assert!(accepted(post(server.mm1, ALICE, &small("t2", &[BOB]))).is_some());
}

/// A message of 30 kB that is unlike all others.
fn thirty_kilobytes(id: &str) -> Pdu {
    let mut pdu = small(id, &[BOB]);
    let text = format!("{id} {}", "x".repeat(30_000));
    pdu.body.as_mut().unwrap().parts[0].data = text.into();
    pdu
}

/// A request of a phone that keeps its connection.
fn request(pdu: &Pdu) -> Vec<u8> {
    let octets = encode(pdu).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: mmsc\r\nX-WAP-Network-Client-MSISDN: {}\r\nContent-Length: {}\r\n\r\n",
        ALICE.trim_start_matches('+'),
        octets.len()
    );
    [head.into_bytes(), octets].concat()
}

/// Whether the answer on a connection that is kept is M-Send.conf Ok.
fn is_accepted(stream: &mut TcpStream) -> bool {
    let mut octets = vec![0; 4_096];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut octets[filled..]).unwrap();
        assert!(read > 0, "the connection was closed");
        filled += read;
        let answer = &octets[..filled];
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if filled == end + 4 + length {
            let body = octets[end + 4..filled].to_vec();
            return accepted(Some((200, body.into()))).is_some();
        }
    }
}

#[test]
fn what_waits_for_phones_and_five_hundred_connections_take_little_memory() {
    const CONNECTIONS: usize = 500;
    let waiting: usize = std::env::var("REMOLD_WAITING")
        .ok()
        .and_then(|waiting| waiting.parse().ok())
        .unwrap_or(1_000);
    let connections = CONNECTIONS.min(descriptors().saturating_sub(200));
    let scratch = Scratch::new("memory");
    let server = Server::start(&scratch.0, "header_seconds = 300\nidle_seconds = 300");
    let at_first = memory(&server);
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(server.mm1).unwrap();
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if number >= waiting {
                        return;
                    }
                    let pdu = thirty_kilobytes(&format!("w{number}"));
                    stream.write_all(&request(&pdu)).unwrap();
                    assert!(is_accepted(&mut stream));
                }
            });
        }
    });
    // Each phone in the middle of a message, and then all at once.
    let mut open: Vec<(TcpStream, Vec<u8>)> = (0..connections)
        .map(|number| {
            let request = request(&thirty_kilobytes(&format!("c{number}")));
            let mut stream = TcpStream::connect(server.mm1).unwrap();
            let (begun, rest) = request.split_at(request.len() / 2);
            stream.write_all(begun).unwrap();
            (stream, rest.to_vec())
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    let half_way = memory(&server);
    for (stream, rest) in &mut open {
        stream.write_all(rest).unwrap();
    }
    for (stream, _) in &mut open {
        assert!(is_accepted(stream));
    }
    let most = status(&server, "VmHWM:");
    println!(
        "{waiting} messages of 30 kB wait, {connections} connections: {at_first} KiB at first, \
         {half_way} KiB with half a message on each, {most} KiB at most"
    );
    assert!(most <= 150 << 10, "{most} KiB");
}

//! Strangers who want the service centre to keep things for them: what honest phones notice of it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

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
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
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

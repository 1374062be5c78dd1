//! The edge of MM1 as a stranger reaches it: octets over a connection, up to the store.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use remold::mm1::{Bounds, Edge, Identity, serve};
use remold::relay::Network;
use tokio::runtime::Runtime;

use crate::bench::Bench;

/// An edge on loopback.
struct Centre {
    bench: Mutex<Bench>,
    address: SocketAddr,
    _runtime: Runtime,
    _stop: tokio::sync::watch::Sender<bool>,
}

static CENTRE: LazyLock<Centre> = LazyLock::new(|| {
    let bench = Bench::new("mm1");
    let mut identity = Identity::default();
    "x-msisdn".clone_into(&mut identity.header);
    identity.gateways = vec!["127.0.0.0/8".parse::<Network>().expect("a network")];
    // Octets that a short input can reach, and times that no slow machine does.
    let bounds = Bounds {
        body_bytes: 400_000,
        ..Bounds::default()
    };
    let edge = Arc::new(Edge::new(bench.relay.clone(), identity, bounds));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(2)
        .enable_all()
        .build()
        .expect("threads");
    let (stop, stopping) = tokio::sync::watch::channel(false);
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        serve(listener, edge, stopping).await;
    });
    Centre {
        bench: Mutex::new(bench),
        address,
        _runtime: runtime,
        _stop: stop,
    }
});

/// Octets as a stranger sends them. Where the first is odd, the others are the body of a request
/// that is well formed, from a subscriber. What comes back is HTTP, the edge answers afterwards,
/// and what was taken over comes to its end.
pub fn mm1(data: &[u8]) {
    let Some((kind, octets)) = data.split_first() else {
        return;
    };
    let answer = match kind & 1 {
        0 => exchange(octets),
        _ => {
            let length = octets.len();
            let head = format!(
                "POST / HTTP/1.1\r\nHost: mms\r\nX-MSISDN: 1555000000{}\r\n\
                 Content-Type: application/vnd.wap.mms-message\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n",
                kind >> 1 & 7
            );
            let answer = exchange(&[head.as_bytes(), octets].concat());
            assert!(!answer.is_empty(), "a whole request has an answer");
            answer
        }
    };
    assert!(
        answer.is_empty() || answer.starts_with(b"HTTP/1."),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(
        !answer.starts_with(b"HTTP/1.1 500"),
        "something went wrong inside"
    );
    let alive = exchange(b"GET /m/none HTTP/1.1\r\nHost: mms\r\nConnection: close\r\n\r\n");
    assert!(alive.starts_with(b"HTTP/1.1 404"), "the edge is alive");
    let bench = CENTRE.bench.lock().expect("nobody panics with it");
    bench.drain();
    bench.phones.told();
}

fn exchange(octets: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(CENTRE.address).expect("the edge listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(15)))
        .expect("a socket");
    // It may close before it has read everything.
    let _ = stream.write_all(octets);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("no end of the answer")
        }
        _ => answer,
    }
}

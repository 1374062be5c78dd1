//! Where a domain takes its mail, by the word of a name server that is not ours.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use remold::mm4::exchanger::ExchangerError;
use remold::mm4::{Host, Resolver};

use crate::mmsc::PATIENCE;

#[test]
fn exchangers_are_found_at_a_real_name_server() {
    const DNSMASQ: &str = "/usr/sbin/dnsmasq";
    if !std::path::Path::new(DNSMASQ).exists() {
        println!("skipped: dnsmasq is not installed");
        return;
    }
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut server = Command::new(DNSMASQ)
        .args([
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--conf-file=/dev/null",
        ])
        .args([
            "--user=root",
            "--pid-file",
            "--bind-interfaces",
            "--listen-address=127.0.0.1",
        ])
        .arg(format!("--port={}", address.port()))
        .args(["--mx-host=far.example,second.far.example,20"])
        .args(["--mx-host=far.example,first.far.example,10"])
        .args((0..40).map(|at| format!("--mx-host=big.example,exchanger{at}.big.example,{at}")))
        .args(["--local=/example/", "--host-record=plain.example,192.0.2.1"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let resolver = Resolver::new(vec![address], Duration::from_secs(2));
    let begun = Instant::now();
    let found = loop {
        match resolver.exchangers("far.example") {
            Err(_) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            found => break found,
        }
    };
    let shown =
        |hosts: Vec<Host>| -> Vec<String> { hosts.iter().map(ToString::to_string).collect() };
    let large = resolver.exchangers("big.example");
    let plain = resolver.exchangers("plain.example");
    let nowhere = resolver.exchangers("nowhere.example");
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(
        shown(found.unwrap()),
        ["first.far.example:25", "second.far.example:25"]
    );
    let large = shown(large.unwrap());
    assert_eq!(
        large.len(),
        8,
        "an answer too long for a datagram: {large:?}"
    );
    assert_eq!(large[0], "exchanger0.big.example:25");
    assert_eq!(shown(plain.unwrap()), ["plain.example:25"]);
    assert!(
        matches!(nowhere, Err(ExchangerError::NoDomain(_))),
        "{nowhere:?}"
    );
}

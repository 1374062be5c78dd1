//! Where a domain takes its mail, by the word of a name server that is not ours.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use remold::mm4::exchanger::ExchangerError;
use remold::mm4::{Enum, Host, Resolver};
use remold::mms::address::Msisdn;
use remold::relay::foreign::{Directory, Ownership};

use crate::mmsc::PATIENCE;

/// What a carrier's tree says of numbers.
const NUMBERS: [&str; 3] = [
    "3.8.0.0.6.9.2.3.6.1.4.4.e164.example,100,20,u,E2U+sip,!^.*$!sip:x@sip.example!",
    "3.8.0.0.6.9.2.3.6.1.4.4.e164.example,100,10,u,E2U+mms:mailto,\
     !^(.*)$!mailto:\\1/TYPE=PLMN@mms.mnc007.mcc234.gprs!",
    "4.8.0.0.6.9.2.3.6.1.4.4.e164.example,100,10,u,E2U+sip,!^.*$!sip:x@sip.example!",
];

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
        .args(NUMBERS.map(|record| format!("--naptr-record={record}")))
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
    let registry = Enum::new(resolver, "e164.example");
    let owner = |number: &str| registry.ask(&Msisdn::parse(number).unwrap());
    let ported = owner("+441632960083");
    let sip_only = owner("+441632960084");
    let unlisted = owner("+441632960085");
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(
        ported,
        Ok(Ownership::Domain("mms.mnc007.mcc234.gprs".to_owned()))
    );
    assert_eq!(sip_only, Ok(Ownership::Unlisted));
    assert_eq!(unlisted, Ok(Ownership::Unlisted));
    let known = registry.known(&Msisdn::parse("+441632960083").unwrap());
    assert_eq!(known.map(Ok), Some(ported));
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

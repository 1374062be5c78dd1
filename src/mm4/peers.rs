//! The peers: who may bring messages, what for, and how each is reached.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use super::dialect::{self, Mailbox, is_domain};
use crate::mms::address::{Address, Msisdn};
use crate::relay::{Network, Numbering, Route, Routes};

/// Local parts of the system's own addresses: where responses go. The first is the one of TS
/// 23.140 and is what we write.
pub const SYSTEM: [&str; 4] = ["system-user", "postmaster", "mmsc", "admin"];
/// Port of SMTP.
const SMTP: u16 = 25;

/// A peer MMSC.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its name in the configuration, in the store and in front of people.
    pub name: String,
    /// Where it connects from.
    pub from: Vec<Network>,
    /// Where it is reached; `None` for one that only brings.
    pub host: Option<Reach>,
    /// Its domain: `number/TYPE=PLMN@domain`.
    pub domain: String,
    /// Whether it is asked for responses. One that gives none must not be asked: the message would
    /// be sent again.
    pub ack: bool,
    /// Whether connections with it are encrypted.
    pub tls: TlsPolicy,
    /// Messages it gets in a second at most; 0 for no bound.
    pub per_second: u32,
    /// Connections to it at one time.
    pub connections: u32,
}

/// Whether connections with a peer are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsPolicy {
    /// Never.
    Off,
    /// Where the other side offers it, whatever its certificate.
    #[default]
    Opportunistic,
    /// Always, and as a client only with a certificate that is valid for the name of the host.
    Required,
}

/// Where a peer is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// At a host.
    Host(Host),
    /// Where this domain takes its mail.
    Exchanger(String),
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Exchanger(domain) => write!(f, "MX of {domain}"),
        }
    }
}

/// A host and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Name or address.
    pub name: String,
    /// Port.
    pub port: u16,
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no host such as mmsc.example.net:25");
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self {
                name: address.to_string(),
                port: SMTP,
            });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().map_err(|_| wrong())?),
            None => (text, SMTP),
        };
        let name = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(name);
        if name.parse::<IpAddr>().is_err() && !is_domain(name) {
            return Err(wrong());
        }
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// Who is let in, and for whom. There is no way to be let in for somebody whom another peer
/// reaches: nothing here forwards for peers.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The peers, each with a name of its own.
    pub peers: Vec<Arc<Peer>>,
    /// Our domains, the first of which we write.
    pub domains: Vec<String>,
    /// Whose numbers are ours.
    pub numbering: Numbering,
    /// The ways to peers: a number of one of them is not ours.
    pub routes: Routes,
}

/// Who a peer may name as a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// A subscriber of ours.
    Subscriber(Msisdn),
    /// The system itself, for responses and reports.
    System,
}

/// Why somebody may not be named as a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The address is of another domain.
    #[error("Relaying denied: the domain is not ours")]
    Domain,
    /// The number is not served here.
    #[error("Relaying denied: the number is not served here")]
    Number,
    /// There is no such address.
    #[error("No such address here")]
    Unknown,
}

impl Gate {
    /// The peer that connects from an address: the one with the narrowest range around it.
    #[must_use]
    pub fn peer(&self, address: IpAddr) -> Option<&Arc<Peer>> {
        let address = address.to_canonical();
        let range = |peer: &Peer| {
            peer.from
                .iter()
                .filter(|range| range.holds(address))
                .map(Network::length)
                .max()
        };
        self.peers
            .iter()
            .filter_map(|peer| Some((range(peer)?, peer)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, peer)| peer)
    }

    /// The peer with a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Peer>> {
        self.peers.iter().find(|peer| peer.name == name)
    }

    /// Who a recipient of SMTP is: a number of ours, with one of our domains or without any, or
    /// the system.
    ///
    /// # Errors
    /// Why he is not let through. A number that one of our peers reaches is refused like any other:
    /// that is what makes an open relay impossible.
    pub fn recipient(&self, path: &str) -> Result<Recipient, Closed> {
        let (local, domain) = match path.rsplit_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (path, None),
        };
        if let Some(domain) = domain
            && !self.is_ours(domain)
        {
            return Err(Closed::Domain);
        }
        if SYSTEM.iter().any(|name| name.eq_ignore_ascii_case(local)) {
            return Ok(Recipient::System);
        }
        if !is_number(local) {
            return Err(Closed::Unknown);
        }
        match self.routes.route(&self.numbering, local) {
            Route::Local(number) => Ok(Recipient::Subscriber(number)),
            Route::Foreign(..) | Route::Nowhere(_) => Err(Closed::Number),
        }
    }

    /// Whether a domain is one of ours.
    #[must_use]
    pub fn is_ours(&self, domain: &str) -> bool {
        self.domains
            .iter()
            .any(|ours| ours.eq_ignore_ascii_case(domain))
    }

    /// Our id of a message, out of the X-Mms-Message-ID or X-Mms-Transaction-ID that a peer sends
    /// back: without the domain we or somebody on the way put behind it.
    #[must_use]
    pub fn ours<'a>(&self, id: &'a dialect::Id) -> &'a str {
        let bare = id.bare();
        match bare.split_once('@') {
            Some((id, domain)) if self.is_ours(domain) => id,
            _ => bare,
        }
    }

    /// The address of a part of our system.
    #[must_use]
    pub fn system(&self) -> Option<Mailbox> {
        let [local, ..] = SYSTEM;
        Mailbox::subscriber(local, self.domain())
    }

    /// The domain we write.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.domains.first().map_or("localhost", String::as_str)
    }
}

/// Whether a local part is a number and nothing that could be read as a way to somebody else: no
/// quotes, no `%`, no second address.
fn is_number(local: &str) -> bool {
    let (digits, kind) = match local.split_once('/') {
        Some((digits, kind)) => (digits, Some(kind)),
        None => (local, None),
    };
    let plain = digits.strip_prefix('+').unwrap_or(digits);
    kind.is_none_or(|kind| kind.eq_ignore_ascii_case("TYPE=PLMN"))
        && !plain.is_empty()
        && plain.bytes().all(|octet| octet.is_ascii_digit())
        && matches!(Address::parse(digits), Some(Address::Msisdn(_)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::mm4) fn peer(name: &str, from: &str) -> Arc<Peer> {
        Arc::new(Peer {
            name: name.to_owned(),
            from: vec![from.parse().unwrap()],
            host: None,
            domain: format!("{name}.example"),
            ack: true,
            tls: TlsPolicy::Off,
            per_second: 0,
            connections: 1,
        })
    }

    pub(in crate::mm4) fn gate() -> Gate {
        Gate {
            peers: vec![peer("hub", "192.0.2.0/24"), peer("east", "192.0.2.9")],
            domains: vec!["mms.example".to_owned(), "oklik.example".to_owned()],
            numbering: Numbering {
                country: None,
                local: vec!["+972555".to_owned()],
            },
            routes: Routes {
                prefixes: [("+9725550009".to_owned(), "east".to_owned())].into(),
                ..Routes::default()
            },
        }
    }

    #[test]
    fn a_peer_is_known_by_the_narrowest_range() {
        let gate = gate();
        let name = |address: &str| {
            gate.peer(address.parse().unwrap())
                .map(|peer| peer.name.clone())
        };
        assert_eq!(name("192.0.2.9").as_deref(), Some("east"));
        assert_eq!(name("::ffff:192.0.2.8").as_deref(), Some("hub"));
        assert_eq!(name("198.51.100.1"), None);
        assert_eq!(name("::1"), None);
    }

    #[test]
    fn only_our_numbers_at_our_domains_are_let_through() {
        let gate = gate();
        let number = Recipient::Subscriber(Msisdn::parse("+972555000001").unwrap());
        for path in [
            "+972555000001/TYPE=PLMN@mms.example",
            "+972555000001/type=plmn@OKLIK.example",
            "972555000001@mms.example",
            "+972555000001/TYPE=PLMN",
        ] {
            assert_eq!(gate.recipient(path).as_ref(), Ok(&number), "{path}");
        }
        for path in [
            "PostMaster",
            "admin@oklik.example",
            "system-user@mms.example",
        ] {
            assert_eq!(gate.recipient(path), Ok(Recipient::System), "{path}");
        }
        for (path, why) in [
            ("+972555000001/TYPE=PLMN@evil.example", Closed::Domain),
            ("+441632960001/TYPE=PLMN@mms.example", Closed::Number),
            ("+972555000901/TYPE=PLMN@mms.example", Closed::Number),
            ("+441632960001%evil.example@mms.example", Closed::Unknown),
            ("\"a@evil.example\"@mms.example", Closed::Unknown),
            ("\"+972555000001\"@mms.example", Closed::Unknown),
            ("a!b@mms.example", Closed::Unknown),
            ("a@evil.example@mms.example", Closed::Unknown),
            ("+972555000001/TYPE=IPv4@mms.example", Closed::Unknown),
            ("+972555000001/TYPE=PLMN/x@mms.example", Closed::Unknown),
            ("postmaster@evil.example", Closed::Domain),
            ("nobody@mms.example", Closed::Unknown),
            ("12345@mms.example", Closed::Unknown),
            ("@mms.example", Closed::Unknown),
            ("", Closed::Unknown),
        ] {
            assert_eq!(gate.recipient(path), Err(why), "{path}");
        }
    }

    #[test]
    fn the_system_has_an_address_at_the_domain_we_write() {
        let gate = gate();
        let system = gate.system().unwrap();
        assert_eq!(system.as_str(), "system-user@mms.example");
        assert_eq!(gate.recipient(system.as_str()), Ok(Recipient::System));
        assert!(gate.is_ours("OKLIK.example") && !gate.is_ours("example"));
        assert_eq!(gate.named("east").unwrap().domain, "east.example");
        assert!(gate.named("west").is_none());
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        let shown = |text: &str| text.parse::<Host>().map(|host| host.to_string());
        assert_eq!(shown("a.example").unwrap(), "a.example:25");
        assert_eq!(shown("127.0.0.1:2525").unwrap(), "127.0.0.1:2525");
        assert_eq!(shown("[::1]:26").unwrap(), "[::1]:26");
        assert_eq!(shown("::1").unwrap(), "[::1]:25");
        for text in ["", "a b", "a:x", "a\r\nb", "a:70000"] {
            assert!(shown(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn our_ids_come_back_with_or_without_our_domain() {
        let gate = gate();
        let id = |text| dialect::Id::parse(text).unwrap();
        assert_eq!(gate.ours(&id("\"1f@mms.example\"")), "1f");
        assert_eq!(gate.ours(&id("1f")), "1f");
        assert_eq!(gate.ours(&id("1f@far.example")), "1f@far.example");
    }
}

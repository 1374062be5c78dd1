//! `[mm4]`: the peers, and how they are reached. What would make a relay for strangers of us is
//! refused when it is read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::values::{Count, Domain, HostName, PeerName, PlmnCode, Prefix, Range};
use super::{LimitsTable, NumberingTable, SECOND};
use crate::mm4::{Bounds, Gate, Peer, Reach, TlsPolicy};
use crate::relay::foreign::PeerTerms;
use crate::relay::{Network, Numbering, Routes};

/// Ranges of peers may not be wider than this: they would hold strangers.
const WIDEST: (u8, u8) = (8, 16);

/// `[mm4]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mm4 {
    /// Address and port to listen on, where there are peers.
    pub listen: SocketAddr,
    /// Our name for mail servers; where it is missing, the domain.
    pub host: Option<Domain>,
    /// Our domain, which stands behind our numbers.
    pub domain: Option<Domain>,
    /// Other domains that mean us.
    pub aliases: Vec<Domain>,
    /// The peer for numbers that nobody else has.
    pub default: Option<Spanned<PeerName>>,
    /// Minutes a response is awaited before a request is sent again.
    pub response_minutes: Count,
    /// How often a request is sent at most while no response comes.
    pub sendings: Count,
    /// Hours after its expiry in which a peer that took a message over may still report on it; then
    /// the sender is told that nobody can tell. Zero: he is told nothing.
    pub report_hours: u32,
    /// Connections of peers open at one time.
    pub connections: Count,
    /// Connections of one address open at one time.
    pub connections_per_address: Count,
    /// Certificate chain for STARTTLS, PEM; without one, TLS is not offered.
    pub certificate: Option<Spanned<PathBuf>>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// Authorities that certificates of peers must lead to, PEM; those of the web where it is
    /// missing.
    pub authorities: Option<PathBuf>,
    /// Name servers that are asked where a peer with `mx` takes its mail; those of the system where
    /// there are none here.
    pub name_servers: Vec<SocketAddr>,
    /// The domain below which ENUM (RFC 6116) says to which network a number belongs, such as
    /// `e164enum.net`; where it is missing, the beginning of a number decides.
    #[serde(rename = "enum")]
    pub enum_apex: Option<Domain>,
    /// The peers by name.
    pub peers: BTreeMap<PeerName, Spanned<PeerTable>>,
}

/// `[mm4.peers.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerTable {
    /// Addresses it connects from.
    #[serde(default)]
    pub from: Vec<Spanned<Range>>,
    /// Host and port it is reached at.
    pub host: Option<HostName>,
    /// A domain that says by its MX records which hosts the peer is reached at, in the place of
    /// `host`.
    pub mx: Option<Domain>,
    /// Its domain, which stands behind its numbers.
    pub domain: Domain,
    /// Beginnings of the numbers that it reaches.
    #[serde(default)]
    pub prefixes: Vec<Spanned<Prefix>>,
    /// Networks that it reaches, as 262-01.
    #[serde(default)]
    pub networks: Vec<Spanned<PlmnCode>>,
    /// Whether it gives responses.
    #[serde(default = "yes")]
    pub ack: bool,
    /// Whether connections with it are encrypted.
    #[serde(default)]
    pub tls: Tls,
    /// Messages it gets in a second at most; 0 for no bound.
    #[serde(default)]
    pub per_second: u32,
    /// Connections to it.
    #[serde(default = "two")]
    pub connections: Count,
}

impl PeerTable {
    /// Where it is reached.
    fn reach(&self) -> Option<Reach> {
        let host = self.host.as_ref().map(|host| Reach::Host(host.0.clone()));
        host.or_else(|| Some(Reach::Exchanger(self.mx.as_ref()?.0.clone())))
    }
}

/// `tls` of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Never.
    Off,
    /// Where it can be.
    #[default]
    Opportunistic,
    /// Always.
    Required,
}

const fn yes() -> bool {
    true
}

const fn two() -> Count {
    Count(2)
}

impl Default for Mm4 {
    fn default() -> Self {
        let bounds = Bounds::default();
        let terms = PeerTerms::default();
        let count = |number: usize| Count(u32::try_from(number).unwrap_or(u32::MAX));
        let minutes = terms.response_wait / (60 * SECOND);
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8025)),
            host: None,
            domain: None,
            aliases: Vec::new(),
            default: None,
            response_minutes: Count(u32::try_from(minutes).unwrap_or(u32::MAX)),
            sendings: Count(terms.sendings),
            report_hours: terms.report_wait.map_or(0, |wait| {
                u32::try_from(wait / (3_600 * SECOND)).unwrap_or(u32::MAX)
            }),
            connections: count(bounds.connections),
            connections_per_address: count(bounds.connections_per_address),
            certificate: None,
            key: None,
            authorities: None,
            name_servers: Vec::new(),
            enum_apex: None,
            peers: BTreeMap::new(),
        }
    }
}

/// A mistake, and the octet it is at.
type Mistake = (usize, String);

impl Mm4 {
    /// The certificate that peers are shown, where there is one.
    pub(in crate::server) fn tls(&self) -> Option<super::Tls> {
        Some(super::Tls {
            certificate: self.certificate.as_ref()?.get_ref().clone(),
            key: self.key.clone()?,
        })
    }

    /// Looks for what is wrong between values that are sound by themselves.
    ///
    /// # Errors
    /// The first mistake.
    pub(super) fn check(&self, numbering: &NumberingTable) -> Result<(), Mistake> {
        let Some(first) = self.peers.values().map(|peer| peer.span().start).min() else {
            return match &self.default {
                Some(name) => Err(unknown(name)),
                None => Ok(()),
            };
        };
        if self.domain.is_none() {
            let message = "peers need our domain: say it in mm4.domain";
            return Err((first, message.to_owned()));
        }
        if numbering.local.is_empty() {
            let message = "with peers, numbering.local must say whose numbers are served here: else \
                           every number would be taken for one of ours";
            return Err((first, message.to_owned()));
        }
        if let Some(certificate) = &self.certificate
            && self.key.is_none()
        {
            let message = "the certificate has no key: say it in mm4.key";
            return Err((certificate.span().start, message.to_owned()));
        }
        if let Some(name) = &self.default {
            match self.peers.get(name.get_ref()) {
                None => return Err(unknown(name)),
                Some(peer) if peer.get_ref().reach().is_none() => {
                    let message = format!("{} has no host to send to", name.get_ref().0);
                    return Err((name.span().start, message));
                }
                Some(_) => {}
            }
        }
        let mut prefixes: BTreeMap<&str, &str> = numbering
            .local
            .iter()
            .map(|prefix| (prefix.0.as_str(), "us"))
            .collect();
        let mut networks = BTreeMap::new();
        let mut ranges: Vec<(Network, &str)> = Vec::new();
        for (name, peer) in &self.peers {
            let at = peer.span().start;
            let (name, peer) = (name.0.as_str(), peer.get_ref());
            self.check_peer(at, name, peer)?;
            for prefix in &peer.prefixes {
                let text = prefix.get_ref().0.as_str();
                if let Some(other) = prefixes.insert(text, name) {
                    let message = format!("{text} leads to {other} as well");
                    return Err((prefix.span().start, message));
                }
            }
            for network in &peer.networks {
                let code = network.get_ref().0;
                if let Some(other) = networks.insert(code, name) {
                    let message = format!("{code} leads to {other} as well");
                    return Err((network.span().start, message));
                }
            }
            for range in &peer.from {
                let network = range.get_ref().0;
                if let Some((_, other)) = ranges.iter().find(|(known, _)| *known == network) {
                    let message = format!("{other} comes from there as well");
                    return Err((range.span().start, message));
                }
                ranges.push((network, name));
            }
        }
        Ok(())
    }

    fn check_peer(&self, at: usize, name: &str, peer: &PeerTable) -> Result<(), Mistake> {
        for range in &peer.from {
            let network = range.get_ref().0;
            let (v4, v6) = WIDEST;
            let widest = if network.is_ipv4() { v4 } else { v6 };
            if network.length() < widest {
                let message = format!(
                    "a range of /{} would let strangers in: name the addresses of {name}",
                    network.length()
                );
                return Err((range.span().start, message));
            }
        }
        if self.domains().contains(&peer.domain.0) {
            return Err((at, format!("the domain of {name} is ours")));
        }
        if peer.host.is_some() && peer.mx.is_some() {
            let message = format!("{name} is reached at its host or by its mx, not both");
            return Err((at, message));
        }
        match &peer.reach() {
            None if peer.from.is_empty() => {
                let message = format!("{name} has neither a host nor addresses it comes from");
                Err((at, message))
            }
            None if !peer.prefixes.is_empty() || !peer.networks.is_empty() => {
                Err((at, format!("{name} has no host to send to")))
            }
            _ => Ok(()),
        }
    }

    fn domains(&self) -> Vec<String> {
        self.domain
            .iter()
            .chain(&self.aliases)
            .map(|domain| domain.0.clone())
            .collect()
    }

    /// Our name for mail servers.
    pub(in crate::server) fn host_name(&self) -> String {
        let host = self.host.as_ref().or(self.domain.as_ref());
        host.map_or_else(|| "localhost".to_owned(), |host| host.0.clone())
    }

    /// Below which domain it is asked to which network a number belongs.
    pub(in crate::server) fn enum_apex(&self) -> Option<&str> {
        self.enum_apex.as_ref().map(|apex| apex.0.as_str())
    }

    /// The names of the peers.
    pub(in crate::server) fn names(&self) -> Vec<String> {
        self.peers.keys().map(|name| name.0.clone()).collect()
    }

    /// The ways to peers.
    pub(in crate::server) fn routes(&self) -> Routes {
        let mut routes = Routes {
            default: self.default.as_ref().map(|name| name.get_ref().0.clone()),
            domains: self.domains().into_iter().map(|own| (own, None)).collect(),
            asked: self.enum_apex.is_some(),
            ..Routes::default()
        };
        for (name, peer) in &self.peers {
            if peer.get_ref().reach().is_some() {
                let domain = peer.get_ref().domain.0.clone();
                routes.domains.insert(domain, Some(name.0.clone()));
            }
            for prefix in &peer.get_ref().prefixes {
                let prefix = prefix.get_ref().0.clone();
                routes.prefixes.insert(prefix, name.0.clone());
            }
            for network in &peer.get_ref().networks {
                routes.networks.insert(network.get_ref().0, name.0.clone());
            }
        }
        routes
    }

    /// How peers are dealt with over time.
    pub(in crate::server) fn terms(&self) -> PeerTerms {
        PeerTerms {
            response_wait: self.response_minutes.times(60 * SECOND),
            sendings: self.sendings.0,
            report_wait: match self.report_hours {
                0 => None,
                hours => Some(i64::from(hours).saturating_mul(3_600 * SECOND)),
            },
        }
    }

    /// Who is let in.
    pub(in crate::server) fn gate(&self, numbering: Numbering) -> Gate {
        let peer = |(name, peer): (&PeerName, &Spanned<PeerTable>)| {
            let peer = peer.get_ref();
            Arc::new(Peer {
                name: name.0.clone(),
                from: peer.from.iter().map(|range| range.get_ref().0).collect(),
                host: peer.reach(),
                domain: peer.domain.0.clone(),
                ack: peer.ack,
                tls: match peer.tls {
                    Tls::Off => TlsPolicy::Off,
                    Tls::Opportunistic => TlsPolicy::Opportunistic,
                    Tls::Required => TlsPolicy::Required,
                },
                per_second: peer.per_second,
                connections: peer.connections.0,
            })
        };
        Gate {
            peers: self.peers.iter().map(peer).collect(),
            domains: self.domains(),
            numbering,
            routes: self.routes(),
        }
    }

    /// What peers may ask of us.
    pub(in crate::server) fn bounds(&self, limits: &LimitsTable) -> Bounds {
        let number = |count: Count| usize::try_from(count.0).unwrap_or(usize::MAX);
        let mut bounds = Bounds {
            connections: number(self.connections),
            connections_per_address: number(self.connections_per_address),
            ..Bounds::default()
        };
        // Base64 in lines makes 78 octets of 57, and headers need some.
        let mail = limits.message_bytes.saturating_mul(3) / 2;
        bounds.session.mail_bytes = mail.saturating_add(64 << 10);
        bounds.session.recipients = limits.recipients;
        bounds.mail_bytes = bounds.mail_bytes.max(bounds.session.mail_bytes);
        bounds
    }
}

fn unknown(name: &Spanned<PeerName>) -> Mistake {
    let message = format!("there is no peer {}", name.get_ref().0);
    (name.span().start, message)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use crate::mm4::{Reach, TlsPolicy};
    use crate::relay::Route;
    use crate::relay::route::ASKED;

    const HEAD: &str = "[numbering]\nlocal = [\"+1555\"]\n[mm4]\ndomain = \"us.example\"\n";
    const HUB: &str = "[mm4.peers.hub]\nfrom = [\"192.0.2.1\"]\nhost = \"hub.example\"\n\
                       domain = \"hub.example\"\n";

    fn wrong(text: &str) -> String {
        let error = Config::from_toml(text).unwrap_err();
        assert!(error.place.is_some(), "{text}");
        error.message
    }

    #[test]
    fn without_peers_it_is_off() {
        assert!(Config::default().mm4.peers.is_empty());
        assert!(Config::from_toml("[mm4]\ndomain = \"us.example\"").is_ok());
    }

    #[test]
    fn a_relay_for_strangers_is_refused() {
        let with = |from: &str| format!("{HEAD}{}", HUB.replace("192.0.2.1", from));
        for range in ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/7", "::/0", "2000::/3"] {
            assert!(wrong(&with(range)).contains("strangers"), "{range}");
        }
        assert!(Config::from_toml(&with("10.0.0.0/8")).is_ok());
        assert!(Config::from_toml(&with("2001:db8::/32")).is_ok());
        let open = format!("{HEAD}{HUB}").replace("local = [\"+1555\"]", "");
        assert!(wrong(&open).contains("numbering.local"));
    }

    #[test]
    fn what_does_not_fit_together_is_told_where_it_is() {
        let more = |text: &str| format!("{HEAD}{HUB}{text}");
        let other = "[mm4.peers.far]\ndomain = \"far.example\"\n";
        for (text, why) in [
            (HUB.to_owned(), "mm4.domain"),
            (more(other), "neither a host"),
            (
                more(&format!(
                    "prefixes = [\"+49\"]\n{other}host = \"far.example\"\nprefixes = [\"+49\"]\n"
                )),
                "+49 leads to far as well",
            ),
            (
                more("prefixes = [\"+1555\"]\n"),
                "+1555 leads to us as well",
            ),
            (
                more(&format!("{other}from = [\"192.0.2.1\"]\n")),
                "far comes from there as well",
            ),
            (
                more(&format!(
                    "{other}from = [\"192.0.2.2\"]\nprefixes = [\"+4\"]\n"
                )),
                "far has no host",
            ),
            (
                format!("{HEAD}default = \"nobody\"\n{HUB}"),
                "there is no peer nobody",
            ),
            (
                format!("{HEAD}certificate = \"a.pem\"\n{HUB}"),
                "has no key",
            ),
            (
                more(&format!("{other}host = \"x\"\n")).replace("far.example", "us.example"),
                "is ours",
            ),
            (more("mx = \"hub.example\"\n"), "not both"),
            (more("networks = [\"26\"]\n"), "is no network"),
            (more("tls = \"maybe\"\n"), "unknown variant"),
            (HUB.replace("hub.example\"\n", "hub example\"\n"), "is no "),
            (HUB.replace("peers.hub", "peers.\"h b\""), "is no name"),
        ] {
            let message = wrong(&text);
            assert!(message.contains(why), "{text}: {message}");
        }
    }

    #[test]
    fn a_peer_may_be_reached_where_its_domain_takes_mail() {
        let by_mx = HUB.replace("host =", "mx =");
        let config = Config::from_toml(&format!("{HEAD}{by_mx}")).unwrap();
        let gate = config.mm4.gate(config.terms(String::new()).numbering);
        let host = gate.named("hub").unwrap().host.clone();
        assert_eq!(host, Some(Reach::Exchanger("hub.example".to_owned())));
        assert_eq!(host.unwrap().to_string(), "MX of hub.example");
    }

    #[test]
    fn enum_may_say_to_whom_a_number_belongs() {
        let text = format!("{HEAD}enum = \"e164enum.net\"\n{HUB}prefixes = [\"+44\"]\n");
        let config = Config::from_toml(&text).unwrap();
        let numbering = config.terms(String::new()).numbering;
        let routes = config.mm4.routes();
        let asked = routes.route(&numbering, "+441789000001");
        assert!(matches!(&asked, Route::Foreign(_, peer) if peer == ASKED));
        let ours = routes.route(&numbering, "+15550001111");
        assert!(matches!(ours, Route::Local(_)));
        let Route::Foreign(number, _) = asked else {
            return;
        };
        let of = |domain: &str| routes.of_domain(&number, domain);
        assert!(matches!(of("hub.example"), Some(Route::Foreign(_, peer)) if peer == "hub"));
        assert!(matches!(of("us.example"), Some(Route::Local(_))));
        let name = wrong(&text.replace("e164enum.net", "e164 enum"));
        assert!(name.contains("is no "), "{name}");
    }

    #[test]
    fn a_whole_table_is_read() {
        let text = format!(
            "{HEAD}aliases = [\"mms.mnc001.mcc310.gprs\"]\ndefault = \"hub\"\nsendings = 2\n\
             response_minutes = 5\n{HUB}prefixes = [\"+4417\"]\nnetworks = [\"262-01\"]\n\
             ack = false\ntls = \"required\"\nper_second = 20\nconnections = 4\n"
        );
        let config = Config::from_toml(&text).unwrap();
        let terms = config.mm4.terms();
        assert_eq!((terms.response_wait, terms.sendings), (300_000, 2));
        let relay_terms = config.terms(String::new());
        let gate = config.mm4.gate(relay_terms.numbering.clone());
        assert_eq!(gate.domains, ["us.example", "mms.mnc001.mcc310.gprs"]);
        let peer = gate.peer("192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!((peer.ack, peer.tls), (false, TlsPolicy::Required));
        assert_eq!((peer.per_second, peer.connections), (20, 4));
        let route = |to: &str| config.mm4.routes().route(&relay_terms.numbering, to);
        assert!(matches!(route("+15550001111"), Route::Local(_)));
        assert!(matches!(route("+441789000001"), Route::Foreign(_, peer) if peer == "hub"));
        assert_eq!(config.mm4.host_name(), "us.example");
    }
}

//! Which way a recipient is reached: here, over a peer, or not at all. A pure function of the
//! address and of what the operator wrote down.

use std::collections::BTreeMap;
use std::fmt;

use super::address::Numbering;
use crate::mms::address::{Address, Msisdn};

/// The operator's network behind a number: mobile country code and mobile network code
/// (ITU-T E.212), the latter with three digits, as in `mms.mnc001.mcc262.gprs` (TS 23.003).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Plmn {
    mcc: u16,
    mnc: u16,
}

impl Plmn {
    /// Reads `262-01`, `262-001` or `26201`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mcc, mnc) = match text.split_once('-') {
            Some(parts) => parts,
            None => text.split_at_checked(3)?,
        };
        Self::from_digits(mcc, mnc)
    }

    /// The network that a domain of the form `mms.mncNNN.mccNNN.gprs` or
    /// `mms.mncNNN.mccNNN.3gppnetwork.org` names.
    #[must_use]
    pub fn of_domain(domain: &str) -> Option<Self> {
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        let inner = domain
            .strip_suffix(".gprs")
            .or_else(|| domain.strip_suffix(".3gppnetwork.org"))?;
        let (rest, mcc) = inner.rsplit_once(".mcc")?;
        let mnc = rest.rsplit_once("mnc")?.1;
        Self::from_digits(mcc, mnc)
    }

    fn from_digits(mcc: &str, mnc: &str) -> Option<Self> {
        let plain = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        let sound = mcc.len() == 3 && (2..=3).contains(&mnc.len()) && plain(mcc) && plain(mnc);
        sound.then_some(Self {
            mcc: mcc.parse().ok()?,
            mnc: mnc.parse().ok()?,
        })
    }
}

impl fmt::Display for Plmn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}-{:03}", self.mcc, self.mnc)
    }
}

/// Where a recipient is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A subscriber of ours, by number.
    Local(Msisdn),
    /// A subscriber of somebody else, by number and the name of the peer that reaches him.
    Foreign(Msisdn, String),
    /// Somebody whom nothing here reaches; the sentence says why.
    Nowhere(String),
}

/// The peer of recipients whose network is asked for first. No peer is called so.
pub const ASKED: &str = "*enum";

/// The ways to peers. [`Routes::default`] has none: then everybody is local or nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes {
    /// Name of the peer for numbers that begin so, with `+`.
    pub prefixes: BTreeMap<String, String>,
    /// Name of the peer for a network.
    pub networks: BTreeMap<Plmn, String>,
    /// Name of the peer for everybody else, such as a hub.
    pub default: Option<String>,
    /// Name of the peer behind a domain in small letters; `None` for a domain of ours.
    pub domains: BTreeMap<String, Option<String>>,
    /// Whether it is asked to which network a number belongs that is not one of ours.
    pub asked: bool,
}

/// Why a recipient is reached as he is: what was looked at, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The way that was chosen.
    pub route: Route,
    /// A sentence for each step.
    pub steps: Vec<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        match &self.route {
            Route::Local(number) => write!(f, "{number} is served here"),
            Route::Foreign(number, peer) => write!(f, "{number} is reached over {peer}"),
            Route::Nowhere(why) => f.write_str(why),
        }
    }
}

impl Routes {
    /// Where the owner of an address is. The longest beginning of his number wins, whether it is
    /// one of ours in `numbering` or one of a peer; an address that names his network goes to the
    /// peer of that network.
    #[must_use]
    pub fn route(&self, numbering: &Numbering, address: &str) -> Route {
        self.explain(numbering, address).route
    }

    /// The same with what led to it.
    #[must_use]
    pub fn explain(&self, numbering: &Numbering, address: &str) -> Explanation {
        self.explained(numbering, address, self.asked)
    }

    /// The way without asking to which network a number belongs.
    #[must_use]
    pub fn by_beginning(&self, numbering: &Numbering, address: &str) -> Explanation {
        self.explained(numbering, address, false)
    }

    /// The way to a number that belongs to the MMSC with this domain; `None` where it is no peer's.
    #[must_use]
    pub fn of_domain(&self, number: &Msisdn, domain: &str) -> Option<Route> {
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        match self.domains.get(&domain) {
            Some(None) => return Some(Route::Local(number.clone())),
            Some(Some(peer)) => return Some(Route::Foreign(number.clone(), peer.clone())),
            None => {}
        }
        let peer = self.networks.get(&Plmn::of_domain(&domain)?)?;
        Some(Route::Foreign(number.clone(), peer.clone()))
    }

    fn explained(&self, numbering: &Numbering, address: &str, asked: bool) -> Explanation {
        let mut steps = Vec::new();
        let (address, network) = split_network(address);
        let number = match numbering.number(address) {
            Ok(number) => number,
            Err(why) => {
                let route = Route::Nowhere(why);
                return Explanation { route, steps };
            }
        };
        steps.push(format!("{address} is the number {number}"));
        if let Some(network) = network {
            if let Some(peer) = self.networks.get(&network) {
                steps.push(format!("its address names network {network}, of {peer}"));
                let route = Route::Foreign(number, peer.clone());
                return Explanation { route, steps };
            }
            steps.push(format!("no peer has network {network}"));
        }
        let local = numbering.local_prefix(&number);
        let peer = self
            .prefixes
            .iter()
            .filter(|(prefix, _)| number.as_str().starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len());
        if let Some(prefix) = local {
            steps.push(match prefix {
                "" => "all numbers that no peer has are served here".to_owned(),
                prefix => format!("{prefix} is served here"),
            });
        }
        if let Some((prefix, peer)) = peer {
            steps.push(format!("{prefix} is reached over {peer}"));
        }
        let ours = match (local, peer) {
            (Some(ours), Some((theirs, _))) => theirs.len() <= ours.len(),
            (ours, _) => ours.is_some(),
        };
        if asked && !ours {
            steps.push("ENUM is asked for its network before it is sent on".to_owned());
            let route = Route::Foreign(number, ASKED.to_owned());
            return Explanation { route, steps };
        }
        let route = match (local, peer) {
            (Some(ours), Some((theirs, peer))) if theirs.len() > ours.len() => {
                Route::Foreign(number, peer.clone())
            }
            (Some(_), _) => Route::Local(number),
            (None, Some((_, peer))) => Route::Foreign(number, peer.clone()),
            (None, None) => match &self.default {
                Some(peer) => {
                    steps.push(format!("everybody else is reached over {peer}"));
                    Route::Foreign(number, peer.clone())
                }
                None => Route::Nowhere(format!("{number} belongs to another network")),
            },
        };
        Explanation { route, steps }
    }
}

/// A number without the domain of a network behind it, and that network.
fn split_network(address: &str) -> (&str, Option<Plmn>) {
    match Address::split_domain(address) {
        (local, Some(domain)) => match Plmn::of_domain(domain) {
            Some(network) => (local, Some(network)),
            None => (address, None),
        },
        _ => (address, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbering() -> Numbering {
        Numbering {
            country: Some("49".to_owned()),
            local: vec!["+4917".to_owned()],
        }
    }

    fn routes() -> Routes {
        let peers = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect()
        };
        Routes {
            prefixes: peers(&[("+49", "rival"), ("+49171", "ported"), ("+972", "far")]),
            networks: [(Plmn::parse("425-02").unwrap(), "cell".to_owned())].into(),
            domains: [
                ("mms.us.example".to_owned(), None),
                ("mms.far.example".to_owned(), Some("far".to_owned())),
            ]
            .into(),
            ..Routes::default()
        }
    }

    fn route(text: &str) -> String {
        match routes().route(&numbering(), text) {
            Route::Local(number) => format!("local {number}"),
            Route::Foreign(number, peer) => format!("{peer} {number}"),
            Route::Nowhere(why) => why,
        }
    }

    #[test]
    fn the_longest_beginning_wins_whoever_has_it() {
        for (text, want) in [
            ("0170 1234567", "local +491701234567"),
            ("+491711234567/TYPE=PLMN", "ported +491711234567"),
            ("0151 1234567", "rival +491511234567"),
            ("+972555000001", "far +972555000001"),
            (
                "+972555000001/TYPE=PLMN@mms.mnc002.mcc425.gprs",
                "cell +972555000001",
            ),
            ("+441632960001", "+441632960001 belongs to another network"),
            ("a@b.example", "e-mail addresses are not served here"),
        ] {
            assert_eq!(route(text), want, "{text}");
        }
        let hub = Routes {
            default: Some("hub".to_owned()),
            ..routes()
        };
        let far = hub.route(&numbering(), "+441632960001");
        assert!(matches!(far, Route::Foreign(_, peer) if peer == "hub"));
    }

    #[test]
    fn without_peers_and_prefixes_everybody_is_ours() {
        let open = Numbering::default();
        let none = Routes::default();
        assert!(matches!(
            none.route(&open, "+441632960001"),
            Route::Local(_)
        ));
        let one = routes().route(&open, "+972555000001");
        assert!(matches!(one, Route::Foreign(..)));
    }

    #[test]
    fn a_network_is_read_from_what_operators_write() {
        let one = Plmn::parse("262-01").unwrap();
        for text in ["262-001", "26201", "262001"] {
            assert_eq!(Plmn::parse(text), Some(one), "{text}");
        }
        for domain in [
            "mms.mnc001.mcc262.gprs",
            "MMS.MNC001.MCC262.gprs.",
            "mms.mnc001.mcc262.3gppnetwork.org",
        ] {
            assert_eq!(Plmn::of_domain(domain), Some(one), "{domain}");
        }
        for text in ["", "262", "262-1", "abc-01", "2620-01"] {
            assert_eq!(Plmn::parse(text), None, "{text}");
        }
        assert_eq!(Plmn::of_domain("example.com"), None);
        assert_eq!(one.to_string(), "262-001");
    }

    #[test]
    fn a_way_is_explained_step_by_step() {
        let text = routes().explain(&numbering(), "+491711234567").to_string();
        for step in [
            "+4917 is served here",
            "+49171 is reached over ported",
            "+491711234567 is reached over ported",
        ] {
            assert!(text.contains(step), "{text}");
        }
    }

    #[test]
    fn a_network_that_is_asked_for_is_not_guessed() {
        let asked = Routes {
            asked: true,
            ..routes()
        };
        let route = |text: &str| match asked.route(&numbering(), text) {
            Route::Foreign(_, peer) => peer,
            other => format!("{other:?}"),
        };
        for text in ["+491711234567", "+972555000001", "+441632960001"] {
            assert_eq!(route(text), ASKED, "{text}");
        }
        assert_eq!(
            route("+972555000001/TYPE=PLMN@mms.mnc002.mcc425.gprs"),
            "cell",
            "its sender named it"
        );
        assert!(matches!(
            asked.route(&numbering(), "0170 1234567"),
            Route::Local(_)
        ));
        let far = asked.by_beginning(&numbering(), "+972555000001").route;
        assert!(matches!(far, Route::Foreign(_, peer) if peer == "far"));
        let number = Msisdn::parse("+491711234567").unwrap();
        let of = |domain: &str| asked.of_domain(&number, domain);
        assert_eq!(of("MMS.us.example."), Some(Route::Local(number.clone())));
        let far = Route::Foreign(number.clone(), "far".to_owned());
        assert_eq!(of("mms.far.example"), Some(far));
        let cell = Route::Foreign(number.clone(), "cell".to_owned());
        assert_eq!(of("mms.mnc002.mcc425.3gppnetwork.org"), Some(cell));
        assert_eq!(of("nobody.example"), None);
    }
}

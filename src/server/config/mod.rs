//! The configuration: TOML, every key optional, unknown keys refused. Each value is checked when
//! it is read, so that a mistake is reported with its line and column.

mod mm4;
mod notify;
mod operation;
mod source;
mod store;
mod values;

pub use mm4::{Mm4, PeerTable};
pub use notify::{
    Bind, CaFile, Carry, Characters, Encoding, HostPort, HttpTable, KannelTable, Kind, LogTable,
    Method, Notify, PapTable, Patience, Secret, SmppTable, Url,
};
pub use operation::{
    AdaptTable, Admin, AdminRole, AdminToken, Cdr, CdrFormat, Log, LogFormat, LogLevel, LogNumbers,
    MediaTable, PluginTable, Tls,
};
pub use source::{Difference, Source};
pub use store::{BucketUrl, DatabaseUrl, StoreTable};
pub use values::{
    BaseUrl, CommandLine, Count, Country, DeviceId, Domain, Hash, HeaderName, HostName, Label,
    Number, PeerName, PlmnCode, Prefix, Range, Token,
};

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::mm1::{Bounds, Identity};
use crate::relay::{Numbering, Policy, Rate, Retry, Terms};
use crate::store::Millis;

/// What an operator configures. [`Config::default`] is a service centre to try out: it listens on
/// loopback only, keeps its store in `remold-data`, and prints its pushes.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where messages are kept.
    pub store: StoreTable,
    /// The interface to phones.
    pub mm1: Mm1,
    /// The interface to peers.
    #[serde(skip_serializing)]
    pub mm4: Mm4,
    /// The interface to operators.
    pub admin: Admin,
    /// Adapting for others.
    pub adapt: AdaptTable,
    /// What the built-in codecs are given.
    pub media: MediaTable,
    /// Codecs from others.
    pub plugins: PluginTable,
    /// What is written about what happens.
    pub log: Log,
    /// What is written for those who charge.
    pub cdr: Cdr,
    /// How subscribers are recognised.
    pub identity: IdentityTable,
    /// Whose numbers are served here.
    pub numbering: NumberingTable,
    /// Bounds on what is accepted.
    pub limits: LimitsTable,
    /// How long things take and are kept.
    pub delivery: Delivery,
    /// Who may send, to whom, and how much.
    pub policy: PolicyTable,
    /// Messages that subscribers keep on the server.
    pub mbox: MboxTable,
    /// What is assumed of devices that say nothing.
    pub device: DeviceTable,
    /// Where pushes go.
    #[serde(skip_serializing)]
    pub notify: Notify,
    /// What all of it was made of.
    #[serde(skip)]
    pub source: Source,
}

/// `[mm1]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mm1 {
    /// Address and port to listen on.
    pub listen: Spanned<SocketAddr>,
    /// The beginning of retrieval URLs, as phones reach it; where it is missing, `listen`.
    pub url: Option<BaseUrl>,
    /// Connections open at one time.
    pub connections: Count,
    /// Connections open at one time from one address that is no gateway.
    pub connections_each: Count,
    /// Seconds to send the head of a request.
    pub header_seconds: Count,
    /// Seconds to send the body of a request.
    pub body_seconds: Count,
    /// Seconds without an octet, after which a connection is closed; at least the 30 that adapting
    /// may take.
    pub idle_seconds: Spanned<Count>,
    /// Certificate and key; without them the port speaks plain HTTP.
    pub tls: Option<Tls>,
}

/// `[identity]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityTable {
    /// The header in which gateways name the subscriber.
    pub header: HeaderName,
    /// Addresses of the gateways whose header is believed.
    pub gateways: Vec<Range>,
    /// Subscribers by the address of their device.
    pub addresses: BTreeMap<IpAddr, Number>,
    /// Subscribers by the token they post to, as `/u/TOKEN`.
    pub tokens: BTreeMap<Token, Number>,
}

/// `[numbering]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct NumberingTable {
    /// Country code, for recipients in national form.
    pub country: Option<Country>,
    /// Beginnings of the numbers that are served here; none for all.
    pub local: Vec<Prefix>,
}

/// `[limits]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsTable {
    /// Octets of a message.
    pub message_bytes: usize,
    /// Recipients of a message.
    pub recipients: usize,
}

/// `[delivery]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Hours a message waits whose sender does not say.
    pub expiry_hours: Count,
    /// Hours a message waits at most.
    pub longest_expiry_hours: Count,
    /// Seconds before the first repetition of a notification or report.
    pub retry_first_seconds: Count,
    /// Seconds between repetitions at most.
    pub retry_longest_seconds: Count,
    /// Notifications and reports that are tried at most.
    pub retry_attempts: Count,
    /// Minutes the content of a message is kept after its last recipient is done.
    pub keep_content_minutes: Count,
    /// Days that what happened to a message is kept after that.
    pub keep_trace_days: Count,
    /// Minutes that it is kept, where days are too long. A repeated submission is not known for one
    /// any longer than that.
    pub keep_trace_minutes: Option<Count>,
}

/// `[policy]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyTable {
    /// Beginnings of numbers that neither send nor are sent to.
    pub blocked: Vec<Prefix>,
    /// Beginnings of the numbers that may send; none for all.
    pub allowed: Vec<Prefix>,
    /// Messages of one subscriber in a minute, each counted once for every recipient; where it is
    /// missing, there is no bound.
    pub messages_per_minute: Option<Count>,
    /// Messages of one subscriber at once, after a pause; where it is missing, as many as in a
    /// minute.
    pub burst: Option<Count>,
}

/// `[mbox]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MboxTable {
    /// Messages in the box of one subscriber; 0 where there are no boxes.
    pub messages: u32,
    /// Octets in the box of one subscriber.
    pub bytes: u64,
}

/// `[device]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceTable {
    /// Class or device that is assumed where a phone says nothing.
    pub default: DeviceId,
}

impl Default for Mm1 {
    fn default() -> Self {
        let Bounds {
            connections,
            connections_each,
            header_timeout,
            idle_timeout,
            body_timeout,
            ..
        } = Bounds::default();
        let seconds = |time: Duration| Count(u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        Self {
            listen: Spanned::new(0..0, SocketAddr::from(([127, 0, 0, 1], 8002))),
            url: None,
            connections: Count(u32::try_from(connections).unwrap_or(u32::MAX)),
            connections_each: Count(u32::try_from(connections_each).unwrap_or(u32::MAX)),
            header_seconds: seconds(header_timeout),
            body_seconds: seconds(body_timeout),
            idle_seconds: Spanned::new(0..0, seconds(idle_timeout)),
            tls: None,
        }
    }
}

impl Default for IdentityTable {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1"];
        let gateways = loopback.iter().filter_map(|range| range.parse().ok());
        Self {
            header: HeaderName("x-wap-network-client-msisdn".to_owned()),
            gateways: gateways.map(Range).collect(),
            addresses: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }
    }
}

impl Default for LimitsTable {
    fn default() -> Self {
        let Terms {
            message_bytes,
            recipients,
            ..
        } = Terms::default();
        Self {
            message_bytes,
            recipients,
        }
    }
}

impl Default for MboxTable {
    fn default() -> Self {
        let Terms {
            box_messages,
            box_bytes,
            ..
        } = Terms::default();
        Self {
            messages: u32::try_from(box_messages).unwrap_or(u32::MAX),
            bytes: box_bytes,
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        let terms = Terms::default();
        let count = |time: Millis, unit: Millis| {
            Count(u32::try_from(time.checked_div(unit).unwrap_or(0)).unwrap_or(u32::MAX))
        };
        Self {
            expiry_hours: count(terms.expiry, HOUR),
            longest_expiry_hours: count(terms.longest_expiry, HOUR),
            retry_first_seconds: count(terms.retry.first, SECOND),
            retry_longest_seconds: count(terms.retry.longest, SECOND),
            retry_attempts: Count(terms.retry.attempts),
            keep_content_minutes: count(terms.keep_body, 60 * SECOND),
            keep_trace_days: count(terms.keep_trace, 24 * HOUR),
            keep_trace_minutes: None,
        }
    }
}

/// Seconds that adapting a message takes at most.
const LONGEST_ADAPTATION: u32 = 30;
const SECOND: Millis = 1_000;
const HOUR: Millis = 3_600 * SECOND;

impl PolicyTable {
    fn policy(&self) -> Policy {
        let prefixes = |list: &[Prefix]| list.iter().map(|prefix| prefix.0.clone()).collect();
        Policy {
            blocked: prefixes(&self.blocked),
            allowed: prefixes(&self.allowed),
            rate: self.messages_per_minute.map(|per_minute| Rate {
                per_minute: per_minute.0,
                burst: self.burst.unwrap_or(per_minute).0,
            }),
        }
    }
}

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// Line and column, from 1, where they are known.
    pub place: Option<(usize, usize)>,
    /// What is wrong, on one line.
    pub message: String,
}

impl ConfigError {
    /// The same, of a text that nobody wrote.
    fn placeless(self) -> Self {
        Self {
            place: None,
            ..self
        }
    }
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::from_parts(text, [])
    }

    /// Reads a configuration file, and lays the variables of this process over it.
    ///
    /// # Errors
    /// Where it cannot be read, and its first mistake.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            place: None,
            message: error.to_string(),
        })?;
        let mut config = Self::from_parts(&text, std::env::vars())?;
        config.source.path = Some(path.to_owned());
        Ok(config)
    }

    /// What the variables of this process make of the defaults.
    ///
    /// # Errors
    /// The first mistake in them.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_parts("", std::env::vars())
    }

    /// Each value by itself.
    fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError {
            place: error.span().map(|span| place(text, span.start)),
            message: error.message().replace('\n', " "),
        })
    }

    /// What values must be to each other. `text` is where they were written, if they were.
    fn check(&self, text: Option<&str>) -> Result<(), ConfigError> {
        let wrong = |start: usize, message: &str| {
            Err(ConfigError {
                place: text.map(|text| place(text, start)),
                message: message.to_owned(),
            })
        };
        let spot = |at: Option<usize>, message: String| ConfigError {
            place: at.zip(text).map(|(at, text)| place(text, at)),
            message,
        };
        self.mm4
            .check(&self.numbering)
            .map_err(|(at, message)| spot(Some(at), message))?;
        self.store
            .check()
            .map_err(|(at, message)| spot(Some(at), message))?;
        self.notify
            .chosen()
            .map_err(|(at, message)| spot(at, message))?;
        let listen = &self.mm1.listen;
        if self.mm1.url.is_none() && listen.get_ref().ip().is_unspecified() {
            let message = "phones cannot fetch from this address: say in mm1.url what they reach";
            return wrong(listen.span().start, message);
        }
        let idle = &self.mm1.idle_seconds;
        if idle.get_ref().0 < LONGEST_ADAPTATION {
            let message = "adapting may take 30 seconds, in which no octet goes over the line: \
                           say 30 or more";
            return wrong(idle.span().start, message);
        }
        for listen in [Some(&self.admin.listen), self.adapt.listen.as_ref()] {
            if let Some(listen) = listen
                && !listen.get_ref().ip().is_loopback()
                && self.admin.tokens.is_empty()
            {
                let message = "others can reach this address: make a token with remold config \
                               token and put it under [[admin.tokens]]";
                return wrong(listen.span().start, message);
            }
        }
        Ok(())
    }

    /// What the relay is told; `base_url` is where phones fetch from.
    pub(super) fn terms(&self, base_url: String) -> Terms {
        let delivery = &self.delivery;
        Terms {
            base_url,
            numbering: Numbering {
                country: self.numbering.country.as_ref().map(|c| c.0.clone()),
                local: self.numbering.local.iter().map(|p| p.0.clone()).collect(),
            },
            message_bytes: self.limits.message_bytes,
            recipients: self.limits.recipients,
            expiry: delivery.expiry_hours.times(HOUR),
            longest_expiry: delivery.longest_expiry_hours.times(HOUR),
            retry: Retry {
                first: delivery.retry_first_seconds.times(SECOND),
                longest: delivery.retry_longest_seconds.times(SECOND),
                attempts: delivery.retry_attempts.0,
            },
            keep_body: delivery.keep_content_minutes.times(60 * SECOND),
            keep_trace: delivery.keep_trace_minutes.map_or_else(
                || delivery.keep_trace_days.times(24 * HOUR),
                |minutes| minutes.times(60 * SECOND),
            ),
            policy: self.policy.policy(),
            box_messages: u64::from(self.mbox.messages),
            box_bytes: self.mbox.bytes,
            ..Terms::default()
        }
    }

    /// How subscribers are recognised.
    pub(super) fn identity(&self) -> Identity {
        let table = &self.identity;
        let mut identity = Identity::default();
        identity.header.clone_from(&table.header.0);
        identity.gateways = table.gateways.iter().map(|range| range.0).collect();
        for (address, number) in &table.addresses {
            let address = address.to_canonical();
            identity.addresses.insert(address, number.0.clone());
        }
        for (token, number) in &table.tokens {
            identity.add_token(&token.0, number.0.clone());
        }
        identity
    }

    /// What strangers may ask of the interface to phones.
    pub(super) fn bounds(&self) -> Bounds {
        let seconds = |count: Count| Duration::from_secs(u64::from(count.0));
        Bounds {
            connections: usize::try_from(self.mm1.connections.0).unwrap_or(usize::MAX),
            connections_each: usize::try_from(self.mm1.connections_each.0).unwrap_or(usize::MAX),
            header_timeout: seconds(self.mm1.header_seconds),
            idle_timeout: seconds(*self.mm1.idle_seconds.get_ref()),
            body_timeout: seconds(self.mm1.body_seconds),
            ..Bounds::default()
        }
    }
}

/// Line and column of an octet, from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let last = before.rsplit('\n').next().unwrap_or("");
    (line, last.chars().count().saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> (Option<(usize, usize)>, String) {
        let error = Config::from_toml(text).unwrap_err();
        (error.place, error.message)
    }

    #[test]
    fn nothing_at_all_is_a_configuration_for_loopback() {
        let config = Config::from_toml("").unwrap();
        assert!(config.mm1.listen.get_ref().ip().is_loopback());
        assert!(config.admin.listen.get_ref().ip().is_loopback());
        let terms = config.terms("http://a.example".to_owned());
        let want = Terms {
            base_url: terms.base_url.clone(),
            ..Terms::default()
        };
        assert_eq!(terms, want, "the file and the code have the same defaults");
        assert_eq!(config.bounds(), Bounds::default());
    }

    #[test]
    fn a_mistake_is_found_where_it_is() {
        assert_eq!(wrong("[mm1]\nlisten = \"nowhere\"").0, Some((2, 10)));
        let (place, message) = wrong("[mm1]\nurl = \"http://a\"\nlisten_on = 1\n");
        assert_eq!(place, Some((3, 1)));
        assert!(message.contains("unknown field `listen_on`"), "{message}");
        for (text, line, column) in [
            (
                "[identity]\ngateways = [\"10.0.0.0/8\", \"10.0.0.0/99\"]",
                2,
                12,
            ),
            ("[numbering]\nlocal = [\"4917\"]", 2, 9),
            ("[device]\n\n  default = \"no-such-phone\"", 3, 13),
            ("[delivery]\nexpiry_hours = 0", 2, 16),
            ("[mm1]\nurl = \"ftp://a\"", 2, 7),
            ("[mm1]\nlisten = \"0.0.0.0:80\"", 2, 10),
            ("[notify]\ncommand = []", 2, 11),
            ("[store\n", 1, 7),
            ("[mm1]\nidle_seconds = 29", 2, 16),
            ("[admin]\nlisten = \"0.0.0.0:80\"", 2, 10),
            ("[adapt]\nlisten = \"192.0.2.1:80\"", 2, 10),
            (
                "[[admin.tokens]]\nname=\"a\"\nrole=\"viewer\"\nsha256 = \"ab\"",
                4,
                10,
            ),
        ] {
            assert_eq!(
                wrong(text).0,
                Some((line, column)),
                "{text}: {}",
                wrong(text).1
            );
        }
        let token = "[identity.tokens]\nshort = \"+15550001111\"";
        assert!(wrong(token).1.contains("at least 16"));
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let config = Config::from_toml(
            r#"
            [store]
            folder = "/var/lib/remold"
            [mm1]
            listen = "0.0.0.0:80"
            url = "http://mms.example.com/"
            [identity]
            header = "X-MSISDN"
            gateways = ["10.0.0.0/8"]
            addresses = { "192.0.2.1" = "+15550001111" }
            tokens = { "0123456789abcdef" = "+15550001112" }
            [numbering]
            country = "49"
            local = ["+4917"]
            [policy]
            blocked = ["+1900"]
            messages_per_minute = 30
            [mbox]
            messages = 0
            [delivery]
            retry_first_seconds = 5
            [notify]
            command = ["/usr/local/bin/push", "--now"]
            "#,
        )
        .unwrap();
        assert_eq!(
            config.mm1.url.as_ref().unwrap().as_str(),
            "http://mms.example.com"
        );
        let terms = config.terms(String::new());
        assert_eq!(terms.retry.first, 5_000);
        let rate = terms.policy.rate.unwrap();
        assert_eq!((rate.per_minute, rate.burst), (30, 30));
        assert_eq!((terms.policy.blocked.len(), terms.box_messages), (1, 0));
        assert_eq!(terms.numbering.country.as_deref(), Some("49"));
        assert_eq!(config.identity().header, "x-msisdn");
        assert_eq!(config.notify.command.unwrap().as_slice().len(), 2);
    }
}

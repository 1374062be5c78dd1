//! `[notify]`: who carries pushes to phones. `kind` chooses; each kind has a table of its own, so
//! that an operator can keep several and switch.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::values::{CommandLine, Count};
use crate::server::notify::Authorities;

/// Characters of a password in a bind (SMPP 3.4 section 5.2.2).
const SMPP_PASSWORD: usize = 8;

/// `[notify]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notify {
    /// Which of the tables below counts. Where it is missing, the only one that is there; where
    /// there is none, `log`.
    pub kind: Option<Spanned<Kind>>,
    /// A program and its arguments, run for each push.
    pub command: Option<CommandLine>,
    /// Pushes are printed.
    pub log: Option<LogTable>,
    /// Pushes go to Kannel's smsbox.
    pub kannel: Option<KannelTable>,
    /// Pushes go to a push proxy gateway.
    pub pap: Option<PapTable>,
    /// Pushes are posted to a program of the operator.
    pub http: Option<HttpTable>,
    /// Pushes go to a short message service centre.
    pub smpp: Option<SmppTable>,
}

/// Who carries pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Stdout.
    Log,
    /// A program.
    Command,
    /// Kannel's smsbox, by its sendsms interface.
    Kannel,
    /// A push proxy gateway, by the Push Access Protocol (WAP-164).
    Pap,
    /// A program of the operator that is posted JSON.
    Http,
    /// A short message service centre, by SMPP 3.4.
    Smpp,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Command => "command",
            Self::Kannel => "kannel",
            Self::Pap => "pap",
            Self::Http => "http",
            Self::Smpp => "smpp",
        }
    }
}

impl Notify {
    /// Who carries pushes by this configuration.
    ///
    /// # Errors
    /// The offset of the mistake, where it is known, and what it is: a kind without its table, or
    /// several tables without a kind, or a password that SMPP has no room for.
    pub fn chosen(&self) -> Result<Kind, (Option<usize>, String)> {
        let tables = [
            (Kind::Command, self.command.is_some()),
            (Kind::Log, self.log.is_some()),
            (Kind::Kannel, self.kannel.is_some()),
            (Kind::Pap, self.pap.is_some()),
            (Kind::Http, self.http.is_some()),
            (Kind::Smpp, self.smpp.is_some()),
        ];
        if let Some(password) = self.smpp.as_ref().map(|smpp| &smpp.password)
            && password.get_ref().0.len() > SMPP_PASSWORD
        {
            let message = format!("an SMPP password has at most {SMPP_PASSWORD} characters");
            return Err((Some(password.span().start), message));
        }
        let mut there = tables.iter().filter(|table| table.1).map(|table| table.0);
        let (first, second) = (there.next(), there.next());
        match (&self.kind, first, second) {
            (Some(kind), ..) => {
                let chosen = *kind.get_ref();
                // Printing needs no settings.
                if chosen == Kind::Log || tables.contains(&(chosen, true)) {
                    return Ok(chosen);
                }
                let name = chosen.name();
                let message = match chosen {
                    Kind::Command => "there is no notify.command".to_owned(),
                    _ => format!("there is no table [notify.{name}]"),
                };
                Err((Some(kind.span().start), message))
            }
            (None, None, _) => Ok(Kind::Log),
            (None, Some(only), None) => Ok(only),
            (None, Some(one), Some(other)) => {
                let (one, other) = (one.name(), other.name());
                let message = format!("notify.kind must choose between {one} and {other}");
                Err((None, message))
            }
        }
    }
}

/// `[notify.log]`
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogTable {
    /// Whether numbers are printed in full, and the octets of the push with them: they hold the
    /// sender's number. Otherwise all but the last two digits are masked.
    pub full: bool,
}

/// `[notify.kannel]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KannelTable {
    /// The sendsms service, such as `http://127.0.0.1:13013/cgi-bin/sendsms`.
    pub url: Url,
    /// Name of the sendsms-user.
    pub username: String,
    /// Password of the sendsms-user.
    pub password: Secret,
    /// The sender of the short messages; where it is missing, Kannel's default.
    pub sender: Option<String>,
    /// Id of the service centre that Kannel is to use.
    pub smsc: Option<String>,
    /// Which delivery reports Kannel asks for, as a sum of its `dlr-mask`.
    pub dlr_mask: Option<u8>,
    /// Where Kannel sends delivery reports to.
    pub dlr_url: Option<String>,
    /// GET or POST.
    #[serde(default)]
    pub method: Method,
    /// Certificates of the authorities that vouch for the gateway, beside those of the web.
    #[serde(default)]
    pub ca_file: Option<CaFile>,
    /// Seconds for one push.
    #[serde(default)]
    pub timeout_seconds: Patience,
}

/// How Kannel is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The push in the URL.
    #[default]
    Get,
    /// The push as the body, the rest in headers.
    Post,
}

/// `[notify.pap]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PapTable {
    /// The push service, such as `http://ppg.example.net:8080/wappush`.
    pub url: Url,
    /// What stands behind the `@` of an address.
    #[serde(default = "ppg")]
    pub ppg: String,
    /// User for HTTP Basic, where the gateway asks for one.
    pub username: Option<String>,
    /// Password for HTTP Basic.
    pub password: Option<Secret>,
    /// Whether the gateway is told that the push must go by short message on GSM. Kannel needs it.
    #[serde(default = "yes")]
    pub sms_only: bool,
    /// Certificates of the authorities that vouch for the gateway, beside those of the web.
    #[serde(default)]
    pub ca_file: Option<CaFile>,
    /// Seconds for one push.
    #[serde(default)]
    pub timeout_seconds: Patience,
}

/// `[notify.http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTable {
    /// Where pushes are posted to.
    pub url: Url,
    /// How the octets of the push are written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// Key of the HMAC-SHA-256 in `X-Remold-Signature`.
    pub hmac_key: Option<Secret>,
    /// Certificates of the authorities that vouch for the program, beside those of the web.
    #[serde(default)]
    pub ca_file: Option<CaFile>,
    /// Seconds for one push.
    #[serde(default)]
    pub timeout_seconds: Patience,
}

/// How octets are written in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Two digits an octet.
    #[default]
    Hex,
    /// Base64 with padding (RFC 4648 section 4).
    Base64,
}

/// `[notify.smpp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmppTable {
    /// Host and port of the service centre.
    pub address: HostPort,
    /// system_id of the bind: at most 15 characters.
    pub system_id: Characters<15>,
    /// password of the bind: at most 8 characters.
    pub password: Spanned<Secret>,
    /// system_type of the bind: at most 12 characters.
    #[serde(default)]
    pub system_type: Characters<12>,
    /// Whether anything comes back on the same connection, such as receipts.
    #[serde(default)]
    pub bind: Bind,
    /// The sender of the short messages: a number, a short code or a name of at most 11
    /// characters; empty for the service centre's default.
    #[serde(default)]
    pub source: Characters<20>,
    /// Type of the sender's number; where it is missing, it follows from `source`.
    pub source_ton: Option<u8>,
    /// Numbering plan of the sender's number; where it is missing, it follows from `source`.
    pub source_npi: Option<u8>,
    /// Type of the recipients' numbers, which are sent without `+`.
    #[serde(default = "one")]
    pub destination_ton: u8,
    /// Numbering plan of the recipients' numbers.
    #[serde(default = "one")]
    pub destination_npi: u8,
    /// service_type: at most 5 characters. Some service centres want `WAP`.
    #[serde(default)]
    pub service_type: Characters<5>,
    /// data_coding: 4 for octets, or 245 for octets of class 1.
    #[serde(default = "octets")]
    pub data_coding: u8,
    /// Where the push goes.
    #[serde(default)]
    pub carry: Carry,
    /// Whether the service centre is asked to say what became of a short message.
    #[serde(default)]
    pub receipts: bool,
    /// Short messages under way without an answer.
    #[serde(default = "ten")]
    pub window: Count,
    /// Short messages a second at most; where it is missing, as many as the service centre takes.
    pub per_second: Option<Count>,
    /// Seconds of silence after which the connection is tried with enquire_link.
    #[serde(default = "thirty")]
    pub enquire_seconds: Count,
    /// Seconds for the answer to a request, and to connect.
    #[serde(default)]
    pub timeout_seconds: Patience,
    /// Whether the connection is TLS.
    #[serde(default)]
    pub tls: bool,
    /// Certificates of the authorities that vouch for the service centre, beside those of the web.
    #[serde(default)]
    pub ca_file: Option<CaFile>,
}

/// How the connection is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bind {
    /// Both ways.
    #[default]
    Transceiver,
    /// Towards the service centre alone.
    Transmitter,
}

/// What holds the push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carry {
    /// short_message with a user data header, one PDU for each segment.
    #[default]
    ShortMessage,
    /// The parameter message_payload with the ports beside it; the service centre cuts it.
    MessagePayload,
}

const fn one() -> u8 {
    1
}

const fn octets() -> u8 {
    4
}

const fn yes() -> bool {
    true
}

const fn ten() -> Count {
    Count(10)
}

const fn thirty() -> Count {
    Count(30)
}

fn ppg() -> String {
    "ppg".to_owned()
}

impl Count {
    /// As seconds.
    pub(in crate::server) fn seconds(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

/// Seconds that one request to a gateway may take: 1 to 20, because a thread waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience(u32);

impl Patience {
    /// The longest, in seconds.
    pub const LONGEST: u32 = 20;

    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self(10)
    }
}

impl<'de> Deserialize<'de> for Patience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = u32::deserialize(deserializer)?;
        if !(1..=Self::LONGEST).contains(&seconds) {
            let most = Self::LONGEST;
            return Err(D::Error::custom(format!(
                "{seconds} is not between 1 and {most} seconds"
            )));
        }
        Ok(Self(seconds))
    }
}

/// An `http` or `https` URL of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is `https`.
    pub tls: bool,
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Host and port as in the URL.
    pub authority: String,
    /// Path and query, at least `/`.
    pub path: String,
}

impl std::str::FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no URL such as http://127.0.0.1:13013/cgi-bin/sendsms");
        let uri: hyper::Uri = text.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err("passwords do not belong in a URL".to_owned());
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            tls,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_string(),
            path: path.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl<'de> Deserialize<'de> for HostPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let authority = text.parse::<hyper::http::uri::Authority>().ok();
        authority
            .filter(|authority| !text.contains('@') && !authority.host().is_empty())
            .and_then(|authority| {
                Some(Self {
                    host: authority.host().trim_matches(['[', ']']).to_owned(),
                    port: authority.port_u16()?,
                })
            })
            .ok_or_else(|| {
                D::Error::custom(format!(
                    "{text:?} is no host and port such as smsc.example.net:2775"
                ))
            })
    }
}

/// ASCII text of at most so many characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Characters<const MOST: usize>(String);

impl<const MOST: usize> Characters<MOST> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Characters<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let plain = text.bytes().all(|octet| matches!(octet, 0x20..=0x7E));
        if !plain || text.len() > MOST {
            return Err(D::Error::custom(format!(
                "{text:?} is not at most {MOST} ASCII characters"
            )));
        }
        Ok(Self(text))
    }
}

/// A secret: as text, `{ file = "…" }` or `{ env = "…" }`. The line break at the end of a file
/// does not belong to it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn checked<E: Error>(text: &str, from: &str) -> Result<Self, E> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(E::custom(format!(
                "{from} is empty or holds control characters"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret, { file = \"…\" } or { env = \"…\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Secret::checked(text, "the secret")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let expected = || A::Error::custom("a secret has one key, file or env");
        let (source, name): (String, String) = map.next_entry()?.ok_or_else(expected)?;
        if map.next_key::<String>()?.is_some() {
            return Err(expected());
        }
        let read = match source.as_str() {
            "file" => std::fs::read_to_string(&name).map_err(|error| error.to_string()),
            "env" => std::env::var(&name).map_err(|error| error.to_string()),
            _ => return Err(expected()),
        };
        let text = read.map_err(|error| A::Error::custom(format!("{name}: {error}")))?;
        Secret::checked(&text, &name)
    }
}

/// A file of certificates in PEM.
#[derive(Debug, Clone)]
pub struct CaFile(Authorities);

impl CaFile {
    /// The certificates in it.
    #[must_use]
    pub(in crate::server) fn authorities(&self) -> Authorities {
        self.0.clone()
    }
}

impl<'de> Deserialize<'de> for CaFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        Authorities::from_file(&path)
            .map(Self)
            .map_err(|error| D::Error::custom(format!("{}: {error}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Config;

    fn notify(text: &str) -> Notify {
        Config::from_toml(text).unwrap().notify
    }

    fn wrong(text: &str) -> (Option<(usize, usize)>, String) {
        let error = Config::from_toml(text).unwrap_err();
        (error.place, error.message)
    }

    const SMPP: &str = "[notify.smpp]\naddress = \"[::1]:2775\"\nsystem_id = \"r\"\n\
                        password = \"secret\"\n";

    #[test]
    fn the_table_that_is_there_is_the_kind_unless_one_is_named() {
        assert_eq!(notify("").chosen(), Ok(Kind::Log));
        assert_eq!(notify(SMPP).chosen(), Ok(Kind::Smpp));
        let both = format!("[notify]\nkind = \"smpp\"\ncommand = [\"true\"]\n{SMPP}");
        assert_eq!(notify(&both).chosen(), Ok(Kind::Smpp));
        let command = "[notify]\ncommand = [\"true\"]";
        assert_eq!(notify(command).chosen(), Ok(Kind::Command));
        let log = "[notify]\nkind = \"log\"\ncommand = [\"true\"]";
        assert_eq!(notify(log).chosen(), Ok(Kind::Log));

        let (place, message) = wrong("[notify]\nkind = \"pap\"\n");
        assert_eq!(place, Some((2, 8)), "{message}");
        assert!(message.contains("[notify.pap]"), "{message}");
        let (_, message) = wrong(&format!("[notify]\ncommand = [\"true\"]\n{SMPP}"));
        assert!(message.contains("between command and smpp"), "{message}");
    }

    #[test]
    fn an_smpp_table_needs_little_and_has_the_usual_values() {
        let table = notify(SMPP).smpp.unwrap();
        assert_eq!(
            (table.address.host.as_str(), table.address.port),
            ("::1", 2775)
        );
        assert_eq!((table.destination_ton, table.data_coding), (1, 4));
        assert_eq!(table.bind, Bind::Transceiver);
        assert_eq!(table.carry, Carry::ShortMessage);
        assert!(!table.tls && !table.receipts);
    }

    #[test]
    fn mistakes_in_the_tables_are_found_where_they_are() {
        for (text, line, column) in [
            ("[notify.kannel]\nurl = \"ftp://a\"", 2, 7),
            ("[notify.http]\nurl = \"http://user:word@a/\"", 2, 7),
            (
                "[notify.http]\nurl = \"http://a/\"\nencoding = \"hexa\"",
                3,
                12,
            ),
            ("[notify.smpp]\naddress = \"smsc.example.net\"", 2, 11),
            (
                "[notify.smpp]\nsystem_id = \"a name that is too long\"",
                2,
                13,
            ),
            (
                "[notify.smpp]\npassword = { file = \"/no/such/file\" }",
                2,
                12,
            ),
            (
                "[notify.smpp]\npassword = { env = \"REMOLD_NO_SUCH\" }",
                2,
                12,
            ),
            ("[notify.smpp]\nca_file = \"/no/such/file\"", 2, 11),
            ("[notify.smpp]\nwindow = 0", 2, 10),
            ("[notify.smpp]\ntimeout_seconds = 21", 2, 19),
            ("[notify.smpp]\ntimeout_seconds = 0", 2, 19),
            (
                "[notify.smpp]\naddress = \"a:1\"\nsystem_id = \"r\"\npassword = \"123456789\"",
                4,
                12,
            ),
            ("[notify.log]\nnumbers = 1", 2, 1),
        ] {
            let (place, message) = wrong(text);
            assert_eq!(place, Some((line, column)), "{text}: {message}");
        }
        let (_, message) = wrong("[notify.smpp]\naddress = \"a:1\"\npassword = \"p\"");
        assert!(message.contains("system_id"), "{message}");
    }

    #[test]
    fn a_secret_comes_from_a_file_too_and_is_not_shown() {
        let path = std::env::temp_dir().join(format!("remold-secret-{}", std::process::id()));
        std::fs::write(&path, "open sesame\n").unwrap();
        let text = format!(
            "[notify.http]\nurl = \"https://hook.example/a?b=c\"\nbearer = {{ file = {path:?} }}"
        );
        let http = notify(&text).http.unwrap();
        let bearer = http.bearer.clone().unwrap();
        assert_eq!(bearer.reveal(), "open sesame");
        assert!(!format!("{http:?}").contains("sesame"));
        assert_eq!((http.url.tls, http.url.port), (true, 443));
        assert_eq!(http.url.path, "/a?b=c");
        std::fs::write(&path, "\n").unwrap();
        assert!(wrong(&text).1.contains("empty"));
        std::fs::remove_file(path).unwrap();
    }
}

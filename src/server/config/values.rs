//! Values that are checked as they are read.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::mm4::Host;
use crate::mm4::envelope::is_domain;
use crate::mms::address::Msisdn;
use crate::profile::Resolution;
use crate::relay::{Network, Plmn};
use crate::store::Millis;

macro_rules! checked {
    ($(#[$attribute:meta])* $name:ident($inner:ty) from $raw:ty, $check:expr) => {
        $(#[$attribute])*
        #[derive(Clone)]
        pub struct $name(pub(super) $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let check: fn($raw) -> Result<$inner, String> = $check;
                check(<$raw>::deserialize(deserializer)?)
                    .map(Self)
                    .map_err(D::Error::custom)
            }
        }
    };
}

macro_rules! shown {
    ($($name:ident),*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        })*
    };
}

checked!(
    /// How often or how long: at least 1.
    Count(u32) from u32, |raw| match raw {
        0 => Err("0 is too little".to_owned()),
        raw => Ok(raw),
    }
);

impl Copy for Count {}

impl Count {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    pub(super) fn times(self, unit: Millis) -> Millis {
        unit.saturating_mul(i64::from(self.0))
    }
}

checked!(
    /// The beginning of a URL, without a slash at its end.
    BaseUrl(String) from String, |raw| {
        let rest = raw.strip_prefix("http://").or_else(|| raw.strip_prefix("https://"));
        let plain = raw.bytes().all(|octet| octet.is_ascii_graphic());
        match rest {
            Some(rest) if plain && !rest.is_empty() && !raw.contains(['?', '#', '"', '<']) => {
                Ok(raw.trim_end_matches('/').to_owned())
            }
            _ => Err(format!("{raw:?} is no URL such as http://mms.example.com")),
        }
    }
);

impl BaseUrl {
    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

checked!(
    /// The name of a header, in small letters.
    HeaderName(String) from String, |raw| {
        let token = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        if raw.is_empty() || !raw.bytes().all(token) {
            return Err(format!("{raw:?} is no name of a header"));
        }
        Ok(raw.to_ascii_lowercase())
    }
);

checked!(
    /// A range of addresses.
    Range(Network) from String, |raw| raw.parse()
);

checked!(
    /// A subscriber's number.
    Number(Msisdn) from String, |raw| {
        Msisdn::parse(&raw)
            .filter(|number| number.is_global() && number.as_str().len() > 7)
            .ok_or_else(|| format!("{raw:?} is no number such as +15550001111"))
    }
);

checked!(
    /// A secret that stands for a subscriber.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    Token(String) from String, |raw| {
        let plain = raw.bytes().all(|octet| octet.is_ascii_alphanumeric());
        if !plain || raw.len() < 16 {
            return Err("a token has at least 16 letters and digits".to_owned());
        }
        Ok(raw)
    }
);

checked!(
    /// A country code.
    Country(String) from String, |raw| {
        let digits = raw.strip_prefix('+').unwrap_or(&raw);
        let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
        if !plain || !(1..=3).contains(&digits.len()) || digits.starts_with('0') {
            return Err(format!("{raw:?} is no country code such as 49"));
        }
        Ok(digits.to_owned())
    }
);

checked!(
    /// The beginning of numbers.
    Prefix(String) from String, |raw| {
        let digits = raw.strip_prefix('+').unwrap_or("");
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(format!("{raw:?} is no beginning of numbers such as +4917"));
        }
        Ok(raw)
    }
);

checked!(
    /// A class or a device of the database.
    DeviceId(String) from String, |raw| match Resolution::by_id(&raw) {
        Ok(_) => Ok(raw),
        Err(error) => Err(error.to_string()),
    }
);

impl DeviceId {
    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for DeviceId {
    fn default() -> Self {
        Self("safe".to_owned())
    }
}

checked!(
    /// A program and its arguments.
    CommandLine(Vec<String>) from Vec<String>, |raw| {
        if raw.first().is_none_or(String::is_empty) {
            return Err("there is no program in it".to_owned());
        }
        Ok(raw)
    }
);

impl CommandLine {
    /// The program, then its arguments.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

checked!(
    /// A domain.
    Domain(String) from String, |raw| {
        if !is_domain(&raw) {
            return Err(format!("{raw:?} is no domain such as mms.mnc001.mcc262.gprs"));
        }
        Ok(raw.to_ascii_lowercase())
    }
);

checked!(
    /// A host and its port.
    HostName(Host) from String, |raw| raw.parse()
);

checked!(
    /// A network by its codes.
    PlmnCode(Plmn) from String, |raw| {
        Plmn::parse(&raw).ok_or_else(|| format!("{raw:?} is no network such as 262-01"))
    }
);

checked!(
    /// The name of a peer.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    PeerName(String) from String, |raw| {
        let plain = raw
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
        if !plain || raw.is_empty() || raw.len() > 40 {
            return Err(format!("{raw:?} is no name: letters, digits, hyphens, up to 40"));
        }
        Ok(raw)
    }
);

checked!(
    /// A name of one line.
    Label(String) from String, |raw| {
        let plain = raw.chars().all(|c| !c.is_control());
        if !plain || raw.trim() != raw || !(1..=64).contains(&raw.chars().count()) {
            return Err("a name has 1 to 64 characters on one line".to_owned());
        }
        Ok(raw)
    }
);

impl Label {
    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

checked!(
    /// A SHA-256.
    Hash([u8; 32]) from String, |raw| {
        let digit = |at: usize| raw.get(at..at.saturating_add(2));
        let mut hash = [0; 32];
        if raw.len() != 64 || !raw.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            return Err("a SHA-256 has 64 hexadecimal digits".to_owned());
        }
        for (at, octet) in (0..).step_by(2).zip(&mut hash) {
            *octet = u8::from_str_radix(digit(at).unwrap_or(""), 16).map_err(|e| e.to_string())?;
        }
        Ok(hash)
    }
);

impl Hash {
    /// Its octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

macro_rules! written {
    ($($name:ident: $how:expr),* $(,)?) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let how: fn(&Self, S) -> Result<S::Ok, S::Error> = $how;
                how(self, serializer)
            }
        })*
    };
}

written!(
    Count: |count, to| count.0.serialize(to),
    BaseUrl: |url, to| url.0.serialize(to),
    HeaderName: |name, to| name.0.serialize(to),
    Range: |range, to| to.collect_str(&range.0),
    Number: |number, to| number.0.as_str().serialize(to),
    Country: |country, to| country.0.serialize(to),
    Prefix: |prefix, to| prefix.0.serialize(to),
    DeviceId: |id, to| id.0.serialize(to),
    Label: |label, to| label.0.serialize(to),
    // Secrets have no written form but this one.
    Token: |token, to| to.collect_str(&format_args!("{}…", token.0.get(..2).unwrap_or(""))),
    Hash: |_, to| to.collect_str("…"),
);

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash(…)")
    }
}

shown!(
    Label,
    Domain,
    HostName,
    PlmnCode,
    PeerName,
    Count,
    BaseUrl,
    HeaderName,
    Range,
    Number,
    Country,
    Prefix,
    DeviceId,
    CommandLine
);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Deserialize)]
    struct Table<T> {
        value: T,
    }

    fn read<T: DeserializeOwned>(raw: &str) -> Result<T, String> {
        toml::from_str::<Table<T>>(&format!("value = {raw}"))
            .map(|table| table.value)
            .map_err(|error| error.message().to_owned())
    }

    /// What of `good` is refused and what of `bad` is not: nothing.
    fn sorts<T: DeserializeOwned>(good: &[&str], bad: &[&str]) {
        for raw in good {
            assert!(read::<T>(&format!("{raw:?}")).is_ok(), "{raw:?}");
        }
        for raw in bad {
            assert!(read::<T>(&format!("{raw:?}")).is_err(), "{raw:?}");
        }
    }

    fn shown<T: DeserializeOwned + Debug>(raw: &str) -> String {
        format!("{:?}", read::<T>(raw).ok().unwrap())
    }

    #[test]
    fn a_count_is_at_least_one_and_never_overflows_a_time() {
        assert!(read::<Count>("0").is_err_and(|why| why.contains("too little")));
        assert!(read::<Count>("-1").is_err());
        let most = read::<Count>("4294967295").ok().unwrap();
        assert_eq!(most.times(Millis::MAX), Millis::MAX);
        assert_eq!(read::<Count>("3").ok().unwrap().times(1_000), 3_000);
    }

    #[test]
    fn a_url_that_phones_are_told_ends_in_no_slash_and_holds_no_question() {
        assert_eq!(
            shown::<BaseUrl>("\"http://mms.example/x//\""),
            "\"http://mms.example/x\""
        );
        let bad = [
            "",
            "http://",
            "ftp://a",
            "mms.example",
            "http://a b",
            "http://a?b",
            "http://a#b",
        ];
        sorts::<BaseUrl>(&["https://mms.example:8443/in"], &bad);
    }

    #[test]
    fn a_header_has_one_spelling_and_cannot_break_a_line() {
        assert_eq!(shown::<HeaderName>("\"X-MSISDN\""), "\"x-msisdn\"");
        sorts::<HeaderName>(&["x_up_subno"], &["", "a b", "a:", "a\r\nb"]);
    }

    #[test]
    fn numbers_are_whole_ones_and_prefixes_begin_with_a_plus() {
        sorts::<Number>(
            &["+15550001111"],
            &["", "15550001111", "+1555", "a@b.example"],
        );
        sorts::<Prefix>(&["+4", "+447700"], &["", "+", "447700", "+44 77", "+44x"]);
        sorts::<Country>(&["49", "+1", "353"], &["", "+", "049", "1234", "de"]);
    }

    #[test]
    fn a_token_is_long_and_is_not_shown() {
        let token = "\"0123456789abcdef\"";
        assert_eq!(shown::<Token>(token), "Token(…)");
        sorts::<Token>(&[], &["", "0123456789abcde", "0123456789abcde-"]);
        let written = toml::Value::try_from(read::<Token>(token).ok().unwrap()).unwrap();
        assert_eq!(written.as_str(), Some("01…"));
    }

    #[test]
    fn a_hash_has_64_digits_and_is_not_shown() {
        let hash = format!("\"{}\"", "0aF1".repeat(16));
        assert_eq!(shown::<Hash>(&hash), "Hash(…)");
        let octets = read::<Hash>(&hash).ok().unwrap();
        assert_eq!(octets.as_bytes().first_chunk(), Some(&[0x0A, 0xF1]));
        let (short, long, odd) = ("a".repeat(63), "a".repeat(65), "g".repeat(64));
        sorts::<Hash>(&[], &["", &short, &long, &odd, &"é".repeat(32)]);
    }

    #[test]
    fn names_of_peers_and_networks_are_plain() {
        let (longest, longer) = ("p".repeat(40), "p".repeat(41));
        sorts::<PeerName>(&["hub-1", &longest], &["", "a b", "a.b", &longer]);
        sorts::<PlmnCode>(&["262-01"], &["", "26201x", "262"]);
        sorts::<Domain>(&["mms.mnc001.mcc262.gprs"], &["", "a b", "-", "a@b"]);
        assert_eq!(shown::<Domain>("\"MMS.Example\""), "\"mms.example\"");
    }

    #[test]
    fn a_label_is_one_line_of_some_length() {
        let (longest, longer) = ("é".repeat(64), "é".repeat(65));
        sorts::<Label>(&["Night shift", &longest], &["", " a", "a\tb", &longer]);
    }

    #[test]
    fn a_command_has_a_program_and_a_device_is_one_that_we_know() {
        assert!(read::<CommandLine>("[]").is_err());
        assert!(read::<CommandLine>("[\"\"]").is_err());
        let command = read::<CommandLine>("[\"/bin/push\", \"-v\"]").ok().unwrap();
        assert_eq!(command.as_slice().len(), 2);
        assert_eq!(DeviceId::default().as_str(), "safe");
        sorts::<DeviceId>(&["safe", "nokia-6100"], &["", "no-such-phone"]);
    }

    #[test]
    fn a_range_is_a_network_with_its_bits() {
        sorts::<Range>(
            &["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"],
            &["", "10.0.0.0/33", "host"],
        );
    }
}

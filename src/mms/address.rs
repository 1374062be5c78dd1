//! Addresses of senders and recipients (OMA-MMS-ENC section 8).

use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt;

/// Who a message is from or for. Reading takes what real senders write; [`fmt::Display`] gives
/// the wire form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A telephone number, `/TYPE=PLMN`.
    Msisdn(Msisdn),
    /// An RFC 5322 mailbox without a display name.
    Email(String),
    /// A number too short to be a subscriber's, without a type.
    ShortCode(String),
    /// A name such as a company uses for a sender, without a type.
    Alphanumeric(String),
    /// `/TYPE=IPv4`.
    Ipv4(Ipv4Addr),
    /// `/TYPE=IPv6`.
    Ipv6(Ipv6Addr),
    /// An address of another type.
    Other {
        /// What is in front of the type.
        value: String,
        /// The type in upper case.
        kind: String,
    },
}

/// A telephone number: digits, `*` and `#`, with a `+` in front where it is a global one.
///
/// `Debug` masks all but the last two digits; `Display` shows the number.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Msisdn(String);

/// The digits of a number from which it is a subscriber's and no short code.
const SUBSCRIBER_DIGITS: usize = 7;

impl Address {
    /// Reads an address leniently: any case of `/TYPE=`, none at all, separators inside a number,
    /// a display name with the address in angle brackets. `None` where nothing is left.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = without_display_name(text.trim());
        if text.is_empty() {
            return None;
        }
        let Some((value, kind)) = split_type(text) else {
            return Some(Self::untyped(text));
        };
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        let kind = kind.to_ascii_uppercase();
        let typed = match kind.as_str() {
            "PLMN" => Msisdn::parse(value).map(Self::Msisdn),
            "IPV4" => value.parse().ok().map(Self::Ipv4),
            "IPV6" => value.parse().ok().map(Self::Ipv6),
            _ => None,
        };
        Some(typed.unwrap_or_else(|| Self::Other {
            value: value.to_owned(),
            kind,
        }))
    }

    /// A number as MMSCs write it to each other, `+123/TYPE=PLMN@mmsc.example`: the address without
    /// the domain of the MMSC that serves it, and that domain. Any other address as it is.
    #[must_use]
    pub fn split_domain(text: &str) -> (&str, Option<&str>) {
        let text = without_display_name(text.trim());
        match text.rsplit_once('@') {
            Some((local, domain)) if matches!(Self::parse(local), Some(Self::Msisdn(_))) => {
                (local, Some(domain))
            }
            _ => (text, None),
        }
    }

    fn untyped(text: &str) -> Self {
        if text.contains('@') {
            return Self::Email(text.to_owned());
        }
        match Msisdn::parse(text) {
            Some(number) if number.is_global() || number.digits() >= SUBSCRIBER_DIGITS => {
                Self::Msisdn(number)
            }
            Some(number) => Self::ShortCode(number.0),
            None => Self::Alphanumeric(text.to_owned()),
        }
    }
}

impl Msisdn {
    /// Reads a number; spaces, hyphens, dots and brackets are dropped. `None` where it has no
    /// digit or anything else in it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("tel:").unwrap_or(text);
        let mut number = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '+' if number.is_empty() => number.push(c),
                '0'..='9' | '*' | '#' => number.push(c),
                ' ' | '-' | '.' | '(' | ')' | '\u{A0}' => {}
                _ => return None,
            }
        }
        let number = Self(number);
        (number.digits() > 0).then_some(number)
    }

    /// The number as text, such as `+4912345`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the number begins with `+` and so means the same everywhere.
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.0.starts_with('+')
    }

    fn digits(&self) -> usize {
        self.0.bytes().filter(u8::is_ascii_digit).count()
    }
}

impl fmt::Display for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Msisdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.0.len().saturating_sub(2);
        f.write_str("Msisdn(")?;
        for (at, c) in self.0.char_indices() {
            let shown = if at < hidden && c != '+' { '*' } else { c };
            fmt::Write::write_char(f, shown)?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Msisdn(number) => write!(f, "{number}/TYPE=PLMN"),
            Self::Email(text) | Self::ShortCode(text) | Self::Alphanumeric(text) => {
                f.write_str(text)
            }
            Self::Ipv4(ip) => write!(f, "{ip}/TYPE=IPv4"),
            Self::Ipv6(ip) => write!(f, "{ip}/TYPE=IPv6"),
            Self::Other { value, kind } => write!(f, "{value}/TYPE={kind}"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Msisdn(number) => number.fmt(f),
            Self::Email(_) => f.write_str("Email(…)"),
            Self::ShortCode(code) => write!(f, "ShortCode({code})"),
            Self::Alphanumeric(name) => write!(f, "Alphanumeric({name})"),
            Self::Ipv4(_) => f.write_str("Ipv4(…)"),
            Self::Ipv6(_) => f.write_str("Ipv6(…)"),
            Self::Other { kind, .. } => write!(f, "Other(…/TYPE={kind})"),
        }
    }
}

/// What is in front of `/TYPE=` and behind it.
fn split_type(text: &str) -> Option<(&str, &str)> {
    let mark = "/type=";
    let at = text.to_ascii_lowercase().rfind(mark)?;
    let kind = text.get(at.checked_add(mark.len())?..)?.trim();
    text.get(..at).map(|value| (value, kind))
}

/// The address inside `Name <address>`, or all of it.
fn without_display_name(text: &str) -> &str {
    let inside = text
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'))
        .map(|(_, address)| address.trim());
    inside.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> String {
        Address::parse(text).map_or_else(String::new, |address| address.to_string())
    }

    #[test]
    fn what_senders_write_becomes_the_wire_form() {
        for (given, want) in [
            ("+4912345678/TYPE=PLMN", "+4912345678/TYPE=PLMN"),
            ("+4912345678/type=plmn", "+4912345678/TYPE=PLMN"),
            ("+49 (123) 456-78", "+4912345678/TYPE=PLMN"),
            ("012345678", "012345678/TYPE=PLMN"),
            ("tel:+4912345678", "+4912345678/TYPE=PLMN"),
            ("*100#", "*100#"),
            ("7700", "7700"),
            ("7700/TYPE=PLMN", "7700/TYPE=PLMN"),
            ("eroticki", "eroticki"),
            ("a@b.example", "a@b.example"),
            ("A B <a@b.example>", "a@b.example"),
            ("\"A\" <+4912345678/TYPE=PLMN>", "+4912345678/TYPE=PLMN"),
            ("10.0.0.1/TYPE=IPv4", "10.0.0.1/TYPE=IPv4"),
            ("::1/TYPE=IPV6", "::1/TYPE=IPv6"),
            ("not an ip/TYPE=IPv4", "not an ip/TYPE=IPV4"),
            ("x/TYPE=private", "x/TYPE=PRIVATE"),
            ("  ", ""),
            ("/TYPE=PLMN", ""),
            ("<>", ""),
        ] {
            assert_eq!(wire(given), want, "{given}");
        }
    }

    #[test]
    fn the_wire_form_reads_as_the_same_address() {
        for text in [
            "+4912345678/TYPE=PLMN",
            "7700",
            "Shop",
            "a@b",
            "::1/TYPE=IPv6",
            "x/TYPE=Y",
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                Address::parse(&address.to_string()),
                Some(address),
                "{text}"
            );
        }
        assert_eq!(
            Address::parse("+491/Type=pLmN"),
            Address::parse("+491/TYPE=PLMN")
        );
    }

    #[test]
    fn a_number_is_told_apart_from_the_domain_that_serves_it() {
        for (text, want) in [
            (
                "+491234567/TYPE=PLMN@a.example",
                ("+491234567/TYPE=PLMN", Some("a.example")),
            ),
            ("<+491234567@a.example>", ("+491234567", Some("a.example"))),
            ("+491234567/TYPE=PLMN", ("+491234567/TYPE=PLMN", None)),
            ("a@b.example", ("a@b.example", None)),
            ("12345@b.example", ("12345@b.example", None)),
        ] {
            assert_eq!(Address::split_domain(text), want);
        }
    }

    #[test]
    fn debug_hides_who_it_is() {
        let number = Address::parse("+4912345678").unwrap();
        assert_eq!(format!("{number:?}"), "Msisdn(+********78)");
        let mail = Address::parse("alice@b.example").unwrap();
        assert!(!format!("{mail:?}").contains("alice"));
    }
}

//! What MMSCs write, and what they mean by it: identifiers in quotes or brackets, numbers with and
//! without a domain, systems without one.

use std::fmt;

use crate::mms::address::{Address, Msisdn};
use crate::mms::message::trim_brackets;

/// Octets of an identifier at most.
const LONGEST_ID: usize = 255;
/// Octets of an address at most (RFC 5321 section 4.5.3.1.3, without its angle brackets).
const LONGEST_ADDRESS: usize = 254;

/// X-Mms-Transaction-ID or X-Mms-Message-ID as a peer wrote it, such as `"kyc8g@mms.example"` with
/// its quotes: visible ASCII, so that it can stand in a header and nothing can follow it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id(String);

impl Id {
    /// The identifier, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        let plain = text.bytes().all(|octet| octet.is_ascii_graphic());
        let some = !bare(text).is_empty();
        (plain && some && text.len() <= LONGEST_ID).then(|| Self(text.to_owned()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without quotes and brackets around it: what two spellings of one identifier share.
    #[must_use]
    pub fn bare(&self) -> &str {
        bare(&self.0)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn bare(text: &str) -> &str {
    let unquoted = |text: &str| -> Option<usize> {
        (text.len() >= 2 && text.starts_with('"') && text.ends_with('"')).then_some(text.len())
    };
    let mut text = text;
    for _ in 0..2 {
        if let Some(length) = unquoted(text) {
            text = text.get(1..length.saturating_sub(1)).unwrap_or(text);
        }
        text = trim_brackets(text);
    }
    text
}

/// An address as it stands in the envelope of SMTP: visible ASCII without the characters that end
/// or divide one there, with a domain or, in dialects, without.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox(String);

impl Mailbox {
    /// The address, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = trim_brackets(text);
        let plain = text
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && !b"<>()[]\\,;:\"".contains(&octet));
        let sound = match text.rsplit_once('@') {
            Some((local, domain)) => !local.is_empty() && !local.contains('@') && is_domain(domain),
            None => !text.is_empty(),
        };
        (plain && sound && text.len() <= LONGEST_ADDRESS).then(|| Self(text.to_owned()))
    }

    /// A subscriber of the MMSC with this domain.
    #[must_use]
    pub fn subscriber(address: &str, domain: &str) -> Option<Self> {
        if address.contains('@') {
            return Self::parse(address);
        }
        Self::parse(&format!("{address}@{domain}"))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is a domain name: letters, digits, dots, and hyphens inside (RFC 1123 section
/// 2.1), as well as the underscores that networks have in theirs.
#[must_use]
pub fn is_domain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
        })
}

/// The number in an address, whatever is around it: `+123/TYPE=PLMN`, `+123@mmsc.example`,
/// `"A" <+123/TYPE=PLMN@mmsc.example>`.
#[must_use]
pub fn number(address: &str) -> Option<Msisdn> {
    match Address::parse(Address::split_domain(address).0)? {
        Address::Msisdn(number) => Some(number),
        _ => None,
    }
}

/// An address in its wire form: that of its number where it has one.
#[must_use]
pub fn wire(address: &str) -> Option<String> {
    match number(address) {
        Some(number) => Some(Address::Msisdn(number).to_string()),
        None => Address::parse(address).map(|address| address.to_string()),
    }
}

/// The number behind `party=` in an X-Mms-Originator-System of the form
/// `system=mmsc.example;party=+123`.
#[must_use]
pub(super) fn party(system: &str) -> Option<Msisdn> {
    let field = system
        .split(';')
        .find_map(|field| field.trim().strip_prefix("party="))?;
    number(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_matched_without_its_dress() {
        for text in ["a@b", "\"a@b\"", "<a@b>", "\"<a@b>\"", "<\"a@b\">", " a@b "] {
            assert_eq!(Id::parse(text).unwrap().bare(), "a@b", "{text}");
        }
        assert_eq!(Id::parse("\"a@b\"").unwrap().as_str(), "\"a@b\"");
        let long = "x".repeat(256);
        for text in ["", "\"\"", "<>", "a b", "a\r\nX: y", "é", "a\0", &long] {
            assert_eq!(Id::parse(text), None, "{text:?}");
        }
        assert!(Id::parse(&"x".repeat(255)).is_some());
    }

    #[test]
    fn a_subscriber_has_the_domain_of_his_network_unless_he_has_one() {
        let shown = |address, domain| Mailbox::subscriber(address, domain).map(|m| m.to_string());
        assert_eq!(
            shown("+123/TYPE=PLMN", "a.example").as_deref(),
            Some("+123/TYPE=PLMN@a.example")
        );
        assert_eq!(
            shown("x@b.example", "a.example").as_deref(),
            Some("x@b.example")
        );
        assert_eq!(shown("+123\r\nX: y", "a.example"), None);
        assert_eq!(shown("+123", "a b"), None);
    }

    #[test]
    fn nothing_but_an_address_goes_into_the_envelope() {
        for text in [
            "+123/TYPE=PLMN@mms.mnc001.mcc262.gprs",
            "<PostMaster@mms.example>",
            "PostMaster",
        ] {
            assert!(Mailbox::parse(text).is_some(), "{text}");
        }
        let long = format!("{}@b.example", "x".repeat(250));
        for text in [
            "",
            "a@b>\r\nRCPT TO:<c@d",
            "a b@c",
            "@b",
            "a@",
            "a@b@c",
            "\"a\"@b",
            "a@b,c@d",
            "@a:b@c",
            "a@[127.0.0.1]",
            "é@b",
            "a@b..c",
            &long,
        ] {
            assert_eq!(Mailbox::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_is_found_in_every_dialect() {
        for text in [
            "+972555000001/TYPE=PLMN",
            "+972555000001",
            "+972555000001/TYPE=PLMN@mms.example",
            "<+972555000001/type=plmn@mms.example>",
            "+972555000001@oklik.example",
        ] {
            assert_eq!(number(text).unwrap().as_str(), "+972555000001", "{text}");
            assert_eq!(wire(text).unwrap(), "+972555000001/TYPE=PLMN");
        }
        for text in ["PostMaster", "a@b.example", "", "12345"] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(wire("a@b.example").unwrap(), "a@b.example");
        let system = "system=mmsc.example.net;party=+12025550101";
        assert_eq!(party(system).unwrap().as_str(), "+12025550101");
        assert_eq!(party("PostMaster@mms.example"), None);
    }
}

//! Who is behind a request: the packet gateway says it in a header, or the operator has written it
//! down for an address or a token. What anybody else claims is not believed.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use hyper::HeaderMap;
use sha2::{Digest, Sha256};

use crate::mms::address::Msisdn;
use crate::relay::Network;

/// How subscribers are recognised.
#[derive(Clone, Default)]
pub struct Identity {
    /// The header of the gateways that holds the number.
    pub header: String,
    /// Where requests come from whose header is believed.
    pub gateways: Vec<Network>,
    /// Subscribers by the address of their device.
    pub addresses: HashMap<IpAddr, Msisdn>,
    tokens: HashMap<[u8; 32], Msisdn>,
}

impl Identity {
    /// Lets whoever posts to `/u/TOKEN` be this subscriber.
    pub fn add_token(&mut self, token: &str, number: Msisdn) {
        self.tokens
            .insert(Sha256::digest(token.as_bytes()).into(), number);
    }

    /// Whether requests from an address are those of a gateway.
    #[must_use]
    pub fn is_gateway(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.gateways.iter().any(|network| network.holds(peer))
    }

    /// Who sent a request from `peer` to `path`. The token counts first, then the header of a
    /// trusted gateway, then the address.
    #[must_use]
    pub fn of(&self, peer: IpAddr, headers: &HeaderMap, path: &str) -> Option<Msisdn> {
        let peer = peer.to_canonical();
        let by_token = path.strip_prefix("/u/").and_then(|token| {
            // Looked up by its hash, so that the time it takes tells nothing about the tokens.
            let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
            self.tokens.get(&hash).cloned()
        });
        let by_header = || {
            let trusted = self.gateways.iter().any(|network| network.holds(peer));
            let value = headers.get(&self.header).filter(|_| trusted)?;
            header_number(value.to_str().ok()?)
        };
        by_token
            .or_else(by_header)
            .or_else(|| self.addresses.get(&peer).cloned())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("header", &self.header)
            .field("gateways", &self.gateways)
            .field("addresses", &self.addresses.len())
            .field("tokens", &self.tokens.len())
            .finish()
    }
}

/// The number in a gateway's header: often without `+`, sometimes with a realm behind it.
fn header_number(value: &str) -> Option<Msisdn> {
    let value = value.split(['@', '_', ';', ',']).next()?.trim();
    let value = value.strip_suffix("/TYPE=PLMN").unwrap_or(value);
    let number = Msisdn::parse(value)?;
    if number.is_global() {
        return Some(number);
    }
    let digits = number.as_str();
    let digits = digits.strip_prefix("00").unwrap_or(digits);
    Msisdn::parse(&format!("+{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Msisdn {
        Msisdn::parse(text).unwrap()
    }

    fn identity() -> Identity {
        let mut identity = Identity {
            header: "x-msisdn".to_owned(),
            gateways: vec!["10.1.0.0/16".parse().unwrap(), "::1".parse().unwrap()],
            addresses: [("192.0.2.7".parse().unwrap(), number("+15550000007"))].into(),
            ..Identity::default()
        };
        identity.add_token("secret", number("+15550000008"));
        identity
    }

    fn of(peer: &str, header: Option<&'static str>, path: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert("X-MSISDN", value.parse().unwrap());
        }
        identity()
            .of(peer.parse().unwrap(), &headers, path)
            .map(|number| number.to_string())
    }

    #[test]
    fn only_a_gateway_says_who_sends() {
        let expected = Some("+15550000001".to_owned());
        for peer in ["10.1.2.3", "::1", "::ffff:10.1.2.3"] {
            assert_eq!(of(peer, Some("15550000001"), "/"), expected, "{peer}");
        }
        for peer in ["10.2.0.1", "127.0.0.1", "::2"] {
            assert_eq!(of(peer, Some("15550000001"), "/"), None, "{peer}");
        }
        assert_eq!(
            of("10.1.2.3", Some("+15550000001@apn.example"), "/"),
            expected
        );
        assert_eq!(of("10.1.2.3", Some("nobody"), "/"), None);
    }

    #[test]
    fn an_address_or_a_token_may_stand_for_a_subscriber() {
        let forged = Some("15550000001");
        assert_eq!(
            of("192.0.2.7", forged, "/").as_deref(),
            Some("+15550000007")
        );
        assert_eq!(
            of("192.0.2.9", forged, "/u/secret").as_deref(),
            Some("+15550000008")
        );
        assert_eq!(of("192.0.2.9", forged, "/u/secre"), None);
    }
}

//! Who asks, and what he may.

use std::net::SocketAddr;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN};
use sha2::{Digest, Sha256};

use super::answer::ApiError;
use super::route::Access;
use crate::server::config::{AdminRole, AdminToken};

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    name: String,
    role: Option<AdminRole>,
}

impl Who {
    /// Somebody of whom nothing is known.
    pub(super) fn anybody(peer: SocketAddr) -> Self {
        Self {
            name: peer.ip().to_string(),
            role: None,
        }
    }

    /// The name for the audit log.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether he may use a route.
    pub(super) fn may(&self, access: Access) -> bool {
        match access {
            Access::Open => true,
            Access::Viewer => self.role.is_some(),
            Access::Operator => self.role == Some(AdminRole::Operator),
        }
    }

    /// Whether he may see what people wrote.
    pub(super) fn reads_messages(&self) -> bool {
        self.may(Access::Operator)
    }
}

/// Who asks. Without configured tokens whoever is on this machine may everything, but no web page
/// that he looks at: a request that a browser sends for a page of another site names its origin,
/// and one through a name that an attacker made point here does not name this host by address.
///
/// # Errors
/// Where he does not say it, or nobody has his token.
pub(super) fn who(
    tokens: &[AdminToken],
    peer: SocketAddr,
    headers: &HeaderMap,
) -> Result<Who, ApiError> {
    if tokens.is_empty() {
        let here = peer.ip().to_canonical().is_loopback();
        let page = headers.contains_key(ORIGIN) || !headers.get(HOST).is_none_or(names_this_host);
        if !here || page {
            let message = "without tokens only programs on this machine may ask";
            return Err(ApiError::forbidden(message));
        }
        return Ok(Who {
            name: "loopback".to_owned(),
            role: Some(AdminRole::Operator),
        });
    }
    let given = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = given else {
        return Err(ApiError::unauthorised("a bearer token is needed"));
    };
    // Compared by hash, so that the time it takes tells nothing about the tokens.
    let hash: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
    tokens
        .iter()
        .find(|known| known.sha256.as_bytes() == &hash)
        .map(|known| Who {
            name: known.name.as_str().to_owned(),
            role: Some(known.role),
        })
        .ok_or_else(|| ApiError::unauthorised("nobody has this token"))
}

/// Whether a Host header is an address or `localhost`.
fn names_this_host(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Config;

    fn peer(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    fn tokens() -> Vec<AdminToken> {
        let token = |name: &str, role: &str, token: &str| {
            let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
            let hash: String = hash.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("[[admin.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{hash}\"\n")
        };
        let text = token("eve", "viewer", "t1") + &token("bob", "operator", "t2");
        Config::from_toml(&text).unwrap().admin.tokens
    }

    #[test]
    fn a_token_says_who_asks_and_what_he_may() {
        let ask = |value: &str| {
            let headers = headers(&[("authorization", value)]);
            who(&tokens(), peer("192.0.2.1:9"), &headers)
        };
        let viewer = ask("Bearer t1").unwrap();
        assert_eq!(viewer.name(), "eve");
        assert!(viewer.may(Access::Viewer) && !viewer.may(Access::Operator));
        assert!(!viewer.reads_messages());
        let operator = ask("bearer t2").unwrap();
        assert!(operator.may(Access::Operator) && operator.reads_messages());
        for wrong in ["Bearer t3", "Bearer ", "Bearer", "Basic dDE=", "t1"] {
            assert_eq!(ask(wrong).unwrap_err().answer().status(), 401, "{wrong}");
        }
        let nothing = who(&tokens(), peer("127.0.0.1:9"), &HeaderMap::new());
        assert!(nothing.is_err(), "with tokens, loopback needs one as well");
    }

    #[test]
    fn without_tokens_this_machine_may_and_no_web_page() {
        let ask = |from: &str, pairs: &[(&'static str, &str)]| {
            who(&[], peer(from), &headers(pairs)).is_ok()
        };
        assert!(ask("127.0.0.1:9", &[("host", "localhost:8003")]));
        assert!(ask("[::1]:9", &[("host", "[::1]:8003")]));
        assert!(ask("[::ffff:127.0.0.1]:9", &[]));
        assert!(!ask("192.0.2.1:9", &[("host", "127.0.0.1")]));
        assert!(!ask("127.0.0.1:9", &[("host", "rebound.example:8003")]));
        assert!(!ask(
            "127.0.0.1:9",
            &[
                ("host", "127.0.0.1:8003"),
                ("origin", "http://evil.example")
            ]
        ));
    }
}

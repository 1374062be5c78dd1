//! A program of the operator that is posted each push as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::breaker::{Breaker, Failure};
use super::client::{AGENT, Answer, Ask, Client};
use super::hex;
use crate::relay::{Notice, Notifier, NotifyError};
use crate::server::config::{Encoding, HttpTable, Secret};

/// The header of the signature: `sha256=` and the HMAC of the body in hexadecimal.
const SIGNATURE: HeaderName = HeaderName::from_static("x-remold-signature");

/// Posts pushes to a URL. Any 2xx means taken, 410 that there is no such number, 429 and 503 that
/// nothing is taken now, any other status that this push should come again.
#[derive(Debug)]
pub struct HttpHook {
    client: Client,
    breaker: Breaker,
    encoding: Encoding,
    key: Option<Secret>,
}

/// The body of a request.
#[derive(Debug, Serialize)]
struct Posted<'a> {
    message_id: &'a str,
    number: &'a str,
    push: String,
    encoding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

impl HttpHook {
    /// As the configuration says. Nothing is connected yet.
    pub(super) fn new(table: &HttpTable) -> std::io::Result<Self> {
        let mut headers = vec![AGENT];
        if let Some(bearer) = &table.bearer {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", bearer.reveal()))
                .map_err(std::io::Error::other)?;
            value.set_sensitive(true);
            headers.push((AUTHORIZATION, value));
        }
        let authorities = super::authorities(table.ca_file.as_ref());
        let timeout = table.timeout_seconds.duration();
        Ok(Self {
            client: Client::new(&table.url, timeout, authorities, headers)?,
            breaker: Breaker::default(),
            encoding: table.encoding,
            key: table.hmac_key.clone(),
        })
    }

    fn send(&self, notice: &Notice<'_>) -> Result<(), Failure> {
        let (push, encoding) = match self.encoding {
            Encoding::Hex => (hex(notice.push), "hex"),
            Encoding::Base64 => (STANDARD.encode(notice.push), "base64"),
        };
        let posted = Posted {
            message_id: notice.message_id,
            number: notice.number.as_str(),
            push,
            encoding,
            url: notice.url,
        };
        let never = |error: &dyn std::fmt::Display| Failure::Never(error.to_string());
        let body = serde_json::to_vec(&posted).map_err(|error| never(&error))?;
        let mut headers = Vec::new();
        if let Some(key) = &self.key {
            let signature = hex(&hmac_sha256(key.reveal().as_bytes(), &body));
            let value = HeaderValue::from_str(&format!("sha256={signature}"));
            headers.push((SIGNATURE, value.map_err(|error| never(&error))?));
        }
        let answer = self.client.ask(&Ask {
            method: Method::POST,
            path: self.client.url().path.clone(),
            content_type: Some("application/json".to_owned()),
            headers,
            body: Bytes::from(body),
        })?;
        verdict(&answer)
    }
}

impl Notifier for HttpHook {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        self.breaker.call(|| self.send(notice))
    }
}

fn verdict(answer: &Answer) -> Result<(), Failure> {
    let said = format!("the hook answers {}", answer.shown());
    match answer.status {
        200..=299 => Ok(()),
        410 => Err(Failure::Never(said)),
        429 | 503 => Err(Failure::Away(said)),
        _ => Err(Failure::Later(said)),
    }
}

/// HMAC (RFC 2104) over SHA-256.
fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let hashed = Sha256::digest(key);
    let key = if key.len() > BLOCK { &hashed[..] } else { key };
    let padded = |with: u8| {
        let key = key.iter().copied().chain(std::iter::repeat(0));
        key.take(BLOCK)
            .map(|octet| octet ^ with)
            .collect::<Vec<u8>>()
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(text)
        .finalize();
    Sha256::new()
        .chain_update(padded(0x5C))
        .chain_update(inner)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::address::Msisdn;
    use crate::server::Config;
    use crate::server::notify::client::tests::{gateway, http};

    #[test]
    fn the_hmac_is_that_of_rfc_4231() {
        let case = |key: &[u8], text: &[u8]| hex(&hmac_sha256(key, text));
        assert_eq!(
            case(&[0x0B; 20], b"Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            case(
                &[0xAA; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_push_is_posted_signed_and_its_fate_read() {
        let answers = ["204 No Content", "410 Gone", "503 Busy", "500 Broken"];
        let (address, requests) = gateway(answers.map(|status| http(status, "")).to_vec());
        let config = Config::from_toml(&format!(
            "[notify.http]\nurl = \"http://{address}/hook\"\nbearer = \"b-token\"\n\
             hmac_key = \"k\"\nencoding = \"base64\"\n"
        ));
        let hook = HttpHook::new(&config.unwrap().notify.http.unwrap()).unwrap();
        let number = Msisdn::parse("+15550002222").unwrap();
        let push = || {
            hook.push(&Notice {
                message_id: "m1",
                number: &number,
                push: &[0, 6, 3, 0xBE],
                url: Some("http://a.example/m/1"),
            })
        };
        assert_eq!(push(), Ok(()));
        assert!(matches!(push(), Err(NotifyError::Permanent(_))));
        assert!(matches!(push(), Err(NotifyError::Unavailable(_))));
        assert!(matches!(push(), Err(NotifyError::Temporary(_))));
        let request = String::from_utf8(requests.recv().unwrap()).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            body,
            r#"{"message_id":"m1","number":"+15550002222","push":"AAYDvg==","encoding":"base64","url":"http://a.example/m/1"}"#
        );
        let signature = hex(&hmac_sha256(b"k", body.as_bytes()));
        assert!(head.contains(&format!("x-remold-signature: sha256={signature}")));
        assert!(head.contains("authorization: Bearer b-token"), "{head}");
    }
}

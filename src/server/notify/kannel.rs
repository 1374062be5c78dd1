//! Kannel's sendsms (Kannel user's guide, "SMS push"): a push becomes one or more short messages
//! with a user data header, each asked for by itself.

use std::fmt::Write;

use bytes::Bytes;
use hyper::Method as Verb;
use hyper::header::{HeaderName, HeaderValue};

use super::breaker::{Breaker, Failure};
use super::client::{AGENT, Answer, Ask, Client};
use super::{hex, reference};
use crate::mms::push::{Segment, segment};
use crate::relay::{Notice, Notifier, NotifyError};
use crate::server::config::{KannelTable, Method};

/// Pushes through Kannel's smsbox.
#[derive(Debug)]
pub struct Kannel {
    table: KannelTable,
    client: Client,
    breaker: Breaker,
}

impl Kannel {
    /// As the configuration says. Nothing is connected yet.
    pub(super) fn new(table: &KannelTable) -> std::io::Result<Self> {
        let authorities = super::authorities(table.ca_file.as_ref());
        let timeout = table.timeout_seconds.duration();
        Ok(Self {
            table: table.clone(),
            client: Client::new(&table.url, timeout, authorities, vec![AGENT])?,
            breaker: Breaker::default(),
        })
    }

    fn ask(&self, to: &str, segment: &Segment) -> Result<Ask, Failure> {
        let table = &self.table;
        let mask = table.dlr_mask.map(|mask| mask.to_string());
        let fields = [
            ("username", Some(table.username.as_str())),
            ("password", Some(table.password.reveal())),
            ("to", Some(to)),
            ("from", table.sender.as_deref()),
            ("smsc", table.smsc.as_deref()),
            // 8-bit data.
            ("coding", Some("1")),
            ("dlr-mask", mask.as_deref()),
            ("dlr-url", table.dlr_url.as_deref()),
        ];
        let fields = fields
            .iter()
            .filter_map(|(name, value)| value.map(|value| (*name, value)));
        let mut ask = Ask {
            method: Verb::GET,
            path: self.client.url().path.clone(),
            content_type: None,
            headers: Vec::new(),
            body: Bytes::new(),
        };
        match table.method {
            Method::Get => {
                let mut separator = if ask.path.contains('?') { '&' } else { '?' };
                for (name, value) in fields {
                    let value = escaped(value.as_bytes());
                    // Writing to a string cannot fail.
                    let _ = write!(ask.path, "{separator}{name}={value}");
                    separator = '&';
                }
                let (udh, text) = (escaped(&segment.udh), escaped(&segment.payload));
                let _ = write!(ask.path, "&udh={udh}&text={text}");
            }
            Method::Post => {
                ask.method = Verb::POST;
                ask.content_type = Some("application/octet-stream".to_owned());
                ask.body = segment.payload.clone();
                let udh = hex(&segment.udh);
                for (name, value) in fields.chain([("udh", udh.as_str())]) {
                    let name = format!("x-kannel-{name}");
                    let name = HeaderName::from_bytes(name.as_bytes());
                    let value = HeaderValue::from_str(value);
                    let (Ok(name), Ok(mut value)) = (name, value) else {
                        let why = "a value of [notify.kannel] is no header".to_owned();
                        return Err(Failure::Away(why));
                    };
                    value.set_sensitive(true);
                    ask.headers.push((name, value));
                }
            }
        }
        Ok(ask)
    }

    fn send(&self, notice: &Notice<'_>) -> Result<(), Failure> {
        let push = Bytes::copy_from_slice(notice.push);
        let segments = segment(&push, reference(), false)
            .map_err(|error| Failure::Never(error.to_string()))?;
        for segment in &segments {
            let ask = self.ask(notice.number.as_str(), segment)?;
            verdict(&self.client.ask(&ask)?)?;
        }
        Ok(())
    }
}

impl Notifier for Kannel {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        self.breaker.call(|| self.send(notice))
    }
}

/// What an answer means. 202 with a text that begins with 0 (accepted) or 3 (queued) is a promise;
/// 503 is a service centre that is away. A refusal of the number, or for want of a route to it, is
/// for good; what else is refused, such as the user or the path, is refused for every push alike.
fn verdict(answer: &Answer) -> Result<(), Failure> {
    let said = format!("Kannel answers {}", answer.shown());
    let text = String::from_utf8_lossy(&answer.body);
    let has = |words: &str| text.contains(words);
    match answer.status {
        200..=299 if text.trim_start().starts_with(['0', '3']) => Ok(()),
        200..=299 if has("Sent") || text.trim().is_empty() => Ok(()),
        400..=499 if has("receiver") || has("Receiver") || has("Not routable") => {
            Err(Failure::Never(said))
        }
        300..=499 | 503 => Err(Failure::Away(said)),
        _ => Err(Failure::Later(said)),
    }
}

/// Every octet that is not a letter or a digit as `%XX`.
fn escaped(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().saturating_mul(3));
    for octet in octets {
        if octet.is_ascii_alphanumeric() {
            text.push(char::from(*octet));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{octet:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::address::Msisdn;
    use crate::server::Config;
    use crate::server::notify::client::tests::{gateway, http};

    fn kannel(address: &str, more: &str) -> Kannel {
        let text = format!(
            "[notify.kannel]\nurl = \"http://{address}/cgi-bin/sendsms\"\nusername = \"us er\"\n\
             password = \"p&ss\"\n{more}"
        );
        let config = Config::from_toml(&text).unwrap();
        Kannel::new(&config.notify.kannel.unwrap()).unwrap()
    }

    fn push(kannel: &Kannel, octets: usize) -> Result<(), NotifyError> {
        let number = Msisdn::parse("+15550002222").unwrap();
        kannel.push(&Notice {
            message_id: "m1",
            number: &number,
            push: &vec![0xBE; octets],
            url: None,
        })
    }

    #[test]
    fn a_push_is_a_query_with_each_octet_escaped() {
        let (address, requests) = gateway(vec![http("202 Accepted", "0: Accepted for delivery")]);
        let kannel = kannel(&address, "dlr_mask = 31\n");
        assert_eq!(push(&kannel, 2), Ok(()));
        let request = String::from_utf8(requests.recv().unwrap()).unwrap();
        let line = request.lines().next().unwrap();
        assert_eq!(
            line,
            "GET /cgi-bin/sendsms?username=us%20er&password=p%26ss&to=%2B15550002222&coding=1\
             &dlr%2Dmask=31&udh=%06%05%04%0B%84%23%F0&text=%BE%BE HTTP/1.1"
                .replace("dlr%2Dmask", "dlr-mask")
        );
    }

    #[test]
    fn a_long_push_is_several_short_messages_that_belong_together() {
        let accepted = || http("202 Accepted", "3: Queued for later delivery");
        let (address, requests) = gateway(vec![accepted(), accepted()]);
        let kannel = kannel(&address, "method = \"POST\"\n");
        assert_eq!(push(&kannel, 200), Ok(()));
        for (number, octets) in [(1, 128), (2, 72)] {
            let request = requests.recv().unwrap();
            let end = request
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .unwrap();
            assert_eq!(request.len() - end - 4, octets);
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let udh = head
                .lines()
                .find_map(|l| l.strip_prefix("x-kannel-udh: "))
                .unwrap();
            assert!(udh.starts_with("0b05040b8423f00003"), "{udh}");
            assert!(udh.ends_with(&format!("020{number}")), "{udh}");
        }
    }

    #[test]
    fn answers_mean_what_kannel_means_by_them() {
        let verdict = |status, text: &'static str| {
            verdict(&Answer {
                status,
                body: Bytes::from_static(text.as_bytes()),
            })
        };
        assert_eq!(verdict(202, "0: Accepted for delivery"), Ok(()));
        assert_eq!(verdict(202, "3: Queued for later delivery"), Ok(()));
        for (status, text) in [
            (503, "Temporal failure, try again later."),
            (403, "Authorization failed for sendsms"),
            (404, "Unknown request."),
            (400, "Sender missing and no global set, rejected"),
            (302, ""),
            (429, ""),
        ] {
            let verdict = verdict(status, text);
            assert!(matches!(verdict, Err(Failure::Away(_))), "{status} {text}");
        }
        for (status, text) in [
            (400, "Empty receiver number not allowed, rejected"),
            (404, "Not routable. Do not try again."),
        ] {
            let verdict = verdict(status, text);
            assert!(matches!(verdict, Err(Failure::Never(_))), "{status} {text}");
        }
        let odd = verdict(202, "5: Who knows");
        assert!(matches!(odd, Err(Failure::Later(_))), "{odd:?}");
    }
}

//! The Push Access Protocol (WAP-164-PAP): a push is a multipart of a control entity and the PDU,
//! and a push proxy gateway makes short messages of it.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderValue};
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

use super::breaker::{Breaker, Failure};
use super::client::{Answer, Ask, Client};
use super::{hex, unguessable};
use crate::Limits;
use crate::mms::pdu::MEDIA_TYPE;
use crate::mms::push;
use crate::relay::{Notice, Notifier, NotifyError};
use crate::server::config::PapTable;

/// Pushes through a push proxy gateway.
#[derive(Debug)]
pub struct Pap {
    ppg: String,
    sms_only: bool,
    client: Client,
    breaker: Breaker,
}

impl Pap {
    /// As the configuration says. Nothing is connected yet.
    pub(super) fn new(table: &PapTable) -> std::io::Result<Self> {
        // No User-Agent: gateways pass headers on to the phone, at the cost of octets of the push.
        let mut headers = Vec::new();
        if let (Some(user), Some(password)) = (&table.username, &table.password) {
            use base64::Engine;
            let both = format!("{user}:{}", password.reveal());
            let both = base64::engine::general_purpose::STANDARD.encode(both);
            let mut value =
                HeaderValue::from_str(&format!("Basic {both}")).map_err(std::io::Error::other)?;
            value.set_sensitive(true);
            headers.push((AUTHORIZATION, value));
        }
        let authorities = super::authorities(table.ca_file.as_ref());
        let timeout = table.timeout_seconds.duration();
        Ok(Self {
            ppg: table.ppg.clone(),
            sms_only: table.sms_only,
            client: Client::new(&table.url, timeout, authorities, headers)?,
            breaker: Breaker::default(),
        })
    }

    fn send(&self, notice: &Notice<'_>) -> Result<(), Failure> {
        let octets = Bytes::copy_from_slice(notice.push);
        let push = push::unwrap(&octets, &Limits::default())
            .map_err(|error| Failure::Never(error.to_string()))?
            .value;
        // Each attempt is a push of its own: the phone did not react to the last one.
        let unique = hex(&unguessable());
        let control = self.control(&unique, notice.number.as_str());
        let mut body = Vec::new();
        body.extend_from_slice(
            format!(
                "--{unique}\r\nContent-Type: application/xml\r\n\r\n{control}\r\n--{unique}\r\n\
                 Content-Type: {MEDIA_TYPE}\r\n\
                 X-Wap-Application-Id: x-wap-application:mms.ua\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(&push.body);
        body.extend_from_slice(format!("\r\n--{unique}--\r\n").as_bytes());
        let answer = self.client.ask(&Ask {
            method: Method::POST,
            path: self.client.url().path.clone(),
            content_type: Some(format!(
                "multipart/related; boundary={unique}; type=\"application/xml\""
            )),
            headers: Vec::new(),
            body: Bytes::from(body),
        })?;
        verdict(&answer)
    }

    fn control(&self, push_id: &str, number: &str) -> String {
        let ppg = escape(self.ppg.as_str());
        let network = if self.sms_only {
            " network=\"GSM\" network-required=\"true\" bearer=\"SMS\" bearer-required=\"true\""
        } else {
            ""
        };
        format!(
            "<?xml version=\"1.0\"?>\r\n\
             <!DOCTYPE pap PUBLIC \"-//WAPFORUM//DTD PAP 1.0//EN\" \
             \"http://www.wapforum.org/DTD/pap_1.0.dtd\">\r\n\
             <pap>\r\n<push-message push-id=\"{push_id}@{ppg}\">\r\n\
             <address address-value=\"WAPPUSH={number}/TYPE=PLMN@{ppg}\"/>\r\n\
             <quality-of-service priority=\"high\" delivery-method=\"unconfirmed\"{network}/>\r\n\
             </push-message>\r\n</pap>"
        )
    }
}

impl Notifier for Pap {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        self.breaker.call(|| self.send(notice))
    }
}

/// What an answer means: the status of HTTP first, then the code in the document.
fn verdict(answer: &Answer) -> Result<(), Failure> {
    let said = format!("the push proxy gateway answers {}", answer.shown());
    match answer.status {
        200..=299 => {}
        300..=399 | 401 | 403 | 404 | 405 | 407 | 429 | 503 => return Err(Failure::Away(said)),
        _ if code(&answer.body).is_none() => return Err(Failure::Later(said)),
        _ => {}
    }
    let Some((code, description)) = code(&answer.body) else {
        return Err(Failure::Later(said));
    };
    let said = format!("the push proxy gateway answers {code} {description}");
    match code {
        1000..=1999 => Ok(()),
        // Address error, address not found, and what a client refused for good.
        2002 | 2003 | 5000..=5999 => Err(Failure::Never(said)),
        // It has this push already.
        2007 => Ok(()),
        // Forbidden, and service unavailable: so it is for every push.
        2001 | 4001 => Err(Failure::Away(said)),
        _ => Err(Failure::Later(said)),
    }
}

/// The code and description of a push-response, a badmessage-response or a
/// resultnotification-message (WAP-164-PAP sections 9.3, 9.4 and 9.13).
fn code(document: &[u8]) -> Option<(u16, String)> {
    let mut reader = Reader::from_reader(document);
    let mut buffer = Vec::new();
    loop {
        let element = match reader.read_event_into(&mut buffer).ok()? {
            Event::Start(element) | Event::Empty(element) => element.into_owned(),
            Event::Eof => return None,
            _ => {
                buffer.clear();
                continue;
            }
        };
        buffer.clear();
        let attribute = |name: &str| {
            let attribute = element.try_get_attribute(name).ok().flatten()?;
            let plain = |c: &char| !c.is_control();
            let value = String::from_utf8_lossy(&attribute.value);
            Some(value.chars().filter(plain).take(100).collect::<String>())
        };
        match element.local_name().as_ref() {
            b"response-result" | b"badmessage-response" | b"resultnotification-message" => {
                let code = attribute("code")?.trim().parse().ok()?;
                return Some((code, attribute("desc").unwrap_or_default()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::address::Msisdn;
    use crate::mms::push::wrap;
    use crate::server::Config;
    use crate::server::notify::client::tests::{gateway, http};

    const TAKEN: &str = "<?xml version=\"1.0\"?><!DOCTYPE pap PUBLIC \"-//WAPFORUM//DTD PAP 1.0//EN\" \
        \"http://www.wapforum.org/DTD/pap_1.0.dtd\"><pap><push-response push-id=\"x\">\
        <response-result code=\"1001\" desc=\"The request has been accepted\"/></push-response></pap>";

    #[test]
    fn a_push_is_a_multipart_of_control_and_pdu() {
        let (address, requests) = gateway(vec![http("202 Accepted", TAKEN)]);
        let config = Config::from_toml(&format!(
            "[notify.pap]\nurl = \"http://{address}/wappush\"\nppg = \"ppg.example\"\n\
             username = \"u\"\npassword = \"p\"\n"
        ));
        let pap = Pap::new(&config.unwrap().notify.pap.unwrap()).unwrap();
        let number = Msisdn::parse("+15550002222").unwrap();
        let pdu = b"\x8C\x82\x98T1\0";
        let notice = Notice {
            message_id: "m1",
            number: &number,
            push: &wrap(0, pdu),
            url: None,
        };
        assert_eq!(pap.push(&notice), Ok(()));
        let request = requests.recv().unwrap();
        let text = String::from_utf8_lossy(&request);
        for part in [
            "authorization: Basic dTpw\r\n",
            "type=\"application/xml\"\r\n",
            "address-value=\"WAPPUSH=+15550002222/TYPE=PLMN@ppg.example\"",
            "Content-Type: application/vnd.wap.mms-message\r\n",
            "X-Wap-Application-Id: x-wap-application:mms.ua\r\n\r\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(request.windows(pdu.len()).any(|octets| octets == pdu));
        assert!(!request.windows(3).any(|octets| octets == b"\x03\xBE\xAF"));
    }

    #[test]
    fn codes_mean_what_the_standard_means_by_them() {
        let response = |code: u16| {
            let body = format!(
                "<pap><push-response push-id='1'><progress-note stage='s'/>\
                 <response-result code='{code}' desc='d'>t</response-result></push-response></pap>"
            );
            verdict(&Answer {
                status: 202,
                body: body.into(),
            })
        };
        assert_eq!([1000, 1001, 2007].map(response), [Ok(()), Ok(()), Ok(())]);
        for code in [2002, 2003, 5001] {
            assert!(matches!(response(code), Err(Failure::Never(_))), "{code}");
        }
        for code in [2000, 3000, 3008, 4000] {
            assert!(matches!(response(code), Err(Failure::Later(_))), "{code}");
        }
        for code in [2001, 4001] {
            assert!(matches!(response(code), Err(Failure::Away(_))), "{code}");
        }
    }

    #[test]
    fn other_documents_and_none_at_all_are_read() {
        let bad = "<pap><badmessage-response code=\"2000\" desc=\"Not&#x20;good\n\" \
                   bad-message-fragment=\"&lt;\"/></pap>";
        assert_eq!(code(bad.as_bytes()).unwrap().0, 2000);
        let result = "<pap><resultnotification-message push-id=\"1\" code=\"1000\" \
                      message-state=\"delivered\"><address address-value=\"a\"/>\
                      </resultnotification-message></pap>";
        assert_eq!(code(result.as_bytes()), Some((1000, String::new())));
        let verdict = |status, body: &'static [u8]| {
            verdict(&Answer {
                status,
                body: Bytes::from_static(body),
            })
        };
        for body in [&b"<html>OK"[..], b"", b"<pap", b"\xFF\xFE<pap>"] {
            assert!(matches!(verdict(200, body), Err(Failure::Later(_))));
        }
        assert!(matches!(verdict(503, b""), Err(Failure::Away(_))));
    }
}

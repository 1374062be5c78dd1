//! Taking a message over: M-Send.req in, M-Send.conf out.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::address::Route;
use super::status::{Response, Version};
use super::watch::response_status;
use super::{Happening, Interface, Relay, hex};
use crate::mms::address::Msisdn;
use crate::mms::pdu::{Pdu, PduType};
use crate::mms::{DecodeError, DecodeErrorKind, EncodedString, Field, HeaderValue, Headers, Time};
use crate::store::{Accepted, Millis, NewRecipient, Role, StoreError, Submission};

/// The longest relative expiry that clients can read: three octets of seconds.
const LONGEST_EXPIRY: Millis = 0xFF_FFFF * 1_000;
/// Fresh random numbers are tried this often before a submission fails.
const DRAWS: usize = 3;

/// Why a submission is refused, and what the phone is told.
struct Refusal(Response, String);

/// The recipients of a submission.
#[derive(Default)]
struct Named {
    /// Those who are served here, each once.
    ours: Vec<(Role, Msisdn)>,
    /// A sentence for each of the others.
    foreign: Vec<String>,
}

impl Relay {
    /// Takes the message of an M-Send.req over and answers it. `octets` are the PDU as it came;
    /// `sender` is who the network says sent it. An answer of Ok is only given once the store has
    /// the message.
    #[must_use]
    pub fn submit(&self, octets: &Bytes, pdu: &Pdu, sender: Option<&Msisdn>) -> Pdu {
        let version = Version(pdu.headers.token(Field::MmsVersion).unwrap_or(0x90));
        let mut conf = answer(pdu.transaction_id().unwrap_or(""), version);
        let (response, text, id) = match self.try_submit(octets, pdu, sender, version) {
            Ok((id, None)) => (Response::Ok, None, Some(id)),
            Ok((id, Some(text))) => (Response::PartialSuccess, Some(text), Some(id)),
            Err(Refusal(response, text)) => (response, Some(text), None),
        };
        let octet = response.octet(version);
        self.watch.happened(&Happening::Submitted {
            interface: Interface::Mm1,
            message_id: id.as_deref(),
            sender: sender.map(Msisdn::as_str),
            octets: octets.len(),
            result: response_status(octet),
            why: text.as_deref(),
        });
        conf.headers
            .add(Field::ResponseStatus, HeaderValue::Token(octet));
        if let Some(text) = text {
            add_text(&mut conf, Field::ResponseText, text);
        }
        if let Some(id) = id {
            conf.headers.add(Field::MessageId, HeaderValue::Text(id));
        }
        if pdu.headers.flag(Field::Store) == Some(true) {
            conf.headers
                .add(Field::StoreStatus, HeaderValue::Token(0xE0));
            let text = "There is no message box here".to_owned();
            add_text(&mut conf, Field::StoreStatusText, text);
        }
        conf
    }

    /// The answer to octets that are no PDU of a version and kind that is served here.
    /// `transaction_id` is what could be made out of them.
    #[must_use]
    pub fn refuse(&self, transaction_id: &str, error: &DecodeError) -> Pdu {
        let mut conf = answer(transaction_id, Version::OURS);
        let response = match error.kind {
            DecodeErrorKind::UnsupportedVersion(_) | DecodeErrorKind::UnknownMessageType(_) => {
                Response::Unsupported
            }
            _ => Response::MessageFormatCorrupt,
        };
        let status = HeaderValue::Token(response.octet(Version::OURS));
        conf.headers.add(Field::ResponseStatus, status);
        add_text(&mut conf, Field::ResponseText, error.to_string());
        conf
    }

    /// The answer to a request that is understood and not served here.
    #[must_use]
    pub fn refuse_kind(&self, pdu: &Pdu) -> Pdu {
        let version = Version(pdu.headers.token(Field::MmsVersion).unwrap_or(0x90));
        let mut conf = answer(pdu.transaction_id().unwrap_or(""), version);
        let status = HeaderValue::Token(Response::Unsupported.octet(version));
        conf.headers.add(Field::ResponseStatus, status);
        let text = format!("{} is not served here", pdu.pdu_type.name());
        add_text(&mut conf, Field::ResponseText, text);
        conf
    }

    /// The id of the message, and a word on those recipients who will not get it.
    fn try_submit(
        &self,
        octets: &Bytes,
        pdu: &Pdu,
        sender: Option<&Msisdn>,
        version: Version,
    ) -> Result<(String, Option<String>), Refusal> {
        let refuse = |response, text: &str| Err(Refusal(response, text.to_owned()));
        let Some(sender) = sender else {
            let text = "The network did not say who is sending";
            return refuse(Response::SendingAddressUnresolved, text);
        };
        let Some(transaction_id) = pdu.transaction_id().filter(|id| !id.is_empty()) else {
            return refuse(Response::MessageFormatCorrupt, "There is no transaction id");
        };
        if octets.len() > self.terms.message_bytes {
            let most = self.terms.message_bytes;
            let text = format!(
                "A message may have {most} octets, this has {}",
                octets.len()
            );
            return refuse(Response::ContentNotAccepted, &text);
        }
        if pdu.body.is_none() {
            return refuse(Response::MessageFormatCorrupt, "There is no content");
        }
        if matches!(pdu.headers.token(Field::ReplyCharging), Some(0x80 | 0x81)) {
            let text = "Paying for replies is not supported";
            return refuse(Response::ReplyChargingNotSupported, text);
        }
        let Named {
            ours: recipients,
            foreign,
        } = self.recipients(&pdu.headers)?;
        let foreign = (!foreign.is_empty()).then(|| format!("Not sent: {}", foreign.join("; ")));
        if let Some(text) = &foreign
            // Before 1.2 there is no way to say that some will get it.
            && (recipients.is_empty() || version.is_before(2))
        {
            return refuse(Response::SendingAddressUnresolved, text);
        }
        let now = self.surroundings.now();
        let expires_at = self.expires_at(&pdu.headers, now);
        let deliver_at = match pdu.headers.get(Field::DeliveryTime) {
            Some(HeaderValue::Time(time)) => instant(*time, now).max(now),
            _ => now,
        };
        if expires_at <= now || deliver_at >= expires_at {
            let text = "The message would expire before it is delivered";
            return refuse(Response::MessageFormatCorrupt, text);
        }
        let flag = |field| pdu.headers.flag(field).unwrap_or(false);
        let submission = Submission {
            id: String::new(),
            sender: format!("{sender}/TYPE=PLMN"),
            transaction_id: transaction_id.to_owned(),
            content_hash: content_hash(pdu, &recipients),
            accepted_at: now,
            expires_at,
            deliver_at,
            delivery_report: flag(Field::DeliveryReport),
            read_report: flag(Field::ReadReport),
            sender_visible: pdu.headers.token(Field::SenderVisibility) != Some(0x80),
            class: pdu
                .headers
                .token(Field::MessageClass)
                .filter(|class| (0x80..=0x83).contains(class))
                .unwrap_or(0x80),
            size: u64::try_from(octets.len()).unwrap_or(u64::MAX),
            subject: pdu.headers.text(Field::Subject).map(str::to_owned),
            recipients: Vec::new(),
        };
        let id = self.accept(submission, &recipients, octets)?;
        Ok((id, foreign))
    }

    /// Draws the random numbers of a submission and gives it to the store.
    fn accept(
        &self,
        mut submission: Submission,
        recipients: &[(Role, Msisdn)],
        octets: &Bytes,
    ) -> Result<String, Refusal> {
        let failed = |error: String| Refusal(Response::TransientFailure, error);
        let since = submission.accepted_at.saturating_sub(self.terms.duplicates);
        for _ in 0..DRAWS {
            let random = || self.surroundings.random().map_err(failed);
            submission.id = hex(random()?.first_chunk::<16>().map_or(&[], |id| &id[..]));
            submission.recipients = recipients
                .iter()
                .map(|(role, number)| {
                    let random = random()?;
                    let (token, rest) = random.split_at(16);
                    Ok(NewRecipient {
                        address: format!("{number}/TYPE=PLMN"),
                        role: *role,
                        token: hex(token),
                        transaction_id: hex(rest.first_chunk::<6>().map_or(&[], |id| &id[..])),
                    })
                })
                .collect::<Result<_, Refusal>>()?;
            match self.store.accept(&submission, octets, since) {
                Ok(Accepted::New) => {
                    self.surroundings.wake();
                    return Ok(submission.id);
                }
                Ok(Accepted::Duplicate(id)) => return Ok(id),
                Err(StoreError::Collision) => {}
                // The phone is told no details of our disks.
                Err(_) => break,
            }
        }
        Err(failed(
            "The message could not be stored; try again".to_owned(),
        ))
    }

    /// Who To, Cc and Bcc name.
    fn recipients(&self, headers: &Headers) -> Result<Named, Refusal> {
        let roles = [
            (Field::To, Role::To),
            (Field::Cc, Role::Cc),
            (Field::Bcc, Role::Bcc),
        ];
        let mut found = Named::default();
        let Named { ours, foreign } = &mut found;
        let named = roles.into_iter().flat_map(|(field, role)| {
            headers.all(field).map(move |value| {
                let text = match value {
                    HeaderValue::Encoded(text) => text.text.as_str(),
                    HeaderValue::Text(text) => text.as_str(),
                    _ => "",
                };
                (role, text)
            })
        });
        for (count, (role, text)) in named.enumerate() {
            if count >= self.terms.recipients {
                let most = self.terms.recipients;
                let text = format!("A message may have {most} recipients");
                return Err(Refusal(Response::ContentNotAccepted, text));
            }
            match self.terms.numbering.route(text) {
                Route::Local(number) if ours.iter().any(|(_, known)| *known == number) => {}
                Route::Local(number) => ours.push((role, number)),
                Route::Nowhere(why) => foreign.push(why),
            }
        }
        if ours.is_empty() && foreign.is_empty() {
            let text = "There is no recipient".to_owned();
            return Err(Refusal(Response::MessageFormatCorrupt, text));
        }
        Ok(found)
    }

    fn expires_at(&self, headers: &Headers, now: Millis) -> Millis {
        let asked = match headers.get(Field::Expiry) {
            Some(HeaderValue::Time(time)) => instant(*time, now),
            _ => now.saturating_add(self.terms.expiry),
        };
        let longest = self.terms.longest_expiry.min(LONGEST_EXPIRY);
        asked.min(now.saturating_add(longest))
    }
}

fn answer(transaction_id: &str, version: Version) -> Pdu {
    let mut conf = Pdu::new(PduType::SendConf);
    conf.headers
        .set(Field::MmsVersion, HeaderValue::Token(version.answer()));
    let id = HeaderValue::Text(transaction_id.to_owned());
    conf.headers.add(Field::TransactionId, id);
    conf
}

fn add_text(conf: &mut Pdu, field: Field, text: String) {
    let value = HeaderValue::Encoded(EncodedString::new(text));
    conf.headers.add(field, value);
}

fn instant(time: Time, now: Millis) -> Millis {
    let millis = |seconds: u64| i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
    match time {
        Time::Absolute(seconds) => millis(seconds),
        Time::Relative(seconds) => now.saturating_add(millis(seconds)),
    }
}

/// What makes two submissions the same: content and recipients. Dates may differ between the
/// attempts of a phone.
fn content_hash(pdu: &Pdu, recipients: &[(Role, Msisdn)]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |octets: &[u8]| {
        hash.update(
            u64::try_from(octets.len())
                .unwrap_or(u64::MAX)
                .to_be_bytes(),
        );
        hash.update(octets);
    };
    for (_, number) in recipients {
        add(number.as_str().as_bytes());
    }
    add(pdu.headers.text(Field::Subject).unwrap_or("").as_bytes());
    for part in pdu.body.iter().flat_map(|body| &body.parts) {
        add(part.content_type.media().as_bytes());
        add(&part.data);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::testing::{Bench, SENDER, send_req};
    use crate::store::Store;

    fn status(conf: &Pdu) -> u8 {
        conf.headers.token(Field::ResponseStatus).unwrap()
    }

    #[test]
    fn a_message_is_accepted_once_however_often_it_comes() {
        let bench = Bench::new("submit-once");
        let conf = bench.submit(&send_req("t1", &["+15550000002"]));
        assert_eq!((conf.pdu_type, status(&conf)), (PduType::SendConf, 0x80));
        assert_eq!(conf.transaction_id(), Some("t1"));
        let again = bench.submit(&send_req("t1", &["+15550000002"]));
        let id = |conf: &Pdu| conf.headers.text(Field::MessageId).map(str::to_owned);
        assert!(id(&conf).is_some_and(|first| id(&again) == Some(first)));
        assert_eq!(bench.store.page().unwrap().messages, 1);
        let other = bench.submit(&send_req("t2", &["+15550000002"]));
        assert_ne!(id(&other), id(&conf));
        bench.advance(25 * 3_600_000);
        assert_ne!(
            id(&bench.submit(&send_req("t1", &["+15550000002"]))),
            id(&conf)
        );
    }

    #[test]
    fn whoever_cannot_be_reached_is_named() {
        let bench = Bench::new("submit-foreign");
        let mut pdu = send_req("t1", &["+15550000002", "+441632960001"]);
        let conf = bench.submit(&pdu);
        assert_eq!(status(&conf), 0xC4);
        let text = conf.headers.text(Field::ResponseText).unwrap();
        assert!(
            text.contains("+441632960001 belongs to another network"),
            "{text}"
        );
        pdu.headers.set(Field::MmsVersion, HeaderValue::Token(0x90));
        assert_eq!(
            status(&bench.submit(&pdu)),
            0x84,
            "1.0 knows no partial success"
        );
        assert_eq!(bench.store.page().unwrap().messages, 1);
        let conf = bench.submit(&send_req("t3", &["somebody@example.com"]));
        assert_eq!(status(&conf), 0xE3);
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_a_reason() {
        let bench = Bench::new("submit-refuse");
        let refused = |pdu: &Pdu| {
            let conf = bench.submit(pdu);
            assert!(conf.headers.text(Field::ResponseText).is_some());
            assert!(conf.headers.get(Field::MessageId).is_none());
            status(&conf)
        };
        let mut charging = send_req("t1", &["+15550000002"]);
        charging
            .headers
            .add(Field::ReplyCharging, HeaderValue::Token(0x80));
        assert_eq!(refused(&charging), 0xE9);
        let mut late = send_req("t2", &["+15550000002"]);
        let time = |seconds| HeaderValue::Time(Time::Relative(seconds));
        late.headers.add(Field::Expiry, time(60));
        late.headers.add(Field::DeliveryTime, time(61));
        assert_eq!(refused(&late), 0xE2);
        let many: Vec<String> = (0..11).map(|n| format!("+1555000{n:04}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(refused(&send_req("t3", &many)), 0xE5);
        let mut large = send_req("t4", &["+15550000002"]);
        large.body.as_mut().unwrap().parts[0].data = vec![0; 20_000].into();
        assert_eq!(refused(&large), 0xE5);
        let pdu = send_req("t5", &["+15550000002"]);
        let octets = bench.octets(&pdu);
        let conf = bench.relay.submit(&octets, &pdu, None);
        assert_eq!(status(&conf), 0xE3);
        assert_eq!(bench.store.page().unwrap().messages, 0);
    }

    #[test]
    fn the_network_says_who_sends_and_no_expiry_is_endless() {
        let bench = Bench::new("submit-sender");
        let mut pdu = send_req("t1", &["+15550000002"]);
        let forged = HeaderValue::From(Some("+15550000666/TYPE=PLMN".into()));
        pdu.headers.set(Field::From, forged);
        let endless = HeaderValue::Time(Time::Absolute(u64::MAX));
        pdu.headers.add(Field::Expiry, endless);
        let conf = bench.submit(&pdu);
        let id = conf.headers.text(Field::MessageId).unwrap();
        let (message, _) = bench.store.message(id).unwrap().unwrap();
        assert_eq!(message.sender, format!("{SENDER}/TYPE=PLMN"));
        let waits = message.expires_at - message.accepted_at;
        assert_eq!(waits, bench.relay.terms().longest_expiry);
    }
}

//! Taking a message over: M-Send.req in, M-Send.conf out.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::status::{Response, Version};
use super::watch::response_status;
use super::{Happening, Interface, Moment, Relay, Route, hex};
use crate::mms::address::Msisdn;
use crate::mms::pdu::{Pdu, PduType};
use crate::mms::{
    Body, DecodeError, DecodeErrorKind, EncodedString, Field, HeaderValue, Headers, Part, Time,
};
use crate::store::{Accepted, Millis, NewRecipient, Role, StoreError, Submission};

/// The longest relative expiry that clients can read: three octets of seconds.
const LONGEST_EXPIRY: Millis = 0xFF_FFFF * 1_000;
/// Fresh random numbers are tried this often before a submission fails.
pub(super) const DRAWS: usize = 3;
/// What a sender is told whose message is not on the disk.
pub(super) const NOT_STORED: &str = "The message could not be stored; try again";

/// Why a submission is refused, and what the phone is told.
pub(super) struct Refusal(pub(super) Response, pub(super) String);

/// A submission that nothing is to be said against, without its random numbers.
pub(super) struct Prepared {
    pub(super) submission: Submission,
    pub(super) recipients: Vec<Addressee>,
    /// A word on those recipients who will not get it.
    pub(super) foreign: Option<String>,
}

/// The recipients of a submission.
#[derive(Default)]
struct Named {
    /// Those who can be reached, each once.
    reached: Vec<Addressee>,
    /// A sentence for each of the others.
    foreign: Vec<String>,
}

/// A recipient who can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addressee {
    /// Which header names him.
    pub(super) role: Role,
    /// His number.
    pub(super) number: Msisdn,
    /// The peer that reaches him; `None` for a subscriber of ours.
    pub(super) peer: Option<String>,
}

impl Relay {
    /// Takes the message of an M-Send.req over and answers it. `octets` are the PDU as it came;
    /// `sender` is who the network says sent it. An answer of Ok is only given once the store has
    /// the message.
    #[must_use]
    pub fn submit(&self, octets: &Bytes, pdu: &Pdu, sender: Option<&Msisdn>) -> Pdu {
        let taken = self.try_submit(octets, pdu, sender, Version::of(pdu));
        self.submitted(octets.len(), pdu, sender, taken)
    }

    /// The answer to an M-Send.req that was taken over or refused, after whoever watches heard of it.
    pub(super) fn submitted(
        &self,
        octets: usize,
        pdu: &Pdu,
        sender: Option<&Msisdn>,
        taken: Result<(String, Option<String>), Refusal>,
    ) -> Pdu {
        let version = Version::of(pdu);
        let mut conf = answer(PduType::SendConf, pdu, version);
        let (response, text, id) = match taken {
            Ok((id, None)) => (Response::Ok, None, Some(id)),
            Ok((id, Some(text))) => (Response::PartialSuccess, Some(text), Some(id)),
            Err(Refusal(response, text)) => (response, Some(text), None),
        };
        let octet = response.octet(version);
        self.watch.happened(&Happening::Submitted {
            interface: Interface::Mm1,
            message_id: id.as_deref(),
            sender: sender.map(Msisdn::as_str),
            octets,
            result: response_status(octet),
            why: text.as_deref(),
        });
        conf.headers
            .add(Field::ResponseStatus, HeaderValue::Token(octet));
        if let Some(text) = text {
            add_text(&mut conf, Field::ResponseText, text);
        }
        if let Some(id) = id {
            if pdu.headers.flag(Field::Store) == Some(true) {
                self.keep_copy(&mut conf, pdu, sender, &id);
            }
            conf.headers.add(Field::MessageId, HeaderValue::Text(id));
        }
        conf
    }

    /// The answer to octets that are no PDU of a version and kind that is served here.
    /// `transaction_id` and `version`, an octet of X-Mms-MMS-Version, are what could be made out of
    /// them.
    #[must_use]
    pub fn refuse(&self, transaction_id: &str, version: Option<u8>, error: &DecodeError) -> Pdu {
        let response = match error.kind {
            DecodeErrorKind::UnsupportedVersion(_) | DecodeErrorKind::UnknownMessageType(_) => {
                Response::Unsupported
            }
            _ => Response::MessageFormatCorrupt,
        };
        unread(transaction_id, version, response, error.to_string())
    }

    /// The answer to a submission with more octets than a message may have.
    #[must_use]
    pub fn refuse_size(&self, transaction_id: &str, version: Option<u8>) -> Pdu {
        let most = self.terms().message_bytes;
        let text = format!("The message is too large: at most {most} octets are taken");
        unread(transaction_id, version, Response::ContentNotAccepted, text)
    }

    /// The answer to a request that is understood and not served here.
    #[must_use]
    pub fn refuse_kind(&self, pdu: &Pdu) -> Pdu {
        let version = Version::of(pdu);
        let mut conf = answer(PduType::SendConf, pdu, version);
        let status = HeaderValue::Token(Response::Unsupported.octet(version));
        conf.headers.add(Field::ResponseStatus, status);
        let text = format!("{} is not served here", pdu.pdu_type.name());
        add_text(&mut conf, Field::ResponseText, text);
        conf
    }

    /// The id of the message, and a word on those recipients who will not get it.
    pub(super) fn try_submit(
        &self,
        octets: &Bytes,
        pdu: &Pdu,
        sender: Option<&Msisdn>,
        version: Version,
    ) -> Result<(String, Option<String>), Refusal> {
        let prepared = self.prepare(octets.len(), pdu, sender, version)?;
        let id = self
            .store_submission(prepared.submission, &prepared.recipients, octets, Some(pdu))
            .map_err(|text| Refusal(Response::TransientFailure, text))?;
        Ok((id, prepared.foreign))
    }

    /// Looks at all of an M-Send.req of so many octets but its content.
    pub(super) fn prepare(
        &self,
        octets: usize,
        pdu: &Pdu,
        sender: Option<&Msisdn>,
        version: Version,
    ) -> Result<Prepared, Refusal> {
        let refuse = |response, text: &str| Err(Refusal(response, text.to_owned()));
        let Some(sender) = sender else {
            let text = "The network did not say who is sending";
            return refuse(Response::SendingAddressUnresolved, text);
        };
        if !self.terms().policy.may_send(sender) {
            return refuse(Response::ServiceDenied, "You may not send messages here");
        }
        let Some(transaction_id) = pdu.transaction_id().filter(|id| !id.is_empty()) else {
            return refuse(Response::MessageFormatCorrupt, "There is no transaction id");
        };
        if octets > self.terms().message_bytes {
            let most = self.terms().message_bytes;
            let text = format!("A message may have {most} octets, this has {octets}");
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
            reached: recipients,
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
        self.hold(sender, recipients.len(), now)?;
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
        let content = content_digest(pdu.body.as_ref());
        let submission = Submission {
            id: String::new(),
            sender: format!("{sender}/TYPE=PLMN"),
            transaction_id: transaction_id.to_owned(),
            content_hash: submission_hash(pdu, &recipients, &content),
            content,
            accepted_at: now,
            expires_at,
            deliver_at,
            delivery_report: flag(Field::DeliveryReport),
            read_report: flag(Field::ReadReport),
            sender_visible: pdu.headers.token(Field::SenderVisibility) != Some(0x80),
            class: class(&pdu.headers),
            size: u64::try_from(octets).unwrap_or(u64::MAX),
            subject: pdu.headers.text(Field::Subject).map(str::to_owned),
            recipients: Vec::new(),
            origin: None,
        };
        Ok(Prepared {
            submission,
            recipients,
            foreign,
        })
    }

    /// Holds a subscriber to his rate.
    fn hold(&self, sender: &Msisdn, recipients: usize, now: Millis) -> Result<(), Refusal> {
        let Some(rate) = self.terms().policy.rate else {
            return Ok(());
        };
        self.gate
            .pass(sender, recipients, rate, now)
            .map_err(|wait| {
                let seconds = wait.saturating_add(999) / 1_000;
                let s = if seconds == 1 { "" } else { "s" };
                let text = format!("You send too fast; try again in {seconds} second{s}");
                Refusal(Response::TransientFailure, text)
            })
    }

    /// Draws the random numbers of a submission and gives it to the store; where that fails, what
    /// its sender is told. `pdu` is what `octets` hold, where its phones may come for it soon.
    pub(super) fn store_submission(
        &self,
        mut submission: Submission,
        recipients: &[Addressee],
        octets: &Bytes,
        pdu: Option<&Pdu>,
    ) -> Result<String, String> {
        let since = submission
            .accepted_at
            .saturating_sub(self.terms().duplicates);
        for _ in 0..DRAWS {
            self.draw(&mut submission, recipients)?;
            // Before it is taken over: its phone may be told of it the moment after.
            if let Some(pdu) = pdu {
                self.keep_recent(&submission, pdu);
            }
            let accepted = self.store.accept(&submission, octets, since);
            if !matches!(accepted, Ok(Accepted::New)) {
                self.forget_recent(&submission);
            }
            if let Some(id) = self.taken_over(&submission, accepted) {
                return id;
            }
        }
        Err(NOT_STORED.to_owned())
    }

    /// Draws the random numbers of a submission.
    pub(super) fn draw(
        &self,
        submission: &mut Submission,
        recipients: &[Addressee],
    ) -> Result<(), String> {
        let random = || self.surroundings.random();
        submission.id = message_id(submission.accepted_at, &random()?);
        submission.recipients = recipients
            .iter()
            .map(|addressee| {
                let random = random()?;
                let (token, rest) = random.split_at(16);
                Ok(NewRecipient {
                    address: format!("{}/TYPE=PLMN", addressee.number),
                    role: addressee.role,
                    token: hex(token),
                    transaction_id: hex(rest.first_chunk::<6>().map_or(&[], |id| &id[..])),
                    peer: addressee.peer.clone(),
                })
            })
            .collect::<Result<_, String>>()?;
        Ok(())
    }

    /// The id under which the store has a submission, after those who have work now were woken, or
    /// what its sender is told; `None` where other random numbers are to be tried.
    pub(super) fn taken_over(
        &self,
        submission: &Submission,
        accepted: Result<Accepted, StoreError>,
    ) -> Option<Result<String, String>> {
        match accepted {
            Ok(Accepted::New) => {
                self.surroundings.pass(Moment::Accepted);
                let recipients = &submission.recipients;
                if recipients.iter().any(|recipient| recipient.peer.is_none()) {
                    self.surroundings.wake();
                }
                if recipients.iter().any(|recipient| recipient.peer.is_some()) {
                    self.surroundings.wake_peers();
                }
                Some(Ok(submission.id.clone()))
            }
            Ok(Accepted::Duplicate(id)) => Some(Ok(id)),
            Err(StoreError::Collision) => None,
            // The phone is told no details of our disks.
            Err(_) => Some(Err(NOT_STORED.to_owned())),
        }
    }

    /// Who To, Cc and Bcc name.
    fn recipients(&self, headers: &Headers) -> Result<Named, Refusal> {
        let roles = [
            (Field::To, Role::To),
            (Field::Cc, Role::Cc),
            (Field::Bcc, Role::Bcc),
        ];
        let mut found = Named::default();
        let Named { reached, foreign } = &mut found;
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
            if count >= self.terms().recipients {
                let most = self.terms().recipients;
                let text = format!("A message may have {most} recipients");
                return Err(Refusal(Response::ContentNotAccepted, text));
            }
            let (number, peer) = match self.route(text) {
                Route::Local(number) | Route::Foreign(number, _)
                    if !self.terms().policy.may_receive(&number) =>
                {
                    foreign.push(format!("{number} takes no messages"));
                    continue;
                }
                Route::Local(number) => (number, None),
                Route::Foreign(number, peer) => (number, Some(peer)),
                Route::Nowhere(why) => {
                    foreign.push(why);
                    continue;
                }
            };
            if !reached.iter().any(|known| known.number == number) {
                reached.push(Addressee { role, number, peer });
            }
        }
        if reached.is_empty() && foreign.is_empty() {
            let text = "There is no recipient".to_owned();
            return Err(Refusal(Response::MessageFormatCorrupt, text));
        }
        Ok(found)
    }

    /// When a message with these headers expires.
    pub(super) fn expires_at(&self, headers: &Headers, now: Millis) -> Millis {
        let asked = match headers.get(Field::Expiry) {
            Some(HeaderValue::Time(time)) => instant(*time, now),
            _ => now.saturating_add(self.terms().expiry),
        };
        let longest = self.terms().longest_expiry.min(LONGEST_EXPIRY);
        asked.min(now.saturating_add(longest))
    }
}

/// A Message-ID: the time in front, so that a store finds messages of one time in one place, and
/// ten random octets.
fn message_id(now: Millis, random: &[u8; 32]) -> String {
    let time = now.to_be_bytes();
    let (_, time) = time.split_at(2);
    let random = random.first_chunk::<10>().map_or(&[][..], |octets| octets);
    hex(time) + &hex(random)
}

/// The beginning of an answer to a PDU.
pub(super) fn answer(kind: PduType, pdu: &Pdu, version: Version) -> Pdu {
    blank(kind, pdu.transaction_id().unwrap_or(""), version)
}

fn blank(kind: PduType, transaction_id: &str, version: Version) -> Pdu {
    let mut conf = Pdu::new(kind);
    conf.headers
        .set(Field::MmsVersion, HeaderValue::Token(version.answer()));
    let id = HeaderValue::Text(transaction_id.to_owned());
    conf.headers.add(Field::TransactionId, id);
    conf
}

/// M-Send.conf for octets of which little more than their transaction could be read.
fn unread(transaction_id: &str, version: Option<u8>, response: Response, text: String) -> Pdu {
    let version = version.map_or(Version::OURS, Version);
    let mut conf = blank(PduType::SendConf, transaction_id, version);
    let status = HeaderValue::Token(response.octet(version));
    conf.headers.add(Field::ResponseStatus, status);
    add_text(&mut conf, Field::ResponseText, text);
    conf
}

pub(super) fn add_text(conf: &mut Pdu, field: Field, text: String) {
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

/// X-Mms-Message-Class as its octet; Personal for one that has none or one of its own.
pub(super) fn class(headers: &Headers) -> u8 {
    headers
        .token(Field::MessageClass)
        .filter(|class| (0x80..=0x83).contains(class))
        .unwrap_or(0x80)
}

/// What makes two submissions the same: content and recipients. Dates may differ between the
/// attempts of a phone.
pub(super) fn submission_hash(pdu: &Pdu, recipients: &[Addressee], content: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for recipient in recipients {
        add(&mut hash, recipient.number.as_str().as_bytes());
    }
    let subject = pdu.headers.text(Field::Subject).unwrap_or("");
    add(&mut hash, subject.as_bytes());
    hash.update(content);
    hash.finalize().into()
}

/// A hash of all that a body is: what its parts hold, what they are called, and their order.
pub(super) fn content_digest(body: Option<&Body>) -> [u8; 32] {
    let mut hash = Sha256::new();
    let Some(body) = body else {
        return hash.finalize().into();
    };
    add(&mut hash, body.content_type.to_string().as_bytes());
    for part in &body.parts {
        let Part {
            content_type,
            content_id,
            content_location,
            disposition,
            other,
            data,
        } = part;
        // Rare ones are told apart by what they show of themselves.
        let head =
            format!("{content_type} {content_id:?} {content_location:?} {disposition:?} {other:?}");
        add(&mut hash, head.as_bytes());
        add(&mut hash, data);
    }
    hash.finalize().into()
}

/// Adds a text so that no two texts together are the same as two others.
fn add(hash: &mut Sha256, octets: &[u8]) {
    let len = u64::try_from(octets.len()).unwrap_or(u64::MAX);
    hash.update(len.to_be_bytes());
    hash.update(octets);
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

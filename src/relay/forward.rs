//! What a recipient may do with a message that waits for him without fetching it: pass it on,
//! delete it; and what the service may do: take it back.

use super::Relay;
use super::delivery::Event;
use super::report::seconds;
use super::retrieve::{TOKEN, number, outgoing};
use super::status::{Response, Version};
use super::submit::{Refusal, add_text, answer};
use crate::mms::address::Msisdn;
use crate::mms::pdu::{self, Pdu, PduType, encode};
use crate::mms::{EncodedString, Field, HeaderValue, Message};
use crate::store::{self, DeliveryState, MessageRow, NewReport, RecipientRow, StoreError};

/// Headers of a waiting message that go on with it.
const KEPT: [Field; 7] = [
    Field::Subject,
    Field::MessageClass,
    Field::Priority,
    Field::ContentClass,
    Field::DrmContent,
    Field::PreviouslySentBy,
    Field::PreviouslySentDate,
];
/// Headers of M-Forward.req that are as in M-Send.req.
const ASKED: [Field; 8] = [
    Field::To,
    Field::Cc,
    Field::Bcc,
    Field::Date,
    Field::Expiry,
    Field::DeliveryTime,
    Field::DeliveryReport,
    Field::ReadReport,
];

/// What became of a message that was taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cancelled {
    /// Recipients who will not get it any more.
    pub stopped: usize,
    /// Recipients who had it, and whose phones are asked to delete it.
    pub recalled: usize,
}

impl Relay {
    /// Takes an M-Forward.req in: the message behind its Content-Location goes to others, without
    /// its recipient having fetched it. It still waits for him.
    #[must_use]
    pub fn pass_on(&self, pdu: &Pdu, from: Option<&Msisdn>) -> Pdu {
        let version = Version::of(pdu);
        let mut conf = answer(PduType::ForwardConf, pdu, version);
        let (response, text, id) = match self.try_pass_on(pdu, from, version) {
            Ok((id, None)) => (Response::Ok, None, Some(id)),
            Ok((id, Some(text))) => (Response::PartialSuccess, Some(text), Some(id)),
            Err(Refusal(response, text)) => (response, Some(text), None),
        };
        let status = HeaderValue::Token(response.octet(version));
        conf.headers.add(Field::ResponseStatus, status);
        if let Some(text) = text {
            add_text(&mut conf, Field::ResponseText, text);
        }
        if let Some(id) = id {
            conf.headers.add(Field::MessageId, HeaderValue::Text(id));
        }
        conf
    }

    fn try_pass_on(
        &self,
        pdu: &Pdu,
        from: Option<&Msisdn>,
        version: Version,
    ) -> Result<(String, Option<String>), Refusal> {
        let Some(from) = from else {
            let text = "The network did not say who is sending".to_owned();
            return Err(Refusal(Response::SendingAddressUnresolved, text));
        };
        let location = pdu.headers.text(Field::ContentLocation).unwrap_or("");
        let (row, recipient, original) = self.source(location, from)?;
        if original.headers.flag(Field::DistributionIndicator) == Some(false) {
            let text = "Its sender does not want it passed on".to_owned();
            return Err(Refusal(Response::ServiceDenied, text));
        }
        let mut send = Pdu::new(PduType::SendReq);
        let id = pdu.transaction_id().unwrap_or("").to_owned();
        let headers = &mut send.headers;
        headers.add(Field::TransactionId, HeaderValue::Text(id));
        headers.add(Field::From, HeaderValue::From(None));
        for (source, fields) in [(&pdu.headers, &ASKED[..]), (&original.headers, &KEPT[..])] {
            for field in fields {
                source
                    .all(*field)
                    .for_each(|value| headers.add(*field, value.clone()));
            }
        }
        let before = original.headers.all(Field::PreviouslySentBy);
        let count = before
            .filter_map(|value| match value {
                HeaderValue::Counted(count, _) => Some(*count),
                _ => None,
            })
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        if row.sender_visible {
            let sender = HeaderValue::Encoded(EncodedString::new(row.sender.clone()));
            let value = HeaderValue::Counted(count, Box::new(sender));
            headers.add(Field::PreviouslySentBy, value);
        }
        let date = HeaderValue::Date(seconds(row.accepted_at));
        let value = HeaderValue::Counted(count, Box::new(date));
        headers.add(Field::PreviouslySentDate, value);
        send.body = Some(original.body);
        let octets = encode(&send)
            .map_err(|error| Refusal(Response::MessageFormatCorrupt, error.to_string()))?;
        let taken = self.try_submit(&octets.into(), &send, Some(from), version)?;
        let event = store::Event {
            message_id: row.id,
            recipient: Some(recipient.id),
            at: self.surroundings.now(),
            what: "passed-on".to_owned(),
            detail: format!("as {}", taken.0),
        };
        // It is a note only: what was asked for has been done.
        let _ = self.store.record(&event);
        Ok(taken)
    }

    /// The message that waits for a subscriber behind a URL.
    fn source(
        &self,
        location: &str,
        who: &Msisdn,
    ) -> Result<(MessageRow, RecipientRow, Message), Refusal> {
        let missing = || {
            let text = "There is no such message for you".to_owned();
            Refusal(Response::MessageNotFound, text)
        };
        let failed = |_| {
            let text = "The message cannot be read now; try again later".to_owned();
            Refusal(Response::TransientFailure, text)
        };
        let waiting = self.waiting(location, who).map_err(failed)?;
        let (row, recipient) = waiting.ok_or_else(missing)?;
        let octets = self.store.body(&row).map_err(failed)?.ok_or_else(missing)?;
        let original = pdu::decode(&octets, &self.limits)
            .ok()
            .and_then(|decoded| decoded.value.into_message().ok())
            .ok_or_else(missing)?;
        Ok((row, recipient, original))
    }

    /// The recipient's row and message behind the URL of a notification, if they are this
    /// subscriber's and can still be fetched.
    pub(super) fn waiting(
        &self,
        location: &str,
        who: &Msisdn,
    ) -> Result<Option<(MessageRow, RecipientRow)>, StoreError> {
        let Some((_, token)) = location.rsplit_once("/m/") else {
            return Ok(None);
        };
        if token.len() != TOKEN {
            return Ok(None);
        }
        let found = self.store.by_token(&super::retrieve::hash(token))?;
        Ok(found.filter(|(message, recipient)| {
            number(&recipient.address).as_ref() == Some(who) && self.may_fetch(message, recipient)
        }))
    }

    /// Takes an M-Delete.req or M-Mbox-Delete.req in: messages that wait, or are in a box, go
    /// without having been fetched. Each of them has its own answer.
    #[must_use]
    pub fn delete(&self, pdu: &Pdu, from: Option<&Msisdn>) -> Pdu {
        let kind = match pdu.pdu_type {
            PduType::MboxDeleteReq => PduType::MboxDeleteConf,
            _ => PduType::DeleteConf,
        };
        let version = Version::of(pdu);
        let mut conf = answer(kind, pdu, version);
        let locations = pdu.headers.all(Field::ContentLocation);
        for (count, value) in (0..).zip(locations.take(self.terms().recipients)) {
            let location = match value {
                HeaderValue::Text(text) => text.as_str(),
                _ => "",
            };
            let response = from.map_or(Response::ServiceDenied, |from| self.gone(location, from));
            let counted = |value| HeaderValue::Counted(count, Box::new(value));
            let text = HeaderValue::Text(location.to_owned());
            conf.headers.add(Field::ContentLocation, counted(text));
            let status = HeaderValue::Token(response.octet(version));
            conf.headers.add(Field::ResponseStatus, counted(status));
        }
        conf
    }

    fn gone(&self, location: &str, from: &Msisdn) -> Response {
        let deleted = if location.contains("/b/") {
            self.delete_from_box(location, from)
        } else {
            self.waiting(location, from).and_then(|found| match found {
                Some((message, recipient)) => self
                    .advance_fresh(&message, recipient, Event::Rejected, "deleted", "")
                    .map(|_| true),
                None => Ok(false),
            })
        };
        match deleted {
            Ok(true) => Response::Ok,
            Ok(false) => Response::MessageNotFound,
            Err(_) => Response::TransientFailure,
        }
    }

    /// Takes a message back. Who has not fetched it will not get it; phones that have it, and
    /// speak 1.3, delete it on M-Cancel.req.
    ///
    /// # Errors
    /// Where the store cannot be read or written; some recipients may be done by then.
    pub fn cancel(&self, message_id: &str) -> Result<Cancelled, StoreError> {
        let mut cancelled = Cancelled::default();
        let Some((message, recipients)) = self.store.message(message_id)? else {
            return Ok(cancelled);
        };
        for recipient in recipients.into_iter().filter(|r| r.peer.is_none()) {
            let had_it = matches!(
                recipient.state,
                DeliveryState::Fetched | DeliveryState::Retrieved | DeliveryState::Indeterminate
            );
            if had_it {
                self.recall(&message, &recipient)?;
                cancelled.recalled = cancelled.recalled.saturating_add(1);
            } else if !recipient.state.is_final() {
                self.advance_fresh(&message, recipient, Event::Cancelled, "cancelled", "")?;
                cancelled.stopped = cancelled.stopped.saturating_add(1);
            }
        }
        self.surroundings.wake();
        Ok(cancelled)
    }

    fn recall(&self, message: &MessageRow, recipient: &RecipientRow) -> Result<(), StoreError> {
        let mut pdu = Pdu::new(PduType::CancelReq);
        let headers = &mut pdu.headers;
        headers.set(Field::MmsVersion, HeaderValue::Token(0x93));
        let id = HeaderValue::Text(recipient.transaction_id.clone());
        headers.add(Field::TransactionId, id);
        headers.add(Field::CancelId, HeaderValue::Text(message.id.clone()));
        let Ok(pdu) = encode(&pdu) else {
            return Ok(());
        };
        let now = self.surroundings.now();
        let report = NewReport {
            message_id: message.id.clone(),
            address: recipient.address.clone(),
            pdu,
            due_at: now,
            expires_at: now.saturating_add(self.terms().expiry),
            peer: None,
            transaction_id: None,
        };
        let event = store::Event {
            message_id: message.id.clone(),
            recipient: Some(recipient.id),
            at: now,
            what: "recalled".to_owned(),
            detail: String::new(),
        };
        self.store.add_report(&report, &event)
    }

    /// The message of a row as this recipient would get it.
    pub(super) fn copy_for(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
    ) -> Result<Option<Message>, StoreError> {
        let original = self.store.body(message)?.and_then(|octets| {
            let decoded = pdu::decode(&octets, &self.limits).ok()?;
            decoded.value.into_message().ok()
        });
        Ok(original.map(|original| outgoing(original, message, recipient)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Retrieved;
    use crate::relay::testing::{Bench, SENDER, send_req};
    use crate::store::Store;

    fn request(pdu_type: PduType, locations: &[&str]) -> Pdu {
        let mut pdu = Pdu::new(pdu_type);
        let id = HeaderValue::Text("r1".to_owned());
        pdu.headers.add(Field::TransactionId, id);
        if pdu_type == PduType::ForwardReq {
            pdu.headers.add(Field::From, HeaderValue::From(None));
            let to = HeaderValue::Encoded("+15550000003/TYPE=PLMN".into());
            pdu.headers.add(Field::To, to);
        }
        for location in locations {
            let location = HeaderValue::Text((*location).to_owned());
            pdu.headers.add(Field::ContentLocation, location);
        }
        pdu
    }

    fn number(text: &str) -> Msisdn {
        Msisdn::parse(text).unwrap()
    }

    fn status(conf: &Pdu) -> Option<u8> {
        conf.headers.token(Field::ResponseStatus)
    }

    #[test]
    fn a_message_goes_on_unfetched_and_says_where_it_came_from() {
        let bench = Bench::new("forward");
        let id = bench.accept(&send_req("t1", &["+15550000002"]));
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let url = format!("http://mms.example/m/{}", recipients[0].token);
        let forward = request(PduType::ForwardReq, &[&url]);
        let (bob, stranger) = (number("+15550000002"), number("+15550000066"));
        for (from, want) in [(None, 0xE3), (Some(&stranger), 0xE4)] {
            let conf = bench.relay.pass_on(&forward, from);
            assert_eq!(status(&conf), Some(want));
            bench.octets(&conf);
        }
        let conf = bench.relay.pass_on(&forward, Some(&bob));
        assert_eq!(
            (conf.pdu_type, status(&conf)),
            (PduType::ForwardConf, Some(0x80))
        );
        let passed = conf.headers.text(Field::MessageId).unwrap();
        let (message, onward) = bench.store.message(passed).unwrap().unwrap();
        assert_eq!(message.sender, "+15550000002/TYPE=PLMN");
        let Retrieved::Conf(octets) = bench.relay.retrieve(&onward[0].token, &[]) else {
            panic!("unknown");
        };
        let got = bench.decode(octets);
        let by = got.headers.get(Field::PreviouslySentBy).unwrap();
        let sender = EncodedString::new(format!("{SENDER}/TYPE=PLMN"));
        let want = HeaderValue::Counted(1, Box::new(HeaderValue::Encoded(sender)));
        assert_eq!(by, &want);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].state, DeliveryState::Queued, "it still waits");
        let nowhere = request(PduType::ForwardReq, &["http://mms.example/x"]);
        assert_eq!(
            status(&bench.relay.pass_on(&nowhere, Some(&bob))),
            Some(0xE4)
        );
    }

    #[test]
    fn what_its_sender_keeps_to_himself_is_not_passed_on() {
        let bench = Bench::new("forward-not");
        let mut pdu = send_req("t1", &["+15550000002"]);
        pdu.headers
            .add(Field::DistributionIndicator, HeaderValue::Token(0x81));
        let id = bench.accept(&pdu);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let url = format!("http://mms.example/m/{}", recipients[0].token);
        let forward = request(PduType::ForwardReq, &[&url]);
        let conf = bench.relay.pass_on(&forward, Some(&number("+15550000002")));
        assert_eq!(status(&conf), Some(0xE1));
        assert_eq!(bench.store.page().unwrap().messages, 1);
    }

    #[test]
    fn only_ones_own_messages_are_deleted_and_the_sender_hears_of_it() {
        let bench = Bench::new("delete");
        let mut pdu = send_req("t1", &["+15550000002", "+15550000003"]);
        pdu.headers
            .add(Field::DeliveryReport, HeaderValue::Token(0x80));
        let id = bench.accept(&pdu);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let url = |at: usize| format!("http://mms.example/m/{}", recipients[at].token);
        let delete = request(PduType::DeleteReq, &[&url(0), &url(1)]);
        let conf = bench.relay.delete(&delete, Some(&number("+15550000002")));
        let conf = bench.decode(bench.octets(&conf));
        let answers: Vec<_> = conf.headers.all(Field::ResponseStatus).cloned().collect();
        let counted =
            |count, octet| HeaderValue::Counted(count, Box::new(HeaderValue::Token(octet)));
        assert_eq!(answers, [counted(0, 0x80), counted(1, 0xE4)]);
        let (_, after) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(after[0].state, DeliveryState::Rejected);
        assert_eq!(after[1].state, DeliveryState::Queued);
        bench.run_due();
        let told: Vec<_> = bench.pushes();
        let report = told.iter().find(|(to, _)| to == SENDER).unwrap();
        assert_eq!(report.1.headers.token(Field::Status), Some(0x82));
    }

    #[test]
    fn a_message_is_taken_back_from_those_who_wait_and_those_who_have_it() {
        let bench = Bench::new("cancel");
        let id = bench.accept(&send_req("t1", &["+15550000002", "+15550000003"]));
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let _ = bench.relay.retrieve(&recipients[0].token, &[]);
        let cancelled = bench.relay.cancel(&id).unwrap();
        assert_eq!((cancelled.stopped, cancelled.recalled), (1, 1));
        bench.run_due();
        let pushes = bench.pushes();
        let kinds: Vec<_> = pushes
            .iter()
            .map(|(to, pdu)| (to.as_str(), pdu.pdu_type))
            .collect();
        assert_eq!(kinds, [("+15550000002", PduType::CancelReq)]);
        assert_eq!(pushes[0].1.headers.text(Field::CancelId), Some(id.as_str()));
        let (_, after) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(after[1].state, DeliveryState::Expired);
        assert_eq!(bench.relay.cancel("nothing"), Ok(Cancelled::default()));
        let mut answer = Pdu::new(PduType::CancelConf);
        let told = HeaderValue::Text(recipients[0].transaction_id.clone());
        answer.headers.add(Field::TransactionId, told);
        answer
            .headers
            .add(Field::CancelStatus, HeaderValue::Token(0x80));
        assert!(bench.relay.respond(&answer, None).unwrap());
        let events = bench.store.events(&id).unwrap();
        assert!(events.iter().any(|event| event.what == "cancel-answered"));
    }
}

//! What phones say about messages they were told of: M-NotifyResp.ind, M-Acknowledge.ind,
//! M-Read-Rec.ind. None of them has an answer.

use super::Relay;
use super::delivery::Event;
use super::retrieve::number;
use crate::mms::address::Msisdn;
use crate::mms::pdu::{Pdu, PduType};
use crate::mms::{Field, HeaderValue};
use crate::store::{self, DeliveryState, MessageRow, RecipientRow, StoreError};

impl Relay {
    /// Takes an M-NotifyResp.ind, M-Acknowledge.ind or M-Read-Rec.ind in. `from` is who the
    /// network says sent it, where it says anything: somebody else's message is left alone. Gives
    /// whether the PDU is about a message that was under way; one that is not is no error, since
    /// phones repeat what was answered already.
    ///
    /// # Errors
    /// Where the store cannot be read or written: the phone should try again.
    pub fn respond(&self, pdu: &Pdu, from: Option<&Msisdn>) -> Result<bool, StoreError> {
        if let Some((event, what)) = said(pdu) {
            return self.answered(pdu, from, event, what);
        }
        match pdu.pdu_type {
            PduType::ReadRecInd => self.read(pdu, from),
            PduType::CancelConf => self.recalled(pdu, from),
            _ => Ok(false),
        }
    }

    /// M-Cancel.conf: a phone that was asked to delete a message says what it did.
    fn recalled(&self, pdu: &Pdu, from: Option<&Msisdn>) -> Result<bool, StoreError> {
        let Some(id) = pdu.transaction_id() else {
            return Ok(false);
        };
        let Some((message, recipient)) = self.store.by_transaction(id)? else {
            return Ok(false);
        };
        if !is(&recipient, from) {
            return Ok(false);
        }
        let done = pdu.headers.token(Field::CancelStatus) == Some(0x80);
        self.store.record(&store::Event {
            message_id: message.id,
            recipient: Some(recipient.id),
            at: self.surroundings.now(),
            what: "cancel-answered".to_owned(),
            detail: if done { "done" } else { "not understood" }.to_owned(),
        })?;
        Ok(true)
    }

    fn answered(
        &self,
        pdu: &Pdu,
        from: Option<&Msisdn>,
        event: Event,
        what: &str,
    ) -> Result<bool, StoreError> {
        let Some(id) = pdu.transaction_id() else {
            return Ok(false);
        };
        let Some((message, recipient)) = self.store.by_transaction(id)? else {
            return Ok(false);
        };
        if !is(&recipient, from) {
            return Ok(false);
        }
        let before = recipient.state;
        self.advance_fresh(&message, recipient, event, what, "")?;
        Ok(!before.is_final())
    }

    fn read(&self, pdu: &Pdu, from: Option<&Msisdn>) -> Result<bool, StoreError> {
        let Some(id) = pdu.headers.text(Field::MessageId) else {
            return Ok(false);
        };
        let Some((message, recipients)) = self.store.message(id)? else {
            return Ok(false);
        };
        let named = match pdu.headers.get(Field::From) {
            Some(HeaderValue::From(Some(text))) => {
                number(&text.text).and_then(|number| self.terms().numbering.international(&number))
            }
            _ => None,
        };
        let Some(reader) = from.or(named.as_ref()) else {
            return Ok(false);
        };
        let reader = recipients
            .iter()
            .find(|recipient| is(recipient, Some(reader)));
        match reader {
            Some(recipient) => self.read_by(pdu, &message, recipient),
            None => Ok(false),
        }
    }

    fn read_by(
        &self,
        pdu: &Pdu,
        message: &MessageRow,
        recipient: &RecipientRow,
    ) -> Result<bool, StoreError> {
        let had_it = matches!(
            recipient.state,
            DeliveryState::Fetched | DeliveryState::Retrieved | DeliveryState::Indeterminate
        );
        let status = match pdu.headers.token(Field::ReadStatus) {
            Some(status @ (0x80 | 0x81)) if had_it && message.read_report => status,
            _ => return Ok(false),
        };
        self.tell_of_reading(message, recipient, status)
    }

    /// Tells the sender that a recipient read a message or deleted it unread, once.
    pub(super) fn tell_of_reading(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        status: u8,
    ) -> Result<bool, StoreError> {
        const WHAT: &str = "read-report";
        let told = self
            .store
            .events(&message.id)?
            .iter()
            .any(|event| event.recipient == Some(recipient.id) && event.what == WHAT);
        let report = self.read_report(message, recipient, status);
        let Some(report) = report.filter(|_| !told) else {
            return Ok(false);
        };
        let event = store::Event {
            message_id: message.id.clone(),
            recipient: Some(recipient.id),
            at: self.surroundings.now(),
            what: WHAT.to_owned(),
            detail: if status == 0x80 { "read" } else { "deleted" }.to_owned(),
        };
        self.store.add_report(&report, &event)?;
        self.wake_for_sender(message);
        Ok(true)
    }
}

/// What a phone says of a message that it was told of, and the word for it.
pub(super) fn said(pdu: &Pdu) -> Option<(Event, &'static str)> {
    let report_allowed = pdu.headers.flag(Field::ReportAllowed).unwrap_or(true);
    let acknowledged = Event::Acknowledged { report_allowed };
    match (pdu.pdu_type, pdu.headers.token(Field::Status)) {
        (PduType::AcknowledgeInd, _) => Some((acknowledged, "acknowledged")),
        (PduType::NotifyRespInd, Some(0x81)) => Some((acknowledged, "retrieved")),
        (PduType::NotifyRespInd, Some(0x82)) => Some((Event::Rejected, "rejected")),
        (PduType::NotifyRespInd, Some(0x83)) => Some((Event::Deferred, "deferred")),
        (PduType::NotifyRespInd, Some(0x84)) => Some((Event::Unrecognised, "unrecognised")),
        _ => None,
    }
}

/// Whether a recipient is who the network says, where it says anything.
pub(super) fn is(recipient: &RecipientRow, from: Option<&Msisdn>) -> bool {
    // For a subscriber of a peer, the peer speaks.
    recipient.peer.is_none()
        && from.is_none_or(|from| number(&recipient.address).as_ref() == Some(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::testing::{Bench, SENDER, send_req};
    use crate::store::Store;

    fn response(pdu_type: PduType, id: &str, status: Option<u8>) -> Pdu {
        let mut pdu = Pdu::new(pdu_type);
        let id = HeaderValue::Text(id.to_owned());
        pdu.headers.add(Field::TransactionId, id);
        if let Some(status) = status {
            pdu.headers.add(Field::Status, HeaderValue::Token(status));
        }
        pdu
    }

    fn number(text: &str) -> Msisdn {
        Msisdn::parse(text).unwrap()
    }

    #[test]
    fn an_acknowledged_fetch_is_reported_to_the_sender_once() {
        let bench = Bench::new("respond-ack");
        let mut pdu = send_req("t1", &["+15550000002"]);
        pdu.headers
            .add(Field::DeliveryReport, HeaderValue::Token(0x80));
        let id = bench.accept(&pdu);
        bench.run_due();
        assert_eq!(bench.pushes().len(), 1);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let told = &recipients[0].transaction_id;
        let early = response(PduType::AcknowledgeInd, told, None);
        bench.relay.respond(&early, None).unwrap();
        let state = |bench: &Bench| bench.store.message(&id).unwrap().unwrap().1[0].state;
        assert_eq!(state(&bench), DeliveryState::Notified, "it was not fetched");
        let _ = bench.relay.retrieve(&recipients[0].token, &[]);
        let stranger = number("+15550000066");
        assert!(!bench.relay.respond(&early, Some(&stranger)).unwrap());
        assert!(
            bench
                .relay
                .respond(&early, Some(&number("+15550000002")))
                .unwrap()
        );
        assert!(!bench.relay.respond(&early, None).unwrap());
        assert_eq!(state(&bench), DeliveryState::Retrieved);
        bench.run_due();
        bench.run_due();
        let pushes = bench.pushes();
        assert_eq!(pushes.len(), 1);
        let (to, report) = &pushes[0];
        assert_eq!(to, SENDER);
        assert_eq!(report.pdu_type, PduType::DeliveryInd);
        assert_eq!(report.headers.token(Field::Status), Some(0x81));
        assert_eq!(report.headers.text(Field::MessageId), Some(id.as_str()));
    }

    #[test]
    fn a_rejected_message_is_gone_and_a_deferred_one_waits() {
        let bench = Bench::new("respond-other");
        let id = bench.accept(&send_req("t1", &["+15550000002", "+15550000003"]));
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        for (recipient, status) in recipients.iter().zip([0x82, 0x83]) {
            let answer = response(
                PduType::NotifyRespInd,
                &recipient.transaction_id,
                Some(status),
            );
            assert!(bench.relay.respond(&answer, None).unwrap());
        }
        let (_, after) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(after[0].state, DeliveryState::Rejected);
        assert_eq!(after[1].state, DeliveryState::Deferred);
        bench.run_due();
        assert!(bench.pushes().is_empty(), "nobody asked for a report");
    }

    #[test]
    fn only_a_recipient_who_has_it_can_have_read_it() {
        let bench = Bench::new("respond-read");
        let mut pdu = send_req("t1", &["+15550000002"]);
        pdu.headers.add(Field::ReadReport, HeaderValue::Token(0x80));
        let id = bench.accept(&pdu);
        let mut read = Pdu::new(PduType::ReadRecInd);
        let header = HeaderValue::Text(id.clone());
        read.headers.add(Field::MessageId, header);
        read.headers
            .add(Field::ReadStatus, HeaderValue::Token(0x80));
        let reader = number("+15550000002");
        assert!(!bench.relay.respond(&read, Some(&reader)).unwrap());
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let _ = bench.relay.retrieve(&recipients[0].token, &[]);
        assert!(
            !bench
                .relay
                .respond(&read, Some(&number("+15550000066")))
                .unwrap()
        );
        assert!(!bench.relay.respond(&read, None).unwrap());
        assert!(bench.relay.respond(&read, Some(&reader)).unwrap());
        assert!(!bench.relay.respond(&read, Some(&reader)).unwrap(), "once");
        bench.run_due();
        let kinds: Vec<_> = bench
            .pushes()
            .into_iter()
            .map(|(to, pdu)| (to, pdu.pdu_type))
            .collect();
        assert!(
            kinds.contains(&(SENDER.to_owned(), PduType::ReadOrigInd)),
            "{kinds:?}"
        );
    }
}

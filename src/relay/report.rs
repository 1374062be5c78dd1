//! What the sender hears: M-Delivery.ind and M-Read-Orig.ind.

use super::Relay;
use super::delivery::Outcome;
use super::foreign::{Note, ReadStatus};
use crate::mms::pdu::{Pdu, PduType, encode};
use crate::mms::{EncodedString, Field, HeaderValue};
use crate::store::{MessageRow, Millis, NewReport, RecipientRow};

/// X-Mms-Message-Class Auto: made by a machine, and never reported on.
const AUTO: u8 = 0x83;

impl Relay {
    /// The delivery report on one recipient, where the sender asked for one.
    pub(super) fn delivery_report(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        outcome: Outcome,
    ) -> Option<NewReport> {
        if !message.delivery_report || message.class == AUTO {
            return None;
        }
        if let Some(origin) = &message.origin {
            let transaction_id = self.fresh_transaction()?;
            let note = Note::Delivery {
                transaction_id: transaction_id.clone(),
                message_id: origin.message_id.clone(),
                from: recipient.address.clone(),
                to: message.sender.clone(),
                date: seconds(self.surroundings.now()),
                status: outcome.into(),
                for_user: origin.for_user,
            };
            return self.note(&message.id, &origin.peer, Some(transaction_id), &note);
        }
        let mut pdu = Pdu::new(PduType::DeliveryInd);
        let headers = &mut pdu.headers;
        headers.add(Field::MessageId, HeaderValue::Text(message.id.clone()));
        let to = EncodedString::new(recipient.address.clone());
        headers.add(Field::To, HeaderValue::Encoded(to));
        let now = self.surroundings.now();
        headers.add(Field::Date, HeaderValue::Date(seconds(now)));
        headers.add(Field::Status, HeaderValue::Token(outcome.octet()));
        self.report(message, &pdu, now)
    }

    /// The read report of one recipient.
    pub(super) fn read_report(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        status: u8,
    ) -> Option<NewReport> {
        if let Some(origin) = &message.origin {
            let transaction_id = self.fresh_transaction()?;
            let note = Note::Read {
                transaction_id: transaction_id.clone(),
                message_id: origin.message_id.clone(),
                from: recipient.address.clone(),
                to: message.sender.clone(),
                date: seconds(self.surroundings.now()),
                status: match status {
                    0x81 => ReadStatus::Deleted,
                    _ => ReadStatus::Read,
                },
            };
            return self.note(&message.id, &origin.peer, Some(transaction_id), &note);
        }
        let mut pdu = Pdu::new(PduType::ReadOrigInd);
        let headers = &mut pdu.headers;
        headers.add(Field::MessageId, HeaderValue::Text(message.id.clone()));
        let to = EncodedString::new(message.sender.clone());
        headers.add(Field::To, HeaderValue::Encoded(to));
        let from = EncodedString::new(recipient.address.clone());
        headers.add(Field::From, HeaderValue::From(Some(from)));
        let now = self.surroundings.now();
        headers.add(Field::Date, HeaderValue::Date(seconds(now)));
        headers.add(Field::ReadStatus, HeaderValue::Token(status));
        self.report(message, &pdu, now)
    }

    fn report(&self, message: &MessageRow, pdu: &Pdu, now: Millis) -> Option<NewReport> {
        Some(NewReport {
            message_id: message.id.clone(),
            address: message.sender.clone(),
            // All of it is ours or was read from the wire, so it has a wire form.
            pdu: encode(pdu).ok()?,
            due_at: now,
            expires_at: now.saturating_add(self.terms().expiry),
            peer: None,
            transaction_id: None,
        })
    }
}

/// A time as headers have it.
pub(super) fn seconds(time: Millis) -> u64 {
    u64::try_from(time / 1_000).unwrap_or(0)
}

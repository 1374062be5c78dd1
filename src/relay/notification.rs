//! M-Notification.ind: small enough for one short message whenever it can be.

use super::Terms;
use crate::mms::pdu::{Pdu, PduType, encode};
use crate::mms::push::wrap;
use crate::mms::{EncodeError, EncodedString, Field, HeaderValue, Time};
use crate::store::{MessageRow, Millis, RecipientRow};

/// Octets of a push that one short message carries beside the ports.
pub(super) const ONE_SMS: usize = 133;

/// A notification as a push, and the URL in it. `size` is what the phone will get, where that is
/// known; else it is told the size of what was sent. What is left out first where it would take two
/// short messages: the subject, then that a report was asked for.
pub(super) fn notification(
    message: &MessageRow,
    recipient: &RecipientRow,
    size: Option<u64>,
    terms: &Terms,
    now: Millis,
) -> Result<(Vec<u8>, String), EncodeError> {
    let url = url(terms, recipient);
    let mut smallest = Vec::new();
    for (subject, report) in [(true, true), (false, true), (false, false)] {
        let mut pdu = build(message, recipient, &url, now, subject, report);
        let size = HeaderValue::Integer(size.unwrap_or(message.size));
        pdu.headers.set(Field::MessageSize, size);
        smallest = wrap(0, &encode(&pdu)?);
        if smallest.len() <= ONE_SMS {
            break;
        }
    }
    Ok((smallest, url))
}

/// What the phone of a recipient fetches.
pub(super) fn url(terms: &Terms, recipient: &RecipientRow) -> String {
    format!("{}/m/{}", terms.base_url, recipient.token)
}

fn build(
    message: &MessageRow,
    recipient: &RecipientRow,
    url: &str,
    now: Millis,
    subject: bool,
    report: bool,
) -> Pdu {
    let mut pdu = Pdu::new(PduType::NotificationInd);
    let headers = &mut pdu.headers;
    headers.add(
        Field::TransactionId,
        HeaderValue::Text(recipient.transaction_id.clone()),
    );
    if message.sender_visible {
        let sender = EncodedString::new(message.sender.clone());
        headers.add(Field::From, HeaderValue::From(Some(sender)));
    }
    if let Some(text) = message.subject.as_ref().filter(|_| subject) {
        let text = EncodedString::new(text.clone());
        headers.add(Field::Subject, HeaderValue::Encoded(text));
    }
    if message.delivery_report && report {
        headers.add(Field::DeliveryReport, HeaderValue::Token(0x80));
    }
    headers.add(Field::MessageClass, HeaderValue::Token(message.class));
    headers.add(Field::MessageSize, HeaderValue::Integer(message.size));
    let left = message.expires_at.saturating_sub(now) / 1_000;
    // Clients such as mmsd-tng read three octets at most.
    let left = u64::try_from(left).unwrap_or(0).clamp(1, 0xFF_FFFF);
    headers.add(Field::Expiry, HeaderValue::Time(Time::Relative(left)));
    let location = HeaderValue::Text(url.to_owned());
    headers.add(Field::ContentLocation, location);
    pdu
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::mms::push;
    use crate::store::{DeliveryState, Role};

    fn rows(subject: &str) -> (MessageRow, RecipientRow) {
        let message = MessageRow {
            id: "1f".repeat(16),
            sender: "+441632960001/TYPE=PLMN".to_owned(),
            accepted_at: 0,
            expires_at: 259_200_000,
            delivery_report: true,
            read_report: false,
            sender_visible: true,
            class: 0x80,
            size: 235_800,
            subject: Some(subject.to_owned()),
            has_body: true,
            content: None,
            origin: None,
        };
        let recipient = RecipientRow {
            id: 1,
            message_id: message.id.clone(),
            address: "+441632960002/TYPE=PLMN".to_owned(),
            role: Role::To,
            token: "a0".repeat(16),
            transaction_id: "0123456789ab".to_owned(),
            state: DeliveryState::Queued,
            attempts: 0,
            fence: 0,
            peer: None,
        };
        (message, recipient)
    }

    fn terms(base_url: &str) -> Terms {
        Terms {
            base_url: base_url.to_owned(),
            ..Terms::default()
        }
    }

    fn read(octets: Vec<u8>) -> Pdu {
        push::decode(&octets.into(), &Limits::default())
            .unwrap()
            .value
            .1
    }

    #[test]
    fn one_short_message_carries_it_and_the_subject_goes_first() {
        let (message, recipient) = rows("A subject that is far too long for one short message");
        let terms = terms("http://mms.example.net");
        let (octets, url) = notification(&message, &recipient, None, &terms, 0).unwrap();
        assert!(octets.len() <= ONE_SMS, "{}", octets.len());
        let pdu = read(octets);
        assert_eq!(pdu.headers.text(Field::ContentLocation), Some(url.as_str()));
        assert_eq!(pdu.headers.text(Field::Subject), None);
        assert_eq!(
            pdu.headers.text(Field::From),
            Some("+441632960001/TYPE=PLMN")
        );
        let expiry = HeaderValue::Time(Time::Relative(259_200));
        assert_eq!(pdu.headers.get(Field::Expiry), Some(&expiry));
        assert!(url.ends_with(&recipient.token));
    }

    #[test]
    fn what_fits_is_said_and_a_hidden_sender_is_not() {
        let (mut message, recipient) = rows("Hi");
        let terms = terms("http://m.example");
        let (octets, _) = notification(&message, &recipient, None, &terms, 0).unwrap();
        let pdu = read(octets);
        assert_eq!(pdu.headers.text(Field::Subject), Some("Hi"));
        assert_eq!(pdu.headers.flag(Field::DeliveryReport), Some(true));
        message.sender_visible = false;
        let (octets, _) = notification(&message, &recipient, None, &terms, 0).unwrap();
        assert!(read(octets).headers.get(Field::From).is_none());
    }
}

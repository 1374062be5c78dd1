//! M-Notification.ind: small enough for one short message whenever it can be.

use super::Terms;
use crate::mms::pdu::{Pdu, PduType, encode};
use crate::mms::push::wrap;
use crate::mms::{EncodeError, EncodedString, Field, HeaderValue, Time};
use crate::store::{MessageRow, Millis, RecipientRow};

/// Octets of a push that one short message carries beside the ports.
const ONE_SMS: usize = 133;
/// Octets that each of several short messages carries.
const SEGMENT: usize = 128;

/// What a notification says beside what it must.
#[derive(Clone, Copy)]
struct Extras {
    subject: bool,
    report: bool,
    /// `/TYPE=PLMN` behind the sender's number, which clients do not need to tell a number.
    sender_type: bool,
}

/// How much is said, the most first. The sender and the URL are never left out.
const LADDER: [Extras; 4] = [
    Extras {
        subject: true,
        report: true,
        sender_type: true,
    },
    Extras {
        subject: false,
        report: true,
        sender_type: true,
    },
    Extras {
        subject: false,
        report: false,
        sender_type: true,
    },
    Extras {
        subject: false,
        report: false,
        sender_type: false,
    },
];

/// A notification as a push, and the URL in it. `size` is what the phone will get, where that is
/// known; else it is told the size of what was sent. It says as much as it can in as few short
/// messages as it can: the subject goes first, then that a report was asked for, then the type of
/// the sender's address.
pub(super) fn notification(
    message: &MessageRow,
    recipient: &RecipientRow,
    size: Option<u64>,
    terms: &Terms,
    now: Millis,
) -> Result<(Vec<u8>, String), EncodeError> {
    let url = url(terms, recipient);
    let mut best: Option<Vec<u8>> = None;
    for extras in LADDER {
        let mut pdu = build(message, recipient, &url, now, extras);
        let size = HeaderValue::Integer(size.unwrap_or(message.size));
        pdu.headers.set(Field::MessageSize, size);
        let push = wrap(0, &encode(&pdu)?);
        if best
            .as_ref()
            .is_none_or(|best| short_messages(push.len()) < short_messages(best.len()))
        {
            best = Some(push);
        }
    }
    Ok((best.unwrap_or_default(), url))
}

/// How many short messages carry a push of so many octets.
fn short_messages(octets: usize) -> usize {
    if octets <= ONE_SMS {
        1
    } else {
        octets.div_ceil(SEGMENT)
    }
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
    extras: Extras,
) -> Pdu {
    let mut pdu = Pdu::new(PduType::NotificationInd);
    let headers = &mut pdu.headers;
    headers.add(
        Field::TransactionId,
        HeaderValue::Text(recipient.transaction_id.clone()),
    );
    if message.sender_visible {
        let sender = match message.sender.strip_suffix("/TYPE=PLMN") {
            Some(number) if !extras.sender_type => number,
            _ => &message.sender,
        };
        let sender = EncodedString::new(sender.to_owned());
        headers.add(Field::From, HeaderValue::From(Some(sender)));
    }
    if let Some(text) = message.subject.as_ref().filter(|_| extras.subject) {
        let text = EncodedString::new(text.clone());
        headers.add(Field::Subject, HeaderValue::Encoded(text));
    }
    if message.delivery_report && extras.report {
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

    /// The longest beginning of URLs with which everything still goes into one short message.
    fn longest_base(message: &MessageRow, recipient: &RecipientRow) -> usize {
        (10..100)
            .take_while(|len| {
                let base = format!("http://{}", "m".repeat(len - 7));
                let (push, _) = notification(message, recipient, None, &terms(&base), 0).unwrap();
                push.len() <= ONE_SMS
            })
            .last()
            .unwrap()
    }

    #[test]
    fn a_short_url_leaves_one_short_message_to_any_sender_and_size() {
        // The longest number, the longest lifetime, a report, and a message of 5 MiB.
        let (mut message, recipient) = rows("A subject that is far too long for one short message");
        message.sender = "+123456789012345/TYPE=PLMN".to_owned();
        message.expires_at = 30 * 24 * 3_600_000;
        message.size = 5 << 20;
        assert_eq!(longest_base(&message, &recipient), 38);
        // The type of the sender's address is the last to go.
        let base = "http://mms.mnc001.mcc234.example.net";
        let (push, _) = notification(&message, &recipient, None, &terms(base), 0).unwrap();
        let pdu = read(push);
        assert_eq!(pdu.headers.text(Field::From), Some("+123456789012345"));
        assert_eq!(pdu.headers.flag(Field::DeliveryReport), None);
        // With the address of the default configuration a report is still asked for.
        let base = "http://127.0.0.1:8002";
        let (push, _) = notification(&message, &recipient, None, &terms(base), 0).unwrap();
        assert!(push.len() <= ONE_SMS, "{}", push.len());
        assert_eq!(read(push).headers.flag(Field::DeliveryReport), Some(true));
    }

    #[test]
    fn what_needs_two_short_messages_anyway_says_all_that_they_hold() {
        let (message, recipient) = rows("Hi");
        let base = format!("http://{}.example.net", "mms".repeat(20));
        let (push, _) = notification(&message, &recipient, None, &terms(&base), 0).unwrap();
        assert_eq!(short_messages(push.len()), 2);
        let pdu = read(push);
        assert_eq!(pdu.headers.text(Field::Subject), Some("Hi"));
        let sender = pdu.headers.text(Field::From);
        assert_eq!(sender, Some("+441632960001/TYPE=PLMN"));
    }
}

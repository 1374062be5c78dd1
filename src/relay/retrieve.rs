//! Handing a message out: a token in, M-Retrieve.conf out.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::delivery::Event;
use super::report::seconds;
use super::watch::retrieve_status;
use super::{Content, Device, FitError, Happening, Interface, Relay};
use crate::mms::address::{Address, Msisdn};
use crate::mms::pdu::{self, Pdu, PduType, encode};
use crate::mms::{
    Body, ContentType, EncodedString, Field, HeaderName, HeaderValue, Headers, Message, Part,
};
use crate::store::{self, DeliveryState, MessageRow, RecipientRow, StoreError};

/// Digits of a token.
pub(super) const TOKEN: usize = 32;
/// A change by somebody else is read again this often.
const READS: usize = 4;

/// What a fetch is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retrieved {
    /// M-Retrieve.conf, encoded: the message, or a status that says why not.
    Conf(Bytes),
    /// No such URL was ever given out in a form that could be ours.
    Unknown,
}

/// Why a message is not handed out: X-Mms-Retrieve-Status and what the phone shows.
pub(super) struct Refusal(pub(super) u8, pub(super) &'static str);

/// Error-transient-failure.
const TRANSIENT: u8 = 0xC0;
/// Error-permanent-failure: message not found.
const NOT_FOUND: u8 = 0xE2;
/// Error-permanent-failure: content unsupported.
const UNSUPPORTED: u8 = 0xE3;

/// The store does not answer.
pub(super) const UNAVAILABLE: Refusal =
    Refusal(TRANSIENT, "The message cannot be read now; try again later");
/// It was deleted, or never was.
pub(super) const GONE: Refusal = Refusal(NOT_FOUND, "The message is not here any more");
/// Nobody fetched it in time.
pub(super) const EXPIRED: Refusal = Refusal(NOT_FOUND, "The message has expired");

/// Headers of a submission that its recipients see.
pub(super) const SHOWN: [Field; 15] = [
    Field::To,
    Field::Cc,
    Field::Subject,
    Field::MessageClass,
    Field::Priority,
    Field::DeliveryReport,
    Field::ReadReport,
    Field::DistributionIndicator,
    Field::ApplicId,
    Field::ReplyApplicId,
    Field::AuxApplicInfo,
    Field::ContentClass,
    Field::DrmContent,
    Field::PreviouslySentBy,
    Field::PreviouslySentDate,
];

impl Relay {
    /// Fetches the message behind a token for the device that `headers` describe. The same fetch
    /// gives the same until the octets of the message are deleted.
    #[must_use]
    pub fn retrieve(&self, token: &str, headers: &[(String, String)]) -> Retrieved {
        if !is_token(token) {
            return Retrieved::Unknown;
        }
        self.retrieved(self.try_retrieve(token, headers))
    }

    /// The answer to a fetch, after whoever watches heard of it.
    pub(super) fn retrieved(&self, conf: Result<Pdu, Refusal>) -> Retrieved {
        let conf = conf.and_then(|conf| {
            let id = conf.headers.text(Field::MessageId).map(str::to_owned);
            let encoded = encode(&conf).map_err(|_| Refusal(UNSUPPORTED, "It has no form"))?;
            Ok((id, encoded))
        });
        let (id, octets, status) = match conf {
            Ok((id, octets)) => (id, octets, None),
            Err(Refusal(status, text)) => (None, self.refusal(status, text), Some(status)),
        };
        self.watch.happened(&Happening::Retrieved {
            interface: Interface::Mm1,
            message_id: id.as_deref(),
            octets: octets.len(),
            result: retrieve_status(status),
        });
        Retrieved::Conf(octets.into())
    }

    fn try_retrieve(&self, token: &str, headers: &[(String, String)]) -> Result<Pdu, Refusal> {
        let unavailable = |_| UNAVAILABLE;
        let (row, recipient) = self
            .store
            .by_token(&hash(token))
            .map_err(unavailable)?
            .ok_or(GONE)?;
        if !self.may_fetch(&row, &recipient) {
            return Err(EXPIRED);
        }
        let octets = self.store.body(&row).map_err(unavailable)?.ok_or(GONE)?;
        // It was read once when it came, so it can be read again.
        let original = pdu::decode(&octets, &self.limits)
            .ok()
            .and_then(|decoded| decoded.value.into_message().ok())
            .ok_or(Refusal(UNSUPPORTED, "The message is damaged"))?;
        let message = outgoing(original, &row, &recipient);
        let remembered = match number(&recipient.address) {
            Some(number) => self.remembered(&number).map_err(unavailable)?,
            None => Arc::default(),
        };
        let device = Device {
            headers,
            remembered: &remembered,
        };
        let content = Content {
            message: &message,
            digest: digest(&row),
        };
        let fitted = self
            .fitter
            .fit(content, &device)
            .map_err(|error| match error {
                FitError::Busy => Refusal(TRANSIENT, "Too many messages at once; try again later"),
                FitError::Deadline => Refusal(UNSUPPORTED, "It takes too long to adapt"),
                FitError::Broken => Refusal(TRANSIENT, "The service is being repaired"),
            })?;
        let Some(message) = fitted.message else {
            let event = store::Event {
                message_id: row.id.clone(),
                recipient: Some(recipient.id),
                at: self.surroundings.now(),
                what: "does-not-fit".to_owned(),
                detail: fitted.summary,
            };
            self.store.record(&event).map_err(unavailable)?;
            return Err(Refusal(
                UNSUPPORTED,
                "Your phone can show nothing of this message",
            ));
        };
        // Written down before the phone gets it: what it acknowledges, it must have fetched.
        self.fetched(&row, &recipient, &fitted.summary)
            .map_err(unavailable)?;
        self.surroundings.pass(super::Moment::Fetched);
        Ok(retrieve_conf(message))
    }

    /// Whether a message may be handed out. One that was fetched in time may be fetched again, as
    /// long as it is there: its acknowledgement may have been lost.
    pub(super) fn may_fetch(&self, message: &MessageRow, recipient: &RecipientRow) -> bool {
        use DeliveryState as S;
        if recipient.peer.is_some() {
            return false;
        }
        match recipient.state {
            S::Fetched | S::Retrieved | S::Indeterminate => true,
            S::Queued | S::Notified | S::Deferred | S::Unreachable => {
                self.surroundings.now() < message.expires_at
            }
            S::Rejected | S::Expired | S::Unrecognised | S::Sent | S::Forwarded => false,
        }
    }

    fn fetched(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        summary: &str,
    ) -> Result<(), StoreError> {
        if recipient.state == DeliveryState::Fetched {
            return Ok(());
        }
        self.advance_fresh(
            message,
            recipient.clone(),
            Event::Fetched,
            "fetched",
            summary,
        )
        .map(|_| ())
    }

    /// Advances a recipient, reading it again where somebody else was faster.
    pub(super) fn advance_fresh(
        &self,
        message: &MessageRow,
        mut recipient: RecipientRow,
        event: Event,
        what: &str,
        detail: &str,
    ) -> Result<Option<super::Effect>, StoreError> {
        for _ in 1..READS {
            match self.advance(message, &recipient, event, what, detail.to_owned()) {
                Err(StoreError::Stale) => {}
                other => return other,
            }
            match self.store.by_transaction(&recipient.transaction_id)? {
                Some((_, fresh)) => recipient = fresh,
                None => return Ok(None),
            }
        }
        self.advance(message, &recipient, event, what, detail.to_owned())
    }

    pub(super) fn refusal(&self, status: u8, text: &str) -> Vec<u8> {
        let mut conf = Pdu::new(PduType::RetrieveConf);
        let date = HeaderValue::Date(seconds(self.surroundings.now()));
        conf.headers.add(Field::Date, date);
        conf.headers
            .add(Field::RetrieveStatus, HeaderValue::Token(status));
        let shown = HeaderValue::Encoded(EncodedString::new(text));
        conf.headers.add(Field::RetrieveText, shown);
        // Some clients read no body that is not a multipart.
        let mut part = Part::new(
            ContentType::new("text/plain").with("charset", "utf-8"),
            text.to_owned(),
        );
        part.content_location = Some("error.txt".to_owned());
        conf.body = Some(Body {
            content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
            parts: vec![part],
        });
        encode(&conf).unwrap_or_default()
    }
}

/// M-Retrieve.conf with a message that was fitted.
pub(super) fn retrieve_conf(message: Message) -> Pdu {
    let mut conf = Pdu::from_message(PduType::RetrieveConf, message);
    conf.headers
        .set(Field::MmsVersion, HeaderValue::Token(0x92));
    conf
}

/// The message as its recipient shall see it, with all headers that M-Retrieve.conf will have.
pub(super) fn outgoing(original: Message, row: &MessageRow, recipient: &RecipientRow) -> Message {
    let mut headers = Headers::new();
    let id = HeaderValue::Text(recipient.transaction_id.clone());
    headers.add(Field::TransactionId, id);
    headers.add(Field::MmsVersion, HeaderValue::Token(0x92));
    headers.add(Field::MessageId, HeaderValue::Text(row.id.clone()));
    let date = match original.headers.get(Field::Date) {
        Some(HeaderValue::Date(date)) => *date,
        _ => seconds(row.accepted_at),
    };
    headers.add(Field::Date, HeaderValue::Date(date));
    if row.sender_visible {
        let sender = EncodedString::new(row.sender.clone());
        headers.add(Field::From, HeaderValue::From(Some(sender)));
    }
    for header in &original.headers {
        if let HeaderName::Field(field) = header.name
            && SHOWN.contains(&field)
        {
            headers.push(header.name.clone(), header.value.clone());
        }
    }
    Message {
        headers,
        body: original.body,
    }
}

/// Whether a text could be a token of ours.
pub(super) fn is_token(text: &str) -> bool {
    text.len() == TOKEN && text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// What a token is looked up by: the time that takes tells nothing about the tokens there are.
pub(super) fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.to_ascii_lowercase().as_bytes()).into()
}

/// What stands for the body of a message. One that was accepted before bodies were hashed is like no
/// other.
pub(super) fn digest(row: &MessageRow) -> [u8; 32] {
    row.content
        .unwrap_or_else(|| Sha256::digest(row.id.as_bytes()).into())
}

/// The number in an address of the store.
pub(super) fn number(address: &str) -> Option<Msisdn> {
    match Address::parse(address)? {
        Address::Msisdn(number) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::testing::{Bench, send_req};
    use crate::store::Store;

    fn fetch(bench: &Bench, token: &str) -> Pdu {
        match bench.relay.retrieve(token, &[]) {
            Retrieved::Conf(octets) => bench.decode(octets),
            Retrieved::Unknown => panic!("unknown"),
        }
    }

    #[test]
    fn the_same_fetch_gives_the_same_and_shows_what_may_be_shown() {
        let bench = Bench::new("retrieve");
        let mut pdu = send_req("t1", &["+15550000002"]);
        let hidden = HeaderValue::Encoded("+15550000003/TYPE=PLMN".into());
        pdu.headers.add(Field::Bcc, hidden);
        let id = bench.accept(&pdu);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let first = fetch(&bench, &recipients[0].token);
        assert_eq!(first.pdu_type, PduType::RetrieveConf);
        assert_eq!(first.headers.get(Field::RetrieveStatus), None);
        assert_eq!(first.headers.text(Field::MessageId), Some(id.as_str()));
        assert_eq!(first.headers.get(Field::Bcc), None);
        assert!(first.headers.text(Field::From).is_some());
        assert_eq!(
            first.transaction_id(),
            Some(recipients[0].transaction_id.as_str())
        );
        assert_eq!(fetch(&bench, &recipients[0].token), first);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].state, DeliveryState::Fetched);
        assert_eq!(recipients[1].state, DeliveryState::Queued);
    }

    #[test]
    fn a_guess_finds_nothing_and_an_expired_message_says_so() {
        let bench = Bench::new("retrieve-not");
        let id = bench.accept(&send_req("t1", &["+15550000002"]));
        assert_eq!(bench.relay.retrieve("../secret", &[]), Retrieved::Unknown);
        assert_eq!(bench.relay.retrieve("", &[]), Retrieved::Unknown);
        let guess = fetch(&bench, &"0".repeat(32));
        assert_eq!(guess.headers.token(Field::RetrieveStatus), Some(NOT_FOUND));
        assert!(guess.body.unwrap().is_multipart());
        let (message, recipients) = bench.store.message(&id).unwrap().unwrap();
        bench.advance(message.expires_at - message.accepted_at);
        let late = fetch(&bench, &recipients[0].token);
        assert_eq!(late.headers.token(Field::RetrieveStatus), Some(NOT_FOUND));
    }

    #[test]
    fn a_hidden_sender_stays_hidden() {
        let bench = Bench::new("retrieve-hidden");
        let mut pdu = send_req("t1", &["+15550000002"]);
        pdu.headers
            .add(Field::SenderVisibility, HeaderValue::Token(0x80));
        let id = bench.accept(&pdu);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let conf = fetch(&bench, &recipients[0].token);
        assert_eq!(conf.headers.get(Field::From), None);
    }
}

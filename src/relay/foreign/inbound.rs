//! What peers bring: messages for our subscribers, reports on messages of our subscribers, and
//! responses to what they were sent.

use bytes::Bytes;

use super::super::delivery::Outcome;
use super::super::retrieve::number;
use super::super::{Addressee, Happening, Interface, Relay, seconds};
use super::step::Event;
use super::{
    Inbound, MmStatus, Note, PeerRefusal, PeerReport, PeerResponse, ReadStatus, Request,
    RequestStatus, Said,
};
use crate::mms::address::Address;
use crate::mms::pdu::{Pdu, PduType, encode};
use crate::mms::{EncodedString, Field, HeaderName, HeaderValue, Headers, Message, mime};
use crate::store::{self, MessageRow, Origin, RecipientRow, Role, StoreError, Submission};

/// Headers of MM4_forward.REQ that the stored message keeps.
const KEPT: [Field; 17] = [
    Field::Subject,
    Field::MessageClass,
    Field::Expiry,
    Field::Priority,
    Field::SenderVisibility,
    Field::DeliveryReport,
    Field::ReadReport,
    Field::PreviouslySentBy,
    Field::PreviouslySentDate,
    Field::DistributionIndicator,
    Field::ApplicId,
    Field::ReplyApplicId,
    Field::AuxApplicInfo,
    Field::ContentClass,
    Field::DrmContent,
    Field::AdaptationAllowed,
    Field::ReplyCharging,
];
/// A change by somebody else is read again this often.
const READS: usize = 4;

impl Relay {
    /// Takes the message of an MM4_forward.REQ over and gives our id of it. When this returns, the
    /// store has it, and the response to the peer, where one is asked for.
    ///
    /// # Errors
    /// Whether the peer should bring it again.
    pub fn accept_from_peer(&self, inbound: &Inbound) -> Result<String, PeerRefusal> {
        let taken = self.take_from_peer(inbound);
        let (message_id, result, why) = match &taken {
            Ok(id) => (Some(id.as_str()), "ok", None),
            Err(PeerRefusal::Temporary(why)) => (None, "transient-failure", Some(why.as_str())),
            Err(PeerRefusal::Permanent(why)) => (None, "permanent-failure", Some(why.as_str())),
        };
        let parts = inbound.message.body.parts.iter();
        self.watch.happened(&Happening::Submitted {
            interface: Interface::Mm4,
            message_id,
            sender: Some(&inbound.from),
            octets: parts.map(|part| part.data.len()).sum(),
            result,
            why,
        });
        taken
    }

    fn take_from_peer(&self, inbound: &Inbound) -> Result<String, PeerRefusal> {
        let permanent = |text: String| Err(PeerRefusal::Permanent(text));
        let temporary = |error: String| PeerRefusal::Temporary(error);
        if inbound.recipients.is_empty() {
            return permanent("no recipient of it is served here".to_owned());
        }
        let now = self.surroundings.now();
        let expires_at = self.expires_at(&inbound.message.headers, now);
        if expires_at <= now {
            return permanent("it has expired".to_owned());
        }
        let pdu = self.stored_form(inbound);
        let octets: Bytes = match encode(&pdu) {
            Ok(octets) => octets.into(),
            Err(error) => return permanent(format!("it has no form on MM1: {error}")),
        };
        if octets.len() > self.terms().message_bytes {
            let most = self.terms().message_bytes;
            let has = octets.len();
            return permanent(format!("a message may have {most} octets, this has {has}"));
        }
        let recipients: Vec<Addressee> = inbound
            .recipients
            .iter()
            .map(|number| Addressee {
                role: role(&inbound.message.headers, number.as_str()),
                number: number.clone(),
                peer: None,
            })
            .collect();
        let flag = |field| pdu.headers.flag(field).unwrap_or(false);
        let content = super::super::submit::content_digest(pdu.body.as_ref());
        let submission = Submission {
            id: String::new(),
            sender: inbound.from.clone(),
            transaction_id: format!("{} {}", inbound.peer, inbound.transaction_id),
            content_hash: super::super::submit::submission_hash(&pdu, &recipients, &content),
            content,
            accepted_at: now,
            expires_at,
            deliver_at: now,
            delivery_report: flag(Field::DeliveryReport) || inbound.system_report,
            read_report: flag(Field::ReadReport),
            sender_visible: pdu.headers.token(Field::SenderVisibility) != Some(0x80),
            class: super::super::submit::class(&pdu.headers),
            size: u64::try_from(octets.len()).unwrap_or(u64::MAX),
            subject: pdu.headers.text(Field::Subject).map(str::to_owned),
            recipients: Vec::new(),
            origin: Some(Origin {
                peer: inbound.peer.clone(),
                message_id: inbound.message_id.clone(),
                for_user: flag(Field::DeliveryReport),
            }),
        };
        let id = self
            .store_submission(submission, &recipients, &octets, None)
            .map_err(temporary)?;
        if inbound.ack {
            let note = Note::Response {
                to: Request::Forward,
                transaction_id: inbound.transaction_id.clone(),
                message_id: inbound.message_id.clone(),
                system: inbound.system.clone(),
                status: RequestStatus::Ok,
                text: None,
                recipients: inbound
                    .recipients
                    .iter()
                    .map(|number| number.as_str().to_owned())
                    .collect(),
            };
            self.answer_peer(&inbound.peer, &id, &note)
                .map_err(|_| temporary("the response could not be stored".to_owned()))?;
        }
        Ok(id)
    }

    /// Takes a peer's report on a message of one of our subscribers in, and gives how it is
    /// answered. The response waits in the store, where one is asked for.
    ///
    /// # Errors
    /// Where the store cannot be read or written: the peer should bring it again.
    pub fn report_from_peer(&self, report: &PeerReport) -> Result<RequestStatus, StoreError> {
        let status = match self.reported(report)? {
            Some((message, recipient)) => match report.said {
                Said::Delivery(said) => self.delivered_abroad(report, said, &message, recipient)?,
                Said::Read(read) => self.read_abroad(read, &message, &recipient)?,
            },
            None => RequestStatus::MessageNotFound,
        };
        if report.ack {
            let note = Note::Response {
                to: match report.said {
                    Said::Delivery(_) => Request::DeliveryReport,
                    Said::Read(_) => Request::ReadReport,
                },
                transaction_id: report.transaction_id.clone(),
                message_id: report.message_id.clone(),
                system: report.system.clone(),
                status,
                text: None,
                recipients: Vec::new(),
            };
            self.answer_peer(&report.peer, &report.ours, &note)?;
        }
        Ok(status)
    }

    /// Takes a peer's response in, and gives whether anything waited for it.
    ///
    /// # Errors
    /// Where the store cannot be read or written: the peer should bring it again.
    pub fn response_from_peer(&self, response: &PeerResponse) -> Result<bool, StoreError> {
        let detail = match &response.text {
            Some(text) => format!("{}: {text}", response.status.name()),
            None => response.status.name().to_owned(),
        };
        if response.to == Request::Forward {
            let Some((message, recipients)) = self.answered_for(response)? else {
                return Ok(false);
            };
            let (event, what) = answered(response.status);
            for recipient in recipients {
                self.advance_foreign_fresh(&message, recipient, event, what, &detail)?;
            }
            return Ok(true);
        }
        let mut waited = false;
        for _ in 0..READS {
            let found = self.store.report_by_transaction(&response.transaction_id)?;
            let Some(report) = found.filter(|report| report.peer.as_ref() == Some(&response.peer))
            else {
                break;
            };
            waited = true;
            let settled = self.store.settle_report(&store::ReportChange {
                report: report.id,
                fence: report.fence,
                attempts: report.attempts,
                due_at: None,
                event: store::Event {
                    message_id: report.message_id,
                    recipient: None,
                    at: self.surroundings.now(),
                    what: "report-answered".to_owned(),
                    detail: detail.clone(),
                },
            });
            match settled {
                // That it was sent was written down in the meantime.
                Err(StoreError::Stale) => {}
                other => return other.map(|()| true),
            }
        }
        Ok(waited)
    }

    /// The message and recipient a report is about, where the peer may report on them.
    fn reported(
        &self,
        report: &PeerReport,
    ) -> Result<Option<(MessageRow, RecipientRow)>, StoreError> {
        let Some((message, recipients)) = self.store.message(&report.ours)? else {
            return Ok(None);
        };
        let mut theirs = recipients
            .into_iter()
            .filter(|recipient| recipient.peer.as_ref() == Some(&report.peer));
        let recipient = match &report.recipient {
            Some(named) => {
                let named = self.terms().numbering.international(named);
                theirs.find(|recipient| named.is_some() && number(&recipient.address) == named)
            }
            // Some peers do not say whom it is about. Where there is only one, there is no doubt.
            None => theirs.next().filter(|_| theirs.next().is_none()),
        };
        Ok(recipient.map(|recipient| (message, recipient)))
    }

    fn delivered_abroad(
        &self,
        report: &PeerReport,
        said: MmStatus,
        message: &MessageRow,
        recipient: RecipientRow,
    ) -> Result<RequestStatus, StoreError> {
        let detail = report.text.clone().unwrap_or_default();
        let what = format!("peer-{}", said.name().to_ascii_lowercase());
        match said.outcome() {
            Some(outcome) => {
                let event = Event::Reported(outcome);
                self.advance_foreign_fresh(message, recipient, event, &what, &detail)?;
            }
            None => self.store.record(&store::Event {
                message_id: message.id.clone(),
                recipient: Some(recipient.id),
                at: self.surroundings.now(),
                what,
                detail,
            })?,
        }
        Ok(RequestStatus::Ok)
    }

    fn read_abroad(
        &self,
        read: ReadStatus,
        message: &MessageRow,
        recipient: &RecipientRow,
    ) -> Result<RequestStatus, StoreError> {
        let status = match read {
            ReadStatus::Read => 0x80,
            ReadStatus::Deleted => 0x81,
        };
        if message.read_report {
            self.tell_of_reading(message, recipient, status)?;
        }
        Ok(RequestStatus::Ok)
    }

    fn advance_foreign_fresh(
        &self,
        message: &MessageRow,
        mut recipient: RecipientRow,
        event: Event,
        what: &str,
        detail: &str,
    ) -> Result<(), StoreError> {
        for _ in 1..READS {
            match self.advance_foreign(message, &recipient, event, what, detail) {
                Err(StoreError::Stale) => {}
                other => return other.map(|_| ()),
            }
            match self.store.by_transaction(&recipient.transaction_id)? {
                Some((_, fresh)) => recipient = fresh,
                None => return Ok(()),
            }
        }
        self.advance_foreign(message, &recipient, event, what, detail)
            .map(|_| ())
    }

    fn answer_peer(&self, peer: &str, message_id: &str, note: &Note) -> Result<(), StoreError> {
        let Some(report) = self.note(message_id, peer, None, note) else {
            return Ok(());
        };
        let event = store::Event {
            message_id: message_id.to_owned(),
            recipient: None,
            at: self.surroundings.now(),
            what: "answering-peer".to_owned(),
            detail: peer.to_owned(),
        };
        self.store.add_report(&report, &event)?;
        self.surroundings.wake_peers();
        Ok(())
    }

    /// The message as the store keeps all messages: an M-Send.req.
    fn stored_form(&self, inbound: &Inbound) -> Pdu {
        let given = &inbound.message.headers;
        let mut headers = Headers::new();
        let id = HeaderValue::Text(inbound.transaction_id.clone());
        headers.add(Field::TransactionId, id);
        headers.add(Field::MmsVersion, HeaderValue::Token(0x92));
        let date = match given.get(Field::Date) {
            Some(HeaderValue::Date(date)) => *date,
            _ => seconds(self.surroundings.now()),
        };
        headers.add(Field::Date, HeaderValue::Date(date));
        let from = EncodedString::new(inbound.from.clone());
        headers.add(Field::From, HeaderValue::From(Some(from)));
        for field in [Field::To, Field::Cc] {
            for value in given.all(field) {
                if let HeaderValue::Encoded(text) = value {
                    let shown = EncodedString::new(without_domain(&text.text));
                    headers.add(field, HeaderValue::Encoded(shown));
                }
            }
        }
        if headers.get(Field::To).is_none() && headers.get(Field::Cc).is_none() {
            // M-Send.req needs one, and nobody may be shown to others who was not shown to them.
            for number in &inbound.recipients {
                let hidden = EncodedString::new(format!("{number}/TYPE=PLMN"));
                headers.add(Field::Bcc, HeaderValue::Encoded(hidden));
            }
        }
        for header in given {
            if let HeaderName::Field(field) = header.name
                && KEPT.contains(&field)
            {
                headers.push(header.name.clone(), header.value.clone());
            }
        }
        let mut body = inbound.message.body.clone();
        let media = mime::wap_name(body.content_type.media());
        body.content_type.set_media(media);
        body.content_type.remove_param("boundary");
        Pdu::from_message(PduType::SendReq, Message { headers, body })
    }
}

/// What a response to a forwarded message means for its recipient.
fn answered(status: RequestStatus) -> (Event, &'static str) {
    use RequestStatus as S;
    match status {
        S::Ok => (Event::Confirmed, "forwarded"),
        S::NetworkProblem => (Event::Failed, "peer-failed"),
        S::ContentNotAccepted => (Event::Refused(Outcome::Rejected), "peer-refused"),
        S::Unspecified
        | S::ServiceDenied
        | S::FormatCorrupt
        | S::AddressUnresolved
        | S::MessageNotFound
        | S::UnsupportedMessage => (Event::Refused(Outcome::Unreachable), "peer-refused"),
    }
}

/// A number without the domain of the MMSC that serves it; any other address as it is.
fn without_domain(address: &str) -> String {
    match Address::split_domain(address) {
        (local, Some(_)) => {
            Address::parse(local).map_or_else(|| local.to_owned(), |number| number.to_string())
        }
        _ => address.to_owned(),
    }
}

/// Which header names a recipient. Whom none names gets it blind.
fn role(headers: &Headers, wanted: &str) -> Role {
    let names = |field| {
        headers.all(field).any(|value| match value {
            HeaderValue::Encoded(text) => {
                number(&without_domain(&text.text)).is_some_and(|number| number.as_str() == wanted)
            }
            _ => false,
        })
    };
    if names(Field::To) {
        Role::To
    } else if names(Field::Cc) {
        Role::Cc
    } else {
        Role::Bcc
    }
}

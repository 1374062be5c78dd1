//! What most requests are, done without a thread that waits: the store tells when what was queued is
//! on the disk. Who asks is an asynchronous edge; what cannot be done so goes the other way.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::delivery::Event;
use super::recent::Taken;
use super::respond::{is, said};
use super::retrieve::{
    EXPIRED, GONE, Retrieved, UNAVAILABLE, digest, hash, is_token, number, outgoing, retrieve_conf,
};
use super::status::{Response, Version};
use super::submit::{DRAWS, NOT_STORED, Prepared, Refusal};
use super::{Content, Device, Moment, Relay};
use crate::mms::address::Msisdn;
use crate::mms::pdu::Pdu;
use crate::mms::{Field, Message};
use crate::store::{
    Accepted, Decide, DeliveryState, MessageRow, Prompt, RecipientRow, Stepped, StoreError,
    Submission, Told, Which,
};

impl Relay {
    /// Takes the message of an M-Send.req over as [`Relay::submit`] does, or gives `None` where that
    /// would have to wait: then nothing was done.
    pub async fn submit_soon(
        &self,
        octets: &Bytes,
        pdu: &Pdu,
        sender: Option<&Msisdn>,
    ) -> Option<Pdu> {
        let prompt = self.store.prompt()?;
        let copied = pdu.headers.flag(Field::Store) == Some(true);
        if octets.len() > prompt.body_bytes() || copied {
            return None;
        }
        let taken = match self.prepare(octets.len(), pdu, sender, Version::of(pdu)) {
            Ok(prepared) => self.accept_soon(prepared, pdu, octets).await,
            Err(refusal) => Err(refusal),
        };
        Some(self.submitted(octets.len(), pdu, sender, taken))
    }

    async fn accept_soon(
        &self,
        prepared: Prepared,
        pdu: &Pdu,
        octets: &Bytes,
    ) -> Result<(String, Option<String>), Refusal> {
        let Prepared {
            mut submission,
            recipients,
            foreign,
        } = prepared;
        let failed = |text| Refusal(Response::TransientFailure, text);
        let since = submission
            .accepted_at
            .saturating_sub(self.terms().duplicates);
        for _ in 0..DRAWS {
            self.draw(&mut submission, &recipients).map_err(failed)?;
            // Before it is taken over: its phone may be told of it the moment after.
            self.keep_recent(&submission, pdu);
            let (row, body) = (submission.clone(), octets.clone());
            let accepted = self
                .told(|prompt, told| prompt.accept(row, body, since, told))
                .await;
            if !matches!(accepted, Ok(Accepted::New)) {
                self.forget_recent(&submission);
            }
            if let Some(id) = self.taken_over(&submission, accepted) {
                return id.map(|id| (id, foreign)).map_err(failed);
            }
        }
        Err(failed(NOT_STORED.to_owned()))
    }

    /// Takes in what a phone says of a message as [`Relay::respond`] does, or gives `None` where that
    /// would have to wait: then nothing was done.
    ///
    /// # Errors
    /// Where the store cannot be read or written: the phone should try again.
    pub async fn respond_soon(
        self: &Arc<Self>,
        pdu: &Pdu,
        from: Option<&Msisdn>,
    ) -> Option<Result<bool, StoreError>> {
        self.store.prompt()?;
        let (event, what) = said(pdu)?;
        let id = pdu.transaction_id()?.to_owned();
        let (relay, said_by) = (self.clone(), from.cloned());
        let decide: Decide = Box::new(move |message, recipient| {
            if !is(recipient, said_by.as_ref()) {
                return None;
            }
            relay
                .change(message, recipient, event, what, String::new())
                .0
        });
        let stepped = self.step_soon(Which::Transaction(id), decide).await;
        Some(stepped.map(|stepped| {
            stepped.is_some_and(|stepped| {
                if let Some(change) = &stepped.change
                    && change.state.is_final()
                {
                    self.recent.forget(&hash(&stepped.recipient.token));
                }
                is(&stepped.recipient, from) && !stepped.recipient.state.is_final()
            })
        }))
    }

    /// Fetches the message behind a token as [`Relay::retrieve`] does, or gives `None` where that
    /// would have to wait: then nothing was done.
    pub async fn retrieve_soon(
        self: &Arc<Self>,
        token: &str,
        headers: &[(String, String)],
    ) -> Option<Retrieved> {
        if !is_token(token) {
            return Some(Retrieved::Unknown);
        }
        self.store.prompt()?;
        let hash = hash(token);
        let taken = self.recent.get(&hash)?;
        let (message, summary) = self.fitted_before(&taken, headers)?;
        let relay = self.clone();
        let decide: Decide = Box::new(move |row, recipient| {
            let first = recipient.state != DeliveryState::Fetched;
            if !first || !relay.may_fetch(row, recipient) {
                return None;
            }
            relay
                .change(row, recipient, Event::Fetched, "fetched", summary.clone())
                .0
        });
        let stepped = self.step_soon(Which::Token(hash), decide).await;
        self.surroundings.pass(Moment::Fetched);
        let conf = match stepped {
            Err(_) => Err(UNAVAILABLE),
            Ok(Some(stepped)) if !self.may_fetch(&stepped.message, &stepped.recipient) => {
                Err(EXPIRED)
            }
            Ok(Some(stepped)) if stepped.message.has_body => Ok(retrieve_conf(message)),
            Ok(_) => Err(GONE),
        };
        Some(self.retrieved(conf))
    }

    /// The message as a device gets it, and what was done to it, where neither has to be found out.
    fn fitted_before(
        &self,
        taken: &Taken,
        headers: &[(String, String)],
    ) -> Option<(Message, String)> {
        let now = self.surroundings.now();
        let number = number(&taken.recipient.address)?;
        let remembered = self.devices.get(number.as_str(), now)?;
        let message = outgoing(taken.message.clone(), &taken.row, &taken.recipient);
        let content = Content {
            message: &message,
            digest: digest(&taken.row),
        };
        let device = Device {
            headers,
            remembered: &remembered,
        };
        let fitted = self.fitter.known(content, &device)?;
        Some((fitted.message?, fitted.summary))
    }

    /// Queues a step, and tells whoever watches once it is made.
    async fn step_soon(&self, which: Which, decide: Decide) -> Result<Option<Stepped>, StoreError> {
        let stepped = self
            .told(|prompt, told| prompt.step(which, decide, told))
            .await?;
        if let Some(Stepped {
            message,
            recipient,
            change: Some(change),
        }) = &stepped
        {
            self.tell_step(message, recipient, change);
            if !change.reports.is_empty() {
                self.wake_for_sender(message);
            }
        }
        Ok(stepped)
    }

    /// Waits for what is queued.
    async fn told<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Prompt, Told<T>),
    ) -> Result<T, StoreError> {
        let (answer, told) = oneshot::channel();
        let prompt = self.store.prompt().ok_or(StoreError::Closed)?;
        ask(
            prompt,
            Box::new(move |outcome| {
                // Where the phone has hung up, nobody listens.
                let _ = answer.send(outcome);
            }),
        );
        told.await.map_err(|_| StoreError::Closed)?
    }

    /// Lets go of a message that was not taken over.
    pub(super) fn forget_recent(&self, s: &Submission) {
        for recipient in &s.recipients {
            self.recent.forget(&hash(&recipient.token));
        }
    }

    /// Keeps a message at hand that is being taken over, for those recipients who will fetch it.
    pub(super) fn keep_recent(&self, s: &Submission, pdu: &Pdu) {
        let Ok(message) = pdu.clone().into_message() else {
            return;
        };
        for new in s.recipients.iter().filter(|new| new.peer.is_none()) {
            let row = MessageRow {
                id: s.id.clone(),
                sender: s.sender.clone(),
                accepted_at: s.accepted_at,
                expires_at: s.expires_at,
                delivery_report: s.delivery_report,
                read_report: s.read_report,
                sender_visible: s.sender_visible,
                class: s.class,
                size: s.size,
                subject: s.subject.clone(),
                has_body: true,
                content: Some(s.content),
                origin: s.origin.clone(),
            };
            let recipient = RecipientRow {
                id: 0,
                message_id: s.id.clone(),
                address: new.address.clone(),
                role: new.role,
                token: new.token.clone(),
                transaction_id: new.transaction_id.clone(),
                peer: None,
                state: DeliveryState::Queued,
                attempts: 0,
                fence: 0,
            };
            let message = message.clone();
            self.recent.put(
                hash(&new.token),
                Taken {
                    row,
                    recipient,
                    message,
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::HeaderValue;
    use crate::mms::pdu::PduType;
    use crate::relay::testing::{Bench, SENDER, send_req};
    use crate::store::Store;

    const BOB: &str = "+15550000002";

    fn wait<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(work)
    }

    fn submit(bench: &Bench, pdu: &Pdu) -> Option<Pdu> {
        let (octets, sender) = (bench.octets(pdu), Msisdn::parse(SENDER));
        wait(bench.relay.submit_soon(&octets, pdu, sender.as_ref()))
    }

    fn known(bench: &Bench) -> Msisdn {
        let bob = Msisdn::parse(BOB).unwrap();
        let headers = [("user-agent".to_owned(), "A".to_owned())];
        bench.relay.remember(&bob, &headers).unwrap();
        assert!(bench.relay.remembers(&bob, &headers));
        bob
    }

    fn says(bench: &Bench, id: &str, status: u8, from: &str) -> Option<bool> {
        let mut pdu = Pdu::new(PduType::NotifyRespInd);
        let id = HeaderValue::Text(id.to_owned());
        pdu.headers.add(Field::TransactionId, id);
        pdu.headers.add(Field::Status, HeaderValue::Token(status));
        let from = Msisdn::parse(from);
        wait(bench.relay.respond_soon(&pdu, from.as_ref())).map(Result::unwrap)
    }

    #[test]
    fn a_message_goes_its_whole_way_and_is_the_same_as_by_the_way_that_waits() {
        let bench = Bench::new("soon");
        let mut pdu = send_req("t1", &[BOB]);
        pdu.headers
            .add(Field::DeliveryReport, HeaderValue::Token(0x80));
        let conf = submit(&bench, &pdu).unwrap();
        assert_eq!(conf.headers.token(Field::ResponseStatus), Some(0x80));
        let id = conf.headers.text(Field::MessageId).unwrap();
        let again = submit(&bench, &pdu).unwrap();
        assert_eq!(again.headers.text(Field::MessageId), Some(id));
        assert_eq!(bench.submit(&pdu).headers.text(Field::MessageId), Some(id));
        assert_eq!(bench.run_due(), 1);
        bench.pushes();
        let (_, recipients) = bench.store.message(id).unwrap().unwrap();
        let (token, transaction) = (&recipients[0].token, &recipients[0].transaction_id);
        assert_eq!(
            wait(bench.relay.retrieve_soon(token, &[])),
            None,
            "nothing is known of the phone"
        );
        assert_eq!(says(&bench, transaction, 0x81, BOB), Some(true));
        known(&bench);
        let soon = wait(bench.relay.retrieve_soon(token, &[])).unwrap();
        let (_, recipients) = bench.store.message(id).unwrap().unwrap();
        assert_eq!(recipients[0].state, DeliveryState::Fetched);
        assert_eq!(soon, bench.relay.retrieve(token, &[]));
        assert_eq!(
            wait(bench.relay.retrieve_soon(token, &[])),
            Some(soon.clone())
        );
        assert_eq!(says(&bench, transaction, 0x81, "+15550000099"), Some(false));
        assert_eq!(says(&bench, transaction, 0x81, BOB), Some(true));
        assert_eq!(
            says(&bench, transaction, 0x81, BOB),
            Some(false),
            "it has it"
        );
        assert_eq!(bench.relay.retrieve(token, &[]), soon);
        bench.run_due();
        let pushed: Vec<_> = bench.pushes();
        assert_eq!(pushed.len(), 1);
        assert_eq!(pushed[0].1.pdu_type, PduType::DeliveryInd);
        let events = bench.store.events(id).unwrap();
        let what: Vec<_> = events.iter().map(|event| event.what.as_str()).collect();
        let expected = [
            "accepted",
            "notified",
            "fetched",
            "retrieved",
            "report-sent",
        ];
        assert_eq!(what, expected);
    }

    #[test]
    fn what_has_to_wait_is_left_to_others() {
        let bench = Bench::new("soon-not");
        bench
            .relay
            .change_terms(|terms| terms.message_bytes = 1 << 20);
        let mut large = send_req("t1", &[BOB]);
        large.body.as_mut().unwrap().parts[0].data = vec![b'x'; 200_000].into();
        assert_eq!(submit(&bench, &large), None);
        let mut kept = send_req("t2", &[BOB]);
        kept.headers.add(Field::Store, HeaderValue::Token(0x80));
        assert_eq!(submit(&bench, &kept), None);
        assert_eq!(bench.store.page().unwrap().messages, 0);
        assert_eq!(
            says(&bench, "abc", 0x86, BOB),
            None,
            "no status that is known"
        );
        assert_eq!(
            says(&bench, "abc", 0x81, BOB),
            Some(false),
            "no such message"
        );
        let guess = wait(bench.relay.retrieve_soon("../x", &[]));
        assert_eq!(guess, Some(Retrieved::Unknown));
        assert_eq!(wait(bench.relay.retrieve_soon(&"0".repeat(32), &[])), None);
    }

    #[test]
    fn what_is_at_hand_is_handed_out_no_longer_than_it_may_be() {
        let bench = Bench::new("soon-late");
        let status = |token: &str| match wait(bench.relay.retrieve_soon(token, &[])) {
            Some(Retrieved::Conf(octets)) => {
                bench.decode(octets).headers.token(Field::RetrieveStatus)
            }
            other => panic!("{other:?}"),
        };
        let token = |pdu: &Pdu| {
            let conf = submit(&bench, pdu).unwrap();
            let id = conf.headers.text(Field::MessageId).unwrap();
            let (_, recipients) = bench.store.message(id).unwrap().unwrap();
            (
                recipients[0].token.clone(),
                recipients[0].transaction_id.clone(),
            )
        };
        let (refused, transaction) = token(&send_req("t1", &[BOB]));
        assert_eq!(says(&bench, &transaction, 0x82, BOB), Some(true));
        assert_eq!(
            wait(bench.relay.retrieve_soon(&refused, &[])),
            None,
            "let go"
        );
        let (late, _) = token(&send_req("t2", &[BOB]));
        let (fetched, _) = token(&send_req("t3", &[BOB]));
        known(&bench);
        assert_eq!(status(&fetched), None);
        bench.advance(bench.relay.terms().expiry);
        known(&bench);
        let headers = [("user-agent".to_owned(), "B".to_owned())];
        let bob = Msisdn::parse(BOB).unwrap();
        bench.relay.remember(&bob, &headers).unwrap();
        assert_eq!(status(&late), Some(0xE2));
        assert_eq!(status(&fetched), None, "its acknowledgement may be lost");
        bench.run_due();
        bench.advance(bench.relay.terms().keep_body + 1);
        bench.relay.purge().unwrap();
        bench.relay.remember(&bob, &headers).unwrap();
        assert_eq!(status(&fetched), Some(0xE2), "its octets are gone");
    }
}

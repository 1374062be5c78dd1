//! Peers and the relay on the bench: what a peer says, and what becomes of it.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::mms::pdu::{PduType, decode};
use crate::mms::{EncodedString, Field, HeaderValue};
use crate::relay::testing::{Bench, send_req};
use crate::relay::{Retrieved, Routes};
use crate::store::{DeliveryState, Store};

const ABROAD: &str = "+441632960001";
const HERE: &str = "+15550000002";

/// A peer that answers as it is told, and keeps what it gets.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<bool, ForwardError>>>,
    transactions: Mutex<Vec<String>>,
    notes: Mutex<Vec<Note>>,
}

impl Script {
    fn says(&self, answer: Result<bool, ForwardError>) {
        self.answers.lock().unwrap().push_back(answer);
    }

    fn answer(&self) -> Result<Handed, ForwardError> {
        let next = self.answers.lock().unwrap().pop_front();
        let handed = |awaits_response| Handed {
            awaits_response,
            detail: "250".to_owned(),
        };
        next.unwrap_or(Ok(false)).map(handed)
    }

    fn notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap())
    }
}

impl Forwarder for Script {
    fn forward(&self, forward: &Forward<'_>) -> Vec<Result<Handed, ForwardError>> {
        assert_eq!(forward.peer, "far");
        assert_eq!(forward.message.body.parts[0].data, "hello");
        let id = forward.transaction_id.to_owned();
        self.transactions.lock().unwrap().push(id);
        forward.recipients.iter().map(|_| self.answer()).collect()
    }

    fn tell(&self, peer: &str, note: &Note) -> Result<Handed, ForwardError> {
        assert_eq!(peer, "far");
        self.notes.lock().unwrap().push(note.clone());
        self.answer()
    }
}

fn bench(name: &str) -> Bench {
    let routes = Routes {
        prefixes: [("+44".to_owned(), "far".to_owned())].into(),
        ..Routes::default()
    };
    let terms = PeerTerms::default();
    Bench::new(name).with_peers(routes, terms, vec!["far".to_owned()])
}

/// A message to somebody abroad, whose sender wants to hear of it; its id, and the transaction.
fn sent(bench: &Bench) -> (String, String) {
    let mut pdu = send_req("t1", &[ABROAD]);
    let yes = HeaderValue::Token(0x80);
    pdu.headers.add(Field::DeliveryReport, yes.clone());
    pdu.headers.add(Field::ReadReport, yes);
    let id = bench.accept(&pdu);
    let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
    (id, recipients[0].transaction_id.clone())
}

fn state(bench: &Bench, id: &str) -> DeliveryState {
    bench.store.message(id).unwrap().unwrap().1[0].state
}

/// What the sender heard: X-Mms-Status.
fn heard(bench: &Bench) -> Vec<u8> {
    bench.run_due();
    let pushes = bench.pushes();
    let status = |pdu: &crate::mms::pdu::Pdu| pdu.headers.token(Field::Status);
    pushes.iter().filter_map(|(_, pdu)| status(pdu)).collect()
}

fn response(id: &str, status: RequestStatus) -> PeerResponse {
    PeerResponse {
        peer: "far".to_owned(),
        to: Request::Forward,
        transaction_id: id.to_owned(),
        status,
        text: None,
        recipients: Vec::new(),
    }
}

fn states(bench: &Bench, id: &str) -> Vec<DeliveryState> {
    let (_, recipients) = bench.store.message(id).unwrap().unwrap();
    recipients.iter().map(|one| one.state).collect()
}

/// A message to nine people abroad and one here, whose sender wants to hear of it.
fn sent_to_many(bench: &Bench) -> String {
    let mut to = vec![HERE.to_owned()];
    to.extend((1..=9).map(|n| format!("+44163296000{n}")));
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let mut pdu = send_req("many", &to);
    let yes = HeaderValue::Token(0x80);
    pdu.headers.add(Field::DeliveryReport, yes);
    bench.accept(&pdu)
}

#[test]
fn all_recipients_of_a_peer_are_in_one_mail_and_its_response_settles_each() {
    use DeliveryState as S;
    let (bench, peer) = (bench("foreign-many"), Script::default());
    let id = sent_to_many(&bench);
    for _ in 0..7 {
        peer.says(Ok(true));
    }
    peer.says(Err(ForwardError::Temporary("450 later".to_owned())));
    peer.says(Err(ForwardError::Permanent("550 nobody".to_owned())));
    assert_eq!(bench.relay.run_peer("far", &peer), Ok(9));
    let sendings = std::mem::take(&mut *peer.transactions.lock().unwrap());
    assert_eq!(sendings.len(), 1, "{sendings:?}");
    let mut expected = vec![S::Queued];
    expected.extend([S::Sent; 7]);
    expected.extend([S::Queued, S::Unreachable]);
    assert_eq!(states(&bench, &id), expected);

    // One is answered for by name, the others without names.
    let mut ok = response(&sendings[0], RequestStatus::ContentNotAccepted);
    ok.recipients = vec![Msisdn::parse("+441632960002").unwrap()];
    assert_eq!(bench.relay.response_from_peer(&ok), Ok(true));
    assert_eq!(states(&bench, &id)[2], S::Rejected);
    assert_eq!(states(&bench, &id)[1], S::Sent);
    let stranger = PeerResponse {
        peer: "near".to_owned(),
        ..response(&sendings[0], RequestStatus::Ok)
    };
    assert_eq!(bench.relay.response_from_peer(&stranger), Ok(false));
    // Naming nobody, it speaks for those whom the peer's mail server took, and not for who was put off.
    let ok = response(&sendings[0], RequestStatus::Ok);
    assert_eq!(bench.relay.response_from_peer(&ok), Ok(true));
    let now = states(&bench, &id);
    assert_eq!(
        (now[1], now[3], now[7]),
        (S::Forwarded, S::Forwarded, S::Forwarded)
    );
    assert_eq!(
        (now[2], now[8], now[9]),
        (S::Rejected, S::Queued, S::Unreachable)
    );

    // The one that was put off goes alone, under the id of its own.
    bench.advance(bench.relay.terms().retry.longest);
    peer.says(Ok(true));
    bench.relay.run_peer("far", &peer).unwrap();
    let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
    let sendings = peer.transactions.lock().unwrap().clone();
    assert_eq!(sendings, [recipients[8].transaction_id.clone()]);
}

#[test]
fn a_peer_that_never_reports_leaves_it_open_and_the_sender_hears_that() {
    for wait in [None, Some(7_000)] {
        let (mut bench, peer) = (bench("foreign-silent"), Script::default());
        bench.relay_mut().peers.terms.report_wait = wait;
        let (id, _) = sent(&bench);
        peer.says(Ok(false));
        bench.relay.run_peer("far", &peer).unwrap();
        assert_eq!(state(&bench, &id), DeliveryState::Forwarded);
        bench.advance(bench.relay.terms().expiry);
        bench.relay.run_peer("far", &peer).unwrap();
        assert!(heard(&bench).is_empty(), "it may still report");
        bench.advance(7_000);
        bench.relay.run_peer("far", &peer).unwrap();
        match wait {
            Some(_) => assert_eq!(heard(&bench), [0x85]),
            None => assert!(heard(&bench).is_empty()),
        }
        bench.advance(7_000);
        bench.relay.run_peer("far", &peer).unwrap();
        assert!(heard(&bench).is_empty(), "once");
    }
}

fn report(ours: &str, said: Said) -> PeerReport {
    PeerReport {
        peer: "far".to_owned(),
        transaction_id: "\"r1\"".to_owned(),
        message_id: format!("\"{ours}\""),
        ours: ours.to_owned(),
        system: Some("PostMaster@far.example".to_owned()),
        ack: true,
        recipient: Msisdn::parse(ABROAD),
        said,
        text: None,
    }
}

#[test]
fn a_message_goes_abroad_and_its_sender_hears_how_it_ended() {
    let (bench, peer) = (bench("foreign-out"), Script::default());
    let (id, transaction) = sent(&bench);
    assert_eq!(bench.run_due(), 0, "no notification for a foreign number");
    peer.says(Ok(true));
    assert_eq!(bench.relay.run_peer("far", &peer), Ok(1));
    assert_eq!(state(&bench, &id), DeliveryState::Sent);
    assert_eq!(bench.relay.run_peer("far", &peer), Ok(0));
    let ok = response(&transaction, RequestStatus::Ok);
    let stranger = PeerResponse {
        peer: "near".to_owned(),
        ..ok.clone()
    };
    assert_eq!(bench.relay.response_from_peer(&stranger), Ok(false));
    assert_eq!(bench.relay.response_from_peer(&ok), Ok(true));
    assert_eq!(state(&bench, &id), DeliveryState::Forwarded);
    assert!(heard(&bench).is_empty(), "taken over is not delivered");
    let told = report(&id, Said::Delivery(MmStatus::Deferred));
    assert_eq!(bench.relay.report_from_peer(&told), Ok(RequestStatus::Ok));
    assert!(heard(&bench).is_empty());
    let told = report(&id, Said::Delivery(MmStatus::Retrieved));
    for _ in 0..2 {
        assert_eq!(bench.relay.report_from_peer(&told), Ok(RequestStatus::Ok));
    }
    assert_eq!(state(&bench, &id), DeliveryState::Retrieved);
    assert_eq!(heard(&bench), [0x81], "once, however often it is reported");
    let read = report(&id, Said::Read(ReadStatus::Read));
    bench.relay.report_from_peer(&read).unwrap();
    bench.run_due();
    let pushes = bench.pushes();
    assert_eq!(pushes[0].1.pdu_type, PduType::ReadOrigInd);
    let from = pushes[0].1.headers.text(Field::From).unwrap();
    assert_eq!(from, format!("{ABROAD}/TYPE=PLMN"));
    bench.relay.run_peer("far", &peer).unwrap();
    let answers = peer.notes();
    assert_eq!(answers.len(), 4);
    assert!(answers.iter().all(|note| matches!(
        note,
        Note::Response { status: RequestStatus::Ok, transaction_id, .. } if transaction_id == "\"r1\""
    )));
}

#[test]
fn without_a_response_the_same_transaction_is_sent_again() {
    let (bench, peer) = (bench("foreign-again"), Script::default());
    let (id, transaction) = sent(&bench);
    let terms = PeerTerms::default();
    for _ in 0..terms.sendings {
        peer.says(Ok(true));
        assert_eq!(bench.relay.run_peer("far", &peer), Ok(1));
        bench.advance(terms.response_wait);
    }
    bench.relay.run_peer("far", &peer).unwrap();
    let sendings = peer.transactions.lock().unwrap().clone();
    assert_eq!(sendings, vec![transaction; 4]);
    assert_eq!(state(&bench, &id), DeliveryState::Indeterminate);
    assert_eq!(heard(&bench), [0x85]);
}

#[test]
fn failures_are_tried_again_and_refusals_reported() {
    let (bench, peer) = (bench("foreign-refuse"), Script::default());
    let (id, _) = sent(&bench);
    peer.says(Err(ForwardError::Temporary("down".to_owned())));
    bench.relay.run_peer("far", &peer).unwrap();
    assert_eq!(bench.relay.run_peer("far", &peer), Ok(0), "not at once");
    assert_eq!(state(&bench, &id), DeliveryState::Queued);
    bench.advance(bench.relay.terms().retry.first);
    peer.says(Err(ForwardError::Permanent("550 nobody".to_owned())));
    bench.relay.run_peer("far", &peer).unwrap();
    assert_eq!(state(&bench, &id), DeliveryState::Unreachable);
    assert_eq!(heard(&bench), [0x87]);
    let mut pdu = send_req("t2", &[ABROAD]);
    let yes = HeaderValue::Token(0x80);
    pdu.headers.add(Field::DeliveryReport, yes);
    let id = bench.accept(&pdu);
    peer.says(Ok(true));
    bench.relay.run_peer("far", &peer).unwrap();
    let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
    let no = response(
        &recipients[0].transaction_id,
        RequestStatus::ContentNotAccepted,
    );
    bench.relay.response_from_peer(&no).unwrap();
    assert_eq!(heard(&bench), [0x82]);
}

#[test]
fn a_peer_speaks_for_its_own_subscribers_only() {
    let (bench, peer) = (bench("foreign-own"), Script::default());
    let (id, _) = sent(&bench);
    bench.relay.run_peer("far", &peer).unwrap();
    let said = Said::Delivery(MmStatus::Retrieved);
    let mut lie = report(&id, said);
    lie.peer = "near".to_owned();
    let not_found = Ok(RequestStatus::MessageNotFound);
    assert_eq!(bench.relay.report_from_peer(&lie), not_found);
    let mut other = report(&id, said);
    other.recipient = Msisdn::parse("+441632960999");
    assert_eq!(bench.relay.report_from_peer(&other), not_found);
    let unknown = report("no-such-message", said);
    assert_eq!(bench.relay.report_from_peer(&unknown), not_found);
    assert_eq!(state(&bench, &id), DeliveryState::Forwarded);
    let mut unnamed = report(&id, said);
    unnamed.recipient = None;
    assert_eq!(
        bench.relay.report_from_peer(&unnamed),
        Ok(RequestStatus::Ok),
        "there is only one it can mean"
    );
    assert_eq!(state(&bench, &id), DeliveryState::Retrieved);
}

#[test]
fn the_phone_cannot_fetch_or_acknowledge_for_a_foreign_recipient() {
    let bench = bench("foreign-phone");
    let (id, transaction) = sent(&bench);
    let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
    let Retrieved::Conf(octets) = bench.relay.retrieve(&recipients[0].token, &[]) else {
        panic!("unknown");
    };
    let conf = bench.decode(octets);
    assert_eq!(conf.headers.token(Field::RetrieveStatus), Some(0xE2));
    let mut reject = crate::mms::pdu::Pdu::new(PduType::NotifyRespInd);
    let id_value = HeaderValue::Text(transaction);
    reject.headers.add(Field::TransactionId, id_value);
    reject.headers.add(Field::Status, HeaderValue::Token(0x82));
    assert_eq!(bench.relay.respond(&reject, None), Ok(false));
    assert_eq!(state(&bench, &id), DeliveryState::Queued);
}

fn inbound() -> Inbound {
    let pdu = send_req("t", &[HERE]);
    let mut message = pdu.into_message().unwrap();
    let encoded = |text: &str| HeaderValue::Encoded(EncodedString::new(text));
    let to = encoded(&format!("{HERE}/TYPE=PLMN@us.example"));
    message.headers.set(Field::To, to);
    message.headers.add(Field::Subject, encoded("hi"));
    let yes = HeaderValue::Token(0x80);
    message.headers.add(Field::DeliveryReport, yes.clone());
    message.headers.add(Field::ReadReport, yes);
    Inbound {
        peer: "far".to_owned(),
        transaction_id: "\"t1@far\"".to_owned(),
        message_id: "\"m1@far\"".to_owned(),
        system: Some("PostMaster@far.example".to_owned()),
        ack: true,
        from: format!("{ABROAD}/TYPE=PLMN"),
        recipients: vec![Msisdn::parse(HERE).unwrap()],
        system_report: false,
        message,
    }
}

#[test]
fn a_message_from_abroad_is_delivered_and_reported_on() {
    let (bench, peer) = (bench("foreign-in"), Script::default());
    let id = bench.relay.accept_from_peer(&inbound()).unwrap();
    assert_eq!(
        bench.relay.accept_from_peer(&inbound()),
        Ok(id.clone()),
        "a request that comes again is answered again, and not delivered twice"
    );
    bench.relay.run_peer("far", &peer).unwrap();
    let notes = peer.notes();
    assert_eq!(notes.len(), 2);
    let Note::Response {
        to,
        transaction_id,
        message_id,
        status,
        recipients,
        ..
    } = &notes[0]
    else {
        panic!("{notes:?}");
    };
    assert_eq!((*to, *status), (Request::Forward, RequestStatus::Ok));
    assert_eq!(
        (transaction_id.as_str(), message_id.as_str()),
        ("\"t1@far\"", "\"m1@far\""),
        "as they came"
    );
    assert_eq!(recipients, &[HERE]);
    bench.run_due();
    let pushes = bench.pushes();
    assert_eq!(pushes.len(), 1);
    assert_eq!(pushes[0].0, HERE);
    assert_eq!(
        pushes[0].1.headers.text(Field::From),
        Some(format!("{ABROAD}/TYPE=PLMN").as_str())
    );
    let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
    let Retrieved::Conf(octets) = bench.relay.retrieve(&recipients[0].token, &[]) else {
        panic!("unknown");
    };
    let conf = decode(&octets, &crate::Limits::default()).unwrap().value;
    assert_eq!(
        conf.headers.text(Field::To),
        Some(format!("{HERE}/TYPE=PLMN").as_str()),
        "phones are shown no domains"
    );
    for pdu_type in [PduType::AcknowledgeInd, PduType::ReadRecInd] {
        let mut pdu = crate::mms::pdu::Pdu::new(pdu_type);
        let transaction = HeaderValue::Text(recipients[0].transaction_id.clone());
        pdu.headers.add(Field::TransactionId, transaction);
        pdu.headers
            .add(Field::MessageId, HeaderValue::Text(id.clone()));
        pdu.headers.add(Field::ReadStatus, HeaderValue::Token(0x81));
        let reader = Msisdn::parse(HERE);
        assert!(bench.relay.respond(&pdu, reader.as_ref()).unwrap());
    }
    peer.says(Ok(true));
    bench.relay.run_peer("far", &peer).unwrap();
    assert!(bench.pushes().is_empty(), "no phone of ours sent it");
    let notes = peer.notes();
    let Note::Delivery {
        message_id,
        from,
        to,
        status,
        transaction_id,
        for_user,
        ..
    } = &notes[0]
    else {
        panic!("{notes:?}");
    };
    assert_eq!(
        (message_id.as_str(), *status),
        ("\"m1@far\"", MmStatus::Retrieved)
    );
    assert_eq!(from, &format!("{HERE}/TYPE=PLMN"));
    assert_eq!((to, *for_user), (&format!("{ABROAD}/TYPE=PLMN"), true));
    assert!(matches!(
        &notes[1],
        Note::Read {
            status: ReadStatus::Deleted,
            ..
        }
    ));
    assert_eq!(
        bench.store.page().unwrap().reports,
        1,
        "one awaits its response"
    );
    let answered = PeerResponse {
        to: Request::DeliveryReport,
        ..response(transaction_id, RequestStatus::Ok)
    };
    assert_eq!(bench.relay.response_from_peer(&answered), Ok(true));
    assert_eq!(bench.relay.response_from_peer(&answered), Ok(false));
    assert_eq!(bench.store.page().unwrap().reports, 0);
}

#[test]
fn what_cannot_be_taken_from_a_peer_says_why() {
    let bench = bench("foreign-not");
    let refused = |inbound: &Inbound| match bench.relay.accept_from_peer(inbound) {
        Err(PeerRefusal::Permanent(why)) => why,
        other => panic!("{other:?}"),
    };
    let mut nobody = inbound();
    nobody.recipients.clear();
    assert!(refused(&nobody).contains("no recipient"));
    let mut late = inbound();
    let past = HeaderValue::Time(crate::mms::Time::Absolute(1));
    late.message.headers.add(Field::Expiry, past);
    assert!(refused(&late).contains("expired"));
    let mut large = inbound();
    large.message.body.parts[0].data = vec![0; 20_000].into();
    assert!(refused(&large).contains("may have 10000 octets"));
    assert_eq!(bench.store.page().unwrap().messages, 0);
}

#[test]
fn work_for_a_peer_that_is_gone_waits_and_ends() {
    let bench = bench("foreign-gone");
    let (id, _) = sent(&bench);
    assert_eq!(bench.relay.run_strays(), Ok(0), "its peer is there");
    let bench = bench.with_peers(Routes::default(), PeerTerms::default(), Vec::new());
    assert_eq!(bench.relay.run_strays(), Ok(1));
    assert_eq!(state(&bench, &id), DeliveryState::Queued);
    bench.advance(bench.relay.terms().expiry);
    assert_eq!(bench.relay.run_strays(), Ok(1));
    assert_eq!(state(&bench, &id), DeliveryState::Expired);
    assert_eq!(heard(&bench), [0x80]);
}

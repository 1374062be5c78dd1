//! The relay against a model of what it promises: messages are sent, told of, fetched, answered and
//! taken back in any order, time passes, gateways fail, and the process ends in between.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use remold::Limits;
use remold::mms::address::Msisdn;
use remold::mms::pdu::{Pdu, PduType, decode, encode};
use remold::mms::{Body, ContentType, Field, HeaderValue, Part, push};
use remold::relay::{NotifyError, Retrieved};
use remold::store::Millis;

use crate::bench::Bench;

const NUMBERS: [&str; 4] = [
    "+15550000001",
    "+15550000002",
    "+15550000003",
    "+15550000004",
];
/// Steps of one input at most.
const STEPS: usize = 60;
const HOUR: Millis = 3_600_000;

/// A message that was taken over.
struct Sent {
    sender: usize,
    text: String,
    expires_at: Millis,
    report: bool,
    recipients: Vec<usize>,
}

/// What a phone was told.
struct Told {
    message: String,
    recipient: usize,
    token: String,
    transaction: String,
    fetched: bool,
    /// Answered for good, or taken back.
    done: bool,
}

#[derive(Default)]
struct Model {
    sent: BTreeMap<String, Sent>,
    /// What stands for a submission, and when it was made: a repetition within a day is the same.
    made: BTreeMap<(usize, u8, String), (String, Millis)>,
    told: Vec<Told>,
    /// Message and recipient of every delivery report.
    reported: BTreeSet<(String, String)>,
    /// A push was refused, or so much time passed at once that reports may have expired.
    troubled: bool,
}

/// Octets are steps: which, and what with.
pub fn relay(data: &[u8]) {
    thread_local! {
        static BENCH: RefCell<Option<Bench>> = const { RefCell::new(None) };
    }
    BENCH.with_borrow_mut(|bench| {
        let bench = bench.get_or_insert_with(|| Bench::new("relay"));
        let mut model = Model::default();
        for step in data.chunks_exact(3).take(STEPS) {
            model.take(bench, step[0], step[1], step[2]);
            model.listen(bench);
        }
        bench.drain();
        model.listen(bench);
        model.end();
    });
}

impl Model {
    fn take(&mut self, bench: &mut Bench, step: u8, a: u8, b: u8) {
        match step % 10 {
            0 | 1 => self.submit(bench, a, b),
            2 | 3 => self.fetch(bench, a),
            4 | 5 => self.answer(bench, a, b),
            6 => {
                let minutes = 1_i64 << (a % 13);
                self.troubled |= minutes > 8 * 60;
                bench.advance(minutes * 60_000);
                bench.run_due(20);
            }
            7 => {
                bench.phones.fail(match a % 4 {
                    1 => Some(NotifyError::Temporary("full".to_owned())),
                    2 => Some(NotifyError::Unavailable("away".to_owned())),
                    3 => Some(NotifyError::Permanent("nobody".to_owned())),
                    _ => None,
                });
                bench.run_due(20);
            }
            8 => self.cancel(bench, a),
            _ if a == 0 => bench.restart(),
            _ => {
                bench.relay.purge().expect("the store works");
            }
        }
    }

    fn submit(&mut self, bench: &Bench, a: u8, b: u8) {
        let (sender, transaction) = (usize::from(a & 3), (a >> 2) & 7);
        let report = a & 0x20 != 0;
        let mask = (b & 15).max(1);
        let recipients: Vec<usize> = (0..4).filter(|at| mask >> at & 1 == 1).collect();
        // Some are kept in files, most in rows.
        let length = if b >> 4 == 15 { 200_000 } else { 5 };
        let text = format!("{a}-{b} {}", "x".repeat(length));
        let pdu = send_req(transaction, &recipients, report, &text);
        let octets: Bytes = encode(&pdu).expect("it is sound").into();
        let from = Msisdn::parse(NUMBERS[sender]);
        let conf = bench.relay.submit(&octets, &pdu, from.as_ref());
        let status = conf.headers.token(Field::ResponseStatus);
        assert_eq!(status, Some(0x80), "{conf:?}");
        let id = conf.headers.text(Field::MessageId).expect("an id");
        let now = bench.now();
        let key = (
            sender,
            transaction,
            format!("{report} {recipients:?} {text}"),
        );
        if let Some((known, at)) = self.made.get(&key)
            && now - at < 24 * HOUR
            && self.sent.contains_key(known)
        {
            // What is sent again is the same message, as long as it is known.
            if id == known {
                return;
            }
            assert!(now - at > HOUR, "{key:?} was taken over twice");
        }
        let sent = Sent {
            sender,
            text,
            expires_at: now + 72 * HOUR,
            report,
            recipients,
        };
        let before = self.sent.insert(id.to_owned(), sent);
        assert!(before.is_none(), "an id was given twice");
        self.made.insert(key, (id.to_owned(), now));
    }

    fn fetch(&mut self, bench: &Bench, a: u8) {
        let count = self.told.len();
        let Some(told) = self.told.get_mut(usize::from(a) % count.max(1)) else {
            return;
        };
        let sent = &self.sent[&told.message];
        let Retrieved::Conf(octets) = bench.relay.retrieve(&told.token, &[]) else {
            panic!("a token that was given is known");
        };
        let conf = decode(&octets, &Limits::default()).expect("ours").value;
        if conf.headers.get(Field::RetrieveStatus).is_none() {
            let body = conf.body.expect("a message has a body");
            assert_eq!(String::from_utf8_lossy(&body.parts[0].data), sent.text);
            told.fetched = true;
        } else {
            let due = told.done || bench.now() >= sent.expires_at;
            assert!(due, "{} was refused in time", told.message);
        }
    }

    fn answer(&mut self, bench: &Bench, a: u8, b: u8) {
        let count = self.told.len();
        let Some(told) = self.told.get_mut(usize::from(a) % count.max(1)) else {
            return;
        };
        let status = 0x81 + (b & 3);
        let (pdu_type, status) = match b & 4 {
            0 => (PduType::NotifyRespInd, Some(status)),
            _ => (PduType::AcknowledgeInd, None),
        };
        let mut pdu = Pdu::new(pdu_type);
        let id = HeaderValue::Text(told.transaction.clone());
        pdu.headers.add(Field::TransactionId, id);
        if let Some(status) = status {
            pdu.headers.add(Field::Status, HeaderValue::Token(status));
        }
        if b & 8 != 0 {
            let no = HeaderValue::Token(0x81);
            pdu.headers.add(Field::ReportAllowed, no);
        }
        let stranger = b & 0x30 == 0x30;
        let from = match b & 0x30 {
            0 => None,
            0x30 => Msisdn::parse("+15559999999"),
            _ => Msisdn::parse(NUMBERS[told.recipient]),
        };
        let taken = bench.relay.respond(&pdu, from.as_ref());
        let known = taken.expect("the store works");
        assert!(!(stranger && known), "a stranger spoke for somebody");
        if known {
            told.done |= match status {
                Some(0x82 | 0x84) => true,
                Some(0x83) => false,
                _ => told.fetched,
            };
        }
    }

    fn cancel(&mut self, bench: &Bench, a: u8) {
        let count = self.sent.len();
        let Some(id) = self.sent.keys().nth(usize::from(a) % count.max(1)) else {
            return;
        };
        bench.relay.cancel(id).expect("the store works");
        for told in &mut self.told {
            told.done |= told.message == *id && !told.fetched;
        }
    }

    /// Takes in what phones and senders were told.
    fn listen(&mut self, bench: &Bench) {
        self.troubled |= bench.phones.refused() > 0;
        for (id, number, octets) in bench.phones.told() {
            let sent = &self.sent[&id];
            let (_, pdu) = push::decode(&octets.into(), &Limits::default())
                .expect("ours")
                .value;
            match pdu.pdu_type {
                PduType::NotificationInd => {
                    let at = NUMBERS.iter().position(|known| *known == number);
                    let at = at.expect("one of ours");
                    assert!(sent.recipients.contains(&at), "{number} was sent nothing");
                    self.notified(&id, at, &pdu);
                }
                PduType::DeliveryInd => {
                    assert!(sent.report, "nobody asked for a report");
                    assert_eq!(number, NUMBERS[sent.sender]);
                    let of = pdu.headers.get(Field::To);
                    let first = self.reported.insert((id, format!("{of:?}")));
                    assert!(first, "two reports of one recipient");
                }
                PduType::CancelReq => {}
                other => panic!("{other:?} was pushed"),
            }
        }
    }

    fn notified(&mut self, id: &str, recipient: usize, pdu: &Pdu) {
        let location = pdu.headers.text(Field::ContentLocation).expect("a URL");
        let token = location.rsplit('/').next().unwrap_or_default().to_owned();
        let transaction = pdu.transaction_id().expect("a transaction").to_owned();
        let known = self
            .told
            .iter()
            .find(|told| told.message == id && told.recipient == recipient);
        if let Some(known) = known {
            assert_eq!((&known.token, &known.transaction), (&token, &transaction));
            assert!(!known.done, "told again of what is done");
            return;
        }
        self.told.push(Told {
            message: id.to_owned(),
            recipient,
            token,
            transaction,
            fetched: false,
            done: false,
        });
    }

    /// Everybody who asked heard of every recipient.
    fn end(&self) {
        if self.troubled {
            return;
        }
        for (id, sent) in self.sent.iter().filter(|(_, sent)| sent.report) {
            let reports = self.reported.iter().filter(|(of, _)| of == id).count();
            assert_eq!(reports, sent.recipients.len(), "reports of {id}");
        }
    }
}

fn send_req(transaction: u8, to: &[usize], report: bool, text: &str) -> Pdu {
    let mut pdu = Pdu::new(PduType::SendReq);
    let headers = &mut pdu.headers;
    let id = HeaderValue::Text(format!("t{transaction}"));
    headers.add(Field::TransactionId, id);
    headers.add(Field::MmsVersion, HeaderValue::Token(0x92));
    headers.add(Field::From, HeaderValue::From(None));
    for at in to {
        let to = format!("{}/TYPE=PLMN", NUMBERS[*at]);
        headers.add(Field::To, HeaderValue::Encoded(to.as_str().into()));
    }
    let wanted = HeaderValue::Token(if report { 0x80 } else { 0x81 });
    headers.add(Field::DeliveryReport, wanted);
    pdu.body = Some(Body {
        content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
        parts: vec![Part::new(ContentType::new("text/plain"), text.to_owned())],
    });
    pdu
}

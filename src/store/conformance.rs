//! What every store promises, as checks that a new one must pass.
//!
//! A check is given a function that opens the store under test. Calling it again, after dropping
//! the first, is a restart: what was acknowledged must be there. It is given the body of the
//! messages too: a store may keep small and large ones in different places, and each is to be
//! tried with [`bodies`].

#![allow(
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic in a check is its report"
)]

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    Accepted, BoxEntry, Change, DeliveryState, Event, Lease, MessageRow, Millis, NewRecipient,
    NewReport, Origin, Quota, RecipientRow, ReportChange, ReportRow, Role, Settlement, Store,
    StoreError, Submission, Whose, Work,
};

/// Opens the store under test.
pub type Open<'a> = dyn FnMut() -> Box<dyn Store> + 'a;

/// One promise.
#[derive(Clone, Copy)]
pub struct Check {
    /// What is promised, as a name for a folder or a table.
    pub name: &'static str,
    /// Panics where the store does not keep it for messages of this body.
    pub run: fn(&mut Open<'_>, &Bytes),
}

/// Every promise.
pub const CHECKS: &[Check] = &[
    check("accepted-survives-restart", accepted_survives_restart),
    check("duplicates-are-known", duplicates_are_known),
    check("a-lease-is-exclusive", a_lease_is_exclusive),
    check(
        "a-stale-fence-changes-nothing",
        a_stale_fence_changes_nothing,
    ),
    check(
        "reports-come-with-their-cause",
        reports_come_with_their_cause,
    ),
    check("tokens-and-transactions-find", tokens_and_transactions_find),
    check("bodies-go-when-nobody-waits", bodies_go_when_nobody_waits),
    check("devices-are-remembered", devices_are_remembered),
    check("peers-have-work-of-their-own", peers_have_work_of_their_own),
    check(
        "a-recipient-is-given-to-another-peer",
        a_recipient_is_given_to_another_peer,
    ),
    check("boxes-keep-and-refuse", boxes_keep_and_refuse),
    check("what-ends-together-ends", what_ends_together_ends),
    check("many-at-once", many_at_once),
];

const fn check(name: &'static str, run: fn(&mut Open<'_>, &Bytes)) -> Check {
    Check { name, run }
}

/// A body that every store keeps in a row, and one that none does.
#[must_use]
pub fn bodies() -> [Bytes; 2] {
    [Bytes::from_static(b"body"), Bytes::from(vec![7; 200_000])]
}

/// A submission to two recipients that differs from that of every other `number`.
#[must_use]
pub fn submission(number: u32) -> Submission {
    let recipient = |at: u32, role| NewRecipient {
        address: format!("+1555000{at:04}/TYPE=PLMN"),
        role,
        token: format!("{number:08x}{at:024x}"),
        transaction_id: format!("t{number}-{at}"),
        peer: None,
    };
    Submission {
        id: format!("{number:032x}"),
        sender: "+15559999999/TYPE=PLMN".to_owned(),
        transaction_id: format!("sent-{number}"),
        content_hash: Sha256::digest(number.to_be_bytes()).into(),
        content: Sha256::digest(b"body").into(),
        accepted_at: 1_000,
        expires_at: 100_000,
        deliver_at: 1_000,
        delivery_report: true,
        read_report: false,
        sender_visible: true,
        class: 0x80,
        size: 4,
        subject: Some("Grüße".to_owned()),
        recipients: vec![recipient(1, Role::To), recipient(2, Role::Bcc)],
        origin: None,
    }
}

/// The same, of a body.
fn submitted(number: u32, body: &Bytes) -> Submission {
    let mut sent = submission(number);
    sent.content = Sha256::digest(body).into();
    sent.size = u64::try_from(body.len()).unwrap();
    sent
}

fn event(message_id: &str, at: Millis, what: &str) -> Event {
    Event {
        message_id: message_id.to_owned(),
        recipient: None,
        at,
        what: what.to_owned(),
        detail: String::new(),
    }
}

fn to(recipient: &RecipientRow, state: DeliveryState, due_at: Option<Millis>) -> Change {
    Change {
        recipient: recipient.id,
        fence: recipient.fence,
        state,
        attempts: recipient.attempts.saturating_add(1),
        due_at,
        event: event(&recipient.message_id, 2_000, state.name()),
        reports: Vec::new(),
    }
}

fn recipients(leases: &[Lease]) -> Vec<(MessageRow, RecipientRow)> {
    let recipient = |lease: &Lease| match &lease.work {
        Work::Recipient(both) => Some((**both).clone()),
        Work::Report(_) => None,
    };
    leases.iter().filter_map(recipient).collect()
}

fn reports(leases: &[Lease]) -> Vec<ReportRow> {
    let report = |lease: &Lease| match &lease.work {
        Work::Report(report) => Some(report.clone()),
        Work::Recipient(_) => None,
    };
    leases.iter().filter_map(report).collect()
}

fn accepted_survives_restart(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    let sent = submitted(1, body);
    let accepted = store.accept(&sent, body, 0).unwrap();
    assert_eq!(accepted, Accepted::New);
    drop(store);
    let store = open();
    let (message, recipients) = store.message(&sent.id).unwrap().unwrap();
    assert_eq!(message.sender, sent.sender);
    assert_eq!(message.subject, sent.subject);
    assert_eq!((message.size, message.class), (sent.size, 0x80));
    assert!(message.has_body && message.delivery_report && !message.read_report);
    assert_eq!(store.body(&message).unwrap().as_ref(), Some(body));
    let found: Vec<_> = recipients.iter().map(|r| (&r.address, r.role)).collect();
    let want: Vec<_> = sent
        .recipients
        .iter()
        .map(|r| (&r.address, r.role))
        .collect();
    assert_eq!(found, want);
    assert!(recipients.iter().all(|r| r.state == DeliveryState::Queued));
    assert_eq!(store.events(&sent.id).unwrap()[0].what, "accepted");
    assert_eq!(store.next_due(), Ok(Some(1_000)));
    let page = store.page().unwrap();
    assert_eq!((page.messages, page.waiting, page.reports), (1, 2, 0));
}

fn duplicates_are_known(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    let first = submitted(1, body);
    store.accept(&first, body, 0).unwrap();
    let mut again = submitted(2, body);
    again.transaction_id = first.transaction_id.clone();
    let other_content = store.accept(&again, &"else".into(), 0).unwrap();
    assert_eq!(
        other_content,
        Accepted::New,
        "another content is another message"
    );
    let mut again = submitted(3, body);
    again.transaction_id = first.transaction_id.clone();
    again.content_hash = first.content_hash;
    let duplicate = store.accept(&again, body, 1_000).unwrap();
    assert_eq!(duplicate, Accepted::Duplicate(first.id.clone()));
    assert_eq!(store.message(&again.id), Ok(None));
    drop(store);
    let store = open();
    let late = store.accept(&again, body, 1_001).unwrap();
    assert_eq!(late, Accepted::New, "outside the window it counts anew");
}

fn a_lease_is_exclusive(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    store.accept(&submitted(1, body), body, 0).unwrap();
    assert!(store.lease_due(999, 10, 50).unwrap().is_empty());
    let first = store.lease_due(1_000, 1, 50).unwrap();
    let second = store.lease_due(1_000, 10, 50).unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first[0].work, second[0].work);
    assert!(store.lease_due(1_049, 10, 50).unwrap().is_empty());
    assert_eq!(store.next_due(), Ok(Some(1_050)));
    assert_eq!(store.lease_due(1_050, 10, 50).unwrap().len(), 2);
}

fn a_stale_fence_changes_nothing(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    store.accept(&submitted(1, body), body, 0).unwrap();
    let (_, asleep) = recipients(&store.lease_due(1_000, 1, 50).unwrap()).remove(0);
    let awake = recipients(&store.lease_due(1_050, 2, 50).unwrap());
    let (_, awake) = awake.into_iter().find(|(_, r)| r.id == asleep.id).unwrap();
    store
        .settle(&to(&awake, DeliveryState::Notified, Some(9_000)))
        .unwrap();
    let late = store.settle(&to(&asleep, DeliveryState::Unreachable, None));
    assert_eq!(late, Err(StoreError::Stale));
    let twice = store.settle(&to(&awake, DeliveryState::Unreachable, None));
    assert_eq!(twice, Err(StoreError::Stale));
    let (_, now) = store.message(&awake.message_id).unwrap().unwrap();
    let now = now.iter().find(|r| r.id == awake.id).unwrap();
    assert_eq!((now.state, now.attempts), (DeliveryState::Notified, 1));
}

fn reports_come_with_their_cause(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    let sent = submitted(1, body);
    store.accept(&sent, body, 0).unwrap();
    let (_, recipient) = recipients(&store.lease_due(1_000, 1, 50).unwrap()).remove(0);
    let report = NewReport {
        message_id: sent.id.clone(),
        address: sent.sender.clone(),
        pdu: vec![0x8C, 0x86],
        due_at: 2_000,
        expires_at: 9_000,
        peer: None,
        transaction_id: None,
    };
    let mut change = to(&recipient, DeliveryState::Retrieved, None);
    change.reports = vec![report.clone()];
    store.settle(&change).unwrap();
    assert_eq!(store.settle(&change), Err(StoreError::Stale));
    drop(store);
    let store = open();
    let leased = reports(&store.lease_due(2_000, 9, 50).unwrap());
    assert_eq!(
        leased.len(),
        1,
        "a change that failed left no report behind"
    );
    assert_eq!((&leased[0].pdu, leased[0].attempts), (&report.pdu, 0));
    let mut change = ReportChange {
        report: leased[0].id,
        fence: leased[0].fence,
        attempts: 1,
        due_at: Some(3_000),
        event: event(&sent.id, 2_000, "report-failed"),
    };
    store.settle_report(&change).unwrap();
    assert_eq!(store.settle_report(&change), Err(StoreError::Stale));
    let leased = reports(&store.lease_due(3_000, 9, 50).unwrap());
    assert_eq!(leased[0].attempts, 1);
    change.fence = leased[0].fence;
    change.due_at = None;
    store.settle_report(&change).unwrap();
    store
        .add_report(&report, &event(&sent.id, 3_000, "read"))
        .unwrap();
    assert_eq!(store.page().unwrap().reports, 1);
}

fn tokens_and_transactions_find(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    let sent = submitted(7, body);
    store.accept(&sent, body, 0).unwrap();
    let hash = |token: &str| Sha256::digest(token.as_bytes()).into();
    let wanted = &sent.recipients[1];
    let (message, found) = store.by_token(&hash(&wanted.token)).unwrap().unwrap();
    assert_eq!(
        (message.id, found.address),
        (sent.id.clone(), wanted.address.clone())
    );
    let (_, found) = store
        .by_transaction(&wanted.transaction_id)
        .unwrap()
        .unwrap();
    assert_eq!(found.token, wanted.token);
    assert_eq!(store.by_token(&hash("guess")), Ok(None));
    assert_eq!(store.by_transaction("guess"), Ok(None));
}

fn bodies_go_when_nobody_waits(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    let sent = submitted(1, body);
    store.accept(&sent, body, 0).unwrap();
    let leased = recipients(&store.lease_due(1_000, 2, 50).unwrap());
    store
        .settle(&to(&leased[0].1, DeliveryState::Retrieved, None))
        .unwrap();
    assert_eq!(store.purge(9_000, 0), Ok(0), "somebody still waits");
    store
        .settle(&to(&leased[1].1, DeliveryState::Expired, None))
        .unwrap();
    assert_eq!(store.purge(2_000, 0), Ok(0), "the grace time is not over");
    assert_eq!(store.purge(2_001, 0), Ok(1));
    let (message, _) = store.message(&sent.id).unwrap().unwrap();
    assert!(!message.has_body);
    assert_eq!(store.body(&message), Ok(None));
    assert_eq!(store.events(&sent.id).unwrap().len(), 3);
    store.purge(2_001, 2_001).unwrap();
    assert_eq!(store.message(&sent.id), Ok(None));
    assert_eq!(store.events(&sent.id), Ok(Vec::new()));
    store.record(&event(&sent.id, 3_000, "late")).unwrap();
}

fn devices_are_remembered(open: &mut Open<'_>, _: &Bytes) {
    let store = open();
    assert_eq!(store.device("+1"), Ok(None));
    store.remember_device("+1", "first", 1).unwrap();
    store.remember_device("+1", "second", 2).unwrap();
    drop(store);
    assert_eq!(open().device("+1"), Ok(Some("second".to_owned())));
}

fn peers_have_work_of_their_own(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    let mut sent = submitted(1, body);
    let origin = Origin {
        peer: "west".to_owned(),
        message_id: "\"m1@west\"".to_owned(),
        for_user: false,
    };
    sent.origin = Some(origin.clone());
    sent.recipients[1].peer = Some("east".to_owned());
    store.accept(&sent, body, 0).unwrap();
    let report = NewReport {
        message_id: sent.id.clone(),
        address: sent.sender.clone(),
        pdu: vec![1],
        due_at: 3_000,
        expires_at: 9_000,
        peer: Some("west".to_owned()),
        transaction_id: Some("r1".to_owned()),
    };
    store
        .add_report(&report, &event(&sent.id, 2_000, "told"))
        .unwrap();
    drop(store);
    let store = open();
    let (message, _) = store.message(&sent.id).unwrap().unwrap();
    assert_eq!(message.origin, Some(origin));
    let ours = recipients(&store.lease_due(5_000, 9, 50).unwrap());
    assert_eq!((ours.len(), ours[0].1.peer.as_deref()), (1, None));
    assert_eq!(store.next_due_of(Whose::Peer("east")), Ok(Some(1_000)));
    assert_eq!(store.next_due_of(Whose::Peer("west")), Ok(Some(3_000)));
    assert_eq!(store.next_due_of(Whose::Peer("north")), Ok(None));
    let known = ["east".to_owned()];
    let gone = store.lease_of(Whose::Other(&known), 5_000, 9, 50).unwrap();
    let gone = reports(&gone);
    assert_eq!((gone.len(), gone[0].peer.as_deref()), (1, Some("west")));
    assert_eq!(
        store.report_by_transaction("r1").unwrap().map(|r| r.id),
        Some(gone[0].id)
    );
    assert_eq!(store.report_by_transaction("r2"), Ok(None));
    let east = store.lease_of(Whose::Peer("east"), 5_000, 9, 50).unwrap();
    let east = recipients(&east);
    assert_eq!((east.len(), east[0].1.peer.as_deref()), (1, Some("east")));
    assert!(store.lease_due(5_000, 9, 50).unwrap().is_empty());
    let forwarded = to(&east[0].1, DeliveryState::Forwarded, None);
    store.settle(&forwarded).unwrap();
    let (_, now) = store.message(&sent.id).unwrap().unwrap();
    store
        .settle(&to(&now[1], DeliveryState::Retrieved, None))
        .unwrap();
    assert_eq!(store.purge(9_000, 0), Ok(0), "one of ours still waits");
}

fn a_recipient_is_given_to_another_peer(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    let mut sent = submitted(1, body);
    sent.recipients[1].peer = Some("asked".to_owned());
    store.accept(&sent, body, 0).unwrap();
    let asked = store.lease_of(Whose::Peer("asked"), 1_000, 9, 5_000);
    let (_, recipient) = recipients(&asked.unwrap())[0].clone();
    let happened = event(&sent.id, 2_000, "routed");
    let give = |fence, peer| store.reroute(recipient.id, fence, peer, &happened);
    assert_eq!(give(recipient.fence, Some("east")), Ok(()));
    assert_eq!(
        give(recipient.fence, Some("west")),
        Err(StoreError::Stale),
        "it is somebody else's now"
    );
    assert_eq!(store.next_due_of(Whose::Peer("asked")), Ok(None));
    let east = store.lease_of(Whose::Peer("east"), 2_000, 9, 5_000);
    let east = recipients(&east.unwrap());
    assert_eq!((east.len(), east[0].1.id), (1, recipient.id));
    assert_eq!(give(east[0].1.fence, None), Ok(()));
    let ours = recipients(&store.lease_due(2_000, 9, 5_000).unwrap());
    assert_eq!((ours.len(), ours[1].1.peer.as_deref()), (2, None));
    let events = store.events(&sent.id).unwrap();
    let told = events.iter().filter(|event| event.what == "routed").count();
    assert_eq!(told, 2);
}

fn boxes_keep_and_refuse(open: &mut Open<'_>, _: &Bytes) {
    let entry = |number: u8, owner: &str| BoxEntry {
        owner: owner.to_owned(),
        token: format!("{number:032x}"),
        message_id: None,
        state: 0x80,
        flags: vec!["a".to_owned(), "b".to_owned()],
        stored_at: i64::from(number),
        size: 10,
    };
    let hash = |number: u8| Sha256::digest(format!("{number:032x}").as_bytes()).into();
    let quota = Quota {
        messages: 3,
        octets: 25,
    };
    let store = open();
    let put = |number, owner| store.box_put(&entry(number, owner), &"ten octets".into(), quota);
    assert_eq!(put(1, "+1"), Ok(true));
    assert_eq!(put(2, "+1"), Ok(true));
    assert_eq!(put(3, "+1"), Ok(false), "25 octets are full");
    assert_eq!(put(4, "+2"), Ok(true), "another box");
    let mut changed = entry(2, "+1");
    changed.state = 0x81;
    changed.flags.clear();
    assert_eq!(store.box_change(&changed), Ok(true));
    assert_eq!(store.box_change(&entry(2, "+2")), Ok(false));
    drop(store);
    let store = open();
    assert_eq!(store.box_entries("+1"), Ok(vec![changed, entry(1, "+1")]));
    let (found, data) = store.box_get(&hash(1)).unwrap().unwrap();
    assert_eq!((found, data), (entry(1, "+1"), "ten octets".into()));
    assert_eq!(store.box_delete("+2", &hash(1)), Ok(false));
    assert_eq!(store.box_delete("+1", &hash(1)), Ok(true));
    assert_eq!(store.box_get(&hash(1)), Ok(None));
    assert_eq!(store.box_entries("+1").unwrap().len(), 1);
}

fn what_ends_together_ends(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    let sent = submitted(1, body);
    store.accept(&sent, body, 0).unwrap();
    let leased = recipients(&store.lease_due(5_000, 9, 50).unwrap());
    let change = |at: usize| to(&leased[at].1, DeliveryState::Rejected, None);
    store.settle(&change(0)).unwrap();
    let all = vec![
        Settlement::Recipient(change(0)),
        Settlement::Recipient(change(1)),
    ];
    assert_eq!(store.settle_all(all), Ok(1), "the other was faster");
    let (_, after) = store.message(&sent.id).unwrap().unwrap();
    assert!(after.iter().all(|r| r.state == DeliveryState::Rejected));
    assert_eq!(store.settle_all(Vec::new()), Ok(0));
}

fn many_at_once(open: &mut Open<'_>, body: &Bytes) {
    let store = open();
    let shared: &dyn Store = store.as_ref();
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            scope.spawn(move || {
                for n in 0..10_u32 {
                    let sent = submitted(thread.saturating_mul(100).saturating_add(n), body);
                    let accepted = shared.accept(&sent, body, 0);
                    assert_eq!(accepted, Ok(Accepted::New));
                }
            });
        }
    });
    drop(store);
    let store = open();
    let page = store.page().unwrap();
    assert_eq!((page.messages, page.waiting), (80, 160));
    assert_eq!(store.lease_due(1_000, 500, 50).unwrap().len(), 160);
}

//! What a message costs in the store alone: taken over with a body of 30 kB, leased, told of, fetched and
//! acknowledged, each step durable before the next, and as many of them at once as share a commit under load.
//!
//!     cargo bench --bench store -- [MESSAGES] [AT ONCE]
//!
//! Instructions are what regressions are judged by: `valgrind --tool=callgrind` on the program that
//! cargo names, for two numbers of messages, less what opening the store takes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench that cannot run has nothing to say"
)]

use std::sync::mpsc::channel;
use std::time::Instant;

use bytes::Bytes;
use remold::store::{
    Accepted, Change, DeliveryState, Event, MessageRow, Prompt, RecipientRow, Settlement,
    SqliteStore, Store, Which, Work, conformance,
};
use sha2::{Digest, Sha256};

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut number = |default| args.next().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (messages, at_once): (u32, u32) = (number(2_048), number(64));
    let folder = std::env::temp_dir().join(format!("remold-bench-store-{}", std::process::id()));
    let (store, _) = SqliteStore::open(&folder).expect("a store");
    let body = Bytes::from(vec![7; 30_000]);
    let (before, started) = (processor(), Instant::now());
    let mut first = 0;
    while first < messages {
        let count = at_once.min(messages - first);
        one_round(&store, &body, first, count);
        first += count;
    }
    let took = started.elapsed();
    let (user, system) = processor();
    let per = |ticks: u64| ticks * 10_000 / u64::from(messages.max(1));
    println!("messages              {messages}, {at_once} at once, in {took:.1?}");
    println!(
        "processor a message   {} µs user, {} µs system",
        per(user - before.0),
        per(system - before.1)
    );
    drop(store);
    std::fs::remove_dir_all(&folder).expect("a folder of ours");
}

/// So many messages from submission to acknowledgement.
fn one_round(store: &SqliteStore, body: &Bytes, first: u32, count: u32) {
    let (told, heard) = channel();
    for number in first..first + count {
        let mut sent = conformance::submission(number);
        sent.recipients.truncate(1);
        sent.recipients[0].token = token(number);
        let told = told.clone();
        let told = Box::new(move |outcome| told.send(outcome).expect("somebody who hears"));
        Prompt::accept(store, sent, body.clone(), 0, told);
    }
    for _ in 0..count {
        assert_eq!(heard.recv().expect("an answer"), Ok(Accepted::New));
    }
    let most = usize::try_from(count).expect("a number");
    let leases = store.lease_due(2_000, most, 60_000).expect("leases");
    let leased: Vec<(MessageRow, RecipientRow)> = leases
        .into_iter()
        .map(|lease| match lease.work {
            Work::Recipient(both) => *both,
            Work::Report(report) => panic!("{report:?}"),
        })
        .collect();
    let notified = leased
        .iter()
        .map(|(_, one)| Settlement::Recipient(change(one, DeliveryState::Notified)));
    assert_eq!(store.settle_all(notified.collect()), Ok(most));
    for state in [DeliveryState::Fetched, DeliveryState::Retrieved] {
        let (told, heard) = channel();
        for (_, one) in &leased {
            let which = match state {
                DeliveryState::Fetched => Which::Token(Sha256::digest(one.token.as_bytes()).into()),
                _ => Which::Transaction(one.transaction_id.clone()),
            };
            let told = told.clone();
            let told = Box::new(move |outcome| told.send(outcome).expect("somebody who hears"));
            let decide =
                Box::new(move |_: &MessageRow, one: &RecipientRow| Some(change(one, state)));
            Prompt::step(store, which, decide, told);
        }
        for _ in 0..count {
            let stepped = heard.recv().expect("an answer").expect("a step");
            assert!(stepped.is_some_and(|stepped| stepped.change.is_some()));
        }
    }
}

fn change(recipient: &RecipientRow, state: DeliveryState) -> Change {
    Change {
        recipient: recipient.id,
        fence: recipient.fence,
        state,
        attempts: 1,
        due_at: (!state.is_final()).then_some(90_000),
        event: Event {
            message_id: recipient.message_id.clone(),
            recipient: Some(recipient.id),
            at: 2_000,
            what: state.name().to_owned(),
            detail: "133 octets".to_owned(),
        },
        reports: Vec::new(),
    }
}

/// A token that lies anywhere among the others, as those do that are drawn.
fn token(number: u32) -> String {
    let spread = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    format!("{spread:032x}")
}

/// Hundredths of a second that this process took: user and system.
fn processor() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let mut times = fields.split_whitespace().skip(11);
    let mut time = || {
        times
            .next()
            .and_then(|time| time.parse().ok())
            .expect("a time")
    };
    (time(), time())
}

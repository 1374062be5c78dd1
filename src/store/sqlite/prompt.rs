//! The verbs that nobody waits for, in SQL: the thread that writes does them, and tells.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rusqlite::Connection;

use super::verbs::{IN_ROW, insert_new, settle_step};
use super::{SqliteStore, database, query};
use crate::store::{
    Accepted, Decide, Millis, Prompt, Stepped, StoreError, Submission, Told, Which,
};

impl Prompt for SqliteStore {
    fn body_bytes(&self) -> usize {
        IN_ROW
    }

    fn accept(
        &self,
        submission: Submission,
        body: Bytes,
        duplicates_since: Millis,
        told: Told<Accepted>,
    ) {
        let octets = body.len();
        self.writer.run_telling(
            octets,
            move |connection| insert_new(connection, &submission, Some(&body), duplicates_since),
            told,
        );
    }

    fn step(&self, which: Which, mut decide: Decide, told: Told<Option<Stepped>>) {
        let work = move |connection: &Connection| step(connection, &which, &mut decide);
        self.writer.run_telling(0, work, told);
    }
}

fn step(
    connection: &Connection,
    which: &Which,
    decide: &mut Decide,
) -> Result<Option<Stepped>, StoreError> {
    let found = match which {
        Which::Token(hash) => query::one(connection, "r.token_hash = ?1", [&hash[..]]),
        Which::Transaction(id) => query::one(connection, "r.transaction_id = ?1", [id]),
    };
    let Some((message, recipient)) = found.map_err(database)? else {
        return Ok(None);
    };
    // It is not ours, and a panic in it must not end the thread that all others need.
    let decided = catch_unwind(AssertUnwindSafe(|| decide(&message, &recipient)));
    let change = decided.map_err(|_| StoreError::Database("the step failed".to_owned()))?;
    if let Some(change) = &change {
        settle_step(connection, &recipient, change)?;
    }
    Ok(Some(Stepped {
        message,
        recipient,
        change,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::store::{Change, Store, conformance};

    fn open(name: &str) -> (std::path::PathBuf, SqliteStore) {
        let name = format!("remold-prompt-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        let store = SqliteStore::open(&folder).unwrap().0;
        (folder, store)
    }

    #[test]
    fn a_step_that_panics_changes_nothing_and_the_next_is_made() {
        let (folder, store) = open("panics");
        store.accept_and_wait(conformance::submission(1)).unwrap();
        let step = |decide: Decide| {
            let (answer, heard) = sync_channel(1);
            let which = Which::Transaction("t1-1".to_owned());
            let told = Box::new(move |outcome| answer.send(outcome).unwrap());
            Prompt::step(&store, which, decide, told);
            heard.recv().unwrap()
        };
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let failed = step(Box::new(|_, _| panic!("a bug")));
        std::panic::set_hook(hook);
        assert!(matches!(failed, Err(StoreError::Database(_))), "{failed:?}");
        let made = step(Box::new(|message, recipient| {
            Some(Change {
                recipient: recipient.id,
                fence: recipient.fence,
                state: crate::store::DeliveryState::Fetched,
                attempts: 0,
                due_at: Some(5),
                event: crate::store::Event {
                    message_id: message.id.clone(),
                    recipient: Some(recipient.id),
                    at: 1,
                    what: "fetched".to_owned(),
                    detail: String::new(),
                },
                reports: Vec::new(),
            })
        }));
        assert!(made.unwrap().unwrap().change.is_some());
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    impl SqliteStore {
        fn accept_and_wait(&self, submission: Submission) -> Result<Accepted, StoreError> {
            let (answer, heard) = sync_channel(1);
            let told = Box::new(move |outcome| answer.send(outcome).unwrap());
            Prompt::accept(self, submission, "body".into(), 0, told);
            heard.recv().unwrap()
        }
    }

    #[test]
    fn what_was_queued_is_there_when_it_is_told() {
        let (folder, store) = open("there");
        let sent = conformance::submission(7);
        assert_eq!(store.accept_and_wait(sent.clone()), Ok(Accepted::New));
        assert_eq!(
            store.accept_and_wait(sent.clone()),
            Ok(Accepted::Duplicate(sent.id.clone()))
        );
        let (message, _) = store.message(&sent.id).unwrap().unwrap();
        assert_eq!(store.body(&message).unwrap().unwrap(), "body");
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

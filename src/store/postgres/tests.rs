//! The store on a server of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::server::Postgres;
use super::*;
use crate::store::conformance::{self, submission};
use crate::store::outbox::{FileMark, Outbox};
use crate::store::records::{Records, Search};
use crate::store::{Accepted, Store};

/// One server for the tests that run at one time.
pub(super) fn server() -> Option<Arc<Postgres>> {
    static RUNNING: OnceLock<Mutex<Weak<Postgres>>> = OnceLock::new();
    let running = RUNNING.get_or_init(Mutex::default).lock();
    let mut running = running.unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = running.upgrade() {
        return Some(server);
    }
    let server = Arc::new(Postgres::start("unit", false)?);
    *running = Arc::downgrade(&server);
    Some(server)
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("remold-postgres-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(url: &str, folder: &Path) -> (PostgresStore, usize) {
    open_with(url, folder, None)
}

fn open_with(url: &str, folder: &Path, objects: Option<Objects>) -> (PostgresStore, usize) {
    let settings = Settings {
        database: url.to_owned(),
        password: None,
        roots: None,
        objects,
    };
    PostgresStore::open(folder, settings, None, Box::new(|_, _| {})).unwrap()
}

/// Every promise, with bodies in what `objects` gives.
fn conforms(objects: &dyn Fn() -> Option<Objects>) {
    let Some(server) = server() else { return };
    for check in conformance::CHECKS {
        let folder = Folder::new(check.name);
        for body in &conformance::bodies() {
            let url = server.database();
            println!("{}, bodies of {}", check.name, body.len());
            (check.run)(
                &mut || Box::new(open_with(&url, &folder.0, objects()).0),
                body,
            );
        }
    }
}

#[test]
fn it_conforms() {
    conforms(&|| None);
}

#[test]
#[cfg(feature = "s3")]
fn it_conforms_with_bodies_in_a_bucket() {
    use crate::store::s3::{double::Double, tests::bucket};
    let double = Double::start();
    conforms(&|| Some(Arc::new(bucket(&double, "bodies"))));
    assert!(double.asked("PUT") > 0 || server().is_none());
}

#[test]
fn what_a_node_had_under_way_is_due_when_it_is_back_and_nothing_of_others() {
    let Some(server) = server() else { return };
    let url = server.database();
    let (one, two) = (Folder::new("node-1"), Folder::new("node-2"));
    let (first, _) = open(&url, &one.0);
    let (second, _) = open(&url, &two.0);
    assert_eq!(
        PostgresStore::open(
            &one.0,
            Settings {
                database: url.clone(),
                password: None,
                roots: None,
                objects: None
            },
            None,
            Box::new(|_, _| {})
        )
        .map(|_| ())
        .unwrap_err(),
        StoreError::Locked
    );
    first.accept(&submission(1), &"body".into(), 0).unwrap();
    assert_eq!(first.lease_due(1_000, 1, 60_000).unwrap().len(), 1);
    assert_eq!(second.lease_due(1_000, 9, 60_000).unwrap().len(), 1);
    drop(first);
    let (first, released) = open(&url, &one.0);
    assert_eq!(released, 1);
    assert_eq!(first.lease_due(1_000, 9, 60_000).unwrap().len(), 1);
}

#[test]
fn two_nodes_take_one_submission_over_once() {
    let Some(server) = server() else { return };
    let url = server.database();
    let folders = [Folder::new("twice-1"), Folder::new("twice-2")];
    let stores = folders.each_ref().map(|folder| open(&url, &folder.0).0);
    let new = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (node, store) in stores.iter().enumerate() {
            let new = &new;
            scope.spawn(move || {
                for number in 0..100 {
                    let mut sent = submission(number);
                    let other = submission(number + 1_000 * u32::try_from(node + 1).unwrap());
                    (sent.id, sent.recipients) = (other.id, other.recipients);
                    if store.accept(&sent, &"body".into(), 0) == Ok(Accepted::New) {
                        new.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(new.load(Ordering::Relaxed), 100);
    assert_eq!(stores[0].page().unwrap().messages, 100);
}

#[test]
fn a_submission_that_collides_takes_no_other_with_it() {
    let Some(server) = server() else { return };
    let (url, folder) = (server.database(), Folder::new("collides"));
    let (store, _) = open(&url, &folder.0);
    store.accept(&submission(0), &"a".into(), 0).unwrap();
    std::thread::scope(|scope| {
        for number in 1..=40 {
            let store = &store;
            scope.spawn(move || {
                let mut sent = submission(number);
                if number % 4 == 0 {
                    sent.recipients[0].token = submission(0).recipients[0].token.clone();
                    let refused = store.accept(&sent, &"b".into(), 0);
                    assert_eq!(refused, Err(StoreError::Collision));
                    assert_eq!(store.message(&sent.id), Ok(None));
                } else {
                    assert_eq!(store.accept(&sent, &"b".into(), 0), Ok(Accepted::New));
                }
            });
        }
    });
    assert_eq!(store.page().unwrap().messages, 31);
}

#[test]
fn what_peers_exchange_is_charged() {
    let Some(server) = server() else { return };
    let folder = Folder::new("exchanged");
    let store = open(&server.database(), &folder.0).0;
    crate::store::outbox::check::exchanges_are_charged(&store);
}

#[test]
fn each_node_numbers_its_charging_records_without_a_gap() {
    let Some(server) = server() else { return };
    let url = server.database();
    let folders = [Folder::new("cdr-1"), Folder::new("cdr-2")];
    let stores = folders.each_ref().map(|folder| open(&url, &folder.0).0);
    stores[0].keep_records(true).unwrap();
    for number in 0..10 {
        stores[1]
            .accept(&submission(number), &"x".into(), 0)
            .unwrap();
    }
    let first = stores[0].records(4).unwrap();
    let second = stores[1].records(100).unwrap();
    let numbers = |records: &[crate::store::outbox::Record]| -> Vec<u64> {
        records.iter().map(|record| record.number).collect()
    };
    assert_eq!(numbers(&first), [1, 2, 3, 4]);
    assert_eq!(numbers(&second), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        stores[0].records(4).unwrap(),
        first,
        "they come until they are in the file"
    );
    let mark = FileMark {
        file: "f".to_owned(),
        length: 7,
    };
    stores[0].recorded(4, &mark).unwrap();
    assert_eq!(stores[0].mark().unwrap(), Some(mark));
    assert_eq!(stores[1].mark().unwrap(), None);
    stores[1].accept(&submission(20), &"x".into(), 0).unwrap();
    assert_eq!(stores[0].records_waiting(), Ok(1));
    let more = stores[0].records(100).unwrap();
    assert_eq!((numbers(&more), more[0].recipients.len()), (vec![5], 2));
}

#[test]
fn operators_find_what_is_there() {
    let Some(server) = server() else { return };
    let (url, folder) = (server.database(), Folder::new("search"));
    let (store, _) = open(&url, &folder.0);
    for number in 1..=5 {
        let mut message = submission(number);
        message.accepted_at = i64::from(number) * 1_000;
        store.accept(&message, &"x".into(), 0).unwrap();
    }
    let all = Search {
        most: 100,
        ..Search::default()
    };
    let times = |search: &Search| -> Vec<i64> {
        let found = store.search(search).unwrap();
        assert!(found.iter().all(|one| one.recipients.len() == 2));
        found.iter().map(|one| one.message.accepted_at).collect()
    };
    assert_eq!(times(&all), [5_000, 4_000, 3_000, 2_000, 1_000]);
    let third = submission(3);
    let narrow = Search {
        sender: Some("+15559999999".to_owned()),
        party: Some(third.recipients[0].address.replace("/TYPE=PLMN", "")),
        state: Some(crate::store::DeliveryState::Queued),
        since: Some(2_000),
        until: Some(5_000),
        after: Some(crate::store::records::Cursor {
            accepted_at: 4_000,
            id: submission(4).id,
        }),
        ..all
    };
    assert_eq!(times(&narrow), [3_000, 2_000]);
    let queues = store.queue(1_000).unwrap();
    assert_eq!(
        (queues.len(), queues[0].waiting, queues[0].due),
        (2, 10, 10)
    );
    assert_eq!(store.waiting(None, 3).unwrap().len(), 3);
    assert_eq!(store.due(&third.id).unwrap().len(), 2);
    store.remember_device("+1", "a", 7).unwrap();
    assert_eq!(store.devices("", 9).unwrap().len(), 1);
    assert_eq!(store.device_row("+1").unwrap().unwrap().seen_at, 7);
    assert_eq!(
        (store.forget_device("+1"), store.forget_device("+1")),
        (Ok(true), Ok(false))
    );
}

#[test]
fn verbs_outlast_cut_connections_and_a_server_that_is_restarted() {
    let Some(server) = Postgres::start("cut", false) else {
        return;
    };
    let (url, folder) = (server.database(), Folder::new("cut"));
    let (store, _) = open(&url, &folder.0);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE application_name = 'remold'";
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..60 {
                    let sent = submission(thread * 100 + number);
                    assert_eq!(store.accept(&sent, &"body".into(), 0), Ok(Accepted::New));
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
            });
        }
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(100));
            server.sql("postgres", cut);
        }
        server.pause();
        server.resume();
    });
    assert_eq!(store.page().unwrap().messages, 240);
    server.pause();
    let away = store.page();
    assert!(matches!(away, Err(StoreError::Database(_))), "{away:?}");
    server.resume();
    assert_eq!(store.page().unwrap().messages, 240);
}

#[test]
fn another_node_hears_of_new_work() {
    let Some(server) = server() else { return };
    let url = server.database();
    let folders = [Folder::new("wake-1"), Folder::new("wake-2")];
    let [(mut first, _), (mut second, _)] = folders.each_ref().map(|folder| open(&url, &folder.0));
    let (told, heard) = std::sync::mpsc::channel();
    second
        .wake_by(Box::new(move || {
            let _ = told.send(());
        }))
        .unwrap();
    first
        .wake_by(Box::new(|| panic!("a node does not wake itself")))
        .unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut number = 0;
    while heard
        .recv_timeout(std::time::Duration::from_millis(200))
        .is_err()
    {
        assert!(std::time::Instant::now() < until, "nothing was heard");
        number += 1;
        first.accept(&submission(number), &"x".into(), 0).unwrap();
    }
}

#[test]
fn tables_of_a_later_program_are_left_alone() {
    let Some(server) = server() else { return };
    let (url, folder) = (server.database(), Folder::new("later"));
    drop(open(&url, &folder.0));
    let name = url
        .rsplit('/')
        .next()
        .unwrap()
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    server.sql(&name, "INSERT INTO remold_schema VALUES (99)");
    let settings = Settings {
        database: url,
        password: None,
        roots: None,
        objects: None,
    };
    let opened = PostgresStore::open(&folder.0, settings, None, Box::new(|_, _| {}));
    let known = 1;
    assert_eq!(
        opened.map(|_| ()).unwrap_err(),
        StoreError::Newer { found: 99, known }
    );
}

/// A bucket in memory.
#[derive(Default)]
struct Memory(Mutex<std::collections::BTreeMap<String, bytes::Bytes>>);

impl crate::store::ObjectStore for Memory {
    fn put(&self, name: &str, octets: &bytes::Bytes) -> Result<(), StoreError> {
        let mut objects = self.0.lock().unwrap();
        objects
            .entry(name.to_owned())
            .or_insert_with(|| octets.clone());
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<bytes::Bytes>, StoreError> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }

    fn sweep(
        &self,
        _: crate::store::Millis,
        unknown: &mut crate::store::Unknown<'_>,
    ) -> Result<(), StoreError> {
        let names: Vec<String> = self.0.lock().unwrap().keys().cloned().collect();
        for name in unknown(&names)? {
            self.delete(&name)?;
        }
        Ok(())
    }
}

#[test]
fn large_bodies_are_objects_and_go_with_their_messages() {
    let Some(server) = server() else { return };
    let (url, folder) = (server.database(), Folder::new("objects"));
    let memory = Arc::<Memory>::default();
    let settings = Settings {
        database: url,
        password: None,
        roots: None,
        objects: Some(memory.clone()),
    };
    let (store, _) = PostgresStore::open(&folder.0, settings, None, Box::new(|_, _| {})).unwrap();
    let (small, mut large) = (submission(1), submission(2));
    let body = bytes::Bytes::from(vec![7; 200_000]);
    large.size = 200_000;
    store.accept(&small, &"small".into(), 0).unwrap();
    store.accept(&large, &body, 0).unwrap();
    assert_eq!(memory.0.lock().unwrap().len(), 1);
    let mut again = submission(3);
    (again.transaction_id, again.content_hash) = (large.transaction_id.clone(), large.content_hash);
    let duplicate = store.accept(&again, &body, 0).unwrap();
    assert_eq!(duplicate, Accepted::Duplicate(large.id.clone()));
    assert_eq!(memory.0.lock().unwrap().len(), 1, "its body is of no use");
    let (message, recipients) = store.message(&large.id).unwrap().unwrap();
    assert_eq!(store.body(&message).unwrap().unwrap(), body);
    let (tiny, _) = store.message(&small.id).unwrap().unwrap();
    assert_eq!(store.body(&tiny).unwrap().unwrap(), "small");
    // Its transaction never came.
    memory.0.lock().unwrap().insert("ff".to_owned(), body);
    store.purge(9_000, 0).unwrap();
    assert_eq!(memory.0.lock().unwrap().len(), 1, "swept");
    for recipient in &recipients {
        let change = crate::store::Change {
            recipient: recipient.id,
            fence: recipient.fence,
            state: crate::store::DeliveryState::Rejected,
            attempts: 1,
            due_at: None,
            event: crate::store::Event {
                message_id: large.id.clone(),
                recipient: Some(recipient.id),
                at: 2_000,
                what: "rejected".to_owned(),
                detail: String::new(),
            },
            reports: Vec::new(),
        };
        store.settle(&change).unwrap();
    }
    assert_eq!(store.purge(9_000, 0), Ok(1));
    assert!(memory.0.lock().unwrap().is_empty());
    assert_eq!(store.body(&message), Ok(None));
}

#[test]
fn a_store_in_files_is_moved_and_nothing_of_it_lost() {
    let Some(server) = server() else { return };
    let (url, folder) = (server.database(), Folder::new("move"));
    let (store, _) = crate::store::SqliteStore::open(&folder.0).unwrap();
    store.keep_records(true).unwrap();
    let large = bytes::Bytes::from(vec![9; 200_000]);
    for number in 0..1_200 {
        let mut sent = submission(number);
        sent.subject = Some("null \0 here".to_owned());
        if number % 400 == 0 {
            sent.size = 200_000;
            store.accept(&sent, &large, 0).unwrap();
        } else {
            store.accept(&sent, &"small".into(), 0).unwrap();
        }
    }
    store.remember_device("+1", "user-agent: A\n", 5).unwrap();
    assert_eq!(store.lease_due(1_000, 3, 60_000).unwrap().len(), 3);
    let numbered = store.records(4).unwrap();
    let mark = FileMark {
        file: "f".to_owned(),
        length: 7,
    };
    store.recorded(4, &mark).unwrap();
    let entry = crate::store::BoxEntry {
        owner: "+1".to_owned(),
        token: "ab".to_owned(),
        message_id: None,
        state: 0x80,
        flags: vec!["a".to_owned()],
        stored_at: 3,
        size: 4,
    };
    let quota = crate::store::Quota {
        messages: 2,
        octets: 9,
    };
    store.box_put(&entry, &"data".into(), quota).unwrap();
    let memory = Arc::<Memory>::default();
    let settings = || Settings {
        database: url.clone(),
        password: None,
        roots: None,
        objects: Some(memory.clone()),
    };
    let moving = || import(&folder.0, &folder.0, &settings(), &mut |_, _| {});
    assert_eq!(moving(), Err(StoreError::Locked), "it is in use");
    let page = store.page().unwrap();
    drop(store);

    // Stopped half-way, and done again.
    let half = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        import(&folder.0, &folder.0, &settings(), &mut |table, _| {
            assert_ne!(table, "recipients", "stopped here");
        })
    }));
    assert!(half.is_err());
    let early = PostgresStore::open(&folder.0, settings(), None, Box::new(|_, _| {}));
    assert_eq!(early.map(|_| ()).unwrap_err(), StoreError::Importing);
    let moved = moving().unwrap();
    assert_eq!(
        (moved.bodies, moved.rows[0], moved.rows[1].1),
        (1_200, ("messages", 1_200), 2_400)
    );
    assert_eq!(moving(), Err(StoreError::Occupied));

    let (store, _) = PostgresStore::open(&folder.0, settings(), None, Box::new(|_, _| {})).unwrap();
    assert_eq!(store.page().unwrap(), page);
    let (message, recipients) = store.message(&submission(400).id).unwrap().unwrap();
    assert_eq!(store.body(&message).unwrap().unwrap(), large);
    assert_eq!(message.subject.as_deref(), Some("null \u{FFFD} here"));
    assert_eq!(recipients.len(), 2);
    assert_eq!(memory.0.lock().unwrap().len(), 3);
    assert_eq!(
        store.lease_due(0, 9, 60_000).unwrap().len(),
        3,
        "what was leased is due"
    );
    let mut again = submission(7_000);
    (again.transaction_id, again.content_hash) =
        (submission(7).transaction_id, submission(7).content_hash);
    let known = store.accept(&again, &"small".into(), 0);
    assert_eq!(known, Ok(Accepted::Duplicate(submission(7).id)));
    assert_eq!(
        store.accept(&submission(8_000), &"new".into(), 0),
        Ok(Accepted::New)
    );
    assert_eq!(store.mark().unwrap(), Some(mark));
    assert_eq!(store.records(1).unwrap()[0].number, numbered[3].number + 1);
    assert_eq!(
        store.device("+1").unwrap().as_deref(),
        Some("user-agent: A\n")
    );
    assert_eq!(store.box_entries("+1").unwrap(), [entry]);
}

#[test]
fn a_node_keeps_its_name() {
    let folders = [Folder::new("name-1"), Folder::new("name-2")];
    let names = folders.each_ref().map(|folder| {
        std::fs::create_dir_all(&folder.0).unwrap();
        let name = super::name(&folder.0).unwrap();
        assert_eq!(super::name(&folder.0).unwrap(), name);
        name
    });
    assert_ne!(names[0], names[1]);
}

#[test]
fn nodes_that_start_together_make_the_tables_once() {
    let Some(server) = server() else { return };
    let url = server.database();
    std::thread::scope(|scope| {
        for number in 0..6 {
            let url = &url;
            scope.spawn(move || {
                let folder = Folder::new(&format!("together-{number}"));
                let (store, released) = open(url, &folder.0);
                assert_eq!((released, store.page().unwrap().messages), (0, 0));
            });
        }
    });
}

#[test]
fn two_nodes_do_not_overfill_a_box() {
    let Some(server) = server() else { return };
    let url = server.database();
    let folders = [Folder::new("full-1"), Folder::new("full-2")];
    let stores = folders.each_ref().map(|folder| open(&url, &folder.0).0);
    let quota = crate::store::Quota {
        messages: 10,
        octets: 1_000,
    };
    let put = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (node, store) in stores.iter().enumerate() {
            let put = &put;
            scope.spawn(move || {
                for number in 0..10 {
                    let entry = crate::store::BoxEntry {
                        owner: "+1".to_owned(),
                        token: format!("{node}-{number}"),
                        message_id: None,
                        state: 0x80,
                        flags: Vec::new(),
                        stored_at: 1,
                        size: 4,
                    };
                    if store.box_put(&entry, &"data".into(), quota).unwrap() {
                        put.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(put.load(Ordering::Relaxed), 10);
    assert_eq!(stores[0].box_entries("+1").unwrap().len(), 10);
}

#[test]
fn two_nodes_lease_everything_once() {
    let Some(server) = server() else { return };
    let url = server.database();
    let folders = [Folder::new("lease-1"), Folder::new("lease-2")];
    let stores = folders.each_ref().map(|folder| open(&url, &folder.0).0);
    for number in 0..100 {
        stores[0]
            .accept(&submission(number), &"x".into(), 0)
            .unwrap();
    }
    let leased = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for store in &stores {
            let leased = &leased;
            scope.spawn(move || {
                loop {
                    let leases = store.lease_due(1_000, 7, 60_000).unwrap();
                    if leases.is_empty() {
                        return;
                    }
                    leased
                        .lock()
                        .unwrap()
                        .extend(leases.into_iter().map(|lease| lease.work));
                }
            });
        }
    });
    let leased = leased.into_inner().unwrap();
    let mut ids: Vec<i64> = leased
        .iter()
        .map(|work| match work {
            crate::store::Work::Recipient(both) => both.1.id,
            crate::store::Work::Report(report) => report.id,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((leased.len(), ids.len()), (200, 200));
}

#[test]
fn a_database_that_is_not_there_is_told_of_when_a_store_is_opened() {
    let folder = Folder::new("nowhere");
    let settings = Settings {
        database: "postgresql://a@127.0.0.1:1/mms?sslmode=disable".to_owned(),
        password: None,
        roots: None,
        objects: None,
    };
    let opened = PostgresStore::open(&folder.0, settings, None, Box::new(|_, _| {}));
    let error = opened.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Database(_)), "{error}");
}

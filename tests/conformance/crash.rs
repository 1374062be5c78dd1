//! What is left when the process ends or the disk fails at the worst moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use remold::mms::pdu::Pdu;
use remold::mms::{Field, HeaderValue};
use remold::relay::Moment;
use remold::store::{
    Accepted, Change, DeliveryState, Event, Faults, Point, SqliteStore, Store, StoreError, Work,
    conformance,
};

use crate::mmsc::{
    ALICE, BOB, PATIENCE, Scratch, Server, accepted, acknowledge, exchange, fetch, post, read,
    small,
};

/// A phone that takes all that is sent here.
const DEVICE: &str = "[device]\ndefault = \"ios-generic\"";

/// What was promised to senders and told to phones over all lives of a server.
#[derive(Default)]
struct Ledger {
    /// Message-IDs that senders were given, by their transaction ids.
    promised: Mutex<BTreeMap<String, String>>,
    /// Paths that phones were told, with how often in the worst life of a server.
    told: Mutex<BTreeMap<String, u32>>,
    /// Message-ID and text of what phones got, by path.
    fetched: Mutex<BTreeMap<String, (String, String)>>,
    /// Transaction ids of messages whose phones got no answer, and ask again.
    unsure: Mutex<Vec<String>>,
}

/// A message that says which it is. One in three is kept in a file, the others in rows.
fn message(id: &str) -> Pdu {
    let mut pdu = small(id, &[BOB]);
    let more = if id.ends_with(['0', '4', '8']) {
        150_000
    } else {
        10
    };
    let text = format!("{id} {}", "x".repeat(more));
    pdu.body.as_mut().unwrap().parts[0].data = text.into();
    pdu
}

/// The path of the next URL that a phone is told. Each life of a server has another port.
fn path(server: &Server, patience: Duration) -> Option<String> {
    let url = server.next_url(patience)?;
    let (_, rest) = url.split_once("://").unwrap();
    Some(rest[rest.find('/').unwrap()..].to_owned())
}

impl Ledger {
    /// Runs a server under load until it ends, by itself or by `kill_after`.
    fn live(&self, folder: &Path, fault: Option<&str>, life: u32, kill_after: Duration) {
        let mut server = Server::start_with(folder, DEVICE, fault);
        let running = Arc::new(AtomicBool::new(true));
        let mm1 = server.mm1;
        let until = Instant::now() + kill_after;
        std::thread::scope(|scope| {
            for sender in 0..4 {
                let running = running.clone();
                scope.spawn(move || {
                    let mut number = 0_u32;
                    while running.load(Ordering::Relaxed) {
                        let again = self.unsure.lock().unwrap().pop();
                        let id = again.unwrap_or_else(|| format!("c{life}-{sender}-{number}"));
                        self.send(mm1, &id);
                        number += 1;
                    }
                });
            }
            let mut told: BTreeMap<String, u32> = BTreeMap::new();
            while server.is_alive() && Instant::now() < until {
                if let Some(url) = path(&server, Duration::from_millis(20)) {
                    *told.entry(url.clone()).or_default() += 1;
                    self.get(&server, &url);
                }
            }
            server.kill();
            running.store(false, Ordering::Relaxed);
            // What was printed before the end was told.
            while let Some(url) = path(&server, Duration::from_millis(50)) {
                *told.entry(url).or_default() += 1;
            }
            let mut all = self.told.lock().unwrap();
            for (url, times) in told {
                let worst = all.entry(url).or_default();
                *worst = times.max(*worst);
            }
        });
    }

    /// Sends a message. A phone that gets no answer asks again later, as the standard wants it.
    fn send(&self, mm1: SocketAddr, id: &str) {
        match accepted(post(mm1, ALICE, &message(id))) {
            Some(message) => {
                self.promised.lock().unwrap().insert(id.to_owned(), message);
            }
            None => {
                self.unsure.lock().unwrap().push(id.to_owned());
                // A server that is gone is not asked without a pause.
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Fetches and acknowledges, if the server lives long enough.
    fn get(&self, server: &Server, url: &str) {
        let answer = exchange(server.mm1, &format!("GET {url} HTTP/1.1\r\n"), &[]);
        let Some((200, body)) = answer else { return };
        let conf = read(body);
        if conf.headers.get(Field::RetrieveStatus).is_some() {
            return;
        }
        let id = conf.headers.text(Field::MessageId).unwrap().to_owned();
        let told = conf.transaction_id().unwrap();
        let text = &conf.body.as_ref().unwrap().parts[0].data;
        let text = String::from_utf8_lossy(text);
        let text = text.split(' ').next().unwrap().to_owned();
        self.fetched
            .lock()
            .unwrap()
            .insert(url.to_owned(), (id, text));
        let _ = post(server.mm1, BOB, &acknowledge(told));
    }

    /// The Message-IDs that were promised, of which no phone has the message.
    fn missing(&self) -> Vec<String> {
        let fetched = self.fetched.lock().unwrap();
        let got: BTreeSet<&String> = fetched.values().map(|(id, _)| id).collect();
        let promised = self.promised.lock().unwrap();
        let lost = promised.values().filter(|id| !got.contains(id));
        lost.cloned().collect()
    }

    /// Everything that was promised is handed out by a server that nobody disturbs.
    fn settle(&self, folder: &Path) {
        let server = Server::start(folder, DEVICE);
        let unsure = std::mem::take(&mut *self.unsure.lock().unwrap());
        unsure.iter().for_each(|id| self.send(server.mm1, id));
        let mut open: Vec<String> = self.told.lock().unwrap().keys().cloned().collect();
        // However many there are: what must not last is a time in which none is handed out.
        let mut until = Instant::now() + PATIENCE;
        loop {
            let before = self.fetched.lock().unwrap().len();
            open.retain(|url| {
                if !self.fetched.lock().unwrap().contains_key(url) {
                    self.get(&server, url);
                }
                !self.fetched.lock().unwrap().contains_key(url)
            });
            if self.fetched.lock().unwrap().len() > before {
                until = Instant::now() + PATIENCE;
            }
            let lost = self.missing();
            let Some(one) = lost.first() else { break };
            assert!(
                Instant::now() < until,
                "{} are lost, such as {one}: {}",
                lost.len(),
                crate::admin::get(server.admin, &format!("/v1/messages/{one}"))
            );
            let mut patience = Duration::from_millis(200);
            while let Some(url) = path(&server, patience) {
                let mut told = self.told.lock().unwrap();
                if !told.contains_key(&url) {
                    told.insert(url.clone(), 1);
                    open.push(url);
                }
                patience = Duration::ZERO;
            }
        }
        let told = self.told.lock().unwrap();
        let worst = told.values().max().copied().unwrap_or_default();
        assert!(
            worst <= 1,
            "one life of a server told a phone {worst} times"
        );
        let fetched = self.fetched.lock().unwrap();
        let texts: BTreeSet<_> = fetched.values().map(|(_, text)| text).collect();
        assert_eq!(texts.len(), fetched.len(), "a message was taken over twice");
    }
}

/// How many times to end a server: `REMOLD_KILLS`, or few enough for every run of the tests.
fn kills(usual: u32) -> u32 {
    let asked = std::env::var("REMOLD_KILLS").ok();
    asked.and_then(|kills| kills.parse().ok()).unwrap_or(usual)
}

#[test]
fn nothing_promised_is_lost_whatever_moment_the_process_ends_at() {
    // Bodies of a database that nodes share are no files; a bucket is asked at one moment.
    let of_files = [
        Point::BodySync,
        Point::BodyRename,
        Point::FolderSync,
        Point::BodyWrite,
    ];
    let without = match (
        crate::postgres::is_asked_for(),
        crate::bucket::is_asked_for(),
    ) {
        (false, _) => 0,
        (true, false) => 4,
        (true, true) => 3,
    };
    let moments: Vec<&str> = Point::ALL
        .iter()
        .filter(|point| !of_files[..without].contains(point))
        .map(|point| point.name())
        .chain(Moment::ALL.iter().map(|moment| moment.name()))
        .collect();
    let scratch = Scratch::new("moments");
    let ledger = Ledger::default();
    let count = u32::try_from(moments.len()).unwrap();
    let lives = kills(count);
    for life in 0..lives {
        let moment = moments[usize::try_from(life % count).unwrap()];
        let fault = format!("{moment}:{}:kill", 12 + life % 7);
        ledger.live(&scratch.0, Some(&fault), life, PATIENCE);
    }
    ledger.settle(&scratch.0);
    let promised = ledger.promised.lock().unwrap().len();
    println!("{promised} messages promised, {lives} ends at {count} moments, none lost");
    assert!(promised > 0);
}

#[test]
fn nothing_promised_is_lost_by_kills_at_random() {
    let scratch = Scratch::new("random");
    let ledger = Ledger::default();
    let lives = kills(8);
    // A small generator: where to kill is chance enough, but the same chance in every run.
    let mut random: u32 = 2_026;
    for life in 0..lives {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let after = Duration::from_millis(u64::from(random >> 16) % 500);
        ledger.live(&scratch.0, None, life, after);
    }
    ledger.settle(&scratch.0);
    let promised = ledger.promised.lock().unwrap().len();
    println!("{promised} messages promised, {lives} kills at random, none lost");
}

#[test]
fn a_long_queue_is_ready_at_once_after_a_restart() {
    if crate::postgres::is_asked_for() {
        println!("skipped: it is made in files");
        return;
    }
    let scratch = Scratch::new("queue");
    let messages: u32 = std::env::var("REMOLD_QUEUE")
        .ok()
        .and_then(|queue| queue.parse().ok())
        .unwrap_or(5_000);
    let (store, _) = SqliteStore::open(&scratch.0.join("store")).unwrap();
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                loop {
                    let number = u32::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                    if number >= messages {
                        return;
                    }
                    let mut sent = conformance::submission(number);
                    sent.recipients.truncate(1);
                    sent.expires_at = i64::MAX / 2;
                    sent.deliver_at = i64::MAX / 4;
                    store.accept(&sent, &"body".into(), 0).unwrap();
                }
            });
        }
    });
    drop(store);
    let begun = Instant::now();
    let server = Server::start(&scratch.0, "");
    let (status, text) = exchange(server.admin, "GET /readyz HTTP/1.1\r\n", &[]).unwrap();
    let took = begun.elapsed();
    println!("{messages} messages wait, ready after {took:?}: {text:?}");
    assert_eq!(status, 200);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// A disk that fails the n-th time it is asked for anything.
#[derive(Default)]
struct Disk {
    left: AtomicU64,
    failed: AtomicBool,
}

impl Faults for Disk {
    fn at(&self, _: Point) -> std::io::Result<()> {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.failed.store(true, Ordering::Relaxed);
            return Err(std::io::Error::other("the disk said no"));
        }
        Ok(())
    }
}

/// A message taken over, leased and settled; the first verb that fails ends it.
fn work(store: &SqliteStore, number: u32, octets: usize) -> Result<(), StoreError> {
    let sent = conformance::submission(number);
    let body = bytes::Bytes::from(vec![7; octets]);
    assert_eq!(store.accept(&sent, &body, 0)?, Accepted::New);
    for lease in store.lease_due(5_000, 10, 10)? {
        let Work::Recipient(both) = lease.work else {
            continue;
        };
        let (message, recipient) = *both;
        store.settle(&Change {
            recipient: recipient.id,
            fence: recipient.fence,
            state: DeliveryState::Rejected,
            attempts: 1,
            due_at: None,
            event: Event {
                message_id: message.id,
                recipient: Some(recipient.id),
                at: 5_000,
                what: "rejected".to_owned(),
                detail: String::new(),
            },
            reports: Vec::new(),
        })?;
    }
    Ok(())
}

#[test]
fn whichever_operation_fails_nothing_is_half_done_and_the_next_works() {
    for octets in [4, 200_000] {
        let mut nth: u64 = 1;
        loop {
            let scratch = Scratch::new(&format!("nth-{octets}-{nth}"));
            let disk = Arc::new(Disk::default());
            disk.left.store(nth, Ordering::Relaxed);
            let (store, _) = SqliteStore::open_with(&scratch.0, Some(disk.clone())).unwrap();
            let result = work(&store, 1, octets);
            let sent = conformance::submission(1);
            let there = store.message(&sent.id).unwrap();
            if let Some((message, recipients)) = &there {
                let body = store.body(message).unwrap();
                assert_eq!(body.map(|body| body.len()), Some(octets), "operation {nth}");
                assert_eq!(recipients.len(), 2);
                assert!(!store.events(&sent.id).unwrap().is_empty());
            }
            let failed = disk.failed.load(Ordering::Relaxed);
            assert!(result.is_ok() || failed, "{result:?}");
            disk.left.store(0, Ordering::Relaxed);
            assert_eq!(work(&store, 2, octets), Ok(()), "operation {nth}");
            drop(store);
            let (store, recovery) = SqliteStore::open(&scratch.0).unwrap();
            assert_eq!(recovery.orphans, 0, "operation {nth}");
            assert_eq!(store.message(&sent.id).unwrap().is_some(), there.is_some());
            if !failed {
                println!(
                    "bodies of {octets} octets: {} operations failed in turn",
                    nth - 1
                );
                break;
            }
            nth += 1;
        }
    }
}

#[test]
fn a_full_disk_is_a_temporary_failure_and_passes_by_itself() {
    if crate::postgres::is_asked_for() {
        println!("skipped: the disk is the server's");
        return;
    }
    let scratch = Scratch::new("full");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=24m", "none"])
        .arg(&scratch.0)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: a file system of its own cannot be mounted here");
        return;
    }
    let unmount = Unmount(&scratch.0);
    let filler = scratch.0.join("filler");
    let server = Server::start(&scratch.0, DEVICE);
    std::fs::write(&filler, vec![0; 10 << 20]).unwrap();
    let mut promised = BTreeSet::new();
    let mut refused = None;
    for number in 0..400 {
        let answer = post(server.mm1, ALICE, &message(&format!("f{number}0")));
        let (status, body) = answer.unwrap();
        assert_eq!(status, 200);
        let conf = read(body);
        match conf.headers.token(Field::ResponseStatus) {
            Some(0x80) => {
                promised.insert(conf.headers.text(Field::MessageId).unwrap().to_owned());
            }
            status => {
                refused = Some((number, status));
                break;
            }
        }
    }
    let (number, status) = refused.expect("the disk is full at some time");
    assert_eq!(status, Some(0xC0), "a temporary failure");
    std::fs::remove_file(&filler).unwrap();
    let again = accepted(post(server.mm1, ALICE, &message(&format!("f{number}0"))));
    promised.insert(again.expect("there is space again"));
    let until = Instant::now() + PATIENCE;
    while !promised.is_empty() {
        assert!(Instant::now() < until, "not handed out: {promised:?}");
        let Some(url) = server.next_url(Duration::from_secs(1)) else {
            continue;
        };
        let conf = fetch(server.mm1, &url, "");
        promised.remove(conf.headers.text(Field::MessageId).unwrap());
        assert!(matches!(
            conf.headers.get(Field::RetrieveStatus),
            None | Some(HeaderValue::Token(0x80))
        ));
    }
    drop(server);
    drop(unmount);
}

/// A file system of its own in a file, which can be made read-only under its users as the kernel does
/// where the disk fails.
struct Disc {
    image: std::path::PathBuf,
    at: std::path::PathBuf,
}

impl Disc {
    /// `None` where the machine does not let us.
    fn new(folder: &Path) -> Option<Self> {
        let (image, at) = (folder.join("image"), folder.join("disc"));
        std::fs::create_dir(&at).unwrap();
        std::fs::File::create(&image)
            .and_then(|file| file.set_len(96 << 20))
            .unwrap();
        let disc = Self { image, at };
        let made = ran("mkfs.ext4", &["-q", disc.image.to_str().unwrap()]);
        (made && disc.mount()).then_some(disc)
    }

    fn mount(&self) -> bool {
        let (image, at) = (self.image.to_str().unwrap(), self.at.to_str().unwrap());
        ran("mount", &["-o", "loop", image, at])
    }

    /// What the kernel does when it meets an error in the file system.
    fn abort(&self) -> bool {
        ran("mount", &["-o", "remount,abort", self.at.to_str().unwrap()])
    }

    /// What an operator does then.
    fn repair(&self) {
        assert!(ran("umount", &[self.at.to_str().unwrap()]));
        // 1: errors were corrected.
        let _ = ran("e2fsck", &["-fy", self.image.to_str().unwrap()]);
        assert!(self.mount());
    }
}

impl Drop for Disc {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

fn ran(program: &str, args: &[&str]) -> bool {
    let output = Command::new(program).args(args).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_disk_that_turns_read_only_is_a_temporary_failure_and_nothing_is_lost() {
    let scratch = Scratch::new("read-only");
    let Some(disc) = Disc::new(&scratch.0) else {
        println!("skipped: a file system of its own cannot be mounted here");
        return;
    };
    let mut server = Server::start(&disc.at, DEVICE);
    let send = |server: &Server, id: &str| {
        let (status, body) = post(server.mm1, ALICE, &message(id)).unwrap();
        assert_eq!(status, 200);
        read(body)
    };
    let mut promised = BTreeSet::new();
    for number in 0..10 {
        let conf = send(&server, &format!("r{number}"));
        promised.insert(conf.headers.text(Field::MessageId).unwrap().to_owned());
    }
    let url = server.next_url(PATIENCE).expect("a notification");
    if !disc.abort() {
        println!("skipped: a file system cannot be made to fail here");
        return;
    }
    // In a row, and in a file.
    for id in ["r11", "r10"] {
        let conf = send(&server, id);
        assert_eq!(conf.headers.token(Field::ResponseStatus), Some(0xC0));
        assert!(conf.headers.get(Field::MessageId).is_none());
    }
    let conf = fetch(server.mm1, &url, "");
    assert_eq!(conf.headers.token(Field::RetrieveStatus), Some(0xC0));
    assert!(server.is_alive());
    let (status, why) = exchange(server.admin, "GET /readyz HTTP/1.1\r\n", &[]).unwrap();
    assert_eq!(status, 503, "{why:?}");
    assert!(server.terminate(), "it ends as ever");
    disc.repair();
    let server = Server::start(&disc.at, DEVICE);
    let again = accepted(post(server.mm1, ALICE, &message("r11")));
    promised.insert(again.expect("the disk can be written again"));
    let until = Instant::now() + PATIENCE;
    while !promised.is_empty() {
        assert!(Instant::now() < until, "not handed out: {promised:?}");
        let Some(url) = server.next_url(Duration::from_secs(1)) else {
            continue;
        };
        let conf = fetch(server.mm1, &url, "");
        assert_eq!(conf.headers.get(Field::RetrieveStatus), None);
        promised.remove(conf.headers.text(Field::MessageId).unwrap());
        let told = conf.transaction_id().unwrap();
        post(server.mm1, BOB, &acknowledge(told)).unwrap();
    }
    drop(server);
    drop(disc);
}

/// A disk that is read-only for a while.
#[derive(Default)]
struct Sealed(AtomicBool);

impl Faults for Sealed {
    fn at(&self, _: Point) -> std::io::Result<()> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(std::io::ErrorKind::ReadOnlyFilesystem.into()),
            false => Ok(()),
        }
    }
}

#[test]
fn a_disk_that_can_be_written_again_is_written_without_a_restart() {
    for octets in [4, 200_000] {
        let scratch = Scratch::new(&format!("sealed-{octets}"));
        let disk = Arc::new(Sealed::default());
        let (store, _) = SqliteStore::open_with(&scratch.0, Some(disk.clone())).unwrap();
        assert_eq!(work(&store, 1, octets), Ok(()));
        disk.0.store(true, Ordering::Relaxed);
        for number in 2..20 {
            assert!(work(&store, number, octets).is_err());
        }
        assert_eq!(store.page().unwrap().messages, 1, "it is read all the time");
        disk.0.store(false, Ordering::Relaxed);
        assert_eq!(work(&store, 2, octets), Ok(()));
        assert_eq!(store.page().unwrap().messages, 2);
        drop(store);
        let (_, recovery) = SqliteStore::open(&scratch.0).unwrap();
        assert_eq!(recovery.orphans, 0);
    }
}

struct Unmount<'a>(&'a Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

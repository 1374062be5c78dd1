//! Several nodes on one database: what is left when nodes are killed or stopped, connections are
//! cut, and the database itself is away for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use remold::mms::pdu::Pdu;
use remold::mms::{Field, HeaderValue};

use crate::mmsc::{
    ALICE, BOB, PATIENCE, Scratch, Server, acknowledge, exchange, post, read, small,
};
use crate::postgres::{Postgres, shared};

/// A phone that takes all that is sent here.
const DEVICE: &str = "[device]\ndefault = \"ios-generic\"";

/// Nodes, and what senders and phones know.
struct Cluster {
    postgres: Postgres,
    scratch: Scratch,
    url: String,
    nodes: Vec<Mutex<Server>>,
    /// Where each node is listened to: it changes with a restart.
    addresses: Mutex<Vec<SocketAddr>>,
    promised: Mutex<BTreeMap<String, String>>,
    /// When and by which node a phone was told of a path.
    told: Mutex<BTreeMap<String, Vec<(Duration, usize)>>>,
    begun: Instant,
    /// Paths that phones were told and have not fetched.
    open: Mutex<BTreeSet<String>>,
    /// Message-ID and text of what phones got, by path.
    fetched: Mutex<BTreeMap<String, (String, String)>>,
    /// Answers that said: later.
    later: AtomicU64,
    /// Milliseconds between two messages of a sender. Phones that do not keep up are told again, which is
    /// not what is asked.
    pace: u64,
    running: AtomicBool,
}

impl Cluster {
    fn start(name: &str, nodes: usize) -> Option<Self> {
        let postgres = Postgres::start(name, false)?;
        let url = postgres.database();
        let mut cluster = Self {
            postgres,
            scratch: Scratch::new(&format!("cluster-{name}")),
            url,
            nodes: Vec::new(),
            addresses: Mutex::default(),
            promised: Mutex::default(),
            told: Mutex::default(),
            begun: Instant::now(),
            open: Mutex::default(),
            fetched: Mutex::default(),
            later: AtomicU64::new(0),
            pace: 20,
            running: AtomicBool::new(true),
        };
        for number in 0..nodes {
            let node = cluster.node(number, None);
            cluster.addresses.lock().unwrap().push(node.mm1);
            cluster.nodes.push(Mutex::new(node));
        }
        Some(cluster)
    }

    fn node(&self, number: usize, fault: Option<&str>) -> Server {
        let folder = self.scratch.0.join(format!("node{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        Server::start_on(&folder, &shared(&self.url), DEVICE, fault)
    }

    /// Kills a node and starts it again.
    fn restart(&self, number: usize, fault: Option<&str>) {
        let mut node = self.nodes[number].lock().unwrap();
        node.kill();
        // What it printed before the end was told.
        while let Some(url) = node.next_url(Duration::from_millis(20)) {
            self.tell(&url, number);
        }
        *node = self.node(number, fault);
        self.addresses.lock().unwrap()[number] = node.mm1;
    }

    fn address(&self, number: usize) -> SocketAddr {
        let addresses = self.addresses.lock().unwrap();
        addresses[number % addresses.len()]
    }

    fn tell(&self, url: &str, node: usize) {
        let (_, rest) = url.split_once("://").unwrap();
        let path = rest[rest.find('/').unwrap()..].to_owned();
        let mut told = self.told.lock().unwrap();
        let times = told.entry(path.clone()).or_default();
        times.push((self.begun.elapsed(), node));
        drop(told);
        if !self.fetched.lock().unwrap().contains_key(&path) {
            self.open.lock().unwrap().insert(path);
        }
    }

    /// Sends a message to one node after another until it is taken over.
    fn send(&self, id: &str, mut node: usize) {
        let until = Instant::now() + PATIENCE * 2;
        while Instant::now() < until {
            node += 1;
            let answer = post(self.address(node), ALICE, &message(id));
            let Some((status, body)) = answer else {
                // It is being killed.
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            if status == 200 {
                let conf = read(body);
                let told = conf.headers.token(Field::ResponseStatus).unwrap();
                if told == 0x80 {
                    let message = conf.headers.text(Field::MessageId).unwrap().to_owned();
                    self.promised.lock().unwrap().insert(id.to_owned(), message);
                    return;
                }
                assert!((0xC0..0xE0).contains(&told), "a permanent error: {told:#x}");
            } else {
                assert_eq!(status, 503, "later is said with 503");
            }
            self.later.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("nobody takes {id} over");
    }

    /// Fetches from one node and acknowledges to another. Gives whether the message came.
    fn get(&self, path: &str, node: usize) -> bool {
        let request = format!("GET {path} HTTP/1.1\r\n");
        let Some((200, body)) = exchange(self.address(node), &request, &[]) else {
            return false;
        };
        let conf = read(body);
        if let Some(status) = conf.headers.token(Field::RetrieveStatus) {
            assert!(
                (0xC0..0xE0).contains(&status),
                "a permanent error: {status:#x}"
            );
            return false;
        }
        let id = conf.headers.text(Field::MessageId).unwrap().to_owned();
        let told = conf.transaction_id().unwrap();
        let text = &conf.body.as_ref().unwrap().parts[0].data;
        let text = String::from_utf8_lossy(text);
        let text = text.split(' ').next().unwrap().to_owned();
        let mut fetched = self.fetched.lock().unwrap();
        fetched.insert(path.to_owned(), (id, text));
        drop(fetched);
        let _ = post(self.address(node + 1), BOB, &acknowledge(told));
        true
    }

    /// Phones: hear of messages from every node, and fetch each from some node.
    fn phones(&self) {
        let mut node = 0;
        let mut until = Instant::now() + PATIENCE;
        loop {
            for (number, server) in self.nodes.iter().enumerate() {
                let Ok(server) = server.try_lock() else {
                    continue;
                };
                while let Some(url) = server.next_url(Duration::from_millis(1)) {
                    self.tell(&url, number);
                }
            }
            let open = std::mem::take(&mut *self.open.lock().unwrap());
            for path in open {
                node += 1;
                if self.get(&path, node) {
                    until = Instant::now() + PATIENCE;
                } else {
                    self.open.lock().unwrap().insert(path);
                }
            }
            if !self.running.load(Ordering::Relaxed) {
                let missing = self.missing();
                if missing.is_empty() {
                    return;
                }
                assert!(Instant::now() < until, "{} are lost", missing.len());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn missing(&self) -> Vec<String> {
        let fetched = self.fetched.lock().unwrap();
        let got: BTreeSet<&String> = fetched.values().map(|(id, _)| id).collect();
        let promised = self.promised.lock().unwrap();
        promised
            .values()
            .filter(|id| !got.contains(id))
            .cloned()
            .collect()
    }

    /// Runs senders and phones while `trouble` is made, and sees what became of every message. No
    /// phone may be told of one more often than `most` times.
    fn under_load(&self, most: usize, trouble: impl FnOnce()) {
        std::thread::scope(|scope| {
            for sender in 0..4_usize {
                scope.spawn(move || {
                    let mut number = 0;
                    while self.running.load(Ordering::Relaxed) {
                        self.send(&format!("s{sender}-{number}"), sender + number);
                        number += 1;
                        pause(self.pace);
                    }
                });
            }
            scope.spawn(|| self.phones());
            let stop = Stop(&self.running);
            trouble();
            drop(stop);
        });
        let promised = self.promised.lock().unwrap().len();
        let fetched = self.fetched.lock().unwrap();
        let texts: BTreeSet<_> = fetched.values().map(|(_, text)| text).collect();
        assert_eq!(texts.len(), fetched.len(), "a message was taken over twice");
        let told = self.told.lock().unwrap();
        let often = told.values().max_by_key(|times| times.len());
        let worst = often.map_or(0, Vec::len);
        let again = told.values().filter(|times| times.len() > 1).count();
        println!(
            "{promised} messages promised and fetched, {} answers said later, {again} phones were \
             told again, {worst} times at most",
            self.later.load(Ordering::Relaxed)
        );
        assert!(
            promised > 0 && worst <= most,
            "a phone was told after these times and by these nodes: {often:?}"
        );
    }
}

/// Lets the load end, however the trouble did.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// A message that says which it is. One in three is large.
fn message(id: &str) -> Pdu {
    let mut pdu = small(id, &[BOB]);
    let more = if id.ends_with(['0', '4', '8']) {
        150_000
    } else {
        10
    };
    let text = format!("{id} {}", "x".repeat(more));
    pdu.body.as_mut().unwrap().parts[0].data = text.into();
    pdu.headers
        .set(Field::DeliveryReport, HeaderValue::Token(0x81));
    pdu
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Seconds of something that takes long: a few, or what the environment says.
fn seconds(variable: &str, usual: u64) -> u64 {
    let asked = std::env::var(variable).ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn nodes_that_are_killed_lose_nothing() {
    let Some(cluster) = Cluster::start("killed", 2) else {
        return;
    };
    // Each restart may tell again what the node had told and not written down.
    cluster.under_load(2, || {
        for (number, fault) in ["leased:3:kill", "pushed:5:kill", "committed:20:kill"]
            .iter()
            .enumerate()
        {
            pause(500);
            cluster.restart(number % 2, Some(fault));
            let until = Instant::now() + Duration::from_secs(20);
            while cluster.nodes[number % 2].lock().unwrap().is_alive() && Instant::now() < until {
                pause(20);
            }
        }
        cluster.restart(0, None);
        cluster.restart(1, None);
        pause(1_000);
    });
}

#[test]
fn four_nodes_outlast_cut_connections() {
    let Some(cluster) = Cluster::start("cut", 4) else {
        return;
    };
    cluster.under_load(1, || {
        for _ in 0..5 {
            pause(400);
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE application_name = 'remold'";
            cluster.postgres.sql("postgres", cut);
        }
        pause(1_000);
    });
}

#[test]
fn a_database_that_is_away_is_a_temporary_failure_and_passes() {
    let Some(cluster) = Cluster::start("away", 2) else {
        return;
    };
    cluster.under_load(2, || {
        pause(1_000);
        cluster.postgres.pause();
        pause(1_000 * seconds("REMOLD_OUTAGE", 10));
        cluster.postgres.resume();
        pause(2_000);
    });
    assert!(cluster.later.load(Ordering::Relaxed) > 0, "nobody noticed");
}

/// A lease lasts two minutes, so this takes longer: it runs where `REMOLD_STOP` says for how many
/// seconds a node is stopped.
#[test]
fn a_node_that_sleeps_past_its_leases_changes_nothing_any_more() {
    let asleep = seconds("REMOLD_STOP", 0);
    if asleep == 0 {
        println!("skipped: REMOLD_STOP does not say for how long");
        return;
    }
    let Some(mut cluster) = Cluster::start("asleep", 2) else {
        return;
    };
    cluster.pace = 250;
    // Each of the two that had a lease may have told the phone.
    cluster.under_load(2, || {
        pause(1_000);
        let id = cluster.nodes[0].lock().unwrap().id().to_string();
        let signal = |name: &str| {
            let sent = Command::new("kill").args([name, &id]).status();
            assert!(sent.unwrap().success());
        };
        signal("-STOP");
        // Senders and phones find the other.
        let stopped = cluster.address(0);
        cluster.addresses.lock().unwrap()[0] = cluster.address(1);
        pause(1_000 * asleep);
        signal("-CONT");
        pause(1_000);
        cluster.addresses.lock().unwrap()[0] = stopped;
        pause(2_000);
    });
}

#[test]
fn a_site_moves_from_files_to_a_database() {
    let Some(postgres) = Postgres::start("moves", false) else {
        return;
    };
    let scratch = Scratch::new("moves");
    let database = postgres.database();
    let server = Server::start_on(&scratch.0, "", DEVICE, None);
    let ids: Vec<String> = (0..20)
        .map(|number| {
            let sent = message(&format!("m{number}"));
            crate::mmsc::accepted(post(server.mm1, ALICE, &sent)).unwrap()
        })
        .collect();
    let urls: Vec<String> = ids.iter().map(|_| server.push().2).collect();
    let config = scratch.0.join("new.toml");
    let text = format!(
        "[store]\nfolder = \"{}\"\n{}",
        scratch.0.join("store").display(),
        shared(&database)
    );
    std::fs::write(&config, text).unwrap();
    let migrate = || {
        let mut command = crate::support::remold();
        command.args(["store", "migrate", "--config"]).arg(&config);
        command.output().unwrap()
    };
    let refused = migrate();
    assert_eq!(
        refused.status.code(),
        Some(2),
        "the server runs: {refused:?}"
    );
    assert!(server.terminate());
    let done = migrate();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{done:?}");
    assert!(told.contains("20 bodies"), "{told}");
    let server = Server::start_on(&scratch.0, &shared(&database), DEVICE, None);
    for url in urls {
        let conf = crate::mmsc::fetch(server.mm1, &url, "");
        assert_eq!(conf.headers.get(Field::RetrieveStatus), None);
    }
}

#[test]
fn workers_that_are_killed_do_a_batch_job_once_and_whole() {
    let Some(postgres) = Postgres::start("batch", false) else {
        return;
    };
    let scratch = Scratch::new("batch");
    let (input, alone, shared) = (
        scratch.0.join("in"),
        scratch.0.join("alone"),
        scratch.0.join("shared"),
    );
    std::fs::create_dir_all(input.join("deep")).unwrap();
    let message = std::fs::read(crate::support::fixture("greeting.mms")).unwrap();
    let photo = std::fs::read(crate::support::fixture("sunset.jpg")).unwrap();
    for number in 0..24 {
        // Octets after the end of a picture make each a file of its own.
        let photo = [&photo[..], &[number]].concat();
        std::fs::write(input.join(format!("p{number}.jpg")), photo).unwrap();
    }
    for number in 0..4 {
        std::fs::write(input.join(format!("deep/m{number}.mms")), &message).unwrap();
    }
    std::fs::write(input.join("text.jpg"), "no picture").unwrap();
    let config = scratch.0.join("remold.toml");
    let text = format!("[store]\ndatabase = \"{}\"\n", postgres.database());
    std::fs::write(&config, text).unwrap();
    let remold = |args: &[&str]| {
        let mut command = crate::support::remold();
        command.args(args).current_dir(&scratch.0);
        command
    };
    let what = ["in", "--device", "nokia-6100,safe", "--jobs", "1", "--out"];
    let ran = remold(&["batch"]).args(what).arg("alone").output().unwrap();
    assert_eq!(
        ran.status.code(),
        Some(3),
        "one file is no picture: {ran:?}"
    );

    let config = config.to_str().unwrap();
    let submitted = remold(&["batch", "submit", "--config", config, "--share", "3", "--"])
        .args(what)
        .arg("shared")
        .output()
        .unwrap();
    assert!(submitted.status.success(), "{submitted:?}");
    let id = String::from_utf8(submitted.stdout)
        .unwrap()
        .trim()
        .to_owned();
    let worker = || {
        remold(&["worker", "--config", config, "--once", "--lease", "2s"])
            .spawn()
            .unwrap()
    };
    let mut random: u32 = 7;
    for _ in 0..4 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut workers = [worker(), worker()];
        pause(300 + u64::from(random >> 16) % 500);
        for worker in &mut workers {
            let _ = worker.kill();
            let _ = worker.wait();
        }
    }
    for mut worker in [worker(), worker()] {
        assert!(worker.wait().unwrap().success());
    }
    let status = remold(&["batch", "status", "--config", config, "--json"]).output();
    let status = String::from_utf8(status.unwrap().stdout).unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    println!("{status}");
    assert_eq!(
        (&status["job"], &status["state"]),
        (&id.clone().into(), &"done".into())
    );
    assert_eq!(
        (&status["done"], &status["results"]),
        (&29.into(), &58.into())
    );
    assert_eq!(
        (&status["failures"], &status["leased"]),
        (&2.into(), &0.into())
    );

    let report = remold(&["batch", "report", "--config", config, &id]).output();
    let report = String::from_utf8(report.unwrap().stdout).unwrap();
    let told: BTreeSet<(String, String)> = report
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            (line["input"].to_string(), line["target"].to_string())
        })
        .collect();
    assert_eq!((told.len(), report.lines().count()), (58, 58));
    let found = |folder: &std::path::Path| -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for folder in [folder.to_owned(), folder.join("deep")] {
            for file in std::fs::read_dir(&folder).unwrap() {
                let path = file.unwrap().path();
                let name = path.display().to_string();
                let name = name.rsplit_once('/').unwrap().1.to_owned();
                if path.is_file() && !name.ends_with(".jsonl") {
                    files.insert(name, std::fs::read(&path).unwrap());
                }
            }
        }
        files
    };
    assert!(found(&alone) == found(&shared), "the same results");
    let unknown = remold(&["batch", "cancel", "--config", config, "none"]).output();
    assert_eq!(unknown.unwrap().status.code(), Some(2));
}

//! The service centre as its operators see it: the API, figures, charging records, reloading,
//! TLS, stopping, copies.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use crate::mmsc::{ALICE, BOB, PATIENCE, Scratch, Server, accepted, greeting, post, small};
use crate::support::{fixture, remold};

/// An answer: status, head in small letters, body.
pub(crate) struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn read(stream: &mut impl Read) -> Self {
        let mut octets = Vec::new();
        // A peer that ends TLS without saying so has said all the same.
        let _ = stream.read_to_end(&mut octets);
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n");
        let body = octets.split_off(end.expect("there is a head") + 4);
        let head = String::from_utf8(octets).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            status,
            head: head.to_lowercase(),
            body,
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(&start)).unwrap()
    }
}

fn request(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{headers}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn ask_with(server: SocketAddr, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(&request(method, target, headers, body))
        .unwrap();
    Answer::read(&mut stream)
}

pub(crate) fn ask(server: SocketAddr, method: &str, target: &str) -> Answer {
    ask_with(server, method, target, "", b"")
}

pub(crate) fn get(server: SocketAddr, target: &str) -> Value {
    let answer = ask(server, "GET", target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    answer.json()
}

/// Waits until `ready` gives something.
fn until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited for {what} in vain");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn an_operator_finds_a_message_sees_what_happened_and_ends_it() {
    let scratch = Scratch::new("admin-message");
    let server = Server::start(&scratch.0, "");
    let id = accepted(post(server.mm1, ALICE, &greeting("t1", &[BOB]))).unwrap();
    let other = accepted(post(server.mm1, BOB, &small("t2", &["+15550003333"]))).unwrap();
    server.raw_push();
    server.raw_push();

    let number = ALICE.replace('+', "%2B");
    for query in [
        format!("number={number}"),
        format!("sender={ALICE}"),
        format!("recipient={BOB}&state=notified&since=2020-01-01T00:00:00Z"),
    ] {
        let found = until("the step after the push", || {
            let found = get(server.admin, &format!("/v1/messages?{query}"));
            (found["messages"].as_array().unwrap().len() == 1).then_some(found)
        });
        assert_eq!(found["messages"][0]["id"], id.as_str(), "{query}");
        assert_eq!(found["next"], Value::Null);
    }
    let first = get(server.admin, "/v1/messages?limit=1");
    assert_eq!(
        first["messages"][0]["id"],
        other.as_str(),
        "the latest first"
    );
    let next = first["next"].as_str().unwrap();
    let second = get(server.admin, &format!("/v1/messages?limit=1&after={next}"));
    assert_eq!(second["messages"][0]["id"], id.as_str());

    let message = get(server.admin, &format!("/v1/messages/{id}"));
    assert_eq!(message["recipients"][0]["address"], BOB);
    assert!(message["recipients"][0]["due_at"].is_string());
    let what: Vec<&str> = message["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["what"].as_str().unwrap())
        .collect();
    assert_eq!(what, ["accepted", "notified"]);
    assert!(!message.to_string().contains("token"));

    let notified = json!({
        "state": "notified", "waiting": 2, "due": 0, "oldest_due_seconds": null
    });
    until("the queue", || {
        let queue = get(server.admin, "/v1/queue");
        let queues = queue["queues"].as_array().unwrap();
        queues.contains(&notified).then_some(())
    });
    let waiting = get(server.admin, "/v1/queue/recipients?state=notified");
    assert_eq!(waiting["recipients"].as_array().unwrap().len(), 2);

    let retried = ask(server.admin, "POST", &format!("/v1/messages/{id}/retry"));
    assert_eq!(
        (retried.status, retried.json()["changed"][0].clone()),
        (200, BOB.into())
    );
    assert_eq!(server.raw_push().0, BOB);
    let expired = ask(server.admin, "POST", &format!("/v1/messages/{id}/expire"));
    assert_eq!(expired.status, 200);
    let again = ask(server.admin, "POST", &format!("/v1/messages/{id}/expire"));
    assert_eq!(again.status, 409);
    assert_eq!(server.raw_push().0, ALICE, "the sender asked for a report");

    let raw = ask(server.admin, "GET", &format!("/v1/messages/{id}/raw"));
    assert_eq!(raw.status, 200);
    assert!(raw.header("content-disposition").starts_with("attachment"));
    let sent = remold::mms::pdu::encode(&greeting("t1", &[BOB])).unwrap();
    assert_eq!(raw.body, sent, "as it was submitted");
}

#[test]
fn what_is_asked_wrongly_is_answered_with_a_reason() {
    let scratch = Scratch::new("admin-wrong");
    let server = Server::start(&scratch.0, "");
    for (method, target, status) in [
        ("GET", "/v1/messages?numbr=1", 400),
        ("GET", "/v1/messages?state=lost", 400),
        ("GET", "/v1/messages?limit=0", 400),
        ("GET", "/v1/messages?since=yesterday", 400),
        ("GET", "/v1/messages/00", 404),
        ("GET", "/v1/messages/..%2F..%2Fetc%2Fpasswd/raw", 404),
        ("POST", "/v1/messages/00/retry", 404),
        ("POST", "/v1/messages/00/retry?recipient=x", 400),
        ("DELETE", "/v1/messages/00", 405),
        ("GET", "/v1", 404),
        ("GET", "/v1/route", 400),
        ("GET", "/v1/devices/5", 400),
        ("GET", "/v1/devices/+15550001111", 404),
    ] {
        let answer = ask(server.admin, method, target);
        assert_eq!(
            answer.status,
            status,
            "{method} {target}: {}",
            answer.text()
        );
        assert!(answer.json()["error"]["message"].is_string());
    }
    let way = get(server.admin, "/v1/route?address=+15550001111");
    assert_eq!(way["route"], "local");
    assert!(!way["steps"].as_array().unwrap().is_empty());
    let page = "Origin: http://evil.example\r\n";
    let answer = ask_with(server.admin, "POST", "/v1/reload", page, b"");
    assert_eq!(answer.status, 403, "no page of another site may ask");
    let answer = ask_with(
        server.admin,
        "PUT",
        "/v1/devices/+15550001111",
        "",
        &[b' '; 70_000],
    );
    assert_eq!(answer.status, 413);
}

#[test]
fn a_device_is_set_and_forgotten() {
    let scratch = Scratch::new("admin-device");
    let server = Server::start(&scratch.0, "");
    let target = format!("/v1/devices/{BOB}");
    let body = br#"{"headers": {"User-Agent": "Nokia6100/1.0 (04.70)"}}"#;
    let set = ask_with(server.admin, "PUT", &target, "", body);
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!(set.json()["device"]["id"], "nokia-6100");
    let body = br#"{"device": "no-such-phone"}"#;
    assert_eq!(ask_with(server.admin, "PUT", &target, "", body).status, 400);
    let body = br#"{"headers": {"user-agent": "a\r\nx-evil: b"}}"#;
    assert_eq!(ask_with(server.admin, "PUT", &target, "", body).status, 400);
    let listed = get(server.admin, "/v1/devices");
    assert_eq!(listed["devices"][0]["number"], BOB);
    assert_eq!(ask(server.admin, "DELETE", &target).status, 204);
    assert_eq!(ask(server.admin, "DELETE", &target).status, 404);
}

#[test]
fn roles_keep_those_who_look_from_changing() {
    let scratch = Scratch::new("admin-roles");
    let mut tokens = String::new();
    let mut made = |name: &str, role: &str| {
        let output = remold()
            .args(["config", "token", "--name", name, "--role", role])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (first, lines) = text.split_once('\n').unwrap();
        tokens.push_str(lines);
        format!(
            "Authorization: Bearer {}\r\n",
            first.rsplit(' ').next().unwrap()
        )
    };
    let (viewer, operator) = (made("eve", "viewer"), made("bob", "operator"));
    let server = Server::start(&scratch.0, &tokens);
    let id = accepted(post(server.mm1, ALICE, &greeting("t1", &[BOB]))).unwrap();
    let status = |headers: &str, method: &str, target: &str| {
        ask_with(server.admin, method, target, headers, b"").status
    };
    let (one, raw) = (
        format!("/v1/messages/{id}"),
        format!("/v1/messages/{id}/raw"),
    );
    assert_eq!(status("", "GET", &one), 401);
    assert_eq!(status("Authorization: Bearer 00\r\n", "GET", &one), 401);
    assert_eq!(status("", "GET", "/readyz"), 200);
    assert_eq!(status("", "GET", "/metrics"), 401);
    assert_eq!(status(&viewer, "GET", "/metrics"), 200);
    assert_eq!(status(&viewer, "GET", &raw), 403);
    assert_eq!(status(&viewer, "POST", &format!("{one}/expire")), 403);
    assert_eq!(status(&operator, "GET", &raw), 200);
    let seen = |headers: &str| ask_with(server.admin, "GET", &one, headers, b"").json();
    assert_eq!(seen(&viewer)["subject"], Value::Null, "what people wrote");
    assert_eq!(seen(&operator)["id"], id.as_str());
}

#[test]
fn a_photo_is_adapted_for_another_service() {
    let scratch = Scratch::new("admin-adapt");
    let server = Server::start(&scratch.0, "");
    let photo = image(640, 480);
    let target = "/v1/adapt?device=s40-gen1&name=photo.jpg";
    let answer = ask_with(server.admin, "POST", target, "", &photo);
    assert_eq!(answer.status, 200, "{:?}", answer.head);
    assert_eq!(answer.header("content-type"), "image/jpeg");
    assert_eq!(answer.header("remold-verdict"), "adapted");
    assert_eq!(answer.header("remold-device"), "s40-gen1");
    assert!(answer.body.len() < photo.len());
    let tag = format!("If-None-Match: {}\r\n", answer.header("etag"));
    let same = ask_with(server.admin, "POST", target, &tag, &photo);
    assert_eq!((same.status, same.body.len()), (304, 0));
    let accept = "Accept: application/json\r\n";
    let json = ask_with(server.admin, "POST", target, accept, &photo).json();
    assert_eq!(json["report"]["verdict"], "adapted");
    assert_eq!(json["result"]["type"], "image/jpeg");
    let phone = "User-Agent: Nokia6100/1.0 (04.70)\r\n";
    let by_headers = ask_with(server.admin, "POST", "/v1/adapt", phone, &photo);
    assert_eq!(by_headers.header("remold-device"), "nokia-6100");
    let message = std::fs::read(fixture("greeting.mms")).unwrap();
    let target = "/v1/adapt?max_size=20000&max_image=160x120";
    let fitted = ask_with(server.admin, "POST", target, "", &message);
    assert_eq!(
        fitted.header("content-type"),
        "application/vnd.wap.mms-message"
    );
    assert!(fitted.body.len() <= 20_000);
    for (target, body, status) in [
        ("/v1/adapt?device=no-such-phone", &photo[..], 400),
        ("/v1/adapt?device=safe&uaprof=http://a", &photo, 400),
        ("/v1/adapt?device=safe", b"", 400),
        ("/v1/adapt?device=safe", b"\x8C\x80\x98T1", 422),
        ("/v1/adapt?name=..%2Fx", &photo, 400),
    ] {
        let answer = ask_with(server.admin, "POST", target, "", body);
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
    }
}

/// A JPEG that does not compress well.
fn image(width: u32, height: u32) -> Vec<u8> {
    let mut seed = 1_u32;
    let pixels = image::RgbImage::from_fn(width, height, |x, y| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (seed >> 24) as u8 / 4;
        image::Rgb([(x % 200) as u8 + noise / 2, (y % 200) as u8, noise])
    });
    let mut octets = std::io::Cursor::new(Vec::new());
    pixels
        .write_to(&mut octets, image::ImageFormat::Jpeg)
        .unwrap();
    octets.into_inner()
}

#[test]
fn figures_count_what_happened() {
    let scratch = Scratch::new("admin-metrics");
    let server = Server::start(&scratch.0, "");
    accepted(post(server.mm1, ALICE, &greeting("t1", &[BOB]))).unwrap();
    server.raw_push();
    let wanted = [
        "remold_messages_received_total{interface=\"mm1\",result=\"ok\"} 1",
        "remold_notifications_total{kind=\"notification\",result=\"taken\"} 1",
        "remold_queue_length{state=\"notified\"} 1",
        "remold_recipient_states_total{state=\"notified\"} 1",
        "remold_messages_stored 1",
        "remold_ready 1",
    ];
    until("the figures", || {
        let answer = ask(server.admin, "GET", "/metrics");
        let lines: Vec<&str> = answer.text().lines().collect();
        wanted.iter().all(|line| lines.contains(line)).then_some(())
    });
    let status = get(server.admin, "/v1/status");
    assert_eq!(
        (&status["messages"], &status["stopping"]),
        (&1.into(), &false.into())
    );
    let document = get(server.admin, "/v1/openapi.json");
    assert!(document["paths"]["/v1/messages"].is_object());
}

#[test]
fn charging_records_have_no_gap_over_kills() {
    let scratch = Scratch::new("admin-cdr");
    let folder = scratch.0.join("cdr");
    let more = format!("[cdr]\nfolder = \"{}\"", folder.display());
    let mut sent = 0_usize;
    for round in 0..4 {
        let server = Server::start(&scratch.0, &more);
        for number in 0..3 {
            let id = format!("t{round}-{number}");
            accepted(post(server.mm1, ALICE, &small(&id, &[BOB]))).unwrap();
            sent += 1;
        }
        // It is killed when this goes, wherever its records are.
        drop(server);
    }
    let server = Server::start(&scratch.0, &more);
    let lines = until("the records", || {
        let lines = records(&folder);
        (lines.len() >= sent).then_some(lines)
    });
    let numbers: Vec<u64> = lines
        .iter()
        .map(|line| line["localSequenceNumber"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=sent as u64).collect::<Vec<_>>());
    assert_eq!(lines[0]["recordTypeName"], "mMO1SRecord");
    assert_eq!(lines[0]["originatorAddress"], ALICE);
    assert_eq!(lines[0]["recipientAddresses"], json!([BOB]));
    assert!(server.terminate());
}

/// Every record in a folder, in the order of the files.
fn records(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            let lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
            lines
                .into_iter()
                .filter_map(|line| serde_json::from_str(&line).ok())
        })
        .collect()
}

#[test]
fn a_hangup_reads_the_configuration_again() {
    const CAROL: &str = "+15550003333";
    let scratch = Scratch::new("admin-reload");
    let server = Server::start(&scratch.0, "");
    let path = scratch.0.join("remold.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let hang_up = || {
        let pid = server.child.id().to_string();
        let done = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(done.success());
        until("an answer to the signal", || {
            let line = server.lines.recv_timeout(PATIENCE).unwrap();
            line.contains("reloaded").then_some(line)
        })
    };
    assert_eq!(hang_up(), "reloaded: nothing changed");
    std::fs::write(
        &path,
        format!(
            "{good}[cdr]\nrotate_minutes = 7\n[limits]\nmessage_bytes = 4000000\n\
             [policy]\nblocked = [\"{CAROL}\"]\n"
        ),
    )
    .unwrap();
    assert!(accepted(post(server.mm1, ALICE, &small("r1", &[CAROL]))).is_some());
    assert_eq!(
        hang_up(),
        "reloaded: cdr.rotate_minutes, limits.message_bytes, policy.blocked; \
         needs a restart: limits.message_bytes"
    );
    assert!(
        accepted(post(server.mm1, ALICE, &small("r2", &[CAROL]))).is_none(),
        "a list counts as soon as it is read"
    );
    let lists = get(server.admin, "/v1/lists");
    assert_eq!(lists["blocked"], json!([CAROL]));
    std::fs::write(&path, format!("{good}[limits]\nrecipients = true\n")).unwrap();
    let refused = hang_up();
    assert!(refused.starts_with("not reloaded: "), "{refused}");
    let answer = ask(server.admin, "POST", "/v1/reload");
    assert_eq!(answer.status, 422);
    assert!(server.answers(), "the last good one counts");
    let shown = get(server.admin, "/v1/configuration");
    assert!(
        shown["toml"]
            .as_str()
            .unwrap()
            .contains("rotate_minutes = 7")
    );
}

#[test]
fn a_server_that_stops_says_so_until_all_is_answered() {
    let scratch = Scratch::new("admin-drain");
    let mut server = Server::start(&scratch.0, "");
    let octets = remold::mms::pdu::encode(&small("t1", &[BOB])).unwrap();
    let mut phone = TcpStream::connect(server.mm1).unwrap();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nX-WAP-Network-Client-MSISDN: 15550001111\r\n\
         Content-Length: {}\r\n\r\n",
        octets.len()
    );
    phone.write_all(head.as_bytes()).unwrap();
    phone.write_all(&octets[..10]).unwrap();
    // The head is read before the rest counts as begun.
    until("the connection", || {
        let text = ask(server.admin, "GET", "/metrics");
        let open = "remold_connections_open{interface=\"mm1\"} 1";
        text.text().lines().any(|line| line == open).then_some(())
    });
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    until("readiness to end", || {
        (ask(server.admin, "GET", "/readyz").status == 503).then_some(())
    });
    assert_eq!(ask(server.admin, "GET", "/livez").status, 200);
    phone.write_all(&octets[10..]).unwrap();
    let answer = Answer::read(&mut phone);
    assert_eq!(answer.status, 200, "what had begun is answered");
    assert!(server.child.wait().unwrap().success());
}

#[test]
fn phones_and_operators_are_served_over_tls() {
    let scratch = Scratch::new("admin-tls");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (scratch.0.join("c.pem"), scratch.0.join("k.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = format!(
        "{{ certificate = \"{}\", key = \"{}\" }}",
        certificate.display(),
        key.display()
    );
    let config = scratch.0.join("remold.toml");
    std::fs::write(
        &config,
        format!(
            "[store]\nfolder = \"{}\"\n[mm1]\nlisten = \"127.0.0.1:0\"\ntls = {files}\n\
             [admin]\nlisten = \"127.0.0.1:0\"\ntls = {files}\n",
            scratch.0.join("store").display()
        ),
    )
    .unwrap();
    let checked = remold()
        .args(["config", "check", "--config"])
        .arg(&config)
        .output();
    assert!(checked.unwrap().status.success());
    let config = remold::server::Config::from_file(&config).unwrap();
    let server = remold::server::Server::start(&config, None).unwrap();
    let client = remold::server::tls::client(Some(&certificate)).unwrap();
    let ask = |address: SocketAddr, request: &[u8]| {
        let name = "localhost".try_into().unwrap();
        let session = rustls::ClientConnection::new(Arc::clone(&client), name).unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = rustls::StreamOwned::new(session, socket);
        stream.write_all(request).unwrap();
        Answer::read(&mut stream)
    };
    let alive = ask(server.admin(), &request("GET", "/livez", "", b""));
    assert_eq!(alive.status, 200);
    let octets = remold::mms::pdu::encode(&small("t1", &[BOB])).unwrap();
    let from = "X-WAP-Network-Client-MSISDN: 15550001111\r\n";
    let sent = ask(server.mm1(), &request("POST", "/", from, &octets));
    assert_eq!(sent.status, 200);
    assert!(server.url().starts_with("https://"));
    assert!(server.stop());
}

#[test]
fn a_copy_is_taken_while_the_server_runs_and_serves_again() {
    if crate::postgres::is_asked_for() {
        println!("skipped: a database is copied by its own means");
        return;
    }
    let scratch = Scratch::new("admin-backup");
    let server = Server::start(&scratch.0, "");
    let id = accepted(post(server.mm1, ALICE, &greeting("t1", &[BOB]))).unwrap();
    let copy = scratch.0.join("copy");
    let config = scratch.0.join("remold.toml");
    let output = remold()
        .args(["backup", "--config"])
        .args([&config, &copy])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    accepted(post(server.mm1, ALICE, &small("t2", &[BOB]))).unwrap();
    let restore = || {
        remold()
            .args(["restore", "--config"])
            .args([&config, &copy])
            .output()
            .unwrap()
    };
    assert_eq!(restore().status.code(), Some(2), "the store is not empty");
    assert!(server.terminate());
    std::fs::rename(scratch.0.join("store"), scratch.0.join("lost")).unwrap();
    assert!(restore().status.success());
    let server = Server::start(&scratch.0, "");
    let found = get(server.admin, "/v1/messages");
    assert_eq!(found["messages"].as_array().unwrap().len(), 1);
    let raw = ask(server.admin, "GET", &format!("/v1/messages/{id}/raw"));
    assert_eq!(
        raw.body,
        remold::mms::pdu::encode(&greeting("t1", &[BOB])).unwrap()
    );
}

#[test]
fn logs_name_the_message_and_mask_people() {
    let scratch = Scratch::new("admin-logs");
    let (config, log) = (scratch.0.join("remold.toml"), scratch.0.join("log"));
    let text = format!(
        "[store]\nfolder = \"{}\"\n[mm1]\nlisten = \"127.0.0.1:0\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n",
        scratch.0.join("store").display()
    );
    std::fs::write(&config, text).unwrap();
    let mut child = remold()
        .args(["serve", "--config"])
        .arg(&config)
        .env("REMOLD_LOG__FORMAT", "json")
        .stdout(std::process::Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut address = |name: &str| -> SocketAddr {
        let line = lines.next().unwrap().unwrap();
        let start = format!("{name} http://");
        line.strip_prefix(&start).unwrap().parse().unwrap()
    };
    let (mm1, admin) = (address("mm1"), address("admin"));
    let id = accepted(post(mm1, ALICE, &greeting("t1", &[BOB]))).unwrap();
    let retry = format!("/v1/messages/{id}/retry");
    until("the retry", || {
        (ask(admin, "POST", &retry).status == 200).then_some(())
    });
    let pid = child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    // What it prints is read, so that it does not wait for us.
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());
    let text = std::fs::read_to_string(&log).unwrap();
    for number in [ALICE, BOB] {
        assert!(!text.contains(number.trim_start_matches('+')), "{text}");
    }
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let with = |message: &str| {
        let found = lines.iter().find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("no {message} in {text}"))
    };
    for message in ["submitted", "notified", "retry"] {
        assert_eq!(with(message)["message_id"], id.as_str(), "{message}");
    }
    assert_eq!(with("submitted")["sender"], "+1555…11");
    let audit = with("admin");
    assert_eq!(
        (&audit["audit"], &audit["by"]),
        (&true.into(), &"loopback".into())
    );
    assert_eq!(
        (&audit["action"], &audit["about"]),
        (&"retry".into(), &id.as_str().into())
    );
    assert!(!text.contains("hello"), "what people wrote is never logged");
}

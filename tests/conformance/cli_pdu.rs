//! `remold pdu` as a user runs it.

use std::path::{Path, PathBuf};
use std::process::Output;

use bytes::Bytes;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use remold::Limits;
use remold::mms::pdu::{self, PduType};

use crate::generate::{Texts, pdu_of};
use crate::support::{corpus, files, remold};

/// A folder that is gone at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("remold-pdu-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder is made");
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("the temporary folder is there");
    }
}

fn run(args: &[&str], paths: &[&Path]) -> Output {
    let mut command = remold();
    command.arg("pdu").args(args).args(paths);
    command.output().expect("remold runs")
}

/// Decodes a file into JSON and parts, encodes those, and compares the PDUs.
fn through_json(folder: &Folder, message: &Path) {
    let octets = std::fs::read(message).expect("the message is readable");
    let before = pdu::decode(&octets.into(), &Limits::default())
        .expect("it is a PDU")
        .value;
    let parts = folder.path("parts");
    let decoded = remold()
        .args(["pdu", "decode", "--json", "--force", "--parts"])
        .args([&parts, message])
        .output()
        .expect("remold runs");
    assert!(decoded.status.success(), "{message:?}: {decoded:?}");
    let json = parts.join("message.json");
    std::fs::write(&json, &decoded.stdout).expect("the JSON is written");
    let again = folder.path("again.mms");
    let encoded = run(
        &[
            "encode",
            "--partial",
            "--force",
            "-o",
            &again.to_string_lossy(),
        ],
        &[&json],
    );
    assert!(encoded.status.success(), "{message:?}: {encoded:?}");
    let octets = std::fs::read(&again).expect("the PDU is written");
    let after = pdu::decode(&octets.into(), &Limits::default())
        .expect("it is a PDU")
        .value;
    assert_eq!(after, before, "{message:?}");
}

#[test]
fn a_generated_message_survives_json() {
    let folder = Folder::new("generated");
    let mut runner = TestRunner::deterministic();
    for pdu_type in PduType::ALL {
        let tree = pdu_of(pdu_type, Texts::Any).new_tree(&mut runner);
        let pdu = tree.expect("a PDU is generated").current();
        let path = folder.path("message.mms");
        std::fs::write(&path, pdu::encode(&pdu).expect("it has a coding")).expect("written");
        through_json(&folder, &path);
    }
}

#[test]
fn the_corpus_survives_json_and_what_is_refused_is_refused_at_an_octet() {
    let Some(pdus) = corpus("mm1") else { return };
    let folder = Folder::new("corpus");
    for path in files(&pdus) {
        let octets = Bytes::from(std::fs::read(&path).expect("readable"));
        if pdu::decode(&octets, &Limits::default()).is_ok() {
            through_json(&folder, &path);
            continue;
        }
        let refused = run(&["decode"], &[&path]);
        assert_eq!(refused.status.code(), Some(6), "{path:?}");
        let said = String::from_utf8(refused.stderr).expect("text");
        assert!(
            said.starts_with("remold: ") && said.contains("(at byte "),
            "{said}"
        );
        assert_eq!((said.lines().count(), refused.stdout.len()), (1, 0));
    }
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let folder = Folder::new("errors");
    let path = folder.path("bad.mms");
    std::fs::write(&path, b"\x8C\x80\x88\x1E").expect("written");
    let refused = run(&["decode", "--json"], &[&path]);
    assert_eq!(refused.status.code(), Some(6));
    let error: serde_json::Value = serde_json::from_slice(&refused.stderr).expect("JSON");
    assert_eq!(error["error"]["offset"], 4);
    assert_eq!(error["error"]["code"], "undecodable");
    let missing = run(&["decode"], &[&folder.path("none")]);
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(run(&["decode"], &[]).status.code(), Some(2));
}

#[test]
fn an_output_is_whole_or_not_there() {
    let folder = Folder::new("output");
    let json = folder.path("m.json");
    let out = folder.path("m.mms");
    let target = out.to_string_lossy().into_owned();
    std::fs::write(&json, br#"{ "pdu": "m-send-conf", "headers": [] }"#).expect("written");
    let refused = run(&["encode", "-o", &target], &[&json]);
    assert_eq!(refused.status.code(), Some(6));
    assert!(!out.exists());
    let good = br#"{ "pdu": "m-acknowledge-ind",
        "headers": [ { "name": "X-Mms-Transaction-Id", "value": "1" } ] }"#;
    std::fs::write(&json, good).expect("written");
    assert!(run(&["encode", "-o", &target], &[&json]).status.success());
    assert_eq!(
        std::fs::read(&out).expect("written"),
        b"\x8C\x85\x981\0\x8D\x92"
    );
    assert_eq!(
        run(&["encode", "-o", &target], &[&json]).status.code(),
        Some(2)
    );
    assert!(
        run(&["encode", "--force", "-o", &target], &[&json])
            .status
            .success()
    );
    let piped = run(&["encode", "-o", "-"], &[&json]);
    assert_eq!(piped.stdout, b"\x8C\x85\x981\0\x8D\x92");
    let left: Vec<_> = files(&folder.0);
    assert_eq!(left, [json, out]);
}

#[test]
fn a_table_names_headers_and_parts() {
    let folder = Folder::new("table");
    let path = folder.path("m.mms");
    let octets =
        b"\x8C\x84\x98T\0\x8D\x92\x85\x04\x5F\0\0\0\x84\xA3\x01\x0A\x02\x83\x8E../../x\0hi";
    std::fs::write(&path, octets).expect("written");
    let shown = run(
        &["decode", "--parts", &folder.path("p").to_string_lossy()],
        &[&path],
    );
    let text = String::from_utf8(shown.stdout).expect("text");
    for line in [
        "m-retrieve-conf",
        "X-Mms-Transaction-Id  T",
        "2020-07-04 04:05:20 UTC",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(
        std::fs::read(folder.path("p/0-x.txt")).expect("written"),
        b"hi"
    );
}

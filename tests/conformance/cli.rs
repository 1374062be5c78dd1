//! The contract of the command line: exit codes, atomic outputs, reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::support::{fixture, remold};

/// A folder of its own for one test, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("remold-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a scratch folder");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Names in the folder, for "nothing else was left behind".
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(args: &[&str], paths: &[(&str, &Path)]) -> Output {
    let mut command = remold();
    command.args(args);
    for (option, path) in paths {
        if !option.is_empty() {
            command.arg(option);
        }
        command.arg(path);
    }
    command.output().expect("remold runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn report(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a report")).expect("a report is JSON")
}

#[test]
fn a_real_message_fits_a_2003_nokia() {
    let scratch = Scratch::new("fits");
    let (input, out) = (fixture("greeting.mms"), scratch.path("out.mms"));
    let told = scratch.path("report.json");
    let done = run(
        &["adapt", "--device", "nokia-6100"],
        &[("", &input), ("-o", &out), ("--report", &told)],
    );
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    let report = report(&told);
    let size = fs::metadata(&out).unwrap().len();
    assert!(size <= 45_000, "{size} octets");
    assert_eq!(report["size_out"], size);
    assert_eq!(report["schema"], 1);
    assert_eq!(report["verdict"], "adapted");
    assert_eq!(report["gate"], Value::Null);
    assert_eq!(report["device"]["id"], "nokia-6100");
    assert_eq!(report["device"]["source"], "database");
    assert_eq!(report["limit"], 45_000);
    assert_eq!(report["smil"], "rewritten");
    let picture = &report["parts"][1];
    assert_eq!(picture["action"], "transcode");
    assert_eq!(picture["media_in"]["width"], 1280);
    assert!(picture["media_out"]["width"].as_u64().unwrap() <= 640);
    assert!(picture["encodes"].as_u64().unwrap() >= 1);
    assert!(!picture["reasons"].as_array().unwrap().is_empty());
    let speech = &report["parts"][3];
    assert_eq!(speech["action"], "drop", "the phone has no AMR");
    assert!(!report["notices"].as_array().unwrap().is_empty());
    for key in [
        "engine",
        "input",
        "input_sha256",
        "output",
        "size_in",
        "warnings",
        "ms",
    ] {
        assert!(report.get(key).is_some(), "{key} is in the report");
    }
    assert_eq!(scratch.names(), ["out.mms", "report.json"]);
}

#[test]
fn two_runs_differ_in_nothing_but_the_time() {
    let scratch = Scratch::new("twice");
    let input = fixture("greeting.mms");
    let mut results = Vec::new();
    for _ in 0..2 {
        let (out, told) = (scratch.path("out.mms"), scratch.path("report.json"));
        let done = run(
            &["adapt", "--force", "--device", "flip-176x220"],
            &[("", &input), ("-o", &out), ("--report", &told)],
        );
        assert_eq!(code(&done), 0, "{}", stderr(&done));
        let mut report = report(&told);
        report["ms"] = Value::Null;
        results.push((fs::read(out).unwrap(), report));
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn what_fits_passes_byte_for_byte() {
    let scratch = Scratch::new("passes");
    let (input, out) = (fixture("greeting.mms"), scratch.path("out.mms"));
    let told = scratch.path("report.json");
    let done = run(
        &["adapt", "--device", "max-observed"],
        &[("", &input), ("-o", &out), ("--report", &told)],
    );
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert_eq!(fs::read(&out).unwrap(), fs::read(&input).unwrap());
    let report = report(&told);
    assert_eq!(
        (&report["verdict"], &report["gate"]),
        (&"unchanged".into(), &"fits".into())
    );
}

#[test]
fn a_file_that_exists_needs_force_and_stays_as_it_was() {
    let scratch = Scratch::new("force");
    let (input, out) = (fixture("greeting.mms"), scratch.path("out.mms"));
    fs::write(&out, "precious").unwrap();
    let done = run(&["adapt"], &[("", &input), ("-o", &out)]);
    assert_eq!(code(&done), 2, "{}", stderr(&done));
    assert_eq!(fs::read(&out).unwrap(), b"precious");
    let done = run(&["adapt", "--force"], &[("", &input), ("-o", &out)]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert_ne!(fs::read(&out).unwrap(), b"precious");
}

#[test]
fn undecodable_input_says_what_and_where_and_writes_nothing() {
    let scratch = Scratch::new("garbage");
    let (bad, out) = (scratch.path("bad.mms"), scratch.path("out.mms"));
    let mut octets = fs::read(fixture("greeting.mms")).unwrap();
    octets.truncate(20);
    for (name, octets) in [
        ("cut", octets),
        ("empty", Vec::new()),
        ("noise", vec![0x8C, 0xFF, 1]),
    ] {
        fs::write(&bad, octets).unwrap();
        let done = run(&["adapt"], &[("", &bad), ("-o", &out)]);
        let said = stderr(&done);
        assert_eq!(code(&done), 6, "{name}: {said}");
        assert!(
            said.starts_with("remold: ") && said.contains("bad.mms: "),
            "{name}: {said}"
        );
        assert!(
            said.trim_end().ends_with(')') && said.contains("(at byte "),
            "{name}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        assert_eq!(scratch.names(), ["bad.mms"], "{name}");
    }
}

#[test]
fn a_message_that_cannot_fit_is_refused_with_a_reason() {
    let scratch = Scratch::new("refused");
    let (input, out) = (fixture("greeting.mms"), scratch.path("out.mms"));
    let told = scratch.path("report.json");
    let done = run(
        &["adapt", "--max-size", "120"],
        &[("", &input), ("-o", &out), ("--report", &told)],
    );
    assert_eq!(code(&done), 3, "{}", stderr(&done));
    assert!(
        stderr(&done).contains("refused for safe: "),
        "{}",
        stderr(&done)
    );
    let report = report(&told);
    assert_eq!(
        (&report["verdict"], &report["output"]),
        (&"refused".into(), &Value::Null)
    );
    assert_eq!(scratch.names(), ["report.json"]);
}

#[test]
fn explain_writes_nothing_and_agrees_with_adapt() {
    let input = fixture("greeting.mms");
    let page = run(&["explain", "--device", "s40-gen1"], &[("", &input)]);
    assert_eq!(code(&page), 0, "{}", stderr(&page));
    let page = String::from_utf8(page.stdout).unwrap();
    for word in ["sunset.jpg", "MmsCcppAccept", "45000", "goes"] {
        assert!(page.contains(word), "{word} is in\n{page}");
    }
    let json = run(
        &["explain", "--json", "--device", "s40-gen1"],
        &[("", &input)],
    );
    let plan: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(plan["verdict"], "adapted");
    assert_eq!(plan["parts"][3]["action"], "drop");
    assert_eq!(plan["output"], Value::Null);
}

#[test]
fn one_picture_is_a_message_too() {
    let scratch = Scratch::new("picture");
    let (input, out) = (fixture("sunset.jpg"), scratch.path("small.jpg"));
    let done = run(
        &["adapt", "--max-size", "9000", "--max-image", "160x120"],
        &[("", &input), ("-o", &out)],
    );
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    let octets = fs::read(&out).unwrap();
    assert!(octets.starts_with(&[0xFF, 0xD8]) && octets.len() <= 9_000);
}

#[test]
fn the_kind_of_file_can_be_chosen() {
    let scratch = Scratch::new("kinds");
    let input = fixture("greeting.mms");
    let (mime, folder) = (scratch.path("out.eml"), scratch.path("parts"));
    let done = run(&["adapt", "--to", "mime"], &[("", &input), ("-o", &mime)]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert!(
        fs::read_to_string(&mime)
            .unwrap()
            .contains("multipart/related")
    );
    let again = scratch.path("again.mms");
    let done = run(&["adapt", "--to", "pdu"], &[("", &mime), ("-o", &again)]);
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert_eq!(fs::read(&again).unwrap().first(), Some(&0x8C));
    let done = run(
        &["adapt", "--to", "parts"],
        &[("", &input), ("-o", &folder)],
    );
    assert_eq!(code(&done), 0, "{}", stderr(&done));
    assert!(fs::read_dir(&folder).unwrap().count() >= 3);
}

#[test]
fn wrong_usage_is_exit_2_and_help_shows_examples() {
    assert_eq!(code(&run(&[], &[])), 2);
    assert_eq!(code(&run(&["adapt", "--device"], &[])), 2);
    assert_eq!(
        code(&run(
            &["adapt", "--device", "no-such-phone", "x", "-o", "y"],
            &[]
        )),
        2
    );
    for command in [
        "adapt",
        "explain",
        "pdu decode",
        "pdu encode",
        "profile show",
        "media probe",
    ] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let help = run(&args, &[]);
        assert_eq!(code(&help), 0);
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(
            help.contains("Examples:"),
            "{command} shows examples:\n{help}"
        );
    }
}

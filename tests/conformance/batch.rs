//! Many inputs at once: what is written, what is told, and what is left when the process ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use remold::batch::template::Fields;
use remold::batch::{Template, glob, manifest, page};
use serde_json::Value;

use crate::support::{corpus, files, fixture, remold};

mod kills;

/// A folder that is gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("remold-batch-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("in")).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn put(&self, name: &str, octets: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, octets).unwrap();
    }

    fn batch(&self, args: &[&str]) -> Command {
        let mut command = remold();
        command.current_dir(&self.0).arg("batch").args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.batch(args).output().unwrap()
    }

    /// The lines of a report.
    fn report(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Names below a folder.
    fn names(&self, folder: &str) -> Vec<String> {
        let folder = self.path(folder);
        let name = |path: PathBuf| path.strip_prefix(&folder).unwrap().display().to_string();
        files(&folder).into_iter().map(name).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn code(output: &Output) -> i32 {
    let code = output.status.code();
    code.unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

/// A picture of its own: PPM would not be read, so a BMP.
fn bmp(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let row = (width * 3).div_ceil(4) * 4;
    let mut data = b"BM".to_vec();
    data.extend((54 + row * height).to_le_bytes());
    data.extend([0; 4]);
    data.extend(54_u32.to_le_bytes());
    data.extend(40_u32.to_le_bytes());
    data.extend(width.to_le_bytes());
    data.extend(height.to_le_bytes());
    data.extend([1, 0, 24, 0]);
    data.extend([0; 24]);
    for y in 0..height {
        for x in 0..row {
            let wave = ((x / 3 + seed) * 7) ^ (y * 3);
            data.push((wave % 251) as u8);
        }
    }
    data
}

const DEVICES: &str = "nokia-6100,s40-gen1,flip-176x220";

#[test]
fn a_batch_gives_what_adapt_gives_octet_for_octet() {
    let scratch = Scratch::new("same");
    for (name, from) in [
        ("in/greeting.mms", "greeting.mms"),
        ("in/deep/er/sunset.jpg", "sunset.jpg"),
        ("in/chord.amr", "chord.amr"),
    ] {
        scratch.put(name, fs::read(fixture(from)).unwrap());
    }
    scratch.put("in/wave.bmp", bmp(900, 700, 1));
    for name in ["transparent.png", "p12_wine_o8.jpg"] {
        if let Some(path) = corpus(&format!("images/{name}")) {
            scratch.put(&format!("in/{name}"), fs::read(path).unwrap());
        }
    }
    let output = scratch.run(&["in", "--out", "out", "--device", DEVICES]);
    let lines = scratch.report("out/remold-report.jsonl");
    assert!(matches!(code(&output), 0 | 3), "{output:?}");
    assert_eq!(lines.len(), scratch.names("in").len() * 3);
    for line in lines {
        let (input, device) = (
            line["input"].as_str().unwrap(),
            line["target"].as_str().unwrap(),
        );
        let single = remold()
            .current_dir(&scratch.0)
            .args(["adapt", input, "-o", "single", "--report", "single.json"])
            .args(["--device", device, "--force"])
            .output()
            .unwrap();
        let Some(result) = line["output"].as_str() else {
            assert_eq!(code(&single), 3, "{input} {device} {line}");
            continue;
        };
        assert_eq!(code(&single), 0, "{input} {device}");
        let (one, other) = (scratch.path(result), scratch.path("single"));
        assert!(
            fs::read(one).unwrap() == fs::read(other).unwrap(),
            "{input} for {device}"
        );
        let single: Value =
            serde_json::from_slice(&fs::read(scratch.path("single.json")).unwrap()).unwrap();
        for field in single.as_object().unwrap().keys() {
            if !matches!(field.as_str(), "ms" | "output") {
                assert_eq!(
                    line[field], single[field],
                    "{field} of {input} for {device}"
                );
            }
        }
    }
    assert!(scratch.path("out/deep/er/sunset.nokia-6100.jpg").exists());
}

#[test]
fn what_is_done_is_not_done_again_and_what_failed_only_if_asked() {
    let scratch = Scratch::new("resume");
    for number in 0..4_u32 {
        scratch.put(&format!("in/{number}.bmp"), bmp(200, 100, number));
    }
    scratch.put("in/broken.jpg", b"\xFF\xD8\xFF\xE0 nothing");
    let all = ["in", "--out", "out", "--device", "nokia-6100,safe"];
    assert_eq!(code(&scratch.run(&all)), 3);
    let again = scratch.run(&all);
    assert_eq!(code(&again), 2, "a report is not written over: {again:?}");
    let resume = [&all[..], &["--resume"]].concat();
    assert_eq!(code(&scratch.run(&resume)), 4, "nothing is left");
    let stamp = |name: &str| fs::metadata(scratch.path(name)).unwrap().ino();
    let kept = stamp("out/1.safe.jpg");
    fs::remove_file(scratch.path("out/0.safe.jpg")).unwrap();
    let damaged = scratch.path("out/2.nokia-6100.jpg");
    let mut octets = fs::read(&damaged).unwrap();
    octets[100] ^= 1;
    fs::write(&damaged, &octets).unwrap();
    scratch.put("in/3.bmp", bmp(200, 100, 99));
    let output = scratch.run(&resume);
    assert_eq!(code(&output), 0, "{output:?}");
    let lines = scratch.report("out/remold-report.jsonl");
    let redone: Vec<&str> = lines[10..]
        .iter()
        .map(|line| line["input"].as_str().unwrap())
        .collect();
    let redone: BTreeMap<&str, usize> = redone.iter().fold(BTreeMap::new(), |mut counts, input| {
        *counts.entry(*input).or_default() += 1;
        counts
    });
    assert_eq!(
        redone,
        [("in/0.bmp", 1), ("in/2.bmp", 1), ("in/3.bmp", 2)].into()
    );
    assert_eq!(stamp("out/1.safe.jpg"), kept);
    octets[100] ^= 1;
    assert_eq!(fs::read(&damaged).unwrap(), octets);
    // Another limit is another job.
    let smaller = [&resume[..], &["--max-size", "3000"]].concat();
    assert_eq!(code(&scratch.run(&smaller)), 3);
    assert!(fs::metadata(scratch.path("out/1.safe.jpg")).unwrap().len() < 3000);
    // What failed is tried again, and comes to something if it has become something.
    scratch.put("in/broken.jpg", fs::read(fixture("sunset.jpg")).unwrap());
    let retry = [&all[..], &["--retry-failed", "--max-size", "3000"]].concat();
    let output = scratch.run(&retry);
    assert_eq!(code(&output), 0, "{output:?}");
    assert!(scratch.path("out/broken.safe.jpg").exists());
}

#[test]
fn nothing_that_is_not_ours_is_replaced() {
    let scratch = Scratch::new("foreign");
    scratch.put("in/a.bmp", bmp(50, 50, 1));
    scratch.put("out/a.safe.jpg", "somebody's");
    let args = ["in", "--out", "out"];
    let output = scratch.run(&args);
    assert_eq!(code(&output), 3);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("in/a.bmp: out/a.safe.jpg exists already; --force"),
        "{text}"
    );
    let resume = scratch.run(&["in", "--out", "out", "--retry-failed"]);
    assert_eq!(code(&resume), 3);
    assert_eq!(
        fs::read(scratch.path("out/a.safe.jpg")).unwrap(),
        b"somebody's"
    );
    assert_eq!(code(&scratch.run(&["in", "--out", "out", "--force"])), 0);
    assert!(
        fs::read(scratch.path("out/a.safe.jpg"))
            .unwrap()
            .starts_with(&[0xFF, 0xD8])
    );
    let inside = scratch.run(&["out", "--out", "out", "--force"]);
    assert_eq!(code(&inside), 2, "{inside:?}");
}

#[test]
fn a_plan_writes_nothing_and_explains_itself() {
    let scratch = Scratch::new("plan");
    scratch.put(
        "in/greeting.mms",
        fs::read(fixture("greeting.mms")).unwrap(),
    );
    let output = scratch.run(&["in", "--device", "nokia-6100", "--dry-run", "--explain"]);
    assert_eq!(code(&output), 0, "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    for part in [
        "in/greeting.mms for nokia-6100",
        "becomes image/jpeg",
        "adapted",
        "planned",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(scratch.names(""), ["in/greeting.mms"]);
    let report = ["in", "--dry-run", "--report", "plan.jsonl"];
    assert_eq!(code(&scratch.run(&report)), 0);
    assert_eq!(scratch.report("plan.jsonl")[0]["dry_run"], true);
    assert_eq!(code(&scratch.run(&["nothing*", "--out", "out"])), 3);
    assert_eq!(
        code(&scratch.run(&["in", "--out", "out", "--halt", "soon"])),
        2
    );
}

#[test]
fn inputs_come_from_manifests_lists_and_patterns() {
    let scratch = Scratch::new("inputs");
    for name in ["in/a.bmp", "in/x/b.bmp", "in/x/c.bmp"] {
        scratch.put(name, bmp(40, 40, 7));
    }
    scratch.put("list.csv", "input,device,output\nin/a.bmp,\"safe,nokia-6100\",\nin/x/b.bmp,,own/{stem}.{device}.{ext}\n");
    let manifest = [
        "--manifest",
        "list.csv",
        "--out",
        "one",
        "--device",
        "s40-gen1",
    ];
    assert_eq!(code(&scratch.run(&manifest)), 0);
    assert_eq!(
        scratch.names("one"),
        [
            "a.nokia-6100.bmp",
            "a.safe.jpg",
            "own/b.s40-gen1.bmp",
            "remold-report.jsonl"
        ]
    );
    let pattern = [
        "in/**/[bc].bmp",
        "--out",
        "two",
        "--output-name",
        "{n}/{name}",
        "--ordered",
    ];
    assert_eq!(code(&scratch.run(&pattern)), 0);
    assert_eq!(
        scratch.names("two"),
        ["1/b.bmp", "2/c.bmp", "remold-report.jsonl"]
    );
    let mut child = scratch
        .batch(&["-", "--out", "three", "--report", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    use std::io::Write;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"in/x/c.bmp\0in/a.bmp\0")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    assert_eq!(scratch.names("three"), ["a.safe.jpg", "x/c.safe.jpg"]);
    scratch.put("bad.csv", "input\n\"open\n");
    let bad = scratch.run(&["--manifest", "bad.csv", "--out", "four"]);
    assert_eq!(code(&bad), 6);
    assert!(
        String::from_utf8_lossy(&bad.stderr).contains("bad.csv:2: "),
        "{bad:?}"
    );
}

#[test]
fn a_job_in_toml_says_the_same_and_its_mistakes_have_places() {
    let scratch = Scratch::new("job");
    scratch.put("in/a.bmp", bmp(300, 300, 7));
    scratch.put(
        "job.toml",
        "inputs = ['in']\nout = 'out'\njobs = 1\n[[devices]]\nname = 'tiny'\nid = 'safe'\nmax-image = '30x20'\n",
    );
    assert_eq!(code(&scratch.run(&["--job", "job.toml"])), 0);
    let line = &scratch.report("out/remold-report.jsonl")[0];
    assert_eq!(line["parts"][0]["media_out"]["width"], 20, "{line}");
    scratch.put("bad.toml", "inputs = ['in']\njbos = 1\n");
    let output = scratch.run(&["--job", "bad.toml"]);
    assert_eq!(code(&output), 5);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.starts_with("remold: bad.toml:2:1: "), "{text}");
}

#[test]
fn progress_for_programs_is_lines_of_json() {
    let scratch = Scratch::new("json");
    for number in 0..3_u32 {
        scratch.put(&format!("in/{number}.bmp"), bmp(60, 60, number));
    }
    scratch.put("in/empty.jpg", "");
    let args = [
        "in",
        "--out",
        "out",
        "--progress",
        "json",
        "--ordered",
        "--jobs",
        "2",
    ];
    let output = scratch.run(&args);
    assert_eq!(code(&output), 3);
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["event"], "begun");
    assert_eq!(events[0]["results"], 4);
    let results: Vec<&Value> = events
        .iter()
        .filter(|event| event["event"] == "result")
        .collect();
    let inputs: Vec<&str> = results
        .iter()
        .map(|e| e["input"].as_str().unwrap())
        .collect();
    assert_eq!(inputs, ["in/0.bmp", "in/1.bmp", "in/2.bmp", "in/empty.jpg"]);
    let end = events.last().unwrap();
    assert_eq!((&end["event"], &end["exit"]), (&"end".into(), &3.into()));
    assert_eq!(end["summary"]["verdicts"]["adapted"], 3);
    let order: Vec<Value> = scratch.report("out/remold-report.jsonl");
    assert!(
        order
            .iter()
            .map(|line| line["input"].as_str().unwrap())
            .eq(inputs)
    );
}

#[test]
fn failures_end_a_job_where_that_is_asked_for() {
    let scratch = Scratch::new("halt");
    for number in 0..20_u32 {
        scratch.put(&format!("in/{number:02}.jpg"), "no picture");
    }
    let args = ["in", "--out", "out", "--jobs", "1", "--halt", "now,fail=3"];
    assert_eq!(code(&scratch.run(&args)), 3);
    assert_eq!(scratch.report("out/remold-report.jsonl").len(), 3);
    assert_eq!(code(&scratch.run(&["in", "--out", "out", "--resume"])), 3);
    assert_eq!(scratch.report("out/remold-report.jsonl").len(), 20);
}

#[test]
fn names_that_would_meet_and_names_that_are_not_utf8_are_written_apart() {
    use std::os::unix::ffi::OsStrExt;
    let scratch = Scratch::new("names");
    scratch.put("in/a.bmp", bmp(900, 700, 1));
    scratch.put("in/a.jpg", fs::read(fixture("sunset.jpg")).unwrap());
    for octet in [0xFE, 0xFF] {
        let odd = [b'o', octet, b'.', b'b', b'm', b'p'];
        let odd = scratch.path("in").join(std::ffi::OsStr::from_bytes(&odd));
        fs::write(odd, bmp(900, 700, u32::from(octet))).unwrap();
    }
    let args = ["in", "--out", "out", "--durable"];
    assert_eq!(code(&scratch.run(&args)), 0);
    let names = scratch.names("out");
    assert_eq!(names.len(), 5, "{names:?}");
    assert!(names.contains(&"a.bmp.safe.jpg".to_owned()), "{names:?}");
    let resume = ["in", "--out", "out", "--resume"];
    assert_eq!(code(&scratch.run(&resume)), 4);
}

#[test]
fn a_job_ends_at_once_where_it_is_told_to_and_leaves_nothing_half_done() {
    let scratch = Scratch::new("terminate");
    for number in 0..300_u32 {
        scratch.put(&format!("in/{number}.bmp"), bmp(500, 400, number));
    }
    let args = ["in", "--out", "out", "--jobs", "1", "--nice", "5"];
    let mut child = scratch
        .batch(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while fs::metadata(scratch.path("out/remold-report.jsonl")).map_or(0, |found| found.len()) == 0
    {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(5));
    }
    // Nobody else writes this report meanwhile.
    let second = scratch.run(&["in", "--out", "out", "--resume"]);
    let busy = String::from_utf8_lossy(&second.stderr).contains("another job");
    signal(&child, "-TERM");
    let code_of_first = child.wait().unwrap().code();
    if code_of_first == Some(0) {
        return println!("skipped: it was done before the signal came");
    }
    assert!(busy, "{second:?}");
    assert_eq!(code_of_first, Some(130));
    let lines = scratch.report("out/remold-report.jsonl");
    assert_eq!(scratch.names("out").len(), lines.len() + 1);
}

#[test]
fn help_shows_examples_and_what_names_are_made_of() {
    for (command, word) in [
        ("batch", "{stem}"),
        ("batch", "--resume"),
        ("report", "Examples:"),
    ] {
        let output = remold().args([command, "--help"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(word), "{command}: {word}");
    }
}

/// What nobody should be able to stop a job with.
#[test]
fn a_hostile_folder_costs_its_own_files_and_nothing_else() {
    let scratch = Scratch::new("hostile");
    let good = 5_u32;
    for number in 0..good {
        scratch.put(&format!("in/good/{number}.bmp"), bmp(300, 200, number));
    }
    // A picture of 60,000 x 60,000 pixels in its header, and a whole one cut in the middle.
    let mut bomb = b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\xEA\x60\0\0\xEA\x60\x08\x06\0\0\0".to_vec();
    bomb.extend([0x4E, 0x2F, 0x3A, 0x11, 0, 0, 0, 0, b'I', b'D', b'A', b'T']);
    scratch.put("in/bomb.png", &bomb);
    let sunset = fs::read(fixture("sunset.jpg")).unwrap();
    scratch.put("in/truncated.jpg", &sunset[..200]);
    scratch.put("in/text.jpg", "This is a letter and no photograph.\n");
    let message = fs::read(fixture("greeting.mms")).unwrap();
    scratch.put("in/truncated.mms", &message[..message.len() / 2]);
    scratch.put(
        "in/noise.mms",
        (0..9999_u32)
            .map(|n| (n * n % 241) as u8)
            .collect::<Vec<u8>>(),
    );
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, scratch.path(name)).unwrap();
    link("nowhere.jpg", "in/dangling.jpg");
    link("self.jpg", "in/self.jpg");
    link("../..", "in/good/loop");
    let pipe = Command::new("mkfifo")
        .arg(scratch.path("in/pipe.jpg"))
        .status();
    let _socket = std::os::unix::net::UnixListener::bind(scratch.path("in/socket.jpg")).unwrap();
    let empty = 1_000_u32;
    for number in 0..empty {
        scratch.put(&format!("in/empty/{number}.jpg"), "");
    }
    let begun = Instant::now();
    let args = [
        "in",
        "--out",
        "out",
        "--device",
        "nokia-6100,safe",
        "--deadline",
        "20s",
    ];
    let output = scratch.run(&args);
    assert_eq!(code(&output), 3);
    assert!(begun.elapsed() < Duration::from_secs(60));
    let lines = scratch.report("out/remold-report.jsonl");
    let mut verdicts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in &lines {
        let verdict = line["verdict"].as_str().unwrap().to_owned();
        let input = line["input"].as_str().unwrap().to_owned();
        if matches!(verdict.as_str(), "failed" | "refused") {
            let why = line["error"]["message"].as_str().unwrap();
            assert!(!why.is_empty(), "{line}");
        }
        verdicts.entry(verdict).or_default().insert(input);
    }
    let names: BTreeSet<&String> = verdicts.values().flatten().collect();
    let bad = [
        "bomb.png",
        "text.jpg",
        "noise.mms",
        "dangling.jpg",
        "self.jpg",
        "good/loop",
        "socket.jpg",
    ];
    for name in bad.iter().chain(pipe.is_ok().then_some(&"pipe.jpg")) {
        let name = format!("in/{name}");
        let failed = ["failed", "refused"].iter().any(|verdict| {
            verdicts
                .get(*verdict)
                .is_some_and(|names| names.contains(&name))
        });
        assert!(failed, "{name}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(&name),
            "{name}"
        );
    }
    assert_eq!(
        verdicts["adapted"]
            .iter()
            .filter(|name| name.contains("good"))
            .count(),
        5
    );
    assert!(names.len() >= usize::try_from(empty + good).unwrap() + bad.len());
    assert_eq!(lines.len(), names.len() * 2);
    let written = lines
        .iter()
        .filter(|line| line["output"].is_string())
        .count();
    assert_eq!(scratch.names("out").len(), written + 1);
}

#[test]
fn an_input_costs_no_more_than_its_deadline() {
    let Some(clip) = corpus("media/clip_1080p_h264_aac.mp4") else {
        return;
    };
    let scratch = Scratch::new("deadline");
    scratch.put("in/clip.mp4", fs::read(clip).unwrap());
    scratch.put("in/small.bmp", bmp(50, 50, 1));
    let begun = Instant::now();
    let args = [
        "in",
        "--out",
        "out",
        "--device",
        "s60-2nd",
        "--deadline",
        "200ms",
    ];
    let output = scratch.run(&args);
    assert_eq!(code(&output), 3, "{output:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("clip.mp4: not done within 0.2 seconds"),
        "{text}"
    );
    assert_eq!(scratch.names("out").len(), 2);
}

#[test]
fn what_needs_more_memory_than_there_is_is_refused_from_its_header() {
    let scratch = Scratch::new("memory");
    scratch.put("in/large.bmp", bmp(3000, 1500, 1));
    scratch.put("in/small.bmp", bmp(50, 50, 1));
    let args = ["in", "--out", "out", "--memory", "96M", "--jobs", "1"];
    let output = scratch.run(&args);
    assert_eq!(code(&output), 3, "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("in/large.bmp: may take"), "{text}");
    assert_eq!(
        scratch.names("out"),
        ["remold-report.jsonl", "small.safe.jpg"]
    );
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn an_interrupted_job_ends_what_it_began_and_goes_on_later() {
    let scratch = Scratch::new("interrupt");
    for number in 0..200_u32 {
        scratch.put(&format!("in/{number}.bmp"), bmp(400, 300, number));
    }
    let args = ["in", "--out", "out", "--jobs", "2", "--progress", "json"];
    let mut child = scratch
        .batch(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    let results = lines
        .by_ref()
        .map_while(Result::ok)
        .filter(|line| line.contains("\"result\""));
    assert_eq!(results.take(3).count(), 3);
    signal(&child, "-USR1");
    std::thread::sleep(Duration::from_millis(30));
    signal(&child, "-INT");
    lines.by_ref().for_each(drop);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("of 200 results, 0 failed"), "{text}");
    let lines = scratch.report("out/remold-report.jsonl").len();
    if code(&output) == 0 {
        assert_eq!(lines, 200, "it was done before the signal came");
        return;
    }
    assert_eq!(code(&output), 130, "{output:?}");
    assert!((3..200).contains(&lines));
    assert_eq!(scratch.names("out").len(), lines + 1);
    assert_eq!(code(&scratch.run(&["in", "--out", "out", "--resume"])), 0);
    assert_eq!(scratch.report("out/remold-report.jsonl").len(), 200);
}

#[test]
fn a_watched_folder_is_emptied_as_it_fills() {
    let scratch = Scratch::new("watch");
    scratch.put("in/first.bmp", bmp(60, 60, 1));
    let args = [
        "--watch",
        "in",
        "--out",
        "out",
        "--settle",
        "1500ms",
        "--poll",
        "50ms",
        "--done-dir",
        "done",
        "--failed-dir",
        "failed",
    ];
    let mut child = scratch
        .batch(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let wait = |name: &str| {
        let until = Instant::now() + Duration::from_secs(30);
        while !scratch.path(name).exists() {
            assert!(Instant::now() < until, "{name} does not come");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait("done/first.bmp");
    // A file that grows is left alone until it is whole.
    let whole = bmp(80, 80, 2);
    for end in (0..=whole.len()).step_by(whole.len() / 6) {
        scratch.put("in/sub/grows.bmp", &whole[..end]);
        std::thread::sleep(Duration::from_millis(60));
        assert!(!scratch.path("out/sub/grows.bmp.safe.jpg").exists());
    }
    scratch.put("in/sub/grows.bmp", &whole);
    scratch.put("in/broken.jpg", "no picture");
    wait("done/sub/grows.bmp");
    wait("failed/broken.jpg");
    signal(&child, "-TERM");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(3));
    assert_eq!(scratch.names("in"), Vec::<String>::new());
    let expected = [
        "first.bmp.safe.jpg",
        "remold-report.jsonl",
        "sub/grows.bmp.safe.jpg",
    ];
    assert_eq!(scratch.names("out"), expected);
}

#[test]
fn a_page_is_made_of_a_report() {
    let scratch = Scratch::new("page");
    scratch.put("in/sunset.jpg", fs::read(fixture("sunset.jpg")).unwrap());
    scratch.put(
        "in/greeting.mms",
        fs::read(fixture("greeting.mms")).unwrap(),
    );
    scratch.put("in/empty", "");
    assert_eq!(
        code(&scratch.run(&["in", "--out", "out", "--device", DEVICES])),
        3
    );
    let output = remold()
        .current_dir(&scratch.0)
        .args([
            "report",
            "out/remold-report.jsonl",
            "-o",
            "page.html",
            "--title",
            "Test",
        ])
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{output:?}");
    let page = fs::read_to_string(scratch.path("page.html")).unwrap();
    assert!(page.contains("<title>Test</title>") && page.matches("<img").count() >= 4);
    assert!(!page.contains("http://") && !page.contains("https://") && page.len() < 2_000_000);
}

proptest! {
    #[test]
    fn no_list_and_no_pattern_brings_a_job_down(text in "(?s).{0,200}", name in "[a*?\\[\\]!/-]{0,20}") {
        let _ = manifest::read(&text);
        let _ = manifest::read(&format!("input,device\n{text}"));
        let _ = manifest::read(&format!("{{\"input\":\"a\"}}\n{text}"));
        let listed = manifest::names(text.as_bytes());
        prop_assert!(listed.iter().all(|entry| !entry.path.as_os_str().is_empty()));
        let components: Vec<String> = name.split('/').map(str::to_owned).collect();
        let _ = glob::matches(&glob::split(&name).1, &components);
        if !glob::is_pattern(&name) {
            prop_assert!(glob::fits(&name, &name));
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder(dir in ".{0,40}", stem in ".{0,20}", device in ".{0,20}") {
        let template: Template = "{dir}/{device}/{stem}.{ext}{name}".parse().unwrap();
        let name = format!("{stem}/../{device}");
        let path = template.render(&Fields {
            dir: &dir, stem: &stem, name: &name, device: &device, ext: "..", number: 1,
        });
        prop_assert!(path.components().all(|c| matches!(c, std::path::Component::Normal(_))));
    }

    #[test]
    fn no_report_puts_a_tag_into_its_page(input in ".{0,40}", why in ".{0,40}", size in any::<u64>()) {
        let line = serde_json::json!({
            "input": input, "device": { "id": why }, "verdict": "adapted", "engine": why,
            "input_bytes": size, "output_bytes": size / 3, "ms": { "total": 1e300 },
            "parts": [{ "reasons": [{ "rule": input }] }],
        });
        let rows = page::read(format!("{line}\n").as_bytes()).unwrap();
        let page = page::render("<script>", &rows, &[]);
        let marked = page.replace("<svg", "").replace("<section", "").replace("<style", "")
            .replace("<small", "").replace("<span", "").replace("<summary", "");
        prop_assert!(!marked.contains("<s") && !page.contains("NaN"));
    }
}

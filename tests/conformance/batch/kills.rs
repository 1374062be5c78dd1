//! Jobs that are ended at any moment and resumed.

use super::*;

/// What the environment asks for, or `usual`: little enough for every run of the tests.
fn asked(variable: &str, usual: u32) -> u32 {
    let asked = std::env::var(variable).ok();
    asked
        .and_then(|number| number.parse().ok())
        .unwrap_or(usual)
}

/// Files to convert, with their extensions: some of ours, and small ones of the collection of real
/// media where it is there.
fn media() -> Vec<(String, Vec<u8>)> {
    let mut found = vec![
        fixture("greeting.mms"),
        fixture("sunset.jpg"),
        fixture("chord.amr"),
    ];
    for folder in ["images", "media"] {
        found.extend(corpus(folder).iter().flat_map(|folder| files(folder)));
    }
    let read = |path: PathBuf| {
        let extension = path.extension()?.to_str()?.to_owned();
        let octets = fs::read(path).ok()?;
        let wanted = extension != "md" && octets.len() < 300_000;
        wanted.then_some((extension, octets))
    };
    found.into_iter().filter_map(read).collect()
}

#[test]
fn whatever_moment_it_is_killed_at_every_result_is_written_once_and_whole() {
    let scratch = Scratch::new("kill");
    let kills = asked("REMOLD_KILLS", 6);
    let (inputs, jobs) = (asked("REMOLD_FILES", 20 * kills.min(50)), 2_usize);
    let media = media();
    let mut real = media.iter().cycle();
    for number in 0..inputs {
        let folder = number % 5;
        match number % 8 {
            0 => {
                let (extension, octets) = real.next().unwrap();
                let name = format!("in/{folder}/{number}.{extension}");
                scratch.put(&name, octets);
            }
            1 => scratch.put(&format!("in/{folder}/{number}.jpg"), "no picture"),
            _ => scratch.put(
                &format!("in/{folder}/{number}.bmp"),
                bmp(100 + number % 97, 90, number),
            ),
        }
    }
    let jobs_text = jobs.to_string();
    let args = [
        "in", "--out", "out", "--device", DEVICES, "--jobs", &jobs_text, "--resume",
    ];
    // What each result was when it was seen first: its inode and when it was changed.
    let mut seen: BTreeMap<String, (u64, i64)> = BTreeMap::new();
    let mut ends = 0_u32;
    let mut random = 12_345_u32;
    // Long jobs are let run for longer, so that they come far.
    let most = 400 * (inputs / 1_000).max(1);
    while ends < kills {
        let mut child = scratch
            .batch(&args)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_millis(u64::from((random >> 16) % most + 20)));
        let _ = child.kill();
        let status = child.wait().unwrap();
        if status.code().is_some() {
            break;
        }
        ends += 1;
        look(&scratch, jobs, &mut seen);
    }
    let output = scratch.run(&args);
    assert!(matches!(code(&output), 3 | 4), "{output:?}");
    look(&scratch, jobs, &mut seen);
    let lines = scratch.report("out/remold-report.jsonl");
    let keys: BTreeSet<(&str, &str)> = lines
        .iter()
        .map(|line| {
            (
                line["input"].as_str().unwrap(),
                line["target"].as_str().unwrap(),
            )
        })
        .collect();
    let results = usize::try_from(inputs).unwrap() * 3;
    assert_eq!(keys.len(), results, "the report is complete");
    assert_eq!(lines.len(), results, "and has no line twice");
    let mut written = 0;
    for line in &lines {
        let Some(path) = line["output"].as_str() else {
            assert!(line["error"].is_object(), "{line}");
            continue;
        };
        let octets = fs::read(scratch.path(path)).unwrap();
        assert_eq!(line["output_bytes"], octets.len(), "{path}");
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&octets);
        let digest: String = digest.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(line["output_sha256"], digest, "{path}");
        written += 1;
    }
    assert_eq!(seen.len(), written, "nothing else is in the folder");
    println!("{results} results of {inputs} inputs, killed {ends} times, {written} written once");
}

/// Holds the results that are there against those that were there before.
fn look(scratch: &Scratch, jobs: usize, seen: &mut BTreeMap<String, (u64, i64)>) {
    let out = scratch.path("out");
    if !out.exists() {
        return;
    }
    for path in files(&out) {
        let name = path.strip_prefix(&out).unwrap().display().to_string();
        if name.starts_with('.') || name == "remold-report.jsonl" {
            continue;
        }
        let found = fs::metadata(&path).unwrap();
        let now = (
            found.ino(),
            found.mtime_nsec() + found.mtime() * 1_000_000_000,
        );
        let first = *seen.entry(name.clone()).or_insert(now);
        assert_eq!(first, now, "{name} was written twice");
    }
    // What is there and not in the report is made again: no more than what was under way.
    let report = fs::read_to_string(out.join("remold-report.jsonl")).unwrap_or_default();
    let told = report
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = told.filter(|line| line["output"].is_string()).count();
    let untold = seen.len() - told;
    assert!(untold <= jobs, "{untold} results would be made again");
}

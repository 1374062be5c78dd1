//! The UAProf reader against every document of the corpus.

use std::path::{Path, PathBuf};
use std::process::Command;

use remold::Limits;
use remold::profile::Facts;
use remold::profile::uaprof::{UaProf, read};
use serde_json::{Value, json};

use crate::support::{corpus, remold};

/// A temporary folder that goes away with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is the temporary folder's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The documents of the corpus, unpacked, or `None` with a printed line.
fn documents(name: &str) -> Option<Folder> {
    let archive = corpus("uaprof/all.tar.xz")?;
    let folder = std::env::temp_dir().join(format!("remold-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("temporary folder");
    let folder = Folder(folder);
    let unpacked = Command::new("tar")
        .arg("xf")
        .arg(&archive)
        .arg("-C")
        .arg(&folder.0)
        .status();
    if !unpacked.is_ok_and(|status| status.success()) {
        println!("skipped: tar cannot unpack {}", archive.display());
        return None;
    }
    Some(folder)
}

fn list(profile: &UaProf, name: &str) -> Value {
    profile
        .values(name)
        .map_or(Value::Null, |values| json!(values))
}

fn flag(profile: &UaProf, name: &str) -> Value {
    match profile.value(name).map(str::to_ascii_lowercase).as_deref() {
        Some("yes") => json!(true),
        Some("no") => json!(false),
        _ => Value::Null,
    }
}

/// The fields of `expected.jsonl`, as this reader obtains them.
fn obtained(profile: &UaProf) -> Vec<(&'static str, Value)> {
    let (facts, _) = profile.facts();
    let size =
        |d: Option<remold::Dimensions>| d.map_or(Value::Null, |d| json!([d.width, d.height]));
    let drm = profile
        .all_values("MmsDrmClass")
        .or_else(|| profile.all_values("DrmClass"))
        .map_or(Value::Null, |values| json!(values));
    vec![
        ("vendor", json!(facts.vendor)),
        ("model", json!(facts.model)),
        ("screen", size(facts.screen)),
        ("bits_per_pixel", json!(facts.bits_per_pixel)),
        ("color", json!(facts.color)),
        ("image", flag(profile, "ImageCapable")),
        ("sound", flag(profile, "SoundOutputCapable")),
        ("mms_max_message_size", json!(facts.max_message_size)),
        ("mms_max_image_resolution", size(facts.max_image)),
        ("mms_accept", list(profile, "MmsCcppAccept")),
        ("mms_charsets", list(profile, "MmsCcppAcceptCharSet")),
        ("mms_versions", list(profile, "MmsVersion")),
        ("mms_content_classes", list(profile, "MmsContentClass")),
        ("mms_suppress_adaptation", json!(facts.suppress_adaptation)),
        ("mms_streaming", json!(facts.streaming)),
        ("drm_class", drm),
        ("max_polyphony", json!(facts.max_polyphony)),
        ("ccpp_accept", list(profile, "CcppAccept")),
    ]
}

#[test]
fn every_document_gives_what_a_lenient_extractor_obtains() {
    let Some(folder) = documents("fields") else {
        return;
    };
    let expected = std::fs::read_to_string(corpus("uaprof/expected.jsonl").unwrap()).unwrap();
    let explained = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/uaprof-differences.md"),
    )
    .unwrap();
    let (mut documents, mut usable, mut fields, mut equal) = (0_u32, 0_u32, 0_u32, 0_u32);
    let mut unexplained = Vec::new();
    for line in expected.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let file = row["file"].as_str().unwrap();
        let octets = std::fs::read(folder.0.join(file)).unwrap();
        let result = read(&octets, &Limits::default());
        let profile = result.as_ref().map(|d| d.value.clone()).unwrap_or_default();
        let values = obtained(&profile);
        let stated = values.iter().any(|(field, _)| !row[*field].is_null());
        if stated {
            documents += 1;
            // Usable: readable, with every limit it states.
            let limits = [
                "mms_max_message_size",
                "mms_max_image_resolution",
                "mms_accept",
                "screen",
            ];
            let complete = limits.iter().all(|limit| {
                let got = values.iter().find(|(field, _)| field == limit).unwrap();
                row[*limit].is_null() || !got.1.is_null()
            });
            usable += u32::from(result.is_ok() && complete);
        }
        for (field, value) in values {
            if row[field].is_null() && value.is_null() {
                continue;
            }
            fields += 1;
            equal += u32::from(row[field] == value);
            if row[field] != value && !explained.contains(&format!("| {file} | {field} |")) {
                unexplained.push(format!(
                    "| {file} | {field} | expected {} got {value}",
                    row[field]
                ));
            }
        }
    }
    println!("uaprof: {usable} of {documents} documents give usable limits");
    println!("uaprof: {equal} of {fields} fields as expected");
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    assert!(usable * 1000 >= documents * 995);
    assert!(equal * 1000 >= fields * 995);
}

#[test]
fn regenerated_documents_say_what_the_originals_say() {
    let Some(folder) = documents("pairs") else {
        return;
    };
    let pairs = std::fs::read_to_string(corpus("uaprof/PAIRS.tsv").unwrap()).unwrap();
    let facts = |file: &str| {
        let octets = std::fs::read(folder.0.join(file)).unwrap();
        read(&octets, &Limits::default()).map(|d| d.value.facts().0)
    };
    let (mut pairs_read, mut stubs, mut stated, mut equal) = (0_u32, 0_u32, 0_u32, 0_u32);
    for line in pairs.lines().skip(1) {
        let mut columns = line.split('\t');
        let (regenerated, original) = (columns.next().unwrap(), columns.next().unwrap());
        let original = rows(&facts(original).expect("originals are readable"));
        let Ok(regenerated) = facts(regenerated) else {
            stubs += 1;
            continue;
        };
        pairs_read += 1;
        // The tool that wrote them knew no attribute of MMS 1.2 or PSS: what is missing is not
        // counted, what is there is.
        for (ours, theirs) in rows(&regenerated).iter().zip(&original) {
            if ours.value.is_some() {
                stated += 1;
                equal += u32::from(ours.value == theirs.value);
            }
        }
    }
    println!("uaprof: {pairs_read} pairs, {stubs} stubs; {equal} of {stated} fields are the same");
    assert!(equal * 100 >= stated * 90);
}

fn rows(facts: &Facts) -> Vec<remold::profile::json::Row> {
    let mut device = remold::profile::Capabilities::default();
    device.fill(facts, &remold::profile::Source::Uaprof);
    device.rows()
}

#[test]
fn the_shipped_database_is_what_the_corpus_gives() {
    let Some(folder) = documents("import") else {
        return;
    };
    let index = corpus("uaprof/INDEX.tsv").unwrap();
    let made = folder.0.with_extension("tsv");
    let output = remold()
        .args(["profile", "import", "--index"])
        .arg(&index)
        .arg(&folder.0)
        .arg("-o")
        .arg(&made)
        .output()
        .unwrap();
    let database = std::fs::read(&made);
    let _ = std::fs::remove_file(&made);
    assert!(output.status.success());
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/devices.tsv");
    assert!(
        database.unwrap() == std::fs::read(shipped).unwrap(),
        "profiles/devices.tsv is stale: import it anew"
    );
}

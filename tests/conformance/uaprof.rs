//! The UAProf reader against every document of the corpus.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use remold::Limits;
use remold::profile::uaprof::{UaProf, read};
use serde_json::{Value, json};

use crate::support::corpus;

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
    let drm = match list(profile, "MmsDrmClass") {
        Value::Null => list(profile, "DrmClass"),
        drm => drm,
    };
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
    let Some(folder) = documents("uaprof") else {
        return;
    };
    let expected = std::fs::read_to_string(corpus("uaprof/expected.jsonl").unwrap()).unwrap();
    let mut fields = 0_u32;
    let mut differing: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in expected.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let file = row["file"].as_str().unwrap();
        let octets = std::fs::read(folder.0.join(file)).unwrap();
        let result = read(&octets, &Limits::default());
        let profile = result.as_ref().map(|d| d.value.clone()).unwrap_or_default();
        if result.is_err() && row["parsed"] == json!(true) {
            println!("ERR {file}: {:?} expected {}", result, row);
        }
        for (field, value) in obtained(&profile) {
            fields += 1;
            if row[field] != value {
                differing
                    .entry(field)
                    .or_default()
                    .push(format!("{file}: expected {} got {}", row[field], value));
            }
        }
    }
    for (field, rows) in &differing {
        println!("## {field}: {}", rows.len());
        for row in rows.iter().take(12) {
            println!("   {}", row.chars().take(600).collect::<String>());
        }
    }
    println!("{fields} fields");
}

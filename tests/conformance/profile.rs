//! `remold profile` from outside.

use std::process::Output;

use serde_json::Value;

use crate::support::remold;

fn run(args: &[&str]) -> Output {
    remold()
        .arg("profile")
        .args(args)
        .output()
        .expect("remold runs")
}

fn json(args: &[&str]) -> Value {
    let output = run(args);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON on stdout")
}

#[test]
fn every_class_and_device_is_listed_and_shown() {
    let rows = json(&["list", "--json"]);
    let rows = rows.as_array().unwrap();
    assert!(rows.len() > 2000);
    for id in [
        "mono-wbmp",
        "s40-gen1",
        "flip-176x220",
        "android-generic",
        "safe",
        "nokia-6100",
    ] {
        let row = rows
            .iter()
            .find(|row| row["id"] == id)
            .unwrap_or_else(|| panic!("{id}"));
        assert!(row["max_message_size"].is_u64(), "{id}");
        let shown = json(&["show", id, "--json"]);
        assert_eq!(shown["id"], id);
        assert_eq!(shown["max_message_size"]["value"], row["max_message_size"]);
        assert!(shown["accept"]["source"].is_string());
    }
}

#[test]
fn headers_are_matched_with_a_trail() {
    let found = json(&[
        "match",
        "--json",
        "--header",
        "User-Agent: KAIOS test KAIOS/2.5",
    ]);
    assert_eq!(found["device"]["id"], "kaios");
    let trail = found["trail"].as_array().unwrap();
    assert_eq!(trail.last().unwrap()["matched"], true);
    assert!(trail.len() > 1);
}

#[test]
fn imports_show_what_they_took_and_refuse_to_overwrite() {
    let folder = std::env::temp_dir().join(format!("remold-import-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let document = "<rdf:RDF><prf:Vendor>V</prf:Vendor><prf:Model>M</prf:Model></rdf:RDF>";
    std::fs::write(folder.join("a.xml"), document).unwrap();
    std::fs::write(folder.join("b.xml"), "<html>gone</html>").unwrap();
    std::fs::write(
        folder.join("index.tsv"),
        "file\turl\na.xml\thttp://h.test/m.xml\n",
    )
    .unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let (input, bad, index, out) = (
        path("a.xml"),
        path("b.xml"),
        path("index.tsv"),
        path("out.tsv"),
    );
    let args = ["import", &input, &bad, "--index", &index, "-o", &out];

    let output = run(&args);
    assert!(output.status.success(), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert!(lines[0].contains("b.xml") && lines[1].starts_with("1 devices, 1 URLs"));
    let written = std::fs::read_to_string(&out).unwrap();
    assert!(written.contains("v-m\tV\tM\n") && written.contains("h.test/m.xml\tv-m\n"));

    assert_eq!(run(&args).status.code(), Some(2));
    assert_eq!(
        run(&[&args[..], &["--force"]].concat()).status.code(),
        Some(0)
    );
    let shown = json(&["show", &input, "--json"]);
    assert_eq!(shown["model"], "M");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn wrong_input_has_the_exit_codes_of_the_contract() {
    assert_eq!(run(&["show", "no-such-device"]).status.code(), Some(2));
    let page = std::env::temp_dir().join(format!("remold-page-{}.xml", std::process::id()));
    std::fs::write(&page, "<html>").unwrap();
    let output = run(&["show", &page.display().to_string(), "--json"]);
    std::fs::remove_file(&page).unwrap();
    assert_eq!(output.status.code(), Some(6));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "undecodable");
}

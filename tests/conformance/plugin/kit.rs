//! What authors and operators do, as `docs/plugins.md` tells it.

use super::{Folder, build, built};
use crate::support::remold;

fn ppm(folder: &Folder) -> std::path::PathBuf {
    let path = folder.path("photo.ppm");
    let mut file = b"P6\n# a photo\n16 9\n255\n".to_vec();
    file.extend((0..16 * 9 * 3_u32).map(|at| (at * 5 % 251) as u8));
    std::fs::write(&path, file).unwrap();
    path
}

/// From nothing to a checked plugin: begin, build, check, use.
#[test]
fn a_new_plugin_builds_passes_its_check_and_works() {
    let folder = Folder::new("new");
    for (kind, name) in [
        ("image-decoder", "kit-decoder"),
        ("image-encoder", "kit-encoder"),
        ("audio-decoder", "kit-sound"),
        ("audio-encoder", "kit-recorder"),
        ("video-decoder", "kit-reader"),
        ("video-encoder", "kit-writer"),
    ] {
        let output = remold()
            .args(["plugin", "new", "--kind", kind, name, "--folder"])
            .arg(&folder.0)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let Some(component) = build(&folder.path(name), &name.replace('-', "_")) else {
            return;
        };
        let photo = ppm(&folder);
        let mut check = remold();
        check.args(["plugin", "check"]).arg(&component);
        if kind == "image-decoder" {
            check.arg("--sample").arg(&photo);
        }
        let output = check.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        if matches!(kind, "audio-decoder" | "video-decoder") {
            // There is no sample of its kind here.
            assert_eq!(output.status.code(), Some(3), "{text}");
            assert!(text.contains("--sample"), "{text}");
            continue;
        }
        assert!(output.status.success(), "{text}");
        if kind == "image-decoder" {
            assert!(
                text.contains("16x9, 1 frame(s)") && text.contains("fuel a pixel"),
                "{text}"
            );
            let made = folder.path("photo.png");
            let output = remold()
                .args(["plugin", "run"])
                .arg(&component)
                .arg(&photo)
                .arg("-o")
                .arg(&made)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(std::fs::read(made).unwrap().starts_with(b"\x89PNG"));
        }
    }
}

#[test]
fn a_check_fails_where_a_sample_is_not_read() {
    let Some(component) = built("qoi") else {
        return;
    };
    let folder = Folder::new("check");
    let output = remold()
        .args(["plugin", "check", "--json"])
        .arg(&component)
        .arg("--sample")
        .arg(ppm(&folder))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["passed"], false);
}

/// Four blocks of IMA ADPCM, of 505 samples each at 8 kHz.
fn ima_wav(folder: &Folder) -> std::path::PathBuf {
    const BLOCKS: u32 = 4;
    let mut file = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
    file.extend(20_u32.to_le_bytes());
    for (tag, octets) in [
        (0x11_u32, 2),
        (1, 2),
        (8_000, 4),
        (4_055, 4),
        (256, 2),
        (4, 2),
    ] {
        file.extend(&tag.to_le_bytes()[..octets]);
    }
    file.extend([2, 0, 0xF9, 1]);
    file.extend(b"data");
    file.extend((BLOCKS * 256).to_le_bytes());
    for at in 0..BLOCKS * 256 {
        let head = [0, 0, 20, 0];
        let body = (at * 37 % 256) as u8;
        file.push(head.get((at % 256) as usize).copied().unwrap_or(body));
    }
    let length = file.len() as u32 - 8;
    file[4..8].copy_from_slice(&length.to_le_bytes());
    let path = folder.path("memo.wav");
    std::fs::write(&path, file).unwrap();
    path
}

#[test]
fn a_plugin_of_sound_is_run_and_measured() {
    let Some(component) = built("ima-adpcm") else {
        return;
    };
    let folder = Folder::new("sound");
    let (memo, made) = (ima_wav(&folder), folder.path("memo.amr"));
    let run = |input: &std::path::Path| {
        let mut command = remold();
        command.args(["plugin", "run", "--force"]).arg(&component);
        command.arg(input).arg("-o").arg(&made).output().unwrap()
    };
    let output = run(&memo);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !told.contains("no part"),
        "{told}"
    );
    // A quarter of a second.
    let octets = std::fs::read(&made).unwrap();
    assert!(
        octets.starts_with(b"#!AMR\n") && octets.len() > 150,
        "{}",
        octets.len()
    );
    let output = run(&made);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("had no part in this"), "{told}");

    let bench = |sample: &std::path::Path| {
        let mut command = remold();
        command
            .args(["plugin", "bench", "--rounds", "2"])
            .arg(&component);
        command.arg("--sample").arg(sample).output().unwrap()
    };
    let output = bench(&memo);
    let table = String::from_utf8_lossy(&output.stdout);
    for row in [
        "start",
        "decode 4 packets of adpcm, in the sandbox",
        "adpcm, built in",
    ] {
        assert!(table.contains(row), "{output:?}");
    }
    let output = bench(&made);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
}

#[test]
fn a_list_tells_what_is_used_and_what_is_refused() {
    let Some(component) = built("qoi") else {
        return;
    };
    let folder = Folder::new("list").with(&component, "priority = 7");
    std::fs::write(folder.path("broken.wasm"), b"no component").unwrap();
    std::fs::write(folder.path("off.wasm"), b"no component").unwrap();
    std::fs::write(folder.path("off.toml"), b"enabled = false").unwrap();
    let list = |more: &[&str]| {
        let output = remold()
            .args(["plugin", "list"])
            .arg(&folder.0)
            .args(more)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let table = list(&[]);
    for (file, state) in [
        ("broken.wasm", "refused: no component"),
        ("off.wasm", "switched off"),
        ("qoi.wasm", "in use"),
    ] {
        let line = table.lines().find(|line| line.starts_with(file)).unwrap();
        assert!(line.contains(state), "{line}");
    }
    let json: serde_json::Value = serde_json::from_str(&list(&["--json"])).unwrap();
    assert_eq!(json[2]["priority"], 7);
    assert_eq!(json[2]["codecs"][0], "image-decoder qoi");
}

/// What is compiled once is taken from the cache, and from a cache that others can write to never.
#[test]
fn compiled_plugins_are_kept_for_their_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let Some(component) = built("qoi") else {
        return;
    };
    let folder = Folder::new("cache");
    let cache = folder.path("compiled");
    let compile = || {
        remold()
            .args(["plugin", "compile"])
            .arg(&component)
            .arg("--cache")
            .arg(&cache)
            .output()
            .unwrap()
    };
    assert!(compile().status.success());
    let kept = std::fs::read_dir(&cache).unwrap().count();
    assert_eq!(kept, 1);
    assert!(compile().status.success());
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
    std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o770)).unwrap();
    let output = compile();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("chmod 700"));
}

/// A plugin whose manifest pins a key is used with its signature and refused without.
#[test]
fn a_signed_plugin_is_taken_and_another_is_not() {
    let Some(component) = built("qoi") else {
        return;
    };
    let folder = Folder::new("sign").with(&component, "");
    let plugin = folder.path("qoi.wasm");
    let sign = |more: &[&str]| {
        remold()
            .args(["plugin", "sign"])
            .arg(&plugin)
            .arg("--key")
            .arg(folder.path("author.key"))
            .args(more)
            .output()
            .unwrap()
    };
    assert_eq!(sign(&[]).status.code(), Some(5), "there is no key yet");
    let output = sign(&["--new-key"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let pin = text
        .lines()
        .find(|line| line.contains("signed-by"))
        .unwrap();
    std::fs::write(folder.path("qoi.toml"), pin.trim()).unwrap();
    let state = || {
        let output = remold()
            .args(["plugin", "list"])
            .arg(&folder.0)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(state().contains("in use"), "{}", state());
    assert!(
        !sign(&["--new-key"]).status.success(),
        "a key is never overwritten"
    );
    std::fs::write(folder.path("qoi.wasm.sig"), "00".repeat(64)).unwrap();
    assert!(state().contains("refused: the signature"), "{}", state());
    std::fs::remove_file(folder.path("qoi.wasm.sig")).unwrap();
    assert!(
        state().contains("refused: there is no signature"),
        "{}",
        state()
    );
    assert!(sign(&[]).status.success());
    assert!(state().contains("in use"), "{}", state());
}

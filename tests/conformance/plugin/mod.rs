//! Plugins: real ones against independent programs, hostile ones against the sandbox, and the kit
//! that authors begin with.

mod codecs;
mod hostile;
mod kit;
mod stress;
mod tracks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use remold::limits::PluginLimits;
use remold::plugin::{Host, Manifest, NoCache, Plugin};

const TARGET: &str = "wasm32-unknown-unknown";

/// A plugin of `plugins/`, built, or `None` with a printed line where it cannot be built here.
pub(super) fn built(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("plugins")
        .join(name);
    build(&folder, &name.replace('-', "_"))
}

/// Builds a plugin's folder with plain cargo. What the plugins share is built once.
pub(super) fn build(folder: &Path, file: &str) -> Option<PathBuf> {
    static DONE: Mutex<BTreeMap<PathBuf, bool>> = Mutex::new(BTreeMap::new());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    let component = target
        .join(TARGET)
        .join("release")
        .join(format!("{file}.wasm"));
    let mut done = DONE.lock().unwrap();
    if let Some(there) = done.get(folder) {
        return there.then_some(component);
    }
    let there = try_build(folder, &target);
    done.insert(folder.to_owned(), there);
    there.then_some(component)
}

fn try_build(folder: &Path, target: &Path) -> bool {
    let cargo = || {
        let mut command = Command::new("cargo");
        command
            .args(["build", "--release"])
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", target);
        // What the tests themselves are built with is not for another machine.
        for name in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "RUSTC_WRAPPER",
        ] {
            command.env_remove(name);
        }
        command.output()
    };
    let Ok(mut output) = cargo() else {
        println!("skipped: cargo is not at hand");
        return false;
    };
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    if said(&output).contains("target may not be installed") {
        let added = Command::new("rustup")
            .args(["target", "add", TARGET])
            .output();
        if !added.is_ok_and(|added| added.status.success()) {
            println!("skipped: the target {TARGET} is not installed and cannot be added");
            return false;
        }
        output = cargo().expect("cargo ran before");
    }
    let text = said(&output);
    let offline = [
        "failed to download",
        "Could not resolve",
        "failed to get",
        "download of",
    ];
    if !output.status.success() && offline.iter().any(|sign| text.contains(sign)) {
        println!("skipped: the crates of the plugin kit are not here and cannot be fetched");
        return false;
    }
    assert!(output.status.success(), "{}: {text}", folder.display());
    true
}

/// A sandbox with these bounds and the system's clock.
pub(super) fn host(limits: PluginLimits) -> Host {
    let start = Instant::now();
    Host::new(limits, Arc::new(move || start.elapsed())).expect("a sandbox")
}

/// A component, loaded with a manifest.
pub(super) fn load(host: &Host, component: &Path, manifest: &str) -> Plugin {
    let octets = std::fs::read(component).expect("a component");
    let manifest = Manifest::read(manifest).expect("a manifest");
    host.load(&octets, &manifest, &NoCache).expect("loads")
}

/// A folder of plugins with their manifests, gone afterwards.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("remold-{}-plugin-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(super) fn with(self, component: &Path, manifest: &str) -> Self {
        let name = component.file_name().expect("a name");
        let copy = self.0.join(name);
        std::fs::copy(component, &copy).expect("copied");
        std::fs::write(copy.with_extension("toml"), manifest).expect("written");
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A QOI file of a picture, written in the plainest way the format has.
pub(super) fn qoi(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
    let mut file = b"qoif".to_vec();
    file.extend(width.to_be_bytes());
    file.extend(height.to_be_bytes());
    file.extend([4, 0]);
    for y in 0..height {
        for x in 0..width {
            file.push(0xFF);
            file.extend(pixel(x, y));
        }
    }
    file.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    file
}

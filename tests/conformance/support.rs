//! What the tests share: fixtures, the corpus, independent tools.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of `tests/data`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// A file or folder of the corpus beside the checkout, or `None` with a printed line: it holds
/// third parties' files and is not part of the project.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/corpus")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: the corpus is not here ({name})");
    None
}

/// Every file below a folder, in a stable order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("folder is readable") {
            let path = entry.expect("entry is readable").path();
            if path.is_dir() {
                open.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    found
}

/// An independent tool of the system, or `None` with a printed line.
pub(crate) fn tool(name: &str) -> Option<Command> {
    if Command::new(name).arg("--version").output().is_ok() {
        return Some(Command::new(name));
    }
    println!("skipped: {name} is not installed");
    None
}

/// The `remold` command under test.
pub(crate) fn remold() -> Command {
    Command::new(env!("CARGO_BIN_EXE_remold"))
}

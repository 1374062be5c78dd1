//! The shape of the source: which layer may use which, what the core may not touch, and the
//! house numbers. A failure says the file, the line, the arrow and what is allowed instead.
//!
//! The sources are read as tokens, so a path in a comment or a string is no arrow. Code under
//! `#[cfg(test)]` is left out: a test may reach for whatever it needs.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

#[path = "architecture/tokens.rs"]
mod tokens;

use tokens::{paths, tokens, tree, without_tests};

/// Layers that every other layer may use and that use none.
const LEAVES: &[&str] = &["dimensions", "limits"];

/// Each layer and the layers it may use, beside itself and the leaves. `*` is every layer.
const ARROWS: &[(&str, &[&str])] = &[
    ("dimensions", &[]),
    ("limits", &[]),
    ("mms", &[]),
    ("profile", &["mms"]),
    ("media", &[]),
    ("plugin", &["media"]),
    ("adapt", &["mms", "profile", "media"]),
    ("store", &["mms"]),
    ("relay", &["store", "adapt", "mms"]),
    ("listen", &[]),
    ("mm1", &["listen", "relay", "mms", "profile"]),
    ("mm4", &["listen", "relay", "mms", "profile"]),
    ("mm7", &["relay", "mms", "profile"]),
    ("batch", &["adapt", "mms", "media", "profile"]),
    (
        "server",
        &[
            "mms", "profile", "media", "plugin", "adapt", "store", "relay", "mm1", "mm4", "mm7",
            "batch",
        ],
    ),
    ("cli", &["*"]),
];

/// Layers that are functions of their arguments.
const CORE: &[&str] = &[
    "dimensions",
    "limits",
    "mms",
    "profile",
    "media",
    "plugin",
    "adapt",
];

/// What such a layer may not name: the world outside.
const WORLD: &[&str] = &[
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::env",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio",
];

/// What sounds like the world and is plain data.
const DATA: &[&str] = &[
    "std::net::AddrParseError",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
];

/// Macros and functions that speak with the outside, each with the token behind its name.
const WORLD_CALLS: &[(&str, &str)] = &[
    ("dbg", "!"),
    ("eprint", "!"),
    ("eprintln", "!"),
    ("print", "!"),
    ("println", "!"),
    ("stderr", "("),
    ("stdin", "("),
    ("stdout", "("),
];

/// Files that may be long because a program wrote them. Paths from the package's root.
const GENERATED: &[&str] = &[];

const LONGEST_FILE: usize = 1_000;
const P90_FILE: usize = 600;
const MEDIAN_FILE: usize = 300;
const LINES_PER_TEST: usize = 100;

#[test]
fn every_arrow_points_down() {
    let exports = root_exports(&read(&root().join("src/lib.rs")));
    let breaches: Vec<Breach> = sources("src")
        .iter()
        .flat_map(|file| arrow_breaches(&file.path, &file.text, &exports))
        .collect();
    report("an import points up", &breaches);
}

#[test]
fn the_core_knows_no_file_no_socket_and_no_clock() {
    let breaches: Vec<Breach> = sources("src")
        .iter()
        .flat_map(|file| world_breaches(&file.path, &file.text))
        .collect();
    report("the core names the world outside", &breaches);
}

#[test]
fn nothing_is_left_for_later() {
    let breaches: Vec<Breach> = sources("src")
        .iter()
        .flat_map(|file| unfinished(&file.path, &file.text))
        .collect();
    report("unfinished work", &breaches);
}

#[test]
fn every_file_is_compiled() {
    let files: Vec<Source> = ["src", "tests"].into_iter().flat_map(sources).collect();
    let breaches: Vec<Breach> = files
        .iter()
        .filter(|file| !is_declared(&file.path, &files))
        .map(|file| Breach {
            file: file.path.clone(),
            line: 1,
            what: "no `mod` declares this file, so nothing in it is compiled".to_owned(),
        })
        .collect();
    report("a file is left out", &breaches);
}

#[test]
fn unsafe_code_is_forbidden() {
    let manifest = read(&root().join("Cargo.toml"));
    let lints = manifest
        .split("\n[")
        .find(|table| table.starts_with("lints.rust]"))
        .expect("Cargo.toml has a [lints.rust] table");
    assert!(
        lints.lines().any(|line| line
            .split_whitespace()
            .eq(["unsafe_code", "=", "\"forbid\""])),
        "Cargo.toml must say unsafe_code = \"forbid\" under [lints.rust]"
    );
    for file in sources("src") {
        let unsafes = tokens(&file.text).iter().any(|t| t.text == "unsafe");
        assert!(!unsafes, "{}: the word `unsafe`", file.path);
    }
}

#[test]
fn the_house_numbers_hold() {
    let sources = sources("src");
    let numbers = Numbers::of(&sources, &self::sources("tests"));
    println!("{numbers}");
    let long: Vec<String> = sources
        .iter()
        .filter(|file| !GENERATED.contains(&file.path.as_str()))
        .filter(|file| file.lines() > LONGEST_FILE)
        .map(|file| format!("{}: {} lines", file.path, file.lines()))
        .collect();
    assert!(
        long.is_empty(),
        "no file may exceed {LONGEST_FILE} lines:\n{}",
        long.join("\n")
    );
    assert!(numbers.median <= MEDIAN_FILE, "median over {MEDIAN_FILE}");
    assert!(numbers.p90 <= P90_FILE, "90th percentile over {P90_FILE}");
    assert!(
        numbers.tests.saturating_mul(LINES_PER_TEST) >= numbers.lines,
        "fewer than one test per {LINES_PER_TEST} lines"
    );
}

/// One rule broken at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Breach {
    file: String,
    line: usize,
    what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

fn report(title: &str, breaches: &[Breach]) {
    let lines: Vec<String> = breaches.iter().map(Breach::to_string).collect();
    assert!(
        breaches.is_empty(),
        "{title} ({}):\n{}",
        breaches.len(),
        lines.join("\n")
    );
}

/// A source file; its path is relative to the package, with forward slashes.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn lines(&self) -> usize {
        self.text.lines().count()
    }
}

struct Numbers {
    files: usize,
    lines: usize,
    tests: usize,
    median: usize,
    p90: usize,
    longest: usize,
}

impl Numbers {
    /// Lengths are those of the sources alone; lines and tests count the black-box tests too.
    fn of(sources: &[Source], tests: &[Source]) -> Self {
        let mut lengths: Vec<usize> = sources.iter().map(Source::lines).collect();
        lengths.sort_unstable();
        let at = |percent: usize| {
            let last = lengths.len().saturating_sub(1);
            *lengths
                .get(last.saturating_mul(percent) / 100)
                .unwrap_or(&0)
        };
        let all = || sources.iter().chain(tests);
        Self {
            files: lengths.len(),
            lines: all().map(Source::lines).sum(),
            tests: all().map(|file| count_tests(&file.text)).sum(),
            median: at(50),
            p90: at(90),
            longest: at(100),
        }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "house numbers: {} source files, median {} lines, 90th percentile {}, longest {}; \
             {} lines with tests, {} tests, one per {} lines",
            self.files,
            self.median,
            self.p90,
            self.longest,
            self.lines,
            self.tests,
            self.lines / self.tests.max(1)
        )
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn sources(folder: &str) -> Vec<Source> {
    let mut open: Vec<PathBuf> = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("folder is readable") {
            let path = entry.expect("entry is readable").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let inside = path.strip_prefix(root()).expect("path is in the package");
                found.push(Source {
                    path: inside.to_string_lossy().replace('\\', "/"),
                    text: read(&path),
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The module path of a file of `src`: `src/mms/pdu/mod.rs` is `["mms", "pdu"]`.
fn module(path: &str) -> Vec<String> {
    let inside = path.strip_prefix("src/").unwrap_or(path);
    let mut module: Vec<String> = inside
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}

/// Whether some file declares the module in the file at `path`, or cargo takes it for a root.
fn is_declared(path: &str, files: &[Source]) -> bool {
    let stem = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let Some((folder, name)) = stem.rsplit_once('/') else {
        return true;
    };
    if matches!(name, "lib" | "main") || folder == "tests" {
        return true;
    }
    let parents = ["mod", "lib", "main"].map(|parent| format!("{folder}/{parent}.rs"));
    files
        .iter()
        .filter(|file| parents.contains(&file.path) || file.path == format!("{folder}.rs"))
        .any(|file| {
            tokens(&file.text)
                .windows(2)
                .any(|pair| pair.iter().map(|t| t.text.as_str()).eq(["mod", name]))
        })
}

/// Whether a module is tests alone: a file `tests.rs`, or one of a folder `tests`.
fn is_test(module: &[String]) -> bool {
    module.iter().any(|name| name == "tests")
}

/// Names that `lib.rs` re-exports, each with the layer it comes from.
fn root_exports(lib: &str) -> BTreeMap<String, String> {
    let tokens = tokens(lib);
    let mut exports = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.text == "use" {
            for path in tree(&tokens, at + 1).0 {
                if let [layer, .., name] = path.as_slice() {
                    exports.insert(name.clone(), layer.clone());
                }
            }
        }
    }
    exports
}

/// Imports of `file` that its layer does not allow.
fn arrow_breaches(file: &str, text: &str, exports: &BTreeMap<String, String>) -> Vec<Breach> {
    let module = module(file);
    let Some(from) = module.first().filter(|name| *name != "lib") else {
        return Vec::new();
    };
    if is_test(&module) {
        return Vec::new();
    }
    let breach = |line, what| Breach {
        file: file.to_owned(),
        line,
        what,
    };
    if from == "main" {
        return Vec::new();
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(layer, _)| layer == from) else {
        return vec![breach(
            1,
            format!("layer `{from}` is in no table of arrows"),
        )];
    };
    let mut breaches = Vec::new();
    for used in paths(text) {
        let to = match used.segments.first().map(String::as_str) {
            Some("crate") => used.segments.get(1),
            Some("super") => {
                let up = used.segments.iter().take_while(|s| *s == "super").count();
                let depth = module.len() + used.depth;
                match up.cmp(&depth) {
                    std::cmp::Ordering::Less => None,
                    _ => used.segments.get(up),
                }
            }
            _ => None,
        };
        let Some(to) = to else { continue };
        let to = exports.get(to).unwrap_or(to);
        let fine = to == from
            || LEAVES.contains(&to.as_str())
            || allowed.contains(&"*")
            || allowed.contains(&to.as_str());
        if !fine {
            let allowed: Vec<&str> = allowed.iter().chain(LEAVES).copied().collect();
            breaches.push(breach(
                used.line,
                format!(
                    "{from} → {to} ({}); {from} may use: {}",
                    used.segments.join("::"),
                    allowed.join(", ")
                ),
            ));
        }
    }
    breaches
}

/// Names of files, sockets, clocks and the like in a file of the core.
fn world_breaches(file: &str, text: &str) -> Vec<Breach> {
    let module = module(file);
    let layer = module.first().map_or("", String::as_str);
    if !CORE.contains(&layer) || is_test(&module) {
        return Vec::new();
    }
    let breach = |line, what| Breach {
        file: file.to_owned(),
        line,
        what,
    };
    let named = paths(text).into_iter().filter_map(|used| {
        let name = used.segments.join("::");
        if DATA.contains(&name.as_str()) {
            return None;
        }
        let reaches = |world: &str| {
            let below = name
                .strip_prefix(world)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
            // `use std::time` or `use std::time::*` puts the clock within reach as well.
            let above = name.strip_suffix("::*").unwrap_or(&name);
            below || (above != name || used.import) && world.starts_with(&format!("{above}::"))
        };
        let world = WORLD.iter().find(|world| reaches(world))?;
        Some(breach(
            used.line,
            format!("{layer} names {name}: no {world} in the core, take it as an argument"),
        ))
    });
    let code = without_tests(&tokens(text));
    let called = code.windows(2).filter_map(|pair| match pair {
        [name, next] if WORLD_CALLS.contains(&(name.text.as_str(), next.text.as_str())) => {
            Some(breach(name.line, format!("{layer} calls {}", name.text)))
        }
        _ => None,
    });
    named.chain(called).collect()
}

/// Marks of work that is not done.
fn unfinished(file: &str, text: &str) -> Vec<Breach> {
    // Spelt in halves so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let macros = [concat!("to", "do"), concat!("unimple", "mented")];
    let mut breaches = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        let marked = words.clone().find(|word| marks.contains(word));
        let called = macros
            .iter()
            .find(|name| line.contains(&format!("{name}!(")));
        if let Some(mark) = marked.or(called.copied()) {
            breaches.push(Breach {
                file: file.to_owned(),
                line: number + 1,
                what: format!("`{mark}`: finish it or file it, do not leave it in the source"),
            });
        }
    }
    breaches
}

fn count_tests(text: &str) -> usize {
    let tokens = tokens(text);
    tokens
        .windows(4)
        .filter(|w| {
            w.iter()
                .map(|t| t.text.as_str())
                .eq(["#", "[", "test", "]"])
        })
        .count()
}

/// The checker itself, on sources with known faults.
mod checker {
    use super::*;

    fn arrows(file: &str, text: &str) -> Vec<String> {
        let exports = root_exports("pub use mms::Message; pub use adapt::{plan, Plan as P};");
        arrow_breaches(file, text, &exports)
            .iter()
            .map(Breach::to_string)
            .collect()
    }

    #[test]
    fn an_arrow_that_points_up_is_caught() {
        let found = arrows("src/mms/x.rs", "fn f() {}\nuse crate::adapt::Plan;");
        assert_eq!(
            found,
            ["src/mms/x.rs:2: mms → adapt (crate::adapt::Plan); mms may use: dimensions, limits"]
        );
        for text in [
            "use crate::{limits::Limits, media::Format};",
            "fn f() -> crate::media::Format { todo }",
            "use super::super::media::Format;",
            "mod inner { use super::super::super::media::Format; }",
            "use crate::plan;",
            "macro_rules! m { () => { $crate::media::f() } }",
            "type T = <crate::profile::Capabilities as Clone>::X;",
        ] {
            assert_eq!(arrows("src/mms/x.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn an_arrow_that_points_down_is_not() {
        for text in [
            "use crate::Message; use crate::Limits; use crate::dimensions::Dimensions;",
            "use super::media::local; use super::super::limits::Limits;",
            "// crate::media::Format\nconst A: &str = \"crate::media::Format\";",
            "const A: &str = r#\"crate::media::Format \" \"#; const B: char = '\"';",
            "#[cfg(test)]\nmod tests { use crate::media::Format; fn f<'a>() {} }",
            "/* crate::media /* nested */ crate::media */ pub(crate) fn f() {}",
        ] {
            let exports = BTreeMap::from([
                ("Message".to_owned(), "mms".to_owned()),
                ("Limits".to_owned(), "limits".to_owned()),
            ]);
            let found = arrow_breaches("src/mms/x.rs", text, &exports);
            assert_eq!(found, [], "{text}");
        }
        assert!(arrows("src/cli/adapt.rs", "use crate::media::Format;").is_empty());
        assert!(arrows("src/mms/x/tests.rs", "use crate::media::Format;").is_empty());
        assert!(arrows("src/lib.rs", "pub use adapt::Plan;").is_empty());
    }

    #[test]
    fn a_layer_without_a_row_is_caught() {
        let found = arrows("src/helpers/mod.rs", "");
        assert_eq!(
            found,
            ["src/helpers/mod.rs:1: layer `helpers` is in no table of arrows"]
        );
    }

    #[test]
    fn the_world_is_caught_in_the_core_alone() {
        for text in [
            "use std::fs;",
            "use std::{fmt, fs::File};",
            "fn f() { let _ = std::time::Instant::now(); }",
            "use std::time;",
            "use std::time::*;",
            "use std::time::{Duration, SystemTime};",
            "use tokio::sync::mpsc;",
            "fn f() { println!(\"\"); }",
            "use std::io; fn f() { io::stdin().read(); }",
        ] {
            assert_eq!(world_breaches("src/media/x.rs", text).len(), 1, "{text}");
            assert_eq!(world_breaches("src/cli/x.rs", text), [], "{text}");
        }
        for text in [
            "use std::time::Duration;",
            "use std::fmt;",
            "use std::io::{self, Read};",
            "use std::net::Ipv4Addr;",
            "#[cfg(test)] mod tests { use std::fs; }",
            "//! std::fs\nfn f() { \"std::fs\"; }",
        ] {
            assert_eq!(world_breaches("src/media/x.rs", text), [], "{text}");
        }
    }

    #[test]
    fn a_file_that_nothing_declares_is_caught() {
        let file = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let files = [
            file("src/lib.rs", "pub mod a; // mod b;"),
            file("src/a/mod.rs", "mod c;"),
            file("src/a/c.rs", ""),
            file("src/b.rs", ""),
            file("src/a/d.rs", ""),
        ];
        let missing: Vec<&str> = files
            .iter()
            .map(|file| file.path.as_str())
            .filter(|path| !is_declared(path, &files))
            .collect();
        assert_eq!(missing, ["src/b.rs", "src/a/d.rs"]);
    }

    #[test]
    fn unfinished_work_is_caught() {
        let mark = ["TO", "DO"].concat();
        let call = ["unimple", "mented!()"].concat();
        let found = unfinished("a.rs", &format!("ok\n// {mark}: later\n{call}\n{mark}LIST"));
        let lines: Vec<usize> = found.iter().map(|breach| breach.line).collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn tests_and_lengths_are_counted() {
        let file = |lines: usize, text: &str| Source {
            path: String::new(),
            text: format!("{text}\n").repeat(lines),
        };
        let sources = [file(10, "#[test]"), file(20, "// #[test]"), file(300, "")];
        let numbers = Numbers::of(&sources, &[file(70, "#[test] fn f() {}")]);
        assert_eq!((numbers.files, numbers.lines, numbers.tests), (3, 400, 80));
        assert_eq!(
            (numbers.median, numbers.p90, numbers.longest),
            (20, 20, 300)
        );
    }
}

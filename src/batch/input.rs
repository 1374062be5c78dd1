//! Finding the inputs of a job.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::glob;
use super::manifest::Entry;
use super::object::{self, Found, Objects};

/// One input of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The file, or the URL of an object.
    pub path: PathBuf,
    /// Its folder, below the folder or the pattern that it was found by.
    pub dir: String,
    /// Devices that it is for, where not for those of the whole job.
    pub devices: Option<Arc<[String]>>,
    /// How its results are called, where not as all others.
    pub output: Option<Arc<str>>,
    /// Why it is no input at all.
    pub fault: Option<String>,
    /// What a listing said of it, where it is an object.
    pub found: Option<Found>,
}

impl Input {
    /// A file, its results to be written below `dir`.
    #[must_use]
    pub fn new(path: PathBuf, dir: &Path) -> Self {
        Self {
            path,
            dir: inside(dir).to_string_lossy().into_owned(),
            devices: None,
            output: None,
            fault: None,
            found: None,
        }
    }

    fn faulty(path: PathBuf, dir: &Path, fault: impl Into<String>) -> Self {
        Self {
            fault: Some(fault.into()),
            ..Self::new(path, dir)
        }
    }
}

/// Inputs in the order in which they were found, each once.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The inputs.
    pub found: Vec<Input>,
    /// What was passed over, for a person to know: one sentence each.
    pub notes: Vec<String>,
    known: HashSet<PathBuf>,
}

/// How folders are searched.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Whether names that begin with a full stop are inputs, too.
    pub hidden: bool,
    /// Folders and files that are no inputs: where results and the report are written.
    pub without: Vec<PathBuf>,
}

impl Inputs {
    /// Adds what was named on the command line: files, folders with all that is below them, patterns,
    /// and URLs of objects, with all that is below them.
    pub fn add_operands(&mut self, operands: &[PathBuf], search: &Search, objects: &dyn Objects) {
        let mut files = Vec::new();
        for operand in operands {
            let text = operand.to_string_lossy();
            if let Some(url) = object::url(operand) {
                self.spread_files(&mut files);
                self.add_objects(url, search, objects);
            } else if glob::is_pattern(&text) && fs::symlink_metadata(operand).is_err() {
                self.spread_files(&mut files);
                self.add_pattern(&text, search);
            } else if operand.is_dir() {
                self.spread_files(&mut files);
                self.add_folder(operand, None, search);
            } else {
                files.push(Entry {
                    path: operand.clone(),
                    ..Entry::default()
                });
            }
        }
        self.spread_files(&mut files);
    }

    fn spread_files(&mut self, files: &mut Vec<Entry>) {
        self.add_entries(std::mem::take(files));
    }

    /// Adds what a list names: files. Results keep the folders below the one they share.
    pub fn add_entries(&mut self, entries: Vec<Entry>) {
        let shared = shared_folder(entries.iter().map(|entry| entry.path.as_path()));
        for entry in entries {
            let parent = entry.path.parent().unwrap_or(Path::new(""));
            let dir = parent
                .strip_prefix(&shared)
                .unwrap_or(Path::new(""))
                .to_owned();
            let devices = Some(entry.devices).filter(|devices| !devices.is_empty());
            let mut input = look(entry.path, &dir);
            input.devices = devices.map(Into::into);
            input.output = entry.output.map(Into::into);
            self.add(input);
        }
    }

    fn add_pattern(&mut self, pattern: &str, search: &Search) {
        let (base, components) = glob::split(pattern);
        let before = self.found.len();
        self.add_folder(&base, Some(&components), search);
        if self.found.len() == before {
            let fault = "nothing fits this pattern";
            self.add(Input::faulty(pattern.into(), Path::new(""), fault));
        }
    }

    /// Adds the objects below a URL, or those that fit it where its key is a pattern.
    fn add_objects(&mut self, url: &str, search: &Search, objects: &dyn Objects) {
        let nowhere = Path::new("");
        let Some((bucket, key)) = object::parts(url) else {
            let fault = "is no URL such as s3://bucket/folder";
            return self.add(Input::faulty(url.into(), nowhere, fault));
        };
        let (base, pattern) = match glob::split(key) {
            (base, pattern) if glob::is_pattern(key) => {
                (base.to_string_lossy().into_owned(), pattern)
            }
            _ => (key.to_owned(), Vec::new()),
        };
        let base = if base == "." {
            ""
        } else {
            base.trim_end_matches('/')
        };
        let root = object::of(bucket, base);
        let listed = match objects.below(&root) {
            Ok(listed) => listed,
            Err(fault) => return self.add(Input::faulty(url.into(), nowhere, fault)),
        };
        let before = self.found.len();
        for (url, found) in listed {
            let below = url.strip_prefix(&root).unwrap_or_default();
            let below = below.trim_start_matches('/').to_owned();
            let names: Vec<String> = below.split('/').map(str::to_owned).collect();
            let hidden = names.iter().any(|name| name.starts_with('.')) && !search.hidden;
            let fits = pattern.is_empty() || glob::matches(&pattern, &names);
            // A key that ends so stands for a folder.
            if hidden || !fits || url.ends_with('/') {
                continue;
            }
            let dir = below.rsplit_once('/').map_or("", |(dir, _)| dir);
            self.add(Input {
                found: Some(found),
                ..Input::new(url.into(), Path::new(dir))
            });
        }
        if self.found.len() == before {
            let fault = if pattern.is_empty() {
                "nothing is there"
            } else {
                "nothing fits this pattern"
            };
            self.add(Input::faulty(url.into(), nowhere, fault));
        }
    }

    fn add(&mut self, input: Input) {
        if self.known.insert(input.path.clone()) {
            self.found.push(input);
        }
    }

    /// Walks a folder in the order of names: first all that is really in it, then what its links
    /// lead to. No folder is read twice, so links in circles end.
    fn add_folder(&mut self, root: &Path, pattern: Option<&[String]>, search: &Search) {
        let root = if root == Path::new(".") {
            Path::new("")
        } else {
            root
        };
        let mut walk = Walk {
            seen: HashSet::new(),
            open: vec![root.to_owned()],
            links: VecDeque::new(),
        };
        loop {
            while let Some(folder) = walk.open.pop() {
                self.add_children(root, &folder, pattern, search, &mut walk);
            }
            let Some(link) = walk.links.pop_front() else {
                return;
            };
            if is_around(&link) {
                let dir = link.strip_prefix(root).unwrap_or(Path::new(""));
                let dir = dir.parent().unwrap_or(Path::new("")).to_owned();
                let fault = "is a link to a folder that it is in itself";
                self.add(Input::faulty(link, &dir, fault));
                continue;
            }
            match fs::metadata(&link) {
                Ok(found) if walk.seen.contains(&(found.dev(), found.ino())) => {
                    let link = link.display();
                    let note = format!("{link}: is a link to a folder that is read already");
                    self.notes.push(note);
                }
                _ => walk.open.push(link),
            }
        }
    }

    fn add_children(
        &mut self,
        root: &Path,
        folder: &Path,
        pattern: Option<&[String]>,
        search: &Search,
        walk: &mut Walk,
    ) {
        let dir = folder.strip_prefix(root).unwrap_or(Path::new(""));
        let real = if folder == Path::new("") {
            Path::new(".")
        } else {
            folder
        };
        if let Ok(found) = fs::metadata(real) {
            walk.seen.insert((found.dev(), found.ino()));
        }
        let read = fs::read_dir(real).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match read {
            Ok(entries) => entries,
            Err(error) => {
                let parent = dir.parent().unwrap_or(Path::new(""));
                let fault = format!("cannot be read: {error}");
                return self.add(Input::faulty(folder.to_owned(), parent, fault));
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut folders = Vec::new();
        for entry in entries {
            let name = entry.file_name();
            let path = folder.join(&name);
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if hidden && !search.hidden || search.without.iter().any(|no| same(no, &path)) {
                continue;
            }
            let kind = entry.file_type().ok();
            if kind.is_some_and(|kind| kind.is_dir()) {
                folders.push(path);
            } else if kind.is_some_and(|kind| kind.is_symlink()) && path.is_dir() {
                walk.links.push_back(path);
            } else if pattern.is_none_or(|pattern| glob::matches(pattern, &names(dir, &name))) {
                self.add(look(path, dir));
            }
        }
        walk.open.extend(folders.into_iter().rev());
    }
}

/// A walk through folders.
struct Walk {
    /// Device and inode of each folder that was read.
    seen: HashSet<(u64, u64)>,
    open: Vec<PathBuf>,
    links: VecDeque<PathBuf>,
}

/// An input with what is wrong about it before it is opened: a pipe would be waited for for ever.
fn look(path: PathBuf, dir: &Path) -> Input {
    if object::url(&path).is_some() {
        return Input::new(path, dir);
    }
    let fault = match fs::metadata(&path) {
        Err(error) => format!("cannot be read: {error}"),
        Ok(found) => {
            let kind = found.file_type();
            let what = if kind.is_file() {
                return Input::new(path, dir);
            } else if kind.is_dir() {
                "a folder"
            } else if kind.is_fifo() {
                "a named pipe"
            } else if kind.is_socket() {
                "a socket"
            } else {
                "a device"
            };
            format!("is {what} and not a file")
        }
    };
    Input::faulty(path, dir, fault)
}

/// Whether a link leads to a folder that it is in.
fn is_around(link: &Path) -> bool {
    let parent = link.parent().unwrap_or(Path::new("."));
    let parent = if parent == Path::new("") {
        Path::new(".")
    } else {
        parent
    };
    matches!(
        (fs::canonicalize(link), fs::canonicalize(parent)),
        (Ok(target), Ok(parent)) if parent.starts_with(&target)
    )
}

/// Components of a name below the root of a pattern.
fn names(dir: &Path, name: &std::ffi::OsStr) -> Vec<String> {
    dir.components()
        .map(|component| component.as_os_str().to_string_lossy().into_owned())
        .chain([name.to_string_lossy().into_owned()])
        .collect()
}

/// The deepest folder that all of these files are below.
fn shared_folder<'a>(mut files: impl Iterator<Item = &'a Path>) -> PathBuf {
    let parent = |file: &'a Path| file.parent().unwrap_or(Path::new(""));
    let Some(first) = files.next() else {
        return PathBuf::new();
    };
    files.fold(parent(first).to_owned(), |shared, file| {
        let both = shared.components().zip(parent(file).components());
        both.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    })
}

/// Only what leads down.
fn inside(dir: &Path) -> PathBuf {
    let down = |component: &Component<'_>| matches!(component, Component::Normal(_));
    dir.components().filter(down).collect()
}

fn same(a: &Path, b: &Path) -> bool {
    a.file_name() == b.file_name()
        && matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::object::NoObjects;
    use std::os::unix::fs::symlink;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("remold-input-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }

        /// Names below the folder, with `dir` of each.
        fn found(&self, inputs: &Inputs) -> Vec<(String, String)> {
            let name = |input: &Input| {
                let path = input.path.strip_prefix(&self.0).unwrap_or(&input.path);
                path.display().to_string()
            };
            let found = inputs.found.iter();
            found
                .map(|input| (name(input), input.dir.clone()))
                .collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn walked(scratch: &Scratch, operands: &[&str], search: &Search) -> Inputs {
        let operands: Vec<PathBuf> = operands.iter().map(|name| scratch.0.join(name)).collect();
        let mut inputs = Inputs::default();
        inputs.add_operands(&operands, search, &NoObjects("none"));
        inputs
    }

    /// Objects whose keys are these.
    #[derive(Debug)]
    struct Keys(&'static [&'static str]);

    impl Objects for Keys {
        fn below(&self, url: &str) -> Result<Vec<(String, Found)>, String> {
            let (bucket, base) = object::parts(url).unwrap();
            let below = |key: &&&str| {
                key.strip_prefix(base)
                    .is_some_and(|rest| base.is_empty() || rest.starts_with('/'))
            };
            let found = Found {
                len: 1,
                modified: Some(2),
            };
            let keys = self.0.iter().filter(below);
            Ok(keys.map(|key| (object::of(bucket, key), found)).collect())
        }

        fn look(&self, _: &str) -> Result<Found, String> {
            Err("not there".to_owned())
        }

        fn read(&self, _: &str, _: usize) -> Result<bytes::Bytes, String> {
            Err("not there".to_owned())
        }
    }

    #[test]
    fn objects_are_found_below_a_url_and_by_a_pattern() {
        let keys = Keys(&[
            "in/",
            "in/.x",
            "in/a/1.jpg",
            "in/a/2.gif",
            "in/3.jpg",
            "inbox/4.jpg",
        ]);
        let found = |operand: &str| {
            let mut inputs = Inputs::default();
            inputs.add_operands(&[operand.into()], &Search::default(), &keys);
            let line = |input: &Input| {
                let fault = input.fault.as_deref().unwrap_or("-");
                format!("{} {:?} {fault}", input.path.display(), input.dir)
            };
            inputs.found.iter().map(line).collect::<Vec<_>>()
        };
        let all = [
            "s3://mms/in/a/1.jpg \"a\" -",
            "s3://mms/in/a/2.gif \"a\" -",
            "s3://mms/in/3.jpg \"\" -",
        ];
        assert_eq!(found("s3://mms/in"), all);
        assert_eq!(found("s3://mms/in/"), all);
        assert_eq!(found("s3://mms/in/*/*.jpg"), [all[0]]);
        assert_eq!(
            found("s3://mms/**/4.jpg"),
            ["s3://mms/inbox/4.jpg \"inbox\" -"]
        );
        assert_eq!(
            found("s3://mms/none"),
            ["s3://mms/none \"\" nothing is there"]
        );
        assert!(found("s3:///none")[0].ends_with("is no URL such as s3://bucket/folder"));
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        list.iter().map(own).collect()
    }

    #[test]
    fn a_folder_is_walked_in_the_order_of_names_and_keeps_its_tree() {
        let scratch = Scratch::new("tree");
        for name in ["b.jpg", "a/2.jpg", "a/1/x.gif", ".hidden", "out/result.jpg"] {
            scratch.file(name);
        }
        let search = Search {
            hidden: false,
            without: vec![scratch.0.join("out")],
        };
        let inputs = walked(&scratch, ["", "b.jpg"].as_slice(), &search);
        let expected = pairs(&[("b.jpg", ""), ("a/2.jpg", "a"), ("a/1/x.gif", "a/1")]);
        assert_eq!(scratch.found(&inputs), expected);
        let all = walked(
            &scratch,
            &[""],
            &Search {
                hidden: true,
                ..search
            },
        );
        assert_eq!(all.found.len(), 4);
    }

    #[test]
    fn patterns_and_files_keep_the_folders_below_what_they_share() {
        let scratch = Scratch::new("pattern");
        for name in ["in/x/1.jpg", "in/y/1.jpg", "in/y/2.gif"] {
            scratch.file(name);
        }
        let search = Search::default();
        let inputs = walked(&scratch, &["in/**/*.jpg"], &search);
        let expected = pairs(&[("in/x/1.jpg", "x"), ("in/y/1.jpg", "y")]);
        assert_eq!(scratch.found(&inputs), expected);
        let files = walked(
            &scratch,
            &["in/y/2.gif", "in/x/1.jpg", "in/y/2.gif"],
            &search,
        );
        let expected = pairs(&[("in/y/2.gif", "y"), ("in/x/1.jpg", "x")]);
        assert_eq!(scratch.found(&files), expected);
        let one = walked(&scratch, &["in/y/2.gif"], &search);
        assert_eq!(scratch.found(&one), pairs(&[("in/y/2.gif", "")]));
        let none = walked(&scratch, &["in/*.png"], &search);
        assert!(none.found[0].fault.is_some());
    }

    #[test]
    fn links_in_circles_end_and_are_named() {
        let scratch = Scratch::new("links");
        scratch.file("a/1.jpg");
        symlink("../..", scratch.0.join("a/up")).unwrap();
        symlink("a", scratch.0.join("again")).unwrap();
        symlink("self", scratch.0.join("self")).unwrap();
        symlink("nowhere", scratch.0.join("dangling")).unwrap();
        let inputs = walked(&scratch, &[""], &Search::default());
        let faults: Vec<bool> = inputs.found.iter().map(|i| i.fault.is_some()).collect();
        let expected = pairs(&[
            ("dangling", ""),
            ("self", ""),
            ("a/1.jpg", "a"),
            ("a/up", "a"),
        ]);
        assert_eq!(scratch.found(&inputs), expected);
        assert_eq!(faults, [true, true, false, true]);
        assert_eq!(inputs.notes.len(), 1, "{:?}", inputs.notes);
    }

    #[test]
    fn a_link_to_a_folder_elsewhere_is_followed() {
        let scratch = Scratch::new("elsewhere");
        scratch.file("in/1.jpg");
        scratch.file("other/2.jpg");
        symlink("../other", scratch.0.join("in/more")).unwrap();
        let inputs = walked(&scratch, &["in"], &Search::default());
        let expected = pairs(&[("in/1.jpg", ""), ("in/more/2.jpg", "more")]);
        assert_eq!(scratch.found(&inputs), expected);
    }

    #[test]
    fn a_pipe_is_never_opened() {
        let scratch = Scratch::new("pipe");
        let made = std::process::Command::new("mkfifo")
            .arg(scratch.0.join("pipe"))
            .status();
        if !made.is_ok_and(|status| status.success()) {
            println!("skipped: mkfifo is not installed");
            return;
        }
        let inputs = walked(&scratch, &[""], &Search::default());
        let fault = inputs.found[0].fault.as_deref().unwrap();
        assert!(fault.contains("pipe"), "{fault}");
    }
}

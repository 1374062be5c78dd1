//! The report of a job, read again to go on with it.
//!
//! A line is appended in one write as soon as its result is in place, so that whatever ends the
//! process leaves whole lines and at most one torn one at the end, which is cut off. The last line
//! about an input and a device counts.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::object::Found;
use super::{Line, hex};

/// Where the lines of a job go.
#[derive(Debug)]
pub struct Journal {
    file: Option<Mutex<File>>,
    durable: bool,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is one already, and nobody said that it is to be gone on with.
    #[error("exists already; --resume goes on with it, --force begins anew")]
    Exists,
    /// Another process writes it.
    #[error("another job is writing it")]
    Busy,
    /// It holds something else.
    #[error("line {0} is no line of a report")]
    Foreign(u64),
    /// The file system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Journal {
    /// A journal that keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        Self {
            file: None,
            durable: false,
        }
    }

    /// A journal on the standard output, for another program to read.
    ///
    /// # Errors
    /// Where there is no standard output.
    pub fn stdout() -> io::Result<Self> {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self::of(stdout.into(), false))
    }

    /// Begins a journal.
    ///
    /// # Errors
    /// [`JournalError::Exists`] without `force`, [`JournalError::Busy`], or what the file system
    /// says.
    pub fn begin(path: &Path, force: bool, durable: bool) -> Result<Self, JournalError> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .create_new(!force)
            .open(path)
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => JournalError::Exists,
                _ => error.into(),
            })?;
        lock(&file)?;
        // A pipe or a terminal has no length.
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        Ok(Self::of(file, durable))
    }

    /// Goes on with a journal, or begins one, and says what is in it.
    ///
    /// # Errors
    /// [`JournalError::Busy`], [`JournalError::Foreign`] where the first line is no report, or what
    /// the file system says.
    pub fn resume(path: &Path, durable: bool) -> Result<(Self, Past), JournalError> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        lock(&file)?;
        let past = Past::read(&mut file)?;
        file.set_len(past.whole)?;
        Ok((Self::of(file, durable), past))
    }

    fn of(file: File, durable: bool) -> Self {
        Self {
            file: Some(Mutex::new(file)),
            durable,
        }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// What the file system says.
    pub fn append(&self, line: &Line) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let text = line.to_json().map_err(io::Error::other)?;
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes())?;
        if self.durable {
            file.sync_data()?;
        }
        Ok(())
    }
}

fn lock(file: &File) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::Busy),
        // Where there are no locks there is one job at a time, or the user's own care.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// What a journal says was done.
#[derive(Debug, Default)]
pub struct Past {
    done: HashMap<u128, Done>,
    /// Octets up to the end of the last whole line.
    whole: u64,
    /// Lines that could not be read and do not count.
    pub damaged: u64,
}

/// What became of one input for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Whether there is no result.
    pub failed: bool,
    settings: Box<str>,
    input_bytes: Option<u64>,
    input_modified: Option<i64>,
    input_sha256: Option<[u8; 32]>,
    /// Where the result is.
    pub output: Option<PathBuf>,
    output_bytes: Option<u64>,
    output_sha256: Option<[u8; 32]>,
}

/// What is read of a line.
#[derive(Deserialize)]
struct Record {
    schema: u32,
    input: Option<String>,
    input_octets: Option<String>,
    target: Option<String>,
    device: Id,
    verdict: String,
    #[serde(default)]
    settings: String,
    input_bytes: Option<u64>,
    input_modified: Option<i64>,
    input_sha256: Option<String>,
    output: Option<PathBuf>,
    output_bytes: Option<u64>,
    output_sha256: Option<String>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

impl Past {
    fn read(file: &mut File) -> Result<Self, JournalError> {
        file.seek(SeekFrom::Start(0))?;
        let mut past = Self::default();
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut line = Vec::new();
        let mut number = 0_u64;
        loop {
            line.clear();
            let read = reader
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut line)?;
            if read == 0 || !line.ends_with(b"\n") {
                return Ok(past);
            }
            number = number.saturating_add(1);
            past.whole = past
                .whole
                .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            match serde_json::from_slice::<Record>(&line) {
                Ok(record) if !record.dry_run && record.schema > 0 => past.add(record),
                Ok(_) => {}
                Err(_) if number == 1 => return Err(JournalError::Foreign(number)),
                Err(_) => past.damaged = past.damaged.saturating_add(1),
            }
        }
    }

    fn add(&mut self, record: Record) {
        let name = match record.input_octets.as_deref().and_then(unhex) {
            Some(octets) => octets,
            None => record.input.unwrap_or_default().into_bytes(),
        };
        let target = record.target.unwrap_or(record.device.id);
        let digest = |text: Option<String>| <[u8; 32]>::try_from(unhex(&text?)?).ok();
        let done = Done {
            failed: matches!(record.verdict.as_str(), "failed" | "refused")
                || record.output.is_none(),
            settings: record.settings.into(),
            input_bytes: record.input_bytes,
            input_modified: record.input_modified,
            input_sha256: digest(record.input_sha256),
            output: record.output,
            output_bytes: record.output_bytes,
            output_sha256: digest(record.output_sha256),
        };
        self.done.insert(key(&name, &target), done);
    }

    /// Adds what was just done.
    pub fn learn(&mut self, line: &Line) {
        let text = line.to_json().ok();
        let record = text.and_then(|text| serde_json::from_str(&text).ok());
        if let Some(record) = record {
            self.add(record);
        }
    }

    /// What the journal says about an input and a device.
    #[must_use]
    pub fn of(&self, input: &Path, target: &str) -> Option<&Done> {
        self.done
            .get(&key(input.as_os_str().as_encoded_bytes(), target))
    }

    /// How many inputs and devices it speaks of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.done.len()
    }

    /// Whether it speaks of none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_empty()
    }
}

/// A line that is longer is none: a message has a bounded number of parts.
const LONGEST_LINE: u64 = 16 << 20;

/// A name for an input and a device that no two of a job share.
fn key(input: &[u8], target: &str) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, input, target).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

impl Done {
    /// Whether nothing is left to do: the input is what it was, and the result is where it was
    /// written, whole, and where it would go now.
    #[must_use]
    pub fn holds(&self, input: &Path, settings: &str, goes_to: impl Fn(&Path) -> bool) -> bool {
        self.same_input(input) && self.is_done(settings, goes_to)
    }

    /// The same of an object, of which this is known.
    #[must_use]
    pub fn holds_of(
        &self,
        found: Option<Found>,
        settings: &str,
        goes_to: impl Fn(&Path) -> bool,
    ) -> bool {
        let same = match found {
            // As with files.
            None => self.input_bytes.is_none(),
            Some(found) => {
                self.input_bytes == Some(found.len)
                    && found.modified.is_some()
                    && self.input_modified == found.modified
            }
        };
        same && self.is_done(settings, goes_to)
    }

    fn is_done(&self, settings: &str, goes_to: impl Fn(&Path) -> bool) -> bool {
        *self.settings == *settings
            && (self.failed || self.output.as_deref().is_some_and(&goes_to) && self.is_whole())
    }

    fn same_input(&self, input: &Path) -> bool {
        let Ok(found) = std::fs::metadata(input) else {
            // What could not be read then and cannot be now is as it was.
            return self.input_bytes.is_none();
        };
        if !found.is_file() || self.input_bytes != Some(found.len()) {
            return !found.is_file() && self.input_bytes.is_none();
        }
        if self.input_modified.is_some() && self.input_modified == modified(&found) {
            return true;
        }
        self.input_sha256.is_some() && digest(input).ok() == self.input_sha256
    }

    fn is_whole(&self) -> bool {
        let Some(output) = &self.output else {
            return false;
        };
        let len = std::fs::metadata(output).ok().map(|found| found.len());
        len.is_some()
            && len == self.output_bytes
            && self.output_sha256.is_some()
            && digest(output).ok() == self.output_sha256
    }
}

/// When a file was changed last, in nanoseconds since 1970.
pub(super) fn modified(found: &std::fs::Metadata) -> Option<i64> {
    let since = found
        .modified()
        .ok()?
        .duration_since(std::time::UNIX_EPOCH)
        .ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// SHA-256 of a file.
fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        match buffer.get(..read) {
            Some(octets) if read > 0 => hasher.update(octets),
            _ => return Ok(hasher.finalize().into()),
        }
    }
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let octet = |[high, low]: &[u8; 2]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok();
    rest.is_empty()
        .then(|| pairs.iter().map(octet).collect())
        .flatten()
}

/// A name for temporary files that only this journal's job uses.
pub(super) fn mark(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex(digest.get(..4).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::line::{Body, Code, Failure};
    use crate::profile::Capabilities;
    use std::fs;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("remold-journal-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn failed(input: &Path, bytes: Option<u64>) -> Line {
        Line {
            body: Body::failed(input, None, 0, &Capabilities::default(), 0.0),
            target: "phone".to_owned(),
            settings: "s".to_owned(),
            input_bytes: bytes,
            input_modified: None,
            input_octets: None,
            output_bytes: None,
            output_sha256: None,
            error: Some(Failure::new(Code::Unreadable, "gone")),
            dry_run: false,
        }
    }

    #[test]
    fn a_torn_line_is_cut_and_the_journal_goes_on() {
        let scratch = Scratch::new("torn");
        let path = scratch.0.join("report");
        let gone = scratch.0.join("gone");
        let journal = Journal::begin(&path, false, true).unwrap();
        journal.append(&failed(&gone, None)).unwrap();
        drop(journal);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"{\"schema\":1,\"inp"].concat()).unwrap();
        let (journal, past) = Journal::resume(&path, false).unwrap();
        assert_eq!((past.len(), past.damaged), (1, 0));
        let done = past.of(&gone, "phone").unwrap();
        assert!(done.holds(&gone, "s", |_| true));
        assert!(!done.holds(&gone, "other", |_| true));
        assert!(past.of(&gone, "another").is_none());
        journal.append(&failed(Path::new("b"), None)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
    }

    #[test]
    fn a_journal_has_one_writer_and_is_not_written_over() {
        let scratch = Scratch::new("lock");
        let path = scratch.0.join("report");
        let first = Journal::begin(&path, false, false).unwrap();
        let second = Journal::resume(&path, false);
        assert!(matches!(second, Err(JournalError::Busy)), "{second:?}");
        drop(first);
        let again = Journal::begin(&path, false, false);
        assert!(matches!(again, Err(JournalError::Exists)), "{again:?}");
        assert!(Journal::begin(&path, true, false).is_ok());
        fs::write(&path, "dear diary\n").unwrap();
        let foreign = Journal::resume(&path, false);
        assert!(
            matches!(foreign, Err(JournalError::Foreign(1))),
            "{foreign:?}"
        );
    }

    #[test]
    fn a_result_counts_while_it_and_its_input_are_as_they_were() {
        let scratch = Scratch::new("whole");
        let (input, output) = (scratch.0.join("in"), scratch.0.join("out"));
        fs::write(&input, "input").unwrap();
        fs::write(&output, "result").unwrap();
        let line = serde_json::json!({
            "schema": 1, "input": input, "device": { "id": "phone" }, "verdict": "adapted",
            "settings": "s", "input_bytes": 5, "input_sha256": hex(&Sha256::digest("input")),
            "output": output, "output_bytes": 6, "output_sha256": hex(&Sha256::digest("result")),
        });
        let path = scratch.0.join("report");
        fs::write(&path, format!("{line}\nnonsense\n")).unwrap();
        let (_, past) = Journal::resume(&path, false).unwrap();
        assert_eq!(past.damaged, 1);
        let done = past.of(&input, "phone").unwrap();
        assert!(done.holds(&input, "s", |_| true));
        assert!(!done.holds(&input, "s", |_| false), "it goes elsewhere now");
        fs::write(&output, "resul!").unwrap();
        assert!(!done.holds(&input, "s", |_| true), "it is damaged");
        fs::write(&output, "result").unwrap();
        fs::write(&input, "anew!").unwrap();
        assert!(!done.holds(&input, "s", |_| true), "the input is another");
        let of = |modified| {
            let found = Found { len: 5, modified };
            done.holds_of(Some(found), "s", |_| true)
        };
        assert!(
            !of(None) && !of(Some(1)),
            "nobody knows when it was written"
        );
        assert!(!done.holds_of(None, "s", |_| true), "it is gone");
    }

    #[test]
    fn a_name_that_is_not_utf8_is_known_by_its_octets() {
        use std::os::unix::ffi::OsStrExt;
        let path = |octets: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(octets));
        let (one, other) = (path(b"a\xFF.jpg"), path(b"a\xFE.jpg"));
        assert_eq!(one.display().to_string(), other.display().to_string());
        let mut past = Past::default();
        past.learn(&Line {
            input_octets: crate::batch::line::odd_name(&one),
            ..failed(&one, None)
        });
        assert!(past.of(&one, "phone").is_some());
        assert!(past.of(&other, "phone").is_none());
    }

    #[test]
    fn what_was_only_planned_was_not_done() {
        let mut past = Past::default();
        let text = Line {
            dry_run: true,
            ..failed(Path::new("a"), None)
        };
        let scratch = Scratch::new("planned");
        let path = scratch.0.join("report");
        fs::write(&path, text.to_json().unwrap()).unwrap();
        assert!(Journal::resume(&path, false).unwrap().1.is_empty());
        past.learn(&failed(Path::new("a"), None));
        assert_eq!(past.len(), 1);
    }

    #[test]
    fn digits_become_octets_again() {
        assert_eq!(unhex("00a5Ff"), Some(vec![0, 0xA5, 0xFF]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }
}

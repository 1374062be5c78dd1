//! Charging records out of the store and into files: each once, in order, also where the process
//! ends between any two steps.
//!
//! A record is appended and synced, and only then leaves the store together with how long the file
//! is. What a file holds beyond that length was written when the process ended; it is cut off, and
//! the same records come again. A file is named by the first record in it, ends in `.part` while it
//! grows, and is never touched once it does not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;
use tracing::{error, info};

use super::config::{Cdr, CdrFormat};
use super::metrics::Metrics;
use super::reload::Reloader;
use crate::relay::Surroundings;
use crate::store::outbox::{FileMark, Outbox, Record};
use crate::store::{Millis, StoreError};

/// Records that are written and synced together.
const BATCH: usize = 1_000;
/// How often it is seen whether there are records.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause after a file could not be written.
const TROUBLE: Duration = Duration::from_secs(5);
/// The end of the name of a file that grows.
const PART: &str = ".part";
/// The names of fields, in the words of TS 32.298.
const FIELDS: [&str; 17] = [
    "localSequenceNumber",
    "recordType",
    "recordTypeName",
    "recordTimeStamp",
    "mmsRSAddress",
    "messageID",
    "originatorAddress",
    "recipientAddresses",
    "submissionTime",
    "timeOfExpiry",
    "earliestTimeOfDelivery",
    "messageSize",
    "messageClass",
    "deliveryReportRequested",
    "readReplyRequested",
    "senderVisibility",
    "statusText",
];

/// Why records could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CdrError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be written.
    #[error("{path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Files of charging records.
pub struct Files<'a> {
    outbox: &'a dyn Outbox,
    folder: PathBuf,
    format: CdrFormat,
    address: String,
    open: Option<Open>,
}

struct Open {
    file: File,
    name: String,
    length: u64,
    /// When the first record in it happened.
    since: Millis,
}

/// When a new file begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Octets after which one does.
    pub bytes: u64,
    /// Milliseconds after which one does.
    pub age: Millis,
}

impl Rotation {
    /// What the configuration says.
    #[must_use]
    pub fn of(config: &Cdr) -> Self {
        Self {
            bytes: u64::from(config.rotate_megabytes.number()) << 20,
            age: i64::from(config.rotate_minutes.number()).saturating_mul(60_000),
        }
    }
}

impl<'a> Files<'a> {
    /// Files in `folder`, which is made where it is not there. What a process that ended left of a
    /// file that is not certain is cut off.
    ///
    /// # Errors
    /// Where the store or the folder cannot be read or written.
    pub fn open(
        outbox: &'a dyn Outbox,
        folder: &Path,
        format: CdrFormat,
        address: &str,
    ) -> Result<Self, CdrError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let mut files = Self {
            outbox,
            folder: folder.to_owned(),
            format,
            address: address.to_owned(),
            open: None,
        };
        if let Some(mark) = outbox.mark()? {
            files.resume(&mark)?;
        }
        Ok(files)
    }

    /// Writes the records that wait, at most a batch, and gives their number.
    ///
    /// # Errors
    /// Where a file or the store cannot be written. Nothing is lost then, nor written twice.
    pub fn write(&mut self, now: Millis, rotation: Rotation) -> Result<usize, CdrError> {
        if self.open.as_ref().is_some_and(|open| {
            open.length >= rotation.bytes || now.saturating_sub(open.since) >= rotation.age
        }) {
            self.close()?;
        }
        let records = self.outbox.records(BATCH)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(0);
        };
        let mut text = Vec::new();
        if self.open.is_none() {
            self.begin(first)?;
            if self.format == CdrFormat::Csv {
                text.extend(csv_line(FIELDS.map(str::to_owned)));
            }
        }
        for record in &records {
            text.extend(self.line(record));
        }
        let written = match &mut self.open {
            Some(open) => append(open, &text).map(|()| FileMark {
                file: open.name.clone(),
                length: open.length,
            }),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let folder = self.folder.clone();
        let mark = match written {
            Ok(mark) => mark,
            Err(error) => {
                // How much of it is there nobody knows: the mark does.
                self.open = None;
                if let Some(mark) = self.outbox.mark()? {
                    self.resume(&mark)?;
                }
                return Err(at(&folder)(error));
            }
        };
        if let Err(error) = self.outbox.recorded(last.number, &mark) {
            self.open = None;
            return Err(error.into());
        }
        Ok(records.len())
    }

    /// Ends the file that grows: it gets its final name.
    ///
    /// # Errors
    /// Where it cannot be renamed.
    pub fn close(&mut self) -> Result<(), CdrError> {
        let Some(open) = &self.open else {
            return Ok(());
        };
        let from = self.folder.join(&open.name);
        let to = self.folder.join(open.name.trim_end_matches(PART));
        fs::rename(&from, &to)
            .and_then(|()| sync_folder(&self.folder))
            .map_err(at(&to))?;
        self.open = None;
        Ok(())
    }

    /// Goes on with the file of a mark, where it was not closed.
    fn resume(&mut self, mark: &FileMark) -> Result<(), CdrError> {
        let path = self.folder.join(&mark.file);
        let mut file = match OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(&path)(error)),
        };
        let there = file.metadata().map_err(at(&path))?.len();
        if there < mark.length {
            // Somebody else shortened it. What is missing is not made up.
            return Ok(());
        }
        file.set_len(mark.length)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .and_then(|_| file.sync_all())
            .map_err(at(&path))?;
        self.open = Some(Open {
            file,
            name: mark.file.clone(),
            length: mark.length,
            since: since(&mark.file),
        });
        Ok(())
    }

    /// Begins a file with `first`. One with its name holds nothing that is certain.
    fn begin(&mut self, first: &Record) -> Result<(), CdrError> {
        let end = match self.format {
            CdrFormat::Jsonl => "jsonl",
            CdrFormat::Csv => "csv",
        };
        let (at_time, number) = (first.at, first.number);
        let name = format!("mms-cdr-{number:012}-{at_time:013}.{end}{PART}");
        let path = self.folder.join(&name);
        let file = File::create(&path).map_err(at(&path))?;
        sync_folder(&self.folder).map_err(at(&self.folder))?;
        self.open = Some(Open {
            file,
            name,
            length: 0,
            since: at_time,
        });
        Ok(())
    }

    fn line(&self, record: &Record) -> Vec<u8> {
        match self.format {
            CdrFormat::Jsonl => {
                let mut line =
                    serde_json::to_vec(&Line::of(record, &self.address)).unwrap_or_default();
                line.push(b'\n');
                line
            }
            CdrFormat::Csv => csv_line(cells(record, &self.address)),
        }
    }
}

/// A record as an object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    local_sequence_number: u64,
    record_type: u8,
    record_type_name: &'static str,
    record_time_stamp: String,
    #[serde(rename = "mmsRSAddress")]
    mms_rs_address: &'a str,
    #[serde(rename = "messageID")]
    message_id: &'a str,
    originator_address: &'a str,
    recipient_addresses: Vec<&'a str>,
    submission_time: String,
    time_of_expiry: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    earliest_time_of_delivery: Option<String>,
    message_size: u64,
    message_class: &'static str,
    delivery_report_requested: bool,
    read_reply_requested: bool,
    sender_visibility: bool,
    status_text: &'a str,
}

impl<'a> Line<'a> {
    fn of(record: &'a Record, address: &'a str) -> Self {
        Self {
            local_sequence_number: record.number,
            record_type: record.kind.number(),
            record_type_name: record.kind.name(),
            record_time_stamp: moment(record.at),
            mms_rs_address: address,
            message_id: &record.message_id,
            originator_address: plain(&record.originator),
            recipient_addresses: record.recipients.iter().map(|one| plain(one)).collect(),
            submission_time: moment(record.submitted_at),
            time_of_expiry: moment(record.expires_at),
            earliest_time_of_delivery: record.deliver_at.map(moment),
            message_size: record.size,
            message_class: match record.class {
                0x81 => "advertisement",
                0x82 => "information-service",
                0x83 => "auto",
                _ => "personal",
            },
            delivery_report_requested: record.delivery_report,
            read_reply_requested: record.read_report,
            sender_visibility: record.sender_visible,
            status_text: &record.status,
        }
    }
}

fn cells(record: &Record, address: &str) -> [String; 17] {
    let line = Line::of(record, address);
    [
        line.local_sequence_number.to_string(),
        line.record_type.to_string(),
        line.record_type_name.to_owned(),
        line.record_time_stamp,
        line.mms_rs_address.to_owned(),
        line.message_id.to_owned(),
        line.originator_address.to_owned(),
        line.recipient_addresses.join(" "),
        line.submission_time,
        line.time_of_expiry,
        line.earliest_time_of_delivery.unwrap_or_default(),
        line.message_size.to_string(),
        line.message_class.to_owned(),
        line.delivery_report_requested.to_string(),
        line.read_reply_requested.to_string(),
        line.sender_visibility.to_string(),
        line.status_text.to_owned(),
    ]
}

/// A line of RFC 4180. A cell that a spreadsheet would take for a formula begins with an
/// apostrophe; a number of a subscriber is no formula.
fn csv_line(cells: [String; 17]) -> Vec<u8> {
    let mut line = String::new();
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            line.push(',');
        }
        let number = |rest: &str| {
            let digit = |c: char| c.is_ascii_digit() || c == ' ' || c == '+';
            !rest.is_empty() && rest.chars().all(digit)
        };
        let formula = match cell.chars().next() {
            Some('=' | '-' | '@' | '\t' | '\r') => true,
            Some('+') => !number(cell.get(1..).unwrap_or("")),
            _ => false,
        };
        let cell = if formula {
            format!("'{cell}")
        } else {
            cell.clone()
        };
        if cell.contains([',', '"', '\r', '\n']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line.push_str("\r\n");
    line.into_bytes()
}

fn append(open: &mut Open, text: &[u8]) -> io::Result<()> {
    open.file.write_all(text)?;
    open.file.sync_data()?;
    let added = u64::try_from(text.len()).unwrap_or(u64::MAX);
    open.length = open.length.saturating_add(added);
    Ok(())
}

/// When the first record of a file happened, by the file's name.
fn since(name: &str) -> Millis {
    name.split(['-', '.'])
        .nth(3)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CdrError {
    let path = path.to_owned();
    move |error| CdrError::Io { path, error }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn plain(address: &str) -> &str {
    address.strip_suffix("/TYPE=PLMN").unwrap_or(address)
}

fn moment(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writing {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writing {
    /// Begins to write, where a folder is configured. The first file is looked at before this
    /// returns.
    pub(super) fn start(
        outbox: Arc<dyn Outbox>,
        reloader: Arc<Reloader>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Surroundings>,
    ) -> Result<Option<Self>, CdrError> {
        let config = reloader.current();
        let Some(folder) = config.cdr.folder.clone() else {
            outbox.keep_records(false)?;
            return Ok(None);
        };
        let (format, address) = (config.cdr.format, config.cdr.address.as_str().to_owned());
        drop(Files::open(outbox.as_ref(), &folder, format, &address)?);
        outbox.keep_records(true)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = stopping.clone();
        let thread = std::thread::Builder::new()
            .name("cdr".to_owned())
            .spawn(move || {
                let mut files = None;
                loop {
                    let last = stop.load(Ordering::Relaxed);
                    let rotation = Rotation::of(&reloader.current().cdr);
                    let done = write_all(
                        &mut files,
                        || Files::open(outbox.as_ref(), &folder, format, &address),
                        || clock.now(),
                        rotation,
                        &metrics,
                    );
                    if let Err(error) = &done {
                        metrics.record_failed();
                        error!(%error, "charging records wait");
                        files = None;
                    }
                    if last {
                        return;
                    }
                    std::thread::park_timeout(if done.is_ok() { PAUSE } else { TROUBLE });
                }
            })
            .map_err(|error| CdrError::Io {
                path: PathBuf::from("thread"),
                error,
            })?;
        info!("charging records are kept");
        Ok(Some(Self {
            stopping,
            thread: Some(thread),
        }))
    }

    /// Writes what is left, and ends.
    pub(super) fn stop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

fn write_all<'a>(
    files: &mut Option<Files<'a>>,
    open: impl FnOnce() -> Result<Files<'a>, CdrError>,
    now: impl Fn() -> Millis,
    rotation: Rotation,
    metrics: &Metrics,
) -> Result<(), CdrError> {
    let files = match files {
        Some(files) => files,
        None => files.insert(open()?),
    };
    loop {
        let written = files.write(now(), rotation)?;
        if written == 0 {
            return Ok(());
        }
        metrics.recorded(u64::try_from(written).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::submission;
    use crate::store::{SqliteStore, Store, outbox::RecordKind};

    const ROTATION: Rotation = Rotation {
        bytes: 1 << 20,
        age: 1_000_000,
    };

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("remold-cdr-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn store(&self) -> SqliteStore {
            let store = SqliteStore::open(&self.0.join("store")).unwrap().0;
            store.keep_records(true).unwrap();
            store
        }

        fn folder(&self) -> PathBuf {
            self.0.join("cdr")
        }

        /// Sequence numbers over all files, in the order of their names.
        fn numbers(&self) -> Vec<u64> {
            let mut files: Vec<_> = fs::read_dir(self.folder())
                .unwrap()
                .map(|file| file.unwrap().path())
                .collect();
            files.sort();
            let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
            texts
                .flat_map(|text| {
                    text.lines()
                        .map(|line| {
                            let line: serde_json::Value = serde_json::from_str(line).unwrap();
                            line["localSequenceNumber"].as_u64().unwrap()
                        })
                        .collect::<Vec<_>>()
                })
                .collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn accept(store: &SqliteStore, numbers: std::ops::RangeInclusive<u32>) {
        for number in numbers {
            store.accept(&submission(number), &"x".into(), 0).unwrap();
        }
    }

    fn open<'a>(store: &'a SqliteStore, scratch: &Scratch) -> Files<'a> {
        Files::open(store, &scratch.folder(), CdrFormat::Jsonl, "mmsc.example").unwrap()
    }

    #[test]
    fn each_record_is_in_a_file_once_whenever_the_process_ends() {
        let scratch = Scratch::new("kill");
        let store = scratch.store();
        accept(&store, 1..=3);
        let mut files = open(&store, &scratch);
        assert_eq!(files.write(5, ROTATION).unwrap(), 3);
        // It ends after the file was written and before the store knew.
        accept(&store, 4..=5);
        let name = store.mark().unwrap().unwrap().file;
        let path = scratch.folder().join(&name);
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(b"{\"localSequenceNumber\":4}\n{\"localSeq")
            .unwrap();
        drop(files);
        drop(store);
        let store = scratch.store();
        let mut files = open(&store, &scratch);
        assert_eq!(files.write(5, ROTATION).unwrap(), 2);
        assert_eq!(scratch.numbers(), [1, 2, 3, 4, 5]);
        // It ends after a file got its final name and before another one began.
        files.close().unwrap();
        drop(files);
        accept(&store, 6..=6);
        let mut files = open(&store, &scratch);
        assert_eq!(files.write(5, ROTATION).unwrap(), 1);
        // It ends after a file began, and nothing of it was certain.
        files.close().unwrap();
        accept(&store, 7..=7);
        let first = &store.records(1).unwrap()[0];
        let early = format!("mms-cdr-{:012}-{:013}.jsonl.part", first.number, first.at);
        fs::write(scratch.folder().join(early), "half a l").unwrap();
        let mut files = open(&store, &scratch);
        assert_eq!(files.write(5, ROTATION).unwrap(), 1);
        assert_eq!(scratch.numbers(), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(store.records_waiting().unwrap(), 0);
    }

    #[test]
    fn a_file_ends_by_size_and_by_age() {
        let scratch = Scratch::new("rotate");
        let store = scratch.store();
        let mut files = open(&store, &scratch);
        let small = Rotation {
            bytes: 1,
            ..ROTATION
        };
        for number in 1..=3 {
            accept(&store, number..=number);
            files.write(0, small).unwrap();
        }
        let since = files.open.as_ref().unwrap().since;
        accept(&store, 4..=4);
        files.write(since + ROTATION.age - 1, ROTATION).unwrap();
        accept(&store, 5..=5);
        files.write(since + ROTATION.age, ROTATION).unwrap();
        let names = fs::read_dir(scratch.folder()).unwrap();
        let names: Vec<String> = names
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names.len(), 4, "{names:?}");
        let growing = names.iter().filter(|name| name.ends_with(PART)).count();
        assert_eq!(growing, 1);
        assert_eq!(scratch.numbers(), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn nothing_in_a_table_is_a_formula() {
        let mut cells: [String; 17] = std::array::from_fn(|_| String::new());
        cells[0] = "=cmd|' /C calc'!A0".to_owned();
        cells[1] = "+15550001111 +15550001112".to_owned();
        cells[2] = "+1+cmd()".to_owned();
        cells[3] = "a,\"b\"\r\nc".to_owned();
        cells[4] = "@SUM(1)".to_owned();
        let line = String::from_utf8(csv_line(cells)).unwrap();
        let start = "'=cmd|' /C calc'!A0,+15550001111 +15550001112,'+1+cmd(),\
                     \"a,\"\"b\"\"\r\nc\",'@SUM(1),,";
        assert!(line.starts_with(start), "{line}");
        assert!(line.ends_with(",\r\n"));
    }

    #[test]
    fn a_table_has_as_many_names_as_cells_and_so_has_an_object() {
        let scratch = Scratch::new("fields");
        let store = scratch.store();
        let mut late = submission(1);
        late.deliver_at = late.accepted_at + 1;
        store.accept(&late, &"x".into(), 0).unwrap();
        let record = &store.records(1).unwrap()[0];
        let line = serde_json::to_value(Line::of(record, "a")).unwrap();
        let mut names: Vec<&str> = line.as_object().unwrap().keys().map(|k| &**k).collect();
        names.sort_unstable();
        let mut wanted = FIELDS;
        wanted.sort_unstable();
        assert_eq!(names, wanted);
        assert_eq!(line["recordTypeName"], RecordKind::Submission.name());
    }
}

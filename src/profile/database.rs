//! The shipped database of devices: facts from profiles whose hosts are long gone.
//!
//! One text in sections, each sorted, so that a look-up is a binary search in the text itself and
//! opening it costs nothing. `remold profile import` writes it.
//!
//! ```text
//! remold-devices 1 words=BYTES lists=BYTES devices=BYTES urls=BYTES models=BYTES
//! words    one media type, charset or other token a line; its number is its line, from 0
//! lists    KEY TAB numbers of words, separated by spaces
//! devices  ID TAB facts, one device a line
//! urls     profile URL (see `names::url_key`) TAB ID
//! models   MODEL/VENDOR TAB ID
//! ```

use std::sync::OnceLock;

use super::capabilities::{Capabilities, Source};
use super::error::ProfileError;
use super::facts::Facts;
use super::names::{url_key, url_key_without_query};
use super::record;

/// What the text begins with.
pub(super) const MAGIC: &str = "remold-devices 1";
/// The sections, in their order.
pub(super) const SECTIONS: [&str; 5] = ["words", "lists", "devices", "urls", "models"];

/// A device database.
#[derive(Debug)]
pub struct Database<'a> {
    words: &'a str,
    lists: &'a str,
    devices: &'a str,
    urls: &'a str,
    models: &'a str,
    word_lines: OnceLock<Vec<&'a str>>,
}

/// A device of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The id, such as `nokia-6100`.
    pub id: String,
    /// What is known of it.
    pub facts: Facts,
}

impl Device {
    /// The device as the database knows it; gaps stay gaps.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        let source = Source::Database(self.id.clone());
        let mut device = Capabilities {
            id: self.id.clone(),
            source: source.clone(),
            ..Capabilities::default()
        };
        device.fill(&self.facts, &source);
        device
    }
}

impl Database<'static> {
    /// The database that ships with this crate.
    ///
    /// # Errors
    ///
    /// A damaged file; a test keeps that from shipping.
    pub fn embedded() -> Result<&'static Self, ProfileError> {
        static EMBEDDED: OnceLock<Result<Database<'static>, ProfileError>> = OnceLock::new();
        EMBEDDED
            .get_or_init(|| Database::open(include_str!("../../profiles/devices.tsv")))
            .as_ref()
            .map_err(Clone::clone)
    }
}

impl<'a> Database<'a> {
    /// Opens a database. Only its first line is read.
    ///
    /// # Errors
    ///
    /// A text that is no database or whose sections do not add up to it.
    pub fn open(text: &'a str) -> Result<Self, ProfileError> {
        let damaged = |what: &str| ProfileError::Database(what.to_owned());
        let (head, mut rest) = text
            .split_once('\n')
            .ok_or_else(|| damaged("it is empty"))?;
        let mut fields = head
            .strip_prefix(MAGIC)
            .ok_or_else(|| damaged("its first line is another"))?
            .split_whitespace();
        let mut sections = SECTIONS.iter().map(|name| {
            let length = fields
                .next()
                .and_then(|field| field.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
                .ok_or_else(|| damaged("its first line is cut"))?;
            let (section, after) = rest
                .split_at_checked(length)
                .ok_or_else(|| damaged("a section is cut"))?;
            rest = after;
            Ok(section)
        });
        let mut next = || sections.next().unwrap_or(Ok(""));
        let database = Self {
            words: next()?,
            lists: next()?,
            devices: next()?,
            urls: next()?,
            models: next()?,
            word_lines: OnceLock::new(),
        };
        if !rest.is_empty() {
            return Err(damaged("something follows its last section"));
        }
        Ok(database)
    }

    /// The device with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<Device> {
        self.device(find(self.devices, id)?)
    }

    /// The device whose profile is served at this URL; scheme, case, port and quotes do not count,
    /// and the query only where the database knows it.
    #[must_use]
    pub fn by_url(&self, url: &str) -> Option<Device> {
        let id = [url_key(url), url_key_without_query(url)]
            .into_iter()
            .flatten()
            .find_map(|key| value(find(self.urls, &key)?))?;
        self.by_id(id)
    }

    /// The device of a vendor with this model, or with the longest model that `model` begins with
    /// and that is at least four characters long. Both names are in the form of
    /// [`super::names::vendor_slug`] and [`super::names::model_key`].
    #[must_use]
    pub fn by_model(&self, vendor: &str, model: &str) -> Option<Device> {
        for end in (1..=model.len()).rev() {
            let (head, rest) = model.split_at_checked(end)?;
            if !rest.is_empty() && (end < 4 || splits_number(head, rest)) {
                continue;
            }
            if let Some(line) = find(self.models, &format!("{head}/{vendor}")) {
                return self.by_id(value(line)?);
            }
        }
        None
    }

    /// The first vendor's device with exactly this model.
    #[must_use]
    pub fn by_model_alone(&self, model: &str) -> Option<Device> {
        let key = format!("{model}/");
        let at = lower_bound(self.models.as_bytes(), key.as_bytes());
        let line = self.models.get(at..)?.lines().next()?;
        self.by_id(value(line.strip_prefix(&key).map(|_| line)?)?)
    }

    /// The URLs a device's profile is known under.
    pub fn urls_of<'b>(&'b self, id: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        self.urls.lines().filter_map(move |line| {
            let (url, owner) = line.split_once('\t')?;
            (owner == id).then_some(url)
        })
    }

    /// Every device, by ascending id.
    pub fn devices(&self) -> impl Iterator<Item = Device> + '_ {
        self.devices.lines().filter_map(|line| self.device(line))
    }

    /// Every id, ascending.
    pub fn ids(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let devices: &'a str = self.devices;
        devices.lines().filter_map(|line| line.split('\t').next())
    }

    /// Ids that begin with `prefix`.
    pub fn ids_like(&self, prefix: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let devices: &'a str = self.devices;
        let at = lower_bound(devices.as_bytes(), prefix.as_bytes());
        let prefix = prefix.to_owned();
        devices
            .get(at..)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.split('\t').next())
            .take_while(move |id| id.starts_with(&prefix))
    }

    fn device(&self, line: &str) -> Option<Device> {
        let (id, facts) = record::read(line, &|key| self.list(key))?;
        Some(Device { id, facts })
    }

    fn list(&self, key: &str) -> Option<Vec<String>> {
        let words = self.word_lines.get_or_init(|| self.words.lines().collect());
        value(find(self.lists, key)?)?
            .split(' ')
            .map(|number| {
                words
                    .get(number.parse::<usize>().ok()?)
                    .map(|w| (*w).to_owned())
            })
            .collect()
    }
}

/// The line of a sorted section whose first column is `key`.
fn find<'a>(section: &'a str, key: &str) -> Option<&'a str> {
    let at = lower_bound(section.as_bytes(), key.as_bytes());
    let line = section.get(at..)?.lines().next()?;
    (line.split('\t').next() == Some(key)).then_some(line)
}

/// Where the first line begins whose first column is not less than `key`.
fn lower_bound(section: &[u8], key: &[u8]) -> usize {
    let (mut low, mut high) = (0, section.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let head = section.get(low..middle).unwrap_or_default();
        let start = head
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(low, |at| low + at + 1);
        let line = section.get(start..).unwrap_or_default();
        let length = line.iter().position(|b| *b == b'\n').unwrap_or(line.len());
        let line = line.get(..length).unwrap_or_default();
        let column = line.split(|b| *b == b'\t').next().unwrap_or_default();
        if column < key {
            low = (start + length + 1).min(section.len());
        } else {
            high = start;
        }
    }
    low
}

fn value(line: &str) -> Option<&str> {
    line.split_once('\t').map(|(_, value)| value)
}

/// Whether cutting here would make `6610` of `66101`.
fn splits_number(head: &str, rest: &str) -> bool {
    head.ends_with(|c: char| c.is_ascii_digit()) && rest.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let sections = [
            "image/gif\nimage/jpeg\n",
            "0\t1 0\n",
            "a-1\tA\t1\t100\t\t\t\t\t0\nb-22\tB\t22\t200\n",
            "h.x/a.xml\ta-1\nh.x/b.aspx_q=1\tb-22\n",
            "1/a\ta-1\n2222/b\tb-22\n",
        ];
        let lengths: Vec<String> = SECTIONS
            .iter()
            .zip(sections)
            .map(|(name, text)| format!("{name}={}", text.len()))
            .collect();
        format!("{MAGIC} {}\n{}", lengths.join(" "), sections.concat())
    }

    #[test]
    fn devices_are_found_by_id_url_and_model() {
        let text = text();
        let database = Database::open(&text).unwrap();
        let a = database.by_id("a-1").unwrap();
        assert_eq!(a.facts.max_message_size, Some(100));
        assert_eq!(a.facts.accept.unwrap(), ["image/jpeg", "image/gif"]);
        assert_eq!(
            database.by_url("HTTPS://H.x:80/A.xml?x=y").unwrap().id,
            "a-1"
        );
        assert_eq!(database.by_url("http://h.x/b.aspx?q=1").unwrap().id, "b-22");
        assert_eq!(database.by_model("b", "2222R100").unwrap().id, "b-22");
        assert_eq!(database.by_model("b", "22221"), None);
        assert_eq!(database.by_model("a", "1R100"), None);
        assert_eq!(database.by_model_alone("2222").unwrap().id, "b-22");
        assert_eq!(database.by_model_alone("222"), None);
        for missing in ["", "a", "a-11", "zz"] {
            assert_eq!(database.by_id(missing), None);
        }
        assert_eq!(database.ids_like("b").collect::<Vec<_>>(), ["b-22"]);
        assert_eq!(database.urls_of("a-1").collect::<Vec<_>>(), ["h.x/a.xml"]);
        assert_eq!(database.devices().count(), 2);
    }

    #[test]
    fn damaged_databases_do_not_open() {
        let text = text();
        for damaged in [
            "",
            "something else\n",
            "remold-devices 1 words=5\n",
            &text[..text.len() - 1],
            &format!("{text}x"),
        ] {
            assert!(Database::open(damaged).is_err(), "{damaged}");
        }
    }
}

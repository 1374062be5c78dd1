//! From UAProf documents to the database.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::database::{MAGIC, SECTIONS};
use super::facts::Facts;
use super::names::{bare_model, model_key, slug, url_key, vendor_slug};
use super::record::{self, fingerprint};
use super::uaprof::{UaProf, read};
use super::user_agent::vendor_of_host;
use crate::limits::Limits;
use crate::mms::DecodeError;

/// How far a document can be trusted to be what the vendor serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// As the vendor served it.
    #[default]
    Served,
    /// Corrected by somebody else.
    Corrected,
    /// Written anew by a tool.
    Rewritten,
}

/// Collects documents and writes the database from them. The result depends on the documents
/// alone, not on their order.
#[derive(Debug, Default)]
pub struct Importer {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    origin: Origin,
    name: String,
    url: Option<String>,
    facts: Facts,
}

/// What an import came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The database.
    pub text: String,
    /// Devices in it.
    pub devices: usize,
    /// URLs in it.
    pub urls: usize,
    /// Documents left out because a better one is served at the same URL.
    pub superseded: usize,
}

/// One device in the making: its facts and the URLs whose documents state them.
struct Record {
    vendor: String,
    model: String,
    facts: Facts,
    origin: Origin,
    urls: BTreeSet<String>,
}

impl Record {
    /// Digits that no other facts have.
    fn fingerprint(&self) -> String {
        fingerprint(&record::write("", &self.facts, &mut |list| list.join(" ")))
    }
}

impl Importer {
    /// Takes in a document. `name` is what it is called; `url` is where it is served, unless the
    /// document itself tells.
    ///
    /// # Errors
    ///
    /// A document that cannot be read; see [`read`].
    pub fn add(
        &mut self,
        name: &str,
        octets: &[u8],
        url: Option<&str>,
        origin: Origin,
        limits: &Limits,
    ) -> Result<(), DecodeError> {
        let profile: UaProf = read(octets, limits)?.value;
        let url = url
            .and_then(url_key)
            .or_else(|| url_key(profile.url.as_deref()?));
        self.entries.push(Entry {
            origin,
            name: name.to_owned(),
            url,
            facts: profile.facts().0,
        });
        Ok(())
    }

    /// Writes the database.
    #[must_use]
    pub fn finish(self) -> Imported {
        let total = self.entries.len();
        let entries = best_by_url(self.entries);
        let superseded = total - entries.len();
        let records = merge_equal(entries);
        let named = name_records(records);

        let mut dictionary = Dictionary::of(named.values());
        let mut devices = String::new();
        let mut urls = BTreeMap::new();
        for (id, record) in &named {
            devices.push_str(&record::write(id, &record.facts, &mut |l| {
                dictionary.number(l)
            }));
            devices.push('\n');
            urls.extend(record.urls.iter().map(|url| (url.clone(), id.clone())));
        }
        let models = model_index(&named);
        let sections = [
            dictionary.words(),
            dictionary.lists(),
            devices,
            lines(&urls),
            lines(&models),
        ];
        let lengths: Vec<String> = SECTIONS
            .iter()
            .zip(&sections)
            .map(|(name, section)| format!("{name}={}", section.len()))
            .collect();
        Imported {
            text: format!("{MAGIC} {}\n{}", lengths.join(" "), sections.concat()),
            devices: named.len(),
            urls: urls.len(),
            superseded,
        }
    }
}

/// Of the documents served at one URL, the one nearest to its vendor; then the one that says the
/// most; then the one whose name comes first.
fn best_by_url(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_cached_key(|entry| {
        (
            entry.origin,
            usize::MAX - known(&entry.facts),
            entry.name.clone(),
        )
    });
    let mut seen = BTreeSet::new();
    entries.retain(|entry| {
        entry
            .url
            .as_ref()
            .is_none_or(|url| seen.insert(url.clone()))
    });
    entries
}

/// How much facts say: fields that are known, and the length of what is accepted.
fn known(facts: &Facts) -> usize {
    let line = record::write("", facts, &mut |_| "l".to_owned());
    let fields = line.split('\t').filter(|column| !column.is_empty()).count();
    fields * 1_000 + facts.accept.as_ref().map_or(0, Vec::len)
}

/// Documents that say the same of the same model are one device with several URLs.
fn merge_equal(entries: Vec<Entry>) -> Vec<Record> {
    let mut records: HashMap<(Facts, String), Record> = HashMap::new();
    for entry in entries {
        let url = entry.url.as_deref().unwrap_or_default();
        let facts = entry.facts;
        let vendor = match facts.vendor.as_deref() {
            Some(vendor) => vendor_slug(vendor),
            None => vendor_of_host(url.split('/').next().unwrap_or_default()).unwrap_or_default(),
        };
        // Devices that do not tell their model must not be taken for one another.
        let model = facts.model.clone().unwrap_or_else(|| stem(url).to_owned());
        let record = records
            .entry((facts.clone(), model.clone()))
            .or_insert_with(|| Record {
                vendor,
                model,
                facts,
                origin: entry.origin,
                urls: BTreeSet::new(),
            });
        record.urls.extend(entry.url);
        record.origin = record.origin.min(entry.origin);
    }
    records.into_values().collect()
}

/// Gives each record an id: vendor and model, then what sets its URL apart, then a number drawn
/// from its facts.
fn name_records(mut records: Vec<Record>) -> BTreeMap<String, Record> {
    records.sort_by_cached_key(|record| {
        let suffix = suffixes(record).into_iter().next().unwrap_or_default();
        (
            base_id(record),
            record.origin,
            record.urls.is_empty(),
            suffix.len(),
            suffix,
            record.urls.first().cloned(),
            record.fingerprint(),
        )
    });
    let mut named: BTreeMap<String, Record> = BTreeMap::new();
    for record in records {
        let base = base_id(&record);
        let print = record.fingerprint();
        let candidates = std::iter::once(String::new())
            .chain(suffixes(&record))
            .chain([print.chars().take(4).collect(), print]);
        let id = candidates
            .map(|suffix| match suffix.as_str() {
                "" => base.clone(),
                suffix => format!("{base}-{suffix}"),
            })
            .find(|id| !named.contains_key(id));
        if let Some(id) = id {
            named.insert(id, record);
        }
    }
    named
}

fn base_id(record: &Record) -> String {
    let model = slug(bare_model(&record.vendor, &record.model));
    match (record.vendor.as_str(), model.as_str()) {
        ("", "") => "unknown".to_owned(),
        ("", model) => model.to_owned(),
        (vendor, "") => format!("{vendor}-unknown"),
        (vendor, model) if model.starts_with(&format!("{vendor}-")) => model.to_owned(),
        (vendor, model) => format!("{vendor}-{model}"),
    }
}

/// What the URL of a record says beyond its model: firmware, bearer, operator. First the file's
/// own name, then with its folder.
fn suffixes(record: &Record) -> Vec<String> {
    let model = slug(bare_model(&record.vendor, &record.model));
    let Some(url) = record.urls.first() else {
        return Vec::new();
    };
    let mut segments = url.rsplit('/');
    let file = beyond(
        &slug(stem(segments.next().unwrap_or_default())),
        &model,
        &record.vendor,
    );
    let folder = beyond(
        &slug(segments.next().unwrap_or_default()),
        &model,
        &record.vendor,
    );
    let both: Vec<&str> = [folder.as_str(), file.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let mut suffixes = vec![file.clone(), both.join("-")];
    suffixes.retain(|suffix| !suffix.is_empty() && suffix.len() <= 32);
    suffixes
}

/// The part of a slug behind the model, or the words in it that are neither model nor vendor.
fn beyond(slug: &str, model: &str, vendor: &str) -> String {
    if let Some((_, behind)) = slug.rsplit_once(model).filter(|_| !model.is_empty()) {
        return strip_noise(behind);
    }
    let words = slug
        .split('-')
        .filter(|word| *word != vendor && !model.split('-').any(|part| part == *word));
    strip_noise(&words.collect::<Vec<_>>().join("-"))
}

/// Words of file names that say nothing.
fn strip_noise(text: &str) -> String {
    let words = text.split('-').filter(|word| {
        !matches!(
            *word,
            "" | "uaprof" | "uaprofile" | "profile" | "xml" | "ua" | "rdf"
        )
    });
    words.collect::<Vec<_>>().join("-")
}

/// The last part of a path without its extension.
fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or_default();
    match file.rsplit_once('.') {
        Some((stem, "xml" | "rdf" | "html" | "txt" | "aspx")) => stem,
        _ => file,
    }
}

/// Which device a model of a vendor is: the one whose id is shortest, the first of several.
fn model_index(named: &BTreeMap<String, Record>) -> BTreeMap<String, String> {
    let mut index: BTreeMap<String, String> = BTreeMap::new();
    let mut by_length: Vec<(&String, &Record)> = named.iter().collect();
    by_length.sort_by_key(|(id, _)| (id.len(), *id));
    // What a document says outright comes before what is cut from it.
    for cut in [false, true] {
        for (id, record) in &by_length {
            let model = bare_model(&record.vendor, &record.model);
            let keys = if cut {
                cut_models(model)
            } else {
                vec![model_key(model)]
            };
            for key in keys.iter().filter(|key| !key.is_empty()) {
                index
                    .entry(format!("{key}/{}", record.vendor))
                    .or_insert_with(|| (*id).clone());
            }
        }
    }
    index
}

/// A model without its firmware: `T610R101` is a T610, `D851/V1.0` a D851.
fn cut_models(model: &str) -> Vec<String> {
    let mut cut = Vec::new();
    if let Some((head, _)) = model.split_once('/') {
        cut.push(model_key(head));
    }
    let key = model_key(model);
    if let Some((head, tail)) = key
        .len()
        .checked_sub(4)
        .and_then(|at| key.split_at_checked(at))
    {
        let firmware = tail
            .strip_prefix('R')
            .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        if firmware && head.len() >= 2 {
            cut.push(head.to_owned());
        }
    }
    cut
}

fn lines(map: &BTreeMap<String, String>) -> String {
    map.iter()
        .map(|(key, value)| format!("{key}\t{value}\n"))
        .collect()
}

/// The words and lists of a database. Frequent words come first, so that their numbers are short.
struct Dictionary {
    words: Vec<String>,
    numbers: HashMap<String, usize>,
    lists: BTreeMap<String, String>,
    keys: HashMap<String, String>,
}

impl Dictionary {
    fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Self {
        let mut lists: BTreeSet<Vec<String>> = BTreeSet::new();
        for record in records {
            // Which fields are written as lists is the record's business.
            record::write("", &record.facts, &mut |list| {
                lists.insert(list.to_vec());
                String::new()
            });
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for word in lists.iter().flatten() {
            *counts.entry(word).or_default() += 1;
        }
        let mut words: Vec<String> = counts.keys().map(|word| (*word).to_owned()).collect();
        words.sort_by_key(|word| usize::MAX - counts.get(word.as_str()).copied().unwrap_or(0));
        let numbers = words.iter().cloned().zip(0..).collect();
        let mut dictionary = Self {
            words,
            numbers,
            lists: BTreeMap::new(),
            keys: HashMap::new(),
        };
        let mut coded: Vec<String> = lists.iter().map(|list| dictionary.code(list)).collect();
        coded.sort_by_key(|code| (code.len(), code.clone()));
        for (number, code) in coded.into_iter().enumerate() {
            let key = format!("{number:04}");
            dictionary.lists.insert(key.clone(), code.clone());
            dictionary.keys.insert(code, key);
        }
        dictionary
    }

    fn code(&self, list: &[String]) -> String {
        let numbers: Vec<String> = list
            .iter()
            .filter_map(|word| self.numbers.get(word))
            .map(ToString::to_string)
            .collect();
        numbers.join(" ")
    }

    fn number(&mut self, list: &[String]) -> String {
        self.keys.get(&self.code(list)).cloned().unwrap_or_default()
    }

    fn words(&self) -> String {
        self.words.iter().map(|word| format!("{word}\n")).collect()
    }

    fn lists(&self) -> String {
        lines(&self.lists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Database;

    fn document(model: &str, size: u32) -> Vec<u8> {
        format!(
            "<rdf:RDF><prf:Vendor>Nokia</prf:Vendor><prf:Model>{model}</prf:Model>\
             <mms:MmsMaxMessageSize>{size}</mms:MmsMaxMessageSize><mms:MmsCcppAccept><rdf:Bag>\
             <rdf:li>image/gif</rdf:li></rdf:Bag></mms:MmsCcppAccept></rdf:RDF>"
        )
        .into_bytes()
    }

    fn import(documents: &[(&str, Vec<u8>, Option<&str>, Origin)]) -> Imported {
        let mut importer = Importer::default();
        for (name, octets, url, origin) in documents {
            importer
                .add(name, octets, *url, *origin, &Limits::default())
                .unwrap();
        }
        importer.finish()
    }

    #[test]
    fn equal_documents_are_one_device_and_others_are_told_apart() {
        let documents = [
            (
                "a",
                document("6100", 1),
                Some("http://n.com/N6100r100.xml"),
                Origin::Served,
            ),
            (
                "b",
                document("6100", 1),
                Some("http://n.com/other/N6100.xml"),
                Origin::Served,
            ),
            (
                "c",
                document("6100", 2),
                Some("http://n.com/N6100r200.xml"),
                Origin::Served,
            ),
            ("d", document("6100", 3), None, Origin::Served),
            (
                "e",
                document("6100", 4),
                Some("http://n.com/N6100r100.xml"),
                Origin::Rewritten,
            ),
        ];
        let imported = import(&documents);
        assert_eq!(
            (imported.devices, imported.urls, imported.superseded),
            (3, 3, 1)
        );
        let database = Database::open(&imported.text).unwrap();
        let ids: Vec<&str> = database.ids().collect();
        assert_eq!([ids[0], ids[2]], ["nokia-6100", "nokia-6100-r200"]);
        assert_eq!(ids[1].len(), "nokia-6100-0000".len());
        let size = |url: &str| database.by_url(url).unwrap().facts.max_message_size;
        assert_eq!(size("http://n.com/N6100r100.xml"), Some(1));
        assert_eq!(size("http://n.com/N6100r200.xml"), Some(2));
        assert_eq!(database.by_model("nokia", "6100").unwrap().id, "nokia-6100");
    }

    #[test]
    fn the_order_of_documents_does_not_count() {
        let mut documents = vec![
            ("a", document("6100", 1), None, Origin::Served),
            (
                "b",
                document("T610R101", 2),
                Some("http://n.com/x.xml"),
                Origin::Corrected,
            ),
            (
                "c",
                document("6100", 3),
                Some("http://n.com/6100_3G.xml"),
                Origin::Served,
            ),
        ];
        let forward = import(&documents);
        documents.reverse();
        assert_eq!(forward, import(&documents));
        let database = Database::open(&forward.text).unwrap();
        assert_eq!(
            database.by_model("nokia", "T610").unwrap().id,
            "nokia-t610r101"
        );
    }

    #[test]
    fn what_is_no_profile_is_an_error() {
        let mut importer = Importer::default();
        let page = b"<html><body>404</body></html>";
        let result = importer.add("x", page, None, Origin::Served, &Limits::default());
        assert!(result.is_err());
        assert_eq!(importer.finish().devices, 0);
    }
}

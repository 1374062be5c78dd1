//! One device as one line of the database.

use std::fmt::Write;

use super::accept::DrmMethod;
use super::facts::{Facts, FieldValue, parse_dimensions};

/// What is written for a list that is known to be empty; a missing value is written as nothing.
const NONE: &str = "-";

/// Ways to protect content, by their letter.
const DRM: [(char, DrmMethod); 3] = [
    ('F', DrmMethod::ForwardLock),
    ('C', DrmMethod::CombinedDelivery),
    ('S', DrmMethod::SeparateDelivery),
];

/// The line of a device: its id and its facts, separated by tabs, without those at the end that
/// are missing. `list` gives the number of a list in the database's dictionary.
pub(super) fn write(id: &str, facts: &Facts, list: &mut impl FnMut(&[String]) -> String) -> String {
    let mut line = String::from(id);
    let mut put = |text: String| {
        line.push('\t');
        line.push_str(&text);
    };
    put(name(facts.vendor.as_deref()));
    put(name(facts.model.as_deref()));
    put(number(facts.max_message_size.as_ref()));
    put(number(facts.max_image.as_ref()));
    put(number(facts.screen.as_ref()));
    put(number(facts.bits_per_pixel.as_ref()));
    put(flag(facts.color));
    put(numbered(facts.accept.as_deref(), list));
    put(numbered(facts.charsets.as_deref(), list));
    put(numbered(facts.languages.as_deref(), list));
    put(joined(facts.mms_versions.as_deref()));
    put(joined(facts.content_classes.as_deref()));
    put(flag(facts.suppress_adaptation));
    put(flag(facts.streaming));
    put(letters(facts.drm.as_deref()));
    put(number(facts.max_polyphony.as_ref()));
    put(numbered(facts.three_gp_accept.as_deref(), list));
    put(numbered(facts.three_gp_brands.as_deref(), list));
    put(numbered(facts.smil_base_set.as_deref(), list));
    line.truncate(line.trim_end_matches('\t').len());
    line
}

/// Reads a line that [`write`] wrote. `list` gives the list with a number.
pub(super) fn read(
    line: &str,
    list: &impl Fn(&str) -> Option<Vec<String>>,
) -> Option<(String, Facts)> {
    let mut columns = line.split('\t');
    let id = columns.next()?.to_owned();
    let mut next = || columns.next().unwrap_or_default();
    let facts = Facts {
        vendor: some(next()).map(str::to_owned),
        model: some(next()).map(str::to_owned),
        max_message_size: parsed(next(), |t| t.parse().ok())?,
        max_image: parsed(next(), parse_dimensions)?,
        screen: parsed(next(), parse_dimensions)?,
        bits_per_pixel: parsed(next(), |t| t.parse().ok())?,
        color: parsed(next(), parse_flag)?,
        accept: parsed(next(), |t| parse_numbered(t, list))?,
        charsets: parsed(next(), |t| parse_numbered(t, list))?,
        languages: parsed(next(), |t| parse_numbered(t, list))?,
        mms_versions: parsed(next(), |t| Some(parse_joined(t)))?,
        content_classes: parsed(next(), |t| Some(parse_joined(t)))?,
        suppress_adaptation: parsed(next(), parse_flag)?,
        streaming: parsed(next(), parse_flag)?,
        drm: parsed(next(), parse_letters)?,
        max_polyphony: parsed(next(), |t| t.parse().ok())?,
        three_gp_accept: parsed(next(), |t| parse_numbered(t, list))?,
        three_gp_brands: parsed(next(), |t| parse_numbered(t, list))?,
        smil_base_set: parsed(next(), |t| parse_numbered(t, list))?,
    };
    columns.next().is_none().then_some((id, facts))
}

/// A missing value is fine, an unreadable one is not.
fn parsed<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match some(text) {
        None => Some(None),
        Some(text) => parse(text).map(Some),
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn name(text: Option<&str>) -> String {
    text.unwrap_or_default().replace(['\t', '\n', '\r'], " ")
}

fn number<T: FieldValue>(value: Option<&T>) -> String {
    value.map(FieldValue::to_text).unwrap_or_default()
}

fn flag(value: Option<bool>) -> String {
    match value {
        Some(true) => "y",
        Some(false) => "n",
        None => "",
    }
    .to_owned()
}

fn parse_flag(text: &str) -> Option<bool> {
    match text {
        "y" => Some(true),
        "n" => Some(false),
        _ => None,
    }
}

fn numbered(value: Option<&[String]>, list: &mut impl FnMut(&[String]) -> String) -> String {
    match value {
        None => String::new(),
        Some([]) => NONE.to_owned(),
        Some(items) => list(items),
    }
}

fn parse_numbered(text: &str, list: &impl Fn(&str) -> Option<Vec<String>>) -> Option<Vec<String>> {
    if text == NONE {
        return Some(Vec::new());
    }
    list(text)
}

fn joined(value: Option<&[String]>) -> String {
    match value {
        None => String::new(),
        Some([]) => NONE.to_owned(),
        Some(items) => items.join(","),
    }
}

fn parse_joined(text: &str) -> Vec<String> {
    if text == NONE {
        return Vec::new();
    }
    text.split(',').map(str::to_owned).collect()
}

fn letters(value: Option<&[String]>) -> String {
    let Some(items) = value else {
        return String::new();
    };
    let mut text = String::new();
    for item in items {
        if let Some((letter, _)) = DRM.iter().find(|(_, method)| method.name() == item) {
            text.push(*letter);
        }
    }
    if text.is_empty() {
        text.push_str(NONE);
    }
    text
}

fn parse_letters(text: &str) -> Option<Vec<String>> {
    if text == NONE {
        return Some(Vec::new());
    }
    text.chars()
        .map(|c| DRM.iter().find(|(letter, _)| *letter == c))
        .map(|found| found.map(|(_, method)| method.name().to_owned()))
        .collect()
}

/// Hexadecimal digits that stand for the facts of a device in ids that would clash otherwise.
pub(super) fn fingerprint(line: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut text = String::new();
    for octet in Sha256::digest(line).iter().take(4) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dimensions;

    #[test]
    fn a_line_comes_back_as_it_was() {
        let facts = Facts {
            vendor: Some("Nokia".into()),
            max_message_size: Some(45_000),
            max_image: Some(Dimensions::new(640, 480)),
            color: Some(true),
            accept: Some(vec!["image/gif".into(), "a/b; c=d".into()]),
            charsets: Some(Vec::new()),
            mms_versions: Some(vec!["1.0".into(), "1.1".into()]),
            suppress_adaptation: Some(false),
            drm: Some(vec!["CombinedDelivery".into(), "ForwardLock".into()]),
            max_polyphony: Some(4),
            ..Facts::default()
        };
        let mut lists: Vec<Vec<String>> = Vec::new();
        let line = write("nokia-x", &facts, &mut |items| {
            lists.push(items.to_vec());
            (lists.len() - 1).to_string()
        });
        assert_eq!(
            line,
            "nokia-x\tNokia\t\t45000\t640x480\t\t\ty\t0\t-\t\t1.0,1.1\t\tn\t\tCF\t4"
        );
        let list = |text: &str| lists.get(text.parse::<usize>().ok()?).cloned();
        assert_eq!(read(&line, &list), Some(("nokia-x".into(), facts)));
    }

    #[test]
    fn damaged_lines_are_not_read() {
        let list = |_: &str| None;
        for line in [
            "id\t\t\tmany",
            "id\t\t\t\t640",
            "id\t\t\t\t\t\t\tmaybe",
            "id\t\t\t\t\t\t\t\t7",
        ] {
            assert_eq!(read(line, &list), None, "{line}");
        }
        assert!(read("id", &list).is_some_and(|(_, facts)| facts.is_empty()));
        assert_eq!(fingerprint("x").len(), 8);
    }
}

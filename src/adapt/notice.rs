//! Notices: the text that tells a recipient what had to go, in his language.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::media::MediaKind;

const TEMPLATES: &str = include_str!("notices.toml");

/// Names longer than this are cut: a notice is a sentence, and its octets count.
const NAME_CHARS: usize = 40;

/// Why a part had to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The device does not take it, and no converter makes it into something it takes.
    Unsuitable,
    /// It is too large.
    TooLarge,
    /// It is protected and the device lacks the protection's method.
    Protected,
}

/// A part that had to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The name a person knows it by.
    pub name: Option<String>,
    /// Its kind.
    pub kind: MediaKind,
    /// Why.
    pub cause: Cause,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    removed: String,
    too_large: String,
    protected: String,
    link: String,
    kinds: BTreeMap<String, String>,
}

/// The notice for what was removed: one sentence a cause. `None` where nothing was.
///
/// `languages` are the device's, in order of preference; `fallback` is the operator's.
#[must_use]
pub fn compose(
    removed: &[Removed],
    languages: &[String],
    fallback: &str,
    link: Option<&str>,
) -> Option<String> {
    if removed.is_empty() {
        return None;
    }
    let templates: BTreeMap<String, Template> = toml::from_str(TEMPLATES).unwrap_or_default();
    let template = languages
        .iter()
        .map(String::as_str)
        .chain([fallback, "en"])
        .find_map(|tag| templates.get(&primary_subtag(tag)))?;
    let mut sentences = Vec::new();
    for cause in [Cause::Unsuitable, Cause::TooLarge, Cause::Protected] {
        let items: Vec<String> = removed
            .iter()
            .filter(|r| r.cause == cause)
            .map(|r| item(r, template))
            .collect();
        if items.is_empty() {
            continue;
        }
        let text = match cause {
            Cause::Unsuitable => &template.removed,
            Cause::TooLarge => &template.too_large,
            Cause::Protected => &template.protected,
        };
        sentences.push(text.replace("{items}", &items.join(", ")));
    }
    if let Some(link) = link {
        sentences.push(template.link.replace("{link}", link));
    }
    Some(sentences.join(" "))
}

fn item(removed: &Removed, template: &Template) -> String {
    let kind = template
        .kinds
        .get(removed.kind.name())
        .map_or("", String::as_str);
    match removed
        .name
        .as_deref()
        .map(shown_name)
        .filter(|name| !name.is_empty())
    {
        Some(name) => format!("{name} ({kind})"),
        None => kind.to_owned(),
    }
}

/// The last segment of a name that may be a path, without control characters, cut to length.
fn shown_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    last.chars()
        .filter(|c| !c.is_control())
        .take(NAME_CHARS)
        .collect()
}

fn primary_subtag(tag: &str) -> String {
    tag.split(['-', '_'])
        .next()
        .unwrap_or(tag)
        .trim()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(name: &str, kind: MediaKind, cause: Cause) -> Removed {
        Removed {
            name: Some(name.to_owned()),
            kind,
            cause,
        }
    }

    #[test]
    fn every_language_names_every_kind_and_every_placeholder() {
        let templates: BTreeMap<String, Template> = toml::from_str(TEMPLATES).unwrap();
        assert!(templates.len() >= 10);
        for (language, template) in &templates {
            for text in [&template.removed, &template.too_large, &template.protected] {
                assert!(text.contains("{items}"), "{language}");
            }
            assert!(template.link.contains("{link}"), "{language}");
            for kind in ["image", "audio", "synthetic", "video", "text", "other"] {
                assert!(template.kinds.contains_key(kind), "{language} {kind}");
            }
        }
    }

    #[test]
    fn causes_make_sentences_in_the_devices_language() {
        let gone = [
            removed("clip.3gp", MediaKind::Video, Cause::TooLarge),
            removed("/tmp/php1/a.amr", MediaKind::Audio, Cause::Unsuitable),
        ];
        let text = compose(&gone, &["xx".into(), "de-AT".into()], "en", None).unwrap();
        assert!(
            text.contains("a.amr (Ton)") && text.contains("clip.3gp (Video)"),
            "{text}"
        );
        assert!(!text.contains("php1"), "folders of the sender stay private");
        let text = compose(&gone, &[], "zz", Some("http://m.example/1")).unwrap();
        assert!(text.starts_with("Removed") && text.ends_with("http://m.example/1"));
        assert_eq!(compose(&[], &[], "en", None), None);
    }
}

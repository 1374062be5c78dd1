//! Notices: the text that tells a recipient what had to go or is not whole, in his language.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::media::MediaKind;

const TEMPLATES: &str = include_str!("notices.toml");

/// Names longer than this are cut: a notice is a sentence, and its octets count.
const NAME_CHARS: usize = 40;

/// Why a part had to go, or what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The device does not take it, and no converter makes it into something it takes.
    Unsuitable,
    /// It is too large.
    TooLarge,
    /// It is protected and the device lacks the protection's method.
    Protected,
    /// It is there, and its end is cut off.
    Shortened,
    /// A still picture of it is there.
    Still,
}

impl Cause {
    /// All of them, in the order of their sentences.
    const ALL: [Self; 5] = [
        Self::Unsuitable,
        Self::TooLarge,
        Self::Protected,
        Self::Shortened,
        Self::Still,
    ];
}

/// A part that a recipient does not get as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affected {
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
    shortened: String,
    still: String,
    link: String,
    kinds: BTreeMap<String, String>,
}

/// The notice for what was removed or is not whole: one sentence a cause. `None` where nothing was.
///
/// `languages` are the device's, in order of preference; `fallback` is the operator's.
#[must_use]
pub fn compose(
    affected: &[Affected],
    languages: &[String],
    fallback: &str,
    link: Option<&str>,
) -> Option<String> {
    if affected.is_empty() {
        return None;
    }
    // Read once: it takes longer than fitting a small message.
    static READ: OnceLock<BTreeMap<String, Template>> = OnceLock::new();
    let templates = READ.get_or_init(|| toml::from_str(TEMPLATES).unwrap_or_default());
    let template = languages
        .iter()
        .map(String::as_str)
        .chain([fallback, "en"])
        .find_map(|tag| templates.get(&primary_subtag(tag)))?;
    let mut sentences = Vec::new();
    for cause in Cause::ALL {
        let items: Vec<String> = affected
            .iter()
            .filter(|part| part.cause == cause)
            .map(|part| item(part, template))
            .collect();
        if items.is_empty() {
            continue;
        }
        let text = match cause {
            Cause::Unsuitable => &template.removed,
            Cause::TooLarge => &template.too_large,
            Cause::Protected => &template.protected,
            Cause::Shortened => &template.shortened,
            Cause::Still => &template.still,
        };
        sentences.push(text.replace("{items}", &items.join(", ")));
    }
    if let Some(link) = link {
        sentences.push(template.link.replace("{link}", link));
    }
    Some(sentences.join(" "))
}

fn item(affected: &Affected, template: &Template) -> String {
    let kind = template
        .kinds
        .get(affected.kind.name())
        .map_or("", String::as_str);
    match affected
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

    fn affected(name: &str, kind: MediaKind, cause: Cause) -> Affected {
        Affected {
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
            let texts = [
                &template.removed,
                &template.too_large,
                &template.protected,
                &template.shortened,
                &template.still,
            ];
            for text in texts {
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
            affected("clip.3gp", MediaKind::Video, Cause::TooLarge),
            affected("/tmp/php1/a.amr", MediaKind::Audio, Cause::Unsuitable),
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

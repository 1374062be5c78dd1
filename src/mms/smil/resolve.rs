//! Which part a reference means.

use crate::mms::message::{Part, trim_brackets};

/// Index of the part that `src` names, the way phones write it.
///
/// Tried in this order over all parts: exactly, percent-decoded, without regard to case, without
/// the path in front. Each time Content-ID, Content-Location, the `name` parameter and the file
/// name are compared in this order, with `cid:` and angle brackets taken away. A presentation is
/// never the answer.
#[must_use]
pub fn resolve(src: &str, parts: &[Part]) -> Option<usize> {
    let wanted = bare(src);
    if wanted.is_empty() {
        return None;
    }
    let decoded = percent_decode(wanted);
    let lower = decoded.to_lowercase();
    let file = last_component(&lower);
    find(parts, |name| name == wanted)
        .or_else(|| {
            find(parts, |name| {
                name == decoded || percent_decode(name) == decoded
            })
        })
        .or_else(|| find(parts, |name| percent_decode(name).to_lowercase() == lower))
        .or_else(|| {
            let same_file = |name: &str| {
                let name = percent_decode(name).to_lowercase();
                !file.is_empty() && last_component(&name) == file
            };
            find(parts, same_file)
        })
}

fn find(parts: &[Part], matches: impl Fn(&str) -> bool) -> Option<usize> {
    NAMES.iter().find_map(|name_of| {
        parts.iter().position(|part| {
            !part.is_presentation() && name_of(part).map(bare).is_some_and(&matches)
        })
    })
}

type NameOf = fn(&Part) -> Option<&str>;

const NAMES: [NameOf; 4] = [
    |part| part.content_id.as_deref(),
    |part| part.content_location.as_deref(),
    |part| part.content_type.param("name"),
    |part| part.disposition.as_ref()?.filename.as_deref(),
];

/// A name without `cid:`, quotes, angle brackets and white space around it.
fn bare(name: &str) -> &str {
    let name = name.trim().trim_matches('"');
    let name = match name.split_at_checked(4) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("cid:") => rest,
        _ => name,
    };
    trim_brackets(name)
}

fn last_component(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

fn percent_decode(name: &str) -> String {
    let mut octets = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => match crate::mms::transfer::hex(*high, *low) {
                Some(octet) => {
                    octets.push(octet);
                    rest = after;
                }
                None => octets.push(b'%'),
            },
            (octet, _) => octets.push(*octet),
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::{ContentType, Disposition, DispositionKind};

    fn parts() -> Vec<Part> {
        let mut smil = Part::new(ContentType::new("application/smil"), "");
        smil.content_id = Some("first".to_owned());
        let mut by_id = Part::new(ContentType::new("image/gif"), "");
        by_id.content_id = Some("AAA".to_owned());
        let mut by_location = Part::new(ContentType::new("image/gif"), "");
        by_location.content_location = Some("my photo.jpg".to_owned());
        let by_name = Part::new(ContentType::new("text/plain").with("name", "Text1.txt"), "");
        let mut by_file = Part::new(ContentType::new("audio/amr"), "");
        by_file.disposition = Some(Disposition {
            kind: DispositionKind::Attachment,
            filename: Some("/tmp/php1/a.amr".to_owned()),
            params: Vec::new(),
        });
        let mut again = Part::new(ContentType::new("image/png"), "");
        again.content_location = Some("aaa".to_owned());
        vec![smil, by_id, by_location, by_name, by_file, again]
    }

    #[test]
    fn references_are_resolved_the_way_phones_write_them() {
        let parts = parts();
        for (src, index) in [
            ("cid:AAA", Some(1)),
            ("CID:<AAA>", Some(1)),
            ("AAA", Some(1)),
            ("aaa", Some(5)),
            ("cid:aAa", Some(1)),
            ("my photo.jpg", Some(2)),
            ("my%20photo.jpg", Some(2)),
            ("images/My%20Photo.JPG", Some(2)),
            ("text1.TXT", Some(3)),
            ("C:\\Text1.txt", Some(3)),
            ("a.amr", Some(4)),
            ("first", None),
            ("cid:first", None),
            ("nothing", None),
            ("cid:", None),
            ("", None),
            ("folder/", None),
        ] {
            assert_eq!(resolve(src, &parts), index, "{src}");
        }
    }
}

//! New names for parts whose format changes.

use std::collections::BTreeSet;

use crate::media::mime;
use crate::mms::Part;

/// The names in use in a message, in lower case.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Every name of every part.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Self {
        Self(
            parts
                .into_iter()
                .flat_map(names)
                .map(str::to_ascii_lowercase)
                .collect(),
        )
    }

    /// `wanted`, or a variation of it that nobody uses; it is in use from now on.
    pub(super) fn claim(&mut self, wanted: &str) -> String {
        let (stem, extension) = split_extension(wanted);
        let mut candidate = wanted.to_owned();
        let mut number = 1_u32;
        while !self.0.insert(candidate.to_ascii_lowercase()) {
            number = number.saturating_add(1);
            candidate = match extension {
                Some(extension) => format!("{stem}-{number}.{extension}"),
                None => format!("{stem}-{number}"),
            };
        }
        candidate
    }

    /// Gives every name of `part` that ends in the extension of a medium the extension of the
    /// format it has become. Content-ID is an opaque token and stays.
    pub(super) fn give_extension(&mut self, part: &mut Part, extension: &str) {
        let mut done: Option<(String, String)> = None;
        let mut rename = |old: &str| -> Option<String> {
            let (stem, current) = split_extension(old);
            let current = current?;
            mime::format_of_extension(current)?;
            if current.eq_ignore_ascii_case(extension) {
                return None;
            }
            if let Some((from, to)) = &done
                && from == old
            {
                return Some(to.clone());
            }
            let new = self.claim(&format!("{stem}.{extension}"));
            done = Some((old.to_owned(), new.clone()));
            Some(new)
        };
        if let Some(new) = part.content_location.as_deref().and_then(&mut rename) {
            part.content_location = Some(new);
        }
        if let Some(new) = part.content_type.param("name").and_then(&mut rename) {
            part.content_type.set_param("name", new);
        }
        if let Some(disposition) = &mut part.disposition
            && let Some(new) = disposition.filename.as_deref().and_then(&mut rename)
        {
            disposition.filename = Some(new);
        }
    }
}

fn names(part: &Part) -> impl Iterator<Item = &str> {
    let filename = part
        .disposition
        .as_ref()
        .and_then(|d| d.filename.as_deref());
    [
        part.content_location.as_deref(),
        part.content_type.param("name"),
        filename,
    ]
    .into_iter()
    .chain([part.content_id.as_deref()])
    .flatten()
}

/// A name and its extension, if it has a short one.
fn split_extension(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('.') {
        Some((stem, extension))
            if !stem.is_empty()
                && (1..=5).contains(&extension.len())
                && extension.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            (stem, Some(extension))
        }
        _ => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::{ContentType, Disposition, DispositionKind};

    fn part(name: &str) -> Part {
        let mut part = Part::new(ContentType::new("image/png").with("name", name), "");
        part.content_location = Some(name.to_owned());
        part.content_id = Some(name.to_owned());
        part.disposition = Some(Disposition {
            kind: DispositionKind::Attachment,
            filename: Some(name.to_owned()),
            params: Vec::new(),
        });
        part
    }

    #[test]
    fn all_names_change_together_and_the_id_stays() {
        let mut photo = part("photo.png");
        Names::of([&photo]).give_extension(&mut photo, "jpg");
        assert_eq!(photo.content_location.as_deref(), Some("photo.jpg"));
        assert_eq!(photo.content_type.param("name"), Some("photo.jpg"));
        assert_eq!(
            photo.disposition.unwrap().filename.as_deref(),
            Some("photo.jpg")
        );
        assert_eq!(photo.content_id.as_deref(), Some("photo.png"));
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut png = part("photo.png");
        let other = part("PHOTO.JPG");
        Names::of([&png, &other]).give_extension(&mut png, "jpg");
        assert_eq!(png.content_location.as_deref(), Some("photo-2.jpg"));
    }

    #[test]
    fn names_without_a_known_extension_stay() {
        for name in ["photo", "v1.2", ".png", "a.verylongextension", "x.png "] {
            let mut photo = part(name);
            Names::of([&photo]).give_extension(&mut photo, "jpg");
            assert_eq!(photo.content_location.as_deref(), Some(name));
        }
    }
}

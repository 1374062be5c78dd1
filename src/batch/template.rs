//! How results are called.

use std::path::{Component, Path, PathBuf};

/// A name with fields in braces, such as `{dir}/{stem}.{device}.{ext}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

/// A field of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The folder of the input, below the folder that was given.
    Dir,
    /// The name of the input without its extension.
    Stem,
    /// The name of the input.
    Name,
    /// The name of the device.
    Device,
    /// The extension of the result.
    Ext,
    /// The number of the input, from 1.
    Number,
}

/// What the fields stand for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    /// [`Field::Dir`].
    pub dir: &'a str,
    /// [`Field::Stem`].
    pub stem: &'a str,
    /// [`Field::Name`].
    pub name: &'a str,
    /// [`Field::Device`].
    pub device: &'a str,
    /// [`Field::Ext`].
    pub ext: &'a str,
    /// [`Field::Number`].
    pub number: usize,
}

const FIELDS: &[(&str, Field)] = &[
    ("dir", Field::Dir),
    ("stem", Field::Stem),
    ("name", Field::Name),
    ("device", Field::Device),
    ("ext", Field::Ext),
    ("n", Field::Number),
];

impl Default for Template {
    fn default() -> Self {
        let text = |text: &str| Piece::Text(text.to_owned());
        Self {
            pieces: vec![
                Piece::Field(Field::Dir),
                text("/"),
                Piece::Field(Field::Stem),
                text("."),
                Piece::Field(Field::Device),
                text("."),
                Piece::Field(Field::Ext),
            ],
        }
    }
}

impl std::str::FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('{') {
            let (name, after) = from
                .split_once('}')
                .ok_or("a brace is opened and never closed")?;
            let field = FIELDS.iter().find(|(known, _)| *known == name);
            let (_, field) = field.ok_or_else(|| {
                let known: Vec<String> = FIELDS
                    .iter()
                    .map(|(name, _)| format!("{{{name}}}"))
                    .collect();
                format!("{{{name}}} is none of {}", known.join(" "))
            })?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Field(*field));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        let inside = |component| matches!(component, Component::Normal(_) | Component::CurDir);
        if text.is_empty() || !Path::new(text).components().all(inside) {
            return Err("a name below the output folder, without ..".to_owned());
        }
        Ok(Self { pieces })
    }
}

impl Template {
    /// Whether the name has this field.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.pieces.contains(&Piece::Field(field))
    }

    /// The path, relative to the output folder. Whatever the fields hold, it stays below it.
    #[must_use]
    pub fn render(&self, fields: &Fields<'_>) -> PathBuf {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Field(Field::Dir) => text.push_str(fields.dir),
                Piece::Field(Field::Stem) => text.push_str(&one_name(fields.stem)),
                Piece::Field(Field::Name) => text.push_str(&one_name(fields.name)),
                Piece::Field(Field::Device) => text.push_str(&one_name(fields.device)),
                Piece::Field(Field::Ext) => text.push_str(&one_name(fields.ext)),
                Piece::Field(Field::Number) => text.push_str(&fields.number.to_string()),
            }
        }
        text.split('/')
            .filter(|component| !matches!(*component, "" | "."))
            .map(|component| if component == ".." { "__" } else { component })
            .collect()
    }
}

/// A field that cannot lead into another folder.
fn one_name(field: &str) -> String {
    field.replace(['/', '\0'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields<'static> {
        Fields {
            dir: "2026/may",
            stem: "photo",
            name: "photo.heic",
            device: "nokia-6100",
            ext: "jpg",
            number: 7,
        }
    }

    #[test]
    fn fields_are_filled_in() {
        let usual = Template::default().render(&fields());
        assert_eq!(usual, Path::new("2026/may/photo.nokia-6100.jpg"));
        let own: Template = "{device}/{n}-{name}.{ext}".parse().unwrap();
        assert_eq!(
            own.render(&fields()),
            Path::new("nokia-6100/7-photo.heic.jpg")
        );
        assert!(own.has(Field::Device) && !own.has(Field::Dir));
        let text = "{dir}/{stem}.{device}.{ext}";
        assert_eq!(text.parse::<Template>().unwrap(), Template::default());
    }

    #[test]
    fn no_field_leads_out_of_the_folder() {
        let hostile = Fields {
            dir: "../../etc//./x",
            stem: "../a",
            device: "..",
            ..fields()
        };
        let own: Template = "{dir}/{device}/{stem}".parse().unwrap();
        assert_eq!(own.render(&hostile), Path::new("__/__/etc/x/__/.._a"));
    }

    #[test]
    fn a_wrong_template_says_what_is_wrong() {
        for (text, word) in [
            ("{dri}/x", "{dri}"),
            ("{dir", "closed"),
            ("/abs/{stem}", "below"),
            ("../{stem}", "below"),
            ("", "below"),
        ] {
            let error = text.parse::<Template>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}

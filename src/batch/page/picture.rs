//! Pictures before and after, small enough to be part of a page.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::row::Row;
use super::style::octets;
use crate::adapt::Form;
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::image::{ImageTarget, Source};
use crate::media::{self, Cancel, Format, MediaKind, Registry, mime};

/// Octets of one picture on a page at most; a larger one is shown smaller.
const MOST: u64 = 48 << 10;

/// The box of a picture that is shown smaller.
const BOX: Dimensions = Dimensions {
    width: 400,
    height: 400,
};

/// A picture before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The input.
    pub input: String,
    /// The device.
    pub device: String,
    /// What it was.
    pub was: String,
    /// What it is.
    pub is: String,
    /// The picture before, as a URI that holds it.
    pub before: String,
    /// The picture after.
    pub after: String,
}

/// Pictures of some of the results, from all over the report: each input once before any comes twice.
/// What is not where the report says any more is passed over.
#[must_use]
pub fn pairs(rows: &[Row], most: usize, registry: &Registry) -> Vec<Pair> {
    let limits = Limits::default();
    let mut seen = std::collections::BTreeSet::new();
    let (first, again): (Vec<&Row>, Vec<&Row>) = rows
        .iter()
        .filter(|row| row.shows_a_picture())
        .partition(|row| seen.insert(row.input()));
    let step = first.len().checked_div(most).unwrap_or(1).max(1);
    let spread = first.iter().step_by(step);
    // Where a file is gone, the next will do.
    let others = first.iter().enumerate().filter(|(at, _)| at % step != 0);
    spread
        .chain(others.map(|(_, row)| row))
        .chain(&again)
        .take(most.saturating_mul(4))
        .filter_map(|row| pair(row, registry, &limits))
        .take(most)
        .collect()
}

impl Row {
    fn shows_a_picture(&self) -> bool {
        self.output.is_some()
            && self.verdict == "adapted"
            && self.parts.iter().any(|part| {
                let coded = matches!(part.action.as_deref(), Some("transcode" | "replace"));
                let is = part.type_out.as_deref();
                let was = part.media_in.as_ref().map(|media| media.kind.as_str());
                coded && was == Some("image") && is.is_some_and(|is| is.starts_with("image/"))
            })
    }
}

fn pair(row: &Row, registry: &Registry, limits: &Limits) -> Option<Pair> {
    let before = first_picture(Path::new(row.input()), limits)?;
    let after = first_picture(Path::new(row.output.as_deref()?), limits)?;
    Some(Pair {
        input: row.input().to_owned(),
        device: row.target().to_owned(),
        was: described(&before, limits)?,
        is: described(&after, limits)?,
        before: uri(&before, registry, limits)?,
        after: uri(&after, registry, limits)?,
    })
}

/// The first picture of a message, or the medium itself.
fn first_picture(path: &Path, limits: &Limits) -> Option<Bytes> {
    let found = std::fs::metadata(path).ok()?;
    let len = usize::try_from(found.len()).ok()?;
    if !found.is_file() || len > limits.message_bytes {
        return None;
    }
    let octets = std::fs::read(path).ok()?.into();
    let name = path.file_name().and_then(|name| name.to_str());
    let formed = Form::read(octets, name, limits).ok()?;
    let parts = formed.message.body.parts.into_iter();
    let mut parts = parts.map(|part| part.data);
    parts.find(|data| media::probe(data, limits).is_ok_and(|info| info.kind == MediaKind::Image))
}

fn described(picture: &Bytes, limits: &Limits) -> Option<String> {
    let info = media::probe(picture, limits).ok()?;
    let size = info.shown_size()?;
    let len = u64::try_from(picture.len()).unwrap_or(u64::MAX);
    Some(format!(
        "{} {size}, {}",
        mime::extension(&info),
        octets(len)
    ))
}

/// A URI that holds a picture: itself where it is small and every browser shows it.
fn uri(picture: &Bytes, registry: &Registry, limits: &Limits) -> Option<String> {
    let info = media::probe(picture, limits).ok()?;
    let len = u64::try_from(picture.len()).unwrap_or(u64::MAX);
    let shown = matches!(
        info.format,
        Format::Jpeg | Format::Png | Format::Gif | Format::Webp
    );
    if shown && len <= MOST {
        let media = mime::media_type(&info);
        return Some(format!("data:{media};base64,{}", STANDARD.encode(picture)));
    }
    let cancel = Cancel::new();
    let source = Source::open_still(picture, info.format, registry, limits, &cancel, Some(BOX));
    let target = ImageTarget {
        format: Format::Jpeg,
        max_box: Some(BOX),
        max_bytes: Some(MOST),
        quality: Some(85),
        animation: false,
        bits_per_pixel: None,
    };
    let small = source.ok()?.encode(&target, &cancel).ok()?;
    Some(format!(
        "data:image/jpeg;base64,{}",
        STANDARD.encode(small.bytes)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_are_there_are_shown_and_others_are_not() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let line = |input: &str, verdict: &str| {
            serde_json::json!({
                "input": data.join(input), "output": data.join("sunset.jpg"), "verdict": verdict,
                "device": { "id": "phone" }, "parts": [{ "action": "transcode",
                    "type_out": "image/jpeg", "media_in": { "kind": "image" } }],
            })
            .to_string()
                + "\n"
        };
        let text =
            line("gone.jpg", "adapted") + &line("greeting.mms", "adapted") + &line("x", "failed");
        let rows = super::super::read(text.as_bytes()).unwrap();
        let pairs = pairs(&rows, 3, &Registry::builtin());
        assert_eq!(pairs.len(), 1);
        assert_eq!(pairs[0].was, "jpg 1280x960, 232 kB");
        assert!(pairs[0].before.starts_with("data:image/jpeg;base64,/9j/"));
        assert!(pairs[0].before.len() < 70_000);
    }
}

//! The root element of an XML document, and what SVG's says (SVG 1.1 section 7.2).
//!
//! No XML is parsed here: entities and the document type stay unread.

use crate::dimensions::Dimensions;
use crate::media::{Codec, Format, MediaInfo, MediaKind};

/// The name of the root element, without its prefix.
pub(super) fn root_name(text: &str) -> Option<&str> {
    let tag = root(text)?;
    let end = tag.find(|letter: char| {
        !(letter.is_alphanumeric() || matches!(letter, ':' | '_' | '-' | '.'))
    });
    let name = tag.get(..end.unwrap_or(tag.len()))?;
    Some(name.rsplit_once(':').map_or(name, |(_, local)| local))
}

/// What follows the `<` of the root element. Declarations, comments and the document type in front
/// of it are passed over.
fn root(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    loop {
        let body = rest.strip_prefix('<')?;
        let end = if body.starts_with('?') {
            body.find("?>")?.checked_add(2)?
        } else if body.starts_with("!--") {
            body.find("-->")?.checked_add(3)?
        } else if body.starts_with('!') {
            doctype_end(body)?
        } else {
            return Some(body);
        };
        rest = body.get(end..)?.trim_start();
    }
}

/// Octets up to and with the `>` of a document type, its internal subset included.
fn doctype_end(body: &str) -> Option<usize> {
    let plain = body.find('>')?;
    match body.find('[').filter(|subset| *subset < plain) {
        None => plain.checked_add(1),
        Some(subset) => {
            let close = subset.checked_add(body.get(subset..)?.find(']')?)?;
            let end = body.get(close..)?.find('>')?;
            close.checked_add(end)?.checked_add(1)
        }
    }
}

/// Reads the size of the SVG document that `text` starts.
pub(super) fn read(text: &str) -> MediaInfo {
    let mut info = MediaInfo::new(Format::Svg, MediaKind::Image);
    info.codec = Some(Codec::Svg);
    info.alpha = true;
    info.frames = Some(1);
    let tag = root(text).unwrap_or_default();
    let tag = tag.split('>').next().unwrap_or_default();
    let side = |name| attribute(tag, name).and_then(length);
    let drawn = attribute(tag, "viewBox").and_then(view_box);
    info.size = match (side("width"), side("height"), drawn) {
        (Some(width), Some(height), _) => Some((width, height)),
        (_, _, Some(drawn)) => Some(drawn),
        _ => None,
    }
    .filter(|(width, height)| *width > 0 && *height > 0)
    .map(|(width, height)| Dimensions::new(width, height));
    info
}

/// The value of an attribute of a start tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    while let Some((before, after)) = rest.split_once('=') {
        let value = after.trim_start();
        let quote = value.chars().next().filter(|q| matches!(q, '"' | '\''))?;
        let (value, next) = value.get(1..)?.split_once(quote)?;
        if before.split_whitespace().next_back() == Some(name) {
            return Some(value);
        }
        rest = next;
    }
    None
}

/// Pixels of a length, rounded up; `None` for a share of the window.
fn length(value: &str) -> Option<u32> {
    let value = value.trim();
    let end = value.find(|letter: char| !(letter.is_ascii_digit() || letter == '.'));
    let (number, unit) = value.split_at_checked(end.unwrap_or(value.len()))?;
    // CSS 2.1 section 4.3.2: 96 pixels to the inch.
    let scale = match unit.trim() {
        "" | "px" => 1.0,
        "pt" => 96.0 / 72.0,
        "pc" => 16.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 96.0 / 25.4,
        _ => return None,
    };
    pixels(number.parse::<f64>().ok()? * scale)
}

fn view_box(value: &str) -> Option<(u32, u32)> {
    let mut numbers = value
        .split([' ', ',', '\t', '\n', '\r'])
        .filter(|number| !number.is_empty())
        .map(str::parse::<f64>);
    let (width, height) = (numbers.nth(2)?.ok()?, numbers.next()?.ok()?);
    Some((pixels(width)?, pixels(height)?))
}

fn pixels(length: f64) -> Option<u32> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked first"
    )]
    (0.0..1e9).contains(&length).then(|| length.ceil() as u32)
}

#[cfg(test)]
mod tests {
    use super::super::tests::known;
    use super::*;

    fn size(attributes: &str) -> Option<Dimensions> {
        let text = format!("<?xml version='1.0'?>\n<svg:svg {attributes}><g/></svg:svg>");
        let info = known(text.as_bytes());
        assert_eq!((info.format, info.codec), (Format::Svg, Some(Codec::Svg)));
        info.size
    }

    #[test]
    fn sizes_by_length_and_by_view_box() {
        let some = |width, height| Some(Dimensions::new(width, height));
        assert_eq!(size("width='64' height=\"48px\""), some(64, 48));
        assert_eq!(size("width='1in' height='72pt'"), some(96, 96));
        assert_eq!(size("width='100%' viewBox='0 0 31.5 20'"), some(32, 20));
        assert_eq!(size("viewBox='0,0,10,20' width='5'"), some(10, 20));
        assert_eq!(size("stroke-width='3'"), None);
        assert_eq!(size("width='-4' height='nan'"), None);
    }

    #[test]
    fn an_internal_subset_is_passed_over() {
        let text = "<!DOCTYPE svg [<!ENTITY a 'b>'>]><svg width='1' height='2'/>";
        assert_eq!(root_name(text), Some("svg"));
        assert_eq!(root_name("<!DOCTYPE svg"), None);
        assert_eq!(root_name("<?xml"), None);
    }
}

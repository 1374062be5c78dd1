//! Which format a picture becomes on a device.

use super::inspect::Inspected;
use super::report::Reason;
use crate::media::{Codec, Format, MediaInfo, Registry};
use crate::profile::Capabilities;

/// A format a picture can become, with the type name the device lists for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The format.
    pub(super) format: Format,
    /// The spelling of its media type in the device's list.
    pub(super) media: String,
    /// Whether several frames survive.
    pub(super) animation: bool,
    /// What does as well, with its type name, where the pixels speak for it.
    pub(super) others: Vec<(Format, String)>,
}

/// The best format for a picture among those the device takes and the registry can write:
/// the picture's own where it is among them, JPEG for photographs, GIF or PNG for graphics and
/// animations; AVIF, WebP or WBMP where none of these is listed (3GPP TS 26.140 clause 4).
#[must_use]
pub(super) fn choose(info: &MediaInfo, caps: &Capabilities, registry: &Registry) -> Option<Choice> {
    let animated = info.frames.is_some_and(|frames| frames > 1);
    let graphic = info.alpha
        || info.palette.is_some()
        || matches!(info.format, Format::Gif | Format::Wbmp | Format::Svg);
    let order: &[Format] = match (animated, graphic) {
        (true, _) => &[Format::Gif, Format::Jpeg, Format::Png],
        (false, true) => &[Format::Png, Format::Gif, Format::Jpeg],
        (false, false) => &[Format::Jpeg, Format::Png, Format::Gif],
    };
    // They cost far more to make, or hold a photograph in far more octets.
    let late = [Format::Avif, Format::Webp, Format::Wbmp];
    let own = matches!(
        info.format,
        Format::Jpeg | Format::Png | Format::Gif | Format::Wbmp | Format::Avif | Format::Named(_)
    )
    .then_some(info.format);
    own.into_iter()
        .chain(order.iter().copied())
        .chain(late)
        .chain(registry.named_images())
        .find_map(|format| {
            if !registry.encodes(format)
                || (animated && own == Some(format) && format == Format::Png)
            {
                return None;
            }
            let media = accepted(format, caps)?.to_owned();
            Some(Choice {
                format,
                media,
                animation: animated && format == Format::Gif,
                others: if animated || info.alpha {
                    Vec::new()
                } else {
                    others(format, info, caps, registry)
                },
            })
        })
}

/// The other formats of still pictures that the device takes and the registry can write. What was
/// a JPEG has lost already what another format would keep.
fn others(
    chosen: Format,
    info: &MediaInfo,
    caps: &Capabilities,
    registry: &Registry,
) -> Vec<(Format, String)> {
    let usual = [Format::Jpeg, Format::Png, Format::Gif];
    let black_and_white = caps
        .bits_per_pixel
        .as_ref()
        .is_some_and(|bits| bits.value == 1);
    if info.format == Format::Jpeg || !usual.contains(&chosen) || black_and_white {
        return Vec::new();
    }
    let others = usual.into_iter().filter(|&format| format != chosen);
    others
        .filter(|&format| registry.encodes(format))
        .filter_map(|format| Some((format, accepted(format, caps)?.to_owned())))
        .collect()
}

/// The name by which a device takes a format.
fn accepted(format: Format, caps: &Capabilities) -> Option<&str> {
    match format {
        Format::Named(named) => named.media_types().iter().find_map(|t| caps.accepts(t)),
        _ => caps.accepts(media_type(format)?),
    }
}

/// The reason why a picture's coding is beyond a device, if it is: progressive JPEG is optional
/// before MMS 1.3 (3GPP TS 26.140 clause 4.5), so it stays only where the device speaks of it.
#[must_use]
pub(super) fn coding_reason(inspected: &Inspected<'_>, caps: &Capabilities) -> Option<Reason> {
    if inspected.info.codec != Some(Codec::JpegProgressive) {
        return None;
    }
    let versions = caps
        .mms_versions
        .as_ref()
        .map(|v| v.value.as_slice())
        .unwrap_or_default();
    let listed = caps
        .accept
        .as_ref()
        .map(|a| a.value.as_slice())
        .unwrap_or_default();
    let modern = versions.iter().any(|v| v == "1.3")
        || listed.iter().any(|t| t.eq_ignore_ascii_case("image/pjpeg"));
    (!modern).then(|| Reason::new("MmsVersion", "baseline JPEG", "progressive JPEG"))
}

/// The canonical media type of a format that pictures are written in.
#[must_use]
pub(super) fn media_type(format: Format) -> Option<&'static str> {
    match format {
        Format::Jpeg => Some("image/jpeg"),
        Format::Png => Some("image/png"),
        Format::Gif => Some("image/gif"),
        Format::Wbmp => Some("image/vnd.wap.wbmp"),
        Format::Avif => Some("image/avif"),
        Format::Webp => Some("image/webp"),
        _ => None,
    }
}

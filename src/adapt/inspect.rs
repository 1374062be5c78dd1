//! What each part of a message is, by its octets and not by its label.

use bytes::Bytes;

use super::clip_choice;
use crate::limits::Limits;
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind, Registry, container, mime};
use crate::mms::{Message, Part};

/// What a part is to adaptation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The presentation of the message.
    Presentation,
    /// Text that is shown.
    Text,
    /// A business card.
    Vcard,
    /// A calendar entry.
    Vcalendar,
    /// A picture.
    Image,
    /// Sampled sound.
    Audio,
    /// A melody.
    Synthetic,
    /// Moving pictures.
    Video,
    /// Protected content: never opened.
    Drm,
    /// Anything else.
    Other,
}

impl Role {
    /// The kind of medium that a notice and a report call this.
    #[must_use]
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Presentation | Self::Text | Self::Vcard | Self::Vcalendar => MediaKind::Text,
            Self::Image => MediaKind::Image,
            Self::Audio => MediaKind::Audio,
            Self::Synthetic => MediaKind::Synthetic,
            Self::Video => MediaKind::Video,
            Self::Drm | Self::Other => MediaKind::Other,
        }
    }
}

/// A part with what probing found in it.
#[derive(Debug, Clone)]
pub(super) struct Inspected<'a> {
    /// Index in the message.
    pub(super) index: usize,
    /// The part.
    pub(super) part: &'a Part,
    /// What it is to adaptation.
    pub(super) role: Role,
    /// What its octets are.
    pub(super) info: MediaInfo,
    /// The media type its octets call for; the declared one where they do not tell.
    pub(super) true_type: String,
    /// Its header cannot be read: why.
    pub(super) broken: Option<String>,
}

impl Inspected<'_> {
    /// Notes that its pictures turned out not to decode.
    pub(super) fn lose_pictures(&mut self) {
        self.info.unread_video = clip_choice::video_name(&self.info);
    }

    /// Notes that its sound turned out not to decode.
    pub(super) fn lose_sound(&mut self) {
        self.info.unread_audio = clip_choice::audio_name(&self.info);
    }
}

/// Looks into every part: a header scan, nothing is decoded.
#[must_use]
pub(super) fn inspect<'a>(
    message: &'a Message,
    registry: &Registry,
    limits: &Limits,
) -> Vec<Inspected<'a>> {
    let presentation = message.body.presentation();
    message
        .body
        .parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            inspect_part(index, part, presentation == Some(index), registry, limits)
        })
        .collect()
}

fn inspect_part<'a>(
    index: usize,
    part: &'a Part,
    is_presentation: bool,
    registry: &Registry,
    limits: &Limits,
) -> Inspected<'a> {
    let declared = part.content_type.essence();
    if is_presentation || is_drm(&declared) {
        let (role, format) = if is_presentation {
            (Role::Presentation, Format::Smil)
        } else {
            (Role::Drm, Format::Drm)
        };
        let info = MediaInfo::new(format, role.kind());
        return Inspected {
            index,
            part,
            role,
            info,
            true_type: declared,
            broken: None,
        };
    }
    let (info, broken) = match registry.probe(&part.data, limits) {
        Ok(info) => (played(info, &part.data, registry, limits), None),
        Err(error) => {
            let kind = mime::kind_of_media_type(&declared);
            (MediaInfo::new(error.format, kind), Some(error.to_string()))
        }
    };
    let role = role_of(&info, &declared);
    let true_type = match (role, info.format) {
        (_, Format::Unknown) | (Role::Text | Role::Other, _) => declared,
        (Role::Vcard, _) if declared.contains("vcard") => declared,
        (Role::Vcalendar, _) if declared.contains("calendar") => declared,
        _ => mime::media_type(&info).to_owned(),
    };
    let broken = broken.or_else(|| mismatch(role, &info, &true_type));
    Inspected {
        index,
        part,
        role,
        info,
        true_type,
        broken,
    }
}

/// A melody with the sound it has where somebody plays it; anything else as it is.
fn played(mut info: MediaInfo, data: &Bytes, registry: &Registry, limits: &Limits) -> MediaInfo {
    let codec = info.codec.unwrap_or(Codec::Unknown);
    if info.kind != MediaKind::Synthetic || registry.audio_decoder(codec).is_none() {
        return info;
    }
    // What cannot be read stays as it is: it may still be kept.
    let movie = container::read(data, limits).ok();
    if let Some(track) = movie.as_ref().and_then(|movie| movie.tracks.first()) {
        info.duration_ms = info.duration_ms.max(Some(track.info.duration));
        info.audio = Some(AudioTrack {
            sample_rate: track.info.sample_rate,
            channels: track.info.channels,
            ..AudioTrack::new(codec)
        });
    }
    info
}

/// A part that calls itself a medium we know well and has none of its marks is damaged.
fn mismatch(role: Role, info: &MediaInfo, declared: &str) -> Option<String> {
    let known = mime::format_of_media_type(declared).is_some();
    let media = matches!(
        role,
        Role::Image | Role::Audio | Role::Synthetic | Role::Video
    );
    (info.format == Format::Unknown && known && media).then(|| format!("no {declared} is in it"))
}

fn role_of(info: &MediaInfo, declared: &str) -> Role {
    match info.format {
        Format::Vcard => return Role::Vcard,
        Format::Vcalendar => return Role::Vcalendar,
        Format::Drm | Format::Dcf => return Role::Drm,
        // A ring tone or a drawing may look like plain text to a probe that has little to go by.
        Format::Text | Format::Html | Format::Smil | Format::Unknown => {
            return role_of_declared(declared, info.format);
        }
        _ => {}
    }
    match info.kind {
        MediaKind::Image => Role::Image,
        MediaKind::Audio => Role::Audio,
        MediaKind::Synthetic => Role::Synthetic,
        MediaKind::Video => Role::Video,
        MediaKind::Text => Role::Text,
        MediaKind::Other => Role::Other,
    }
}

fn role_of_declared(declared: &str, format: Format) -> Role {
    if declared.contains("vcard") {
        return Role::Vcard;
    }
    if declared.contains("calendar") {
        return Role::Vcalendar;
    }
    match mime::kind_of_media_type(declared) {
        MediaKind::Image => Role::Image,
        MediaKind::Audio => Role::Audio,
        MediaKind::Synthetic => Role::Synthetic,
        MediaKind::Video => Role::Video,
        MediaKind::Text => Role::Text,
        MediaKind::Other if declared == "application/octet-stream" && format == Format::Text => {
            Role::Text
        }
        MediaKind::Other => Role::Other,
    }
}

fn is_drm(declared: &str) -> bool {
    declared.starts_with("application/vnd.oma.drm.")
}

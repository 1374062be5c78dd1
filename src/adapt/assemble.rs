//! Putting the parts of a plan together again: names, references, presentation, notice.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::inspect::Role;
use super::plan::{Context, Fate, Plan};
use super::presentation;
use super::rename::Names;
use super::report::SmilOutcome;
use super::weight::weight;
use crate::media::{Format, MediaInfo, MediaKind, mime};
use crate::mms::{Body, ContentType, Message, Part, text};

/// A medium that was coded.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Its octets.
    pub(super) octets: Bytes,
    /// Its playing time in milliseconds, where it plays.
    pub(super) duration_ms: Option<u64>,
}

/// A message put together by a plan.
#[derive(Debug, Clone)]
pub(super) struct Assembled {
    /// The message.
    pub(super) message: Message,
    /// Where each part of the input is in the result.
    pub(super) places: Vec<Option<usize>>,
    /// What became of the presentation.
    pub(super) smil: SmilOutcome,
    /// Oddities met on the way.
    pub(super) warnings: Vec<String>,
}

/// What a message weighs before its media are in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skeleton {
    /// Octets of everything but the media that are to be coded.
    pub(super) size: u64,
    /// What will become of the presentation.
    pub(super) smil: SmilOutcome,
}

/// Puts a message together with nothing in place of the media that are to be coded.
#[must_use]
pub(super) fn skeleton(message: &Message, plan: &Plan, context: &Context<'_>) -> Skeleton {
    let wants_smil = plan.smil == SmilOutcome::None && presentation::wanted(message, plan, context);
    let bare = assemble(message, plan, context, &BTreeMap::new());
    let size = weight(&bare.message);
    if wants_smil {
        let mut with = plan.clone();
        with.smil = SmilOutcome::Generated;
        let dressed = assemble(message, &with, context, &BTreeMap::new());
        let dressed_size = weight(&dressed.message);
        // A presentation is a courtesy: it must not cost the recipient a part of the message,
        // nor make the message larger than it came.
        let room = plan.limit.unwrap_or(u64::MAX).min(plan.size_in);
        if dressed_size <= room {
            return Skeleton {
                size: dressed_size,
                smil: dressed.smil,
            };
        }
    }
    Skeleton {
        size,
        smil: bare.smil,
    }
}

/// Puts the message of a plan together. `pieces` holds the coded media by the index of their part;
/// one that is missing leaves its part empty.
#[must_use]
pub(super) fn assemble(
    message: &Message,
    plan: &Plan,
    context: &Context<'_>,
    pieces: &BTreeMap<usize, Piece>,
) -> Assembled {
    let mut names = Names::of(&message.body.parts);
    let mut parts = Vec::with_capacity(message.body.parts.len().saturating_add(1));
    let mut places = Vec::with_capacity(message.body.parts.len());
    for (index, (part, planned)) in message.body.parts.iter().zip(&plan.parts).enumerate() {
        let made = make_part(part, &planned.fate, pieces.get(&index), &mut names);
        places.push(made.is_some().then_some(parts.len()));
        parts.extend(made);
    }
    let notice = plan
        .notice
        .as_ref()
        .map(|text| notice_part(text, context, &mut names));
    let mut warnings = Vec::new();
    let mut content_type = message.body.content_type.clone();
    let mut smil = SmilOutcome::None;
    if !content_type.is_multipart() {
        let part = parts.pop().or(notice).unwrap_or_else(empty_text);
        let message = Message {
            headers: message.headers.clone(),
            body: Body::single(part),
        };
        return Assembled {
            message,
            places,
            smil,
            warnings,
        };
    }
    parts.extend(notice.clone());
    let shown = presentation::Shown {
        message,
        plan,
        context,
        notice: notice.as_ref(),
        pieces,
    };
    match message.body.presentation() {
        Some(at) => match presentation::rewrite(&shown, at, &parts, &places, &mut warnings) {
            Some(octets) => {
                let same = message.body.parts.get(at).is_some_and(|p| p.data == octets);
                smil = if same {
                    SmilOutcome::Kept
                } else {
                    SmilOutcome::Rewritten
                };
                let place = places.get(at).copied().flatten();
                if let Some(part) = place.and_then(|place| parts.get_mut(place)) {
                    part.content_type.remove_param("charset");
                    part.data = octets;
                }
            }
            None => {
                smil = SmilOutcome::Removed;
                remove_at(&mut parts, &mut places, at);
                make_mixed(&mut content_type);
            }
        },
        None if plan.smil == SmilOutcome::Generated => {
            let part = presentation::generate(&shown, &mut parts, &places, &mut names);
            make_related(&mut content_type, &part);
            // First, so that a client which ignores `start` finds it.
            parts.insert(0, part);
            for place in places.iter_mut().flatten() {
                *place = place.saturating_add(1);
            }
            smil = SmilOutcome::Generated;
        }
        None => {}
    }
    if parts.is_empty() {
        parts.push(empty_text());
    }
    let body = Body {
        content_type,
        parts,
    };
    let message = Message {
        headers: message.headers.clone(),
        body,
    };
    Assembled {
        message,
        places,
        smil,
        warnings,
    }
}

fn make_part(part: &Part, fate: &Fate, piece: Option<&Piece>, names: &mut Names) -> Option<Part> {
    let mut made = part.clone();
    let mut coded = |media: &str, format: Format, kind: MediaKind| {
        made.content_type.set_media(media);
        // Parameters told of what it was.
        for param in ["charset", "codecs", "type"] {
            made.content_type.remove_param(param);
        }
        made.data = piece.map(|piece| piece.octets.clone()).unwrap_or_default();
        names.give_extension(&mut made, mime::extension(&MediaInfo::new(format, kind)));
    };
    match fate {
        Fate::Keep => {}
        Fate::Image(job) | Fate::Poster(job) => coded(&job.media, job.format, MediaKind::Image),
        Fate::Clip(job) if job.is_sound() => {
            coded(&job.media, job.target.format, MediaKind::Audio);
        }
        Fate::Clip(job) => coded(&job.media, job.target.format, MediaKind::Video),
        Fate::Relabel(media) => made.content_type.set_media(media.clone()),
        Fate::Text {
            media,
            charset,
            octets,
        } => {
            made.content_type.set_media(media.clone());
            made.content_type.set_param("charset", *charset);
            made.data = octets.clone().into();
        }
        Fate::Replace { charset, octets } => {
            made.content_type.set_media("text/plain");
            made.content_type.set_param("charset", *charset);
            made.data = octets.clone().into();
            names.give_extension(&mut made, "txt");
        }
        Fate::Drop(_) => return None,
    }
    Some(made)
}

fn notice_part(notice: &str, context: &Context<'_>, names: &mut Names) -> Part {
    let charsets = super::plan::charsets(context.caps);
    let encoded = text::encode_for(notice, charsets);
    let name = names.claim("notice.txt");
    let content_type = ContentType::new("text/plain")
        .with("charset", encoded.charset)
        .with("name", name.clone());
    let mut part = Part::new(content_type, encoded.bytes);
    part.content_id = Some(name.clone());
    part.content_location = Some(name);
    part
}

fn empty_text() -> Part {
    Part::new(
        ContentType::new("text/plain").with("charset", "us-ascii"),
        Bytes::new(),
    )
}

/// Takes the part that was `at` in the input out of the result.
fn remove_at(parts: &mut Vec<Part>, places: &mut [Option<usize>], at: usize) {
    let Some(gone) = places.get_mut(at).and_then(Option::take) else {
        return;
    };
    if gone < parts.len() {
        parts.remove(gone);
    }
    for place in places.iter_mut().flatten() {
        if *place > gone {
            *place = place.saturating_sub(1);
        }
    }
}

/// A body without a presentation is no longer related (OMA MMS conformance document).
fn make_mixed(content_type: &mut ContentType) {
    let media = content_type
        .essence()
        .replace("multipart.related", "multipart.mixed");
    content_type.set_media(media.replace("multipart/related", "multipart/mixed"));
    for param in ["start", "start-info", "type"] {
        content_type.remove_param(param);
    }
}

fn make_related(content_type: &mut ContentType, presentation: &Part) {
    let media = if content_type.essence().starts_with("multipart/") {
        "multipart/related"
    } else {
        "application/vnd.wap.multipart.related"
    };
    content_type.set_media(media);
    let id = presentation.content_id.as_deref().unwrap_or_default();
    content_type.set_param("start", format!("<{id}>"));
    content_type.set_param("type", "application/smil");
}

/// Whether a part can stand in a slide.
pub(super) fn is_shown(role: Role) -> bool {
    matches!(
        role,
        Role::Text | Role::Image | Role::Audio | Role::Synthetic | Role::Video
    )
}

//! The presentation follows the parts: references, layout, timing, and the notice's place.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::assemble::{Piece, is_shown};
use super::inspect::Role;
use super::plan::{Context, Fate, PartPlan, Plan, lessened};
use super::rename::Names;
use crate::media::{Format, MediaInfo, mime};
use crate::mms::smil::{self, MediaElement, Reference, SlideSpec, Smil};
use crate::mms::{ContentType, Message, Part};

/// What a presentation is written for.
pub(super) struct Shown<'a> {
    pub(super) message: &'a Message,
    pub(super) plan: &'a Plan,
    pub(super) context: &'a Context<'a>,
    pub(super) notice: Option<&'a Part>,
    /// The media that were coded.
    pub(super) pieces: &'a BTreeMap<usize, Piece>,
}

impl Shown<'_> {
    /// Playing time of a part in the result, where it plays.
    fn duration_ms(&self, index: usize) -> Option<u64> {
        let planned = self.plan.parts.get(index)?;
        if !matches!(shown_role(planned), Role::Audio | Role::Video) {
            return None;
        }
        let piece = self.pieces.get(&index);
        piece
            .and_then(|piece| piece.duration_ms)
            .or(planned.info.duration_ms)
    }
}

/// What a part is in the result.
fn shown_role(planned: &PartPlan) -> Role {
    match &planned.fate {
        Fate::Replace { .. } => Role::Text,
        Fate::Poster(_) => Role::Image,
        Fate::Clip(job) if job.is_sound() => Role::Audio,
        _ => planned.role,
    }
}

/// Whether a message without a presentation should get one: it holds several parts to show.
pub(super) fn wanted(message: &Message, plan: &Plan, context: &Context<'_>) -> bool {
    let shown = plan
        .parts
        .iter()
        .filter(|part| is_shown(part.role) && !matches!(part.fate, Fate::Drop(_)))
        .count();
    context.policy.generate_smil
        && message.body.is_multipart()
        && shown > 1
        && context.caps.accepts("application/smil").is_some()
}

/// The presentation at `at` of the input, fitted to the result's parts. `None` where it has to
/// go: it cannot be read, the device does not take it, or nothing is left to show.
pub(super) fn rewrite(
    shown: &Shown<'_>,
    at: usize,
    parts: &[Part],
    places: &[Option<usize>],
    warnings: &mut Vec<String>,
) -> Option<Bytes> {
    places.get(at).copied().flatten()?;
    let source = shown.message.body.parts.get(at)?;
    let mut smil = match Smil::parse(&source.data, shown.context.limits) {
        Ok(decoded) => decoded.value,
        Err(error) => {
            warnings.push(format!("the presentation cannot be read: {error}"));
            return None;
        }
    };
    let originals = &shown.message.body.parts;
    let mut notice_placed = shown.notice.is_none();
    for reference in smil.references() {
        let Some(target) = smil::resolve(&reference.src, originals) else {
            warnings.push(format!(
                "the presentation names {:?}, which is not there",
                reference.src
            ));
            smil.remove(reference.id);
            continue;
        };
        match places.get(target).copied().flatten() {
            Some(place) => {
                follow(&mut smil, &reference, place, parts);
                let planned = shown.plan.parts.get(target);
                if let Some(role) = planned.map(shown_role) {
                    show_as(&mut smil, &reference, role);
                }
                // A word on what is not whole stands below it.
                if let Some(notice) = shown.notice.filter(|_| !notice_placed)
                    && planned.is_some_and(|planned| !lessened(planned).is_empty())
                    && let Some(slide) = reference.slide
                {
                    notice_placed = smil.add_text(slide, &name_of(notice));
                }
            }
            None => notice_placed |= replace(&mut smil, &reference, shown.notice, notice_placed),
        }
    }
    if let Some(notice) = shown.notice.filter(|_| !notice_placed) {
        smil.append_slide(&SlideSpec {
            text: Some(name_of(notice)),
            ..SlideSpec::default()
        });
    }
    smil.conform();
    if let Some(screen) = &shown.context.caps.screen {
        smil.reflow(screen.value);
    }
    smil.fix_timing(&sound_lengths(&smil, parts, shown, places));
    Some(smil.to_bytes().into())
}

/// Lets a reference name the part it meant, wherever that part is now and whatever it became.
fn follow(smil: &mut Smil, reference: &Reference, place: usize, parts: &[Part]) {
    let Some(part) = parts.get(place) else { return };
    if smil::resolve(&reference.src, parts) != Some(place) {
        smil.set_src(reference.id, &name_of(part));
    }
    if part.content_type.is("text/plain") && reference.element == MediaElement::Ref {
        smil.set_element(reference.id, MediaElement::Text);
    }
}

/// Lets the element of a clip be that of what is left of it.
fn show_as(smil: &mut Smil, reference: &Reference, role: Role) {
    let element = match role {
        Role::Image => MediaElement::Img,
        Role::Audio => MediaElement::Audio,
        _ => return,
    };
    if reference.element == MediaElement::Video {
        smil.set_element(reference.id, element);
    }
}

/// Puts the notice where a part was, once; other places close. Whether the notice is placed now.
fn replace(smil: &mut Smil, gone: &Reference, notice: Option<&Part>, placed: bool) -> bool {
    match notice.filter(|_| !placed) {
        Some(notice) => smil.replace_with_text(gone.id, &name_of(notice)),
        None => {
            smil.remove(gone.id);
            false
        }
    }
}

/// How long the sound of each slide plays, in milliseconds, where its header tells.
fn sound_lengths(
    smil: &Smil,
    parts: &[Part],
    shown: &Shown<'_>,
    places: &[Option<usize>],
) -> Vec<(usize, u64)> {
    let mut lengths = Vec::new();
    for reference in smil.references() {
        let (Some(slide), Some(place)) = (reference.slide, smil::resolve(&reference.src, parts))
        else {
            continue;
        };
        let source = places.iter().position(|p| *p == Some(place));
        let length = source.and_then(|source| shown.duration_ms(source));
        lengths.extend(length.map(|length| (slide, length)));
    }
    lengths
}

/// A presentation for the parts of a message that has none: text and picture make a slide.
/// Parts without a name get one, so that they can be referred to.
pub(super) fn generate(
    shown: &Shown<'_>,
    parts: &mut [Part],
    places: &[Option<usize>],
    names: &mut Names,
) -> Part {
    let mut slides: Vec<SlideSpec> = Vec::new();
    let roles = places
        .iter()
        .zip(&shown.plan.parts)
        .enumerate()
        .filter_map(|(index, (place, part))| Some((index, (*place)?, part)));
    for (index, place, planned) in roles {
        let Some(part) = parts.get_mut(place) else {
            continue;
        };
        let role = shown_role(planned);
        if !is_shown(role) {
            continue;
        }
        ensure_name(part, role, names);
        put(&mut slides, role, name_of(part), shown.duration_ms(index));
    }
    if let Some(notice) = shown.notice {
        put(&mut slides, Role::Text, name_of(notice), None);
    }
    let screen = shown.context.caps.screen.as_ref().map(|s| s.value);
    let smil = smil::generate(&slides, screen);
    let name = names.claim("pres.smil");
    let content_type = ContentType::new("application/smil").with("name", name.clone());
    let mut part = Part::new(content_type, smil.to_bytes());
    part.content_id = Some(names.claim("pres"));
    part.content_location = Some(name);
    part
}

/// Puts a medium into the last slide where its place is free, else into a new one.
fn put(slides: &mut Vec<SlideSpec>, role: Role, src: String, duration_ms: Option<u64>) {
    let free = |slide: &SlideSpec| match role {
        Role::Text => slide.text.is_none(),
        Role::Image => slide.visual.is_none(),
        Role::Video => slide.visual.is_none() && slide.audio.is_none(),
        _ => slide.audio.is_none() && !shows_video(slide),
    };
    if !slides.last().is_some_and(free) {
        slides.push(SlideSpec::default());
    }
    let Some(slide) = slides.last_mut() else {
        return;
    };
    match role {
        Role::Text => slide.text = Some(src),
        Role::Image => slide.visual = Some((MediaElement::Img, src)),
        Role::Video => slide.visual = Some((MediaElement::Video, src)),
        _ => slide.audio = Some(src),
    }
    if matches!(role, Role::Audio | Role::Video) {
        slide.dur_ms = slide.dur_ms.max(duration_ms);
    }
}

/// A video brings its own sound.
fn shows_video(slide: &SlideSpec) -> bool {
    matches!(slide.visual, Some((MediaElement::Video, _)))
}

fn ensure_name(part: &mut Part, role: Role, names: &mut Names) {
    if part.content_location.is_some() || part.content_type.param("name").is_some() {
        return;
    }
    let kind = role.kind();
    let format = mime::format_of_media_type(part.content_type.media()).unwrap_or(Format::Unknown);
    let extension = mime::extension(&MediaInfo::new(format, kind));
    let stem = kind.name();
    let name = names.claim(&format!("{stem}.{extension}"));
    part.content_location = Some(name);
}

/// What a presentation calls a part.
fn name_of(part: &Part) -> String {
    let filename = part
        .disposition
        .as_ref()
        .and_then(|d| d.filename.as_deref());
    part.content_location
        .as_deref()
        .or_else(|| part.content_type.param("name"))
        .or(filename)
        .map(str::to_owned)
        .or_else(|| part.content_id.as_deref().map(|id| format!("cid:{id}")))
        .unwrap_or_default()
}

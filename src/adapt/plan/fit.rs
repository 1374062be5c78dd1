//! Making the whole message fit: octets are shared, and where they do not suffice parts go.

use std::collections::BTreeMap;

use super::{ClipJob, Context, Fate, ImageJob, PartPlan, Plan, Setback, notice, refuse, set_back};
use crate::adapt::assemble;
use crate::adapt::budget::{Point, share};
use crate::adapt::inspect::{Inspected, Role};
use crate::adapt::notice::Cause;
use crate::adapt::report::{Reason, Verdict};
use crate::media::MediaInfo;
use crate::media::clip::{self, ClipTarget};
use crate::media::image::{self, ImageTarget};
use crate::mms::{Message, text, vcard};

/// A length field grows by at most this when an empty part gets its octets.
const LENGTH_GROWTH: u64 = 4;

/// A picture's octets in another format are worth at least this, so that a tiny one is not held
/// to a size the new format cannot reach.
const SMALL_PICTURE: u64 = 4096;

/// Sets every job's budget so that the message keeps the limit; drops parts until it can.
pub(super) fn fit(
    message: &Message,
    inspected: &[Inspected<'_>],
    plan: &mut Plan,
    context: &Context<'_>,
    setbacks: &BTreeMap<usize, Setback>,
) {
    let limit = plan.limit.unwrap_or(u64::MAX);
    if plan.size_in > limit {
        offer_to_shrink(inspected, plan, context, setbacks);
    }
    // Every round makes less of a part, in four steps at most: it is cut, a still picture stands
    // in for it, it goes, and a card loses its photograph.
    for _ in 0..=plan.parts.len().saturating_mul(4) {
        plan.notice = notice(plan, message, context);
        let skeleton = assemble::skeleton(message, plan, context);
        plan.smil = skeleton.smil;
        let fixed = skeleton.size;
        let before = plan.parts.clone();
        if share_octets(inspected, plan, limit.checked_sub(fixed)) {
            // A clip that is to be cut now, or to be a still picture, wants a word in the notice,
            // which takes octets.
            let told = notice(plan, message, context);
            let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            if told == plan.notice || length(&told) < length(&plan.notice) {
                plan.notice = told;
                return;
            }
            keep_lessening(plan, before);
            continue;
        }
        if !give_way(message, plan, context, limit) {
            refuse(
                plan,
                format!("{fixed} octets that cannot shrink, and {limit} is the limit"),
            );
            return;
        }
    }
    plan.verdict = Verdict::Refused;
}

/// Starts over with the parts as they were, but for what became less of clips.
fn keep_lessening(plan: &mut Plan, before: Vec<PartPlan>) {
    for (slot, mut before) in plan.parts.iter_mut().zip(before) {
        match (&slot.fate, &mut before.fate) {
            (Fate::Poster(_), Fate::Clip(_)) => continue,
            (Fate::Clip(now), Fate::Clip(was)) => was.target.may_cut = now.target.may_cut,
            _ => {}
        }
        *slot = before;
    }
}

/// Makes every picture, sound and clip that is fine as it is a candidate for shrinking.
fn offer_to_shrink(
    inspected: &[Inspected<'_>],
    plan: &mut Plan,
    context: &Context<'_>,
    setbacks: &BTreeMap<usize, Setback>,
) {
    for (slot, part) in plan.parts.iter_mut().zip(inspected) {
        if !matches!(slot.fate, Fate::Keep | Fate::Relabel(_)) {
            continue;
        }
        let setback = setbacks.get(&part.index);
        let blind = matches!(setback, Some(Setback::Sound(_)));
        let offered = match slot.role {
            Role::Image => super::fate::job(part, context).map(Fate::Image),
            Role::Audio | Role::Video => super::fate::clip_job(part, context)
                // What is whole as it is does not lose its pictures for this.
                .filter(|job| !job.is_sound() || slot.role == Role::Audio || blind)
                .map(Fate::Clip),
            _ => None,
        };
        let Some(offered) = offered else { continue };
        let fine = Some(Box::new(std::mem::replace(&mut slot.fate, offered)));
        match &mut slot.fate {
            Fate::Image(job) => job.unless_fits = fine,
            Fate::Clip(job) => job.unless_fits = fine,
            _ => {}
        }
        if let Some(setback) = setback {
            set_back(slot, setback);
        }
    }
}

/// Shares what is left between the jobs. `false` where their smallest sizes do not fit.
fn share_octets(inspected: &[Inspected<'_>], plan: &mut Plan, left: Option<u64>) -> bool {
    let Some(left) = left else { return false };
    let jobs: Vec<usize> = plan
        .parts
        .iter()
        .enumerate()
        .filter(|(_, part)| matches!(part.fate, Fate::Image(_) | Fate::Clip(_) | Fate::Poster(_)))
        .map(|(index, _)| index)
        .collect();
    let growth = LENGTH_GROWTH.saturating_mul(u64::try_from(jobs.len()).unwrap_or(u64::MAX));
    let Some(left) = left.checked_sub(growth) else {
        return jobs.is_empty();
    };
    let ladders: Vec<Vec<Point>> = jobs
        .iter()
        .filter_map(|index| Some(ladder(inspected.get(*index)?, plan.parts.get(*index)?)))
        .collect();
    let Some(budgets) = share(&ladders, left) else {
        return false;
    };
    for (index, budget) in jobs.into_iter().zip(budgets) {
        let (Some(slot), Some(part)) = (plan.parts.get_mut(index), inspected.get(index)) else {
            continue;
        };
        settle(slot, part, budget, plan.limit);
    }
    true
}

/// Gives a job its budget. A medium that was only offered and whose octets fit stays as it is.
fn settle(slot: &mut PartPlan, part: &Inspected<'_>, budget: u64, limit: Option<u64>) {
    let len = octets(part);
    let fine = match &mut slot.fate {
        Fate::Image(job) => &mut job.unless_fits,
        Fate::Clip(job) => &mut job.unless_fits,
        Fate::Poster(job) => {
            job.max_bytes = budget;
            return;
        }
        _ => return,
    };
    if let Some(fine) = fine.take() {
        if budget >= len {
            slot.fate = *fine;
            return;
        }
        slot.reasons.push(too_large(limit, len));
    }
    match &mut slot.fate {
        Fate::Image(job) => job.max_bytes = budget,
        Fate::Clip(job) => {
            if let Some(less) = settle_clip(job, part, budget, limit.is_some()) {
                // What is beside the codec is about the size of the message.
                if slot.reasons.iter().all(|reason| reason.rule != TOO_LARGE) {
                    slot.reasons.push(too_large(limit, len));
                }
                slot.fate = less;
            }
        }
        _ => {}
    }
}

/// Gives a clip its budget, decides whether it is cut, and says what stands in for it where the
/// budget is below all it can be.
fn settle_clip(
    job: &mut ClipJob,
    part: &Inspected<'_>,
    budget: u64,
    bounded: bool,
) -> Option<Fate> {
    job.target.max_bytes = bounded.then_some(budget);
    let points = clip_points(job, part);
    let whole = points.iter().find(|point| !point.cut);
    if whole.is_some_and(|whole| whole.bytes <= budget) {
        return None;
    }
    let smallest = points.iter().find(|point| point.cut);
    if smallest.is_some_and(|smallest| smallest.bytes <= budget) {
        job.target.may_cut = job.may_cut;
        return None;
    }
    // What a header cannot tell is tried.
    if points.is_empty() {
        return None;
    }
    let poster = job.poster.take()?;
    Some(Fate::Poster(ImageJob {
        max_bytes: budget,
        ..poster
    }))
}

const TOO_LARGE: &str = "MmsMaxMessageSize";

fn too_large(limit: Option<u64>, was: u64) -> Reason {
    let limit = limit.map_or_else(String::new, |limit| limit.to_string());
    Reason::new(TOO_LARGE, limit, was.to_string())
}

/// The operating points of a job, from the header alone.
fn ladder(part: &Inspected<'_>, slot: &PartPlan) -> Vec<Point> {
    match &slot.fate {
        Fate::Image(job) => image_ladder(part, job),
        Fate::Clip(job) => clip_ladder(part, job),
        Fate::Poster(job) => poster_ladder(part, job),
        _ => Vec::new(),
    }
}

fn image_ladder(part: &Inspected<'_>, job: &ImageJob) -> Vec<Point> {
    let len = octets(part);
    let mut points = image_points(&part.info, job);
    if job.unless_fits.is_some() {
        points.retain(|point| point.bytes < len);
        points.push(Point {
            bytes: len,
            quality: 1.0,
        });
    } else {
        let cap = len.max(SMALL_PICTURE);
        let smallest = points.iter().map(|p| p.bytes).min().unwrap_or(0);
        points.retain(|point| point.bytes <= cap.max(smallest));
        // A picture that was coded well costs no more than it did.
        if let Some(best) = points.iter().map(|p| p.quality).max_by(f64::total_cmp) {
            points.push(Point {
                bytes: cap.max(smallest),
                quality: best + 0.001,
            });
        }
    }
    points
}

fn image_points(info: &MediaInfo, job: &ImageJob) -> Vec<Point> {
    image::estimate(info, &image_target(job, u64::MAX))
        .into_iter()
        .map(|point| Point {
            bytes: point.bytes,
            quality: f64::from(point.quality),
        })
        .collect()
}

/// A still picture of a clip is worth so much of what a photograph would be.
const STILL: f64 = 0.1;

fn poster_ladder(part: &Inspected<'_>, job: &ImageJob) -> Vec<Point> {
    let points = image_points(&super::fate::still(&part.info), job);
    let still = |point: Point| Point {
        quality: point.quality * STILL,
        ..point
    };
    points.into_iter().map(still).collect()
}

/// The points of a clip above those of the still picture that can stand in for it.
fn clip_ladder(part: &Inspected<'_>, job: &ClipJob) -> Vec<Point> {
    let len = octets(part);
    let mut points: Vec<Point> = clip_points(job, part)
        .into_iter()
        .map(|point| Point {
            bytes: point.bytes,
            quality: f64::from(point.quality),
        })
        .collect();
    if job.unless_fits.is_some() {
        points.retain(|point| point.bytes < len);
        points.push(Point {
            bytes: len,
            quality: 1.0,
        });
    } else if points.is_empty() {
        points.push(Point {
            bytes: len,
            quality: 0.5,
        });
    }
    // The smallest of the stills is enough: a clip that fits at all is worth more than a better one.
    let smallest = points.iter().map(|point| point.bytes).min();
    let poster = job
        .poster
        .as_ref()
        .map(|poster| poster_ladder(part, poster));
    let poster = poster.and_then(|points| points.first().copied());
    points.extend(poster.filter(|poster| Some(poster.bytes) < smallest));
    points
}

/// What the clip can be, cut ends included where that is allowed.
fn clip_points(job: &ClipJob, part: &Inspected<'_>) -> Vec<clip::Point> {
    let target = ClipTarget {
        may_cut: job.may_cut,
        ..job.target.clone()
    };
    clip::estimate(&part.info, &target)
}

/// What the image engine is asked for.
pub(in crate::adapt) fn image_target(job: &ImageJob, max_bytes: u64) -> ImageTarget {
    ImageTarget {
        format: job.format,
        max_box: job.max_box,
        max_bytes: (max_bytes != u64::MAX).then_some(max_bytes),
        quality: Some(job.quality),
        animation: job.animation,
        bits_per_pixel: job.bits_per_pixel,
    }
}

/// Takes the least valuable octets out of the message: video, then sound, photographs inside
/// business cards, other files, protected content, and pictures from the last one forward.
/// `false` where only text is left.
fn give_way(message: &Message, plan: &mut Plan, context: &Context<'_>, limit: u64) -> bool {
    let drop_one = |plan: &mut Plan, roles: &[Role]| -> bool {
        let victim = plan
            .parts
            .iter()
            .enumerate()
            .filter(|(_, part)| roles.contains(&part.role) && !matches!(part.fate, Fate::Drop(_)))
            .map(|(index, _)| index)
            .next_back();
        let Some(slot) = victim.and_then(|index| plan.parts.get_mut(index)) else {
            return false;
        };
        let was = victim
            .and_then(|i| message.body.parts.get(i))
            .map_or(0, |p| p.data.len());
        slot.reasons
            .push(Reason::new(TOO_LARGE, limit.to_string(), was.to_string()));
        slot.fate = Fate::Drop(Cause::TooLarge);
        true
    };
    drop_one(plan, &[Role::Video])
        || drop_one(plan, &[Role::Audio])
        || strip_card(message, plan, context, limit)
        || drop_one(plan, &[Role::Other])
        || drop_one(plan, &[Role::Synthetic])
        || drop_one(plan, &[Role::Drm])
        || drop_one(plan, &[Role::Image])
        || drop_one(plan, &[Role::Vcard, Role::Vcalendar])
}

/// Takes the photograph out of a business card.
fn strip_card(message: &Message, plan: &mut Plan, context: &Context<'_>, limit: u64) -> bool {
    for (slot, part) in plan.parts.iter_mut().zip(&message.body.parts) {
        if slot.role != Role::Vcard || !matches!(slot.fate, Fate::Keep | Fate::Relabel(_)) {
            continue;
        }
        let Some(bare) = vcard::without_photo(&text::decode_part(part).text) else {
            continue;
        };
        let media = match &slot.fate {
            Fate::Relabel(media) => media.clone(),
            _ => part.content_type.media().to_owned(),
        };
        let encoded = text::encode_for(&bare, super::fate::charsets(context.caps));
        let was = part.data.len().to_string();
        slot.reasons
            .push(Reason::new(TOO_LARGE, limit.to_string(), was));
        slot.fate = Fate::Text {
            media,
            charset: encoded.charset,
            octets: encoded.bytes,
        };
        return true;
    }
    false
}

fn octets(part: &Inspected<'_>) -> u64 {
    u64::try_from(part.part.data.len()).unwrap_or(u64::MAX)
}

//! Making the whole message fit: octets are shared, and where they do not suffice parts go.

use super::{Context, Fate, ImageJob, PartPlan, Plan, notice, refuse};
use crate::adapt::assemble;
use crate::adapt::budget::{Point, share};
use crate::adapt::inspect::{Inspected, Role};
use crate::adapt::notice::Cause;
use crate::adapt::report::{Reason, Verdict};
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
) {
    let limit = plan.limit.unwrap_or(u64::MAX);
    if plan.size_in > limit {
        offer_to_shrink(inspected, plan, context);
    }
    // Every round takes a part out of the message, so there are no more rounds than parts.
    for _ in 0..=plan.parts.len().saturating_mul(2) {
        plan.notice = notice(plan, message, context);
        let skeleton = assemble::skeleton(message, plan, context);
        plan.smil = skeleton.smil;
        let fixed = skeleton.size;
        if share_octets(inspected, plan, limit.checked_sub(fixed)) {
            return;
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

/// Makes every picture that is fine as it is a candidate for shrinking.
fn offer_to_shrink(inspected: &[Inspected<'_>], plan: &mut Plan, context: &Context<'_>) {
    for (slot, part) in plan.parts.iter_mut().zip(inspected) {
        let fine = matches!(slot.fate, Fate::Keep | Fate::Relabel(_));
        if fine
            && slot.role == Role::Image
            && let Some(job) = super::fate::job(part, context)
        {
            let fine = std::mem::replace(&mut slot.fate, Fate::Keep);
            slot.fate = Fate::Image(ImageJob {
                unless_fits: Some(Box::new(fine)),
                ..job
            });
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
        .filter(|(_, part)| matches!(part.fate, Fate::Image(_)))
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
        settle(slot, part, budget, plan.limit.unwrap_or(u64::MAX));
    }
    true
}

/// Gives a job its budget. A picture that was only offered and whose octets fit stays as it is.
fn settle(slot: &mut PartPlan, part: &Inspected<'_>, budget: u64, limit: u64) {
    let len = octets(part);
    let Fate::Image(job) = &mut slot.fate else {
        return;
    };
    if let Some(fine) = job.unless_fits.take() {
        if budget >= len {
            slot.fate = *fine;
            return;
        }
        slot.reasons.push(Reason::new(
            "MmsMaxMessageSize",
            limit.to_string(),
            len.to_string(),
        ));
    }
    job.max_bytes = budget;
}

/// The operating points of a job, from the header alone.
fn ladder(part: &Inspected<'_>, slot: &PartPlan) -> Vec<Point> {
    let Fate::Image(job) = &slot.fate else {
        return Vec::new();
    };
    let len = octets(part);
    let target = image_target(job, u64::MAX);
    let mut points: Vec<Point> = image::estimate(&part.info, &target)
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
        slot.reasons.push(Reason::new(
            "MmsMaxMessageSize",
            limit.to_string(),
            was.to_string(),
        ));
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
            .push(Reason::new("MmsMaxMessageSize", limit.to_string(), was));
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

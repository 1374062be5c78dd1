//! The decision as a value: what will happen to each part, and why, before anything is encoded.
//!
//! `plan` is pure. What explains a message, what executes it and what reports on it all read the
//! same [`Plan`].

mod fate;
mod fit;

pub(super) use fate::charsets;
pub use fate::{ClipJob, Fate, ImageJob};
pub(super) use fit::image_target;

use std::collections::BTreeMap;

use super::inspect::{Inspected, Role, inspect};
use super::notice::{Affected, Cause, compose};
use super::policy::Policy;
use super::report::{Gate, Reason, SmilOutcome, Verdict};
use crate::limits::Limits;
use crate::media::{Format, MediaInfo, MediaKind, Registry};
use crate::mms::{Field, Message};
use crate::profile::Capabilities;

/// The plan for one message and one device.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What will become of the message, as far as can be told without encoding.
    pub verdict: Verdict,
    /// The gate that ended the decision early.
    pub gate: Option<Gate>,
    /// Octets of the message as it came.
    pub size_in: u64,
    /// The limit in octets.
    pub limit: Option<u64>,
    /// One entry a part, in order.
    pub parts: Vec<PartPlan>,
    /// What will become of the presentation.
    pub smil: SmilOutcome,
    /// The notice to the recipient.
    pub notice: Option<String>,
    /// Oddities that a person should know of.
    pub warnings: Vec<String>,
}

/// The plan for one part.
#[derive(Debug, Clone)]
pub struct PartPlan {
    /// What the part is to adaptation.
    pub role: Role,
    /// What its octets are.
    pub info: MediaInfo,
    /// What will be done.
    pub fate: Fate,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// What a plan depends on besides the message.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The receiving device. Gaps are already filled.
    pub caps: &'a Capabilities,
    /// The operator's choices.
    pub policy: &'a Policy,
    /// The codecs at hand.
    pub registry: &'a Registry,
    /// Bounds on what is read.
    pub limits: &'a Limits,
}

/// Plans a message of `size_in` encoded octets for a device.
#[must_use]
pub fn plan(message: &Message, size_in: u64, context: Context<'_>) -> Plan {
    plan_without(message, size_in, context, &BTreeMap::new())
}

/// What execution found out about a part: it does not decode, or does not shrink enough. Each
/// later one of these leaves less of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setback {
    /// Every codec that writes pictures of these formats failed: make it another.
    Otherwise(Vec<Format>, Reason),
    /// The whole of it does not fit: cut it.
    Cut,
    /// Its sound does not decode: leave it silent.
    Silent(Reason),
    /// Not even a part of it fits: show a still picture.
    Still(Reason),
    /// Its pictures do not decode: let the sound be heard.
    Sound(Reason),
    /// It is beyond saving.
    Gone(Cause, Reason),
}

/// Plans a message of whose parts some met a setback.
#[must_use]
pub(super) fn plan_without(
    message: &Message,
    size_in: u64,
    context: Context<'_>,
    setbacks: &BTreeMap<usize, Setback>,
) -> Plan {
    let mut inspected = inspect(message, context.registry, context.limits);
    let limit = context
        .caps
        .max_message_size
        .as_ref()
        .map(|size| size.value);
    let fits = limit.is_none_or(|limit| size_in <= limit);
    let mut plan = Plan {
        verdict: Verdict::Unchanged,
        gate: None,
        size_in,
        limit,
        parts: inspected.iter().map(keep).collect(),
        smil: message
            .body
            .presentation()
            .map_or(SmilOutcome::None, |_| SmilOutcome::Kept),
        notice: None,
        warnings: Vec::new(),
    };
    if let Some(gate) = closed_gate(message, context) {
        plan.gate = Some(gate);
        if !fits {
            refuse(
                &mut plan,
                format!("{size_in} octets, and it must not be changed"),
            );
        }
        return plan;
    }
    if !context.caps.takes_mms() {
        // What is made is the text for the short message or the page behind the link.
        plan.warnings
            .push("the device takes no multimedia messages: send a link".to_owned());
    }
    for (slot, part) in plan.parts.iter_mut().zip(&mut inspected) {
        let setback = setbacks.get(&part.index);
        match setback {
            Some(Setback::Silent(_)) => part.lose_sound(),
            Some(Setback::Sound(_)) => part.lose_pictures(),
            _ => {}
        }
        let (fate, reasons) = match setback {
            Some(Setback::Otherwise(formats, _)) => {
                let registry = &context.registry.not_writing(formats);
                fate::decide(
                    part,
                    &Context {
                        registry,
                        ..context
                    },
                )
            }
            _ => fate::decide(part, &context),
        };
        (slot.fate, slot.reasons) = (fate, reasons);
        if let Some(setback) = setback {
            set_back(slot, setback);
        }
    }
    let untouched = plan
        .parts
        .iter()
        .all(|part| matches!(part.fate, Fate::Keep));
    if untouched && fits {
        let protected = plan.parts.iter().any(|part| part.role == Role::Drm);
        plan.gate = Some(if protected { Gate::Drm } else { Gate::Fits });
        return plan;
    }
    plan.verdict = Verdict::Adapted;
    if plan.smil == SmilOutcome::Kept {
        plan.smil = SmilOutcome::Rewritten;
    }
    fit::fit(message, &inspected, &mut plan, &context, setbacks);
    plan
}

/// Lets a part be less than was planned. A part that is kept is not concerned: it is as small as
/// it came.
fn set_back(slot: &mut PartPlan, setback: &Setback) {
    match (setback, &mut slot.fate) {
        (Setback::Gone(cause, reason), fate) => {
            *fate = Fate::Drop(*cause);
            slot.reasons.push(reason.clone());
        }
        (Setback::Otherwise(_, reason) | Setback::Silent(reason) | Setback::Sound(reason), _) => {
            slot.reasons.push(reason.clone());
        }
        (Setback::Cut, Fate::Clip(job)) => job.target.may_cut = job.may_cut,
        (Setback::Still(reason), Fate::Clip(job)) => {
            slot.reasons.push(reason.clone());
            slot.fate = match job.poster.take() {
                Some(poster) => Fate::Poster(poster),
                None => Fate::Drop(Cause::TooLarge),
            };
        }
        _ => {}
    }
}

/// The notice for the parts of a plan that go or are not whole.
pub(super) fn notice(plan: &Plan, message: &Message, context: &Context<'_>) -> Option<String> {
    if !context.policy.notices {
        return None;
    }
    let affected: Vec<Affected> = plan
        .parts
        .iter()
        .zip(&message.body.parts)
        .flat_map(|(planned, part)| {
            let kinds = lessened(planned);
            kinds.into_iter().map(|(kind, cause)| Affected {
                name: part.name().map(str::to_owned),
                kind,
                cause,
            })
        })
        .collect();
    let languages = context
        .caps
        .languages
        .as_ref()
        .map(|l| l.value.as_slice())
        .unwrap_or_default();
    compose(
        &affected,
        languages,
        &context.policy.language,
        context.policy.link.as_deref(),
    )
}

/// What of a part a notice speaks of.
pub(super) fn lessened(planned: &PartPlan) -> Vec<(MediaKind, Cause)> {
    let kind = planned.role.kind();
    match &planned.fate {
        Fate::Drop(cause) if planned.role != Role::Presentation => vec![(kind, *cause)],
        Fate::Poster(_) => vec![(kind, Cause::Still)],
        Fate::Clip(job) => {
            let mut found = Vec::new();
            if job.is_sound() && planned.role == Role::Video {
                found.push((kind, Cause::Unsuitable));
            } else if job.is_silent() && planned.info.audio.is_some() {
                found.push((MediaKind::Audio, Cause::Unsuitable));
            }
            if job.target.may_cut {
                found.push((kind, Cause::Shortened));
            }
            found
        }
        _ => Vec::new(),
    }
}

fn keep(inspected: &Inspected<'_>) -> PartPlan {
    PartPlan {
        role: inspected.role,
        info: inspected.info.clone(),
        fate: Fate::Keep,
        reasons: Vec::new(),
    }
}

fn refuse(plan: &mut Plan, why: String) {
    plan.verdict = Verdict::Refused;
    plan.warnings.push(why);
}

/// The gates that forbid any change: the sender's and the device's.
fn closed_gate(message: &Message, context: Context<'_>) -> Option<Gate> {
    if message.headers.flag(Field::AdaptationAllowed) == Some(false) {
        return Some(Gate::AdaptationNotAllowed);
    }
    let suppresses = context
        .caps
        .suppress_adaptation
        .as_ref()
        .is_some_and(|s| s.value);
    (suppresses && !context.policy.ignore_device_suppression).then_some(Gate::DeviceSuppresses)
}

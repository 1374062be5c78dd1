//! Carrying a plan out: media in parallel, octets given back, the result weighed.

use std::collections::BTreeMap;
use std::time::Duration;

use rayon::prelude::*;

use super::assemble::{Assembled, Piece, assemble};
use super::notice::Cause;
use super::plan::{
    ClipJob, Context, Fate, ImageJob, Plan, Setback, image_target, notice, plan_without,
};
use super::report::{
    ActionName, DeviceReport, MediaReport, PartReport, Reason, Report, SCHEMA, Timing, Verdict,
};
use super::weight::weight;
use crate::media::{Cancel, Format, MediaError, clip, image};
use crate::mms::{Message, Part};
use crate::profile::Capabilities;

/// What carrying out needs besides the plan's context.
#[derive(Clone, Copy)]
pub struct Engine<'a> {
    /// What the plan depends on.
    pub context: Context<'a>,
    /// Stops the work between frames and between pictures.
    pub cancel: &'a Cancel,
    /// Time since some fixed moment. The core has no clock of its own.
    pub now: &'a (dyn Fn() -> Duration + Sync),
}

/// The result of fitting a message.
#[derive(Debug, Clone)]
pub struct Adapted {
    /// The message to deliver: the input itself where the verdict is `unchanged`, and `None`
    /// where it is `refused`.
    pub message: Option<Message>,
    /// What was done and why.
    pub report: Report,
}

/// Pictures are held decoded between the two rounds while they are smaller than this, in octets.
const HELD_PICTURE: usize = 8 << 20;

/// Fits a message of `size_in` encoded octets to the device of the engine's context.
///
/// # Errors
/// Only [`MediaError::Cancelled`]: whatever else goes wrong is a reason in the report.
pub fn adapt(message: &Message, size_in: u64, engine: Engine<'_>) -> Result<Adapted, MediaError> {
    fit(message, size_in, engine, None)
}

/// As [`adapt`], of a message that is fitted to several devices: its pictures are decoded once. The
/// result is the same.
///
/// # Errors
/// As [`adapt`].
pub fn adapt_sharing(
    message: &Message,
    size_in: u64,
    engine: Engine<'_>,
    shared: &image::Shared,
) -> Result<Adapted, MediaError> {
    fit(message, size_in, engine, Some(shared))
}

fn fit(
    message: &Message,
    size_in: u64,
    engine: Engine<'_>,
    shared: Option<&image::Shared>,
) -> Result<Adapted, MediaError> {
    let mut setbacks: BTreeMap<usize, Setback> = BTreeMap::new();
    let mut clocked = Timing::default();
    // Every round but the last makes less of a part, in five steps at most, or takes a format
    // away from it.
    loop {
        let mut plan = plan_without(message, size_in, engine.context, &setbacks);
        let nothing = BTreeMap::new();
        if plan.verdict != Verdict::Adapted {
            return Ok(finish(message, &plan, None, &nothing, engine, clocked));
        }
        let done = run(message, &plan, engine, shared, &mut clocked)?;
        let failed = done
            .iter()
            .find_map(|(index, made)| Some((*index, made.as_ref().err()?)));
        if let Some((index, error)) = failed {
            setbacks.insert(index, setback(index, error, &plan, setbacks.get(&index)));
            continue;
        }
        // A clip whose sound turned out not to decode is planned again, so that a notice says so.
        let silent = done.iter().find_map(|(index, made)| {
            let why = made.as_ref().ok()?.sound_lost.clone()?;
            Some((*index, why)).filter(|(index, _)| !setbacks.contains_key(index))
        });
        if let Some((index, why)) = silent {
            setbacks.insert(index, Setback::Silent(undecodable(why)));
            continue;
        }
        let made: BTreeMap<usize, Made> = done
            .into_iter()
            .filter_map(|(index, made)| Some((index, made.ok()?)))
            .collect();
        tell_the_truth(&mut plan, &made, message, &engine.context);
        let pieces = made
            .iter()
            .map(|(index, made)| (*index, made.piece.clone()))
            .collect();
        let assembled = assemble(message, &plan, &engine.context, &pieces);
        let size = weight(&assembled.message);
        let over = plan.limit.is_some_and(|limit| size > limit);
        match (over, largest(&made)) {
            (false, _) => {
                let assembled = Some(assembled);
                return Ok(finish(message, &plan, assembled, &made, engine, clocked));
            }
            // The plan weighed everything but the media, so one of them is too large.
            (true, Some(index)) => {
                let error = MediaError::TargetTooSmall { smallest: size };
                setbacks.insert(index, setback(index, &error, &plan, setbacks.get(&index)));
            }
            (true, None) => {
                plan.verdict = Verdict::Refused;
                plan.warnings.push(format!("{size} octets do not fit"));
                return Ok(finish(message, &plan, None, &nothing, engine, clocked));
            }
        }
    }
}

/// A clip that was to be cut may have fitted whole: then the notice does not speak of it. One may
/// have lost its sound on the way to something worse: then it does. A picture may have become
/// another format than planned, for what its pixels are.
fn tell_the_truth(
    plan: &mut Plan,
    made: &BTreeMap<usize, Made>,
    message: &Message,
    context: &Context<'_>,
) {
    let mut changed = false;
    for (index, slot) in plan.parts.iter_mut().enumerate() {
        let job = match &mut slot.fate {
            Fate::Clip(job) => job,
            Fate::Image(job) | Fate::Poster(job) => {
                let format = made.get(&index).and_then(|made| made.format);
                slot.reasons
                    .extend(format.and_then(|format| become_other(job, format)));
                continue;
            }
            _ => continue,
        };
        if job.target.may_cut && made.get(&index).is_some_and(|made| !made.cut) {
            job.target.may_cut = false;
            changed = true;
        }
        let lost = |made: &Made| made.sound_lost.is_some();
        if made.get(&index).is_some_and(lost) && job.target.audio.take().is_some() {
            changed = true;
        }
    }
    if changed {
        plan.notice = notice(plan, message, context);
    }
}

/// Notes that a picture became this format, and why, if it is not the one that was planned.
fn become_other(job: &mut ImageJob, format: Format) -> Option<Reason> {
    let other = job.others.iter().find(|(other, _)| *other == format);
    let media = other.map(|(_, media)| media.clone())?;
    let why = match format {
        Format::Jpeg => format!("{media}, which looks better in these octets"),
        _ => format!("{media}, which keeps a graphic sharp"),
    };
    let planned = std::mem::replace(&mut job.media, media);
    job.format = format;
    Some(Reason::new("content", why, planned))
}

/// A medium that was coded.
struct Made {
    piece: Piece,
    encodes: u32,
    quality: Option<u8>,
    media: MediaReport,
    /// Whether its end was cut off.
    cut: bool,
    /// Why a clip has no sound that should have some.
    sound_lost: Option<String>,
    /// The format of a picture.
    format: Option<Format>,
    warnings: Vec<String>,
}

fn largest(made: &BTreeMap<usize, Made>) -> Option<usize> {
    made.iter()
        .max_by_key(|(_, made)| made.piece.octets.len())
        .map(|(index, _)| *index)
}

/// Why a part, or a track of it, is not what it was to be.
fn undecodable(why: String) -> Reason {
    Reason::new("content", "a medium that decodes", why)
}

/// What is left of a part that failed: of a clip a part, then a still picture, then its sound, then
/// nothing.
fn setback(index: usize, error: &MediaError, plan: &Plan, before: Option<&Setback>) -> Setback {
    let (cause, reason) = match error {
        MediaError::TargetTooSmall { smallest } => {
            let limit = plan
                .limit
                .map_or_else(String::new, |limit| limit.to_string());
            (
                Cause::TooLarge,
                Reason::new("MmsMaxMessageSize", limit, smallest.to_string()),
            )
        }
        other => (Cause::Unsuitable, undecodable(other.to_string())),
    };
    if let Some(Fate::Image(job) | Fate::Poster(job)) = plan.parts.get(index).map(|part| &part.fate)
        && error.blames_codec()
    {
        let mut failed = match before {
            Some(Setback::Otherwise(formats, _)) => formats.clone(),
            _ => Vec::new(),
        };
        if !failed.contains(&job.format) {
            failed.push(job.format);
            return Setback::Otherwise(failed, reason);
        }
    }
    let job = match plan.parts.get(index).map(|part| &part.fate) {
        Some(Fate::Clip(job)) => job,
        // Of pictures that do not decode no still one can be had either; the sound may do.
        Some(Fate::Poster(_)) if cause == Cause::Unsuitable => return Setback::Sound(reason),
        _ => return Setback::Gone(cause, reason),
    };
    let shrinks = cause == Cause::TooLarge && job.may_cut && !job.target.may_cut;
    if shrinks && before.is_none() {
        Setback::Cut
    } else if job.poster.is_some() && !matches!(before, Some(Setback::Still(_) | Setback::Sound(_)))
    {
        Setback::Still(reason)
    } else {
        Setback::Gone(cause, reason)
    }
}

type Outcome = Result<Made, MediaError>;

/// What is to be done to a part.
#[derive(Clone, Copy)]
enum Job<'a> {
    Image(&'a ImageJob, Format),
    Poster(&'a ImageJob),
    Clip(&'a ClipJob),
}

/// A job with the part it is for.
type Task<'a> = (usize, &'a Part, Job<'a>);

/// Codes every medium of the plan. Waves keep the memory of decoded pictures within bounds; the
/// result does not depend on how many threads there are.
fn run(
    message: &Message,
    plan: &Plan,
    engine: Engine<'_>,
    shared: Option<&image::Shared>,
    clocked: &mut Timing,
) -> Result<BTreeMap<usize, Outcome>, MediaError> {
    let tasks: Vec<Task<'_>> = plan
        .parts
        .iter()
        .zip(&message.body.parts)
        .enumerate()
        .filter_map(|(index, (planned, part))| {
            let job = match &planned.fate {
                Fate::Image(job) => Job::Image(job, planned.info.format),
                Fate::Poster(job) => Job::Poster(job),
                Fate::Clip(job) => Job::Clip(job),
                _ => return None,
            };
            Some((index, part, job))
        })
        .collect();
    let mut done = BTreeMap::new();
    let mut spare = 0_u64;
    for wave in waves(&tasks, plan, engine) {
        engine.cancel.check()?;
        let coded: Vec<Coded<'_>> = wave
            .par_iter()
            .map(|(index, part, job)| match job {
                Job::Image(job, format) => code(*index, part, job, Some(*format), engine, shared),
                Job::Poster(job) => code(*index, part, job, None, engine, shared),
                Job::Clip(job) => code_clip(*index, part, job, engine),
            })
            .collect();
        for coded in coded {
            engine.cancel.check()?;
            clocked.decode += coded.decode.as_secs_f64() * 1000.0;
            clocked.encode += coded.encode.as_secs_f64() * 1000.0;
            let made = give_back(coded, plan, engine, &mut spare, clocked);
            done.insert(made.0, made.1);
        }
    }
    if done
        .values()
        .any(|made| matches!(made, Err(MediaError::Cancelled)))
    {
        return Err(MediaError::Cancelled);
    }
    Ok(done)
}

/// Octets a pixel of a picture takes while it is coded: as it was stored, and scaled.
const PICTURE_PIXEL: u64 = 8;

/// Octets a pixel of a clip takes: the frames a decoder refers to, of one and a half octets, and
/// those between the stages.
const CLIP_PIXEL: u64 = 36;

/// Tasks that may be worked on at the same time.
fn waves<'t, 'm>(tasks: &'t [Task<'m>], plan: &Plan, engine: Engine<'_>) -> Vec<&'t [Task<'m>]> {
    let mut waves = Vec::new();
    let mut rest = tasks;
    while !rest.is_empty() {
        let mut octets = 0_u64;
        let fitting = rest
            .iter()
            .take_while(|(index, _, job)| {
                let info = plan.parts.get(*index).map(|part| &part.info);
                let size = info.and_then(|info| {
                    let track = info.video.as_ref();
                    info.size.or(track.and_then(|track| track.size))
                });
                let pixels = size.map_or(0, |size| {
                    u64::from(size.width).saturating_mul(size.height.into())
                });
                let each = match job {
                    Job::Image(..) => PICTURE_PIXEL,
                    Job::Poster(_) | Job::Clip(_) => CLIP_PIXEL,
                };
                octets = octets.saturating_add(pixels.saturating_mul(each));
                octets <= engine.context.limits.adapt_bytes
            })
            .count()
            .max(1);
        let (wave, later) = rest.split_at_checked(fitting).unwrap_or((rest, &[]));
        waves.push(wave);
        rest = later;
    }
    waves
}

/// One medium after the first round.
struct Coded<'a> {
    index: usize,
    /// The job of a picture that may be tried again with more octets.
    job: Option<&'a ImageJob>,
    source: Option<image::Source>,
    made: Result<Medium, MediaError>,
    decode: Duration,
    encode: Duration,
}

enum Medium {
    Picture(image::Encoded),
    Clip(Box<clip::Clip>, u64),
}

/// Codes a picture of this format, or the first of a clip.
fn code<'a>(
    index: usize,
    part: &Part,
    job: &'a ImageJob,
    format: Option<Format>,
    engine: Engine<'_>,
    shared: Option<&image::Shared>,
) -> Coded<'a> {
    let Context {
        registry, limits, ..
    } = engine.context;
    let begun = (engine.now)();
    let target = image_target(job, job.max_bytes);
    let opened = match (format, shared) {
        (Some(format), None) => {
            image::Source::open_for(&part.data, format, registry, limits, engine.cancel, &target)
        }
        (Some(format), Some(shared)) => image::Source::open_shared(
            &part.data,
            format,
            (registry, limits, engine.cancel),
            &target,
            (shared, index),
        ),
        (None, _) => clip::poster(&part.data, registry, limits, engine.cancel)
            .map(|picture| image::Source::of_picture(picture, registry)),
    };
    let decoded = (engine.now)();
    let (source, made) = match opened {
        Ok(source) => {
            let others: Vec<Format> = job.others.iter().map(|(format, _)| *format).collect();
            let made = source.encode_either(&target, &others, engine.cancel);
            (
                Some(source).filter(|source| source.held_octets() <= HELD_PICTURE),
                made.map(Medium::Picture),
            )
        }
        Err(error) => (None, Err(error)),
    };
    let encode = (engine.now)().saturating_sub(decoded);
    Coded {
        index,
        job: Some(job),
        source,
        made,
        decode: decoded.saturating_sub(begun),
        encode,
    }
}

/// Codes a sound or a clip; decoding and encoding go hand in hand.
fn code_clip<'a>(index: usize, part: &Part, job: &ClipJob, engine: Engine<'_>) -> Coded<'a> {
    let Context {
        registry, limits, ..
    } = engine.context;
    let begun = (engine.now)();
    let made = clip::convert(&part.data, &job.target, registry, limits, engine.cancel);
    let budget = job.target.max_bytes.unwrap_or(0);
    Coded {
        index,
        job: None,
        source: None,
        made: made.map(|made| Medium::Clip(Box::new(made), budget)),
        decode: Duration::ZERO,
        encode: (engine.now)().saturating_sub(begun),
    }
}

/// Offers a picture the octets that the parts before it left over, once. A clip gives what it left
/// and takes nothing: coding it again costs more than a few octets are worth.
fn give_back(
    coded: Coded<'_>,
    plan: &Plan,
    engine: Engine<'_>,
    spare: &mut u64,
    clocked: &mut Timing,
) -> (usize, Outcome) {
    let Coded {
        index,
        job,
        source,
        made,
        ..
    } = coded;
    let (mut encoded, job) = match (made, job) {
        (Err(error), _) => return (index, Err(error)),
        (Ok(Medium::Clip(made, budget)), _) => {
            let used = u64::try_from(made.bytes.len()).unwrap_or(u64::MAX);
            *spare = spare.saturating_add(budget.saturating_sub(used));
            return (index, Ok(made_clip(*made)));
        }
        (Ok(Medium::Picture(_)), None) => {
            let error = MediaError::unsupported("a picture without a job");
            return (index, Err(error));
        }
        (Ok(Medium::Picture(encoded)), Some(job)) => (encoded, job),
    };
    let constrained = encoded.quality.is_some_and(|quality| quality < job.quality);
    let budget = job.max_bytes.saturating_add(*spare);
    if let Some(source) = source.filter(|_| constrained && *spare > job.max_bytes / 32) {
        let begun = (engine.now)();
        let target = image::ImageTarget {
            format: encoded.format,
            ..image_target(job, budget)
        };
        let again = source.encode(&target, engine.cancel);
        clocked.encode += (engine.now)().saturating_sub(begun).as_secs_f64() * 1000.0;
        if let Ok(better) = again {
            let encodes = encoded.encodes.saturating_add(better.encodes);
            encoded = image::Encoded { encodes, ..better };
        }
    }
    if job.max_bytes != u64::MAX {
        let used = u64::try_from(encoded.bytes.len()).unwrap_or(u64::MAX);
        *spare = budget.saturating_sub(used);
    }
    let duration = plan.parts.get(index).and_then(|part| part.info.duration_ms);
    let made = Made {
        encodes: encoded.encodes,
        quality: encoded.quality,
        media: MediaReport::picture(
            encoded.format.name(),
            encoded.size,
            encoded.frames,
            duration.filter(|_| encoded.frames > 1),
        ),
        piece: Piece {
            octets: encoded.bytes.into(),
            duration_ms: None,
        },
        cut: false,
        sound_lost: None,
        format: Some(encoded.format),
        warnings: encoded.warnings,
    };
    (index, Ok(made))
}

fn made_clip(made: clip::Clip) -> Made {
    let duration_ms = made.duration_us.div_ceil(1000);
    Made {
        encodes: made.encodes,
        quality: None,
        media: MediaReport {
            duration_ms: Some(duration_ms),
            ..MediaReport::new(&made.info)
        },
        cut: made.cut_from_us.is_some(),
        sound_lost: made.sound_lost,
        format: None,
        piece: Piece {
            octets: made.bytes,
            duration_ms: Some(duration_ms),
        },
        warnings: made.warnings,
    }
}

/// The report on a plan that is not carried out: what would happen.
#[must_use]
pub fn report_of_plan(message: &Message, plan: &Plan, caps: &Capabilities) -> Report {
    report(
        message,
        plan,
        None,
        &BTreeMap::new(),
        caps,
        Timing::default(),
    )
}

fn finish(
    message: &Message,
    plan: &Plan,
    assembled: Option<Assembled>,
    made: &BTreeMap<usize, Made>,
    engine: Engine<'_>,
    ms: Timing,
) -> Adapted {
    let caps = engine.context.caps;
    let report = report(message, plan, assembled.as_ref(), made, caps, ms);
    let message = match plan.verdict {
        Verdict::Refused => None,
        Verdict::Unchanged => Some(message.clone()),
        Verdict::Adapted => assembled.map(|assembled| assembled.message),
    };
    Adapted { message, report }
}

fn report(
    message: &Message,
    plan: &Plan,
    assembled: Option<&Assembled>,
    made: &BTreeMap<usize, Made>,
    caps: &Capabilities,
    ms: Timing,
) -> Report {
    let size_out = match (assembled, plan.verdict) {
        (Some(assembled), _) => weight(&assembled.message),
        (None, Verdict::Refused) => 0,
        (None, _) => plan.size_in,
    };
    let parts = (0..plan.parts.len())
        .filter_map(|index| part_report(index, message, plan, assembled, made))
        .collect();
    let mut warnings = plan.warnings.clone();
    warnings.extend(
        assembled
            .into_iter()
            .flat_map(|a| a.warnings.iter().cloned()),
    );
    for (index, made) in made {
        let name = message.body.parts.get(*index).and_then(Part::name);
        let name = name.map_or_else(|| format!("part {index}"), str::to_owned);
        warnings.extend(made.warnings.iter().map(|what| format!("{name}: {what}")));
    }
    Report {
        schema: SCHEMA,
        engine: concat!("remold ", env!("CARGO_PKG_VERSION")).to_owned(),
        input: None,
        input_sha256: None,
        output: None,
        device: DeviceReport::new(caps),
        verdict: plan.verdict,
        gate: plan.gate,
        size_in: plan.size_in,
        size_out,
        limit: plan.limit,
        parts,
        smil: assembled
            .as_ref()
            .map_or(plan.smil, |assembled| assembled.smil),
        notices: plan.notice.iter().cloned().collect(),
        warnings,
        ms,
    }
}

fn part_report(
    index: usize,
    message: &Message,
    plan: &Plan,
    assembled: Option<&Assembled>,
    made: &BTreeMap<usize, Made>,
) -> Option<PartReport> {
    let part = message.body.parts.get(index)?;
    let planned = plan.parts.get(index)?;
    let out = match assembled {
        Some(assembled) => assembled
            .places
            .get(index)
            .copied()
            .flatten()
            .and_then(|place| assembled.message.body.parts.get(place)),
        None => Some(part).filter(|_| plan.verdict == Verdict::Unchanged),
    };
    let picture = made.get(&index);
    let media_in = MediaReport::new(&planned.info);
    Some(PartReport {
        index,
        name_in: part.name().map(str::to_owned),
        type_in: part.content_type.media().to_owned(),
        bytes_in: len(part),
        action: action(&planned.fate, part, out),
        name_out: out.and_then(Part::name).map(str::to_owned),
        type_out: out
            .map(|out| out.content_type.media().to_owned())
            .or_else(|| {
                planned_type(&planned.fate)
                    .filter(|_| assembled.is_none())
                    .map(str::to_owned)
            }),
        bytes_out: out.map(len),
        media_out: picture
            .map(|made| made.media.clone())
            .or_else(|| out.map(|_| media_in.clone())),
        media_in: Some(media_in),
        reasons: planned.reasons.clone(),
        encodes: picture.map_or(0, |made| made.encodes),
        quality: picture.and_then(|made| made.quality),
    })
}

fn planned_type(fate: &Fate) -> Option<&str> {
    match fate {
        Fate::Relabel(media) | Fate::Text { media, .. } => Some(media),
        Fate::Image(job) | Fate::Poster(job) => Some(&job.media),
        Fate::Clip(job) => Some(&job.media),
        Fate::Replace { .. } => Some("text/plain"),
        Fate::Keep | Fate::Drop(_) => None,
    }
}

fn action(fate: &Fate, part: &Part, out: Option<&Part>) -> ActionName {
    match fate {
        // The presentation is kept and yet follows the parts.
        Fate::Keep if out.is_some_and(|out| out.data != part.data) => ActionName::Transcode,
        Fate::Keep => ActionName::Keep,
        Fate::Relabel(_) => ActionName::Relabel,
        Fate::Image(_) | Fate::Clip(_) | Fate::Text { .. } => ActionName::Transcode,
        Fate::Poster(_) | Fate::Replace { .. } => ActionName::Replace,
        Fate::Drop(_) => ActionName::Drop,
    }
}

fn len(part: &Part) -> u64 {
    u64::try_from(part.data.len()).unwrap_or(u64::MAX)
}

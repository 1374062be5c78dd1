//! What a plan and a report look like to a person.

use std::io::IsTerminal;

use super::table::Table;
use crate::adapt::report::{ActionName, MediaReport, PartReport, Report, SmilOutcome, Verdict};
use crate::adapt::{ClipJob, Fate, Plan};
use crate::profile::Capabilities;

/// The page `remold explain` prints.
pub(super) fn page(report: &Report, plan: &Plan, caps: &Capabilities) -> String {
    let mut page = String::new();
    let mut head = Table::plain();
    head.row(["device", &device(report, caps)]);
    head.row(["limits", &limits(caps)]);
    head.row([
        "message",
        &format!("{} octets, {} parts", report.size_in, report.parts.len()),
    ]);
    head.row(["verdict", verdict(report)]);
    head.row(["presentation", smil(report.smil)]);
    for notice in &report.notices {
        head.row(["notice", notice]);
    }
    for warning in &report.warnings {
        head.row(["warning", warning]);
    }
    page.push_str(&head.render());
    page.push('\n');
    let mut parts = Table::new([
        "part",
        "name",
        "what it is",
        "octets",
        "what happens",
        "why",
    ]);
    for part in &report.parts {
        let planned = plan.parts.get(part.index).map(|p| &p.fate);
        parts.row([
            part.index.to_string(),
            part.name_in.clone().unwrap_or_else(|| "-".to_owned()),
            what(part),
            part.bytes_in.to_string(),
            happening(part, planned),
            why(part),
        ]);
    }
    page.push_str(&parts.render());
    page
}

/// One line on stderr where a person is looking.
pub(super) fn summary(report: &Report) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let changed = report
        .parts
        .iter()
        .filter(|part| part.action != ActionName::Keep)
        .count();
    let limit = report
        .limit
        .map_or_else(String::new, |limit| format!(", limit {limit}"));
    eprintln!(
        "{}: {} → {} octets{limit}; {changed} of {} parts changed, for {}",
        verdict(report),
        report.size_in,
        report.size_out,
        report.parts.len(),
        report.device.id,
    );
}

fn device(report: &Report, caps: &Capabilities) -> String {
    let name = [caps.vendor.as_deref(), caps.model.as_deref()];
    let name: Vec<&str> = name.into_iter().flatten().collect();
    let source = &caps.source;
    if name.is_empty() {
        format!("{} ({source})", report.device.id)
    } else {
        format!("{}: {} ({source})", report.device.id, name.join(" "))
    }
}

fn limits(caps: &Capabilities) -> String {
    let size = caps
        .max_message_size
        .as_ref()
        .map_or("any size".to_owned(), |s| {
            format!("{} octets ({})", s.value, s.source)
        });
    let image = caps
        .max_image
        .as_ref()
        .map_or("pictures of any size".to_owned(), |b| {
            format!("pictures {} ({})", b.value, b.source)
        });
    format!("{size}, {image}")
}

fn verdict(report: &Report) -> &'static str {
    match report.verdict {
        Verdict::Unchanged => "unchanged",
        Verdict::Adapted => "adapted",
        Verdict::Refused => "refused",
    }
}

fn smil(outcome: SmilOutcome) -> &'static str {
    match outcome {
        SmilOutcome::None => "none",
        SmilOutcome::Kept => "kept",
        SmilOutcome::Rewritten => "rewritten",
        SmilOutcome::Generated => "generated",
        SmilOutcome::Removed => "removed",
    }
}

fn what(part: &PartReport) -> String {
    let media = part.media_in.as_ref();
    let shape = media.map(shape).unwrap_or_default();
    format!("{}{shape}", part.type_in)
}

fn shape(media: &MediaReport) -> String {
    let mut text = String::new();
    if let (Some(width), Some(height)) = (media.width, media.height) {
        text.push_str(&format!(" {width}x{height}"));
    }
    if let Some(codec) = media
        .codec
        .filter(|_| matches!(media.kind, "audio" | "video"))
    {
        text.push_str(&format!(" {codec}"));
        if let Some(sound) = media.audio_codec {
            text.push_str(&format!("+{sound}"));
        }
    }
    if let Some(frames) = media.frames.filter(|frames| *frames > 1) {
        text.push_str(&format!(", {frames} frames"));
    }
    if let Some(ms) = media.duration_ms.filter(|ms| *ms > 0) {
        text.push_str(&format!(", {}.{} s", ms / 1000, ms % 1000 / 100));
    }
    text
}

fn happening(part: &PartReport, fate: Option<&Fate>) -> String {
    match fate {
        Some(Fate::Image(job)) if job.max_bytes != u64::MAX => {
            format!("becomes {} of ≤ {} octets", job.media, job.max_bytes)
        }
        Some(Fate::Image(job)) => format!("becomes {}", job.media),
        Some(Fate::Clip(job)) => clip(job),
        Some(Fate::Poster(job)) => format!("a still picture in {} stands in for it", job.media),
        Some(Fate::Text { media, charset, .. }) => format!("becomes {media} in {charset}"),
        Some(Fate::Relabel(media)) => format!("is called {media}"),
        Some(Fate::Replace { .. }) => "text stands in for it".to_owned(),
        Some(Fate::Drop(_)) => "goes".to_owned(),
        Some(Fate::Keep) | None => match part.action {
            ActionName::Keep => "stays".to_owned(),
            _ => "changes".to_owned(),
        },
    }
}

/// What a sound or a clip becomes: type, codecs with their bounds, octets.
fn clip(job: &ClipJob) -> String {
    let mut text = format!("becomes {}", job.media);
    let mut codecs = Vec::new();
    if let Some(video) = &job.target.video {
        let level = video.max_level;
        codecs.push(format!("{} up to level {level}", video.codec.name()));
    }
    codecs.extend(job.target.audio.as_ref().map(|a| a.codec.name().to_owned()));
    if !codecs.is_empty() {
        text.push_str(&format!(" ({})", codecs.join(", ")));
    }
    if let Some(most) = job.target.max_bytes {
        text.push_str(&format!(" of ≤ {most} octets"));
    }
    if job.target.may_cut {
        text.push_str(", its end cut off");
    }
    text
}

fn why(part: &PartReport) -> String {
    let reasons: Vec<String> = part
        .reasons
        .iter()
        .map(|r| format!("{}: {}, is {}", r.rule, r.limit, r.was))
        .collect();
    if reasons.is_empty() {
        "-".to_owned()
    } else {
        reasons.join("; ")
    }
}

//! What happens to one part, before octets are shared.

use super::Context;
use crate::adapt::clip_choice;
use crate::adapt::image_choice::{self, Choice};
use crate::adapt::inspect::{Inspected, Role};
use crate::adapt::notice::Cause;
use crate::adapt::report::Reason;
use crate::dimensions::Dimensions;
use crate::media::clip::ClipTarget;
use crate::media::{Format, MediaInfo, MediaKind, mime};
use crate::mms::{self, charset, text, vcard};
use crate::profile::{Capabilities, DrmMethod};

/// What happens to a part.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// Its octets and its type stay.
    Keep,
    /// Its octets stay under the type name the device lists.
    Relabel(String),
    /// The picture is coded anew.
    Image(ImageJob),
    /// The sound or the clip is coded anew.
    Clip(ClipJob),
    /// A still picture stands in for the clip: its first one that is worth showing.
    Poster(ImageJob),
    /// The text is coded anew, in a charset and under a type the device takes.
    Text {
        /// The media type.
        media: String,
        /// The charset.
        charset: &'static str,
        /// The octets in that charset.
        octets: Vec<u8>,
    },
    /// Text that says the same stands in for the part.
    Replace {
        /// The charset.
        charset: &'static str,
        /// The octets in that charset.
        octets: Vec<u8>,
    },
    /// It goes.
    Drop(Cause),
}

/// A picture to be coded anew.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageJob {
    /// The format it becomes.
    pub format: Format,
    /// The type name the device lists for that format.
    pub media: String,
    /// The box it must fit, either way round.
    pub max_box: Option<Dimensions>,
    /// Octets it may have, set when octets are shared.
    pub max_bytes: u64,
    /// The quality to aim for, 1..=100.
    pub quality: u8,
    /// Whether several frames survive.
    pub animation: bool,
    /// Bits per pixel of a screen that shows black and white only.
    pub bits_per_pixel: Option<u8>,
    /// Other formats, with the type names the device lists for them, one of which is taken where
    /// the pixels turn out to ask for it.
    pub others: Vec<(Format, String)>,
    /// What happens instead where the part's own octets fit the budget: the picture is fine as
    /// it is but for the size of the message.
    pub unless_fits: Option<Box<Fate>>,
}

/// A sound or a clip to be coded anew.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipJob {
    /// What it becomes. Its octets, and whether its end is cut off, are set when octets are
    /// shared.
    pub target: ClipTarget,
    /// The type name the device lists for it.
    pub media: String,
    /// Whether the end may be cut off where the whole does not fit.
    pub may_cut: bool,
    /// The still picture that stands in where not even a part of the clip fits.
    pub poster: Option<ImageJob>,
    /// What happens instead where the part's own octets fit the budget: it is fine as it is but
    /// for the size of the message.
    pub unless_fits: Option<Box<Fate>>,
}

impl ClipJob {
    /// Whether nothing of the moving pictures is left.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.target.video.is_none()
    }

    /// Whether nothing of the sound is left.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.target.audio.is_none()
    }
}

/// Decides on one part by itself, without regard to the size of the message.
pub(super) fn decide(part: &Inspected<'_>, context: &Context<'_>) -> (Fate, Vec<Reason>) {
    match part.role {
        Role::Presentation => presentation(part, context.caps),
        Role::Text => text_part(part, context.caps),
        Role::Vcard | Role::Vcalendar => card(part, context.caps),
        Role::Image => image(part, context),
        Role::Drm => protected(part, context.caps),
        Role::Audio | Role::Video => clip(part, context),
        Role::Synthetic => melody(part, context),
        Role::Other => opaque(part, context.caps),
    }
}

fn presentation(part: &Inspected<'_>, caps: &Capabilities) -> (Fate, Vec<Reason>) {
    match caps.accepts(&part.true_type) {
        Some(_) => (Fate::Keep, Vec::new()),
        None => (
            Fate::Drop(Cause::Unsuitable),
            vec![not_accepted(&part.true_type, caps)],
        ),
    }
}

fn text_part(part: &Inspected<'_>, caps: &Capabilities) -> (Fate, Vec<Reason>) {
    let declared = part.part.content_type.media();
    let mut reasons = Vec::new();
    let media = match caps.accepts(declared) {
        Some(listed) => {
            relabel_reason(declared, listed, &mut reasons);
            listed.to_owned()
        }
        // TS 26.140 clause 4.1: unknown subtypes of text are shown as plain text.
        None => {
            reasons.push(not_accepted(declared, caps));
            "text/plain".to_owned()
        }
    };
    let html = part.part.content_type.is("text/html") && media == "text/plain";
    if let Some(reason) = charset_reason(part, caps) {
        reasons.push(reason);
    }
    if reasons.is_empty() {
        return (Fate::Keep, reasons);
    }
    let decoded = text::decode_part(part.part);
    let shown = if html {
        mms::mime::html_to_text(&decoded.text)
    } else {
        decoded.text
    };
    let encoded = text::encode_for(&shown, charsets(caps));
    (
        Fate::Text {
            media,
            charset: encoded.charset,
            octets: encoded.bytes,
        },
        reasons,
    )
}

/// Why the part's charset does not do, if it does not.
fn charset_reason(part: &Inspected<'_>, caps: &Capabilities) -> Option<Reason> {
    let declared = part.part.content_type.charset();
    let ascii = part.part.data.is_ascii();
    let number = declared.and_then(charset::mib);
    let listed = |mib| {
        charsets(caps)
            .iter()
            .any(|c| charset::mib(c) == Some(mib) || c == "*")
    };
    let fine = match number {
        Some(charset::US_ASCII) => ascii,
        Some(mib) => listed(mib),
        None => declared.is_none() && ascii,
    };
    (!fine).then(|| {
        let was = declared.unwrap_or("none given").to_owned();
        Reason::new("MmsCcppAcceptCharSet", charsets(caps).join(","), was)
    })
}

fn card(part: &Inspected<'_>, caps: &Capabilities) -> (Fate, Vec<Reason>) {
    let declared = part.part.content_type.media();
    let mut reasons = Vec::new();
    if let Some(listed) = caps.accepts(declared) {
        relabel_reason(declared, listed, &mut reasons);
        let fate = if reasons.is_empty() {
            Fate::Keep
        } else {
            Fate::Relabel(listed.to_owned())
        };
        return (fate, reasons);
    }
    reasons.push(not_accepted(declared, caps));
    let decoded = text::decode_part(part.part).text;
    let summary = vcard::summary(&decoded);
    let fate = match summary {
        Some(summary) => {
            let encoded = text::encode_for(&summary, charsets(caps));
            Fate::Replace {
                charset: encoded.charset,
                octets: encoded.bytes,
            }
        }
        None => Fate::Drop(Cause::Unsuitable),
    };
    (fate, reasons)
}

fn image(part: &Inspected<'_>, context: &Context<'_>) -> (Fate, Vec<Reason>) {
    let caps = context.caps;
    let declared = part.part.content_type.media();
    let accepted = accepted(part, caps);
    let mut reasons = Vec::new();
    if let Some(why) = &part.broken {
        reasons.push(Reason::new("content", declared, why.clone()));
        return (Fate::Drop(Cause::Unsuitable), reasons);
    }
    if accepted.is_none() {
        reasons.push(not_accepted(&part.true_type, caps));
    }
    reasons.extend(image_choice::coding_reason(part, caps));
    let max_box = caps.max_image.as_ref().map(|b| b.value);
    if let (Some(max_box), Some(size)) = (max_box, part.info.shown_size())
        && !max_box.holds(size)
    {
        let (limit, was) = (max_box.to_string(), size.to_string());
        reasons.push(Reason::new("MmsMaxImageResolution", limit, was));
    }
    if reasons.is_empty() {
        let listed = accepted.unwrap_or(declared);
        relabel_reason(declared, listed, &mut reasons);
        let fate = if reasons.is_empty() {
            Fate::Keep
        } else {
            Fate::Relabel(listed.to_owned())
        };
        return (fate, reasons);
    }
    match job(part, context) {
        Some(job) => (Fate::Image(job), reasons),
        None => {
            reasons.push(unconverted(&part.true_type));
            (Fate::Drop(Cause::Unsuitable), reasons)
        }
    }
}

/// The job that codes a picture anew, or `None` where no codec can.
pub(super) fn job(part: &Inspected<'_>, context: &Context<'_>) -> Option<ImageJob> {
    if !context.registry.decodes(part.info.format) {
        return None;
    }
    image_job(&part.info, context)
}

/// The job that makes a picture of what `info` describes.
fn image_job(info: &MediaInfo, context: &Context<'_>) -> Option<ImageJob> {
    let Choice {
        format,
        media,
        animation,
        others,
    } = image_choice::choose(info, context.caps, context.registry)?;
    let bits = context.caps.bits_per_pixel.as_ref().map(|b| b.value);
    Some(ImageJob {
        format,
        media,
        max_box: context.caps.max_image.as_ref().map(|b| b.value),
        max_bytes: u64::MAX,
        quality: context.policy.quality.clamp(1, 100),
        animation,
        bits_per_pixel: bits.filter(|bits| *bits == 1),
        others,
        unless_fits: None,
    })
}

/// A sound or a clip: kept where the device takes the file and plays what is in it.
fn clip(part: &Inspected<'_>, context: &Context<'_>) -> (Fate, Vec<Reason>) {
    let caps = context.caps;
    let (as_it_is, mut reasons) = opaque(part, caps);
    if part.broken.is_some() {
        return (as_it_is, reasons);
    }
    let taken = !matches!(as_it_is, Fate::Drop(_));
    let beyond = clip_choice::coding_reason(&part.info, caps).filter(|_| taken);
    if taken && beyond.is_none() {
        return (as_it_is, reasons);
    }
    reasons.extend(beyond);
    if let Some(job) = clip_job(part, context) {
        if job.is_sound() && part.role == Role::Video {
            let codec = clip_choice::video_name(&part.info);
            reasons.extend(codec.map(|codec| unconverted(&codec)));
        }
        if job.is_silent() {
            let codec = clip_choice::audio_name(&part.info);
            reasons.extend(codec.map(|codec| unconverted(&codec)));
        }
        return (Fate::Clip(job), reasons);
    }
    if let Some(job) = poster_job(part, context) {
        return (Fate::Poster(job), reasons);
    }
    // Where the device takes something that this could become, the codec is what is missing.
    let possible = clip_choice::takes_sound(caps)
        || (part.role == Role::Video && (caps.takes_video() || caps.takes_image()));
    if possible && !clip_choice::is_readable(part.info.format) {
        let (limit, was) = ("one this build reads", part.info.format.name());
        reasons.push(Reason::new("container", limit, was));
    } else if possible {
        let track = clip_choice::video_name(&part.info).or(clip_choice::audio_name(&part.info));
        let codec = track.or_else(|| Some(part.info.codec?.name().to_owned()));
        let codec = codec.unwrap_or_else(|| part.true_type.clone());
        reasons.push(unconverted(&codec));
    }
    (Fate::Drop(Cause::Unsuitable), reasons)
}

/// A melody: kept where the device plays it, else made sound where there are instruments for it.
fn melody(part: &Inspected<'_>, context: &Context<'_>) -> (Fate, Vec<Reason>) {
    let (as_it_is, reasons) = opaque(part, context.caps);
    let refused = matches!(as_it_is, Fate::Drop(_)) && part.broken.is_none();
    match clip_job(part, context).filter(|_| refused) {
        Some(job) => (Fate::Clip(job), reasons),
        None => (as_it_is, reasons),
    }
}

fn unconverted(codec: &str) -> Reason {
    Reason::new("codec", "one this build converts", codec)
}

/// The job that codes a sound or a clip anew, or `None` where no codec can. Of a clip whose
/// pictures nobody decodes the sound is left.
pub(super) fn clip_job(part: &Inspected<'_>, context: &Context<'_>) -> Option<ClipJob> {
    let (caps, registry) = (context.caps, context.registry);
    let limit = caps.max_message_size.as_ref().map(|size| size.value);
    let pictures = || clip_choice::clip(&part.info, caps, registry);
    let sound = || clip_choice::sound(&part.info, caps, registry, limit);
    let choice = match part.role {
        Role::Video if clip_choice::has_poster(&part.info, registry) => pictures()?,
        Role::Video => pictures().or_else(sound)?,
        _ => sound()?,
    };
    Some(ClipJob {
        target: choice.target,
        media: choice.media,
        may_cut: context.policy.shorten,
        poster: poster_job(part, context),
        unless_fits: None,
    })
}

/// The job that makes a still picture of a clip.
fn poster_job(part: &Inspected<'_>, context: &Context<'_>) -> Option<ImageJob> {
    if !clip_choice::has_poster(&part.info, context.registry) {
        return None;
    }
    image_job(&still(&part.info), context)
}

/// The first picture of a clip as a photograph's header would describe it.
pub(super) fn still(info: &MediaInfo) -> MediaInfo {
    MediaInfo {
        size: info
            .size
            .or(info.video.as_ref().and_then(|track| track.size)),
        orientation: info.orientation,
        frames: Some(1),
        ..MediaInfo::new(Format::Jpeg, MediaKind::Image)
    }
}

fn protected(part: &Inspected<'_>, caps: &Capabilities) -> (Fate, Vec<Reason>) {
    let declared = part.part.content_type.essence();
    let method = drm_method(part);
    let taken = match method {
        Some(method) => caps.takes_drm(method),
        None => caps.accepts(&declared).is_some(),
    };
    if taken {
        return (Fate::Keep, Vec::new());
    }
    let methods = caps
        .drm
        .as_ref()
        .map(|d| d.value.join(","))
        .unwrap_or_default();
    let was = method.map_or_else(|| declared.clone(), |method| method.name().to_owned());
    (
        Fate::Drop(Cause::Protected),
        vec![Reason::new("MmsDrmClass", methods, was)],
    )
}

/// How a part is protected (OMA-Download-DRM 1.0). `None` for a type that is no method of it.
fn drm_method(part: &Inspected<'_>) -> Option<DrmMethod> {
    match part.part.content_type.essence().as_str() {
        "application/vnd.oma.drm.content" => Some(DrmMethod::SeparateDelivery),
        // Combined delivery puts the rights in front of the medium.
        "application/vnd.oma.drm.message" => {
            let rights = b"application/vnd.oma.drm.rights";
            let combined = part.part.data.windows(rights.len()).any(|w| w == rights);
            Some(if combined {
                DrmMethod::CombinedDelivery
            } else {
                DrmMethod::ForwardLock
            })
        }
        _ if part.info.format == Format::Dcf => Some(DrmMethod::SeparateDelivery),
        _ => None,
    }
}

/// The name by which a device takes a part: its own where it tells the truth, else the one its
/// octets call for.
fn accepted<'a>(part: &'a Inspected<'_>, caps: &'a Capabilities) -> Option<&'a str> {
    let declared = part.part.content_type.media();
    let promised = mime::format_of_media_type(declared);
    let honest = part.info.format == Format::Unknown || promised == Some(part.info.format);
    honest
        .then(|| caps.accepts(declared))
        .flatten()
        .or_else(|| caps.accepts(&part.true_type))
}

/// Media that are not converted: kept where accepted, else gone.
fn opaque(part: &Inspected<'_>, caps: &Capabilities) -> (Fate, Vec<Reason>) {
    let declared = part.part.content_type.media();
    let mut reasons = Vec::new();
    if let Some(why) = &part.broken {
        reasons.push(Reason::new("content", declared, why.clone()));
        return (Fate::Drop(Cause::Unsuitable), reasons);
    }
    match accepted(part, caps) {
        Some(listed) => {
            relabel_reason(declared, listed, &mut reasons);
            let fate = if reasons.is_empty() {
                Fate::Keep
            } else {
                Fate::Relabel(listed.to_owned())
            };
            (fate, reasons)
        }
        None => {
            reasons.push(not_accepted(&part.true_type, caps));
            (Fate::Drop(Cause::Unsuitable), reasons)
        }
    }
}

fn relabel_reason(declared: &str, listed: &str, reasons: &mut Vec<Reason>) {
    if !declared.eq_ignore_ascii_case(listed) {
        reasons.push(Reason::new("MmsCcppAccept", listed, declared));
    }
}

fn not_accepted(media: &str, caps: &Capabilities) -> Reason {
    let kind = media.split('/').next().unwrap_or_default();
    let listed = caps
        .accept
        .as_ref()
        .map(|a| a.value.as_slice())
        .unwrap_or_default();
    let of_kind: Vec<&str> = listed
        .iter()
        .map(String::as_str)
        .filter(|t| {
            t.split('/')
                .next()
                .is_some_and(|k| k.eq_ignore_ascii_case(kind))
        })
        .collect();
    let limit = if of_kind.is_empty() {
        format!("no {kind}")
    } else {
        of_kind.join(",")
    };
    Reason::new("MmsCcppAccept", limit, media)
}

/// The charsets a device takes; UTF-8 and US-ASCII where it says nothing.
pub(in crate::adapt) fn charsets(caps: &Capabilities) -> &[String] {
    caps.charsets
        .as_ref()
        .map(|c| c.value.as_slice())
        .unwrap_or_default()
}

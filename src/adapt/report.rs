//! What was kept, changed and dropped, and why: one structure for the command line, the
//! charging records and the pages of an operator.

use serde::Serialize;

use super::form::Form;
use crate::dimensions::Dimensions;
use crate::media::MediaInfo;
use crate::profile::{Capabilities, Source};

/// The version of the report's shape.
pub const SCHEMA: u32 = 1;

/// The report on one message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name and version of the engine.
    pub engine: String,
    /// Where the message came from, as the caller names it.
    pub input: Option<String>,
    /// SHA-256 of the input in hexadecimal digits.
    pub input_sha256: Option<String>,
    /// Where the result went; `None` where nothing was written.
    pub output: Option<String>,
    /// The device the message was fitted to.
    pub device: DeviceReport,
    /// What became of the message.
    pub verdict: Verdict,
    /// The gate that ended the decision early.
    pub gate: Option<Gate>,
    /// Octets of the message as it came, encoded for MM1.
    pub size_in: u64,
    /// Octets of the result, encoded for MM1.
    pub size_out: u64,
    /// The limit in octets; `None` where the device names none.
    pub limit: Option<u64>,
    /// One entry a part of the input, in order.
    pub parts: Vec<PartReport>,
    /// What became of the presentation.
    pub smil: SmilOutcome,
    /// Notices to the recipient that were put into the message.
    pub notices: Vec<String>,
    /// Oddities that a person should know of.
    pub warnings: Vec<String>,
    /// Wall time in milliseconds: the only field that differs between two runs.
    pub ms: Timing,
}

impl Report {
    /// Refuses a result that is no medium any more where the input was one by itself: a picture
    /// that became a notice is not worth a file. A still picture of a clip is a medium; text is none.
    pub fn refuse_lost_medium(&mut self, form: &Form) {
        let lost = |part: &PartReport| match part.action {
            ActionName::Drop => true,
            ActionName::Replace => part.type_out.as_deref() == Some("text/plain"),
            _ => false,
        };
        if *form == Form::Media && self.parts.iter().any(lost) {
            self.verdict = Verdict::Refused;
            self.size_out = 0;
        }
    }

    /// Why the message was refused, on one line.
    #[must_use]
    pub fn refusal(&self) -> String {
        let why = self.warnings.last().cloned().or_else(|| {
            let reasons = self.parts.iter().flat_map(|part| &part.reasons);
            let reason = reasons.last()?;
            Some(format!(
                "{} allows {}, this is {}",
                reason.rule, reason.limit, reason.was
            ))
        });
        let why = why.unwrap_or_else(|| "nothing is left that fits".to_owned());
        format!("refused for {}: {why}", self.device.id)
    }
}

/// The device of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceReport {
    /// Device or class id.
    pub id: String,
    /// `class`, `database`, `uaprof`, `headers` or `default`.
    pub source: &'static str,
    /// MmsMaxMessageSize in octets.
    pub max_message_size: Option<u64>,
    /// MmsMaxImageResolution in pixels.
    pub max_image: Option<[u32; 2]>,
}

impl DeviceReport {
    /// The part of `caps` that a report names.
    #[must_use]
    pub fn new(caps: &Capabilities) -> Self {
        Self {
            id: caps.id.clone(),
            source: match &caps.source {
                Source::Default => "default",
                Source::Class(_) => "class",
                Source::Database(_) => "database",
                Source::Uaprof | Source::Diff => "uaprof",
                Source::Headers | Source::UserAgent(_) => "headers",
                Source::Operator(_) | Source::Override => "override",
            },
            max_message_size: caps.max_message_size.as_ref().map(|s| s.value),
            max_image: caps
                .max_image
                .as_ref()
                .map(|s| [s.value.width, s.value.height]),
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The result is the input, octet for octet.
    Unchanged,
    /// The result differs from the input and fits.
    Adapted,
    /// There is no result that fits.
    Refused,
}

/// Why a decision ended before any part was looked at (3GPP TS 23.140, OMA-MMS-ENC, UAProf).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// X-Mms-Adaptation-Allowed is No.
    AdaptationNotAllowed,
    /// MmsSuppressContentAdaptation is Yes.
    DeviceSuppresses,
    /// The message is protected and fits as it is.
    Drm,
    /// The message fits as it is.
    Fits,
}

/// What became of the presentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SmilOutcome {
    /// There is none.
    None,
    /// It is as it was.
    Kept,
    /// It follows the changed parts.
    Rewritten,
    /// It was made for a message that had none.
    Generated,
    /// It was taken away.
    Removed,
}

/// What became of one part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartReport {
    /// Index in the input.
    pub index: usize,
    /// Its name in the input.
    pub name_in: Option<String>,
    /// The type its sender gave it.
    pub type_in: String,
    /// Its octets in the input.
    pub bytes_in: u64,
    /// What its octets really are.
    pub media_in: Option<MediaReport>,
    /// What was done.
    pub action: ActionName,
    /// Its name in the result.
    pub name_out: Option<String>,
    /// Its type in the result.
    pub type_out: Option<String>,
    /// Its octets in the result.
    pub bytes_out: Option<u64>,
    /// What it is in the result.
    pub media_out: Option<MediaReport>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// How often it was encoded.
    pub encodes: u32,
    /// The quality it was encoded at, 1..=100, where its codec has one.
    pub quality: Option<u8>,
}

/// The actions of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionName {
    /// The octets and the type are as they were.
    Keep,
    /// The octets are as they were under another type or name.
    Relabel,
    /// The medium was coded anew.
    Transcode,
    /// Text, or a still picture of a clip, stands in for it.
    Replace,
    /// It is gone; a notice says so.
    Drop,
}

/// A rule that a part breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The rule: a UAProf attribute where there is one.
    pub rule: &'static str,
    /// What the rule allows.
    pub limit: String,
    /// What the part is.
    pub was: String,
}

impl Reason {
    /// A reason from its three parts.
    pub fn new(rule: &'static str, limit: impl Into<String>, was: impl Into<String>) -> Self {
        Self {
            rule,
            limit: limit.into(),
            was: was.into(),
        }
    }
}

/// What a medium is, for people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaReport {
    /// `image`, `audio`, `synthetic`, `video`, `text` or `other`.
    pub kind: &'static str,
    /// The codec of a picture or of the first track.
    pub codec: Option<&'static str>,
    /// The codec of the sound beside moving pictures.
    pub audio_codec: Option<&'static str>,
    /// Pixels across, as shown.
    pub width: Option<u32>,
    /// Pixels down, as shown.
    pub height: Option<u32>,
    /// Frames: 1 for a still picture.
    pub frames: Option<u32>,
    /// Playing time in milliseconds.
    pub duration_ms: Option<u64>,
}

impl MediaReport {
    /// The part of `info` that a report names.
    #[must_use]
    pub fn new(info: &MediaInfo) -> Self {
        let size = info
            .shown_size()
            .or_else(|| info.video.as_ref().and_then(|v| v.size));
        Self {
            kind: info.kind.name(),
            codec: info.codec.map(crate::media::Codec::name),
            audio_codec: info
                .audio
                .as_ref()
                .filter(|_| info.video.is_some())
                .map(|track| track.codec.name()),
            width: size.map(|s| s.width),
            height: size.map(|s| s.height),
            frames: info.frames,
            duration_ms: info.duration_ms,
        }
    }

    /// A picture that was just encoded.
    #[must_use]
    pub fn picture(
        codec: &'static str,
        size: Dimensions,
        frames: u32,
        duration_ms: Option<u64>,
    ) -> Self {
        Self {
            kind: "image",
            codec: Some(codec),
            audio_codec: None,
            width: Some(size.width),
            height: Some(size.height),
            frames: Some(frames),
            duration_ms,
        }
    }
}

/// Wall time in milliseconds. The core has no clock: the caller fills this in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Timing {
    /// All of it.
    pub total: f64,
    /// Reading media.
    pub decode: f64,
    /// Writing media.
    pub encode: f64,
}

//! One line of the report: what became of one input for one device.

use std::path::Path;

use serde::Serialize;

use super::hex;
use crate::adapt::report::{DeviceReport, SCHEMA, Timing, Verdict};
use crate::adapt::{Policy, Report};
use crate::profile::Capabilities;

use sha2::{Digest, Sha256};

/// What became of one input for one device: what `remold adapt --report` writes, and beside it what a
/// job needs to go on.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The report, or what stands in for it where the input is no message.
    #[serde(flatten)]
    pub body: Body,
    /// What the device is called in the job.
    pub target: String,
    /// What decides the result beside the input: a fingerprint of capabilities and policy.
    pub settings: String,
    /// Octets of the input.
    pub input_bytes: Option<u64>,
    /// When the input was changed last: nanoseconds since 1970.
    pub input_modified: Option<i64>,
    /// The octets of the input's name in hexadecimal digits, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_octets: Option<String>,
    /// Octets of the result.
    pub output_bytes: Option<u64>,
    /// SHA-256 of the result in hexadecimal digits.
    pub output_sha256: Option<String>,
    /// Why there is no result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// Whether this is what would be, and nothing was written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// The report of a line.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// What was done and why.
    Report(Box<Report>),
    /// Nothing could be done.
    Failed(Box<Failed>),
}

/// The same shape as a report, with the verdict `failed`.
#[derive(Debug, Clone, Serialize)]
pub struct Failed {
    schema: u32,
    engine: String,
    input: String,
    input_sha256: Option<String>,
    output: Option<String>,
    device: DeviceReport,
    verdict: &'static str,
    gate: Option<()>,
    size_in: u64,
    size_out: u64,
    limit: Option<u64>,
    parts: [(); 0],
    smil: &'static str,
    notices: [(); 0],
    warnings: [(); 0],
    ms: Timing,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The kind of failure.
    pub code: Code,
    /// What is wrong, on one line.
    pub message: String,
    /// Octet of the input at which it is wrong.
    pub offset: Option<usize>,
}

/// Kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The input cannot be read: a link to nowhere, a pipe, no permission.
    Unreadable,
    /// The input is none of what can be decoded, or broken.
    Undecodable,
    /// Nothing of it fits the device.
    Refused,
    /// It took longer than one input may.
    Deadline,
    /// It would take more memory than there is for the whole job.
    Memory,
    /// There is a file already where the result goes.
    OutputExists,
    /// The result cannot be written.
    Output,
    /// A bug: the engine panicked.
    Internal,
}

impl Code {
    /// The name of it in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Undecodable => "undecodable",
            Self::Refused => "refused",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::OutputExists => "output-exists",
            Self::Output => "output",
            Self::Internal => "internal",
        }
    }
}

impl Failure {
    /// A failure at no particular octet.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into().replace(['\n', '\r'], " "),
            offset: None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        match self.offset {
            Some(offset) => write!(f, " (at byte {offset})"),
            None => Ok(()),
        }
    }
}

impl Body {
    /// The body of an input that is no message.
    pub(super) fn failed(
        input: &Path,
        sha256: Option<String>,
        size: u64,
        caps: &Capabilities,
        ms: f64,
    ) -> Self {
        let device = DeviceReport::new(caps);
        Self::Failed(Box::new(Failed {
            schema: SCHEMA,
            engine: concat!("remold ", env!("CARGO_PKG_VERSION")).to_owned(),
            input: input.display().to_string(),
            input_sha256: sha256,
            output: None,
            verdict: "failed",
            gate: None,
            size_in: size,
            size_out: 0,
            limit: device.max_message_size,
            device,
            parts: [],
            smil: "none",
            notices: [],
            warnings: [],
            ms: Timing {
                total: ms,
                ..Timing::default()
            },
        }))
    }
}

impl Line {
    /// The verdict: `unchanged`, `adapted`, `refused` or `failed`.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match &self.body {
            Body::Failed(_) => "failed",
            Body::Report(_) if self.error.as_ref().is_some_and(|e| e.code != Code::Refused) => {
                "failed"
            }
            Body::Report(report) => match report.verdict {
                Verdict::Unchanged => "unchanged",
                Verdict::Adapted => "adapted",
                Verdict::Refused => "refused",
            },
        }
    }

    /// The input as the report names it.
    #[must_use]
    pub fn input(&self) -> &str {
        match &self.body {
            Body::Report(report) => report.input.as_deref().unwrap_or_default(),
            Body::Failed(failed) => &failed.input,
        }
    }

    /// The report, where there is one.
    #[must_use]
    pub fn report(&self) -> Option<&Report> {
        match &self.body {
            Body::Report(report) => Some(report),
            Body::Failed(_) => None,
        }
    }

    /// Milliseconds it took.
    #[must_use]
    pub fn ms(&self) -> f64 {
        match &self.body {
            Body::Report(report) => report.ms.total,
            Body::Failed(failed) => failed.ms.total,
        }
    }

    /// The line, with its line feed.
    ///
    /// # Errors
    /// None in practice: every field has a form in JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|mut line| {
            line.push('\n');
            line
        })
    }
}

/// The octets of a name in hexadecimal digits, where they are not UTF-8.
pub(super) fn odd_name(path: &Path) -> Option<String> {
    match path.to_str() {
        Some(_) => None,
        None => Some(hex(path.as_os_str().as_encoded_bytes())),
    }
}

/// A fingerprint of what decides a result beside the input.
pub(super) fn settings(caps: &Capabilities, policy: &Policy) -> String {
    let text = format!("{caps:?}{policy:?}");
    let digest = Sha256::digest(text.as_bytes());
    hex(digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(error: Failure) -> Line {
        let caps = Capabilities::default();
        Line {
            body: Body::failed(Path::new("a.jpg"), None, 3, &caps, 1.5),
            target: "safe".to_owned(),
            settings: settings(&caps, &Policy::default()),
            input_bytes: Some(3),
            input_modified: None,
            input_octets: None,
            output_bytes: None,
            output_sha256: None,
            error: Some(error),
            dry_run: false,
        }
    }

    #[test]
    fn a_failure_has_the_shape_of_a_report() {
        let failure = Failure {
            offset: Some(17),
            ..Failure::new(Code::Undecodable, "two\nlines")
        };
        assert_eq!(failure.to_string(), "two lines (at byte 17)");
        let text = line(failure).to_json().unwrap();
        assert!(text.ends_with('\n') && !text.trim_end().contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        for field in [
            "schema",
            "engine",
            "input",
            "input_sha256",
            "output",
            "device",
            "verdict",
            "gate",
            "size_in",
            "size_out",
            "limit",
            "parts",
            "smil",
            "notices",
            "warnings",
            "ms",
            "target",
        ] {
            assert!(value.get(field).is_some(), "{field}");
        }
        assert_eq!(value["verdict"], "failed");
        assert_eq!(value["error"]["code"], "undecodable");
        assert!(value.get("dry_run").is_none());
    }

    #[test]
    fn settings_differ_where_the_result_may() {
        let caps = Capabilities::default();
        let quiet = Policy {
            notices: false,
            ..Policy::default()
        };
        assert_ne!(settings(&caps, &quiet), settings(&caps, &Policy::default()));
    }
}

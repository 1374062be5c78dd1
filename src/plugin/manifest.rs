//! What the operator says of one plugin: `NAME.toml` beside `NAME.wasm`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::about::{Kind, Value};
use super::error::LoadError;
use crate::limits::PluginLimits;
use crate::media::registry::BUILTIN;

/// The manifest of a plugin. Every key may be left out, and so may the whole file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Manifest {
    /// Whether it is used.
    pub enabled: bool,
    /// SHA-256 of the component in hexadecimal: it is loaded with these octets or not at all.
    pub sha256: Option<String>,
    /// Public key in hexadecimal: it is loaded where `NAME.wasm.sig` beside it holds the signature of
    /// this key over its octets, or not at all.
    pub signed_by: Option<String>,
    /// Built-in codecs have 100; of the codecs of a format the highest is used, and the others where
    /// it fails.
    pub priority: i32,
    /// Octets of memory of one job.
    pub memory_max: Option<u64>,
    /// Milliseconds of one job.
    pub timeout_ms: Option<u64>,
    /// Units of fuel of one job; counts only where the host counts fuel.
    pub fuel: Option<u64>,
    /// Kinds of codec and names of formats and codecs that it may serve; everything where it is
    /// left out.
    pub allow: Option<Vec<String>>,
    /// `"trap"` lets it import WASI, none of which works: a call ends the job. For C whose library
    /// asks for what it never uses.
    pub wasi: Wasi,
    /// Options of its codecs.
    pub options: BTreeMap<String, Setting>,
}

/// Whether a plugin may import WASI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wasi {
    /// It may not.
    #[default]
    Refuse,
    /// It may, and any call of it ends the job.
    Trap,
}

/// The value of an option in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// On or off.
    Flag(bool),
    /// A number.
    Int(i64),
    /// A word.
    Text(String),
}

impl From<&Setting> for Value {
    fn from(setting: &Setting) -> Self {
        match setting {
            Setting::Flag(on) => Self::Flag(*on),
            Setting::Int(number) => Self::Int(*number),
            Setting::Text(word) => Self::Text(word.clone()),
        }
    }
}

impl Default for Manifest {
    fn default() -> Self {
        Self {
            enabled: true,
            sha256: None,
            signed_by: None,
            priority: BELOW_BUILTIN,
            memory_max: None,
            timeout_ms: None,
            fuel: None,
            allow: None,
            wasi: Wasi::Refuse,
            options: BTreeMap::new(),
        }
    }
}

/// Where nothing is said, a plugin does what no built-in codec does.
const BELOW_BUILTIN: i32 = BUILTIN - 50;

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// [`LoadError::Manifest`] with the line.
    pub fn read(text: &str) -> Result<Self, LoadError> {
        let manifest: Self =
            toml::from_str(text).map_err(|error| LoadError::Manifest(one_line(&error)))?;
        if let Some(pin) = &manifest.sha256
            && !(pin.len() == 64 && pin.chars().all(|c| c.is_ascii_hexdigit()))
        {
            let what = "sha256 is not 64 hexadecimal digits".to_owned();
            return Err(LoadError::Manifest(what));
        }
        Ok(manifest)
    }

    /// Whether it may serve this codec.
    pub(super) fn allows(&self, kind: Kind, codec_id: &str) -> bool {
        self.allow.as_ref().is_none_or(|allow| {
            allow
                .iter()
                .any(|word| word == kind.name() || word == codec_id)
        })
    }

    /// What one job may have: the less of what the manifest and the host say.
    pub(super) fn terms(&self, limits: &PluginLimits) -> Terms {
        let less = |asked: Option<u64>, granted: u64| asked.map_or(granted, |n| n.min(granted));
        Terms {
            memory_bytes: less(self.memory_max, limits.memory_bytes),
            job_ms: less(self.timeout_ms, limits.job_ms),
            track_ms: limits.track_ms,
            fuel: match (self.fuel, limits.fuel) {
                (Some(asked), Some(granted)) => Some(asked.min(granted)),
                (asked, granted) => asked.or(granted),
            },
            output_bytes: limits.output_bytes,
        }
    }
}

fn one_line(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ")
}

/// What one job may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Octets of all its memories.
    pub memory_bytes: u64,
    /// Milliseconds that its code may run; of moving pictures, for every ten seconds of a track.
    pub job_ms: u64,
    /// Milliseconds that its code may run for a track of any length.
    pub track_ms: u64,
    /// Units of fuel, where the host counts them.
    pub fuel: Option<u64>,
    /// Octets of all its results.
    pub output_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_asks_for_less_and_never_gets_more() {
        let limits = PluginLimits {
            memory_bytes: 100,
            job_ms: 100,
            fuel: Some(100),
            ..PluginLimits::default()
        };
        let less = Manifest::read("memory-max = 50\ntimeout-ms = 40\nfuel = 30").unwrap();
        let terms = less.terms(&limits);
        let of = |t: Terms| (t.memory_bytes, t.job_ms, t.fuel);
        assert_eq!(of(terms), (50, 40, Some(30)));
        let more = Manifest::read("memory-max = 500\ntimeout-ms = 400\nfuel = 300").unwrap();
        assert_eq!(of(more.terms(&limits)), (100, 100, Some(100)));
        assert_eq!(
            of(Manifest::default().terms(&limits)),
            (100, 100, Some(100))
        );
    }

    #[test]
    fn a_manifest_is_read_strictly() {
        let all = "enabled = false\nsha256 = '0000000000000000000000000000000000000000000000000000000000000000'\n\
                   priority = 200\nallow = ['image-decoder', 'qoi']\nwasi = 'trap'\n[options]\nlevel = 3\nfast = true\nmode = 'x'";
        let manifest = Manifest::read(all).unwrap();
        assert!(!manifest.enabled && manifest.wasi == Wasi::Trap && manifest.priority == 200);
        assert!(manifest.allows(Kind::ImageDecoder, "x"));
        assert!(manifest.allows(Kind::AudioDecoder, "qoi"));
        assert!(!manifest.allows(Kind::AudioDecoder, "x"));
        assert_eq!(manifest.options.len(), 3);
        assert_eq!(Manifest::read("").unwrap(), Manifest::default());
        for bad in [
            "sha256 = 'abc'",
            "memory = 3",
            "memory-max = -1",
            "wasi = 'all'",
            "[options]\nx = 1.5",
        ] {
            let error = Manifest::read(bad).unwrap_err();
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}

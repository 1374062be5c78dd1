//! What a plugin says of itself.

use crate::bindings::base::exports::remold::codec::meta;
use crate::bindings::words::remold::codec::types::{Dimensions, OptionValue};

/// What a plugin is. It must be the same at every call.
#[derive(Debug, Clone)]
pub struct About {
    /// Its name: small letters, digits and hyphens.
    pub name: &'static str,
    /// Its version; `env!("CARGO_PKG_VERSION")` will do.
    pub version: &'static str,
    /// Its licence as an SPDX expression.
    pub license: &'static str,
    /// Where to find out more.
    pub homepage: &'static str,
    /// What it reads or writes.
    pub codec: Codec,
}

/// A format or a codec, and how files of it are known.
#[derive(Debug, Clone, Default)]
pub struct Codec {
    /// Its short name. Where Remold knows the format, Remold's name for it.
    pub id: &'static str,
    /// Its media types, the preferred one first. Sound and moving pictures have none.
    pub media_types: &'static [&'static str],
    /// Extensions of file names without the dot, the usual one first.
    pub extensions: &'static [&'static str],
    /// Signatures. A decoder of a format without any has to implement `probe`.
    pub magics: &'static [Magic],
    /// What can be set.
    pub options: Vec<OptionSpec>,
    /// Of an image encoder: whether its format has transparency.
    pub alpha: bool,
    /// Of an image encoder: whether it writes more than one frame.
    pub animation: bool,
    /// Of an encoder of pictures, still or moving: the largest width and height that it writes.
    pub max_size: Option<(u32, u32)>,
}

/// Octets by which a format is known.
#[derive(Debug, Clone, Copy)]
pub struct Magic {
    /// Where they stand in the file.
    pub offset: u32,
    /// What they are.
    pub octets: &'static [u8],
}

impl Magic {
    fn is_in(&self, head: &[u8]) -> bool {
        usize::try_from(self.offset)
            .ok()
            .and_then(|offset| head.get(offset..))
            .is_some_and(|rest| rest.starts_with(self.octets))
    }
}

impl About {
    /// 100 where `head` has one of the signatures, else 0.
    pub(crate) fn by_magic(&self, head: &[u8]) -> u8 {
        if self.codec.magics.iter().any(|magic| magic.is_in(head)) {
            100
        } else {
            0
        }
    }
}

/// Something that can be set.
#[derive(Debug, Clone)]
pub struct OptionSpec {
    pub(crate) key: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) default: OptionValue,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) choices: &'static [&'static str],
}

impl OptionSpec {
    /// A number from `min` to `max`.
    #[must_use]
    pub fn int(key: &'static str, doc: &'static str, default: i64, min: i64, max: i64) -> Self {
        Self {
            key,
            doc,
            default: OptionValue::Int(default),
            min: Some(min),
            max: Some(max),
            choices: &[],
        }
    }

    /// Something that is on or off.
    #[must_use]
    pub fn flag(key: &'static str, doc: &'static str, default: bool) -> Self {
        Self {
            key,
            doc,
            default: OptionValue::Flag(default),
            min: None,
            max: None,
            choices: &[],
        }
    }

    /// One of some words.
    #[must_use]
    pub fn choice(
        key: &'static str,
        doc: &'static str,
        default: &'static str,
        choices: &'static [&'static str],
    ) -> Self {
        Self {
            key,
            doc,
            default: OptionValue::Text(default.to_owned()),
            min: None,
            max: None,
            choices,
        }
    }
}

pub(crate) fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

pub(crate) fn dimensions(size: (u32, u32)) -> Dimensions {
    Dimensions {
        width: size.0,
        height: size.1,
    }
}

/// A codec as the contract's `describe` tells it.
pub(crate) fn capability(kind: meta::Kind, codec: Codec) -> meta::Capability {
    let mut features = Vec::new();
    if codec.alpha {
        features.push("alpha".to_owned());
    }
    if codec.animation {
        features.push("animation".to_owned());
    }
    meta::Capability {
        kind,
        codec_id: codec.id.to_owned(),
        media_types: strings(codec.media_types),
        extensions: strings(codec.extensions),
        magics: codec
            .magics
            .iter()
            .map(|magic| meta::Magic {
                offset: magic.offset,
                bytes: magic.octets.to_vec(),
                mask: None,
            })
            .collect(),
        options: codec
            .options
            .into_iter()
            .map(|spec| meta::OptionSpec {
                key: spec.key.to_owned(),
                doc: spec.doc.to_owned(),
                default_value: spec.default,
                min: spec.min,
                max: spec.max,
                choices: strings(spec.choices),
            })
            .collect(),
        features,
        max_size: codec.max_size.map(dimensions),
    }
}

/// A plugin as the contract's `describe` tells it: named by the first of its codecs.
pub(crate) fn info<const N: usize>(codecs: [(meta::Kind, About); N]) -> meta::PluginInfo {
    let first = &codecs[0].1;
    let (name, version) = (first.name.to_owned(), first.version.to_owned());
    let (license, homepage) = (first.license.to_owned(), first.homepage.to_owned());
    meta::PluginInfo {
        name,
        version,
        license,
        homepage,
        capabilities: codecs
            .into_iter()
            .map(|(kind, about)| capability(kind, about.codec))
            .collect(),
    }
}

/// Implements the `meta` interface for a glue type of one codec or of two.
macro_rules! implement_meta {
    ($glue:ident, $($trait:ident = $kind:ident),+) => {
        const _: () = {
            use crate::bindings::base::exports::remold::codec::meta;
            implement_meta!(@impl $glue, meta, $($trait = $kind),+);
        };
    };
    (@impl $glue:ident, $meta:ident, $trait:ident = $kind:ident) => {
        impl<T: $trait> $meta::Guest for $glue<T> {
            fn describe() -> $meta::PluginInfo {
                crate::about::info([($meta::Kind::$kind, T::about())])
            }

            fn probe(head: Vec<u8>) -> u8 {
                T::probe(&head)
            }
        }
    };
    (@impl $glue:ident, $meta:ident, $one:ident = $first:ident, $two:ident = $second:ident) => {
        impl<T: $one, U: $two> $meta::Guest for $glue<T, U> {
            fn describe() -> $meta::PluginInfo {
                crate::about::info([
                    ($meta::Kind::$first, T::about()),
                    ($meta::Kind::$second, U::about()),
                ])
            }

            fn probe(head: Vec<u8>) -> u8 {
                T::probe(&head)
            }
        }
    };
}
pub(crate) use implement_meta;

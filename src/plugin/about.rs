//! What a plugin says of itself, held against what is possible.

use remold_plugin_abi::v0_1_0::exports::remold::codec::meta;
use remold_plugin_abi::v0_1_0::remold::codec::types::OptionValue;

use super::error::{LoadError, clean};
use crate::dimensions::Dimensions;
use crate::media::{Codec, Format, MediaKind, Named, mime};

/// What a plugin is, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its name: small letters, digits and hyphens.
    pub name: String,
    /// Its version, as it says.
    pub version: String,
    /// Its licence, as it says.
    pub license: String,
    /// Where to find out more, as it says.
    pub homepage: String,
    /// What is in it.
    pub capabilities: Vec<Capability>,
}

/// One codec of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// What it does.
    pub kind: Kind,
    /// What it reads or writes.
    pub subject: Subject,
    /// Signatures of the format.
    pub magics: Vec<Magic>,
    /// What can be set.
    pub options: Vec<OptionSpec>,
    /// Whether a format that it writes has transparency.
    pub alpha: bool,
    /// Whether it writes more than one frame.
    pub animation: bool,
    /// The largest picture it writes.
    pub max_size: Option<Dimensions>,
}

/// What a codec reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Pictures of a format.
    Format(Format),
    /// Sound or moving pictures of a codec.
    Codec(Codec),
}

impl Subject {
    /// Its short name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Format(format) => format.name(),
            Self::Codec(codec) => codec.name(),
        }
    }
}

/// What a codec of a plugin does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Reads pictures.
    ImageDecoder,
    /// Writes pictures.
    ImageEncoder,
    /// Reads sound.
    AudioDecoder,
    /// Writes sound.
    AudioEncoder,
    /// Reads moving pictures.
    VideoDecoder,
    /// Writes moving pictures.
    VideoEncoder,
}

impl Kind {
    /// Its name in manifests, on the command line and in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ImageDecoder => "image-decoder",
            Self::ImageEncoder => "image-encoder",
            Self::AudioDecoder => "audio-decoder",
            Self::AudioEncoder => "audio-encoder",
            Self::VideoDecoder => "video-decoder",
            Self::VideoEncoder => "video-encoder",
        }
    }

    /// The interface that a plugin exports for it.
    #[must_use]
    pub const fn interface(self) -> &'static str {
        match self {
            Self::ImageDecoder => "image-decode",
            Self::ImageEncoder => "image-encode",
            Self::AudioDecoder => "audio-decode",
            Self::AudioEncoder => "audio-encode",
            Self::VideoDecoder => "video-decode",
            Self::VideoEncoder => "video-encode",
        }
    }

    const fn of(kind: meta::Kind) -> Self {
        match kind {
            meta::Kind::ImageDecoder => Self::ImageDecoder,
            meta::Kind::ImageEncoder => Self::ImageEncoder,
            meta::Kind::AudioDecoder => Self::AudioDecoder,
            meta::Kind::AudioEncoder => Self::AudioEncoder,
            meta::Kind::VideoDecoder => Self::VideoDecoder,
            meta::Kind::VideoEncoder => Self::VideoEncoder,
        }
    }
}

/// Octets by which a format is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magic {
    offset: usize,
    octets: Vec<u8>,
    mask: Vec<u8>,
}

impl Magic {
    /// Whether a file that begins with `head` has it.
    #[must_use]
    pub fn is_in(&self, head: &[u8]) -> bool {
        let end = self.offset.saturating_add(self.octets.len());
        head.get(self.offset..end).is_some_and(|found| {
            let pairs = found.iter().zip(&self.octets).zip(&self.mask);
            pairs
                .into_iter()
                .all(|((found, octet), mask)| (found ^ octet) & mask == 0)
        })
    }
}

/// An option of a codec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its key.
    pub key: String,
    /// What it does.
    pub doc: String,
    /// What counts where nobody sets it.
    pub default: Value,
    /// The least number.
    pub min: Option<i64>,
    /// The largest number.
    pub max: Option<i64>,
    /// The words there are; empty where any will do.
    pub choices: Vec<String>,
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// On or off.
    Flag(bool),
    /// A number.
    Int(i64),
    /// A word.
    Text(String),
}

impl OptionSpec {
    /// Whether `value` is one that this option can have.
    #[must_use]
    pub fn takes(&self, value: &Value) -> bool {
        match (value, &self.default) {
            (Value::Flag(_), Value::Flag(_)) => true,
            (Value::Int(number), Value::Int(_)) => {
                self.min.is_none_or(|min| *number >= min)
                    && self.max.is_none_or(|max| *number <= max)
            }
            (Value::Text(word), Value::Text(_)) => {
                self.choices.is_empty() || self.choices.contains(word)
            }
            _ => false,
        }
    }
}

/// The most entries of any list of a description.
const ENTRIES: usize = 64;
/// The most octets of any text of a description.
const TEXT: usize = 256;
/// The most octets of a signature.
const MAGIC: usize = 64;
/// Where a signature ends at the latest.
const HEAD: usize = 4096;

impl About {
    /// Checks what a plugin said, and names the formats it brings.
    pub(super) fn check(info: meta::PluginInfo) -> Result<Self, LoadError> {
        let wrong = |what: String| LoadError::Description(clean(&what, TEXT));
        let name = info.name;
        let named = (1..=64).contains(&name.len())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !named {
            return Err(wrong(format!("{name:?} is no name of a plugin")));
        }
        if info.capabilities.is_empty() || info.capabilities.len() > ENTRIES {
            return Err(wrong(format!("{} codecs", info.capabilities.len())));
        }
        let mut capabilities: Vec<Capability> = Vec::new();
        for capability in info.capabilities {
            let checked = Capability::check(capability).map_err(wrong)?;
            let image = matches!(checked.kind, Kind::ImageDecoder | Kind::ImageEncoder);
            let twice = capabilities
                .iter()
                .any(|c| c.kind == checked.kind && (image || c.subject == checked.subject));
            if twice {
                return Err(wrong(format!("two of {}", checked.kind.name())));
            }
            capabilities.push(checked);
        }
        Ok(Self {
            name,
            version: clean(&info.version, TEXT),
            license: clean(&info.license, TEXT),
            homepage: clean(&info.homepage, TEXT),
            capabilities,
        })
    }
}

impl Capability {
    fn check(said: meta::Capability) -> Result<Self, String> {
        let kind = Kind::of(said.kind);
        let lists = [
            said.media_types.len(),
            said.extensions.len(),
            said.magics.len(),
            said.options.len(),
            said.features.len(),
        ];
        if lists.into_iter().any(|length| length > ENTRIES) {
            return Err(format!("a list of more than {ENTRIES}"));
        }
        let subject = match kind {
            Kind::ImageDecoder | Kind::ImageEncoder => {
                Subject::Format(format(&said.codec_id, &said.media_types, &said.extensions)?)
            }
            _ => Subject::Codec(
                mime::codec_of_name(&said.codec_id)
                    .ok_or_else(|| format!("no codec is called {:?}", said.codec_id))?,
            ),
        };
        let magics = said
            .magics
            .into_iter()
            .map(magic)
            .collect::<Result<_, _>>()?;
        let options = said
            .options
            .into_iter()
            .map(option)
            .collect::<Result<_, _>>()?;
        let has = |word: &str| said.features.iter().any(|feature| feature == word);
        Ok(Self {
            kind,
            subject,
            magics,
            options,
            alpha: has("alpha"),
            animation: has("animation"),
            max_size: said
                .max_size
                .map(|size| Dimensions::new(size.width.max(1), size.height.max(1))),
        })
    }

    /// The option of this key.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&OptionSpec> {
        self.options.iter().find(|spec| spec.key == key)
    }
}

/// The format of that name, named now where nobody knew it.
fn format(id: &str, media_types: &[String], extensions: &[String]) -> Result<Format, String> {
    let known = mime::format_of_name(id).filter(|format| !matches!(format, Format::Named(_)));
    match known {
        Some(format) if format.kind() == MediaKind::Image => Ok(format),
        Some(format) => Err(format!("{} is no format of pictures", format.name())),
        None => Named::new(id, MediaKind::Image, media_types, extensions)
            .map(Format::Named)
            .map_err(|error| error.to_string()),
    }
}

fn magic(said: meta::Magic) -> Result<Magic, String> {
    let offset = usize::try_from(said.offset).unwrap_or(usize::MAX);
    let length = said.bytes.len();
    let mask = said.mask.unwrap_or_else(|| vec![0xFF; length]);
    let inside = offset.saturating_add(length) <= HEAD;
    let tells = mask.iter().any(|bits| *bits != 0);
    if !(1..=MAGIC).contains(&length) || mask.len() != length || !inside || !tells {
        return Err("a signature that is none".to_owned());
    }
    Ok(Magic {
        offset,
        octets: said.bytes,
        mask,
    })
}

fn option(said: meta::OptionSpec) -> Result<OptionSpec, String> {
    let spec = OptionSpec {
        key: said.key,
        doc: clean(&said.doc, TEXT),
        default: match said.default_value {
            OptionValue::Flag(on) => Value::Flag(on),
            OptionValue::Int(number) => Value::Int(number),
            OptionValue::Text(word) => Value::Text(clean(&word, TEXT)),
        },
        min: said.min,
        max: said.max,
        choices: said.choices.iter().map(|word| clean(word, TEXT)).collect(),
    };
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=64).contains(&spec.key.len()) || !spec.key.chars().all(fine) {
        return Err(format!("{:?} is no key of an option", spec.key));
    }
    if spec.choices.len() > ENTRIES || !spec.takes(&spec.default) {
        return Err(format!("the option {} has no such default", spec.key));
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(id: &str) -> meta::Capability {
        meta::Capability {
            kind: meta::Kind::ImageDecoder,
            codec_id: id.to_owned(),
            media_types: vec![format!("image/x-{id}")],
            extensions: vec![id.replace('-', "")],
            magics: vec![meta::Magic {
                offset: 1,
                bytes: vec![0xAB, 0xC0],
                mask: Some(vec![0xFF, 0xF0]),
            }],
            options: vec![meta::OptionSpec {
                key: "level".to_owned(),
                doc: "how much".to_owned(),
                default_value: OptionValue::Int(3),
                min: Some(1),
                max: Some(9),
                choices: Vec::new(),
            }],
            features: vec!["alpha".to_owned(), "of-tomorrow".to_owned()],
            max_size: None,
        }
    }

    fn info(capability: meta::Capability) -> meta::PluginInfo {
        meta::PluginInfo {
            name: "x-1".to_owned(),
            version: "1\n2".to_owned(),
            license: String::new(),
            homepage: String::new(),
            capabilities: vec![capability],
        }
    }

    #[test]
    fn a_sound_description_is_taken() {
        let about = About::check(info(capability("about-a"))).unwrap();
        assert_eq!(about.version, "1 2");
        let codec = &about.capabilities[0];
        assert_eq!(codec.subject.name(), "about-a");
        assert!(codec.alpha && !codec.animation);
        assert!(codec.magics[0].is_in(&[9, 0xAB, 0xCD]));
        assert!(!codec.magics[0].is_in(&[9, 0xAB, 0xDD]) && !codec.magics[0].is_in(&[9, 0xAB]));
        let level = codec.option("level").unwrap();
        assert!(level.takes(&Value::Int(9)) && !level.takes(&Value::Int(10)));
        assert!(!level.takes(&Value::Flag(true)));
    }

    #[test]
    fn a_known_format_is_not_named_anew() {
        let about = About::check(info(meta::Capability {
            media_types: vec![],
            ..capability("gif")
        }));
        let subject = about.unwrap().capabilities[0].subject;
        assert_eq!(subject, Subject::Format(Format::Gif));
    }

    #[test]
    fn forged_descriptions_are_refused() {
        type Forge = fn(&mut meta::PluginInfo);
        let forgeries: [(&str, Forge); 12] = [
            ("name", |i| i.name = "../x".to_owned()),
            ("no name", |i| i.name.clear()),
            ("long name", |i| i.name = "x".repeat(65)),
            ("nothing in it", |i| i.capabilities.clear()),
            ("too much in it", |i| {
                i.capabilities = (0..65)
                    .map(|n| capability(&format!("about-n{n}")))
                    .collect();
            }),
            ("twice", |i| i.capabilities.push(capability("about-c"))),
            ("another's type", |i| {
                i.capabilities[0].media_types = vec!["image/png".to_owned()]
            }),
            ("no type", |i| i.capabilities[0].media_types.clear()),
            ("sound as a picture", |i| {
                i.capabilities[0].codec_id = "mp3".to_owned()
            }),
            ("an empty signature", |i| {
                i.capabilities[0].magics[0].bytes.clear()
            }),
            ("a signature far away", |i| {
                i.capabilities[0].magics[0].offset = 5_000
            }),
            ("a default out of range", |i| {
                i.capabilities[0].options[0].min = Some(4)
            }),
        ];
        for (what, forge) in forgeries {
            let mut said = info(capability("about-b"));
            forge(&mut said);
            let refused = matches!(About::check(said), Err(LoadError::Description(_)));
            assert!(refused, "{what}");
        }
        let mut unknown = info(capability("about-d"));
        unknown.capabilities[0].kind = meta::Kind::AudioDecoder;
        assert!(About::check(unknown).is_err());
    }
}

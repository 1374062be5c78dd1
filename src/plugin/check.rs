//! Trying a plugin out before anybody relies on it.

pub(crate) mod tracks;

use bytes::Bytes;

use super::about::{Capability, Kind, Subject};
use super::image::{Reader, Writer};
use super::job::Usage;
use super::load::Plugin;
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::codec::{ImageEncoder, ImageSettings, ImageStream};
use crate::media::picture::Plays;
use crate::media::{Cancel, Format, Frame, Layout, MediaError, Picture};

/// A file that a plugin should read.
#[derive(Debug, Clone)]
pub struct Sample {
    /// How it is called in findings.
    pub name: String,
    /// The file.
    pub data: Bytes,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was tried.
    pub what: String,
    /// How it went.
    pub detail: String,
    /// Whether it went as it should.
    pub passed: bool,
}

/// All that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// In the order it was tried.
    pub findings: Vec<Finding>,
}

impl Check {
    /// Whether everything went as it should.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.passed)
    }

    fn note(&mut self, what: impl Into<String>, outcome: Result<String, String>) {
        let passed = outcome.is_ok();
        self.findings.push(Finding {
            what: what.into(),
            detail: outcome.unwrap_or_else(|why| why),
            passed,
        });
    }
}

/// At how many places a file is cut.
const CUTS: usize = 64;
/// How many single bits are turned.
const FLIPS: usize = 64;

/// Tries a plugin out. Decoders are given `samples`: whole, cut at every 64th, with bits
/// turned, under limits that are too small, and twice; those of tracks are given the packets of the
/// first track of theirs. Encoders are given pictures, sound and clips made here. A host that counts
/// fuel tells what a pixel costs.
///
/// Nothing here can harm: what a plugin does wrong is a finding.
#[must_use]
pub fn check(plugin: &Plugin, samples: &[Sample]) -> Check {
    let mut check = Check::default();
    let about = plugin.about();
    let what = format!("{} {}, {}", about.name, about.version, about.license);
    check.note("describe", Ok(what));
    for capability in &about.capabilities {
        match (capability.kind, capability.subject) {
            (Kind::ImageDecoder, Subject::Format(format)) => {
                reads(&mut check, plugin, capability, format, samples);
            }
            (Kind::ImageEncoder, Subject::Format(format)) => {
                writes(&mut check, plugin, capability, format);
            }
            _ => tracks::check(&mut check, plugin, capability, samples),
        }
    }
    check
}

fn reads(
    check: &mut Check,
    plugin: &Plugin,
    capability: &Capability,
    format: Format,
    samples: &[Sample],
) {
    let reader = Reader::new(plugin.clone(), capability.clone(), format);
    if samples.is_empty() {
        let why = "no sample: name files of its format with --sample".to_owned();
        check.note("samples", Err(why));
    }
    for sample in samples {
        let name = &sample.name;
        check.note(
            format!("{name}: recognised"),
            recognised(&reader, &sample.data),
        );
        let whole = decode(&reader, &sample.data, &Limits::default());
        check.note(format!("{name}: decodes"), told(&whole));
        let Ok(whole) = whole else { continue };
        let again = decode(&reader, &sample.data, &Limits::default());
        let same =
            again.is_ok_and(|again| again.frames == whole.frames && again.usage == whole.usage);
        let outcome = if same {
            Ok("the same pixels, memory and fuel".to_owned())
        } else {
            Err("a second run differs".to_owned())
        };
        check.note(format!("{name}: twice the same"), outcome);
        check.note(
            format!("{name}: limits"),
            small_limits(&reader, sample, whole.pixels),
        );
        check.note(
            format!("{name}: cut at {CUTS} places"),
            broken(&reader, cuts(&sample.data)),
        );
        check.note(
            format!("{name}: {FLIPS} bits turned"),
            broken(&reader, flips(&sample.data)),
        );
    }
    let nothing = broken(
        &reader,
        [Bytes::new(), Bytes::from_static(&[0; 64])].into_iter(),
    );
    check.note("nothing and zeros", nothing);
}

fn recognised(reader: &Reader, data: &Bytes) -> Result<String, String> {
    use crate::media::codec::ImageDecoder;
    let head = data.get(..4096).unwrap_or(data);
    match reader.formats() {
        [Format::Named(_)] if reader.recognise(head).is_none() => {
            Err("neither a signature nor its probe finds it".to_owned())
        }
        _ => Ok("as its format".to_owned()),
    }
}

/// What came of a file.
struct Decoded {
    frames: Vec<Frame>,
    size: Dimensions,
    pixels: u64,
    usage: Usage,
}

fn decode(reader: &Reader, data: &[u8], limits: &Limits) -> Result<Decoded, MediaError> {
    let mut reading = reader.read(data, limits, &Cancel::new())?;
    let size = reading.header().size;
    crate::media::guard::check_size(size, limits)?;
    let mut frames = Vec::new();
    while frames.len() < FRAMES
        && let Some(frame) = reading.next_frame()?
    {
        frames.push(frame);
    }
    let each = u64::from(size.width).saturating_mul(u64::from(size.height));
    let count = u64::try_from(frames.len()).unwrap_or(u64::MAX);
    if frames.is_empty() {
        return Err(MediaError::unsupported("no frame"));
    }
    Ok(Decoded {
        frames,
        size,
        pixels: each.saturating_mul(count),
        usage: reading.usage(),
    })
}

/// The most frames of a sample that are looked at.
const FRAMES: usize = 20;

fn told(whole: &Result<Decoded, MediaError>) -> Result<String, String> {
    let whole = whole.as_ref().map_err(ToString::to_string)?;
    let mut text = format!(
        "{}, {} frame(s), at most {} octets of memory",
        whole.size,
        whole.frames.len(),
        whole.usage.peak_bytes
    );
    if let Some(fuel) = whole.usage.fuel {
        let each = fuel.checked_div(whole.pixels).unwrap_or(0);
        text = format!("{text}, {each} units of fuel a pixel");
    }
    Ok(text)
}

fn small_limits(reader: &Reader, sample: &Sample, pixels: u64) -> Result<String, String> {
    let limits = Limits {
        pixels: pixels.saturating_sub(1).min(3),
        ..Limits::default()
    };
    match reader.read(&sample.data, &limits, &Cancel::new()) {
        Err(MediaError::Limit { .. }) => Ok("refuses what passes max-pixels".to_owned()),
        Err(error) => Err(format!("does not answer with `limit`: {error}")),
        Ok(_) => Err("opens what passes max-pixels; call check_size".to_owned()),
    }
}

/// Runs damaged files. Any result will do but one that is the plugin's own fault.
fn broken(reader: &Reader, files: impl Iterator<Item = Bytes>) -> Result<String, String> {
    let (mut refused, mut decoded) = (0_u32, 0_u32);
    for file in files {
        match decode(reader, &file, &Limits::default()) {
            Ok(_) => decoded = decoded.saturating_add(1),
            Err(error) if error.blames_codec() => {
                return Err(format!("{} octets: {error}", file.len()));
            }
            Err(_) => refused = refused.saturating_add(1),
        }
    }
    Ok(format!("{refused} refused, {decoded} decoded"))
}

fn cuts(data: &Bytes) -> impl Iterator<Item = Bytes> {
    let data = data.clone();
    (0..CUTS).map(move |n| {
        let end = data.len().saturating_mul(n) / CUTS;
        data.slice(..end.min(data.len()))
    })
}

fn flips(data: &Bytes) -> impl Iterator<Item = Bytes> {
    let data = data.clone();
    (0..FLIPS).map(move |n| {
        let mut turned = data.to_vec();
        // The first half in the header, the others all over the file.
        let at = if n < FLIPS / 2 {
            n
        } else {
            data.len().saturating_mul(n) / FLIPS
        };
        let bit = u32::try_from(n % 8).unwrap_or(0);
        if let Some(octet) = turned.get_mut(at) {
            *octet ^= 1_u8.wrapping_shl(bit);
        }
        turned.into()
    })
}

fn writes(check: &mut Check, plugin: &Plugin, capability: &Capability, format: Format) {
    let writer = Writer::new(plugin.clone(), capability.clone(), format);
    let most = capability.max_size.unwrap_or(Dimensions::new(320, 240));
    let sizes = [(1, 1), (7, 3), (72, 28), (96, 65), (320, 240)]
        .map(|(width, height)| Dimensions::new(width, height));
    for size in sizes.into_iter().filter(|size| most.holds(*size)) {
        let first = encode(&writer, size);
        let again = encode(&writer, size);
        let outcome = match (first, again) {
            (Ok(first), Ok(again)) if first == again => {
                Ok(format!("{} octets, twice the same", first.len()))
            }
            (Ok(_), Ok(_)) => Err("a second run differs".to_owned()),
            (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
        };
        check.note(format!("writes {size}"), outcome);
    }
    if let Some(most) = capability.max_size
        && let Some(wider) = most.width.checked_add(1).filter(|width| *width <= 4096)
    {
        let outcome = match encode(&writer, Dimensions::new(wider, 1)) {
            Err(error) if !error.blames_codec() => Ok(error.to_string()),
            Err(error) => Err(error.to_string()),
            Ok(_) => Err("writes more than its max-size".to_owned()),
        };
        check.note(format!("a width of {wider}"), outcome);
    }
}

fn encode(writer: &Writer, size: Dimensions) -> Result<Vec<u8>, MediaError> {
    let settings = ImageSettings {
        quality: 75,
        colours: None,
        dither: true,
        plays: Plays::Times(1),
        max_bytes: None,
    };
    let picture = gradient(size)?;
    let frame = Frame {
        picture,
        delay_ms: 0,
    };
    writer.encode(&[frame], &settings, &Cancel::new())
}

/// A picture that has every level somewhere.
fn gradient(size: Dimensions) -> Result<Picture, MediaError> {
    let level = |at: u32, side: u32| {
        let scaled = u64::from(at).saturating_mul(255) / u64::from(side.max(2).saturating_sub(1));
        u8::try_from(scaled.min(255)).unwrap_or(255)
    };
    let data = (0..size.height)
        .flat_map(|y| (0..size.width).map(move |x| (x, y)))
        .flat_map(|(x, y)| [level(x, size.width), level(y, size.height), 128, 255])
        .collect();
    Picture::new(size, Layout::Rgba8, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_damaged_in_many_ways() {
        let data = Bytes::from_iter(0..=255_u8);
        assert_eq!(cuts(&data).map(|cut| cut.len()).max(), Some(252));
        let mut turned: Vec<Bytes> = flips(&data).collect();
        assert!(turned.iter().all(|file| file.len() == 256 && *file != data));
        turned.sort();
        turned.dedup();
        assert!(turned.len() > FLIPS / 2);
        assert_eq!(flips(&Bytes::new()).count(), FLIPS);
    }

    #[test]
    fn a_finding_that_failed_fails_the_check() {
        let mut check = Check::default();
        check.note("a", Ok("fine".to_owned()));
        assert!(check.passed());
        check.note("b", Err("not".to_owned()));
        assert!(!check.passed());
        assert_eq!(check.findings[1].detail, "not");
    }

    #[test]
    fn a_gradient_has_both_ends() {
        let picture = gradient(Dimensions::new(3, 2)).unwrap();
        assert_eq!(picture.data()[..4], [0, 0, 128, 255]);
        assert_eq!(picture.data()[20..], [255, 255, 128, 255]);
    }
}

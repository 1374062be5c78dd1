//! From attributes to capabilities.

use super::UaProf;
use crate::dimensions::Dimensions;
use crate::profile::accept::{DrmMethod, essence, is_media_type};
use crate::profile::capabilities::{Capabilities, Source};
use crate::profile::facts::{Facts, parse_dimensions};

/// Items of one list that are kept; the longest list known has 98.
const MAX_ITEMS: usize = 512;

impl UaProf {
    /// What the document says of the device, and one sentence for each value of no use.
    ///
    /// Lists lose white space, duplicates and entries that cannot be what the list is of; the
    /// spelling of what remains is the document's.
    #[must_use]
    pub fn facts(&self) -> (Facts, Vec<String>) {
        let mut warnings = Vec::new();
        let mut warn = |sentence: String| warnings.push(sentence);
        let facts = Facts {
            vendor: self.text("Vendor"),
            model: self.text("Model"),
            max_message_size: self.parsed("MmsMaxMessageSize", number::<u64>, &mut warn),
            max_image: self.parsed("MmsMaxImageResolution", dimensions, &mut warn),
            screen: self.parsed("ScreenSize", dimensions, &mut warn),
            bits_per_pixel: self.parsed("BitsPerPixel", number::<u8>, &mut warn),
            color: self.boolean("ColorCapable", &mut warn),
            accept: self.list("MmsCcppAccept", media_type, &mut warn),
            charsets: self.list("MmsCcppAcceptCharSet", token, &mut warn),
            languages: self.list("MmsCcppAcceptLanguage", token, &mut warn),
            mms_versions: self.list("MmsVersion", version, &mut warn),
            content_classes: self.list("MmsContentClass", content_class, &mut warn),
            suppress_adaptation: self.boolean("MmsSuppressContentAdaptation", &mut warn),
            streaming: self.boolean("MmsCcppStreamingCapable", &mut warn),
            drm: self.drm(&mut warn),
            max_polyphony: self.parsed("MaxPolyphony", number::<u32>, &mut warn),
            three_gp_accept: self.list("ThreeGPAccept", media_type, &mut warn),
            three_gp_brands: self.list("Brands", token, &mut warn),
            smil_base_set: self.list("MmsSmilBaseSet", token, &mut warn),
        };
        (facts, warnings)
    }

    /// The device the document describes; gaps stay gaps.
    #[must_use]
    pub fn capabilities(&self) -> (Capabilities, Vec<String>) {
        let (facts, warnings) = self.facts();
        let mut device = Capabilities {
            id: "uaprof".to_owned(),
            source: Source::Uaprof,
            ..Capabilities::default()
        };
        device.fill(&facts, &Source::Uaprof);
        (device, warnings)
    }

    fn text(&self, name: &str) -> Option<String> {
        let text = self.value(name)?;
        let words: Vec<&str> = text.split_whitespace().collect();
        Some(words.join(" ")).filter(|text| !text.is_empty())
    }

    fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
        warn: &mut impl FnMut(String),
    ) -> Option<T> {
        let text = self.value(name)?;
        let value = parse(text);
        if value.is_none() {
            warn(format!("{name} is {text:?}, which is of no use"));
        }
        value
    }

    fn boolean(&self, name: &str, warn: &mut impl FnMut(String)) -> Option<bool> {
        self.parsed(name, boolean, warn)
    }

    fn list(
        &self,
        name: &str,
        clean: impl Fn(&str) -> Option<&str>,
        warn: &mut impl FnMut(String),
    ) -> Option<Vec<String>> {
        Some(clean_list(name, self.values(name)?, clean, warn))
    }

    /// MmsDrmClass where it is stated. Else DrmClass, which belongs to no one component and which
    /// documents repeat with one method each.
    fn drm(&self, warn: &mut impl FnMut(String)) -> Option<Vec<String>> {
        let mms = self.list("MmsDrmClass", drm_class, warn);
        if mms.as_ref().is_some_and(|classes| !classes.is_empty()) {
            return mms;
        }
        let all = self.all_values("DrmClass");
        all.map(|all| clean_list("DrmClass", all, drm_class, warn))
            .or(mms)
    }
}

/// The items of a list without white space, duplicates and what is none of its kind. Some
/// documents put a whole list into one item, with commas.
fn clean_list(
    name: &str,
    values: Vec<&str>,
    clean: impl Fn(&str) -> Option<&str>,
    warn: &mut impl FnMut(String),
) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut junk = 0_usize;
    for item in values.iter().flat_map(|value| value.split(',')) {
        let item = item.trim();
        match clean(item) {
            Some(item) if kept.iter().any(|known| known.eq_ignore_ascii_case(item)) => {}
            Some(item) if kept.len() < MAX_ITEMS => kept.push(item.to_owned()),
            None if item.is_empty() => {}
            _ => junk += 1,
        }
    }
    if junk > 0 {
        warn(format!("{name} lists {junk} entries of no use"));
    }
    kept
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

fn dimensions(text: &str) -> Option<Dimensions> {
    parse_dimensions(text).filter(|size| size.width > 0 && size.height > 0)
}

/// `Yes` and `No`; some documents use the words of XML Schema.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" => Some(true),
        "no" | "false" | "0" => Some(false),
        _ => None,
    }
}

fn media_type(item: &str) -> Option<&str> {
    is_media_type(essence(item)).then_some(item)
}

fn token(item: &str) -> Option<&str> {
    let fits = !item.is_empty() && item.len() <= 40 && item.bytes().all(|b| b.is_ascii_graphic());
    (fits && !item.contains('/')).then_some(item)
}

fn version(item: &str) -> Option<&str> {
    let (major, minor) = item.split_once('.')?;
    let digits = |text: &str| {
        !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit())
    };
    (digits(major) && digits(minor)).then_some(item)
}

fn content_class(item: &str) -> Option<&str> {
    const CODES: [&str; 8] = ["TX", "IB", "IR", "VB", "VR", "MP", "CB", "CR"];
    CODES
        .into_iter()
        .find(|code| code.eq_ignore_ascii_case(item))
}

fn drm_class(item: &str) -> Option<&str> {
    [
        DrmMethod::ForwardLock,
        DrmMethod::CombinedDelivery,
        DrmMethod::SeparateDelivery,
    ]
    .into_iter()
    .map(DrmMethod::name)
    .find(|name| name.eq_ignore_ascii_case(item))
}

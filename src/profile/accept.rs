//! Which media types a device takes, and by which of their many names.

use super::capabilities::Capabilities;
use crate::mms::content_type::is_token;

/// Names that phones use for the same thing. The first is the one to emit where a device lists
/// none of them but takes the type all the same.
///
/// vCard 2.1, 3.0 and 4.0 share a group, as do vCalendar and iCalendar: a device says by the name
/// that it opens such files, the version is for the converter to look after.
const ALIASES: &[&[&str]] = &[
    &[
        "image/jpeg",
        "image/jpg",
        "image/pjpeg",
        "image/x-jpeg",
        "image/x-jpg",
    ],
    &["image/gif", "image/x-gif"],
    &["image/png", "image/x-png"],
    &[
        "image/bmp",
        "image/x-bmp",
        "image/x-ms-bmp",
        "image/x-windows-bmp",
    ],
    &[
        "image/vnd.wap.wbmp",
        "image/wbmp",
        "image/x-wbmp",
        "image/x-wap.wbmp",
    ],
    &["image/tiff", "image/tif", "image/x-tiff"],
    &["image/svg+xml", "image/svg", "image/svg-xml"],
    &["image/jp2", "image/jpeg2000", "image/x-jp2"],
    &["image/heic", "image/heif"],
    &["audio/amr", "audio/x-amr", "audio/amr-nb"],
    &[
        "audio/amr-wb",
        "audio/x-amr-wb",
        "audio/awb",
        "application/awb",
    ],
    &[
        "audio/mpeg",
        "audio/mp3",
        "audio/mpg",
        "audio/mpeg3",
        "audio/mpg3",
        "audio/x-mp3",
        "audio/x-mpeg",
        "audio/x-mpg",
        "audio/x-mpeg3",
    ],
    &[
        "audio/mp4",
        "audio/m4a",
        "audio/x-m4a",
        "audio/mpeg4",
        "audio/x-mp4",
    ],
    &[
        "audio/aac",
        "audio/x-aac",
        "audio/aacp",
        "audio/x-hx-aac-adts",
    ],
    &["audio/3gpp", "audio/3gp"],
    &["audio/3gpp2", "audio/3g2"],
    &["audio/qcelp", "audio/vnd.qcelp", "audio/x-qcp", "audio/qcp"],
    &["audio/evrc", "audio/evrc-qcp"],
    &[
        "audio/wav",
        "audio/x-wav",
        "audio/wave",
        "audio/vnd.wave",
        "audio/x-pn-wav",
    ],
    &[
        "audio/ogg",
        "application/ogg",
        "audio/x-ogg",
        "application/x-ogg",
    ],
    &["audio/x-ms-wma", "audio/wma"],
    &["audio/basic", "audio/au", "audio/x-au"],
    &["audio/aiff", "audio/x-aiff"],
    &["audio/flac", "audio/x-flac"],
    &[
        "audio/midi",
        "audio/mid",
        "audio/x-midi",
        "audio/x-mid",
        "audio/sp-midi",
        "audio/sp-mid",
        "audio/smf",
        "application/midi",
        "application/x-midi",
    ],
    &[
        "audio/imelody",
        "audio/x-imelody",
        "audio/imy",
        "audio/x-imy",
        "text/x-imelody",
        "text/imelody",
        "application/x-imy",
        "text/imy",
        "text/x-imy",
    ],
    &[
        "application/vnd.smaf",
        "application/x-smaf",
        "audio/mmf",
        "audio/x-mmf",
        "audio/smaf",
        "audio/x-smaf",
        "audio/vnd.smaf",
    ],
    &[
        "audio/mobile-xmf",
        "audio/xmf",
        "audio/x-xmf",
        "audio/xmf0",
        "audio/xmf1",
        "audio/vnd.nokia.mobile-xmf",
    ],
    &[
        "audio/rtttl",
        "audio/x-rtttl",
        "text/x-rtttl",
        "audio/rtx",
        "text/rtttl",
    ],
    &["video/3gpp", "video/3gp", "video/x-3gpp"],
    &["video/3gpp2", "video/3g2", "video/x-3gpp2"],
    &["video/mp4", "video/mpeg4", "video/x-mp4", "video/mpeg-4"],
    &["video/h263", "video/x-h263", "video/h263-2000"],
    &["video/h264", "video/x-h264"],
    &["video/quicktime", "video/mov", "video/x-mov"],
    &["video/x-ms-wmv", "video/wmv"],
    &["video/avi", "video/x-msvideo", "video/msvideo"],
    &[
        "text/x-vcard",
        "text/vcard",
        "text/directory",
        "application/vcard",
        "text/x-versit",
    ],
    &[
        "text/x-vcalendar",
        "text/vcalendar",
        "text/calendar",
        "text/ical",
        "application/vcalendar",
        "application/x-vcalendar",
    ],
    &["application/smil", "application/smil+xml"],
    &["multipart/mixed", "application/vnd.wap.multipart.mixed"],
    &["multipart/related", "application/vnd.wap.multipart.related"],
    &[
        "multipart/alternative",
        "application/vnd.wap.multipart.alternative",
    ],
];

/// A way of protecting content (OMA DRM 1.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DrmMethod {
    /// One medium that must not leave the device.
    ForwardLock,
    /// A medium with its rights in front.
    CombinedDelivery,
    /// An encrypted medium whose rights come by another way.
    SeparateDelivery,
}

impl DrmMethod {
    /// The name that MmsDrmClass and DrmClass use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForwardLock => "ForwardLock",
            Self::CombinedDelivery => "CombinedDelivery",
            Self::SeparateDelivery => "SeparateDelivery",
        }
    }
}

/// The media type of a listed or declared type: no parameters, no white space around.
#[must_use]
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// Whether two media types are the same under any of their names. Parameters and case do not
/// count.
#[must_use]
pub fn same_type(one: &str, other: &str) -> bool {
    let (one, other) = (essence(one), essence(other));
    one.eq_ignore_ascii_case(other) || group(one).is_some_and(|names| is_one_of(names, other))
}

/// The usual name of a media type: the first of its aliases, or `None` for a type that has none.
#[must_use]
pub fn usual_name(media_type: &str) -> Option<&'static str> {
    group(essence(media_type)).and_then(|names| names.first().copied())
}

impl Capabilities {
    /// The name by which the device takes `media_type`, or `None` where it does not.
    ///
    /// A spelling that the device lists comes first, exactly as it lists it; then any alias it
    /// lists; then `media_type` itself where a wildcard such as `audio/*` covers it. Structure is
    /// taken even where it is not listed, since phones that show it forget to say so: `text/plain`,
    /// the containers, and SMIL unless the device knows no version of MMS.
    #[must_use]
    pub fn accepts<'a>(&'a self, media_type: &'a str) -> Option<&'a str> {
        let wanted = essence(media_type);
        if !is_media_type(wanted) {
            return None;
        }
        self.listed_as(wanted)
            .or_else(|| self.covered(wanted).then_some(wanted))
            .or_else(|| self.takes_structure(wanted).then_some(wanted))
    }

    /// The first of `candidates` that the device takes, by the name it takes it by.
    #[must_use]
    pub fn preferred_of<'a>(&'a self, candidates: &[&'a str]) -> Option<&'a str> {
        candidates
            .iter()
            .find_map(|candidate| self.accepts(candidate))
    }

    /// Whether the device takes any sampled or synthetic sound.
    #[must_use]
    pub fn takes_audio(&self) -> bool {
        self.takes_kind("audio/") || self.accepts("audio/ogg").is_some()
    }

    /// Whether the device takes any video.
    #[must_use]
    pub fn takes_video(&self) -> bool {
        self.takes_kind("video/")
    }

    /// Whether the device takes any picture.
    #[must_use]
    pub fn takes_image(&self) -> bool {
        self.takes_kind("image/")
    }

    /// Whether the device opens content protected by `method`: its DRM classes say so, or it lists
    /// the media type that carries it.
    #[must_use]
    pub fn takes_drm(&self, method: DrmMethod) -> bool {
        let classes = self
            .drm
            .as_ref()
            .map_or(&[][..], |drm| drm.value.as_slice());
        if classes
            .iter()
            .any(|class| class.eq_ignore_ascii_case(method.name()))
        {
            return true;
        }
        let carrier = match method {
            DrmMethod::ForwardLock => "application/vnd.oma.drm.message",
            // The same type carries both; a device that says which methods it knows is believed.
            DrmMethod::CombinedDelivery if classes.is_empty() => "application/vnd.oma.drm.message",
            DrmMethod::CombinedDelivery => return false,
            DrmMethod::SeparateDelivery => "application/vnd.oma.drm.content",
        };
        self.listed_as(carrier).is_some()
    }

    /// Whether the device takes MMS at all: it knows a version of it, or does not say.
    #[must_use]
    pub fn takes_mms(&self) -> bool {
        self.mms_versions
            .as_ref()
            .is_none_or(|versions| !versions.value.is_empty())
    }

    /// What the device lists, some of which may be no media type. A plan asks for dozens of types, so
    /// that only what looks like the one that is wanted is looked at closely.
    fn entries(&self) -> impl Iterator<Item = &str> {
        self.accept
            .iter()
            .flat_map(|accept| accept.value.iter())
            .map(|entry| essence(entry))
    }

    /// The entry that names `wanted`, which is a media type, so that the entry is one as well.
    fn listed_as(&self, wanted: &str) -> Option<&str> {
        self.entries()
            .find(|entry| entry.eq_ignore_ascii_case(wanted))
            .or_else(|| {
                let names = group(wanted)?;
                self.entries().find(|entry| is_one_of(names, entry))
            })
    }

    fn covered(&self, wanted: &str) -> bool {
        let kind = kind_of(wanted);
        self.entries().any(|entry| {
            entry == "*/*"
                || (entry.ends_with("/*")
                    && kind_of(entry).eq_ignore_ascii_case(kind)
                    && is_media_type(entry))
        })
    }

    fn takes_structure(&self, wanted: &str) -> bool {
        wanted.eq_ignore_ascii_case("text/plain")
            || starts_with(wanted, "multipart/")
            || starts_with(wanted, "application/vnd.wap.multipart.")
            || (same_type(wanted, "application/smil") && self.takes_mms())
    }

    fn takes_kind(&self, prefix: &str) -> bool {
        self.entries()
            .any(|entry| entry == "*/*" || (starts_with(entry, prefix) && is_media_type(entry)))
    }
}

fn group(essence: &str) -> Option<&'static [&'static str]> {
    ALIASES
        .iter()
        .find(|names| is_one_of(names, essence))
        .copied()
}

fn is_one_of(names: &[&str], wanted: &str) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(wanted))
}

fn kind_of(media_type: &str) -> &str {
    media_type.split('/').next().unwrap_or_default()
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// Whether this is one type and one subtype: profiles also list charsets, versions and typing
/// errors.
pub(super) fn is_media_type(essence: &str) -> bool {
    essence.split_once('/').is_some_and(|(kind, sub)| {
        let token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
        token(kind) && token(sub)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Source, Sourced};

    fn device(accept: &[&str]) -> Capabilities {
        Capabilities {
            accept: Some(Sourced::new(
                accept.iter().map(|&a| a.to_owned()).collect(),
                Source::Uaprof,
            )),
            ..Capabilities::default()
        }
    }

    #[test]
    fn the_spelling_the_device_lists_is_given() {
        let phone = device(&["image/jpg", "text/x-vCard", "audio/mid;q=1", "image/JPEG"]);
        assert_eq!(phone.accepts("image/jpeg"), Some("image/JPEG"));
        assert_eq!(phone.accepts("image/pjpeg"), Some("image/jpg"));
        assert_eq!(
            phone.accepts("text/vcard; charset=utf-8"),
            Some("text/x-vCard")
        );
        assert_eq!(phone.accepts("audio/sp-midi"), Some("audio/mid"));
        assert_eq!(phone.accepts("image/png"), None);
    }

    #[test]
    fn wildcards_cover_their_kind() {
        let phone = device(&["audio/*", "image/gif"]);
        assert_eq!(phone.accepts("audio/flac"), Some("audio/flac"));
        assert_eq!(phone.accepts("video/mp4"), None);
        assert!(phone.takes_audio() && !phone.takes_video() && phone.takes_image());
        assert_eq!(device(&["*/*"]).accepts("video/mp4"), Some("video/mp4"));
    }

    #[test]
    fn structure_is_taken_unlisted() {
        let mut phone = device(&["image/gif"]);
        for structure in [
            "text/plain",
            "application/smil",
            "application/vnd.wap.multipart.related",
            "multipart/mixed",
        ] {
            assert_eq!(phone.accepts(structure), Some(structure));
        }
        phone.mms_versions = Some(Sourced::new(Vec::new(), Source::Uaprof));
        assert_eq!(phone.accepts("application/smil"), None);
        assert_eq!(phone.accepts("text/plain"), Some("text/plain"));
    }

    #[test]
    fn junk_entries_and_junk_types_match_nothing() {
        let phone = device(&["application/vnd.wap.text/plain", "UTF-8", "1.2", "", "/"]);
        assert_eq!(phone.accepts("application/vnd.wap.text/plain"), None);
        assert_eq!(phone.accepts("UTF-8"), None);
        assert_eq!(phone.accepts(""), None);
        assert!(!phone.takes_image());
    }

    #[test]
    fn the_first_candidate_that_fits_wins() {
        let phone = device(&["audio/x-amr", "audio/mp3"]);
        assert_eq!(
            phone.preferred_of(&["audio/aac", "audio/amr", "audio/mpeg"]),
            Some("audio/x-amr")
        );
        assert_eq!(phone.preferred_of(&["audio/aac"]), None);
    }

    #[test]
    fn drm_methods_follow_the_classes_then_the_types() {
        let mut phone = device(&["application/vnd.oma.drm.message"]);
        assert!(phone.takes_drm(DrmMethod::ForwardLock));
        assert!(phone.takes_drm(DrmMethod::CombinedDelivery));
        assert!(!phone.takes_drm(DrmMethod::SeparateDelivery));
        phone.drm = Some(Sourced::new(vec!["forwardlock".into()], Source::Uaprof));
        assert!(phone.takes_drm(DrmMethod::ForwardLock));
        assert!(!phone.takes_drm(DrmMethod::CombinedDelivery));
    }

    #[test]
    fn no_name_is_in_two_groups() {
        let mut names: Vec<&str> = ALIASES.concat();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(same_type("AUDIO/MID", "audio/x-midi") && !same_type("audio/amr", "audio/amr-wb"));
        assert_eq!(usual_name("image/jpg; q=1"), Some("image/jpeg"));
    }
}

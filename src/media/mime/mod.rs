//! Formats as media types, file name extensions and short names, and back.

mod table;

use super::info::{Codec, Format, MediaInfo, MediaKind};
use super::named::Named;
use table::{ROWS, Row, SOUND_OF_CONTAINERS};

impl Format {
    /// The short name that reports and the command line use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Named(named) => named.name(),
            _ => self.row().map_or("unknown", |row| row.name),
        }
    }

    /// The kind of a medium of this format, as far as the format alone tells: a container counts
    /// as video.
    #[must_use]
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Jpeg
            | Self::Png
            | Self::Gif
            | Self::Webp
            | Self::Bmp
            | Self::Tiff
            | Self::Wbmp
            | Self::Heic
            | Self::Avif
            | Self::Jxl
            | Self::Jp2
            | Self::Svg
            | Self::Ico => MediaKind::Image,
            Self::Amr
            | Self::AmrWb
            | Self::Adts
            | Self::Mp3
            | Self::Ogg
            | Self::Flac
            | Self::Wav
            | Self::Aiff
            | Self::Au
            | Self::Qcp
            | Self::M4a => MediaKind::Audio,
            Self::Midi | Self::IMelody | Self::Smaf | Self::Xmf | Self::Rtttl => {
                MediaKind::Synthetic
            }
            Self::Mp4
            | Self::ThreeGp
            | Self::ThreeG2
            | Self::Mov
            | Self::Webm
            | Self::Mkv
            | Self::Avi
            | Self::Asf
            | Self::RealMedia
            | Self::MpegStream => MediaKind::Video,
            Self::Text | Self::Smil | Self::Vcard | Self::Vcalendar | Self::Html => MediaKind::Text,
            Self::Named(named) => named.kind(),
            Self::Drm | Self::Dcf | Self::Pdf | Self::Zip | Self::Unknown => MediaKind::Other,
        }
    }

    /// The media type of this format; of a container, the one with pictures.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Named(named) => named.media_type(),
            _ => self
                .row()
                .map_or("application/octet-stream", |row| row.media_type),
        }
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.format == self)
    }
}

impl MediaKind {
    /// The word that reports use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Synthetic => "synthetic",
            Self::Video => "video",
            Self::Text => "text",
            Self::Other => "other",
        }
    }
}

/// Every codec, for those that are looked for by name.
pub const CODECS: &[Codec] = {
    use Codec as C;
    &[
        C::Jpeg,
        C::JpegExtended,
        C::JpegProgressive,
        C::JpegLossless,
        C::JpegOther,
        C::Png,
        C::Gif,
        C::Vp8,
        C::Vp8Lossless,
        C::Bmp,
        C::Tiff,
        C::Wbmp,
        C::Hevc,
        C::Av1,
        C::Jxl,
        C::Jp2,
        C::Svg,
        C::Ico,
        C::AmrNb,
        C::AmrWb,
        C::AmrWbPlus,
        C::AacLc,
        C::HeAac,
        C::HeAacV2,
        C::Aac,
        C::Mp2,
        C::Mp3,
        C::Vorbis,
        C::Opus,
        C::Flac,
        C::Alac,
        C::Pcm,
        C::Alaw,
        C::Ulaw,
        C::Adpcm,
        C::Gsm,
        C::Qcelp,
        C::Evrc,
        C::Smv,
        C::Wma,
        C::Ac3,
        C::Speex,
        C::RealAudio,
        C::Midi,
        C::IMelody,
        C::Smaf,
        C::Xmf,
        C::Rtttl,
        C::H263,
        C::Mpeg4Visual,
        C::H264,
        C::Vp9,
        C::Mjpeg,
        C::MpegVideo,
        C::Theora,
        C::Wmv,
        C::RealVideo,
        C::TimedText,
    ]
};

/// The formats of pictures that are compiled in, as far as their names go.
pub fn builtin_pictures() -> impl Iterator<Item = Format> {
    ROWS.iter()
        .map(|row| row.format)
        .filter(|format| format.kind() == MediaKind::Image)
}

/// The codec that goes by a short name.
#[must_use]
pub fn codec_of_name(name: &str) -> Option<Codec> {
    CODECS.iter().copied().find(|codec| codec.name() == name)
}

impl Codec {
    /// The short name that reports and the command line use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::JpegExtended => "jpeg-extended",
            Self::JpegProgressive => "jpeg-progressive",
            Self::JpegLossless => "jpeg-lossless",
            Self::JpegOther => "jpeg-other",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Vp8 => "vp8",
            Self::Vp8Lossless => "vp8l",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Wbmp => "wbmp",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
            Self::Jxl => "jxl",
            Self::Jp2 => "jp2",
            Self::Svg => "svg",
            Self::Ico => "ico",
            Self::AmrNb => "amr-nb",
            Self::AmrWb => "amr-wb",
            Self::AmrWbPlus => "amr-wb+",
            Self::AacLc => "aac-lc",
            Self::HeAac => "he-aac",
            Self::HeAacV2 => "he-aac-v2",
            Self::Aac => "aac",
            Self::Mp2 => "mp2",
            Self::Mp3 => "mp3",
            Self::Vorbis => "vorbis",
            Self::Opus => "opus",
            Self::Flac => "flac",
            Self::Alac => "alac",
            Self::Pcm => "pcm",
            Self::Alaw => "alaw",
            Self::Ulaw => "ulaw",
            Self::Adpcm => "adpcm",
            Self::Gsm => "gsm",
            Self::Qcelp => "qcelp",
            Self::Evrc => "evrc",
            Self::Smv => "smv",
            Self::Wma => "wma",
            Self::Ac3 => "ac3",
            Self::Speex => "speex",
            Self::RealAudio => "realaudio",
            Self::Midi => "midi",
            Self::IMelody => "imelody",
            Self::Smaf => "smaf",
            Self::Xmf => "xmf",
            Self::Rtttl => "rtttl",
            Self::H263 => "h263",
            Self::Mpeg4Visual => "mpeg4-visual",
            Self::H264 => "h264",
            Self::Vp9 => "vp9",
            Self::Mjpeg => "mjpeg",
            Self::MpegVideo => "mpeg-video",
            Self::Theora => "theora",
            Self::Wmv => "wmv",
            Self::RealVideo => "realvideo",
            Self::TimedText => "timed-text",
            Self::Unknown => "unknown",
        }
    }
}

/// The canonical media type of a medium, in lower case: what a part that holds it should be
/// labelled. A container without pictures gets its audio type.
#[must_use]
pub fn media_type(info: &MediaInfo) -> &'static str {
    let sound = info.kind == MediaKind::Audio;
    match info.format {
        Format::Mp4 if sound => "audio/mp4",
        Format::ThreeGp if sound => "audio/3gpp",
        Format::ThreeG2 if sound => "audio/3gpp2",
        Format::Webm if sound => "audio/webm",
        Format::Mkv if sound => "audio/x-matroska",
        Format::Asf if sound => "audio/x-ms-wma",
        Format::RealMedia if sound => "audio/x-pn-realaudio",
        Format::Ogg if info.kind == MediaKind::Video => "video/ogg",
        Format::M4a if info.kind == MediaKind::Video => "video/mp4",
        Format::Qcp if info.codec == Some(Codec::Evrc) => "audio/evrc-qcp",
        Format::Heic if info.frames > Some(1) => "image/heic-sequence",
        format => format.media_type(),
    }
}

/// The file name extension of a medium, without its dot, in lower case.
#[must_use]
pub fn extension(info: &MediaInfo) -> &'static str {
    let sound = info.kind == MediaKind::Audio;
    match info.format {
        Format::Mp4 if sound => "m4a",
        Format::Webm if sound => "weba",
        Format::Mkv if sound => "mka",
        Format::Asf if sound => "wma",
        Format::RealMedia if sound => "ra",
        Format::Ogg if info.kind == MediaKind::Video => "ogv",
        Format::Named(named) => named.extension(),
        format => format.row().map_or("bin", |row| row.extension),
    }
}

/// The format that a file name extension promises, with or without its dot, in any case.
#[must_use]
pub fn format_of_extension(extension: &str) -> Option<Format> {
    let wanted = extension.trim_start_matches('.');
    builtin_of_extension(wanted).or_else(|| Named::of_extension(wanted).map(Format::Named))
}

/// The format that goes by a short name.
#[must_use]
pub fn format_of_name(name: &str) -> Option<Format> {
    builtin_of_name(name).or_else(|| Named::of_name(name).map(Format::Named))
}

/// As [`format_of_name`], of formats that are compiled in.
pub(super) fn builtin_of_name(name: &str) -> Option<Format> {
    let row = ROWS.iter().find(|row| row.name == name);
    row.map(|row| row.format)
        .filter(|format| *format != Format::Unknown)
}

/// As [`format_of_extension`], of formats that are compiled in.
pub(super) fn builtin_of_extension(wanted: &str) -> Option<Format> {
    let is = |known: &&str| known.eq_ignore_ascii_case(wanted);
    ROWS.iter()
        .find(|row| is(&row.extension) || row.other_extensions.iter().any(is))
        .map(|row| row.format)
}

/// The format that a media type promises: by its canonical name or by one that handsets write.
/// Parameters and case do not count.
#[must_use]
pub fn format_of_media_type(media_type: &str) -> Option<Format> {
    let wanted = essence(media_type);
    builtin_of_media_type(wanted).or_else(|| Named::of_media_type(wanted).map(Format::Named))
}

/// As [`format_of_media_type`], of formats that are compiled in.
pub(super) fn builtin_of_media_type(wanted: &str) -> Option<Format> {
    let is = |known: &&str| known.eq_ignore_ascii_case(wanted);
    let listed = ROWS
        .iter()
        .find(|row| is(&row.media_type) || row.aliases.iter().any(is))
        .map(|row| row.format)
        .filter(|format| *format != Format::Unknown);
    listed.or_else(|| {
        SOUND_OF_CONTAINERS
            .iter()
            .find(|(known, _)| is(known))
            .map(|(_, format)| *format)
    })
}

/// The kind of medium that a media type promises. Parameters and case do not count.
#[must_use]
pub fn kind_of_media_type(media_type: &str) -> MediaKind {
    let wanted = essence(media_type);
    let (top, _) = wanted.split_once('/').unwrap_or((wanted, ""));
    let top_is = |name: &str| top.eq_ignore_ascii_case(name);
    // A format that is no container has one kind, whatever tree its type is in.
    match format_of_media_type(wanted).map(Format::kind) {
        Some(kind @ (MediaKind::Synthetic | MediaKind::Image | MediaKind::Text)) => kind,
        _ if top_is("image") => MediaKind::Image,
        _ if top_is("audio") => MediaKind::Audio,
        _ if top_is("video") => MediaKind::Video,
        _ if top_is("text") => MediaKind::Text,
        Some(kind) => kind,
        None => MediaKind::Other,
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_names_itself_alone() {
        let mut names = BTreeSet::new();
        let mut types = BTreeSet::new();
        let mut extensions = BTreeSet::new();
        for row in ROWS {
            assert!(names.insert(row.name), "{}", row.name);
            for known in row.aliases.iter().chain([&row.media_type]) {
                assert!(types.insert(*known), "{known}");
            }
            for known in row.other_extensions.iter().chain([&row.extension]) {
                assert!(extensions.insert(*known), "{known}");
                assert_eq!(format_of_extension(known), Some(row.format));
            }
            let info = MediaInfo::new(row.format, row.format.kind());
            assert_eq!(media_type(&info), row.media_type);
            assert_eq!(extension(&info), row.extension);
            if row.format != Format::Unknown {
                assert_eq!(format_of_media_type(row.media_type), Some(row.format));
            }
        }
    }

    #[test]
    fn containers_without_pictures_are_sound() {
        for (format, expected, ending) in [
            (Format::ThreeGp, "audio/3gpp", "3gp"),
            (Format::Mp4, "audio/mp4", "m4a"),
            (Format::Webm, "audio/webm", "weba"),
            (Format::Asf, "audio/x-ms-wma", "wma"),
        ] {
            let info = MediaInfo::new(format, MediaKind::Audio);
            assert_eq!((media_type(&info), extension(&info)), (expected, ending));
            assert_eq!(kind_of_media_type(expected), MediaKind::Audio);
        }
        assert_eq!(format_of_media_type("audio/3gpp"), Some(Format::ThreeGp));
    }

    #[test]
    fn formats_and_codecs_are_found_by_name() {
        for row in ROWS.iter().filter(|row| row.format != Format::Unknown) {
            assert_eq!(format_of_name(row.name), Some(row.format));
        }
        for codec in CODECS {
            assert_eq!(codec_of_name(codec.name()), Some(*codec));
        }
        assert_eq!(format_of_name("unknown"), None);
        assert_eq!(codec_of_name("unknown"), None);
    }

    #[test]
    fn kinds_of_labels() {
        for (label, kind) in [
            ("Image/JPG; name=a", MediaKind::Image),
            ("audio/sp-midi", MediaKind::Synthetic),
            ("application/vnd.smaf", MediaKind::Synthetic),
            ("text/x-imelody", MediaKind::Synthetic),
            ("audio/mp3", MediaKind::Audio),
            ("audio/whatever", MediaKind::Audio),
            ("video/3gp", MediaKind::Video),
            ("application/smil", MediaKind::Text),
            ("text/x-vCard", MediaKind::Text),
            ("application/vnd.oma.drm.message", MediaKind::Other),
            ("application/ogg", MediaKind::Audio),
            ("", MediaKind::Other),
        ] {
            assert_eq!(kind_of_media_type(label), kind, "{label}");
        }
    }
}

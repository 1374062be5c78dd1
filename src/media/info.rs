//! What a medium is: its format, its codecs, its shape.

use super::named::Named;
use crate::dimensions::Dimensions;

/// The broad kind of a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MediaKind {
    /// A still or animated picture.
    Image,
    /// Sampled sound.
    Audio,
    /// Notes rather than samples: MIDI and its kin.
    Synthetic,
    /// Moving pictures, with or without sound.
    Video,
    /// Text of any sort.
    Text,
    /// Anything else.
    Other,
}

/// A file format: the outermost structure of the octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// JPEG / JFIF / EXIF.
    Jpeg,
    /// PNG, and APNG where it has several frames.
    Png,
    /// GIF87a and GIF89a.
    Gif,
    /// WebP, still or animated.
    Webp,
    /// Windows bitmap.
    Bmp,
    /// TIFF.
    Tiff,
    /// Wireless bitmap type 0.
    Wbmp,
    /// HEIF with HEVC pictures.
    Heic,
    /// HEIF with AV1 pictures.
    Avif,
    /// JPEG XL, bare or boxed.
    Jxl,
    /// JPEG 2000.
    Jp2,
    /// Scalable Vector Graphics.
    Svg,
    /// Windows icon.
    Ico,
    /// AMR narrowband file.
    Amr,
    /// AMR wideband file.
    AmrWb,
    /// ADTS stream of AAC.
    Adts,
    /// MPEG-1, -2 or -2.5 layer III.
    Mp3,
    /// Ogg.
    Ogg,
    /// FLAC.
    Flac,
    /// RIFF WAVE.
    Wav,
    /// AIFF.
    Aiff,
    /// Sun / NeXT audio.
    Au,
    /// QCP file of QCELP, EVRC or SMV.
    Qcp,
    /// Standard MIDI file, SP-MIDI included.
    Midi,
    /// iMelody.
    IMelody,
    /// Yamaha SMAF.
    Smaf,
    /// Mobile XMF or XMF.
    Xmf,
    /// Ring tone text transfer language.
    Rtttl,
    /// ISO base media of brand isom, mp41, mp42 and kin.
    Mp4,
    /// 3GPP file.
    ThreeGp,
    /// 3GPP2 file.
    ThreeG2,
    /// QuickTime.
    Mov,
    /// ISO base media with sound alone, brand M4A.
    M4a,
    /// WebM.
    Webm,
    /// Matroska.
    Mkv,
    /// AVI.
    Avi,
    /// ASF: WMA and WMV.
    Asf,
    /// RealMedia.
    RealMedia,
    /// MPEG program or transport stream.
    MpegStream,
    /// Text that is valid in some charset.
    Text,
    /// SMIL presentation.
    Smil,
    /// vCard.
    Vcard,
    /// vCalendar or iCalendar.
    Vcalendar,
    /// OMA DRM 1.0 message: forward lock or combined delivery.
    Drm,
    /// OMA DRM content format: separate delivery, encrypted.
    Dcf,
    /// PDF.
    Pdf,
    /// ZIP, JAR and office packages.
    Zip,
    /// HTML or XHTML.
    Html,
    /// A format that a plugin brought.
    Named(Named),
    /// Anything not recognised.
    Unknown,
}

/// How samples or pixels are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the variants are the codecs' own names")]
pub enum Codec {
    /// Baseline sequential JPEG.
    Jpeg,
    /// Extended sequential JPEG.
    JpegExtended,
    JpegProgressive,
    JpegLossless,
    /// Hierarchical or arithmetic-coded JPEG.
    JpegOther,
    Png,
    Gif,
    Vp8,
    Vp8Lossless,
    Bmp,
    Tiff,
    Wbmp,
    Hevc,
    Av1,
    Jxl,
    Jp2,
    Svg,
    /// Palette or bitmap pictures of a Windows icon.
    Ico,
    AmrNb,
    AmrWb,
    AmrWbPlus,
    AacLc,
    HeAac,
    HeAacV2,
    /// AAC of any other object type.
    Aac,
    /// MPEG audio layer I or II.
    Mp2,
    Mp3,
    Vorbis,
    Opus,
    Flac,
    Alac,
    Pcm,
    Alaw,
    Ulaw,
    Adpcm,
    Gsm,
    Qcelp,
    Evrc,
    Smv,
    Wma,
    Ac3,
    Speex,
    RealAudio,
    Midi,
    IMelody,
    Smaf,
    Xmf,
    Rtttl,
    H263,
    Mpeg4Visual,
    H264,
    Vp9,
    Mjpeg,
    /// MPEG-1 or MPEG-2 video.
    MpegVideo,
    Theora,
    Wmv,
    RealVideo,
    TimedText,
    Unknown,
}

/// What probing found in a medium. Fields that the header does not tell are `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaInfo {
    /// The file format.
    pub format: Format,
    /// The broad kind.
    pub kind: MediaKind,
    /// Codec of a picture or of the first track.
    pub codec: Option<Codec>,
    /// Pixels as stored, before any rotation.
    pub size: Option<Dimensions>,
    /// Clockwise quarter turns and mirroring to show the medium upright, as an EXIF orientation
    /// 1..=8. A video's display matrix is expressed the same way.
    pub orientation: u8,
    /// Frames of a picture: 1 for a still one. Samples of the first video track, where the header
    /// counts them.
    pub frames: Option<u32>,
    /// Playing time in milliseconds.
    pub duration_ms: Option<u64>,
    /// Bits per sample or per palette index of a picture.
    pub bit_depth: Option<u8>,
    /// Whether a picture has transparency.
    pub alpha: bool,
    /// Colours of the palette, where the picture has one; the largest, where it has several.
    pub palette: Option<u16>,
    /// Whether a picture has no colour.
    pub grey: bool,
    /// Whether a picture's pixels are CMYK or YCCK.
    pub cmyk: bool,
    /// Whether a picture carries an ICC profile.
    pub icc: bool,
    /// Tracks of a container or of a file of notes.
    pub tracks: Option<u16>,
    /// First video track.
    pub video: Option<VideoTrack>,
    /// First audio track.
    pub audio: Option<AudioTrack>,
    /// What the container calls the codec of that video track, where nobody here takes it out of the
    /// container: one without a name of ours, an encrypted one, or one in an unusual wrapping. Then
    /// it is not decoded, whatever codec it is.
    pub unread_video: Option<String>,
    /// The same of the audio track.
    pub unread_audio: Option<String>,
    /// Major brand of ISO base media.
    pub brand: Option<[u8; 4]>,
    /// Whether the medium carries EXIF, XMP, IPTC, tags or comments.
    pub metadata: bool,
    /// Whether the metadata that was read tells where the medium was made.
    pub gps: bool,
}

impl MediaInfo {
    /// Information on a format of which nothing else is known.
    #[must_use]
    pub fn new(format: Format, kind: MediaKind) -> Self {
        Self {
            format,
            kind,
            codec: None,
            size: None,
            orientation: 1,
            frames: None,
            duration_ms: None,
            bit_depth: None,
            alpha: false,
            palette: None,
            grey: false,
            cmyk: false,
            icc: false,
            tracks: None,
            video: None,
            audio: None,
            unread_video: None,
            unread_audio: None,
            brand: None,
            metadata: false,
            gps: false,
        }
    }

    /// Pixels as shown: the size after the orientation is applied.
    #[must_use]
    pub fn shown_size(&self) -> Option<Dimensions> {
        let size = self.size?;
        Some(if self.orientation >= 5 {
            Dimensions::new(size.height, size.width)
        } else {
            size
        })
    }
}

impl VideoTrack {
    /// A track of which only the codec is known.
    #[must_use]
    pub const fn new(codec: Codec) -> Self {
        Self {
            codec,
            size: None,
            millihertz: None,
            profile: None,
            level: None,
            bit_rate: None,
        }
    }
}

impl AudioTrack {
    /// A track of which only the codec is known.
    #[must_use]
    pub const fn new(codec: Codec) -> Self {
        Self {
            codec,
            sample_rate: None,
            channels: None,
            bit_rate: None,
        }
    }
}

/// A video track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTrack {
    /// The codec.
    pub codec: Codec,
    /// Coded pixels.
    pub size: Option<Dimensions>,
    /// Frames per 1000 seconds.
    pub millihertz: Option<u32>,
    /// Codec profile, by the number its standard gives it. MPEG-4 Visual: the upper four bits of
    /// `profile_and_level_indication`, 0 for Simple.
    pub profile: Option<u16>,
    /// Codec level, by the number its standard gives it. H.264 level 1b is 9. MPEG-4 Visual: the
    /// lower four bits of `profile_and_level_indication`, 8 for level 0 and 9 for 0b of Simple.
    pub level: Option<u16>,
    /// Mean bits per second.
    pub bit_rate: Option<u64>,
}

/// An audio track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioTrack {
    /// The codec.
    pub codec: Codec,
    /// Samples per second.
    pub sample_rate: Option<u32>,
    /// Channels.
    pub channels: Option<u16>,
    /// Mean bits per second.
    pub bit_rate: Option<u64>,
}

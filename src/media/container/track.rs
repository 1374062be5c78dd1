//! What a container says of one track.

use std::fmt;

use bytes::Bytes;

use super::aac::AacConfig;
use super::avc::{AvcConfig, HevcConfig};
use crate::dimensions::Dimensions;
use crate::media::info::Codec;

/// A four-character code: a brand, a box type, a sample entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FourCc(pub [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|octet| write!(f, "{}", octet.escape_ascii()))
    }
}

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Text shown in time with the rest.
    Text,
    /// Moving pictures.
    Video,
    /// Anything else: hints, metadata, chapters as pictures.
    Other,
}

/// A track as its container describes it, without its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    /// The number by which the container calls it.
    pub id: u32,
    /// What it carries.
    pub kind: TrackKind,
    /// How its samples are coded.
    pub codec: TrackCodec,
    /// Ticks per second of all times of this track. Never 0.
    pub timescale: u32,
    /// When the last sample ends on the presentation's clock, in ticks; what an edit list cuts off
    /// at the end is not counted.
    pub duration: u64,
    /// Coded pixels of moving pictures.
    pub size: Option<Dimensions>,
    /// Width to height of one pixel, where the container says.
    pub pixel_aspect: Option<(u32, u32)>,
    /// Samples per second of sound, as the decoder will deliver them where the configuration says.
    pub sample_rate: Option<u32>,
    /// Channels of sound, as the decoder will deliver them where the configuration says.
    pub channels: Option<u16>,
    /// How to turn the pictures upright, as an EXIF orientation 1..=8.
    pub orientation: u8,
    /// ISO 639-2/T code, `und` where there is none.
    pub language: [u8; 3],
    /// What the edit list says. The times of samples have it applied.
    pub edit: Edit,
}

impl TrackInfo {
    /// A track of which nothing is known but its codec and its clock. A timescale of 0 becomes 1.
    #[must_use]
    pub fn new(id: u32, codec: TrackCodec, timescale: u32) -> Self {
        Self {
            id,
            kind: codec.kind(),
            codec,
            timescale: timescale.max(1),
            duration: 0,
            size: None,
            pixel_aspect: None,
            sample_rate: None,
            channels: None,
            orientation: 1,
            language: *b"und",
            edit: Edit::default(),
        }
    }

    /// A track of moving pictures.
    #[must_use]
    pub fn video(id: u32, codec: TrackCodec, timescale: u32, size: Dimensions) -> Self {
        Self {
            size: Some(size),
            ..Self::new(id, codec, timescale)
        }
    }

    /// A track of sound.
    #[must_use]
    pub fn audio(id: u32, codec: TrackCodec, timescale: u32, rate: u32, channels: u16) -> Self {
        Self {
            sample_rate: Some(rate),
            channels: Some(channels),
            ..Self::new(id, codec, timescale)
        }
    }
}

/// A simple edit list: a pause, then the media from one point on (ISO/IEC 14496-12 section 8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edit {
    /// Ticks of the presentation before the first sample that is shown.
    pub delay: u64,
    /// Ticks of the media that are decoded and not shown: the priming of an audio codec, or the
    /// way from a key frame to the point where a recording was cut.
    pub media_start: u64,
    /// Ticks that are shown, where the list sets an end.
    pub duration: Option<u64>,
}

/// One coded frame, or a few of them where the codec is framed so (AMR, PCM).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When it is decoded, in ticks on the presentation's clock. Negative where it comes before
    /// the point from which the track is shown.
    pub dts: i64,
    /// When it is shown, in ticks. What lies before 0 or after [`TrackInfo::duration`] is decoded
    /// and not shown.
    pub pts: i64,
    /// How long it lasts, in ticks; 0 where the container does not say.
    pub duration: u32,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// The coded octets, a slice of the input.
    pub data: Bytes,
}

/// How the samples of a track are coded, with what the decoder must know beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrackCodec {
    /// AAC in all its object types.
    Aac(AacConfig),
    /// IMA or Microsoft ADPCM in blocks.
    Adpcm(AdpcmConfig),
    /// Apple Lossless, with its magic cookie (the `ALACSpecificConfig`).
    Alac(Bytes),
    /// AMR narrowband; each frame starts with its table-of-contents octet.
    AmrNb(AmrConfig),
    /// AMR wideband; each frame starts with its table-of-contents octet.
    AmrWb(AmrConfig),
    /// AV1, with the `av1C` record.
    Av1(Bytes),
    /// EVRC; each frame starts with its rate octet.
    Evrc,
    /// FLAC, with its metadata blocks, STREAMINFO first, without the `fLaC` marker.
    Flac(Bytes),
    /// H.263.
    H263(H263Config),
    /// H.264, NAL units with a length in front.
    H264(AvcConfig),
    /// HEVC, NAL units with a length in front.
    Hevc(HevcConfig),
    /// A melody: what a synthesiser is told, as [`melody`](super::melody) writes it. The codec is
    /// that of the file.
    Melody(Codec),
    /// MPEG layer III.
    Mp3,
    /// MPEG-4 Part 2, with its visual object sequence, object and layer headers.
    Mpeg4Visual(Bytes),
    /// Opus, with the `OpusHead` header as in Ogg, magic included.
    Opus(Bytes),
    /// Samples that are not compressed, or only companded.
    Pcm(PcmFormat),
    /// QCELP 13K; each frame starts with its rate octet.
    Qcelp,
    /// SMV; each frame starts with its rate octet.
    Smv,
    /// Speex, with its header packet.
    Speex(Bytes),
    /// 3GPP timed text.
    TimedText,
    /// Vorbis, with its three header packets as in Matroska (Xiph lacing).
    Vorbis(Bytes),
    /// VP8.
    Vp8,
    /// VP9, with the `vpcC` record or nothing.
    Vp9(Bytes),
    /// Anything else, by the name the container gives it.
    Other(String),
}

impl TrackCodec {
    /// The codec without its configuration.
    #[must_use]
    pub fn codec(&self) -> Codec {
        match self {
            Self::Aac(config) if config.ps => Codec::HeAacV2,
            Self::Aac(config) if config.sbr => Codec::HeAac,
            Self::Aac(_) => Codec::AacLc,
            Self::Adpcm(_) => Codec::Adpcm,
            Self::Alac(_) => Codec::Alac,
            Self::AmrNb(_) => Codec::AmrNb,
            Self::AmrWb(_) => Codec::AmrWb,
            Self::Av1(_) => Codec::Av1,
            Self::Evrc => Codec::Evrc,
            Self::Flac(_) => Codec::Flac,
            Self::H263(_) => Codec::H263,
            Self::H264(_) => Codec::H264,
            Self::Hevc(_) => Codec::Hevc,
            Self::Melody(codec) => *codec,
            Self::Mp3 => Codec::Mp3,
            Self::Mpeg4Visual(_) => Codec::Mpeg4Visual,
            Self::Opus(_) => Codec::Opus,
            Self::Pcm(format) => match format.encoding {
                PcmEncoding::Alaw => Codec::Alaw,
                PcmEncoding::Ulaw => Codec::Ulaw,
                _ => Codec::Pcm,
            },
            Self::Qcelp => Codec::Qcelp,
            Self::Smv => Codec::Smv,
            Self::TimedText => Codec::TimedText,
            Self::Vorbis(_) => Codec::Vorbis,
            Self::Vp8 => Codec::Vp8,
            Self::Vp9(_) => Codec::Vp9,
            Self::Speex(_) | Self::Other(_) => Codec::Unknown,
        }
    }

    /// What a message calls it: our name for the codec where there is one, else the container's.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Other(name) => name,
            Self::Speex(_) => Codec::Speex.name(),
            known => known.codec().name(),
        }
    }

    /// The decoder's configuration as the container holds it, empty where there is none.
    #[must_use]
    pub fn config(&self) -> Bytes {
        match self {
            Self::Aac(config) => config.specific.clone(),
            Self::Adpcm(config) => config.extra.clone(),
            Self::H264(config) => config.record.clone(),
            Self::Hevc(config) => config.record.clone(),
            Self::Alac(config)
            | Self::Av1(config)
            | Self::Flac(config)
            | Self::Mpeg4Visual(config)
            | Self::Opus(config)
            | Self::Speex(config)
            | Self::Vorbis(config)
            | Self::Vp9(config) => config.clone(),
            _ => Bytes::new(),
        }
    }

    /// What a track of this codec carries.
    #[must_use]
    pub const fn kind(&self) -> TrackKind {
        match self {
            Self::Av1(_)
            | Self::H263(_)
            | Self::H264(_)
            | Self::Hevc(_)
            | Self::Mpeg4Visual(_)
            | Self::Vp8
            | Self::Vp9(_) => TrackKind::Video,
            Self::TimedText => TrackKind::Text,
            Self::Other(_) => TrackKind::Other,
            _ => TrackKind::Audio,
        }
    }
}

/// The `damr` box (3GPP TS 26.244 section 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmrConfig {
    /// One bit per frame type that may occur, the lowest for type 0.
    pub mode_set: u16,
    /// Frames between changes of mode are a multiple of this; 0 where it is free.
    pub mode_change_period: u8,
    /// Frames of 20 ms in one sample, 1..=15.
    pub frames_per_sample: u8,
}

impl AmrConfig {
    /// Any mode at any time: all speech modes and the types for silence and nothing.
    #[must_use]
    pub const fn any(frames_per_sample: u8) -> Self {
        Self {
            mode_set: 0x81FF,
            mode_change_period: 0,
            frames_per_sample,
        }
    }
}

/// The `d263` box (3GPP TS 26.244 section 6.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct H263Config {
    /// 10, 20, 30, 40, 45, 50 …
    pub level: u8,
    /// 0 for the baseline, 3 for the interactive and streaming wireless profile.
    pub profile: u8,
    /// The `bitr` box, where there is one.
    pub bit_rate: Option<BitRate>,
}

/// A bit rate as containers state it, in bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BitRate {
    /// The mean.
    pub average: u32,
    /// The most in any second.
    pub maximum: u32,
}

/// ADPCM in blocks of a fixed size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdpcmConfig {
    /// The RIFF format tag: 0x0002 for Microsoft's, 0x0011 for IMA's.
    pub tag: u16,
    /// Octets of one block.
    pub block_align: u16,
    /// Samples per channel that one block holds; 0 where the file does not say.
    pub samples_per_block: u16,
    /// What follows in the format chunk: the coefficients of Microsoft's variant.
    pub extra: Bytes,
}

/// How a sample that is not compressed is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcmFormat {
    /// Integers, floating point or companded.
    pub encoding: PcmEncoding,
    /// Bits of the container of one sample of one channel: 8, 16, 24, 32 or 64.
    pub bits: u8,
    /// Octet order.
    pub big_endian: bool,
}

/// The meaning of the octets of a sample that is not compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PcmEncoding {
    /// G.711 A-law.
    Alaw,
    /// IEEE 754.
    Float,
    /// Two's complement.
    Signed,
    /// G.711 µ-law.
    Ulaw,
    /// Offset binary.
    Unsigned,
}

impl PcmFormat {
    /// Octets of one sample of all `channels`.
    #[must_use]
    pub fn frame_bytes(self, channels: u16) -> usize {
        usize::from(self.bits.div_ceil(8)).saturating_mul(usize::from(channels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_shown_in_ascii() {
        assert_eq!(FourCc(*b"3gp5").to_string(), "3gp5");
        assert_eq!(FourCc(*b"ms\0\x55").to_string(), "ms\\x00U");
    }

    #[test]
    fn a_codec_knows_its_kind_and_name() {
        let amr = TrackCodec::AmrNb(AmrConfig::any(1));
        assert_eq!((amr.kind(), amr.codec()), (TrackKind::Audio, Codec::AmrNb));
        assert_eq!(TrackCodec::Vp8.kind(), TrackKind::Video);
        assert_eq!(amr.name(), "amr-nb");
        assert_eq!(TrackCodec::Other("encv".to_owned()).name(), "encv");
        let law = TrackCodec::Pcm(PcmFormat {
            encoding: PcmEncoding::Ulaw,
            bits: 8,
            big_endian: false,
        });
        assert_eq!(law.codec(), Codec::Ulaw);
        assert_eq!(TrackInfo::new(1, law, 0).timescale, 1);
    }
}

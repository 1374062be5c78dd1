//! `TrackEntry` (RFC 9559 section 5.1.4).

use bytes::Bytes;

use super::super::aac::AacConfig;
use super::super::avc::{AvcConfig, HevcConfig};
use super::super::error::ContainerError;
use super::super::reader::saturated;
use super::super::track::{PcmEncoding, PcmFormat, TrackCodec, TrackInfo, TrackKind};
use super::ebml::{Element, Elements, id};
use crate::dimensions::Dimensions;
use crate::limits::Limits;

/// A track as its entry describes it.
#[derive(Debug)]
pub(super) struct Entry {
    /// The number by which blocks call it.
    pub(super) number: u64,
    pub(super) info: TrackInfo,
    /// Ticks of one frame, 0 where the entry does not say.
    pub(super) frame_ticks: u32,
    /// Whether blocks are compressed or encrypted.
    pub(super) encoded: bool,
}

/// Fields of an entry as they come.
#[derive(Debug, Default)]
struct Fields {
    number: u64,
    kind: u64,
    codec: String,
    private: Bytes,
    delay: u64,
    frame: u64,
    language: Option<[u8; 3]>,
    width: u64,
    height: u64,
    rate: f64,
    output_rate: f64,
    channels: Option<u64>,
    bits: u64,
    encoded: bool,
}

/// Reads an entry; `tick` is nanoseconds per tick.
pub(super) fn read(
    entry: &Element<'_>,
    tick: u64,
    limits: &Limits,
) -> Result<Entry, ContainerError> {
    let mut fields = Fields::default();
    gather(entry, &mut fields, limits, true)?;
    // Ticks that do not divide a second lose at most a thousandth of it in an hour.
    let timescale = saturated(1_000_000_000_u64.saturating_add(tick / 2) / tick.max(1));
    let ticks = |nanoseconds: u64| nanoseconds.saturating_add(tick / 2) / tick.max(1);
    let codec = if fields.encoded {
        TrackCodec::Other(fields.codec.clone())
    } else {
        codec(&fields)
    };
    let mut info = TrackInfo::new(saturated(fields.number), codec, timescale);
    info.kind = match fields.kind {
        1 => TrackKind::Video,
        2 => TrackKind::Audio,
        17 => TrackKind::Text,
        _ => TrackKind::Other,
    };
    info.language = fields.language.unwrap_or(*b"und");
    if fields.width > 0 && fields.height > 0 {
        info.size = Some(Dimensions::new(
            saturated(fields.width),
            saturated(fields.height),
        ));
    }
    if info.kind == TrackKind::Audio {
        let rate = if fields.output_rate > 0.0 {
            fields.output_rate
        } else {
            fields.rate
        };
        info.sample_rate = Some(hertz(rate)).filter(|rate| *rate > 0);
        info.channels = u16::try_from(fields.channels.unwrap_or(1)).ok();
        if let TrackCodec::Aac(config) = &info.codec {
            info.sample_rate = Some(config.sample_rate);
            if config.channels > 0 {
                info.channels = Some(u16::from(config.channels));
            }
        }
    }
    info.edit.media_start = ticks(fields.delay);
    Ok(Entry {
        number: fields.number,
        info,
        frame_ticks: saturated(ticks(fields.frame)),
        encoded: fields.encoded,
    })
}

/// A rate that is written in floating point; 0 for what is no rate, 8000 for none at all.
fn hertz(rate: f64) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked, and a fraction of a hertz is of no use"
    )]
    if (1.0..=4e9).contains(&rate) {
        rate.round() as u32
    } else {
        8_000
    }
}

fn gather(
    parent: &Element<'_>,
    fields: &mut Fields,
    limits: &Limits,
    outer: bool,
) -> Result<(), ContainerError> {
    let mut inner = Elements::new(parent.body.clone(), limits);
    while let Some(element) = inner.next()? {
        match element.id {
            id::TRACK_NUMBER => fields.number = element.unsigned(),
            id::TRACK_TYPE => fields.kind = element.unsigned(),
            id::CODEC_ID => fields.codec = element.text(),
            id::CODEC_PRIVATE => fields.private = element.body.clone().rest_bytes(),
            id::CODEC_DELAY => fields.delay = element.unsigned(),
            id::DEFAULT_DURATION => fields.frame = element.unsigned(),
            id::LANGUAGE => fields.language = element.text().into_bytes().try_into().ok(),
            id::VIDEO | id::AUDIO if outer => gather(&element, fields, limits, false)?,
            id::PIXEL_WIDTH => fields.width = element.unsigned(),
            id::PIXEL_HEIGHT => fields.height = element.unsigned(),
            id::SAMPLING_FREQUENCY => fields.rate = element.float(),
            id::OUTPUT_SAMPLING_FREQUENCY => fields.output_rate = element.float(),
            id::CHANNELS => fields.channels = Some(element.unsigned()),
            id::BIT_DEPTH => fields.bits = element.unsigned(),
            id::CONTENT_ENCODINGS => fields.encoded = !element.body.is_empty(),
            _ => {}
        }
    }
    Ok(())
}

/// The codec by its identifier; one whose configuration is broken keeps only its name.
fn codec(fields: &Fields) -> TrackCodec {
    let private = &fields.private;
    let known = match fields.codec.as_str() {
        "V_VP8" => Some(TrackCodec::Vp8),
        "V_VP9" => Some(TrackCodec::Vp9(private.clone())),
        "V_AV1" => Some(TrackCodec::Av1(private.clone())),
        "V_MPEG4/ISO/AVC" => AvcConfig::parse(private).ok().map(TrackCodec::H264),
        "V_MPEGH/ISO/HEVC" => HevcConfig::parse(private).ok().map(TrackCodec::Hevc),
        "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/AP" => {
            Some(TrackCodec::Mpeg4Visual(private.clone()))
        }
        "A_OPUS" => Some(TrackCodec::Opus(private.clone())),
        "A_VORBIS" => Some(TrackCodec::Vorbis(private.clone())),
        "A_FLAC" if private.starts_with(b"fLaC") => private
            .get(4..)
            .map(|blocks| TrackCodec::Flac(private.slice_ref(blocks))),
        "A_ALAC" => Some(TrackCodec::Alac(private.clone())),
        "A_MPEG/L3" => Some(TrackCodec::Mp3),
        "A_PCM/INT/LIT" => pcm(fields, PcmEncoding::Signed, false),
        "A_PCM/INT/BIG" => pcm(fields, PcmEncoding::Signed, true),
        "A_PCM/FLOAT/IEEE" => pcm(fields, PcmEncoding::Float, false),
        name if name.starts_with("A_AAC") => AacConfig::parse(private).map(TrackCodec::Aac),
        _ => None,
    };
    known.unwrap_or_else(|| TrackCodec::Other(fields.codec.clone()))
}

fn pcm(fields: &Fields, encoding: PcmEncoding, big_endian: bool) -> Option<TrackCodec> {
    let bits = u8::try_from(fields.bits).ok()?;
    // Eight-bit samples are unsigned, as in WAVE.
    let encoding = match (encoding, bits) {
        (PcmEncoding::Signed, 8) => PcmEncoding::Unsigned,
        (other, _) => other,
    };
    matches!(bits, 8 | 16 | 24 | 32 | 64).then_some(TrackCodec::Pcm(PcmFormat {
        encoding,
        bits,
        big_endian,
    }))
}

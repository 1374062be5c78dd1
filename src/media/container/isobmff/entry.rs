//! Sample entries: what `stsd` says of a track's codec.

use bytes::Bytes;

use super::super::aac::AacConfig;
use super::super::avc::{AvcConfig, HevcConfig};
use super::super::error::ContainerError;
use super::super::reader::{Reader, index};
use super::super::track::{
    AmrConfig, BitRate, FourCc, H263Config, PcmEncoding, PcmFormat, TrackCodec, TrackInfo,
    TrackKind,
};
use super::boxes::{Boxes, Context, IsoBox};
use super::esds::{StreamDescriptor, object_type};
use crate::dimensions::Dimensions;

/// Fixed fields of a visual sample entry, reserved octets and data reference included.
const VISUAL: usize = 78;

/// Reads the description that samples use into `info`; `number` counts from 1, as in `stsc`.
pub(super) fn read(
    stsd: &IsoBox<'_>,
    number: u32,
    info: &mut TrackInfo,
    context: &mut Context<'_>,
) -> Result<(), ContainerError> {
    let (version, _, mut reader) = stsd.full()?;
    let count = reader.be32()?;
    let mut entries = Boxes::new(reader);
    let mut at = 0_u32;
    while let Some(entry) = entries.next(context)? {
        at = at.saturating_add(1);
        if at == number.max(1) {
            if count > 1 {
                context.warn(stsd.start, "several sample descriptions, one is used");
            }
            info.codec = TrackCodec::Other(FourCc(entry.kind).to_string());
            let read = match info.kind {
                TrackKind::Video => video(&entry, info, context),
                TrackKind::Audio => audio(&entry, version, info, context),
                _ if &entry.kind == b"tx3g" => {
                    info.codec = TrackCodec::TimedText;
                    Ok(())
                }
                _ => Ok(()),
            };
            // A configuration that is broken leaves a track that nobody can decode, not a file
            // that nobody can read.
            return match read {
                Err(ContainerError::Malformed { offset, what }) => {
                    info.codec = TrackCodec::Other(FourCc(entry.kind).to_string());
                    context.warn(offset, what);
                    Ok(())
                }
                other => other,
            };
        }
    }
    Err(ContainerError::malformed(
        stsd.start,
        "no sample description",
    ))
}

fn video(
    entry: &IsoBox<'_>,
    info: &mut TrackInfo,
    context: &mut Context<'_>,
) -> Result<(), ContainerError> {
    let mut fixed = entry.body.clone().split_up_to(VISUAL);
    fixed.skip(24)?;
    let size = Dimensions::new(u32::from(fixed.be16()?), u32::from(fixed.be16()?));
    info.size = (size.width > 0 && size.height > 0).then_some(size);
    let mut body = entry.body.clone();
    body.skip(VISUAL)?;
    if matches!(&entry.kind, b"s263" | b"h263" | b"H263") {
        info.codec = TrackCodec::H263(H263Config {
            level: 10,
            profile: 0,
            bit_rate: None,
        });
    }
    if &entry.kind == b"vp08" {
        info.codec = TrackCodec::Vp8;
    }
    let mut children = Boxes::new(body);
    while let Some(child) = children.next(context)? {
        match (&entry.kind, &child.kind) {
            (b"avc1" | b"avc2" | b"avc3" | b"avc4", b"avcC") => {
                info.codec = TrackCodec::H264(AvcConfig::read(&mut child.body.clone())?);
            }
            (b"hvc1" | b"hev1", b"hvcC") => {
                info.codec = TrackCodec::Hevc(HevcConfig::read(&mut child.body.clone())?);
            }
            (b"av01", b"av1C") => {
                info.codec = TrackCodec::Av1(child.body.clone().rest_bytes());
            }
            (b"vp09", b"vpcC") => {
                info.codec = TrackCodec::Vp9(child.body.clone().rest_bytes());
            }
            (b"s263" | b"h263" | b"H263", b"d263") => {
                info.codec = TrackCodec::H263(d263(&child, context)?);
            }
            (b"mp4v", b"esds") => {
                let stream = StreamDescriptor::read(child.full()?.2)?;
                if stream.object_type == object_type::MPEG4_VISUAL {
                    info.codec = TrackCodec::Mpeg4Visual(stream.config);
                }
            }
            (_, b"pasp") => {
                let mut pasp = child.body.clone();
                let (across, down) = (pasp.be32()?, pasp.be32()?);
                info.pixel_aspect = (across > 0 && down > 0).then_some((across, down));
            }
            _ => {}
        }
    }
    Ok(())
}

/// `d263`: vendor, decoder version, level, profile, and perhaps `bitr`.
fn d263(part: &IsoBox<'_>, context: &mut Context<'_>) -> Result<H263Config, ContainerError> {
    let mut body = part.body.clone();
    body.skip(5)?;
    let (level, profile) = (body.u8()?, body.u8()?);
    let mut bit_rate = None;
    let mut children = Boxes::new(body);
    while let Some(child) = children.next(context)? {
        if &child.kind == b"bitr" {
            let mut rates = child.body.clone();
            bit_rate = Some(BitRate {
                average: rates.be32()?,
                maximum: rates.be32()?,
            });
        }
    }
    Ok(H263Config {
        level,
        profile,
        bit_rate,
    })
}

/// The fixed fields of an audio sample entry.
struct Fixed {
    version: u16,
    bits: u16,
    channels: u16,
    rate: u32,
    /// `formatSpecificFlags` of QuickTime's version 2.
    lpcm_flags: u32,
}

fn audio(
    entry: &IsoBox<'_>,
    stsd_version: u8,
    info: &mut TrackInfo,
    context: &mut Context<'_>,
) -> Result<(), ContainerError> {
    let mut body = entry.body.clone();
    let fixed = audio_fixed(&mut body, stsd_version)?;
    info.sample_rate = (fixed.rate > 0).then_some(fixed.rate);
    info.channels = (fixed.channels > 0).then_some(fixed.channels);
    info.codec = match &entry.kind {
        b"samr" => TrackCodec::AmrNb(AmrConfig::any(1)),
        b"sawb" => TrackCodec::AmrWb(AmrConfig::any(1)),
        b".mp3" | b"mp3 " | b"ms\0\x55" => TrackCodec::Mp3,
        b"sqcp" | b"Qclp" => TrackCodec::Qcelp,
        b"sevc" => TrackCodec::Evrc,
        b"ssmv" => TrackCodec::Smv,
        kind => match pcm(*kind, &fixed) {
            Some(format) => TrackCodec::Pcm(format),
            None => TrackCodec::Other(FourCc(*kind).to_string()),
        },
    };
    audio_children(entry.kind, body, info, context, true)?;
    match &info.codec {
        TrackCodec::Aac(config) => {
            info.sample_rate = Some(config.sample_rate);
            if config.channels > 0 {
                info.channels = Some(u16::from(config.channels));
            }
        }
        // The entries of AMR carry constants there (3GPP TS 26.244 section 6.5).
        TrackCodec::AmrNb(_) => (info.sample_rate, info.channels) = (Some(8_000), Some(1)),
        TrackCodec::AmrWb(_) => (info.sample_rate, info.channels) = (Some(16_000), Some(1)),
        _ => {}
    }
    Ok(())
}

fn audio_fixed(body: &mut Reader<'_>, stsd_version: u8) -> Result<Fixed, ContainerError> {
    body.skip(8)?;
    let version = body.be16()?;
    body.skip(6)?;
    let mut fixed = Fixed {
        version,
        channels: body.be16()?,
        bits: body.be16()?,
        rate: 0,
        lpcm_flags: 0,
    };
    body.skip(4)?;
    fixed.rate = body.be32()? >> 16;
    match (version, stsd_version) {
        (1, 0) => body.skip(16)?,
        (2, 0) => {
            body.skip(4)?;
            fixed.rate = whole(f64::from_bits(body.be64()?));
            fixed.channels = u16::try_from(body.be32()?).unwrap_or(0);
            body.skip(4)?;
            fixed.bits = u16::try_from(body.be32()?).unwrap_or(0);
            fixed.lpcm_flags = body.be32()?;
            body.skip(8)?;
        }
        _ => {}
    }
    Ok(fixed)
}

/// A rate that is written in floating point; 0 for what is no rate.
fn whole(rate: f64) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked, and a fraction of a hertz is of no use"
    )]
    if (1.0..=4e9).contains(&rate) {
        rate.round() as u32
    } else {
        0
    }
}

/// The sample format of entries that are not compressed.
fn pcm(kind: [u8; 4], fixed: &Fixed) -> Option<PcmFormat> {
    use PcmEncoding::{Alaw, Float, Signed, Ulaw, Unsigned};
    let stated = u8::try_from(fixed.bits).ok().filter(|bits| *bits > 0);
    let (encoding, bits, big_endian) = match &kind {
        b"raw " => (Unsigned, 8, true),
        b"NONE" if fixed.bits == 8 => (Unsigned, 8, true),
        b"NONE" | b"twos" => (Signed, stated.unwrap_or(16), true),
        b"sowt" => (Signed, stated.unwrap_or(16), false),
        b"in24" => (Signed, 24, true),
        b"in32" => (Signed, 32, true),
        b"fl32" => (Float, 32, true),
        b"fl64" => (Float, 64, true),
        b"alaw" | b"ms\0\x06" => (Alaw, 8, true),
        b"ulaw" | b"ms\0\x07" => (Ulaw, 8, true),
        b"ipcm" => (Signed, stated.unwrap_or(16), true),
        b"fpcm" => (Float, stated.unwrap_or(32), true),
        b"lpcm" if fixed.version == 2 => {
            let encoding = match fixed.lpcm_flags & 5 {
                1 | 5 => Float,
                4 => Signed,
                _ => Unsigned,
            };
            (encoding, stated.unwrap_or(16), fixed.lpcm_flags & 2 != 0)
        }
        _ => return None,
    };
    matches!(bits, 8 | 16 | 24 | 32 | 64).then_some(PcmFormat {
        encoding,
        bits,
        big_endian,
    })
}

/// The boxes inside an audio sample entry; QuickTime puts them one level deeper, into `wave`.
fn audio_children(
    kind: [u8; 4],
    body: Reader<'_>,
    info: &mut TrackInfo,
    context: &mut Context<'_>,
    outer: bool,
) -> Result<(), ContainerError> {
    let mut children = Boxes::new(body);
    while let Some(child) = children.next(context)? {
        match (&kind, &child.kind) {
            (_, b"wave") if outer => {
                audio_children(kind, child.body.clone(), info, context, false)?;
            }
            (b"mp4a", b"esds") => {
                let stream = StreamDescriptor::read(child.full()?.2)?;
                info.codec = described(&stream, info);
            }
            (b"samr" | b"sawb", b"damr") => {
                let config = damr(child.body.clone())?;
                info.codec = match &kind {
                    b"samr" => TrackCodec::AmrNb(config),
                    _ => TrackCodec::AmrWb(config),
                };
            }
            // QuickTime repeats the entry's own type inside `wave`; the cookie is a full box.
            (b"alac", b"alac") => {
                let (.., mut cookie) = child.full()?;
                info.codec = TrackCodec::Alac(cookie.rest_bytes());
            }
            (b"Opus", b"dOps") => {
                info.codec = TrackCodec::Opus(opus_head(child.body.clone())?);
            }
            (b"fLaC", b"dfLa") => {
                let (.., mut blocks) = child.full()?;
                info.codec = TrackCodec::Flac(blocks.rest_bytes());
            }
            (_, b"enda") => {
                if let TrackCodec::Pcm(format) = &mut info.codec {
                    format.big_endian = child.body.clone().be16()? == 0;
                }
            }
            (b"ipcm" | b"fpcm", b"pcmC") => {
                let (.., mut fields) = child.full()?;
                let (flags, bits) = (fields.u8()?, fields.u8()?);
                if let TrackCodec::Pcm(format) = &mut info.codec {
                    format.big_endian = flags & 1 == 0;
                    if matches!(bits, 8 | 16 | 24 | 32 | 64) {
                        format.bits = bits;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The codec of an `mp4a` entry.
fn described(stream: &StreamDescriptor, info: &TrackInfo) -> TrackCodec {
    match stream.object_type {
        object_type::AAC | 0x66..=0x68 => {
            let config = if stream.config.is_empty() {
                let channels = u8::try_from(info.channels.unwrap_or(2)).unwrap_or(2);
                Some(AacConfig::low_complexity(
                    info.sample_rate.unwrap_or(44_100),
                    channels,
                ))
            } else {
                AacConfig::parse(&stream.config)
            };
            config.map_or_else(|| TrackCodec::Other("mp4a".to_owned()), TrackCodec::Aac)
        }
        object_type::MP3 | object_type::MP3_LOW_RATE => TrackCodec::Mp3,
        object_type::QCELP => TrackCodec::Qcelp,
        object_type::EVRC => TrackCodec::Evrc,
        object_type::SMV => TrackCodec::Smv,
        other => TrackCodec::Other(format!("mp4a.{other:02X}")),
    }
}

/// `damr`: vendor, decoder version, mode set, change period, frames per sample.
fn damr(mut body: Reader<'_>) -> Result<AmrConfig, ContainerError> {
    body.skip(5)?;
    Ok(AmrConfig {
        mode_set: body.be16()?,
        mode_change_period: body.u8()?,
        frames_per_sample: body.u8()?.max(1),
    })
}

/// `dOps` holds the fields of an `OpusHead` in the other octet order, without its magic.
fn opus_head(mut body: Reader<'_>) -> Result<Bytes, ContainerError> {
    body.skip(1)?;
    let channels = body.u8()?;
    let (skip, rate, gain, family) = (body.be16()?, body.be32()?, body.be16()?, body.u8()?);
    let mut head = b"OpusHead\x01".to_vec();
    head.push(channels);
    head.extend(skip.to_le_bytes());
    head.extend(rate.to_le_bytes());
    head.extend(gain.to_le_bytes());
    head.push(family);
    if family != 0 {
        let mapping = index(u32::from(channels)).saturating_add(2);
        head.extend_from_slice(body.take(mapping)?);
    }
    Ok(Bytes::from(head))
}

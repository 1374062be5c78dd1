//! AIFF, AIFF-C, and Sun audio.

use super::bytes::{Broken, Reader, Steps, index, milliseconds, wide};
use super::riff::Chunks;
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind};

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Aiff, MediaKind::Audio);
    let mut reader = Reader::new(data);
    reader.skip(8)?;
    let compressed = reader.take(4)? == b"AIFC";
    for chunk in Chunks::iff(reader.clone(), steps) {
        match &chunk.kind {
            b"COMM" => {
                let mut common = chunk.reader();
                let channels = common.be16()?;
                let frames = common.be32()?;
                let bits = common.be16()?;
                let rate = extended(common.array()?);
                let codec = match if compressed {
                    common.array().ok()
                } else {
                    None
                } {
                    Some(kind) => compression(&kind),
                    None => Codec::Pcm,
                };
                info.codec = Some(codec);
                info.bit_depth = u8::try_from(bits).ok();
                let samples = if codec == Codec::Adpcm {
                    u64::from(frames).saturating_mul(64)
                } else {
                    frames.into()
                };
                info.duration_ms = milliseconds(samples, rate.unwrap_or(0).into());
                let bit_rate = u64::from(rate.unwrap_or(0))
                    .saturating_mul(channels.into())
                    .saturating_mul(bits.into());
                info.audio = Some(AudioTrack {
                    codec,
                    sample_rate: rate,
                    channels: (channels > 0).then_some(channels),
                    bit_rate: (codec == Codec::Pcm && bit_rate > 0).then_some(bit_rate),
                });
            }
            b"NAME" | b"AUTH" | b"ANNO" | b"(c) " | b"ID3 " => info.metadata = true,
            _ => {}
        }
    }
    info.tracks = Some(1);
    if info.audio.is_none() {
        return Err(reader.broken("there is no COMM chunk"));
    }
    Ok(info)
}

const fn compression(kind: &[u8; 4]) -> Codec {
    match kind {
        b"NONE" | b"twos" | b"sowt" | b"raw " | b"in24" | b"in32" | b"fl32" | b"FL32" | b"fl64"
        | b"FL64" => Codec::Pcm,
        b"alaw" | b"ALAW" => Codec::Alaw,
        b"ulaw" | b"ULAW" => Codec::Ulaw,
        b"ima4" => Codec::Adpcm,
        b"GSM " | b"agsm" => Codec::Gsm,
        b"Qclp" => Codec::Qcelp,
        _ => Codec::Unknown,
    }
}

/// The whole part of an 80-bit extended number, where it is a sensible sampling rate.
fn extended(number: [u8; 10]) -> Option<u32> {
    let [e0, e1, mantissa @ ..] = number;
    let exponent = u16::from_be_bytes([e0, e1]);
    let shift = 16_383_u32.checked_add(63)?.checked_sub(exponent.into())?;
    let rate = u64::from_be_bytes(mantissa).checked_shr(shift)?;
    u32::try_from(rate).ok().filter(|rate| *rate > 0)
}

pub(super) fn read_au(data: &[u8], _: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Au, MediaKind::Audio);
    let mut reader = Reader::new(data);
    reader.skip(4)?;
    let start = index(reader.be32()?);
    let declared = reader.be32()?;
    let encoding = reader.be32()?;
    let rate = reader.be32()?;
    let channels = reader.be32()?;
    let (codec, bits) = match encoding {
        1 => (Codec::Ulaw, 8),
        2 => (Codec::Pcm, 8),
        3 => (Codec::Pcm, 16),
        4 => (Codec::Pcm, 24),
        5 | 6 => (Codec::Pcm, 32),
        7 => (Codec::Pcm, 64),
        23 => (Codec::Adpcm, 4),
        27 => (Codec::Alaw, 8),
        _ => (Codec::Unknown, 0),
    };
    let present = wide(data.len().saturating_sub(start));
    let octets = if declared == u32::MAX {
        present
    } else {
        present.min(declared.into())
    };
    let per_second = u64::from(rate)
        .saturating_mul(channels.into())
        .saturating_mul(bits);
    info.codec = Some(codec);
    info.bit_depth = u8::try_from(bits).ok().filter(|bits| *bits > 0);
    info.duration_ms = milliseconds(octets.saturating_mul(8), per_second);
    info.tracks = Some(1);
    info.audio = Some(AudioTrack {
        codec,
        sample_rate: (rate > 0).then_some(rate),
        channels: u16::try_from(channels).ok().filter(|count| *count > 0),
        bit_rate: (per_second > 0).then_some(per_second),
    });
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;

    #[test]
    fn the_common_chunk_and_its_odd_number() {
        let common = b"COMM\0\0\0\x12\0\x02\0\0\xAC\x44\0\x10\x40\x0E\xAC\x44\0\0\0\0\0\0";
        let info = known(&[b"FORM\0\0\0\x1EAIFF".as_slice(), common].concat());
        assert_eq!((info.duration_ms, info.bit_depth), (Some(1_000), Some(16)));
        let audio = info.audio.unwrap();
        assert_eq!((audio.sample_rate, audio.channels), (Some(44_100), Some(2)));
        let mut packed = [b"FORM\0\0\0\x22AIFC".as_slice(), common, b"alaw"].concat();
        packed[19] = 0x16;
        assert_eq!(known(&packed).codec, Some(Codec::Alaw));
        assert_eq!(
            extended([0x40, 0x0B, 0xFA, 0, 0, 0, 0, 0, 0, 0]),
            Some(8_000)
        );
        assert_eq!(extended([0xFF; 10]), None);
    }

    #[test]
    fn sun_audio() {
        let mut data = b".snd\0\0\0\x18\xFF\xFF\xFF\xFF\0\0\0\x01\0\0\x1F\x40\0\0\0\x01".to_vec();
        data.resize(24 + 4_000, 0);
        let info = known(&data);
        assert_eq!(
            (info.codec, info.duration_ms),
            (Some(Codec::Ulaw), Some(500))
        );
    }

    #[test]
    fn a_file_without_a_header_is_broken() {
        assert_eq!(broken(b"FORM\0\0\0\x04AIFF").what, "there is no COMM chunk");
        assert_eq!(broken(b".snd\0\0").offset, 4);
    }
}

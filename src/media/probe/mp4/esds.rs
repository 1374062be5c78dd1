//! Elementary stream descriptors (ISO/IEC 14496-1 section 7.2.6).

use super::super::aac::AudioConfig;
use super::super::bmff::IsoBox;
use super::super::bytes::{Broken, Reader, find};
use crate::media::Codec;

/// What an `esds` box says of its stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream<'a> {
    object_type: u8,
    /// Mean bits per second, 0 where unknown.
    pub(super) bit_rate: u32,
    pub(super) aac: Option<AudioConfig>,
    specific: &'a [u8],
}

/// Reads the descriptors of an `esds` box.
pub(super) fn read(esds: IsoBox<'_>) -> Option<Stream<'_>> {
    let (_, _, mut reader) = esds.full()?;
    let (tag, mut reader) = descriptor(&mut reader).ok()?;
    if tag != 3 {
        return None;
    }
    reader.skip(2).ok()?;
    let flags = reader.u8().ok()?;
    if flags & 0x80 != 0 {
        reader.skip(2).ok()?;
    }
    if flags & 0x40 != 0 {
        let url = reader.u8().ok()?;
        reader.skip(url.into()).ok()?;
    }
    if flags & 0x20 != 0 {
        reader.skip(2).ok()?;
    }
    let (tag, mut reader) = descriptor(&mut reader).ok()?;
    if tag != 4 {
        return None;
    }
    let object_type = reader.u8().ok()?;
    reader.skip(8).ok()?;
    let bit_rate = reader.be32().ok()?;
    let specific = match descriptor(&mut reader) {
        Ok((5, specific)) => specific.rest(),
        _ => &[],
    };
    let aac = matches!(object_type, 0x40 | 0x66..=0x68)
        .then(|| AudioConfig::read(specific))
        .flatten();
    Some(Stream {
        object_type,
        bit_rate,
        aac,
        specific,
    })
}

impl Stream<'_> {
    /// The codec, if the object type is one of moving pictures.
    pub(super) fn video(self) -> Option<Codec> {
        match self.object_type {
            0x20 => Some(Codec::Mpeg4Visual),
            0x21 => Some(Codec::H264),
            0x23 => Some(Codec::Hevc),
            0x60..=0x65 | 0x6A => Some(Codec::MpegVideo),
            0x6C => Some(Codec::Mjpeg),
            _ => None,
        }
    }

    /// The codec, if the object type is one of sound.
    pub(super) fn audio(self) -> Option<Codec> {
        match self.object_type {
            0x40 | 0x67 => Some(Codec::AacLc),
            0x66 | 0x68 => Some(Codec::Aac),
            0x69 | 0x6B => Some(Codec::Mp3),
            0xA0 => Some(Codec::Evrc),
            0xA1 => Some(Codec::Smv),
            0xA5 | 0xA6 => Some(Codec::Ac3),
            0xAD => Some(Codec::Opus),
            0xDD => Some(Codec::Vorbis),
            0xE1 => Some(Codec::Qcelp),
            _ => None,
        }
    }

    /// `profile_and_level_indication` of MPEG-4 Visual (ISO/IEC 14496-2 section 6.2.2).
    pub(super) fn visual_profile_and_level(self) -> Option<u8> {
        if self.object_type != 0x20 {
            return None;
        }
        let at = find(self.specific, &[0, 0, 1, 0xB0])?;
        self.specific.get(at.checked_add(4)?).copied()
    }
}

/// Tag and body of the next descriptor; a body longer than what is left is clipped.
fn descriptor<'a>(reader: &mut Reader<'a>) -> Result<(u8, Reader<'a>), Broken> {
    let tag = reader.u8()?;
    let mut length = 0_usize;
    for _ in 0..4 {
        let octet = reader.u8()?;
        length = length << 7 | usize::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            break;
        }
    }
    let at = reader.offset();
    Ok((tag, Reader::based(reader.take_up_to(length), at)))
}

//! FLAC (RFC 9639 section 8).

use super::bytes::{Bits, Broken, Reader, Steps, bit_rate, index, milliseconds, wide};
use super::mp3::id3_length;
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind};

pub(super) const MAGIC: &[u8] = b"fLaC";

/// What a STREAMINFO block says.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamInfo {
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
    pub(super) bits: u8,
    /// Samples per channel, 0 where unknown.
    pub(super) samples: u64,
}

/// Reads the body of a STREAMINFO block.
pub(super) fn stream_info(body: &[u8]) -> Option<StreamInfo> {
    let mut bits = Bits::new(body.get(10..18)?);
    let sample_rate = bits.msb(20)?;
    let channels = u16::try_from(bits.msb(3)?).ok()?.saturating_add(1);
    let depth = u8::try_from(bits.msb(5)?).ok()?.saturating_add(1);
    let samples = u64::from(bits.msb(4)?) << 32 | u64::from(bits.msb(32)?);
    (sample_rate > 0).then_some(StreamInfo {
        sample_rate,
        channels,
        bits: depth,
        samples,
    })
}

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Flac, MediaKind::Audio);
    let mut reader = Reader::new(data);
    let tag = id3_length(data);
    reader.skip(tag)?;
    reader.skip(MAGIC.len())?;
    info.metadata = tag > 0;
    let mut stream = None;
    while steps.take() {
        let at = reader.offset();
        let Ok(kind) = reader.u8() else { break };
        let Ok(length) = reader.be24() else { break };
        let body = reader.take_up_to(index(length));
        match kind & 0x7F {
            0 => {
                stream = stream_info(body);
                if stream.is_none() {
                    return Err(Broken::new(at, "the stream information is cut short"));
                }
            }
            4 | 6 => info.metadata = true,
            _ => {}
        }
        if kind & 0x80 != 0 {
            break;
        }
    }
    let stream = stream.ok_or(Broken::new(4, "there is no stream information"))?;
    info.codec = Some(Codec::Flac);
    info.bit_depth = Some(stream.bits);
    info.tracks = Some(1);
    info.duration_ms =
        milliseconds(stream.samples, stream.sample_rate.into()).filter(|_| stream.samples > 0);
    info.audio = Some(AudioTrack {
        codec: Codec::Flac,
        sample_rate: Some(stream.sample_rate),
        channels: Some(stream.channels),
        bit_rate: info
            .duration_ms
            .and_then(|duration| bit_rate(wide(reader.rest().len()), duration)),
    });
    Ok(info)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{broken, known};
    use super::*;

    /// STREAMINFO of 44.1 kHz, stereo, 16 bits, 441,000 samples.
    pub(in super::super) fn block() -> Vec<u8> {
        let mut block = vec![0; 10];
        let packed = 44_100_u64 << 44 | 1 << 41 | 15 << 36 | 441_000;
        block.extend(packed.to_be_bytes());
        block.resize(34, 0);
        block
    }

    #[test]
    fn stream_information_is_read() {
        let data = [MAGIC, &[0x80, 0, 0, 34], &block()].concat();
        let info = known(&data);
        assert_eq!((info.duration_ms, info.bit_depth), (Some(10_000), Some(16)));
        let audio = info.audio.unwrap();
        assert_eq!((audio.sample_rate, audio.channels), (Some(44_100), Some(2)));
        let tagged = [b"ID3\x03\0\0\0\0\0\x02ab".as_slice(), &data].concat();
        assert_eq!(known(&tagged).format, Format::Flac);
    }

    #[test]
    fn without_it_the_file_is_broken() {
        assert_eq!(broken(MAGIC).what, "there is no stream information");
        assert_eq!(broken(b"fLaC\x80\0\0\x22abc").offset, 4);
    }
}

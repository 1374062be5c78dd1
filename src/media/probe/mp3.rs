//! MPEG audio layers I to III, and ID3 tags (ISO/IEC 11172-3 section 2.4, 13818-3, ID3v2.4).

use super::bytes::{Broken, Reader, Steps, bit_rate, find, head, milliseconds, wide};
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind};

/// Octets of the ID3v2 tag that `data` starts with, 0 if it starts with none.
pub(super) fn id3_length(data: &[u8]) -> usize {
    let Some([b'I', b'D', b'3', _, _, flags, a, b, c, d]) = data.first_chunk::<10>() else {
        return 0;
    };
    let body = [a, b, c, d]
        .iter()
        .fold(0_usize, |sum, octet| sum << 7 | usize::from(**octet & 0x7F));
    let footer = if flags & 0x10 != 0 { 10 } else { 0 };
    body.saturating_add(10).saturating_add(footer)
}

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    version_1: bool,
    layer: u8,
    /// Bits per second.
    bit_rate: u64,
    sample_rate: u32,
    channels: u16,
    length: usize,
}

impl Frame {
    fn read(data: &[u8]) -> Option<Self> {
        let [sync, a, b, c] = *data.first_chunk::<4>()?;
        if sync != 0xFF || a & 0xE0 != 0xE0 {
            return None;
        }
        let (version_1, shift) = match a >> 3 & 3 {
            0 => (false, 2),
            2 => (false, 1),
            3 => (true, 0),
            _ => return None,
        };
        let layer = 4_u8.checked_sub(a >> 1 & 3).filter(|layer| *layer < 4)?;
        let table = match (version_1, layer) {
            (true, 1) => RATES_1_1,
            (true, 2) => RATES_1_2,
            (true, _) => RATES_1_3,
            (false, 1) => RATES_2_1,
            (false, _) => RATES_2_23,
        };
        // Index 0 is the free format, which no message carries; its frames have no known length.
        let kilobits = *table.get(usize::from(b >> 4).checked_sub(1)?)?;
        let sample_rate = [44_100_u32, 48_000, 32_000].get(usize::from(b >> 2 & 3))? >> shift;
        let padding = u64::from(b >> 1 & 1);
        let bit_rate = u64::from(kilobits).saturating_mul(1000);
        let slots = |factor: u64| {
            factor
                .saturating_mul(bit_rate)
                .checked_div(sample_rate.into())
                .map(|slots| slots.saturating_add(padding))
        };
        let length = match layer {
            1 => slots(12)?.saturating_mul(4),
            3 if !version_1 => slots(72)?,
            _ => slots(144)?,
        };
        Some(Self {
            version_1,
            layer,
            bit_rate,
            sample_rate,
            channels: if c >> 6 == 3 { 1 } else { 2 },
            length: usize::try_from(length).ok()?,
        })
    }

    const fn samples(self) -> u64 {
        match (self.layer, self.version_1) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1152,
        }
    }

    /// Whether two frames can be neighbours.
    fn like(self, other: Self) -> bool {
        (self.version_1, self.layer, self.sample_rate)
            == (other.version_1, other.layer, other.sample_rate)
    }

    /// Frames that a Xing, Info or VBRI header in this frame counts.
    fn counted(self, frame: &[u8]) -> Option<u64> {
        let side = match (self.version_1, self.channels) {
            (true, 1) | (false, 2) => 17,
            (true, _) => 32,
            (false, _) => 9,
        };
        let mut reader = Reader::new(frame);
        reader.skip(4_usize.checked_add(side)?).ok()?;
        if matches!(&reader.array().ok()?, b"Xing" | b"Info") {
            let flags = reader.be32().ok()?;
            return (flags & 1 != 0).then(|| reader.be32().ok())?.map(u64::from);
        }
        let mut reader = Reader::new(frame);
        reader.skip(36).ok()?;
        if &reader.array().ok()? == b"VBRI" {
            reader.skip(10).ok()?;
            return reader.be32().ok().map(u64::from);
        }
        None
    }
}

/// Kilobits per second by index from 1 (ISO/IEC 11172-3 table in section 2.4.2.3, 13818-3).
const RATES_1_1: [u16; 14] = [
    32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
];
const RATES_1_2: [u16; 14] = [
    32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
];
const RATES_1_3: [u16; 14] = [
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
const RATES_2_1: [u16; 14] = [
    32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
];
const RATES_2_23: [u16; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Whether frames start here: two like ones in a row, or one that ends with the data.
pub(super) fn sniff(data: &[u8]) -> bool {
    first_frame(data).is_some()
}

fn first_frame(data: &[u8]) -> Option<Frame> {
    let first = Frame::read(data)?;
    let rest = data.get(first.length..)?;
    let followed = rest.is_empty()
        || rest.starts_with(b"TAG")
        || Frame::read(rest).is_some_and(|second| second.like(first));
    followed.then_some(first)
}

/// How far behind a tag the first frame may start: encoders pad.
const PADDING: usize = 64 << 10;

/// Reads the frames behind an ID3 tag, if there is one. The count of a Xing or VBRI header is
/// taken as it is; without one the frames are walked, and where steps run out the rest is taken to
/// be like what was walked.
pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let tag = id3_length(data);
    let stream = data.get(tag..).unwrap_or_default();
    let (skipped, first) = head(stream, PADDING)
        .iter()
        .enumerate()
        .filter(|(_, octet)| **octet == 0xFF)
        .find_map(|(at, _)| Some((at, first_frame(stream.get(at..)?)?)))
        .ok_or(Broken::new(
            tag.min(data.len()),
            "there is no frame behind the tag",
        ))?;
    let stream = stream.get(skipped..).unwrap_or_default();
    let (frames, octets) = match first.counted(head(stream, first.length)) {
        Some(frames) if frames > 0 => (frames, wide(stream.len())),
        _ => walk(stream, first, steps),
    };
    let mut info = MediaInfo::new(Format::Mp3, MediaKind::Audio);
    let codec = if first.layer == 3 {
        Codec::Mp3
    } else {
        Codec::Mp2
    };
    info.codec = Some(codec);
    info.metadata = tag > 0 || find(super::bytes::tail(data, 128), b"TAG") == Some(0);
    info.duration_ms = milliseconds(
        frames.saturating_mul(first.samples()),
        first.sample_rate.into(),
    );
    info.tracks = Some(1);
    info.audio = Some(AudioTrack {
        codec,
        sample_rate: Some(first.sample_rate),
        channels: Some(first.channels),
        bit_rate: info
            .duration_ms
            .and_then(|duration| bit_rate(octets, duration))
            .or(Some(first.bit_rate)),
    });
    Ok(info)
}

/// Frames of a stream and the octets they take.
fn walk(stream: &[u8], first: Frame, steps: &Steps) -> (u64, u64) {
    let mut reader = Reader::new(stream);
    let mut frames = 0_u64;
    while let Some(frame) = Frame::read(reader.rest()).filter(|frame| frame.like(first)) {
        if !steps.take() {
            let estimated = u128::from(frames)
                .saturating_mul(wide(stream.len()).into())
                .checked_div(wide(reader.offset()).into())
                .and_then(|frames| u64::try_from(frames).ok());
            return (estimated.unwrap_or(frames), wide(stream.len()));
        }
        reader.take_up_to(frame.length.max(1));
        frames = frames.saturating_add(1);
    }
    (frames, wide(reader.offset()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;

    /// MPEG-1 layer III, 128 kbit/s, 44.1 kHz, joint stereo: 417 octets.
    fn frame() -> Vec<u8> {
        let mut frame = vec![0xFF, 0xFB, 0x90, 0x40];
        frame.resize(417, 0);
        frame
    }

    #[test]
    fn constant_rate_is_walked() {
        let info = known(&frame().repeat(100));
        assert_eq!((info.format, info.codec), (Format::Mp3, Some(Codec::Mp3)));
        assert_eq!(info.duration_ms, Some(2_612));
        let audio = info.audio.unwrap();
        assert_eq!((audio.sample_rate, audio.channels), (Some(44_100), Some(2)));
        assert!((127_000..129_000).contains(&audio.bit_rate.unwrap()));
    }

    #[test]
    fn a_xing_header_counts_and_a_tag_is_skipped() {
        let mut first = frame();
        first[36..44].copy_from_slice(b"Xing\0\0\0\x01");
        first[44..48].copy_from_slice(&1000_u32.to_be_bytes());
        let tag = b"ID3\x04\0\0\0\0\0\x05hello\0\0\0";
        let info = known(&[tag.as_slice(), &first, &frame()].concat());
        assert_eq!(info.duration_ms, Some(26_122));
        assert!(info.metadata);
    }

    #[test]
    fn low_sampling_rates_and_layer_two() {
        // MPEG-2 layer III, 64 kbit/s, 22.05 kHz, mono: 208 octets.
        let mut low = vec![0xFF, 0xF3, 0x80, 0xC0];
        low.resize(208, 0);
        let info = known(&low.repeat(10));
        assert_eq!(info.duration_ms, Some(261));
        assert_eq!(info.audio.unwrap().channels, Some(1));
        // MPEG-1 layer II, 192 kbit/s, 48 kHz: 576 octets.
        let mut two = vec![0xFF, 0xFD, 0xA4, 0x00];
        two.resize(576, 0);
        assert_eq!(known(&two.repeat(4)).codec, Some(Codec::Mp2));
    }

    #[test]
    fn a_lone_sync_word_is_not_enough() {
        assert_eq!(
            known(&[0xFF, 0xFB, 0x90, 0x40, 0, 0]).format,
            Format::Unknown
        );
        assert_eq!(broken(b"ID3\x04\0\0\0\0\0\x05hello").offset, 15);
        assert_eq!(broken(b"ID3\x04\0\0\x7F\x7F\x7F\x7F").offset, 10);
    }
}

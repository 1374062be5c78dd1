//! MPEG program, transport and elementary video streams (ISO/IEC 13818-1, 13818-2, 14496-2).

use super::bytes::{Bits, Broken, Reader, Steps, find, head, tail};
use crate::dimensions::Dimensions;
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind, VideoTrack};

const PACK: &[u8] = &[0, 0, 1, 0xBA];
const SEQUENCE: &[u8] = &[0, 0, 1, 0xB3];
const PACKET: usize = 188;

/// Octets of the start in which headers are looked for, and of the end for the last time stamp.
const WINDOW: usize = 256 << 10;

/// Whether this is a program stream or an MPEG-1, MPEG-2 or MPEG-4 Visual elementary stream.
pub(super) fn sniff(data: &[u8]) -> bool {
    data.starts_with(PACK) || data.starts_with(SEQUENCE) || data.starts_with(&[0, 0, 1, 0xB0])
}

/// Whether packets of 188 octets, or of 192 with a time stamp in front, start here.
pub(super) fn sniff_transport(data: &[u8]) -> bool {
    transport_shape(data).is_some()
}

/// Octets in front of each packet.
fn transport_shape(data: &[u8]) -> Option<usize> {
    [0, 4].into_iter().find(|extra| {
        let stride = PACKET.saturating_add(*extra);
        (0..3_usize).all(|packet| {
            let at = stride.saturating_mul(packet).saturating_add(*extra);
            data.get(at) == Some(&0x47)
        })
    })
}

pub(super) fn read(data: &[u8], _: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::MpegStream, MediaKind::Video);
    let start = head(data, WINDOW);
    if let Some(at) = find(start, SEQUENCE) {
        let mut bits = Bits::new(start.get(at.saturating_add(4)..).unwrap_or_default());
        if let (Some(width), Some(height), Some(_), Some(rate)) =
            (bits.msb(12), bits.msb(12), bits.msb(4), bits.msb(4))
        {
            info.size = Some(Dimensions::new(width, height));
            info.video = Some(VideoTrack {
                size: info.size,
                millihertz: frame_rate(rate),
                ..VideoTrack::new(Codec::MpegVideo)
            });
        }
    } else if data.starts_with(&[0, 0, 1, 0xB0]) {
        info.video = Some(VideoTrack {
            profile: data.get(4).map(|code| u16::from(code >> 4)),
            level: data.get(4).map(|code| u16::from(code & 15)),
            ..VideoTrack::new(Codec::Mpeg4Visual)
        });
    }
    if data.starts_with(PACK) {
        if start
            .windows(4)
            .any(|code| matches!(code, [0, 0, 1, 0xC0..=0xDF]))
        {
            info.audio = Some(AudioTrack::new(Codec::Mp2));
        }
        let frame = info.video.as_ref().and_then(|video| video.millihertz);
        let first = packets(start).filter_map(presentation).min();
        let last = packets(tail(data, WINDOW)).filter_map(presentation).max();
        info.duration_ms = span(first, last, frame);
    }
    finish(&mut info);
    Ok(info)
}

/// The packets of a program stream's window, each from its start code on.
fn packets(window: &[u8]) -> impl Iterator<Item = &[u8]> {
    window
        .windows(4)
        .enumerate()
        .filter(|(_, code)| matches!(code, [0, 0, 1, 0xC0..=0xEF]))
        .filter_map(|(at, _)| window.get(at..))
}

/// The presentation time stamp of a packet, at 90 kHz (ISO/IEC 13818-1 section 2.4.3.6, 11172-1
/// section 2.4.3.3).
fn presentation(packet: &[u8]) -> Option<u64> {
    if !matches!(packet.first_chunk::<4>()?, [0, 0, 1, 0xC0..=0xEF]) {
        return None;
    }
    let mut header = packet.get(6..)?;
    if header.first()? >> 6 == 2 {
        if header.get(1)? & 0x80 == 0 {
            return None;
        }
        header = header.get(3..)?;
    } else {
        let stuffing = header.iter().take(16).take_while(|octet| **octet == 0xFF);
        header = header.get(stuffing.count()..)?;
        if header.first()? >> 6 == 1 {
            header = header.get(2..)?;
        }
    }
    let mut bits = Bits::new(header);
    if !matches!(bits.msb(4)?, 2 | 3) {
        return None;
    }
    let high = u64::from(bits.msb(3)?);
    bits.msb(1)?;
    let middle = u64::from(bits.msb(15)?);
    bits.msb(1)?;
    let low = u64::from(bits.msb(15)?);
    Some(high << 30 | middle << 15 | low)
}

/// Milliseconds from the first stamp to the end of the frame with the last one.
fn span(first: Option<u64>, last: Option<u64>, millihertz: Option<u32>) -> Option<u64> {
    let ticks = last?.checked_sub(first?)?;
    let frame = 1_000_000_u32.checked_div(millihertz.unwrap_or(0));
    (ticks / 90).checked_add(frame.unwrap_or(0).into())
}

/// Frames per 1000 seconds by `frame_rate_code`.
const fn frame_rate(code: u32) -> Option<u32> {
    Some(match code {
        1 => 23_976,
        2 => 24_000,
        3 => 25_000,
        4 => 29_970,
        5 => 30_000,
        6 => 50_000,
        7 => 59_940,
        8 => 60_000,
        _ => return None,
    })
}

/// Reads a transport stream: the first program's stream types and the span of its time stamps. The
/// size of its pictures is in the codec's own headers, which are not read.
pub(super) fn read_transport(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::MpegStream, MediaKind::Video);
    let extra = transport_shape(data).ok_or(Broken::new(0, "no transport packets"))?;
    let stride = PACKET.saturating_add(extra);
    let mut map_pid = None;
    let mut mapped = false;
    let mut first = None;
    for packet in head(data, WINDOW).chunks_exact(stride) {
        if !steps.take() {
            break;
        }
        let Some(packet) = Packet::read(packet.get(extra..).unwrap_or_default()) else {
            continue;
        };
        if packet.starts && packet.pid == 0 && map_pid.is_none() {
            map_pid = program_map(packet.payload);
        } else if packet.starts && Some(packet.pid) == map_pid && !mapped {
            mapped = true;
            // A table that is cut names the streams it names.
            let _ = streams(&mut info, packet.payload);
        }
        let stamp = presentation(packet.payload).filter(|_| packet.starts);
        first = stamp.into_iter().chain(first).min();
    }
    let skip = data.len().saturating_sub(WINDOW).div_ceil(stride);
    let end = data.get(skip.saturating_mul(stride)..).unwrap_or_default();
    let stamps = || {
        end.chunks_exact(stride)
            .filter_map(|packet| Packet::read(packet.get(extra..)?))
            .filter(|packet| packet.starts)
            .filter_map(|packet| Some((presentation(packet.payload)?, packet.pid)))
    };
    let last = stamps().max();
    // The last frame lasts as long as the one before it.
    let before = last.and_then(|(last, of)| {
        stamps()
            .filter(|(stamp, pid)| *pid == of && *stamp < last)
            .map(|(stamp, _)| last.saturating_sub(stamp))
            .min()
    });
    let frame = before.filter(|ticks| *ticks < 90_000).unwrap_or(0);
    let end = last.map(|(last, _)| last.saturating_add(frame));
    info.duration_ms = span(first, end, None);
    finish(&mut info);
    Ok(info)
}

struct Packet<'a> {
    pid: u16,
    starts: bool,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        if reader.u8().ok()? != 0x47 {
            return None;
        }
        let word = reader.be16().ok()?;
        let control = reader.u8().ok()? >> 4 & 3;
        if control & 2 != 0 {
            let length = reader.u8().ok()?;
            reader.skip(length.into()).ok()?;
        }
        Some(Self {
            pid: word & 0x1FFF,
            starts: word & 0x4000 != 0,
            payload: if control & 1 != 0 { reader.rest() } else { &[] },
        })
    }
}

/// The PID of the first program's map, from a program association table.
fn program_map(payload: &[u8]) -> Option<u16> {
    let mut reader = Reader::new(payload);
    let pointer = reader.u8().ok()?;
    reader.skip(pointer.into()).ok()?;
    reader.skip(8).ok()?;
    loop {
        let program = reader.be16().ok()?;
        let pid = reader.be16().ok()? & 0x1FFF;
        if program != 0 {
            return Some(pid);
        }
    }
}

/// Takes in the stream types of a program map table.
fn streams(info: &mut MediaInfo, payload: &[u8]) -> Result<(), Broken> {
    let mut reader = Reader::new(payload);
    let pointer = reader.u8()?;
    reader.skip(pointer.into())?;
    reader.skip(1)?;
    let length = usize::from(reader.be16()? & 0xFFF);
    let mut reader = Reader::new(reader.take_up_to(length.saturating_sub(4)));
    reader.skip(7)?;
    let descriptors = reader.be16()? & 0xFFF;
    reader.skip(descriptors.into())?;
    while !reader.rest().is_empty() {
        let (video, audio) = match reader.u8()? {
            0x01 | 0x02 => (Some(Codec::MpegVideo), None),
            0x03 | 0x04 => (None, Some(Codec::Mp2)),
            0x0F | 0x11 => (None, Some(Codec::AacLc)),
            0x10 => (Some(Codec::Mpeg4Visual), None),
            0x1B => (Some(Codec::H264), None),
            0x24 => (Some(Codec::Hevc), None),
            0x81 | 0x87 => (None, Some(Codec::Ac3)),
            _ => (None, None),
        };
        reader.skip(2)?;
        let descriptors = reader.be16()? & 0xFFF;
        reader.skip(descriptors.into())?;
        info.video = info.video.take().or(video.map(VideoTrack::new));
        info.audio = info.audio.take().or(audio.map(AudioTrack::new));
    }
    Ok(())
}

fn finish(info: &mut MediaInfo) {
    if info.video.is_none() && info.audio.is_some() {
        info.kind = MediaKind::Audio;
    }
    let tracks = u16::from(info.video.is_some()).saturating_add(info.audio.is_some().into());
    info.tracks = (tracks > 0).then_some(tracks);
    info.codec = (info.video.as_ref().map(|video| video.codec))
        .or(info.audio.as_ref().map(|audio| audio.codec));
}

#[cfg(test)]
mod tests {
    use super::super::tests::known;
    use super::*;

    /// A packet of MPEG-2 with this second as its time stamp.
    fn packet(stream: u8, seconds: u64) -> Vec<u8> {
        let ticks = seconds * 90_000;
        let packed = 2 << 36
            | (ticks >> 30 & 7) << 33
            | 1 << 32
            | (ticks >> 15 & 0x7FFF) << 17
            | 1 << 16
            | (ticks & 0x7FFF) << 1
            | 1_u64;
        let head = [0, 0, 1, stream, 0, 8, 0x80, 0x80, 5];
        [head.as_slice(), &packed.to_be_bytes()[3..]].concat()
    }

    #[test]
    fn a_program_stream() {
        let sequence = [SEQUENCE, &[0x0B, 0x00, 0x90, 0x13]].concat();
        let data = [PACK, &[0; 8], &sequence, &packet(0xE0, 1), &packet(0xC0, 4)].concat();
        let info = known(&data);
        assert_eq!(info.size, Some(Dimensions::new(176, 144)));
        assert_eq!((info.duration_ms, info.tracks), (Some(3_040), Some(2)));
        assert_eq!(info.video.unwrap().millihertz, Some(25_000));
    }

    #[test]
    fn a_transport_stream() {
        let transport = |pid: u16, body: &[u8]| {
            let [high, low] = (pid | 0x4000).to_be_bytes();
            let mut packet = [&[0x47, high, low, 0x10], body].concat();
            packet.resize(PACKET, 0xFF);
            packet
        };
        let association = transport(0, &[0, 0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE1, 0]);
        let map = transport(
            0x100,
            &[
                0, 2, 0xB0, 23, 0, 1, 0xC1, 0, 0, 0xE1, 1, 0xF0, 0, 0x1B, 0xE1, 1, 0xF0, 0, 0x0F,
                0xE1, 2, 0xF0, 0, 0, 0, 0, 0,
            ],
        );
        let first = transport(0x101, &packet(0xE0, 7));
        let data = [association, map, first, transport(0x101, &packet(0xE0, 9))].concat();
        let info = known(&data);
        assert_eq!(
            (info.codec, info.duration_ms),
            (Some(Codec::H264), Some(2_000))
        );
        assert_eq!(info.audio.unwrap().codec, Codec::AacLc);
    }
}

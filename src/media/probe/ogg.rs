//! Ogg: the first packets and the last position (RFC 3533, RFC 7845, RFC 9639 section 10.1).

use super::bytes::{Broken, Reader, Steps, bit_rate, find_last, milliseconds, tail, wide};
use super::flac;
use crate::dimensions::Dimensions;
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind, VideoTrack};

/// How the positions of a logical stream count time.
#[derive(Debug, Clone, Copy)]
enum Clock {
    /// Units per second, after so many to skip.
    Samples { rate: u32, skip: u64 },
    /// Frames, as the last key frame and the distance from it.
    Frames {
        numerator: u32,
        denominator: u32,
        shift: u32,
    },
}

impl Clock {
    fn milliseconds(self, position: u64) -> Option<u64> {
        match self {
            Self::Samples { rate, skip } => {
                milliseconds(position.saturating_sub(skip), rate.into())
            }
            Self::Frames {
                numerator,
                denominator,
                shift,
            } => {
                let key = position.checked_shr(shift)?;
                let since = position.checked_sub(key.checked_shl(shift)?)?;
                let units = key.saturating_add(since).checked_mul(denominator.into())?;
                milliseconds(units, numerator.into())
            }
        }
    }
}

/// A page up to its first packet.
struct Page<'a> {
    first: bool,
    position: u64,
    serial: u32,
    body: Reader<'a>,
}

impl<'a> Page<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Broken> {
        let at = reader.offset();
        if reader.take(4)? != b"OggS" {
            return Err(Broken::new(at, "no page starts here"));
        }
        reader.skip(1)?;
        let first = reader.u8()? & 2 != 0;
        let position = reader.le64()?;
        let serial = reader.le32()?;
        reader.skip(8)?;
        let segments = reader.u8()?;
        let length = reader
            .take(segments.into())?
            .iter()
            .fold(0_usize, |sum, lace| sum.saturating_add((*lace).into()));
        let start = reader.offset();
        Ok(Self {
            first,
            position,
            serial,
            body: Reader::based(reader.take_up_to(length), start),
        })
    }
}

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Ogg, MediaKind::Other);
    let mut reader = Reader::new(data);
    let mut clocks = Vec::new();
    let mut streams = 0_u16;
    // The first pages of all streams come before any other page.
    while steps.take() {
        let page = match Page::read(&mut reader) {
            Ok(page) => page,
            Err(broken) if streams == 0 => return Err(broken),
            Err(_) => break,
        };
        if !page.first || clocks.len() >= MOST_STREAMS {
            break;
        }
        streams = streams.saturating_add(1);
        if let Some(clock) = first_packet(&mut info, page.body) {
            clocks.push((page.serial, clock));
        }
    }
    info.tracks = Some(streams);
    info.kind = match (&info.video, &info.audio) {
        (Some(_), _) => MediaKind::Video,
        (None, Some(_)) => MediaKind::Audio,
        (None, None) => MediaKind::Other,
    };
    info.codec = (info.video.as_ref().map(|track| track.codec))
        .or(info.audio.as_ref().map(|track| track.codec));
    info.duration_ms = last_position(data, &clocks, steps);
    if info.video.is_none()
        && let (Some(audio), Some(duration)) = (&mut info.audio, info.duration_ms)
    {
        audio.bit_rate = bit_rate(wide(data.len()), duration);
    }
    Ok(info)
}

const MOST_STREAMS: usize = 16;

/// Takes in the first packet of a stream; gives its clock where the codec is known.
fn first_packet(info: &mut MediaInfo, mut packet: Reader<'_>) -> Option<Clock> {
    let whole = packet.rest();
    let (codec, channels, rate, skip) = if whole.starts_with(b"\x01vorbis") {
        packet.skip(11).ok()?;
        let channels = u16::from(packet.u8().ok()?);
        (Codec::Vorbis, channels, packet.le32().ok()?, 0)
    } else if whole.starts_with(b"OpusHead") {
        packet.skip(9).ok()?;
        let channels = u16::from(packet.u8().ok()?);
        let skip = u64::from(packet.le16().ok()?);
        (Codec::Opus, channels, 48_000, skip)
    } else if whole.starts_with(b"\x7FFLAC") {
        let stream = flac::stream_info(whole.get(17..)?)?;
        (Codec::Flac, stream.channels, stream.sample_rate, 0)
    } else if whole.starts_with(b"Speex   ") {
        packet.skip(36).ok()?;
        let rate = packet.le32().ok()?;
        packet.skip(8).ok()?;
        let channels = u16::try_from(packet.le32().ok()?).ok()?;
        (Codec::Speex, channels, rate, 0)
    } else if whole.starts_with(b"\x80theora") {
        return theora(info, packet);
    } else {
        return None;
    };
    info.audio.get_or_insert(AudioTrack {
        codec,
        sample_rate: (rate > 0).then_some(rate),
        channels: (channels > 0).then_some(channels),
        bit_rate: None,
    });
    Some(Clock::Samples { rate, skip })
}

/// The identification header of Theora (Theora I section 6.2).
fn theora(info: &mut MediaInfo, mut packet: Reader<'_>) -> Option<Clock> {
    packet.skip(14).ok()?;
    let (width, height) = (packet.be24().ok()?, packet.be24().ok()?);
    packet.skip(2).ok()?;
    let (numerator, denominator) = (packet.be32().ok()?, packet.be32().ok()?);
    packet.skip(10).ok()?;
    let shift = u32::from(packet.be16().ok()? >> 5 & 31);
    let size = Dimensions::new(width, height);
    info.size.get_or_insert(size);
    info.video.get_or_insert(VideoTrack {
        size: Some(size),
        millihertz: u64::from(numerator)
            .saturating_mul(1000)
            .checked_div(denominator.into())
            .and_then(|rate| u32::try_from(rate).ok()),
        ..VideoTrack::new(Codec::Theora)
    });
    Some(Clock::Frames {
        numerator,
        denominator,
        shift,
    })
}

/// The latest time of any stream, from the last pages: each page holds less than 64 KiB, so two
/// pages' worth of the end holds a whole one.
fn last_position(data: &[u8], clocks: &[(u32, Clock)], steps: &Steps) -> Option<u64> {
    let mut end = tail(data, 2 << 16);
    let mut latest = None;
    while let Some(at) = find_last(end, b"OggS").filter(|_| steps.take()) {
        let (before, page) = end.split_at_checked(at)?;
        end = before;
        let Ok(page) = Page::read(&mut Reader::new(page)) else {
            continue;
        };
        // A page on which no packet ends has no position.
        if page.position == u64::MAX {
            continue;
        }
        let clock = clocks.iter().find(|(serial, _)| *serial == page.serial);
        let time = clock.and_then(|(_, clock)| clock.milliseconds(page.position));
        latest = latest.max(time);
    }
    latest
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;

    fn page(flags: u8, position: u64, serial: u32, packet: &[u8]) -> Vec<u8> {
        let lace = u8::try_from(packet.len()).unwrap();
        [
            b"OggS\0".as_slice(),
            &[flags],
            &position.to_le_bytes(),
            &serial.to_le_bytes(),
            &[0; 8],
            &[1, lace],
            packet,
        ]
        .concat()
    }

    #[test]
    fn vorbis_and_opus_last_to_their_final_position() {
        let vorbis = b"\x01vorbis\0\0\0\0\x02\x44\xAC\0\0";
        let data = [page(2, 0, 7, vorbis), page(4, 88_200, 7, b"x")].concat();
        let info = known(&data);
        assert_eq!(
            (info.codec, info.duration_ms),
            (Some(Codec::Vorbis), Some(2_000))
        );
        assert_eq!(info.kind, MediaKind::Audio);
        let opus = b"OpusHead\x01\x01\x38\x01\x80\x3E\0\0\0\0\0";
        let data = [page(2, 0, 7, opus), page(4, 48_312, 7, b"x")].concat();
        let info = known(&data);
        assert_eq!(
            (info.codec, info.duration_ms),
            (Some(Codec::Opus), Some(1_000))
        );
        assert_eq!(info.audio.unwrap().channels, Some(1));
    }

    #[test]
    fn flac_and_speex() {
        let head = [
            b"\x7FFLAC\x01\0\0\x01fLaC\x80\0\0\x22".as_slice(),
            &flac::tests::block(),
        ];
        let info = known(&page(2, 0, 1, &head.concat()));
        assert_eq!(info.audio.unwrap().sample_rate, Some(44_100));
        let mut speex = b"Speex   ".to_vec();
        speex.resize(36, 0);
        speex.extend([0x40, 0x1F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        let info = known(&page(2, 0, 1, &speex));
        assert_eq!(info.audio.unwrap().sample_rate, Some(8_000));
    }

    #[test]
    fn theora_counts_from_its_key_frame() {
        let mut head = b"\x80theora\x03\x02\x01\0\x04\0\x03\0\0\x40\0\0\x30\0\0".to_vec();
        head.extend([0, 0, 0, 25, 0, 0, 0, 1]);
        head.extend([0; 10]);
        head.extend([0x00, 0xC0]);
        let data = [page(2, 0, 1, &head), page(4, 40 << 6 | 10, 1, b"x")].concat();
        let info = known(&data);
        assert_eq!(info.size, Some(Dimensions::new(64, 48)));
        assert_eq!(
            (info.kind, info.duration_ms),
            (MediaKind::Video, Some(2_000))
        );
    }

    #[test]
    fn a_cut_first_page_is_broken() {
        assert_eq!(broken(b"OggS\0\x02").offset, 6);
    }
}

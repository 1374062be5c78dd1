//! ASF: WMA and WMV (Advanced Systems Format specification, section 3).

use super::avi::{bitmap_size, video_codec};
use super::bytes::{Broken, Reader, Steps, index};
use super::wav::WaveFormat;
use crate::media::{Format, MediaInfo, MediaKind, VideoTrack};

/// First octets of the header object's identifier.
pub(super) const MAGIC: &[u8] = &[
    0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C,
];

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Asf, MediaKind::Other);
    let mut reader = Reader::new(data);
    reader.skip(MAGIC.len())?;
    let length = reader.le64()?;
    reader.skip(6)?;
    let start = reader.offset();
    let length = index(length).saturating_sub(start);
    let mut reader = Reader::based(reader.take_up_to(length), start);
    let mut streams = 0_u16;
    while !reader.rest().is_empty() && steps.take() {
        let at = reader.offset();
        let id = reader.array::<16>()?;
        let length = index(reader.le64()?)
            .checked_sub(24)
            .ok_or(Broken::new(at, "an object is shorter than its own header"))?;
        let start = reader.offset();
        let body = Reader::based(reader.take_up_to(length), start);
        match id {
            [0xA1, 0xDC, 0xAB, 0x8C, ..] => info.duration_ms = Some(duration(body)?),
            [0x91, 0x07, 0xDC, 0xB7, ..] => {
                streams = streams.saturating_add(1);
                stream(&mut info, body)?;
            }
            [0x33, 0x26, 0xB2, 0x75, ..] => info.metadata = true,
            _ => {}
        }
    }
    info.tracks = Some(streams);
    info.kind = match (&info.video, &info.audio) {
        (Some(_), _) => MediaKind::Video,
        (None, Some(_)) => MediaKind::Audio,
        (None, None) => MediaKind::Other,
    };
    info.size = info.video.as_ref().and_then(|video| video.size);
    info.codec = (info.video.as_ref().map(|video| video.codec))
        .or(info.audio.as_ref().map(|audio| audio.codec));
    Ok(info)
}

/// Milliseconds by the file properties object, pre-roll taken off.
fn duration(mut body: Reader<'_>) -> Result<u64, Broken> {
    body.skip(40)?;
    let play = body.le64()? / 10_000;
    body.skip(8)?;
    Ok(play.saturating_sub(body.le64()?))
}

fn stream(info: &mut MediaInfo, mut body: Reader<'_>) -> Result<(), Broken> {
    let kind = body.array::<16>()?;
    body.skip(38)?;
    match kind {
        [0x40, 0x9E, 0x69, 0xF8, ..] if info.audio.is_none() => {
            info.audio = Some(WaveFormat::read(body)?.track());
        }
        [0xC0, 0xEF, 0x19, 0xBC, ..] if info.video.is_none() => {
            body.skip(11)?;
            let size = bitmap_size(&mut body)?;
            body.skip(4)?;
            info.video = Some(VideoTrack {
                size: Some(size),
                ..VideoTrack::new(video_codec(body.array()?))
            });
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::Codec;

    fn object(id: [u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u64::try_from(body.len() + 24).unwrap().to_le_bytes();
        [id.as_slice(), &[0; 12], &length, body].concat()
    }

    fn file(objects: &[Vec<u8>]) -> Vec<u8> {
        let body = objects.concat();
        let length = u64::try_from(body.len() + 30).unwrap().to_le_bytes();
        [MAGIC, &length, &[0; 6], &body].concat()
    }

    #[test]
    fn streams_and_duration() {
        let mut properties = vec![0; 40];
        properties.extend(50_000_000_u64.to_le_bytes());
        properties.extend([0; 8]);
        properties.extend(3_000_u64.to_le_bytes());
        let mut video = vec![0xC0, 0xEF, 0x19, 0xBC];
        video.resize(54 + 11, 0);
        video.extend([40, 0, 0, 0, 64, 0, 0, 0, 48, 0, 0, 0, 1, 0, 24, 0]);
        video.extend(b"WMV2");
        let mut audio = vec![0x40, 0x9E, 0x69, 0xF8];
        audio.resize(54, 0);
        audio.extend([0x61, 1, 2, 0, 0x44, 0xAC, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0]);
        let info = known(&file(&[
            object([0xA1, 0xDC, 0xAB, 0x8C], &properties),
            object([0x91, 0x07, 0xDC, 0xB7], &video),
            object([0x91, 0x07, 0xDC, 0xB7], &audio),
        ]));
        assert_eq!(
            (info.kind, info.duration_ms),
            (MediaKind::Video, Some(2_000))
        );
        assert_eq!(info.size, Some(Dimensions::new(64, 48)));
        assert_eq!((info.codec, info.tracks), (Some(Codec::Wmv), Some(2)));
        assert_eq!(info.audio.unwrap().codec, Codec::Wma);
    }

    #[test]
    fn an_object_shorter_than_its_header_is_broken() {
        let mut data = file(&[object([1, 2, 3, 4], b"")]);
        data[30 + 16] = 23;
        assert_eq!(broken(&data).offset, 30);
    }
}

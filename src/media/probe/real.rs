//! RealMedia: the `PROP` and `MDPR` chunks.

use super::bytes::{Broken, Reader, Steps, index};
use crate::dimensions::Dimensions;
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind, VideoTrack};

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::RealMedia, MediaKind::Audio);
    if data.starts_with(b".ra\xFD") {
        info.codec = Some(Codec::RealAudio);
        info.audio = Some(AudioTrack::new(Codec::RealAudio));
        info.tracks = Some(1);
        return Ok(info);
    }
    let mut reader = Reader::new(data);
    let mut streams = 0_u16;
    while !reader.rest().is_empty() && steps.take() {
        let at = reader.offset();
        let kind = reader.array::<4>()?;
        let length = index(reader.be32()?)
            .checked_sub(8)
            .ok_or(Broken::new(at, "a chunk is shorter than its own header"))?;
        let start = reader.offset();
        let mut body = Reader::based(reader.take_up_to(length), start);
        match &kind {
            b"PROP" => {
                body.skip(22)?;
                info.duration_ms = Some(body.be32()?.into());
            }
            b"MDPR" => {
                streams = streams.saturating_add(1);
                // A stream that is cut is counted but not described.
                let _ = stream(&mut info, body);
            }
            b"CONT" => info.metadata = true,
            b"DATA" => break,
            _ => {}
        }
    }
    info.tracks = Some(streams);
    if info.video.is_some() {
        info.kind = MediaKind::Video;
    }
    info.size = info.video.as_ref().and_then(|video| video.size);
    info.codec = (info.video.as_ref().map(|video| video.codec))
        .or(info.audio.as_ref().map(|audio| audio.codec));
    Ok(info)
}

fn stream(info: &mut MediaInfo, mut body: Reader<'_>) -> Result<(), Broken> {
    body.skip(8)?;
    let mean = body.be32()?;
    body.skip(20)?;
    let name = body.u8()?;
    body.skip(name.into())?;
    let length = body.u8()?;
    let kind = body.take(length.into())?;
    let bit_rate = (mean > 0).then_some(mean.into());
    if kind.starts_with(b"video/") && info.video.is_none() {
        body.skip(8)?;
        let described = body.array()? == *b"VIDO";
        body.skip(4)?;
        let size = Dimensions::new(body.be16()?.into(), body.be16()?.into());
        info.video = Some(VideoTrack {
            size: described.then_some(size),
            bit_rate,
            ..VideoTrack::new(Codec::RealVideo)
        });
    } else if kind.starts_with(b"audio/") && info.audio.is_none() {
        info.audio = Some(AudioTrack {
            bit_rate,
            ..AudioTrack::new(Codec::RealAudio)
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
        [kind, length.as_slice(), body].concat()
    }

    #[test]
    fn properties_and_streams() {
        let mut properties = vec![0; 22];
        properties.extend(5_000_u32.to_be_bytes());
        let mut media = vec![0; 32];
        media[8..12].copy_from_slice(&64_000_u32.to_be_bytes());
        media.extend(b"\0\x14video/x-pn-realvideo\0\0\0\0\0\0\0\x22VIDORV30\0\xB0\0\x90");
        let data = [
            chunk(b".RMF", &[0; 10]),
            chunk(b"PROP", &properties),
            chunk(b"MDPR", &media),
        ]
        .concat();
        let info = known(&data);
        assert_eq!(
            (info.kind, info.duration_ms),
            (MediaKind::Video, Some(5_000))
        );
        assert_eq!(info.size, Some(Dimensions::new(176, 144)));
        assert_eq!(info.video.unwrap().bit_rate, Some(64_000));
        assert_eq!(known(b".ra\xFD\0\x04").kind, MediaKind::Audio);
    }

    #[test]
    fn a_short_chunk_is_broken() {
        assert_eq!(broken(b".RMF\0\0\0\x07").offset, 0);
    }
}

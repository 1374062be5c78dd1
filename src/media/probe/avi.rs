//! AVI (the `AVIMAINHEADER` and `AVISTREAMHEADER` structures of RIFF).

use super::bytes::{Broken, Reader, Steps, milliseconds};
use super::riff::{Chunk, Chunks};
use super::wav::WaveFormat;
use crate::dimensions::Dimensions;
use crate::media::{Codec, Format, MediaInfo, MediaKind, VideoTrack};

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Avi, MediaKind::Video);
    let mut reader = Reader::new(data);
    reader.skip(12)?;
    let mut streams = 0_u16;
    let mut main = None;
    for list in Chunks::riff(reader.clone(), steps) {
        match (&list.kind, list.body.first_chunk::<4>()) {
            (b"LIST", Some(b"hdrl")) => {
                for part in members(list, steps) {
                    match (&part.kind, part.body.first_chunk::<4>()) {
                        (b"avih", _) => main = Some(main_header(part)?),
                        (b"LIST", Some(b"strl")) => {
                            streams = streams.saturating_add(1);
                            stream(&mut info, part, steps)?;
                        }
                        _ => {}
                    }
                }
            }
            (b"LIST", Some(b"INFO")) => info.metadata = true,
            (b"LIST", Some(b"movi")) if main.is_some() => break,
            _ => {}
        }
    }
    let (frame_us, frames) = main.ok_or(reader.broken("there is no avih chunk"))?;
    info.tracks = Some(streams);
    if let Some(video) = &info.video {
        info.codec = Some(video.codec);
        info.size = video.size;
        info.frames = info.frames.or(Some(frames));
    } else {
        info.kind = MediaKind::Audio;
        info.codec = info.audio.as_ref().map(|audio| audio.codec);
    }
    let by_frames = u64::from(frames).saturating_mul(frame_us.into()) / 1000;
    info.duration_ms = info
        .duration_ms
        .or(Some(by_frames))
        .filter(|duration| *duration > 0);
    Ok(info)
}

/// The chunks of a list, behind its name.
fn members<'a, 's>(list: Chunk<'a>, steps: &'s Steps) -> Chunks<'a, 's> {
    let mut reader = list.reader();
    reader.take_up_to(4);
    Chunks::riff(reader, steps)
}

/// Microseconds of a frame, and frames.
fn main_header(chunk: Chunk<'_>) -> Result<(u32, u32), Broken> {
    let mut reader = chunk.reader();
    let frame_us = reader.le32()?;
    reader.skip(12)?;
    Ok((frame_us, reader.le32()?))
}

fn stream(info: &mut MediaInfo, list: Chunk<'_>, steps: &Steps) -> Result<(), Broken> {
    let mut kind = [0; 4];
    let mut handler = [0; 4];
    let (mut scale, mut rate, mut length) = (0, 0, 0);
    for part in members(list, steps) {
        let mut reader = part.reader();
        match (&part.kind, &kind) {
            (b"strh", _) => {
                kind = reader.array()?;
                handler = reader.array()?;
                reader.skip(12)?;
                (scale, rate) = (reader.le32()?, reader.le32()?);
                reader.skip(4)?;
                length = reader.le32()?;
            }
            (b"strf", b"vids") if info.video.is_none() => {
                let size = bitmap_size(&mut reader)?;
                reader.skip(4)?;
                let fourcc = match reader.array()? {
                    [0, 0, 0, 0] => handler,
                    fourcc => fourcc,
                };
                info.frames = Some(length);
                info.duration_ms =
                    milliseconds(u64::from(length).saturating_mul(scale.into()), rate.into());
                info.video = Some(VideoTrack {
                    size: Some(size),
                    millihertz: u64::from(rate)
                        .saturating_mul(1000)
                        .checked_div(scale.into())
                        .and_then(|rate| u32::try_from(rate).ok()),
                    ..VideoTrack::new(video_codec(fourcc))
                });
            }
            (b"strf", b"auds") if info.audio.is_none() => {
                info.audio = Some(WaveFormat::read(reader)?.track());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Width and height of a `BITMAPINFOHEADER`.
pub(super) fn bitmap_size(reader: &mut Reader<'_>) -> Result<Dimensions, Broken> {
    reader.skip(4)?;
    let width = reader.le32()?;
    let height = reader.array().map(i32::from_le_bytes)?.unsigned_abs();
    Ok(Dimensions::new(width, height))
}

/// The codec of a four-character code of Video for Windows.
pub(super) const fn video_codec(fourcc: [u8; 4]) -> Codec {
    let code = [
        fourcc[0].to_ascii_uppercase(),
        fourcc[1].to_ascii_uppercase(),
        fourcc[2].to_ascii_uppercase(),
        fourcc[3].to_ascii_uppercase(),
    ];
    match &code {
        b"XVID" | b"DIVX" | b"DX50" | b"FMP4" | b"MP4V" | b"MP4S" | b"M4S2" => Codec::Mpeg4Visual,
        b"MJPG" | b"AVRN" | b"JPEG" => Codec::Mjpeg,
        b"H264" | b"X264" | b"AVC1" => Codec::H264,
        b"HEVC" | b"H265" | b"HVC1" => Codec::Hevc,
        b"H263" | b"U263" | b"S263" | b"X263" => Codec::H263,
        b"WMV1" | b"WMV2" | b"WMV3" | b"WVC1" | b"WMVA" => Codec::Wmv,
        b"MPG1" | b"MPG2" | b"MPEG" => Codec::MpegVideo,
        b"VP80" => Codec::Vp8,
        b"VP90" => Codec::Vp9,
        b"AV01" => Codec::Av1,
        _ => Codec::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::riff::tests::{chunk, riff};
    use super::super::tests::{broken, known};
    use super::*;

    fn words(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn list(name: &[u8; 4], parts: &[Vec<u8>]) -> Vec<u8> {
        chunk(b"LIST", &[name.as_slice(), &parts.concat()].concat())
    }

    #[test]
    fn streams_are_described() {
        let head = |kind: &[u8; 4], scale, rate, length| {
            let numbers = words(&[0, 0, 0, scale, rate, 0, length]);
            chunk(b"strh", &[kind.as_slice(), b"xvid", &numbers].concat())
        };
        let bitmap = [words(&[40, 176, 144, 1 << 20]), b"XVID".to_vec()].concat();
        let wave = [1, 0, 2, 0, 0x40, 0x1F, 0, 0, 0, 0x7D, 0, 0, 4, 0, 16, 0];
        let video = [head(b"vids", 1, 15, 30), chunk(b"strf", &bitmap)];
        let audio = [head(b"auds", 1, 8_000, 1), chunk(b"strf", &wave)];
        let data = riff(
            b"AVI ",
            &[list(
                b"hdrl",
                &[
                    chunk(b"avih", &words(&[66_667, 0, 0, 0, 30])),
                    list(b"strl", &video),
                    list(b"strl", &audio),
                ],
            )],
        );
        let info = known(&data);
        assert_eq!(info.size, Some(Dimensions::new(176, 144)));
        assert_eq!((info.duration_ms, info.frames), (Some(2_000), Some(30)));
        assert_eq!(
            (info.codec, info.tracks),
            (Some(Codec::Mpeg4Visual), Some(2))
        );
        assert_eq!(info.video.unwrap().millihertz, Some(15_000));
        assert_eq!(info.audio.unwrap().channels, Some(2));
    }

    #[test]
    fn a_file_without_a_header_is_broken() {
        assert_eq!(broken(&riff(b"AVI ", &[])).what, "there is no avih chunk");
    }
}

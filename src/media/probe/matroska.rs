//! WebM and Matroska (RFC 8794, RFC 9559).

use super::bytes::{Broken, Reader, Steps, index};
use super::orientation::Matrix;
use crate::dimensions::Dimensions;
use crate::media::{AudioTrack, Codec, Format, MediaInfo, MediaKind, VideoTrack};

/// An element: its id with the length marker, and its body or, for an unknown size, the rest.
struct Element<'a> {
    id: u32,
    body: Reader<'a>,
}

/// Reads the header of the next element and steps over its body.
fn element<'a>(reader: &mut Reader<'a>) -> Option<Element<'a>> {
    let id = vint(reader, 4, true)?;
    let size = vint(reader, 8, false)?;
    let start = reader.offset();
    Some(Element {
        id: u32::try_from(id).ok()?,
        body: Reader::based(reader.take_up_to(index(size)), start),
    })
}

/// A variable-length integer of at most `most` octets. A size of all ones is unknown.
fn vint(reader: &mut Reader<'_>, most: u32, keep_marker: bool) -> Option<u64> {
    let first = reader.u8().ok()?;
    let length = first.leading_zeros().saturating_add(1);
    if length > most {
        return None;
    }
    let mask = 0xFF_u8.checked_shr(length).unwrap_or(0);
    let mut value = u64::from(if keep_marker { first } else { first & mask });
    let mut ones = first & mask == mask;
    for _ in 1..length {
        let octet = reader.u8().ok()?;
        ones &= octet == 0xFF;
        value = value.wrapping_shl(8) | u64::from(octet);
    }
    Some(if ones && !keep_marker {
        u64::MAX
    } else {
        value
    })
}

/// The unsigned integer that fills a body of at most eight octets.
fn unsigned(body: &[u8]) -> u64 {
    body.iter()
        .take(8)
        .fold(0, |sum: u64, octet| sum.wrapping_shl(8) | u64::from(*octet))
}

/// The floating-point number that fills a body of four or eight octets.
fn float(body: &[u8]) -> Option<f64> {
    match body.len() {
        4 => body
            .first_chunk()
            .map(|four| f32::from_be_bytes(*four).into()),
        8 => body.first_chunk().map(|eight| f64::from_be_bytes(*eight)),
        _ => None,
    }
}

/// A non-negative number below 2^53, without its fraction.
fn whole(number: f64) -> Option<u64> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked first"
    )]
    (0.0..9e15).contains(&number).then_some(number as u64)
}

#[derive(Debug, Default)]
struct Track {
    kind: u64,
    codec: Vec<u8>,
    size: (u32, u32),
    frame_ns: u64,
    sample_rate: Option<u64>,
    output_rate: Option<u64>,
    channels: u16,
    alpha: bool,
    /// Degrees clockwise.
    roll: i64,
}

pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut info = MediaInfo::new(Format::Mkv, MediaKind::Other);
    let mut reader = Reader::new(data);
    let head = element(&mut reader).ok_or(Broken::new(4, "the EBML header is cut short"))?;
    let mut inner = head.body;
    while let Some(part) = element(&mut inner).filter(|_| steps.take()) {
        if part.id == 0x4282 && part.body.rest().starts_with(b"webm") {
            info.format = Format::Webm;
        }
    }
    let segment = element(&mut reader)
        .filter(|part| part.id == 0x1853_8067)
        .ok_or(Broken::new(reader.offset(), "there is no segment"))?;
    let mut tracks = Vec::new();
    let mut scale = 1_000_000_u64;
    let mut duration = None;
    let mut clusters = Clusters::default();
    let mut reader = segment.body;
    let start = reader.offset();
    while let Some(part) = element(&mut reader).filter(|_| steps.take()) {
        match part.id {
            0x1549_A966 => {
                let mut inner = part.body;
                while let Some(field) = element(&mut inner).filter(|_| steps.take()) {
                    match field.id {
                        0x2A_D7B1 => scale = unsigned(field.body.rest()),
                        0x4489 => duration = float(field.body.rest()),
                        _ => {}
                    }
                }
            }
            0x1654_AE6B => {
                let mut inner = part.body;
                while let Some(entry) = element(&mut inner).filter(|_| steps.take()) {
                    if entry.id == 0xAE && tracks.len() < MOST_TRACKS {
                        tracks.push(track(entry.body, steps));
                    }
                }
            }
            0x1254_C367 => info.metadata = true,
            // Live recordings write no duration: the blocks of their clusters tell it.
            0x1F43_B675 if duration.is_none() => clusters.read(part.body, steps),
            _ => {}
        }
    }
    if tracks.is_empty() {
        return Err(Broken::new(start, "the segment has no track"));
    }
    let units = duration.and_then(whole).unwrap_or(clusters.latest);
    info.duration_ms = u128::from(units)
        .checked_mul(scale.into())
        .and_then(|time| u64::try_from(time / 1_000_000).ok())
        .filter(|time| *time > 0);
    info.tracks = u16::try_from(tracks.len()).ok();
    describe(&mut info, &tracks);
    Ok(info)
}

const MOST_TRACKS: usize = 64;

/// The latest block, in units of the segment's time scale.
#[derive(Debug, Default)]
struct Clusters {
    time: u64,
    latest: u64,
}

impl Clusters {
    /// Reads one cluster. One of unknown size holds the clusters that follow it.
    fn read(&mut self, mut reader: Reader<'_>, steps: &Steps) {
        while let Some(part) = element(&mut reader).filter(|_| steps.take()) {
            match part.id {
                0xE7 => self.time = unsigned(part.body.rest()),
                0xA3 => self.block(part.body),
                0xA0 => {
                    let mut inner = part.body;
                    while let Some(field) = element(&mut inner).filter(|_| steps.take()) {
                        if field.id == 0xA1 {
                            self.block(field.body);
                        }
                    }
                }
                0x1F43_B675 => reader = part.body,
                _ => {}
            }
        }
    }

    fn block(&mut self, mut body: Reader<'_>) {
        let relative = vint(&mut body, 8, false).and_then(|_| body.be16().ok());
        let time = self.time.saturating_add(relative.unwrap_or(0).into());
        self.latest = self.latest.max(time);
    }
}

fn track(mut reader: Reader<'_>, steps: &Steps) -> Track {
    let mut track = Track {
        channels: 1,
        ..Track::default()
    };
    while let Some(field) = element(&mut reader).filter(|_| steps.take()) {
        let body = field.body.rest();
        match field.id {
            0x83 => track.kind = unsigned(body),
            0x86 => track.codec = body.iter().copied().take(32).collect(),
            0x23_E383 => track.frame_ns = unsigned(body),
            0xE0 | 0xE1 => {
                let mut inner = field.body;
                while let Some(part) = element(&mut inner).filter(|_| steps.take()) {
                    let body = part.body.rest();
                    let number = || u32::try_from(unsigned(body)).unwrap_or(0);
                    match part.id {
                        0xB0 => track.size.0 = number(),
                        0xBA => track.size.1 = number(),
                        0x53C0 => track.alpha = number() == 1,
                        0xB5 => track.sample_rate = float(body).and_then(whole),
                        0x78B5 => track.output_rate = float(body).and_then(whole),
                        0x9F => track.channels = u16::try_from(number()).unwrap_or(0),
                        0x7670 => track.roll = roll(part.body, steps),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    track
}

/// Degrees that a projection turns the picture, clockwise.
fn roll(mut projection: Reader<'_>, steps: &Steps) -> i64 {
    while let Some(part) = element(&mut projection).filter(|_| steps.take()) {
        if part.id == 0x7675
            && let Some(degrees) = float(part.body.rest())
        {
            let size = whole(degrees.abs()).and_then(|size| i64::try_from(size).ok());
            let size = size.unwrap_or(0);
            // The standard counts anticlockwise.
            return if degrees < 0.0 {
                size
            } else {
                size.saturating_neg()
            };
        }
    }
    0
}

fn describe(info: &mut MediaInfo, tracks: &[Track]) {
    if let Some(track) = tracks.iter().find(|track| track.kind == 1) {
        let (width, height) = track.size;
        let size = (width > 0 && height > 0).then_some(Dimensions::new(width, height));
        let codec = video_codec(&track.codec);
        info.size = size;
        info.alpha = track.alpha;
        info.orientation = match track.roll.rem_euclid(360) {
            90 => Matrix::new(0, 1, -1, 0).orientation(),
            180 => Matrix::new(-1, 0, 0, -1).orientation(),
            270 => Matrix::new(0, -1, 1, 0).orientation(),
            _ => 1,
        };
        info.video = Some(VideoTrack {
            size,
            millihertz: 1_000_000_000_000_u64
                .checked_div(track.frame_ns)
                .and_then(|rate| u32::try_from(rate).ok()),
            ..VideoTrack::new(codec)
        });
        info.codec = Some(codec);
        info.unread_video = unnamed(codec, &track.codec);
    }
    if let Some(track) = tracks.iter().find(|track| track.kind == 2) {
        let codec = audio_codec(&track.codec);
        info.unread_audio = unnamed(codec, &track.codec);
        let rate = track.output_rate.or(track.sample_rate).unwrap_or(8_000);
        info.audio = Some(AudioTrack {
            sample_rate: u32::try_from(rate).ok(),
            channels: (track.channels > 0).then_some(track.channels),
            ..AudioTrack::new(codec)
        });
        info.codec.get_or_insert(codec);
    }
    info.kind = match (&info.video, &info.audio) {
        (Some(_), _) => MediaKind::Video,
        (None, Some(_)) => MediaKind::Audio,
        (None, None) => MediaKind::Other,
    };
}

/// The identifier of a codec without a name of ours.
fn unnamed(codec: Codec, id: &[u8]) -> Option<String> {
    let id = id.get(..LONGEST_ID).unwrap_or(id);
    (codec == Codec::Unknown).then(|| id.escape_ascii().to_string())
}

/// Octets of a codec's identifier that are told.
const LONGEST_ID: usize = 32;

fn video_codec(id: &[u8]) -> Codec {
    match id {
        b"V_VP8" => Codec::Vp8,
        b"V_VP9" => Codec::Vp9,
        b"V_AV1" => Codec::Av1,
        b"V_MPEG4/ISO/AVC" => Codec::H264,
        b"V_MPEGH/ISO/HEVC" => Codec::Hevc,
        b"V_MPEG4/ISO/SP" | b"V_MPEG4/ISO/ASP" | b"V_MPEG4/ISO/AP" => Codec::Mpeg4Visual,
        b"V_MPEG1" | b"V_MPEG2" => Codec::MpegVideo,
        b"V_MJPEG" => Codec::Mjpeg,
        b"V_THEORA" => Codec::Theora,
        _ => Codec::Unknown,
    }
}

fn audio_codec(id: &[u8]) -> Codec {
    match id {
        b"A_OPUS" => Codec::Opus,
        b"A_VORBIS" => Codec::Vorbis,
        b"A_FLAC" => Codec::Flac,
        b"A_ALAC" => Codec::Alac,
        b"A_MPEG/L3" => Codec::Mp3,
        b"A_MPEG/L2" | b"A_MPEG/L1" => Codec::Mp2,
        _ if id.starts_with(b"A_AAC") && id.ends_with(b"/SBR") => Codec::HeAac,
        _ if id.starts_with(b"A_AAC") => Codec::AacLc,
        _ if id.starts_with(b"A_PCM") => Codec::Pcm,
        _ if id.starts_with(b"A_AC3") || id.starts_with(b"A_EAC3") => Codec::Ac3,
        _ => Codec::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{broken, known};
    use super::*;

    /// An element with a size of eight octets.
    fn ebml(id: &[u8], body: &[u8]) -> Vec<u8> {
        let size = (u64::try_from(body.len()).unwrap() | 1 << 56).to_be_bytes();
        [id, size.as_slice(), body].concat()
    }

    fn file(doc_type: &[u8], segment: &[Vec<u8>]) -> Vec<u8> {
        [
            ebml(&[0x1A, 0x45, 0xDF, 0xA3], &ebml(&[0x42, 0x82], doc_type)),
            ebml(&[0x18, 0x53, 0x80, 0x67], &segment.concat()),
        ]
        .concat()
    }

    fn tracks() -> Vec<u8> {
        let shape = [ebml(&[0xB0], &[1, 64]), ebml(&[0xBA], &[240])].concat();
        let video = [
            ebml(&[0x83], &[1]),
            ebml(&[0x86], b"V_VP9"),
            ebml(&[0x23, 0xE3, 0x83], &40_000_000_u32.to_be_bytes()),
            ebml(&[0xE0], &shape),
        ];
        let sound = [
            ebml(&[0xB5], &48_000_f64.to_be_bytes()),
            ebml(&[0x9F], &[2]),
        ];
        let audio = [
            ebml(&[0x83], &[2]),
            ebml(&[0x86], b"A_OPUS"),
            ebml(&[0xE1], &sound.concat()),
        ];
        let entries = [
            ebml(&[0xAE], &video.concat()),
            ebml(&[0xAE], &audio.concat()),
        ];
        ebml(&[0x16, 0x54, 0xAE, 0x6B], &entries.concat())
    }

    #[test]
    fn tracks_and_declared_duration() {
        let times = ebml(&[0x44, 0x89], &2_500_f32.to_be_bytes());
        let info = known(&file(
            b"webm",
            &[ebml(&[0x15, 0x49, 0xA9, 0x66], &times), tracks()],
        ));
        assert_eq!((info.format, info.kind), (Format::Webm, MediaKind::Video));
        assert_eq!((info.duration_ms, info.tracks), (Some(2_500), Some(2)));
        assert_eq!(info.size, Some(Dimensions::new(320, 240)));
        let (video, audio) = (info.video.unwrap(), info.audio.unwrap());
        assert_eq!((video.codec, video.millihertz), (Codec::Vp9, Some(25_000)));
        assert_eq!((audio.sample_rate, audio.channels), (Some(48_000), Some(2)));
    }

    #[test]
    fn without_one_the_blocks_tell() {
        let cluster = [ebml(&[0xE7], &[4, 0]), ebml(&[0xA3], &[0x81, 0, 100, 0])];
        let cluster = ebml(&[0x1F, 0x43, 0xB6, 0x75], &cluster.concat());
        let info = known(&file(b"matroska", &[tracks(), cluster]));
        assert_eq!((info.format, info.duration_ms), (Format::Mkv, Some(1_124)));
    }

    #[test]
    fn hostile_sizes_are_clipped() {
        let mut data = file(b"webm", &[tracks()]);
        let segment = data
            .windows(4)
            .position(|id| id == [0x18, 0x53, 0x80, 0x67]);
        let size = segment.unwrap() + 4;
        for hostile in [
            [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x01; 8],
            [0x01, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        ] {
            data[size..size + 8].copy_from_slice(&hostile);
            assert!(super::super::probe(&data, &crate::Limits::default()).is_ok());
        }
        assert_eq!(broken(&file(b"webm", &[])).what, "the segment has no track");
    }
}

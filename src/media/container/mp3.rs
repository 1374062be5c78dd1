//! Streams of MPEG audio layer III (ISO/IEC 11172-3, 13818-3): frames one after another, tags in
//! front, and in the first frame what encoders say of the stream.

use bytes::Bytes;

use super::error::{ContainerError, Warning, WriteError};
use super::movie::{Movie, Source, Span, Track};
use super::reader::{Reader, index, saturated};
use super::track::{FourCc, Sample, TrackCodec, TrackInfo};
use crate::limits::Limits;

/// Samples by which every decoder of layer III is late.
const DECODER_DELAY: u64 = 529;

/// Octets behind the tags in which the first frame is looked for.
const PADDING: usize = 64 << 10;

/// A frame header (ISO/IEC 11172-3 section 2.4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// MPEG-1, not -2 or -2.5.
    first_version: bool,
    sample_rate: u32,
    channels: u16,
    /// Octets of the frame, header included.
    length: usize,
}

impl Header {
    fn parse(octets: &[u8]) -> Option<Self> {
        let &[sync, a, b, c] = octets.first_chunk::<4>()?;
        // The sync word, and layer III.
        if sync != 0xFF || a & 0xE0 != 0xE0 || a & 6 != 2 {
            return None;
        }
        let (first_version, shift) = match (a >> 3) & 3 {
            0 => (false, 2),
            2 => (false, 1),
            3 => (true, 0),
            _ => return None,
        };
        let rates = if first_version { RATES } else { LOW_RATES };
        // Index 0 is the free format, whose frames have no known length.
        let kilobits = *rates.get(usize::from(b >> 4).checked_sub(1)?)?;
        let sample_rate = [44_100_u32, 48_000, 32_000].get(usize::from((b >> 2) & 3))? >> shift;
        let factor = if first_version { 144_000 } else { 72_000 };
        let octets = kilobits.checked_mul(factor)?.checked_div(sample_rate)?;
        let padding = u32::from((b >> 1) & 1);
        Some(Self {
            first_version,
            sample_rate,
            channels: if c >> 6 == 3 { 1 } else { 2 },
            length: index(octets.checked_add(padding)?),
        })
    }

    const fn samples(self) -> u32 {
        if self.first_version { 1_152 } else { 576 }
    }

    const fn same_stream(self, other: Self) -> bool {
        self.first_version == other.first_version && self.sample_rate == other.sample_rate
    }
}

/// Kilobits per second by index from 1, of MPEG-1 and of the others.
const RATES: [u32; 14] = [
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
const LOW_RATES: [u32; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// What an encoder says of a stream in a frame of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Note {
    /// Samples by which the encoder is late, and those that it filled up with at the end.
    delay: Option<(u64, u64)>,
}

/// Reads the first frame as a note: the `Xing` or `Info` header where the sound would be, and
/// LAME's extension of it, or Fraunhofer's `VBRI`.
fn note(frame: &[u8], header: Header) -> Option<Note> {
    let side = match (header.first_version, header.channels) {
        (true, 1) | (false, 2) => 17,
        (true, _) => 32,
        (false, _) => 9,
    };
    if frame.get(36..40) == Some(b"VBRI") {
        return Some(Note::default());
    }
    let body = frame.get(side + 4..)?;
    if !body.starts_with(b"Xing") && !body.starts_with(b"Info") {
        return None;
    }
    let flags = body.get(7).copied().unwrap_or(0);
    let sizes = [4, 4, 100, 4];
    let fields: usize = (0_u8..)
        .zip(sizes)
        .filter(|(bit, _)| flags >> bit & 1 == 1)
        .map(|(_, size)| size)
        .sum();
    // Nine octets name the encoder; the delays are twelve bits each, twelve octets further.
    let delay = body.get(8 + fields..).and_then(|extension| {
        let named = extension.first().is_some_and(u8::is_ascii_alphabetic);
        let &[a, b, c] = extension.get(21..)?.first_chunk::<3>()?;
        let start = u64::from(a) << 4 | u64::from(b >> 4);
        let end = u64::from(b & 15) << 8 | u64::from(c);
        named.then_some((start, end))
    });
    Some(Note { delay })
}

/// Octets of the ID3v2 tags at the start.
fn after_tags(data: &[u8]) -> usize {
    let mut at = 0_usize;
    while let Some(&[b'I', b'D', b'3', _, _, flags, a, b, c, d]) =
        data.get(at..).and_then(|rest| rest.first_chunk::<10>())
    {
        let body = [a, b, c, d].iter().fold(0_usize, |size, octet| {
            (size << 7) | usize::from(octet & 0x7F)
        });
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        at = at.saturating_add(body).saturating_add(10 + footer);
    }
    at
}

/// The place of the first frame: one that another of the same stream follows, or the end.
fn first_frame(data: &[u8]) -> Option<usize> {
    let tags = after_tags(data);
    let stream = data.get(tags..)?;
    let near = stream.get(..PADDING).unwrap_or(stream);
    let places = near.iter().enumerate();
    places
        .filter(|(_, octet)| **octet == 0xFF)
        .find_map(|(at, _)| {
            let frame = stream.get(at..)?;
            let header = Header::parse(frame)?;
            let next = frame.get(header.length..)?;
            let followed = next.is_empty()
                || next.starts_with(b"TAG")
                || Header::parse(next).is_some_and(|next| next.same_stream(header));
            followed.then(|| tags.saturating_add(at))
        })
}

/// Whether the data starts with frames, behind tags or not.
pub(super) fn recognises(data: &Bytes) -> bool {
    first_frame(data).is_some()
}

/// Reads a stream: one track, ticks of one sample, a frame per sample.
///
/// The frame in which an encoder describes the stream is left out. What it says of its delay is
/// the track's edit, so that the sound starts and ends where the one that was encoded did. What
/// does not look like a frame is passed over with a warning; tags at the end are not.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where there is no frame, [`ContainerError::Limit`].
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    let start =
        first_frame(data).ok_or_else(|| ContainerError::malformed(0, "no frame of layer III"))?;
    let mut reader = Reader::window(data, start, data.len());
    let first = Header::parse(reader.rest())
        .ok_or_else(|| ContainerError::malformed(start, "no frame of layer III"))?;
    let mut found = Note::default();
    let whole = reader.rest().get(..first.length).unwrap_or_default();
    if let Some(noted) = note(whole, first) {
        found = noted;
        reader.skip(first.length)?;
    }
    let mut spans: Vec<Span> = Vec::new();
    let mut warnings: Vec<Warning> = Vec::new();
    let mut channels = first.channels;
    let (mut dts, mut lost) = (0_i64, false);
    while !reader.is_empty() {
        let at = reader.offset();
        let rest = reader.rest();
        let header = Header::parse(rest)
            .filter(|header| header.same_stream(first))
            .filter(|header| !lost || follows(rest, *header));
        let Some(header) = header else {
            if is_tag(rest) {
                break;
            }
            if !lost && warnings.len() < 32 {
                warnings.push(Warning {
                    offset: at,
                    what: "octets that are no frame",
                });
            }
            lost = true;
            reader.skip(1)?;
            let rest = reader.rest();
            let sync = rest.iter().position(|octet| *octet == 0xFF);
            reader.skip(sync.unwrap_or(rest.len()))?;
            continue;
        };
        if reader.skip(header.length).is_err() {
            warnings.push(Warning {
                offset: at,
                what: "the last frame is cut short",
            });
            break;
        }
        lost = false;
        if spans.len() == limits.container_samples {
            return Err(ContainerError::Limit {
                what: "container_samples",
                limit: limits.container_samples,
            });
        }
        channels = channels.max(header.channels);
        spans.push(Span {
            start: at,
            length: saturated(header.length),
            duration: first.samples(),
            dts,
            delay: 0,
            keyframe: true,
        });
        dts = dts.saturating_add(i64::from(first.samples()));
    }
    let rate = first.sample_rate;
    let mut info = TrackInfo::audio(1, TrackCodec::Mp3, rate, rate, channels);
    if let Some((delay, padding)) = found.delay {
        let total = u64::try_from(dts).unwrap_or(0);
        let shown = total.checked_sub(delay.saturating_add(padding));
        info.edit.media_start = delay.saturating_add(DECODER_DELAY);
        info.edit.duration = shown.filter(|shown| *shown > 0);
    }
    let mut track = Track::new(info, data.clone(), Source::Spans(spans));
    track.measure(limits.container_samples);
    Ok(Movie {
        brand: FourCc(*b"MPEG"),
        compatible: Vec::new(),
        tracks: vec![track],
        warnings,
    })
}

/// Whether another frame of the stream, or the end, comes behind this one.
fn follows(rest: &[u8], header: Header) -> bool {
    match rest.get(header.length..) {
        Some([]) => true,
        Some(next) => {
            is_tag(next) || Header::parse(next).is_some_and(|next| next.same_stream(header))
        }
        None => false,
    }
}

/// Whether a tag starts here, as players put them behind the last frame.
fn is_tag(rest: &[u8]) -> bool {
    [b"TAG".as_slice(), b"APETAGEX", b"LYRICSBEGIN", b"ID3"]
        .iter()
        .any(|tag| rest.starts_with(tag))
}

/// Writes a stream of these frames. In front goes a frame of silence that tells players where the
/// sound starts and ends, where `info` has a duration and the samples say how they lie around it;
/// it is as long as the first frame, and left out where that is too short for it.
///
/// # Errors
///
/// [`WriteError::NoTrack`] without frames.
pub fn write(info: &TrackInfo, samples: &[Sample]) -> Result<Vec<u8>, WriteError> {
    let first = samples.first().ok_or(WriteError::NoTrack)?;
    let octets: usize = samples.iter().map(|sample| sample.data.len()).sum();
    let mut out = describe(info, samples, &first.data, octets).unwrap_or_default();
    out.reserve(octets);
    for sample in samples {
        out.extend_from_slice(&sample.data);
    }
    Ok(out)
}

/// The frame in front: `Info`, or `Xing` where frames differ in length, with the numbers of frames and octets, and LAME's delays.
fn describe(info: &TrackInfo, samples: &[Sample], first: &[u8], octets: usize) -> Option<Vec<u8>> {
    let header = Header::parse(first)?;
    let side = match (header.first_version, header.channels) {
        (true, 1) | (false, 2) => 17,
        (true, _) => 32,
        (false, _) => 9,
    };
    let early = u64::try_from(samples.first()?.pts.checked_neg()?).ok()?;
    let delay = early.checked_sub(DECODER_DELAY)?;
    let total = u64::from(header.samples()).checked_mul(u64::try_from(samples.len()).ok()?)?;
    let padding = total.checked_sub(delay.checked_add(info.duration)?)?;
    if delay > 0xFFF || padding > 0xFFF || info.duration == 0 {
        return None;
    }
    let mut out = first.get(..4)?.to_vec();
    out.resize(4_usize.checked_add(side)?, 0);
    // A frame is longer by an octet where its rate does not divide evenly.
    let alike = samples
        .iter()
        .all(|sample| sample.data.len().abs_diff(first.len()) <= 1);
    out.extend(if alike { b"Info" } else { b"Xing" });
    out.extend([0, 0, 0, 3]);
    out.extend(u32::try_from(samples.len()).ok()?.to_be_bytes());
    let whole = octets.checked_add(header.length)?;
    out.extend(u32::try_from(whole).ok()?.to_be_bytes());
    // The name by which players know the extension, whoever wrote it.
    out.extend(b"LAME\0\0\0\0\0");
    out.extend([0; 12]);
    let delays = u32::try_from(delay << 12 | padding).ok()?;
    out.extend(delays.to_be_bytes().get(1..)?);
    out.extend([0; 12]);
    if out.len() > header.length {
        return None;
    }
    out.resize(header.length, 0);
    // No checksum, whatever the sound has.
    if let Some(flags) = out.get_mut(1) {
        *flags |= 1;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MPEG-1 layer III, 128 kbit/s, 44.1 kHz, joint stereo: 417 octets.
    fn frame(fill: u8) -> Vec<u8> {
        let mut frame = vec![0xFF, 0xFB, 0x90, 0x40];
        frame.resize(417, fill);
        frame
    }

    fn track(movie: &Movie) -> &Track {
        &movie.tracks[0]
    }

    #[test]
    fn frames_behind_tags_and_junk_are_found() {
        let tag = b"ID3\x04\0\0\0\0\0\x05hello";
        let data = [
            tag.as_slice(),
            &frame(1),
            &frame(2),
            b"junk\xFF\xFB",
            &frame(3),
            b"TAGtitle",
        ];
        let movie = read(&Bytes::from(data.concat()), &Limits::default()).unwrap();
        assert_eq!(track(&movie).len(), 3);
        assert_eq!(movie.warnings.len(), 1);
        assert_eq!(track(&movie).info.duration, 3 * 1_152);
        let bare = Bytes::from_static(b"\xFF\xFB\x90\x40 and nothing");
        assert!(read(&bare, &Limits::default()).is_err());
    }

    #[test]
    fn what_is_written_says_where_the_sound_is() {
        let samples: Vec<Sample> = (0..4)
            .map(|n| Sample {
                dts: n * 1_152 - 1_057,
                pts: n * 1_152 - 1_057,
                duration: 1_152,
                keyframe: true,
                data: frame(0).into(),
            })
            .collect();
        let mut info = TrackInfo::audio(1, TrackCodec::Mp3, 44_100, 44_100, 2);
        info.duration = 3_000;
        let file = Bytes::from(write(&info, &samples).unwrap());
        assert_eq!(file.len(), 5 * 417);
        let movie = read(&file, &Limits::default()).unwrap();
        assert_eq!(track(&movie).info.duration, 3_000);
        assert!(track(&movie).samples().eq(samples));
        assert_eq!(file[36..40], *b"Info");
        assert_eq!(write(&info, &[]), Err(WriteError::NoTrack));
    }
}

//! Native FLAC (RFC 9639): metadata blocks, then frames that say neither their length nor where
//! the next one starts.

use bytes::Bytes;

use super::error::{ContainerError, Warning};
use super::movie::{Movie, Source, Span, Track};
use super::reader::{Reader, saturated};
use super::track::{FourCc, TrackCodec, TrackInfo};
use crate::limits::Limits;

const MARKER: &[u8] = b"fLaC";

/// Octets of the STREAMINFO block.
const STREAM_INFO: usize = 34;

/// Octets of the shortest frame: a header and a constant subframe of one channel.
const SHORTEST: usize = 9;

/// What STREAMINFO says (section 8.2).
#[derive(Debug, Clone, Copy)]
struct Stream {
    sample_rate: u32,
    channels: u16,
    total: u64,
}

/// Whether the data starts with the marker, behind an ID3 tag or not.
pub(super) fn recognises(data: &Bytes) -> bool {
    data.get(after_tag(data)..)
        .is_some_and(|rest| rest.starts_with(MARKER))
}

fn after_tag(data: &[u8]) -> usize {
    match data.first_chunk::<10>() {
        Some(&[b'I', b'D', b'3', _, _, _, a, b, c, d]) => [a, b, c, d]
            .iter()
            .fold(0_usize, |size, octet| {
                (size << 7) | usize::from(octet & 0x7F)
            })
            .saturating_add(10),
        _ => 0,
    }
}

/// Reads a file: one track, ticks of one sample, a frame per sample.
///
/// A frame ends where the next begins: at a header whose checksum is right and which is the next
/// in order. What does not continue the order is taken for coded sound, so a damaged header makes
/// one sample of two frames, of which the decoder hears the first.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where the marker, STREAMINFO or the first frame is missing,
/// [`ContainerError::Limit`].
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    let mut reader = Reader::window(data, after_tag(data), data.len());
    if reader.take(MARKER.len())? != MARKER {
        return Err(reader.malformed("no FLAC marker"));
    }
    let start = reader.offset();
    let mut stream = None;
    for block in 0.. {
        let [kind, a, b, c] = reader.array::<4>()?;
        let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
        if block == 0 {
            if kind & 0x7F != 0 || length != STREAM_INFO {
                return Err(reader.malformed("STREAMINFO is missing"));
            }
            stream = stream_info(reader.rest());
        }
        if block >= limits.container_boxes {
            return Err(ContainerError::Limit {
                what: "container_boxes",
                limit: limits.container_boxes,
            });
        }
        reader.skip(length)?;
        if kind & 0x80 != 0 {
            break;
        }
    }
    let stream = stream.ok_or_else(|| reader.malformed("a stream without a rate"))?;
    let config = data.slice(start..start.saturating_add(4 + STREAM_INFO));
    let mut warnings = Vec::new();
    let spans = frames(&reader, limits, &mut warnings)?;
    let mut info = TrackInfo::audio(
        1,
        TrackCodec::Flac(config),
        stream.sample_rate,
        stream.sample_rate,
        stream.channels,
    );
    info.edit.duration = Some(stream.total).filter(|total| *total > 0);
    let mut track = Track::new(info, data.clone(), Source::Spans(spans));
    track.measure(limits.container_samples);
    Ok(Movie {
        brand: FourCc(*b"fLaC"),
        compatible: Vec::new(),
        tracks: vec![track],
        warnings,
    })
}

fn stream_info(block: &[u8]) -> Option<Stream> {
    let fields = block.get(10..18)?.first_chunk::<8>()?;
    let fields = u64::from_be_bytes(*fields);
    let sample_rate = u32::try_from(fields >> 44).ok()?;
    (sample_rate > 0).then_some(Stream {
        sample_rate,
        channels: u16::try_from((fields >> 41) & 7).ok()?.saturating_add(1),
        total: fields & 0xF_FFFF_FFFF,
    })
}

fn frames(
    reader: &Reader<'_>,
    limits: &Limits,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Span>, ContainerError> {
    let (octets, base) = (reader.rest(), reader.offset());
    let mut spans: Vec<Span> = Vec::new();
    let mut at = 0_usize;
    let mut open: Option<(usize, Header)> = None;
    let mut dts = 0_i64;
    loop {
        let place = octets
            .get(at..)
            .and_then(|rest| rest.iter().position(|octet| *octet == 0xFF))
            .map(|distance| at.saturating_add(distance));
        let next = place.and_then(|place| {
            let header = Header::parse(octets.get(place..)?)?;
            let expected = match &open {
                Some((_, last)) => last.is_before(header),
                None => true,
            };
            expected.then_some((place, header))
        });
        // The last frame ends with the data.
        let closing = if place.is_none() {
            octets.len()
        } else if let Some((place, _)) = next {
            place
        } else {
            at = place.map_or(octets.len(), |place| place.saturating_add(1));
            continue;
        };
        if let Some((start, header)) = open {
            if spans.len() == limits.container_samples {
                return Err(ContainerError::Limit {
                    what: "container_samples",
                    limit: limits.container_samples,
                });
            }
            spans.push(Span {
                start: base.saturating_add(start),
                length: saturated(closing.saturating_sub(start)),
                duration: header.samples,
                dts,
                delay: 0,
                keyframe: true,
            });
            dts = dts.saturating_add(i64::from(header.samples));
        } else if closing > 0 {
            warnings.push(Warning {
                offset: base,
                what: "octets in front of the first frame",
            });
        }
        let Some((place, header)) = next else { break };
        open = Some((place, header));
        at = place.saturating_add(SHORTEST);
    }
    if spans.is_empty() {
        return Err(reader.malformed("no frame"));
    }
    Ok(spans)
}

/// A frame header (section 9.1) whose checksum is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Whether [`number`](Self::number) counts samples, not frames.
    variable: bool,
    number: u64,
    samples: u32,
}

impl Header {
    fn parse(octets: &[u8]) -> Option<Self> {
        let &[0xFF, sync, sizes, layout] = octets.first_chunk::<4>()? else {
            return None;
        };
        if sync & 0xFE != 0xF8 || layout & 1 != 0 || layout >> 4 > 10 {
            return None;
        }
        let (number, mut at) = coded_number(octets.get(4..)?)?;
        at = at.checked_add(4)?;
        let mut more = |n: usize| {
            let field = octets.get(at..at.checked_add(n)?)?;
            at = at.checked_add(n)?;
            Some(
                field
                    .iter()
                    .fold(0_u32, |sum, octet| sum << 8 | u32::from(*octet)),
            )
        };
        let samples = match sizes >> 4 {
            0 => return None,
            1 => 192,
            n @ 2..=5 => 576_u32 << (n - 2),
            6 => more(1)?.saturating_add(1),
            7 => more(2)?.saturating_add(1),
            n => 256_u32 << (n - 8),
        };
        match sizes & 15 {
            12 => more(1)?,
            13 | 14 => more(2)?,
            15 => return None,
            _ => 0,
        };
        let sum = octets.get(..at)?.iter().fold(0_u8, |sum, octet| {
            (0..8).fold(sum ^ octet, |sum, _| {
                if sum & 0x80 == 0 {
                    sum << 1
                } else {
                    sum << 1 ^ 0x07
                }
            })
        });
        (octets.get(at) == Some(&sum)).then_some(Self {
            variable: sync & 1 == 1,
            number,
            samples,
        })
    }

    /// Whether `next` is the frame behind this one.
    fn is_before(self, next: Self) -> bool {
        let step = if self.variable {
            u64::from(self.samples)
        } else {
            1
        };
        self.variable == next.variable && next.number == self.number.saturating_add(step)
    }
}

/// A number as UTF-8 would code it, up to 36 bits, and its octets.
fn coded_number(octets: &[u8]) -> Option<(u64, usize)> {
    let first = *octets.first()?;
    let ones = first.leading_ones();
    let (mut number, length) = match ones {
        0 => return Some((first.into(), 1)),
        2..=7 => (
            u64::from(first & 0x7F_u8.checked_shr(ones).unwrap_or(0)),
            ones,
        ),
        _ => return None,
    };
    let length = usize::try_from(length).ok()?;
    for octet in octets.get(1..length)? {
        if octet & 0xC0 != 0x80 {
            return None;
        }
        number = number << 6 | u64::from(octet & 0x3F);
    }
    Some((number, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_utf_8_has_them() {
        assert_eq!(coded_number(&[0x45]), Some((0x45, 1)));
        assert_eq!(coded_number(&[0xC2, 0x80]), Some((0x80, 2)));
        assert_eq!(
            coded_number(&[0xFE, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF]),
            Some((0xF_FFFF_FFFF, 7))
        );
        assert_eq!(coded_number(&[0x80]), None);
        assert_eq!(coded_number(&[0xC2]), None);
    }

    #[test]
    fn a_file_without_frames_is_refused() {
        let mut file = b"fLaC\x80\0\0\x22".to_vec();
        file.extend([0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0]);
        file.extend([0x0A, 0xC4, 0x42, 0xF0, 0, 0, 0, 0]);
        file.extend([0; 16]);
        for length in 0..=file.len() {
            let cut = Bytes::from(file[..length].to_vec());
            assert!(read(&cut, &Limits::default()).is_err());
        }
    }
}

//! ADTS streams of AAC (ISO/IEC 14496-3 section 1.A.2.2).

use bytes::Bytes;

use super::aac::{AacConfig, RATES};
use super::bits::{BitSink, Bits};
use super::error::{ContainerError, Warning, WriteError};
use super::movie::{Movie, Source, Span, Track};
use super::reader::{Reader, saturated};
use super::track::{FourCc, Sample, TrackCodec, TrackInfo};
use crate::limits::Limits;

/// Octets of a header without its checksum.
const HEADER: usize = 7;

/// The header of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    object_type: u8,
    rate_index: u8,
    channels: u8,
    /// Octets of the header, checksum included.
    header: usize,
    /// Octets of the frame, header included.
    length: usize,
    /// Raw data blocks in the frame.
    blocks: u8,
}

impl Header {
    fn parse(octets: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(octets.get(..HEADER)?);
        // The sync word and layer 0, whatever the MPEG version.
        if bits.take(15)? & 0x7FFB != 0x7FF8 {
            return None;
        }
        let bare = bits.flag()?;
        let profile = u8::try_from(bits.take(2)?).ok()?;
        let rate_index = u8::try_from(bits.take(4)?).ok()?;
        RATES.get(usize::from(rate_index))?;
        bits.take(1)?;
        let channels = u8::try_from(bits.take(3)?).ok()?;
        bits.take(4)?;
        let length = usize::try_from(bits.take(13)?).ok()?;
        bits.take(11)?;
        let blocks = u8::try_from(bits.take(2)?).ok()?.saturating_add(1);
        let header = if bare { HEADER } else { HEADER + 2 };
        (length > header).then_some(Self {
            object_type: profile.saturating_add(1),
            rate_index,
            channels,
            header,
            length,
            blocks,
        })
    }

    const fn same_stream(self, other: Self) -> bool {
        self.object_type == other.object_type
            && self.rate_index == other.rate_index
            && self.channels == other.channels
    }

    fn rate(self) -> u32 {
        let rate = RATES.get(usize::from(self.rate_index));
        rate.copied().unwrap_or(44_100)
    }

    /// The configuration that a container would have for the stream.
    fn config(self) -> AacConfig {
        let mut sink = BitSink::default();
        sink.put(u32::from(self.object_type), 5);
        sink.put(u32::from(self.rate_index), 4);
        sink.put(u32::from(self.channels), 4);
        sink.put(0, 3);
        AacConfig {
            object_type: self.object_type,
            channels: if self.channels == 7 { 8 } else { self.channels },
            specific: Bytes::from(sink.finish()),
            ..AacConfig::low_complexity(self.rate(), self.channels)
        }
    }
}

/// Whether the data starts with a frame, an ID3 tag in front of it or not.
pub(super) fn recognises(data: &Bytes) -> bool {
    data.get(after_tag(data)..)
        .and_then(Header::parse)
        .is_some()
}

/// Octets of an ID3v2 tag at the start.
fn after_tag(data: &Bytes) -> usize {
    match data.get(..10) {
        Some(&[b'I', b'D', b'3', _, _, _, a, b, c, d]) => [a, b, c, d]
            .iter()
            .fold(0_usize, |size, octet| {
                (size << 7) | usize::from(octet & 0x7F)
            })
            .saturating_add(10),
        _ => 0,
    }
}

/// Reads an ADTS stream: one track, samples without the ADTS headers.
///
/// What does not look like a frame is passed over with a warning; a change of rate or channels
/// ends the track with one. Spectral band replication is never signalled in ADTS: a core of 24 kHz
/// or less is suspect.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where there is no frame, [`ContainerError::Unsupported`] where
/// frames hold several raw data blocks, [`ContainerError::Limit`].
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    let mut spans: Vec<Span> = Vec::new();
    let mut warnings: Vec<Warning> = Vec::new();
    let mut first: Option<Header> = None;
    let mut reader = Reader::window(data, after_tag(data), data.len());
    let mut lost = false;
    let mut dts = 0_i64;
    while !reader.is_empty() {
        let start = reader.offset();
        let header = Header::parse(reader.rest()).filter(|header| {
            // Two octets of sync are found by chance: after a loss the next frame must agree.
            !lost || follows(&reader, *header)
        });
        let Some(header) = header else {
            if !lost && warnings.len() < 32 {
                warnings.push(Warning {
                    offset: start,
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
        let stream = *first.get_or_insert(header);
        if !stream.same_stream(header) {
            warnings.push(Warning {
                offset: start,
                what: "the stream changes its format",
            });
            break;
        }
        if header.blocks > 1 {
            return Err(ContainerError::unsupported(
                start,
                "several raw data blocks in a frame",
            ));
        }
        if reader.skip(header.length).is_err() {
            warnings.push(Warning {
                offset: start,
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
        spans.push(Span {
            start: start.saturating_add(header.header),
            length: saturated(header.length.saturating_sub(header.header)),
            duration: 1024,
            dts,
            delay: 0,
            keyframe: true,
        });
        dts = dts.saturating_add(1024);
    }
    let header = first.ok_or_else(|| ContainerError::malformed(0, "no ADTS frame"))?;
    let config = header.config();
    let channels = u16::from(config.channels);
    let codec = TrackCodec::Aac(config);
    let mut info = TrackInfo::audio(1, codec, header.rate(), header.rate(), channels);
    info.channels = Some(channels).filter(|channels| *channels > 0);
    let mut track = Track::new(info, data.clone(), Source::Spans(spans));
    track.measure(limits.container_samples);
    Ok(Movie {
        brand: FourCc(*b"ADTS"),
        compatible: Vec::new(),
        tracks: vec![track],
        warnings,
    })
}

/// Whether a frame of the same stream, or the end, comes behind the one the reader stands at.
fn follows(reader: &Reader<'_>, header: Header) -> bool {
    match reader.rest().get(header.length..) {
        Some([]) => true,
        Some(next) => Header::parse(next).is_some_and(|next| next.same_stream(header)),
        None => false,
    }
}

/// Writes an ADTS stream of the frames of a track.
///
/// # Errors
///
/// [`WriteError::Field`] for an object type, rate, channels or frame size that ADTS has no room
/// for.
pub fn write(config: &AacConfig, samples: &[Sample]) -> Result<Vec<u8>, WriteError> {
    let profile = match config.object_type {
        1..=4 => u32::from(config.object_type).saturating_sub(1),
        _ => return Err(WriteError::Field("the audio object type")),
    };
    let rate_index = RATES
        .iter()
        .position(|rate| *rate == config.core_rate)
        .map(saturated)
        .ok_or(WriteError::Field("the sampling frequency"))?;
    // Parametric stereo is made of one channel.
    let channels = match (config.channels, config.ps) {
        (2, true) => 1,
        (channels @ 1..=6, _) => channels,
        (8, _) => 7,
        _ => return Err(WriteError::Field("the number of channels")),
    };
    let mut out = Vec::new();
    for sample in samples {
        let length = sample.data.len().saturating_add(HEADER);
        let length = u32::try_from(length)
            .ok()
            .filter(|length| *length < 1 << 13);
        let length = length.ok_or(WriteError::Field("the size of a frame"))?;
        let mut sink = BitSink::default();
        for (value, bits) in [
            (0xFFF, 12),
            (0, 3),
            (1, 1),
            (profile, 2),
            (rate_index, 4),
            (0, 1),
            (u32::from(channels), 3),
            (0, 4),
            (length, 13),
            // A variable bit rate: the buffer's fullness is not told.
            (0x7FF, 11),
            (0, 2),
        ] {
            sink.put(value, bits);
        }
        out.extend(sink.finish());
        out.extend_from_slice(&sample.data);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Sample> {
        (0..5_u8)
            .map(|n| Sample {
                dts: i64::from(n) * 1024,
                pts: i64::from(n) * 1024,
                duration: 1024,
                keyframe: true,
                data: Bytes::from(vec![n; 20 + usize::from(n)]),
            })
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let config = AacConfig::low_complexity(16_000, 1);
        let stream = Bytes::from(write(&config, &samples()).unwrap());
        assert!(recognises(&stream));
        let movie = read(&stream, &Limits::default()).unwrap();
        assert_eq!(movie.warnings, []);
        assert_eq!(movie.tracks[0].info.codec, TrackCodec::Aac(config));
        assert!(movie.tracks[0].samples().eq(samples()));
    }

    #[test]
    fn junk_is_passed_over_and_cuts_are_told() {
        let config = AacConfig::low_complexity(44_100, 2);
        let stream = write(&config, &samples()).unwrap();
        let tag = b"ID3\x04\0\0\0\0\0\x03abc".as_slice();
        let junk = [0xFF, 0xF1, 0xFF, 0xFF, 1].as_slice();
        let mixed = Bytes::from([tag, &stream, junk, &stream].concat());
        let movie = read(&mixed, &Limits::default()).unwrap();
        assert_eq!(movie.tracks[0].len(), 10);
        assert_eq!(movie.warnings.len(), 1);
        let cut = Bytes::from(stream[..stream.len() - 1].to_vec());
        let movie = read(&cut, &Limits::default()).unwrap();
        assert_eq!((movie.tracks[0].len(), movie.warnings.len()), (4, 1));
        assert!(read(&Bytes::from_static(b"RIFF"), &Limits::default()).is_err());
    }

    #[test]
    fn what_adts_cannot_say_is_refused() {
        let odd = AacConfig::low_complexity(12_345, 1);
        assert!(write(&odd, &samples()).is_err());
        let mut long = samples();
        long[0].data = Bytes::from(vec![0; 9_000]);
        assert!(write(&AacConfig::low_complexity(8_000, 1), &long).is_err());
    }
}

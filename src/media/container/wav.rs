//! RIFF WAVE: a reader of what phones and sound tools write, and a writer of 16-bit samples.

use bytes::Bytes;

use super::error::{ContainerError, Warning, WriteError};
use super::movie::{Movie, Source, Span, Track};
use super::reader::{Reader, index, saturated};
use super::track::{AdpcmConfig, FourCc, PcmEncoding, PcmFormat, Sample, TrackCodec, TrackInfo};
use crate::limits::Limits;

/// Samples per channel that come at a time where blocks are not given by the format.
const FRAMES: usize = 4096;

/// Format tags of the Microsoft registry.
mod tag {
    pub(super) const PCM: u16 = 0x0001;
    pub(super) const MS_ADPCM: u16 = 0x0002;
    pub(super) const FLOAT: u16 = 0x0003;
    pub(super) const ALAW: u16 = 0x0006;
    pub(super) const ULAW: u16 = 0x0007;
    pub(super) const IMA_ADPCM: u16 = 0x0011;
    pub(super) const EXTENSIBLE: u16 = 0xFFFE;
}

/// The `fmt ` chunk.
#[derive(Debug, Clone)]
struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    block_align: u16,
    bits: u16,
    extra: Bytes,
}

/// Whether the data starts as WAVE does, its 64-bit variants included.
pub(super) fn recognises(data: &Bytes) -> bool {
    matches!(data.get(..4), Some(b"RIFF" | b"RF64" | b"BW64"))
        && data.get(8..12) == Some(b"WAVE".as_slice())
}

/// Reads a WAVE file: one track, ticks of one sample.
///
/// Sizes that were never filled in, or are larger than the file, mean the rest of the file. Samples
/// of the track are blocks of ADPCM, or some thousand samples of what is not compressed. Formats
/// other than PCM, floating point, A-law, µ-law, and the ADPCM of Microsoft and IMA give a track of
/// an unknown codec.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where the magic, the format or the data is missing or the format
/// makes no sense, [`ContainerError::Limit`].
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    if !recognises(data) {
        return Err(ContainerError::malformed(0, "no WAVE magic"));
    }
    let mut reader = Reader::window(data, 12, data.len());
    let mut format = None;
    let mut warnings = Vec::new();
    let mut chunks = limits.container_boxes;
    while reader.left() >= 8 {
        chunks = chunks.checked_sub(1).ok_or(ContainerError::Limit {
            what: "container_boxes",
            limit: limits.container_boxes,
        })?;
        let start = reader.offset();
        let kind: [u8; 4] = reader.array()?;
        let size = index(reader.le32()?);
        match &kind {
            b"fmt " => format = Some(read_format(reader.split_up_to(size))?),
            b"data" => {
                let format = format
                    .ok_or_else(|| ContainerError::malformed(start, "data before the format"))?;
                if size > reader.left() {
                    warnings.push(Warning {
                        offset: start,
                        what: "the data is shorter than its size says",
                    });
                }
                // A recorder that was cut off leaves no size.
                let size = if size == 0 { usize::MAX } else { size };
                let track = track(&format, &reader.split_up_to(size), limits)?;
                return Ok(Movie {
                    brand: FourCc(*b"WAVE"),
                    compatible: Vec::new(),
                    tracks: vec![track],
                    warnings,
                });
            }
            _ => {
                reader.split_up_to(size);
            }
        }
        // Chunks start at even octets, and some writers forget it.
        if size % 2 == 1 && reader.rest().first() == Some(&0) {
            reader.skip(1)?;
        }
    }
    Err(ContainerError::malformed(reader.offset(), "no data chunk"))
}

fn read_format(mut chunk: Reader<'_>) -> Result<Format, ContainerError> {
    let mut format = Format {
        tag: chunk.le16()?,
        channels: chunk.le16()?,
        rate: chunk.le32()?,
        block_align: 0,
        bits: 0,
        extra: Bytes::new(),
    };
    chunk.skip(4)?;
    format.block_align = chunk.le16()?;
    format.bits = chunk.le16().unwrap_or(0);
    if let Ok(length) = chunk.le16() {
        format.extra = chunk.split_up_to(usize::from(length)).rest_bytes();
    }
    if format.tag == tag::EXTENSIBLE
        && let Some(&[low, high]) = format.extra.get(6..8)
    {
        format.tag = u16::from_le_bytes([low, high]);
    }
    if format.channels == 0 || format.rate == 0 {
        return Err(chunk.malformed("a format without channels or rate"));
    }
    Ok(format)
}

fn track(format: &Format, body: &Reader<'_>, limits: &Limits) -> Result<Track, ContainerError> {
    let codec = codec(format);
    let channels = format.channels;
    // Octets and ticks of the smallest piece, and how many pieces come at a time.
    let (octets, ticks, pieces) = match &codec {
        TrackCodec::Pcm(pcm) => (pcm.frame_bytes(channels), 1, FRAMES),
        TrackCodec::Adpcm(adpcm) => (
            usize::from(adpcm.block_align),
            u32::from(adpcm.samples_per_block),
            1,
        ),
        _ => (body.left().max(1), 0, 1),
    };
    if octets == 0 {
        return Err(body.malformed("a block of no octets"));
    }
    let mut left = body.left() / octets;
    // What is left over of a block of ADPCM still holds samples.
    let tail = match codec {
        TrackCodec::Adpcm(_) => body.left() % octets,
        _ => 0,
    };
    let mut spans = Vec::new();
    let (mut start, mut dts) = (body.offset(), 0_i64);
    while left > 0 || tail > 0 {
        if spans.len() == limits.container_samples {
            return Err(ContainerError::Limit {
                what: "container_samples",
                limit: limits.container_samples,
            });
        }
        let now = left.min(pieces);
        let length = if now > 0 {
            octets.saturating_mul(now)
        } else {
            tail
        };
        let duration = ticks.saturating_mul(saturated(now.max(1)));
        spans.push(Span {
            start,
            length: saturated(length),
            duration,
            dts,
            delay: 0,
            keyframe: true,
        });
        start = start.saturating_add(length);
        dts = dts.saturating_add(i64::from(duration));
        if now == 0 {
            break;
        }
        left = left.saturating_sub(now);
    }
    let info = TrackInfo::audio(1, codec, format.rate, format.rate, channels);
    let mut track = Track::new(info, body.whole().clone(), Source::Spans(spans));
    track.measure(limits.container_samples);
    Ok(track)
}

fn codec(format: &Format) -> TrackCodec {
    use PcmEncoding::{Alaw, Float, Signed, Ulaw, Unsigned};
    let bits = u8::try_from(format.bits.div_ceil(8).saturating_mul(8)).unwrap_or(0);
    let encoding = match (format.tag, bits) {
        (tag::PCM, 8) => Unsigned,
        (tag::PCM, 16 | 24 | 32) => Signed,
        (tag::FLOAT, 32 | 64) => Float,
        (tag::ALAW, _) => Alaw,
        (tag::ULAW, _) => Ulaw,
        (tag::MS_ADPCM | tag::IMA_ADPCM, _) => return TrackCodec::Adpcm(adpcm(format)),
        (tag, _) => return TrackCodec::Other(format!("wave 0x{tag:04X}")),
    };
    let bits = match encoding {
        Alaw | Ulaw => 8,
        _ => bits,
    };
    TrackCodec::Pcm(PcmFormat {
        encoding,
        bits,
        big_endian: false,
    })
}

fn adpcm(format: &Format) -> AdpcmConfig {
    let stated = format.extra.first_chunk().copied().map(u16::from_le_bytes);
    let channels = format.channels;
    // Without a count: both store the first samples in the block's header, two in Microsoft's
    // variant and one in IMA's, and the others in four bits each.
    let (header, first) = match format.tag {
        tag::MS_ADPCM => (7, 2),
        _ => (4, 1),
    };
    let nibbles = u32::from(format.block_align)
        .saturating_sub(u32::from(channels).saturating_mul(header))
        .saturating_mul(2);
    let counted = (nibbles / u32::from(channels.max(1))).saturating_add(first);
    AdpcmConfig {
        tag: format.tag,
        block_align: format.block_align,
        samples_per_block: stated
            .filter(|samples| *samples > 0)
            .unwrap_or_else(|| u16::try_from(counted).unwrap_or(u16::MAX)),
        extra: format.extra.clone(),
    }
}

/// Writes interleaved 16-bit samples.
///
/// # Errors
///
/// [`WriteError::Field`] for no channels, more than RIFF's sizes can say, or a rate that is too
/// high for the field of octets per second.
pub fn write_pcm16(
    sample_rate: u32,
    channels: u16,
    samples: &[i16],
) -> Result<Vec<u8>, WriteError> {
    let mut out = header(sample_rate, channels, samples.len().saturating_mul(2))?;
    out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    Ok(out)
}

/// Writes a track of 16-bit samples, the low octet first, as our encoder makes it.
///
/// # Errors
///
/// [`WriteError::Codec`] for any other codec, and those of [`write_pcm16`].
pub fn write(info: &TrackInfo, samples: &[Sample]) -> Result<Vec<u8>, WriteError> {
    let pcm16 = TrackCodec::Pcm(PcmFormat {
        encoding: PcmEncoding::Signed,
        bits: 16,
        big_endian: false,
    });
    if info.codec != pcm16 {
        return Err(WriteError::Codec {
            codec: format!("{:?}", info.codec.codec()),
            brand: FourCc(*b"WAVE"),
        });
    }
    let octets = samples.iter().map(|sample| sample.data.len()).sum();
    let rate = info.sample_rate.unwrap_or(info.timescale);
    let mut out = header(rate, info.channels.unwrap_or(1), octets)?;
    for sample in samples {
        out.extend_from_slice(&sample.data);
    }
    Ok(out)
}

/// All in front of `octets` of 16-bit samples, with room for them.
fn header(sample_rate: u32, channels: u16, octets: usize) -> Result<Vec<u8>, WriteError> {
    let octets = u32::try_from(octets).ok().filter(|n| *n <= u32::MAX - 36);
    let octets = octets.ok_or(WriteError::Field("the size of the file"))?;
    let align = channels
        .checked_mul(2)
        .filter(|align| *align > 0)
        .ok_or(WriteError::Field("the number of channels"))?;
    let rate = sample_rate
        .checked_mul(u32::from(align))
        .ok_or(WriteError::Field("the sampling frequency"))?;
    let mut out = Vec::with_capacity(index(octets).saturating_add(44));
    out.extend(b"RIFF");
    out.extend(octets.saturating_add(36).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16_u32.to_le_bytes());
    out.extend(tag::PCM.to_le_bytes());
    out.extend(channels.to_le_bytes());
    out.extend(sample_rate.to_le_bytes());
    out.extend(rate.to_le_bytes());
    out.extend(align.to_le_bytes());
    out.extend(16_u16.to_le_bytes());
    out.extend(b"data");
    out.extend(octets.to_le_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Vec<i16> {
        (0..10_000).map(|n| n * 3).collect()
    }

    fn octets(movie: &Movie) -> Vec<u8> {
        let samples = movie.tracks[0].samples();
        samples.flat_map(|sample| sample.data.to_vec()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let file = write_pcm16(8_000, 2, &sound()).unwrap();
        let movie = read(&Bytes::from(file.clone()), &Limits::default()).unwrap();
        let info = &movie.tracks[0].info;
        assert_eq!((info.duration, info.channels), (5_000, Some(2)));
        assert_eq!(octets(&movie), file[44..]);
        assert_eq!(movie.warnings, []);
    }

    #[test]
    fn sizes_that_lie_mean_the_rest() {
        let file = write_pcm16(8_000, 1, &sound()).unwrap();
        for size in [0, 0xFFFF_FFFF, 20_001_u32] {
            let mut lying = file.clone();
            lying[4..8].copy_from_slice(&size.to_le_bytes());
            lying[40..44].copy_from_slice(&size.to_le_bytes());
            let movie = read(&Bytes::from(lying), &Limits::default()).unwrap();
            assert_eq!(octets(&movie), file[44..], "{size}");
        }
    }

    #[test]
    fn chunks_in_between_and_odd_sizes_are_passed_over() {
        let file = write_pcm16(8_000, 1, &[1, 2]).unwrap();
        for padding in [b"\0".as_slice(), b""] {
            let list = [b"LIST\x03\0\0\0abc".as_slice(), padding].concat();
            let mixed = [&file[..36], &list, &file[36..]].concat();
            let movie = read(&Bytes::from(mixed), &Limits::default()).unwrap();
            assert_eq!(octets(&movie), [1, 0, 2, 0]);
        }
    }

    #[test]
    fn formats_that_make_no_sense_are_refused() {
        let file = write_pcm16(8_000, 1, &[1, 2]).unwrap();
        for (at, what) in [(22, "channels"), (24, "rate")] {
            let mut broken = file.clone();
            broken[at..at + 2].fill(0);
            let read = read(&Bytes::from(broken), &Limits::default());
            assert!(read.is_err(), "{what}");
        }
        let headless = Bytes::from(file[..36].to_vec());
        assert!(read(&headless, &Limits::default()).is_err());
    }
}

//! QCP files of QCELP, EVRC and SMV (RFC 3625).

use bytes::Bytes;

use super::error::{ContainerError, Warning};
use super::movie::{Movie, Source, Span, Track};
use super::reader::{Reader, index, saturated};
use super::track::{FourCc, TrackCodec, TrackInfo};
use crate::limits::Limits;

/// Codec identifiers as they lie in the file; QCELP has two that differ in one bit.
const QCELP: [[u8; 16]; 2] = [
    *b"\x41\x6D\x7F\x5E\x15\xB1\xD0\x11\xBA\x91\x00\x80\x5F\xB4\xB9\x7E",
    *b"\x42\x6D\x7F\x5E\x15\xB1\xD0\x11\xBA\x91\x00\x80\x5F\xB4\xB9\x7E",
];
const EVRC: [u8; 16] = *b"\x8D\xD4\x89\xE6\x76\x90\xB5\x46\x91\xEF\x73\x6A\x51\x00\xCE\xB4";
const SMV: [u8; 16] = *b"\x75\x2B\x7C\x8D\x97\xA7\x49\xED\x98\x5E\xD5\x3C\x8C\xC7\x5F\x84";

/// What the `fmt ` and `vrat` chunks say.
#[derive(Debug, Clone)]
struct Format {
    codec: TrackCodec,
    /// Octets of a packet of a fixed rate.
    packet: usize,
    /// Samples of one packet.
    block: u32,
    rate: u32,
    /// Octets behind the rate octet, by rate.
    sizes: Vec<(u8, usize)>,
    variable: bool,
}

/// Whether the data starts as QCP does.
pub(super) fn recognises(data: &Bytes) -> bool {
    data.starts_with(b"RIFF") && data.get(8..12) == Some(b"QLCM".as_slice())
}

/// Reads a QCP file: one track, one packet per sample, its rate octet included.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where the magic, the format or the data is missing,
/// [`ContainerError::Limit`].
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    if !recognises(data) {
        return Err(ContainerError::malformed(0, "no QCP magic"));
    }
    let mut reader = Reader::window(data, 12, data.len());
    let mut format: Option<Format> = None;
    let mut chunks = limits.container_boxes;
    while reader.left() >= 8 {
        chunks = chunks.checked_sub(1).ok_or(ContainerError::Limit {
            what: "container_boxes",
            limit: limits.container_boxes,
        })?;
        let start = reader.offset();
        let kind: [u8; 4] = reader.array()?;
        let size = index(reader.le32()?);
        let mut chunk = reader.split_up_to(size);
        match (&kind, &mut format) {
            (b"fmt ", _) => format = Some(read_format(chunk)?),
            (b"vrat", Some(format)) => format.variable = chunk.le32()? != 0,
            (b"data", Some(format)) => return packets(format, chunk, limits),
            (b"data", None) => {
                return Err(ContainerError::malformed(start, "data before the format"));
            }
            _ => {}
        }
        if size % 2 == 1 && reader.rest().first() == Some(&0) {
            reader.skip(1)?;
        }
    }
    Err(ContainerError::malformed(reader.offset(), "no data chunk"))
}

fn read_format(mut chunk: Reader<'_>) -> Result<Format, ContainerError> {
    chunk.skip(2)?;
    let identifier: [u8; 16] = chunk.array()?;
    let codec = if QCELP.contains(&identifier) {
        TrackCodec::Qcelp
    } else if identifier == EVRC {
        TrackCodec::Evrc
    } else if identifier == SMV {
        TrackCodec::Smv
    } else {
        TrackCodec::Other("qcp".to_owned())
    };
    chunk.skip(2 + 80 + 2)?;
    let packet = usize::from(chunk.le16()?);
    let block = u32::from(chunk.le16()?);
    let rate = u32::from(chunk.le16()?);
    chunk.skip(2)?;
    let count = index(chunk.le32()?).min(8);
    let sizes = (0..count)
        .map(|_| {
            let [size, rate] = chunk.array()?;
            Ok((rate, usize::from(size)))
        })
        .collect::<Result<Vec<_>, ContainerError>>()?;
    Ok(Format {
        codec,
        packet,
        block,
        rate: if rate == 0 { 8_000 } else { rate },
        variable: !sizes.is_empty(),
        sizes,
    })
}

fn packets(
    format: &Format,
    mut reader: Reader<'_>,
    limits: &Limits,
) -> Result<Movie, ContainerError> {
    let mut warnings = Vec::new();
    let mut spans = Vec::new();
    let mut dts = 0_i64;
    while let Some(rate) = reader.rest().first() {
        let start = reader.offset();
        let length = if format.variable {
            // A blank or an erasure has no octets but its rate.
            let mut sizes = format.sizes.iter();
            let known = sizes.find(|(of, _)| of == rate).map(|(_, size)| *size);
            known.or(matches!(rate, 0 | 14).then_some(0))
        } else {
            format.packet.checked_sub(1)
        };
        let cut = match length.and_then(|length| length.checked_add(1)) {
            Some(length) if reader.skip(length).is_ok() => None,
            Some(_) => Some("the last packet is cut short"),
            None => Some("a packet of an unknown rate"),
        };
        if let Some(what) = cut {
            warnings.push(Warning {
                offset: start,
                what,
            });
            break;
        }
        if spans.len() == limits.container_samples {
            return Err(ContainerError::Limit {
                what: "container_samples",
                limit: limits.container_samples,
            });
        }
        spans.push(Span {
            start,
            length: saturated(reader.offset().saturating_sub(start)),
            duration: format.block,
            dts,
            delay: 0,
            keyframe: true,
        });
        dts = dts.saturating_add(i64::from(format.block));
    }
    let info = TrackInfo::audio(1, format.codec.clone(), format.rate, format.rate, 1);
    let mut track = Track::new(info, reader.whole().clone(), Source::Spans(spans));
    track.measure(limits.container_samples);
    Ok(Movie {
        brand: FourCc(*b"QLCM"),
        compatible: Vec::new(),
        tracks: vec![track],
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(variable: u32, data: &[u8]) -> Bytes {
        let mut format = vec![1, 0];
        format.extend(QCELP[0]);
        format.extend([2, 0]);
        format.extend([0; 80]);
        for field in [13_000_u16, 35, 160, 8_000, 16] {
            format.extend(field.to_le_bytes());
        }
        format.extend(5_u32.to_le_bytes());
        format.extend([34, 4, 16, 3, 7, 2, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        format.extend([0; 20]);
        let mut body = b"QLCM".to_vec();
        let vrat = [variable.to_le_bytes(), 3_u32.to_le_bytes()].concat();
        for (kind, chunk) in [(b"fmt ", &format[..]), (b"vrat", &vrat), (b"data", data)] {
            body.extend(kind);
            body.extend(u32::try_from(chunk.len()).unwrap().to_le_bytes());
            body.extend(chunk);
        }
        let size = u32::try_from(body.len()).unwrap().to_le_bytes();
        Bytes::from([b"RIFF".as_slice(), &size, &body].concat())
    }

    #[test]
    fn packets_of_every_rate() {
        let mut data = Vec::new();
        for (rate, length) in [(4, 34), (1, 3), (14, 0), (2, 7), (0, 0)] {
            data.push(rate);
            data.resize(data.len() + length, 9);
        }
        let movie = read(&file(1, &data), &Limits::default()).unwrap();
        let lengths: Vec<usize> = movie.tracks[0].samples().map(|s| s.data.len()).collect();
        assert_eq!(lengths, [35, 4, 1, 8, 1]);
        assert_eq!(movie.tracks[0].info.codec, TrackCodec::Qcelp);
        assert_eq!(movie.tracks[0].info.duration, 800);
    }

    #[test]
    fn fixed_and_cut_packets() {
        let movie = read(&file(0, &[4; 75]), &Limits::default()).unwrap();
        assert_eq!((movie.tracks[0].len(), movie.warnings.len()), (2, 1));
        let movie = read(&file(1, &[7, 7]), &Limits::default()).unwrap();
        assert_eq!(movie.warnings[0].what, "a packet of an unknown rate");
    }
}

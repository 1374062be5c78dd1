//! AMR and AMR-WB files (RFC 4867 section 5) and the frames in them.

use bytes::Bytes;

use super::error::{ContainerError, Warning};
use super::movie::{Movie, Source, Span, Track};
use super::reader::{Reader, index, saturated};
use super::track::{AmrConfig, FourCc, Sample, TrackCodec, TrackInfo};
use crate::limits::Limits;

const NARROW_MAGIC: &[u8] = b"#!AMR\n";
const WIDE_MAGIC: &[u8] = b"#!AMR-WB\n";

/// Which of the two codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Band {
    /// AMR: 8 kHz.
    Narrow,
    /// AMR-WB: 16 kHz.
    Wide,
}

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Speech, coded in this mode.
    Speech(u8),
    /// A description of silence.
    Silence,
    /// Nothing was sent, on purpose.
    NoData,
    /// A frame was sent and lost.
    Lost,
}

impl Band {
    /// Samples per second; also the ticks per second of tracks.
    #[must_use]
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Narrow => 8_000,
            Self::Wide => 16_000,
        }
    }

    /// Samples of one frame: 20 ms.
    #[must_use]
    pub const fn frame_samples(self) -> u32 {
        match self {
            Self::Narrow => 160,
            Self::Wide => 320,
        }
    }

    /// Octets of a frame of this type, its table-of-contents octet included; `None` for types that
    /// are reserved.
    #[must_use]
    pub const fn frame_bytes(self, frame_type: u8) -> Option<usize> {
        Some(match (self, frame_type) {
            (Self::Narrow, 0) => 13,
            (Self::Narrow, 1) => 14,
            (Self::Narrow, 2) => 16,
            (Self::Narrow, 3) | (Self::Wide, 0) => 18,
            (Self::Narrow, 4) => 20,
            (Self::Narrow, 5) => 21,
            (Self::Narrow, 6) => 27,
            (Self::Narrow, 7) => 32,
            // Silence as GSM-EFR, TDMA-EFR and PDC-EFR describe it.
            (Self::Narrow, 9) => 7,
            (Self::Narrow, 8 | 10 | 11) | (Self::Wide, 9) => 6,
            (Self::Wide, 1) => 24,
            (Self::Wide, 2) => 33,
            (Self::Wide, 3) => 37,
            (Self::Wide, 4) => 41,
            (Self::Wide, 5) => 47,
            (Self::Wide, 6) => 51,
            (Self::Wide, 7) => 59,
            (Self::Wide, 8) => 61,
            (Self::Wide, 14) | (_, 15) => 1,
            _ => return None,
        })
    }

    const fn magic(self) -> &'static [u8] {
        match self {
            Self::Narrow => NARROW_MAGIC,
            Self::Wide => WIDE_MAGIC,
        }
    }
}

/// A frame: its table-of-contents octet and the bits behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is for.
    pub kind: FrameKind,
    /// Whether it arrived without damage.
    pub good: bool,
    /// All its octets, the table of contents first.
    pub data: Bytes,
}

/// The frames of a sample of an AMR track, which may hold several. Ends at the first that is
/// reserved or cut.
pub fn frames(band: Band, sample: &Bytes) -> impl Iterator<Item = Frame> {
    let mut at = 0_usize;
    std::iter::from_fn(move || {
        let contents = *sample.get(at)?;
        let frame_type = (contents >> 3) & 15;
        let end = at.checked_add(band.frame_bytes(frame_type)?)?;
        let data = (end <= sample.len()).then(|| sample.slice(at..end))?;
        at = end;
        Some(Frame {
            kind: match (band, frame_type) {
                (_, 15) => FrameKind::NoData,
                (Band::Wide, 14) => FrameKind::Lost,
                (Band::Narrow, 8..) | (Band::Wide, 9..) => FrameKind::Silence,
                (_, mode) => FrameKind::Speech(mode),
            },
            good: contents & 4 != 0,
            data,
        })
    })
}

/// Whether the data starts as an AMR file does, of however many channels.
pub(super) fn recognises(data: &Bytes) -> bool {
    data.starts_with(b"#!AMR")
}

/// Reads an AMR or AMR-WB file: one track, one frame per sample, nothing resampled or dropped.
///
/// A frame that is cut, or of a reserved type behind which nothing can be found, ends the file with
/// a warning.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where the magic is missing, [`ContainerError::Unsupported`] for
/// several channels, [`ContainerError::Limit`] for more frames than
/// [`container_samples`](Limits::container_samples).
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    let band = if data.starts_with(WIDE_MAGIC) {
        Band::Wide
    } else if data.starts_with(NARROW_MAGIC) {
        Band::Narrow
    } else if data.starts_with(b"#!AMR_MC1.0\n") || data.starts_with(b"#!AMR-WB_MC1.0\n") {
        return Err(ContainerError::unsupported(0, "AMR of several channels"));
    } else {
        return Err(ContainerError::malformed(0, "no AMR magic"));
    };
    let mut warnings = Vec::new();
    let mut spans = Vec::new();
    let mut mode_set = 0_u16;
    let mut dts = 0_i64;
    let mut reader = Reader::new(data);
    reader.skip(band.magic().len())?;
    while let Some(contents) = reader.rest().first() {
        let start = reader.offset();
        let frame_type = (contents >> 3) & 15;
        let Some(length) = band.frame_bytes(frame_type) else {
            warnings.push(Warning {
                offset: start,
                what: "a frame of a reserved type",
            });
            break;
        };
        if reader.skip(length).is_err() {
            warnings.push(Warning {
                offset: start,
                what: "the last frame is cut short",
            });
            break;
        }
        if spans.len() == limits.container_samples {
            return Err(ContainerError::Limit {
                what: "container_samples",
                limit: limits.container_samples,
            });
        }
        mode_set |= 1 << frame_type;
        spans.push(Span {
            start,
            length: saturated(length),
            duration: band.frame_samples(),
            dts,
            delay: 0,
            keyframe: true,
        });
        dts = dts.saturating_add(i64::from(band.frame_samples()));
    }
    let config = AmrConfig {
        mode_set,
        ..AmrConfig::any(1)
    };
    let mut track = Track::new(info(band, config), data.clone(), Source::Spans(spans));
    track.measure(limits.container_samples);
    Ok(Movie {
        brand: FourCc(*b"#!AM"),
        compatible: Vec::new(),
        tracks: vec![track],
        warnings,
    })
}

/// A track of AMR: one channel, ticks of one sample.
#[must_use]
pub fn info(band: Band, config: AmrConfig) -> TrackInfo {
    let codec = match band {
        Band::Narrow => TrackCodec::AmrNb(config),
        Band::Wide => TrackCodec::AmrWb(config),
    };
    let rate = band.sample_rate();
    TrackInfo::audio(1, codec, rate, rate, 1)
}

/// Writes a file of these samples, each of one or several whole frames.
#[must_use]
pub fn write(band: Band, samples: &[Sample]) -> Vec<u8> {
    let octets: usize = samples.iter().map(|sample| sample.data.len()).sum();
    let mut out = Vec::with_capacity(octets.saturating_add(band.magic().len()));
    out.extend_from_slice(band.magic());
    for sample in samples {
        out.extend_from_slice(&sample.data);
    }
    out
}

/// Puts frames together into samples of `per_sample` (1..=15), the last one perhaps of fewer: ten
/// to a sample save a tenth of a clip's size, at the price of coarser interleaving.
#[must_use]
pub fn group(band: Band, frames: &[Sample], per_sample: u8) -> Vec<Sample> {
    let per_sample = per_sample.clamp(1, 15);
    let groups = frames.chunks(index(per_sample));
    groups
        .filter_map(|group| {
            let first = group.first()?;
            let data = match group {
                [one] => one.data.clone(),
                _ => {
                    let parts = group.iter().map(|frame| frame.data.as_ref());
                    Bytes::from(parts.collect::<Vec<_>>().concat())
                }
            };
            Some(Sample {
                duration: saturated(group.len()).saturating_mul(band.frame_samples()),
                data,
                ..first.clone()
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of one frame of each type that is not reserved.
    fn all_types(band: Band) -> (Vec<u8>, usize) {
        let mut file = band.magic().to_vec();
        let mut count = 0;
        for frame_type in 0..16_u8 {
            if let Some(length) = band.frame_bytes(frame_type) {
                file.push(frame_type << 3 | 4);
                file.resize(file.len() + length - 1, 0xA5);
                count += 1;
            }
        }
        (file, count)
    }

    #[test]
    fn frames_of_every_type_survive() {
        for band in [Band::Narrow, Band::Wide] {
            let (file, count) = all_types(band);
            let data = Bytes::from(file.clone());
            let movie = read(&data, &Limits::default()).unwrap();
            assert_eq!(movie.warnings, []);
            let samples: Vec<Sample> = movie.tracks[0].samples().collect();
            assert_eq!(samples.len(), count);
            assert_eq!(write(band, &samples), file);
            let grouped = group(band, &samples, 10);
            assert_eq!(grouped[0].duration, 10 * band.frame_samples());
            assert_eq!(frames(band, &grouped[0].data).count(), 10);
            assert_eq!(write(band, &grouped), file);
        }
    }

    #[test]
    fn frames_say_what_they_are_for() {
        let sample = Bytes::from_static(&[0x7C, 0x78, 0x44, 0, 0, 0, 0, 0, 0x3C]);
        let kinds: Vec<_> = frames(Band::Narrow, &sample)
            .map(|frame| (frame.kind, frame.good))
            .collect();
        assert_eq!(
            kinds,
            [
                (FrameKind::NoData, true),
                (FrameKind::NoData, false),
                (FrameKind::Silence, true)
            ]
        );
        let lost = Bytes::from_static(&[0x74]);
        assert_eq!(
            frames(Band::Wide, &lost).next().map(|frame| frame.kind),
            Some(FrameKind::Lost)
        );
    }

    #[test]
    fn cut_reserved_and_multichannel_files() {
        let (file, count) = all_types(Band::Narrow);
        let limits = Limits::default();
        let cut = Bytes::from(file[..file.len() - 3].to_vec());
        let movie = read(&cut, &limits).unwrap();
        assert!(movie.tracks[0].len() < count);
        assert_eq!(movie.warnings.len(), 1);
        let reserved = Bytes::from_static(b"#!AMR\n\x64");
        let movie = read(&reserved, &limits).unwrap();
        assert!(movie.tracks[0].is_empty());
        assert_eq!(movie.warnings[0].offset, 6);
        let several = Bytes::from_static(b"#!AMR_MC1.0\n\0\0\0\x02");
        assert!(matches!(
            read(&several, &limits),
            Err(ContainerError::Unsupported { .. })
        ));
    }

    #[test]
    fn frames_are_limited() {
        let limits = Limits {
            container_samples: 3,
            ..Limits::default()
        };
        let three = Bytes::from_static(b"#!AMR\n|||");
        assert_eq!(read(&three, &limits).unwrap().tracks[0].len(), 3);
        let four = Bytes::from_static(b"#!AMR\n||||");
        assert!(matches!(
            read(&four, &limits),
            Err(ContainerError::Limit { .. })
        ));
    }
}

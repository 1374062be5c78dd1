//! Writes 3GP, 3G2 and MP4 files: `moov` first, chunks of the tracks in turns, nothing that old
//! handsets stumble over (no fragments, no 64-bit boxes, edit lists only where times need one).

mod entry;
mod header;
mod layout;

use super::super::error::WriteError;
use super::super::track::{FourCc, Sample, TrackCodec, TrackInfo};
use layout::{Item, Plan};

/// The kind of file to write, by its major brand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Brand {
    /// `mp42`: MPEG-4 version 2.
    Mp42,
    /// `3g2a`: 3GPP2 C.S0050-0.
    ThreeG2a,
    /// `3gp4`: 3GPP Release 4. H.263, MPEG-4 Visual, AMR and AAC.
    ThreeGp4,
    /// `3gp5`: 3GPP Release 5. The same codecs.
    ThreeGp5,
    /// `3gp6`: 3GPP Release 6, basic profile. H.264 too.
    ThreeGp6,
}

impl Brand {
    /// The code in the `ftyp` box.
    #[must_use]
    pub const fn code(self) -> FourCc {
        FourCc(match self {
            Self::Mp42 => *b"mp42",
            Self::ThreeG2a => *b"3g2a",
            Self::ThreeGp4 => *b"3gp4",
            Self::ThreeGp5 => *b"3gp5",
            Self::ThreeGp6 => *b"3gp6",
        })
    }

    /// Whether a file of this brand may hold the codec and the writer can write it.
    #[must_use]
    pub const fn holds(self, codec: &TrackCodec) -> bool {
        match codec {
            TrackCodec::AmrNb(_)
            | TrackCodec::AmrWb(_)
            | TrackCodec::Aac(_)
            | TrackCodec::H263(_)
            | TrackCodec::Mpeg4Visual(_) => true,
            TrackCodec::H264(_) => !matches!(self, Self::ThreeGp4 | Self::ThreeGp5),
            TrackCodec::Av1(_) | TrackCodec::Hevc(_) | TrackCodec::Mp3 => {
                matches!(self, Self::Mp42)
            }
            _ => false,
        }
    }
}

/// A track to write. Of `info` the codec, timescale, size, rate, channels, orientation and
/// language count; a duration that is not 0 and ends before the last sample is kept as an edit.
/// The identifier does not count: tracks are numbered from 1.
#[derive(Debug, Clone, Copy)]
pub struct NewTrack<'a> {
    /// The track.
    pub info: &'a TrackInfo,
    /// Its samples in decoding order, times on the presentation's clock as the reader gives them.
    pub samples: &'a [Sample],
}

/// What of a sample decides how long the tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleShape {
    /// See [`Sample::dts`].
    pub dts: i64,
    /// See [`Sample::pts`].
    pub pts: i64,
    /// See [`Sample::duration`].
    pub duration: u32,
    /// See [`Sample::keyframe`].
    pub keyframe: bool,
}

/// A track that is yet to be encoded.
#[derive(Debug, Clone, Copy)]
pub struct TrackShape<'a> {
    /// The track; its codec's configuration must be as long as it will be.
    pub info: &'a TrackInfo,
    /// Its samples.
    pub samples: &'a [SampleShape],
    /// Whether all samples will have one size, as those of one AMR mode do. The size table is then
    /// left out.
    pub uniform: bool,
}

/// Writes a file. The same input gives the same octets; all dates are 0.
///
/// # Errors
///
/// [`WriteError::NoTrack`], [`WriteError::Codec`] where [`Brand::holds`] says no, and
/// [`WriteError::Field`] for a picture side or a file size that the fields have no room for.
pub fn write(brand: Brand, tracks: &[NewTrack<'_>]) -> Result<Vec<u8>, WriteError> {
    let plans = tracks
        .iter()
        .map(|track| {
            let items = track.samples.iter().map(|sample| {
                let shape = SampleShape {
                    dts: sample.dts,
                    pts: sample.pts,
                    duration: sample.duration,
                    keyframe: sample.keyframe,
                };
                let size = u32::try_from(sample.data.len());
                let size = size.map_err(|_| WriteError::Field("the size of a sample"))?;
                Ok(Item { shape, size })
            });
            Plan::new(track.info, items.collect::<Result<_, _>>()?, None)
        })
        .collect::<Result<Vec<_>, WriteError>>()?;
    let chunks = layout::chunks(&plans);
    let length = header::write(brand, &plans, &chunks, 0)?.len();
    let mut out = header::write(brand, &plans, &chunks, length)?;
    for chunk in &chunks {
        let samples = tracks
            .get(chunk.track)
            .and_then(|track| track.samples.get(chunk.samples()))
            .unwrap_or_default();
        for sample in samples {
            out.extend_from_slice(&sample.data);
        }
    }
    Ok(out)
}

/// Octets that [`write()`] adds to those of the samples. Exact, but that a track of samples that
/// turn out to be all of one size, without having been declared so, saves its size table.
///
/// # Errors
///
/// Those of [`write()`].
pub fn overhead(brand: Brand, tracks: &[TrackShape<'_>]) -> Result<usize, WriteError> {
    let plans = tracks
        .iter()
        .map(|track| {
            let items = track.samples.iter().map(|shape| Item {
                shape: *shape,
                size: 0,
            });
            Plan::new(track.info, items.collect(), Some(track.uniform))
        })
        .collect::<Result<Vec<_>, WriteError>>()?;
    let chunks = layout::chunks(&plans);
    Ok(header::write(brand, &plans, &chunks, 0)?.len())
}

#[cfg(test)]
mod tests;

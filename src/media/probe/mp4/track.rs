//! The `trak` box (ISO/IEC 14496-12 section 8.3).

use super::super::bmff::{Boxes, IsoBox};
use super::super::bytes::{Reader, Steps};
use super::super::orientation::Matrix;
use super::{entry, header_times};
use crate::dimensions::Dimensions;
use crate::media::{AudioTrack, VideoTrack};

/// What a track holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Media {
    Video,
    Audio,
    #[default]
    Other,
}

/// One track, before fragments are added.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) media: Media,
    pub(super) matrix: Matrix,
    pub(super) timescale: u64,
    /// In units of the time scale.
    pub(super) duration: u64,
    pub(super) samples: u32,
    /// Octets of all samples.
    pub(super) octets: u64,
    /// Samples and time of the decoding-time table: their ratio is the frame rate.
    timed: (u64, u64),
    shown: Option<Dimensions>,
    pub(super) video: Option<VideoTrack>,
    pub(super) audio: Option<AudioTrack>,
    /// The name of a sample entry that the reader of samples does not take.
    pub(super) unread: Option<String>,
}

impl Track {
    pub(super) fn read(trak: IsoBox<'_>, steps: &Steps) -> Self {
        let mut track = Self {
            id: 0,
            media: Media::Other,
            matrix: Matrix::IDENTITY,
            timescale: 0,
            duration: 0,
            samples: 0,
            octets: 0,
            timed: (0, 0),
            shown: None,
            video: None,
            audio: None,
            unread: None,
        };
        for part in Boxes::new(trak.reader(), steps) {
            match &part.kind {
                b"tkhd" => {
                    // A header that is cut leaves the track unturned.
                    let _ = track.header(part);
                }
                b"mdia" => track.media(part, steps),
                _ => {}
            }
        }
        if let Some(video) = &mut track.video {
            video.size = video.size.or(track.shown);
        }
        track
    }

    /// Frames per 1000 seconds.
    pub(super) fn millihertz(&self) -> Option<u32> {
        let (samples, time) = match self.timed {
            (0, _) | (_, 0) => (u64::from(self.samples), self.duration),
            timed => timed,
        };
        let scaled = u128::from(samples)
            .checked_mul(self.timescale.into())?
            .checked_mul(1_000)?;
        let rate = u32::try_from(scaled.checked_div(time.into())?).ok()?;
        (rate > 0).then_some(rate)
    }

    fn header(&mut self, tkhd: IsoBox<'_>) -> Option<()> {
        let (version, _, mut reader) = tkhd.full()?;
        reader.skip(if version == 1 { 16 } else { 8 }).ok()?;
        self.id = reader.be32().ok()?;
        reader.skip(if version == 1 { 28 } else { 24 }).ok()?;
        let mut number = || reader.array().map(i32::from_be_bytes).ok();
        let (a, b, _) = (number()?, number()?, number()?);
        let (c, d, _) = (number()?, number()?, number()?);
        self.matrix = Matrix::new(a, b, c, d);
        reader.skip(12).ok()?;
        let (width, height) = (reader.be32().ok()? >> 16, reader.be32().ok()? >> 16);
        self.shown = (width > 0 && height > 0).then_some(Dimensions::new(width, height));
        Some(())
    }

    fn media(&mut self, mdia: IsoBox<'_>, steps: &Steps) {
        let mut information = None;
        for part in Boxes::new(mdia.reader(), steps) {
            match &part.kind {
                b"mdhd" => {
                    if let Some((timescale, duration)) = header_times(part) {
                        (self.timescale, self.duration) = (timescale, duration);
                    }
                }
                b"hdlr" => {
                    self.media = match part.body.get(8..12) {
                        Some(b"vide" | b"pict") => Media::Video,
                        Some(b"soun") => Media::Audio,
                        _ => Media::Other,
                    };
                }
                b"minf" => information = Some(part),
                _ => {}
            }
        }
        let tables = information
            .and_then(|minf| Boxes::new(minf.reader(), steps).find(|part| &part.kind == b"stbl"));
        let Some(tables) = tables else { return };
        for table in Boxes::new(tables.reader(), steps) {
            match &table.kind {
                b"stsd" => self.describe(table, steps),
                b"stts" => {
                    if let Some((_, _, reader)) = table.full() {
                        self.timed = times(reader);
                    }
                }
                b"stsz" => {
                    if let Some((_, _, reader)) = table.full() {
                        (self.samples, self.octets) = sizes(reader).unwrap_or_default();
                    }
                }
                b"stz2" => {
                    if let Some((_, _, reader)) = table.full() {
                        (self.samples, self.octets) = compact_sizes(reader).unwrap_or_default();
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads the first sample entry.
    fn describe(&mut self, stsd: IsoBox<'_>, steps: &Steps) {
        let first = stsd.full().and_then(|(_, _, mut reader)| {
            reader.skip(4).ok()?;
            Boxes::new(reader, steps).next()
        });
        match (self.media, first) {
            (Media::Video, Some(first)) => {
                let video = entry::video(first, steps);
                self.unread = entry::unread_video(first.kind, video.codec);
                self.video = Some(video);
            }
            (Media::Audio, Some(first)) => {
                let audio = entry::audio(first, steps);
                self.unread = entry::unread_audio(first.kind, audio.codec);
                self.audio = Some(audio);
            }
            _ => {}
        }
    }
}

/// Samples and time of an `stts` table. The last sample's time is part of the sum.
fn times(mut reader: Reader<'_>) -> (u64, u64) {
    let mut sum = (0_u64, 0_u64);
    let entries = reader.be32().unwrap_or(0);
    for _ in 0..entries {
        let (Ok(count), Ok(delta)) = (reader.be32(), reader.be32()) else {
            break;
        };
        sum.0 = sum.0.saturating_add(count.into());
        sum.1 = sum
            .1
            .saturating_add(u64::from(count).saturating_mul(delta.into()));
    }
    sum
}

/// Samples and octets of an `stsz` table. Only sizes that are there are summed.
fn sizes(mut reader: Reader<'_>) -> Option<(u32, u64)> {
    let each = reader.be32().ok()?;
    let count = reader.be32().ok()?;
    if each != 0 {
        return Some((count, u64::from(each).saturating_mul(count.into())));
    }
    let mut octets = 0_u64;
    for size in 0..count {
        match reader.be32() {
            Ok(length) => octets = octets.saturating_add(length.into()),
            Err(_) => return Some((size, octets)),
        }
    }
    Some((count, octets))
}

/// Samples and octets of an `stz2` table, whose fields have 4, 8 or 16 bits.
fn compact_sizes(mut reader: Reader<'_>) -> Option<(u32, u64)> {
    reader.skip(3).ok()?;
    let width = reader.u8().ok()?;
    let count = reader.be32().ok()?;
    let mut octets = 0_u64;
    let mut seen = 0_u32;
    while seen < count {
        let (length, samples) = match width {
            4 => match reader.u8() {
                Ok(pair) => (u64::from(pair >> 4).saturating_add((pair & 15).into()), 2),
                Err(_) => break,
            },
            8 => match reader.u8() {
                Ok(length) => (length.into(), 1),
                Err(_) => break,
            },
            16 => match reader.be16() {
                Ok(length) => (length.into(), 1),
                Err(_) => break,
            },
            _ => return None,
        };
        octets = octets.saturating_add(length);
        seen = seen.saturating_add(samples);
    }
    Some((seen.min(count), octets))
}

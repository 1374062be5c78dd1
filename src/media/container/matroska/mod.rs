//! WebM and Matroska (RFC 9559), as far as phones and browsers write them: tracks of sound and
//! pictures, blocks with lacing, clusters of unknown size. Compressed or encrypted blocks are not
//! opened.

pub(super) mod blocks;
mod ebml;
mod track;

use bytes::Bytes;

use super::error::{ContainerError, Warning};
use super::movie::{Movie, Source, Track};
use super::reader::Reader;
use super::track::{FourCc, TrackKind};
use crate::limits::Limits;
use blocks::Block;
use ebml::{Element, Elements, id};
use track::Entry;

/// Reads a WebM or Matroska file. A file that is cut gives the blocks that are whole.
///
/// Matroska tells when a frame is shown, not when it is decoded; decoding times are made up so
/// that they grow and no frame is shown before it is decoded.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where there is no EBML header or no track,
/// [`ContainerError::Limit`].
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    let mut elements = Elements::new(Reader::new(data), limits);
    let mut draft = Draft::default();
    match elements.next()? {
        Some(element) if element.id == id::EBML => draft.brand = doc_type(&element, limits)?,
        _ => return Err(ContainerError::malformed(0, "no EBML header")),
    }
    // Segments and clusters are entered and never left: what they may hold has identifiers of its
    // own, so their sizes, which live recordings leave open, do not matter.
    let mut cluster_time = 0;
    while let Some(element) = elements.next()? {
        match element.id {
            id::SEGMENT | id::CLUSTER => elements.enter(&element),
            id::INFO => draft.read_info(&element, limits)?,
            id::TRACKS => draft.read_tracks(&element, limits)?,
            id::TIMESTAMP => cluster_time = element.unsigned(),
            id::SIMPLE_BLOCK => {
                let block = blocks::read(element.body.clone(), cluster_time, true);
                draft.add(block, None, &element);
            }
            id::BLOCK_GROUP => draft.read_group(&element, cluster_time, limits)?,
            _ => {}
        }
    }
    if let Some(offset) = elements.cut() {
        draft.warn(offset, "an element is longer than the file");
    }
    draft.finish(data, limits)
}

/// Whether the data starts with an EBML header.
pub(super) fn recognises(data: &Bytes) -> bool {
    data.starts_with(&[0x1A, 0x45, 0xDF, 0xA3])
}

fn doc_type(header: &Element<'_>, limits: &Limits) -> Result<FourCc, ContainerError> {
    let mut name = [b' '; 4];
    let mut inner = Elements::new(header.body.clone(), limits);
    while let Some(element) = inner.next()? {
        if element.id == id::DOC_TYPE {
            for (to, from) in name.iter_mut().zip(element.body.rest()) {
                *to = *from;
            }
        }
    }
    Ok(FourCc(name))
}

/// A file while it is read.
#[derive(Debug)]
struct Draft {
    brand: FourCc,
    /// Nanoseconds of one tick.
    tick: u64,
    tracks: Vec<(Entry, Vec<Block>)>,
    warnings: Vec<Warning>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            brand: FourCc::default(),
            tick: 1_000_000,
            tracks: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl Draft {
    fn warn(&mut self, offset: usize, what: &'static str) {
        if self.warnings.len() < 32 {
            self.warnings.push(Warning { offset, what });
        }
    }

    fn read_info(&mut self, info: &Element<'_>, limits: &Limits) -> Result<(), ContainerError> {
        let mut inner = Elements::new(info.body.clone(), limits);
        while let Some(element) = inner.next()? {
            if element.id == id::TIMESTAMP_SCALE {
                self.tick = element.unsigned().clamp(1, 1_000_000_000);
            }
        }
        Ok(())
    }

    fn read_tracks(&mut self, tracks: &Element<'_>, limits: &Limits) -> Result<(), ContainerError> {
        let mut inner = Elements::new(tracks.body.clone(), limits);
        while let Some(element) = inner.next()? {
            if element.id != id::TRACK_ENTRY {
                continue;
            }
            if self.tracks.len() == limits.container_tracks {
                return Err(ContainerError::Limit {
                    what: "container_tracks",
                    limit: limits.container_tracks,
                });
            }
            let entry = track::read(&element, self.tick, limits)?;
            if entry.encoded {
                self.warn(
                    element.start,
                    "a track whose blocks are compressed or encrypted",
                );
            }
            self.tracks.push((entry, Vec::new()));
        }
        Ok(())
    }

    fn read_group(
        &mut self,
        group: &Element<'_>,
        cluster_time: u64,
        limits: &Limits,
    ) -> Result<(), ContainerError> {
        let mut block = None;
        let mut duration = None;
        let mut refers = false;
        let mut inner = Elements::new(group.body.clone(), limits);
        while let Some(element) = inner.next()? {
            match element.id {
                id::BLOCK => block = blocks::read(element.body.clone(), cluster_time, false),
                id::BLOCK_DURATION => duration = Some(element.unsigned()),
                id::REFERENCE_BLOCK => refers = true,
                _ => {}
            }
        }
        let block = block.map(|(number, mut block)| {
            block.keyframe = !refers;
            (number, block)
        });
        self.add(block, duration, group);
        Ok(())
    }

    fn add(&mut self, block: Option<(u64, Block)>, duration: Option<u64>, element: &Element<'_>) {
        let Some((number, mut block)) = block else {
            self.warn(element.start, "a block shorter than its header");
            return;
        };
        if element.cut {
            return;
        }
        let mut tracks = self.tracks.iter_mut();
        let Some((entry, blocks)) = tracks.find(|(entry, _)| entry.number == number) else {
            return;
        };
        block.duration = match duration {
            Some(ticks) => u32::try_from(ticks).unwrap_or(0),
            None => entry.frame_ticks,
        };
        block.frame_ticks = entry.frame_ticks;
        blocks.push(block);
    }

    fn finish(self, data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
        if self.tracks.is_empty() {
            return Err(ContainerError::malformed(data.len(), "no track"));
        }
        let mut movie = Movie {
            brand: self.brand,
            compatible: Vec::new(),
            tracks: Vec::new(),
            warnings: self.warnings,
        };
        let mut allowed = limits.container_samples;
        for (entry, mut blocks) in self.tracks {
            if entry.info.kind == TrackKind::Video {
                blocks::make_decoding_times(&mut blocks);
            }
            let mut track = Track::new(entry.info, data.clone(), Source::Blocks(blocks));
            if !track.measure(allowed) {
                return Err(ContainerError::Limit {
                    what: "container_samples",
                    limit: limits.container_samples,
                });
            }
            allowed = allowed.saturating_sub(track.len());
            movie.tracks.push(track);
        }
        Ok(movie)
    }
}

#[cfg(test)]
mod tests;

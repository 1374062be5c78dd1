//! Reads a file: its brands, its `moov` wherever it is, and its fragments.

use bytes::Bytes;

use super::super::error::ContainerError;
use super::super::movie::{Movie, Octets, Source, Track};
use super::super::reader::{Reader, share};
use super::super::track::{Edit, FourCc, TrackCodec, TrackInfo, TrackKind};
use super::boxes::{Boxes, Context, IsoBox};
use super::fragment;
use super::matrix::Turn;
use super::source::{IsoCursor, IsoSource, RunDefaults};
use super::stbl;
use crate::limits::Limits;

/// Reads an ISO base media file.
///
/// A file that is cut gives the samples that are whole. Bounds are
/// [`container_boxes`](Limits::container_boxes), [`container_tracks`](Limits::container_tracks)
/// and [`container_samples`](Limits::container_samples); tables are not unpacked, so memory grows
/// with the number of tracks and fragments alone.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where there is no `moov` or a header in it is cut,
/// [`ContainerError::Unsupported`] for a compressed `moov`, [`ContainerError::Limit`].
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    read_with(data, &Octets::Here(data.clone()), limits)
}

/// Reads the boxes in `data`, whose tables speak of `octets`.
pub(in super::super) fn read_with(
    data: &Bytes,
    octets: &Octets,
    limits: &Limits,
) -> Result<Movie, ContainerError> {
    let mut context = Context::new(limits);
    let mut movie = Movie {
        brand: FourCc(*b"qt  "),
        compatible: Vec::new(),
        tracks: Vec::new(),
        warnings: Vec::new(),
    };
    let mut tracks = Vec::new();
    let mut fragments = Vec::new();
    let mut found = false;
    let mut boxes = Boxes::new(Reader::new(data));
    while let Some(part) = boxes.next(&mut context)? {
        match &part.kind {
            b"ftyp" => brands(&part, &mut movie)?,
            b"moov" if !found => {
                found = true;
                tracks = read_moov(&part, &mut context)?;
            }
            b"moof" => fragments.push(part),
            _ => {}
        }
    }
    if !found {
        return Err(ContainerError::malformed(data.len(), "no moov"));
    }
    let mut allowed = limits.container_samples;
    for moof in &fragments {
        match fragment::read(moof, &mut tracks, &mut allowed, &mut context) {
            // The last fragment of a recording that was cut off.
            Err(ContainerError::Malformed { offset, what }) => context.warn(offset, what),
            other => other?,
        }
    }
    finish(tracks, octets, &mut context, &mut movie)?;
    movie.warnings = context.warnings;
    Ok(movie)
}

/// Measures the tracks and puts them into the movie.
fn finish(
    drafts: Vec<TrackDraft>,
    octets: &Octets,
    context: &mut Context<'_>,
    movie: &mut Movie,
) -> Result<(), ContainerError> {
    let mut allowed = context.limits.container_samples;
    for draft in drafts {
        let TrackDraft { info, source, .. } = draft;
        let mut track = Track::of_octets(info, octets.clone(), Source::Iso(Box::new(source)));
        if !track.measure(allowed) {
            return Err(ContainerError::Limit {
                what: "container_samples",
                limit: context.limits.container_samples,
            });
        }
        allowed = allowed.saturating_sub(track.len());
        if let Source::Iso(source) = &track.source {
            let mut cursor = IsoCursor::new(source, octets.size());
            cursor.skip_tables();
            if cursor.tables_have_more() {
                context.warn(octets.size(), "not all samples of a track are there");
            }
        }
        movie.tracks.push(track);
    }
    Ok(())
}

fn brands(ftyp: &IsoBox<'_>, movie: &mut Movie) -> Result<(), ContainerError> {
    let mut body = ftyp.body.clone();
    movie.brand = FourCc(body.array()?);
    body.skip(4)?;
    while body.left() >= 4 {
        movie.compatible.push(FourCc(body.array()?));
    }
    Ok(())
}

/// A track while its parts are gathered.
#[derive(Debug)]
pub(super) struct TrackDraft {
    pub(super) info: TrackInfo,
    pub(super) source: IsoSource,
    pub(super) defaults: RunDefaults,
    /// When the fragments read so far end.
    pub(super) next_dts: Option<i64>,
}

impl TrackDraft {
    /// When what was read so far ends: where the next fragment starts if it does not say.
    pub(super) fn end(&self) -> i64 {
        self.next_dts.unwrap_or_else(|| self.source.ticks())
    }
}

fn read_moov(
    moov: &IsoBox<'_>,
    context: &mut Context<'_>,
) -> Result<Vec<TrackDraft>, ContainerError> {
    let mut timescale = 0;
    let mut turn = Turn::NONE;
    let mut traks = Vec::new();
    let mut defaults = Vec::new();
    let mut children = Boxes::new(moov.body.clone());
    while let Some(child) = children.next(context)? {
        match &child.kind {
            b"mvhd" => (timescale, turn) = read_mvhd(&child)?,
            b"trak" if traks.len() == context.limits.container_tracks => {
                return Err(ContainerError::Limit {
                    what: "container_tracks",
                    limit: context.limits.container_tracks,
                });
            }
            b"trak" => traks.push(child),
            b"mvex" => {
                let mut inner = Boxes::new(child.body);
                while let Some(part) = inner.next(context)? {
                    if &part.kind == b"trex" {
                        defaults.push(fragment::read_defaults(&part)?);
                    }
                }
            }
            b"cmov" => {
                return Err(ContainerError::unsupported(child.start, "compressed moov"));
            }
            _ => {}
        }
    }
    let mut tracks = Vec::new();
    for trak in traks {
        match read_trak(&trak, timescale, turn, context) {
            Ok(mut track) => {
                let own = defaults.iter().find(|(id, _)| *id == track.info.id);
                track.defaults = own.map(|(_, own)| *own).unwrap_or_default();
                tracks.push(track);
            }
            // One broken track does not spoil the others.
            Err(ContainerError::Malformed { offset, what }) => context.warn(offset, what),
            Err(other) => return Err(other),
        }
    }
    Ok(tracks)
}

/// `mvhd`: the movie's ticks per second and its matrix.
fn read_mvhd(mvhd: &IsoBox<'_>) -> Result<(u32, Turn), ContainerError> {
    let (version, _, mut reader) = mvhd.full()?;
    reader.skip(if version == 1 { 16 } else { 8 })?;
    let timescale = reader.be32()?;
    reader.skip(if version == 1 { 8 } else { 4 })?;
    reader.skip(16)?;
    Ok((timescale, read_matrix(&mut reader)?))
}

fn read_matrix(reader: &mut Reader<'_>) -> Result<Turn, ContainerError> {
    let mut number = || reader.array().map(i32::from_be_bytes);
    let (a, b, _) = (number()?, number()?, number()?);
    let (c, d) = (number()?, number()?);
    Ok(Turn::new(a, b, c, d))
}

fn read_trak(
    trak: &IsoBox<'_>,
    movie_timescale: u32,
    movie_turn: Turn,
    context: &mut Context<'_>,
) -> Result<TrackDraft, ContainerError> {
    let mut info = TrackInfo::new(0, TrackCodec::Other(String::new()), 1);
    let mut source = None;
    let mut edits = Vec::new();
    let mut children = Boxes::new(trak.body.clone());
    while let Some(child) = children.next(context)? {
        match &child.kind {
            b"tkhd" => {
                let (version, _, mut reader) = child.full()?;
                reader.skip(if version == 1 { 16 } else { 8 })?;
                info.id = reader.be32()?;
                reader.skip(if version == 1 { 12 } else { 8 })?;
                reader.skip(16)?;
                info.orientation = read_matrix(&mut reader)?.then(movie_turn).orientation();
            }
            b"edts" => {
                let mut inner = Boxes::new(child.body);
                while let Some(part) = inner.next(context)? {
                    if &part.kind == b"elst" {
                        edits.push(part);
                    }
                }
            }
            b"mdia" => source = Some(read_mdia(&child, &mut info, context)?),
            _ => {}
        }
    }
    let source = source.ok_or_else(|| ContainerError::malformed(trak.start, "no sample tables"))?;
    if let Some(elst) = edits.first() {
        info.edit = read_edits(elst, movie_timescale, info.timescale, context)?;
    }
    Ok(TrackDraft {
        info,
        source,
        defaults: RunDefaults::default(),
        next_dts: None,
    })
}

fn read_mdia(
    mdia: &IsoBox<'_>,
    info: &mut TrackInfo,
    context: &mut Context<'_>,
) -> Result<IsoSource, ContainerError> {
    let mut media = None;
    let mut children = Boxes::new(mdia.body.clone());
    while let Some(child) = children.next(context)? {
        match &child.kind {
            b"mdhd" => {
                let (version, _, mut reader) = child.full()?;
                reader.skip(if version == 1 { 16 } else { 8 })?;
                info.timescale = reader.be32()?.max(1);
                reader.skip(if version == 1 { 8 } else { 4 })?;
                info.language = language(reader.be16()?);
            }
            b"hdlr" => {
                let (.., mut reader) = child.full()?;
                reader.skip(4)?;
                info.kind = match &reader.array()? {
                    b"vide" => TrackKind::Video,
                    b"soun" => TrackKind::Audio,
                    b"text" | b"sbtl" | b"subt" => TrackKind::Text,
                    _ => TrackKind::Other,
                };
            }
            b"minf" => {
                let mut inner = Boxes::new(child.body);
                while let Some(part) = inner.next(context)? {
                    if &part.kind == b"stbl" {
                        media = Some(part);
                    }
                }
            }
            _ => {}
        }
    }
    let stbl = media.ok_or_else(|| ContainerError::malformed(mdia.start, "no sample tables"))?;
    stbl::read(&stbl, info, context)
}

/// Three letters of five bits; QuickTime's own numbers, which lie below, are not told apart.
fn language(packed: u16) -> [u8; 3] {
    let letter = |shift: u32| {
        u8::try_from((packed >> shift) & 31)
            .unwrap_or(0)
            .saturating_add(0x60)
    };
    let letters = [letter(10), letter(5), letter(0)];
    if letters.iter().all(u8::is_ascii_lowercase) {
        letters
    } else {
        *b"und"
    }
}

/// Reads `elst` as a pause and one stretch of media. Stretches that follow each other without a
/// gap count as one; what comes after a gap is left out, with a warning.
fn read_edits(
    elst: &IsoBox<'_>,
    movie_timescale: u32,
    timescale: u32,
    context: &mut Context<'_>,
) -> Result<Edit, ContainerError> {
    let (version, _, mut reader) = elst.full()?;
    let declared = reader.be32()?;
    let ticks = |duration: u64| {
        let scaled = u128::from(duration).saturating_mul(u128::from(timescale));
        // Half up, as a duration in a coarser unit was most likely rounded.
        let half = u128::from(movie_timescale / 2);
        let unit = u128::from(movie_timescale.max(1));
        u64::try_from(scaled.saturating_add(half) / unit).unwrap_or(u64::MAX)
    };
    let mut edit = Edit::default();
    let mut media: Option<(u64, u64)> = None;
    for _ in 0..declared {
        let (duration, start) = match version {
            1 if reader.left() >= 20 => (reader.be64()?, i64::from_be_bytes(reader.array()?)),
            0 if reader.left() >= 12 => (
                u64::from(reader.be32()?),
                i64::from(i32::from_be_bytes(reader.array()?)),
            ),
            _ => {
                context.warn(elst.start, "an edit list counts more entries than it has");
                break;
            }
        };
        let rate = reader.be32()?;
        let duration = ticks(duration);
        match (u64::try_from(start), media) {
            (Err(_), None) => edit.delay = edit.delay.saturating_add(duration),
            (Ok(start), None) => {
                media = Some((start, duration));
                if rate != 0x0001_0000 {
                    context.warn(elst.start, "an edit of another speed");
                }
                if duration == 0 {
                    break;
                }
            }
            (Ok(start), Some((first, shown))) if first.saturating_add(shown) == start => {
                media = Some((first, shown.saturating_add(duration)));
            }
            _ => {
                context.warn(elst.start, "only the first stretch of an edit list is used");
                break;
            }
        }
    }
    if let Some((start, shown)) = media {
        edit.media_start = start;
        edit.duration = (shown > 0).then_some(shown);
    }
    Ok(edit)
}

/// Whether the data starts as ISO base media does: with a box of a type that may come first.
pub(in super::super) fn recognises(data: &Bytes) -> bool {
    share(data, 4, 4).is_some_and(|kind| {
        matches!(
            kind.as_ref(),
            b"ftyp" | b"moov" | b"mdat" | b"free" | b"skip" | b"wide" | b"pnot" | b"styp"
        )
    })
}

//! Movie fragments (ISO/IEC 14496-12 section 8.8).

use super::super::error::ContainerError;
use super::super::reader::{index, saturated};
use super::boxes::{Boxes, Context, IsoBox};
use super::read::TrackDraft;
use super::source::{Run, RunDefaults};

const BASE_OFFSET: u32 = 0x1;
const DESCRIPTION: u32 = 0x2;
const DEFAULT_DURATION: u32 = 0x8;
const DEFAULT_SIZE: u32 = 0x10;
const DEFAULT_FLAGS: u32 = 0x20;
const BASE_IS_MOOF: u32 = 0x2_0000;
const RUN_OFFSET: u32 = 0x1;
const RUN_FIRST_FLAGS: u32 = 0x4;

/// Reads `trex`: the track it is for and what its samples have by default.
pub(super) fn read_defaults(trex: &IsoBox<'_>) -> Result<(u32, RunDefaults), ContainerError> {
    let (.., mut reader) = trex.full()?;
    let track = reader.be32()?;
    reader.skip(4)?;
    Ok((
        track,
        RunDefaults {
            duration: reader.be32()?,
            size: reader.be32()?,
            flags: reader.be32()?,
        },
    ))
}

/// Adds the runs of one `moof` to the tracks they belong to. `allowed` counts the samples that may
/// still be listed.
pub(super) fn read(
    moof: &IsoBox<'_>,
    tracks: &mut [TrackDraft],
    allowed: &mut usize,
    context: &mut Context<'_>,
) -> Result<(), ContainerError> {
    let start = u64::try_from(moof.start).unwrap_or(u64::MAX);
    // Without an offset of its own, a track fragment continues where the one before it ended.
    let mut implied = start;
    let mut children = Boxes::new(moof.body.clone());
    while let Some(child) = children.next(context)? {
        if &child.kind == b"traf" {
            implied = track_fragment(&child, (start, implied), tracks, allowed, context)?;
        }
    }
    Ok(())
}

/// Reads a `traf`; gives the octet at which its data ends.
fn track_fragment(
    traf: &IsoBox<'_>,
    (moof, implied): (u64, u64),
    tracks: &mut [TrackDraft],
    allowed: &mut usize,
    context: &mut Context<'_>,
) -> Result<u64, ContainerError> {
    let mut header = None;
    let mut time = None;
    let mut runs = Vec::new();
    let mut children = Boxes::new(traf.body.clone());
    while let Some(child) = children.next(context)? {
        match &child.kind {
            b"tfhd" => header = Some(child),
            b"tfdt" => {
                let (version, _, mut reader) = child.full()?;
                time = Some(match version {
                    0 => u64::from(reader.be32()?),
                    _ => reader.be64()?,
                });
            }
            b"trun" => runs.push(child),
            _ => {}
        }
    }
    let Some(header) = header else {
        context.warn(traf.start, "a track fragment without tfhd");
        return Ok(implied);
    };
    let (_, flags, mut reader) = header.full()?;
    let id = reader.be32()?;
    let Some(track) = tracks.iter_mut().find(|track| track.info.id == id) else {
        context.warn(traf.start, "a fragment of a track that is not declared");
        return Ok(implied);
    };
    let base = if flags & BASE_OFFSET != 0 {
        reader.be64()?
    } else if flags & BASE_IS_MOOF != 0 {
        moof
    } else {
        implied
    };
    if flags & DESCRIPTION != 0 {
        reader.skip(4)?;
    }
    let mut default = track.defaults;
    for (flag, field) in [
        (DEFAULT_DURATION, &mut default.duration),
        (DEFAULT_SIZE, &mut default.size),
        (DEFAULT_FLAGS, &mut default.flags),
    ] {
        if flags & flag != 0 {
            *field = reader.be32()?;
        }
    }
    let mut dts = time
        .and_then(|time| i64::try_from(time).ok())
        .unwrap_or_else(|| track.end());
    track.next_dts = Some(dts);
    let mut at = base;
    for part in runs {
        let run = read_run(&part, (base, at), dts, default, context)?;
        let (octets, ticks) = run
            .extent(saturated(*allowed))
            .ok_or(ContainerError::Limit {
                what: "container_samples",
                limit: context.limits.container_samples,
            })?;
        *allowed = allowed.saturating_sub(index(run.count));
        at = run.start.saturating_add(octets);
        dts = dts.saturating_add(ticks);
        track.next_dts = Some(dts);
        track.source.runs.push(run);
    }
    Ok(at)
}

fn read_run(
    trun: &IsoBox<'_>,
    (base, at): (u64, u64),
    dts: i64,
    default: RunDefaults,
    context: &mut Context<'_>,
) -> Result<Run, ContainerError> {
    let (_, present, mut reader) = trun.full()?;
    let declared = reader.be32()?;
    let start = if present & RUN_OFFSET != 0 {
        let offset = i64::from(i32::from_be_bytes(reader.array()?));
        base.checked_add_signed(offset)
            .ok_or_else(|| reader.malformed("a run in front of the file"))?
    } else {
        at
    };
    let first_flags = if present & RUN_FIRST_FLAGS != 0 {
        Some(reader.be32()?)
    } else {
        None
    };
    let mut count = declared;
    if let Some(there) = reader.left().checked_div(Run::entry_bytes(present))
        && index(declared) > there
    {
        context.warn(trun.start, "a run counts more samples than it has");
        count = saturated(there);
    }
    Ok(Run {
        start,
        dts,
        count,
        present,
        first_flags,
        default,
        entries: reader.rest_bytes(),
    })
}

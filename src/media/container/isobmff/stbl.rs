//! `stbl`: the sample tables of one track (ISO/IEC 14496-12 section 8.5 to 8.7).

use super::super::error::ContainerError;
use super::super::reader::{index, saturated};
use super::super::track::{TrackCodec, TrackInfo};
use super::boxes::{Boxes, Context, IsoBox};
use super::entry;
use super::source::{IsoSource, Sizes, Table};

/// Reads the tables of a track and, into `info`, the description its samples use.
pub(super) fn read(
    stbl: &IsoBox<'_>,
    info: &mut TrackInfo,
    context: &mut Context<'_>,
) -> Result<IsoSource, ContainerError> {
    let mut source = IsoSource::default();
    let mut description = None;
    let mut children = Boxes::new(stbl.body.clone());
    while let Some(child) = children.next(context)? {
        match &child.kind {
            b"stsd" => description = Some(child),
            b"stts" => source.times = table(&child, 2, context)?,
            b"ctts" => source.delays = Some(table(&child, 2, context)?),
            b"stsc" => source.chunk_map = table(&child, 3, context)?,
            b"stco" => source.chunks = table(&child, 1, context)?,
            b"co64" => source.chunks = table(&child, 2, context)?,
            b"stss" => source.sync = Some(table(&child, 1, context)?),
            b"stsz" => source.sizes = sizes(&child, context)?,
            b"stz2" => source.sizes = compact_sizes(&child, context)?,
            _ => {}
        }
    }
    let stsd =
        description.ok_or_else(|| ContainerError::malformed(stbl.start, "a track without stsd"))?;
    let number = source.chunk_map.field(0, 2).unwrap_or(1);
    entry::read(&stsd, number, info, context)?;
    if let TrackCodec::Pcm(format) = info.codec {
        let frame = format.frame_bytes(info.channels.unwrap_or(1));
        source.pcm_frame = Some(saturated(frame).max(1));
    } else if source.sizes.uniform > 0
        && index(source.sizes.count) > context.limits.container_samples
    {
        // No table bears the count out, and to walk up to the limit first would only take longer.
        return Err(ContainerError::Limit {
            what: "container_samples",
            limit: context.limits.container_samples,
        });
    }
    Ok(source)
}

fn table(
    part: &IsoBox<'_>,
    fields: usize,
    context: &mut Context<'_>,
) -> Result<Table, ContainerError> {
    let (.., reader) = part.full()?;
    let (table, clipped) = Table::read(reader, fields)?;
    if clipped {
        context.warn(part.start, "a table counts more entries than it has");
    }
    Ok(table)
}

fn sizes(part: &IsoBox<'_>, context: &mut Context<'_>) -> Result<Sizes, ContainerError> {
    let (.., mut reader) = part.full()?;
    let (uniform, declared) = (reader.be32()?, reader.be32()?);
    let mut sizes = Sizes {
        uniform,
        count: declared,
        bits: 32,
        octets: reader.rest_bytes(),
    };
    if uniform == 0 {
        clip(&mut sizes, part, context);
    }
    Ok(sizes)
}

fn compact_sizes(part: &IsoBox<'_>, context: &mut Context<'_>) -> Result<Sizes, ContainerError> {
    let (.., mut reader) = part.full()?;
    reader.skip(3)?;
    let bits = reader.u8()?;
    if !matches!(bits, 4 | 8 | 16) {
        return Err(reader.malformed("stz2 with fields of another width"));
    }
    let mut sizes = Sizes {
        uniform: 0,
        count: reader.be32()?,
        bits,
        octets: reader.rest_bytes(),
    };
    clip(&mut sizes, part, context);
    Ok(sizes)
}

/// Counts no more entries than there are octets for.
fn clip(sizes: &mut Sizes, part: &IsoBox<'_>, context: &mut Context<'_>) {
    let there = sizes.octets.len().saturating_mul(8) / usize::from(sizes.bits.max(1));
    if index(sizes.count) > there {
        sizes.count = saturated(there);
        context.warn(part.start, "a table counts more entries than it has");
    }
}

//! Everything in front of the samples: `ftyp`, `moov`, and the header of `mdat`.

use super::super::super::error::WriteError;
use super::super::super::reader::saturated;
use super::super::super::track::{FourCc, TrackCodec, TrackKind};
use super::super::matrix::matrix;
use super::layout::{self, Chunk, MOVIE_TIMESCALE, Plan, run_lengths};
use super::{Brand, entry};

/// A box of these parts. What we write stays far below 32 bits; [`write`] checks the file as a
/// whole.
pub(super) fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body: usize = parts.iter().map(|part| part.len()).sum();
    let length = body.saturating_add(8);
    let mut out = Vec::with_capacity(length);
    out.extend(saturated(length).to_be_bytes());
    out.extend(kind);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A box with a version and flags.
pub(super) fn full_box(kind: &[u8; 4], version: u8, flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    let [_, a, b, c] = flags.to_be_bytes();
    let body = parts.concat();
    boxed(kind, &[&[version, a, b, c], &body])
}

/// Numbers as a table has them.
fn words(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    numbers.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// Everything up to the first sample, the file being laid out as if this took `base` octets.
pub(super) fn write(
    brand: Brand,
    plans: &[Plan<'_>],
    chunks: &[Chunk],
    base: usize,
) -> Result<Vec<u8>, WriteError> {
    if plans.is_empty() {
        return Err(WriteError::NoTrack);
    }
    let octets = plans
        .iter()
        .fold(0_u64, |sum, plan| sum.saturating_add(plan.octets()));
    let whole = octets.saturating_add(u64::try_from(base).unwrap_or(u64::MAX));
    if u32::try_from(whole).is_err() {
        return Err(WriteError::Field("the size of the file"));
    }
    let offsets = layout::offsets(plans, chunks, base);
    let longest = plans.iter().map(|plan| plan.movie_ticks(plan.end)).max();
    let mut moov = mvhd(longest.unwrap_or(0), layout::number(plans.len()));
    for (place, plan) in plans.iter().enumerate() {
        let own = chunks.iter().zip(&offsets);
        let own = own.filter(|(chunk, _)| chunk.track == place);
        let own: Vec<(Chunk, u64)> = own.map(|(chunk, at)| (*chunk, *at)).collect();
        moov.extend(trak(brand, plan, layout::number(place), &own)?);
    }
    let mut out = ftyp(brand, plans);
    out.extend(boxed(b"moov", &[&moov]));
    out.extend(saturated(octets.saturating_add(8)).to_be_bytes());
    out.extend(b"mdat");
    Ok(out)
}

fn ftyp(brand: Brand, plans: &[Plan<'_>]) -> Vec<u8> {
    let has = |wanted: fn(&TrackCodec) -> bool| plans.iter().any(|plan| wanted(&plan.info.codec));
    let avc = has(|codec| matches!(codec, TrackCodec::H264(_)));
    // The version of the specification as major * 256 + minor, where the brand counts so.
    let (version, others): (u32, &[[u8; 4]]) = match brand {
        Brand::ThreeGp4 => (0x200, &[*b"3gp5", *b"isom"]),
        Brand::ThreeGp5 => (0x200, &[*b"3gp4", *b"isom"]),
        Brand::ThreeGp6 if avc => (0x100, &[*b"isom"]),
        Brand::ThreeGp6 => (0x100, &[*b"3gp5", *b"3gp4", *b"isom"]),
        Brand::ThreeG2a => (0x1_0000, &[*b"isom"]),
        Brand::Mp42 if avc => (0, &[*b"isom", *b"avc1"]),
        Brand::Mp42 if has(|codec| matches!(codec, TrackCodec::Av1(_))) => {
            (0, &[*b"isom", *b"av01"])
        }
        Brand::Mp42 => (0, &[*b"isom"]),
    };
    let FourCc(major) = brand.code();
    boxed(
        b"ftyp",
        &[
            &major,
            &version.to_be_bytes(),
            &major,
            others.as_flattened(),
        ],
    )
}

fn mvhd(duration: u32, next_track: u32) -> Vec<u8> {
    let mut body = words([0, 0, MOVIE_TIMESCALE, duration]);
    body.extend([0, 1, 0, 0, 1, 0]);
    body.extend([0; 10]);
    body.extend(matrix(1, 0, 0).into_iter().flat_map(i32::to_be_bytes));
    body.extend([0; 24]);
    body.extend(next_track.to_be_bytes());
    full_box(b"mvhd", 0, 0, &[&body])
}

fn trak(
    brand: Brand,
    plan: &Plan<'_>,
    number: u32,
    chunks: &[(Chunk, u64)],
) -> Result<Vec<u8>, WriteError> {
    let tkhd = tkhd(plan, number)?;
    let edts = edts(plan);
    let (handler, media_header) = match plan.info.codec.kind() {
        TrackKind::Video => (b"vide", full_box(b"vmhd", 0, 1, &[&[0; 8]])),
        _ => (b"soun", full_box(b"smhd", 0, 0, &[&[0; 4]])),
    };
    let hdlr = full_box(b"hdlr", 0, 0, &[&[0; 4], handler, &[0; 13]]);
    let own_file = full_box(b"url ", 0, 1, &[]);
    let dref = full_box(b"dref", 0, 0, &[&1_u32.to_be_bytes(), &own_file]);
    let dinf = boxed(b"dinf", &[&dref]);
    let stbl = stbl(brand, plan, chunks)?;
    let minf = boxed(b"minf", &[&media_header, &dinf, &stbl]);
    let mdia = boxed(b"mdia", &[&mdhd(plan)?, &hdlr, &minf]);
    Ok(boxed(b"trak", &[&tkhd, &edts, &mdia]))
}

/// Width and height as the boxes have room for.
pub(super) fn sides(plan: &Plan<'_>) -> Result<(u16, u16), WriteError> {
    let Some(size) = plan.info.size else {
        return Ok((0, 0));
    };
    match (u16::try_from(size.width), u16::try_from(size.height)) {
        (Ok(width), Ok(height)) => Ok((width, height)),
        _ => Err(WriteError::Field("the size of the picture")),
    }
}

fn tkhd(plan: &Plan<'_>, number: u32) -> Result<Vec<u8>, WriteError> {
    let (width, height) = sides(plan)?;
    let sound = plan.info.codec.kind() == TrackKind::Audio;
    let mut body = words([0, 0, number, 0, plan.movie_ticks(plan.end)]);
    body.extend([0; 12]);
    body.extend([u8::from(sound), 0, 0, 0]);
    let turn = matrix(plan.info.orientation, width, height);
    body.extend(turn.into_iter().flat_map(i32::to_be_bytes));
    body.extend(words([u32::from(width) << 16, u32::from(height) << 16]));
    // Enabled, in the movie, in the preview.
    Ok(full_box(b"tkhd", 0, 7, &[&body]))
}

/// A pause for a track that starts late, and what of the media is shown.
fn edts(plan: &Plan<'_>) -> Vec<u8> {
    if !plan.edited {
        return Vec::new();
    }
    const SPEED: u32 = 0x0001_0000;
    let mut entries = Vec::new();
    if plan.pause > 0 {
        let scaled = u128::from(plan.pause) * u128::from(MOVIE_TIMESCALE);
        let timescale = u128::from(plan.info.timescale.max(1));
        let pause = saturated(scaled.saturating_add(timescale / 2) / timescale);
        entries.push([pause, u32::MAX, SPEED]);
    }
    let shown = plan.movie_ticks(plan.end.saturating_sub(plan.pause));
    entries.push([shown, saturated(plan.media_start), SPEED]);
    let count = saturated(entries.len());
    let elst = words([count].into_iter().chain(entries.into_iter().flatten()));
    boxed(b"edts", &[&full_box(b"elst", 0, 0, &[&elst])])
}

fn mdhd(plan: &Plan<'_>) -> Result<Vec<u8>, WriteError> {
    let duration = u32::try_from(plan.media_ticks());
    let duration = duration.map_err(|_| WriteError::Field("the duration of a track"))?;
    let body = words([0, 0, plan.info.timescale.max(1), duration]);
    let language = plan
        .info
        .language
        .iter()
        .map(|letter| u16::from(letter.saturating_sub(0x60) & 31))
        .fold(0_u16, |packed, five| (packed << 5) | five);
    Ok(full_box(
        b"mdhd",
        0,
        0,
        &[&body, &language.to_be_bytes(), &[0, 0]],
    ))
}

fn stbl(brand: Brand, plan: &Plan<'_>, chunks: &[(Chunk, u64)]) -> Result<Vec<u8>, WriteError> {
    let count = layout::count_of(plan.items.len())?;
    let mut out = entry::stsd(brand, plan)?;
    let times = run_lengths(&plan.deltas);
    out.extend(pairs(b"stts", 0, times));
    if plan.delays.iter().any(|delay| *delay != 0) {
        let negative = plan.delays.iter().any(|delay| *delay < 0);
        let delays = run_lengths(&plan.delays);
        let delays = delays
            .into_iter()
            .map(|(n, delay)| (n, u32::from_be_bytes(delay.to_be_bytes())))
            .collect();
        out.extend(pairs(b"ctts", u8::from(negative), delays));
    }
    let video = plan.info.codec.kind() == TrackKind::Video;
    if video && plan.items.iter().any(|item| !item.shape.keyframe) {
        let numbers = plan.items.iter().zip(1_u32..);
        let keys: Vec<u32> = numbers
            .filter(|(item, _)| item.shape.keyframe)
            .map(|(_, number)| number)
            .collect();
        out.extend(table(b"stss", 0, keys.len(), keys));
    }
    let counts: Vec<u32> = chunks
        .iter()
        .map(|(chunk, _)| saturated(chunk.count))
        .collect();
    let mut first = 1_u32;
    let mut map = Vec::new();
    for (repeats, samples) in run_lengths(&counts) {
        map.extend([first, samples, 1]);
        first = first.saturating_add(repeats);
    }
    out.extend(table(b"stsc", 0, map.len() / 3, map));
    let sizes: Vec<u32> = if plan.uniform {
        let size = plan.items.first().map_or(0, |item| item.size);
        vec![size, count]
    } else {
        let sizes = plan.items.iter().map(|item| item.size);
        [0, count].into_iter().chain(sizes).collect()
    };
    out.extend(full_box(b"stsz", 0, 0, &[&words(sizes)]));
    let places = chunks.iter().map(|(_, at)| saturated(*at));
    out.extend(table(b"stco", 0, chunks.len(), places));
    Ok(boxed(b"stbl", &[&out]))
}

fn table(
    kind: &[u8; 4],
    version: u8,
    count: usize,
    numbers: impl IntoIterator<Item = u32>,
) -> Vec<u8> {
    let body = words([saturated(count)].into_iter().chain(numbers));
    full_box(kind, version, 0, &[&body])
}

fn pairs(kind: &[u8; 4], version: u8, runs: Vec<(u32, u32)>) -> Vec<u8> {
    let count = runs.len();
    let numbers = runs.into_iter().flat_map(|(n, value)| [n, value]);
    table(kind, version, count, numbers)
}

//! The samples of a track as its tables and fragments list them, read in place.
//!
//! Nothing here is as long as a count in the file says: tables stay octets of the input, and each
//! step of a cursor reads one entry.

use bytes::Bytes;

use super::super::movie::Span;
use super::super::reader::{Reader, index};

/// Samples that are not compressed come so many at a time.
const PCM_FRAMES: u32 = 1024;

/// The sample tables of `stbl` and the runs of movie fragments.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct IsoSource {
    pub(super) times: Table,
    pub(super) delays: Option<Table>,
    pub(super) chunk_map: Table,
    pub(super) chunks: Table,
    pub(super) sizes: Sizes,
    pub(super) sync: Option<Table>,
    /// Octets of one sample of all channels where the track is not compressed.
    pub(super) pcm_frame: Option<u32>,
    pub(super) runs: Vec<Run>,
}

impl IsoSource {
    /// Ticks of all samples that the tables list.
    pub(super) fn ticks(&self) -> i64 {
        let mut sum = 0_i64;
        let mut entry = 0;
        while let (Some(count), Some(delta)) =
            (self.times.field(entry, 0), self.times.field(entry, 1))
        {
            sum = sum.saturating_add(i64::from(count).saturating_mul(i64::from(delta)));
            entry = entry.saturating_add(1);
        }
        sum
    }
}

/// A table of entries of 32-bit fields; `chunks` of `co64` has two fields to an entry.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    octets: Bytes,
    fields: usize,
}

impl Table {
    /// The table that `reader` stands at: a count and its entries, of which those that are not
    /// there are left out. The flag says whether any was.
    pub(super) fn read(
        mut reader: Reader<'_>,
        fields: usize,
    ) -> Result<(Self, bool), super::super::error::ContainerError> {
        let declared = index(reader.be32()?);
        let width = fields.saturating_mul(4).max(1);
        let there = reader.left() / width;
        let count = declared.min(there);
        let octets = reader.bytes(count.saturating_mul(width))?;
        Ok((Self { octets, fields }, declared > there))
    }

    pub(super) fn field(&self, entry: usize, field: usize) -> Option<u32> {
        if field >= self.fields {
            return None;
        }
        let at = entry
            .checked_mul(self.fields)?
            .checked_add(field)?
            .checked_mul(4)?;
        self.octets
            .get(at..)?
            .first_chunk()
            .map(|octets| u32::from_be_bytes(*octets))
    }

    fn offset(&self, entry: usize) -> Option<u64> {
        let first = u64::from(self.field(entry, 0)?);
        Some(match self.field(entry, 1) {
            Some(low) => (first << 32) | u64::from(low),
            None => first,
        })
    }
}

/// `stsz` or `stz2`.
#[derive(Debug, Clone, Default)]
pub(super) struct Sizes {
    /// The size of every sample, where they are all alike.
    pub(super) uniform: u32,
    pub(super) count: u32,
    /// Bits of one entry: 4, 8, 16 or 32.
    pub(super) bits: u8,
    pub(super) octets: Bytes,
}

impl Sizes {
    fn size(&self, sample: u32) -> Option<u32> {
        if sample >= self.count {
            return None;
        }
        if self.uniform > 0 {
            return Some(self.uniform);
        }
        let entry = index(sample);
        let octet = |at: usize| self.octets.get(at).copied();
        match self.bits {
            4 => {
                let pair = octet(entry / 2)?;
                let nibble = if entry.is_multiple_of(2) {
                    pair >> 4
                } else {
                    pair & 15
                };
                Some(u32::from(nibble))
            }
            8 => octet(entry).map(u32::from),
            16 => {
                let pair = self.octets.get(entry.checked_mul(2)?..)?.first_chunk()?;
                Some(u32::from(u16::from_be_bytes(*pair)))
            }
            _ => {
                let four = self.octets.get(entry.checked_mul(4)?..)?.first_chunk()?;
                Some(u32::from_be_bytes(*four))
            }
        }
    }
}

/// One `trun` with the defaults that apply to it.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) dts: i64,
    pub(super) count: u32,
    /// Flags of the `trun` box: which fields an entry has.
    pub(super) present: u32,
    pub(super) first_flags: Option<u32>,
    pub(super) default: RunDefaults,
    pub(super) entries: Bytes,
}

/// What a sample of a run has where its entry does not say (`trex` and `tfhd`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RunDefaults {
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

const RUN_DURATION: u32 = 0x100;
const RUN_SIZE: u32 = 0x200;
const RUN_FLAGS: u32 = 0x400;
const RUN_DELAY: u32 = 0x800;
const NOT_SYNC: u32 = 0x0001_0000;

impl Run {
    /// Octets of one entry.
    pub(super) const fn entry_bytes(present: u32) -> usize {
        let fields = present & (RUN_DURATION | RUN_SIZE | RUN_FLAGS | RUN_DELAY);
        match fields.count_ones() {
            0 => 0,
            1 => 4,
            2 => 8,
            3 => 12,
            _ => 16,
        }
    }

    /// Sample `n`: duration, size, flags, and the delay from decoding to showing.
    fn sample(&self, n: u32) -> Option<(u32, u32, u32, i32)> {
        if n >= self.count {
            return None;
        }
        let width = Self::entry_bytes(self.present);
        let mut entry = self.entries.get(index(n).checked_mul(width)?..)?;
        let mut field = |flag: u32| -> Option<Option<u32>> {
            if self.present & flag == 0 {
                return Some(None);
            }
            let (four, rest) = entry.split_first_chunk()?;
            entry = rest;
            Some(Some(u32::from_be_bytes(*four)))
        };
        let duration = field(RUN_DURATION)?.unwrap_or(self.default.duration);
        let size = field(RUN_SIZE)?.unwrap_or(self.default.size);
        let flags = field(RUN_FLAGS)?
            .or(if n == 0 { self.first_flags } else { None })
            .unwrap_or(self.default.flags);
        let delay = field(RUN_DELAY)?.unwrap_or(0);
        Some((duration, size, flags, signed_delay(delay)))
    }
}

/// Composition offsets are unsigned in version 0 of their boxes; QuickTime's writers put negative
/// ones there nevertheless, and no true one is so large that it would be taken for one.
const fn signed_delay(delay: u32) -> i32 {
    i32::from_be_bytes(delay.to_be_bytes())
}

/// Goes through the samples of a source in decoding order.
#[derive(Debug, Clone)]
pub(in super::super) struct IsoCursor<'a> {
    source: &'a IsoSource,
    /// Octets of the input.
    length: u64,
    sample: u32,
    dts: i64,
    /// Time of the sample before: none is decoded earlier, whatever a fragment says.
    last: i64,
    chunk: usize,
    map_entry: usize,
    chunk_left: u32,
    at: u64,
    times: Counted,
    delays: Counted,
    sync_entry: usize,
    tables_done: bool,
    run: usize,
    run_sample: u32,
}

/// A place in a table of (count, value) pairs.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    entry: usize,
    used: u32,
}

impl Counted {
    /// The value that holds for the next sample and how many samples it still holds for.
    fn peek(&mut self, table: &Table) -> Option<(u32, u32)> {
        loop {
            let left = table.field(self.entry, 0)?.saturating_sub(self.used);
            if left > 0 {
                return Some((table.field(self.entry, 1)?, left));
            }
            self.entry = self.entry.saturating_add(1);
            self.used = 0;
        }
    }

    const fn use_up(&mut self, samples: u32) {
        self.used = self.used.saturating_add(samples);
    }
}

impl<'a> IsoCursor<'a> {
    pub(in super::super) fn new(source: &'a IsoSource, length: usize) -> Self {
        Self {
            source,
            length: u64::try_from(length).unwrap_or(u64::MAX),
            sample: 0,
            dts: 0,
            last: i64::MIN,
            chunk: 0,
            map_entry: 0,
            chunk_left: 0,
            at: 0,
            times: Counted::default(),
            delays: Counted::default(),
            sync_entry: 0,
            tables_done: false,
            run: 0,
            run_sample: 0,
        }
    }

    /// The next sample that has octets; ends at the first that is not whole in the input.
    pub(in super::super) fn next(&mut self) -> Option<Span> {
        while !self.tables_done {
            match self.next_of_tables() {
                Some(span) if span.length == 0 => {}
                Some(span) => return Some(span),
                None => self.tables_done = true,
            }
        }
        loop {
            let span = self.next_of_runs()?;
            if span.length > 0 {
                return Some(span);
            }
        }
    }

    /// Goes to the end of the tables.
    pub(super) fn skip_tables(&mut self) {
        while self.next_of_tables().is_some() {}
    }

    /// Whether the tables list more samples than the cursor has given.
    pub(super) const fn tables_have_more(&self) -> bool {
        self.sample < self.source.sizes.count
    }

    fn next_of_tables(&mut self) -> Option<Span> {
        let source = self.source;
        while self.chunk_left == 0 {
            self.enter_chunk()?;
        }
        let (delta, same) = self.times.peek(&source.times).unwrap_or((0, u32::MAX));
        let left = source.sizes.count.checked_sub(self.sample)?;
        let (frames, length) = match source.pcm_frame {
            Some(frame) => {
                let frames = PCM_FRAMES.min(self.chunk_left).min(same).min(left);
                (frames, frames.checked_mul(frame)?)
            }
            None => (1, source.sizes.size(self.sample)?),
        };
        if frames == 0 {
            return None;
        }
        let end = self.at.checked_add(u64::from(length))?;
        if end > self.length {
            return None;
        }
        let delay = source.delays.as_ref().map_or(0, |table| {
            let value = self.delays.peek(table).map_or(0, |(value, _)| value);
            self.delays.use_up(1);
            signed_delay(value)
        });
        let number = self.sample.saturating_add(1);
        let keyframe = source.sync.as_ref().is_none_or(|table| {
            while table.field(self.sync_entry, 0).is_some_and(|n| n < number) {
                self.sync_entry = self.sync_entry.saturating_add(1);
            }
            table.field(self.sync_entry, 0) == Some(number)
        });
        // A delta beyond half the range is a negative one that some recorders write.
        let delta = i32::try_from(delta).map_or(0, i32::unsigned_abs);
        let duration = delta.saturating_mul(frames);
        let span = Span {
            start: index(self.at),
            length,
            duration,
            dts: self.dts,
            delay,
            keyframe,
        };
        self.times.use_up(frames);
        self.sample = self.sample.saturating_add(frames);
        self.chunk_left = self.chunk_left.saturating_sub(frames);
        self.at = end;
        self.last = self.dts;
        self.dts = self.dts.saturating_add(i64::from(duration));
        Some(span)
    }

    fn enter_chunk(&mut self) -> Option<()> {
        let source = self.source;
        self.at = source.chunks.offset(self.chunk)?;
        self.chunk = self.chunk.saturating_add(1);
        let next = self.map_entry.saturating_add(1);
        if source
            .chunk_map
            .field(next, 0)
            .is_some_and(|first| index(first) <= self.chunk)
        {
            self.map_entry = next;
        }
        // Another description means another configuration: better an end than garbage.
        if source.chunk_map.field(self.map_entry, 2) != source.chunk_map.field(0, 2) {
            return None;
        }
        self.chunk_left = source.chunk_map.field(self.map_entry, 1)?;
        Some(())
    }

    fn next_of_runs(&mut self) -> Option<Span> {
        loop {
            let run = self.source.runs.get(self.run)?;
            if self.run_sample == 0 {
                self.at = run.start;
                self.dts = run.dts.max(self.last);
            }
            let Some((duration, length, flags, delay)) = run.sample(self.run_sample) else {
                self.run = self.run.saturating_add(1);
                self.run_sample = 0;
                continue;
            };
            let end = self.at.checked_add(u64::from(length))?;
            if end > self.length {
                return None;
            }
            let span = Span {
                start: index(self.at),
                length,
                duration,
                dts: self.dts,
                delay,
                keyframe: flags & NOT_SYNC == 0,
            };
            self.run_sample = self.run_sample.saturating_add(1);
            self.at = end;
            self.last = self.dts;
            self.dts = self.dts.saturating_add(i64::from(duration));
            return Some(span);
        }
    }
}

impl Run {
    /// Octets and ticks of all its samples; `None` where there are more than `allowed`.
    pub(super) fn extent(&self, allowed: u32) -> Option<(u64, i64)> {
        if self.count > allowed {
            return None;
        }
        let (mut octets, mut ticks) = (0_u64, 0_i64);
        for n in 0..self.count {
            let (duration, length, ..) = self.sample(n)?;
            octets = octets.saturating_add(u64::from(length));
            ticks = ticks.saturating_add(i64::from(duration));
        }
        Some((octets, ticks))
    }
}

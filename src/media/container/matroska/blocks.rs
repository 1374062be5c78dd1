//! Blocks and the frames laced into them (RFC 9559 section 10).

use bytes::Bytes;

use super::super::movie::Span;
use super::super::reader::{Reader, index, saturated};
use super::ebml;

/// A block: the frames behind its header, times in ticks on the media's clock.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Block {
    start: usize,
    end: usize,
    dts: i64,
    pts: i64,
    /// Ticks of the block, or of each frame where the track has a default.
    pub(super) duration: u32,
    /// Ticks from one laced frame to the next.
    pub(super) frame_ticks: u32,
    lacing: Lacing,
    pub(super) keyframe: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lacing {
    None,
    Xiph,
    Fixed,
    Ebml,
}

/// Reads the header of a block: its track and the rest.
pub(super) fn read(mut body: Reader<'_>, cluster_time: u64, simple: bool) -> Option<(u64, Block)> {
    let track = ebml::size(&mut body)??;
    let relative = i16::from_be_bytes(body.array().ok()?);
    let flags = body.u8().ok()?;
    let time = i64::try_from(cluster_time)
        .ok()?
        .saturating_add(i64::from(relative));
    let block = Block {
        start: body.offset(),
        end: body.offset().saturating_add(body.left()),
        dts: time,
        pts: time,
        duration: 0,
        frame_ticks: 0,
        lacing: match flags & 0x06 {
            0 => Lacing::None,
            2 => Lacing::Xiph,
            4 => Lacing::Fixed,
            _ => Lacing::Ebml,
        },
        keyframe: simple && flags & 0x80 != 0,
    };
    Some((track, block))
}

/// Gives blocks whose times jump back, as those of B-frames do, decoding times that grow: the same
/// times in order, all early enough that none comes after it is shown.
pub(super) fn make_decoding_times(blocks: &mut [Block]) {
    if blocks.is_sorted_by_key(|block| block.pts) {
        return;
    }
    let mut times: Vec<i64> = blocks.iter().map(|block| block.pts).collect();
    times.sort_unstable();
    let late = blocks
        .iter()
        .zip(&times)
        .map(|(block, time)| time.saturating_sub(block.pts));
    let late = late.max().unwrap_or(0);
    for (block, time) in blocks.iter_mut().zip(times) {
        block.dts = time.saturating_sub(late);
    }
}

/// Goes through the frames of a track's blocks.
#[derive(Debug, Clone)]
pub(in super::super) struct BlockCursor<'a> {
    blocks: std::slice::Iter<'a, Block>,
    data: &'a Bytes,
    /// The block that is open, where its next frame starts, and the number of that frame.
    open: Option<(Block, usize, u32)>,
    /// Sizes of the frames of the open block that are still to come, the next one last.
    sizes: Vec<usize>,
    /// Time of the frame before: frames in lace may reach beyond the start of the next block.
    last: i64,
}

impl<'a> BlockCursor<'a> {
    pub(in super::super) fn new(blocks: &'a [Block], data: &'a Bytes) -> Self {
        Self {
            blocks: blocks.iter(),
            data,
            open: None,
            sizes: Vec::new(),
            last: i64::MIN,
        }
    }

    pub(in super::super) fn next(&mut self) -> Option<Span> {
        loop {
            let Some(length) = self.sizes.pop() else {
                let block = *self.blocks.next()?;
                let mut reader = Reader::window(self.data, block.start, block.end);
                // A block whose lacing makes no sense has no frame that could be trusted.
                if let Some(mut sizes) = frame_sizes(&mut reader, block.lacing) {
                    sizes.reverse();
                    self.sizes = sizes;
                    self.open = Some((block, reader.offset(), 0));
                }
                continue;
            };
            let (block, at, number) = self.open.as_mut()?;
            let start = *at;
            let shift = i64::from(*number).saturating_mul(i64::from(block.frame_ticks));
            *at = at.saturating_add(length);
            *number = number.saturating_add(1);
            if length == 0 {
                continue;
            }
            self.last = block.dts.saturating_add(shift).max(self.last);
            let delay = i32::try_from(block.pts.saturating_sub(block.dts)).unwrap_or(0);
            return Some(Span {
                start,
                length: saturated(length),
                duration: block.duration,
                dts: self.last,
                delay,
                keyframe: block.keyframe,
            });
        }
    }
}

/// The sizes of the frames of a block, the reader being left at the first of them.
fn frame_sizes(reader: &mut Reader<'_>, lacing: Lacing) -> Option<Vec<usize>> {
    if lacing == Lacing::None {
        return Some(vec![reader.left()]);
    }
    let others = usize::from(reader.u8().ok()?);
    let mut sizes = Vec::with_capacity(others.saturating_add(1));
    match lacing {
        Lacing::Xiph => {
            for _ in 0..others {
                let mut size = 0_usize;
                loop {
                    let octet = reader.u8().ok()?;
                    size = size.saturating_add(usize::from(octet));
                    if octet < 255 {
                        break;
                    }
                }
                sizes.push(size);
            }
        }
        Lacing::Ebml if others > 0 => {
            let mut size = i64::try_from(ebml::size(reader)??).ok()?;
            sizes.push(index(size));
            for _ in 1..others {
                let (value, octets) = ebml::raw(reader, 8)?;
                let bits = octets.checked_mul(7)?;
                let value = i64::try_from(value & (1_u64 << bits).checked_sub(1)?).ok()?;
                let bias = (1_i64 << bits.checked_sub(1)?).checked_sub(1)?;
                size = size.checked_add(value.checked_sub(bias)?)?;
                sizes.push(usize::try_from(size).ok()?);
            }
        }
        Lacing::Fixed => {
            let count = others.saturating_add(1);
            let each = reader.left() / count;
            return (each.checked_mul(count)? == reader.left()).then(|| vec![each; count]);
        }
        _ => {}
    }
    let first = sizes
        .iter()
        .try_fold(0_usize, |sum, size| sum.checked_add(*size))?;
    sizes.push(reader.left().checked_sub(first)?);
    Some(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(lacing: Lacing, octets: &[u8]) -> Option<Vec<usize>> {
        let data = Bytes::copy_from_slice(octets);
        frame_sizes(&mut Reader::new(&data), lacing)
    }

    #[test]
    fn all_kinds_of_lacing() {
        assert_eq!(sizes(Lacing::None, &[1, 2, 3]), Some(vec![3]));
        assert_eq!(
            sizes(Lacing::Fixed, &[2, 1, 1, 2, 2, 3, 3]),
            Some(vec![2; 3])
        );
        assert_eq!(sizes(Lacing::Xiph, &[1, 2, 9, 9, 8]), Some(vec![2, 1]));
        // 2, then 2 - 1, then the rest.
        let laced = [2, 0x82, 0xBE, 9, 9, 8, 7, 7];
        assert_eq!(sizes(Lacing::Ebml, &laced), Some(vec![2, 1, 2]));
    }

    #[test]
    fn laces_longer_than_the_block_are_refused() {
        assert_eq!(sizes(Lacing::Fixed, &[1, 1, 1, 1]), None);
        assert_eq!(sizes(Lacing::Xiph, &[1, 255, 255]), None);
        assert_eq!(sizes(Lacing::Xiph, &[1, 4, 1]), None);
        assert_eq!(sizes(Lacing::Ebml, &[2, 0x81, 0x80, 1, 1]), None);
        assert_eq!(sizes(Lacing::Ebml, &[]), None);
    }

    #[test]
    fn decoding_times_grow_and_come_first() {
        let mut blocks: Vec<Block> = [0_i16, 120, 40, 80, 160]
            .iter()
            .map(|time| {
                let octets = [[0x81, 0, 0, 0x80]].concat();
                let data = Bytes::from(octets);
                let (_, block) = read(Reader::new(&data), 0, true).unwrap();
                Block {
                    pts: i64::from(*time),
                    ..block
                }
            })
            .collect();
        make_decoding_times(&mut blocks);
        assert!(blocks.is_sorted_by_key(|block| block.dts));
        assert!(blocks.iter().all(|block| block.dts <= block.pts));
    }
}

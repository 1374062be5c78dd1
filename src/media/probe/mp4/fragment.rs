//! Movie fragments (ISO/IEC 14496-12 section 8.8).

use super::super::bmff::{Boxes, IsoBox};
use super::super::bytes::Steps;

/// What the fragments of one track add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    track: u32,
    default_duration: u32,
    default_size: u32,
    /// In the time scale of the track.
    pub(super) duration: u64,
    pub(super) samples: u32,
    pub(super) octets: u64,
}

/// The totals of all tracks that have fragments.
#[derive(Debug, Default)]
pub(super) struct Fragments(Vec<Total>);

/// Tracks that are followed through fragments: a file with more is not one of ours.
const MOST_TRACKS: usize = 32;

impl Fragments {
    /// What the fragments of `track` add up to, if there are any.
    pub(super) fn total(&self, track: u32) -> Option<Total> {
        self.0.iter().find(|total| total.track == track).copied()
    }

    /// Takes in the defaults of a `trex` box.
    pub(super) fn defaults(&mut self, trex: IsoBox<'_>) {
        let _ = trex.full().and_then(|(_, _, mut reader)| {
            let total = self.of(reader.be32().ok()?)?;
            reader.skip(4).ok()?;
            total.default_duration = reader.be32().ok()?;
            total.default_size = reader.be32().ok()?;
            Some(())
        });
    }

    /// Adds a `moof` box.
    pub(super) fn read(&mut self, moof: IsoBox<'_>, steps: &Steps) {
        for part in Boxes::new(moof.reader(), steps) {
            if &part.kind == b"traf" {
                // A fragment that is cut counts as far as it goes.
                let _ = self.track_fragment(part, steps);
            }
        }
    }

    fn of(&mut self, track: u32) -> Option<&mut Total> {
        if let Some(at) = self.0.iter().position(|total| total.track == track) {
            return self.0.get_mut(at);
        }
        if self.0.len() >= MOST_TRACKS {
            return None;
        }
        self.0.push(Total {
            track,
            ..Total::default()
        });
        self.0.last_mut()
    }

    fn track_fragment(&mut self, traf: IsoBox<'_>, steps: &Steps) -> Option<()> {
        let mut current = None;
        for part in Boxes::new(traf.reader(), steps) {
            let (_, flags, mut reader) = part.full()?;
            match &part.kind {
                b"tfhd" => {
                    let total = self.of(reader.be32().ok()?)?;
                    let (mut duration, mut size) = (total.default_duration, total.default_size);
                    let track = total.track;
                    let before = if flags & 1 != 0 { 8 } else { 0 };
                    reader.skip(before).ok()?;
                    if flags & 2 != 0 {
                        reader.skip(4).ok()?;
                    }
                    if flags & 8 != 0 {
                        duration = reader.be32().ok()?;
                    }
                    if flags & 0x10 != 0 {
                        size = reader.be32().ok()?;
                    }
                    current = Some((track, duration, size));
                }
                b"trun" => {
                    let (track, duration, size) = current?;
                    let total = self.of(track)?;
                    let count = reader.be32().ok()?;
                    let optional = (flags & 1).saturating_add(flags >> 2 & 1);
                    for _ in 0..optional {
                        reader.skip(4).ok()?;
                    }
                    total.samples = total.samples.saturating_add(count);
                    if flags & 0xF00 == 0 {
                        total.add(u64::from(count), duration, size);
                        continue;
                    }
                    for _ in 0..count {
                        let mut field = |bit: u32, default: u32| {
                            if flags & bit == 0 {
                                Some(default)
                            } else {
                                reader.be32().ok()
                            }
                        };
                        let (duration, size) = (field(0x100, duration)?, field(0x200, size)?);
                        field(0x400, 0)?;
                        field(0x800, 0)?;
                        total.add(1, duration, size);
                    }
                }
                _ => {}
            }
        }
        Some(())
    }
}

impl Total {
    fn add(&mut self, count: u64, duration: u32, size: u32) {
        self.duration = self
            .duration
            .saturating_add(count.saturating_mul(duration.into()));
        self.octets = self
            .octets
            .saturating_add(count.saturating_mul(size.into()));
    }
}

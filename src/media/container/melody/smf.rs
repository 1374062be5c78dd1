//! Standard MIDI files (MIDI Manufacturers Association RP-001): all tracks at once, on one clock.

use bytes::Bytes;

use super::super::error::{ContainerError, Warning};
use super::super::reader::{Reader, index};
use super::score::Score;
use crate::limits::Limits;

/// Microseconds of a quarter note where no event says.
const TEMPO: u32 = 500_000;

/// Warnings that are kept.
const WARNINGS: usize = 8;

pub(super) fn recognises(data: &Bytes) -> bool {
    data.starts_with(b"MThd") || (data.starts_with(b"RIFF") && data.get(8..12) == Some(b"RMID"))
}

/// Reads all tracks; one that is cut short or broken plays as far as it goes.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where the header is wrong, [`ContainerError::Limit`].
pub(super) fn read(data: &Bytes, limits: &Limits) -> Result<Score, ContainerError> {
    let mut reader = song(data)?;
    if reader.take(4)? != b"MThd" {
        return Err(reader.malformed("no MThd chunk"));
    }
    let length = index(reader.be32()?);
    let mut header = reader.split_up_to(length);
    header.skip(4)?;
    let division = header.be16()?;
    let clock = Clock::of(division).ok_or_else(|| header.malformed("a division of nothing"))?;
    let mut events = Vec::new();
    let mut end = 0_u64;
    let mut warnings = Vec::new();
    while reader.left() >= 8 {
        let kind = reader.array::<4>()?;
        let length = index(reader.be32()?);
        let mut body = reader.split_up_to(length);
        if &kind != b"MTrk" {
            continue;
        }
        match track(&mut body, &mut events, &mut end, limits) {
            Err(ContainerError::Malformed { offset, what }) if warnings.len() < WARNINGS => {
                warnings.push(Warning { offset, what });
            }
            Ok(()) | Err(ContainerError::Malformed { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    // Tempo changes are for all tracks, whichever holds them; events of one tick keep their order.
    events.sort_by_key(|(tick, _)| *tick);
    let mut score = Score {
        warnings,
        ..Score::default()
    };
    let mut pace = Pace::new(clock);
    for (tick, what) in events {
        match what {
            What::Tempo(tempo) => pace.change(tick, tempo),
            What::Told(status, data) => score.add(pace.at(tick), status, data, limits)?,
        }
    }
    score.end_us = score.end_us.max(pace.at(end));
    Ok(score)
}

/// The song itself, in RIFF or not.
fn song(data: &Bytes) -> Result<Reader<'_>, ContainerError> {
    let mut reader = Reader::new(data);
    if !data.starts_with(b"RIFF") {
        return Ok(reader);
    }
    reader.skip(12)?;
    loop {
        let kind = reader.array::<4>()?;
        let length = index(reader.le32()?);
        let body = reader.split_up_to(length);
        if &kind == b"data" {
            return Ok(body);
        }
        if length % 2 == 1 {
            reader.skip(1)?;
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    /// Microseconds of a quarter note from here on.
    Tempo(u32),
    /// A status of a channel with its data.
    Told(u8, [u8; 2]),
}

/// Reads one track's events up to its end.
fn track(
    reader: &mut Reader<'_>,
    events: &mut Vec<(u64, What)>,
    end: &mut u64,
    limits: &Limits,
) -> Result<(), ContainerError> {
    let mut tick = 0_u64;
    let mut running = 0_u8;
    while !reader.is_empty() {
        tick = tick.saturating_add(quantity(reader)?.into());
        let octet = reader.u8()?;
        let (status, first) = match octet {
            0x80.. => (octet, None),
            data => (running, Some(data)),
        };
        *end = (*end).max(tick);
        let what = match status {
            0x80..=0xBF | 0xE0..=0xEF => {
                let first = first.map_or_else(|| reader.u8(), Ok)?;
                Some(What::Told(status, [first & 0x7F, reader.u8()? & 0x7F]))
            }
            0xC0..=0xDF => {
                let first = first.map_or_else(|| reader.u8(), Ok)?;
                Some(What::Told(status, [first & 0x7F, 0]))
            }
            0xF0 | 0xF7 => {
                let length = index(quantity(reader)?);
                reader.skip(length)?;
                None
            }
            0xFF => {
                let kind = reader.u8()?;
                let length = index(quantity(reader)?);
                match (kind, reader.take(length)?) {
                    (0x2F, _) => return Ok(()),
                    (0x51, &[a, b, c]) => Some(What::Tempo(u32::from_be_bytes([0, a, b, c]))),
                    _ => None,
                }
            }
            _ => return Err(reader.malformed("a data octet without a status")),
        };
        if status < 0xF0 {
            running = status;
        }
        if let Some(what) = what {
            if events.len() >= limits.container_samples {
                return Err(ContainerError::Limit {
                    what: "container_samples",
                    limit: limits.container_samples,
                });
            }
            events.push((tick, what));
        }
    }
    Ok(())
}

/// A quantity of variable length: at most four octets of seven bits.
fn quantity(reader: &mut Reader<'_>) -> Result<u32, ContainerError> {
    let mut value = 0_u32;
    for _ in 0..4 {
        let octet = reader.u8()?;
        value = (value << 7) | u32::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(reader.malformed("a quantity of more than four octets"))
}

/// What a tick is.
#[derive(Debug, Clone, Copy)]
enum Clock {
    /// So many are a quarter note.
    Beat(u32),
    /// So many are a second, whatever the tempo.
    Second(u32),
}

impl Clock {
    fn of(division: u16) -> Option<Self> {
        let [high, low] = division.to_be_bytes();
        if high & 0x80 == 0 {
            return (division > 0).then_some(Self::Beat(division.into()));
        }
        let per_second = u32::from(high.wrapping_neg()) * u32::from(low);
        (per_second > 0).then_some(Self::Second(per_second))
    }
}

/// From ticks to microseconds, tempo by tempo.
struct Pace {
    clock: Clock,
    tempo: u32,
    since: u64,
    since_us: u64,
}

impl Pace {
    const fn new(clock: Clock) -> Self {
        Self {
            clock,
            tempo: TEMPO,
            since: 0,
            since_us: 0,
        }
    }

    fn at(&self, tick: u64) -> u64 {
        let ticks = u128::from(tick.saturating_sub(self.since));
        let (each, per) = match self.clock {
            Clock::Beat(ticks) => (self.tempo, ticks),
            Clock::Second(ticks) => (1_000_000, ticks),
        };
        let us = (ticks * u128::from(each)).checked_div(per.into());
        let us = u64::try_from(us.unwrap_or(0)).unwrap_or(u64::MAX);
        self.since_us.saturating_add(us)
    }

    fn change(&mut self, tick: u64, tempo: u32) {
        self.since_us = self.at(tick);
        self.since = tick;
        self.tempo = tempo;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(division: [u8; 2], tracks: &[&[u8]]) -> Bytes {
        let mut out = b"MThd\0\0\0\x06\0\x01\0\x02".to_vec();
        out.extend(division);
        for events in tracks {
            out.extend(b"MTrk");
            out.extend(u32::try_from(events.len()).unwrap().to_be_bytes());
            out.extend(*events);
        }
        out.into()
    }

    const END: [u8; 4] = [0, 0xFF, 0x2F, 0];

    fn times(data: &Bytes) -> Vec<u64> {
        let score = read(data, &Limits::default()).unwrap();
        score.events.iter().map(|event| event.at_us).collect()
    }

    #[test]
    fn a_tempo_of_one_track_is_the_tempo_of_all() {
        let slow = [&[96, 0xFF, 0x51, 3, 0x0F, 0x42, 0x40][..], &END].concat();
        let notes = [&[0, 0x90, 60, 64, 96, 60, 0, 96, 62, 64][..], &END].concat();
        let data = file([0, 96], &[&slow, &notes]);
        assert_eq!(times(&data), [0, 500_000, 1_500_000]);
        let film = file([0xE7, 40], &[&slow, &notes]);
        assert_eq!(times(&film), [0, 96_000, 192_000]);
    }

    #[test]
    fn a_track_that_is_cut_plays_as_far_as_it_goes() {
        let notes = [0, 0x90, 60, 64, 96, 60];
        let data = file([0, 96], &[&notes]);
        let score = read(&data, &Limits::default()).unwrap();
        assert_eq!((score.events.len(), score.warnings.len()), (1, 1));
        let riff = [
            b"RIFF\0\0\0\0RMIDabcd\x01\0\0\0xydata\xFF\0\0\0",
            data.as_ref(),
        ]
        .concat();
        assert_eq!(times(&Bytes::from(riff)), [0]);
        for broken in [
            &b"MThd\0\0\0\x06\0\0\0\x01\0\0"[..],
            b"MThd\0\0",
            b"RIFF1234RMID",
        ] {
            assert!(read(&Bytes::from_static(broken), &Limits::default()).is_err());
        }
    }
}

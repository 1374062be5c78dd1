//! Notes rather than samples: standard MIDI files (also in RIFF), SMAF and XMF.

use super::bytes::{Broken, Reader, Steps, index};
use super::riff::Chunks;
use crate::media::{Codec, Format, MediaInfo, MediaKind};

/// Reads a MIDI file and plays through its events for the time they take. An event is no step: the
/// walk is bounded by the length of the data.
pub(super) fn read(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    read_at(Reader::new(data), steps)
}

/// Reads a MIDI file inside RIFF.
pub(super) fn read_riff(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut reader = Reader::new(data);
    reader.skip(12)?;
    let song = Chunks::riff(reader.clone(), steps).find(|chunk| &chunk.kind == b"data");
    read_at(
        song.ok_or(reader.broken("there is no data chunk"))?
            .reader(),
        steps,
    )
}

fn read_at(mut reader: Reader<'_>, steps: &Steps) -> Result<MediaInfo, Broken> {
    let at = reader.offset();
    if reader.take(4)? != b"MThd" {
        return Err(Broken::new(at, "there is no MThd chunk"));
    }
    let length = index(reader.be32()?);
    let start = reader.offset();
    let mut header = Reader::based(reader.take(length)?, start);
    header.skip(2)?;
    let tracks = header.be16()?;
    let division = header.be16()?;
    let mut info = MediaInfo::new(Format::Midi, MediaKind::Synthetic);
    info.codec = Some(Codec::Midi);
    info.tracks = Some(tracks);
    let mut song = Song::default();
    for chunk in Chunks::iff(reader, steps) {
        if &chunk.kind == b"MTrk" {
            // A track that is cut plays as far as it goes.
            let _ = song.track(chunk.reader(), steps);
        }
    }
    info.metadata = song.texts;
    info.duration_ms = song.duration_ms(division);
    Ok(info)
}

/// What matters of all tracks together.
#[derive(Debug, Default)]
struct Song {
    /// Tick of the last event.
    end: u64,
    /// Ticks at which the tempo changes, and microseconds per quarter note from there on.
    tempi: Vec<(u64, u32)>,
    texts: bool,
}

impl Song {
    fn track(&mut self, mut reader: Reader<'_>, steps: &Steps) -> Result<(), Broken> {
        let mut tick = 0_u64;
        let mut running = 0_u8;
        while !reader.rest().is_empty() {
            tick = tick.saturating_add(reader.uintvar()?.into());
            let first = reader.u8()?;
            let (status, consumed) = if first & 0x80 != 0 {
                (first, 0)
            } else {
                (running, 1)
            };
            self.end = self.end.max(tick);
            match status {
                0x80..=0xBF | 0xE0..=0xEF => reader.skip(2_usize.saturating_sub(consumed))?,
                0xC0..=0xDF => reader.skip(1_usize.saturating_sub(consumed))?,
                0xF0 | 0xF7 => {
                    let length = reader.uintvar()?;
                    reader.skip(index(length))?;
                }
                0xFF => {
                    let kind = reader.u8()?;
                    let length = reader.uintvar()?;
                    let body = reader.take(index(length))?;
                    match (kind, body) {
                        (0x2F, _) => return Ok(()),
                        (0x51, [a, b, c]) if steps.take() => {
                            self.tempi.push((tick, u32::from_be_bytes([0, *a, *b, *c])));
                        }
                        (1..=7, _) => self.texts = true,
                        _ => {}
                    }
                }
                _ => return Err(reader.broken("a data octet without a status")),
            }
            if status < 0xF0 {
                running = status;
            }
        }
        Ok(())
    }

    fn duration_ms(mut self, division: u16) -> Option<u64> {
        if division & 0x8000 != 0 {
            let [frames, ticks] = division.to_be_bytes();
            let frames = u64::from(frames.wrapping_neg());
            let per_second = frames.saturating_mul(ticks.into());
            return super::bytes::milliseconds(self.end, per_second);
        }
        // Tempo changes apply to all tracks, whichever track holds them.
        self.tempi.sort_by_key(|(tick, _)| *tick);
        let mut microseconds = 0_u128;
        let mut since = 0_u64;
        let mut tempo = 500_000_u32;
        let ends = std::iter::once((self.end, 0));
        for (tick, next) in self.tempi.into_iter().chain(ends) {
            let ticks = u128::from(tick.saturating_sub(since));
            microseconds = microseconds.saturating_add(ticks.saturating_mul(tempo.into()));
            since = tick;
            tempo = next;
        }
        let whole = microseconds.checked_div(u128::from(division))?;
        u64::try_from(whole / 1000).ok()
    }
}

/// SMAF: the `MMMD` file chunk says no more that we need.
pub(super) fn read_smaf(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let mut reader = Reader::new(data);
    reader.skip(8)?;
    let mut info = MediaInfo::new(Format::Smaf, MediaKind::Synthetic);
    info.codec = Some(Codec::Smaf);
    let tracks = Chunks::iff(reader, steps)
        .filter(|chunk| matches!(&chunk.kind, [b'M', b'T', b'R', _] | [b'A', b'T', b'R', _]))
        .count();
    info.tracks = u16::try_from(tracks).ok();
    Ok(info)
}

/// XMF and Mobile XMF.
pub(super) fn read_xmf(data: &[u8], _: &Steps) -> Result<MediaInfo, Broken> {
    let mut reader = Reader::new(data);
    reader.skip(8)?;
    let mut info = MediaInfo::new(Format::Xmf, MediaKind::Synthetic);
    info.codec = Some(Codec::Xmf);
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::super::riff::tests::{chunk, riff};
    use super::super::tests::{broken, known};
    use super::*;

    fn song(division: [u8; 2], events: &[u8]) -> Vec<u8> {
        let length = u32::try_from(events.len()).unwrap().to_be_bytes();
        [
            b"MThd\0\0\0\x06\0\0\0\x01".as_slice(),
            &division,
            b"MTrk",
            &length,
            events,
        ]
        .concat()
    }

    /// One beat at 120 a minute, one at 60, with a running status.
    const EVENTS: &[u8] = &[
        0, 0x90, 60, 64, 96, 60, 0, 0, 0xFF, 0x51, 3, 0x0F, 0x42, 0x40, 96, 0xFF, 0x2F, 0,
    ];

    #[test]
    fn tempo_changes_count() {
        let info = known(&song([0, 96], EVENTS));
        assert_eq!((info.duration_ms, info.tracks), (Some(1_500), Some(1)));
        assert_eq!(
            (info.kind, info.codec),
            (MediaKind::Synthetic, Some(Codec::Midi))
        );
        let film = known(&song([0xE7, 40], EVENTS));
        assert_eq!(film.duration_ms, Some(192));
    }

    #[test]
    fn a_song_in_riff_and_a_cut_song() {
        let whole = song([0, 96], EVENTS);
        assert_eq!(
            known(&riff(b"RMID", &[chunk(b"data", &whole)])).duration_ms,
            Some(1_500)
        );
        let cut = &whole[..whole.len() - 4];
        assert_eq!(known(cut).duration_ms, Some(500));
        assert_eq!(broken(b"MThd\0\0\0\x06\0").offset, 8);
        assert_eq!(known(&song([0, 0], EVENTS)).duration_ms, None);
    }

    #[test]
    fn smaf_and_xmf_are_named() {
        let smaf = known(b"MMMD\0\0\0\x10CNTI\0\0\0\0MTR\x05\0\0\0\0");
        assert_eq!((smaf.format, smaf.tracks), (Format::Smaf, Some(1)));
        assert_eq!(known(b"XMF_2.00\0\0\0\x02").format, Format::Xmf);
    }
}

//! Ring tones in RTTTL, Nokia's text format: `name:d=4,o=5,b=160:16e6,8p,c#.`

use bytes::Bytes;

use super::super::error::ContainerError;
use super::score::{Ringer, Score};
use crate::limits::Limits;
use crate::media::info::Format;
use crate::media::probe::probe;

const VELOCITY: u8 = 100;

/// The text is known by the probe's rule, which is strict: many a text has two colons.
pub(super) fn recognises(data: &Bytes) -> bool {
    probe(data, &Limits::default()).is_ok_and(|info| info.format == Format::Rtttl)
}

/// Reads a ring tone. A note that is none is passed over.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where there are not three sections, [`ContainerError::Limit`].
pub(super) fn read(data: &Bytes, limits: &Limits) -> Result<Score, ContainerError> {
    let text = String::from_utf8_lossy(data);
    let mut sections = text.splitn(3, ':').skip(1);
    let (Some(defaults), Some(notes)) = (sections.next(), sections.next()) else {
        return Err(ContainerError::malformed(0, "a ring tone without notes"));
    };
    let mut tone = Tone {
        duration: 4,
        octave: 6,
        beats: 63,
        percent: 95,
    };
    for value in defaults.split(',') {
        tone.set(value);
    }
    let mut ringer = Ringer::new(limits)?;
    for note in notes.split([',', ';']) {
        if let Some((key, length_us)) = tone.note(note) {
            ringer.note(key, VELOCITY, length_us, tone.percent)?;
        }
    }
    Ok(ringer.finish())
}

/// What holds where a note does not say.
struct Tone {
    /// Of a whole note.
    duration: u64,
    octave: u8,
    /// Quarter notes a minute.
    beats: u64,
    /// How much of its length a note sounds.
    percent: u64,
}

impl Tone {
    fn set(&mut self, value: &str) {
        let Some((key, value)) = value.split_once('=') else {
            return;
        };
        let value = value.trim();
        let number = value.parse::<u64>().ok();
        match (key.trim(), number) {
            ("d" | "D", Some(duration)) if (1..=64).contains(&duration) => self.duration = duration,
            ("o" | "O", Some(octave)) => self.octave = u8::try_from(octave.min(9)).unwrap_or(6),
            ("b" | "B", Some(beats)) if (1..=900).contains(&beats) => self.beats = beats,
            // Continuous and staccato; anything else is natural.
            ("s", _) if value.eq_ignore_ascii_case("c") => self.percent = 100,
            ("s", _) if value.eq_ignore_ascii_case("s") => self.percent = 50,
            _ => {}
        }
    }

    /// Key and length of a note in microseconds; a pause has no key.
    fn note(&self, note: &str) -> Option<(Option<u8>, u64)> {
        let note = note.trim().to_ascii_lowercase();
        let (digits, rest) = split(&note, |letter| letter.is_ascii_digit());
        let duration = match digits.parse::<u64>() {
            Ok(duration) if (1..=64).contains(&duration) => duration,
            _ => self.duration,
        };
        let mut letters = rest.chars();
        let tone = match letters.next()? {
            'p' => None,
            letter => Some(semitone(letter)?),
        };
        let rest = letters.as_str();
        let sharp = rest.starts_with(['#', '_']);
        let octave = rest.chars().find_map(|letter| letter.to_digit(10));
        let octave = octave.and_then(|octave| u8::try_from(octave).ok());
        let whole = 240_000_000_u64.checked_div(self.beats)?;
        let mut length = whole.checked_div(duration)?;
        if rest.contains('.') {
            length = length.saturating_add(length / 2);
        }
        // The A of octave 4 has 440 Hz.
        let key = tone.map(|tone| {
            let octave = octave.unwrap_or(self.octave).saturating_add(1);
            octave
                .saturating_mul(12)
                .saturating_add(tone)
                .saturating_add(u8::from(sharp))
                .min(127)
        });
        Some((key, length))
    }
}

fn split(text: &str, is: impl Fn(char) -> bool) -> (&str, &str) {
    let at = text.find(|letter| !is(letter)).unwrap_or(text.len());
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Semitones of a note above C; `h` is what Germans call a B.
pub(super) const fn semitone(letter: char) -> Option<u8> {
    Some(match letter {
        'c' => 0,
        'd' => 2,
        'e' => 4,
        'f' => 5,
        'g' => 7,
        'a' => 9,
        'b' | 'h' => 11,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_have_their_pitch_and_their_length() {
        let data = Bytes::from_static(b"T:d=4,o=5,b=120,s=S:a4,8p,2c#.,x,h6");
        let score = read(&data, &Limits::default()).unwrap();
        let struck: Vec<(u64, u8)> = score
            .events
            .iter()
            .filter(|event| event.status == 0x90)
            .map(|event| (event.at_us / 1_000, event.data[0]))
            .collect();
        assert_eq!(struck, [(0, 69), (750, 73), (2_250, 95)]);
        assert_eq!(score.events[2].at_us, 250_000, "staccato");
        assert_eq!(score.end_us, 2_750_000);
    }

    #[test]
    fn values_out_of_range_are_not_taken() {
        let data = Bytes::from_static(b"T:d=0,o=300,b=0:99c,c9,,");
        let score = read(&data, &Limits::default()).unwrap();
        assert!(score.events.iter().all(|event| event.data[0] <= 127));
        assert!(read(&Bytes::from_static(b"T:"), &Limits::default()).is_err());
    }
}

//! iMelody 1.2, the ring tones of the EMS (Infrared Data Association, "Specifications for Infrared
//! Mobile Communications").

use bytes::Bytes;

use super::super::error::ContainerError;
use super::rtttl::semitone;
use super::score::{Ringer, Score};
use crate::limits::Limits;

const BEGIN: &[u8] = b"BEGIN:IMELODY";

pub(super) fn recognises(data: &Bytes) -> bool {
    let head = data.get(..BEGIN.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(BEGIN))
}

/// Reads a melody. A block that repeats for ever is played once; what is no note, such as the
/// lights and the vibration, is passed over.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where there is no melody, [`ContainerError::Limit`].
pub(super) fn read(data: &Bytes, limits: &Limits) -> Result<Score, ContainerError> {
    let text = String::from_utf8_lossy(data);
    let mut player = Player {
        octave: 4,
        beats: 120,
        percent: 95,
        volume: 7,
    };
    let mut melody: Option<String> = None;
    let mut inside = false;
    for line in text.lines() {
        // A line that begins with a space goes on with the one before.
        if let (true, Some(rest)) = (inside, line.strip_prefix([' ', '\t'])) {
            melody.get_or_insert_default().push_str(rest.trim_end());
            continue;
        }
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        inside = key.eq_ignore_ascii_case("MELODY");
        match key.trim().to_ascii_uppercase().as_str() {
            "BEAT" => player.beats = value.parse().unwrap_or(120).clamp(25, 900),
            "STYLE" => player.style(value),
            "VOLUME" => player.volume(value.get(1..).unwrap_or_default()),
            "MELODY" => melody.get_or_insert_default().push_str(value),
            _ => {}
        }
    }
    let melody = melody.ok_or(ContainerError::malformed(0, "no melody in it"))?;
    let mut ringer = Ringer::new(limits)?;
    player.play(&melody.to_ascii_lowercase(), &mut ringer)?;
    Ok(ringer.finish())
}

struct Player {
    /// 0..=8; the A of octave 3 has 440 Hz.
    octave: u8,
    /// Quarter notes a minute.
    beats: u64,
    /// How much of its length a note sounds.
    percent: u64,
    /// 0..=15.
    volume: u8,
}

impl Player {
    fn style(&mut self, style: &str) {
        self.percent = match style.trim().to_ascii_uppercase().as_str() {
            "S1" => 100,
            "S2" => 50,
            _ => 95,
        };
    }

    /// What stands behind the V: a level, or a step up or down.
    fn volume(&mut self, level: &str) {
        self.volume = match level.trim() {
            "+" => self.volume.saturating_add(1),
            "-" => self.volume.saturating_sub(1),
            level => level.parse().unwrap_or(self.volume),
        }
        .min(15);
    }

    fn play(&mut self, melody: &str, ringer: &mut Ringer<'_>) -> Result<(), ContainerError> {
        let mut rest = melody;
        while let Some((before, block)) = rest.split_once('(') {
            self.notes(before, ringer)?;
            let (block, after) = block.split_once(')').unwrap_or((block, ""));
            let (block, times) = block.split_once('@').unwrap_or((block, "1"));
            let digits: String = times.chars().take_while(char::is_ascii_digit).collect();
            // 0 is for ever.
            let times = digits.parse::<u32>().unwrap_or(1).max(1);
            for _ in 0..times {
                let begun = ringer.at_us();
                self.notes(block, ringer)?;
                // What takes no time could be repeated for ever.
                if ringer.at_us() == begun {
                    break;
                }
            }
            rest = after;
        }
        self.notes(rest, ringer)
    }

    fn notes(&mut self, notes: &str, ringer: &mut Ringer<'_>) -> Result<(), ContainerError> {
        let mut rest = notes;
        let mut shift = 0_i8;
        while let Some(letter) = rest.chars().next() {
            let words = ["ledon", "ledoff", "vibeon", "vibeoff", "backon", "backoff"];
            if let Some(after) = words.iter().find_map(|word| rest.strip_prefix(word)) {
                rest = after;
                continue;
            }
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            match letter {
                '*' => self.octave = digit(&mut rest).unwrap_or(self.octave).min(8),
                'v' => {
                    let ends = |letter: char| !letter.is_ascii_digit() && !"+-".contains(letter);
                    let at = rest.find(ends).unwrap_or(rest.len());
                    let (level, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
                    self.volume(level);
                    rest = after;
                }
                '&' => shift = -1,
                '#' => shift = 1,
                'a'..='g' | 'r' => {
                    let Some(duration) = digit(&mut rest) else {
                        continue;
                    };
                    let length = self.length(duration, &mut rest);
                    let key = semitone(letter).map(|tone| self.key(tone, shift));
                    // MIDI's velocity; the softest is still heard.
                    let velocity = 15 + self.volume * 7;
                    ringer.note(
                        key.filter(|_| letter != 'r'),
                        velocity,
                        length,
                        self.percent,
                    )?;
                    shift = 0;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn key(&self, tone: u8, shift: i8) -> u8 {
        let plain = 24_u8.saturating_add(self.octave * 12).saturating_add(tone);
        plain.saturating_add_signed(shift).min(127)
    }

    /// Microseconds of a duration 0..=5, from the whole note to the thirty-second, with what stands
    /// behind it: dotted, double dotted, or two thirds.
    fn length(&self, duration: u8, rest: &mut &str) -> u64 {
        let whole = 240_000_000_u64.checked_div(self.beats).unwrap_or(0);
        let length = whole >> duration.min(5);
        let (length, taken) = match rest.chars().next() {
            Some('.') => (length + length / 2, true),
            Some(':') => (length + length * 3 / 4, true),
            Some(';') => (length * 2 / 3, true),
            _ => (length, false),
        };
        if taken {
            *rest = rest.get(1..).unwrap_or_default();
        }
        length
    }
}

/// Takes a digit where there is one.
fn digit(rest: &mut &str) -> Option<u8> {
    let digit = rest.chars().next()?.to_digit(10)?;
    *rest = rest.get(1..).unwrap_or_default();
    u8::try_from(digit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn melody(lines: &str) -> Vec<(u64, u8, u8)> {
        let data = format!("BEGIN:IMELODY\r\nVERSION:1.2\r\n{lines}\r\nEND:IMELODY\r\n");
        let score = read(&Bytes::from(data), &Limits::default()).unwrap();
        let struck = score.events.iter().filter(|event| event.status == 0x90);
        struck
            .map(|event| (event.at_us / 1_000, event.data[0], event.data[1]))
            .collect()
    }

    #[test]
    fn notes_octaves_and_repeats_are_played() {
        let played = melody("BEAT:120\r\nVOLUME:V7\r\nMELODY:*3a2ledonr3#c2.\r\n (&b3@2)V+*4c5");
        let velocities = (64, 71);
        let (soft, loud) = velocities;
        assert_eq!(
            played,
            [
                (0, 69, soft),
                (750, 61, soft),
                (1_500, 70, soft),
                (1_750, 70, soft),
                (2_000, 72, loud),
            ]
        );
    }

    #[test]
    fn for_ever_is_once_and_nonsense_is_passed_over() {
        assert_eq!(melody("MELODY:(c3@0)").len(), 1);
        assert_eq!(melody("MELODY:?c?c3(@9999)((c3@x").len(), 2);
        assert_eq!(melody("MELODY:(ledonc@4000000000)c3").len(), 1);
        let endless = "BEGIN:IMELODY\nMELODY:(c0@4000000000)\n";
        assert!(matches!(
            read(&Bytes::from(endless), &Limits::default()),
            Err(ContainerError::Limit { .. })
        ));
        let empty = Bytes::from_static(b"BEGIN:IMELODY\nEND:IMELODY");
        assert!(read(&empty, &Limits::default()).is_err());
    }
}

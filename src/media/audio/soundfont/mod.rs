//! Melodies played with the instruments of a soundfont (SoundFont 2.04), which is the operator's.
//!
//! The crate's own reader of MIDI files is not used: it follows lengths blindly. Ours
//! ([`melody`]) tells the synthesiser what to play, a tenth of a second at a time.

use std::sync::Arc;

use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};

use super::stage::{DecodePacket, Decoding, to_i16};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{AudioDecoder, AudioFormat, Stage};
use crate::media::container::melody::{self, CHANNELS, Event, SAMPLE_RATE, STEP_US};
use crate::media::error::MediaError;
use crate::media::guard::caught;
use crate::media::info::Codec;
use crate::media::picture::{Packet, PcmBlock};

/// The name under which it is switched on and off.
const NAME: &str = "soundfont";

/// Samples per channel of a packet.
const FRAMES: usize = 4_410;

/// The most semitones that a melody may bend or shift a note by. A sample that is read much faster
/// than it was recorded is noise, and would be read past its end.
const MOST_BEND: u8 = 12;

/// Plays melodies with the instruments of one soundfont. It is not among the built-in codecs: who
/// has a soundfont adds it to the [`Registry`](crate::media::Registry).
#[derive(Debug)]
pub struct Soundfont {
    font: Arc<SoundFont>,
}

impl Soundfont {
    /// Reads a soundfont, whose samples are 16 bits and not compressed.
    ///
    /// # Errors
    ///
    /// [`MediaError::Limit`] for more octets than [`soundfont_bytes`](Limits::soundfont_bytes),
    /// [`MediaError::Unsupported`] with what is wrong with it.
    pub fn read(octets: &[u8], limits: &Limits) -> Result<Self, MediaError> {
        if octets.len() > limits.soundfont_bytes {
            return Err(MediaError::Limit {
                what: "soundfont_bytes",
                limit: u64::try_from(limits.soundfont_bytes).unwrap_or(u64::MAX),
            });
        }
        let wrong = |why: String| MediaError::unsupported(format!("this soundfont: {why}"));
        let font = caught(NAME, || {
            let mut reader = octets;
            SoundFont::new(&mut reader).map_err(|error| wrong(error.to_string()))
        });
        let font = match font {
            Err(MediaError::CodecPanicked { .. }) => Err(wrong("it contradicts itself".to_owned())),
            other => other,
        }?;
        if font.get_presets().is_empty() || font.get_instruments().is_empty() {
            return Err(wrong("no instrument".to_owned()));
        }
        Ok(Self {
            font: Arc::new(font),
        })
    }
}

impl AudioDecoder for Soundfont {
    fn name(&self) -> &str {
        NAME
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Midi, Codec::IMelody, Codec::Rtttl]
    }

    fn open(
        &self,
        _: &AudioFormat,
        _: &Limits,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError> {
        let rate = i32::try_from(SAMPLE_RATE).unwrap_or(i32::MAX);
        let mut settings = SynthesizerSettings::new(rate);
        // A room around the notes is lost on a phone's loudspeaker, and costs a speech codec bits.
        settings.enable_reverb_and_chorus = false;
        let synthesizer = Synthesizer::new(&self.font, &settings)
            .map_err(|error| MediaError::unsupported(format!("a synthesiser: {error}")))?;
        Ok(Box::new(Decoding::new(Playing {
            synthesizer,
            parameters: [[0x7F; 2]; 16],
            left: vec![0.0; FRAMES],
            right: vec![0.0; FRAMES],
        })))
    }
}

struct Playing {
    synthesizer: Synthesizer,
    /// The registered parameter that each channel's next data entry is for.
    parameters: [[u8; 2]; 16],
    left: Vec<f32>,
    right: Vec<f32>,
}

impl DecodePacket for Playing {
    fn decode(&mut self, packet: &Packet) -> Result<PcmBlock, MediaError> {
        let mut done = 0;
        for event in melody::events(&packet.data) {
            let until = frame_of(event.offset_us).max(done);
            self.render(done, until);
            done = until;
            self.tell(event);
        }
        self.render(done, FRAMES);
        let pairs = self.left.iter().zip(&self.right);
        Ok(PcmBlock {
            sample_rate: SAMPLE_RATE,
            channels: CHANNELS,
            samples: pairs
                .flat_map(|(left, right)| [to_i16(*left), to_i16(*right)])
                .collect(),
            timestamp_us: packet.timestamp_us,
        })
    }
}

/// The sample at a time within a packet.
fn frame_of(offset_us: u32) -> usize {
    let frame = u64::from(offset_us.min(STEP_US)) * u64::from(SAMPLE_RATE) / 1_000_000;
    usize::try_from(frame).unwrap_or(FRAMES).min(FRAMES)
}

impl Playing {
    fn render(&mut self, from: usize, to: usize) {
        if let (Some(left), Some(right)) =
            (self.left.get_mut(from..to), self.right.get_mut(from..to))
            && from < to
        {
            self.synthesizer.render(left, right);
        }
    }

    fn tell(&mut self, event: Event) {
        let channel = event.status & 0x0F;
        let [first, mut second] = event.data;
        let command = event.status & 0xF0;
        if command == 0xB0
            && let Some(parameter) = self.parameters.get_mut(usize::from(channel))
        {
            let [coarse, fine] = parameter;
            match first {
                0x65 => *coarse = second,
                0x64 => *fine = second,
                0x06 => {
                    second = match (*coarse, *fine) {
                        (0, 0) => second.min(MOST_BEND),
                        (0, 2) => second.clamp(64 - MOST_BEND, 64 + MOST_BEND),
                        _ => second,
                    }
                }
                _ => {}
            }
        }
        self.synthesizer.process_midi_message(
            channel.into(),
            command.into(),
            first.into(),
            second.into(),
        );
    }
}

#[cfg(test)]
mod sine;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{AudioSettings, transcode};
    use super::sine::sine;
    use super::*;
    use crate::media::container;
    use crate::media::registry::{BUILTIN, Registry};

    fn registry() -> Registry {
        let mut registry = Registry::builtin();
        let font = Soundfont::read(&sine(), &Limits::default()).unwrap();
        registry.add_audio_decoder(BUILTIN, Arc::new(font));
        registry
    }

    fn played(tone: &'static str) -> Vec<f32> {
        let movie = container::read(&Bytes::from_static(tone.as_bytes()), &Limits::default());
        let settings = AudioSettings {
            codec: Codec::Pcm,
            sample_rate: 8_000,
            channels: 1,
            bit_rate: 128_000,
            max_bytes: None,
            end_us: None,
        };
        let coded = transcode(
            &movie.unwrap().tracks[0],
            &settings,
            &registry(),
            &Limits::default(),
            &Cancel::new(),
        )
        .unwrap();
        assert_eq!(coded.warnings, Vec::<String>::new());
        let octets: Vec<u8> = coded.samples.iter().flat_map(|s| s.data.to_vec()).collect();
        let pairs = octets.chunks_exact(2);
        pairs
            .map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])))
            .collect()
    }

    #[test]
    fn notes_sound_at_their_time_and_pitch() {
        // Half a second of A, half a second of nothing, half a second of the A above.
        let sound = played("t:d=4,o=4,b=120,s=C:a,p,a5");
        assert_eq!(sound.len(), 8 * 2_500, "a second to fade");
        let level = |from: usize| {
            let piece = &sound[from * 8..(from + 300) * 8];
            (piece.iter().map(|s| s * s).sum::<f32>() / 2_400.0).sqrt()
        };
        let crossings = |from: usize| {
            let piece = &sound[from * 8..(from + 300) * 8];
            piece
                .windows(2)
                .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
                .count()
        };
        assert!(level(100) > 1_000.0 && level(1_100) > 1_000.0);
        assert!(
            level(700) < level(100) / 20.0,
            "{} {}",
            level(700),
            level(100)
        );
        assert!(crossings(100).abs_diff(132) <= 3, "{}", crossings(100));
        assert!(crossings(1_100).abs_diff(265) <= 3, "{}", crossings(1_100));
    }

    #[test]
    fn bends_beyond_sense_are_held_back() {
        let decoder = Soundfont::read(&sine(), &Limits::default()).unwrap();
        let movie = container::read(
            &Bytes::from_static(b"t:d=4,o=4,b=120:a"),
            &Limits::default(),
        )
        .unwrap();
        let format = super::super::format::of(&movie.tracks[0].info).unwrap();
        let mut stage = decoder
            .open(&format, &Limits::default(), &Cancel::new())
            .unwrap();
        let mut data = Vec::new();
        for event in [
            [0xB0, 0x65, 0],
            [0xB0, 0x64, 0],
            [0xB0, 0x06, 127],
            [0xE0, 127, 127],
            [0x90, 127, 127],
            [0xB7, 0x65, 0],
            [0xFF, 0xFF, 0xFF],
        ] {
            data.extend([0; 4]);
            data.extend(event);
        }
        let packet = Packet {
            data: data.into(),
            timestamp_us: 0,
            key: true,
            shown: true,
        };
        for _ in 0..20 {
            stage.push(packet.clone()).unwrap();
            assert_eq!(stage.pull().unwrap().unwrap().samples.len(), FRAMES * 2);
        }
    }

    #[test]
    fn soundfonts_that_lie_are_refused() {
        let whole = sine();
        let small = Limits {
            soundfont_bytes: whole.len() - 1,
            ..Limits::default()
        };
        assert!(matches!(
            Soundfont::read(&whole, &small),
            Err(MediaError::Limit {
                what: "soundfont_bytes",
                ..
            })
        ));
        for length in [0, 4, 12, 40, 200, whole.len() / 2, whole.len() - 2] {
            let error = Soundfont::read(&whole[..length], &Limits::default()).unwrap_err();
            assert!(error.to_string().contains("this soundfont"), "{error}");
        }
        for at in (0..whole.len()).step_by(3) {
            let mut broken = whole.clone();
            broken[at] ^= 0x55;
            // It is refused, or played as what it says now; neither ends the process.
            let _ = Soundfont::read(&broken, &Limits::default());
        }
    }
}

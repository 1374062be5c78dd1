//! Melodies: notes rather than samples. Standard MIDI files (RP-001), in RIFF too, ring tones in
//! RTTTL, and iMelody 1.2.
//!
//! A melody becomes one track of sound. A sample of it holds what a synthesiser is told in a tenth
//! of a second ([`events`]), whichever file it came from, so that a decoder of melodies needs to
//! know none of the formats.

mod imelody;
mod rtttl;
mod score;
mod smf;

use bytes::Bytes;

use super::error::ContainerError;
use super::movie::{Movie, Source, Span, Track};
use super::reader::{index, saturated};
use super::track::{FourCc, TrackCodec, TrackInfo};
use crate::limits::Limits;
use crate::media::info::Codec;
use score::Score;

/// How long a sample of a melody lasts, in microseconds.
pub const STEP_US: u32 = 100_000;

/// Samples per second that a melody is said to have: what a decoder makes of it.
pub const SAMPLE_RATE: u32 = 44_100;

/// Channels that a melody is said to have.
pub const CHANNELS: u16 = 2;

/// Octets of an event in a sample.
const EVENT: usize = 7;

/// Microseconds that the last notes get to fade.
const FADE_US: u64 = 1_000_000;

/// Something that a synthesiser is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Microseconds from the start of the sample.
    pub offset_us: u32,
    /// The status octet of MIDI: 0x80..=0xEF, the channel in its low half.
    pub status: u8,
    /// Its data octets, 0..=127; the second is 0 where the status has only one.
    pub data: [u8; 2],
}

/// The events of a sample in the order in which they happen.
pub fn events(sample: &[u8]) -> impl Iterator<Item = Event> {
    sample.chunks_exact(EVENT).filter_map(|event| {
        let &[a, b, c, d, status, first, second] = event.first_chunk::<EVENT>()?;
        Some(Event {
            offset_us: u32::from_le_bytes([a, b, c, d]),
            status,
            data: [first & 0x7F, second & 0x7F],
        })
    })
}

/// Whether the data starts as a melody does.
pub(super) fn recognises(data: &Bytes) -> bool {
    codec_of(data).is_some()
}

fn codec_of(data: &Bytes) -> Option<Codec> {
    if smf::recognises(data) {
        Some(Codec::Midi)
    } else if imelody::recognises(data) {
        Some(Codec::IMelody)
    } else if rtttl::recognises(data) {
        Some(Codec::Rtttl)
    } else {
        None
    }
}

/// Reads a melody: one track, which ends a second after its last event.
///
/// # Errors
///
/// [`ContainerError::Malformed`] where it has no beginning or no note,
/// [`ContainerError::Limit`] for more events than [`container_samples`](Limits::container_samples)
/// or a longer one than [`melody_ms`](Limits::melody_ms).
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    let (codec, magic, score) = match codec_of(data) {
        Some(Codec::IMelody) => (Codec::IMelody, *b"IMEL", imelody::read(data, limits)?),
        Some(Codec::Rtttl) => (Codec::Rtttl, *b"RTTL", rtttl::read(data, limits)?),
        _ => (Codec::Midi, *b"MThd", smf::read(data, limits)?),
    };
    if !score.sounds() {
        return Err(ContainerError::malformed(0, "a melody without a note"));
    }
    Ok(Movie {
        brand: FourCc(magic),
        compatible: Vec::new(),
        warnings: score.warnings.clone(),
        tracks: vec![track(score, codec, limits)?],
    })
}

/// The track of a melody.
fn track(mut score: Score, codec: Codec, limits: &Limits) -> Result<Track, ContainerError> {
    score.sort();
    let end_us = score.end_us.saturating_add(FADE_US);
    if end_us / 1_000 > limits.melody_ms {
        return Err(ContainerError::Limit {
            what: "melody_ms",
            limit: index(limits.melody_ms),
        });
    }
    let step = u64::from(STEP_US);
    let step_ms = STEP_US / 1_000;
    let mut octets = Vec::with_capacity(score.events.len().saturating_mul(EVENT));
    let mut spans = Vec::new();
    let mut events = score.events.iter().peekable();
    for number in 0..end_us.div_ceil(step) {
        let begin = number.saturating_mul(step);
        let start = octets.len();
        let inside = |at: u64| at < begin.saturating_add(step);
        while let Some(event) = events.next_if(|event| inside(event.at_us)) {
            octets.extend(saturated(event.at_us.saturating_sub(begin)).to_le_bytes());
            octets.push(event.status);
            octets.extend(event.data);
        }
        spans.push(Span {
            start,
            length: saturated(octets.len().saturating_sub(start)),
            duration: step_ms,
            dts: i64::try_from(begin / 1_000).unwrap_or(i64::MAX),
            delay: 0,
            keyframe: number == 0,
        });
    }
    let info = TrackInfo::audio(1, TrackCodec::Melody(codec), 1_000, SAMPLE_RATE, CHANNELS);
    let mut track = Track::new(info, Bytes::from(octets), Source::Spans(spans));
    if !track.measure(limits.container_samples) {
        return Err(ContainerError::Limit {
            what: "container_samples",
            limit: limits.container_samples,
        });
    }
    track.info.duration = end_us / 1_000;
    Ok(track)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bar of one note, 480 ticks at 120 beats a minute.
    pub(super) fn song() -> Bytes {
        let events: &[u8] = &[
            0, 0xC0, 5, 0, 0x90, 69, 100, 0x83, 0x60, 69, 0, 0, 0xFF, 0x2F, 0,
        ];
        let length = u8::try_from(events.len()).unwrap();
        let head = b"MThd\0\0\0\x06\0\0\0\x01\x01\xE0MTrk\0\0\0".as_slice();
        Bytes::from([head, &[length], events].concat())
    }

    #[test]
    fn a_melody_is_told_in_tenths_of_a_second_and_fades() {
        let movie = super::super::read(&song(), &Limits::default()).unwrap();
        let track = &movie.tracks[0];
        assert_eq!(track.info.codec.codec(), Codec::Midi);
        assert_eq!((track.info.duration, track.len()), (1_500, 15));
        let told: Vec<Vec<Event>> = track.samples().map(|s| events(&s.data).collect()).collect();
        let event = |status, data| Event {
            offset_us: 0,
            status,
            data,
        };
        assert_eq!(told[0], [event(0xC0, [5, 0]), event(0x90, [69, 100])]);
        assert_eq!(told[5], [event(0x90, [69, 0])]);
        assert!(told[6..].iter().all(Vec::is_empty));
    }

    #[test]
    fn all_three_formats_are_found_by_their_octets() {
        let limits = Limits::default();
        for (data, codec) in [
            ("Tune:d=4,o=5,b=120:a,p,8c#6.", Codec::Rtttl),
            (
                "BEGIN:IMELODY\r\nVERSION:1.2\r\nMELODY:a3r3\r\nEND:IMELODY",
                Codec::IMelody,
            ),
        ] {
            let movie = super::super::read(&Bytes::from(data), &limits).unwrap();
            assert_eq!(movie.tracks[0].info.codec.codec(), codec);
        }
        assert!(!recognises(&Bytes::from_static(b"hello: you: there")));
    }

    #[test]
    fn what_is_silent_or_endless_is_refused() {
        let silent =
            Bytes::from_static(b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x04\0\xFF\x2F\0");
        let error = read(&silent, &Limits::default()).unwrap_err();
        assert!(error.to_string().contains("without a note"), "{error}");
        let limits = Limits {
            melody_ms: 1_499,
            ..Limits::default()
        };
        let error = read(&song(), &limits).unwrap_err();
        assert!(matches!(
            error,
            ContainerError::Limit {
                what: "melody_ms",
                ..
            }
        ));
        let few = Limits {
            container_samples: 2,
            ..Limits::default()
        };
        assert!(matches!(
            read(&song(), &few),
            Err(ContainerError::Limit { .. })
        ));
    }
}

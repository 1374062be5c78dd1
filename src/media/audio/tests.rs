//! A whole track through the pipeline, sound and hostile.

use bytes::Bytes;
use proptest::prelude::*;

use super::{AudioSettings, AudioTarget, Source, choose, transcode};
use crate::limits::Limits;
use crate::media::container::isobmff::{self, Brand, NewTrack};
use crate::media::container::{self, CodedTrack, Track, amr, mp3, ogg, wav};
use crate::media::{Cancel, Codec, MediaError, Registry};

/// A second and a half of something like speech: tones that come and go.
fn speech(rate: u32, channels: u16) -> Bytes {
    let samples: Vec<i16> = (0..rate * 3 / 2)
        .flat_map(|n| {
            let t = f64::from(n) / f64::from(rate);
            let loud = (t * 9.0).sin().abs() * 9_000.0;
            let x = ((t * 1_300.0).sin() + (t * 4_700.0).sin() * 0.4) * loud;
            (0..channels).map(move |channel| whole(x / f64::from(channel + 1)))
        })
        .collect();
    wav::write_pcm16(rate, channels, &samples).unwrap().into()
}

#[allow(clippy::cast_possible_truncation, reason = "the tones are that low")]
fn whole(x: f64) -> i16 {
    x as i16
}

fn first(data: &Bytes) -> Track {
    let movie = container::read(data, &Limits::default()).unwrap();
    movie.tracks.into_iter().next().unwrap()
}

fn settings(codec: Codec, sample_rate: u32, channels: u16, bit_rate: u64) -> AudioSettings {
    AudioSettings {
        codec,
        sample_rate,
        channels,
        bit_rate,
        max_bytes: None,
        end_us: None,
    }
}

fn run(track: &Track, settings: &AudioSettings) -> Result<CodedTrack, MediaError> {
    let registry = Registry::builtin();
    transcode(
        track,
        settings,
        &registry,
        &Limits::default(),
        &Cancel::new(),
    )
}

/// A file of each kind that our encoders make.
fn made() -> Vec<(Codec, Bytes)> {
    let source = first(&speech(16_000, 1));
    let coded = |codec, rate, bits| run(&source, &settings(codec, rate, 1, bits)).unwrap();
    let narrow = coded(Codec::AmrNb, 8_000, 7_400);
    let wide = coded(Codec::AmrWb, 16_000, 12_650);
    let aac = coded(Codec::AacLc, 16_000, 24_000);
    let layer = coded(Codec::Mp3, 16_000, 32_000);
    let opus = coded(Codec::Opus, 16_000, 16_000);
    let whole = NewTrack {
        info: &aac.info,
        samples: &aac.samples,
    };
    let head = ogg::OpusHead::parse(&opus.info.codec.config()).unwrap();
    vec![
        (
            Codec::AmrNb,
            amr::write(amr::Band::Narrow, &narrow.samples).into(),
        ),
        (
            Codec::AmrWb,
            amr::write(amr::Band::Wide, &wide.samples).into(),
        ),
        (
            Codec::AacLc,
            isobmff::write(Brand::Mp42, &[whole]).unwrap().into(),
        ),
        (
            Codec::Mp3,
            mp3::write(&layer.info, &layer.samples).unwrap().into(),
        ),
        (
            Codec::Opus,
            ogg::write_opus(head, &opus.samples, Some(opus.info.duration))
                .unwrap()
                .into(),
        ),
        (Codec::Pcm, speech(8_000, 2)),
    ]
}

#[test]
fn every_codec_into_every_other_is_as_long_as_the_source() {
    for (from, file) in made() {
        let track = first(&file);
        for to in [
            settings(Codec::AmrNb, 8_000, 1, 12_200),
            settings(Codec::AacLc, 22_050, 2, 48_000),
            settings(Codec::Pcm, 8_000, 1, 128_000),
        ] {
            let coded = run(&track, &to).unwrap();
            let ms = coded.info.duration * 1_000 / u64::from(coded.info.timescale);
            assert!(ms.abs_diff(1_500) <= 20, "{from:?} {to:?}: {ms} ms");
            assert!(coded.samples[0].pts <= 0);
            let last = coded.samples.last().unwrap();
            let end = u64::try_from(last.pts).unwrap() + u64::from(last.duration);
            assert!(end >= coded.info.duration, "{from:?} {to:?}");
            assert_eq!(coded.warnings, [""; 0]);
            assert_eq!(run(&track, &to).unwrap(), coded, "deterministic");
        }
    }
}

#[test]
fn a_track_is_cut_where_it_is_told() {
    let track = first(&speech(44_100, 2));
    let cut = AudioSettings {
        end_us: Some(500_000),
        ..settings(Codec::AmrNb, 8_000, 1, 5_900)
    };
    let coded = run(&track, &cut).unwrap();
    assert_eq!((coded.info.duration, coded.samples.len()), (4_000, 25));
}

#[test]
fn damage_becomes_silence_of_the_same_length() {
    let (_, file) = made()
        .into_iter()
        .find(|(codec, _)| *codec == Codec::Mp3)
        .unwrap();
    let track = first(&file);
    let middle = track.samples().nth(20).unwrap();
    let start = file
        .windows(middle.data.len())
        .position(|w| w == middle.data)
        .unwrap();
    let mut damaged = file.to_vec();
    for octet in &mut damaged[start + 4..start + middle.data.len()] {
        *octet = 0xA5;
    }
    let coded = run(
        &first(&Bytes::from(damaged)),
        &settings(Codec::Pcm, 16_000, 1, 256_000),
    )
    .unwrap();
    assert_eq!(coded.info.duration, 24_000);
}

#[test]
fn what_no_codec_reads_is_named() {
    let mut file = speech(8_000, 1).to_vec();
    file[20..22].copy_from_slice(&[0x61, 0x01]);
    let track = first(&Bytes::from(file));
    let error = run(&track, &settings(Codec::AmrNb, 8_000, 1, 12_200)).unwrap_err();
    assert!(error.to_string().contains("0x0161"), "{error}");
    let mut registry = Registry::builtin();
    registry.set_enabled("amr-nb-encoder", false);
    let track = first(&speech(8_000, 1));
    let refused = transcode(
        &track,
        &settings(Codec::AmrNb, 8_000, 1, 12_200),
        &registry,
        &Limits::default(),
        &Cancel::new(),
    );
    assert!(matches!(refused, Err(MediaError::Unsupported { .. })));
}

#[test]
fn a_cancelled_track_stops() {
    let cancel = Cancel::new();
    cancel.cancel();
    let track = first(&speech(8_000, 1));
    let outcome = transcode(
        &track,
        &settings(Codec::AmrNb, 8_000, 1, 12_200),
        &Registry::builtin(),
        &Limits::default(),
        &cancel,
    );
    assert_eq!(outcome.unwrap_err(), MediaError::Cancelled);
}

#[test]
fn octets_are_never_more_than_allowed() {
    let track = first(&speech(16_000, 2));
    for codec in [
        Codec::AmrNb,
        Codec::AmrWb,
        Codec::AacLc,
        Codec::Mp3,
        Codec::Opus,
        Codec::Pcm,
    ] {
        let target = AudioTarget {
            codec,
            max_sample_rate: 48_000,
            max_channels: 2,
            max_bit_rate: None,
        };
        for most in [900, 1_300, 2_000, 3_500, 6_000, 30_000] {
            let Some(settings) = choose(&track.info, &target, 1_500_000, Some(most)) else {
                continue;
            };
            let coded = run(&track, &settings).unwrap();
            assert!(
                coded.bytes() <= most,
                "{codec:?}: {} of {most}",
                coded.bytes()
            );
        }
        let squeezed = AudioSettings {
            max_bytes: Some(400),
            ..choose(&track.info, &target, 1_500_000, None).unwrap()
        };
        assert!(run(&track, &squeezed).unwrap().bytes() <= 400, "{codec:?}");
    }
}

/// Decodes what there is; errors are as good as sound, panics and endless loops are not.
fn listen(data: &Bytes) {
    let Ok(movie) = container::read(data, &Limits::default()) else {
        return;
    };
    let (registry, limits, cancel) = (Registry::builtin(), Limits::default(), Cancel::new());
    for track in &movie.tracks {
        let Ok(mut source) = Source::open(track, &registry, &limits, &cancel) else {
            continue;
        };
        let mut heard = 0;
        while let Ok(Some(block)) = source.next_block() {
            heard += block.samples.len();
            if heard > 10_000_000 {
                break;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_do_no_harm(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        static FILES: std::sync::OnceLock<Vec<(Codec, Bytes)>> = std::sync::OnceLock::new();
        for (_, file) in FILES.get_or_init(made) {
            let mut data = file.to_vec();
            for (place, value) in &flips {
                let at = place.index(data.len());
                data[at] ^= value;
            }
            listen(&Bytes::from(data.clone()));
            data.truncate(cut.index(data.len()));
            listen(&Bytes::from(data));
        }
    }
}

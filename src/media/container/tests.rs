use proptest::prelude::*;

use super::isobmff::{Brand, NewTrack, write};
use super::*;
use crate::dimensions::Dimensions;

fn sample(dts: i64, duration: u32, keyframe: bool, size: usize) -> Sample {
    Sample {
        dts,
        pts: dts,
        duration,
        keyframe,
        data: Bytes::from(vec![0x3C; size]),
    }
}

/// A clip of two seconds: ten pictures, a hundred frames of speech.
fn clip() -> Bytes {
    let config = H263Config {
        level: 10,
        profile: 0,
        bit_rate: None,
    };
    let video = TrackInfo::video(
        1,
        TrackCodec::H263(config),
        1_000,
        Dimensions::new(176, 144),
    );
    let pictures: Vec<Sample> = (0..10)
        .map(|n| sample(n * 200, 200, n % 4 == 0, 40))
        .collect();
    let audio = amr::info(amr::Band::Narrow, AmrConfig::any(1));
    let speech: Vec<Sample> = (0..100).map(|n| sample(n * 160, 160, true, 32)).collect();
    let tracks = [
        NewTrack {
            info: &video,
            samples: &pictures,
        },
        NewTrack {
            info: &audio,
            samples: &speech,
        },
    ];
    Bytes::from(write(Brand::ThreeGp5, &tracks).unwrap())
}

/// Small sound files of all kinds that we write, and the head of a Matroska file.
fn seeds() -> Vec<Bytes> {
    let speech: Vec<Sample> = (0..9).map(|n| sample(n * 160, 160, true, 32)).collect();
    let head = ogg::OpusHead {
        channels: 1,
        pre_skip: 312,
        input_rate: 16_000,
        gain: 0,
        family: 0,
    };
    let matroska =
        b"\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67\xFF\x16\x54\xAE\x6B\x88\xAE\x86\xD7\x81\x01\
        \x83\x81\x01\x1F\x43\xB6\x75\xFF\xE7\x81\x00\xA3\x88\x81\x00\x00\x86\x01\x81\xFF\xFF";
    vec![
        clip(),
        Bytes::from(amr::write(amr::Band::Narrow, &speech)),
        Bytes::from(adts::write(&aac::AacConfig::low_complexity(8_000, 1), &speech).unwrap()),
        Bytes::from(wav::write_pcm16(8_000, 1, &[1; 50]).unwrap()),
        Bytes::from(ogg::write_opus(head, &speech, None).unwrap()),
        Bytes::from_static(matroska),
    ]
}

/// Reads whatever it is and goes through all of it.
fn drain(data: &Bytes) -> Result<usize, ContainerError> {
    let limits = Limits {
        container_samples: 20_000,
        container_boxes: 20_000,
        ..Limits::default()
    };
    let movie = read(data, &limits)?;
    assert!(movie.tracks.len() <= limits.container_tracks);
    let mut count = 0;
    for (place, sample) in movie.interleaved() {
        assert!(!sample.data.is_empty() && sample.data.len() <= data.len());
        assert!(place < movie.tracks.len());
        count += 1;
    }
    let counts = movie.tracks.iter().map(Track::len);
    assert_eq!(count, counts.sum::<usize>());
    assert!(count <= limits.container_samples);
    for track in &movie.tracks {
        track.samples_from(1_000).take(2).for_each(drop);
    }
    Ok(count)
}

#[test]
fn every_kind_is_recognised() {
    for seed in seeds() {
        assert!(drain(&seed).unwrap() > 0);
    }
    assert!(matches!(
        drain(&Bytes::from_static(b"GIF89a")),
        Err(ContainerError::Unsupported { offset: 0, .. })
    ));
}

#[test]
fn every_cut_gives_no_more_than_the_whole() {
    for seed in seeds() {
        let whole = drain(&seed).unwrap();
        for length in 0..seed.len() {
            if let Ok(count) = drain(&seed.slice(..length)) {
                assert!(count <= whole, "cut to {length}");
            }
        }
    }
}

#[test]
fn tracks_take_turns_by_time() {
    let movie = read(&clip(), &Limits::default()).unwrap();
    let seconds: Vec<f64> = movie
        .interleaved()
        .map(|(place, sample)| {
            let dts = u32::try_from(sample.dts).unwrap();
            f64::from(dts) / f64::from(movie.tracks[place].info.timescale)
        })
        .collect();
    assert_eq!(seconds.len(), 110);
    assert!(seconds.is_sorted());
    assert_eq!(movie.first(TrackKind::Audio).map(Track::len), Some(100));
}

#[test]
fn seeking_goes_to_the_key_frame_before() {
    let movie = read(&clip(), &Limits::default()).unwrap();
    let video = movie.first(TrackKind::Video).unwrap();
    for (time, expected) in [
        (-5, 0),
        (0, 0),
        (799, 0),
        (800, 800),
        (1_599, 800),
        (9_999, 1_600),
    ] {
        let first = video.samples_from(time).next().unwrap();
        assert_eq!((first.pts, first.keyframe), (expected, true), "{time}");
    }
    assert_eq!(video.samples_from(800).count(), 6);
}

proptest! {
    #[test]
    fn arbitrary_octets_are_read_or_refused(
        magic in 0..8_usize,
        tail in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let magics: [&[u8]; 8] = [
            b"",
            b"\0\0\0\x08free\0\0\0\0moov",
            b"\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67\xFF",
            b"OggS\0",
            b"#!AMR\n",
            b"RIFF\0\0\0\0WAVEfmt ",
            b"RIFF\0\0\0\0QLCMfmt ",
            b"\xFF\xF1\x50\x80",
        ];
        let data = [magics[magic], &tail].concat();
        let _ = drain(&Bytes::from(data));
    }

    #[test]
    fn mutated_files_are_read_or_refused(
        seed in 0..6_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>(), 0..5_u8), 1..6),
    ) {
        let mut data = seeds().swap_remove(seed).to_vec();
        for (place, value, kind) in changes {
            let at = place.index(data.len().saturating_sub(4).max(1));
            let value = match kind {
                0 => u32::MAX,
                1 => 0,
                2 => 0x7FFF_FFFF,
                3 => value & 0xFF,
                _ => value,
            };
            if let Some(field) = data.get_mut(at..at + 4) {
                field.copy_from_slice(&value.to_be_bytes());
            }
        }
        let _ = drain(&Bytes::from(data));
    }
}

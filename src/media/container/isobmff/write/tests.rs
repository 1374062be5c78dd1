use bytes::Bytes;

use super::super::super::aac::AacConfig;
use super::super::super::avc::AvcConfig;
use super::super::super::track::{AmrConfig, BitRate, H263Config, PcmEncoding, PcmFormat};
use super::super::read;
use super::*;
use crate::dimensions::Dimensions;
use crate::limits::Limits;

fn samples(count: i64, start: i64, duration: u32, size: fn(i64) -> usize) -> Vec<Sample> {
    (0..count)
        .map(|n| Sample {
            dts: start + n * i64::from(duration),
            pts: start + n * i64::from(duration),
            duration,
            keyframe: n % 15 == 0,
            data: Bytes::from(vec![u8::try_from(n % 251).unwrap(); size(n)]),
        })
        .collect()
}

fn h263() -> TrackInfo {
    let codec = TrackCodec::H263(H263Config {
        level: 10,
        profile: 0,
        bit_rate: Some(BitRate {
            average: 50_000,
            maximum: 64_000,
        }),
    });
    TrackInfo::video(1, codec, 15_000, Dimensions::new(176, 144))
}

fn amr() -> TrackInfo {
    TrackInfo::audio(2, TrackCodec::AmrNb(AmrConfig::any(1)), 8_000, 8_000, 1)
}

fn shapes(samples: &[Sample]) -> Vec<SampleShape> {
    let shape = |sample: &Sample| SampleShape {
        dts: sample.dts,
        pts: sample.pts,
        duration: sample.duration,
        keyframe: sample.keyframe,
    };
    samples.iter().map(shape).collect()
}

#[test]
fn what_is_written_is_read() {
    let pictures = samples(40, 0, 1_000, |n| 100 + usize::try_from(n).unwrap());
    let mut speech = samples(130, 0, 160, |_| 13);
    for frame in &mut speech {
        frame.keyframe = true;
    }
    let (video, audio) = (h263(), amr());
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
    let file = write(Brand::ThreeGp4, &tracks).unwrap();
    let movie = read(&Bytes::from(file.clone()), &Limits::default()).unwrap();
    assert_eq!(movie.warnings, []);
    assert_eq!(movie.brand, Brand::ThreeGp4.code());
    for (track, new) in movie.tracks.iter().zip(tracks) {
        assert_eq!(track.info.codec, new.info.codec);
        assert_eq!(track.info.size, new.info.size);
        assert_eq!(track.info.channels, new.info.channels);
        assert!(track.samples().eq(new.samples.iter().cloned()));
    }
    let octets: usize = pictures.iter().chain(&speech).map(|s| s.data.len()).sum();
    let (of_video, of_audio) = (shapes(&pictures), shapes(&speech));
    let shape = |uniform| {
        let tracks = [
            TrackShape {
                info: &video,
                samples: &of_video,
                uniform: false,
            },
            TrackShape {
                info: &audio,
                samples: &of_audio,
                uniform,
            },
        ];
        overhead(Brand::ThreeGp4, &tracks).unwrap()
    };
    assert_eq!(shape(true), file.len() - octets);
    assert_eq!(shape(false), file.len() - octets + 4 * 130);
}

#[test]
fn chunks_take_turns_by_the_second() {
    let pictures = samples(45, 0, 1_000, |_| 10);
    let speech = samples(150, 0, 160, |_| 13);
    let (video, audio) = (h263(), amr());
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
    let file = Bytes::from(write(Brand::ThreeGp5, &tracks).unwrap());
    let movie = read(&file, &Limits::default()).unwrap();
    let place = |track: usize, sample: usize| {
        let data = movie.tracks[track].samples().nth(sample).unwrap().data;
        data.as_ptr() as usize - file.as_ptr() as usize
    };
    assert_eq!(place(1, 0), place(0, 14) + 10);
    assert_eq!(place(0, 15), place(1, 49) + 13);
    assert_eq!(place(1, 50), place(0, 29) + 10);
}

#[test]
fn times_that_start_late_early_or_out_of_order() {
    let info = h263();
    for start in [-3_000, 0, 7_500] {
        let mut pictures = samples(20, start, 1_000, |_| 10);
        for (n, picture) in pictures.iter_mut().enumerate() {
            // One picture ahead, and every second one a place later, as B-frames need it.
            picture.pts += if n % 2 == 0 { 1_000 } else { 2_000 };
        }
        let track = NewTrack {
            info: &info,
            samples: &pictures,
        };
        let file = write(Brand::Mp42, &[track]).unwrap();
        let movie = read(&Bytes::from(file), &Limits::default()).unwrap();
        assert!(movie.tracks[0].samples().eq(pictures), "start {start}");
    }
}

#[test]
fn an_end_that_was_cut_stays_cut() {
    let mut info = amr();
    info.duration = 1_600;
    let speech = samples(30, 0, 160, |_| 13);
    let track = NewTrack {
        info: &info,
        samples: &speech,
    };
    let file = write(Brand::ThreeGp4, &[track]).unwrap();
    let movie = read(&Bytes::from(file), &Limits::default()).unwrap();
    assert_eq!(movie.tracks[0].len(), 30);
    assert_eq!(movie.tracks[0].info.duration, 1_600);
}

#[test]
fn every_codec_keeps_its_configuration() {
    let sps = vec![Bytes::from_static(&[0x67, 66, 0xC0, 11])];
    let avc = AvcConfig::new(sps, vec![Bytes::from_static(&[0x68, 1])]).unwrap();
    let size = Dimensions::new(320, 240);
    let amr = AmrConfig {
        mode_set: 0x80,
        mode_change_period: 2,
        frames_per_sample: 10,
    };
    let infos = [
        TrackInfo::video(1, TrackCodec::H264(avc), 90_000, size),
        TrackInfo::video(
            1,
            TrackCodec::Mpeg4Visual(Bytes::from(vec![9; 200])),
            1_000,
            size,
        ),
        TrackInfo::video(
            1,
            TrackCodec::Av1(Bytes::from_static(&[0x81, 0, 0, 0])),
            1_000,
            size,
        ),
        TrackInfo::audio(1, TrackCodec::AmrWb(amr), 16_000, 16_000, 1),
        TrackInfo::audio(
            1,
            TrackCodec::Aac(AacConfig::low_complexity(44_100, 2)),
            44_100,
            44_100,
            2,
        ),
        TrackInfo::audio(1, TrackCodec::Mp3, 22_050, 22_050, 1),
    ];
    for mut info in infos {
        info.language = *b"deu";
        info.orientation = if info.size.is_some() { 8 } else { 1 };
        let samples = samples(3, 0, 100, |n| 5 + usize::try_from(n).unwrap());
        let track = NewTrack {
            info: &info,
            samples: &samples,
        };
        let file = write(Brand::Mp42, &[track]).unwrap();
        let movie = read(&Bytes::from(file), &Limits::default()).unwrap();
        let read = &movie.tracks[0].info;
        assert_eq!(read.codec, info.codec);
        assert_eq!((read.size, read.channels), (info.size, info.channels));
        assert_eq!(read.orientation, info.orientation);
        assert_eq!(read.language, info.language);
    }
}

#[test]
fn brands_refuse_what_they_do_not_know() {
    let avc = AvcConfig::new(vec![Bytes::from_static(&[0x67, 66, 0, 10])], vec![]).unwrap();
    let avc = TrackCodec::H264(avc);
    assert!(!Brand::ThreeGp4.holds(&avc) && !Brand::ThreeGp5.holds(&avc));
    assert!(Brand::ThreeGp6.holds(&avc) && Brand::Mp42.holds(&avc));
    assert!(!Brand::ThreeGp6.holds(&TrackCodec::Av1(Bytes::new())));
    let pcm = TrackCodec::Pcm(PcmFormat {
        encoding: PcmEncoding::Signed,
        bits: 16,
        big_endian: false,
    });
    let info = TrackInfo::audio(1, pcm, 8_000, 8_000, 1);
    let track = NewTrack {
        info: &info,
        samples: &[],
    };
    let refused = write(Brand::Mp42, &[track]).unwrap_err();
    assert_eq!(refused.to_string(), "Pcm does not go into mp42");
    assert_eq!(write(Brand::Mp42, &[]), Err(WriteError::NoTrack));
    let mut wide = h263();
    wide.size = Some(Dimensions::new(70_000, 1));
    let track = NewTrack {
        info: &wide,
        samples: &[],
    };
    assert!(matches!(
        write(Brand::Mp42, &[track]),
        Err(WriteError::Field(_))
    ));
}

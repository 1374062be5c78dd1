//! Seeds of containers, through our own writers where there is one.

use bytes::Bytes;
use remold::Dimensions;
use remold::media::container::aac::AacConfig;
use remold::media::container::amr::{self, Band};
use remold::media::container::isobmff::{self, Brand, NewTrack};
use remold::media::container::{
    AmrConfig, H263Config, Sample, TrackCodec, TrackInfo, adts, ogg, wav,
};

use super::doors::{OPUS, amr_frame, noise, tone, vp8};
use super::save;

pub fn write() {
    let sound = samples(5, 160, &amr_frame(Band::Narrow));
    let shown = samples(4, 1000, &noise(40));
    let h263 = TrackCodec::H263(H263Config {
        level: 10,
        profile: 0,
        bit_rate: None,
    });
    let video = TrackInfo::video(1, h263, 15_000, Dimensions::new(176, 144));
    let speech = amr::info(Band::Narrow, AmrConfig::any(1));
    let tracks = [
        NewTrack {
            info: &video,
            samples: &shown,
        },
        NewTrack {
            info: &speech,
            samples: &sound,
        },
    ];
    let clip = isobmff::write(Brand::ThreeGp5, &tracks).unwrap();
    save("container", "3gp", &clip);
    save("container", "3gp-cut", &clip[..clip.len() - 50]);
    let config = AacConfig::low_complexity(16_000, 1);
    let coded = samples(4, 1024, &noise(30));
    let aac = TrackInfo::audio(1, TrackCodec::Aac(config.clone()), 16_000, 16_000, 1);
    let tracks = [NewTrack {
        info: &TrackInfo {
            duration: 4_000,
            ..aac
        },
        samples: &coded,
    }];
    let music = isobmff::write(Brand::Mp42, &tracks).unwrap();
    save("container", "m4a", &music);
    save("container", "fragments", &fragments());
    save("container", "adts", &adts::write(&config, &coded).unwrap());
    for (name, band) in [("amr", Band::Narrow), ("amr-wb", Band::Wide)] {
        let frames = samples(3, band.sample_rate() / 50, &amr_frame(band));
        save("container", name, &amr::write(band, &frames));
    }
    let tone = tone(8_000, 1, 40);
    save(
        "container",
        "wav",
        &wav::write_pcm16(8_000, 1, &tone).unwrap(),
    );
    let opus = samples(3, 960, &[0xFC, 0xFF, 0xFE]);
    save(
        "container",
        "ogg",
        &ogg::write_opus(OPUS, &opus, Some(2_000)).unwrap(),
    );
    save("container", "webm", &webm());
}

fn boxed(kind: &[u8; 4], inner: &[u8]) -> Vec<u8> {
    let length = u32::try_from(inner.len() + 8).unwrap().to_be_bytes();
    [&length[..], kind, inner].concat()
}

/// A track of H.263 in two fragments.
fn fragments() -> Vec<u8> {
    let words = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_be_bytes()).collect() };
    let entry = [
        &[0, 0, 0, 0, 0, 0, 0, 1][..],
        &[0; 16],
        &[0, 176, 0, 144],
        &[0; 50],
        &boxed(b"d263", b"own \0\x0A\0"),
    ]
    .concat();
    let table = |kind, count: usize| boxed(kind, &vec![0; 4 + 4 * count]);
    let sample_table = [
        boxed(b"stsd", &[words(&[0, 1]), boxed(b"s263", &entry)].concat()),
        table(b"stts", 1),
        table(b"stsc", 1),
        table(b"stsz", 2),
        table(b"stco", 1),
    ]
    .concat();
    let media = [
        boxed(b"mdhd", &words(&[0, 0, 0, 15_000, 0, 0x55C4_0000])),
        boxed(b"hdlr", &[&[0; 8], &b"vide"[..], &[0; 13]].concat()),
        boxed(b"minf", &boxed(b"stbl", &sample_table)),
    ]
    .concat();
    let track = [
        boxed(b"tkhd", &[words(&[7, 0, 0, 1, 0, 0]), vec![0; 60]].concat()),
        boxed(b"mdia", &media),
    ]
    .concat();
    let movie = [
        boxed(b"mvhd", &[words(&[0, 0, 0, 1000, 0]), vec![0; 80]].concat()),
        boxed(b"trak", &track),
        boxed(b"mvex", &boxed(b"trex", &words(&[0, 1, 1, 1000, 9, 0]))),
    ]
    .concat();
    let fragment = |number: u32, time: u32| {
        let inner = |offset: u32| {
            let run = [
                boxed(b"tfhd", &words(&[0x0002_0000, 1])),
                boxed(b"tfdt", &words(&[0, time])),
                boxed(b"trun", &words(&[0x0000_0001, 2, offset])),
            ]
            .concat();
            let parts = [boxed(b"mfhd", &words(&[0, number])), boxed(b"traf", &run)];
            boxed(b"moof", &parts.concat())
        };
        let length = u32::try_from(inner(0).len()).unwrap();
        [inner(length + 8), boxed(b"mdat", &noise(18))].concat()
    };
    [
        boxed(b"ftyp", b"isom\0\0\0\0isom3gp6"),
        boxed(b"moov", &movie),
        fragment(1, 0),
        fragment(2, 2000),
    ]
    .concat()
}

/// A block of VP8 and two of Opus, in lace.
fn webm() -> Vec<u8> {
    let element = |id: &[u8], body: &[u8]| {
        let size = u16::try_from(body.len()).unwrap() | 0x4000;
        [id, &size.to_be_bytes(), body].concat()
    };
    let size = [element(&[0xB0], &[0, 176]), element(&[0xBA], &[0, 144])].concat();
    let video = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[1]),
        element(&[0x86], b"V_VP8"),
        element(&[0xE0], &size),
    ];
    let rate = element(&[0xB5], &48_000_f32.to_be_bytes());
    let audio = [
        element(&[0xD7], &[2]),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_OPUS"),
        element(&[0x63, 0xA2], &OPUS.to_packet()),
        element(&[0xE1], &rate),
    ];
    let tracks = [
        element(&[0xAE], &video.concat()),
        element(&[0xAE], &audio.concat()),
    ];
    let laced = [
        &[0x82, 0, 0, 0x82, 1, 3][..],
        &[0xFC, 0xFF, 0xFE, 0xFC, 0xFF, 0xFE],
    ]
    .concat();
    let cluster = [
        element(&[0xE7], &[0]),
        element(&[0xA3], &[&[0x81, 0, 0, 0x80][..], &vp8()].concat()),
        element(&[0xA3], &laced),
    ];
    let segment = [
        element(&[0x16, 0x54, 0xAE, 0x6B], &tracks.concat()),
        element(&[0x1F, 0x43, 0xB6, 0x75], &cluster.concat()),
    ];
    [
        element(&[0x1A, 0x45, 0xDF, 0xA3], &element(&[0x42, 0x82], b"webm")),
        element(&[0x18, 0x53, 0x80, 0x67], &segment.concat()),
    ]
    .concat()
}

fn samples(count: u32, duration: u32, data: &[u8]) -> Vec<Sample> {
    (0..count)
        .map(|n| Sample {
            dts: i64::from(n * duration),
            pts: i64::from(n * duration),
            duration,
            keyframe: n % 3 == 0,
            data: Bytes::copy_from_slice(data),
        })
        .collect()
}

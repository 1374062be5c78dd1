use super::super::track::{Sample, TrackCodec};
use super::*;

/// An element: an identifier in hexadecimal octets, a size of one or eight octets, a body.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    let size = match u8::try_from(body.len()) {
        Ok(short) if short < 127 => vec![0x80 | short],
        _ => {
            let mut size = u64::try_from(body.len()).unwrap().to_be_bytes();
            size[0] = 1;
            size.to_vec()
        }
    };
    [id, &size, body].concat()
}

fn unknown_size(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], body].concat()
}

const EBML: &[u8] = &[0x1A, 0x45, 0xDF, 0xA3];
const SEGMENT: &[u8] = &[0x18, 0x53, 0x80, 0x67];
const CLUSTER: &[u8] = &[0x1F, 0x43, 0xB6, 0x75];
const TRACKS: &[u8] = &[0x16, 0x54, 0xAE, 0x6B];

fn head() -> Vec<u8> {
    element(EBML, &element(&[0x42, 0x82], b"webm"))
}

fn tracks() -> Vec<u8> {
    let video = [
        element(&[0xD7], &[1]),
        element(&[0x83], &[1]),
        element(&[0x86], b"V_VP8"),
        element(
            &[0xE0],
            &[element(&[0xB0], &[1, 0x40]), element(&[0xBA], &[0xF0])].concat(),
        ),
    ];
    let audio = [
        element(&[0xD7], &[2]),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_OPUS"),
        element(&[0x63, 0xA2], b"OpusHead\x01\x01"),
        element(&[0x56, 0xAA], &6_500_000_u32.to_be_bytes()),
        element(&[0x23, 0xE3, 0x83], &20_000_000_u32.to_be_bytes()),
        element(&[0xE1], &element(&[0xB5], &48_000_f32.to_be_bytes())),
    ];
    let entries = [
        element(&[0xAE], &video.concat()),
        element(&[0xAE], &audio.concat()),
    ];
    element(TRACKS, &entries.concat())
}

fn simple(track: u8, time: i16, flags: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = time.to_be_bytes();
    element(&[0xA3], &[&[0x80 | track, high, low, flags], body].concat())
}

fn cluster(time: u8) -> Vec<u8> {
    let block = [&[0x81, 0, 40, 0], b"pic2".as_slice()].concat();
    let group = [
        element(&[0xA1], &block),
        element(&[0x9B], &[40]),
        element(&[0xFB], &[0xD8]),
    ];
    [
        element(&[0xE7], &[time]),
        simple(1, 0, 0x80, b"pic1"),
        simple(2, 0, 0x84, &[1, 7, 7, 8, 8]),
        element(&[0xA0], &group.concat()),
    ]
    .concat()
}

fn samples(movie: &Movie, track: usize) -> Vec<(i64, u32, bool, Vec<u8>)> {
    let samples = movie.tracks[track].samples();
    samples
        .map(|s: Sample| (s.pts, s.duration, s.keyframe, s.data.to_vec()))
        .collect()
}

#[test]
fn laces_that_reach_into_the_next_block_stay_in_order() {
    let lace = |time| simple(2, time, 0x84, &[1, 7, 7, 8, 8]);
    let body = [element(&[0xE7], &[0]), lace(0), lace(10)].concat();
    let segment = [tracks(), element(CLUSTER, &body)].concat();
    let file = [head(), element(SEGMENT, &segment)].concat();
    let movie = read(&Bytes::from(file), &Limits::default()).unwrap();
    let times: Vec<_> = movie.tracks[1].samples().map(|s| s.dts).collect();
    assert_eq!(times, [-7, 13, 13, 23]);
}

#[test]
fn blocks_groups_and_laces() {
    let known = [
        tracks(),
        element(CLUSTER, &cluster(0)),
        element(CLUSTER, &cluster(80)),
    ];
    let open = [
        tracks(),
        unknown_size(CLUSTER, &cluster(0)),
        unknown_size(CLUSTER, &cluster(80)),
    ];
    let files = [
        [head(), element(SEGMENT, &known.concat())].concat(),
        [head(), unknown_size(SEGMENT, &open.concat())].concat(),
    ];
    for file in files {
        let movie = read(&Bytes::from(file), &Limits::default()).unwrap();
        assert_eq!(movie.brand.0, *b"webm");
        assert_eq!(movie.warnings, []);
        assert_eq!(
            samples(&movie, 0),
            [
                (0, 0, true, b"pic1".to_vec()),
                (40, 40, false, b"pic2".to_vec()),
                (80, 0, true, b"pic1".to_vec()),
                (120, 40, false, b"pic2".to_vec()),
            ]
        );
        assert_eq!(
            samples(&movie, 1),
            [
                (-7, 20, true, vec![7, 7]),
                (13, 20, true, vec![8, 8]),
                (73, 20, true, vec![7, 7]),
                (93, 20, true, vec![8, 8]),
            ]
        );
        let audio = &movie.tracks[1].info;
        assert!(matches!(audio.codec, TrackCodec::Opus(_)));
        assert_eq!((audio.sample_rate, audio.channels), (Some(48_000), Some(1)));
        let video = &movie.tracks[0].info;
        assert_eq!(
            video.size.map(|size| size.to_string()).as_deref(),
            Some("320x240")
        );
    }
}

#[test]
fn cut_files_keep_their_whole_blocks() {
    let body = [tracks(), element(CLUSTER, &cluster(0))].concat();
    let file = [head(), element(SEGMENT, &body)].concat();
    let cut = Bytes::from(file[..file.len() - 1].to_vec());
    let movie = read(&cut, &Limits::default()).unwrap();
    assert_eq!(movie.tracks[0].len(), 1);
    assert_eq!(movie.warnings.len(), 1);
    assert_eq!(movie.tracks[1].len(), 2);
}

#[test]
fn limits_and_nonsense() {
    let body = [tracks(), element(CLUSTER, &cluster(0))].concat();
    let file = Bytes::from([head(), element(SEGMENT, &body)].concat());
    for limits in [
        Limits {
            container_samples: 3,
            ..Limits::default()
        },
        Limits {
            container_tracks: 1,
            ..Limits::default()
        },
        Limits {
            container_boxes: 5,
            ..Limits::default()
        },
    ] {
        assert!(matches!(
            read(&file, &limits),
            Err(ContainerError::Limit { .. })
        ));
    }
    let empty = Bytes::from(head());
    assert!(read(&empty, &Limits::default()).is_err());
    assert!(read(&Bytes::from_static(b"\x1A\x45"), &Limits::default()).is_err());
}

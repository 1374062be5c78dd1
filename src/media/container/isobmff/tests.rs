use bytes::Bytes;

use super::super::error::ContainerError;
use super::super::movie::Movie;
use super::super::track::{AmrConfig, Edit, TrackCodec};
use super::boxes::tests::boxed;
use super::read;
use crate::limits::Limits;

/// A full box of version 0 without flags, of these numbers.
fn table(kind: &[u8; 4], numbers: &[u32]) -> Vec<u8> {
    versioned(kind, 0, 0, numbers)
}

fn versioned(kind: &[u8; 4], version: u8, flags: u32, numbers: &[u32]) -> Vec<u8> {
    let mut body = flags.to_be_bytes().to_vec();
    body[0] = version;
    body.extend(numbers.iter().flat_map(|n| n.to_be_bytes()));
    boxed(kind, &[&body])
}

/// Sample tables of an AMR track around these.
fn stbl(tables: &[Vec<u8>]) -> Vec<u8> {
    let damr = boxed(b"damr", &[b"test", &[0, 0x81, 0xFF, 0, 1]]);
    let entry = boxed(b"samr", &[&[0; 28], &damr]);
    let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], &entry]);
    boxed(b"stbl", &[&stsd, &tables.concat()])
}

/// A movie of 1000 ticks a second with one track of 8000; `edits` goes in front of `mdia`.
fn moov(tables: &[Vec<u8>], edits: &[u8], extra: &[u8]) -> Vec<u8> {
    let mut mvhd = vec![0, 0, 1000, 0, 0x1_0000, 0x100_0000, 0, 0];
    mvhd.extend([0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000]);
    mvhd.extend([0; 7]);
    let mut tkhd = vec![0, 0, 7, 0, 0, 0, 0, 0, 0];
    tkhd.extend([
        0,
        0x1_0000,
        0,
        u32::MAX << 16,
        0,
        0,
        0,
        0,
        0x4000_0000,
        0,
        0,
    ]);
    let mdhd = table(b"mdhd", &[0, 0, 8000, 0, 0x15C7_0000]);
    let hdlr = boxed(b"hdlr", &[&[0; 8], b"soun", &[0; 13]]);
    let minf = boxed(b"minf", &[&stbl(tables)]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &minf]);
    let tkhd = table(b"tkhd", &tkhd);
    let trak = boxed(b"trak", &[&tkhd, edits, &mdia]);
    boxed(b"moov", &[&table(b"mvhd", &mvhd), &trak, extra])
}

/// A file with its samples in front: chunks start at octet 16.
fn file(tables: &[Vec<u8>], edits: &[u8]) -> Bytes {
    let mdat = boxed(b"mdat", &[&[0; 8], b"aabbbcddddee"]);
    Bytes::from([mdat, moov(tables, edits, &[])].concat())
}

/// Samples of 2, 3, 1 and 4 octets in two chunks.
fn tables() -> Vec<Vec<u8>> {
    vec![
        table(b"stts", &[2, 3, 160, 1, 320]),
        table(b"stsc", &[2, 1, 3, 1, 2, 1, 1]),
        table(b"stsz", &[0, 4, 2, 3, 1, 4]),
        table(b"stco", &[2, 16, 22]),
    ]
}

fn open(data: &Bytes) -> Movie {
    read(data, &Limits::default()).unwrap()
}

fn octets(movie: &Movie) -> Vec<Vec<u8>> {
    let samples = movie.tracks[0].samples();
    samples.map(|sample| sample.data.to_vec()).collect()
}

const ALL: [&[u8]; 4] = [b"aa", b"bbb", b"c", b"dddd"];

#[test]
fn tables_of_a_plain_file() {
    let movie = open(&file(&tables(), &[]));
    assert_eq!(movie.warnings, []);
    assert_eq!(movie.brand.0, *b"qt  ", "no ftyp");
    assert_eq!(octets(&movie), ALL);
    let track = &movie.tracks[0];
    let times: Vec<_> = track
        .samples()
        .map(|s| (s.dts, s.pts, s.duration))
        .collect();
    assert_eq!(
        times,
        [
            (0, 0, 160),
            (160, 160, 160),
            (320, 320, 160),
            (480, 480, 320)
        ]
    );
    assert_eq!(track.info.codec, TrackCodec::AmrNb(AmrConfig::any(1)));
    assert_eq!(track.info.sample_rate, Some(8000));
    assert_eq!((track.info.id, track.info.timescale), (7, 8000));
    assert_eq!(track.info.duration, 800);
    assert_eq!(&track.info.language, b"eng");
    assert_eq!(track.info.orientation, 6);
}

#[test]
fn wide_offsets_compact_sizes_and_delays() {
    let compact = [
        (4, [0x23, 0x14].as_slice()),
        (8, &[2, 3, 1, 4]),
        (16, &[0, 2, 0, 3, 0, 1, 0, 4]),
    ];
    for (bits, entries) in compact {
        let mut tables = tables();
        tables[2] = boxed(
            b"stz2",
            &[&[0, 0, 0, 0, 0, 0, 0, bits, 0, 0, 0, 4], entries],
        );
        tables[3] = table(b"co64", &[2, 0, 16, 0, 22]);
        tables.push(versioned(
            b"ctts",
            1,
            0,
            &[2, 1, 320, 3, 160_u32.wrapping_neg()],
        ));
        tables.push(table(b"stss", &[2, 1, 3]));
        let movie = open(&file(&tables, &[]));
        assert_eq!(octets(&movie), ALL, "{bits} bits");
        let samples = movie.tracks[0].samples();
        let shown: Vec<_> = samples.map(|s| (s.pts, s.keyframe)).collect();
        assert_eq!(shown, [(320, true), (0, false), (160, true), (320, false)]);
    }
}

#[test]
fn edit_lists_shift_times_and_cut_the_end() {
    let elst = |numbers: &[u32]| boxed(b"edts", &[&table(b"elst", numbers)]);
    let one = 0x1_0000;
    let pause = elst(&[2, 50, u32::MAX, one, 60, 160, one]);
    let movie = open(&file(&tables(), &pause));
    let info = &movie.tracks[0].info;
    let expected = Edit {
        delay: 400,
        media_start: 160,
        duration: Some(480),
    };
    assert_eq!(info.edit, expected);
    assert_eq!(info.duration, 880);
    let first = movie.tracks[0].samples().next().unwrap();
    assert_eq!((first.dts, first.pts), (240, 240));

    let halves = elst(&[2, 20, 0, one, 40, 160, one]);
    let movie = open(&file(&tables(), &halves));
    assert_eq!(movie.warnings, []);
    assert_eq!(movie.tracks[0].info.edit.duration, Some(480));
    let apart = elst(&[2, 20, 0, one, 40, 320, one]);
    let movie = open(&file(&tables(), &apart));
    assert_eq!(movie.warnings.len(), 1);
    assert_eq!(movie.tracks[0].info.edit.duration, Some(160));
    let endless = elst(&[u32::MAX, 0, 0, one]);
    assert_eq!(open(&file(&tables(), &endless)).tracks[0].len(), 4);
}

/// A fragment with runs of these (flags, fields); `base` flags and fields of `tfhd`.
fn moof(tfhd: (u32, &[u32]), time: u32, runs: &[(u32, &[u32])]) -> Vec<u8> {
    let header = versioned(b"tfhd", 0, tfhd.0, &[&[7], tfhd.1].concat());
    let tfdt = table(b"tfdt", &[time]);
    let runs = runs.iter();
    let runs: Vec<u8> = runs
        .flat_map(|(flags, fields)| versioned(b"trun", 0, *flags, fields))
        .collect();
    let traf = boxed(b"traf", &[&header, &tfdt, &runs]);
    boxed(b"moof", &[&traf])
}

#[test]
fn fragments_with_defaults_and_runs() {
    let trex = table(b"trex", &[7, 1, 160, 2, 0]);
    let moov = moov(&[], &[], &boxed(b"mvex", &[&trex]));
    // Two runs in one fragment: sizes of their own at an offset, then all by default behind them.
    let shape: &[(u32, &[u32])] = &[(0x201, &[2, 0, 3, 1]), (0, &[2])];
    let length = u32::try_from(moof((0x2_0000, &[]), 320, shape).len()).unwrap();
    let with_offset: &[(u32, &[u32])] = &[(0x201, &[2, length + 8, 3, 1]), (0, &[2])];
    let first = moof((0x2_0000, &[]), 320, with_offset);
    let mdat = boxed(b"mdat", &[b"aaabccdd"]);
    // A fragment that states its base, its duration and its flags.
    let base = u32::try_from(moov.len() + first.len() + 8).unwrap();
    let second = moof((0x29, &[0, base, 80, 0x1_0000]), 1000, &[(0x4, &[2, 0])]);
    let data = Bytes::from([moov, first, mdat, second].concat());
    let movie = open(&data);
    assert_eq!(movie.warnings, []);
    let expected: [&[u8]; 6] = [b"aaa", b"b", b"cc", b"dd", b"aa", b"ab"];
    assert_eq!(octets(&movie), expected);
    let samples = movie.tracks[0].samples();
    let times: Vec<_> = samples.map(|s| (s.dts, s.duration, s.keyframe)).collect();
    assert_eq!(
        times,
        [
            (320, 160, true),
            (480, 160, true),
            (640, 160, true),
            (800, 160, true),
            (1000, 80, true),
            (1080, 80, false)
        ]
    );
}

#[test]
fn a_fragment_does_not_go_back_in_time() {
    let trex = table(b"trex", &[7, 1, 160, 1, 0]);
    let moov = moov(&[], &[], &boxed(b"mvex", &[&trex]));
    let at = |time, start| moof((1, &[0, start]), time, &[(0, &[2])]);
    let mdat = boxed(b"mdat", &[b"abcdef"]);
    let moofs = |start: u32| [at(1000, start), at(0, start + 2), at(1200, start + 4)].concat();
    let start = u32::try_from(moov.len() + moofs(0).len() + 8).unwrap();
    let movie = open(&Bytes::from([moov, moofs(start), mdat].concat()));
    let times: Vec<_> = movie.tracks[0].samples().map(|s| s.dts).collect();
    assert_eq!(times, [1000, 1160, 1160, 1320, 1320, 1480]);
    let shown: Vec<_> = movie.tracks[0].samples_from(1320).map(|s| s.data).collect();
    assert_eq!(shown.concat(), b"ef");
}

#[test]
fn hostile_counts_cost_nothing() {
    let huge = u32::MAX;
    for place in 0..4 {
        let mut tables = tables();
        let at = if place == 2 { 16 } else { 12 };
        tables[place][at..at + 4].copy_from_slice(&huge.to_be_bytes());
        let movie = open(&file(&tables, &[]));
        assert_eq!(movie.warnings.len(), 1, "table {place}");
        assert_eq!(octets(&movie), ALL);
    }
    // Samples of one size need no table: the file's end stops them, or the limit.
    let mut tables = tables();
    tables[1] = table(b"stsc", &[1, 1, huge, 1]);
    tables[2] = table(b"stsz", &[1, huge]);
    let refused = read(&file(&tables, &[]), &Limits::default());
    assert!(matches!(refused, Err(ContainerError::Limit { .. })));
    tables[2] = table(b"stsz", &[1, 1_000_000]);
    let data = file(&tables, &[]);
    let movie = open(&data);
    assert_eq!(movie.tracks[0].len(), data.len() - 16);
    assert_eq!(movie.warnings.len(), 1, "not all are there");
}

#[test]
fn samples_and_tracks_are_limited() {
    let limits = Limits {
        container_samples: 3,
        ..Limits::default()
    };
    let refused = read(&file(&tables(), &[]), &limits);
    let expected = ContainerError::Limit {
        what: "container_samples",
        limit: 3,
    };
    assert_eq!(refused.unwrap_err(), expected);
    let trex = table(b"trex", &[7, 1, 160, 0, 0]);
    let moov = moov(&[], &[], &boxed(b"mvex", &[&trex]));
    let endless = moof((0, &[]), 0, &[(0, &[u32::MAX])]);
    let data = Bytes::from([moov, endless].concat());
    assert!(matches!(
        read(&data, &Limits::default()),
        Err(ContainerError::Limit { .. })
    ));
    let limits = Limits {
        container_tracks: 0,
        ..Limits::default()
    };
    assert!(read(&file(&tables(), &[]), &limits).is_err());
}

#[test]
fn a_cut_file_gives_the_samples_that_are_whole() {
    let moov = moov(&tables(), &[], &[]);
    // The tables say 16; the media start behind moov instead.
    let shift = u32::try_from(moov.len() + 8).unwrap();
    let mut tables = tables();
    tables[3] = table(b"stco", &[2, shift, shift + 6]);
    let moov = self::moov(&tables, &[], &[]);
    let whole = [moov, boxed(b"mdat", &[b"aabbbcdddd"])].concat();
    for (lost, left) in [(0, 4), (1, 3), (4, 3), (5, 2), (10, 0)] {
        let data = Bytes::from(whole[..whole.len() - lost].to_vec());
        let movie = open(&data);
        assert_eq!(octets(&movie), ALL[..left]);
        assert_eq!(movie.warnings.is_empty(), lost == 0);
    }
}

#[test]
fn what_cannot_be_read_says_where() {
    let none = Bytes::from(boxed(b"ftyp", &[b"isom\0\0\0\0"]));
    assert_eq!(
        read(&none, &Limits::default()).unwrap_err(),
        ContainerError::malformed(16, "no moov")
    );
    let packed = Bytes::from(boxed(b"moov", &[&boxed(b"cmov", &[])]));
    assert_eq!(
        read(&packed, &Limits::default()).unwrap_err(),
        ContainerError::unsupported(8, "compressed moov")
    );
}

#[test]
fn fragments_behind_long_tables_do_not_walk_them_again() {
    let huge = u32::MAX;
    let tables = [
        table(b"stts", &[1, huge, 1]),
        table(b"stsc", &[1, 1, 50_000, 1]),
        table(b"stsz", &[1, 50_000]),
        table(b"stco", &[1, 8]),
    ];
    let trex = table(b"trex", &[7, 1, 1, 1, 0]);
    let moov = moov(&tables, &[], &boxed(b"mvex", &[&trex]));
    let header = table(b"tfhd", &[7]);
    let empty = boxed(b"moof", &[&boxed(b"traf", &[&header])]).repeat(20_000);
    let run = boxed(
        b"moof",
        &[&boxed(b"traf", &[&header, &table(b"trun", &[1])])],
    );
    let mdat = boxed(b"mdat", &[&[5; 50_000]]);
    let data = Bytes::from([mdat, moov, empty, run].concat());
    let movie = open(&data);
    assert_eq!(movie.tracks[0].len(), 50_001);
    let last = movie.tracks[0].samples().last().unwrap();
    assert_eq!(
        last.dts,
        i64::from(huge),
        "where the tables say that they end"
    );
}

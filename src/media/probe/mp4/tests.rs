use super::super::bmff::tests::boxed;
use super::super::tests::{broken, known};
use super::*;
use crate::dimensions::Dimensions;

const TURNED: [u32; 4] = [0, 0x1_0000, 0xFFFF_0000, 0];
const UPRIGHT: [u32; 4] = [0x1_0000, 0, 0, 0x1_0000];

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn ftyp(brand: &[u8; 4]) -> Vec<u8> {
    boxed(b"ftyp", &[brand, &[0; 4], b"isom"])
}

/// A track of `samples` samples of 100 octets, each 40 ms.
fn trak(id: u32, handler: &[u8; 4], matrix: [u32; 4], samples: u32, entry: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = matrix;
    let tkhd = boxed(
        b"tkhd",
        &[
            &words(&[7, 0, 0, id, 0, samples * 40, 0, 0, 0, 0]),
            &words(&[a, b, 0, c, d, 0, 0, 0, 0x4000_0000, 176 << 16, 144 << 16]),
        ],
    );
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 1000, samples * 40, 0])]);
    let hdlr = boxed(b"hdlr", &[&[0; 8], handler, &[0; 13]]);
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), entry]);
    let stts = boxed(b"stts", &[&words(&[0, 1, samples, 40])]);
    let stsz = boxed(b"stsz", &[&words(&[0, 100, samples])]);
    let stbl = boxed(b"stbl", &[&stsd, &stts, &stsz]);
    let minf = boxed(b"minf", &[&stbl]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &minf]);
    boxed(b"trak", &[&tkhd, &mdia])
}

fn visual(kind: &[u8; 4], children: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[0; 24], &[0, 176, 0, 144], &[0; 50], children])
}

fn sound(kind: &[u8; 4], rate: u16, children: &[u8]) -> Vec<u8> {
    let rate = rate.to_be_bytes();
    boxed(
        kind,
        &[
            &[0; 16],
            &[0, 2, 0, 16, 0, 0, 0, 0],
            &rate,
            &[0, 0],
            children,
        ],
    )
}

fn movie(duration: u32, tracks: &[Vec<u8>]) -> Vec<u8> {
    let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, duration]), &[0; 80]]);
    boxed(b"moov", &[&mvhd, &tracks.concat()])
}

fn esds(object_type: u8, specific: &[u8]) -> Vec<u8> {
    let inner = u8::try_from(specific.len()).unwrap();
    let config = [
        &[4, 15 + inner, object_type, 0x15, 0, 0, 0, 0, 0, 0, 0],
        words(&[64_000]).as_slice(),
        &[5, inner],
        specific,
    ]
    .concat();
    let outer = u8::try_from(config.len() + 3).unwrap();
    boxed(b"esds", &[&[0; 4], &[3, outer, 0, 1, 0], &config])
}

#[test]
fn the_classic_clip() {
    let d263 = boxed(b"d263", &[b"FFMP", &[0, 10, 3]]);
    let data = [
        ftyp(b"3gp4"),
        boxed(b"mdat", &[&[0; 64]]),
        movie(
            4_000,
            &[
                trak(1, b"vide", UPRIGHT, 100, &visual(b"s263", &d263)),
                trak(2, b"soun", UPRIGHT, 100, &sound(b"samr", 44_100, &[])),
            ],
        ),
    ]
    .concat();
    let info = known(&data);
    assert_eq!(
        (info.format, info.kind),
        (Format::ThreeGp, MediaKind::Video)
    );
    assert_eq!((info.duration_ms, info.frames), (Some(4_000), Some(100)));
    assert_eq!(info.size, Some(Dimensions::new(176, 144)));
    assert_eq!((info.brand, info.tracks), (Some(*b"3gp4"), Some(2)));
    let video = info.video.unwrap();
    assert_eq!(
        (video.codec, video.profile, video.level),
        (Codec::H263, Some(3), Some(10))
    );
    assert_eq!(
        (video.millihertz, video.bit_rate),
        (Some(25_000), Some(20_000))
    );
    let audio = info.audio.unwrap();
    assert_eq!(
        (audio.codec, audio.sample_rate),
        (Codec::AmrNb, Some(8_000))
    );
}

#[test]
fn the_matrix_turns_and_the_configuration_tells_the_level() {
    let avcc = |level: u8, constraints: u8| boxed(b"avcC", &[&[1, 66, constraints, level, 0xFF]]);
    let info = |entry: &[u8]| {
        let track = trak(1, b"vide", TURNED, 9, entry);
        known(&[ftyp(b"isom"), movie(0, &[track])].concat())
    };
    let turned = info(&visual(b"avc1", &avcc(30, 0xC0)));
    assert_eq!((turned.format, turned.orientation), (Format::Mp4, 6));
    assert_eq!(turned.shown_size(), Some(Dimensions::new(144, 176)));
    assert_eq!(turned.duration_ms, Some(360));
    assert_eq!(turned.video.unwrap().level, Some(30));
    let level_1b = info(&visual(b"avc1", &avcc(11, 0x10)));
    assert_eq!(level_1b.video.unwrap().level, Some(9));
    let specific = [0, 0, 1, 0xB0, 0x08, 0, 0, 1, 0xB5];
    let visual_simple = info(&visual(b"mp4v", &esds(0x20, &specific)))
        .video
        .unwrap();
    assert_eq!(
        (
            visual_simple.codec,
            visual_simple.profile,
            visual_simple.level
        ),
        (Codec::Mpeg4Visual, Some(0), Some(8))
    );
}

#[test]
fn sound_tells_its_own_family() {
    let audio = |entry: Vec<u8>| {
        let track = trak(1, b"soun", UPRIGHT, 50, &entry);
        let info = known(&[ftyp(b"M4A "), movie(2_000, &[track])].concat());
        assert_eq!((info.format, info.kind), (Format::M4a, MediaKind::Audio));
        info.audio.unwrap()
    };
    let low = audio(sound(b"mp4a", 44_100, &esds(0x40, &[0x12, 0x10])));
    assert_eq!((low.codec, low.sample_rate), (Codec::AacLc, Some(44_100)));
    let high = audio(sound(
        b"mp4a",
        22_050,
        &esds(0x40, &[0x2B, 0x92, 0x08, 0x00]),
    ));
    assert_eq!((high.codec, high.sample_rate), (Codec::HeAac, Some(44_100)));
    let layer_3 = audio(sound(b"mp4a", 44_100, &esds(0x6B, &[])));
    assert_eq!(layer_3.codec, Codec::Mp3);
    for (kind, codec) in [
        (b"sawb", Codec::AmrWb),
        (b"sawp", Codec::AmrWbPlus),
        (b"sqcp", Codec::Qcelp),
        (b"sevc", Codec::Evrc),
        (b"ssmv", Codec::Smv),
        (b"alac", Codec::Alac),
        (b"sowt", Codec::Pcm),
        (b"zzzz", Codec::Unknown),
    ] {
        assert_eq!(audio(sound(kind, 16_000, &[])).codec, codec);
    }
}

#[test]
fn fragments_add_up() {
    let track = trak(1, b"vide", UPRIGHT, 0, &visual(b"avc1", &[]));
    let trex = boxed(b"trex", &[&words(&[0, 1, 1, 40, 100, 0])]);
    let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0]), &[0; 80]]);
    let moov = boxed(b"moov", &[&mvhd, &track, &boxed(b"mvex", &[&trex])]);
    let tfhd = boxed(b"tfhd", &[&words(&[0, 1])]);
    let same = boxed(b"trun", &[&words(&[0, 25])]);
    let each = boxed(b"trun", &[&words(&[0x300, 2, 500, 10, 500, 20])]);
    let moof = |trun: &[u8]| boxed(b"moof", &[&boxed(b"traf", &[&tfhd, trun])]);
    let data = [ftyp(b"iso5"), moov, moof(&same), moof(&each)].concat();
    let info = known(&data);
    assert_eq!((info.duration_ms, info.frames), (Some(2_000), Some(27)));
    assert_eq!(info.video.unwrap().bit_rate, Some(2_530 * 4));
}

#[test]
fn hostile_tables_cost_nothing() {
    let mut data = [
        ftyp(b"isom"),
        movie(0, &[trak(1, b"vide", UPRIGHT, 9, &visual(b"avc1", &[]))]),
    ]
    .concat();
    for table in [b"stsz", b"stts"] {
        let at = data.windows(4).position(|kind| kind == table).unwrap();
        data[at + 8..at + 16].fill(0xFF);
    }
    let info = known(&data);
    assert_eq!(info.kind, MediaKind::Video);
    let at = data.windows(4).position(|kind| kind == b"stsz").unwrap();
    data[at + 8..at + 12].fill(0);
    data[at + 12..at + 16].fill(0xFF);
    assert_eq!(known(&data).frames, Some(0));
}

#[test]
fn old_files_and_broken_ones() {
    let old = movie(
        1_000,
        &[trak(1, b"soun", UPRIGHT, 25, &sound(b"twos", 8_000, &[]))],
    );
    assert_eq!(known(&old).format, Format::Mov);
    assert_eq!(broken(&ftyp(b"3gp5")).what, "there is no moov box");
    let empty = [ftyp(b"qt  "), movie(1, &[])].concat();
    assert_eq!(broken(&empty).what, "the moov box has no track");
    assert_eq!(known(&ftyp(b"odcf")).format, Format::Dcf);
    assert_eq!(known(b"the free bird sings").format, Format::Text);
}

#[test]
fn entries_that_nobody_takes_samples_out_of_keep_their_name() {
    let probed = |video: &[u8; 4], audio: &[u8; 4], inner: &[u8]| {
        known(
            &[
                ftyp(b"mp42"),
                movie(
                    400,
                    &[
                        trak(1, b"vide", UPRIGHT, 10, &visual(video, &[])),
                        trak(2, b"soun", UPRIGHT, 10, &sound(audio, 8_000, inner)),
                    ],
                ),
            ]
            .concat(),
        )
    };
    let aac = esds(0x40, &[0x12, 0x10]);
    for (video, audio) in [
        (b"encv", b"enca"),
        (b"drmi", b"drms"),
        (b"dvh1", b"ima4"),
        (b"mp4s", b"zz9!"),
        (b"rtp ", b"qdm2"),
    ] {
        let info = probed(video, audio, &aac);
        let name = |kind: &[u8; 4]| Some(kind.escape_ascii().to_string());
        assert_eq!(info.unread_video, name(video));
        assert_eq!(info.unread_audio, name(audio));
    }
    let encrypted = probed(b"encv", b"enca", &aac);
    assert_eq!(encrypted.codec, Some(Codec::Unknown));
    assert_eq!(encrypted.audio.unwrap().codec, Codec::Unknown);
    let vorbis = probed(b"mp4v", b"mp4a", &esds(0xDD, &[0]));
    assert_eq!(vorbis.unread_audio.as_deref(), Some("mp4a"));
    for (video, audio) in [(b"s263", b"samr"), (b"avc1", b"ulaw"), (b"av01", b"mp4a")] {
        let info = probed(video, audio, &aac);
        assert_eq!((info.unread_video, info.unread_audio), (None, None));
    }
}

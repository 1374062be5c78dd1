//! What holds for every format: no input panics, loops or is named wrongly.

use proptest::prelude::*;

use super::*;

/// What `data` is, which must be readable.
pub(super) fn known(data: &[u8]) -> MediaInfo {
    probe(data, &Limits::default()).unwrap()
}

/// Why `data` is not what it promises to be.
pub(super) fn broken(data: &[u8]) -> ProbeError {
    probe(data, &Limits::default()).unwrap_err()
}

#[test]
fn nothing_and_noise_are_unknown() {
    for data in [
        b"".as_slice(),
        &[0],
        &[0x80, 0x81, 0x82],
        b"RIFF\0\0\0\0XXXX",
    ] {
        assert_eq!(known(data).format, Format::Unknown);
        assert_eq!(known(data).kind, MediaKind::Other);
    }
}

#[test]
fn opaque_formats_are_named() {
    assert_eq!(known(b"%PDF-1.4\n").format, Format::Pdf);
    assert_eq!(known(b"PK\x03\x04rest").format, Format::Zip);
    assert_eq!(known(b"PK\x05\x06\0\0").format, Format::Zip);
}

#[test]
fn errors_say_format_and_octet() {
    assert_eq!(
        broken(b"\x89PNG\r\n\x1A\n").to_string(),
        "png: the header is cut short (at byte 8)"
    );
}

/// Signatures of every format, for mutation.
const SEEDS: &[&[u8]] = &[
    b"\xFF\xD8\xFF\xE1\0\x10Exif\0\0MM\0\x2A\0\0\0\x08\xFF\xC0\0\x08\x08\0\x10\0\x10\x03",
    b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\x10\0\0\0\x10\x08\x06\0\0\0\0\0\0\0\0\0\0\x08acTL",
    b"GIF89a\x10\0\x10\0\0\0\0\x21\xF9\x04\x01\0\0\0\0\x2C\0\0\0\0\x10\0\x10\0\0\x02\x01\0\0;",
    b"RIFF\x20\0\0\0WEBPVP8X\x0A\0\0\0\x10\0\0\0\x0F\0\0\x0F\0\0ANMF\x10\0\0\0",
    b"RIFF\x20\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1F\0\0\x40\x1F\0\0\x01\0\x08\0data",
    b"RIFF\x20\0\0\0AVI LIST\x20\0\0\0hdrlavih\x14\0\0\0LIST\x10\0\0\0strlstrh",
    b"RIFF\x20\0\0\0QLCMfmt \x96\0\0\0",
    b"RIFF\x20\0\0\0RMIDdata\x20\0\0\0MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x08",
    b"BM\x40\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x10\0\0\0\x10\0\0\0\x01\0\x18\0",
    b"II\x2A\0\x08\0\0\0\x02\0\0\x01\x03\0\x01\0\0\0\x10\0\0\0\x01\x01\x03\0\x01\0\0\0\x10",
    b"MM\0\x2B\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x01",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x20meta\0\0\0\0\0\0\0\x0Epitm\0\0\0\0\0\x01",
    b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x80moov\0\0\0\x10mvhd\0\0\0\0\0\0\0\x60trak\0\0\0\x50mdia",
    b"\0\0\0\x10ftyp3gp4\0\0\0\0\0\0\0\x30moof\0\0\0\x28traf\0\0\0\x10tfhd\0\0\0\0\0\0\0\x01",
    b"\0\0\0\x0CJXL \r\n\x87\n\0\0\0\x10jxlc\xFF\x0A\xFF\xFF\xFF\xFF",
    b"\0\0\0\x0CjP  \r\n\x87\n\0\0\0\x1Ejp2h\0\0\0\x16ihdr\0\0\0\x10\0\0\0\x10\0\x03\x07",
    b"\x1A\x45\xDF\xA3\x88\x42\x82\x85webmx\x18\x53\x80\x67\xFF\x16\x54\xAE\x6B\x90\xAE\x8E\x83\x81\x01",
    b"OggS\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01\x13OpusHead\x01\x02\x38\x01\x80\xBB\0\0\0\0\0",
    b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0A\xC4\x42\xF0\0\0\0\0",
    b"ID3\x04\0\0\0\0\0\x01\0\xFF\xFB\x90\x40",
    b"#!AMR\n\x3C\x08\x91\xA3",
    b"#!AMR-WB\n\x44\x08\x91\xA3",
    b"FORM\0\0\0\x20AIFCCOMM\0\0\0\x16\0\x01\0\0\0\x10\0\x08\x40\x0B\xFA\0\0\0\0\0\0\0ulaw",
    b".snd\0\0\0\x18\0\0\0\x10\0\0\0\x01\0\0\x1F\x40\0\0\0\x01",
    b"MThd\0\0\0\x06\0\x01\0\x01\0\x60MTrk\0\0\0\x10\0\x90\x40\x40\x60\xFF\x2F\0",
    b"MMMD\0\0\0\x10CNTI\0\0\0\x04abcdMTR\x01\0\0\0\0",
    b".RMF\0\0\0\x12\0\0\0\0\0\0\0\0\0\x01MDPR\0\0\0\x30",
    b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C\x30\0\0\0\0\0\0\0\0\0\0\0\x01\x02",
    b"\0\0\x01\xBA\x44\0\x04\0\x04\x01\0\0\x03\xF8\0\0\x01\xB3\x0B\0\x90\x13",
    b"\x00\x00\x81\x00\x10",
    b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x08\0\x28\0\0\0\x16\0\0\0",
    b"--x\r\nContent-Type: image/gif\r\n\r\nGIF\r\n--x--",
    b"\x01\x09\x05image/gifcid:a\x02\x02ABCD",
    b"<?xml version='1.0'?><svg width='10' height='10' viewBox='0 0 1 1'>",
    b"Tune:d=4,o=5,b=160:16e6,8p",
];

#[test]
fn every_prefix_of_every_seed_ends() {
    for seed in SEEDS {
        for end in 0..=seed.len() {
            let _ = probe(&seed[..end], &Limits::default());
        }
    }
}

#[test]
fn hostile_numbers_anywhere_end() {
    let numbers: [&[u8]; 8] = [
        &[0; 4],
        &[0, 0, 0, 1],
        &[1, 0, 0, 0],
        &[0xFF; 4],
        &[0x7F, 0xFF, 0xFF, 0xFF],
        &[0xFF; 8],
        &[0x80, 0, 0, 0, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 0, 0, 0x80],
    ];
    for seed in SEEDS {
        for at in 0..seed.len() {
            for number in numbers {
                let mut data = seed.to_vec();
                data.splice(
                    at..(at + number.len()).min(seed.len()),
                    number.iter().copied(),
                );
                data.resize(data.len() + 64, 0);
                let _ = probe(&data, &Limits::default());
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_octets_end(data in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = probe(&data, &Limits::default());
    }

    #[test]
    fn mutated_headers_end(
        seed in 0..SEEDS.len(),
        tail in proptest::collection::vec(any::<u8>(), 0..512),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..12),
    ) {
        let mut data = [SEEDS[seed], &tail].concat();
        for (at, octet) in edits {
            let at = at.index(data.len());
            data[at] = octet;
        }
        let _ = probe(&data, &Limits::default());
    }

    #[test]
    fn seeds_repeated_inside_themselves_end(
        outer in 0..SEEDS.len(),
        inner in 0..SEEDS.len(),
        at in any::<proptest::sample::Index>(),
    ) {
        let mut data = SEEDS[outer].to_vec();
        let at = at.index(data.len());
        data.splice(at..at, SEEDS[inner].iter().copied());
        let _ = probe(&data, &Limits::default());
    }
}

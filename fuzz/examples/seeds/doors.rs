//! Seeds of the codecs behind the registry's doors.

use bytes::Bytes;
use remold::Limits;
use remold::media::codec::{AudioFormat, RateTarget, Stage, VideoFormat};
use remold::media::container::aac::AacConfig;
use remold::media::container::amr::Band;
use remold::media::container::ogg::OpusHead;
use remold::media::picture::{Packet, PcmBlock, VideoFrame};
use remold::media::video::h263::{Config, Encoder, Level, Size, Target, YuvFrame};
use remold::media::{Cancel, Codec, Registry};

use super::save;

pub fn write() {
    by_hand();
    h263();
    let registry = Registry::builtin();
    encoded_sound(&registry);
    encoded_pictures(&registry);
}

/// A door's input: the choice of a codec, the shape of the track, the configuration, the packets.
fn stream(choice: u8, shape: u8, config: &[u8], packets: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let length = |data: &[u8]| u16::try_from(data.len()).unwrap();
    let mut out = vec![choice, shape];
    out.extend(length(config).to_be_bytes());
    out.extend(config);
    for (key, data) in packets {
        let head = length(data) | if *key { 0x8000 } else { 0 };
        out.extend(head.to_be_bytes());
        out.extend(data);
    }
    out
}

/// Octets without a pattern that compresses.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_u32;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    (0..length).map(step).collect()
}

pub fn amr_frame(band: Band) -> Vec<u8> {
    let (head, length) = match band {
        Band::Narrow => (0x3C, 31),
        Band::Wide => (0x44, 60),
    };
    [vec![head], noise(length)].concat()
}

pub const OPUS: OpusHead = OpusHead {
    channels: 2,
    pre_skip: 312,
    input_rate: 48_000,
    gain: 0,
    family: 0,
};

/// Shapes of sound: the place of the rate in the target's table, and the channels.
const NARROW: u8 = 0x10;
const WIDE: u8 = 0x13;
const FULL: u8 = 0x28;

/// Packets that are short enough to be written down.
fn by_hand() {
    let all = |packet: Vec<u8>| vec![(true, packet.clone()), (true, packet)];
    let opus = all(vec![0xFC, 0xFF, 0xFE]);
    save(
        "audio_opus",
        "silence",
        &stream(0, FULL, &OPUS.to_packet(), &opus),
    );
    for (name, choice, shape, band) in [
        ("narrow", 0, NARROW, Band::Narrow),
        ("wide", 1, WIDE, Band::Wide),
    ] {
        let mut packets = all(amr_frame(band));
        packets.push((true, vec![0x7C]));
        save("audio_amr", name, &stream(choice, shape, &[], &packets));
    }
    for (name, choice, config) in [
        ("signed16", 0, &[0, 16, 0][..]),
        ("alaw", 1, &[3, 8, 0]),
        ("ulaw", 2, &[4, 8, 0]),
        ("ima", 3, &[0x11, 0, 36, 0, 65, 0]),
    ] {
        let packets = all(noise(36));
        save("audio_pcm", name, &stream(choice, NARROW, config, &packets));
    }
    let mut silent = vec![0xFF, 0xFB, 0x10, 0xC0];
    silent.resize(104, 0);
    save("audio_mp3", "silence", &stream(0, 0x17, &[], &all(silent)));
    let flac = [
        &[0, 16, 0, 16],
        &[0; 6][..],
        &[0x01, 0xF4, 0x00, 0xF0],
        &[0; 20],
    ]
    .concat();
    save(
        "audio_flac",
        "constant",
        &stream(0, NARROW, &flac, &all(flac_frame())),
    );
    let cookie = [
        &[0, 0, 0, 16, 0, 16, 40, 10, 14, 1, 0, 255][..],
        &[0; 8],
        &8_000_u32.to_be_bytes(),
    ]
    .concat();
    save(
        "audio_alac",
        "verbatim",
        &stream(0, NARROW, &cookie, &all(alac_frame())),
    );
    let vorbis = b"\x01vorbis\0\0\0\0\x01\x40\x1F\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xB8\x01";
    save(
        "audio_vorbis",
        "head",
        &stream(0, NARROW, vorbis, &all(noise(20))),
    );
    let aac = AacConfig::low_complexity(16_000, 1).specific;
    save(
        "audio_aac",
        "noise",
        &stream(0, WIDE, &aac, &all(noise(30))),
    );
    save("video_vp8", "key", &stream(0, 0x8A, &[], &all(vp8())));
    save("video_vp9", "key", &stream(0, 0, &[], &all(vp9())));
    let start = b"\0\0\0\x01\x40\x01\x0C\x01\xFF\xFF\x01\x60\0\0\x03\0\x90\0\0\x03\0\0\x03\0\x1E";
    save(
        "video_hevc",
        "head",
        &stream(0, 0x8A, &[], &all(start.to_vec())),
    );
    save(
        "video_h264",
        "head",
        &stream(0, 0x8A, &[], &all(b"\0\0\0\x01\x67\x42\xE0\x0A".to_vec())),
    );
    save(
        "video_mpeg4",
        "head",
        &stream(0, 0x8A, b"\0\0\x01\xB0\x08\0\0\x01\xB5\x09", &[]),
    );
    save(
        "video_av1",
        "delimiter",
        &stream(0, 0x8A, b"\x81\0\x0C\0", &all(vec![0x12, 0])),
    );
}

/// Fields of so many bits, in octets.
fn bits(fields: &[(u32, usize)]) -> Vec<u8> {
    let wide = fields.iter().flat_map(|(value, length)| {
        (0..*length)
            .rev()
            .map(move |place| (value >> place & 1) as u8)
    });
    let all: Vec<u8> = wide.collect();
    all.chunks(8)
        .map(|octet| octet.iter().fold(0, |sum, bit| sum << 1 | bit) << (8 - octet.len()))
        .collect()
}

/// A cyclic redundancy check without reflection, from zero.
fn crc(width: usize, polynomial: u32, data: &[u8]) -> u32 {
    let top = 1 << (width - 1);
    data.iter().fold(0, |crc: u32, octet| {
        let start = crc ^ u32::from(*octet) << (width - 8);
        (0..8).fold(start, |crc, _| {
            let next = crc << 1;
            (if crc & top == 0 {
                next
            } else {
                next ^ polynomial
            }) & (top << 1).wrapping_sub(1)
        })
    })
}

/// Sixteen equal samples of 16 bits at 8 kHz.
fn flac_frame() -> Vec<u8> {
    let mut frame = vec![0xFF, 0xF8, 0x64, 0x08, 0, 15];
    frame.push(crc(8, 0x07, &frame) as u8);
    frame.extend([0, 0x12, 0x34]);
    let check = crc(16, 0x8005, &frame) as u16;
    frame.extend(check.to_be_bytes());
    frame
}

/// Sixteen samples of 16 bits as they are.
fn alac_frame() -> Vec<u8> {
    let mut fields = vec![(0, 22), (1, 1)];
    fields.extend((0..16).map(|n| (n * 1000, 16)));
    fields.push((7, 3));
    bits(&fields)
}

/// A key frame of 16 x 16 of which all that is coded is zero.
pub fn vp8() -> Vec<u8> {
    let mut frame = vec![0x10, 0x02, 0, 0x9D, 0x01, 0x2A, 16, 0, 16, 0];
    frame.resize(80, 0);
    frame
}

/// The same in VP9.
fn vp9() -> Vec<u8> {
    let head = bits(&[
        (0x82, 8),
        (0x49_83_42, 24),
        (1, 3),
        (0, 1),
        (15, 16),
        (15, 16),
        (0, 1),
        (0b1100, 4),
        (0, 9),
        (0, 1),
        (60, 8),
        (0, 3),
        (0, 1),
        (0, 1),
        (8, 16),
    ]);
    [head, vec![0; 72]].concat()
}

pub fn tone(rate: u32, channels: usize, milliseconds: u32) -> Vec<i16> {
    (0..rate * milliseconds / 1000)
        .flat_map(|n| {
            let phase = f64::from(n) * 440.0 / f64::from(rate) * std::f64::consts::TAU;
            std::iter::repeat_n((phase.sin() * 9_000.0) as i16, channels)
        })
        .collect()
}

/// Planes of a picture in which things move.
fn planes(size: Size, turn: usize) -> [Vec<u8>; 3] {
    let luma = size.dimensions();
    let (width, height) = (luma.width as usize, luma.height as usize);
    let plane = |width: usize, height: usize, step: usize| {
        let sample = |at: usize| {
            let (x, y) = (at % width + turn * 2, at / width + turn);
            ((x * step) ^ (y * 3)) as u8 / 2 + 60
        };
        (0..width * height).map(sample).collect()
    };
    [
        plane(width, height, 5),
        plane(width / 2, height / 2, 2),
        plane(width / 2, height / 2, 1),
    ]
}

/// Input of the encoder, and what it makes as input of the decoder.
fn h263() {
    for (name, choice) in [("quantiser", 0x00), ("rate", 0x86), ("groups", 0xA2)] {
        let mut input = vec![choice, 9, 0, 8, 0, 200, 0x1A, 0x0F];
        for turn in 0..3 {
            let run = noise(40 + 30 * turn);
            input.extend([turn as u8 * 3, 0, 90]);
            input.extend(u16::try_from(run.len()).unwrap().to_be_bytes());
            input.extend(run);
            input.extend([0x41, 0x1B]);
        }
        save("h263_encode", name, &input);
    }
    save(
        "video_h263",
        "sub-qcif",
        &stream(0, 0x57, &[], &h263_packets(Size::SubQcif)),
    );
    save(
        "video_h263",
        "qcif",
        &stream(0, 0x8A, &[], &h263_packets(Size::Qcif)),
    );
}

fn h263_packets(size: Size) -> Vec<(bool, Vec<u8>)> {
    let mut encoder = Encoder::new(Config::new(size, Level::L10, Target::Quantiser(20))).unwrap();
    (0..3)
        .map(|turn| {
            let [y, cb, cr] = planes(size, turn);
            let frame = YuvFrame::packed(size, &y, &cb, &cr);
            let time_us = turn as u64 * 66_733;
            let picture = encoder.encode(&frame, time_us).unwrap().unwrap();
            (picture.keyframe, picture.data)
        })
        .collect()
}

/// What the registry's encoders make of a tone, for each that there is.
fn encoded_sound(registry: &Registry) {
    let aac = AacConfig::low_complexity(16_000, 1).specific;
    let opus = OPUS.to_packet();
    for (target, choice, shape, codec, sample_rate, channels, bit_rate, config) in [
        (
            "audio_aac",
            0,
            WIDE,
            Codec::AacLc,
            16_000,
            1,
            24_000,
            &aac[..],
        ),
        ("audio_amr", 0, NARROW, Codec::AmrNb, 8_000, 1, 12_200, &[]),
        ("audio_amr", 1, WIDE, Codec::AmrWb, 16_000, 1, 12_650, &[]),
        ("audio_mp3", 0, 0x17, Codec::Mp3, 44_100, 1, 64_000, &[]),
        ("audio_opus", 0, FULL, Codec::Opus, 48_000, 2, 32_000, &opus),
    ] {
        let Some(encoder) = registry.audio_encoder(codec) else {
            continue;
        };
        let track = AudioFormat {
            codec,
            sample_rate,
            channels,
            config: Bytes::new(),
        };
        let stage = encoder
            .open(&track, &rate(bit_rate), &Cancel::new())
            .unwrap();
        let block = PcmBlock {
            sample_rate,
            channels,
            samples: tone(sample_rate, usize::from(channels), 150),
            timestamp_us: 0,
        };
        let packets = packets(run(stage, vec![block]));
        save(
            target,
            &format!("tone-{codec:?}"),
            &stream(choice, shape, config, &packets),
        );
    }
}

/// What the registry's encoders make of three pictures, for each that there is. The pictures come
/// out of its H.263 decoder.
fn encoded_pictures(registry: &Registry) {
    let Some(decoder) = registry.video_decoder(Codec::H263) else {
        return;
    };
    let track = |codec| VideoFormat {
        codec,
        size: Size::SubQcif.dimensions(),
        millihertz: Some(15_000),
        config: Bytes::new(),
    };
    let coded = h263_packets(Size::SubQcif).into_iter().zip(0..);
    let coded = coded.map(|((key, data), turn)| Packet {
        data: data.into(),
        timestamp_us: turn * 66_733,
        key,
        shown: true,
    });
    let stage = decoder.open(&track(Codec::H263), &Limits::default(), &Cancel::new());
    let frames: Vec<VideoFrame> = run(stage.unwrap(), coded.collect());
    for (target, codec) in [
        ("video_h264", Codec::H264),
        ("video_mpeg4", Codec::Mpeg4Visual),
        ("video_av1", Codec::Av1),
    ] {
        let Some(encoder) = registry.video_encoder(codec) else {
            continue;
        };
        let stage = encoder.open(&track(codec), &rate(48_000), &Cancel::new());
        let packets = packets(run(stage.unwrap(), frames.clone()));
        save(target, "moving", &stream(0, 0x57, &[], &packets));
    }
}

fn rate(bit_rate: u64) -> RateTarget {
    RateTarget {
        bit_rate: Some(bit_rate),
        ..RateTarget::default()
    }
}

fn packets(packets: Vec<Packet>) -> Vec<(bool, Vec<u8>)> {
    let pair = |packet: Packet| (packet.key, packet.data.to_vec());
    packets.into_iter().map(pair).collect()
}

fn run<In, Out>(mut stage: Box<dyn Stage<In, Out>>, input: Vec<In>) -> Vec<Out> {
    let mut output = Vec::new();
    for one in input {
        stage.push(one).unwrap();
        while let Some(out) = stage.pull().unwrap() {
            output.push(out);
        }
    }
    stage.finish().unwrap();
    while let Some(out) = stage.pull().unwrap() {
        output.push(out);
    }
    output
}

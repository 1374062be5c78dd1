//! Sound and moving pictures, each family of codecs through its door.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use remold::media::codec::{AudioFormat, Stage, VideoFormat};
use remold::media::picture::{Packet, PcmBlock, VideoFrame};
use remold::media::{Cancel, Codec, MediaError, Registry, guard};
use remold::{Dimensions, Limits};

use crate::cut::Cut;

pub fn audio_aac(data: &[u8]) {
    sound(
        data,
        &[Codec::AacLc, Codec::HeAac, Codec::HeAacV2, Codec::Aac],
    );
}

pub fn audio_alac(data: &[u8]) {
    sound(data, &[Codec::Alac]);
}

pub fn audio_amr(data: &[u8]) {
    sound(data, &[Codec::AmrNb, Codec::AmrWb]);
}

pub fn audio_flac(data: &[u8]) {
    sound(data, &[Codec::Flac]);
}

pub fn audio_mp3(data: &[u8]) {
    sound(data, &[Codec::Mp3, Codec::Mp2]);
}

pub fn audio_opus(data: &[u8]) {
    sound(data, &[Codec::Opus]);
}

pub fn audio_pcm(data: &[u8]) {
    sound(data, &[Codec::Pcm, Codec::Alaw, Codec::Ulaw, Codec::Adpcm]);
}

pub fn audio_vorbis(data: &[u8]) {
    sound(data, &[Codec::Vorbis]);
}

pub fn video_av1(data: &[u8]) {
    pictures(data, Codec::Av1);
}

pub fn video_h263(data: &[u8]) {
    pictures(data, Codec::H263);
}

pub fn video_h264(data: &[u8]) {
    pictures(data, Codec::H264);
}

pub fn video_hevc(data: &[u8]) {
    pictures(data, Codec::Hevc);
}

pub fn video_mpeg4(data: &[u8]) {
    pictures(data, Codec::Mpeg4Visual);
}

pub fn video_vp8(data: &[u8]) {
    pictures(data, Codec::Vp8);
}

pub fn video_vp9(data: &[u8]) {
    pictures(data, Codec::Vp9);
}

/// Microseconds from one packet to the next.
const INTERVAL_US: u64 = 20_000;

/// Outputs of one packet beyond which a door is taken to have no end.
const MOST: usize = 4096;

/// Samples of one packet: eight channels of the longest block of FLAC.
const MOST_SAMPLES: usize = 8 * 65_536;

const RATES: [u32; 16] = [
    8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000,
    0, 1, 7_350, 192_000,
];

/// What comes out is whole blocks in the order of time, no more than the packets can hold, and the
/// same when it is done again. The first octet has the codec in its low bits, the second the rate
/// and the channels; then the configuration, and the packets.
fn sound(data: &[u8], codecs: &[Codec]) {
    prepare();
    let mut cut = Cut(data);
    let (choice, shape) = (cut.octet(), cut.octet());
    let codec = codecs[usize::from(choice & 0x0F) % codecs.len()];
    let Some(decoder) = registry().audio_decoder(codec) else {
        return;
    };
    let track = AudioFormat {
        codec,
        sample_rate: RATES[usize::from(shape & 0x0F)],
        channels: u16::from(shape >> 4),
        config: Bytes::copy_from_slice(cut.field()),
    };
    let packets = cut.packets(INTERVAL_US);
    let octets: usize = packets.iter().map(|packet| packet.data.len()).sum();
    let most = packets.len() * MOST_SAMPLES + octets * 16;
    let decode = || {
        let (mut samples, mut last_us) = (0, 0);
        let open = || decoder.open(&track, &limits(), &Cancel::new());
        run(decoder.name(), open, &packets, |block: &PcmBlock| {
            assert!(block.channels > 0 && block.sample_rate > 0);
            assert_eq!(block.samples.len() % usize::from(block.channels), 0);
            assert!(block.timestamp_us >= last_us, "back in time");
            last_us = block.timestamp_us;
            samples += block.samples.len();
            assert!(samples <= most, "{samples} samples of {octets} octets");
            (block.sample_rate, block.channels, &block.samples, last_us).hash_value()
        })
    };
    twice(choice, decode);
}

/// What comes out is whole pictures within the limits, in the order of time and of the packets'
/// times, and the same when it is done again. The second octet has the size of which the container
/// speaks; then the codec's configuration, and the packets.
fn pictures(data: &[u8], codec: Codec) {
    prepare();
    let mut cut = Cut(data);
    let (choice, shape) = (cut.octet(), cut.octet());
    let Some(decoder) = registry().video_decoder(codec) else {
        return;
    };
    let side = |bits: u8| 16 * (1 + u32::from(bits & 0x0F));
    let track = VideoFormat {
        codec,
        size: Dimensions::new(side(shape), side(shape >> 4)),
        millihertz: None,
        config: Bytes::copy_from_slice(cut.field()),
    };
    let packets = cut.packets(INTERVAL_US);
    let octets: usize = packets.iter().map(|packet| packet.data.len()).sum();
    let limits = limits();
    let decode = || {
        let (mut frames, mut last_us) = (0, 0);
        let open = || decoder.open(&track, &limits, &Cancel::new());
        run(decoder.name(), open, &packets, |frame: &VideoFrame| {
            assert_frame(frame, &limits);
            assert!(frame.timestamp_us >= last_us, "back in time");
            last_us = frame.timestamp_us;
            assert_eq!(last_us % INTERVAL_US, 0, "no time of a packet");
            frames += 1;
            assert!(frames <= octets, "{frames} pictures of {octets} octets");
            let planes = &frame.planes;
            (&planes.y, &planes.cb, &planes.cr, last_us).hash_value()
        })
    };
    twice(choice, decode);
}

fn assert_frame(frame: &VideoFrame, limits: &Limits) {
    let planes = &frame.planes;
    let size = planes.size;
    assert!(size.width.max(size.height) <= limits.side, "{size}");
    assert!(
        area(size) > 0 && area(size) as u64 <= limits.pixels,
        "{size}"
    );
    let colour = planes.chroma.plane(size).map_or(0, area);
    assert_eq!(
        [planes.y.len(), planes.cb.len(), planes.cr.len()],
        [area(size), colour, colour]
    );
}

fn area(size: Dimensions) -> usize {
    size.width as usize * size.height as usize
}

/// A stream, pushed and pulled as a caller does who stops at the first error: what `look` says of
/// each thing that comes out, and the error.
fn run<Out>(
    name: &str,
    open: impl FnOnce() -> Result<Box<dyn Stage<Packet, Out>>, MediaError>,
    packets: &[Packet],
    mut look: impl FnMut(&Out) -> u64,
) -> (Vec<u64>, Option<MediaError>) {
    let mut seen = Vec::new();
    let mut pull = |stage: &mut Box<dyn Stage<Packet, Out>>| {
        for _ in 0..MOST {
            match guard::caught(name, || stage.pull())? {
                Some(out) => seen.push(look(&out)),
                None => return Ok(()),
            }
        }
        panic!("{name} gives without end")
    };
    let outcome = guard::caught(name, open).and_then(|mut stage| {
        for packet in packets {
            guard::caught(name, || stage.push(packet.clone()))?;
            pull(&mut stage)?;
        }
        guard::caught(name, || stage.finish())?;
        pull(&mut stage)
    });
    (seen, outcome.err())
}

/// One input in four is decoded again.
fn twice(choice: u8, mut decode: impl FnMut() -> (Vec<u64>, Option<MediaError>)) {
    let first = decode();
    if choice & 0xC0 == 0xC0 {
        assert_eq!(decode(), first, "not the same twice");
    }
}

/// All codecs, those that are off unless somebody turns them on as well.
fn registry() -> Registry {
    let mut registry = Registry::builtin();
    registry.set_enabled("rav1d", true);
    registry
}

/// A codec that panics is caught and gives an error: only our own code may not, unless codecs are
/// what is looked at.
fn prepare() {
    if std::env::var_os("REMOLD_FUZZ_CODEC_PANICS").is_none() {
        guard::quiet_panics();
    }
}

/// Small, so that a fuzzer tries hundreds of streams a second.
fn limits() -> Limits {
    Limits {
        pixels: 1 << 16,
        side: 512,
        decode_bytes: 32 << 20,
        ..Limits::default()
    }
}

trait HashValue {
    fn hash_value(&self) -> u64;
}

impl<T: Hash> HashValue for T {
    fn hash_value(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

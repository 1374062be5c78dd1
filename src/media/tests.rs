//! The door and the traits, with codecs made up for it.

use std::sync::Arc;

use bytes::Bytes;

use super::codec::{
    AudioDecoder, AudioEncoder, AudioFormat, CodedFormat, DecodeOptions, ImageDecoder,
    ImageEncoder, ImageHeader, ImageSettings, ImageStream, RateTarget, Stage, VideoDecoder,
    VideoEncoder, VideoFormat,
};
use super::guard::{GuardedImage, Watched, open_image, quiet_panics};
use super::image::{ImageTarget, Source};
use super::picture::{
    Chroma, Frame, Layout, Matrix, Packet, PcmBlock, Picture, Planes, VideoFrame,
};
use super::registry::BUILTIN;
use super::{Cancel, Codec, Format, MediaError, Registry};
use crate::dimensions::Dimensions;
use crate::limits::Limits;

/// A decoder that does as it is told.
struct Fake {
    header: ImageHeader,
    frames: usize,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    End,
    Fail,
    Panic,
}

impl ImageDecoder for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn formats(&self) -> &[Format] {
        &[Format::Ico]
    }

    fn open(&self, _: &Bytes, _: &DecodeOptions) -> Result<Box<dyn ImageStream>, MediaError> {
        Ok(Box::new(FakeStream {
            header: self.header.clone(),
            left: self.frames,
            then: self.then,
        }))
    }
}

struct FakeStream {
    header: ImageHeader,
    left: usize,
    then: Then,
}

impl ImageStream for FakeStream {
    fn header(&self) -> &ImageHeader {
        &self.header
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError> {
        if self.left == 0 {
            return match self.then {
                Then::End => Ok(None),
                Then::Fail => Err(MediaError::malformed(Format::Ico, "cut")),
                Then::Panic => panic!("codec bug"),
            };
        }
        self.left -= 1;
        let picture = Picture::new(Dimensions::new(2, 2), Layout::Grey8, vec![0; 4])?;
        Ok(Some(Frame {
            picture,
            delay_ms: 10,
        }))
    }
}

fn fake(frames: usize, then: Then) -> Fake {
    Fake {
        header: ImageHeader::new(Dimensions::new(2, 2), 4),
        frames,
        then,
    }
}

fn open(decoder: &Fake, limits: Limits) -> Result<GuardedImage, MediaError> {
    let options = DecodeOptions {
        format: Format::Ico,
        animation: true,
        at_least: None,
        limits,
        cancel: Cancel::new(),
    };
    open_image(decoder, &Bytes::from_static(b"any"), &options)
}

fn count(image: &mut GuardedImage) -> usize {
    std::iter::from_fn(|| image.next_frame().unwrap()).count()
}

#[test]
fn a_panic_becomes_an_error_and_ends_the_stream() {
    quiet_panics();
    let mut image = open(&fake(1, Then::Panic), Limits::default()).unwrap();
    assert!(image.next_frame().unwrap().is_some());
    let codec = "fake".to_owned();
    assert_eq!(image.next_frame(), Err(MediaError::CodecPanicked { codec }));
    assert_eq!(image.next_frame(), Ok(None));
}

#[test]
fn a_header_over_any_limit_is_refused() {
    let limits = Limits {
        pixels: 100,
        side: 50,
        decode_bytes: 400,
        media_bytes: 3,
        ..Limits::default()
    };
    let refused = |size: Dimensions, decode_bytes: u64, limits: &Limits| {
        let mut decoder = fake(1, Then::End);
        decoder.header = ImageHeader::new(size, decode_bytes);
        match open(&decoder, limits.clone()) {
            Err(MediaError::Limit { what, .. }) => what,
            Err(error) => panic!("{error:?}"),
            Ok(_) => "nothing",
        }
    };
    assert_eq!(refused(Dimensions::new(10, 10), 400, &limits), "nothing");
    assert_eq!(refused(Dimensions::new(10, 11), 400, &limits), "pixels");
    assert_eq!(refused(Dimensions::new(51, 1), 400, &limits), "side");
    assert_eq!(
        refused(Dimensions::new(10, 10), 401, &limits),
        "decode_bytes"
    );
    let short = Limits {
        media_bytes: 2,
        ..limits
    };
    assert_eq!(refused(Dimensions::new(1, 1), 1, &short), "media_bytes");
}

#[test]
fn an_animation_ends_at_the_limits_or_where_it_breaks() {
    let frames = Limits {
        frames: 3,
        ..Limits::default()
    };
    let mut image = open(&fake(9, Then::End), frames).unwrap();
    assert_eq!(count(&mut image), 3);
    assert_eq!(image.warnings(), ["animation cut after 3 frames"]);
    let pixels = Limits {
        animation_pixels: 9,
        ..Limits::default()
    };
    assert_eq!(count(&mut open(&fake(9, Then::End), pixels).unwrap()), 2);
    let mut image = open(&fake(2, Then::Fail), Limits::default()).unwrap();
    assert_eq!(count(&mut image), 2);
    assert_eq!(image.warnings().len(), 1);
    assert!(
        open(&fake(0, Then::Fail), Limits::default())
            .unwrap()
            .next_frame()
            .is_err()
    );
}

#[test]
fn a_signature_that_is_not_the_formats_is_refused() {
    let options = DecodeOptions {
        format: Format::Jpeg,
        animation: false,
        at_least: None,
        limits: Limits::default(),
        cancel: Cancel::new(),
    };
    let registry = Registry::builtin();
    let decoder = registry.image_decoder(Format::Jpeg).unwrap();
    let outcome = open_image(decoder.as_ref(), &Bytes::from_static(b"GIF89a"), &options);
    assert!(matches!(
        outcome.err(),
        Some(MediaError::Malformed {
            offset: Some(0),
            ..
        })
    ));
}

#[test]
fn cancelling_stops_reading() {
    use std::io::Read;
    let cancel = Cancel::new();
    let mut reader = Watched::new(Bytes::from(vec![7; 100_000]), cancel.clone());
    let mut buffer = vec![0; 50_000];
    assert_eq!(reader.read(&mut buffer).unwrap(), 16 << 10);
    cancel.cancel();
    assert!(reader.read(&mut buffer).is_err());
}

#[test]
fn priority_and_switches_choose_the_codec() {
    let mut registry = Registry::builtin();
    assert!(registry.converts(Format::Webp, Format::Jpeg));
    assert!(!registry.decodes(Format::Ico) && !registry.encodes(Format::Tiff));
    registry.add_image_decoder(1, Arc::new(fake(1, Then::End)));
    assert!(registry.decodes(Format::Ico));
    assert!(registry.set_enabled("fake", false));
    assert!(!registry.decodes(Format::Ico));
    assert!(!registry.set_enabled("no such codec", false));
    let copy = registry.clone();
    assert!(registry.set_enabled("wbmp", false));
    assert!(!registry.encodes(Format::Wbmp) && copy.encodes(Format::Wbmp));
}

/// PCM as a codec: 16-bit little-endian samples, as in WAVE.
struct Pcm;

struct PcmStage {
    format: AudioFormat,
    budget: u64,
    waiting: Option<Packet>,
}

impl AudioDecoder for Pcm {
    fn name(&self) -> &str {
        "pcm"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Pcm]
    }

    fn open(
        &self,
        track: &AudioFormat,
        _: &Limits,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError> {
        Ok(Box::new(PcmStage {
            format: track.clone(),
            budget: u64::MAX,
            waiting: None,
        }))
    }
}

impl AudioEncoder for Pcm {
    fn name(&self) -> &str {
        "pcm"
    }

    fn codec(&self) -> Codec {
        Codec::Pcm
    }

    fn describe(&self, _: &AudioFormat, _: &RateTarget) -> Result<CodedFormat, MediaError> {
        Ok(CodedFormat {
            config: Bytes::new(),
            priming: 0,
            packet_samples: 1,
        })
    }

    fn open(
        &self,
        track: &AudioFormat,
        target: &RateTarget,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<PcmBlock, Packet>>, MediaError> {
        Ok(Box::new(PcmStage {
            format: track.clone(),
            budget: target.max_bytes.unwrap_or(u64::MAX),
            waiting: None,
        }))
    }
}

impl Stage<Packet, PcmBlock> for PcmStage {
    fn push(&mut self, packet: Packet) -> Result<(), MediaError> {
        self.waiting = Some(packet);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<PcmBlock>, MediaError> {
        Ok(self.waiting.take().map(|packet| PcmBlock {
            sample_rate: self.format.sample_rate,
            channels: self.format.channels,
            samples: packet
                .data
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&octets| i16::from_le_bytes(octets))
                .collect(),
            timestamp_us: packet.timestamp_us,
        }))
    }
}

impl Stage<PcmBlock, Packet> for PcmStage {
    fn push(&mut self, block: PcmBlock) -> Result<(), MediaError> {
        let data: Vec<u8> = block.samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let octets = u64::try_from(data.len()).unwrap();
        self.budget = self
            .budget
            .checked_sub(octets)
            .ok_or(MediaError::TargetTooSmall { smallest: octets })?;
        self.waiting = Some(Packet {
            data: data.into(),
            timestamp_us: block.timestamp_us,
            key: true,
            shown: true,
        });
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Packet>, MediaError> {
        Ok(self.waiting.take())
    }
}

#[test]
fn sound_goes_through_its_traits() {
    let mut registry = Registry::empty();
    registry.add_audio_decoder(1, Arc::new(Pcm));
    registry.add_audio_encoder(1, Arc::new(Pcm));
    let track = AudioFormat {
        codec: Codec::Pcm,
        sample_rate: 8_000,
        channels: 1,
        config: Bytes::new(),
    };
    let block = PcmBlock {
        sample_rate: 8_000,
        channels: 1,
        samples: vec![0, -1, i16::MAX, i16::MIN],
        timestamp_us: 125,
    };
    let target = RateTarget {
        max_bytes: Some(8),
        ..RateTarget::default()
    };
    let encoder = registry.audio_encoder(Codec::Pcm).unwrap();
    let mut encode = encoder.open(&track, &target, &Cancel::new()).unwrap();
    encode.push(block.clone()).unwrap();
    let packet = encode.pull().unwrap().unwrap();
    assert!(encode.push(block.clone()).is_err(), "over the byte target");
    let decoder = registry.audio_decoder(Codec::Pcm).unwrap();
    let mut decode = decoder
        .open(&track, &Limits::default(), &Cancel::new())
        .unwrap();
    decode.push(packet).unwrap();
    decode.finish().unwrap();
    assert_eq!(decode.pull().unwrap(), Some(block));
    assert_eq!(decode.pull().unwrap(), None);
}

/// Luma alone as a codec, which holds one frame back as codecs that reorder do.
struct Raw;

struct RawStage<T> {
    size: Dimensions,
    queue: Vec<T>,
    finished: bool,
}

impl<T> RawStage<T> {
    fn new(size: Dimensions) -> Box<Self> {
        Box::new(Self {
            size,
            queue: Vec::new(),
            finished: false,
        })
    }

    fn ready(&mut self) -> Option<T> {
        let ready = self.queue.len() > usize::from(!self.finished);
        ready.then(|| self.queue.remove(0))
    }
}

impl VideoDecoder for Raw {
    fn name(&self) -> &str {
        "raw"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Unknown]
    }

    fn open(
        &self,
        track: &VideoFormat,
        _: &Limits,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        Ok(RawStage::<VideoFrame>::new(track.size))
    }
}

impl VideoEncoder for Raw {
    fn name(&self) -> &str {
        "raw"
    }

    fn codec(&self) -> Codec {
        Codec::Unknown
    }

    fn open(
        &self,
        track: &VideoFormat,
        _: &RateTarget,
        _: &Cancel,
    ) -> Result<Box<dyn Stage<VideoFrame, Packet>>, MediaError> {
        Ok(RawStage::<Packet>::new(track.size))
    }
}

impl Stage<VideoFrame, Packet> for RawStage<Packet> {
    fn push(&mut self, frame: VideoFrame) -> Result<(), MediaError> {
        self.queue.push(Packet {
            data: frame.planes.y.into(),
            timestamp_us: frame.timestamp_us,
            key: true,
            shown: true,
        });
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.finished = true;
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Packet>, MediaError> {
        Ok(self.ready())
    }
}

impl Stage<Packet, VideoFrame> for RawStage<VideoFrame> {
    fn push(&mut self, packet: Packet) -> Result<(), MediaError> {
        self.queue.push(VideoFrame {
            planes: Planes {
                size: self.size,
                chroma: Chroma::None,
                full_range: true,
                matrix: Matrix::Bt601,
                y: packet.data.to_vec(),
                cb: Vec::new(),
                cr: Vec::new(),
            },
            timestamp_us: packet.timestamp_us,
        });
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.finished = true;
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<VideoFrame>, MediaError> {
        Ok(self.ready())
    }
}

#[test]
fn moving_pictures_go_through_their_traits() {
    let mut registry = Registry::empty();
    registry.add_video_decoder(1, Arc::new(Raw));
    registry.add_video_encoder(1, Arc::new(Raw));
    let track = VideoFormat {
        codec: Codec::Unknown,
        size: Dimensions::new(2, 1),
        millihertz: Some(15_000),
        config: Bytes::new(),
    };
    let frames: Vec<VideoFrame> = (0..3_u8)
        .map(|i| VideoFrame {
            planes: Planes {
                size: track.size,
                chroma: Chroma::None,
                full_range: true,
                matrix: Matrix::Bt601,
                y: vec![i, i],
                cb: Vec::new(),
                cr: Vec::new(),
            },
            timestamp_us: u64::from(i) * 66_667,
        })
        .collect();
    let cancel = Cancel::new();
    let encoder = registry.video_encoder(Codec::Unknown).unwrap();
    let mut encode = encoder
        .open(&track, &RateTarget::default(), &cancel)
        .unwrap();
    let packets = drain(encode.as_mut(), frames.clone());
    let decoder = registry.video_decoder(Codec::Unknown).unwrap();
    let mut decode = decoder.open(&track, &Limits::default(), &cancel).unwrap();
    assert_eq!(drain(decode.as_mut(), packets), frames);
}

/// Runs a stage the way its trait says.
fn drain<In, Out>(stage: &mut dyn Stage<In, Out>, inputs: Vec<In>) -> Vec<Out> {
    let mut outputs = Vec::new();
    for input in inputs {
        stage.push(input).unwrap();
        while let Some(output) = stage.pull().unwrap() {
            outputs.push(output);
        }
    }
    stage.finish().unwrap();
    while let Some(output) = stage.pull().unwrap() {
        outputs.push(output);
    }
    outputs
}

/// A codec that fails by its own fault, or is not there for a while.
struct Failing {
    available: bool,
}

impl ImageDecoder for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    fn formats(&self) -> &[Format] {
        &[Format::Gif]
    }

    fn available(&self) -> bool {
        self.available
    }

    fn open(&self, _: &Bytes, _: &DecodeOptions) -> Result<Box<dyn ImageStream>, MediaError> {
        Err(MediaError::CodecFailed {
            codec: "failing".to_owned(),
            what: "as was asked".to_owned(),
        })
    }
}

impl ImageEncoder for Failing {
    fn name(&self) -> &str {
        "failing"
    }

    fn format(&self) -> Format {
        Format::Png
    }

    fn alpha(&self) -> bool {
        true
    }

    fn animation(&self) -> bool {
        false
    }

    fn available(&self) -> bool {
        self.available
    }

    fn encode(&self, _: &[Frame], _: &ImageSettings, _: &Cancel) -> Result<Vec<u8>, MediaError> {
        Err(MediaError::CodecFailed {
            codec: "failing".to_owned(),
            what: "as was asked".to_owned(),
        })
    }
}

const PIXEL: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

#[test]
fn where_a_codec_fails_by_its_own_fault_the_next_is_asked() {
    let mut registry = Registry::builtin();
    registry.add_image_decoder(BUILTIN + 1, Arc::new(Failing { available: true }));
    registry.add_image_encoder(BUILTIN + 1, Arc::new(Failing { available: true }));
    let (data, limits, cancel) = (Bytes::from_static(PIXEL), Limits::default(), Cancel::new());
    let source = Source::open(&data, Format::Gif, &registry, &limits, &cancel, None).unwrap();
    let encoded = source
        .encode(&ImageTarget::new(Format::Png), &cancel)
        .unwrap();
    assert!(encoded.bytes.starts_with(b"\x89PNG"));
    let told = "the codec failing failed: as was asked";
    assert_eq!(encoded.warnings, [told, told]);
}

#[test]
fn where_no_codec_is_left_the_failure_is_the_error() {
    let mut registry = Registry::empty();
    registry.add_image_decoder(1, Arc::new(Failing { available: true }));
    let (data, limits, cancel) = (Bytes::from_static(PIXEL), Limits::default(), Cancel::new());
    let outcome = Source::open(&data, Format::Gif, &registry, &limits, &cancel, None);
    assert!(outcome.unwrap_err().blames_codec());
}

#[test]
fn a_codec_that_is_put_aside_is_not_there() {
    let mut registry = Registry::empty();
    registry.add_image_decoder(1, Arc::new(Failing { available: false }));
    registry.add_image_encoder(1, Arc::new(Failing { available: false }));
    assert!(!registry.decodes(Format::Gif) && !registry.encodes(Format::Png));
}

#[test]
fn a_registry_can_do_without_a_format() {
    let registry = Registry::builtin();
    let fewer = registry.not_writing(&[Format::Png]);
    assert!(registry.encodes(Format::Png) && !fewer.encodes(Format::Png));
    assert!(fewer.decodes(Format::Png) && fewer.encodes(Format::Gif));
    assert!(!registry.not_reading(&[Format::Gif]).decodes(Format::Gif));
    assert_eq!(registry.named_images().count(), 0);
}

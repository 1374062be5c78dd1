//! The traits every codec implements, built in or plugged in.
//!
//! A *codec* is a value that lives as long as the registry and is shared by all threads; opening
//! it gives a *stream* that one thread uses and drops. Codecs are never called directly:
//! [`guard`](super::guard) stands in front of all of them.

use std::sync::Arc;

use bytes::Bytes;

use super::cancel::Cancel;
use super::error::MediaError;
use super::info::{Codec, Format};
use super::picture::{Chroma, Frame, Packet, PcmBlock, Planes, Plays, VideoFrame};
use crate::dimensions::Dimensions;
use crate::limits::Limits;

/// Reads pictures of some formats.
pub trait ImageDecoder: Send + Sync {
    /// The name by which it is switched on and off, unique among image decoders.
    fn name(&self) -> &str;

    /// The formats it reads.
    fn formats(&self) -> &[Format];

    /// Whether it may be used now. One that failed too often is not for a while.
    fn available(&self) -> bool {
        true
    }

    /// The format of a file that begins with `head`, where this decoder alone knows the format.
    /// What [`probe`](super::probe()) knows is not asked for.
    fn recognise(&self, head: &[u8]) -> Option<Format> {
        let _ = head;
        None
    }

    /// Reads the header of `data`, and no more: nothing here may allocate in proportion to the
    /// picture, since the header is checked against the limits only afterwards.
    ///
    /// # Errors
    ///
    /// [`MediaError::Malformed`], [`MediaError::Unsupported`] or [`MediaError::Limit`].
    fn open(
        &self,
        data: &Bytes,
        options: &DecodeOptions,
    ) -> Result<Box<dyn ImageStream>, MediaError>;
}

/// What a decoder is asked for.
#[derive(Debug, Clone)]
pub struct DecodeOptions {
    /// The format the data was found to have.
    pub format: Format,
    /// Whether frames after the first are wanted.
    pub animation: bool,
    /// The smallest picture, as stored, that is still of use. A decoder that can decode at 1/2,
    /// 1/4 or 1/8 cheaply may deliver the smallest such size that is not below it on either side;
    /// any other ignores the hint.
    pub at_least: Option<Dimensions>,
    /// Bounds on what it may allocate.
    pub limits: Limits,
    /// Checked between rows where the decoder can, else between frames.
    pub cancel: Cancel,
}

/// A picture being decoded.
pub trait ImageStream {
    /// What the header said.
    fn header(&self) -> &ImageHeader;

    /// The next frame, or `None` after the last.
    ///
    /// # Errors
    ///
    /// [`MediaError::Malformed`], [`MediaError::Limit`] or [`MediaError::Cancelled`]. A stream
    /// that has failed is not asked again.
    fn next_frame(&mut self) -> Result<Option<Frame>, MediaError>;

    /// Pixels of the frames it delivers, as stored: those of the header, but for a decoder that
    /// follows [`DecodeOptions::at_least`].
    fn delivers(&self) -> Dimensions {
        self.header().size
    }

    /// The next frame as planes of full range and BT.601, as stored, of exactly `size`, which is
    /// no larger than the header's; colour, where there is any, is sampled as `chroma` says.
    /// `None` where the decoder does not scale while it decodes, or has no frame left: then
    /// [`next_frame`](Self::next_frame) is asked.
    ///
    /// # Errors
    ///
    /// As [`next_frame`](Self::next_frame).
    fn next_planes(
        &mut self,
        _size: Dimensions,
        _chroma: Chroma,
    ) -> Result<Option<Planes>, MediaError> {
        Ok(None)
    }

    /// Reads the next frame once, and keeps of it in up to `most` octets what planes of `size`, and
    /// any smaller, are made of; the arguments are those of [`next_planes`](Self::next_planes).
    /// `None` where the decoder cannot, or where it would take more octets: then the frame is still
    /// to be had.
    ///
    /// # Errors
    ///
    /// As [`next_frame`](Self::next_frame).
    fn reduce(
        &mut self,
        _size: Dimensions,
        _chroma: Chroma,
        _most: usize,
    ) -> Result<Option<Arc<dyn Reduced>>, MediaError> {
        Ok(None)
    }

    /// What was wrong with the picture so far and did not stop it.
    fn warnings(&self) -> &[String] {
        &[]
    }
}

/// What is left of a picture that was read once, for planes of several sizes.
pub trait Reduced: Send + Sync {
    /// Octets of memory it takes.
    fn octets(&self) -> usize;

    /// The planes that [`next_planes`](ImageStream::next_planes) of the stream it came from gives,
    /// octet for octet; `None` where they are too large for what is left.
    ///
    /// # Errors
    ///
    /// As [`next_frame`](ImageStream::next_frame).
    fn planes(
        &self,
        size: Dimensions,
        chroma: Chroma,
        cancel: &Cancel,
    ) -> Result<Option<Planes>, MediaError>;

    /// What was wrong with the picture and did not stop it.
    fn warnings(&self) -> &[String];
}

/// The header of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageHeader {
    /// Pixels as stored, before the orientation is applied.
    pub size: Dimensions,
    /// EXIF orientation, 1..=8.
    pub orientation: u8,
    /// Frames, where the header tells.
    pub frames: Option<u32>,
    /// How often an animation is played.
    pub plays: Plays,
    /// An embedded ICC profile.
    pub icc: Option<Vec<u8>>,
    /// Octets the decoder will allocate to deliver one frame, its own tables included.
    pub decode_bytes: u64,
}

impl ImageHeader {
    /// The header of a still, upright picture of which nothing else is known.
    #[must_use]
    pub fn new(size: Dimensions, decode_bytes: u64) -> Self {
        Self {
            size,
            orientation: 1,
            frames: Some(1),
            plays: Plays::Times(1),
            icc: None,
            decode_bytes,
        }
    }
}

/// Writes pictures of one format.
pub trait ImageEncoder: Send + Sync {
    /// The name by which it is switched on and off, unique among image encoders.
    fn name(&self) -> &str;

    /// The format it writes.
    fn format(&self) -> Format;

    /// Whether the format has transparency. Where not, frames come flattened.
    fn alpha(&self) -> bool;

    /// Whether it can write more than one frame. Where not, it gets one.
    fn animation(&self) -> bool;

    /// Whether it may be used now. One that failed too often is not for a while.
    fn available(&self) -> bool {
        true
    }

    /// The largest picture that the format holds, where it is smaller than any picture here.
    fn max_size(&self) -> Option<Dimensions> {
        None
    }

    /// Writes `frames`: at least one, all of one size, none with metadata. The same input gives
    /// the same octets.
    ///
    /// # Errors
    ///
    /// [`MediaError::Unsupported`] where the format cannot hold the picture, or
    /// [`MediaError::Cancelled`].
    fn encode(
        &self,
        frames: &[Frame],
        settings: &ImageSettings,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, MediaError>;

    /// Writes a still picture of `size` from planes that are no smaller, of full range and BT.601,
    /// where the encoder finds the best size and quality for
    /// [`max_bytes`](ImageSettings::max_bytes) by itself, and then never exceeds it; `None` where
    /// it does not, and is searched with [`encode`](Self::encode).
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode), and [`MediaError::TargetTooSmall`].
    fn fit_planes(
        &self,
        _planes: &Planes,
        _size: Dimensions,
        _settings: &ImageSettings,
        _cancel: &Cancel,
    ) -> Result<Option<Fitted>, MediaError> {
        Ok(None)
    }

    /// Looks by means of its own for the best file under a number of octets. `None` where it has
    /// none: it is then asked for one file after another.
    ///
    /// The outcome's error is [`MediaError::TargetTooSmall`] where nothing fits, else as of
    /// [`encode`](Self::encode).
    fn fit(
        &self,
        _frames: &[Frame],
        _fitting: &Fitting,
        _cancel: &Cancel,
    ) -> Option<Result<Fitted, MediaError>> {
        None
    }
}

/// What an encoder with a search of its own is to meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitting {
    /// The largest size the frames may have; they come as large or larger, in this shape.
    pub size: Dimensions,
    /// The most octets; never exceeded.
    pub max_bytes: u64,
    /// The most colours of a palette, 2..=256; `None` leaves it to the format.
    pub colours: Option<u16>,
    /// How often an animation is played.
    pub plays: Plays,
}

/// A picture that an encoder fitted by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its pixels.
    pub size: Dimensions,
    /// Its frames.
    pub frames: usize,
    /// The quality it has, 1..=100 on JPEG's usual scale, where the format has one.
    pub quality: Option<u8>,
    /// How many files were made to find it.
    pub encodes: u32,
}

/// How a picture is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSettings {
    /// 1..=100 on JPEG's usual scale; formats without quality ignore it.
    pub quality: u8,
    /// The most colours of a palette, 2..=256; `None` leaves it to the format.
    pub colours: Option<u16>,
    /// Whether gradients that the palette lacks are dithered.
    pub dither: bool,
    /// How often an animation is played.
    pub plays: Plays,
    /// Octets the result should stay under. An encoder with a rate control of its own lowers the
    /// quality until it does; the others ignore this and are called again with other settings.
    pub max_bytes: Option<u64>,
}

/// A stage that turns a stream of `In` into a stream of `Out`: push one, pull until `None`,
/// push the next, and so on; after the last `finish`, then pull until `None`.
///
/// It may move from thread to thread, so that decoding and encoding run beside each other.
pub trait Stage<In, Out>: Send {
    /// Takes one more.
    ///
    /// # Errors
    ///
    /// Any [`MediaError`]. A stage that has failed is not used again.
    fn push(&mut self, input: In) -> Result<(), MediaError>;

    /// Says that no more will be pushed.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    fn finish(&mut self) -> Result<(), MediaError>;

    /// The next result that is ready.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    fn pull(&mut self) -> Result<Option<Out>, MediaError>;

    /// How often it went over what was pushed; told after [`finish`](Self::finish).
    fn passes(&self) -> u32 {
        1
    }
}

/// Decodes sound of some codecs. Containers are taken apart before.
pub trait AudioDecoder: Send + Sync {
    /// The name by which it is switched on and off, unique among audio decoders.
    fn name(&self) -> &str;

    /// The codecs it reads.
    fn codecs(&self) -> &[Codec];

    /// Whether it may be used now. One that failed too often is not for a while.
    fn available(&self) -> bool {
        true
    }

    /// Starts on a track.
    ///
    /// # Errors
    ///
    /// [`MediaError::Malformed`] or [`MediaError::Unsupported`].
    fn open(
        &self,
        track: &AudioFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, PcmBlock>>, MediaError>;
}

/// Encodes sound.
pub trait AudioEncoder: Send + Sync {
    /// The name by which it is switched on and off, unique among audio encoders.
    fn name(&self) -> &str;

    /// The codec it writes.
    fn codec(&self) -> Codec;

    /// Whether it may be used now. One that failed too often is not for a while.
    fn available(&self) -> bool {
        true
    }

    /// What a container must say of the packets that [`open`](Self::open) with the same arguments
    /// will give.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    fn describe(&self, track: &AudioFormat, target: &RateTarget)
    -> Result<CodedFormat, MediaError>;

    /// Starts a track. The stage accepts blocks of `track`'s rate and channels alone; its packets
    /// are timed from 0 on, the priming included.
    ///
    /// # Errors
    ///
    /// [`MediaError::Unsupported`] for a rate, channels or a bit rate the codec does not have.
    fn open(
        &self,
        track: &AudioFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<PcmBlock, Packet>>, MediaError>;
}

/// What a container must say of sound that an encoder makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedFormat {
    /// The codec's configuration, as [`AudioFormat::config`] would have it.
    pub config: Bytes,
    /// Samples per channel that a decoder gives before the first one that was encoded.
    pub priming: u32,
    /// Samples per channel of each packet.
    pub packet_samples: u32,
}

/// What a container knows of a track of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFormat {
    /// The codec.
    pub codec: Codec,
    /// Samples per second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u16,
    /// The codec's own configuration, as the container holds it.
    pub config: Bytes,
}

/// How many octets a track may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateTarget {
    /// Mean bits per second.
    pub bit_rate: Option<u64>,
    /// Octets of all packets together; never exceeded. The encoder chooses the bit rate from it
    /// and from `duration_us`, which must then be given.
    pub max_bytes: Option<u64>,
    /// Length of the track in microseconds.
    pub duration_us: Option<u64>,
}

/// Decodes moving pictures of some codecs. Containers are taken apart before.
pub trait VideoDecoder: Send + Sync {
    /// The name by which it is switched on and off, unique among video decoders.
    fn name(&self) -> &str;

    /// The codecs it reads.
    fn codecs(&self) -> &[Codec];

    /// Whether it may be used now. One that failed too often is not for a while.
    fn available(&self) -> bool {
        true
    }

    /// Starts on a track. Frames come out in the order they are shown.
    ///
    /// # Errors
    ///
    /// [`MediaError::Malformed`], [`MediaError::Unsupported`] or [`MediaError::Limit`].
    fn open(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError>;
}

/// Encodes moving pictures.
pub trait VideoEncoder: Send + Sync {
    /// The name by which it is switched on and off, unique among video encoders.
    fn name(&self) -> &str;

    /// The codec it writes.
    fn codec(&self) -> Codec;

    /// Whether it may be used now. One that failed too often is not for a while.
    fn available(&self) -> bool {
        true
    }

    /// Starts a track. The stage accepts frames of `track`'s size alone, in 4:2:0.
    ///
    /// [`VideoFormat::config`] is one octet: the highest level, numbered as
    /// [`VideoTrack::level`](super::VideoTrack::level) says; empty, it is the lowest that has the
    /// size, the frame rate and the bit rate. Packets come in the order of their frames. NAL units
    /// of H.264 have start codes in front, and a key packet begins with what the container keeps
    /// apart: parameter sets, the headers of MPEG-4 Visual, the sequence header of AV1. A frame
    /// may be left out, so that the one before is shown longer.
    ///
    /// # Errors
    ///
    /// [`MediaError::Unsupported`] for a size, frame rate or bit rate the codec does not have.
    fn open(
        &self,
        track: &VideoFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<VideoFrame, Packet>>, MediaError>;
}

/// What a container knows of a track of moving pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFormat {
    /// The codec.
    pub codec: Codec,
    /// Coded pixels.
    pub size: Dimensions,
    /// Frames per 1000 seconds, where it is steady.
    pub millihertz: Option<u32>,
    /// The codec's own configuration, as the container holds it.
    pub config: Bytes,
}

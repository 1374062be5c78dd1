//! Moving pictures.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::about::{About, implement_meta};
use crate::bindings::video_decoder::exports::remold::codec::video_decode as decode;
use crate::bindings::video_encoder::exports::remold::codec::video_encode as encode;
use crate::bindings::words::remold::codec::types::{Dimensions, Error, Limits, OptionPair, Packet};
use crate::options::Options;

pub use decode::{Picture as VideoPicture, Track as VideoTrack};

/// Reads moving pictures of one codec. A value is one track being read.
pub trait VideoDecoder: Sized + 'static {
    /// What the plugin is.
    fn about() -> About;

    /// Not for authors: files are for the host's containers.
    #[doc(hidden)]
    fn probe(_head: &[u8]) -> u8 {
        0
    }

    /// Begins a track.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    fn open(track: &VideoTrack, limits: &Limits, options: &Options) -> Result<Self, Error>;

    /// Takes an access unit and gives the pictures that are ready. The time of a picture is that of
    /// the unit that it was coded in.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; [`Error::Malformed`] costs this unit alone, and the host goes on with the next.
    fn push(&mut self, unit: &Packet) -> Result<Vec<VideoPicture>, Error>;

    /// Gives the pictures that are left.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    fn finish(&mut self) -> Result<Vec<VideoPicture>, Error> {
        Ok(Vec::new())
    }
}

/// Writes moving pictures of one codec. A value is one track being written.
///
/// A host sets the option `bit-rate` and `level` where the codec describes them. The level is
/// numbered as the codec's own standard does, times ten where it has a point: 30 is level 3 of H.264,
/// 9 is its level 1b.
pub trait VideoEncoder: Sized + 'static {
    /// What the plugin is.
    fn about() -> About;

    /// Not for authors: files are for the host's containers.
    #[doc(hidden)]
    fn probe(_head: &[u8]) -> u8 {
        0
    }

    /// Begins a track of `fps.0` / `fps.1` frames per second.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    fn open(
        size: Dimensions,
        fps: (u32, u32),
        limits: &Limits,
        options: &Options,
    ) -> Result<Self, Error>;

    /// What goes in front of every key packet; empty where packets begin with it themselves. NAL
    /// units of H.264 have start codes.
    fn config(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes a frame (Y, then Cb, then Cr, 4:2:0, no padding) and gives the packets that are ready, in
    /// the order of their frames. A frame may be left out.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; there is no further call then.
    fn push(&mut self, i420: &[u8], pts_us: i64, force_key: bool) -> Result<Vec<Packet>, Error>;

    /// Gives the packets that are left.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    fn finish(&mut self) -> Result<Vec<Packet>, Error> {
        Ok(Vec::new())
    }
}

/// Makes a plugin of a [`VideoDecoder`].
#[macro_export]
macro_rules! video_decoder {
    ($codec:ty) => {
        type RemoldPlugin = $crate::glue::DecodeVideo<$codec>;
        $crate::bindings::base::export!(RemoldPlugin with_types_in $crate::bindings::base);
        $crate::bindings::video_decoder::export!(
            RemoldPlugin with_types_in $crate::bindings::video_decoder
        );
    };
}

/// Makes a plugin of a [`VideoEncoder`].
#[macro_export]
macro_rules! video_encoder {
    ($codec:ty) => {
        type RemoldPlugin = $crate::glue::EncodeVideo<$codec>;
        $crate::bindings::base::export!(RemoldPlugin with_types_in $crate::bindings::base);
        $crate::bindings::video_encoder::export!(
            RemoldPlugin with_types_in $crate::bindings::video_encoder
        );
    };
}

/// Makes a plugin of a [`VideoDecoder`] and a [`VideoEncoder`]; the decoder's `about` names it.
#[macro_export]
macro_rules! video_codec {
    ($decoder:ty, $encoder:ty) => {
        type RemoldPlugin = $crate::glue::CodeVideo<$decoder, $encoder>;
        $crate::bindings::base::export!(RemoldPlugin with_types_in $crate::bindings::base);
        $crate::bindings::video_decoder::export!(
            RemoldPlugin with_types_in $crate::bindings::video_decoder
        );
        $crate::bindings::video_encoder::export!(
            RemoldPlugin with_types_in $crate::bindings::video_encoder
        );
    };
}

/// What the macro exports of a [`VideoDecoder`].
pub struct DecodeVideo<T>(PhantomData<T>);

/// What the macro exports of a [`VideoEncoder`].
pub struct EncodeVideo<T>(PhantomData<T>);

/// What the macro exports of a [`VideoDecoder`] and a [`VideoEncoder`].
pub struct CodeVideo<T, U>(PhantomData<(T, U)>);

implement_meta!(DecodeVideo, VideoDecoder = VideoDecoder);
implement_meta!(EncodeVideo, VideoEncoder = VideoEncoder);
implement_meta!(
    CodeVideo,
    VideoDecoder = VideoDecoder,
    VideoEncoder = VideoEncoder
);

/// A track being read.
pub struct Reading<T>(RefCell<T>);

impl<T: VideoDecoder> decode::Guest for DecodeVideo<T> {
    type Decoder = Reading<T>;
}

impl<T: VideoDecoder, U: 'static> decode::Guest for CodeVideo<T, U> {
    type Decoder = Reading<T>;
}

impl<T: VideoDecoder> decode::GuestDecoder for Reading<T> {
    fn open(
        track: VideoTrack,
        limits: Limits,
        options: Vec<OptionPair>,
    ) -> Result<decode::Decoder, Error> {
        let codec = T::open(&track, &limits, &Options::new(options))?;
        Ok(decode::Decoder::new(Self(RefCell::new(codec))))
    }

    fn push(&self, unit: Packet) -> Result<Vec<VideoPicture>, Error> {
        self.0.borrow_mut().push(&unit)
    }

    fn finish(&self) -> Result<Vec<VideoPicture>, Error> {
        self.0.borrow_mut().finish()
    }
}

/// A track being written.
pub struct Writing<T>(RefCell<T>);

impl<T: VideoEncoder> encode::Guest for EncodeVideo<T> {
    type Encoder = Writing<T>;
}

impl<T: 'static, U: VideoEncoder> encode::Guest for CodeVideo<T, U> {
    type Encoder = Writing<U>;
}

impl<T: VideoEncoder> encode::GuestEncoder for Writing<T> {
    fn open(
        _codec_id: String,
        size: Dimensions,
        fps_num: u32,
        fps_den: u32,
        limits: Limits,
        options: Vec<OptionPair>,
    ) -> Result<encode::Encoder, Error> {
        let codec = T::open(size, (fps_num, fps_den), &limits, &Options::new(options))?;
        Ok(encode::Encoder::new(Self(RefCell::new(codec))))
    }

    fn config(&self) -> Vec<u8> {
        self.0.borrow().config()
    }

    fn push(&self, i420: Vec<u8>, pts_us: i64, force_key: bool) -> Result<Vec<Packet>, Error> {
        self.0.borrow_mut().push(&i420, pts_us, force_key)
    }

    fn finish(&self) -> Result<Vec<Packet>, Error> {
        self.0.borrow_mut().finish()
    }
}

//! Sound.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::about::{About, implement_meta};
use crate::bindings::audio_decoder::exports::remold::codec::audio_decode as decode;
use crate::bindings::audio_encoder::exports::remold::codec::audio_encode as encode;
use crate::bindings::words::remold::codec::types::{
    AudioFormat, Error, Limits, OptionPair, Packet,
};
use crate::options::Options;

pub use decode::Track;
pub use encode::CodedFormat as Coded;

/// Reads sound of one codec. A value is one track being read.
pub trait AudioDecoder: Sized + 'static {
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
    fn open(track: &Track, limits: &Limits, options: &Options) -> Result<Self, Error>;

    /// How the samples are sampled; `None` before it is known.
    fn format(&self) -> Option<AudioFormat>;

    /// Takes a packet and gives the samples that are ready, channels interleaved.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; there is no further call then.
    fn push(&mut self, packet: &Packet) -> Result<Vec<i16>, Error>;

    /// Gives the samples that are left.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    fn finish(&mut self) -> Result<Vec<i16>, Error> {
        Ok(Vec::new())
    }
}

/// Writes sound of one codec. A value is one track being written.
pub trait AudioEncoder: Sized + 'static {
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
    fn open(format: &AudioFormat, limits: &Limits, options: &Options) -> Result<Self, Error>;

    /// What a container must say of the packets.
    fn coded(&self) -> Coded;

    /// Takes samples and gives the packets that are ready.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; there is no further call then.
    fn push(&mut self, pcm: &[i16]) -> Result<Vec<Packet>, Error>;

    /// Gives the packets that are left.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    fn finish(&mut self) -> Result<Vec<Packet>, Error> {
        Ok(Vec::new())
    }
}

/// Makes a plugin of an [`AudioDecoder`].
#[macro_export]
macro_rules! audio_decoder {
    ($codec:ty) => {
        type RemoldPlugin = $crate::glue::DecodeSound<$codec>;
        $crate::bindings::base::export!(RemoldPlugin with_types_in $crate::bindings::base);
        $crate::bindings::audio_decoder::export!(
            RemoldPlugin with_types_in $crate::bindings::audio_decoder
        );
    };
}

/// Makes a plugin of an [`AudioEncoder`].
#[macro_export]
macro_rules! audio_encoder {
    ($codec:ty) => {
        type RemoldPlugin = $crate::glue::EncodeSound<$codec>;
        $crate::bindings::base::export!(RemoldPlugin with_types_in $crate::bindings::base);
        $crate::bindings::audio_encoder::export!(
            RemoldPlugin with_types_in $crate::bindings::audio_encoder
        );
    };
}

/// Makes a plugin of an [`AudioDecoder`] and an [`AudioEncoder`]; the decoder's `about` names it.
#[macro_export]
macro_rules! audio_codec {
    ($decoder:ty, $encoder:ty) => {
        type RemoldPlugin = $crate::glue::CodeSound<$decoder, $encoder>;
        $crate::bindings::base::export!(RemoldPlugin with_types_in $crate::bindings::base);
        $crate::bindings::audio_decoder::export!(
            RemoldPlugin with_types_in $crate::bindings::audio_decoder
        );
        $crate::bindings::audio_encoder::export!(
            RemoldPlugin with_types_in $crate::bindings::audio_encoder
        );
    };
}

/// What the macro exports of an [`AudioDecoder`].
pub struct DecodeSound<T>(PhantomData<T>);

/// What the macro exports of an [`AudioEncoder`].
pub struct EncodeSound<T>(PhantomData<T>);

/// What the macro exports of an [`AudioDecoder`] and an [`AudioEncoder`].
pub struct CodeSound<T, U>(PhantomData<(T, U)>);

implement_meta!(DecodeSound, AudioDecoder = AudioDecoder);
implement_meta!(EncodeSound, AudioEncoder = AudioEncoder);
implement_meta!(
    CodeSound,
    AudioDecoder = AudioDecoder,
    AudioEncoder = AudioEncoder
);

/// A track being read.
pub struct Reading<T>(RefCell<T>);

impl<T: AudioDecoder> decode::Guest for DecodeSound<T> {
    type Decoder = Reading<T>;
}

impl<T: AudioDecoder, U: 'static> decode::Guest for CodeSound<T, U> {
    type Decoder = Reading<T>;
}

impl<T: AudioDecoder> decode::GuestDecoder for Reading<T> {
    fn open(
        track: Track,
        limits: Limits,
        options: Vec<OptionPair>,
    ) -> Result<decode::Decoder, Error> {
        let codec = T::open(&track, &limits, &Options::new(options))?;
        Ok(decode::Decoder::new(Self(RefCell::new(codec))))
    }

    fn format(&self) -> Option<AudioFormat> {
        self.0.borrow().format()
    }

    fn push(&self, data: Packet) -> Result<Vec<i16>, Error> {
        self.0.borrow_mut().push(&data)
    }

    fn finish(&self) -> Result<Vec<i16>, Error> {
        self.0.borrow_mut().finish()
    }
}

/// A track being written.
pub struct Writing<T>(RefCell<T>);

impl<T: AudioEncoder> encode::Guest for EncodeSound<T> {
    type Encoder = Writing<T>;
}

impl<T: 'static, U: AudioEncoder> encode::Guest for CodeSound<T, U> {
    type Encoder = Writing<U>;
}

impl<T: AudioEncoder> encode::GuestEncoder for Writing<T> {
    fn open(
        _codec_id: String,
        format: AudioFormat,
        limits: Limits,
        options: Vec<OptionPair>,
    ) -> Result<encode::Encoder, Error> {
        let codec = T::open(&format, &limits, &Options::new(options))?;
        Ok(encode::Encoder::new(Self(RefCell::new(codec))))
    }

    fn coded(&self) -> Coded {
        self.0.borrow().coded()
    }

    fn push(&self, pcm: Vec<i16>) -> Result<Vec<Packet>, Error> {
        self.0.borrow_mut().push(&pcm)
    }

    fn finish(&self) -> Result<Vec<Packet>, Error> {
        self.0.borrow_mut().finish()
    }
}

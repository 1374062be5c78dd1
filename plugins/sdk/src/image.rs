//! Pictures.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::about::{About, implement_meta};
use crate::bindings::image_decoder::exports::remold::codec::image_decode as decode;
use crate::bindings::image_encoder::exports::remold::codec::image_encode as encode;
use crate::bindings::words::remold::codec::types::{Dimensions, Error, Limits, OptionPair};
use crate::options::Options;

pub use decode::{Frame, ImageInfo};

impl ImageInfo {
    /// A still, upright picture of which nothing else is known.
    #[must_use]
    pub fn still(size: Dimensions, has_alpha: bool) -> Self {
        Self {
            size,
            orientation: 1,
            frames: Some(1),
            loop_count: 1,
            has_alpha,
            icc: None,
        }
    }
}

impl Frame {
    /// The one frame of a still picture: width × height × 4 octets of red, green, blue and alpha.
    #[must_use]
    pub fn still(rgba: Vec<u8>) -> Self {
        Self { rgba, delay_ms: 0 }
    }
}

/// Reads pictures of one format. A value is one picture being read.
pub trait ImageDecoder: Sized + 'static {
    /// What the plugin is.
    fn about() -> About;

    /// How sure it is, 0 to 100, that a file which begins with these octets is of its format.
    fn probe(head: &[u8]) -> u8 {
        Self::about().by_magic(head)
    }

    /// Reads the header of the file `data`, compares it with `limits` ([`check_size`](crate::check_size)
    /// does) and allocates nothing in proportion to the picture yet.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    fn open(data: Vec<u8>, limits: &Limits, options: &Options) -> Result<Self, Error>;

    /// What the header said.
    fn info(&self) -> ImageInfo;

    /// The next frame, or `None` after the last.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; there is no further call then.
    fn next_frame(&mut self) -> Result<Option<Frame>, Error>;
}

/// A picture that is to be written.
#[derive(Debug, Clone)]
pub struct ImageInput {
    /// Pixels of every frame.
    pub size: Dimensions,
    /// The frames, at least one.
    pub frames: Vec<Frame>,
}

/// Writes pictures of one format.
pub trait ImageEncoder: 'static {
    /// What the plugin is.
    fn about() -> About;

    /// Not for authors: a file is for decoders.
    #[doc(hidden)]
    fn probe(_head: &[u8]) -> u8 {
        0
    }

    /// Writes a picture. Where the format has no `alpha` all pixels are opaque, and without
    /// `animation` there is one frame.
    ///
    /// # Errors
    ///
    /// Any [`Error`].
    fn encode(picture: &ImageInput, limits: &Limits, options: &Options) -> Result<Vec<u8>, Error>;
}

/// Makes a plugin of an [`ImageDecoder`].
#[macro_export]
macro_rules! image_decoder {
    ($codec:ty) => {
        type RemoldPlugin = $crate::glue::DecodePicture<$codec>;
        $crate::bindings::base::export!(RemoldPlugin with_types_in $crate::bindings::base);
        $crate::bindings::image_decoder::export!(
            RemoldPlugin with_types_in $crate::bindings::image_decoder
        );
    };
}

/// Makes a plugin of an [`ImageEncoder`].
#[macro_export]
macro_rules! image_encoder {
    ($codec:ty) => {
        type RemoldPlugin = $crate::glue::EncodePicture<$codec>;
        $crate::bindings::base::export!(RemoldPlugin with_types_in $crate::bindings::base);
        $crate::bindings::image_encoder::export!(
            RemoldPlugin with_types_in $crate::bindings::image_encoder
        );
    };
}

/// What the macro exports of an [`ImageDecoder`].
pub struct DecodePicture<T>(PhantomData<T>);

/// What the macro exports of an [`ImageEncoder`].
pub struct EncodePicture<T>(PhantomData<T>);

implement_meta!(DecodePicture, ImageDecoder = ImageDecoder);
implement_meta!(EncodePicture, ImageEncoder = ImageEncoder);

/// A picture being read.
pub struct Reading<T>(RefCell<T>);

impl<T: ImageDecoder> decode::Guest for DecodePicture<T> {
    type Decoder = Reading<T>;
}

impl<T: ImageDecoder> decode::GuestDecoder for Reading<T> {
    fn open(
        data: Vec<u8>,
        limits: Limits,
        options: Vec<OptionPair>,
    ) -> Result<decode::Decoder, Error> {
        let codec = T::open(data, &limits, &Options::new(options))?;
        Ok(decode::Decoder::new(Self(RefCell::new(codec))))
    }

    fn info(&self) -> ImageInfo {
        self.0.borrow().info()
    }

    fn next_frame(&self) -> Result<Option<Frame>, Error> {
        self.0.borrow_mut().next_frame()
    }
}

/// A picture being written.
pub struct Writing<T> {
    state: RefCell<ImageInput>,
    limits: Limits,
    options: Options,
    codec: PhantomData<T>,
}

impl<T: ImageEncoder> encode::Guest for EncodePicture<T> {
    type Encoder = Writing<T>;
}

impl<T: ImageEncoder> encode::GuestEncoder for Writing<T> {
    fn open(
        size: Dimensions,
        _frames: u32,
        limits: Limits,
        options: Vec<OptionPair>,
    ) -> Result<encode::Encoder, Error> {
        Ok(encode::Encoder::new(Self {
            state: RefCell::new(ImageInput {
                size,
                frames: Vec::new(),
            }),
            limits,
            options: Options::new(options),
            codec: PhantomData,
        }))
    }

    fn add_frame(&self, rgba: Vec<u8>, delay_ms: u32) -> Result<(), Error> {
        self.state
            .borrow_mut()
            .frames
            .push(Frame { rgba, delay_ms });
        Ok(())
    }

    fn finish(&self) -> Result<Vec<u8>, Error> {
        let picture = self.state.borrow();
        if picture.frames.is_empty() {
            return Err(Error::Unsupported("a picture of no frame".to_owned()));
        }
        T::encode(&picture, &self.limits, &self.options)
    }
}

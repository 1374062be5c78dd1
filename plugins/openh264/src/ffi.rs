//! The functions of `shim/shim.h`.

use std::ffi::c_float;
use std::ptr::{NonNull, null};

#[repr(C)]
struct RawEncoder([u8; 0]);

#[repr(C)]
struct RawDecoder([u8; 0]);

/// A picture that was decoded.
#[repr(C)]
struct RawPicture {
    planes: [*const u8; 3],
    strides: [i32; 2],
    width: i32,
    height: i32,
    time: u64,
}

unsafe extern "C" {
    fn rm_encoder_new(
        width: i32,
        height: i32,
        fps: c_float,
        bit_rate: i32,
        level: i32,
        key_every: i32,
    ) -> *mut RawEncoder;
    fn rm_encoder_free(encoder: *mut RawEncoder);
    fn rm_encoder_push(
        encoder: *mut RawEncoder,
        i420: *const u8,
        time_ms: i64,
        key: i32,
        out: *mut *const u8,
        is_key: *mut i32,
    ) -> i32;
    fn rm_decoder_new() -> *mut RawDecoder;
    fn rm_decoder_free(decoder: *mut RawDecoder);
    fn rm_decoder_push(
        decoder: *mut RawDecoder,
        data: *const u8,
        length: i32,
        time: u64,
        picture: *mut RawPicture,
    ) -> i32;
    fn rm_decoder_flush(decoder: *mut RawDecoder, picture: *mut RawPicture) -> i32;
}

/// A picture in 4:2:0 without padding.
pub struct Decoded {
    pub width: u32,
    pub height: u32,
    pub i420: Vec<u8>,
    pub time: u64,
}

impl RawPicture {
    const fn none() -> Self {
        Self {
            planes: [null(); 3],
            strides: [0; 2],
            width: 0,
            height: 0,
            time: 0,
        }
    }

    /// Copies the planes.
    ///
    /// # Safety
    ///
    /// The decoder said that there is a picture, and was not called since.
    unsafe fn copied(&self) -> Option<Decoded> {
        let (width, height) = (
            usize::try_from(self.width).ok()?,
            usize::try_from(self.height).ok()?,
        );
        let mut i420 = Vec::with_capacity(width * height * 3 / 2);
        for (at, &plane) in self.planes.iter().enumerate() {
            let (width, height) = if at == 0 {
                (width, height)
            } else {
                (width.div_ceil(2), height.div_ceil(2))
            };
            let stride = usize::try_from(self.strides[at.min(1)]).ok()?;
            for row in 0..height {
                // SAFETY: a plane has `height` rows of `stride` octets, of which `width` are shown.
                let line = unsafe { std::slice::from_raw_parts(plane.add(row * stride), width) };
                i420.extend_from_slice(line);
            }
        }
        Some(Decoded {
            width: self.width as u32,
            height: self.height as u32,
            i420,
            time: self.time,
        })
    }
}

/// What an encoder is to make.
pub struct Wanted {
    pub width: u32,
    pub height: u32,
    pub fps: f32,
    pub bit_rate: i64,
    pub level: i64,
    pub key_every: u32,
}

/// The state of an encoder.
pub struct Encoder {
    raw: NonNull<RawEncoder>,
    octets: usize,
}

impl Encoder {
    pub fn new(wanted: &Wanted) -> Option<Self> {
        let small = |value: i64| i32::try_from(value).unwrap_or(i32::MAX);
        let side = |side: u32| i32::try_from(side).ok();
        let (width, height) = (side(wanted.width)?, side(wanted.height)?);
        // SAFETY: it takes numbers.
        let raw = unsafe {
            rm_encoder_new(
                width,
                height,
                wanted.fps,
                small(wanted.bit_rate),
                small(wanted.level),
                small(wanted.key_every.into()),
            )
        };
        Some(Self {
            raw: NonNull::new(raw)?,
            octets: wanted.width as usize * wanted.height as usize * 3 / 2,
        })
    }

    /// The NAL units of a frame, and whether decoding can start there; none where it is left out.
    ///
    /// # Errors
    ///
    /// Where the library fails, or the frame is not of the size.
    pub fn push(
        &mut self,
        i420: &[u8],
        time_ms: i64,
        key: bool,
    ) -> Result<Option<(Vec<u8>, bool)>, ()> {
        if i420.len() != self.octets {
            return Err(());
        }
        let (mut out, mut is_key) = (null(), 0);
        // SAFETY: the state is live, and the frame has as many octets as its size needs.
        let length = unsafe {
            let (raw, i420) = (self.raw.as_ptr(), i420.as_ptr());
            rm_encoder_push(raw, i420, time_ms, key.into(), &mut out, &mut is_key)
        };
        match usize::try_from(length) {
            Err(_) => Err(()),
            Ok(0) => Ok(None),
            // SAFETY: there are `length` octets that stay until the next call.
            Ok(length) => Ok(Some((
                unsafe { std::slice::from_raw_parts(out, length) }.to_vec(),
                is_key != 0,
            ))),
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the state is live, and nobody uses it after.
        unsafe { rm_encoder_free(self.raw.as_ptr()) };
    }
}

/// The state of a decoder.
pub struct Decoder(NonNull<RawDecoder>);

impl Decoder {
    pub fn new() -> Option<Self> {
        // SAFETY: it takes nothing.
        NonNull::new(unsafe { rm_decoder_new() }).map(Self)
    }

    /// Takes NAL units with start codes, or none to go on.
    ///
    /// # Errors
    ///
    /// Where they are damaged.
    pub fn push(&mut self, units: &[u8], time: u64) -> Result<Option<Decoded>, ()> {
        let length = i32::try_from(units.len()).map_err(|_| ())?;
        let mut picture = RawPicture::none();
        // SAFETY: the state is live, and there are `length` octets.
        let some = unsafe {
            let (raw, data) = (self.0.as_ptr(), units.as_ptr());
            rm_decoder_push(raw, data, length, time, &mut picture)
        };
        match some {
            // SAFETY: there is a picture, and the decoder was not called since.
            1 => Ok(unsafe { picture.copied() }),
            0 => Ok(None),
            _ => Err(()),
        }
    }

    /// The next of the pictures that are left at the end.
    pub fn flush(&mut self) -> Option<Decoded> {
        let mut picture = RawPicture::none();
        // SAFETY: the state is live; where there is a picture, the decoder was not called since.
        unsafe {
            let some = rm_decoder_flush(self.0.as_ptr(), &mut picture);
            (some == 1).then(|| picture.copied()).flatten()
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the state is live, and nobody uses it after.
        unsafe { rm_decoder_free(self.0.as_ptr()) };
    }
}

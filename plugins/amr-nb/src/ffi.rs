//! The functions of opencore-amr (its interf_dec.h and interf_enc.h).

use std::ffi::{c_int, c_short, c_uchar, c_void};
use std::ptr::NonNull;

use crate::FRAME;

unsafe extern "C" {
    fn Decoder_Interface_init() -> *mut c_void;
    fn Decoder_Interface_exit(state: *mut c_void);
    fn Decoder_Interface_Decode(
        state: *mut c_void,
        frame: *const c_uchar,
        samples: *mut c_short,
        bad: c_int,
    );
    fn Encoder_Interface_init(dtx: c_int) -> *mut c_void;
    fn Encoder_Interface_exit(state: *mut c_void);
    fn Encoder_Interface_Encode(
        state: *mut c_void,
        mode: c_int,
        speech: *const c_short,
        frame: *mut c_uchar,
        force: c_int,
    ) -> c_int;
}

/// The state of a decoder.
pub struct Decoder(NonNull<c_void>);

impl Decoder {
    pub fn new() -> Option<Self> {
        // SAFETY: it takes nothing.
        NonNull::new(unsafe { Decoder_Interface_init() }).map(Self)
    }

    /// The samples of a frame, which begins with its table-of-contents octet; `bad` where it is
    /// known to be damaged.
    pub fn decode(&mut self, frame: &[u8; 32], bad: bool) -> [i16; FRAME] {
        let mut samples = [0; FRAME];
        // SAFETY: the state is live, a frame has at most 32 octets, and 160 samples come of it.
        unsafe {
            let (frame, samples) = (frame.as_ptr(), samples.as_mut_ptr());
            Decoder_Interface_Decode(self.0.as_ptr(), frame, samples, bad.into());
        }
        samples
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the state is live, and nobody uses it after.
        unsafe { Decoder_Interface_exit(self.0.as_ptr()) };
    }
}

/// The state of an encoder.
pub struct Encoder(NonNull<c_void>);

impl Encoder {
    /// One that sends speech throughout, without pauses.
    pub fn new() -> Option<Self> {
        // SAFETY: it takes a number.
        NonNull::new(unsafe { Encoder_Interface_init(0) }).map(Self)
    }

    /// The frame of 20 ms of speech, with its table-of-contents octet.
    pub fn encode(&mut self, mode: i32, speech: &[i16; FRAME]) -> Vec<u8> {
        // The library changes the samples it is given.
        let mut speech = *speech;
        let mut frame = [0; 64];
        // SAFETY: the state is live, the mode is one of eight, there are 160 samples, and no frame has
        // more than 32 octets.
        let length = unsafe {
            let (speech, frame) = (speech.as_mut_ptr(), frame.as_mut_ptr());
            Encoder_Interface_Encode(self.0.as_ptr(), mode, speech, frame, 0)
        };
        let length = usize::try_from(length).unwrap_or(0).min(frame.len());
        frame[..length].to_vec()
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: the state is live, and nobody uses it after.
        unsafe { Encoder_Interface_exit(self.0.as_ptr()) };
    }
}

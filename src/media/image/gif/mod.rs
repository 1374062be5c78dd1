//! GIF: frames put together and taken apart, and animations fitted to a number of octets.
//!
//! The coder is ours, since the file's size is decided in it: what of a frame is written at all
//! ([`delta`]), which of several symbols stands for a pixel ([`lzw`]), and what is given up when
//! it is still too much ([`fit`]).

mod decode;
mod delta;
mod encode;
mod fit;
mod lzw;
mod movie;
mod write;

pub(super) use decode::GifDecoder;
pub(super) use encode::GifEncoder;

#[cfg(test)]
mod tests;

//! What each fuzz target asserts, as plain functions of the input.
//!
//! A target in `fuzz_targets` only hands its bytes over, so that the same property can be run on a
//! file without a fuzzer, and so that all of them compile once.

mod bench;
mod config;
mod container;
mod cut;
mod door;
mod h263;
mod image;
mod mime;
mod mm1;
mod mm4;
mod plan;
mod probe;
mod profile;
mod relay;
mod smil;
mod text;
mod wire;

pub use config::config;
pub use container::container;
pub use door::{
    audio_aac, audio_alac, audio_amr, audio_flac, audio_mp3, audio_opus, audio_pcm, audio_vorbis,
    video_av1, video_h263, video_h264, video_hevc, video_mpeg4, video_vp8, video_vp9,
};
pub use h263::h263_encode;
pub use image::{
    image_avif, image_bmp, image_gif, image_heic, image_jpeg, image_png, image_svg, image_tiff,
    image_wbmp, image_webp,
};
pub use mime::mime;
pub use mm1::mm1;
pub use mm4::{mm4_envelope, smtp};
pub use plan::plan;
pub use probe::probe;
pub use profile::{headers, uaprof};
pub use relay::relay;
pub use smil::smil;
pub use text::{address, charset, vcard};
pub use wire::{content_type, multipart, pdu, push, wsp};

//! Black-box tests of the library and the command, in one binary.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic in a test is its report"
)]

mod adapt;
mod admin;
mod audio;
mod batch;
mod bucket;
mod cli;
mod cli_pdu;
mod clip;
mod clip_odd;
#[cfg(feature = "postgres")]
mod cluster;
mod container;
mod container_sound;
mod crash;
mod exchanger;
mod generate;
mod h263;
mod hostile;
mod image;
mod image_hostile;
mod image_jpeg;
mod image_modern;
mod mime;
mod mime_round_trip;
mod mm4;
mod mmsc;
mod mmsd;
mod notify;
#[cfg(feature = "plugins")]
mod plugin;
mod postgres;
mod probe;
mod profile;
mod sim;
mod smil;
mod soundfont;
mod support;
mod tshark;
mod uaprof;
mod video;
mod wire;

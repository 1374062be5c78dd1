//! Black-box tests of the library and the command, in one binary.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic in a test is its report"
)]

mod adapt;
mod cli;
mod cli_pdu;
mod container;
mod container_sound;
mod generate;
mod image;
mod mime;
mod mime_round_trip;
mod probe;
mod smil;
mod support;
mod tshark;
mod uaprof;
mod wire;

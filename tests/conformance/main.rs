//! Black-box tests of the library and the command, in one binary.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail loudly, and so may what it is made of"
)]

mod cli_pdu;
mod generate;
mod support;
mod tshark;
mod wire;

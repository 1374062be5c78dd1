//! What each fuzz target asserts, as plain functions of the input.
//!
//! A target in `fuzz_targets` only hands its bytes over, so that the same property can be run on a
//! file without a fuzzer, and so that all of them compile once.

mod text;

pub use text::charset;

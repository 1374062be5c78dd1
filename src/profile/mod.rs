//! What a receiving device can show, and where that knowledge comes from.

pub mod capabilities;

pub use capabilities::{Capabilities, Source, Sourced};

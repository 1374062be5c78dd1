//! What a receiving device can show, and where that knowledge comes from.
//!
//! [`Capabilities`] is the answer adaptation needs. It is put together from layers, each value
//! naming the layer it is from: a UAProf document or the shipped database, the headers of a
//! request, the class the device belongs to, an operator's limits, options of the command line.

#![deny(clippy::as_conversions)]

pub mod accept;
pub mod capabilities;
pub mod classes;
pub mod complete;
pub mod database;
pub mod error;
pub mod facts;
pub mod headers;
pub mod import;
pub mod json;
pub mod names;
pub mod operators;
mod record;
pub mod resolve;
pub mod uaprof;
pub mod user_agent;

pub use accept::DrmMethod;
pub use capabilities::{Capabilities, Source, Sourced};
pub use classes::Class;
pub use complete::complete;
pub use database::{Database, Device};
pub use error::ProfileError;
pub use facts::Facts;
pub use operators::Operator;
pub use resolve::{Overrides, Resolution, resolve};

//! Moving pictures.

pub mod h263;

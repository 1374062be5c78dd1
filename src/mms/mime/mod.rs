//! MIME.
pub mod transfer;

//! The host's side of the plugin contract: bindings that wasmtime generates from `plugins/wit`, one
//! module a released version, and the one call that loads compiled code from a file.
//!
//! This is a crate by itself because the rest of Remold forbids unsafe code. What wasmtime generates
//! has some (it casts functions whose types it has checked before), and so has [`load`].

pub use wasmtime;

use wasmtime::component::Component;
use wasmtime::{Engine, Error};

/// Version 0.1.0 of the contract.
pub mod v0_1_0 {
    wasmtime::component::bindgen!({
        path: "../wit/remold-codec-0.1.0",
        world: "all-plugin",
    });
}

/// Loads what [`Component::serialize`] gave.
///
/// This is machine code: whoever can change `compiled` runs what he likes as this process. So it is
/// for octets from where only this process's user can write, and the caller answers for that. Against
/// mishap, wasmtime refuses what another version, configuration or kind of processor made.
///
/// # Errors
///
/// Where `compiled` is nothing of this engine's.
pub fn load(engine: &Engine, compiled: &[u8]) -> Result<Component, Error> {
    // SAFETY: the octets are our own `Component::serialize` of this version, by the contract above,
    // which the one caller keeps: it reads them from a folder of mode 0700 that belongs to the user
    // of this process, and compares their SHA-256 with the one it wrote in front of them.
    unsafe { Component::deserialize(engine, compiled) }
}

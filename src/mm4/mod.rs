//! MM4: messages between MMSCs, as mail over SMTP (TS 23.140 section 8.4).
//!
//! Only configured peers are spoken with. What comes from one is for numbers that are served here,
//! or it is refused before its content is sent: [`session`] cannot reach the state in which a
//! message is received without a recipient that [`peers::Gate`] let in. What goes out goes to the
//! peer of the recipient's number, by one thread for each connection, so that a peer that hangs
//! keeps nobody waiting but itself.

mod board;
mod breaker;
pub mod client;
mod command;
mod courier;
mod data;
mod dialect;
mod dns;
pub mod envelope;
pub mod exchanger;
mod intake;
pub mod peers;
mod registry;
mod server;
pub mod session;

pub use board::{Board, Standing};
pub use courier::{Bell, Couriers, Identity};
pub use envelope::{Content, Envelope, EnvelopeError};
pub use exchanger::Resolver;
pub use intake::Intake;
pub use peers::{Gate, Host, Peer, Reach, TlsPolicy};
pub use registry::Enum;
pub use server::{Bounds, Edge, serve};

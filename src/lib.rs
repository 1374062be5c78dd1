//! Remold fits multimedia messages to the phones that receive them.
//!
//! A decoded message goes in together with what the receiving device can show; a message that
//! fits comes out, with a reason for every change. The library is layered, and data flows one way:
//!
//! ```text
//! cli ──► adapt ──► media
//!           │  ╲
//!           │   ╲──► profile
//!           ▼         │
//!          mms ◄──────┘        limits: every bound in one type, used by all
//! ```
//!
//! * [`mms`] — the nouns and the wire: messages, PDUs, WSP, multipart, MIME, SMIL.
//! * [`profile`] — what a device can take: UAProf, classes, operators, the device database.
//! * [`media`] — pixels and samples: probing, decoding, encoding, fitting to bytes.
//! * [`adapt`] — the decision: a pure plan, its execution and the report.
//! * `plugin` — codecs in a sandbox, with the feature `plugins`.
//! * [`limits`] — every bound on untrusted input, in one documented type.
//!
//! None of these knows a socket, a file or a clock. Around them stands the service centre: [`store`]
//! keeps, [`relay`] decides when, [`mm1`] and [`mm4`] speak with phones and peers (and [`listen`] for
//! both), [`server`] wires all of it, and the command line (`cli`) starts it. [`batch`] fits many
//! inputs to many devices.

pub mod adapt;
pub mod batch;
pub mod cli;
pub mod dimensions;
pub mod limits;
pub mod listen;
pub mod media;
pub mod mm1;
pub mod mm4;
pub mod mms;
#[cfg(feature = "plugins")]
pub mod plugin;
pub mod profile;
pub mod relay;
pub mod server;
pub mod store;

pub use dimensions::Dimensions;
pub use limits::Limits;
pub use mms::Message;

//! Container files: coded samples in, coded samples out, nothing decoded.
//!
//! Readers find samples as slices of the input and never copy them; counts in a file never decide
//! how much is allocated. Every reader gives the samples that are whole when a file is cut.
//!
//! * [`isobmff`] — MP4, 3GP, 3G2, M4A, QuickTime: reader and writer.
//! * [`matroska`] — WebM and Matroska: reader.

pub mod aac;
pub mod avc;
mod bits;
pub mod error;
pub mod isobmff;
pub mod matroska;
pub mod movie;
mod reader;
pub mod track;

pub use error::{ContainerError, Warning, WriteError};
pub use movie::{Interleaved, Movie, Samples, Track};
pub use track::{
    AdpcmConfig, AmrConfig, BitRate, Edit, FourCc, H263Config, PcmEncoding, PcmFormat, Sample,
    TrackCodec, TrackInfo, TrackKind,
};

//! Container files: coded samples in, coded samples out, nothing decoded.
//!
//! Readers find samples as slices of the input and never copy them; counts in a file never decide
//! how much is allocated. Every reader gives the samples that are whole when a file is cut.
//!
//! * [`isobmff`] — MP4, 3GP, 3G2, M4A, QuickTime: reader and writer.
//! * [`matroska`] — WebM and Matroska: reader.
//! * [`amr`], [`adts`], [`wav`], [`ogg`] — sound files: readers and writers.
//! * [`mp3`] — streams of layer III: reader and writer.
//! * [`flac`], [`qcp`] — FLAC, and files of CDMA handsets: readers.
//! * [`melody`] — MIDI, RTTTL and iMelody, as what a synthesiser is told: reader.
//!
//! [`read`] takes any of them from memory, [`read_remote`] an ISO base media file that stays where it
//! is.

pub mod aac;
pub mod adts;
pub mod amr;
pub mod avc;
mod bits;
mod coded;
pub mod error;
pub mod flac;
pub mod isobmff;
pub mod matroska;
pub mod melody;
pub mod movie;
pub mod mp3;
pub mod ogg;
pub mod qcp;
mod reader;
pub mod remote;
pub mod track;
pub mod wav;

use bytes::Bytes;

use crate::limits::Limits;

pub use avc::{AvcConfig, HevcConfig};
pub use coded::CodedTrack;
pub use error::{ContainerError, Warning, WriteError};
pub use movie::{Interleaved, Movie, Samples, Track};
pub use remote::{Remote, read_remote};
pub use track::{
    AdpcmConfig, AmrConfig, BitRate, Edit, FourCc, H263Config, PcmEncoding, PcmFormat, Sample,
    TrackCodec, TrackInfo, TrackKind,
};

/// Reads a container of any kind that there is a reader for, by its first octets.
///
/// # Errors
///
/// [`ContainerError::Unsupported`] where no reader knows the data, else those of the reader.
pub fn read(data: &Bytes, limits: &Limits) -> Result<Movie, ContainerError> {
    if matroska::recognises(data) {
        matroska::read(data, limits)
    } else if ogg::recognises(data) {
        ogg::read(data, limits)
    } else if amr::recognises(data) {
        amr::read(data, limits)
    } else if wav::recognises(data) {
        wav::read(data, limits)
    } else if qcp::recognises(data) {
        qcp::read(data, limits)
    } else if flac::recognises(data) {
        flac::read(data, limits)
    } else if isobmff::recognises(data) {
        isobmff::read(data, limits)
    } else if adts::recognises(data) {
        adts::read(data, limits)
    } else if melody::recognises(data) {
        melody::read(data, limits)
    } else if mp3::recognises(data) {
        mp3::read(data, limits)
    } else {
        Err(ContainerError::unsupported(0, "no container that is known"))
    }
}

#[cfg(test)]
mod tests;

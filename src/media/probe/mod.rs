//! What octets really are, whatever their label says: format, codec, size, frames, duration.
//!
//! Headers only: nothing is decoded, nothing is allocated by a size that the input declares, and
//! every walk is bounded by [`Limits::probe_steps`] or by the length of the input.

pub mod exif;

mod aac;
mod aiff;
mod amr;
mod asf;
mod avi;
mod bmff;
mod bmp;
mod bytes;
mod drm;
mod flac;
mod gif;
mod heif;
mod jp2;
mod jpeg;
mod jxl;
mod matroska;
mod midi;
mod mp3;
mod mp4;
mod mpeg;
mod ogg;
mod orientation;
mod png;
mod real;
mod riff;
mod svg;
mod text;
mod tiff;
mod wav;
mod wbmp;
mod webp;

use super::info::{Format, MediaInfo, MediaKind};
use crate::limits::Limits;
use bytes::{Broken, Steps};

/// Why a medium of a recognised format cannot be what it claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what} (at byte {offset})", format.name())]
pub struct ProbeError {
    /// The format that the first octets promise.
    pub format: Format,
    /// Octet of the input at which the promise is broken.
    pub offset: usize,
    /// What is wrong there, as a sentence without a full stop.
    pub what: &'static str,
}

/// Tells what `data` is.
///
/// Octets of no known format are `Ok` with [`Format::Unknown`]. A medium that is cut or damaged
/// behind its header is `Ok` with what the rest still tells: probing finds out what a decoder
/// would be asked to do, not whether it will succeed. Sizes are not held against `limits`: that is
/// for whoever decodes.
///
/// # Errors
///
/// A [`ProbeError`] where the first octets promise a format but its header is cut or contradicts
/// itself.
pub fn probe(data: &[u8], limits: &Limits) -> Result<MediaInfo, ProbeError> {
    let steps = Steps::new(limits.probe_steps);
    let Some((format, read)) = recognise(data) else {
        let text = text::read(data);
        return Ok(text.unwrap_or_else(|| MediaInfo::new(Format::Unknown, MediaKind::Other)));
    };
    read(data, &steps).map_err(|Broken { offset, what }| ProbeError {
        format,
        offset,
        what,
    })
}

/// Reads the header of one format.
type Read = fn(&[u8], &Steps) -> Result<MediaInfo, Broken>;

/// The format whose signature `data` bears, and its reader. Signatures come first, then the weak
/// ones that look at more than the first octets; text is left over.
fn recognise(data: &[u8]) -> Option<(Format, Read)> {
    let signed: Option<(Format, Read)> = match data {
        [0xFF, 0xD8, 0xFF, ..] => Some((Format::Jpeg, jpeg::read)),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some((Format::Png, png::read)),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some((Format::Gif, gif::read)),
        [b'R', b'I', b'F', b'F', _, _, _, _, form @ ..] => riff_form(form),
        [
            b'F',
            b'O',
            b'R',
            b'M',
            _,
            _,
            _,
            _,
            b'A',
            b'I',
            b'F',
            b'F' | b'C',
            ..,
        ] => Some((Format::Aiff, aiff::read)),
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => {
            Some((Format::Tiff, tiff::read))
        }
        [0xFF, 0x0A, ..] => Some((Format::Jxl, jxl::read)),
        [b'O', b'g', b'g', b'S', ..] => Some((Format::Ogg, ogg::read)),
        [b'f', b'L', b'a', b'C', ..] => Some((Format::Flac, flac::read)),
        [b'.', b's', b'n', b'd', ..] => Some((Format::Au, aiff::read_au)),
        [b'M', b'T', b'h', b'd', ..] => Some((Format::Midi, midi::read)),
        [b'M', b'M', b'M', b'D', ..] => Some((Format::Smaf, midi::read_smaf)),
        [b'X', b'M', b'F', b'_', ..] => Some((Format::Xmf, midi::read_xmf)),
        [b'I', b'D', b'3', ..] => Some(tagged(data)),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => Some((Format::Mkv, matroska::read)),
        [b'.', b'R', b'M', b'F', ..] | [b'.', b'r', b'a', 0xFD, ..] => {
            Some((Format::RealMedia, real::read))
        }
        [b'%', b'P', b'D', b'F', b'-', ..] => Some((Format::Pdf, opaque_pdf)),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some((Format::Zip, opaque_zip)),
        _ => None,
    };
    signed.or_else(|| recognise_weak(data))
}

fn recognise_weak(data: &[u8]) -> Option<(Format, Read)> {
    let checks: [(bool, Format, Read); 5] = [
        (data.starts_with(jxl::SIGNATURE), Format::Jxl, jxl::read),
        (data.starts_with(jp2::SIGNATURE), Format::Jp2, jp2::read),
        (data.starts_with(jp2::CODESTREAM), Format::Jp2, jp2::read),
        (data.starts_with(asf::MAGIC), Format::Asf, asf::read),
        (amr::sniff(data), amr_format(data), amr::read),
    ];
    if let Some((_, format, read)) = checks.into_iter().find(|(found, ..)| *found) {
        return Some((format, read));
    }
    if let Some(format) = mp4::sniff(data) {
        return Some((format, mp4::read));
    }
    let found: (Format, Read) = match data.first()? {
        b'B' if bmp::sniff(data) => (Format::Bmp, bmp::read),
        0 if bmp::sniff_icon(data) => (Format::Ico, bmp::read_icon),
        0 if mpeg::sniff(data) => (Format::MpegStream, mpeg::read),
        0 if wbmp::sniff(data) => (Format::Wbmp, wbmp::read),
        1 if drm::is_content(data) => (Format::Dcf, drm::read_content),
        b'-' if drm::is_message(data) => (Format::Drm, drm::read_message),
        0xFF if aac::sniff(data) => (Format::Adts, aac::read),
        0xFF if mp3::sniff(data) => (Format::Mp3, mp3::read),
        _ if mpeg::sniff_transport(data) => (Format::MpegStream, mpeg::read_transport),
        _ => return None,
    };
    Some(found)
}

fn riff_form(form: &[u8]) -> Option<(Format, Read)> {
    Some(match form.first_chunk::<4>()? {
        b"WEBP" => (Format::Webp, webp::read),
        b"WAVE" => (Format::Wav, wav::read),
        b"QLCM" => (Format::Qcp, wav::read_qcp),
        b"AVI " => (Format::Avi, avi::read),
        b"RMID" => (Format::Midi, midi::read_riff),
        _ => return None,
    })
}

/// What follows an ID3 tag.
fn tagged(data: &[u8]) -> (Format, Read) {
    match data.get(mp3::id3_length(data)..) {
        Some(rest) if rest.starts_with(flac::MAGIC) => (Format::Flac, flac::read),
        Some(rest) if aac::sniff(rest) => (Format::Adts, tagged_adts),
        _ => (Format::Mp3, mp3::read),
    }
}

fn tagged_adts(data: &[u8], steps: &Steps) -> Result<MediaInfo, Broken> {
    let rest = data.get(mp3::id3_length(data)..).unwrap_or_default();
    let mut info = aac::read(rest, steps)?;
    info.metadata = true;
    Ok(info)
}

fn amr_format(data: &[u8]) -> Format {
    if data.starts_with(b"#!AMR-WB") {
        Format::AmrWb
    } else {
        Format::Amr
    }
}

fn opaque_pdf(_: &[u8], _: &Steps) -> Result<MediaInfo, Broken> {
    Ok(MediaInfo::new(Format::Pdf, MediaKind::Other))
}

fn opaque_zip(_: &[u8], _: &Steps) -> Result<MediaInfo, Broken> {
    Ok(MediaInfo::new(Format::Zip, MediaKind::Other))
}

#[cfg(test)]
mod tests;

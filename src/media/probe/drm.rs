//! OMA DRM 1.0: the message and the content format (OMA-Download-DRM-V1_0 section 6,
//! OMA-Download-DRMCF-V1_0 section 5).

use super::bytes::{Broken, Reader, Steps, find, head, index, tail};
use crate::media::{Format, MediaInfo, MediaKind};

/// Octets of the start and of the end that are searched for boundaries.
const WINDOW: usize = 4 << 10;

/// Whether this is a DRM message: a boundary, header fields of a body part, an empty line, and
/// the closing boundary near the end. The content may be binary.
pub(super) fn is_message(data: &[u8]) -> bool {
    let start = head(data, WINDOW);
    let Some((boundary, rest)) = line(start) else {
        return false;
    };
    if !(3..=72).contains(&boundary.len())
        || !boundary.starts_with(b"--")
        || !boundary.iter().all(u8::is_ascii_graphic)
    {
        return false;
    }
    let mut rest = rest;
    let mut typed = false;
    while let Some((field, next)) = line(rest) {
        if field.is_empty() {
            let closing = [boundary, b"--"].concat();
            return typed && find(tail(data, WINDOW), &closing).is_some();
        }
        let Some(colon) = field.iter().position(|octet| *octet == b':') else {
            return false;
        };
        let name = head(field, colon);
        if !name
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
        {
            return false;
        }
        typed |= name.eq_ignore_ascii_case(b"Content-Type");
        rest = next;
    }
    false
}

/// The first line without its end, and what follows it.
fn line(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.iter().position(|octet| *octet == b'\n')?;
    let (line, rest) = data.split_at_checked(end)?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some((line, rest.get(1..)?))
}

pub(super) fn read_message(_: &[u8], _: &Steps) -> Result<MediaInfo, Broken> {
    Ok(MediaInfo::new(Format::Drm, MediaKind::Other))
}

/// Whether this is the content format, version 1: a media type and a URI with lengths that add up.
pub(super) fn is_content(data: &[u8]) -> bool {
    content(data).is_ok_and(|fits| fits)
}

fn content(data: &[u8]) -> Result<bool, Broken> {
    let mut reader = Reader::new(data);
    if reader.u8()? != 1 {
        return Ok(false);
    }
    let type_length = reader.u8()?;
    let uri_length = reader.u8()?;
    let media_type = reader.take(type_length.into())?;
    let uri = reader.take(uri_length.into())?;
    let headers = index(reader.uintvar()?);
    let length = index(reader.uintvar()?);
    let left = reader.rest().len();
    Ok(media_type.contains(&b'/')
        && media_type.iter().all(u8::is_ascii_graphic)
        && uri.iter().all(u8::is_ascii_graphic)
        && headers.checked_add(length).is_some_and(|both| both <= left)
        && headers > 0)
}

pub(super) fn read_content(_: &[u8], _: &Steps) -> Result<MediaInfo, Broken> {
    Ok(MediaInfo::new(Format::Dcf, MediaKind::Other))
}

#[cfg(test)]
mod tests {
    use super::super::tests::known;
    use super::*;

    #[test]
    fn forward_lock_with_binary_inside() {
        let head =
            b"--b-1\r\nContent-type: image/jpeg\r\nContent-Transfer-Encoding: binary\r\n\r\n";
        let data = [head.as_slice(), &[0xFF, 0xD8, 0, 1], b"\r\n--b-1--\r\n"].concat();
        assert_eq!(known(&data).format, Format::Drm);
        let open = [head.as_slice(), b"text"].concat();
        assert_eq!(known(&open).format, Format::Text);
        assert_eq!(known(b"--\r\nregards\r\n").format, Format::Text);
    }

    #[test]
    fn content_format_by_its_lengths() {
        let headers = b"Encryption-Method: AES128CBC\r\n";
        let data = [
            b"\x01\x0A\x07image/jpegcid:a@b".as_slice(),
            &[30, 0x81, 0x00],
            headers,
            &[0xAB; 128],
        ]
        .concat();
        let info = known(&data);
        assert_eq!((info.format, info.kind), (Format::Dcf, MediaKind::Other));
        assert_eq!(known(&data[..data.len() - 1]).format, Format::Unknown);
    }
}

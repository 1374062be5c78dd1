//! Content-type values and their typed parameters (WAP-230-WSP sections 8.4.2.4 and 8.4.2.24).

use crate::mms::charset;
use crate::mms::content_type::ContentType;
use crate::mms::error::{DecodeError, EncodeError};
use crate::mms::message::{Disposition, DispositionKind};

use super::params::{MOST_PARAMETERS, read_params, write_param, write_text_value};
use super::tables::{media_code, media_name};
use super::text::{is_token_text, plain_text};
use super::writer::bad_text;
use super::{Notes, Reader, Value, Writer};

/// What a type is taken for whose code or name means nothing.
const UNKNOWN: &str = "application/octet-stream";

/// Reads a content-type value in any of its forms. Parameters that make no sense are noted and
/// left out; a charset is given by its IANA name, or as `mib-N` where it has none here.
///
/// # Errors
/// Where the value has no end.
pub fn read_content_type(
    reader: &mut Reader<'_>,
    notes: &mut Notes,
) -> Result<ContentType, DecodeError> {
    let start = reader.offset();
    Ok(match reader.value("Content-Type")? {
        Value::Data(mut data) if !data.is_empty() => {
            let media = data.value("a media type")?;
            let mut content_type = media_type(media, start, notes);
            let before = content_type.params().len();
            for param in read_params(data, before, notes) {
                content_type.push_param(&param.name, param.value);
            }
            content_type
        }
        value => media_type(value, start, notes),
    })
}

/// Writes a content-type value: the one-octet code where there is one, else text; parameters in
/// the codings that the oldest readers know.
///
/// # Errors
/// [`EncodeError::BadText`] where a name or a value has no coding.
pub fn write_content_type(
    writer: &mut Writer,
    content_type: &ContentType,
) -> Result<(), EncodeError> {
    if content_type.params().is_empty() {
        return write_media(writer, content_type.media());
    }
    writer.counted(|writer| {
        write_media(writer, content_type.media())?;
        content_type
            .params()
            .iter()
            .try_for_each(|param| write_param(writer, param))
    })
}

/// Reads a Content-Disposition value.
///
/// # Errors
/// Where the value has no end.
pub fn read_disposition(
    reader: &mut Reader<'_>,
    notes: &mut Notes,
) -> Result<Disposition, DecodeError> {
    let start = reader.offset();
    let (kind, params) = match reader.value("Content-Disposition")? {
        Value::Data(mut data) if !data.is_empty() => {
            let kind = data.value("a disposition")?;
            (kind, read_params(data, 0, notes))
        }
        kind => (kind, Vec::new()),
    };
    let kind = match kind {
        Value::Short(0x80) => DispositionKind::FormData,
        Value::Short(0x81) => DispositionKind::Attachment,
        Value::Short(0x82) => DispositionKind::Inline,
        Value::Text(text) => {
            let text = plain_text(text, start, notes);
            match text.to_ascii_lowercase().as_str() {
                _ if !is_token_text(text.as_bytes()) => {
                    notes.add(start, "an unknown disposition, taken as attachment");
                    DispositionKind::Attachment
                }
                "form-data" => DispositionKind::FormData,
                "attachment" => DispositionKind::Attachment,
                "inline" => DispositionKind::Inline,
                _ => DispositionKind::Other(text),
            }
        }
        Value::Short(_) | Value::Data(_) => {
            notes.add(start, "an unknown disposition, taken as attachment");
            DispositionKind::Attachment
        }
    };
    let mut filename = None;
    let mut others = Vec::new();
    for param in params {
        if param.name == "filename" && filename.is_none() {
            filename = Some(param.value);
        } else {
            others.push(param);
        }
    }
    Ok(Disposition {
        kind,
        filename,
        params: others,
    })
}

/// Writes a Content-Disposition value.
///
/// # Errors
/// [`EncodeError::BadText`] where a name or a value has no coding.
pub fn write_disposition(
    writer: &mut Writer,
    disposition: &Disposition,
) -> Result<(), EncodeError> {
    writer.counted(|writer| {
        match &disposition.kind {
            DispositionKind::FormData => writer.code(0),
            DispositionKind::Attachment => writer.code(1),
            DispositionKind::Inline => writer.code(2),
            DispositionKind::Other(kind) if is_token_text(kind.as_bytes()) => {
                writer.text(kind, "Content-Disposition")?;
            }
            DispositionKind::Other(_) => return Err(bad_text("Content-Disposition")),
        }
        if let Some(filename) = &disposition.filename {
            writer.code(0x06);
            write_text_value(writer, filename, "filename")?;
        }
        disposition
            .params
            .iter()
            .try_for_each(|param| write_param(writer, param))
    })
}

/// The media type that a value of any form stands for.
pub(crate) fn media_value(value: Value<'_>, offset: usize, notes: &mut Notes) -> String {
    media_type(value, offset, notes).media().to_owned()
}

fn media_type(value: Value<'_>, offset: usize, notes: &mut Notes) -> ContentType {
    let code = match value {
        Value::Short(octet) => Some(u64::from(octet & 0x7F)),
        Value::Data(data) => super::long_integer(data.rest()),
        Value::Text(text) => return textual_type(&plain_text(text, offset, notes), offset, notes),
    };
    ContentType::new(code.and_then(media_name).unwrap_or_else(|| {
        notes.add(offset, "an unknown media type code");
        UNKNOWN
    }))
}

/// A type in text, behind which some senders put MIME parameters.
fn textual_type(text: &str, offset: usize, notes: &mut Notes) -> ContentType {
    let mut pieces = text.split(';');
    let media = pieces.next().unwrap_or_default().trim();
    if !is_media(media) {
        notes.add(offset, "a malformed media type");
        return ContentType::new(UNKNOWN);
    }
    let mut content_type = ContentType::new(media);
    let pairs = pieces.filter_map(|piece| piece.split_once('='));
    for (name, value) in pairs.take(MOST_PARAMETERS) {
        let name = name.trim();
        if is_token_text(name.as_bytes()) {
            let value = value.trim().trim_matches('"');
            let charset = name
                .eq_ignore_ascii_case("charset")
                .then(|| charset::mib(value));
            let known = charset.flatten().and_then(charset::name);
            content_type.push_param(name, known.unwrap_or(value));
        }
    }
    content_type
}

fn write_media(writer: &mut Writer, media: &str) -> Result<(), EncodeError> {
    match media_code(media) {
        Some(code) => writer.code(code),
        None if !is_media(media) => return Err(bad_text("Content-Type")),
        None => writer.text(media, "Content-Type")?,
    }
    Ok(())
}

/// Whether text may stand for a media type: parameters and white space would not come back.
fn is_media(text: &str) -> bool {
    let may = |octet: u8| octet.is_ascii_graphic() && octet != b';';
    !text.is_empty() && text.bytes().all(may)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::content_type::Param;

    fn read(octets: &[u8]) -> (ContentType, usize) {
        let mut notes = Notes::new();
        let mut reader = Reader::new(octets);
        let read = read_content_type(&mut reader, &mut notes).unwrap();
        assert!(reader.is_empty(), "{octets:X?}");
        (read, notes.into_warnings().len())
    }

    fn written(content_type: &ContentType) -> Vec<u8> {
        let mut writer = Writer::default();
        write_content_type(&mut writer, content_type).unwrap();
        writer.into_octets()
    }

    #[test]
    fn related_is_written_as_phones_write_it() {
        let related = ContentType::new("application/vnd.wap.multipart.related")
            .with("start", "<smil>")
            .with("type", "application/smil");
        let wire = b"\x1B\xB3\x8A<smil>\0\x89application/smil\0";
        assert_eq!(written(&related), wire);
        assert_eq!(read(wire), (related, 0));
        let (swapped, _) = read(b"\x1B\xB3\x89application/smil\0\x8A<smil>\0");
        assert_eq!(swapped.param("start"), Some("<smil>"));
    }

    #[test]
    fn old_and_new_parameter_codings_read_the_same() {
        for wire in [
            &b"\x0A\x9E\x81\xEA\x85a.jpg\0"[..],
            b"\x0A\x9E\x81\xEA\x97a.jpg\0",
            b"\x0B\x9E\x81\xEA\x97\"a.jpg\0",
            b"\x0C\x9E\x81\xEA\x85\"a.jpg\"\0",
            b"\x0F\x9E\x81\x01\x6Aname\0a.jpg\0",
        ] {
            let (found, warnings) = read(wire);
            assert_eq!(found.to_string(), "image/jpeg; charset=utf-8; name=a.jpg");
            assert_eq!(warnings, 0);
        }
    }

    #[test]
    fn every_parameter_comes_back() {
        let mut all = ContentType::new("text/plain");
        for (name, value) in [
            ("q", "0.5"),
            ("q", "0.333"),
            ("charset", "utf-16"),
            ("charset", "mib-9999"),
            ("charset", "x-klingon"),
            ("charset", "*"),
            ("type", "application/smil"),
            ("type", "image/gif"),
            ("type", "99"),
            ("name", "\"quoted\""),
            ("name", "\""),
            ("name", ""),
            ("filename", "é.jpg"),
            ("size", "100000"),
            ("size", "big"),
            ("creation-date", "1700000000"),
            ("secure", ""),
            ("level", "1.2"),
            ("x-mine", "a b"),
        ] {
            all.push_param(name, value);
        }
        assert_eq!(read(&written(&all)), (all, 0));
    }

    #[test]
    fn parameters_in_the_text_of_a_type_come_back() {
        let (found, _) = read(b"text/plain; charset=UTF8; q=0.50\0");
        assert_eq!(found.to_string(), "text/plain; charset=utf-8; q=0.50");
        assert_eq!(read(&written(&found)).0, found);
    }

    #[test]
    fn a_value_that_looks_like_a_code_comes_back() {
        for wire in [
            &b"\x05\x83\x890\0\0"[..],
            b"\x05\x83\x891\0\0",
            b"\x05\x83\x81\x01\0\0",
            b"\x05\x83\x81\x01\x80\0",
        ] {
            let (found, _) = read(wire.get(..6).unwrap());
            assert_eq!(read(&written(&found)).0, found, "{wire:X?}");
        }
    }

    #[test]
    fn parameters_are_bounded() {
        let mut many = ContentType::new("text/plain");
        for _ in 0..MOST_PARAMETERS {
            many.push_param("name", "a");
        }
        assert_eq!(read(&written(&many)), (many.clone(), 0));
        let mut over = many.clone();
        over.push_param("name", "a");
        assert_eq!(read(&written(&over)), (many, 1));
    }

    #[test]
    fn parameters_in_the_text_count_too() {
        let text = format!("a/b{}\0", "; x=1".repeat(MOST_PARAMETERS));
        let length = u8::try_from(text.len() + 3 - 0x80).unwrap();
        let wire = [&[0x1F, 0x81, length], text.as_bytes(), b"\x85a\0"];
        let (found, warnings) = read(&wire.concat());
        assert_eq!((found.params().len(), warnings), (MOST_PARAMETERS, 1));
        assert_eq!(read(&written(&found)), (found, 0));
    }

    #[test]
    fn odd_types_are_noted_and_replaced() {
        assert_eq!(read(b"\xD9"), (ContentType::new(UNKNOWN), 1));
        assert_eq!(read(b"\0"), (ContentType::new(UNKNOWN), 1));
        let (found, warnings) = read(b"text/plain; Charset=utf-8\0");
        assert_eq!((found.charset(), warnings), (Some("utf-8"), 0));
        let (found, warnings) = read(b"\x03\x83\x85a");
        assert_eq!((found.params().len(), warnings), (0, 1));
        assert_eq!(read(b"\x03\x02\x03\x05").0.media(), "text/calendar");
    }

    #[test]
    fn types_and_names_that_would_break_the_coding_are_refused() {
        for media in ["", "a/b; c=d", " a/b", "a/é", "a/b\r\n"] {
            let mut writer = Writer::default();
            let refused = write_content_type(&mut writer, &ContentType::new(media));
            assert!(refused.is_err(), "{media:?}");
        }
        let bad_name = ContentType::new("a/b").with("a b", "c");
        assert!(write_content_type(&mut Writer::default(), &bad_name).is_err());
    }

    #[test]
    fn dispositions_come_back() {
        for kind in [
            DispositionKind::Attachment,
            DispositionKind::FormData,
            DispositionKind::Inline,
            DispositionKind::Other("x-mine".to_owned()),
        ] {
            let disposition = Disposition {
                kind,
                filename: Some("a.jpg".to_owned()),
                params: vec![Param {
                    name: "size".to_owned(),
                    value: "7".to_owned(),
                }],
            };
            let mut writer = Writer::default();
            write_disposition(&mut writer, &disposition).unwrap();
            let octets = writer.into_octets();
            let mut notes = Notes::new();
            let read = read_disposition(&mut Reader::new(&octets), &mut notes);
            assert_eq!(read, Ok(disposition));
        }
    }
}

//! Parameters of content types and dispositions (WAP-230-WSP section 8.4.2.4).

use crate::mms::charset;
use crate::mms::content_type::Param;
use crate::mms::error::{DecodeError, EncodeError};

use super::tables::{header_name, media_code, media_name};
use super::text::{is_token_text, plain_text};
use super::writer::bad_text;
use super::{Notes, Reader, Value, Writer};

/// Parameters that are read; real types have a handful, and each costs more memory than octets.
pub(super) const MOST_PARAMETERS: usize = 32;

/// How the value of a well-known parameter is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Charset,
    FieldName,
    Media,
    Number,
    Quality,
    Text,
    Version,
}

/// Code, name and coding of the well-known parameters.
const PARAMETERS: [(u8, &str, Kind); 29] = [
    (0x00, "q", Kind::Quality),
    (0x01, "charset", Kind::Charset),
    (0x02, "level", Kind::Version),
    (0x03, "type", Kind::Media),
    (0x05, "name", Kind::Text),
    (0x06, "filename", Kind::Text),
    (0x07, "differences", Kind::FieldName),
    (0x08, "padding", Kind::Number),
    (0x09, "type", Kind::Media),
    (0x0A, "start", Kind::Text),
    (0x0B, "start-info", Kind::Text),
    (0x0C, "comment", Kind::Text),
    (0x0D, "domain", Kind::Text),
    (0x0E, "max-age", Kind::Number),
    (0x0F, "path", Kind::Text),
    (0x10, "secure", Kind::Text),
    (0x11, "sec", Kind::Number),
    (0x12, "mac", Kind::Text),
    (0x13, "creation-date", Kind::Number),
    (0x14, "modification-date", Kind::Number),
    (0x15, "read-date", Kind::Number),
    (0x16, "size", Kind::Number),
    (0x17, "name", Kind::Text),
    (0x18, "filename", Kind::Text),
    (0x19, "start", Kind::Text),
    (0x1A, "start-info", Kind::Text),
    (0x1B, "comment", Kind::Text),
    (0x1C, "domain", Kind::Text),
    (0x1D, "path", Kind::Text),
];

/// Parameters up to the end of their value. What cannot be read ends them with a note: the value
/// around them is delimited already. `before` of them were in the text of the value.
pub(super) fn read_params(mut reader: Reader<'_>, before: usize, notes: &mut Notes) -> Vec<Param> {
    let mut params = Vec::new();
    while !reader.is_empty() {
        let start = reader.offset();
        if before.saturating_add(params.len()) >= MOST_PARAMETERS {
            notes.add(start, "too many parameters, the rest left out");
            break;
        }
        match read_param(&mut reader, notes) {
            Ok(Some(param)) => params.push(param),
            Ok(None) => notes.add(start, "an unknown parameter, left out"),
            Err(_) => {
                notes.add(start, "malformed parameters, left out");
                break;
            }
        }
    }
    params
}

fn read_param(reader: &mut Reader<'_>, notes: &mut Notes) -> Result<Option<Param>, DecodeError> {
    let start = reader.offset();
    let (name, kind) = match reader.value("a parameter")? {
        Value::Short(octet) => {
            let code = octet & 0x7F;
            match PARAMETERS.iter().find(|row| row.0 == code) {
                Some((_, name, kind)) => ((*name).to_owned(), *kind),
                None => {
                    reader.value("a parameter")?;
                    return Ok(None);
                }
            }
        }
        Value::Text(name) => {
            let name = plain_text(name, start, notes).to_ascii_lowercase();
            if !is_token_text(name.as_bytes()) {
                return Err(reader.malformed("a parameter"));
            }
            let kind = match name.as_str() {
                "charset" => Kind::Charset,
                _ => Kind::Text,
            };
            (name, kind)
        }
        Value::Data(_) => {
            reader.value("a parameter")?;
            return Ok(None);
        }
    };
    let value = read_param_value(reader, kind, notes)?;
    Ok(Some(Param { name, value }))
}

fn read_param_value(
    reader: &mut Reader<'_>,
    kind: Kind,
    notes: &mut Notes,
) -> Result<String, DecodeError> {
    let start = reader.offset();
    if kind == Kind::Quality {
        return Ok(quality_text(reader.uintvar("q")?));
    }
    let (number, is_long) = match reader.value("a parameter")? {
        Value::Text(text) if kind == Kind::Charset => {
            let text = plain_text(text, start, notes);
            let text = text.trim_matches('"');
            let known = charset::mib(text).and_then(charset::name);
            return Ok(known.map_or_else(|| text.to_owned(), str::to_owned));
        }
        Value::Text(text) => return Ok(param_text(text, start, notes)),
        Value::Data(data) if data.is_empty() => return Ok(String::new()),
        Value::Data(data) => match super::long_integer(data.rest()) {
            Some(number) => (number, true),
            None => return Err(data.malformed("a parameter")),
        },
        Value::Short(octet) => (u64::from(octet & 0x7F), false),
    };
    Ok(match kind {
        Kind::Charset if number == 0 => "*".to_owned(),
        Kind::Charset => u32::try_from(number)
            .ok()
            .and_then(charset::name)
            .map_or_else(|| format!("mib-{number}"), str::to_owned),
        Kind::Media => media_name(number).map_or_else(|| number.to_string(), str::to_owned),
        Kind::Version if !is_long => {
            let (major, minor) = (number >> 4, number & 0x0F);
            if minor == 0x0F {
                major.to_string()
            } else {
                format!("{major}.{minor}")
            }
        }
        Kind::FieldName if !is_long => u8::try_from(number)
            .ok()
            .and_then(header_name)
            .map_or_else(|| number.to_string(), str::to_owned),
        _ => number.to_string(),
    })
}

/// A Text-value: one quotation mark in front is its coding, and one behind is a common mistake.
pub(crate) fn param_text(octets: &[u8], offset: usize, notes: &mut Notes) -> String {
    match octets.strip_prefix(b"\"") {
        Some(quoted) => {
            let closed = quoted.strip_suffix(b"\"");
            let inner = closed.filter(|_| !quoted.starts_with(b"\""));
            plain_text(inner.unwrap_or(quoted), offset, notes)
        }
        None => plain_text(octets, offset, notes),
    }
}

/// Writes a Text-value: quoted only where the text itself begins with a quotation mark.
pub(crate) fn write_text_value(
    writer: &mut Writer,
    text: &str,
    what: &str,
) -> Result<(), EncodeError> {
    if text.starts_with('"') {
        writer.quoted(text, what)
    } else {
        writer.text(text, what)
    }
}

/// Writes a parameter: typed where its value fits its coding, else by name as text.
pub(super) fn write_param(writer: &mut Writer, param: &Param) -> Result<(), EncodeError> {
    let Param { name, value } = param;
    let known = PARAMETERS
        .iter()
        .find(|row| row.1.eq_ignore_ascii_case(name) && row.0 != 0x03);
    if let Some((code, _, kind)) = known
        && write_known(writer, *code, *kind, value, name)?
    {
        return Ok(());
    }
    if !is_token_text(name.as_bytes()) {
        return Err(bad_text(name));
    }
    writer.text(name, name)?;
    write_text_value(writer, value, name)
}

/// Writes a parameter in its typed coding. `false` where the value does not fit that coding.
fn write_known(
    writer: &mut Writer,
    code: u8,
    kind: Kind,
    value: &str,
    name: &str,
) -> Result<bool, EncodeError> {
    match kind {
        Kind::Text if matches!(code, 0x10 | 0x12) => return Ok(false),
        Kind::Text => {
            writer.code(code);
            write_text_value(writer, value, name)?;
        }
        Kind::Charset => {
            let Some(mib) = charset_number(value) else {
                return Ok(false);
            };
            writer.code(code);
            writer.integer(u64::from(mib));
        }
        Kind::Media => {
            // A number stands for a type: only one that no type has is written as what it is.
            let number = value.parse::<u64>().ok();
            let number = number.filter(|n| n.to_string() == value && media_name(*n).is_none());
            if let Some(number) = number {
                writer.code(0x03);
                writer.integer(number);
            } else if value.trim() == value && !value.is_empty() && value.is_ascii() {
                writer.code(code);
                match media_code(value) {
                    Some(media) => writer.code(media),
                    None => write_text_value(writer, value, name)?,
                }
            } else {
                return Ok(false);
            }
        }
        Kind::Number => {
            let number = value.parse::<u64>().ok();
            let Some(number) = number.filter(|n| n.to_string() == value) else {
                return Ok(false);
            };
            writer.code(code);
            if matches!(code, 0x13..=0x15) {
                writer.long_integer(number);
            } else {
                writer.integer(number);
            }
        }
        Kind::Quality => {
            let quality = quality_number(value).filter(|q| quality_text(*q) == value);
            let Some(quality) = quality else {
                return Ok(false);
            };
            writer.code(code);
            writer.uintvar(quality);
        }
        Kind::FieldName | Kind::Version => return Ok(false),
    }
    Ok(true)
}

fn charset_number(name: &str) -> Option<u32> {
    if name == "*" {
        return Some(0);
    }
    let number = name.strip_prefix("mib-").and_then(|n| n.parse().ok());
    number.or_else(|| charset::mib(name))
}

/// A Q-value as text: 1..=100 are hundredths from 0, 101..=1099 thousandths.
fn quality_text(value: u32) -> String {
    let thousandths = match value {
        0 => 0,
        1..=100 => (value - 1) * 10,
        _ => value.saturating_sub(100).min(1000),
    };
    if thousandths == 1000 {
        return "1".to_owned();
    }
    let text = format!("0.{thousandths:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn quality_number(text: &str) -> Option<u32> {
    let fraction = match text {
        "0" => "",
        _ => text.strip_prefix("0.")?,
    };
    if fraction.len() > 3 || !fraction.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let thousandths: u32 = format!("{fraction:0<3}").parse().ok()?;
    Some(if thousandths.is_multiple_of(10) {
        thousandths / 10 + 1
    } else {
        thousandths + 100
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_is_in_hundredths_or_thousandths() {
        for (value, text) in [
            (1, "0"),
            (51, "0.5"),
            (100, "0.99"),
            (101, "0.001"),
            (433, "0.333"),
        ] {
            assert_eq!(quality_text(value), text);
            assert_eq!(quality_number(text), Some(value));
        }
        assert_eq!(quality_text(u32::MAX), "1");
        for text in ["1", "0.1234", "0,5", "x"] {
            assert_eq!(quality_number(text), None, "{text}");
        }
    }
}

//! The forms of header values (OMA-MMS-ENC section 7.3).

use std::borrow::Cow;

use crate::mms::charset::{self, ISO_8859_1, UCS_2, US_ASCII, UTF_8};
use crate::mms::content_type::Param;
use crate::mms::error::EncodeError;
use crate::mms::header::{EncodedString, Field, HeaderName, HeaderValue, Time, ValueForm};
use crate::mms::wsp::{
    Notes, Reader, Value, Writer, is_plain, is_token_text, long_integer, media_code, media_value,
    plain_text, without_controls,
};

const ADDRESS_PRESENT: u8 = 0x80;
const INSERT_ADDRESS: u8 = 0x81;
const ABSOLUTE: u8 = 0x80;
const RELATIVE: u8 = 0x81;
/// The `type` parameter of X-Mms-Element-Descriptor.
const ELEMENT_TYPE: u8 = 0x02;
/// Parameters of an element descriptor that are read.
const MOST_PARAMETERS: usize = 16;

/// The value in its field's form, or `None` where it is of another.
pub(super) fn read(
    form: ValueForm,
    value: &Value<'_>,
    at: usize,
    notes: &mut Notes,
) -> Option<HeaderValue> {
    Some(match form {
        ValueForm::Token => HeaderValue::Token(short(value)?),
        ValueForm::TokenOrText | ValueForm::Version => match value {
            Value::Short(octet) => HeaderValue::Token(*octet),
            _ => HeaderValue::Text(plain_text(value.as_text()?, at, notes)),
        },
        ValueForm::Text => HeaderValue::Text(plain_text(value.as_text()?, at, notes)),
        ValueForm::Encoded => HeaderValue::Encoded(encoded(value, at, notes)?),
        ValueForm::From => HeaderValue::From(from(value, at, notes)?),
        ValueForm::Integer | ValueForm::LongInteger => HeaderValue::Integer(integer(value)?),
        ValueForm::Date => HeaderValue::Date(integer(value)?),
        ValueForm::Time => HeaderValue::Time(time(value)?),
        ValueForm::Location => match value.as_text() {
            Some(text) => HeaderValue::Text(plain_text(text, at, notes)),
            None => counted(value, |inner| {
                let at = inner.offset();
                let text = inner_value(inner)?;
                let text = plain_text(text.as_text()?, at, notes);
                Some(HeaderValue::Text(text))
            })?,
        },
        ValueForm::Status => match value {
            Value::Short(octet) => HeaderValue::Token(*octet),
            _ => counted(value, |inner| {
                Some(HeaderValue::Token(short(&inner_value(inner)?)?))
            })?,
        },
        ValueForm::CountedAddress => counted(value, |inner| {
            let at = inner.offset();
            encoded(&inner_value(inner)?, at, notes).map(HeaderValue::Encoded)
        })?,
        ValueForm::CountedDate => counted(value, |inner| {
            integer(&inner_value(inner)?).map(HeaderValue::Date)
        })?,
        ValueForm::Flag => {
            let mut inner = data(value)?;
            let flag = short(&inner_value(&mut inner)?)?;
            let at = inner.offset();
            let keyword = encoded(&inner_value(&mut inner)?, at, notes)?;
            HeaderValue::Flag(flag, keyword)
        }
        ValueForm::Total => {
            let mut inner = data(value)?;
            let unit = short(&inner_value(&mut inner)?)?;
            HeaderValue::Total(unit, integer(&inner_value(&mut inner)?)?)
        }
        ValueForm::Attribute => HeaderValue::Attribute(attribute(value, at, notes)?),
        ValueForm::Element => element(value, notes)?,
        ValueForm::ContentType => return None,
    })
}

/// Writes a value in its field's form. `false` where it is of another.
pub(super) fn write(
    writer: &mut Writer,
    field: Field,
    value: &HeaderValue,
) -> Result<bool, EncodeError> {
    let what = field.name();
    match (field.form(), value) {
        (
            ValueForm::Token | ValueForm::TokenOrText | ValueForm::Version | ValueForm::Status,
            HeaderValue::Token(octet @ 0x80..),
        ) => writer.octet(*octet),
        (
            ValueForm::Text | ValueForm::Location | ValueForm::TokenOrText | ValueForm::Version,
            HeaderValue::Text(text),
        ) => writer.text(text, what)?,
        (ValueForm::Encoded, HeaderValue::Encoded(text)) => write_encoded(writer, text, what)?,
        (ValueForm::From, HeaderValue::From(None)) => writer.octets(&[1, INSERT_ADDRESS]),
        (ValueForm::From, HeaderValue::From(Some(address))) => writer.counted(|writer| {
            writer.octet(ADDRESS_PRESENT);
            write_encoded(writer, address, what)
        })?,
        (ValueForm::Integer, HeaderValue::Integer(number)) => writer.integer(*number),
        (ValueForm::LongInteger, HeaderValue::Integer(number))
        | (ValueForm::Date, HeaderValue::Date(number)) => writer.long_integer(*number),
        (ValueForm::Time, HeaderValue::Time(time)) => writer.counted(|writer| {
            match time {
                Time::Absolute(seconds) => {
                    writer.octet(ABSOLUTE);
                    writer.long_integer(*seconds);
                }
                Time::Relative(seconds) => {
                    // A delta may be a short integer, but some clients read only long ones.
                    writer.octet(RELATIVE);
                    writer.long_integer(*seconds);
                }
            }
            Ok(())
        })?,
        (form, HeaderValue::Counted(count, inner)) => {
            return write_counted(writer, form, *count, inner, what);
        }
        (ValueForm::Flag, HeaderValue::Flag(flag @ 0x80.., keyword)) => {
            writer.counted(|writer| {
                writer.octet(*flag);
                write_encoded(writer, keyword, what)
            })?;
        }
        (ValueForm::Total, HeaderValue::Total(unit @ 0x80.., number)) => {
            writer.counted(|writer| {
                writer.octet(*unit);
                writer.integer(*number);
                Ok(())
            })?;
        }
        (ValueForm::Attribute, HeaderValue::Attribute(name)) => match name {
            HeaderName::Field(field) => writer.code(field.code()),
            HeaderName::Unknown(code @ ..0x80) => writer.code(*code),
            HeaderName::Text(name) if is_token_text(name.as_bytes()) => writer.text(name, what)?,
            HeaderName::Unknown(_) | HeaderName::Text(_) => return Ok(false),
        },
        (ValueForm::Element, HeaderValue::Element(reference, params)) => {
            writer.counted(|writer| write_element(writer, reference, params, what))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What kind of value this is, for an error about it.
pub(super) fn form_name(value: &HeaderValue) -> &'static str {
    match value {
        HeaderValue::Text(_) => "a text",
        HeaderValue::Encoded(_) => "an encoded string",
        HeaderValue::From(_) => "a sender",
        HeaderValue::Token(_) => "an octet",
        HeaderValue::Integer(_) => "an integer",
        HeaderValue::Date(_) => "a date",
        HeaderValue::Time(_) => "a time",
        HeaderValue::Counted(..) => "a counted value",
        HeaderValue::Flag(..) => "a keyword",
        HeaderValue::Total(..) => "a total",
        HeaderValue::Attribute(_) => "a field name",
        HeaderValue::Element(..) => "an element descriptor",
        HeaderValue::Raw(_) => "octets that are not one value",
    }
}

/// A version octet as text: the minor number 15 means that there is none.
pub(super) fn version_text(octet: u8) -> String {
    let (major, minor) = ((octet >> 4) & 0x07, octet & 0x0F);
    if minor == 0x0F {
        major.to_string()
    } else {
        format!("{major}.{minor}")
    }
}

fn short(value: &Value<'_>) -> Option<u8> {
    match value {
        Value::Short(octet) => Some(*octet),
        _ => None,
    }
}

fn integer(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Short(octet) => Some(u64::from(octet & 0x7F)),
        Value::Data(data) => long_integer(data.rest()),
        Value::Text(_) => None,
    }
}

fn data<'a>(value: &Value<'a>) -> Option<Reader<'a>> {
    match value {
        Value::Data(data) => Some(data.clone()),
        _ => None,
    }
}

/// A value inside a counted one, where a last text may lack its NUL.
fn inner_value<'a>(inner: &mut Reader<'a>) -> Option<Value<'a>> {
    match inner.peek()? {
        0x20..0x80 => Some(Value::Text(inner.open_text().0)),
        _ => inner.value("a value").ok(),
    }
}

fn counted(
    value: &Value<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Option<HeaderValue>,
) -> Option<HeaderValue> {
    let mut inner = data(value)?;
    let count = integer(&inner_value(&mut inner)?)?;
    Some(HeaderValue::Counted(count, Box::new(read(&mut inner)?)))
}

fn write_counted(
    writer: &mut Writer,
    form: ValueForm,
    count: u64,
    inner: &HeaderValue,
    what: &str,
) -> Result<bool, EncodeError> {
    let fits = matches!(
        (form, inner),
        (ValueForm::Location, HeaderValue::Text(_))
            | (ValueForm::Status, HeaderValue::Token(0x80..))
            | (ValueForm::CountedAddress, HeaderValue::Encoded(_))
            | (ValueForm::CountedDate, HeaderValue::Date(_))
    );
    if fits {
        writer.counted(|writer| {
            writer.integer(count);
            match inner {
                HeaderValue::Text(text) => writer.text(text, what)?,
                HeaderValue::Token(octet) => writer.octet(*octet),
                HeaderValue::Encoded(text) => write_encoded(writer, text, what)?,
                HeaderValue::Date(date) => writer.long_integer(*date),
                _ => {}
            }
            Ok(())
        })?;
    }
    Ok(fits)
}

fn time(value: &Value<'_>) -> Option<Time> {
    let mut inner = data(value)?;
    let token = short(&inner_value(&mut inner)?)?;
    let seconds = integer(&inner_value(&mut inner)?)?;
    match token {
        ABSOLUTE => Some(Time::Absolute(seconds)),
        RELATIVE => Some(Time::Relative(seconds)),
        _ => None,
    }
}

/// From: some senders leave the length, the token or both out in front of an address.
#[expect(
    clippy::option_option,
    reason = "no value of this form, or no address in it"
)]
fn from(value: &Value<'_>, at: usize, notes: &mut Notes) -> Option<Option<EncodedString>> {
    let Value::Data(inner) = value else {
        return encoded(value, at, notes).map(Some);
    };
    let mut inner = inner.clone();
    match inner.rest() {
        [INSERT_ADDRESS] => Some(None),
        [ADDRESS_PRESENT, ..] => {
            inner.octet("From").ok()?;
            let at = inner.offset();
            encoded(&inner_value(&mut inner)?, at, notes).map(Some)
        }
        [_, ..] => encoded(value, at, notes).map(Some),
        [] => None,
    }
}

fn attribute(value: &Value<'_>, at: usize, notes: &mut Notes) -> Option<HeaderName> {
    match value {
        Value::Short(octet) => {
            let code = octet & 0x7F;
            Some(Field::from_code(code).map_or(HeaderName::Unknown(code), HeaderName::Field))
        }
        Value::Text(text) if is_token_text(text) => {
            Some(HeaderName::Text(plain_text(text, at, notes)))
        }
        _ => None,
    }
}

fn element(value: &Value<'_>, notes: &mut Notes) -> Option<HeaderValue> {
    let mut inner = data(value)?;
    let at = inner.offset();
    let reference = plain_text(inner_value(&mut inner)?.as_text()?, at, notes);
    let mut params = Vec::new();
    while !inner.is_empty() && params.len() < MOST_PARAMETERS {
        let at = inner.offset();
        let name = inner_value(&mut inner)?;
        let value_at = inner.offset();
        let value = inner_value(&mut inner)?;
        match name {
            Value::Short(octet) if octet & 0x7F == ELEMENT_TYPE => params.push(Param {
                name: "type".to_owned(),
                value: media_value(value, value_at, notes),
            }),
            Value::Text(name) if is_token_text(name) => params.push(Param {
                name: plain_text(name, at, notes).to_ascii_lowercase(),
                value: match value.as_text() {
                    Some(text) => plain_text(text, value_at, notes),
                    None => integer(&value)?.to_string(),
                },
            }),
            _ => notes.add(at, "an unknown parameter, left out"),
        }
    }
    Some(HeaderValue::Element(reference, params))
}

fn write_element(
    writer: &mut Writer,
    reference: &str,
    params: &[Param],
    what: &str,
) -> Result<(), EncodeError> {
    writer.text(reference, what)?;
    for param in params {
        if param.name == "type" && !param.value.is_empty() && param.value.trim() == param.value {
            writer.code(ELEMENT_TYPE);
            match media_code(&param.value) {
                Some(code) => writer.code(code),
                None => writer.text(&param.value, what)?,
            }
        } else if is_token_text(param.name.as_bytes()) {
            writer.text(&param.name, what)?;
            writer.text(&param.value, what)?;
        } else {
            let what = what.to_owned();
            return Err(EncodeError::BadText { what });
        }
    }
    Ok(())
}

/// An Encoded-string-value.
fn encoded(value: &Value<'_>, at: usize, notes: &mut Notes) -> Option<EncodedString> {
    if let Some(text) = value.as_text() {
        return Some(EncodedString::new(plain_text(text, at, notes)));
    }
    let mut inner = data(value)?;
    if matches!(inner.peek(), Some(0x20..0x80)) {
        notes.add(at, "a text with a length and no charset");
        let (text, _) = inner.open_text();
        return Some(EncodedString::new(plain_text(text, at, notes)));
    }
    let number = integer(&inner.value("a charset").ok()?)?;
    let mib = u32::try_from(number).ok()?;
    let at = inner.offset();
    // Zero is any charset, which leaves the choice to us.
    let mib = if mib == 0 { UTF_8 } else { mib };
    Some(charset_text(mib, inner.rest(), at, notes))
}

/// Text in a charset. Where the octets are not of that charset, or the charset could not hold the
/// text again, the text is held to be UTF-8.
fn charset_text(mib: u32, octets: &[u8], at: usize, notes: &mut Notes) -> EncodedString {
    let octets = without_end(mib, octets);
    let Some((text, clean)) = charset::decode(mib, octets) else {
        notes.add(at, "an unknown charset");
        return EncodedString {
            text: charset::decode_octets(octets),
            charset: Some(mib),
        };
    };
    if !clean {
        notes.add(at, "octets that are not of their charset");
    }
    let text = without_controls(text, at, notes);
    let holds = match mib {
        UTF_8 => true,
        US_ASCII => text.is_ascii(),
        ISO_8859_1 => text.chars().all(|c| u32::from(c) < 0x100),
        _ => charset::encode(mib, &text).is_some(),
    };
    let charset = Some(if holds { mib } else { UTF_8 });
    EncodedString { text, charset }
}

/// Text octets without the quote in front and the NUL behind. Encoders disagree whether two-octet
/// charsets end in one NUL or two.
fn without_end(mib: u32, octets: &[u8]) -> &[u8] {
    if !is_wide(mib) {
        let octets = octets.strip_prefix(&[0x7F]).unwrap_or(octets);
        return octets.strip_suffix(&[0]).unwrap_or(octets);
    }
    let octets = match octets {
        [0x7F, rest @ ..] if matches!(rest, [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..]) => rest,
        _ => octets,
    };
    match octets {
        [text @ .., 0] if octets.len() % 2 == 1 => text,
        [text @ .., 0, 0] => text,
        _ => octets,
    }
}

fn write_encoded(
    writer: &mut Writer,
    encoded: &EncodedString,
    what: &str,
) -> Result<(), EncodeError> {
    let text = encoded.text.as_str();
    let mib = match encoded.charset {
        None if text.is_ascii() => return writer.text(text, what),
        charset => charset.unwrap_or(UTF_8),
    };
    let bad = || EncodeError::BadText {
        what: what.to_owned(),
    };
    let octets = if charset::is_known(mib) {
        if !is_plain(text) {
            return Err(bad());
        }
        match mib {
            UTF_8 => Cow::Borrowed(text.as_bytes()),
            _ => Cow::Owned(charset::encode(mib, text).ok_or_else(bad)?),
        }
    } else {
        Cow::Owned(charset::encode_octets(text).ok_or_else(bad)?)
    };
    writer.counted(|writer| {
        writer.integer(u64::from(mib));
        if !is_wide(mib) && octets.first().is_some_and(|first| *first >= 0x80) {
            writer.octet(0x7F);
        }
        writer.octets(&octets);
        writer.octet(0);
        Ok(())
    })
}

/// Whether the characters of a charset take two octets, so that a Quote or a NUL is no character.
fn is_wide(mib: u32) -> bool {
    matches!(mib, UCS_2 | 1013..=1015)
}

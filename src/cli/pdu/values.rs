//! Header values in JSON, by the form of their field.
//!
//! | form | JSON |
//! | --- | --- |
//! | text, address | a string, with `charset` beside it where it has one |
//! | From that the server shall insert | `null` |
//! | enumeration | the name of the value, or `"0xNN"` |
//! | number, date | a number; a date is in seconds since 1970-01-01 UTC |
//! | time | `{"relative": seconds}` or `{"absolute": seconds}`; `"+seconds"` is read too |
//! | counted | `{"count": n, "value": …}` |
//! | flag | `{"flag": "Add", "value": "keyword"}` |
//! | total | `{"unit": "Messages", "value": n}` |
//! | attribute | the name of the field |
//! | element descriptor | `{"reference": "…", "params": [{"name", "value"}]}` |
//! | anything else | `{"hex": "…"}`, the octets |

use bytes::Bytes;
use serde_json::{Value, json};

use crate::mms::charset;
use crate::mms::header::ValueForm;
use crate::mms::wsp::Writer;
use crate::mms::{EncodedString, Field, HeaderName, HeaderValue, Param, Time};

/// The JSON form of a value.
pub(super) fn to_json(name: &HeaderName, value: &HeaderValue) -> Value {
    let field = match name {
        HeaderName::Field(field) => Some(*field),
        _ => None,
    };
    match value {
        HeaderValue::Text(text) => json!(text),
        HeaderValue::Encoded(text) => json!(text.text),
        HeaderValue::From(address) => json!(address.as_ref().map(|address| &address.text)),
        HeaderValue::Token(octet) => json!(token_name(field, *octet)),
        HeaderValue::Integer(number) | HeaderValue::Date(number) => json!(number),
        HeaderValue::Time(Time::Absolute(seconds)) => json!({ "absolute": seconds }),
        HeaderValue::Time(Time::Relative(seconds)) => json!({ "relative": seconds }),
        HeaderValue::Counted(count, inner) => {
            json!({ "count": count, "value": to_json(name, inner) })
        }
        HeaderValue::Flag(flag, keyword) => {
            json!({ "flag": token_name(field, *flag), "value": keyword.text })
        }
        HeaderValue::Total(unit, number) => {
            json!({ "unit": token_name(field, *unit), "value": number })
        }
        HeaderValue::Attribute(name) => json!(name.as_text()),
        HeaderValue::Element(reference, params) => {
            let params: Vec<_> = params
                .iter()
                .map(|param| json!({ "name": param.name, "value": param.value }))
                .collect();
            json!({ "reference": reference, "params": params })
        }
        HeaderValue::Raw(octets) => raw(octets),
    }
}

/// The charset of a value that has one.
pub(super) fn charset(value: &HeaderValue) -> Option<String> {
    let mib = match value {
        HeaderValue::Encoded(text) | HeaderValue::From(Some(text)) | HeaderValue::Flag(_, text) => {
            text.charset?
        }
        HeaderValue::Counted(_, inner) => return charset(inner),
        _ => return None,
    };
    Some(charset::name(mib).map_or_else(|| format!("mib-{mib}"), str::to_owned))
}

/// A value from its JSON form, or what should have been there.
pub(super) fn from_json(
    name: &HeaderName,
    value: &Value,
    charset: Option<&str>,
) -> Result<HeaderValue, &'static str> {
    if let Some(octets) = value.get("hex") {
        let octets = octets.as_str().and_then(unhex);
        return octets
            .map(HeaderValue::Raw)
            .ok_or("an even number of hexadecimal digits");
    }
    let HeaderName::Field(field) = name else {
        return text(value).map(HeaderValue::Text);
    };
    let inner = |form| counted_or(*field, form, value, charset);
    Ok(match field.form() {
        ValueForm::Text => HeaderValue::Text(text(value)?),
        ValueForm::Encoded => HeaderValue::Encoded(encoded(value, charset)?),
        ValueForm::From if value.is_null() => HeaderValue::From(None),
        ValueForm::From => HeaderValue::From(Some(encoded(value, charset)?)),
        ValueForm::Token => HeaderValue::Token(token(*field, value)?),
        ValueForm::TokenOrText => match token(*field, value) {
            Ok(octet) => HeaderValue::Token(octet),
            Err(_) => HeaderValue::Text(text(value)?),
        },
        ValueForm::Version => version(value)?,
        ValueForm::Integer | ValueForm::LongInteger => HeaderValue::Integer(number(value)?),
        ValueForm::Date => HeaderValue::Date(number(value)?),
        ValueForm::Time => HeaderValue::Time(time(value)?),
        form @ (ValueForm::Location
        | ValueForm::Status
        | ValueForm::CountedAddress
        | ValueForm::CountedDate) => inner(form)?,
        ValueForm::Flag => {
            let keyword = value.get("value").unwrap_or(&Value::Null);
            HeaderValue::Flag(
                part_token(*field, value, "flag")?,
                encoded(keyword, charset)?,
            )
        }
        ValueForm::Total => {
            let total = value.get("value").unwrap_or(&Value::Null);
            HeaderValue::Total(part_token(*field, value, "unit")?, number(total)?)
        }
        ValueForm::Attribute => HeaderValue::Attribute(header_name(&text(value)?)),
        ValueForm::Element => element(value)?,
        ValueForm::ContentType => return Err("no value: content_type says it"),
    })
}

/// The header with a name in its JSON form.
pub(super) fn header_name(name: &str) -> HeaderName {
    if let Some(field) = Field::from_name(name) {
        return HeaderName::Field(field);
    }
    match unknown_code(name) {
        Some(code) => HeaderName::Unknown(code),
        None => HeaderName::Text(name.to_owned()),
    }
}

/// The code inside a name that [`unknown_name`] made.
pub(super) fn unknown_code(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("X-Unknown-0x")?;
    u8::from_str_radix(digits, 16)
        .ok()
        .filter(|code| *code < 0x80)
}

/// The name of a code that has none.
pub(super) fn unknown_name(code: u8) -> String {
    HeaderName::Unknown(code).as_text().into_owned()
}

/// The octets of a well-known part header: a number, a text, or octets in hexadecimal.
pub(super) fn well_known(value: &Value) -> Option<Bytes> {
    let mut writer = Writer::default();
    match value {
        Value::Number(number) => writer.integer(number.as_u64()?),
        Value::String(text) => writer.text(text, "a header").ok()?,
        _ => return value.get("hex")?.as_str().and_then(unhex),
    }
    Some(writer.into_octets().into())
}

/// Octets that are not understood.
pub(super) fn raw(octets: &[u8]) -> Value {
    json!({ "hex": hex(octets) })
}

/// Octets as lower-case hexadecimal digits.
pub(in crate::cli) fn hex(octets: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    octets
        .iter()
        .flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0F)])
        .collect()
}

/// The octets of hexadecimal digits.
pub(super) fn unhex(digits: &str) -> Option<Bytes> {
    crate::mms::push::read_hex(digits.as_bytes()).ok()
}

fn token_name(field: Option<Field>, octet: u8) -> String {
    if field == Some(Field::MmsVersion) {
        let (major, minor) = ((octet >> 4) & 0x07, octet & 0x0F);
        return format!("{major}.{minor}");
    }
    field
        .and_then(|field| field.token_name(octet))
        .map_or_else(|| format!("0x{octet:02X}"), str::to_owned)
}

fn counted_or(
    field: Field,
    form: ValueForm,
    value: &Value,
    charset: Option<&str>,
) -> Result<HeaderValue, &'static str> {
    let is_bare = matches!(form, ValueForm::Location | ValueForm::Status);
    let (count, inner) = match value.get("count") {
        Some(count) => (
            Some(number(count)?),
            value.get("value").unwrap_or(&Value::Null),
        ),
        None if is_bare => (None, value),
        None => return Err("an object with count and value"),
    };
    let inner = match form {
        ValueForm::Location => HeaderValue::Text(text(inner)?),
        ValueForm::Status => HeaderValue::Token(token(field, inner)?),
        ValueForm::CountedDate => HeaderValue::Date(number(inner)?),
        _ => HeaderValue::Encoded(encoded(inner, charset)?),
    };
    Ok(match count {
        Some(count) => HeaderValue::Counted(count, Box::new(inner)),
        None => inner,
    })
}

fn text(value: &Value) -> Result<String, &'static str> {
    value.as_str().map(str::to_owned).ok_or("a string")
}

fn encoded(value: &Value, charset: Option<&str>) -> Result<EncodedString, &'static str> {
    let text = text(value)?;
    let Some(name) = charset else {
        return Ok(EncodedString::new(text));
    };
    let number = name
        .strip_prefix("mib-")
        .and_then(|number| number.parse().ok());
    let mib = number.or_else(|| charset::mib(name));
    let charset = Some(mib.ok_or("a string in a charset with a MIBenum")?);
    Ok(EncodedString { text, charset })
}

fn number(value: &Value) -> Result<u64, &'static str> {
    value.as_u64().ok_or("a whole number")
}

fn token(field: Field, value: &Value) -> Result<u8, &'static str> {
    let name = match value {
        Value::Bool(true) => "Yes",
        Value::Bool(false) => "No",
        _ => value.as_str().ok_or("the name of a value")?,
    };
    let octet = || u8::from_str_radix(name.strip_prefix("0x")?, 16).ok();
    field
        .token_octet(name)
        .or_else(octet)
        .filter(|octet| *octet >= 0x80)
        .ok_or("the name of a value, or an octet from 0x80 on")
}

fn part_token(field: Field, value: &Value, key: &str) -> Result<u8, &'static str> {
    token(field, value.get(key).unwrap_or(&Value::Null))
}

/// `1.2`, or `1` for a version without a minor number.
pub(super) fn version(value: &Value) -> Result<HeaderValue, &'static str> {
    let wrong = "a version such as \"1.2\"";
    let text = value.as_str().ok_or(wrong)?;
    let (major, minor) = text.split_once('.').unwrap_or((text, "15"));
    let (major, minor) = (major.parse::<u8>(), minor.parse::<u8>());
    match (major, minor) {
        (Ok(major @ 1..=7), Ok(minor @ 0..=15)) => {
            Ok(HeaderValue::Token(0x80 | major << 4 | minor))
        }
        _ => Err(wrong),
    }
}

fn time(value: &Value) -> Result<Time, &'static str> {
    let wrong = "an object with relative or absolute seconds";
    if let Some(text) = value.as_str() {
        let seconds = text
            .strip_prefix('+')
            .and_then(|seconds| seconds.parse().ok());
        return seconds.map(Time::Relative).ok_or(wrong);
    }
    match (value.get("relative"), value.get("absolute")) {
        (Some(seconds), None) => number(seconds).map(Time::Relative),
        (None, Some(seconds)) => number(seconds).map(Time::Absolute),
        _ => Err(wrong),
    }
}

fn element(value: &Value) -> Result<HeaderValue, &'static str> {
    let wrong = "an object with reference and params";
    let reference = value
        .get("reference")
        .and_then(Value::as_str)
        .ok_or(wrong)?;
    let params = match value.get("params") {
        None => &[][..],
        Some(params) => params.as_array().ok_or(wrong)?,
    };
    let params = params
        .iter()
        .map(|param| {
            let of = |key| param.get(key).and_then(Value::as_str).map(str::to_owned);
            Some(Param {
                name: of("name")?,
                value: of("value")?,
            })
        })
        .collect::<Option<_>>()
        .ok_or(wrong)?;
    Ok(HeaderValue::Element(reference.to_owned(), params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_comes_back_from_json() {
        let encoded = |text: &str, charset| EncodedString {
            text: text.to_owned(),
            charset,
        };
        let boxed = |value| Box::new(value);
        for (field, value) in [
            (Field::MessageId, HeaderValue::Text("m".into())),
            (
                Field::Subject,
                HeaderValue::Encoded(encoded("é", Some(106))),
            ),
            (Field::Subject, HeaderValue::Encoded(encoded("a", Some(3)))),
            (
                Field::Subject,
                HeaderValue::Encoded(encoded("a", Some(9999))),
            ),
            (Field::From, HeaderValue::From(None)),
            (Field::From, HeaderValue::From(Some(encoded("a", None)))),
            (Field::Priority, HeaderValue::Token(0x82)),
            (Field::Priority, HeaderValue::Token(0x99)),
            (Field::MessageClass, HeaderValue::Token(0x80)),
            (Field::MessageClass, HeaderValue::Text("own".into())),
            (Field::MmsVersion, HeaderValue::Token(0x93)),
            (Field::MmsVersion, HeaderValue::Token(0x9F)),
            (Field::MessageSize, HeaderValue::Integer(1 << 40)),
            (Field::Date, HeaderValue::Date(1)),
            (Field::Expiry, HeaderValue::Time(Time::Relative(9))),
            (Field::Expiry, HeaderValue::Time(Time::Absolute(9))),
            (
                Field::ContentLocation,
                HeaderValue::Counted(2, boxed(HeaderValue::Text("u".into()))),
            ),
            (
                Field::ResponseStatus,
                HeaderValue::Counted(2, boxed(HeaderValue::Token(0xE4))),
            ),
            (
                Field::PreviouslySentDate,
                HeaderValue::Counted(2, boxed(HeaderValue::Date(7))),
            ),
            (
                Field::PreviouslySentBy,
                HeaderValue::Counted(2, boxed(HeaderValue::Encoded(encoded("a", Some(4))))),
            ),
            (Field::MmFlags, HeaderValue::Flag(0x80, encoded("k", None))),
            (Field::MboxTotals, HeaderValue::Total(0x81, 5)),
            (
                Field::Attributes,
                HeaderValue::Attribute(HeaderName::Field(Field::To)),
            ),
            (
                Field::Attributes,
                HeaderValue::Attribute(HeaderName::Unknown(0x77)),
            ),
            (
                Field::Attributes,
                HeaderValue::Attribute(HeaderName::Text("X".into())),
            ),
            (
                Field::ElementDescriptor,
                HeaderValue::Element(
                    "c".into(),
                    vec![Param {
                        name: "type".into(),
                        value: "a/b".into(),
                    }],
                ),
            ),
            (
                Field::Expiry,
                HeaderValue::Raw(Bytes::from_static(b"\x02\x85\x01")),
            ),
        ] {
            let name = HeaderName::Field(field);
            let json = to_json(&name, &value);
            let charset = charset(&value);
            assert_eq!(
                from_json(&name, &json, charset.as_deref()),
                Ok(value),
                "{json}"
            );
        }
    }

    #[test]
    fn values_of_another_form_are_refused() {
        for (field, value) in [
            (Field::Subject, json!(1)),
            (Field::Priority, json!("Enormous")),
            (Field::Priority, json!("0x12")),
            (Field::Expiry, json!("tomorrow")),
            (Field::Expiry, json!({ "relative": 1, "absolute": 2 })),
            (Field::Date, json!("2020")),
            (Field::PreviouslySentBy, json!("a")),
            (Field::MmsVersion, json!("12")),
            (Field::Subject, json!({ "hex": "abc" })),
        ] {
            let name = HeaderName::Field(field);
            assert!(from_json(&name, &value, None).is_err(), "{field:?} {value}");
        }
        let subject = HeaderName::Field(Field::Subject);
        assert!(from_json(&subject, &json!("a"), Some("klingon")).is_err());
        let report = HeaderName::Field(Field::DeliveryReport);
        assert_eq!(
            from_json(&report, &json!(true), None),
            Ok(HeaderValue::Token(0x80))
        );
        let expiry = HeaderName::Field(Field::Expiry);
        let day = HeaderValue::Time(Time::Relative(86_400));
        assert_eq!(from_json(&expiry, &json!("+86400"), None), Ok(day));
    }
}

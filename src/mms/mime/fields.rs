//! Header fields of MIME to and from the typed headers of a message.

use crate::mms::error::Warning;
use crate::mms::header::{EncodedString, Field, HeaderName, HeaderValue, Headers, Time, ValueForm};
use crate::mms::text::words;

use super::block::RawField;
use super::{address, date, params};

/// Appends what one field of a header block says.
///
/// A name of the encapsulation specification whose value has the form it asks for becomes a typed
/// field, each address of To, Cc and Bcc one of its own. `Message-ID` is the one of RFC 5322 and
/// stays textual, X-Mms-Message-ID is [`Field::MessageId`]. Everything else stays textual as it is.
pub(super) fn read(raw: &RawField, headers: &mut Headers, warnings: &mut Vec<Warning>) {
    let textual = |headers: &mut Headers| {
        headers.push(
            HeaderName::Text(raw.name.clone()),
            HeaderValue::Text(raw.value.clone()),
        );
    };
    let Some(field) = field(&raw.name) else {
        return textual(headers);
    };
    if matches!(field, Field::To | Field::Cc | Field::Bcc) {
        for address in address::split(&raw.value) {
            headers.add(
                field,
                HeaderValue::Encoded(EncodedString::new(words::without_controls(&address))),
            );
        }
        return;
    }
    match value(field, &raw.value) {
        Some(value) => headers.add(field, value),
        None => {
            // MM4 has its own message types under the same name.
            if field != Field::MessageType {
                warnings.push(Warning {
                    offset: raw.offset,
                    message: format!("{} has a value of another form", raw.name),
                });
            }
            textual(headers);
        }
    }
}

/// The name and the value of a header on the wire.
///
/// `None` where MIME has no way to say it: octets that are not understood, the token that asks for
/// the sender's address, an octet without a name.
pub(super) fn write(name: &HeaderName, value: &HeaderValue) -> Option<(String, String)> {
    match name {
        HeaderName::Unknown(_) => None,
        HeaderName::Text(name) => match value {
            HeaderValue::Text(text) => Some((name.clone(), textual(text))),
            _ => None,
        },
        HeaderName::Field(field) => Some((name_of(*field).to_owned(), text(*field, value)?)),
    }
}

/// The value of a textual header: as it is where a header can carry it, with a space for each tab, as
/// every reader takes a tab; else encoded words.
///
/// Its reader does not decode it, for it may be structured; so neither does this look for words.
pub(super) fn textual(text: &str) -> String {
    let text = text.replace('\t', " ");
    let text = text.trim_matches(' ');
    if words::is_line(text) {
        text.to_owned()
    } else {
        words::encode_whole(text)
    }
}

/// The field of a name in a MIME header.
fn field(name: &str) -> Option<Field> {
    if name.eq_ignore_ascii_case("X-Mms-Message-ID") {
        return Some(Field::MessageId);
    }
    Field::from_name(name).filter(|field| !matches!(field, Field::MessageId | Field::ContentType))
}

/// Whether a header of this name says something of a message.
pub(super) fn is_known(name: &str) -> bool {
    field(name).is_some()
}

/// The name TS 23.140 gives a field on MM4.
fn name_of(field: Field) -> &'static str {
    match field {
        Field::MessageId => "X-Mms-Message-ID",
        Field::ReadReport => "X-Mms-Read-Reply",
        Field::PreviouslySentDate => "X-Mms-Previously-Sent-Date-and-Time",
        other => other.name(),
    }
}

/// Encoded words may hide control characters that no interface may be handed.
fn decoded(text: &str) -> String {
    words::without_controls(&words::decode_words(text))
}

fn value(field: Field, text: &str) -> Option<HeaderValue> {
    use HeaderValue as V;
    let encoded = |text: &str| EncodedString::new(decoded(text));
    let counted = |inner: fn(Field, &str) -> Option<HeaderValue>| {
        let (count, rest) = text.split_once(',')?;
        let value = inner(field, rest.trim())?;
        Some(V::Counted(count.trim().parse().ok()?, Box::new(value)))
    };
    let token = |field: Field, text: &str| field.token_octet(text).map(V::Token);
    Some(match field.form() {
        ValueForm::Attribute => V::Attribute(HeaderName::Field(Field::from_name(text)?)),
        ValueForm::ContentType => return None,
        ValueForm::CountedAddress => {
            return counted(|_, text| {
                Some(V::Encoded(EncodedString::new(words::without_controls(
                    &address::decode(text),
                ))))
            });
        }
        ValueForm::CountedDate => return counted(|_, text| date::parse(text).map(V::Date)),
        ValueForm::Date => V::Date(date::parse(text)?),
        ValueForm::Element => {
            let (reference, params) = params::parse(text, usize::MAX);
            V::Element(params::unquote(&reference), params)
        }
        ValueForm::Encoded => V::Encoded(encoded(text)),
        ValueForm::Flag => {
            let (action, keyword) = text.split_once(',')?;
            V::Flag(field.token_octet(action.trim())?, encoded(keyword.trim()))
        }
        ValueForm::From if text.is_empty() => return None,
        ValueForm::From => V::From(Some(EncodedString::new(words::without_controls(
            &address::decode(text),
        )))),
        ValueForm::Integer | ValueForm::LongInteger => V::Integer(text.parse().ok()?),
        ValueForm::Location => counted(|_, text| Some(V::Text(decoded(text))))
            .unwrap_or_else(|| V::Text(decoded(text))),
        ValueForm::Status => return token(field, text).or_else(|| counted(token)),
        ValueForm::Text => V::Text(decoded(text)),
        ValueForm::Time => V::Time(match text.parse() {
            Ok(seconds) => Time::Relative(seconds),
            Err(_) => Time::Absolute(date::parse(text)?),
        }),
        ValueForm::Token => return token(field, text),
        ValueForm::TokenOrText => token(field, text).unwrap_or_else(|| V::Text(decoded(text))),
        ValueForm::Total => {
            let (unit, total) = text.split_once(',')?;
            V::Total(field.token_octet(unit.trim())?, total.trim().parse().ok()?)
        }
        ValueForm::Version => V::Token(version(text)?),
    })
}

fn text(field: Field, value: &HeaderValue) -> Option<String> {
    Some(match value {
        HeaderValue::Text(text) => words::encode_words(text),
        HeaderValue::Encoded(encoded) => match field {
            Field::To | Field::Cc | Field::Bcc | Field::PreviouslySentBy => {
                address::encode(&encoded.text)
            }
            _ => words::encode_words(&encoded.text),
        },
        HeaderValue::From(address) => address::encode(&address.as_ref()?.text),
        HeaderValue::Token(octet) if field.form() == ValueForm::Version => version_text(*octet),
        HeaderValue::Token(octet) => field.token_name(*octet)?.to_owned(),
        HeaderValue::Integer(number) => number.to_string(),
        HeaderValue::Date(seconds) => date::format_rfc5322(*seconds),
        HeaderValue::Time(Time::Absolute(seconds)) => date::format_http(*seconds),
        HeaderValue::Time(Time::Relative(seconds)) => seconds.to_string(),
        HeaderValue::Counted(count, inner) if !matches!(**inner, HeaderValue::Counted(..)) => {
            format!("{count}, {}", text(field, inner)?)
        }
        HeaderValue::Counted(..) | HeaderValue::Raw(_) => return None,
        HeaderValue::Flag(action, keyword) => format!(
            "{}, {}",
            field.token_name(*action)?,
            words::encode_words(&keyword.text)
        ),
        HeaderValue::Total(unit, total) => format!("{}, {total}", field.token_name(*unit)?),
        HeaderValue::Attribute(HeaderName::Field(field)) => field.name().to_owned(),
        HeaderValue::Attribute(_) => return None,
        HeaderValue::Element(reference, given) => {
            let reference = words::one_line(reference);
            let escaped = reference.replace('\\', "\\\\").replace('"', "\\\"");
            let mut line = format!("\"{escaped}\"");
            if !words::is_plain(&line) {
                return None;
            }
            for param in given {
                params::push(&param.name, &param.value, &mut line);
            }
            line
        }
    })
}

/// `1.2` as a Version-value with its top bit set; a minor of 15 means that there is none.
fn version(text: &str) -> Option<u8> {
    let (major, minor) = match text.split_once('.') {
        Some((major, minor)) => (major.parse::<u8>().ok()?, minor.parse::<u8>().ok()?),
        None => (text.parse::<u8>().ok()?, 15),
    };
    (major <= 7 && minor <= 15).then_some(0x80 | (major << 4) | minor)
}

fn version_text(octet: u8) -> String {
    let (major, minor) = ((octet >> 4) & 7, octet & 15);
    if minor == 15 {
        major.to_string()
    } else {
        format!("{major}.{minor}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(name: &str, text: &str) -> (Headers, usize) {
        let raw = RawField {
            name: name.to_owned(),
            value: text.to_owned(),
            offset: 0,
        };
        let (mut headers, mut warnings) = (Headers::new(), Vec::new());
        read(&raw, &mut headers, &mut warnings);
        (headers, warnings.len())
    }

    #[test]
    fn values_of_every_form_come_back() {
        for (name, text) in [
            ("From", "+12025550100/TYPE=PLMN"),
            ("Subject", "Hello"),
            ("Date", "Thu, 13 Jan 2022 01:18:18 +0000"),
            ("X-Mms-Message-ID", "\"id@host\""),
            ("X-Mms-MMS-Version", "1.2"),
            ("X-Mms-MMS-Version", "1"),
            ("X-Mms-Message-Type", "m-send-req"),
            ("X-Mms-Message-Class", "Personal"),
            ("X-Mms-Message-Class", "my.class"),
            ("X-Mms-Expiry", "604800"),
            ("X-Mms-Expiry", "Thu, 20 Jan 2022 00:28:02 GMT"),
            ("X-Mms-Read-Reply", "Yes"),
            ("X-Mms-Priority", "High"),
            ("X-Mms-Content-Class", "image-rich"),
            ("X-Mms-Previously-Sent-By", "1, +12025550100/TYPE=PLMN"),
            (
                "X-Mms-Previously-Sent-Date-and-Time",
                "1, Thu, 13 Jan 2022 01:18:18 +0000",
            ),
            ("X-Mms-MM-Flags", "Add, holiday"),
            ("X-Mms-Mbox-Totals", "Octets, 4096"),
            ("X-Mms-Attributes", "Subject"),
            ("X-Mms-Content-Location", "http://host/1?a=b"),
            ("X-Mms-Response-Status", "1, Ok"),
            ("X-Mms-Message-Size", "1234"),
            ("X-Mms-Element-Descriptor", "\"cid:a\"; type=image/gif"),
        ] {
            let (headers, warnings) = read_one(name, text);
            let header = headers.iter().next().unwrap();
            assert!(
                matches!(header.name, HeaderName::Field(_)),
                "{name}: {text}"
            );
            assert_eq!(warnings, 0, "{name}: {text}");
            let (written_name, written) = write(&header.name, &header.value).unwrap();
            let want = text.replace("type=image/gif", "type=\"image/gif\"");
            assert_eq!((written_name.as_str(), written), (name, want));
        }
    }

    #[test]
    fn a_value_of_another_form_stays_textual() {
        let (headers, warnings) = read_one("X-Mms-Priority", "urgent");
        assert_eq!(headers.textual("x-mms-priority"), Some("urgent"));
        assert_eq!(warnings, 1);
        let (headers, warnings) = read_one("X-Mms-Message-Type", "MM4_forward.REQ");
        assert_eq!(
            headers.textual("X-Mms-Message-Type"),
            Some("MM4_forward.REQ")
        );
        assert_eq!(warnings, 0);
    }

    #[test]
    fn two_message_ids_are_kept_apart() {
        let (headers, _) = read_one("Message-ID", "<a@b>");
        assert_eq!(headers.textual("Message-ID"), Some("<a@b>"));
        assert_eq!(headers.get(Field::MessageId), None);
        let (headers, _) = read_one("X-Mms-Message-Id", "c");
        assert_eq!(headers.text(Field::MessageId), Some("c"));
    }

    #[test]
    fn what_mime_cannot_say_is_left_out() {
        let from = HeaderName::Field(Field::From);
        assert_eq!(write(&from, &HeaderValue::From(None)), None);
        let unknown = HeaderName::Unknown(0x70);
        assert_eq!(write(&unknown, &HeaderValue::Token(0x80)), None);
        let priority = HeaderName::Field(Field::Priority);
        assert_eq!(write(&priority, &HeaderValue::Token(0xFE)), None);
    }
}

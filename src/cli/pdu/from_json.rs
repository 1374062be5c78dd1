//! Building a PDU from its JSON form.

use std::path::Path;

use bytes::Bytes;

use super::json::{DispositionJson, Document, HeaderJson, ParamJson, PartJson};
use super::values;
use crate::Limits;
use crate::cli::io::read_input;
use crate::cli::{CliError, Exit};
use crate::mms::charset;
use crate::mms::message::{Body, Disposition, DispositionKind, PartHeader, trim_brackets};
use crate::mms::pdu::{self, Pdu, PduType};
use crate::mms::{
    ContentType, EncodeError, Field, Header, HeaderName, HeaderValue, Headers, Param, Part,
    multipart,
};

/// The octets that the JSON `text` describes; part files are in `folder`.
///
/// # Errors
/// [`Exit::Undecodable`] where the JSON is malformed or describes no message, and those of
/// reading a part file.
pub(super) fn encode(
    text: &[u8],
    folder: &Path,
    partial: bool,
    limits: &Limits,
) -> Result<Vec<u8>, CliError> {
    let document: Document = serde_json::from_slice(text).map_err(|error| {
        let at = offset(text, error.line(), error.column());
        let error = error.to_string();
        let what = error.split(" at line ").next().unwrap_or_default();
        wrong(format!("JSON: {what}")).at(at)
    })?;
    match document.kind.as_deref().unwrap_or("mm1") {
        "mm1" => {
            let pdu = pdu(&document, folder, limits)?;
            let write = if partial {
                pdu::encode_partial
            } else {
                pdu::encode
            };
            write(&pdu).map_err(|error| refused(&error))
        }
        "multipart" => {
            let parts = parts(&document, folder, limits)?;
            multipart::encode(&parts).map_err(|error| refused(&error))
        }
        kind => Err(wrong(format!(
            "kind {kind:?} is not built from JSON, only \"mm1\" and \"multipart\""
        ))),
    }
}

fn pdu(document: &Document, folder: &Path, limits: &Limits) -> Result<Pdu, CliError> {
    let name = document
        .pdu
        .as_deref()
        .ok_or_else(|| wrong("pdu is missing"))?;
    let pdu_type = PduType::from_name(name).ok_or_else(|| {
        wrong(format!(
            "pdu {name:?} is not one of m-send-req, m-send-conf, …"
        ))
    })?;
    let mut headers = headers(&document.headers)?;
    let version = document.version.as_deref();
    match (headers.get(Field::MmsVersion), version) {
        (Some(HeaderValue::Token(octet)), Some(version)) => {
            let same = values::version(&version.into()) == Ok(HeaderValue::Token(*octet));
            if !same {
                return Err(wrong("version and X-Mms-MMS-Version differ"));
            }
        }
        (Some(_), _) => {}
        (None, version) => {
            let value = values::version(&version.unwrap_or("1.2").into());
            let value = value.map_err(|want| wrong(format!("version is not {want}")))?;
            headers = with_version(headers, value);
        }
    }
    let body = match &document.content_type {
        Some(media) => Some(body(document, media, folder, limits)?),
        None if document.parts.is_empty() => None,
        None => return Err(wrong("content_type is missing, but there are parts")),
    };
    Ok(Pdu {
        pdu_type,
        headers,
        body,
    })
}

/// The headers with a version behind X-Mms-Transaction-Id, where it stands on the wire.
fn with_version(headers: Headers, value: HeaderValue) -> Headers {
    let mut list: Vec<Header> = headers.iter().cloned().collect();
    let transaction = HeaderName::Field(Field::TransactionId);
    let at = usize::from(
        list.first()
            .is_some_and(|header| header.name == transaction),
    );
    let name = HeaderName::Field(Field::MmsVersion);
    list.insert(at, Header { name, value });
    Headers::from(list)
}

fn headers(list: &[HeaderJson]) -> Result<Headers, CliError> {
    list.iter()
        .map(|header| {
            let name = if header.textual {
                HeaderName::Text(header.name.clone())
            } else {
                values::header_name(&header.name)
            };
            let value = values::from_json(&name, &header.value, header.charset.as_deref());
            let value = value.map_err(|want| wrong(format!("{} is not {want}", header.name)))?;
            Ok(Header { name, value })
        })
        .collect()
}

fn body(
    document: &Document,
    media: &str,
    folder: &Path,
    limits: &Limits,
) -> Result<Body, CliError> {
    let mut content_type = content_type(media, &document.content_type_params)?;
    if let Some(start) = &document.start
        && content_type.param("start") != Some(start)
    {
        content_type.set_param("start", start);
    }
    let mut parts = parts(document, folder, limits)?;
    if !content_type.is_multipart()
        && let [part] = parts.as_mut_slice()
        && part.content_type.is(content_type.media())
    {
        content_type = part.content_type.clone();
    }
    Ok(Body {
        content_type,
        parts,
    })
}

fn parts(document: &Document, folder: &Path, limits: &Limits) -> Result<Vec<Part>, CliError> {
    if document.parts.len() > limits.parts {
        return Err(wrong(format!("more than {} parts", limits.parts)));
    }
    let parts = document.parts.iter().enumerate();
    parts
        .map(|(index, json)| part(json, index, folder, limits))
        .collect()
}

fn part(json: &PartJson, index: usize, folder: &Path, limits: &Limits) -> Result<Part, CliError> {
    let mut content_type = content_type(&json.media, &json.params)?;
    if let Some(charset) = &json.charset
        && content_type.charset() != Some(charset)
    {
        content_type.set_param("charset", charset);
    }
    let data = match (&json.file, &json.text) {
        (Some(file), None) => read_input(&folder.join(file), limits.message_bytes)?,
        (None, Some(text)) => text_data(text, &mut content_type, index)?,
        (None, None) if json.bytes == Some(0) => Bytes::new(),
        _ => return Err(wrong(format!("part {index} needs either file or text"))),
    };
    let mut part = Part::new(content_type, data);
    part.content_id = json
        .content_id
        .as_deref()
        .map(|id| trim_brackets(id).to_owned());
    part.content_location.clone_from(&json.content_location);
    part.disposition = json.disposition.as_ref().map(disposition);
    part.other = json
        .headers
        .iter()
        .map(part_header)
        .collect::<Result<_, _>>()?;
    if let Some(name) = &json.name
        && part.name() != Some(name)
    {
        part.content_type.set_param("name", name);
    }
    Ok(part)
}

/// Text in the charset of its type, which is UTF-8 where the type names none.
fn text_data(text: &str, content_type: &mut ContentType, index: usize) -> Result<Bytes, CliError> {
    if content_type.charset().is_none() && content_type.is_kind("text") {
        content_type.set_param("charset", "utf-8");
    }
    let name = content_type.charset().unwrap_or("utf-8");
    charset::mib(name)
        .and_then(|mib| charset::encode(mib, text))
        .map(Bytes::from)
        .ok_or_else(|| {
            wrong(format!(
                "the text of part {index} cannot be coded in {name}"
            ))
        })
}

fn content_type(media: &str, params: &[ParamJson]) -> Result<ContentType, CliError> {
    if media.contains(';') {
        return Err(wrong(format!("{media:?}: parameters belong into params")));
    }
    let mut content_type = ContentType::new(media);
    for param in params {
        content_type.push_param(&param.name, param.value.clone());
    }
    Ok(content_type)
}

fn disposition(json: &DispositionJson) -> Disposition {
    Disposition {
        kind: match json.kind.as_str() {
            "attachment" => DispositionKind::Attachment,
            "form-data" => DispositionKind::FormData,
            "inline" => DispositionKind::Inline,
            other => DispositionKind::Other(other.to_owned()),
        },
        filename: json.filename.clone(),
        params: json
            .params
            .iter()
            .map(|param| Param {
                name: param.name.clone(),
                value: param.value.clone(),
            })
            .collect(),
    }
}

fn part_header(json: &HeaderJson) -> Result<PartHeader, CliError> {
    let name = json.name.clone();
    let header = match json.code {
        Some(code) => values::well_known(&json.value)
            .filter(|_| code < 0x80)
            .map(|value| PartHeader::WellKnown { code, value }),
        None => json.value.as_str().map(|value| PartHeader::Text {
            name: name.clone(),
            value: value.to_owned(),
        }),
    };
    header.ok_or_else(|| {
        wrong(format!(
            "{name} is not a string, a number or octets of its code"
        ))
    })
}

fn wrong(message: impl Into<String>) -> CliError {
    CliError::new(Exit::Undecodable, message)
}

fn refused(error: &EncodeError) -> CliError {
    wrong(error.to_string())
}

/// The octet at a line and a column, both from 1.
fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let lines = text.split_inclusive(|octet| *octet == b'\n');
    let before: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    before
        .saturating_add(column.saturating_sub(1))
        .min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(json: &str) -> Result<Vec<u8>, CliError> {
        encode(
            json.as_bytes(),
            Path::new("/nowhere"),
            false,
            &Limits::default(),
        )
    }

    #[test]
    fn a_description_becomes_a_pdu() {
        let octets = build(
            r#"{ "pdu": "m-send-req", "headers": [
                { "name": "X-Mms-Transaction-Id", "value": "1" },
                { "name": "From", "value": null },
                { "name": "To", "value": "a@b" } ],
              "content_type": "application/vnd.wap.multipart.mixed",
              "parts": [ { "type": "text/plain", "text": "é", "content_id": "<t>" } ] }"#,
        );
        let want = b"\x8C\x80\x981\0\x8D\x92\x89\x01\x81\x97a@b\0\x84\xA3\
            \x01\x0A\x02\x03\x83\x81\xEA\xC0\"<t>\0\xC3\xA9";
        assert_eq!(octets.unwrap(), want);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (json, message) in [
            ("{", "JSON: EOF"),
            ("{\"pdx\": 1}", "JSON: unknown field `pdx`"),
            ("{}", "pdu is missing"),
            (r#"{"pdu": "m-x"}"#, "pdu \"m-x\" is not one of"),
            (r#"{"kind": "push"}"#, "kind \"push\""),
            (
                r#"{"pdu": "m-send-conf"}"#,
                "m-send-conf needs X-Mms-Transaction-Id",
            ),
            (
                r#"{"pdu": "m-send-conf", "version": "x"}"#,
                "version is not a version",
            ),
            (
                r#"{"pdu": "m-send-conf", "headers": [{"name": "Date", "value": "x"}]}"#,
                "Date is not a whole number",
            ),
            (
                r#"{"kind": "multipart", "parts": [{"type": "a/b"}]}"#,
                "part 0 needs either file or text",
            ),
            (
                r#"{"kind": "multipart", "parts": [{"type": "a/b; c=d", "text": ""}]}"#,
                "\"a/b; c=d\": parameters",
            ),
        ] {
            let error = build(json).unwrap_err();
            assert_eq!(error.exit, Exit::Undecodable, "{json}");
            assert!(
                error.message.starts_with(message),
                "{json}: {}",
                error.message
            );
        }
        assert_eq!(build("{\n \"pdu\": 1}").unwrap_err().offset, Some(10));
        let missing = build(r#"{"kind": "multipart", "parts": [{"type": "a/b", "file": "x"}]}"#);
        assert_eq!(missing.unwrap_err().exit, Exit::Internal);
    }
}

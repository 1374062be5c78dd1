//! The JSON form of a message: what `pdu decode --json` prints and `pdu encode` reads.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::read::Input;
use super::values;
use crate::mms::message::{Body, DispositionKind, PartHeader};
use crate::mms::pdu::Pdu;
use crate::mms::push::Push;
use crate::mms::wsp::{Reader, header_name};
use crate::mms::{ContentType, Header, HeaderName, Headers, Part, Warning};

/// A message.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) pdu: Option<String>,
    #[serde(default)]
    pub(super) version: Option<String>,
    #[serde(default)]
    pub(super) headers: Vec<HeaderJson>,
    #[serde(default)]
    pub(super) content_type: Option<String>,
    /// All parameters of the body's type, `start` among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) content_type_params: Vec<ParamJson>,
    #[serde(default)]
    pub(super) start: Option<String>,
    #[serde(default)]
    pub(super) parts: Vec<PartJson>,
    /// The PDU inside a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) inner: Option<Box<Document>>,
    #[serde(default)]
    pub(super) warnings: Vec<WarningJson>,
}

/// A header.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderJson {
    pub(super) name: String,
    pub(super) value: Value,
    #[serde(default)]
    pub(super) charset: Option<String>,
    /// The WSP code of a part header or a push header that is written as one octet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<u8>,
    /// Set where the header has a textual name that is also the name of a field.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) textual: bool,
}

/// A parameter of a type or a disposition.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParamJson {
    pub(super) name: String,
    pub(super) value: String,
}

/// A part.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartJson {
    #[serde(default)]
    pub(super) index: Option<usize>,
    #[serde(rename = "type")]
    pub(super) media: String,
    #[serde(default)]
    pub(super) charset: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) content_id: Option<String>,
    #[serde(default)]
    pub(super) content_location: Option<String>,
    #[serde(default)]
    pub(super) bytes: Option<usize>,
    #[serde(default)]
    pub(super) sha256: Option<String>,
    /// The file with the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
    /// The data, as text in the part's charset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// All parameters of the type, `charset` and `name` among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) params: Vec<ParamJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) disposition: Option<DispositionJson>,
    /// Headers that have no field of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) headers: Vec<HeaderJson>,
}

/// A Content-Disposition.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DispositionJson {
    pub(super) kind: String,
    #[serde(default)]
    pub(super) filename: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) params: Vec<ParamJson>,
}

/// A deviation that was tolerated.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WarningJson {
    pub(super) offset: usize,
    pub(super) message: String,
}

/// The JSON form of an input whose parts are in `files`, if they were written.
pub(super) fn document(input: &Input, warnings: &[Warning], files: &[String]) -> Document {
    let mut document = match input {
        Input::Pdu(pdu) => pdu_document(pdu, files),
        Input::Push(push, pdu) => Document {
            headers: push_headers(push),
            content_type: Some(push.content_type.media().to_owned()),
            content_type_params: params(&push.content_type),
            inner: Some(Box::new(pdu_document(pdu, files))),
            ..empty("push")
        },
        Input::Multipart(parts) => Document {
            content_type: Some("application/vnd.wap.multipart.mixed".to_owned()),
            parts: part_list(parts, files),
            ..empty("multipart")
        },
        Input::Mime(message) => Document {
            headers: header_list(&message.headers),
            ..with_body(empty("mime"), &message.body, files)
        },
    };
    document.warnings = warnings
        .iter()
        .map(|warning| WarningJson {
            offset: warning.offset,
            message: warning.message.clone(),
        })
        .collect();
    document
}

/// The head of a push as headers with the names of the WSP table.
pub(super) fn push_headers(push: &Push) -> Vec<HeaderJson> {
    push.headers.iter().map(part_header).collect()
}

fn pdu_document(pdu: &Pdu, files: &[String]) -> Document {
    let document = Document {
        pdu: Some(pdu.pdu_type.name().to_owned()),
        version: pdu.version(),
        headers: header_list(&pdu.headers),
        ..empty("mm1")
    };
    match &pdu.body {
        Some(body) => with_body(document, body, files),
        None => document,
    }
}

fn empty(kind: &str) -> Document {
    Document {
        kind: Some(kind.to_owned()),
        pdu: None,
        version: None,
        headers: Vec::new(),
        content_type: None,
        content_type_params: Vec::new(),
        start: None,
        parts: Vec::new(),
        inner: None,
        warnings: Vec::new(),
    }
}

fn with_body(document: Document, body: &Body, files: &[String]) -> Document {
    Document {
        content_type: Some(body.content_type.media().to_owned()),
        content_type_params: params(&body.content_type),
        start: body.content_type.param("start").map(str::to_owned),
        parts: part_list(&body.parts, files),
        ..document
    }
}

fn header_list(headers: &Headers) -> Vec<HeaderJson> {
    headers
        .iter()
        .map(|Header { name, value }| HeaderJson {
            name: name.as_text().into_owned(),
            value: values::to_json(name, value),
            charset: values::charset(value),
            code: None,
            textual: matches!(name, HeaderName::Text(text) if values::header_name(text) != *name),
        })
        .collect()
}

fn part_list(parts: &[Part], files: &[String]) -> Vec<PartJson> {
    let mut files = files.iter();
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| PartJson {
            index: Some(index),
            media: part.content_type.media().to_owned(),
            charset: part.content_type.charset().map(str::to_owned),
            name: part.name().map(str::to_owned),
            content_id: part.content_id.as_ref().map(|id| format!("<{id}>")),
            content_location: part.content_location.clone(),
            bytes: Some(part.data.len()),
            sha256: Some(values::hex(&Sha256::digest(&part.data))),
            file: files.next().cloned(),
            text: None,
            params: params(&part.content_type),
            disposition: part
                .disposition
                .as_ref()
                .map(|disposition| DispositionJson {
                    kind: disposition_name(&disposition.kind).to_owned(),
                    filename: disposition.filename.clone(),
                    params: param_list(&disposition.params),
                }),
            headers: part.other.iter().map(part_header).collect(),
        })
        .collect()
}

fn params(content_type: &ContentType) -> Vec<ParamJson> {
    param_list(content_type.params())
}

fn param_list(params: &[crate::mms::Param]) -> Vec<ParamJson> {
    params
        .iter()
        .map(|param| ParamJson {
            name: param.name.clone(),
            value: param.value.clone(),
        })
        .collect()
}

fn disposition_name(kind: &DispositionKind) -> &str {
    match kind {
        DispositionKind::Attachment => "attachment",
        DispositionKind::FormData => "form-data",
        DispositionKind::Inline => "inline",
        DispositionKind::Other(kind) => kind,
    }
}

/// A well-known header by the name of its code; the value is a number or a text where its octets
/// are those of one, and else the octets in hexadecimal.
fn part_header(header: &PartHeader) -> HeaderJson {
    let (name, value, code) = match header {
        PartHeader::Text { name, value } => (name.clone(), Value::from(value.as_str()), None),
        PartHeader::WellKnown { code, value } => {
            let name =
                header_name(*code).map_or_else(|| values::unknown_name(*code), str::to_owned);
            (name, well_known(value), Some(*code))
        }
    };
    HeaderJson {
        name,
        value,
        charset: None,
        code,
        textual: false,
    }
}

fn well_known(octets: &[u8]) -> Value {
    let mut reader = Reader::new(octets);
    let value = match reader.clone().integer("a header") {
        Ok(number) => Value::from(number),
        Err(_) => Value::from(String::from_utf8_lossy(reader.open_text().0)),
    };
    match values::well_known(&value) {
        Some(written) if written == octets => value,
        _ => values::raw(octets),
    }
}

//! Generated PDUs of all types, for property tests.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use remold::mms::header::ValueForm;
use remold::mms::message::{Disposition, DispositionKind, PartHeader};
use remold::mms::pdu::{Pdu, PduType};
use remold::mms::{
    Body, ContentType, EncodedString, Field, Header, HeaderName, HeaderValue, Headers, Param, Part,
    Time,
};

/// What texts are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Texts {
    /// Letters, digits and the marks of addresses, at least one, in plain coding or UTF-8.
    Simple,
    /// Anything that has a coding, in any charset, and headers that no version defines.
    Any,
}

/// A PDU that can be encoded: mandatory headers, some optional ones, a body where one is allowed.
pub(crate) fn pdu(texts: Texts) -> impl Strategy<Value = Pdu> {
    select(PduType::ALL.to_vec()).prop_flat_map(move |pdu_type| pdu_of(pdu_type, texts))
}

/// A PDU of one type.
pub(crate) fn pdu_of(pdu_type: PduType, texts: Texts) -> impl Strategy<Value = Pdu> {
    let mut first: Vec<BoxedStrategy<Header>> = Vec::new();
    if pdu_type.mandatory().contains(&Field::TransactionId) {
        first.push(header(Field::TransactionId, texts));
    }
    first.push(header(Field::MmsVersion, texts));
    for field in pdu_type.mandatory() {
        if *field != Field::TransactionId {
            first.push(header(*field, texts));
        }
    }
    if pdu_type.needs_recipient() {
        first.push(header(Field::To, texts));
    }
    let fixed = [
        Field::TransactionId,
        Field::MmsVersion,
        Field::MessageType,
        Field::ContentType,
        Field::Content,
        Field::AdditionalHeaders,
    ];
    let optional: Vec<Field> = Field::ALL
        .into_iter()
        .filter(|field| !fixed.contains(field))
        .collect();
    let known = select(optional)
        .prop_flat_map(move |field| header(field, texts))
        .boxed();
    let others = if texts == Texts::Any {
        prop_oneof![8 => known, 1 => unknown_header(), 1 => textual_header()].boxed()
    } else {
        known
    };
    let body = match pdu_type {
        PduType::SendReq
        | PduType::RetrieveConf
        | PduType::MboxViewConf
        | PduType::MboxUploadReq => body(texts).prop_map(Some).boxed(),
        PduType::MboxDescr => option::of(body(texts)).boxed(),
        _ => Just(None).boxed(),
    };
    (first, vec(others, 0..8), body).prop_map(move |(first, others, body)| Pdu {
        pdu_type,
        headers: first.into_iter().chain(others).collect::<Headers>(),
        body,
    })
}

/// A body of parts, or of one medium.
pub(crate) fn body(texts: Texts) -> impl Strategy<Value = Body> {
    let multipart = select(vec![
        "application/vnd.wap.multipart.mixed",
        "application/vnd.wap.multipart.related",
        "application/vnd.wap.multipart.alternative",
    ]);
    let parameters = option::of((text(texts), text(texts)));
    prop_oneof![
        1 => part(texts).prop_map(|part| Body::single(Part::new(part.content_type, part.data))),
        4 => (multipart, parameters, vec(part(texts), 0..5)).prop_map(
            |(media, parameters, parts)| {
                let mut content_type = ContentType::new(media);
                if let Some((start, kind)) = parameters {
                    content_type.set_param("start", format!("<{start}>"));
                    content_type.set_param("type", format!("application/{}", token(&kind)));
                }
                Body { content_type, parts }
            }
        ),
    ]
}

fn part(texts: Texts) -> impl Strategy<Value = Part> {
    let names = (
        option::of(text(texts)),
        option::of(text(texts)),
        option::of(text(texts)),
    );
    let disposition = (0..4_u8, option::of(text(texts))).prop_map(|(kind, filename)| Disposition {
        kind: match kind {
            0 => DispositionKind::Attachment,
            1 => DispositionKind::FormData,
            2 => DispositionKind::Inline,
            _ => DispositionKind::Other("x-mine".to_owned()),
        },
        filename,
        params: Vec::new(),
    });
    let other = match texts {
        Texts::Simple => Just(Vec::new()).boxed(),
        Texts::Any => vec(part_header(), 0..3).boxed(),
    };
    // The independent decoder takes exception to a text of no octets.
    let shortest = usize::from(texts == Texts::Simple);
    let data = vec(any::<u8>(), shortest..200).prop_map(Bytes::from);
    (
        part_type(texts),
        names,
        option::of(disposition),
        other,
        data,
    )
        .prop_map(
            move |(content_type, (name, id, location), disposition, other, data)| {
                let is_smil = content_type.is("application/smil");
                let data = match texts {
                    // A reader that opens the data would be right to complain about others.
                    Texts::Simple if is_smil => Bytes::from_static(b"<smil></smil>"),
                    _ => data,
                };
                let mut part = Part::new(content_type, data);
                if let Some(name) = name {
                    part.content_type.set_param("name", name);
                }
                part.content_id = id.map(|id| id.trim_matches(['<', '>', ' ']).to_owned());
                part.content_location = location;
                part.disposition = disposition;
                part.other = other;
                part
            },
        )
}

fn part_type(texts: Texts) -> impl Strategy<Value = ContentType> {
    let mut media = vec![
        "text/plain",
        "application/smil",
        "audio/amr",
        "text/x-vCard",
        "application/octet-stream",
    ];
    if texts == Texts::Any {
        media.extend(["image/jpeg", "image/gif", "video/3gpp"]);
    }
    let media = select(media);
    let charset = option::of(select(vec!["utf-8", "us-ascii", "utf-16", "big5"]));
    let own = match texts {
        Texts::Simple => Just(None).boxed(),
        Texts::Any => option::of(text(texts)).boxed(),
    };
    (media, charset, own).prop_map(|(media, charset, own)| {
        let mut content_type = ContentType::new(media);
        if let Some(charset) = charset {
            content_type.set_param("charset", charset);
        }
        if let Some(own) = own {
            content_type.set_param("x-own", own);
        }
        content_type
    })
}

fn part_header() -> impl Strategy<Value = PartHeader> {
    prop_oneof![
        text(Texts::Any).prop_map(|value| PartHeader::Text {
            name: "X-Mine".to_owned(),
            value
        }),
        raw().prop_map(|value| PartHeader::WellKnown { code: 0x30, value }),
    ]
}

fn header(field: Field, texts: Texts) -> BoxedStrategy<Header> {
    let name = HeaderName::Field(field);
    value(field, texts)
        .prop_map(move |value| Header {
            name: name.clone(),
            value,
        })
        .boxed()
}

fn unknown_header() -> impl Strategy<Value = Header> {
    (0x40..0x80_u8, raw()).prop_map(|(code, octets)| Header {
        name: HeaderName::Unknown(code),
        value: HeaderValue::Raw(octets),
    })
}

fn textual_header() -> impl Strategy<Value = Header> {
    ("X-[A-Za-z0-9-]{1,12}", text(Texts::Any)).prop_map(|(name, text)| Header {
        name: HeaderName::Text(name),
        value: HeaderValue::Text(text),
    })
}

/// The octets of one value of any form.
fn raw() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        (0x80..=0xFF_u8).prop_map(|octet| vec![octet]),
        vec(any::<u8>(), 0..=30).prop_map(|data| {
            let len = u8::try_from(data.len()).expect("at most 30");
            [vec![len], data].concat()
        }),
        "[ -~]{1,20}".prop_map(|text| [text.as_bytes(), &[0]].concat()),
    ]
    .prop_map(Bytes::from)
}

fn value(field: Field, texts: Texts) -> BoxedStrategy<HeaderValue> {
    let token = match field.tokens() {
        [] => (0x90..=0x93_u8).boxed(),
        tokens => select(tokens.iter().map(|(octet, _)| *octet).collect::<Vec<_>>()).boxed(),
    };
    let number = match texts {
        Texts::Simple => (0..=u64::from(u32::MAX)).boxed(),
        Texts::Any => any::<u64>().boxed(),
    };
    let date = match texts {
        // What a signed counter of 32 bits holds is a date to every reader.
        Texts::Simple => (0..0x7FFF_FFFF_u64).boxed(),
        Texts::Any => any::<u64>().boxed(),
    };
    let count = 0..300_u64;
    match field.form() {
        ValueForm::Token | ValueForm::Status | ValueForm::Version => {
            token.prop_map(HeaderValue::Token).boxed()
        }
        ValueForm::TokenOrText => prop_oneof![
            token.prop_map(HeaderValue::Token),
            text(texts).prop_map(|text| HeaderValue::Text(super::generate::token(&text))),
        ]
        .boxed(),
        ValueForm::Text | ValueForm::Location => text(texts).prop_map(HeaderValue::Text).boxed(),
        ValueForm::Encoded => encoded(texts).prop_map(HeaderValue::Encoded).boxed(),
        ValueForm::From => option::of(encoded(texts))
            .prop_map(HeaderValue::From)
            .boxed(),
        ValueForm::Integer | ValueForm::LongInteger => {
            number.prop_map(HeaderValue::Integer).boxed()
        }
        ValueForm::Date => date.prop_map(HeaderValue::Date).boxed(),
        ValueForm::Time => prop_oneof![
            date.clone().prop_map(Time::Absolute),
            date.prop_map(Time::Relative),
        ]
        .prop_map(HeaderValue::Time)
        .boxed(),
        ValueForm::CountedAddress => (count, encoded(texts))
            .prop_map(|(count, text)| {
                HeaderValue::Counted(count, Box::new(HeaderValue::Encoded(text)))
            })
            .boxed(),
        ValueForm::CountedDate => (count, date)
            .prop_map(|(count, date)| {
                HeaderValue::Counted(count, Box::new(HeaderValue::Date(date)))
            })
            .boxed(),
        ValueForm::Flag => (token, encoded(texts))
            .prop_map(|(flag, text)| HeaderValue::Flag(flag, text))
            .boxed(),
        ValueForm::Total => (token, number)
            .prop_map(|(unit, number)| HeaderValue::Total(unit, number))
            .boxed(),
        ValueForm::Attribute => select(Field::ALL.to_vec())
            .prop_map(|field| HeaderValue::Attribute(HeaderName::Field(field)))
            .boxed(),
        ValueForm::Element => (text(texts), option::of(text(texts)))
            .prop_map(|(reference, kind)| {
                let param = kind.map(|kind| Param {
                    name: "type".to_owned(),
                    value: format!("application/{}", super::generate::token(&kind)),
                });
                HeaderValue::Element(reference, param.into_iter().collect())
            })
            .boxed(),
        ValueForm::ContentType => unreachable!("Content-Type belongs to the body"),
    }
}

fn encoded(texts: Texts) -> BoxedStrategy<EncodedString> {
    let ascii = match texts {
        Texts::Simple => text(texts),
        Texts::Any => "[ -~]{0,40}".boxed(),
    };
    let plain = (ascii, select(vec![None, Some(106), Some(3)]))
        .prop_map(|(text, charset)| EncodedString { text, charset });
    if texts == Texts::Simple {
        return plain.boxed();
    }
    let of = |charset: u32, text: BoxedStrategy<String>| {
        text.prop_map(move |text| EncodedString {
            text,
            charset: Some(charset),
        })
    };
    prop_oneof![
        4 => plain,
        2 => of(106, text(Texts::Any)),
        1 => of(1015, text(Texts::Any)),
        1 => of(1013, text(Texts::Any)),
        1 => of(4, "[ -~\u{A0}-\u{FF}]{0,20}".boxed()),
        1 => of(2251, "[ -~а-я]{0,20}".boxed()),
        1 => of(9999, "[ -~\u{80}-\u{FF}]{0,20}".boxed()),
    ]
    .boxed()
}

fn text(texts: Texts) -> BoxedStrategy<String> {
    match texts {
        Texts::Simple => "[A-Za-z0-9+][A-Za-z0-9+@./_-]{0,30}".boxed(),
        // Without what a text cannot hold, and without a mark in front that reads as the order
        // of octets.
        Texts::Any => prop_oneof![
            2 => "[ -~]{0,40}",
            1 => "[ -~äöüéλжあ漢😀]{0,20}",
            1 => "\\PC{0,12}",
        ]
        .prop_map(|text| text.trim_start_matches('\u{FEFF}').to_owned())
        .boxed(),
    }
}

/// The characters of a text that may stand in a token.
fn token(text: &str) -> String {
    let token: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    if token.is_empty() {
        "x".to_owned()
    } else {
        token
    }
}

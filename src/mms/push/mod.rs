//! WAP push: how a relay's notifications reach a phone (WAP-235-PushOTA, WAP-230-WSP section
//! 8.2.4.1), and the short messages that carry them (3GPP TS 23.040).

mod sms;
mod udh;

pub use sms::{SmsDeliver, read_hex, read_tpdu};
pub use udh::{Concatenation, MMS_PORT, Ports, Segment, Udh, WAP_PORT, reassemble, segment};

use bytes::Bytes;

use super::content_type::ContentType;
use super::error::{DecodeError, DecodeErrorKind, Decoded, EncodeError};
use super::message::PartHeader;
use super::multipart::over;
use super::pdu::{MEDIA_TYPE, Pdu};
use super::wsp::{
    Notes, Reader, Value, Writer, is_token_text, plain_text, read_content_type, write_content_type,
};
use crate::Limits;

/// The PDU type of a WSP push.
const PUSH: u8 = 0x06;
/// X-Wap-Application-Id.
const APPLICATION_ID: u8 = 0x2F;
/// `x-wap-application:mms.ua`.
const MMS_USER_AGENT: u64 = 4;

/// A connectionless WSP push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The transaction, which nothing answers.
    pub tid: u8,
    /// What the body is.
    pub content_type: ContentType,
    /// The other headers in their order.
    pub headers: Vec<PartHeader>,
    /// The body, a view into the input.
    pub body: Bytes,
    /// Octet of the input at which the body begins.
    pub body_offset: usize,
}

impl Push {
    /// X-Wap-Application-Id: its code, or its name where it is text.
    #[must_use]
    pub fn application(&self) -> Option<Result<u64, String>> {
        self.headers.iter().find_map(|header| match header {
            PartHeader::WellKnown { code, value } if *code == APPLICATION_ID => {
                let mut reader = Reader::new(value);
                match reader.clone().integer("X-Wap-Application-Id") {
                    Ok(code) => Some(Ok(code)),
                    Err(_) => {
                        let text = reader.open_text().0;
                        Some(Err(plain_text(text, 0, &mut Notes::new())))
                    }
                }
            }
            PartHeader::Text { name, value }
                if name.eq_ignore_ascii_case("X-Wap-Application-Id") =>
            {
                Some(value.parse().map_err(|_| value.clone()))
            }
            _ => None,
        })
    }

    /// Whether this push is for the MMS client: its type is an MMS PDU and its application, where
    /// it names one, is the MMS user agent.
    ///
    /// # Errors
    /// [`DecodeErrorKind::PushContent`] or [`DecodeErrorKind::PushApplication`].
    pub fn check_mms(&self) -> Result<(), DecodeError> {
        if !self.content_type.is(MEDIA_TYPE) {
            let kind = DecodeErrorKind::PushContent(self.content_type.media().to_owned());
            return Err(DecodeError::new(2, kind));
        }
        let other = match self.application() {
            None | Some(Ok(MMS_USER_AGENT)) => return Ok(()),
            Some(Ok(code)) => code.to_string(),
            Some(Err(name)) if is_mms_application(&name) => return Ok(()),
            Some(Err(name)) => name,
        };
        Err(DecodeError::new(2, DecodeErrorKind::PushApplication(other)))
    }
}

/// Reads a push of any content, without a user data header in front.
///
/// # Errors
/// Where the octets are no push, or a bound of `limits` is passed.
pub fn unwrap(input: &Bytes, limits: &Limits) -> Result<Decoded<Push>, DecodeError> {
    if input.is_empty() {
        return Err(DecodeError::new(0, DecodeErrorKind::Empty));
    }
    if input.len() > limits.message_bytes {
        return Err(over("octets", limits.message_bytes, limits.message_bytes));
    }
    let mut notes = Notes::new();
    let mut reader = Reader::new(input);
    let tid = reader.octet("a push")?;
    let pdu_type = reader.octet("a push")?;
    if pdu_type != PUSH {
        return Err(DecodeError::new(1, DecodeErrorKind::PushType(pdu_type)));
    }
    let len = reader.length("the headers of a push")?;
    let mut head = reader.split(len, "the headers of a push")?;
    let content_type = read_content_type(&mut head, &mut notes)?;
    let mut headers = Vec::new();
    while !head.is_empty() {
        if headers.len() >= limits.headers {
            return Err(over("headers", limits.headers, head.offset()));
        }
        headers.push(read_header(input, &mut head, &mut notes)?);
    }
    let body_offset = reader.offset();
    Ok(Decoded {
        value: Push {
            tid,
            content_type,
            headers,
            body: input.slice(body_offset..),
            body_offset,
        },
        warnings: notes.into_warnings(),
    })
}

/// Reads the MMS PDU that a push carries.
///
/// # Errors
/// Where the push is not for the MMS client, or carries a PDU that is never pushed; and those of
/// [`unwrap`] and [`super::pdu::decode`], with offsets from the start of the push.
pub fn decode(input: &Bytes, limits: &Limits) -> Result<Decoded<(Push, Pdu)>, DecodeError> {
    let Decoded {
        value: push,
        mut warnings,
    } = unwrap(input, limits)?;
    push.check_mms()?;
    let at = push.body_offset;
    let inner = super::pdu::decode(&push.body, limits).map_err(|error| error.shifted(at))?;
    if !inner.value.pdu_type.is_pushed() {
        let kind = DecodeErrorKind::NotPushed(inner.value.pdu_type.name());
        return Err(DecodeError::new(at, kind));
    }
    warnings.extend(inner.warnings.into_iter().map(|mut warning| {
        warning.offset = warning.offset.saturating_add(at);
        warning
    }));
    Ok(Decoded {
        value: (push, inner.value),
        warnings,
    })
}

/// A push of an encoded PDU with the shortest head that all phones take.
#[must_use]
pub fn wrap(tid: u8, pdu: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(pdu.len().saturating_add(6));
    octets.extend_from_slice(&[tid, PUSH, 3, 0xBE, 0xAF, 0x84]);
    octets.extend_from_slice(pdu);
    octets
}

/// The octets of a push as it is.
///
/// # Errors
/// Where a header has no coding.
pub fn encode(push: &Push) -> Result<Vec<u8>, EncodeError> {
    let mut head = Writer::with_capacity(64);
    write_content_type(&mut head, &push.content_type)?;
    for header in &push.headers {
        match header {
            PartHeader::WellKnown { code, value } => {
                head.code(*code);
                head.octets(value);
            }
            PartHeader::Text { name, value } if is_token_text(name.as_bytes()) => {
                head.text(name, name)?;
                head.text(value, name)?;
            }
            PartHeader::Text { name, .. } => {
                return Err(EncodeError::BadText { what: name.clone() });
            }
        }
    }
    let head = head.into_octets();
    let mut writer = Writer::with_capacity(head.len().saturating_add(push.body.len()));
    writer.octets(&[push.tid, PUSH]);
    writer.length(head.len(), "the headers of a push")?;
    writer.octets(&head);
    writer.octets(&push.body);
    Ok(writer.into_octets())
}

/// Whether octets look like a push, with or without a user data header for port 2948 in front.
#[must_use]
pub fn looks_like(octets: &[u8]) -> bool {
    let octets = match Udh::read(octets) {
        Ok((udh, payload)) if udh.is_mms() => payload,
        _ => octets,
    };
    let mut reader = Reader::new(octets);
    let begins = reader.octet("a push").is_ok() && reader.octet("a push") == Ok(PUSH);
    let head = reader
        .length("a head")
        .and_then(|len| reader.split(len, "a head"));
    let media = head.and_then(|mut head| read_content_type(&mut head, &mut Notes::new()));
    begins && media.is_ok_and(|content_type| content_type.media().contains('/'))
}

fn is_mms_application(name: &str) -> bool {
    let name = name.rsplit(':').next().unwrap_or(name);
    name.eq_ignore_ascii_case("mms.ua") || name == "4"
}

fn read_header(
    input: &Bytes,
    head: &mut Reader<'_>,
    notes: &mut Notes,
) -> Result<PartHeader, DecodeError> {
    let start = head.offset();
    match head.value("a push header")? {
        Value::Short(octet) => {
            let at = head.offset();
            head.value("a push header")?;
            Ok(PartHeader::WellKnown {
                code: octet & 0x7F,
                value: input.slice(at..head.offset()),
            })
        }
        Value::Text(name) if is_token_text(name) => {
            let name = plain_text(name, start, notes);
            let at = head.offset();
            let (text, _) = head.open_text();
            Ok(PartHeader::Text {
                name,
                value: plain_text(text, at, notes),
            })
        }
        Value::Text(_) | Value::Data(_) => {
            let kind = DecodeErrorKind::Malformed("a push header");
            Err(DecodeError::new(start, kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::pdu::PduType;

    const NOTIFICATION: &[u8] =
        b"\x8C\x82\x98T1\0\x8D\x90\x8A\x80\x8E\x01\x05\x88\x02\x81\x85\x83u\0";

    fn read(octets: &[u8]) -> Result<Decoded<(Push, Pdu)>, DecodeError> {
        decode(&Bytes::copy_from_slice(octets), &Limits::default())
    }

    #[test]
    fn the_shortest_good_head_is_read_again() {
        let octets = wrap(7, NOTIFICATION);
        assert!(octets.starts_with(&[7, 6, 3, 0xBE, 0xAF, 0x84, 0x8C]));
        let (push, pdu) = read(&octets).unwrap().value;
        assert_eq!((push.tid, push.application()), (7, Some(Ok(4))));
        assert_eq!(pdu.pdu_type, PduType::NotificationInd);
        assert_eq!(encode(&push).unwrap(), octets);
    }

    #[test]
    fn heads_of_any_form_are_read() {
        for head in [
            &b"\xBE"[..],
            b"application/vnd.wap.mms-message\0",
            b"application/vnd.wap.mms-message\0\xAF\x84",
            b"\xBE\x8D\xDB\xB4\x81\xAF\x84",
            b"\xBE\xAF\x84\x8D\x01\x85",
            b"\xBE\xAFx-wap-application:mms.ua\0",
            b"\xBEX-Wap-Application-Id\0mms.ua\0",
            b"\x03\xBE\x81\xEA\xAF\x84",
        ] {
            let len = u8::try_from(head.len()).unwrap();
            let octets = [&[0, 6, len], head, NOTIFICATION].concat();
            assert!(read(&octets).is_ok(), "{head:X?}");
            assert!(looks_like(&octets));
            let with_udh = [&b"\x06\x05\x04\x0B\x84\x23\xF0"[..], &octets].concat();
            assert!(looks_like(&with_udh));
        }
    }

    #[test]
    fn pushes_that_are_not_for_mms_are_refused_by_kind() {
        let kind = |octets: &[u8]| read(octets).unwrap_err().kind;
        assert_eq!(
            kind(b"\0\x06\x01\xAE\0"),
            DecodeErrorKind::PushContent("application/vnd.wap.sic".to_owned())
        );
        let other = [&b"\0\x06\x03\xBE\xAF\x82"[..], NOTIFICATION].concat();
        assert_eq!(
            kind(&other),
            DecodeErrorKind::PushApplication("2".to_owned())
        );
        let reply = [&b"\0\x05\x03\xBE\xAF\x84"[..], NOTIFICATION].concat();
        assert_eq!(kind(&reply), DecodeErrorKind::PushType(5));
        let conf = wrap(0, b"\x8C\x81\x98T\0\x8D\x92\x92\x80");
        assert_eq!(kind(&conf), DecodeErrorKind::NotPushed("m-send-conf"));
        assert_eq!(read(&conf).unwrap_err().offset, 6);
    }

    #[test]
    fn a_head_beyond_the_end_and_a_missing_body_are_errors() {
        assert_eq!(read(b"\0\x06\x08\xBE\xAF\x84").unwrap_err().offset, 3);
        let error = read(b"\0\x06\x03\xBE\xAF\x84").unwrap_err();
        assert_eq!((error.offset, error.kind), (6, DecodeErrorKind::Empty));
        let error = read(&wrap(0, b"\x8C\xFF")).unwrap_err();
        assert_eq!(error.offset, 7);
        assert_eq!(read(b"").unwrap_err().kind, DecodeErrorKind::Empty);
        assert!(!looks_like(b"\0\x06\x08\xBE") && !looks_like(b"This is no push"));
    }

    #[test]
    fn headers_are_limited() {
        let limits = Limits {
            headers: 2,
            ..Limits::default()
        };
        let push = |n: u8| {
            let head = [&[0xBE][..], &[0xB4, 0x81].repeat(n.into())].concat();
            let octets = [&[0, 6, n * 2 + 1], &head[..], NOTIFICATION].concat();
            decode(&octets.into(), &limits).map(|read| read.value.0.headers.len())
        };
        // The PDU inside has six headers of its own.
        assert_eq!(push(3), Err(over("headers", 2, 8)));
        assert_eq!(push(2).unwrap_err().offset, 16);
    }
}

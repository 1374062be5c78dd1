//! The six messages of MM4 and their X-Mms headers (TS 23.140 section 8.4, annex on the mapping to
//! STD 11). Reading takes the dialects of real MMSCs; writing is strict.

use bytes::Bytes;

use super::dialect::party;
pub use super::dialect::{Id, Mailbox, is_domain, number, wire};
use crate::Limits;
use crate::mms::address::Msisdn;
use crate::mms::text::words;
use crate::mms::{
    Body, ContentType, DecodeError, EncodeError, EncodedString, Field, HeaderName, HeaderValue,
    Headers, Message, Part, mime,
};
use crate::relay::foreign::{MmStatus, ReadStatus, Request, RequestStatus};

/// X-Mms-3GPP-MMS-Version of what is written.
pub const VERSION: &str = "6.10.0";

/// Headers of a message that MM4_forward.REQ carries, in the order they are written.
const CARRIED: [Field; 16] = [
    Field::Subject,
    Field::MessageClass,
    Field::Expiry,
    Field::DeliveryReport,
    Field::Priority,
    Field::SenderVisibility,
    Field::ReadReport,
    Field::PreviouslySentBy,
    Field::PreviouslySentDate,
    Field::DistributionIndicator,
    Field::ApplicId,
    Field::ReplyApplicId,
    Field::AuxApplicInfo,
    Field::ContentClass,
    Field::DrmContent,
    Field::AdaptationAllowed,
];

/// One message of MM4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// X-Mms-Transaction-ID.
    pub transaction_id: Id,
    /// X-Mms-Message-ID: that of the multimedia message. Responses of some peers have none.
    pub message_id: Option<Id>,
    /// X-Mms-Originator-System: where the response goes, in whatever form the peer gives it.
    pub system: Option<String>,
    /// X-Mms-Ack-Request. Never set for a response.
    pub ack: bool,
    /// Date, in seconds since 1970.
    pub date: Option<u64>,
    /// How many Received headers were there: those of mail servers, each one hop.
    pub received: usize,
    /// What kind of message it is, and the rest of it.
    pub content: Content,
}

/// The kinds of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// MM4_forward.REQ.
    ForwardReq(Box<ForwardReq>),
    /// MM4_forward.RES.
    ForwardRes(Res),
    /// MM4_delivery_report.REQ.
    DeliveryReportReq(DeliveryReportReq),
    /// MM4_delivery_report.RES.
    DeliveryReportRes(Res),
    /// MM4_read_reply_report.REQ.
    ReadReplyReportReq(ReadReplyReportReq),
    /// MM4_read_reply_report.RES.
    ReadReplyReportRes(Res),
}

/// MM4_forward.REQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardReq {
    /// Who sent the message: his address in its wire form.
    pub from: String,
    /// X-Mms-Originator-R/S-Delivery-Report: whether his MMSC wants reports for itself.
    pub system_report: bool,
    /// X-Mms-Forward-Counter: how often the message was forwarded.
    pub forward_counter: u32,
    /// The message: To, Cc, Subject and the other headers a phone knows, and the content.
    pub message: Message,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Res {
    /// X-Mms-Request-Status-Code.
    pub status: RequestStatus,
    /// X-Mms-Status-Text.
    pub text: Option<String>,
    /// X-Mms-Request-Recipients: whom an MM4_forward.RES is about.
    pub recipients: Vec<String>,
}

/// MM4_delivery_report.REQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReportReq {
    /// Whom it is about; `None` where the peer names a system only.
    pub recipient: Option<Msisdn>,
    /// X-Mms-MM-Status-Code.
    pub status: MmStatus,
    /// X-Mms-Status-Text.
    pub text: Option<String>,
    /// X-Mms-Forward-To-Originator-UA: whether the sender himself is to be told.
    pub for_user: Option<bool>,
}

/// MM4_read_reply_report.REQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadReplyReportReq {
    /// Who read it; `None` where the peer names a system only.
    pub recipient: Option<Msisdn>,
    /// X-Mms-Read-Status.
    pub status: ReadStatus,
    /// X-Mms-Status-Text.
    pub text: Option<String>,
}

/// Who a message is from and for, as its header says. The envelope of SMTP is another thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressing {
    /// From.
    pub from: Mailbox,
    /// To, for all but MM4_forward.REQ, which has that of its message.
    pub to: Mailbox,
    /// Sender: the system that sends.
    pub sender: Mailbox,
    /// Message-ID of the mail without its brackets. Each mail needs one of its own.
    pub mail_id: Id,
}

/// Why octets are no message of MM4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// They are no mail.
    #[error("this is no mail: {0}")]
    Mime(#[from] DecodeError),
    /// They are some other mail, such as a bounce.
    #[error("this is no message of MM4: it has no X-Mms-Message-Type")]
    NotMm4,
    /// Nobody knows this kind.
    #[error("X-Mms-Message-Type {0:?} is not known")]
    UnknownType(String),
    /// Something is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Something is not what it should be.
    #[error("{0} cannot be understood")]
    Bad(&'static str),
}

impl Content {
    /// X-Mms-Message-Type.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ForwardReq(_) => "MM4_forward.REQ",
            Self::ForwardRes(_) => "MM4_forward.RES",
            Self::DeliveryReportReq(_) => "MM4_delivery_report.REQ",
            Self::DeliveryReportRes(_) => "MM4_delivery_report.RES",
            Self::ReadReplyReportReq(_) => "MM4_read_reply_report.REQ",
            Self::ReadReplyReportRes(_) => "MM4_read_reply_report.RES",
        }
    }

    /// The response to a request of some kind.
    #[must_use]
    pub fn response(to: Request, res: Res) -> Self {
        match to {
            Request::Forward => Self::ForwardRes(res),
            Request::DeliveryReport => Self::DeliveryReportRes(res),
            Request::ReadReport => Self::ReadReplyReportRes(res),
        }
    }
}

impl Envelope {
    /// Reads a message of MM4.
    ///
    /// # Errors
    /// What is missing or cannot be understood. Headers that are optional and cannot be understood
    /// are left out.
    pub fn read(octets: &Bytes, limits: &Limits) -> Result<Self, EnvelopeError> {
        let message = mime::decode(octets, limits)?.value;
        let headers = &message.headers;
        let kind = headers
            .textual("X-Mms-Message-Type")
            .ok_or(EnvelopeError::NotMm4)?
            .trim()
            .to_owned();
        let id = |field, name| match headers.text(field) {
            Some(text) => Id::parse(text).ok_or(EnvelopeError::Bad(name)),
            None => Err(EnvelopeError::Missing(name)),
        };
        let transaction_id = id(Field::TransactionId, "X-Mms-Transaction-ID")?;
        let system = headers
            .textual("X-Mms-Originator-System")
            .filter(|text| !text.is_empty() && words::is_line(text))
            .map(str::to_owned);
        let received = headers
            .iter()
            .filter(|header| match &header.name {
                HeaderName::Text(name) => name.eq_ignore_ascii_case("Received"),
                _ => false,
            })
            .count();
        let date = match headers.get(Field::Date) {
            Some(HeaderValue::Date(date)) => Some(*date),
            _ => None,
        };
        let yes = |name: &str| headers.textual(name).and_then(yes_or_no);
        let ack = yes("X-Mms-Ack-Request").unwrap_or(false);
        let name = kind.to_ascii_lowercase();
        let is_request = name.ends_with(".req");
        let message_id = match id(Field::MessageId, "X-Mms-Message-ID") {
            Ok(id) => Some(id),
            Err(error) if is_request => return Err(error),
            Err(_) => None,
        };
        let content = match name.as_str() {
            "mm4_forward.req" => Content::ForwardReq(Box::new(forward_req(&message)?)),
            "mm4_forward.res" => Content::ForwardRes(res(headers)?),
            "mm4_delivery_report.req" => {
                Content::DeliveryReportReq(delivery_report_req(headers, system.as_deref())?)
            }
            "mm4_delivery_report.res" => Content::DeliveryReportRes(res(headers)?),
            "mm4_read_reply_report.req" | "mm4_read_report.req" | "mm4_read_reply.req" => {
                Content::ReadReplyReportReq(read_reply_report_req(headers, system.as_deref())?)
            }
            "mm4_read_reply_report.res" | "mm4_read_report.res" | "mm4_read_reply.res" => {
                Content::ReadReplyReportRes(res(headers)?)
            }
            _ => return Err(EnvelopeError::UnknownType(kind)),
        };
        Ok(Self {
            transaction_id,
            message_id,
            system,
            ack: ack && is_request,
            date,
            received,
            content,
        })
    }

    /// Writes it as a mail: CRLF, 7-bit, lines of at most 998 octets.
    ///
    /// # Errors
    /// Where the content of a message has no form in MIME.
    pub fn write(&self, addressing: &Addressing) -> Result<Vec<u8>, EncodeError> {
        let mut headers = Headers::new();
        let date = HeaderValue::Date(self.date.unwrap_or(0));
        headers.add(Field::Date, date);
        let from = EncodedString::new(addressing.from.as_str());
        headers.add(Field::From, HeaderValue::From(Some(from)));
        match &self.content {
            Content::ForwardReq(forward) => {
                for field in [Field::To, Field::Cc] {
                    for value in forward.message.headers.all(field) {
                        headers.add(field, value.clone());
                    }
                }
            }
            _ => {
                let to = EncodedString::new(addressing.to.as_str());
                headers.add(Field::To, HeaderValue::Encoded(to));
            }
        }
        let mut text = |name: &str, value: &str| {
            let value = HeaderValue::Text(words::one_line(value));
            headers.push(HeaderName::Text(name.to_owned()), value);
        };
        text("Sender", addressing.sender.as_str());
        text("Message-ID", &format!("<{}>", addressing.mail_id.bare()));
        text("X-Mms-3GPP-MMS-Version", VERSION);
        text("X-Mms-Message-Type", self.content.name());
        text("X-Mms-Transaction-ID", self.transaction_id.as_str());
        if let Some(id) = &self.message_id {
            text("X-Mms-Message-ID", id.as_str());
        }
        if let Some(system) = &self.system {
            text("X-Mms-Originator-System", system);
        }
        if self.ack {
            text("X-Mms-Ack-Request", "Yes");
        }
        let body = match &self.content {
            Content::ForwardReq(forward) => {
                if forward.system_report {
                    text("X-Mms-Originator-R/S-Delivery-Report", "Yes");
                }
                if forward.forward_counter > 0 {
                    let count = forward.forward_counter.to_string();
                    text("X-Mms-Forward-Counter", &count);
                }
                for field in CARRIED {
                    for value in forward.message.headers.all(field) {
                        headers.add(field, value.clone());
                    }
                }
                forward.message.body.clone()
            }
            Content::ForwardRes(res)
            | Content::DeliveryReportRes(res)
            | Content::ReadReplyReportRes(res) => {
                text("X-Mms-Request-Status-Code", res.status.name());
                if !res.recipients.is_empty() {
                    text("X-Mms-Request-Recipients", &res.recipients.join(", "));
                }
                add_text(&mut headers, res.text.as_deref());
                nothing()
            }
            Content::DeliveryReportReq(report) => {
                text("X-Mms-MM-Status-Code", report.status.name());
                if let Some(user) = report.for_user {
                    let yes = if user { "Yes" } else { "No" };
                    text("X-Mms-Forward-To-Originator-UA", yes);
                }
                add_text(&mut headers, report.text.as_deref());
                nothing()
            }
            Content::ReadReplyReportReq(report) => {
                let status = match report.status {
                    ReadStatus::Read => 0x80,
                    ReadStatus::Deleted => 0x81,
                };
                headers.add(Field::ReadStatus, HeaderValue::Token(status));
                add_text(&mut headers, report.text.as_deref());
                nothing()
            }
        };
        mime::encode(&Message { headers, body })
    }
}

fn add_text(headers: &mut Headers, text: Option<&str>) {
    if let Some(text) = text {
        let text = EncodedString::new(words::without_controls(text));
        headers.add(Field::StatusText, HeaderValue::Encoded(text));
    }
}

/// The body of a message that has none.
fn nothing() -> Body {
    let content_type = ContentType::new("text/plain").with("charset", "us-ascii");
    Body::single(Part::new(content_type, Bytes::new()))
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn forward_req(message: &Message) -> Result<ForwardReq, EnvelopeError> {
    let headers = &message.headers;
    let from = [
        headers.text(Field::From),
        headers.textual("X-Mms-Sender-Address"),
        headers.textual("Sender"),
    ];
    let from = from
        .into_iter()
        .flatten()
        .find_map(wire)
        .ok_or(EnvelopeError::Missing("From"))?;
    if message.body.parts.is_empty() {
        return Err(EnvelopeError::Missing("the content"));
    }
    Ok(ForwardReq {
        from,
        system_report: headers
            .textual("X-Mms-Originator-R/S-Delivery-Report")
            .and_then(yes_or_no)
            .unwrap_or(false),
        forward_counter: headers
            .textual("X-Mms-Forward-Counter")
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0),
        message: Message {
            headers: phone_headers(headers),
            body: message.body.clone(),
        },
    })
}

/// The headers of a message without what MM4 adds for its own.
fn phone_headers(headers: &Headers) -> Headers {
    let mut kept = Headers::new();
    for header in headers {
        if let HeaderName::Field(field) = header.name
            && (CARRIED.contains(&field) || matches!(field, Field::To | Field::Cc | Field::Date))
        {
            kept.push(header.name.clone(), header.value.clone());
        }
    }
    kept
}

fn res(headers: &Headers) -> Result<Res, EnvelopeError> {
    let status = headers
        .textual("X-Mms-Request-Status-Code")
        .ok_or(EnvelopeError::Missing("X-Mms-Request-Status-Code"))?;
    let recipients = headers.textual("X-Mms-Request-Recipients").unwrap_or("");
    Ok(Res {
        status: RequestStatus::from_name(status),
        text: status_text(headers),
        recipients: recipients
            .split(',')
            .map(|one| one.trim().to_owned())
            .filter(|one| !one.is_empty())
            .collect(),
    })
}

fn delivery_report_req(
    headers: &Headers,
    system: Option<&str>,
) -> Result<DeliveryReportReq, EnvelopeError> {
    const NAME: &str = "X-Mms-MM-Status-Code";
    // Some peers write it under the name it has on MM1.
    let on_mm1 = headers
        .token(Field::Status)
        .and_then(|octet| Field::Status.token_name(octet))
        .or_else(|| headers.textual("X-Mms-Status"));
    let status = headers
        .textual(NAME)
        .or(on_mm1)
        .ok_or(EnvelopeError::Missing(NAME))?;
    Ok(DeliveryReportReq {
        recipient: reporter(headers, system),
        status: MmStatus::from_name(status).ok_or(EnvelopeError::Bad(NAME))?,
        text: status_text(headers),
        for_user: headers
            .textual("X-Mms-Forward-To-Originator-UA")
            .and_then(yes_or_no),
    })
}

fn read_reply_report_req(
    headers: &Headers,
    system: Option<&str>,
) -> Result<ReadReplyReportReq, EnvelopeError> {
    const NAME: &str = "X-Mms-Read-Status";
    let status = match headers.token(Field::ReadStatus) {
        Some(0x80) => ReadStatus::Read,
        Some(_) => ReadStatus::Deleted,
        None => match headers.textual(NAME) {
            Some(text) if text.trim().to_ascii_lowercase().starts_with("deleted") => {
                ReadStatus::Deleted
            }
            Some(_) => return Err(EnvelopeError::Bad(NAME)),
            None => return Err(EnvelopeError::Missing(NAME)),
        },
    };
    Ok(ReadReplyReportReq {
        recipient: reporter(headers, system),
        status,
        text: status_text(headers),
    })
}

/// Whom a report is about.
fn reporter(headers: &Headers, system: Option<&str>) -> Option<Msisdn> {
    let from = headers.text(Field::From).and_then(number);
    from.or_else(|| system.and_then(party))
}

fn status_text(headers: &Headers) -> Option<String> {
    headers
        .text(Field::StatusText)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests;

//! One request: a PDU or the wish for a message in, an answer out.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::Edge;
use super::body::{Body, Unread, read};
use crate::mms::address::Msisdn;
use crate::mms::pdu::{MEDIA_TYPE, Pdu, PduType, decode, encode};
use crate::relay::{Happening, Interface, Retrieved};

/// Octets of one capability header that are kept.
const LONGEST_HEADER: usize = 4 << 10;

/// Octets of a request that is read where others wait for it: it takes microseconds.
const SMALL: usize = 128 << 10;

/// Headers that describe a device.
const CAPABILITIES: [&str; 7] = [
    "accept",
    "accept-charset",
    "accept-language",
    "opt",
    "profile",
    "user-agent",
    "x-wap-profile",
];

type Answer = Response<Full<Bytes>>;

/// Answers one request from `peer`.
pub(super) async fn handle(
    edge: &Arc<Edge>,
    peer: IpAddr,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let from = edge.identity.load().of(peer, &head.headers, &path);
    let device = capabilities(&head.headers);
    let answer = match head.method {
        Method::GET => match path.rsplit_once("/m/") {
            Some((_, token)) => fetch(edge, token.to_owned(), from, device, false).await,
            None if path.contains("/b/") => {
                let token = path.rsplit_once("/b/").map_or("", |(_, token)| token);
                fetch(edge, token.to_owned(), from, device, true).await
            }
            None => nothing_here(),
        },
        Method::POST => match read(edge, body).await {
            Ok(Body { octets, room }) => {
                let answer = post(edge, octets, from, device).await;
                drop(room);
                answer
            }
            Err(unread) => refusal(edge, &unread),
        },
        _ => {
            let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "GET or POST");
            let allow = HeaderValue::from_static("GET, POST");
            answer.headers_mut().insert(ALLOW, allow);
            answer
        }
    };
    let sent = answer.body().size_hint().lower();
    let watch = edge.relay.watch();
    watch.happened(&Happening::Sent(Interface::Mm1, sent));
    Ok(answer)
}

/// The answer to a request whose body was not read.
fn refusal(edge: &Edge, unread: &Unread) -> Answer {
    match unread {
        Unread::TooLarge(head) => match Opening::of(head) {
            Some(opening) => {
                let version = opening.version;
                conf(&edge.relay.refuse_size(&opening.transaction_id, version))
            }
            None => plain(StatusCode::PAYLOAD_TOO_LARGE, "The message is too large"),
        },
        Unread::Busy => plain(StatusCode::SERVICE_UNAVAILABLE, "Too busy"),
        Unread::CutOff => plain(StatusCode::BAD_REQUEST, "The body is cut off"),
        Unread::Slow => plain(StatusCode::REQUEST_TIMEOUT, "The body is too slow"),
    }
}

async fn fetch(
    edge: &Arc<Edge>,
    token: String,
    from: Option<Msisdn>,
    device: Vec<(String, String)>,
    boxed: bool,
) -> Answer {
    let worker = edge.clone();
    by_itself(async move {
        if !boxed && remembered(&worker, from.as_ref(), &device) {
            match worker.relay.retrieve_soon(&token, &device).await {
                Some(Retrieved::Conf(octets)) => return message(octets),
                Some(Retrieved::Unknown) => return nothing_here(),
                None => {}
            }
        }
        blocking(move || {
            remember(&worker, from.as_ref(), &device);
            if boxed {
                return match worker.relay.retrieve_boxed(&token, &device) {
                    Some(octets) => message(octets),
                    None => nothing_here(),
                };
            }
            match worker.relay.retrieve(&token, &device) {
                Retrieved::Conf(octets) => message(octets),
                Retrieved::Unknown => nothing_here(),
            }
        })
        .await
    })
    .await
}

async fn post(
    edge: &Arc<Edge>,
    octets: Bytes,
    from: Option<Msisdn>,
    device: Vec<(String, String)>,
) -> Answer {
    let worker = edge.clone();
    by_itself(async move {
        let small = octets.len() <= SMALL && remembered(&worker, from.as_ref(), &device);
        if small && let Some(answer) = answer_soon(&worker, &octets, from.as_ref()).await {
            return answer;
        }
        blocking(move || {
            remember(&worker, from.as_ref(), &device);
            answer(&worker, &octets, from.as_ref())
        })
        .await
    })
    .await
}

/// Runs a request to its end, also where the phone hangs up meanwhile. A panic in there is a bug,
/// and costs this request alone.
async fn by_itself(work: impl Future<Output = Answer> + Send + 'static) -> Answer {
    match tokio::spawn(work).await {
        Ok(answer) => answer,
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
    }
}

/// Runs what waits for disks and codecs where it keeps nobody else waiting. A panic in there is a
/// bug, and costs this request alone.
async fn blocking(work: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
    }
}

/// The answer to what needs no thread that waits, which is most of what phones send.
async fn answer_soon(edge: &Edge, octets: &Bytes, from: Option<&Msisdn>) -> Option<Answer> {
    let relay = &edge.relay;
    let pdu = decode(octets, relay.limits()).ok()?.value;
    match pdu.pdu_type {
        PduType::SendReq => Some(conf(&relay.submit_soon(octets, &pdu, from).await?)),
        PduType::NotifyRespInd | PduType::AcknowledgeInd => relay
            .respond_soon(&pdu, from)
            .await
            .map(|done| taken_in(done.is_ok())),
        _ => None,
    }
}

fn answer(edge: &Edge, octets: &Bytes, from: Option<&Msisdn>) -> Answer {
    let relay = &edge.relay;
    let pdu = match decode(octets, relay.limits()) {
        Ok(decoded) => decoded.value,
        Err(error) => {
            return match Opening::of(octets) {
                Some(opening) => {
                    let version = opening.version;
                    conf(&relay.refuse(&opening.transaction_id, version, &error))
                }
                None => plain(StatusCode::BAD_REQUEST, &error.to_string()),
            };
        }
    };
    match pdu.pdu_type {
        PduType::SendReq => conf(&relay.submit(octets, &pdu, from)),
        PduType::ForwardReq => conf(&relay.pass_on(&pdu, from)),
        PduType::DeleteReq | PduType::MboxDeleteReq => conf(&relay.delete(&pdu, from)),
        PduType::MboxStoreReq | PduType::MboxUploadReq => conf(&relay.store_in_box(&pdu, from)),
        PduType::MboxViewReq => conf(&relay.view_box(&pdu, from)),
        PduType::NotifyRespInd
        | PduType::AcknowledgeInd
        | PduType::ReadRecInd
        | PduType::CancelConf => taken_in(relay.respond(&pdu, from).is_ok()),
        _ => conf(&relay.refuse_kind(&pdu)),
    }
}

/// The answer to what has none, once it is written down.
fn taken_in(written: bool) -> Answer {
    if written {
        // Some phones hang where there is a body.
        Response::default()
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "Try again later")
    }
}

/// What a PDU that cannot be read as a whole begins with, so that its phone knows which of its
/// requests failed. The type, the transaction and the version come first, in this order
/// (OMA-MMS-ENC section 6).
#[derive(Debug, PartialEq, Eq)]
struct Opening {
    transaction_id: String,
    /// The octet of X-Mms-MMS-Version, where it is there.
    version: Option<u8>,
}

impl Opening {
    fn of(octets: &[u8]) -> Option<Self> {
        let [0x8C, _, 0x98, rest @ ..] = octets else {
            return None;
        };
        let end = rest.iter().take(64).position(|octet| *octet == 0)?;
        let text = std::str::from_utf8(rest.get(..end)?).ok()?;
        let plain = text.bytes().all(|octet| octet.is_ascii_graphic());
        let version = match rest.get(end.saturating_add(1)..) {
            Some(&[0x8D, version, ..]) => Some(version),
            _ => None,
        };
        (plain && !text.is_empty()).then(|| Self {
            transaction_id: text.to_owned(),
            version,
        })
    }
}

fn conf(pdu: &Pdu) -> Answer {
    match encode(pdu) {
        Ok(octets) => message(octets.into()),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn message(octets: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(octets));
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    answer.headers_mut().insert(CONTENT_TYPE, media_type);
    answer
}

fn plain(status: StatusCode, text: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *answer.status_mut() = status;
    let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, media_type);
    answer
}

fn nothing_here() -> Answer {
    plain(StatusCode::NOT_FOUND, "There is nothing here")
}

/// Whether [`remember`] has nothing to do that would have to wait.
fn remembered(edge: &Edge, from: Option<&Msisdn>, device: &[(String, String)]) -> bool {
    from.is_none_or(|number| !describes_itself(device) || edge.relay.remembers(number, device))
}

fn describes_itself(device: &[(String, String)]) -> bool {
    let tells = |name: &str| name == "x-wap-profile" || name == "user-agent" || name == "profile";
    device.iter().any(|(name, _)| tells(name))
}

fn remember(edge: &Edge, from: Option<&Msisdn>, device: &[(String, String)]) {
    if let Some(number) = from
        && describes_itself(device)
    {
        // Forgetting a device costs quality, not a message.
        let _ = edge.relay.remember(number, device);
    }
}

/// The headers of a request that describe its device, in their order, names in small letters.
fn capabilities(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = headers
        .iter()
        .filter(|(name, value)| describes(name) && value.len() <= LONGEST_HEADER)
        .filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        })
        .collect();
    found.sort();
    found
}

fn describes(name: &HeaderName) -> bool {
    let name = name.as_str();
    CAPABILITIES.contains(&name)
        || name.starts_with("x-wap-profile-diff")
        || name.contains("profile-diff-")
        || name.ends_with("-profile")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opening_of_a_broken_pdu_is_found() {
        let opening = |version| Opening {
            transaction_id: "T1".to_owned(),
            version,
        };
        let cut = Opening::of(b"\x8C\x80\x98T1\0\x8D");
        assert_eq!(cut, Some(opening(None)));
        let whole = Opening::of(b"\x8C\x80\x98T1\0\x8D\x90\x89");
        assert_eq!(whole, Some(opening(Some(0x90))));
        for broken in [
            &b"\x8C\x80\x98"[..],
            b"\x8C\x80\x98\0",
            b"\x8C\x80\x98T1",
            b"\x8C\x80\x98T\x01\0",
            b"<html>\0",
            b"",
        ] {
            assert_eq!(Opening::of(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn only_what_describes_a_device_is_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("User-Agent", "Nokia6100/1.0"),
            ("X-Wap-Profile", "\"http://a.example/p.xml\""),
            ("X-Wap-Profile-Diff", "1;<x/>"),
            ("Cookie", "a=b"),
            ("X-MSISDN", "15550000001"),
            ("Authorization", "Basic x"),
        ] {
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        headers.insert("accept", "x".repeat(LONGEST_HEADER + 1).parse().unwrap());
        let found = capabilities(&headers);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["user-agent", "x-wap-profile", "x-wap-profile-diff"]);
    }
}

//! A phone as the service centre sees it: HTTP with its own headers, behind a gateway that says
//! whose it is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;

use crate::Limits;
use crate::cli::{CliError, Exit};
use crate::mms::pdu::{MEDIA_TYPE, Pdu, decode, encode};
use crate::mms::{Field, HeaderValue};

/// Time for one request.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Octets of an answer that are read.
const LONGEST: u64 = 64 << 20;

/// A simulated phone.
#[derive(Debug, Clone)]
pub(super) struct Phone {
    /// Whose it is.
    pub(super) number: String,
    /// Headers by which it says what it can show.
    pub(super) headers: Vec<(String, String)>,
    /// The service centre.
    pub(super) server: SocketAddr,
}

impl Phone {
    /// Posts a PDU and gives the answer; `None` where it is empty.
    pub(super) fn post(&self, pdu: &Pdu) -> Result<Option<Pdu>, CliError> {
        let octets = encode(pdu).map_err(|error| failed(&error.to_string()))?;
        let head = format!(
            "POST / HTTP/1.1\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {}\r\n",
            octets.len()
        );
        let answer = self.request(&head, &octets)?;
        if answer.is_empty() {
            return Ok(None);
        }
        read(&answer).map(Some)
    }

    /// Fetches a message.
    pub(super) fn fetch(&self, url: &str) -> Result<(Pdu, Bytes), CliError> {
        let path = url
            .split_once("://")
            .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
            .ok_or_else(|| failed("the notification holds no URL"))?;
        let octets = self.request(&format!("GET {path} HTTP/1.1\r\n"), &[])?;
        Ok((read(&octets)?, octets))
    }

    fn request(&self, head: &str, body: &[u8]) -> Result<Bytes, CliError> {
        let mut head = format!(
            "{head}Host: {}\r\nConnection: close\r\nX-WAP-Network-Client-MSISDN: {}\r\n",
            self.server, self.number
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut answer = Vec::new();
        let mut exchange = || {
            let mut stream = TcpStream::connect_timeout(&self.server, TIMEOUT)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            stream.write_all(head.as_bytes())?;
            stream.write_all(body)?;
            stream.take(LONGEST).read_to_end(&mut answer)
        };
        let done: std::io::Result<usize> = exchange();
        done.map_err(|error| failed(&format!("{}: {error}", self.server)))?;
        let answer = Bytes::from(answer);
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .ok_or_else(|| failed("the answer is cut off"))?;
        let status = answer
            .get(..end)
            .and_then(|head| std::str::from_utf8(head).ok())
            .and_then(|head| head.lines().next())
            .unwrap_or("");
        if status.split(' ').nth(1) != Some("200") {
            return Err(failed(&format!("the server answers {status}")));
        }
        Ok(answer.slice(end.saturating_add(4)..))
    }
}

/// A PDU with a transaction id.
pub(super) fn with_transaction(mut pdu: Pdu, id: &str) -> Pdu {
    let id = HeaderValue::Text(id.to_owned());
    pdu.headers.set(Field::TransactionId, id);
    pdu
}

fn read(octets: &Bytes) -> Result<Pdu, CliError> {
    decode(octets, &Limits::default())
        .map(|decoded| decoded.value)
        .map_err(|error| failed(&format!("the answer is no PDU: {error}")))
}

pub(super) fn failed(what: &str) -> CliError {
    CliError::new(Exit::Internal, what)
}

//! A phone's MMS client as the service centre sees it: HTTP/1.1 with its own headers, behind a
//! gateway that says whose it is.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::Bytes;

use crate::Limits;
use crate::cli::{CliError, Exit};
use crate::mms::pdu::{MEDIA_TYPE, Pdu, decode, encode};
use crate::mms::{Field, HeaderValue};

/// Time for one request.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Octets of an answer's body that are read.
const LONGEST: u64 = 64 << 20;
/// Octets of an answer's head that are read.
const HEAD: u64 = 64 << 10;

/// The service centre that simulated phones use, and the only host they contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Centre {
    /// Host and port.
    authority: String,
    /// Path that PDUs are posted to.
    path: String,
}

impl Centre {
    /// Host and port.
    pub(super) fn new(authority: &str) -> Self {
        Self {
            authority: authority.to_owned(),
            path: "/".to_owned(),
        }
    }
}

impl std::fmt::Display for Centre {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl std::str::FromStr for Centre {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no URL such as http://127.0.0.1:8002");
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        if authority.is_empty() || !rest.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(wrong());
        }
        let host = authority.rsplit(']').next().unwrap_or(authority);
        let port = if host.contains(':') { "" } else { ":80" };
        Ok(Self {
            authority: format!("{authority}{port}"),
            path: path.to_owned(),
        })
    }
}

/// A simulated phone. It keeps its connection.
#[derive(Debug)]
pub(super) struct Phone {
    /// Whose it is.
    pub(super) number: String,
    /// Headers by which it says what it can show.
    pub(super) headers: Vec<(String, String)>,
    centre: Centre,
    stream: Option<BufReader<TcpStream>>,
}

impl Phone {
    /// A phone that has not connected yet.
    pub(super) fn new(number: &str, headers: Vec<(String, String)>, centre: &Centre) -> Self {
        Self {
            number: number.to_owned(),
            headers,
            centre: centre.clone(),
            stream: None,
        }
    }

    /// Posts a PDU and gives the answer; `None` where it is empty.
    pub(super) fn post(&mut self, pdu: &Pdu) -> Result<Option<Pdu>, CliError> {
        let octets = encode(pdu).map_err(|error| failed(&error.to_string()))?;
        let answer = self.post_octets(&octets)?;
        if answer.is_empty() {
            return Ok(None);
        }
        read(&answer).map(Some)
    }

    /// Posts an encoded PDU and gives the octets of the answer.
    pub(super) fn post_octets(&mut self, octets: &[u8]) -> Result<Bytes, CliError> {
        let head = format!(
            "POST {} HTTP/1.1\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {}\r\n",
            self.centre.path,
            octets.len()
        );
        self.request(&head, octets)
    }

    /// Fetches a message from the service centre, whatever host the URL names.
    pub(super) fn fetch(&mut self, url: &str) -> Result<(Pdu, Bytes), CliError> {
        let path = url
            .split_once("://")
            .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)))
            .filter(|path| path.bytes().all(|octet| octet.is_ascii_graphic()))
            .ok_or_else(|| failed("the notification holds no URL"))?;
        let octets = self.request(&format!("GET {path} HTTP/1.1\r\n"), &[])?;
        Ok((read(&octets)?, octets))
    }

    fn request(&mut self, head: &str, body: &[u8]) -> Result<Bytes, CliError> {
        let mut request = format!(
            "{head}Host: {}\r\nX-WAP-Network-Client-MSISDN: {}\r\n",
            self.centre.authority, self.number
        );
        for (name, value) in &self.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        let kept = self.stream.is_some();
        let (status, answer) = match self.exchange(&request) {
            // The service centre may have closed what was kept. A request that comes twice is
            // known for one by its transaction.
            Err(_) if kept => self.exchange(&request),
            other => other,
        }
        .map_err(|error| failed(&format!("{}: {error}", self.centre.authority)))?;
        if status != 200 {
            return Err(failed(&format!("the service centre answers {status}")));
        }
        Ok(answer)
    }

    fn exchange(&mut self, request: &[u8]) -> std::io::Result<(u16, Bytes)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.centre.authority)?,
        };
        stream.get_mut().write_all(request)?;
        let (status, body, keep) = answer(&mut stream)?;
        if keep {
            self.stream = Some(stream);
        }
        Ok((status, body))
    }
}

fn connect(authority: &str) -> std::io::Result<BufReader<TcpStream>> {
    let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                return Ok(BufReader::new(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Reads one answer: its status, its body, and whether the connection can be kept.
pub(super) fn answer(stream: &mut impl BufRead) -> std::io::Result<(u16, Bytes, bool)> {
    let cut = || std::io::Error::other("the answer is cut off or none of HTTP");
    let (status, headers) = loop {
        let (first, headers) = head(stream)?;
        let status = first.split(' ').nth(1);
        let status: Option<u16> = status.and_then(|status| status.parse().ok());
        match status.ok_or_else(cut)? {
            100 => {}
            status => break (status, headers),
        }
    };
    let header = |name: &str| {
        let found = headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    };
    let keep = !header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    let mut body = Vec::new();
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = line(stream)?;
            let size = size.split(';').next().unwrap_or("").trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| cut())?;
            let after = u64::try_from(body.len())
                .unwrap_or(u64::MAX)
                .saturating_add(size);
            if after > LONGEST {
                return Err(std::io::Error::other("the answer is too long"));
            }
            stream.take(size).read_to_end(&mut body)?;
            if !line(stream)?.is_empty() {
                return Err(cut());
            }
            if size == 0 {
                return Ok((status, body.into(), keep));
            }
        }
    }
    let length = header("content-length").map(str::parse::<u64>);
    let Some(length) = length.transpose().map_err(|_| cut())? else {
        stream.take(LONGEST).read_to_end(&mut body)?;
        return Ok((status, body.into(), false));
    };
    if length > LONGEST {
        return Err(std::io::Error::other("the answer is too long"));
    }
    stream.take(length).read_to_end(&mut body)?;
    if u64::try_from(body.len()) != Ok(length) {
        return Err(cut());
    }
    Ok((status, body.into(), keep))
}

/// The first line of a request or answer, and its headers with their names in small letters.
pub(super) fn head(stream: &mut impl BufRead) -> std::io::Result<(String, Vec<(String, String)>)> {
    let mut stream = stream.take(HEAD);
    let first = line(&mut stream)?;
    let mut headers = Vec::new();
    loop {
        let line = line(&mut stream)?;
        if line.is_empty() {
            return Ok((first, headers));
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
}

fn line(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut octets = Vec::new();
    stream.take(HEAD).read_until(b'\n', &mut octets)?;
    if octets.last() != Some(&b'\n') {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let text = String::from_utf8_lossy(&octets);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A PDU with a transaction id.
pub(super) fn with_transaction(mut pdu: Pdu, id: &str) -> Pdu {
    let id = HeaderValue::Text(id.to_owned());
    pdu.headers.set(Field::TransactionId, id);
    pdu
}

pub(super) fn read(octets: &Bytes) -> Result<Pdu, CliError> {
    decode(octets, &Limits::default())
        .map(|decoded| decoded.value)
        .map_err(|error| failed(&format!("the answer is no PDU: {error}")))
}

pub(super) fn failed(what: &str) -> CliError {
    CliError::new(Exit::Internal, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (u16, String, bool) {
        let (status, body, keep) = answer(&mut text.as_bytes()).unwrap();
        (status, String::from_utf8_lossy(&body).into_owned(), keep)
    }

    #[test]
    fn answers_of_every_length_are_read() {
        let counted = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more";
        assert_eq!(parsed(counted), (200, "hello".to_owned(), true));
        let chunked = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\
                       Transfer-Encoding: Chunked\r\n\r\n3;x\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        assert_eq!(parsed(chunked), (200, "hello".to_owned(), true));
        let closed = "HTTP/1.0 404 Not Found\r\nConnection: close\r\n\r\nhello";
        assert_eq!(parsed(closed), (404, "hello".to_owned(), false));
        for broken in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
            "hello\r\n\r\n",
        ] {
            assert!(answer(&mut broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_service_centre_is_an_http_url() {
        let shown = |text: &str| text.parse::<Centre>().map(|centre| centre.to_string());
        for (given, want) in [
            ("http://127.0.0.1:8002", "http://127.0.0.1:8002/"),
            (
                "http://mms.example.net/u/abc",
                "http://mms.example.net:80/u/abc",
            ),
            ("http://[::1]", "http://[::1]:80/"),
            ("http://[::1]:8002/", "http://[::1]:8002/"),
        ] {
            assert_eq!(shown(given).as_deref(), Ok(want));
        }
        for given in ["https://a", "a:80", "http://", "http://a b/"] {
            assert!(shown(given).is_err(), "{given}");
        }
    }
}

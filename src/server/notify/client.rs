//! The HTTP/1.1 client of the gateways: bounded in time and in octets, and it follows no
//! redirection.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::breaker::Failure;
use super::tls::{self, Authorities};
use crate::server::config::Url;

/// Octets of the head and of the body of an answer, each.
const ANSWER: usize = 64 << 10;
/// Headers of an answer.
const HEADERS: usize = 100;
/// Connections that are kept open for the next push.
const IDLE: usize = 8;
/// How we name ourselves, where that does no harm.
pub(super) const AGENT: (HeaderName, HeaderValue) = (
    USER_AGENT,
    HeaderValue::from_static(concat!("Remold/", env!("CARGO_PKG_VERSION"))),
);

/// A client of one service. It may be used by several threads at once, none of them of a runtime.
#[derive(Debug)]
pub(super) struct Client {
    url: Url,
    timeout: Duration,
    tls: Option<Tls>,
    headers: Vec<(HeaderName, HeaderValue)>,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    runtime: Option<Runtime>,
}

struct Tls(TlsConnector);

/// What to ask.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    pub(super) content_type: Option<String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Client {
    /// A client that sends `headers` with each request. Nothing is connected yet.
    pub(super) fn new(
        url: &Url,
        timeout: Duration,
        authorities: Authorities,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> std::io::Result<Self> {
        let tls = match url.tls {
            true => Some(Tls(authorities.connector()?)),
            false => None,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("notify")
            .enable_all()
            .build()?;
        Ok(Self {
            url: url.clone(),
            timeout,
            tls,
            headers,
            idle: Mutex::default(),
            runtime: Some(runtime),
        })
    }

    /// The service.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Asks, and waits for the answer until the time is over.
    pub(super) fn ask(&self, ask: &Ask) -> Result<Answer, Failure> {
        let away = |why: String| Failure::Away(format!("{}: {why}", self.url.authority));
        let Some(runtime) = &self.runtime else {
            return Err(away("stopped".to_owned()));
        };
        runtime.block_on(async {
            let until = tokio::time::Instant::now() + self.timeout;
            // A connection that was kept may have been closed by the other side in the meantime.
            while let Some(mut sender) = self.kept() {
                let sent = sender.try_send_request(self.request(ask)?);
                match tokio::time::timeout_at(until, sent).await {
                    Ok(Ok(response)) => return self.answer(sender, response, until).await,
                    Ok(Err(error)) if error.message().is_some() => {}
                    Ok(Err(error)) => return Err(self.silent(&error.into_error())),
                    Err(_) => return Err(self.silent(&"no answer in time")),
                }
            }
            let connecting = self.connect();
            let mut sender = match tokio::time::timeout_at(until, connecting).await {
                Ok(Ok(sender)) => sender,
                Ok(Err(error)) => return Err(away(error.to_string())),
                Err(_) => return Err(away("no connection in time".to_owned())),
            };
            let sent = sender.send_request(self.request(ask)?);
            match tokio::time::timeout_at(until, sent).await {
                Ok(Ok(response)) => self.answer(sender, response, until).await,
                Ok(Err(error)) => Err(self.silent(&error)),
                Err(_) => Err(self.silent(&"no answer in time")),
            }
        })
    }

    fn silent(&self, why: &dyn std::fmt::Display) -> Failure {
        Failure::Silent(format!("{}: {why}", self.url.authority))
    }

    fn kept(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE && !sender.is_closed() {
            idle.push(sender);
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error>> {
        let connector = self.tls.as_ref().map(|tls| &tls.0);
        let stream = tls::connect(&self.url.host, self.url.port, connector).await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(ANSWER)
            .max_headers(HEADERS)
            .handshake(TokioIo::new(stream))
            .await?;
        // It ends when the sender is dropped or the other side closes.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(&ask.path)
            .header(HOST, &self.url.authority);
        if let Some(media) = &ask.content_type {
            request = request.header(CONTENT_TYPE, media);
        }
        for (name, value) in self.headers.iter().chain(&ask.headers) {
            request = request.header(name, value);
        }
        request
            .body(Full::new(ask.body.clone()))
            .map_err(|error| Failure::Never(format!("there is no such request: {error}")))
    }

    async fn answer(
        &self,
        sender: SendRequest<Full<Bytes>>,
        response: hyper::Response<hyper::body::Incoming>,
        until: tokio::time::Instant,
    ) -> Result<Answer, Failure> {
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), ANSWER).collect();
        match tokio::time::timeout_at(until, body).await {
            Ok(Ok(body)) => {
                self.keep(sender);
                let body = body.to_bytes();
                Ok(Answer { status, body })
            }
            Ok(Err(error)) => Err(self.silent(&error)),
            Err(_) => Err(self.silent(&"the answer does not end")),
        }
    }
}

impl Answer {
    /// The beginning of the body on one line, for messages to the operator.
    pub(super) fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let text: String = text.trim().chars().take(100).map(plain).collect();
        format!("{} {text}", self.status).trim_end().to_owned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A gateway that gives these answers, one for each request, and tells what it was asked. An
    /// empty answer closes the connection.
    pub(crate) fn gateway(answers: Vec<Vec<u8>>) -> (String, Receiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (asked, requests) = channel();
        std::thread::spawn(move || {
            let mut answers = answers.into_iter().peekable();
            while answers.peek().is_some() {
                let (mut stream, _) = listener.accept().unwrap();
                while answers.peek().is_some() {
                    let Some(request) = read_request(&mut stream) else {
                        break;
                    };
                    let _ = asked.send(request);
                    let answer = answers.next().unwrap();
                    if answer.is_empty() || stream.write_all(&answer).is_err() {
                        break;
                    }
                }
            }
        });
        (address, requests)
    }

    fn read_request(stream: &mut std::net::TcpStream) -> Option<Vec<u8>> {
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
            request.extend_from_slice(&buffer[..read]);
            let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if request.len() >= end + 4 + length {
                return Some(request);
            }
        }
    }

    pub(crate) fn http(status: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    }

    fn client(address: &str, timeout: Duration) -> Client {
        let url = format!("http://{address}/push").parse().unwrap();
        Client::new(&url, timeout, Authorities::default(), Vec::new()).unwrap()
    }

    fn ask() -> Ask {
        Ask {
            method: Method::POST,
            path: "/push?a=b".to_owned(),
            content_type: Some("text/plain".to_owned()),
            headers: Vec::new(),
            body: Bytes::from_static(b"hello"),
        }
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_connection_is_kept_and_replaced_when_the_gateway_closed_it() {
        let answers = vec![
            http("200 OK", "one"),
            http("202 Accepted", "two"),
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nthree".to_vec(),
            http("302 Found", ""),
        ];
        let (address, requests) = gateway(answers);
        let client = client(&address, PATIENCE);
        let said: Vec<_> = (0..4)
            .map(|_| client.ask(&ask()).unwrap().shown())
            .collect();
        assert_eq!(said, ["200 one", "202 two", "200 three", "302"]);
        let request = String::from_utf8(requests.recv().unwrap()).unwrap();
        assert!(
            request.starts_with("POST /push?a=b HTTP/1.1\r\n"),
            "{request}"
        );
        assert!(
            request.contains(&format!("host: {address}\r\n")),
            "{request}"
        );
        assert!(request.ends_with("\r\n\r\nhello"), "{request}");
    }

    #[test]
    fn a_gateway_that_is_not_there_is_told_from_one_that_went_silent() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = free.local_addr().unwrap().to_string();
        drop(free);
        let result = client(&nobody, PATIENCE).ask(&ask());
        assert!(matches!(result, Err(Failure::Away(_))), "{result:?}");
        let (address, _requests) = gateway(vec![Vec::new()]);
        let result = client(&address, PATIENCE).ask(&ask());
        assert!(matches!(result, Err(Failure::Silent(_))), "{result:?}");
        let listens = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listens.local_addr().unwrap().to_string();
        let result = client(&address, Duration::from_millis(200)).ask(&ask());
        assert!(matches!(result, Err(Failure::Silent(_))), "{result:?}");
    }

    #[test]
    fn an_answer_is_read_up_to_its_limit() {
        for (length, taken) in [(ANSWER, true), (ANSWER + 1, false)] {
            let (address, _requests) = gateway(vec![http("200 OK", &"x".repeat(length))]);
            let result = client(&address, PATIENCE).ask(&ask());
            assert_eq!(result.is_ok(), taken, "{length}");
        }
        let (address, _requests) = gateway(vec![
            format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HEADERS + 1)).into_bytes(),
        ]);
        let result = client(&address, PATIENCE).ask(&ask());
        assert!(matches!(result, Err(Failure::Silent(_))), "{result:?}");
    }

    /// A gateway with a certificate of its own making, that answers everything with 204.
    fn tls_gateway() -> (String, String) {
        let names = vec!["localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.unwrap())
            .unwrap();
        let config = std::sync::Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let connection = rustls::ServerConnection::new(config.clone()).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, stream);
                let mut request = [0; 4096];
                // A client that does not believe us hangs up.
                if stream.read(&mut request).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(&http("204 No Content", ""));
                }
            }
        });
        (format!("localhost:{port}"), made.cert.pem())
    }

    #[test]
    fn https_is_spoken_with_whom_the_operator_believes_and_with_nobody_else() {
        let (address, pem) = tls_gateway();
        let url = format!("https://{address}/").parse().unwrap();
        let file = std::env::temp_dir().join(format!("remold-ca-{}.pem", std::process::id()));
        std::fs::write(&file, pem).unwrap();
        let believed = Authorities::from_file(&file).unwrap();
        let ask = |authorities| {
            let client = Client::new(&url, PATIENCE, authorities, Vec::new()).unwrap();
            client.ask(&ask())
        };
        assert_eq!(ask(believed).unwrap().status, 204);
        let stranger = ask(Authorities::default());
        assert!(
            matches!(&stranger, Err(Failure::Away(why)) if why.contains("certificate")),
            "{stranger:?}"
        );
        std::fs::write(&file, "no certificate").unwrap();
        assert!(Authorities::from_file(&file).is_err());
        std::fs::remove_file(file).unwrap();
    }
}

//! Our side of a connection to a peer's mail server: a result for each recipient, TLS as the
//! peer's policy has it, pipelining where it is offered (RFC 5321, RFC 2920, RFC 3207).

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};
use smtp_proto::Error;
use smtp_proto::response::parser::ResponseReceiver;

use super::data;
use super::dialect::Mailbox;
use super::exchanger::ExchangerError;
use super::peers::{Host, TlsPolicy};

/// How long a peer may take (RFC 5321 section 4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect.
    pub connect: Duration,
    /// To greet, and to answer EHLO, MAIL and RCPT.
    pub command: Duration,
    /// To answer DATA.
    pub data: Duration,
    /// To take a block of the content.
    pub block: Duration,
    /// To answer the end of the content.
    pub end: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            command: Duration::from_secs(300),
            data: Duration::from_secs(120),
            block: Duration::from_secs(180),
            end: Duration::from_secs(600),
        }
    }
}

/// Whom we believe that he is who he says.
#[derive(Clone)]
pub struct Trust {
    verified: Arc<ClientConfig>,
    any: Arc<ClientConfig>,
}

impl Trust {
    /// Those whose certificates lead to one of `roots`, where a peer's policy asks for it.
    ///
    /// # Errors
    /// Where the TLS library has no protocol to offer.
    pub fn new(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()
        };
        let verified = builder()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let any = builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider.clone())))
            .with_no_client_auth();
        Ok(Self {
            verified: Arc::new(verified),
            any: Arc::new(any),
        })
    }
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

/// Opportunistic TLS keeps out who only listens, as without a certificate to check nothing more can
/// be had (RFC 7435).
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What a peer's server said to a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has the mail for him.
    Taken(String),
    /// It may take it later.
    Later(String),
    /// It never will.
    Never(String),
}

/// Why a connection is of no use (any more).
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The network failed, or the peer took too long.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The connection broke off between the end of a mail and its answer: the peer may have it.
    #[error("it did not answer a mail that was sent: {0}")]
    Unanswered(Box<LinkError>),
    /// The peer will not speak with us.
    #[error("it says {0}")]
    Refused(String),
    /// What came is no SMTP.
    #[error("it does not speak SMTP: {0}")]
    Nonsense(String),
    /// The connection is not encrypted as it has to be.
    #[error("{0}")]
    Tls(String),
    /// It is not known where the peer takes its mail.
    #[error(transparent)]
    Exchanger(#[from] ExchangerError),
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(octets),
            Self::Tls(stream) => stream.read(octets),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.write(octets),
            Self::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A connection on which one mail after the other can be sent.
pub struct Link {
    stream: Stream,
    socket: TcpStream,
    unread: Vec<u8>,
    timeouts: Timeouts,
    pipelining: bool,
    size: bool,
    starttls: bool,
}

/// A reply.
struct Reply {
    code: u16,
    text: String,
}

impl Reply {
    fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    fn line(&self) -> String {
        let text = self.text.replace(['\r', '\n'], " ");
        format!("{} {}", self.code, text.trim())
    }

    fn refusal(&self) -> Answer {
        match self.code {
            500.. => Answer::Never(self.line()),
            _ => Answer::Later(self.line()),
        }
    }
}

impl Link {
    /// Connects to a peer, greets it as `us`, and encrypts the connection as `policy` has it.
    ///
    /// # Errors
    /// Where it cannot be reached, does not want us, or cannot be encrypted and has to be.
    pub fn open(
        host: &Host,
        us: &str,
        policy: TlsPolicy,
        trust: &Trust,
        timeouts: Timeouts,
    ) -> Result<Self, LinkError> {
        match Self::open_once(host, us, policy, trust, timeouts) {
            // A server whose TLS is broken still takes mail in the clear.
            Err(LinkError::Tls(_)) if policy == TlsPolicy::Opportunistic => {
                Self::open_once(host, us, TlsPolicy::Off, trust, timeouts)
            }
            other => other,
        }
    }

    fn open_once(
        host: &Host,
        us: &str,
        policy: TlsPolicy,
        trust: &Trust,
        timeouts: Timeouts,
    ) -> Result<Self, LinkError> {
        let socket = connect(host, timeouts.connect)?;
        let mut link = Self {
            stream: Stream::Clear(socket.try_clone()?),
            socket,
            unread: Vec::new(),
            timeouts,
            pipelining: false,
            size: false,
            starttls: false,
        };
        let greeting = link.reply(timeouts.command)?;
        if greeting.code != 220 {
            return Err(LinkError::Refused(greeting.line()));
        }
        link.hello(us)?;
        match (policy, link.starttls) {
            (TlsPolicy::Off, _) | (TlsPolicy::Opportunistic, false) => return Ok(link),
            (TlsPolicy::Required, false) => {
                return Err(LinkError::Tls("it offers no TLS".to_owned()));
            }
            (TlsPolicy::Opportunistic | TlsPolicy::Required, true) => {}
        }
        link.say("STARTTLS\r\n")?;
        let reply = link.reply(timeouts.command)?;
        if reply.code != 220 {
            return Err(LinkError::Tls(reply.line()));
        }
        if !link.unread.is_empty() {
            // Somebody on the way put it there: the peer has nothing to say before TLS.
            return Err(LinkError::Nonsense("it spoke before TLS".to_owned()));
        }
        let mut link = link.encrypt(host, policy, trust)?;
        link.hello(us)?;
        Ok(link)
    }

    fn encrypt(self, host: &Host, policy: TlsPolicy, trust: &Trust) -> Result<Self, LinkError> {
        let failed = |error: &dyn std::fmt::Display| LinkError::Tls(format!("TLS: {error}"));
        let name = ServerName::try_from(host.name.clone()).map_err(|error| failed(&error))?;
        let config = match policy {
            TlsPolicy::Required => trust.verified.clone(),
            TlsPolicy::Off | TlsPolicy::Opportunistic => trust.any.clone(),
        };
        let connection = ClientConnection::new(config, name).map_err(|error| failed(&error))?;
        self.socket.set_read_timeout(Some(self.timeouts.connect))?;
        let mut stream = StreamOwned::new(connection, self.socket.try_clone()?);
        while stream.conn.is_handshaking() {
            stream
                .conn
                .complete_io(&mut stream.sock)
                .map_err(|error| failed(&error))?;
        }
        Ok(Self {
            stream: Stream::Tls(Box::new(stream)),
            ..self
        })
    }

    /// A handle by which the connection can be broken off from elsewhere.
    ///
    /// # Errors
    /// Where the system gives none.
    pub fn handle(&self) -> io::Result<TcpStream> {
        self.socket.try_clone()
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Sends one mail, and gives what was said to each recipient, in their order.
    ///
    /// # Errors
    /// Where the connection fails. What had not been answered then may have been taken.
    pub fn send(
        &mut self,
        from: &Mailbox,
        recipients: &[Mailbox],
        content: &[u8],
    ) -> Result<Vec<Answer>, LinkError> {
        let mut mail = format!("MAIL FROM:<{from}>");
        if self.size {
            mail.push_str(&format!(" SIZE={}", content.len()));
        }
        mail.push_str("\r\n");
        let rcpts: Vec<String> = recipients
            .iter()
            .map(|to| format!("RCPT TO:<{to}>\r\n"))
            .collect();
        if self.pipelining {
            self.say(&format!("{mail}{}DATA\r\n", rcpts.concat()))?;
        } else {
            self.say(&mail)?;
        }
        let sender = self.reply(self.timeouts.command)?;
        let mut answers = Vec::with_capacity(rcpts.len());
        if !sender.is_positive() && !self.pipelining {
            self.reset()?;
            return Ok(rcpts.iter().map(|_| sender.refusal()).collect());
        }
        for rcpt in &rcpts {
            if !self.pipelining {
                self.say(rcpt)?;
            }
            let reply = self.reply(self.timeouts.command)?;
            answers.push(match (sender.is_positive(), reply.is_positive()) {
                (true, true) => Answer::Taken(String::new()),
                (true, false) => reply.refusal(),
                (false, _) => sender.refusal(),
            });
        }
        let some = answers
            .iter()
            .any(|answer| matches!(answer, Answer::Taken(_)));
        if !self.pipelining {
            if !some {
                self.reset()?;
                return Ok(answers);
            }
            self.say("DATA\r\n")?;
        }
        let go = self.reply(self.timeouts.data)?;
        let last = match (go.code, some) {
            (354, true) => {
                self.write(&data::stuff(content))?;
                self.reply(self.timeouts.end)
                    .map_err(|error| LinkError::Unanswered(Box::new(error)))?
            }
            (354, false) => {
                // It wants a content for nobody (RFC 2920 section 3.1).
                self.say(".\r\n")?;
                self.reply(self.timeouts.end)?;
                return Ok(answers);
            }
            (_, true) => go,
            (_, false) => {
                self.reset()?;
                return Ok(answers);
            }
        };
        if !last.is_positive() {
            let refusal = last.refusal();
            for answer in &mut answers {
                if matches!(answer, Answer::Taken(_)) {
                    *answer = refusal.clone();
                }
            }
            return Ok(answers);
        }
        for answer in &mut answers {
            if let Answer::Taken(text) = answer {
                *text = last.line();
            }
        }
        Ok(answers)
    }

    /// Says goodbye.
    pub fn quit(mut self) {
        // It is over, whatever the peer says.
        let _ = self.say("QUIT\r\n");
        let _ = self.reply(Duration::from_secs(1));
    }

    fn hello(&mut self, us: &str) -> Result<(), LinkError> {
        self.say(&format!("EHLO {us}\r\n"))?;
        let reply = self.reply(self.timeouts.command)?;
        let offers = |name: &str| {
            reply.text.lines().any(|line| {
                let word = line.split_ascii_whitespace().next().unwrap_or("");
                word.eq_ignore_ascii_case(name)
            })
        };
        if reply.is_positive() {
            self.pipelining = offers("PIPELINING");
            self.size = offers("SIZE");
            self.starttls = offers("STARTTLS") && !self.is_encrypted();
            return Ok(());
        }
        if !matches!(reply.code, 500 | 502 | 504 | 550) {
            return Err(LinkError::Refused(reply.line()));
        }
        self.say(&format!("HELO {us}\r\n"))?;
        let reply = self.reply(self.timeouts.command)?;
        if reply.is_positive() {
            Ok(())
        } else {
            Err(LinkError::Refused(reply.line()))
        }
    }

    fn reset(&mut self) -> Result<(), LinkError> {
        self.say("RSET\r\n")?;
        self.reply(self.timeouts.command).map(|_| ())
    }

    fn say(&mut self, command: &str) -> Result<(), LinkError> {
        self.write(command.as_bytes())
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), LinkError> {
        self.socket.set_write_timeout(Some(self.timeouts.block))?;
        self.stream.write_all(octets)?;
        self.stream.flush()?;
        Ok(())
    }

    /// The next reply, which must be whole before `timeout` is over. A server that is going away
    /// (421) ends the connection.
    fn reply(&mut self, timeout: Duration) -> Result<Reply, LinkError> {
        let begun = Instant::now();
        let mut receiver = ResponseReceiver::default();
        let mut chunk = [0; 4_096];
        loop {
            let mut octets = self.unread.iter();
            let parsed = receiver.parse(&mut octets);
            let left = octets.as_slice().to_vec();
            self.unread = left;
            match parsed {
                Ok(reply) if reply.code == 421 => {
                    return Err(LinkError::Refused(format!("421 {}", reply.message)));
                }
                Ok(reply) => {
                    return Ok(Reply {
                        code: reply.code,
                        text: reply.message,
                    });
                }
                Err(Error::NeedsMoreData { .. }) => {}
                Err(error) => return Err(LinkError::Nonsense(format!("{error:?}"))),
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(io::Error::from(io::ErrorKind::TimedOut).into());
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => self
                    .unread
                    .extend_from_slice(chunk.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({:?})", self.socket.peer_addr())
    }
}

fn connect(host: &Host, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in (host.name.as_str(), host.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => {
                // Only the speed of small commands depends on it.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests;

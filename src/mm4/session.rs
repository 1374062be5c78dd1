//! One SMTP session on our side (RFC 5321), without a socket: octets in, replies and messages out.
//!
//! The states hold what is known in them, so that a message can only be received after a sender
//! and at least one recipient whom the gate let through. How the input is cut into pieces makes no
//! difference.

use std::sync::Arc;

use super::command::{self, Command};
use super::data::{Data, Flaw, Progress};
use super::peers::{Gate, Peer, Recipient, TlsPolicy};

/// What a session bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a mail. Base64 makes a third more of a message.
    pub mail_bytes: usize,
    /// Octets of a line of a mail: MMSCs write presentations on one.
    pub line_bytes: usize,
    /// Octets of a command line with its CR LF.
    pub command_bytes: usize,
    /// Recipients of a mail.
    pub recipients: usize,
    /// Commands that fail for want of sense, after which the session ends.
    pub errors: u32,
    /// Commands between two mails.
    pub commands: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mail_bytes: 8 << 20,
            line_bytes: 64 << 10,
            command_bytes: 1_000,
            recipients: 100,
            errors: 20,
            commands: 1_000,
        }
    }
}

/// Where the octets of a session come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A connection in the clear, with no certificate to offer.
    Clear,
    /// A connection in the clear that can be encrypted.
    Offered,
    /// An encrypted one.
    Encrypted,
}

/// What the caller must do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Send the replies, and bring more octets.
    More,
    /// Say with [`Session::go_ahead`] whether there is room for a mail of at most so many octets.
    Room(usize),
    /// Take this mail over, and say with [`Session::answer`] what became of it.
    Mail(Mail),
    /// Send the replies, throw away what came after them, and begin a session in TLS.
    StartTls,
    /// Send the replies and close the connection.
    Close,
}

/// A mail whose recipients were let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// MAIL FROM; empty for a bounce.
    pub from: String,
    /// RCPT TO, each once.
    pub recipients: Vec<Recipient>,
    /// The content.
    pub octets: Vec<u8>,
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken over, and will not be lost.
    Taken(String),
    /// It should be brought again.
    Later(String),
    /// It should not.
    Never(String),
}

/// A session with a peer.
#[derive(Debug)]
pub struct Session {
    gate: Arc<Gate>,
    peer: Arc<Peer>,
    host: String,
    limits: Limits,
    channel: Channel,
    state: State,
    line: Vec<u8>,
    errors: u32,
    commands: u32,
}

/// Who a mail is from and for.
#[derive(Debug)]
struct Transaction {
    from: String,
    size: Option<u64>,
    recipients: Vec<Recipient>,
}

#[derive(Debug)]
enum State {
    /// Nobody said hello.
    Fresh,
    /// No mail is under way.
    Idle,
    /// There is a sender, and perhaps recipients.
    Open(Transaction),
    /// There are recipients, and the caller is asked for room.
    Asking(Transaction),
    /// The content comes.
    Data(Transaction, Data),
    /// The caller has the mail.
    Taking,
    /// It is over.
    Over,
}

impl Session {
    /// A session with a peer, and its greeting. `host` is our name.
    #[must_use]
    pub fn new(
        gate: Arc<Gate>,
        peer: Arc<Peer>,
        host: &str,
        limits: Limits,
        channel: Channel,
    ) -> (Self, Vec<u8>) {
        let session = Self {
            gate,
            peer,
            host: host.to_owned(),
            limits,
            channel,
            state: State::Fresh,
            line: Vec::new(),
            errors: 0,
            commands: 0,
        };
        let greeting = format!("220 {host} ESMTP MMSC\r\n").into_bytes();
        (session, greeting)
    }

    /// The session that follows this one once the connection is encrypted. It has no greeting, and
    /// knows nothing of what was said before.
    #[must_use]
    pub fn encrypted(self) -> Self {
        let (session, _) = Self::new(
            self.gate,
            self.peer,
            &self.host,
            self.limits,
            Channel::Encrypted,
        );
        session
    }

    /// The peer.
    #[must_use]
    pub fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Whether the content of a mail is coming.
    #[must_use]
    pub fn in_data(&self) -> bool {
        matches!(self.state, State::Data(..))
    }

    /// Whether a command or a mail has begun and not ended: the peer is in the middle of something.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.line.is_empty() && matches!(self.state, State::Fresh | State::Idle | State::Over)
    }

    /// Reads on, as far as it can go before the caller is asked for something. Replies are appended
    /// to `out`; what was not read yet stays in `input`.
    pub fn feed(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Next {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Over => return Next::Close,
                State::Taking => {
                    // The caller owes an answer.
                    self.state = State::Taking;
                    return Next::More;
                }
                State::Asking(transaction) => {
                    let size = transaction.size.and_then(|size| usize::try_from(size).ok());
                    let most = self.limits.mail_bytes;
                    let room = size.map_or(most, |size| size.min(most));
                    self.state = State::Asking(transaction);
                    return Next::Room(room);
                }
                State::Data(transaction, mut data) => match data.read(input) {
                    Progress::More => {
                        self.state = State::Data(transaction, data);
                        return Next::More;
                    }
                    Progress::Flood => {
                        reply(out, 552, "5.3.4 The message is too long");
                        return Next::Close;
                    }
                    Progress::End => match data.finish() {
                        Ok(octets) => {
                            self.state = State::Taking;
                            return Next::Mail(Mail {
                                from: transaction.from,
                                recipients: transaction.recipients,
                                octets,
                            });
                        }
                        Err(flaw) => {
                            let (code, text) = flawed(flaw);
                            reply(out, code, text);
                            self.state = State::Idle;
                            self.commands = 0;
                        }
                    },
                },
                state => {
                    self.state = state;
                    match self.line(input, out) {
                        Line::Whole(line) => {
                            if let Some(next) = self.command(&line, out) {
                                return next;
                            }
                        }
                        Line::Part => return Next::More,
                        Line::Broken => {
                            self.state = State::Over;
                            return Next::Close;
                        }
                    }
                }
            }
        }
    }

    /// Answers [`Next::Room`].
    pub fn go_ahead(&mut self, there_is_room: bool, out: &mut Vec<u8>) {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Asking(transaction) if there_is_room => {
                let data = Data::new(self.limits.mail_bytes, self.limits.line_bytes);
                self.state = State::Data(transaction, data);
                reply(out, 354, "End with a dot on a line of its own");
            }
            State::Asking(transaction) => {
                self.state = State::Open(transaction);
                reply(out, 452, "4.3.1 Too much is under way, try again later");
            }
            other => self.state = other,
        }
    }

    /// Answers [`Next::Mail`].
    pub fn answer(&mut self, verdict: &Verdict, out: &mut Vec<u8>) {
        if !matches!(self.state, State::Taking) {
            return;
        }
        self.state = State::Idle;
        self.commands = 0;
        match verdict {
            Verdict::Taken(text) => reply(out, 250, &format!("2.0.0 {text}")),
            Verdict::Later(text) => reply(out, 451, &format!("4.3.0 {text}")),
            Verdict::Never(text) => reply(out, 554, &format!("5.6.0 {text}")),
        }
    }

    /// The next line of commands.
    fn line(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Line {
        while let [first, rest @ ..] = *input {
            *input = rest;
            let after_cr = self.line.last() == Some(&b'\r');
            match (after_cr, *first) {
                (true, b'\n') => {
                    let mut line = std::mem::take(&mut self.line);
                    line.pop();
                    return Line::Whole(line);
                }
                // What ends a line for one server and not for another is no line.
                (true, _) | (false, b'\n') => {
                    reply(out, 500, "5.5.2 Lines end with CR LF");
                    return Line::Broken;
                }
                (false, octet) => self.line.push(octet),
            }
            if self.line.len() >= self.limits.command_bytes {
                reply(out, 500, "5.5.2 The line is too long");
                return Line::Broken;
            }
        }
        Line::Part
    }

    /// Does what a line says. `None` where the session goes on with the next one.
    fn command(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Next> {
        self.commands = self.commands.saturating_add(1);
        if self.commands > self.limits.commands {
            return Some(self.close(out, "4.7.0 Too many commands"));
        }
        let text = String::from_utf8_lossy(line);
        let command = match command::read(&text) {
            Ok(command) => command,
            Err((code, text)) => return self.wrong(code, text, out),
        };
        match command {
            Command::Quit => {
                reply(out, 221, "2.0.0 Goodbye");
                self.state = State::Over;
                return Some(Next::Close);
            }
            Command::Noop => reply(out, 250, "2.0.0 Ok"),
            Command::Curious => reply(out, 252, "2.1.5 Send, and see"),
            Command::Rset => {
                if !matches!(self.state, State::Fresh) {
                    self.state = State::Idle;
                }
                reply(out, 250, "2.0.0 Ok");
            }
            Command::Helo => {
                self.state = State::Idle;
                let host = self.host.clone();
                reply(out, 250, &host);
            }
            Command::Ehlo => {
                self.state = State::Idle;
                self.capabilities(out);
            }
            Command::StartTls => return self.start_tls(out),
            Command::Mail { from, size } => return self.mail(from, size, out),
            Command::Rcpt { to } => return self.rcpt(&to, out),
            Command::Data => return self.data(out),
        }
        None
    }

    fn capabilities(&self, out: &mut Vec<u8>) {
        let mut lines = vec![
            self.host.clone(),
            "PIPELINING".to_owned(),
            "8BITMIME".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
        ];
        if self.channel == Channel::Offered && self.peer.tls != TlsPolicy::Off {
            lines.push("STARTTLS".to_owned());
        }
        let size = format!("SIZE {}", self.limits.mail_bytes);
        for line in lines {
            out.extend_from_slice(format!("250-{line}\r\n").as_bytes());
        }
        reply(out, 250, &size);
    }

    fn start_tls(&mut self, out: &mut Vec<u8>) -> Option<Next> {
        let offered = self.channel == Channel::Offered && self.peer.tls != TlsPolicy::Off;
        if !offered {
            return self.wrong(502, "5.5.1 TLS is not offered", out);
        }
        match self.state {
            State::Idle => {
                reply(out, 220, "2.0.0 Go ahead");
                self.state = State::Over;
                Some(Next::StartTls)
            }
            _ => self.wrong(503, "5.5.1 Not now", out),
        }
    }

    fn mail(&mut self, from: String, size: Option<u64>, out: &mut Vec<u8>) -> Option<Next> {
        match self.state {
            State::Idle => {}
            State::Fresh => return self.wrong(503, "5.5.1 Say EHLO first", out),
            _ => return self.wrong(503, "5.5.1 There is a sender already", out),
        }
        if self.peer.tls == TlsPolicy::Required && self.channel != Channel::Encrypted {
            return self.wrong(530, "5.7.0 Say STARTTLS first", out);
        }
        let most = u64::try_from(self.limits.mail_bytes).unwrap_or(u64::MAX);
        if size.is_some_and(|size| size > most) {
            reply(out, 552, "5.3.4 The message is too long");
            return None;
        }
        self.state = State::Open(Transaction {
            from,
            size,
            recipients: Vec::new(),
        });
        reply(out, 250, "2.1.0 Ok");
        None
    }

    fn rcpt(&mut self, to: &str, out: &mut Vec<u8>) -> Option<Next> {
        let State::Open(transaction) = &mut self.state else {
            return self.wrong(503, "5.5.1 Say MAIL first", out);
        };
        if transaction.recipients.len() >= self.limits.recipients {
            reply(out, 452, "4.5.3 Too many recipients");
            return None;
        }
        match self.gate.recipient(to) {
            Ok(recipient) => {
                if !transaction.recipients.contains(&recipient) {
                    transaction.recipients.push(recipient);
                }
                reply(out, 250, "2.1.5 Ok");
            }
            Err(closed) => reply(out, 550, &format!("5.7.1 {closed}")),
        }
        None
    }

    fn data(&mut self, out: &mut Vec<u8>) -> Option<Next> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Open(transaction) if !transaction.recipients.is_empty() => {
                self.state = State::Asking(transaction);
                None
            }
            State::Open(transaction) => {
                self.state = State::Open(transaction);
                reply(out, 554, "5.5.1 There is no recipient");
                None
            }
            other => {
                self.state = other;
                self.wrong(503, "5.5.1 Say MAIL and RCPT first", out)
            }
        }
    }

    fn wrong(&mut self, code: u16, text: &str, out: &mut Vec<u8>) -> Option<Next> {
        reply(out, code, text);
        self.errors = self.errors.saturating_add(1);
        (self.errors >= self.limits.errors).then(|| self.close(out, "4.7.0 Too many errors"))
    }

    fn close(&mut self, out: &mut Vec<u8>, text: &str) -> Next {
        reply(out, 421, text);
        self.state = State::Over;
        Next::Close
    }
}

enum Line {
    Whole(Vec<u8>),
    Part,
    Broken,
}

const fn flawed(flaw: Flaw) -> (u16, &'static str) {
    match flaw {
        Flaw::TooLong => (552, "5.3.4 The message is too long"),
        Flaw::LineTooLong => (554, "5.6.0 A line is too long"),
        Flaw::BareLineEnd => (554, "5.6.0 Lines end with CR LF"),
        Flaw::Nul => (554, "5.6.0 There is a NUL in it"),
    }
}

/// Appends a reply of one line; whatever is not visible ASCII in it is a space.
fn reply(out: &mut Vec<u8>, code: u16, text: &str) {
    let text: String = text
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { ' ' })
        .take(400)
        .collect();
    out.extend_from_slice(format!("{code} {text}\r\n").as_bytes());
}

#[cfg(test)]
mod tests;

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
mod tests {
    use proptest::prelude::*;

    use super::super::peers::tests::gate;
    use super::*;
    use crate::mms::address::Msisdn;

    const RCPT: &str = "RCPT TO:<+972555000001/TYPE=PLMN@mms.example>\r\n";

    fn session(limits: Limits, channel: Channel) -> Session {
        let gate = Arc::new(gate());
        let peer = gate.named("hub").unwrap().clone();
        Session::new(gate, peer, "mmsc.example", limits, channel).0
    }

    fn with_tls(policy: TlsPolicy) -> Session {
        let mut session = session(Limits::default(), Channel::Offered);
        let mut peer = (*session.peer).clone();
        peer.tls = policy;
        session.peer = Arc::new(peer);
        session
    }

    /// Plays a client that sends `pieces`; gives all replies, the mails, and whether the session
    /// was closed.
    fn play(session: &mut Session, pieces: &[&[u8]]) -> (String, Vec<Mail>, bool) {
        let (mut out, mut mails) = (Vec::new(), Vec::new());
        for piece in pieces {
            let mut input = *piece;
            loop {
                match session.feed(&mut input, &mut out) {
                    Next::More => break,
                    Next::Room(_) => session.go_ahead(true, &mut out),
                    Next::Mail(mail) => {
                        mails.push(mail);
                        session.answer(&Verdict::Taken("Ok".to_owned()), &mut out);
                    }
                    Next::StartTls | Next::Close => {
                        return (String::from_utf8(out).unwrap(), mails, true);
                    }
                }
            }
        }
        (String::from_utf8(out).unwrap(), mails, false)
    }

    fn codes(replies: &str) -> Vec<u16> {
        replies
            .lines()
            .filter(|line| line.as_bytes().get(3) == Some(&b' '))
            .map(|line| line[..3].parse().unwrap())
            .collect()
    }

    fn said(text: &str) -> (Vec<u16>, Vec<Mail>, bool) {
        let mut session = session(Limits::default(), Channel::Clear);
        let (replies, mails, closed) = play(&mut session, &[text.as_bytes()]);
        (codes(&replies), mails, closed)
    }

    #[test]
    fn a_mail_comes_through_in_one_go() {
        let text = format!(
            "EHLO a\r\nMAIL FROM:<x@hub.example> SIZE=9\r\n{RCPT}{RCPT}RCPT TO:<postmaster>\r\n\
             DATA\r\n..a\r\n.\r\nQUIT\r\n"
        );
        let (codes, mails, closed) = said(&text);
        assert_eq!(codes, [250, 250, 250, 250, 250, 354, 250, 221]);
        assert!(closed);
        let number = Msisdn::parse("+972555000001").unwrap();
        assert_eq!(
            mails,
            [Mail {
                from: "x@hub.example".to_owned(),
                recipients: vec![Recipient::Subscriber(number), Recipient::System],
                octets: b".a\r\n".to_vec(),
            }]
        );
    }

    #[test]
    fn an_order_that_makes_no_sense_is_refused() {
        for (text, want) in [
            ("MAIL FROM:<a@b>\r\n", vec![503]),
            ("EHLO a\r\nDATA\r\n", vec![250, 503]),
            ("EHLO a\r\nRCPT TO:<postmaster>\r\n", vec![250, 503]),
            (
                "EHLO a\r\nMAIL FROM:<a@b>\r\nDATA\r\nMAIL FROM:<a@b>\r\n",
                vec![250, 250, 554, 503],
            ),
            (
                "EHLO a\r\nMAIL FROM:<a@b>\r\nRSET\r\nRCPT TO:<postmaster>\r\n",
                vec![250, 250, 250, 503],
            ),
            ("EHLO a\r\nSTARTTLS\r\nBDAT 1 LAST\r\n", vec![250, 502, 502]),
            (
                "NOOP\r\nVRFY x\r\nRSET\r\nMAIL FROM:<a@b>\r\n",
                vec![250, 252, 250, 503],
            ),
        ] {
            assert_eq!(said(text).0, want, "{text}");
        }
        let large = format!("EHLO a\r\nMAIL FROM:<a@b> SIZE=99999999\r\n{RCPT}");
        assert_eq!(said(&large).0, [250, 552, 503]);
    }

    #[test]
    fn nobody_is_relayed_for() {
        let paths = [
            "<a@evil.example>",
            "<+441632960001/TYPE=PLMN@mms.example>",
            "<+972555000901/TYPE=PLMN@mms.example>",
            "<+972555000001/TYPE=PLMN@evil.example>",
            "<a%evil.example@mms.example>",
            "<\"a@evil.example\"@mms.example>",
            "<evil.example!a@mms.example>",
            "<@mms.example:a@evil.example>",
            "<@mms.example,@x.example:+972555000001@evil.example>",
            "<a@evil.example@mms.example>",
            "<a@[127.0.0.1]>",
            "<\"postmaster\"@evil.example>",
            "<7700@mms.example>",
            "<>",
        ];
        for from in ["<x@hub.example>", "<>", "<+972555000001@mms.example>"] {
            for path in paths {
                let text = format!("EHLO a\r\nMAIL FROM:{from}\r\nRCPT TO:{path}\r\nDATA\r\n");
                let (codes, mails, _) = said(&text);
                let [_, mail, rcpt, data] = codes[..] else {
                    panic!("{path}: {codes:?}");
                };
                assert_eq!(mail, 250, "{from}");
                assert!(matches!(rcpt, 501 | 550 | 553), "{path}: {rcpt}");
                assert_eq!(data, 554, "{path}");
                assert!(mails.is_empty());
            }
        }
    }

    #[test]
    fn no_second_message_comes_out_of_one() {
        for end in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r",
            "\r.\r\n",
            "\r\n.\n",
            "\r\n.\r",
            "\r\r\n.\r\r\n",
            "\n\n.\n\n",
            "\0\r\n.\0\r\n",
            "\r\n.\r\r\n",
        ] {
            let smuggled = format!("MAIL FROM:<evil@x>\r\n{RCPT}DATA\r\nevil\r\n.\r\n");
            let text = format!(
                "EHLO a\r\nMAIL FROM:<x@hub.example>\r\n{RCPT}DATA\r\nhello{end}{smuggled}"
            );
            let (codes, mails, _) = said(&text);
            assert!(mails.is_empty(), "{end:?}: {mails:?}");
            assert_eq!(codes, [250, 250, 250, 354, 554], "{end:?}");
        }
        for line in ["NOOP\nQUIT\r\n", "NOOP\rQUIT\r\n", "NOOP\r\r\n", "\n"] {
            let (codes, _, closed) = said(line);
            assert_eq!((codes, closed), (vec![500], true), "{line:?}");
        }
    }

    #[test]
    fn every_bound_holds_from_both_sides() {
        let limits = Limits {
            mail_bytes: 1_000,
            line_bytes: 100,
            command_bytes: 64,
            recipients: 2,
            errors: 3,
            commands: 10,
        };
        let run = |text: &str| {
            let mut session = session(limits, Channel::Clear);
            let (replies, mails, closed) = play(&mut session, &[text.as_bytes()]);
            (codes(&replies), mails.len(), closed)
        };
        assert_eq!(run(&format!("NOOP {}\r\n", "x".repeat(57))).0, [250]);
        let long = run(&format!("NOOP {}\r\n", "x".repeat(58)));
        assert_eq!(long, (vec![500], 0, true));
        let rcpts: String = (1..=3)
            .map(|n| format!("RCPT TO:<+97255500000{n}@mms.example>\r\n"))
            .collect();
        let many = format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{rcpts}");
        assert_eq!(run(&many).0, [250, 250, 250, 250, 452]);
        let mail = |content: &str| {
            let text = format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{RCPT}DATA\r\n{content}\r\n.\r\n");
            run(&text)
        };
        let line = "x".repeat(98) + "\r\n";
        assert_eq!(mail(line.repeat(10).trim_end()).1, 1);
        assert_eq!(mail(&line.repeat(10)).0.last(), Some(&552));
        assert_eq!(mail(&"x".repeat(100)).1, 1);
        assert_eq!(mail(&"x".repeat(101)).0.last(), Some(&554));
        let flood = mail(&line.repeat(40));
        assert_eq!((flood.0.last(), flood.2), (Some(&552), true));
        assert_eq!(run("X\r\nX\r\nNOOP\r\n"), (vec![500, 500, 250], 0, false));
        assert_eq!(run("X\r\nX\r\nX\r\n"), (vec![500, 500, 500, 421], 0, true));
        assert_eq!(run(&"NOOP\r\n".repeat(10)).0, [250; 10]);
        let last = run(&"NOOP\r\n".repeat(99_999));
        assert_eq!(
            (last.0.len(), last.0.last(), last.2),
            (11, Some(&421), true)
        );
    }

    #[test]
    fn a_million_recipients_are_no_burden() {
        let mut session = session(Limits::default(), Channel::Clear);
        let text = format!("EHLO a\r\nMAIL FROM:<a@b>\r\n{}", RCPT.repeat(1_000));
        let (replies, _, closed) = play(&mut session, &[text.as_bytes()]);
        assert!(closed, "{}", replies.len());
        let mut rest: &[u8] = b"MAIL FROM:<a@b>\r\n";
        assert_eq!(session.feed(&mut rest, &mut Vec::new()), Next::Close);
    }

    #[test]
    fn tls_is_asked_for_and_begins_anew() {
        let mut session = with_tls(TlsPolicy::Required);
        let text = "EHLO a\r\nMAIL FROM:<a@b>\r\nSTARTTLS\r\n";
        let (replies, _, _) = play(&mut session, &[text.as_bytes()]);
        assert_eq!(codes(&replies), [250, 530, 220]);
        assert!(replies.contains("250-STARTTLS\r\n"));
        let mut session = session.encrypted();
        let text = "MAIL FROM:<a@b>\r\nEHLO a\r\nSTARTTLS\r\nMAIL FROM:<a@b>\r\n";
        let (replies, _, _) = play(&mut session, &[text.as_bytes()]);
        assert_eq!(codes(&replies), [503, 250, 502, 250]);
        assert!(!replies.contains("STARTTLS"));
        let mut off = with_tls(TlsPolicy::Off);
        let (replies, _, _) = play(&mut off, &[b"EHLO a\r\n"]);
        assert!(!replies.contains("STARTTLS"), "{replies}");
    }

    #[test]
    fn what_follows_starttls_in_the_clear_is_not_read() {
        let mut session = with_tls(TlsPolicy::Opportunistic);
        let mut input: &[u8] = b"EHLO a\r\nSTARTTLS\r\nMAIL FROM:<evil@x>\r\n";
        let mut out = Vec::new();
        assert_eq!(session.feed(&mut input, &mut out), Next::StartTls);
        assert_eq!(
            input, b"MAIL FROM:<evil@x>\r\n",
            "the caller throws it away"
        );
        let (replies, _, _) = play(&mut session.encrypted(), &[RCPT.as_bytes()]);
        assert_eq!(codes(&replies), [503]);
    }

    #[test]
    fn without_room_nothing_is_received() {
        let mut session = session(Limits::default(), Channel::Clear);
        let text = format!("EHLO a\r\nMAIL FROM:<a@b> SIZE=77\r\n{RCPT}DATA\r\n");
        let (mut input, mut out) = (text.as_bytes(), Vec::new());
        assert_eq!(session.feed(&mut input, &mut out), Next::Room(77));
        session.go_ahead(false, &mut out);
        let mut input = &b"DATA\r\n"[..];
        assert_eq!(session.feed(&mut input, &mut out), Next::Room(77));
        session.go_ahead(true, &mut out);
        let replies = String::from_utf8(out).unwrap();
        assert_eq!(codes(&replies), [250, 250, 250, 452, 354]);
    }

    fn any_line() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("EHLO a\r\n".to_owned()),
            Just("MAIL FROM:<a@b>\r\n".to_owned()),
            Just(RCPT.to_owned()),
            Just("RCPT TO:<x@evil.example>\r\n".to_owned()),
            Just("DATA\r\n".to_owned()),
            Just("hello\r\n".to_owned()),
            Just("..\r\n".to_owned()),
            Just(".\r\n".to_owned()),
            Just("RSET\r\n".to_owned()),
            Just("QUIT\r\n".to_owned()),
            Just("\n.\r\n".to_owned()),
            "[a-z.\r\n]{0,9}",
        ]
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            lines in proptest::collection::vec(any_line(), 0..20),
            cuts in proptest::collection::vec(0..400_usize, 0..6),
        ) {
            let text = lines.concat();
            let octets = text.as_bytes();
            let whole = play(&mut session(Limits::default(), Channel::Clear), &[octets]);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(octets.len())).collect();
            cuts.push(octets.len());
            cuts.sort_unstable();
            let mut start = 0;
            let mut pieces = Vec::new();
            for cut in cuts {
                pieces.push(&octets[start..cut]);
                start = cut;
            }
            let split = play(&mut session(Limits::default(), Channel::Clear), &pieces);
            prop_assert_eq!(&split, &whole);
            let single: Vec<&[u8]> = octets.chunks(1).collect();
            let single = play(&mut session(Limits::default(), Channel::Clear), &single);
            prop_assert_eq!(&single, &whole);
        }
    }
}

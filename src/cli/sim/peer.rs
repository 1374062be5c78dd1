//! `remold sim peer`: the MMSC of another network, for trying the interface to peers out.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::client::failed;
use crate::Limits;
use crate::cli::{CliError, Exit, io};
use crate::mm4::client::{Answer, Link, Timeouts, Trust};
use crate::mm4::envelope::{
    Addressing, DeliveryReportReq, ForwardReq, Id, Mailbox, ReadReplyReportReq, Res, is_domain,
    number,
};
use crate::mm4::peers::SYSTEM;
use crate::mm4::session::{self, Channel, Mail, Next, Session, Verdict};
use crate::mm4::{Content, Envelope, Gate, Host, Peer, TlsPolicy};
use crate::mms::pdu::{self, PduType};
use crate::mms::{EncodedString, Field, HeaderValue};
use crate::relay::foreign::{MmStatus, ReadStatus, Request, RequestStatus};
use crate::relay::{Numbering, Routes};

/// A greeting with a picture, its text and a chord.
const GREETING: &[u8] = include_bytes!("../../../tests/data/greeting.mms");
/// Time without an octet after which a connection is closed.
const IDLE: Duration = Duration::from_secs(60);
/// Mails that wait to be answered.
const WAITING: usize = 64;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold sim peer                                # takes, prints and answers what comes
  remold sim peer --to +15550001111              # and sends a message first
  remold sim peer --numbers +4417 --domain far.example --mails 2

The service centre needs a peer in its configuration:
  [numbering]
  local = [\"+1555\"]
  [mm4]
  domain = \"mmsc.example\"
  [mm4.peers.sim]
  from = [\"127.0.0.1\"]
  host = \"127.0.0.1:8026\"
  domain = \"peer.example\"
  prefixes = [\"+1666\"]")]
pub(super) struct Args {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8026")]
    listen: SocketAddr,
    /// The service centre: the only one that is ever connected to
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8025")]
    server: SocketAddr,
    /// The domain of this network
    #[arg(long, default_value = "peer.example", value_parser = domain)]
    domain: String,
    /// The domain of the service centre
    #[arg(long, value_name = "DOMAIN", default_value = "mmsc.example", value_parser = domain)]
    server_domain: String,
    /// Beginning of the numbers of this network
    #[arg(long, value_name = "PREFIX", default_value = "+1666")]
    numbers: String,
    /// Send a message to this number first
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// Who sends it
    #[arg(long, value_name = "NUMBER", default_value = "+16660002222")]
    from: String,
    /// An M-Send.req with the message to send; without one, a greeting with a picture
    #[arg(long, value_name = "FILE", requires = "to")]
    message: Option<PathBuf>,
    /// Answer nothing, as a peer that has only half understood the standard
    #[arg(long)]
    silent: bool,
    /// End after so many mails
    #[arg(long, value_name = "COUNT")]
    mails: Option<u32>,
}

fn domain(text: &str) -> Result<String, String> {
    if is_domain(text) {
        Ok(text.to_owned())
    } else {
        Err("no domain".to_owned())
    }
}

pub(super) fn run(args: &Args) -> Result<Exit, CliError> {
    let listener = TcpListener::bind(args.listen)
        .map_err(|error| failed(&format!("{}: {error}", args.listen)))?;
    let address = listener
        .local_addr()
        .map_err(|error| failed(&error.to_string()))?;
    io::print(format!("peer smtp://{address}, numbers {}\n", args.numbers))?;
    let gate = Arc::new(gate(args));
    let (mail, mails) = sync_channel(WAITING);
    let host = args.domain.clone();
    std::thread::spawn(move || listen(&listener, &gate, &host, &mail));
    let sender = Sender::new(args)?;
    if let Some(to) = &args.to {
        let envelope = sender.message(to, args)?;
        sender.send(&envelope, &args.from, to)?;
    }
    answer(args, &sender, &mails)
}

/// Prints and answers mails, as they come.
fn answer(args: &Args, sender: &Sender<'_>, mails: &Receiver<Mail>) -> Result<Exit, CliError> {
    let mut count: u32 = 0;
    while args.mails.is_none_or(|most| count < most) {
        let mail = mails
            .recv()
            .map_err(|_| failed("nothing can be received any more"))?;
        count = count.saturating_add(1);
        match Envelope::read(&Bytes::from(mail.octets), &Limits::default()) {
            Ok(envelope) => {
                io::print(format!("{}\n", described(&envelope)))?;
                if !args.silent {
                    sender.answer(&envelope)?;
                }
            }
            Err(error) => io::print(format!("something else came: {error}\n"))?,
        }
    }
    Ok(Exit::Done)
}

/// Who may bring mails: whoever connects, to numbers and the system of this network.
fn gate(args: &Args) -> Gate {
    let anybody = ["0.0.0.0/0", "::/0"];
    let server = Peer {
        name: "server".to_owned(),
        from: anybody
            .iter()
            .filter_map(|range| range.parse().ok())
            .collect(),
        host: None,
        domain: args.server_domain.clone(),
        ack: true,
        tls: TlsPolicy::Off,
        per_second: 0,
        connections: 1,
    };
    Gate {
        peers: vec![Arc::new(server)],
        domains: vec![args.domain.clone()],
        numbering: Numbering {
            country: None,
            local: vec![args.numbers.clone()],
        },
        routes: Routes::default(),
    }
}

fn listen(listener: &TcpListener, gate: &Arc<Gate>, host: &str, mails: &SyncSender<Mail>) {
    for stream in listener.incoming().map_while(Result::ok) {
        let (gate, host, mails) = (gate.clone(), host.to_owned(), mails.clone());
        std::thread::spawn(move || {
            // A connection that breaks is the other side's to repeat.
            let _ = converse(stream, gate, &host, &mails);
        });
    }
}

/// Holds one session.
fn converse(
    mut stream: TcpStream,
    gate: Arc<Gate>,
    host: &str,
    mails: &SyncSender<Mail>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    let Some(peer) = gate.peers.first().cloned() else {
        return Ok(());
    };
    let limits = session::Limits::default();
    let (mut session, mut out) = Session::new(gate, peer, host, limits, Channel::Clear);
    let mut chunk = vec![0; 16 << 10];
    loop {
        stream.write_all(&out)?;
        out.clear();
        let count = stream.read(&mut chunk)?;
        let Some(mut input) = chunk.get(..count).filter(|input| !input.is_empty()) else {
            return Ok(());
        };
        loop {
            match session.feed(&mut input, &mut out) {
                Next::More => break,
                Next::Room(_) => session.go_ahead(true, &mut out),
                Next::Mail(mail) => {
                    let verdict = match mails.send(mail) {
                        Ok(()) => Verdict::Taken("Ok".to_owned()),
                        Err(_) => Verdict::Later("Going away".to_owned()),
                    };
                    session.answer(&verdict, &mut out);
                }
                Next::StartTls | Next::Close => return stream.write_all(&out),
            }
        }
    }
}

/// What came, on one line.
fn described(envelope: &Envelope) -> String {
    let transaction = &envelope.transaction_id;
    let id = envelope
        .message_id
        .as_ref()
        .map_or_else(String::new, |id| format!(" message {id}"));
    let what = match &envelope.content {
        Content::ForwardReq(forward) => {
            let parts: Vec<String> = forward
                .message
                .body
                .parts
                .iter()
                .map(|part| format!("{} ({} octets)", part.content_type.media(), part.data.len()))
                .collect();
            format!("from {}: {}", forward.from, parts.join(", "))
        }
        Content::ForwardRes(res)
        | Content::DeliveryReportRes(res)
        | Content::ReadReplyReportRes(res) => {
            let text = res.text.as_deref().unwrap_or("");
            format!("says {} {text}", res.status.name())
        }
        Content::DeliveryReportReq(report) => format!("says {}", report.status.name()),
        Content::ReadReplyReportReq(report) => match report.status {
            ReadStatus::Read => "says Read".to_owned(),
            ReadStatus::Deleted => "says Deleted without being read".to_owned(),
        },
    };
    let name = envelope.content.name();
    format!("{name} transaction {transaction}{id} {}", what.trim_end())
}

/// What this network sends.
struct Sender<'a> {
    args: &'a Args,
    host: Host,
    trust: Trust,
}

impl<'a> Sender<'a> {
    fn new(args: &'a Args) -> Result<Self, CliError> {
        let trust = Trust::new(rustls::RootCertStore::empty());
        Ok(Self {
            args,
            host: Host {
                name: args.server.ip().to_string(),
                port: args.server.port(),
            },
            trust: trust.map_err(|error| failed(&error.to_string()))?,
        })
    }

    /// Answers a request as a network would whose phones fetch at once and whose users read.
    fn answer(&self, envelope: &Envelope) -> Result<(), CliError> {
        let to = match &envelope.content {
            Content::ForwardReq(_) => Request::Forward,
            Content::DeliveryReportReq(_) => Request::DeliveryReport,
            Content::ReadReplyReportReq(_) => Request::ReadReport,
            _ => return Ok(()),
        };
        let [system, ..] = SYSTEM;
        if envelope.ack {
            let res = Res {
                status: RequestStatus::Ok,
                text: None,
                recipients: Vec::new(),
            };
            let response = Envelope {
                transaction_id: envelope.transaction_id.clone(),
                message_id: envelope.message_id.clone(),
                system: None,
                ack: false,
                date: Some(now()),
                received: 0,
                content: Content::response(to, res),
            };
            self.send(&response, system, system)?;
        }
        let Content::ForwardReq(forward) = &envelope.content else {
            return Ok(());
        };
        let headers = &forward.message.headers;
        let recipient = headers.text(Field::To).unwrap_or(&self.args.from);
        if headers.flag(Field::DeliveryReport) == Some(true) {
            let content = Content::DeliveryReportReq(DeliveryReportReq {
                recipient: number(recipient),
                status: MmStatus::Retrieved,
                text: None,
                for_user: Some(true),
            });
            let report = self.report(envelope, "delivery", content)?;
            self.send(&report, recipient, &forward.from)?;
        }
        if headers.flag(Field::ReadReport) == Some(true) {
            let content = Content::ReadReplyReportReq(ReadReplyReportReq {
                recipient: number(recipient),
                status: ReadStatus::Read,
                text: None,
            });
            let report = self.report(envelope, "read", content)?;
            self.send(&report, recipient, &forward.from)?;
        }
        Ok(())
    }

    fn report(
        &self,
        envelope: &Envelope,
        kind: &str,
        content: Content,
    ) -> Result<Envelope, CliError> {
        let id = format!("{kind}.{}", envelope.transaction_id.bare());
        Ok(Envelope {
            transaction_id: Id::parse(&id).ok_or_else(|| failed("no transaction id"))?,
            message_id: envelope.message_id.clone(),
            system: Some(self.system()),
            ack: true,
            date: Some(now()),
            received: 0,
            content,
        })
    }

    /// The message to send first.
    fn message(&self, to: &str, args: &Args) -> Result<Envelope, CliError> {
        let octets = match &args.message {
            Some(path) => io::read_input(path, Limits::default().message_bytes)?,
            None => Bytes::from_static(GREETING),
        };
        let pdu = pdu::decode(&octets, &Limits::default())
            .map_err(|error| {
                CliError::new(Exit::Undecodable, error.kind.to_string()).at(error.offset)
            })?
            .value;
        if pdu.pdu_type != PduType::SendReq {
            let what = format!("{}, where an m-send-req is needed", pdu.pdu_type.name());
            return Err(CliError::new(Exit::Undecodable, what));
        }
        let mut message = pdu
            .into_message()
            .map_err(|_| failed("there is no content"))?;
        for field in [Field::To, Field::Cc, Field::Bcc, Field::Expiry] {
            message.headers.remove(field);
        }
        let shown = EncodedString::new(self.mailbox(to, &args.server_domain)?.as_str());
        message.headers.add(Field::To, HeaderValue::Encoded(shown));
        for field in [Field::DeliveryReport, Field::ReadReport] {
            message.headers.set(field, HeaderValue::Token(0x80));
        }
        let id = |kind: &str| {
            let text = format!("{kind}.{}.{}@{}", std::process::id(), now(), args.domain);
            Id::parse(&text).ok_or_else(|| failed("no id"))
        };
        Ok(Envelope {
            transaction_id: id("t")?,
            message_id: Some(id("m")?),
            system: Some(self.system()),
            ack: true,
            date: Some(now()),
            received: 0,
            content: Content::ForwardReq(Box::new(ForwardReq {
                from: args.from.clone(),
                system_report: false,
                forward_counter: 0,
                message,
            })),
        })
    }

    fn system(&self) -> String {
        let [system, ..] = SYSTEM;
        format!("{system}@{}", self.args.domain)
    }

    fn mailbox(&self, address: &str, domain: &str) -> Result<Mailbox, CliError> {
        // A number has its type, and a system none.
        let typed = match number(address) {
            Some(number) => format!("{number}/TYPE=PLMN"),
            None => address.to_owned(),
        };
        let wrong = || CliError::new(Exit::Usage, format!("{address} is no address"));
        Mailbox::subscriber(&typed, domain).ok_or_else(wrong)
    }

    /// Sends one mail from a number or system of ours to one of the service centre's, and prints what
    /// became of it.
    fn send(&self, envelope: &Envelope, from: &str, to: &str) -> Result<(), CliError> {
        let from = self.mailbox(from, &self.args.domain)?;
        let to = self.mailbox(to, &self.args.server_domain)?;
        let id = format!("{}@{}", envelope.transaction_id.bare(), self.args.domain);
        let id = id.split_at_checked(200).map_or(id.as_str(), |(id, _)| id);
        let addressing = Addressing {
            from: from.clone(),
            to: to.clone(),
            sender: self.mailbox("system-user", &self.args.domain)?,
            mail_id: Id::parse(id).ok_or_else(|| failed("no id"))?,
        };
        let content = envelope
            .write(&addressing)
            .map_err(|error| failed(&error.to_string()))?;
        let broken = |error| failed(&format!("{}: {error}", self.args.server));
        let mut link = Link::open(
            &self.host,
            &self.args.domain,
            TlsPolicy::Opportunistic,
            &self.trust,
            Timeouts::default(),
        )
        .map_err(broken)?;
        let answers = link.send(&from, &[to], &content).map_err(broken)?;
        link.quit();
        let name = envelope.content.name();
        match answers.first() {
            Some(Answer::Taken(text)) => io::print(format!("sent {name}: {text}\n")),
            Some(Answer::Later(text) | Answer::Never(text)) => {
                Err(CliError::new(Exit::Refused, format!("{name}: {text}")))
            }
            None => Err(failed("the server said nothing")),
        }
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_is_told_on_one_line() {
        let text = "From: +15550001111\r\nX-Mms-Message-Type: MM4_delivery_report.REQ\r\n\
                    X-Mms-Transaction-ID: t1\r\nX-Mms-Message-ID: m1\r\n\
                    X-Mms-MM-Status-Code: Expired\r\n\r\n";
        let envelope = Envelope::read(&Bytes::from(text), &Limits::default()).unwrap();
        assert_eq!(
            described(&envelope),
            "MM4_delivery_report.REQ transaction t1 message m1 says Expired"
        );
    }
}

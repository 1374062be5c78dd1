//! What goes to peers: a thread for each connection, which does what is due for its peer, one mail
//! after the other on a connection that is kept open while there is more.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::board::{Board, Shared};
use super::client::{Answer, Link, LinkError, Timeouts, Trust};
use super::envelope::{
    Addressing, Content, DeliveryReportReq, Envelope, ForwardReq, Id, Mailbox, ReadReplyReportReq,
    Res, number,
};
use super::exchanger::Resolver;
use super::peers::{Gate, Peer, Reach, SYSTEM};
use super::registry::Enum;
use crate::mms::{EncodedString, Field, HeaderValue, Headers, Message, Time};
use crate::relay::Relay;
use crate::relay::foreign::{Forward, ForwardError, Forwarder, Handed, Note, Request};
use crate::relay::route::ASKED;

/// The longest sleep.
const LONGEST: Duration = Duration::from_secs(60);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(10);
/// Pause after the store failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Threads that ask name servers to which peer recipients belong.
const ASKERS: usize = 4;
/// How long what is under way may take to end once everything stops.
const DRAIN: Duration = Duration::from_secs(20);
/// X-Mms-Forward-Counter is not ours to raise: only a forwarding user agent does.
const NOT_FORWARDED: u32 = 0;

/// Wakes the threads: there may be new work.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<u64>,
    waiting: Condvar,
}

impl Bell {
    /// Wakes everybody who waits.
    pub fn ring(&self) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        *rung = rung.wrapping_add(1);
        self.waiting.notify_all();
    }

    fn heard(&self) -> u64 {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a ring after the one that was heard last, at most so long.
    fn wait(&self, heard: u64, longest: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether it rang or the time is over makes no difference: both mean to look again.
        let _ = self
            .waiting
            .wait_timeout_while(rung, longest, |rung| *rung == heard);
    }
}

/// Who we are for peers.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Our name in EHLO.
    pub host: String,
    /// The peers, and our domains.
    pub gate: Arc<Gate>,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// How long peers may take.
    pub timeouts: Timeouts,
    /// Who knows where a domain takes its mail.
    pub resolver: Resolver,
}

/// The threads.
#[derive(Debug)]
pub struct Couriers {
    threads: Vec<JoinHandle<()>>,
    couriers: Vec<Arc<Courier>>,
    stopping: Arc<AtomicBool>,
    bell: Arc<Bell>,
}

impl Couriers {
    /// Starts them: as many for each peer of the board as it may have connections.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn start(
        relay: &Arc<Relay>,
        identity: &Identity,
        board: &Board,
        bell: Arc<Bell>,
    ) -> std::io::Result<Self> {
        let mut started = Self {
            threads: Vec::new(),
            couriers: Vec::new(),
            stopping: Arc::new(AtomicBool::new(false)),
            bell,
        };
        for (peer, shared) in board.peers() {
            // One that only brings still has rows that must come to an end.
            for _ in 0..peer.connections.max(1) {
                started.spawn(relay, identity, peer.clone(), shared.clone())?;
            }
        }
        Ok(started)
    }

    fn spawn(
        &mut self,
        relay: &Arc<Relay>,
        identity: &Identity,
        peer: Arc<Peer>,
        shared: Arc<Shared>,
    ) -> std::io::Result<()> {
        let courier = Arc::new(Courier {
            identity: identity.clone(),
            peer,
            shared,
            link: Mutex::new(None),
            handle: Mutex::new(None),
        });
        self.couriers.push(courier.clone());
        let (relay, bell, stopping) = (relay.clone(), self.bell.clone(), self.stopping.clone());
        let thread = std::thread::Builder::new()
            .name(format!("mm4-{}", courier.peer.name))
            .spawn(move || courier.work(&relay, &bell, &stopping))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Starts those who find out to which peer recipients belong, by asking `registry`.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn ask(&mut self, relay: &Arc<Relay>, registry: &Arc<Enum>) -> std::io::Result<()> {
        for _ in 0..ASKERS {
            let (relay, registry) = (relay.clone(), registry.clone());
            let (bell, stopping) = (self.bell.clone(), self.stopping.clone());
            let thread = std::thread::Builder::new()
                .name("mm4-enum".to_owned())
                .spawn(move || ask(&relay, &registry, &bell, &stopping))?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// Stops them: what is under way may end for a while, then its connection is broken off. Gives
    /// whether nothing had to be.
    pub fn stop(self) -> bool {
        self.stopping.store(true, Ordering::Relaxed);
        self.bell.ring();
        let begun = Instant::now();
        let running = |threads: &[JoinHandle<()>]| threads.iter().any(|t| !t.is_finished());
        while running(&self.threads) && begun.elapsed() < DRAIN {
            std::thread::sleep(Duration::from_millis(5));
        }
        let drained = !running(&self.threads);
        for courier in &self.couriers {
            courier.hang_up();
        }
        for thread in self.threads {
            // A panic of a thread was reported when it happened.
            let _ = thread.join();
        }
        drained
    }
}

/// Asks to which peer recipients belong, until everything stops.
fn ask(relay: &Relay, registry: &Enum, bell: &Bell, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Relaxed) {
        let heard = bell.heard();
        let pause = match relay.wait_of_peer(ASKED) {
            Ok(Some(wait)) if wait.is_zero() => match relay.run_asked(registry) {
                Ok(_) => continue,
                Err(_) => PAUSE,
            },
            Ok(wait) => wait.unwrap_or(LONGEST).min(LONGEST),
            Err(_) => PAUSE,
        };
        bell.wait(heard, pause);
    }
}

/// One connection to one peer.
#[derive(Debug)]
struct Courier {
    identity: Identity,
    peer: Arc<Peer>,
    shared: Arc<Shared>,
    link: Mutex<Option<Link>>,
    handle: Mutex<Option<TcpStream>>,
}

impl Courier {
    fn work(&self, relay: &Relay, bell: &Bell, stopping: &AtomicBool) {
        while !stopping.load(Ordering::Relaxed) {
            let heard = bell.heard();
            if let Some(rest) = self.shared.rest() {
                // New work does not make a dead peer live: only the end of everything wakes us.
                self.sleep(rest, stopping);
                continue;
            }
            let pause = match relay.wait_of_peer(&self.peer.name) {
                Ok(Some(wait)) if wait.is_zero() => match relay.run_peer(&self.peer.name, self) {
                    Ok(_) => continue,
                    Err(_) => PAUSE,
                },
                Ok(wait) => wait.unwrap_or(LONGEST).min(LONGEST),
                Err(_) => PAUSE,
            };
            if self.is_connected() && pause > IDLE {
                bell.wait(heard, IDLE);
                if bell.heard() == heard {
                    self.hang_up_politely();
                }
            } else {
                bell.wait(heard, pause);
            }
        }
        self.hang_up_politely();
    }

    fn sleep(&self, rest: Duration, stopping: &AtomicBool) {
        let begun = Instant::now();
        while begun.elapsed() < rest && !stopping.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100).min(rest));
        }
    }

    fn is_connected(&self) -> bool {
        self.link
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    fn hang_up_politely(&self) {
        let link = self
            .link
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(link) = link {
            self.shared.closed();
            link.quit();
        }
    }

    /// Breaks the connection off, whatever is under way.
    fn hang_up(&self) {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = handle.as_ref() {
            // One that is closed already is what we want.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Sends one mail, and gives what was said to each recipient.
    fn deliver(
        &self,
        from: &Mailbox,
        to: &[Mailbox],
        content: &[u8],
    ) -> Result<Vec<Result<String, ForwardError>>, ForwardError> {
        let name = &self.peer.name;
        if let Some(rest) = self.shared.rest() {
            let seconds = rest.as_secs().saturating_add(1);
            let text = format!("{name} does not answer and is left alone for {seconds} s");
            return Err(ForwardError::Temporary(text));
        }
        std::thread::sleep(self.shared.turn());
        let mut slot = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut link) = slot.take() {
            self.shared.closed();
            match link.send(from, to, content) {
                Ok(answers) => {
                    self.shared.opened();
                    *slot = Some(link);
                    return Ok(self.answered(to, answers));
                }
                Err(error @ LinkError::Unanswered(_)) => {
                    self.shared.failed(&error.to_string());
                    return Err(ForwardError::Temporary(format!("{name}: {error}")));
                }
                // A connection that was kept may have been closed since: that is no failure of the
                // peer, which has nothing of this mail.
                Err(_) => {}
            }
        }
        let sent = self.connect().and_then(|mut link| {
            let answers = link.send(from, to, content)?;
            Ok((link, answers))
        });
        match sent {
            Ok((link, answers)) => {
                self.shared.opened();
                *slot = Some(link);
                Ok(self.answered(to, answers))
            }
            Err(error) => {
                self.shared.failed(&error.to_string());
                Err(ForwardError::Temporary(format!("{name}: {error}")))
            }
        }
    }

    fn connect(&self) -> Result<Link, LinkError> {
        let hosts = match &self.peer.host {
            None => Vec::new(),
            Some(Reach::Host(host)) => vec![host.clone()],
            Some(Reach::Exchanger(domain)) => self.identity.resolver.exchangers(domain)?,
        };
        let mut last = LinkError::Refused("it has no host to send to".to_owned());
        for host in &hosts {
            let opened = Link::open(
                host,
                &self.identity.host,
                self.peer.tls,
                &self.identity.trust,
                self.identity.timeouts,
            );
            match opened {
                Ok(link) => {
                    let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
                    *handle = Some(link.handle()?);
                    return Ok(link);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// What was said to each recipient of a mail, which counts once.
    fn answered(&self, to: &[Mailbox], answers: Vec<Answer>) -> Vec<Result<String, ForwardError>> {
        let name = &self.peer.name;
        let first = answers.iter().find_map(|answer| match answer {
            Answer::Taken(_) => None,
            Answer::Never(text) | Answer::Later(text) => Some(text.as_str()),
        });
        if answers.iter().any(|one| matches!(one, Answer::Taken(_))) {
            self.shared.took();
        } else {
            self.shared.refused(first.unwrap_or("it said nothing"));
        }
        let nothing = || Answer::Later("it said nothing".to_owned());
        let said = answers.into_iter().chain(std::iter::repeat_with(nothing));
        to.iter()
            .zip(said)
            .map(|(_, answer)| match answer {
                Answer::Taken(text) => Ok(format!("{name} says {text}")),
                Answer::Never(text) => Err(ForwardError::Permanent(format!("{name}: {text}"))),
                Answer::Later(text) => Err(ForwardError::Temporary(format!("{name}: {text}"))),
            })
            .collect()
    }

    /// Sends a report on a message of the peer's: its transaction and message, from a recipient
    /// here to its sender there.
    fn report(
        &self,
        (transaction_id, message_id): (&str, &str),
        (from, to): (&str, &str),
        date: u64,
        content: Content,
    ) -> Result<Handed, ForwardError> {
        let envelope = Envelope {
            transaction_id: transaction(transaction_id)?,
            message_id: Id::parse(message_id),
            system: self.system(),
            ack: self.peer.ack,
            date: Some(date),
            received: 0,
            content,
        };
        let mail_id = format!("{transaction_id}.{}", now());
        self.post_one(&envelope, self.ours(from), self.theirs(to), &mail_id)
    }

    /// Writes an envelope and sends it to one recipient.
    fn post_one(
        &self,
        envelope: &Envelope,
        from: Option<Mailbox>,
        to: Option<Mailbox>,
        mail_id: &str,
    ) -> Result<Handed, ForwardError> {
        let to = to.ok_or_else(|| damaged("the recipient's address"))?;
        let handed = self.post(envelope, from, &[to], mail_id)?;
        let nothing = || ForwardError::Temporary(format!("{} said nothing", self.peer.name));
        handed.into_iter().next().ok_or_else(nothing)?
    }

    /// Writes an envelope and sends it. Gives what was said to each recipient.
    fn post(
        &self,
        envelope: &Envelope,
        from: Option<Mailbox>,
        to: &[Mailbox],
        mail_id: &str,
    ) -> Result<Vec<Result<Handed, ForwardError>>, ForwardError> {
        let from = from.ok_or_else(|| damaged("the sender's address"))?;
        let first = to
            .first()
            .ok_or_else(|| damaged("the recipient's address"))?;
        let gate = &self.identity.gate;
        let addressing = Addressing {
            from: from.clone(),
            to: first.clone(),
            sender: gate.system().ok_or_else(|| damaged("our address"))?,
            mail_id: Id::parse(&format!("{mail_id}@{}", gate.domain()))
                .ok_or_else(|| damaged("the id"))?,
        };
        let content = envelope
            .write(&addressing)
            .map_err(|error| ForwardError::Permanent(error.to_string()))?;
        let answers = self.deliver(&from, to, &content)?;
        let handed = |detail| Handed {
            awaits_response: envelope.ack,
            detail,
        };
        let each = answers.into_iter().map(|answer| answer.map(handed));
        Ok(each.collect())
    }

    /// Sends a message to some of its recipients.
    fn forward_to(
        &self,
        forward: &Forward<'_>,
        to: &[Mailbox],
    ) -> Result<Vec<Result<Handed, ForwardError>>, ForwardError> {
        let Forward { message, row, .. } = forward;
        let message_id = format!("{}@{}", row.id, self.identity.gate.domain());
        let envelope = Envelope {
            transaction_id: transaction(forward.transaction_id)?,
            message_id: Id::parse(&message_id),
            system: self.system(),
            ack: self.peer.ack,
            date: Some(match message.headers.get(Field::Date) {
                Some(HeaderValue::Date(date)) => *date,
                _ => u64::try_from(row.accepted_at / 1_000).unwrap_or(0),
            }),
            received: 0,
            content: Content::ForwardReq(Box::new(ForwardReq {
                from: row.sender.clone(),
                system_report: false,
                forward_counter: NOT_FORWARDED,
                message: Message {
                    headers: headers(&message.headers, row.expires_at, to),
                    body: message.body.clone(),
                },
            })),
        };
        let tried = forward.recipients.iter().map(|one| one.attempts).max();
        let mail_id = format!("{}.{}", forward.transaction_id, tried.unwrap_or(0));
        self.post(&envelope, self.ours(&row.sender), to, &mail_id)
    }

    /// A subscriber of ours as peers write him.
    fn ours(&self, address: &str) -> Option<Mailbox> {
        Mailbox::subscriber(address, self.identity.gate.domain())
    }

    /// A subscriber of the peer.
    fn theirs(&self, address: &str) -> Option<Mailbox> {
        Mailbox::subscriber(address, &self.peer.domain)
    }

    fn system(&self) -> Option<String> {
        self.identity
            .gate
            .system()
            .map(|system| system.as_str().to_owned())
    }
}

impl Forwarder for Courier {
    fn forward(&self, forward: &Forward<'_>) -> Vec<Result<Handed, ForwardError>> {
        let to: Vec<Option<Mailbox>> = forward
            .recipients
            .iter()
            .map(|recipient| self.theirs(&recipient.address))
            .collect();
        let known: Vec<Mailbox> = to.iter().flatten().cloned().collect();
        let mut handed = match self.forward_to(forward, &known) {
            Ok(each) => each.into_iter(),
            Err(error) => {
                let each: Vec<_> = known.iter().map(|_| Err(error.clone())).collect();
                each.into_iter()
            }
        };
        let nothing = || ForwardError::Temporary(format!("{} said nothing", self.peer.name));
        to.iter()
            .map(|to| match to {
                Some(_) => handed.next().unwrap_or_else(|| Err(nothing())),
                None => Err(damaged("the recipient's address")),
            })
            .collect()
    }

    fn tell(&self, _: &str, note: &Note) -> Result<Handed, ForwardError> {
        match note {
            Note::Response {
                to,
                transaction_id,
                message_id,
                system,
                status,
                text,
                recipients,
            } => {
                let res = Res {
                    status: *status,
                    text: text.clone(),
                    recipients: recipients.clone(),
                };
                let envelope = Envelope {
                    transaction_id: transaction(transaction_id)?,
                    message_id: Id::parse(message_id),
                    system: None,
                    ack: false,
                    date: Some(now()),
                    received: 0,
                    content: Content::response(*to, res),
                };
                let [local, ..] = SYSTEM;
                let to_system = system
                    .as_deref()
                    .and_then(Mailbox::parse)
                    // One without a domain, or with ours, would not reach the peer.
                    .filter(|system| match system.as_str().rsplit_once('@') {
                        Some((_, domain)) => !self.identity.gate.is_ours(domain),
                        None => false,
                    })
                    .or_else(|| self.theirs(local));
                let kind = match to {
                    Request::Forward => "forward",
                    Request::DeliveryReport => "delivery",
                    Request::ReadReport => "read",
                };
                let mail_id = format!("res.{kind}.{}", digest(transaction_id, now()));
                self.post_one(&envelope, self.identity.gate.system(), to_system, &mail_id)
            }
            Note::Delivery {
                transaction_id,
                message_id,
                from,
                to,
                date,
                status,
                for_user,
            } => {
                let content = Content::DeliveryReportReq(DeliveryReportReq {
                    recipient: number(from),
                    status: *status,
                    text: None,
                    for_user: Some(*for_user),
                });
                self.report((transaction_id, message_id), (from, to), *date, content)
            }
            Note::Read {
                transaction_id,
                message_id,
                from,
                to,
                date,
                status,
            } => {
                let content = Content::ReadReplyReportReq(ReadReplyReportReq {
                    recipient: number(from),
                    status: *status,
                    text: None,
                });
                self.report((transaction_id, message_id), (from, to), *date, content)
            }
        }
    }
}

/// The headers of a message as the MMSC of its recipients gets them. Its expiry is a moment, for it
/// may have waited here. `theirs` are recipients in the form of their MMSC; those among them whom the
/// message does not name stay unnamed.
fn headers(given: &Headers, expires_at: i64, theirs: &[Mailbox]) -> Headers {
    let mut headers = given.clone();
    for field in [Field::To, Field::Cc, Field::Bcc] {
        headers.remove(field);
    }
    for field in [Field::To, Field::Cc] {
        for value in given.all(field) {
            let HeaderValue::Encoded(address) = value else {
                continue;
            };
            let named = number(&address.text);
            let same = theirs
                .iter()
                .find(|one| named.is_some() && number(one.as_str()) == named);
            let text = same.map_or(address.text.as_str(), Mailbox::as_str);
            let value = HeaderValue::Encoded(EncodedString::new(text));
            headers.add(field, value);
        }
    }
    let expiry = u64::try_from(expires_at / 1_000).unwrap_or(0);
    headers.set(Field::Expiry, HeaderValue::Time(Time::Absolute(expiry)));
    headers
}

fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// An id of ours for an answer to one of somebody else's, which may hold anything.
fn digest(transaction_id: &str, now: u64) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(format!("{transaction_id} {now}"));
    hash.iter()
        .take(8)
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

fn damaged(what: &str) -> ForwardError {
    ForwardError::Permanent(format!("{what} has no form on MM4"))
}

fn transaction(id: &str) -> Result<Id, ForwardError> {
    let wrong = || ForwardError::Permanent("the transaction id is none".to_owned());
    Id::parse(id).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_is_shown_as_his_network_writes_him_and_others_are_not() {
        let mut given = Headers::new();
        let encoded = |text: &str| HeaderValue::Encoded(EncodedString::new(text));
        given.add(Field::To, encoded("+15550000001/TYPE=PLMN"));
        given.add(Field::To, encoded("+15550000002/TYPE=PLMN"));
        given.add(Field::Bcc, encoded("+15550000003/TYPE=PLMN"));
        given.add(Field::Expiry, HeaderValue::Time(Time::Relative(60)));
        let shown = Mailbox::subscriber("+15550000002/TYPE=PLMN", "far.example");
        let headers = headers(&given, 5_000, shown.as_slice());
        let to: Vec<_> = headers.all(Field::To).cloned().collect();
        assert_eq!(
            to,
            [
                encoded("+15550000001/TYPE=PLMN"),
                encoded("+15550000002/TYPE=PLMN@far.example"),
            ]
        );
        assert_eq!(headers.get(Field::Bcc), None);
        let expiry = headers.get(Field::Expiry);
        assert_eq!(expiry, Some(&HeaderValue::Time(Time::Absolute(5))));
    }

    #[test]
    fn a_bell_that_rang_before_is_not_waited_for() {
        let bell = Bell::default();
        let heard = bell.heard();
        bell.ring();
        let begun = Instant::now();
        bell.wait(heard, Duration::from_secs(60));
        assert!(begun.elapsed() < Duration::from_secs(30));
        bell.wait(bell.heard(), Duration::from_millis(1));
    }
}

//! One connection to the service centre, from connecting to the end.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rusmpp::pdus::{DataSmResp, DeliverSmResp};
use rusmpp::{Command, CommandStatus, Pdu};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, timeout};

use super::super::breaker::Failure;
use super::super::tls::{self, Stream};
use super::receipt::Receipt;
use super::submit::{Verdict, named, verdict};
use super::wire::{self, Frame};
use super::{Order, Shared};

/// The first pause after the service centre throttled.
const THROTTLED: Duration = Duration::from_millis(500);
/// The longest pause after the service centre throttled.
const MOST_THROTTLED: Duration = Duration::from_secs(8);
/// Time to answer an unbind.
const UNBINDING: Duration = Duration::from_secs(1);
/// The longest sleep, where nothing is to be done.
const IDLE: Duration = Duration::from_secs(3600);

/// Connects, binds, and submits what is ordered until the connection breaks, which is an error, or
/// nobody orders any more.
pub(super) async fn run(
    shared: Arc<Shared>,
    orders: Arc<Mutex<mpsc::Receiver<Order>>>,
    mut stopped: watch::Receiver<()>,
) -> Result<(), String> {
    let connecting = timeout(shared.timing.answer, connect(&shared));
    let (stream, buffer) = tokio::select! {
        _ = stopped.changed() => return Ok(()),
        connected = connecting => connected.map_err(|_| "no bind in time".to_owned())??,
    };
    *shared.bound() = Ok(());
    let now = Instant::now();
    let mut session = Session {
        stream,
        buffer,
        // The bind was 1.
        sequence: 1,
        waiting: VecDeque::new(),
        under_way: HashMap::new(),
        held_until: now,
        pause: Duration::ZERO,
        heard_at: now,
        enquired: None,
        shared,
    };
    let mut orders = orders.lock().await;
    let ended = session.serve(&mut orders, &mut stopped).await;
    session.give_up(ended.as_ref().err());
    ended
}

/// Connects and binds. Gives the connection and what was read beyond the answer.
async fn connect(shared: &Shared) -> Result<(Box<dyn Stream>, BytesMut), String> {
    let (host, port) = (shared.address.host.as_str(), shared.address.port);
    let mut stream = tls::connect(host, port, shared.tls.as_ref())
        .await
        .map_err(|error| error.to_string())?;
    let mut buffer = BytesMut::new();
    wire::write(&mut stream, &wire::command(1, shared.bind.clone()))
        .await
        .map_err(|error| error.to_string())?;
    loop {
        let frame = wire::read(&mut stream, &mut buffer)
            .await
            .map_err(|error| format!("no answer to the bind: {error}"))?;
        // Anything else has no place before the answer, and is passed over.
        if frame.id & wire::ANSWER != 0 && frame.sequence == 1 {
            return match frame.status {
                0 => Ok((stream, buffer)),
                status => Err(format!("the bind is refused: {}", named(status))),
            };
        }
    }
}

struct Session {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    /// Of the last request of ours.
    sequence: u32,
    waiting: VecDeque<Order>,
    under_way: HashMap<u32, (Order, Instant)>,
    /// Nothing is submitted before.
    held_until: Instant,
    /// The last pause that throttling caused.
    pause: Duration,
    heard_at: Instant,
    /// When an enquire_link went out that is not answered.
    enquired: Option<Instant>,
    shared: Arc<Shared>,
}

impl Session {
    async fn serve(
        &mut self,
        orders: &mut mpsc::Receiver<Order>,
        stopped: &mut watch::Receiver<()>,
    ) -> Result<(), String> {
        loop {
            self.expire()?;
            self.submit().await?;
            let wake = self.next_wake();
            let room = self.waiting.len() < self.shared.timing.window;
            tokio::select! {
                biased;
                _ = stopped.changed() => return self.unbind().await,
                frame = wire::read(&mut self.stream, &mut self.buffer) => {
                    let frame = frame.map_err(|error| error.to_string())?;
                    self.heard_at = Instant::now();
                    self.handle(&frame).await?;
                }
                order = orders.recv(), if room => match order {
                    Some(order) => self.waiting.push_back(order),
                    None => return self.unbind().await,
                },
                () = tokio::time::sleep_until(wake) => self.enquire().await?,
            }
        }
    }

    /// Submits what waits, as far as window, pace and the service centre allow.
    async fn submit(&mut self) -> Result<(), String> {
        while self.under_way.len() < self.shared.timing.window && Instant::now() >= self.held_until
        {
            let Some(order) = self.waiting.pop_front() else {
                return Ok(());
            };
            let sequence = self.next_sequence();
            let command = wire::command(sequence, order.pdu.clone());
            let now = Instant::now();
            let until = now + self.shared.timing.answer;
            self.under_way.insert(sequence, (order, until));
            self.write(&command).await?;
            if let Some(pace) = self.shared.timing.pace {
                self.held_until = now + pace;
            }
        }
        Ok(())
    }

    async fn handle(&mut self, frame: &Frame) -> Result<(), String> {
        match frame.id {
            id if id == wire::SUBMIT_SM | wire::ANSWER || id == wire::GENERIC_NACK => {
                return self.answered(frame);
            }
            id if id == wire::ENQUIRE_LINK | wire::ANSWER => self.enquired = None,
            wire::ENQUIRE_LINK => return self.reply(frame, 0, Pdu::EnquireLinkResp).await,
            wire::DELIVER_SM => {
                if let Some(Pdu::DeliverSm(pdu)) = frame.pdu()
                    && let Some(receipt) = Receipt::read(&pdu)
                {
                    self.receipt(&receipt);
                }
                // What cannot be read is taken as well: it would come again for ever.
                return self.reply(frame, 0, DeliverSmResp::default()).await;
            }
            wire::DATA_SM => return self.reply(frame, 0, DataSmResp::default()).await,
            wire::UNBIND => {
                self.reply(frame, 0, Pdu::UnbindResp).await?;
                return Err("the service centre unbinds".to_owned());
            }
            wire::ALERT_NOTIFICATION => {}
            id if id & wire::ANSWER != 0 => {}
            _ => {
                let unknown = u32::from(CommandStatus::EsmeRinvcmdid);
                return self.reply(frame, unknown, Pdu::GenericNack).await;
            }
        }
        Ok(())
    }

    /// Takes the answer to a submission.
    fn answered(&mut self, frame: &Frame) -> Result<(), String> {
        let Some((order, _)) = self.under_way.remove(&frame.sequence) else {
            return Ok(());
        };
        let result = match verdict(frame.status) {
            Verdict::Taken => {
                self.pause = Duration::ZERO;
                if let Some(Pdu::SubmitSmResp(resp)) = frame.pdu() {
                    let id = resp.message_id().as_str().to_owned();
                    self.shared.awaited().remember(&id, order.about.clone());
                }
                Ok(())
            }
            Verdict::Throttled => {
                self.pause = (self.pause * 2).clamp(THROTTLED, MOST_THROTTLED);
                self.held_until = Instant::now() + self.pause;
                self.waiting.push_front(order);
                return Ok(());
            }
            Verdict::Failed(failure) => Err(failure),
        };
        let unbound = matches!(result, Err(Failure::Away(_)));
        order.answer(result);
        if unbound {
            return Err(format!(
                "the service centre answers {}",
                named(frame.status)
            ));
        }
        Ok(())
    }

    fn receipt(&self, receipt: &Receipt) {
        let Receipt { id, state, error } = receipt;
        let error = error.as_deref().unwrap_or("none");
        let awaited = self.shared.awaited();
        let about = awaited.about(id);
        let message = about.map_or("unknown", |about| about.message_id.as_str());
        let number = about.map_or("unknown", |about| about.number.as_str());
        if receipt.is_good() {
            tracing::info!(
                message,
                number,
                state,
                "a push was delivered by short message"
            );
        } else {
            tracing::warn!(
                message,
                number,
                state,
                error,
                "a push was not delivered by short message"
            );
        }
    }

    /// Gives up on what has taken too long.
    fn expire(&mut self) -> Result<(), String> {
        let now = Instant::now();
        while self.waiting.front().is_some_and(|order| order.until <= now) {
            if let Some(order) = self.waiting.pop_front() {
                let why = "the service centre takes no more short messages now".to_owned();
                order.answer(Err(Failure::Away(why)));
            }
        }
        let late: Vec<u32> = self
            .under_way
            .iter()
            .filter(|(_, (_, until))| *until <= now)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in late {
            if let Some((order, _)) = self.under_way.remove(&sequence) {
                let why = "the service centre does not answer".to_owned();
                order.answer(Err(Failure::Silent(why)));
            }
        }
        match self.enquired {
            Some(at) if at + self.shared.timing.answer <= now => {
                Err("no answer to enquire_link".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// When there is something to do although nothing happens.
    fn next_wake(&self) -> Instant {
        let timing = self.shared.timing;
        let enquire = match self.enquired {
            Some(at) => at + timing.answer,
            None => self.heard_at + timing.enquire,
        };
        let answers = self.under_way.values().map(|(_, until)| *until);
        let waiting = self.waiting.front();
        let held = waiting.filter(|_| self.under_way.len() < timing.window);
        let wakes = answers
            .chain(waiting.map(|order| order.until))
            .chain(held.map(|_| self.held_until))
            .chain([enquire]);
        wakes.min().unwrap_or_else(|| Instant::now() + IDLE)
    }

    /// Asks whether somebody is there, where nothing was heard for long.
    async fn enquire(&mut self) -> Result<(), String> {
        let silent = self.heard_at.elapsed() >= self.shared.timing.enquire;
        if self.enquired.is_some() || !silent {
            return Ok(());
        }
        self.enquired = Some(Instant::now());
        let command = wire::command(self.next_sequence(), Pdu::EnquireLink);
        self.write(&command).await
    }

    async fn unbind(&mut self) -> Result<(), String> {
        let command = wire::command(self.next_sequence(), Pdu::Unbind);
        self.write(&command).await?;
        let answer = async {
            while let Ok(frame) = wire::read(&mut self.stream, &mut self.buffer).await {
                if frame.id == wire::UNBIND | wire::ANSWER {
                    return;
                }
            }
        };
        // Whether it answers or not: this is the end.
        let _ = timeout(UNBINDING, answer).await;
        Ok(())
    }

    async fn reply(
        &mut self,
        frame: &Frame,
        status: u32,
        pdu: impl Into<Pdu>,
    ) -> Result<(), String> {
        let command = Command::new(CommandStatus::from(status), frame.sequence, pdu);
        self.write(&command).await
    }

    async fn write(&mut self, command: &Command) -> Result<(), String> {
        let write = wire::write(&mut self.stream, command);
        match timeout(self.shared.timing.answer, write).await {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => Err("the service centre reads nothing".to_owned()),
        }
    }

    /// Sequence numbers go from 1 to 0x7FFFFFFF (section 5.1.4).
    fn next_sequence(&mut self) -> u32 {
        self.sequence = match self.sequence {
            1..0x7FFF_FFFF => self.sequence.saturating_add(1),
            _ => 1,
        };
        self.sequence
    }

    /// Tells everybody who waits that it is over.
    fn give_up(&mut self, why: Option<&String>) {
        let why = why.map_or("stopping", String::as_str);
        for (_, (order, _)) in self.under_way.drain() {
            order.answer(Err(Failure::Silent(why.to_owned())));
        }
        for order in self.waiting.drain(..) {
            order.answer(Err(Failure::Away(why.to_owned())));
        }
    }
}

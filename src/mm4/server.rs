//! The accept loop: sessions on sockets, within bounds.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::intake::Intake;
use super::peers::TlsPolicy;
use super::session::{Channel, Limits, Next, Session, Verdict};
use crate::listen::{Shares, accept};

/// Time for somebody who is no peer to hear so.
const FAREWELL: Duration = Duration::from_secs(5);
/// Octets that are read at once.
const CHUNK: usize = 16 << 10;
/// Permits of the room for mails are this many octets.
const KIB: usize = 1 << 10;

/// What peers may ask of the interface at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections open at one time. Others wait to be accepted.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_address: usize,
    /// Time for a command, from the end of the one before (RFC 5321 section 4.5.3.2.7).
    pub command_timeout: Duration,
    /// Time for the content of a mail.
    pub data_timeout: Duration,
    /// Octets of mails held at one time, over all connections.
    pub mail_bytes: usize,
    /// What a session bears.
    pub session: Limits,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 200,
            connections_per_address: 20,
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(600),
            mail_bytes: 128 << 20,
            session: Limits::default(),
        }
    }
}

/// The interface: what it is connected to and what it bears.
pub struct Edge {
    intake: Arc<Intake>,
    host: String,
    bounds: Bounds,
    tls: Option<TlsAcceptor>,
    /// KiB of mails that may still be held.
    room: Arc<Semaphore>,
    shares: Shares,
}

impl Edge {
    /// An interface that calls itself `host`, with a certificate where it has one.
    #[must_use]
    pub fn new(
        intake: Arc<Intake>,
        host: String,
        bounds: Bounds,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let room = (bounds.mail_bytes / KIB).min(Semaphore::MAX_PERMITS);
        Self {
            intake,
            host,
            bounds,
            tls,
            room: Arc::new(Semaphore::new(room)),
            shares: Shares::default(),
        }
    }
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge").field("host", &self.host).finish()
    }
}

/// Serves connections until `stop` turns true; then accepts no more, lets every mail that has begun
/// be answered, and returns.
pub async fn serve(listener: TcpListener, edge: Arc<Edge>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(edge.bounds.connections.max(1)));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        if let Some((place, stream, address)) = accepted {
            let (edge, stop) = (edge.clone(), stop.clone());
            connections.spawn(async move {
                // Whatever ended it, what was promised was said before.
                let _ = connection(stream, address.ip().to_canonical(), edge, stop).await;
                drop(place);
            });
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    mut stream: TcpStream,
    address: IpAddr,
    edge: Arc<Edge>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    // Only the speed of small answers depends on it.
    let _ = stream.set_nodelay(true);
    let gate = edge.intake.gate().clone();
    let Some(peer) = gate.peer(address).cloned() else {
        let text = format!("554 5.7.1 {} serves its peers only\r\n", edge.host);
        return turn_away(stream, &text).await;
    };
    let most = edge.bounds.connections_per_address;
    let Some(_share) = edge.shares.take(address, most) else {
        let text = format!(
            "421 4.7.0 {} has too many connections of yours\r\n",
            edge.host
        );
        return turn_away(stream, &text).await;
    };
    let channel = match (&edge.tls, peer.tls) {
        (Some(_), TlsPolicy::Opportunistic | TlsPolicy::Required) => Channel::Offered,
        _ => Channel::Clear,
    };
    let (session, greeting) = Session::new(gate, peer, &edge.host, edge.bounds.session, channel);
    stream.write_all(&greeting).await?;
    let mut talk = Talk {
        edge: edge.clone(),
        stop,
    };
    let Some(session) = talk.run(&mut stream, session).await? else {
        return Ok(());
    };
    let Some(tls) = &edge.tls else {
        return Ok(());
    };
    // A new buffer begins here: what came in the clear behind STARTTLS is gone.
    let until = Instant::now() + edge.bounds.command_timeout;
    let mut stream = timeout_at(until, tls.accept(stream)).await??;
    talk.run(&mut stream, session.encrypted()).await.map(|_| ())
}

async fn turn_away(mut stream: TcpStream, text: &str) -> io::Result<()> {
    let until = Instant::now() + FAREWELL;
    timeout_at(until, async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    })
    .await?
}

/// Returns once everything stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Where the other end is gone, everything has stopped.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A conversation on one connection.
struct Talk {
    edge: Arc<Edge>,
    stop: watch::Receiver<bool>,
}

impl Talk {
    /// Holds a session. Gives it back where TLS is to begin.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        mut session: Session,
    ) -> io::Result<Option<Session>> {
        let mut chunk = vec![0; CHUNK];
        let mut replies = Vec::new();
        let mut held: Option<OwnedSemaphorePermit> = None;
        let mut until = Instant::now() + self.edge.bounds.command_timeout;
        loop {
            let count = tokio::select! {
                biased;
                () = stopped(&mut self.stop), if session.is_idle() => {
                    let text = format!("421 4.3.2 {} is shutting down\r\n", self.edge.host);
                    stream.write_all(text.as_bytes()).await?;
                    return Ok(None);
                }
                read = timeout_at(until, stream.read(&mut chunk)) => match read {
                    Ok(count) => count?,
                    Err(_) => {
                        let text = format!("421 4.4.2 {} waited too long\r\n", self.edge.host);
                        stream.write_all(text.as_bytes()).await?;
                        return Ok(None);
                    }
                },
            };
            let Some(mut input) = chunk.get(..count).filter(|input| !input.is_empty()) else {
                return Ok(None);
            };
            loop {
                let next = session.feed(&mut input, &mut replies);
                match next {
                    Next::More => break,
                    Next::Room(octets) => {
                        held = self.hold(octets);
                        session.go_ahead(held.is_some(), &mut replies);
                        until = Instant::now() + self.edge.bounds.data_timeout;
                    }
                    Next::Mail(mail) => {
                        // A client that pipelines has its replies before we are busy.
                        self.send(stream, &mut replies).await?;
                        let (intake, peer) = (self.edge.intake.clone(), session.peer().clone());
                        let verdict =
                            tokio::task::spawn_blocking(move || intake.take(&peer, mail)).await;
                        let failed = "It could not be read; try again";
                        let verdict = verdict.unwrap_or(Verdict::Later(failed.to_owned()));
                        session.answer(&verdict, &mut replies);
                        drop(held.take());
                    }
                    Next::StartTls => {
                        self.send(stream, &mut replies).await?;
                        return Ok(Some(session));
                    }
                    Next::Close => {
                        self.send(stream, &mut replies).await?;
                        stream.shutdown().await?;
                        return Ok(None);
                    }
                }
            }
            if !session.in_data() {
                drop(held.take());
                if !replies.is_empty() {
                    until = Instant::now() + self.edge.bounds.command_timeout;
                }
            }
            self.send(stream, &mut replies).await?;
        }
    }

    /// Sends what there is to say, to a peer that reads it.
    async fn send<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        replies: &mut Vec<u8>,
    ) -> io::Result<()> {
        let until = Instant::now() + self.edge.bounds.command_timeout;
        timeout_at(until, async {
            stream.write_all(replies).await?;
            stream.flush().await
        })
        .await??;
        replies.clear();
        Ok(())
    }

    /// Room for a mail, where there is some.
    fn hold(&self, octets: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(octets.div_ceil(KIB)).unwrap_or(u32::MAX);
        self.edge.room.clone().try_acquire_many_owned(kib).ok()
    }
}

//! How each peer is doing, for those who look after the service.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::breaker::{Breaker, Throttle};
use super::peers::{Gate, Peer};

/// Every peer with what its connections share.
#[derive(Debug, Clone, Default)]
pub struct Board {
    peers: Arc<Vec<(Arc<Peer>, Arc<Shared>)>>,
}

/// How a peer is doing.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Who it is.
    pub peer: Arc<Peer>,
    /// Connections to it that are open now.
    pub connections: u32,
    /// How long it is still left alone because it did not answer.
    pub rest: Option<Duration>,
    /// Mails that it took since the start.
    pub taken: u64,
    /// Mails that it refused, for good or for now.
    pub refused: u64,
    /// Times that it could not be reached or broke off.
    pub failed: u64,
    /// The last time that it answered, whatever it said, and how long ago that was.
    pub answered_ago: Option<Duration>,
    /// What went wrong last, and how long ago that was.
    pub trouble: Option<(String, Duration)>,
}

impl Board {
    /// The peers that a gate knows.
    #[must_use]
    pub fn new(gate: &Gate) -> Self {
        let shared = |peer: &Arc<Peer>| (peer.clone(), Arc::new(Shared::new(peer)));
        Self {
            peers: Arc::new(gate.peers.iter().map(shared).collect()),
        }
    }

    /// How each is doing, in the order of the configuration.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        let standing = |(peer, shared): &(Arc<Peer>, Arc<Shared>)| shared.standing(peer);
        self.peers.iter().map(standing).collect()
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = (&Arc<Peer>, &Arc<Shared>)> {
        self.peers.iter().map(|(peer, shared)| (peer, shared))
    }
}

/// What the connections to one peer share.
#[derive(Debug)]
pub(super) struct Shared {
    begun: Instant,
    breaker: Mutex<Breaker>,
    throttle: Mutex<Throttle>,
    connections: AtomicU32,
    taken: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    last: Mutex<Last>,
}

/// When things happened last, since the beginning.
#[derive(Debug, Default)]
struct Last {
    answered: Option<Duration>,
    trouble: Option<(String, Duration)>,
}

impl Shared {
    pub(super) fn new(peer: &Peer) -> Self {
        Self {
            begun: Instant::now(),
            breaker: Mutex::default(),
            throttle: Mutex::new(Throttle::per_second(peer.per_second)),
            connections: AtomicU32::new(0),
            taken: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last: Mutex::default(),
        }
    }

    /// How long to leave the peer alone; `None` where it may be tried.
    pub(super) fn rest(&self) -> Option<Duration> {
        self.breaker(|breaker, now| breaker.rest(now))
    }

    /// Takes the next turn, and gives how long to wait for it.
    pub(super) fn turn(&self) -> Duration {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.turn(self.begun.elapsed())
    }

    /// It took a mail.
    pub(super) fn took(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.answered();
    }

    /// It refused a mail, for good or for now.
    pub(super) fn refused(&self, why: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.answered();
        self.trouble(why);
    }

    /// It could not be reached, or broke off.
    pub(super) fn failed(&self, why: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.breaker(Breaker::failed);
        self.trouble(why);
    }

    /// A connection to it was opened.
    pub(super) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection to it is no more.
    pub(super) fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    fn answered(&self) {
        self.breaker(|breaker, _| breaker.answered());
        self.last().answered = Some(self.begun.elapsed());
    }

    fn trouble(&self, why: &str) {
        self.last().trouble = Some((why.to_owned(), self.begun.elapsed()));
    }

    fn breaker<T>(&self, act: impl FnOnce(&mut Breaker, Duration) -> T) -> T {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut breaker, self.begun.elapsed())
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self, peer: &Arc<Peer>) -> Standing {
        let now = self.begun.elapsed();
        let last = self.last();
        let trouble = last.trouble.as_ref();
        Standing {
            peer: peer.clone(),
            connections: self.connections.load(Ordering::Relaxed),
            rest: self.rest(),
            taken: self.taken.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            answered_ago: last.answered.map(|at| now.saturating_sub(at)),
            trouble: trouble.map(|(why, at)| (why.clone(), now.saturating_sub(*at))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::peers::tests::gate;
    use super::*;

    #[test]
    fn a_peer_that_fails_rests_and_the_board_says_why() {
        let board = Board::new(&gate());
        let names: Vec<_> = board
            .standings()
            .iter()
            .map(|standing| standing.peer.name.clone())
            .collect();
        assert_eq!(names, ["hub", "east"]);
        let (_, east) = board.peers().nth(1).unwrap();
        east.opened();
        east.took();
        for _ in 0..3 {
            east.failed("no answer");
        }
        let standing = board.standings().swap_remove(1);
        assert_eq!((standing.taken, standing.failed), (1, 3));
        assert_eq!(standing.connections, 1);
        assert!(standing.rest.is_some());
        assert_eq!(standing.trouble.unwrap().0, "no answer");
        east.refused("550 no such number");
        east.closed();
        let standing = board.standings().swap_remove(1);
        assert!(standing.rest.is_none(), "whoever answers is not left alone");
        assert_eq!((standing.refused, standing.connections), (1, 0));
        assert!(standing.answered_ago.is_some());
    }
}

//! Recipients of other networks whose network is asked for, because numbers are ported: they wait
//! under a name that no peer has, until a [`Directory`] has said where they belong.

use super::super::delivery::Event;
use super::super::route::{ASKED, Route};
use super::super::{Relay, retrieve};
use crate::mms::address::Msisdn;
use crate::store::{self, MessageRow, Millis, RecipientRow, StoreError, Whose, Work};

/// How long a lease lasts, in milliseconds: longer than all of a batch may wait for name servers.
const LEASE: Millis = 10 * 60_000;
/// What is leased at once.
const BATCH: usize = 8;

/// Says to which network a number belongs.
pub trait Directory: Send + Sync {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// Why nobody answers.
    fn ask(&self, number: &Msisdn) -> Result<Ownership, String>;

    /// What is known without asking. Returns at once.
    fn known(&self, number: &Msisdn) -> Option<Ownership>;
}

/// Whose a number is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// That of the MMSC with this domain.
    Domain(String),
    /// Nothing is said of it.
    Unlisted,
}

/// Where a number is that was asked for, and why.
struct Owner {
    route: Route,
    why: String,
}

impl Relay {
    /// Finds out where some of those recipients belong who wait for that, and gives how many they
    /// were. Blocks until the directory has answered for each.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn run_asked(&self, directory: &dyn Directory) -> Result<usize, StoreError> {
        self.run_asking(|number| directory.ask(number))
    }

    /// The same where nobody can be asked any more: beginnings of numbers decide.
    pub(super) fn run_unasked(&self) -> Result<usize, StoreError> {
        self.run_asking(|_| Ok(Ownership::Unlisted))
    }

    fn run_asking(
        &self,
        ask: impl Fn(&Msisdn) -> Result<Ownership, String>,
    ) -> Result<usize, StoreError> {
        let now = self.surroundings.now();
        let leases = self.store.lease_of(Whose::Peer(ASKED), now, BATCH, LEASE)?;
        let (mut ours, mut peers) = (false, false);
        for lease in &leases {
            let Work::Recipient(both) = &lease.work else {
                continue;
            };
            let (message, recipient) = &**both;
            match self.assign(message, recipient, &ask) {
                Ok(Some(Route::Local(_))) => ours = true,
                Ok(Some(Route::Foreign(..))) => peers = true,
                // Whoever changed it has more to say.
                Ok(_) | Err(StoreError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        if ours {
            self.surroundings.wake();
        }
        if peers {
            self.surroundings.wake_peers();
        }
        Ok(leases.len())
    }

    /// Gives a recipient to whom he belongs, or ends him.
    fn assign(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        ask: impl Fn(&Msisdn) -> Result<Ownership, String>,
    ) -> Result<Option<Route>, StoreError> {
        let at = self.surroundings.now();
        if at >= message.expires_at {
            self.advance(message, recipient, Event::Due, "waiting", String::new())?;
            return Ok(None);
        }
        let Some(number) = retrieve::number(&recipient.address) else {
            let why = "there is no number".to_owned();
            self.advance(message, recipient, Event::NotifyRefused, "no-route", why)?;
            return Ok(None);
        };
        let found = self.owner(&number, ask(&number));
        let peer = match &found.route {
            Route::Local(_) => None,
            Route::Foreign(_, peer) => Some(peer.as_str()),
            Route::Nowhere(_) => {
                self.advance(
                    message,
                    recipient,
                    Event::NotifyRefused,
                    "no-route",
                    found.why,
                )?;
                return Ok(None);
            }
        };
        let event = store::Event {
            message_id: message.id.clone(),
            recipient: Some(recipient.id),
            at,
            what: "routed".to_owned(),
            detail: found.why,
        };
        self.store
            .reroute(recipient.id, recipient.fence, peer, &event)?;
        Ok(Some(found.route))
    }

    /// Where a number is, by what was said of it, or else by its beginning.
    fn owner(&self, number: &Msisdn, said: Result<Ownership, String>) -> Owner {
        let routes = &self.peers.routes;
        let said = match said {
            Ok(Ownership::Domain(domain)) => match routes.of_domain(number, &domain) {
                Some(route) => {
                    let why = format!("{domain} has it, by ENUM");
                    return Owner { route, why };
                }
                None => format!("ENUM names {domain}, which no peer has"),
            },
            Ok(Ownership::Unlisted) => "ENUM says nothing of it".to_owned(),
            Err(why) => format!("ENUM: {why}"),
        };
        let numbering = &self.terms().numbering;
        let route = routes.by_beginning(numbering, number.as_str()).route;
        let why = match &route {
            Route::Nowhere(why) => format!("{said}; {why}"),
            _ => format!("{said}; its beginning decides"),
        };
        Owner { route, why }
    }

    /// The same as far as it is known without asking; `None` where it is not.
    pub(in crate::relay) fn owner_known(&self, number: &Msisdn) -> Option<(Route, String)> {
        let said = self.peers.directory.as_ref()?.known(number)?;
        let Owner { route, why } = self.owner(number, Ok(said));
        Some((route, why))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::mms::{Field, HeaderValue};
    use crate::relay::Routes;
    use crate::relay::foreign::PeerTerms;
    use crate::relay::testing::{Bench, send_req};
    use crate::store::{DeliveryState, Store};

    const ABROAD: &str = "+441632960001";

    /// A directory that says the same of every number, and knows it once it was asked.
    struct Says(Result<Ownership, String>, Mutex<bool>);

    impl Directory for Says {
        fn ask(&self, _: &Msisdn) -> Result<Ownership, String> {
            *self.1.lock().unwrap() = true;
            self.0.clone()
        }

        fn known(&self, _: &Msisdn) -> Option<Ownership> {
            let known = *self.1.lock().unwrap();
            self.0.clone().ok().filter(|_| known)
        }
    }

    fn says(said: Result<Ownership, String>) -> Arc<Says> {
        Arc::new(Says(said, Mutex::new(false)))
    }

    fn of(domain: &str) -> Arc<Says> {
        says(Ok(Ownership::Domain(domain.to_owned())))
    }

    fn bench(name: &str, directory: &Arc<Says>) -> Bench {
        let routes = Routes {
            prefixes: [("+4416".to_owned(), "near".to_owned())].into(),
            domains: [
                ("us.example".to_owned(), None),
                ("far.example".to_owned(), Some("far".to_owned())),
            ]
            .into(),
            asked: true,
            ..Routes::default()
        };
        let names = vec!["far".to_owned(), "near".to_owned(), ASKED.to_owned()];
        let mut bench = Bench::new(name).with_peers(routes, PeerTerms::default(), names);
        bench.relay_mut().peers.directory = Some(directory.clone());
        bench
    }

    /// Where the recipient of a message is after the directory was asked.
    fn asked(bench: &Bench, directory: &Says, to: &str) -> (Option<String>, DeliveryState, String) {
        let mut pdu = send_req(to, &[to]);
        let yes = HeaderValue::Token(0x80);
        pdu.headers.add(Field::DeliveryReport, yes);
        let id = bench.accept(&pdu);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].peer.as_deref(), Some(ASKED));
        assert_eq!(bench.relay.run_asked(directory), Ok(1));
        assert_eq!(bench.relay.run_asked(directory), Ok(0));
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let events = bench.store.events(&id).unwrap();
        let detail = events.last().unwrap().detail.clone();
        (recipients[0].peer.clone(), recipients[0].state, detail)
    }

    #[test]
    fn a_ported_number_goes_where_it_belongs_and_at_once_the_next_time() {
        let directory = of("far.example");
        let bench = bench("asked-far", &directory);
        let (peer, state, why) = asked(&bench, &directory, ABROAD);
        assert_eq!(peer.as_deref(), Some("far"));
        assert_eq!(state, DeliveryState::Queued);
        assert_eq!(why, "far.example has it, by ENUM");
        let id = bench.accept(&send_req("again", &[ABROAD]));
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].peer.as_deref(), Some("far"));
        let explained = bench.relay.explain_route(ABROAD).to_string();
        assert!(explained.contains("by ENUM"), "{explained}");
    }

    #[test]
    fn a_number_that_came_to_us_is_told_of_its_message() {
        let directory = of("us.example");
        let bench = bench("asked-us", &directory);
        assert_eq!(asked(&bench, &directory, ABROAD).0, None);
        bench.run_due();
        assert_eq!(bench.pushes()[0].0, ABROAD);
    }

    #[test]
    fn where_nothing_is_said_the_beginning_decides_and_else_the_sender_hears() {
        for said in [
            Ok(Ownership::Unlisted),
            Ok(Ownership::Domain("nobody.example".to_owned())),
            Err("no name server answers".to_owned()),
        ] {
            let directory = says(said);
            let bench = bench("asked-near", &directory);
            let (peer, _, why) = asked(&bench, &directory, ABROAD);
            assert_eq!(peer.as_deref(), Some("near"), "{why}");
            *directory.1.lock().unwrap() = false;
            let (_, state, why) = asked(&bench, &directory, "+972555000001");
            assert_eq!(state, DeliveryState::Unreachable);
            assert!(why.ends_with("belongs to another network"), "{why}");
            bench.run_due();
            let (to, report) = &bench.pushes()[0];
            assert_eq!(to, crate::relay::testing::SENDER);
            assert_eq!(report.headers.token(Field::Status), Some(0x87));
        }
    }

    #[test]
    fn what_waits_is_not_stuck_where_nobody_is_asked_any_more() {
        let directory = of("far.example");
        let mut bench = bench("asked-stray", &directory);
        let id = bench.accept(&send_req("t1", &[ABROAD]));
        bench.relay_mut().peers.directory = None;
        bench.relay.run_strays().unwrap();
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].peer.as_deref(), Some("near"));
        let late = bench.accept(&send_req("t2", &[ABROAD]));
        bench.advance(bench.relay.terms().expiry);
        assert_eq!(bench.relay.run_asked(&*directory), Ok(1));
        let (_, recipients) = bench.store.message(&late).unwrap().unwrap();
        assert_eq!(recipients[0].state, DeliveryState::Expired);
    }
}

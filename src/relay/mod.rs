//! The MMS relay: takes messages over, tells recipients, hands messages out, reports back.
//!
//! Nothing here knows a socket. Edges such as `mm1` bring PDUs and get PDUs; what the relay needs
//! from outside comes in behind traits: a [`Store`], a [`Notifier`] that pushes, a [`Fitter`]
//! that adapts, and [`Surroundings`] with the time and random numbers.

pub mod address;
pub mod delivery;
mod dispatch;
pub mod foreign;
mod foresight;
mod forward;
mod mbox;
mod network;
mod notification;
mod operate;
mod policy;
mod recent;
mod report;
mod respond;
mod retrieve;
pub mod retry;
pub mod route;
mod soon;
mod status;
mod submit;
#[cfg(test)]
mod testing;
pub mod watch;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::mms::Message;
use crate::mms::address::Msisdn;
use crate::store::{self, DeliveryState, Millis, RecipientRow, Store, StoreError};

pub use address::Numbering;
pub use forward::Cancelled;
pub use network::Network;
pub use operate::{OperateError, Operated};
pub use policy::{Policy, Rate};
pub use retrieve::Retrieved;
pub use retry::Retry;
pub use route::{Plmn, Route, Routes};
pub use watch::{Happening, Interface, Watch};

use delivery::{Effect, Event, Progress, step};
use foreign::{Directory, PeerTerms};
use report::seconds;
use route::ASKED;
use submit::Addressee;

/// What an operator decides about the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The beginning of retrieval URLs, without a slash at its end: what phones can reach.
    pub base_url: String,
    /// Whose numbers are ours.
    pub numbering: Numbering,
    /// Octets of a submission at most.
    pub message_bytes: usize,
    /// Recipients of a submission at most.
    pub recipients: usize,
    /// How long a message waits whose sender does not say, in milliseconds.
    pub expiry: Millis,
    /// How long a message waits at most, in milliseconds.
    pub longest_expiry: Millis,
    /// How notifications and reports are repeated.
    pub retry: Retry,
    /// How long a repeated submission is known for one, in milliseconds.
    pub duplicates: Millis,
    /// How long the octets of a message are kept after its last recipient is done.
    pub keep_body: Millis,
    /// How long the rows of a message are kept after that.
    pub keep_trace: Millis,
    /// Who may send, to whom, and how much.
    pub policy: Policy,
    /// Messages in the box of a subscriber at most; 0 where there are no boxes.
    pub box_messages: u64,
    /// Octets in the box of a subscriber at most.
    pub box_bytes: u64,
}

/// Milliseconds of an hour.
const HOUR: Millis = 3_600_000;

impl Default for Terms {
    fn default() -> Self {
        Self {
            base_url: String::new(),
            numbering: Numbering::default(),
            message_bytes: 5 << 20,
            recipients: 100,
            expiry: 72 * HOUR,
            longest_expiry: 30 * 24 * HOUR,
            retry: Retry::default(),
            duplicates: 24 * HOUR,
            keep_body: HOUR,
            keep_trace: 30 * 24 * HOUR,
            policy: Policy::default(),
            box_messages: 100,
            box_bytes: 20 << 20,
        }
    }
}

/// The time and random numbers.
pub trait Surroundings: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC.
    fn now(&self) -> Millis;

    /// Octets nobody can guess.
    ///
    /// # Errors
    /// Where the system has none: nothing that needs a token may go on.
    fn random(&self) -> Result<[u8; 32], String>;

    /// There is new work for [`Relay::run_due`].
    fn wake(&self) {}

    /// There is new work for [`Relay::run_peer`].
    fn wake_peers(&self) {}

    /// A moment at which a test may end the process.
    fn pass(&self, _: Moment) {}
}

/// A moment in the work of the relay at which it may be cut short, as those of
/// [`crate::store::Point`] are in that of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A message was taken over, and its sender does not know yet.
    Accepted,
    /// Work was leased and not begun.
    Leased,
    /// A push was taken by the notifier, and it is not written down yet.
    Pushed,
    /// A fetch was written down, and the phone has nothing yet.
    Fetched,
}

impl Moment {
    /// Every moment.
    pub const ALL: [Self; 4] = [Self::Accepted, Self::Leased, Self::Pushed, Self::Fetched];

    /// Its name in front of people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Leased => "leased",
            Self::Pushed => "pushed",
            Self::Fetched => "fetched",
        }
    }
}

/// Brings a WAP push to a phone, such as by SMS.
pub trait Notifier: Send + Sync {
    /// Hands one push over. Returning without an error means that somebody else is now in charge
    /// of it, not that the phone has it.
    ///
    /// # Errors
    /// Whether trying again makes sense.
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError>;
}

/// One push.
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// The message it is about.
    pub message_id: &'a str,
    /// Whose phone it is for.
    pub number: &'a Msisdn,
    /// The WSP push: its head and the PDU.
    pub push: &'a [u8],
    /// What the phone will fetch, where it is a notification.
    pub url: Option<&'a str>,
}

/// Why a push was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// It may be taken later.
    #[error("{0}")]
    Temporary(String),
    /// Nobody is there to take any push, which is no fault of this one: it comes back later, and
    /// the attempt does not count.
    #[error("{0}")]
    Unavailable(String),
    /// It will never be taken.
    #[error("{0}")]
    Permanent(String),
}

/// Fits a message to a device.
pub trait Fitter: Send + Sync {
    /// Fits a message for a phone that waits for it.
    ///
    /// # Errors
    /// Where it cannot be tried now.
    fn fit(&self, content: Content<'_>, device: &Device<'_>) -> Result<Fitted, FitError>;

    /// What fitting a message gives, where that is known without doing it. Returns at once.
    fn known(&self, _content: Content<'_>, _device: &Device<'_>) -> Option<Fitted> {
        None
    }

    /// Begins to fit a message whose phone is not told of it yet, so that it can be told the size
    /// and finds it done. Returns at once. `None` where nothing can be said.
    fn foresee(&self, _content: Content<'_>, _device: &Device<'_>) -> Option<Forecast> {
        None
    }
}

/// A message that is to be fitted.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// The message, with all headers it will be handed out with.
    pub message: &'a Message,
    /// Stands for its body: equal for equal bodies, and for no others.
    pub digest: [u8; 32],
}

/// The size of a message once it is fitted.
pub enum Forecast {
    /// In octets.
    Size(u64),
    /// It can be asked for.
    Later(Box<dyn Later>),
}

/// A size that is being found out.
pub trait Later: Send {
    /// Waits for it no longer than this. `None` where it is not known by then.
    fn size(&self, wait: Duration) -> Option<u64>;
}

/// What is known of a receiving device.
#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    /// Capability headers of its request.
    pub headers: &'a [(String, String)],
    /// Those of an earlier request of the subscriber.
    pub remembered: &'a [(String, String)],
}

/// What became of a message that was to be fitted.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// The message to hand out; `None` where nothing of it fits.
    pub message: Option<Message>,
    /// Which device it was fitted to and what changed, on one line.
    pub summary: String,
}

/// Why a message could not be fitted now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Too many others wait.
    #[error("too many messages are being adapted")]
    Busy,
    /// It took too long.
    #[error("adapting took too long")]
    Deadline,
    /// Something of ours is broken.
    #[error("the device database is damaged")]
    Broken,
}

/// The relay.
pub struct Relay {
    store: Arc<dyn Store>,
    fitter: Arc<dyn Fitter>,
    surroundings: Arc<dyn Surroundings>,
    terms: ArcSwap<Terms>,
    limits: crate::Limits,
    watch: Arc<dyn Watch>,
    peers: Peers,
    gate: policy::Gate,
    recent: recent::Recent,
    devices: recent::Devices,
}

/// How peers are reached and dealt with.
#[derive(Clone, Default)]
struct Peers {
    routes: Routes,
    terms: PeerTerms,
    /// Their names, and the one under which recipients wait whose network is asked for.
    names: Vec<String>,
    directory: Option<Arc<dyn Directory>>,
}

impl Relay {
    /// A relay over `store`.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        fitter: Arc<dyn Fitter>,
        surroundings: Arc<dyn Surroundings>,
        terms: Terms,
        limits: crate::Limits,
    ) -> Self {
        Self {
            store,
            fitter,
            surroundings,
            terms: ArcSwap::from_pointee(terms),
            limits,
            watch: Arc::new(watch::Unwatched),
            peers: Peers::default(),
            gate: policy::Gate::default(),
            recent: recent::Recent::default(),
            devices: recent::Devices::default(),
        }
    }

    /// The same relay, watched by somebody.
    #[must_use]
    pub fn watched_by(self, watch: Arc<dyn Watch>) -> Self {
        Self { watch, ..self }
    }

    /// Who watches: edges tell what only they see.
    #[must_use]
    pub fn watch(&self) -> &dyn Watch {
        self.watch.as_ref()
    }

    /// The same relay with ways to peers, whose names are `names`; without them, every recipient is
    /// ours or nowhere.
    #[must_use]
    pub fn with_peers(self, routes: Routes, terms: PeerTerms, mut names: Vec<String>) -> Self {
        names.push(ASKED.to_owned());
        let peers = Peers {
            routes,
            terms,
            names,
            directory: self.peers.directory,
        };
        Self { peers, ..self }
    }

    /// The same relay with somebody who says to which network a number belongs; `routes` must say
    /// that it is asked for.
    #[must_use]
    pub fn with_directory(mut self, directory: Option<Arc<dyn Directory>>) -> Self {
        self.peers.directory = directory;
        self
    }

    /// Where the owner of an address is.
    #[must_use]
    pub fn route(&self, address: &str) -> Route {
        self.explain_route(address).route
    }

    /// Where the owner of an address is, and why.
    #[must_use]
    pub fn explain_route(&self, address: &str) -> route::Explanation {
        let mut found = self.peers.routes.explain(&self.terms().numbering, address);
        if let Route::Foreign(number, peer) = &found.route
            && peer == ASKED
            && let Some((route, why)) = self.owner_known(number)
        {
            found.steps.push(why);
            found.route = route;
        }
        found
    }

    /// What the operator decided.
    #[must_use]
    pub fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    /// Changes what the operator decided, for everything that begins from now on.
    pub fn change_terms(&self, change: impl Fn(&mut Terms)) {
        self.terms.rcu(|terms| {
            let mut terms = Terms::clone(terms);
            change(&mut terms);
            terms
        });
    }

    /// The bounds on what is read.
    #[must_use]
    pub fn limits(&self) -> &crate::Limits {
        &self.limits
    }

    /// Whether the store answers, and how much it holds.
    ///
    /// # Errors
    /// Where it does not.
    pub fn page(&self) -> Result<store::Page, StoreError> {
        self.store.page()
    }

    /// Whether messages can be taken over now, and how much the store holds.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn ready(&self) -> Result<store::Page, StoreError> {
        self.store.try_write()?;
        self.store.page()
    }

    /// When there is something to do again for [`Relay::run_due`]; `None` where nothing waits.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.store.next_due()
    }

    /// Deletes what is kept no longer. Gives the number of messages whose octets went.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn purge(&self) -> Result<usize, StoreError> {
        let closed_before = self
            .surroundings
            .now()
            .saturating_sub(self.terms().keep_body);
        let forget_before = closed_before.saturating_sub(self.terms().keep_trace);
        self.store.purge(closed_before, forget_before)
    }

    /// Keeps what a subscriber's device said of itself, for messages he fetches with a request
    /// that says less. `headers` are those of his request that describe the device.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn remember(
        &self,
        subscriber: &Msisdn,
        headers: &[(String, String)],
    ) -> Result<(), StoreError> {
        if headers.is_empty() || *self.remembered(subscriber)? == *headers {
            return Ok(());
        }
        let description = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect::<String>();
        let now = self.surroundings.now();
        self.store
            .remember_device(subscriber.as_str(), &description, now)?;
        self.devices.put(subscriber.as_str(), headers.into(), now);
        Ok(())
    }

    /// Whether [`Relay::remember`] has nothing to do, as far as that is known without asking the
    /// store.
    #[must_use]
    pub fn remembers(&self, subscriber: &Msisdn, headers: &[(String, String)]) -> bool {
        let now = self.surroundings.now();
        headers.is_empty()
            || self
                .devices
                .get(subscriber.as_str(), now)
                .is_some_and(|known| *known == *headers)
    }

    fn remembered(&self, subscriber: &Msisdn) -> Result<recent::Description, StoreError> {
        let now = self.surroundings.now();
        if let Some(known) = self.devices.get(subscriber.as_str(), now) {
            return Ok(known);
        }
        let description = self.store.device(subscriber.as_str())?.unwrap_or_default();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.to_owned()))
        };
        let known: recent::Description = description.lines().filter_map(header).collect();
        self.devices.put(subscriber.as_str(), known.clone(), now);
        Ok(known)
    }

    /// Takes one step of one recipient and writes it down, with the report it causes. `None`
    /// where the event changes nothing, else what the step asks for.
    fn advance(
        &self,
        message: &store::MessageRow,
        recipient: &RecipientRow,
        event: Event,
        what: &str,
        detail: String,
    ) -> Result<Option<Effect>, StoreError> {
        let (change, effect) = self.change(message, recipient, event, what, detail);
        if let Some(change) = change {
            self.store.settle(&change)?;
            self.tell_step(message, recipient, &change);
            if matches!(effect, Some(Effect::Report(_))) {
                self.wake_for_sender(message);
            }
        }
        Ok(effect)
    }

    /// One step of one recipient: what is to be written down, if anything changes, and what the
    /// step asks for.
    fn change(
        &self,
        message: &store::MessageRow,
        recipient: &RecipientRow,
        event: Event,
        what: &str,
        detail: String,
    ) -> (Option<store::Change>, Option<Effect>) {
        let now = self.surroundings.now();
        let progress = Progress {
            state: recipient.state,
            attempts: recipient.attempts,
            due_at: None,
        };
        let terms = delivery::Terms {
            now,
            expires_at: message.expires_at,
            retry_in: self.terms().retry.wait(recipient.attempts, self.jitter()),
            most_attempts: self.terms().retry.attempts,
        };
        let (next, effect) = step(progress, event, &terms);
        if next == progress {
            return (None, effect);
        }
        let outcome = match effect {
            Some(Effect::Report(outcome)) => Some(outcome),
            _ => None,
        };
        let what = match next.state {
            DeliveryState::Expired | DeliveryState::Indeterminate => next.state.name(),
            _ => what,
        };
        let change = self.changed(message, recipient, next, outcome, (what, detail));
        (Some(change), effect)
    }

    /// What is written down of a recipient's step to `next`: the event, in a word and a detail, and
    /// the report that the outcome asks for.
    fn changed(
        &self,
        message: &store::MessageRow,
        recipient: &RecipientRow,
        next: Progress,
        outcome: Option<delivery::Outcome>,
        (what, detail): (&str, String),
    ) -> store::Change {
        let report = outcome.and_then(|outcome| self.delivery_report(message, recipient, outcome));
        store::Change {
            recipient: recipient.id,
            fence: recipient.fence,
            state: next.state,
            attempts: next.attempts,
            due_at: next.due_at,
            event: store::Event {
                message_id: message.id.clone(),
                recipient: Some(recipient.id),
                at: self.surroundings.now(),
                what: what.to_owned(),
                detail,
            },
            reports: report.into_iter().collect(),
        }
    }

    /// Tells whoever watches of a step of a recipient.
    fn tell_step(
        &self,
        message: &store::MessageRow,
        recipient: &RecipientRow,
        change: &store::Change,
    ) {
        self.watch.happened(&Happening::Step {
            message_id: &message.id,
            recipient: &recipient.address,
            from: recipient.state,
            to: change.state,
            attempts: change.attempts,
            what: &change.event.what,
            detail: &change.event.detail,
        });
    }

    fn jitter(&self) -> u32 {
        let random = self.surroundings.random().unwrap_or_default();
        random
            .first_chunk()
            .map_or(0, |octets| u32::from_be_bytes(*octets))
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("terms", &self.terms())
            .finish()
    }
}

/// `octets` as hexadecimal digits.
fn hex(octets: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    octets
        .iter()
        .flat_map(|octet| [digit(octet >> 4), digit(octet & 0x0F)])
        .collect()
}

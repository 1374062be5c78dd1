//! A relay on a bench: a store in a scratch folder, a clock that is set by hand, random numbers
//! that are none, and a notifier that keeps what it is given.

use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    Content, Device, FitError, Fitted, Fitter, Forecast, Later, Notice, Notifier, NotifyError,
    Numbering, Relay, Surroundings, Terms,
};
use crate::Limits;
use crate::mms::address::Msisdn;
use crate::mms::pdu::{Pdu, PduType, decode, encode};
use crate::mms::{Body, ContentType, Field, HeaderValue, Part, push};
use crate::store::{Millis, SqliteStore};

/// Who sends everything.
pub(super) const SENDER: &str = "+15550000001";

/// The bench.
pub(super) struct Bench {
    pub(super) relay: Arc<Relay>,
    pub(super) store: Arc<SqliteStore>,
    world: Arc<World>,
    phones: Phones,
    folder: PathBuf,
}

impl Bench {
    pub(super) fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("remold-relay-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let store = Arc::new(SqliteStore::open(&folder).unwrap().0);
        let world = Arc::new(World {
            now: AtomicI64::new(1_700_000_000_000),
            drawn: AtomicU64::new(0),
        });
        let terms = Terms {
            base_url: "http://mms.example".to_owned(),
            numbering: Numbering {
                country: None,
                local: vec!["+1555".to_owned()],
            },
            message_bytes: 10_000,
            recipients: 10,
            ..Terms::default()
        };
        let relay = Relay::new(
            store.clone(),
            Arc::new(AsItIs),
            world.clone(),
            terms,
            Limits::default(),
        );
        Self {
            relay: Arc::new(relay),
            store,
            world,
            phones: Phones::default(),
            folder,
        }
    }

    /// The same bench with ways to peers.
    pub(super) fn with_peers(
        mut self,
        routes: super::Routes,
        terms: super::foreign::PeerTerms,
        names: Vec<String>,
    ) -> Self {
        self.relay_mut().peers = super::Peers {
            routes,
            terms,
            names,
            directory: None,
        };
        self
    }

    /// The relay, to change what it is made of.
    pub(super) fn relay_mut(&mut self) -> &mut Relay {
        Arc::get_mut(&mut self.relay).unwrap()
    }

    pub(super) fn octets(&self, pdu: &Pdu) -> Bytes {
        encode(pdu).unwrap().into()
    }

    pub(super) fn decode(&self, octets: Bytes) -> Pdu {
        decode(&octets, &Limits::default()).unwrap().value
    }

    pub(super) fn submit(&self, pdu: &Pdu) -> Pdu {
        let octets = self.octets(pdu);
        let conf = self
            .relay
            .submit(&octets, pdu, Msisdn::parse(SENDER).as_ref());
        self.decode(self.octets(&conf))
    }

    /// Submits a message that is accepted, and gives its id.
    pub(super) fn accept(&self, pdu: &Pdu) -> String {
        let conf = self.submit(pdu);
        assert_eq!(conf.headers.token(Field::ResponseStatus), Some(0x80));
        conf.headers.text(Field::MessageId).unwrap().to_owned()
    }

    pub(super) fn advance(&self, by: Millis) {
        self.world.now.fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn run_due(&self) -> usize {
        self.relay.run_due(&self.phones).unwrap()
    }

    pub(super) fn fail_with(&self, error: Option<NotifyError>) {
        *self.phones.error.lock().unwrap() = error;
    }

    /// What was pushed since this was asked last: to whom, and what.
    pub(super) fn pushes(&self) -> Vec<(String, Pdu)> {
        std::mem::take(&mut *self.phones.pushed.lock().unwrap())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A message of one text part.
pub(super) fn send_req(transaction_id: &str, to: &[&str]) -> Pdu {
    let part = Part::new(ContentType::new("text/plain"), "hello");
    let mut pdu = Pdu::new(PduType::SendReq);
    let id = HeaderValue::Text(transaction_id.to_owned());
    pdu.headers.add(Field::TransactionId, id);
    pdu.headers.add(Field::From, HeaderValue::From(None));
    for to in to {
        let to = HeaderValue::Encoded(format!("{to}/TYPE=PLMN").as_str().into());
        pdu.headers.add(Field::To, to);
    }
    pdu.body = Some(Body {
        content_type: ContentType::new("application/vnd.wap.multipart.mixed"),
        parts: vec![part],
    });
    pdu
}

struct World {
    now: AtomicI64,
    drawn: AtomicU64,
}

impl Surroundings for World {
    fn now(&self) -> Millis {
        self.now.load(Ordering::Relaxed)
    }

    fn random(&self) -> Result<[u8; 32], String> {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        Ok(Sha256::digest(number.to_be_bytes()).into())
    }
}

struct AsItIs;

impl Fitter for AsItIs {
    fn fit(&self, content: Content<'_>, _: &Device<'_>) -> Result<Fitted, FitError> {
        Ok(Fitted {
            message: Some(content.message.clone()),
            summary: "as it is".to_owned(),
        })
    }

    fn known(&self, content: Content<'_>, _: &Device<'_>) -> Option<Fitted> {
        Some(Fitted {
            message: Some(content.message.clone()),
            summary: "as it is".to_owned(),
        })
    }

    fn foresee(&self, _: Content<'_>, _: &Device<'_>) -> Option<Forecast> {
        Some(Forecast::Later(Box::new(Soon)))
    }
}

/// What every message will weigh, says the bench.
pub(super) const FORESEEN: u64 = 12_345;

struct Soon;

impl Later for Soon {
    fn size(&self, _: Duration) -> Option<u64> {
        Some(FORESEEN)
    }
}

#[derive(Default)]
struct Phones {
    pushed: Mutex<Vec<(String, Pdu)>>,
    error: Mutex<Option<NotifyError>>,
}

impl Notifier for Phones {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        if let Some(error) = self.error.lock().unwrap().clone() {
            return Err(error);
        }
        let octets = Bytes::copy_from_slice(notice.push);
        let (_, pdu) = push::decode(&octets, &Limits::default()).unwrap().value;
        let number = notice.number.to_string();
        self.pushed.lock().unwrap().push((number, pdu));
        Ok(())
    }
}

//! What was needed a moment ago and will be in a moment: messages that were just taken over, and
//! what devices said of themselves. All of it is in the store too; this saves reading it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::mms::Message;
use crate::store::{MessageRow, Millis, RecipientRow};

/// Octets of messages that are kept.
const OCTETS: usize = 24 << 20;
/// What a message takes beside its octets.
const ENTRY: usize = 2 << 10;
/// Subscribers whose devices are kept.
const DEVICES: usize = 10_000;
/// How long what was read of a device counts, in milliseconds: another process may have learnt more.
const FRESH: Millis = 60_000;

/// A message as it was taken over, and one of its recipients. What changes of either is in the store
/// alone.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) row: MessageRow,
    pub(super) recipient: RecipientRow,
    pub(super) message: Message,
}

/// Messages that were taken over last, by the hash of a recipient's token.
#[derive(Debug, Default)]
pub(super) struct Recent {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    taken: HashMap<[u8; 32], Arc<Taken>>,
    /// Keys in the order in which they came, with what they take.
    order: VecDeque<([u8; 32], usize)>,
    octets: usize,
}

impl Recent {
    /// Keeps a message for one of its recipients; those that came first make room.
    pub(super) fn put(&self, hash: [u8; 32], taken: Taken) {
        let octets = taken.message.body.data_len().saturating_add(ENTRY);
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        if inner.taken.insert(hash, Arc::new(taken)).is_some() {
            return;
        }
        inner.order.push_back((hash, octets));
        inner.octets = inner.octets.saturating_add(octets);
        while inner.octets > OCTETS
            && let Some((oldest, octets)) = inner.order.pop_front()
        {
            inner.taken.remove(&oldest);
            inner.octets = inner.octets.saturating_sub(octets);
        }
    }

    /// The message behind a token, if it came lately.
    pub(super) fn get(&self, hash: &[u8; 32]) -> Option<Arc<Taken>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.taken.get(hash).cloned()
    }

    /// Lets go of a message that will not be asked for any more. Its place in the order stays until
    /// its turn comes, and counts nothing.
    pub(super) fn forget(&self, hash: &[u8; 32]) {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        if inner.taken.remove(hash).is_none() {
            return;
        }
        if let Some(place) = inner.order.iter_mut().find(|(key, _)| key == hash) {
            inner.octets = inner.octets.saturating_sub(place.1);
            place.1 = 0;
        }
        while inner.order.front().is_some_and(|(_, octets)| *octets == 0) {
            inner.order.pop_front();
        }
    }
}

/// Headers that describe a device.
pub(super) type Description = Arc<[(String, String)]>;

/// What subscribers' devices said of themselves.
#[derive(Debug, Default)]
pub(super) struct Devices {
    known: Mutex<HashMap<String, (Millis, Description)>>,
}

impl Devices {
    /// What a device said, as it was read or written lately. Empty where it said nothing.
    pub(super) fn get(&self, subscriber: &str, now: Millis) -> Option<Description> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, description) = known.get(subscriber)?;
        let fresh = (0..FRESH).contains(&now.saturating_sub(*since));
        fresh.then(|| description.clone())
    }

    /// Keeps what a device said.
    pub(super) fn put(&self, subscriber: &str, description: Description, now: Millis) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= DEVICES {
            known.retain(|_, (since, _)| (0..FRESH).contains(&now.saturating_sub(*since)));
        }
        if known.len() >= DEVICES {
            known.clear();
        }
        known.insert(subscriber.to_owned(), (now, description));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::{Body, ContentType, Headers, Part};
    use crate::store::{DeliveryState, Role};

    fn taken(octets: usize) -> Taken {
        let row = MessageRow {
            id: "m".to_owned(),
            sender: String::new(),
            accepted_at: 0,
            expires_at: 1,
            delivery_report: false,
            read_report: false,
            sender_visible: true,
            class: 0x80,
            size: 1,
            subject: None,
            has_body: true,
            content: None,
            origin: None,
        };
        let recipient = RecipientRow {
            id: 0,
            message_id: "m".to_owned(),
            address: String::new(),
            role: Role::To,
            token: String::new(),
            transaction_id: String::new(),
            peer: None,
            state: DeliveryState::Queued,
            attempts: 0,
            fence: 0,
        };
        let part = Part::new(ContentType::new("image/jpeg"), vec![0; octets]);
        let message = Message {
            headers: Headers::new(),
            body: Body::single(part),
        };
        Taken {
            row,
            recipient,
            message,
        }
    }

    #[test]
    fn what_came_first_makes_room() {
        let recent = Recent::default();
        for number in 0..30 {
            recent.put([number; 32], taken(1 << 20));
        }
        assert!(recent.get(&[0; 32]).is_none());
        assert!(recent.get(&[29; 32]).is_some());
        let kept = recent.inner.lock().unwrap().taken.len();
        assert!((22..=24).contains(&kept), "{kept}");
    }

    #[test]
    fn what_is_done_with_takes_no_room() {
        let recent = Recent::default();
        for number in 0..200 {
            recent.put([number; 32], taken(1 << 20));
            recent.forget(&[number; 32]);
        }
        let inner = recent.inner.lock().unwrap();
        assert_eq!((inner.octets, inner.order.len()), (0, 0));
        drop(inner);
        recent.put([1; 32], taken(10));
        recent.put([2; 32], taken(10));
        recent.forget(&[2; 32]);
        assert!(recent.get(&[1; 32]).is_some() && recent.get(&[2; 32]).is_none());
    }

    #[test]
    fn what_a_device_said_counts_for_a_while() {
        let devices = Devices::default();
        let said: Description = Arc::from([("user-agent".to_owned(), "A".to_owned())]);
        devices.put("+1555", said.clone(), 1_000);
        assert_eq!(devices.get("+1555", 2_000), Some(said.clone()));
        assert_eq!(devices.get("+1556", 2_000), None);
        assert_eq!(devices.get("+1555", 1_000 + FRESH), None);
        assert_eq!(devices.get("+1555", 0), None, "the clock was set back");
        for number in 0..25_000 {
            devices.put(&format!("+{number}"), said.clone(), 1_000);
        }
        assert!(devices.known.lock().unwrap().len() <= DEVICES);
    }
}

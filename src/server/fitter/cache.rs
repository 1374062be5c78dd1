//! What was fitted once, for the next phone of the same kind.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::mms::{Body, Part};

/// What decides a result, beside the policy and the version of the engine, which are the same as
/// long as a cache lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// SHA-256 of the content.
    pub(super) content: [u8; 32],
    /// SHA-256 of the capabilities.
    pub(super) capabilities: [u8; 32],
    /// Octets of the whole message: how much of the limit the headers take is in it.
    pub(super) size: u64,
    /// Whether the sender allows that it is adapted.
    pub(super) allowed: bool,
    /// Which codecs there were: plugins come and go.
    pub(super) codecs: u64,
}

/// What was found out about a message and a kind of device.
#[derive(Debug, Clone)]
pub(super) struct Result {
    /// The body to hand out.
    pub(super) outcome: Outcome,
    /// Octets of the message with it.
    pub(super) size: u64,
    /// What was done, on one line.
    pub(super) summary: String,
}

/// What a body becomes.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// It is handed out as it is.
    Unchanged,
    /// This one is.
    Adapted(Body),
    /// Nothing of it fits.
    Refused,
}

/// Results in memory, the latest used first, up to so many octets.
#[derive(Debug)]
pub(super) struct Cache {
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    results: HashMap<Key, (u64, Result)>,
    /// Keys by when they were used last.
    used: BTreeMap<u64, Key>,
    clock: u64,
    octets: usize,
}

/// What an entry takes beside its octets.
const ENTRY: usize = 512;

impl Cache {
    /// A cache of up to `most` octets.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            inner: Mutex::default(),
        }
    }

    /// A result, if it is here.
    pub(super) fn get(&self, key: &Key) -> Option<Result> {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        inner.clock = inner.clock.saturating_add(1);
        let (used, result) = inner.results.get_mut(key)?;
        inner.used.remove(used);
        *used = inner.clock;
        inner.used.insert(inner.clock, *key);
        Some(result.clone())
    }

    /// Keeps a result, and lets go of those that were not used for longest.
    pub(super) fn put(&self, key: Key, mut result: Result) {
        if let Outcome::Adapted(body) = &mut result.outcome {
            body.parts.iter_mut().for_each(own);
        }
        let cost = cost(&result);
        if cost > self.most {
            return;
        }
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        inner.forget(&key);
        inner.clock = inner.clock.saturating_add(1);
        inner.used.insert(inner.clock, key);
        inner.results.insert(key, (inner.clock, result));
        inner.octets = inner.octets.saturating_add(cost);
        while inner.octets > self.most
            && let Some((_, oldest)) = inner.used.first_key_value()
        {
            let oldest = *oldest;
            inner.forget(&oldest);
        }
    }
}

impl Inner {
    fn forget(&mut self, key: &Key) {
        if let Some((used, result)) = self.results.remove(key) {
            self.used.remove(&used);
            self.octets = self.octets.saturating_sub(cost(&result));
        }
    }
}

fn cost(result: &Result) -> usize {
    let body = match &result.outcome {
        Outcome::Adapted(body) => body
            .parts
            .iter()
            .map(|part| part.data.len().saturating_add(ENTRY))
            .fold(0, usize::saturating_add),
        Outcome::Unchanged | Outcome::Refused => 0,
    };
    body.saturating_add(ENTRY)
}

/// Parts that were kept are views into the whole original, which would be kept with them.
fn own(part: &mut Part) {
    part.data = bytes::Bytes::copy_from_slice(&part.data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::ContentType;

    fn key(content: u8) -> Key {
        Key {
            codecs: 0,
            content: [content; 32],
            capabilities: [0; 32],
            size: 1,
            allowed: true,
        }
    }

    fn result(octets: usize) -> Result {
        let part = Part::new(ContentType::new("image/jpeg"), vec![0; octets]);
        Result {
            outcome: Outcome::Adapted(Body::single(part)),
            size: 1,
            summary: String::new(),
        }
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_the_bound_holds() {
        let cache = Cache::new(30_000);
        cache.put(key(1), result(10_000));
        cache.put(key(2), result(10_000));
        assert!(cache.get(&key(1)).is_some());
        cache.put(key(3), result(10_000));
        assert!(cache.get(&key(2)).is_none(), "it was used least");
        assert!(cache.get(&key(1)).is_some() && cache.get(&key(3)).is_some());
        cache.put(key(4), result(40_000));
        assert!(cache.get(&key(4)).is_none(), "it is larger than the cache");
        assert!(cache.get(&key(1)).is_some());
        for _ in 0..3 {
            cache.put(key(1), result(10_000));
        }
        assert!(cache.get(&key(3)).is_some(), "the same again costs nothing");
        for content in 0..100 {
            cache.put(key(content), result(500));
        }
        let inner = cache.inner.lock().unwrap();
        assert!(inner.octets <= 30_000 && inner.used.len() == inner.results.len());
    }

    #[test]
    fn the_original_is_not_kept_for_a_small_part_of_it() {
        let original = bytes::Bytes::from(vec![7; 1_000_000]);
        let mut kept = result(0);
        if let Outcome::Adapted(body) = &mut kept.outcome {
            body.parts[0].data = original.slice(..10);
        }
        let cache = Cache::new(30_000);
        cache.put(key(1), kept);
        assert!(original.is_unique());
    }
}

//! Fitting messages before their phones are told of them, so that X-Mms-Message-Size is what the
//! phone will get, and the message is ready when it comes.

use std::collections::HashMap;
use std::time::Duration;

use super::retrieve::{digest, hash, number, outgoing};
use super::{Content, Device, Forecast, Later, Relay};
use crate::mms::pdu;
use crate::store::{DeliveryState, Lease, MessageRow, RecipientRow, Work};

/// How long all notifications of one round wait for sizes at most.
const PATIENCE: Duration = Duration::from_millis(300);
/// Octets of a message that every phone takes as a whole (the least content class but text).
const SMALL: u64 = 32 << 10;

/// Sizes that phones will be told, by the number of the recipient's row.
pub(super) type Sizes = HashMap<i64, u64>;

impl Relay {
    /// What the recipients among `leases` whose devices are remembered will get, as far as it is
    /// found out in time. What is not, is still under way, and is told at its original size.
    pub(super) fn foresee(&self, leases: &[Lease]) -> Sizes {
        let mut sizes = Sizes::new();
        let mut later: Vec<(i64, Box<dyn Later>)> = Vec::new();
        for lease in leases {
            let Work::Recipient(both) = &lease.work else {
                continue;
            };
            let (message, recipient) = &**both;
            match self.forecast(message, recipient) {
                Some(Forecast::Size(size)) => {
                    sizes.insert(recipient.id, size);
                }
                Some(Forecast::Later(size)) => later.push((recipient.id, size)),
                None => {}
            }
        }
        let begun = self.surroundings.now();
        for (recipient, size) in later {
            let waited = self.surroundings.now().saturating_sub(begun);
            let waited = Duration::from_millis(u64::try_from(waited).unwrap_or(0));
            if let Some(size) = size.size(PATIENCE.saturating_sub(waited)) {
                sizes.insert(recipient, size);
            }
        }
        sizes
    }

    fn forecast(&self, message: &MessageRow, recipient: &RecipientRow) -> Option<Forecast> {
        let told = !matches!(
            recipient.state,
            DeliveryState::Queued | DeliveryState::Notified
        );
        if message.size <= SMALL || told || self.surroundings.now() >= message.expires_at {
            return None;
        }
        // Whatever cannot be read now is told at its original size, and met again when it is fetched.
        let remembered = self.remembered(&number(&recipient.address)?).ok()?;
        if remembered.is_empty() {
            return None;
        }
        let original = match self.recent.get(&hash(&recipient.token)) {
            Some(taken) => taken.message.clone(),
            None => {
                let octets = self.store.body(message).ok()??;
                let decoded = pdu::decode(&octets, &self.limits).ok()?;
                decoded.value.into_message().ok()?
            }
        };
        let digest = digest(message);
        let message = outgoing(original, message, recipient);
        let device = Device {
            headers: &[],
            remembered: &remembered,
        };
        let content = Content {
            message: &message,
            digest,
        };
        self.fitter.foresee(content, &device)
    }
}

#[cfg(test)]
mod tests {
    use crate::mms::Field;
    use crate::mms::HeaderValue;
    use crate::mms::address::Msisdn;
    use crate::relay::testing::{Bench, FORESEEN, send_req};

    #[test]
    fn a_phone_that_is_known_is_told_what_it_will_get() {
        let bench = Bench::new("foresight");
        bench
            .relay
            .change_terms(|terms| terms.message_bytes = 100_000);
        let known = Msisdn::parse("+15550000002").unwrap();
        let headers = [("user-agent".to_owned(), "Nokia6100".to_owned())];
        bench.relay.remember(&known, &headers).unwrap();
        let sizes = |bench: &Bench| {
            bench.run_due();
            let mut told: Vec<_> = bench
                .pushes()
                .into_iter()
                .map(|(to, pdu)| match pdu.headers.get(Field::MessageSize) {
                    Some(HeaderValue::Integer(size)) => (to, *size),
                    other => panic!("{other:?}"),
                })
                .collect();
            told.sort();
            told.into_iter().map(|(_, size)| size).collect::<Vec<_>>()
        };
        let mut large = send_req("t1", &["+15550000002", "+15550000003"]);
        large.body.as_mut().unwrap().parts[0].data = vec![b'x'; 50_000].into();
        bench.accept(&large);
        let told = sizes(&bench);
        assert_eq!(told[0], FORESEEN);
        assert!(told[1] > 50_000, "nothing is known of the other");
        bench.accept(&send_req("t2", &["+15550000002"]));
        assert!(sizes(&bench)[0] < 1_000, "small ones are what they are");
    }
}

//! Several recipients of a message in one mail to their peer, and the transaction id by which its
//! response leads back to them.
//!
//! The transaction id of one recipient is that of his row. The one of several is that of the first,
//! and behind it which of the message's recipients they are, a bit for each: so nothing has to be
//! kept of a mail that was sent.

use super::super::Relay;
use super::super::retrieve::number;
use super::PeerResponse;
use crate::store::{DeliveryState, MessageRow, RecipientRow, StoreError};

/// What stands between the id of the first and the bits. No id of ours holds it.
const BETWEEN: char = '-';

/// The transaction id for some recipients of a message, out of `all` of them in the order of their
/// rows.
pub(super) fn transaction_id(some: &[RecipientRow], all: &[RecipientRow]) -> String {
    let Some(first) = some.first() else {
        return String::new();
    };
    if some.len() == 1 {
        return first.transaction_id.clone();
    }
    let bits: Vec<bool> = all
        .iter()
        .map(|one| some.iter().any(|chosen| chosen.id == one.id))
        .collect();
    let digit = |four: &[bool]| {
        let value = four
            .iter()
            .rev()
            .fold(0_u32, |value, bit| (value << 1) | u32::from(*bit));
        char::from_digit(value, 16).unwrap_or('0')
    };
    let digits: String = bits.chunks(4).map(digit).collect();
    format!("{}{BETWEEN}{digits}", first.transaction_id)
}

/// Which recipients the bits of a transaction id stand for, by their place among all.
fn places(digits: &str) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    for (at, digit) in digits.chars().enumerate() {
        let value = digit.to_digit(16)?;
        let chosen = (0..4_usize).filter(|bit| value & (1 << bit) != 0);
        places.extend(chosen.map(|bit| at.saturating_mul(4).saturating_add(bit)));
    }
    Some(places)
}

/// Whether the peer's mail server did not take this recipient the last time: what the peer says of
/// the mail is not about him.
fn is_put_off(one: &RecipientRow) -> bool {
    one.state == DeliveryState::Queued && one.attempts > 0
}

impl Relay {
    /// The message that a response is about, and those of its recipients that it speaks for: the
    /// ones it names among those who were in the mail, or, where it names
    /// none, all whom its mail server took.
    pub(super) fn answered_for(
        &self,
        response: &PeerResponse,
    ) -> Result<Option<(MessageRow, Vec<RecipientRow>)>, StoreError> {
        let id = &response.transaction_id;
        let theirs = |one: &RecipientRow| one.peer.as_ref() == Some(&response.peer);
        if let Some((message, recipient)) = self.store.by_transaction(id)? {
            return Ok(theirs(&recipient).then(|| (message, vec![recipient])));
        }
        let Some((first, digits)) = id.split_once(BETWEEN) else {
            return Ok(None);
        };
        let (Some(places), Some((message, first))) =
            (places(digits), self.store.by_transaction(first)?)
        else {
            return Ok(None);
        };
        if !theirs(&first) {
            return Ok(None);
        }
        let Some((_, all)) = self.store.message(&message.id)? else {
            return Ok(None);
        };
        let numbering = &self.terms().numbering;
        let named: Vec<_> = response
            .recipients
            .iter()
            .filter_map(|number| numbering.international(number))
            .collect();
        let spoken_for = all
            .into_iter()
            .enumerate()
            .filter(|(place, one)| places.contains(place) && theirs(one))
            .map(|(_, one)| one)
            .filter(|one| match named.as_slice() {
                [] => !is_put_off(one),
                named => number(&one.address).is_some_and(|number| named.contains(&number)),
            });
        let spoken_for = spoken_for.collect();
        Ok(Some((message, spoken_for)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Role;

    fn recipient(id: i64) -> RecipientRow {
        RecipientRow {
            id,
            message_id: "m".to_owned(),
            address: format!("+4416329600{id:02}/TYPE=PLMN"),
            role: Role::To,
            token: String::new(),
            transaction_id: format!("{id:012x}"),
            peer: Some("far".to_owned()),
            state: DeliveryState::Queued,
            attempts: 0,
            fence: 0,
        }
    }

    #[test]
    fn the_bits_lead_back_to_the_recipients() {
        let all: Vec<_> = (1..=100).map(recipient).collect();
        for chosen in [vec![0, 1], vec![3, 4, 99], (0..100).collect::<Vec<_>>()] {
            let some: Vec<_> = chosen.iter().map(|place| all[*place].clone()).collect();
            let id = transaction_id(&some, &all);
            let (first, digits) = id.split_once('-').unwrap();
            assert_eq!(first, some[0].transaction_id);
            assert_eq!(places(digits), Some(chosen));
        }
        assert_eq!(transaction_id(&all[6..7], &all), all[6].transaction_id);
        assert_eq!(places("0z"), None);
        assert_eq!(places(""), Some(Vec::new()));
    }
}

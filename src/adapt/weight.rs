//! What a message weighs: the octets that a device's limit counts.

use crate::mms::Message;
use crate::mms::pdu::{self, Pdu, PduType};

/// What a header of a part takes at most when its true size cannot be told.
const HEAD: u64 = 256;

/// Octets of a message as a phone would be given it: encoded as an MM1 PDU, headers included.
/// MmsMaxMessageSize counts these, whatever interface the message came over.
#[must_use]
pub fn weight(message: &Message) -> u64 {
    // A clone shares the parts' data.
    let pdu = Pdu::from_message(PduType::RetrieveConf, message.clone());
    match pdu::encoded_len(&pdu) {
        Ok(len) => u64::try_from(len).unwrap_or(u64::MAX),
        // A value without a wire form has to be mended before delivery: weigh it generously.
        Err(_) => message.body.parts.iter().fold(HEAD, |sum, part| {
            let data = u64::try_from(part.data.len()).unwrap_or(u64::MAX);
            sum.saturating_add(data).saturating_add(HEAD)
        }),
    }
}

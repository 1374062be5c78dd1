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
    let mut pdu = Pdu::from_message(PduType::RetrieveConf, message.clone());
    let whole = pdu::encoded_len(&pdu).or_else(|_| {
        // Headers of a mail have names that MM1 cannot carry, and stay behind.
        pdu.headers = message.headers.without_textual();
        pdu::encoded_len(&pdu)
    });
    match whole {
        Ok(len) => u64::try_from(len).unwrap_or(u64::MAX),
        // A value without a wire form has to be mended before delivery: weigh it generously.
        Err(_) => message.body.parts.iter().fold(HEAD, |sum, part| {
            let data = u64::try_from(part.data.len()).unwrap_or(u64::MAX);
            sum.saturating_add(data).saturating_add(HEAD)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::{Body, ContentType, HeaderName, HeaderValue, Headers, Part};

    #[test]
    fn what_no_phone_is_told_is_not_weighed() {
        let body = Body::single(Part::new(ContentType::new("text/plain"), "x".repeat(1000)));
        let mut message = Message {
            headers: Headers::new(),
            body,
        };
        let bare = weight(&message);
        assert!((1000..1040).contains(&bare), "{bare}");
        let name = HeaderName::Text("X-Mms-Originator-R/S-Delivery-Report".to_owned());
        message
            .headers
            .push(name, HeaderValue::Text("Yes".to_owned()));
        assert_eq!(weight(&message), bare);
    }
}

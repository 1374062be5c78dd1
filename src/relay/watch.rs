//! What happens, told to whoever watches over the service. Nothing depends on its being heard: what
//! must not be lost is in the store.

use crate::store::DeliveryState;

/// Somebody who watches: writes logs, counts.
pub trait Watch: Send + Sync {
    /// Hears of something. It must not block: messages wait meanwhile.
    fn happened(&self, happening: &Happening<'_>);
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn happened(&self, _: &Happening<'_>) {}
}

/// Where something came in or went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// Phones.
    Mm1,
    /// Other service centres.
    Mm4,
    /// Applications.
    Mm7,
    /// Operators.
    Admin,
}

impl Interface {
    /// Every interface.
    pub const ALL: [Self; 4] = [Self::Mm1, Self::Mm4, Self::Mm7, Self::Admin];

    /// The name in figures and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mm1 => "mm1",
            Self::Mm4 => "mm4",
            Self::Mm7 => "mm7",
            Self::Admin => "admin",
        }
    }
}

/// Something that happened. Addresses are in their wire form and not masked: who writes them down
/// sees to that.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Happening<'a> {
    /// A connection was accepted.
    Opened(Interface),
    /// A connection ended.
    Closed(Interface),
    /// Octets of content came in.
    Received(Interface, u64),
    /// Octets of content went out.
    Sent(Interface, u64),
    /// A message was taken over or refused.
    Submitted {
        /// Where it came in.
        interface: Interface,
        /// Its id, where it was taken over.
        message_id: Option<&'a str>,
        /// Who sent it, where that is known.
        sender: Option<&'a str>,
        /// Octets of it.
        octets: usize,
        /// X-Mms-Response-Status as a word.
        result: &'static str,
        /// What the sender was told beside it.
        why: Option<&'a str>,
    },
    /// A message was handed out, or asked for in vain.
    Retrieved {
        /// Where it went out.
        interface: Interface,
        /// Its id, where there is one.
        message_id: Option<&'a str>,
        /// Octets of the answer.
        octets: usize,
        /// X-Mms-Retrieve-Status as a word.
        result: &'static str,
    },
    /// A recipient took a step.
    Step {
        /// The message.
        message_id: &'a str,
        /// Address of the recipient.
        recipient: &'a str,
        /// Where it stood.
        from: DeliveryState,
        /// Where it stands.
        to: DeliveryState,
        /// Notifications that were tried.
        attempts: u32,
        /// What happened, in one word.
        what: &'a str,
        /// More about it, for people.
        detail: &'a str,
    },
    /// A report was pushed, put off or given up.
    Report {
        /// The message it is about.
        message_id: &'a str,
        /// Address of who gets it.
        address: &'a str,
        /// What happened, in one word.
        what: &'a str,
        /// More about it, for people.
        detail: &'a str,
    },
}

/// X-Mms-Response-Status as a word (OMA-MMS-ENC section 7.3.48).
#[must_use]
pub const fn response_status(octet: u8) -> &'static str {
    match octet {
        0x80 => "ok",
        0x82 | 0xE1 => "service-denied",
        0x83 | 0xE2 => "message-format-corrupt",
        0x84 | 0xE3 => "sending-address-unresolved",
        0x85 | 0xE4 => "message-not-found",
        0x86 => "network-problem",
        0x87 | 0xE5 => "content-not-accepted",
        0x88 => "unsupported-message",
        0xC0 => "transient-failure",
        0xC1 => "transient-sending-address-unresolved",
        0xC2 => "transient-message-not-found",
        0xC3 => "transient-network-problem",
        0xC4 => "partial-success",
        0xE0 => "permanent-failure",
        0xE6 => "reply-charging-limitations-not-met",
        0xE7 => "reply-charging-request-not-accepted",
        0xE8 => "reply-charging-forwarding-denied",
        0xE9 => "reply-charging-not-supported",
        0xEA => "address-hiding-not-supported",
        0xEB => "lack-of-prepaid",
        _ => "unspecified",
    }
}

/// X-Mms-Retrieve-Status as a word (OMA-MMS-ENC section 7.3.50); a message that is handed out may
/// carry none.
#[must_use]
pub const fn retrieve_status(octet: Option<u8>) -> &'static str {
    match octet {
        None | Some(0x80) => "ok",
        Some(0xC0) => "transient-failure",
        Some(0xC1) => "transient-message-not-found",
        Some(0xC2) => "transient-network-problem",
        Some(0xE0) => "permanent-failure",
        Some(0xE1) => "service-denied",
        Some(0xE2) => "message-not-found",
        Some(0xE3) => "content-unsupported",
        Some(_) => "unspecified",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_phone_was_told_has_the_word_of_the_standard() {
        assert_eq!(response_status(0x80), "ok");
        assert_eq!(response_status(0xC4), "partial-success");
        assert_eq!(response_status(0x84), response_status(0xE3));
        assert_eq!(response_status(0x81), "unspecified");
        assert_eq!(retrieve_status(None), "ok");
        assert_eq!(retrieve_status(Some(0xE2)), "message-not-found");
    }
}

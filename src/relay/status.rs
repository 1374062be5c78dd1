//! X-Mms-Response-Status (OMA-MMS-ENC section 7.3.48) and what older clients get instead.

use crate::mms::Field;
use crate::mms::pdu::Pdu;

/// Why a submission is answered as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Response {
    Ok,
    Unsupported,
    TransientFailure,
    PartialSuccess,
    MessageFormatCorrupt,
    SendingAddressUnresolved,
    ContentNotAccepted,
    ReplyChargingNotSupported,
    ServiceDenied,
    MessageNotFound,
}

impl Response {
    /// The octet for a client of `version`. Clients of 1.0 know but nine values; for those of
    /// 1.1, partial success does not exist yet.
    pub(super) const fn octet(self, version: Version) -> u8 {
        if version.is_before(1) {
            return match self {
                Self::Ok | Self::PartialSuccess => 0x80,
                Self::TransientFailure => 0x86,
                Self::ReplyChargingNotSupported => 0x81,
                Self::MessageFormatCorrupt => 0x83,
                Self::SendingAddressUnresolved => 0x84,
                Self::ContentNotAccepted => 0x87,
                Self::Unsupported => 0x88,
                Self::ServiceDenied => 0x82,
                Self::MessageNotFound => 0x85,
            };
        }
        match self {
            Self::Ok => 0x80,
            Self::Unsupported => 0x88,
            Self::TransientFailure => 0xC0,
            Self::PartialSuccess => 0xC4,
            Self::MessageFormatCorrupt => 0xE2,
            Self::SendingAddressUnresolved => 0xE3,
            Self::ContentNotAccepted => 0xE5,
            Self::ReplyChargingNotSupported => 0xE9,
            Self::ServiceDenied => 0xE1,
            Self::MessageNotFound => 0xE4,
        }
    }
}

/// The MMS version of a client, as the octet of X-Mms-MMS-Version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version(pub(super) u8);

impl Version {
    /// The latest that is spoken here.
    pub(super) const OURS: Self = Self(0x93);

    /// That of the client that sent a PDU.
    pub(super) fn of(pdu: &Pdu) -> Self {
        Self(pdu.headers.token(Field::MmsVersion).unwrap_or(0x90))
    }

    /// Whether it is older than 1.`minor`.
    pub(super) const fn is_before(self, minor: u8) -> bool {
        self.0 < 0x90 | minor
    }

    /// What to answer a client of this version in: its own, or our latest.
    pub(super) fn answer(self) -> u8 {
        match self.0 {
            0x90..=0x93 => self.0,
            _ => Self::OURS.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_1_0_gets_what_it_knows() {
        let old = Version(0x90);
        for response in [
            Response::Ok,
            Response::Unsupported,
            Response::TransientFailure,
            Response::MessageFormatCorrupt,
            Response::SendingAddressUnresolved,
            Response::ContentNotAccepted,
            Response::ReplyChargingNotSupported,
            Response::ServiceDenied,
            Response::MessageNotFound,
        ] {
            assert!((0x80..=0x88).contains(&response.octet(old)), "{response:?}");
            let new = response.octet(Version(0x92));
            assert!(matches!(new, 0x80 | 0x88 | 0xC0..=0xC4 | 0xE0..=0xEB));
        }
        assert_eq!(Version(0x9F).answer(), 0x93);
        assert_eq!(Version(0x90).answer(), 0x90);
        assert_eq!(Response::TransientFailure.octet(Version(0x91)), 0xC0);
    }
}

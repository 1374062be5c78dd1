//! The PDUs and what each must carry (OMA-MMS-ENC sections 6 and 7).

use crate::mms::header::Field;

/// The kinds of MM1 PDU. The discriminant is the octet of X-Mms-Message-Type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum PduType {
    /// `m-send-req`: a client submits a message.
    SendReq = 0x80,
    /// `m-send-conf`: the answer to it.
    SendConf = 0x81,
    /// `m-notification-ind`: a message waits.
    NotificationInd = 0x82,
    /// `m-notifyresp-ind`: what the client does about it.
    NotifyRespInd = 0x83,
    /// `m-retrieve-conf`: the message, fetched.
    RetrieveConf = 0x84,
    /// `m-acknowledge-ind`: it has arrived.
    AcknowledgeInd = 0x85,
    /// `m-delivery-ind`: a delivery report.
    DeliveryInd = 0x86,
    /// `m-read-rec-ind`: a read report on its way to the relay (1.1).
    ReadRecInd = 0x87,
    /// `m-read-orig-ind`: a read report on its way to the sender (1.1).
    ReadOrigInd = 0x88,
    /// `m-forward-req`: forward without fetching (1.1).
    ForwardReq = 0x89,
    /// `m-forward-conf`: the answer to it (1.1).
    ForwardConf = 0x8A,
    /// `m-mbox-store-req`: keep a message in the message box (1.2).
    MboxStoreReq = 0x8B,
    /// `m-mbox-store-conf`: the answer to it (1.2).
    MboxStoreConf = 0x8C,
    /// `m-mbox-view-req`: list the message box (1.2).
    MboxViewReq = 0x8D,
    /// `m-mbox-view-conf`: the list (1.2).
    MboxViewConf = 0x8E,
    /// `m-mbox-upload-req`: put a message into the message box (1.2).
    MboxUploadReq = 0x8F,
    /// `m-mbox-upload-conf`: the answer to it (1.2).
    MboxUploadConf = 0x90,
    /// `m-mbox-delete-req`: delete from the message box (1.2).
    MboxDeleteReq = 0x91,
    /// `m-mbox-delete-conf`: the answer to it (1.2).
    MboxDeleteConf = 0x92,
    /// `m-mbox-descr`: one message of the message box (1.2).
    MboxDescr = 0x93,
    /// `m-delete-req`: delete waiting messages without fetching them (1.3).
    DeleteReq = 0x94,
    /// `m-delete-conf`: the answer to it (1.3).
    DeleteConf = 0x95,
    /// `m-cancel-req`: take back a delivered message (1.3).
    CancelReq = 0x96,
    /// `m-cancel-conf`: the answer to it (1.3).
    CancelConf = 0x97,
}

/// Whether a PDU has Content-Type and a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyRule {
    Needed,
    Allowed,
    None,
}

impl PduType {
    /// Every PDU, by its octet.
    pub const ALL: [Self; 24] = [
        Self::SendReq,
        Self::SendConf,
        Self::NotificationInd,
        Self::NotifyRespInd,
        Self::RetrieveConf,
        Self::AcknowledgeInd,
        Self::DeliveryInd,
        Self::ReadRecInd,
        Self::ReadOrigInd,
        Self::ForwardReq,
        Self::ForwardConf,
        Self::MboxStoreReq,
        Self::MboxStoreConf,
        Self::MboxViewReq,
        Self::MboxViewConf,
        Self::MboxUploadReq,
        Self::MboxUploadConf,
        Self::MboxDeleteReq,
        Self::MboxDeleteConf,
        Self::MboxDescr,
        Self::DeleteReq,
        Self::DeleteConf,
        Self::CancelReq,
        Self::CancelConf,
    ];

    /// The octet of X-Mms-Message-Type, 0x80..=0x97.
    #[must_use]
    pub fn octet(self) -> u8 {
        let index = Self::ALL.iter().position(|pdu_type| *pdu_type == self);
        index
            .and_then(|index| u8::try_from(index).ok())
            .map_or(0x80, |index| 0x80 | index)
    }

    /// The PDU with an octet of X-Mms-Message-Type.
    #[must_use]
    pub fn from_octet(octet: u8) -> Option<Self> {
        let index = octet.checked_sub(0x80)?;
        Self::ALL.get(usize::from(index)).copied()
    }

    /// The name as the specification writes it, such as `m-send-req`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Field::MessageType
            .token_name(self.octet())
            .unwrap_or("an MMS PDU")
    }

    /// The PDU with a name, without regard to case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::from_octet(Field::MessageType.token_octet(name)?)
    }

    /// Whether a relay sends this PDU unasked, by WAP push.
    #[must_use]
    pub fn is_pushed(self) -> bool {
        matches!(
            self,
            Self::NotificationInd | Self::DeliveryInd | Self::ReadOrigInd | Self::CancelReq
        )
    }

    /// The headers it must carry beside X-Mms-Message-Type and X-Mms-MMS-Version.
    #[must_use]
    pub fn mandatory(self) -> &'static [Field] {
        use Field as F;
        match self {
            Self::SendReq => &[F::TransactionId, F::From],
            Self::SendConf | Self::ForwardConf | Self::MboxViewConf | Self::MboxDeleteConf => {
                &[F::TransactionId, F::ResponseStatus]
            }
            Self::NotificationInd => &[
                F::TransactionId,
                F::MessageClass,
                F::MessageSize,
                F::Expiry,
                F::ContentLocation,
            ],
            Self::NotifyRespInd => &[F::TransactionId, F::Status],
            Self::RetrieveConf => &[F::Date],
            Self::AcknowledgeInd | Self::MboxViewReq | Self::MboxUploadReq => &[F::TransactionId],
            Self::DeliveryInd => &[F::MessageId, F::To, F::Date, F::Status],
            Self::ReadRecInd => &[F::MessageId, F::To, F::From, F::ReadStatus],
            Self::ReadOrigInd => &[F::MessageId, F::To, F::From, F::Date, F::ReadStatus],
            Self::ForwardReq => &[F::TransactionId, F::From, F::ContentLocation],
            Self::MboxStoreReq | Self::MboxDeleteReq | Self::DeleteReq => {
                &[F::TransactionId, F::ContentLocation]
            }
            Self::MboxStoreConf | Self::MboxUploadConf => &[F::TransactionId, F::StoreStatus],
            Self::MboxDescr => &[],
            Self::DeleteConf => &[F::TransactionId, F::ResponseStatus, F::ContentLocation],
            Self::CancelReq => &[F::TransactionId, F::CancelId],
            Self::CancelConf => &[F::TransactionId, F::CancelStatus],
        }
    }

    /// Whether it must carry at least one of To, Cc and Bcc.
    #[must_use]
    pub fn needs_recipient(self) -> bool {
        matches!(self, Self::SendReq | Self::ForwardReq)
    }

    pub(super) fn body(self) -> BodyRule {
        match self {
            Self::SendReq | Self::RetrieveConf | Self::MboxViewConf | Self::MboxUploadReq => {
                BodyRule::Needed
            }
            Self::MboxDescr => BodyRule::Allowed,
            _ => BodyRule::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_octets_and_names_agree() {
        for (octet, pdu_type) in (0x80..).zip(PduType::ALL) {
            assert_eq!(pdu_type.octet(), octet);
            assert_eq!(PduType::from_octet(octet), Some(pdu_type));
            assert_eq!(PduType::from_name(pdu_type.name()), Some(pdu_type));
        }
        assert_eq!(PduType::from_octet(0x98), None);
        assert_eq!(PduType::from_octet(0x7F), None);
        assert_eq!(PduType::CancelConf.name(), "m-cancel-conf");
    }
}

//! The header table of OMA-MMS-ENC 1.3 section 7.4: codes, names, value forms and enumerations.

/// The coding of a header value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueForm {
    /// The name of a field, as one octet or as text.
    Attribute,
    /// A content type with parameters.
    ContentType,
    /// A count and an Encoded-string address.
    CountedAddress,
    /// A count and a date.
    CountedDate,
    /// Long-integer seconds since 1970-01-01 UTC.
    Date,
    /// A content reference with parameters.
    Element,
    /// Encoded-string-value.
    Encoded,
    /// One octet and an Encoded-string keyword.
    Flag,
    /// An address or the insert-address token.
    From,
    /// Integer-value.
    Integer,
    /// Uri-value; with a count in front in the answers to a delete request.
    Location,
    /// Long-integer.
    LongInteger,
    /// One octet; with a count in front in the answers to a delete request.
    Status,
    /// Text-string.
    Text,
    /// Absolute or relative time.
    Time,
    /// One octet of an enumeration.
    Token,
    /// One octet of an enumeration, or Token-text.
    TokenOrText,
    /// One octet and an Integer-value.
    Total,
    /// Version-value: major in bits 6-4, minor in bits 3-0.
    Version,
}

/// A field of the encapsulation specification. The discriminant is its code without the top bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Field {
    /// `Bcc`.
    Bcc = 0x01,
    /// `Cc`.
    Cc = 0x02,
    /// `X-Mms-Content-Location`.
    ContentLocation = 0x03,
    /// `Content-Type`.
    ContentType = 0x04,
    /// `Date`.
    Date = 0x05,
    /// `X-Mms-Delivery-Report`.
    DeliveryReport = 0x06,
    /// `X-Mms-Delivery-Time`.
    DeliveryTime = 0x07,
    /// `X-Mms-Expiry`.
    Expiry = 0x08,
    /// `From`.
    From = 0x09,
    /// `X-Mms-Message-Class`.
    MessageClass = 0x0A,
    /// `Message-ID`.
    MessageId = 0x0B,
    /// `X-Mms-Message-Type`.
    MessageType = 0x0C,
    /// `X-Mms-MMS-Version`.
    MmsVersion = 0x0D,
    /// `X-Mms-Message-Size`.
    MessageSize = 0x0E,
    /// `X-Mms-Priority`.
    Priority = 0x0F,
    /// `X-Mms-Read-Report`.
    ReadReport = 0x10,
    /// `X-Mms-Report-Allowed`.
    ReportAllowed = 0x11,
    /// `X-Mms-Response-Status`.
    ResponseStatus = 0x12,
    /// `X-Mms-Response-Text`.
    ResponseText = 0x13,
    /// `X-Mms-Sender-Visibility`.
    SenderVisibility = 0x14,
    /// `X-Mms-Status`.
    Status = 0x15,
    /// `Subject`.
    Subject = 0x16,
    /// `To`.
    To = 0x17,
    /// `X-Mms-Transaction-Id`.
    TransactionId = 0x18,
    /// `X-Mms-Retrieve-Status`.
    RetrieveStatus = 0x19,
    /// `X-Mms-Retrieve-Text`.
    RetrieveText = 0x1A,
    /// `X-Mms-Read-Status`.
    ReadStatus = 0x1B,
    /// `X-Mms-Reply-Charging`.
    ReplyCharging = 0x1C,
    /// `X-Mms-Reply-Charging-Deadline`.
    ReplyChargingDeadline = 0x1D,
    /// `X-Mms-Reply-Charging-ID`.
    ReplyChargingId = 0x1E,
    /// `X-Mms-Reply-Charging-Size`.
    ReplyChargingSize = 0x1F,
    /// `X-Mms-Previously-Sent-By`.
    PreviouslySentBy = 0x20,
    /// `X-Mms-Previously-Sent-Date`.
    PreviouslySentDate = 0x21,
    /// `X-Mms-Store`.
    Store = 0x22,
    /// `X-Mms-MM-State`.
    MmState = 0x23,
    /// `X-Mms-MM-Flags`.
    MmFlags = 0x24,
    /// `X-Mms-Store-Status`.
    StoreStatus = 0x25,
    /// `X-Mms-Store-Status-Text`.
    StoreStatusText = 0x26,
    /// `X-Mms-Stored`.
    Stored = 0x27,
    /// `X-Mms-Attributes`.
    Attributes = 0x28,
    /// `X-Mms-Totals`.
    Totals = 0x29,
    /// `X-Mms-Mbox-Totals`.
    MboxTotals = 0x2A,
    /// `X-Mms-Quotas`.
    Quotas = 0x2B,
    /// `X-Mms-Mbox-Quotas`.
    MboxQuotas = 0x2C,
    /// `X-Mms-Message-Count`.
    MessageCount = 0x2D,
    /// `Content`.
    Content = 0x2E,
    /// `X-Mms-Start`.
    Start = 0x2F,
    /// `Additional-headers`.
    AdditionalHeaders = 0x30,
    /// `X-Mms-Distribution-Indicator`.
    DistributionIndicator = 0x31,
    /// `X-Mms-Element-Descriptor`.
    ElementDescriptor = 0x32,
    /// `X-Mms-Limit`.
    Limit = 0x33,
    /// `X-Mms-Recommended-Retrieval-Mode`.
    RecommendedRetrievalMode = 0x34,
    /// `X-Mms-Recommended-Retrieval-Mode-Text`.
    RecommendedRetrievalModeText = 0x35,
    /// `X-Mms-Status-Text`.
    StatusText = 0x36,
    /// `X-Mms-Applic-ID`.
    ApplicId = 0x37,
    /// `X-Mms-Reply-Applic-ID`.
    ReplyApplicId = 0x38,
    /// `X-Mms-Aux-Applic-Info`.
    AuxApplicInfo = 0x39,
    /// `X-Mms-Content-Class`.
    ContentClass = 0x3A,
    /// `X-Mms-DRM-Content`.
    DrmContent = 0x3B,
    /// `X-Mms-Adaptation-Allowed`.
    AdaptationAllowed = 0x3C,
    /// `X-Mms-Replace-ID`.
    ReplaceId = 0x3D,
    /// `X-Mms-Cancel-ID`.
    CancelId = 0x3E,
    /// `X-Mms-Cancel-Status`.
    CancelStatus = 0x3F,
}

impl Field {
    /// Every field, by code.
    pub const ALL: [Self; 63] = [
        Self::Bcc,
        Self::Cc,
        Self::ContentLocation,
        Self::ContentType,
        Self::Date,
        Self::DeliveryReport,
        Self::DeliveryTime,
        Self::Expiry,
        Self::From,
        Self::MessageClass,
        Self::MessageId,
        Self::MessageType,
        Self::MmsVersion,
        Self::MessageSize,
        Self::Priority,
        Self::ReadReport,
        Self::ReportAllowed,
        Self::ResponseStatus,
        Self::ResponseText,
        Self::SenderVisibility,
        Self::Status,
        Self::Subject,
        Self::To,
        Self::TransactionId,
        Self::RetrieveStatus,
        Self::RetrieveText,
        Self::ReadStatus,
        Self::ReplyCharging,
        Self::ReplyChargingDeadline,
        Self::ReplyChargingId,
        Self::ReplyChargingSize,
        Self::PreviouslySentBy,
        Self::PreviouslySentDate,
        Self::Store,
        Self::MmState,
        Self::MmFlags,
        Self::StoreStatus,
        Self::StoreStatusText,
        Self::Stored,
        Self::Attributes,
        Self::Totals,
        Self::MboxTotals,
        Self::Quotas,
        Self::MboxQuotas,
        Self::MessageCount,
        Self::Content,
        Self::Start,
        Self::AdditionalHeaders,
        Self::DistributionIndicator,
        Self::ElementDescriptor,
        Self::Limit,
        Self::RecommendedRetrievalMode,
        Self::RecommendedRetrievalModeText,
        Self::StatusText,
        Self::ApplicId,
        Self::ReplyApplicId,
        Self::AuxApplicInfo,
        Self::ContentClass,
        Self::DrmContent,
        Self::AdaptationAllowed,
        Self::ReplaceId,
        Self::CancelId,
        Self::CancelStatus,
    ];

    /// The code on the wire without its top bit, 0x01..=0x3F.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.row().0
    }

    /// The field with a code, given without the top bit.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// The name as the specification spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// The field with a name, without regard to case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "x-mms-read-reply" => Some(Self::ReadReport),
            // The same on MM4.
            "x-mms-previously-sent-date-and-time" => Some(Self::PreviouslySentDate),
            _ => Self::ALL
                .into_iter()
                .find(|field| field.name().eq_ignore_ascii_case(name)),
        }
    }

    /// How the value is coded.
    #[must_use]
    pub const fn form(self) -> ValueForm {
        self.row().2
    }

    /// The names of an enumerated field's octets, each with its top bit set.
    #[must_use]
    pub const fn tokens(self) -> &'static [(u8, &'static str)] {
        self.row().3
    }

    /// The name of one octet of an enumerated field.
    #[must_use]
    pub fn token_name(self, octet: u8) -> Option<&'static str> {
        self.tokens()
            .iter()
            .find(|(value, _)| *value == octet)
            .map(|(_, name)| *name)
    }

    /// The octet of a named value of an enumerated field, without regard to case.
    #[must_use]
    pub fn token_octet(self, name: &str) -> Option<u8> {
        self.tokens()
            .iter()
            .find(|(_, n)| n.eq_ignore_ascii_case(name))
            .map(|(value, _)| *value)
    }

    const fn row(self) -> (u8, &'static str, ValueForm, &'static [(u8, &'static str)]) {
        use ValueForm as F;
        match self {
            Self::Bcc => (0x01, "Bcc", F::Encoded, &[]),
            Self::Cc => (0x02, "Cc", F::Encoded, &[]),
            Self::ContentLocation => (0x03, "X-Mms-Content-Location", F::Location, &[]),
            Self::ContentType => (0x04, "Content-Type", F::ContentType, &[]),
            Self::Date => (0x05, "Date", F::Date, &[]),
            Self::DeliveryReport => (0x06, "X-Mms-Delivery-Report", F::Token, YES_NO),
            Self::DeliveryTime => (0x07, "X-Mms-Delivery-Time", F::Time, &[]),
            Self::Expiry => (0x08, "X-Mms-Expiry", F::Time, &[]),
            Self::From => (0x09, "From", F::From, &[]),
            Self::MessageClass => (0x0A, "X-Mms-Message-Class", F::TokenOrText, MESSAGE_CLASS),
            Self::MessageId => (0x0B, "Message-ID", F::Text, &[]),
            Self::MessageType => (0x0C, "X-Mms-Message-Type", F::Token, MESSAGE_TYPE),
            Self::MmsVersion => (0x0D, "X-Mms-MMS-Version", F::Version, &[]),
            Self::MessageSize => (0x0E, "X-Mms-Message-Size", F::LongInteger, &[]),
            Self::Priority => (0x0F, "X-Mms-Priority", F::Token, PRIORITY),
            Self::ReadReport => (0x10, "X-Mms-Read-Report", F::Token, YES_NO),
            Self::ReportAllowed => (0x11, "X-Mms-Report-Allowed", F::Token, YES_NO),
            Self::ResponseStatus => (0x12, "X-Mms-Response-Status", F::Status, RESPONSE_STATUS),
            Self::ResponseText => (0x13, "X-Mms-Response-Text", F::Encoded, &[]),
            Self::SenderVisibility => (0x14, "X-Mms-Sender-Visibility", F::Token, VISIBILITY),
            Self::Status => (0x15, "X-Mms-Status", F::Token, STATUS),
            Self::Subject => (0x16, "Subject", F::Encoded, &[]),
            Self::To => (0x17, "To", F::Encoded, &[]),
            Self::TransactionId => (0x18, "X-Mms-Transaction-Id", F::Text, &[]),
            Self::RetrieveStatus => (0x19, "X-Mms-Retrieve-Status", F::Token, RETRIEVE_STATUS),
            Self::RetrieveText => (0x1A, "X-Mms-Retrieve-Text", F::Encoded, &[]),
            Self::ReadStatus => (0x1B, "X-Mms-Read-Status", F::Token, READ_STATUS),
            Self::ReplyCharging => (0x1C, "X-Mms-Reply-Charging", F::Token, REPLY_CHARGING),
            Self::ReplyChargingDeadline => (0x1D, "X-Mms-Reply-Charging-Deadline", F::Time, &[]),
            Self::ReplyChargingId => (0x1E, "X-Mms-Reply-Charging-ID", F::Text, &[]),
            Self::ReplyChargingSize => (0x1F, "X-Mms-Reply-Charging-Size", F::LongInteger, &[]),
            Self::PreviouslySentBy => (0x20, "X-Mms-Previously-Sent-By", F::CountedAddress, &[]),
            Self::PreviouslySentDate => (0x21, "X-Mms-Previously-Sent-Date", F::CountedDate, &[]),
            Self::Store => (0x22, "X-Mms-Store", F::Token, YES_NO),
            Self::MmState => (0x23, "X-Mms-MM-State", F::Token, MM_STATE),
            Self::MmFlags => (0x24, "X-Mms-MM-Flags", F::Flag, FLAG),
            Self::StoreStatus => (0x25, "X-Mms-Store-Status", F::Token, STORE_STATUS),
            Self::StoreStatusText => (0x26, "X-Mms-Store-Status-Text", F::Encoded, &[]),
            Self::Stored => (0x27, "X-Mms-Stored", F::Token, YES_NO),
            Self::Attributes => (0x28, "X-Mms-Attributes", F::Attribute, &[]),
            Self::Totals => (0x29, "X-Mms-Totals", F::Token, YES_NO),
            Self::MboxTotals => (0x2A, "X-Mms-Mbox-Totals", F::Total, TOTAL),
            Self::Quotas => (0x2B, "X-Mms-Quotas", F::Token, YES_NO),
            Self::MboxQuotas => (0x2C, "X-Mms-Mbox-Quotas", F::Total, TOTAL),
            Self::MessageCount => (0x2D, "X-Mms-Message-Count", F::Integer, &[]),
            Self::Content => (0x2E, "Content", F::Attribute, &[]),
            Self::Start => (0x2F, "X-Mms-Start", F::Integer, &[]),
            Self::AdditionalHeaders => (0x30, "Additional-headers", F::Attribute, &[]),
            Self::DistributionIndicator => (0x31, "X-Mms-Distribution-Indicator", F::Token, YES_NO),
            Self::ElementDescriptor => (0x32, "X-Mms-Element-Descriptor", F::Element, &[]),
            Self::Limit => (0x33, "X-Mms-Limit", F::Integer, &[]),
            Self::RecommendedRetrievalMode => (
                0x34,
                "X-Mms-Recommended-Retrieval-Mode",
                F::Token,
                RETRIEVAL_MODE,
            ),
            Self::RecommendedRetrievalModeText => (
                0x35,
                "X-Mms-Recommended-Retrieval-Mode-Text",
                F::Encoded,
                &[],
            ),
            Self::StatusText => (0x36, "X-Mms-Status-Text", F::Encoded, &[]),
            Self::ApplicId => (0x37, "X-Mms-Applic-ID", F::Text, &[]),
            Self::ReplyApplicId => (0x38, "X-Mms-Reply-Applic-ID", F::Text, &[]),
            Self::AuxApplicInfo => (0x39, "X-Mms-Aux-Applic-Info", F::Text, &[]),
            Self::ContentClass => (0x3A, "X-Mms-Content-Class", F::Token, CONTENT_CLASS),
            Self::DrmContent => (0x3B, "X-Mms-DRM-Content", F::Token, YES_NO),
            Self::AdaptationAllowed => (0x3C, "X-Mms-Adaptation-Allowed", F::Token, YES_NO),
            Self::ReplaceId => (0x3D, "X-Mms-Replace-ID", F::Text, &[]),
            Self::CancelId => (0x3E, "X-Mms-Cancel-ID", F::Text, &[]),
            Self::CancelStatus => (0x3F, "X-Mms-Cancel-Status", F::Token, CANCEL_STATUS),
        }
    }
}

type Tokens = &'static [(u8, &'static str)];

const CANCEL_STATUS: Tokens = &[
    (0x80, "Request-successfully-received"),
    (0x81, "Request-corrupted"),
];

const CONTENT_CLASS: Tokens = &[
    (0x80, "text"),
    (0x81, "image-basic"),
    (0x82, "image-rich"),
    (0x83, "video-basic"),
    (0x84, "video-rich"),
    (0x85, "megapixel"),
    (0x86, "content-basic"),
    (0x87, "content-rich"),
];

const FLAG: Tokens = &[(0x80, "Add"), (0x81, "Remove"), (0x82, "Filter")];

const MESSAGE_CLASS: Tokens = &[
    (0x80, "Personal"),
    (0x81, "Advertisement"),
    (0x82, "Informational"),
    (0x83, "Auto"),
];

const MESSAGE_TYPE: Tokens = &[
    (0x80, "m-send-req"),
    (0x81, "m-send-conf"),
    (0x82, "m-notification-ind"),
    (0x83, "m-notifyresp-ind"),
    (0x84, "m-retrieve-conf"),
    (0x85, "m-acknowledge-ind"),
    (0x86, "m-delivery-ind"),
    (0x87, "m-read-rec-ind"),
    (0x88, "m-read-orig-ind"),
    (0x89, "m-forward-req"),
    (0x8A, "m-forward-conf"),
    (0x8B, "m-mbox-store-req"),
    (0x8C, "m-mbox-store-conf"),
    (0x8D, "m-mbox-view-req"),
    (0x8E, "m-mbox-view-conf"),
    (0x8F, "m-mbox-upload-req"),
    (0x90, "m-mbox-upload-conf"),
    (0x91, "m-mbox-delete-req"),
    (0x92, "m-mbox-delete-conf"),
    (0x93, "m-mbox-descr"),
    (0x94, "m-delete-req"),
    (0x95, "m-delete-conf"),
    (0x96, "m-cancel-req"),
    (0x97, "m-cancel-conf"),
];

const MM_STATE: Tokens = &[
    (0x80, "Draft"),
    (0x81, "Sent"),
    (0x82, "New"),
    (0x83, "Retrieved"),
    (0x84, "Forwarded"),
];

const PRIORITY: Tokens = &[(0x80, "Low"), (0x81, "Normal"), (0x82, "High")];

const READ_STATUS: Tokens = &[(0x80, "Read"), (0x81, "Deleted without being read")];

const REPLY_CHARGING: Tokens = &[
    (0x80, "Requested"),
    (0x81, "Requested text only"),
    (0x82, "Accepted"),
    (0x83, "Accepted text only"),
];

const RESPONSE_STATUS: Tokens = &[
    (0x80, "Ok"),
    (0x81, "Error-unspecified"),
    (0x82, "Error-service-denied"),
    (0x83, "Error-message-format-corrupt"),
    (0x84, "Error-sending-address-unresolved"),
    (0x85, "Error-message-not-found"),
    (0x86, "Error-network-problem"),
    (0x87, "Error-content-not-accepted"),
    (0x88, "Error-unsupported-message"),
    (0xC0, "Error-transient-failure"),
    (0xC1, "Error-transient-sending-address-unresolved"),
    (0xC2, "Error-transient-message-not-found"),
    (0xC3, "Error-transient-network-problem"),
    (0xC4, "Error-transient-partial-success"),
    (0xE0, "Error-permanent-failure"),
    (0xE1, "Error-permanent-service-denied"),
    (0xE2, "Error-permanent-message-format-corrupt"),
    (0xE3, "Error-permanent-sending-address-unresolved"),
    (0xE4, "Error-permanent-message-not-found"),
    (0xE5, "Error-permanent-content-not-accepted"),
    (0xE6, "Error-permanent-reply-charging-limitations-not-met"),
    (0xE7, "Error-permanent-reply-charging-request-not-accepted"),
    (0xE8, "Error-permanent-reply-charging-forwarding-denied"),
    (0xE9, "Error-permanent-reply-charging-not-supported"),
    (0xEA, "Error-permanent-address-hiding-not-supported"),
    (0xEB, "Error-permanent-lack-of-prepaid"),
];

const RETRIEVAL_MODE: Tokens = &[(0x80, "Manual")];

const RETRIEVE_STATUS: Tokens = &[
    (0x80, "Ok"),
    (0xC0, "Error-transient-failure"),
    (0xC1, "Error-transient-message-not-found"),
    (0xC2, "Error-transient-network-problem"),
    (0xE0, "Error-permanent-failure"),
    (0xE1, "Error-permanent-service-denied"),
    (0xE2, "Error-permanent-message-not-found"),
    (0xE3, "Error-permanent-content-unsupported"),
];

const STATUS: Tokens = &[
    (0x80, "Expired"),
    (0x81, "Retrieved"),
    (0x82, "Rejected"),
    (0x83, "Deferred"),
    (0x84, "Unrecognised"),
    (0x85, "Indeterminate"),
    (0x86, "Forwarded"),
    (0x87, "Unreachable"),
];

const STORE_STATUS: Tokens = &[
    (0x80, "Success"),
    (0xC0, "Error-transient-failure"),
    (0xC1, "Error-transient-network-problem"),
    (0xE0, "Error-permanent-failure"),
    (0xE1, "Error-permanent-service-denied"),
    (0xE2, "Error-permanent-message-format-corrupt"),
    (0xE3, "Error-permanent-message-not-found"),
    (0xE4, "Error-permanent-mmbox-full"),
];

const TOTAL: Tokens = &[(0x80, "Messages"), (0x81, "Octets")];

const VISIBILITY: Tokens = &[(0x80, "Hide"), (0x81, "Show")];

const YES_NO: Tokens = &[(0x80, "Yes"), (0x81, "No")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_dense_and_agrees_with_itself() {
        for (index, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(field.code()), index + 1);
            assert_eq!(Field::from_code(field.code()), Some(field));
            assert_eq!(Field::from_name(&field.name().to_uppercase()), Some(field));
        }
        assert_eq!(Field::from_code(0), None);
        assert_eq!(Field::from_code(0x40), None);
    }

    #[test]
    fn tokens_have_names_both_ways() {
        assert_eq!(Field::Priority.token_name(0x82), Some("High"));
        assert_eq!(Field::Priority.token_octet("low"), Some(0x80));
        assert_eq!(Field::MessageType.token_name(0x97), Some("m-cancel-conf"));
        assert_eq!(
            Field::ResponseStatus.token_name(0xEB),
            Some("Error-permanent-lack-of-prepaid")
        );
        assert_eq!(Field::Subject.token_name(0x80), None);
    }
}

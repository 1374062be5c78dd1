//! Receipts: what the service centre says became of a short message.

use std::collections::{HashMap, VecDeque};

use rusmpp::pdus::DeliverSm;
use rusmpp::tlvs::TlvValue;
use rusmpp::values::MessageState;

/// Short messages whose receipts are waited for at most; the oldest are forgotten.
const WAITING: usize = 10_000;
/// Bits of esm_class that say what a deliver_sm is (SMPP 3.4 section 5.2.12).
const KIND: u8 = 0x3C;
/// A receipt of the service centre.
const RECEIPT: u8 = 0x04;
/// A notice of the service centre before the end.
const INTERMEDIATE: u8 = 0x20;

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    /// The service centre's id of the short message.
    pub(super) id: String,
    /// In the words of the standard, such as `DELIVRD`.
    pub(super) state: String,
    /// The network's error, where there is one.
    pub(super) error: Option<String>,
}

impl Receipt {
    /// Reads a deliver_sm; `None` where it is no receipt. What stands in parameters counts before
    /// the text, whose form every service centre varies (section 5.2.28 and appendix B).
    pub(super) fn read(pdu: &DeliverSm) -> Option<Self> {
        let kind = u8::from(pdu.esm_class) & KIND;
        if kind != RECEIPT && kind != INTERMEDIATE {
            return None;
        }
        let mut text = String::from_utf8_lossy(pdu.short_message()).into_owned();
        let (mut id, mut state) = (None, None);
        for tlv in pdu.tlvs() {
            match tlv.value() {
                Some(TlvValue::ReceiptedMessageId(value)) => id = Some(value.as_str().to_owned()),
                Some(TlvValue::MessageState(value)) => state = Some(stated(*value)),
                Some(TlvValue::MessagePayload(payload)) => {
                    text = String::from_utf8_lossy(payload.value.as_ref()).into_owned();
                }
                _ => {}
            }
        }
        let word = |name: &str| field(&text, name);
        let receipt = Self {
            id: id.or_else(|| word("id:")).unwrap_or_default(),
            state: state
                .map(str::to_owned)
                .or_else(|| word("stat:"))
                .unwrap_or_else(|| "UNKNOWN".to_owned()),
            error: word("err:").filter(|code| code.bytes().any(|octet| octet != b'0')),
        };
        (!receipt.id.is_empty()).then_some(receipt)
    }

    /// Whether the phone has it, or still may get it.
    pub(super) fn is_good(&self) -> bool {
        let state = self.state.to_ascii_uppercase();
        ["DELIVRD", "ACCEPTD", "ENROUTE", "SCHEDULED"].contains(&state.as_str())
    }
}

/// What a short message was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) message_id: String,
    /// Whose phone, masked.
    pub(super) number: String,
}

/// Short messages whose receipts are waited for.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    about: HashMap<String, About>,
    order: VecDeque<String>,
}

impl Awaited {
    pub(super) fn remember(&mut self, id: &str, about: About) {
        let id = normal(id);
        if self.about.insert(id.clone(), about).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > WAITING {
            if let Some(oldest) = self.order.pop_front() {
                self.about.remove(&oldest);
            }
        }
    }

    /// What a receipt is about. Some service centres answer in hexadecimal and write receipts in
    /// decimal, or the other way round.
    pub(super) fn about(&self, id: &str) -> Option<&About> {
        let decimal = id.parse::<u64>().ok().map(|number| format!("{number:x}"));
        let hexadecimal = u64::from_str_radix(id, 16).ok();
        let hexadecimal = hexadecimal.map(|number| number.to_string());
        [Some(normal(id)), decimal, hexadecimal]
            .into_iter()
            .flatten()
            .find_map(|id| self.about.get(&id))
    }
}

fn normal(id: &str) -> String {
    let short = id.trim().trim_start_matches('0').to_ascii_lowercase();
    if short.is_empty() {
        id.to_owned()
    } else {
        short
    }
}

/// The word behind a name of the receipt's text.
fn field(text: &str, name: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let at = lower
        .match_indices(name)
        .map(|(at, _)| at)
        .find(|at| *at == 0 || lower.get(..*at).is_some_and(|before| before.ends_with(' ')))?;
    let rest = text.get(at.checked_add(name.len())?..)?;
    let word = rest.split_whitespace().next()?;
    let plain = word.chars().filter(|c| !c.is_control()).take(64);
    Some(plain.collect()).filter(|word: &String| !word.is_empty())
}

const fn stated(state: MessageState) -> &'static str {
    match state {
        MessageState::Scheduled => "SCHEDULED",
        MessageState::Enroute => "ENROUTE",
        MessageState::Delivered => "DELIVRD",
        MessageState::Expired => "EXPIRED",
        MessageState::Deleted => "DELETED",
        MessageState::Undeliverable => "UNDELIV",
        MessageState::Accepted => "ACCEPTD",
        MessageState::Rejected => "REJECTD",
        MessageState::Skipped => "SKIPPED",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use rusmpp::tlvs::MessageDeliveryRequestTlvValue as Parameter;
    use rusmpp::types::{COctetString, OctetString};
    use rusmpp::values::EsmClass;

    use super::*;

    fn deliver(esm_class: u8, text: &[u8]) -> DeliverSm {
        DeliverSm::builder()
            .esm_class(EsmClass::from(esm_class))
            .short_message(OctetString::from_slice(text).unwrap())
            .build()
    }

    #[test]
    fn a_receipt_is_read_from_its_text_and_better_from_its_parameters() {
        let text = b"id:0123456789 sub:001 dlvrd:000 submit date:2611241200 done \
                     date:2611241201 stat:UNDELIV err:007 text:hello id:9";
        let mut pdu = deliver(0x04, text);
        let receipt = Receipt::read(&pdu).unwrap();
        assert_eq!(
            (receipt.id.as_str(), receipt.state.as_str()),
            ("0123456789", "UNDELIV")
        );
        assert_eq!(receipt.error.as_deref(), Some("007"));
        assert!(!receipt.is_good());
        let id = COctetString::from_slice(b"abc\0").unwrap();
        pdu.push_tlv(Parameter::ReceiptedMessageId(id));
        pdu.push_tlv(Parameter::MessageState(MessageState::Delivered));
        let receipt = Receipt::read(&pdu).unwrap();
        assert_eq!(
            (receipt.id.as_str(), receipt.state.as_str()),
            ("abc", "DELIVRD")
        );
        assert!(receipt.is_good());
    }

    #[test]
    fn what_phones_send_is_no_receipt() {
        assert_eq!(Receipt::read(&deliver(0x00, b"id:1 stat:DELIVRD")), None);
        assert_eq!(
            Receipt::read(&deliver(0x40, b"\x05\x00\x03\x01\x02\x01hi")),
            None
        );
        assert_eq!(
            Receipt::read(&deliver(0x04, b"\xFF\xFE nothing to read")),
            None
        );
    }

    #[test]
    fn a_receipt_finds_its_message_in_either_base() {
        let mut awaited = Awaited::default();
        let about = |id: &str| About {
            message_id: id.to_owned(),
            number: "+***22".to_owned(),
        };
        awaited.remember("1A2B", about("m1"));
        awaited.remember("0000000077", about("m2"));
        let found = |id| awaited.about(id).map(|about| about.message_id.as_str());
        assert_eq!(found("6699"), Some("m1"));
        assert_eq!(found("00001a2b"), Some("m1"));
        assert_eq!(found("77"), Some("m2"));
        assert_eq!(found("12"), None);
        for number in 0..=WAITING {
            awaited.remember(&format!("x{number}"), about("m3"));
        }
        assert_eq!(awaited.about("1A2B"), None);
        assert_eq!(
            (awaited.about.len(), awaited.order.len()),
            (WAITING, WAITING)
        );
    }
}

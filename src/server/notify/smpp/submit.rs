//! What is submitted, and what the answer means.

use bytes::Bytes;
use rusmpp::pdus::{BindTransceiver, BindTransmitter, SubmitSm};
use rusmpp::tlvs::MessageSubmissionRequestTlvValue as Parameter;
use rusmpp::types::{AnyOctetString, COctetString, OctetString};
use rusmpp::values::{
    DataCoding, EsmClass, InterfaceVersion, MessagePayload, Npi, RegisteredDelivery, ServiceType,
    Ton,
};
use rusmpp::{CommandStatus, Pdu};

use super::super::breaker::Failure;
use super::super::reference;
use crate::mms::address::Msisdn;
use crate::mms::push::{MMS_PORT, WAP_PORT, segment};
use crate::server::config::{Bind, Carry, SmppTable};

/// esm_class: there is a user data header (section 5.2.12).
const UDHI: u8 = 0x40;
/// registered_delivery: a receipt whatever becomes of it (section 5.2.17).
const RECEIPT: u8 = 0x01;
/// Digits from which a number is no short code.
const NUMBER: usize = 9;

/// What an answer to submit_sm means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The service centre has it.
    Taken,
    /// It is too much for the service centre now.
    Throttled,
    /// It was not taken.
    Failed(Failure),
}

/// The bind of a configuration.
pub(super) fn bind(table: &SmppTable) -> Result<Pdu, String> {
    let system_id = text(table.system_id.as_str())?;
    let password = text(table.password.get_ref().reveal())?;
    let system_type = text(table.system_type.as_str())?;
    // SMPP 3.4 section 4.1: the range of addresses stays with the service centre.
    Ok(match table.bind {
        Bind::Transceiver => BindTransceiver::builder()
            .system_id(system_id)
            .password(password)
            .system_type(system_type)
            .interface_version(InterfaceVersion::Smpp3_4)
            .build()
            .into(),
        Bind::Transmitter => BindTransmitter::builder()
            .system_id(system_id)
            .password(password)
            .system_type(system_type)
            .interface_version(InterfaceVersion::Smpp3_4)
            .build()
            .into(),
    })
}

/// The short messages that carry a push to a number.
pub(super) fn submissions(
    table: &SmppTable,
    number: &Msisdn,
    push: &Bytes,
) -> Result<Vec<SubmitSm>, String> {
    let (source, ton, npi) = source(table);
    let receipt = if table.receipts { RECEIPT } else { 0 };
    let whole = SubmitSm::builder()
        .service_type(ServiceType::new(text(table.service_type.as_str())?))
        .source_addr_ton(Ton::from(ton))
        .source_addr_npi(Npi::from(npi))
        .source_addr(text(source)?)
        .dest_addr_ton(Ton::from(table.destination_ton))
        .dest_addr_npi(Npi::from(table.destination_npi))
        .destination_addr(text(number.as_str().trim_start_matches('+'))?)
        .registered_delivery(RegisteredDelivery::from(receipt))
        .data_coding(DataCoding::from(table.data_coding))
        .esm_class(EsmClass::from(0))
        .build();
    match table.carry {
        Carry::MessagePayload => {
            let mut whole = whole;
            whole.push_tlv(Parameter::SourcePort(WAP_PORT));
            whole.push_tlv(Parameter::DestPort(MMS_PORT));
            let payload = MessagePayload::new(AnyOctetString::from_bytes(push.clone()));
            whole.push_tlv(Parameter::MessagePayload(payload));
            Ok(vec![whole])
        }
        Carry::ShortMessage => segment(push, reference(), false)
            .map_err(|error| error.to_string())?
            .iter()
            .map(|segment| {
                let mut one = whole.clone();
                one.esm_class = EsmClass::from(UDHI);
                let octets = [&segment.udh[..], &segment.payload[..]].concat();
                let octets = OctetString::from_vec(octets).map_err(|error| error.to_string())?;
                one.set_short_message(octets);
                Ok(one)
            })
            .collect(),
    }
}

/// What the status of submit_sm_resp or generic_nack means (section 5.1.3).
pub(super) fn verdict(status: u32) -> Verdict {
    use CommandStatus as S;
    let known = S::from(status);
    let why = || format!("the service centre answers {}", named(status));
    match known {
        S::EsmeRok => Verdict::Taken,
        S::EsmeRthrottled | S::EsmeRmsgqful => Verdict::Throttled,
        // There is no bind any more.
        S::EsmeRinvbndsts => Verdict::Failed(Failure::Away(why())),
        // Such a number will never be good; the other complaints can be about our settings.
        S::EsmeRinvdstadr | S::EsmeRxPAppn => Verdict::Failed(Failure::Never(why())),
        _ => Verdict::Failed(Failure::Later(why())),
    }
}

/// A status as operators know it.
pub(super) fn named(status: u32) -> String {
    match CommandStatus::from(status) {
        CommandStatus::Other(_) => format!("0x{status:08X}"),
        known => format!("0x{status:08X} ({known:?})"),
    }
}

/// The sender of short messages, its type and its numbering plan.
fn source(table: &SmppTable) -> (&str, u8, u8) {
    let source = table.source.as_str();
    let digits = source.strip_prefix('+').unwrap_or(source);
    let number = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    let (text, ton, npi) = match (number, digits.len()) {
        _ if source.is_empty() => ("", 0, 0),
        (true, NUMBER..) => (digits, 1, 1),
        (true, _) => (digits, 3, 0),
        (false, _) => (source, 5, 0),
    };
    (
        text,
        table.source_ton.unwrap_or(ton),
        table.source_npi.unwrap_or(npi),
    )
}

fn text<const MIN: usize, const MAX: usize>(text: &str) -> Result<COctetString<MIN, MAX>, String> {
    let octets = [text.as_bytes(), &[0]].concat();
    COctetString::from_vec(octets).map_err(|error| format!("{text:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Config;

    pub(crate) fn table(more: &str) -> SmppTable {
        let text = format!(
            "[notify.smpp]\naddress = \"127.0.0.1:1\"\nsystem_id = \"remold\"\n\
             password = \"secret\"\n{more}"
        );
        Config::from_toml(&text).unwrap().notify.smpp.unwrap()
    }

    fn submit(more: &str, octets: usize) -> Vec<SubmitSm> {
        let number = Msisdn::parse("+15550002222").unwrap();
        submissions(&table(more), &number, &vec![0xBE; octets].into()).unwrap()
    }

    #[test]
    fn a_push_of_133_octets_is_one_short_message_with_a_header() {
        let one = submit("", 133);
        assert_eq!(one.len(), 1);
        assert_eq!(u8::from(one[0].esm_class), 0x40);
        assert_eq!(u8::from(one[0].data_coding), 4);
        assert_eq!(u8::from(one[0].registered_delivery), 0);
        assert_eq!(one[0].destination_addr.as_str(), "15550002222");
        assert_eq!(one[0].sm_length(), 140);
        assert!(
            one[0]
                .short_message()
                .starts_with(b"\x06\x05\x04\x0B\x84\x23\xF0\xBE")
        );
        let two = submit("receipts = true\ndata_coding = 245\n", 134);
        assert_eq!(two.len(), 2);
        assert_eq!(u8::from(two[1].registered_delivery), 1);
        assert_eq!(u8::from(two[1].data_coding), 0xF5);
        let (first, second) = (two[0].short_message(), two[1].short_message());
        assert_eq!(first[9], second[9], "one reference");
        assert_eq!(
            (&first[10..12], &second[10..12]),
            (&[2, 1][..], &[2, 2][..])
        );
    }

    #[test]
    fn a_payload_is_not_cut_and_has_ports_beside_it() {
        let one = submit("carry = \"message_payload\"\n", 300);
        assert_eq!(one.len(), 1);
        assert_eq!((u8::from(one[0].esm_class), one[0].sm_length()), (0, 0));
        let tags: Vec<_> = one[0]
            .tlvs()
            .iter()
            .map(|tlv| u16::from(tlv.tag()))
            .collect();
        assert_eq!(tags, [0x020A, 0x020B, 0x0424]);
    }

    #[test]
    fn a_sender_is_of_the_type_it_looks_like() {
        for (given, want) in [
            ("", ("", 0, 0)),
            ("+441632960001", ("441632960001", 1, 1)),
            ("2948", ("2948", 3, 0)),
            ("MMSC", ("MMSC", 5, 0)),
        ] {
            let table = table(&format!("source = \"{given}\"\n"));
            assert_eq!(source(&table), want);
        }
        let forced = table("source = \"2948\"\nsource_ton = 0\nsource_npi = 1\n");
        assert_eq!(source(&forced), ("2948", 0, 1));
    }

    #[test]
    fn a_status_is_told_by_its_name() {
        assert_eq!(verdict(0), Verdict::Taken);
        assert_eq!(verdict(0x58), Verdict::Throttled);
        assert_eq!(verdict(0x14), Verdict::Throttled);
        assert!(matches!(verdict(0x0B), Verdict::Failed(Failure::Never(_))));
        assert!(matches!(verdict(0x45), Verdict::Failed(Failure::Later(_))));
        assert!(matches!(verdict(0x04), Verdict::Failed(Failure::Away(_))));
        assert!(named(0x0B).starts_with("0x0000000B (EsmeRinvdstadr"));
        assert_eq!(named(0x0400), "0x00000400");
    }
}

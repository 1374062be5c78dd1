//! What we write is read by an independent decoder: the mmse and wsp dissectors of Wireshark.

use std::collections::HashMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use remold::mms::pdu::{self, Pdu, PduType};
use remold::mms::{Field, HeaderValue, Time, push};

use crate::generate::{Texts, pdu_of};
use crate::support::tool;

/// PDUs of each type that are shown to it.
const EACH: usize = 40;

/// Fields that the dissector names, with its names for them. It shows newer ones without a name.
const NAMED: &[(Field, &str)] = &[
    (Field::TransactionId, "mmse.transaction_id"),
    (Field::MmsVersion, "mmse.mms_version"),
    (Field::Bcc, "mmse.bcc"),
    (Field::Cc, "mmse.cc"),
    (Field::To, "mmse.to"),
    (Field::ContentLocation, "mmse.content_location"),
    (Field::Date, "mmse.date"),
    (Field::DeliveryReport, "mmse.delivery_report"),
    (Field::DeliveryTime, "mmse.delivery_time"),
    (Field::Expiry, "mmse.expiry"),
    (Field::From, "mmse.from"),
    (Field::MessageId, "mmse.message_id"),
    (Field::MessageSize, "mmse.message_size"),
    (Field::Priority, "mmse.priority"),
    (Field::ReadReport, "mmse.read_report"),
    (Field::ReportAllowed, "mmse.report_allowed"),
    (Field::ResponseStatus, "mmse.response_status"),
    (Field::ResponseText, "mmse.response_text"),
    (Field::SenderVisibility, "mmse.sender_visibility"),
    (Field::Status, "mmse.status"),
    (Field::Subject, "mmse.subject"),
    (Field::RetrieveStatus, "mmse.retrieve_status"),
    (Field::RetrieveText, "mmse.retrieve_text"),
    (Field::ReadStatus, "mmse.read_status"),
    (Field::ReplyCharging, "mmse.reply_charging"),
    (Field::ReplyChargingDeadline, "mmse.reply_charging_deadline"),
    (Field::ReplyChargingId, "mmse.reply_charging_id"),
    (Field::ReplyChargingSize, "mmse.reply_charging_size"),
];

#[test]
fn an_independent_decoder_reads_what_we_write() {
    let Some(mut tshark) = tool("tshark") else {
        return;
    };
    let mut runner = TestRunner::deterministic();
    let pdus: Vec<Pdu> = PduType::ALL
        .into_iter()
        .flat_map(|pdu_type| std::iter::repeat_n(pdu_type, EACH))
        .map(|pdu_type| {
            let tree = pdu_of(pdu_type, Texts::Simple).new_tree(&mut runner);
            with_counts(tree.expect("a PDU is generated").current())
        })
        .filter(|pdu| !ends_like_content_type(pdu))
        .collect();
    assert!(pdus.len() > EACH * 23);
    let pushes = pdus
        .iter()
        .map(|pdu| push::wrap(0, &pdu::encode(pdu).expect("a generated PDU has a coding")));
    let path = std::env::temp_dir().join(format!("remold-wire-{}.pcap", std::process::id()));
    std::fs::write(&path, capture(pushes)).expect("a temporary file is written");

    let names = columns();
    tshark.args(["-r", &path.to_string_lossy(), "-T", "fields"]);
    tshark.args([
        "-E",
        "separator=/t",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=|",
    ]);
    for name in &names {
        tshark.args(["-e", name]);
    }
    let output = tshark.output().expect("tshark runs");
    std::fs::remove_file(&path).expect("the temporary file is there");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let shown = String::from_utf8(output.stdout).expect("tshark prints UTF-8");
    let rows: Vec<&str> = shown.lines().collect();
    assert_eq!(rows.len(), pdus.len());
    for (pdu, row) in pdus.iter().zip(rows) {
        let row: HashMap<_, _> = names
            .iter()
            .map(String::as_str)
            .zip(row.split('\t'))
            .collect();
        check(pdu, &row);
    }
}

/// In the answer to a delete request the dissector wants these fields with a count in front, and
/// then does not show what is in them.
const COUNTED: [Field; 3] = [
    Field::ContentLocation,
    Field::ResponseText,
    Field::RetrieveText,
];

fn with_counts(mut pdu: Pdu) -> Pdu {
    if pdu.pdu_type == PduType::MboxDeleteConf {
        COUNTED
            .into_iter()
            .for_each(|field| pdu.headers.remove(field));
        let location = HeaderValue::Text("http://mmsc.example/1".to_owned());
        let counted = HeaderValue::Counted(1, Box::new(location));
        pdu.headers.add(Field::ContentLocation, counted);
    }
    pdu
}

/// The dissector takes an octet 0x84 that ends a PDU, the value of an enumeration, for the code of
/// Content-Type, and complains that nothing follows.
fn ends_like_content_type(pdu: &Pdu) -> bool {
    let last = pdu.headers.iter().next_back();
    pdu.body.is_none() && last.is_some_and(|header| header.value == HeaderValue::Token(0x84))
}

fn check(pdu: &Pdu, row: &HashMap<&str, &str>) {
    for complaint in ["_ws.malformed", "_ws.expert.message", "_ws.unreassembled"] {
        assert_eq!(row[complaint], "", "{pdu:?}");
    }
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    let octet = u64::from(pdu.pdu_type.octet());
    assert_eq!(number(row["mmse.message_type"]), Some(octet), "{pdu:?}");
    for (field, name) in NAMED {
        if pdu.pdu_type == PduType::MboxDeleteConf && COUNTED.contains(field) {
            continue;
        }
        let values: Vec<&HeaderValue> = pdu.headers.all(*field).collect();
        let times = values
            .iter()
            .any(|value| matches!(value, HeaderValue::Time(_)));
        let column = |kind: &str| match row[format!("{name}{kind}").as_str()] {
            "" => Vec::new(),
            text => text.split('|').map(str::trim).collect::<Vec<_>>(),
        };
        if times
            || matches!(
                field,
                Field::Expiry | Field::DeliveryTime | Field::ReplyChargingDeadline
            )
        {
            let of = |wanted: fn(&Time) -> Option<u64>| -> Vec<u64> {
                let time = |value: &&HeaderValue| match value {
                    HeaderValue::Time(time) => wanted(time),
                    _ => None,
                };
                values.iter().filter_map(time).collect()
            };
            let relative = of(|time| match time {
                Time::Relative(seconds) => Some(*seconds),
                Time::Absolute(_) => None,
            });
            let absolute = of(|time| match time {
                Time::Absolute(seconds) => Some(*seconds),
                Time::Relative(_) => None,
            });
            let shown: Vec<Option<u64>> = column(".rel")
                .iter()
                .map(|text| text.split('.').next().and_then(|s| s.parse().ok()))
                .collect();
            let wanted: Vec<_> = relative.into_iter().map(Some).collect();
            assert_eq!(shown, wanted, "{name} of {pdu:?}");
            same_dates(&column(".abs"), &absolute, pdu);
            continue;
        }
        let shown = column("");
        assert_eq!(shown.len(), values.len(), "{name}: {shown:?} of {pdu:?}");
        for (shown, value) in shown.iter().zip(values) {
            match value {
                HeaderValue::Text(text) => assert_eq!(shown, text),
                HeaderValue::Encoded(text) | HeaderValue::From(Some(text)) => {
                    assert_eq!(*shown, text.text, "{name} of {pdu:?}");
                }
                HeaderValue::From(None) => assert_eq!(*shown, "<insert address>"),
                HeaderValue::Token(octet) if *field == Field::MmsVersion => {
                    assert_eq!(*shown, format!("1.{}", octet & 0x0F));
                }
                HeaderValue::Token(octet) => {
                    assert_eq!(number(shown), Some(u64::from(*octet)), "{name} of {pdu:?}");
                }
                HeaderValue::Integer(wanted) => assert_eq!(number(shown), Some(*wanted)),
                HeaderValue::Date(date) => same_dates(&[shown], &[*date], pdu),
                other => panic!("{name} holds {other:?}"),
            }
        }
    }
    if let Some(body) = pdu.body.as_ref().filter(|body| body.is_multipart()) {
        let shown = row["wsp.multipart"]
            .split('|')
            .filter(|part| !part.is_empty())
            .count();
        assert_eq!(shown, body.parts.len(), "{pdu:?}");
    }
}

/// Dates are shown as text: minutes and seconds of the hour are compared.
fn same_dates(shown: &[&str], dates: &[u64], pdu: &Pdu) {
    assert_eq!(shown.len(), dates.len(), "{shown:?} of {pdu:?}");
    for (shown, date) in shown.iter().zip(dates) {
        let wanted = format!(":{:02}:{:02}.", date / 60 % 60, date % 60);
        assert!(shown.contains(&wanted), "{shown} is not {date}");
    }
}

fn columns() -> Vec<String> {
    let fixed = [
        "_ws.malformed",
        "_ws.expert.message",
        "_ws.unreassembled",
        "mmse.message_type",
        "wsp.multipart",
    ];
    let mut names: Vec<String> = fixed.map(str::to_owned).to_vec();
    for (field, name) in NAMED {
        match field {
            Field::Expiry | Field::DeliveryTime | Field::ReplyChargingDeadline => {
                names.extend([format!("{name}.rel"), format!("{name}.abs")]);
            }
            _ => names.push((*name).to_owned()),
        }
    }
    names
}

/// A capture file with each payload in a UDP datagram to the port for pushes.
fn capture(payloads: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    const RAW_IP: u32 = 101;
    let mut file = Vec::new();
    file.extend_from_slice(&0xA1B2_C3D4_u32.to_le_bytes());
    for half in [2_u16, 4] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    for word in [0_u32, 0, 65_535, RAW_IP] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for payload in payloads {
        let udp_len = u16::try_from(payload.len() + 8).expect("a PDU fits in a datagram");
        let ip_len = udp_len + 20;
        for word in [0, 0, u32::from(ip_len), u32::from(ip_len)] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&[0x45, 0]);
        file.extend_from_slice(&ip_len.to_be_bytes());
        file.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        for half in [push::WAP_PORT, push::MMS_PORT, udp_len, 0] {
            file.extend_from_slice(&half.to_be_bytes());
        }
        file.extend_from_slice(&payload);
    }
    file
}

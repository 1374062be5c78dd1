//! Two service centres of ours: who is charged, and how many mails a message takes.

use std::path::Path;

use remold::mms::Field;
use remold::mms::pdu::PduType;

use super::{ALICE, FAR, Scratch, Server, US, Wire, ZOE, config, exchange, until};
use crate::mmsc::{accepted, fetch, greeting, post, response};

/// Two service centres that reach each other, each with charging records in `cdr` of its folder.
fn two(scratch: &[Scratch; 2], wires: &[Wire; 2]) -> (Server, Server) {
    let start = |at: usize, network, wire: &Wire| {
        let folder = &scratch[at].0;
        let records = format!("[cdr]\nfolder = \"{}\"", folder.join("cdr").display());
        let host = wire.address.to_string();
        Server::start(folder, &config(network, &host, "", &records))
    };
    let us = start(0, &US, &wires[1]);
    let far = start(1, &FAR, &wires[0]);
    wires[0].target.send(us.mm4()).unwrap();
    wires[1].target.send(far.mm4()).unwrap();
    (us, far)
}

/// The charging records in a folder: name, status, originator and recipients, in their order.
fn records(folder: &Path) -> Vec<serde_json::Value> {
    let Ok(entries) = std::fs::read_dir(folder.join("cdr")) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let texts = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    let lines: Vec<_> = texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // The last line may be under way.
    let records = lines
        .iter()
        .map_while(|line| serde_json::from_str(line).ok());
    records.collect()
}

#[test]
fn a_message_between_networks_is_charged_on_both_sides() {
    let scratch = [Scratch::new("cdr-us"), Scratch::new("cdr-far")];
    let wires = [Wire::new(), Wire::new()];
    let (us, far) = two(&scratch, &wires);
    exchange((&us, ALICE), (&far, ZOE), "t1");
    let names = |at: usize| -> Vec<String> {
        let records = records(&scratch[at].0);
        let name =
            |record: &serde_json::Value| record["recordTypeName"].as_str().map(str::to_owned);
        records.iter().filter_map(name).collect()
    };
    // The originator's side, and the recipient's. What is answered while something else is under way
    // has no order.
    let expected = [
        [
            "mMO1DRecord",
            "mMO1RRecord",
            "mMO1SRecord",
            "mMO4DRecord",
            "mMO4FRqRecord",
            "mMO4FRsRecord",
            "mMO4RRecord",
        ],
        [
            "mMR1AFRecord",
            "mMR1RRRecord",
            "mMR4DRqRecord",
            "mMR4DRsRecord",
            "mMR4FRecord",
            "mMR4RRqRecord",
            "mMR4RRsRecord",
        ],
    ];
    for (at, expected) in expected.into_iter().enumerate() {
        until("a charging record", || names(at).len() >= expected.len());
        let mut found = names(at);
        let first = ["mMO1SRecord", "mMR4FRecord"][at];
        assert_eq!(found[0], first);
        found.sort();
        assert_eq!(found, expected);
    }
    for scratch in &scratch {
        for (number, record) in (1_u64..).zip(records(&scratch.0)) {
            assert_eq!(record["localSequenceNumber"], number, "{record}");
            assert_eq!(record["originatorAddress"], ALICE, "{record}");
            // A report on MM1 is for the originator.
            let to_him = ["mMO1DRecord", "mMO1RRecord"].map(serde_json::Value::from);
            let to = match to_him.contains(&record["recordTypeName"]) {
                true => ALICE,
                false => ZOE,
            };
            assert_eq!(record["recipientAddresses"][0], to, "{record}");
        }
    }
    drop((us, far));
}

#[test]
fn one_mail_carries_a_message_to_all_recipients_of_a_peer() {
    let scratch = [Scratch::new("many-us"), Scratch::new("many-far")];
    let wires = [Wire::new(), Wire::new()];
    let (us, far) = two(&scratch, &wires);
    let numbers: Vec<String> = (1..=12).map(|n| format!("+166600100{n:02}")).collect();
    let to: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let id = accepted(post(us.mm1, ALICE, &greeting("t1", &to))).unwrap();
    let mut told = Vec::new();
    for _ in &numbers {
        let (number, _, url) = far.push();
        let conf = fetch(far.mm1, &url, "User-Agent: Nokia6100/1.0 (04.70)\r\n");
        let ack = response(PduType::AcknowledgeInd, conf.transaction_id().unwrap());
        post(far.mm1, &number, &ack).unwrap();
        told.push(number);
    }
    told.sort();
    assert_eq!(told, numbers, "each once");
    let mut heard = Vec::new();
    for _ in &numbers {
        let (_, report, _) = us.push();
        assert_eq!(report.headers.token(Field::Status), Some(0x81));
        heard.push(report.headers.text(Field::To).unwrap().to_owned());
    }
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), numbers.len(), "a report for each");
    let seen = wires[1].seen();
    // The peer has two connections, and each may take a share of the recipients.
    let mails = seen.matches("MM4_forward.REQ\r\n").count();
    assert!((1..=2).contains(&mails), "{mails} mails");
    for number in &numbers {
        let rcpt = format!("RCPT TO:<{number}/TYPE=PLMN@far.example>\r\n");
        assert_eq!(seen.matches(&rcpt).count(), 1, "{rcpt}");
    }
    let message = crate::admin::get(us.admin, &format!("/v1/messages/{id}"));
    let recipients = message["recipients"].as_array().unwrap();
    assert_eq!(recipients.len(), numbers.len());
    for recipient in recipients {
        assert_eq!(recipient["state"], "retrieved", "{recipient}");
    }
    drop((us, far));
}

//! The binary wire against generated PDUs, arbitrary octets, the corpus and an independent decoder.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use remold::Limits;
use remold::mms::pdu::{self, Pdu, PduType};
use remold::mms::push::{self, Udh};
use remold::mms::{DecodeError, DecodeErrorKind, Kind, multipart, sniff};

use crate::generate::{Texts, body, pdu};
use crate::support::{corpus, files};

fn read(octets: impl Into<Bytes>) -> Result<Pdu, DecodeError> {
    pdu::decode(&octets.into(), &Limits::default()).map(|read| read.value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_pdu_comes_back_as_it_was(pdu in pdu(Texts::Any)) {
        let octets = pdu::encode(&pdu).unwrap();
        prop_assert_eq!(pdu::encoded_len(&pdu), Ok(octets.len()));
        let read = pdu::decode(&octets.clone().into(), &Limits::default()).unwrap();
        prop_assert_eq!(&read.value, &pdu);
        prop_assert_eq!(sniff(&octets), Kind::Mm1);
        let pushed = push::wrap(1, &octets);
        prop_assert_eq!(push::decode(&pushed.into(), &Limits::default()).is_ok(), pdu.pdu_type.is_pushed());
    }

    #[test]
    fn a_pdu_cut_anywhere_is_read_or_refused_at_an_octet_of_it(
        pdu in pdu(Texts::Any),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let mut octets = pdu::encode(&pdu).unwrap();
        let at = flip.index(octets.len());
        octets[at] = with;
        octets.truncate(cut.index(octets.len()) + 1);
        let len = octets.len();
        match pdu::decode(&octets.into(), &Limits::default()) {
            Ok(read) if read.warnings.is_empty() => again(&read.value)?,
            // Octets kept as they were may read as something else in another place.
            Ok(read) => prop_assert!(pdu::encode_partial(&read.value).is_ok()),
            Err(error) => prop_assert!(error.offset <= len),
        }
    }

    #[test]
    fn arbitrary_octets_never_panic(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        check_arbitrary(&octets)?;
    }

    #[test]
    fn arbitrary_octets_behind_a_good_start_never_panic(
        start in prop::sample::select(vec![
            &b"\x8C\x84\x84\xA3"[..],
            b"\x8C\x84\x84",
            b"\x8C\x82",
            b"\0\x06\x03\xBE\xAF\x84",
            b"\x06\x05\x04\x0B\x84\x23\xF0",
            b"\x01\x20\x20",
        ]),
        octets in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        check_arbitrary(&[start, &octets].concat())?;
    }

    #[test]
    fn a_multipart_comes_back_as_it_was(body in body(Texts::Any)) {
        let octets = Bytes::from(multipart::encode(&body.parts).unwrap());
        let read = multipart::decode(&octets, &Limits::default()).unwrap();
        prop_assert_eq!(read.value, body.parts);
    }

    #[test]
    fn a_push_survives_its_segments(
        len in 0..3000_usize,
        wide in any::<bool>(),
        order in any::<u64>(),
    ) {
        let whole: Bytes = (0..len).map(|i| u8::try_from(i % 256).unwrap()).collect();
        let mut segments: Vec<_> = push::segment(&whole, 0x1234, wide)
            .unwrap()
            .into_iter()
            .map(|segment| (Udh::read(&segment.udh).unwrap().0, segment.payload))
            .collect();
        let turn = usize::try_from(order % 97).unwrap() % segments.len();
        segments.rotate_left(turn);
        prop_assert_eq!(push::reassemble(&segments, &Limits::default()), Ok(whole));
    }
}

/// What was read can be written, and reads as the same.
fn again(pdu: &Pdu) -> Result<(), TestCaseError> {
    let octets = pdu::encode_partial(pdu)
        .map_err(|error| TestCaseError::fail(format!("{error}: {pdu:?}")))?;
    prop_assert_eq!(&read(octets).unwrap(), pdu);
    Ok(())
}

fn check_arbitrary(octets: &[u8]) -> Result<(), TestCaseError> {
    let limits = Limits::default();
    let input = Bytes::copy_from_slice(octets);
    if let Ok(pdu) = read(input.clone()) {
        again(&pdu)?;
    }
    if let Ok(read) = multipart::decode(&input, &limits) {
        let written = multipart::encode(&read.value).unwrap();
        prop_assert_eq!(
            multipart::decode(&written.into(), &limits).unwrap().value,
            read.value
        );
    }
    for error in [
        push::decode(&input, &limits).err(),
        Udh::read(octets).err(),
        push::read_tpdu(&input).err(),
        multipart::decode(&input, &limits).err(),
    ] {
        prop_assert!(error.is_none_or(|error| error.offset <= octets.len()));
    }
    prop_assert!(!octets.is_empty() || sniff(octets) == Kind::Unknown);
    Ok(())
}

/// Files of the corpus that are no PDU, with the reason and the octet.
const NO_PDU: &[(&str, usize)] = &[
    ("empty.bin", 0),
    ("four-zeros.bin", 0),
    ("truncated-after-field.bin", 1),
    ("unknown-message-type.bin", 1),
    ("retrieve__GarbagePush__garbage", 0),
    ("retrieve__NotFound__not-found.html", 0),
    ("send__UnparsableResp__m-send.conf", 0),
];

/// Files whose senders left out what is mandatory.
const INCOMPLETE: &[&str] = &[
    "m-delivery-ind.bin",
    "m-notification-ind.bin",
    "m-retrieve-conf.bin",
];

/// Files that are written as we write them.
const CANONICAL: &[&str] = &["encode_expected_1.bin", "sr-mms-mixed.mms"];

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn the_pdus_of_the_corpus_are_read_and_written_again() {
    let Some(folder) = corpus("mm1") else { return };
    let mut refused = 0;
    let mut canonical = Vec::new();
    for path in files(&folder) {
        let octets = Bytes::from(std::fs::read(&path).unwrap());
        let name = name(&path);
        let pdu = match (
            read(octets.clone()),
            NO_PDU.iter().find(|(no, _)| *no == name),
        ) {
            (Ok(pdu), None) => pdu,
            (Err(error), Some((_, offset))) => {
                assert_eq!(error.offset, *offset, "{name}: {error}");
                refused += 1;
                continue;
            }
            (Ok(_), Some(_)) => panic!("{name} is no PDU"),
            (Err(error), None) => panic!("{name}: {error}"),
        };
        let strict = pdu::encode(&pdu);
        assert_eq!(
            strict.is_err(),
            INCOMPLETE.contains(&name.as_str()),
            "{name}: {strict:?}"
        );
        let written = pdu::encode_partial(&pdu).unwrap();
        assert_eq!(read(written.clone()).unwrap(), pdu, "{name}");
        if written == octets {
            canonical.push(name);
        }
    }
    assert_eq!(refused, NO_PDU.len());
    for name in CANONICAL {
        assert!(
            canonical.iter().any(|found| found == name),
            "{name} is written otherwise"
        );
    }
    println!(
        "{} files are written octet for octet: {canonical:?}",
        canonical.len()
    );
}

#[test]
fn the_pushes_of_the_corpus_are_read_or_refused_by_kind() {
    let Some(folder) = corpus("wap-push") else {
        return;
    };
    for path in files(&folder) {
        if path.extension().is_some_and(|extension| extension == "hex") {
            continue;
        }
        let octets = Bytes::from(std::fs::read(&path).unwrap());
        let payload = match Udh::read(&octets) {
            Ok((udh, payload)) if udh.is_mms() => octets.slice_ref(payload),
            _ => octets,
        };
        let kind = push::decode(&payload, &Limits::default()).map_err(|error| error.kind);
        match (name(&path).as_str(), kind) {
            ("codec-garbage.bin", Err(DecodeErrorKind::PushType(0xAD)))
            | ("codec-si_push.bin", Err(DecodeErrorKind::PushContent(_)))
            | ("mudita-07-pdu-type-not-push.bin", Err(DecodeErrorKind::PushType(5)))
            | (
                "mudita-10-wrong-mms-type.bin" | "mudita-11-missing-type-case.bin",
                Err(DecodeErrorKind::NotPushed("m-send-conf")),
            )
            | ("mudita-12-no-content.bin", Err(DecodeErrorKind::Truncated { .. }))
            | ("mudita-13-bad-header-length.bin", Err(DecodeErrorKind::Empty)) => {}
            (name, Ok(read)) => {
                assert_eq!(read.value.1.pdu_type, PduType::NotificationInd, "{name}");
            }
            (name, Err(kind)) => panic!("{name}: {kind}"),
        }
    }
}

#[test]
fn a_pdu_that_is_never_pushed_is_refused_in_a_push() {
    let Some(path) = corpus("mm1/mms-engine/retrieve__UnsupportedPush__unsupported") else {
        return;
    };
    let pdu = std::fs::read(path).unwrap();
    let error = push::decode(&push::wrap(0, &pdu).into(), &Limits::default()).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::NotPushed("m-notifyresp-ind"));
    assert_eq!(error.offset, 6);
}

#[test]
fn the_short_messages_of_the_corpus_are_opened() {
    let Some(folder) = corpus("wap-push") else {
        return;
    };
    let mut opened = 0;
    for path in files(&folder) {
        if path.extension().is_none_or(|extension| extension != "hex") {
            continue;
        }
        let octets = push::read_hex(&std::fs::read(&path).unwrap()).unwrap();
        let deliver = push::read_tpdu(&octets).unwrap();
        assert!(deliver.udh.is_mms(), "{}", name(&path));
        opened += 1;
    }
    assert_eq!(opened, 5);
}

/// A hostile input costs time and memory in proportion to its size.
#[test]
fn large_hostile_inputs_are_refused_or_read_at_once() {
    let limits = Limits::default();
    let size = limits.message_bytes;
    let filled = |start: &[u8], unit: &[u8], end: &[u8]| {
        let room = size - start.len() - end.len();
        let units = unit.repeat(room / unit.len());
        Bytes::from([start, &units, end].concat())
    };
    let began = std::time::Instant::now();
    for input in [
        // Headers that each look like the start of a text that never ends.
        filled(b"\x8C\x82", b"\x96\xFF", b""),
        filled(b"\x8C\x82", b"\x96\xC3\xA9", b"\0"),
        // Parts of no octets in front of one that is not.
        filled(b"\x8C\x84\x84\xA3\x8F\xFF\xFF\xFF\x7F", b"\0\0", b"\x01"),
        filled(b"\x8C\x84\x84\xA3\x01", b"\x01\x00\x83", b""),
        // Parameters and headers without number.
        filled(b"\x8C\x84\x84\x1F\x8F\xFF\xFE\x00\x83", b"\x85a\0", b""),
        filled(b"\x8C\x84", b"A\0b\0", b""),
        filled(b"\x8C\x84\x96", b"a", b""),
        filled(b"\0\x06\x8F\xFF\xFE\x00\xBE", b"\xAF\x84", b""),
        filled(b"", b"ff", b""),
        filled(b"", b"\xFF", b""),
    ] {
        let _ = sniff(&input);
        let _ = pdu::decode(&input, &limits);
        let _ = push::decode(&input, &limits);
        let _ = multipart::decode(&input, &limits);
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

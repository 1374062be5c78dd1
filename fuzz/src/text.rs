//! Charsets, addresses, vCards.

use remold::mms::Address;
use remold::mms::charset as table;
use remold::mms::text::{to_ascii, words};
use remold::mms::vcard as card;

/// Any octets in any charset: decoding knows what the table knows and does not grow without bound;
/// what is encoded decodes cleanly, and encoding and decoding settle after one round.
pub fn charset(data: &[u8]) {
    let Some((mib, octets)) = data.split_first_chunk::<2>() else {
        return;
    };
    let mib = u32::from(u16::from_be_bytes(*mib)) % 2300;
    assert_eq!(table::name(mib).is_some(), table::is_known(mib));
    let Some((text, _)) = table::decode(mib, octets) else {
        assert!(!table::is_known(mib));
        return;
    };
    assert!(text.len() <= octets.len() * 4 + 8, "decoding grows");
    let Some(once) = table::encode(mib, &text) else {
        return;
    };
    let (back, clean) = table::decode(mib, &once).expect("a known charset");
    assert!(clean, "{mib}: what we encode makes sense");
    // A mark at the start of the text itself is taken for the byte order mark.
    if text.starts_with(['\u{FEFF}', '\u{FFFE}']) || back.starts_with(['\u{FEFF}', '\u{FFFE}']) {
        return;
    }
    // The old sets of East Asia code some characters in two ways and settle on one.
    if [3, 4, 106, 1000, 1013, 1014, 1015].contains(&mib) {
        assert_eq!(back, text, "{mib}");
    }
    if let Some(twice) = table::encode(mib, &back) {
        assert_eq!(table::decode(mib, &twice), Some((back, true)), "{mib}");
    }
}

/// An address that was read is written and reads the same; header text likewise.
pub fn address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(address) = Address::parse(&text) {
        let written = address.to_string();
        let again = Address::parse(&written);
        assert_eq!(again, Some(address), "{text:?}: {written:?}");
    }
    let decoded = words::decode_words(&text);
    let line = words::one_line(&text);
    let coded = words::encode_words(&line);
    assert!(coded.is_ascii(), "{coded:?}");
    assert!(!coded.contains(['\r', '\n', '\0']), "{coded:?}");
    assert_eq!(words::decode_words(&coded), line, "{coded:?}");
    assert!(decoded.len() <= text.len() * 4 + 8);
    assert!(to_ascii(&text).is_ascii());
}

/// A vCard without its pictures is no larger, and has no more to take out.
pub fn vcard(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = card::summary(&text);
    if let Some(plain) = card::without_photo(&text) {
        assert!(plain.len() <= text.len(), "it grew");
        assert_eq!(card::without_photo(&plain).unwrap_or(plain.clone()), plain);
    }
}

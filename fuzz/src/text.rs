//! Charsets, content types, addresses.

use remold::mms::charset as table;

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

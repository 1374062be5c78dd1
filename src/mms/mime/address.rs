//! Address lists of mail headers (RFC 5322 section 3.4, with MMS addresses in them).

use crate::mms::text::words;

/// The addresses of a list, each as one line of text with its encoded words decoded.
///
/// An address stays as it came: `+12025550100/TYPE=PLMN`, `"A. Name" <a@b>`. Commas inside quotes,
/// comments and angle brackets do not separate; where quotes or comments are left open, every
/// comma does.
pub(super) fn split(list: &str) -> Vec<String> {
    let addresses = split_outside(list).unwrap_or_else(|| list.split(',').collect());
    addresses
        .into_iter()
        .map(|address| decode(address.trim_matches([' ', '\t'])))
        .filter(|address| !address.is_empty())
        .collect()
}

/// One address with its encoded words decoded and its display name in the usual form; blanks at the
/// ends of a name say nothing and go.
pub(super) fn decode(address: &str) -> String {
    let Some((display, angle)) = parts(address) else {
        let text = words::decode_words(address);
        return match parts(&text) {
            Some((display, angle)) => named(&usual(display), angle),
            None => text.trim_matches([' ', '\t']).to_owned(),
        };
    };
    let decoded = words::decode_words(display);
    let display = if decoded == display {
        usual(display)
    } else {
        literal(&decoded)
    };
    named(&display, angle)
}

/// One address in a form that [`split`] gives back: a display name in words where it is not plain,
/// in quotes where it has special characters, and an address that would fall apart in a list as
/// one encoded word. CR, LF and NUL must not be there.
pub(super) fn encode(address: &str) -> String {
    let address = address.trim_matches([' ', '\t']);
    let Some((display, angle)) = parts(address) else {
        let fragile = address.contains([',', '"', '(', ')', '<', '>', '\\']);
        return if fragile {
            words::encode_whole(address)
        } else {
            words::encode_words(address)
        };
    };
    let inner = angle.trim_start_matches('<').trim_end_matches('>');
    if !words::is_plain(angle) || inner.contains(['<', '>', '"', '(', ')', ',']) {
        return words::encode_whole(address);
    }
    let display = usual(display);
    if words::is_plain(&display) {
        named(&display, angle)
    } else {
        let text = phrase(&display).unwrap_or(display);
        named(&words::encode_words(&text), angle)
    }
}

/// A display name in front of its address, where there is one.
fn named(display: &str, angle: &str) -> String {
    if display.is_empty() {
        angle.to_owned()
    } else {
        format!("{display} {angle}")
    }
}

/// A display name as it usually stands: a phrase of RFC 5322 as it is, and anything else quoted. One
/// that is not plain has quotes only where it cannot do without.
fn usual(display: &str) -> String {
    match phrase(display) {
        Some(_) if words::is_plain(display) => display.to_owned(),
        Some(text) => literal(&text),
        None => literal(display),
    }
}

/// The display name that says `text`.
fn literal(text: &str) -> String {
    let text = text.trim_matches([' ', '\t']);
    if text.contains(SPECIALS) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text.to_owned()
    }
}

/// Characters that cannot stand in a display name outside quotes.
const SPECIALS: [char; 9] = [',', '"', '(', ')', '<', '>', '\\', ';', ':'];

/// What a phrase of words and quoted strings says (RFC 5322 section 3.2.5); `None` for what is none.
fn phrase(display: &str) -> Option<String> {
    let mut text = String::with_capacity(display.len());
    let mut quoted = false;
    let mut characters = display.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' if quoted => text.push(characters.next()?),
            special if !quoted && SPECIALS.contains(&special) => return None,
            other => text.push(other),
        }
    }
    (!quoted).then_some(text)
}

/// The display name and the `<…>` of an address that has both ends of it.
fn parts(address: &str) -> Option<(&str, &str)> {
    let address = address.trim_end_matches([' ', '\t']);
    if !address.ends_with('>') {
        return None;
    }
    let (display, _) = address.rsplit_once('<')?;
    let angle = address.get(display.len()..)?;
    Some((display.trim_matches([' ', '\t']), angle))
}

fn split_outside(list: &str) -> Option<Vec<&str>> {
    let mut addresses = Vec::new();
    let mut start = 0;
    let (mut quoted, mut comment, mut angle) = (false, 0_usize, false);
    let mut characters = list.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if quoted || comment > 0 => {
                characters.next();
            }
            '"' if comment == 0 => quoted = !quoted,
            _ if quoted => {}
            '(' => comment = comment.saturating_add(1),
            ')' => comment = comment.saturating_sub(1),
            '<' => angle = true,
            '>' => angle = false,
            ',' if comment == 0 && !angle => {
                addresses.push(list.get(start..at).unwrap_or_default());
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    addresses.push(list.get(start..).unwrap_or_default());
    (!quoted && comment == 0 && !angle).then_some(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_list_is_split_where_addresses_end() {
        assert_eq!(
            split("+1/TYPE=PLMN, \"Doe, J.\" <a@b>,,\t1234:56::1/TYPE=IPv6 , c@d (x, y)"),
            [
                "+1/TYPE=PLMN",
                "\"Doe, J.\" <a@b>",
                "1234:56::1/TYPE=IPv6",
                "c@d (x, y)"
            ]
        );
        assert_eq!(split("\"open, a@b"), ["\"open", "a@b"]);
        assert_eq!(split(" , "), Vec::<String>::new());
    }

    #[test]
    fn display_names_are_decoded_and_quoted_where_they_must() {
        assert_eq!(split("=?utf-8?q?M=C3=BCller?= <a@b>"), ["Müller <a@b>"]);
        assert_eq!(split("=?utf-8?q?M=2C_A?= <a@b>"), ["\"M, A\" <a@b>"]);
        assert_eq!(
            encode("Müller, A <a@b>"),
            "=?utf-8?b?TcO8bGxlciwgQQ==?= <a@b>"
        );
        assert_eq!(encode("Doe, J <a@b>"), "\"Doe, J\" <a@b>");
        assert_eq!(encode("<a@b>"), "<a@b>");
        // A name that ends in a blank inside its quotes or its word.
        assert_eq!(split("=?utf-8?b?w6kg?= <a@b>"), ["é <a@b>"]);
        assert_eq!(split(&encode("\"é \" <a@b>")), ["é <a@b>"]);
        // Quotes that are only a part of the name, and such that open and never close.
        assert_eq!(split(&encode("\" \"B <a@b>")), ["\" \"B <a@b>"]);
        assert_eq!(split(&encode("x\" <a@b>")), ["\"x\\\"\" <a@b>"]);
        // The whole address as one word.
        let whole = words::encode_whole("é, \"B\" <a@b>");
        assert_eq!(split(&whole), ["\"é, \\\"B\\\"\" <a@b>"]);
    }

    proptest! {
        #[test]
        fn one_address_stays_one(address in "[^\r\n\0]{1,40}") {
            let once = split(&encode(&address));
            prop_assert!(once.len() <= 1, "{:?}", once);
            for address in once {
                prop_assert_eq!(split(&encode(&address)), [address]);
            }
        }

        #[test]
        fn one_address_of_specials_stays_one(
            address in "[\"<>@,é a\\\\:;()=?_]{0,20}(<a@b>)?",
            form in 0..3,
        ) {
            let written = match form {
                0 => address,
                1 => encode(&address),
                _ => words::encode_whole(&address),
            };
            for address in split(&written) {
                prop_assert_eq!(split(&encode(&address)), [address]);
            }
        }

        #[test]
        fn usual_addresses_come_back(
            name in "(|[A-Za-zäß]{1,9} |\"[A-Z][a-z]{0,5}, [A-Z]\\.\" )",
            address in "<[a-z0-9.+]{1,9}@[a-z.]{1,9}>",
            bare in "\\+[0-9]{5,15}/TYPE=PLMN(@[a-z.]{1,9})?",
        ) {
            let named = format!("{name}{address}");
            prop_assert_eq!(split(&encode(&named)), [named.clone()]);
            let list = format!("{}, {}", encode(&bare), encode(&named));
            prop_assert_eq!(split(&list), [bare, named]);
        }
    }
}

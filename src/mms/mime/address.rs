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

/// One address with its encoded words decoded. A display name that comes to hold a special
/// character by that is quoted; blanks that come to stand at its ends say nothing and go.
pub(super) fn decode(address: &str) -> String {
    let Some((display, angle)) = parts(address) else {
        return words::decode_words(address);
    };
    let decoded = words::decode_words(display);
    let decoded = decoded.trim_matches([' ', '\t']);
    if decoded == display || !needs_quotes(decoded) {
        return if decoded.is_empty() {
            angle.to_owned()
        } else {
            format!("{decoded} {angle}")
        };
    }
    format!("{} {angle}", quote(decoded))
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
    let display = display.trim_matches([' ', '\t']);
    let display = match unquote(display) {
        _ if display.is_empty() => return angle.to_owned(),
        Some(_) if words::is_plain(display) => display.to_owned(),
        Some(inner) => words::encode_words(&inner),
        None if !words::is_plain(display) => words::encode_words(display),
        None if needs_quotes(display) => quote(display),
        None => display.to_owned(),
    };
    format!("{display} {angle}")
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

fn needs_quotes(display: &str) -> bool {
    unquote(display).is_none() && display.contains([',', '"', '(', ')', '<', '>', '\\', ';', ':'])
}

fn quote(display: &str) -> String {
    format!("\"{}\"", display.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The text of a display name that is one quoted string and nothing else.
fn unquote(display: &str) -> Option<String> {
    let inner = display.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next()?),
            '"' => return None,
            other => text.push(other),
        }
    }
    Some(text)
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

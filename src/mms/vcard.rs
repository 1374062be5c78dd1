//! vCard 2.1 to 4.0 and vCalendar 1.0 to iCalendar: what a phone that cannot show them can be told,
//! and what makes them too big.

use super::charset;
use super::text::decode_octets;
use super::transfer;

/// The names and numbers of a vCard, or what happens when and where of a vCalendar, as lines of
/// plain text with CRLF between them. `None` where there is nothing to tell.
///
/// Folded lines, QUOTED-PRINTABLE and charset parameters are read in the forms of every version.
#[must_use]
pub fn summary(card: &str) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut named = false;
    for property in properties(card) {
        let value = property.value();
        let line = match property.name.as_str() {
            "BEGIN" if value.trim().eq_ignore_ascii_case("VCARD") => {
                named = false;
                continue;
            }
            "FN" if !named => value,
            "N" if !named => display_name(&value),
            "ORG" => structured(&value).join(", "),
            "TEL" | "EMAIL" => without_scheme(&value).to_owned(),
            "SUMMARY" | "LOCATION" => value,
            "DTSTART" => date_time(&value),
            "DTEND" | "DUE" => format!("- {}", date_time(&value)),
            _ => continue,
        };
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() || line == "-" {
            continue;
        }
        named |= matches!(property.name.as_str(), "FN" | "N");
        if !lines.contains(&line) {
            lines.push(line);
        }
        if lines.len() >= MOST_LINES {
            break;
        }
    }
    (!lines.is_empty()).then(|| lines.join("\r\n"))
}

/// A vCard without its pictures and sounds, all else as it was. `None` where it has none.
#[must_use]
pub fn without_photo(card: &str) -> Option<String> {
    let mut kept = String::with_capacity(card.len());
    let mut dropping = false;
    let mut dropped = false;
    for line in card.split_inclusive('\n') {
        let content = line.trim_end_matches(['\r', '\n']);
        if dropping && continues(content) {
            continue;
        }
        let was_dropping = std::mem::replace(&mut dropping, is_heavy(content));
        if dropping {
            dropped = true;
        } else if !(was_dropping && content.is_empty()) {
            // The empty line that ends base64 in version 2.1 goes with it.
            kept.push_str(line);
        }
    }
    dropped.then_some(kept)
}

/// Lines of a summary: a card of a hundred people is no text message.
const MOST_LINES: usize = 40;

/// One property of a card.
struct Property {
    /// In upper case, without a group.
    name: String,
    params: String,
    raw: String,
}

impl Property {
    fn new(line: &str) -> Option<Self> {
        let colon = end_of_params(line)?;
        let (head, value) = line.split_at_checked(colon)?;
        let (name, params) = head.split_once(';').unwrap_or((head, ""));
        let name = name.rsplit('.').next()?.trim();
        let valid = !name.is_empty()
            && name
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        valid.then(|| Self {
            name: name.to_ascii_uppercase(),
            params: params.to_ascii_uppercase(),
            raw: value.get(1..).unwrap_or_default().to_owned(),
        })
    }

    /// The value with its coding and its escapes undone.
    fn value(&self) -> String {
        let text = if self.is_quoted_printable() {
            let octets = transfer::quoted_printable(self.raw.as_bytes());
            let charset = self
                .params
                .split(';')
                .find_map(|param| param.trim().strip_prefix("CHARSET="))
                .and_then(charset::mib);
            match charset.and_then(|mib| charset::decode(mib, &octets)) {
                Some((text, _)) => text,
                None => decode_octets(&octets),
            }
        } else {
            self.raw.clone()
        };
        if self.name == "N" || self.name == "ORG" {
            // Their escapes are undone where their fields are told apart.
            text
        } else {
            unescape(&text)
        }
    }

    fn is_quoted_printable(&self) -> bool {
        is_quoted_printable(&self.params)
    }
}

fn is_quoted_printable(params: &str) -> bool {
    params.to_ascii_uppercase().split(';').any(|param| {
        matches!(
            param.trim(),
            "QUOTED-PRINTABLE" | "ENCODING=QUOTED-PRINTABLE" | "ENCODING=Q"
        )
    })
}

/// The properties of a card, folded lines put together.
fn properties(card: &str) -> impl Iterator<Item = Property> {
    let mut lines = card.lines().peekable();
    std::iter::from_fn(move || {
        let mut line = lines.next()?.trim_end_matches('\r').to_owned();
        let quoted = end_of_params(&line)
            .and_then(|colon| line.get(..colon))
            .is_some_and(is_quoted_printable);
        while let Some(next) = lines.peek() {
            if quoted && line.ends_with('=') {
                // A soft line break: what follows belongs to the value, leading white space too.
                line.pop();
                line.push_str(next.trim_end_matches('\r'));
            } else if let Some(rest) = next.strip_prefix([' ', '\t']) {
                line.push_str(rest.trim_end_matches('\r'));
            } else {
                break;
            }
            lines.next();
        }
        Some(Property::new(&line))
    })
    .flatten()
}

/// Where the value's colon is: not inside a quoted parameter.
fn end_of_params(line: &str) -> Option<usize> {
    let mut quoted = false;
    line.bytes().position(|octet| {
        quoted ^= octet == b'"';
        octet == b':' && !quoted
    })
}

/// Whether a line starts a property that is a picture or a sound.
fn is_heavy(line: &str) -> bool {
    if line.starts_with([' ', '\t']) {
        return false;
    }
    let head = line.split([':', ';']).next().unwrap_or_default();
    let name = head.rsplit('.').next().unwrap_or_default().trim();
    ["PHOTO", "LOGO", "SOUND"]
        .iter()
        .any(|heavy| heavy.eq_ignore_ascii_case(name))
}

/// Whether a line belongs to the base64 of the property before it: folded, or as version 2.1 also
/// has it bare, up to the next property or empty line.
fn continues(line: &str) -> bool {
    line.starts_with([' ', '\t']) || !line.is_empty() && !line.contains(':')
}

/// `family;given;middle;prefix;suffix` as a person is called.
fn display_name(value: &str) -> String {
    let fields = structured(value);
    let field = |at: usize| fields.get(at).map_or("", String::as_str);
    let order = [field(3), field(1), field(2), field(0), field(4)];
    let given: Vec<&str> = order.into_iter().filter(|part| !part.is_empty()).collect();
    given.join(" ")
}

/// The fields of a structured value; a trailing empty one is left out.
fn structured(value: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            ';' => fields.push(String::new()),
            other => {
                if let Some(field) = fields.last_mut() {
                    field.push(other);
                    if other == '\\' {
                        field.extend(characters.next());
                    }
                }
            }
        }
    }
    let mut fields: Vec<String> = fields
        .iter()
        .map(|f| unescape(f).trim().to_owned())
        .collect();
    while fields.last().is_some_and(String::is_empty) {
        fields.pop();
    }
    fields
}

fn unescape(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n' | 'N') => text.push('\n'),
                Some(escaped) => text.push(escaped),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    text
}

fn without_scheme(value: &str) -> &str {
    let value = value.trim();
    ["tel:", "mailto:"]
        .into_iter()
        .find_map(|scheme| {
            let (start, rest) = value.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        })
        .map_or(value, |rest| rest.split(';').next().unwrap_or(rest))
}

/// `20250102T150000Z` as `2025-01-02 15:00 UTC`; another form as it is.
fn date_time(value: &str) -> String {
    let value = value.trim();
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    let is_basic = value
        .bytes()
        .all(|octet| octet.is_ascii_digit() || matches!(octet, b'T' | b'Z' | b'-' | b':'));
    let (Some(year), Some(month), Some(day)) =
        (digits.get(..4), digits.get(4..6), digits.get(6..8))
    else {
        return value.to_owned();
    };
    if !is_basic {
        return value.to_owned();
    }
    let zone = if value.ends_with('Z') { " UTC" } else { "" };
    match (digits.get(8..10), digits.get(10..12)) {
        (Some(hour), Some(minute)) => format!("{year}-{month}-{day} {hour}:{minute}{zone}"),
        _ => format!("{year}-{month}-{day}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CARD: &str = "BEGIN:VCARD\r\nVERSION:2.1\r\n\
        N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6=\r\nrg;;Dr.\r\n\
        TEL;CELL;VOICE:+49 170 1234567\r\nX.TEL:+49301234\r\n\
        PHOTO;JPEG;ENCODING=BASE64:\r\n /9j/4AAQ\r\nSkZJRg==\r\n\r\n\
        ORG:Example;Sales;\r\nEMAIL;INTERNET:j@example.org\r\nEND:VCARD\r\n";

    #[test]
    fn a_card_of_version_2_1_is_told() {
        assert_eq!(
            summary(CARD).unwrap(),
            "Dr. Jörg Müller\r\n+49 170 1234567\r\n+49301234\r\nExample, Sales\r\nj@example.org"
        );
    }

    #[test]
    fn cards_of_version_3_and_4_are_told() {
        let three = "BEGIN:VCARD\nVERSION:3.0\nN:Doe;J\\;R;;;\nFN:John\\, R. \n  Doe\n\
                     TEL;TYPE=\"cell:x\":+1202\nEND:VCARD";
        assert_eq!(summary(three).unwrap(), "J;R Doe\r\n+1202");
        let four = "BEGIN:VCARD\nVERSION:4.0\nFN:Łucja\nTEL;VALUE=uri:tel:+48-22;ext=5\n\
                    EMAIL:mailto:l@example.org\nNOTE:x\nEND:VCARD";
        assert_eq!(summary(four).unwrap(), "Łucja\r\n+48-22\r\nl@example.org");
    }

    #[test]
    fn an_event_is_told() {
        let event = "BEGIN:VCALENDAR\nVERSION:1.0\nBEGIN:VEVENT\nSUMMARY:Tea\n\
                     DTSTART:20250102T150000Z\nDTEND;VALUE=DATE:20250103\nLOCATION:Here\\nThere\n\
                     END:VEVENT\nEND:VCALENDAR";
        assert_eq!(
            summary(event).unwrap(),
            "Tea\r\n2025-01-02 15:00 UTC\r\n- 2025-01-03\r\nHere There"
        );
        assert_eq!(summary("BEGIN:VCARD\nEND:VCARD"), None);
        assert_eq!(summary("nothing of the kind"), None);
    }

    #[test]
    fn pictures_go_and_the_rest_stays() {
        let slim = without_photo(CARD).unwrap();
        assert!(!slim.contains("PHOTO") && !slim.contains("4AAQ") && !slim.contains("SkZJ"));
        assert_eq!(summary(&slim), summary(CARD));
        assert_eq!(slim.lines().count(), CARD.lines().count() - 4);
        let folded = "BEGIN:VCARD\nitem1.photo;ENCODING=b;TYPE=JPEG:AAAA\n BBBB\n CCCC\nFN:A\n\
                      LOGO;VALUE=uri:http://a/b\nEND:VCARD\n";
        assert_eq!(
            without_photo(folded).unwrap(),
            "BEGIN:VCARD\nFN:A\nEND:VCARD\n"
        );
        assert_eq!(without_photo(&slim), None);
    }

    proptest! {
        #[test]
        fn any_text_is_taken(text in "(PHOTO|TEL|FN|N|[:;=.\\\\\"]|ENCODING=QUOTED-PRINTABLE|=\n|\n |\n|.){0,60}") {
            let _ = summary(&text);
            if let Some(slim) = without_photo(&text) {
                prop_assert!(slim.len() < text.len());
                prop_assert_eq!(without_photo(&slim), None);
            }
        }
    }
}

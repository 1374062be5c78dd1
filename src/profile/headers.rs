//! What the headers of a request tell of the device (WAP-248 section 9, CC/PP exchange).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use super::accept::{essence, is_media_type};
use super::facts::Facts;
use super::names::{strip_prefix_ignore_case, url_key};
use super::uaprof::{UaProf, read};
use crate::limits::Limits;

/// What a request tells of its device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileHeaders {
    /// Profile URLs in the order given, as they were written but for quotes.
    pub urls: Vec<String>,
    /// Differences whose digest is right, by ascending number.
    pub differences: Vec<UaProf>,
    /// The user agent.
    pub user_agent: Option<String>,
    /// What `Accept`, `Accept-Charset` and `Accept-Language` say.
    pub facts: Facts,
    /// What was odd, one sentence each.
    pub warnings: Vec<String>,
}

/// A difference before its digest is checked.
struct Difference<'a> {
    number: u32,
    value: &'a str,
    document: &'a str,
}

/// Reads the headers of a request. Nothing in them is an error: what cannot be used is left out
/// with a warning.
#[must_use]
pub fn read_headers(headers: &[(String, String)], limits: &Limits) -> ProfileHeaders {
    let mut found = ProfileHeaders::default();
    let mut digests = Vec::new();
    let mut differences = Vec::new();
    for (name, value) in headers.iter().take(limits.headers) {
        match profile_header(name) {
            Some(ProfileHeader::Profile) => {
                for entry in entries(value) {
                    take_entry(entry, &mut found, &mut digests);
                }
            }
            Some(ProfileHeader::Difference(number)) => match difference(number, value) {
                Some(difference) => differences.push(difference),
                None => found
                    .warnings
                    .push(format!("{name} has no number of its own")),
            },
            None => take_plain(name, value, &mut found),
        }
    }
    differences.sort_by_key(|difference| difference.number);
    for difference in differences {
        match check(&difference, &digests).and_then(|()| parse(&difference, limits)) {
            Ok(profile) => found.differences.push(profile),
            Err(why) => found.warnings.push(format!(
                "profile difference {} {why} and is left out",
                difference.number
            )),
        }
    }
    found
}

enum ProfileHeader {
    Profile,
    Difference(Option<u32>),
}

/// Which profile header a name is: `X-Wap-Profile`, `Profile`, `Wap-Profile`, with `-Diff` and a
/// number behind, and any of them behind the two digits that `Opt` or `Man` announce.
fn profile_header(name: &str) -> Option<ProfileHeader> {
    let name = name.trim();
    let bare = match name.split_once('-') {
        Some((digits, rest)) if digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            rest
        }
        _ => name,
    };
    let rest = ["x-wap-profile", "wap-profile", "profile"]
        .iter()
        .find_map(|prefix| strip_prefix_ignore_case(bare, prefix))?;
    if rest.is_empty() {
        return Some(ProfileHeader::Profile);
    }
    let number = strip_prefix_ignore_case(rest, "-diff")?;
    if number.is_empty() {
        return Some(ProfileHeader::Difference(None));
    }
    number
        .strip_prefix('-')?
        .parse()
        .ok()
        .map(|n| ProfileHeader::Difference(Some(n)))
}

/// The entries of a profile header: quoted, or bare up to a comma that ends them. A comma inside a
/// bare URL belongs to it.
fn entries(value: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let (entry, behind) = if let Some(quoted) = rest.strip_prefix('"') {
            let (entry, behind) = quoted.split_once('"').unwrap_or((quoted, ""));
            (
                entry,
                behind.trim_start().strip_prefix(',').unwrap_or(behind),
            )
        } else {
            let end = rest
                .match_indices(',')
                .map(|(at, _)| at)
                .find(|at| begins_entry(rest.get(at + 1..).unwrap_or_default()));
            match end.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) {
                Some(split) => split,
                None => (rest, ""),
            }
        };
        let entry = entry.trim().trim_matches('"').trim();
        if !entry.is_empty() {
            found.push(entry);
        }
        rest = behind.trim_start();
    }
    found
}

fn begins_entry(text: &str) -> bool {
    let text = text.trim_start();
    text.is_empty()
        || text.starts_with('"')
        || strip_prefix_ignore_case(text, "http").is_some()
        || text
            .split_once('-')
            .is_some_and(|(n, _)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn take_entry(entry: &str, found: &mut ProfileHeaders, digests: &mut Vec<(u32, String)>) {
    if entry.contains(':') {
        if entry.to_ascii_lowercase().contains("ccppschema") {
            found
                .warnings
                .push(format!("{entry} is a schema, not a profile"));
        } else if url_key(entry).is_none() {
            found.warnings.push(format!("{entry:?} is no profile URL"));
        } else {
            found.urls.push(entry.to_owned());
        }
        return;
    }
    let digest = entry
        .split_once('-')
        .and_then(|(number, digest)| Some((number.trim().parse().ok()?, digest.trim().to_owned())));
    match digest {
        Some(digest) => digests.push(digest),
        None => found
            .warnings
            .push(format!("{entry:?} is neither a profile URL nor a digest")),
    }
}

/// A difference with its number, from the header's name or from in front of the document.
fn difference(number: Option<u32>, value: &str) -> Option<Difference<'_>> {
    let in_front = value
        .trim_start()
        .split_once(';')
        .and_then(|(digits, document)| {
            let digits = digits.trim();
            let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
            let number = plain.then(|| digits.parse::<u32>().ok()).flatten()?;
            Some((number, document))
        });
    match (in_front, number) {
        (Some((number, document)), _) => Some(Difference {
            number,
            value,
            document,
        }),
        (None, Some(number)) => Some(Difference {
            number,
            value,
            document: value,
        }),
        (None, None) => None,
    }
}

/// Compares the MD5 of the difference, white space normalised, with the one announced for its
/// number. Senders disagree on whether the number in front is part of it; both are taken.
fn check(difference: &Difference<'_>, digests: &[(u32, String)]) -> Result<(), &'static str> {
    let mut announced = digests
        .iter()
        .filter(|(number, _)| *number == difference.number)
        .peekable();
    if announced.peek().is_none() {
        return Err("has no digest in the profile header");
    }
    let actual = [digest(difference.document), digest(difference.value)];
    if announced.any(|(_, digest)| actual.contains(digest)) {
        Ok(())
    } else {
        Err("does not match its digest")
    }
}

/// Base64 of the MD5 of a text whose runs of white space are one space each and which has none at
/// its ends.
#[must_use]
pub fn digest(text: &str) -> String {
    let words: Vec<&str> = text
        .split([' ', '\t', '\r', '\n'])
        .filter(|w| !w.is_empty())
        .collect();
    STANDARD.encode(Md5::digest(words.join(" ")))
}

fn parse(difference: &Difference<'_>, limits: &Limits) -> Result<UaProf, &'static str> {
    read(difference.document.as_bytes(), limits)
        .map(|decoded| decoded.value)
        .map_err(|_| "cannot be read")
}

fn take_plain(name: &str, value: &str, found: &mut ProfileHeaders) {
    let facts = &mut found.facts;
    match name.trim().to_ascii_lowercase().as_str() {
        "user-agent" if found.user_agent.is_none() => {
            found.user_agent = Some(value.trim().to_owned()).filter(|agent| !agent.is_empty());
        }
        // Browsers and libraries say `*/*` without meaning it.
        "accept" => extend(&mut facts.accept, weighted(value), |item| {
            is_media_type(essence(item))
                && item != "*/*"
                && item != "application/vnd.wap.mms-message"
        }),
        "accept-charset" => extend(&mut facts.charsets, weighted(value), |item| item != "*"),
        "accept-language" => extend(&mut facts.languages, weighted(value), |item| item != "*"),
        _ => {}
    }
}

fn extend(list: &mut Option<Vec<String>>, items: Vec<String>, keep: impl Fn(&str) -> bool) {
    for item in items.into_iter().filter(|item| keep(item)) {
        let list = list.get_or_insert_default();
        if !list.iter().any(|known| known.eq_ignore_ascii_case(&item)) {
            list.push(item);
        }
    }
}

/// The items of an Accept header without their parameters, the most wanted first; those with
/// weight 0 are not wanted at all (RFC 9110 section 12.4.2).
fn weighted(value: &str) -> Vec<String> {
    let mut items: Vec<(u32, String)> = Vec::new();
    for item in value.split(',') {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1_000, thousandths);
        if !name.is_empty() && weight > 0 {
            items.push((weight, name.to_owned()));
        }
    }
    items.sort_by_key(|(weight, _)| 1_000 - weight);
    items.into_iter().map(|(_, name)| name).collect()
}

/// A weight such as `0.75` in thousandths; what is no weight counts as 1.
fn thousandths(text: &str) -> u32 {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if whole.trim() != "0" {
        return 1_000;
    }
    let digits = fraction
        .chars()
        .chain("000".chars())
        .take(3)
        .collect::<String>();
    digits.parse().unwrap_or(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&str, &str)]) -> ProfileHeaders {
        let headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        read_headers(&headers, &Limits::default())
    }

    const DIFFERENCE: &str = "<rdf:RDF>\r\n  <prf:BitsPerPixel>16</prf:BitsPerPixel>\r\n</rdf:RDF>";

    #[test]
    fn every_form_of_the_header_gives_its_urls() {
        for (name, value) in [
            ("x-wap-profile", "\"http://a.b/c.xml\""),
            ("X-WAP-PROFILE", "http://a.b/c.xml"),
            ("Profile", "http://a.b/c.xml, "),
            ("Wap-Profile", " \"http://a.b/c.xml\" , \"1-abc==\""),
            (
                "34-Profile",
                "\"http://a.b/c.xml\",\"http://www.openmobilealliance.org/tech/profiles/UAPROF/ccppschema-20021212#\"",
            ),
            ("x-wap-profile", "\"http://a.b/c.xml"),
        ] {
            assert_eq!(
                request(&[(name, value)]).urls,
                ["http://a.b/c.xml"],
                "{name}: {value}"
            );
        }
        let several = request(&[("profile", "\"http://a.b/1\",\"http://a.b/2\"")]);
        assert_eq!(several.urls, ["http://a.b/1", "http://a.b/2"]);
        let comma = request(&[("profile", "http://a.b/UAP.aspx?C65,00, http://a.b/2")]);
        assert_eq!(comma.urls, ["http://a.b/UAP.aspx?C65,00", "http://a.b/2"]);
        assert!(
            request(&[("x-wap-profile-warning", "http://a.b/c")])
                .urls
                .is_empty()
        );
    }

    #[test]
    fn junk_is_left_out_with_a_warning() {
        let schema = "http://www.openmobilealliance.org/tech/profiles/UAPROF/ccppschema-20021212#";
        for value in [schema, "urn:x", "nonsense", "http:///"] {
            let found = request(&[("x-wap-profile", value)]);
            assert!(found.urls.is_empty(), "{value}");
            assert_eq!(found.warnings.len(), 1, "{value}");
        }
    }

    #[test]
    fn a_difference_counts_only_with_its_digest() {
        let right = format!("\"http://a.b/c\",\"1-{}\"", digest(DIFFERENCE));
        let value = format!("1;{DIFFERENCE}");
        let found = request(&[("x-wap-profile", &right), ("x-wap-profile-diff", &value)]);
        assert_eq!(found.differences.len(), 1);
        assert_eq!(found.differences[0].value("BitsPerPixel"), Some("16"));

        for header in [
            "\"http://a.b/c\",\"1-AAAAAAAAAAAAAAAAAAAAAA==\"",
            "\"http://a.b/c\"",
        ] {
            let found = request(&[("x-wap-profile", header), ("x-wap-profile-diff", &value)]);
            assert!(
                found.differences.is_empty() && found.warnings.len() == 1,
                "{header}"
            );
        }
    }

    #[test]
    fn white_space_does_not_change_a_digest() {
        assert_eq!(
            digest(DIFFERENCE),
            digest(&DIFFERENCE.replace("\r\n  ", "\t \r\n "))
        );
        assert_ne!(digest("a b"), digest("ab"));
    }

    #[test]
    fn differences_are_in_the_order_of_their_numbers() {
        let second = "<prf:BitsPerPixel>24</prf:BitsPerPixel>";
        let profile = format!("\"2-{}\", \"1-{}\"", digest(second), digest(DIFFERENCE));
        let found = request(&[
            ("Profile", &profile),
            ("Profile-Diff-2", second),
            ("Profile-Diff-1", DIFFERENCE),
        ]);
        let bits: Vec<_> = found
            .differences
            .iter()
            .map(|d| d.value("BitsPerPixel"))
            .collect();
        assert_eq!(bits, [Some("16"), Some("24")]);
        assert_eq!(request(&[("profile-diff", "no number")]).warnings.len(), 1);
    }

    #[test]
    fn accept_headers_are_lists_by_weight() {
        let found = request(&[
            ("Accept", "*/*, image/gif;q=0.2, image/jpeg, audio/amr; q=0"),
            ("Accept-Language", "de;q=0.5, en"),
            ("Accept-Charset", "utf-8, *"),
            ("User-Agent", " Nokia6100/1.0 "),
        ]);
        assert_eq!(found.facts.accept.unwrap(), ["image/jpeg", "image/gif"]);
        assert_eq!(found.facts.languages.unwrap(), ["en", "de"]);
        assert_eq!(found.facts.charsets.unwrap(), ["utf-8"]);
        assert_eq!(found.user_agent.as_deref(), Some("Nokia6100/1.0"));
        assert_eq!(request(&[("Accept", "*/*")]).facts.accept, None);
    }
}

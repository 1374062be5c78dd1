//! To which network a number belongs: ENUM (RFC 6116), with the service `E2U+mms:mailto` that IANA
//! registered (RFC 4355) and operators' trees such as `e164enum.net` use (GSMA IR.67).
//!
//! Asked by threads that do nothing else, for messages that are in the store already: no phone and
//! no peer waits for a name server. What was answered is kept for as long as it says it counts.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::dialect::is_domain;
use super::dns::Pointer;
use super::exchanger::Resolver;
use crate::mms::address::Msisdn;
use crate::relay::foreign::{Directory, Ownership};

/// Numbers whose answers are kept.
const KNOWN: usize = 50_000;
/// How long an answer counts at least and at most, whatever it says.
const COUNTS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(86_400));
/// How long it counts that nothing is said of a number.
const UNLISTED: Duration = Duration::from_secs(300);
/// How long nobody is asked after no name server answered.
const REST: Duration = Duration::from_secs(30);
/// Digits of an international number at most (ITU-T E.164).
const DIGITS: usize = 15;

/// A tree of numbers in the domain name system.
#[derive(Debug)]
pub struct Enum {
    resolver: Resolver,
    apex: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    known: HashMap<Msisdn, (Instant, Ownership)>,
    rests_until: Option<Instant>,
}

impl Enum {
    /// The tree below `apex`, asked for over `resolver`.
    #[must_use]
    pub fn new(resolver: Resolver, apex: &str) -> Self {
        Self {
            resolver,
            apex: apex.trim_matches('.').to_owned(),
            inner: Mutex::default(),
        }
    }

    fn put(&self, number: &Msisdn, owner: &Ownership, counts: Duration) {
        let now = Instant::now();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.known.len() >= KNOWN {
            inner.known.retain(|_, (until, _)| *until > now);
        }
        if inner.known.len() >= KNOWN {
            inner.known.clear();
        }
        let until = now.checked_add(counts).unwrap_or(now);
        inner.known.insert(number.clone(), (until, owner.clone()));
    }
}

impl Directory for Enum {
    fn known(&self, number: &Msisdn) -> Option<Ownership> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, owner) = inner.known.get(number)?;
        (*until > Instant::now()).then(|| owner.clone())
    }

    fn ask(&self, number: &Msisdn) -> Result<Ownership, String> {
        if let Some(owner) = self.known(number) {
            return Ok(owner);
        }
        let Some(name) = name(number, &self.apex) else {
            return Ok(Ownership::Unlisted);
        };
        let rests = {
            let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner
                .rests_until
                .is_some_and(|until| until > Instant::now())
        };
        if rests {
            return Err("name servers did not answer a moment ago".to_owned());
        }
        let pointers = self.resolver.pointers(&name).map_err(|error| {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.rests_until = Instant::now().checked_add(REST);
            format!("no name server answers: {error}")
        })?;
        let (owner, counts) = match chosen(pointers, number) {
            Some((domain, ttl)) => {
                let (least, most) = COUNTS;
                let counts = Duration::from_secs(u64::from(ttl)).clamp(least, most);
                (Ownership::Domain(domain), counts)
            }
            None => (Ownership::Unlisted, UNLISTED),
        };
        self.put(number, &owner, counts);
        Ok(owner)
    }
}

/// The name of a number in the tree: its digits backwards (RFC 6116 section 3.2). `None` for one
/// that is not international.
fn name(number: &Msisdn, apex: &str) -> Option<String> {
    let digits = number.as_str().strip_prefix('+')?;
    let sound = !digits.is_empty()
        && digits.len() <= DIGITS
        && digits.bytes().all(|octet| octet.is_ascii_digit());
    let mut name = String::new();
    for digit in sound.then_some(digits)?.chars().rev() {
        name.push(digit);
        name.push('.');
    }
    name.push_str(apex);
    Some(name)
}

/// The domain that the first usable pointer gives, by order and preference, and the seconds for
/// which it counts.
fn chosen(mut pointers: Vec<Pointer>, number: &Msisdn) -> Option<(String, u32)> {
    pointers.sort();
    pointers
        .into_iter()
        .filter(|pointer| pointer.flags.eq_ignore_ascii_case("u") && is_mms(&pointer.services))
        .find_map(|pointer| Some((domain(&pointer.regexp, number.as_str())?, pointer.ttl)))
}

/// Whether the services are `E2U+mms:mailto`, alone or among others; before RFC 6116, `mms+E2U`.
fn is_mms(services: &str) -> bool {
    let services = services.to_ascii_lowercase();
    let mut tokens = services.split('+');
    let e2u = tokens.clone().any(|token| token == "e2u");
    e2u && tokens.any(|token| matches!(token, "mms" | "mms:mailto"))
}

/// The domain of the address that a substitution (RFC 3402 section 3.2) makes of a number, where it
/// is for this number. What it makes of the local part does not matter: we have the number.
fn domain(regexp: &str, number: &str) -> Option<String> {
    let delimiter = regexp.chars().next()?;
    let (pattern, rest) = regexp.strip_prefix(delimiter)?.split_once(delimiter)?;
    let (made, _flags) = rest.split_once(delimiter)?;
    if !matches(pattern, number)? {
        return None;
    }
    let scheme = made.get(..7)?;
    let address = made.get(7..)?;
    if !scheme.eq_ignore_ascii_case("mailto:") {
        return None;
    }
    let (_, domain) = address.split_once('@')?;
    let domain = domain.split(['?', ';']).next()?.trim_end_matches('.');
    is_domain(domain).then(|| domain.to_ascii_lowercase())
}

/// What one place of a pattern may be.
enum Atom {
    Any,
    One(char),
}

/// Whether an extended regular expression matches a number from its beginning; `None` for one that
/// is not understood. Digits, dots, `\+`, the repetitions `*`, `+` and `?`, groups that are not
/// repeated, and anchors are: nothing else stands in such a tree, as far as is known.
fn matches(pattern: &str, number: &str) -> Option<bool> {
    let number: Vec<char> = number.chars().collect();
    let anchored = pattern.starts_with('^');
    let ended = pattern.ends_with('$');
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    // Places in the number that can be reached so far.
    let mut at: Vec<bool> = (0..=number.len())
        .map(|place| place == 0 || !anchored)
        .collect();
    let mut rest = inner.chars().peekable();
    while let Some(next) = rest.next() {
        let atom = match next {
            '(' | ')' => {
                if next == ')' && matches!(rest.peek(), Some('*' | '+' | '?' | '{')) {
                    return None;
                }
                continue;
            }
            '.' => Atom::Any,
            '\\' => Atom::One(rest.next().filter(|escaped| !escaped.is_alphanumeric())?),
            digit if digit.is_ascii_digit() => Atom::One(digit),
            _ => return None,
        };
        let (least, more) = match rest.peek() {
            Some('*') => (0, true),
            Some('+') => (1, true),
            Some('?') => (0, false),
            Some('{') => return None,
            _ => (1, false),
        };
        if (least, more) != (1, false) {
            rest.next();
        }
        at = stepped(&at, &number, &atom, least == 0, more);
    }
    Some(if ended {
        at.last().copied().unwrap_or(false)
    } else {
        at.contains(&true)
    })
}

/// The places that are reached by an atom from those that were.
fn stepped(at: &[bool], number: &[char], atom: &Atom, none: bool, more: bool) -> Vec<bool> {
    let mut next = vec![false; at.len()];
    let mut before = false;
    for (place, (reached, here)) in next.iter_mut().zip(at).enumerate() {
        let fits = place.checked_sub(1).and_then(|before| number.get(before));
        let fits = fits.is_some_and(|found| match atom {
            Atom::Any => true,
            Atom::One(wanted) => wanted == found,
        });
        *reached = (fits && before) || (none && *here);
        before = *here || (more && *reached);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Msisdn {
        Msisdn::parse(text).unwrap()
    }

    fn pointer(order: u16, services: &str, regexp: &str) -> Pointer {
        Pointer {
            order,
            preference: 10,
            flags: "u".to_owned(),
            services: services.to_owned(),
            regexp: regexp.to_owned(),
            ttl: 300,
        }
    }

    #[test]
    fn a_number_is_its_digits_backwards() {
        let named = |text| name(&number(text), "e164enum.net");
        assert_eq!(
            named("+441632960083").as_deref(),
            Some("3.8.0.0.6.9.2.3.6.1.4.4.e164enum.net")
        );
        assert_eq!(named("1632960083"), None, "it is not international");
        assert_eq!(named("+4416329600831234"), None, "it is too long");
    }

    #[test]
    fn patterns_match_what_they_say_and_others_are_not_understood() {
        for (pattern, expected) in [
            ("^.*$", Some(true)),
            ("^(.*)$", Some(true)),
            ("^\\+(.*)$", Some(true)),
            ("^\\+4416(.+)$", Some(true)),
            ("^\\+4417(.+)$", Some(false)),
            ("^\\+?441632960083$", Some(true)),
            ("441632", Some(true)),
            ("^441632", Some(false)),
            ("^\\+44163296008$", Some(false)),
            ("", Some(true)),
            ("^\\+44163296008(3)*$", None),
            ("^[0-9]*$", None),
            ("^a|b$", None),
            ("^.{3}$", None),
            ("^\\", None),
        ] {
            assert_eq!(matches(pattern, "+441632960083"), expected, "{pattern}");
        }
    }

    #[test]
    fn the_domain_is_that_of_the_first_pointer_for_messages() {
        let number = number("+441632960083");
        let mms = "!^(.*)$!mailto:\\1/TYPE=PLMN@mms.mnc007.mcc234.gprs!";
        let found = |pointers: Vec<Pointer>| chosen(pointers, &number).map(|(domain, _)| domain);
        let expected = Some("mms.mnc007.mcc234.gprs".to_owned());
        for services in ["E2U+mms:mailto", "e2u+MMS", "E2U+sip+mms:mailto", "mms+E2U"] {
            let pointers = vec![
                pointer(20, services, "!^.*$!mailto:x@other.example!"),
                pointer(10, services, mms),
                pointer(5, "E2U+sip", "!^.*$!sip:x@sip.example!"),
            ];
            assert_eq!(found(pointers), expected, "{services}");
        }
        for (services, regexp) in [
            ("E2U+mms:tel", mms),
            ("mms:mailto", mms),
            ("E2U+mms:mailto", "!^.*$!tel:+441632960083!"),
            ("E2U+mms:mailto", "!^.*$!mailto:nobody!"),
            ("E2U+mms:mailto", "!^.*$!mailto:x@\\1.example!"),
            ("E2U+mms:mailto", "!^\\+49.*$!mailto:x@other.example!"),
            ("E2U+mms:mailto", "!^.*$!mailto:x@other.example"),
            ("E2U+mms:mailto", ""),
            ("E2U+mms:mailto", "!^.*$!mäilto:x@other.example!"),
        ] {
            assert_eq!(found(vec![pointer(1, services, regexp)]), None, "{regexp}");
        }
    }

    #[test]
    fn nobody_is_asked_again_at_once_where_nobody_answers() {
        let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent = vec![nobody.local_addr().unwrap()];
        let registry = Enum::new(
            Resolver::new(silent, Duration::from_millis(20)),
            "e164enum.net.",
        );
        let number = number("+441632960083");
        assert!(registry.ask(&number).unwrap_err().contains("no name"));
        let begun = Instant::now();
        assert!(registry.ask(&number).unwrap_err().contains("a moment ago"));
        assert!(begun.elapsed() < Duration::from_millis(20));
        assert_eq!(registry.known(&number), None);
        registry.put(&number, &Ownership::Unlisted, UNLISTED);
        assert_eq!(registry.ask(&number), Ok(Ownership::Unlisted));
        registry.put(&number, &Ownership::Unlisted, Duration::ZERO);
        assert_eq!(registry.known(&number), None, "it counts no longer");
    }
}

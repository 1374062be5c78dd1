//! The two questions that are asked of name servers, and their answers (RFC 1035 section 4).
//!
//! Written here because a crate that speaks DNS is some fifty thousand lines, with unsafe code, for
//! the sake of two types of record.

/// Octets of a header.
const HEADER: usize = 12;
/// Recursion is desired.
const RECURSE: u8 = 0x01;
/// This is a response.
const RESPONSE: u8 = 0x80;
/// Opcode: 0 is a standard query.
const OPCODE: u8 = 0x78;
/// It was cut to fit a datagram.
const CUT: u8 = 0x02;
/// Mail exchange.
const MX: u16 = 15;
/// Naming authority pointer (RFC 3403 section 4).
const NAPTR: u16 = 35;
/// The Internet.
const IN: u16 = 1;
/// Octets of a name, with its lengths (section 2.3.4).
const NAME: usize = 255;
/// Octets of a label.
const LABEL: usize = 63;
/// Pointers that are followed in one name; each leads backwards.
const POINTERS: usize = 32;
/// Records of one answer that are read.
const RECORDS: usize = 64;

/// A question for records of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    octets: Vec<u8>,
}

impl Question {
    /// The question of this id for the mail exchangers of a domain; `None` where `domain` is none.
    pub(super) fn mx(id: u16, domain: &str) -> Option<Self> {
        Self::of(id, domain, MX)
    }

    /// The question of this id for the naming authority pointers of a domain; `None` where `domain`
    /// is none.
    pub(super) fn naptr(id: u16, domain: &str) -> Option<Self> {
        Self::of(id, domain, NAPTR)
    }

    fn of(id: u16, domain: &str, kind: u16) -> Option<Self> {
        let [high, low] = id.to_be_bytes();
        let mut octets = vec![high, low, RECURSE, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in domain.trim_end_matches('.').split('.') {
            let length = u8::try_from(label.len()).ok()?;
            let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
            if label.is_empty() || label.len() > LABEL || !label.bytes().all(plain) {
                return None;
            }
            octets.push(length);
            octets.extend_from_slice(label.as_bytes());
        }
        octets.push(0);
        if octets.len() > HEADER + NAME {
            return None;
        }
        octets.extend(kind.to_be_bytes());
        octets.extend(IN.to_be_bytes());
        Some(Self { octets })
    }

    /// What is sent.
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// What a name server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The response code (section 4.1.1): 0 is no error, 3 no such domain.
    pub(super) code: u8,
    /// Whether there is more than fitted.
    pub(super) is_cut: bool,
    /// Preference and name of each exchanger, without a dot at its end; an empty name is the root.
    pub(super) exchangers: Vec<(u16, String)>,
    /// Naming authority pointers, as they came.
    pub(super) pointers: Vec<Pointer>,
}

/// A naming authority pointer (RFC 3403 section 4.1), without its replacement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pointer {
    pub(super) order: u16,
    pub(super) preference: u16,
    pub(super) flags: String,
    pub(super) services: String,
    pub(super) regexp: String,
    /// Seconds for which it counts.
    pub(super) ttl: u32,
}

/// What one record says.
enum Record {
    Exchanger(u16, String),
    Pointer(Pointer),
    /// One that was not asked for, such as an alias.
    Other,
}

impl Reply {
    /// Reads an answer to `question`; `None` where it is none.
    pub(super) fn read(octets: &[u8], question: &Question) -> Option<Self> {
        let (head, _) = octets.split_first_chunk::<HEADER>()?;
        let (asked, _) = question.octets.split_first_chunk::<HEADER>()?;
        let [i0, i1, flags, codes, q0, q1, a0, a1, ..] = *head;
        let ours = [i0, i1] == [asked[0], asked[1]]
            && flags & RESPONSE != 0
            && flags & OPCODE == 0
            && [q0, q1] == [0, 1];
        // The question comes back as it was asked; servers may change the case of its letters.
        let echo = octets.get(HEADER..question.octets.len())?;
        if !ours || !echo.eq_ignore_ascii_case(question.octets.get(HEADER..)?) {
            return None;
        }
        let mut reply = Self {
            code: codes & 0x0F,
            is_cut: flags & CUT != 0,
            exchangers: Vec::new(),
            pointers: Vec::new(),
        };
        let mut at = question.octets.len();
        for _ in 0..usize::from(u16::from_be_bytes([a0, a1])).min(RECORDS) {
            // What is cut in the middle of a record is read again by other means.
            match record(octets, at) {
                Some((found, next)) => {
                    match found {
                        Record::Exchanger(preference, name) => {
                            reply.exchangers.push((preference, name));
                        }
                        Record::Pointer(pointer) => reply.pointers.push(pointer),
                        Record::Other => {}
                    }
                    at = next;
                }
                None if reply.is_cut => break,
                None => return None,
            }
        }
        Some(reply)
    }
}

/// The record at an octet, and where the next one begins. The owner of a record need not be the
/// name asked for: there may be aliases in between.
fn record(octets: &[u8], at: usize) -> Option<(Record, usize)> {
    let (_, at) = name(octets, at)?;
    let (head, _) = octets.get(at..)?.split_first_chunk::<10>()?;
    let [t0, t1, c0, c1, l0, l1, l2, l3, d0, d1] = *head;
    let data = at.checked_add(head.len())?;
    let end = data.checked_add(usize::from(u16::from_be_bytes([d0, d1])))?;
    let content = octets.get(data..end)?;
    let record = match (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([c0, c1])) {
        (MX, IN) => {
            let (preference, _) = content.split_first_chunk::<2>()?;
            let (exchange, behind) = name(octets, data.checked_add(2)?)?;
            if behind != end {
                return None;
            }
            Record::Exchanger(u16::from_be_bytes(*preference), exchange)
        }
        (NAPTR, IN) => Record::Pointer(pointer(content, u32::from_be_bytes([l0, l1, l2, l3]))?),
        _ => Record::Other,
    };
    Some((record, end))
}

fn pointer(content: &[u8], ttl: u32) -> Option<Pointer> {
    let (&[o0, o1, p0, p1], rest) = content.split_first_chunk::<4>()?;
    let (flags, rest) = text(rest)?;
    let (services, rest) = text(rest)?;
    let (regexp, rest) = text(rest)?;
    // The replacement is at least the root.
    let pointer = Pointer {
        order: u16::from_be_bytes([o0, o1]),
        preference: u16::from_be_bytes([p0, p1]),
        flags,
        services,
        regexp,
        // RFC 2181 section 8: one with its highest bit set is zero.
        ttl: i32::try_from(ttl).map_or(0, i32::unsigned_abs),
    };
    (!rest.is_empty()).then_some(pointer)
}

/// A character string (section 3.3), and what is behind it.
fn text(octets: &[u8]) -> Option<(String, &[u8])> {
    let (&length, rest) = octets.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((std::str::from_utf8(text).ok()?.to_owned(), rest))
}

/// The name at an octet, and where what is behind it begins (section 4.1.4).
fn name(octets: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut behind = None;
    let mut pointers = 0;
    loop {
        let length = *octets.get(at)?;
        let next = at.checked_add(1)?;
        match length {
            0 => return Some((text, behind.unwrap_or(next))),
            0xC0.. => {
                let low = *octets.get(next)?;
                behind = behind.or(next.checked_add(1));
                let to = usize::from(u16::from_be_bytes([length & 0x3F, low]));
                pointers += 1;
                if to >= at || pointers > POINTERS {
                    return None;
                }
                at = to;
            }
            0x40.. => return None,
            _ => {
                let end = next.checked_add(usize::from(length))?;
                let label = octets.get(next..end)?;
                if !text.is_empty() {
                    text.push('.');
                }
                // What is no letter, digit or hyphen is no host, and must not become one.
                for octet in label {
                    let plain = octet.is_ascii_alphanumeric() || b"-_".contains(octet);
                    text.push(if plain { char::from(*octet) } else { '?' });
                }
                if text.len() > NAME {
                    return None;
                }
                at = end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Header, question, and an answer with a compressed name.
    fn reply(question: &Question) -> Vec<u8> {
        let mut octets = question.octets().to_vec();
        octets[2] |= RESPONSE;
        octets[7] = 2;
        // An alias first: CNAME of the question's name.
        octets.extend([0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xC0, 16]);
        // mail.<example of the question>, preference 258.
        octets.extend([0xC0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 9, 1, 2]);
        octets.extend(b"\x04mail\xC0\x10");
        octets
    }

    #[test]
    fn a_question_is_what_the_standard_draws() {
        let question = Question::mx(0x1234, "far.example.").unwrap();
        let drawn = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03far\x07example\0\0\x0F\0\x01";
        assert_eq!(question.octets(), drawn);
        let long = format!("{}.example", "a".repeat(64));
        let deep = "a.".repeat(140);
        for wrong in ["", ".", "a..b", "a b", "a\0", "ä.example", &long, &deep] {
            assert_eq!(Question::mx(0, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn compressed_names_and_aliases_are_read() {
        let question = Question::mx(7, "far.example").unwrap();
        let read = Reply::read(&reply(&question), &question).unwrap();
        assert_eq!(read.code, 0);
        assert_eq!(read.exchangers, [(258, "mail.example".to_owned())]);
    }

    #[test]
    fn only_the_answer_to_the_question_is_one() {
        let question = Question::mx(7, "far.example").unwrap();
        let good = reply(&question);
        let other = Question::mx(7, "near.example").unwrap();
        assert_eq!(Reply::read(&good, &other), None);
        assert_eq!(
            Reply::read(&good, &Question::mx(8, "far.example").unwrap()),
            None
        );
        assert!(Reply::read(&good, &Question::mx(7, "FAR.example").unwrap()).is_some());
        assert_eq!(
            Reply::read(question.octets(), &question),
            None,
            "a question"
        );
    }

    #[test]
    fn names_that_lead_in_circles_are_none() {
        let question = Question::mx(7, "far.example").unwrap();
        let at = question.octets().len();
        let mut octets = reply(&question);
        // The alias' owner points at itself.
        octets[at] = 0xC0;
        octets[at + 1] = u8::try_from(at).unwrap();
        assert_eq!(Reply::read(&octets, &question), None);
    }

    /// Header, question, and two pointers of different order.
    fn pointers(question: &Question) -> Vec<u8> {
        let mut octets = question.octets().to_vec();
        octets[2] |= RESPONSE;
        octets[7] = 2;
        for (order, services) in [(200, "E2U+sip"), (100, "E2U+mms:mailto")] {
            let regexp = "!^.*$!mailto:x@far.example!";
            let mut data = vec![0, order, 0, 10, 1, b'u'];
            for text in [services, regexp] {
                data.push(u8::try_from(text.len()).unwrap());
                data.extend(text.bytes());
            }
            data.push(0);
            octets.extend([0xC0, 12, 0, 35, 0, 1, 0, 0, 1, 44, 0]);
            octets.push(u8::try_from(data.len()).unwrap());
            octets.extend(data);
        }
        octets
    }

    #[test]
    fn pointers_are_read_with_how_long_they_count() {
        let question = Question::naptr(7, "1.2.3.e164.example").unwrap();
        let read = Reply::read(&pointers(&question), &question).unwrap();
        assert_eq!(read.pointers.len(), 2);
        let least = read.pointers.iter().min().unwrap();
        assert_eq!((least.order, least.preference, least.ttl), (100, 10, 300));
        assert_eq!(least.flags, "u");
        assert_eq!(least.services, "E2U+mms:mailto");
        assert_eq!(least.regexp, "!^.*$!mailto:x@far.example!");
        let mut forged = pointers(&question);
        let length = forged.len();
        // A length of the last text that reaches past its record.
        forged[length - 29] = 200;
        assert_eq!(Reply::read(&forged, &question), None);
    }

    proptest! {
        #[test]
        fn pointers_are_read_or_refused(at in 0_usize..300, octet: u8, cut in 0_usize..120) {
            let question = Question::naptr(7, "1.2.3.e164.example").unwrap();
            let mut octets = pointers(&question);
            let length = octets.len();
            octets[at % length] = octet;
            octets.truncate(length - cut.min(length));
            if let Some(read) = Reply::read(&octets, &question) {
                prop_assert!(read.pointers.len() <= 2);
            }
        }

        #[test]
        fn whatever_comes_is_read_or_refused(
            at in 0_usize..200,
            octet: u8,
            cut in 0_usize..80,
        ) {
            let question = Question::mx(7, "far.example").unwrap();
            let mut octets = reply(&question);
            let length = octets.len();
            octets[at % length] = octet;
            octets.truncate(length - cut.min(length));
            if let Some(read) = Reply::read(&octets, &question) {
                prop_assert!(read.exchangers.len() <= 2);
                prop_assert!(read.exchangers.iter().all(|(_, name)| name.len() <= NAME));
            }
        }
    }
}

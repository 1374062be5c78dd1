//! Which subscriber an address means, and whether he is ours.

use crate::mms::address::{Address, Msisdn};

/// The fewest digits of an international number.
const SHORTEST: usize = 7;
/// The most (ITU-T E.164).
const LONGEST: usize = 15;

/// Which numbers are served here, and how national ones are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbering {
    /// Country code without `+`, for numbers in national form.
    pub country: Option<String>,
    /// Beginnings of the numbers that are served here, with `+`. None: all numbers are.
    pub local: Vec<String>,
}

impl Numbering {
    /// The number in its international form. `None` where it has none that can be told.
    #[must_use]
    pub fn international(&self, number: &Msisdn) -> Option<Msisdn> {
        let text = number.as_str();
        let digits = match (text.strip_prefix('+'), text.strip_prefix("00")) {
            (Some(digits), _) | (None, Some(digits)) => digits.to_owned(),
            (None, None) => match (text.strip_prefix('0'), &self.country) {
                (Some(national), Some(country)) => format!("{country}{national}"),
                (Some(_), None) => return None,
                (None, Some(country)) if !text.starts_with(country.as_str()) => {
                    format!("{country}{text}")
                }
                (None, _) => text.to_owned(),
            },
        };
        let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
        let possible = (SHORTEST..=LONGEST).contains(&digits.len()) && !digits.starts_with('0');
        (plain && possible)
            .then(|| Msisdn::parse(&format!("+{digits}")))
            .flatten()
    }

    /// The international number that an address means.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    pub fn number(&self, address: &str) -> Result<Msisdn, String> {
        let number = match Address::parse(address) {
            Some(Address::Msisdn(number)) => number,
            Some(Address::Email(_)) => {
                return Err("e-mail addresses are not served here".to_owned());
            }
            Some(Address::ShortCode(code)) => {
                return Err(format!("the short number {code} is not served here"));
            }
            Some(other) => return Err(format!("{other} is not served here")),
            None => return Err("a recipient has no address".to_owned()),
        };
        self.international(&number)
            .ok_or_else(|| format!("{number} is not an international number"))
    }

    /// The longest beginning of ours that an international number has: empty where all numbers
    /// are ours, `None` where this one is not.
    #[must_use]
    pub fn local_prefix(&self, number: &Msisdn) -> Option<&str> {
        if self.local.is_empty() {
            return Some("");
        }
        self.local
            .iter()
            .map(String::as_str)
            .filter(|prefix| number.as_str().starts_with(prefix))
            .max_by_key(|prefix| prefix.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn national() -> Numbering {
        Numbering {
            country: Some("49".to_owned()),
            local: vec!["+4917".to_owned()],
        }
    }

    #[test]
    fn one_subscriber_has_one_number_however_it_is_written() {
        for text in [
            "+491701234567",
            "00491701234567",
            "01701234567",
            "491701234567",
            "1701234567",
        ] {
            let number = Msisdn::parse(text).unwrap();
            let found = national().international(&number).unwrap();
            assert_eq!(found.as_str(), "+491701234567", "{text}");
        }
        let unknown = Numbering::default();
        let number = |text| unknown.international(&Msisdn::parse(text).unwrap());
        assert_eq!(number("15550001111").unwrap().as_str(), "+15550001111");
        for text in [
            "01701234567",
            "+0123456789",
            "+12345",
            "+1234567890123456",
            "*100#1234567",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn only_our_own_numbers_are_local() {
        let ours = national();
        let number = ours.number("0170 1234567/TYPE=PLMN").unwrap();
        assert_eq!(ours.local_prefix(&number), Some("+4917"));
        let other = ours.number("+441632960001/TYPE=PLMN").unwrap();
        assert_eq!(ours.local_prefix(&other), None);
        assert_eq!(Numbering::default().local_prefix(&other), Some(""));
        for text in ["a@b.example", "12345", "", "1.2.3.4/TYPE=IPv4"] {
            assert!(ours.number(text).is_err(), "{text}");
        }
    }
}

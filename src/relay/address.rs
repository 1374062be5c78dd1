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

/// Where a recipient is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// A subscriber of ours, by number.
    Local(Msisdn),
    /// Somebody whom nothing here reaches; the sentence says why.
    Nowhere(String),
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

    /// Where the owner of an address is.
    #[must_use]
    pub fn route(&self, address: &str) -> Route {
        let number = match Address::parse(address) {
            Some(Address::Msisdn(number)) => number,
            Some(Address::Email(_)) => {
                return Route::Nowhere("e-mail addresses are not served here".to_owned());
            }
            Some(Address::ShortCode(code)) => {
                return Route::Nowhere(format!("the short number {code} is not served here"));
            }
            Some(other) => return Route::Nowhere(format!("{other} is not served here")),
            None => return Route::Nowhere("a recipient has no address".to_owned()),
        };
        match self.international(&number) {
            None => Route::Nowhere(format!("{number} is not an international number")),
            Some(number) if self.is_local(&number) => Route::Local(number),
            Some(number) => Route::Nowhere(format!("{number} belongs to another network")),
        }
    }

    fn is_local(&self, number: &Msisdn) -> bool {
        self.local.is_empty()
            || self
                .local
                .iter()
                .any(|prefix| number.as_str().starts_with(prefix.as_str()))
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
        let route = |text| national().route(text);
        assert!(matches!(route("0170 1234567/TYPE=PLMN"), Route::Local(_)));
        for text in [
            "+441632960001/TYPE=PLMN",
            "a@b.example",
            "12345",
            "",
            "1.2.3.4/TYPE=IPv4",
        ] {
            assert!(matches!(route(text), Route::Nowhere(_)), "{text}");
        }
        let everybody = Numbering::default();
        assert!(matches!(everybody.route("+441632960001"), Route::Local(_)));
    }
}

//! The query of a request: names that the route knows, each once.

use super::answer::ApiError;
use crate::store::Millis;

/// What a query says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Reads a query of which only `names` may be in it. `+` is itself, as in a number; a space is
    /// written `%20`.
    ///
    /// # Errors
    /// A name that is not among them, comes twice, or a value that is not UTF-8.
    pub(super) fn parse(query: &str, names: &'static [&'static str]) -> Result<Self, ApiError> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name)?;
            let known = names.iter().find(|known| **known == name);
            let Some(known) = known else {
                let names = match names {
                    [] => "nothing".to_owned(),
                    names => names.join(", "),
                };
                let message = format!("{name:?} is not known here: the query may say {names}");
                return Err(ApiError::bad(message));
            };
            if found.iter().any(|(name, _)| name == known) {
                return Err(ApiError::bad(format!("{name} comes twice")));
            }
            found.push((known, decoded(value)?));
        }
        Ok(Self(found))
    }

    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a name, in the form of `T`.
    ///
    /// # Errors
    /// Where it is not in it.
    pub(super) fn parsed<T>(&self, name: &str, form: &str) -> Result<Option<T>, ApiError>
    where
        T: std::str::FromStr,
    {
        let parse = |value: &str| {
            value
                .parse()
                .map_err(|_| ApiError::bad(format!("{name}: {value:?} is no {form}")))
        };
        self.get(name).map(parse).transpose()
    }

    /// A moment: RFC 3339.
    ///
    /// # Errors
    /// Where it is none.
    pub(super) fn moment(&self, name: &str) -> Result<Option<Millis>, ApiError> {
        let moment: Option<jiff::Timestamp> =
            self.parsed(name, "moment such as 2026-01-31T12:00:00Z")?;
        Ok(moment.map(jiff::Timestamp::as_millisecond))
    }

    /// How many are wanted: `limit`, from 1 to `most`.
    ///
    /// # Errors
    /// Where it is no number or out of these bounds.
    pub(super) fn limit(&self, usual: usize, most: usize) -> Result<usize, ApiError> {
        match self.parsed("limit", "number")? {
            None => Ok(usual),
            Some(limit) if (1..=most).contains(&limit) => Ok(limit),
            Some(_) => Err(ApiError::bad(format!("limit is from 1 to {most}"))),
        }
    }
}

/// Text with each `%41` as what it stands for.
pub(super) fn decoded(text: &str) -> Result<String, ApiError> {
    let wrong = || ApiError::bad(format!("{text:?} is not percent-encoded UTF-8"));
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = after.get(..2).ok_or_else(wrong)?;
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            octets.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
            rest = after.get(2..).unwrap_or_default();
        } else {
            octets.push(*first);
            rest = after;
        }
    }
    String::from_utf8(octets).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["number", "limit", "since"];

    #[test]
    fn a_query_says_what_the_route_knows() {
        let query = Query::parse("number=+1555%2F2&limit=5&", NAMES).unwrap();
        assert_eq!(query.get("number"), Some("+1555/2"));
        assert_eq!(query.limit(50, 500).unwrap(), 5);
        assert_eq!(Query::default().limit(50, 500).unwrap(), 50);
        let moment = Query::parse("since=2023-11-14T22:13:20Z", NAMES).unwrap();
        assert_eq!(moment.moment("since").unwrap(), Some(1_700_000_000_000));
    }

    #[test]
    fn what_is_not_meant_is_refused() {
        for query in [
            "numbr=1",
            "number=1&number=2",
            "number=%zz",
            "number=%f",
            "number=%ff",
        ] {
            assert!(Query::parse(query, NAMES).is_err(), "{query}");
        }
        for query in ["limit=0", "limit=501", "limit=x", "limit=-1"] {
            let query = Query::parse(query, NAMES).unwrap();
            assert!(query.limit(50, 500).is_err());
        }
        let never = Query::parse("since=yesterday", NAMES).unwrap();
        assert!(never.moment("since").is_err());
    }
}

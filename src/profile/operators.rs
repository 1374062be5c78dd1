//! What operators allow, laid over what devices say of themselves.

use super::capabilities::{Capabilities, Source, Sourced};
use super::error::ProfileError;
use super::facts::{Facts, field, parse_dimensions, parse_toml, text};
use crate::dimensions::Dimensions;

/// The shipped overlays.
const OPERATORS: &str = include_str!("../../profiles/operators.tsv");

/// Classes whose limits only stand in for the operator's, since the phones in them tell none.
const LIMITED_BY_OPERATOR: [&str; 3] = ["android-generic", "ios-generic", "kaios"];

/// An operator's overlay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operator {
    /// The id, such as `att` or `mcc262-mnc07`.
    pub id: String,
    /// The name.
    pub name: String,
    /// Mobile country and network codes, such as `310410`.
    pub networks: Vec<String>,
    /// What the overlay says of every device on the network.
    pub facts: Facts,
    /// Recipients that one message may have.
    pub recipients: Option<u32>,
    /// Characters that a subject may have.
    pub subject: Option<u32>,
    /// Whether a limit of the overlay counts even where it lets a device take more than the device
    /// itself says.
    pub raise: bool,
}

impl Operator {
    /// The shipped operator with this id or this network code.
    ///
    /// # Errors
    ///
    /// An id that no operator has.
    pub fn by_id(id: &str) -> Result<Self, ProfileError> {
        let rows = || OPERATORS.lines().filter(|line| !line.starts_with('#'));
        rows()
            .find(|line| line.split('\t').next() == Some(id))
            .or_else(|| {
                rows().find(|line| {
                    line.split('\t')
                        .nth(2)
                        .is_some_and(|codes| codes.split(',').any(|c| c == id))
                })
            })
            .map(parse)
            .ok_or_else(|| ProfileError::UnknownOperator(id.to_owned()))
    }

    /// Reads an overlay from TOML: the keys of a class file, and `name`, `networks`, `recipients`,
    /// `subject` and `raise`.
    ///
    /// # Errors
    ///
    /// Text that is no TOML, an unknown key, a value of the wrong form.
    pub fn from_toml(id: &str, toml: &str) -> Result<Self, ProfileError> {
        const OWN: [&str; 5] = ["name", "networks", "recipients", "subject", "raise"];
        let table = parse_toml(toml)?;
        let [name, networks, recipients, subject, raise] = OWN.map(|key| table.get(key));
        Ok(Self {
            id: id.to_owned(),
            name: name.map_or(Ok(String::new()), |v| text("name", v))?,
            networks: networks.map_or(Ok(Vec::new()), |v| field("networks", v))?,
            facts: Facts::from_table(&table, &OWN)?,
            recipients: recipients.map(|v| field("recipients", v)).transpose()?,
            subject: subject.map(|v| field("subject", v)).transpose()?,
            raise: raise.map_or(Ok(false), |v| field("raise", v))?,
        })
    }

    /// Every shipped operator, by ascending id.
    pub fn all() -> impl Iterator<Item = Self> {
        OPERATORS
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(parse)
    }

    /// Lays the overlay over a device. It wins over everything the device says, but for its
    /// limits: an operator cannot make a phone bigger than it is, so the smaller size and the
    /// smaller box count, unless the overlay says `raise` or the device's limit is that of a class
    /// of phones that leave it to the operator.
    pub fn apply(&self, device: &mut Capabilities) {
        let source = Source::Operator(self.id.clone());
        let mut facts = self.facts.clone();
        let free = |told: &Source| self.raise || is_placeholder(told);
        if let (Some(theirs), Some(ours)) = (facts.max_message_size, &device.max_message_size)
            && !free(&ours.source)
            && ours.value < theirs
        {
            facts.max_message_size = None;
        }
        let theirs = facts.max_image.take();
        device.replace(&facts, &source);
        if let Some(theirs) = theirs {
            let smaller = match &device.max_image {
                Some(ours) if !free(&ours.source) => {
                    Some(smaller_box(ours.value, theirs)).filter(|smaller| *smaller != ours.value)
                }
                _ => Some(theirs),
            };
            if let Some(smaller) = smaller {
                device.max_image = Some(Sourced::new(smaller, source));
            }
        }
    }
}

/// The largest box that both boxes hold, turned like the first.
fn smaller_box(one: Dimensions, other: Dimensions) -> Dimensions {
    let other = other.oriented_like(one);
    Dimensions::new(one.width.min(other.width), one.height.min(other.height))
}

fn is_placeholder(source: &Source) -> bool {
    matches!(source, Source::Class(id) if LIMITED_BY_OPERATOR.contains(&id.as_str()))
}

fn parse(line: &str) -> Operator {
    let mut columns = line.split('\t');
    let mut next = || columns.next().unwrap_or_default();
    let (id, name, networks) = (next(), next(), next());
    let facts = Facts {
        max_message_size: next().parse().ok(),
        max_image: parse_dimensions(next()),
        ..Facts::default()
    };
    Operator {
        id: id.to_owned(),
        name: name.to_owned(),
        networks: networks
            .split(',')
            .filter(|c| !c.is_empty())
            .map(str::to_owned)
            .collect(),
        facts,
        recipients: next().parse().ok(),
        subject: next().parse().ok(),
        raise: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Class;

    fn device(id: &str) -> Capabilities {
        Class::by_id(id).unwrap().unwrap().capabilities()
    }

    #[test]
    fn every_line_is_an_operator() {
        let ids: Vec<String> = Operator::all().map(|o| o.id).collect();
        assert!(ids.len() > 150 && ids.is_sorted());
        for operator in Operator::all() {
            let limits = !operator.facts.is_empty() || operator.recipients.is_some();
            assert!(limits && !operator.name.is_empty(), "{operator:?}");
            assert_eq!(Operator::by_id(&operator.id), Ok(operator));
        }
    }

    #[test]
    fn operators_are_found_by_network_too() {
        assert_eq!(Operator::by_id("310410").unwrap().id, "att");
        assert!(matches!(
            Operator::by_id("nobody"),
            Err(ProfileError::UnknownOperator(_))
        ));
    }

    #[test]
    fn limits_lower_and_never_raise_a_real_device() {
        let att = Operator::by_id("att").unwrap();
        let mut small = device("mono-wbmp");
        let before = small.clone();
        att.apply(&mut small);
        assert_eq!(small, before);
        let mut large = device("max-observed");
        att.apply(&mut large);
        assert_eq!(
            large.max_message_size,
            Some(Sourced::new(1_048_576, Source::Operator("att".into())))
        );
        let image = large.max_image.unwrap();
        assert_eq!(image.value, Dimensions::new(2592, 1840));
        assert_eq!(image.source, Source::Operator("att".into()));
    }

    #[test]
    fn classes_without_limits_of_their_own_take_the_operators() {
        let mut phone = device("android-generic");
        Operator::by_id("att").unwrap().apply(&mut phone);
        assert_eq!(phone.max_message_size.unwrap().value, 1_048_576);
        assert_eq!(phone.max_image.unwrap().value, Dimensions::new(2592, 1944));
    }

    #[test]
    fn other_values_and_raised_limits_replace() {
        let mut phone = device("mono-wbmp");
        let overlay = Operator::from_toml(
            "o",
            "networks = [\"00101\"]\nraise = true\nmax_message_size = 99999\nsuppress_adaptation = true",
        )
        .unwrap();
        assert_eq!(overlay.networks, ["00101"]);
        assert!(Operator::from_toml("o", "raise = 1").is_err());
        overlay.apply(&mut phone);
        assert_eq!(phone.max_message_size.unwrap().value, 99_999);
        assert_eq!(
            phone.suppress_adaptation.unwrap().source,
            Source::Operator("o".into())
        );
    }
}

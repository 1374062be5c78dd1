//! UAProf documents (WAP-248, OMA UAProf 1.1 and 2.0) as vendors really publish them.
//!
//! A real RDF reader would reject many profiles that a person reads without trouble, so this one
//! goes by element names alone: namespaces, components and container types are hints at most.

mod facts;
mod merge;
mod read;
#[cfg(test)]
mod tests;
pub mod vocabulary;
mod xml;

pub use merge::merge;
pub use read::read;

use vocabulary::{Resolution, definition, same_name};

/// The attributes of one UAProf document, in the order of the document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UaProf {
    /// Every attribute that has a value or an empty container.
    pub attributes: Vec<Attribute>,
    /// Documents whose values stand in where this one is silent.
    pub defaults: Vec<String>,
    /// Where the document says it is served, if it says so.
    pub url: Option<String>,
}

/// One attribute of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The schema's spelling of the name where a schema knows it, else the document's.
    pub name: String,
    /// The component it stands in, where one is told.
    pub component: Option<String>,
    /// The literal, or the items of the container.
    pub values: Vec<String>,
    /// Whether it is a default only.
    pub default: bool,
}

impl UaProf {
    /// The values of an attribute, merged by the rule its schema states over all components of
    /// the document; defaults count where nothing else does. `None` where it is missing.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<Vec<&str>> {
        self.merged(name, false).or_else(|| self.merged(name, true))
    }

    /// The first value of an attribute.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name)?.first().copied()
    }

    /// The values of every occurrence of an attribute, for lists that documents spread over several
    /// elements.
    #[must_use]
    pub fn all_values(&self, name: &str) -> Option<Vec<&str>> {
        let mut found = self
            .attributes
            .iter()
            .filter(|a| same_name(&a.name, name))
            .peekable();
        found.peek()?;
        Some(
            found
                .flat_map(|a| a.values.iter().map(String::as_str))
                .collect(),
        )
    }

    fn merged(&self, name: &str, default: bool) -> Option<Vec<&str>> {
        let mut found = self
            .attributes
            .iter()
            .filter(|a| a.default == default && same_name(&a.name, name));
        let rule = definition(name).map_or(Resolution::Override, |d| d.resolution);
        match rule {
            Resolution::Locked => found
                .clone()
                .find(|a| !a.values.is_empty())
                .or_else(|| found.next())
                .map(|a| a.values.iter().map(String::as_str).collect()),
            Resolution::Override => found
                .next_back()
                .map(|a| a.values.iter().map(String::as_str).collect()),
            Resolution::Append => {
                let mut found = found.peekable();
                found.peek()?;
                Some(
                    found
                        .flat_map(|a| a.values.iter().map(String::as_str))
                        .collect(),
                )
            }
        }
    }
}

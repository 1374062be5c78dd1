//! Where a configuration comes from: a file, and what the environment lays over it.

use std::path::PathBuf;

use toml::{Table, Value};

use super::{Config, ConfigError, DatabaseUrl, place};

/// The beginning of the names of variables that count.
const PREFIX: &str = "REMOLD_";
/// Parts of key names whose values are nobody's business.
const SECRET: [&str; 7] = [
    "token", "secret", "password", "sha256", "key_file", "api_key", "hmac",
];

/// What a configuration was made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Source {
    /// The file, where there is one.
    pub path: Option<PathBuf>,
    /// What was written, without what is assumed.
    pub table: Table,
}

/// A key whose value differs between two configurations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Table and key, such as `delivery.retry_attempts`.
    pub key: String,
    /// What it was, as TOML; `None` where it was not written.
    pub was: Option<String>,
    /// What it is.
    pub is: Option<String>,
}

impl Config {
    /// Reads a configuration and lays variables over it: `REMOLD_MM1__LISTEN` is `listen` of
    /// `[mm1]`. A value is read as TOML where the key takes it so, else as the text it is.
    ///
    /// # Errors
    /// The first mistake in it; one of the environment names its variable.
    pub fn from_parts(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut config = Self::parse(text)?;
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError {
            place: error.span().map(|span| place(text, span.start)),
            message: error.message().replace('\n', " "),
        })?;
        let mut variables: Vec<(String, String)> = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with(PREFIX) && name.contains("__"))
            .collect();
        if variables.is_empty() {
            config.check(Some(text))?;
        } else {
            variables.sort();
            for (name, value) in &variables {
                lay_over(&mut table, name, value)?;
            }
            let written = toml::to_string(&table).unwrap_or_default();
            config = Self::parse(&written).map_err(ConfigError::placeless)?;
            config.check(None)?;
        }
        config.source.table = table;
        Ok(config)
    }

    /// The configuration as it counts, as TOML: what was written, and what is assumed for the rest.
    /// Secrets are left out.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut table = Table::try_from(self).unwrap_or_default();
        for (name, written) in &self.source.table {
            // Interfaces that hold secrets of third parties show what was written and no more.
            table.entry(name).or_insert_with(|| written.clone());
        }
        let mut shown = Value::Table(table);
        mask(&mut shown);
        toml::to_string(&shown).unwrap_or_default()
    }

    /// The keys in which two configurations differ. Secrets are left out of the values.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let flat = |config: &Self| {
            let mut table = Value::Table(config.source.table.clone());
            let real = flatten(&table);
            mask(&mut table);
            (real, flatten(&table))
        };
        let ((was, was_shown), (is, is_shown)) = (flat(self), flat(other));
        let keys: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        keys.into_iter()
            .filter(|key| was.get(*key) != is.get(*key))
            .map(|key| Difference {
                key: key.clone(),
                was: was_shown.get(key).cloned(),
                is: is_shown.get(key).cloned(),
            })
            .collect()
    }
}

/// Sets the key that a variable names.
fn lay_over(table: &mut Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let wrong = |message: String| ConfigError {
        place: None,
        message: format!("{name}: {message}"),
    };
    let path = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase();
    let keys: Vec<&str> = path.split("__").collect();
    let typed = format!("v = {value}").parse::<Table>().ok();
    let typed = typed.and_then(|mut table| table.remove("v"));
    let text = Value::String(value.to_owned());
    // Alone, every key is a whole configuration: so it is seen which way it is meant.
    let fits = |value: &Value| {
        let mut alone = Table::new();
        set(&mut alone, &keys, value.clone()).is_ok_and(|()| {
            let written = toml::to_string(&alone).unwrap_or_default();
            Config::parse(&written).is_ok()
        })
    };
    let value = match typed {
        Some(typed) if fits(&typed) => typed,
        _ => text,
    };
    let mut alone = Table::new();
    set(&mut alone, &keys, value.clone()).map_err(wrong)?;
    let written = toml::to_string(&alone).unwrap_or_default();
    Config::parse(&written).map_err(|error| wrong(error.message))?;
    set(table, &keys, value).map_err(wrong)
}

fn set(table: &mut Table, keys: &[&str], value: Value) -> Result<(), String> {
    match keys {
        [] => Ok(()),
        [last] => {
            table.insert((*last).to_owned(), value);
            Ok(())
        }
        [first, rest @ ..] => {
            let inner = table
                .entry(*first)
                .or_insert_with(|| Value::Table(Table::new()));
            match inner {
                Value::Table(inner) => set(inner, rest, value),
                _ => Err(format!("{first} is no table")),
            }
        }
    }
}

/// Replaces the values of keys that sound like secrets, and passwords in URLs of databases. In
/// `identity.tokens` the keys are secrets.
fn mask(value: &mut Value) {
    match value {
        Value::Table(table) => {
            for (name, value) in table.iter_mut() {
                let secret = SECRET.iter().any(|part| name.contains(part));
                match value {
                    Value::String(text) if secret => "…".clone_into(text),
                    Value::String(text) if text.starts_with("postgres") => {
                        *text = DatabaseUrl::mask(text);
                    }
                    Value::Table(inner) if secret => {
                        let count = inner.len();
                        *value = Value::String(format!("… ({count})"));
                    }
                    other => mask(other),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        _ => {}
    }
}

fn flatten(value: &Value) -> std::collections::BTreeMap<String, String> {
    fn walk(value: &Value, path: &str, into: &mut std::collections::BTreeMap<String, String>) {
        match value {
            Value::Table(table) => {
                for (name, value) in table {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(value, &format!("{path}{dot}{name}"), into);
                }
            }
            other => {
                into.insert(path.to_owned(), other.to_string());
            }
        }
    }
    let mut flat = std::collections::BTreeMap::new();
    walk(value, "", &mut flat);
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_parts(text, owned)
    }

    #[test]
    fn the_environment_lies_over_the_file() {
        let config = with(
            "[mm1]\nlisten = \"127.0.0.1:1\"\n[delivery]\nexpiry_hours = 5",
            &[
                ("REMOLD_MM1__LISTEN", "127.0.0.1:9"),
                ("REMOLD_NUMBERING__COUNTRY", "49"),
                ("REMOLD_NUMBERING__LOCAL", "[\"+4917\"]"),
                ("REMOLD_DELIVERY__RETRY_ATTEMPTS", "3"),
                ("REMOLD_NUMBER", "not ours"),
                ("PATH", "/bin"),
            ],
        )
        .unwrap();
        assert_eq!(config.mm1.listen.get_ref().port(), 9);
        let terms = config.terms(String::new());
        assert_eq!(terms.numbering.country.as_deref(), Some("49"));
        assert_eq!(terms.numbering.local, ["+4917"]);
        assert_eq!(terms.retry.attempts, 3);
        assert_eq!(terms.expiry, 5 * 3_600_000);
    }

    #[test]
    fn a_mistake_in_the_environment_names_its_variable() {
        let error = with("", &[("REMOLD_MM1__LISTEN", "nowhere")]).unwrap_err();
        assert!(error.message.starts_with("REMOLD_MM1__LISTEN: "), "{error}");
        assert_eq!(error.place, None);
        let error = with("", &[("REMOLD_MM1__LISTENS", "1")]).unwrap_err();
        assert!(error.message.contains("unknown field"), "{error}");
        let error = with(
            "[mm1]\nlisten = 3",
            &[("REMOLD_DELIVERY__EXPIRY_HOURS", "3")],
        );
        assert_eq!(error.unwrap_err().place, Some((2, 10)));
    }

    #[test]
    fn what_is_shown_is_whole_and_holds_no_secret() {
        let text = "[identity.tokens]\n0123456789abcdef = \"+15550001111\"\n\
                    [[admin.tokens]]\nname = \"alice\"\nrole = \"viewer\"\nsha256 = \"";
        let text = format!("{text}{}\"", "ab".repeat(32));
        let config = with(&text, &[]).unwrap();
        let shown = config.shown();
        assert!(shown.contains("retry_attempts = "), "{shown}");
        assert!(shown.contains("name = \"alice\""), "{shown}");
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
        assert!(!shown.contains("abab"), "{shown}");
    }

    #[test]
    fn differences_are_told_by_key() {
        let was = with("[delivery]\nexpiry_hours = 5", &[]).unwrap();
        let is = with("[delivery]\nexpiry_hours = 6\n[log]\nlevel = \"warn\"", &[]).unwrap();
        let differences = was.differences(&is);
        assert_eq!(
            differences[0],
            Difference {
                key: "delivery.expiry_hours".to_owned(),
                was: Some("5".to_owned()),
                is: Some("6".to_owned()),
            }
        );
        assert_eq!(differences[1].key, "log.level");
        assert_eq!(differences[1].was, None);
        assert!(was.differences(&was).is_empty());
    }
}

//! `[store]`: where messages are kept.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use toml::Spanned;

use super::{BaseUrl, CaFile, Secret};

/// `[store]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreTable {
    /// The folder: of the whole store, or of what is this node's alone where there is a database.
    /// It is made where it is not there.
    pub folder: PathBuf,
    /// The database that nodes share; where it is missing, this node is the only one.
    pub database: Option<Spanned<DatabaseUrl>>,
    /// Its password, where the URL holds none.
    #[serde(skip_serializing)]
    pub database_password: Option<Secret>,
    /// Certificates of the authorities that vouch for the database, beside those of the web.
    #[serde(skip_serializing)]
    pub database_ca_file: Option<CaFile>,
    /// The bucket for bodies too large for a row; where it is missing, all of them are rows.
    pub bodies: Option<Spanned<BucketUrl>>,
    /// The service that has the bucket, where it is not Amazon's.
    pub bodies_endpoint: Option<BaseUrl>,
    /// The region of the bucket.
    pub bodies_region: Option<String>,
    /// Id of the access key; without one that of the environment or of the machine's role counts.
    pub bodies_key_id: Option<String>,
    /// The secret of the access key.
    #[serde(skip_serializing)]
    pub bodies_secret: Option<Secret>,
}

impl Default for StoreTable {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("remold-data"),
            database: None,
            database_password: None,
            database_ca_file: None,
            bodies: None,
            bodies_endpoint: None,
            bodies_region: None,
            bodies_key_id: None,
            bodies_secret: None,
        }
    }
}

impl StoreTable {
    /// Where the messages are, in front of people.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.database {
            Some(database) => database.get_ref().masked(),
            None => self.folder.display().to_string(),
        }
    }

    /// What is wrong with the keys beside each other, and where.
    pub(super) fn check(&self) -> Result<(), (usize, String)> {
        let Some(bodies) = &self.bodies else {
            return Ok(());
        };
        let wrong = |message: &str| Err((bodies.span().start, message.to_owned()));
        if self.database.is_none() {
            return wrong(
                "bodies in a bucket need store.database: a single node keeps them in files",
            );
        }
        if self.bodies_key_id.is_some() != self.bodies_secret.is_some() {
            return wrong("store.bodies_key_id and store.bodies_secret need each other");
        }
        Ok(())
    }
}

/// URL of a PostgreSQL database.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL, with its password.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The URL without its password.
    #[must_use]
    pub fn masked(&self) -> String {
        Self::mask(&self.0)
    }

    pub(super) fn mask(url: &str) -> String {
        let Some((scheme, rest)) = url.split_once("://") else {
            return "…".to_owned();
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // The parameters of a URL may hold a password as well.
        let path = path.split('?').next().unwrap_or_default();
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or_default();
                format!("{scheme}://{user}@{host}{path}")
            }
            None => format!("{scheme}://{authority}{path}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.masked())
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !["postgresql://", "postgres://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            return Err(D::Error::custom(
                "a database is written as postgresql://user@host/name",
            ));
        }
        readable(&text).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

/// Whether the store can read a URL.
#[cfg(feature = "postgres")]
fn readable(text: &str) -> Result<(), String> {
    crate::store::PostgresStore::check_url(text).map_err(|error| error.to_string())
}

/// Whether the store can read a URL.
#[cfg(not(feature = "postgres"))]
fn readable(_: &str) -> Result<(), String> {
    Err("this program was built without the feature postgres".to_owned())
}

/// URL of a bucket: `s3://NAME` or `s3://NAME/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketUrl {
    /// The bucket.
    pub name: String,
    /// What the names of objects begin with; empty for nothing.
    pub prefix: String,
}

impl Serialize for BucketUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("s3://{}/{}", self.name, self.prefix))
    }
}

impl<'de> Deserialize<'de> for BucketUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let rest = text.strip_prefix("s3://");
        let (name, prefix) = rest
            .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
            .filter(|(name, _)| {
                // What S3 allows, so that a name is nothing but a name.
                (3..=63).contains(&name.len())
                    && name
                        .bytes()
                        .all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet))
            })
            .ok_or_else(|| {
                D::Error::custom("a bucket is written as s3://name or s3://name/prefix")
            })?;
        if cfg!(not(feature = "s3")) {
            return Err(D::Error::custom(
                "this program was built without the feature s3",
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::server::Config;

    fn wrong(text: &str) -> (Option<(usize, usize)>, String) {
        let error = Config::from_toml(text).unwrap_err();
        (error.place, error.message)
    }

    #[test]
    #[cfg(feature = "postgres")]
    fn a_password_is_not_shown() {
        let text = "[store]\ndatabase = \"postgresql://mms:geheim@db:5432/mms?sslmode=require\"\n";
        let config = Config::from_parts(text, []).unwrap();
        let shown = config.shown();
        assert!(shown.contains("postgresql://mms@db:5432/mms"), "{shown}");
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(!format!("{config:?}").contains("DatabaseUrl(postgresql://mms:geheim"));
        let other = Config::from_parts("", []).unwrap();
        let differences = format!("{:?}", config.differences(&other));
        assert!(!differences.contains("geheim"), "{differences}");
    }

    #[test]
    fn what_is_shown_of_a_url_is_where_it_leads() {
        for (url, shown) in [
            ("postgresql://host/mms", "postgresql://host/mms"),
            ("postgres://a:b@c:d@host:1/mms", "postgres://a@host:1/mms"),
            ("postgresql:///mms?password=b", "postgresql:///mms"),
            ("postgresql", "…"),
        ] {
            assert_eq!(super::DatabaseUrl::mask(url), shown);
        }
    }

    #[test]
    fn without_a_database_the_store_is_its_folder() {
        let config = Config::from_toml("[store]\nfolder = \"/srv\"").unwrap();
        assert_eq!(config.store.place(), "/srv");
    }

    #[test]
    #[cfg(feature = "s3")]
    fn a_bucket_may_be_shared_with_others() {
        let text = "[store]\ndatabase = \"postgresql://a/b\"\nbodies = \"s3://mms/site/one/\"";
        let config = Config::from_toml(text).unwrap();
        let bodies = config.store.bodies.unwrap().into_inner();
        assert_eq!(
            (bodies.name.as_str(), bodies.prefix.as_str()),
            ("mms", "site/one")
        );
    }

    #[test]
    fn mistakes_are_found_where_they_are() {
        let (place, message) = wrong("[store]\ndatabase = \"mysql://a\"");
        assert_eq!(place, Some((2, 12)), "{message}");
        assert_eq!(wrong("[store]\nbodies = \"s3://\"").0, Some((2, 10)));
        assert_eq!(wrong("[store]\nbodies = \"s3://mms\"").0, Some((2, 10)));
        assert_eq!(wrong("[store]\nbodies = \"file:///a\"").0, Some((2, 10)));
        assert_eq!(
            wrong("[store]\ndatabase = \"postgresql://a/b?what=1\"").0,
            Some((2, 12))
        );
    }
}

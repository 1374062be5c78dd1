//! A connection to the database, and what can go wrong on it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, Config, Connection, Row, Socket, Statement};

use super::Settings;
use super::tls::{Stream, Tls};
use crate::store::StoreError;

/// Time to reach the server.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection without an octet is asked after this whether its other end is there.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Sent on every new connection. A node that is stopped in the middle of a transaction must not
/// keep the rows of others locked.
const PREPARE: &str = "SET statement_timeout = 20000; SET lock_timeout = 10000; \
    SET idle_in_transaction_session_timeout = 10000; SET synchronous_commit = on; \
    SET client_min_messages = warning";

/// How to reach the database.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    tls: Tls,
}

/// Why a verb's statements came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// The verb's answer is an error, and it wrote nothing.
    Told(StoreError),
    /// The verb's answer is an error, and what it wrote must not stay.
    Undo(StoreError),
    /// The database or the way to it failed.
    Database(tokio_postgres::Error),
    /// The database said nothing for too long.
    Silent,
    /// A row holds what no version of this program writes.
    Row(String),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl Failure {
    /// Whether the same may succeed when it is tried again.
    pub(super) fn passes(&self) -> bool {
        let error = match self {
            Self::Database(error) => error,
            Self::Silent => return true,
            Self::Told(_) | Self::Undo(_) | Self::Row(_) => return false,
        };
        let Some(state) = error.code() else {
            // It did not come from the database: the connection broke.
            return true;
        };
        let class = state.code().get(..2).unwrap_or_default();
        // Connection exceptions, transaction rollbacks, a transaction that another's mistake
        // ended, resources, an operator's intervention, and the system.
        matches!(class, "08" | "25" | "40" | "53" | "57" | "58")
            || *state == SqlState::LOCK_NOT_AVAILABLE
    }

    /// As an answer of the store.
    pub(super) fn error(&self) -> StoreError {
        match self {
            Self::Told(error) | Self::Undo(error) => error.clone(),
            Self::Database(error) => database(error),
            Self::Silent => StoreError::Database("it does not answer".to_owned()),
            Self::Row(what) => StoreError::Database(what.clone()),
        }
    }
}

/// Reads the URL of a database.
pub(super) fn read(url: &str) -> Result<Config, StoreError> {
    url.parse()
        .map_err(|error: tokio_postgres::Error| database(&error))
}

/// What the database says, as ours.
pub(super) fn database(error: &tokio_postgres::Error) -> StoreError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    StoreError::Database(text)
}

impl Target {
    pub(super) fn new(settings: &Settings) -> Result<Self, StoreError> {
        let mut config = read(&settings.database)?;
        if let (Some(password), None) = (&settings.password, config.get_password()) {
            config.password(password);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("remold");
        }
        config.keepalives_idle(KEEPALIVE);
        config.keepalives_interval(KEEPALIVE);
        config.keepalives_retries(2);
        Ok(Self {
            config,
            tls: Tls::new(settings.roots.clone())?,
        })
    }

    /// Connects. The connection has to be driven by the caller.
    pub(super) async fn connect(
        &self,
    ) -> Result<(Client, Connection<Socket, Stream>), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }

    /// Connects, on the runtime of this thread.
    pub(super) async fn open(&self) -> Result<Session, Failure> {
        let (client, connection) = self.connect().await?;
        // It ends when the client is dropped, or with the error that the next statement tells of.
        tokio::spawn(connection);
        client.batch_execute(PREPARE).await?;
        Ok(Session {
            client,
            prepared: RefCell::default(),
        })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                tokio_postgres::config::Host::Tcp(name) => name.clone(),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let name = self.config.get_dbname().unwrap_or("?");
        write!(f, "{name} on {}", hosts.join(","))
    }
}

/// An open connection, with the statements that were prepared on it.
pub(super) struct Session {
    client: Client,
    prepared: RefCell<HashMap<&'static str, Statement>>,
}

impl Session {
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements that give nothing.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// The rows of a statement that is worth preparing.
    pub(super) async fn rows(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.statement(sql).await?;
        Ok(self.client.query(&statement, params).await?)
    }

    /// The rows of a statement that was put together.
    pub(super) async fn rows_of(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        Ok(self.client.query(sql, params).await?)
    }

    /// Gives `work` each row of a statement, one after another.
    pub(super) async fn each(
        &self,
        sql: &str,
        mut work: impl FnMut(&Row) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let none: [&(dyn ToSql + Sync); 0] = [];
        let rows = self.client.query_raw(sql, none).await?;
        let mut rows = std::pin::pin!(rows);
        while let Some(row) = rows.next().await {
            work(&row?)?;
        }
        Ok(())
    }

    /// Prepares a statement that was put together.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Failure> {
        Ok(self.client.prepare(sql).await?)
    }

    /// How many rows such a statement changed.
    pub(super) async fn execute_prepared(
        &self,
        statement: &Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Failure> {
        Ok(self.client.execute(statement, params).await?)
    }

    /// The only row, if there is one.
    pub(super) async fn row(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// The first column of the only row.
    pub(super) async fn one<T: FromSqlOwned>(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<T, Failure> {
        match self.row(sql, params).await? {
            Some(row) => Ok(row.try_get(0)?),
            None => Err(Failure::Row("a row is missing".to_owned())),
        }
    }

    /// A count.
    pub(super) async fn count(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<i64, Failure> {
        self.one(sql, params).await
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Failure> {
        let statement = self.statement(sql).await?;
        Ok(self.client.execute(&statement, params).await?)
    }

    async fn statement(&self, sql: &'static str) -> Result<Statement, Failure> {
        let known = self.prepared.borrow().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared.borrow_mut().insert(sql, statement.clone());
        Ok(statement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, password: Option<&str>) -> Target {
        Target::new(&Settings {
            database: url.to_owned(),
            password: password.map(str::to_owned),
            roots: None,
            objects: None,
        })
        .unwrap()
    }

    #[test]
    fn a_target_is_told_without_its_password() {
        let told = target("postgresql://a:geheim@one,two:1/mms", None).to_string();
        assert_eq!(told, "mms on one,two");
    }

    #[test]
    fn a_password_of_the_url_counts_more_than_one_beside_it() {
        let beside = target("postgresql://a@host/mms", Some("beside"));
        assert_eq!(beside.config.get_password(), Some(&b"beside"[..]));
        let both = target("postgresql://a:inside@host/mms", Some("beside"));
        assert_eq!(both.config.get_password(), Some(&b"inside"[..]));
    }

    #[test]
    fn a_url_that_cannot_be_read_says_why() {
        let error = read("postgresql://host/mms?sslmode=perhaps").unwrap_err();
        assert!(error.to_string().contains("sslmode"), "{error}");
    }

    #[test]
    fn what_a_verb_answers_is_not_tried_again() {
        assert!(Failure::Silent.passes());
        assert!(!Failure::Told(StoreError::Stale).passes());
        assert!(!Failure::Undo(StoreError::Collision).passes());
        assert!(!Failure::Row("odd".to_owned()).passes());
        assert_eq!(Failure::Told(StoreError::Stale).error(), StoreError::Stale);
    }
}

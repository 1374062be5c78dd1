//! One store for any number of equal nodes: rows in PostgreSQL, and bodies too large for a row in
//! S3 where a bucket is named.
//!
//! A verb is one statement, so it costs one round trip. A few threads write and a few read; each
//! has a connection and takes all verbs that wait into one transaction, up to a bound. The state
//! that nodes share is in rows alone: a node holds none that another would have to ask for.
//!
//! Statements keep to what CockroachDB and YugabyteDB understand as well, and to the time that the
//! caller brings. What only PostgreSQL has, telling other nodes of new work, may fail.

mod boxes;
mod connect;
mod import;
mod jobs;
mod outbox;
mod pool;
mod query;
mod schema;
mod search;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
mod tls;
mod verbs;
mod wake;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use self::connect::Target;
pub use self::import::{Moved, import};
pub use self::jobs::{JobRow, Jobs, NewJob, Share};
pub use self::pool::CommitWatch;
use self::pool::{Pool, Use};
use self::query::sql;
use self::wake::Waker;
use super::StoreError;
use super::fault::{Asked, Faults};
use super::objects::Objects;

/// Connections that write: while one commits, the other collects what comes.
const WRITERS: usize = 2;
/// Connections that read.
const READERS: usize = 2;

/// Where a store of many nodes is.
#[derive(Clone)]
pub struct Settings {
    /// `postgresql://user:password@host/database?sslmode=require`, with the parameters of libpq.
    pub database: String,
    /// Its password, where the URL holds none.
    pub password: Option<String>,
    /// Authorities that vouch for the server; `None` for those of the web.
    pub roots: Option<Arc<rustls::RootCertStore>>,
    /// Where large bodies are kept; `None` for rows.
    pub objects: Option<Objects>,
}

/// A store that nodes share.
pub struct PostgresStore {
    writers: Pool,
    readers: Pool,
    objects: Option<Objects>,
    faults: Asked,
    waker: Option<Waker>,
    /// What this node is called in leases and charging records.
    node: Arc<str>,
    target: Target,
    /// Held until the store is dropped: no other process is this node.
    _lock: File,
}

impl PostgresStore {
    /// Opens the store for the node whose own files are in `folder`, which is made where it is not
    /// there. Gives it with how much work of this node was under way when it ended last, and is
    /// due again.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process is this node, [`StoreError::Newer`] where a
    /// later version of this program made the tables, and what the database says.
    pub fn open(
        folder: &Path,
        settings: Settings,
        faults: Option<Arc<dyn Faults>>,
        watch: CommitWatch,
    ) -> Result<(Self, usize), StoreError> {
        let io = |error| StoreError::io("folder of the node", &error);
        std::fs::create_dir_all(folder).map_err(io)?;
        let lock = super::lock(folder)?;
        let node: Arc<str> = name(folder)?.into();
        let target = Target::new(&settings)?;
        schema::migrate(&target)?;
        let faults = Asked(faults);
        let writers = Pool::start(
            &target,
            WRITERS,
            Use::Write,
            faults.clone(),
            Arc::from(watch),
        )?;
        let quiet: CommitWatch = Box::new(|_, _| {});
        let readers = Pool::start(
            &target,
            READERS,
            Use::Read,
            Asked::default(),
            Arc::from(quiet),
        )?;
        let store = Self {
            writers,
            readers,
            objects: settings.objects,
            faults,
            waker: None,
            node,
            target,
            _lock: lock,
        };
        if store
            .readers
            .run(async move |session| import::under_way(session).await)?
        {
            return Err(StoreError::Importing);
        }
        let released = store.release()?;
        Ok((store, released))
    }

    /// Whether a URL can be read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        connect::read(url).map(|_| ())
    }

    /// Calls `wake` whenever another node has work that is due. Where the database tells nobody
    /// anything, nodes find such work when they look for it.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn wake_by(&mut self, wake: Box<dyn Fn() + Send>) -> Result<(), StoreError> {
        self.waker = Some(Waker::start(self.target.clone(), self.node.clone(), wake)?);
        Ok(())
    }

    /// Tells other nodes that there is work.
    fn announce(&self) {
        if let Some(waker) = &self.waker {
            waker.announce();
        }
    }

    fn release(&self) -> Result<usize, StoreError> {
        let node = self.node.clone();
        let count: i64 = self
            .writers
            .run(async move |session| session.count(sql!("release"), &[&&*node]).await)?;
        Ok(usize::try_from(count).unwrap_or(0))
    }
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresStore({}, node {})", self.target, self.node)
    }
}

/// What the node of a folder is called: made up once, and kept beside its other files.
fn name(folder: &Path) -> Result<String, StoreError> {
    let io = |error| StoreError::io("name of the node", &error);
    let path = folder.join("node");
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    let mut octets = [0; 8];
    getrandom::fill(&mut octets)
        .map_err(|error| StoreError::Database(format!("no random numbers: {error}")))?;
    let name = format!("{:016x}", u64::from_be_bytes(octets));
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, &name)
        .and_then(|()| File::open(&temporary)?.sync_all())
        .and_then(|()| std::fs::rename(&temporary, &path))
        .and_then(|()| super::bodies::sync_folder(folder))
        .map_err(io)?;
    Ok(name)
}

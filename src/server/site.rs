//! Opens the store that the configuration names.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::StartError;
use super::config::Config;
use super::fault::Fault;
use super::metrics::Metrics;
use crate::mm4::Bell;
use crate::store::{Faults, Site, SqliteStore, StoreError};

/// A store that was opened.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Site>,
    /// Bodies without a message that were deleted.
    pub(super) orphans: usize,
}

/// Opens the store. Where other nodes use it too, `wake` and `bell` tell of their new work.
pub(super) fn open(
    config: &Config,
    fault: Option<Arc<Fault>>,
    metrics: &Arc<Metrics>,
    wake: SyncSender<()>,
    bell: Arc<Bell>,
) -> Result<Opened, StartError> {
    let watch = metrics.clone();
    let watch = Box::new(move |group, took| watch.committed(group, took));
    let faults = fault.map(|fault| -> Arc<dyn Faults> { fault });
    if config.store.database.is_some() {
        let failed = |error| StartError::Store {
            folder: config.store.place(),
            error,
        };
        return shared(config, faults, watch, wake, bell).map_err(failed);
    }
    let folder = &config.store.folder;
    let (store, recovery) =
        SqliteStore::open_watched(folder, faults, watch).map_err(|error| StartError::Store {
            folder: folder.display().to_string(),
            error,
        })?;
    Ok(Opened {
        store: Arc::new(store),
        orphans: recovery.orphans,
    })
}

/// Opens a store that nodes share.
#[cfg(feature = "postgres")]
fn shared(
    config: &Config,
    faults: Option<Arc<dyn Faults>>,
    watch: crate::store::SharedCommitWatch,
    wake: SyncSender<()>,
    bell: Arc<Bell>,
) -> Result<Opened, StoreError> {
    let settings = settings(config)?;
    let folder = &config.store.folder;
    let (mut store, _) = crate::store::PostgresStore::open(folder, settings, faults, watch)?;
    store.wake_by(Box::new(move || {
        // Where the channel is full, the dispatcher is about to look anyway.
        let _ = wake.try_send(());
        bell.ring();
    }))?;
    Ok(Opened {
        store: Arc::new(store),
        orphans: 0,
    })
}

/// Where the store that nodes share is.
///
/// # Errors
/// Where the bucket is none, or this program knows of none.
#[cfg(feature = "postgres")]
pub(crate) fn settings(config: &Config) -> Result<crate::store::Settings, StoreError> {
    let table = &config.store;
    let database = table.database.as_ref().map(toml::Spanned::get_ref);
    Ok(crate::store::Settings {
        database: database.map_or_else(String::new, |url| url.reveal().to_owned()),
        password: table
            .database_password
            .as_ref()
            .map(|password| password.reveal().to_owned()),
        roots: table
            .database_ca_file
            .as_ref()
            .map(|file| file.authorities().roots()),
        objects: objects(config)?,
    })
}

#[cfg(feature = "s3")]
fn objects(config: &Config) -> Result<Option<crate::store::Objects>, StoreError> {
    let table = &config.store;
    let Some(bodies) = &table.bodies else {
        return Ok(None);
    };
    let bodies = bodies.get_ref();
    let key = table.bodies_key_id.clone().zip(
        table
            .bodies_secret
            .as_ref()
            .map(|secret| secret.reveal().to_owned()),
    );
    let bucket = crate::store::S3::new(&crate::store::Bucket {
        name: bodies.name.clone(),
        prefix: bodies.prefix.clone(),
        endpoint: table
            .bodies_endpoint
            .as_ref()
            .map(|url| url.as_str().to_owned()),
        region: table.bodies_region.clone(),
        key,
    })?;
    Ok(Some(Arc::new(bucket)))
}

#[cfg(all(feature = "postgres", not(feature = "s3")))]
fn objects(_: &Config) -> Result<Option<crate::store::Objects>, StoreError> {
    Ok(None)
}

/// Never called: a configuration that names a database was refused when it was read.
#[cfg(not(feature = "postgres"))]
fn shared<W>(
    _: &Config,
    _: Option<Arc<dyn Faults>>,
    _: W,
    _: SyncSender<()>,
    _: Arc<Bell>,
) -> Result<Opened, StoreError> {
    Err(StoreError::Closed)
}

//! A PostgreSQL server for the tests that start service centres.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

#[path = "../../src/store/postgres/server.rs"]
#[cfg_attr(
    not(feature = "postgres"),
    allow(dead_code, reason = "nothing runs on it then")
)]
mod server;

#[cfg(feature = "postgres")]
pub(crate) use server::Postgres;
#[cfg(not(feature = "postgres"))]
use server::Postgres;

/// Whether the tests of one node run on PostgreSQL.
pub(crate) fn is_asked_for() -> bool {
    std::env::var("REMOLD_STORE").is_ok_and(|store| store == "postgres")
}

/// URL of the database for the node of a folder: the same for the same folder. `None` where nobody
/// asked for one.
pub(crate) fn database_of(folder: &Path) -> Option<String> {
    static SERVER: LazyLock<Option<Postgres>> = LazyLock::new(|| Postgres::start("all", false));
    static MADE: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());
    if !is_asked_for() {
        return None;
    }
    let server = SERVER.as_ref()?;
    let mut made = MADE.lock().unwrap();
    let url = made
        .entry(folder.to_owned())
        .or_insert_with(|| server.database());
    Some(url.clone())
}

/// The lines of a configuration for a store on this database.
pub(crate) fn shared(url: &str) -> String {
    format!("database = \"{url}\"\n{}", crate::bucket::settings())
}

//! The tables, and how older ones become newer.

use super::connect::{Failure, Session, Target};
use crate::store::StoreError;

/// One script for each schema version, in order. A script that was released is never changed.
const MIGRATIONS: &[&str] = &[include_str!("migrations/1.sql")];
/// The lock that one node at a time holds while it looks at the version: any number will do, as long
/// as nothing else takes it.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7526)";

/// Brings the tables to the version this program knows. Nodes that start together do it one after
/// another.
///
/// # Errors
/// [`StoreError::Newer`] where a later program made them.
pub(super) fn migrate(target: &Target) -> Result<(), StoreError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StoreError::io("runtime of the store", &error))?;
    runtime.block_on(async {
        let session = target.open().await.map_err(|failure| failure.error())?;
        let migrated = steps(&session).await;
        let end = if migrated.is_ok() {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        let ended = session.batch(end).await;
        migrated
            .and_then(|found| ended.map(|()| found))
            .map_err(|failure| failure.error())
    })
}

async fn steps(session: &Session) -> Result<(), Failure> {
    session.batch("BEGIN").await?;
    session.batch(LOCK).await?;
    session
        .batch("CREATE TABLE IF NOT EXISTS remold_schema (version BIGINT PRIMARY KEY)")
        .await?;
    let found: i64 = session
        .one("SELECT coalesce(max(version), 0) FROM remold_schema", &[])
        .await?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(Failure::Told(StoreError::Newer { found, known }));
    }
    for (version, script) in (1_i64..).zip(MIGRATIONS) {
        if version > found {
            session.batch(script).await?;
            session
                .execute(
                    "INSERT INTO remold_schema (version) VALUES ($1)",
                    &[&version],
                )
                .await?;
        }
    }
    Ok(())
}

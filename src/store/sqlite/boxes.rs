//! Message boxes, in SQL.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use super::{SqliteStore, database};
use crate::store::{BoxEntry, Quota, StoreError};

/// Columns of `box` that [`entry`] reads.
const ENTRY: &str = "owner, token, message_id, state, flags, stored_at, size";

impl SqliteStore {
    pub(super) fn put_in_box(
        &self,
        entry: &BoxEntry,
        data: &Bytes,
        quota: Quota,
    ) -> Result<bool, StoreError> {
        let (entry, data) = (entry.clone(), data.clone());
        self.writer.run_weighing(data.len(), move |connection| {
            put(connection, &entry, &data, quota).map_err(database)
        })
    }

    pub(super) fn list_box(&self, owner: &str) -> Result<Vec<BoxEntry>, StoreError> {
        let sql =
            format!("SELECT {ENTRY} FROM box WHERE owner = ?1 ORDER BY stored_at DESC, id DESC");
        self.read(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_map([owner], entry)?
                .collect()
        })
    }

    pub(super) fn read_box(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<(BoxEntry, Bytes)>, StoreError> {
        let sql = format!("SELECT {ENTRY}, data FROM box WHERE hash = ?1");
        self.read(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([&hash[..]], |row| {
                    let data: Vec<u8> = row.get(7)?;
                    Ok((entry(row)?, Bytes::from(data)))
                })
                .optional()
        })
    }

    pub(super) fn change_in_box(&self, entry: &BoxEntry) -> Result<bool, StoreError> {
        let entry = entry.clone();
        self.writer.run(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE box SET state = ?3, flags = ?4 WHERE owner = ?1 AND token = ?2",
                )
                .and_then(|mut statement| {
                    statement.execute(params![
                        entry.owner,
                        entry.token,
                        entry.state,
                        entry.flags.join("\n")
                    ])
                })
                .map(|changed| changed > 0)
                .map_err(database)
        })
    }

    pub(super) fn delete_in_box(&self, owner: &str, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let (owner, hash) = (owner.to_owned(), *hash);
        self.writer.run(move |connection| {
            connection
                .prepare_cached("DELETE FROM box WHERE owner = ?1 AND hash = ?2")
                .and_then(|mut statement| statement.execute(params![owner, &hash[..]]))
                .map(|deleted| deleted > 0)
                .map_err(database)
        })
    }
}

fn put(
    connection: &Connection,
    entry: &BoxEntry,
    data: &Bytes,
    quota: Quota,
) -> rusqlite::Result<bool> {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let (messages, octets): (i64, i64) = connection
        .prepare_cached("SELECT count(*), total(size) FROM box WHERE owner = ?1")?
        .query_row([&entry.owner], |row| {
            // A sum that overflows is no error with total(), which is why it is a float.
            let octets: f64 = row.get(1)?;
            Ok((
                row.get(0)?,
                format!("{octets:.0}").parse().unwrap_or(i64::MAX),
            ))
        })?;
    let full = messages >= number(quota.messages)
        || octets.saturating_add(number(entry.size)) > number(quota.octets);
    if full {
        return Ok(false);
    }
    let hash: [u8; 32] = Sha256::digest(entry.token.as_bytes()).into();
    connection
        .prepare_cached(
            "INSERT INTO box (owner, token, hash, message_id, state, flags, stored_at, size, data) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            entry.owner,
            entry.token,
            hash,
            entry.message_id,
            entry.state,
            entry.flags.join("\n"),
            entry.stored_at,
            number(entry.size),
            &data[..]
        ])?;
    Ok(true)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<BoxEntry> {
    let flags: String = row.get(4)?;
    Ok(BoxEntry {
        owner: row.get(0)?,
        token: row.get(1)?,
        message_id: row.get(2)?,
        state: row.get(3)?,
        flags: flags.lines().map(str::to_owned).collect(),
        stored_at: row.get(5)?,
        size: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
    })
}

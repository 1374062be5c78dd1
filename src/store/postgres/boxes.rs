//! Message boxes, in SQL.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::PostgresStore;
use super::connect::Failure;
use super::query::{self, count, number, sql};
use crate::store::{BoxEntry, Quota, StoreError};

impl PostgresStore {
    pub(super) fn put_in_box(
        &self,
        entry: &BoxEntry,
        data: &Bytes,
        quota: Quota,
    ) -> Result<bool, StoreError> {
        let hash: [u8; 32] = Sha256::digest(entry.token.as_bytes()).into();
        let (new, data, owner) = (entry.clone(), data.clone(), entry.owner.clone());
        let put = self.writers.run(async move |session| {
            let row = session
                .row(
                    sql!("box_put"),
                    &[
                        &new.owner,
                        &new.token,
                        &&hash[..],
                        &new.message_id,
                        &i16::from(new.state),
                        &query::clean(&new.flags.join("\n")),
                        &new.stored_at,
                        &number(new.size),
                        &&data[..],
                        &number(quota.messages),
                        &number(quota.octets),
                    ],
                )
                .await?
                .ok_or_else(|| Failure::Row("a count is missing".to_owned()))?;
            match (count(&row, 0)?, count(&row, 1)?) {
                (0, _) => Ok(false),
                (_, 0) => Err(Failure::Undo(StoreError::Collision)),
                _ => Ok(true),
            }
        });
        if put != Err(StoreError::Collision) {
            return put;
        }
        // It may be there from an attempt whose answer was lost.
        let there = self
            .readers
            .run(async move |session| session.row(sql!("box_has"), &[&&hash[..], &owner]).await)?;
        there.map(|_| true).ok_or(StoreError::Collision)
    }

    pub(super) fn list_box(&self, owner: &str) -> Result<Vec<BoxEntry>, StoreError> {
        let owner = owner.to_owned();
        self.readers.run(async move |session| {
            let rows = session.rows(sql!("box_entries"), &[&owner]).await?;
            rows.iter().map(query::entry).collect()
        })
    }

    pub(super) fn read_box(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<(BoxEntry, Bytes)>, StoreError> {
        let hash = *hash;
        self.readers.run(async move |session| {
            let row = session.row(sql!("box_get"), &[&&hash[..]]).await?;
            let Some(row) = row else { return Ok(None) };
            let data: Vec<u8> = query::get(&row, 7)?;
            Ok(Some((query::entry(&row)?, Bytes::from(data))))
        })
    }

    pub(super) fn change_in_box(&self, entry: &BoxEntry) -> Result<bool, StoreError> {
        let entry = entry.clone();
        self.writers.run(async move |session| {
            let changed = session
                .execute(
                    sql!("box_change"),
                    &[
                        &entry.owner,
                        &entry.token,
                        &i16::from(entry.state),
                        &query::clean(&entry.flags.join("\n")),
                    ],
                )
                .await?;
            Ok(changed > 0)
        })
    }

    pub(super) fn delete_in_box(&self, owner: &str, hash: &[u8; 32]) -> Result<bool, StoreError> {
        let (owner, hash) = (owner.to_owned(), *hash);
        self.writers.run(async move |session| {
            let gone = session
                .count(sql!("box_delete"), &[&owner, &&hash[..]])
                .await?;
            Ok(gone > 0)
        })
    }
}

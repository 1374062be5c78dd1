//! Charging records in SQL. Each node writes files of its own: it takes records that no other has,
//! and numbers them on from its last one. So a node's numbers have no gap, whichever transactions
//! of which nodes made the records, and failed or committed in which order.

use tokio_postgres::Row;

use super::PostgresStore;
use super::connect::Failure;
use super::query::{count, get, number, octet, sql};
use crate::store::StoreError;
use crate::store::outbox::{FileMark, Outbox, Record, RecordKind};

impl Outbox for PostgresStore {
    fn keep_records(&self, keep: bool) -> Result<(), StoreError> {
        self.writers.run(async move |session| {
            session
                .execute("UPDATE charging_state SET keep = $1", &[&keep])
                .await
                .map(|_| ())
        })
    }

    fn records(&self, most: usize) -> Result<Vec<Record>, StoreError> {
        let most = number(most);
        let own = self.own_records(most)?;
        // What this node has and did not write yet comes first: its numbers are given.
        if !own.is_empty() {
            return Ok(own);
        }
        let free = self.readers.run(async move |session| {
            session
                .row("SELECT 1 FROM charging WHERE node IS NULL LIMIT 1", &[])
                .await
        })?;
        if free.is_none() {
            return Ok(own);
        }
        let node = self.node.clone();
        self.writers.run(async move |session| {
            session
                .execute(sql!("charging_claim"), &[&&*node, &most])
                .await
                .map(|_| ())
        })?;
        self.own_records(most)
    }

    fn records_waiting(&self) -> Result<u64, StoreError> {
        let node = self.node.clone();
        self.readers.run(async move |session| {
            let waiting = session
                .count(
                    "SELECT count(*) FROM charging WHERE node IS NULL OR node = $1",
                    &[&&*node],
                )
                .await?;
            Ok(u64::try_from(waiting).unwrap_or(0))
        })
    }

    fn recorded(&self, upto: u64, mark: &FileMark) -> Result<(), StoreError> {
        let (node, mark) = (self.node.clone(), mark.clone());
        self.writers.run(async move |session| {
            session
                .execute(
                    sql!("charging_recorded"),
                    &[&&*node, &number(upto), &mark.file, &number(mark.length)],
                )
                .await
                .map(|_| ())
        })
    }

    fn mark(&self) -> Result<Option<FileMark>, StoreError> {
        let node = self.node.clone();
        self.readers.run(async move |session| {
            let sql =
                "SELECT file, length FROM charging_files WHERE node = $1 AND file IS NOT NULL";
            let row = session.row(sql, &[&&*node]).await?;
            let Some(row) = row else { return Ok(None) };
            Ok(Some(FileMark {
                file: get(&row, 0)?,
                length: count(&row, 1)?,
            }))
        })
    }
}

impl PostgresStore {
    fn own_records(&self, most: i64) -> Result<Vec<Record>, StoreError> {
        let node = self.node.clone();
        self.readers.run(async move |session| {
            let rows = session
                .rows(sql!("charging_records"), &[&&*node, &most])
                .await?;
            rows.iter().map(record).collect()
        })
    }
}

fn record(row: &Row) -> Result<Record, Failure> {
    let kind = octet(row, 1)?;
    let recipients: &str = get(row, 5)?;
    Ok(Record {
        number: count(row, 0)?,
        kind: RecordKind::ALL
            .into_iter()
            .find(|known| known.number() == kind)
            .ok_or_else(|| Failure::Row(format!("record type {kind}")))?,
        at: get(row, 2)?,
        message_id: get(row, 3)?,
        originator: get(row, 4)?,
        recipients: recipients.lines().map(str::to_owned).collect(),
        submitted_at: get(row, 6)?,
        expires_at: get(row, 7)?,
        deliver_at: get(row, 8)?,
        size: count(row, 9)?,
        class: octet(row, 10)?,
        delivery_report: get(row, 11)?,
        read_report: get(row, 12)?,
        sender_visible: get(row, 13)?,
        status: get(row, 14)?,
    })
}

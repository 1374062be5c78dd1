//! Moves a store in files to a database that nodes share.
//!
//! Rows are copied as they are, and what was copied is passed over when it is done again: so it may
//! be stopped at any moment. In the end both sides are read and compared. Until then a mark in the
//! database keeps nodes from using it.

use std::path::Path;

use bytes::BytesMut;
use futures_util::future::join_all;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};
use tokio_postgres::Statement;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::connect::{Failure, Session, Target};
use super::query::clean;
use super::{Settings, schema, verbs};
use crate::store::bodies::Bodies;
use crate::store::fault::Asked;
use crate::store::{Objects, StoreError, sqlite};

/// Rows that are copied in one transaction.
const BATCH: usize = 500;
/// Name of the mark.
const MARK: &str = "import";

/// A table: its name, its columns in the database, and what they are in the file.
struct Table {
    name: &'static str,
    columns: &'static [&'static str],
    file: &'static str,
}

/// What was leased is due again.
const TABLES: &[Table] = &[
    Table {
        name: "messages",
        columns: &[
            "id",
            "sender",
            "transaction_id",
            "content_hash",
            "accepted_at",
            "expires_at",
            "delivery_report",
            "read_report",
            "sender_visible",
            "class",
            "size",
            "subject",
            "has_body",
            "waiting",
            "closed_at",
            "content",
            "origin_peer",
            "origin_id",
            "origin_for_user",
        ],
        file: "id, sender, transaction_id, content_hash, accepted_at, expires_at, delivery_report, \
               read_report, sender_visible, class, size, subject, has_body, waiting, closed_at, \
               content, origin_peer, origin_id, origin_for_user",
    },
    Table {
        name: "recipients",
        columns: &[
            "id",
            "message_id",
            "address",
            "role",
            "token",
            "token_hash",
            "transaction_id",
            "state",
            "attempts",
            "due_at",
            "fence",
            "peer",
        ],
        file: "id, message_id, address, role, token, token_hash, transaction_id, state, attempts, \
               CASE WHEN leased = 1 AND due_at IS NOT NULL THEN 0 ELSE due_at END, fence, peer",
    },
    Table {
        name: "reports",
        columns: &[
            "id",
            "message_id",
            "address",
            "pdu",
            "due_at",
            "expires_at",
            "attempts",
            "fence",
            "peer",
            "transaction_id",
        ],
        file: "id, message_id, address, pdu, CASE WHEN leased = 1 THEN 0 ELSE due_at END, \
               expires_at, attempts, fence, peer, transaction_id",
    },
    Table {
        name: "events",
        columns: &["id", "message_id", "recipient", "at", "what", "detail"],
        file: "id, message_id, recipient, at, what, detail",
    },
    Table {
        name: "devices",
        columns: &["subscriber", "description", "seen_at"],
        file: "subscriber, description, seen_at",
    },
    Table {
        name: "box",
        columns: &[
            "id",
            "owner",
            "token",
            "hash",
            "message_id",
            "state",
            "flags",
            "stored_at",
            "size",
            "data",
        ],
        file: "id, owner, token, hash, message_id, state, flags, stored_at, size, data",
    },
    Table {
        name: "charging",
        columns: &[
            "id",
            "number",
            "kind",
            "at",
            "message_id",
            "originator",
            "recipients",
            "submitted_at",
            "expires_at",
            "deliver_at",
            "size",
            "class",
            "delivery_report",
            "read_report",
            "sender_visible",
            "status",
        ],
        file: "number, number, kind, at, message_id, originator, recipients, submitted_at, \
               expires_at, deliver_at, size, class, delivery_report, read_report, sender_visible, \
               status",
    },
];

/// What follows from the rows that were copied.
const DERIVED: &str = "
INSERT INTO submissions (key, message_id, accepted_at)
  SELECT DISTINCT ON (submission) submission, id, accepted_at FROM messages
  ORDER BY submission, accepted_at DESC, id
  ON CONFLICT DO NOTHING;
INSERT INTO box_totals (owner, messages, octets)
  SELECT owner, count(*), sum(size)::bigint FROM box GROUP BY owner ON CONFLICT DO NOTHING;
SELECT setval(pg_get_serial_sequence('recipients', 'id'), max(id)) FROM recipients;
SELECT setval(pg_get_serial_sequence('reports', 'id'), max(id)) FROM reports;
SELECT setval(pg_get_serial_sequence('events', 'id'), max(id)) FROM events;
SELECT setval(pg_get_serial_sequence('box', 'id'), max(id)) FROM box;
SELECT setval(pg_get_serial_sequence('charging', 'id'), max(id)) FROM charging;
";

/// What was moved, and found to be the same on both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// Rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// Bodies.
    pub bodies: u64,
    /// Octets of the bodies.
    pub octets: u64,
}

/// Moves the store in the folder `from` to the database of `settings`, for the node whose own files
/// are in `folder`. `told` hears of each table that was copied.
///
/// # Errors
/// [`StoreError::Locked`] where a process uses the store, [`StoreError::Occupied`] where the
/// database holds something else, [`StoreError::Differs`] where the two sides are not the same in
/// the end, and what either of them says. It may be done again after any of them.
pub fn import(
    from: &Path,
    folder: &Path,
    settings: &Settings,
    told: &mut dyn FnMut(&str, u64),
) -> Result<Moved, StoreError> {
    let io = |error| StoreError::io("folder of the node", &error);
    if !from.join("store.db").is_file() {
        return Err(StoreError::Database(format!(
            "{} holds no store",
            from.display()
        )));
    }
    std::fs::create_dir_all(folder).map_err(io)?;
    let _lock = crate::store::lock(from)?;
    let node = super::name(folder)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut file = Connection::open_with_flags(from.join("store.db"), flags).map_err(of_file)?;
    sqlite::brought_up(&mut file)?;
    let bodies = Bodies::open(from.join("bodies"), Asked::default())?;
    let target = Target::new(settings)?;
    schema::migrate(&target)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StoreError::io("runtime of the store", &error))?;
    runtime
        .block_on(async {
            let session = target.open().await?;
            // Nobody waits for a statement about all rows of a table but who began this.
            session.batch("SET statement_timeout = 0").await?;
            let job = Job {
                file: &file,
                bodies: &bodies,
                session: &session,
                objects: settings.objects.as_ref(),
                node: &node,
            };
            job.run(told).await
        })
        .map_err(|failure| failure.error())
}

/// Whether a store is being moved to a database.
pub(super) async fn under_way(session: &Session) -> Result<bool, Failure> {
    let mark = session
        .row("SELECT 1 FROM chores WHERE name = $1", &[&MARK])
        .await?;
    Ok(mark.is_some())
}

struct Job<'a> {
    file: &'a Connection,
    bodies: &'a Bodies,
    session: &'a Session,
    objects: Option<&'a Objects>,
    node: &'a str,
}

impl Job<'_> {
    async fn run(&self, told: &mut dyn FnMut(&str, u64)) -> Result<Moved, Failure> {
        self.mark().await?;
        let mut moved = Moved::default();
        for table in TABLES {
            let rows = self.copy(table).await?;
            told(table.name, rows);
            moved.rows.push((table.name, rows));
        }
        (moved.bodies, moved.octets) = self.copy_bodies().await?;
        told("bodies", moved.bodies);
        self.session.batch(DERIVED).await?;
        self.charging().await?;
        for table in TABLES {
            self.compare(table).await?;
        }
        self.session
            .execute("DELETE FROM chores WHERE name = $1", &[&MARK])
            .await?;
        Ok(moved)
    }

    /// Marks the database, which must be empty or hold what was copied before.
    async fn mark(&self) -> Result<(), Failure> {
        if under_way(self.session).await? {
            return Ok(());
        }
        let used: bool = self
            .session
            .one(
                "SELECT EXISTS (SELECT 1 FROM messages) OR EXISTS (SELECT 1 FROM devices) \
                 OR EXISTS (SELECT 1 FROM box) OR EXISTS (SELECT 1 FROM charging)",
                &[],
            )
            .await?;
        if used {
            return Err(Failure::Told(StoreError::Occupied));
        }
        let mark = "INSERT INTO chores (name, next_at) VALUES ($1, 0)";
        self.session.execute(mark, &[&MARK]).await.map(|_| ())
    }

    async fn copy(&self, table: &Table) -> Result<u64, Failure> {
        let mut columns = table.columns.join(", ");
        let mut count = table.columns.len();
        if table.name == "messages" {
            columns += ", in_object, submission";
            count = count.saturating_add(2);
        } else if table.name == "charging" {
            columns += ", node";
            count = count.saturating_add(1);
        }
        let marks: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
        let insert = format!(
            "INSERT INTO {} ({columns}) VALUES ({}) ON CONFLICT DO NOTHING",
            table.name,
            marks.join(", ")
        );
        let insert = self.session.prepare(&insert).await?;
        let mut batch: Vec<Vec<Cell>> = Vec::new();
        let mut copied: u64 = 0;
        let mut select = self.file.prepare(&table.select()).map_err(file_failure)?;
        let mut rows = select.query([]).map_err(file_failure)?;
        while let Some(row) = rows.next().map_err(file_failure)? {
            let mut cells = cells(row, table.columns.len())?;
            match table.name {
                "messages" => cells.extend(self.derived(row)?),
                "charging" => cells.push(Cell::Text(self.node.to_owned())),
                _ => {}
            }
            batch.push(cells);
            copied = copied.saturating_add(1);
            if batch.len() >= BATCH {
                self.write(&insert, &batch).await?;
                batch.clear();
            }
        }
        self.write(&insert, &batch).await?;
        Ok(copied)
    }

    /// What a message has in the database alone: whether its body is an object, and what repeated
    /// submissions are known by.
    fn derived(&self, row: &rusqlite::Row<'_>) -> Result<[Cell; 2], Failure> {
        let size: i64 = row.get("size").map_err(file_failure)?;
        let has_body: bool = row.get("has_body").map_err(file_failure)?;
        let large = usize::try_from(size).is_ok_and(|size| size > verbs::IN_ROW);
        let sender: String = row.get("sender").map_err(file_failure)?;
        let transaction: String = row.get("transaction_id").map_err(file_failure)?;
        let hash: Vec<u8> = row.get("content_hash").map_err(file_failure)?;
        let key = verbs::key(&sender, &transaction, &hash);
        let in_object = self.objects.is_some() && has_body && large;
        Ok([
            Cell::Number(i64::from(in_object)),
            Cell::Octets(key.to_vec()),
        ])
    }

    async fn write(&self, insert: &Statement, batch: &[Vec<Cell>]) -> Result<(), Failure> {
        self.session.batch("BEGIN").await?;
        let all = batch.iter().map(|cells| async move {
            let values: Vec<&(dyn ToSql + Sync)> = cells.iter().map(|cell| cell as _).collect();
            self.session.execute_prepared(insert, &values).await
        });
        for done in join_all(all).await {
            done?;
        }
        self.session.batch("COMMIT").await
    }

    /// Copies the bodies that are kept, and gives their number and octets.
    async fn copy_bodies(&self) -> Result<(u64, u64), Failure> {
        let sql = "SELECT m.id, m.size, o.data FROM messages m \
                   LEFT JOIN octets o ON o.id = m.octets WHERE m.has_body = 1 ORDER BY m.id";
        let mut select = self.file.prepare(sql).map_err(file_failure)?;
        let mut rows = select.query([]).map_err(file_failure)?;
        let (mut count, mut octets): (u64, u64) = (0, 0);
        while let Some(row) = rows.next().map_err(file_failure)? {
            let id: String = row.get(0).map_err(file_failure)?;
            let size: i64 = row.get(1).map_err(file_failure)?;
            let data: Option<Vec<u8>> = row.get(2).map_err(file_failure)?;
            let data: bytes::Bytes = match data {
                Some(data) => data.into(),
                None => self
                    .bodies
                    .get(&id)
                    .map_err(Failure::Told)?
                    .ok_or(Failure::Told(StoreError::Missing))?,
            };
            count = count.saturating_add(1);
            octets = octets.saturating_add(u64::try_from(data.len()).unwrap_or(0));
            let large = usize::try_from(size).is_ok_and(|size| size > verbs::IN_ROW);
            match self.objects.filter(|_| large) {
                Some(objects) => {
                    objects.put(&id, &data).map_err(Failure::Told)?;
                    let back = objects.get(&id).map_err(Failure::Told)?;
                    if back.as_ref() != Some(&data) {
                        return Err(Failure::Told(StoreError::Differs("bodies")));
                    }
                }
                None => {
                    let insert = "INSERT INTO octets (message_id, data) VALUES ($1, $2) \
                                  ON CONFLICT DO NOTHING";
                    self.session.execute(insert, &[&id, &&data[..]]).await?;
                    let same = "SELECT data = $2 FROM octets WHERE message_id = $1";
                    if !self.session.one::<bool>(same, &[&id, &&data[..]]).await? {
                        return Err(Failure::Told(StoreError::Differs("bodies")));
                    }
                }
            }
        }
        Ok((count, octets))
    }

    /// This node goes on with the numbers and the file of charging records.
    async fn charging(&self) -> Result<(), Failure> {
        let (keep, file, length): (bool, Option<String>, Option<i64>) = self
            .file
            .query_row("SELECT keep, file, length FROM charging_state", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .map_err(file_failure)?;
        let last: i64 = self
            .file
            .query_row(
                "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'charging'",
                [],
                |row| row.get(0),
            )
            .map_err(file_failure)?;
        self.session
            .execute("UPDATE charging_state SET keep = $1", &[&keep])
            .await?;
        let insert = "INSERT INTO charging_files (node, number, file, length) \
                      VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
        self.session
            .execute(insert, &[&self.node, &last, &file, &length])
            .await
            .map(|_| ())
    }

    /// Reads a table on both sides.
    async fn compare(&self, table: &Table) -> Result<(), Failure> {
        let mut ours = Sum::default();
        let mut select = self.file.prepare(&table.select()).map_err(file_failure)?;
        let mut rows = select.query([]).map_err(file_failure)?;
        while let Some(row) = rows.next().map_err(file_failure)? {
            ours.add(&cells(row, table.columns.len())?);
        }
        let mut theirs = Sum::default();
        let sql = format!("SELECT {} FROM {}", table.columns.join(", "), table.name);
        self.session
            .each(&sql, |row| {
                let cells: Result<Vec<Cell>, _> =
                    (0..table.columns.len()).map(|at| row.try_get(at)).collect();
                theirs.add(&cells?);
                Ok(())
            })
            .await?;
        match ours == theirs {
            true => Ok(()),
            false => Err(Failure::Told(StoreError::Differs(table.name))),
        }
    }
}

impl Table {
    fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.file, self.name)
    }
}

/// How many rows there are, and the sum of their hashes: the same in any order.
#[derive(Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    hashes: [u64; 4],
}

impl Sum {
    fn add(&mut self, cells: &[Cell]) {
        let mut hash = Sha256::new();
        for cell in cells {
            cell.hash_into(&mut hash);
        }
        let hash: [u8; 32] = hash.finalize().into();
        self.rows = self.rows.saturating_add(1);
        let (words, _) = hash.as_chunks::<8>();
        for (sum, word) in self.hashes.iter_mut().zip(words) {
            *sum = sum.wrapping_add(u64::from_be_bytes(*word));
        }
    }
}

/// A value that both sides have.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Nothing,
    Number(i64),
    Text(String),
    Octets(Vec<u8>),
}

impl Cell {
    fn hash_into(&self, hash: &mut Sha256) {
        let (kind, octets): (u8, &[u8]) = match self {
            Self::Nothing => (0, &[]),
            Self::Number(number) => (1, &number.to_be_bytes()),
            Self::Text(text) => (2, text.as_bytes()),
            Self::Octets(octets) => (3, octets),
        };
        hash.update([kind]);
        hash.update(super::query::number(octets.len()).to_be_bytes());
        hash.update(octets);
    }
}

fn cells(row: &rusqlite::Row<'_>, count: usize) -> Result<Vec<Cell>, Failure> {
    (0..count)
        .map(|at| match row.get_ref(at).map_err(file_failure)? {
            ValueRef::Null => Ok(Cell::Nothing),
            ValueRef::Integer(number) => Ok(Cell::Number(number)),
            ValueRef::Text(text) => Ok(Cell::Text(clean(&String::from_utf8_lossy(text)))),
            ValueRef::Blob(octets) => Ok(Cell::Octets(octets.to_vec())),
            ValueRef::Real(number) => Err(Failure::Row(format!("{number} is no value of ours"))),
        })
        .collect()
}

impl ToSql for Cell {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Nothing => Ok(IsNull::Yes),
            Self::Number(number) => match *ty {
                Type::BOOL => (*number != 0).to_sql(ty, out),
                Type::INT2 => i16::try_from(*number)?.to_sql(ty, out),
                _ => number.to_sql(ty, out),
            },
            Self::Text(text) => text.to_sql(ty, out),
            Self::Octets(octets) => octets.to_sql(ty, out),
        }
    }

    fn accepts(ty: &Type) -> bool {
        [Type::BOOL, Type::INT2, Type::INT8, Type::TEXT, Type::BYTEA].contains(ty)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Cell {
    fn from_sql(
        ty: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(match *ty {
            Type::BOOL => Self::Number(i64::from(bool::from_sql(ty, raw)?)),
            Type::INT2 => Self::Number(i64::from(i16::from_sql(ty, raw)?)),
            Type::INT8 => Self::Number(i64::from_sql(ty, raw)?),
            Type::TEXT => Self::Text(String::from_sql(ty, raw)?),
            _ => Self::Octets(raw.to_vec()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self::Nothing)
    }

    fn accepts(ty: &Type) -> bool {
        <Self as ToSql>::accepts(ty)
    }
}

fn of_file(error: rusqlite::Error) -> StoreError {
    StoreError::Database(format!("store.db: {error}"))
}

fn file_failure(error: rusqlite::Error) -> Failure {
    Failure::Told(of_file(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_same_in_any_order_and_differ_with_any_value() {
        let rows = [
            vec![Cell::Number(1), Cell::Text("a".to_owned())],
            vec![Cell::Number(2), Cell::Nothing],
            vec![Cell::Number(3), Cell::Octets(vec![0])],
        ];
        let sum = |rows: &[Vec<Cell>]| {
            let mut sum = Sum::default();
            rows.iter().for_each(|row| sum.add(row));
            sum
        };
        let turned: Vec<_> = rows.iter().rev().cloned().collect();
        assert!(sum(&rows) == sum(&turned));
        let mut other = rows.clone();
        other[2][1] = Cell::Octets(vec![1]);
        assert!(sum(&rows) != sum(&other));
        assert!(sum(&rows) != sum(&rows[..2]));
    }

    #[test]
    fn values_of_two_kinds_are_two_values() {
        let hash = |cell: Cell| {
            let mut hash = Sha256::new();
            cell.hash_into(&mut hash);
            hash.finalize()
        };
        assert_ne!(
            hash(Cell::Text("a".to_owned())),
            hash(Cell::Octets(vec![b'a']))
        );
        assert_ne!(hash(Cell::Nothing), hash(Cell::Text(String::new())));
    }

    #[test]
    fn every_table_has_as_many_columns_on_both_sides() {
        for table in TABLES {
            // A CASE has no comma of its own.
            let there = table.file.split(',').count();
            assert_eq!(table.columns.len(), there, "{}", table.name);
        }
    }
}

//! Charging records in SQL.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{SqliteStore, database};
use crate::store::outbox::{self, Exchanged, FileMark, Outbox, Record, RecordKind, Told};
use crate::store::{
    Change, DeliveryState, Event, Millis, RecipientRow, ReportChange, StoreError, Submission,
};

/// Tables of the records. `AUTOINCREMENT` gives a number back when its transaction fails, and never
/// gives one out twice.
pub(super) const TABLES: &str = "
CREATE TABLE charging (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  kind INTEGER NOT NULL,
  at INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  originator TEXT NOT NULL,
  recipients TEXT NOT NULL,
  submitted_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  deliver_at INTEGER,
  size INTEGER NOT NULL,
  class INTEGER NOT NULL,
  delivery_report INTEGER NOT NULL,
  read_report INTEGER NOT NULL,
  sender_visible INTEGER NOT NULL,
  status TEXT NOT NULL
);
CREATE TABLE charging_state (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  keep INTEGER NOT NULL,
  file TEXT,
  length INTEGER
);
INSERT INTO charging_state VALUES (1, 0, NULL, NULL);
";

/// Columns that follow `kind, at` in an insert.
const COLUMNS: &str = "message_id, originator, recipients, submitted_at, expires_at, deliver_at, \
    size, class, delivery_report, read_report, sender_visible, status";
/// Whether records are kept at all.
const KEPT: &str = "(SELECT keep FROM charging_state)";

impl Outbox for SqliteStore {
    fn keep_records(&self, keep: bool) -> Result<(), StoreError> {
        self.writer.run(move |connection| {
            connection
                .execute("UPDATE charging_state SET keep = ?1", [keep])
                .map(|_| ())
                .map_err(database)
        })
    }

    fn records(&self, most: usize) -> Result<Vec<Record>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.read(|connection| {
            let sql = format!(
                "SELECT number, kind, at, {COLUMNS} FROM charging ORDER BY number LIMIT ?1"
            );
            connection
                .prepare_cached(&sql)?
                .query_map([most], record)?
                .collect()
        })
    }

    fn records_waiting(&self) -> Result<u64, StoreError> {
        self.read(|connection| {
            let count: i64 =
                connection.query_row("SELECT count(*) FROM charging", [], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
    }

    fn recorded(&self, upto: u64, mark: &FileMark) -> Result<(), StoreError> {
        let upto = i64::try_from(upto).unwrap_or(i64::MAX);
        let length = i64::try_from(mark.length).unwrap_or(i64::MAX);
        let file = mark.file.clone();
        self.writer.run(move |connection| {
            connection
                .execute("DELETE FROM charging WHERE number <= ?1", [upto])
                .and_then(|_| {
                    connection.execute(
                        "UPDATE charging_state SET file = ?1, length = ?2",
                        params![file, length],
                    )
                })
                .map(|_| ())
                .map_err(database)
        })
    }

    fn mark(&self) -> Result<Option<FileMark>, StoreError> {
        self.read(|connection| {
            connection
                .query_row(
                    "SELECT file, length FROM charging_state WHERE file IS NOT NULL",
                    [],
                    |row| {
                        Ok(FileMark {
                            file: row.get(0)?,
                            length: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
                        })
                    },
                )
                .optional()
        })
    }
}

/// Records that a message was taken over.
pub(super) fn submitted(connection: &Connection, s: &Submission) -> rusqlite::Result<()> {
    let kind = match s.origin {
        Some(_) => RecordKind::Receipt,
        None => RecordKind::Submission,
    };
    let recipients: Vec<&str> = s.recipients.iter().map(|r| r.address.as_str()).collect();
    let sql = format!(
        "INSERT INTO charging (kind, at, {COLUMNS}) \
         SELECT ?1, ?2, ?3, ?4, ?5, ?2, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'accepted' WHERE {KEPT}"
    );
    connection
        .prepare_cached(&sql)?
        .execute(params![
            kind.number(),
            s.accepted_at,
            s.id,
            s.sender,
            recipients.join("\n"),
            s.expires_at,
            (s.deliver_at > s.accepted_at).then_some(s.deliver_at),
            i64::try_from(s.size).unwrap_or(i64::MAX),
            s.class,
            s.delivery_report,
            s.read_report,
            s.sender_visible,
        ])
        .map(|_| ())
}

/// Records that a recipient came to its end. Called after the change was made.
pub(super) fn concluded(
    connection: &Connection,
    recipient: &RecipientRow,
    change: &Change,
) -> rusqlite::Result<()> {
    match outbox::concluded(change.state, recipient.peer.is_some()) {
        Some(kind) => of_recipient(
            connection,
            change.recipient,
            change.event.at,
            (kind, change.state.name()),
        ),
        None => Ok(()),
    }
}

/// Records what peers exchanged about a recipient, as an event tells it. Called before the change is
/// made that the event is of.
pub(super) fn exchanged(
    connection: &Connection,
    recipient: Option<i64>,
    event: &Event,
) -> rusqlite::Result<()> {
    let exchanged = Exchanged::of(event);
    let Some(recipient) = recipient.filter(|_| !exchanged.is_empty()) else {
        return Ok(());
    };
    let found = connection
        .prepare_cached("SELECT peer IS NOT NULL, state FROM recipients WHERE id = ?1")?
        .query_row([recipient], |row| {
            let state: String = row.get(1)?;
            Ok((row.get::<_, bool>(0)?, DeliveryState::from_name(&state)))
        })
        .optional()?;
    let Some((foreign, Some(state))) = found else {
        return Ok(());
    };
    exchanged
        .iter()
        .filter(|one| one.applies(foreign, state))
        .try_for_each(|one| of_recipient(connection, recipient, event.at, (one.kind, &one.status)))
}

fn of_recipient(
    connection: &Connection,
    recipient: i64,
    at: Millis,
    (kind, status): (RecordKind, &str),
) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT INTO charging (kind, at, {COLUMNS}) \
         SELECT ?1, ?2, m.id, m.sender, r.address, m.accepted_at, m.expires_at, NULL, m.size, \
         m.class, m.delivery_report, m.read_report, m.sender_visible, ?3 \
         FROM recipients r JOIN messages m ON m.id = r.message_id WHERE r.id = ?4 AND {KEPT}"
    );
    connection
        .prepare_cached(&sql)?
        .execute(params![kind.number(), at, status, recipient])
        .map(|_| ())
}

/// Records that a report left. Called before the change is made, while the report is there.
pub(super) fn reported(connection: &Connection, change: &ReportChange) -> rusqlite::Result<()> {
    for told in Told::of(&change.event) {
        let sql = format!(
            "INSERT INTO charging (kind, at, {COLUMNS}) \
             SELECT ?1, ?2, m.id, m.sender, coalesce(json_extract(CAST(p.pdu AS TEXT), ?3), ''), \
             m.accepted_at, m.expires_at, NULL, m.size, m.class, m.delivery_report, \
             m.read_report, m.sender_visible, ?4 \
             FROM reports p JOIN messages m ON m.id = p.message_id \
             WHERE p.id = ?5 AND p.fence = ?6 AND p.peer IS NOT NULL \
             AND CAST(substr(p.pdu, 1, ?7) AS TEXT) = ?8 AND (NOT ?9 OR p.attempts = 0) AND {KEPT}"
        );
        let begins = format!("{{\"{}\"", told.note);
        connection.prepare_cached(&sql)?.execute(params![
            told.kind.number(),
            change.event.at,
            format!("$.{}.from", told.note),
            told.status,
            change.report,
            change.fence,
            i64::try_from(begins.len()).unwrap_or(i64::MAX),
            begins,
            told.untried
        ])?;
    }
    if change.due_at.is_some() || change.event.what != "report-sent" {
        return Ok(());
    }
    // X-Mms-Message-Type is the second octet of a PDU: 0x88 is M-Read-Orig.ind.
    let sql = format!(
        "INSERT INTO charging (kind, at, {COLUMNS}) \
         SELECT CASE substr(p.pdu, 2, 1) WHEN x'88' THEN ?1 ELSE ?2 END, ?3, m.id, m.sender, \
         p.address, m.accepted_at, m.expires_at, NULL, m.size, m.class, m.delivery_report, \
         m.read_report, m.sender_visible, 'sent' \
         FROM reports p JOIN messages m ON m.id = p.message_id \
         WHERE p.id = ?4 AND p.fence = ?5 AND p.peer IS NULL AND {KEPT}"
    );
    connection
        .prepare_cached(&sql)?
        .execute(params![
            RecordKind::ReadReport.number(),
            RecordKind::DeliveryReport.number(),
            change.event.at,
            change.report,
            change.fence
        ])
        .map(|_| ())
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    let kind: u8 = row.get(1)?;
    let recipients: String = row.get(5)?;
    Ok(Record {
        number: count(row.get(0)?),
        kind: RecordKind::ALL
            .into_iter()
            .find(|known| known.number() == kind)
            .ok_or_else(|| rusqlite::Error::InvalidColumnName(format!("record type {kind}")))?,
        at: row.get(2)?,
        message_id: row.get(3)?,
        originator: row.get(4)?,
        recipients: recipients.lines().map(str::to_owned).collect(),
        submitted_at: row.get(6)?,
        expires_at: row.get(7)?,
        deliver_at: row.get(8)?,
        size: count(row.get(9)?),
        class: row.get(10)?,
        delivery_report: row.get(11)?,
        read_report: row.get(12)?,
        sender_visible: row.get(13)?,
        status: row.get(14)?,
    })
}

//! The verbs of the store, in SQL.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, ffi, params};
use sha2::{Digest, Sha256};

use super::query::{self, MESSAGE, MESSAGE_COLUMNS, RECIPIENT, REPORT};
use super::{SqliteStore, database, outbox};
use crate::store::{
    Accepted, BoxEntry, Change, Event, Lease, MessageRow, Millis, NewReport, Page, Prompt, Quota,
    RecipientRow, ReportChange, ReportRow, Settlement, Store, StoreError, Submission, Whose, Work,
};

/// Octets of a body that is kept in a row rather than in a file. A file has to be synced by itself
/// and its folder after it; rows share the sync of all who commit together.
pub(super) const IN_ROW: usize = 128 << 10;
/// Messages whose bodies or rows are deleted in one transaction: nobody waits long for it.
const PURGED: i64 = 200;

impl Store for SqliteStore {
    fn accept(
        &self,
        submission: &Submission,
        body: &Bytes,
        duplicates_since: Millis,
    ) -> Result<Accepted, StoreError> {
        let row = submission.clone();
        if body.len() <= IN_ROW {
            let octets = body.clone();
            return self.writer.run_weighing(body.len(), move |connection| {
                insert_new(connection, &row, Some(&octets), duplicates_since)
            });
        }
        self.bodies.put(&submission.id, body)?;
        let accepted = self
            .writer
            .run(move |connection| insert_new(connection, &row, None, duplicates_since));
        if !matches!(accepted, Ok(Accepted::New)) {
            // Where the commit failed half-way nobody knows whether the row is there: a body that
            // it would need must stay. Opening the store collects it if nothing does.
            let unused = match &accepted {
                Ok(_) | Err(StoreError::Collision) => true,
                Err(_) => matches!(self.message(&submission.id), Ok(None)),
            };
            if unused {
                // What cannot be deleted now is collected when the store is opened.
                let _ = self.bodies.delete(&submission.id);
            }
        }
        accepted
    }

    fn lease_of(
        &self,
        whose: Whose<'_>,
        now: Millis,
        most: usize,
        ttl: Millis,
    ) -> Result<Vec<Lease>, StoreError> {
        let until = now.saturating_add(ttl);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let of = query::of(whose);
        self.writer
            .run(move |connection| lease(connection, &of, now, most, until).map_err(database))
    }

    fn next_due_of(&self, whose: Whose<'_>) -> Result<Option<Millis>, StoreError> {
        let (of, peer) = query::of(whose);
        let sql = format!(
            "SELECT min(due_at) FROM (SELECT min(due_at) AS due_at FROM recipients \
             WHERE due_at IS NOT NULL AND {of} UNION ALL SELECT min(due_at) FROM reports WHERE {of})"
        );
        self.read(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([peer], |row| row.get(0))
        })
    }

    fn report_by_transaction(&self, id: &str) -> Result<Option<ReportRow>, StoreError> {
        let sql = format!("SELECT {REPORT} FROM reports WHERE transaction_id = ?1");
        self.read(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([id], query::report)
                .optional()
        })
    }

    fn settle(&self, change: &Change) -> Result<(), StoreError> {
        let change = change.clone();
        self.writer
            .run(move |connection| settle(connection, &change))
    }

    fn settle_report(&self, change: &ReportChange) -> Result<(), StoreError> {
        let change = change.clone();
        self.writer
            .run(move |connection| settle_report(connection, &change))
    }

    fn settle_all(&self, settlements: Vec<Settlement>) -> Result<usize, StoreError> {
        self.writer.run(move |connection| {
            let mut made: usize = 0;
            for settlement in &settlements {
                let settled = match settlement {
                    Settlement::Recipient(change) => settle(connection, change),
                    Settlement::Report(change) => settle_report(connection, change),
                };
                match settled {
                    Ok(()) => made = made.saturating_add(1),
                    Err(StoreError::Stale) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(made)
        })
    }

    fn reroute(
        &self,
        recipient: i64,
        fence: i64,
        peer: Option<&str>,
        happened: &Event,
    ) -> Result<(), StoreError> {
        let (peer, happened) = (peer.map(str::to_owned), happened.clone());
        self.writer.run(move |connection| {
            let changed = connection
                .prepare_cached(
                    "UPDATE recipients SET peer = ?3, due_at = ?4, fence = fence + 1, leased = 0 \
                     WHERE id = ?1 AND fence = ?2",
                )
                .and_then(|mut statement| {
                    statement.execute(params![recipient, fence, peer, happened.at])
                })
                .map_err(database)?;
            if changed == 0 {
                return Err(StoreError::Stale);
            }
            event(connection, &happened).map_err(database)
        })
    }

    fn by_token(&self, hash: &[u8; 32]) -> Result<Option<(MessageRow, RecipientRow)>, StoreError> {
        self.read(|connection| query::one(connection, "r.token_hash = ?1", [&hash[..]]))
    }

    fn by_transaction(&self, id: &str) -> Result<Option<(MessageRow, RecipientRow)>, StoreError> {
        self.read(|connection| query::one(connection, "r.transaction_id = ?1", [id]))
    }

    fn message(&self, id: &str) -> Result<Option<(MessageRow, Vec<RecipientRow>)>, StoreError> {
        self.read(|connection| {
            let sql = format!("SELECT {MESSAGE} FROM messages m WHERE m.id = ?1");
            let found = connection
                .prepare_cached(&sql)?
                .query_row([id], query::message)
                .optional()?;
            let Some(message) = found else {
                return Ok(None);
            };
            let sql = format!(
                "SELECT {RECIPIENT} FROM recipients r WHERE r.message_id = ?1 ORDER BY r.id"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let recipients = statement
                .query_map([id], |row| query::recipient(row, 0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok(Some((message, recipients)))
        })
    }

    fn body(&self, message: &MessageRow) -> Result<Option<Bytes>, StoreError> {
        let small = usize::try_from(message.size).is_ok_and(|size| size <= IN_ROW);
        let mut found = if small { self.row(&message.id)? } else { None };
        if found.is_none() {
            found = self.bodies.get(&message.id)?;
        }
        if found.is_none() && !small {
            found = self.row(&message.id)?;
        }
        if found.is_none() && message.has_body {
            // It may have been purged since the row was read; then the row says so.
            let still = self.message(&message.id)?;
            if still.is_some_and(|(message, _)| message.has_body) {
                return Err(StoreError::Io {
                    what: "body of a message",
                    error: "the file is missing".to_owned(),
                });
            }
        }
        Ok(found)
    }

    fn events(&self, message_id: &str) -> Result<Vec<Event>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT message_id, recipient, at, what, detail FROM events \
                     WHERE message_id = ?1 ORDER BY id",
                )?
                .query_map([message_id], |row| {
                    Ok(Event {
                        message_id: row.get(0)?,
                        recipient: row.get(1)?,
                        at: row.get(2)?,
                        what: row.get(3)?,
                        detail: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    fn record(&self, happened: &Event) -> Result<(), StoreError> {
        let happened = happened.clone();
        self.writer.run(move |connection| {
            outbox::exchanged(connection, happened.recipient, &happened)
                .and_then(|()| event(connection, &happened))
                .map_err(database)
        })
    }

    fn add_report(&self, report: &NewReport, happened: &Event) -> Result<(), StoreError> {
        let (report, happened) = (report.clone(), happened.clone());
        self.writer.run(move |connection| {
            outbox::exchanged(connection, happened.recipient, &happened)
                .and_then(|()| add_report(connection, &report))
                .and_then(|()| event(connection, &happened))
                .map_err(database)
        })
    }

    fn remember_device(
        &self,
        subscriber: &str,
        description: &str,
        now: Millis,
    ) -> Result<(), StoreError> {
        let (subscriber, description) = (subscriber.to_owned(), description.to_owned());
        self.writer.run(move |connection| {
            connection
                .execute(
                    "INSERT INTO devices VALUES (?1, ?2, ?3) ON CONFLICT (subscriber) DO UPDATE \
                     SET description = excluded.description, seen_at = excluded.seen_at",
                    params![subscriber, description, now],
                )
                .map(|_| ())
                .map_err(database)
        })
    }

    fn device(&self, subscriber: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT description FROM devices WHERE subscriber = ?1")?
                .query_row([subscriber], |row| row.get(0))
                .optional()
        })
    }

    fn purge(&self, closed_before: Millis, forget_before: Millis) -> Result<usize, StoreError> {
        let mut bodies: usize = 0;
        loop {
            let (gone, forgotten) = self
                .writer
                .run(move |connection| purge(connection, closed_before, forget_before))?;
            bodies = bodies.saturating_add(gone.len());
            // Only now: a body without a row is collected, a row without a body is an error.
            for id in gone
                .iter()
                .filter_map(|(id, octets)| octets.is_none().then_some(id))
            {
                self.bodies.delete(id)?;
            }
            if gone.is_empty() && forgotten == 0 {
                return Ok(bodies);
            }
        }
    }

    fn box_put(&self, entry: &BoxEntry, data: &Bytes, quota: Quota) -> Result<bool, StoreError> {
        self.put_in_box(entry, data, quota)
    }

    fn box_entries(&self, owner: &str) -> Result<Vec<BoxEntry>, StoreError> {
        self.list_box(owner)
    }

    fn box_get(&self, hash: &[u8; 32]) -> Result<Option<(BoxEntry, Bytes)>, StoreError> {
        self.read_box(hash)
    }

    fn box_change(&self, entry: &BoxEntry) -> Result<bool, StoreError> {
        self.change_in_box(entry)
    }

    fn box_delete(&self, owner: &str, hash: &[u8; 32]) -> Result<bool, StoreError> {
        self.delete_in_box(owner, hash)
    }

    fn prompt(&self) -> Option<&dyn Prompt> {
        Some(self)
    }

    fn try_write(&self) -> Result<(), StoreError> {
        self.writer.run(|connection| {
            // There and back: SQLite leaves a page alone that would be what it was.
            for _ in 0..2 {
                connection
                    .prepare_cached("UPDATE charging_state SET keep = NOT keep")
                    .and_then(|mut statement| statement.execute([]))
                    .map_err(database)?;
            }
            Ok(())
        })
    }

    fn page(&self) -> Result<Page, StoreError> {
        self.read(|connection| {
            let count = |sql| {
                let number: i64 = connection.query_row(sql, [], |row| row.get(0))?;
                Ok::<_, rusqlite::Error>(u64::try_from(number).unwrap_or(0))
            };
            Ok(Page {
                messages: count("SELECT count(*) FROM messages")?,
                waiting: count("SELECT count(*) FROM recipients WHERE due_at IS NOT NULL")?,
                reports: count("SELECT count(*) FROM reports")?,
            })
        })
    }
}

impl SqliteStore {
    /// A body that is in a row.
    fn row(&self, message_id: &str) -> Result<Option<Bytes>, StoreError> {
        self.read(|connection| {
            let found: Option<Vec<u8>> = connection
                .prepare_cached(
                    "SELECT o.data FROM messages m JOIN octets o ON o.id = m.octets \
                     WHERE m.id = ?1",
                )?
                .query_row([message_id], |row| row.get(0))
                .optional()?;
            Ok(found.map(Bytes::from))
        })
    }
}

fn duplicate(
    connection: &Connection,
    submission: &Submission,
    since: Millis,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT id FROM messages WHERE sender = ?1 AND transaction_id = ?2 \
             AND accepted_at >= ?3 AND content_hash = ?4 ORDER BY accepted_at LIMIT 1",
        )?
        .query_row(
            params![
                submission.sender,
                submission.transaction_id,
                since,
                submission.content_hash
            ],
            |row| row.get(0),
        )
        .optional()
}

/// Writes the rows of a message, unless it was taken over already.
pub(super) fn insert_new(
    connection: &Connection,
    submission: &Submission,
    body: Option<&Bytes>,
    duplicates_since: Millis,
) -> Result<Accepted, StoreError> {
    match duplicate(connection, submission, duplicates_since).map_err(database)? {
        Some(id) => Ok(Accepted::Duplicate(id)),
        None => insert(connection, submission, body).map(|()| Accepted::New),
    }
}

fn insert(connection: &Connection, s: &Submission, body: Option<&Bytes>) -> Result<(), StoreError> {
    let inserted = (|| {
        let octets = match body {
            Some(body) => {
                connection
                    .prepare_cached("INSERT INTO octets (data) VALUES (?1)")?
                    .execute([&body[..]])?;
                Some(connection.last_insert_rowid())
            }
            None => None,
        };
        connection
            .prepare_cached(
                "INSERT INTO messages (id, sender, transaction_id, content_hash, accepted_at, \
                 expires_at, delivery_report, read_report, sender_visible, class, size, subject, \
                 has_body, waiting, octets, content, origin_peer, origin_id, origin_for_user) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?13, ?14, ?15, \
                 ?16, ?17, ?18)",
            )?
            .execute(params![
                s.id,
                s.sender,
                s.transaction_id,
                s.content_hash,
                s.accepted_at,
                s.expires_at,
                s.delivery_report,
                s.read_report,
                s.sender_visible,
                s.class,
                i64::try_from(s.size).unwrap_or(i64::MAX),
                s.subject,
                i64::try_from(s.recipients.len()).unwrap_or(i64::MAX),
                octets,
                s.content,
                s.origin.as_ref().map(|origin| &origin.peer),
                s.origin.as_ref().map(|origin| &origin.message_id),
                s.origin.as_ref().map(|origin| origin.for_user),
            ])?;
        for recipient in &s.recipients {
            let hash: [u8; 32] = Sha256::digest(recipient.token.as_bytes()).into();
            connection
                .prepare_cached(
                    "INSERT INTO recipients (message_id, address, role, token, token_hash, \
                     transaction_id, state, attempts, due_at, fence, peer) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', 0, ?7, 0, ?8)",
                )?
                .execute(params![
                    s.id,
                    recipient.address,
                    query::role_number(recipient.role),
                    recipient.token,
                    hash,
                    recipient.transaction_id,
                    s.deliver_at,
                    recipient.peer,
                ])?;
        }
        outbox::submitted(connection, s)?;
        event(
            connection,
            &Event {
                message_id: s.id.clone(),
                recipient: None,
                at: s.accepted_at,
                what: "accepted".to_owned(),
                detail: format!("{} octets for {}", s.size, s.recipients.len()),
            },
        )
    })();
    inserted.map_err(|error| match error {
        rusqlite::Error::SqliteFailure(code, _)
            if matches!(
                code.extended_code,
                ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            ) =>
        {
            StoreError::Collision
        }
        other => database(other),
    })
}

/// Reports come first, but no more than half: neither kind of work can keep the other waiting.
fn lease(
    connection: &Connection,
    (of, peer): &(&str, Option<String>),
    now: Millis,
    most: i64,
    until: Millis,
) -> rusqlite::Result<Vec<Lease>> {
    let half = most.saturating_add(1) / 2;
    let sql = format!(
        "SELECT {REPORT} FROM reports WHERE {of} AND due_at <= ?2 ORDER BY due_at LIMIT ?3"
    );
    let mut reports = connection
        .prepare_cached(&sql)?
        .query_map(params![peer, now, half], query::report)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    // The rows were read in this transaction: nobody else raises their fences.
    let mut take = connection
        .prepare_cached("UPDATE reports SET due_at = ?2, fence = ?3, leased = 1 WHERE id = ?1")?;
    for report in &mut reports {
        report.fence = report.fence.saturating_add(1);
        take.execute(params![report.id, until, report.fence])?;
    }
    let rest = most.saturating_sub(i64::try_from(reports.len()).unwrap_or(most));
    let sql = format!(
        "SELECT {MESSAGE}, {RECIPIENT} FROM recipients r JOIN messages m ON m.id = r.message_id \
         WHERE {of} AND due_at <= ?2 ORDER BY due_at LIMIT ?3"
    );
    let mut recipients = connection
        .prepare_cached(&sql)?
        .query_map(params![peer, now, rest], |row| {
            Ok((
                query::message(row)?,
                query::recipient(row, MESSAGE_COLUMNS)?,
            ))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut take = connection.prepare_cached(
        "UPDATE recipients SET due_at = ?2, fence = ?3, leased = 1 WHERE id = ?1",
    )?;
    for (_, recipient) in &mut recipients {
        recipient.fence = recipient.fence.saturating_add(1);
        take.execute(params![recipient.id, until, recipient.fence])?;
    }
    let recipients = recipients
        .into_iter()
        .map(|both| Work::Recipient(Box::new(both)));
    Ok(reports
        .into_iter()
        .map(Work::Report)
        .chain(recipients)
        .map(|work| Lease { work, until })
        .collect())
}

fn settle(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    let sql = format!("SELECT {RECIPIENT} FROM recipients r WHERE r.id = ?1 AND r.fence = ?2");
    let recipient = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement
                .query_row(params![change.recipient, change.fence], |row| {
                    query::recipient(row, 0)
                })
                .optional()
        })
        .map_err(database)?
        .ok_or(StoreError::Stale)?;
    settle_step(connection, &recipient, change)
}

/// Writes a change to a recipient that was read in the same transaction.
pub(super) fn settle_step(
    connection: &Connection,
    recipient: &RecipientRow,
    change: &Change,
) -> Result<(), StoreError> {
    let settled = (|| {
        // While the recipient is in the state that it leaves.
        outbox::exchanged(connection, Some(change.recipient), &change.event)?;
        connection
            .prepare_cached(
                "UPDATE recipients SET state = ?2, attempts = ?3, due_at = ?4, fence = fence + 1, \
                 leased = 0 WHERE id = ?1",
            )?
            .execute(params![
                change.recipient,
                change.state.name(),
                change.attempts,
                change.due_at
            ])?;
        if change.state.is_final() && !recipient.state.is_final() {
            connection
                .prepare_cached(
                    "UPDATE messages SET waiting = waiting - 1, \
                     closed_at = CASE WHEN waiting = 1 THEN ?2 ELSE closed_at END WHERE id = ?1",
                )?
                .execute(params![recipient.message_id, change.event.at])?;
            outbox::concluded(connection, recipient, change)?;
        }
        event(connection, &change.event)?;
        change
            .reports
            .iter()
            .try_for_each(|report| add_report(connection, report))
    })();
    settled.map_err(database)
}

fn settle_report(connection: &Connection, change: &ReportChange) -> Result<(), StoreError> {
    outbox::reported(connection, change).map_err(database)?;
    let changed = match change.due_at {
        Some(due_at) => connection
            .prepare_cached(
                "UPDATE reports SET attempts = ?3, due_at = ?4, fence = fence + 1, leased = 0 \
                 WHERE id = ?1 AND fence = ?2",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    change.report,
                    change.fence,
                    change.attempts,
                    due_at
                ])
            }),
        None => connection
            .prepare_cached("DELETE FROM reports WHERE id = ?1 AND fence = ?2")
            .and_then(|mut statement| statement.execute(params![change.report, change.fence])),
    };
    if changed.map_err(database)? == 0 {
        return Err(StoreError::Stale);
    }
    event(connection, &change.event).map_err(database)
}

/// Messages whose bodies went, each with the row of its body if it was in one, and how many messages
/// were forgotten.
type Purged = (Vec<(String, Option<i64>)>, usize);

/// Deletes some of what is kept no longer.
fn purge(
    connection: &Connection,
    closed_before: Millis,
    forget_before: Millis,
) -> Result<Purged, StoreError> {
    let purged = (|| {
        let gone = connection
            .prepare_cached(
                "UPDATE messages SET has_body = 0 WHERE id IN (SELECT id FROM messages \
                 WHERE closed_at < ?1 AND has_body = 1 LIMIT ?2) RETURNING id, octets",
            )?
            .query_map([closed_before, PURGED], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<rusqlite::Result<Vec<(String, Option<i64>)>>>()?;
        let mut delete = connection.prepare_cached("DELETE FROM octets WHERE id = ?1")?;
        for octets in gone.iter().filter_map(|(_, octets)| *octets) {
            delete.execute([octets])?;
        }
        let forgotten = connection
            .prepare_cached(
                "DELETE FROM messages WHERE id IN (SELECT id FROM messages \
                 WHERE closed_at < ?1 AND has_body = 0 LIMIT ?2)",
            )?
            .execute([forget_before, PURGED])?;
        Ok((gone, forgotten))
    })();
    purged.map_err(database)
}

fn add_report(connection: &Connection, report: &NewReport) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO reports (message_id, address, pdu, due_at, expires_at, attempts, fence, \
             peer, transaction_id) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, ?6, ?7)",
        )?
        .execute(params![
            report.message_id,
            report.address,
            report.pdu,
            report.due_at,
            report.expires_at,
            report.peer,
            report.transaction_id
        ])
        .map(|_| ())
}

/// Writes an event; one about a message that is forgotten is not written.
fn event(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    let written = connection
        .prepare_cached(
            "INSERT INTO events (message_id, recipient, at, what, detail) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            event.message_id,
            event.recipient,
            event.at,
            event.what,
            event.detail
        ]);
    match written {
        Err(rusqlite::Error::SqliteFailure(code, _))
            if code.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY =>
        {
            Ok(())
        }
        written => written.map(|_| ()),
    }
}

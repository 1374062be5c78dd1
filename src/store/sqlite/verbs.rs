//! The verbs of the store, in SQL.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, ffi, params};
use sha2::{Digest, Sha256};

use super::query::{self, MESSAGE, MESSAGE_COLUMNS, RECIPIENT, REPORT};
use super::{SqliteStore, database, outbox};
use crate::store::{
    Accepted, Change, Event, Lease, MessageRow, Millis, NewReport, Page, RecipientRow,
    ReportChange, Store, StoreError, Submission, Work,
};

impl Store for SqliteStore {
    fn accept(
        &self,
        submission: &Submission,
        body: &Bytes,
        duplicates_since: Millis,
    ) -> Result<Accepted, StoreError> {
        self.bodies.put(&submission.id, body)?;
        let row = submission.clone();
        let accepted = self.writer.run(move |connection| {
            match duplicate(connection, &row, duplicates_since).map_err(database)? {
                Some(id) => Ok(Accepted::Duplicate(id)),
                None => insert(connection, &row).map(|()| Accepted::New),
            }
        });
        if !matches!(accepted, Ok(Accepted::New)) {
            // Where the commit failed half-way nobody knows whether the row is there: a body that
            // it would need must stay. Opening the store collects it if nothing does.
            let unused = match &accepted {
                Ok(_) | Err(StoreError::Collision) => true,
                Err(_) => matches!(self.message(&submission.id), Ok(None)),
            };
            if unused {
                self.bodies.delete(&submission.id)?;
            }
        }
        accepted
    }

    fn lease_due(&self, now: Millis, most: usize, ttl: Millis) -> Result<Vec<Lease>, StoreError> {
        let until = now.saturating_add(ttl);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.writer
            .run(move |connection| lease(connection, now, most, until).map_err(database))
    }

    fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT min(due_at) FROM (SELECT min(due_at) AS due_at FROM recipients \
                     WHERE due_at IS NOT NULL UNION ALL SELECT min(due_at) FROM reports)",
                )?
                .query_row([], |row| row.get(0))
        })
    }

    fn settle(&self, change: &Change) -> Result<(), StoreError> {
        let change = change.clone();
        self.writer
            .run(move |connection| settle(connection, &change))
    }

    fn settle_report(&self, change: &ReportChange) -> Result<(), StoreError> {
        let change = change.clone();
        self.writer.run(move |connection| {
            outbox::reported(connection, &change).map_err(database)?;
            let changed = match change.due_at {
                Some(due_at) => connection
                    .prepare_cached(
                        "UPDATE reports SET attempts = ?3, due_at = ?4, fence = fence + 1 \
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
                None => connection.execute(
                    "DELETE FROM reports WHERE id = ?1 AND fence = ?2",
                    params![change.report, change.fence],
                ),
            };
            if changed.map_err(database)? == 0 {
                return Err(StoreError::Stale);
            }
            event(connection, &change.event).map_err(database)
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
        let found = self.bodies.get(&message.id)?;
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
        self.writer
            .run(move |connection| event(connection, &happened).map_err(database))
    }

    fn add_report(&self, report: &NewReport, happened: &Event) -> Result<(), StoreError> {
        let (report, happened) = (report.clone(), happened.clone());
        self.writer.run(move |connection| {
            add_report(connection, &report)
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
        let gone: Vec<String> = self.writer.run(move |connection| {
            let ids = connection
                .prepare_cached(
                    "UPDATE messages SET has_body = 0 \
                     WHERE closed_at < ?1 AND has_body = 1 RETURNING id",
                )
                .and_then(|mut statement| {
                    statement
                        .query_map([closed_before], |row| row.get(0))?
                        .collect::<rusqlite::Result<Vec<String>>>()
                })
                .map_err(database)?;
            connection
                .execute(
                    "DELETE FROM messages WHERE closed_at < ?1 AND has_body = 0",
                    [forget_before],
                )
                .map_err(database)?;
            Ok(ids)
        })?;
        // Only now: a body without a row is collected, a row without a body would be an error.
        for id in &gone {
            self.bodies.delete(id)?;
        }
        Ok(gone.len())
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

fn insert(connection: &Connection, s: &Submission) -> Result<(), StoreError> {
    let inserted = (|| {
        connection
            .prepare_cached(
                "INSERT INTO messages VALUES \
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 1, ?13, NULL)",
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
            ])?;
        for recipient in &s.recipients {
            let hash: [u8; 32] = Sha256::digest(recipient.token.as_bytes()).into();
            connection
                .prepare_cached(
                    "INSERT INTO recipients (message_id, address, role, token, token_hash, \
                     transaction_id, state, attempts, due_at, fence) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', 0, ?7, 0)",
                )?
                .execute(params![
                    s.id,
                    recipient.address,
                    query::role_number(recipient.role),
                    recipient.token,
                    hash,
                    recipient.transaction_id,
                    s.deliver_at,
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
    now: Millis,
    most: i64,
    until: Millis,
) -> rusqlite::Result<Vec<Lease>> {
    let half = most.saturating_add(1) / 2;
    let sql = format!("SELECT {REPORT} FROM reports WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2");
    let mut reports = connection
        .prepare_cached(&sql)?
        .query_map(params![now, half], query::report)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut take = connection.prepare_cached(
        "UPDATE reports SET due_at = ?2, fence = fence + 1 WHERE id = ?1 RETURNING fence",
    )?;
    for report in &mut reports {
        report.fence = take.query_row(params![report.id, until], |row| row.get(0))?;
    }
    let rest = most.saturating_sub(i64::try_from(reports.len()).unwrap_or(most));
    let sql = format!(
        "SELECT {MESSAGE}, {RECIPIENT} FROM recipients r JOIN messages m ON m.id = r.message_id \
         WHERE r.due_at <= ?1 ORDER BY r.due_at LIMIT ?2"
    );
    let mut recipients = connection
        .prepare_cached(&sql)?
        .query_map(params![now, rest], |row| {
            Ok((
                query::message(row)?,
                query::recipient(row, MESSAGE_COLUMNS)?,
            ))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut take = connection.prepare_cached(
        "UPDATE recipients SET due_at = ?2, fence = fence + 1 WHERE id = ?1 RETURNING fence",
    )?;
    for (_, recipient) in &mut recipients {
        recipient.fence = take.query_row(params![recipient.id, until], |row| row.get(0))?;
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
    let (message_id, was): (String, String) = connection
        .prepare_cached("SELECT message_id, state FROM recipients WHERE id = ?1 AND fence = ?2")
        .and_then(|mut statement| {
            statement
                .query_row(params![change.recipient, change.fence], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()
        })
        .map_err(database)?
        .ok_or(StoreError::Stale)?;
    let settled = (|| {
        connection
            .prepare_cached(
                "UPDATE recipients SET state = ?2, attempts = ?3, due_at = ?4, fence = fence + 1 \
                 WHERE id = ?1",
            )?
            .execute(params![
                change.recipient,
                change.state.name(),
                change.attempts,
                change.due_at
            ])?;
        let was_final = crate::store::DeliveryState::from_name(&was)
            .is_some_and(crate::store::DeliveryState::is_final);
        if change.state.is_final() && !was_final {
            connection
                .prepare_cached(
                    "UPDATE messages SET waiting = waiting - 1, \
                     closed_at = CASE WHEN waiting = 1 THEN ?2 ELSE closed_at END WHERE id = ?1",
                )?
                .execute(params![message_id, change.event.at])?;
            outbox::concluded(connection, change)?;
        }
        event(connection, &change.event)?;
        change
            .reports
            .iter()
            .try_for_each(|report| add_report(connection, report))
    })();
    settled.map_err(database)
}

fn add_report(connection: &Connection, report: &NewReport) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO reports (message_id, address, pdu, due_at, expires_at, attempts, fence) \
             VALUES (?1, ?2, ?3, ?4, ?5, 0, 0)",
        )?
        .execute(params![
            report.message_id,
            report.address,
            report.pdu,
            report.due_at,
            report.expires_at
        ])
        .map(|_| ())
}

/// Writes an event; one about a message that is forgotten is not written.
fn event(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO events (message_id, recipient, at, what, detail) \
             SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM messages WHERE id = ?1)",
        )?
        .execute(params![
            event.message_id,
            event.recipient,
            event.at,
            event.what,
            event.detail
        ])
        .map(|_| ())
}

//! The verbs of the store, each one statement.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::PostgresStore;
use super::connect::{Failure, Session};
use super::pool::Locks;
use super::query::{self, count, get, number, sql, sql_of};
use crate::store::outbox::{self, Exchanged, RecordKind, Told};
use crate::store::{
    Accepted, BoxEntry, Change, DeliveryState, Event, Lease, MessageRow, Millis, NewReport, Page,
    Quota, RecipientRow, ReportChange, ReportRow, Settlement, Store, StoreError, Submission, Whose,
    Work,
};

/// Octets of a body that is kept in a row although there is a bucket: one transaction then, and no
/// request to the bucket at all. What is larger would fill the database and its log with octets.
pub(super) const IN_ROW: usize = 32 << 10;
/// Messages whose bodies or rows are deleted in one transaction: nobody waits long for it.
const PURGED: i64 = 200;
/// Objects without a row are looked for this often, and deleted when they are this old.
const SWEEP: Millis = 24 * 3_600_000;

impl Store for PostgresStore {
    fn accept(
        &self,
        submission: &Submission,
        body: &Bytes,
        duplicates_since: Millis,
    ) -> Result<Accepted, StoreError> {
        let object = self.objects.as_ref().filter(|_| body.len() > IN_ROW);
        if let Some(objects) = object {
            self.faults
                .at(crate::store::Point::BodyWrite)
                .map_err(|error| StoreError::io("body of a message", &error))?;
            objects.put(&submission.id, body)?;
        }
        let row = submission.clone();
        let octets = object.is_none().then(|| body.clone());
        let attempts = std::cell::Cell::new(0_u32);
        let accepted = self.writers.run(async move |session| {
            attempts.set(attempts.get().saturating_add(1));
            match accept(session, &row, octets.as_deref(), duplicates_since).await {
                // An attempt whose answer was lost had made it.
                Ok(Accepted::Duplicate(id)) if attempts.get() > 1 && id == row.id => {
                    Ok(Accepted::New)
                }
                other => other,
            }
        });
        if let Some(objects) = object {
            // Where the commit failed half-way nobody knows whether the row is there: a body that
            // it would need must stay. The sweep collects it if nothing does.
            let unused = match &accepted {
                Ok(Accepted::Duplicate(id)) => *id != submission.id,
                other => *other == Err(StoreError::Collision),
            };
            if unused {
                let _ = objects.delete(&submission.id);
            }
        }
        if accepted == Ok(Accepted::New) {
            self.announce();
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
        let most = number(most);
        let node = self.node.clone();
        let peers = query::peers(whose);
        let reports_sql = sql_of!("lease_reports", whose);
        let recipients_sql = sql_of!("lease_recipients", whose);
        self.writers.run_locking(Locks::Many, async move |session| {
            // Reports come first, but no more than half: neither kind of work can keep the other
            // waiting.
            let half = most.saturating_add(1) / 2;
            let rows = session
                .rows(reports_sql, &[&peers, &now, &half, &until, &&*node])
                .await?;
            let mut leases = Vec::with_capacity(rows.len());
            for row in &rows {
                let work = Work::Report(query::report(row)?);
                leases.push(Lease { work, until });
            }
            let rest = most.saturating_sub(number(leases.len()));
            let rows = session
                .rows(recipients_sql, &[&peers, &now, &rest, &until, &&*node])
                .await?;
            for row in &rows {
                let work = Work::Recipient(Box::new(query::both(row)?));
                leases.push(Lease { work, until });
            }
            Ok(leases)
        })
    }

    fn next_due_of(&self, whose: Whose<'_>) -> Result<Option<Millis>, StoreError> {
        let peers = query::peers(whose);
        let sql = sql_of!("next_due", whose);
        self.readers
            .run(async move |session| session.one(sql, &[&peers]).await)
    }

    fn report_by_transaction(&self, id: &str) -> Result<Option<ReportRow>, StoreError> {
        let id = id.to_owned();
        self.readers.run(async move |session| {
            let row = session.row(sql!("report_by_transaction"), &[&id]).await?;
            row.as_ref().map(query::report).transpose()
        })
    }

    fn settle(&self, change: &Change) -> Result<(), StoreError> {
        let change = change.clone();
        let more = !change.reports.is_empty();
        let locks = Locks::One(change.recipient);
        self.writers.run_locking(locks, async move |session| {
            match settle(session, &change).await? {
                true => Ok(()),
                false => Err(Failure::Told(StoreError::Stale)),
            }
        })?;
        if more {
            self.announce();
        }
        Ok(())
    }

    fn settle_report(&self, change: &ReportChange) -> Result<(), StoreError> {
        let change = change.clone();
        self.writers
            .run_locking(
                Locks::One(change.report),
                async move |session| match settle_report(session, &change).await? {
                    true => Ok(()),
                    false => Err(Failure::Told(StoreError::Stale)),
                },
            )
    }

    fn settle_all(&self, mut settlements: Vec<Settlement>) -> Result<usize, StoreError> {
        let more = settlements.iter().any(|settlement| {
            matches!(settlement, Settlement::Recipient(change) if !change.reports.is_empty())
        });
        settlements.sort_by_key(|settlement| match settlement {
            Settlement::Recipient(change) => change.recipient,
            Settlement::Report(change) => change.report,
        });
        let made = self
            .writers
            .run_locking(Locks::Many, async move |session| {
                // All are sent before the first answer is waited for.
                let all = settlements.iter().map(|settlement| async move {
                    match settlement {
                        Settlement::Recipient(change) => settle(session, change).await,
                        Settlement::Report(change) => settle_report(session, change).await,
                    }
                });
                let done = futures_util::future::join_all(all).await;
                let mut made: usize = 0;
                for done in done {
                    made = made.saturating_add(usize::from(done?));
                }
                Ok(made)
            })?;
        if more {
            self.announce();
        }
        Ok(made)
    }

    fn reroute(
        &self,
        recipient: i64,
        fence: i64,
        peer: Option<&str>,
        event: &Event,
    ) -> Result<(), StoreError> {
        let (peer, event) = (peer.map(str::to_owned), event.clone());
        self.writers
            .run_locking(Locks::One(recipient), async move |session| {
                let changed = session
                    .count(
                        sql!("reroute"),
                        &[
                            &recipient,
                            &fence,
                            &peer,
                            &event.at,
                            &event.message_id,
                            &event.recipient,
                            &event.what,
                            &query::clean(&event.detail),
                        ],
                    )
                    .await?;
                match changed {
                    0 => Err(Failure::Told(StoreError::Stale)),
                    _ => Ok(()),
                }
            })?;
        self.announce();
        Ok(())
    }

    fn by_token(&self, hash: &[u8; 32]) -> Result<Option<(MessageRow, RecipientRow)>, StoreError> {
        let hash = *hash;
        self.readers.run(async move |session| {
            let row = session.row(sql!("by_token"), &[&&hash[..]]).await?;
            row.as_ref().map(query::both).transpose()
        })
    }

    fn by_transaction(&self, id: &str) -> Result<Option<(MessageRow, RecipientRow)>, StoreError> {
        let id = id.to_owned();
        self.readers.run(async move |session| {
            let row = session.row(sql!("by_transaction"), &[&id]).await?;
            row.as_ref().map(query::both).transpose()
        })
    }

    fn message(&self, id: &str) -> Result<Option<(MessageRow, Vec<RecipientRow>)>, StoreError> {
        let id = id.to_owned();
        self.readers.run(async move |session| {
            let (message, recipients) = futures_util::future::join(
                session.row(sql!("message"), &[&id]),
                session.rows(sql!("recipients"), &[&id]),
            )
            .await;
            let (Some(message), recipients) = (message?, recipients?) else {
                return Ok(None);
            };
            let recipients: Result<_, _> = recipients
                .iter()
                .map(|row| query::recipient(row, 0))
                .collect();
            Ok(Some((query::message(&message)?, recipients?)))
        })
    }

    fn body(&self, message: &MessageRow) -> Result<Option<Bytes>, StoreError> {
        // A large one is asked of the bucket at once; where it is not there, the row says why.
        let large = usize::try_from(message.size).is_ok_and(|size| size > IN_ROW);
        if let (Some(objects), true) = (&self.objects, large)
            && let Some(octets) = objects.get(&message.id)?
        {
            return Ok(Some(octets));
        }
        let id = message.id.clone();
        let row = self.readers.run(async move |session| {
            let row = session.row(sql!("body"), &[&id]).await?;
            let Some(row) = row else { return Ok(None) };
            let (has_body, in_object): (bool, bool) = (get(&row, 0)?, get(&row, 1)?);
            let data: Option<Vec<u8>> = get(&row, 2)?;
            Ok(Some((has_body, in_object, data)))
        })?;
        match row {
            Some((true, _, Some(data))) => Ok(Some(data.into())),
            Some((true, true, None)) => match &self.objects {
                Some(objects) => objects.get(&message.id)?.map(Some).ok_or(MISSING),
                None => Err(NO_BUCKET),
            },
            Some((true, false, None)) => Err(MISSING),
            // It was purged since the message was read.
            Some((false, ..)) | None => Ok(None),
        }
    }

    fn events(&self, message_id: &str) -> Result<Vec<Event>, StoreError> {
        let id = message_id.to_owned();
        self.readers.run(async move |session| {
            let rows = session.rows(sql!("events"), &[&id]).await?;
            rows.iter().map(query::event).collect()
        })
    }

    fn record(&self, event: &Event) -> Result<(), StoreError> {
        let event = event.clone();
        self.writers.run(async move |session| {
            let exchanges = Exchanges::of(&event);
            session
                .execute(
                    sql!("record"),
                    &[
                        &event.message_id,
                        &event.recipient,
                        &event.at,
                        &event.what,
                        &query::clean(&event.detail),
                        &exchanges.kinds,
                        &exchanges.statuses,
                        &exchanges.foreign,
                        &exchanges.unsent,
                    ],
                )
                .await
                .map(|_| ())
        })
    }

    fn add_report(&self, report: &NewReport, event: &Event) -> Result<(), StoreError> {
        let (report, event) = (report.clone(), event.clone());
        self.writers.run(async move |session| {
            let exchanges = Exchanges::of(&event);
            session
                .execute(
                    sql!("add_report"),
                    &[
                        &report.message_id,
                        &report.address,
                        &report.pdu,
                        &report.due_at,
                        &report.expires_at,
                        &report.peer,
                        &report.transaction_id,
                        &event.message_id,
                        &event.recipient,
                        &event.at,
                        &event.what,
                        &query::clean(&event.detail),
                        &exchanges.kinds,
                        &exchanges.statuses,
                        &exchanges.foreign,
                        &exchanges.unsent,
                    ],
                )
                .await
                .map(|_| ())
        })?;
        self.announce();
        Ok(())
    }

    fn remember_device(
        &self,
        subscriber: &str,
        description: &str,
        now: Millis,
    ) -> Result<(), StoreError> {
        let (subscriber, description) = (subscriber.to_owned(), query::clean(description));
        self.writers.run(async move |session| {
            session
                .execute(sql!("remember_device"), &[&subscriber, &description, &now])
                .await
                .map(|_| ())
        })
    }

    fn device(&self, subscriber: &str) -> Result<Option<String>, StoreError> {
        let subscriber = subscriber.to_owned();
        self.readers.run(async move |session| {
            let sql = "SELECT description FROM devices WHERE subscriber = $1";
            let row = session.row(sql, &[&subscriber]).await?;
            row.as_ref().map(|row| get(row, 0)).transpose()
        })
    }

    fn purge(&self, closed_before: Millis, forget_before: Millis) -> Result<usize, StoreError> {
        let mut bodies: usize = 0;
        loop {
            let (gone, forgotten) = self.writers.run(async move |session| {
                let gone = session
                    .count(sql!("purge_bodies"), &[&closed_before, &PURGED])
                    .await?;
                let forgotten = session
                    .count(sql!("purge_messages"), &[&forget_before, &PURGED])
                    .await?;
                Ok((gone, forgotten))
            })?;
            bodies = bodies.saturating_add(usize::try_from(gone).unwrap_or(0));
            // Only now: an object without a row is collected, a row without an object is an error.
            let deleted = self.delete_doomed()?;
            if gone == 0 && forgotten == 0 && deleted == 0 {
                break;
            }
        }
        self.sweep(closed_before)?;
        Ok(bodies)
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

    fn page(&self) -> Result<Page, StoreError> {
        self.readers.run(async move |session| {
            let row = session
                .row(sql!("page"), &[])
                .await?
                .ok_or_else(|| Failure::Row("a count is missing".to_owned()))?;
            Ok(Page {
                messages: count(&row, 0)?,
                waiting: count(&row, 1)?,
                reports: count(&row, 2)?,
            })
        })
    }
}

/// A row says that there is a body, and there is none.
const MISSING: StoreError = StoreError::Missing;
/// A row says that the body is in a bucket, and none is configured.
const NO_BUCKET: StoreError = StoreError::NoBucket;

impl PostgresStore {
    /// Deletes some objects whose messages were purged, and gives their number. What cannot be
    /// deleted stays named for the next time.
    fn delete_doomed(&self) -> Result<usize, StoreError> {
        let Some(objects) = &self.objects else {
            return Ok(0);
        };
        let names: Vec<String> = self.readers.run(async move |session| {
            let rows = session
                .rows("SELECT name FROM doomed LIMIT $1", &[&PURGED])
                .await?;
            rows.iter().map(|row| get(row, 0)).collect()
        })?;
        for name in &names {
            objects.delete(name)?;
        }
        let deleted = names.len();
        if deleted > 0 {
            self.writers.run(async move |session| {
                session
                    .execute("DELETE FROM doomed WHERE name = ANY ($1)", &[&names])
                    .await
                    .map(|_| ())
            })?;
        }
        Ok(deleted)
    }

    /// Deletes objects that no row names: their transactions never came. One node does it, once in
    /// a day. `now` may be late, but not early.
    fn sweep(&self, now: Millis) -> Result<(), StoreError> {
        let Some(objects) = &self.objects else {
            return Ok(());
        };
        let mine = self.writers.run(async move |session| {
            session
                .row(sql!("chore"), &[&"sweep", &now, &SWEEP])
                .await
                .map(|row| row.is_some())
        })?;
        if !mine {
            return Ok(());
        }
        let readers = &self.readers;
        objects.sweep(now.saturating_sub(SWEEP), &mut |names| {
            let asked = names.to_vec();
            let known: Vec<String> = readers.run(async move |session| {
                let sql = "SELECT id FROM messages WHERE id = ANY ($1) AND has_body AND in_object";
                let rows = session.rows(sql, &[&asked]).await?;
                rows.iter().map(|row| get(row, 0)).collect()
            })?;
            Ok(names
                .iter()
                .filter(|name| !known.contains(name))
                .cloned()
                .collect())
        })
    }
}

async fn accept(
    session: &Session,
    s: &Submission,
    octets: Option<&[u8]>,
    since: Millis,
) -> Result<Accepted, Failure> {
    let key = key(&s.sender, &s.transaction_id, &s.content_hash);
    let kind = match s.origin {
        Some(_) => RecordKind::Receipt,
        None => RecordKind::Submission,
    };
    let column = |of: fn(&crate::store::NewRecipient) -> &str| -> Vec<&str> {
        s.recipients.iter().map(of).collect()
    };
    let roles: Vec<i16> = s
        .recipients
        .iter()
        .map(|r| query::role_number(r.role))
        .collect();
    let hashes: Vec<Vec<u8>> = s
        .recipients
        .iter()
        .map(|r| Sha256::digest(r.token.as_bytes()).to_vec())
        .collect();
    let peers: Vec<Option<&str>> = s.recipients.iter().map(|r| r.peer.as_deref()).collect();
    let detail = format!("{} octets for {}", s.size, s.recipients.len());
    let row = session
        .row(
            sql!("accept"),
            &[
                &&key[..],
                &s.id,
                &s.accepted_at,
                &since,
                &s.sender,
                &s.transaction_id,
                &&s.content_hash[..],
                &s.expires_at,
                &s.delivery_report,
                &s.read_report,
                &s.sender_visible,
                &i16::from(s.class),
                &number(s.size),
                &s.subject.as_deref().map(query::clean),
                &octets,
                &&s.content[..],
                &s.origin.as_ref().map(|origin| &origin.peer),
                &s.origin.as_ref().map(|origin| &origin.message_id),
                &s.origin.as_ref().map(|origin| origin.for_user),
                &column(|r| &r.address),
                &roles,
                &column(|r| &r.token),
                &hashes,
                &column(|r| &r.transaction_id),
                &peers,
                &s.deliver_at,
                &detail,
                &i16::from(kind.number()),
            ],
        )
        .await?
        .ok_or_else(|| Failure::Row("a count is missing".to_owned()))?;
    let recipients = u64::try_from(s.recipients.len()).unwrap_or(u64::MAX);
    match (count(&row, 0)?, count(&row, 1)?, count(&row, 2)?) {
        (1, 1, named) if named == recipients => Ok(Accepted::New),
        (0, ..) => {
            let id = session.one(sql!("submission"), &[&&key[..]]).await?;
            Ok(Accepted::Duplicate(id))
        }
        _ => Err(Failure::Undo(StoreError::Collision)),
    }
}

/// What a repeated submission is known by.
pub(super) fn key(sender: &str, transaction_id: &str, content_hash: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in [sender, transaction_id] {
        hash.update(number(text.len()).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(content_hash);
    hash.finalize().into()
}

/// Whether a change was made: it is not where its fence is stale.
async fn settle(session: &Session, change: &Change) -> Result<bool, Failure> {
    let finals: Vec<&str> = DeliveryState::ALL
        .into_iter()
        .filter(|state| state.is_final())
        .map(DeliveryState::name)
        .collect();
    let concluded =
        |foreign| outbox::concluded(change.state, foreign).map(|kind| i16::from(kind.number()));
    let exchanges = Exchanges::of(&change.event);
    let reports = &change.reports;
    let texts = |of: fn(&NewReport) -> &str| -> Vec<&str> { reports.iter().map(of).collect() };
    let times = |of: fn(&NewReport) -> Millis| -> Vec<Millis> { reports.iter().map(of).collect() };
    let maybe = |of: fn(&NewReport) -> Option<&str>| -> Vec<Option<&str>> {
        reports.iter().map(of).collect()
    };
    let pdus: Vec<&[u8]> = reports.iter().map(|report| &report.pdu[..]).collect();
    let event = &change.event;
    let changed = session
        .count(
            sql!("settle"),
            &[
                &change.recipient,
                &change.fence,
                &change.state.name(),
                &i64::from(change.attempts),
                &change.due_at,
                &change.state.is_final(),
                &finals,
                &event.at,
                &event.message_id,
                &event.recipient,
                &event.what,
                &query::clean(&event.detail),
                &texts(|r| &r.message_id),
                &texts(|r| &r.address),
                &pdus,
                &times(|r| r.due_at),
                &times(|r| r.expires_at),
                &maybe(|r| r.peer.as_deref()),
                &maybe(|r| r.transaction_id.as_deref()),
                &concluded(false),
                &concluded(true),
                &exchanges.kinds,
                &exchanges.statuses,
                &exchanges.foreign,
                &exchanges.unsent,
            ],
        )
        .await?;
    Ok(changed > 0)
}

/// What is recorded because peers exchanged something, column by column.
struct Exchanges {
    kinds: Vec<i16>,
    statuses: Vec<String>,
    foreign: Vec<bool>,
    unsent: Vec<bool>,
}

impl Exchanges {
    fn of(event: &Event) -> Self {
        let all = Exchanged::of(event);
        Self {
            kinds: all.iter().map(|one| i16::from(one.kind.number())).collect(),
            statuses: all.iter().map(|one| query::clean(&one.status)).collect(),
            foreign: all.iter().map(|one| one.foreign).collect(),
            unsent: all.iter().map(|one| one.unsent).collect(),
        }
    }
}

/// Whether a change to a report was made.
async fn settle_report(session: &Session, change: &ReportChange) -> Result<bool, Failure> {
    let event = &change.event;
    let told = Told::of(event);
    let kinds: Vec<i16> = told
        .iter()
        .map(|one| i16::from(one.kind.number()))
        .collect();
    let notes: Vec<&str> = told.iter().map(|one| one.note).collect();
    let statuses: Vec<String> = told.iter().map(|one| query::clean(&one.status)).collect();
    let untried: Vec<bool> = told.iter().map(|one| one.untried).collect();
    let changed = session
        .count(
            sql!("settle_report"),
            &[
                &change.report,
                &change.fence,
                &i64::from(change.attempts),
                &change.due_at,
                &i16::from(RecordKind::ReadReport.number()),
                &i16::from(RecordKind::DeliveryReport.number()),
                &event.at,
                &event.message_id,
                &event.recipient,
                &event.what,
                &query::clean(&event.detail),
                &kinds,
                &notes,
                &statuses,
                &untried,
            ],
        )
        .await?;
    Ok(changed > 0)
}

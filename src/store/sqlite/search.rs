//! What operators ask, in SQL.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::query::{self, MESSAGE, MESSAGE_COLUMNS, RECIPIENT};
use super::{SqliteStore, database};
use crate::store::records::{DeviceRow, Found, MOST_FOUND, Queue, Records, Search};
use crate::store::{DeliveryState, MessageRow, Millis, RecipientRow, StoreError};

/// Indices that only operators need.
pub(super) const INDICES: &str = "
CREATE INDEX messages_by_time ON messages (accepted_at, id);
CREATE INDEX recipients_by_address ON recipients (address);
";

impl Records for SqliteStore {
    fn search(&self, search: &Search) -> Result<Vec<Found>, StoreError> {
        self.read(|connection| {
            let (condition, values) = condition(search);
            let sql = format!(
                "SELECT {MESSAGE} FROM messages m WHERE {condition} \
                 ORDER BY m.accepted_at DESC, m.id DESC LIMIT {}",
                search.most.min(MOST_FOUND)
            );
            let messages = connection
                .prepare_cached(&sql)?
                .query_map(params_from_iter(values), query::message)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            messages
                .into_iter()
                .map(|message| {
                    let recipients = recipients(connection, &message.id)?;
                    Ok(Found {
                        message,
                        recipients,
                    })
                })
                .collect()
        })
    }

    fn queue(&self, now: Millis) -> Result<Vec<Queue>, StoreError> {
        self.read(|connection| {
            let mut queues = connection
                .prepare_cached(
                    "SELECT state, count(*), sum(due_at <= ?1), \
                     min(CASE WHEN due_at <= ?1 THEN due_at END) \
                     FROM (SELECT state, due_at FROM recipients \
                     WHERE due_at IS NOT NULL AND peer IS NULL UNION ALL \
                     SELECT state, due_at FROM recipients \
                     WHERE due_at IS NOT NULL AND peer IS NOT NULL) \
                     GROUP BY state ORDER BY state",
                )?
                .query_map([now], |row| {
                    let state: String = row.get(0)?;
                    queue(row, DeliveryState::from_name(&state))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let reports = connection
                .prepare_cached(
                    "SELECT NULL, count(*), coalesce(sum(due_at <= ?1), 0), \
                     min(CASE WHEN due_at <= ?1 THEN due_at END) FROM reports",
                )?
                .query_row([now], |row| queue(row, None))?;
            queues.push(reports);
            Ok(queues)
        })
    }

    fn waiting(
        &self,
        state: Option<DeliveryState>,
        most: usize,
    ) -> Result<Vec<(MessageRow, RecipientRow, Millis)>, StoreError> {
        let most = i64::try_from(most.min(MOST_FOUND)).unwrap_or(0);
        self.read(|connection| {
            let sql = format!(
                "SELECT {MESSAGE}, {RECIPIENT}, r.due_at FROM recipients r \
                 JOIN messages m ON m.id = r.message_id \
                 WHERE r.due_at IS NOT NULL AND (?1 IS NULL OR r.state = ?1) \
                 ORDER BY r.due_at LIMIT ?2"
            );
            connection
                .prepare_cached(&sql)?
                .query_map(params![state.map(DeliveryState::name), most], |row| {
                    Ok((
                        query::message(row)?,
                        query::recipient(row, MESSAGE_COLUMNS)?,
                        row.get("due_at")?,
                    ))
                })?
                .collect()
        })
    }

    fn due(&self, message_id: &str) -> Result<Vec<(i64, Millis)>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, due_at FROM recipients \
                     WHERE message_id = ?1 AND due_at IS NOT NULL ORDER BY id",
                )?
                .query_map([message_id], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    fn devices(&self, after: &str, most: usize) -> Result<Vec<DeviceRow>, StoreError> {
        let most = i64::try_from(most.min(MOST_FOUND)).unwrap_or(0);
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT subscriber, description, seen_at FROM devices \
                     WHERE subscriber > ?1 ORDER BY subscriber LIMIT ?2",
                )?
                .query_map(params![after, most], device)?
                .collect()
        })
    }

    fn device_row(&self, subscriber: &str) -> Result<Option<DeviceRow>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT subscriber, description, seen_at FROM devices WHERE subscriber = ?1",
                )?
                .query_row([subscriber], device)
                .optional()
        })
    }

    fn forget_device(&self, subscriber: &str) -> Result<bool, StoreError> {
        let subscriber = subscriber.to_owned();
        self.writer.run(move |connection| {
            connection
                .execute("DELETE FROM devices WHERE subscriber = ?1", [&subscriber])
                .map(|deleted| deleted > 0)
                .map_err(database)
        })
    }
}

/// That an address is among the recipients.
const RECEIVES: &str = "m.id IN (SELECT message_id FROM recipients WHERE address IN (?, ?))";

/// The condition on `m` that a search means, and the values for its marks.
fn condition(search: &Search) -> (String, Vec<Value>) {
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, given: Vec<Value>| {
        conditions.push(condition.to_owned());
        values.extend(given);
    };
    let forms = |address: &String| -> Vec<Value> {
        vec![
            address.clone().into(),
            format!("{address}/TYPE=PLMN").into(),
        ]
    };
    if let Some(address) = &search.sender {
        add("m.sender IN (?, ?)", forms(address));
    }
    if let Some(address) = &search.recipient {
        add(RECEIVES, forms(address));
    }
    if let Some(address) = &search.party {
        let both = [forms(address), forms(address)].concat();
        add(&format!("(m.sender IN (?, ?) OR {RECEIVES})"), both);
    }
    if let Some(state) = search.state {
        add(
            "EXISTS (SELECT 1 FROM recipients s WHERE s.message_id = m.id AND s.state = ?)",
            vec![state.name().to_owned().into()],
        );
    }
    if let Some(since) = search.since {
        add("m.accepted_at >= ?", vec![since.into()]);
    }
    if let Some(until) = search.until {
        add("m.accepted_at < ?", vec![until.into()]);
    }
    if let Some(after) = &search.after {
        let place = vec![after.accepted_at.into(), after.id.clone().into()];
        add("(m.accepted_at, m.id) < (?, ?)", place);
    }
    (conditions.join(" AND "), values)
}

fn recipients(connection: &Connection, id: &str) -> rusqlite::Result<Vec<RecipientRow>> {
    let sql = format!("SELECT {RECIPIENT} FROM recipients r WHERE r.message_id = ?1 ORDER BY r.id");
    connection
        .prepare_cached(&sql)?
        .query_map([id], |row| query::recipient(row, 0))?
        .collect()
}

fn queue(row: &Row<'_>, state: Option<DeliveryState>) -> rusqlite::Result<Queue> {
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok(Queue {
        state,
        waiting: count(row.get(1)?),
        due: count(row.get(2)?),
        due_since: row.get(3)?,
    })
}

fn device(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        subscriber: row.get(0)?,
        description: row.get(1)?,
        seen_at: row.get(2)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::submission;
    use crate::store::records::Cursor;
    use crate::store::{Change, Event, Store, outbox::Outbox, outbox::RecordKind};

    struct Opened(SqliteStore, std::path::PathBuf);

    impl Opened {
        fn new(name: &str) -> Self {
            let name = format!("remold-search-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = std::fs::remove_dir_all(&path);
            let store = SqliteStore::open(&path).unwrap().0;
            for number in 1..=5 {
                let mut message = submission(number);
                message.accepted_at = i64::from(number) * 1_000;
                store.accept(&message, &"x".into(), 0).unwrap();
            }
            Self(store, path)
        }
    }

    impl Drop for Opened {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.1);
        }
    }

    fn all() -> Search {
        Search {
            most: 100,
            ..Search::default()
        }
    }

    fn times(store: &SqliteStore, search: &Search) -> Vec<Millis> {
        let found = store.search(search).unwrap();
        found.iter().map(|one| one.message.accepted_at).collect()
    }

    #[test]
    fn messages_are_found_by_what_is_known_of_them() {
        let opened = Opened::new("found");
        let store = &opened.0;
        assert_eq!(times(store, &all()), [5_000, 4_000, 3_000, 2_000, 1_000]);
        let between = Search {
            since: Some(2_000),
            until: Some(4_000),
            ..all()
        };
        assert_eq!(times(store, &between), [3_000, 2_000]);
        let third = submission(3);
        let plain = |address: &str| Some(address.trim_end_matches("/TYPE=PLMN").to_owned());
        let by_recipient = Search {
            recipient: plain(&third.recipients[0].address),
            ..all()
        };
        assert!(times(store, &by_recipient).contains(&3_000));
        let by_party = Search {
            party: plain(&third.sender),
            ..all()
        };
        assert!(times(store, &by_party).contains(&3_000));
        let nobody = Search {
            sender: Some("+19".to_owned()),
            ..all()
        };
        assert!(times(store, &nobody).is_empty());
        let done = Search {
            state: Some(DeliveryState::Retrieved),
            ..all()
        };
        assert!(times(store, &done).is_empty());
    }

    #[test]
    fn pages_follow_each_other_without_a_gap() {
        let opened = Opened::new("pages");
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = opened.0.search(&Search {
                after: after.clone(),
                most: 2,
                ..Search::default()
            });
            let page = page.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(Cursor {
                accepted_at: last.message.accepted_at,
                id: last.message.id.clone(),
            });
            seen.extend(page.iter().map(|one| one.message.accepted_at));
        }
        assert_eq!(seen, [5_000, 4_000, 3_000, 2_000, 1_000]);
    }

    #[test]
    fn what_waits_is_counted_by_state_and_age() {
        let opened = Opened::new("queue");
        let first = submission(1);
        let queues = opened.0.queue(first.deliver_at).unwrap();
        assert_eq!(queues.len(), 2);
        assert_eq!(queues[0].state, Some(DeliveryState::Queued));
        assert_eq!(queues[0].waiting, 10);
        assert!(queues[0].due >= 2);
        assert_eq!((queues[1].state, queues[1].waiting), (None, 0));
        let waiting = opened.0.waiting(Some(DeliveryState::Queued), 3).unwrap();
        assert_eq!(waiting.len(), 3);
        assert!(
            opened
                .0
                .waiting(Some(DeliveryState::Deferred), 3)
                .unwrap()
                .is_empty()
        );
        assert_eq!(opened.0.due(&first.id).unwrap().len(), 2);
    }

    #[test]
    fn a_device_is_forgotten_when_somebody_says_so() {
        let opened = Opened::new("device");
        let store = &opened.0;
        store
            .remember_device("+15550000001", "user-agent: A\n", 7)
            .unwrap();
        store
            .remember_device("+15550000002", "user-agent: B\n", 8)
            .unwrap();
        let listed = store.devices("+15550000001", 10).unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].subscriber, "+15550000002");
        assert!(store.forget_device("+15550000002").unwrap());
        assert!(!store.forget_device("+15550000002").unwrap());
        assert_eq!(store.device_row("+15550000002").unwrap(), None);
        assert_eq!(
            store.device_row("+15550000001").unwrap().unwrap().seen_at,
            7
        );
    }

    #[test]
    fn records_are_numbered_without_a_gap_and_only_when_wanted() {
        let opened = Opened::new("records");
        let store = &opened.0;
        assert_eq!(store.records_waiting().unwrap(), 0, "nobody wanted them");
        store.keep_records(true).unwrap();
        let message = submission(6);
        store.accept(&message, &"x".into(), 0).unwrap();
        let again = store.accept(&message, &"x".into(), 0).unwrap();
        assert!(matches!(again, crate::store::Accepted::Duplicate(_)));
        let mut clash = submission(7);
        clash.recipients[0].token = message.recipients[0].token.clone();
        store.accept(&clash, &"x".into(), 0).unwrap_err();
        let (_, recipients) = store.message(&message.id).unwrap().unwrap();
        store
            .settle(&Change {
                recipient: recipients[0].id,
                fence: recipients[0].fence,
                state: DeliveryState::Retrieved,
                attempts: 1,
                due_at: None,
                event: Event {
                    message_id: message.id.clone(),
                    recipient: Some(recipients[0].id),
                    at: 9_000,
                    what: "acknowledged".to_owned(),
                    detail: String::new(),
                },
                reports: Vec::new(),
            })
            .unwrap();
        let records = store.records(10).unwrap();
        let kinds: Vec<_> = records.iter().map(|r| (r.number, r.kind)).collect();
        assert_eq!(
            kinds,
            [(1, RecordKind::Submission), (2, RecordKind::Delivery)]
        );
        assert_eq!(records[0].recipients.len(), 2);
        assert_eq!(records[1].recipients, [recipients[0].address.clone()]);
        let mark = crate::store::outbox::FileMark {
            file: "a".to_owned(),
            length: 3,
        };
        store.recorded(2, &mark).unwrap();
        assert_eq!(store.mark().unwrap(), Some(mark));
        store.accept(&submission(8), &"x".into(), 0).unwrap();
        assert_eq!(store.records(10).unwrap()[0].number, 3);
    }
}

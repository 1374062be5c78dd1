//! What operators ask, in SQL.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::PostgresStore;
use super::connect::Failure;
use super::query::{self, MESSAGE, MESSAGE_COLUMNS, RECIPIENT, count, get, sql};
use crate::store::records::{DeviceRow, Found, MOST_FOUND, Queue, Records, Search};
use crate::store::{DeliveryState, MessageRow, Millis, RecipientRow, StoreError};

impl Records for PostgresStore {
    fn search(&self, search: &Search) -> Result<Vec<Found>, StoreError> {
        let search = search.clone();
        self.readers.run(async move |session| {
            let (condition, values) = condition(&search);
            let sql = format!(
                "SELECT {MESSAGE} FROM messages m WHERE {condition} \
                 ORDER BY m.accepted_at DESC, m.id DESC LIMIT {}",
                search.most.min(MOST_FOUND)
            );
            let values: Vec<&(dyn ToSql + Sync)> =
                values.iter().map(|value| &**value as _).collect();
            let rows = session.rows_of(&sql, &values).await?;
            let messages: Vec<MessageRow> =
                rows.iter().map(query::message).collect::<Result<_, _>>()?;
            let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
            let sql = format!(
                "SELECT {RECIPIENT} FROM recipients r WHERE r.message_id = ANY ($1) ORDER BY r.id"
            );
            let rows = session.rows_of(&sql, &[&ids]).await?;
            let mut recipients: Vec<RecipientRow> = rows
                .iter()
                .map(|row| query::recipient(row, 0))
                .collect::<Result<_, _>>()?;
            Ok(messages
                .into_iter()
                .map(|message| Found {
                    recipients: recipients
                        .extract_if(.., |recipient| recipient.message_id == message.id)
                        .collect(),
                    message,
                })
                .collect())
        })
    }

    fn queue(&self, now: Millis) -> Result<Vec<Queue>, StoreError> {
        self.readers.run(async move |session| {
            let rows = session.rows(sql!("queue"), &[&now]).await?;
            let reports = session.rows(sql!("queue_reports"), &[&now]).await?;
            rows.iter().chain(&reports).map(queue).collect()
        })
    }

    fn waiting(
        &self,
        state: Option<DeliveryState>,
        most: usize,
    ) -> Result<Vec<(MessageRow, RecipientRow, Millis)>, StoreError> {
        let most = query::number(most.min(MOST_FOUND));
        let state = state.map(DeliveryState::name);
        self.readers.run(async move |session| {
            let rows = session.rows(sql!("waiting"), &[&state, &most]).await?;
            rows.iter()
                .map(|row| {
                    let recipient = query::recipient(row, MESSAGE_COLUMNS)?;
                    Ok((query::message(row)?, recipient, row.try_get("due_at")?))
                })
                .collect()
        })
    }

    fn due(&self, message_id: &str) -> Result<Vec<(i64, Millis)>, StoreError> {
        let id = message_id.to_owned();
        self.readers.run(async move |session| {
            let sql = "SELECT id, due_at FROM recipients \
                       WHERE message_id = $1 AND due_at IS NOT NULL ORDER BY id";
            let rows = session.rows(sql, &[&id]).await?;
            rows.iter()
                .map(|row| Ok((get(row, 0)?, get(row, 1)?)))
                .collect()
        })
    }

    fn devices(&self, after: &str, most: usize) -> Result<Vec<DeviceRow>, StoreError> {
        let most = query::number(most.min(MOST_FOUND));
        let after = after.to_owned();
        self.readers.run(async move |session| {
            let sql = "SELECT subscriber, description, seen_at FROM devices \
                       WHERE subscriber > $1 ORDER BY subscriber LIMIT $2";
            let rows = session.rows(sql, &[&after, &most]).await?;
            rows.iter().map(device).collect()
        })
    }

    fn device_row(&self, subscriber: &str) -> Result<Option<DeviceRow>, StoreError> {
        let subscriber = subscriber.to_owned();
        self.readers.run(async move |session| {
            let sql = "SELECT subscriber, description, seen_at FROM devices WHERE subscriber = $1";
            let row = session.row(sql, &[&subscriber]).await?;
            row.as_ref().map(device).transpose()
        })
    }

    fn forget_device(&self, subscriber: &str) -> Result<bool, StoreError> {
        let subscriber = subscriber.to_owned();
        self.writers.run(async move |session| {
            let deleted = session
                .execute("DELETE FROM devices WHERE subscriber = $1", &[&subscriber])
                .await?;
            Ok(deleted > 0)
        })
    }
}

/// The condition on `m` that a search means, and the values for its marks.
fn condition(search: &Search) -> (String, Vec<Box<dyn ToSql + Sync>>) {
    let mut conditions = vec!["TRUE".to_owned()];
    let mut values: Vec<Box<dyn ToSql + Sync>> = Vec::new();
    // Marks are `?` here and get their numbers in the end.
    let mut add = |condition: &str, given: Vec<Box<dyn ToSql + Sync>>| {
        conditions.push(condition.to_owned());
        values.extend(given);
    };
    let forms = |address: &String| -> Box<dyn ToSql + Sync> {
        Box::new(vec![address.clone(), format!("{address}/TYPE=PLMN")])
    };
    let receives = "m.id IN (SELECT message_id FROM recipients WHERE address = ANY (?))";
    if let Some(address) = &search.sender {
        add("m.sender = ANY (?)", vec![forms(address)]);
    }
    if let Some(address) = &search.recipient {
        add(receives, vec![forms(address)]);
    }
    if let Some(address) = &search.party {
        let either = format!("(m.sender = ANY (?) OR {receives})");
        add(&either, vec![forms(address), forms(address)]);
    }
    if let Some(state) = search.state {
        add(
            "EXISTS (SELECT 1 FROM recipients s WHERE s.message_id = m.id AND s.state = ?)",
            vec![Box::new(state.name())],
        );
    }
    if let Some(since) = search.since {
        add("m.accepted_at >= ?", vec![Box::new(since)]);
    }
    if let Some(until) = search.until {
        add("m.accepted_at < ?", vec![Box::new(until)]);
    }
    if let Some(after) = &search.after {
        let place: Vec<Box<dyn ToSql + Sync>> =
            vec![Box::new(after.accepted_at), Box::new(after.id.clone())];
        add("(m.accepted_at, m.id) < (?, ?)", place);
    }
    let mut numbered = String::new();
    for (number, part) in conditions.join(" AND ").split('?').enumerate() {
        if number > 0 {
            numbered.push_str(&format!("${number}"));
        }
        numbered.push_str(part);
    }
    (numbered, values)
}

fn queue(row: &Row) -> Result<Queue, Failure> {
    let state: Option<&str> = get(row, 0)?;
    Ok(Queue {
        state: state.and_then(DeliveryState::from_name),
        waiting: count(row, 1)?,
        due: count(row, 2)?,
        due_since: get(row, 3)?,
    })
}

fn device(row: &Row) -> Result<DeviceRow, Failure> {
    Ok(DeviceRow {
        subscriber: get(row, 0)?,
        description: get(row, 1)?,
        seen_at: get(row, 2)?,
    })
}

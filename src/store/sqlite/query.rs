//! Rows as the verbs give them.

use rusqlite::{Connection, OptionalExtension, Params, Row};

pub(super) use crate::store::columns::{MESSAGE, MESSAGE_COLUMNS, RECIPIENT, REPORT};
use crate::store::{DeliveryState, MessageRow, Origin, RecipientRow, ReportRow, Role, Whose};

/// The message of a row that begins with [`MESSAGE`].
pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<MessageRow> {
    Ok(MessageRow {
        id: row.get(0)?,
        sender: row.get(1)?,
        accepted_at: row.get(2)?,
        expires_at: row.get(3)?,
        delivery_report: row.get(4)?,
        read_report: row.get(5)?,
        sender_visible: row.get(6)?,
        class: row.get(7)?,
        size: u64::try_from(row.get::<_, i64>(8)?).unwrap_or(0),
        subject: row.get(9)?,
        has_body: row.get(10)?,
        origin: match (row.get(11)?, row.get(12)?) {
            (Some(peer), Some(message_id)) => Some(Origin {
                peer,
                message_id,
                for_user: row.get::<_, Option<bool>>(13)?.unwrap_or(true),
            }),
            _ => None,
        },
        content: row.get(14)?,
    })
}

/// The recipient whose columns begin at `at`.
pub(super) fn recipient(row: &Row<'_>, at: usize) -> rusqlite::Result<RecipientRow> {
    let column = |n: usize| at.saturating_add(n);
    let state: String = row.get(column(6))?;
    Ok(RecipientRow {
        id: row.get(column(0))?,
        message_id: row.get(column(1))?,
        address: row.get(column(2))?,
        role: role(row.get(column(3))?),
        token: row.get(column(4))?,
        transaction_id: row.get(column(5))?,
        state: DeliveryState::from_name(&state)
            .ok_or_else(|| rusqlite::Error::InvalidColumnName(format!("state {state}")))?,
        attempts: row.get(column(7))?,
        fence: row.get(column(8))?,
        peer: row.get(column(9))?,
    })
}

/// The report of a row of [`REPORT`].
pub(super) fn report(row: &Row<'_>) -> rusqlite::Result<ReportRow> {
    Ok(ReportRow {
        id: row.get(0)?,
        message_id: row.get(1)?,
        address: row.get(2)?,
        pdu: row.get(3)?,
        expires_at: row.get(4)?,
        attempts: row.get(5)?,
        fence: row.get(6)?,
        peer: row.get(7)?,
    })
}

/// One recipient with its message, by a condition on `r`.
pub(super) fn one(
    connection: &Connection,
    condition: &str,
    params: impl Params,
) -> rusqlite::Result<Option<(MessageRow, RecipientRow)>> {
    connection
        .prepare_cached(&one_by(condition))?
        .query_row(params, |row| {
            Ok((message(row)?, recipient(row, MESSAGE_COLUMNS)?))
        })
        .optional()
}

fn one_by(condition: &str) -> String {
    format!(
        "SELECT {MESSAGE}, {RECIPIENT} FROM recipients r JOIN messages m ON m.id = r.message_id \
         WHERE {condition}"
    )
}

/// The condition on a column `peer` that asks for the work of `whose`, and the value of `?1` in
/// it.
pub(super) fn of(whose: Whose<'_>) -> (&'static str, Option<String>) {
    match whose {
        Whose::Ours => ("peer IS NULL AND ?1 IS NULL", None),
        Whose::Peer(name) => ("peer = ?1", Some(name.to_owned())),
        Whose::Other(names) => (
            "peer IS NOT NULL AND peer NOT IN (SELECT value FROM json_each(?1))",
            serde_json::to_string(names).ok(),
        ),
    }
}

/// How a role is written.
pub(super) const fn role_number(role: Role) -> i64 {
    match role {
        Role::To => 0,
        Role::Cc => 1,
        Role::Bcc => 2,
    }
}

/// What is not To or Cc must not be shown to others.
const fn role(number: i64) -> Role {
    match number {
        0 => Role::To,
        1 => Role::Cc,
        _ => Role::Bcc,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::{keep_statements, schema};
    use super::*;

    #[test]
    fn a_statement_that_is_kept_is_not_prepared_anew_for_each_value() {
        let mut connection = Connection::open_in_memory().unwrap();
        keep_statements(&connection).unwrap();
        schema::migrate(&mut connection).unwrap();
        let (by, limited) = (
            "r.token_hash = ?1",
            "SELECT id FROM messages WHERE sender = ?1 LIMIT ?2",
        );
        for value in 0..5_u8 {
            assert_eq!(one(&connection, by, [[value; 32]]).unwrap(), None);
            let mut statement = connection.prepare_cached(limited).unwrap();
            assert!(!statement.exists((value, value)).unwrap());
        }
        for sql in [one_by(by).as_str(), limited] {
            let statement = connection.prepare_cached(sql).unwrap();
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
        }
    }
}

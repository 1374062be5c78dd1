//! Statements from their files, and rows as the verbs give them.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::connect::Failure;
use crate::store::columns::REPORT;
pub(super) use crate::store::columns::{MESSAGE, MESSAGE_COLUMNS, RECIPIENT};
use crate::store::{
    BoxEntry, DeliveryState, Event, MessageRow, Origin, RecipientRow, ReportRow, Role, Whose,
};

/// Columns of `box` that [`entry`] reads.
const ENTRY: &str = "owner, token, message_id, state, flags, stored_at, size";

/// The statement in a file of the folder `queries`, with the names of columns put in.
macro_rules! sql {
    ($name:literal) => {{
        static SQL: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            $crate::store::postgres::query::filled(include_str!(concat!("queries/", $name, ".sql")))
        });
        SQL.as_str()
    }};
}

/// The statement in a file, for the work of whom is asked for.
macro_rules! sql_of {
    ($name:literal, $whose:expr) => {{
        static SQL: std::sync::LazyLock<[String; 3]> = std::sync::LazyLock::new(|| {
            $crate::store::postgres::query::for_each(include_str!(concat!(
                "queries/", $name, ".sql"
            )))
        });
        let [ours, peer, other] = &*SQL;
        match $whose {
            $crate::store::Whose::Ours => ours.as_str(),
            $crate::store::Whose::Peer(_) => peer.as_str(),
            $crate::store::Whose::Other(_) => other.as_str(),
        }
    }};
}

pub(super) use {sql, sql_of};

/// A statement with the columns that its marks stand for.
pub(super) fn filled(sql: &str) -> String {
    sql.replace("{message}", MESSAGE)
        .replace("{recipient}", RECIPIENT)
        .replace("{report}", REPORT)
        .replace("{entry}", ENTRY)
}

/// A statement for subscribers of ours, for one peer, and for the peers that are none of some. `$1`
/// is what [`peers`] gives.
pub(super) fn for_each(sql: &str) -> [String; 3] {
    [
        "peer IS NULL AND cardinality($1::text[]) = 0",
        "peer = ($1::text[])[1]",
        "peer IS NOT NULL AND NOT (peer = ANY ($1::text[]))",
    ]
    .map(|whose| filled(sql).replace("{whose}", whose))
}

/// The names that `$1` of a statement about `whose` work is.
pub(super) fn peers(whose: Whose<'_>) -> Vec<String> {
    match whose {
        Whose::Ours => Vec::new(),
        Whose::Peer(name) => vec![name.to_owned()],
        Whose::Other(names) => names.to_vec(),
    }
}

/// A column as the rows of the store have it.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, Failure> {
    Ok(row.try_get(at)?)
}

/// A number that is not negative.
pub(super) fn count(row: &Row, at: usize) -> Result<u64, Failure> {
    Ok(u64::try_from(get::<i64>(row, at)?).unwrap_or(0))
}

/// An octet.
pub(super) fn octet(row: &Row, at: usize) -> Result<u8, Failure> {
    let number: i16 = get(row, at)?;
    u8::try_from(number).map_err(|_| Failure::Row(format!("{number} is no octet")))
}

fn attempts(row: &Row, at: usize) -> Result<u32, Failure> {
    Ok(u32::try_from(get::<i64>(row, at)?).unwrap_or(u32::MAX))
}

/// The message of a row that begins with [`MESSAGE`].
pub(super) fn message(row: &Row) -> Result<MessageRow, Failure> {
    let content: Option<&[u8]> = get(row, 14)?;
    Ok(MessageRow {
        id: get(row, 0)?,
        sender: get(row, 1)?,
        accepted_at: get(row, 2)?,
        expires_at: get(row, 3)?,
        delivery_report: get(row, 4)?,
        read_report: get(row, 5)?,
        sender_visible: get(row, 6)?,
        class: octet(row, 7)?,
        size: count(row, 8)?,
        subject: get(row, 9)?,
        has_body: get(row, 10)?,
        origin: match (get(row, 11)?, get(row, 12)?) {
            (Some(peer), Some(message_id)) => Some(Origin {
                peer,
                message_id,
                for_user: get::<Option<bool>>(row, 13)?.unwrap_or(true),
            }),
            _ => None,
        },
        content: content.and_then(|content| content.try_into().ok()),
    })
}

/// The recipient whose columns begin at `at`.
pub(super) fn recipient(row: &Row, at: usize) -> Result<RecipientRow, Failure> {
    let column = |n: usize| at.saturating_add(n);
    let state: &str = get(row, column(6))?;
    Ok(RecipientRow {
        id: get(row, column(0))?,
        message_id: get(row, column(1))?,
        address: get(row, column(2))?,
        role: role(get(row, column(3))?),
        token: get(row, column(4))?,
        transaction_id: get(row, column(5))?,
        state: DeliveryState::from_name(state)
            .ok_or_else(|| Failure::Row(format!("state {state}")))?,
        attempts: attempts(row, column(7))?,
        fence: get(row, column(8))?,
        peer: get(row, column(9))?,
    })
}

/// A message and the recipient that follows it.
pub(super) fn both(row: &Row) -> Result<(MessageRow, RecipientRow), Failure> {
    Ok((message(row)?, recipient(row, MESSAGE_COLUMNS)?))
}

/// The report of a row of [`REPORT`].
pub(super) fn report(row: &Row) -> Result<ReportRow, Failure> {
    Ok(ReportRow {
        id: get(row, 0)?,
        message_id: get(row, 1)?,
        address: get(row, 2)?,
        pdu: get(row, 3)?,
        expires_at: get(row, 4)?,
        attempts: attempts(row, 5)?,
        fence: get(row, 6)?,
        peer: get(row, 7)?,
    })
}

/// The event of a row.
pub(super) fn event(row: &Row) -> Result<Event, Failure> {
    Ok(Event {
        message_id: get(row, 0)?,
        recipient: get(row, 1)?,
        at: get(row, 2)?,
        what: get(row, 3)?,
        detail: get(row, 4)?,
    })
}

/// The entry of a row of [`ENTRY`].
pub(super) fn entry(row: &Row) -> Result<BoxEntry, Failure> {
    let flags: &str = get(row, 4)?;
    Ok(BoxEntry {
        owner: get(row, 0)?,
        token: get(row, 1)?,
        message_id: get(row, 2)?,
        state: octet(row, 3)?,
        flags: flags.lines().map(str::to_owned).collect(),
        stored_at: get(row, 5)?,
        size: count(row, 6)?,
    })
}

/// How a role is written.
pub(super) const fn role_number(role: Role) -> i16 {
    match role {
        Role::To => 0,
        Role::Cc => 1,
        Role::Bcc => 2,
    }
}

/// What is not To or Cc must not be shown to others.
const fn role(number: i16) -> Role {
    match number {
        0 => Role::To,
        1 => Role::Cc,
        _ => Role::Bcc,
    }
}

/// Text as the database takes it: it knows no character 0.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// A number of the program as one of the database.
pub(super) fn number(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_of_a_statement_stands_for_something() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = folder.join("src/store/postgres/queries");
        let Ok(files) = std::fs::read_dir(folder) else {
            return;
        };
        for file in files {
            let sql = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for filled in for_each(&sql) {
                assert!(!filled.contains(['{', '}']), "{filled}");
            }
        }
    }

    #[test]
    fn the_database_gets_no_character_0() {
        assert_eq!(clean("a\0b"), "a\u{FFFD}b");
        assert_eq!(clean("plain"), "plain");
    }

    #[test]
    fn numbers_that_do_not_fit_are_the_largest() {
        assert_eq!(number(7_u64), 7);
        assert_eq!(number(u64::MAX), i64::MAX);
    }

    #[test]
    fn work_is_asked_for_by_the_names_of_peers() {
        assert!(peers(Whose::Ours).is_empty());
        assert_eq!(peers(Whose::Peer("east")), ["east"]);
        let known = ["a".to_owned(), "b".to_owned()];
        assert_eq!(peers(Whose::Other(&known)), known);
    }

    #[test]
    fn roles_lead_back_to_themselves() {
        for known in [Role::To, Role::Cc, Role::Bcc] {
            assert_eq!(role(role_number(known)), known);
        }
        assert_eq!(role(99), Role::Bcc, "what is unknown is not shown");
    }
}

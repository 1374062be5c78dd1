//! Messages: finding them, what happened to one, and what may be done about it.

use hyper::StatusCode;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use serde_json::{Value, json};

use super::Call;
use super::answer::{Answer, ApiError, moment, octets, ok};
use super::query::Query;
use crate::mms::pdu::MEDIA_TYPE;
use crate::relay::{OperateError, Operated};
use crate::store::records::{Cursor, MOST_FOUND, Search};
use crate::store::{DeliveryState, MessageRow, Millis, RecipientRow, Role};

pub(super) fn list(call: &Call<'_>) -> Result<Answer, ApiError> {
    let query = &call.query;
    let text = |name: &str| query.get(name).map(str::to_owned);
    let most = query.limit(50, MOST_FOUND)?;
    let search = Search {
        sender: text("sender"),
        recipient: text("recipient"),
        party: text("number"),
        state: state(query)?,
        since: query.moment("since")?,
        until: query.moment("until")?,
        after: query.get("after").map(cursor).transpose()?,
        most,
    };
    let found = call.panel.store.search(&search)?;
    let next = found
        .last()
        .filter(|_| found.len() == most)
        .map(|last| format!("{}-{}", last.message.accepted_at, last.message.id));
    let messages: Vec<Value> = found
        .iter()
        .map(|found| {
            let recipients: Vec<Value> = found
                .recipients
                .iter()
                .map(|one| recipient(one, None))
                .collect();
            message(&found.message, recipients, call.who.reads_messages())
        })
        .collect();
    ok(&json!({ "messages": messages, "next": next }))
}

pub(super) fn one(call: &Call<'_>) -> Result<Answer, ApiError> {
    let id = id(call);
    let (row, recipients) = call.panel.store.message(id)?.ok_or_else(unknown)?;
    let due = call.panel.store.due(id)?;
    let recipients: Vec<Value> = recipients
        .iter()
        .map(|one| {
            let due_at = due.iter().find(|(id, _)| *id == one.id).map(|(_, at)| *at);
            recipient(one, due_at)
        })
        .collect();
    let mut value = message(&row, recipients, call.who.reads_messages());
    let events: Vec<Value> = call
        .panel
        .store
        .events(id)?
        .iter()
        .map(|event| {
            json!({
                "at": moment(event.at),
                "recipient": event.recipient,
                "what": event.what,
                "detail": event.detail,
            })
        })
        .collect();
    if let Value::Object(fields) = &mut value {
        fields.insert("events".to_owned(), events.into());
    }
    ok(&value)
}

pub(super) fn raw(call: &Call<'_>) -> Result<Answer, ApiError> {
    let id = id(call);
    let (row, _) = call.panel.store.message(id)?.ok_or_else(unknown)?;
    let body = call.panel.store.body(&row)?.ok_or_else(|| {
        let message = "the content of this message was deleted, as the configuration says";
        ApiError::new(StatusCode::GONE, "gone", message)
    })?;
    let mut answer = octets(StatusCode::OK, MEDIA_TYPE, body);
    // A browser shall keep it and not show it.
    let name = format!("attachment; filename=\"{id}.mms\"");
    if let Ok(name) = HeaderValue::from_str(&name) {
        answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(answer)
}

pub(super) fn retry(call: &Call<'_>) -> Result<Answer, ApiError> {
    let (recipient, by) = (who(call)?, call.who.name());
    operated(call.panel.relay.retry_now(id(call), recipient, by))
}

pub(super) fn release(call: &Call<'_>) -> Result<Answer, ApiError> {
    let (recipient, by) = (who(call)?, call.who.name());
    operated(call.panel.relay.release(id(call), recipient, by))
}

pub(super) fn expire(call: &Call<'_>) -> Result<Answer, ApiError> {
    let (recipient, by) = (who(call)?, call.who.name());
    operated(call.panel.relay.expire_now(id(call), recipient, by))
}

fn operated(done: Result<Operated, OperateError>) -> Result<Answer, ApiError> {
    match done {
        Ok(done) if done.changed.is_empty() => Err(ApiError::new(
            StatusCode::CONFLICT,
            "nothing-to-do",
            "no recipient of the message is in a state that this concerns",
        )),
        Ok(done) => {
            let changed: Vec<&str> = done.changed.iter().map(|address| plain(address)).collect();
            ok(&json!({ "changed": changed, "left": done.left }))
        }
        Err(OperateError::Store(error)) => Err(error.into()),
        Err(error) => Err(ApiError::not_found(error.to_string())),
    }
}

fn unknown() -> ApiError {
    ApiError::not_found("there is no message with this id")
}

fn id<'a>(call: &'a Call<'_>) -> &'a str {
    call.id.as_deref().unwrap_or("")
}

fn who(call: &Call<'_>) -> Result<Option<i64>, ApiError> {
    call.query.parsed("recipient", "number of a recipient")
}

/// The state that a query names.
pub(super) fn state(query: &Query) -> Result<Option<DeliveryState>, ApiError> {
    let named = |name: &str| {
        DeliveryState::from_name(name).ok_or_else(|| {
            let names = DeliveryState::ALL.map(DeliveryState::name).join(", ");
            ApiError::bad(format!("{name:?} is no state; there are {names}"))
        })
    };
    query.get("state").map(named).transpose()
}

fn cursor(text: &str) -> Result<Cursor, ApiError> {
    let place = text.split_once('-').and_then(|(at, id)| {
        Some(Cursor {
            accepted_at: at.parse().ok()?,
            id: id.to_owned(),
        })
    });
    place.ok_or_else(|| ApiError::bad("after is what `next` of the page before says"))
}

/// An address without its type.
pub(super) fn plain(address: &str) -> &str {
    address.strip_suffix("/TYPE=PLMN").unwrap_or(address)
}

fn message(row: &MessageRow, recipients: Vec<Value>, reads: bool) -> Value {
    let class = match row.class {
        0x80 => "personal",
        0x81 => "advertisement",
        0x82 => "informational",
        0x83 => "auto",
        _ => "other",
    };
    json!({
        "id": row.id,
        "sender": plain(&row.sender),
        "sender_visible": row.sender_visible,
        "accepted_at": moment(row.accepted_at),
        "expires_at": moment(row.expires_at),
        "class": class,
        "size": row.size,
        // What somebody wrote is for those alone who may see the whole of it.
        "subject": row.subject.as_ref().filter(|_| reads),
        "delivery_report": row.delivery_report,
        "read_report": row.read_report,
        "has_content": row.has_body,
        "recipients": recipients,
    })
}

/// A recipient; `due_at` is when there is something to do again.
pub(super) fn recipient(row: &RecipientRow, due_at: Option<Millis>) -> Value {
    let role = match row.role {
        Role::To => "to",
        Role::Cc => "cc",
        Role::Bcc => "bcc",
    };
    json!({
        "id": row.id,
        "address": plain(&row.address),
        "role": role,
        "state": row.state.name(),
        "attempts": row.attempts,
        "due_at": due_at.map(moment),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_page_is_read_as_it_was_given() {
        let place = cursor("1700000000000-ab01").unwrap();
        assert_eq!(
            (place.accepted_at, place.id.as_str()),
            (1_700_000_000_000, "ab01")
        );
        for text in ["", "ab01", "x-ab01", "1700000000000"] {
            assert!(cursor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_state_goes_by_its_name() {
        let query = |text| Query::parse(text, &["state"]).unwrap();
        let retrieved = state(&query("state=retrieved")).unwrap();
        assert_eq!(retrieved, Some(DeliveryState::Retrieved));
        assert_eq!(state(&query("")).unwrap(), None);
        assert!(state(&query("state=Retrieved")).is_err());
    }

    #[test]
    fn an_address_is_shown_without_its_type() {
        assert_eq!(plain("+15550001111/TYPE=PLMN"), "+15550001111");
        assert_eq!(plain("a@example.com"), "a@example.com");
    }
}

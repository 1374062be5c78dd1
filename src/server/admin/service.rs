//! How the service is: health, figures, what waits, its configuration.

use std::sync::atomic::Ordering;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, ApiError, json_answer, moment, octets, ok};
use super::{Call, messages};
use crate::relay::Route;
use crate::server::{metrics, reload::ReloadError};
use crate::store::DeliveryState;
use crate::store::records::{MOST_FOUND, Queue};

/// What may be asked, for programs.
pub(super) const OPENAPI: &str = include_str!("../../../docs/openapi.json");

pub(super) fn alive(_: &Call<'_>) -> Result<Answer, ApiError> {
    Ok(octets(StatusCode::OK, "text/plain", "alive\n"))
}

pub(super) fn ready(call: &Call<'_>) -> Result<Answer, ApiError> {
    let plain = |status, text: String| Ok(octets(status, "text/plain", text + "\n"));
    if call.panel.stopping.load(Ordering::Relaxed) {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned());
    }
    match call.panel.relay.ready() {
        Ok(page) => plain(
            StatusCode::OK,
            format!(
                "ready: {} messages, {} recipients wait, {} reports wait",
                page.messages, page.waiting, page.reports
            ),
        ),
        Err(error) => plain(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

pub(super) fn metrics(call: &Call<'_>) -> Result<Answer, ApiError> {
    let panel = call.panel;
    let now = panel.clock.now();
    let stored = panel.relay.page().ok().map(|page| page.messages);
    let queues = panel.store.queue(now).unwrap_or_default();
    let records = panel.store.records_waiting().ok();
    panel.metrics.waiting(now, stored, &queues, records);
    Ok(octets(
        StatusCode::OK,
        metrics::MEDIA_TYPE,
        panel.metrics.text(),
    ))
}

pub(super) fn openapi(_: &Call<'_>) -> Result<Answer, ApiError> {
    Ok(octets(StatusCode::OK, "application/json", OPENAPI))
}

pub(super) fn status(call: &Call<'_>) -> Result<Answer, ApiError> {
    let panel = call.panel;
    let page = panel.relay.page()?;
    ok(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "now": moment(panel.clock.now()),
        "uptime_seconds": panel.started.elapsed().as_secs(),
        "stopping": panel.stopping.load(Ordering::Relaxed),
        "messages": page.messages,
        "recipients_waiting": page.waiting,
        "reports_waiting": page.reports,
        "records_waiting": panel.store.records_waiting()?,
    }))
}

pub(super) fn configuration(call: &Call<'_>) -> Result<Answer, ApiError> {
    let config = call.panel.reloader.current();
    ok(&json!({
        "file": config.source.path.as_ref().map(|path| path.display().to_string()),
        "toml": config.shown(),
    }))
}

pub(super) fn reload(call: &Call<'_>) -> Result<Answer, ApiError> {
    match call.panel.reloader.reload() {
        Ok(done) => ok(&done),
        Err(error @ ReloadError::NoFile) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "no-file",
            error.to_string(),
        )),
        Err(error) => Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "configuration",
            error.to_string(),
        )),
    }
}

/// Where the owner of an address is, step by step, without sending anything.
pub(super) fn route(call: &Call<'_>) -> Result<Answer, ApiError> {
    let address = call.query.get("address").unwrap_or("");
    if address.is_empty() {
        return Err(ApiError::bad("address: whose way is to be explained?"));
    }
    let found = call.panel.relay.explain_route(address);
    let (kind, number, peer, why) = match found.route {
        Route::Local(number) => ("local", Some(number.to_string()), None, None),
        Route::Foreign(number, peer) => ("peer", Some(number.to_string()), Some(peer), None),
        Route::Nowhere(why) => ("nowhere", None, None, Some(why)),
    };
    ok(&json!({
        "address": address,
        "route": kind,
        "number": number,
        "peer": peer,
        "why": why,
        "steps": found.steps,
    }))
}

pub(super) fn queue(call: &Call<'_>) -> Result<Answer, ApiError> {
    let now = call.panel.clock.now();
    let one = |queue: &Queue| {
        let oldest = queue
            .due_since
            .map(|since| now.saturating_sub(since) / 1_000);
        json!({
            "state": queue.state.map_or("report", DeliveryState::name),
            "waiting": queue.waiting,
            "due": queue.due,
            "oldest_due_seconds": oldest,
        })
    };
    let queues = call.panel.store.queue(now)?;
    ok(&json!({
        "now": moment(now),
        "queues": queues.iter().map(one).collect::<Vec<Value>>(),
    }))
}

pub(super) fn queue_recipients(call: &Call<'_>) -> Result<Answer, ApiError> {
    let state = messages::state(&call.query)?;
    let most = call.query.limit(50, MOST_FOUND)?;
    let waiting = call.panel.store.waiting(state, most)?;
    let recipients: Vec<Value> = waiting
        .iter()
        .map(|(message, recipient, due_at)| {
            let mut value = messages::recipient(recipient, Some(*due_at));
            if let Value::Object(fields) = &mut value {
                fields.insert("message_id".to_owned(), message.id.clone().into());
                fields.insert("sender".to_owned(), messages::plain(&message.sender).into());
                fields.insert("expires_at".to_owned(), moment(message.expires_at).into());
            }
            value
        })
        .collect();
    Ok(json_answer(
        StatusCode::OK,
        &json!({ "recipients": recipients }),
    ))
}

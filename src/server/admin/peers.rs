//! The other networks, and who may send and be sent to.

use std::time::Duration;

use serde_json::{Value, json};

use super::Call;
use super::answer::{Answer, ApiError, ok};
use crate::mm4::{Standing, TlsPolicy};

/// Every peer, how it is reached and how it is doing.
pub(super) fn list(call: &Call<'_>) -> Result<Answer, ApiError> {
    let standings = call.panel.board.standings();
    let peers: Vec<Value> = standings.iter().map(standing).collect();
    ok(&json!({ "peers": peers }))
}

/// Who may send, who may be sent to, and how much.
pub(super) fn lists(call: &Call<'_>) -> Result<Answer, ApiError> {
    let terms = call.panel.relay.terms();
    let rate = terms
        .policy
        .rate
        .map(|rate| json!({ "per_minute": rate.per_minute, "burst": rate.burst }));
    ok(&json!({
        "blocked": terms.policy.blocked,
        "allowed": terms.policy.allowed,
        "rate": rate,
    }))
}

fn standing(standing: &Standing) -> Value {
    let peer = &standing.peer;
    let state = match (&peer.host, standing.rest) {
        (None, _) => "brings-only",
        (_, Some(_)) => "resting",
        _ => "ready",
    };
    let seconds = |time: Duration| time.as_secs();
    json!({
        "name": peer.name,
        "domain": peer.domain,
        "host": peer.host.as_ref().map(ToString::to_string),
        "from": peer.from.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "tls": match peer.tls {
            TlsPolicy::Off => "off",
            TlsPolicy::Opportunistic => "opportunistic",
            TlsPolicy::Required => "required",
        },
        "state": state,
        "rest_seconds": standing.rest.map(|rest| seconds(rest).saturating_add(1)),
        "connections": standing.connections,
        "taken": standing.taken,
        "refused": standing.refused,
        "failed": standing.failed,
        "answered_seconds_ago": standing.answered_ago.map(seconds),
        "trouble": standing.trouble.as_ref().map(|(why, ago)| {
            json!({ "what": why, "seconds_ago": seconds(*ago) })
        }),
    })
}

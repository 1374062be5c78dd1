//! Devices of subscribers: what is remembered, setting and forgetting it.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Call;
use super::answer::{Answer, ApiError, moment, octets, ok};
use crate::mms::address::Msisdn;
use crate::profile::{Database, resolve};
use crate::store::records::{DeviceRow, MOST_FOUND};

/// What a device is set to: headers that it would send, or a device of the database.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    device: Option<String>,
}

pub(super) fn list(call: &Call<'_>) -> Result<Answer, ApiError> {
    let most = call.query.limit(50, MOST_FOUND)?;
    let after = call.query.get("after").unwrap_or("");
    let rows = call.panel.store.devices(after, most)?;
    let next = rows.last().filter(|_| rows.len() == most);
    ok(&json!({
        "devices": rows.iter().map(|row| device(call, row)).collect::<Vec<_>>(),
        "next": next.map(|row| &row.subscriber),
    }))
}

pub(super) fn one(call: &Call<'_>) -> Result<Answer, ApiError> {
    let row = call.panel.store.device_row(number(call)?.as_str())?;
    ok(&device(call, &row.ok_or_else(unknown)?))
}

pub(super) fn set(call: &Call<'_>) -> Result<Answer, ApiError> {
    let number = number(call)?;
    let wanted: Wanted = serde_json::from_slice(&call.body)
        .map_err(|error| ApiError::bad(format!("the body: {error}")))?;
    let headers = match (wanted.device, wanted.headers.is_empty()) {
        (None, false) => checked(wanted.headers)?,
        (Some(id), true) => vec![("x-wap-profile".to_owned(), profile_of(&id)?)],
        _ => return Err(ApiError::bad("the body says either headers or device")),
    };
    call.panel.relay.remember(&number, &headers)?;
    let row = call.panel.store.device_row(number.as_str())?;
    ok(&device(call, &row.ok_or_else(unknown)?))
}

pub(super) fn forget(call: &Call<'_>) -> Result<Answer, ApiError> {
    if call.panel.store.forget_device(number(call)?.as_str())? {
        Ok(octets(StatusCode::NO_CONTENT, "application/json", ""))
    } else {
        Err(unknown())
    }
}

fn unknown() -> ApiError {
    ApiError::not_found("nothing is remembered of this subscriber's device")
}

fn number(call: &Call<'_>) -> Result<Msisdn, ApiError> {
    let text = call.id.as_deref().unwrap_or("");
    Msisdn::parse(text)
        .filter(Msisdn::is_global)
        .ok_or_else(|| ApiError::bad(format!("{text:?} is no number such as +15550001111")))
}

/// Headers as they are remembered: a line each.
fn checked(
    headers: std::collections::BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, ApiError> {
    headers
        .into_iter()
        .map(|(name, value)| {
            let token = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
            let plain = !name.is_empty()
                && name.bytes().all(token)
                && value.len() <= 4096
                && !value.chars().any(char::is_control);
            if plain {
                Ok((name.to_ascii_lowercase(), value))
            } else {
                Err(ApiError::bad(format!("{name:?} is no header of one line")))
            }
        })
        .collect()
}

/// The address of the profile of a device, which stands for the device.
fn profile_of(id: &str) -> Result<String, ApiError> {
    let database = Database::embedded().map_err(|error| ApiError::internal(error.to_string()))?;
    let url = database.urls_of(id).next();
    url.map(str::to_owned).ok_or_else(|| {
        let message = format!(
            "the database has no device {id:?} with a profile; say the headers it sends instead"
        );
        ApiError::bad(message)
    })
}

fn device(call: &Call<'_>, row: &DeviceRow) -> Value {
    let headers: Vec<(String, String)> = row
        .description
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let found = resolve(&headers, call.panel.relay.limits()).ok();
    let known = found.map(|found| {
        let caps = &found.capabilities;
        json!({
            "id": caps.id,
            "rule": found.rule,
            "max_message_size": caps.max_message_size.as_ref().map(|size| size.value),
            "max_image": caps.max_image.as_ref().map(|size| [size.value.width, size.value.height]),
        })
    });
    let headers: Map<String, Value> = headers
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    json!({
        "number": row.subscriber,
        "headers": headers,
        "seen_at": moment(row.seen_at),
        "device": known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str, value: &str) -> Option<Vec<(String, String)>> {
        checked([(name.to_owned(), value.to_owned())].into()).ok()
    }

    #[test]
    fn a_header_is_one_line_and_its_name_is_small() {
        let found = kept("User-Agent", "Nokia6100/1.0").unwrap();
        assert_eq!(found[0].0, "user-agent");
        for (name, value) in [("", "a"), ("a b", "c"), ("a", "b\nc: d"), ("a:", "b")] {
            assert!(kept(name, value).is_none(), "{name:?} {value:?}");
        }
    }

    #[test]
    fn a_header_has_its_bound() {
        assert!(kept("a", &"b".repeat(4096)).is_some());
        assert!(kept("a", &"b".repeat(4097)).is_none());
    }

    #[test]
    fn a_device_stands_for_its_profile() {
        assert!(profile_of("no-such-phone").is_err());
    }
}

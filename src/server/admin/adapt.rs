//! `POST /v1/adapt`: a message or medium in the body, the device in the query or in the headers
//! by which a phone would name it, the result in the body of the answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::Call;
use super::answer::{Answer, ApiError, json_answer, octets};
use crate::dimensions::Dimensions;
use crate::profile::facts::parse_dimensions;
use crate::profile::{Operator, Overrides, ProfileError, Resolution, resolve};
use crate::server::adapter::{AdapterError, Done, Job, verdict};

/// Seconds after which somebody who was sent away may come again.
const RETRY_AFTER: u32 = 2;
/// Ways to name a device of which a query may hold one.
const NAMES: [&str; 3] = ["device", "uaprof", "caps"];

pub(super) fn adapt(call: &Call<'_>) -> Result<Answer, ApiError> {
    if call.body.is_empty() {
        return Err(ApiError::bad("the body holds a message or a medium"));
    }
    let caps = target(call)?.capabilities;
    let job = Job {
        octets: call.body.clone(),
        name: call.query.get("name").map(clean).transpose()?,
        caps,
        language: call.query.get("language").unwrap_or("en").to_owned(),
    };
    let json = wants_json(call);
    let tag = format!("\"{}{}\"", job.digest(), if json { "-json" } else { "" });
    if has_it(call, &tag) {
        let mut answer = Response::new(Full::new(Bytes::new()));
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        tagged(&mut answer, &tag);
        return Ok(answer);
    }
    let done = call.panel.adapter.adapt(job).map_err(|error| match error {
        AdapterError::Undecodable(error) => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "undecodable",
            error.kind.to_string(),
        )
        .at(error.offset),
        AdapterError::Busy => ApiError::busy(RETRY_AFTER),
        AdapterError::Deadline => {
            ApiError::new(StatusCode::GATEWAY_TIMEOUT, "deadline", error.to_string())
        }
        AdapterError::Failed => ApiError::internal(error.to_string()),
    })?;
    let mut answer = answer(done, json);
    tagged(&mut answer, &tag);
    Ok(answer)
}

/// The result as it is, with what a program needs in headers; or, as JSON, with the whole report.
fn answer(done: Done, json: bool) -> Answer {
    let report = &done.report;
    let status = match &done.result {
        Some(_) => StatusCode::OK,
        None => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let mut answer = match &done.result {
        Some((body, media_type)) if !json => octets(status, media_type, body.clone()),
        result => {
            let result = result.as_ref().map(
                |(body, media_type)| json!({ "type": media_type, "base64": STANDARD.encode(body) }),
            );
            let value = json!({ "report": report, "result": result });
            json_answer(status, &value)
        }
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        ("remold-verdict", verdict(report.verdict).to_owned()),
        ("remold-device", report.device.id.clone()),
        ("remold-size-in", report.size_in.to_string()),
        ("remold-size-out", report.size_out.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    answer
}

fn tagged(answer: &mut Answer, tag: &str) {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        answer.headers_mut().insert(ETAG, tag);
    }
    let private = HeaderValue::from_static("private, no-cache");
    answer.headers_mut().insert(CACHE_CONTROL, private);
}

fn has_it(call: &Call<'_>, tag: &str) -> bool {
    let known = call.headers.get_all(IF_NONE_MATCH).iter();
    known
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag)
}

fn wants_json(call: &Call<'_>) -> bool {
    let accept = call.headers.get(ACCEPT).and_then(|v| v.to_str().ok());
    accept.is_some_and(|accept| accept.trim().starts_with("application/json"))
}

/// A name for a medium: no path, no control character.
fn clean(name: &str) -> Result<String, ApiError> {
    let plain = !name.is_empty()
        && name.chars().count() <= 128
        && !name
            .chars()
            .any(|c| c.is_control() || c == '/' || c == '\\');
    if plain {
        Ok(name.to_owned())
    } else {
        Err(ApiError::bad("name: a file name without a folder"))
    }
}

/// The device that is meant.
fn target(call: &Call<'_>) -> Result<Resolution, ApiError> {
    let query = &call.query;
    let limits = call.panel.adapter.limits();
    let named: Vec<&str> = NAMES
        .into_iter()
        .filter(|name| query.get(name).is_some())
        .collect();
    if named.len() > 1 {
        let message = format!("{} name the device twice", named.join(" and "));
        return Err(ApiError::bad(message));
    }
    let mut found = if let Some(id) = query.get("device") {
        Resolution::by_id(id).map_err(profile)?
    } else if let Some(url) = query.get("uaprof") {
        Resolution::by_url(url).map_err(profile)?
    } else if let Some(caps) = query.get("caps") {
        Resolution::from_caps_json(caps).map_err(profile)?
    } else {
        resolve(&device_headers(call), limits).map_err(profile)?
    };
    if let Some(id) = query.get("operator") {
        found.apply_operator(&Operator::by_id(id).map_err(profile)?);
    }
    let max_image = query.get("max_image").map(|text| {
        parse_dimensions(text)
            .filter(|Dimensions { width, height }| *width > 0 && *height > 0)
            .ok_or_else(|| ApiError::bad("max_image: a size is written 640x480"))
    });
    let accept = query.get("accept").map(|types| {
        let types = types.split(',').map(str::trim).map(str::to_owned);
        types.collect::<Vec<_>>()
    });
    let max_message_size: Option<u64> = query.parsed("max_size", "number of octets")?;
    if max_message_size == Some(0) {
        return Err(ApiError::bad("max_size: at least 1"));
    }
    found.apply_overrides(&Overrides {
        max_message_size,
        max_image: max_image.transpose()?,
        accept,
    });
    Ok(found)
}

/// The headers of the request that a phone's would be. `Accept` is the program's, that asks.
fn device_headers(call: &Call<'_>) -> Vec<(String, String)> {
    let describes = |name: &str| {
        matches!(name, "user-agent" | "x-wap-profile" | "profile" | "opt")
            || name.starts_with("x-wap-profile-diff")
            || name.contains("profile-diff-")
            || name.ends_with("-profile")
    };
    let mut headers: Vec<(String, String)> = call
        .headers
        .iter()
        .filter(|(name, _)| describes(name.as_str()))
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    headers.sort();
    headers
}

fn profile(error: ProfileError) -> ApiError {
    match error {
        ProfileError::UnknownId { .. } | ProfileError::UnknownOperator(_) => {
            ApiError::new(StatusCode::BAD_REQUEST, "unknown-device", error.to_string())
        }
        ProfileError::Database(_) => ApiError::internal(error.to_string()),
        _ => ApiError::bad(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_path() {
        assert_eq!(clean("photo.jpg").unwrap(), "photo.jpg");
        for name in ["", "../x", "a/b", "a\\b", "a\0b"] {
            assert!(clean(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_name_has_its_bound() {
        assert!(clean(&"é".repeat(128)).is_ok());
        assert!(clean(&"é".repeat(129)).is_err());
    }
}

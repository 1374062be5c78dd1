//! What requests are answered with.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::store::{Millis, StoreError};

/// An answer.
pub(super) type Answer = Response<Full<Bytes>>;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    offset: Option<usize>,
    header: Option<(HeaderName, String)>,
}

impl ApiError {
    /// An error with a word for programs and a sentence for people.
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            offset: None,
            header: None,
        }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    pub(super) fn unauthorised(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorised", message)
            .with(WWW_AUTHENTICATE, "Bearer realm=\"remold\"".to_owned())
    }

    pub(super) fn method(methods: &[&str]) -> Self {
        let methods = methods.join(", ");
        let message = format!("this takes {methods}");
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            message,
        )
        .with(ALLOW, methods)
    }

    /// Too much is under way; it may be tried again after some seconds.
    pub(super) fn busy(seconds: u32) -> Self {
        let message = "too many requests are under way";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message)
            .with(RETRY_AFTER, seconds.to_string())
    }

    /// The same, at an octet of the body.
    pub(super) fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset);
        self
    }

    fn with(mut self, name: HeaderName, value: String) -> Self {
        self.header = Some((name, value));
        self
    }

    pub(super) fn answer(self) -> Answer {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let (Some(offset), Value::Object(fields)) = (self.offset, &mut error) {
            fields.insert("offset".to_owned(), offset.into());
        }
        let mut answer = json_answer(self.status, &json!({ "error": error }));
        if let Some((name, value)) = self.header
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store", message)
    }
}

/// An answer of octets.
pub(super) fn octets(status: StatusCode, media_type: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    let media_type = HeaderValue::from_str(media_type)
        .unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_TYPE, media_type);
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// An answer of one JSON value.
pub(super) fn json_answer(status: StatusCode, value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            body.push(b'\n');
            octets(status, "application/json", body)
        }
        Err(_) => octets(
            StatusCode::INTERNAL_SERVER_ERROR,
            "application/json",
            "{\"error\":{\"code\":\"internal\",\"message\":\"there is no JSON for it\"}}\n",
        ),
    }
}

/// An answer of one JSON value, where all went well.
#[allow(
    clippy::unnecessary_wraps,
    reason = "handlers end with it, and may fail before"
)]
pub(super) fn ok(value: &impl Serialize) -> Result<Answer, ApiError> {
    Ok(json_answer(StatusCode::OK, value))
}

/// A moment as RFC 3339 has it.
pub(super) fn moment(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_programs_and_people() {
        let answer = ApiError::busy(2).answer();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "2");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let answer = ApiError::method(&["GET", "PUT"]).answer();
        assert_eq!(answer.headers()["allow"], "GET, PUT");
        assert_eq!(moment(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }
}

//! What may be asked. `docs/openapi.json` says the same to others, and a test compares the two.

use super::answer::{Answer, ApiError};
use super::query::decoded;
use super::{Call, adapt, devices, messages, peers, service};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Those who may look.
    Viewer,
    /// Those who may change, and see whole messages.
    Operator,
}

/// One thing to ask.
pub(super) struct Route {
    pub(super) method: &'static str,
    /// The path; `{…}` stands for one segment.
    pub(super) path: &'static str,
    /// The name in the OpenAPI document and the audit log.
    pub(super) operation: &'static str,
    pub(super) access: Access,
    /// Names that its query may hold.
    pub(super) query: &'static [&'static str],
    pub(super) handler: fn(&Call<'_>) -> Result<Answer, ApiError>,
}

impl Route {
    /// Whether each use is written down.
    pub(super) fn is_audited(&self) -> bool {
        self.access == Access::Operator
    }

    /// Whether its body may be as large as a message.
    pub(super) fn takes_message(&self) -> bool {
        self.operation == "adapt"
    }

    /// Whether the port that only adapts serves it.
    pub(super) fn on_adapt_port(&self) -> bool {
        self.takes_message() || self.access == Access::Open
    }
}

macro_rules! routes {
    ($($method:ident $path:literal $operation:literal $access:ident $query:expr => $handler:path;)*) => {
        &[$(Route {
            method: stringify!($method),
            path: $path,
            operation: $operation,
            access: Access::$access,
            query: &$query,
            handler: $handler,
        }),*]
    };
}

/// Every route.
pub(super) const ROUTES: &[Route] = routes! {
    GET "/livez" "alive" Open [] => service::alive;
    GET "/readyz" "ready" Open [] => service::ready;
    GET "/metrics" "metrics" Viewer [] => service::metrics;
    GET "/v1/openapi.json" "openapi" Open [] => service::openapi;
    GET "/v1/status" "status" Viewer [] => service::status;
    GET "/v1/configuration" "configuration" Viewer [] => service::configuration;
    POST "/v1/reload" "reload" Operator [] => service::reload;
    GET "/v1/queue" "queue" Viewer [] => service::queue;
    GET "/v1/queue/recipients" "queue-recipients" Viewer ["state", "limit"]
        => service::queue_recipients;
    GET "/v1/messages" "messages" Viewer
        ["number", "sender", "recipient", "state", "since", "until", "after", "limit"]
        => messages::list;
    GET "/v1/messages/{id}" "message" Viewer [] => messages::one;
    GET "/v1/messages/{id}/raw" "export" Operator [] => messages::raw;
    POST "/v1/messages/{id}/retry" "retry" Operator ["recipient"] => messages::retry;
    POST "/v1/messages/{id}/release" "release" Operator ["recipient"] => messages::release;
    POST "/v1/messages/{id}/expire" "expire" Operator ["recipient"] => messages::expire;
    GET "/v1/route" "route" Viewer ["address"] => service::route;
    GET "/v1/peers" "peers" Viewer [] => peers::list;
    GET "/v1/lists" "lists" Viewer [] => peers::lists;
    GET "/v1/devices" "devices" Viewer ["after", "limit"] => devices::list;
    GET "/v1/devices/{number}" "device" Viewer [] => devices::one;
    PUT "/v1/devices/{number}" "set-device" Operator [] => devices::set;
    DELETE "/v1/devices/{number}" "forget-device" Operator [] => devices::forget;
    POST "/v1/adapt" "adapt" Viewer
        ["device", "uaprof", "caps", "operator", "max_size", "max_image", "accept", "language", "name"]
        => adapt::adapt;
};

/// What a request asks for.
pub(super) enum Found {
    /// A route, and the segment of its path that varies.
    Route(&'static Route, Option<String>),
    /// The path is known, with these methods.
    OtherMethods(Vec<&'static str>),
    /// Nothing.
    Nothing,
}

/// The route of a request. HEAD is GET without its body, which the connection leaves out.
pub(super) fn find(method: &str, path: &str) -> Found {
    let method = if method == "HEAD" { "GET" } else { method };
    let mut others = Vec::new();
    for route in ROUTES {
        let Some(segment) = matched(route.path, path) else {
            continue;
        };
        if route.method != method {
            others.push(route.method);
            continue;
        }
        return match segment.map(decoded).transpose() {
            Ok(segment) => Found::Route(route, segment),
            Err(_) => Found::Nothing,
        };
    }
    if others.is_empty() {
        Found::Nothing
    } else {
        Found::OtherMethods(others)
    }
}

/// The segment for `{…}`, where a path is that of a route.
fn matched<'p>(pattern: &str, path: &'p str) -> Option<Option<&'p str>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut segment = None;
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(segment),
            (Some(name), Some(value)) if name.starts_with('{') && !value.is_empty() => {
                segment = Some(value);
            }
            (Some(name), Some(value)) if name == value => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;

    fn operation(method: &str, path: &str) -> Option<(&'static str, Option<String>)> {
        match find(method, path) {
            Found::Route(route, segment) => Some((route.operation, segment)),
            _ => None,
        }
    }

    #[test]
    fn a_path_leads_to_its_route() {
        assert_eq!(operation("GET", "/v1/messages"), Some(("messages", None)));
        let id = Some("ab".to_owned());
        assert_eq!(operation("HEAD", "/v1/messages/ab"), Some(("message", id)));
        let number = Some("+1/2".to_owned());
        assert_eq!(
            operation("DELETE", "/v1/devices/%2B1%2f2"),
            Some(("forget-device", number))
        );
        for path in [
            "/",
            "/v1/messages/",
            "/v1/messages/a/b",
            "/v1//messages",
            "/livez/",
        ] {
            assert!(matches!(find("GET", path), Found::Nothing), "{path}");
        }
        assert!(matches!(
            find("POST", "/v1/devices/1"),
            Found::OtherMethods(methods) if methods == ["GET", "PUT", "DELETE"]
        ));
    }

    /// Method and path to operation, access and names of the query.
    type Described = BTreeMap<(String, String), (String, String, Vec<String>)>;

    fn documented(document: &Value) -> Described {
        let mut all = Described::new();
        let paths = document["paths"].as_object().unwrap();
        for (path, methods) in paths {
            for (method, described) in methods.as_object().unwrap() {
                let scope = match described["security"].as_array() {
                    Some(none) if none.is_empty() => "Open",
                    _ if described["x-role"] == "operator" => "Operator",
                    _ => "Viewer",
                };
                let parameters = described["parameters"].as_array().cloned();
                let mut query: Vec<String> = parameters
                    .unwrap_or_default()
                    .iter()
                    .filter(|parameter| parameter["in"] == "query")
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect();
                query.sort();
                let operation = described["operationId"].as_str().unwrap().to_owned();
                all.insert(
                    (method.to_uppercase(), path.clone()),
                    (operation, scope.to_owned(), query),
                );
            }
        }
        all
    }

    #[test]
    fn the_document_and_the_routes_say_the_same() {
        let document: Value = serde_json::from_str(service::OPENAPI).unwrap();
        let mut served = Described::new();
        for route in ROUTES {
            let mut query: Vec<String> = route.query.iter().map(|q| (*q).to_owned()).collect();
            query.sort();
            served.insert(
                (route.method.to_owned(), route.path.to_owned()),
                (
                    route.operation.to_owned(),
                    format!("{:?}", route.access),
                    query,
                ),
            );
        }
        assert_eq!(documented(&document), served);
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn the_document_knows_every_state() {
        let document: Value = serde_json::from_str(service::OPENAPI).unwrap();
        let states = &document["components"]["schemas"]["Recipient"]["properties"]["state"];
        let names = crate::store::DeliveryState::ALL.map(crate::store::DeliveryState::name);
        assert_eq!(states["enum"], serde_json::json!(names));
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        fn references(value: &Value, into: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    for (name, value) in fields {
                        match value {
                            Value::String(to) if name == "$ref" => into.push(to.clone()),
                            value => references(value, into),
                        }
                    }
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, into)),
                _ => {}
            }
        }
        let document: Value = serde_json::from_str(service::OPENAPI).unwrap();
        let mut all = Vec::new();
        references(&document, &mut all);
        assert!(all.len() > 10);
        for to in all {
            let pointer = to.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{to}");
        }
    }
}

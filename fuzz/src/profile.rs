//! What devices say of themselves.

use remold::Limits;
use remold::profile::uaprof as document;
use remold::profile::{Capabilities, Resolution, resolve};

/// A document gives facts within the bounds, the same each time, and a device that is complete.
pub fn uaprof(data: &[u8]) {
    let limits = Limits::default();
    // Offsets count UTF-8, of which another charset may need three times as many octets.
    let read = match document::read(data, &limits) {
        Ok(read) => read,
        Err(error) => {
            assert!(error.offset <= data.len() * 3 + 3, "{error}");
            return;
        }
    };
    let octets: usize = read
        .value
        .attributes
        .iter()
        .flat_map(|a| &a.values)
        .map(String::len)
        .sum();
    // Latin-1 takes twice the octets in UTF-8, and entities expand within their own bound.
    assert!(
        octets <= limits.xml_expansion + data.len() * 3,
        "{octets} octets of values"
    );
    for warning in &read.warnings {
        assert!(warning.offset <= data.len() * 3 + 3, "{warning:?}");
    }
    assert_eq!(read.value.facts(), read.value.facts());
    let again = document::read(data, &limits).expect("read once already");
    assert_eq!(again.value, read.value);
    let merged = document::merge([read.value.clone(), again.value]);
    let _ = merged.facts();
    if let Ok(resolution) = Resolution::from_uaprof(data, &limits) {
        assert_complete(&resolution.capabilities);
    }
}

/// Any headers of a request lead to a device that is complete, the same each time.
pub fn headers(data: &[u8]) {
    let limits = Limits::default();
    let text = String::from_utf8_lossy(data);
    let fields: Vec<(String, String)> = text
        .split('\n')
        .map(|line| line.split_once(':').unwrap_or((line, "")))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let found = resolve(&fields, &limits).expect("the shipped data are sound");
    assert_complete(&found.capabilities);
    let again = resolve(&fields, &limits).expect("the shipped data are sound");
    assert_eq!(again.capabilities, found.capabilities);
    assert_eq!(again.warnings, found.warnings);
}

fn assert_complete(device: &Capabilities) {
    assert!(!device.id.is_empty());
    assert!(device.max_message_size.is_some(), "{}: no size", device.id);
    assert!(device.max_image.is_some(), "{}: no box", device.id);
    assert!(device.accept.is_some(), "{}: no types", device.id);
}

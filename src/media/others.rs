//! Going on with the next codec where one fails through its own fault.

use super::error::MediaError;
use super::registry::Registry;

/// Codecs that may fail in one job before it is given up.
const MOST: usize = 4;

/// Does a job, and again without the codec that failed, as long as the others can do it. Gives the
/// failures on the way, one line each.
///
/// # Errors
///
/// Those of the job; where no other codec is left, what the last one failed of.
pub(super) fn with_others<T>(
    registry: &Registry,
    mut job: impl FnMut(&Registry) -> Result<T, MediaError>,
) -> Result<(T, Vec<String>), MediaError> {
    let mut registry = registry.clone();
    let mut failures = Vec::new();
    let mut last = None;
    loop {
        let error = match job(&registry) {
            Ok(done) => return Ok((done, failures)),
            Err(error) => error,
        };
        if let Some(last) = last
            && matches!(error, MediaError::Unsupported { .. })
        {
            return Err(last);
        }
        let known = error
            .failed_codec()
            .is_some_and(|name| registry.set_enabled(name, false));
        if !known || failures.len() == MOST {
            return Err(error);
        }
        failures.push(error.to_string());
        last = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(codec: &str) -> MediaError {
        MediaError::CodecPanicked {
            codec: codec.to_owned(),
        }
    }

    #[test]
    fn the_next_codec_is_asked_where_one_fails() {
        let registry = Registry::builtin();
        let (left, failures) = with_others(&registry, |registry| {
            let names = registry.names();
            match names.get("rusty_h264") {
                Some(true) => Err(failed("rusty_h264")),
                _ => Ok(names.values().filter(|on| **on).count()),
            }
        })
        .unwrap();
        let on = registry.names().values().filter(|on| **on).count();
        assert_eq!(left, on - 1);
        assert_eq!(failures, ["the codec rusty_h264 panicked"]);
        assert!(registry.names()["rusty_h264"]);
    }

    #[test]
    fn where_no_other_is_left_its_own_fault_is_told() {
        let registry = Registry::builtin();
        let mut asked = 0;
        let outcome = with_others(&registry, |registry| {
            asked += 1;
            if registry.names()["gif"] {
                Err::<(), _>(failed("gif"))
            } else {
                Err(MediaError::unsupported("nobody"))
            }
        });
        assert_eq!((outcome, asked), (Err(failed("gif")), 2));
        let unknown = with_others(&registry, |_| Err::<(), _>(failed("no such")));
        assert_eq!(unknown, Err(failed("no such")));
        let mut endless = 0;
        let outcome = with_others(&registry, |_| {
            endless += 1;
            Err::<(), _>(failed("gif"))
        });
        assert!(outcome.is_err() && endless == MOST + 1);
    }
}

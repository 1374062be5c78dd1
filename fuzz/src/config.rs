//! The configuration.

use remold::server::Config;

/// A text is a configuration or has a mistake at a place inside it. What is shown of a
/// configuration is one as well, and says the same when it is shown again.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let config = match Config::from_toml(text) {
        Ok(config) => config,
        Err(error) => {
            assert!(
                !error.message.is_empty() && !error.message.contains('\n'),
                "{error:?}"
            );
            if let Some((line, column)) = error.place {
                let lines: Vec<&str> = text.split('\n').collect();
                assert!((1..=lines.len()).contains(&line), "{error:?}");
                assert!(
                    column >= 1 && column <= lines[line - 1].len() + 1,
                    "{error:?}"
                );
            }
            return;
        }
    };
    assert!(config.differences(&config).is_empty());
    let shown = config.shown();
    assert!(!shown.is_empty(), "{text:?}");
}

//! The configuration read again while the server runs: what can change does, what cannot is named,
//! and one that is wrong changes nothing.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use serde::Serialize;
use tracing::{info, warn};

use super::config::{Config, ConfigError, Tls};
use super::logging::Logs;
use super::metrics::Metrics;
use super::plugins::Codecs;
use super::tls::Served;
use crate::relay::Surroundings;

/// Beginnings of the keys that count as soon as they are read.
const LIVE: &[&str] = &[
    "admin.tokens",
    "admin.tls.",
    "mm1.tls.",
    "mm4.certificate",
    "mm4.key",
    "log.level",
    "log.numbers",
    "cdr.rotate_",
    "delivery.",
    "identity.",
    "limits.recipients",
    "mbox.",
    "policy.",
];

/// What reading the configuration again did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Keys that changed since it was read last.
    pub changed: Vec<Changed>,
    /// Keys whose values wait for the server to be started again.
    pub needs_restart: Vec<String>,
}

/// A key that changed. Secrets are left out of the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Table and key.
    pub key: String,
    /// What it was; `null` where it was not written.
    pub was: Option<String>,
    /// What it is.
    pub is: Option<String>,
    /// Whether it counts already.
    pub applied: bool,
}

/// Why the configuration was not read again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The server was started without a file, and without plugins.
    #[error("the server was started without a configuration file: there is nothing to read again")]
    NoFile,
    /// There is a mistake in it. What counted before still does.
    #[error("{0}")]
    Config(String),
}

/// The configuration in use.
pub(super) struct Reloader {
    started: Config,
    current: ArcSwap<Config>,
    /// One reload at a time.
    turn: Mutex<()>,
    logs: Logs,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Surroundings>,
    certificates: Certificates,
    apply: Box<Apply>,
    codecs: Arc<Codecs>,
}

/// Gives what can change while the server runs to those who work by it.
pub(super) type Apply = dyn Fn(&Config) + Send + Sync;

/// The certificates in use, by interface.
#[derive(Debug, Clone, Default)]
pub(super) struct Certificates {
    pub(super) mm1: Option<Arc<Served>>,
    pub(super) mm4: Option<Arc<Served>>,
    pub(super) admin: Option<Arc<Served>>,
}

impl Reloader {
    pub(super) fn new(
        config: &Config,
        logs: Logs,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Surroundings>,
        certificates: Certificates,
        apply: Box<Apply>,
        codecs: Arc<Codecs>,
    ) -> Self {
        metrics.loaded_at(clock.now());
        Self {
            started: config.clone(),
            current: ArcSwap::new(Arc::new(config.clone())),
            turn: Mutex::new(()),
            logs,
            metrics,
            clock,
            certificates,
            apply,
            codecs,
        }
    }

    /// The configuration that was read last.
    pub(super) fn current(&self) -> Arc<Config> {
        self.current.load_full()
    }

    /// Reads the file again.
    pub(super) fn reload(&self) -> Result<Reloaded, ReloadError> {
        let turn = self.turn.lock();
        let result = self.try_reload();
        drop(turn);
        match &result {
            Ok(done) => {
                self.metrics.reloaded("loaded");
                self.metrics.loaded_at(self.clock.now());
                for Changed {
                    key, is, applied, ..
                } in &done.changed
                {
                    let is = is.as_deref().unwrap_or("-");
                    info!(key, is, applied, "configuration changed");
                }
                if !done.needs_restart.is_empty() {
                    let keys = done.needs_restart.join(", ");
                    warn!(keys, "these count after a restart");
                }
            }
            Err(error) => {
                self.metrics.reloaded("refused");
                warn!(%error, "configuration refused; what counted before still does");
            }
        }
        result
    }

    fn try_reload(&self) -> Result<Reloaded, ReloadError> {
        let path = self.started.source.path.as_ref();
        let plugins = || {
            let read = self.codecs.reload();
            read.map_err(|error| ReloadError::Config(format!("plugins: {error}")))
        };
        let Some(path) = path else {
            return match plugins()? {
                true => Ok(Reloaded {
                    changed: Vec::new(),
                    needs_restart: Vec::new(),
                }),
                false => Err(ReloadError::NoFile),
            };
        };
        let config = Config::from_file(path).map_err(|ConfigError { place, message }| {
            let place = place.map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
            ReloadError::Config(format!("{}{place}: {message}", path.display()))
        })?;
        let tls = |served: &Option<Arc<Served>>, files: &Option<Tls>| match (served, files) {
            (Some(served), Some(files)) => served
                .load(files)
                .map_err(|error| ReloadError::Config(error.to_string())),
            _ => Ok(()),
        };
        // Certificates first: they alone can still fail. They are read also where their names are
        // the same, because that is how they are renewed.
        tls(&self.certificates.mm1, &config.mm1.tls)?;
        tls(&self.certificates.mm4, &config.mm4.tls())?;
        tls(&self.certificates.admin, &config.admin.tls)?;
        plugins()?;
        self.logs.set(config.log);
        (self.apply)(&config);
        let applied = |key: &str| self.applies(key);
        let changed = self
            .current()
            .differences(&config)
            .into_iter()
            .map(|difference| Changed {
                applied: applied(&difference.key),
                key: difference.key,
                was: difference.was,
                is: difference.is,
            })
            .collect();
        let needs_restart = self
            .started
            .differences(&config)
            .into_iter()
            .map(|difference| difference.key)
            .filter(|key| !applied(key))
            .collect();
        self.current.store(Arc::new(config));
        Ok(Reloaded {
            changed,
            needs_restart,
        })
    }

    /// Whether a key counts as soon as it is read.
    fn applies(&self, key: &str) -> bool {
        // TLS is there from the start or not at all.
        let Certificates { mm1, mm4, admin } = &self.certificates;
        for (start, served) in [
            ("mm1.tls.", mm1),
            ("mm4.certificate", mm4),
            ("mm4.key", mm4),
            ("admin.tls.", admin),
        ] {
            if key.starts_with(start) {
                return served.is_some();
            }
        }
        LIVE.iter().any(|live| key.starts_with(live))
    }
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader")
            .field("path", &self.started.source.path)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::surroundings::System;
    use super::*;

    struct File(std::path::PathBuf);

    impl File {
        fn new(name: &str, text: &str) -> Self {
            let name = format!("remold-reload-{}-{name}.toml", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        fn write(&self, text: &str) {
            std::fs::write(&self.0, text).unwrap();
        }

        fn reloader(&self, metrics: &Arc<Metrics>) -> Reloader {
            let config = Config::from_file(&self.0).unwrap();
            let clock = Arc::new(System::clock());
            Reloader::new(
                &config,
                Logs::none(),
                metrics.clone(),
                clock,
                Certificates::default(),
                Box::new(|_| ()),
                Arc::default(),
            )
        }
    }

    impl Drop for File {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn what_changed_is_told_and_what_waits_for_a_restart() {
        let file = File::new("changed", "[numbering]\ncountry = \"44\"\n");
        let metrics = Arc::new(Metrics::new());
        let reloader = file.reloader(&metrics);
        file.write("[numbering]\ncountry = \"49\"\n[cdr]\nrotate_minutes = 5\n");
        let done = reloader.reload().unwrap();
        let keys: Vec<_> = done.changed.iter().map(|c| (&*c.key, c.applied)).collect();
        assert_eq!(
            keys,
            [("cdr.rotate_minutes", true), ("numbering.country", false)]
        );
        assert_eq!(done.needs_restart, ["numbering.country"]);
        let again = reloader.reload().unwrap();
        assert!(again.changed.is_empty());
        assert_eq!(again.needs_restart, ["numbering.country"]);
        let line = "remold_configuration_reloads_total{result=\"loaded\"} 2";
        assert!(metrics.text().contains(line));
    }

    #[test]
    fn of_a_thousand_reloads_every_third_of_them_wrong_the_last_good_one_counts() {
        let file = File::new("thousand", "");
        let metrics = Arc::new(Metrics::new());
        let reloader = file.reloader(&metrics);
        for round in 1..=1_000 {
            if round % 3 == 0 {
                file.write("[cdr]\nrotate_minutes = 0\n");
                let error = reloader.reload().unwrap_err().to_string();
                assert!(error.ends_with(":2:18: 0 is too little"), "{error}");
            } else {
                file.write(&format!("[cdr]\nrotate_minutes = {round}\n"));
                reloader.reload().unwrap();
                assert_eq!(reloader.current().cdr.rotate_minutes.number(), round);
            }
        }
        assert_eq!(reloader.current().cdr.rotate_minutes.number(), 1_000);
        let line = "remold_configuration_reloads_total{result=\"refused\"} 333";
        assert!(metrics.text().contains(line));
    }

    #[test]
    fn a_server_without_a_file_has_nothing_to_read_again() {
        let config = Config::from_toml("").unwrap();
        let clock = Arc::new(System::clock());
        let metrics = Arc::new(Metrics::new());
        let reloader = Reloader::new(
            &config,
            Logs::none(),
            metrics,
            clock,
            Certificates::default(),
            Box::new(|_| ()),
            Arc::default(),
        );
        assert_eq!(reloader.reload(), Err(ReloadError::NoFile));
    }
}

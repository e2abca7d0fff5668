//! Raw fields → [`Config`], or everything that is wrong with them.

mod auth;
mod http;
mod notifications;
mod s3;

use std::str::FromStr;
use std::time::Duration;

use super::problem::{Problem, Warning};
use super::{Config, Storage, UploadPurging, Validation, duration, raw};
use crate::http::server::Health;
use crate::storage::DirectIo;
use crate::{go, log};

/// registry:2's.
const CATALOG_PAGE: usize = 1000;
const HEALTH_INTERVAL: Duration = Duration::from_secs(10);
/// The disk has more to do than to be asked.
const HEALTH_INTERVAL_LEAST: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_secs(3600);

/// What is wrong goes to `problems`; then the configuration has stand-ins and is not to be used.
pub(super) fn config(raw: raw::Root, warnings: &mut Vec<Warning>, problems: &mut Vec<Problem>) -> Config {
    let mut check = Check { problems, warnings };
    let log = check.log(raw.log, raw.loglevel);
    let storage = check.storage(raw.storage);
    let http = check.http(raw.http);
    let login = check.login(raw.auth);
    let somebody = !login.is_none() || http.tls.as_ref().is_some_and(|tls| tls.client_auth.is_some());
    let access = check.access(raw.access, somebody);
    let validation = check.validation(raw.validation);
    let health = check.health(raw.health);
    let notifications = check.notifications(raw.notifications);
    // As registry:2: nothing, or less than that, is the default.
    let catalog_page = raw
        .catalog
        .maxentries
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| *n > 0);
    let catalog_page = catalog_page.unwrap_or(CATALOG_PAGE);
    Config {
        log,
        storage,
        http,
        login,
        access,
        validation,
        health,
        notifications,
        catalog_page,
    }
}

/// Collects what is wrong and goes on with a stand-in, so that one run names every problem.
struct Check<'a> {
    problems: &'a mut Vec<Problem>,
    warnings: &'a mut Vec<Warning>,
}

impl Check<'_> {
    fn problem(&mut self, key: &str, what: impl Into<String>) {
        self.problems.push(Problem::new(key, what));
    }

    fn note(&mut self, key: &str, what: &str) {
        self.warnings.push(Warning::Note {
            key: key.to_owned(),
            at: None,
            what: what.to_owned(),
        });
    }

    fn parsed<T: FromStr<Err = String>>(&mut self, key: &str, text: &str) -> Option<T> {
        text.parse().map_err(|what| self.problem(key, what)).ok()
    }

    fn duration(&mut self, key: &str, text: Option<String>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        duration::parse(&text).unwrap_or_else(|what| {
            self.problem(key, what);
            default
        })
    }

    fn log(&mut self, raw: raw::Log, loglevel: Option<String>) -> log::Settings {
        // Compose files pass variables on that nobody set: as registry:2, an empty one says nothing.
        let written = |level: &String| !level.is_empty();
        let level = raw.level.filter(written).or(loglevel.filter(written));
        let level = level.map(|level| level.to_ascii_lowercase());
        let level = match level.as_deref() {
            Some("error" | "fatal" | "panic") => tracing::Level::ERROR,
            Some("warn" | "warning") => tracing::Level::WARN,
            None | Some("info") => tracing::Level::INFO,
            Some("debug") => tracing::Level::DEBUG,
            Some("trace") => tracing::Level::TRACE,
            Some(other) => {
                self.problem(
                    "log.level",
                    format!("\"{other}\" is not one of error, warn, info, debug"),
                );
                tracing::Level::INFO
            }
        };
        let format = match raw.formatter.as_deref() {
            None | Some("" | "text") => log::Format::Text,
            // Logstash reads JSON lines.
            Some("json" | "logstash") => log::Format::Json,
            Some(other) => {
                self.problem("log.formatter", format!("\"{other}\" is not one of text, json"));
                log::Format::Text
            }
        };
        let combined = match raw.accesslog.format.as_deref() {
            None | Some("") => false,
            Some("combined") => true,
            Some(other) => {
                self.problem(
                    "log.accesslog.format",
                    format!("\"{other}\" is not a format; write combined, or remove the key"),
                );
                false
            }
        };
        log::Settings {
            level,
            format,
            access: !raw.accesslog.disabled,
            combined: combined && !raw.accesslog.disabled,
            fields: raw
                .fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, field(value)))
                .collect(),
        }
    }

    fn storage(&mut self, raw: raw::Storage) -> Storage {
        let purging = raw.maintenance.uploadpurging;
        let key = "storage.maintenance.uploadpurging";
        let age = self.duration(&format!("{key}.age"), purging.age, 168 * HOUR);
        let interval = self.duration(&format!("{key}.interval"), purging.interval, 24 * HOUR);
        let enabled = purging.enabled.unwrap_or(true);
        if enabled && (age.is_zero() || interval.is_zero()) {
            self.problem(
                key,
                "age and interval must be more than 0; to switch it off, write enabled: false",
            );
        }
        // Some write YAML in which these two words are booleans.
        let direct_io = match raw.filesystem.directio.as_deref() {
            None | Some("" | "auto") => DirectIo::Auto,
            Some("on" | "true") => DirectIo::On,
            Some("off" | "false") => DirectIo::Off,
            Some(other) => {
                self.problem(
                    "storage.filesystem.directio",
                    format!("\"{other}\" is not one of auto, on, off"),
                );
                DirectIo::Auto
            }
        };
        let s3 = raw.s3.map(|raw| self.s3(raw));
        if s3.is_some() && raw.filesystem.rootdirectory.is_some() {
            self.problem(
                "storage",
                "there is one store: remove filesystem or s3; a variable for it is REGISTRY_STORAGE=s3",
            );
        }
        let root = raw.filesystem.rootdirectory;
        let root = root.unwrap_or_else(|| "/var/lib/registry".to_owned());
        if root.is_empty() {
            // registry:2 makes a folder `<nil>` of it, wherever it was started.
            self.problem(
                "storage.filesystem.rootdirectory",
                "nothing is given; write the folder, or remove the key for /var/lib/registry",
            );
        }
        Storage {
            s3,
            direct_io,
            root: root.into(),
            delete: raw.delete.enabled,
            read_only: raw.maintenance.readonly.enabled,
            upload_purging: enabled.then_some(UploadPurging {
                age,
                interval,
                dry_run: purging.dryrun,
            }),
        }
    }

    fn validation(&mut self, raw: raw::Validation) -> Validation {
        let allow_missing = match raw.manifests.missing.as_deref() {
            None | Some("" | "reject") => false,
            Some("allow") => true,
            Some(other) => {
                self.problem(
                    "validation.manifests.missing",
                    format!("\"{other}\" is not one of reject, allow"),
                );
                false
            }
        };
        Validation { allow_missing }
    }

    fn health(&mut self, raw: raw::Health) -> Option<Health> {
        let key = "health.storagedriver.interval";
        // As registry:2: nothing, or less than that, is the default.
        let interval = self.duration(key, raw.storagedriver.interval, HEALTH_INTERVAL);
        let interval = if interval.is_zero() {
            HEALTH_INTERVAL
        } else {
            interval
        };
        let threshold = raw
            .storagedriver
            .threshold
            .and_then(|count| u32::try_from(count).ok());
        let health = Health {
            interval: interval.max(HEALTH_INTERVAL_LEAST),
            threshold: threshold.filter(|count| *count > 0).unwrap_or(3),
        };
        raw.storagedriver.enabled.unwrap_or(true).then_some(health)
    }
}

/// A log's field is text, or a list or a section written as JSON.
/// JSON has no number for what is not finite.
fn field(value: serde_yaml::Value) -> serde_json::Value {
    match value {
        serde_yaml::Value::Number(number) if !number.is_finite() => {
            go::float(number.as_f64().unwrap_or(f64::NAN)).into()
        }
        other => serde_json::to_value(other).unwrap_or_default(),
    }
}

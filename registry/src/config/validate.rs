//! Raw fields → [`Config`], or everything that is wrong with them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::problem::{Problem, Problems, Warning};
use super::{
    Address, Admin, CertificateFiles, Config, Health, Htpasswd, Http, Log, LogFormat, OtherCertificate,
    Storage, Tls, UploadPurging, Validation, duration, raw,
};
use crate::auth::access::{Rule, Rules};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn config(raw: raw::Root, warnings: &mut Vec<Warning>) -> Result<Config, Problems> {
    let mut check = Check {
        problems: Vec::new(),
        warnings,
    };
    let log = check.log(raw.log, raw.loglevel);
    let storage = check.storage(raw.storage);
    let http = check.http(raw.http);
    let htpasswd = check.htpasswd(raw.auth.htpasswd);
    let access = check.access(raw.access, htpasswd.is_some());
    let validation = check.validation(raw.validation);
    let health = check.health(raw.health);
    Problems::none_of(check.problems)?;
    Ok(Config {
        log,
        storage,
        http,
        htpasswd,
        access,
        validation,
        health,
    })
}

/// Collects what is wrong and goes on with a stand-in, so that one run names every problem.
struct Check<'a> {
    problems: Vec<Problem>,
    warnings: &'a mut Vec<Warning>,
}

impl Check<'_> {
    fn problem(&mut self, key: &str, what: impl Into<String>) {
        self.problems.push(Problem::new(key, what));
    }

    fn note(&mut self, key: &str, what: &str) {
        self.warnings.push(Warning::Note {
            key: key.to_owned(),
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

    fn log(&mut self, raw: raw::Log, loglevel: Option<String>) -> Log {
        let level = match raw.level.or(loglevel).as_deref() {
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
            None | Some("text") => LogFormat::Text,
            // Logstash reads JSON lines.
            Some("json" | "logstash") => LogFormat::Json,
            Some(other) => {
                self.problem("log.formatter", format!("\"{other}\" is not one of text, json"));
                LogFormat::Text
            }
        };
        Log {
            level,
            format,
            access: !raw.accesslog.disabled,
            fields: raw.fields,
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
        Storage {
            root: raw
                .filesystem
                .rootdirectory
                .unwrap_or_else(|| "/var/lib/registry".to_owned())
                .into(),
            delete: raw.delete.enabled,
            read_only: raw.maintenance.readonly.enabled,
            upload_purging: enabled.then_some(UploadPurging {
                age,
                interval,
                dry_run: purging.dryrun,
            }),
        }
    }

    fn http(&mut self, raw: raw::Http) -> Http {
        if raw
            .net
            .as_deref()
            .is_some_and(|net| net != "tcp" && !net.is_empty())
        {
            self.problem(
                "http.net",
                "only tcp is supported; leave it out and give http.addr",
            );
        }
        let address = self.address("http.addr", raw.addr.as_deref().unwrap_or(":5000"));
        let http2 = !raw.http2.disabled;
        Http {
            address,
            prefix: self.prefix(raw.prefix.as_deref().unwrap_or("/")),
            origin: raw
                .host
                .and_then(|host| self.origin(&host))
                .filter(|_| !raw.relativeurls),
            headers: self.headers(raw.headers),
            drain_timeout: self.duration("http.draintimeout", raw.draintimeout, Duration::from_secs(30)),
            http2,
            tls: self.tls(raw.tls, http2),
            admin: self.admin(raw.debug),
        }
    }

    fn address(&mut self, key: &str, text: &str) -> Address {
        let stand_in = || Address::from_str(":0").expect("this is an address");
        self.parsed(key, text).unwrap_or_else(stand_in)
    }

    fn prefix(&mut self, text: &str) -> String {
        let trimmed = text.trim_matches('/');
        let sound = trimmed.is_empty()
            || trimmed.split('/').all(|segment| {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
            });
        if !sound {
            self.problem(
                "http.prefix",
                format!("\"{text}\" is not a path; write one like /registry/"),
            );
        }
        if trimmed.is_empty() {
            "/".to_owned()
        } else {
            format!("/{trimmed}/")
        }
    }

    /// `http.host` is the address that clients use, as a URL.
    fn origin(&mut self, text: &str) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        let uri: Option<http::Uri> = text.parse().ok();
        let uri =
            uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none());
        let Some(uri) = uri else {
            self.problem(
                "http.host",
                format!("\"{text}\" is not a URL; write one like https://registry.example.com"),
            );
            return None;
        };
        Some(uri.to_string().trim_end_matches('/').to_owned())
    }

    fn headers(&mut self, raw: std::collections::BTreeMap<String, raw::OneOrMany>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in raw {
            let key = format!("http.headers.{name}");
            let values = match values {
                raw::OneOrMany::One(value) => vec![value],
                raw::OneOrMany::Many(values) => values,
            };
            let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
                self.problem(&key, "not a header name");
                continue;
            };
            for value in values {
                match HeaderValue::from_str(&value) {
                    Ok(value) => drop(headers.append(&name, value)),
                    Err(_) => self.problem(&key, "not a header value: control characters are not allowed"),
                }
            }
        }
        headers
    }

    fn tls(&mut self, raw: raw::Tls, http2: bool) -> Option<Tls> {
        let certificate = raw.certificate.filter(|path| !path.is_empty());
        let key = raw.key.filter(|path| !path.is_empty());
        let only_tls13 = self.minimum_tls(raw.minimumtls.as_deref());
        let primary = match (certificate, key) {
            (Some(certificate), Some(key)) => CertificateFiles {
                certificate: certificate.into(),
                key: key.into(),
            },
            (None, None) => {
                if !raw.certificates.is_empty() {
                    self.problem(
                        "http.tls.certificate",
                        "missing: it is what a client gets that names no host",
                    );
                }
                if !raw.clientcas.is_empty() {
                    self.problem(
                        "http.tls.clientcas",
                        "client certificates need TLS; give http.tls.certificate and key",
                    );
                }
                return None;
            }
            (Some(_), None) => {
                self.problem(
                    "http.tls.key",
                    "missing: http.tls.certificate is given, its private key is not",
                );
                return None;
            }
            (None, Some(_)) => {
                self.problem(
                    "http.tls.certificate",
                    "missing: http.tls.key is given, its certificate is not",
                );
                return None;
            }
        };
        let others = raw
            .certificates
            .into_iter()
            .enumerate()
            .filter_map(|(i, other)| self.other_certificate(i, other))
            .collect();
        let client_cas = raw.clientcas.into_iter().map(PathBuf::from).collect();
        Some(Tls {
            primary,
            others,
            client_cas,
            only_tls13,
            http2,
        })
    }

    fn other_certificate(&mut self, index: usize, raw: raw::Certificate) -> Option<OtherCertificate> {
        if raw.certificate.is_empty() || raw.key.is_empty() {
            self.problem(
                &format!("http.tls.certificates.{index}"),
                "certificate and key must both be given",
            );
            return None;
        }
        let files = CertificateFiles {
            certificate: raw.certificate.into(),
            key: raw.key.into(),
        };
        Some(OtherCertificate {
            files,
            optional: raw.optional,
        })
    }

    fn minimum_tls(&mut self, text: Option<&str>) -> bool {
        match text {
            None | Some("" | "tls1.2") => false,
            Some("tls1.3") => true,
            Some("tls1.0" | "tls1.1") => {
                self.note(
                    "http.tls.minimumtls",
                    "TLS 1.0 and 1.1 are broken and never offered; the minimum is tls1.2",
                );
                false
            }
            Some(other) => {
                self.problem(
                    "http.tls.minimumtls",
                    format!("\"{other}\" is not one of tls1.2, tls1.3"),
                );
                false
            }
        }
    }

    fn admin(&mut self, raw: raw::Debug) -> Option<Admin> {
        let address = raw.addr.filter(|address| !address.is_empty())?;
        let path = raw.prometheus.path.unwrap_or_else(|| "/metrics".to_owned());
        if !path.starts_with('/') {
            self.problem(
                "http.debug.prometheus.path",
                format!("\"{path}\" must begin with a slash"),
            );
        }
        let metrics = raw.prometheus.enabled.unwrap_or(true);
        Some(Admin {
            address: self.address("http.debug.addr", &address),
            metrics_path: metrics.then_some(path),
        })
    }

    fn htpasswd(&mut self, raw: Option<raw::Htpasswd>) -> Option<Htpasswd> {
        let raw = raw?;
        let Some(path) = raw.path.filter(|path| !path.is_empty()) else {
            self.problem(
                "auth.htpasswd.path",
                "missing: name the file of users, made with \"htpasswd -nB USER\"",
            );
            return None;
        };
        let realm = raw.realm.unwrap_or_else(|| "Registry".to_owned());
        if realm.chars().any(char::is_control) {
            self.problem("auth.htpasswd.realm", "control characters are not allowed");
        }
        Some(Htpasswd {
            path: path.into(),
            realm,
        })
    }

    fn access(&mut self, raw: raw::Access, has_users: bool) -> Option<Rules> {
        // An empty list is no rules at all.
        let rules = raw.rules.filter(|rules| !rules.is_empty())?;
        if !has_users {
            self.problem(
                "access.rules",
                "nobody can be told from anybody else; give auth.htpasswd too",
            );
        }
        let rules = rules.into_iter().enumerate().filter_map(|(index, rule)| {
            Rule::new(&rule.users, &rule.repositories, &rule.actions)
                .map_err(|what| self.problem(&format!("access.rules.{index}"), what))
                .ok()
        });
        Some(Rules::new(rules.collect()))
    }

    fn validation(&mut self, raw: raw::Validation) -> Validation {
        let allow_missing = match raw.manifests.missing.as_deref() {
            None | Some("reject") => false,
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
        let interval = self.duration(key, raw.storagedriver.interval, Duration::from_secs(10));
        if interval.is_zero() {
            self.problem(key, "must be more than 0");
        }
        let health = Health {
            interval,
            threshold: raw.storagedriver.threshold.unwrap_or(3).max(1),
        };
        raw.storagedriver.enabled.unwrap_or(true).then_some(health)
    }
}

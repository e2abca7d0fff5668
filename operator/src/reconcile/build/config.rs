//! The registry's configuration file. Where things are mounted is said here and in [`super::deployment`] only.

use crate::names::PULL_USER;
use crate::reconcile::validate::Validated;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;

pub(super) const CONFIG_DIR: &str = "/etc/docker/registry";
pub(super) const CONFIG_FILE: &str = "config.yml";
pub(super) const INTERNAL_TLS_DIR: &str = "/etc/roadstead/tls/internal";
pub(super) const EXTERNAL_TLS_DIR: &str = "/etc/roadstead/tls/external";
pub(super) const AUTH_DIR: &str = "/etc/roadstead/auth";
pub(super) const DATA_DIR: &str = "/var/lib/registry";
pub(super) const REGISTRY_PORT: i32 = 5000;
pub(super) const ADMIN_PORT: i32 = 5001;

pub(super) fn config(validated: &Validated) -> ConfigMap {
    let text = serde_yaml::to_string(&Config::default()).expect("the configuration is plain YAML");
    ConfigMap {
        metadata: validated.id.owned(&validated.id.config()),
        data: Some([(CONFIG_FILE.to_owned(), text)].into()),
        ..ConfigMap::default()
    }
}

#[derive(Serialize)]
struct Config {
    version: &'static str,
    log: Log,
    storage: Storage,
    http: Http,
    auth: Auth,
    access: Access,
}

#[derive(Serialize)]
struct Log {
    level: &'static str,
    formatter: &'static str,
}

#[derive(Serialize)]
struct Storage {
    filesystem: Filesystem,
    delete: Enabled,
}

#[derive(Serialize)]
struct Filesystem {
    rootdirectory: &'static str,
}

#[derive(Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Serialize)]
struct Http {
    addr: String,
    debug: Debug,
    tls: Tls,
}

#[derive(Serialize)]
struct Debug {
    addr: String,
    prometheus: Enabled,
}

#[derive(Serialize)]
struct Tls {
    certificate: String,
    key: String,
    certificates: Vec<Certificate>,
}

#[derive(Serialize)]
struct Certificate {
    certificate: String,
    key: String,
    optional: bool,
}

#[derive(Serialize)]
struct Auth {
    htpasswd: Htpasswd,
}

#[derive(Serialize)]
struct Htpasswd {
    realm: &'static str,
    path: String,
}

#[derive(Serialize)]
struct Access {
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Rule {
    users: Vec<&'static str>,
    repositories: Vec<&'static str>,
    actions: Vec<&'static str>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: "0.1",
            log: Log {
                level: "info",
                formatter: "json",
            },
            storage: Storage {
                filesystem: Filesystem {
                    rootdirectory: DATA_DIR,
                },
                delete: Enabled { enabled: true },
            },
            http: Http {
                addr: format!(":{REGISTRY_PORT}"),
                debug: Debug {
                    addr: format!(":{ADMIN_PORT}"),
                    prometheus: Enabled { enabled: true },
                },
                tls: Tls {
                    certificate: format!("{INTERNAL_TLS_DIR}/tls.crt"),
                    key: format!("{INTERNAL_TLS_DIR}/tls.key"),
                    // Always listed: a certificate that comes later then needs no restart.
                    certificates: vec![Certificate {
                        certificate: format!("{EXTERNAL_TLS_DIR}/tls.crt"),
                        key: format!("{EXTERNAL_TLS_DIR}/tls.key"),
                        optional: true,
                    }],
                },
            },
            auth: Auth {
                htpasswd: Htpasswd {
                    realm: "Roadstead",
                    path: format!("{AUTH_DIR}/htpasswd"),
                },
            },
            access: Access {
                // The first rule that names the user decides, so the narrow one stands first.
                rules: vec![
                    Rule {
                        users: vec![PULL_USER],
                        repositories: vec!["**"],
                        actions: vec!["pull"],
                    },
                    Rule {
                        users: vec!["*"],
                        repositories: vec!["**"],
                        actions: vec!["pull", "push", "delete"],
                    },
                ],
            },
        }
    }
}

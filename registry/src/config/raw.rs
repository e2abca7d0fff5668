//! The fields as they are written, before anyone asked whether they make sense.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Root {
    pub(super) log: Log,
    pub(super) loglevel: Option<String>,
    pub(super) storage: Storage,
    pub(super) auth: Auth,
    /// Present only where the section is.
    pub(super) access: Option<Access>,
    pub(super) http: Http,
    pub(super) health: Health,
    pub(super) notifications: Notifications,
    pub(super) validation: Validation,
    pub(super) catalog: Catalog,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Catalog {
    pub(super) maxentries: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Log {
    pub(super) accesslog: AccessLog,
    pub(super) level: Option<String>,
    pub(super) formatter: Option<String>,
    pub(super) fields: BTreeMap<String, serde_yaml::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct AccessLog {
    pub(super) disabled: bool,
    pub(super) format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Disabled {
    pub(super) disabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Enabled {
    pub(super) enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Storage {
    pub(super) filesystem: Filesystem,
    #[serde(alias = "s3aws")]
    pub(super) s3: Option<S3>,
    pub(super) delete: Enabled,
    pub(super) maintenance: Maintenance,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Filesystem {
    pub(super) rootdirectory: Option<String>,
    pub(super) directio: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct S3 {
    pub(super) accesskey: Option<String>,
    pub(super) secretkey: Option<String>,
    pub(super) sessiontoken: Option<String>,
    pub(super) region: Option<String>,
    pub(super) regionendpoint: Option<String>,
    pub(super) forcepathstyle: Option<bool>,
    pub(super) bucket: Option<String>,
    pub(super) rootdirectory: Option<String>,
    pub(super) encrypt: bool,
    pub(super) keyid: Option<String>,
    pub(super) storageclass: Option<String>,
    pub(super) objectacl: Option<String>,
    pub(super) secure: Option<bool>,
    pub(super) skipverify: bool,
    pub(super) v4auth: Option<bool>,
    pub(super) cafile: Option<String>,
    pub(super) chunksize: Option<i64>,
    pub(super) multipartcopychunksize: Option<i64>,
    pub(super) multipartcopymaxconcurrency: Option<i64>,
    pub(super) multipartcopythresholdsize: Option<i64>,
    pub(super) usedualstack: bool,
    pub(super) accelerate: bool,
    pub(super) usefipsendpoint: bool,
    pub(super) useragent: Option<String>,
}

/// It holds secrets.
impl std::fmt::Debug for S3 {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("S3")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Maintenance {
    pub(super) uploadpurging: UploadPurging,
    pub(super) readonly: Enabled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct UploadPurging {
    pub(super) enabled: Option<bool>,
    pub(super) age: Option<String>,
    pub(super) interval: Option<String>,
    pub(super) dryrun: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Auth {
    pub(super) htpasswd: Option<Htpasswd>,
    pub(super) token: Option<Token>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Token {
    pub(super) realm: Option<String>,
    pub(super) service: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) rootcertbundle: Option<String>,
    pub(super) jwks: Option<String>,
    pub(super) signingalgorithms: Vec<String>,
    pub(super) autoredirect: bool,
    pub(super) autoredirectpath: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Htpasswd {
    pub(super) realm: Option<String>,
    pub(super) path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Access {
    pub(super) rules: Vec<AccessRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct AccessRule {
    pub(super) users: Vec<String>,
    pub(super) repositories: Vec<String>,
    pub(super) actions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Http {
    pub(super) addr: Option<String>,
    pub(super) net: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) host: Option<String>,
    pub(super) relativeurls: Option<bool>,
    pub(super) draintimeout: Option<String>,
    pub(super) tls: Tls,
    pub(super) debug: Debug,
    pub(super) headers: BTreeMap<String, OneOrMany>,
    pub(super) trustedproxies: Vec<String>,
    pub(super) limits: Limits,
    pub(super) http2: Disabled,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Limits {
    pub(super) connections: Option<u32>,
    pub(super) peraddress: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "text, or a list of texts")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
    /// A name with nothing behind it, as registry:2 takes it.
    Nothing,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Tls {
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) certificates: Vec<Certificate>,
    pub(super) clientcas: Vec<String>,
    pub(super) clientauth: Option<String>,
    pub(super) ciphersuites: Vec<String>,
    pub(super) minimumtls: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Certificate {
    pub(super) certificate: String,
    pub(super) key: String,
    pub(super) optional: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Debug {
    pub(super) addr: Option<String>,
    pub(super) prometheus: Prometheus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Prometheus {
    pub(super) enabled: Option<bool>,
    pub(super) names: Option<String>,
    pub(super) path: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Health {
    pub(super) storagedriver: StorageDriver,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct StorageDriver {
    pub(super) enabled: Option<bool>,
    pub(super) interval: Option<String>,
    pub(super) threshold: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Notifications {
    pub(super) events: Events,
    pub(super) endpoints: Vec<Endpoint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Events {
    pub(super) includereferences: bool,
}

/// No `Debug`: headers and addresses hold secrets.
#[derive(Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Endpoint {
    pub(super) name: Option<String>,
    pub(super) disabled: bool,
    pub(super) url: Option<String>,
    pub(super) headers: BTreeMap<String, OneOrMany>,
    pub(super) timeout: Option<String>,
    pub(super) threshold: Option<i64>,
    pub(super) backoff: Option<String>,
    pub(super) ignoredmediatypes: Vec<String>,
    pub(super) ignore: Ignore,
    pub(super) rootcertbundle: Option<String>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Ignore {
    pub(super) mediatypes: Vec<String>,
    pub(super) actions: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Validation {
    pub(super) manifests: Manifests,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "keys with values")]
pub(super) struct Manifests {
    pub(super) missing: Option<String>,
}

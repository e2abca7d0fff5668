//! registry:2's `config.yml` and its `REGISTRY_*` overrides, made into one valid [`Config`].
//!
//! The way is: YAML text → one tree, typed by the schema → overrides → every key judged → raw fields → [`Config`]. What is
//! wrong is gathered on the whole way, and told at once.
//! What comes out is valid; nothing after this module asks whether a setting makes sense.
//! It reads no file that the configuration names: whether a certificate is there is for `tls` to say.

mod address;
mod duration;
mod environment;
mod guards;
mod judge;
mod listen;
mod problem;
mod raw;
#[cfg(test)]
mod reference_tests;
mod schema;
mod services;
#[cfg(test)]
mod tests;
mod tree;
mod validate;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

pub use crate::http::Locations;
pub use address::Address;
pub use listen::Listen;
pub use problem::{Problem, Problems, Warning};

use crate::auth::access::Rules;
use crate::metrics::Names;
use crate::notifications::Action;
use crate::storage::DirectIo;
use tree::Findings;

/// Everything that the server is told, valid.
#[derive(Clone, Debug)]
pub struct Config {
    pub log: Log,
    pub storage: Storage,
    pub http: Http,
    /// Absent: nobody is asked who they are, as with registry:2.
    pub login: Option<Login>,
    /// Absent: everyone who is authenticated may do everything.
    pub access: Option<Rules>,
    pub validation: Validation,
    /// Absent: readiness does not look at the storage.
    pub health: Option<Health>,
    pub notifications: Notifications,
    /// The most repositories that one page of the catalog lists.
    pub catalog_page: usize,
}

impl Config {
    pub fn client_auth(&self) -> Option<&ClientAuth> {
        self.http.tls.as_ref()?.client_auth.as_ref()
    }
}

#[derive(Clone, Debug)]
pub struct Log {
    pub level: tracing::Level,
    pub format: LogFormat,
    pub access: bool,
    /// Whether a line in Apache's combined format is written beside the own line of each request.
    pub combined: bool,
    /// Written into every line, typed as registry:2 reads them.
    pub fields: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug)]
pub struct Storage {
    pub root: PathBuf,
    pub direct_io: DirectIo,
    pub delete: bool,
    pub read_only: bool,
    pub upload_purging: Option<UploadPurging>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadPurging {
    pub age: Duration,
    pub interval: Duration,
    pub dry_run: bool,
}

#[derive(Clone, Debug)]
pub struct Http {
    pub listen: Listen,
    /// Where the API stands: begins and ends with a slash.
    pub prefix: String,
    pub locations: Locations,
    pub headers: http::HeaderMap,
    /// Whose `X-Forwarded-For` and `Forwarded` are believed.
    pub trusted_proxies: Vec<IpNet>,
    pub limits: ConnectionLimits,
    pub drain_timeout: Duration,
    pub tls: Option<Tls>,
    pub admin: Option<Admin>,
}

/// How many connections may be open. Absent: as many as come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    pub in_all: Option<usize>,
    pub per_address: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Admin {
    pub address: Address,
    /// Absent: no metrics are served.
    pub metrics_path: Option<String>,
    pub metrics_names: Names,
}

#[derive(Clone, Debug)]
pub struct Tls {
    /// What a connection that names no host gets.
    pub primary: CertificateFiles,
    pub others: Vec<OtherCertificate>,
    /// Absent: clients are asked for no certificate.
    pub client_auth: Option<ClientAuth>,
    pub only_tls13: bool,
    /// What TLS 1.2 may use. Absent: all that is offered. TLS 1.3 has its own, which cannot be chosen.
    pub cipher_suites: Option<Vec<rustls::CipherSuite>>,
    pub http2: bool,
}

/// Certificates of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// Who may have signed them. Not empty.
    pub cas: Vec<PathBuf>,
    /// Whether a client without one is turned away.
    pub required: bool,
    /// Whether one is as good as a password or a token.
    pub logs_in: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherCertificate {
    pub files: CertificateFiles,
    /// Missing or broken is a warning, and it is tried again whenever the files change.
    pub optional: bool,
}

/// Who is told of what happens.
#[derive(Clone, Debug, Default)]
pub struct Notifications {
    pub endpoints: Vec<Endpoint>,
    /// Whether the event of a manifest lists what the manifest names.
    pub include_references: bool,
}

#[derive(Clone)]
pub struct Endpoint {
    /// No two have the same.
    pub name: String,
    /// Of `http` or `https`, without a password.
    pub url: http::Uri,
    /// The password that was in the URL, as a header.
    pub login: Option<http::HeaderValue>,
    pub headers: http::HeaderMap,
    pub timeout: Duration,
    pub threshold: u32,
    pub backoff: Duration,
    pub ignored_media_types: Vec<String>,
    pub ignored_actions: Vec<Action>,
    /// Absent: the system's CAs.
    pub root_cert_bundle: Option<PathBuf>,
}

/// The address and the headers may hold secrets.
impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How people say who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Htpasswd(Htpasswd),
    Token(TokenAuth),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAuth {
    /// Where clients get tokens.
    pub realm: String,
    /// Present: they get them at this path of the name by which they know the registry.
    pub redirect_path: Option<String>,
    pub service: String,
    pub issuer: String,
    /// At least one of this and `jwks` is there.
    pub root_cert_bundle: Option<PathBuf>,
    pub jwks: Option<PathBuf>,
    /// Never empty, and none of them symmetric.
    pub algorithms: Vec<jsonwebtoken::Algorithm>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Htpasswd {
    pub path: PathBuf,
    pub realm: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validation {
    /// Whether a manifest may name blobs that are not there.
    pub allow_missing: bool,
}

/// How often the storage is looked at, and how many failures in a row make the server not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    pub interval: Duration,
    pub threshold: u32,
}

/// A configuration, and what its author should know about it.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Warning>,
    /// What a file should have all the same.
    missing: Vec<Warning>,
}

/// The variable that names the file; it is no override.
pub const CONFIGURATION_PATH: &str = "REGISTRY_CONFIGURATION_PATH";

/// Reads the file and applies the `REGISTRY_*` variables of this process.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let unreadable = |source| Problem::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = text(bytes).map_err(|what| unreadable(std::io::Error::other(what)))?;
    let mut loaded = parse(&text, std::env::vars())?;
    loaded.warnings.append(&mut loaded.missing);
    Ok(loaded)
}

/// Windows writes UTF-16 too, with a mark in front; registry:2 reads it.
fn text(bytes: Vec<u8>) -> Result<String, &'static str> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|pair| unit([pair[0], pair[1]]))
            .collect();
        String::from_utf16(&units).map_err(|_| "it is not valid UTF-16")
    };
    match &bytes[..] {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text"),
    }
}

/// Makes a configuration of YAML text and environment variables.
pub fn parse(text: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Loaded, Problems> {
    let mut findings = Findings::default();
    let outcome = judged(text, variables, &mut findings);
    let Findings {
        mut problems,
        mut warnings,
        origins,
    } = findings;
    for warning in &mut warnings {
        warning.locate(&origins);
    }
    let (config, missing) = match outcome {
        Ok((config, missing)) => (Some(config), missing),
        Err(problem) => {
            problems.push(problem);
            (None, Vec::new())
        }
    };
    for problem in &mut problems {
        problem.locate(&origins);
    }
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded {
            config,
            warnings,
            missing,
        }),
        config => Err(Problems::of(problems, warnings, config)),
    }
}

/// The configuration, whole if nothing is found to be a problem, and what its file lacks.
fn judged(
    text: &str,
    variables: impl Iterator<Item = (String, String)>,
    findings: &mut Findings,
) -> Result<(Config, Vec<Warning>), Problem> {
    let mut tree = tree::read(text, findings)?;
    findings.problems.extend(judge::version(&tree));
    environment::apply(&mut tree, variables, findings);
    let missing = judge::missing(&tree);
    judge::keys(&mut tree, findings);
    let told: Vec<String> = findings.problems.iter().filter_map(told).collect();
    let raw: raw::Root = serde_path_to_error::deserialize(tree).map_err(|error| {
        let what = without_value(&error.inner().to_string());
        Problem::new(&error.path().to_string(), what)
    })?;
    let mut problems = Vec::new();
    let config = validate::config(raw, &mut findings.warnings, &mut problems);
    // What follows from something that is told already would only hide it.
    problems.retain(|problem| !problem.key().is_some_and(|key| follows(key, &told)));
    findings.problems.extend(problems);
    Ok((config, missing))
}

/// The key that a problem has told something about.
fn told(problem: &Problem) -> Option<String> {
    let key = problem.key()?;
    Some(environment::key_of(key).unwrap_or_else(|| key.to_owned()))
}

fn follows(key: &str, told: &[String]) -> bool {
    let is_below = |key: &str, other: &str| {
        key.strip_prefix(other)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    told.iter().any(|told| {
        // Users cannot be told apart where the way to log in is what is wrong.
        let of_login = key == "access.rules" && (is_below(told, "auth") || is_below(told, "http.tls"));
        is_below(key, told) || is_below(told, key) || of_login
    })
}

/// What serde says of a value of the wrong type, without the value: it may be a password that stands one level too high.
fn without_value(message: &str) -> String {
    match (message.find("string \""), message.rfind("\", expected")) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}text{}", &message[..begin], &message[end + 1..])
        }
        _ => message.to_owned(),
    }
}

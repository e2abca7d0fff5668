//! registry:2's `config.yml` and its `REGISTRY_*` overrides, made into one valid [`Config`].
//!
//! The way is: YAML text → one tree, typed by the schema → overrides → every key judged → raw fields → [`Config`]. What is
//! wrong is gathered on the whole way, and told at once.
//! What comes out is valid; nothing after this module asks whether a setting makes sense.
//! It reads no file that the configuration names: whether a certificate is there is for `tls` to say.

mod duration;
mod environment;
mod guards;
mod judge;
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

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

pub use problem::{Problem, Problems, Warning};

use crate::address::{Address, Listen};
use crate::auth::Login;
use crate::auth::access::Rules;
use crate::http::Locations;
use crate::http::server::{ConnectionLimits, Health};
use crate::metrics::Names;
use crate::storage::{DirectIo, s3_settings};
use crate::{log, notifications, tls};
use tree::Findings;

/// Everything that the server is told, valid.
#[derive(Clone, Debug)]
pub struct Config {
    pub log: log::Settings,
    pub storage: Storage,
    pub http: Http,
    pub login: Login,
    /// Absent: everyone who is authenticated may do everything.
    pub access: Option<Rules>,
    pub validation: Validation,
    /// Absent: readiness does not look at the storage.
    pub health: Option<Health>,
    pub notifications: notifications::Settings,
    /// The most repositories that one page of the catalog lists.
    pub catalog_page: usize,
}

impl Config {
    pub fn client_auth(&self) -> Option<&tls::ClientAuth> {
        self.http.tls.as_ref()?.client_auth.as_ref()
    }
}

#[derive(Clone, Debug)]
pub struct Storage {
    /// A bucket, in place of the folder.
    pub s3: Option<s3_settings::Settings>,
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
    pub tls: Option<tls::Settings>,
    pub admin: Option<Admin>,
}

#[derive(Clone, Debug)]
pub struct Admin {
    pub address: Address,
    /// Absent: no metrics are served.
    pub metrics_path: Option<String>,
    pub metrics_names: Names,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validation {
    /// Whether a manifest may name blobs that are not there.
    pub allow_missing: bool,
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

//! What can be wrong with a configuration, in words for the person who wrote it.

use std::fmt;
use std::path::PathBuf;

/// One thing that keeps the server from starting.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the configuration is not valid YAML: {0}")]
    Syntax(#[from] serde_yaml::Error),
    #[error("{key}: {what}")]
    Key { key: String, what: String },
    /// Itself a reason not to start, or quite likely the cause of one.
    #[error("{0}")]
    Slip(Warning),
}

impl Problem {
    pub(super) fn new(key: &str, what: impl Into<String>) -> Self {
        Problem::Key {
            key: key.to_owned(),
            what: what.into(),
        }
    }
}

/// All of them at once: a person mends a file in one go. Never empty.
#[derive(Debug)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn none_of(problems: Vec<Problem>) -> Result<(), Problems> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems))
        }
    }

    /// With the keys that nobody knows put first: a slip in one is why another is missing.
    pub(super) fn after_slips(mut self, warnings: Vec<Warning>) -> Self {
        let slips = warnings.into_iter().filter(Warning::is_mistake);
        self.0.splice(0..0, slips.map(Problem::Slip));
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What the author should know although the server starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key that nobody knows: most likely a slip. `check-config` calls it an error.
    UnknownKey { key: String, nearest: Option<String> },
    /// A `REGISTRY_*` variable that names no key. Kubernetes sets such variables for a Service called `registry`.
    UnknownVariable { name: String, nearest: Option<String> },
    /// Something that a file should have. `check-config` calls it an error.
    Missing { key: &'static str, what: &'static str },
    /// Keys of registry:2 that change nothing here.
    WithoutEffect { keys: Vec<String> },
    /// A setting whose meaning here is not quite what it was.
    Note { key: String, what: String },
}

impl Warning {
    /// Whether `check-config` fails because of it.
    pub fn is_mistake(&self) -> bool {
        match self {
            Warning::UnknownKey { .. } | Warning::Missing { .. } => true,
            Warning::UnknownVariable { .. } | Warning::WithoutEffect { .. } | Warning::Note { .. } => false,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownKey {
                key,
                nearest: Some(nearest),
            } => {
                write!(f, "{key}: there is no such key; did you mean {nearest}?")
            }
            Warning::UnknownKey { key, nearest: None } => write!(f, "{key}: there is no such key"),
            Warning::UnknownVariable { name, nearest } => {
                write!(
                    f,
                    "the environment variable {name} names no configuration key and is ignored"
                )?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean {nearest}?"),
                    None => Ok(()),
                }
            }
            Warning::Missing { key, what } => write!(f, "{key}: missing; {what}"),
            Warning::WithoutEffect { keys } => {
                write!(
                    f,
                    "these keys are not needed here and have no effect: {}",
                    keys.join(", ")
                )
            }
            Warning::Note { key, what } => write!(f, "{key}: {what}"),
        }
    }
}

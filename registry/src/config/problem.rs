//! What can be wrong with a configuration, in words for the person who wrote it.

use std::fmt;
use std::path::PathBuf;

use super::Config;
use super::tree::Origins;
use super::yaml::Syntax;

/// One thing that keeps the server from starting.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("line {line}: not valid YAML: {what}")]
    Syntax { line: usize, what: String },
    #[error("{key}: {what}{}", place(at.as_deref()))]
    Key {
        key: String,
        what: String,
        at: Option<String>,
    },
    /// Itself a reason not to start, or quite likely the cause of one.
    #[error("{0}")]
    Slip(Warning),
}

impl Problem {
    pub(super) fn new(key: &str, what: impl Into<String>) -> Self {
        Problem::Key {
            key: key.to_owned(),
            what: what.into(),
            at: None,
        }
    }

    /// The key that it is about.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Problem::Key { key, .. } => Some(key),
            Problem::Slip(warning) => warning.key(),
            Problem::Unreadable { .. } | Problem::Syntax { .. } => None,
        }
    }

    pub(super) fn locate(&mut self, origins: &Origins) {
        match self {
            Problem::Key { key, at, .. } => *at = origins.of(key).map(str::to_owned),
            Problem::Slip(warning) => warning.locate(origins),
            Problem::Unreadable { .. } | Problem::Syntax { .. } => {}
        }
    }
}

impl From<Syntax> for Problem {
    fn from(Syntax { line, what }: Syntax) -> Self {
        Problem::Syntax { line, what }
    }
}

/// Where to look, behind what is said.
fn place(at: Option<&str>) -> String {
    at.map(|at| format!(" ({at})")).unwrap_or_default()
}

/// All of them at once: a person mends a file in one go. Never empty.
#[derive(Debug)]
pub struct Problems {
    all: Vec<Problem>,
    config: Option<Box<Config>>,
}

impl Problems {
    /// With the keys that nobody knows put first: a slip in one is why another is missing.
    pub(super) fn of(problems: Vec<Problem>, warnings: Vec<Warning>, config: Option<Config>) -> Self {
        let slips = warnings
            .into_iter()
            .filter(Warning::is_mistake)
            .map(Problem::Slip);
        Problems {
            all: slips.chain(problems).collect(),
            config: config.map(Box::new),
        }
    }

    /// What can be made of the rest, to look at the files that it names; never to be served. Absent: nothing.
    pub fn config(&self) -> Option<&Config> {
        self.config.as_deref()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.all.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems {
            all: vec![problem],
            config: None,
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.all.iter().enumerate() {
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
    UnknownKey {
        key: String,
        nearest: Option<String>,
        at: Option<String>,
    },
    /// A key that stands twice in one section. `check-config` calls it an error.
    Twice {
        key: String,
        at: Option<String>,
        first: String,
        together: bool,
    },
    /// More documents than one. `check-config` calls it an error.
    SecondDocument { line: usize },
    /// A `REGISTRY_*` variable that names no key. Kubernetes sets such variables for a Service called `registry`.
    UnknownVariable { name: String, nearest: Option<String> },
    /// Something that a file should have. `check-config` calls it an error.
    Missing { key: &'static str, what: &'static str },
    /// Keys of registry:2 that change nothing here.
    WithoutEffect { keys: Vec<String> },
    /// A setting whose meaning here is not quite what it was.
    Note {
        key: String,
        what: String,
        at: Option<String>,
    },
}

impl Warning {
    /// Whether `check-config` fails because of it.
    pub fn is_mistake(&self) -> bool {
        match self {
            Warning::UnknownKey { .. }
            | Warning::Twice { .. }
            | Warning::SecondDocument { .. }
            | Warning::Missing { .. } => true,
            Warning::UnknownVariable { .. } | Warning::WithoutEffect { .. } | Warning::Note { .. } => false,
        }
    }

    fn key(&self) -> Option<&str> {
        match self {
            Warning::UnknownKey { key, .. } | Warning::Twice { key, .. } | Warning::Note { key, .. } => {
                Some(key)
            }
            Warning::UnknownVariable { .. }
            | Warning::SecondDocument { .. }
            | Warning::WithoutEffect { .. }
            | Warning::Missing { .. } => None,
        }
    }

    pub(super) fn locate(&mut self, origins: &Origins) {
        if let Warning::UnknownKey { key, at, .. }
        | Warning::Twice { key, at, .. }
        | Warning::Note { key, at, .. } = self
        {
            *at = origins.of(key).map(str::to_owned);
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownKey { key, nearest, at } => {
                write!(f, "{key}: there is no such key")?;
                if let Some(nearest) = nearest {
                    write!(f, "; did you mean {nearest}?")?;
                }
                f.write_str(&place(at.as_deref()))
            }
            Warning::Twice {
                key,
                at,
                first,
                together,
            } => {
                let outcome = match together {
                    true => "both count, and the second where they differ",
                    false => "the second counts",
                };
                write!(
                    f,
                    "{key}: written twice{first}; {outcome}{}",
                    place(at.as_deref())
                )
            }
            Warning::SecondDocument { line } => write!(
                f,
                "line {line}: a second YAML document begins here, and is not read; put everything into the first"
            ),
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
            Warning::Note { key, what, at } => write!(f, "{key}: {what}{}", place(at.as_deref())),
        }
    }
}

//! Repository names: `library/alpine`, the `<name>` of the specification.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The name of a repository, in the specification's grammar and at most 255 characters long:
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`.
///
/// So it never starts with a dot, a slash or an underscore, and is safe as a path below a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryName(String);

/// Why a text is not a repository name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RepositoryNameError {
    #[error("a repository name must not be empty")]
    Empty,
    #[error("a repository name has at most 255 characters, got {0}")]
    TooLong(usize),
    #[error(
        "repository name component {0:?} is empty or not made of a-z and 0-9 joined by '.', '_', '__' or '-'"
    )]
    BadComponent(String),
}

impl RepositoryName {
    pub const MAX_LEN: usize = 255;

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl FromStr for RepositoryName {
    type Err = RepositoryNameError;

    fn from_str(text: &str) -> Result<Self, RepositoryNameError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for RepositoryName {
    type Error = RepositoryNameError;

    fn try_from(text: String) -> Result<Self, RepositoryNameError> {
        if text.is_empty() {
            return Err(RepositoryNameError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(RepositoryNameError::TooLong(text.chars().count()));
        }
        match text.split('/').find(|component| !is_component(component)) {
            Some(component) => Err(RepositoryNameError::BadComponent(component.to_owned())),
            None => Ok(Self(text)),
        }
    }
}

impl From<RepositoryName> for String {
    fn from(name: RepositoryName) -> Self {
        name.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for RepositoryName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RepositoryName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Words of a-z and 0-9, joined by one dot, one or two underscores, or any number of dashes.
fn is_component(text: &str) -> bool {
    let is_word = |c: char| matches!(c, 'a'..='z' | '0'..='9');
    let is_joint = |joint: &str| {
        matches!(joint, "." | "_" | "__") || (!joint.is_empty() && joint.chars().all(|c| c == '-'))
    };
    text.starts_with(is_word)
        && text.ends_with(is_word)
        && text
            .split(is_word)
            .filter(|between| !between.is_empty())
            .all(is_joint)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}(/[a-z0-9]{1,4}((\\.|_|__|-)[a-z0-9]{1,4}){0,2}){0,4}";

    #[test]
    fn names_of_the_grammar_are_accepted() {
        for name in [
            "a",
            "0",
            "library/alpine",
            "a.b_c__d-e---f/g",
            "a/b/c/d/e/f/g/h/i/j",
        ] {
            assert_eq!(name.parse::<RepositoryName>().unwrap().as_str(), name);
        }
        assert!("a".repeat(255).parse::<RepositoryName>().is_ok());
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        let long = "a".repeat(256);
        let bad = [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "a/B",
            ".a",
            "a.",
            "a..b",
            "_a",
            "a___b",
            "a._b",
            "a-",
            "-a",
            "a/../b",
            "a b",
            "a\0b",
            "a%2fb",
            "é",
            "_uploads",
            "a/_layers",
            "a:b",
            "a@b",
            &long,
        ];
        for name in bad {
            assert!(name.parse::<RepositoryName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_error_names_the_bad_component() {
        let error = "team/Web/app".parse::<RepositoryName>().unwrap_err();
        assert_eq!(error, RepositoryNameError::BadComponent("Web".to_owned()));
    }

    proptest! {
        #[test]
        fn parsing_what_is_displayed_gives_the_same_name(text in NAME) {
            let name: RepositoryName = text.parse().unwrap();
            prop_assert_eq!(name.to_string().parse::<RepositoryName>(), Ok(name.clone()));
            prop_assert_eq!(name.to_string(), text);
        }

        #[test]
        fn no_name_escapes_a_folder(text in "[a-z./_%\\\\\\x00-]{0,12}") {
            if let Ok(name) = text.parse::<RepositoryName>() {
                prop_assert!(name.components().all(|c| !c.is_empty() && !c.starts_with(['.', '_']) && c.len() < 256));
            }
        }
    }
}

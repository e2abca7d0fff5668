//! Tags: `v1.2`, the human half of a reference.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A tag in the specification's grammar: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// Why a text is not a tag.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TagError {
    #[error("a tag must not be empty")]
    Empty,
    #[error("a tag has at most 128 characters, got {0}")]
    TooLong(usize),
    #[error("a tag starts with a letter, a digit or '_', got {0:?}")]
    BadStart(char),
    #[error("a tag is made of letters, digits, '.', '_' and '-', got {0:?}")]
    BadCharacter(char),
}

impl Tag {
    pub const MAX_LEN: usize = 128;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Tag {
    type Error = TagError;

    fn try_from(text: String) -> Result<Self, TagError> {
        let is_start = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let first = text.chars().next().ok_or(TagError::Empty)?;
        if !is_start(first) {
            return Err(TagError::BadStart(first));
        }
        if let Some(bad) = text.chars().find(|c| !is_start(*c) && !matches!(c, '.' | '-')) {
            return Err(TagError::BadCharacter(bad));
        }
        if text.len() > Self::MAX_LEN {
            return Err(TagError::TooLong(text.len()));
        }
        Ok(Self(text))
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for Tag {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_a_tag_is_refused_with_the_reason() {
        let long = "a".repeat(129);
        let cases = [
            ("", TagError::Empty),
            (".a", TagError::BadStart('.')),
            ("-a", TagError::BadStart('-')),
            ("a/b", TagError::BadCharacter('/')),
            ("a b", TagError::BadCharacter(' ')),
            ("aé", TagError::BadCharacter('é')),
            ("a\0", TagError::BadCharacter('\0')),
            (&long, TagError::TooLong(129)),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Tag>(), Err(error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_what_is_displayed_gives_the_same_tag(text in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}") {
            let tag: Tag = text.parse().unwrap();
            prop_assert_eq!(tag.to_string(), text);
        }
    }
}

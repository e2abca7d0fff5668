//! Keys: where an object lies, as a path below the root of the store.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A path of one or more names joined by `/`. No name is empty, `.` or `..`, or longer than a file name may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// The text would leave the store, or cannot be the name of a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is not a key of the store")]
pub struct KeyError(String);

impl Key {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a name in this folder.
    pub fn join(&self, name: &str) -> Result<Self, KeyError> {
        format!("{self}/{name}").parse()
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_name =
            |name: &str| !matches!(name, "" | "." | "..") && name.len() <= 255 && !name.contains('\0');
        if text.split('/').all(is_name) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError(text.to_owned()))
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_leaves_the_store() {
        for text in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/.",
            "a\0b",
            &"a".repeat(256),
        ] {
            assert!(text.parse::<Key>().is_err(), "{text:?}");
        }
        for text in ["a", "a/b", "_layers/sha256", "...", ".a"] {
            assert_eq!(text.parse::<Key>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn joining_a_bad_name_is_refused() {
        let key: Key = "a".parse().unwrap();
        assert_eq!(key.join("b").unwrap().as_str(), "a/b");
        assert!(key.join("..").is_err());
        assert!(key.join("").is_err());
    }
}

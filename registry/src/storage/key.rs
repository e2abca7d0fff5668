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

/// What a file name may have on every filesystem of note, in bytes.
const LONGEST_NAME: usize = 255;

impl Key {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that it lies in, unless that is the root.
    pub fn parent(&self) -> Option<Self> {
        let (folder, _) = self.0.rsplit_once('/')?;
        Some(Self(folder.to_owned()))
    }

    /// The key of a name in this folder.
    pub fn join(&self, name: &str) -> Result<Self, KeyError> {
        format!("{self}/{name}").try_into()
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        if is_key(text.as_bytes()) {
            Ok(Self(text))
        } else {
            Err(KeyError(text))
        }
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.to_owned().try_into()
    }
}

/// One pass: a key is made for everything that is read.
fn is_key(text: &[u8]) -> bool {
    let mut start = 0;
    for end in 0..=text.len() {
        match text.get(end) {
            Some(0) => return false,
            Some(b'/') | None => {
                let name = &text[start..end];
                if matches!(name, b"" | b"." | b"..") || name.len() > LONGEST_NAME {
                    return false;
                }
                start = end + 1;
            }
            Some(_) => {}
        }
    }
    true
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

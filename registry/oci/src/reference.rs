//! What a manifest is asked for by: a tag or a digest.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::{Digest, DigestError, Tag, TagError};

/// The `<reference>` of the specification.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    Tag(Tag),
    Digest(Digest),
}

/// Why a text is neither a tag nor a digest. A tag has no colon, so the colon decides what was meant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferenceError {
    #[error(transparent)]
    Tag(#[from] TagError),
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains(':') {
            Ok(Self::Digest(text.parse()?))
        } else {
            Ok(Self::Tag(text.parse()?))
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(formatter),
            Self::Digest(digest) => digest.fmt(formatter),
        }
    }
}

impl From<Tag> for Reference {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Reference {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_makes_it_a_digest() {
        let text = format!("sha256:{}", "0".repeat(64));
        assert!(matches!(text.parse(), Ok(Reference::Digest(digest)) if digest.to_string() == text));
        assert!(matches!("latest".parse(), Ok(Reference::Tag(tag)) if tag.as_str() == "latest"));
    }

    #[test]
    fn the_error_speaks_of_what_was_meant() {
        assert!(matches!(
            "sha256:0".parse::<Reference>(),
            Err(ReferenceError::Digest(_))
        ));
        assert!(matches!("a b".parse::<Reference>(), Err(ReferenceError::Tag(_))));
    }
}

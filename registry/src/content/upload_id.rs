//! The names of uploads.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The name of an upload: a random UUID, so that nobody can guess another's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(String);

/// The text is not the name of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an upload")]
pub struct NotAnUploadId;

impl UploadId {
    pub(super) fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for UploadId {
    type Err = NotAnUploadId;

    fn from_str(text: &str) -> Result<Self, NotAnUploadId> {
        let uuid = Uuid::parse_str(text).map_err(|_| NotAnUploadId)?;
        // Uuid also parses braces, capitals and no dashes; an upload has one name.
        if uuid.to_string() == text {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnUploadId)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_parses_and_nothing_else_does() {
        let id = UploadId::random();
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        for text in [
            "",
            "..",
            "a/b",
            &id.to_string().to_uppercase(),
            &id.to_string().replace('-', ""),
        ] {
            assert_eq!(text.parse::<UploadId>(), Err(NotAnUploadId), "{text:?}");
        }
    }
}

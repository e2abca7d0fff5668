//! Names of objects that people give.
//!
//! A name becomes part of a request's path, where a `?` or a `/` would ask for something else. The schema refuses
//! such names, but an object that was stored before a rule keeps what it has: so the type gives the name away only
//! after looking at it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The longest name of an object.
const LONGEST: usize = 253;
/// As much of a wrong name as a message shows.
const SHOWN: usize = 40;
/// A DNS subdomain, as CEL has it.
const PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const MESSAGE: &str = "must be the name of an object: small letters, digits, '-' and '.', and a letter or a digit at both ends of each part between dots";

/// The name of an object that a person gives.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(transparent)]
pub struct ObjectName(String);

/// A name that no object can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName(String);

impl ObjectName {
    /// The name, to ask the API server for.
    ///
    /// # Errors
    /// No object can have it.
    pub fn checked(&self) -> Result<&str, InvalidName> {
        match is_subdomain(&self.0) {
            true => Ok(&self.0),
            false => Err(InvalidName(self.0.chars().take(SHOWN).collect())),
        }
    }

    /// The name as it stands in the object, for a comparison or for another object: never for a request.
    pub fn as_written(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ObjectName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl std::fmt::Display for InvalidName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} {MESSAGE}", self.0)
    }
}

impl std::error::Error for InvalidName {}

impl JsonSchema for ObjectName {
    fn schema_name() -> Cow<'static, str> {
        "ObjectName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST,
            "x-kubernetes-validations": [{"rule": format!("self.matches('{PATTERN}')"), "message": MESSAGE}],
        })
    }
}

/// The schema of a name that may be empty.
pub(crate) fn name_or_empty(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": LONGEST,
        "x-kubernetes-validations": [{"rule": format!("self == '' || self.matches('{PATTERN}')"), "message": MESSAGE}],
    })
}

fn is_subdomain(name: &str) -> bool {
    let is_outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| match label.as_bytes() {
        [] => false,
        [only] => is_outer(*only),
        [first, inner @ .., last] => {
            is_outer(*first) && is_outer(*last) && inner.iter().all(|byte| is_outer(*byte) || *byte == b'-')
        }
    };
    name.len() <= LONGEST && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_are_given_away() {
        for name in ["a", "7", "my-tls", "my.users", "a-1.b-2", &"a".repeat(253)] {
            assert_eq!(ObjectName::from(name).checked(), Ok(name));
        }
    }

    #[test]
    fn whatever_would_change_a_request_is_not() {
        for name in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a.",
            "-a",
            "a-",
            "A",
            "a_b",
            "a b",
            "a/b",
            "../b",
            "?watch=true",
            "a?b",
            "a#b",
            "a%2fb",
            "a\u{7}b",
            "a\n",
            "ä",
            "a:b",
            "a\\b",
            &"a".repeat(254),
        ] {
            let refused = ObjectName::from(name).checked().expect_err(name);
            assert!(refused.to_string().len() < 400, "{refused}");
        }
    }
}

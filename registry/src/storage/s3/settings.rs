//! What a configuration says of a bucket.

use std::fmt;
use std::path::PathBuf;

/// The smallest part of a multipart upload that S3 takes, but for the last.
pub const LEAST_PART: usize = 5 << 20;
/// Ten thousand parts of this size, which is all that an object may have, are 80 GiB; and six uploads have room for one.
pub const PART: usize = 8 << 20;
/// For all uploads together.
pub const MEMORY: usize = 64 << 20;

/// A bucket, and how to reach it: registry:2's `storage.s3`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub bucket: String,
    pub region: String,
    /// A URL. Absent: Amazon's.
    pub endpoint: Option<String>,
    /// The bucket stands in the path, not in the host name.
    pub path_style: bool,
    /// All keys lie below it.
    pub root: String,
    /// Absent: found in the environment, in a profile, by web identity, or at the instance.
    pub credentials: Option<Credentials>,
    /// Who signs the endpoint's certificate, where the system does not know.
    pub ca_file: Option<PathBuf>,
    pub encryption: Option<Encryption>,
    pub storage_class: Option<String>,
    pub acl: Option<String>,
    pub user_agent: Option<String>,
    pub dual_stack: bool,
    pub accelerate: bool,
    pub fips: bool,
    pub copy: Copying,
    /// How large the parts of an upload are.
    pub part: usize,
}

/// No secret of it is ever shown.
#[derive(Clone)]
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Credentials({})", self.access_key)
    }
}

/// Which key the server encrypts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// The service's own.
    Aes256,
    /// A key of KMS, by its id.
    Kms(String),
}

/// How an object is copied within the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copying {
    /// What is larger is copied in parts.
    pub threshold: u64,
    pub part: u64,
    pub at_once: usize,
}

impl Default for Copying {
    fn default() -> Self {
        // One request copies up to 5 GiB, but takes the longer the larger the object is.
        Self {
            threshold: 1 << 30,
            part: 256 << 20,
            at_once: 8,
        }
    }
}

impl Settings {
    pub fn new(bucket: &str, region: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            region: region.to_owned(),
            endpoint: None,
            path_style: false,
            root: String::new(),
            credentials: None,
            ca_file: None,
            encryption: None,
            storage_class: None,
            acl: None,
            user_agent: None,
            dual_stack: false,
            accelerate: false,
            fips: false,
            copy: Copying::default(),
            part: PART,
        }
    }

    /// Whether nobody on the way sees or changes what passes.
    pub fn is_encrypted_on_the_way(&self) -> bool {
        self.endpoint
            .as_ref()
            .is_none_or(|endpoint| endpoint.starts_with("https://"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let settings = Settings {
            credentials: Some(Credentials {
                access_key: "AKIA".to_owned(),
                secret_key: "very secret".to_owned(),
                session_token: Some("also secret".to_owned()),
            }),
            ..Settings::new("images", "eu-west-1")
        };
        let shown = format!("{settings:?}");
        assert!(shown.contains("AKIA") && !shown.contains("secret\""), "{shown}");
        assert!(!shown.contains("very secret") && !shown.contains("also secret"));
    }
}

//! `storage.s3`, as registry:2 and registry:3 have it.

use super::super::raw;
use super::Check;
use crate::storage::s3_settings::{Copying, Credentials, Encryption, LEAST_PART, PART, Settings};

/// Four of them are in memory at a time.
const LARGEST_PART: usize = 64 << 20;
/// S3 copies no more into one part.
const LARGEST_COPY: i64 = 5 << 30;
const MOST_COPIES: i64 = 64;

const STORAGE_CLASSES: [&str; 11] = [
    "NONE",
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "OUTPOSTS",
    "GLACIER_IR",
    "EXPRESS_ONEZONE",
    "GLACIER",
    "DEEP_ARCHIVE",
];
/// What lies there has to be brought back for hours before it can be read.
const SLEEPING: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];
const ACLS: [&str; 7] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];

impl Check<'_> {
    pub(super) fn s3(&mut self, raw: raw::S3) -> Settings {
        let bucket = self.needed("storage.s3.bucket", raw.bucket, "name the bucket");
        let endpoint = raw.regionendpoint.filter(|endpoint| !endpoint.is_empty());
        let region = match raw.region.filter(|region| !region.is_empty()) {
            // Endpoints of others mostly take any.
            None if endpoint.is_some() => "us-east-1".to_owned(),
            region => self.needed(
                "storage.s3.region",
                region,
                "name the region of the bucket, as in eu-west-1",
            ),
        };
        let root = raw.rootdirectory.unwrap_or_default();
        self.s3_names(&bucket, &region, &root);
        if raw.skipverify {
            self.problem(
                "storage.s3.skipverify",
                "the endpoint's certificate is always verified; name the file with its CA in storage.s3.cafile",
            );
        }
        if raw.v4auth == Some(false) {
            self.problem(
                "storage.s3.v4auth",
                "requests are signed with version 4 only; remove the key",
            );
        }
        let endpoint = endpoint.and_then(|endpoint| self.s3_endpoint(endpoint, raw.secure.unwrap_or(true)));
        Settings {
            path_style: raw.forcepathstyle.unwrap_or(endpoint.is_some()),
            root,
            credentials: self.s3_credentials(raw.accesskey, raw.secretkey, raw.sessiontoken),
            ca_file: raw.cafile.filter(|path| !path.is_empty()).map(Into::into),
            encryption: self.encryption(raw.encrypt, raw.keyid),
            storage_class: self.storage_class(raw.storageclass),
            acl: self.acl(raw.objectacl),
            user_agent: raw.useragent.filter(|name| !name.is_empty()),
            dual_stack: raw.usedualstack,
            accelerate: raw.accelerate,
            fips: raw.usefipsendpoint,
            copy: self.s3_copying(
                raw.multipartcopythresholdsize,
                raw.multipartcopychunksize,
                raw.multipartcopymaxconcurrency,
            ),
            part: self
                .size(
                    "storage.s3.chunksize",
                    raw.chunksize,
                    LEAST_PART as i64,
                    LARGEST_COPY,
                )
                .map_or(PART, |part| (part as usize).min(LARGEST_PART)),
            endpoint,
            ..Settings::new(&bucket, &region)
        }
    }

    fn needed(&mut self, key: &str, value: Option<String>, what: &str) -> String {
        let value = value.unwrap_or_default();
        if value.is_empty() {
            self.problem(key, format!("it is missing; {what}"));
        }
        value
    }

    /// What no bucket, region or prefix is called.
    fn s3_names(&mut self, bucket: &str, region: &str, root: &str) {
        for (key, value) in [("storage.s3.bucket", bucket), ("storage.s3.region", region)] {
            if value.contains(|letter: char| letter == '/' || letter.is_whitespace()) {
                let what = format!("{value:?} has a slash or a space; write its name alone");
                self.problem(key, what);
            }
        }
        if root.split('/').any(|folder| folder == "..") {
            self.problem(
                "storage.s3.rootdirectory",
                "a bucket knows no '..'; write the whole prefix",
            );
        }
    }

    /// With the scheme that `secure` says, unless it has one.
    fn s3_endpoint(&mut self, endpoint: String, is_secure: bool) -> Option<String> {
        let scheme = if is_secure { "https" } else { "http" };
        let url = match endpoint.contains("://") {
            true => endpoint,
            false => format!("{scheme}://{endpoint}"),
        };
        let parsed = url.parse::<::http::Uri>().ok();
        let is_url = parsed.is_some_and(|url| {
            url.host().is_some_and(|host| !host.is_empty())
                && matches!(url.scheme_str(), Some("http" | "https"))
                && url
                    .authority()
                    .is_some_and(|authority| !authority.as_str().contains('@'))
        });
        if !is_url {
            self.problem(
                "storage.s3.regionendpoint",
                "it is not an address of a server; write it as in https://s3.example.com:9000",
            );
            return None;
        }
        Some(url.trim_end_matches('/').to_owned())
    }

    fn s3_credentials(
        &mut self,
        access: Option<String>,
        secret: Option<String>,
        token: Option<String>,
    ) -> Option<Credentials> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        match (given(access), given(secret)) {
            (Some(access_key), Some(secret_key)) => Some(Credentials {
                access_key,
                secret_key,
                session_token: given(token),
            }),
            (None, None) => None,
            (Some(_), None) => {
                self.problem("storage.s3.secretkey", "it is missing, and accesskey is given");
                None
            }
            (None, Some(_)) => {
                self.problem("storage.s3.accesskey", "it is missing, and secretkey is given");
                None
            }
        }
    }

    fn encryption(&mut self, encrypt: bool, key: Option<String>) -> Option<Encryption> {
        match (encrypt, key.filter(|key| !key.is_empty())) {
            (true, Some(key)) => Some(Encryption::Kms(key)),
            (true, None) => Some(Encryption::Aes256),
            (false, Some(_)) => {
                self.note("storage.s3.keyid", "it has no effect without encrypt: true");
                None
            }
            (false, None) => None,
        }
    }

    fn storage_class(&mut self, class: Option<String>) -> Option<String> {
        let class = class.filter(|class| !class.is_empty())?.to_uppercase();
        if SLEEPING.contains(&class.as_str()) {
            self.problem(
                "storage.s3.storageclass",
                format!("what lies in {class} cannot be read at once"),
            );
        } else if !STORAGE_CLASSES.contains(&class.as_str()) {
            self.problem(
                "storage.s3.storageclass",
                format!("\"{class}\" is not one of {}", STORAGE_CLASSES[..9].join(", ")),
            );
        }
        Some(class).filter(|class| class != "NONE")
    }

    fn acl(&mut self, acl: Option<String>) -> Option<String> {
        let acl = acl.filter(|acl| !acl.is_empty())?;
        if !ACLS.contains(&acl.as_str()) {
            self.problem(
                "storage.s3.objectacl",
                format!("\"{acl}\" is not one of {}", ACLS.join(", ")),
            );
        }
        Some(acl)
    }

    fn s3_copying(&mut self, threshold: Option<i64>, part: Option<i64>, at_once: Option<i64>) -> Copying {
        let threshold = self.size(
            "storage.s3.multipartcopythresholdsize",
            threshold,
            0,
            LARGEST_COPY,
        );
        let part = self.size(
            "storage.s3.multipartcopychunksize",
            part,
            LEAST_PART as i64,
            LARGEST_COPY,
        );
        let at_once = self.size("storage.s3.multipartcopymaxconcurrency", at_once, 1, i64::MAX);
        let default = Copying::default();
        Copying {
            threshold: threshold.unwrap_or(default.threshold),
            part: part.unwrap_or(default.part),
            at_once: at_once.map_or(default.at_once, |count| count.min(MOST_COPIES as u64) as usize),
        }
    }

    fn size(&mut self, key: &str, value: Option<i64>, least: i64, most: i64) -> Option<u64> {
        let value = value?;
        if !(least..=most).contains(&value) {
            self.problem(key, format!("{value} is not between {least} and {most}"));
            return None;
        }
        u64::try_from(value).ok()
    }
}

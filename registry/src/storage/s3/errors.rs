//! What S3 says of its trouble → what callers act on.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::super::Key;
use super::super::error::{Error, Source};

/// By then a store that throttles takes more, mostly.
const SOON: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(60);

/// A request that failed, in words that hold no secret.
#[derive(Debug)]
pub(super) struct Failure {
    status: Option<u16>,
    code: Option<String>,
    retry_after: Option<Duration>,
    what: String,
    /// No answer came, or none in time.
    is_unanswered: bool,
    /// The answer has the number that stores give to each, as something else in front of one does not.
    has_request_id: bool,
}

impl Failure {
    pub(super) fn of<E>(error: SdkError<E, HttpResponse>) -> Self
    where
        E: StdError + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let response = error.raw_response();
        let status = response.map(|response| response.status().as_u16());
        let retry_after = response
            .and_then(|response| response.headers().get("retry-after"))
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let is_unanswered = matches!(
            error,
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_)
        );
        let (code, message) = match &error {
            SdkError::ServiceError(service) => (service.err().code(), service.err().message()),
            _ => (None, None),
        };
        let what = match (status, code) {
            (Some(status), Some(code)) => format!("{status} {code}: {}", message.unwrap_or("no message")),
            _ => DisplayErrorContext(&error).to_string(),
        };
        Self {
            status,
            code: code.map(str::to_owned),
            retry_after,
            is_unanswered,
            has_request_id: response
                .is_some_and(|response| response.headers().contains_key("x-amz-request-id")),
            what,
        }
    }

    /// What the store did is not what was asked, or not what it says.
    pub(super) fn protocol(what: impl Into<String>) -> Self {
        Self {
            status: None,
            code: None,
            retry_after: None,
            is_unanswered: false,
            has_request_id: false,
            what: what.into(),
        }
    }

    pub(super) fn unanswered(what: impl Into<String>) -> Self {
        Self {
            is_unanswered: true,
            ..Self::protocol(what)
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The bucket answers, and has no such object. An answer to HEAD has no body and hence no code: whether there is a
    /// bucket at all it does not say.
    pub(super) fn is_missing_for_sure(&self) -> bool {
        self.code() == Some("NoSuchKey")
    }

    /// Whether it is the store that answered, and not something in front of it that misses the store.
    pub(super) fn is_of_a_store(&self) -> bool {
        self.has_request_id
    }

    pub(super) fn may_be_missing(&self) -> bool {
        self.status == Some(404) && self.code() != Some("NoSuchBucket")
    }

    /// It, or a part of it, is not what we think it is.
    pub(super) fn is_upload_gone(&self) -> bool {
        matches!(
            self.code(),
            Some("NoSuchUpload" | "InvalidPart" | "InvalidPartOrder")
        )
    }

    /// It may have taken effect all the same.
    pub(super) fn is_uncertain(&self) -> bool {
        self.is_unanswered || self.status.is_some_and(|status| status >= 500)
    }

    pub(super) fn into_error(self, action: &'static str, key: &Key) -> Error {
        let key = key.clone();
        let retry_after = self.retry_after.unwrap_or(SOON).min(LATEST);
        let is_denied = self.code() == Some("AccessDenied") && !super::super::error::READS.contains(&action);
        match (self.status, self.code.as_deref()) {
            (Some(507), _) | (_, Some("QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage")) => {
                Error::Full {
                    action,
                    key,
                    source: self.into(),
                }
            }
            (Some(500 | 502..=504 | 429 | 408 | 409), _)
            | (
                _,
                Some(
                    "SlowDown"
                    | "ServiceUnavailable"
                    | "RequestTimeout"
                    | "Throttling"
                    | "RequestLimitExceeded",
                ),
            ) => Error::Busy {
                action,
                key,
                retry_after,
                source: self.into(),
            },
            _ if self.is_unanswered => Error::Busy {
                action,
                key,
                retry_after,
                source: self.into(),
            },
            _ if is_denied => Error::ReadOnly {
                action,
                key,
                source: self.into(),
            },
            _ => Error::Failed {
                action,
                key,
                source: self.into(),
            },
        }
    }
}

impl From<Failure> for Source {
    fn from(failure: Failure) -> Self {
        Box::new(Told(failure.what))
    }
}

#[derive(Debug)]
struct Told(String);

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl StdError for Told {}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, code: &str) -> Failure {
        Failure {
            status: Some(status),
            code: Some(code.to_owned()),
            ..Failure::protocol("told")
        }
    }

    #[test]
    fn an_outage_is_never_missing_and_a_refusal_is_not_either() {
        let key: Key = "a".parse().unwrap();
        assert!(failure(404, "NoSuchKey").is_missing_for_sure());
        assert!(!failure(404, "NoSuchBucket").may_be_missing());
        assert!(!failure(403, "AccessDenied").may_be_missing());
        for (failure, action, expected) in [
            (failure(503, "SlowDown"), "read", "busy"),
            (failure(500, "InternalError"), "read", "busy"),
            (failure(409, "OperationAborted"), "write", "busy"),
            (Failure::unanswered("no answer"), "write", "busy"),
            (failure(403, "AccessDenied"), "read", "failed"),
            (failure(403, "AccessDenied"), "write", "read-only"),
            (failure(403, "RequestTimeTooSkewed"), "write", "failed"),
            (failure(404, "NoSuchBucket"), "read", "failed"),
            (failure(507, "InsufficientStorage"), "write", "full"),
        ] {
            let error = failure.into_error(action, &key);
            let kind = match error {
                Error::Busy { .. } => "busy",
                Error::Failed { .. } => "failed",
                Error::ReadOnly { .. } => "read-only",
                Error::Full { .. } => "full",
                Error::Missing(_) => "missing",
            };
            assert_eq!(kind, expected);
        }
    }
}

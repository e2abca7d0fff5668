//! The one place that knows which status number and which code goes with what went wrong.

use http::header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use roadstead_oci::{Digest, ErrorCode};
use serde_json::{Value, json};

use super::body::{JSON, ResponseBody, TooSlow};
use super::route::RouteError;
use crate::auth::Refusal;
use crate::content;

/// Why a request is not answered as it was meant.
#[derive(Debug)]
pub(super) enum Error {
    Route(RouteError),
    /// Who is asking is not known.
    Refused {
        refusal: Refusal,
        /// How to log in: the value of `WWW-Authenticate`.
        challenge: String,
    },
    /// Who is asking may not do this.
    Denied {
        user: Option<String>,
        action: &'static str,
        repository: String,
    },
    /// A part of an upload that does not go where the upload ends.
    OutOfOrder {
        received: u64,
        headers: Box<HeaderMap>,
    },
    /// A `Content-Range` that is no range, or not the body's.
    BadRange(String),
    /// A `Range` that lies outside of the blob.
    Unsatisfiable {
        size: u64,
    },
    Content(Box<content::Error>),
    /// Too many manifests are on their way in.
    Crowded,
    /// The handler died.
    Panic,
}

impl From<RouteError> for Error {
    fn from(error: RouteError) -> Self {
        Error::Route(error)
    }
}

impl From<content::Error> for Error {
    fn from(error: content::Error) -> Self {
        Error::Content(Box::new(error))
    }
}

impl From<content::BodyError> for Error {
    fn from(error: content::BodyError) -> Self {
        content::Error::from(error).into()
    }
}

/// What a client gets to see.
struct ErrorBody {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    detail: Value,
    headers: HeaderMap,
}

impl ErrorBody {
    fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        ErrorBody {
            status,
            code,
            message: message.into(),
            detail: Value::Null,
            headers: HeaderMap::new(),
        }
    }

    fn bad(code: ErrorCode, message: impl Into<String>) -> Self {
        ErrorBody::new(StatusCode::BAD_REQUEST, code, message)
    }

    fn unknown(code: ErrorCode, message: impl Into<String>) -> Self {
        ErrorBody::new(StatusCode::NOT_FOUND, code, message)
    }

    fn broken(status: StatusCode, code: ErrorCode) -> Self {
        ErrorBody::new(status, code, code.default_message())
    }

    fn with(mut self, name: HeaderName, value: &str) -> Self {
        // Every value here is made of names that are known to be plain text.
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }
}

impl Error {
    /// What is worth a line in the log, with its causes: only what an operator has to look after.
    pub(super) fn cause(&self) -> Option<String> {
        match self {
            Error::Content(error) => match **error {
                content::Error::Storage(_)
                | content::Error::NoSpace(_)
                | content::Error::Unwritable(_)
                | content::Error::Busy { .. } => Some(chain(error)),
                _ => None,
            },
            Error::Panic => Some("a request handler panicked".to_owned()),
            _ => None,
        }
    }

    pub(super) fn into_response(self, request_id: &str) -> Response<ResponseBody> {
        let missing = missing(&self);
        let body = self.body();
        let item = |message: &str, detail: Value| match detail {
            Value::Null => json!({"code": body.code.as_str(), "message": message}),
            detail => json!({"code": body.code.as_str(), "message": message, "detail": detail}),
        };
        let errors: Vec<Value> = if !missing.is_empty() {
            // One entry for each missing blob, as registry:2 has it.
            let message = |digest: &Digest| format!("{digest} is not in this repository; push it first");
            missing
                .iter()
                .map(|digest| item(&message(digest), json!({"digest": digest})))
                .collect()
        } else if body.status.is_server_error() {
            vec![item(&body.message, json!({"requestId": request_id}))]
        } else {
            vec![item(&body.message, body.detail.clone())]
        };
        let mut response = Response::new(ResponseBody::whole(format!("{}\n", json!({"errors": errors}))));
        *response.status_mut() = body.status;
        *response.headers_mut() = body.headers;
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        response
    }

    fn body(self) -> ErrorBody {
        match self {
            Error::Route(error) => route(error),
            Error::Refused { refusal, challenge } => refused(refusal, &challenge),
            Error::Denied {
                user,
                action,
                repository,
            } => {
                let user = user.as_deref().unwrap_or("anonymous");
                let message = format!(
                    "{user} may not {action} in {repository}; ask the registry's operator for access"
                );
                ErrorBody::new(StatusCode::FORBIDDEN, ErrorCode::Denied, message)
                    .detail(json!({"repository": repository, "action": action}))
            }
            Error::OutOfOrder { received, headers } => {
                let message = format!("the upload has {received} bytes; continue with byte {received}");
                ErrorBody {
                    headers: *headers,
                    ..ErrorBody::new(
                        StatusCode::RANGE_NOT_SATISFIABLE,
                        ErrorCode::RangeInvalid,
                        message,
                    )
                }
            }
            Error::BadRange(message) => ErrorBody::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                ErrorCode::RangeInvalid,
                message,
            ),
            Error::Unsatisfiable { size } => {
                let message = format!("the range lies outside of the blob, which has {size} bytes");
                ErrorBody::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    ErrorCode::RangeInvalid,
                    message,
                )
                .with(http::header::CONTENT_RANGE, &format!("bytes */{size}"))
            }
            Error::Content(error) => of_content(*error),
            Error::Crowded => {
                let message = "too many manifests are being pushed; try again in a moment";
                ErrorBody::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
                    .with(RETRY_AFTER, "10")
            }
            Error::Panic => ErrorBody::broken(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown),
        }
    }
}

fn route(error: RouteError) -> ErrorBody {
    let message = error.to_string();
    match error {
        RouteError::NoSuchPlace(_) => ErrorBody::unknown(ErrorCode::Unsupported, message),
        RouteError::Moved { to, is_read } => {
            // After 301 most clients ask with GET, whatever they wanted: a push would look done that never was.
            let status = if is_read {
                StatusCode::MOVED_PERMANENTLY
            } else {
                StatusCode::PERMANENT_REDIRECT
            };
            ErrorBody::new(status, ErrorCode::Unsupported, message).with(LOCATION, &to)
        }
        RouteError::TooLong(_) => ErrorBody::new(StatusCode::URI_TOO_LONG, ErrorCode::NameInvalid, message),
        RouteError::Method(allowed) => {
            ErrorBody::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message)
                .with(ALLOW, allowed)
        }
        RouteError::Name(_) => ErrorBody::bad(ErrorCode::NameInvalid, message),
        RouteError::Tag(_) => ErrorBody::bad(ErrorCode::TagInvalid, message),
        RouteError::Digest(_) => ErrorBody::bad(ErrorCode::DigestInvalid, message),
        RouteError::Upload(_) => ErrorBody::unknown(ErrorCode::BlobUploadUnknown, message),
        RouteError::Number(_) => ErrorBody::bad(ErrorCode::PaginationNumberInvalid, message),
    }
}

fn refused(refusal: Refusal, challenge: &str) -> ErrorBody {
    let message = match refusal {
        Refusal::NoCredentials => "authentication required; log in first",
        Refusal::Unreadable => {
            "the Authorization header cannot be read; WWW-Authenticate says what it should be"
        }
        Refusal::WrongCredentials => "the user name or the password is wrong",
        Refusal::InvalidToken => "the token is not valid here; get a new one from the token server",
        Refusal::VoidCertificate => {
            "the client certificate has expired, or its CA is not trusted any more; show another on a new connection"
        }
        Refusal::InsufficientScope => {
            "the token does not grant this; get one for the scope in WWW-Authenticate from the token server"
        }
        Refusal::Busy => {
            let message = "too many logins are being checked; try again in a moment";
            return ErrorBody::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooManyRequests, message)
                .with(RETRY_AFTER, "2");
        }
    };
    ErrorBody::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized, message)
        .with(WWW_AUTHENTICATE, challenge)
}

fn of_content(error: content::Error) -> ErrorBody {
    use content::Error as E;
    let message = error.to_string();
    match error {
        E::BlobUnknown { digest, .. } => {
            ErrorBody::unknown(ErrorCode::BlobUnknown, message).detail(json!({"digest": digest}))
        }
        E::BlobUploadUnknown { .. } => ErrorBody::unknown(ErrorCode::BlobUploadUnknown, message),
        E::DigestInvalid { expected, actual } => ErrorBody::bad(ErrorCode::DigestInvalid, message)
            .detail(json!({"expected": expected, "actual": actual})),
        E::ManifestUnknown { .. } => ErrorBody::unknown(ErrorCode::ManifestUnknown, message),
        E::ManifestInvalid(_) | E::SizeMismatch { .. } => ErrorBody::bad(ErrorCode::ManifestInvalid, message),
        E::ManifestBlobUnknown { .. } => ErrorBody::bad(ErrorCode::ManifestBlobUnknown, message),
        E::NameUnknown(_) => ErrorBody::unknown(ErrorCode::NameUnknown, message),
        E::RangeInvalid { .. } => ErrorBody::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            ErrorCode::RangeInvalid,
            message,
        ),
        E::Unsupported(_) => ErrorBody::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message)
            .with(ALLOW, "GET, HEAD"),
        E::TooLarge { .. } => ErrorBody::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid, message),
        E::Collecting | E::Contended { .. } => {
            ErrorBody::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
                .with(RETRY_AFTER, "10")
        }
        E::NoSpace(_) => {
            let message = "the storage of the registry is full";
            ErrorBody::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::Unavailable, message)
        }
        E::Unwritable(_) => {
            let message = "the storage of the registry cannot be written, so it takes no pushes and no deletes; \
                           tell its operator, the log says why";
            ErrorBody::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
        }
        E::Busy { retry_after, .. } => {
            let message = "the storage of the registry is busy; try again in a moment";
            let seconds = retry_after.as_secs().max(1).to_string();
            ErrorBody::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
                .with(RETRY_AFTER, &seconds)
        }
        E::Body(error) if error.0.is::<TooSlow>() => ErrorBody::new(
            StatusCode::REQUEST_TIMEOUT,
            ErrorCode::BlobUploadInvalid,
            chain(&error),
        ),
        E::Body(_) => ErrorBody::bad(ErrorCode::SizeInvalid, message),
        E::Storage(_) => {
            let message =
                "the storage of the registry failed; tell its operator, the log says why under the requestId";
            ErrorBody::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown, message)
        }
    }
}

fn missing(error: &Error) -> Vec<Digest> {
    match error {
        Error::Content(error) => match &**error {
            content::Error::ManifestBlobUnknown { missing, .. } => missing.clone(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// An error and all that lies under it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

//! Why a round ended early, and what a Registry's condition says of it.

use super::apply::ApplyError;
use super::build::BuildError;
use super::plain::plain;
use super::validate::Refusal;
use roadstead_api::registry::ConditionStatus;
use std::time::Duration;

/// The longest that a round may take. A usual one takes less than a second.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Why a round ended early. It is tried again, later and later.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the API server: {}", plain(.0))]
    Api(#[from] kube::Error),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{0}")]
    LimitReached(String),
    #[error(
        "this Registry has thousands of values: remove what it does not need, such as labels and annotations"
    )]
    TooLarge,
    #[error(
        "this Registry cannot be read: {0}; are the definitions (CRDs) of the operator's version installed?"
    )]
    Unreadable(String),
    #[error("the API server did not answer all requests within {} seconds", TIME_LIMIT.as_secs())]
    TimedOut,
    #[error("Roadstead itself failed over what this Registry has: see the operator's log, and report it")]
    Panicked,
}

impl Error {
    /// Somebody else wrote the same object meanwhile: the next round sees what they wrote.
    pub(super) fn is_lost_race(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(status)) if status.is_conflict())
    }

    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(status)) if status.is_forbidden())
    }

    /// Whether it is known that the Registry is not as it should be.
    pub(super) fn ready(&self) -> ConditionStatus {
        match self {
            Self::Api(_) | Self::Unreadable(_) | Self::TimedOut | Self::Panicked => ConditionStatus::Unknown,
            Self::Apply(_) | Self::Build(_) | Self::Refused(_) | Self::LimitReached(_) | Self::TooLarge => {
                ConditionStatus::False
            }
        }
    }

    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Api(_) if self.is_forbidden() => "Forbidden",
            Self::Api(_) => "RequestFailed",
            Self::Apply(_) => "ApplyFailed",
            Self::Build(_) => "BuildFailed",
            Self::Refused(refusal) => refusal.reason(),
            Self::LimitReached(_) => "LimitReached",
            Self::TooLarge => "TooLarge",
            Self::Unreadable(_) => "Unreadable",
            Self::TimedOut => "TimedOut",
            Self::Panicked => "InternalError",
        }
    }
}

//! All conditions in a word or a few, and when a Registry that is not well is looked at again.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use roadstead_api::registry::{ConditionStatus, RegistryStatus};

/// The reasons that call for nobody's attention.
const AS_IT_SHOULD_BE: &[&str] = &[
    "Serving",
    "UpToDate",
    "Valid",
    "Bound",
    "Ephemeral",
    "UsersReady",
    "AllNodesTrust",
    "NodeTrustDisabled",
];
/// A Registry that is not well is looked at again after half the time that this has lasted, within these bounds: not
/// everything that may heal it is watched.
const SOONEST: SignedDuration = SignedDuration::from_secs(10);
const LATEST: SignedDuration = SignedDuration::from_mins(5);

/// `Ready`, or the reason of each condition that is not as it should be.
pub fn summary(conditions: &[Condition]) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    for condition in conditions.iter().filter(|condition| deserves_a_look(condition)) {
        if !reasons.contains(&condition.reason.as_str()) {
            reasons.push(&condition.reason);
        }
    }
    match reasons.is_empty() {
        true => "Ready".to_owned(),
        false => reasons.join(","),
    }
}

fn deserves_a_look(condition: &Condition) -> bool {
    !AS_IT_SHOULD_BE.contains(&condition.reason.as_str())
}

/// In how long it is to be looked at again although nothing was heard of it; `None`: all is well.
pub fn look_again(status: &RegistryStatus, now: Timestamp) -> Option<SignedDuration> {
    status
        .conditions
        .iter()
        .filter(|condition| deserves_a_look(condition) && condition.status != ConditionStatus::True.as_str())
        .map(|condition| now.duration_since(condition.last_transition_time.0) / 2)
        .min()
        .map(|half| half.clamp(SOONEST, LATEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn condition(kind: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn nothing_that_is_wrong_is_left_out_and_nothing_is_told_twice() {
        let well = [
            condition("Ready", "True", "Serving"),
            condition("NodesTrusted", "False", "NodeTrustDisabled"),
        ];
        assert_eq!(summary(&well), "Ready");
        let not_well = [
            condition("Ready", "True", "Serving"),
            condition("Reconciled", "False", "ResizeRefused"),
            condition("StorageReady", "False", "ResizeRefused"),
            condition("AuthReady", "False", "SecretNotFound"),
            condition("CertificateValid", "True", "ExpiresSoon"),
        ];
        assert_eq!(summary(&not_well), "ResizeRefused,SecretNotFound,ExpiresSoon");
    }

    #[test]
    fn what_is_wrong_is_looked_at_again_and_less_and_less_often() {
        let at = |second| Timestamp::from_second(second).expect("it is a time");
        let mut status = RegistryStatus::default();
        assert_eq!(look_again(&status, at(0)), None);
        status.conditions = vec![condition("AuthReady", "False", "SecretNotFound")];
        assert_eq!(look_again(&status, at(4)), Some(SOONEST));
        assert_eq!(look_again(&status, at(100)), Some(SignedDuration::from_secs(50)));
        assert_eq!(look_again(&status, at(10_000)), Some(LATEST));
    }
}

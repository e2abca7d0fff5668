//! Writing a status and telling what changed in it.

use super::{Condition, summary};
use crate::context::Context;
use crate::names::{FIELD_MANAGER, RegistryId};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition as StoredCondition, Time};
use kube::Resource;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use roadstead_api::registry::{ConditionStatus, ConditionType, Registry, RegistryStatus};
use serde_json::json;

/// An Event's note may have 1 kB.
const LONGEST_NOTE: usize = 1000;
/// A condition's message may have 32 kB; nobody reads that much.
const LONGEST_MESSAGE: usize = 2000;

/// Puts conditions into a status; one whose status did not change keeps the time since when it holds.
pub fn with_conditions(
    mut status: RegistryStatus,
    conditions: &[Condition],
    registry: &Registry,
    now: Timestamp,
) -> RegistryStatus {
    let old = registry
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    let since = |condition: &Condition| {
        let before = old
            .unwrap_or_default()
            .iter()
            .find(|old| old.type_ == condition.kind.as_str() && old.status == condition.status.as_str());
        // Whole seconds, as the API server keeps it.
        let now = || Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
        before.map_or_else(now, |before| before.last_transition_time.clone())
    };
    status.conditions = conditions
        .iter()
        .map(|condition| StoredCondition {
            type_: condition.kind.as_str().to_owned(),
            status: condition.status.as_str().to_owned(),
            reason: condition.reason.to_owned(),
            message: shortened(&condition.message, LONGEST_MESSAGE),
            observed_generation: registry.metadata.generation,
            last_transition_time: since(condition),
        })
        .collect();
    status.summary = Some(summary(&status.conditions));
    status
}

/// The status where a round failed: Ready says why, and whatever else held before was not seen this time.
pub fn failed(
    registry: &Registry,
    ready: ConditionStatus,
    reason: &'static str,
    message: String,
    now: Timestamp,
) -> RegistryStatus {
    let condition = |kind| match kind {
        ConditionType::Ready => Condition {
            kind,
            status: ready,
            reason,
            message: message.clone(),
        },
        kind => Condition {
            kind,
            status: ConditionStatus::Unknown,
            reason,
            message: format!("not looked at, because of what Ready says: {message}"),
        },
    };
    let old = registry.status.clone().unwrap_or_default();
    with_conditions(
        RegistryStatus { nodes: None, ..old },
        &ConditionType::ALL.map(condition),
        registry,
        now,
    )
}

/// The status where nothing is done on purpose: Reconciled says why, and all else is as it was.
pub fn standing_still(registry: &Registry, message: String, now: Timestamp) -> RegistryStatus {
    let old = registry.status.clone().unwrap_or_default();
    let kept = old.conditions.clone();
    let condition = Condition {
        kind: ConditionType::Reconciled,
        status: ConditionStatus::False,
        reason: "Uninstalling",
        message,
    };
    let mut status = with_conditions(old, &[condition], registry, now);
    let others = kept
        .into_iter()
        .filter(|kept| kept.type_ != ConditionType::Reconciled.as_str());
    status.conditions.extend(others);
    status.summary = Some(summary(&status.conditions));
    status
}

/// Writes the status if it differs, and an Event for each condition that does.
pub async fn write(
    context: &Context,
    registry: &Registry,
    status: RegistryStatus,
) -> Result<bool, kube::Error> {
    if registry.status.as_ref() == Some(&status) {
        return Ok(false);
    }
    let id = RegistryId::of(registry);
    // The answer is not read as a Registry: it may be one that cannot be.
    let resource = ApiResource::erase::<Registry>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), &id.namespace, &resource);
    let patch = json!({
        "apiVersion": Registry::api_version(&()),
        "kind": Registry::kind(&()),
        "metadata": {"name": id.name, "uid": id.uid},
        "status": status,
    });
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch_status(&id.name, &parameters, &Patch::Apply(patch))
        .await?;
    let reference = registry.object_ref(&());
    for event in events(registry.status.as_ref(), &status) {
        publish(context, &reference, event).await;
    }
    Ok(true)
}

/// Tells of something that happened once and is no condition.
pub async fn tell(context: &Context, registry: &Registry, reason: &str, is_warning: bool, note: String) {
    let event = Event {
        type_: if is_warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: reason.to_owned(),
        note: Some(shortened(&note, LONGEST_NOTE)),
        action: reason.to_owned(),
        secondary: None,
    };
    publish(context, &registry.object_ref(&()), event).await;
}

/// Writes an Event; it is no failure if that fails.
async fn publish(context: &Context, reference: &ObjectReference, event: Event) {
    if let Err(error) = context.recorder.publish(&event, reference).await {
        tracing::warn!(%error, reason = event.reason, "cannot write an Event");
    }
}

fn events(old: Option<&RegistryStatus>, new: &RegistryStatus) -> Vec<Event> {
    let old = old.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_new = |condition: &&StoredCondition| {
        let before = old.iter().find(|before| before.type_ == condition.type_);
        // Where a round failed, Ready says why, and the others know nothing.
        let is_news = condition.type_ == ConditionType::Ready.as_str()
            || condition.status != ConditionStatus::Unknown.as_str();
        is_news
            && before.is_none_or(|before| {
                (&before.status, &before.reason) != (&condition.status, &condition.reason)
            })
    };
    let event = |condition: &StoredCondition| {
        let note = format!("{}={}: {}", condition.type_, condition.status, condition.message);
        Event {
            type_: event_type(condition),
            reason: condition.reason.clone(),
            note: Some(shortened(&note, LONGEST_NOTE)),
            action: condition.type_.clone(),
            secondary: None,
        }
    };
    new.conditions.iter().filter(is_new).map(event).collect()
}

fn event_type(condition: &StoredCondition) -> EventType {
    // What is on its way is no warning.
    const UNDER_WAY: &[&str] = &[
        "Progressing",
        "Issuing",
        "ClaimPending",
        "Pending",
        "PodsNotReady",
        "WaitingForCleanup",
    ];
    const WORTH_A_LOOK: &[&str] = &[
        "HostnameNotAllowed",
        "HostnameConflict",
        "RotationForced",
        "ExpiresSoon",
        "Weak",
    ];
    let reason = condition.reason.as_str();
    let holds = condition.status == ConditionStatus::True.as_str();
    if (holds && !WORTH_A_LOOK.contains(&reason)) || UNDER_WAY.contains(&reason) {
        EventType::Normal
    } else {
        EventType::Warning
    }
}

fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(longest - 3)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        let spec = serde_json::from_value(json!({"storage": {"emptyDir": {}}})).expect("it is a spec");
        let mut registry = Registry::new("images", spec);
        registry.metadata.generation = Some(3);
        registry
    }

    fn condition(status: ConditionStatus, message: &str) -> Condition {
        Condition {
            kind: ConditionType::Ready,
            status,
            reason: "Serving",
            message: message.into(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("it is a time")
    }

    fn status_of(condition: Condition, registry: &Registry, now: Timestamp) -> RegistryStatus {
        with_conditions(RegistryStatus::default(), &[condition], registry, now)
    }

    #[test]
    fn a_condition_keeps_its_time_until_its_status_changes() {
        let mut registry = registry();
        let mut put = |status, message, now| {
            let status = status_of(condition(status, message), &registry, at(now));
            registry.status = Some(status.clone());
            status.conditions[0].last_transition_time.0
        };
        assert_eq!(put(ConditionStatus::True, "1 of 1", 10), at(10));
        assert_eq!(put(ConditionStatus::True, "2 of 2", 20), at(10));
        assert_eq!(put(ConditionStatus::False, "0 of 2", 30), at(30));
    }

    #[test]
    fn a_round_that_failed_leaves_nothing_true() {
        let mut registry = registry();
        let kept = Condition {
            kind: ConditionType::AuthReady,
            ..condition(ConditionStatus::True, "fine")
        };
        registry.status = Some(status_of(kept, &registry, at(10)));
        let status = failed(
            &registry,
            ConditionStatus::False,
            "NameConflict",
            "in the way".into(),
            at(20),
        );
        assert_eq!(status.conditions.len(), ConditionType::ALL.len());
        for told in &status.conditions {
            let expected = if told.type_ == "Ready" { "False" } else { "Unknown" };
            assert_eq!(
                (told.status.as_str(), told.reason.as_str()),
                (expected, "NameConflict")
            );
            assert!(told.message.contains("in the way"), "{}", told.message);
        }
    }

    #[test]
    fn only_what_changed_becomes_an_event() {
        let registry = registry();
        let put = |message| status_of(condition(ConditionStatus::True, message), &registry, at(10));
        assert_eq!(events(None, &put("1 of 1")).len(), 1);
        assert_eq!(events(Some(&put("1 of 1")), &put("2 of 2")).len(), 0);
    }

    #[test]
    fn a_long_message_ends_between_characters() {
        let short = shortened(&"é".repeat(2000), LONGEST_NOTE);
        assert!(short.len() <= LONGEST_NOTE && short.ends_with("..."));
    }
}

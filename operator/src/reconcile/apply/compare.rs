//! Whether an object has to be written.

use crate::names::APPLIED_HASH;
use crate::reconcile::quantity;
use serde_json::Value;

/// Writes are due when something else was applied last (a field that went away shows only there), or when somebody
/// changed what we set.
pub(super) fn needs_write(live: Option<&Value>, desired: &Value) -> bool {
    let Some(live) = live else { return true };
    let applied = |object: &Value| object["metadata"]["annotations"][APPLIED_HASH].clone();
    applied(live) != applied(desired) || !contained(desired, live, false)
}

/// Whether everything that is desired stands in `live`, which also has defaults and what others added.
fn contained(desired: &Value, live: &Value, amounts: bool) -> bool {
    match (desired, live) {
        (Value::Object(desired), live) => desired.iter().all(|(key, desired)| {
            let live = &live[key];
            // The API server drops empty maps and lists.
            let nothing = live.is_null() && is_empty(desired);
            nothing || contained(desired, live, amounts || is_amounts(key))
        }),
        (Value::Array(desired), Value::Array(live)) => {
            if desired.iter().all(Value::is_object) {
                // Lists of objects are merged by key, so others may have put theirs in.
                desired
                    .iter()
                    .all(|desired| live.iter().any(|live| contained(desired, live, amounts)))
            } else {
                desired == live
            }
        }
        (Value::String(desired), Value::String(live)) if amounts => {
            desired == live || quantity::same(desired, live)
        }
        (desired, live) => desired == live,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_amounts(key: &str) -> bool {
    matches!(key, "requests" | "limits" | "sizeLimit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hashed(mut object: Value, hash: &str) -> Value {
        object["metadata"]["annotations"][APPLIED_HASH] = json!(hash);
        object
    }

    fn writes(desired: Value, live: Value) -> bool {
        needs_write(Some(&hashed(live, "h")), &hashed(desired, "h"))
    }

    #[test]
    fn what_is_missing_is_written() {
        assert!(needs_write(None, &json!({})));
    }

    #[test]
    fn defaults_and_what_others_added_are_left_alone() {
        let desired = json!({"spec": {"ports": [{"port": 5000}], "selector": {"a": "b"}}});
        let live = json!({
            "metadata": {"resourceVersion": "7", "labels": {"team": "x"}},
            "spec": {"ports": [{"port": 5000, "protocol": "TCP"}], "selector": {"a": "b"}, "type": "ClusterIP"},
        });
        assert!(!writes(desired, live));
    }

    #[test]
    fn a_changed_field_is_written_back() {
        assert!(writes(
            json!({"spec": {"replicas": 1}}),
            json!({"spec": {"replicas": 3}})
        ));
        assert!(writes(json!({"data": {"a": "1"}}), json!({"data": {}})));
        assert!(writes(
            json!({"command": ["a", "b"]}),
            json!({"command": ["a", "b", "c"]})
        ));
    }

    #[test]
    fn a_field_that_is_no_longer_desired_is_written_away() {
        let live = hashed(json!({"spec": {"a": 1, "b": 2}}), "of a and b");
        assert!(needs_write(
            Some(&live),
            &hashed(json!({"spec": {"a": 1}}), "of a")
        ));
    }

    #[test]
    fn an_amount_in_another_spelling_is_the_same() {
        let requests = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        assert!(!writes(requests("1000m"), requests("1")));
        assert!(writes(requests("1000m"), requests("2")));
        assert!(writes(
            json!({"labels": {"n": "1000m"}}),
            json!({"labels": {"n": "1"}})
        ));
    }

    #[test]
    fn an_empty_map_need_not_be_there() {
        assert!(!writes(json!({"spec": {"x": {}}}), json!({"spec": {}})));
        assert!(writes(json!({"spec": {"x": {"a": 1}}}), json!({"spec": {}})));
    }
}

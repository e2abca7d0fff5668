//! What was said about an object, and when it was said last.

use crate::context::Context;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};

/// An object has a few kinds of Events, each of which is counted up.
const MOST: u32 = 100;

/// The newest warning about the object of this UID, as `Reason: message`.
pub(super) async fn newest_warning(
    context: &Context,
    namespace: &str,
    uid: Option<&String>,
) -> Result<Option<String>, kube::Error> {
    let Some(uid) = uid else { return Ok(None) };
    let api: Api<Event> = Api::namespaced(context.client.clone(), namespace);
    let about = format!("type=Warning,involvedObject.uid={uid}");
    let events = api
        .list(&ListParams::default().fields(&about).limit(MOST))
        .await?;
    Ok(newest(&events.items))
}

fn newest(events: &[Event]) -> Option<String> {
    let newest = events.iter().max_by_key(|event| said_at(event))?;
    let reason = newest.reason.as_deref()?;
    Some(super::pods::told(reason, newest.message.as_deref()))
}

fn said_at(event: &Event) -> Option<Timestamp> {
    let again = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref());
    let times = [
        again.map(|time| time.0),
        event.last_timestamp.as_ref().map(|time| time.0),
        event.event_time.as_ref().map(|time| time.0),
    ];
    times.into_iter().flatten().max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_counts_however_it_is_dated() {
        let event = |reason: &str, times: serde_json::Value| {
            let mut event =
                json!({"metadata": {}, "involvedObject": {}, "reason": reason, "message": "it says why"});
            for (key, value) in times.as_object().expect("they are fields") {
                event[key] = value.clone();
            }
            serde_json::from_value::<Event>(event).expect("it is an Event")
        };
        let events = [
            event(
                "FailedScheduling",
                json!({"eventTime": "2026-11-28T01:00:00.000000Z"}),
            ),
            event("FailedMount", json!({"lastTimestamp": "2026-11-28T01:02:00Z"})),
            event(
                "FailedAttachVolume",
                json!({"eventTime": "2026-11-28T00:00:00.000000Z",
                    "series": {"count": 2, "lastObservedTime": "2026-11-28T01:01:00.000000Z"}}),
            ),
        ];
        assert_eq!(newest(&events).as_deref(), Some("FailedMount: it says why"));
        assert_eq!(
            newest(&events[..1]).as_deref(),
            Some("FailedScheduling: it says why")
        );
        assert_eq!(newest(&[]), None);
    }
}

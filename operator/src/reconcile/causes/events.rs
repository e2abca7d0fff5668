//! What was said about an object, and when it was said last.

use super::pages;
use crate::context::Context;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};

/// An object has a few kinds of Events, each of which is counted up.
const MOST: usize = 100;
/// The most characters that are kept of what was said, as many as Kubernetes' own parts say.
const LONGEST: usize = 1024;

/// The newest warning about the object of this UID, as `Reason: message`.
pub(super) async fn newest_warning(
    context: &Context,
    namespace: &str,
    uid: Option<&String>,
) -> Result<Option<String>, kube::Error> {
    let Some(uid) = uid else { return Ok(None) };
    newest(context, namespace, &format!("involvedObject.uid={uid}")).await
}

/// Why the agents' DaemonSet makes no pods, as `Reason: message`.
pub(super) async fn newest_warning_of_agents(context: &Context) -> Result<Option<String>, kube::Error> {
    let settings = &context.settings;
    let about = format!(
        "involvedObject.kind=DaemonSet,involvedObject.name={}",
        settings.agent_daemon_set
    );
    newest(context, &settings.agent_namespace, &about).await
}

async fn newest(context: &Context, namespace: &str, object: &str) -> Result<Option<String>, kube::Error> {
    let api: Api<Event> = Api::namespaced(context.client.clone(), namespace);
    let about = format!("type=Warning,{object}");
    let mut newest = None;
    let query = ListParams::default().fields(&about);
    pages::each(&context.client, &api, query, MOST, |event| {
        newest = Some(newer(newest.take(), &event));
    })
    .await?;
    Ok(newest.and_then(|said| said.what))
}

/// What one Event says.
struct Said {
    at: Option<Timestamp>,
    what: Option<String>,
}

fn newer(before: Option<Said>, event: &Event) -> Said {
    let at = said_at(event);
    match before {
        Some(before) if before.at > at => before,
        _ => Said {
            at,
            what: event.reason.as_deref().map(|reason| {
                let message = event.message.as_deref().map(start);
                super::pods::told(start(reason), message)
            }),
        },
    }
}

fn start(text: &str) -> &str {
    let end = text.char_indices().nth(LONGEST).map(|(end, _)| end);
    end.map_or(text, |end| &text[..end])
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
        let newest = |events: &[Event]| {
            let newest = events
                .iter()
                .fold(None, |before, event| Some(newer(before, event)));
            newest.and_then(|said| said.what)
        };
        assert_eq!(newest(&events).as_deref(), Some("FailedMount: it says why"));
        assert_eq!(
            newest(&events[..1]).as_deref(),
            Some("FailedScheduling: it says why")
        );
        assert_eq!(newest(&[]), None);
        let long = Event {
            message: Some("é".repeat(2000)),
            ..events[0].clone()
        };
        let told = newest(&[long]).expect("it says something");
        assert_eq!(told, format!("FailedScheduling: {}", "é".repeat(LONGEST)));
    }
}

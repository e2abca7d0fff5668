//! registry:2's metrics, by its names and with its labels: people's dashboards and alerts ask for them.

use std::fmt::{self, Error};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::histogram::{Histogram, Sum};
use super::requests::{BYTES, Cell, Handler, Requests};
use crate::content::Content;
use crate::notifications::Notifications;

/// Of the requests.
const REQUEST_SECONDS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0,
];
/// Prometheus' own, which registry:2 has for the storage.
const STORAGE_SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The names that registry:2 has for what it does with its storage.
const ACTIONS: [&str; 8] = [
    "Stat",
    "GetContent",
    "Reader",
    "PutContent",
    "Writer",
    "Move",
    "List",
    "Delete",
];

/// How long the storage took for what.
#[derive(Clone, Debug)]
pub struct StorageTimes(Arc<[Histogram; ACTIONS.len()]>);

impl Default for StorageTimes {
    fn default() -> Self {
        StorageTimes(Arc::new(std::array::from_fn(|_| {
            Histogram::new(&STORAGE_SECONDS)
        })))
    }
}

impl StorageTimes {
    pub fn took(&self, action: &'static str, time: Duration) {
        if let Some(number) = ACTIONS.iter().position(|known| *known == action) {
            self.0[number].observe(time.as_secs_f64());
        }
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "The number of seconds that the storage action takes.";
        let name = "storage_action_seconds";
        let mut actions = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (action, times) in ACTIONS.into_iter().zip(self.0.iter()) {
            let sum = Sum::of(std::iter::once(times)).filter(|sum| !sum.is_empty());
            if let Some(sum) = sum {
                let labels = [("action", action), ("driver", "filesystem")];
                sum.encode(actions.encode_family(&labels)?, &STORAGE_SECONDS)?;
            }
        }
        Ok(())
    }
}

/// What registry:2 calls what it counts. It counts nothing else.
fn name(handler: Handler) -> Option<&'static str> {
    match handler {
        Handler::None | Handler::Root => None,
        Handler::Uploads => Some("blob_upload"),
        Handler::Upload => Some("blob_upload_chunk"),
        other => Some(other.name()),
    }
}

fn handlers() -> impl Iterator<Item = (Handler, &'static str)> {
    Handler::ALL
        .into_iter()
        .filter_map(|handler| Some((handler, name(handler)?)))
}

fn method(name: &str) -> String {
    match name {
        "other" => "unknown".to_owned(),
        name => name.to_ascii_lowercase(),
    }
}

fn encode_requests(encoder: &mut DescriptorEncoder<'_>, requests: &Requests) -> Result<(), Error> {
    let help = "Total number of HTTP requests made.";
    let mut total = encoder.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
    for (handler, name) in handlers() {
        for (method, cell) in requests.cells(handler).map(|(name, cell)| (method(name), cell)) {
            for (code, count) in cell.statuses() {
                let labels = [("code", code.as_str()), ("handler", name), ("method", &method)];
                ConstCounter::new(count).encode(total.encode_family(&labels)?)?;
            }
        }
    }
    let (help, metric) = (
        "The HTTP request latencies in seconds.",
        "http_request_duration_seconds",
    );
    let mut durations = encoder.encode_descriptor(metric, help, None, MetricType::Histogram)?;
    for (handler, name) in handlers() {
        for (method, cell) in requests.cells(handler).map(|(name, cell)| (method(name), cell)) {
            if let Some(sum) = Sum::of(std::iter::once(&cell.seconds)) {
                let labels = [("handler", name), ("method", method.as_str())];
                sum.encode(durations.encode_family(&labels)?, &REQUEST_SECONDS)?;
            }
        }
    }
    let (help, metric) = ("The in-flight HTTP requests.", "http_in_flight_requests");
    let mut in_flight = encoder.encode_descriptor(metric, help, None, MetricType::Gauge)?;
    for (handler, name) in handlers() {
        let gauge = ConstGauge::new(requests.in_flight(handler));
        gauge.encode(in_flight.encode_family(&[("handler", name)])?)?;
    }
    type Of = fn(&Cell) -> &Histogram;
    let sizes: [(_, _, Of); 2] = [
        (
            "http_request_size_bytes",
            "The HTTP request sizes in bytes.",
            |cell| &cell.request_bytes,
        ),
        (
            "http_response_size_bytes",
            "The HTTP response sizes in bytes.",
            |cell| &cell.response_bytes,
        ),
    ];
    for (metric, help, of) in sizes {
        let mut sizes = encoder.encode_descriptor(metric, help, None, MetricType::Histogram)?;
        for (handler, name) in handlers() {
            if let Some(sum) = Sum::of(requests.cells(handler).map(|(_, cell)| of(cell))) {
                sum.encode(sizes.encode_family(&[("handler", name)])?, &BYTES)?;
            }
        }
    }
    Ok(())
}

/// All of them, as they are at the moment of a scrape.
pub(super) struct Theirs {
    pub(super) requests: Arc<Requests>,
    pub(super) storage: StorageTimes,
    pub(super) content: Option<Content>,
    pub(super) notifications: Option<Notifications>,
}

impl fmt::Debug for Theirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Theirs")
    }
}

impl Collector for Theirs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        encode_requests(&mut encoder, &self.requests)?;
        self.storage.encode(&mut encoder)?;
        if let Some(content) = &self.content {
            encode_cache(&mut encoder, content.cache_counts())?;
        }
        match &self.notifications {
            Some(notifications) => encode_notifications(&mut encoder, notifications),
            None => Ok(()),
        }
    }
}

fn encode_cache(encoder: &mut DescriptorEncoder<'_>, (hits, misses): (u64, u64)) -> Result<(), Error> {
    let help = "The number of cache request received";
    let mut cache = encoder.encode_descriptor("storage_cache", help, None, MetricType::Counter)?;
    for (kind, count) in [("Hit", hits), ("Miss", misses), ("Request", hits + misses)] {
        ConstCounter::new(count).encode(cache.encode_family(&[("type", kind)])?)?;
    }
    Ok(())
}

/// As registry:3 has them: registry:2 counts them, and does not show them.
fn encode_notifications(
    encoder: &mut DescriptorEncoder<'_>,
    notifications: &Notifications,
) -> Result<(), Error> {
    let endpoints = notifications.status();
    let help = "The gauge of pending events in queue";
    let name = "notifications_pending_total";
    let mut pending = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for status in &endpoints {
        let labels = [("endpoint", status.endpoint.as_str())];
        ConstGauge::new(i64::try_from(status.pending).unwrap_or(i64::MAX))
            .encode(pending.encode_family(&labels)?)?;
    }
    let help = "The number of total events";
    let mut events = encoder.encode_descriptor("notifications_events", help, None, MetricType::Counter)?;
    for status in &endpoints {
        let refused: u64 = status
            .answers
            .iter()
            .filter(|answer| !answer.taken)
            .map(|answer| answer.count)
            .sum();
        for (kind, count) in [
            ("Events", status.sent + status.pending + status.lost),
            ("Successes", status.sent),
            ("Failures", refused),
            ("Errors", status.failed.saturating_sub(refused)),
        ] {
            let labels = [("endpoint", status.endpoint.as_str()), ("type", kind)];
            ConstCounter::new(count).encode(events.encode_family(&labels)?)?;
        }
    }
    let help = "The number of status code";
    let mut codes = encoder.encode_descriptor("notifications_status", help, None, MetricType::Counter)?;
    for status in &endpoints {
        for answer in &status.answers {
            let labels = [
                ("code", answer.status.as_str()),
                ("endpoint", status.endpoint.as_str()),
            ];
            ConstCounter::new(answer.count).encode(codes.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

pub(super) fn collected(root: &mut Registry, theirs: Theirs) {
    root.sub_registry_with_prefix("registry")
        .register_collector(Box::new(theirs));
}

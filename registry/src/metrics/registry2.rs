//! registry:2's metrics, by its names and with its labels: people's dashboards and alerts ask for them.

use std::fmt::{self, Error};
use std::time::Duration;

use http::Method;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::Answered;
use crate::content::Content;
use crate::notifications::Notifications;

/// Of the requests.
const REQUEST_SECONDS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0,
];
/// Prometheus' own, which registry:2 has for the storage.
const STORAGE_SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    code: u16,
    handler: &'static str,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    handler: &'static str,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandlerLabel {
    handler: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StorageLabels {
    action: &'static str,
    driver: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// How long the storage took for what.
#[derive(Clone)]
pub struct StorageTimes(Histograms<StorageLabels>);

impl Default for StorageTimes {
    fn default() -> Self {
        StorageTimes(Family::new_with_constructor(|| Histogram::new(STORAGE_SECONDS)))
    }
}

impl StorageTimes {
    pub fn took(&self, action: &'static str, time: Duration) {
        let driver = "filesystem";
        self.0
            .get_or_create(&StorageLabels { action, driver })
            .observe(time.as_secs_f64());
    }
}

/// What is counted of requests.
pub(super) struct Requests {
    requests: Family<RequestLabels, Counter>,
    durations: Histograms<DurationLabels>,
    in_flight: Family<HandlerLabel, Gauge>,
    request_sizes: Histograms<HandlerLabel>,
    response_sizes: Histograms<HandlerLabel>,
}

impl Requests {
    pub(super) fn register(root: &mut Registry, storage: &StorageTimes) -> Self {
        let sizes = || Histogram::new(exponential_buckets(1024.0, 2.0, 22));
        let new = Requests {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            in_flight: Family::default(),
            request_sizes: Family::new_with_constructor(sizes),
            response_sizes: Family::new_with_constructor(sizes),
        };
        let http = root.sub_registry_with_prefix("registry_http");
        http.register(
            "requests",
            "Total number of HTTP requests made",
            new.requests.clone(),
        );
        http.register(
            "request_duration_seconds",
            "The HTTP request latencies in seconds",
            new.durations.clone(),
        );
        http.register(
            "in_flight_requests",
            "The in-flight HTTP requests",
            new.in_flight.clone(),
        );
        http.register(
            "request_size_bytes",
            "The HTTP request sizes in bytes",
            new.request_sizes.clone(),
        );
        http.register(
            "response_size_bytes",
            "The HTTP response sizes in bytes",
            new.response_sizes.clone(),
        );
        root.sub_registry_with_prefix("registry_storage").register(
            "action_seconds",
            "The number of seconds that the storage action takes",
            storage.0.clone(),
        );
        new
    }

    pub(super) fn begun(&self, route: &'static str) {
        if let Some(handler) = handler(route) {
            self.in_flight.get_or_create(&HandlerLabel { handler }).inc();
        }
    }

    pub(super) fn answered(&self, answered: &Answered<'_>) {
        let Some(handler) = handler(answered.route) else {
            return;
        };
        let method = method_label(answered.method);
        let code = answered.status.as_u16();
        let labels = RequestLabels {
            code,
            handler,
            method,
        };
        self.requests.get_or_create(&labels).inc();
        self.durations
            .get_or_create(&DurationLabels { handler, method })
            .observe(answered.seconds);
        let label = HandlerLabel { handler };
        self.in_flight.get_or_create(&label).dec();
        // A float counts bytes exactly up to 8 PiB, which no request has.
        #[allow(clippy::cast_precision_loss)]
        {
            self.request_sizes
                .get_or_create(&label)
                .observe(answered.request_size as f64);
            self.response_sizes
                .get_or_create(&label)
                .observe(answered.sent as f64);
        }
    }
}

/// What registry:2 calls a route. It counts no others.
fn handler(route: &str) -> Option<&'static str> {
    match route {
        "base" => Some("base"),
        "catalog" => Some("catalog"),
        "tags" => Some("tags"),
        "referrers" => Some("referrers"),
        "manifest" => Some("manifest"),
        "blob" => Some("blob"),
        "uploads" => Some("blob_upload"),
        "upload" => Some("blob_upload_chunk"),
        _ => None,
    }
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::OPTIONS => "options",
        _ => "unknown",
    }
}

/// What is asked for at the moment of a scrape.
pub(super) struct Others {
    pub(super) content: Option<Content>,
    pub(super) notifications: Option<Notifications>,
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Others")
    }
}

impl Collector for Others {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
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

pub(super) fn collected(root: &mut Registry, others: Others) {
    root.sub_registry_with_prefix("registry")
        .register_collector(Box::new(others));
}

//! What is counted of requests: once, without a lock or a look-up, for both sets of names.

use std::fmt::{self, Error};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use http::{Method, StatusCode};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use super::histogram::{Histogram, Sum};

/// What answers a request, as far as numbers tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    None,
    Root,
    Base,
    Catalog,
    Tags,
    Referrers,
    Manifest,
    Blob,
    Uploads,
    Upload,
}

impl Handler {
    /// In the order of their numbers.
    pub(super) const ALL: [Handler; 10] = [
        Handler::None,
        Handler::Root,
        Handler::Base,
        Handler::Catalog,
        Handler::Tags,
        Handler::Referrers,
        Handler::Manifest,
        Handler::Blob,
        Handler::Uploads,
        Handler::Upload,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Handler::None => "none",
            Handler::Root => "root",
            Handler::Base => "base",
            Handler::Catalog => "catalog",
            Handler::Tags => "tags",
            Handler::Referrers => "referrers",
            Handler::Manifest => "manifest",
            Handler::Blob => "blob",
            Handler::Uploads => "uploads",
            Handler::Upload => "upload",
        }
    }
}

/// Clients make methods up; labels must not.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];

fn number_of(method: &Method) -> usize {
    let is_it = |name: &&str| *name == method.as_str();
    METHODS.iter().position(is_it).unwrap_or(METHODS.len() - 1)
}

/// From one millisecond, a cached manifest, to minutes, a large layer; with registry:2's bounds among them.
const SECONDS: [f64; 17] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 25.0, 60.0, 300.0,
];
const OUR_SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0,
];

/// From 1 KiB to 2 GiB.
pub(super) const BYTES: [f64; 22] = {
    let mut bounds = [1024.0; 22];
    let mut index = 1;
    while index < bounds.len() {
        bounds[index] = bounds[index - 1] * 2.0;
        index += 1;
    }
    bounds
};

/// What is counted of a request when its answer has gone out.
pub(crate) struct Answered<'a> {
    pub(crate) handler: Handler,
    pub(crate) method: &'a Method,
    pub(crate) status: StatusCode,
    pub(crate) seconds: f64,
    /// Of its head and its body.
    pub(crate) request_size: u64,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    /// By handler and method; made when the first is answered.
    answered: [[OnceLock<Box<Cell>>; METHODS.len()]; Handler::ALL.len()],
    in_flight: [AtomicI64; Handler::ALL.len()],
}

const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// Requests with one handler and method.
#[derive(Debug)]
pub(super) struct Cell {
    /// From [`FIRST_STATUS`] on.
    statuses: [AtomicU64; STATUSES],
    pub(super) seconds: Histogram,
    pub(super) request_bytes: Histogram,
    pub(super) response_bytes: Histogram,
}

impl Default for Cell {
    fn default() -> Self {
        Cell {
            statuses: [const { AtomicU64::new(0) }; STATUSES],
            seconds: Histogram::new(&SECONDS),
            request_bytes: Histogram::new(&BYTES),
            response_bytes: Histogram::new(&BYTES),
        }
    }
}

impl Cell {
    /// The statuses that were answered, and how often.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (String, u64)> {
        (FIRST_STATUS..)
            .zip(&self.statuses)
            .map(|(status, count)| (status.to_string(), count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }
}

impl Requests {
    pub(super) fn begun(&self, handler: Handler) {
        self.in_flight[handler as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, answered: &Answered<'_>) {
        let handler = answered.handler as usize;
        // What nobody answers was never on its way to a handler.
        if answered.handler != Handler::None {
            self.in_flight[handler].fetch_sub(1, Ordering::Relaxed);
        }
        let cell = self.answered[handler][number_of(answered.method)].get_or_init(Box::default);
        let status = usize::from(answered.status.as_u16().saturating_sub(FIRST_STATUS));
        cell.statuses[status.min(STATUSES - 1)].fetch_add(1, Ordering::Relaxed);
        cell.seconds.observe(answered.seconds);
        // A float counts bytes exactly up to 8 PiB, which no request has.
        #[allow(clippy::cast_precision_loss)]
        {
            cell.request_bytes.observe(answered.request_size as f64);
            cell.response_bytes.observe(answered.sent as f64);
        }
    }

    pub(super) fn in_flight(&self, handler: Handler) -> i64 {
        self.in_flight[handler as usize].load(Ordering::Relaxed)
    }

    /// What was answered by a handler, with the name of each method.
    pub(super) fn cells(&self, handler: Handler) -> impl Iterator<Item = (&'static str, &Cell)> {
        let cells = METHODS.into_iter().zip(&self.answered[handler as usize]);
        cells.filter_map(|(method, cell)| Some((method, &**cell.get()?)))
    }
}

/// By Roadstead's names.
pub(super) struct Ours(pub(super) Arc<Requests>);

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ours")
    }
}

impl Collector for Ours {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let help = "Requests answered.";
        let mut requests = encoder.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
        for handler in Handler::ALL {
            for (method, cell) in self.0.cells(handler) {
                for (status, count) in cell.statuses() {
                    let labels = [
                        ("route", handler.name()),
                        ("method", method),
                        ("status", status.as_str()),
                    ];
                    ConstCounter::new(count).encode(requests.encode_family(&labels)?)?;
                }
            }
        }
        let help = "Time from a request's head to the end of its answer.";
        let name = "http_request_duration_seconds";
        let mut durations = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for handler in Handler::ALL {
            if let Some(sum) = Sum::of(self.0.cells(handler).map(|(_, cell)| &cell.seconds)) {
                sum.encode(
                    durations.encode_family(&[("route", handler.name())])?,
                    &OUR_SECONDS,
                )?;
            }
        }
        Ok(())
    }
}

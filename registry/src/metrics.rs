//! The numbers that the admin port shows, in Prometheus' format. Their names are an interface: dashboards use them.

mod histogram;
mod plain;
mod registry2;
mod requests;

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

pub use self::registry2::StorageTimes;
use self::registry2::Theirs;
pub(crate) use self::requests::{Answered, Handler};
use self::requests::{Ours, Requests};
use crate::auth::{Auth, Refusal};
use crate::content::Content;
use crate::notifications::Notifications;
use crate::tls;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    event: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PortLabels {
    port: &'static str,
    reason: &'static str,
}

/// What happened to an upload session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    Started,
    Finished,
    Cancelled,
}

/// Whose names the numbers have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    #[default]
    Both,
    Roadstead,
    Registry2,
}

/// Counts; cheap enough for every request.
pub struct Metrics {
    registry: Registry,
    names: Names,
    requests: Arc<Requests>,
    received: Counter,
    sent: Counter,
    auth_failures: Family<ReasonLabel, Counter>,
    uploads: Family<EventLabel, Counter>,
    connections: Gauge,
    turned_away: Family<PortLabels, Counter>,
    cut_off: Family<PortLabels, Counter>,
    handshake_failures: Family<ReasonLabel, Counter>,
    storage_writable: Gauge,
}

impl Metrics {
    /// The sources are asked whenever the numbers are.
    pub fn new(sources: Sources) -> Arc<Self> {
        let mut metrics = Metrics {
            registry: Registry::default(),
            names: sources.names,
            requests: Arc::default(),
            received: Counter::default(),
            sent: Counter::default(),
            auth_failures: Family::default(),
            uploads: Family::default(),
            connections: Gauge::default(),
            turned_away: Family::default(),
            cut_off: Family::default(),
            handshake_failures: Family::default(),
            storage_writable: Gauge::default(),
        };
        // Until it is known better.
        metrics.storage_is_writable(true);
        if metrics.names != Names::Registry2 {
            metrics.register(&sources);
        }
        if metrics.names != Names::Roadstead {
            let theirs = Theirs {
                requests: Arc::clone(&metrics.requests),
                storage: sources.storage,
                content: sources.content,
                notifications: sources.notifications,
            };
            registry2::collected(&mut metrics.registry, theirs);
        }
        Arc::new(metrics)
    }

    fn register(&mut self, sources: &Sources) {
        let registry = self.registry.sub_registry_with_prefix("roadstead_registry");
        registry.register_collector(Box::new(sources.clone()));
        registry.register_collector(Box::new(Ours(Arc::clone(&self.requests))));
        registry.register("received_bytes", "Bytes of request bodies", self.received.clone());
        registry.register("sent_bytes", "Bytes of response bodies", self.sent.clone());
        registry.register(
            "auth_failures",
            "Requests refused because of who asked",
            self.auth_failures.clone(),
        );
        registry.register(
            "uploads",
            "Upload sessions, by what happened to them",
            self.uploads.clone(),
        );
        registry.register(
            "connections",
            "Connections that are open",
            self.connections.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that were closed at once because too many are open, in all or from one address",
            self.turned_away.clone(),
        );
        registry.register(
            "connections_timed_out",
            "Connections that were closed because a request's head was too slow, or because nothing moved",
            self.cut_off.clone(),
        );
        registry.register(
            "tls_handshake_failures",
            "Connections that never became TLS",
            self.handshake_failures.clone(),
        );
        registry.register(
            "storage_writable",
            "0 while the storage refuses writes: pulls go on, pushes do not",
            self.storage_writable.clone(),
        );
    }

    /// All of them, as OpenMetrics has them.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// All of them, as registry:2 writes them.
    pub fn encode_plain(&self) -> String {
        plain::from_open_metrics(&self.encode())
    }

    /// Whether somebody asks how large requests are, with their heads.
    pub(crate) fn shows_sizes(&self) -> bool {
        self.names != Names::Roadstead
    }

    /// A request is on its way, to this handler as soon as that is known.
    pub(crate) fn begun(&self, handler: Handler) {
        self.requests.begun(handler);
    }

    pub(crate) fn answered(&self, answered: &Answered<'_>) {
        self.requests.answered(answered);
        self.received.inc_by(answered.received);
        self.sent.inc_by(answered.sent);
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        let reason = match refusal {
            // Every client begins like this; it is no failure.
            Refusal::NoCredentials => return,
            Refusal::Unreadable => "unreadable",
            Refusal::WrongCredentials => "wrong_credentials",
            Refusal::InvalidToken => "invalid_token",
            Refusal::VoidCertificate => "void_certificate",
            Refusal::InsufficientScope => "insufficient_scope",
            Refusal::Busy => "busy",
        };
        self.auth_failures.get_or_create(&ReasonLabel { reason }).inc();
    }

    pub(crate) fn denied(&self) {
        self.auth_failures
            .get_or_create(&ReasonLabel { reason: "denied" })
            .inc();
    }

    pub(crate) fn upload(&self, upload: Upload) {
        let event = match upload {
            Upload::Started => "started",
            Upload::Finished => "finished",
            Upload::Cancelled => "cancelled",
        };
        self.uploads.get_or_create(&EventLabel { event }).inc();
    }

    pub(crate) fn handshake_failed(&self, reason: &'static str) {
        self.handshake_failures
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    pub(crate) fn turned_away(&self, port: &'static str, reason: &'static str) {
        self.turned_away.get_or_create(&PortLabels { port, reason }).inc();
    }

    pub(crate) fn cut_off(&self, port: &'static str, reason: &'static str) {
        self.cut_off.get_or_create(&PortLabels { port, reason }).inc();
    }

    pub(crate) fn storage_is_writable(&self, is_writable: bool) {
        self.storage_writable.set(is_writable.into());
    }

    /// Counted until the guard is dropped.
    pub(crate) fn connection(self: &Arc<Self>) -> Connection {
        self.connections.inc();
        Connection(Arc::clone(self))
    }
}

/// One open connection.
pub(crate) struct Connection(Arc<Metrics>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

/// What is asked for at the moment of a scrape.
#[derive(Clone, Default)]
pub struct Sources {
    pub names: Names,
    pub storage: StorageTimes,
    pub content: Option<Content>,
    pub tls: Option<Arc<tls::Live>>,
    pub auth: Option<Arc<Auth>>,
    pub notifications: Option<Notifications>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sources")
    }
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let certificates = self.tls.as_ref().map(|tls| tls.status()).unwrap_or_default();
        self.encode_expiry(&mut encoder, &certificates)?;
        self.encode_problems(&mut encoder, &certificates)?;
        self.encode_reload_failures(&mut encoder)?;
        self.encode_unusable_lines(&mut encoder)?;
        self.encode_notifications(&mut encoder)
    }
}

impl Sources {
    fn encode_expiry(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        certificates: &[tls::Status],
    ) -> Result<(), std::fmt::Error> {
        let help = "When a served certificate expires, in seconds since 1970";
        let name = "certificate_expiry_timestamp_seconds";
        let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for certificate in certificates {
            let Some(not_after) = certificate.not_after else {
                continue;
            };
            let labels = [("file", certificate.file.display().to_string())];
            ConstGauge::new(not_after.as_second()).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn encode_problems(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        certificates: &[tls::Status],
    ) -> Result<(), std::fmt::Error> {
        let help = "What is wrong with a certificate or its files; the log has the sentence";
        let mut encoder = encoder.encode_descriptor("certificate_problem", help, None, MetricType::Gauge)?;
        for certificate in certificates {
            for reason in &certificate.problems {
                let labels = [
                    ("file", certificate.file.display().to_string()),
                    ("reason", (*reason).to_owned()),
                ];
                ConstGauge::new(1i64).encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn encode_notifications(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(notifications) = &self.notifications else {
            return Ok(());
        };
        let endpoints = notifications.status();
        let help = "Events that wait on disk for an endpoint";
        let mut pending =
            encoder.encode_descriptor("notifications_pending", help, None, MetricType::Gauge)?;
        for status in &endpoints {
            let labels = [("endpoint", status.endpoint.as_str())];
            ConstGauge::new(i64::try_from(status.pending).unwrap_or(i64::MAX))
                .encode(pending.encode_family(&labels)?)?;
        }
        let help = "Events sent, attempts that failed, and events that were lost because too many waited";
        let mut events = encoder.encode_descriptor("notifications", help, None, MetricType::Counter)?;
        for status in &endpoints {
            for (outcome, count) in [
                ("sent", status.sent),
                ("failed", status.failed),
                ("lost", status.lost),
            ] {
                let labels = [("endpoint", status.endpoint.as_str()), ("outcome", outcome)];
                ConstCounter::new(count).encode(events.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn encode_unusable_lines(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(lines) = self.auth.as_ref().and_then(|auth| auth.unusable_lines()) else {
            return Ok(());
        };
        let help = "Lines of the file of users that let nobody in; the log names them";
        let encoder = encoder.encode_descriptor("users_unusable_lines", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::try_from(lines).unwrap_or(i64::MAX)).encode(encoder)
    }

    fn encode_reload_failures(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let help = "Changed files that could not be used, so that the old ones stayed";
        let mut encoder = encoder.encode_descriptor("reload_failures", help, None, MetricType::Counter)?;
        let certificates = self.tls.as_ref().map_or(0, |tls| tls.failures());
        let mut login: Vec<_> = self.auth.iter().flat_map(|auth| auth.reload_failures()).collect();
        // The users have a line even where there are none, for dashboards that were made when there was nothing else.
        if login.is_empty() {
            login.push(("users", 0));
        }
        for (what, failures) in std::iter::once(("certificates", certificates)).chain(login) {
            ConstCounter::new(failures).encode(encoder.encode_family(&[("what", what)])?)?;
        }
        Ok(())
    }
}

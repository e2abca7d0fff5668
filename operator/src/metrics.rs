//! What the operator counts, for Prometheus.

use crate::names::RegistryId;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use prometheus_client::registry::Registry as Collection;
use roadstead_api::registry::{CertificatePurpose, CertificateStatus};
use std::fmt::Debug;
use std::time::Duration;

/// What the operator counts.
pub struct Metrics {
    collection: Collection,
    reconciles: Family<ResultLabel, Counter>,
    seconds: Histogram,
    writes: Family<KindLabel, Counter>,
    leader: Gauge,
    certificates: Family<CertificateLabel, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabel {
    namespace: String,
    registry: String,
    purpose: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut collection = Collection::with_prefix("roadstead_operator");
        let reconciles = Family::default();
        let seconds = Histogram::new([0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0]);
        let writes = Family::default();
        let leader = Gauge::default();
        let certificates = Family::default();
        collection.register(
            "reconciles",
            "Rounds over one Registry, by result",
            reconciles.clone(),
        );
        collection.register("reconcile_seconds", "How long a round takes", seconds.clone());
        collection.register("writes", "Objects written or deleted, by kind", writes.clone());
        collection.register("leader", "1 where this is the operator that acts", leader.clone());
        collection.register(
            "certificate_end_seconds",
            "When a certificate that a Registry serves ends, in seconds since 1970",
            certificates.clone(),
        );
        Self {
            collection,
            reconciles,
            seconds,
            writes,
            leader,
            certificates,
        }
    }
}

impl Metrics {
    /// `result`: `success`, `error` or `timeout`.
    pub fn reconciled(&self, result: &'static str, took: Duration) {
        self.reconciles.get_or_create(&ResultLabel { result }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// `kind`: of the object that was written or deleted.
    pub fn wrote(&self, kind: impl Debug) {
        let kind = format!("{kind:?}");
        self.writes.get_or_create(&KindLabel { kind }).inc();
    }

    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// Replaces what was known of this Registry's certificates.
    pub fn certificates(&self, id: &RegistryId, certificates: &[CertificateStatus]) {
        self.forget(&id.namespace, &id.name);
        for certificate in certificates {
            let label = CertificateLabel {
                namespace: id.namespace.clone(),
                registry: id.name.clone(),
                purpose: format!("{:?}", certificate.purpose),
            };
            self.certificates
                .get_or_create(&label)
                .set(certificate.not_after.0.as_second());
        }
    }

    /// What is told of a Registry goes with it.
    pub fn forget(&self, namespace: &str, name: &str) {
        for purpose in [CertificatePurpose::Internal, CertificatePurpose::External] {
            self.certificates.remove(&CertificateLabel {
                namespace: namespace.to_owned(),
                registry: name.to_owned(),
                purpose: format!("{purpose:?}"),
            });
        }
    }

    /// In Prometheus' text form.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.collection).expect("a String takes any text");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    #[test]
    fn what_is_counted_can_be_read() {
        let metrics = Metrics::default();
        metrics.reconciled("success", Duration::from_millis(20));
        metrics.leads(true);
        let text = metrics.text();
        assert!(
            text.contains(r#"roadstead_operator_reconciles_total{result="success"} 1"#),
            "{text}"
        );
        assert!(text.contains("roadstead_operator_leader 1"), "{text}");
    }

    #[test]
    fn a_registry_that_went_is_no_longer_named() {
        let metrics = Metrics::default();
        let id = RegistryId {
            namespace: "team".into(),
            name: "images".into(),
            uid: String::new(),
        };
        let certificate = |purpose| CertificateStatus {
            purpose,
            not_after: Time(Timestamp::UNIX_EPOCH),
            names: Vec::new(),
            issuer: String::new(),
        };
        let both = [CertificatePurpose::Internal, CertificatePurpose::External].map(certificate);
        metrics.certificates(&id, &both);
        assert!(metrics.text().contains("External"));
        metrics.certificates(&id, &both[..1]);
        let text = metrics.text();
        assert!(text.contains("Internal") && !text.contains("External"), "{text}");
        metrics.forget("team", "images");
        assert!(!metrics.text().contains("team"));
    }
}

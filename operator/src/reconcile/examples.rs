//! Registries and what the cluster has for them, for tests.

use super::build::{Plan, build};
use super::live::{Key, Live};
use super::observe::{Keys, Observed, Source};
use super::validate::{Refusal, Validated, validate};
use crate::names::{Hosts, RegistryId};
use crate::settings::{Settings, tests::settings};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, Service, ServiceSpec};
use roadstead_api::registry::Registry;
use roadstead_pki::authority::Authority;
use serde::Serialize;

pub(super) const MINIMAL: &str = "
metadata: {name: images, namespace: registry, uid: u-1, generation: 1}
spec:
  storage: {persistentVolumeClaim: {size: 1Gi}}
";

pub(super) const EVERYTHING: &str = "
metadata: {name: images, namespace: registry, uid: u-1, generation: 1}
spec:
  replicas: 3
  hostname: registry.example.com
  tls: {secretRef: {name: my-tls}}
  auth: {htpasswd: {secretRef: {name: my-users}}}
  storage: {persistentVolumeClaim: {size: 100Gi, storageClassName: shared, accessModes: [ReadWriteMany]}}
  service: {type: LoadBalancer, port: 443, loadBalancerClass: example.com/lb, loadBalancerSourceRanges: [10.0.0.0/8],
    annotations: {example.com/pool: inner}}
  pod:
    resources: {requests: {cpu: 1, memory: 256Mi}, limits: {memory: 1Gi}}
    nodeSelector: {disk: ssd}
    tolerations: [{key: storage, operator: Exists}]
    annotations: {example.com/team: images}
    labels: {example.com/owner: images}
    imagePullSecrets: [{name: mirror}]
    priorityClassName: important
  deletionPolicy: Delete
";

pub(super) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const YEAR: SignedDuration = SignedDuration::from_hours(24 * 365);

pub(super) fn registry(yaml: &str) -> Registry {
    serde_yaml::from_str(yaml).expect("the example is a Registry")
}

/// What the cluster has: nothing but what a test puts in.
pub(super) struct Cluster {
    pub(super) observed: Observed,
    pub(super) keys: Keys,
    pub(super) settings: Settings,
}

impl Cluster {
    pub(super) fn new(yaml: &str) -> Self {
        let registry = registry(yaml);
        let settings = settings();
        let id = RegistryId::of(&registry);
        let spec = &registry.spec;
        let port = u16::try_from(spec.service.port).expect("the example's port is one");
        let hosts = Hosts::of(&id, port, spec.hostname.as_deref(), &settings.cluster_domain);
        Self {
            keys: Keys::of(&id, &settings),
            settings,
            observed: Observed {
                id,
                hosts,
                now: NOW,
                live: Live::default(),
                tls_source: None,
                htpasswd_source: None,
                claim_source: None,
                earlier_claimant: None,
                registry,
            },
        }
    }

    /// With a Service that has its address and a CA: all that a Deployment waits for.
    pub(super) fn prepared(yaml: &str) -> Self {
        let mut cluster = Self::new(yaml);
        let service = Service {
            metadata: cluster.observed.id.owned("images"),
            spec: Some(ServiceSpec {
                cluster_ips: Some(vec!["10.96.0.7".into()]),
                ..ServiceSpec::default()
            }),
            ..Service::default()
        };
        let key = cluster.keys.service.clone();
        cluster.put(&key, &service);
        let authority = Authority::create("a CA", YEAR * 10, NOW).expect("a CA is made");
        let key = cluster.keys.authority.clone();
        let metadata = cluster.observed.id.elsewhere(&key.namespace, &key.name);
        let pair = [
            ("tls.crt", authority.certificate_pem()),
            ("tls.key", authority.key_pem()),
        ];
        cluster.put(
            &key,
            &Secret {
                metadata,
                ..secret(&pair)
            },
        );
        cluster
    }

    pub(super) fn put<T: Serialize>(&mut self, key: &Key, object: &T) {
        let value = serde_json::to_value(object).expect("it is JSON");
        let object = serde_json::from_value(value).expect("it has metadata");
        self.observed.live.put(key.clone(), object);
    }

    /// The people's certificate, in a Secret of its own.
    pub(super) fn with_tls(mut self, data: &[(&str, &str)]) -> Self {
        self.observed.tls_source = Some(Source {
            name: "my-tls".into(),
            object: Some(secret(data)),
            unusable: None,
        });
        self
    }

    pub(super) fn with_users(mut self, htpasswd: &str) -> Self {
        self.observed.htpasswd_source = Some(Source {
            name: "my-users".into(),
            object: Some(secret(&[("htpasswd", htpasswd)])),
            unusable: None,
        });
        self
    }

    /// Validates where every node has what it needs.
    pub(super) fn validate(&self) -> Result<Validated, Refusal> {
        validate(&mut self.observed.clone(), &self.settings, &|_| None)
    }

    pub(super) fn build(&self) -> Plan {
        let validated = self.validate().expect("nothing stands in the way");
        build(&validated, &self.settings, NOW).expect("everything can be built")
    }

    /// Builds, and takes over what was built.
    pub(super) fn built(mut self) -> Self {
        for desired in self.build().desired {
            // The Service has its address from the cluster.
            if desired.key == self.keys.service {
                continue;
            }
            self.put(&desired.key, &desired.object);
        }
        self
    }
}

pub(super) fn secret(data: &[(&str, &str)]) -> Secret {
    let data = data
        .iter()
        .map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec())));
    Secret {
        data: Some(data.collect()),
        ..Secret::default()
    }
}

/// A root and a server certificate by it: chain, key, root.
pub(super) fn own_certificate(names: &[&str], now: Timestamp) -> [String; 3] {
    let root = Authority::create("the people's root", YEAR * 5, now).expect("a root is made");
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let leaf = root.issue_server(&names, YEAR, now).expect("a leaf is issued");
    [
        leaf.chain_pem(),
        leaf.key_pem().to_owned(),
        root.certificate_pem().to_owned(),
    ]
}

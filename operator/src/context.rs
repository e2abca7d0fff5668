//! What every round of every Registry shares.

use crate::leaving::Leaving;
use crate::metrics::Metrics;
use crate::names::{FIELD_MANAGER, RegistryId};
use crate::nodes::{HostContent, Nodes, Tally};
use crate::seen::Seen;
use crate::settings::Settings;
use crate::stores::Stores;
use jiff::Timestamp;
use kube::api::ObjectMeta;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::Store;
use kube::{Client, Resource as _};
use roadstead_api::registry::Registry;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Registries as they are cached.
pub type Registries = Store<Seen>;

/// What every round of every Registry shares.
pub struct Context {
    pub client: Client,
    pub settings: Arc<Settings>,
    pub nodes: Nodes,
    pub reports: Reports,
    pub stores: Arc<Stores>,
    pub recorder: Recorder,
    pub metrics: Arc<Metrics>,
    pub leaving: Arc<Leaving>,
    registries: Registries,
}

impl Context {
    pub fn new(
        client: Client,
        settings: Arc<Settings>,
        nodes: Nodes,
        registries: Registries,
        metrics: Arc<Metrics>,
        instance: &str,
    ) -> Self {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            settings,
            nodes,
            reports: Reports::default(),
            stores: Arc::default(),
            metrics,
            leaving: Arc::default(),
            registries,
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Forgets what is remembered of a Registry that went.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.reports.forget(namespace, name);
        self.stores.forget(namespace, name);
        self.metrics.forget(namespace, name);
    }

    /// How many Registries were there before this one, those that cannot be read included. A namespace counts no more
    /// in all than it may have: what it has beyond that is refused, and must not take the places of others.
    pub fn older_than(&self, registry: &Registry) -> Older {
        let rank = |metadata: &ObjectMeta| {
            let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
            (created, metadata.namespace.clone(), metadata.name.clone())
        };
        let own = rank(&registry.metadata);
        let mut namespaces: HashMap<Option<String>, usize> = HashMap::new();
        for other in self.registries.state() {
            let metadata = other.meta();
            if metadata.deletion_timestamp.is_none() && rank(metadata) < own {
                *namespaces.entry(metadata.namespace.clone()).or_default() += 1;
            }
        }
        let most = self.settings.limits.registries_per_namespace;
        let own = namespaces.get(&registry.metadata.namespace);
        Older {
            in_namespace: own.copied().unwrap_or_default(),
            in_all: namespaces.values().map(|count| most.min(*count)).sum(),
        }
    }

    /// All Registries, as the cache has them.
    pub fn registries(&self) -> Vec<Arc<Seen>> {
        self.registries.state()
    }
}

/// How many Registries are older than one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Older {
    pub in_namespace: usize,
    pub in_all: usize,
}

/// What was last said about nodes for each Registry, to notice when there is something new to say.
#[derive(Default)]
pub struct Reports(Mutex<HashMap<(String, String), Report>>);

struct Report {
    hosts: Vec<HostContent>,
    tally: Option<Tally>,
}

impl Reports {
    pub fn remember(&self, id: &RegistryId, hosts: Vec<HostContent>, tally: Option<Tally>) {
        let key = (id.namespace.clone(), id.name.clone());
        self.lock().insert(key, Report { hosts, tally });
    }

    pub fn forget(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// The Registries for which `nodes` has something new, by namespace and name. Each is told once: a Registry that is
    /// paused or refused does not take it up, and must not be woken by it again and again.
    pub fn outdated(&self, nodes: &Nodes, now: Timestamp) -> Vec<(String, String)> {
        let mut reports = self.lock();
        let mut outdated = Vec::new();
        for (key, report) in reports.iter_mut().filter(|(_, report)| !report.hosts.is_empty()) {
            let tally = nodes.tally(&report.hosts, now);
            if tally != report.tally {
                report.tally = tally;
                outdated.push(key.clone());
            }
        }
        outdated
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Report>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What is kept in memory about nodes: Nodes stripped to name, UID and readiness, what each agent says, the bundles
//! that it says it about, the agents' pods, and how many agents the cluster plans.

use super::agents::{Agent, AgentPod, Lapses};
use super::broken::Broken;
use super::sets::{Carried, Sets};
use super::tally::{GONE_AFTER, HostContent, NodeState, Tally, tally};
use futures::{FutureExt as _, Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::DaemonSet, core::v1::Node};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, ObjectMeta};
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, Resource, ResourceExt};
use roadstead_api::trust::{NodeTrust, TrustBundle};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

use crate::lean;
use crate::settings::Settings;

/// A Node, less all that is not read here: the full object has tens of kilobytes.
#[derive(Resource, Clone, Debug, Deserialize)]
#[resource(inherit = Node)]
pub(super) struct NodeView {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Readiness,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Readiness {
    #[serde(default)]
    conditions: Vec<NodeCondition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    last_transition_time: Option<Time>,
}

/// A bundle, less the certificates that nodes carry.
#[derive(Resource, Clone, Debug, Deserialize)]
#[resource(inherit = TrustBundle)]
pub(super) struct BundleView {
    #[serde(deserialize_with = "lean::metadata")]
    metadata: ObjectMeta,
    spec: Carried,
}

/// The agents' DaemonSet, less its template.
#[derive(Resource, Clone, Debug, Deserialize)]
#[resource(inherit = DaemonSet)]
pub(super) struct DaemonSetView {
    metadata: ObjectMeta,
    #[serde(default)]
    status: Scheduled,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scheduled {
    #[serde(default)]
    desired_number_scheduled: i32,
}

/// How many objects are listed at once.
const PAGE: u32 = 100;
/// How often it is looked whether time alone has changed something, as long as it may.
const TICK: Duration = Duration::from_secs(10);

/// Which nodes trust what, as far as the agents have said.
#[derive(Clone)]
pub struct Nodes {
    settings: Arc<Settings>,
    nodes: Store<NodeView>,
    trusts: Store<NodeTrust>,
    bundles: Store<BundleView>,
    daemon_sets: Store<DaemonSetView>,
    pods: Store<AgentPod>,
    sets: Arc<Mutex<Sets>>,
    lapses: Arc<Mutex<Lapses>>,
    broken: Broken,
    changed: watch::Receiver<()>,
}

impl Nodes {
    /// The cache and the work that fills it, to be driven for as long as the cache is used.
    pub fn watch(
        client: &Client,
        settings: Arc<Settings>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (changed, receiver) = watch::channel(());
        let agents = &settings.agent_namespace;
        let (nodes, nodes_writer) = reflector::store();
        let (trusts, trusts_writer) = reflector::store();
        let (bundles, bundles_writer) = reflector::store();
        let (daemon_sets, daemon_sets_writer) = reflector::store();
        let (pods, pods_writer) = reflector::store();
        let this = Self {
            settings: settings.clone(),
            nodes,
            trusts,
            bundles,
            daemon_sets,
            pods,
            sets: Arc::default(),
            lapses: Arc::new(Mutex::new(Lapses::new(Timestamp::now()))),
            broken: Broken::default(),
            changed: receiver,
        };
        // A Node has tens of kilobytes.
        let all = || watcher::Config::default().page_size(PAGE);
        let the_one = all().fields(&format!("metadata.name={}", settings.agent_daemon_set));
        let broken = || this.broken.clone();
        let nodes = fill(Api::all(client.clone()), all(), nodes_writer, broken());
        let trusts = fill(beside(client, agents), all(), trusts_writer, broken());
        let bundles = fill(beside(client, agents), all(), bundles_writer, broken());
        let pods = fill(beside(client, agents), all(), pods_writer, broken());
        let daemon_sets = fill(beside(client, agents), the_one, daemon_sets_writer, broken());
        let recorder = this.clone();
        let work = async move {
            let tell = || {
                changed.send_replace(());
                std::future::ready(())
            };
            futures::join!(
                nodes.for_each(|()| tell()),
                trusts.for_each(|()| tell()),
                daemon_sets.for_each(|()| tell()),
                bundles.for_each(|()| {
                    recorder.record();
                    tell()
                }),
                pods.for_each(|()| {
                    recorder.note_agents(Timestamp::now());
                    tell()
                }),
                recorder.tick(&tell),
            );
        };
        (this, work)
    }

    /// Tells now and then of what changes by time alone.
    async fn tick(&self, tell: &impl Fn() -> std::future::Ready<()>) {
        loop {
            tokio::time::sleep(TICK).await;
            if self.is_pending(Timestamp::now()) || self.broken.told(true).is_some() {
                tell().await;
            }
        }
    }

    /// A cluster without agents.
    #[cfg(test)]
    pub(crate) fn none(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            nodes: reflector::store().0,
            trusts: reflector::store().0,
            bundles: reflector::store().0,
            daemon_sets: reflector::store().0,
            pods: reflector::store().0,
            sets: Arc::default(),
            lapses: Arc::new(Mutex::new(Lapses::new(Timestamp::UNIX_EPOCH))),
            broken: Broken::default(),
            changed: watch::channel(()).1,
        }
    }

    /// Waits until everything has been read once.
    pub async fn ready(&self) -> Result<(), reflector::store::WriterDropped> {
        self.nodes.wait_until_ready().await?;
        self.trusts.wait_until_ready().await?;
        self.bundles.wait_until_ready().await?;
        self.pods.wait_until_ready().await?;
        self.daemon_sets.wait_until_ready().await
    }

    /// Why what is known of nodes may not be how they are; `None`: it is.
    pub fn unseen(&self) -> Option<String> {
        let is_complete = self.ready().now_or_never().is_some();
        let told = self.broken.told(!is_complete);
        told.or_else(|| (!is_complete).then(|| "the operator has not seen the nodes yet".to_owned()))
    }

    /// Waits for the next change after the last call.
    pub async fn changed(&mut self) -> bool {
        self.changed.changed().await.is_ok()
    }

    /// How many nodes trust each of these hosts; `None` where the agents' DaemonSet is not there.
    pub fn tally(&self, hosts: &[HostContent], now: Timestamp) -> Option<Tally> {
        let Some(why) = self.unseen() else {
            return self.seen(hosts, now);
        };
        let mut tally = self.seen(hosts, now).unwrap_or_default();
        // A change of certificates must not pass by nodes that nobody sees.
        if tally.behind.is_empty() {
            tally
                .behind
                .push("all of them, as far as the operator can see".to_owned());
        }
        tally.unseen = Some(why);
        Some(tally)
    }

    fn seen(&self, hosts: &[HostContent], now: Timestamp) -> Option<Tally> {
        let daemon_set = self.daemon_sets.state().into_iter().next()?;
        let nodes = self.nodes.state();
        let trusts: Vec<_> = nodes.iter().map(|node| self.trust(node.name())).collect();
        let mut agents = self.agents();
        let lapses = lock(&self.lapses);
        let mut states: Vec<_> = nodes
            .iter()
            .zip(&trusts)
            .map(|(node, trust)| {
                let agent = agents.remove(node.name()).unwrap_or(Agent::Absent);
                NodeState {
                    name: node.name(),
                    uid: node.metadata.uid.as_deref().unwrap_or_default(),
                    not_ready_since: node.not_ready_since(),
                    leaving: node.metadata.deletion_timestamp.is_some(),
                    lapsed: lapses.is_lapsed(node.name(), &agent, now),
                    agent,
                    trust: trust.as_deref().map(|trust| &trust.spec),
                }
            })
            .collect();
        states.sort_by_key(|state| state.name);
        let sets = lock(&self.sets);
        Some(tally(
            &states,
            daemon_set.status.desired_number_scheduled,
            hosts,
            &sets,
            now,
        ))
    }

    /// Whether a node is known not to be ready.
    pub fn is_not_ready(&self, name: &str) -> bool {
        let node = self.nodes.get(&ObjectRef::new(name));
        node.is_some_and(|node| node.not_ready_since().is_some())
    }

    /// The names of the bundles of a Registry.
    pub fn bundles_of(&self, namespace: &str, name: &str) -> Vec<String> {
        let bundles = self.bundles.state_filter(|bundle| {
            bundle.spec.registry.namespace == namespace && bundle.spec.registry.name == name
        });
        bundles.iter().map(|bundle| bundle.name_any()).collect()
    }

    fn trust(&self, node: &str) -> Option<Arc<NodeTrust>> {
        self.trusts
            .get(&ObjectRef::new(node).within(&self.settings.agent_namespace))
            .filter(|trust| trust.spec.installation == self.settings.installation)
    }

    fn record(&self) {
        let bundles = self.bundles.state();
        let ours = bundles
            .iter()
            .map(|bundle| &bundle.spec)
            .filter(|spec| spec.installation == self.settings.installation);
        lock(&self.sets).record(ours);
    }

    /// The agents by node; of two on one node, as while one is replaced, the one that runs.
    fn agents(&self) -> BTreeMap<String, Agent> {
        let mut agents: BTreeMap<String, Agent> = BTreeMap::new();
        for pod in self.pods.state() {
            if let Some((node, agent)) = pod.agent(&self.settings.agent_daemon_set) {
                let known = agents.entry(node.to_owned()).or_insert(Agent::Absent);
                *known = agent.min(known.clone());
            }
        }
        agents
    }

    fn note_agents(&self, now: Timestamp) {
        let running = self
            .agents()
            .into_iter()
            .filter(|(_, agent)| *agent == Agent::Running);
        lock(&self.lapses).note(running.map(|(node, _)| node).collect(), now);
    }

    /// Whether a node or an agent has been away for so short a time that this alone will soon change a count.
    fn is_pending(&self, now: Timestamp) -> bool {
        let recently = |since: Timestamp| now < since + GONE_AFTER * 2;
        lock(&self.lapses).is_pending(now)
            || self
                .nodes
                .state()
                .iter()
                .any(|node| node.not_ready_since().is_some_and(recently))
    }
}

impl NodeView {
    fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Since when it has not been ready; `None`: it is ready.
    fn not_ready_since(&self) -> Option<Timestamp> {
        let ready = self
            .status
            .conditions
            .iter()
            .find(|condition| condition.kind == "Ready");
        let since = match ready {
            Some(condition) if condition.status == "True" => return None,
            Some(condition) => &condition.last_transition_time,
            None => &self.metadata.creation_timestamp,
        };
        Some(since.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is in the agents' namespace.
fn beside<K>(client: &Client, agents: &str) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    Api::namespaced(client.clone(), agents)
}

/// Fills a store; one item for each time that what is in the store may have changed.
fn fill<K>(
    api: Api<K>,
    config: watcher::Config,
    mut writer: Writer<K>,
    broken: Broken,
) -> impl Stream<Item = ()> + Send
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    watcher(api, config)
        .default_backoff()
        .inspect_err(
            |error| tracing::warn!(%error, kind = %K::kind(&()), "a watch broke off and is taken up again"),
        )
        .filter_map(move |event| {
            let kind = K::kind(&());
            let changed = match event {
                Ok(event) => {
                    // A list that begins may still be refused.
                    if !matches!(event, watcher::Event::Init) {
                        broken.mend(&kind);
                    }
                    writer.apply_watcher_event(&event.modify(strip));
                    Some(())
                }
                Err(error) => {
                    broken.note(&kind, &error.to_string());
                    None
                }
            };
            std::future::ready(changed)
        })
}

fn strip<K: Resource>(object: &mut K) {
    object.managed_fields_mut().clear();
    object.annotations_mut().clear();
    object.labels_mut().clear();
}

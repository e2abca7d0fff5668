//! Leaving without the uninstall hook: the operator's Deployment is deleted, its namespace, or the agents.
//!
//! Its rights go at about the same time, so what nobody else can do comes first, and at once: finalizers, which would
//! hold namespaces for good. Bundles go only with the whole namespace: a Deployment may come back. Whoever deletes
//! everything may begin with the agents, which is the first sign then; if nothing follows it, the operator works on.

use crate::settings::Settings;
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::time::Duration;
use tokio::sync::watch;

/// Whatever else is deleted along with the agents goes within this.
const ALONG: Duration = Duration::from_secs(10);

/// Whether this operator is being deleted, and what says so.
#[derive(Default)]
pub struct Leaving(watch::Sender<State>);

#[derive(Default)]
struct State {
    why: Option<String>,
    /// Something is being taken back.
    busy: bool,
}

impl Leaving {
    /// Why nothing must be written any longer.
    pub fn why(&self) -> Option<String> {
        self.0.borrow().why.clone()
    }

    /// Waits until what has to be taken back is.
    pub async fn settled(&self) {
        // It cannot fail while there is a sender.
        let _ = self.0.subscribe().wait_for(|state| !state.busy).await;
    }

    fn set(&self, why: Option<String>, busy: bool) {
        self.0.send_replace(State { why, busy });
    }
}

enum Sign {
    Namespace,
    Deployment,
    Agents,
}

/// Waits for a sign and takes back what nobody else would: finalizers, and bundles with the whole namespace. It ends when
/// the Deployment is there again: this operator has to start anew then.
pub async fn run(watches: &Client, settings: &Settings, leaving: &Leaving, take_back: impl AsyncFn(bool)) {
    loop {
        let sign = sign_of_deletion(watches, settings).await;
        let why = sign.why(settings);
        tracing::warn!("{why}");
        leaving.set(Some(why.clone()), true);
        take_back(matches!(sign, Sign::Namespace)).await;
        leaving.set(Some(why), false);
        match sign {
            Sign::Namespace => std::future::pending().await,
            Sign::Deployment => {
                let deployments = Api::namespaced(watches.clone(), &settings.namespace);
                return back::<PartialObjectMeta<Deployment>>(deployments, &settings.operator_deployment)
                    .await;
            }
            Sign::Agents => tokio::time::sleep(ALONG).await,
        }
        leaving.set(None, false);
    }
}

async fn sign_of_deletion(watches: &Client, settings: &Settings) -> Sign {
    let Settings {
        namespace,
        operator_deployment,
        agent_namespace,
        agent_daemon_set,
        ..
    } = settings;
    let deployments = Api::<PartialObjectMeta<Deployment>>::namespaced(watches.clone(), namespace);
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(watches.clone());
    let daemon_sets = Api::<PartialObjectMeta<DaemonSet>>::namespaced(watches.clone(), agent_namespace);
    tokio::select! {
        () = going(namespaces.clone(), namespace) => Sign::Namespace,
        () = going(deployments, operator_deployment) => Sign::Deployment,
        () = goes(namespaces, agent_namespace) => Sign::Agents,
        () = goes(daemon_sets, agent_daemon_set) => Sign::Agents,
    }
}

impl Sign {
    fn why(&self, settings: &Settings) -> String {
        let Settings {
            namespace,
            operator_deployment,
            agent_namespace,
            agent_daemon_set,
            ..
        } = settings;
        let (what, until) = match self {
            Self::Namespace => (format!("namespace {namespace}"), "any more"),
            Self::Deployment => (
                format!("Deployment {operator_deployment} in namespace {namespace}"),
                "any more",
            ),
            Self::Agents => (
                format!("DaemonSet {agent_daemon_set} or its namespace {agent_namespace}"),
                "for a moment, in case that more is being deleted",
            ),
        };
        format!(
            "{what} was deleted without `helm uninstall`: finalizers are taken off, and nothing is changed {until}"
        )
    }
}

/// Waits until an object that is there is deleted.
async fn going<K>(api: Api<K>, name: &str)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    sign(api, name, |event| match event {
        Event::Delete(_) => true,
        Event::Apply(object) | Event::InitApply(object) => object.meta().deletion_timestamp.is_some(),
        Event::Init | Event::InitDone => false,
    })
    .await
}

/// Waits until an object is deleted from now on.
async fn goes<K>(api: Api<K>, name: &str)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    sign(api, name, |event| match event {
        Event::Delete(_) => true,
        Event::Apply(object) => object.meta().deletion_timestamp.is_some(),
        Event::InitApply(_) | Event::Init | Event::InitDone => false,
    })
    .await
}

/// Waits until there is an object that is not being deleted.
async fn back<K>(api: Api<K>, name: &str)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    sign(api, name, |event| match event {
        Event::Apply(object) | Event::InitApply(object) => object.meta().deletion_timestamp.is_none(),
        Event::Delete(_) | Event::Init | Event::InitDone => false,
    })
    .await
}

async fn sign<K>(api: Api<K>, name: &str, is_sign: impl Fn(Event<K>) -> bool)
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let this_one = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(api, this_one).default_backoff();
    let signs = events.filter_map(async |event| event.is_ok_and(&is_sign).then_some(()));
    let mut signs = Box::pin(signs);
    if signs.next().await.is_none() {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tests::fake::Fake;
    use serde_json::json;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn an_operator_is_back_when_its_deployment_is_and_stays() {
        let fake = Fake::default();
        let is_back = async || {
            let client = fake.context().client;
            let deployments = Api::<PartialObjectMeta<Deployment>>::namespaced(client, "system");
            timeout(Duration::from_millis(200), back(deployments, "operator"))
                .await
                .is_ok()
        };
        assert!(!is_back().await, "there is none");
        let mut deployment = json!({"metadata": {"name": "operator", "namespace": "system",
            "deletionTimestamp": "2026-11-01T00:00:00Z"}});
        fake.put(
            "/apis/apps/v1/namespaces/system/deployments/operator",
            deployment.clone(),
        );
        assert!(!is_back().await, "it is being deleted");
        deployment["metadata"]["deletionTimestamp"] = json!(null);
        fake.put("/apis/apps/v1/namespaces/system/deployments/operator", deployment);
        assert!(is_back().await);
    }
}

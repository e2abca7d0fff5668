//! Leaving without the uninstall hook: the operator's Deployment is deleted, or its namespace.
//!
//! Its rights go at about the same time, so what nobody else can do comes first, and at once: finalizers, which would
//! hold namespaces for good. Bundles go only with the whole namespace: a Deployment may come back.

use crate::settings::Settings;
use crate::uninstall;
use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::OnceLock;

/// Whether this operator is being deleted, and what says so.
#[derive(Default)]
pub struct Leaving(OnceLock<String>);

impl Leaving {
    /// Why nothing must be written any longer.
    pub fn why(&self) -> Option<String> {
        self.0.get().cloned()
    }
}

/// Waits for a sign and takes back what nobody else would. It ends when the Deployment is there again: this operator has
/// to start anew then.
pub async fn run(client: &Client, watches: &Client, settings: &Settings, leaving: &Leaving) {
    let deployments = Api::<PartialObjectMeta<Deployment>>::namespaced(watches.clone(), &settings.namespace);
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(watches.clone());
    let for_good = tokio::select! {
        () = going(deployments.clone(), &settings.operator_deployment) => false,
        () = going(namespaces, &settings.namespace) => true,
    };
    let what = match for_good {
        true => format!("namespace {}", settings.namespace),
        false => format!(
            "Deployment {} in namespace {}",
            settings.operator_deployment, settings.namespace
        ),
    };
    let why = format!(
        "{what} was deleted without `helm uninstall`: finalizers are taken off, and nothing is changed any more"
    );
    tracing::warn!("{why}");
    let _ = leaving.0.set(why);
    uninstall::without_the_hook(client, settings, for_good).await;
    match for_good {
        true => std::future::pending().await,
        false => back(deployments, &settings.operator_deployment).await,
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

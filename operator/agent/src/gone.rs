//! Signs that Roadstead is being taken away while its agents still live. Only what the API server says for certain
//! counts: an error or silence is no sign.

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, CustomResourceExt};
use roadstead_api::trust::TrustBundle;
use std::pin::pin;
use std::time::Duration;
use tracing::debug;

const API_CALL: Duration = Duration::from_secs(5);

/// Why an agent ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// Another one comes after it, or nobody could say.
    Replaced,
    /// None comes after it.
    ForGood,
    /// It may not ask any longer, as when its account is deleted together with everything else.
    Refused,
}

/// Waits until the namespace of the agents is being deleted.
pub async fn namespace_goes(client: Client, namespace: String) {
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client);
    let this_one = watcher::Config::default().fields(&format!("metadata.name={namespace}"));
    let mut events = pin!(watcher(namespaces, this_one).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Delete(_)) => return,
            Ok(Event::Apply(there) | Event::InitApply(there))
                if there.metadata.deletion_timestamp.is_some() =>
            {
                return;
            }
            Ok(_) => {}
            Err(error) => debug!("cannot watch namespace {namespace}: {error}"),
        }
    }
    std::future::pending().await
}

/// Whether an agent that ends is followed by another one.
pub async fn ending(client: &Client, namespace: &str, daemon_set: &str) -> Ending {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let daemon_sets: Api<DaemonSet> = Api::namespaced(client.clone(), namespace);
    let ending = judged(namespaces.get_metadata_opt(namespace)).await;
    if ending != Ending::Replaced || daemon_set.is_empty() {
        return ending;
    }
    judged(daemon_sets.get_metadata_opt(daemon_set)).await
}

async fn judged<K>(asked: impl Future<Output = kube::Result<Option<PartialObjectMeta<K>>>>) -> Ending {
    match tokio::time::timeout(API_CALL, asked).await {
        Ok(Ok(Some(there))) if there.metadata.deletion_timestamp.is_none() => Ending::Replaced,
        Ok(Ok(_)) => Ending::ForGood,
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 401 | 403) => Ending::Refused,
        Ok(Err(_)) | Err(_) => Ending::Replaced,
    }
}

/// Whether there can be no TrustBundle any more, because there is no such kind.
pub async fn definition_is_gone(client: &Client) -> bool {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = TrustBundle::crd_name();
    let answer = tokio::time::timeout(API_CALL, definitions.get_metadata_opt(name)).await;
    matches!(answer, Ok(Ok(None)))
}

/// Whether the watch found no such kind: worth asking why.
pub fn is_not_found(error: &watcher::Error) -> bool {
    let error = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => return status.code == 404,
        watcher::Error::NoResourceVersion => return false,
    };
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

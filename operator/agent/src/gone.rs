//! Signs that Roadstead is being taken away while its agents still live. Only what the API server says for certain
//! counts: an error, a refusal or silence is no sign.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::watcher;
use kube::{Api, Client, CustomResourceExt};
use roadstead_api::trust::TrustBundle;
use std::time::Duration;

const API_CALL: Duration = Duration::from_secs(5);

/// Whether the namespace of the agents is being deleted: every agent ends then, and none comes after it.
pub async fn namespace_is_going(client: &Client, namespace: &str) -> bool {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let answer = tokio::time::timeout(API_CALL, namespaces.get_metadata_opt(namespace)).await;
    match answer {
        Ok(Ok(Some(there))) => there.metadata.deletion_timestamp.is_some(),
        Ok(Ok(None)) => true,
        Ok(Err(_)) | Err(_) => false,
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

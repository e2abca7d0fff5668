//! Whether the agents' namespace is there: with it go the operator's rights in it.

use crate::context::Context;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;

/// Whether a namespace is certainly gone, or going with all that is in it.
pub(super) async fn is_gone(context: &Context, name: &str) -> bool {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    match namespaces.get_metadata_opt(name).await {
        Ok(there) => there.is_none_or(|there| there.metadata.deletion_timestamp.is_some()),
        Err(_) => false,
    }
}

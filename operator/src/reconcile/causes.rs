//! Causes: why a Registry does not work, in the words of those who know: the Deployment, kubelets, the scheduler, the
//! provisioner, the registry itself.
//!
//! - `pods`: why there are too few of them; `claim`: why it has no volume; `events`: what was said about an object
//! - `pages`: reads lists that others may make large
//!
//! Conditions tell symptoms by themselves. What is asked here is asked only where there is something to explain, but for
//! the pods, which also tell whether they can write.

mod claim;
mod events;
mod pages;
mod pods;

use super::live::Live;
use super::validate::{Storage, Validated};
use crate::context::Context;
use crate::nodes::Tally;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, ListParams};

/// What is known about why something is not as it should be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Causes {
    /// Why pods do not run, or what ended one that does.
    pub pods: Option<String>,
    /// Why the claim has no volume.
    pub claim: Option<String>,
    /// Why the registry cannot write its volume, by its own word.
    pub store: Option<String>,
    /// Why the agents' DaemonSet makes no pods.
    pub agents: Option<String>,
}

/// `claim`: the one that a person named.
pub(super) async fn look(
    context: &Context,
    validated: &Validated,
    live: &Live,
    claim: Option<&PersistentVolumeClaim>,
    tally: Option<&Tally>,
) -> Result<Causes, kube::Error> {
    let agents = match tally.is_some_and(Tally::lacks_agents) {
        true => events::newest_warning_of_agents(context).await?,
        false => None,
    };
    let deployment: Option<Deployment> = live.get(&validated.keys.deployment);
    let Some(deployment) = deployment else {
        return Ok(Causes {
            agents,
            ..Causes::default()
        });
    };
    let own: Option<PersistentVolumeClaim>;
    let claim = match &validated.storage {
        Storage::Own(_) => {
            own = live.get(&validated.keys.data);
            own.as_ref()
        }
        Storage::Existing { .. } => claim,
        Storage::EmptyDir { .. } => None,
    };
    let pods = pods_of(context, validated).await?;
    Ok(Causes {
        pods: pods::why_not_ready(context, validated, &deployment, &pods).await?,
        claim: match claim {
            Some(claim) => claim::why_pending(context, claim).await?,
            None => None,
        },
        store: context
            .stores
            .refusal(&validated.id, pods::addresses(&pods))
            .await,
        agents,
    })
}

/// Others may put its labels on pods of theirs, as many and as large as they like.
const MOST_PODS: usize = 32;

async fn pods_of(context: &Context, validated: &Validated) -> Result<Vec<Pod>, kube::Error> {
    let id = &validated.id;
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &id.namespace);
    let query = ListParams::default().labels(&id.pod_selector());
    let mut pods = Vec::new();
    pages::each(&context.client, &api, query, MOST_PODS, |pod| {
        pods.push(pods::stripped(pod));
    })
    .await?;
    pods.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    Ok(pods)
}

//! What has to go before the operator itself does: bundles, so that nodes clean up while their agents still run, and
//! finalizers that nobody would serve any more.
//!
//! It raises the mark first, so that no operator puts back what is removed here. It says which nodes are not clean
//! and how to clean them, and gives up waiting rather than holding up the uninstall. It is for one installation, and
//! stops where that is not the one that is there any longer (`target`).

mod pages;
mod target;

use crate::names::FINALIZER;
use crate::reconcile::status::summary;
use crate::settings::Settings;
use anyhow::Context as _;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt as _};
use pages::Pages;
use roadstead_api::registry::{ConditionType, Registry};
use roadstead_api::trust::{NodeTrust, TrustBundle, set_hash};
use serde_json::json;
use std::time::{Duration, Instant};
use target::Target;
use tokio::time::sleep;

/// Why `NodesTrusted` is unknown once the operator is gone.
const UNINSTALLED: &str = "Uninstalled";
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// An operator that was in the middle of a round writes for this long at most after the mark is up.
const ROUND_IN_FLIGHT: Duration = Duration::from_secs(2);

/// What is asked for.
pub struct Order {
    /// The Job that this runs as.
    pub job: String,
    /// The revision of the release.
    pub revision: String,
    /// How long nodes are waited for.
    pub patience: Duration,
    /// Leave the nodes as they are.
    pub keep: bool,
}

/// Takes everything back that the installation of `order` would leave.
pub async fn uninstall(client: Client, settings: &Settings, order: &Order) -> anyhow::Result<()> {
    let deadline = Instant::now() + order.patience;
    let mut target = Target::of(&client, settings, &order.job).await?;
    if let Some(neighbour) = &target.neighbour {
        tracing::warn!(
            operator = neighbour,
            "there is another installation: its Registries are left alone"
        );
    }
    // A step that fails does not keep the next from being tried: a finalizer that stays holds its namespace for good.
    tried(target.stop_operator(&client, settings, &order.revision).await);
    if !order.keep {
        tried(remove_bundles(&client, settings).await);
    }
    sleep(ROUND_IN_FLIGHT).await;
    loop {
        target.confirm(&client, settings).await?;
        let round = take_back(&client, settings, &target, order.keep).await;
        if round.is_done && round.unclean_nodes.is_empty() {
            tracing::info!(
                "finalizers are off, and nodes {}",
                if order.keep {
                    "keep what they have"
                } else {
                    "are clean"
                }
            );
            return Ok(());
        }
        if Instant::now() >= deadline {
            return tell(&client, settings, &round.unclean_nodes).await;
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// What can be done in the moment that an operator has whose Deployment is deleted; of its namespace, with `bundles`.
pub(crate) async fn without_the_hook(client: &Client, settings: &Settings, bundles: bool) {
    tried(strip_finalizers(client).await);
    if bundles {
        tried(remove_bundles(client, settings).await);
    }
    tried(strip_finalizers(client).await);
}

struct TakenBack {
    is_done: bool,
    unclean_nodes: Vec<String>,
}

/// Everything once.
async fn take_back(client: &Client, settings: &Settings, target: &Target, keep: bool) -> TakenBack {
    let alone = target.neighbour.is_none();
    let mut is_done = !alone || tried(strip_finalizers(client).await).is_some();
    let mut unclean_nodes = Vec::new();
    if !keep {
        is_done &= tried(remove_bundles(client, settings).await).is_some();
        let nodes = tried(unclean(client, settings).await);
        is_done &= nodes.is_some();
        unclean_nodes = nodes.unwrap_or_default();
        is_done &= !alone || tried(withdraw_trust(client).await).is_some();
    }
    TakenBack {
        is_done,
        unclean_nodes,
    }
}

/// What came of a step; a failure is told and the step is tried again.
fn tried<T>(result: anyhow::Result<T>) -> Option<T> {
    result
        .inspect_err(|error| tracing::warn!(error = format!("{error:#}"), "a step of the uninstall failed"))
        .ok()
}

async fn remove_bundles(client: &Client, settings: &Settings) -> anyhow::Result<()> {
    let bundles: Api<TrustBundle> = Api::namespaced(client.clone(), &settings.agent_namespace);
    let mut pages = Pages::of_ours();
    while let Some(page) = pages.next() {
        let listed = bundles.list(page).await?;
        pages.turn(&listed.metadata);
        let is_ours = |bundle: &&TrustBundle| bundle.spec.installation == settings.installation;
        for bundle in listed.iter().filter(is_ours) {
            remove(&bundles, bundle).await?;
        }
    }
    Ok(())
}

async fn remove(bundles: &Api<TrustBundle>, bundle: &TrustBundle) -> anyhow::Result<()> {
    let name = bundle.name_any();
    match bundles.delete(&name, &DeleteParams::background()).await {
        Ok(_) => tracing::info!(host = bundle.spec.host, "withdrew a host from the nodes"),
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => return Err(error).context(format!("cannot delete TrustBundle {name}")),
    }
    Ok(())
}

/// Nobody is left to look at the nodes, and what was true of them is not any longer.
async fn withdraw_trust(client: &Client) -> anyhow::Result<()> {
    let all: Api<Registry> = Api::all(client.clone());
    let mut failed = Vec::new();
    let mut pages = Pages::default();
    while let Some(page) = pages.next() {
        let listed = all.list(page).await?;
        pages.turn(&listed.metadata);
        for registry in &listed {
            if let Err(error) = withdraw(client, registry).await {
                let namespace = registry.namespace().unwrap_or_default();
                failed.push(format!("{namespace}/{}: {error}", registry.name_any()));
            }
        }
    }
    anyhow::ensure!(
        failed.is_empty(),
        "these Registries still say that nodes trust them: {}",
        failed.join(", ")
    );
    Ok(())
}

async fn withdraw(client: &Client, registry: &Registry) -> Result<(), kube::Error> {
    let Some(conditions) = untrusted(registry) else {
        return Ok(());
    };
    let patch = json!({
        "metadata": {"resourceVersion": registry.resource_version()},
        "status": {"conditions": conditions, "nodes": null, "summary": summary(&conditions)},
    });
    let api: Api<Registry> = Api::namespaced(client.clone(), &registry.namespace().unwrap_or_default());
    let name = registry.name_any();
    api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .map(drop)
}

/// The conditions with `NodesTrusted` taken back, unless that has been done or there is none.
fn untrusted(registry: &Registry) -> Option<Vec<Condition>> {
    let mut conditions = registry.status.as_ref()?.conditions.clone();
    let trusted = conditions
        .iter_mut()
        .find(|condition| condition.type_ == ConditionType::NodesTrusted.as_str())?;
    if trusted.reason == UNINSTALLED {
        return None;
    }
    trusted.status = "Unknown".to_owned();
    trusted.reason = UNINSTALLED.to_owned();
    trusted.message =
        "Roadstead was uninstalled: nodes do not carry this Registry's CA any longer".to_owned();
    trusted.last_transition_time =
        Time(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default());
    Some(conditions)
}

async fn strip_finalizers(client: &Client) -> anyhow::Result<()> {
    let all: Api<Registry> = Api::all(client.clone());
    let mut failed = Vec::new();
    let mut pages = Pages::default();
    while let Some(page) = pages.next() {
        let listed = all.list_metadata(page).await?;
        pages.turn(&listed.metadata);
        // Together: who deletes everything leaves the operator its rights for a moment only.
        let stripped = listed.iter().map(async |registry| {
            let namespace = registry.namespace().unwrap_or_default();
            let name = registry.name_any();
            let outcome = strip(client, registry).await;
            outcome.err().map(|error| format!("{namespace}/{name}: {error}"))
        });
        failed.extend(join_all(stripped).await.into_iter().flatten());
    }
    anyhow::ensure!(
        failed.is_empty(),
        "the finalizers of these Registries are still there: {}; if they stay, take them off by \
         kubectl patch registry NAME --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
        failed.join(", ")
    );
    Ok(())
}

async fn strip(client: &Client, registry: &PartialObjectMeta<Registry>) -> Result<(), kube::Error> {
    if !registry
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER)
    {
        return Ok(());
    }
    let left: Vec<_> = registry
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != FINALIZER)
        .collect();
    let patch = json!({"metadata": {"finalizers": left, "resourceVersion": registry.resource_version()}});
    let api: Api<Registry> = Api::namespaced(client.clone(), &registry.namespace().unwrap_or_default());
    let patched = api
        .patch_metadata(
            &registry.name_any(),
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await;
    match patched {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => other.map(drop),
    }
}

/// Nodes that do not say that they carry nothing.
async fn unclean(client: &Client, settings: &Settings) -> anyhow::Result<Vec<String>> {
    let nothing = set_hash::<&str, &str>([]);
    let trusts: Api<NodeTrust> = Api::namespaced(client.clone(), &settings.agent_namespace);
    let is_unclean =
        |trust: &&NodeTrust| trust.spec.installation == settings.installation && trust.spec.set != nothing;
    let mut unclean = Vec::new();
    let mut pages = Pages::of_ours();
    while let Some(page) = pages.next() {
        let listed = trusts.list(page).await?;
        pages.turn(&listed.metadata);
        unclean.extend(listed.iter().filter(is_unclean).map(|trust| trust.name_any()));
    }
    Ok(unclean)
}

async fn tell(client: &Client, settings: &Settings, unclean: &[String]) -> anyhow::Result<()> {
    let daemon_sets: Api<DaemonSet> = Api::namespaced(client.clone(), &settings.agent_namespace);
    let image = daemon_sets
        .get_opt(&settings.agent_daemon_set)
        .await?
        .and_then(|agents| agents.spec?.template.spec?.containers.into_iter().next()?.image)
        .unwrap_or_else(|| "AGENT-IMAGE".to_owned());
    for node in unclean {
        tracing::error!(
            node,
            "this node still has what was written for registries; once it is back: \
             kubectl debug node/{node} --profile=sysadmin --image={image} -- /usr/bin/roadstead-agent clean --host-root /host"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tests::fake::Fake;

    #[tokio::test]
    async fn no_list_is_in_memory_as_a_whole() {
        const IMAGES: &str = "/apis/roadstead.dev/v1alpha1/namespaces/team/registries/images";
        let fake = Fake::default();
        fake.put(
            IMAGES,
            json!({"metadata": {"name": "images", "namespace": "team", "finalizers": [FINALIZER, "a/b"]},
                "spec": {"storage": {"persistentVolumeClaim": {}}},
                "status": {"conditions": [{"type": "NodesTrusted", "status": "True", "reason": "Trusted", "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}),
        );
        let client = fake.context().client;
        strip_finalizers(&client).await.expect("finalizers come off");
        withdraw_trust(&client).await.expect("trust is taken back");
        let settings = &fake.context().settings;
        remove_bundles(&client, settings).await.expect("none is there");
        unclean(&client, settings).await.expect("none is there");
        let lists = fake.requests().into_iter().filter(|path| path.contains('?'));
        let limits = lists.filter_map(|path| path.split_once("limit=").map(|(_, limit)| limit.to_owned()));
        assert_eq!(limits.collect::<Vec<_>>(), ["4", "4", "50", "50"]);
        assert_eq!(fake.condition(IMAGES, "NodesTrusted").1, UNINSTALLED);
        let left = fake.get(IMAGES).expect("it is there");
        assert_eq!(left["metadata"]["finalizers"], json!(["a/b"]));
    }
}

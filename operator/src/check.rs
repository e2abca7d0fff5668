//! Looking at an installation from outside: for `helm test`, and for an install that comes too soon.

use crate::election;
use crate::settings::Settings;
use anyhow::{Context as _, bail, ensure};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};
use roadstead_api::registry::Registry;
use roadstead_api::trust::{NodeTrust, TrustBundle};
use std::time::{Duration, Instant};
use tokio::time::sleep;

const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Fails with what is missing, if it still is when `patience` ends.
pub async fn check(client: Client, settings: &Settings, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        match look(&client, settings).await {
            Ok(()) => break,
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(error) => tracing::info!(error = format!("{error:#}"), "not yet"),
        }
        sleep(LOOK_AGAIN).await;
    }
    tracing::info!(
        "the definitions are there, an operator leads, and every node that can have one has an agent"
    );
    Ok(())
}

async fn look(client: &Client, settings: &Settings) -> anyhow::Result<()> {
    let one = ListParams::default().limit(1);
    let missing = "its resource definition is missing: see `crds.install` of the chart";
    let registries: Api<Registry> = Api::all(client.clone());
    registries
        .list_metadata(&one)
        .await
        .context("cannot list Registries")
        .context(missing)?;
    let bundles: Api<TrustBundle> = Api::namespaced(client.clone(), &settings.agent_namespace);
    bundles
        .list_metadata(&one)
        .await
        .context("cannot list TrustBundles")
        .context(missing)?;
    let trusts: Api<NodeTrust> = Api::namespaced(client.clone(), &settings.agent_namespace);
    trusts
        .list_metadata(&one)
        .await
        .context("cannot list NodeTrusts")
        .context(missing)?;
    operator(client, settings).await?;
    agents(client, settings).await
}

async fn operator(client: &Client, settings: &Settings) -> anyhow::Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &settings.namespace);
    let name = &settings.operator_deployment;
    let deployment = deployments
        .get(name)
        .await
        .with_context(|| format!("cannot read Deployment {name}"))?;
    let ready = deployment
        .status
        .and_then(|status| status.ready_replicas)
        .unwrap_or_default();
    ensure!(ready > 0, "no pod of Deployment {name} is ready");
    let leader = election::leader(client, &settings.namespace).await?;
    ensure!(
        leader.is_some(),
        "no operator leads: nobody holds the Lease in namespace {}",
        settings.namespace
    );
    Ok(())
}

async fn agents(client: &Client, settings: &Settings) -> anyhow::Result<()> {
    let daemon_sets: Api<DaemonSet> = Api::namespaced(client.clone(), &settings.agent_namespace);
    let name = &settings.agent_daemon_set;
    let agents = daemon_sets
        .get(name)
        .await
        .with_context(|| format!("cannot read DaemonSet {name}"))?;
    let status = agents.status.unwrap_or_default();
    let (ready, wanted) = (status.number_ready, status.desired_number_scheduled);
    ensure!(
        status.observed_generation.is_some() && ready >= wanted,
        "{ready} of {wanted} agents of DaemonSet {name} in namespace {} are ready",
        settings.agent_namespace
    );
    Ok(())
}

/// Waits until the agents' namespace is not being deleted any longer: until then it takes nothing new.
pub async fn await_namespace(client: Client, settings: &Settings, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    let namespaces: Api<Namespace> = Api::all(client);
    let name = &settings.agent_namespace;
    loop {
        let namespace = namespaces.get_opt(name).await?;
        let Some(going) = namespace.filter(|namespace| namespace.metadata.deletion_timestamp.is_some())
        else {
            tracing::info!(namespace = name, "the namespace of the last installation is gone");
            return Ok(());
        };
        if Instant::now() >= deadline {
            bail!("namespace {name} is still being deleted: {}", why(&going));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// What the namespace controller says about a namespace that does not go.
fn why(namespace: &Namespace) -> String {
    let conditions = namespace
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let said: Vec<_> = conditions
        .filter(|condition| condition.status == "True")
        .filter_map(|condition| condition.message.clone())
        .collect();
    match said.is_empty() {
        true => format!(
            "kubectl get namespace {} -o yaml says what holds it",
            namespace.name_any()
        ),
        false => said.join(" "),
    }
}

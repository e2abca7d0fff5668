//! Which installation an uninstall is for, and whether it is still the one that is there.
//!
//! A Job may start late: when its account is made again by the next install, or on a node that comes back. What it
//! finds then is not what it was made for.

use super::pages::Pages;
use crate::mark::{self, Installed};
use crate::settings::Settings;
use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt as _};
use roadstead_api::trust::{NodeTrust, TrustBundle};
use std::collections::BTreeSet;

/// What `kubectl apply` of a whole rendered chart makes, it makes within this.
const TOGETHER: SignedDuration = SignedDuration::from_secs(60);
/// Operators of any installation.
const OPERATORS: &str = "app.kubernetes.io/component=operator,helm.sh/chart";

/// The installation that goes.
pub(super) struct Target {
    /// `None`: its operator was gone already.
    installed: Option<Installed>,
    job_created: Option<Timestamp>,
    /// UID of the mark, once it is raised.
    mark: Option<String>,
    /// Another installation in this cluster, whose Registries are not ours to touch.
    pub(super) neighbour: Option<String>,
}

/// Why an uninstall must not go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}: this uninstall is not for it, and stops")]
pub(super) struct NotOurs(String);

impl Target {
    /// The installation that was there when the Job was made.
    pub(super) async fn of(client: &Client, settings: &Settings, job: &str) -> anyhow::Result<Self> {
        let jobs: Api<Job> = Api::namespaced(client.clone(), &settings.namespace);
        let job_created = jobs
            .get_opt(job)
            .await
            .with_context(|| format!("cannot read Job {job}"))?
            .and_then(|job| job.creation_timestamp())
            .map(|time| time.0);
        let installed = mark::installed(client, settings).await?;
        if let Some(installed) = &installed {
            judge(installed, job_created)?;
        }
        Ok(Self {
            installed,
            job_created,
            mark: None,
            neighbour: neighbour(client, settings).await?,
        })
    }

    /// Makes the operator stand still.
    pub(super) async fn stop_operator(
        &mut self,
        client: &Client,
        settings: &Settings,
        revision: &str,
    ) -> anyhow::Result<()> {
        let Some(installed) = &self.installed else {
            tracing::warn!(
                deployment = settings.operator_deployment,
                "there is no operator to stop"
            );
            return Ok(());
        };
        tracing::info!(revision, installation = %installed, "uninstalls");
        self.mark = Some(mark::raise(client, settings, installed).await?);
        Ok(())
    }

    /// Fails with [`NotOurs`] as soon as another installation is there, or this one shall stay.
    pub(super) async fn confirm(&self, client: &Client, settings: &Settings) -> anyhow::Result<()> {
        let now = mark::installed(client, settings).await?;
        match (&self.installed, &now) {
            (_, None) => return Ok(()),
            (None, Some(now)) => judge(now, self.job_created)?,
            (Some(before), Some(now)) if before.uid != now.uid || before.revision != now.revision => {
                bail!(NotOurs(format!("{now} is installed since")));
            }
            (Some(_), Some(_)) => {}
        }
        if self.mark.is_some() && self.mark != mark::uid(client, settings).await? {
            bail!(NotOurs(format!(
                "ConfigMap {} was removed: Roadstead shall stay",
                settings.uninstall_flag
            )));
        }
        Ok(())
    }
}

fn judge(installed: &Installed, job_created: Option<Timestamp>) -> Result<(), NotOurs> {
    let (Some(created), Some(job)) = (installed.created, job_created) else {
        return Ok(());
    };
    if created > job {
        return Err(NotOurs(format!(
            "{installed} was installed after this Job was made"
        )));
    }
    if !installed.knows_hooks && job.duration_since(created) < TOGETHER {
        return Err(NotOurs(format!(
            "{installed} was applied together with this Job, which is a hook: render the chart with `helm template --no-hooks`"
        )));
    }
    Ok(())
}

/// Labels are anyone's to write, so a Deployment counts only where bundles or nodes carry its installation.
async fn neighbour(client: &Client, settings: &Settings) -> Result<Option<String>, kube::Error> {
    let mut others = BTreeSet::new();
    let is_other = |installation: &String| *installation != settings.installation;
    let bundles: Api<TrustBundle> = Api::all(client.clone());
    let mut pages = Pages::default();
    while let Some(page) = pages.next() {
        let listed = bundles.list(page).await?;
        pages.turn(&listed.metadata);
        others.extend(
            listed
                .items
                .into_iter()
                .map(|bundle| bundle.spec.installation)
                .filter(is_other),
        );
    }
    let trusts: Api<NodeTrust> = Api::all(client.clone());
    let mut pages = Pages::default();
    while let Some(page) = pages.next() {
        let listed = trusts.list(page).await?;
        pages.turn(&listed.metadata);
        others.extend(
            listed
                .items
                .into_iter()
                .map(|trust| trust.spec.installation)
                .filter(is_other),
        );
    }
    if others.is_empty() {
        return Ok(None);
    }
    let deployments: Api<Deployment> = Api::all(client.clone());
    let mut pages = Pages::of(OPERATORS);
    while let Some(page) = pages.next() {
        let listed = deployments.list_metadata(page).await?;
        pages.turn(&listed.metadata);
        let found = listed
            .iter()
            .find(|deployment| others.contains(&installation_of(deployment)));
        if let Some(found) = found {
            let namespace = found.namespace().unwrap_or_default();
            return Ok(Some(format!("{namespace}/{}", found.name_any())));
        }
    }
    Ok(None)
}

/// As its bundles would name it: release namespace and release.
fn installation_of(operator: &PartialObjectMeta<Deployment>) -> String {
    let release = operator.labels().get("app.kubernetes.io/instance");
    let namespace = operator.namespace().unwrap_or_default();
    format!("{namespace}/{}", release.map(String::as_str).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tests::fake::Fake;
    use serde_json::json;

    fn installed(created: i64, knows_hooks: bool) -> Installed {
        Installed {
            uid: "a".to_owned(),
            revision: "1".to_owned(),
            created: at(created),
            knows_hooks,
        }
    }

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    #[test]
    fn a_job_is_for_what_was_installed_before_it() {
        assert!(judge(&installed(100, true), at(200)).is_ok());
        assert!(judge(&installed(200, true), at(200)).is_ok());
        assert!(judge(&installed(201, true), at(200)).is_err());
    }

    #[test]
    fn a_job_that_was_applied_with_the_rest_uninstalls_nothing() {
        assert!(judge(&installed(100, false), at(101)).is_err());
        assert!(judge(&installed(100, false), at(1000)).is_ok());
    }

    fn put_operator(fake: &Fake) {
        fake.put(
            "/apis/apps/v1/namespaces/tenant/deployments/roadstead-operator",
            json!({"metadata": {"name": "roadstead-operator", "namespace": "tenant", "labels": {
                "app.kubernetes.io/component": "operator", "app.kubernetes.io/instance": "roadstead",
                "helm.sh/chart": "roadstead-1.0.0"}}}),
        );
    }

    async fn neighbour_in(fake: &Fake) -> Option<String> {
        let context = fake.context();
        let neighbour = neighbour(&context.client, &context.settings).await;
        neighbour.expect("the API server answers")
    }

    #[tokio::test]
    async fn a_deployment_with_labels_alone_is_no_other_installation() {
        let fake = Fake::default();
        put_operator(&fake);
        assert_eq!(neighbour_in(&fake).await, None);
        fake.put(
            "/apis/roadstead.dev/v1alpha1/namespaces/tenant-nodes/trustbundles/a.b.svc.5000",
            json!({"metadata": {"name": "a.b.svc.5000", "namespace": "tenant-nodes"},
                "spec": {"installation": "tenant/roadstead", "host": "a.b.svc:5000", "ca": "pem",
                    "registry": {"namespace": "b", "name": "a", "uid": "u"}}}),
        );
        assert_eq!(
            neighbour_in(&fake).await.as_deref(),
            Some("tenant/roadstead-operator")
        );
    }
}

//! Which installation an uninstall is for, and whether it is still the one that is there.
//!
//! A Job may start late: when its account is made again by the next install, or on a node that comes back. What it
//! finds then is not what it was made for.

use crate::mark::{self, Installed};
use crate::settings::Settings;
use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};

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

async fn neighbour(client: &Client, settings: &Settings) -> Result<Option<String>, kube::Error> {
    let deployments: Api<Deployment> = Api::all(client.clone());
    let found = deployments.list(&ListParams::default().labels(OPERATORS)).await?;
    let of_roadstead = |deployment: &&Deployment| {
        let chart = deployment
            .labels()
            .get("helm.sh/chart")
            .map(String::as_str)
            .unwrap_or_default();
        chart.starts_with("roadstead-")
    };
    let place = |deployment: &Deployment| (deployment.namespace().unwrap_or_default(), deployment.name_any());
    let own = (settings.namespace.clone(), settings.operator_deployment.clone());
    Ok(found
        .iter()
        .filter(of_roadstead)
        .map(place)
        .find(|place| *place != own)
        .map(|(namespace, name)| format!("{namespace}/{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}

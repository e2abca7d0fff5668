//! The mark of an uninstall: a ConfigMap by which the operator stands still while Roadstead is taken away.
//!
//! It counts for one Deployment of the operator, by UID, and one revision of the release. A mark of any other was left
//! by an uninstall that was broken off, and the installation of now is not the one that was to go: the operator
//! removes it and works on.

use crate::names::FIELD_MANAGER;
use crate::settings::Settings;
use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, Preconditions};
use kube::{Client, ResourceExt as _};
use std::fmt;

/// Annotation of the operator's Deployment: the revision of the release.
const REVISION: &str = "roadstead.dev/release-revision";
/// What helm and Argo CD leave on what they install.
const INSTALLERS: [&str; 2] = ["meta.helm.sh/release-name", "argocd.argoproj.io/tracking-id"];

/// An installation that is there: its operator's Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub uid: String,
    pub revision: String,
    pub created: Option<Timestamp>,
    /// By a program that runs hooks when it should, not by `kubectl apply` of everything at once.
    pub knows_hooks: bool,
}

impl fmt::Display for Installed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "revision {} (Deployment of UID {})",
            self.revision, self.uid
        )
    }
}

impl From<&Deployment> for Installed {
    fn from(deployment: &Deployment) -> Self {
        let annotations = deployment.annotations();
        Self {
            uid: deployment.uid().unwrap_or_default(),
            revision: annotations.get(REVISION).cloned().unwrap_or_default(),
            created: deployment.creation_timestamp().map(|time| time.0),
            knows_hooks: INSTALLERS.iter().any(|key| annotations.contains_key(*key)),
        }
    }
}

/// The installation that is there now; `None` where its operator is not.
pub async fn installed(client: &Client, settings: &Settings) -> Result<Option<Installed>, kube::Error> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &settings.namespace);
    let deployment = deployments.get_opt(&settings.operator_deployment).await?;
    Ok(deployment.as_ref().map(Installed::from))
}

/// Makes the mark for an installation; gives the UID of the mark.
pub async fn raise(client: &Client, settings: &Settings, installed: &Installed) -> anyhow::Result<String> {
    let mark = ConfigMap {
        metadata: ObjectMeta {
            name: Some(settings.uninstall_flag.clone()),
            // It goes with the Deployment, or the next installation would find it.
            owner_references: Some(vec![OwnerReference {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                name: settings.operator_deployment.clone(),
                uid: installed.uid.clone(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        data: Some([("revision".to_owned(), installed.revision.clone())].into()),
        ..ConfigMap::default()
    };
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let raised = marks(client, settings)
        .patch(&settings.uninstall_flag, &parameters, &Patch::Apply(mark))
        .await
        .with_context(|| format!("cannot make the ConfigMap {}", settings.uninstall_flag))?;
    Ok(raised.uid().unwrap_or_default())
}

/// The UID of the mark that is there.
pub async fn uid(client: &Client, settings: &Settings) -> Result<Option<String>, kube::Error> {
    let mark = marks(client, settings).get_opt(&settings.uninstall_flag).await?;
    Ok(mark.and_then(|mark| mark.uid()))
}

/// Why the operator has to stand still, if it has to. A mark that was left behind is removed.
pub async fn standing(client: &Client, settings: &Settings) -> Result<Option<String>, kube::Error> {
    let name = &settings.uninstall_flag;
    let mark = marks(client, settings).get_opt(name).await?;
    // helm itself puts one without an owner there for a moment, in the place of one that was left behind.
    let Some(mark) = mark.filter(|mark| !mark.owner_references().is_empty()) else {
        return Ok(None);
    };
    let installed = installed(client, settings).await?;
    if installed.is_none_or(|installed| counts(&mark, &installed)) {
        return Ok(Some(reason(&mark, settings)));
    }
    let this_one = DeleteParams::default().preconditions(Preconditions {
        uid: mark.uid(),
        resource_version: None,
    });
    match marks(client, settings).delete(name, &this_one).await {
        Ok(_) => tracing::warn!(
            configmap = name,
            "removed the mark of an uninstall that was broken off: it was not for the installation that is there now"
        ),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
        Err(error) => return Err(error),
    }
    Ok(None)
}

/// Whether a mark was made for this installation.
fn counts(mark: &ConfigMap, installed: &Installed) -> bool {
    let revision = mark.data.as_ref().and_then(|data| data.get("revision"));
    mark.owner_references()
        .iter()
        .any(|owner| owner.uid == installed.uid)
        && revision.is_none_or(|revision| *revision == installed.revision)
}

fn reason(mark: &ConfigMap, settings: &Settings) -> String {
    let data = mark.data.as_ref();
    let revision = data
        .and_then(|data| data.get("revision"))
        .map_or("", String::as_str);
    let (namespace, release) = settings
        .installation
        .split_once('/')
        .unwrap_or(("", &settings.installation));
    format!(
        "Roadstead is being uninstalled (release {release}, revision {revision}): the operator changes nothing. If that was \
         broken off, run `helm uninstall {release} -n {namespace}` again; if Roadstead shall stay, run helm upgrade, or \
         `kubectl -n {} delete configmap {}`",
        settings.namespace, settings.uninstall_flag
    )
}

fn marks(client: &Client, settings: &Settings) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), &settings.namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn installed(uid: &str, revision: &str) -> Installed {
        Installed {
            uid: uid.to_owned(),
            revision: revision.to_owned(),
            created: None,
            knows_hooks: true,
        }
    }

    fn mark(object: serde_json::Value) -> ConfigMap {
        serde_json::from_value(object).expect("it is a ConfigMap")
    }

    #[test]
    fn a_mark_counts_for_the_installation_and_the_revision_that_it_was_made_for() {
        let mark = mark(json!({
            "metadata": {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "o", "uid": "a"}]},
            "data": {"revision": "2"},
        }));
        assert!(counts(&mark, &installed("a", "2")));
        assert!(!counts(&mark, &installed("a", "3")), "it was upgraded since");
        assert!(!counts(&mark, &installed("b", "2")), "it was installed anew");
    }

    #[test]
    fn a_mark_of_nobody_counts_for_nobody() {
        assert!(!counts(&mark(json!({"metadata": {}})), &installed("a", "1")));
    }
}

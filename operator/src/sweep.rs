//! What no Registry wants any longer: bundles, and so files on nodes, and CAs.
//!
//! A Registry's finalizer removes them. This is for those whose finalizer was taken off, and for what was deleted while
//! no operator ran. Only complete lists count, and what is there is listed before the Registries are: each of them is
//! older than what was made for it, so one that is missing from the later list is gone.

use crate::names::{OURS, REGISTRY_LABEL, REGISTRY_NAMESPACE_LABEL, REGISTRY_UID_LABEL};
use crate::settings::Settings;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Client, Resource, ResourceExt as _};
use roadstead_api::registry::Registry;
use roadstead_api::trust::TrustBundle;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::Notify;

/// Also without a sign that a Registry went.
const EVERY: Duration = Duration::from_secs(3600);
/// A namespace that is deleted takes all of its Registries at once.
const GATHER: Duration = Duration::from_secs(2);
/// A CA is kept for this long after its Registry: definitions that were deleted by mistake come back from a backup.
const KEEP_CA: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How many Registries are listed at once.
const PAGE: u32 = 4;
/// On a CA: when its Registry was first missed.
const ORPHANED_SINCE: &str = "roadstead.dev/orphaned-since";

/// Sweeps at the start, after each `gone`, and every hour; never ends.
pub async fn run(client: &Client, settings: &Settings, gone: &Notify) {
    loop {
        if let Err(error) = sweep(client, settings, Timestamp::now()).await {
            tracing::warn!(%error, "cannot look for what Registries left behind; nothing was removed");
        }
        let _ = tokio::time::timeout(EVERY, gone.notified()).await;
        tokio::time::sleep(GATHER).await;
    }
}

/// Removes bundles at once, and CAs after [`KEEP_CA`].
async fn sweep(client: &Client, settings: &Settings, now: Timestamp) -> Result<(), kube::Error> {
    let bundles: Api<TrustBundle> = Api::namespaced(client.clone(), &settings.agent_namespace);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &settings.namespace);
    let elsewhere = ListParams::default().labels(&format!("{OURS},{REGISTRY_NAMESPACE_LABEL}"));
    let listed_bundles = bundles.list_metadata(&elsewhere).await?;
    let authorities = secrets.list_metadata(&elsewhere).await?;
    let wanted = Wanted::list(&Api::all(client.clone())).await?;

    for bundle in listed_bundles.items.iter().filter(|bundle| !wanted.has(*bundle)) {
        let whole = bundles.get_opt(&bundle.name_any()).await?;
        if whole.is_some_and(|whole| whole.spec.installation == settings.installation) {
            remove(&bundles, bundle).await?;
        }
    }
    for authority in &authorities.items {
        if let Some(uid) = wanted.missing_uid(authority) {
            set_uid(&secrets, authority, uid).await?;
            continue;
        }
        let since = orphaned_since(authority);
        match (wanted.has(authority), since) {
            (true, None) => {}
            (true, Some(_)) => mark(&secrets, authority, None).await?,
            (false, None) => mark(&secrets, authority, Some(now)).await?,
            (false, Some(since)) if now.duration_since(since) > KEEP_CA => {
                remove(&secrets, authority).await?;
            }
            (false, Some(_)) => {}
        }
    }
    Ok(())
}

/// The Registries that are there, by UID and by name.
#[derive(Default)]
struct Wanted {
    uids: BTreeSet<String>,
    names: BTreeMap<(String, String), ObjectMeta>,
}

impl Wanted {
    /// Page by page: annotations are as large as people like.
    async fn list(registries: &Api<Registry>) -> Result<Self, kube::Error> {
        let mut wanted = Self::default();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let listed = registries.list_metadata(&page).await?;
            for registry in &listed.items {
                wanted.uids.extend(registry.uid());
                let name = (registry.namespace().unwrap_or_default(), registry.name_any());
                let identity = ObjectMeta {
                    uid: registry.uid(),
                    creation_timestamp: registry.creation_timestamp(),
                    ..ObjectMeta::default()
                };
                wanted.names.insert(name, identity);
            }
            match listed.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => page = page.continue_token(&next),
                None => return Ok(wanted),
            }
        }
    }

    /// What has no UID yet was made by an operator that set none, and is judged by name.
    fn has<K: Resource<DynamicType = ()>>(&self, object: &PartialObjectMeta<K>) -> bool {
        match object.labels().get(REGISTRY_UID_LABEL) {
            Some(uid) => self.uids.contains(uid),
            None => self.of_that_name(object).is_some(),
        }
    }

    /// The UID that a CA lacks: of the Registry of that name, unless that is the younger of the two.
    fn missing_uid(&self, authority: &PartialObjectMeta<Secret>) -> Option<&str> {
        if authority.labels().contains_key(REGISTRY_UID_LABEL) {
            return None;
        }
        let registry = self.of_that_name(authority)?;
        let (asked, made) = (
            registry.creation_timestamp.as_ref()?,
            authority.creation_timestamp()?,
        );
        registry.uid.as_deref().filter(|_| asked.0 <= made.0)
    }

    fn of_that_name<K: Resource<DynamicType = ()>>(
        &self,
        object: &PartialObjectMeta<K>,
    ) -> Option<&ObjectMeta> {
        let label = |name: &str| object.labels().get(name).cloned().unwrap_or_default();
        self.names
            .get(&(label(REGISTRY_NAMESPACE_LABEL), label(REGISTRY_LABEL)))
    }
}

fn orphaned_since(authority: &PartialObjectMeta<Secret>) -> Option<Timestamp> {
    authority.annotations().get(ORPHANED_SINCE)?.parse().ok()
}

async fn mark(
    secrets: &Api<Secret>,
    authority: &PartialObjectMeta<Secret>,
    since: Option<Timestamp>,
) -> Result<(), kube::Error> {
    let patch = json!({"metadata": {
        "annotations": {ORPHANED_SINCE: since.map(|since| since.to_string())},
        "resourceVersion": authority.resource_version(),
    }});
    let name = authority.name_any();
    tracing::info!(
        secret = name,
        orphaned = since.is_some(),
        "marked the CA of a Registry"
    );
    let patched = secrets
        .patch_metadata(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    unless_gone(patched.map(drop))
}

/// Without it a later Registry of that name could not be told from the one that this CA was made for.
async fn set_uid(
    secrets: &Api<Secret>,
    authority: &PartialObjectMeta<Secret>,
    uid: &str,
) -> Result<(), kube::Error> {
    let patch = json!({"metadata": {
        "labels": {REGISTRY_UID_LABEL: uid},
        "resourceVersion": authority.resource_version(),
    }});
    let name = authority.name_any();
    let patched = secrets
        .patch_metadata(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    unless_gone(patched.map(drop))
}

/// Deletes what was judged, and nothing that took its place meanwhile.
async fn remove<K>(api: &Api<K>, object: &PartialObjectMeta<K>) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let parameters = DeleteParams::background().preconditions(Preconditions {
        uid: object.uid(),
        resource_version: object.resource_version(),
    });
    let name = object.name_any();
    unless_gone(api.delete(&name, &parameters).await.map(drop))?;
    tracing::info!(kind = %K::kind(&()), name, "deleted what a Registry that is gone left behind");
    Ok(())
}

fn unless_gone(result: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match result {
        // It changed or went while it was looked at: the next sweep judges it anew.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tests::fake::Fake;
    use serde_json::Value;

    const AUTHORITY: &str = "/api/v1/namespaces/roadstead-system/secrets/ca.team.images";
    const BUNDLE: &str =
        "/apis/roadstead.dev/v1alpha1/namespaces/roadstead-system-nodes/trustbundles/images.team.svc.5000";
    const REGISTRY: &str = "/apis/roadstead.dev/v1alpha1/namespaces/team/registries/images";
    const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn labels(uid: Option<&str>) -> Value {
        let mut labels = json!({"app.kubernetes.io/managed-by": "roadstead-operator", REGISTRY_LABEL: "images",
            REGISTRY_NAMESPACE_LABEL: "team"});
        if let Some(uid) = uid {
            labels[REGISTRY_UID_LABEL] = json!(uid);
        }
        labels
    }

    fn with_remains(uid: Option<&str>, installation: &str) -> Fake {
        let fake = Fake::default();
        fake.put(
            AUTHORITY,
            json!({"metadata": {"name": "ca.team.images", "namespace": "roadstead-system", "labels": labels(uid)}}),
        );
        fake.put(
            BUNDLE,
            json!({"metadata": {"name": "images.team.svc.5000", "labels": labels(uid)},
                "spec": {"installation": installation, "host": "images.team.svc:5000", "ca": "pem",
                    "registry": {"namespace": "team", "name": "images", "uid": "old"}}}),
        );
        fake
    }

    fn put_registry(fake: &Fake, uid: &str) {
        fake.put(
            REGISTRY,
            json!({"metadata": {"name": "images", "namespace": "team", "uid": uid}}),
        );
    }

    async fn swept(fake: &Fake, days: i32) -> [bool; 2] {
        let context = fake.context();
        sweep(&context.client, &context.settings, START + DAY * days)
            .await
            .expect("the API server answers");
        [BUNDLE, AUTHORITY].map(|path| fake.get(path).is_some())
    }

    #[tokio::test]
    async fn what_a_registry_left_behind_goes_and_its_ca_a_week_later() {
        let fake = with_remains(Some("old"), "roadstead-system/roadstead");
        assert_eq!(swept(&fake, 0).await, [false, true]);
        assert_eq!(swept(&fake, 6).await, [false, true]);
        assert_eq!(swept(&fake, 8).await, [false, false]);
    }

    #[tokio::test]
    async fn a_new_registry_of_that_name_wants_nothing_of_the_former_one() {
        let fake = with_remains(Some("old"), "roadstead-system/roadstead");
        put_registry(&fake, "new");
        assert_eq!(swept(&fake, 0).await, [false, true]);
    }

    #[tokio::test]
    async fn what_is_wanted_stays_and_a_registry_that_comes_back_finds_its_ca() {
        let fake = with_remains(Some("old"), "roadstead-system/roadstead");
        put_registry(&fake, "old");
        assert_eq!(swept(&fake, 0).await, [true, true]);
        assert_eq!(fake.writes(), Vec::<String>::new());

        let fake = with_remains(Some("old"), "roadstead-system/roadstead");
        swept(&fake, 0).await;
        put_registry(&fake, "old");
        swept(&fake, 6).await;
        assert_eq!(swept(&fake, 8).await, [false, true]);
    }

    #[tokio::test]
    async fn what_has_no_uid_yet_is_judged_by_name() {
        let fake = with_remains(None, "roadstead-system/roadstead");
        put_registry(&fake, "any");
        assert_eq!(swept(&fake, 0).await, [true, true]);
    }

    #[tokio::test]
    async fn a_ca_without_a_uid_gets_that_of_its_registry_once() {
        for (made, expected) in [
            ("2026-11-02T00:00:00Z", json!("u")),
            ("2026-10-31T00:00:00Z", Value::Null),
        ] {
            let fake = with_remains(None, "roadstead-system/roadstead");
            let mut authority = fake.get(AUTHORITY).expect("it is there");
            authority["metadata"]["creationTimestamp"] = json!(made);
            fake.put(AUTHORITY, authority);
            fake.put(
                REGISTRY,
                json!({"metadata": {"name": "images", "namespace": "team", "uid": "u",
                    "creationTimestamp": "2026-11-01T00:00:00Z"}}),
            );
            swept(&fake, 0).await;
            let authority = fake.get(AUTHORITY).expect("it stays");
            assert_eq!(authority["metadata"]["labels"][REGISTRY_UID_LABEL], expected);
            fake.writes();
            swept(&fake, 0).await;
            assert_eq!(fake.writes(), Vec::<String>::new());
        }
    }

    #[tokio::test]
    async fn a_bundle_of_another_installation_is_not_ours_to_remove() {
        let fake = with_remains(Some("old"), "elsewhere/roadstead");
        assert_eq!(swept(&fake, 0).await, [true, true]);
    }
}

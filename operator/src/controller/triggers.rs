//! From an object that changed to the Registries that it concerns.

use super::{Seen, Shared};
use crate::context::Registries;
use crate::lean::Lean;
use crate::mark;
use crate::names::{Host, REGISTRY_LABEL, REGISTRY_NAMESPACE_LABEL};
use crate::nodes::Nodes;
use crate::settings::Settings;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use roadstead_api::trust::TrustBundle;
use std::sync::Arc;
use std::time::Duration;

/// Nodes speak all at once after a change: their words are gathered for this long.
const GATHER: Duration = Duration::from_secs(1);

/// The Registry that an object of ours was made for.
pub(super) fn labelled<K: Resource>(
    settings: &Arc<Settings>,
) -> impl Fn(Lean<K>) -> Option<ObjectRef<Seen>> + Send + Sync + use<K> {
    let settings = settings.clone();
    move |object| owner(&settings, &object)
}

/// The Registries that name a Secret, and the one that it was made for.
pub(super) fn naming_secret(
    settings: &Settings,
    registries: &Registries,
    secret: &Lean<Secret>,
) -> Vec<ObjectRef<Seen>> {
    naming(settings, registries, secret, Seen::names_secret)
}

/// The Registries that name a volume claim, and the one that it was made for.
pub(super) fn naming_claim(
    settings: &Settings,
    registries: &Registries,
    claim: &Lean<PersistentVolumeClaim>,
) -> Vec<ObjectRef<Seen>> {
    naming(settings, registries, claim, Seen::names_claim)
}

/// The Registry that a bundle was made for, and those that would bring the same host to nodes if they could.
pub(super) fn sharing_host(
    settings: &Settings,
    registries: &Registries,
    bundle: &Lean<TrustBundle>,
) -> Vec<ObjectRef<Seen>> {
    let name = bundle.meta().name.as_deref().unwrap_or_default();
    let shares = |registry: &Seen| {
        let host = registry.hostname().map(|name| Host {
            name: name.to_owned(),
            port: registry.port(),
        });
        host.is_some_and(|host| host.bundle_name() == name)
    };
    let sharing = registries
        .state_filter(shares)
        .into_iter()
        .map(|registry| ObjectRef::from_obj(&*registry));
    sharing.chain(owner(settings, bundle)).collect()
}

/// Registries about whose nodes there is something new to tell.
pub(super) fn outdated(shared: Arc<Shared>, nodes: Nodes) -> impl Stream<Item = ObjectRef<Seen>> + Send {
    let bunches = stream::unfold((shared, nodes), |(shared, mut nodes)| async move {
        if !nodes.changed().await {
            return None;
        }
        tokio::time::sleep(GATHER).await;
        let context = &shared.context;
        let outdated = context.reports.outdated(&nodes, context.now());
        Some((outdated, (shared, nodes)))
    });
    bunches.flat_map(|outdated| {
        stream::iter(outdated).map(|(namespace, name)| ObjectRef::new(&name).within(&namespace))
    })
}

/// Registries whose pods can write no longer, or again.
pub(super) fn refusing(shared: &Shared) -> impl Stream<Item = ObjectRef<Seen>> + Send + use<> {
    let changes = shared.context.stores.clone().changes();
    changes.map(|(namespace, name)| ObjectRef::new(&name).within(&namespace))
}

/// Each time the mark of an uninstall comes or goes: then every Registry has something to tell.
pub(super) fn marks(
    client: &Client,
    watches: &Client,
    settings: &Arc<Settings>,
) -> impl Stream<Item = ()> + Send + use<> {
    let this_one = format!("metadata.name={}", settings.uninstall_flag);
    let marks = Api::<PartialObjectMeta<ConfigMap>>::namespaced(watches.clone(), &settings.namespace);
    let changes = watcher(marks, watcher::Config::default().fields(&this_one)).default_backoff();
    let (client, settings) = (client.clone(), settings.clone());
    changes
        .filter_map(async |event| {
            matches!(
                event,
                Ok(Event::Apply(_) | Event::InitApply(_) | Event::Delete(_))
            )
            .then_some(())
        })
        .then(move |()| {
            let (client, settings) = (client.clone(), settings.clone());
            async move {
                match mark::standing(&client, &settings).await {
                    Ok(Some(why)) => tracing::warn!("{why}"),
                    Ok(None) => tracing::info!("no uninstall is under way: the operator works"),
                    Err(error) => tracing::warn!(%error, "cannot read the mark of an uninstall"),
                }
            }
        })
}

fn naming<K: Resource>(
    settings: &Settings,
    registries: &Registries,
    object: &Lean<K>,
    names: impl Fn(&Seen, &str) -> bool,
) -> Vec<ObjectRef<Seen>> {
    let namespace = object.meta().namespace.as_deref();
    let name = object.meta().name.as_deref().unwrap_or_default();
    let naming = registries
        .state_filter(|registry| registry.meta().namespace.as_deref() == namespace)
        .into_iter()
        .filter(|registry| names(registry, name))
        .map(|registry| ObjectRef::from_obj(&*registry));
    naming.chain(owner(settings, object)).collect()
}

/// Only where no tenant writes may an object be another namespace's: else anyone could keep a Registry of others awake.
fn owner<K: Resource>(settings: &Settings, object: &Lean<K>) -> Option<ObjectRef<Seen>> {
    let labels = object.meta().labels.as_ref()?;
    let name = labels.get(REGISTRY_LABEL)?;
    let own = object.meta().namespace.as_ref()?;
    let is_ours = [&settings.namespace, &settings.agent_namespace].contains(&own);
    let elsewhere = labels.get(REGISTRY_NAMESPACE_LABEL).filter(|_| is_ours);
    Some(ObjectRef::new(name).within(elsewhere.unwrap_or(own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;
    use kube::runtime::reflector;
    use serde_json::json;

    fn registries() -> Registries {
        let (store, mut writer) = reflector::store();
        for (namespace, name) in [("team", "images"), ("team", "charts"), ("other", "images")] {
            let tls = (name == "images").then(|| json!({"secretRef": {"name": "my-tls"}}));
            let registry = json!({
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"storage": {"emptyDir": {}}, "tls": tls, "hostname": format!("{name}.example.com"),
                    "auth": {"htpasswd": {"secretRef": {"name": "my-users"}}}},
            });
            let registry = serde_json::from_value(registry).expect("it is a Registry");
            writer.apply_watcher_event(&watcher::Event::Apply(registry));
        }
        store
    }

    fn woken(name: &str, labels: serde_json::Value) -> Vec<String> {
        woken_in("team", name, labels)
    }

    fn woken_in(namespace: &str, name: &str, labels: serde_json::Value) -> Vec<String> {
        let secret = json!({"metadata": {"name": name, "namespace": namespace, "labels": labels}});
        let secret = serde_json::from_value(secret).expect("it is metadata");
        named(naming_secret(&settings(), &registries(), &secret))
    }

    fn named(references: Vec<ObjectRef<Seen>>) -> Vec<String> {
        let name = |reference: ObjectRef<Seen>| {
            format!("{}/{}", reference.namespace.unwrap_or_default(), reference.name)
        };
        let mut names: Vec<_> = references.into_iter().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_secret_wakes_those_that_name_it_in_its_namespace() {
        assert_eq!(woken("my-tls", json!({})), ["team/images"]);
        assert_eq!(woken("my-users", json!({})), ["team/charts", "team/images"]);
        assert_eq!(woken("another", json!({})), Vec::<String>::new());
    }

    #[test]
    fn an_object_names_a_registry_of_another_namespace_only_where_no_tenant_writes() {
        let labels = json!({REGISTRY_LABEL: "images", REGISTRY_NAMESPACE_LABEL: "far"});
        let settings = settings();
        for namespace in [&settings.namespace, &settings.agent_namespace] {
            assert_eq!(woken_in(namespace, "x", labels.clone()), ["far/images"]);
        }
        assert_eq!(woken("x", labels), ["team/images"]);
        assert_eq!(woken("x", json!({REGISTRY_LABEL: "images"})), ["team/images"]);
    }

    #[test]
    fn a_host_that_becomes_free_wakes_everyone_who_waits_for_it() {
        let bundle = json!({"metadata": {"name": "images.example.com.5000", "namespace": settings().agent_namespace,
            "labels": {REGISTRY_LABEL: "gone", REGISTRY_NAMESPACE_LABEL: "far"}}});
        let bundle = serde_json::from_value(bundle).expect("it is metadata");
        assert_eq!(
            named(sharing_host(&settings(), &registries(), &bundle)),
            ["far/gone", "other/images", "team/images"]
        );
    }
}

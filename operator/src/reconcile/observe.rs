//! Observe: everything that is read from the cluster for one Registry, before anything is decided.

use super::bounded::{self, Found};
use super::live::{Key, Kind, Live};
use crate::context::Context;
use crate::names::{Host, Hosts, RegistryId};
use crate::seen::Seen;
use crate::settings::Settings;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret};
use kube::Resource as _;
use kube::api::ObjectMeta;
use roadstead_api::names::{InvalidName, ObjectName};
use roadstead_api::registry::Registry;
use std::sync::Arc;

/// What the cluster has for one Registry.
#[cfg_attr(test, derive(Clone))]
pub struct Observed {
    pub registry: Registry,
    pub id: RegistryId,
    pub hosts: Hosts,
    pub now: Timestamp,
    /// What the operator made, or what stands where it would make something.
    pub live: Live,
    /// `spec.tls.secretRef`.
    pub tls_source: Option<Source<Secret>>,
    /// `spec.auth.htpasswd.secretRef`.
    pub htpasswd_source: Option<Source<Secret>>,
    /// `spec.storage.persistentVolumeClaim.claimName`.
    pub claim_source: Option<Source<PersistentVolumeClaim>>,
    /// Registries that brought the same external host to nodes before this one.
    pub earlier_claimant: Option<String>,
}

/// An object that a person names: it may not be there.
#[derive(Debug, Clone)]
pub struct Source<T> {
    pub name: String,
    pub object: Option<T>,
    /// Why it is not looked at.
    pub unusable: Option<Unusable>,
}

/// Why an object that a person names is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No object can have this name, so none was asked for.
    #[error(transparent)]
    Name(InvalidName),
    #[error("names an object with thousands of keys: leave only those that belong to it")]
    TooLarge,
}

impl Unusable {
    /// As a condition has it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Name(_) => "InvalidName",
            Self::TooLarge => "TooLarge",
        }
    }
}

/// The keys under which objects of this Registry stand.
#[derive(Debug, Clone)]
pub struct Keys {
    pub service_account: Key,
    pub service: Key,
    pub deployment: Key,
    pub disruption_budget: Key,
    pub config: Key,
    pub ca_bundle: Key,
    pub internal_tls: Key,
    pub external_tls: Key,
    pub htpasswd: Key,
    pub push: Key,
    pub pull: Key,
    pub data: Key,
    pub authority: Key,
}

impl Keys {
    pub fn of(id: &RegistryId, settings: &Settings) -> Self {
        let own = |kind, name: &str| Key::new(kind, &id.namespace, name);
        Self {
            service_account: own(Kind::ServiceAccount, &id.name),
            service: own(Kind::Service, &id.name),
            deployment: own(Kind::Deployment, &id.name),
            disruption_budget: own(Kind::PodDisruptionBudget, &id.name),
            config: own(Kind::ConfigMap, &id.config()),
            ca_bundle: own(Kind::ConfigMap, &id.ca_bundle()),
            internal_tls: own(Kind::Secret, &id.internal_tls()),
            external_tls: own(Kind::Secret, &id.external_tls()),
            htpasswd: own(Kind::Secret, &id.htpasswd()),
            push: own(Kind::Secret, &id.push()),
            pull: own(Kind::Secret, &id.pull()),
            data: own(Kind::PersistentVolumeClaim, &id.data()),
            authority: Key::new(Kind::Secret, &settings.namespace, &id.authority()),
        }
    }

    fn all(&self) -> Vec<Key> {
        let Self {
            service_account,
            service,
            deployment,
            disruption_budget,
            config,
            ca_bundle,
            internal_tls,
            external_tls,
            htpasswd,
            push,
            pull,
            data,
            authority,
        } = self;
        [
            service_account,
            service,
            deployment,
            disruption_budget,
            config,
            ca_bundle,
            internal_tls,
            external_tls,
            htpasswd,
            push,
            pull,
            data,
            authority,
        ]
        .map(Clone::clone)
        .into()
    }
}

/// Reads everything for one Registry.
pub async fn observe(context: &Context, registry: Registry) -> Result<Observed, kube::Error> {
    let settings = &context.settings;
    let id = RegistryId::of(&registry);
    let spec = &registry.spec;
    let port = u16::try_from(spec.service.port).unwrap_or_default();
    let hosts = Hosts::of(&id, port, spec.hostname.as_deref(), &settings.cluster_domain);

    let keys = Keys::of(&id, settings);
    let users = keys.htpasswd.clone();
    let mut keys = keys.all();
    keys.extend(bundle_keys(context, &id, &hosts));

    let tls = spec.tls.as_ref().and_then(|tls| tls.secret_ref.as_ref());
    let tls = tls.map(|reference| &reference.name);
    let htpasswd = spec.auth.as_ref().and_then(|auth| auth.htpasswd.as_ref());
    let htpasswd = htpasswd.map(|htpasswd| &htpasswd.secret_ref.name);
    let claim = spec.storage.persistent_volume_claim.as_ref();
    let claim = claim.and_then(|claim| claim.claim_name.as_ref());

    let (live, tls_source, htpasswd_source, claim_source) = futures::try_join!(
        Live::read(&context.client, keys, &users),
        source(context, &id, tls),
        source(context, &id, htpasswd),
        source(context, &id, claim),
    )?;
    let earlier_claimant = hosts
        .external
        .as_ref()
        .and_then(|host| earlier_claimant(context, &registry, host));
    Ok(Observed {
        id,
        hosts,
        now: context.now(),
        live,
        tls_source,
        htpasswd_source,
        claim_source,
        earlier_claimant,
        registry,
    })
}

/// The bundles that may be wanted, and those of this Registry that may be left from before.
fn bundle_keys(context: &Context, id: &RegistryId, hosts: &Hosts) -> Vec<Key> {
    let mut names: Vec<String> = [
        Some(&hosts.service),
        Some(&hosts.qualified),
        hosts.external.as_ref(),
    ]
    .into_iter()
    .flatten()
    .map(Host::bundle_name)
    .collect();
    names.extend(context.nodes.bundles_of(&id.namespace, &id.name));
    names.sort();
    names.dedup();
    names
        .iter()
        .map(|name| Key::new(Kind::TrustBundle, &context.settings.agent_namespace, name))
        .collect()
}

async fn source<T>(
    context: &Context,
    id: &RegistryId,
    name: Option<&ObjectName>,
) -> Result<Option<Source<T>>, kube::Error>
where
    T: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned,
{
    let Some(name) = name else { return Ok(None) };
    let (object, unusable) = match name.checked() {
        Ok(name) => {
            let url = T::url_path(&(), Some(&id.namespace));
            match bounded::get(&context.client, &url, name, bounded::OF_PEOPLE).await? {
                Found::Nothing => (None, None),
                Found::Object(object) => (Some(object), None),
                Found::TooLarge => (None, Some(Unusable::TooLarge)),
            }
        }
        Err(invalid) => (None, Some(Unusable::Name(invalid))),
    };
    Ok(Some(Source {
        name: name.as_written().to_owned(),
        object,
        unusable,
    }))
}

/// Of all Registries that may bring a host to nodes which nobody has yet, the oldest gets it.
fn earlier_claimant(context: &Context, registry: &Registry, host: &Host) -> Option<String> {
    let rank = |metadata: &ObjectMeta| {
        let created = metadata.creation_timestamp.as_ref().map(|time| time.0);
        (created, metadata.namespace.clone(), metadata.name.clone())
    };
    let own_rank = rank(&registry.metadata);
    let registries = context.registries();
    let claims = |other: &&Arc<Seen>| {
        let (metadata, hostname) = (other.meta(), other.hostname().unwrap_or_default());
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        metadata.uid != registry.metadata.uid
            && metadata.deletion_timestamp.is_none()
            // Nothing is done for one that is paused, so it must not keep others waiting.
            && other.steers_nodes()
            && hostname.eq_ignore_ascii_case(&host.name)
            && host.port == other.port()
            && context.settings.allows(namespace, hostname)
    };
    let earlier = registries.iter().filter(claims).map(|other| other.meta());
    let first = earlier
        .filter(|other| rank(other) < own_rank)
        .min_by_key(|other| rank(other))?;
    let (namespace, name) = (first.namespace.as_deref()?, first.name.as_deref()?);
    Some(format!("{namespace}/{name}"))
}

//! Whether `spec.hostname` may be brought to nodes, and whether the operator's CA may vouch for it.
//!
//! What stands on a node decides where every pod of that node gets its images from, and whoever imports the CA believes
//! what it signs, so a namespaced object alone must decide neither: the installation has to name the host, and hosts
//! that half the world pulls from are out of reach.

use super::Finding;
use super::ownership::{Ownership, ownership};
use crate::reconcile::live::{Key, Kind};
use crate::reconcile::observe::Observed;
use crate::settings::Settings;
use roadstead_api::registry::ConditionType;
use std::net::IpAddr;

/// Registries that clusters pull from anyway; each stands for its subdomains as well.
const PUBLIC: &[&str] = &[
    "azurecr.io",
    "amazonaws.com",
    "cgr.dev",
    "docker.com",
    "docker.elastic.co",
    "docker.io",
    "ecr.aws",
    "gcr.io",
    "ghcr.io",
    "icr.io",
    "k8s.io",
    "lscr.io",
    "mcr.microsoft.com",
    "nvcr.io",
    "pkg.dev",
    "quay.io",
    "redhat.com",
    "redhat.io",
    "registry.gitlab.com",
    "registry.opensuse.org",
    "registry.suse.com",
    "xpkg.upbound.io",
];

/// What becomes of the external host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hostname {
    /// It goes to nodes.
    pub(super) on_nodes: bool,
    /// The operator's own CA may sign it.
    pub(super) is_signed: bool,
}

/// What may become of the external host; where that is less than was asked for, findings say why.
pub(super) fn hostname(observed: &Observed, settings: &Settings, findings: &mut Vec<Finding>) -> Hostname {
    if let (Some(name), None) = (&observed.registry.spec.hostname, &observed.hosts.external) {
        findings.push(Finding::failure(
            ConditionType::CertificateValid,
            "InvalidName",
            format!(
                "spec.hostname {:.80?} is no DNS name: nothing is done for it",
                name
            ),
        ));
    }
    Hostname {
        is_signed: is_signed(observed, settings, findings),
        on_nodes: on_nodes(observed, settings, findings),
    }
}

fn is_signed(observed: &Observed, settings: &Settings, findings: &mut Vec<Finding>) -> bool {
    let Some(host) = observed.hosts.external.as_ref() else {
        return false;
    };
    let Some(why) = not_allowed(observed, settings, &host.name) else {
        return true;
    };
    if observed.tls_source.is_none() {
        findings.push(Finding::failure(
            ConditionType::CertificateValid,
            "HostnameNotAllowed",
            format!(
                "no certificate is issued for {}: {why}; or bring a certificate of your own in spec.tls.secretRef",
                host.name
            ),
        ));
    }
    false
}

fn on_nodes(observed: &Observed, settings: &Settings, findings: &mut Vec<Finding>) -> bool {
    let Some(host) = observed.hosts.external.as_ref() else {
        return false;
    };
    let wanted = &observed.registry.spec.node_trust;
    if !wanted.enabled || !wanted.include_hostname {
        return false;
    }
    match refusal(observed, settings, &host.name) {
        None => true,
        Some((reason, why)) => {
            let message = format!(
                "{} is not brought to nodes: {why}; if only clients outside the cluster use it, set \
                 spec.nodeTrust.includeHostname to false",
                host.name
            );
            findings.push(Finding::failure(ConditionType::NodesTrusted, reason, message));
            false
        }
    }
}

/// Why the installation does not give this namespace the name.
fn not_allowed(observed: &Observed, settings: &Settings, hostname: &str) -> Option<String> {
    if let Some(why) = never(hostname, &settings.cluster_domain) {
        return Some(why.to_owned());
    }
    let namespace = &observed.id.namespace;
    (!settings.allows(namespace, hostname)).then(|| {
        format!("the installation has to allow it, in the chart's nodeTrust.allowedHostnames for namespace {namespace}")
    })
}

fn refusal(observed: &Observed, settings: &Settings, hostname: &str) -> Option<(&'static str, String)> {
    if let Some(why) = not_allowed(observed, settings, hostname) {
        return Some(("HostnameNotAllowed", why));
    }
    let key = Key::new(
        Kind::TrustBundle,
        &settings.agent_namespace,
        &observed.hosts.external.as_ref()?.bundle_name(),
    );
    // Who has it keeps it, whoever else comes to claim it and however old.
    let Some(bundle) = observed.live.value(&key) else {
        let other = observed.earlier_claimant.as_ref()?;
        return Some(("HostnameConflict", format!("Registry {other} had it first")));
    };
    let foreign = ownership(bundle, &key, &observed.id, &settings.installation) == Ownership::Foreign;
    foreign.then(|| {
        let of = &bundle["spec"]["registry"];
        let (namespace, name) = (of["namespace"].as_str(), of["name"].as_str());
        let other = format!("{}/{}", namespace.unwrap_or("?"), name.unwrap_or("?"));
        ("HostnameConflict", format!("Registry {other} has it"))
    })
}

/// Hosts that no setting allows.
fn never(hostname: &str, cluster_domain: &str) -> Option<&'static str> {
    let within = |domain: &str| {
        hostname
            .strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if hostname.parse::<IpAddr>().is_ok() || !hostname.contains('.') {
        return Some("it must be a full DNS name");
    }
    if within("svc") || within(cluster_domain) {
        return Some("names inside the cluster belong to the Services that they come from");
    }
    PUBLIC
        .iter()
        .any(|domain| within(domain))
        .then_some("it is a public registry, which this cluster must go on reaching")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_registries_and_their_subdomains_are_out_of_reach() {
        for hostname in [
            "docker.io",
            "registry-1.docker.io",
            "ghcr.io",
            "quay.io",
            "gcr.io",
            "eu.gcr.io",
            "registry.k8s.io",
            "public.ecr.aws",
            "mcr.microsoft.com",
            "123.dkr.ecr.eu-west-1.amazonaws.com",
        ] {
            assert!(never(hostname, "cluster.local").is_some(), "{hostname}");
        }
    }

    #[test]
    fn names_inside_the_cluster_and_addresses_are_out_of_reach() {
        for hostname in [
            "other.team.svc",
            "other.team.svc.cluster.local",
            "10.0.0.1",
            "_default",
            "localhost",
        ] {
            assert!(never(hostname, "cluster.local").is_some(), "{hostname}");
        }
    }

    #[test]
    fn a_name_of_ones_own_is_left_to_the_settings() {
        for hostname in ["registry.example.com", "notdocker.io", "docker.io.example.com"] {
            assert_eq!(never(hostname, "cluster.local"), None, "{hostname}");
        }
    }
}

//! Where clients reach the registry: only what is served there, under a name that its certificate covers.

use super::Facts;
use crate::names::Host;
use k8s_openapi::api::core::v1::{Secret, Service};
use roadstead_api::registry::ServiceType;
use roadstead_pki::certificate::parse_certificates;

/// `https://host:port`, by the external name where that one works.
pub(super) fn url(facts: &Facts<'_>) -> String {
    let hosts = &facts.validated.hosts;
    let external = hosts
        .external
        .as_ref()
        .filter(|host| is_refused(facts).is_none() && is_covered(facts, host));
    match external {
        Some(host) => format!(
            "https://{}",
            Host {
                name: host.name.clone(),
                port: outer_port(facts, host)
            }
        ),
        None => format!("https://{}", hosts.service),
    }
}

/// Why the name is not this Registry's to have.
fn is_refused(facts: &Facts<'_>) -> Option<&'static str> {
    let reasons = facts.validated.findings.iter().map(|finding| finding.reason);
    reasons
        .into_iter()
        .find(|reason| ["HostnameNotAllowed", "HostnameConflict"].contains(reason))
}

fn is_covered(facts: &Facts<'_>, host: &Host) -> bool {
    let keys = &facts.validated.keys;
    [&keys.internal_tls, &keys.external_tls].into_iter().any(|key| {
        let secret: Option<Secret> = facts.live.get(key);
        secret
            .and_then(|secret| parse_certificates(&secret.data?.get("tls.crt")?.0).ok())
            .is_some_and(|chain| chain.first().is_some_and(|leaf| leaf.covers(&host.name)))
    })
}

/// Outside the cluster a NodePort Service is reached by the port of the nodes.
fn outer_port(facts: &Facts<'_>, host: &Host) -> u16 {
    let service: Option<Service> = facts.live.get(&facts.validated.keys.service);
    let node_port = service.and_then(|service| service.spec?.ports?.first()?.node_port);
    match facts.validated.service.kind {
        ServiceType::NodePort => node_port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(host.port),
        ServiceType::ClusterIP | ServiceType::LoadBalancer => host.port,
    }
}

//! The Service, and what pods stand on: a ServiceAccount without rights, a disruption budget.

use crate::reconcile::validate::Validated;
use k8s_openapi::api::core::v1::{Service, ServiceAccount, ServicePort, ServiceSpec};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use roadstead_api::registry::ServiceType;

pub(super) fn service(validated: &Validated) -> Service {
    let Validated {
        id,
        service,
        addresses,
        ..
    } = validated;
    let mut metadata = id.owned(&id.name);
    if !service.annotations.is_empty() {
        metadata.annotations = Some(service.annotations.clone());
    }
    let kind = match service.kind {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::NodePort => "NodePort",
        ServiceType::LoadBalancer => "LoadBalancer",
    };
    let lost = (!addresses.lost.is_empty()).then(|| addresses.lost.clone());
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(kind.to_owned()),
            selector: Some(id.pod_labels()),
            // Nodes and certificates carry the address: a Service that is made anew gets the same one.
            cluster_ip: addresses.lost.first().cloned(),
            cluster_ips: lost,
            load_balancer_class: service.load_balancer_class.clone(),
            load_balancer_source_ranges: service.load_balancer_source_ranges.clone(),
            ports: Some(vec![ServicePort {
                name: Some("registry".to_owned()),
                app_protocol: Some("https".to_owned()),
                protocol: Some("TCP".to_owned()),
                port: service.port,
                target_port: Some(IntOrString::String("registry".to_owned())),
                node_port: service.node_port,
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

pub(super) fn service_account(validated: &Validated) -> ServiceAccount {
    ServiceAccount {
        metadata: validated.id.owned(&validated.id.name),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

pub(super) fn disruption_budget(validated: &Validated) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: validated.id.owned(&validated.id.name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector {
                match_labels: Some(validated.id.pod_labels()),
                ..LabelSelector::default()
            }),
            // A pod that does not serve anyway must not keep a node from being drained.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}

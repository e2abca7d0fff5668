//! The Service in front of the registry.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The Service in front of the registry.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, KubeSchema)]
#[x_kube(
    validation = Rule::new("!has(self.nodePort) || (has(self.type) && self.type != 'ClusterIP')")
        .message("nodePort needs service.type NodePort or LoadBalancer"),
    validation = Rule::new("!has(self.loadBalancerClass) || (has(self.type) && self.type == 'LoadBalancer')")
        .message("loadBalancerClass needs service.type LoadBalancer"),
    validation = Rule::new("!has(self.loadBalancerSourceRanges) || (has(self.type) && self.type == 'LoadBalancer')")
        .message("loadBalancerSourceRanges needs service.type LoadBalancer")
)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// How it is reached from outside the cluster, if at all.
    #[serde(default, rename = "type")]
    pub kind: ServiceType,

    /// The port that stands in image references (443 is left out there). Changing it changes the name of every image.
    #[serde(default = "default_port")]
    #[x_kube(
        validation = Rule::new("self >= 1 && self <= 65535").message("service.port must lie between 1 and 65535")
    )]
    pub port: i32,

    /// The port on each node; chosen by the cluster where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(
        validation = Rule::new("self >= 1 && self <= 65535").message("service.nodePort must lie between 1 and 65535")
    )]
    pub node_port: Option<i32>,

    /// Which load balancer implementation is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new("self.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')")
            .message("service.loadBalancerClass must be a name such as internal-vip or example.com/internal-vip")
    )]
    pub load_balancer_class: Option<String>,

    /// The networks that may reach the load balancer, such as `10.0.0.0/8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 64)))]
    #[x_kube(
        validation = Rule::new("self.all(range, range.matches('^[0-9A-Fa-f.:]+/[0-9]{1,3}$'))")
            .message("service.loadBalancerSourceRanges must hold networks such as 10.0.0.0/8")
    )]
    pub load_balancer_source_ranges: Option<Vec<String>>,

    /// Annotations for the Service, for load balancers that read them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[x_kube(
        validation = Rule::new("self.all(key, !key.startsWith('roadstead.dev/'))")
            .message("annotations that begin with roadstead.dev/ are the operator's own")
    )]
    pub annotations: BTreeMap<String, String>,
}

/// How the Service is reached from outside the cluster.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema)]
pub enum ServiceType {
    #[default]
    ClusterIP,
    NodePort,
    LoadBalancer,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            kind: ServiceType::default(),
            port: default_port(),
            node_port: None,
            load_balancer_class: None,
            load_balancer_source_ranges: None,
            annotations: BTreeMap::new(),
        }
    }
}

fn default_port() -> i32 {
    5000
}
